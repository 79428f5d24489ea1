/* list_fused.h - forms that rewrite passes make of several nodes (domain "synthd").
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_FUSED_H
#define SYN_LIST_FUSED_H

#define SYN_LIST_FUSED(X) \
    X(CHANNEL_NORM, syn_op_channel_norm)  \
    X(CHAIN, syn_op_chain) \
    X(CONV_STEP, syn_op_conv_step) \
    X(CONV_POINT, syn_op_conv_point) \
    X(ATTEND, syn_op_attend)

#endif
