/* quick_rows.c - softmax, layer and RMS norms, and reductions along the last axes of dense f32.
 *
 * Tests:   tests/unit/test_quick.c against the references. */
#include "kernels/cpu/quick.h"
#include "kernels/cpu/rowwise.h"
#include "kernels/ops/check.h"
#include <math.h>

static void softmax_row(const float *x, float *y, int64_t n)
{
    float most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int64_t i = 0; i < n; i++) sum += y[i] = expf(x[i] - most);
    for (int64_t i = 0; i < n; i++) y[i] /= sum;
}
static float sum_row(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i];
    return (float)sum;
}
static void norm_row(const float *x, const float *scale, const float *bias, float *y, int64_t n,
                     float epsilon, bool rms)
{
    const double mean = rms ? 0 : (double)sum_row(x, n) / (double)n;
    double square = 0, factor;
    for (int64_t i = 0; i < n; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean);
    factor = 1 / sqrt(square / (double)n + (double)epsilon);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(((double)x[i] - mean) * factor) * scale[i] + (bias ? bias[i] : 0);
}
static void moments_row(const float *x, int64_t n, float shift, double *sum, double *square)
{
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)x[i] - (double)shift;
        *sum += d, *square += d * d;
    }
}
static void affine_row(const float *x, float *y, int64_t n, float factor, float offset)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor + offset;
}
const struct cpu_rowwise cpu_rowwise_portable = {softmax_row, norm_row, sum_row, moments_row,
                                                 affine_row};

const struct cpu_rowwise *cpu_rowwise_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return &cpu_rowwise_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cpu_rowwise_avx2;
#endif
    return &cpu_rowwise_portable;
}

/* Rows of the last axis (or of all from `axis` on). */
struct rows_run {
    const struct syn_op_call *c;
    const struct cpu_rowwise *f;
    int64_t rows, n, per_task;
    float epsilon, factor;
    bool rms;
};

static bool split_rows(const struct syn_op_call *c, int64_t axis, struct rows_run *r)
{
    const struct syn_shape *x = &c->in[0].shape;
    if (axis < 0) axis += x->rank;
    if (c->in[0].dtype != SYN_F32 || c->out[0].dtype != SYN_F32 || x->rank < 1 || axis < 0 ||
        axis >= x->rank)
        return false;
    *r = (struct rows_run){.c = c, .f = cpu_rowwise_best(), .rows = 1, .n = 1};
    for (int32_t d = 0; d < x->rank; d++) *(d < axis ? &r->rows : &r->n) *= x->dim[d];
    return r->rows > 0 && r->n > 0;
}

/* About 16 thousand elements a task. */
static void start(struct rows_run *r, syn_task_fn *fn, struct syn_pool *pool)
{
    r->per_task = ((int64_t)1 << 14) / r->n + 1;
    if (r->rows <= 2 * r->per_task) {
        r->per_task = r->rows;
        fn(r, 0);
    } else syn_pool_run(pool, (r->rows + r->per_task - 1) / r->per_task, fn, r);
}
#define EACH_ROW(r, row)                                                                           \
    for (int64_t row = task * (r)->per_task,                                                       \
                 end_ = row + (r)->per_task < (r)->rows ? row + (r)->per_task : (r)->rows;         \
         row < end_; row++)

/* --- softmax ---------------------------------------------------------------------------------- */

static bool softmax_split(const struct syn_op_call *c, struct rows_run *r)
{
    const bool old = c->opset > 0 && c->opset < 13;
    int64_t axis = syn_attr_int(c->op, c->attr, "axis");
    if (axis == INT32_MIN) axis = old ? 1 : -1;
    if (!old && axis != -1 && axis != c->in[0].shape.rank - 1) return false;
    return split_rows(c, axis, r);
}
static bool softmax_takes(const struct syn_op_call *c)
{
    struct rows_run r;
    return softmax_split(c, &r);
}
static void softmax_task(void *ctx, int64_t task)
{
    const struct rows_run *r = ctx;
    EACH_ROW(r, i)
    r->f->softmax((const float *)r->c->in[0].data + i * r->n, (float *)r->c->out[0].data + i * r->n,
                  r->n);
}
static void softmax_run(const struct syn_op_call *c, const void *packed, void *scratch,
                        struct syn_pool *pool)
{
    struct rows_run r;
    (void)packed, (void)scratch;
    if (softmax_split(c, &r)) start(&r, softmax_task, pool);
}

/* --- norms ------------------------------------------------------------------------------------ */

static bool norm_takes(const struct syn_op_call *c)
{
    struct rows_run r;
    if (!split_rows(c, syn_attr_int(c->op, c->attr, "axis"), &r)) return false;
    for (int32_t i = 1; i < c->n_in; i++) /* one number for each element of a row */
        if (syn_ops_given(c, i) &&
            (c->in[i].dtype != SYN_F32 || syn_ops_elements(&c->in[i].shape) != r.n))
            return false;
    for (int32_t o = 1; o < c->n_out; o++)
        if (c->out[o].shape.rank >= 0) return false;
    return true;
}
static void norm_task(void *ctx, int64_t task)
{
    const struct rows_run *r = ctx;
    const struct syn_op_call *c = r->c;
    EACH_ROW(r, i)
    r->f->norm((const float *)c->in[0].data + i * r->n, c->in[1].data,
               syn_ops_given(c, 2) ? c->in[2].data : NULL, (float *)c->out[0].data + i * r->n, r->n,
               r->epsilon, r->rms);
}
static void norm_run(const struct syn_op_call *c, const void *packed, void *scratch,
                     struct syn_pool *pool)
{
    struct rows_run r;
    (void)packed, (void)scratch;
    if (!split_rows(c, syn_attr_int(c->op, c->attr, "axis"), &r)) return;
    r.epsilon = (float)syn_attr_float(c->op, c->attr, "epsilon");
    r.rms = c->op == &syn_op_rms_normalization;
    start(&r, norm_task, pool);
}

/* --- sums and means of the last axes ---------------------------------------------------------- */

static bool sum_split(const struct syn_op_call *c, struct rows_run *r)
{
    int64_t list[SYN_MAX_RANK], first = c->in[0].shape.rank;
    int32_t n, axis;
    bool given, over[SYN_MAX_RANK] = {false};
    if (syn_ops_ints(c, 1, "axes", list, SYN_MAX_RANK, &n, &given, NULL) != SYN_OK || n == 0)
        return false;
    for (int32_t i = 0; i < n; i++) {
        if (syn_ops_axis(c, "axes", list[i], c->in[0].shape.rank, &axis, NULL) != SYN_OK)
            return false;
        over[axis] = true;
        if (axis < first) first = axis;
    }
    for (int32_t d = (int32_t)first; d < c->in[0].shape.rank; d++)
        if (!over[d]) return false;
    return split_rows(c, first, r);
}
static bool sum_takes(const struct syn_op_call *c)
{
    struct rows_run r;
    return sum_split(c, &r) && (c->n_in < 2 || c->in[1].data || c->in[1].shape.rank < 0);
}
static void sum_task(void *ctx, int64_t task)
{
    const struct rows_run *r = ctx;
    EACH_ROW(r, i)
    ((float *)r->c->out[0].data)[i] =
        r->factor * r->f->sum((const float *)r->c->in[0].data + i * r->n, r->n);
}
static void sum_run(const struct syn_op_call *c, const void *packed, void *scratch,
                    struct syn_pool *pool)
{
    struct rows_run r;
    (void)packed, (void)scratch;
    if (!sum_split(c, &r)) return;
    r.factor = c->op == &syn_op_reduce_mean ? 1 / (float)r.n : 1;
    start(&r, sum_task, pool);
}

const struct syn_quick cpu_quick_softmax = {
    .impl = "softmax rows", .takes = softmax_takes, .run = softmax_run};
const struct syn_quick cpu_quick_norm = {.impl = "norm rows", .takes = norm_takes, .run = norm_run};
const struct syn_quick cpu_quick_sum = {.impl = "sum rows", .takes = sum_takes, .run = sum_run};
