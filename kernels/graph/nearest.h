/* nearest.h - does a RESIZE repeat each pixel a whole number of times?
 *
 * Layer:   kernels/graph. */
#ifndef SYN_NEAREST_H
#define SYN_NEAREST_H

#include "kernels/graph/graph.h"

/* True when output (y, x) is input (y / r, x / r), rounded down, for every position; shapes are
 * known. */
bool syn_is_nearest_by(const struct syn_graph *g, const struct syn_node *n, int64_t r);

#endif
