/* pass_norm.c - see passes.h: spelled-out normalisations become one node.
 *
 * d = x - mean(x); s = sqrt(mean(d * d) + eps); then one of
 *     n = d / s                                                  (PyTorch's layer norm)
 *     n = d * (1 / s)                                            (its instance norm, exported)
 * followed by a product with gamma and a sum with beta where they are there, or
 *     k = (1 / s) * gamma; y = x * k + (beta - mean(x) * k)      (TensorFlow's fused form)
 * Means over the last axis make a LayerNormalization; over the two spatial ones, for pictures whose
 * shapes are known, a CHANNEL_NORM. */
#include "kernels/graph/op_words.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"

enum over { OVER_NOTHING, OVER_LAST, OVER_SPATIAL };

struct norm {
    enum over over;
    int32_t x, mean, d;   /* values */
    double epsilon;
    int32_t gamma, beta;  /* -1: none */
    struct syn_node *end; /* the node whose output is the norm's */
};

/* value = mean of *x: over what? */
static enum over mean_of(const struct syn_rewrite *r, int32_t value, int32_t *x)
{
    const struct syn_node *n = syn_rewrite_maker(r, value, SYN_OP_REDUCE_MEAN);
    int64_t axis[SYN_MAX_RANK];
    int32_t count, rank;
    if (!n) {
        if (!(n = syn_rewrite_maker(r, value, SYN_OP_GLOBAL_AVERAGE_POOL))) return OVER_NOTHING;
        *x = n->in[0];
        return OVER_SPATIAL;
    }
    if (!syn_attr_int(n->op, n->attr, "keepdims")) return OVER_NOTHING;
    count = syn_rewrite_list(r->g, n, 1, "axes", axis, SYN_MAX_RANK);
    *x = n->in[0];
    rank = r->g->value[*x].shape.rank; /* 0 where shapes are not known yet */
    if (count == 1 && (axis[0] == -1 || (rank > 0 && axis[0] == rank - 1))) return OVER_LAST;
    if (count != 2 || rank != 4) return OVER_NOTHING;
    for (int32_t i = 0; i < 2; i++) axis[i] += axis[i] < 0 ? rank : 0;
    return axis[0] + axis[1] == 5 && axis[0] >= 2 && axis[1] >= 2 ? OVER_SPATIAL : OVER_NOTHING;
}

/* value = x - mean(x)? */
static enum over centred(const struct syn_rewrite *r, int32_t value, int32_t *x, int32_t *mean)
{
    const struct syn_node *n = syn_rewrite_maker(r, value, SYN_OP_SUB);
    int32_t of = -1;
    enum over over;
    if (!n) return OVER_NOTHING;
    over = mean_of(r, n->in[1], &of);
    if (over == OVER_NOTHING || of != n->in[0]) return OVER_NOTHING;
    *x = of;
    *mean = n->in[1];
    return over;
}

/* value = d * d? */
static int32_t squared(const struct syn_rewrite *r, int32_t value)
{
    const struct syn_node *n = syn_rewrite_maker(r, value, SYN_OP_POW);
    if (n) return syn_rewrite_is(r->g, n->in[1], 2) ? n->in[0] : -1;
    n = syn_rewrite_maker(r, value, SYN_OP_MUL);
    return n && n->in[0] == n->in[1] ? n->in[0] : -1;
}

/* From the square root back to x. */
static bool match_back(const struct syn_rewrite *r, const struct syn_node *root, struct norm *m)
{
    const struct syn_node *sum = syn_rewrite_maker(r, root->in[0], SYN_OP_ADD);
    int32_t var, of;
    if (!sum) return false;
    if (syn_rewrite_number(r->g, sum->in[1], &m->epsilon)) var = sum->in[0];
    else if (syn_rewrite_number(r->g, sum->in[0], &m->epsilon)) var = sum->in[1];
    else return false;
    if (m->epsilon < 0) return false;
    m->over = mean_of(r, var, &of);
    if (m->over == OVER_NOTHING || (m->d = squared(r, of)) < 0) return false;
    return centred(r, m->d, &m->x, &m->mean) == m->over;
}

static int32_t other_of(const struct syn_node *n, int32_t value)
{
    return n->in[n->in[0] == value];
}

/* May `value` be gamma or beta of this norm? */
static bool is_per_channel(const struct syn_rewrite *r, const struct norm *m, int32_t value)
{
    const struct syn_value *v = &r->g->value[value], *x = &r->g->value[m->x];
    int64_t n;
    if (m->over == OVER_LAST)
        return v->data &&
               v->shape.rank == 1; /* a length that fits is checked by the shape function */
    return v->shape.rank >= 3 && v->shape.rank <= 4 && syn_shape_elements(&v->shape, &n) &&
           n == x->shape.dim[1] && v->shape.dim[v->shape.rank - 3] == n;
}

/* The reader of `value` that is this kind of node with a per-channel other side. */
static struct syn_node *apply_reader(const struct syn_rewrite *r, const struct norm *m,
                                     int32_t value, syn_op_id id)
{
    struct syn_node *n = syn_rewrite_reader(r, value);
    return n && n->id == id && is_per_channel(r, m, other_of(n, value)) ? n : NULL;
}

static void match_affine(const struct syn_rewrite *r, struct norm *m)
{
    struct syn_node *n = apply_reader(r, m, m->end->out[0], SYN_OP_MUL);
    if (!n) return;
    m->gamma = other_of(n, m->end->out[0]);
    m->end = n;
    n = apply_reader(r, m, m->end->out[0], SYN_OP_ADD);
    if (!n) return;
    m->beta = other_of(n, m->end->out[0]);
    m->end = n;
}

/* k = inv * gamma is read by x * k and by mean * k; the second is taken from beta, and the two are
 * summed. */
static bool match_tf(const struct syn_rewrite *r, int32_t inv, struct norm *m)
{
    const struct syn_graph *g = r->g;
    struct syn_node *scale = syn_rewrite_reader(r, inv);
    int32_t xk = -1, mk = -1, k;
    struct syn_node *sum, *difference;
    if (!scale || scale->id != SYN_OP_MUL || !is_per_channel(r, m, other_of(scale, inv)))
        return false;
    k = scale->out[0];
    if (r->uses[k] != 2) return false;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!n->op || n->id != SYN_OP_MUL || (n->in[0] != k && n->in[1] != k)) continue;
        if (other_of(n, k) == m->x) xk = n->out[0];
        if (other_of(n, k) == m->mean) mk = n->out[0];
    }
    if (xk < 0 || mk < 0 || !(sum = syn_rewrite_reader(r, xk)) || sum->id != SYN_OP_ADD)
        return false;
    difference = syn_rewrite_only(r, other_of(sum, xk), SYN_OP_SUB);
    if (!difference || difference->in[1] != mk || r->uses[mk] != 1 ||
        !is_per_channel(r, m, difference->in[0]))
        return false;
    m->gamma = other_of(scale, inv);
    m->beta = difference->in[0];
    m->end = sum;
    return true;
}

/* From the square root on to the result. */
static bool match_on(const struct syn_rewrite *r, const struct syn_node *root, struct norm *m)
{
    struct syn_node *n = syn_rewrite_reader(r, root->out[0]);
    int32_t x, mean, inv;
    if (!n) return false;
    m->gamma = m->beta = -1;
    if (n->id == SYN_OP_DIV && n->in[1] == root->out[0] &&
        centred(r, n->in[0], &x, &mean) == m->over && x == m->x) {
        m->end = n;
        match_affine(r, m);
        return true;
    }
    if (n->id != SYN_OP_RECIPROCAL && !(n->id == SYN_OP_DIV && syn_rewrite_is(r->g, n->in[0], 1)))
        return false;
    inv = n->out[0];
    n = syn_rewrite_reader(r, inv);
    if (n && n->id == SYN_OP_MUL && centred(r, other_of(n, inv), &x, &mean) == m->over &&
        x == m->x) {
        m->end = n;
        match_affine(r, m);
        return true;
    }
    return match_tf(r, inv, m);
}

static syn_status put_layer(struct syn_rewrite *r, const struct norm *m, struct syn_err *err)
{
    const int32_t in[3] = {m->x, m->gamma, m->beta};
    const struct syn_attr attrs[] = {syn_attr_of_int("axis", -1),
                                     syn_attr_of_float("epsilon", m->epsilon)};
    const struct syn_node_spec spec = {.id = SYN_OP_LAYER_NORMALIZATION,
                                       .name = m->end->name,
                                       .opset = 17,
                                       .n_in = m->beta >= 0 ? 3 : 2,
                                       .in = in,
                                       .n_attrs = 2,
                                       .attrs = attrs,
                                       .n_out = 1};
    return syn_rewrite_put(r, m->end, &spec, err);
}

static syn_status put_channel(struct syn_rewrite *r, const struct norm *m, struct syn_err *err)
{
    const int32_t in[3] = {m->x, m->gamma, m->beta};
    const struct syn_attr attrs[] = {syn_attr_of_float("epsilon", m->epsilon)};
    const struct syn_node_spec spec = {.id = SYN_OP_CHANNEL_NORM,
                                       .name = m->end->name,
                                       .n_in = 3,
                                       .in = in,
                                       .n_attrs = 1,
                                       .attrs = attrs,
                                       .n_out = 1};
    return syn_rewrite_put(r, m->end, &spec, err);
}

syn_status syn_pass_norm(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++) {
        struct norm m;
        if (!g->node[i].op || g->node[i].id != SYN_OP_SQRT) continue;
        if (!match_back(&r, &g->node[i], &m) || !match_on(&r, &g->node[i], &m)) continue;
        if (m.over == OVER_SPATIAL) st = put_channel(&r, &m, err);
        else if (m.gamma >= 0) st = put_layer(&r, &m, err);
    }
    syn_rewrite_close(&r);
    return st;
}

/* --- what follows a CHANNEL_NORM -------------------------------------------------------------- */

static struct syn_attr *attr_of(struct syn_node *n, const char *name)
{
    for (int32_t i = 0; n->op->attrs[i].name; i++)
        if (!__builtin_strcmp(n->op->attrs[i].name, name)) return &n->attr[i];
    return NULL; /* a bug of ours: the row lacks it */
}

/* The norm moves to the later node's place, so that all its operands come before it. */
static struct syn_node *stand_in(struct syn_rewrite *r, struct syn_node *norm,
                                 struct syn_node *later)
{
    const int32_t out = later->out[0];
    *later = *norm;
    later->out[0] = out;
    r->g->value[out].producer = (int32_t)(later - r->g->node);
    norm->op = NULL;
    return later;
}

static bool fuse_act(struct syn_rewrite *r, struct syn_node *n)
{
    const int act = n->id == SYN_OP_RELU         ? SYN_ACT_RELU
                    : n->id == SYN_OP_LEAKY_RELU ? SYN_ACT_LEAKY
                    : n->id == SYN_OP_SIGMOID    ? SYN_ACT_SIGMOID
                                                 : SYN_ACT_NONE;
    struct syn_node *norm =
        act == SYN_ACT_NONE ? NULL : syn_rewrite_only(r, n->in[0], SYN_OP_CHANNEL_NORM);
    double alpha;
    if (!norm || norm->n_in > 3 || syn_attr_int(norm->op, norm->attr, "act") != SYN_ACT_NONE)
        return false;
    alpha = n->id == SYN_OP_LEAKY_RELU ? syn_attr_float(n->op, n->attr, "alpha") : 0;
    norm = stand_in(r, norm, n);
    attr_of(norm, "act")->v.i1 = act;
    attr_of(norm, "act_a")->v.f1 = alpha;
    return true;
}

static bool fuse_sum(struct syn_rewrite *r, struct syn_node *n)
{
    if (n->id != SYN_OP_ADD) return false;
    for (int32_t side = 0; side < 2; side++) {
        struct syn_node *norm = syn_rewrite_only(r, n->in[side], SYN_OP_CHANNEL_NORM);
        const int32_t other = n->in[!side];
        if (!norm || norm->n_in > 3 || other == n->in[side] ||
            !syn_shape_equal(&r->g->value[other].shape, &r->g->value[n->in[side]].shape))
            continue;
        norm = stand_in(r, norm, n);
        norm->in[3] = other; /* graph.c leaves room for max_in operands */
        norm->n_in = 4;
        return true;
    }
    return false;
}

syn_status syn_pass_fuse_norm(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++)
        if (g->node[i].op && !fuse_act(&r, &g->node[i])) fuse_sum(&r, &g->node[i]);
    syn_rewrite_close(&r);
    return st;
}
