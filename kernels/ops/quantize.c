/* quantize.c - whole numbers and small floats for floats: QUANTIZE_LINEAR, DEQUANTIZE_LINEAR,
 * DYNAMIC_QUANTIZE_LINEAR.
 *
 * Source:  ONNX QuantizeLinear-10..25, DequantizeLinear-10..25, DynamicQuantizeLinear-11.
 * Operands: x, scale, zero_point? of one shape: one element (for the tensor), [x.dim[axis]] (each
 *          slice of axis = 1), or, with block_size b > 0, x's shape with ceil(dim/b) on the axis
 *          (each block of b).
 * Quantize: y = saturate(round(x / scale) + zero_point), ties to even; to float8 and float4 x /
 *          scale is converted instead (saturate = 1). The quotient is rounded to the type of
 *          `precision`, by default scale's. y has zero_point's type, else output_dtype's, else u8.
 * Dequantize: y = (x - zero_point) * scale, of output_dtype's type, else scale's.
 * Dynamic: x f32 -> y u8, scale = (max(0, x) - min(0, x)) / 255 (1 where all is 0), zero_point =
 *          round(-min / scale).
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include "kernels/ops/type_number.h"
#include <inttypes.h>
#include <math.h>

#define TYPES_F8                                                                                   \
    (SYN_TYPE(F8E4M3FN) | SYN_TYPE(F8E4M3FNUZ) | SYN_TYPE(F8E5M2) | SYN_TYPE(F8E5M2FNUZ) |         \
     SYN_TYPE(F4E2M1))
#define TYPES_NARROW                                                                               \
    (SYN_TYPE(I8) | SYN_TYPE(U8) | SYN_TYPE(I16) | SYN_TYPE(U16) | SYN_TYPE(I4) | SYN_TYPE(U4) |   \
     SYN_TYPE(I2) | SYN_TYPE(U2) | TYPES_F8)
#define TYPES_SCALE (SYN_TYPES_FLOAT | SYN_TYPE(F8E8M0))

/* Which scale belongs to an element: x as [outer, length, inner], blocks of `block` along the
 * middle. */
struct grid {
    int64_t length, inner, block, blocks; /* block = 0: one scale for all */
};

static syn_status grid_of(const struct syn_op_call *c, struct grid *g, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *s = &c->in[1].shape;
    const int64_t block = syn_attr_int(c->op, c->attr, "block_size");
    struct syn_shape want = *x;
    char a[192], b[192];
    int32_t axis = 0;
    syn_status st;
    *g = (struct grid){1, 1, 0, 1};
    if (block == 0 && s->rank <= 1 && syn_ops_elements(s) == 1) return SYN_OK;
    if ((st = syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), x->rank, &axis, err)) !=
        SYN_OK)
        return st;
    if (block > 0) want.dim[axis] = (x->dim[axis] + block - 1) / block;
    else want = (struct syn_shape){.rank = 1, .dim = {x->dim[axis]}};
    if (!syn_shape_equal(s, &want))
        return syn_fail(err, SYN_INVALID, "%s: scale has shape %s: must be %s or one element",
                        c->op->name, syn_shape_text(s, a, sizeof a),
                        syn_shape_text(&want, b, sizeof b));
    g->length = x->dim[axis];
    for (int32_t d = axis + 1; d < x->rank; d++)
        if (__builtin_mul_overflow(g->inner, x->dim[d], &g->inner))
            return syn_fail(err, SYN_TOO_LARGE, "%s: x is too large", c->op->name);
    g->block = block > 0 ? block : 1;
    g->blocks = block > 0 ? want.dim[axis] : 0; /* 0: the scales have the axis alone */
    return SYN_OK;
}

/* The scale of element i of a tensor that is not empty. */
static int64_t scale_at(const struct grid *g, int64_t i)
{
    if (g->block == 0) return 0;
    const int64_t inner = i % g->inner, at = i / g->inner % g->length,
                  outer = i / g->inner / g->length;
    return g->blocks == 0 ? at : (outer * g->blocks + at / g->block) * g->inner + inner;
}

static syn_status check_zero_point(const struct syn_op_call *c, uint32_t types, struct syn_err *err)
{
    char a[192], b[192];
    if (!syn_ops_given(c, 2)) return SYN_OK;
    const struct syn_shape *s = &c->in[1].shape, *z = &c->in[2].shape;
    syn_status st = syn_ops_operand(c, 2, "zero_point", types, err);
    if (st != SYN_OK) return st;
    if (!syn_shape_equal(s, z) && !(syn_ops_elements(s) == 1 && syn_ops_elements(z) == 1))
        return syn_fail(err, SYN_INVALID, "%s: zero_point has shape %s: must be scale's %s",
                        c->op->name, syn_shape_text(z, a, sizeof a),
                        syn_shape_text(s, b, sizeof b));
    return SYN_OK;
}

/* --- QuantizeLinear -------------------------------------------------------------------------- */

static syn_status quantize_shape(struct syn_op_call *c, struct syn_err *err)
{
    const int64_t number = syn_attr_int(c->op, c->attr, "output_dtype"),
                  precision = syn_attr_int(c->op, c->attr, "precision");
    syn_dtype out = SYN_U8, unused;
    struct grid g;
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_FLOAT | SYN_TYPE(I32), err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "y_scale", TYPES_SCALE | SYN_TYPE(I32), err);
    if (st == SYN_OK) st = check_zero_point(c, TYPES_NARROW, err);
    if (st == SYN_OK && number) st = syn_ops_type_number(c, "output_dtype", number, &out, err);
    if (st == SYN_OK && precision)
        st = syn_ops_type_number(c, "precision", precision, &unused, err);
    if (st == SYN_OK) st = grid_of(c, &g, err);
    if (st != SYN_OK) return st;
    if (syn_ops_given(c, 2)) {
        if (number && out != c->in[2].dtype)
            return syn_fail(err, SYN_INVALID, "%s: output_dtype is %s: zero_point holds %s",
                            c->op->name, syn_dtype_word(out), syn_dtype_word(c->in[2].dtype));
        out = c->in[2].dtype;
    }
    if (!((uint32_t)TYPES_NARROW >> out & 1))
        return syn_fail(err, SYN_UNSUPPORTED,
                        "%s: output_dtype is %s: must be at most 16 bits wide", c->op->name,
                        syn_dtype_word(out));
    return syn_ops_result(c, 0, &c->in[0].shape, out, err);
}

static void range_of(syn_dtype t, double *lo, double *hi)
{
    const int bits = t == SYN_I4 || t == SYN_U4   ? 4
                     : t == SYN_I2 || t == SYN_U2 ? 2
                                                  : (int)syn_dtype_bytes(t) * 8;
    const bool is_signed = syn_dtype_kind(t) == 'I';
    *hi = (double)((1 << (is_signed ? bits - 1 : bits)) - 1);
    *lo = is_signed ? -*hi - 1 : 0;
}

/* v as a value of type t (one of the usual floats). */
static double rounded_to(syn_dtype t, double v)
{
    char bytes[8];
    syn_element_put_double(t, bytes, 0, v, true);
    return syn_element_double(t, bytes, 0);
}

static syn_dtype quotient_type(const struct syn_op_call *c)
{
    const int64_t precision = syn_attr_int(c->op, c->attr, "precision");
    syn_dtype t = c->in[1].dtype;
    if (precision && syn_ops_type_number(c, "precision", precision, &t, NULL) != SYN_OK)
        t = SYN_F32;
    return syn_dtype_kind(t) == 'F' && t != SYN_F8E8M0 ? t : SYN_F32;
}

static syn_status quantize_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *s = &c->in[1], *z = &c->in[2], *y = &c->out[0];
    const bool with_zero = syn_ops_given(c, 2),
               saturate = syn_attr_int(c->op, c->attr, "saturate") != 0;
    const syn_dtype between = quotient_type(c);
    double lo = 0, hi = 0;
    struct grid g;
    syn_status st = grid_of(c, &g, err);
    if (st != SYN_OK) return st;
    if (syn_dtype_kind(y->dtype) != 'F') range_of(y->dtype, &lo, &hi);
    for (int64_t i = 0, n = syn_ops_elements(&y->shape); i < n; i++) {
        const int64_t k = scale_at(&g, i);
        double v = rounded_to(between, syn_element_double(x->dtype, x->data, i) /
                                           syn_element_double(s->dtype, s->data, k));
        if (syn_dtype_kind(y->dtype) == 'F') { /* a zero point there is 0 */
            syn_element_put_double(y->dtype, y->data, i, v, saturate);
            continue;
        }
        v = rint(v) + (with_zero ? syn_element_double(z->dtype, z->data, k) : 0);
        syn_element_put_double(y->dtype, y->data, i, v < lo ? lo : v > hi ? hi : v, true);
    }
    return SYN_OK;
}

/* --- DequantizeLinear ------------------------------------------------------------------------ */

static syn_status dequantize_shape(struct syn_op_call *c, struct syn_err *err)
{
    const uint32_t types = TYPES_NARROW | SYN_TYPE(I32);
    const int64_t number = syn_attr_int(c->op, c->attr, "output_dtype");
    syn_dtype out = c->in[1].dtype == SYN_F8E8M0 ? SYN_F32 : c->in[1].dtype;
    struct grid g;
    syn_status st = syn_ops_operand(c, 0, "x", types, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "x_scale", TYPES_SCALE, err);
    if (st == SYN_OK) st = check_zero_point(c, types, err);
    if (st == SYN_OK && syn_ops_given(c, 2)) st = syn_ops_same_type(c, 0, 2, "x_zero_point", err);
    if (st == SYN_OK && number) st = syn_ops_type_number(c, "output_dtype", number, &out, err);
    if (st == SYN_OK) st = grid_of(c, &g, err);
    if (st == SYN_OK && !((uint32_t)SYN_TYPES_FLOAT >> out & 1))
        st = syn_fail(err, SYN_UNSUPPORTED,
                      "%s: output_dtype is %s: must be a float of 16 bits or more", c->op->name,
                      syn_dtype_word(out));
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, out, err) : st;
}

static syn_status dequantize_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *s = &c->in[1], *z = &c->in[2], *y = &c->out[0];
    const bool with_zero = syn_ops_given(c, 2);
    struct grid g;
    syn_status st = grid_of(c, &g, err);
    if (st != SYN_OK) return st;
    for (int64_t i = 0, n = syn_ops_elements(&y->shape); i < n; i++) {
        const int64_t k = scale_at(&g, i);
        double v = syn_element_double(x->dtype, x->data, i);
        if (with_zero) v -= syn_element_double(z->dtype, z->data, k);
        syn_element_put_double(y->dtype, y->data, i, v * syn_element_double(s->dtype, s->data, k),
                               true);
    }
    return SYN_OK;
}

/* --- DynamicQuantizeLinear ------------------------------------------------------------------- */

static syn_status dynamic_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape one = {.rank = 0};
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPE(F32), err);
    if (st == SYN_OK) st = syn_ops_result(c, 0, &c->in[0].shape, SYN_U8, err);
    if (st == SYN_OK) st = syn_ops_result(c, 1, &one, SYN_F32, err);
    return st == SYN_OK ? syn_ops_result(c, 2, &one, SYN_U8, err) : st;
}

static syn_status dynamic_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const float *x = c->in[0].data;
    const int64_t n = syn_ops_elements(&c->in[0].shape);
    float lo = 0, hi = 0;
    (void)err;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] < lo) lo = x[i];
        if (x[i] > hi) hi = x[i];
    }
    const float scale = hi > lo ? (hi - lo) / 255 : 1;
    const float zero = fminf(255, fmaxf(0, rintf((0 - lo) / scale)));
    if (c->n_out > 1 && c->out[1].shape.rank >= 0) *(float *)c->out[1].data = scale;
    if (c->n_out > 2 && c->out[2].shape.rank >= 0) *(uint8_t *)c->out[2].data = (uint8_t)zero;
    if (c->out[0].shape.rank < 0) return SYN_OK;
    for (int64_t i = 0; i < n; i++) {
        const float v = rintf(x[i] / scale) + zero;
        ((uint8_t *)c->out[0].data)[i] = v > 255 ? 255 : v > 0 ? (uint8_t)v : 0; /* NaN gives 0 */
    }
    return SYN_OK;
}

static const struct syn_attr_spec quantize_attrs[] = {
    {"axis", SYN_ATTR_INT, 1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"block_size", SYN_ATTR_INT, 0, 0, (double)SYN_MAX_ELEMENTS},
    {"output_dtype", SYN_ATTR_INT, 0, 0, 0x1p31},
    {"precision", SYN_ATTR_INT, 0, 0, 0x1p31},
    {"saturate", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec dequantize_attrs[] = {
    {"axis", SYN_ATTR_INT, 1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"block_size", SYN_ATTR_INT, 0, 0, (double)SYN_MAX_ELEMENTS},
    {"output_dtype", SYN_ATTR_INT, 0, 0, 0x1p31},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_quantize_linear = {
    .name = "QuantizeLinear", .min_in = 2, .max_in = 3, .n_out = 1,
    .attrs = quantize_attrs, .shape = quantize_shape, .reference = quantize_reference,
};
const struct syn_op syn_op_dequantize_linear = {
    .name = "DequantizeLinear", .min_in = 2, .max_in = 3, .n_out = 1,
    .attrs = dequantize_attrs, .shape = dequantize_shape, .reference = dequantize_reference,
};
const struct syn_op syn_op_dynamic_quantize_linear = {
    .name = "DynamicQuantizeLinear", .min_in = 1, .max_in = 1, .n_out = 3,
    .shape = dynamic_shape, .reference = dynamic_reference,
};
