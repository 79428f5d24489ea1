/* move_order.c - elements in another order or repeated: TRANSPOSE, EXPAND, TILE, DEPTH_TO_SPACE,
 * SPACE_TO_DEPTH, REVERSE_SEQUENCE.
 *
 * Source:  ONNX Transpose-1..25, Expand-8..13, Tile-6..13, DepthToSpace-1..13, SpaceToDepth-1..28,
 *          ReverseSequence-10. Any type.
 * Transpose: perm (empty = reversed): y.dim[d] = x.dim[perm[d]].
 * Expand:  in input, shape: both broadcast to each other (a 1 in shape leaves input's dimension).
 * Tile:    in input, repeats [rank]: y[at] = x[at mod x's dimensions].
 * DepthToSpace: blocksize b, mode DCR (channels are [b, b, c]) or CRD ([c, b, b]); x [n, c*b*b, h,
 *          w]. SpaceToDepth: the inverse.
 * ReverseSequence: in x, sequence_lens [batch] in [0, time]: the first sequence_lens[i] steps of
 *          row i backwards; batch_axis = 1, time_axis = 0, each 0 or 1 and different.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/graph/element.h"
#include "kernels/ops/move.h"
#include <inttypes.h>

/* --- Transpose ------------------------------------------------------------------------------- */

static int32_t perm_at(const struct syn_op_call *c, int32_t d)
{
    return (int32_t)syn_ops_entry(c, "perm", d, c->in[0].shape.rank - 1 - d);
}

static syn_status transpose_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape y = {.rank = x->rank};
    uint32_t seen = 0;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "perm", x->rank, err);
    if (st != SYN_OK) return st;
    for (int32_t d = 0; d < x->rank; d++) {
        const int32_t from = perm_at(c, d);
        if (from >= x->rank || seen >> from & 1)
            return syn_fail(err, SYN_INVALID, "%s: perm[%d] = %d: must be a permutation of [0, %d)",
                            c->op->name, (int)d, (int)from, (int)x->rank);
        seen |= (uint32_t)1 << from;
        y.dim[d] = x->dim[from];
    }
    return syn_move_result(c, &y, err);
}

static syn_status transpose_reference(const struct syn_op_call *c, struct syn_err *err)
{
    int64_t stride[SYN_MAX_RANK], step[SYN_MAX_RANK] = {0};
    (void)err;
    syn_move_strides(&c->in[0].shape, stride);
    for (int32_t d = 0; d < c->in[0].shape.rank; d++) step[d] = stride[perm_at(c, d)];
    syn_move_strided(c->out[0].data, &c->out[0].shape, c->in[0].data, 0, step,
                     syn_dtype_bytes(c->in[0].dtype));
    return SYN_OK;
}

/* --- Expand, Tile ---------------------------------------------------------------------------- */

static syn_status expand_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t dims[SYN_MAX_RANK];
    struct syn_shape want = {.rank = 0}, y;
    char a[192], b[192];
    bool given;
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, "shape", dims, SYN_MAX_RANK, &want.rank, &given, err);
    if (st != SYN_OK) return st;
    for (int32_t d = 0; d < want.rank; d++) want.dim[d] = dims[d];
    y.rank = x->rank > want.rank ? x->rank : want.rank;
    for (int32_t d = 0; d < y.rank; d++) {
        const int32_t dx = d - (y.rank - x->rank), dw = d - (y.rank - want.rank);
        const int64_t have = dx < 0 ? 1 : x->dim[dx], ask = dw < 0 ? 1 : want.dim[dw];
        if (ask < 0 || (have != ask && have != 1 && ask != 1))
            return syn_fail(err, SYN_INVALID,
                            "%s: input %s does not broadcast with shape %s: dimension %d",
                            c->op->name, syn_shape_text(x, a, sizeof a),
                            syn_shape_text(&want, b, sizeof b), (int)d);
        y.dim[d] = have == 1 ? ask : have;
    }
    return syn_move_result(c, &y, err);
}

static syn_status expand_reference(const struct syn_op_call *c, struct syn_err *err)
{
    int64_t step[SYN_MAX_RANK] = {0};
    (void)err;
    if (syn_ops_elements(&c->out[0].shape) == 0) return SYN_OK;
    syn_ops_steps(&c->in[0].shape, &c->out[0].shape, step);
    syn_move_strided(c->out[0].data, &c->out[0].shape, c->in[0].data, 0, step,
                     syn_dtype_bytes(c->in[0].dtype));
    return SYN_OK;
}

static syn_status tile_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = c->in[0].shape;
    int64_t repeats[SYN_MAX_RANK];
    int32_t n;
    bool given;
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ints(c, 1, "repeats", repeats, SYN_MAX_RANK, &n, &given, err);
    if (st != SYN_OK) return st;
    if (n != y.rank)
        return syn_fail(err, SYN_INVALID, "%s: repeats has %d entries: must have %d (input's rank)",
                        c->op->name, (int)n, (int)y.rank);
    for (int32_t d = 0; d < n; d++)
        if (repeats[d] < 0 || __builtin_mul_overflow(y.dim[d], repeats[d], &y.dim[d]))
            return syn_fail(err, SYN_INVALID,
                            "%s: repeats[%d] = %" PRId64 ": must be at least 0 and fit",
                            c->op->name, (int)d, repeats[d]);
    return syn_move_result(c, &y, err);
}

static syn_status tile_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    int64_t stride[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    char *dst = c->out[0].data;
    (void)err;
    syn_move_strides(x, stride);
    for (int64_t i = 0, n = syn_ops_elements(y); i < n; i++, dst += bytes) {
        int64_t from = 0;
        for (int32_t d = 0; d < y->rank; d++) from += at[d] % x->dim[d] * stride[d];
        syn_move_one(dst, (const char *)c->in[0].data + (size_t)from * bytes, bytes);
        syn_ops_next(y, at);
    }
    return SYN_OK;
}

/* --- DepthToSpace, SpaceToDepth -------------------------------------------------------------- */

/* A picture of any type, and a mode that there is. */
static syn_status check_blocks(const struct syn_op_call *c, struct syn_err *err)
{
    const char *mode = syn_attr_text(c->op, c->attr, "mode");
    const syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_ALL, 4, 4, err);
    if (st != SYN_OK || !strcmp(mode, "DCR") || !strcmp(mode, "CRD")) return st;
    return syn_fail(err, SYN_INVALID, "%s: mode '%.40s': must be DCR or CRD", c->op->name, mode);
}

static syn_status depth_to_space_shape(struct syn_op_call *c, struct syn_err *err)
{
    const int64_t b = syn_attr_int(c->op, c->attr, "blocksize");
    struct syn_shape y = c->in[0].shape;
    const syn_status st = check_blocks(c, err);
    if (st != SYN_OK) return st;
    if (y.dim[1] % (b * b))
        return syn_fail(err, SYN_INVALID,
                        "%s: input has %" PRId64 " channels: must be a multiple of %" PRId64,
                        c->op->name, y.dim[1], b * b);
    y.dim[1] /= b * b;
    for (int32_t d = 2; d < 4; d++)
        if (__builtin_mul_overflow(y.dim[d], b, &y.dim[d]))
            return syn_fail(err, SYN_TOO_LARGE, "%s: dimension %d is too large", c->op->name,
                            (int)d);
    return syn_move_result(c, &y, err);
}

static syn_status depth_to_space_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t b = syn_attr_int(c->op, c->attr, "blocksize");
    const bool crd = strcmp(syn_attr_text(c->op, c->attr, "mode"), "CRD") == 0;
    const struct syn_shape *x = &c->in[0].shape;
    const int64_t ch = x->dim[1] / (b * b), w = x->dim[3], plane = x->dim[2] * x->dim[3];
    const int64_t out[6] = {x->dim[0], ch, x->dim[2],
                            b,         w,  b}; /* n, c, h, block row, w, block column */
    const struct syn_shape y = syn_shape_of(6, out);
    if (syn_ops_elements(x) == 0) return SYN_OK;
    const int64_t step[SYN_MAX_RANK] = {x->dim[1] * plane, crd ? b * b * plane : plane,
                                        w, crd ? b * plane : b * ch * plane,
                                        1, crd ? plane : ch * plane};
    (void)err;
    syn_move_strided(c->out[0].data, &y, c->in[0].data, 0, step, syn_dtype_bytes(c->in[0].dtype));
    return SYN_OK;
}

static syn_status space_to_depth_shape(struct syn_op_call *c, struct syn_err *err)
{
    const int64_t b = syn_attr_int(c->op, c->attr, "blocksize");
    struct syn_shape y = c->in[0].shape;
    const syn_status st = check_blocks(c, err);
    if (st != SYN_OK) return st;
    for (int32_t d = 2; d < 4; d++) {
        if (y.dim[d] % b)
            return syn_fail(err, SYN_INVALID,
                            "%s: dimension %d is %" PRId64 ": must be a multiple of %" PRId64,
                            c->op->name, (int)d, y.dim[d], b);
        y.dim[d] /= b;
        if (__builtin_mul_overflow(y.dim[1], b, &y.dim[1]))
            return syn_fail(err, SYN_TOO_LARGE, "%s: too many channels", c->op->name);
    }
    return syn_move_result(c, &y, err);
}

static syn_status space_to_depth_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t b = syn_attr_int(c->op, c->attr, "blocksize");
    const bool crd = strcmp(syn_attr_text(c->op, c->attr, "mode"), "CRD") == 0;
    const struct syn_shape *x = &c->in[0].shape, *o = &c->out[0].shape;
    if (syn_ops_elements(x) == 0) return SYN_OK;
    const int64_t w = x->dim[3], plane = x->dim[2] * w, ch = x->dim[1];
    const int64_t dcr_dims[6] = {o->dim[0], b, b, ch, o->dim[2], o->dim[3]};
    const int64_t crd_dims[6] = {o->dim[0], ch, b, b, o->dim[2], o->dim[3]};
    const struct syn_shape y = syn_shape_of(6, crd ? crd_dims : dcr_dims);
    const int64_t dcr_step[SYN_MAX_RANK] = {ch * plane, w, 1, plane, b * w, b};
    const int64_t crd_step[SYN_MAX_RANK] = {ch * plane, plane, w, 1, b * w, b};
    (void)err;
    syn_move_strided(c->out[0].data, &y, c->in[0].data, 0, crd ? crd_step : dcr_step,
                     syn_dtype_bytes(c->in[0].dtype));
    return SYN_OK;
}

/* --- ReverseSequence ------------------------------------------------------------------------- */

static syn_status reverse_shape(struct syn_op_call *c, struct syn_err *err)
{
    const int64_t batch = syn_attr_int(c->op, c->attr, "batch_axis");
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_ALL, 2, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "sequence_lens", SYN_TYPES_INDEX, 1, 1, err);
    if (st != SYN_OK) return st;
    if (batch == syn_attr_int(c->op, c->attr, "time_axis"))
        return syn_fail(err, SYN_INVALID, "%s: batch_axis and time_axis are both %" PRId64,
                        c->op->name, batch);
    if (c->in[1].shape.dim[0] != c->in[0].shape.dim[batch])
        return syn_fail(err, SYN_INVALID,
                        "%s: sequence_lens has %" PRId64 " entries: must have %" PRId64
                        " (the batch)",
                        c->op->name, c->in[1].shape.dim[0], c->in[0].shape.dim[batch]);
    return syn_move_result(c, &c->in[0].shape, err);
}

static syn_status reverse_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *s = &c->in[0].shape;
    const int64_t batch = syn_attr_int(c->op, c->attr, "batch_axis"),
                  rows = s->dim[0], columns = s->dim[1], time = s->dim[1 - batch];
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    if (syn_ops_elements(s) == 0) return SYN_OK;
    const size_t run = (size_t)syn_move_product(s, 2, s->rank) * bytes;
    for (int64_t i = 0; i < s->dim[batch]; i++) {
        const int64_t length = syn_element_int(c->in[1].dtype, c->in[1].data, i);
        if (length < 0 || length > time)
            return syn_fail(err, SYN_INVALID,
                            "%s: sequence_lens[%" PRId64 "] = %" PRId64 ": must be in [0, %" PRId64
                            "]",
                            c->op->name, i, length, time);
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const int64_t t = batch ? i : j;
            const int64_t length = syn_element_int(c->in[1].dtype, c->in[1].data, batch ? j : i);
            const int64_t from = t < length ? length - 1 - t : t;
            const int64_t source = batch ? from * columns + j : i * columns + from;
            memcpy((char *)c->out[0].data + (size_t)(i * columns + j) * run,
                   (const char *)c->in[0].data + (size_t)source * run, run);
        }
    return SYN_OK;
}

static const struct syn_attr_spec transpose_attrs[] = {
    {"perm", SYN_ATTR_INTS, 0, 0, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec depth_attrs[] = {
    {"blocksize", SYN_ATTR_INT, 1, 1, SYN_OPS_MAX_STEP},
    {"mode", SYN_ATTR_STRING, 0, 0, 0, "DCR"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec reverse_attrs[] = {
    {"batch_axis", SYN_ATTR_INT, 1, 0, 1},
    {"time_axis", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_transpose = {
    .name = "Transpose", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = transpose_attrs, .shape = transpose_shape, .reference = transpose_reference,
};
const struct syn_op syn_op_expand = {
    .name = "Expand", .min_in = 2, .max_in = 2, .n_out = 1, .reads = 1 << 1,
    .shape = expand_shape, .reference = expand_reference,
};
const struct syn_op syn_op_tile = {
    .name = "Tile", .min_in = 2, .max_in = 2, .n_out = 1, .reads = 1 << 1,
    .shape = tile_shape, .reference = tile_reference,
};
const struct syn_op syn_op_depth_to_space = {
    .name = "DepthToSpace", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = depth_attrs, .shape = depth_to_space_shape, .reference = depth_to_space_reference,
};
const struct syn_op syn_op_space_to_depth = {
    .name = "SpaceToDepth", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = depth_attrs, .shape = space_to_depth_shape, .reference = space_to_depth_reference,
};
const struct syn_op syn_op_reverse_sequence = {
    .name = "ReverseSequence", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = reverse_attrs, .shape = reverse_shape, .reference = reverse_reference,
};
