/* launch.h - how a kernel is started, and how CUDA's errors become ours. Home of the only <<<>>>.
 *
 * Use:     SYN_LAUNCH((conv_kernel<64, 3>), grid, block, smem, stream, p, d_x, d_y);
 *          return syn_cuda_status(err, cudaGetLastError(), "conv launch");
 * Layer:   kernels/cuda. C11 and C++17; SYN_LAUNCH and SYN_SHARED in .cu files only.
 * Host:    SYN_CUDA_HOST says that the file is built for the CPU, behind tests/cuda_host. This file
 *          and ptx.cuh are the only ones that know. */
#ifndef SYN_CUDA_LAUNCH_H
#define SYN_CUDA_LAUNCH_H

#include "kernels/base/status.h"
#include <cuda_runtime.h>

/* Starts kernel(...) with smem bytes of dynamic shared memory and does not wait; the arguments are
 * evaluated and copied now. A refused launch is told by the next cudaGetLastError, so every launch
 * is followed by syn_cuda_status. A kernel's name with a comma in it stands in parentheses. More
 * than 48 KiB of smem must have been asked for (syn_cuda_allow_shared). */
#ifdef SYN_CUDA_HOST
#define SYN_LAUNCH(kernel, grid, block, smem, stream, ...)                                 \
    ((void)cuda_host_launch(#kernel, kernel, dim3(grid), dim3(block), (smem),              \
                            (cudaStream_t)(stream), ##__VA_ARGS__))
/* Declares `name`: the block's dynamic shared memory as an array of `type`, aligned to 128. */
#define SYN_SHARED(type, name) type *const name = (type *)cuda_host_here.shared
#elif defined(__CUDACC__)
#define SYN_LAUNCH(kernel, grid, block, smem, stream, ...) \
    kernel<<<(grid), (block), (smem), (cudaStream_t)(stream)>>>(__VA_ARGS__)
#define SYN_SHARED(type, name)                                         \
    extern __shared__ __align__(128) unsigned char syn_shared_bytes[]; \
    type *const name = reinterpret_cast<type *>(syn_shared_bytes)
#endif

/* SYN_OK, or what `e` means for the caller, with `what` and CUDA's own words in err->text:
 *   SYN_NO_MEMORY    the device or the pinned memory is full: smaller batches or tiles may fit
 *   SYN_NOT_FOUND    no such device
 *   SYN_UNSUPPORTED  no driver, or the device is too old for our kernels
 *   SYN_INTERNAL     we called CUDA wrongly; the device is fine
 *   SYN_DEVICE       sticky: every later call fails too, the process must restart
 * err may be NULL. */
static inline syn_status syn_cuda_status(struct syn_err *err, cudaError_t e, const char *what)
{
    syn_status st = SYN_DEVICE;
    switch (e) {
    case cudaSuccess: return SYN_OK;
    case cudaErrorMemoryAllocation: st = SYN_NO_MEMORY; break;
    case cudaErrorInvalidDevice: st = SYN_NOT_FOUND; break;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorNotSupported: st = SYN_UNSUPPORTED; break;
    case cudaErrorInvalidValue:
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidMemcpyDirection:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorSymbolNotFound:
    case cudaErrorLaunchOutOfResources:
    case cudaErrorNotReady:
    case cudaErrorNotPermitted:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureMerge:
    case cudaErrorStreamCaptureUnmatched:
    case cudaErrorStreamCaptureUnjoined:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorCapturedEvent:
    case cudaErrorStreamCaptureWrongThread:
    case cudaErrorGraphExecUpdateFailure: st = SYN_INTERNAL; break;
    default: break; /* what we do not know is not to be gone on from */
    }
    return syn_fail(err, st, "%s: %s (%s)", what, cudaGetErrorString(e), cudaGetErrorName(e));
}

#ifdef __cplusplus
/* Lets `kernel` be launched with up to smem bytes of dynamic shared memory on the current device;
 * needed above 48 KiB, once per kernel and device. SYN_INTERNAL when the device has less. */
template <class K>
static inline syn_status syn_cuda_allow_shared(struct syn_err *err, K *kernel, size_t smem)
{
    cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         (int)smem);
    if (e == cudaSuccess) return SYN_OK;
    (void)cudaGetLastError(); /* told here; the next launch must not tell it again */
    return syn_cuda_status(err, e, "dynamic shared memory");
}
#endif

#endif
