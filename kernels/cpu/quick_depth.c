/* quick_depth.c - convolutions whose outputs read one input channel each, over planes with short
 * rows: all rows of a plane at once (flat.h).
 *
 * Takes:   depthwise ones and those of one input channel a group, row stride 1, column stride 1 or
 *          2 where the input's row is as many times as long as the output's; transposed ones
 *          likewise, the other way round.
 * Weights: as they lie. Masks: one list for each column of the kernel, made anew in every run.
 * Tests:   tests/unit/test_quick.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/flat.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/steps.h"
#include "kernels/ops/check.h"
#include <math.h>
#include <string.h>

#define LANES CPU_FLAT_LANES
#define LONGEST_ROW 2048 /* longer ones are worth a loop of their own */
#define MOST_TAPS 64
#define TASK_POSITIONS ((int64_t)1 << 15)

/* Columns in a row of positions: of the shorter of input and output. */
static int64_t columns(const struct cpu_conv_shape *s) { return s->transposed ? s->w : s->wo; }

static bool depth_takes(const struct syn_op_call *c)
{
    struct cpu_conv_shape s;
    if (!cpu_has_avx512() || !cpu_conv_shape_read(c, &s)) return false;
    if (s.ci != s.group || s.sh != 1 || (s.sw != 1 && s.sw != 2)) return false;
    if (s.transposed ? s.wo != s.sw * s.w || s.dh != 1 || s.dw != 1 || s.co != s.group
                     : s.w != s.sw * s.wo)
        return false;
    return columns(&s) <= LONGEST_ROW && s.kh * s.kw <= MOST_TAPS;
}

/* Words until the masks repeat. */
static int64_t period_of(int64_t cols)
{
    int64_t words = cols;
    for (int64_t lanes = LANES; lanes > 1 && words % 2 == 0; lanes /= 2) words /= 2;
    return words;
}

struct depth_run {
    struct cpu_conv_shape s;
    struct cpu_flat flat; /* without a plane's own */
    struct cpu_flat_tap tap[2][MOST_TAPS];
    int32_t from[2][MOST_TAPS]; /* by phase and tap: place in the kernel */
    const float *x, *weights, *bias;
    float *y;
    cpu_step_fn *apply;
    int64_t per_task, parts;    /* positions; tasks to a plane */
};

static size_t depth_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct cpu_conv_shape s;
    (void)packed;
    (void)threads;
    if (!cpu_conv_shape_read(c, &s)) return 0;
    return (size_t)(s.kw * period_of(columns(&s))) * sizeof(uint16_t);
}

/* Where the kernel's column kx reads, from the position's own, and of which phase it is. */
static int64_t shift_of(const struct cpu_conv_shape *s, int64_t kx, int32_t *phase)
{
    *phase = 0;
    if (!s->transposed) return kx * s->dw - s->left;
    /* output o = sw*i + kx - left: its phase, and how far before it lies i's position */
    const int64_t o = kx - s->left;
    *phase = (int32_t)((o % s->sw + s->sw) % s->sw);
    return -(o - *phase) / s->sw;
}

/* Positions whose column, times step and moved by `shift`, is one of the input's. */
static void fill_mask(const struct cpu_conv_shape *s, int64_t step, int64_t shift, int64_t words,
                      uint16_t *mask)
{
    const int64_t cols = columns(s);
    memset(mask, 0, (size_t)words * sizeof *mask);
    for (int64_t p = 0; p < words * LANES; p++) {
        const int64_t at = p % cols * step + shift;
        if (at >= 0 && at < s->w) mask[p / LANES] |= (uint16_t)(1u << p % LANES);
    }
}

static void plan_taps(struct depth_run *r, uint16_t *mask)
{
    const struct cpu_conv_shape *s = &r->s;
    struct cpu_flat *f = &r->flat;
    f->period = period_of(columns(s));
    f->step = s->transposed ? 1 : s->sw;
    f->phases = s->transposed ? (int32_t)s->sw : 1;
    for (int64_t kx = 0; kx < s->kw; kx++, mask += f->period) {
        int32_t phase;
        const int64_t shift = shift_of(s, kx, &phase);
        fill_mask(s, f->step, shift, f->period, mask);
        for (int64_t ky = 0; ky < s->kh; ky++) {
            const int64_t rows = s->transposed ? s->top - ky : ky * s->dh - s->top;
            const int32_t t = f->n_taps[phase]++;
            r->tap[phase][t] = (struct cpu_flat_tap){rows * s->w + shift, mask};
            r->from[phase][t] = (int32_t)(ky * s->kw + kx);
        }
    }
}

static void depth_task(void *ctx, int64_t task)
{
    const struct depth_run *r = ctx;
    const struct cpu_conv_shape *s = &r->s;
    const int64_t plane = task / r->parts, from = task % r->parts * r->per_task,
                  channel = plane % s->co, taps = s->kh * s->kw,
                  in = plane / s->co * s->ci + channel / (s->co / s->group);
    const int64_t to = from + r->per_task < r->flat.n ? from + r->per_task : r->flat.n;
    float weight[2][MOST_TAPS];
    struct cpu_flat f = r->flat;
    f.x = r->x + in * f.n_x;
    f.y = r->y + plane * s->ho * s->wo;
    f.bias = r->bias ? r->bias[channel] : 0;
    for (int32_t ph = 0; ph < f.phases; ph++) {
        f.tap[ph] = r->tap[ph], f.weight[ph] = weight[ph];
        for (int32_t t = 0; t < f.n_taps[ph]; t++)
            weight[ph][t] = r->weights[channel * taps + r->from[ph][t]];
    }
    cpu_flat_avx512(&f, from, to);
    if (s->step != SYN_STEP_COUNT && s->step != SYN_STEP_RELU)
        r->apply(s->step, f.y + from * f.phases, NULL, f.y + from * f.phases,
                 (to - from) * f.phases, s->step_args);
}

static void depth_run(const struct syn_op_call *c, const void *packed, void *scratch,
                      struct syn_pool *pool)
{
    struct depth_run r = {.x = c->in[0].data,
                          .weights = c->in[1].data,
                          .bias = syn_ops_given(c, 2) ? c->in[2].data : NULL,
                          .y = c->out[0].data,
                          .apply = cpu_step_best()};
    (void)packed;
    if (!cpu_conv_shape_read(c, &r.s)) return;
    r.flat.n_x = r.s.h * r.s.w;
    r.flat.n = r.s.ho * columns(&r.s);
    r.flat.least = r.s.step == SYN_STEP_RELU ? 0 : -INFINITY;
    plan_taps(&r, scratch);
    r.per_task = r.flat.n < TASK_POSITIONS * 3 / 2 ? r.flat.n : TASK_POSITIONS;
    r.parts = (r.flat.n + r.per_task - 1) / r.per_task;
    syn_pool_run(pool, r.s.n * r.s.co * r.parts, depth_task, &r);
}

const struct syn_quick cpu_quick_depth = {
    .impl = "conv planes",
    .takes = depth_takes,
    .scratch = depth_scratch,
    .run = depth_run,
};
