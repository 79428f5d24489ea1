/* onnx_build.h - what the files that turn a decoded ONNX model into a graph share.
 *
 * Scopes:  a graph, a body of one, or the inside of a model-local function. A name is looked up
 *          from the inside out: through functions not at all (they see their inputs alone),
 *          through bodies by capture (graph.h).
 * Layer:   kernels/load.   Threads: one at a time.   Ownership: borrows the file. */
#ifndef SYN_ONNX_BUILD_H
#define SYN_ONNX_BUILD_H

#include "kernels/graph/graph.h"
#include "kernels/load/onnx_file.h"
#include "kernels/load/onnx_names.h"

#define SYN_ONNX_MAX_DEPTH 32 /* of bodies and functions within each other */

/* What a model may still take: functions that call functions twice make few bytes many nodes. */
struct syn_onnx_room {
    int64_t nodes; /* built, calls of functions included */
    size_t bytes;  /* of tensors and lists copied into the graph */
};

struct syn_onnx_scope {
    const struct syn_onnx_file *file;
    struct syn_graph *g;
    struct syn_onnx_room *room;         /* shared by all scopes of a model */
    struct syn_names names; /* value indices; -1: a function's input that was left out */
    struct syn_onnx_scope *up;          /* of a body: where it captures from */
    int32_t *capture; /* outer values, in the order of the inputs they became */
    int32_t n_captures, cap_captures;
    const struct syn_onnx_opset *opset; /* a function's own; NULL: the model's */
    int32_t n_opsets;
    const struct syn_onnx_node *caller; /* of a function: whose attributes references mean */
    const struct syn_onnx_function *function;
    const char *prefix;                 /* of names inside functions; "" */
    int32_t depth;
};

/* Element type by ONNX's; false for texts, complex numbers and 6-bit floats. */
bool syn_onnx_dtype(syn_onnx_type t, syn_dtype *out);
/* The tensor as the engine's; borrowed. SYN_UNSUPPORTED names the type. */
SYN_MUST_CHECK syn_status syn_onnx_as_tensor(const struct syn_onnx_tensor *t,
                                             struct syn_tensor *out, struct syn_err *err);
/* The constant as a value: where it lies if aligned for its type, else copied. */
SYN_MUST_CHECK syn_status syn_onnx_constant(struct syn_onnx_scope *s, const char *name,
                                            const struct syn_onnx_tensor *t, int32_t *value,
                                            struct syn_err *err);

/* What to call a node: its name, else its first output's. */
static inline const char *syn_onnx_title(const struct syn_onnx_node *n)
{
    return *n->name ? n->name : n->n_out ? n->out[0] : "";
}

int64_t syn_onnx_version(const struct syn_onnx_scope *s, const char *domain); /* 0: not imported */
const struct syn_onnx_function *syn_onnx_function_of(const struct syn_onnx_file *f,
                                                     const struct syn_onnx_node *n);

/* The value of a name; captures it where an outer scope has it. SYN_INVALID: nobody makes it. */
SYN_MUST_CHECK syn_status syn_onnx_value(struct syn_onnx_scope *s, const char *name, int32_t *value,
                                         struct syn_err *err);
SYN_MUST_CHECK syn_status syn_onnx_bind(struct syn_onnx_scope *s, const char *name, int32_t value,
                                        struct syn_err *err);

SYN_MUST_CHECK syn_status syn_onnx_node(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                                        struct syn_err *err);
SYN_MUST_CHECK syn_status syn_onnx_graph(struct syn_onnx_scope *s, const struct syn_onnx_graph *g,
                                         struct syn_err *err);

/* order[n]: the nodes with every producer before its readers; the file's own order where that is
 * one already. Names made by none of them are somebody else's. SYN_INVALID: a cycle, naming a
 * node. */
SYN_MUST_CHECK syn_status syn_onnx_sort(const struct syn_onnx_node *node, int32_t n, int32_t *order,
                                        struct syn_err *err);

/* SYN_UNSUPPORTED with every operator and every type of a tensor or an input that the engine
 * lacks, in all graphs, bodies and functions at once. */
SYN_MUST_CHECK syn_status syn_onnx_all_known(const struct syn_onnx_file *f, struct syn_err *err);

#endif
