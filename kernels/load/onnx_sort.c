/* onnx_sort.c - nodes in an order where producers come first, and operators that are not known.
 * See onnx_build.h.
 *
 * ONNX demands the order; converters that add Casts at the end of the list break it, and other
 * runtimes sort. */
#include "kernels/base/alloc.h"
#include "kernels/load/onnx_build.h"
#include <stdio.h>
#include <string.h>

struct sort {
    const struct syn_onnx_node *node;
    int32_t n, *order, done;
    struct syn_names maker; /* value name -> node */
    int8_t *state;          /* 0 not seen, 1 waits for its operands, 2 in order */
    int32_t *stack, depth, cap; /* nodes to visit; one may be there several times */
    bool no_memory;
};

/* Pushes the makers of names that the body reads and does not make itself. A name that a body
 * makes may hide an outer one; waiting for that one then costs nothing. */
static void push_makers_of_body(struct sort *s, const struct syn_onnx_graph *g, int32_t level);

static void push_maker(struct sort *s, const char *name)
{
    const int32_t i = *name ? syn_names_get(&s->maker, name) : SYN_NO_NAME;
    if (i == SYN_NO_NAME || s->state[i] != 0) return;
    if (s->depth == s->cap) {
        int32_t *more = syn_realloc(s->stack, (size_t)s->cap * 2 + 64, sizeof *more);
        if (!more) {
            s->no_memory = true;
            return;
        }
        s->stack = more;
        s->cap = s->cap * 2 + 64;
    }
    s->stack[s->depth++] = i;
}

static void push_makers(struct sort *s, const struct syn_onnx_node *n, int32_t level)
{
    for (int32_t k = 0; k < n->n_in; k++) push_maker(s, n->in[k]);
    for (int32_t a = 0; a < n->n_attrs; a++)
        for (int32_t k = 0;
             (n->attr[a].type == SYN_ONNX_ATTR_GRAPH || n->attr[a].type == SYN_ONNX_ATTR_GRAPHS) &&
             k < n->attr[a].n;
             k++)
            push_makers_of_body(s, n->attr[a].graph[k], level + 1);
}

static void push_makers_of_body(struct sort *s, const struct syn_onnx_graph *g, int32_t level)
{
    if (level > SYN_ONNX_MAX_DEPTH) return; /* refused when it is built */
    for (int32_t i = 0; i < g->n_nodes; i++) push_makers(s, &g->node[i], level);
    for (int32_t i = 0; i < g->n_outputs; i++) push_maker(s, g->output[i].name);
}

/* Puts node i after everything that it needs. */
static void visit(struct sort *s, int32_t i)
{
    if (s->state[i] != 0) return;
    s->stack[s->depth++] = i; /* room: the stack is empty here and never of no size */
    while (s->depth > 0) {
        const int32_t top = s->stack[s->depth - 1];
        if (s->state[top] == 2) {
            s->depth--;
        } else if (s->state[top] == 1) { /* its operands are in order */
            s->state[top] = 2;
            s->order[s->done++] = top;
            s->depth--;
        } else {
            s->state[top] = 1;
            push_makers(s, &s->node[top], 0);
        }
    }
}

/* The first node that reads what is made after it, or by itself; NULL: the order is one. */
static const struct syn_onnx_node *first_unsorted(const struct sort *s, const int32_t *place)
{
    for (int32_t i = 0; i < s->n; i++) {
        const struct syn_onnx_node *n = &s->node[s->order[i]];
        for (int32_t k = 0; k < n->n_in; k++) {
            const int32_t m = *n->in[k] ? syn_names_get(&s->maker, n->in[k]) : SYN_NO_NAME;
            if (m != SYN_NO_NAME && place[m] >= i) return n;
        }
    }
    return NULL;
}

syn_status syn_onnx_sort(const struct syn_onnx_node *node, int32_t n, int32_t *order,
                         struct syn_err *err)
{
    struct sort s = {.node = node, .n = n, .order = order};
    int32_t *place = syn_calloc((size_t)n + 1, sizeof *place);
    syn_status st = SYN_OK;
    s.state = syn_calloc((size_t)n + 1, sizeof *s.state);
    s.cap = 64;
    s.stack = syn_calloc((size_t)s.cap, sizeof *s.stack);
    if (!place || !s.state || !s.stack) st = syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        for (int32_t k = 0; k < node[i].n_out; k++)
            if (*node[i].out[k] && !syn_names_put(&s.maker, node[i].out[k], i))
                st = syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    for (int32_t i = 0; st == SYN_OK && i < n; i++) visit(&s, i);
    if (s.no_memory) st = syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    for (int32_t i = 0; st == SYN_OK && i < n; i++) place[order[i]] = i;
    const struct syn_onnx_node *late = st == SYN_OK ? first_unsorted(&s, place) : NULL;
    if (late)
        st = syn_fail(err, SYN_INVALID,
                      "onnx: nodes form a cycle: %.60s %.100s waits for an output that needs its "
                      "own",
                      late->op_type, syn_onnx_title(late));
    syn_names_free(&s.maker);
    syn_free(place);
    syn_free(s.state);
    syn_free(s.stack);
    return st;
}

/* --- operators ------------------------------------------------------------------------------- */

struct missing {
    char text[360];
    size_t used;
    int32_t n, n_types; /* operators, and tensors and inputs that nothing here takes */
    struct syn_names seen; /* "domain.op" in arena */
    struct syn_arena arena;
    bool no_memory;
};

/* Adds a word to the list unless it is in it. */
static void note(struct missing *m, const char *word, int32_t *count)
{
    char *kept;
    if (syn_names_get(&m->seen, word) != SYN_NO_NAME) return;
    kept = syn_arena_strdup(&m->arena, word);
    if (!kept || !syn_names_put(&m->seen, kept, 0)) m->no_memory = true;
    ++*count;
    if (m->used + strlen(word) + 3 < sizeof m->text)
        m->used += (size_t)snprintf(m->text + m->used, sizeof m->text - m->used, "%s%s",
                                    m->used ? ", " : "", word);
    else if (m->used + 4 < sizeof m->text && m->text[m->used - 1] != '.')
        m->used += (size_t)snprintf(m->text + m->used, sizeof m->text - m->used, " ...");
}

static void note_operator(struct missing *m, const struct syn_onnx_node *n, int64_t version)
{
    char word[160];
    snprintf(word, sizeof word, "%.60s%s%.80s-%lld", n->domain, *n->domain ? "." : "", n->op_type,
             (long long)version);
    note(m, word, &m->n);
}

static void note_input(struct missing *m, const char *name, const char *what)
{
    char word[160];
    snprintf(word, sizeof word, "%.80s (%s)", name, what);
    note(m, word, &m->n_types);
}

static void note_type(struct missing *m, const char *name, syn_onnx_type type)
{
    char word[160];
    syn_dtype unused;
    if (type == SYN_ONNX_UNDEFINED || syn_onnx_dtype(type, &unused)) return;
    snprintf(word, sizeof word, "%.80s (%s)", name, syn_onnx_type_word(type));
    note(m, word, &m->n_types);
}

static int64_t version_in(const struct syn_onnx_opset *list, int32_t n, const char *domain)
{
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(list[i].domain, domain)) return list[i].version;
    return 0;
}

static void look_through(struct missing *m, const struct syn_onnx_file *f,
                         const struct syn_onnx_node *node, int32_t n,
                         const struct syn_onnx_opset *opset, int32_t n_opsets, int32_t level)
{
    for (int32_t i = 0; level <= SYN_ONNX_MAX_DEPTH && i < n; i++) {
        const bool constant = !*node[i].domain && !strcmp(node[i].op_type, "Constant");
        if (!constant && !syn_onnx_function_of(f, &node[i]) &&
            (syn_op_find(node[i].domain, node[i].op_type) == SYN_OP_COUNT ||
             !strcmp(node[i].domain, "synthd")))
            note_operator(m, &node[i], version_in(opset, n_opsets, node[i].domain));
        for (int32_t a = 0; a < node[i].n_attrs; a++)
            for (int32_t k = 0;
                 node[i].attr[a].type == SYN_ONNX_ATTR_GRAPH && k < node[i].attr[a].n; k++)
                look_through(m, f, node[i].attr[a].graph[k]->node,
                             node[i].attr[a].graph[k]->n_nodes, opset, n_opsets, level + 1);
    }
}

syn_status syn_onnx_all_known(const struct syn_onnx_file *f, struct syn_err *err)
{
    struct missing m = {.used = 0};
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < f->graph->n_constants; i++)
        note_type(&m, f->graph->constant[i].name, f->graph->constant[i].type);
    for (int32_t i = 0; i < f->graph->n_inputs; i++) {
        const struct syn_onnx_value *x = &f->graph->input[i];
        if (x->not_tensor) note_input(&m, x->name, x->not_tensor);
        else note_type(&m, x->name, x->type);
    }
    look_through(&m, f, f->graph->node, f->graph->n_nodes, f->opset, f->n_opsets, 0);
    for (int32_t i = 0; i < f->n_functions; i++)
        look_through(&m, f, f->function[i].node, f->function[i].n_nodes, f->function[i].opset,
                     f->function[i].n_opsets, 0);
    if (m.no_memory) st = syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    else if (m.n_types)
        st = syn_fail(err, SYN_UNSUPPORTED,
                      "onnx: nothing here runs %d operator%s and %d value%s of these: %s", (int)m.n,
                      m.n == 1 ? "" : "s", (int)m.n_types, m.n_types == 1 ? "" : "s", m.text);
    else if (m.n)
        st = syn_fail(err, SYN_UNSUPPORTED,
                      "onnx: %d operator%s not known here (operator-opset): %s", (int)m.n,
                      m.n == 1 ? " is" : "s are", m.text);
    syn_names_free(&m.seen);
    syn_arena_deinit(&m.arena);
    return st;
}
