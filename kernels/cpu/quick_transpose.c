/* quick_transpose.c - Transpose of dense tensors on all threads: runs where the last axis stays the
 * last, squares of 64 by 64 where it does not.
 *
 * Axes that stay neighbours are one, and axes of one element none, before anything else: most
 * transposes of networks are then two or three axes.
 * Tests:   tests/unit/test_quick.c against the reference. */
#include "kernels/cpu/lines.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/rows.h"
#include "kernels/ops/check.h"
#include <string.h>

#define SIDE 64 /* of a square: its lines stay in the first-level cache */
#define TASK_ELEMENTS ((int64_t)1 << 14)     /* less is not worth a second thread */

struct plan {
    int32_t rank;
    int64_t dim[SYN_MAX_RANK], from[SYN_MAX_RANK], to[SYN_MAX_RANK]; /* elements an axis moves by */
    int32_t inner;               /* the axis that x runs along; the last: runs */
    size_t bytes;                /* of an element */
    int64_t outer, squares_i,
        squares_j; /* positions of the other axes; squares of inner and last */
    int64_t units, per_task;
    const char *x;
    char *y;
    bool wide;                   /* AVX-512 */
};

static void read_plan(const struct syn_op_call *c, struct plan *p)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t stride[SYN_MAX_RANK], n = 1;
    *p = (struct plan){.bytes = syn_dtype_bytes(c->in[0].dtype)};
    for (int32_t d = x->rank - 1; d >= 0; d--) stride[d] = n, n *= x->dim[d];
    for (int32_t d = 0; d < x->rank; d++) {
        const int64_t at = syn_ops_entry(c, "perm", d, x->rank - 1 - d), size = x->dim[at];
        const int32_t last = p->rank - 1;
        if (size == 1) continue;
        if (p->rank && p->from[last] == stride[at] * size) {
            p->dim[last] *= size, p->from[last] = stride[at];
            continue;
        }
        p->dim[p->rank] = size, p->from[p->rank++] = stride[at];
    }
    if (!p->rank) p->dim[0] = 1, p->from[0] = 1, p->rank = 1;
    n = 1;
    for (int32_t d = p->rank - 1; d >= 0; d--) p->to[d] = n, n *= p->dim[d];
    for (int32_t d = 0; d < p->rank; d++)
        if (p->from[d] == 1) p->inner = d;
}

static bool transpose_takes(const struct syn_op_call *c)
{
    int64_t n;
    struct plan p;
    if (c->in[0].shape.rank < 1 || !syn_shape_elements(&c->in[0].shape, &n) || n == 0) return false;
    read_plan(c, &p);
    return p.inner == p.rank - 1 || p.bytes == 4;
}

/* y[i * line + j] = x[i + j * step]. */
static void square(const struct plan *p, const uint32_t *x, int64_t step, uint32_t *y, int64_t line,
                   int64_t ni, int64_t nj)
{
    int64_t i = 0;
    if (p->wide && ni >= 4) {
        i = ni & ~(int64_t)3;
        cpu_words_to_lines_avx512(x, step, i, nj, y, line);
    }
    for (; i < ni; i++)
        for (int64_t j = 0; j < nj; j++) y[i * line + j] = x[i + j * step];
}

/* Unit u: a run, or a square, of one position of the other axes. */
static void run_unit(const struct plan *p, int64_t u)
{
    const int32_t last = p->rank - 1;
    const int64_t squares = p->squares_i * p->squares_j, i0 = u % squares / p->squares_j * SIDE,
                  j0 = u % squares % p->squares_j * SIDE;
    int64_t rest = u / squares, from = 0, to = 0;
    for (int32_t d = last; d >= 0; d--) {
        if (d == last || d == p->inner) continue;
        from += rest % p->dim[d] * p->from[d], to += rest % p->dim[d] * p->to[d];
        rest /= p->dim[d];
    }
    if (p->inner == last) {
        memcpy(p->y + (size_t)to * p->bytes, p->x + (size_t)from * p->bytes,
               (size_t)p->dim[last] * p->bytes);
        return;
    }
    square(p, (const uint32_t *)(const void *)p->x + from + i0 + j0 * p->from[last], p->from[last],
           (uint32_t *)(void *)p->y + to + i0 * p->to[p->inner] + j0, p->to[p->inner],
           p->dim[p->inner] - i0 < SIDE ? p->dim[p->inner] - i0 : SIDE,
           p->dim[last] - j0 < SIDE ? p->dim[last] - j0 : SIDE);
}

static void transpose_task(void *ctx, int64_t task)
{
    const struct plan *p = ctx;
    const int64_t end = (task + 1) * p->per_task < p->units ? (task + 1) * p->per_task : p->units;
    for (int64_t u = task * p->per_task; u < end; u++) run_unit(p, u);
}

static void transpose_run(const struct syn_op_call *c, const void *packed, void *scratch,
                          struct syn_pool *pool)
{
    struct plan p;
    int64_t n = 1;
    (void)packed;
    (void)scratch;
    read_plan(c, &p);
    const int32_t last = p.rank - 1;
    p.x = c->in[0].data, p.y = c->out[0].data;
    p.wide = cpu_has_avx512();
    p.outer = p.squares_i = p.squares_j = 1;
    for (int32_t d = 0; d < p.rank; d++) {
        n *= p.dim[d];
        if (d != last && d != p.inner) p.outer *= p.dim[d];
    }
    if (p.inner != last) {
        p.squares_i = (p.dim[p.inner] + SIDE - 1) / SIDE;
        p.squares_j = (p.dim[last] + SIDE - 1) / SIDE;
    }
    p.units = p.outer * p.squares_i * p.squares_j;
    p.per_task = n < 2 * TASK_ELEMENTS ? p.units : TASK_ELEMENTS * p.units / n;
    if (p.per_task < 1) p.per_task = 1;
    if (p.per_task >= p.units) p.per_task = p.units, transpose_task(&p, 0);
    else syn_pool_run(pool, (p.units + p.per_task - 1) / p.per_task, transpose_task, &p);
}

const struct syn_quick cpu_quick_transpose = {
    .impl = "transpose", .takes = transpose_takes, .run = transpose_run};
