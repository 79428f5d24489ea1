/* grid.c - sampling at given places: GRID_SAMPLE, AFFINE_GRID.
 *
 * Source:  ONNX GridSample-16, 20, 22; AffineGrid-20.
 * Operands: GridSample: x [n,c,d1..dr], grid [n,o1..or,r]. AffineGrid: theta [n,r,r+1], size
 *          [n,c,d1..dr] (r = 2, 3).
 * Attributes: mode linear (bilinear), nearest or cubic (bicubic); padding_mode zeros, border or
 *          reflection; align_corners.
 * Maths:   coordinate g in [-1, 1] of an axis d long, the last axis first, lies at (g + 1)/2*(d -
 *          1) with align_corners, else at ((g + 1)*d - 1)/2. Nearest rounds ties to even; cubic is
 *          Keys' kernel with a = -0.75. A place outside [0, d - 1] or [-1/2, d - 1/2] is first
 *          moved to the nearest pixel (border, but for cubic, as PyTorch and onnxruntime have it)
 *          or mirrored at these ends (reflection); pixels outside then read as zero, the nearest,
 *          or mirrored. A coordinate that is NaN gives NaN (integers: 0).
 *          AffineGrid: theta times (places of the output's pixels in [-1, 1], last axis first, 1);
 *          the only pixel of an axis lies at 0 with align_corners.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/place.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum padding { ZEROS, BORDER, REFLECTION };

struct sampler {
    enum syn_resize_mode mode;
    enum padding padding;
    bool align;
    int32_t rank; /* spatial */
    int64_t dim[SYN_MAX_SPATIAL], stride[SYN_MAX_SPATIAL];
};

static syn_status sampler_parse(const struct syn_op_call *c, struct sampler *s, struct syn_err *err)
{
    const char *mode = syn_attr_text(c->op, c->attr, "mode"),
               *pad = syn_attr_text(c->op, c->attr, "padding_mode");
    const struct syn_shape *x = &c->in[0].shape, *g = &c->in[1].shape;
    int64_t stride = 1;
    *s = (struct sampler){.rank = x->rank - 2,
                          .align = syn_attr_int(c->op, c->attr, "align_corners") != 0};
    if (!strcmp(mode, "linear") || !strcmp(mode, "bilinear")) s->mode = SYN_RESIZE_BILINEAR;
    else if (!strcmp(mode, "cubic") || !strcmp(mode, "bicubic")) s->mode = SYN_RESIZE_BICUBIC;
    else if (!strcmp(mode, "nearest")) s->mode = SYN_RESIZE_NEAREST;
    else
        return syn_fail(err, SYN_UNSUPPORTED, "%s: mode = '%.40s': no such mode", c->op->name,
                        mode);
    if (!strcmp(pad, "zeros")) s->padding = ZEROS;
    else if (!strcmp(pad, "border")) s->padding = BORDER;
    else if (!strcmp(pad, "reflection")) s->padding = REFLECTION;
    else
        return syn_fail(err, SYN_UNSUPPORTED, "%s: padding_mode = '%.40s': no such mode",
                        c->op->name, pad);
    if (g->rank != x->rank || g->dim[0] != x->dim[0] || g->dim[g->rank - 1] != s->rank)
        return syn_fail(err, SYN_INVALID,
                        "%s: grid has rank %d, batch %" PRId64 " and %" PRId64
                        " coordinates: must have %d, %" PRId64 " and %d",
                        c->op->name, (int)g->rank, g->dim[0], g->dim[g->rank - 1], (int)x->rank,
                        x->dim[0], (int)s->rank);
    for (int32_t d = s->rank - 1; d >= 0; d--) {
        s->dim[d] = x->dim[2 + d], s->stride[d] = stride;
        if (s->dim[d] < 1 || s->dim[d] > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_INVALID,
                            "%s: x has dimension %d = %" PRId64 ": must be in [1, %" PRId64 "]",
                            c->op->name, (int)(2 + d), s->dim[d], SYN_MAX_ELEMENTS);
        stride = (int64_t)((uint64_t)stride *
                           (uint64_t)s->dim[d]); /* wraps only beside an empty batch */
    }
    return SYN_OK;
}

static syn_status sample_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct sampler s;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "X", SYN_TYPES_ALL, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "grid", SYN_TYPES_FLOAT, 3, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = sampler_parse(c, &s, err);
    if (st != SYN_OK) return st;
    if (s.mode != SYN_RESIZE_NEAREST && !(SYN_TYPES_NUMBER >> c->in[0].dtype & 1))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: X holds %s: only mode nearest takes it",
                        c->op->name, syn_dtype_word(c->in[0].dtype));
    y = (struct syn_shape){.rank = s.rank + 2,
                           .dim = {c->in[0].shape.dim[0], c->in[0].shape.dim[1]}};
    for (int32_t d = 0; d < s.rank; d++) y.dim[2 + d] = c->in[1].shape.dim[1 + d];
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* x mirrored at lo and hi until it lies between. */
static double mirrored(double x, double lo, double hi)
{
    const double range = hi - lo, over = x < lo ? lo - x : x - hi;
    if (over <= 0) return x;
    if (!(range > 0)) return lo;
    const double rest = fmod(over, 2 * range), inside = rest < range ? rest : 2 * range - rest;
    return x < lo ? lo + inside : hi - inside;
}

/* A finite place on axis d, moved inside as padding says. */
static double place_on(const struct sampler *s, int32_t d, double g)
{
    const double n = (double)s->dim[d], lo = s->align ? 0 : -0.5, hi = s->align ? n - 1 : n - 0.5;
    double x = s->align ? (g + 1) / 2 * (n - 1) : ((g + 1) * n - 1) / 2;
    if (s->mode == SYN_RESIZE_NEAREST) x = nearbyint(x);
    if (x >= lo && x <= hi) return x;
    if (s->padding == REFLECTION) return mirrored(x, lo, hi);
    if (s->padding == BORDER && s->mode != SYN_RESIZE_BICUBIC)
        return x < 0 ? 0 : x > n - 1 ? n - 1 : x;
    return x < -8 ? -8 : x > n + 8 ? n + 8 : x; /* outside is outside */
}

/* The pixel that index i of axis d reads; -1: zero. */
static int64_t pixel(const struct sampler *s, int32_t d, int64_t i)
{
    const int64_t n = s->dim[d];
    if (i >= 0 && i < n) return i;
    if (s->padding == ZEROS) return -1;
    if (s->padding == BORDER) return i < 0 ? 0 : n - 1;
    const double m =
        mirrored((double)i, s->align ? 0 : -0.5, s->align ? (double)n - 1 : (double)n - 0.5);
    return m < 0 ? 0 : m > (double)(n - 1) ? n - 1 : (int64_t)m;
}

/* The pixels of one axis that a place reads: 1, 2 or 4. */
struct tap {
    int64_t at;
    double weight;
};
static int32_t taps_of(const struct sampler *s, int32_t d, double x, struct tap t[4])
{
    const double whole = floor(x), f = x - whole, a = -0.75;
    const int64_t first = (int64_t)whole;
    int32_t n = 1;
    t[0] = (struct tap){first, 1};
    if (s->mode == SYN_RESIZE_BILINEAR) {
        n = 2;
        t[0].weight = 1 - f;
        t[1] = (struct tap){first + 1, f};
    } else if (s->mode == SYN_RESIZE_BICUBIC) {
        n = 4;
        for (int32_t i = 0; i < 4; i++) {
            const double away = fabs((double)(i - 1) - f);
            t[i] = (struct tap){first - 1 + i,
                                away <= 1 ? syn_keys_near(a, away) : syn_keys_far(a, away)};
        }
    }
    for (int32_t i = 0; i < n; i++) t[i].at = pixel(s, d, t[i].at);
    return n;
}

/* What all channels read at one place. */
struct spot {
    int32_t n[SYN_MAX_SPATIAL];
    struct tap tap[SYN_MAX_SPATIAL][4];
};

static double sum_of(const struct syn_op_call *c, const struct sampler *s, const struct spot *p,
                     int64_t plane)
{
    int32_t at[SYN_MAX_SPATIAL] = {0}, d;
    double sum = 0;
    do {
        int64_t i = plane;
        double w = 1;
        for (d = 0; d < s->rank && i >= 0; d++) {
            const struct tap *t = &p->tap[d][at[d]];
            w *= t->weight;
            i = t->at < 0 || t->weight == 0 ? -1 : i + t->at * s->stride[d];
        }
        if (i >= 0) sum += w * syn_get(&c->in[0], i);
        for (d = s->rank - 1; d >= 0 && ++at[d] == p->n[d]; d--) at[d] = 0;
    } while (d >= 0);
    return sum;
}

/* Nearest moves bytes: any type. */
static void copy_pixel(const struct syn_op_call *c, const struct sampler *s, const struct spot *p,
                       int64_t plane, int64_t to)
{
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    int64_t i = plane;
    for (int32_t d = 0; d < s->rank && i >= 0; d++)
        i = p->tap[d][0].at < 0 ? -1 : i + p->tap[d][0].at * s->stride[d];
    if (i >= 0)
        memcpy((char *)c->out[0].data + (size_t)to * bytes,
               (const char *)c->in[0].data + (size_t)i * bytes, bytes);
    else memset((char *)c->out[0].data + (size_t)to * bytes, 0, bytes);
}

static syn_status sample_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *y = &c->out[0].shape;
    struct sampler s;
    struct spot p;
    const syn_status st = sampler_parse(c, &s, err);
    if (st != SYN_OK || syn_ops_elements(y) == 0) return st;
    const int64_t planes = y->dim[0] * y->dim[1], places = syn_ops_elements(y) / planes,
                  channels = y->dim[1];
    const int64_t area = s.dim[0] * s.stride[0];
    for (int64_t n = 0; n < y->dim[0]; n++)
        for (int64_t k = 0; k < places; k++) {
            bool nan = false;
            for (int32_t d = 0; d < s.rank; d++) {
                const double x =
                    place_on(&s, d, syn_get(&c->in[1], (n * places + k) * s.rank + s.rank - 1 - d));
                nan |= isnan(x);
                p.n[d] = taps_of(&s, d, isnan(x) ? 0 : x, p.tap[d]);
            }
            for (int64_t ch = 0; ch < channels; ch++) {
                const int64_t plane = (n * channels + ch) * area,
                              to = (n * channels + ch) * places + k;
                if (nan) syn_put(&c->out[0], to, (double)NAN);
                else if (s.mode == SYN_RESIZE_NEAREST) copy_pixel(c, &s, &p, plane, to);
                else syn_put(&c->out[0], to, sum_of(c, &s, &p, plane));
            }
        }
    return SYN_OK;
}

/* --- AffineGrid ----------------------------------------------------------------------------- */

static syn_status affine_parse(const struct syn_op_call *c, int64_t size[5], int32_t *rank,
                               struct syn_err *err)
{
    const struct syn_shape *theta = &c->in[0].shape;
    int32_t n;
    bool given;
    syn_status st = syn_ops_ranked(c, 0, "theta", SYN_TYPES_FLOAT, 3, 3, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, NULL, size, 5, &n, &given, err);
    if (st != SYN_OK) return st;
    *rank = n - 2;
    if (n < 4 || theta->dim[0] != size[0] || theta->dim[1] != *rank || theta->dim[2] != *rank + 1)
        return syn_fail(err, SYN_INVALID,
                        "%s: theta [%" PRId64 ", %" PRId64 ", %" PRId64
                        "] and a size of %d numbers: must be [n, 2, 3] "
                        "with 4 or [n, 3, 4] with 5, of one n",
                        c->op->name, theta->dim[0], theta->dim[1], theta->dim[2], (int)n);
    return SYN_OK;
}

static syn_status affine_shape(struct syn_op_call *c, struct syn_err *err)
{
    int64_t size[5];
    int32_t rank;
    const syn_status st = affine_parse(c, size, &rank, err);
    if (st != SYN_OK) return st;
    struct syn_shape y = {.rank = rank + 2, .dim = {size[0]}};
    for (int32_t d = 0; d < rank; d++) y.dim[1 + d] = size[2 + d];
    y.dim[1 + rank] = rank;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

static syn_status affine_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const bool align = syn_attr_int(c->op, c->attr, "align_corners") != 0;
    int64_t size[5], at[SYN_MAX_RANK] = {0};
    int32_t rank;
    const syn_status st = affine_parse(c, size, &rank, err);
    if (st != SYN_OK) return st;
    const struct syn_shape *y = &c->out[0].shape;
    const int64_t n = syn_ops_elements(y);
    for (int64_t i = 0; i < n; i++) { /* at = [n, d1..dr, which coordinate] */
        const int64_t row = (at[0] * rank + at[1 + rank]) * (rank + 1);
        double sum = syn_get(&c->in[0], row + rank);
        for (int32_t k = 0; k < rank; k++) { /* coordinate k is that of axis rank - 1 - k */
            const double p = (double)at[rank - k], length = (double)size[1 + rank - k];
            const double corner = length > 1 ? 2 * p / (length - 1) - 1 : 0;
            const double v = align ? corner : (2 * p + 1) / length - 1;
            sum += syn_get(&c->in[0], row + k) * v;
        }
        syn_put(&c->out[0], i, sum);
        syn_ops_next(y, at);
    }
    return SYN_OK;
}

static const struct syn_attr_spec sample_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "linear"},
    {"padding_mode", SYN_ATTR_STRING, 0, 0, 0, "zeros"},
    {"align_corners", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec affine_attrs[] = {
    {"align_corners", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_grid_sample = {
    .name = "GridSample", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = sample_attrs, .shape = sample_shape, .reference = sample_reference,
};
const struct syn_op syn_op_affine_grid = {
    .name = "AffineGrid", .min_in = 2, .max_in = 2, .n_out = 1, .reads = 1 << 1,
    .attrs = affine_attrs, .shape = affine_shape, .reference = affine_reference,
};
