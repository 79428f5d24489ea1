/* onnx_decode.c - GraphProto, NodeProto, AttributeProto, ValueInfoProto: messages to structures.
 *
 * Field numbers are those of onnx.proto; each enum names its message.
 *
 * Layer:   kernels/load; see onnx_decode.h.
 * Threads: see onnx_decode.h. */
#include "kernels/load/onnx_decode.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NODE_ATTRS 256

/* ---- what everything is made of ------------------------------------------------------------ */

syn_status syn_onnx_array(struct syn_onnx_decoder *d, size_t n, size_t size, const char *what,
                          void **out)
{
    *out = NULL;
    if (n == 0) return SYN_OK;
    if (n > INT32_MAX || (int64_t)n > d->objects)
        return syn_fail(d->err, SYN_TOO_LARGE,
                        "%zu %s: a model has at most %" PRId64
                        " names, nodes, attributes, tensors and the like",
                        n, what, SYN_ONNX_MAX_OBJECTS);
    d->objects -= (int64_t)n;
    *out = syn_arena_new(d->arena, n, size);
    return *out ? SYN_OK : syn_fail(d->err, SYN_NO_MEMORY, "no memory for %zu %s", n, what);
}

syn_status syn_onnx_at(struct syn_onnx_decoder *d, syn_status st, const char *format, ...)
{
    char place[200];
    va_list args;
    if (!d->err || strlen(d->err->text) > sizeof d->err->text / 2) return st;
    va_start(args, format);
    vsnprintf(place, sizeof place, format, args);
    va_end(args);
    return syn_fail_in(d->err, st, "%s", place);
}

/* Well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong) without NUL. */
static bool is_text(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        const uint8_t c = p[i++];
        const size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2
                                       : c >= 0xf0 && c < 0xf5   ? 3
                                                                 : 4;
        if (c == 0 || more == 4 || more > n - i) return false;
        for (size_t k = 0; k < more; k++)
            if ((p[i + k] & 0xc0) != 0x80) return false;
        if ((c == 0xe0 && p[i] < 0xa0) || (c == 0xed && p[i] > 0x9f) ||
            (c == 0xf0 && p[i] < 0x90) || (c == 0xf4 && p[i] > 0x8f))
            return false;
        i += more;
    }
    return true;
}

syn_status syn_onnx_text(struct syn_onnx_decoder *d, const struct syn_pb_field *f,
                         const char *what, const char **out)
{
    const syn_status st = syn_pb_want(f, SYN_PB_BYTES, what, d->err);
    char *copy;
    if (st != SYN_OK) return st;
    if (f->n > SYN_ONNX_MAX_NAME_BYTES)
        return syn_fail(d->err, SYN_TOO_LARGE, "offset %zu: %s of %zu bytes: the limit is %zu",
                        f->offset, what, f->n, SYN_ONNX_MAX_NAME_BYTES);
    if (!is_text(f->p, f->n))
        return syn_fail(d->err, SYN_INVALID, "offset %zu: %s is not UTF-8 text", f->offset, what);
    copy = syn_arena_strndup(d->arena, f->n ? (const char *)f->p : "", f->n);
    if (!copy) return syn_fail(d->err, SYN_NO_MEMORY, "no memory for %s", what);
    *out = copy;
    return SYN_OK;
}

syn_status syn_onnx_bytes_of(struct syn_onnx_decoder *d, const struct syn_pb_field *f,
                             const char *what, struct syn_onnx_bytes *out)
{
    const syn_status st = syn_pb_want(f, SYN_PB_BYTES, what, d->err);
    if (st != SYN_OK) return st;
    out->p = syn_arena_strndup(d->arena, f->n ? (const char *)f->p : "", f->n);
    out->n = f->n;
    return out->p ? SYN_OK : syn_fail(d->err, SYN_NO_MEMORY, "no memory for %s", what);
}

syn_status syn_onnx_read_prop(struct syn_onnx_decoder *d, struct syn_pb m,
                              struct syn_onnx_prop *out)
{
    struct syn_pb_field f;
    syn_status st;
    out->key = out->value = "";
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number == 1) st = syn_onnx_text(d, &f, "key", &out->key);
        if (f.number == 2) st = syn_onnx_text(d, &f, "value", &out->value);
        if (st != SYN_OK) return st;
    }
    return st;
}

/* Opens the message in f and hands it to the reader that its structure has. */
#define READ_INNER(d, m, f, what, read, out)                                         \
    do {                                                                             \
        struct syn_pb inner_;                                                        \
        st = syn_pb_enter((m), (f), (what), &inner_, (d)->err);                      \
        if (st == SYN_OK) st = read((d), inner_, (out));                             \
    } while (0)

/* ---- attributes ---------------------------------------------------------------------------- */

enum { ATTR_NAME = 1, ATTR_TYPE = 20, ATTR_REF = 21 }; /* AttributeProto */
#define ATTR_TYPES 15

/* The field that holds the value of each AttributeType. */
static const uint8_t attr_field[ATTR_TYPES] = {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 22, 23, 14, 15};

static int attr_type_of(uint32_t field)
{
    for (int t = 1; t < ATTR_TYPES; t++)
        if (attr_field[t] == field) return t;
    return 0;
}

/* Name, type, reference, and how many entries each field with a value has. */
static syn_status count_attr(struct syn_onnx_decoder *d, struct syn_pb m,
                             struct syn_onnx_attr *out, size_t *count)
{
    struct syn_pb_field f;
    struct syn_pb_list list = {.n = 1};
    int64_t type = 0;
    syn_status st;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        const int t = attr_type_of(f.number);
        list.n = 1;
        switch (f.number) {
        case ATTR_NAME: st = syn_onnx_text(d, &f, "attribute name", &out->name); break;
        case ATTR_REF: st = syn_onnx_text(d, &f, "ref_attr_name", &out->ref); break;
        case ATTR_TYPE: st = syn_pb_int(&f, "attribute type", &type, d->err); break;
        default:
            if (t == SYN_ONNX_ATTR_FLOATS)
                st = syn_pb_list_of(&f, SYN_PB_FIXED32, "floats", &list, d->err);
            if (t == SYN_ONNX_ATTR_INTS)
                st = syn_pb_list_of(&f, SYN_PB_VARINT, "ints", &list, d->err);
            if (t) count[t] += list.n;
        }
        if (st != SYN_OK) return st;
    }
    if (type < 0 || type >= ATTR_TYPES)
        return syn_fail(d->err, SYN_UNSUPPORTED,
                        "attribute %.80s: type = %" PRId64 ": the types known are 1 to %d",
                        out->name, type, ATTR_TYPES - 1);
    out->type = (syn_onnx_attr_type)type;
    if (out->ref && !*out->ref) out->ref = NULL;
    return st;
}

/* Files of IR version 1 state no type: the one field with a value says it. */
static syn_status infer_type(struct syn_onnx_decoder *d, struct syn_onnx_attr *out,
                             const size_t *count)
{
    for (int t = 1; t < ATTR_TYPES; t++) {
        if (!count[t]) continue;
        if (out->type)
            return syn_fail(d->err, SYN_INVALID, "attribute %.80s: two values and no type",
                            out->name);
        out->type = (syn_onnx_attr_type)t;
    }
    if (!out->type)
        return syn_fail(d->err, SYN_INVALID, "attribute %.80s: neither value nor type", out->name);
    return SYN_OK;
}

/* The arrays that the type asks for, while they are filled. */
struct attr_room {
    int64_t *ints;
    float *floats;
    struct syn_onnx_bytes *strings;
    struct syn_onnx_tensor *tensor;
    struct syn_onnx_graph *graph;
    const struct syn_onnx_graph **graphs;
};

static syn_status make_room(struct syn_onnx_decoder *d, struct syn_onnx_attr *out, size_t n,
                            struct attr_room *room)
{
    void *p = NULL;
    syn_status st = SYN_OK;
    switch (out->type) {
    case SYN_ONNX_ATTR_INTS:
        st = syn_onnx_array(d, n, sizeof *room->ints, "ints", &p);
        out->ints = room->ints = p;
        break;
    case SYN_ONNX_ATTR_FLOATS:
        st = syn_onnx_array(d, n, sizeof *room->floats, "floats", &p);
        out->floats = room->floats = p;
        break;
    case SYN_ONNX_ATTR_STRINGS:
        st = syn_onnx_array(d, n, sizeof *room->strings, "strings", &p);
        out->strings = room->strings = p;
        break;
    case SYN_ONNX_ATTR_TENSOR:
    case SYN_ONNX_ATTR_TENSORS:
    case SYN_ONNX_ATTR_SPARSE_TENSOR:
    case SYN_ONNX_ATTR_SPARSE_TENSORS:
        st = syn_onnx_array(d, n, sizeof *room->tensor, "tensors", &p);
        out->tensor = room->tensor = p;
        break;
    case SYN_ONNX_ATTR_GRAPH:
    case SYN_ONNX_ATTR_GRAPHS:
        st = syn_onnx_array(d, n, sizeof *room->graph, "graphs", &p);
        room->graph = p;
        if (st == SYN_OK) st = syn_onnx_array(d, n, sizeof *room->graphs, "graphs", &p);
        out->graph = room->graphs = p;
        break;
    default: return SYN_OK;
    }
    out->n = (int32_t)n;
    return st;
}

static syn_status fill_list(struct syn_onnx_decoder *d, const struct syn_pb_field *f,
                            struct attr_room *room, bool ints, size_t *at)
{
    struct syn_pb_list list;
    const syn_status st = syn_pb_list_of(f, ints ? SYN_PB_VARINT : SYN_PB_FIXED32,
                                         ints ? "ints" : "floats", &list, d->err);
    if (st != SYN_OK) return st;
    for (uint64_t v; syn_pb_list_next(&list, &v); ++*at) {
        const uint32_t bits = (uint32_t)v;
        if (ints) room->ints[*at] = (int64_t)v;
        else memcpy(&room->floats[*at], &bits, sizeof bits);
    }
    return SYN_OK;
}

/* One field with (a part of) the value. */
static syn_status fill_attr(struct syn_onnx_decoder *d, const struct syn_pb *m,
                            const struct syn_pb_field *f, struct syn_onnx_attr *out,
                            struct attr_room *room, size_t *at)
{
    syn_status st = SYN_OK;
    switch (out->type) {
    case SYN_ONNX_ATTR_FLOAT: return syn_pb_float(f, "f", &out->f, d->err);
    case SYN_ONNX_ATTR_INT: return syn_pb_int(f, "i", &out->i, d->err);
    case SYN_ONNX_ATTR_STRING: return syn_onnx_bytes_of(d, f, "s", &out->s);
    case SYN_ONNX_ATTR_INTS:
    case SYN_ONNX_ATTR_FLOATS:
        return fill_list(d, f, room, out->type == SYN_ONNX_ATTR_INTS, at);
    case SYN_ONNX_ATTR_STRINGS: return syn_onnx_bytes_of(d, f, "strings", &room->strings[(*at)++]);
    case SYN_ONNX_ATTR_TENSOR:
    case SYN_ONNX_ATTR_TENSORS:
        READ_INNER(d, m, f, "tensor", syn_onnx_read_tensor, &room->tensor[(*at)++]);
        return st;
    case SYN_ONNX_ATTR_SPARSE_TENSOR:
    case SYN_ONNX_ATTR_SPARSE_TENSORS:
        READ_INNER(d, m, f, "sparse tensor", syn_onnx_read_sparse, &room->tensor[(*at)++]);
        return st;
    case SYN_ONNX_ATTR_GRAPH:
    case SYN_ONNX_ATTR_GRAPHS:
        room->graphs[*at] = &room->graph[*at];
        READ_INNER(d, m, f, "graph", syn_onnx_read_graph, &room->graph[(*at)++]);
        return st;
    default: return SYN_OK;
    }
}

static bool is_single(syn_onnx_attr_type t)
{
    return t == SYN_ONNX_ATTR_TENSOR || t == SYN_ONNX_ATTR_GRAPH ||
           t == SYN_ONNX_ATTR_SPARSE_TENSOR;
}

syn_status syn_onnx_read_attr(struct syn_onnx_decoder *d, struct syn_pb m,
                              struct syn_onnx_attr *out)
{
    struct attr_room room = {NULL};
    size_t count[ATTR_TYPES] = {0}, at = 0;
    struct syn_pb_field f;
    syn_status st;
    memset(out, 0, sizeof *out);
    out->name = "";
    out->s.p = "";
    st = count_attr(d, m, out, count);
    if (st != SYN_OK || out->ref) return st;
    if (!*out->name) return syn_fail(d->err, SYN_INVALID, "an attribute without a name");
    if (!out->type) st = infer_type(d, out, count);
    if (st == SYN_OK && is_single(out->type) && count[out->type] != 1)
        st = syn_fail(d->err, SYN_INVALID, "attribute %.80s: %zu values: must be one", out->name,
                      count[out->type]);
    if (st == SYN_OK) st = make_room(d, out, count[out->type], &room);
    while (st == SYN_OK && (st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        if (f.number == attr_field[out->type]) {
            st = fill_attr(d, &m, &f, out, &room, &at);
            if (st != SYN_OK) syn_onnx_at(d, st, "attribute %.80s: ", out->name);
        }
    return st;
}

/* ---- nodes --------------------------------------------------------------------------------- */

enum { /* NodeProto */
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOMAIN = 7,
    NODE_OVERLOAD = 8
};

static syn_status check_attrs(struct syn_onnx_decoder *d, const struct syn_onnx_node *node)
{
    for (int32_t i = 0; i < node->n_attrs; i++)
        for (int32_t k = 0; k < i; k++)
            if (!strcmp(node->attr[i].name, node->attr[k].name))
                return syn_fail(d->err, SYN_INVALID, "attribute %.80s is given twice",
                                node->attr[i].name);
    return SYN_OK;
}

static syn_status fill_node(struct syn_onnx_decoder *d, struct syn_pb m, struct syn_onnx_node *out,
                            const char **in, const char **results, struct syn_onnx_attr *attr)
{
    struct syn_pb_field f;
    int32_t n_in = 0, n_out = 0, n_attrs = 0;
    syn_status st;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        switch (f.number) {
        case NODE_INPUT: st = syn_onnx_text(d, &f, "input", &in[n_in++]); break;
        case NODE_OUTPUT: st = syn_onnx_text(d, &f, "output", &results[n_out++]); break;
        case NODE_NAME: st = syn_onnx_text(d, &f, "node name", &out->name); break;
        case NODE_OP_TYPE: st = syn_onnx_text(d, &f, "op_type", &out->op_type); break;
        case NODE_DOMAIN: st = syn_onnx_text(d, &f, "domain", &out->domain); break;
        case NODE_OVERLOAD: st = syn_onnx_text(d, &f, "overload", &out->overload); break;
        case NODE_ATTRIBUTE:
            READ_INNER(d, &m, &f, "attribute", syn_onnx_read_attr, &attr[n_attrs++]);
            break;
        default: break;
        }
        if (st != SYN_OK) break;
    }
    if (!strcmp(out->domain, "ai.onnx")) out->domain = "";
    if (st == SYN_OK && !*out->op_type)
        st = syn_fail(d->err, SYN_INVALID, "no op_type (field 4)");
    return st == SYN_OK ? check_attrs(d, out) : st;
}

syn_status syn_onnx_read_node(struct syn_onnx_decoder *d, struct syn_pb m,
                              struct syn_onnx_node *out)
{
    const struct syn_pb whole = m;
    size_t n_in = 0, n_out = 0, n_attrs = 0;
    void *in = NULL, *results = NULL, *attr = NULL;
    struct syn_pb_field f;
    syn_status st;
    memset(out, 0, sizeof *out);
    out->op_type = out->domain = out->overload = out->name = "";
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        n_in += f.number == NODE_INPUT;
        n_out += f.number == NODE_OUTPUT;
        n_attrs += f.number == NODE_ATTRIBUTE;
    }
    if (st == SYN_OK && n_attrs > MAX_NODE_ATTRS)
        st = syn_fail(d->err, SYN_TOO_LARGE, "%zu attributes: the limit is %d", n_attrs,
                      MAX_NODE_ATTRS);
    if (st == SYN_OK) st = syn_onnx_array(d, n_in, sizeof(char *), "node inputs", &in);
    if (st == SYN_OK) st = syn_onnx_array(d, n_out, sizeof(char *), "node outputs", &results);
    if (st == SYN_OK)
        st = syn_onnx_array(d, n_attrs, sizeof(struct syn_onnx_attr), "attributes", &attr);
    if (st != SYN_OK) return st;
    out->in = in;
    out->out = results;
    out->attr = attr;
    out->n_in = (int32_t)n_in;
    out->n_out = (int32_t)n_out;
    out->n_attrs = (int32_t)n_attrs;
    st = fill_node(d, whole, out, in, results, attr);
    if (st != SYN_OK)
        return syn_onnx_at(d, st, "%.40s %.80s: ", *out->op_type ? out->op_type : "node",
                           *out->name  ? out->name
                           : n_out > 0 ? (out->out[0] ? out->out[0] : "")
                                       : "");
    return SYN_OK;
}

/* ---- types of values ----------------------------------------------------------------------- */

enum {
    TENSOR_TYPE = 1,
    SEQUENCE = 4,
    MAP = 5,
    OPAQUE = 7,
    SPARSE = 8,
    OPTIONAL = 9
}; /* TypeProto */

/* TensorShapeProto.Dimension: dim_value = 1, dim_param = 2. */
static syn_status read_dim(struct syn_onnx_decoder *d, struct syn_pb m, struct syn_onnx_value *out)
{
    const int32_t k = out->shape.rank;
    int64_t v = -1;
    struct syn_pb_field f;
    syn_status st;
    if (k == SYN_MAX_RANK)
        return syn_fail(d->err, SYN_UNSUPPORTED, "more than %d dimensions", SYN_MAX_RANK);
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number == 1) st = syn_pb_int(&f, "dim_value", &v, d->err);
        if (f.number == 2) st = syn_onnx_text(d, &f, "dim_param", &out->symbol[k]);
        if (st != SYN_OK) return st;
    }
    if (v > SYN_MAX_ELEMENTS)
        return syn_fail(d->err, SYN_TOO_LARGE, "dimension %d = %" PRId64 ": the limit is %" PRId64,
                        (int)k, v, SYN_MAX_ELEMENTS);
    out->shape.dim[k] = v < 0 ? -1 : v; /* negative: how some exporters write "not known" */
    if (v >= 0 || (out->symbol[k] && !*out->symbol[k])) out->symbol[k] = NULL;
    out->shape.rank++;
    return st;
}

/* TensorShapeProto: dim = 1. */
static syn_status read_shape(struct syn_onnx_decoder *d, struct syn_pb m,
                             struct syn_onnx_value *out)
{
    struct syn_pb_field f;
    syn_status st;
    out->has_shape = true;
    out->shape.rank = 0;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        if (f.number == 1) {
            READ_INNER(d, &m, &f, "dim", read_dim, out);
            if (st != SYN_OK) return st;
        }
    return st;
}

/* TypeProto.Tensor: elem_type = 1, shape = 2. */
static syn_status read_tensor_type(struct syn_onnx_decoder *d, struct syn_pb m,
                                   struct syn_onnx_value *out)
{
    struct syn_pb_field f;
    int64_t type = 0;
    syn_status st;
    out->is_tensor = true;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number == 1) st = syn_pb_int(&f, "elem_type", &type, d->err);
        if (f.number == 2) READ_INNER(d, &m, &f, "shape", read_shape, out);
        if (st != SYN_OK) return st;
    }
    if (type < 0 || type >= SYN_ONNX_TYPE_COUNT)
        return syn_fail(d->err, SYN_UNSUPPORTED,
                        "elem_type = %" PRId64 ": the types known are 1 to %d", type,
                        SYN_ONNX_TYPE_COUNT - 1);
    out->type = (syn_onnx_type)type;
    return st;
}

static syn_status read_type(struct syn_onnx_decoder *d, struct syn_pb m,
                            struct syn_onnx_value *out)
{
    struct syn_pb_field f;
    syn_status st;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        switch (f.number) {
        case TENSOR_TYPE: READ_INNER(d, &m, &f, "tensor_type", read_tensor_type, out); break;
        case SEQUENCE: out->not_tensor = "sequence"; break;
        case MAP: out->not_tensor = "map"; break;
        case OPAQUE: out->not_tensor = "opaque value"; break;
        case SPARSE: out->not_tensor = "sparse tensor"; break;
        case OPTIONAL: out->not_tensor = "optional value"; break;
        default: break;
        }
        if (st != SYN_OK) return st;
    }
    if (out->not_tensor) out->is_tensor = false;
    return st;
}

/* ValueInfoProto: name = 1, type = 2. */
static syn_status read_value(struct syn_onnx_decoder *d, struct syn_pb m,
                             struct syn_onnx_value *out)
{
    struct syn_pb_field f;
    syn_status st;
    out->name = "";
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number == 1) st = syn_onnx_text(d, &f, "value name", &out->name);
        if (f.number == 2) READ_INNER(d, &m, &f, "type", read_type, out);
        if (st != SYN_OK) return syn_onnx_at(d, st, "value %.80s: ", out->name);
    }
    return st;
}

/* ---- graphs -------------------------------------------------------------------------------- */

enum { /* GraphProto */
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_SPARSE_INITIALIZER = 15
};

struct graph_room {
    struct syn_onnx_node *node;
    struct syn_onnx_tensor *constant;
    struct syn_onnx_value *input, *output, *value;
};

static syn_status graph_room(struct syn_onnx_decoder *d, struct syn_pb m,
                             struct syn_onnx_graph *out, struct graph_room *room)
{
    size_t n[5] = {0};
    void *p[5];
    static const size_t size[5] = {sizeof *room->node, sizeof *room->constant, sizeof *room->input,
                                   sizeof *room->output, sizeof *room->value};
    static const char *const what[5] = {"nodes", "initializers", "inputs", "outputs",
                                        "value infos"};
    struct syn_pb_field f;
    syn_status st;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        n[0] += f.number == GRAPH_NODE;
        n[1] += f.number == GRAPH_INITIALIZER || f.number == GRAPH_SPARSE_INITIALIZER;
        n[2] += f.number == GRAPH_INPUT;
        n[3] += f.number == GRAPH_OUTPUT;
        n[4] += f.number == GRAPH_VALUE_INFO;
    }
    for (int i = 0; i < 5 && st == SYN_OK; i++)
        st = syn_onnx_array(d, n[i], size[i], what[i], &p[i]);
    if (st != SYN_OK) return st;
    out->node = room->node = p[0];
    out->constant = room->constant = p[1];
    out->input = room->input = p[2];
    out->output = room->output = p[3];
    out->value = room->value = p[4];
    return SYN_OK;
}

syn_status syn_onnx_read_graph(struct syn_onnx_decoder *d, struct syn_pb m,
                               struct syn_onnx_graph *out)
{
    struct graph_room room = {NULL};
    struct syn_pb_field f;
    syn_status st;
    memset(out, 0, sizeof *out);
    out->name = "";
    st = graph_room(d, m, out, &room);
    while (st == SYN_OK && (st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        switch (f.number) {
        case GRAPH_NAME: st = syn_onnx_text(d, &f, "graph name", &out->name); break;
        case GRAPH_NODE:
            READ_INNER(d, &m, &f, "node", syn_onnx_read_node, &room.node[out->n_nodes]);
            if (st != SYN_OK) syn_onnx_at(d, st, "node %d: ", (int)out->n_nodes);
            out->n_nodes++;
            break;
        case GRAPH_INITIALIZER:
            READ_INNER(d, &m, &f, "initializer", syn_onnx_read_tensor,
                       &room.constant[out->n_constants++]);
            break;
        case GRAPH_SPARSE_INITIALIZER:
            READ_INNER(d, &m, &f, "sparse_initializer", syn_onnx_read_sparse,
                       &room.constant[out->n_constants++]);
            break;
        case GRAPH_INPUT:
            READ_INNER(d, &m, &f, "input", read_value, &room.input[out->n_inputs++]);
            break;
        case GRAPH_OUTPUT:
            READ_INNER(d, &m, &f, "output", read_value, &room.output[out->n_outputs++]);
            break;
        case GRAPH_VALUE_INFO:
            READ_INNER(d, &m, &f, "value_info", read_value, &room.value[out->n_values++]);
            break;
        default: break;
        }
    }
    return st;
}
