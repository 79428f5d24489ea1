/* recurrent.c - recurrent layers: LSTM, GRU, RNN.
 *
 * Source:  ONNX LSTM, GRU, RNN of opsets 7, 14, 22.
 * Operands: X, W [d,g*h,in], R [d,g*h,h], B [d,2*g*h]? (of W, then of R), sequence_lens [b]?,
 *          initial_h?; LSTM: initial_c?, P [d,3*h]? (i o f). Outputs: Y?, Y_h?, LSTM: Y_c?. Layouts
 *          in recurrent.h.
 * Maths:   LSTM i = f(Wi x + Ri h + Pi*c + b), f = f(.. + Pf*c ..) or 1 - i with input_forget, c' =
 *          g(..), C = f*c + i*c', o = f(.. + Po*C ..), H = o*h(C).
 *          GRU z = f(..), r = f(..), h' = g(Wh x + Rh (r*h) + b), or with linear_before_reset
 *          g(Wh x + Wb + r*(Rh h + Rb)); H = (1 - z)*h' + z*h.   RNN H = f(W x + R h + b).
 *          A sequence shorter than the longest: its Y is 0 from there on, its Y_h the last one
 *          reached (the initial one for a length of 0); reversed, it starts at its own end.
 * Precision: sums in double, states rounded to float after each step: a sequence cut in two with
 *          its state carried gives the same bits as in one piece.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: two rows of gates and a state per
 *          call. */
#include "kernels/ops/recurrent.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include <inttypes.h>
#include <string.h>

static syn_status recurrent_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_recurrent p;
    syn_status st = syn_recurrent_parse(c, &p, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y = p.batch_first ? syn_shape4(p.batch, p.seq, p.dirs, p.hidden)
                                             : syn_shape4(p.seq, p.dirs, p.batch, p.hidden);
    const int64_t s0 = p.batch_first ? p.batch : p.dirs, s1 = p.batch_first ? p.dirs : p.batch;
    const struct syn_shape state = {.rank = 3, .dim = {s0, s1, p.hidden}};
    st = syn_ops_result(c, 0, &y, c->in[0].dtype, err);
    if (st == SYN_OK) st = syn_ops_result(c, 1, &state, c->in[0].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 2, &state, c->in[0].dtype, err) : st;
}

/* The weights of one direction. NULL where absent. */
struct weights {
    const float *w, *r, *wb, *rb, *peep;
};

static const float *operand(const struct syn_op_call *c, int32_t i, int64_t offset)
{
    return syn_ops_given(c, i) ? (const float *)c->in[i].data + offset : NULL;
}

static struct weights weights_of(const struct syn_op_call *c, const struct syn_recurrent *p,
                                 int32_t d)
{
    const int64_t rows = p->gates * p->hidden;
    struct weights w = {.w = operand(c, SYN_RNN_W, d * rows * p->in),
                        .r = operand(c, SYN_RNN_R, d * rows * p->hidden),
                        .wb = operand(c, SYN_RNN_B, d * 2 * rows),
                        .peep = operand(c, SYN_RNN_P, d * 3 * p->hidden)};
    if (w.wb) w.rb = w.wb + rows;
    return w;
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Row `row` of W x and R h, each with its bias. */
static double of_x(const struct syn_recurrent *p, const struct weights *w, const float *x,
                   int64_t row)
{
    return dot(w->w + row * p->in, x, p->in) + (w->wb ? (double)w->wb[row] : 0);
}
static double of_h(const struct syn_recurrent *p, const struct weights *w, const float *h,
                   int64_t row)
{
    return dot(w->r + row * p->hidden, h, p->hidden) + (w->rb ? (double)w->rb[row] : 0);
}

static float activate(const struct syn_recurrent *p, int32_t d, int32_t which, double x)
{
    return syn_gate_apply(&p->gate[d][which], p->clip, (float)x);
}

/* One step: x, state h (and c) in and out; room[4*hidden]. */
static void lstm_step(const struct syn_recurrent *p, const struct weights *w, int32_t d,
                      const float *x, float *h, float *c, float *room)
{
    const int64_t n = p->hidden;
    float *i = room, *o = room + n, *f = room + 2 * n, *g = room + 3 * n;
    for (int64_t j = 0; j < n; j++) {
        const double pi = w->peep ? (double)w->peep[j] * (double)c[j] : 0;
        const double pf = w->peep ? (double)w->peep[2 * n + j] * (double)c[j] : 0;
        i[j] = activate(p, d, 0, of_x(p, w, x, j) + of_h(p, w, h, j) + pi);
        f[j] = p->input_forget
                   ? 1 - i[j]
                   : activate(p, d, 0, of_x(p, w, x, 2 * n + j) + of_h(p, w, h, 2 * n + j) + pf);
        g[j] = activate(p, d, 1, of_x(p, w, x, 3 * n + j) + of_h(p, w, h, 3 * n + j));
        c[j] = (float)((double)f[j] * (double)c[j] + (double)i[j] * (double)g[j]);
        const double po = w->peep ? (double)w->peep[n + j] * (double)c[j] : 0;
        o[j] = activate(p, d, 0, of_x(p, w, x, n + j) + of_h(p, w, h, n + j) + po);
    }
    for (int64_t j = 0; j < n; j++) h[j] = o[j] * syn_gate_apply(&p->gate[d][2], 0, c[j]);
}

static void gru_step(const struct syn_recurrent *p, const struct weights *w, int32_t d,
                     const float *x, float *h, float *c, float *room)
{
    const int64_t n = p->hidden;
    float *z = room, *r = room + n, *reset = room + 2 * n, *g = room + 3 * n;
    (void)c;
    for (int64_t j = 0; j < n; j++) {
        z[j] = activate(p, d, 0, of_x(p, w, x, j) + of_h(p, w, h, j));
        r[j] = activate(p, d, 0, of_x(p, w, x, n + j) + of_h(p, w, h, n + j));
        reset[j] = r[j] * h[j];
    }
    for (int64_t j = 0; j < n; j++) {
        const double back = p->linear_before_reset ? (double)r[j] * of_h(p, w, h, 2 * n + j)
                                                   : of_h(p, w, reset, 2 * n + j);
        g[j] = activate(p, d, 1, of_x(p, w, x, 2 * n + j) + back);
    }
    for (int64_t j = 0; j < n; j++)
        h[j] = (float)((1 - (double)z[j]) * (double)g[j] + (double)z[j] * (double)h[j]);
}

static void rnn_step(const struct syn_recurrent *p, const struct weights *w, int32_t d,
                     const float *x, float *h, float *c, float *room)
{
    (void)c;
    for (int64_t j = 0; j < p->hidden; j++)
        room[j] = activate(p, d, 0, of_x(p, w, x, j) + of_h(p, w, h, j));
    memcpy(h, room, (size_t)p->hidden * sizeof *h);
}

typedef void step_fn(const struct syn_recurrent *p, const struct weights *w, int32_t d,
                     const float *x, float *h, float *c, float *room);

static void start_state(const struct syn_op_call *c, int32_t i, int64_t at, int64_t n, float *state)
{
    const float *from = operand(c, i, at);
    if (from) memcpy(state, from, (size_t)n * sizeof *state);
    else memset(state, 0, (size_t)n * sizeof *state);
}

static void end_state(const struct syn_op_call *c, int32_t o, int64_t at, int64_t n,
                      const float *state)
{
    if (o < c->n_out && c->out[o].data)
        memcpy((float *)c->out[o].data + at, state, (size_t)n * sizeof *state);
}

/* One direction of one sequence of the batch; room[6*hidden]. */
static void run_sequence(const struct syn_op_call *c, const struct syn_recurrent *p, int32_t d,
                         int64_t b, int64_t length, step_fn *step, float *room)
{
    const struct weights w = weights_of(c, p, d);
    const bool reverse = d == 1 || p->reverse;
    const int64_t n = p->hidden, state = syn_recurrent_state(p, d, b);
    float *h = room + 4 * n, *cell = room + 5 * n, *y = c->n_out > 0 ? c->out[0].data : NULL;
    start_state(c, SYN_RNN_H0, state, n, h);
    start_state(c, SYN_RNN_C0, state, n, cell);
    for (int64_t k = 0; k < length; k++) {
        const int64_t t = reverse ? length - 1 - k : k;
        step(p, &w, d, (const float *)c->in[0].data + syn_recurrent_x(p, t, b), h, cell, room);
        if (y) memcpy(y + syn_recurrent_y(p, t, d, b), h, (size_t)n * sizeof *h);
    }
    for (int64_t t = length; y && t < p->seq; t++)
        memset(y + syn_recurrent_y(p, t, d, b), 0, (size_t)n * sizeof *h);
    end_state(c, 1, state, n, h);
    end_state(c, 2, state, n, cell);
}

static syn_status run(const struct syn_op_call *c, step_fn *step, struct syn_err *err)
{
    struct syn_recurrent p;
    syn_status st = syn_recurrent_parse(c, &p, err);
    float *room;
    if (st != SYN_OK) return st;
    if (!(room = syn_calloc((size_t)p.hidden, 6 * sizeof *room)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t b = 0; st == SYN_OK && b < p.batch; b++) {
        const struct syn_tensor *lens = &c->in[SYN_RNN_LENGTHS];
        const int64_t length =
            syn_ops_given(c, SYN_RNN_LENGTHS) ? syn_element_int(lens->dtype, lens->data, b) : p.seq;
        if (length < 0 || length > p.seq)
            st = syn_fail(err, SYN_INVALID,
                          "%s: sequence_lens[%" PRId64 "] = %" PRId64 ": must be in [0, %" PRId64
                          "]",
                          c->op->name, b, length, p.seq);
        for (int32_t d = 0; st == SYN_OK && d < p.dirs; d++)
            run_sequence(c, &p, d, b, length, step, room);
    }
    syn_free(room);
    return st;
}

static syn_status lstm_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return run(c, lstm_step, err);
}
static syn_status gru_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return run(c, gru_step, err);
}
static syn_status rnn_reference(const struct syn_op_call *c, struct syn_err *err)
{
    return run(c, rnn_step, err);
}

#define RECURRENT_ATTRS                                                                            \
    {"direction", SYN_ATTR_STRING, 0, 0, 0, "forward"},                                            \
        {"activations", SYN_ATTR_STRINGS, 0, 0, 0},                                                \
        {"activation_alpha", SYN_ATTR_FLOATS, 0, -3.5e38, 3.5e38},                                 \
        {"activation_beta", SYN_ATTR_FLOATS, 0, -3.5e38, 3.5e38},                                  \
        {"clip", SYN_ATTR_FLOAT, 0, 0, 3.5e38},                                                    \
        {"hidden_size", SYN_ATTR_INT, 0, 0, SYN_OPS_MAX_PAD},                                      \
        {"layout", SYN_ATTR_INT, 0, 0, 1}
#define END_OF_ATTRS {NULL, SYN_ATTR_INT, 0, 0, 0}

static const struct syn_attr_spec lstm_attrs[] = {
    RECURRENT_ATTRS,
    {"input_forget", SYN_ATTR_INT, 0, 0, 1},
    END_OF_ATTRS,
};
static const struct syn_attr_spec gru_attrs[] = {
    RECURRENT_ATTRS,
    {"linear_before_reset", SYN_ATTR_INT, 0, -2147483648.0, 2147483647},
    END_OF_ATTRS,
};
static const struct syn_attr_spec rnn_attrs[] = {RECURRENT_ATTRS, END_OF_ATTRS};

const struct syn_op syn_op_lstm = {
    .name = "LSTM", .flags = SYN_OP_FLOAT, .min_in = 3, .max_in = 8, .n_out = 0, .max_out = 3,
    .attrs = lstm_attrs, .shape = recurrent_shape, .reference = lstm_reference,
};
const struct syn_op syn_op_gru = {
    .name = "GRU", .flags = SYN_OP_FLOAT, .min_in = 3, .max_in = 6, .n_out = 0, .max_out = 2,
    .attrs = gru_attrs, .shape = recurrent_shape, .reference = gru_reference,
};
const struct syn_op syn_op_rnn = {
    .name = "RNN", .flags = SYN_OP_FLOAT, .min_in = 3, .max_in = 6, .n_out = 0, .max_out = 2,
    .attrs = rnn_attrs, .shape = recurrent_shape, .reference = rnn_reference,
};
