/* pass_conv.c - see passes.h: what lies around a CONV_ND goes into it, in networks that run node by
 * node.
 *
 * Before:  a Pad with zeros over spatial axes: its pads are added to the convolution's own.
 * After:   an operator that works on one operand element by element (those of a chain): both become
 *          a CONV_STEP.
 * Between: a depthwise convolution that a 1x1 convolution alone reads: both become a CONV_POINT. */
#include "kernels/graph/chain.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include <string.h>

#define MOST_PAD INT32_MAX /* what a row of windows takes on one side */

/* The Pad in front adds nothing but zeros, on spatial axes: by[2 * spatial], begins, then ends. */
static bool zero_pads(const struct syn_graph *g, const struct syn_node *pad, int32_t rank,
                      int64_t *by)
{
    const char *mode = syn_attr_text(pad->op, pad->attr, "mode");
    const bool has_value = pad->n_in > 2 && pad->in[2] >= 0;
    int64_t pads[2 * SYN_MAX_RANK];
    if (mode && strcmp(mode, "constant")) return false;
    if (has_value ? !syn_rewrite_is(g, pad->in[2], 0)
                  : syn_attr_float(pad->op, pad->attr, "value") != 0)
        return false;
    if ((pad->n_in > 3 && pad->in[3] >= 0) || syn_attr_given(pad->op, pad->attr, "axes") ||
        syn_rewrite_list(g, pad, 1, "pads", pads, 2 * SYN_MAX_RANK) != 2 * rank)
        return false;
    for (int32_t k = 0; k < 2 * rank; k++) {
        if (pads[k] < 0 || pads[k] > MOST_PAD || (k % rank < 2 && pads[k])) return false;
        if (k % rank >= 2) by[k / rank * (rank - 2) + k % rank - 2] = pads[k];
    }
    return true;
}

/* The convolution's attributes as a new node of either kind takes them, with these pads. */
static int32_t attrs_of(const struct syn_node *conv, int32_t n_pads, const int64_t *pads,
                        struct syn_attr *to)
{
    int32_t n = 0;
    to[n++] = syn_attr_of_int("group", syn_attr_int(conv->op, conv->attr, "group"));
    for (int32_t a = 0; conv->op->attrs[a].name; a++) {
        const char *name = conv->op->attrs[a].name;
        if (strcmp(name, "group") && strcmp(name, "pads") &&
            syn_attr_given(conv->op, conv->attr, name))
            to[n++] = conv->attr[a], to[n - 1].name = name;
    }
    if (n_pads) to[n++] = syn_attr_of_ints("pads", n_pads, pads);
    return n;
}

/* A node of another kind at `at`, with the convolution's name. `conv`, which only `at` read, goes
 * with it where it is another node. */
static syn_status put(struct syn_rewrite *r, struct syn_node *at, struct syn_node *conv,
                      syn_op_id id, int32_t n_in, const int32_t *in, int32_t n_attrs,
                      const struct syn_attr *attrs, struct syn_err *err)
{
    const bool other = conv != at;
    const struct syn_node_spec spec = {.id = id,
                                       .name = conv->name,
                                       .opset = conv->opset,
                                       .n_in = n_in,
                                       .in = in,
                                       .n_attrs = n_attrs,
                                       .attrs = attrs,
                                       .n_out = 1};
    for (int32_t k = 0; other && k < conv->n_in; k++)
        if (conv->in[k] >= 0) r->uses[conv->in[k]]--;
    if (other) conv->op = NULL;
    return syn_rewrite_put(r, at, &spec, err);
}

static int32_t bias_of(const struct syn_node *conv) { return conv->n_in > 2 ? conv->in[2] : -1; }

static syn_status take_pad(struct syn_rewrite *r, struct syn_node *conv, struct syn_err *err)
{
    struct syn_node *pad = syn_rewrite_maker(r, conv->in[0], SYN_OP_PAD_ND);
    const struct syn_shape *w = &r->g->value[conv->in[1]].shape;
    const char *how = syn_attr_text(conv->op, conv->attr, "auto_pad");
    const struct syn_attr *own = syn_attr_list(conv->op, conv->attr, "pads");
    struct syn_attr attrs[SYN_MAX_ATTRS];
    int64_t by[2 * SYN_MAX_RANK];
    const int32_t n = 2 * (w->rank - 2);
    if (!pad || !r->g->value[conv->in[1]].data || (how && strcmp(how, "NOTSET")) || n <= 0 ||
        (own->n && own->n != n) || !zero_pads(r->g, pad, w->rank, by))
        return SYN_OK;
    for (int32_t k = 0; k < n && own->n; k++)
        if ((by[k] += own->v.i[k]) > MOST_PAD) return SYN_OK;
    const int32_t in[3] = {pad->in[0], conv->in[1], bias_of(conv)};
    return put(r, conv, conv, SYN_OP_CONV_ND, conv->n_in, in, attrs_of(conv, n, by, attrs), attrs,
               err);
}

static syn_status take_step(struct syn_rewrite *r, struct syn_node *n, struct syn_err *err)
{
    double args[2];
    const syn_step step = syn_step_of(n->op, n->id, n->attr, args);
    struct syn_node *conv = step != SYN_STEP_COUNT && syn_step_operands(step) == 1 && n->n_in == 1
                                ? syn_rewrite_only(r, n->in[0], SYN_OP_CONV_ND)
                                : NULL;
    const struct syn_attr *pads = conv ? syn_attr_list(conv->op, conv->attr, "pads") : NULL;
    struct syn_attr attrs[SYN_MAX_ATTRS];
    int32_t n_attrs;
    if (!conv) return SYN_OK;
    n_attrs = attrs_of(conv, pads->n, pads->v.i, attrs);
    attrs[n_attrs++] = syn_attr_of_int("step", step);
    attrs[n_attrs++] = syn_attr_of_float("arg0", args[0]);
    attrs[n_attrs++] = syn_attr_of_float("arg1", args[1]);
    const int32_t in[3] = {conv->in[0], conv->in[1], bias_of(conv)};
    return put(r, n, conv, SYN_OP_CONV_STEP, conv->n_in, in, n_attrs, attrs, err);
}

/* A 1x1 convolution over all channels that moves by one and pads nothing. */
static bool is_point(const struct syn_graph *g, const struct syn_node *n)
{
    static const char *const lists[] = {"strides", "pads"};
    const struct syn_value *w = &g->value[n->in[1]];
    const char *how = syn_attr_text(n->op, n->attr, "auto_pad");
    if (!w->data || w->shape.rank < 3 || syn_attr_int(n->op, n->attr, "group") != 1 ||
        (how && strcmp(how, "NOTSET")))
        return false;
    for (int32_t d = 2; d < w->shape.rank; d++)
        if (w->shape.dim[d] != 1) return false;
    for (int32_t l = 0; l < 2; l++) {
        const struct syn_attr *list = syn_attr_list(n->op, n->attr, lists[l]);
        for (int32_t i = 0; i < list->n; i++)
            if (list->v.i[i] != (l == 0)) return false;
    }
    return true;
}

/* Each of the convolution's outputs reads one channel, and there are as many as `point` reads. */
static bool is_depthwise(const struct syn_graph *g, const struct syn_node *conv,
                         const struct syn_node *point)
{
    const struct syn_shape *w = &g->value[conv->in[1]].shape,
                           *next = &g->value[point->in[1]].shape;
    return g->value[conv->in[1]].data && w->rank == next->rank && w->dim[1] == 1 &&
           w->dim[0] == next->dim[1] && w->dim[0] > 1 &&
           (conv->id == SYN_OP_CONV_ND ||
            syn_attr_int(conv->op, conv->attr, "group") == w->dim[0]);
}

static syn_status take_front(struct syn_rewrite *r, struct syn_node *n, struct syn_err *err)
{
    const bool stepped = n->id == SYN_OP_CONV_STEP;
    struct syn_node *conv = syn_rewrite_only(r, n->in[0], SYN_OP_CONV_ND);
    struct syn_attr attrs[SYN_MAX_ATTRS];
    if (!conv) conv = syn_rewrite_only(r, n->in[0], SYN_OP_CONV_TRANSPOSE_ND);
    if (!conv || !is_point(r->g, n) || !is_depthwise(r->g, conv, n)) return SYN_OK;
    const struct syn_attr *pads = syn_attr_list(conv->op, conv->attr, "pads");
    const int32_t in[5] = {conv->in[0], conv->in[1], n->in[1], bias_of(conv), bias_of(n)};
    int32_t n_attrs = attrs_of(conv, pads->n, pads->v.i, attrs);
    attrs[n_attrs++] = syn_attr_of_int("transposed", conv->id == SYN_OP_CONV_TRANSPOSE_ND);
    attrs[n_attrs++] = syn_attr_of_int("step", stepped ? syn_attr_int(n->op, n->attr, "step") : -1);
    for (int32_t k = 0; k < 2 && stepped; k++) {
        const char *name = k ? "arg1" : "arg0";
        attrs[n_attrs++] = syn_attr_of_float(name, syn_attr_float(n->op, n->attr, name));
    }
    return put(r, n, conv, SYN_OP_CONV_POINT, 5, in, n_attrs, attrs, err);
}

syn_status syn_pass_conv(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    const int32_t n = g->n_nodes;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        if (g->node[i].op && g->node[i].id == SYN_OP_CONV_ND) st = take_pad(&r, &g->node[i], err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        if (g->node[i].op && g->node[i].n_out == 1) st = take_step(&r, &g->node[i], err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        if (g->node[i].op &&
            (g->node[i].id == SYN_OP_CONV_ND || g->node[i].id == SYN_OP_CONV_STEP))
            st = take_front(&r, &g->node[i], err);
    syn_rewrite_close(&r);
    return st;
}
