/* tiling.cuh - how pictures are dealt out to blocks: pixels times groups of 8 channels.
 *
 * Layer:   kernels/cuda; .cu files only.
 * Mapping: a block is [by pixels][bx groups of 8 channels], x fastest: neighbouring threads have
 *          neighbouring channels, then neighbouring pixels, so that a warp's accesses are one run
 *          of memory where the pitch is the channels'. No thread divides to find its place; more
 *          than BLOCK groups are walked by a loop.
 * Tiles:   the pixels of a block lie in one row (cuda_tiling), or in one slab of a picture's pixels
 *          that its threads walk in steps of by (cuda_slabs).
 * Bounds:  blocks < 2^31, checked when launched: SYN_TOO_LARGE. */
#ifndef SYN_CUDA_TILING_CUH
#define SYN_CUDA_TILING_CUH

#include "kernels/cuda/element.cuh"

enum { CUDA_BLOCK = 256 };

static inline int64_t cuda_ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* SYN_TOO_LARGE where a grid of so many blocks cannot be. */
static inline syn_status cuda_grid_fits(int64_t blocks, const char *what, struct syn_err *err)
{
    if (blocks <= 0x7fffffff) return SYN_OK;
    return syn_fail(err, SYN_TOO_LARGE, "%s: %lld blocks: must be less than 2^31", what,
                    (long long)blocks);
}

/* bx for so many groups: all of them, or equal shares of at most BLOCK. */
static inline int32_t cuda_block_groups(int32_t groups)
{
    return (int32_t)cuda_ceil(groups, cuda_ceil(groups, CUDA_BLOCK));
}

/* --- rows ------------------------------------------------------------------------------------ */

struct cuda_tiling {
    int32_t groups; /* of 8 channels */
    int32_t tiles;  /* blocks to a row */
    int32_t h;      /* rows of a picture */
    int64_t blocks;
    dim3 block;
};

/* n pictures of h rows of w pixels of c channels. */
static inline struct cuda_tiling cuda_tiling_of(int32_t n, int32_t h, int32_t w, int32_t c)
{
    const int32_t groups = (int32_t)cuda_ceil(c, CUDA_LANES), bx = cuda_block_groups(groups),
                  most = CUDA_BLOCK / bx, tiles = (int32_t)cuda_ceil(w, most);
    struct cuda_tiling t = {groups, tiles, h, (int64_t)n * h * tiles, dim3(1)};
    t.block = dim3((unsigned)bx, (unsigned)cuda_ceil(w, tiles));
    return t;
}

struct cuda_place {
    int32_t n, y, x; /* x may lie past the row */
};
static __device__ __forceinline__ struct cuda_place cuda_here(int32_t h, int32_t tiles)
{
    const unsigned row = blockIdx.x / (unsigned)tiles, tile = blockIdx.x % (unsigned)tiles;
    return {(int32_t)(row / (unsigned)h), (int32_t)(row % (unsigned)h),
            (int32_t)(tile * blockDim.y + threadIdx.y)};
}

/* --- slabs ----------------------------------------------------------------------------------- */

/* A picture's pixels in `parts` equal slabs, its groups in `chunks` of a block's bx. */
struct cuda_slabs {
    int32_t groups, chunks, parts;
    int32_t by;
    int64_t pixels, per_part; /* the last part may have fewer, at least 1 */
    int64_t blocks;           /* n * chunks * parts */
    dim3 block;
};

/* Slabs in which a thread has about `each` pixels; at most `most` of them. The shape alone decides,
 * so that sums over slabs have one order on every device. */
static inline struct cuda_slabs cuda_slabs_of(const struct cuda_view *v, int32_t each, int32_t most)
{
    struct cuda_slabs s = {};
    s.groups = (int32_t)cuda_ceil(v->c, CUDA_LANES);
    const int32_t bx = cuda_block_groups(s.groups);
    s.by = CUDA_BLOCK / bx;
    s.chunks = (int32_t)cuda_ceil(s.groups, bx);
    s.pixels = (int64_t)v->h * v->w;
    const int64_t wanted = cuda_ceil(s.pixels, (int64_t)s.by * each);
    s.per_part = cuda_ceil(s.pixels, wanted < most ? wanted : most);
    s.parts = (int32_t)cuda_ceil(s.pixels, s.per_part);
    s.blocks = (int64_t)v->n * s.chunks * s.parts;
    s.block = dim3((unsigned)bx, (unsigned)s.by);
    return s;
}

struct cuda_slab {
    int32_t n, part, group; /* group may lie past the last */
    int64_t from, to;       /* pixels of the picture */
};
static __device__ __forceinline__ struct cuda_slab cuda_slab_here(const struct cuda_slabs *s)
{
    const unsigned parts = (unsigned)s->parts, chunks = (unsigned)s->chunks;
    const unsigned part = blockIdx.x % parts, rest = blockIdx.x / parts;
    struct cuda_slab at = {(int32_t)(rest / chunks), (int32_t)part,
                           (int32_t)(rest % chunks * blockDim.x + threadIdx.x),
                           (int64_t)part * s->per_part, 0};
    at.to = at.from + s->per_part < s->pixels ? at.from + s->per_part : s->pixels;
    return at;
}

#endif
