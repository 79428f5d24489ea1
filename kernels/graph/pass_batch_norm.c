/* pass_batch_norm.c - see passes.h: an inference-time BatchNormalization behind a convolution goes
 * into its weights.
 *
 * y = (conv + b - mean) * k + beta with k = gamma / sqrt(var + eps): weights times k, bias (b -
 * mean) * k + beta. */
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include <math.h>

/* Operand k of the BatchNormalization: c floats. */
static const struct syn_value *numbers(const struct syn_graph *g, const struct syn_node *n,
                                       int32_t k, int64_t c)
{
    const struct syn_value *v = k < n->n_in && n->in[k] >= 0 ? &g->value[n->in[k]] : NULL;
    return v && v->data && v->shape.rank == 1 && v->shape.dim[0] == c &&
                   syn_dtype_kind(v->dtype) == 'F'
               ? v
               : NULL;
}

static bool is_inference(const struct syn_node *n)
{
    for (int32_t o = 1; o < n->n_out; o++)
        if (n->out[o] >= 0) return false;
    return !syn_attr_int(n->op, n->attr, "training_mode");
}

static syn_status fold(struct syn_rewrite *r, struct syn_node *n, struct syn_err *err)
{
    struct syn_graph *g = r->g;
    struct syn_node *conv = syn_rewrite_only(r, n->in[0], SYN_OP_CONV_ND);
    const struct syn_value *w = conv ? &g->value[conv->in[1]] : NULL, *b = NULL, *p[4];
    const double epsilon = syn_attr_float(n->op, n->attr, "epsilon");
    const bool biased = conv && conv->n_in > 2 && conv->in[2] >= 0;
    struct syn_shape bias_shape = {.rank = 1};
    int64_t count, each, co;
    float *weights, *bias;
    int32_t weights_value, bias_value;
    syn_status st;
    if (!conv || !w->data || w->dtype != SYN_F32 || w->shape.rank < 3 || !is_inference(n))
        return SYN_OK;
    co = w->shape.dim[0];
    for (int32_t k = 0; k < 4; k++)
        if (!(p[k] = numbers(g, n, 1 + k, co))) return SYN_OK;
    if (biased && !((b = numbers(g, conv, 2, co)))) return SYN_OK;
    if (!syn_shape_elements(&w->shape, &count) || !co) return SYN_OK;
    each = count / co;
    weights = syn_arena_new(&g->arena, (size_t)count, sizeof *weights);
    bias = syn_arena_new(&g->arena, (size_t)co, sizeof *bias);
    if (!weights || !bias) return syn_fail(err, SYN_NO_MEMORY, "batch norm: no memory for weights");
    syn_value_floats(w, 0, count, weights);
    for (int64_t o = 0; o < co; o++) {
        const double k =
            (double)syn_value_float(p[0], o) / sqrt((double)syn_value_float(p[3], o) + epsilon);
        for (int64_t i = 0; i < each; i++)
            weights[o * each + i] = (float)((double)weights[o * each + i] * k);
        bias[o] =
            (float)(((b ? (double)syn_value_float(b, o) : 0) - (double)syn_value_float(p[2], o)) *
                        k +
                    (double)syn_value_float(p[1], o));
    }
    const struct syn_shape weights_shape = w->shape; /* w moves with the next constant */
    bias_shape.dim[0] = co;
    st = syn_graph_constant(g, conv->name, SYN_F32, &weights_shape, weights, &weights_value, err);
    if (st == SYN_OK)
        st = syn_graph_constant(g, conv->name, SYN_F32, &bias_shape, bias, &bias_value, err);
    if (st != SYN_OK) return st;
    conv->in[1] = weights_value;
    conv->in[2] = bias_value; /* room: graph.c leaves max_in operands */
    conv->n_in = 3;
    syn_rewrite_bypass(r, n, conv->out[0]);
    return SYN_OK;
}

syn_status syn_pass_batch_norm(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++)
        if (g->node[i].op && g->node[i].id == SYN_OP_BATCH_NORMALIZATION)
            st = fold(&r, &g->node[i], err);
    syn_rewrite_close(&r);
    return st;
}
