/* roi.c - pooling over regions: ROI_ALIGN, MAX_ROI_POOL.
 *
 * Source:  ONNX RoiAlign-10, 16, 22; MaxRoiPool-1, 22.
 * Operands: RoiAlign: x [n,c,h,w], rois [r,4] (x1 y1 x2 y2), batch_indices [r]. MaxRoiPool: x, rois
 *          [r,5] (batch x1 y1 x2 y2).
 * Attributes: RoiAlign: mode avg or max, output_height, output_width, sampling_ratio (0 = the bin's
 *          side rounded up), spatial_scale, coordinate_transformation_mode half_pixel (default from
 *          opset 16 on) or output_half_pixel (before). MaxRoiPool: pooled_shape, spatial_scale.
 * Maths:   RoiAlign: a region times the scale, minus 1/2 with half_pixel, otherwise at least 1 wide
 *          and high, cut in bins; in each the mean over a grid of samples by bilinear interpolation
 *          (zero beyond -1 and h, w), or in mode max the largest weighted corner of any sample, as
 *          ONNX's vectors have it. MaxRoiPool: corners rounded, both ends included, bins from floor
 *          to ceiling, an empty bin 0.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_SAMPLES 4096 /* along one side of a bin */

struct roi {
    int64_t batch;
    double x1, y1, x2, y2;
};

static syn_status roi_shape(struct syn_op_call *c, int64_t columns, int64_t high, int64_t wide,
                            struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, 0, "X", SYN_TYPES_FLOAT, 4, 4, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "rois", SYN_TYPES_FLOAT, 2, 2, err);
    if (st != SYN_OK) return st;
    if (c->in[1].shape.dim[1] != columns)
        return syn_fail(err, SYN_INVALID, "%s: rois has rows of %" PRId64 ": must have %" PRId64,
                        c->op->name, c->in[1].shape.dim[1], columns);
    const struct syn_shape y = syn_shape4(c->in[1].shape.dim[0], c->in[0].shape.dim[1], high, wide);
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* The four corners of region r, scaled. */
static syn_status read_roi(const struct syn_op_call *c, int64_t r, int64_t batch, struct roi *out,
                           struct syn_err *err)
{
    const int64_t columns = c->in[1].shape.dim[1], first = (r + 1) * columns - 4;
    const float scale = (float)syn_attr_float(c->op, c->attr, "spatial_scale");
    double v[4];
    if (batch < 0 || batch >= c->in[0].shape.dim[0])
        return syn_fail(err, SYN_INVALID,
                        "%s: region %" PRId64 ": batch index %" PRId64 ": must be in [0, %" PRId64
                        ")",
                        c->op->name, r, batch, c->in[0].shape.dim[0]);
    for (int32_t i = 0; i < 4; i++) {
        v[i] = (double)((float)syn_get(&c->in[1], first + i) *
                        scale); /* in float: what is a tie there is one here */
        if (!(fabs(v[i]) <= (double)SYN_MAX_ELEMENTS))
            return syn_fail(err, SYN_INVALID,
                            "%s: region %" PRId64 ": corner %d = %g: must be within %" PRId64,
                            c->op->name, r, (int)i, v[i], SYN_MAX_ELEMENTS);
    }
    *out = (struct roi){batch, v[0], v[1], v[2], v[3]};
    return SYN_OK;
}

/* --- RoiAlign ------------------------------------------------------------------------------- */

struct align {
    bool half_pixel, max;
    int64_t high, wide, ratio;
};

static syn_status align_parse(const struct syn_op_call *c, struct align *a, struct syn_err *err)
{
    const char *mode = syn_attr_text(c->op, c->attr, "mode");
    const char *coord = syn_attr_text(c->op, c->attr, "coordinate_transformation_mode");
    *a = (struct align){.half_pixel = c->opset >= 16 && !strcmp(coord, "half_pixel"),
                        .max = !strcmp(mode, "max"),
                        .high = syn_attr_int(c->op, c->attr, "output_height"),
                        .wide = syn_attr_int(c->op, c->attr, "output_width"),
                        .ratio = syn_attr_int(c->op, c->attr, "sampling_ratio")};
    if (!a->max && strcmp(mode, "avg"))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: mode = '%.40s': must be avg or max", c->op->name,
                        mode);
    if (strcmp(coord, "half_pixel") && strcmp(coord, "output_half_pixel"))
        return syn_fail(
            err, SYN_UNSUPPORTED,
            "%s: coordinate_transformation_mode = '%.40s': must be half_pixel or output_half_pixel",
            c->op->name, coord);
    return SYN_OK;
}

static syn_status align_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct align a;
    syn_status st = align_parse(c, &a, err);
    if (st == SYN_OK) st = roi_shape(c, 4, a.high, a.wide, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 2, "batch_indices", SYN_TYPE(I64), 1, 1, err);
    if (st == SYN_OK && c->in[2].shape.dim[0] != c->in[1].shape.dim[0])
        return syn_fail(err, SYN_INVALID,
                        "%s: batch_indices has %" PRId64 " entries: must have %" PRId64,
                        c->op->name, c->in[2].shape.dim[0], c->in[1].shape.dim[0]);
    return st;
}

/* One sample's corners: pixels and weights; none (false) beyond the picture. */
struct corners {
    int64_t at[4];
    double weight[4];
};

static bool corners_of(double y, double x, int64_t h, int64_t w, struct corners *q)
{
    if (h < 1 || w < 1 || y < -1 || y > (double)h || x < -1 || x > (double)w) return false;
    if (y < 0) y = 0;
    if (x < 0) x = 0;
    int64_t top = (int64_t)y, left = (int64_t)x, bottom = top + 1, right = left + 1;
    if (top >= h - 1) top = bottom = h - 1, y = (double)top;
    if (left >= w - 1) left = right = w - 1, x = (double)left;
    const double fy = y - (double)top, fx = x - (double)left;
    *q = (struct corners){{top * w + left, top * w + right, bottom * w + left, bottom * w + right},
                          {(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx}};
    return true;
}

struct bins {
    double top, left, high, wide; /* of one bin */
    int64_t rows, columns;        /* samples in it */
};

static double align_bin(const struct syn_op_call *c, const struct align *a, const struct bins *b,
                        int64_t plane, int64_t ph, int64_t pw)
{
    const int64_t h = c->in[0].shape.dim[2], w = c->in[0].shape.dim[3],
                  count = b->rows * b->columns;
    double sum = 0, most = 0;
    bool any = false;
    for (int64_t i = 0; i < count; i++) {
        const double y = b->top + (double)ph * b->high +
                         ((double)(i / b->columns) + 0.5) * b->high / (double)b->rows;
        const double x = b->left + (double)pw * b->wide +
                         ((double)(i % b->columns) + 0.5) * b->wide / (double)b->columns;
        struct corners q;
        double largest = 0;
        if (corners_of(y, x, h, w, &q)) for (int k = 0; k < 4; k++) {
                const double v = q.weight[k] * syn_get(&c->in[0], plane * h * w + q.at[k]);
                sum += v;
                if (k == 0 || v > largest) largest = v;
            }
        if (!any || largest > most) most = largest;
        any = true;
    }
    return a->max ? most : sum / (double)(count > 0 ? count : 1);
}

static syn_status align_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t channels = c->in[0].shape.dim[1], n = c->in[1].shape.dim[0],
                  *batch = c->in[2].data;
    struct align a;
    int64_t to = 0;
    syn_status st = align_parse(c, &a, err);
    if (syn_ops_elements(&c->out[0].shape) == 0) return st;
    for (int64_t r = 0; st == SYN_OK && r < n; r++) {
        struct roi roi;
        if ((st = read_roi(c, r, batch[r], &roi, err)) != SYN_OK) break;
        const double shift = a.half_pixel ? 0.5 : 0, least = a.half_pixel ? -INFINITY : 1;
        struct bins b = {.top = roi.y1 - shift, .left = roi.x1 - shift,
                         .high = fmax(roi.y2 - roi.y1, least) / (double)a.high,
                         .wide = fmax(roi.x2 - roi.x1, least) / (double)a.wide,
                         .rows = a.ratio, .columns = a.ratio};
        if (a.ratio == 0) b.rows = (int64_t)ceil(b.high), b.columns = (int64_t)ceil(b.wide);
        if (b.rows < 0) b.rows = 0;
        if (b.columns < 0) b.columns = 0;
        if (b.rows > MAX_SAMPLES || b.columns > MAX_SAMPLES) {
            st = syn_fail(err, SYN_INVALID, "%s: region %" PRId64 ": bins of %" PRId64 " x %" PRId64
                          " samples: at most %d", c->op->name, r, b.columns, b.rows, MAX_SAMPLES);
            break;
        }
        for (int64_t ch = 0; ch < channels; ch++)
            for (int64_t i = 0; i < a.high * a.wide; i++)
                syn_put(&c->out[0], to++,
                        align_bin(c, &a, &b, roi.batch * channels + ch, i / a.wide, i % a.wide));
    }
    return st;
}

/* --- MaxRoiPool ----------------------------------------------------------------------------- */

static syn_status max_roi_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr *pooled = syn_attr_list(c->op, c->attr, "pooled_shape");
    if (pooled->n != 2)
        return syn_fail(err, SYN_INVALID, "%s: attribute pooled_shape has %d entries: must have 2",
                        c->op->name, (int)pooled->n);
    return roi_shape(c, 5, pooled->v.i[0], pooled->v.i[1], err);
}

/* Bin i of n over [start, start + length), cut to [0, most). */
static void bin_of(int64_t i, int64_t n, int64_t start, int64_t length, int64_t most, int64_t *lo,
                   int64_t *hi)
{
    const double side = (double)length / (double)n;
    *lo = start + (int64_t)floor((double)i * side);
    *hi = start + (int64_t)ceil((double)(i + 1) * side);
    *lo = *lo < 0 ? 0 : *lo > most ? most : *lo;
    *hi = *hi < 0 ? 0 : *hi > most ? most : *hi;
}

static syn_status max_roi_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    const int64_t high = y->dim[2], wide = y->dim[3];
    int64_t to = 0;
    syn_status st = SYN_OK;
    if (syn_ops_elements(y) == 0) return SYN_OK;
    for (int64_t r = 0; r < y->dim[0]; r++) {
        struct roi roi;
        const double batch = syn_get(&c->in[1], r * 5);
        st = read_roi(c, r, batch >= 0 && batch < (double)x->dim[0] ? (int64_t)batch : -1, &roi,
                      err);
        if (st != SYN_OK) return st;
        const int64_t x1 = (int64_t)round(roi.x1), y1 = (int64_t)round(roi.y1);
        const int64_t w = (int64_t)round(roi.x2) - x1 + 1, h = (int64_t)round(roi.y2) - y1 + 1;
        for (int64_t i = 0; i < x->dim[1] * high * wide; i++) {
            const int64_t plane = roi.batch * x->dim[1] + i / (high * wide);
            int64_t top, bottom, left, right;
            double most = (double)-INFINITY;
            bin_of(i / wide % high, high, y1, h < 1 ? 1 : h, x->dim[2], &top, &bottom);
            bin_of(i % wide, wide, x1, w < 1 ? 1 : w, x->dim[3], &left, &right);
            for (int64_t py = top; py < bottom; py++)
                for (int64_t px = left; px < right; px++) {
                    const double v = syn_get(&c->in[0], (plane * x->dim[2] + py) * x->dim[3] + px);
                    if (v > most || isnan(v)) most = v;
                }
            syn_put(&c->out[0], to++, top < bottom && left < right ? most : 0);
        }
    }
    return SYN_OK;
}

static const struct syn_attr_spec align_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "avg"},
    {"coordinate_transformation_mode", SYN_ATTR_STRING, 0, 0, 0, "half_pixel"},
    {"output_height", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_STEP},
    {"output_width", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_STEP},
    {"sampling_ratio", SYN_ATTR_INT, 0, 0, MAX_SAMPLES},
    {"spatial_scale", SYN_ATTR_FLOAT, 1, -1e12, 1e12},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec max_roi_attrs[] = {
    {"pooled_shape", SYN_ATTR_INTS, 0, 1, SYN_OPS_MAX_STEP},
    {"spatial_scale", SYN_ATTR_FLOAT, 1, -1e12, 1e12},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_roi_align = {
    .name = "RoiAlign", .min_in = 3, .max_in = 3, .n_out = 1,
    .attrs = align_attrs, .shape = align_shape, .reference = align_reference,
};
const struct syn_op syn_op_max_roi_pool = {
    .name = "MaxRoiPool", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = max_roi_attrs, .shape = max_roi_shape, .reference = max_roi_reference,
};
