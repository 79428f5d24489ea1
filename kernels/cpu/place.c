/* place.c - where the CPU backend keeps each value: precision, blocks, frames, views, the caller's
 * memory.
 *
 * - Rank-4 values live in blocks of 16 channels, bf16 when the plan is, with a frame as wide as the
 *   widest-reaching convolution that reads them.
 * - Few-channel values that no convolution reads (pictures on their way out) are f32 planes: blocks
 *   of 16 would be mostly padding. One that is a graph output lies in the caller's memory.
 * - Where only nested convolutions (conv_nested.c) read them they are planes as well, from the
 *   caller's memory if a PAD is all that reads it there.
 * - One that a Transpose makes and strided convolutions alone read lies in blocks of four, which
 *   those read as well as any: a quarter of the bytes. (With stride 1 the kernels know their
 *   distance beforehand, and it is sixteen.)
 * - A picture coming in stays f32, and the convolution that reads it runs in f32: three channels
 *   cost nothing, while bf16 would round the brighter half of all 8-bit pixels.
 * - What no convolution reads any more, directly or not, stays f32 to the end, if it fits one block
 *   of channels: wider values (48 channels before a pixel shuffle) would cost more memory than they
 *   gain.
 * - 1x1 values (squeeze-and-excite vectors) are f32. Everything of another rank is dense f32.
 * - A concat along channels whose parts are multiples of 16 is one buffer and its parts are views
 *   of it: a dense block writes side by side and nothing is copied. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include <string.h>

#define FEW_CHANNELS 4

struct traits { /* per value, while placing */
    bool conv_reads, input;
    /* a PAD whose result convolutions read: rounded there anyway, and best written where it goes */
    bool pad_reads;
    bool feeds_conv; /* a convolution reads it, or something made from it */
    bool quads;      /* in blocks of four: see above */
    bool planes;     /* only convolutions that want it so read it, or Transposes alone know it */
    bool is_read, otherwise; /* by a node; by another than a Transpose */
    int32_t frame;
};

static bool is_conv(const struct syn_node *n)
{
    return n->op && (n->id == SYN_OP_CONV || n->id == SYN_OP_CONV_TRANSPOSE);
}

/* Pictures in another order, NHWC, that a Transpose alone reads or makes: planes of them would be
 * rows of something else, so they lie dense. */
static void gather_turned(const struct syn_graph *g, struct traits *t)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++) {
            const int32_t v = g->node[i].in[k];
            if (v < 0) continue;
            t[v].is_read = true;
            t[v].otherwise |= g->node[i].id != SYN_OP_TRANSPOSE;
        }
    for (int32_t v = 0; v < g->n_values; v++) {
        const int32_t p = g->value[v].producer;
        const bool made = p >= 0 && g->node[p].op,
                   turned = made && g->node[p].id == SYN_OP_TRANSPOSE;
        if (g->value[v].shape.rank == 4 && !g->value[v].data && !t[v].otherwise &&
            (turned || (!made && t[v].is_read)))
            t[v].planes = true;
    }
}

/* Which values stay planes although convolutions read them. */
static void gather_planes(const struct cpu_self *self, const struct syn_placement *p,
                          struct traits *t)
{
    const struct syn_graph *g = p->g;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (is_conv(&g->node[i]) && cpu_conv_nested_takes(self, p, i))
            t[g->node[i].in[SYN_CONV_X]].planes = true;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        const bool nested = is_conv(n) && cpu_conv_nested_takes(self, p, i);
        for (int32_t k = 0; n->op && k < n->n_in; k++)
            if (n->in[k] >= 0 && !(nested && k == SYN_CONV_X)) t[n->in[k]].planes = false;
    }
    for (int32_t i = 0; i < g->n_outputs; i++) t[g->output[i]].planes = false;
    gather_turned(g, t);
    for (int32_t i = 0; i < g->n_nodes; i++) /* a convolution zeroes the frames of blocks alone */
        if (is_conv(&g->node[i])) t[g->node[i].out[0]].planes = false;
}

/* Which values are pictures from a Transpose that only strided convolutions of ours read. */
static void gather_quads(const struct cpu_self *self, const struct syn_placement *p,
                         struct traits *t)
{
    const struct syn_graph *g = p->g;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (n->op && n->id == SYN_OP_TRANSPOSE && g->value[n->out[0]].shape.rank == 4)
            t[n->out[0]].quads = g->value[n->out[0]].shape.dim[1] <= FEW_CHANNELS;
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        for (int32_t k = 0; n->op && k < n->n_in; k++) {
            struct syn_conv c;
            if (n->in[k] < 0 || !t[n->in[k]].quads) continue;
            t[n->in[k]].quads = n->id == SYN_OP_CONV && k == SYN_CONV_X &&
                                cpu_conv_direct_takes(self, p, i, false) &&
                                (!p->bf16 || cpu_conv_direct_takes(self, p, i, true)) &&
                                cpu_conv_of(p, i, &c) && c.stride_w > 1;
        }
    }
    for (int32_t i = 0; i < g->n_outputs; i++) t[g->output[i]].quads = false;
}

static void gather_traits(const struct cpu_self *self, const struct syn_placement *p,
                          struct traits *t)
{
    const struct syn_graph *g = p->g;
    gather_planes(self, p, t);
    gather_quads(self, p, t);
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!is_conv(n)) continue;
        for (int32_t k = 0; k < n->n_in; k++) /* residuals too: the kernels read them in blocks */
            if (n->in[k] >= 0 && !t[n->in[k]].planes) t[n->in[k]].conv_reads = true;
        if (cpu_conv_direct_takes(self, p, i, p->bf16) ||
            cpu_conv_depth_takes(self, p, i, p->bf16)) {
            int32_t frame = cpu_conv_direct_frame(p, i);
            if (frame > t[n->in[0]].frame) t[n->in[0]].frame = frame;
        }
    }
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) { /* backwards: a PAD of a PAD */
        const struct syn_node *n = &g->node[i];
        if (!n->op || (n->id != SYN_OP_PAD && n->id != SYN_OP_CHANNEL_NORM) ||
            !t[n->out[0]].conv_reads)
            continue;
        t[n->in[0]].conv_reads = true; /* in blocks on both sides */
        t[n->in[0]].pad_reads |= n->id == SYN_OP_PAD;
    }
    for (int32_t i = 0; i < g->n_inputs; i++) t[g->input[i]].input = true;
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        const struct syn_node *n = &g->node[i];
        bool feeds = is_conv(n);
        for (int32_t k = 0; n->op && k < n->n_out; k++) feeds |= t[n->out[k]].feeds_conv;
        for (int32_t k = 0; n->op && feeds && k < n->n_in; k++)
            if (n->in[k] >= 0) t[n->in[k]].feeds_conv = true;
    }
}

static bool is_blocked(const struct syn_placement *p, int32_t v, const struct traits *t)
{
    const struct syn_shape *s = &p->g->value[v].shape;
    return s->rank == 4 && p->g->value[v].dtype == SYN_F32 && !t[v].planes &&
           (t[v].conv_reads || s->dim[1] > FEW_CHANNELS);
}

static syn_dtype dtype_of(const struct cpu_self *self, const struct syn_placement *p, int32_t v,
                          bool blocked, const struct traits *t)
{
    const struct syn_shape *s = &p->g->value[v].shape;
    if (t[v].input && !t[v].pad_reads && s->dim[1] <= FEW_CHANNELS && self->own_f32 &&
        self->own_bf16)
        return SYN_F32;
    if (!t[v].feeds_conv && s->dim[1] <= CPU_BLOCK) return SYN_F32;
    return p->bf16 && blocked && s->dim[2] * s->dim[3] > 1 ? SYN_BF16 : SYN_F32;
}

static syn_status place_roots(const struct cpu_self *self, const struct syn_placement *p,
                              struct syn_place *place, const struct traits *t, struct syn_err *err)
{
    const struct syn_graph *g = p->g;
    for (int32_t v = 0; v < g->n_values; v++) {
        const struct syn_shape *s = &g->value[v].shape;
        const bool picture = s->rank == 4 && g->value[v].dtype == SYN_F32,
                   blocked = is_blocked(p, v, t);
        if (g->value[v].data || place[v].root != v) continue;
        if (!syn_place_shape(&place[v], s,
                             !picture  ? 0
                             : blocked ? t[v].quads ? FEW_CHANNELS : CPU_BLOCK
                                       : 1,
                             blocked || t[v].planes ? t[v].frame : 0,
                             picture ? dtype_of(self, p, v, blocked, t) : g->value[v].dtype,
                             &place[v].bytes))
            return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^63 bytes", g->value[v].name);
    }
    return SYN_OK;
}

/* The operand of a PAD may lie in the middle of the result: what writes it then writes there, and
 * the PAD only has the border left to fill. Not where somebody needs a frame of zeros around it, or
 * other values lie in its buffer. */
static void view_pad(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                     struct syn_place *place, const struct traits *t, int32_t *pad_of)
{
    const struct syn_graph *g = p->g;
    const struct syn_node *n = &g->node[node];
    const int32_t in = n->in[0], out = n->out[0];
    if (g->value[in].data || !is_blocked(p, in, t) || !is_blocked(p, out, t) || t[in].frame != 0 ||
        place[in].root != in || place[out].root != out ||
        dtype_of(self, p, in, true, t) != dtype_of(self, p, out, true, t))
        return;
    for (int32_t v = 0; v < g->n_values; v++)
        if (v != in && place[v].root == in) return;
    place[in].root = out;
    pad_of[in] = node;
}

/* An operand of a PAD, whose root has been placed. */
static void place_in_pad(const struct syn_placement *p, struct syn_place *v,
                         const struct syn_place *root, int32_t node)
{
    const struct syn_node *n = &p->g->node[node];
    const struct syn_attr *pads = syn_attr_list(n->op, n->attr, "pads");
    const int64_t top = pads->n == 4 ? pads->v.i[0] : 0, left = pads->n == 4 ? pads->v.i[1] : 0;
    const int32_t index = v->root;
    *v = *root;
    v->root = index;
    v->frame = 0;
    v->offset_bytes =
        (size_t)((root->frame + top) * root->stride_y + (root->frame + left) * root->block) *
        syn_dtype_bytes(root->dtype);
    v->bytes = 0;
}

static void place_views(const struct syn_placement *p, struct syn_place *place,
                        const int64_t *first_channel, const int32_t *pad_of)
{
    for (int32_t v = 0; v < p->g->n_values; v++) {
        const struct syn_place *root = &place[place[v].root];
        if (place[v].root == v) continue;
        if (pad_of[v] >= 0) {
            place_in_pad(p, &place[v], root, pad_of[v]);
            continue;
        }
        place[v].block = root->block;
        place[v].frame = root->frame;
        place[v].dtype = root->dtype;
        place[v].stride_n = root->stride_n;
        place[v].stride_c = root->stride_c;
        place[v].stride_y = root->stride_y;
        place[v].offset_bytes =
            (size_t)(first_channel[v] / CPU_BLOCK * root->stride_c) * syn_dtype_bytes(root->dtype);
        place[v].bytes = 0;
    }
}

/* Nobody but PADs to planes and Transposes read it, which ask no alignment: it may lie in the
 * caller's memory. */
static bool only_moved(const struct syn_graph *g, int32_t v, const struct traits *t)
{
    int32_t readers = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        for (int32_t k = 0; n->op && k < n->n_in; k++) {
            if (n->in[k] != v) continue;
            if (n->id != SYN_OP_TRANSPOSE && (n->id != SYN_OP_PAD || !t[n->out[0]].planes))
                return false;
            readers++;
        }
    }
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (g->output[i] == v) return false;
    return readers > 0;
}

syn_status cpu_place(void *self, const struct syn_placement *p, struct syn_place *place,
                     struct syn_err *err)
{
    const struct syn_graph *g = p->g;
    struct traits *t = syn_calloc((size_t)g->n_values + 1, sizeof *t);
    int64_t *first_channel = syn_calloc((size_t)g->n_values + 1, sizeof *first_channel);
    /* the PAD whose result it lies in */
    int32_t *pad_of = syn_calloc((size_t)g->n_values + 1, sizeof *pad_of);
    bool *movable = syn_calloc((size_t)g->n_values + 1, sizeof *movable);
    syn_status st = t && first_channel && pad_of && movable
                        ? SYN_OK
                        : syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    if (st != SYN_OK) goto done;
    for (int32_t v = 0; v < g->n_values; v++) place[v].root = v, pad_of[v] = -1;
    gather_traits(self, p, t);
    for (int32_t v = 0; v < g->n_values; v++)
        movable[v] = is_blocked(p, v, t) && g->value[v].shape.dim[0] == 1;
    if (p->concat_views) syn_place_concats(p, movable, CPU_BLOCK, place, first_channel);
    for (int32_t i = 0; p->concat_views && i < g->n_nodes; i++)
        if (g->node[i].op && g->node[i].id == SYN_OP_PAD) view_pad(self, p, i, place, t, pad_of);
    for (int32_t v = 0; v < g->n_values; v++) { /* one frame for the whole family */
        const int32_t root = place[v].root;
        if (t[v].frame > t[root].frame) t[root].frame = t[v].frame;
    }
    if ((st = place_roots(self, p, place, t, err)) != SYN_OK) goto done;
    place_views(p, place, first_channel, pad_of);
    cpu_conv_pair_place(self, p, place);
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (only_moved(g, g->input[i], t)) {
            place[g->input[i]].external = 1 + i;
            place[g->input[i]].bytes = 0;
        }
    for (int32_t i = 0; i < g->n_outputs; i++) {
        struct syn_place *o = &place[g->output[i]];
        if (o->block == 1 && o->frame == 0 && o->dtype == SYN_F32 && o->root == g->output[i] &&
            o->external == 0 && g->value[g->output[i]].producer >= 0)
            o->external = -1 - i, o->bytes = 0;
    }
done:
    syn_free(movable);
    syn_free(pad_of);
    syn_free(first_channel);
    syn_free(t);
    return st;
}
