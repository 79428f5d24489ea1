/* scan.c - a body run over the slices of tensors: SCAN.
 *
 * Source:  ONNX Scan-8 (batches), Scan-9..25.
 * Operands: opset 9 on: states, scanned tensors (num_scan_inputs), captures. Opset 8:
 *          sequence_lens?, states [batch,...], scanned [batch,sequence,...], captures.
 * Outputs:  final states, then what the body yields besides, stacked along scan_output_axes (0); in
 *          opset 8 [batch, sequence,...], zeros after a shorter sequence's end.
 * Attributes: scan_input_axes, scan_input_directions (opset 8: directions), scan_output_axes,
 *          scan_output_directions: 1 = from the end, or stacked from the end; captures (body.h).
 * Layer:   kernels/ops.   Threads: a call belongs to one thread.
 * Ownership: states, slices and yields of the runs so far, freed on every way out. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/body.h"
#include <inttypes.h>
#include <string.h>

struct scan {
    const struct syn_op_call *c;
    const struct syn_graph *body;
    int32_t first;               /* operand of the first state */
    int32_t n_states, n_scanned, n_yields, n_captures;
    int64_t length;              /* of the scanned axes */
    int32_t axis[SYN_MAX_OPERANDS]; /* by scanned tensor */
    struct syn_tensor *in, *out; /* of the body; in[n_states..] of the slices are owned */
    struct syn_state *state;
    struct syn_gather *yield;
};

static syn_status scan_counts(struct scan *s, struct syn_err *err)
{
    const struct syn_op_call *c = s->c;
    const char *const lists[] = {"scan_input_axes", "scan_input_directions", "directions"};
    const char *const of_yields[] = {"scan_output_axes", "scan_output_directions"};
    syn_status st = SYN_OK;
    s->n_scanned = (int32_t)syn_attr_int(c->op, c->attr, "num_scan_inputs");
    s->n_captures = (int32_t)syn_attr_int(c->op, c->attr, "captures");
    s->first = c->opset == 8;
    s->n_states = c->n_in - s->first - s->n_scanned - s->n_captures;
    s->n_yields = s->body->n_outputs - s->n_states;
    if (s->n_states < 0 || s->n_yields < 0 || s->body->n_inputs != c->n_in - s->first ||
        c->n_out > s->body->n_outputs)
        return syn_fail(err, SYN_INVALID,
                        "%s: %d operands, num_scan_inputs %d, %d captures, %d outputs: the body "
                        "has %d inputs and %d "
                        "outputs",
                        c->op->name, (int)c->n_in, (int)s->n_scanned, (int)s->n_captures,
                        (int)c->n_out, (int)s->body->n_inputs, (int)s->body->n_outputs);
    for (size_t i = 0; st == SYN_OK && i < 3; i++)
        st = syn_ops_check_list(c, lists[i], s->n_scanned, err);
    for (size_t i = 0; st == SYN_OK && i < 2; i++)
        st = syn_ops_check_list(c, of_yields[i], s->n_yields, err);
    return st;
}

/* The scanned axes and their common length; in opset 8 of what is left without the batch. */
static syn_status scan_axes(struct scan *s, struct syn_err *err)
{
    const int32_t batch = s->first;
    for (int32_t i = 0; i < s->n_scanned; i++) {
        const struct syn_shape *x = &s->c->in[s->first + s->n_states + i].shape;
        const syn_status st =
            syn_ops_axis(s->c, "scan_input_axes", syn_ops_entry(s->c, "scan_input_axes", i, 0),
                         x->rank < batch ? 0 : x->rank - batch, &s->axis[i], err);
        if (st != SYN_OK) return st;
        if (i == 0) s->length = x->dim[batch + s->axis[0]];
        if (x->dim[batch + s->axis[i]] != s->length)
            return syn_fail(err, SYN_INVALID,
                            "%s: scanned tensor %d has length %" PRId64 ": must be %" PRId64
                            " like the first",
                            s->c->op->name, (int)i, x->dim[batch + s->axis[i]], s->length);
    }
    return SYN_OK;
}

static syn_status scan_new(struct scan *s, const struct syn_op_call *c, struct syn_err *err)
{
    syn_status st;
    *s = (struct scan){.c = c, .body = syn_attr_graph(c->op, c->attr, "body")};
    if (!s->body) return syn_fail(err, SYN_INVALID, "%s: attribute body is missing", c->op->name);
    if ((st = scan_counts(s, err)) != SYN_OK) return st;
    for (int32_t i = s->first; i < c->n_in; i++)
        if (!syn_ops_given(c, i))
            return syn_fail(err, SYN_INVALID, "%s: operand %d is missing", c->op->name, (int)i);
    if ((st = scan_axes(s, err)) != SYN_OK) return st;
    s->in = syn_calloc((size_t)s->body->n_inputs + 1, sizeof *s->in);
    s->out = syn_calloc((size_t)s->body->n_outputs + 1, sizeof *s->out);
    s->state = syn_calloc((size_t)s->n_states + 1, sizeof *s->state);
    s->yield = syn_calloc((size_t)s->n_yields + 1, sizeof *s->yield);
    if (!s->in || !s->out || !s->state || !s->yield)
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    return SYN_OK;
}

static void drop_slices(struct scan *s)
{
    for (int32_t i = 0; s->in && i < s->n_scanned; i++) {
        syn_free(s->in[s->n_states + i].data);
        s->in[s->n_states + i].data = NULL;
    }
}

static void drop_run(struct scan *s)
{
    for (int32_t i = 0; s->state && i < s->n_states; i++) syn_state_free(&s->state[i]);
    for (int32_t i = 0; s->yield && i < s->n_yields; i++) syn_gather_free(&s->yield[i]);
}

static void scan_free(struct scan *s)
{
    drop_slices(s);
    drop_run(s);
    syn_free(s->in);
    syn_free(s->out);
    syn_free(s->state);
    syn_free(s->yield);
}

/* x without axis `axis`, at index t of it. */
static syn_status slice(const struct syn_op_call *c, const struct syn_tensor *x, int32_t axis,
                        int64_t t, struct syn_tensor *out, struct syn_err *err)
{
    size_t before = 1, inner = syn_dtype_bytes(x->dtype);
    const size_t length = (size_t)x->shape.dim[axis];
    *out = (struct syn_tensor){.shape = {.rank = x->shape.rank - 1}, .dtype = x->dtype};
    for (int32_t d = 0; d < out->shape.rank; d++) out->shape.dim[d] = x->shape.dim[d + (d >= axis)];
    const size_t n = (size_t)syn_ops_elements(&out->shape);
    if (!(out->data = syn_calloc(n ? n : 1, syn_dtype_bytes(x->dtype))))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    if (n == 0) return SYN_OK;
    for (int32_t d = 0; d < axis; d++) before *= (size_t)x->shape.dim[d];
    for (int32_t d = axis + 1; d < x->shape.rank; d++) inner *= (size_t)x->shape.dim[d];
    for (size_t b = 0; b < before; b++)
        memcpy((char *)out->data + b * inner,
               (const char *)x->data + (b * length + (size_t)t) * inner, inner);
    return SYN_OK;
}

/* One run of the body at step k of `length`. x: the scanned tensors of this run. */
static syn_status scan_once(struct scan *s, const struct syn_tensor *x, int64_t k, int64_t length,
                            struct syn_err *err)
{
    const char *directions = s->first ? "directions" : "scan_input_directions";
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < s->n_states; i++) s->in[i] = s->state[i].t;
    for (int32_t i = 0; st == SYN_OK && i < s->n_scanned; i++)
        st = slice(s->c, &x[i], s->axis[i],
                   syn_ops_entry(s->c, directions, i, 0) ? length - 1 - k : k,
                   &s->in[s->n_states + i], err);
    for (int32_t i = 0; i < s->n_captures; i++)
        s->in[s->n_states + s->n_scanned + i] = s->c->in[s->c->n_in - s->n_captures + i];
    if (st == SYN_OK) st = syn_body_run(s->c, s->body, s->in, s->out, err);
    for (int32_t i = 0; st == SYN_OK && i < s->n_states; i++)
        st = syn_state_take(s->c, &s->state[i], i, &s->out[i], err);
    for (int32_t i = 0; st == SYN_OK && i < s->n_yields; i++)
        st = syn_gather_add(s->c, &s->yield[i], s->n_states + i, &s->out[s->n_states + i], err);
    syn_body_drop(s->out, s->body->n_outputs);
    drop_slices(s);
    return st;
}

static syn_status scan_all(struct scan *s, struct syn_err *err)
{
    const struct syn_op_call *c = s->c;
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < s->n_states; i++) s->state[i].t = c->in[i];
    for (int64_t k = 0; st == SYN_OK && k < s->length; k++)
        st = scan_once(s, &c->in[s->n_states], k, s->length, err);
    for (int32_t i = 0; st == SYN_OK && i < s->n_states; i++)
        st = syn_state_end(c, &s->state[i], i, err);
    for (int32_t i = 0; st == SYN_OK && i < s->n_yields; i++)
        if (s->n_states + i < c->n_out)
            st = syn_gather_end(c, &s->yield[i], s->n_states + i,
                                &s->body->value[s->body->output[s->n_states + i]],
                                syn_ops_entry(c, "scan_output_axes", i, 0),
                                syn_ops_entry(c, "scan_output_directions", i, 0) != 0, err);
    return st;
}

/* --- opset 8: a batch ----------------------------------------------------------------------- */

/* Sequence b of a batch, a view. */
static struct syn_tensor of_batch(const struct syn_tensor *x, int64_t b)
{
    struct syn_tensor t = {.shape = {.rank = x->shape.rank - 1}, .dtype = x->dtype};
    for (int32_t d = 0; d < t.shape.rank; d++) t.shape.dim[d] = x->shape.dim[d + 1];
    t.data = (char *)x->data +
             (size_t)b * (size_t)syn_ops_elements(&t.shape) * syn_dtype_bytes(x->dtype);
    return t;
}

/* Puts what run b gave into row b of output o, of shape [batch, (steps,) ...]; the first run makes
 * the output. */
static syn_status put_row(struct scan *s, int32_t o, int64_t b, int64_t batch, int64_t steps,
                          const struct syn_shape *each, syn_dtype dtype, const void *data,
                          size_t bytes, struct syn_err *err)
{
    struct syn_op_call *c = syn_maker(s->c);
    struct syn_shape y = {.rank = 1, .dim = {batch}};
    size_t row;
    if (o >= c->n_out || c->out[o].shape.rank < 0) return SYN_OK;
    if (each->rank + 2 > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: output %d has rank %d: at most %d", c->op->name,
                        (int)o, (int)each->rank + 2, SYN_MAX_RANK);
    if (steps >= 0) y.dim[y.rank++] = steps;
    for (int32_t d = 0; d < each->rank; d++) y.dim[y.rank++] = each->dim[d] < 0 ? 0 : each->dim[d];
    if (!c->out[o].data) {
        const syn_status st = syn_ops_make(c, o, &y, dtype, err);
        if (st != SYN_OK) return st;
    }
    row = batch ? (size_t)(syn_ops_elements(&y) / batch) * syn_dtype_bytes(dtype) : 0;
    if (!syn_shape_equal(&y, &c->out[o].shape) || dtype != c->out[o].dtype || bytes > row)
        return syn_fail(err, SYN_INVALID,
                        "%s: output %d of sequence %" PRId64 " has another shape than the first's",
                        c->op->name, (int)o, b);
    if (bytes) memcpy((char *)c->out[o].data + (size_t)b * row, data, bytes);
    return SYN_OK;
}

static syn_status put_sequence(struct scan *s, int64_t b, int64_t batch, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < s->n_states; i++) {
        const struct syn_tensor *t = &s->state[i].t;
        st = put_row(s, i, b, batch, -1, &t->shape, t->dtype, t->data,
                     (size_t)syn_ops_elements(&t->shape) * syn_dtype_bytes(t->dtype), err);
    }
    for (int32_t i = 0; st == SYN_OK && i < s->n_yields; i++) {
        const struct syn_value *declared = &s->body->value[s->body->output[s->n_states + i]];
        const struct syn_gather *g = &s->yield[i];
        st = put_row(s, s->n_states + i, b, batch, s->length, g->n ? &g->each : &declared->shape,
                     g->n ? g->dtype : declared->dtype, g->data, g->used, err);
    }
    return st;
}

static syn_status scan_batch(struct scan *s, struct syn_err *err)
{
    const struct syn_op_call *c = s->c;
    const int64_t batch = c->in[1 + s->n_states].shape.dim[0];
    struct syn_tensor x[SYN_MAX_OPERANDS];
    syn_status st = SYN_OK;
    for (int32_t i = 1; i < c->n_in - s->n_captures; i++)
        if (c->in[i].shape.rank < 1 || c->in[i].shape.dim[0] != batch)
            return syn_fail(err, SYN_INVALID,
                            "%s: operand %d: its first dimension must be the batch of %" PRId64,
                            c->op->name, (int)i, batch);
    if (syn_ops_given(c, 0) && syn_ops_elements(&c->in[0].shape) != batch)
        return syn_fail(err, SYN_INVALID,
                        "%s: sequence_lens has %" PRId64 " entries: must have %" PRId64,
                        c->op->name, syn_ops_elements(&c->in[0].shape), batch);
    if (batch == 0) return syn_fail(err, SYN_UNSUPPORTED, "%s: an empty batch", c->op->name);
    for (int64_t b = 0; st == SYN_OK && b < batch; b++) {
        const int64_t length =
            syn_ops_given(c, 0) ? syn_element_int(c->in[0].dtype, c->in[0].data, b) : s->length;
        if (length < 0 || length > s->length)
            return syn_fail(err, SYN_INVALID,
                            "%s: sequence_lens[%" PRId64 "] = %" PRId64 ": must be in [0, %" PRId64
                            "]",
                            c->op->name, b, length, s->length);
        for (int32_t i = 0; i < s->n_states; i++) s->state[i].t = of_batch(&c->in[1 + i], b);
        for (int32_t i = 0; i < s->n_scanned; i++) x[i] = of_batch(&c->in[1 + s->n_states + i], b);
        for (int64_t k = 0; st == SYN_OK && k < length; k++) st = scan_once(s, x, k, length, err);
        if (st == SYN_OK) st = put_sequence(s, b, batch, err);
        drop_run(s);
    }
    return st;
}

static syn_status scan_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct scan s;
    syn_status st = scan_new(&s, c, err);
    if (st == SYN_OK) st = s.first ? scan_batch(&s, err) : scan_all(&s, err);
    scan_free(&s);
    return st;
}

static const struct syn_attr_spec scan_attrs[] = {
    {"body", SYN_ATTR_GRAPH, 0, 0, 0},
    {"num_scan_inputs", SYN_ATTR_INT, 1, 1, SYN_MAX_OPERANDS},
    {"scan_input_axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK},
    {"scan_input_directions", SYN_ATTR_INTS, 0, 0, 1},
    {"scan_output_axes", SYN_ATTR_INTS, 0, -SYN_MAX_RANK, SYN_MAX_RANK},
    {"scan_output_directions", SYN_ATTR_INTS, 0, 0, 1},
    {"directions", SYN_ATTR_INTS, 0, 0, 1},
    {"captures", SYN_ATTR_INT, 0, 0, SYN_MAX_OPERANDS},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_scan = {
    .name = "Scan", .flags = SYN_OP_MAKES, .min_in = 0, .max_in = SYN_MAX_OPERANDS, .n_out = 0,
    .max_out = SYN_MAX_OPERANDS, .attrs = scan_attrs, .reference = scan_reference,
};
