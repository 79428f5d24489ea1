/* fuzz_ops.c - every operator's row, called with types, shapes, values and attributes that bytes
 * choose: the shape function and the reference must refuse or finish, and touch nothing but their
 *          operands and outputs.
 *
 * Input:   row, opset, operands (absent, or type, rank, dimensions, a way to fill), attributes by
 *          the row's specs.
 * Layer:   tests. Operators with bodies get none and must say so. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/graph/graph.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, LIST = 8 }; /* elements of a tensor that is filled; entries of a list */

struct input {
    const uint8_t *at, *end;
};

static uint8_t byte(struct input *in) { return in->at < in->end ? *in->at++ : 0; }
static uint32_t below(struct input *in, uint32_t n) { return byte(in) % n; }

static int64_t integer(struct input *in)
{
    static const int64_t odd[] = {
        0, 1, -1, 2, INT64_MAX, INT64_MIN, INT32_MAX, (int64_t)1 << 40, -7, 1 << 20};
    const uint8_t b = byte(in);
    return b < 200 ? b % 7 - 1 : odd[b % (sizeof odd / sizeof odd[0])];
}

static double number(struct input *in)
{
    static const double odd[] = {0,    -0.0,  1,     -1,          0.5,
                                 1e30, -1e30, 1e-30, (double)NAN, (double)INFINITY};
    const uint8_t b = byte(in);
    return b < 200 ? (b % 32 - 16) / 8.0 : odd[b % (sizeof odd / sizeof odd[0])];
}

static const char *text(struct input *in)
{
    static const char *const words[] = {"nearest",
                                        "linear",
                                        "cubic",
                                        "bilinear",
                                        "bicubic",
                                        "half_pixel",
                                        "align_corners",
                                        "asymmetric",
                                        "tf_crop_and_resize",
                                        "floor",
                                        "ceil",
                                        "SAME_UPPER",
                                        "SAME_LOWER",
                                        "VALID",
                                        "NOTSET",
                                        "zeros",
                                        "border",
                                        "reflection",
                                        "avg",
                                        "max",
                                        "forward",
                                        "reverse",
                                        "bidirectional",
                                        "Sigmoid",
                                        "Tanh",
                                        "Relu",
                                        "constant",
                                        "reflect",
                                        "edge",
                                        "wrap",
                                        "none",
                                        "add",
                                        "mul",
                                        "min",
                                        "sum",
                                        "mean",
                                        "DCR",
                                        "CRD",
                                        "TF",
                                        "IDF",
                                        "TFIDF",
                                        "not_larger",
                                        "not_smaller",
                                        "gated",
                                        "delta",
                                        "i,j->ij",
                                        "ij,jk->ik",
                                        "...ii->...i",
                                        "RIGHT",
                                        "LEFT",
                                        "tanh",
                                        ""};
    return words[byte(in) % (sizeof words / sizeof words[0])];
}

/* A tensor: few elements in a block of exactly their size, or too many and no data. */
static struct syn_tensor tensor(struct input *in)
{
    struct syn_tensor t = {.dtype = (syn_dtype)below(in, 3 + SYN_DTYPE_COUNT),
                           .shape = {.rank = (int32_t)below(in, 6)}};
    int64_t n = 0;
    if (t.dtype >= SYN_DTYPE_COUNT) t.dtype = SYN_F32;
    for (int32_t d = 0; d < t.shape.rank; d++) {
        const uint8_t b = byte(in);
        t.shape.dim[d] = b < 250 ? b % 6 : (int64_t)1 << (b - 220); /* 0..5, or up to 2^35 */
    }
    if (!syn_shape_elements(&t.shape, &n) || n > MOST) return t;
    t.data = malloc((size_t)n * syn_dtype_bytes(t.dtype) + (n == 0));
    const bool whole = below(in, 2);
    for (int64_t i = 0; i < n; i++) {
        if (whole) syn_element_put_int(t.dtype, t.data, i, integer(in));
        else syn_element_put_double(t.dtype, t.data, i, number(in), true);
    }
    return t;
}

/* Lists and tensors of attributes, freed at the end. */
struct pool {
    void *block[4 * SYN_MAX_ATTRS];
    int n;
};
static void *keep(struct pool *p, void *block) { return p->block[p->n++] = block; }

static struct syn_attr attribute(struct input *in, const struct syn_attr_spec *s, struct pool *p)
{
    const int32_t n = (int32_t)below(in, LIST);
    switch (s->kind) {
    case SYN_ATTR_INT: return syn_attr_of_int(s->name, integer(in));
    case SYN_ATTR_FLOAT: return syn_attr_of_float(s->name, number(in));
    case SYN_ATTR_STRING: return syn_attr_of_text(s->name, text(in));
    case SYN_ATTR_INTS: {
        int64_t *v = keep(p, malloc((size_t)n * sizeof *v + 1));
        for (int32_t i = 0; i < n; i++) v[i] = integer(in);
        return syn_attr_of_ints(s->name, n, v);
    }
    case SYN_ATTR_FLOATS: {
        double *v = keep(p, malloc((size_t)n * sizeof *v + 1));
        for (int32_t i = 0; i < n; i++) v[i] = number(in);
        return syn_attr_of_floats(s->name, n, v);
    }
    case SYN_ATTR_STRINGS: {
        const char **v = keep(p, malloc((size_t)n * sizeof *v + 1));
        for (int32_t i = 0; i < n; i++) v[i] = text(in);
        return syn_attr_of_texts(s->name, n, v);
    }
    case SYN_ATTR_TENSOR: {
        struct syn_tensor *t = keep(p, malloc(sizeof *t));
        *t = tensor(in);
        if (!t->data)
            *t = (struct syn_tensor){.shape = {.rank = 0}, .dtype = SYN_F32, .data = calloc(1, 4)};
        keep(p, t->data);
        return syn_attr_of_tensor(s->name, t);
    }
    default: return syn_attr_of_int(s->name, 0); /* a graph: refused as of the wrong kind */
    }
}

/* Outputs of exactly their size; false when they are too large to try. */
static bool make_room(struct syn_op_call *c)
{
    for (int32_t o = 0; o < c->n_out; o++) {
        int64_t n = 0;
        if (!syn_shape_elements(&c->out[o].shape, &n) || n > 16 * MOST) return false;
        c->out[o].data = malloc((size_t)n * syn_dtype_bytes(c->out[o].dtype) + (n == 0));
    }
    return true;
}

/* Shape functions may look at data only where the row says so; a reference needs all of it. */
static bool all_data(const struct syn_op_call *c, bool reads_only)
{
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->in[i].shape.rank >= 0 && !c->in[i].data &&
            (!reads_only || (c->op->reads >> (i < 63 ? i : 63) & 1)))
            return false;
    return true;
}

static void call(struct syn_op_call *c, struct syn_err *err)
{
    const bool makes = c->op->flags & SYN_OP_MAKES;
    syn_status st = SYN_OK;
    if (!all_data(c, true)) return;
    if (c->op->shape) st = c->op->shape(c, err);
    if (st == SYN_OK && all_data(c, false) && (makes || make_room(c)))
        st = syn_op_reference(c, err);
    if (st != SYN_OK && !err->text[0]) abort(); /* a refusal without words */
    for (int32_t o = 0; o < c->n_out; o++) {
        if (makes) syn_free(c->out[o].data);
        else free(c->out[o].data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct syn_attr given[SYN_MAX_ATTRS], filled[SYN_MAX_ATTRS];
    struct syn_op_host host = {.seed = 1};
    struct syn_err err = {""};
    struct pool pool = {.n = 0};
    struct syn_op_call *c = calloc(1, sizeof *c);
    int32_t n_given = 0;
    if (!c) return 0;
    c->op = syn_op_get((syn_op_id)((byte(&in) | byte(&in) << 8) % SYN_OP_COUNT));
    c->opset = 7 + (int32_t)below(&in, 20);
    c->attr = filled, c->host = &host;
    c->n_in = c->op->min_in + (int32_t)below(&in, 4);
    if (c->n_in > c->op->max_in) c->n_in = c->op->max_in;
    if (c->n_in > 8) c->n_in = 8;
    c->n_out = syn_op_max_out(c->op) > 4 ? 1 + (int32_t)below(&in, 3) : syn_op_max_out(c->op);
    for (int32_t i = 0; i < c->n_in; i++) {
        const bool absent = i >= c->op->min_in && below(&in, 4) == 0;
        if (absent) c->in[i].shape.rank = -1;
        else c->in[i] = tensor(&in);
    }
    for (int32_t i = 0; c->op->attrs && c->op->attrs[i].name; i++)
        if (below(&in, 3)) given[n_given++] = attribute(&in, &c->op->attrs[i], &pool);
    if (c->n_in >= c->op->min_in && syn_attr_fill(c->op, given, n_given, filled, &err) == SYN_OK)
        call(c, &err);
    for (int32_t i = 0; i < c->n_in; i++) free(c->in[i].data);
    for (int i = 0; i < pool.n; i++) free(pool.block[i]);
    free(c);
    return 0;
}
