/* linear_state.c - layers that carry a state from call to call: CAUSAL_CONV_WITH_STATE,
 * LINEAR_ATTENTION.
 *
 * Source:  ONNX CausalConvWithState-27, LinearAttention-27.
 * Operands: CausalConvWithState: x [b,c,l], w [c,1,k], bias [c]?, past [b,c,k-1]?; y [b,c,l],
 *          present [b,c,k-1]. LinearAttention: query [b,t,hq*dk], key [b,t,h*dk], value [b,t,h*dv],
 *          past [b,h,dk,dv]?, decay [b,t,h*dk or h]?, beta [b,t,h or 1]?; y [b,t,hq*dv], present
 *          [b,h,dk,dv] of past's type, else query's.
 * Attributes: activation none, silu or swish. q_num_heads, kv_num_heads, scale (0: 1/sqrt(dk)),
 *          update_rule, chunk_size (no say in the result).
 * Maths:   y[l] = sum w[i]*z[l + i] + bias, z = past (or zeros) before x; present = z's last k - 1.
 *          For each t: S *= exp(decay) (gated rules); v -= S^T k, v *= beta (delta rules); S += k
 *          v^T; y = scale * S^T q, hq/h queries to each state.
 * Precision: sums in double; the state in double within a call, rounded at its end.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: LinearAttention holds one head's
 *          state. */
#include "kernels/base/alloc.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TYPES_STATE (SYN_TYPE(F32) | SYN_TYPES_HALF)

static syn_status expect_shape(const struct syn_op_call *c, int32_t i, const char *name,
                               const struct syn_shape *want, struct syn_err *err)
{
    char got[192], expected[192];
    const syn_status st = syn_ops_operand(c, i, name, TYPES_STATE, err);
    if (st != SYN_OK || syn_shape_equal(&c->in[i].shape, want)) return st;
    return syn_fail(err, SYN_INVALID, "%s: %s has shape %s: must be %s", c->op->name, name,
                    syn_shape_text(&c->in[i].shape, got, sizeof got),
                    syn_shape_text(want, expected, sizeof expected));
}

/* --- CausalConvWithState -------------------------------------------------------------------- */

static syn_status causal_shape(struct syn_op_call *c, struct syn_err *err)
{
    const char *act = syn_attr_text(c->op, c->attr, "activation");
    syn_status st = syn_ops_ranked(c, 0, "input", TYPES_STATE, 3, 3, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "weight", TYPES_STATE, 3, 3, err);
    if (st != SYN_OK) return st;
    const struct syn_shape *x = &c->in[0].shape;
    const int64_t channels = x->dim[1], k = c->in[1].shape.dim[2];
    const struct syn_shape w = {.rank = 3, .dim = {channels, 1, k}},
                           bias = {.rank = 1, .dim = {channels}};
    const struct syn_shape state = {.rank = 3, .dim = {x->dim[0], channels, k - 1}};
    if (k < 1 || (strcmp(act, "none") && strcmp(act, "silu") && strcmp(act, "swish")))
        return syn_fail(err, SYN_INVALID, "%s: activation = '%.40s', k = %" PRId64
                        ": must be none, silu or swish, and at least 1", c->op->name, act, k);
    st = expect_shape(c, 1, "weight", &w, err);
    if (st == SYN_OK && syn_ops_given(c, 2)) st = expect_shape(c, 2, "bias", &bias, err);
    if (st == SYN_OK && syn_ops_given(c, 3)) st = expect_shape(c, 3, "past_state", &state, err);
    if (st == SYN_OK) st = syn_ops_result(c, 0, x, c->in[0].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 1, &state, c->in[0].dtype, err) : st;
}

/* Element i of past and input, one after the other. */
static double joined(const struct syn_op_call *c, int64_t row, int64_t i, int64_t before,
                     int64_t length)
{
    if (i >= before) return syn_get(&c->in[0], row * length + i - before);
    return syn_ops_given(c, 3) ? syn_get(&c->in[3], row * before + i) : 0;
}

static syn_status causal_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const bool silu = strcmp(syn_attr_text(c->op, c->attr, "activation"), "none") != 0;
    const int64_t channels = x->dim[1], length = x->dim[2], k = c->in[1].shape.dim[2],
                  before = k - 1;
    const int64_t rows =
        syn_ops_elements(&(struct syn_shape){.rank = 2, .dim = {x->dim[0], channels}});
    (void)err;
    for (int64_t row = 0; row < rows && length + before > 0; row++) {
        const int64_t ch = row % channels;
        for (int64_t l = 0; l < length; l++) {
            double sum = syn_ops_given(c, 2) ? syn_get(&c->in[2], ch) : 0;
            for (int64_t i = 0; i < k; i++)
                sum += syn_get(&c->in[1], ch * k + i) * joined(c, row, l + i, before, length);
            syn_put(&c->out[0], row * length + l, sum);
            if (silu) { /* of the rounded sum, as the unfused form has it */
                const double v = syn_get(&c->out[0], row * length + l);
                syn_put(&c->out[0], row * length + l, v / (1 + exp(-v)));
            }
        }
        for (int64_t i = 0; c->n_out > 1 && c->out[1].data && i < before; i++)
            syn_put(&c->out[1], row * before + i, joined(c, row, length + i, before, length));
    }
    return SYN_OK;
}

/* --- LinearAttention ------------------------------------------------------------------------ */

enum { Q, K, V, PAST, DECAY, BETA };

struct linear {
    bool gated, delta;
    int64_t b, t, hq, h, dk, dv;
    bool decay_by_key; /* decay has dk numbers a head, not one */
    int64_t betas;     /* per token: h or 1 */
    double scale;
};

static syn_status linear_rule(const struct syn_op_call *c, struct linear *p, struct syn_err *err)
{
    const char *rule = syn_attr_text(c->op, c->attr, "update_rule");
    p->gated = !strcmp(rule, "gated") || !strcmp(rule, "gated_delta");
    p->delta = !strcmp(rule, "delta") || !strcmp(rule, "gated_delta");
    if (!p->gated && !p->delta && strcmp(rule, "linear"))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: update_rule = '%.40s': no such rule",
                        c->op->name, rule);
    if (p->gated != syn_ops_given(c, DECAY) || p->delta != syn_ops_given(c, BETA))
        return syn_fail(err, SYN_INVALID, "%s: update_rule = '%s' %s decay and %s beta",
                        c->op->name, rule, p->gated ? "needs" : "takes no",
                        p->delta ? "needs" : "takes no");
    return SYN_OK;
}

static syn_status linear_parse(const struct syn_op_call *c, struct linear *p, struct syn_err *err)
{
    syn_status st = SYN_OK;
    *p = (struct linear){.hq = syn_attr_int(c->op, c->attr, "q_num_heads"),
                         .h = syn_attr_int(c->op, c->attr, "kv_num_heads"),
                         .scale = syn_attr_float(c->op, c->attr, "scale")};
    for (int32_t i = Q; st == SYN_OK && i <= BETA; i++)
        if (i <= V || (i > PAST && syn_ops_given(c, i)))
            st = syn_ops_ranked(c, i, "an operand", TYPES_STATE, 3, 3, err);
    if (st == SYN_OK) st = linear_rule(c, p, err);
    if (st != SYN_OK) return st;
    const struct syn_shape *q = &c->in[Q].shape, *v = &c->in[V].shape;
    if (p->hq < 1 || p->h < 1 || p->hq % p->h || q->dim[2] % p->hq || v->dim[2] % p->h)
        return syn_fail(err, SYN_INVALID,
                        "%s: q_num_heads %" PRId64 ", kv_num_heads %" PRId64 " for rows of %" PRId64
                        " and %" PRId64 ": must divide one another and the rows",
                        c->op->name, p->hq, p->h, q->dim[2], v->dim[2]);
    p->b = q->dim[0], p->t = q->dim[1], p->dk = q->dim[2] / p->hq, p->dv = v->dim[2] / p->h;
    if (p->scale == 0) p->scale = 1 / sqrt((double)p->dk);
    const struct syn_shape want_k = {.rank = 3, .dim = {p->b, p->t, p->h * p->dk}};
    const struct syn_shape want_v = {.rank = 3, .dim = {p->b, p->t, p->h * p->dv}};
    const struct syn_shape past = syn_shape4(p->b, p->h, p->dk, p->dv);
    st = expect_shape(c, K, "key", &want_k, err);
    if (st == SYN_OK) st = expect_shape(c, V, "value", &want_v, err);
    if (st == SYN_OK && syn_ops_given(c, PAST))
        st = expect_shape(c, PAST, "past_state", &past, err);
    if (st == SYN_OK && p->gated) {
        p->decay_by_key = c->in[DECAY].shape.dim[2] != p->h;
        const struct syn_shape want = {.rank = 3,
                                       .dim = {p->b, p->t, p->decay_by_key ? p->h * p->dk : p->h}};
        st = expect_shape(c, DECAY, "decay", &want, err);
    }
    if (st == SYN_OK && p->delta) {
        p->betas = c->in[BETA].shape.dim[2] == 1 ? 1 : p->h;
        const struct syn_shape want = {.rank = 3, .dim = {p->b, p->t, p->betas}};
        st = expect_shape(c, BETA, "beta", &want, err);
    }
    return st;
}

static syn_status linear_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct linear p;
    syn_status st = linear_parse(c, &p, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y = {.rank = 3, .dim = {p.b, p.t, p.hq * p.dv}},
                           state = syn_shape4(p.b, p.h, p.dk, p.dv);
    st = syn_ops_result(c, 0, &y, c->in[Q].dtype, err);
    return st == SYN_OK
               ? syn_ops_result(c, 1, &state, c->in[syn_ops_given(c, PAST) ? PAST : Q].dtype, err)
               : st;
}

/* One token's update of head h's state s[dk][dv]; v[dv] is room. */
static void update(const struct syn_op_call *c, const struct linear *p, int64_t token, int64_t h,
                   double *s, double *v)
{
    const int64_t key = (token * p->h + h) * p->dk, value = (token * p->h + h) * p->dv;
    for (int64_t d = 0; p->gated && d < p->dk; d++) {
        const double g = exp(syn_get(&c->in[DECAY], p->decay_by_key ? key + d : token * p->h + h));
        for (int64_t m = 0; m < p->dv; m++) s[d * p->dv + m] *= g;
    }
    for (int64_t m = 0; m < p->dv; m++) v[m] = syn_get(&c->in[V], value + m);
    if (p->delta) {
        const double beta = syn_get(&c->in[BETA], token * p->betas + (p->betas > 1 ? h : 0));
        for (int64_t m = 0; m < p->dv; m++) {
            double held = 0;
            for (int64_t d = 0; d < p->dk; d++)
                held += s[d * p->dv + m] * syn_get(&c->in[K], key + d);
            v[m] = beta * (v[m] - held);
        }
    }
    for (int64_t d = 0; d < p->dk; d++) {
        const double k = syn_get(&c->in[K], key + d);
        for (int64_t m = 0; m < p->dv; m++) s[d * p->dv + m] += k * v[m];
    }
}

static void read_out(const struct syn_op_call *c, const struct linear *p, int64_t token, int64_t hq,
                     const double *s)
{
    for (int64_t m = 0; m < p->dv; m++) {
        double sum = 0;
        for (int64_t d = 0; d < p->dk; d++)
            sum += syn_get(&c->in[Q], (token * p->hq + hq) * p->dk + d) * s[d * p->dv + m];
        syn_put(&c->out[0], (token * p->hq + hq) * p->dv + m, p->scale * sum);
    }
}

static syn_status linear_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct linear p;
    const syn_status st = linear_parse(c, &p, err);
    if (st != SYN_OK) return st;
    const int64_t size = syn_ops_elements(&(struct syn_shape){.rank = 2, .dim = {p.dk, p.dv}});
    const int64_t heads = syn_ops_elements(&(struct syn_shape){.rank = 2, .dim = {p.b, p.h}});
    double *s = syn_calloc((size_t)(size + p.dv), sizeof *s);
    if (!s) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t i = 0; i < heads && (size > 0 || syn_ops_elements(&c->out[0].shape) > 0); i++) {
        const int64_t b = i / p.h, h = i % p.h, each = p.hq / p.h;
        for (int64_t k = 0; k < size; k++)
            s[k] = syn_ops_given(c, PAST) ? syn_get(&c->in[PAST], i * size + k) : 0;
        for (int64_t t = 0; t < p.t; t++) {
            update(c, &p, b * p.t + t, h, s, s + size);
            for (int64_t q = h * each; q < (h + 1) * each; q++) read_out(c, &p, b * p.t + t, q, s);
        }
        for (int64_t k = 0; c->n_out > 1 && c->out[1].data && k < size; k++)
            syn_put(&c->out[1], i * size + k, s[k]);
    }
    syn_free(s);
    return SYN_OK;
}

static const struct syn_attr_spec causal_attrs[] = {
    {"activation", SYN_ATTR_STRING, 0, 0, 0, "none"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec linear_attrs[] = {
    {"q_num_heads", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_STEP},
    {"kv_num_heads", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_STEP},
    {"chunk_size", SYN_ATTR_INT, 64, 0, SYN_OPS_MAX_PAD},
    {"scale", SYN_ATTR_FLOAT, 0, -3.5e38, 3.5e38},
    {"update_rule", SYN_ATTR_STRING, 0, 0, 0, "gated_delta"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_causal_conv_with_state = {
    .name = "CausalConvWithState", .min_in = 2, .max_in = 4, .n_out = 1, .max_out = 2,
    .attrs = causal_attrs, .shape = causal_shape, .reference = causal_reference,
};
const struct syn_op syn_op_linear_attention = {
    .name = "LinearAttention", .min_in = 3, .max_in = 6, .n_out = 1, .max_out = 2,
    .attrs = linear_attrs, .shape = linear_shape, .reference = linear_reference,
};
