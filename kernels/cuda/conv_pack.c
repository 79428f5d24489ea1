/* conv_pack.c - weights in the order in which the convolution kernels read them. The layout:
 * conv_phase.h. */
#include "kernels/cuda/conv_phase.h"
#include "kernels/base/half.h"
#include "kernels/graph/element.h"
#include <string.h>

static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* --- phases --------------------------------------------------------------------------------- */

/* Whether kernel position j of an axis reaches the outputs that are `phase` modulo the stride, and
 * from how far. */
static bool reach(const struct cuda_conv *c, bool rows, int32_t phase, int32_t j, int32_t *distance)
{
    const int64_t dil = rows ? c->dil_h : c->dil_w, pad = rows ? c->top : c->left,
                  stride = rows ? c->stride_h : c->stride_w;
    const int64_t d = c->transposed ? phase + pad - j * dil : j * dil - pad;
    if (c->transposed && d % stride != 0) return false;
    *distance = (int32_t)(c->transposed ? d / stride : d);
    return true;
}

void cuda_conv_phase(const struct cuda_conv *c, int32_t i, struct cuda_phase *p,
                     struct cuda_tap *tap)
{
    int32_t last_dy = 0, last_dx = 0;
    *p = (struct cuda_phase){.row0 = c->transposed ? i / c->stride_w : 0,
                             .col0 = c->transposed ? i % c->stride_w : 0};
    for (int32_t ky = 0; ky < c->kh; ky++)
        for (int32_t kx = 0; kx < c->kw; kx++) {
            struct cuda_tap t;
            if (!reach(c, true, p->row0, ky, &t.dy) || !reach(c, false, p->col0, kx, &t.dx))
                continue;
            if (p->n_taps == 0) p->dy = last_dy = t.dy, p->dx = last_dx = t.dx;
            if (t.dy < p->dy) p->dy = t.dy;
            if (t.dx < p->dx) p->dx = t.dx;
            if (t.dy > last_dy) last_dy = t.dy;
            if (t.dx > last_dx) last_dx = t.dx;
            if (tap) tap[p->n_taps] = t;
            p->n_taps++;
        }
    p->rows = last_dy - p->dy;
    p->cols = last_dx - p->dx;
}

/* The kernel position from which `distance` came: reach backwards. */
static int64_t position(const struct cuda_conv *c, bool rows, int32_t phase, int32_t distance)
{
    const int64_t dil = rows ? c->dil_h : c->dil_w, pad = rows ? c->top : c->left,
                  stride = rows ? c->stride_h : c->stride_w;
    return (c->transposed ? phase + pad - distance * stride : distance + pad) / dil;
}

static int64_t k_steps(enum cuda_conv_way way, const struct cuda_conv *c, int32_t n_taps)
{
    if (way == CUDA_CONV_HALO) return up(c->x.c, CUDA_MMA_K) / CUDA_MMA_K * n_taps;
    return up((int64_t)n_taps * cuda_conv_chunks(c->x.c) * 8, CUDA_MMA_K) / CUDA_MMA_K;
}

/* Bytes of the weights of a phase with n_taps taps. */
static int64_t phase_bytes(enum cuda_conv_way way, const struct cuda_conv *c, int32_t n_taps)
{
    const int32_t n = cuda_mma_n(c->y.c);
    switch (way) {
    case CUDA_CONV_MMA:
    case CUDA_CONV_HALO: return up(c->y.c, n) * k_steps(way, c, n_taps) * CUDA_MMA_K * 2;
    case CUDA_CONV_DEPTH: return (int64_t)n_taps * cuda_padded(c->x.c) * 4;
    default: return (int64_t)n_taps * c->x.c * up(c->y.c / c->group, 4) * 4;
    }
}

static int64_t tables_bytes(const struct cuda_conv *c)
{
    return up((int64_t)cuda_conv_phases(c) * (int64_t)sizeof(struct cuda_phase) +
                  (int64_t)c->kh * c->kw * (int64_t)sizeof(struct cuda_tap),
              CUDA_CONV_ALIGN);
}

size_t cuda_conv_packed_bytes(enum cuda_conv_way way, const struct cuda_conv *c)
{
    int64_t bytes = tables_bytes(c);
    for (int32_t i = 0; i < cuda_conv_phases(c); i++) {
        struct cuda_phase p;
        cuda_conv_phase(c, i, &p, NULL);
        bytes += phase_bytes(way, c, p.n_taps);
    }
    return (size_t)bytes;
}

/* --- weights -------------------------------------------------------------------------------- */

struct packing {
    enum cuda_conv_way way;
    const struct cuda_conv *c;
    const float *w;
    const struct cuda_phase *phase;
    const struct cuda_tap *tap; /* the phase's first */
};

/* Output channel co of all, input channel ci of its group; 0 outside of them. */
static float weight(const struct packing *p, int64_t co, int64_t ci, int64_t tap)
{
    const struct cuda_conv *c = p->c;
    const int64_t in = c->x.c / c->group, out = c->y.c / c->group;
    int64_t ky, kx;
    if (co >= c->y.c || ci >= in || tap >= p->phase->n_taps) return 0;
    ky = position(c, true, p->phase->row0, p->tap[tap].dy);
    kx = position(c, false, p->phase->col0, p->tap[tap].dx);
    return p->w[((c->transposed ? (co / out * in + ci) * out + co % out : co * in + ci) * c->kh +
                 ky) * c->kw + kx];
}

/* Of output co, number k of a step. */
static float weight_at(const struct packing *p, int64_t co, int64_t step, int32_t k,
                       int32_t per_tap)
{
    const int64_t chunk = step * (CUDA_MMA_K / 8) + k / 8;
    if (p->way == CUDA_CONV_HALO)
        return weight(p, co, step / p->phase->n_taps * CUDA_MMA_K + k, step % p->phase->n_taps);
    return weight(p, co, chunk % per_tap * 8 + k % 8, chunk / per_tap);
}

/* The 16-byte chunks of a tile's row are turned so that the 8 rows which one ldmatrix reads lie in
 * 8 different groups of banks: two rows of 64 bytes are one turn around the 32 banks. */
static void pack_mma(const struct packing *p, uint16_t *to)
{
    const struct cuda_conv *c = p->c;
    const int32_t n = cuda_mma_n(c->y.c), per_tap = cuda_conv_chunks(c->x.c);
    const int64_t steps = p->phase->k_steps;
    for (int64_t first = 0; first < c->y.c; first += n)
        for (int64_t step = 0; step < steps; step++)
            for (int32_t row = 0; row < n; row++, to += CUDA_MMA_K)
                for (int32_t k = 0; k < CUDA_MMA_K; k++) {
                    const float v = weight_at(p, first + row, step, k, per_tap);
                    to[(k / 8 ^ (row >> 1 & 3)) * 8 + k % 8] =
                        c->x.dtype == SYN_BF16 ? syn_bf16_from_float(v)
                                               : syn_f16_from_double((double)v);
                }
}

static void pack_plain(const struct packing *p, float *to)
{
    const struct cuda_conv *c = p->c;
    const int64_t in = c->x.c / c->group, out = c->y.c / c->group;
    for (int64_t g = 0; g < c->group; g++)
        for (int64_t tap = 0; tap < p->phase->n_taps; tap++)
            for (int64_t ci = 0; ci < in; ci++)
                for (int64_t o = 0; o < up(out, 4); o++)
                    *to++ = o < out ? weight(p, g * out + o, ci, tap) : 0;
}

static void pack_depth(const struct packing *p, float *to)
{
    for (int64_t tap = 0; tap < p->phase->n_taps; tap++)
        for (int64_t ch = 0; ch < cuda_padded(p->c->x.c); ch++)
            *to++ = weight(p, ch, 0, tap);
}

void cuda_conv_pack(enum cuda_conv_way way, const struct cuda_conv *c, const float *w, void *packed)
{
    struct cuda_phase *phase = packed;
    struct cuda_tap *tap = (struct cuda_tap *)(phase + cuda_conv_phases(c));
    int64_t at = tables_bytes(c);
    memset(packed, 0, (size_t)at);
    for (int32_t i = 0, first = 0; i < cuda_conv_phases(c); i++) {
        const struct packing p = {way, c, w, &phase[i], tap + first};
        void *to = (char *)packed + at;
        cuda_conv_phase(c, i, &phase[i], tap + first);
        phase[i].first_tap = first;
        phase[i].weights = at;
        phase[i].k_steps = k_steps(way, c, phase[i].n_taps);
        if (way == CUDA_CONV_MMA || way == CUDA_CONV_HALO) pack_mma(&p, to);
        else if (way == CUDA_CONV_DEPTH) pack_depth(&p, to);
        else pack_plain(&p, to);
        first += phase[i].n_taps;
        at += phase_bytes(way, c, phase[i].n_taps);
    }
}
