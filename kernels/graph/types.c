/* types.c - see types.h. */
#include "kernels/graph/types.h"
#include "kernels/graph/element.h"

/* First output's type where it is not the first operand's; false: it is. */
static bool own_rule(const struct syn_graph *g, const struct syn_node *n, const syn_dtype *type,
                     syn_dtype *out)
{
    switch (n->id) {
    case SYN_OP_SHAPE:
    case SYN_OP_SIZE:
    case SYN_OP_NON_ZERO: *out = SYN_I64; return true;
    case SYN_OP_EQUAL:
    case SYN_OP_LESS:
    case SYN_OP_LESS_OR_EQUAL:
    case SYN_OP_GREATER:
    case SYN_OP_GREATER_OR_EQUAL:
    case SYN_OP_AND:
    case SYN_OP_OR:
    case SYN_OP_NOT:
    case SYN_OP_IS_NAN:
    case SYN_OP_IS_INF: *out = SYN_BOOL; return true;
    case SYN_OP_WHERE: *out = n->in[1] >= 0 ? type[n->in[1]] : SYN_TYPE_UNKNOWN; return true;
    case SYN_OP_CAST: *out = syn_dtype_of_onnx(syn_attr_int(n->op, n->attr, "to")); return true;
    case SYN_OP_CONSTANT_OF_SHAPE: {
        const struct syn_tensor *t = syn_attr_tensor(n->op, n->attr, "value");
        *out = t ? t->dtype : SYN_F32;
        return true;
    }
    default: (void)g; return false;
    }
}

/* All outputs have the first operand's type. */
static bool follows_first(syn_op_id id)
{
    switch (id) {
    case SYN_OP_ADD: case SYN_OP_SUB: case SYN_OP_MUL: case SYN_OP_DIV: case SYN_OP_MIN:
    case SYN_OP_MAX: case SYN_OP_POW: case SYN_OP_NEG: case SYN_OP_ABS: case SYN_OP_SQRT:
    case SYN_OP_RECIPROCAL: case SYN_OP_EXP: case SYN_OP_LOG: case SYN_OP_RELU:
    case SYN_OP_LEAKY_RELU: case SYN_OP_PRELU: case SYN_OP_SIGMOID: case SYN_OP_TANH:
    case SYN_OP_ERF: case SYN_OP_SOFTPLUS: case SYN_OP_CLIP_TO: case SYN_OP_IDENTITY:
    case SYN_OP_CEIL: case SYN_OP_FLOOR: case SYN_OP_ROUND: case SYN_OP_CONCAT:
    case SYN_OP_RESHAPE_TO: case SYN_OP_TRANSPOSE: case SYN_OP_SQUEEZE: case SYN_OP_UNSQUEEZE:
    case SYN_OP_FLATTEN: case SYN_OP_EXPAND: case SYN_OP_TILE: case SYN_OP_SPLIT:
    case SYN_OP_SLICE: case SYN_OP_PAD_ND: case SYN_OP_GATHER: case SYN_OP_GATHER_ELEMENTS:
    case SYN_OP_GATHER_ND: case SYN_OP_SCATTER_ND: case SYN_OP_RANGE: case SYN_OP_CONV_ND:
    case SYN_OP_CONV_TRANSPOSE_ND: case SYN_OP_MAT_MUL: case SYN_OP_GEMM: case SYN_OP_EINSUM:
    case SYN_OP_SOFTMAX: case SYN_OP_CUM_SUM: case SYN_OP_REDUCE_SUM: case SYN_OP_REDUCE_MEAN:
    case SYN_OP_REDUCE_MAX: case SYN_OP_REDUCE_MIN: case SYN_OP_LAYER_NORMALIZATION:
    case SYN_OP_INSTANCE_NORMALIZATION: case SYN_OP_BATCH_NORMALIZATION:
    case SYN_OP_GLOBAL_AVERAGE_POOL: case SYN_OP_AVERAGE_POOL_ND: case SYN_OP_RESIZE_ND:
    case SYN_OP_GRU: case SYN_OP_LSTM: case SYN_OP_CHAIN: case SYN_OP_CONV_STEP:
    case SYN_OP_CONV_POINT: return true;
    default: return false;
    }
}

void syn_graph_types(const struct syn_graph *g, syn_dtype *type)
{
    for (int32_t v = 0; v < g->n_values; v++)
        type[v] = g->value[v].data ? g->value[v].dtype : SYN_TYPE_UNKNOWN;
    for (int32_t i = 0; i < g->n_inputs; i++) type[g->input[i]] = g->value[g->input[i]].dtype;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        syn_dtype out = SYN_TYPE_UNKNOWN;
        const bool own = n->op && own_rule(g, n, type, &out);
        const bool first = n->op && !own && follows_first(n->id) && n->n_in > 0 && n->in[0] >= 0;
        if (first) out = type[n->in[0]];
        for (int32_t o = 0; n->op && o < n->n_out; o++)
            if (n->out[o] >= 0 && (first || o == 0)) type[n->out[o]] = out;
    }
}
