/* place.c - where the CUDA backend keeps each value.
 *
 * - Rank-4 f32 values lie as NHWC (one block as wide as a pixel), f16 or bf16 when the plan is; the
 *   pitch is the channels rounded up to 8, so that 16-byte accesses never leave a pixel.
 * - Vectors ([n,c,1,1]) and, in bf16, pictures that come in are f32; so are pictures of up to 4
 *   channels that no convolution reads: what leaves the network is not rounded before it is bytes.
 * - A concat along channels whose parts are multiples of 8 is one buffer and its parts are views of
 *   it: pixels of the view are as far apart as those of the buffer.
 * - Everything of another rank or type is dense; kernels here take none of it. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"

#define FEW_CHANNELS 4
#define MOST 0x7fffffff

static bool is_picture(const struct syn_graph *g, int32_t v)
{
    return g->value[v].shape.rank == 4 && g->value[v].dtype == SYN_F32 && !g->value[v].data;
}

static bool is_conv(const struct syn_node *n)
{
    return n->op && (n->id == SYN_OP_CONV || n->id == SYN_OP_CONV_TRANSPOSE);
}

struct traits {
    bool conv_reads, input;
};

static void gather(const struct syn_graph *g, struct traits *t)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (is_conv(&g->node[i])) t[g->node[i].in[SYN_CONV_X]].conv_reads = true;
    for (int32_t i = 0; i < g->n_inputs; i++) t[g->input[i]].input = true;
}

static syn_dtype dtype_of(const struct syn_placement *p, int32_t v, const struct traits *t)
{
    const struct syn_shape *s = &p->g->value[v].shape;
    if (!p->bf16 && !p->f16) return SYN_F32;
    if (s->dim[2] * s->dim[3] <= 1) return SYN_F32;
    if (s->dim[1] <= FEW_CHANNELS && (!t[v].conv_reads || (t[v].input && p->bf16))) return SYN_F32;
    return p->f16 ? SYN_F16 : SYN_BF16;
}

static syn_status place_root(const struct syn_placement *p, struct syn_place *place, int32_t v,
                             const struct traits *t, struct syn_err *err)
{
    const struct syn_shape *s = &p->g->value[v].shape;
    const bool picture = is_picture(p->g, v);
    int32_t pitch = 0;
    for (int32_t d = 0; picture && d < 4; d++)
        if (s->dim[d] > MOST - CUDA_GRANULE)
            return syn_fail(err, SYN_TOO_LARGE, "%s: a side of over 2^31", p->g->value[v].name);
    if (picture) pitch = cuda_padded((int32_t)s->dim[1]);
    if (!syn_place_shape(&place[v], s, pitch, 0,
                         picture ? dtype_of(p, v, t) : p->g->value[v].dtype, &place[v].bytes))
        return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^63 bytes", p->g->value[v].name);
    return SYN_OK;
}

static void place_view(struct syn_place *v, const struct syn_place *root, int64_t first_channel)
{
    const int32_t index = v->root;
    *v = *root;
    v->root = index;
    v->offset_bytes = (size_t)first_channel * syn_dtype_bytes(root->dtype);
    v->bytes = 0;
}

syn_status cuda_place(void *self, const struct syn_placement *p, struct syn_place *place,
                      struct syn_err *err)
{
    const struct syn_graph *g = p->g;
    struct traits *t = syn_calloc((size_t)g->n_values + 1, sizeof *t);
    int64_t *first_channel = syn_calloc((size_t)g->n_values + 1, sizeof *first_channel);
    bool *movable = syn_calloc((size_t)g->n_values + 1, sizeof *movable);
    syn_status st = t && first_channel && movable ? SYN_OK
                                                  : syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    if (st == SYN_OK && p->bf16 && ((const struct cuda_self *)self)->capability < 80)
        st = syn_fail(err, SYN_UNSUPPORTED, "bf16 needs compute capability 8.0: use f16");
    if (st != SYN_OK) goto done;
    gather(g, t);
    for (int32_t v = 0; v < g->n_values; v++) {
        place[v].root = v;
        movable[v] = is_picture(g, v);
    }
    if (p->concat_views) syn_place_concats(p, movable, CUDA_GRANULE, place, first_channel);
    for (int32_t v = 0; st == SYN_OK && v < g->n_values; v++)
        if (place[v].root == v && !g->value[v].data) st = place_root(p, place, v, t, err);
    for (int32_t v = 0; st == SYN_OK && v < g->n_values; v++)
        if (place[v].root != v) place_view(&place[v], &place[place[v].root], first_channel[v]);
done:
    syn_free(movable);
    syn_free(first_channel);
    syn_free(t);
    return st;
}

struct cuda_view cuda_view_of(const struct syn_placement *p, const struct syn_place *place,
                              int32_t value)
{
    const struct syn_shape *s = &p->g->value[value].shape;
    const struct syn_place *at = &place[value];
    return (struct cuda_view){.dtype = at->dtype,
                              .n = (int32_t)s->dim[0],
                              .c = (int32_t)s->dim[1],
                              .h = (int32_t)s->dim[2],
                              .w = (int32_t)s->dim[3],
                              .pitch = at->block};
}
