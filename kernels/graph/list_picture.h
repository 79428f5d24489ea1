/* list_picture.h - what pictures' networks are made of: our own rank-4 forms with fused parts
 * (domain "synthd") and the few of ONNX's that need no other form.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_PICTURE_H
#define SYN_LIST_PICTURE_H

#define SYN_LIST_PICTURE(X) \
    X(CONV, syn_op_conv)                        \
    X(CONV_TRANSPOSE, syn_op_conv_transpose)    \
    X(DENSE, syn_op_dense)                      \
    X(ADD, syn_op_add)                          \
    X(SUB, syn_op_sub)                          \
    X(MUL, syn_op_mul)                          \
    X(DIV, syn_op_div)                          \
    X(MIN, syn_op_min)                          \
    X(MAX, syn_op_max)                          \
    X(SCALED_SUM, syn_op_scaled_sum)            \
    X(RELU, syn_op_relu)                        \
    X(LEAKY_RELU, syn_op_leaky_relu)            \
    X(PRELU, syn_op_prelu)                      \
    X(SIGMOID, syn_op_sigmoid)                  \
    X(CLIP, syn_op_clip)                        \
    X(IDENTITY, syn_op_identity)                \
    X(RESHAPE, syn_op_reshape)                  \
    X(CONCAT, syn_op_concat)                    \
    X(CROP, syn_op_crop)                        \
    X(PAD, syn_op_pad)                          \
    X(RESIZE, syn_op_resize)                    \
    X(PIXEL_SHUFFLE, syn_op_pixel_shuffle)      \
    X(PIXEL_UNSHUFFLE, syn_op_pixel_unshuffle)  \
    X(MAX_POOL, syn_op_max_pool)                \
    X(AVERAGE_POOL, syn_op_average_pool)        \
    X(GLOBAL_AVERAGE_POOL, syn_op_global_average_pool)


#endif
