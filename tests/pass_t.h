/* pass_t.h - graphs of constants built node by node, for tests of rewrite passes: the numbers with the
 * pass and without are compared by references.
 *
 * Layer:   tests.   A graph that cannot be built aborts. */
#ifndef SYN_TEST_PASS_T_H
#define SYN_TEST_PASS_T_H

#include "kernels/graph/graph.h"
#include "kernels/graph/passes.h"
#include "tests/t.h"
#include <string.h>

struct builder {
    struct syn_graph *g;
    struct syn_err err;
    int32_t opset; /* of the nodes to come */
    uint32_t seed;
};

#define DIMS(...) (int32_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static inline void begin(struct builder *b)
{
    memset(b, 0, sizeof *b);
    b->opset = 17, b->seed = 1;
    if (syn_graph_new(&b->g, &b->err) != SYN_OK) abort();
}
static inline int32_t constant(struct builder *b, syn_dtype type, int32_t rank, const int64_t *dim, const void *data)
{
    const struct syn_tensor t = {syn_shape_of(rank, dim), type, (void *)(uintptr_t)data};
    int32_t v = -1;
    if (syn_graph_constant_tensor(b->g, "", &t, &v, &b->err) != SYN_OK) abort();
    return v;
}
static inline int32_t random_value(struct builder *b, int32_t rank, const int64_t *dim)
{
    float data[4096];
    for (int i = 0; i < 4096; i++) {
        b->seed = b->seed * 1664525u + 1013904223u;
        data[i] = (float)(b->seed >> 8) * 0x1p-23f - 1;
    }
    return constant(b, SYN_F32, rank, dim, data);
}
static inline int32_t integers(struct builder *b, int32_t n, const int64_t *v)
{
    const int64_t dim = n;
    return constant(b, SYN_I64, 1, &dim, v);
}

static inline int32_t node(struct builder *b, syn_op_id id, int32_t n_in, const int32_t *in, int32_t n_attrs,
                    const struct syn_attr *attrs)
{
    const struct syn_node_spec spec = {.id = id, .name = "n", .opset = b->opset, .n_in = n_in, .in = in,
                                       .n_attrs = n_attrs, .attrs = attrs, .n_out = 1};
    int32_t out[SYN_MAX_OPERANDS];
    if (syn_graph_add(b->g, &spec, out, &b->err) != SYN_OK) {
        T_CHECK(false, "%s", b->err.text);
        abort();
    }
    return out[0];
}
static inline int32_t unary(struct builder *b, syn_op_id id, int32_t x) { return node(b, id, 1, &x, 0, NULL); }

static inline int32_t count(const struct syn_graph *g, syn_op_id id)
{
    int32_t n = 0;
    for (int32_t i = 0; i < g->n_nodes; i++) n += g->node[i].op && (id == SYN_OP_COUNT || g->node[i].id == id);
    return n;
}

/* The output's numbers by references, all operands being constants. */
static inline float *evaluate(struct syn_graph *g, int64_t *n, struct syn_shape *shape)
{
    struct syn_err err = {""};
    bool whole = false;
    int32_t at = -1;
    const syn_status st = syn_graph_specialise(g, NULL, true, &whole, &at, &err);
    const struct syn_value *y = &g->value[g->output[0]];
    T_CHECK(st == SYN_OK && whole && y->data, "%s", err.text);
    if (st != SYN_OK || !y->data || !syn_shape_elements(&y->shape, n)) return NULL;
    *shape = y->shape;
    float *copy = (float *)t_alloc((size_t)*n * sizeof *copy);
    syn_value_floats(y, 0, *n, copy);
    return copy;
}

#endif
