/* cuda_host.h - runs .cu files on the CPU: the whole contract of this folder.
 *
 * Use      g++ -std=c++17 -x c++ -include tests/cuda_host/cuda_host.h -I. -I tests/cuda_host k.cu,
 *          linked with libcuda-host.a, builds kernels and host code for the CPU; `make cuda-host`
 *          does so for every tests/cuda_host/test_*.cu, linked with all of kernels/cuda.
 *          SYN_CUDA_HOST is defined. Kernels are launched by SYN_LAUNCH and take dynamic shared
 *          memory by SYN_SHARED (kernels/cuda/launch.h) and PTX by kernels/cuda/ptx.cuh; the rest
 *          is CUDA's own names. Host code in C or C++ needs <cuda_runtime.h>, -I tests/cuda_host.
 *          Tests ask for faults, failures, fake devices and orders through control.h.
 *
 * Builds   plain    quick; -fsanitize=alignment,bounds with handlers of our own.
 *          checked  also -fsanitize=thread for .cu and host code, whose calls land in check.cpp
 *                   (no libtsan): it sees every load and store.
 *          asan     AddressSanitizer and UBSan over kernels, host code and this runtime.
 *
 * Threads  are fibers on one OS thread, blocks take turns. A thread runs as far as it can, the most
 *          uneven schedule there is. A kernel's launches go forwards or backwards, threads and
 *          blocks alike, in irregular turns or as cuda_host_set_direction says: a test that runs
 *          it both ways and compares has seen two opposite orders.
 *
 * Finds    in every build:
 *            barriers that never complete (with each thread's place), divergent __syncthreads;
 *            lanes that read lanes outside the mask or returned, masks without the caller;
 *            misaligned vector accesses, cp.async, ldmatrix rows, atomics; bounds of fixed arrays;
 *            overrun of device, pinned and dynamic shared memory: at once past the slack (to 256
 *            bytes, shared memory to 256 as well), by canaries after the launch inside it;
 *            use after free, double free, foreign pointers, copies out of bounds or of wrong kind;
 *            host code that touches device memory (blocks up to 4 MiB, fewer than 512 of them);
 *            assert, __trap, stack overflow, division by zero;
 *            reads of unwritten memory: device and shared memory begin as 0xff, NaN as a float;
 *            cp.async read before its wait (NaN), its source changed before the wait;
 *            launch limits, shared memory not asked for, sticky errors, misuse of captures;
 *            missing event waits and early reuse of pinned memory, by wrong numbers: queued work
 *            runs as late or as disorderly as allowed, and differently another time.
 *          in the checked build also, with file and line:
 *            races in shared memory (__syncthreads, __syncwarp and named barriers order, shuffles
 *            do not), races in device memory inside one launch, cp.async destinations touched
 *            before the wait, device accesses out of bounds by a byte, kernels that touch host
 *            memory or another device's, host code that touches device memory of any size.
 *
 * Not here textures, cooperative groups, clusters, wgmma and TMA, dynamic parallelism, managed
 *          memory, cudaMallocAsync in a capture, `extern __shared__`, several OS threads over
 *          blocks, registers and occupancy, speed. mma adds in double in the order of k, which no
 *          card does. Approximate functions are exact. Blocks cannot wait for each other: reported
 *          as stuck. An overrun from one static __shared__ array into the next is seen only where
 *          its length is known to the compiler.
 * Stricter than a card: all who meet at a barrier or in an exchange stand at one source line; two
 *          threads that write the same value race; a plain read beside an atomic races.
 * Mind     all static __shared__ variables of the program are poisoned before each block: tiles
 *          of kilobytes belong into SYN_SHARED. A .cu's host code has no thread_local inside
 *          functions: that is how __shared__ variables are found (shared.cpp). */
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
