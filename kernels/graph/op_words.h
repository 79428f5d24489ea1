/* op_words.h - what the integers in operators' attributes mean, and operand positions: shared by
 * the operators (kernels/ops), the rewrite passes and the loaders.
 *
 * Layer:   kernels/graph. */
#ifndef SYN_OP_WORDS_H
#define SYN_OP_WORDS_H

enum syn_act {
    SYN_ACT_NONE,
    SYN_ACT_RELU,
    SYN_ACT_LEAKY,   /* act_a = slope below zero */
    SYN_ACT_PRELU,   /* slope operand, one per channel */
    SYN_ACT_SIGMOID,
    SYN_ACT_CLIP,    /* act_a = min, act_b = max */
    SYN_ACT_COUNT
};
enum syn_pad_mode { SYN_PAD_CONSTANT, SYN_PAD_REFLECT, SYN_PAD_REPLICATE };
enum syn_resize_mode { SYN_RESIZE_NEAREST, SYN_RESIZE_BILINEAR, SYN_RESIZE_BICUBIC };
enum syn_resize_coord { SYN_COORD_HALF_PIXEL, SYN_COORD_ASYMMETRIC, SYN_COORD_ALIGN_CORNERS };
enum syn_resize_round {
    SYN_ROUND_PREFER_FLOOR,
    SYN_ROUND_PREFER_CEIL,
    SYN_ROUND_FLOOR,
    SYN_ROUND_CEIL
};

/* Operand positions of CONV and CONV_TRANSPOSE. */
enum { SYN_CONV_X, SYN_CONV_W, SYN_CONV_BIAS, SYN_CONV_SLOPE, SYN_CONV_RES1, SYN_CONV_RES2 };

#endif
