/* rows.cuh - a team of threads for each row of a dense [rows, n]: who has which, and how what they
 * found is joined in a fixed order.
 *
 * Layer:   kernels/cuda; .cu files only.
 * Mapping: TEAM is 32, a warp, for rows of up to SHORT numbers (8 rows to a block), else 256, a
 *          block. Thread i of a team has numbers i, i + TEAM ...: neighbours read neighbours.
 * Order:   lanes as a tree, then the 8 warps one after another: fixed by n alone. */
#ifndef SYN_CUDA_ROWS_CUH
#define SYN_CUDA_ROWS_CUH

#include "kernels/cuda/tiling.cuh"

enum { CUDA_WARP = 32, CUDA_WARPS = CUDA_BLOCK / CUDA_WARP, CUDA_SHORT_ROW = 1024 };

/* What a thread knows of its part of a row: three numbers of the kernel's own. */
struct cuda_part {
    float a, b, c;
};

template <int TEAM> static __device__ __forceinline__ int64_t cuda_row_here(void)
{
    return (int64_t)blockIdx.x * (CUDA_BLOCK / TEAM) + threadIdx.x / TEAM;
}

/* The team's parts joined, in each of its threads; all of the team call, once in a kernel (the
 * block's parts stay where they are). */
template <int TEAM, class F>
static __device__ __forceinline__ struct cuda_part cuda_join_row(struct cuda_part mine, F join)
{
    const unsigned all = 0xffffffffu;
    for (int step = CUDA_WARP / 2; step > 0; step /= 2) {
        const struct cuda_part other = {__shfl_down_sync(all, mine.a, step),
                                        __shfl_down_sync(all, mine.b, step),
                                        __shfl_down_sync(all, mine.c, step)};
        mine = join(mine, other); /* lane 0's is whole at the end; only that one is used */
    }
    if (TEAM == CUDA_WARP)
        return {__shfl_sync(all, mine.a, 0), __shfl_sync(all, mine.b, 0),
                __shfl_sync(all, mine.c, 0)};
    __shared__ struct cuda_part warps[CUDA_WARPS];
    if (threadIdx.x % CUDA_WARP == 0) warps[threadIdx.x / CUDA_WARP] = mine;
    __syncthreads();
    mine = warps[0];
    for (int i = 1; i < CUDA_WARPS; i++) mine = join(mine, warps[i]);
    return mine;
}

/* Blocks for so many rows of n. */
static inline int64_t cuda_row_blocks(int64_t rows, int32_t n)
{
    return n <= CUDA_SHORT_ROW ? cuda_ceil(rows, CUDA_WARPS) : rows;
}

#endif
