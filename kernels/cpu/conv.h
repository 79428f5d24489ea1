/* conv.h - convolutions of the CPU backend in one form: taps over framed, blocked activations.
 *
 * A convolution, dilated or not, and each phase of a transposed one are the same loop: output pixel
 * (r, q) of a grid of rows x cols sums, over taps t and channel blocks, weights[t] times the input
 * pixel at (r*stride + dy[t], q*stride + dx[t]), which lies tap_offset[t] elements from the pixel's
 * own origin. The input's zero frame is at least as wide as the taps reach, so there are no edge
 * cases. Grid pixel (r, q) is written to output pixel (r*step + row0, q*step + col0): step 1 for
 * convolutions, the stride for phases.
 *
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_CONV_H
#define SYN_CPU_CONV_H

#include "kernels/backend/backend.h"
#include "kernels/ops/ops.h"

#define CPU_BLOCK 16         /* channels per block: one AVX-512 register of f32 */
#define CPU_MAX_FRAME 8
#define CPU_MAX_PHASES 16

/* One row of one group of output-channel blocks: px output pixels from (pointers set by the
 * caller). */
struct cpu_row {
    bool x_f32;                   /* depthwise alone: x is f32, whatever the kernels are for */
    const void *x;                /* first input pixel of channel block 0 */
    int64_t x_pixel, x_block;     /* elements between output pixels, between channel blocks */
    int32_t n_blocks;             /* input channel blocks */
    int32_t last_k;               /* channels used of the last block, rounded up to 2 */
    const int32_t *tap_offset;
    int32_t n_taps;
    const void *w;                /* packed for this group of output blocks */
    int32_t n_out;                /* output blocks in the group: 1 or 2 */
    bool half;                    /* the second of two has at most 8 channels */
    int64_t cols;
    void *y;                      /* first output pixel of the group's first block */
    int64_t y_pixel, y_block;     /* elements */
    syn_dtype y_dtype;
    int32_t y_planes;             /* > 0: y has block 1, this many planes, y_block apart */
    const void *res1, *res2;      /* like y, or NULL; block CPU_BLOCK */
    int64_t res1_pixel, res1_block, res2_pixel, res2_block;
    syn_dtype res1_dtype, res2_dtype;
    const float *bias, *slope;    /* of this group */
    float low, high, alpha, beta1, beta2;
    bool clip_only; /* slopes and alpha are 1, no residuals, y in blocks: low and high are all */
    float *raw; /* not NULL: the sums go here, [output block][cols][16], and no epilogue runs */
};
typedef void cpu_row_fn(const struct cpu_row *r);

/* The two transforms of a Winograd convolution (conv_wino.c), for one column chunk of one row of
 * tiles. */
struct cpu_wino_in {
    const void *row[4]; /* of one channel block: the pixel left of the chunk, in four input rows */
    int64_t n_cols;               /* pixels that may be read from there; the rest count as zero */
    int64_t tiles;
    /* out: [16 positions, v_position apart][tiles][16]; of an odd number of tiles one more */
    void *v;
    int64_t v_position;           /* elements */
};
/* The first for kernels of several 3x3 parts (conv_nested.c): one row of 4x4 inputs at every
 * column, not every second one, of up to four planes. */
struct cpu_nested_in {
    const float *row[4][4];       /* of each channel, in four input rows */
    int32_t channels;
    int64_t n_cols;               /* pixels that may be read from there; the rest count as zero */
    int64_t px;                   /* columns wanted */
    float *lines;                 /* scratch: 16 lines of cpu_nested_line(px) */
    void *v; /* out: [16 positions, v_position apart][px, whole 16s][4 channels] */
    int64_t v_position;           /* elements */
};
static inline int64_t cpu_nested_line(int64_t px) { return (px + 3 + 15) / 16 * 16 + 16; }
struct cpu_wino_out {
    const float *m; /* [16 positions, m_position apart][tiles][16]: sums of one output block */
    int64_t m_position, tiles;
    int32_t rows;                 /* 1 or 2 output rows exist */
    int64_t cols;                 /* output pixels of the chunk: 2*tiles or one less */
    int64_t y_line, res1_line, res2_line; /* elements from the first output row to the second */
    const struct cpu_row
        *r; /* pointers and epilogue of the first row, output block 0 of the group */
    int32_t o;                    /* which block of the group this is */
};
/* Weights of one block of input channels and one group of output blocks at the sixteen
 * positions. */
struct cpu_wino_weights {
    const float *g; /* [output channel of the group][16 input channels][9]; absent ones are zero */
    int32_t n_out;                /* output blocks in the group */
    int64_t n_k;                  /* input channels to write: whole steps */
    void *u; /* out: [16 positions, u_position apart][n_k / step][output block][16][step] */
    int64_t u_position;           /* elements */
};
/* Everything one instruction set offers; fields NULL where the processor lacks it. */
struct cpu_conv_isa {
    cpu_row_fn *row;
    void (*wino_in)(const struct cpu_wino_in *w);
    void (*wino_out)(const struct cpu_wino_out *w);
    void (*nested_in)(const struct cpu_nested_in *w);
    void (*wino_weights)(const struct cpu_wino_weights *w);
    /* One output block, each channel from its own input channel: w is f32, [tap][16]; n_blocks,
     * last_k and raw have no meaning. */
    cpu_row_fn *depthwise;
};
/* f32 activations and weights / bf16 activations and weights, f32 sums. */
struct cpu_conv_isa cpu_conv_isa_f32(void);
struct cpu_conv_isa cpu_conv_isa_bf16(void);

/* Packed weights, shared by all plans of a model: see conv_pack.c. */
struct cpu_packs;
struct cpu_slab;
enum cpu_pack_form { CPU_PACK_DIRECT, CPU_PACK_WINO, CPU_PACK_NESTED };
struct cpu_pack {
    struct cpu_pack *next;
    uint64_t key;
    enum cpu_pack_form form;
    struct syn_conv shape;        /* what was packed */
    bool bf16;
    int32_t refs;
    size_t bytes;
    void *data;                   /* in the slab */
    struct cpu_slab *slab;
};
struct cpu_packs *cpu_packs_new(void);
void cpu_packs_free(struct cpu_packs *ps);
void cpu_packs_release(struct cpu_packs *ps, struct cpu_pack *p); /* NULL-safe */

#endif
