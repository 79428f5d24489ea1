/* quick.h - the CPU's quick versions for dense tensors: X(operator id, symbol of a struct
 * syn_quick), for each operator best first, all of one operator side by side. A list per file of
 * kernels, so that each can be read alone.
 *
 * Instruction sets: `takes` is false where the CPU lacks what the code needs (cpu_has_*); portable
 *          versions come last. Files named *_avx512.c are compiled for that set alone and must be
 *          reached through these structs only.
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_QUICK_H
#define SYN_CPU_QUICK_H

#include "kernels/backend/quick.h"

#define CPU_QUICK_LIST(X) \
    X(CONV_ND, cpu_quick_depth) \
    X(CONV_ND, cpu_quick_conv) \
    X(CONV_STEP, cpu_quick_depth) \
    X(CONV_STEP, cpu_quick_conv) \
    X(CONV_POINT, cpu_quick_point) \
    X(CONV_TRANSPOSE_ND, cpu_quick_depth) \
    X(CONV_TRANSPOSE_ND, cpu_quick_conv) \
    X(MAT_MUL, cpu_quick_matmul) \
    X(GEMM, cpu_quick_matmul) \
    X(RESIZE_ND, cpu_quick_resize) \
    X(UPSAMPLE, cpu_quick_resize) \
    X(SOFTMAX, cpu_quick_softmax) \
    X(ATTENTION, cpu_quick_attention) \
    X(ATTEND, cpu_quick_attention) \
    X(LAYER_NORMALIZATION, cpu_quick_norm) \
    X(RMS_NORMALIZATION, cpu_quick_norm) \
    X(REDUCE_SUM, cpu_quick_sum) \
    X(REDUCE_MEAN, cpu_quick_sum) \
    X(EINSUM, cpu_quick_einsum)                          \
    X(GRU, cpu_quick_recurrent) \
    X(LSTM, cpu_quick_recurrent) \
    X(CHAIN, cpu_quick_chain) \
    X(ADD, cpu_quick_chain) \
    X(SUB, cpu_quick_chain) \
    X(MUL, cpu_quick_chain) \
    X(DIV, cpu_quick_chain) \
    X(MIN, cpu_quick_chain) \
    X(MAX, cpu_quick_chain) \
    X(POW, cpu_quick_chain) \
    X(NEG, cpu_quick_chain) \
    X(ABS, cpu_quick_chain) \
    X(SQRT, cpu_quick_chain) \
    X(RECIPROCAL, cpu_quick_chain) \
    X(EXP, cpu_quick_chain) \
    X(LOG, cpu_quick_chain) \
    X(RELU, cpu_quick_chain) \
    X(LEAKY_RELU, cpu_quick_chain) \
    X(SIGMOID, cpu_quick_chain) \
    X(TANH, cpu_quick_chain) \
    X(ERF, cpu_quick_chain) \
    X(SOFTPLUS, cpu_quick_chain) \
    X(TRANSPOSE, cpu_quick_transpose)

#endif
