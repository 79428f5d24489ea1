/* ncnn.h - an ncnn model (.param text, .bin weights) as a graph.
 *
 * Source:  ncnn's param format with magic 7767517 and its binary weight file.
 * Text:    line 1 the magic, line 2 "layers blobs", then one line per layer: type, name, number of
 *          inputs and outputs, their names, then key=value. Key -23300-k is the array of key k:
 *          "n,v1,...". The last line ends with a newline, as ncnn writes it, so that no cut goes
 *          unnoticed.
 * Weights: in the order of the layers. Convolution, Deconvolution, InnerProduct: a u32 tag
 *          (0x01306B47 = IEEE half, padded to 4 bytes; 0 = f32), the weights [out][in][kh][kw],
 *          then the bias as f32 without a tag. PReLU slopes and Scale factors: f32 without a tag.
 * Shapes:  ncnn's blob [c,h,w] is [1,c,h,w] with h and w unknown; its vector [c] is [1,c,1,1], so
 *          that it multiplies a picture channel by channel. Channels of an input that states none
 *          come from the first layer that uses it.
 * Layers:  see the table in ncnn_layers.c. A parameter that a layer does not know is refused unless
 *          it is 0.
 * Layer:   kernels/load.
 * Threads: pure function. */
#ifndef SYN_NCNN_H
#define SYN_NCNN_H

#include "kernels/graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_NCNN_MAX_PARAM_BYTES ((size_t)16 << 20) /* of the text; the largest known has 0.12 */

/* Builds the graph. Both files are taken as memory and may hold anything. On success *out is the
 * caller's; its constants point into `weights` (at any alignment), which must outlive the graph and
 * its copies. Deconvolution weights are kept in the graph, their axes swapped.
 * SYN_UNSUPPORTED: layer types that are unknown, all of them at once, or what a layer asks for;
 * SYN_TRUNCATED: text or weights end too early; SYN_INVALID: anything else that is wrong with them,
 *                bytes
 * after the last weight included; each names line or offset. SYN_TOO_LARGE, SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_ncnn_load(const char *param_text, size_t param_n, const void *weights,
                                        size_t weights_n, struct syn_graph **out,
                                        struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
