/* list_move.h - moving data: reshape, slice, gather, scatter, pad, and what makes index tensors.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_MOVE_H
#define SYN_LIST_MOVE_H

#define SYN_LIST_MOVE(X) \
    X(RESHAPE_TO, syn_op_reshape_to)              \
    X(SQUEEZE, syn_op_squeeze)                    \
    X(UNSQUEEZE, syn_op_unsqueeze)                \
    X(FLATTEN, syn_op_flatten)                    \
    X(TRANSPOSE, syn_op_transpose)                \
    X(EXPAND, syn_op_expand)                      \
    X(TILE, syn_op_tile)                          \
    X(DEPTH_TO_SPACE, syn_op_depth_to_space)      \
    X(SPACE_TO_DEPTH, syn_op_space_to_depth)      \
    X(REVERSE_SEQUENCE, syn_op_reverse_sequence)  \
    X(SLICE, syn_op_slice)                        \
    X(SPLIT, syn_op_split)                        \
    X(CENTER_CROP_PAD, syn_op_center_crop_pad)    \
    X(PAD_ND, syn_op_pad_nd)                      \
    X(GATHER, syn_op_gather)                      \
    X(GATHER_ELEMENTS, syn_op_gather_elements)    \
    X(GATHER_ND, syn_op_gather_nd)                \
    X(ARRAY_FEATURE_EXTRACTOR, syn_op_array_feature_extractor) \
    X(SCATTER, syn_op_scatter)                    \
    X(SCATTER_ELEMENTS, syn_op_scatter_elements)  \
    X(SCATTER_ND, syn_op_scatter_nd)              \
    X(TENSOR_SCATTER, syn_op_tensor_scatter)      \
    X(SHAPE, syn_op_shape)                        \
    X(SIZE, syn_op_size)                          \
    X(RANGE, syn_op_range)                        \
    X(CONSTANT_OF_SHAPE, syn_op_constant_of_shape) \
    X(CONSTANT, syn_op_constant)                  \
    X(EYE_LIKE, syn_op_eye_like)                  \
    X(ONE_HOT, syn_op_one_hot)                    \
    X(TRILU, syn_op_trilu)                        \
    X(NON_ZERO, syn_op_non_zero)                  \
    X(COMPRESS, syn_op_compress)                  \
    X(UNIQUE, syn_op_unique)                      \
    X(TOP_K, syn_op_top_k)

#endif
