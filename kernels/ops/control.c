/* control.c - a choice and a loop over bodies: IF, LOOP.
 *
 * Source:  ONNX If-1..25, Loop-1..25, without sequences and optionals.
 * Operands: If: cond, captures of then_branch, captures of else_branch. Loop: M?, cond?, states,
 *          captures.
 * Outputs:  If: the branch's. Loop: final states, then what the body yields besides, stacked on a
 *          new first axis.
 * Maths:   Loop: while runs < M (absent: no bound) and cond (absent: true): body(run, cond, states,
 *          captures) -> cond, states, yields.
 * Limits:  a model may ask for any number of runs: cancelling is the host's business, in every run;
 *          memory grows by what is yielded, checked.
 * Layer:   kernels/ops.   Threads: a call belongs to one thread.
 * Ownership: states and yields of the runs so far, freed on every way out. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/body.h"
#include <inttypes.h>

/* --- If ------------------------------------------------------------------------------------- */

static syn_status if_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_graph *then_branch = syn_attr_graph(c->op, c->attr, "then_branch");
    const struct syn_graph *else_branch = syn_attr_graph(c->op, c->attr, "else_branch"), *body;
    struct syn_op_call *to = syn_maker(c);
    struct syn_tensor *out;
    int64_t cond;
    syn_status st = syn_ops_single(c, 0, "cond", SYN_TYPE(BOOL), 0, &cond, err);
    if (st != SYN_OK) return st;
    if (!then_branch || !else_branch)
        return syn_fail(err, SYN_INVALID, "%s: attribute %s is missing", c->op->name,
                        then_branch ? "else_branch" : "then_branch");
    body = cond ? then_branch : else_branch;
    if (1 + then_branch->n_inputs + else_branch->n_inputs != c->n_in || body->n_outputs < c->n_out)
        return syn_fail(
            err, SYN_INVALID,
            "%s: %d operands and %d outputs: the branches have %d and %d inputs, and %d outputs",
            c->op->name, (int)c->n_in, (int)c->n_out, (int)then_branch->n_inputs,
            (int)else_branch->n_inputs, (int)body->n_outputs);
    if (!(out = syn_calloc((size_t)body->n_outputs, sizeof *out)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    st = syn_body_run(c, body, &c->in[1 + (cond ? 0 : then_branch->n_inputs)], out, err);
    for (int32_t o = 0; st == SYN_OK && o < c->n_out; o++) {
        if (c->out[o].shape.rank < 0) continue;
        to->out[o] = out[o];
        out[o].data = NULL;
    }
    syn_body_drop(out, body->n_outputs);
    syn_free(out);
    return st;
}

/* --- Loop ----------------------------------------------------------------------------------- */

struct loop {
    const struct syn_op_call *c;
    const struct syn_graph *body;
    int32_t n_states, n_yields;
    struct syn_tensor *in, *out; /* of the body */
    struct syn_state *state;
    struct syn_gather *yield;
    int64_t run;
    uint8_t cond;
};

static syn_status loop_new(struct loop *l, const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t captures = syn_attr_int(c->op, c->attr, "captures");
    const struct syn_graph *body = syn_attr_graph(c->op, c->attr, "body");
    *l = (struct loop){.c = c, .body = body, .cond = 1};
    if (!body) return syn_fail(err, SYN_INVALID, "%s: attribute body is missing", c->op->name);
    l->n_states = c->n_in - 2 - (int32_t)captures;
    l->n_yields = body->n_outputs - 1 - l->n_states;
    if (l->n_states < 0 || l->n_yields < 0 || body->n_inputs != c->n_in ||
        c->n_out > l->n_states + l->n_yields)
        return syn_fail(err, SYN_INVALID,
                        "%s: %d operands, %d of them captures, %d outputs: the body has %d inputs "
                        "and %d outputs",
                        c->op->name, (int)c->n_in, (int)captures, (int)c->n_out,
                        (int)body->n_inputs, (int)body->n_outputs);
    l->in = syn_calloc((size_t)body->n_inputs + 1, sizeof *l->in);
    l->out = syn_calloc((size_t)body->n_outputs + 1, sizeof *l->out);
    l->state = syn_calloc((size_t)l->n_states + 1, sizeof *l->state);
    l->yield = syn_calloc((size_t)l->n_yields + 1, sizeof *l->yield);
    if (!l->in || !l->out || !l->state || !l->yield)
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int32_t i = 0; i < l->n_states; i++) {
        if (!syn_ops_given(c, 2 + i))
            return syn_fail(err, SYN_INVALID, "%s: operand %d is missing", c->op->name,
                            (int)(2 + i));
        l->state[i].t = c->in[2 + i];
    }
    return SYN_OK;
}

static void loop_free(struct loop *l)
{
    for (int32_t i = 0; l->state && i < l->n_states; i++) syn_state_free(&l->state[i]);
    for (int32_t i = 0; l->yield && i < l->n_yields; i++) syn_gather_free(&l->yield[i]);
    syn_free(l->in);
    syn_free(l->out);
    syn_free(l->state);
    syn_free(l->yield);
}

/* A single number for the body, of the rank that it declares: [] or [1]. */
static struct syn_tensor single(const struct syn_graph *body, int32_t input, syn_dtype t,
                                void *data)
{
    const bool listed = body->value[body->input[input]].shape.rank == 1;
    return (struct syn_tensor){.shape = {.rank = listed, .dim = {1}}, .dtype = t, .data = data};
}

static syn_status loop_once(struct loop *l, struct syn_err *err)
{
    const struct syn_graph *body = l->body;
    const struct syn_tensor *cond = &l->out[0];
    syn_status st;
    l->in[0] = single(body, 0, SYN_I64, &l->run);
    l->in[1] = single(body, 1, SYN_BOOL, &l->cond);
    for (int32_t i = 2; i < body->n_inputs; i++)
        l->in[i] = i - 2 < l->n_states ? l->state[i - 2].t : l->c->in[i];
    if ((st = syn_body_run(l->c, body, l->in, l->out, err)) != SYN_OK) return st;
    if (cond->dtype != SYN_BOOL || syn_ops_elements(&cond->shape) != 1)
        return syn_fail(
            err, SYN_INVALID,
            "%s: the body's condition is %s with %" PRId64 " elements: must be one bool",
            l->c->op->name, syn_dtype_word(cond->dtype), syn_ops_elements(&cond->shape));
    l->cond = *(const uint8_t *)cond->data != 0;
    for (int32_t i = 0; st == SYN_OK && i < l->n_states; i++)
        st = syn_state_take(l->c, &l->state[i], i, &l->out[1 + i], err);
    for (int32_t i = 0; st == SYN_OK && i < l->n_yields; i++) {
        const int32_t o = l->n_states + i;
        if (o < l->c->n_out && l->c->out[o].shape.rank >= 0) /* what nobody wants is not kept */
            st = syn_gather_add(l->c, &l->yield[i], o, &l->out[1 + o], err);
    }
    l->run++;
    return st;
}

static syn_status loop_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct loop l;
    int64_t most, cond;
    syn_status st = loop_new(&l, c, err);
    if (st == SYN_OK) st = syn_ops_single(c, 0, "M", SYN_TYPES_INDEX, INT64_MAX, &most, err);
    if (st == SYN_OK) st = syn_ops_single(c, 1, "cond", SYN_TYPE(BOOL), 1, &cond, err);
    if (st == SYN_OK) l.cond = cond != 0;
    while (st == SYN_OK && l.cond && l.run < most) {
        st = loop_once(&l, err);
        syn_body_drop(l.out, l.body->n_outputs);
    }
    for (int32_t i = 0; st == SYN_OK && i < l.n_states; i++)
        st = syn_state_end(c, &l.state[i], i, err);
    for (int32_t i = 0; st == SYN_OK && i < l.n_yields; i++) {
        const struct syn_value *declared = &l.body->value[l.body->output[1 + l.n_states + i]];
        if (l.n_states + i < c->n_out)
            st = syn_gather_end(c, &l.yield[i], l.n_states + i, declared, 0, false, err);
    }
    loop_free(&l);
    return st;
}

static const struct syn_attr_spec if_attrs[] = {
    {"then_branch", SYN_ATTR_GRAPH, 0, 0, 0},
    {"else_branch", SYN_ATTR_GRAPH, 0, 0, 0},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec loop_attrs[] = {
    {"body", SYN_ATTR_GRAPH, 0, 0, 0},
    {"captures", SYN_ATTR_INT, 0, 0, SYN_MAX_OPERANDS},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_if = {
    .name = "If", .flags = SYN_OP_MAKES, .min_in = 1, .max_in = SYN_MAX_OPERANDS, .n_out = 0,
    .max_out = SYN_MAX_OPERANDS, .attrs = if_attrs, .reference = if_reference,
};
const struct syn_op syn_op_loop = {
    .name = "Loop", .flags = SYN_OP_MAKES, .min_in = 0, .max_in = SYN_MAX_OPERANDS, .n_out = 0,
    .max_out = SYN_MAX_OPERANDS, .attrs = loop_attrs, .reference = loop_reference,
};
