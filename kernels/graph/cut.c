/* cut.c - a part of a graph: values given instead of computed, further outputs. See graph.h. */
#include "kernels/graph/graph.h"
#include <string.h>

int32_t syn_graph_find(const struct syn_graph *g, const char *name)
{
    for (int32_t v = 0; *name && v < g->n_values; v++)
        if (!strcmp(g->value[v].name, name)) return v;
    return -1;
}

static syn_status find(const struct syn_graph *g, const char *name, int32_t *v, struct syn_err *err)
{
    if ((*v = syn_graph_find(g, name)) >= 0) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "model: no value named %s", name);
}

static void drop_unread_inputs(struct syn_graph *g)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        if (syn_graph_uses(g, g->input[i]))
            g->input[kept++] = g->input[i];
        else
            /* nobody states its lengths: placed as a scalar */
            g->value[g->input[i]].shape.rank = 0;
    }
    g->n_inputs = kept;
}

syn_status syn_graph_cut(struct syn_graph *g, int32_t n_inputs, const char *const *inputs,
                         int32_t n_outputs, const char *const *outputs, struct syn_err *err)
{
    const struct syn_shape any = {.rank = -1};
    for (int32_t i = 0; i < n_outputs; i++) {
        int32_t v;
        syn_status st = find(g, outputs[i], &v, err);
        if (st == SYN_OK) st = syn_graph_output(g, v, err);
        if (st != SYN_OK) return st;
        if (g->value[v].producer >= 0) g->value[v].shape = any; /* the file states none for it */
    }
    for (int32_t i = 0; i < n_inputs; i++) {
        int32_t from, to;
        syn_status st = find(g, inputs[i], &from, err);
        if (st != SYN_OK) return st;
        const syn_dtype type = g->value[from].dtype;
        g->value[from].name = ""; /* the new input has it now */
        if ((st = syn_graph_input_typed(g, inputs[i], type, &any, &to, err)) != SYN_OK) return st;
        syn_graph_replace(g, from, to);
    }
    syn_graph_sweep(g);
    drop_unread_inputs(g);
    return SYN_OK;
}
