/* tree_ensemble.c - decision trees: TREE_ENSEMBLE.
 *
 * Source:  ONNX (domain ai.onnx.ml) TreeEnsemble-5.
 * Operands: x [n, features]; y [n, n_targets].
 * Attributes: nodes_* (one entry per inner node), leaf_* (one per leaf), tree_roots;
 *          aggregate_function 0 average, 1 sum, 2 min, 3 max; post_transform 0 none, 1 softmax, 2
 *          logistic, 3 softmax_zero, 4 probit.
 * Maths:   from each root: x[feature] against nodes_splits by nodes_modes (0 <=, 1 <, 2 >=, 3 >, 4
 *          ==, 5 !=, 6 in the node's set of membership_values); a NaN goes where
 *          nodes_missing_value_tracks_true says. The leaf's weight goes to its target; a target
 *          that no tree reached is 0. softmax_zero leaves zeros out of the softmax.
 * Limits:  a walk longer than there are nodes is a circle: SYN_INVALID.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: where each node's set starts, while
 *          it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>

enum { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER, MODES };
enum { AVERAGE, SUM, MIN, MAX };
enum { NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT };

struct forest {
    const struct syn_attr *roots, *feature, *to[2], *is_leaf[2], *missing,
        *target; /* [1]: the true branch */
    const struct syn_tensor *modes, *splits, *weights, *members;
    int64_t n_nodes, n_leaves, n_members;
};

static syn_status check_length(const struct syn_op_call *c, const char *name, int64_t got,
                               int64_t want, struct syn_err *err)
{
    if (got == want) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " entries: must have %" PRId64,
                    c->op->name, name, got, want);
}

static int64_t count(const struct syn_tensor *t) { return t ? syn_ops_elements(&t->shape) : 0; }

/* Entries of a list all in [0, below). */
static syn_status check_range(const struct syn_op_call *c, const struct syn_attr *a, int64_t below,
                              struct syn_err *err)
{
    for (int32_t i = 0; i < a->n; i++)
        if (a->v.i[i] < 0 || a->v.i[i] >= below)
            return syn_fail(err, SYN_INVALID,
                            "%s: %s[%d] = %" PRId64 ": must be in [0, %" PRId64 ")", c->op->name,
                            a->name, (int)i, a->v.i[i], below);
    return SYN_OK;
}

static syn_status check_branches(const struct syn_op_call *c, const struct forest *f,
                                 struct syn_err *err)
{
    for (int32_t side = 0; side < 2; side++)
        for (int64_t i = 0; i < f->n_nodes; i++) {
            const int64_t below = f->is_leaf[side]->v.i[i] ? f->n_leaves : f->n_nodes,
                          to = f->to[side]->v.i[i];
            if (to < 0 || to >= below)
                return syn_fail(err, SYN_INVALID,
                                "%s: %s[%" PRId64 "] = %" PRId64 ": must be in [0, %" PRId64 ")",
                                c->op->name, f->to[side]->name, i, to, below);
        }
    return SYN_OK;
}

static syn_status check_nodes(const struct syn_op_call *c, const struct forest *f,
                              struct syn_err *err)
{
    const struct syn_attr *const lists[] = {f->to[0], f->to[1], f->is_leaf[0], f->is_leaf[1]};
    int64_t sets = 0, ends = 0;
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < 4; i++)
        st = check_length(c, lists[i]->name, lists[i]->n, f->n_nodes, err);
    if (st == SYN_OK) st = check_length(c, "nodes_modes", count(f->modes), f->n_nodes, err);
    if (st == SYN_OK) st = check_length(c, "nodes_splits", count(f->splits), f->n_nodes, err);
    if (st == SYN_OK) st = check_length(c, "leaf_weights", count(f->weights), f->n_leaves, err);
    if (st == SYN_OK && f->missing->n)
        st = check_length(c, f->missing->name, f->missing->n, f->n_nodes, err);
    if (st == SYN_OK) st = check_branches(c, f, err);
    for (int64_t i = 0; st == SYN_OK && i < f->n_nodes; i++) {
        const int64_t mode = syn_element_int(f->modes->dtype, f->modes->data, i);
        sets += mode == MEMBER;
        if (mode < 0 || mode >= MODES)
            return syn_fail(err, SYN_INVALID,
                            "%s: nodes_modes[%" PRId64 "] = %" PRId64 ": must be in [0, %d)",
                            c->op->name, i, mode, MODES);
    }
    for (int64_t i = 0; i < f->n_members; i++) ends += isnan(syn_get(f->members, i));
    /* the last set may go without its NaN */
    if (f->n_members && !isnan(syn_get(f->members, f->n_members - 1))) ends++;
    if (st == SYN_OK && ends < sets)
        st = check_length(c, "membership_values (sets)", ends, sets, err);
    return st;
}

static syn_status parse(const struct syn_op_call *c, struct forest *f, struct syn_err *err)
{
    const struct syn_op *op = c->op;
    *f = (struct forest){
        .roots = syn_attr_list(op, c->attr, "tree_roots"),
        .feature = syn_attr_list(op, c->attr, "nodes_featureids"),
        .to = {syn_attr_list(op, c->attr, "nodes_falsenodeids"),
               syn_attr_list(op, c->attr, "nodes_truenodeids")},
        .is_leaf = {syn_attr_list(op, c->attr, "nodes_falseleafs"),
                    syn_attr_list(op, c->attr, "nodes_trueleafs")},
        .missing = syn_attr_list(op, c->attr, "nodes_missing_value_tracks_true"),
        .target = syn_attr_list(op, c->attr, "leaf_targetids"),
        .modes = syn_attr_tensor(op, c->attr, "nodes_modes"),
        .splits = syn_attr_tensor(op, c->attr, "nodes_splits"),
        .weights = syn_attr_tensor(op, c->attr, "leaf_weights"),
        .members = syn_attr_tensor(op, c->attr, "membership_values"),
    };
    f->n_nodes = f->feature->n, f->n_leaves = f->target->n, f->n_members = count(f->members);
    syn_status st = check_range(c, f->roots, f->n_nodes, err);
    if (st == SYN_OK) st = check_range(c, f->feature, c->in[0].shape.dim[1], err);
    if (st == SYN_OK) st = check_range(c, f->target, syn_attr_int(op, c->attr, "n_targets"), err);
    return st == SYN_OK ? check_nodes(c, f, err) : st;
}

static syn_status tree_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct forest f;
    syn_status st =
        syn_ops_ranked(c, 0, "X", SYN_TYPE(F32) | SYN_TYPE(F64) | SYN_TYPE(F16), 2, 2, err);
    if (st == SYN_OK) st = parse(c, &f, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y = {
        .rank = 2, .dim = {c->in[0].shape.dim[0], syn_attr_int(c->op, c->attr, "n_targets")}};
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* Where the set of each MEMBER node starts in membership_values. */
static int64_t *starts_new(const struct forest *f)
{
    int64_t *start = syn_calloc((size_t)f->n_nodes, sizeof *start), at = 0;
    for (int64_t i = 0; start && i < f->n_nodes; i++) {
        if (syn_element_int(f->modes->dtype, f->modes->data, i) != MEMBER) continue;
        start[i] = at;
        while (at < f->n_members && !isnan(syn_get(f->members, at))) at++;
        at++;
    }
    return start;
}

static bool goes_true(const struct forest *f, const int64_t *start, int64_t node, double x)
{
    const double split = syn_get(f->splits, node);
    if (isnan(x)) return f->missing->n && f->missing->v.i[node];
    switch (syn_element_int(f->modes->dtype, f->modes->data, node)) {
    case LEQ: return x <= split;
    case LT: return x < split;
    case GTE: return x >= split;
    case GT: return x > split;
    case EQ: return x == split;
    case NEQ: return x != split;
    default: break;
    }
    for (int64_t i = start[node]; i < f->n_members && !isnan(syn_get(f->members, i)); i++)
        if (syn_get(f->members, i) == x) return true;
    return false;
}

/* The leaf that a row reaches from a root. */
static syn_status walk(const struct syn_op_call *c, const struct forest *f, const int64_t *start,
                       int64_t root, int64_t row, int64_t *leaf, struct syn_err *err)
{
    int64_t node = root;
    for (int64_t steps = 0; steps < f->n_nodes; steps++) {
        const double x = syn_get(&c->in[0], row * c->in[0].shape.dim[1] + f->feature->v.i[node]);
        const int32_t side = goes_true(f, start, node, x);
        const bool is_leaf = f->is_leaf[side]->v.i[node] != 0;
        node = f->to[side]->v.i[node];
        if (!is_leaf) continue;
        *leaf = node;
        return SYN_OK;
    }
    return syn_fail(err, SYN_INVALID, "%s: the tree at node %" PRId64 " goes round in a circle",
                    c->op->name, root);
}

/* The x with P(Z <= x) = p for a standard normal Z: Newton's steps on the distribution function. */
static double probit(double p)
{
    if (!(p > 0 && p < 1))
        return p == 0 ? (double)-INFINITY : p == 1 ? (double)INFINITY : (double)NAN;
    const double t = sqrt(-2 * log(p < 0.5 ? p : 1 - p)); /* first guess: the tail's asymptote */
    double x = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) /
                       (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t);
    if (p < 0.5) x = -x;
    for (int i = 0; i < 4; i++) {
        const double miss = 0.5 * erfc(-x / sqrt(2)) - p,
                     slope = exp(-x * x / 2) / sqrt(6.283185307179586);
        if (slope > 0) x -= miss / slope;
    }
    return x;
}

static void transform(const struct syn_op_call *c, int64_t row, int64_t n)
{
    const int64_t how = syn_attr_int(c->op, c->attr, "post_transform");
    const struct syn_tensor *y = &c->out[0];
    double most = (double)-INFINITY, sum = 0;
    if (how == SOFTMAX || how == SOFTMAX_ZERO) {
        for (int64_t i = 0; i < n; i++) most = fmax(most, syn_get(y, row * n + i));
        for (int64_t i = 0; i < n; i++) {
            const double v = syn_get(y, row * n + i);
            if (how == SOFTMAX || v != 0) sum += exp(v - most);
        }
    }
    for (int64_t i = 0; i < n && how != NONE; i++) {
        const double v = syn_get(y, row * n + i);
        const double soft = how == SOFTMAX_ZERO && v == 0 ? 0 : exp(v - most) / sum;
        syn_put(y, row * n + i,
                how == LOGISTIC ? 1 / (1 + exp(-v))
                : how == PROBIT ? probit(v)
                                : soft);
    }
}

static syn_status score(const struct syn_op_call *c, const struct forest *f, const int64_t *start,
                        int64_t row, double *total, bool *reached, struct syn_err *err)
{
    const int64_t how = syn_attr_int(c->op, c->attr, "aggregate_function"),
                  n = c->out[0].shape.dim[1];
    for (int64_t i = 0; i < n; i++) total[i] = 0, reached[i] = false;
    for (int32_t tree = 0; tree < f->roots->n; tree++) {
        int64_t leaf = 0;
        const syn_status st = walk(c, f, start, f->roots->v.i[tree], row, &leaf, err);
        if (st != SYN_OK) return st;
        const double w = syn_get(f->weights, leaf);
        double *t = &total[f->target->v.i[leaf]];
        bool *seen = &reached[f->target->v.i[leaf]];
        if (!*seen) *t = w;
        else *t = how == MIN ? fmin(*t, w) : how == MAX ? fmax(*t, w) : *t + w;
        *seen = true;
    }
    for (int64_t i = 0; i < n; i++)
        syn_put(&c->out[0], row * n + i,
                how == AVERAGE && f->roots->n ? total[i] / f->roots->n : total[i]);
    transform(c, row, n);
    return SYN_OK;
}

static syn_status tree_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t rows = c->out[0].shape.dim[0], n = c->out[0].shape.dim[1];
    struct forest f;
    syn_status st = parse(c, &f, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    int64_t *start = starts_new(&f);
    double *total = syn_calloc((size_t)n, sizeof *total);
    bool *reached = syn_calloc((size_t)n, sizeof *reached);
    if (!start || !total || !reached)
        st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t row = 0; st == SYN_OK && row < rows; row++)
        st = score(c, &f, start, row, total, reached, err);
    syn_free(start);
    syn_free(total);
    syn_free(reached);
    return st;
}

#define INDICES(name) {name, SYN_ATTR_INTS, 0, 0, 2147483647}
static const struct syn_attr_spec tree_attrs[] = {
    INDICES("tree_roots"),
    INDICES("nodes_featureids"),
    INDICES("nodes_truenodeids"),
    INDICES("nodes_falsenodeids"),
    INDICES("nodes_trueleafs"),
    INDICES("nodes_falseleafs"),
    INDICES("nodes_missing_value_tracks_true"),
    INDICES("leaf_targetids"),
    {"nodes_modes", SYN_ATTR_TENSOR, 0, 0, 0},
    {"nodes_splits", SYN_ATTR_TENSOR, 0, 0, 0},
    {"nodes_hitrates", SYN_ATTR_TENSOR, 0, 0, 0},
    {"leaf_weights", SYN_ATTR_TENSOR, 0, 0, 0},
    {"membership_values", SYN_ATTR_TENSOR, 0, 0, 0},
    {"n_targets", SYN_ATTR_INT, 0, 0, SYN_MAX_ATTR_LIST},
    {"aggregate_function", SYN_ATTR_INT, SUM, AVERAGE, MAX},
    {"post_transform", SYN_ATTR_INT, NONE, NONE, PROBIT},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_tree_ensemble = {
    .name = "TreeEnsemble", .domain = "ai.onnx.ml", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = tree_attrs, .shape = tree_shape, .reference = tree_reference,
};
