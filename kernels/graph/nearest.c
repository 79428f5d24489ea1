/* nearest.c - see nearest.h. */
#include "kernels/graph/nearest.h"
#include "kernels/graph/op_words.h"

/* Half-pixel coordinates of the r outputs of pixel k lie within half a pixel of k, so rounding to
 * nearest gives k (r odd: the middle one is k itself; no output lies at a tie). Asymmetric ones
 * lie in [k, k+1) and must be rounded down; for r = 2 the tie k + 1/2 prefers the floor. */
bool syn_is_nearest_by(const struct syn_graph *g, const struct syn_node *n, int64_t r)
{
    const struct syn_shape *x, *y;
    int64_t coord, round;
    if (!n->op || n->id != SYN_OP_RESIZE ||
        syn_attr_int(n->op, n->attr, "mode") != SYN_RESIZE_NEAREST)
        return false;
    coord = syn_attr_int(n->op, n->attr, "coord");
    round = syn_attr_int(n->op, n->attr, "round");
    if (coord == SYN_COORD_HALF_PIXEL
            ? round != SYN_ROUND_PREFER_FLOOR && round != SYN_ROUND_PREFER_CEIL
            : coord != SYN_COORD_ASYMMETRIC ||
                  (round != SYN_ROUND_FLOOR && (r != 2 || round != SYN_ROUND_PREFER_FLOOR)))
        return false;
    x = &g->value[n->in[0]].shape;
    y = &g->value[n->out[0]].shape;
    return x->rank == 4 && y->dim[2] == r * x->dim[2] && y->dim[3] == r * x->dim[3];
}
