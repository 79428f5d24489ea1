/* pass_shuffle.c - see passes.h: pixel shuffle with an enlarged residual. */
#include "kernels/graph/nearest.h"
#include "kernels/graph/passes.h"

/* The node that makes `value`, if it is of this kind and read once. */
static struct syn_node *only(struct syn_graph *g, int32_t value, syn_op_id id)
{
    const int32_t p = value >= 0 ? g->value[value].producer : -1;
    if (p < 0 || !g->node[p].op || g->node[p].id != id || syn_graph_uses(g, value) != 1)
        return NULL;
    return &g->node[p];
}

syn_status syn_pass_fuse_shuffle(struct syn_graph *g, struct syn_err *err)
{
    (void)err;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        struct syn_node *sum = &g->node[i];
        for (int32_t side = 0; side < 2; side++) {
            struct syn_node *shuffle, *resize;
            int32_t out;
            if (!sum->op || sum->id != SYN_OP_ADD) break;
            out = sum->out[0];
            shuffle = only(g, sum->in[side], SYN_OP_PIXEL_SHUFFLE);
            resize = only(g, sum->in[!side], SYN_OP_RESIZE);
            if (!shuffle || !resize || shuffle->n_in > 1) continue;
            if (!syn_is_nearest_by(g, resize, syn_attr_int(shuffle->op, shuffle->attr, "r")))
                continue;
            if (!syn_shape_equal(&g->value[shuffle->out[0]].shape, &g->value[resize->out[0]].shape))
                continue;
            shuffle->in[1] = resize->in[0]; /* graph.c leaves room for max_in operands */
            shuffle->n_in = 2;
            *sum = *shuffle; /* stands where the sum stood: both operands come before it */
            sum->out[0] = out;
            shuffle->op = NULL;
            resize->op = NULL;
        }
    }
    return SYN_OK;
}
