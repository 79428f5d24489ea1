/* op.h - what an operator is: one row with its name, arity, attributes, shape function and reference.
 *
 * New op:  one line in op_list.h, and one row (`const struct syn_op syn_op_<id>`) with its two
 *          functions in kernels/ops/<family>.c. Everything then runs, slowly and rightly; a backend may
 *          add a quick version. The reference is the definition: scalar C, double sums, no cleverness.
 * Layer:   kernels/graph. Rows live above, in kernels/ops; the table here names them by symbol.
 * Threads: immutable tables and pure functions. */
#ifndef SYN_OP_H
#define SYN_OP_H

#include "kernels/graph/op_list.h"
#include "kernels/graph/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_MAX_OPERANDS 64 /* of one node, inputs and outputs each */
#define SYN_MAX_ATTRS 12
#define SYN_MAX_ATTR_INTS 16

typedef enum syn_op_id {
#define SYN_OP_ENUM(ID, row) SYN_OP_##ID,
    SYN_OP_LIST(SYN_OP_ENUM)
#undef SYN_OP_ENUM
    SYN_OP_COUNT
} syn_op_id;

typedef enum syn_attr_kind {
    SYN_ATTR_INT,
    SYN_ATTR_FLOAT,
    SYN_ATTR_INTS,
    SYN_ATTR_FLOATS
} syn_attr_kind;

/* One attribute in a row: its name, kind, default, and the range each number must lie in. Lists have
 * 0..SYN_MAX_ATTR_INTS entries; an absent list is empty and the op says what that means. */
struct syn_attr_spec {
    const char *name;
    syn_attr_kind kind;
    double fallback, min, max;
};

/* A value given for an attribute. */
struct syn_attr {
    const char *name; /* borrowed; becomes the row's own string inside a node */
    syn_attr_kind kind;
    int32_t n; /* entries of a list; 1 for a single number */
    union {
        int64_t i[SYN_MAX_ATTR_INTS];
        double f[SYN_MAX_ATTR_INTS];
    } v;
};

/* What a shape function and a reference see. An optional operand that is absent has data NULL and
 * rank -1 in its shape. Shape functions read shapes, attributes and (rarely) constant data only. */
struct syn_op_call {
    const struct syn_op *op;
    int32_t n_in, n_out;
    struct syn_tensor in[SYN_MAX_OPERANDS];
    struct syn_tensor out[SYN_MAX_OPERANDS];
    const struct syn_attr *attr; /* one per spec of the row, in its order, defaults filled in */
};

struct syn_op {
    const char *name;         /* ONNX's word where it has one: "Conv" */
    int32_t min_in, max_in;   /* operands beyond min_in are optional */
    int32_t n_out;
    const struct syn_attr_spec *attrs; /* ends with a NULL name; NULL = none */
    /* Writes out[i].shape and .dtype for all outputs from the inputs' shapes, or says which operand or
     * attribute does not fit (SYN_INVALID) or is more than this op does (SYN_UNSUPPORTED). All input
     * dimensions are known. */
    syn_status (*shape)(struct syn_op_call *c, struct syn_err *err);
    /* Computes outputs from inputs, all f32 and dense, no output overlapping an input. Shapes have passed
     * the shape function. SYN_NO_MEMORY is the only failure. */
    syn_status (*reference)(const struct syn_op_call *c, struct syn_err *err);
    /* True when out[i] depends on in[0][i] and single numbers only, so that the result may replace the
     * input in memory. */
    bool pointwise;
};

#define SYN_OP_ROW(ID, row) extern const struct syn_op row;
SYN_OP_LIST(SYN_OP_ROW)
#undef SYN_OP_ROW

const struct syn_op *syn_op_get(syn_op_id id);

/* The attribute's value in a call; the name must be in the row (a bug of ours otherwise: returns 0 and
 * the empty list). */
int64_t syn_attr_int(const struct syn_op *op, const struct syn_attr *attr, const char *name);
double syn_attr_float(const struct syn_op *op, const struct syn_attr *attr, const char *name);
const struct syn_attr *syn_attr_list(const struct syn_op *op, const struct syn_attr *attr,
                                     const char *name);

/* Makers of attributes for the graph builder. Lists are cut at SYN_MAX_ATTR_INTS. */
struct syn_attr syn_attr_of_int(const char *name, int64_t v);
struct syn_attr syn_attr_of_float(const char *name, double v);
struct syn_attr syn_attr_of_ints(const char *name, int32_t n, const int64_t *v);
struct syn_attr syn_attr_of_floats(const char *name, int32_t n, const double *v);

/* Checks given attributes against the row and writes one entry per spec, defaults filled in, to
 * filled[SYN_MAX_ATTRS]. SYN_INVALID names an unknown attribute, a wrong kind or a number out of range. */
SYN_MUST_CHECK syn_status syn_attr_fill(const struct syn_op *op, const struct syn_attr *given,
                                        int32_t n, struct syn_attr *filled, struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
