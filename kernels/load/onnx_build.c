/* onnx_build.c - nodes of a decoded ONNX model as nodes of a graph: attributes, bodies, functions.
 * See onnx_build.h. */
#include "kernels/load/onnx_build.h"
#include "kernels/base/alloc.h"
#include <stdio.h>
#include <string.h>

#define MOST_OPERANDS SYN_MAX_OPERANDS

bool syn_onnx_dtype(syn_onnx_type t, syn_dtype *out)
{
    const syn_dtype own = syn_dtype_of_onnx(t);
    if (own == SYN_DTYPE_COUNT) return false;
    *out = own;
    return true;
}

syn_status syn_onnx_as_tensor(const struct syn_onnx_tensor *t, struct syn_tensor *out,
                              struct syn_err *err)
{
    static const uint64_t nothing[1];
    *out = (struct syn_tensor){.shape = t->shape};
    out->data = (void *)(uintptr_t)(t->data ? t->data : nothing);
    if (!syn_onnx_dtype(t->type, &out->dtype) || (t->elements > 0 && !t->data))
        return syn_fail(err, SYN_UNSUPPORTED, "tensor %s holds %s: no type that runs here", t->name,
                        syn_onnx_type_word(t->type));
    return SYN_OK;
}

/* Counts what is about to be copied into the graph. */
static syn_status charge(struct syn_onnx_scope *s, size_t bytes, struct syn_err *err)
{
    if (bytes > s->room->bytes)
        return syn_fail(err, SYN_TOO_LARGE,
                        "functions, inlined, copy more tensors than any model should");
    s->room->bytes -= bytes;
    return SYN_OK;
}

syn_status syn_onnx_constant(struct syn_onnx_scope *s, const char *name,
                             const struct syn_onnx_tensor *t, int32_t *value, struct syn_err *err)
{
    struct syn_tensor c;
    syn_status st = syn_onnx_as_tensor(t, &c, err);
    if (st != SYN_OK) return st;
    if ((uintptr_t)c.data % syn_dtype_bytes(c.dtype) == 0)
        return syn_graph_constant(s->g, name, c.dtype, &c.shape, c.data, value, err);
    st = charge(s, (size_t)t->elements * syn_dtype_bytes(c.dtype), err);
    return st != SYN_OK ? st : syn_graph_constant_tensor(s->g, name, &c, value, err);
}

int64_t syn_onnx_version(const struct syn_onnx_scope *s, const char *domain)
{
    const struct syn_onnx_opset *list = s->opset ? s->opset : s->file->opset;
    const int32_t n = s->opset ? s->n_opsets : s->file->n_opsets;
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(list[i].domain, domain)) return list[i].version;
    return 0;
}

const struct syn_onnx_function *syn_onnx_function_of(const struct syn_onnx_file *f,
                                                     const struct syn_onnx_node *n)
{
    for (int32_t i = 0; i < f->n_functions; i++)
        if (!strcmp(f->function[i].name, n->op_type) && !strcmp(f->function[i].domain, n->domain) &&
            !strcmp(f->function[i].overload, n->overload))
            return &f->function[i];
    return NULL;
}

/* --- names ------------------------------------------------------------------------------------ */

/* A value keeps the name that the file gives it, so that it can be found again. */
static syn_status name_value(struct syn_onnx_scope *s, int32_t value, const char *name,
                             struct syn_err *err)
{
    char *full;
    const size_t n = strlen(s->prefix) + strlen(name) + 1;
    if (!(full = syn_arena_new(&s->g->arena, n, 1)))
        return syn_fail(err, SYN_NO_MEMORY, "onnx: no memory for a name");
    snprintf(full, n, "%s%s", s->prefix, name);
    s->g->value[value].name = full;
    return SYN_OK;
}

syn_status syn_onnx_bind(struct syn_onnx_scope *s, const char *name, int32_t value,
                         struct syn_err *err)
{
    if (syn_names_get(&s->names, name) != SYN_NO_NAME)
        return syn_fail(err, SYN_INVALID, "two values are named %s", name);
    return syn_names_put(&s->names, name, value)
               ? SYN_OK
               : syn_fail(err, SYN_NO_MEMORY, "onnx: no memory for names");
}

/* An outer value becomes a constant of the body, or one more input of it. */
static syn_status capture(struct syn_onnx_scope *s, const char *name, int32_t outer, int32_t *value,
                          struct syn_err *err)
{
    const struct syn_value *v = &s->up->g->value[outer];
    const struct syn_shape any = {.rank = -1};
    syn_status st;
    if (v->data) {
        st = syn_graph_constant(s->g, name, v->dtype, &v->shape, v->data, value, err);
    } else {
        if (s->n_captures == s->cap_captures) {
            int32_t *more = syn_realloc(s->capture, (size_t)s->cap_captures * 2 + 16, sizeof *more);
            if (!more) return syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
            s->capture = more;
            s->cap_captures = s->cap_captures * 2 + 16;
        }
        s->capture[s->n_captures++] = outer;
        st = syn_graph_input_typed(s->g, name, v->dtype, &any, value, err);
    }
    if (st == SYN_OK && !syn_names_put(&s->names, name, *value))
        st = syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    return st;
}

syn_status syn_onnx_value(struct syn_onnx_scope *s, const char *name, int32_t *value,
                          struct syn_err *err)
{
    int32_t outer;
    syn_status st;
    if ((*value = syn_names_get(&s->names, name)) != SYN_NO_NAME) return SYN_OK;
    if (!s->up) return syn_fail(err, SYN_INVALID, "no value named %s", name);
    if ((st = syn_onnx_value(s->up, name, &outer, err)) != SYN_OK) return st;
    if (outer < 0) return *value = -1, SYN_OK;
    return capture(s, name, outer, value, err);
}

/* --- attributes ------------------------------------------------------------------------------- */

/* Attributes of one node on their way into the graph, with what they borrow. */
struct attrs {
    struct syn_attr list[SYN_MAX_ATTRS + 1];
    struct syn_tensor tensor[SYN_MAX_ATTRS + 1];
    int32_t n;
    struct syn_arena arena;
    struct syn_onnx_scope *body[2]; /* scopes of bodies: then, else; or the one */
    const char *body_name[2];
    int32_t n_bodies;
};

/* Inside a function an attribute may stand for one of the caller's: that one, the function's
 * default, or NULL. */
static const struct syn_onnx_attr *resolve(const struct syn_onnx_scope *s,
                                           const struct syn_onnx_attr *a)
{
    if (!a->ref) return a;
    for (int32_t i = 0; s->caller && i < s->caller->n_attrs; i++)
        if (!strcmp(s->caller->attr[i].name, a->ref)) return &s->caller->attr[i];
    for (int32_t i = 0; s->function && i < s->function->n_defaults; i++)
        if (!strcmp(s->function->defaults[i].name, a->ref)) return &s->function->defaults[i];
    return NULL;
}

static syn_status body_attr(struct syn_onnx_scope *s, const struct syn_onnx_attr *a,
                            struct attrs *to, struct syn_err *err)
{
    struct syn_onnx_scope *b;
    syn_status st;
    if (to->n_bodies == 2) return syn_fail(err, SYN_UNSUPPORTED, "more than two bodies");
    if (s->depth >= SYN_ONNX_MAX_DEPTH)
        return syn_fail(err, SYN_UNSUPPORTED, "bodies and functions are nested more than %d deep",
                        SYN_ONNX_MAX_DEPTH);
    if (!(b = syn_calloc(1, sizeof *b))) return syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    *b = (struct syn_onnx_scope){.file = s->file,
                                 .up = s,
                                 .room = s->room,
                                 .opset = s->opset,
                                 .n_opsets = s->n_opsets,
                                 .caller = s->caller,
                                 .function = s->function,
                                 .prefix = s->prefix,
                                 .depth = s->depth + 1};
    to->body[to->n_bodies] = b;
    to->body_name[to->n_bodies++] = a->name;
    if ((st = syn_graph_new(&b->g, err)) != SYN_OK) return st;
    if ((st = syn_graph_adopt(s->g, b->g, err)) != SYN_OK) {
        syn_graph_free(b->g);
        return st;
    }
    if ((st = syn_onnx_graph(b, a->graph[0], err)) != SYN_OK)
        return syn_fail_in(err, st, "%s: ", a->name);
    to->list[to->n++] = syn_attr_of_graph(a->name, b->g);
    return SYN_OK;
}

static syn_status one_attr(struct syn_onnx_scope *s, const struct syn_onnx_attr *a,
                           const char *name, struct attrs *to, struct syn_err *err)
{
    struct syn_onnx_attr named = *a;
    struct syn_attr *out = &to->list[to->n];
    const struct syn_tensor *t = &to->tensor[to->n];
    const int32_t n = a->n;
    syn_status st = charge(s, n > 0 && !a->tensor && !a->graph ? (size_t)n * 16 : 0, err);
    if (st != SYN_OK) return st;
    named.name = name; /* a reference's value goes by the name that the node gives it */
    switch (a->type) {
    case SYN_ONNX_ATTR_FLOAT: *out = syn_attr_of_float(name, (double)a->f); break;
    case SYN_ONNX_ATTR_INT: *out = syn_attr_of_int(name, a->i); break;
    case SYN_ONNX_ATTR_STRING: *out = syn_attr_of_text(name, a->s.p); break;
    case SYN_ONNX_ATTR_INTS: *out = syn_attr_of_ints(name, n, a->ints); break;
    case SYN_ONNX_ATTR_FLOATS: {
        double *f = syn_arena_new(&to->arena, (size_t)n + 1, sizeof *f);
        if (!f) return syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
        for (int32_t i = 0; i < n; i++) f[i] = (double)a->floats[i];
        *out = syn_attr_of_floats(name, n, f);
        break;
    }
    case SYN_ONNX_ATTR_STRINGS: {
        const char **p = syn_arena_new(&to->arena, (size_t)n + 1, sizeof *p);
        if (!p) return syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
        for (int32_t i = 0; i < n; i++) p[i] = a->strings[i].p;
        *out = syn_attr_of_texts(name, n, p);
        break;
    }
    case SYN_ONNX_ATTR_TENSOR:
    case SYN_ONNX_ATTR_SPARSE_TENSOR: {
        st = syn_onnx_as_tensor(a->tensor, &to->tensor[to->n], err);
        if (st == SYN_OK)
            st = charge(s,
                        (size_t)t->shape.rank * 8 +
                            (size_t)a->tensor->elements * syn_dtype_bytes(t->dtype),
                        err);
        if (st != SYN_OK) return st;
        *out = syn_attr_of_tensor(name, t);
        break;
    }
    case SYN_ONNX_ATTR_GRAPH: return body_attr(s, &named, to, err);
    default:
        return syn_fail(err, SYN_UNSUPPORTED,
                        "attribute %s is of a kind that no operator here takes", name);
    }
    to->n++;
    return SYN_OK;
}

static syn_status read_attrs(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                             struct attrs *to, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < n->n_attrs; i++) {
        const struct syn_onnx_attr *a = resolve(s, &n->attr[i]);
        if (!a) continue; /* the caller left it out: so does the node */
        if (to->n == SYN_MAX_ATTRS)
            return syn_fail(err, SYN_INVALID, "more than %d attributes", SYN_MAX_ATTRS);
        st = one_attr(s, a, n->attr[i].name, to, err);
    }
    return st;
}

static void attrs_free(struct attrs *a)
{
    for (int32_t i = 0; i < a->n_bodies; i++) {
        syn_names_free(&a->body[i]->names);
        syn_free(a->body[i]->capture);
        syn_free(a->body[i]);
    }
    syn_arena_deinit(&a->arena);
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* A Constant node is a constant. */
static syn_status constant_node(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                                struct syn_err *err)
{
    const struct syn_onnx_attr *a = n->n_attrs ? resolve(s, &n->attr[0]) : NULL;
    int64_t length = a ? a->n : 0;
    struct syn_tensor t = {.dtype = SYN_F32};
    int32_t value;
    syn_status st = SYN_OK;
    if (!a || n->n_attrs != 1 || n->n_out != 1 || !*n->out[0])
        return syn_fail(err, SYN_INVALID, "one attribute with the value and one output are wanted");
    switch (a->type) {
    case SYN_ONNX_ATTR_TENSOR:
    case SYN_ONNX_ATTR_SPARSE_TENSOR:
        st = syn_onnx_constant(s, n->out[0], a->tensor, &value, err);
        return st == SYN_OK ? syn_onnx_bind(s, n->out[0], value, err) : st;
    case SYN_ONNX_ATTR_FLOAT: t.data = (void *)(uintptr_t)&a->f; break;
    case SYN_ONNX_ATTR_INT: t.dtype = SYN_I64, t.data = (void *)(uintptr_t)&a->i; break;
    case SYN_ONNX_ATTR_FLOATS:
        t.shape = syn_shape_of(1, &length),
        t.data = (void *)(uintptr_t)(length ? (const void *)a->floats : &length);
        break;
    case SYN_ONNX_ATTR_INTS:
        t.shape = syn_shape_of(1, &length), t.dtype = SYN_I64;
        t.data = (void *)(uintptr_t)(length ? a->ints : &length);
        break;
    default: return syn_fail(err, SYN_UNSUPPORTED, "its value is a text: no type that runs here");
    }
    st = charge(s, (size_t)length * 8, err);
    if (st == SYN_OK) st = syn_graph_constant_tensor(s->g, n->out[0], &t, &value, err);
    return st == SYN_OK ? syn_onnx_bind(s, n->out[0], value, err) : st;
}

/* What the bodies captured comes after the node's own operands, in the order in which the
 * operator's row has its bodies, whatever the file's. */
static syn_status add_captures(const struct syn_op *op, const struct attrs *a, int32_t *in,
                               int32_t *n_in, int32_t *count, struct syn_err *err)
{
    *count = 0;
    for (int32_t spec = 0; op->attrs && op->attrs[spec].name; spec++)
        for (int32_t b = 0; b < a->n_bodies; b++) {
            if (strcmp(a->body_name[b], op->attrs[spec].name) != 0) continue;
            for (int32_t k = 0; k < a->body[b]->n_captures; k++, (*count)++) {
                if (*n_in == MOST_OPERANDS)
                    return syn_fail(err, SYN_UNSUPPORTED,
                                    "more than %d operands and captured values", MOST_OPERANDS);
                in[(*n_in)++] = a->body[b]->capture[k];
            }
        }
    return SYN_OK;
}

static syn_status operands(struct syn_onnx_scope *s, const struct syn_onnx_node *n, bool trim,
                           int32_t *in, int32_t *n_in, struct syn_err *err)
{
    syn_status st = SYN_OK;
    *n_in = n->n_in;
    while (trim && *n_in > 0 && !*n->in[*n_in - 1]) (*n_in)--;
    if (*n_in > MOST_OPERANDS)
        return syn_fail(err, SYN_UNSUPPORTED, "%d operands: at most %d", (int)*n_in, MOST_OPERANDS);
    for (int32_t i = 0; st == SYN_OK && i < *n_in; i++) {
        in[i] = -1;
        if (*n->in[i]) st = syn_onnx_value(s, n->in[i], &in[i], err);
    }
    return st;
}

/* The node's outputs get their names. */
static syn_status outputs(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                          const int32_t *out, int32_t n_out, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < n_out && i < n->n_out; i++) {
        if (!*n->out[i] || out[i] < 0) continue;
        st = syn_onnx_bind(s, n->out[i], out[i], err);
        if (st == SYN_OK) st = name_value(s, out[i], n->out[i], err);
    }
    return st;
}

static syn_status plain_node(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                             struct syn_err *err)
{
    const syn_op_id id = syn_op_find(n->domain, n->op_type);
    const struct syn_op *op = syn_op_get(id);
    struct attrs a = {.n = 0};
    int32_t in[MOST_OPERANDS], out[SYN_MAX_OPERANDS], n_in = 0, captures = 0;
    bool wanted[SYN_MAX_OPERANDS] = {false};
    struct syn_node_spec spec = {.id = id,
                                 .name = syn_onnx_title(n),
                                 .in = in,
                                 .wanted = wanted,
                                 .opset = (int32_t)syn_onnx_version(s, n->domain)};
    syn_status st;
    if (!op || !strcmp(n->domain, "synthd"))
        return syn_fail(err, SYN_UNSUPPORTED, "no operator of domain \"%s\" has that name",
                        n->domain);
    if (!spec.opset)
        return syn_fail(err, SYN_INVALID, "domain \"%s\" is not among the model's opset_import",
                        n->domain);
    st = read_attrs(s, n, &a, err);
    if (st == SYN_OK) st = operands(s, n, a.n_bodies == 0, in, &n_in, err);
    if (st == SYN_OK) st = add_captures(op, &a, in, &n_in, &captures, err);
    if (st == SYN_OK && a.n_bodies && (id == SYN_OP_LOOP || id == SYN_OP_SCAN))
        a.list[a.n++] = syn_attr_of_int("captures", captures);
    spec.n_in = n_in, spec.n_attrs = a.n, spec.attrs = a.list;
    spec.n_out = n->n_out;
    while (spec.n_out > op->n_out && !*n->out[spec.n_out - 1]) spec.n_out--;
    if (spec.n_out < op->n_out) spec.n_out = op->n_out;
    if (st == SYN_OK && spec.n_out > syn_op_max_out(op))
        st = syn_fail(err, SYN_INVALID, "%d outputs: at most %d", (int)spec.n_out,
                      (int)syn_op_max_out(op));
    for (int32_t i = 0; st == SYN_OK && i < spec.n_out; i++) wanted[i] = i < n->n_out && *n->out[i];
    if (st == SYN_OK) st = syn_graph_add(s->g, &spec, out, err);
    if (st == SYN_OK) st = outputs(s, n, out, spec.n_out, err);
    attrs_free(&a);
    return st;
}

/* A model-local function is copied in: its inputs are the node's, its names get the node's in
 * front. */
static syn_status call_function(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                                const struct syn_onnx_function *f, struct syn_err *err)
{
    char prefix[512];
    struct syn_onnx_scope in = {.file = s->file,
                                .g = s->g,
                                .room = s->room,
                                .opset = f->opset,
                                .n_opsets = f->n_opsets,
                                .caller = n,
                                .function = f,
                                .prefix = prefix,
                                .depth = s->depth + 1};
    struct syn_onnx_node resolved = *n;
    struct syn_onnx_attr *attr = NULL;
    const int32_t first = s->g->n_values; /* of the values that are made inside */
    int32_t *order = syn_calloc((size_t)f->n_nodes + 1, sizeof *order);
    syn_status st = order ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    snprintf(prefix, sizeof prefix, "%.250s%.250s/", s->prefix,
             *n->name   ? n->name
             : n->n_out ? n->out[0]
                        : n->op_type);
    if (st == SYN_OK && s->depth >= SYN_ONNX_MAX_DEPTH)
        st = syn_fail(err, SYN_UNSUPPORTED,
                      "functions are nested more than %d deep, or call themselves",
                      SYN_ONNX_MAX_DEPTH);
    if (st == SYN_OK && (n->n_in > f->n_in || n->n_out > f->n_out))
        st = syn_fail(err, SYN_INVALID, "function %s takes %d inputs and gives %d outputs", f->name,
                      (int)f->n_in, (int)f->n_out);
    /* references in the call itself mean the caller's caller */
    if (st == SYN_OK && n->n_attrs) {
        if (!(attr = syn_calloc((size_t)n->n_attrs, sizeof *attr)))
            st = syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
        resolved.attr = attr, resolved.n_attrs = 0;
        for (int32_t i = 0; st == SYN_OK && i < n->n_attrs; i++) {
            const struct syn_onnx_attr *a = resolve(s, &n->attr[i]);
            if (!a) continue;
            attr[resolved.n_attrs] = *a;
            attr[resolved.n_attrs++].name = n->attr[i].name;
        }
        in.caller = &resolved;
    }
    for (int32_t i = 0; st == SYN_OK && i < f->n_in; i++) {
        int32_t v = -1;
        if (i < n->n_in && *n->in[i]) st = syn_onnx_value(s, n->in[i], &v, err);
        if (st == SYN_OK) st = syn_onnx_bind(&in, f->in[i], v, err);
    }
    if (st == SYN_OK) st = syn_onnx_sort(f->node, f->n_nodes, order, err);
    for (int32_t i = 0; st == SYN_OK && i < f->n_nodes; i++)
        st = syn_onnx_node(&in, &f->node[order[i]], err);
    for (int32_t i = 0; st == SYN_OK && i < n->n_out; i++) {
        int32_t v;
        if (!*n->out[i]) continue;
        if ((st = syn_onnx_value(&in, f->out[i], &v, err)) != SYN_OK) break;
        if (v < 0)
            st = syn_fail(err, SYN_INVALID, "function %s gives %s, which was left out", f->name,
                          f->out[i]);
        else st = syn_onnx_bind(s, n->out[i], v, err);
        if (st == SYN_OK && v >= first)
            st = name_value(s, v, n->out[i], err); /* not an input handed through */
    }
    syn_names_free(&in.names);
    syn_free(attr);
    syn_free(order);
    return st;
}

syn_status syn_onnx_node(struct syn_onnx_scope *s, const struct syn_onnx_node *n,
                         struct syn_err *err)
{
    const struct syn_onnx_function *f = syn_onnx_function_of(s->file, n);
    syn_status st;
    if (s->room->nodes-- <= 0)
        st = syn_fail(err, SYN_TOO_LARGE, "more than %d nodes, functions inlined", SYN_MAX_NODES);
    else
        st = f                                                    ? call_function(s, n, f, err)
             : !*n->domain && !strcmp(n->op_type, "Constant") ? constant_node(s, n, err)
                                                                  : plain_node(s, n, err);
    return st == SYN_OK ? st : syn_fail_in(err, st, "%s %s: ", n->op_type, syn_onnx_title(n));
}

/* --- graphs ----------------------------------------------------------------------------------- */

static syn_status graph_inputs(struct syn_onnx_scope *s, const struct syn_onnx_graph *g,
                               struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < g->n_inputs; i++) {
        const struct syn_onnx_value *x = &g->input[i];
        struct syn_shape shape = {.rank = -1};
        syn_dtype type = SYN_F32;
        int32_t v;
        v = syn_names_get(&s->names, x->name);
        if (v != SYN_NO_NAME && s->g->value[v].data)
            continue; /* an initializer's default: a constant here */
        if (!x->is_tensor && x->not_tensor)
            return syn_fail(err, SYN_UNSUPPORTED, "input %s is a %s: tensors only", x->name,
                            x->not_tensor);
        if (x->type != SYN_ONNX_UNDEFINED && !syn_onnx_dtype(x->type, &type))
            return syn_fail(err, SYN_UNSUPPORTED, "input %s holds %s: no type that runs here",
                            x->name, syn_onnx_type_word(x->type));
        if (x->has_shape) shape = x->shape;
        st = syn_graph_input_typed(s->g, x->name, type, &shape, &v, err);
        if (st == SYN_OK) st = syn_onnx_bind(s, x->name, v, err);
    }
    return st;
}

/* An output that is an input handed through, or a value that goes by another name or is an output
 * already, becomes a value of its own. */
static syn_status own_output(struct syn_onnx_scope *s, const char *name, int32_t *v,
                             struct syn_err *err)
{
    const struct syn_value *x = &s->g->value[*v];
    bool own = (x->producer >= 0 || x->data) && !strcmp(x->name, name);
    for (int32_t i = 0; own && i < s->g->n_outputs; i++) own = s->g->output[i] != *v;
    const struct syn_node_spec spec = {
        .id = SYN_OP_IDENTITY, .name = name, .opset = 13, .n_in = 1, .in = v, .n_out = 1};
    int32_t out;
    syn_status st;
    if (own) return SYN_OK;
    if ((st = syn_graph_add(s->g, &spec, &out, err)) != SYN_OK) return st;
    *v = out;
    return name_value(s, out, name, err);
}

static syn_status graph_outputs(struct syn_onnx_scope *s, const struct syn_onnx_graph *g,
                                struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < g->n_outputs; i++) {
        const struct syn_onnx_value *y = &g->output[i];
        int32_t v;
        if ((st = syn_onnx_value(s, y->name, &v, err)) != SYN_OK)
            return syn_fail_in(err, st, "output: ");
        if (v < 0) return syn_fail(err, SYN_INVALID, "output %s was left out", y->name);
        if (!s->up && (st = own_output(s, y->name, &v, err)) != SYN_OK) return st;
        if (!s->g->value[v].data && s->g->value[v].producer >= 0) {
            syn_dtype type;
            if (syn_onnx_dtype(y->type, &type)) s->g->value[v].dtype = type;
            s->g->value[v].shape = y->has_shape ? y->shape : (struct syn_shape){.rank = -1};
        }
        st = syn_graph_output(s->g, v, err);
    }
    return st;
}

syn_status syn_onnx_graph(struct syn_onnx_scope *s, const struct syn_onnx_graph *g,
                          struct syn_err *err)
{
    int32_t *order = syn_calloc((size_t)g->n_nodes + 1, sizeof *order);
    syn_status st = order ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    for (int32_t i = 0; st == SYN_OK && i < g->n_constants; i++) {
        int32_t v;
        st = syn_onnx_constant(s, g->constant[i].name, &g->constant[i], &v, err);
        if (st == SYN_OK) st = syn_onnx_bind(s, g->constant[i].name, v, err);
    }
    if (st == SYN_OK) st = graph_inputs(s, g, err);
    if (st == SYN_OK) st = syn_onnx_sort(g->node, g->n_nodes, order, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++)
        st = syn_onnx_node(s, &g->node[order[i]], err);
    if (st == SYN_OK) st = graph_outputs(s, g, err);
    syn_free(order);
    return st;
}
