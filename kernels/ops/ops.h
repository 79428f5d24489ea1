/* ops.h - the definition of each operator: operands, attributes, formulas. The rows are in the .c
 * files.
 *
 * Source:  ONNX operator set 17 to 20 where the name is ONNX's; ncnn for SCALED_SUM (its Eltwise
 *          with coefficients) and CROP against a second operand.
 * Layer:   kernels/ops: includes kernels/base and kernels/graph.
 * Shapes:  NCHW; spatial ops take rank 4 (rank 3 [N,C,L] where said). f32 everywhere.
 * Threads: pure functions.
 *
 * CONV            in: x [n,ci,h,w], w [co,ci/group,kh,kw], bias [co]?, slope [co]?, res1?, res2?
 *                 attrs: group=1, strides[2] (empty = 1,1), dilations[2] (empty = 1,1), pads[4]
 *                 top, left, bottom, right (empty = 0), act = enum syn_act, act_a, act_b, alpha=1,
 *                 beta1=1, beta2=1.
 *                 y = alpha * act(conv(x, w) + bias) + beta1*res1 + beta2*res2; residuals have y's
 *                 shape. slope belongs to act = PRELU.
 *                 ho = floor((h + top + bottom - dil*(kh-1) - 1)/stride) + 1.
 * CONV_TRANSPOSE  in: x [n,ci,h,w], w [ci,co/group,kh,kw], bias [co]?, slope [co]?
 *                 attrs: group, strides, dilations, pads, output_padding[2] (bottom, right), act...
 *                 ho = (h-1)*stride - top - bottom + dil*(kh-1) + 1 + output_padding.
 * DENSE           in: x [n,k] or [n,k,1,1], w [m,k], bias [m]?; attrs act... ;
 *                 y [n,m] or [n,m,1,1] like x.
 * ADD SUB MUL DIV MIN MAX   in: a, b; multidirectional broadcasting (NumPy's rule).
 * SCALED_SUM      in: 2 or more of one shape; attr coeffs (one per input, at most 16; empty = all
 *                 1): sum coeffs[i]*x[i].
 * RELU, SIGMOID, IDENTITY in: x.  LEAKY_RELU attr alpha=0.01.  CLIP attrs min, max.
 *                 NaN stays NaN in each of them.
 * PRELU           in: x [n,c,...], slope [c], [c,1,...,1] or [1].
 * RESHAPE         attr dims (a 0 copies the input's dimension, one -1 is inferred).
 * CONCAT          attr axis=1 (negative counts from the end).
 * CROP            in: x, like?; attrs top, left, height=-1, width=-1, bottom=0, right=0.
 *                 With `like`: the window is like's height and width at (top,left). Else height,
 *                 width if given (> 0), else what top/left/bottom/right cut off leaves.
 * PAD             attrs pads[4] top,left,bottom,right (>= 0), mode = enum syn_pad_mode, value=0.
 *                 reflect (the edge not repeated) takes pads < side; replicate any.
 * RESIZE          attrs mode = enum syn_resize_mode, coord = enum syn_resize_coord, scale_h,
 *                 scale_w (> 0) or out_h, out_w (> 0), cubic_a=-0.75. Nearest rounds per attr
 *                 round = enum syn_resize_round. Rules of coordinates: known ties are exact (see
 *                 resize.c). Output size from scales: floor(in*scale), or k where scale is k/in
 *                 rounded to float32. Each axis has a scale or a size, not both. Edges: clamp.
 * PIXEL_SHUFFLE   in: x, res [n,c,h,w]? (added to each of its pixels' r*r); attr r, mode 0 = CRD
 *                 (PyTorch: channel c*r*r + y*r + x), 1 = DCR. PIXEL_UNSHUFFLE: inverse.
 * MAX_POOL, AVERAGE_POOL   attrs kernel[2], strides, pads, dilations, ceil_mode, count_include_pad
 *                 (average only). Pads never win a maximum; details in pool.c.
 * GLOBAL_AVERAGE_POOL      [n,c,h,w] -> [n,c,1,1]. */
#ifndef SYN_OPS_H
#define SYN_OPS_H

#include "kernels/graph/op.h"
#include "kernels/graph/op_words.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Convolution as numbers, for backends: parsed from a call whose shapes are filled in. */
struct syn_conv {
    bool transposed;
    int64_t n, ci, h, w;       /* input */
    int64_t co, ho, wo;        /* output */
    int64_t group, kh, kw;
    int64_t stride_h, stride_w, dil_h, dil_w;
    int64_t top, left, bottom, right; /* padding */
    enum syn_act act;
    float act_a, act_b, alpha, beta1, beta2;
};

/* Fills *p from a CONV or CONV_TRANSPOSE call and checks everything that its shape function must:
 * used by shape functions, references and backends alike. Output size is computed. */
SYN_MUST_CHECK syn_status syn_conv_parse(const struct syn_op_call *c, struct syn_conv *p,
                                         struct syn_err *err);

/* act(v) as defined above; slope is read for PRELU only. */
float syn_act_apply(enum syn_act act, float v, float a, float b, float slope);

/* For one output position of a resize axis: the first input tap (before clamping), the number of
 * taps (1, 2 or 4) and their weights. in, out: lengths; scale: 0 = out/in, else the model's own
 * scale. The one place where coordinates are computed, so that backends and the reference agree
 * bit for bit. */
struct syn_resize_axis {
    enum syn_resize_mode mode;
    enum syn_resize_coord coord;
    enum syn_resize_round round;
    int64_t in, out;
    double scale, cubic_a;
};
int32_t syn_resize_taps(const struct syn_resize_axis *axis, int64_t o, int64_t *first,
                        double weight[4]);
/* The two axes of a RESIZE call whose shapes are filled in: [0] = rows, [1] = columns. */
void syn_resize_axes(const struct syn_op_call *c, struct syn_resize_axis axis[2]);

#ifdef __cplusplus
}
#endif
#endif
