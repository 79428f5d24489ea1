/* cast.c - another element type: CAST, CAST_LIKE, BIT_CAST, and DROPOUT at inference.
 *
 * Source:  ONNX Cast-6..25, CastLike-15..25, BitCast-26, Dropout-7..22.
 * Cast:    attrs to (a number of TensorProto.DataType), saturate = 1 (float8 only: beyond the
 *          range its largest value, else infinity or NaN), round_mode = up, down or nearest (to
 *          e8m0 only). Floats to whole numbers truncate; what does not fit wraps; NaN gives 0. To
 *          bool: anything but 0 is true. CastLike: the type of the second operand.
 * BitCast: attr to, a type of as many bits; the bits stay.
 * Dropout: in x, ratio?, training_mode?. Outputs x and a mask that is all true (before opset 10:
 *          ones of x's type). Training is refused unless its ratio is 0.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include "kernels/ops/type_number.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* --- Cast ------------------------------------------------------------------------------------ */

/* The e8m0 pattern of v by a direction: the power of two at or above, at or below, nearest (ties
 * up). */
static uint8_t e8m0_of(double v, const char *mode, bool saturate)
{
    int e;
    double m;
    if (isnan(v) || v < 0) return 255;
    if (isinf(v)) return saturate ? 254 : 255;
    if (v == 0) return 0;
    m = frexp(v, &e); /* v = m * 2^e, m in [0.5, 1): at least 2^(e-1) */
    e += 126;
    if (strcmp(mode, "up") == 0 ? m > 0.5 : strcmp(mode, "nearest") == 0 && m >= 0.75) e++;
    if (e > 254) return saturate ? 254 : 255;
    return e < 0 ? 0 : (uint8_t)e;
}

static void cast_all(const struct syn_op_call *c)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const bool saturate = syn_attr_int(c->op, c->attr, "saturate") != 0;
    const char *mode = syn_attr_text(c->op, c->attr, "round_mode");
    const int64_t n = syn_ops_elements(&y->shape);
    if (y->dtype == SYN_F8E8M0 && x->dtype != SYN_F8E8M0) {
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)y->data)[i] =
                e8m0_of(syn_element_double(x->dtype, x->data, i), mode, saturate);
    } else if (!saturate && syn_dtype_bytes(y->dtype) == 1 && syn_dtype_kind(y->dtype) == 'F' &&
               x->dtype != y->dtype) {
        for (int64_t i = 0; i < n; i++)
            syn_element_put_double(y->dtype, y->data, i, syn_element_double(x->dtype, x->data, i),
                                   false);
    } else {
        syn_element_convert(x->dtype, x->data, y->dtype, y->data, n);
    }
}

static syn_status cast_check(const struct syn_op_call *c, struct syn_err *err)
{
    const char *mode = syn_attr_text(c->op, c->attr, "round_mode");
    if (strcmp(mode, "up") && strcmp(mode, "down") && strcmp(mode, "nearest"))
        return syn_fail(err, SYN_INVALID, "%s: round_mode '%.40s': must be up, down or nearest",
                        c->op->name, mode);
    return syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
}

static syn_status cast_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_dtype to = SYN_F32;
    syn_status st = cast_check(c, err);
    if (st == SYN_OK)
        st = syn_ops_type_number(c, "to", syn_attr_int(c->op, c->attr, "to"), &to, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, to, err) : st;
}

static syn_status cast_like_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = cast_check(c, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "target_type", SYN_TYPES_ALL, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[1].dtype, err) : st;
}

static syn_status cast_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    cast_all(c);
    return SYN_OK;
}

/* --- BitCast --------------------------------------------------------------------------------- */

static int bits_of(syn_dtype t)
{
    switch (t) {
    case SYN_I4:
    case SYN_U4:
    case SYN_F4E2M1: return 4;
    case SYN_I2:
    case SYN_U2: return 2;
    default: return (int)syn_dtype_bytes(t) * 8;
    }
}

static syn_status bit_cast_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_dtype to = SYN_F32;
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
    if (st == SYN_OK)
        st = syn_ops_type_number(c, "to", syn_attr_int(c->op, c->attr, "to"), &to, err);
    if (st != SYN_OK) return st;
    if (bits_of(to) != bits_of(c->in[0].dtype))
        return syn_fail(err, SYN_INVALID, "%s: to = %s has %d bits: input's %s has %d", c->op->name,
                        syn_dtype_word(to), bits_of(to), syn_dtype_word(c->in[0].dtype),
                        bits_of(c->in[0].dtype));
    return syn_ops_result(c, 0, &c->in[0].shape, to, err);
}

static syn_status bit_cast_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = syn_ops_elements(&y->shape);
    const int bits = bits_of(y->dtype);
    (void)err;
    if (bits >= 8 && n) memcpy(y->data, x->data, (size_t)n * syn_dtype_bytes(y->dtype));
    for (int64_t i = 0; bits < 8 && i < n; i++) { /* a byte an element, whose value has its sign */
        const uint8_t pattern = ((const uint8_t *)x->data)[i] & (uint8_t)((1 << bits) - 1);
        if (syn_dtype_kind(y->dtype) == 'F') ((uint8_t *)y->data)[i] = pattern;
        else syn_element_put_int(y->dtype, y->data, i, pattern);
    }
    return SYN_OK;
}

/* --- Dropout --------------------------------------------------------------------------------- */

static syn_status dropout_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK && syn_ops_given(c, 1))
        st = syn_element_scalar(c, 1, "ratio", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK && syn_ops_given(c, 2))
        st = syn_element_scalar(c, 2, "training_mode", SYN_TYPE(BOOL), err);
    if (st == SYN_OK) st = syn_ops_result(c, 0, x, c->in[0].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 1, x, c->opset < 10 ? c->in[0].dtype : SYN_BOOL, err)
                        : st;
}

static syn_status dropout_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t n = syn_ops_elements(&c->in[0].shape);
    if (syn_ops_given(c, 2) && *(const uint8_t *)c->in[2].data) {
        const double ratio =
            syn_ops_given(c, 1) ? syn_element_double(c->in[1].dtype, c->in[1].data, 0) : 0.5;
        if (ratio != 0)
            return syn_fail(err, SYN_UNSUPPORTED,
                            "%s: training_mode is true with ratio %g: only inference", c->op->name,
                            ratio);
    }
    if (c->out[0].shape.rank >= 0)
        syn_element_convert(c->in[0].dtype, c->in[0].data, c->out[0].dtype, c->out[0].data, n);
    for (int64_t i = 0; c->n_out > 1 && c->out[1].shape.rank >= 0 && i < n; i++)
        syn_element_put_int(c->out[1].dtype, c->out[1].data, i, 1);
    return SYN_OK;
}

static const struct syn_attr_spec cast_attrs[] = {
    {"to", SYN_ATTR_INT, 0, 0, 0x1p31}, /* 0 is no type: refused where it is left out */
    {"saturate", SYN_ATTR_INT, 1, 0, 1},
    {"round_mode", SYN_ATTR_STRING, 0, 0, 0, "up"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec like_attrs[] = {
    {"saturate", SYN_ATTR_INT, 1, 0, 1},
    {"round_mode", SYN_ATTR_STRING, 0, 0, 0, "up"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec bit_attrs[] = {
    {"to", SYN_ATTR_INT, 0, 0, 0x1p31},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec dropout_attrs[] = {
    {"ratio", SYN_ATTR_FLOAT, 0.5, 0, 1},
    {"seed", SYN_ATTR_INT, 0, -0x1p63, 0x1p63},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_cast = {
    .name = "Cast", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = cast_attrs, .shape = cast_shape, .reference = cast_reference,
};
const struct syn_op syn_op_cast_like = {
    .name = "CastLike", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = like_attrs, .shape = cast_like_shape, .reference = cast_reference,
};
const struct syn_op syn_op_bit_cast = {
    .name = "BitCast", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = bit_attrs, .shape = bit_cast_shape, .reference = bit_cast_reference,
};
const struct syn_op syn_op_dropout = {
    .name = "Dropout", .min_in = 1, .max_in = 3, .n_out = 1, .max_out = 2,
    .attrs = dropout_attrs, .shape = dropout_shape, .reference = dropout_reference,
};
