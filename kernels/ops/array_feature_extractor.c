/* array_feature_extractor.c - columns of a tensor by their numbers: ARRAY_FEATURE_EXTRACTOR.
 *
 * Source:  ONNX (domain ai.onnx.ml) ArrayFeatureExtractor-1.
 * Operands: x [..., n]; y i64 of any shape, its entries in order; z [..., entries of y], for an x
 *          of rank 1 [1, entries].
 * Maths:   z[..., k] = x[..., y[k]]; a negative y counts from the end, as onnx.reference has it.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/move.h"

#define TYPES (SYN_TYPE(F32) | SYN_TYPE(F64) | SYN_TYPES_INDEX)

static syn_status extractor_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape z = c->in[0].shape;
    syn_status st = syn_ops_ranked(c, 0, "X", TYPES, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "Y", SYN_TYPE(I64), err);
    if (st != SYN_OK) return st;
    z = c->in[0].shape;
    if (z.rank == 1) z.dim[z.rank++ - 1] = 1;
    z.dim[z.rank - 1] = syn_ops_elements(&c->in[1].shape);
    return syn_move_result(c, &z, err);
}

static syn_status extractor_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *z = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    const int64_t n = x->dim[x->rank - 1], entries = z->dim[z->rank - 1];
    const char *src = c->in[0].data;
    char *dst = c->out[0].data;
    if (syn_ops_elements(z) == 0) return SYN_OK;
    for (int64_t row = 0; row < syn_ops_elements(z) / entries; row++)
        for (int64_t k = 0; k < entries; k++) {
            int64_t at;
            const syn_status st = syn_move_index(c, 1, "Y", k, n, &at, err);
            if (st != SYN_OK) return st;
            syn_move_one(dst + (size_t)(row * entries + k) * bytes,
                         src + (size_t)(row * n + at) * bytes, bytes);
        }
    return SYN_OK;
}

const struct syn_op syn_op_array_feature_extractor = {
    .name = "ArrayFeatureExtractor", .domain = "ai.onnx.ml", .min_in = 2, .max_in = 2, .n_out = 1,
    .shape = extractor_shape, .reference = extractor_reference,
};
