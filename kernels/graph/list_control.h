/* list_control.h - bodies, recurrence, signals, selection and random numbers.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_CONTROL_H
#define SYN_LIST_CONTROL_H

#define SYN_LIST_CONTROL(X)                             \
    X(IF, syn_op_if)                                    \
    X(LOOP, syn_op_loop)                                \
    X(SCAN, syn_op_scan)                                \
    X(FLEX_ATTENTION, syn_op_flex_attention)            \
    X(RANDOM_NORMAL, syn_op_random_normal)              \
    X(RANDOM_NORMAL_LIKE, syn_op_random_normal_like)    \
    X(RANDOM_UNIFORM, syn_op_random_uniform)            \
    X(RANDOM_UNIFORM_LIKE, syn_op_random_uniform_like)  \
    X(BERNOULLI, syn_op_bernoulli)                      \
    X(MULTINOMIAL, syn_op_multinomial)                  \
    X(NON_MAX_SUPPRESSION, syn_op_non_max_suppression)  \
    X(TF_IDF_VECTORIZER, syn_op_tf_idf_vectorizer)      \
    X(CAUSAL_CONV_WITH_STATE, syn_op_causal_conv_with_state) \
    X(LINEAR_ATTENTION, syn_op_linear_attention)        \
    X(TREE_ENSEMBLE, syn_op_tree_ensemble)              \
    X(DFT, syn_op_dft)                                  \
    X(STFT, syn_op_stft)                                \
    X(HANN_WINDOW, syn_op_hann_window)                  \
    X(HAMMING_WINDOW, syn_op_hamming_window)            \
    X(BLACKMAN_WINDOW, syn_op_blackman_window)          \
    X(MEL_WEIGHT_MATRIX, syn_op_mel_weight_matrix)      \
    X(LSTM, syn_op_lstm)                                \
    X(GRU, syn_op_gru)                                  \
    X(RNN, syn_op_rnn)

#endif
