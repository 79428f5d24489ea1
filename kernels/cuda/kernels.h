/* kernels.h - what our kernels do, as launches: numbers and device addresses in, a status out.
 *
 * Host code (place.c, node_*.c) fills one of these plain structs from a graph's node once, when a
 * plan is made; running is a launch per struct. Nothing here knows graphs.
 *
 * Layer:   kernels/cuda. C and C++: .cu files define the launches, C files call them.
 * Shapes:  pictures are NHWC: element (n, y, x, c) of a view lies at
 *          ((n * h + y) * w + x) * pitch + c. pitch is a multiple of 8, at least c rounded up to 8;
 *          a view may be some channels of a wider buffer, then it begins at a multiple of 8
 *          channels and has a multiple of 8 of them. data is 16-byte aligned. Channels from c up to
 *          the next multiple of 8 are there and zero: who writes a view writes these zeros, who
 *          reads it may count on them.
 * Aliasing: no element that a launch writes is one that it reads.
 * Types:   f16, bf16 or f32; sums are f32 everywhere. The views of one launch may differ in type
 *          (a convolution by MMA: x has the weights' type, the others that or f32).
 * Bounds:  n*h*w and n*h*w*pitch may pass 2^31: offsets are 64-bit (int64_t) unless a kernel states
 *          its bound; n, c, h, w, pitch < 2^31, checked by place.c.
 * Threads: launches are asynchronous on the given stream and may be captured into a graph: they
 *          neither allocate nor synchronise.
 * Errors:  syn_cuda_status's when CUDA refuses the launch; SYN_TOO_LARGE where a grid would have
 *          2^31 blocks or a window's places pass 2^31; SYN_UNSUPPORTED, without text, from a
 *          *_takes that is false. Other numbers were checked when the plan was made.
 * Tests:   tests/cuda/test_*.cu, each against the scalar references of kernels/ops. */
#ifndef SYN_CUDA_KERNELS_H
#define SYN_CUDA_KERNELS_H

#include "kernels/base/status.h"
#include "kernels/graph/op_words.h"
#include "kernels/graph/tensor.h"
#include <stdbool.h>
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cuda_view {
    void *data;        /* NULL: an operand that is not there */
    syn_dtype dtype;   /* SYN_F16, SYN_BF16, SYN_F32 */
    int32_t n, c, h, w;
    int32_t pitch;     /* elements from one pixel to the next */
};

#ifdef __CUDACC__
#define SYN_BOTH static __host__ __device__ inline /* for the host's code and the kernels' */
#else
#define SYN_BOTH static inline
#endif

/* Channels rounded up to what lies together: 8, 16 bytes of f16. */
#define CUDA_GRANULE 8
SYN_BOTH int32_t cuda_padded(int32_t channels)
{
    return (channels + CUDA_GRANULE - 1) / CUDA_GRANULE * CUDA_GRANULE;
}

/* ---- conv.cu, conv_halo.cu, conv_f32.cu, conv_depth.cu: convolutions ------------------------ */

/* y = alpha * act(conv(x, w) + bias) + beta1*res1 + beta2*res2, as kernels/ops/ops.h defines CONV
 * and CONV_TRANSPOSE. A transposed convolution of stride s is s*s plain ones, its phases: output
 * pixel (s*i + a, s*j + b) belongs to phase a*s + b; one launch does them all. */
struct cuda_conv {
    struct cuda_view x, y, res1, res2;
    const void *weights;       /* device; as cuda_conv_pack made them */
    const float *bias, *slope; /* device, f32, co rounded up to 8, zero past co; NULL: none */
    int32_t group, kh, kw, stride_h, stride_w, dil_h, dil_w, top, left;
    bool transposed;
    enum syn_act act;
    float act_a, act_b, alpha, beta1, beta2;
    /* split-K: this many parts of the sum, added in a fixed order through `partial` (f32, device,
     * cuda_conv_scratch bytes); 1: none */
    int32_t split;
    float *partial;
};

/* How a convolution is done: chosen once for a shape, by cuda_conv_choose or by a measurement. */
enum cuda_conv_way {
    CUDA_CONV_MMA,     /* implicit GEMM on tensor cores; group 1; f16 (sm_75), bf16 (sm_80) */
    CUDA_CONV_HALO,    /* the same, pixels brought once for all taps: stride 1 or transposed, taps
                          within 3x3, two or more in each phase; no split */
    CUDA_CONV_PLAIN,   /* implicit GEMM in f32 on CUDA cores; any type, any group */
    CUDA_CONV_DEPTH,   /* as many groups as channels, in and out */
    CUDA_CONV_WAYS
};
const char *cuda_conv_way_word(enum cuda_conv_way way);
bool cuda_conv_takes(enum cuda_conv_way way, const struct cuda_conv *c);
/* The way for this shape, and its split. multiprocessors: of the device. */
enum cuda_conv_way cuda_conv_choose(struct cuda_conv *c, int32_t multiprocessors);

/* Weights in the kernel's order. w: f32 on the host, [co][ci/group][kh][kw], transposed
 * [ci][co/group][kh][kw]. packed: cuda_conv_packed_bytes bytes on the host, to be copied to the
 * device as they are. Only the shape fields of c, its types and group are read. */
size_t cuda_conv_packed_bytes(enum cuda_conv_way way, const struct cuda_conv *c);
void cuda_conv_pack(enum cuda_conv_way way, const struct cuda_conv *c, const float *w,
                    void *packed);
/* 0 where split is 1 */
size_t cuda_conv_scratch(enum cuda_conv_way way, const struct cuda_conv *c);
SYN_MUST_CHECK syn_status cuda_conv_launch(enum cuda_conv_way way, const struct cuda_conv *c,
                                           cudaStream_t stream, struct syn_err *err);

/* ---- convert.cu: the ways in and out, copies ------------------------------------------------ */

/* Dense f32 NCHW on the device to a view, and back. */
SYN_MUST_CHECK syn_status cuda_planes_to_view(const float *from, const struct cuda_view *to,
                                              cudaStream_t stream, struct syn_err *err);
SYN_MUST_CHECK syn_status cuda_view_to_planes(const struct cuda_view *from, float *to,
                                              cudaStream_t stream, struct syn_err *err);
/* A window of from, beginning at pixel (top, left) and channel first, into a window of to. What of
 * the source's window lies outside it is handled by mode: constant `value`, reflected, repeated
 * (kernels/ops: PAD, CROP, CONCAT). c, h, w: the size written at to's (to_top, to_left, to_first);
 * to_first is a multiple of 8. */
struct cuda_window {
    struct cuda_view from, to;
    int32_t top, left, first;          /* of from; top and left may be negative */
    int32_t to_top, to_left, to_first;
    int32_t c, h, w;
    enum syn_pad_mode mode;
    float value;
};
SYN_MUST_CHECK syn_status cuda_window_launch(const struct cuda_window *p, cudaStream_t stream,
                                             struct syn_err *err);

/* ---- pointwise.cu --------------------------------------------------------------------------- */

#define CUDA_MOST_OPERANDS 16
enum cuda_point { /* acc = operand 0, then for each further operand acc = acc OP operand */
    CUDA_POINT_SUM, /* acc = coeff[0]*x0 + coeff[1]*x1 ... */
    CUDA_POINT_SUB,
    CUDA_POINT_MUL,
    CUDA_POINT_DIV,
    CUDA_POINT_MIN, /* NaN wins, in both */
    CUDA_POINT_MAX
};
/* Each of an operand's n, c, h and w is y's or 1: then it is repeated. Then act, with slope per
 * channel for PRELU (device, f32, y's c rounded up to 8; slope_step 0: one for all). */
struct cuda_pointwise {
    struct cuda_view x[CUDA_MOST_OPERANDS], y;
    int32_t n_x;
    enum cuda_point op;
    float coeff[CUDA_MOST_OPERANDS];
    enum syn_act act;
    float act_a, act_b;
    const float *slope;
    int32_t slope_step;
};
SYN_MUST_CHECK syn_status cuda_pointwise_launch(const struct cuda_pointwise *p,
                                                cudaStream_t stream, struct syn_err *err);

/* ---- resample.cu, shuffle.cu, pool.cu ------------------------------------------------------- */

/* Taps of each axis as syn_resize_taps gives them, on the device: output o of an axis reads `width`
 * places at[o*width + k] (clamped, within the axis) with weight[o*width + k]. Both axes have one
 * width. */
struct cuda_taps {
    int32_t width; /* 1, 2 or 4 */
    const int32_t *at;
    const float *weight;
};
struct cuda_resize {
    struct cuda_view x, y;
    struct cuda_taps rows, cols;
};
SYN_MUST_CHECK syn_status cuda_resize_launch(const struct cuda_resize *p, cudaStream_t stream,
                                             struct syn_err *err);

/* PIXEL_SHUFFLE: y [n, c/(r*r), h*r, w*r]; dcr: depth first (mode 1). res, where given, has x's
 * height and width and y's channels and is added to each of its pixels' r*r. */
struct cuda_shuffle {
    struct cuda_view x, y, res;
    int32_t r;
    bool dcr, inverse; /* inverse: PIXEL_UNSHUFFLE, x is the large one */
};
SYN_MUST_CHECK syn_status cuda_shuffle_launch(const struct cuda_shuffle *p, cudaStream_t stream,
                                              struct syn_err *err);

struct cuda_pool {
    struct cuda_view x, y;
    bool average, count_pads;
    int32_t kh, kw, stride_h, stride_w, dil_h, dil_w, top, left, bottom, right;
};
SYN_MUST_CHECK syn_status cuda_pool_launch(const struct cuda_pool *p, cudaStream_t stream,
                                           struct syn_err *err);
/* [n,c,h,w] -> [n,c,1,1]; the same bits in every run. partial: cuda_average_scratch bytes. */
size_t cuda_average_scratch(const struct cuda_view *x);
SYN_MUST_CHECK syn_status cuda_average_launch(const struct cuda_view *x, const struct cuda_view *y,
                                              float *partial, cudaStream_t stream,
                                              struct syn_err *err);

/* ---- norm.cu -------------------------------------------------------------------------------- */

/* y = act(scale[c] * (x - mean) / sqrt(var + epsilon) + bias[c]) + res; means and variances over
 * h, w and the channels of a group (groups = c: instance norm), in f32, by Welford's and Chan's
 * formulas in a fixed order. scale, bias: device f32, per channel, NULL: 1 and 0; per_image:
 * [n][c]. partial: cuda_group_norm_scratch bytes. */
struct cuda_group_norm {
    struct cuda_view x, y, res;
    int32_t groups;
    const float *scale, *bias;
    bool per_image;
    float epsilon;
    enum syn_act act;
    float act_a, act_b;
    float *partial;
};
size_t cuda_group_norm_scratch(const struct cuda_group_norm *p);
SYN_MUST_CHECK syn_status cuda_group_norm_launch(const struct cuda_group_norm *p,
                                                 cudaStream_t stream, struct syn_err *err);

/* ---- scan.cu: NaN and infinity -------------------------------------------------------------- */

/* *bad (device) becomes 1 when the n values hold NaN or infinity; never becomes 0. */
SYN_MUST_CHECK syn_status cuda_scan_launch(const float *x, int64_t n, int32_t *bad,
                                           cudaStream_t stream, struct syn_err *err);

/* ---- softmax.cu, layer_norm.cu: dense rows --------------------------------------------------- */

struct cuda_rows { /* x, y: dense [rows, n], any alignment of an element; n >= 1 */
    const void *x;
    void *y;
    syn_dtype x_type, y_type;
    int64_t rows;
    int32_t n;
};
/* Along each row. */
SYN_MUST_CHECK syn_status cuda_softmax_launch(const struct cuda_rows *p, cudaStream_t stream,
                                              struct syn_err *err);
/* scale, bias: device f32 [n]; NULL: 1 and 0. */
SYN_MUST_CHECK syn_status cuda_layer_norm_launch(const struct cuda_rows *p, const float *scale,
                                                 const float *bias, float epsilon,
                                                 cudaStream_t stream, struct syn_err *err);

/* ---- noise.cu -------------------------------------------------------------------------------- */

enum cuda_noise_kind { CUDA_NOISE_BITS, CUDA_NOISE_UNIFORM, CUDA_NOISE_NORMAL };
/* out[i] = number first + i of a stream of kernels/base/rng, for i < n: syn_random_bits (uint64_t),
 * or syn_random_uniform or _normal rounded to float. A normal may be 1 ulp off: see noise.cu. */
struct cuda_noise {
    enum cuda_noise_kind kind;
    uint64_t seed, stream, first;
    int64_t n;
    void *out;
};
SYN_MUST_CHECK syn_status cuda_noise_launch(const struct cuda_noise *p, cudaStream_t stream,
                                            struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
