/* pass_attention.c - see passes.h: attention that is spelled out becomes one ATTEND node.
 *
 *     scores = q k, by MatMul or Einsum; times or divided by numbers, also each of q and k alone;
 *     + a mask, or Where(mask, scores, number), or Where(mask, number, scores);
 *     Softmax along the last axis, perhaps Where(IsNaN(p), 0, p); times v, by MatMul or Einsum
 * and Transposes before q, k and v and after the result. What lies between has no other reader:
 * attention whose weights are read a second time (relative positions in VITS) is left alone.
 * Numbers:  constants, and what a model computes of shapes by operators that keep one number one
 *           number (the square root of a head's size): these stay operands.
 * Ranks:    q, k and v must be known to have two dimensions; a product with a row would be another.
 * Wins:     always where the quick version takes the node, and it takes all of f32. So Transposes
 *           that would leave v or the result without neighbours along the last axis stay. */
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include <math.h>
#include <string.h>

#define DEPTH 16   /* of searches through producers */
#define FACTORS 2  /* numbers that the model computes */
#define UNKNOWN (-1)

/* A value as its Transposes show it: read with perm, or as it lies where n is 0. */
struct operand {
    int32_t value, n;
    int64_t perm[SYN_MAX_RANK];
};

struct attention {
    struct operand q, k, v;
    int32_t mask;          /* value; -1: none */
    int64_t mode;          /* ATTEND's mask_mode */
    double scale, fill;
    int32_t factor[FACTORS], n_factors;
    int64_t divide;
    bool zero_nan;
    int32_t rank;          /* of the scores without their mask */
    struct operand y;      /* y.value: unused */
    struct syn_node *end;  /* the node whose output is the attention's */
};

/* --- what is known before shapes are ---------------------------------------------------------- */

static const struct syn_node *maker(const struct syn_graph *g, int32_t value)
{
    const int32_t p = value >= 0 ? g->value[value].producer : -1;
    return p >= 0 && g->node[p].op ? &g->node[p] : NULL;
}
static int32_t perm_of(const struct syn_node *n, int64_t perm[SYN_MAX_RANK])
{
    const struct syn_attr *a = syn_attr_list(n->op, n->attr, "perm");
    uint32_t seen = 0;
    if (a->n < 1 || a->n > SYN_MAX_RANK) return 0;
    for (int32_t d = 0; d < a->n; d++) {
        if (a->v.i[d] < 0 || a->v.i[d] >= a->n || seen >> a->v.i[d] & 1) return 0;
        seen |= 1u << a->v.i[d];
        perm[d] = a->v.i[d];
    }
    return a->n;
}

static int32_t larger(int32_t a, int32_t b) { return a < 0 || b < 0 ? UNKNOWN : a > b ? a : b; }

static int32_t rank_of(const struct syn_graph *g, int32_t value, int32_t depth)
{
    const struct syn_node *n = maker(g, value);
    int64_t perm[SYN_MAX_RANK];
    const struct syn_value *to;
    int32_t rank, axes;
    if (!n) return g->value[value].shape.rank;
    if (g->value[value].shape.rank > 0) return g->value[value].shape.rank;
    if (depth == 0 || n->n_in < 1 || n->in[0] < 0) return UNKNOWN;
    switch (n->id) {
    case SYN_OP_TRANSPOSE:
        rank = perm_of(n, perm);
        return rank ? rank : rank_of(g, n->in[0], depth - 1);
    case SYN_OP_RESHAPE_TO:
        if (n->n_in < 2 || n->in[1] < 0) return UNKNOWN;
        to = &g->value[n->in[1]];
        return to->data && to->shape.rank == 1 ? (int32_t)to->shape.dim[0] : UNKNOWN;
    case SYN_OP_UNSQUEEZE:
        rank = rank_of(g, n->in[0], depth - 1);
        return rank < 0 || (axes = syn_rewrite_list(g, n, 1, "axes", perm, SYN_MAX_RANK)) < 0
                   ? UNKNOWN
                   : rank + axes;
    case SYN_OP_SHAPE: return 1;
    case SYN_OP_GATHER:
        rank = rank_of(g, n->in[0], depth - 1);
        axes = rank_of(g, n->in[1], depth - 1);
        return rank < 1 || axes < 0 ? UNKNOWN : rank - 1 + axes;
    case SYN_OP_ADD:
    case SYN_OP_SUB:
    case SYN_OP_MUL:
    case SYN_OP_DIV:
    case SYN_OP_POW:
        return larger(rank_of(g, n->in[0], depth - 1), rank_of(g, n->in[1], depth - 1));
    case SYN_OP_MAT_MUL:
        rank = larger(rank_of(g, n->in[0], depth - 1), rank_of(g, n->in[1], depth - 1));
        return rank_of(g, n->in[0], depth - 1) < 2 || rank_of(g, n->in[1], depth - 1) < 2 ? UNKNOWN
                                                                                         : rank;
    case SYN_OP_SQRT:
    case SYN_OP_RECIPROCAL:
    case SYN_OP_IDENTITY:
    case SYN_OP_DROPOUT:
    case SYN_OP_CAST:
    case SYN_OP_SOFTMAX:
    case SYN_OP_SLICE:
    case SYN_OP_SPLIT:
    case SYN_OP_LAYER_NORMALIZATION: return rank_of(g, n->in[0], depth - 1);
    default: return UNKNOWN;
    }
}

/* One entry of a shape: Gather(Shape(x), i), Slice(Shape(x), [i], [i + 1]). */
static bool is_entry(const struct syn_rewrite *r, const struct syn_node *n)
{
    int64_t from, to;
    double at;
    if (n->n_in < 2 || !syn_rewrite_maker(r, n->in[0], SYN_OP_SHAPE)) return false;
    if (n->id == SYN_OP_GATHER) return syn_rewrite_number(r->g, n->in[1], &at);
    if (n->n_in < 3 || syn_rewrite_ints(r->g, n->in[1], &from, 1) != 1 ||
        syn_rewrite_ints(r->g, n->in[2], &to, 1) != 1)
        return false;
    if (n->n_in > 4 && n->in[4] >= 0 && !syn_rewrite_is(r->g, n->in[4], 1)) return false;
    return from == -1 ? to >= SYN_MAX_RANK : to - from == 1 && (from >= 0) == (to > 0);
}

/* One number, of a rank that cannot make another's larger. */
static bool is_number(const struct syn_rewrite *r, int32_t value, int32_t depth)
{
    const struct syn_node *n = maker(r->g, value);
    double v;
    if (value < 0 || depth == 0) return false;
    if (!n) return syn_rewrite_number(r->g, value, &v) && r->g->value[value].shape.rank <= 2;
    switch (n->id) {
    case SYN_OP_SQRT:
    case SYN_OP_RECIPROCAL:
    case SYN_OP_CAST:
    case SYN_OP_IDENTITY: return is_number(r, n->in[0], depth - 1);
    case SYN_OP_MUL:
    case SYN_OP_DIV:
    case SYN_OP_POW:
        return is_number(r, n->in[0], depth - 1) && is_number(r, n->in[1], depth - 1);
    case SYN_OP_GATHER:
    case SYN_OP_SLICE: return is_entry(r, n);
    default: return false;
    }
}

/* --- scales and transposes -------------------------------------------------------------------- */

/* Takes number `value` into the scale; false: it is none, or there is no room for it. */
static bool take_number(const struct syn_rewrite *r, int32_t value, bool divides,
                        struct attention *m)
{
    double v;
    if (!is_number(r, value, DEPTH)) return false;
    if (syn_rewrite_number(r->g, value, &v)) {
        const double scale = divides ? m->scale / v : m->scale * v;
        if (r->g->value[value].dtype != SYN_F32 || !isfinite(scale)) return false;
        m->scale = scale;
        return true;
    }
    if (m->n_factors == FACTORS) return false;
    m->divide |= (int64_t)divides << m->n_factors;
    m->factor[m->n_factors++] = value;
    return true;
}

/* Goes back over products with numbers that only this attention reads. */
static int32_t unscaled(const struct syn_rewrite *r, int32_t value, struct attention *m)
{
    for (;;) {
        const struct syn_node *n = syn_rewrite_only(r, value, SYN_OP_MUL);
        if (n && n->opset >= 7 && take_number(r, n->in[1], false, m)) value = n->in[0];
        else if (n && n->opset >= 7 && take_number(r, n->in[0], false, m)) value = n->in[1];
        else if ((n = syn_rewrite_only(r, value, SYN_OP_DIV)) && n->opset >= 7 &&
                 take_number(r, n->in[1], true, m))
            value = n->in[0];
        else return value;
    }
}

/* o is read with perm beneath what it is read with now. */
static void compose(struct operand *o, const int64_t *perm, int32_t n)
{
    int64_t p[SYN_MAX_RANK];
    for (int32_t d = 0; d < n; d++) p[d] = perm[o->n ? o->perm[d] : d];
    memcpy(o->perm, p, sizeof p);
    o->n = n;
}

static int32_t rank_read(const struct syn_rewrite *r, const struct operand *o)
{
    return o->n ? o->n : rank_of(r->g, o->value, DEPTH);
}

/* Back over Transposes and, for q and k, scales. A Transpose that others read stays for them. */
static void look_beneath(const struct syn_rewrite *r, struct operand *o, bool keeps_last,
                         struct attention *scaled)
{
    bool alone = true; /* nobody else reads what is scaled */
    for (int32_t depth = 0; depth < DEPTH; depth++) {
        const struct syn_node *t;
        struct operand next = *o;
        int64_t perm[SYN_MAX_RANK];
        int32_t n;
        if (scaled && alone) o->value = unscaled(r, o->value, scaled);
        next.value = o->value;
        t = syn_rewrite_maker(r, o->value, SYN_OP_TRANSPOSE);
        n = t ? perm_of(t, perm) : 0;
        if (n == 0 || (o->n && o->n != n)) return;
        compose(&next, perm, n);
        if (keeps_last && next.perm[n - 1] != n - 1) return;
        alone = alone && r->uses[o->value] == 1;
        next.value = t->in[0];
        *o = next;
    }
}

/* --- products --------------------------------------------------------------------------------- */

struct terms {
    char a[SYN_MAX_RANK + 1], b[SYN_MAX_RANK + 1], y[SYN_MAX_RANK + 1];
};

/* "ab,bc->ac" with letters alone, each once in a term. */
static bool read_equation(const struct syn_node *n, struct terms *t)
{
    const char *p = syn_attr_text(n->op, n->attr, "equation");
    char *const term[3] = {t->a, t->b, t->y};
    int32_t at = 0, length = 0;
    if (n->n_in != 2 || !p) return false;
    for (; *p; p++) {
        if (*p == ' ') continue;
        if ((*p == ',' && at == 0) || (*p == '-' && at == 1 && p[1] == '>')) {
            term[at++][length] = '\0';
            length = 0;
            p += *p == '-';
            continue;
        }
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z')) || length == SYN_MAX_RANK ||
            memchr(term[at], *p, (size_t)length))
            return false;
        term[at][length++] = *p;
    }
    term[at][length] = '\0';
    return at == 2;
}

/* perm by which `term` is read in the order `wanted`, which has the same letters. */
static bool perm_between(const char *term, const char *wanted, struct operand *o)
{
    o->n = (int32_t)strlen(wanted);
    if (strlen(term) != (size_t)o->n) return false;
    for (int32_t d = 0; d < o->n; d++) {
        const char *at = strchr(term, wanted[d]);
        if (!at) return false;
        o->perm[d] = at - term;
    }
    return true;
}

/* The letter that only `a` and not `y` has; '\0': none or several. */
static char summed(const char *a, const char *y)
{
    char found = '\0';
    for (; *a; a++)
        if (!strchr(y, *a)) {
            if (found) return '\0';
            found = *a;
        }
    return found;
}

/* scores: "..iz,..jz->..ij" in any order of letters but the last two of the result. */
static bool einsum_scores(const struct syn_node *n, struct attention *m)
{
    struct terms t;
    char q[SYN_MAX_RANK + 1], k[SYN_MAX_RANK + 1], z;
    if (!read_equation(n, &t)) return false;
    const size_t rank = strlen(t.y);
    if (rank < 2 || !(z = summed(t.a, t.y)) || z != summed(t.b, t.y)) return false;
    const bool swapped = strchr(t.a, t.y[rank - 1]) != NULL;
    memcpy(q, t.y, rank + 1), memcpy(k, t.y, rank + 1);
    q[rank - 1] = z;
    k[rank - 2] = z;
    m->q.value = n->in[swapped], m->k.value = n->in[!swapped];
    return perm_between(swapped ? t.b : t.a, q, &m->q) &&
           perm_between(swapped ? t.a : t.b, k, &m->k);
}

/* The result: "..ij,..jz->..iz", the first term as it is. */
static bool einsum_values(const struct syn_node *n, struct attention *m)
{
    struct terms t;
    char v[SYN_MAX_RANK + 1], y[SYN_MAX_RANK + 1], z;
    if (!read_equation(n, &t)) return false;
    const size_t rank = strlen(t.a);
    if (rank < 2 || summed(t.a, t.y) != t.a[rank - 1] || !(z = summed(t.b, t.a))) return false;
    memcpy(v, t.a, rank + 1), memcpy(y, t.a, rank + 1);
    v[rank - 2] = t.a[rank - 1], v[rank - 1] = z, y[rank - 1] = z;
    m->v.value = n->in[1];
    /* y_perm: entry d of the result is this of "..iz" */
    return perm_between(t.b, v, &m->v) && perm_between(y, t.y, &m->y) &&
           m->v.perm[rank - 1] == (int64_t)rank - 1 && m->y.perm[rank - 1] == (int64_t)rank - 1;
}

static bool match_scores(const struct syn_rewrite *r, int32_t value, struct attention *m)
{
    const struct syn_node *n = syn_rewrite_only(r, value, SYN_OP_MAT_MUL);
    m->q = m->k = (struct operand){.n = 0};
    if (n) m->q.value = n->in[0], m->k.value = n->in[1];
    else if (!(n = syn_rewrite_only(r, value, SYN_OP_EINSUM)) || !einsum_scores(n, m)) return false;
    const int32_t q = rank_read(r, &m->q), k = rank_read(r, &m->k);
    if (q < 2 || k < 2) return false;
    m->rank = larger(q, k);
    look_beneath(r, &m->q, false, m);
    look_beneath(r, &m->k, false, m);
    return true;
}

/* --- from the softmax back -------------------------------------------------------------------- */

/* Scores without a mask: scaled or not. */
static bool match_scaled(const struct syn_rewrite *r, int32_t value, struct attention *m)
{
    struct attention next = *m;
    if (!match_scores(r, unscaled(r, value, &next), &next)) return false;
    *m = next;
    return true;
}

static bool match_where(const struct syn_rewrite *r, const struct syn_node *n, struct attention *m)
{
    for (int32_t i = 1; i <= 2; i++) {
        const int32_t number = n->in[3 - i];
        if (!syn_rewrite_number(r->g, number, &m->fill) || isnan(m->fill) ||
            r->g->value[number].dtype != SYN_F32 || r->g->value[number].shape.rank > 2)
            continue;
        m->mask = n->in[0];
        m->mode = i;
        return match_scaled(r, n->in[i], m);
    }
    return false;
}

static bool match_masked(const struct syn_rewrite *r, int32_t value, struct attention *m)
{
    const struct syn_node *n = syn_rewrite_only(r, value, SYN_OP_WHERE);
    m->mask = -1;
    if (n) return match_where(r, n, m);
    n = syn_rewrite_only(r, value, SYN_OP_ADD);
    if (!n) return match_scaled(r, value, m);
    if (n->opset < 7) return false;
    for (int32_t i = 0; i < 2; i++)
        if (match_scaled(r, n->in[i], m)) {
            m->mask = n->in[1 - i];
            m->mode = 0;
            return true;
        }
    return false;
}

/* The softmax's axis is the last one. */
static bool along_last(const struct syn_rewrite *r, const struct syn_node *softmax,
                       const struct attention *m)
{
    const bool old = softmax->opset > 0 && softmax->opset < 13;
    const int32_t mask = m->mask < 0 ? 0 : rank_of(r->g, m->mask, DEPTH);
    int64_t axis = syn_attr_int(softmax->op, softmax->attr, "axis");
    if (axis == INT32_MIN) axis = old ? 1 : -1;
    return axis == -1 || (axis >= 0 && axis == larger(m->rank, mask) - 1);
}

/* The softmax whose weights `value` are: itself, or with what is NaN in it made 0. */
static const struct syn_node *softmax_of(const struct syn_rewrite *r, int32_t value, bool *zero_nan)
{
    const struct syn_node *n = syn_rewrite_only(r, value, SYN_OP_SOFTMAX), *guard, *test;
    *zero_nan = false;
    if (n) return n;
    if (!(guard = syn_rewrite_only(r, value, SYN_OP_WHERE)) ||
        !(test = syn_rewrite_only(r, guard->in[0], SYN_OP_IS_NAN)) ||
        test->in[0] != guard->in[2] || !syn_rewrite_is(r->g, guard->in[1], 0) ||
        r->g->value[guard->in[1]].shape.rank > 2 || r->uses[guard->in[2]] != 2)
        return NULL;
    *zero_nan = true;
    return syn_rewrite_maker(r, guard->in[2], SYN_OP_SOFTMAX);
}

/* A Dropout on the weights does nothing outside training. */
static int32_t undropped(const struct syn_rewrite *r, int32_t value)
{
    const struct syn_node *n = syn_rewrite_only(r, value, SYN_OP_DROPOUT);
    if (!n || (n->n_out > 1 && n->out[1] >= 0) ||
        (n->n_in > 2 && n->in[2] >= 0 && !syn_rewrite_is(r->g, n->in[2], 0)))
        return value;
    return n->in[0];
}

/* A Transpose of the result that keeps its last axis. */
static void match_end(const struct syn_rewrite *r, struct attention *m)
{
    struct syn_node *n = syn_rewrite_reader(r, m->end->out[0]);
    int64_t perm[SYN_MAX_RANK];
    int32_t rank;
    if (!n || n->id != SYN_OP_TRANSPOSE || (rank = perm_of(n, perm)) == 0 ||
        perm[rank - 1] != rank - 1 || (m->y.n && m->y.n != rank))
        return;
    /* entry d of the transposed is perm[d] of the product, which is y.perm of that */
    for (int32_t d = 0; d < rank; d++) perm[d] = m->y.n ? m->y.perm[perm[d]] : perm[d];
    memcpy(m->y.perm, perm, sizeof perm);
    m->y.n = rank;
    m->end = n;
}

static bool match(const struct syn_rewrite *r, struct syn_node *n, struct attention *m)
{
    const struct syn_node *softmax;
    *m = (struct attention){.scale = 1, .end = n, .mask = -1, .factor = {-1, -1}};
    if (n->id == SYN_OP_MAT_MUL) m->v.value = n->in[1];
    else if (n->id != SYN_OP_EINSUM || !einsum_values(n, m)) return false;
    softmax = softmax_of(r, undropped(r, n->in[0]), &m->zero_nan);
    if (!softmax || rank_read(r, &m->v) < 2 ||
        !match_masked(r, softmax->in[0], m) || !along_last(r, softmax, m))
        return false;
    look_beneath(r, &m->v, true, NULL);
    match_end(r, m);
    return true;
}

/* Another type than f32, which would be left to the reference. Of what nodes make the type is not
 * known yet. */
static bool is_other_type(const struct syn_graph *g, const struct operand *o)
{
    return g->value[o->value].producer < 0 && g->value[o->value].dtype != SYN_F32;
}

/* Keys or values are weights: those are linear layers, whose products have them packed once. */
static bool is_layers(const struct syn_graph *g, const struct attention *m)
{
    return !g->value[m->q.value].data &&
           (g->value[m->k.value].data || g->value[m->v.value].data);
}

static syn_status put(struct syn_rewrite *r, const struct attention *m, struct syn_err *err)
{
    const int32_t in[] = {m->q.value, m->k.value, m->v.value, m->mask, m->factor[0], m->factor[1]};
    struct syn_attr attrs[9] = {
        syn_attr_of_float("scale", m->scale), syn_attr_of_int("divide", m->divide),
        syn_attr_of_int("mask_mode", m->mode), syn_attr_of_int("zero_nan", m->zero_nan)};
    const struct operand *perms[] = {&m->q, &m->k, &m->v, &m->y};
    static const char *const names[] = {"q_perm", "k_perm", "v_perm", "y_perm"};
    struct syn_node_spec spec = {.id = SYN_OP_ATTEND, .name = m->end->name, .n_in = 6, .in = in,
                                 .n_attrs = 4, .attrs = attrs, .n_out = 1};
    if (m->mode) attrs[spec.n_attrs++] = syn_attr_of_float("fill", m->fill);
    for (int32_t i = 0; i < 4; i++)
        if (perms[i]->n)
            attrs[spec.n_attrs++] = syn_attr_of_ints(names[i], perms[i]->n, perms[i]->perm);
    return syn_rewrite_put(r, m->end, &spec, err);
}

syn_status syn_pass_attention(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0, n = g->n_nodes; st == SYN_OK && i < n; i++) {
        struct attention m;
        if (!g->node[i].op || g->node[i].n_in < 2 || !match(&r, &g->node[i], &m)) continue;
        if (is_other_type(g, &m.q) || is_other_type(g, &m.k) || is_other_type(g, &m.v)) continue;
        if (is_layers(g, &m)) continue;
        st = put(&r, &m, err);
    }
    syn_rewrite_close(&r);
    return st;
}
