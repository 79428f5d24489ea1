/* device.h - CUDA's own words for kernels: qualifiers, indices, barriers, warp functions, atomics.
 *
 * Lines    The default arguments file and line are the caller's place; nobody passes them.
 * Layer:   tests. C++17; reached through cuda_host.h. */
#ifndef CUDA_HOST_DEVICE_H
#define CUDA_HOST_DEVICE_H

#include "here.h"
#include <cassert>
#include <cstdio>
#include <cstring>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static thread_local /* a mark that shared.cpp finds; one block at a time */

#define threadIdx cuda_host_here.thread_index
#define blockIdx cuda_host_here.block_index
#define blockDim cuda_host_here.block_dim
#define gridDim cuda_host_here.grid_dim
static const int warpSize __attribute__((unused)) = 32;

#define CUDA_HOST_AT const char *file = __builtin_FILE(), int line = __builtin_LINE()

/* --- barriers, fences, the end --------------------------------------------------------------- */
inline void __syncthreads(CUDA_HOST_AT) { cuda_host_barrier(CUDA_HOST_PLAIN, 0, file, line); }
inline int __syncthreads_count(int p, CUDA_HOST_AT)
{
    return cuda_host_barrier(CUDA_HOST_COUNT, p, file, line);
}
inline int __syncthreads_and(int p, CUDA_HOST_AT)
{
    return cuda_host_barrier(CUDA_HOST_AND, p, file, line);
}
inline int __syncthreads_or(int p, CUDA_HOST_AT)
{
    return cuda_host_barrier(CUDA_HOST_OR, p, file, line);
}
inline void __syncwarp(unsigned mask = ~0u, CUDA_HOST_AT) { cuda_host_syncwarp(mask, file, line); }
inline void __threadfence() { cuda_host_fence(); }
inline void __threadfence_block() { cuda_host_fence(); }
inline void __threadfence_system() { cuda_host_fence(); }
inline void __nanosleep(unsigned) { cuda_host_pause(); }
[[noreturn]] inline void __trap(CUDA_HOST_AT)
{
    cuda_host_kernel_fault(cudaErrorLaunchFailure, "%s:%d: __trap", file, line);
}
inline long long clock64() { return (long long)cuda_host_clock(); }
inline unsigned __activemask() { return cuda_host_active(); }
inline unsigned __lane_id() { return cuda_host_here.lane; }

/* --- shuffles: any type of up to 8 bytes ----------------------------------------------------- */
template <class T>
inline T cuda_host_shuffled(enum cuda_host_shuffle how, unsigned mask, T mine, unsigned by,
                            int width, const char *file, int line)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value, "shuffles 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &mine, sizeof mine);
    bits = cuda_host_shuffle(how, mask, bits, by, width, file, line);
    memcpy(&mine, &bits, sizeof mine);
    return mine;
}
template <class T>
inline T __shfl_sync(unsigned mask, T mine, int from, int width = 32, CUDA_HOST_AT)
{
    return cuda_host_shuffled(CUDA_HOST_IDX, mask, mine, (unsigned)from, width, file, line);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T mine, unsigned by, int width = 32, CUDA_HOST_AT)
{
    return cuda_host_shuffled(CUDA_HOST_UP, mask, mine, by, width, file, line);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T mine, unsigned by, int width = 32, CUDA_HOST_AT)
{
    return cuda_host_shuffled(CUDA_HOST_DOWN, mask, mine, by, width, file, line);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T mine, int bits, int width = 32, CUDA_HOST_AT)
{
    return cuda_host_shuffled(CUDA_HOST_XOR, mask, mine, (unsigned)bits, width, file, line);
}

/* --- votes and reductions -------------------------------------------------------------------- */
inline unsigned __ballot_sync(unsigned mask, int p, CUDA_HOST_AT)
{
    return (unsigned)cuda_host_vote(CUDA_HOST_BALLOT, mask, p != 0, file, line);
}
inline int __any_sync(unsigned mask, int p, CUDA_HOST_AT)
{
    return cuda_host_vote(CUDA_HOST_BITOR, mask, p != 0, file, line) != 0;
}
inline int __all_sync(unsigned mask, int p, CUDA_HOST_AT)
{
    return cuda_host_vote(CUDA_HOST_BITAND, mask, p != 0, file, line) != 0;
}
template <class T> inline unsigned __match_any_sync(unsigned mask, T x, CUDA_HOST_AT)
{
    uint64_t bits = 0;
    memcpy(&bits, &x, sizeof x);
    return (unsigned)cuda_host_vote(CUDA_HOST_MATCH, mask, bits, file, line);
}
#define CUDA_HOST_REDUCE(name, T, how)                                              \
    inline T name(unsigned mask, T x, CUDA_HOST_AT)                                 \
    {                                                                               \
        return (T)(uint32_t)cuda_host_vote(how, mask, (uint32_t)x, file, line);     \
    }
CUDA_HOST_REDUCE(__reduce_add_sync, unsigned, CUDA_HOST_ADD)
CUDA_HOST_REDUCE(__reduce_add_sync, int, CUDA_HOST_ADD)
CUDA_HOST_REDUCE(__reduce_min_sync, unsigned, CUDA_HOST_UMIN)
CUDA_HOST_REDUCE(__reduce_min_sync, int, CUDA_HOST_MIN)
CUDA_HOST_REDUCE(__reduce_max_sync, unsigned, CUDA_HOST_UMAX)
CUDA_HOST_REDUCE(__reduce_max_sync, int, CUDA_HOST_MAX)
CUDA_HOST_REDUCE(__reduce_and_sync, unsigned, CUDA_HOST_BITAND)
CUDA_HOST_REDUCE(__reduce_or_sync, unsigned, CUDA_HOST_BITOR)
CUDA_HOST_REDUCE(__reduce_xor_sync, unsigned, CUDA_HOST_BITXOR)
#undef CUDA_HOST_REDUCE

/* --- atomics --------------------------------------------------------------------------------- */
template <class T>
inline T cuda_host_atomically(enum cuda_host_atomic how, T *p, T x, T y = T())
{
    uint64_t a = 0, b = 0;
    memcpy(&a, &x, sizeof x);
    memcpy(&b, &y, sizeof y);
    a = cuda_host_atomic(how, p, sizeof x, a, b);
    memcpy(&x, &a, sizeof x);
    return x;
}
#define CUDA_HOST_ATOMIC_OP(name, T, how) \
    inline T name(T *p, T x) { return cuda_host_atomically(how, p, x); }
#define CUDA_HOST_ATOMIC_BITS(T)                            \
    CUDA_HOST_ATOMIC_OP(atomicAdd, T, CUDA_HOST_A_ADD)      \
    CUDA_HOST_ATOMIC_OP(atomicAnd, T, CUDA_HOST_A_AND)      \
    CUDA_HOST_ATOMIC_OP(atomicOr, T, CUDA_HOST_A_OR)        \
    CUDA_HOST_ATOMIC_OP(atomicXor, T, CUDA_HOST_A_XOR)      \
    CUDA_HOST_ATOMIC_OP(atomicExch, T, CUDA_HOST_A_EXCH)    \
    inline T atomicCAS(T *p, T old, T now)                  \
    {                                                       \
        return cuda_host_atomically(CUDA_HOST_A_CAS, p, old, now); \
    }
CUDA_HOST_ATOMIC_BITS(int)
CUDA_HOST_ATOMIC_BITS(unsigned)
CUDA_HOST_ATOMIC_BITS(unsigned long long)
CUDA_HOST_ATOMIC_OP(atomicMin, int, CUDA_HOST_A_MIN)
CUDA_HOST_ATOMIC_OP(atomicMax, int, CUDA_HOST_A_MAX)
CUDA_HOST_ATOMIC_OP(atomicMin, unsigned, CUDA_HOST_A_UMIN)
CUDA_HOST_ATOMIC_OP(atomicMax, unsigned, CUDA_HOST_A_UMAX)
CUDA_HOST_ATOMIC_OP(atomicMin, unsigned long long, CUDA_HOST_A_UMIN)
CUDA_HOST_ATOMIC_OP(atomicMax, unsigned long long, CUDA_HOST_A_UMAX)
CUDA_HOST_ATOMIC_OP(atomicInc, unsigned, CUDA_HOST_A_INC)
CUDA_HOST_ATOMIC_OP(atomicDec, unsigned, CUDA_HOST_A_DEC)
CUDA_HOST_ATOMIC_OP(atomicExch, float, CUDA_HOST_A_EXCH)
CUDA_HOST_ATOMIC_OP(atomicAdd, float, CUDA_HOST_A_FADD)
CUDA_HOST_ATOMIC_OP(atomicAdd, double, CUDA_HOST_A_DADD)
inline int atomicSub(int *p, int x) { return atomicAdd(p, (int)(0u - (unsigned)x)); }
inline unsigned atomicSub(unsigned *p, unsigned x) { return atomicAdd(p, 0u - x); }
#undef CUDA_HOST_ATOMIC_OP
#undef CUDA_HOST_ATOMIC_BITS

/* --- launching ------------------------------------------------------------------------------- */
template <class... P> struct cuda_host_call {
    void (*kernel)(P...);
    std::tuple<std::decay_t<P>...> args;
    static void run(const void *self)
    {
        const cuda_host_call *c = (const cuda_host_call *)self;
        std::apply(c->kernel, c->args);
    }
    static void drop(void *self) { delete (cuda_host_call *)self; }
    template <size_t... I>
    static cuda_host_call *unpack(const void *kernel, void *const *args, std::index_sequence<I...>)
    {
        (void)args;
        return new cuda_host_call{(void (*)(P...))kernel, {*(std::decay_t<P> *)args[I]...}};
    }
    static struct cuda_host_body pack(const void *kernel, void *const *args)
    {
        return unpack(kernel, args, std::index_sequence_for<P...>())->body();
    }
    struct cuda_host_body body() { return {run, drop, this, sizeof *this, (void *)kernel, pack}; }
};

/* CUDA's kernel<<<...>>>(args): converts the arguments to the parameters' types and copies them. */
template <class... P, class... A>
inline cudaError_t cuda_host_launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block,
                                    size_t smem, cudaStream_t stream, A &&...args)
{
    auto *c = new cuda_host_call<P...>{kernel, {std::forward<A>(args)...}};
    struct cuda_host_body body = c->body();
    return cuda_host_launch_body(name, &body, grid, block, smem, stream);
}

template <class... P>
inline cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void **args,
                                    size_t smem, cudaStream_t stream)
{
    struct cuda_host_body body = cuda_host_call<P...>::pack((void *)kernel, args);
    return cuda_host_launch_body("cudaLaunchKernel", &body, grid, block, smem, stream);
}

#endif
