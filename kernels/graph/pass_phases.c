/* pass_phases.c - see passes.h: nearest-2x + conv 3x3 as a transposed convolution. */
#include "kernels/base/alloc.h"
#include "kernels/graph/op_words.h"
#include "kernels/graph/nearest.h"
#include "kernels/graph/passes.h"
#include <string.h>

static bool list_is(const struct syn_node *n, const char *name, int32_t count, int64_t each)
{
    const struct syn_attr *a = syn_attr_list(n->op, n->attr, name);
    for (int32_t i = 0; i < a->n; i++)
        if (a->v.i[i] != each) return false;
    return a->n == count;
}
static bool list_is_or_empty(const struct syn_node *n, const char *name, int32_t count,
                             int64_t each)
{
    return syn_attr_list(n->op, n->attr, name)->n == 0 || list_is(n, name, count, each);
}

static bool is_plain_3x3(const struct syn_graph *g, const struct syn_node *n)
{
    const struct syn_value *w;
    if (!n->op || n->id != SYN_OP_CONV || n->n_in < 2) return false;
    w = &g->value[n->in[SYN_CONV_W]];
    for (int32_t i = SYN_CONV_RES1; i < n->n_in; i++)
        if (n->in[i] >= 0) return false; /* residuals: CONV_TRANSPOSE has none */
    return w->data && w->shape.rank == 4 && w->shape.dim[2] == 3 && w->shape.dim[3] == 3 &&
           syn_attr_int(n->op, n->attr, "group") == 1 &&
           syn_attr_float(n->op, n->attr, "alpha") == 1.0 && list_is_or_empty(n, "strides", 2, 1) &&
           list_is_or_empty(n, "dilations", 2, 1) && list_is(n, "pads", 4, 1);
}

/* One axis: position j of the 4-tap kernel sums positions from[j][0] .. from[j][1] of the 3-tap
 *           one. */
static const int8_t from[4][2] = {{2, 2}, {1, 2}, {0, 1}, {0, 0}};

/* [co,ci,3,3] -> [ci,co,4,4]. */
static syn_status phase_weights(struct syn_graph *g, int32_t w_index, int32_t *out,
                                struct syn_err *err)
{
    const struct syn_value w = g->value[w_index];
    const int64_t co = w.shape.dim[0], ci = w.shape.dim[1];
    const struct syn_shape shape = syn_shape4(ci, co, 4, 4);
    float *data = syn_arena_new(&g->arena, (size_t)(co * ci) * 16, sizeof *data), *p = data;
    if (!data)
        return syn_fail(err, SYN_NO_MEMORY, "phases: no memory for the weights of %s", w.name);
    for (int64_t i = 0; i < ci; i++)
        for (int64_t o = 0; o < co; o++)
            for (int jy = 0; jy < 4; jy++)
                for (int jx = 0; jx < 4; jx++) {
                    double sum = 0;
                    for (int ky = from[jy][0]; ky <= from[jy][1]; ky++)
                        for (int kx = from[jx][0]; kx <= from[jx][1]; kx++)
                            sum += (double)syn_value_float(&w, (o * ci + i) * 9 + ky * 3 + kx);
                    *p++ = (float)sum;
                }
    syn_status st = syn_graph_constant(g, w.name, SYN_F32, &shape, data, out, err);
    if (st == SYN_OK)
        g->value[*out].key = w.key ? w.key * 0x9e3779b97f4a7c15u + 1 : 0; /* same in every plan */
    return st;
}

static syn_status rewrite(struct syn_graph *g, int32_t resize, int32_t conv, struct syn_err *err)
{
    const struct syn_node *old = &g->node[conv];
    const int64_t strides[2] = {2, 2}, pads[4] = {1, 1, 1, 1};
    const struct syn_attr attrs[] = {
        syn_attr_of_ints("strides", 2, strides),
        syn_attr_of_ints("pads", 4, pads),
        syn_attr_of_int("act", syn_attr_int(old->op, old->attr, "act")),
        syn_attr_of_float("act_a", syn_attr_float(old->op, old->attr, "act_a")),
        syn_attr_of_float("act_b", syn_attr_float(old->op, old->attr, "act_b")),
    };
    int32_t in[4], w, out;
    struct syn_node *fresh;
    syn_status st = phase_weights(g, old->in[SYN_CONV_W], &w, err);
    if (st != SYN_OK) return st;
    in[SYN_CONV_X] = g->node[resize].in[0];
    in[SYN_CONV_W] = w;
    in[SYN_CONV_BIAS] = old->n_in > SYN_CONV_BIAS ? old->in[SYN_CONV_BIAS] : -1;
    in[SYN_CONV_SLOPE] = old->n_in > SYN_CONV_SLOPE ? old->in[SYN_CONV_SLOPE] : -1;
    st = syn_graph_node(g, SYN_OP_CONV_TRANSPOSE, old->name, 4, in, sizeof attrs / sizeof *attrs,
                        attrs, &out, err);
    if (st != SYN_OK) return st;
    fresh = &g->node[--g->n_nodes]; /* appended; it belongs where the convolution stood */
    fresh->out[0] = g->node[conv].out[0];
    g->node[conv] = *fresh;
    g->node[resize].op = NULL;
    return SYN_OK;
}

syn_status syn_pass_phases(struct syn_graph *g, struct syn_err *err)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        int32_t p;
        syn_status st;
        if (!is_plain_3x3(g, &g->node[i])) continue;
        p = g->value[g->node[i].in[0]].producer;
        if (p < 0 || !syn_is_nearest_by(g, &g->node[p], 2) ||
            syn_graph_uses(g, g->node[i].in[0]) != 1)
            continue;
        if ((st = rewrite(g, p, i, err)) != SYN_OK) return st;
    }
    return SYN_OK;
}
