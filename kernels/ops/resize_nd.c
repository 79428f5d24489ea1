/* resize_nd.c - ONNX's resampling over any number of axes: RESIZE_ND, UPSAMPLE.
 *
 * Source:  ONNX Resize-10, 11, 13, 18, 19; Upsample-7, 9.
 * Operands: Resize: x, roi?, scales?, sizes? (opset 10: x, scales). Upsample: x, scales (opset 7: attribute).
 * Attributes: mode nearest, linear (bilinear, trilinear) or cubic (bicubic); coordinate_transformation_mode;
 *          nearest_mode; cubic_coeff_a; exclude_outside; extrapolation_value; antialias; axes;
 *          keep_aspect_ratio_policy.
 * Maths:   each axis by itself, place s of output pixel o, scale = out/in:
 *            half_pixel              (o + 1/2)/scale - 1/2
 *            pytorch_half_pixel      the same, 0 when the output is 1 long
 *            half_pixel_symmetric    in/2*(1 - out/(in*scale)) + (o + 1/2)/scale - 1/2
 *            tf_half_pixel_for_nn    (o + 1/2)/scale
 *            asymmetric              o/scale (opset 10, Upsample)
 *            align_corners           o*(in - 1)/(in*scale - 1)
 *            tf_crop_and_resize      start*(in - 1) + o*(end - start)*(in - 1)/(in*scale - 1), the middle when
 *                                    in*scale = 1; beyond the input: extrapolation_value
 *          Nearest takes one pixel (opset 10: the floor, the ceiling when shrinking; Upsample: the floor); linear two;
 *          cubic four, by Keys' kernel. antialias: kernels stretched by 1/scale when shrinking, weights summing to
 *          1. Pixels outside are those at the edge, or with exclude_outside have no weight.
 * Sizes:   from scales floor(in*scale); roi has no say in it, as in onnxruntime and ONNX's own shape inference.
 *          keep_aspect_ratio_policy not_larger and not_smaller: one scale for all axes, sizes rounded half up.
 * Ratios:  exact by place.h where scales are ratios: from sizes always, from scales where they lie within one float32
 *          step of k/in. align_corners otherwise divides by in*scale - 1, as ONNX's vectors do.
 * Integers: interpolated values are truncated to the type and saturated.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: taps and doubles of the picture while it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/place.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TYPES_LERP (SYN_TYPES_NUMBER)
#define MOST_SCALE ((double)SYN_MAX_ELEMENTS)

enum coord {
    HALF_PIXEL,
    PYTORCH_HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    TF_HALF_PIXEL_FOR_NN,
    ASYMMETRIC,
    ALIGN_CORNERS,
    TF_CROP_AND_RESIZE
};
enum policy { STRETCH, NOT_LARGER, NOT_SMALLER };

struct axis {
    int64_t in, out;
    int64_t num, den;  /* scale = num/den exactly; num = 0: only `scale` is known */
    double scale;
    double start, end; /* roi, in lengths */
};

struct resize_nd {
    enum syn_resize_mode mode;
    enum coord coord;
    enum syn_resize_round round;
    bool ceil_when_shrinking; /* opset 10's nearest */
    bool antialias, exclude_outside;
    double cubic_a, outside;
    int32_t rank;
    struct axis axis[SYN_MAX_RANK];
};

/* --- parameters ----------------------------------------------------------------------------- */

struct word {
    const char *word;
    int value;
};

static syn_status choose(const struct syn_op_call *c, const char *attr, const struct word *words, int *out,
                         struct syn_err *err)
{
    const char *given = syn_attr_text(c->op, c->attr, attr);
    for (; words->word; words++)
        if (given && !strcmp(given, words->word)) {
            *out = words->value;
            return SYN_OK;
        }
    return syn_fail(err, SYN_UNSUPPORTED, "%s: %s = '%.60s': no such mode", c->op->name, attr, given ? given : "");
}

static syn_status parse_words(const struct syn_op_call *c, struct resize_nd *r, int *policy, struct syn_err *err)
{
    static const struct word modes[] = {{"nearest", SYN_RESIZE_NEAREST}, {"linear", SYN_RESIZE_BILINEAR},
                                        {"bilinear", SYN_RESIZE_BILINEAR}, {"trilinear", SYN_RESIZE_BILINEAR},
                                        {"cubic", SYN_RESIZE_BICUBIC}, {"bicubic", SYN_RESIZE_BICUBIC}, {NULL, 0}};
    static const struct word coords[] = {{"half_pixel", HALF_PIXEL},
                                         {"pytorch_half_pixel", PYTORCH_HALF_PIXEL},
                                         {"half_pixel_symmetric", HALF_PIXEL_SYMMETRIC},
                                         {"tf_half_pixel_for_nn", TF_HALF_PIXEL_FOR_NN},
                                         {"asymmetric", ASYMMETRIC},
                                         {"align_corners", ALIGN_CORNERS},
                                         {"tf_crop_and_resize", TF_CROP_AND_RESIZE},
                                         {NULL, 0}};
    static const struct word rounds[] = {{"round_prefer_floor", SYN_ROUND_PREFER_FLOOR},
                                         {"round_prefer_ceil", SYN_ROUND_PREFER_CEIL},
                                         {"floor", SYN_ROUND_FLOOR}, {"ceil", SYN_ROUND_CEIL}, {NULL, 0}};
    static const struct word policies[] = {{"stretch", STRETCH}, {"not_larger", NOT_LARGER},
                                           {"not_smaller", NOT_SMALLER}, {NULL, 0}};
    const bool upsample = c->op == &syn_op_upsample;
    int mode = 0, coord = ASYMMETRIC, round = SYN_ROUND_FLOOR;
    syn_status st = choose(c, "mode", modes, &mode, err);
    *policy = STRETCH;
    if (st == SYN_OK && !upsample && c->opset != 10) {
        st = choose(c, "coordinate_transformation_mode", coords, &coord, err);
        if (st == SYN_OK) st = choose(c, "nearest_mode", rounds, &round, err);
        if (st == SYN_OK) st = choose(c, "keep_aspect_ratio_policy", policies, policy, err);
    }
    if (st != SYN_OK) return st;
    r->mode = (enum syn_resize_mode)mode;
    r->coord = (enum coord)coord;
    r->round = (enum syn_resize_round)round;
    r->ceil_when_shrinking = !upsample && c->opset == 10;
    r->antialias = !upsample && syn_attr_int(c->op, c->attr, "antialias") != 0;
    r->exclude_outside = !upsample && syn_attr_int(c->op, c->attr, "exclude_outside") != 0;
    r->cubic_a = upsample ? -0.75 : syn_attr_float(c->op, c->attr, "cubic_coeff_a");
    r->outside = upsample ? 0 : syn_attr_float(c->op, c->attr, "extrapolation_value");
    return SYN_OK;
}

/* The axes that scales, sizes and roi speak of. */
static syn_status parse_axes(const struct syn_op_call *c, int32_t rank, int32_t axes[SYN_MAX_RANK], int32_t *n,
                             struct syn_err *err)
{
    const struct syn_attr *list = syn_attr_list(c->op, c->attr, "axes");
    bool seen[SYN_MAX_RANK] = {false};
    *n = list->n ? list->n : rank;
    if (*n > rank)
        return syn_fail(err, SYN_INVALID, "%s: axes has %d entries: at most %d", c->op->name, (int)*n, (int)rank);
    for (int32_t i = 0; i < *n; i++) {
        const syn_status st = syn_ops_axis(c, "axes", list->n ? list->v.i[i] : i, rank, &axes[i], err);
        if (st != SYN_OK) return st;
        if (seen[axes[i]])
            return syn_fail(err, SYN_INVALID, "%s: axes names %d twice", c->op->name, (int)axes[i]);
        seen[axes[i]] = true;
    }
    return SYN_OK;
}

/* Operand i is a list that is there and not empty. */
static bool has_list(const struct syn_op_call *c, int32_t i)
{
    return i >= 0 && syn_ops_given(c, i) && syn_ops_elements(&c->in[i].shape) > 0;
}

static syn_status check_count(const struct syn_op_call *c, const char *what, int64_t got, int64_t want,
                              struct syn_err *err)
{
    if (got == want) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " entries: must have %" PRId64, c->op->name, what, got,
                    want);
}

static syn_status take_scale(const struct syn_op_call *c, struct axis *ax, double scale, struct syn_err *err)
{
    const int64_t exact = scale > 0 && scale <= MOST_SCALE && ax->in > 0 ? syn_exact_length(ax->in, scale) : 0;
    const double length = exact ? (double)exact : floor((double)ax->in * scale);
    if (!(scale > 0 && scale <= MOST_SCALE && length <= MOST_SCALE))
        return syn_fail(err, SYN_INVALID, "%s: scale %g of a length %" PRId64 ": must be over 0 and make at most %.0f",
                        c->op->name, scale, ax->in, MOST_SCALE);
    ax->scale = scale;
    ax->out = (int64_t)length;
    ax->num = exact, ax->den = ax->in;
    return SYN_OK;
}

static syn_status take_sizes(const struct syn_op_call *c, struct resize_nd *r, const int64_t *size, const int32_t *axes,
                             int32_t n, int policy, struct syn_err *err)
{
    int64_t num = 0, den = 1; /* of the one scale that keeps the aspect */
    for (int32_t i = 0; i < n; i++) {
        struct axis *ax = &r->axis[axes[i]];
        if (size[i] < 0 || size[i] > SYN_MAX_ELEMENTS || (ax->in == 0 && size[i] > 0))
            return syn_fail(err, SYN_INVALID, "%s: sizes[%d] = %" PRId64 " of a length %" PRId64 ": must be in [0, %" PRId64 "]",
                            c->op->name, (int)i, size[i], ax->in, ax->in ? SYN_MAX_ELEMENTS : 0);
        ax->out = size[i], ax->num = size[i], ax->den = ax->in ? ax->in : 1;
        const __int128 a = (__int128)ax->num * den, b = (__int128)num * ax->den;
        if (i == 0 || (policy == NOT_LARGER ? a < b : a > b)) num = ax->num, den = ax->den;
    }
    for (int32_t i = 0; policy != STRETCH && i < n; i++) {
        struct axis *ax = &r->axis[axes[i]];
        const __int128 out = (2 * (__int128)num * ax->in + den) / (2 * (__int128)den);
        if (out > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_TOO_LARGE, "%s: sizes make axis %d over %" PRId64, c->op->name, (int)axes[i],
                            SYN_MAX_ELEMENTS);
        ax->out = (int64_t)out, ax->num = num, ax->den = den;
    }
    for (int32_t i = 0; i < n; i++) r->axis[axes[i]].scale = (double)r->axis[axes[i]].num / (double)r->axis[axes[i]].den;
    return SYN_OK;
}

static syn_status take_roi(const struct syn_op_call *c, struct resize_nd *r, const int32_t *axes, int32_t n,
                           struct syn_err *err)
{
    syn_status st = SYN_OK;
    if (r->coord != TF_CROP_AND_RESIZE) return SYN_OK;
    if (!has_list(c, 1)) return syn_fail(err, SYN_INVALID, "%s: operand roi is missing", c->op->name);
    st = syn_ops_ranked(c, 1, "roi", SYN_TYPES_FLOAT, 1, 1, err);
    if (st == SYN_OK) st = check_count(c, "roi", c->in[1].shape.dim[0], 2 * n, err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        r->axis[axes[i]].start = syn_get(&c->in[1], i), r->axis[axes[i]].end = syn_get(&c->in[1], n + i);
    return st;
}

static syn_status parse(const struct syn_op_call *c, struct resize_nd *r, struct syn_err *err)
{
    const bool upsample = c->op == &syn_op_upsample, old = upsample || c->opset == 10;
    const int32_t at_scales = old ? 1 : 2, at_sizes = old ? -1 : 3;
    const struct syn_attr *scales = syn_attr_list(c->op, c->attr, "scales");
    int32_t axes[SYN_MAX_RANK], n = 0, n_sizes;
    int64_t sizes[SYN_MAX_RANK];
    int policy;
    bool given;
    syn_status st = parse_words(c, r, &policy, err);
    if (st == SYN_OK) st = parse_axes(c, c->in[0].shape.rank, axes, &n, err);
    if (st != SYN_OK) return st;
    r->rank = c->in[0].shape.rank;
    for (int32_t d = 0; d < r->rank; d++) {
        const int64_t in = c->in[0].shape.dim[d];
        if (in > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_TOO_LARGE, "%s: x has dimension %d = %" PRId64 ": at most %" PRId64, c->op->name,
                            (int)d, in, SYN_MAX_ELEMENTS);
        r->axis[d] = (struct axis){.in = in, .out = in, .num = in ? in : 1, .den = in ? in : 1, .scale = 1, .end = 1};
    }
    if (has_list(c, at_sizes)) {
        st = syn_ops_ints(c, at_sizes, NULL, sizes, SYN_MAX_RANK, &n_sizes, &given, err);
        if (st == SYN_OK) st = check_count(c, "sizes", n_sizes, n, err);
        if (st == SYN_OK) st = take_sizes(c, r, sizes, axes, n, policy, err);
    } else if (has_list(c, at_scales)) {
        st = syn_ops_ranked(c, at_scales, "scales", SYN_TYPES_FLOAT, 1, 1, err);
        if (st == SYN_OK) st = check_count(c, "scales", c->in[at_scales].shape.dim[0], n, err);
        for (int32_t i = 0; st == SYN_OK && i < n; i++)
            st = take_scale(c, &r->axis[axes[i]], syn_get(&c->in[at_scales], i), err);
    } else if (upsample && scales->n) {
        st = check_count(c, "attribute scales", scales->n, n, err);
        for (int32_t i = 0; st == SYN_OK && i < n; i++) st = take_scale(c, &r->axis[axes[i]], scales->v.f[i], err);
    } else if (r->rank) {
        return syn_fail(err, SYN_INVALID, "%s: neither scales nor sizes are given", c->op->name);
    }
    return st == SYN_OK ? take_roi(c, r, axes, n, err) : st;
}

static syn_status resize_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct resize_nd r = {0};
    struct syn_shape y;
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = parse(c, &r, err);
    if (st != SYN_OK) return st;
    if (r.mode != SYN_RESIZE_NEAREST && !(TYPES_LERP >> c->in[0].dtype & 1))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: x holds %s: only mode nearest takes it", c->op->name,
                        syn_dtype_word(c->in[0].dtype));
    y = c->in[0].shape;
    for (int32_t d = 0; d < r.rank; d++) y.dim[d] = r.axis[d].out;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* --- taps ----------------------------------------------------------------------------------- */

/* What the outputs of one axis read: `width` places each, clamped to the axis. */
struct taps {
    int64_t width;
    int64_t *at;     /* [out][width] */
    double *weight;
    bool *beyond;    /* [out]: extrapolated */
    bool identity;   /* output o reads pixel o alone */
};

static struct syn_place place_of(const struct resize_nd *r, const struct axis *ax, int64_t o, bool *beyond)
{
    const __int128 in = ax->in, num = ax->num, den = ax->den;
    const double width = (double)ax->in * ax->scale;
    *beyond = false;
    switch (r->coord) {
    case TF_CROP_AND_RESIZE: {
        const double most = (double)(ax->in - 1), span = ax->num ? (double)(num * in - den) / (double)den : width - 1;
        const double s = ax->start * most + (span == 0 ? (ax->end - ax->start) * most / 2
                                                       : (double)o * (ax->end - ax->start) * most / span);
        *beyond = !(s >= 0 && s <= most); /* a NaN too */
        return *beyond ? syn_place_of_ratio(0, 1) : syn_place_of_double(s);
    }
    case ALIGN_CORNERS:
        if (ax->num) {
            const __int128 span = num * in - den;
            return span > 0 ? syn_place_of_ratio(o * (in - 1) * den, span) : syn_place_of_ratio(0, 1);
        }
        return width > 1 ? syn_place_of_double((double)o * (double)(ax->in - 1) / (width - 1))
                         : syn_place_of_ratio(0, 1);
    case ASYMMETRIC:
        return ax->num ? syn_place_of_ratio(o * den, num) : syn_place_of_double((double)o / ax->scale);
    case TF_HALF_PIXEL_FOR_NN:
        return ax->num ? syn_place_of_ratio((2 * (__int128)o + 1) * den, 2 * num)
                       : syn_place_of_double(((double)o + 0.5) / ax->scale);
    case PYTORCH_HALF_PIXEL:
        if (ax->out == 1) return syn_place_of_ratio(0, 1);
        break;
    case HALF_PIXEL_SYMMETRIC:
        if (!ax->num || num * in != ax->out * den) {
            const double shift = (double)ax->in / 2 * (1 - (double)ax->out / width);
            return syn_place_of_double(shift + ((double)o + 0.5) / ax->scale - 0.5);
        }
        break;
    case HALF_PIXEL: break;
    }
    if (!ax->num) return syn_place_of_double(((double)o + 0.5) / ax->scale - 0.5);
    return syn_place_of_ratio((2 * (__int128)o + 1) * den - num, 2 * num);
}

static double kernel(const struct resize_nd *r, double distance)
{
    const double d = fabs(distance);
    if (r->mode == SYN_RESIZE_BILINEAR) return d < 1 ? 1 - d : 0;
    return d <= 1 ? syn_keys_near(r->cubic_a, d) : d < 2 ? syn_keys_far(r->cubic_a, d) : 0;
}

/* Pixels that the kernel reaches on either side of a place. */
static int64_t reach(const struct resize_nd *r, const struct axis *ax, double *squeeze)
{
    const double radius = r->mode == SYN_RESIZE_BILINEAR ? 1 : 2;
    *squeeze = r->antialias && ax->scale < 1 ? ax->scale : 1;
    return (int64_t)ceil(radius / *squeeze);
}

static void fill_taps(const struct resize_nd *r, const struct axis *ax, struct taps *t)
{
    enum syn_resize_round round = r->round;
    double squeeze = 1;
    const int64_t side = r->mode == SYN_RESIZE_NEAREST ? 0 : reach(r, ax, &squeeze);
    if (r->ceil_when_shrinking && ax->scale < 1) round = SYN_ROUND_CEIL;
    t->identity = ax->in == ax->out;
    for (int64_t o = 0; o < ax->out; o++) {
        const struct syn_place p = place_of(r, ax, o, &t->beyond[o]);
        int64_t *at = t->at + o * t->width, first = p.whole - side + 1;
        double *w = t->weight + o * t->width, sum = 0;
        if (r->mode == SYN_RESIZE_NEAREST) first = syn_place_round(&p, round);
        for (int64_t i = 0; i < t->width; i++) {
            const int64_t k = first + i;
            const bool out = k < 0 || k >= ax->in;
            w[i] = r->mode == SYN_RESIZE_NEAREST ? 1 : kernel(r, ((double)(k - p.whole) - p.fraction) * squeeze);
            if (out && r->exclude_outside && r->mode != SYN_RESIZE_NEAREST) w[i] = 0;
            at[i] = k < 0 ? 0 : k >= ax->in ? ax->in - 1 : k;
            sum += w[i];
            if (t->beyond[o] || (w[i] != 0 && at[i] != o)) t->identity = false;
        }
        for (int64_t i = 0; (r->antialias || r->exclude_outside) && sum != 0 && i < t->width; i++) w[i] /= sum;
    }
}

static void taps_free(struct taps *t)
{
    for (int32_t d = 0; d < SYN_MAX_RANK; d++) syn_free(t[d].at), syn_free(t[d].weight), syn_free(t[d].beyond);
}

static syn_status taps_new(const struct syn_op_call *c, const struct resize_nd *r, struct taps t[SYN_MAX_RANK],
                           struct syn_err *err)
{
    for (int32_t d = 0; d < r->rank; d++) {
        const struct axis *ax = &r->axis[d];
        double squeeze;
        size_t n = 0;
        t[d].width = r->mode == SYN_RESIZE_NEAREST ? 1 : 2 * reach(r, ax, &squeeze);
        if (!syn_mul((size_t)ax->out, (size_t)t[d].width, &n) || !(t[d].at = syn_calloc(n, sizeof(int64_t))) ||
            !(t[d].weight = syn_calloc(n, sizeof(double))) ||
            !(t[d].beyond = syn_calloc((size_t)ax->out, sizeof(bool))))
            return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " x %" PRId64 " taps", c->op->name,
                            ax->out, t[d].width);
        fill_taps(r, ax, &t[d]);
    }
    return SYN_OK;
}

/* --- resampling ----------------------------------------------------------------------------- */

static bool is_beyond(const struct resize_nd *r, const struct taps *t, const int64_t *at)
{
    for (int32_t d = 0; d < r->rank; d++)
        if (t[d].beyond[at[d]]) return true;
    return false;
}

static void nearest(const struct syn_op_call *c, const struct resize_nd *r, const struct taps *t)
{
    const struct syn_shape *y = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    const int64_t n = syn_ops_elements(y);
    int64_t at[SYN_MAX_RANK] = {0}, stride[SYN_MAX_RANK];
    syn_ops_strides(&c->in[0].shape, stride);
    for (int64_t i = 0; i < n; i++) {
        int64_t from = 0;
        for (int32_t d = 0; d < r->rank; d++) from += t[d].at[at[d]] * stride[d];
        if (is_beyond(r, t, at)) syn_put(&c->out[0], i, r->outside);
        else memcpy((char *)c->out[0].data + (size_t)i * bytes, (const char *)c->in[0].data + (size_t)from * bytes, bytes);
        syn_ops_next(y, at);
    }
}

/* One axis of x, whose shape is *s, by the taps; *s becomes the result's. */
static double *along(const double *x, struct syn_shape *s, int32_t d, const struct axis *ax, const struct taps *t)
{
    int64_t before = 1, after = 1;
    for (int32_t k = 0; k < d; k++) before *= s->dim[k];
    for (int32_t k = d + 1; k < s->rank; k++) after *= s->dim[k];
    s->dim[d] = ax->out;
    double *y = syn_calloc((size_t)syn_ops_elements(s), sizeof *y), *to = y;
    if (!y) return NULL;
    for (int64_t b = 0; b < before; b++, x += ax->in * after)
        for (int64_t o = 0; o < ax->out; o++, to += after)
            for (int64_t k = 0; k < t->width; k++) {
                const double w = t->weight[o * t->width + k], *row = x + t->at[o * t->width + k] * after;
                if (w == 0) continue; /* so that an infinity beside it does no harm */
                for (int64_t i = 0; i < after; i++) to[i] += w * row[i];
            }
    return y;
}

static double saturate(syn_dtype t, double v)
{
    const char kind = syn_dtype_kind(t);
    const int bits = (int)syn_dtype_bytes(t) * 8;
    if (kind == 'F') return v;
    const double lo = kind == 'I' ? -ldexp(1, bits - 1) : 0, hi = ldexp(1, kind == 'I' ? bits - 1 : bits) - 1;
    return v < lo ? lo : v > hi ? hi : v;
}

static syn_status interpolate(const struct syn_op_call *c, const struct resize_nd *r, const struct taps *t,
                              struct syn_err *err)
{
    struct syn_shape s = c->in[0].shape;
    const int64_t n_in = syn_ops_elements(&s), n = syn_ops_elements(&c->out[0].shape);
    int64_t at[SYN_MAX_RANK] = {0};
    double *x = syn_calloc((size_t)n_in, sizeof *x);
    for (int64_t i = 0; x && i < n_in; i++) x[i] = syn_get(&c->in[0], i);
    for (int32_t d = 0; x && d < r->rank; d++) {
        if (t[d].identity) continue;
        double *y = along(x, &s, d, &r->axis[d], &t[d]);
        syn_free(x);
        x = y;
    }
    if (!x) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t i = 0; i < n; i++) {
        const double v = is_beyond(r, t, at) ? r->outside : x[i];
        syn_put(&c->out[0], i, saturate(c->out[0].dtype, v));
        syn_ops_next(&c->out[0].shape, at);
    }
    syn_free(x);
    return SYN_OK;
}

static syn_status resize_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct resize_nd r = {0};
    struct taps t[SYN_MAX_RANK] = {{0}};
    syn_status st = parse(c, &r, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    st = taps_new(c, &r, t, err);
    if (st == SYN_OK && r.mode == SYN_RESIZE_NEAREST) nearest(c, &r, t);
    else if (st == SYN_OK) st = interpolate(c, &r, t, err);
    taps_free(t);
    return st;
}

static const struct syn_attr_spec resize_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "nearest"},
    {"coordinate_transformation_mode", SYN_ATTR_STRING, 0, 0, 0, "half_pixel"},
    {"nearest_mode", SYN_ATTR_STRING, 0, 0, 0, "round_prefer_floor"},
    {"keep_aspect_ratio_policy", SYN_ATTR_STRING, 0, 0, 0, "stretch"},
    {"axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK},
    {"antialias", SYN_ATTR_INT, 0, 0, 1},
    {"exclude_outside", SYN_ATTR_INT, 0, 0, 1},
    {"cubic_coeff_a", SYN_ATTR_FLOAT, -0.75, -1e6, 1e6},
    {"extrapolation_value", SYN_ATTR_FLOAT, 0, -3.5e38, 3.5e38},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec upsample_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "nearest"},
    {"scales", SYN_ATTR_FLOATS, 0, 0, MOST_SCALE},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_resize_nd = {
    .name = "Resize", .min_in = 1, .max_in = 4, .n_out = 1, .reads = 1 << 1 | 1 << 2 | 1 << 3,
    .attrs = resize_attrs, .shape = resize_shape, .reference = resize_reference,
};
const struct syn_op syn_op_upsample = {
    .name = "Upsample", .min_in = 1, .max_in = 2, .n_out = 1, .reads = 1 << 1,
    .attrs = upsample_attrs, .shape = resize_shape, .reference = resize_reference,
};
