/* concat.c - which operands of a concat lie in its result's buffer. See syn_place_concats.
 *
 * Concats are taken from the last to the first, so that the largest of a growing family (a dense
 * block's) owns the buffer and the smaller ones are its beginnings. */
#include "kernels/backend/backend.h"

/* May the operands of this concat lie in its result's buffer at all? */
static bool can_view(const struct syn_placement *p, const struct syn_node *n, const bool *movable,
                     int32_t granule)
{
    const struct syn_graph *g = p->g;
    if (syn_attr_int(n->op, n->attr, "axis") != 1 || !movable[n->out[0]]) return false;
    for (int32_t k = 0; k < n->n_in; k++) {
        const int32_t v = n->in[k];
        if (g->value[v].data || !movable[v] || g->value[v].shape.dim[1] % granule != 0)
            return false;
        for (int32_t other = 0; other < k; other++)
            if (n->in[other] == v) return false; /* one value can't lie in two places */
    }
    return true;
}

/* The operands lie side by side in one other buffer already (a larger concat took them): so does
 * the result. */
static bool is_beginning(const struct syn_placement *p, const struct syn_node *n,
                         const struct syn_place *place, const int64_t *first_channel)
{
    const int32_t root = place[n->in[0]].root;
    int64_t at = first_channel[n->in[0]];
    if (root == n->in[0] || place[n->out[0]].root != n->out[0]) return false;
    for (int32_t k = 0; k < n->n_in; k++) {
        if (place[n->in[k]].root != root || first_channel[n->in[k]] != at) return false;
        at += p->g->value[n->in[k]].shape.dim[1];
    }
    return true;
}

/* Whoever reads this one's result has been seen: an operand is taken (root is not itself) or free,
 * and never the owner of views. */
static void view_concat(const struct syn_placement *p, const struct syn_node *n,
                        struct syn_place *place, int64_t *first_channel)
{
    const int32_t out = n->out[0];
    int64_t at = first_channel[out]; /* 0 unless the result is a view */
    if (is_beginning(p, n, place, first_channel)) {
        place[out].root = place[n->in[0]].root;
        first_channel[out] = first_channel[n->in[0]];
        return;
    }
    for (int32_t k = 0; k < n->n_in; k++) { /* the free ones move in; taken ones will be copied */
        if (place[n->in[k]].root == n->in[k]) {
            place[n->in[k]].root = place[out].root;
            first_channel[n->in[k]] = at;
        }
        at += p->g->value[n->in[k]].shape.dim[1];
    }
}

void syn_place_concats(const struct syn_placement *p, const bool *movable, int32_t granule,
                       struct syn_place *place, int64_t *first_channel)
{
    for (int32_t i = p->g->n_nodes - 1; i >= 0; i--) {
        const struct syn_node *n = &p->g->node[i];
        if (n->op && n->id == SYN_OP_CONCAT && can_view(p, n, movable, granule))
            view_concat(p, n, place, first_channel);
    }
}
