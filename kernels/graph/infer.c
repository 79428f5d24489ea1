/* infer.c - shapes and types of a whole graph, and references on tensors of their true types. See
 * graph.h. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/graph/graph.h"
#include <string.h>

static syn_status bind_inputs(struct syn_graph *g, const struct syn_shape *shapes,
                              struct syn_err *err)
{
    char text[128];
    for (int32_t i = 0; i < g->n_inputs; i++) {
        struct syn_value *v = &g->value[g->input[i]];
        int64_t n;
        if (v->shape.rank >= 0 && v->shape.rank != shapes[i].rank)
            return syn_fail(err, SYN_INVALID, "input %s: rank %d: must be %d", v->name,
                            (int)shapes[i].rank, (int)v->shape.rank);
        if (!syn_shape_elements(&shapes[i], &n))
            return syn_fail(err, SYN_INVALID, "input %s: shape %s: unknown or over 2^40 elements",
                            v->name, syn_shape_text(&shapes[i], text, sizeof text));
        v->shape = shapes[i];
    }
    return SYN_OK;
}

syn_status syn_graph_input_fits(const struct syn_graph *g, int32_t i, const struct syn_tensor *t,
                                struct syn_err *err)
{
    const struct syn_value *v = &g->value[g->input[i]];
    char got[128], want[128];
    bool fits = t->data && t->shape.rank >= 0 && t->dtype == v->dtype &&
                (v->shape.rank < 0 || v->shape.rank == t->shape.rank);
    for (int32_t d = 0; fits && d < v->shape.rank; d++)
        fits = v->shape.dim[d] < 0 || v->shape.dim[d] == t->shape.dim[d];
    if (fits) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "input %s is %s %s: must be %s %s", v->name,
                    syn_dtype_word(t->dtype), syn_shape_text(&t->shape, got, sizeof got),
                    syn_dtype_word(v->dtype), syn_shape_text(&v->shape, want, sizeof want));
}

/* Shapes and types from a filled call to the node's values. */
static syn_status take_outputs(struct syn_graph *g, const struct syn_node *n,
                               const struct syn_op_call *c, struct syn_err *err)
{
    char text[128];
    int64_t elements;
    for (int32_t o = 0; o < n->n_out; o++) {
        if (n->out[o] < 0) continue;
        if (!syn_shape_elements(&c->out[o].shape, &elements))
            return syn_fail(err, SYN_TOO_LARGE, "%s %s: output %s: over 2^40 elements", n->op->name,
                            n->name, syn_shape_text(&c->out[o].shape, text, sizeof text));
        g->value[n->out[o]].shape = c->out[o].shape;
        g->value[n->out[o]].dtype = c->out[o].dtype;
    }
    return SYN_OK;
}

static bool has_body(const struct syn_op *op)
{
    for (int32_t i = 0; op->attrs && op->attrs[i].name; i++)
        if (op->attrs[i].kind == SYN_ATTR_GRAPH) return true;
    return false;
}

/* Every operand that the shape function reads is there as data. */
static bool data_known(const struct syn_op_call *c)
{
    for (int32_t i = 0; i < c->n_in; i++)
        if ((c->op->reads >> (i < 63 ? i : 63) & 1) && c->in[i].shape.rank >= 0 && !c->in[i].data)
            return false;
    return true;
}

static bool all_known(const struct syn_op_call *c)
{
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->in[i].shape.rank >= 0 && !c->in[i].data) return false;
    return true;
}

/* Whether an operand is there, but of a shape that only a run tells: an input that states none. */
static bool reads_unstated(const struct syn_graph *g, const struct syn_node *n)
{
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && g->value[n->in[i]].shape.rank < 0 && !g->value[n->in[i]].data)
            return true;
    return false;
}

/* The wanted outputs' data, copied to the arena when the reference made it, else lying there
 * already. */
static syn_status become_constants(struct syn_graph *g, struct syn_node *n, struct syn_op_call *c,
                                   struct syn_err *err)
{
    for (int32_t o = 0; o < n->n_out; o++) {
        struct syn_value *v;
        void *data = c->out[o].data;
        int64_t elements = 0;
        if (n->out[o] < 0) continue;
        v = &g->value[n->out[o]];
        if (n->op->flags & SYN_OP_MAKES) {
            if (!syn_shape_elements(&c->out[o].shape, &elements) ||
                !(data = syn_arena_new(&g->arena, elements ? (size_t)elements : 1,
                                       syn_dtype_bytes(c->out[o].dtype))))
                return syn_fail(err, SYN_NO_MEMORY, "fold %s: no memory", n->name);
            if (elements)
                memcpy(data, c->out[o].data, (size_t)elements * syn_dtype_bytes(c->out[o].dtype));
        }
        v->shape = c->out[o].shape;
        v->dtype = c->out[o].dtype;
        v->data = data;
        v->producer = -1;
    }
    n->op = NULL;
    return SYN_OK;
}

syn_status syn_graph_fold_node(struct syn_graph *g, int32_t node, struct syn_op_call *c,
                               int64_t most, bool *done, struct syn_err *err)
{
    struct syn_node *n = &g->node[node];
    const bool makes = n->op->flags & SYN_OP_MAKES;
    syn_status st = SYN_OK;
    *done = false;
    for (int32_t o = 0; !makes && o < n->n_out; o++) {
        int64_t elements;
        if (n->out[o] < 0) continue;
        /* refused by take_outputs */
        if (!syn_shape_elements(&c->out[o].shape, &elements)) return SYN_OK;
        if (elements > most) return SYN_OK;
        c->out[o].data = syn_arena_new(&g->arena, elements ? (size_t)elements : 1,
                                       syn_dtype_bytes(c->out[o].dtype));
        if (!c->out[o].data) return syn_fail(err, SYN_NO_MEMORY, "fold %s: no memory", n->name);
    }
    st = syn_op_reference(c, err);
    if (st == SYN_OK) st = become_constants(g, n, c, err);
    for (int32_t o = 0; makes && o < c->n_out; o++) syn_free(c->out[o].data);
    *done = st == SYN_OK;
    return st;
}

/* Shape and Size of known shapes: constants without looking at data. */
static syn_status fold_shape_of(struct syn_graph *g, int32_t node, struct syn_op_call *c,
                                bool *done, struct syn_err *err)
{
    static const uint64_t nothing[1]; /* aligned for every type */
    if (strcmp(c->op->name, "Shape") && strcmp(c->op->name, "Size")) return SYN_OK;
    c->in[0].data = (void *)(uintptr_t)nothing; /* the reference reads the shape alone */
    return syn_graph_fold_node(g, node, c, SYN_MAX_RANK, done, err);
}

static syn_status infer_node(struct syn_graph *g, int32_t i, struct syn_op_call *c, bool fold,
                             bool *known, struct syn_err *err)
{
    struct syn_node *n = &g->node[i];
    syn_status st = SYN_OK;
    bool done = false;
    syn_graph_call(g, i, c);
    *known = data_known(c) && !has_body(n->op);
    if ((n->op->flags & SYN_OP_MAKES) && !all_known(c)) *known = false;
    if (!*known) return SYN_OK;
    if (n->op->shape && (st = n->op->shape(c, err)) == SYN_OK) st = take_outputs(g, n, c, err);
    if (st == SYN_OK) st = fold_shape_of(g, i, c, &done, err);
    if (st == SYN_OK && !done && all_known(c) && !(n->op->flags & SYN_OP_RANDOM))
        st = syn_graph_fold_node(g, i, c, fold ? SYN_MAX_ELEMENTS : SYN_FOLD_SMALL, &done, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "%s %s: ", c->op->name, n->name);
    if ((c->op->flags & SYN_OP_MAKES) && !done) *known = false;
    return SYN_OK;
}

syn_status syn_graph_fold_constants(struct syn_graph *g, int64_t most, struct syn_err *err)
{
    struct syn_op_call *c = syn_alloc(sizeof *c);
    syn_status st = c ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "graph: no memory");
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++) {
        struct syn_node *n = &g->node[i];
        bool done;
        if (!n->op || (n->op->flags & SYN_OP_RANDOM) || has_body(n->op) || n->n_in == 0) continue;
        syn_graph_call(g, i, c);
        if (!all_known(c) || reads_unstated(g, n)) continue;
        if (n->op->shape && (st = n->op->shape(c, err)) == SYN_OK) st = take_outputs(g, n, c, err);
        if (st == SYN_OK) st = syn_graph_fold_node(g, i, c, most, &done, err);
        if (st != SYN_OK) st = syn_fail_in(err, st, "%s %s: ", c->op->name, n->name);
    }
    syn_free(c);
    return st;
}

syn_status syn_graph_specialise(struct syn_graph *g, const struct syn_shape *shapes, bool fold,
                                bool *whole, int32_t *at, struct syn_err *err)
{
    struct syn_op_call *c = syn_alloc(sizeof *c);
    syn_status st =
        c ? bind_inputs(g, shapes, err) : syn_fail(err, SYN_NO_MEMORY, "graph: no memory");
    *whole = true;
    for (int32_t i = 0; st == SYN_OK && *whole && i < g->n_nodes; i++) {
        if (!g->node[i].op) continue;
        st = infer_node(g, i, c, fold, whole, err);
        if (!*whole) *at = i;
    }
    syn_free(c);
    return st;
}

syn_status syn_graph_infer(struct syn_graph *g, const struct syn_shape *shapes, struct syn_err *err)
{
    struct syn_op_call *c =
        syn_alloc(sizeof *c); /* 12 KiB: too much for a worker's stack by habit */
    syn_status st = SYN_OK;
    if (!c) return syn_fail(err, SYN_NO_MEMORY, "graph: no memory");
    st = bind_inputs(g, shapes, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++) {
        struct syn_node *n = &g->node[i];
        if (!n->op) continue;
        syn_graph_call(g, i, c);
        if (!n->op->shape || !data_known(c)) {
            st = syn_fail(err, SYN_UNSUPPORTED, "%s %s: its shape depends on data", n->op->name,
                          n->name);
            break;
        }
        if ((st = n->op->shape(c, err)) != SYN_OK) {
            st = syn_fail_in(err, st, "%s %s: ", n->op->name, n->name);
            break;
        }
        st = take_outputs(g, n, c, err);
    }
    syn_free(c);
    return st;
}

/* --- references on true types --------------------------------------------------------------- */

static bool wants_f32(const struct syn_op_call *c, const struct syn_tensor *t)
{
    return (c->op->flags & SYN_OP_FLOAT) && !(c->op->flags & SYN_OP_MAKES) && t->shape.rank >= 0 &&
           (t->dtype == SYN_F16 || t->dtype == SYN_BF16 || t->dtype == SYN_F64);
}

/* Constants lie in files at any address; references read them as arrays. */
static bool is_aligned(const struct syn_tensor *t)
{
    const size_t bytes = syn_dtype_bytes(t->dtype);
    return t->shape.rank < 0 || !bytes || (uintptr_t)t->data % bytes == 0;
}

/* A copy of an operand (f32 where the reference wants that), or room for an output that will be
 * rounded back. */
static syn_status stand_in(const struct syn_op_call *c, struct syn_tensor *t, bool is_input,
                           struct syn_err *err)
{
    const syn_dtype type = wants_f32(c, t) ? SYN_F32 : t->dtype;
    int64_t n = 0;
    size_t bytes;
    void *copy;
    if (!syn_shape_elements(&t->shape, &n) ||
        !syn_mul(n ? (size_t)n : 1, syn_dtype_bytes(type), &bytes) || !(copy = syn_alloc(bytes)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    if (is_input) syn_element_convert(t->dtype, t->data, type, copy, n);
    t->data = copy;
    t->dtype = type;
    return SYN_OK;
}

static syn_status run_on_copies(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_op_call *d = syn_alloc(sizeof *d);
    bool mine[2 * SYN_MAX_OPERANDS] = {false};
    int64_t n = 0;
    syn_status st = d ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    if (st != SYN_OK) return st;
    *d = *c;
    for (int32_t i = 0; st == SYN_OK && i < c->n_in; i++)
        if (wants_f32(c, &d->in[i]) || !is_aligned(&d->in[i]))
            mine[i] = (st = stand_in(c, &d->in[i], true, err)) == SYN_OK;
    for (int32_t o = 0; st == SYN_OK && o < c->n_out; o++)
        if (wants_f32(c, &d->out[o]))
            mine[c->n_in + o] = (st = stand_in(c, &d->out[o], false, err)) == SYN_OK;
    if (st == SYN_OK) st = c->op->reference(d, err);
    for (int32_t i = 0; i < c->n_in; i++)
        if (mine[i]) syn_free(d->in[i].data);
    for (int32_t o = 0; (c->op->flags & SYN_OP_MAKES) && o < c->n_out; o++) c->out[o] = d->out[o];
    for (int32_t o = 0; o < c->n_out; o++) {
        if (!mine[c->n_in + o]) continue;
        if (st == SYN_OK && syn_shape_elements(&d->out[o].shape, &n))
            syn_element_convert(SYN_F32, d->out[o].data, c->out[o].dtype, c->out[o].data, n);
        syn_free(d->out[o].data);
    }
    syn_free(d);
    return st;
}

static bool needs_copies(const struct syn_op_call *c)
{
    bool copies = false;
    for (int32_t i = 0; i < c->n_in; i++)
        copies |= wants_f32(c, &c->in[i]) || !is_aligned(&c->in[i]);
    for (int32_t o = 0; o < c->n_out; o++) copies |= wants_f32(c, &c->out[o]);
    return copies;
}

syn_status syn_op_reference(struct syn_op_call *c, struct syn_err *err)
{
    return needs_copies(c) ? run_on_copies(c, err) : c->op->reference(c, err);
}
