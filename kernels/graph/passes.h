/* passes.h - rewrites of a graph whose shapes are known. Each keeps the results equal, to rounding.
 *
 * Every pass has a switch (SYN_PASS_* in kernels/engine.h) and a test that on = off. Order matters:
 * fold, fuse, phases, sweep.
 *
 * Layer:   kernels/graph.   Threads: one at a time per graph.
 * Errors:  SYN_NO_MEMORY; the graph may then be half rewritten and is good for freeing only. */
#ifndef SYN_PASSES_H
#define SYN_PASSES_H

#include "kernels/graph/graph.h"

/* Removes identities (IDENTITY, RESHAPE to the same shape, CROP of nothing, PAD by nothing, sums
 * with one operand and coefficient 1), and computes nodes whose operands are all constants. */
SYN_MUST_CHECK syn_status syn_pass_fold(struct syn_graph *g, struct syn_err *err);

/* conv -> activation, conv -> ADD or SCALED_SUM with one other operand of the same shape: into the
 * convolution, when nobody else reads its result. Twice over: conv5 of a dense block takes both the
 * block's and the group's residual. The fused node stands where the last of its parts stood. */
SYN_MUST_CHECK syn_status syn_pass_fuse_conv(struct syn_graph *g, struct syn_err *err);

/* PIXEL_SHUFFLE(a) + nearest r-fold RESIZE(b), each read by the sum alone: one PIXEL_SHUFFLE with
 * b as its residual, so that the enlarged picture is never stored. */
SYN_MUST_CHECK syn_status syn_pass_fuse_shuffle(struct syn_graph *g, struct syn_err *err);

/* Nearest-2x RESIZE read by one 3x3 convolution (stride 1, padding 1) becomes a transposed
 * convolution of kernel 4, stride 2, padding 1, which backends run as four 2x2 convolutions, one
 * per output phase: 16 multiply-adds per output instead of 36, and the enlarged picture is never
 * stored. Along each axis the kernel is [w2, w1+w2, w0+w1, w0]; borders are exact, as padding
 * zeros sum to zero. */
SYN_MUST_CHECK syn_status syn_pass_phases(struct syn_graph *g, struct syn_err *err);

/* --- general models (kernels/load/onnx.h) ------------------------------------------------------
 * Those marked "any time" need no shapes and are applied once, when a model is opened. */

/* Any time. A network stored in f16, with f32 at its ends, computes in f32. */
SYN_MUST_CHECK syn_status syn_pass_widen(struct syn_graph *g, struct syn_err *err);
/* Any time. QuantizeLinear -> DequantizeLinear around activations is taken out, through a
 * Transpose or Reshape between the two as well. Weights behind DequantizeLinear are constants once
 * syn_graph_fold_constants has run. */
SYN_MUST_CHECK syn_status syn_pass_qdq(struct syn_graph *g, struct syn_err *err);
/* Any time. BatchNormalization into the weights and bias of the convolution before it. */
SYN_MUST_CHECK syn_status syn_pass_batch_norm(struct syn_graph *g, struct syn_err *err);
/* Any time. Transposes move together and cancel. */
SYN_MUST_CHECK syn_status syn_pass_transpose(struct syn_graph *g, struct syn_err *err);
/* Any time for the last axis (LayerNormalization); over the spatial axes of pictures
 * (CHANNEL_NORM) once shapes are known. */
SYN_MUST_CHECK syn_status syn_pass_norm(struct syn_graph *g, struct syn_err *err);
/* Any time. Attention spelled out in products and a softmax becomes one ATTEND
 * (kernels/ops/attend.c), transposes around it included. */
SYN_MUST_CHECK syn_status syn_pass_attention(struct syn_graph *g, struct syn_err *err);
/* CHANNEL_NORM -> activation, CHANNEL_NORM -> ADD: into the norm, when nobody else reads its
 * result. */
SYN_MUST_CHECK syn_status syn_pass_fuse_norm(struct syn_graph *g, struct syn_err *err);
/* Any time. Operators that work element by element on f32 and follow each other become one CHAIN
 * (chain.h). */
SYN_MUST_CHECK syn_status syn_pass_chain(struct syn_graph *g, struct syn_err *err);
/* Any time. A Pad with zeros before a CONV_ND into its pads; an operator of one operand after it,
 * when nobody else reads its result: one CONV_STEP; a depthwise convolution and the 1x1 one that
 * alone reads it: one CONV_POINT. Not for programs, whose forms have their own
 * (syn_pass_fuse_conv). */
SYN_MUST_CHECK syn_status syn_pass_conv(struct syn_graph *g, struct syn_err *err);
/* ONNX's operators in our own rank-4 forms where they do the same. */
SYN_MUST_CHECK syn_status syn_pass_lower(struct syn_graph *g, struct syn_err *err);

#endif
