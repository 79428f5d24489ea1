/* onnx.h - an ONNX model as a graph.
 *
 * Source:  onnx.proto up to IR version 14. An operator set is refused by no number of its own: the
 *          rows of the operators know which forms each set has.
 * Graph:   inputs and outputs in the file's order with their names (value names are the file's);
 *          initializers and Constant nodes are constants of their own type; model-local functions
 *          are inlined. Constants point into the mapped file where that is aligned for their type,
 *          else into the graph's arena.
 * Layer:   kernels/load.
 * Threads: pure functions. */
#ifndef SYN_ONNX_H
#define SYN_ONNX_H

#include "kernels/graph/graph.h"

struct syn_onnx; /* keeps the mapped files that the graph's constants lie in */

/* External data lies where the options say (NULL: in the model's folder). On success both are the
 * caller's: free the graph first.
 * SYN_UNSUPPORTED: every operator, opset or type that cannot run, all at once; SYN_INVALID,
 * SYN_TRUNCATED: the file, naming field, node or tensor; SYN_TOO_LARGE, SYN_IO, SYN_NO_MEMORY. */
struct syn_onnx_options;
SYN_MUST_CHECK syn_status syn_onnx_load(const char *path, const struct syn_onnx_options *opt,
                                        struct syn_onnx **file, struct syn_graph **graph,
                                        struct syn_err *err);
/* The same from memory, which must outlive both; without options external data is refused. */
SYN_MUST_CHECK syn_status syn_onnx_load_bytes(const void *data, size_t n,
                                              const struct syn_onnx_options *opt,
                                              struct syn_onnx **file, struct syn_graph **graph,
                                              struct syn_err *err);
void syn_onnx_close(struct syn_onnx *file); /* NULL-safe */
uint64_t syn_onnx_bytes(const struct syn_onnx *file); /* of all files read */
/* Gives the mapping's pages back to the system; they are read again when touched. */
void syn_onnx_drop(struct syn_onnx *file);

#endif
