/* ncnn_layers.c - one function per ncnn layer: its parameters and weights to nodes of the graph.
 *
 * Source:  ncnn's layers as its reference code computes them (default parameters, order of
 *          weights).
 * Names:   key numbers are ncnn's; each function says them once, at the call that reads them.
 * Size:    one file: the table at its end and the functions above it are read together.
 * Layer:   kernels/load.
 * Threads: pure functions over a builder, whose errors are sticky (ncnn_build.h). */
#include "kernels/load/ncnn_build.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_CHANNELS 65536
#define MAX_KERNEL 1024
#define MAX_STEP 1024
#define MAX_PAD 65535
#define MAX_SIDE (1 << 24)

/* ---- convolution ---------------------------------------------------------------------------- */

struct
    window { /* of convolution and pooling; [0] rows, [1] columns; pads top, left, bottom, right */
    int64_t kernel[2], dilation[2], stride[2], pads[4];
};

/* Paddings from four keys. -233 and -234 (output as large as the input, the odd one after or
 * before) do not depend on the picture at stride 1; at other strides they do. */
static void read_pads(struct syn_ncnn_build *b, int32_t left, int32_t right, int32_t top,
                      int32_t bottom, struct window *w)
{
    w->pads[1] = syn_ncnn_int(b, left, 0, -234, MAX_PAD);
    w->pads[3] = syn_ncnn_int(b, right, w->pads[1], -234, MAX_PAD);
    w->pads[0] = syn_ncnn_int(b, top, w->pads[1], -234, MAX_PAD);
    w->pads[2] = syn_ncnn_int(b, bottom, w->pads[0], -234, MAX_PAD);
    const int64_t same = w->pads[0];
    if (same == -233 || same == -234) {
        for (int i = 0; i < 4; i++)
            if (w->pads[i] != same)
                syn_ncnn_fail(b, SYN_UNSUPPORTED, "pads %" PRId64 " on some sides only", same);
        for (int i = 0; i < 2; i++) {
            const int64_t total = w->dilation[i] * (w->kernel[i] - 1);
            if (w->stride[i] != 1)
                syn_ncnn_fail(b, SYN_UNSUPPORTED,
                              "pad %" PRId64 " (same size) with stride %" PRId64
                              ": the stride must be 1",
                              same, w->stride[i]);
            w->pads[i] = same == -233 ? total / 2 : total - total / 2;
            w->pads[i + 2] = total - w->pads[i];
        }
    }
    for (int i = 0; i < 4; i++)
        if (w->pads[i] < 0) {
            syn_ncnn_fail(b, SYN_UNSUPPORTED,
                          "pad %" PRId64 ": must be 0 or more, or -233 or -234 on all sides",
                          w->pads[i]);
            w->pads[i] = 0;
        }
}

static void read_conv_window(struct syn_ncnn_build *b, struct window *w)
{
    w->kernel[1] = syn_ncnn_int(b, 1, 0, 1, MAX_KERNEL);
    w->kernel[0] = syn_ncnn_int(b, 11, w->kernel[1], 1, MAX_KERNEL);
    w->dilation[1] = syn_ncnn_int(b, 2, 1, 1, MAX_STEP);
    w->dilation[0] = syn_ncnn_int(b, 12, w->dilation[1], 1, MAX_STEP);
    w->stride[1] = syn_ncnn_int(b, 3, 1, 1, MAX_STEP);
    w->stride[0] = syn_ncnn_int(b, 13, w->stride[1], 1, MAX_STEP);
    read_pads(b, 4, 15, 14, 16, w);
}

/* Keys 9 and 10: the activation that is computed with the layer. Appends to attr[*n]. */
static void read_activation(struct syn_ncnn_build *b, struct syn_attr *attr, int32_t *n)
{
    static const int32_t needs[5] = {0, 0, 1, 2, 0};
    static const enum syn_act act[5] = {SYN_ACT_NONE, SYN_ACT_RELU, SYN_ACT_LEAKY, SYN_ACT_CLIP,
                                        SYN_ACT_SIGMOID};
    const int64_t kind = syn_ncnn_int(b, 9, 0, 0, 100);
    const double *p;
    const int32_t given = syn_ncnn_list(b, 10, &p);
    if (kind > 4) {
        syn_ncnn_fail(b, SYN_UNSUPPORTED,
                      "activation %" PRId64 ": must be 0 to 4 (none, relu, leaky, clip, sigmoid)",
                      kind);
        return;
    }
    if (given < needs[kind]) {
        syn_ncnn_fail(b, SYN_INVALID, "activation %" PRId64 " has %d parameters: takes %d", kind,
                      (int)given, (int)needs[kind]);
        return;
    }
    attr[(*n)++] = syn_attr_of_int("act", act[kind]);
    if (needs[kind] > 0) attr[(*n)++] = syn_attr_of_float("act_a", p[0]);
    if (needs[kind] > 1) attr[(*n)++] = syn_attr_of_float("act_b", p[1]);
}

static void window_attrs(const struct window *w, bool dilated, struct syn_attr *attr, int32_t *n)
{
    attr[(*n)++] = syn_attr_of_ints("strides", 2, w->stride);
    attr[(*n)++] = syn_attr_of_ints("pads", 4, w->pads);
    if (dilated) attr[(*n)++] = syn_attr_of_ints("dilations", 2, w->dilation);
}

/* Input channels of one group: what the stated number of weights leaves. */
static int64_t channels_per_group(struct syn_ncnn_build *b, int64_t n_weights, int64_t co,
                                  const struct window *w)
{
    const int64_t each = co * w->kernel[0] * w->kernel[1]; /* at most 2^16 * 2^20 */
    if (n_weights % each != 0 || n_weights / each > MAX_CHANNELS) {
        syn_ncnn_fail(b, SYN_INVALID,
                      "key 6 = %" PRId64
                      " weights: must be a multiple of outputs * kernel = %" PRId64
                      ", at most %d times",
                      n_weights, each, MAX_CHANNELS);
        return 1;
    }
    return n_weights / each;
}

static bool is_1x1(const struct window *w)
{
    return w->kernel[0] == 1 && w->kernel[1] == 1 &&
           !(w->pads[0] | w->pads[1] | w->pads[2] | w->pads[3]);
}

/* Convolution and ConvolutionDepthWise differ in the group count (key 7) only. */
static int32_t convolution(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    struct window w;
    struct syn_attr attr[SYN_MAX_ATTRS];
    int32_t n = 0, operand[3] = {in[0], -1, -1};
    const int64_t co = syn_ncnn_int(b, 0, 0, 1, MAX_CHANNELS);
    const int64_t group = syn_ncnn_int(b, 7, 1, 1, MAX_CHANNELS);
    const int64_t bias = syn_ncnn_int(b, 5, 0, 0, 1);
    const int64_t n_weights = syn_ncnn_int(b, 6, 0, 1, INT32_MAX);
    (void)n_in;
    read_conv_window(b, &w);
    if (b->st != SYN_OK) return -1;
    if (co % group != 0)
        syn_ncnn_fail(b, SYN_INVALID, "%" PRId64 " outputs in %" PRId64 " groups", co, group);
    const int64_t ci_group = channels_per_group(b, n_weights, co, &w);
    const bool vector = syn_ncnn_meta_of(b, in[0]).vector && is_1x1(&w);
    const int64_t dim[4] = {co, ci_group, w.kernel[0], w.kernel[1]};
    syn_ncnn_need_channels(b, in[0], ci_group * group);
    operand[1] = syn_ncnn_constant(b, syn_ncnn_tagged(b, n_weights, "weights"), 4, dim);
    if (bias) operand[2] = syn_ncnn_constant(b, syn_ncnn_plain(b, co, "biases"), 1, dim);
    attr[n++] = syn_attr_of_int("group", group);
    window_attrs(&w, true, attr, &n);
    read_activation(b, attr, &n);
    return syn_ncnn_node(b, SYN_OP_CONV, operand, bias ? 3 : 2, attr, n,
                         (struct syn_ncnn_meta){co, vector});
}

/* [group][co/group][ci/group][k] to [group][ci/group][co/group][k], element size kept. The copy is
 * the graph's. */
static struct syn_ncnn_data swap_channels(struct syn_ncnn_build *b, struct syn_ncnn_data from,
                                          int64_t group, int64_t co, int64_t ci, int64_t k)
{
    const size_t size = syn_dtype_bytes(from.dtype) * (size_t)k; /* of one kernel */
    struct syn_ncnn_data to = {.p = NULL, .dtype = from.dtype};
    const uint8_t *src = from.p;
    uint8_t *dst;
    if (b->st != SYN_OK) return to;
    to.p = dst = syn_arena_new(&b->g->arena, (size_t)(group * co * ci), size);
    if (!dst) {
        syn_ncnn_fail(b, SYN_NO_MEMORY, "no memory for its weights");
        return to;
    }
    for (int64_t g = 0; g < group; g++)
        for (int64_t i = 0; i < ci; i++)
            for (int64_t o = 0; o < co; o++, dst += size)
                memcpy(dst, src + (size_t)((g * co + o) * ci + i) * size, size);
    return to;
}

/* Deconvolution and DeconvolutionDepthWise. */
static int32_t deconvolution(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    struct window w;
    struct syn_attr attr[SYN_MAX_ATTRS];
    int32_t n = 0, operand[3] = {in[0], -1, -1};
    const int64_t co = syn_ncnn_int(b, 0, 0, 1, MAX_CHANNELS);
    const int64_t group = syn_ncnn_int(b, 7, 1, 1, MAX_CHANNELS);
    const int64_t bias = syn_ncnn_int(b, 5, 0, 0, 1);
    const int64_t n_weights = syn_ncnn_int(b, 6, 0, 1, INT32_MAX);
    int64_t extra[2];
    (void)n_in;
    if (b->line->param[4].given && syn_ncnn_int(b, 4, 0, -234, MAX_PAD) < 0)
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "pad %d: must be 0 or more", (int)b->line->param[4].v[0]);
    read_conv_window(b, &w);
    extra[1] = syn_ncnn_int(b, 18, 0, 0, MAX_STEP);
    extra[0] = syn_ncnn_int(b, 19, extra[1], 0, MAX_STEP);
    if (b->st != SYN_OK) return -1;
    if (co % group != 0)
        syn_ncnn_fail(b, SYN_INVALID, "%" PRId64 " outputs in %" PRId64 " groups", co, group);
    const int64_t ci_group = channels_per_group(b, n_weights, co, &w),
                  k = w.kernel[0] * w.kernel[1];
    const int64_t dim[4] = {ci_group * group, co / group, w.kernel[0], w.kernel[1]};
    syn_ncnn_need_channels(b, in[0], ci_group * group);
    operand[1] = syn_ncnn_constant(
        b,
        swap_channels(b, syn_ncnn_tagged(b, n_weights, "weights"), group, co / group, ci_group, k),
        4, dim);
    if (bias) operand[2] = syn_ncnn_constant(b, syn_ncnn_plain(b, co, "biases"), 1, &co);
    attr[n++] = syn_attr_of_int("group", group);
    window_attrs(&w, true, attr, &n);
    attr[n++] = syn_attr_of_ints("output_padding", 2, extra);
    read_activation(b, attr, &n);
    return syn_ncnn_node(b, SYN_OP_CONV_TRANSPOSE, operand, bias ? 3 : 2, attr, n,
                         (struct syn_ncnn_meta){co, false});
}

/* ---- vectors -------------------------------------------------------------------------------- */

static bool need_vector(struct syn_ncnn_build *b, int32_t value, const char *which)
{
    if (b->st == SYN_OK && !syn_ncnn_meta_of(b, value).vector)
        syn_ncnn_fail(b, SYN_UNSUPPORTED,
                      "%s is a picture: must be a vector (the output of a global pooling)", which);
    return b->st == SYN_OK;
}

static int32_t inner_product(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    struct syn_attr attr[SYN_MAX_ATTRS];
    int32_t n = 0, operand[3] = {in[0], -1, -1};
    const int64_t m = syn_ncnn_int(b, 0, 0, 1, MAX_CHANNELS);
    const int64_t bias = syn_ncnn_int(b, 1, 0, 0, 1);
    const int64_t n_weights = syn_ncnn_int(b, 2, 0, 1, INT32_MAX);
    (void)n_in;
    if (!need_vector(b, in[0], "its input")) return -1;
    if (n_weights % m != 0) {
        syn_ncnn_fail(b, SYN_INVALID,
                      "key 2 = %" PRId64 " weights: must be a multiple of %" PRId64 " outputs",
                      n_weights, m);
        return -1;
    }
    const int64_t dim[2] = {m, n_weights / m};
    syn_ncnn_need_channels(b, in[0], dim[1]);
    operand[1] = syn_ncnn_constant(b, syn_ncnn_tagged(b, n_weights, "weights"), 2, dim);
    if (bias) operand[2] = syn_ncnn_constant(b, syn_ncnn_plain(b, m, "biases"), 1, dim);
    read_activation(b, attr, &n);
    return syn_ncnn_node(b, SYN_OP_DENSE, operand, bias ? 3 : 2, attr, n,
                         (struct syn_ncnn_meta){m, true});
}

/* A vector is flat already; a picture would need its size. */
static int32_t flatten(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    (void)n_in;
    return need_vector(b, in[0], "its input") ? in[0] : -1;
}

/* Reshape of a vector to a vector of the same length: keys 0, 1, 2 = width, height, channels. */
static int32_t reshape(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t width = syn_ncnn_int(b, 0, -233, -233, MAX_SIDE);
    (void)n_in;
    if (!need_vector(b, in[0], "its input")) return -1;
    const int64_t channels = syn_ncnn_meta_of(b, in[0]).channels;
    if (width != -1 && width != channels) {
        syn_ncnn_fail(b, SYN_UNSUPPORTED,
                      "reshapes a vector of %" PRId64 " to %" PRId64 ": must keep its length",
                      channels, width);
        return -1;
    }
    return in[0];
}

/* ---- elementwise ---------------------------------------------------------------------------- */

/* What is known of the result of a broadcast over two operands. */
static struct syn_ncnn_meta broadcast(struct syn_ncnn_build *b, int32_t x, int32_t y)
{
    const struct syn_ncnn_meta p = syn_ncnn_meta_of(b, x), q = syn_ncnn_meta_of(b, y);
    struct syn_ncnn_meta r = {p.channels, p.vector && q.vector};
    if (p.channels == 1 || (p.channels < 0 && q.channels > 1)) r.channels = q.channels;
    if (p.channels > 1 && q.channels > 1 && p.channels != q.channels)
        syn_ncnn_fail(b, SYN_INVALID, "its inputs have %" PRId64 " and %" PRId64 " channels",
                      p.channels, q.channels);
    return r;
}

static int32_t binary(struct syn_ncnn_build *b, syn_op_id id, int32_t x, int32_t y)
{
    const int32_t operand[2] = {x, y};
    return syn_ncnn_node(b, id, operand, 2, NULL, 0, broadcast(b, x, y));
}

static int32_t binary_op(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    static const struct {
        syn_op_id id;
        bool swap;
    } row[] = {/* by key 0 */
               {SYN_OP_ADD, false},   {SYN_OP_SUB, false}, {SYN_OP_MUL, false},
               {SYN_OP_DIV, false},   {SYN_OP_MAX, false}, {SYN_OP_MIN, false},
               {SYN_OP_COUNT, false}, {SYN_OP_SUB, true},  {SYN_OP_DIV, true}};
    const int64_t kind = syn_ncnn_int(b, 0, 0, 0, 100);
    const int64_t scalar = syn_ncnn_int(b, 1, 0, 0, 1);
    if (kind > 8 || row[kind].id == SYN_OP_COUNT) {
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "operation %" PRId64 ": must be 0 to 5, 7 or 8", kind);
        return -1;
    }
    if (n_in != (scalar ? 1 : 2)) {
        syn_ncnn_fail(b, SYN_INVALID, "%d inputs: takes %d", (int)n_in, scalar ? 1 : 2);
        return -1;
    }
    const int32_t y = scalar ? syn_ncnn_scalar(b, syn_ncnn_float(b, 2, 0)) : in[1];
    return row[kind].swap ? binary(b, row[kind].id, y, in[0]) : binary(b, row[kind].id, in[0], y);
}

/* Sum with coefficients, product or maximum of pictures of one size. */
static int32_t eltwise(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t kind = syn_ncnn_int(b, 0, 0, 0, 2);
    const double *coeff;
    const int32_t n_coeffs = syn_ncnn_list(b, 1, &coeff);
    struct syn_ncnn_meta meta = syn_ncnn_meta_of(b, in[0]);
    for (int32_t i = 1; i < n_in; i++) meta = broadcast(b, in[0], in[i]);
    if (kind == 1) {
        const struct syn_attr attr = syn_attr_of_floats("coeffs", n_coeffs, coeff);
        if (n_coeffs && (n_coeffs != n_in || n_coeffs > SYN_MAX_OPERANDS))
            syn_ncnn_fail(b, SYN_INVALID, "%d coefficients of %d inputs: one each, at most %d",
                          (int)n_coeffs, (int)n_in, SYN_MAX_OPERANDS);
        return syn_ncnn_node(b, SYN_OP_SCALED_SUM, in, n_in, &attr, n_coeffs ? 1 : 0, meta);
    }
    int32_t value = in[0];
    for (int32_t i = 1; i < n_in; i++)
        value = binary(b, kind == 0 ? SYN_OP_MUL : SYN_OP_MAX, value, in[i]);
    return value;
}

static int32_t unary(struct syn_ncnn_build *b, syn_op_id id, int32_t x, const struct syn_attr *attr,
                     int32_t n_attr)
{
    return syn_ncnn_node(b, id, &x, 1, attr, n_attr, syn_ncnn_meta_of(b, x));
}

static int32_t relu(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const double slope = syn_ncnn_float(b, 0, 0);
    const struct syn_attr attr = syn_attr_of_float("alpha", slope);
    (void)n_in;
    return slope == 0 ? unary(b, SYN_OP_RELU, in[0], NULL, 0)
                      : unary(b, SYN_OP_LEAKY_RELU, in[0], &attr, 1);
}

static int32_t sigmoid(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    (void)n_in;
    return unary(b, SYN_OP_SIGMOID, in[0], NULL, 0);
}

static int32_t clip(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const struct syn_attr attr[2] = {syn_attr_of_float("min", syn_ncnn_float(b, 0, -INFINITY)),
                                     syn_attr_of_float("max", syn_ncnn_float(b, 1, INFINITY))};
    (void)n_in;
    return unary(b, SYN_OP_CLIP, in[0], attr, 2);
}

static int32_t prelu(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t n = syn_ncnn_int(b, 0, 0, 1, MAX_CHANNELS);
    int32_t operand[2] = {in[0], -1};
    (void)n_in;
    if (n > 1) syn_ncnn_need_channels(b, in[0], n);
    operand[1] = syn_ncnn_constant(b, syn_ncnn_plain(b, n, "slopes"), 1, &n);
    return syn_ncnn_node(b, SYN_OP_PRELU, operand, 2, NULL, 0, syn_ncnn_meta_of(b, in[0]));
}

/* One factor per channel: a second input (key 0 = -233), or weights. */
static int32_t scale(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t n = syn_ncnn_int(b, 0, 0, -233, MAX_CHANNELS);
    const int64_t bias = syn_ncnn_int(b, 1, 0, 0, 1);
    const int64_t dim[4] = {1, n, 1, 1};
    int32_t value;
    if (n == -233 && n_in == 2 && !bias)
        return need_vector(b, in[1], "its second input") ? binary(b, SYN_OP_MUL, in[0], in[1]) : -1;
    if (n < 1 || n_in != 1) {
        syn_ncnn_fail(b, SYN_INVALID,
                      "key 0 = %" PRId64 " with %d inputs and bias %" PRId64
                      ": must be -233 with 2 inputs and no bias, or a number of channels with 1",
                      n, (int)n_in, bias);
        return -1;
    }
    syn_ncnn_need_channels(b, in[0], n);
    value =
        binary(b, SYN_OP_MUL, in[0], syn_ncnn_constant(b, syn_ncnn_plain(b, n, "factors"), 4, dim));
    if (bias)
        value = binary(b, SYN_OP_ADD, value,
                       syn_ncnn_constant(b, syn_ncnn_plain(b, n, "biases"), 4, dim));
    if (b->st == SYN_OK) b->meta[value] = b->meta[in[0]];
    return value;
}

static int32_t same(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    (void)b, (void)n_in;
    return in[0];
}

static int32_t dropout(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const double factor = syn_ncnn_float(b, 0, 1);
    (void)n_in;
    return factor == 1 ? in[0] : binary(b, SYN_OP_MUL, in[0], syn_ncnn_scalar(b, factor));
}

/* ---- pictures ------------------------------------------------------------------------------- */

/* Axis of a blob of three dimensions to NCHW: 0 channels, 1 rows, 2 columns; or from the end. */
static int64_t read_axis(struct syn_ncnn_build *b, int32_t key)
{
    const int64_t axis = syn_ncnn_int(b, key, 0, -3, 2);
    return axis < 0 ? axis + 4 : axis + 1;
}

static int32_t concat(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t axis = read_axis(b, 0);
    const struct syn_attr attr = syn_attr_of_int("axis", axis);
    struct syn_ncnn_meta meta = syn_ncnn_meta_of(b, in[0]);
    if (meta.vector && axis != 1) syn_ncnn_fail(b, SYN_INVALID, "vectors have axis 0 only");
    for (int32_t i = 1; i < n_in; i++) {
        const struct syn_ncnn_meta more = syn_ncnn_meta_of(b, in[i]);
        if (more.vector != meta.vector) syn_ncnn_fail(b, SYN_INVALID, "a vector among pictures");
        if (axis != 1) continue;
        meta.channels = meta.channels < 0 || more.channels < 0 ? -1 : meta.channels + more.channels;
    }
    return syn_ncnn_node(b, SYN_OP_CONCAT, in, n_in, &attr, 1, meta);
}

/* Where a scale does not give whole sizes, ncnn's bilinear and bicubic place samples by in/out,
 * ours by the scale itself (ops.h): they differ by less than a pixel at the far edge. */
static int32_t interp(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t kind = syn_ncnn_int(b, 0, 0, 1, 3);
    const double scale_h = syn_ncnn_float(b, 1, 1), scale_w = syn_ncnn_float(b, 2, 1);
    const int64_t out_h = syn_ncnn_int(b, 3, 0, 0, MAX_SIDE),
                  out_w = syn_ncnn_int(b, 4, 0, 0, MAX_SIDE);
    const int64_t corners = syn_ncnn_int(b, 6, 0, 0, 1);
    struct syn_attr attr[6];
    int32_t n = 0;
    (void)n_in;
    if (kind == 1 && corners) syn_ncnn_fail(b, SYN_UNSUPPORTED, "nearest with aligned corners");
    if (out_h && out_w) {
        attr[n++] = syn_attr_of_int("out_h", out_h);
        attr[n++] = syn_attr_of_int("out_w", out_w);
    } else {
        if (!(scale_h > 0 && scale_h <= 256 && scale_w > 0 && scale_w <= 256))
            syn_ncnn_fail(b, SYN_INVALID, "scales %g and %g: must be in (0, 256]", scale_h,
                          scale_w);
        attr[n++] = syn_attr_of_float("scale_h", scale_h);
        attr[n++] = syn_attr_of_float("scale_w", scale_w);
    }
    attr[n++] = syn_attr_of_int("mode", kind == 1   ? SYN_RESIZE_NEAREST
                                        : kind == 2 ? SYN_RESIZE_BILINEAR
                                                    : SYN_RESIZE_BICUBIC);
    attr[n++] = syn_attr_of_int("coord", kind == 1 ? SYN_COORD_ASYMMETRIC
                                         : corners ? SYN_COORD_ALIGN_CORNERS
                                                   : SYN_COORD_HALF_PIXEL);
    if (kind == 1) attr[n++] = syn_attr_of_int("round", SYN_ROUND_FLOOR);
    return syn_ncnn_node(b, SYN_OP_RESIZE, in, 1, attr, n,
                         (struct syn_ncnn_meta){syn_ncnn_meta_of(b, in[0]).channels, false});
}

static int32_t pixel_shuffle(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t r = syn_ncnn_int(b, 0, 1, 1, 64), mode = syn_ncnn_int(b, 1, 0, 0, 1);
    const struct syn_attr attr[2] = {syn_attr_of_int("r", r), syn_attr_of_int("mode", mode)};
    const int64_t channels = syn_ncnn_meta_of(b, in[0]).channels;
    (void)n_in;
    if (channels > 0 && channels % (r * r) != 0)
        syn_ncnn_fail(b, SYN_INVALID, "%" PRId64 " channels: must be a multiple of %" PRId64,
                      channels, r * r);
    return syn_ncnn_node(b, SYN_OP_PIXEL_SHUFFLE, in, 1, attr, 2,
                         (struct syn_ncnn_meta){channels > 0 ? channels / (r * r) : -1, false});
}

/* Keys 9, 10, 11: first and last position per axis, counted from the end where negative. */
static void crop_slices(struct syn_ncnn_build *b, int64_t first[2], int64_t size[2], int64_t cut[2])
{
    const double *start, *end, *axes;
    const int32_t n = syn_ncnn_list(b, 9, &start), n_end = syn_ncnn_list(b, 10, &end);
    const int32_t n_axes = syn_ncnn_list(b, 11, &axes);
    if (n != n_end || (n_axes && n_axes != n) || n > 3 || (!n_axes && n != 3)) {
        syn_ncnn_fail(b, SYN_INVALID, "%d starts, %d ends, %d axes: must be equal, at most 3",
                      (int)n, (int)n_end, (int)n_axes);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        const double axis = n_axes ? axes[i] : i, from = start[i] == -233 ? 0 : start[i];
        const double to = end[i] == -233 ? 0 : end[i]; /* 0: to the end */
        const int64_t side =
            (int64_t)axis + (axis < 0 ? 2 : -1); /* -1 channels, 0 rows, 1 columns */
        if (axis != floor(axis) || axis < -3 || axis > 2 || from != floor(from) ||
            to != floor(to)) {
            syn_ncnn_fail(b, SYN_INVALID,
                          "slice %d: axis %g from %g to %g: must be whole numbers, axis in [-3, 2]",
                          (int)i, axis, start[i], end[i]);
            return;
        }
        if (from < 0 || from > MAX_SIDE || to < -MAX_SIDE || (to > 0 && to <= from) ||
            (side < 0 && (from || to))) {
            syn_ncnn_fail(
                b, SYN_UNSUPPORTED,
                "slice %d: axis %g from %g to %g: must start at 0 to %d, end after that or "
                "from the far side, and keep all channels",
                (int)i, axis, start[i], end[i], MAX_SIDE);
            return;
        }
        if (side < 0) continue;
        first[side] = (int64_t)from;
        if (to > 0 && to <= MAX_SIDE) size[side] = (int64_t)(to - from);
        if (to < 0) cut[side] = (int64_t)-to;
    }
}

/* Keys 0 to 2: offset in columns, rows, channels; 3 to 5: size, -233 = the rest; 6 to 8: cut from
 *              the rest. */
static void crop_sizes(struct syn_ncnn_build *b, int64_t size[2], int64_t cut[2])
{
    const int64_t depth = syn_ncnn_int(b, 5, -233, -233, MAX_CHANNELS);
    size[1] = syn_ncnn_int(b, 3, 0, -233, MAX_SIDE);
    size[0] = syn_ncnn_int(b, 4, 0, -233, MAX_SIDE);
    cut[1] = syn_ncnn_int(b, 6, 0, 0, MAX_SIDE);
    cut[0] = syn_ncnn_int(b, 7, 0, 0, MAX_SIDE);
    if (depth != -233 || syn_ncnn_int(b, 8, 0, 0, MAX_SIDE))
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "it takes away channels");
    for (int i = 0; i < 2; i++) {
        if (size[i] == 0 || (size[i] < 0 && size[i] != -233))
            syn_ncnn_fail(b, SYN_INVALID,
                          "size %" PRId64 ": must be 1 or more, or -233 for the rest", size[i]);
        if (size[i] > 0) cut[i] = 0;
        else size[i] = -1;
    }
}

static int32_t crop(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    int64_t first[2], size[2] = {-1, -1}, cut[2] = {0, 0}; /* rows, columns */
    const int64_t skipped = syn_ncnn_int(b, 2, 0, 0, MAX_CHANNELS);
    struct syn_ncnn_meta meta = syn_ncnn_meta_of(b, in[0]);
    struct syn_attr attr[6];
    first[1] = syn_ncnn_int(b, 0, 0, 0, MAX_SIDE);
    first[0] = syn_ncnn_int(b, 1, 0, 0, MAX_SIDE);
    if (meta.vector || skipped) syn_ncnn_fail(b, SYN_UNSUPPORTED, "it takes away channels");
    if (n_in == 2) { /* the second input's size */
        const struct syn_ncnn_meta like = syn_ncnn_meta_of(b, in[1]);
        for (int32_t key = 3; key <= 11; key++)
            if (b->line->param[key].given)
                syn_ncnn_fail(b, SYN_INVALID, "key %d with 2 inputs", (int)key);
        if (!like.vector && like.channels > 0 && meta.channels > 0 &&
            like.channels != meta.channels)
            syn_ncnn_fail(b, SYN_UNSUPPORTED, "it cuts %" PRId64 " channels to %" PRId64,
                          meta.channels, like.channels);
        if (like.vector) syn_ncnn_fail(b, SYN_UNSUPPORTED, "its second input is a vector");
    } else if (b->line->param[9].given) crop_slices(b, first, size, cut);
    else crop_sizes(b, size, cut);
    attr[0] = syn_attr_of_int("top", first[0]);
    attr[1] = syn_attr_of_int("left", first[1]);
    attr[2] = syn_attr_of_int("height", size[0]);
    attr[3] = syn_attr_of_int("width", size[1]);
    attr[4] = syn_attr_of_int("bottom", cut[0]);
    attr[5] = syn_attr_of_int("right", cut[1]);
    return syn_ncnn_node(b, SYN_OP_CROP, in, n_in, attr, 6, meta);
}

static int32_t padding(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t top = syn_ncnn_int(b, 0, 0, 0, MAX_PAD),
                  bottom = syn_ncnn_int(b, 1, 0, 0, MAX_PAD);
    const int64_t left = syn_ncnn_int(b, 2, 0, 0, MAX_PAD),
                  right = syn_ncnn_int(b, 3, 0, 0, MAX_PAD);
    const int64_t kind = syn_ncnn_int(b, 4, 0, 0, 2), pads[4] = {top, left, bottom, right};
    const enum syn_pad_mode mode = kind == 0   ? SYN_PAD_CONSTANT
                                   : kind == 1 ? SYN_PAD_REPLICATE
                                               : SYN_PAD_REFLECT;
    const struct syn_attr attr[3] = {syn_attr_of_ints("pads", 4, pads),
                                     syn_attr_of_int("mode", mode),
                                     syn_attr_of_float("value", syn_ncnn_float(b, 5, 0))};
    const struct syn_ncnn_meta meta = syn_ncnn_meta_of(b, in[0]);
    (void)n_in;
    if (meta.vector) syn_ncnn_fail(b, SYN_UNSUPPORTED, "its input is a vector");
    return syn_ncnn_node(b, SYN_OP_PAD, in, 1, attr, 3, meta);
}

/* Windows: key 5 = 0 rounds the output size up, 1 down, 2 and 3 pad to the same size. */
static int32_t pool_windows(struct syn_ncnn_build *b, const int32_t *in, bool average)
{
    const int64_t mode = syn_ncnn_int(b, 5, 0, 0, 3), whole = syn_ncnn_int(b, 6, 0, 0, 1);
    struct window w = {.dilation = {1, 1}};
    struct syn_attr attr[SYN_MAX_ATTRS];
    int32_t n = 0;
    w.kernel[1] = syn_ncnn_int(b, 1, 0, 1, MAX_KERNEL);
    w.kernel[0] = syn_ncnn_int(b, 11, w.kernel[1], 1, MAX_KERNEL);
    w.stride[1] = syn_ncnn_int(b, 2, 1, 1, MAX_STEP);
    w.stride[0] = syn_ncnn_int(b, 12, w.stride[1], 1, MAX_STEP);
    read_pads(b, 3, 14, 13, 15, &w);
    for (int i = 0; i < 2; i++) {
        if (mode == 0 && (w.stride[i] > w.kernel[i] || (average && whole && w.stride[i] > 1)))
            syn_ncnn_fail(b, SYN_UNSUPPORTED,
                          "rounds its size up with stride %" PRId64 " and kernel %" PRId64
                          ": windows may lie outside the picture",
                          w.stride[i], w.kernel[i]);
        if (mode < 2) continue;
        if (w.stride[i] != 1)
            syn_ncnn_fail(b, SYN_UNSUPPORTED,
                          "same size with stride %" PRId64 ": the stride must be 1", w.stride[i]);
        w.pads[i] = mode == 2 ? (w.kernel[i] - 1) / 2 : w.kernel[i] / 2;
        w.pads[i + 2] = w.kernel[i] - 1 - w.pads[i];
    }
    attr[n++] = syn_attr_of_ints("kernel", 2, w.kernel);
    window_attrs(&w, false, attr, &n);
    attr[n++] = syn_attr_of_int("ceil_mode", mode == 0);
    if (average) attr[n++] = syn_attr_of_int("count_include_pad", whole);
    return syn_ncnn_node(b, average ? SYN_OP_AVERAGE_POOL : SYN_OP_MAX_POOL, in, 1, attr, n,
                         syn_ncnn_meta_of(b, in[0]));
}

static int32_t pooling(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const bool average = syn_ncnn_int(b, 0, 0, 0, 1) == 1;
    const int64_t whole = syn_ncnn_int(b, 4, 0, 0, 1), adaptive = syn_ncnn_int(b, 7, 0, 0, 1);
    const int64_t out_w = syn_ncnn_int(b, 8, 0, -233, MAX_SIDE),
                  out_h = syn_ncnn_int(b, 18, out_w, -233, MAX_SIDE);
    (void)n_in;
    if (syn_ncnn_meta_of(b, in[0]).vector)
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "its input is a vector");
    if (!whole && adaptive && (out_w != 1 || out_h != 1))
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "adaptive to %" PRId64 "x%" PRId64 ": must be 1x1", out_w,
                      out_h);
    if (!whole && !adaptive) return pool_windows(b, in, average);
    if (!average) syn_ncnn_fail(b, SYN_UNSUPPORTED, "global maximum: only the average");
    return syn_ncnn_node(b, SYN_OP_GLOBAL_AVERAGE_POOL, in, 1, NULL, 0,
                         (struct syn_ncnn_meta){syn_ncnn_meta_of(b, in[0]).channels, true});
}

/* Keys 0, 1, 2: width, height, channels as hints. A picture has all three; without any it is one
 * too. */
static int32_t input(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in)
{
    const int64_t w = syn_ncnn_int(b, 0, 0, 0, MAX_SIDE), h = syn_ncnn_int(b, 1, 0, 0, MAX_SIDE);
    const int64_t c = syn_ncnn_int(b, 2, 0, 0, MAX_CHANNELS);
    (void)in, (void)n_in;
    if (c == 0 && (w || h)) syn_ncnn_fail(b, SYN_UNSUPPORTED, "it has fewer than three dimensions");
    return syn_ncnn_input(b, b->line->out[0], c ? c : -1);
}

/* ---- table ---------------------------------------------------------------------------------- */

#define K(n) (UINT32_C(1) << (n))
#define CONV_KEYS \
    (K(0) | K(1) | K(2) | K(3) | K(4) | K(5) | K(6) | K(9) | K(10) | K(11) | K(12) | K(13) | \
     K(14) | K(15) | K(16))

const struct syn_ncnn_layer *syn_ncnn_layer_find(const char *type, size_t type_n)
{
    static const struct syn_ncnn_layer table[] = {
        {"Input", 0, 0, K(0) | K(1) | K(2), input},
        {"Split", 1, 1, 0, same},
        {"Noop", 1, 1, 0, same},
        {"Dropout", 1, 1, K(0), dropout},
        {"Convolution", 1, 1, CONV_KEYS, convolution},
        {"ConvolutionDepthWise", 1, 1, CONV_KEYS | K(7), convolution},
        {"Deconvolution", 1, 1, CONV_KEYS | K(18) | K(19), deconvolution},
        {"DeconvolutionDepthWise", 1, 1, CONV_KEYS | K(7) | K(18) | K(19), deconvolution},
        {"InnerProduct", 1, 1, K(0) | K(1) | K(2) | K(9) | K(10), inner_product},
        {"Flatten", 1, 1, 0, flatten},
        {"Reshape", 1, 1, K(0), reshape},
        {"BinaryOp", 1, 2, K(0) | K(1) | K(2), binary_op},
        {"Eltwise", 2, SYN_NCNN_OPERANDS, K(0) | K(1), eltwise},
        {"ReLU", 1, 1, K(0), relu},
        {"PReLU", 1, 1, K(0), prelu},
        {"Sigmoid", 1, 1, 0, sigmoid},
        {"Clip", 1, 1, K(0) | K(1), clip},
        {"Scale", 1, 2, K(0) | K(1), scale},
        {"Concat", 1, SYN_NCNN_OPERANDS, K(0), concat},
        {"Interp", 1, 1, K(0) | K(1) | K(2) | K(3) | K(4) | K(6), interp},
        {"PixelShuffle", 1, 1, K(0) | K(1), pixel_shuffle},
        {"Crop", 1, 2,
         K(0) | K(1) | K(2) | K(3) | K(4) | K(5) | K(6) | K(7) | K(8) | K(9) | K(10) | K(11), crop},
        {"Padding", 1, 1, K(0) | K(1) | K(2) | K(3) | K(4) | K(5), padding},
        {"Pooling", 1, 1,
         K(0) | K(1) | K(2) | K(3) | K(4) | K(5) | K(6) | K(7) | K(8) | K(11) | K(12) | K(13) |
             K(14) | K(15) | K(18),
         pooling},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strlen(table[i].type) == type_n && !memcmp(table[i].type, type, type_n))
            return &table[i];
    return NULL;
}
