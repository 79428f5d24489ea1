/* chain.c - CHAIN: several element-by-element operators as one node. See kernels/graph/chain.h,
 * which defines it; each step rounds to f32 as the operator it stands for does.
 *
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/chain.h"
#include "kernels/ops/check.h"
#include <inttypes.h>
#include <math.h>

static syn_status chain_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr *code = syn_attr_list(c->op, c->attr, "code"),
                          *args = syn_attr_list(c->op, c->attr, "args");
    const int32_t steps = code->n / 3;
    struct syn_shape y;
    syn_status st = SYN_OK;
    if (code->n == 0 || code->n % 3 || steps > SYN_CHAIN_STEPS || args->n != 2 * steps)
        return syn_fail(err, SYN_INVALID,
                        "%s: code has %d numbers, args %d: three and two per step, 1 to %d steps",
                        c->op->name, (int)code->n, (int)args->n, SYN_CHAIN_STEPS);
    for (int32_t i = 0; i < steps; i++) {
        const int64_t *k = code->v.i + 3 * i;
        const bool binary =
            k[0] >= 0 && k[0] < SYN_STEP_COUNT && syn_step_operands((syn_step)k[0]) == 2;
        if (k[0] < 0 || k[0] >= SYN_STEP_COUNT || k[1] < 0 || k[1] >= c->n_in + i ||
            (binary ? k[2] < 0 || k[2] >= c->n_in + i : k[2] != -1))
            return syn_fail(err, SYN_INVALID,
                            "%s: step %d is {%" PRId64 ", %" PRId64 ", %" PRId64 "}: no step",
                            c->op->name, (int)i, k[0], k[1], k[2]);
    }
    for (int32_t i = 0; st == SYN_OK && i < c->n_in; i++)
        st = syn_ops_operand(c, i, "x", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK) st = syn_ops_broadcast(c, 0, c->n_in, &y, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, c->in[0].dtype, err) : st;
}

static syn_status chain_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr *code = syn_attr_list(c->op, c->attr, "code"),
                          *args = syn_attr_list(c->op, c->attr, "args");
    const struct syn_shape *y = &c->out[0].shape;
    const int32_t steps = code->n / 3;
    int64_t step[SYN_CHAIN_INPUTS][SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    (void)err;
    for (int32_t k = 0; k < c->n_in; k++) syn_ops_steps(&c->in[k].shape, y, step[k]);
    for (int64_t i = 0, n = syn_ops_elements(y); i < n; i++, syn_ops_next(y, at)) {
        float v[SYN_CHAIN_INPUTS + SYN_CHAIN_STEPS];
        for (int32_t k = 0; k < c->n_in; k++) {
            int64_t from = 0;
            for (int32_t d = 0; d < y->rank; d++) from += at[d] * step[k][d];
            v[k] = ((const float *)c->in[k].data)[from];
        }
        for (int32_t s = 0; s < steps; s++) {
            const int64_t *k = code->v.i + 3 * s;
            v[c->n_in + s] = (float)syn_step_apply(
                (syn_step)k[0], (double)v[k[1]], k[2] < 0 ? 0 : (double)v[k[2]], args->v.f + 2 * s);
        }
        ((float *)c->out[0].data)[i] = v[c->n_in + steps - 1];
    }
    return SYN_OK;
}

static const struct syn_attr_spec chain_attrs[] = {
    {"code", SYN_ATTR_INTS, 0, -1, SYN_CHAIN_INPUTS + SYN_CHAIN_STEPS + SYN_STEP_COUNT},
    {"args", SYN_ATTR_FLOATS, 0, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_chain = {
    .name = "Chain",
    .domain = "synthd",
    .flags = SYN_OP_FLOAT,
    .min_in = 1,
    .max_in = SYN_CHAIN_INPUTS,
    .n_out = 1,
    .attrs = chain_attrs,
    .shape = chain_shape,
    .reference = chain_reference,
};
