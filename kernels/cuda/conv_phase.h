/* conv_phase.h - a convolution as phases and taps: the small tables that head its packed weights.
 *
 * Maths    Output pixel (out_step*i + row0, out_step*j + col0) of phase (row0, col0) is a sum over
 *          the phase's taps of w[ky][kx] * x[in_step*i + dy][in_step*j + dx].
 *            plain        one phase; in_step = stride, out_step = 1, dy = ky*dil - top
 *            transposed   stride_h * stride_w phases; in_step = 1, out_step = stride,
 *                         dy = (row0 + top - ky*dil) / stride for those ky for which it is whole
 *          Each kernel position belongs to exactly one phase. A phase without taps is act(bias).
 * Layout   of packed weights, from their beginning:
 *            struct cuda_phase [n_phases]; struct cuda_tap [kh*kw], phase after phase;
 *            up to a multiple of CUDA_CONV_ALIGN bytes; then the weights:
 *            MMA    [phase][block of BN outputs][K step][BN outputs][32 of K], f16 or bf16, the
 *                   16-byte chunk q of 8 along K in row r at place q ^ (r>>1 & 3). K runs over
 *                   taps, within one over input channels, rounded up to 8; zeros up to a whole
 *                   step.
 *            HALO   the same tiles; K runs over blocks of 32 input channels, within one over taps
 *            PLAIN  [phase][group][tap][input channel][output channel, rounded up to 4] f32
 *            DEPTH  [tap][channel, rounded up to 8] f32
 * Layer:   kernels/cuda. C and C++. */
#ifndef SYN_CUDA_CONV_PHASE_H
#define SYN_CUDA_CONV_PHASE_H

#include "kernels/cuda/kernels.h"

#define CUDA_CONV_ALIGN 128
#define CUDA_CONV_MOST_PHASES 4096
#define CUDA_CONV_MOST_SIDE (1 << 28) /* rows, pads, a kernel's extent ...: sums fit int32_t */

struct cuda_phase {
    int32_t row0, col0;       /* its first output pixel */
    int32_t first_tap, n_taps;
    int64_t weights;          /* bytes from the beginning of the packed weights */
    int64_t k_steps;          /* MMA, HALO: steps of CUDA_MMA_K */
    int32_t dy, dx;           /* the least of its taps' */
    int32_t rows, cols;       /* from there to the largest: 0 for one tap */
};
struct cuda_tap {
    int32_t dy, dx;           /* input pixel, from (in_step*i, in_step*j) */
};

/* A tile of the MMA and HALO kernels; HALO's is so many rows and columns of a phase's grid, and its
 * taps reach so much further. */
enum {
    CUDA_MMA_M = 128,
    CUDA_MMA_K = 32,
    CUDA_HALO_ROWS = 8,
    CUDA_HALO_COLS = 16,
    CUDA_HALO_REACH = 2
};

/* Output channels in a tile: of 64, 32 and 16 the one with the least work, where the pixels, loaded
 * once for each block of channels, count as 16 more. */
SYN_BOTH int32_t cuda_mma_n(int32_t co)
{
    int32_t best = 64;
    int64_t least = (int64_t)((co + 63) / 64) * (64 + 16);
    for (int32_t n = 32; n >= 16; n /= 2) {
        const int64_t work = (int64_t)((co + n - 1) / n) * (n + 16);
        if (work < least) best = n, least = work;
    }
    return best;
}
/* Chunks of 8 input channels. */
SYN_BOTH int32_t cuda_conv_chunks(int32_t ci) { return (ci + 7) / 8; }

SYN_BOTH int32_t cuda_conv_phases(const struct cuda_conv *c)
{
    return c->transposed ? c->stride_h * c->stride_w : 1;
}

/* out_step, and a phase's grid. */
SYN_BOTH int32_t cuda_step_h(const struct cuda_conv *c) { return c->transposed ? c->stride_h : 1; }
SYN_BOTH int32_t cuda_step_w(const struct cuda_conv *c) { return c->transposed ? c->stride_w : 1; }
SYN_BOTH int32_t cuda_grid_rows(const struct cuda_conv *c, int32_t row0)
{
    const int32_t step = cuda_step_h(c);
    return c->y.h > row0 ? (c->y.h - row0 + step - 1) / step : 0;
}
SYN_BOTH int32_t cuda_grid_cols(const struct cuda_conv *c, int32_t col0)
{
    const int32_t step = cuda_step_w(c);
    return c->y.w > col0 ? (c->y.w - col0 + step - 1) / step : 0;
}

#ifdef __cplusplus
extern "C" {
#endif

/* The phases' tables, as they head packed weights, into *p: phase i and its taps, `tap` (room for
 * kh*kw; NULL: not wanted). weights and first_tap stay 0. */
void cuda_conv_phase(const struct cuda_conv *c, int32_t i, struct cuda_phase *p,
                     struct cuda_tap *tap);

/* conv.cu, conv_halo.cu, conv_f32.cu, conv_depth.cu: a way each, which takes c. */
SYN_MUST_CHECK syn_status cuda_conv_mma(const struct cuda_conv *c, cudaStream_t stream,
                                        struct syn_err *err);
SYN_MUST_CHECK syn_status cuda_conv_halo(const struct cuda_conv *c, cudaStream_t stream,
                                         struct syn_err *err);
SYN_MUST_CHECK syn_status cuda_conv_plain(const struct cuda_conv *c, cudaStream_t stream,
                                          struct syn_err *err);
SYN_MUST_CHECK syn_status cuda_conv_depth(const struct cuda_conv *c, cudaStream_t stream,
                                          struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
