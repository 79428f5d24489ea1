/* cuda_host.h - runs .cu files on the CPU: the whole contract of this folder.
 *
 * Use      g++ -std=c++17 -x c++ -include tests/cuda_host/cuda_host.h -I. -I tests/cuda_host k.cu,
 *          linked with libcuda-host.a, builds kernels and host code for the CPU; `make cuda-host`
 *          does so for every tests/cuda_host/test_*.cu, plain, checked and under AddressSanitizer.
 *          SYN_CUDA_HOST is defined. Kernels are launched by SYN_LAUNCH, take dynamic shared memory
 *          by SYN_SHARED (kernels/cuda/launch.h) and PTX by kernels/cuda/ptx.cuh; the rest is CUDA's
 *          own names. Host code in C or C++ needs `-I tests/cuda_host` and <cuda_runtime.h> alone.
 *          Tests ask for faults, failures and fake devices through control.h.
 *
 * Builds   plain    quick; -fsanitize=alignment,bounds with our own handlers.
 *          checked  .cu and host code also with -fsanitize=thread, whose calls land in check.cpp (no
 *                   libtsan): sees every load and store.
 *          asan     AddressSanitizer and UBSan over kernels, host code and this runtime.
 *
 * Threads  are fibers on one OS thread, blocks take turns. A thread runs as far as it can, which is
 *          the most uneven schedule there is; every second launch goes from the last thread and
 *          block to the first. A test that runs a kernel twice and compares sees both.
 * Finds    in every build:
 *            barriers that never complete (each thread's place), split or divergent __syncthreads;
 *            lanes that read lanes outside the mask or returned, masks without the caller;
 *            misaligned vector accesses, cp.async, ldmatrix rows, atomics; fixed arrays' bounds;
 *            device, pinned and dynamic shared memory overrun: at once past the end (rounded to 256
 *            and 128 bytes), by canaries after the launch where slack was written;
 *            use after free, double free, foreign pointers, copies out of bounds or of a wrong kind;
 *            host code that touches device memory; assert, __trap, stack overflow, division by zero;
 *            reads of unwritten memory: device and shared memory begin as 0xff, NaN as a float;
 *            cp.async read before its wait (NaN), its source changed before the wait;
 *            launch limits, shared memory not asked for, sticky errors, misuse of captures;
 *            missing event waits and early reuse of pinned memory, by wrong numbers: queued work runs
 *            as late or as disorderly as allowed, and differently the next time.
 *          in the checked build also, with file and line:
 *            races in shared memory (epochs per barrier; __syncwarp and named barriers order too,
 *            shuffles do not), races in device memory inside one launch, cp.async destinations touched
 *            before the wait, accesses outside blocks to the byte, kernels that touch host memory,
 *            host code that touches device memory.
 * Not here textures, cooperative groups, clusters, wgmma and TMA, dynamic parallelism, managed memory,
 *          `extern __shared__`, several OS threads over blocks, registers and occupancy, speed. mma
 *          adds in double in the order of k, which no card does. Approximate functions are exact.
 *          Nobody waits for another block: a kernel that does is reported as stuck.
 * Stricter than a card: everybody who meets at a barrier or in an exchange stands at one source line;
 *          a wait or a malloc while a stream captures invalidates the capture. */
#ifndef CUDA_HOST_H
#define CUDA_HOST_H

#define SYN_CUDA_HOST 1

#include "control.h"
#include "cuda_runtime.h"
#include "device.h"
#include "device_math.h"
#include "ptx_host.h"
#include "cuda_fp16.h"
#include "cuda_bf16.h"

#endif
