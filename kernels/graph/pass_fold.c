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
        if (n->in[k] >= 0 && g->value[n->in[k]].dtype != SYN_F32 &&
            g->value[n->in[k]].dtype != SYN_F16)
            return false;
    for (int32_t k = 0; k < n->n_out; k++)
        if (n->out[k] < 0 || g->value[n->out[k]].dtype != SYN_F32) return false;
    return true;
}

/* Computes a node of constants; weights stored in f16 are read as f32. */
static syn_status compute(struct syn_graph *g, int32_t index, struct syn_err *err)
{
    const struct syn_node *n = &g->node[index];
    struct syn_op_call *c = syn_alloc(sizeof *c);
    syn_status st = c ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "fold: no memory");
    bool done;
    if (st != SYN_OK) return st;
    syn_graph_call(g, index, c);
    for (int32_t i = 0; st == SYN_OK && i < n->n_in; i++) {
        struct syn_tensor *t = &c->in[i];
        int64_t elements;
        if (t->shape.rank < 0 || t->dtype == SYN_F32) continue;
        if (!syn_shape_elements(&t->shape, &elements) ||
            !(t->data = syn_arena_new(&g->arena, elements ? (size_t)elements : 1, sizeof(float)))) {
            st = syn_fail(err, SYN_NO_MEMORY, "fold %s: no memory", n->name);
            break;
        }
        syn_value_floats(&g->value[n->in[i]], 0, elements, t->data);
        t->dtype = SYN_F32;
    }
    if (st == SYN_OK) st = syn_graph_fold_node(g, index, c, SYN_MAX_ELEMENTS, &done, err);
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
            const syn_status st = compute(g, i, err);
            if (st != SYN_OK) return st;
        } else if (is_identity(g, n)) {
            syn_graph_replace(g, n->out[0], n->in[0]);
            n->op = NULL;
        }
    }
    syn_graph_sweep(g);
    return SYN_OK;
}
