/* graph.c - see graph.h. */
#include "kernels/graph/graph.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
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
    for (int32_t i = 0; i < g->n_bodies; i++) syn_graph_free(g->body[i]);
    syn_free(g->body);
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
    return syn_graph_input_typed(g, name, SYN_F32, shape, value_out, err);
}

syn_status syn_graph_input_typed(struct syn_graph *g, const char *name, syn_dtype dtype,
                                 const struct syn_shape *shape, int32_t *value_out,
                                 struct syn_err *err)
{
    const struct syn_value v = {.shape = *shape, .dtype = dtype, .producer = -1};
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
    if (!data) return syn_fail(err, SYN_INVALID, "constant %s: no data", name);
    if (!syn_shape_elements(shape, &n))
        return syn_fail(err, SYN_INVALID, "constant %s: bad shape", name);
    return value_new(g, name, &v, value_out, err);
}

syn_status syn_graph_constant_tensor(struct syn_graph *g, const char *name,
                                     const struct syn_tensor *t, int32_t *value_out,
                                     struct syn_err *err)
{
    int64_t n;
    void *copy;
    if (!syn_shape_elements(&t->shape, &n))
        return syn_fail(err, SYN_INVALID, "constant %s: bad shape", name);
    copy = syn_arena_new(&g->arena, n ? (size_t)n : 1, syn_dtype_bytes(t->dtype));
    if (!copy)
        return syn_fail(err, SYN_NO_MEMORY, "constant %s: no memory for %lld elements", name,
                        (long long)n);
    if (n) memcpy(copy, t->data, (size_t)n * syn_dtype_bytes(t->dtype));
    return syn_graph_constant(g, name, t->dtype, &t->shape, copy, value_out, err);
}

syn_status syn_graph_constant_copy(struct syn_graph *g, const char *name,
                                   const struct syn_shape *shape, const float *data,
                                   int32_t *value_out, struct syn_err *err)
{
    const struct syn_tensor t = {
        .shape = *shape, .dtype = SYN_F32, .data = (void *)(uintptr_t)data};
    return syn_graph_constant_tensor(g, name, &t, value_out, err);
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

/* A list, text or tensor moves into the graph's arena. */
static bool attr_keep(struct syn_graph *g, struct syn_attr *a)
{
    void *copy = NULL;
    switch (a->kind) {
    case SYN_ATTR_INTS:
    case SYN_ATTR_FLOATS:
        if (!a->n) return true;
        if (!(copy = syn_arena_new(&g->arena, (size_t)a->n, 8))) return false;
        memcpy(copy, a->v.i, (size_t)a->n * 8);
        a->v.i = copy;
        return true;
    case SYN_ATTR_STRING:
        if (!a->n) return true;
        a->v.s1 = syn_arena_strdup(&g->arena, a->v.s1);
        return a->v.s1 != NULL;
    case SYN_ATTR_STRINGS: {
        const char **list = syn_arena_new(&g->arena, (size_t)a->n + 1, sizeof *list);
        for (int32_t i = 0; list && i < a->n; i++)
            if (!(list[i] = syn_arena_strdup(&g->arena, a->v.s[i]))) return false;
        a->v.s = list;
        return list != NULL;
    }
    case SYN_ATTR_TENSOR: {
        struct syn_tensor *t;
        int64_t n;
        if (!a->n) return true;
        if (!syn_shape_elements(&a->v.tensor->shape, &n)) return false;
        t = syn_arena_new(&g->arena, 1, sizeof *t);
        copy = syn_arena_new(&g->arena, n ? (size_t)n : 1, syn_dtype_bytes(a->v.tensor->dtype));
        if (!t || !copy) return false;
        *t = *a->v.tensor;
        if (n) memcpy(copy, t->data, (size_t)n * syn_dtype_bytes(t->dtype));
        t->data = copy;
        a->v.tensor = t;
        return true;
    }
    default: return true;
    }
}

/* The node itself: arrays in the arena, attributes kept. */
static syn_status node_make(struct syn_graph *g, const struct syn_node_spec *spec,
                            struct syn_node *n, struct syn_err *err)
{
    const struct syn_op *op = syn_op_get(spec->id);
    struct syn_attr filled[SYN_MAX_ATTRS];
    int32_t n_specs = 0;
    syn_status st = check_operands(g, op, spec->name, spec->n_in, spec->in, err);
    bool kept = true;
    if (st != SYN_OK) return st;
    if ((st = syn_attr_fill(op, spec->attrs, spec->n_attrs, filled, err)) != SYN_OK)
        return syn_fail_in(err, st, "%s %s: ", op->name, spec->name);
    if (spec->n_out < op->n_out || spec->n_out > syn_op_max_out(op))
        return syn_fail(err, SYN_INVALID, "%s %s: %d outputs: gives %d to %d", op->name, spec->name,
                        (int)spec->n_out, (int)op->n_out, (int)syn_op_max_out(op));
    *n = (struct syn_node){
        .op = op, .id = spec->id, .opset = spec->opset, .n_in = spec->n_in, .n_out = spec->n_out};
    while (op->attrs && op->attrs[n_specs].name) n_specs++;
    n->name = syn_arena_strdup(&g->arena, spec->name ? spec->name : "");
    /* room for passes that add operands */
    n->in = syn_arena_new(&g->arena, (size_t)op->max_in, sizeof *n->in);
    n->out = syn_arena_new(&g->arena, (size_t)n->n_out + 1, sizeof *n->out);
    n->attr = syn_arena_new(&g->arena, (size_t)n_specs + 1, sizeof *n->attr);
    for (int32_t i = 0; i < n_specs; i++) kept = kept && attr_keep(g, &filled[i]);
    if (!n->name || !n->in || !n->out || !n->attr || !kept)
        return syn_fail(err, SYN_NO_MEMORY, "graph: no memory for node %s", spec->name);
    for (int32_t i = 0; i < op->max_in; i++) n->in[i] = i < spec->n_in ? spec->in[i] : -1;
    if (n_specs) memcpy(n->attr, filled, (size_t)n_specs * sizeof *n->attr);
    return SYN_OK;
}

syn_status syn_graph_add(struct syn_graph *g, const struct syn_node_spec *spec, int32_t *out_values,
                         struct syn_err *err)
{
    const struct syn_value activation = {
        .shape = {.rank = 0}, .dtype = SYN_F32, .producer = g->n_nodes};
    struct syn_node n;
    syn_status st;
    if (!syn_op_get(spec->id))
        return syn_fail(err, SYN_INVALID, "%s: no operator %d", spec->name, (int)spec->id);
    if ((st = node_make(g, spec, &n, err)) != SYN_OK) return st;
    if ((st = grow((void **)&g->node, g->n_nodes, &g->cap_nodes, sizeof *g->node, err)) != SYN_OK)
        return st;
    for (int32_t i = 0; i < n.n_out; i++) {
        n.out[i] = -1;
        if (i >= n.op->n_out && spec->wanted && !spec->wanted[i]) continue;
        if ((st = value_new(g, spec->name, &activation, &n.out[i], err)) != SYN_OK) return st;
    }
    g->node[g->n_nodes++] = n;
    memcpy(out_values, n.out, (size_t)n.n_out * sizeof *out_values);
    return SYN_OK;
}

syn_status syn_graph_node(struct syn_graph *g, syn_op_id id, const char *name, int32_t n_in,
                          const int32_t *in, int32_t n_attrs, const struct syn_attr *attrs,
                          int32_t *out_values, struct syn_err *err)
{
    const struct syn_op *op = syn_op_get(id);
    const struct syn_node_spec spec = {.id = id,
                                       .name = name,
                                       .n_in = n_in,
                                       .in = in,
                                       .n_attrs = n_attrs,
                                       .attrs = attrs,
                                       .n_out = op ? op->n_out : 0};
    return syn_graph_add(g, &spec, out_values, err);
}

syn_status syn_graph_adopt(struct syn_graph *g, struct syn_graph *body, struct syn_err *err)
{
    const syn_status st =
        grow((void **)&g->body, g->n_bodies, &g->cap_bodies, sizeof *g->body, err);
    if (st == SYN_OK) g->body[g->n_bodies++] = body;
    return st;
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
        n->out = syn_arena_new(&c->arena, (size_t)n->n_out + 1, sizeof *n->out);
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
    c->opset = n->opset;
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
        c->out[i].shape.rank = -1;
        if (n->out[i] < 0) continue;
        c->out[i].shape = g->value[n->out[i]].shape;
        if (c->out[i].shape.rank < 0) c->out[i].shape.rank = 0; /* not stated, but wanted */
        c->out[i].dtype = g->value[n->out[i]].dtype;
    }
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

/* Without memory for the counts nothing is swept: dead nodes only cost time. */
int32_t syn_graph_sweep(struct syn_graph *g)
{
    int32_t killed = 0, *uses = syn_calloc((size_t)g->n_values + 1, sizeof *uses);
    if (!uses) return 0;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0) uses[g->node[i].in[k]]++;
    for (int32_t i = 0; i < g->n_outputs; i++) uses[g->output[i]]++;
    /* backwards: a dead reader frees its producers */
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        struct syn_node *n = &g->node[i];
        int32_t wanted = 0;
        for (int32_t o = 0; n->op && o < n->n_out; o++)
            if (n->out[o] >= 0) wanted += uses[n->out[o]];
        if (!n->op || wanted) continue;
        for (int32_t k = 0; k < n->n_in; k++)
            if (n->in[k] >= 0) uses[n->in[k]]--;
        n->op = NULL;
        killed++;
    }
    syn_free(uses);
    return killed;
}

void syn_value_floats(const struct syn_value *v, int64_t i, int64_t n, float *to)
{
    syn_element_convert(v->dtype, (const char *)v->data + (size_t)i * syn_dtype_bytes(v->dtype),
                        SYN_F32, to, n);
}

float syn_value_float(const struct syn_value *v, int64_t i)
{
    float x;
    syn_value_floats(v, i, 1, &x);
    return x;
}
