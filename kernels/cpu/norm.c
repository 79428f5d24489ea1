/* norm.c - CHANNEL_NORM on values in blocks of 16 channels: one pass for the sums, one that writes.
 *
 * Sums:    of x - k and (x - k)^2, k the channel's first pixel, so that a mean far from zero costs
 *          no digits; floats along one row, doubles over rows. A task takes a band of rows and
 *          leaves its sums in scratch; the tasks of the second pass add up the bands.
 * Tests:   rows in tests/unit/test_cpu_norm.c; the whole on style networks by tests/parity. */
#include "kernels/cpu/norm.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/rowwise.h"
#include "kernels/cpu/steps.h"
#include "kernels/ops/ops.h"
#include <math.h>
#include <string.h>

/* --- portable rows ---------------------------------------------------------------------------- */

static float read_at(syn_dtype t, const void *base, int64_t i)
{
    uint32_t wide;
    float v;
    if (t == SYN_F32) return ((const float *)base)[i];
    wide = (uint32_t)((const uint16_t *)base)[i] << 16;
    memcpy(&v, &wide, sizeof v);
    return v;
}

static void sum_row(syn_dtype t, const void *x, int64_t pixels, const float *shift, float *sum,
                    float *square)
{
    for (int64_t i = 0; i < pixels; i++)
        for (int l = 0; l < CPU_BLOCK; l++) {
            const float v = read_at(t, x, i * CPU_BLOCK + l) - shift[l];
            sum[l] += v;
            square[l] += v * v;
        }
}

static void apply_row(syn_dtype t, const void *x, syn_dtype res_t, const void *res, syn_dtype out_t,
                      void *y, int64_t pixels, const struct cpu_norm_apply *p)
{
    const struct syn_place out = {.dtype = out_t};
    for (int64_t i = 0; i < pixels; i++) {
        float v[CPU_BLOCK];
        for (int l = 0; l < CPU_BLOCK; l++) {
            const int64_t at = i * CPU_BLOCK + l;
            v[l] = syn_act_apply((enum syn_act)p->act,
                                 read_at(t, x, at) * p->factor[l] + p->offset[l], p->a, p->b, 0);
            if (res) v[l] += read_at(res_t, res, at);
        }
        cpu_row_write(&out, y, i * CPU_BLOCK, CPU_BLOCK, v);
    }
}

const struct cpu_norm_rows cpu_norm_portable = {sum_row, apply_row};

static const struct cpu_norm_rows *best_rows(int32_t act)
{
#if defined(__x86_64__)
    if (act == SYN_ACT_NONE || act == SYN_ACT_RELU || act == SYN_ACT_LEAKY) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
            return &cpu_norm_avx512;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &cpu_norm_avx2;
    }
#endif
    return &cpu_norm_portable;
}

/* --- the kernel ------------------------------------------------------------------------------- */

enum { X, SCALE, BIAS, RES, OPERANDS };

struct norm {
    const struct syn_place *place;
    const struct syn_value *value; /* the program's graph outlives its kernels */
    int32_t in[OPERANDS], out;     /* values; -1 = absent */
    struct syn_shape shape;
    struct cpu_grid grid;
    int64_t bands;                 /* tasks of one (n, block) */
    double epsilon;
    struct cpu_norm_apply act;
    const struct cpu_norm_rows *rows; /* NULL: planes of f32, by line */
    const struct cpu_rowwise *line;
    cpu_step_fn *step;
    syn_step act_step;                /* of planes; SYN_STEP_COUNT: none */
    int32_t block;                    /* CPU_BLOCK, or 1: planes */
};

struct band { /* sums of one task, in scratch */
    double sum[CPU_BLOCK], square[CPU_BLOCK];
};

struct norm_run {
    const struct norm *s;
    const uint8_t *x, *res;
    uint8_t *y;
    struct band *band;            /* [n][block][band] */
    /* SCALE, BIAS: n_channels or n*n_channels numbers; NULL: absent */
    const float *affine[OPERANDS];
};

static const uint8_t *row_of(const struct syn_place *p, const uint8_t *base, int64_t n, int64_t cb,
                             int64_t y)
{
    return base + (size_t)cpu_row_at(p, n, cb, y) * syn_dtype_bytes(p->dtype);
}

static void shift_of(const struct norm_run *run, int64_t n, int64_t cb, float *shift)
{
    const struct syn_place *p = &run->s->place[run->s->in[X]];
    cpu_row_read(p, run->x, cpu_row_at(p, n, cb, 0), p->block, shift);
}

static void sum_task(void *ctx, int64_t task)
{
    const struct norm_run *run = ctx;
    const struct norm *s = run->s;
    const struct syn_place *p = &s->place[s->in[X]];
    struct band *b = &run->band[task];
    float shift[CPU_BLOCK];
    int64_t n, cb, y0, y1;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    shift_of(run, n, cb, shift);
    memset(b, 0, sizeof *b);
    for (int64_t y = y0; !s->rows && y < y1; y++)
        s->line->moments((const float *)row_of(p, run->x, n, cb, y), s->shape.dim[3], shift[0],
                         &b->sum[0], &b->square[0]);
    for (int64_t y = y0; s->rows && y < y1; y++) {
        float sum[CPU_BLOCK] = {0}, square[CPU_BLOCK] = {0};
        s->rows->sum(p->dtype, row_of(p, run->x, n, cb, y), s->shape.dim[3], shift, sum, square);
        for (int l = 0; l < CPU_BLOCK; l++)
            b->sum[l] += (double)sum[l], b->square[l] += (double)square[l];
    }
}

static float affine_at(const struct norm_run *run, int32_t i, int64_t n, int64_t c, float fallback)
{
    const struct norm *s = run->s;
    const int64_t channels = s->shape.dim[1];
    int64_t count = 0;
    if (!run->affine[i] || c >= channels) return fallback;
    if (!syn_shape_elements(&s->value[s->in[i]].shape, &count)) return fallback;
    return run->affine[i][count == channels ? c : n * channels + c];
}

/* Factor and offset of a block from the sums of its bands. Channels past the last stay zero. */
static void fold_bands(const struct norm_run *run, int64_t n, int64_t cb, struct cpu_norm_apply *p)
{
    const struct norm *s = run->s;
    const struct band *b = &run->band[(n * s->grid.blocks + cb) * s->bands];
    const double count = (double)(s->shape.dim[2] * s->shape.dim[3]);
    float shift[CPU_BLOCK];
    shift_of(run, n, cb, shift);
    *p = s->act;
    for (int l = 0; l < s->block; l++) {
        const int64_t c = cb * s->block + l;
        double sum = 0, square = 0, mean, var, factor;
        for (int64_t k = 0; k < s->bands; k++) sum += b[k].sum[l], square += b[k].square[l];
        mean = sum / count;
        var = square / count - mean * mean;
        factor = (double)affine_at(run, SCALE, n, c, 1) /
                 sqrt((var > 0 || isnan(var) ? var : 0) + s->epsilon);
        p->factor[l] = c < s->shape.dim[1] ? (float)factor : 0;
        p->offset[l] = c < s->shape.dim[1] ? (float)((double)affine_at(run, BIAS, n, c, 0) -
                                                     (mean + (double)shift[l]) * factor)
                                           : 0;
    }
}

/* One line of a plane. */
static void apply_line(const struct norm_run *run, const struct cpu_norm_apply *p, int64_t n,
                       int64_t c, int64_t y)
{
    const struct norm *s = run->s;
    const struct syn_place *out = &s->place[s->out];
    const int64_t w = s->shape.dim[3];
    float *to = (float *)run->y + cpu_row_at(out, n, c, y);
    const double args[2] = {(double)p->a, (double)p->b};
    s->line->affine((const float *)row_of(&s->place[s->in[X]], run->x, n, c, y), to, w,
                    p->factor[0], p->offset[0]);
    if (s->act_step != SYN_STEP_COUNT) s->step(s->act_step, to, NULL, to, w, args);
    if (s->in[RES] >= 0)
        s->step(SYN_STEP_ADD, to,
                (const float *)row_of(&s->place[s->in[RES]], run->res, n, c, y), to, w, args);
    cpu_zero_frame(out, &s->shape, run->y, n, c, y);
}

static syn_step step_of(int32_t act)
{
    switch (act) {
    case SYN_ACT_RELU: return SYN_STEP_RELU;
    case SYN_ACT_LEAKY: return SYN_STEP_LEAKY_RELU;
    case SYN_ACT_SIGMOID: return SYN_STEP_SIGMOID;
    case SYN_ACT_CLIP: return SYN_STEP_CLIP;
    default: return SYN_STEP_COUNT;
    }
}

static void apply_task(void *ctx, int64_t task)
{
    const struct norm_run *run = ctx;
    const struct norm *s = run->s;
    const struct syn_place *in = &s->place[s->in[X]], *out = &s->place[s->out],
                           *res = s->in[RES] >= 0 ? &s->place[s->in[RES]] : NULL;
    struct cpu_norm_apply p;
    int64_t n, cb, y0, y1;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    fold_bands(run, n, cb, &p);
    for (int64_t y = y0; !s->rows && y < y1; y++)
        apply_line(run, &p, n, cb, y);
    for (int64_t y = y0; s->rows && y < y1; y++) {
        s->rows->apply(in->dtype, row_of(in, run->x, n, cb, y), res ? res->dtype : SYN_F32,
                       res ? row_of(res, run->res, n, cb, y) : NULL, out->dtype,
                       run->y + (size_t)cpu_row_at(out, n, cb, y) * syn_dtype_bytes(out->dtype),
                       s->shape.dim[3], &p);
        cpu_zero_frame(out, &s->shape, run->y, n, cb, y);
    }
}

static void norm_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct norm *s = k->state;
    char *scratch = r->scratch;
    struct norm_run run = {
        .s = s, .x = syn_place_at(r, s->place, s->in[X]), .y = syn_place_at(r, s->place, s->out)};
    run.res = s->in[RES] >= 0 ? syn_place_at(r, s->place, s->in[RES]) : NULL;
    run.band = (struct band *)scratch;
    scratch += syn_aligned((size_t)cpu_grid_tasks(&s->grid) * sizeof *run.band);
    for (int32_t i = SCALE; i <= BIAS; i++) { /* scale and bias as plain floats */
        const struct syn_value *v = s->in[i] >= 0 ? &s->value[s->in[i]] : NULL;
        int64_t n = 0;
        if (!v || !syn_shape_elements(&v->shape, &n)) continue;
        if (v->data) syn_value_floats(v, 0, n, (float *)scratch);
        else
            syn_place_gather(&s->place[s->in[i]], &v->shape, syn_place_at(r, s->place, s->in[i]),
                             (float *)scratch);
        run.affine[i] = (float *)scratch;
        scratch += syn_aligned((size_t)n * sizeof(float));
    }
    syn_pool_run(r->pool, cpu_grid_tasks(&s->grid), sum_task, &run);
    syn_pool_run(r->pool, cpu_grid_tasks(&s->grid), apply_task, &run);
}

syn_status cpu_norm_prepare(struct cpu_self *self, const struct syn_placement *p,
                            const struct syn_place *place, int32_t node, struct syn_kernel *k,
                            struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct norm *s;
    const int32_t block = place[n->out[0]].block;
    const struct syn_place *res = n->n_in > RES && n->in[RES] >= 0 ? &place[n->in[RES]] : NULL;
    bool fits = n->id == SYN_OP_CHANNEL_NORM && (block == CPU_BLOCK || block == 1) &&
                place[n->in[0]].block == block;
    if (fits && res) fits = !p->g->value[n->in[RES]].data && res->block == block;
    if (fits && block == 1) /* planes are f32 */
        fits = place[n->out[0]].dtype == SYN_F32 && place[n->in[0]].dtype == SYN_F32 &&
               (!res || res->dtype == SYN_F32);
    if (!fits) return SYN_UNSUPPORTED;
    if (!(s = syn_calloc(1, sizeof *s)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    s->place = place;
    s->value = p->g->value;
    for (int32_t i = 0; i < OPERANDS; i++) s->in[i] = i < n->n_in ? n->in[i] : -1;
    s->out = n->out[0];
    s->shape = p->g->value[s->out].shape;
    s->grid = cpu_grid_of(&place[s->out], &s->shape, self->threads);
    s->bands = (s->grid.rows + s->grid.band - 1) / s->grid.band;
    s->epsilon = syn_attr_float(n->op, n->attr, "epsilon");
    s->act = (struct cpu_norm_apply){.act = (int32_t)syn_attr_int(n->op, n->attr, "act"),
                                     .a = (float)syn_attr_float(n->op, n->attr, "act_a"),
                                     .b = (float)syn_attr_float(n->op, n->attr, "act_b")};
    s->block = block;
    s->rows = block == 1 ? NULL : best_rows(s->act.act);
    s->line = cpu_rowwise_best();
    s->step = cpu_step_best();
    s->act_step = step_of(s->act.act);
    k->scratch_bytes = syn_aligned((size_t)cpu_grid_tasks(&s->grid) * sizeof(struct band));
    for (int32_t i = SCALE; i <= BIAS; i++)
        if (s->in[i] >= 0)
            k->scratch_bytes +=
                syn_aligned((size_t)(s->shape.dim[0] * s->shape.dim[1]) * sizeof(float));
    k->impl = !s->rows                         ? "norm planes"
              : s->rows == &cpu_norm_portable ? "norm rows"
                                              : "norm_avx512";
    k->run = norm_run;
    k->state = s;
    return SYN_OK;
}
