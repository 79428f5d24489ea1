/* ptx_host.h - kernels/cuda/ptx.cuh on the CPU: the same functions, made of the runtime's calls.
 *
 * Agree:   a function added there is added here, under the same name.
 * Layer:   tests. C++17; reached through cuda_host.h. */
#ifndef CUDA_HOST_PTX_HOST_H
#define CUDA_HOST_PTX_HOST_H

#include "device.h"

template <int BYTES>
inline void syn_cp_async(void *dst, const void *src, int valid = BYTES, CUDA_HOST_AT)
{
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
    cuda_host_cp_async(dst, src, BYTES, valid, file, line);
}
inline void syn_cp_async_commit() { cuda_host_cp_async_commit(); }
template <int N> inline void syn_cp_async_wait() { cuda_host_cp_async_wait(N); }
inline void syn_cp_async_wait_all() { cuda_host_cp_async_wait(~0u); }

#define CUDA_HOST_LDMATRIX(name, n, trans)                              \
    inline void name(uint32_t r[n], const void *row, CUDA_HOST_AT)      \
    {                                                                   \
        cuda_host_ldmatrix(r, row, n, trans, file, line);               \
    }
CUDA_HOST_LDMATRIX(syn_ldmatrix_x1, 1, false)
CUDA_HOST_LDMATRIX(syn_ldmatrix_x2, 2, false)
CUDA_HOST_LDMATRIX(syn_ldmatrix_x4, 4, false)
CUDA_HOST_LDMATRIX(syn_ldmatrix_x1_trans, 1, true)
CUDA_HOST_LDMATRIX(syn_ldmatrix_x2_trans, 2, true)
CUDA_HOST_LDMATRIX(syn_ldmatrix_x4_trans, 4, true)
#undef CUDA_HOST_LDMATRIX

#define CUDA_HOST_MMA(name, type, k, na, nb)                                                   \
    inline void name(float d[4], const uint32_t a[na], const uint32_t b[nb], CUDA_HOST_AT)     \
    {                                                                                          \
        cuda_host_mma(type, k, d, a, b, file, line);                                           \
    }
CUDA_HOST_MMA(syn_mma_m16n8k16_f16, CUDA_HOST_F16, 16, 4, 2)
CUDA_HOST_MMA(syn_mma_m16n8k16_bf16, CUDA_HOST_BF16, 16, 4, 2)
CUDA_HOST_MMA(syn_mma_m16n8k8_f16, CUDA_HOST_F16, 8, 2, 1)
CUDA_HOST_MMA(syn_mma_m16n8k8_bf16, CUDA_HOST_BF16, 8, 2, 1)
CUDA_HOST_MMA(syn_mma_m16n8k8_tf32, CUDA_HOST_TF32, 8, 4, 2)
CUDA_HOST_MMA(syn_mma_m16n8k4_tf32, CUDA_HOST_TF32, 4, 2, 1)
#undef CUDA_HOST_MMA

/* To nearest, ties away from zero, as cvt.rna does. */
inline uint32_t syn_tf32(float x)
{
    uint32_t u = float_bits(x);
    return (u & 0x7f800000u) == 0x7f800000u ? u : (u + 0x1000u) & ~0x1fffu;
}

inline void syn_bar_sync(unsigned id, unsigned count, CUDA_HOST_AT)
{
    cuda_host_named_barrier(id, count, true, file, line);
}
inline void syn_bar_arrive(unsigned id, unsigned count, CUDA_HOST_AT)
{
    cuda_host_named_barrier(id, count, false, file, line);
}

#endif
