/* pass_qdq.c - see passes.h: quantised models run on real numbers. Weights behind DequantizeLinear
 * are constants after folding; what is left are pairs QuantizeLinear -> DequantizeLinear around
 * activations, which only round: they are taken out, also where a Transpose or Reshape stands
 * between the two. */
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include <string.h>

static bool same_constant(const struct syn_graph *g, int32_t a, int32_t b)
{
    const struct syn_value *x, *y;
    int64_t n;
    if (a == b) return true;
    if (a < 0 || b < 0) return false;
    x = &g->value[a], y = &g->value[b];
    return x->data && y->data && x->dtype == y->dtype && syn_shape_equal(&x->shape, &y->shape) &&
           syn_shape_elements(&x->shape, &n) &&
           !memcmp(x->data, y->data, (size_t)n * syn_dtype_bytes(x->dtype));
}

static int32_t operand(const struct syn_node *n, int32_t k) { return k < n->n_in ? n->in[k] : -1; }

/* The pair undoes itself but for rounding. */
static bool same_grid(const struct syn_graph *g, const struct syn_node *q,
                      const struct syn_node *dq)
{
    return same_constant(g, q->in[1], dq->in[1]) && same_constant(g, operand(q, 2), operand(dq, 2));
}

static bool carries(syn_op_id id)
{
    return id == SYN_OP_TRANSPOSE || id == SYN_OP_RESHAPE_TO || id == SYN_OP_SQUEEZE ||
           id == SYN_OP_UNSQUEEZE || id == SYN_OP_FLATTEN;
}

static void take_out(struct syn_rewrite *r, struct syn_node *dq)
{
    struct syn_graph *g = r->g;
    struct syn_node *q = syn_rewrite_maker(r, dq->in[0], SYN_OP_QUANTIZE_LINEAR), *between;
    int32_t p;
    if (q) {
        if (same_grid(g, q, dq)) syn_rewrite_bypass(r, dq, q->in[0]);
        return;
    }
    p = g->value[dq->in[0]].producer;
    between = p >= 0 ? &g->node[p] : NULL;
    if (!between || !between->op || !carries(between->id) || r->uses[dq->in[0]] != 1) return;
    q = syn_rewrite_maker(r, between->in[0], SYN_OP_QUANTIZE_LINEAR);
    if (!q || !same_grid(g, q, dq)) return;
    /* per-axis grids name an axis, which the node between may have moved: those are left alone */
    if (g->value[q->in[1]].shape.rank > 0 && g->value[q->in[1]].shape.dim[0] != 1) return;
    r->uses[between->in[0]]--;
    between->in[0] = q->in[0];
    r->uses[q->in[0]]++;
    syn_rewrite_bypass(r, dq, between->out[0]);
}

syn_status syn_pass_qdq(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++)
        if (g->node[i].op && g->node[i].id == SYN_OP_DEQUANTIZE_LINEAR) take_out(&r, &g->node[i]);
    syn_rewrite_close(&r);
    return st;
}
