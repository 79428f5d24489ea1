/* list_reduce.h - sums over axes: reductions, norms, softmax, matrix products, attention, losses.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_REDUCE_H
#define SYN_LIST_REDUCE_H

#define SYN_LIST_REDUCE(X)                                          \
    X(REDUCE_SUM, syn_op_reduce_sum)                                \
    X(REDUCE_MEAN, syn_op_reduce_mean)                              \
    X(REDUCE_MAX, syn_op_reduce_max)                                \
    X(REDUCE_MIN, syn_op_reduce_min)                                \
    X(REDUCE_PROD, syn_op_reduce_prod)                              \
    X(REDUCE_L1, syn_op_reduce_l1)                                  \
    X(REDUCE_L2, syn_op_reduce_l2)                                  \
    X(REDUCE_LOG_SUM, syn_op_reduce_log_sum)                        \
    X(REDUCE_LOG_SUM_EXP, syn_op_reduce_log_sum_exp)                \
    X(REDUCE_SUM_SQUARE, syn_op_reduce_sum_square)                  \
    X(ARG_MAX, syn_op_arg_max)                                      \
    X(ARG_MIN, syn_op_arg_min)                                      \
    X(CUM_SUM, syn_op_cum_sum)                                      \
    X(CUM_PROD, syn_op_cum_prod)                                    \
    X(MAT_MUL, syn_op_mat_mul)                                      \
    X(GEMM, syn_op_gemm)                                            \
    X(MAT_MUL_INTEGER, syn_op_mat_mul_integer)                      \
    X(Q_LINEAR_MAT_MUL, syn_op_q_linear_mat_mul)                    \
    X(EINSUM, syn_op_einsum)                                        \
    X(SOFTMAX, syn_op_softmax)                                      \
    X(LOG_SOFTMAX, syn_op_log_softmax)                              \
    X(HARDMAX, syn_op_hardmax)                                      \
    X(BATCH_NORMALIZATION, syn_op_batch_normalization)              \
    X(INSTANCE_NORMALIZATION, syn_op_instance_normalization)        \
    X(LAYER_NORMALIZATION, syn_op_layer_normalization)              \
    X(RMS_NORMALIZATION, syn_op_rms_normalization)                  \
    X(GROUP_NORMALIZATION, syn_op_group_normalization)              \
    X(LP_NORMALIZATION, syn_op_lp_normalization)                    \
    X(MEAN_VARIANCE_NORMALIZATION, syn_op_mean_variance_normalization) \
    X(LRN, syn_op_lrn)                                              \
    X(NEGATIVE_LOG_LIKELIHOOD_LOSS, syn_op_negative_log_likelihood_loss) \
    X(SOFTMAX_CROSS_ENTROPY_LOSS, syn_op_softmax_cross_entropy_loss) \
    X(DET, syn_op_det)                                              \
    X(ATTENTION, syn_op_attention)                                  \
    X(ROTARY_EMBEDDING, syn_op_rotary_embedding)                    \
    X(SWIGLU, syn_op_swiglu)

#endif
