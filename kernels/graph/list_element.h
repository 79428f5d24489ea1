/* list_element.h - element by element: arithmetic, logic, bits, casts, quantisation.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_ELEMENT_H
#define SYN_LIST_ELEMENT_H

#define SYN_LIST_ELEMENT(X) \
    X(SUM, syn_op_sum) \
    X(MEAN, syn_op_mean) \
    X(POW, syn_op_pow) \
    X(MOD, syn_op_mod) \
    X(ABS, syn_op_abs) \
    X(NEG, syn_op_neg) \
    X(SIGN, syn_op_sign) \
    X(CEIL, syn_op_ceil) \
    X(FLOOR, syn_op_floor) \
    X(ROUND, syn_op_round) \
    X(SQRT, syn_op_sqrt) \
    X(EXP, syn_op_exp) \
    X(LOG, syn_op_log) \
    X(RECIPROCAL, syn_op_reciprocal) \
    X(ERF, syn_op_erf) \
    X(SIN, syn_op_sin) \
    X(COS, syn_op_cos) \
    X(TAN, syn_op_tan) \
    X(ASIN, syn_op_asin) \
    X(ACOS, syn_op_acos) \
    X(ATAN, syn_op_atan) \
    X(SINH, syn_op_sinh) \
    X(COSH, syn_op_cosh) \
    X(TANH, syn_op_tanh) \
    X(ASINH, syn_op_asinh) \
    X(ACOSH, syn_op_acosh) \
    X(ATANH, syn_op_atanh) \
    X(ELU, syn_op_elu) \
    X(SELU, syn_op_selu) \
    X(CELU, syn_op_celu) \
    X(THRESHOLDED_RELU, syn_op_thresholded_relu) \
    X(HARD_SIGMOID, syn_op_hard_sigmoid) \
    X(HARD_SWISH, syn_op_hard_swish) \
    X(SOFTPLUS, syn_op_softplus) \
    X(SOFTSIGN, syn_op_softsign) \
    X(MISH, syn_op_mish) \
    X(GELU, syn_op_gelu) \
    X(SWISH, syn_op_swish) \
    X(SHRINK, syn_op_shrink) \
    X(CLIP_TO, syn_op_clip_to) \
    X(BINARIZER, syn_op_binarizer) \
    X(IS_NAN, syn_op_is_nan) \
    X(IS_INF, syn_op_is_inf) \
    X(AND, syn_op_and) \
    X(OR, syn_op_or) \
    X(XOR, syn_op_xor) \
    X(NOT, syn_op_not) \
    X(EQUAL, syn_op_equal) \
    X(LESS, syn_op_less) \
    X(LESS_OR_EQUAL, syn_op_less_or_equal) \
    X(GREATER, syn_op_greater) \
    X(GREATER_OR_EQUAL, syn_op_greater_or_equal) \
    X(BITWISE_AND, syn_op_bitwise_and) \
    X(BITWISE_OR, syn_op_bitwise_or) \
    X(BITWISE_XOR, syn_op_bitwise_xor) \
    X(BITWISE_NOT, syn_op_bitwise_not) \
    X(BIT_SHIFT, syn_op_bit_shift) \
    X(WHERE, syn_op_where) \
    X(CAST, syn_op_cast) \
    X(CAST_LIKE, syn_op_cast_like) \
    X(BIT_CAST, syn_op_bit_cast) \
    X(QUANTIZE_LINEAR, syn_op_quantize_linear) \
    X(DEQUANTIZE_LINEAR, syn_op_dequantize_linear) \
    X(DYNAMIC_QUANTIZE_LINEAR, syn_op_dynamic_quantize_linear) \
    X(DROPOUT, syn_op_dropout)

#endif
