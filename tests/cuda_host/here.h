/* here.h - what a kernel's code can ask the runtime: where am I, wait, exchange, stop.
 *
 * Who:     the inline functions of device.h and ptx_host.h are made of these calls; a kernel uses
 *          CUDA's names only.
 * Places:  file and line of the kernel's source; all who meet must be at one place.
 * Layer:   tests. C++17. */
#ifndef CUDA_HOST_HERE_H
#define CUDA_HOST_HERE_H

#include "cuda_runtime.h"

struct cuda_host_thread;

/* Of the fiber that runs; rewritten at every switch. */
struct cuda_host_here {
    uint3 thread_index, block_index, block_dim, grid_dim;
    char *shared;                  /* dynamic shared memory of the block */
    struct cuda_host_thread *self; /* NULL: the host's own code */
    unsigned lane;
};
extern __thread struct cuda_host_here cuda_host_here;

/* A kernel with its arguments, copied when it was launched. */
struct cuda_host_body {
    void (*run)(const void *args);
    void (*drop)(void *args);
    void *args;
    size_t bytes;
    const void *function; /* the kernel's address */
    struct cuda_host_body (*pack)(const void *function, void *const *args);
};

/* Queues the launch and takes body->args, also on failure. The error, if any, is kept for
 * cudaGetLastError as well. Makes the kernel known to the untyped cudaLaunchKernel. */
cudaError_t cuda_host_launch_body(const char *name, const struct cuda_host_body *body, dim3 grid,
                                  dim3 block, size_t smem, cudaStream_t stream);

/* __syncthreads and its kin: returns the reduction of everybody's `predicate`. */
enum cuda_host_reduce { CUDA_HOST_PLAIN, CUDA_HOST_COUNT, CUDA_HOST_AND, CUDA_HOST_OR };
int cuda_host_barrier(enum cuda_host_reduce kind, int predicate, const char *file, int line);

/* bar.sync (wait) and bar.arrive. */
void cuda_host_named_barrier(unsigned id, unsigned count, bool wait, const char *file, int line);

/* Waits for the living lanes of `mask`; the last to come runs op once with what each lane brought
 * (NULL for lanes that are not there). All must bring the same mask and op from the same place. */
typedef void (*cuda_host_warp_op)(void *const brought[32], unsigned lanes);
void cuda_host_warp(unsigned mask, cuda_host_warp_op op, void *mine, const char *file, int line);
void cuda_host_syncwarp(unsigned mask, const char *file, int line);

/* Shuffles: up to 8 bytes from the lane that `how` and `by` name within groups of `width`. */
enum cuda_host_shuffle { CUDA_HOST_IDX, CUDA_HOST_UP, CUDA_HOST_DOWN, CUDA_HOST_XOR };
uint64_t cuda_host_shuffle(enum cuda_host_shuffle how, unsigned mask, uint64_t mine, unsigned by,
                           int width, const char *file, int line);
/* Votes and reductions over the lanes of `mask`. */
enum cuda_host_vote {
    CUDA_HOST_BALLOT, CUDA_HOST_MATCH, CUDA_HOST_ADD, CUDA_HOST_MIN, CUDA_HOST_MAX,
    CUDA_HOST_UMIN, CUDA_HOST_UMAX, CUDA_HOST_BITAND, CUDA_HOST_BITOR, CUDA_HOST_BITXOR
};
uint64_t cuda_host_vote(enum cuda_host_vote how, unsigned mask, uint64_t mine, const char *file,
                        int line);

/* Lanes of this thread's warp that run or could run at once, as __activemask may answer. */
unsigned cuda_host_active(void);

/* Lets the others run: for loops that wait for memory to change. */
void cuda_host_pause(void);

/* Ends the launch: the text goes to cuda_host_fault, the error becomes the device's. */
[[noreturn]] __attribute__((format(printf, 2, 3)))
void cuda_host_kernel_fault(cudaError_t e, const char *format, ...);

/* What the runtime itself touches for a kernel (atomics, cp.async, ldmatrix): checked in every
 * build for bounds and alignment, in an instrumented one for races too. */
enum cuda_host_access { CUDA_HOST_READ = 0, CUDA_HOST_WRITE = 1, CUDA_HOST_ATOMIC = 3 };
void cuda_host_touch(const void *p, size_t bytes, enum cuda_host_access how, const char *what);
bool cuda_host_is_shared(const void *p, size_t bytes);
void cuda_host_fence(void);

/* Read-modify-write of 1, 2, 4 or 8 bytes in one step; returns the old value. `x` is the operand,
 * `y` the new value of CAS. FADD and DADD take bits of float and double, HADD and BADD a pair of
 * halves or bfloat16. */
enum cuda_host_atomic {
    CUDA_HOST_A_ADD, CUDA_HOST_A_MIN, CUDA_HOST_A_MAX, CUDA_HOST_A_UMIN, CUDA_HOST_A_UMAX,
    CUDA_HOST_A_AND, CUDA_HOST_A_OR, CUDA_HOST_A_XOR, CUDA_HOST_A_EXCH, CUDA_HOST_A_CAS,
    CUDA_HOST_A_INC, CUDA_HOST_A_DEC, CUDA_HOST_A_FADD, CUDA_HOST_A_DADD, CUDA_HOST_A_HADD,
    CUDA_HOST_A_BADD
};
uint64_t cuda_host_atomic(enum cuda_host_atomic how, void *p, size_t bytes, uint64_t x,
                          uint64_t y);

/* PTX instructions, see ptx_host.h. */
void cuda_host_cp_async(void *dst, const void *src, int bytes, int valid, const char *file,
                        int line);
void cuda_host_cp_async_commit(void);
void cuda_host_cp_async_wait(unsigned most_pending); /* ~0u: all, committed or not */
void cuda_host_ldmatrix(uint32_t *r, const void *row, int n, bool trans, const char *file,
                        int line);
enum cuda_host_mma { /* low two bits: the type; the rest: k */
    CUDA_HOST_F16 = 0, CUDA_HOST_BF16 = 1, CUDA_HOST_TF32 = 2
};
void cuda_host_mma(enum cuda_host_mma type, int k, float *d, const uint32_t *a, const uint32_t *b,
                   const char *file, int line);

unsigned long long cuda_host_clock(void);

#endif
