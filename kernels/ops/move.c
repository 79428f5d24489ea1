/* move.c - see move.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/move.h"
#include "kernels/graph/element.h"
#include <inttypes.h>

int64_t syn_move_product(const struct syn_shape *s, int32_t from, int32_t to)
{
    int64_t n = 1;
    for (int32_t d = from; d < to; d++)
        if (__builtin_mul_overflow(n, s->dim[d], &n))
            return INT64_MAX; /* beside a 0 anything may stand */
    return n;
}

void syn_move_strides(const struct syn_shape *s, int64_t stride[SYN_MAX_RANK])
{
    memset(stride, 0, SYN_MAX_RANK * sizeof *stride);
    if (syn_ops_elements(s) > 0) syn_ops_strides(s, stride);
}

/* How many of the last dimensions lie in the source as they do in the result, and how many
 * elements that is. */
static int32_t dense_tail(const struct syn_shape *out, const int64_t *step, int64_t *run)
{
    int32_t tail = 0;
    *run = 1;
    while (tail < out->rank) {
        const int32_t d = out->rank - 1 - tail;
        if (out->dim[d] != 1 && step[d] != *run) break;
        *run *= out->dim[d];
        tail++;
    }
    return tail;
}

void syn_move_strided(void *dst, const struct syn_shape *out, const void *src, int64_t base,
                      const int64_t step[SYN_MAX_RANK], size_t bytes)
{
    int64_t run, at[SYN_MAX_RANK] = {0};
    const int64_t total = syn_ops_elements(out);
    const int32_t tail = dense_tail(out, step, &run);
    struct syn_shape rows =
        *out; /* the positions of runs; the last of them is walked by the inner loop */
    char *y = dst;
    if (total == 0) return;
    rows.rank = out->rank - tail;
    const int64_t inner = rows.rank > 0 ? rows.dim[rows.rank - 1] : 1;
    const int64_t inner_step = rows.rank > 0 ? step[rows.rank - 1] : 0;
    if (rows.rank > 0) rows.rank--;
    for (int64_t r = 0, n = total / run / inner; r < n; r++) {
        int64_t from = base;
        for (int32_t d = 0; d < rows.rank; d++) from += at[d] * step[d];
        const char *x = (const char *)src + from * (int64_t)bytes;
        const ptrdiff_t hop = (ptrdiff_t)(inner_step * (int64_t)bytes);
        if (run == 1)
            for (int64_t i = 0; i < inner; i++, y += bytes) syn_move_one(y, x + i * hop, bytes);
        else
            for (int64_t i = 0; i < inner; i++, y += (size_t)run * bytes)
                memcpy(y, x + i * hop, (size_t)run * bytes);
        syn_ops_next(&rows, at);
    }
}

syn_status syn_move_result(struct syn_op_call *c, const struct syn_shape *shape,
                           struct syn_err *err)
{
    return syn_ops_result(c, 0, shape, c->in[0].dtype, err);
}

syn_status syn_move_index(const struct syn_op_call *c, int32_t operand, const char *word, int64_t i,
                          int64_t n, int64_t *out, struct syn_err *err)
{
    const int64_t v = syn_element_int(c->in[operand].dtype, c->in[operand].data, i);
    if (v < -n || v >= n)
        return syn_fail(err, SYN_INVALID,
                        "%s: %s[%" PRId64 "] = %" PRId64 ": must be in [%" PRId64 ", %" PRId64 ")",
                        c->op->name, word, i, v, -n, n);
    *out = v < 0 ? v + n : v;
    return SYN_OK;
}

syn_status syn_move_axes(const struct syn_op_call *c, int32_t operand, int32_t rank,
                         int32_t axes[SYN_MAX_RANK], int32_t *n, struct syn_err *err)
{
    int64_t list[SYN_MAX_RANK];
    uint32_t seen = 0;
    bool given;
    syn_status st = syn_ops_ints(c, operand, "axes", list, SYN_MAX_RANK, n, &given, err);
    if (st == SYN_OK && !given) *n = -1;
    for (int32_t k = 0; st == SYN_OK && k < *n; k++) {
        if ((st = syn_ops_axis(c, "axes", list[k], rank, &axes[k], err)) != SYN_OK) break;
        if (seen >> axes[k] & 1)
            st = syn_fail(err, SYN_INVALID, "%s: axes names axis %d twice", c->op->name,
                          (int)axes[k]);
        seen |= (uint32_t)1 << axes[k];
    }
    return st;
}
