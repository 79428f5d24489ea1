/* pass_fuse.c - see passes.h: what follows a convolution goes into it.
 *
 * The fused form is y = alpha * act(conv + bias) + beta1*res1 + beta2*res2 (kernels/ops/ops.h). A
 * sum a*conv' + b*x of such a node with another value is of the same form with alpha, beta1, beta2
 * times a and x as the next residual, so residuals nest without further cases. */
#include "kernels/graph/op_words.h"
#include "kernels/graph/passes.h"
#include <string.h>


static struct syn_attr *attr_of(struct syn_node *n, const char *name)
{
    for (int32_t i = 0; n->op->attrs[i].name; i++)
        if (!strcmp(n->op->attrs[i].name, name)) return &n->attr[i];
    return NULL; /* a bug of ours: the row lacks it */
}
static double get_float(struct syn_node *n, const char *name)
{
    return syn_attr_float(n->op, n->attr, name);
}
static void scale_float(struct syn_node *n, const char *name, double by)
{
    attr_of(n, name)->v.f1 *= by;
}

static bool has(const struct syn_node *n, int32_t position)
{
    return position < n->n_in && n->in[position] >= 0;
}
static void set_operand(struct syn_node *n, int32_t position, int32_t value)
{
    n->in[position] = value; /* graph.c leaves room for op->max_in operands */
    if (position >= n->n_in) n->n_in = position + 1;
}

/* The node that makes `value`, if it is a convolution that nobody but the asker reads. */
static struct syn_node *only_conv(struct syn_graph *g, int32_t value)
{
    int32_t p = value >= 0 ? g->value[value].producer : -1;
    struct syn_node *n = p >= 0 ? &g->node[p] : NULL;
    if (!n || !n->op || (n->id != SYN_OP_CONV && n->id != SYN_OP_CONV_TRANSPOSE)) return NULL;
    return syn_graph_uses(g, value) == 1 ? n : NULL;
}

/* Moves the convolution to the later node's place, so that all its operands come before it. */
static void stand_in(struct syn_graph *g, struct syn_node *conv, struct syn_node *later)
{
    int32_t out = later->out[0];
    *later = *conv;
    later->out[0] = out;
    g->value[out].producer = (int32_t)(later - g->node);
    conv->op = NULL;
}

static bool fuse_activation(struct syn_graph *g, struct syn_node *n)
{
    static const struct {
        syn_op_id id;
        int act;
        const char *a, *b;
    } kinds[] = {
        {SYN_OP_RELU, SYN_ACT_RELU, NULL, NULL},
        {SYN_OP_LEAKY_RELU, SYN_ACT_LEAKY, "alpha", NULL},
        {SYN_OP_PRELU, SYN_ACT_PRELU, NULL, NULL},
        {SYN_OP_SIGMOID, SYN_ACT_SIGMOID, NULL, NULL},
        {SYN_OP_CLIP, SYN_ACT_CLIP, "min", "max"},
    };
    struct syn_node *conv;
    double a, b;
    int32_t slope = -1;
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds && kinds[k].id != n->id) k++;
    if (k == sizeof kinds / sizeof *kinds || !(conv = only_conv(g, n->in[0]))) return false;
    if (syn_attr_int(conv->op, conv->attr, "act") != SYN_ACT_NONE || has(conv, SYN_CONV_RES1) ||
        has(conv, SYN_CONV_RES2))
        return false;
    if (conv->id == SYN_OP_CONV && get_float(conv, "alpha") != 1.0) return false;
    if (n->id == SYN_OP_PRELU) {
        const struct syn_shape *s = &g->value[n->in[1]].shape;
        slope = n->in[1];
        if (n->opset >= 7 || s->rank != 1 || s->dim[0] != g->value[n->out[0]].shape.dim[1])
            return false; /* one slope per channel */
    }
    a = kinds[k].a ? get_float(n, kinds[k].a) : 0;
    b = kinds[k].b ? get_float(n, kinds[k].b) : 0;
    stand_in(g, conv, n);
    attr_of(n, "act")->v.i1 = kinds[k].act;
    attr_of(n, "act_a")->v.f1 = a;
    attr_of(n, "act_b")->v.f1 = b;
    if (slope >= 0) set_operand(n, SYN_CONV_SLOPE, slope);
    return true;
}

/* c[0]*in[0] + c[1]*in[1] with a convolution as one side. */
static bool fuse_residual(struct syn_graph *g, struct syn_node *n)
{
    double c[2] = {1, 1};
    if (n->n_in != 2 || (n->id != SYN_OP_ADD && n->id != SYN_OP_SCALED_SUM)) return false;
    if (!syn_shape_equal(&g->value[n->in[0]].shape, &g->value[n->in[1]].shape)) return false;
    if (n->id == SYN_OP_SCALED_SUM) {
        const struct syn_attr *list = syn_attr_list(n->op, n->attr, "coeffs");
        for (int32_t i = 0; i < list->n && i < 2; i++) c[i] = list->v.f[i];
    }
    for (int32_t side = 0; side < 2; side++) {
        struct syn_node *conv = only_conv(g, n->in[side]);
        int32_t other = n->in[!side];
        double own = c[side], others = c[!side];
        if (!conv || conv->id != SYN_OP_CONV || has(conv, SYN_CONV_RES2) || other == n->in[side])
            continue;
        scale_float(conv, "alpha", own);
        scale_float(conv, "beta1", own);
        set_operand(conv, has(conv, SYN_CONV_RES1) ? SYN_CONV_RES2 : SYN_CONV_RES1, other);
        attr_of(conv, has(conv, SYN_CONV_RES2) ? "beta2" : "beta1")->v.f1 = others;
        stand_in(g, conv, n);
        return true;
    }
    return false;
}

syn_status syn_pass_fuse_conv(struct syn_graph *g, struct syn_err *err)
{
    (void)err;
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].op && !fuse_activation(g, &g->node[i])) fuse_residual(g, &g->node[i]);
    return SYN_OK;
}
