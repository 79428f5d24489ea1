/* graph_gen.h - graphs made by a test: a builder that knows how exact a result may be, a random network,
 * an interpreter, and a run of a backend between guard words.
 *
 * Use:     struct gg b; gg_new(&b, seed); x = gg_input(&b, 1, 3, 9, 9); y = gg_conv(&b, x, &(struct gg_conv){
 *          .co = 16, .k = 3, .pad = 1}); gg_output(&b, y); gg_check(&b, &how, "what"); gg_free(&b);
 * Bounds:  a builder keeps for each value the largest magnitude it can have and the largest error of f32
 *          arithmetic, u = 2^-24: a sum of K products has at most (K + 8)*u times the sum of magnitudes; a
 *          node passes its operands' errors on by its gain (convolution: largest sum of |w| of an output
 *          channel). Inputs lie in [-1, 1]; weights are made so that this sum is about one, hence the
 *          bound stays far below the values.
 * bf16:    at most twice the error of plain bf16 code (the interpreter with every value and weight
 *          rounded), plus one bf16 step of the largest output, as that error is itself a sample.
 * Layer:   tests. */
#ifndef SYN_TEST_GRAPH_GEN_H
#define SYN_TEST_GRAPH_GEN_H

#include "kernels/backend/program.h"
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include "kernels/cpu/cpu.h"
#include "kernels/engine.h"
#include "kernels/graph/op_words.h"
#include "kernels/graph/passes.h"
#include "kernels/ops/ops.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

enum { GG_VALUES = 1024, GG_OUTPUTS = 8, GG_GUARD = 256 /* bytes */ };
#define GG_U 0x1p-24

struct gg {
    struct syn_graph *g;
    struct syn_err err;
    uint64_t seed;
    double mag[GG_VALUES], bound[GG_VALUES]; /* by value */
    float *weights[GG_VALUES];               /* borrowed by the graph */
    int32_t n_weights;
};

static inline uint64_t gg_next(struct gg *b)
{
    uint64_t z = b->seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static inline int64_t gg_below(struct gg *b, int64_t n)
{
    return (int64_t)(gg_next(b) % (uint64_t)n);
}
static inline float gg_float(struct gg *b, float lo, float hi)
{
    return lo + (hi - lo) * ((float)(gg_next(b) >> 40) * 0x1p-24f);
}
#define GG_PICK(b, list) ((list)[gg_below(b, (int64_t)(sizeof(list) / sizeof *(list)))])

static inline void gg_new(struct gg *b, uint64_t seed)
{
    memset(b, 0, sizeof *b);
    b->seed = seed * 0x2545f4914f6cdd1du + 1;
    if (syn_graph_new(&b->g, &b->err) != SYN_OK) abort();
}
static inline void gg_free(struct gg *b)
{
    syn_graph_free(b->g);
    for (int32_t i = 0; i < b->n_weights; i++) free(b->weights[i]);
    b->g = NULL;
}
static inline const struct syn_shape *gg_shape(const struct gg *b, int32_t v)
{
    return &b->g->value[v].shape;
}
static inline int64_t gg_elements(const struct syn_shape *s)
{
    int64_t n = 0;
    if (!syn_shape_elements(s, &n)) abort();
    return n;
}

static inline int32_t gg_input(struct gg *b, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const struct syn_shape s = syn_shape4(n, c, h, w);
    char name[16];
    int32_t v;
    snprintf(name, sizeof name, "in%d", (int)b->g->n_inputs);
    if (syn_graph_input(b->g, name, &s, &v, &b->err) != SYN_OK) abort();
    b->mag[v] = 1;
    return v;
}
static inline void gg_output(struct gg *b, int32_t v)
{
    if (syn_graph_output(b->g, v, &b->err) != SYN_OK) abort();
}
/* data from malloc: the builder's from now on. */
static inline int32_t gg_constant(struct gg *b, const struct syn_shape *s, float *data)
{
    int32_t v;
    if (b->n_weights == GG_VALUES ||
        syn_graph_constant(b->g, "c", SYN_F32, s, data, &v, &b->err) != SYN_OK)
        abort();
    b->weights[b->n_weights++] = data;
    for (int64_t i = 0; i < gg_elements(s); i++) b->mag[v] = fmax(b->mag[v], fabs((double)data[i]));
    return v;
}
static inline int32_t gg_uniform(struct gg *b, const struct syn_shape *s, float lo, float hi)
{
    float *data = (float *)t_alloc((size_t)gg_elements(s) * sizeof *data);
    for (int64_t i = 0; i < gg_elements(s); i++) data[i] = gg_float(b, lo, hi);
    return gg_constant(b, s, data);
}

/* Largest sum of |w| of an output channel, and the number of products in a sum. */
static inline double gg_gain(const struct syn_value *w, bool transposed, double *products)
{
    const int64_t taps = w->shape.dim[2] * w->shape.dim[3], n = w->shape.dim[0],
                  m = w->shape.dim[1];
    double most = 0;
    *products = (double)((transposed ? n : m) * taps);
    for (int64_t o = 0; o < (transposed ? m : n); o++) {
        double sum = 0;
        for (int64_t i = 0; i < (transposed ? n : m); i++)
            for (int64_t t = 0; t < taps; t++)
                sum += fabs(
                    (double)syn_value_float(w, ((transposed ? i * m + o : o * m + i)) * taps + t));
        most = fmax(most, sum);
    }
    return most;
}

static inline void gg_bound_conv(struct gg *b, const struct syn_node *n)
{
    const bool transposed = n->id == SYN_OP_CONV_TRANSPOSE;
    double products, sum = gg_gain(&b->g->value[n->in[1]], transposed, &products);
    const int64_t act = syn_attr_int(n->op, n->attr, "act");
    const double a = fabs(syn_attr_float(n->op, n->attr, "act_a")),
                 hi = fabs(syn_attr_float(n->op, n->attr, "act_b"));
    double mag = sum * b->mag[n->in[0]], bound = sum * b->bound[n->in[0]], lip = 1;
    if (n->n_in > 2 && n->in[2] >= 0) mag += b->mag[n->in[2]];
    bound += (products + 8) * GG_U * mag;
    if (act == SYN_ACT_LEAKY) lip = fmax(1, a);
    if (act == SYN_ACT_PRELU) lip = fmax(1, b->mag[n->in[3]]);
    mag *= lip, bound *= lip;
    if (act == SYN_ACT_SIGMOID) mag = 1, bound += 4 * GG_U;
    if (act == SYN_ACT_CLIP) mag = fmax(fmin(mag, fmax(a, hi)), fmin(a, hi));
    for (int32_t k = 4; k <= 5; k++) {
        const double scale =
            fabs(transposed ? 1 : syn_attr_float(n->op, n->attr, k == 4 ? "beta1" : "beta2"));
        if (k == 4 && !transposed)
            mag *= fabs(syn_attr_float(n->op, n->attr, "alpha")),
                bound *= fabs(syn_attr_float(n->op, n->attr, "alpha"));
        if (k >= n->n_in || n->in[k] < 0) continue;
        mag += scale * b->mag[n->in[k]];
        bound += scale * b->bound[n->in[k]];
    }
    b->mag[n->out[0]] = mag;
    b->bound[n->out[0]] = bound + 4 * GG_U * mag;
}

static inline void gg_bound(struct gg *b, const struct syn_node *n)
{
    const int32_t y = n->out[0];
    double mag = 0, bound = 0;
    if (n->id == SYN_OP_CONV || n->id == SYN_OP_CONV_TRANSPOSE) {
        gg_bound_conv(b, n);
        return;
    }
    for (int32_t k = 0; k < n->n_in; k++) {
        const double m = n->in[k] >= 0 ? b->mag[n->in[k]] : 0,
                     e = n->in[k] >= 0 ? b->bound[n->in[k]] : 0;
        double scale = 1;
        if (n->id == SYN_OP_CROP && k == 1) continue;
        if (n->id == SYN_OP_SCALED_SUM && syn_attr_list(n->op, n->attr, "coeffs")->n)
            scale = fabs(syn_attr_list(n->op, n->attr, "coeffs")->v.f[k]);
        if (n->id == SYN_OP_ADD || n->id == SYN_OP_SUB || n->id == SYN_OP_SCALED_SUM)
            mag += scale * m, bound += scale * e;
        else if (n->id == SYN_OP_MUL && k == 1) bound = bound * m + mag * e + bound * e, mag *= m;
        else if (n->id == SYN_OP_PRELU && k == 1) mag *= fmax(1, m), bound *= fmax(1, m);
        else mag = fmax(mag, m), bound = fmax(bound, e);
    }
    if (n->id == SYN_OP_LEAKY_RELU) {
        const double a = fmax(1, fabs(syn_attr_float(n->op, n->attr, "alpha")));
        mag *= a, bound *= a;
    }
    if (n->id == SYN_OP_RESIZE && syn_attr_int(n->op, n->attr, "mode") == SYN_RESIZE_BICUBIC)
        mag *= 2.5, bound *= 2.5;
    if (n->id == SYN_OP_SIGMOID) mag = 1;
    if (n->id == SYN_OP_CLIP) {
        const double lo = fabs(syn_attr_float(n->op, n->attr, "min")),
                     hi = fabs(syn_attr_float(n->op, n->attr, "max"));
        mag = fmax(fmin(mag, fmax(lo, hi)), fmin(lo, hi));
    }
    b->mag[y] = mag;
    b->bound[y] = bound + mag * GG_U *
                              (n->id == SYN_OP_RESIZE                ? 32
                               : n->id == SYN_OP_GLOBAL_AVERAGE_POOL ? 70
                                                                     : 8);
}

/* A node whose shape is known at once; -1 (and nothing added) when its operands do not fit. */
static inline int32_t gg_node(struct gg *b, syn_op_id id, int32_t n_in, const int32_t *in,
                              int32_t n_attrs, const struct syn_attr *attrs)
{
    struct syn_graph *g = b->g;
    struct syn_op_call c;
    char name[24];
    int32_t y;
    snprintf(name, sizeof name, "n%d", (int)g->n_nodes);
    if (g->n_values >= GG_VALUES - 8 ||
        syn_graph_node(g, id, name, n_in, in, n_attrs, attrs, &y, &b->err) != SYN_OK)
        return -1;
    syn_graph_call(g, g->n_nodes - 1, &c);
    if (c.op->shape(&c, &b->err) != SYN_OK) {
        g->n_nodes--;
        g->n_values--;
        return -1;
    }
    g->value[y].shape = c.out[0].shape;
    gg_bound(b, &g->node[g->n_nodes - 1]);
    return y;
}
static inline int32_t gg_node1(struct gg *b, syn_op_id id, int32_t x)
{
    return gg_node(b, id, 1, &x, 0, NULL);
}
static inline int32_t gg_node2(struct gg *b, syn_op_id id, int32_t x0, int32_t x1)
{
    const int32_t in[2] = {x0, x1};
    return gg_node(b, id, 2, in, 0, NULL);
}
static inline int32_t gg_sum(struct gg *b, int32_t x0, int32_t x1, double c0, double c1)
{
    const int32_t in[2] = {x0, x1};
    const double c[2] = {c0, c1};
    const struct syn_attr a = syn_attr_of_floats("coeffs", 2, c);
    return gg_node(b, SYN_OP_SCALED_SUM, 2, in, 1, &a);
}
static inline int32_t gg_resize(struct gg *b, int32_t x, int mode, int coord, int round,
                                double scale)
{
    const struct syn_attr a[] = {syn_attr_of_int("mode", mode), syn_attr_of_int("coord", coord),
                                 syn_attr_of_int("round", round),
                                 syn_attr_of_float("scale_h", scale),
                                 syn_attr_of_float("scale_w", scale)};
    return gg_node(b, SYN_OP_RESIZE, 1, &x, 5, a);
}
static inline int32_t gg_int(struct gg *b, syn_op_id id, int32_t x, const char *name, int64_t v)
{
    const struct syn_attr a = syn_attr_of_int(name, v);
    return gg_node(b, id, 1, &x, 1, &a);
}
static inline int32_t gg_crop(struct gg *b, int32_t x, int64_t top, int64_t left, int64_t bottom,
                              int64_t right)
{
    const struct syn_attr a[] = {syn_attr_of_int("top", top), syn_attr_of_int("left", left),
                                 syn_attr_of_int("bottom", bottom),
                                 syn_attr_of_int("right", right)};
    return gg_node(b, SYN_OP_CROP, 1, &x, 4, a);
}
static inline int32_t gg_pool(struct gg *b, syn_op_id id, int32_t x, int64_t k, int64_t stride)
{
    const int64_t kernel[2] = {k, k}, strides[2] = {stride, stride};
    const struct syn_attr a[] = {syn_attr_of_ints("kernel", 2, kernel),
                                 syn_attr_of_ints("strides", 2, strides)};
    return gg_node(b, id, 1, &x, 2, a);
}

/* A convolution in words. Zero means the usual: kernel 1, stride 1, no padding, alpha 1... */
struct gg_conv {
    int64_t co, k, kw, group; /* k: both ways unless kw is given */
    int64_t stride, stride_w, dil, dil_w;
    int64_t pad, pads[4], out_pad; /* pad: all four; else pads */
    bool transposed, bare,
        dense; /* bare: no bias; dense: every weight counts (else a few large ones) */
    int act;
    double act_a, act_b, alpha, beta1, beta2;
    int32_t res1, res2; /* 1 + value; 0 = none */
};

static inline int32_t gg_conv_weights(struct gg *b, const struct gg_conv *s, int64_t ci, int64_t kh,
                                      int64_t kw, int64_t group)
{
    const struct syn_shape shape = s->transposed ? syn_shape4(ci, s->co / group, kh, kw)
                                                 : syn_shape4(s->co, ci / group, kh, kw);
    const int64_t n = gg_elements(&shape), products = ci / group * kh * kw;
    float *w = (float *)t_alloc((size_t)n * sizeof *w);
    /* dense: K numbers of mean size 1/(2 sqrt K), so that results are near one. Else: tiny ones and about
     * four of +-0.3, so that a deep network neither fades nor grows. */
    const float size = (s->dense ? 1 / sqrtf((float)products) : 0.4f / (float)products);
    for (int64_t i = 0; i < n; i++) {
        w[i] = gg_float(b, -size, size);
        if (!s->dense && gg_below(b, products) < 4) w[i] = gg_next(b) & 1 ? 0.3f : -0.3f;
    }
    return gg_constant(b, &shape, w);
}

static inline int32_t gg_conv(struct gg *b, int32_t x, const struct gg_conv *s)
{
    const int64_t ci = gg_shape(b, x)->dim[1], kh = s->k ? s->k : 1, kw = s->kw ? s->kw : kh,
                  group = s->group ? s->group : 1;
    const int64_t sh = s->stride ? s->stride : 1, strides[2] = {sh, s->stride_w ? s->stride_w : sh};
    const int64_t dh = s->dil ? s->dil : 1, dils[2] = {dh, s->dil_w ? s->dil_w : dh},
                  op[2] = {s->out_pad, s->out_pad};
    const int64_t all[4] = {s->pad, s->pad, s->pad, s->pad}, *pads = s->pad ? all : s->pads;
    const struct syn_shape vector = syn_shape_of(1, &s->co);
    const struct syn_attr attrs[] = {syn_attr_of_int("group", group),
                                     syn_attr_of_ints("strides", 2, strides),
                                     syn_attr_of_ints("dilations", 2, dils),
                                     syn_attr_of_ints("pads", 4, pads),
                                     syn_attr_of_int("act", s->act),
                                     syn_attr_of_float("act_a", s->act_a),
                                     syn_attr_of_float("act_b", s->act_b),
                                     s->transposed
                                         ? syn_attr_of_ints("output_padding", 2, op)
                                         : syn_attr_of_float("alpha", s->alpha != 0 ? s->alpha : 1),
                                     syn_attr_of_float("beta1", s->beta1 != 0 ? s->beta1 : 1),
                                     syn_attr_of_float("beta2", s->beta2 != 0 ? s->beta2 : 1)};
    int32_t in[6] = {x, -1, -1, -1, s->res1 - 1, s->res2 - 1};
    in[1] = gg_conv_weights(b, s, ci, kh, kw, group);
    if (!s->bare) in[2] = gg_uniform(b, &vector, -0.3f, 0.3f);
    if (s->act == SYN_ACT_PRELU) in[3] = gg_uniform(b, &vector, -0.3f, 1.2f);
    return gg_node(b, s->transposed ? SYN_OP_CONV_TRANSPOSE : SYN_OP_CONV, s->transposed ? 4 : 6,
                   in, s->transposed ? 8 : 10, attrs);
}

/* --- the interpreter: each node by its reference, no backend, no passes ------------------------- */

static inline void gg_round(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = syn_bf16_to_float(syn_bf16_from_float(x[i]));
}

/* in: one per graph input. out[i]: malloc'd, the caller's. bf16: values, and weights of convolutions, are
 * rounded, vectors ([n,c,1,1]) and biases excepted. */
static inline void gg_interpret(const struct syn_graph *g, float *const *in, bool bf16, float **out)
{
    float **data = (float **)calloc((size_t)g->n_values, sizeof *data);
    struct syn_op_call *c = (struct syn_op_call *)t_alloc(sizeof *c);
    struct syn_err err = {""};
    if (!data) abort();
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const int64_t n = gg_elements(&g->value[g->input[i]].shape);
        data[g->input[i]] = (float *)t_alloc((size_t)n * sizeof(float));
        memcpy(data[g->input[i]], in[i], (size_t)n * sizeof(float));
        if (bf16 && g->value[g->input[i]].shape.dim[2] * g->value[g->input[i]].shape.dim[3] > 1)
            gg_round(data[g->input[i]], n);
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *node = &g->node[i];
        const bool conv = node->id == SYN_OP_CONV || node->id == SYN_OP_CONV_TRANSPOSE;
        if (!node->op) continue;
        syn_graph_call(g, i, c);
        for (int32_t k = 0; k < c->n_in; k++) {
            const int32_t v = node->in[k];
            int64_t n;
            if (v < 0) continue;
            if (!data[v]) {
                n = gg_elements(&g->value[v].shape);
                data[v] = (float *)t_alloc((size_t)n * sizeof(float));
                for (int64_t e = 0; e < n; e++) data[v][e] = syn_value_float(&g->value[v], e);
                if (bf16 && conv && k == 1) gg_round(data[v], n);
            }
            c->in[k].data = data[v];
            c->in[k].dtype = SYN_F32;
        }
        for (int32_t k = 0; k < c->n_out; k++) {
            const struct syn_shape *s = &c->out[k].shape;
            data[node->out[k]] = (float *)t_alloc((size_t)gg_elements(s) * sizeof(float));
            c->out[k].data = data[node->out[k]];
        }
        T_CHECK(c->op->reference(c, &err) == SYN_OK, "%s: %s", node->name, err.text);
        for (int32_t k = 0; bf16 && k < c->n_out; k++)
            if (c->out[k].shape.rank == 4 && c->out[k].shape.dim[2] * c->out[k].shape.dim[3] > 1)
                gg_round(data[node->out[k]], gg_elements(&c->out[k].shape));
    }
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const int64_t n = gg_elements(&g->value[g->output[i]].shape);
        out[i] = (float *)t_alloc((size_t)n * sizeof(float));
        if (data[g->output[i]]) memcpy(out[i], data[g->output[i]], (size_t)n * sizeof(float));
        else
            for (int64_t e = 0; e < n; e++) out[i][e] = syn_value_float(&g->value[g->output[i]], e);
    }
    for (int32_t v = 0; v < g->n_values; v++) free(data[v]);
    free(data);
    free(c);
}

/* --- a backend between guard words -------------------------------------------------------------- */

struct gg_how {
    const struct syn_backend *backend;
    void *self;
    bool bf16, no_views, no_share, no_winograd, no_lanes, no_pairs;
    unsigned passes;                  /* SYN_PASS_FOLD | SYN_PASS_FUSE_CONV | SYN_PASS_PHASES */
    const char *want_impl, *want_not; /* a step's impl that must, may not occur; NULL = any */
};

static inline syn_status gg_passes(struct syn_graph *g, unsigned passes, struct syn_err *err)
{
    syn_status st = SYN_OK;
    struct syn_shape in[GG_OUTPUTS];
    for (int32_t i = 0; i < g->n_inputs; i++) in[i] = g->value[g->input[i]].shape;
    if (st == SYN_OK && (passes & SYN_PASS_FOLD)) st = syn_pass_fold(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_FUSE_CONV)) st = syn_pass_fuse_conv(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_FUSE_CONV)) st = syn_pass_fuse_shuffle(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_PHASES)) st = syn_pass_phases(g, err);
    return st == SYN_OK ? syn_graph_infer(g, in, err) : st;
}

/* A block of n bytes, aligned, guard bytes on both sides, all of it filled. */
static inline uint8_t *gg_guarded(size_t n, int fill, uint8_t **block)
{
    const size_t whole = (n + 2 * GG_GUARD + 63) / 64 * 64;
    *block = (uint8_t *)aligned_alloc(64, whole);
    if (!*block) abort();
    memset(*block, 0xa5, whole);
    memset(*block + GG_GUARD, fill, n);
    return *block + GG_GUARD;
}
static inline size_t gg_torn(const uint8_t *block, size_t n)
{
    size_t torn = 0;
    for (size_t i = 0; i < GG_GUARD; i++)
        torn += (block[i] != 0xa5) + (block[GG_GUARD + n + i] != 0xa5);
    return torn;
}

/* One run over a workspace filled with `fill` (0xff: every unwritten number is NaN). */
static inline syn_status gg_run_once(struct syn_program *p, float *const *in, int fill, float **out,
                                     const char *what)
{
    uint8_t *ws_block, *ws = gg_guarded(p->peak_bytes, fill, &ws_block), *block[GG_OUTPUTS];
    const void *from[GG_OUTPUTS];
    void *to[GG_OUTPUTS];
    struct syn_err err = {""};
    syn_status st;
    for (int32_t i = 0; i < p->g->n_inputs; i++) from[i] = in[i];
    for (int32_t i = 0; i < p->g->n_outputs; i++)
        to[i] = gg_guarded((size_t)gg_elements(&p->g->value[p->g->output[i]].shape) * sizeof(float),
                           0xff, &block[i]);
    st = syn_program_run(p, ws, from, to, NULL, false, &err);
    T_CHECK(st == SYN_OK, "%s: %s", what, err.text);
    T_CHECK(gg_torn(ws_block, p->peak_bytes) == 0, "%s: guard bytes of the workspace overwritten",
            what);
    for (int32_t i = 0; i < p->g->n_outputs; i++) {
        const size_t n = (size_t)gg_elements(&p->g->value[p->g->output[i]].shape) * sizeof(float);
        T_CHECK(gg_torn(block[i], n) == 0, "%s: guard bytes of output %d overwritten", what,
                (int)i);
        out[i] = (float *)t_alloc(n);
        memcpy(out[i], to[i], n);
        free(block[i]);
    }
    free(ws_block);
    return st;
}

static inline bool gg_has_impl(const struct syn_program *p, const char *impl)
{
    for (int32_t i = 0; i < p->n_steps; i++)
        if (p->step[i].kernel.impl && strstr(p->step[i].kernel.impl, impl)) return true;
    return false;
}

/* Copy, passes, program, two runs that must agree bit for bit. out[i]: malloc'd. False after a failure. */
static inline bool gg_run(const struct gg *b, const struct gg_how *how, float *const *in,
                          float **out, const char *what)
{
    struct syn_graph *g = NULL;
    struct syn_program *p = NULL;
    struct syn_err err = {""};
    struct syn_placement place = {
        .bf16 = how->bf16, .concat_views = !how->no_views, .winograd = !how->no_winograd,
        .lanes = !how->no_lanes, .pairs = !how->no_pairs};
    float *again[GG_OUTPUTS];
    syn_status st = syn_graph_copy(b->g, &g, &err);
    if (st == SYN_OK) st = gg_passes(g, how->passes, &err);
    place.g = g;
    if (st == SYN_OK)
        st = syn_program_new(how->backend, how->self, &place, g, !how->no_share, &p, &err);
    T_CHECK(st == SYN_OK, "%s: %s", what, err.text);
    if (st != SYN_OK) {
        syn_graph_free(g);
        return false;
    }
    T_CHECK(!how->want_impl || gg_has_impl(p, how->want_impl), "%s: no step runs as %s", what,
            how->want_impl);
    T_CHECK(!how->want_not || !gg_has_impl(p, how->want_not), "%s: a step runs as %s", what,
            how->want_not);
    (void)gg_run_once(p, in, 0xff, out, what);
    (void)gg_run_once(p, in, 0x7f, again, what);
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const size_t n = (size_t)gg_elements(&g->value[g->output[i]].shape) * sizeof(float);
        T_CHECK(memcmp(out[i], again[i], n) == 0, "%s: two runs differ in output %d", what, (int)i);
        free(again[i]);
    }
    syn_program_free(p);
    return true;
}

static inline double gg_max_error(const float *a, const float *b, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* The results against the interpreter's: f32 within the builder's bounds, bf16 within twice plain code. */
static inline void gg_compare(const struct gg *b, const struct gg_how *how, float *const *got,
                              float *const *want, float *const *plain, const char *what)
{
    for (int32_t i = 0; i < b->g->n_outputs; i++) {
        const int32_t v = b->g->output[i];
        const int64_t n = gg_elements(gg_shape(b, v));
        double largest = 0, bound = b->bound[v];
        int64_t good = 0, first = -1;
        for (int64_t k = 0; k < n; k++) largest = fmax(largest, fabs((double)want[i][k]));
        if (how->bf16) bound += 2 * gg_max_error(plain[i], want[i], n) + 0x1p-8 * largest;
        for (int64_t k = 0; k < n; k++) {
            const bool ok =
                fabs((double)got[i][k] - (double)want[i][k]) <= bound; /* false for NaN */
            if (!ok && first < 0) first = k;
            good += ok;
        }
        T_CHECK(good == n, "%s: output %d: %lld of %lld within %.3g; [%lld] = %.9g, expected %.9g",
                what, (int)i, (long long)good, (long long)n, bound, (long long)first,
                first < 0 ? 0 : (double)got[i][first], first < 0 ? 0 : (double)want[i][first]);
    }
}

static inline void gg_make_inputs(const struct gg *b, float **in)
{
    for (int32_t i = 0; i < b->g->n_inputs; i++)
        in[i] = t_uniform(b->seed + (uint64_t)i + 77,
                          (size_t)gg_elements(gg_shape(b, b->g->input[i])), -1, 1);
}

/* Runs each way and compares all with the interpreter. */
static inline void gg_check_all(const struct gg *b, const struct gg_how *how, int32_t n_how,
                                const char *what)
{
    float *in[GG_OUTPUTS] = {NULL}, *want[GG_OUTPUTS], *plain[GG_OUTPUTS] = {NULL},
          *got[GG_OUTPUTS];
    bool bf16 = false;
    for (int32_t k = 0; k < n_how; k++) bf16 |= how[k].bf16;
    gg_make_inputs(b, in);
    gg_interpret(b->g, in, false, want);
    if (bf16) gg_interpret(b->g, in, true, plain);
    for (int32_t k = 0; k < n_how; k++) {
        char label[160];
        snprintf(label, sizeof label, "%s [%s%s%s%s%s%s%s passes %x]", what, how[k].backend->name,
                 how[k].bf16 ? " bf16" : "", how[k].no_views ? " no views" : "",
                 how[k].no_share ? " no sharing" : "", how[k].no_winograd ? " no winograd" : "",
                 how[k].no_lanes ? " no lanes" : "", how[k].no_pairs ? " no pairs" : "",
                 how[k].passes);
        if (!gg_run(b, &how[k], in, got, label)) continue;
        gg_compare(b, &how[k], got, want, plain, label);
        for (int32_t i = 0; i < b->g->n_outputs; i++) free(got[i]);
    }
    for (int32_t i = 0; i < b->g->n_inputs; i++) free(in[i]);
    for (int32_t i = 0; i < b->g->n_outputs; i++) free(want[i]), free(plain[i]);
}
static inline void gg_check(const struct gg *b, const struct gg_how *how, const char *what)
{
    gg_check_all(b, how, 1, what);
}

/* --- random networks ------------------------------------------------------------------------------ */

static inline int32_t gg_random_conv(struct gg *b, int32_t x, int32_t res)
{
    static const int64_t channels[] = {1, 3, 4, 5, 15, 16, 16, 17, 32, 33, 48};
    struct gg_conv s = {.co = GG_PICK(b, channels),
                        .k = 1 + gg_below(b, 4),
                        .act = (int)gg_below(b, SYN_ACT_COUNT),
                        .act_a = 0.2};
    if (gg_below(b, 3) == 0) s.k = 3;
    s.pad = s.k == 3 ? gg_below(b, 4) != 0 : s.k / 2;
    s.stride = gg_below(b, 6) == 0 ? 2 : 1;
    s.bare = gg_below(b, 4) == 0;
    if (s.act == SYN_ACT_CLIP) s.act_a = gg_below(b, 4) ? -0.5 : 0.1, s.act_b = 0.8;
    if (gg_below(b, 8) == 0) {
        s.transposed = true, s.k = 2 + 2 * gg_below(b, 2), s.pad = s.k / 2 - 1, s.stride = 2;
        if (gg_shape(b, x)->dim[2] > 16 || gg_shape(b, x)->dim[3] > 16) return -1;
    } else if (res >= 0 && s.k % 2 == 1) {
        s.co = gg_shape(b, res)->dim[1], s.stride = 1, s.pad = s.k / 2;
        s.alpha = 0.6, s.beta1 = 0.5, s.res1 = res + 1;
    }
    return gg_conv(b, x, &s);
}

static inline int32_t gg_random_concat(struct gg *b, const int32_t *pool, int32_t n, int32_t x)
{
    int32_t in[5] = {x}, n_in = 1;
    int64_t channels = gg_shape(b, x)->dim[1];
    for (int32_t tries = 0; tries < 12 && n_in < 5; tries++) {
        const int32_t v = pool[gg_below(b, n)];
        const struct syn_shape *a = gg_shape(b, v), *s = gg_shape(b, x);
        if (a->dim[2] != s->dim[2] || a->dim[3] != s->dim[3] || channels + a->dim[1] > 128)
            continue;
        channels += a->dim[1];
        in[n_in++] = v;
    }
    return n_in < 2 ? -1 : gg_node(b, SYN_OP_CONCAT, n_in, in, 0, NULL);
}

/* Another value of x's shape, or -1. */
static inline int32_t gg_like(struct gg *b, const int32_t *pool, int32_t n, int32_t x)
{
    for (int32_t tries = 0; tries < 12; tries++) {
        const int32_t v = pool[gg_below(b, n)];
        if (v != x && syn_shape_equal(gg_shape(b, v), gg_shape(b, x))) return v;
    }
    return -1;
}

static inline int32_t gg_random_excite(struct gg *b, int32_t x)
{
    const struct gg_conv squeeze = {.co = 5, .act = SYN_ACT_RELU},
                         excite = {.co = gg_shape(b, x)->dim[1], .act = SYN_ACT_SIGMOID};
    int32_t v = gg_node1(b, SYN_OP_GLOBAL_AVERAGE_POOL, x);
    v = gg_conv(b, v, &squeeze);
    v = gg_conv(b, v, &excite);
    return gg_node2(b, SYN_OP_MUL, x, v);
}

static inline int32_t gg_random_step(struct gg *b, const int32_t *pool, int32_t n)
{
    const int32_t x = gg_below(b, 3) ? pool[n - 1] : pool[gg_below(b, n)],
                  like = gg_like(b, pool, n, x);
    const struct syn_shape s = *gg_shape(b, x);
    const struct syn_shape vector = syn_shape_of(1, &s.dim[1]), one = syn_shape4(1, s.dim[1], 1, 1);
    switch (gg_below(b, 20)) {
    case 0: return gg_node1(b, SYN_OP_RELU, x);
    case 1: return gg_node1(b, SYN_OP_LEAKY_RELU, x);
    case 2: return gg_node2(b, SYN_OP_PRELU, x, gg_uniform(b, &vector, -0.2f, 0.9f));
    case 3: return gg_node1(b, gg_below(b, 2) ? SYN_OP_SIGMOID : SYN_OP_IDENTITY, x);
    case 4: {
        const struct syn_attr a[] = {syn_attr_of_float("min", -0.4), syn_attr_of_float("max", 0.7)};
        return gg_node(b, SYN_OP_CLIP, 1, &x, 2, a);
    }
    case 5: return like < 0 ? -1 : gg_node2(b, SYN_OP_ADD, x, like);
    case 6: return like < 0 ? -1 : gg_sum(b, x, like, 0.2, 1);
    case 7: return like < 0 ? -1 : gg_node2(b, gg_below(b, 2) ? SYN_OP_MIN : SYN_OP_MAX, x, like);
    case 8:
        return gg_node2(b, gg_below(b, 2) ? SYN_OP_SUB : SYN_OP_MUL, x,
                        gg_uniform(b, &one, -0.7f, 0.9f));
    case 9:
    case 10: return gg_random_concat(b, pool, n, x);
    case 11:
        return s.dim[2] > 6 && s.dim[3] > 6
                   ? gg_crop(b, x, gg_below(b, 2), gg_below(b, 3), 1, gg_below(b, 2))
                   : -1;
    case 12:
        return s.dim[2] * s.dim[3] <= 260
                   ? gg_resize(b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2)
                   : -1;
    case 13:
        return s.dim[2] * s.dim[3] <= 260
                   ? gg_resize(b, x, (int)gg_below(b, 3), SYN_COORD_HALF_PIXEL,
                               SYN_ROUND_PREFER_CEIL, gg_below(b, 2) ? 2 : 1.5)
                   : -1;
    case 14: return s.dim[1] % 4 == 0 ? gg_int(b, SYN_OP_PIXEL_SHUFFLE, x, "r", 2) : -1;
    case 15:
        return s.dim[2] > 8 && s.dim[3] > 8
                   ? gg_pool(b, gg_below(b, 2) ? SYN_OP_MAX_POOL : SYN_OP_AVERAGE_POOL, x, 2, 2)
                   : -1;
    case 16: return gg_random_excite(b, x);
    default: return gg_random_conv(b, x, like);
    }
}

/* n_nodes successful steps from one picture; 1 to 3 outputs, the last value among them. */
static inline void gg_random(struct gg *b, uint64_t seed, int32_t n_nodes)
{
    static const int64_t channels[] = {1, 3, 3, 4, 16, 17, 32};
    int32_t pool[GG_VALUES], n = 1;
    gg_new(b, seed);
    pool[0] = gg_input(b, gg_below(b, 4) == 0 ? 2 : 1, GG_PICK(b, channels), 7 + gg_below(b, 9),
                       7 + gg_below(b, 13));
    for (int32_t tries = 0; n <= n_nodes && tries < 20 * n_nodes; tries++) {
        const int32_t y = gg_random_step(b, pool, n);
        if (y >= 0) pool[n++] = y;
    }
    gg_output(b, pool[n - 1]);
    for (int32_t extra = (int32_t)gg_below(b, 3); extra > 0; extra--)
        gg_output(b, pool[gg_below(b, n)]);
}

/* The CPU backend with convolutions by "own" or "onednn" alone (NULL: as measured, which under a sanitizer
 * is oneDNN and would leave our kernels untried). NULL where this build or CPU has none of them. */
static inline void *gg_open_cpu(int32_t threads, const char *only)
{
    const struct syn_backend_opts opts = {.threads = threads, .bf16 = 1, .only = only};
    struct syn_err err = {""};
    void *self = NULL;
    const syn_status st = syn_backend_cpu.open(&opts, &self, &err);
    if (st != SYN_OK && !(only && st == SYN_UNSUPPORTED)) {
        fprintf(stderr, "cpu: %s\n", err.text);
        abort();
    }
    return self;
}
/* Calls test() with *cpu set to each form there is; as measured where there is neither. */
static inline void gg_each_cpu(void **cpu, int32_t threads, void (*test)(const char *only))
{
    static const char *const forms[] = {"own", "onednn", NULL};
    int32_t ran = 0;
    for (int32_t i = 0; i < 3; i++) {
        if (!forms[i] && ran) break;
        if (!(*cpu = gg_open_cpu(threads, forms[i]))) continue;
        test(forms[i]);
        syn_backend_cpu.close(*cpu);
        ran++;
    }
}

#endif
