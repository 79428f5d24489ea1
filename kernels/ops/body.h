/* body.h - what If, Loop and Scan share: states that move from one run of a body to the next, and
 * outputs that are
 * gathered over the runs.
 *
 * Captures: a body's last inputs are values of the graphs around it, the node's last operands
 *          (graph.h). Loop and Scan cannot tell from the counts how many there are: their rows have
 *          the attribute `captures`.
 * Layer:   kernels/ops.   Threads: a call belongs to one thread.
 * Ownership: tensors with `owned` set are freed here, others are borrowed from the call. */
#ifndef SYN_OPS_BODY_H
#define SYN_OPS_BODY_H

#include "kernels/graph/graph.h"
#include "kernels/ops/check.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A reference of a SYN_OP_MAKES row fills its call's outputs. */
static inline struct syn_op_call *syn_maker(const struct syn_op_call *c)
{
    return (struct syn_op_call *)(uintptr_t)c;
}

/* Equal outputs of consecutive runs, one after the other. A zeroed one is empty. */
struct syn_gather {
    struct syn_shape each;
    syn_dtype dtype;
    char *data;
    size_t used, cap; /* bytes */
    int64_t n;        /* tensors */
};
/* Copies t to the end. SYN_INVALID when its shape or type is not that of the first. */
SYN_MUST_CHECK syn_status syn_gather_add(const struct syn_op_call *c, struct syn_gather *g,
                                         int32_t o, const struct syn_tensor *t,
                                         struct syn_err *err);
/* Output o of the call: the gathered tensors stacked along a new axis (negative counts from the
 * back of the result),
 * the last first if `reverse`. Where nothing was gathered, shape and type are what the body
 * declares (unknown
 * dimensions 0). */
SYN_MUST_CHECK syn_status syn_gather_end(const struct syn_op_call *c, struct syn_gather *g,
                                         int32_t o, const struct syn_value *declared, int64_t axis,
                                         bool reverse, struct syn_err *err);
void syn_gather_free(struct syn_gather *g);

struct syn_state {
    struct syn_tensor t;
    bool owned;
};
/* Takes the tensor that a body gave, whose type must be the old one's; *t then has no data. */
SYN_MUST_CHECK syn_status syn_state_take(const struct syn_op_call *c, struct syn_state *s,
                                         int32_t i, struct syn_tensor *t, struct syn_err *err);
/* Output o becomes the state's tensor, a copy of it where it is borrowed. */
SYN_MUST_CHECK syn_status syn_state_end(const struct syn_op_call *c, struct syn_state *s, int32_t o,
                                        struct syn_err *err);
void syn_state_free(struct syn_state *s);

/* Runs a body on in[body->n_inputs] for out[body->n_outputs], which start empty. SYN_INVALID
 * without a host. */
SYN_MUST_CHECK syn_status syn_body_run(const struct syn_op_call *c, const struct syn_graph *body,
                                       const struct syn_tensor *in, struct syn_tensor *out,
                                       struct syn_err *err);
void syn_body_drop(struct syn_tensor *out, int32_t n); /* frees what has data */

/* Single integer or boolean of operand i, `fallback` where it is absent. */
SYN_MUST_CHECK syn_status syn_ops_single(const struct syn_op_call *c, int32_t i, const char *name,
                                         uint32_t types, int64_t fallback, int64_t *out,
                                         struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
