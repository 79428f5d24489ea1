/* quick_matmul.c - MatMul and Gemm of dense f32 by tiles (tile.h).
 *
 * Right sides that are constants are packed in panels of 48 columns, each row of a panel after the
 * other, so that a tile reads them in order; others are read where they lie (transposed ones are
 * copied once).
 * Tests:   tests/unit/test_quick.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/check.h"
#include <string.h>

#define R CPU_TILE_ROWS
#define C CPU_TILE_COLS

struct product {
    int64_t m, n, k, batches;
    bool b_transposed, a_transposed, b_shared; /* shared: one right side for all batches */
    float alpha, beta;
    struct syn_shape batch; /* of the output, without the last two */
    int64_t a_step[SYN_MAX_RANK], b_step[SYN_MAX_RANK];
};

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static struct syn_shape batch_of(const struct syn_shape *s)
{
    struct syn_shape b = *s;
    b.rank -= 2;
    return b;
}

static bool read_product(const struct syn_op_call *c, struct product *p)
{
    const struct syn_shape *a = &c->in[0].shape, *b = &c->in[1].shape, *y = &c->out[0].shape;
    const bool gemm = c->op == &syn_op_gemm;
    struct syn_shape ba, bb;
    if (a->rank < 2 || b->rank < 2 || y->rank < 2) return false;
    *p = (struct product){.alpha = 1};
    if (gemm) {
        p->alpha = (float)syn_attr_float(c->op, c->attr, "alpha");
        p->beta = syn_ops_given(c, 2) ? (float)syn_attr_float(c->op, c->attr, "beta") : 0;
        p->a_transposed = syn_attr_int(c->op, c->attr, "transA");
        p->b_transposed = syn_attr_int(c->op, c->attr, "transB");
        if (p->a_transposed) return false;
    }
    p->m = y->dim[y->rank - 2], p->n = y->dim[y->rank - 1];
    p->k = a->dim[a->rank - 1];
    p->batch = batch_of(y);
    ba = batch_of(a), bb = batch_of(b);
    syn_ops_steps(&ba, &p->batch, p->a_step);
    syn_ops_steps(&bb, &p->batch, p->b_step);
    p->batches = syn_ops_elements(&p->batch);
    p->b_shared = syn_ops_elements(&bb) == 1;
    if (p->b_shared && syn_ops_elements(&ba) == p->batches) { /* one long left side */
        p->m *= p->batches;
        p->batches = 1;
        p->batch.rank = 0;
    }
    return p->m > 0 && p->n > 0 && p->k > 0 && p->batches > 0;
}

static bool product_takes(const struct syn_op_call *c)
{
    struct product p;
    for (int32_t i = 0; i < c->n_in; i++)
        if (syn_ops_given(c, i) && c->in[i].dtype != SYN_F32) return false;
    return read_product(c, &p);
}

/* b [k,n] (or [n,k]) in panels [n/48][k][48], the last one narrower. */
static void pack_panels(const struct product *p, const float *b, float *to)
{
    for (int64_t j = 0; j < p->n; j += C)
        for (int64_t k = 0; k < p->k; k++)
            for (int64_t i = j; i < j + C && i < p->n; i++)
                *to++ = p->b_transposed ? b[i * p->k + k] : b[k * p->n + i];
}

static syn_status product_pack(const struct syn_op_call *c, uint64_t constants, void **packed,
                               size_t *bytes, struct syn_err *err)
{
    struct product p;
    if (!(constants >> 1 & 1) || !read_product(c, &p) || !p.b_shared) return SYN_OK;
    *bytes = (size_t)(p.k * p.n) * sizeof(float);
    if (!(*packed = syn_alloc(*bytes))) return syn_fail(err, SYN_NO_MEMORY, "weights: no memory");
    pack_panels(&p, c->in[1].data, *packed);
    return SYN_OK;
}

static size_t product_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct product p;
    (void)threads;
    return !packed && read_product(c, &p) && p.b_transposed
               ? syn_aligned((size_t)(p.k * p.n) * sizeof(float))
               : 0;
}

struct product_run {
    struct product p;
    const float *a, *b, *packed, *bias;
    struct syn_shape bias_shape;
    int64_t bias_step[SYN_MAX_RANK];
    float *y;
    /* a task: some blocks of rows of one panel of one batch */
    int64_t row_blocks, per_task, chunks;
    cpu_tile_fn *tile;
};

/* Gemm's alpha and C onto a finished tile. */
static void finish(const struct product_run *run, int64_t row, int64_t col, int32_t rows,
                   int32_t cols)
{
    const struct product *p = &run->p;
    for (int32_t r = 0; r < rows; r++) {
        float *y = run->y + (row + r) * p->n + col;
        for (int32_t j = 0; j < cols; j++) {
            const float add =
                run->bias && p->beta != 0
                    ? p->beta *
                          run->bias[(row + r) * run->bias_step[0] + (col + j) * run->bias_step[1]]
                    : 0;
            y[j] = p->alpha * y[j] + add;
        }
    }
}

static void product_task(void *ctx, int64_t task)
{
    const struct product_run *run = ctx;
    const struct product *p = &run->p;
    const int64_t panels = up(p->n, C), chunk = task % run->chunks,
                  panel = task / run->chunks % panels, batch = task / run->chunks / panels,
                  j = panel * C;
    int64_t at_a = 0, at_b = 0, rest = batch;
    struct cpu_tile t = {.a_row = p->k, .a_k = 1, .k = p->k, .y_row = p->n};
    for (int32_t d = p->batch.rank - 1; d >= 0; d--) {
        const int64_t at = rest % p->batch.dim[d];
        rest /= p->batch.dim[d];
        at_a += at * p->a_step[d], at_b += at * p->b_step[d];
    }
    t.cols = (int32_t)(p->n - j < C ? p->n - j : C);
    t.x = run->packed ? run->packed + j * p->k : run->b + at_b * p->k * p->n + j;
    t.x_k = run->packed ? t.cols : p->n;
    for (int64_t b = chunk * run->per_task; b < run->row_blocks && b < (chunk + 1) * run->per_task;
         b++) {
        t.rows = (int32_t)(p->m - b * R < R ? p->m - b * R : R);
        t.a = run->a + (at_a * p->m + b * R) * p->k;
        t.y = run->y + (batch * p->m + b * R) * p->n + j;
        run->tile(&t);
        if (run->bias || p->alpha != 1) finish(run, b * R, j, t.rows, t.cols);
    }
}

static void product_run(const struct syn_op_call *c, const void *packed, void *scratch,
                        struct syn_pool *pool)
{
    struct product_run run = {.a = c->in[0].data,
                              .b = c->in[1].data,
                              .packed = packed,
                              .y = c->out[0].data,
                              .tile = cpu_tile_best()};
    const int32_t threads = pool ? syn_pool_threads(pool) : 1;
    int64_t panels;
    if (!read_product(c, &run.p)) return;
    if (c->op == &syn_op_gemm && syn_ops_given(c, 2)) {
        run.bias = c->in[2].data;
        syn_ops_steps(&c->in[2].shape, &c->out[0].shape, run.bias_step);
    }
    if (!packed && run.p.b_transposed) {
        pack_panels(&run.p, run.b, scratch);
        run.packed = scratch;
    }
    panels = up(run.p.n, C);
    run.row_blocks = up(run.p.m, R);
    run.chunks = up(8 * threads, panels * run.p.batches);
    if (run.chunks > run.row_blocks) run.chunks = run.row_blocks;
    run.per_task = up(run.row_blocks, run.chunks);
    run.chunks = up(run.row_blocks, run.per_task);
    if (run.p.m * run.p.n * run.p.k * run.p.batches < 1 << 15) /* not worth a second thread */
        for (int64_t t = 0; t < run.p.batches * panels * run.chunks; t++) product_task(&run, t);
    else syn_pool_run(pool, run.p.batches * panels * run.chunks, product_task, &run);
}

const struct syn_quick cpu_quick_matmul = {
    .impl = "matmul tiles",
    .takes = product_takes,
    .pack = product_pack,
    .scratch = product_scratch,
    .run = product_run,
};
