/* quick_einsum.c - the Einsum that grouped linear layers are: "...gi,gih->...gh" (any letters, any
 * number of leading ones, the group may be missing), by tiles (tile.h).
 *
 * Tests:   tests/unit/test_quick.c against the reference. */
#include "kernels/cpu/quick.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/check.h"
#include <string.h>

struct grouped {
    int64_t rows, groups, k, n;
};

/* One letter per dimension and nothing else. */
static bool read_term(const char **p, int32_t rank, char *letters)
{
    int32_t n = 0;
    for (; **p && **p != ',' && **p != '-'; (*p)++) {
        if (**p == ' ') continue;
        if (**p == '.' || n == SYN_MAX_RANK) return false;
        letters[n++] = **p;
    }
    letters[n] = '\0';
    return n == rank;
}

static bool read_equation(const struct syn_op_call *c, struct grouped *g)
{
    const char *p = syn_attr_text(c->op, c->attr, "equation");
    char a[SYN_MAX_RANK + 1], b[SYN_MAX_RANK + 1], y[SYN_MAX_RANK + 1];
    const struct syn_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    const int32_t lead = x->rank - (w->rank - 1); /* letters of the rows */
    if (!p || c->n_in != 2 || (w->rank != 2 && w->rank != 3) || lead < 0 ||
        c->out[0].shape.rank != x->rank)
        return false;
    if (!read_term(&p, x->rank, a) || *p++ != ',' || !read_term(&p, w->rank, b) || *p++ != '-' ||
        *p++ != '>' || !read_term(&p, x->rank, y))
        return false;
    /* y is a with its last letter replaced by b's last; b is a's last letters, then the new one */
    if (strncmp(a, y, (size_t)x->rank - 1) || strncmp(a + lead, b, (size_t)w->rank - 1) ||
        y[x->rank - 1] != b[w->rank - 1])
        return false;
    for (int32_t i = 0; i < x->rank; i++)
        if (strchr(a + i + 1, a[i]) || a[i] == y[x->rank - 1]) return false;
    *g =
        (struct grouped){1, w->rank == 3 ? w->dim[0] : 1, w->dim[w->rank - 2], w->dim[w->rank - 1]};
    for (int32_t d = 0; d < lead; d++) g->rows *= x->dim[d];
    return x->dim[x->rank - 1] == g->k && (w->rank == 2 || x->dim[lead] == g->groups) &&
           g->rows > 0 && g->groups > 0 && g->k > 0 && g->n > 0;
}

static bool einsum_takes(const struct syn_op_call *c)
{
    struct grouped g;
    return c->n_in == 2 && c->in[0].dtype == SYN_F32 && c->in[1].dtype == SYN_F32 &&
           read_equation(c, &g);
}

struct einsum_run {
    struct grouped g;
    const float *x, *w;
    float *y;
    cpu_tile_fn *tile;
};

/* Eight rows of all groups. */
static void einsum_task(void *ctx, int64_t task)
{
    const struct einsum_run *run = ctx;
    const struct grouped *g = &run->g;
    const int64_t row = task * CPU_TILE_ROWS;
    struct cpu_tile t = {
        .a_row = g->groups * g->k, .a_k = 1, .x_k = g->n, .k = g->k, .y_row = g->groups * g->n};
    t.rows = (int32_t)(g->rows - row < CPU_TILE_ROWS ? g->rows - row : CPU_TILE_ROWS);
    for (int64_t i = 0; i < g->groups; i++)
        for (int64_t j = 0; j < g->n; j += CPU_TILE_COLS) {
            t.a = run->x + (row * g->groups + i) * g->k;
            t.x = run->w + i * g->k * g->n + j;
            t.y = run->y + (row * g->groups + i) * g->n + j;
            t.cols = (int32_t)(g->n - j < CPU_TILE_COLS ? g->n - j : CPU_TILE_COLS);
            run->tile(&t);
        }
}

static void einsum_run(const struct syn_op_call *c, const void *packed, void *scratch,
                       struct syn_pool *pool)
{
    struct einsum_run run = {
        .x = c->in[0].data, .w = c->in[1].data, .y = c->out[0].data, .tile = cpu_tile_best()};
    (void)packed;
    (void)scratch;
    if (read_equation(c, &run.g))
        syn_pool_run(pool, (run.g.rows + CPU_TILE_ROWS - 1) / CPU_TILE_ROWS, einsum_task, &run);
}

const struct syn_quick cpu_quick_einsum = {
    .impl = "einsum tiles", .takes = einsum_takes, .run = einsum_run};
