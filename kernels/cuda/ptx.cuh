/* ptx.cuh - the PTX instructions that CUDA C++ has no words for, each as a function.
 *
 * Source:  PTX ISA 9.0: cp.async, ldmatrix, mma (Matrix Fragments for mma.m16n8k16, .m16n8k8,
 *          .m16n8k4), bar.
 * Layer:   kernels/cuda.
 * Threads: ldmatrix and mma: all 32 lanes of a warp together.
 * Host:    tests/cuda_host/ptx_host.h defines the same functions; add to both.
 *
 * cp.async syn_cp_async<B>(dst, src, valid) starts a copy of B = 4, 8 or 16 bytes from global to
 *          shared memory, both aligned to B; of the source only `valid` bytes are read (0: none),
 *          and the rest of dst becomes zero. _commit closes a group; _wait<N> waits until at most N
 *          of this thread's groups are on their way. Then the thread itself sees the bytes, the
 *          others after a barrier. Below sm_80: done at once through registers.
 * ldmatrix loads 1, 2 or 4 matrices of 8x8 16-bit elements from shared memory. Lane 8i + j gives
 *          the address of row j of matrix i, 16 bytes, aligned to 16; further lanes' addresses are
 *          ignored. Register i then holds row g, elements 2t and 2t+1 of matrix i (g = lane / 4,
 *          t = lane % 4; the lower one in the low half), or with _trans column g, rows 2t, 2t+1.
 * mma      D [16, 8] float += A [16, k] * B [k, 8]:
 *            d[0], d[1] = D[g][2t], D[g][2t+1]      d[2], d[3] = D[g+8][2t], D[g+8][2t+1]
 *          f16, bf16 (two neighbours along k in a register, the lower one in the low half):
 *            a[0] = A[g  ][2t, 2t+1]    a[2] = A[g  ][2t+8, 2t+9]    b[0] = B[2t,   2t+1][g]
 *            a[1] = A[g+8][2t, 2t+1]    a[3] = A[g+8][2t+8, 2t+9]    b[1] = B[2t+8, 2t+9][g]
 *          m16n8k8 has a[0..1] and b[0] only. tf32 (one float in a register, see syn_tf32):
 *            a[0] = A[g  ][t]           a[2] = A[g  ][t+4]           b[0] = B[t  ][g]
 *            a[1] = A[g+8][t]           a[3] = A[g+8][t+4]           b[1] = B[t+4][g]
 *          m16n8k4 has a[0..1] and b[0] only. sm_75 has f16 alone; bf16 and tf32 trap there, so a
 *          plan for sm_75 must not choose them.
 * bar      syn_bar_sync(id, count) waits until `count` threads (a multiple of 32) have come to
 *          barrier `id` (1 to 15; 0 is __syncthreads); _arrive comes without waiting. */
#ifndef SYN_CUDA_PTX_CUH
#define SYN_CUDA_PTX_CUH

#include <stdint.h>

#ifndef SYN_CUDA_HOST

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define SYN_PTX_SM75 1
#else
#define SYN_PTX_SM75 0
#endif

static __device__ __forceinline__ unsigned syn_shared_address(const void *p)
{
    return (unsigned)__cvta_generic_to_shared(p);
}

/* --- cp.async -------------------------------------------------------------------------------- */

#if SYN_PTX_SM75
template <int BYTES>
static __device__ __forceinline__ void syn_cp_async(void *dst, const void *src, int valid = BYTES)
{
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
    if (valid == BYTES) {
        if (BYTES == 16) *(uint4 *)dst = *(const uint4 *)src;
        else if (BYTES == 8) *(uint2 *)dst = *(const uint2 *)src;
        else
            *(unsigned *)dst = *(const unsigned *)src;
        return;
    }
    for (int i = 0; i < BYTES; i++)
        ((unsigned char *)dst)[i] = i < valid ? ((const unsigned char *)src)[i] : 0;
}
static __device__ __forceinline__ void syn_cp_async_commit() {}
template <int N> static __device__ __forceinline__ void syn_cp_async_wait() {}
static __device__ __forceinline__ void syn_cp_async_wait_all() {}
#else
template <int BYTES>
static __device__ __forceinline__ void syn_cp_async(void *dst, const void *src, int valid = BYTES)
{
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
    unsigned to = syn_shared_address(dst);
    /* .cg passes the first-level cache by; it exists for 16 bytes only. */
    if (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                     ::"r"(to), "l"(__cvta_generic_to_global(src)), "r"(valid) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                     ::"r"(to), "l"(__cvta_generic_to_global(src)), "n"(BYTES == 8 ? 8 : 4),
                       "r"(valid) : "memory");
}
static __device__ __forceinline__ void syn_cp_async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int N> static __device__ __forceinline__ void syn_cp_async_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
static __device__ __forceinline__ void syn_cp_async_wait_all()
{
    asm volatile("cp.async.wait_all;" ::: "memory");
}
#endif

/* --- ldmatrix -------------------------------------------------------------------------------- */

#define SYN_LDMATRIX_X1(name, trans)                                                            \
    static __device__ __forceinline__ void name(uint32_t r[1], const void *row)                 \
    {                                                                                           \
        asm volatile("ldmatrix.sync.aligned.m8n8.x1" trans ".shared.b16 {%0}, [%1];"            \
                     : "=r"(r[0]) : "r"(syn_shared_address(row)) : "memory");                   \
    }
#define SYN_LDMATRIX_X2(name, trans)                                                            \
    static __device__ __forceinline__ void name(uint32_t r[2], const void *row)                 \
    {                                                                                           \
        asm volatile("ldmatrix.sync.aligned.m8n8.x2" trans ".shared.b16 {%0, %1}, [%2];"        \
                     : "=r"(r[0]), "=r"(r[1]) : "r"(syn_shared_address(row)) : "memory");       \
    }
#define SYN_LDMATRIX_X4(name, trans)                                                            \
    static __device__ __forceinline__ void name(uint32_t r[4], const void *row)                 \
    {                                                                                           \
        asm volatile("ldmatrix.sync.aligned.m8n8.x4" trans ".shared.b16 {%0, %1, %2, %3}, [%4];" \
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                           \
                     : "r"(syn_shared_address(row)) : "memory");                                \
    }
SYN_LDMATRIX_X1(syn_ldmatrix_x1, "")
SYN_LDMATRIX_X2(syn_ldmatrix_x2, "")
SYN_LDMATRIX_X4(syn_ldmatrix_x4, "")
SYN_LDMATRIX_X1(syn_ldmatrix_x1_trans, ".trans")
SYN_LDMATRIX_X2(syn_ldmatrix_x2_trans, ".trans")
SYN_LDMATRIX_X4(syn_ldmatrix_x4_trans, ".trans")
#undef SYN_LDMATRIX_X1
#undef SYN_LDMATRIX_X2
#undef SYN_LDMATRIX_X4

/* --- mma.sync -------------------------------------------------------------------------------- */

/* Four registers of A and two of B, or two and one. */
#define SYN_MMA_4_2(name, shape, types)                                                         \
    static __device__ __forceinline__ void name(float d[4], const uint32_t a[4],                \
                                                const uint32_t b[2])                            \
    {                                                                                           \
        asm volatile("mma.sync.aligned." shape ".row.col.f32." types ".f32 "                    \
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"          \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                           \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));       \
    }
#define SYN_MMA_2_1(name, shape, types)                                                         \
    static __device__ __forceinline__ void name(float d[4], const uint32_t a[2],                \
                                                const uint32_t b[1])                            \
    {                                                                                           \
        asm volatile("mma.sync.aligned." shape ".row.col.f32." types ".f32 "                    \
                     "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"                      \
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                           \
                     : "r"(a[0]), "r"(a[1]), "r"(b[0]));                                        \
    }
#define SYN_MMA_TRAPS(name, na, nb)                                                             \
    static __device__ __forceinline__ void name(float *, const uint32_t *, const uint32_t *)    \
    {                                                                                           \
        __trap();                                                                               \
    }

SYN_MMA_2_1(syn_mma_m16n8k8_f16, "m16n8k8", "f16.f16")
#if SYN_PTX_SM75
static __device__ __forceinline__ void syn_mma_m16n8k16_f16(float d[4], const uint32_t a[4],
                                                            const uint32_t b[2])
{
    syn_mma_m16n8k8_f16(d, a, b);
    syn_mma_m16n8k8_f16(d, a + 2, b + 1);
}
SYN_MMA_TRAPS(syn_mma_m16n8k16_bf16, 4, 2)
SYN_MMA_TRAPS(syn_mma_m16n8k8_bf16, 2, 1)
SYN_MMA_TRAPS(syn_mma_m16n8k8_tf32, 4, 2)
SYN_MMA_TRAPS(syn_mma_m16n8k4_tf32, 2, 1)
static __device__ __forceinline__ uint32_t syn_tf32(float x) { return __float_as_uint(x); }
#else
SYN_MMA_4_2(syn_mma_m16n8k16_f16, "m16n8k16", "f16.f16")
SYN_MMA_4_2(syn_mma_m16n8k16_bf16, "m16n8k16", "bf16.bf16")
SYN_MMA_2_1(syn_mma_m16n8k8_bf16, "m16n8k8", "bf16.bf16")
SYN_MMA_4_2(syn_mma_m16n8k8_tf32, "m16n8k8", "tf32.tf32")
SYN_MMA_2_1(syn_mma_m16n8k4_tf32, "m16n8k4", "tf32.tf32")

/* A float rounded to what tf32 keeps: to nearest, ties away from zero. */
static __device__ __forceinline__ uint32_t syn_tf32(float x)
{
    uint32_t r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return r;
}
#endif
#undef SYN_MMA_4_2
#undef SYN_MMA_2_1
#undef SYN_MMA_TRAPS

/* --- named barriers -------------------------------------------------------------------------- */

static __device__ __forceinline__ void syn_bar_sync(unsigned id, unsigned count)
{
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
}
static __device__ __forceinline__ void syn_bar_arrive(unsigned id, unsigned count)
{
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(count) : "memory");
}

#endif
#endif
