/* memory.c - see memory.h. */
#include "kernels/graph/memory.h"
#include "kernels/base/alloc.h"
#include <stdlib.h>


static int by_size(const void *a, const void *b)
{
    const struct syn_lifetime *x = *(const struct syn_lifetime *const *)a,
                              *y = *(const struct syn_lifetime *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first > y->first ? 1 : -1) : 0;
}
static int by_offset(const void *a, const void *b)
{
    const struct syn_lifetime *x = *(const struct syn_lifetime *const *)a,
                              *y = *(const struct syn_lifetime *const *)b;
    return x->offset != y->offset ? (x->offset > y->offset ? 1 : -1) : 0;
}

/* Lowest offset where b fits beside those of placed[n] that live at the same time. */
static size_t lowest_gap(const struct syn_lifetime *b, struct syn_lifetime **placed, int32_t n,
                         struct syn_lifetime **overlap)
{
    size_t at = 0;
    int32_t m = 0;
    for (int32_t i = 0; i < n; i++)
        if (placed[i]->first <= b->last && b->first <= placed[i]->last) overlap[m++] = placed[i];
    qsort(overlap, (size_t)m, sizeof *overlap, by_offset);
    for (int32_t i = 0; i < m; i++) {
        if (overlap[i]->offset >= at && overlap[i]->offset - at >= syn_aligned(b->bytes)) break;
        if (overlap[i]->offset + syn_aligned(overlap[i]->bytes) > at)
            at = overlap[i]->offset + syn_aligned(overlap[i]->bytes);
    }
    return at;
}

syn_status syn_memory_plan(struct syn_lifetime *buffer, int32_t n, bool share, size_t *peak,
                           struct syn_err *err)
{
    struct syn_lifetime **order = syn_calloc((size_t)n * 2 + 1, sizeof *order);
    size_t total = 0, end = 0;
    int32_t m = 0;
    if (!order) return syn_fail(err, SYN_NO_MEMORY, "memory plan: no memory");
    for (int32_t i = 0; i < n; i++) {
        if (!buffer[i].bytes) continue;
        if (buffer[i].bytes > PTRDIFF_MAX - SYN_ALIGN ||
            !syn_add(total, syn_aligned(buffer[i].bytes), &total) || total > PTRDIFF_MAX) {
            syn_free(order);
            return syn_fail(err, SYN_TOO_LARGE, "memory plan: buffers over 2^63 bytes");
        }
        order[m++] = &buffer[i];
    }
    if (share) qsort(order, (size_t)m, sizeof *order, by_size);
    for (int32_t i = 0; i < m; i++) {
        order[i]->offset = share ? lowest_gap(order[i], order, i, order + n) : end;
        if (order[i]->offset + syn_aligned(order[i]->bytes) > end)
            end = order[i]->offset + syn_aligned(order[i]->bytes);
    }
    *peak = end;
    syn_free(order);
    return SYN_OK;
}

size_t syn_memory_bound(const struct syn_lifetime *buffer, int32_t n)
{
    size_t most = 0;
    for (int32_t i = 0; i < n; i++) { /* the bound is reached at some buffer's first step */
        size_t alive = 0;
        for (int32_t k = 0; buffer[i].bytes && k < n; k++)
            if (buffer[k].bytes && buffer[k].first <= buffer[i].first &&
                buffer[i].first <= buffer[k].last)
                alive += syn_aligned(buffer[k].bytes);
        if (alive > most) most = alive;
    }
    return most;
}
