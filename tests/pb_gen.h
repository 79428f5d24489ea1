/* pb_gen.h - protobuf messages written by hand, and ONNX models made of them, for tests of loaders.
 *
 * Use:     struct pg m = {0}, node = {0}; pg_text(&node, 4, "Relu"); pg_message(&m, 1, &node); ...
 *          pg_free(&m); pg_message frees what it takes in.
 * Layer:   tests. */
#ifndef SYN_TEST_PB_GEN_H
#define SYN_TEST_PB_GEN_H

#include "tests/t.h"
#include <string.h>

struct pg {
    uint8_t *p;
    size_t n, cap;
};

static inline void pg_raw(struct pg *m, const void *p, size_t n)
{
    if (m->n + n > m->cap) {
        m->cap = (m->n + n) * 2 + 64;
        m->p = realloc(m->p, m->cap);
        if (!m->p) abort();
    }
    if (n) memcpy(m->p + m->n, p, n);
    m->n += n;
}
static inline void pg_free(struct pg *m)
{
    free(m->p);
    memset(m, 0, sizeof *m);
}
static inline void pg_varint(struct pg *m, uint64_t v)
{
    do {
        const uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        pg_raw(m, &byte, 1);
        v >>= 7;
    } while (v);
}
static inline void pg_tag(struct pg *m, uint32_t field, unsigned wire)
{
    pg_varint(m, (uint64_t)field << 3 | wire);
}
static inline void pg_int(struct pg *m, uint32_t field, int64_t v)
{
    pg_tag(m, field, 0);
    pg_varint(m, (uint64_t)v);
}
static inline void pg_float(struct pg *m, uint32_t field, float v)
{
    pg_tag(m, field, 5);
    pg_raw(m, &v, 4);
}
static inline void pg_bytes(struct pg *m, uint32_t field, const void *p, size_t n)
{
    pg_tag(m, field, 2);
    pg_varint(m, n);
    pg_raw(m, p, n);
}
static inline void pg_text(struct pg *m, uint32_t field, const char *s)
{
    pg_bytes(m, field, s, strlen(s));
}
static inline void pg_message(struct pg *m, uint32_t field, struct pg *inner)
{
    pg_bytes(m, field, inner->p, inner->n);
    pg_free(inner);
}
/* A packed list of varints. */
static inline void pg_packed(struct pg *m, uint32_t field, size_t n, const int64_t *v)
{
    struct pg list = {0};
    for (size_t i = 0; i < n; i++) pg_varint(&list, (uint64_t)v[i]);
    pg_message(m, field, &list);
}

/* ---- ONNX: the field numbers of onnx.proto, written once more -------------------------------- */

/* StringStringEntryProto in `field`. */
static inline void pg_prop(struct pg *m, uint32_t field, const char *key, const char *value)
{
    struct pg e = {0};
    pg_text(&e, 1, key);
    pg_text(&e, 2, value);
    pg_message(m, field, &e);
}
/* TensorProto without its data. */
static inline struct pg pg_tensor(const char *name, int type, int rank, const int64_t *dim)
{
    struct pg t = {0};
    pg_packed(&t, 1, (size_t)rank, dim);
    pg_int(&t, 2, type);
    if (name) pg_text(&t, 8, name);
    return t;
}
static inline struct pg pg_tensor_raw(const char *name, int type, int rank, const int64_t *dim,
                                      const void *data, size_t n)
{
    struct pg t = pg_tensor(name, type, rank, dim);
    pg_bytes(&t, 9, data, n);
    return t;
}
/* A list of int64. */
static inline struct pg pg_tensor_ints(const char *name, int n, const int64_t *v)
{
    const int64_t dim = n;
    return pg_tensor_raw(name, 7, 1, &dim, v, (size_t)n * 8);
}
static inline struct pg pg_tensor_floats(const char *name, int n, const float *v)
{
    const int64_t dim = n;
    return pg_tensor_raw(name, 1, 1, &dim, v, (size_t)n * 4);
}
/* ValueInfoProto of a tensor; dim -1 has the symbol "s0", "s1", ...; rank -1: no shape. */
static inline struct pg pg_value(const char *name, int type, int rank, const int64_t *dim)
{
    struct pg v = {0}, tensor = {0}, shape = {0}, whole = {0};
    for (int i = 0; i < rank; i++) {
        struct pg d = {0};
        char symbol[24];
        snprintf(symbol, sizeof symbol, "s%d", i);
        if (dim[i] < 0) pg_text(&d, 2, symbol);
        else pg_int(&d, 1, dim[i]);
        pg_message(&shape, 1, &d);
    }
    pg_int(&tensor, 1, type);
    if (rank >= 0) pg_message(&tensor, 2, &shape);
    pg_message(&whole, 1, &tensor);
    pg_text(&v, 1, name);
    pg_message(&v, 2, &whole);
    return v;
}
/* NodeProto; in and out are names with blanks between them, "-" one left out. */
static inline void pg_names(struct pg *m, uint32_t field, const char *names)
{
    while (*names) {
        const size_t n = strcspn(names, " ");
        pg_bytes(m, field, names, n == 1 && *names == '-' ? 0 : n);
        names += n;
        names += strspn(names, " ");
    }
}
static inline struct pg pg_node(const char *op, const char *in, const char *out)
{
    struct pg n = {0};
    pg_names(&n, 1, in);
    pg_names(&n, 2, out);
    pg_text(&n, 4, op);
    return n;
}
/* AttributeProto in a node (field 5). */
static inline struct pg pg_attr(const char *name, int type)
{
    struct pg a = {0};
    pg_text(&a, 1, name);
    pg_int(&a, 20, type);
    return a;
}
static inline void pg_attr_int(struct pg *node, const char *name, int64_t v)
{
    struct pg a = pg_attr(name, 2);
    pg_int(&a, 3, v);
    pg_message(node, 5, &a);
}
static inline void pg_attr_ints(struct pg *node, const char *name, size_t n, const int64_t *v)
{
    struct pg a = pg_attr(name, 7);
    for (size_t i = 0; i < n; i++) pg_int(&a, 8, v[i]);
    pg_message(node, 5, &a);
}
static inline void pg_attr_float(struct pg *node, const char *name, float v)
{
    struct pg a = pg_attr(name, 1);
    pg_float(&a, 2, v);
    pg_message(node, 5, &a);
}
static inline void pg_attr_text(struct pg *node, const char *name, const char *v)
{
    struct pg a = pg_attr(name, 3);
    pg_text(&a, 4, v);
    pg_message(node, 5, &a);
}
static inline void pg_attr_graph(struct pg *node, const char *name, struct pg *graph)
{
    struct pg a = pg_attr(name, 5);
    pg_message(&a, 6, graph);
    pg_message(node, 5, &a);
}
/* The value of the function's attribute `ref`. */
static inline void pg_attr_ref(struct pg *node, const char *name, int type, const char *ref)
{
    struct pg a = pg_attr(name, type);
    pg_text(&a, 21, ref);
    pg_message(node, 5, &a);
}
/* OperatorSetIdProto in a model (field 8) or a function (field 9). */
static inline void pg_opset(struct pg *m, uint32_t field, const char *domain, int64_t version)
{
    struct pg o = {0};
    if (*domain) pg_text(&o, 1, domain);
    pg_int(&o, 2, version);
    pg_message(m, field, &o);
}
/* ModelProto around a graph, which it takes. */
static inline struct pg pg_model(int64_t ir, int64_t opset, struct pg *graph)
{
    struct pg m = {0};
    pg_int(&m, 1, ir);
    pg_opset(&m, 8, "", opset);
    pg_message(&m, 7, graph);
    return m;
}

#endif
