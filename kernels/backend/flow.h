/* flow.h - a graph run node by node, shapes found as values become known: for models whose shapes
 * depend on data (speech durations, detections) or that have bodies (If, Loop, Scan).
 *
 * Weights are packed once, whatever the lengths; no plan is made per length, so a new length costs
 * nothing but its shape functions. Memory is taken from a cache of blocks that holds what the
 * largest run so far needed and does not grow with the number of distinct lengths.
 *
 * Layer:   kernels/backend.
 * Threads: a flow runs for one thread at a time.
 * Ownership: borrows graph and backend, which outlive it. */
#ifndef SYN_FLOW_H
#define SYN_FLOW_H

#include "kernels/backend/backend.h"
#include <stdatomic.h>

struct syn_flow;

struct syn_flow_opts {
    const struct syn_backend *backend;
    void *self;              /* the backend's */
    uint64_t limit_bytes;    /* live values and scratch together; 0 = none: more is SYN_TOO_LARGE */
    /* nodes whose names begin so never round to bf16; outlives the flow */
    const char *const *pin_f32;
    int32_t n_pin_f32;
};

/* Called after each node with its values as they are: for dumps and comparisons. A status other
 * than SYN_OK ends the run with it. Bodies' nodes come with `depth` > 0. */
typedef syn_status syn_flow_watch(void *ctx, const struct syn_graph *g, int32_t node, int32_t depth,
                                  const struct syn_op_call *c, struct syn_err *err);

struct syn_flow_run {
    const atomic_bool *cancel; /* between nodes; may be NULL */
    uint64_t seed;             /* for random operators */
    bool bf16;                 /* products may round their operands to bf16, but for pinned nodes */
    bool profile;
    syn_flow_watch *watch;     /* may be NULL */
    void *watch_ctx;
};

struct syn_flow_info {
    uint64_t peak_bytes;   /* live values of the largest run */
    uint64_t held_bytes;   /* blocks kept for the next run */
    uint64_t weight_bytes; /* packed */
};

SYN_MUST_CHECK syn_status syn_flow_new(const struct syn_graph *g, const struct syn_flow_opts *opts,
                                       struct syn_flow **out, struct syn_err *err);
void syn_flow_free(struct syn_flow *f); /* NULL-safe */
void syn_flow_info(const struct syn_flow *f, struct syn_flow_info *info);
/* Gives blocks back that are kept for the next run, until they are no more than this. */
void syn_flow_trim(struct syn_flow *f, uint64_t keep_bytes);

/* in[g->n_inputs]: dense, ranks and types as the graph says (dimensions that it states must agree;
 * -1 takes any). out[g->n_outputs]: filled; data is the caller's (syn_free). After a failure out
 * holds nothing. SYN_CANCELED, SYN_NO_MEMORY, SYN_TOO_LARGE, SYN_INVALID or SYN_UNSUPPORTED naming
 * the node. */
SYN_MUST_CHECK syn_status syn_flow_exec(struct syn_flow *f, const struct syn_tensor *in,
                                        struct syn_tensor *out, const struct syn_flow_run *run,
                                        struct syn_err *err);

/* A node as it last ran. */
struct syn_flow_step {
    const struct syn_node *node;
    const char *impl;     /* of the version that it ran by: "reference", "view" or a quick one's */
    struct syn_shape out; /* of its first output; rank -1: it has none that is wanted */
    double seconds;       /* in the last profiled run, all times that a body ran together */
    int32_t depth;        /* > 0: in a body */
};
/* Nodes of the graph in its order, then those of bodies that have been run. */
int32_t syn_flow_n_steps(const struct syn_flow *f);
/* index in [0, n_steps). False: the node has not run. */
bool syn_flow_step(const struct syn_flow *f, int32_t index, struct syn_flow_step *step);

#endif
