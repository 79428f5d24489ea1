/* pass_fold.c - see passes.h: constants computed once, identities removed. */
#include "kernels/base/alloc.h"
#include "kernels/graph/passes.h"
#include <string.h>

static bool is_constant(const struct syn_graph *g, int32_t value)
{
    return value >= 0 && g->value[value].data != NULL;
}

/* The node hands its first operand through unchanged. */
static bool is_identity(const struct syn_graph *g, const struct syn_node *n)
{
    if (n->n_in < 1 || n->in[0] < 0 || n->n_out < 1 || n->out[0] < 0) return false;
    const struct syn_value *x = &g->value[n->in[0]], *y = &g->value[n->out[0]];
    if (!syn_shape_equal(&x->shape, &y->shape)) return false;
    switch (n->id) {
    case SYN_OP_IDENTITY:
    case SYN_OP_RESHAPE:
    case SYN_OP_PAD: /* pads are never negative: same shape = nothing padded */
        return true;
    case SYN_OP_CROP:
        return syn_attr_int(n->op, n->attr, "top") == 0 &&
               syn_attr_int(n->op, n->attr, "left") == 0;
    case SYN_OP_CONCAT:
        return n->n_in == 1;
    default:
        return false;
    }
}

/* This pass computes in f32: other types are syn_graph_specialise's to fold. */
static bool is_f32(const struct syn_graph *g, const struct syn_node *n)
{
    if (n->n_in < 1 || (n->op->flags & (SYN_OP_RANDOM | SYN_OP_MAKES))) return false;
    for (int32_t k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0 && g->value[n->in[k]].dtype != SYN_F32 && g->value[n->in[k]].dtype != SYN_F16)
            return false;
    for (int32_t k = 0; k < n->n_out; k++)
        if (n->out[k] < 0 || g->value[n->out[k]].dtype != SYN_F32) return false;
    return true;
}

/* Computes a node of constants with its reference; the outputs become constants. */
static syn_status compute(struct syn_graph *g, struct syn_node *n, int32_t index,
                          struct syn_err *err)
{
    struct syn_op_call *c = syn_alloc(sizeof *c);
    syn_status st = SYN_OK;
    float *out[SYN_MAX_OPERANDS] = {NULL};
    if (!c) return syn_fail(err, SYN_NO_MEMORY, "fold: no memory");
    syn_graph_call(g, index, c);
    for (int32_t i = 0; st == SYN_OK && i < n->n_in + n->n_out;
         i++) { /* f32 copies of operands; room for results */
        struct syn_tensor *t = i < n->n_in ? &c->in[i] : &c->out[i - n->n_in];
        int64_t elements;
        float *data;
        if (t->shape.rank < 0) continue;
        if (!syn_shape_elements(&t->shape, &elements) ||
            !(data = syn_arena_new(&g->arena, (size_t)elements, sizeof *data))) {
            st = syn_fail(err, SYN_NO_MEMORY, "fold %s: no memory", n->name);
            break;
        }
        for (int64_t k = 0; i < n->n_in && k < elements; k++)
            data[k] = syn_value_float(&g->value[n->in[i]], k);
        if (i >= n->n_in) out[i - n->n_in] = data;
        t->data = data;
        t->dtype = SYN_F32;
    }
    if (st == SYN_OK) st = n->op->reference(c, err);
    for (int32_t o = 0; st == SYN_OK && o < n->n_out; o++) {
        g->value[n->out[o]].data = out[o];
        g->value[n->out[o]].dtype = SYN_F32;
        g->value[n->out[o]].producer = -1;
    }
    if (st == SYN_OK) n->op = NULL;
    syn_free(c);
    return st;
}

syn_status syn_pass_fold(struct syn_graph *g, struct syn_err *err)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        struct syn_node *n = &g->node[i];
        bool all_constant = true;
        if (!n->op) continue;
        for (int32_t k = 0; k < n->n_in; k++)
            all_constant &= n->in[k] < 0 || is_constant(g, n->in[k]);
        if (all_constant && is_f32(g, n)) {
            syn_status st = compute(g, n, i, err);
            if (st != SYN_OK) return st;
        } else if (is_identity(g, n)) {
            syn_graph_replace(g, n->out[0], n->in[0]);
            n->op = NULL;
        }
    }
    syn_graph_sweep(g);
    return SYN_OK;
}
