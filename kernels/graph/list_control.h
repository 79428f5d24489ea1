/* list_control.h - bodies, recurrence, signals, selection and random numbers.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_CONTROL_H
#define SYN_LIST_CONTROL_H

#define SYN_LIST_CONTROL(X)                             \
    X(LSTM, syn_op_lstm)                                \
    X(GRU, syn_op_gru)                                  \
    X(RNN, syn_op_rnn)

#endif
