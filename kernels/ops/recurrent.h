/* recurrent.h - LSTM, GRU and RNN calls as numbers: for their references and for backends.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: borrows the call's data. */
#ifndef SYN_OPS_RECURRENT_H
#define SYN_OPS_RECURRENT_H

#include "kernels/ops/check.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum syn_gate_act {
    SYN_GATE_SIGMOID,
    SYN_GATE_TANH,
    SYN_GATE_RELU,
    SYN_GATE_AFFINE,           /* alpha*x + beta */
    SYN_GATE_LEAKY_RELU,       /* x < 0: alpha*x */
    SYN_GATE_THRESHOLDED_RELU, /* x < alpha: 0 */
    SYN_GATE_SCALED_TANH,      /* alpha*tanh(beta*x) */
    SYN_GATE_HARD_SIGMOID,     /* min(max(alpha*x + beta, 0), 1) */
    SYN_GATE_ELU,              /* x < 0: alpha*(e^x - 1) */
    SYN_GATE_SOFTSIGN,         /* x/(1 + |x|) */
    SYN_GATE_SOFTPLUS          /* log(1 + e^x) */
} syn_gate_act;

struct syn_gate {
    syn_gate_act act;
    float alpha, beta;
};

#define SYN_GATES_MOST 3 /* activation functions of one direction: f, g, h */

/* Operand positions; LSTM alone has the last two. */
enum {
    SYN_RNN_X,
    SYN_RNN_W,
    SYN_RNN_R,
    SYN_RNN_B,
    SYN_RNN_LENGTHS,
    SYN_RNN_H0,
    SYN_RNN_C0,
    SYN_RNN_P
};

struct syn_recurrent {
    int64_t seq, batch, in, hidden;
    int32_t dirs;         /* 1 or 2 */
    int32_t gates;        /* LSTM 4 (i o f c), GRU 3 (z r h), RNN 1 */
    bool reverse;         /* of direction 0; direction 1 is always reversed */
    bool batch_first;     /* layout = 1: x [b,t,in], y [b,t,d,h], states [b,d,h];
                             else [t,b,in], [t,d,b,h], [d,b,h] */
    bool linear_before_reset, input_forget;
    float clip;           /* 0: none; else what goes into f and g is held in [-clip, clip]; the cell
                             goes into h as it is, as onnxruntime has it */
    struct syn_gate gate[2][SYN_GATES_MOST]; /* by direction */
};

/* Checks operands and attributes. SYN_INVALID or SYN_UNSUPPORTED names what does not fit. */
SYN_MUST_CHECK syn_status syn_recurrent_parse(const struct syn_op_call *c, struct syn_recurrent *p,
                                              struct syn_err *err);
/* With clip. */
float syn_gate_apply(const struct syn_gate *g, float clip, float x);

/* Index of the first element of a row: x[t][b], y[t][d][b], state[d][b]. */
int64_t syn_recurrent_x(const struct syn_recurrent *p, int64_t t, int64_t b);
int64_t syn_recurrent_y(const struct syn_recurrent *p, int64_t t, int32_t d, int64_t b);
int64_t syn_recurrent_state(const struct syn_recurrent *p, int32_t d, int64_t b);

#ifdef __cplusplus
}
#endif
#endif
