/* types.h - element types of a graph's values as far as they follow without shapes.
 *
 * Layer:   kernels/graph.   Threads: pure function. */
#ifndef SYN_TYPES_H
#define SYN_TYPES_H

#include "kernels/graph/graph.h"

#define SYN_TYPE_UNKNOWN SYN_DTYPE_COUNT

/* type[g->n_values]. Inputs and constants are what they say; the rest by operator; what an
 * operator with a body or of another rule gives is SYN_TYPE_UNKNOWN. */
void syn_graph_types(const struct syn_graph *g, syn_dtype *type);

#endif
