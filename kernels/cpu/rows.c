/* rows.c - see rows.h. */
#include "kernels/cpu/rows.h"
#include "kernels/base/half.h"
#include <string.h>

bool cpu_has_avx512(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}

void cpu_row_read(const struct syn_place *p, const void *base, int64_t at, int64_t count, float *to)
{
    if (p->dtype == SYN_F32) {
        memcpy(to, (const float *)base + at, (size_t)count * sizeof *to);
        return;
    }
    const uint16_t *from = (const uint16_t *)base + at;
#if defined(__x86_64__)
    if (cpu_has_avx512()) {
        cpu_row_widen_avx512(from, count, to);
        return;
    }
#endif
    for (int64_t i = 0; i < count; i++) {
        uint32_t wide = (uint32_t)from[i] << 16;
        memcpy(&to[i], &wide, sizeof wide);
    }
}

void cpu_row_write(const struct syn_place *p, void *base, int64_t at, int64_t count,
                   const float *from)
{
    if (p->dtype == SYN_F32) {
        memcpy((float *)base + at, from, (size_t)count * sizeof *from);
        return;
    }
    uint16_t *to = (uint16_t *)base + at;
#if defined(__x86_64__)
    if (cpu_has_avx512()) {
        cpu_row_narrow_avx512(from, count, to);
        return;
    }
#endif
    for (int64_t i = 0; i < count;
         i++) { /* syn_bf16_from_float without a branch, so that it vectorises */
        uint32_t wide, nan;
        memcpy(&wide, &from[i], sizeof wide);
        nan = (wide & 0x7fffffffu) > 0x7f800000u;
        wide = (wide + (nan ? 0u : 0x7fffu + (wide >> 16 & 1u))) >> 16;
        to[i] = (uint16_t)(wide | (nan ? 0x40u : 0u));
    }
}

void cpu_value_floats(const struct syn_value *v, int64_t i, int64_t n, float *to)
{
#if defined(__x86_64__)
    if (v->dtype == SYN_F16 && cpu_has_avx512()) {
        cpu_half_widen_avx512((const char *)v->data + 2 * i, n, to);
        return;
    }
#endif
    syn_value_floats(v, i, n, to);
}

static void zero(const struct syn_place *p, void *base, int64_t at, int64_t count)
{
    size_t size = syn_dtype_bytes(p->dtype);
    memset((char *)base + (size_t)at * size, 0, (size_t)count * size);
}

void cpu_zero_frame(const struct syn_place *p, const struct syn_shape *s, void *base, int64_t n,
                    int64_t cb, int64_t y)
{
    const int64_t side = (int64_t)p->frame * p->block, at = cpu_row_at(p, n, cb, y), h = s->dim[2];
    if (p->frame == 0) return;
    zero(p, base, at - side, side);
    zero(p, base, at + s->dim[3] * p->block, side);
    if (y == 0) zero(p, base, at - side - p->frame * p->stride_y, p->frame * p->stride_y);
    if (y == h - 1) zero(p, base, at - side + p->stride_y, p->frame * p->stride_y);
}

struct cpu_grid cpu_grid_of(const struct syn_place *p, const struct syn_shape *s, int32_t threads)
{
    struct cpu_grid g = {s->dim[0], cpu_blocks(p, s), s->dim[2], 1};
    int64_t wanted = g.n * g.blocks * g.rows / ((int64_t)threads * 8);
    g.band = wanted < 1 ? 1 : wanted > g.rows ? g.rows : wanted;
    return g;
}
int64_t cpu_grid_tasks(const struct cpu_grid *g)
{
    return g->n * g->blocks * ((g->rows + g->band - 1) / g->band);
}

void cpu_grid_task(const struct cpu_grid *g, int64_t task, int64_t *n, int64_t *cb, int64_t *y0,
                   int64_t *y1)
{
    const int64_t bands = (g->rows + g->band - 1) / g->band;
    *y0 = task % bands * g->band;
    *y1 = *y0 + g->band < g->rows ? *y0 + g->band : g->rows;
    *cb = task / bands % g->blocks;
    *n = task / bands / g->blocks;
}
