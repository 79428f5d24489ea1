/* depth.c - see depth.h.
 *
 * Weights are put in the order of the phases' taps, masks made, once a run. */
#include "kernels/cpu/depth.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/rows.h"
#include <math.h>
#include <string.h>

#define LANES CPU_FLAT_LANES
#define LONGEST_ROW 2048 /* longer ones are worth a loop of their own */

/* Columns in a row of positions: of the shorter of input and output. */
static int64_t columns(const struct cpu_conv_shape *s) { return s->transposed ? s->w : s->wo; }

bool cpu_depth_takes(const struct cpu_conv_shape *s)
{
    if (!cpu_has_avx512()) return false;
    if (s->ci != s->group || s->sh != 1 || (s->sw != 1 && s->sw != 2)) return false;
    if (s->transposed ? s->wo != s->sw * s->w || s->dh != 1 || s->dw != 1 || s->co != s->group
                      : s->w != s->sw * s->wo)
        return false;
    return columns(s) <= LONGEST_ROW && s->kh * s->kw <= CPU_DEPTH_TAPS;
}

/* Words until the masks repeat. */
static int64_t period_of(int64_t cols)
{
    int64_t words = cols;
    for (int64_t lanes = LANES; lanes > 1 && words % 2 == 0; lanes /= 2) words /= 2;
    return words;
}

static size_t mask_bytes(const struct cpu_conv_shape *s)
{
    return syn_aligned((size_t)(s->kw * period_of(columns(s))) * sizeof(uint16_t));
}

size_t cpu_depth_scratch(const struct cpu_conv_shape *s)
{
    return mask_bytes(s) + syn_aligned((size_t)(s->co * s->kh * s->kw) * sizeof(float));
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

static void plan_taps(struct cpu_depth *d, uint16_t *mask, int64_t place[2][CPU_DEPTH_TAPS])
{
    const struct cpu_conv_shape *s = &d->s;
    struct cpu_flat *f = &d->flat;
    for (int64_t kx = 0; kx < s->kw; kx++, mask += f->period) {
        int32_t phase;
        const int64_t shift = shift_of(s, kx, &phase);
        fill_mask(s, f->step, shift, f->period, mask);
        for (int64_t ky = 0; ky < s->kh; ky++) {
            const int64_t rows = s->transposed ? s->top - ky : ky * s->dh - s->top,
                          off = rows * s->w + shift;
            const int32_t t = f->n_taps[phase]++;
            d->tap[phase][t] = (struct cpu_flat_tap){off, mask};
            place[phase][t] = ky * s->kw + kx;
            if (off < f->first) f->first = off;
            if (off > f->last) f->last = off;
        }
    }
}

void cpu_depth_plan(struct cpu_depth *d, const float *x, const float *weights, const float *bias,
                    void *scratch)
{
    const struct cpu_conv_shape *s = &d->s;
    int64_t place[2][CPU_DEPTH_TAPS];
    float *to = (float *)((char *)scratch + mask_bytes(s));
    d->x = x, d->bias = bias, d->weight = to;
    d->flat = (struct cpu_flat){.n_x = s->h * s->w,
                                .n = s->ho * columns(s),
                                .step = s->transposed ? 1 : s->sw,
                                .period = period_of(columns(s)),
                                .phases = s->transposed ? (int32_t)s->sw : 1,
                                .least = s->step == SYN_STEP_RELU ? 0 : -INFINITY};
    plan_taps(d, scratch, place);
    for (int64_t c = 0; c < s->co; c++, weights += s->kh * s->kw)
        for (int32_t ph = 0; ph < d->flat.phases; ph++)
            for (int32_t t = 0; t < d->flat.n_taps[ph]; t++) *to++ = weights[place[ph][t]];
}

void cpu_depth_run(const struct cpu_depth *d, int64_t plane, int64_t from, int64_t to, float *y)
{
    const struct cpu_conv_shape *s = &d->s;
    const int64_t channel = plane % s->co,
                  in = plane / s->co * s->ci + channel / (s->co / s->group);
    struct cpu_flat f = d->flat;
    f.x = d->x + in * f.n_x;
    f.y = y;
    f.bias = d->bias ? d->bias[channel] : 0;
    f.tap[0] = d->tap[0], f.tap[1] = d->tap[1];
    f.weight[0] = d->weight + channel * s->kh * s->kw;
    f.weight[1] = f.weight[0] + f.n_taps[0];
    cpu_flat_avx512(&f, from, to);
}
