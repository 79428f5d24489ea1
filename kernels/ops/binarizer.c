/* binarizer.c - one or nothing by a threshold: BINARIZER.
 *
 * Source:  ONNX (domain ai.onnx.ml) Binarizer-1.
 * Operands: x, y of one type and shape; attribute threshold = 0.
 * Maths:   y = 1 where x > threshold, else 0; NaN is over none. Whole numbers are compared as
 *          such: as float 2^53 + 1 would not be over 2^53.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/window.h"
#include <math.h>

#define TYPES (SYN_TYPE(F32) | SYN_TYPE(F64) | SYN_TYPES_INDEX)
#define BIG 3.5e38

static syn_status binarizer_shape(struct syn_op_call *c, struct syn_err *err)
{
    const syn_status st = syn_ops_operand(c, 0, "X", TYPES, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[0].dtype, err) : st;
}

/* x > t: over a whole number is over the next one below. */
static bool is_over(int64_t x, double t)
{
    if (t >= 0x1p63) return false;
    return t < -0x1p63 || x > (int64_t)floor(t);
}

static syn_status binarizer_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0];
    const double t = syn_attr_float(c->op, c->attr, "threshold");
    const bool whole = syn_dtype_kind(x->dtype) == 'I';
    (void)err;
    for (int64_t i = 0; i < syn_ops_elements(&x->shape); i++)
        syn_put(&c->out[0], i,
                whole ? is_over(syn_element_int(x->dtype, x->data, i), t) : syn_get(x, i) > t);
    return SYN_OK;
}

static const struct syn_attr_spec attrs[] = {
    {"threshold", SYN_ATTR_FLOAT, 0, -BIG, BIG},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_binarizer = {
    .name = "Binarizer", .domain = "ai.onnx.ml", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = attrs, .shape = binarizer_shape, .reference = binarizer_reference,
};
