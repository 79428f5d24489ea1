/* footprint.h - which input pixels an output pixel depends on, and where a graph must be cut to be
 * tiled.
 *
 * Maths:   position p of a value reads input positions p*step + lo ... p*step + hi. A convolution
 *          of stride s, padding b, extent e = dil*(k-1) composes to step*s, lo - step*b, hi +
 *          step*(e - b); an r-fold enlargement to step/r, lo - step*(r-1)/r, hi; a crop moves both
 *          by step*top. Where two values meet, the wider reach counts; their steps must agree.
 *          Values without a place in the picture (averages over it) have no footprint.
 * Layer:   kernels/graph.   Threads: pure functions. */
#ifndef SYN_FOOTPRINT_H
#define SYN_FOOTPRINT_H

#include "kernels/graph/graph.h"

struct syn_reach {
    bool spatial;        /* false: does not depend on position */
    double step, lo,
        hi; /* see above; both axes alike: graphs that treat them differently are refused */
};

/* Fills reach[n_values] from input 0. align gets the multiple that sizes must have so that every
 * value consists of whole pixels (least common multiple of the steps' numerators). SYN_UNSUPPORTED
 * names a node that can't be tiled (resize to a fixed size...). */
SYN_MUST_CHECK syn_status syn_footprint(const struct syn_graph *g, struct syn_reach *reach,
                                        int32_t *align, struct syn_err *err);

/* Global averages in order: node[max] gets their indices; returns how many there are (may exceed
 * max). */
int32_t syn_global_averages(const struct syn_graph *g, int32_t *node, int32_t max);

/* Turns g into stage k of the model: averages before the k-th become further graph inputs
 * ("mean0", ..., shape [1,?,1,1]), the k-th average's operand becomes the only output (the last
 * stage keeps the model's own). Dead nodes are swept. */
SYN_MUST_CHECK syn_status syn_make_stage(struct syn_graph *g, int32_t stage, struct syn_err *err);

#endif
