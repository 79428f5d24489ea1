/* op.h - what an operator is: one row with its name, arity, attributes, shape function and
 * reference.
 *
 * New op:  one line in a list (kernels/graph/list_*.h), and one row (`const struct syn_op
 *          syn_op_<id>`) with its two functions in kernels/ops/<family>.c. Everything then runs,
 *          slowly and rightly; a backend may add a quick version. The reference is the definition:
 *          scalar C, double sums, no cleverness.
 * ONNX:    a row serves every opset: it declares what any of them has, as attribute and as operand
 *          where an attribute became one, and its functions look at call->opset where meanings
 *          changed.
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
#define SYN_MAX_ATTRS 20
#define SYN_MAX_ATTR_LIST (1 << 20) /* entries of one list */

struct syn_graph;

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
    SYN_ATTR_FLOATS,
    SYN_ATTR_STRING,
    SYN_ATTR_STRINGS,
    SYN_ATTR_TENSOR,
    SYN_ATTR_GRAPH
} syn_attr_kind;

/* One attribute in a row: its name, kind, default, and the range each number must lie in. An
 * absent list is empty and the op says what that means; an absent string is `text` (NULL where
 * left out); an absent tensor or graph is NULL. */
struct syn_attr_spec {
    const char *name;
    syn_attr_kind kind;
    double fallback, min, max;
    const char *text;
};

/* A value given for an attribute. Lists, strings and tensors are borrowed; a graph copies them
 * when a node is made. */
struct syn_attr {
    const char *name; /* borrowed; becomes the row's own string inside a node */
    syn_attr_kind kind;
    int32_t n; /* entries of a list; 1 for a single number; 0 for an absent string, tensor, graph */
    union {
        int64_t i1;
        double f1;
        const int64_t *i;
        const double *f;
        const char *s1;
        const char *const *s;
        const struct syn_tensor *tensor;
        const struct syn_graph *graph;
    } v;
};

/* What an operator asks of whoever runs it; only operators with bodies, and random ones, do. */
struct syn_op_host {
    /* Runs a body: in[body->n_inputs] -> out[body->n_outputs], whose data is allocated by the host
     * and freed by the caller (syn_free), on failure too where not NULL. SYN_CANCELED. */
    syn_status (*run)(struct syn_op_host *h, const struct syn_graph *body,
                      const struct syn_tensor *in, struct syn_tensor *out, struct syn_err *err);
    uint64_t seed;  /* of this run, for random operators without a seed of their own */
    uint64_t draws; /* counts random nodes executed, so that each gets other numbers */
};

/* What a shape function and a reference see. An optional operand or output that is absent has data
 * NULL and rank -1 in its shape. */
struct syn_op_call {
    const struct syn_op *op;
    int32_t n_in, n_out;
    int32_t opset; /* of the node's domain in its model; 0 for operators of our own */
    struct syn_tensor in[SYN_MAX_OPERANDS];
    struct syn_tensor out[SYN_MAX_OPERANDS];
    const struct syn_attr *attr; /* one per spec of the row, in its order, defaults filled in */
    struct syn_op_host *host;    /* NULL in shape functions and for operators that need none */
    bool bf16;                   /* quick versions may round operands of products to bf16 */
};

enum { /* syn_op.flags */
    /* (Not with SYN_OP_MAKES.) The reference takes f32 where operands are floats: whoever runs it
     * converts f16, bf16 and f64 operands to f32 copies and the outputs back. The shape function
     * sees the true types. */
    SYN_OP_FLOAT = 1 << 0,
    /* No shape function: the reference fills shape, dtype and data (syn_alloc) of each wanted
     * output; they are the caller's afterwards, on failure too where not NULL. For outputs whose
     * sizes only the computation tells (NonZero, Loop). */
    SYN_OP_MAKES = 1 << 1,
    SYN_OP_RANDOM = 1 << 2, /* never folded */
    SYN_OP_POINTWISE = 1 << 3, /* out[i] depends on in[0][i] and single numbers only */
    /* out[0] is in[0]'s bytes, in another shape at most: runners need not copy */
    SYN_OP_VIEW = 1 << 4,
};

struct syn_op {
    const char *name;         /* ONNX's word where it has one: "Conv" */
    /* NULL or "": ONNX's main; "synthd": our own fused or specialised form; else the ONNX
     * domain */
    const char *domain;
    int32_t min_in, max_in;   /* operands beyond min_in are optional */
    int32_t n_out, max_out;   /* outputs that are always there; most (0 = n_out) */
    uint32_t flags;
    /* Bit i: the shape function reads operand i's data (Reshape's shape). While that is unknown
     * (data NULL), the shape function is not called. Bit 63 stands for operands 63 and up. */
    uint64_t reads;
    const struct syn_attr_spec *attrs; /* ends with a NULL name; NULL = none */
    /* Writes out[i].shape and .dtype for all outputs from the inputs' shapes, or says which
     * operand or attribute does not fit (SYN_INVALID) or is more than this op does
     * (SYN_UNSUPPORTED). All input dimensions are known. NULL for SYN_OP_MAKES. */
    syn_status (*shape)(struct syn_op_call *c, struct syn_err *err);
    /* Computes outputs from inputs, all dense, no output overlapping an input. Shapes have passed
     * the shape function. Values that a model computes may still be wrong (an index out of range):
     * SYN_INVALID. */
    syn_status (*reference)(const struct syn_op_call *c, struct syn_err *err);
};

#define SYN_OP_ROW(ID, row) extern const struct syn_op row;
SYN_OP_LIST(SYN_OP_ROW)
#undef SYN_OP_ROW

const struct syn_op *syn_op_get(syn_op_id id);
/* The row of an operator by ONNX name and domain ("" = main); SYN_OP_COUNT when there is none. */
syn_op_id syn_op_find(const char *domain, const char *name);
int32_t syn_op_max_out(const struct syn_op *op);

/* The attribute's value in a call; the name must be in the row (a bug of ours otherwise: returns 0
 * and the empty list). */
int64_t syn_attr_int(const struct syn_op *op, const struct syn_attr *attr, const char *name);
double syn_attr_float(const struct syn_op *op, const struct syn_attr *attr, const char *name);
const struct syn_attr *syn_attr_list(const struct syn_op *op, const struct syn_attr *attr,
                                     const char *name);
/* NULL: not given */
const char *syn_attr_text(const struct syn_op *op, const struct syn_attr *attr, const char *name);
const struct syn_tensor *syn_attr_tensor(const struct syn_op *op, const struct syn_attr *attr,
                                         const char *name); /* or NULL */
const struct syn_graph *syn_attr_graph(const struct syn_op *op, const struct syn_attr *attr,
                                       const char *name);   /* or NULL */
/* Whether a list has entries, a string, tensor or graph is given. Numbers have their default
 * always. */
bool syn_attr_given(const struct syn_op *op, const struct syn_attr *attr, const char *name);

/* Makers of attributes for the graph builder. Lists, texts and tensors are borrowed until the node
 * is made. */
struct syn_attr syn_attr_of_int(const char *name, int64_t v);
struct syn_attr syn_attr_of_float(const char *name, double v);
struct syn_attr syn_attr_of_ints(const char *name, int32_t n, const int64_t *v);
struct syn_attr syn_attr_of_floats(const char *name, int32_t n, const double *v);
struct syn_attr syn_attr_of_text(const char *name, const char *v);
struct syn_attr syn_attr_of_texts(const char *name, int32_t n, const char *const *v);
struct syn_attr syn_attr_of_tensor(const char *name, const struct syn_tensor *v);
struct syn_attr syn_attr_of_graph(const char *name, const struct syn_graph *v);

/* Checks given attributes against the row and writes one entry per spec, defaults filled in, to
 * filled[SYN_MAX_ATTRS]. SYN_INVALID names an unknown attribute, a wrong kind or a number out of
 * range. */
SYN_MUST_CHECK syn_status syn_attr_fill(const struct syn_op *op, const struct syn_attr *given,
                                        int32_t n, struct syn_attr *filled, struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
