/* recurrent_parse.c - see recurrent.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/recurrent.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* Word, the constants it takes and their defaults (those of ONNX's operator of that name). */
static const struct {
    const char *word;
    syn_gate_act act;
    bool has_alpha, has_beta;
    float alpha, beta;
} known[] = {
    {"Sigmoid", SYN_GATE_SIGMOID, false, false, 0, 0},
    {"Tanh", SYN_GATE_TANH, false, false, 0, 0},
    {"Relu", SYN_GATE_RELU, false, false, 0, 0},
    {"Affine", SYN_GATE_AFFINE, true, true, 1, 0},
    {"LeakyRelu", SYN_GATE_LEAKY_RELU, true, false, 0.01f, 0},
    {"ThresholdedRelu", SYN_GATE_THRESHOLDED_RELU, true, false, 1, 0},
    {"ScaledTanh", SYN_GATE_SCALED_TANH, true, true, 1, 1},
    {"HardSigmoid", SYN_GATE_HARD_SIGMOID, true, true, 0.2f, 0.5f},
    {"Elu", SYN_GATE_ELU, true, false, 1, 0},
    {"Softsign", SYN_GATE_SOFTSIGN, false, false, 0, 0},
    {"Softplus", SYN_GATE_SOFTPLUS, false, false, 0, 0},
};

static float apply(const struct syn_gate *g, double x)
{
    switch (g->act) {
    case SYN_GATE_SIGMOID: return (float)(1 / (1 + exp(-x)));
    case SYN_GATE_TANH: return (float)tanh(x);
    case SYN_GATE_RELU: return x < 0 ? 0 : (float)x;
    case SYN_GATE_AFFINE: return (float)((double)g->alpha * x + (double)g->beta);
    case SYN_GATE_LEAKY_RELU: return (float)(x < 0 ? (double)g->alpha * x : x);
    case SYN_GATE_THRESHOLDED_RELU: return x < (double)g->alpha ? 0 : (float)x;
    case SYN_GATE_SCALED_TANH: return (float)((double)g->alpha * tanh((double)g->beta * x));
    case SYN_GATE_HARD_SIGMOID: {
        const double v = (double)g->alpha * x + (double)g->beta;
        return (float)(v < 0 ? 0 : v > 1 ? 1 : v);
    }
    case SYN_GATE_ELU: return (float)(x < 0 ? (double)g->alpha * expm1(x) : x);
    case SYN_GATE_SOFTSIGN: return (float)(x / (1 + fabs(x)));
    case SYN_GATE_SOFTPLUS: return (float)(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));
    }
    return (float)x;
}

float syn_gate_apply(const struct syn_gate *g, float clip, float x)
{
    if (clip > 0) x = x < -clip ? -clip : x > clip ? clip : x;
    return apply(g, (double)x);
}

/* The activations of all directions in order; alphas and betas go to those that take one, in
 * order. */
static syn_status parse_gates(const struct syn_op_call *c, int32_t each,
                              const char *const *fallback, struct syn_recurrent *p,
                              struct syn_err *err)
{
    const struct syn_attr *words = syn_attr_list(c->op, c->attr, "activations");
    const struct syn_attr *alpha = syn_attr_list(c->op, c->attr, "activation_alpha");
    const struct syn_attr *beta = syn_attr_list(c->op, c->attr, "activation_beta");
    const int32_t n_known = (int32_t)(sizeof known / sizeof known[0]);
    int32_t a = 0, b = 0;
    if (words->n && words->n < each * p->dirs)
        return syn_fail(err, SYN_INVALID, "%s: activations has %d entries: must have %d",
                        c->op->name, (int)words->n, (int)(each * p->dirs));
    for (int32_t i = 0; i < each * p->dirs; i++) {
        const char *word = words->n ? words->v.s[i] : fallback[i % each];
        struct syn_gate *g = &p->gate[i / each][i % each];
        int32_t k = 0;
        while (k < n_known && strcasecmp(known[k].word, word)) k++;
        if (k == n_known)
            return syn_fail(err, SYN_UNSUPPORTED, "%s: activations[%d] = '%.40s': no such function",
                            c->op->name, (int)i, word);
        *g = (struct syn_gate){known[k].act, known[k].alpha, known[k].beta};
        if (known[k].has_alpha && a < alpha->n) g->alpha = (float)alpha->v.f[a++];
        if (known[k].has_beta && b < beta->n) g->beta = (float)beta->v.f[b++];
    }
    return SYN_OK;
}

static syn_status parse_direction(const struct syn_op_call *c, struct syn_recurrent *p,
                                  struct syn_err *err)
{
    const char *word = syn_attr_text(c->op, c->attr, "direction");
    const bool both = word && !strcmp(word, "bidirectional");
    p->reverse = word && !strcmp(word, "reverse");
    p->dirs = both ? 2 : 1;
    if (both || p->reverse || (word && (!strcmp(word, "forward") || !strcmp(word, "foward"))))
        return SYN_OK;
    return syn_fail(err, SYN_INVALID,
                    "%s: direction = '%.40s': must be forward, reverse or bidirectional",
                    c->op->name, word ? word : "");
}

/* Operand i, when given, is [a, b, d] (d < 0: rank 2; b < 0: rank 1). */
static syn_status check_dims(const struct syn_op_call *c, int32_t i, const char *name,
                             uint32_t types, int64_t a, int64_t b, int64_t d, struct syn_err *err)
{
    const struct syn_shape want = {.rank = b < 0 ? 1 : d < 0 ? 2 : 3, .dim = {a, b, d}};
    char got[192], expected[192];
    syn_status st;
    if (!syn_ops_given(c, i)) return SYN_OK;
    st = syn_ops_ranked(c, i, name, types, want.rank, want.rank, err);
    if (st != SYN_OK || syn_shape_equal(&c->in[i].shape, &want)) return st;
    return syn_fail(err, SYN_INVALID, "%s: %s has shape %s: must be %s", c->op->name, name,
                    syn_shape_text(&c->in[i].shape, got, sizeof got),
                    syn_shape_text(&want, expected, sizeof expected));
}

static syn_status check_operands(const struct syn_op_call *c, const struct syn_recurrent *p,
                                 struct syn_err *err)
{
    const int64_t rows = p->gates * p->hidden, d = p->dirs, h = p->hidden;
    const int64_t s0 = p->batch_first ? p->batch : d, s1 = p->batch_first ? d : p->batch;
    const uint32_t t = SYN_TYPES_FLOAT;
    syn_status st = check_dims(c, SYN_RNN_W, "W", t, d, rows, p->in, err);
    if (st == SYN_OK) st = check_dims(c, SYN_RNN_R, "R", t, d, rows, h, err);
    if (st == SYN_OK) st = check_dims(c, SYN_RNN_B, "B", t, d, 2 * rows, -1, err);
    if (st == SYN_OK)
        st =
            check_dims(c, SYN_RNN_LENGTHS, "sequence_lens", SYN_TYPES_INDEX, p->batch, -1, -1, err);
    if (st == SYN_OK) st = check_dims(c, SYN_RNN_H0, "initial_h", t, s0, s1, h, err);
    if (st == SYN_OK) st = check_dims(c, SYN_RNN_C0, "initial_c", t, s0, s1, h, err);
    if (st == SYN_OK) st = check_dims(c, SYN_RNN_P, "P", t, d, 3 * h, -1, err);
    for (int32_t i = SYN_RNN_W; st == SYN_OK && i < c->n_in; i++)
        if (i != SYN_RNN_LENGTHS && syn_ops_given(c, i))
            st = syn_ops_same_type(c, 0, i, "an operand", err);
    return st;
}

syn_status syn_recurrent_parse(const struct syn_op_call *c, struct syn_recurrent *p,
                               struct syn_err *err)
{
    static const char *const of_lstm[] = {"Sigmoid", "Tanh", "Tanh"},
                             *const of_gru[] = {"Sigmoid", "Tanh"}, *const of_rnn[] = {"Tanh"};
    const bool lstm = !strcmp(c->op->name, "LSTM"), gru = !strcmp(c->op->name, "GRU");
    const struct syn_shape *x = &c->in[0].shape, *r = &c->in[SYN_RNN_R].shape;
    const int64_t asked = syn_attr_int(c->op, c->attr, "hidden_size");
    syn_status st = syn_ops_ranked(c, SYN_RNN_X, "X", SYN_TYPES_FLOAT, 3, 3, err);
    *p = (struct syn_recurrent){.gates = lstm ? 4 : gru ? 3 : 1};
    if (st == SYN_OK) st = syn_ops_ranked(c, SYN_RNN_W, "W", SYN_TYPES_FLOAT, 3, 3, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, SYN_RNN_R, "R", SYN_TYPES_FLOAT, 3, 3, err);
    if (st == SYN_OK) st = parse_direction(c, p, err);
    if (st == SYN_OK)
        st = parse_gates(c, lstm ? 3 : gru ? 2 : 1, lstm ? of_lstm : gru ? of_gru : of_rnn, p, err);
    if (st != SYN_OK) return st;
    p->batch_first = syn_attr_int(c->op, c->attr, "layout") != 0;
    p->seq = x->dim[p->batch_first], p->batch = x->dim[!p->batch_first], p->in = x->dim[2];
    p->hidden = r->dim[2];
    p->clip = (float)syn_attr_float(c->op, c->attr, "clip");
    p->linear_before_reset = gru && syn_attr_int(c->op, c->attr, "linear_before_reset") != 0;
    p->input_forget = lstm && syn_attr_int(c->op, c->attr, "input_forget") != 0;
    if (p->hidden < 1 || p->hidden > SYN_OPS_MAX_PAD || (asked && asked != p->hidden))
        return syn_fail(err, SYN_INVALID,
                        "%s: R has rows of %" PRId64 ": must be hidden_size = %" PRId64
                        ", in [1, %d]",
                        c->op->name, p->hidden, asked, SYN_OPS_MAX_PAD);
    for (int32_t i = 0; i < 2; i++)
        if (x->dim[i] > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_TOO_LARGE,
                            "%s: X has dimension %d = %" PRId64 ": at most %" PRId64, c->op->name,
                            (int)i, x->dim[i], SYN_MAX_ELEMENTS);
    return check_operands(c, p, err);
}

int64_t syn_recurrent_x(const struct syn_recurrent *p, int64_t t, int64_t b)
{
    return (p->batch_first ? b * p->seq + t : t * p->batch + b) * p->in;
}

int64_t syn_recurrent_y(const struct syn_recurrent *p, int64_t t, int32_t d, int64_t b)
{
    return (p->batch_first ? (b * p->seq + t) * p->dirs + d : (t * p->dirs + d) * p->batch + b) *
           p->hidden;
}

int64_t syn_recurrent_state(const struct syn_recurrent *p, int32_t d, int64_t b)
{
    return (p->batch_first ? b * p->dirs + d : d * p->batch + b) * p->hidden;
}
