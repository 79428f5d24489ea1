/* memory.h - where in one workspace each buffer lies, by lifetimes.
 *
 * Maths:   buffers whose lifetimes overlap must not overlap in memory; the peak is the end of the
 *          last one. Largest first, each at the lowest gap that fits (greedy by size: within a few
 *          per cent of the lower bound on the networks served here).
 * Layer:   kernels/graph.   Threads: pure functions. */
#ifndef SYN_MEMORY_H
#define SYN_MEMORY_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syn_lifetime {
    size_t bytes;         /* in: 0 = takes no room */
    int32_t first, last;  /* in: steps that it lives through, both included */
    size_t offset;        /* out: multiple of SYN_ALIGN */
};

/* Places all; *peak gets the bytes of the workspace. share = false gives each its own bytes (the
 * pass switched off). SYN_TOO_LARGE on overflow, SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_memory_plan(struct syn_lifetime *buffer, int32_t n, bool share,
                                          size_t *peak, struct syn_err *err);

/* Most bytes alive in any one step: no plan can do better. For tests and reports. */
size_t syn_memory_bound(const struct syn_lifetime *buffer, int32_t n);

#endif
