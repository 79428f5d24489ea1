/* body.c - see body.h.
 *
 * Layer:   kernels/ops.   Threads: a call belongs to one thread. */
#include "kernels/ops/body.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include <inttypes.h>
#include <string.h>

static size_t tensor_bytes(const struct syn_tensor *t)
{
    return (size_t)syn_ops_elements(&t->shape) * syn_dtype_bytes(t->dtype);
}

syn_status syn_gather_add(const struct syn_op_call *c, struct syn_gather *g, int32_t o,
                          const struct syn_tensor *t, struct syn_err *err)
{
    const size_t bytes = tensor_bytes(t);
    char got[192], want[192];
    size_t need;
    if (g->n == 0) g->each = t->shape, g->dtype = t->dtype;
    if (!syn_shape_equal(&g->each, &t->shape) || g->dtype != t->dtype)
        return syn_fail(err, SYN_INVALID,
                        "%s: output %d of run %" PRId64 " is %s %s: must be %s %s like the first",
                        c->op->name, (int)o, g->n, syn_dtype_word(t->dtype),
                        syn_shape_text(&t->shape, got, sizeof got), syn_dtype_word(g->dtype),
                        syn_shape_text(&g->each, want, sizeof want));
    if (!syn_add(g->used, bytes, &need) || need > (size_t)SYN_MAX_ELEMENTS)
        return syn_fail(err, SYN_TOO_LARGE, "%s: output %d has over %" PRId64 " bytes", c->op->name,
                        (int)o, SYN_MAX_ELEMENTS);
    if (need > g->cap) {
        const size_t cap = need + need / 2 + 64;
        char *data = syn_realloc(g->data, cap, 1);
        if (!data)
            return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %zu bytes", c->op->name, cap);
        g->data = data, g->cap = cap;
    }
    if (bytes) memcpy(g->data + g->used, t->data, bytes);
    g->used = need;
    g->n++;
    return SYN_OK;
}

syn_status syn_gather_end(const struct syn_op_call *c, struct syn_gather *g, int32_t o,
                          const struct syn_value *declared, int64_t axis, bool reverse,
                          struct syn_err *err)
{
    struct syn_op_call *out = syn_maker(c);
    struct syn_shape y;
    int32_t at;
    syn_status st;
    if (g->n == 0) {
        g->each = declared->shape, g->dtype = declared->dtype;
        if (g->each.rank < 0) g->each.rank = 0;
        for (int32_t d = 0; d < g->each.rank; d++)
            if (g->each.dim[d] < 0) g->each.dim[d] = 0;
    }
    if (g->each.rank >= SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: output %d has rank %d: at most %d", c->op->name,
                        (int)o, (int)g->each.rank + 1, SYN_MAX_RANK);
    if ((st = syn_ops_axis(c, "the axis of a scan output", axis, g->each.rank + 1, &at, err)) !=
        SYN_OK)
        return st;
    y = (struct syn_shape){.rank = g->each.rank + 1};
    for (int32_t d = 0; d < y.rank; d++) y.dim[d] = d == at ? g->n : g->each.dim[d - (d > at)];
    if ((st = syn_ops_make(out, o, &y, g->dtype, err)) != SYN_OK || !c->out[o].data || g->used == 0)
        return st;
    size_t before = 1, inner = syn_dtype_bytes(g->dtype);
    for (int32_t d = 0; d < at; d++) before *= (size_t)g->each.dim[d];
    for (int32_t d = at; d < g->each.rank; d++) inner *= (size_t)g->each.dim[d];
    for (size_t k = 0; k < (size_t)g->n; k++)
        for (size_t b = 0; b < before; b++)
            memcpy((char *)c->out[o].data +
                       (b * (size_t)g->n + (reverse ? (size_t)g->n - 1 - k : k)) * inner,
                   g->data + (k * before + b) * inner, inner);
    return SYN_OK;
}

void syn_gather_free(struct syn_gather *g)
{
    syn_free(g->data);
    *g = (struct syn_gather){0};
}

syn_status syn_state_take(const struct syn_op_call *c, struct syn_state *s, int32_t i,
                          struct syn_tensor *t, struct syn_err *err)
{
    if (t->dtype != s->t.dtype)
        return syn_fail(err, SYN_INVALID, "%s: the body makes state %d %s: must be %s as it was",
                        c->op->name, (int)i, syn_dtype_word(t->dtype), syn_dtype_word(s->t.dtype));
    syn_state_free(s);
    s->t = *t, s->owned = true;
    t->data = NULL;
    return SYN_OK;
}

syn_status syn_state_end(const struct syn_op_call *c, struct syn_state *s, int32_t o,
                         struct syn_err *err)
{
    struct syn_op_call *out = syn_maker(c);
    const size_t bytes = tensor_bytes(&s->t);
    syn_status st;
    if (o >= c->n_out || c->out[o].shape.rank < 0) return SYN_OK;
    if (s->owned) {
        st = syn_ops_result(out, o, &s->t.shape, s->t.dtype, err);
        if (st != SYN_OK) return st;
        out->out[o].data = s->t.data;
        s->t.data = NULL;
        return SYN_OK;
    }
    st = syn_ops_make(out, o, &s->t.shape, s->t.dtype, err);
    if (st == SYN_OK && bytes) memcpy(c->out[o].data, s->t.data, bytes);
    return st;
}

void syn_state_free(struct syn_state *s)
{
    if (s->owned) syn_free(s->t.data);
    s->owned = false;
    s->t.data = NULL;
}

syn_status syn_body_run(const struct syn_op_call *c, const struct syn_graph *body,
                        const struct syn_tensor *in, struct syn_tensor *out, struct syn_err *err)
{
    for (int32_t i = 0; i < body->n_outputs; i++) out[i] = (struct syn_tensor){.data = NULL};
    if (!c->host || !c->host->run)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: nobody runs bodies here", c->op->name);
    return c->host->run(c->host, body, in, out, err);
}

void syn_body_drop(struct syn_tensor *out, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        syn_free(out[i].data);
        out[i].data = NULL;
    }
}

syn_status syn_ops_single(const struct syn_op_call *c, int32_t i, const char *name, uint32_t types,
                          int64_t fallback, int64_t *out, struct syn_err *err)
{
    syn_status st;
    *out = fallback;
    if (!syn_ops_given(c, i)) return SYN_OK;
    if ((st = syn_ops_operand(c, i, name, types, err)) != SYN_OK) return st;
    if (syn_ops_elements(&c->in[i].shape) != 1)
        return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must have 1",
                        c->op->name, name, syn_ops_elements(&c->in[i].shape));
    if (!c->in[i].data)
        return syn_fail(err, SYN_INVALID, "%s: %s has no data yet", c->op->name, name);
    *out = syn_element_int(c->in[i].dtype, c->in[i].data, 0);
    return SYN_OK;
}
