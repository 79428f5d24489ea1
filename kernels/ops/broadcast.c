/* broadcast.c - two operands, one result: ADD, SUB, MUL, DIV, MIN, MAX.
 *
 * Source:  ONNX Add-14, Sub-14, Mul-14, Div-14, Min-13 and Max-13 (of two), multidirectional
 *          broadcasting as NumPy does it.
 * Maths:   y[i] = a[i'] op b[i''], where a dimension of 1 (or a missing leading one) is read at 0.
 *          MIN and MAX give NaN when either is NaN.
 * Shapes:  ranks 0..8; aligned at the last dimension, each pair equal or one of them 1.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/check.h"
#include "kernels/ops/ops.h"
#include <math.h>

/* Dimension d of s when s is padded in front to `rank` dimensions. */
static int64_t padded_dim(const struct syn_shape *s, int32_t rank, int32_t d)
{
    int32_t own = d - (rank - s->rank);
    return own < 0 ? 1 : s->dim[own];
}

static syn_status broadcast_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    char ta[192], tb[192];
    syn_status st = syn_ops_check(c, 0, "a", err);
    if (st == SYN_OK) st = syn_ops_check(c, 1, "b", err);
    if (st != SYN_OK) return st;
    struct syn_shape y = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int32_t d = 0; d < y.rank; d++) {
        int64_t da = padded_dim(a, y.rank, d), db = padded_dim(b, y.rank, d);
        if (da != db && da != 1 && db != 1)
            return syn_fail(err, SYN_INVALID,
                            "%s: a %s and b %s do not broadcast: dimension %d must be equal or 1",
                            c->op->name, syn_shape_text(a, ta, sizeof ta),
                            syn_shape_text(b, tb, sizeof tb), (int)d);
        y.dim[d] = da > db ? da : db;
    }
    return syn_ops_out(c, &y, err);
}

/* step[d] = how far the operand's index moves when output dimension d does; 0 where it is repeated.
 * */
static void steps_of(const struct syn_shape *s, int32_t rank, int64_t step[SYN_MAX_RANK])
{
    int64_t size = 1;
    for (int32_t d = rank - 1; d >= 0; d--) {
        int64_t n = padded_dim(s, rank, d);
        step[d] = n == 1 ? 0 : size;
        size *= n;
    }
}

static float add(float a, float b) { return a + b; }
static float subtract(float a, float b) { return a - b; }
static float multiply(float a, float b) { return a * b; }
static float divide(float a, float b) { return a / b; }
static float minimum(float a, float b)
{
    return isnan(a) || a < b ? a : b;
} /* a NaN in b: a < b is false */
static float maximum(float a, float b) { return isnan(a) || a > b ? a : b; }

static void broadcast(const struct syn_op_call *c, float (*f)(float, float))
{
    const struct syn_shape *s = &c->out[0].shape;
    const float *a = c->in[0].data, *b = c->in[1].data;
    float *y = c->out[0].data;
    int64_t step_a[SYN_MAX_RANK], step_b[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    steps_of(&c->in[0].shape, s->rank, step_a);
    steps_of(&c->in[1].shape, s->rank, step_b);
    for (int64_t i = 0, n = syn_ops_elements(s); i < n; i++) {
        int64_t ia = 0, ib = 0;
        for (int32_t d = 0; d < s->rank; d++) ia += at[d] * step_a[d], ib += at[d] * step_b[d];
        y[i] = f(a[ia], b[ib]);
        for (int32_t d = s->rank - 1; d >= 0 && ++at[d] == s->dim[d]; d--) at[d] = 0;
    }
}

static syn_status add_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    broadcast(c, add);
    return SYN_OK;
}

static syn_status sub_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    broadcast(c, subtract);
    return SYN_OK;
}

static syn_status mul_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    broadcast(c, multiply);
    return SYN_OK;
}

static syn_status div_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    broadcast(c, divide);
    return SYN_OK;
}

static syn_status min_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    broadcast(c, minimum);
    return SYN_OK;
}

static syn_status max_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    broadcast(c, maximum);
    return SYN_OK;
}

const struct syn_op syn_op_add = {
    .name = "Add", .flags = SYN_OP_FLOAT,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = broadcast_shape,
    .reference = add_reference,
};
const struct syn_op syn_op_sub = {
    .name = "Sub", .flags = SYN_OP_FLOAT,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = broadcast_shape,
    .reference = sub_reference,
};
const struct syn_op syn_op_mul = {
    .name = "Mul", .flags = SYN_OP_FLOAT,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = broadcast_shape,
    .reference = mul_reference,
};
const struct syn_op syn_op_div = {
    .name = "Div", .flags = SYN_OP_FLOAT,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = broadcast_shape,
    .reference = div_reference,
};
const struct syn_op syn_op_min = {
    .name = "Min", .flags = SYN_OP_FLOAT,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = broadcast_shape,
    .reference = min_reference,
};
const struct syn_op syn_op_max = {
    .name = "Max", .flags = SYN_OP_FLOAT,
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = broadcast_shape,
    .reference = max_reference,
};
