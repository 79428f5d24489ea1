/* pass_widen.c - see passes.h: a network stored in half precision computes in f32.
 *
 * No CPU kernel here computes in f16; references would, element by element. So f16 constants
 * become f32 and Casts to f16 become Casts to f32, where f16 lies inside alone: no input or output
 * of the graph has it, and no operator makes it by an attribute. Results are those of f32
 * arithmetic on the same weights. */
#include "kernels/graph/element.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"

#define ONNX_FLOAT 1
#define ONNX_FLOAT16 10

/* f16 could come from somewhere that this pass does not change. */
static bool comes_from_elsewhere(const struct syn_graph *g)
{
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (g->value[g->input[i]].dtype == SYN_F16) return true;
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (g->value[g->output[i]].dtype == SYN_F16) return true;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!n->op) continue;
        for (int32_t a = 0; n->op->attrs && n->op->attrs[a].name; a++) {
            const struct syn_attr *v = &n->attr[a];
            /* bodies have constants of their own */
            if (v->kind == SYN_ATTR_GRAPH && v->n) return true;
            if (v->kind == SYN_ATTR_TENSOR && v->n && v->v.tensor->dtype == SYN_F16) return true;
            if (v->kind == SYN_ATTR_INT && v->v.i1 == ONNX_FLOAT16 && n->id != SYN_OP_CAST &&
                !__builtin_strcmp(v->name, "dtype"))
                return true;
        }
        if (n->id == SYN_OP_CAST_LIKE || n->id == SYN_OP_BIT_CAST ||
            n->id == SYN_OP_DEQUANTIZE_LINEAR)
            return true;
    }
    return false;
}

syn_status syn_pass_widen(struct syn_graph *g, struct syn_err *err)
{
    bool any = false;
    for (int32_t v = 0; v < g->n_values; v++)
        any |= g->value[v].data && g->value[v].dtype == SYN_F16;
    if (!any || comes_from_elsewhere(g)) return SYN_OK;
    for (int32_t v = 0; v < g->n_values; v++) {
        struct syn_value *c = &g->value[v];
        int64_t n;
        float *wide;
        if (!c->data || c->dtype != SYN_F16 || !syn_shape_elements(&c->shape, &n)) continue;
        if (!(wide = syn_arena_new(&g->arena, n ? (size_t)n : 1, sizeof *wide)))
            return syn_fail(err, SYN_NO_MEMORY, "constant %s: no memory for its f32 form", c->name);
        syn_element_convert(SYN_F16, c->data, SYN_F32, wide, n);
        c->data = wide, c->dtype = SYN_F32, c->key = (uintptr_t)wide;
    }
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t a = 0;
             g->node[i].op && g->node[i].id == SYN_OP_CAST && g->node[i].op->attrs[a].name; a++)
            if (!__builtin_strcmp(g->node[i].op->attrs[a].name, "to") &&
                g->node[i].attr[a].v.i1 == ONNX_FLOAT16)
                g->node[i].attr[a].v.i1 = ONNX_FLOAT;
    return SYN_OK;
}
