/* flex_attention.c - attention whose scores and weights a body may change: FLEX_ATTENTION.
 *
 * Source:  ONNX (domain ai.onnx.preview) FlexAttention-1.
 * Operands: Q [b, hq, l, e], K [b, hk, s, e], V [b, hk, s, v], then the captures of score_mod and
 *          those of prob_mod; Y [b, hq, l, v]. hq is a multiple of hk: query head h reads head h /
 *          (hq / hk).
 * Attributes: scale (0: 1 / sqrt(e)), softmax_precision (0: f64 for f64, else f32), score_mod and
 *          prob_mod: bodies of one input and one output of [b, hq, l, s] in that precision.
 * Maths:   scores = (Q sqrt(scale)) (K sqrt(scale))^T, factors and sums rounded to Q's type;
 *          softmax of score_mod(scores) over s; Y = prob_mod(weights) V in the precision of the
 *          softmax.
 * Layer:   kernels/ops.   Threads: a call belongs to one thread.
 * Ownership: scores and weights while it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/body.h"
#include "kernels/ops/type_number.h"
#include "kernels/ops/window.h"
#include <math.h>

struct flex {
    const struct syn_graph *score_mod, *prob_mod; /* NULL: none */
    int32_t n_score, n_prob;                      /* captures */
    syn_dtype precision;
    int64_t group, l, s, e, v; /* group: query heads that share a head of K and V */
    double root;                   /* of scale, in Q's type */
};

static int32_t captures_of(const struct syn_graph *body) { return body ? body->n_inputs - 1 : 0; }

static syn_status check_bodies(const struct syn_op_call *c, struct flex *f, struct syn_err *err)
{
    const struct syn_graph *body[2];
    body[0] = f->score_mod = syn_attr_graph(c->op, c->attr, "score_mod");
    body[1] = f->prob_mod = syn_attr_graph(c->op, c->attr, "prob_mod");
    for (int i = 0; i < 2; i++)
        if (body[i] && (body[i]->n_inputs < 1 || body[i]->n_outputs != 1))
            return syn_fail(
                err, SYN_INVALID,
                "%s: %s has %d inputs and %d outputs: must have one of each and captures",
                c->op->name, i ? "prob_mod" : "score_mod", (int)body[i]->n_inputs,
                (int)body[i]->n_outputs);
    f->n_score = captures_of(f->score_mod), f->n_prob = captures_of(f->prob_mod);
    if (c->n_in == 3 + f->n_score + f->n_prob) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %d operands: the bodies have %d and %d captures",
                    c->op->name, (int)c->n_in, (int)f->n_score, (int)f->n_prob);
}

static syn_status check_shapes(const struct syn_op_call *c, struct flex *f, struct syn_err *err)
{
    static const char *const name[3] = {"Q", "K", "V"};
    const struct syn_shape *q = &c->in[0].shape, *k = &c->in[1].shape, *v = &c->in[2].shape;
    char a[192], b[192], d[192];
    for (int32_t i = 0; i < 3; i++) {
        syn_status st = syn_ops_ranked(c, i, name[i], SYN_TYPES_FLOAT, 4, 4, err);
        if (st == SYN_OK) st = syn_ops_same_type(c, 0, i, name[i], err);
        if (st != SYN_OK) return st;
    }
    if (q->dim[0] != k->dim[0] || q->dim[0] != v->dim[0] || k->dim[1] != v->dim[1] ||
        k->dim[2] != v->dim[2] || q->dim[3] != k->dim[3] || k->dim[1] < 1 ||
        q->dim[1] % k->dim[1] != 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: Q %s, K %s, V %s: must be [b,hq,l,e], [b,hk,s,e], [b,hk,s,v], hq a "
                        "multiple of hk",
                        c->op->name, syn_shape_text(q, a, sizeof a), syn_shape_text(k, b, sizeof b),
                        syn_shape_text(v, d, sizeof d));
    f->group = q->dim[1] / k->dim[1];
    f->l = q->dim[2], f->s = k->dim[2], f->e = q->dim[3], f->v = v->dim[3];
    return SYN_OK;
}

/* Of Q's type. */
static double rounded(const struct syn_op_call *c, double v)
{
    uint64_t bits = 0;
    const struct syn_tensor one = {.dtype = c->in[0].dtype, .data = &bits};
    syn_put(&one, 0, v);
    return syn_get(&one, 0);
}

static syn_status parse(const struct syn_op_call *c, struct flex *f, struct syn_err *err)
{
    const int64_t number = syn_attr_int(c->op, c->attr, "softmax_precision");
    double scale = syn_attr_float(c->op, c->attr, "scale");
    syn_status st = check_shapes(c, f, err);
    if (st == SYN_OK) st = check_bodies(c, f, err);
    if (st != SYN_OK) return st;
    f->precision = c->in[0].dtype == SYN_F64 ? SYN_F64 : SYN_F32;
    if (number) st = syn_ops_type_number(c, "softmax_precision", number, &f->precision, err);
    if (st == SYN_OK && !(SYN_TYPES_FLOAT >> f->precision & 1))
        st = syn_fail(err, SYN_INVALID,
                      "%s: softmax_precision = %s: must be a float of 16 bits or more", c->op->name,
                      syn_dtype_word(f->precision));
    if (scale < 0)
        st = syn_fail(err, SYN_INVALID, "%s: scale = %g: must not be negative", c->op->name, scale);
    if (scale == 0) scale = f->e > 0 ? 1 / sqrt((double)f->e) : 1;
    f->root = rounded(c, (double)sqrtf((float)scale));
    return st;
}

/* The first row of K and V for row r of Q; rows are those of all heads of all batches, and hq / hk
 * heads in a row share one of K and V, also across batches. */
static int64_t first_row(const struct flex *f, int64_t r) { return r / f->l / f->group * f->s; }

static void scores_of(const struct syn_op_call *c, const struct flex *f, struct syn_tensor *p,
                      int64_t rows)
{
    for (int64_t r = 0; r < rows; r++) {
        const int64_t first = first_row(f, r);
        for (int64_t j = 0; j < f->s; j++) {
            double sum = 0;
            for (int64_t i = 0; i < f->e; i++)
                sum += rounded(c, syn_get(&c->in[0], r * f->e + i) * f->root) *
                       rounded(c, syn_get(&c->in[1], (first + j) * f->e + i) * f->root);
            syn_put(p, r * f->s + j, rounded(c, sum));
        }
    }
}

static void softmax(const struct flex *f, struct syn_tensor *p, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++) {
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < f->s; j++) most = fmax(most, syn_get(p, r * f->s + j));
        for (int64_t j = 0; j < f->s; j++) sum += exp(syn_get(p, r * f->s + j) - most);
        for (int64_t j = 0; j < f->s; j++)
            syn_put(p, r * f->s + j, exp(syn_get(p, r * f->s + j) - most) / sum);
    }
}

static void weigh(const struct syn_op_call *c, const struct flex *f, const struct syn_tensor *p,
                  int64_t rows)
{
    for (int64_t r = 0; r < rows; r++) {
        const int64_t first = first_row(f, r);
        for (int64_t i = 0; i < f->v; i++) {
            double sum = 0;
            for (int64_t j = 0; j < f->s; j++)
                sum += syn_get(p, r * f->s + j) * syn_get(&c->in[2], (first + j) * f->v + i);
            syn_put(&c->out[0], r * f->v + i, sum);
        }
    }
}

/* *p, whose data is the heap's, becomes what the body makes of it. */
static syn_status modify(const struct syn_op_call *c, const struct syn_graph *body,
                         const struct syn_tensor *captures, struct syn_tensor *p,
                         const char *attr, struct syn_err *err)
{
    struct syn_tensor in[SYN_MAX_OPERANDS], out = {.data = NULL};
    char got[192], want[192];
    syn_status st;
    if (!body) return SYN_OK;
    in[0] = *p;
    for (int32_t i = 1; i < body->n_inputs; i++) in[i] = captures[i - 1];
    st = syn_body_run(c, body, in, &out, err);
    if (st == SYN_OK && (out.dtype != p->dtype || !syn_shape_equal(&out.shape, &p->shape)))
        st = syn_fail(err, SYN_INVALID, "%s: %s makes %s %s: must be %s %s", c->op->name, attr,
                      syn_dtype_word(out.dtype), syn_shape_text(&out.shape, got, sizeof got),
                      syn_dtype_word(p->dtype), syn_shape_text(&p->shape, want, sizeof want));
    if (st == SYN_OK) {
        syn_free(p->data);
        p->data = out.data;
        out.data = NULL;
    }
    syn_body_drop(&out, 1);
    return st;
}

static syn_status reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct flex f = {0};
    struct syn_tensor p = {.data = NULL};
    struct syn_shape y = c->in[0].shape;
    int64_t n, rows;
    size_t bytes;
    syn_status st = parse(c, &f, err);
    if (st != SYN_OK) return st;
    rows = y.dim[0] * y.dim[1] * y.dim[2];
    p.shape = y, p.shape.dim[3] = f.s, p.dtype = f.precision;
    y.dim[3] = f.v;
    if (!syn_shape_elements(&p.shape, &n) || !syn_mul((size_t)n, syn_dtype_bytes(p.dtype), &bytes))
        return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^40 scores", c->op->name);
    st = syn_ops_make(syn_maker(c), 0, &y, c->in[0].dtype, err);
    if (st == SYN_OK && !(p.data = syn_alloc(bytes)))
        st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory for scores", c->op->name);
    if (st != SYN_OK) goto done;
    scores_of(c, &f, &p, n ? rows : 0);
    if ((st = modify(c, f.score_mod, &c->in[3], &p, "score_mod", err)) != SYN_OK) goto done;
    softmax(&f, &p, n ? rows : 0);
    st = modify(c, f.prob_mod, &c->in[3 + f.n_score], &p, "prob_mod", err);
    if (st == SYN_OK) weigh(c, &f, &p, syn_ops_elements(&y) ? rows : 0);
done:
    syn_free(p.data);
    return st;
}

static const struct syn_attr_spec attrs[] = {
    {"score_mod", SYN_ATTR_GRAPH, 0, 0, 0},
    {"prob_mod", SYN_ATTR_GRAPH, 0, 0, 0},
    {"scale", SYN_ATTR_FLOAT, 0, -3.5e38, 3.5e38},
    {"softmax_precision", SYN_ATTR_INT, 0, 0, 2147483647},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_flex_attention = {
    .name = "FlexAttention", .domain = "ai.onnx.preview", .flags = SYN_OP_MAKES, .min_in = 3,
    .max_in = SYN_MAX_OPERANDS, .n_out = 1, .attrs = attrs, .reference = reference,
};
