/* list_window.h - sliding windows and sampling: N-D convolution, pooling, resize, regions, grids.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_WINDOW_H
#define SYN_LIST_WINDOW_H

#define SYN_LIST_WINDOW(X)                              \
    X(CONV_ND, syn_op_conv_nd)                          \
    X(CONV_INTEGER, syn_op_conv_integer)                \
    X(Q_LINEAR_CONV, syn_op_q_linear_conv)              \
    X(CONV_TRANSPOSE_ND, syn_op_conv_transpose_nd)      \
    X(MAX_POOL_ND, syn_op_max_pool_nd)                  \
    X(AVERAGE_POOL_ND, syn_op_average_pool_nd)          \
    X(LP_POOL, syn_op_lp_pool)                          \
    X(GLOBAL_MAX_POOL, syn_op_global_max_pool)          \
    X(GLOBAL_LP_POOL, syn_op_global_lp_pool)            \
    X(RESIZE_ND, syn_op_resize_nd)                      \
    X(UPSAMPLE, syn_op_upsample)                        \
    X(GRID_SAMPLE, syn_op_grid_sample)                  \
    X(AFFINE_GRID, syn_op_affine_grid)                  \
    X(DEFORM_CONV, syn_op_deform_conv)                  \
    X(MAX_UNPOOL, syn_op_max_unpool)                    \
    X(COL2_IM, syn_op_col2_im)                          \
    X(ROI_ALIGN, syn_op_roi_align)                      \
    X(MAX_ROI_POOL, syn_op_max_roi_pool)

#endif
