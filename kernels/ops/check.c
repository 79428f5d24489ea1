/* check.c - see check.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/check.h"
#include <inttypes.h>

enum { TEXT = 192 }; /* bytes that hold any shape in words: 8 numbers of at most 19 digits */

bool syn_ops_given(const struct syn_op_call *c, int32_t i)
{
    return i < c->n_in && c->in[i].shape.rank >= 0;
}

syn_status syn_ops_check(const struct syn_op_call *c, int32_t i, const char *operand,
                         struct syn_err *err)
{
    const struct syn_tensor *t = &c->in[i];
    int64_t n;
    char text[TEXT];
    if (!syn_ops_given(c, i))
        return syn_fail(err, SYN_INVALID, "%s: operand %s is missing", c->op->name, operand);
    if (t->shape.rank > SYN_MAX_RANK)
        return syn_fail(err, SYN_INVALID, "%s: %s has rank %d: must be at most %d", c->op->name,
                        operand, (int)t->shape.rank, SYN_MAX_RANK);
    syn_shape_text(&t->shape, text, sizeof text);
    if (t->dtype != SYN_F32 && t->dtype != SYN_F16)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: %s %s holds %s: must be f32", c->op->name,
                        operand, text, syn_dtype_word(t->dtype));
    for (int32_t d = 0; d < t->shape.rank; d++)
        if (t->shape.dim[d] < 1)
            return syn_fail(err, SYN_INVALID,
                            "%s: %s has shape %s: dimension %d must be at least 1", c->op->name,
                            operand, text, (int)d);
    if (!syn_shape_elements(&t->shape, &n))
        return syn_fail(err, SYN_TOO_LARGE, "%s: %s has shape %s: over %" PRId64 " elements",
                        c->op->name, operand, text, SYN_MAX_ELEMENTS);
    return SYN_OK;
}

syn_status syn_ops_check_rank(const struct syn_op_call *c, int32_t i, const char *operand,
                              int32_t rank, struct syn_err *err)
{
    char text[TEXT];
    syn_status st = syn_ops_check(c, i, operand, err);
    if (st != SYN_OK) return st;
    if (c->in[i].shape.rank == rank) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has shape %s: must have rank %d", c->op->name,
                    operand, syn_shape_text(&c->in[i].shape, text, sizeof text), (int)rank);
}

syn_status syn_ops_check_shape(const struct syn_op_call *c, int32_t i, const char *operand,
                               const struct syn_shape *want, const char *why, struct syn_err *err)
{
    char got[TEXT], expected[TEXT];
    syn_status st = syn_ops_check(c, i, operand, err);
    if (st != SYN_OK) return st;
    if (syn_shape_equal(&c->in[i].shape, want)) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has shape %s: must be %s (%s)", c->op->name, operand,
                    syn_shape_text(&c->in[i].shape, got, sizeof got),
                    syn_shape_text(want, expected, sizeof expected), why);
}

syn_status syn_ops_check_list(const struct syn_op_call *c, const char *name, int32_t n,
                              struct syn_err *err)
{
    const struct syn_attr *list = syn_attr_list(c->op, c->attr, name);
    if (list->n == 0 || list->n == n) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: attribute %s has %d entries: must have %d", c->op->name,
                    name, (int)list->n, (int)n);
}

int64_t syn_ops_entry(const struct syn_op_call *c, const char *name, int32_t i, int64_t fallback)
{
    const struct syn_attr *list = syn_attr_list(c->op, c->attr, name);
    return i < list->n ? list->v.i[i] : fallback;
}

syn_status syn_ops_out(struct syn_op_call *c, const struct syn_shape *shape, struct syn_err *err)
{
    int64_t n;
    char text[TEXT];
    for (int32_t d = 0; d < shape->rank; d++)
        if (shape->dim[d] < 1)
            return syn_fail(
                err, SYN_INVALID,
                "%s: output has shape %s: dimension %d = %" PRId64 ": must be at least 1",
                c->op->name, syn_shape_text(shape, text, sizeof text), (int)d, shape->dim[d]);
    if (!syn_shape_elements(shape, &n))
        return syn_fail(err, SYN_TOO_LARGE, "%s: output has shape %s: over %" PRId64 " elements",
                        c->op->name, syn_shape_text(shape, text, sizeof text), SYN_MAX_ELEMENTS);
    c->out[0].shape = *shape;
    c->out[0].dtype = SYN_F32;
    return SYN_OK;
}

int64_t syn_ops_elements(const struct syn_shape *s)
{
    int64_t n = 0;
    return syn_shape_elements(s, &n) ? n : 0;
}
