/* graph.c - see graph.h. */
#include "kernels/graph/graph.h"
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include <string.h>

syn_status syn_graph_new(struct syn_graph **out, struct syn_err *err)
{
    struct syn_graph *g = syn_calloc(1, sizeof *g);
    if (!g) return syn_fail(err, SYN_NO_MEMORY, "graph: no memory");
    *out = g;
    return SYN_OK;
}

void syn_graph_free(struct syn_graph *g)
{
    if (!g) return;
    syn_arena_deinit(&g->arena);
    syn_free(g->value);
    syn_free(g->node);
    syn_free(g->input);
    syn_free(g->output);
    syn_free(g);
}

/* Makes room for one more element in a growing array. */
static syn_status grow(void **array, int32_t n, int32_t *cap, size_t size, struct syn_err *err)
{
    int32_t wanted = *cap ? *cap * 2 : 64;
    void *p;
    if (n < *cap) return SYN_OK;
    if (n >= SYN_MAX_NODES)
        return syn_fail(err, SYN_TOO_LARGE, "graph: more than %d entries", SYN_MAX_NODES);
    p = syn_realloc(*array, (size_t)wanted, size);
    if (!p) return syn_fail(err, SYN_NO_MEMORY, "graph: no memory for %d entries", (int)wanted);
    *array = p;
    *cap = wanted;
    return SYN_OK;
}

static syn_status value_new(struct syn_graph *g, const char *name, const struct syn_value *v,
                            int32_t *out, struct syn_err *err)
{
    syn_status st = grow((void **)&g->value, g->n_values, &g->cap_values, sizeof *g->value, err);
    char *copy;
    if (st != SYN_OK) return st;
    copy = syn_arena_strdup(&g->arena, name ? name : "");
    if (!copy) return syn_fail(err, SYN_NO_MEMORY, "graph: no memory for a name");
    g->value[g->n_values] = *v;
    g->value[g->n_values].name = copy;
    *out = g->n_values++;
    return SYN_OK;
}

syn_status syn_graph_input(struct syn_graph *g, const char *name, const struct syn_shape *shape,
                           int32_t *value_out, struct syn_err *err)
{
    const struct syn_value v = {.shape = *shape, .dtype = SYN_F32, .producer = -1};
    int32_t index;
    syn_status st = grow((void **)&g->input, g->n_inputs, &g->cap_inputs, sizeof *g->input, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_inputs; i++)
        if (!strcmp(g->value[g->input[i]].name, name))
            st = syn_fail(err, SYN_INVALID, "graph: two inputs named %s", name);
    if (st == SYN_OK) st = value_new(g, name, &v, &index, err);
    if (st != SYN_OK) return st;
    g->input[g->n_inputs++] = index;
    *value_out = index;
    return SYN_OK;
}

syn_status syn_graph_constant(struct syn_graph *g, const char *name, syn_dtype dtype,
                              const struct syn_shape *shape, const void *data, int32_t *value_out,
                              struct syn_err *err)
{
    const struct syn_value v = {
        .shape = *shape, .dtype = dtype, .data = data, .producer = -1, .key = (uintptr_t)data};
    int64_t n;
    if (dtype != SYN_F32 && dtype != SYN_F16)
        return syn_fail(err, SYN_UNSUPPORTED, "constant %s: type %s: must be f32 or f16", name,
                        syn_dtype_word(dtype));
    if (!syn_shape_elements(shape, &n))
        return syn_fail(err, SYN_INVALID, "constant %s: bad shape", name);
    return value_new(g, name, &v, value_out, err);
}

syn_status syn_graph_constant_copy(struct syn_graph *g, const char *name,
                                   const struct syn_shape *shape, const float *data,
                                   int32_t *value_out, struct syn_err *err)
{
    int64_t n;
    float *copy;
    if (!syn_shape_elements(shape, &n))
        return syn_fail(err, SYN_INVALID, "constant %s: bad shape", name);
    copy = syn_arena_new(&g->arena, (size_t)n, sizeof *copy);
    if (!copy)
        return syn_fail(err, SYN_NO_MEMORY, "constant %s: no memory for %lld floats", name,
                        (long long)n);
    if (n) memcpy(copy, data, (size_t)n * sizeof *copy);
    return syn_graph_constant(g, name, SYN_F32, shape, copy, value_out, err);
}

static syn_status check_operands(const struct syn_graph *g, const struct syn_op *op,
                                 const char *name, int32_t n_in, const int32_t *in,
                                 struct syn_err *err)
{
    if (n_in < op->min_in || n_in > op->max_in)
        return syn_fail(err, SYN_INVALID, "%s %s: %d operands: takes %d to %d", op->name, name,
                        (int)n_in, (int)op->min_in, (int)op->max_in);
    for (int32_t i = 0; i < n_in; i++)
        if (in[i] >= g->n_values || in[i] < (i < op->min_in ? 0 : -1))
            return syn_fail(err, SYN_INVALID, "%s %s: operand %d is no value of the graph",
                            op->name, name, (int)i);
    return SYN_OK;
}

syn_status syn_graph_node(struct syn_graph *g, syn_op_id id, const char *name, int32_t n_in,
                          const int32_t *in, int32_t n_attrs, const struct syn_attr *attrs,
                          int32_t *out_values, struct syn_err *err)
{
    const struct syn_op *op = syn_op_get(id);
    const struct syn_value activation = {
        .shape = {.rank = 0}, .dtype = SYN_F32, .producer = g->n_nodes};
    struct syn_attr filled[SYN_MAX_ATTRS];
    struct syn_node n = {.op = op, .id = id, .n_in = n_in};
    int32_t n_specs = 0;
    syn_status st;
    if (!op) return syn_fail(err, SYN_INVALID, "%s: no operator %d", name, (int)id);
    n.n_out = op->n_out;
    if ((st = check_operands(g, op, name, n_in, in, err)) != SYN_OK) return st;
    if ((st = syn_attr_fill(op, attrs, n_attrs, filled, err)) != SYN_OK)
        return syn_fail_in(err, st, "%s %s: ", op->name, name);
    if ((st = grow((void **)&g->node, g->n_nodes, &g->cap_nodes, sizeof *g->node, err)) != SYN_OK)
        return st;
    while (op->attrs && op->attrs[n_specs].name) n_specs++;
    n.name = syn_arena_strdup(&g->arena, name ? name : "");
    n.in = syn_arena_new(&g->arena, (size_t)op->max_in,
                         sizeof *n.in); /* room for passes that add operands */
    n.out = syn_arena_new(&g->arena, (size_t)n.n_out, sizeof *n.out);
    n.attr = syn_arena_new(&g->arena, (size_t)n_specs + 1, sizeof *n.attr);
    if (!n.name || !n.in || !n.out || !n.attr)
        return syn_fail(err, SYN_NO_MEMORY, "graph: no memory for node %s", name);
    for (int32_t i = 0; i < op->max_in; i++) n.in[i] = i < n_in ? in[i] : -1;
    if (n_specs) memcpy(n.attr, filled, (size_t)n_specs * sizeof *n.attr);
    for (int32_t i = 0; i < n.n_out; i++)
        if ((st = value_new(g, name, &activation, &n.out[i], err)) != SYN_OK) return st;
    g->node[g->n_nodes++] = n;
    memcpy(out_values, n.out, (size_t)n.n_out * sizeof *out_values);
    return SYN_OK;
}

syn_status syn_graph_output(struct syn_graph *g, int32_t value, struct syn_err *err)
{
    syn_status st =
        grow((void **)&g->output, g->n_outputs, &g->cap_outputs, sizeof *g->output, err);
    if (st != SYN_OK) return st;
    if (value < 0 || value >= g->n_values)
        return syn_fail(err, SYN_INVALID, "graph: output %d is no value", (int)value);
    g->output[g->n_outputs++] = value;
    return SYN_OK;
}

syn_status syn_graph_copy(const struct syn_graph *g, struct syn_graph **out, struct syn_err *err)
{
    struct syn_graph *c = NULL;
    syn_status st = syn_graph_new(&c, err);
    if (st != SYN_OK) return st;
    c->value = syn_calloc((size_t)g->n_values + 1, sizeof *c->value);
    c->node = syn_calloc((size_t)g->n_nodes + 1, sizeof *c->node);
    c->input = syn_calloc((size_t)g->n_inputs + 1, sizeof *c->input);
    c->output = syn_calloc((size_t)g->n_outputs + 1, sizeof *c->output);
    if (!c->value || !c->node || !c->input || !c->output) goto no_memory;
    c->cap_values = g->n_values + 1, c->cap_nodes = g->n_nodes + 1;
    c->cap_inputs = g->n_inputs + 1, c->cap_outputs = g->n_outputs + 1;
    for (; c->n_values < g->n_values; c->n_values++) {
        struct syn_value *v = &c->value[c->n_values];
        *v = g->value[c->n_values];
        if (!(v->name = syn_arena_strdup(&c->arena, v->name))) goto no_memory;
    }
    for (; c->n_nodes < g->n_nodes; c->n_nodes++) {
        const struct syn_node *from = &g->node[c->n_nodes];
        struct syn_node *n = &c->node[c->n_nodes];
        size_t n_specs = 0, room;
        *n = *from;
        if (!from->op) continue;
        while (from->op->attrs && from->op->attrs[n_specs].name) n_specs++;
        room = (size_t)from->op->max_in;
        n->name = syn_arena_strdup(&c->arena, from->name);
        n->in = syn_arena_new(&c->arena, room, sizeof *n->in);
        n->out = syn_arena_new(&c->arena, (size_t)n->n_out, sizeof *n->out);
        n->attr = syn_arena_new(&c->arena, n_specs + 1, sizeof *n->attr);
        if (!n->name || !n->in || !n->out || !n->attr) goto no_memory;
        memcpy(n->in, from->in, room * sizeof *n->in);
        memcpy(n->out, from->out, (size_t)n->n_out * sizeof *n->out);
        if (n_specs) memcpy(n->attr, from->attr, n_specs * sizeof *n->attr);
    }
    if (g->n_inputs) memcpy(c->input, g->input, (size_t)g->n_inputs * sizeof *c->input);
    if (g->n_outputs) memcpy(c->output, g->output, (size_t)g->n_outputs * sizeof *c->output);
    c->n_inputs = g->n_inputs;
    c->n_outputs = g->n_outputs;
    *out = c;
    return SYN_OK;
no_memory:
    syn_graph_free(c);
    return syn_fail(err, SYN_NO_MEMORY, "graph: no memory for a copy");
}

void syn_graph_call(const struct syn_graph *g, int32_t node, struct syn_op_call *c)
{
    const struct syn_node *n = &g->node[node];
    memset(c, 0, sizeof *c);
    c->op = n->op;
    c->attr = n->attr;
    c->n_in = n->n_in;
    c->n_out = n->n_out;
    for (int32_t i = 0; i < n->n_in; i++) {
        const struct syn_value *v = n->in[i] >= 0 ? &g->value[n->in[i]] : NULL;
        c->in[i].shape.rank = -1;
        if (!v) continue;
        c->in[i].shape = v->shape;
        c->in[i].dtype = v->dtype;
        memcpy(&c->in[i].data, &v->data,
               sizeof v->data); /* const until the call writes: it never does */
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        c->out[i].shape = g->value[n->out[i]].shape;
        c->out[i].dtype = g->value[n->out[i]].dtype;
    }
}

syn_status syn_graph_infer(struct syn_graph *g, const struct syn_shape *shapes, struct syn_err *err)
{
    struct syn_op_call *c =
        syn_alloc(sizeof *c); /* 12 KiB: too much for a worker's stack by habit */
    syn_status st = SYN_OK;
    char text[128];
    if (!c) return syn_fail(err, SYN_NO_MEMORY, "graph: no memory");
    for (int32_t i = 0; st == SYN_OK && i < g->n_inputs; i++) {
        struct syn_value *v = &g->value[g->input[i]];
        int64_t n;
        if (v->shape.rank != shapes[i].rank)
            st = syn_fail(err, SYN_INVALID, "input %s: rank %d: must be %d", v->name,
                          (int)shapes[i].rank, (int)v->shape.rank);
        else if (!syn_shape_elements(&shapes[i], &n) || n == 0)
            st = syn_fail(err, SYN_INVALID,
                          "input %s: shape %s: empty, unknown or over 2^40 elements", v->name,
                          syn_shape_text(&shapes[i], text, sizeof text));
        else v->shape = shapes[i];
    }
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++) {
        struct syn_node *n = &g->node[i];
        if (!n->op) continue;
        syn_graph_call(g, i, c);
        if ((st = n->op->shape(c, err)) != SYN_OK) {
            st = syn_fail_in(err, st, "%s %s: ", n->op->name, n->name);
            break;
        }
        for (int32_t o = 0; o < n->n_out; o++) {
            int64_t elements;
            if (!syn_shape_elements(&c->out[o].shape, &elements)) {
                st = syn_fail(err, SYN_TOO_LARGE, "%s %s: output %s: over 2^40 elements",
                              n->op->name, n->name,
                              syn_shape_text(&c->out[o].shape, text, sizeof text));
                break;
            }
            g->value[n->out[o]].shape = c->out[o].shape;
            g->value[n->out[o]].dtype = SYN_F32;
        }
    }
    syn_free(c);
    return st;
}

int32_t syn_graph_uses(const struct syn_graph *g, int32_t value)
{
    int32_t uses = 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++)
            uses += g->node[i].in[k] == value;
    for (int32_t i = 0; i < g->n_outputs; i++) uses += g->output[i] == value;
    return uses;
}

void syn_graph_replace(struct syn_graph *g, int32_t from, int32_t to)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] == from) g->node[i].in[k] = to;
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (g->output[i] == from) g->output[i] = to;
}

int32_t syn_graph_sweep(struct syn_graph *g)
{
    int32_t killed = 0;
    for (int32_t i = g->n_nodes - 1; i >= 0;
         i--) { /* backwards: a dead reader frees its producers */
        struct syn_node *n = &g->node[i];
        int32_t uses = 0;
        for (int32_t o = 0; n->op && o < n->n_out; o++) uses += syn_graph_uses(g, n->out[o]);
        if (!n->op || uses) continue;
        n->op = NULL;
        killed++;
    }
    return killed;
}

void syn_value_floats(const struct syn_value *v, int64_t i, int64_t n, float *to)
{
    const char *from = (const char *)v->data + i * (v->dtype == SYN_F16 ? 2 : 4);
    if (v->dtype != SYN_F16) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        uint16_t bits;
        memcpy(&bits, from + 2 * k, sizeof bits);
        to[k] = syn_f16_to_float(bits);
    }
}

float syn_value_float(const struct syn_value *v, int64_t i)
{
    float x;
    syn_value_floats(v, i, 1, &x);
    return x;
}
