/* quick_resize.c - Resize and Upsample of dense f32 along the last two axes.
 *
 * Order:   where the picture grows, rows are resampled along themselves once each and kept while
 *          output rows need them; where it shrinks, rows are first added up across and the sum is
 *          resampled. What an axis reads is the reference's own (syn_resize_nd_tap), so every mode
 *          has its places and weights, in float here.
 * Infinity: a tap of weight 0 counts for nothing, as in the reference: it reads the place of one
 *          that counts, which gives it half of its weight.
 * Memory:  4 bytes a place and 4 a weight of both axes, a row for each tap and thread.
 * Left to the reference: other types, other axes, tf_crop_and_resize and tf_half_pixel_for_nn,
 *          exclude_outside, antialias over more than 64 pixels.
 * Tests:   tests/unit/test_quick_resize.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/resample.h"
#include "kernels/ops/resize_nd.h"
#include <stdatomic.h>
#include <string.h>

#define MOST_TAPS 64
#define MOST_LENGTH ((int64_t)1 << 30)
#define TASK_ELEMENTS ((int64_t)1 << 14) /* of the result; less is not worth a second thread */
#define GROUP CPU_RESAMPLE_GROUP

/* --- portable rows ---------------------------------------------------------------------------- */

static void along(const struct cpu_resample_taps *t, const float *x, float *y)
{
    for (int64_t o = 0; o < t->out; o++) {
        float v = t->width == 1 ? x[t->at[o]] : 0;
        for (int64_t k = 0; t->width > 1 && k < t->width; k++)
            v += t->weight[k * t->padded + o] * x[t->at[k * t->padded + o]];
        y[o] = v;
    }
}

static void across(const float *const *row, const float *w, int64_t rows, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = w[0] * row[0][i];
    for (int64_t k = 1; k < rows; k++)
        for (int64_t i = 0; i < n; i++) y[i] += w[k] * row[k][i];
}

const struct cpu_resample cpu_resample_portable = {along, across};

const struct cpu_resample *cpu_resample_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
        return &cpu_resample_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cpu_resample_avx2;
#endif
    return &cpu_resample_portable;
}

/* --- a call as numbers ------------------------------------------------------------------------ */

struct resize {
    struct syn_resize_nd r;
    struct syn_resize_nd_axis row, col; /* of rows: the axis before the last */
    int64_t planes, rows_width, cols_width, padded; /* padded: columns out, to whole groups */
    bool rows_stay, cols_stay;
};

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }
/* Every output reads the pixel of its own number. */
static bool stays(const struct syn_resize_nd_axis *ax)
{
    return ax->in == ax->out && (ax->num ? ax->num == ax->den : ax->scale == 1);
}

static bool read_resize(const struct syn_op_call *c, struct resize *z)
{
    const struct syn_shape *s = &c->in[0].shape;
    if (s->rank < 2 || syn_resize_nd_parse(c, &z->r, NULL) != SYN_OK) return false;
    if (z->r.coord == SYN_ND_TF_CROP_AND_RESIZE || z->r.coord == SYN_ND_TF_HALF_PIXEL_FOR_NN ||
        z->r.exclude_outside)
        return false;
    z->planes = 1;
    for (int32_t d = 0; d < s->rank - 2; d++) {
        if (!stays(&z->r.axis[d])) return false;
        z->planes *= s->dim[d];
    }
    z->row = z->r.axis[s->rank - 2], z->col = z->r.axis[s->rank - 1];
    if (z->row.in < 1 || z->col.in < 1 || z->row.out < 1 || z->col.out < 1 || z->planes < 1 ||
        z->row.in > MOST_LENGTH || z->col.in > MOST_LENGTH || z->row.out > MOST_LENGTH ||
        z->col.out > MOST_LENGTH)
        return false;
    z->rows_stay = stays(&z->row), z->cols_stay = stays(&z->col);
    z->rows_width = z->rows_stay ? 1 : syn_resize_nd_width(&z->r, &z->row);
    z->cols_width = z->cols_stay ? 1 : syn_resize_nd_width(&z->r, &z->col);
    z->padded = up(z->col.out, GROUP) * GROUP;
    return z->rows_width <= MOST_TAPS && z->cols_width <= MOST_TAPS;
}

static bool resize_takes(const struct syn_op_call *c)
{
    struct resize z;
    return c->in[0].dtype == SYN_F32 && c->out[0].dtype == SYN_F32 && read_resize(c, &z);
}

/* --- taps ------------------------------------------------------------------------------------- */

/* Output o's places and weights, none of weight 0 that reads a pixel of its own. */
static void read_taps(const struct resize *z, const struct syn_resize_nd_axis *ax, int64_t o,
                      int64_t width, int64_t step, int32_t *at, float *weight)
{
    int64_t place[MOST_TAPS], most = 0;
    double w[MOST_TAPS];
    syn_resize_nd_tap(&z->r, ax, o, width, place, w);
    for (int64_t k = 1; k < width; k++)
        if (w[k] > w[most]) most = k;
    for (int64_t k = 0; k < width; k++)
        if ((float)w[k] == 0) {
            w[most] /= 2;
            w[k] = w[most], place[k] = place[most];
        }
    for (int64_t k = 0; k < width; k++)
        at[k * step] = (int32_t)place[k], weight[k * step] = (float)w[k];
}

struct tables { /* in scratch */
    int32_t *row_at, *col_at, *base;
    float *row_weight, *col_weight, *slots;
    size_t bytes, slot; /* slot: floats of a thread's rows */
};

/* Where the parts lie; base NULL counts bytes alone. */
static struct tables tables_of(const struct resize *z, uint8_t *base, int32_t threads)
{
    const size_t rows = syn_aligned((size_t)(z->row.out * z->rows_width) * 4),
                 cols = syn_aligned((size_t)(z->padded * z->cols_width) * 4),
                 groups = syn_aligned((size_t)(z->padded / GROUP) * 4);
    struct tables t = {.slot = (size_t)(z->rows_width * z->padded)};
    if ((size_t)z->col.in > t.slot) t.slot = (size_t)z->col.in;
    t.slot = syn_aligned(t.slot * 4) / 4;
    t.bytes = 2 * rows + 2 * cols + groups + (size_t)threads * t.slot * 4;
    if (!base) return t;
    t.row_at = (int32_t *)base;
    t.row_weight = (float *)(base += rows);
    t.col_at = (int32_t *)(base += rows);
    t.col_weight = (float *)(base += cols);
    t.base = (int32_t *)(base += cols);
    t.slots = (float *)(base + groups);
    return t;
}

static size_t resize_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct resize z;
    (void)packed;
    return read_resize(c, &z) ? tables_of(&z, NULL, threads).bytes : 0;
}

static void fill_tables(const struct resize *z, struct tables *t)
{
    for (int64_t o = 0; !z->rows_stay && o < z->row.out; o++)
        read_taps(z, &z->row, o, z->rows_width, 1, t->row_at + o * z->rows_width,
                  t->row_weight + o * z->rows_width);
    for (int64_t o = 0; !z->cols_stay && o < z->padded; o++)
        read_taps(z, &z->col, o < z->col.out ? o : z->col.out - 1, z->cols_width, z->padded,
                  t->col_at + o, t->col_weight + o);
    for (int64_t g = 0; !z->cols_stay && g < z->padded; g += GROUP) {
        int32_t lo = INT32_MAX, hi = 0;
        for (int64_t k = 0; k < z->cols_width; k++)
            for (int64_t o = g; o < g + GROUP; o++) {
                const int32_t at = t->col_at[k * z->padded + o];
                if (at < lo) lo = at;
                if (at > hi) hi = at;
            }
        t->base[g / GROUP] = hi - lo < 16 ? lo : -1; /* two registers of AVX2 */
    }
}

/* --- a run ------------------------------------------------------------------------------------ */

struct resize_run {
    struct resize z;
    struct tables t;
    struct cpu_resample_taps cols;
    const struct cpu_resample *f;
    const float *x;
    float *y;
    int64_t bands, band; /* of output rows */
    atomic_llong next;   /* band of a plane that nobody has taken */
};

static void along_row(const struct resize_run *r, const float *x, float *y)
{
    if (r->z.cols_stay) memcpy(y, x, (size_t)r->z.col.out * sizeof *y);
    else r->f->along(&r->cols, x, y);
}

/* One input row for each output row. */
static void rows_alone(const struct resize_run *r, const float *x, float *y, int64_t y0, int64_t y1)
{
    const struct resize *z = &r->z;
    for (int64_t o = y0; o < y1; o++) {
        const int64_t at = z->rows_stay ? o : r->t.row_at[o];
        if (o > y0 && !z->rows_stay && at == r->t.row_at[o - 1])
            memcpy(y + o * z->col.out, y + (o - 1) * z->col.out, (size_t)z->col.out * sizeof *y);
        else along_row(r, x + at * z->col.in, y + o * z->col.out);
    }
}

/* Rows are added up, then resampled along. */
static void rows_first(const struct resize_run *r, const float *x, float *y, int64_t y0, int64_t y1,
                       float *sum)
{
    const struct resize *z = &r->z;
    const float *row[MOST_TAPS];
    for (int64_t o = y0; o < y1; o++) {
        const int64_t n = z->rows_width;
        float *to = y + o * z->col.out;
        for (int64_t k = 0; k < n; k++) row[k] = x + r->t.row_at[o * n + k] * z->col.in;
        r->f->across(row, r->t.row_weight + o * n, n, z->col.in, z->cols_stay ? to : sum);
        if (!z->cols_stay) along_row(r, sum, to);
    }
}

/* Rows are resampled along when first needed, each into the slot of its number modulo the taps:
 * those of one output row are neighbours. */
static void cols_first(const struct resize_run *r, const float *x, float *y, int64_t y0, int64_t y1,
                       float *slots)
{
    const struct resize *z = &r->z;
    const int64_t n = z->rows_width;
    const float *row[MOST_TAPS];
    int64_t held[MOST_TAPS];
    for (int64_t k = 0; k < n; k++) held[k] = -1;
    for (int64_t o = y0; o < y1; o++) {
        for (int64_t k = 0; k < n; k++) {
            const int64_t at = r->t.row_at[o * n + k], slot = at % n;
            row[k] = slots + slot * z->padded;
            if (held[slot] == at) continue;
            along_row(r, x + at * z->col.in, slots + slot * z->padded);
            held[slot] = at;
        }
        r->f->across(row, r->t.row_weight + o * n, n, z->col.out, y + o * z->col.out);
    }
}

static void resize_task(void *ctx, int64_t task)
{
    struct resize_run *r = ctx;
    const struct resize *z = &r->z;
    float *slots = r->t.slots + (size_t)task * r->t.slot;
    for (int64_t i; (i = atomic_fetch_add(&r->next, 1)) < z->planes * r->bands;) {
        const int64_t plane = i / r->bands, y0 = i % r->bands * r->band,
                      y1 = y0 + r->band < z->row.out ? y0 + r->band : z->row.out;
        const float *x = r->x + plane * z->row.in * z->col.in;
        float *y = r->y + plane * z->row.out * z->col.out;
        if (z->rows_width == 1) rows_alone(r, x, y, y0, y1);
        else if (z->cols_stay || z->row.out < z->row.in) rows_first(r, x, y, y0, y1, slots);
        else cols_first(r, x, y, y0, y1, slots);
    }
}

static void resize_run(const struct syn_op_call *c, const void *packed, void *scratch,
                       struct syn_pool *pool)
{
    struct resize_run r = {.x = c->in[0].data, .y = c->out[0].data, .f = cpu_resample_best()};
    int32_t threads = pool ? syn_pool_threads(pool) : 1;
    (void)packed;
    if (!read_resize(c, &r.z)) return;
    r.t = tables_of(&r.z, scratch, threads);
    fill_tables(&r.z, &r.t);
    r.cols = (struct cpu_resample_taps){r.z.col.in, r.z.col.out, r.z.padded, r.z.cols_width,
                                        r.t.col_at, r.t.col_weight, r.t.base};
    r.band = TASK_ELEMENTS / r.z.col.out + 1;
    r.bands = up(r.z.row.out, r.band);
    if (r.z.planes * r.z.row.out * r.z.col.out < TASK_ELEMENTS) threads = 1;
    syn_pool_run(threads > 1 ? pool : NULL, threads, resize_task, &r);
}

const struct syn_quick cpu_quick_resize = {.impl = "resize rows",
                                           .takes = resize_takes,
                                           .scratch = resize_scratch,
                                           .run = resize_run};
