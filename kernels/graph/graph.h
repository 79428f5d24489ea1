/* graph.h - the one form every model takes: values and nodes in arrays.
 *
 * Use:     struct syn_graph *g; syn_graph_new(&g, err);
 *          int32_t x = syn_graph_input(g, "x", &shape), y = ...; syn_graph_node(g, SYN_OP_RELU,
 *          "r", 1, &x, 0, NULL, &y, err); syn_graph_output(g, y, "y"); syn_graph_infer(g, shapes,
 *          err);
 * Layer:   kernels/graph.
 * Ownership: the graph owns its arrays and arena; constant data may be borrowed (the loader's
 *          mapping must outlive it) or copied in. Indices are stable: passes kill nodes, they
 *          never move them.
 * Threads: one at a time while building; immutable afterwards, then any number may read. */
#ifndef SYN_GRAPH_H
#define SYN_GRAPH_H

#include "kernels/base/arena.h"
#include "kernels/graph/op.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_MAX_NODES (1 << 20)

struct syn_value {
    const char *name;        /* owned by the arena; "" when nameless */
    struct syn_shape shape;  /* known everywhere after syn_graph_infer */
    syn_dtype dtype;
    const void *data;        /* constant: dense elements; NULL for everything else */
    int32_t producer;        /* node index, -1 for inputs and constants */
    /* constants: equal keys = equal contents, across all graphs made from one model, so that
     * backends pack weights once for many plans; 0 = unknown */
    uint64_t key;
};

struct syn_node {
    const struct syn_op *op; /* NULL: a dead node */
    syn_op_id id;
    const char *name;
    int32_t n_in, n_out;
    int32_t *in;             /* value indices; -1 = absent optional operand */
    int32_t *out;            /* value indices; -1 = an optional output nobody wants */
    int32_t opset;           /* of the operator's domain in its model; 0 for our own */
    /* one per spec of the row; lists, tensors and bodies lie in the arena of the graph that the
     * node was first made in, or are owned by it */
    struct syn_attr *attr;
};

struct syn_graph {
    struct syn_arena arena;
    struct syn_value *value;
    int32_t n_values, cap_values;
    struct syn_node *node;   /* in an order where producers come first */
    int32_t n_nodes, cap_nodes;
    int32_t *input, n_inputs, *output, n_outputs;  /* value indices */
    int32_t cap_inputs, cap_outputs;
    struct syn_graph **body; /* owned: what GRAPH attributes of this graph's nodes point to */
    int32_t n_bodies, cap_bodies;
};

SYN_MUST_CHECK syn_status syn_graph_new(struct syn_graph **out, struct syn_err *err);
void syn_graph_free(struct syn_graph *g); /* NULL-safe */

/* A copy that shares constant data with the original, which must outlive it. Nodes keep their
 * indices. */
SYN_MUST_CHECK syn_status syn_graph_copy(const struct syn_graph *g, struct syn_graph **out,
                                         struct syn_err *err);

/* Each adds a value and gives its index. shape may hold -1. Names must be unique among inputs. */
SYN_MUST_CHECK syn_status syn_graph_input(struct syn_graph *g, const char *name,
                                          const struct syn_shape *shape, int32_t *value_out,
                                          struct syn_err *err);
/* The same with an element type. dtype f32 above. */
SYN_MUST_CHECK syn_status syn_graph_input_typed(struct syn_graph *g, const char *name,
                                                syn_dtype dtype, const struct syn_shape *shape,
                                                int32_t *value_out, struct syn_err *err);
/* data is borrowed and must hold elements * dtype bytes, at any alignment for f32 and f16 (what
 * weight files hold) and any other type. Not NULL, even for no elements. */
SYN_MUST_CHECK syn_status syn_graph_constant(struct syn_graph *g, const char *name, syn_dtype dtype,
                                             const struct syn_shape *shape, const void *data,
                                             int32_t *value_out, struct syn_err *err);
/* The same with the data copied into the graph, any type. */
SYN_MUST_CHECK syn_status syn_graph_constant_tensor(struct syn_graph *g, const char *name,
                                                    const struct syn_tensor *t, int32_t *value_out,
                                                    struct syn_err *err);
SYN_MUST_CHECK syn_status syn_graph_constant_copy(struct syn_graph *g, const char *name,
                                                  const struct syn_shape *shape, const float *data,
                                                  int32_t *value_out, struct syn_err *err);

/* Appends a node and its output values. Checks arity, operand indices (each < n_values; -1 only
 * where optional) and attributes. out_values[op->n_out] receives the new values, named after the
 * node. SYN_INVALID names node and operand. Shapes are checked by syn_graph_infer. */
SYN_MUST_CHECK syn_status syn_graph_node(struct syn_graph *g, syn_op_id id, const char *name,
                                         int32_t n_in, const int32_t *in, int32_t n_attrs,
                                         const struct syn_attr *attrs, int32_t *out_values,
                                         struct syn_err *err);
/* The same with everything that a model file's node may say. */
struct syn_node_spec {
    syn_op_id id;
    const char *name;
    int32_t opset;
    int32_t n_in, n_attrs, n_out; /* n_out: outputs given, op->n_out .. syn_op_max_out(op) */
    const int32_t *in;
    /* GRAPH attributes: bodies that some graph keeps (syn_graph_adopt) */
    const struct syn_attr *attrs;
    const bool *wanted;           /* by output; NULL = all. An unwanted optional one becomes -1 */
};
SYN_MUST_CHECK syn_status syn_graph_add(struct syn_graph *g, const struct syn_node_spec *spec,
                                        int32_t *out_values, struct syn_err *err);
/* g frees body with itself. On failure body stays the caller's. */
SYN_MUST_CHECK syn_status syn_graph_adopt(struct syn_graph *g, struct syn_graph *body,
                                          struct syn_err *err);

/* Bodies of If, Loop and Scan are graphs of their own. Their inputs: first those the operator
 * passes (Loop: iteration, condition, state...; Scan: state..., slices...; If: none), then one per
 * value of outer graphs that the body reads ("capture"); the node has the captures as its last
 * operands, for If first then_branch's, then else_branch's. Captured constants are constants of
 * the body instead (same data). */

SYN_MUST_CHECK syn_status syn_graph_output(struct syn_graph *g, int32_t value, struct syn_err *err);

/* Infers every shape from the inputs' (shapes[n_inputs], all known). SYN_INVALID or
 * SYN_UNSUPPORTED names the node whose operands do not fit; SYN_TOO_LARGE a tensor over
 * SYN_MAX_ELEMENTS. */
SYN_MUST_CHECK syn_status syn_graph_infer(struct syn_graph *g, const struct syn_shape *shapes,
                                          struct syn_err *err);

/* The call that shape functions and references take, with shapes, dtypes and constant data filled
 * in. */
void syn_graph_call(const struct syn_graph *g, int32_t node, struct syn_op_call *c);

/* A tensor may be input i: it has data, the stated type, and the stated dimensions where they are.
 * SYN_INVALID says what it is and what it must be. */
SYN_MUST_CHECK syn_status syn_graph_input_fits(const struct syn_graph *g, int32_t i,
                                               const struct syn_tensor *t, struct syn_err *err);

/* How many live nodes read the value; being a graph output counts as one more. */
int32_t syn_graph_uses(const struct syn_graph *g, int32_t value);

/* The value of that name, -1 when there is none. "" is no name. */
int32_t syn_graph_find(const struct syn_graph *g, const char *name);

/* Values named in `inputs` become graph inputs after the graph's own (any shape), their producers
 * die where nothing else needs them; those in `outputs` become outputs after the graph's own.
 * Inputs that nothing reads any more are taken off the list. SYN_INVALID: no such value. */
SYN_MUST_CHECK syn_status syn_graph_cut(struct syn_graph *g, int32_t n_inputs,
                                        const char *const *inputs, int32_t n_outputs,
                                        const char *const *outputs, struct syn_err *err);

/* Rewrites every use of `from` (operands and graph outputs) to `to`. */
void syn_graph_replace(struct syn_graph *g, int32_t from, int32_t to);

/* Kills nodes whose outputs nobody uses. Returns how many. */
int32_t syn_graph_sweep(struct syn_graph *g);

/* Infers shapes and types as far as data that a model computes allows, folding what can be known
 * on the way: a node whose operands are all constants becomes constants (if `fold`; shape
 * arithmetic up to SYN_FOLD_SMALL elements always), Shape and Size of known shapes are constants.
 * *whole: every shape was found; otherwise the graph is good for syn_graph_free only, *at names
 * the first node that needs data. Operators with bodies and those that make their outputs are
 * never whole. */
#define SYN_FOLD_SMALL 4096
SYN_MUST_CHECK syn_status syn_graph_specialise(struct syn_graph *g, const struct syn_shape *shapes,
                                               bool fold, bool *whole, int32_t *at,
                                               struct syn_err *err);

/* Computes nodes whose operands are all constants and whose results have at most `most` elements,
 * shapes of the rest unknown: what a model can be spared once, when it is loaded. */
SYN_MUST_CHECK syn_status syn_graph_fold_constants(struct syn_graph *g, int64_t most,
                                                   struct syn_err *err);

/* Computes one node whose call `c` has shapes and every operand's data: its outputs become
 * constants and it goes. *done false: left alone, since a result has more than `most` elements. */
SYN_MUST_CHECK syn_status syn_graph_fold_node(struct syn_graph *g, int32_t node,
                                              struct syn_op_call *c, int64_t most, bool *done,
                                              struct syn_err *err);

/* Runs a node's reference on tensors of their true types: converts for SYN_OP_FLOAT. c->in has
 * data; c->out has shape, dtype and data (or is absent), but for SYN_OP_MAKES, which fills them. */
SYN_MUST_CHECK syn_status syn_op_reference(struct syn_op_call *c, struct syn_err *err);

/* Reads element i of a constant of any type as float. */
float syn_value_float(const struct syn_value *v, int64_t i);
/* Elements [i, i + n). */
void syn_value_floats(const struct syn_value *v, int64_t i, int64_t n, float *to);

#ifdef __cplusplus
}
#endif
#endif
