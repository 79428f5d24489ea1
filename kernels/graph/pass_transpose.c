/* pass_transpose.c - see passes.h: transposes meet and cancel.
 *
 * A Transpose moves down through operators that work element by element, and up through a Pad,
 * whose pads are permuted; two that meet become one, and one that changes nothing goes. Models
 * from channels-last frameworks are left with a transpose where pictures come in and go out. */
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include <string.h>

#define MAX_ROUNDS 64

/* The permutation, false when it is left to the rank, which is not known. */
static bool perm_of(const struct syn_node *n, int64_t perm[SYN_MAX_RANK], int32_t *rank)
{
    const struct syn_attr *a = syn_attr_list(n->op, n->attr, "perm");
    if (a->n < 1 || a->n > SYN_MAX_RANK) return false;
    memcpy(perm, a->v.i, (size_t)a->n * sizeof *perm);
    *rank = a->n;
    for (int32_t d = 0; d < a->n; d++)
        if (perm[d] < 0 || perm[d] >= a->n) return false;
    return true;
}

static bool is_unary(syn_op_id id)
{
    switch (id) {
    case SYN_OP_RELU:
    case SYN_OP_LEAKY_RELU:
    case SYN_OP_SIGMOID:
    case SYN_OP_TANH:
    case SYN_OP_ELU:
    case SYN_OP_HARD_SWISH:
    case SYN_OP_HARD_SIGMOID:
    case SYN_OP_SQRT:
    case SYN_OP_EXP:
    case SYN_OP_NEG:
    case SYN_OP_ABS: return true;
    default: return false;
    }
}

static syn_status put_transpose(struct syn_rewrite *r, struct syn_node *at, int32_t x, int32_t rank,
                                const int64_t *perm, struct syn_err *err)
{
    const struct syn_attr attr = syn_attr_of_ints("perm", rank, perm);
    const struct syn_node_spec spec = {.id = SYN_OP_TRANSPOSE,
                                       .name = at->name,
                                       .opset = at->opset,
                                       .n_in = 1,
                                       .in = &x,
                                       .n_attrs = 1,
                                       .attrs = &attr,
                                       .n_out = 1};
    return syn_rewrite_put(r, at, &spec, err);
}

/* T2(T1(x)) = T(x), T[i] = perm1[perm2[i]]. */
static syn_status merge(struct syn_rewrite *r, struct syn_node *second, bool *changed,
                        struct syn_err *err)
{
    struct syn_node *first = syn_rewrite_maker(r, second->in[0], SYN_OP_TRANSPOSE);
    int64_t p1[SYN_MAX_RANK], p2[SYN_MAX_RANK], p[SYN_MAX_RANK];
    int32_t n1, n2;
    bool nothing = true;
    if (!perm_of(second, p2, &n2)) return SYN_OK;
    for (int32_t d = 0; d < n2; d++) nothing = nothing && p2[d] == d;
    if (nothing) {
        syn_rewrite_bypass(r, second, second->in[0]);
        *changed = true;
        return SYN_OK;
    }
    if (!first || !perm_of(first, p1, &n1) || n1 != n2) return SYN_OK;
    for (int32_t d = 0; d < n2; d++) p[d] = p1[p2[d]];
    *changed = true;
    return put_transpose(r, second, first->in[0], n2, p, err);
}

/* f(T(x)) = T(f(x)): the two nodes trade places; both stay where they stand in the order. */
static bool sink(struct syn_rewrite *r, struct syn_node *f)
{
    struct syn_graph *g = r->g;
    struct syn_node *t = is_unary(f->id) ? syn_rewrite_only(r, f->in[0], SYN_OP_TRANSPOSE) : NULL,
                    swap;
    int32_t x, middle, end;
    if (!t) return false;
    x = t->in[0], middle = t->out[0], end = f->out[0];
    swap = *t;
    *t = *f;
    *f = swap;
    t->in[0] = x, t->out[0] = middle;
    f->in[0] = middle, f->out[0] = end;
    g->value[middle].producer = (int32_t)(t - g->node);
    g->value[end].producer = (int32_t)(f - g->node);
    return true;
}

/* T(Pad(x, p)) = Pad(T(x), p permuted), with constant pads over all axes. */
static syn_status raise(struct syn_rewrite *r, struct syn_node *t, bool *changed,
                        struct syn_err *err)
{
    struct syn_graph *g = r->g;
    struct syn_node *pad = syn_rewrite_only(r, t->in[0], SYN_OP_PAD_ND), swap;
    int64_t perm[SYN_MAX_RANK], p[2 * SYN_MAX_RANK], q[2 * SYN_MAX_RANK];
    int32_t rank, pads_value, x, middle, end;
    struct syn_shape shape = {.rank = 1};
    struct syn_tensor pads;
    syn_status st;
    if (!pad || pad->n_in < 2 || (pad->n_in > 3 && pad->in[3] >= 0) || !perm_of(t, perm, &rank) ||
        syn_rewrite_ints(g, pad->in[1], p, 2 * SYN_MAX_RANK) != 2 * rank)
        return SYN_OK;
    for (int32_t d = 0; d < rank; d++) q[d] = p[perm[d]], q[rank + d] = p[rank + perm[d]];
    shape.dim[0] = 2 * rank;
    pads = (struct syn_tensor){shape, SYN_I64, q};
    if ((st = syn_graph_constant_tensor(g, pad->name, &pads, &pads_value, err)) != SYN_OK)
        return st;
    x = pad->in[0], middle = pad->out[0], end = t->out[0];
    swap = *pad;
    *pad = *t;
    *t = swap;
    pad->in[0] = x, pad->out[0] = middle;
    t->in[0] = middle, t->out[0] = end, t->in[1] = pads_value;
    g->value[middle].producer = (int32_t)(pad - g->node);
    g->value[end].producer = (int32_t)(t - g->node);
    *changed = true;
    return SYN_OK;
}

syn_status syn_pass_transpose(struct syn_graph *g, struct syn_err *err)
{
    bool changed = true;
    syn_status st = SYN_OK;
    for (int32_t round = 0; st == SYN_OK && changed && round < MAX_ROUNDS; round++) {
        struct syn_rewrite r;
        changed = false;
        st = syn_rewrite_open(&r, g, err);
        for (int32_t i = 0, n = g->n_nodes; st == SYN_OK && i < n; i++) {
            if (!g->node[i].op) continue;
            if (g->node[i].id == SYN_OP_TRANSPOSE) st = merge(&r, &g->node[i], &changed, err);
            if (st == SYN_OK && g->node[i].op && g->node[i].id == SYN_OP_TRANSPOSE)
                st = raise(&r, &g->node[i], &changed, err);
            if (st == SYN_OK && g->node[i].op) changed |= sink(&r, &g->node[i]);
        }
        syn_rewrite_close(&r);
    }
    return st;
}
