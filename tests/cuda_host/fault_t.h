/* fault_t.h - planted faults: a case launches a faulty kernel; the runtime's report must hold the
 * case's words and the device's error must be the case's error and stay.
 *
 * Some faults only an instrumented build sees (CHECKED); in a plain one they give NaN or wrong
 * numbers instead of a report (test_numbers.cu). */
#ifndef CUDA_FAULT_T_H
#define CUDA_FAULT_T_H

#include "tests/cuda_host/cuda_t.h"
#include "kernels/cuda/ptx.cuh"
#include <string.h>

static const unsigned ALL __attribute__((unused)) = ~0u;
static float *d_x, *d_y; /* 64 ones each */

static inline void launch_on(void (*kernel)(float *), unsigned grid, size_t smem)
{
    SYN_LAUNCH(kernel, dim3(grid), dim3(64), smem, nullptr, d_x);
}
template <class X> static inline void launch_on(void (*kernel)(X *, float *), unsigned grid,
                                                size_t smem)
{
    SYN_LAUNCH(kernel, dim3(grid), dim3(64), smem, nullptr, d_x, d_y);
}

enum { ANY_BUILD, CHECKED };
struct fault {
    const char *name;
    void (*run)(void);
    const char *words;
    cudaError_t error;
    int build;
};
#define FAULT(kernel, words, e, build) FAULT_OF_BLOCKS(kernel, 1, words, e, build)
#define FAULT_OF_BLOCKS(kernel, n, words, e, build) \
    {#kernel, [] { launch_on(kernel, n, 64 * 4); }, words, e, build}
#define FAIL cudaErrorLaunchFailure
#define ILLEGAL cudaErrorIllegalInstruction
#define ADDRESS cudaErrorIllegalAddress
#define MISALIGNED cudaErrorMisalignedAddress
#define STUCK cudaErrorLaunchTimeout

static inline void run_fault(const struct fault *f, enum cuda_host_direction direction)
{
    float ones[64];
    for (int i = 0; i < 64; i++) ones[i] = 1.0f;
    cuda_host_reset(), cuda_host_free_all();
    d_x = put(ones, 64), d_y = put(ones, 64);
    cuda_host_set_direction(direction);
    f->run();
    cudaError_t e = cudaDeviceSynchronize();
    const char *said = cuda_host_fault();
    T_CHECK(said[0] && strstr(said, f->words), "%s: no \"%s\" in: %s", f->name, f->words, said);
    T_CHECK(e == f->error, "%s: %s", f->name, cudaGetErrorName(e));
    T_CHECK(cudaMalloc(&d_x, 4) == e && cudaGetLastError() == e, "%s: not sticky", f->name);
}

/* Each in both directions: a fault must not hang on who runs first. */
static inline void run_faults(const struct fault *faults, size_t n)
{
    int tried = 0;
    setenv("CUDA_HOST_LINES", "0", 1);
    for (size_t i = 0; i < n; i++) {
        if (faults[i].build == CHECKED && !cuda_host_checks()) continue;
        run_fault(&faults[i], CUDA_HOST_FORWARDS), run_fault(&faults[i], CUDA_HOST_BACKWARDS);
        tried++;
    }
    printf("%d of %zu planted faults are this build's to report\n", tried, n);
    cuda_host_reset(), cuda_host_free_all();
}

#endif
