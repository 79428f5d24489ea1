/* conv_way.c - which kernel does a convolution, whether it can, and in how many parts.
 *
 * The choice is by form alone until tables of measurements exist: the depthwise kernel for its
 * form, tensor cores where they can, of these the halo kernel where its tiles are well filled and
 * fill the device; CUDA cores for the rest. */
#include "kernels/cuda/conv_phase.h"

enum {
    MOST_SPLIT = 32,
    LEAST_STEPS = 4, /* of K in a part: the pipeline is 3 deep */
};

const char *cuda_conv_way_word(enum cuda_conv_way way)
{
    static const char *const word[CUDA_CONV_WAYS] = {"cuda conv mma", "cuda conv halo",
                                                     "cuda conv plain", "cuda conv depth"};
    return word[way];
}

static bool half(syn_dtype t) { return t == SYN_F16 || t == SYN_BF16; }
static bool number(syn_dtype t) { return half(t) || t == SYN_F32; }
static int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

/* Blocks in MMA's grid for one part of K. */
static int64_t mma_blocks(const struct cuda_conv *c)
{
    const int64_t pixels = (int64_t)c->y.n * cuda_grid_rows(c, 0) * cuda_grid_cols(c, 0);
    return ceil_div(pixels, CUDA_MMA_M) * ceil_div(c->y.c, cuda_mma_n(c->y.c)) *
           cuda_conv_phases(c);
}

static int64_t halo_tiles(const struct cuda_conv *c)
{
    return (int64_t)c->y.n * ceil_div(cuda_grid_rows(c, 0), CUDA_HALO_ROWS) *
           ceil_div(cuda_grid_cols(c, 0), CUDA_HALO_COLS);
}

/* Every phase's taps within CUDA_HALO_REACH of each other, and two of them at least: the next
 * channels' pixels come along with the weights of two steps further. */
static bool halo_form(const struct cuda_conv *c)
{
    if (!c->transposed && (c->stride_h != 1 || c->stride_w != 1)) return false;
    for (int32_t i = 0; i < cuda_conv_phases(c); i++) {
        struct cuda_phase p;
        cuda_conv_phase(c, i, &p, NULL);
        if (p.n_taps < 2 || p.rows > CUDA_HALO_REACH || p.cols > CUDA_HALO_REACH) return false;
    }
    return true;
}

/* Whether its tiles are well filled: with pixels, with channels; and enough of them. */
static bool halo_pays(const struct cuda_conv *c, int32_t multiprocessors)
{
    const int64_t rows = cuda_grid_rows(c, 0), cols = cuda_grid_cols(c, 0), tiles = halo_tiles(c);
    return 4 * c->y.n * rows * cols >= 3 * tiles * CUDA_MMA_M &&
           4 * (int64_t)c->x.c >= 3 * ceil_div(c->x.c, CUDA_MMA_K) * CUDA_MMA_K &&
           tiles * cuda_conv_phases(c) >= multiprocessors;
}

/* What all ways need: sides whose sums are int32_t, pictures of fewer than 2^31 pixels. */
static bool within_bounds(const struct cuda_conv *c)
{
    const int64_t side[] = {c->x.h, c->x.w, c->y.h, c->y.w, c->top, c->left,
                            (int64_t)c->dil_h * c->kh, (int64_t)c->dil_w * c->kw, c->stride_h,
                            c->stride_w, (int64_t)c->y.h * (c->transposed ? 1 : c->stride_h),
                            (int64_t)c->y.w * (c->transposed ? 1 : c->stride_w)};
    for (size_t i = 0; i < sizeof side / sizeof *side; i++)
        if (side[i] < 0 || side[i] > CUDA_CONV_MOST_SIDE) return false;
    return (int64_t)c->x.h * c->x.w < INT32_MAX && (int64_t)c->y.h * c->y.w < INT32_MAX - 256 &&
           (int64_t)c->kh * c->kw < CUDA_CONV_MOST_SIDE &&
           (!c->transposed || (int64_t)c->stride_h * c->stride_w <= CUDA_CONV_MOST_PHASES);
}

static bool for_tensor_cores(const struct cuda_conv *c)
{
    return c->group == 1 && half(c->x.dtype) &&
           (c->y.dtype == c->x.dtype || c->y.dtype == SYN_F32);
}

bool cuda_conv_takes(enum cuda_conv_way way, const struct cuda_conv *c)
{
    if (!number(c->x.dtype) || !number(c->y.dtype) || !within_bounds(c) || c->split < 1)
        return false;
    switch (way) {
    case CUDA_CONV_MMA:
        return for_tensor_cores(c) && c->split <= MOST_SPLIT && mma_blocks(c) < INT32_MAX;
    case CUDA_CONV_HALO:
        return for_tensor_cores(c) && c->split == 1 && halo_form(c) &&
               halo_tiles(c) * ceil_div(c->y.c, cuda_mma_n(c->y.c)) * cuda_conv_phases(c) <
                   INT32_MAX;
    case CUDA_CONV_DEPTH: /* its threads of one image and phase are counted by int32_t */
        return c->group == c->x.c && c->group == c->y.c && c->split == 1 && c->y.n <= 65535 &&
               (int64_t)c->y.h * c->y.w * cuda_conv_chunks(c->y.c) < INT32_MAX;
    case CUDA_CONV_PLAIN:
        return c->split == 1 && c->group <= 65535 &&
               ((int64_t)c->y.n * c->y.h * c->y.w / 64 + cuda_conv_phases(c)) *
                       (c->y.c / c->group / 64 + 2) < INT32_MAX;
    case CUDA_CONV_WAYS: break;
    }
    return false;
}

/* Into how many parts K is cut: two blocks for each multiprocessor, where the parts stay longer
 * than filling the pipeline takes. */
static int32_t mma_split(const struct cuda_conv *c, int32_t multiprocessors)
{
    const int64_t blocks = mma_blocks(c), phases = cuda_conv_phases(c);
    const int64_t taps = ((int64_t)c->kh * c->kw + phases - 1) / phases; /* of a phase, about */
    const int64_t steps = ceil_div(taps * cuda_conv_chunks(c->x.c) * 8, CUDA_MMA_K);
    int64_t split = 2 * (int64_t)multiprocessors / blocks;
    if (blocks >= multiprocessors) return 1;
    if (split > steps / LEAST_STEPS) split = steps / LEAST_STEPS;
    return (int32_t)(split < 1 ? 1 : split > MOST_SPLIT ? MOST_SPLIT : split);
}

enum cuda_conv_way cuda_conv_choose(struct cuda_conv *c, int32_t multiprocessors)
{
    c->split = 1;
    if (cuda_conv_takes(CUDA_CONV_DEPTH, c)) return CUDA_CONV_DEPTH;
    if (!cuda_conv_takes(CUDA_CONV_MMA, c)) return CUDA_CONV_PLAIN;
    if (cuda_conv_takes(CUDA_CONV_HALO, c) && halo_pays(c, multiprocessors)) return CUDA_CONV_HALO;
    c->split = mma_split(c, multiprocessors);
    return CUDA_CONV_MMA;
}

size_t cuda_conv_scratch(enum cuda_conv_way way, const struct cuda_conv *c)
{
    if (way != CUDA_CONV_MMA || c->split <= 1) return 0;
    return (size_t)c->split * (size_t)c->y.n * (size_t)c->y.h * (size_t)c->y.w *
           (size_t)cuda_padded(c->y.c) * sizeof(float);
}

syn_status cuda_conv_launch(enum cuda_conv_way way, const struct cuda_conv *c, cudaStream_t stream,
                            struct syn_err *err)
{
    if (!cuda_conv_takes(way, c)) return SYN_UNSUPPORTED;
    switch (way) {
    case CUDA_CONV_MMA: return cuda_conv_mma(c, stream, err);
    case CUDA_CONV_HALO: return cuda_conv_halo(c, stream, err);
    case CUDA_CONV_DEPTH: return cuda_conv_depth(c, stream, err);
    default: return cuda_conv_plain(c, stream, err);
    }
}
