/* cuda_t.h - what the tests of this folder share; they compile with nvcc too.
 *
 * On a card the must-be-caught tests are left out: a card catches little and keeps no text. */
#ifndef CUDA_T_H
#define CUDA_T_H

#include "kernels/cuda/launch.h"
#include "tests/t.h"

#define MUST(call) must_((call), #call, __FILE__, __LINE__)
static inline void must_(cudaError_t e, const char *call, const char *file, int line)
{
    t_check(e == cudaSuccess, file, line, call, "%s", cudaGetErrorString(e));
}

/* n elements on the device, a copy of x; read back with get. */
template <class T> T *put(const T *x, size_t n)
{
    T *d = nullptr;
    MUST(cudaMalloc(&d, n * sizeof *x));
    MUST(cudaMemcpy(d, x, n * sizeof *x, cudaMemcpyHostToDevice));
    return d;
}

template <class T> T *device_zeros(size_t n)
{
    T *d = nullptr;
    MUST(cudaMalloc(&d, n * sizeof *d));
    MUST(cudaMemset(d, 0, n * sizeof *d));
    return d;
}

/* Waits for the kernels before it. */
template <class T> void get(T *x, const T *d, size_t n)
{
    MUST(cudaMemcpy(x, d, n * sizeof *x, cudaMemcpyDeviceToHost));
}

#ifdef SYN_CUDA_HOST
/* Closes a test: no fault, nothing left behind. */
static inline void check_clean(void)
{
    char left[1000];
    T_CHECK(cuda_host_fault()[0] == 0, "%s", cuda_host_fault());
    T_CHECK(cuda_host_leaks(left, sizeof left) == 0, "left behind: %s", left);
}
#else
static inline void check_clean(void) { MUST(cudaDeviceSynchronize()); }
#endif

#endif
