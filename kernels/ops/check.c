/* check.c - see check.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/check.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
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

bool syn_ops_writes_nothing(const struct syn_op_call *c)
{
    for (int32_t o = 0; o < c->n_out; o++)
        if (c->out[o].shape.rank >= 0 && syn_ops_elements(&c->out[o].shape) > 0) return false;
    return true;
}

/* --- operators of any type and rank --------------------------------------------------------- */

/* The first dimension with which the product of those that are not zero is over 2^40, as only an
 * empty tensor can have it; -1 when there is none: then no product of some of them overflows. */
static int32_t huge_dimension(const struct syn_shape *s)
{
    int64_t n = 1;
    for (int32_t d = 0; d < s->rank && d < SYN_MAX_RANK; d++) {
        if (s->dim[d] > SYN_MAX_ELEMENTS / n) return d;
        if (s->dim[d] > 0) n *= s->dim[d];
    }
    return -1;
}

syn_status syn_ops_operand(const struct syn_op_call *c, int32_t i, const char *operand,
                           uint32_t types, struct syn_err *err)
{
    return syn_ops_ranked(c, i, operand, types, 0, SYN_MAX_RANK, err);
}

syn_status syn_ops_ranked(const struct syn_op_call *c, int32_t i, const char *operand,
                          uint32_t types, int32_t lo, int32_t hi, struct syn_err *err)
{
    const struct syn_tensor *t = &c->in[i];
    int64_t n;
    char text[TEXT];
    if (!syn_ops_given(c, i))
        return syn_fail(err, SYN_INVALID, "%s: operand %s is missing", c->op->name, operand);
    syn_shape_text(&t->shape, text, sizeof text);
    if (!(types >> t->dtype & 1))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: %s %s holds %s: not a type that it takes",
                        c->op->name, operand, text, syn_dtype_word(t->dtype));
    if (t->shape.rank < lo || t->shape.rank > hi)
        return syn_fail(err, SYN_INVALID, "%s: %s %s has rank %d: must be in [%d, %d]", c->op->name,
                        operand, text, (int)t->shape.rank, (int)lo, (int)hi);
    if (!syn_shape_elements(&t->shape, &n))
        return syn_fail(err, SYN_TOO_LARGE,
                        "%s: %s has shape %s: unknown or over %" PRId64 " elements", c->op->name,
                        operand, text, SYN_MAX_ELEMENTS);
    if (huge_dimension(&t->shape) >= 0)
        return syn_fail(err, SYN_TOO_LARGE,
                        "%s: %s has shape %s: with dimension %d it is over %" PRId64, c->op->name,
                        operand, text, (int)huge_dimension(&t->shape), SYN_MAX_ELEMENTS);
    return SYN_OK;
}

syn_status syn_ops_same_type(const struct syn_op_call *c, int32_t i, int32_t k, const char *operand,
                             struct syn_err *err)
{
    if (c->in[i].dtype == c->in[k].dtype) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s holds %s: must be %s like the first operand",
                    c->op->name, operand, syn_dtype_word(c->in[k].dtype),
                    syn_dtype_word(c->in[i].dtype));
}

syn_status syn_ops_result(struct syn_op_call *c, int32_t o, const struct syn_shape *shape,
                          syn_dtype dtype, struct syn_err *err)
{
    int64_t n;
    char text[TEXT];
    if (o >= c->n_out || c->out[o].shape.rank < 0) return SYN_OK;
    for (int32_t d = 0; d < shape->rank; d++)
        if (shape->dim[d] < 0)
            return syn_fail(err, SYN_INVALID,
                            "%s: output %d has shape %s: dimension %d is negative", c->op->name,
                            (int)o, syn_shape_text(shape, text, sizeof text), (int)d);
    if (shape->rank < 0 || shape->rank > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: output %d has rank %d: at most %d", c->op->name,
                        (int)o, (int)shape->rank, SYN_MAX_RANK);
    if (!syn_shape_elements(shape, &n) || huge_dimension(shape) >= 0)
        return syn_fail(err, SYN_TOO_LARGE, "%s: output %d has shape %s: over %" PRId64 " elements",
                        c->op->name, (int)o, syn_shape_text(shape, text, sizeof text),
                        SYN_MAX_ELEMENTS);
    c->out[o].shape = *shape;
    c->out[o].dtype = dtype;
    return SYN_OK;
}

syn_status syn_ops_make(struct syn_op_call *c, int32_t o, const struct syn_shape *shape,
                        syn_dtype dtype, struct syn_err *err)
{
    int64_t n = 0;
    syn_status st;
    if (o >= c->n_out || c->out[o].shape.rank < 0) return SYN_OK;
    if ((st = syn_ops_result(c, o, shape, dtype, err)) != SYN_OK) return st;
    if (!syn_shape_elements(shape, &n) ||
        !(c->out[o].data = syn_calloc(n ? (size_t)n : 1, syn_dtype_bytes(dtype))))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " elements", c->op->name,
                        n);
    return SYN_OK;
}

syn_status syn_ops_axis(const struct syn_op_call *c, const char *name, int64_t axis, int32_t rank,
                        int32_t *out, struct syn_err *err)
{
    if (axis < -rank || axis >= rank)
        return syn_fail(err, SYN_INVALID, "%s: %s = %" PRId64 ": must be in [%d, %d)", c->op->name,
                        name, axis, -(int)rank, (int)rank);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return SYN_OK;
}

syn_status syn_ops_ints(const struct syn_op_call *c, int32_t operand, const char *attr,
                        int64_t *list, int32_t most, int32_t *n, bool *given, struct syn_err *err)
{
    const struct syn_attr *a = attr ? syn_attr_list(c->op, c->attr, attr) : NULL;
    int64_t count = a ? a->n : 0;
    *n = 0;
    *given = operand >= 0 && syn_ops_given(c, operand);
    if (*given) {
        const syn_status st = syn_ops_ranked(c, operand, attr ? attr : "operand",
                                             SYN_TYPES_SIGNED | SYN_TYPES_UNSIGNED, 0, 1, err);
        if (st != SYN_OK) return st;
        if (!c->in[operand].data)
            return syn_fail(err, SYN_INVALID, "%s: operand %d has no data yet", c->op->name,
                            (int)operand);
        count = syn_ops_elements(&c->in[operand].shape);
    }
    if (count > most)
        return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " entries: at most %d", c->op->name,
                        attr ? attr : "operand", count, (int)most);
    for (int32_t k = 0; k < count; k++)
        list[k] =
            *given ? syn_element_int(c->in[operand].dtype, c->in[operand].data, k) : a->v.i[k];
    *n = (int32_t)count;
    *given = *given || count > 0;
    return SYN_OK;
}

static int64_t padded_dim(const struct syn_shape *s, int32_t rank, int32_t d)
{
    const int32_t own = d - (rank - s->rank);
    return own < 0 ? 1 : s->dim[own];
}

syn_status syn_ops_broadcast(const struct syn_op_call *c, int32_t from, int32_t to,
                             struct syn_shape *out, struct syn_err *err)
{
    char a[TEXT], b[TEXT];
    *out = (struct syn_shape){.rank = 0};
    for (int32_t i = from; i < to; i++) {
        const struct syn_shape *s = &c->in[i].shape, old = *out;
        if (s->rank < 0) continue;
        out->rank = s->rank > old.rank ? s->rank : old.rank;
        for (int32_t d = 0; d < out->rank; d++) {
            const int64_t x = padded_dim(&old, out->rank, d), y = padded_dim(s, out->rank, d);
            if (x != y && x != 1 && y != 1)
                return syn_fail(err, SYN_INVALID,
                                "%s: %s and %s do not broadcast: dimension %d must be equal or 1",
                                c->op->name, syn_shape_text(&old, a, sizeof a),
                                syn_shape_text(s, b, sizeof b), (int)d);
            out->dim[d] = x == 1 ? y : x; /* a 0 beside a 1 stays 0 */
        }
    }
    return SYN_OK;
}

void syn_ops_steps(const struct syn_shape *s, const struct syn_shape *out,
                   int64_t step[SYN_MAX_RANK])
{
    int64_t size = 1;
    for (int32_t d = out->rank - 1; d >= 0; d--) {
        const int64_t n = padded_dim(s, out->rank, d);
        step[d] = n == 1 ? 0 : size;
        size *= n;
    }
}

void syn_ops_strides(const struct syn_shape *s, int64_t stride[SYN_MAX_RANK])
{
    int64_t size = 1;
    for (int32_t d = s->rank - 1; d >= 0; d--) {
        stride[d] = size;
        size *= s->dim[d];
    }
}
