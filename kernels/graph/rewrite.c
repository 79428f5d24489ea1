/* rewrite.c - see rewrite.h. */
#include "kernels/graph/rewrite.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include <string.h>

static void count_all(struct syn_rewrite *r)
{
    const struct syn_graph *g = r->g;
    memset(r->uses, 0, (size_t)r->cap * sizeof *r->uses);
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0) r->uses[g->node[i].in[k]]++;
    for (int32_t i = 0; i < g->n_outputs; i++) r->uses[g->output[i]]++;
}

/* Values made since come with room of their own. */
static syn_status reserve(struct syn_rewrite *r, struct syn_err *err)
{
    int32_t *more;
    if (r->uses && r->g->n_values <= r->cap) return SYN_OK;
    more = syn_realloc(r->uses, (size_t)r->g->n_values + 256, sizeof *more);
    if (!more) return syn_fail(err, SYN_NO_MEMORY, "rewrite: no memory");
    for (int32_t v = r->cap; v < r->g->n_values + 256; v++) more[v] = 0;
    r->uses = more;
    r->cap = r->g->n_values + 256;
    return SYN_OK;
}

syn_status syn_rewrite_open(struct syn_rewrite *r, struct syn_graph *g, struct syn_err *err)
{
    syn_status st;
    *r = (struct syn_rewrite){.g = g};
    if ((st = reserve(r, err)) == SYN_OK) count_all(r);
    return st;
}

void syn_rewrite_close(struct syn_rewrite *r)
{
    if (r->uses) syn_graph_sweep(r->g);
    syn_free(r->uses);
    r->uses = NULL;
}

struct syn_node *syn_rewrite_maker(const struct syn_rewrite *r, int32_t value, syn_op_id id)
{
    const int32_t p = value >= 0 ? r->g->value[value].producer : -1;
    struct syn_node *n = p >= 0 ? &r->g->node[p] : NULL;
    return n && n->op && n->id == id && n->n_out > 0 && n->out[0] == value ? n : NULL;
}

struct syn_node *syn_rewrite_only(const struct syn_rewrite *r, int32_t value, syn_op_id id)
{
    struct syn_node *n = syn_rewrite_maker(r, value, id);
    return n && r->uses[value] == 1 ? n : NULL;
}

struct syn_node *syn_rewrite_reader(const struct syn_rewrite *r, int32_t value)
{
    const struct syn_graph *g = r->g;
    if (r->uses[value] != 1) return NULL;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] == value) return &g->node[i];
    return NULL;
}

bool syn_rewrite_number(const struct syn_graph *g, int32_t value, double *out)
{
    const struct syn_value *v = value >= 0 ? &g->value[value] : NULL;
    int64_t n;
    if (!v || !v->data || !syn_shape_elements(&v->shape, &n) || n != 1) return false;
    *out = syn_element_double(v->dtype, v->data, 0);
    return true;
}

bool syn_rewrite_is(const struct syn_graph *g, int32_t value, double wanted)
{
    double v;
    return syn_rewrite_number(g, value, &v) && v == wanted;
}

int32_t syn_rewrite_ints(const struct syn_graph *g, int32_t value, int64_t *list, int32_t most)
{
    const struct syn_value *v = value >= 0 ? &g->value[value] : NULL;
    int64_t n;
    if (!v || !v->data || v->shape.rank > 1 || (v->dtype != SYN_I64 && v->dtype != SYN_I32) ||
        !syn_shape_elements(&v->shape, &n) || n > most)
        return -1;
    for (int64_t i = 0; i < n; i++) list[i] = syn_element_int(v->dtype, v->data, i);
    return (int32_t)n;
}

int32_t syn_rewrite_list(const struct syn_graph *g, const struct syn_node *n, int32_t k,
                         const char *attr, int64_t *list, int32_t most)
{
    const struct syn_attr *a;
    if (k >= 0 && k < n->n_in && n->in[k] >= 0) return syn_rewrite_ints(g, n->in[k], list, most);
    a = attr ? syn_attr_list(n->op, n->attr, attr) : NULL;
    if (!a || a->n == 0 || a->n > most || a->kind != SYN_ATTR_INTS) return -1;
    memcpy(list, a->v.i, (size_t)a->n * sizeof *list);
    return a->n;
}

syn_status syn_rewrite_put(struct syn_rewrite *r, struct syn_node *at,
                           const struct syn_node_spec *spec, struct syn_err *err)
{
    struct syn_graph *g = r->g;
    const int32_t index = (int32_t)(at - g->node), value = at->out[0];
    const struct syn_node old = *at;
    int32_t out[SYN_MAX_OPERANDS];
    syn_status st = syn_graph_add(g, spec, out, err); /* may move g->node */
    if (st != SYN_OK) return st;
    g->node[index] = g->node[--g->n_nodes];
    g->node[g->n_nodes].op = NULL;
    g->node[index].out[0] = value;
    g->value[value].producer = index;
    for (int32_t o = 1; o < g->node[index].n_out; o++)
        if (out[o] >= 0) g->value[out[o]].producer = index;
    if ((st = reserve(r, err)) != SYN_OK) return st;
    for (int32_t k = 0; k < spec->n_in; k++)
        if (spec->in[k] >= 0) r->uses[spec->in[k]]++;
    for (int32_t k = 0; k < old.n_in; k++)
        if (old.in[k] >= 0) r->uses[old.in[k]]--;
    return SYN_OK;
}

void syn_rewrite_bypass(struct syn_rewrite *r, struct syn_node *n, int32_t value)
{
    const int32_t old = n->out[0];
    syn_graph_replace(r->g, old, value);
    r->uses[value] += r->uses[old];
    r->uses[old] = 0;
    for (int32_t k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0) r->uses[n->in[k]]--;
    n->op = NULL;
}
