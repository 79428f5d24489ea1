/* transpose.c - pictures between NHWC and the places of this backend: NHWC networks have a
 * Transpose at either end, which so costs what bringing the picture in and out costs anyway.
 *
 * NHWC values that a Transpose alone reads or makes lie dense (place.c); a row of them is turned
 * into rows of channel blocks or planes, or back.
 * Tests:   tests/unit/test_cpu_ops.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include <string.h>

struct turn {
    const struct syn_place *place;
    int32_t in, out;
    bool to_nchw;
    int64_t n, c, h, w, band, bands;
};
struct turn_run {
    const struct turn *t;
    uint8_t *x, *y;
};

/* px pixels of a block's channels from NHWC; channels past the last are zero. */
static void gather_block(const struct turn *t, const float *pixels, int64_t used, int64_t block,
                         int64_t px, float *piece)
{
#if defined(__x86_64__)
    if (t->c == 3 && block == 4 && cpu_has_avx512()) {
        cpu_row_quads_avx512(pixels, px, piece);
        return;
    }
#endif
    if (used < block) memset(piece, 0, (size_t)(px * block) * sizeof *piece);
    for (int64_t c = 0; c < used; c++)
        for (int64_t x = 0; x < px; x++) piece[x * block + c] = pixels[x * t->c + c];
}

/* Row y of picture n between `dense` (w pixels of c numbers) and its place. */
static void turn_row(const struct turn *t, const struct syn_place *p, uint8_t *base, float *dense,
                     int64_t n, int64_t y)
{
    const int64_t block = p->block, blocks = (t->c + block - 1) / block, most = CPU_CHUNK / block;
    float piece[CPU_CHUNK];
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t c0 = b * block, used = t->c - c0 < block ? t->c - c0 : block,
                      at = cpu_row_at(p, n, b, y);
        for (int64_t x0 = 0; x0 < t->w; x0 += most) {
            const int64_t px = t->w - x0 < most ? t->w - x0 : most;
            float *pixels = dense + x0 * t->c + c0;
            if (t->to_nchw) {
                gather_block(t, pixels, used, block, px, piece);
                cpu_row_write(p, base, at + x0 * block, px * block, piece);
                continue;
            }
            cpu_row_read(p, base, at + x0 * block, px * block, piece);
            for (int64_t c = 0; c < used; c++)
                for (int64_t x = 0; x < px; x++) pixels[x * t->c + c] = piece[x * block + c];
        }
    }
}

static void turn_task(void *ctx, int64_t task)
{
    const struct turn_run *r = ctx;
    const struct turn *t = r->t;
    const struct syn_place *p = &t->place[t->to_nchw ? t->out : t->in];
    const int64_t n = task / t->bands, y0 = task % t->bands * t->band,
                  y1 = y0 + t->band < t->h ? y0 + t->band : t->h;
    uint8_t *base = t->to_nchw ? r->y : r->x;
    float *dense = (float *)(void *)(t->to_nchw ? r->x : r->y) + n * t->h * t->w * t->c;
    for (int64_t y = y0; y < y1; y++) {
        turn_row(t, p, base, dense + y * t->w * t->c, n, y);
        for (int64_t b = 0; t->to_nchw && p->frame && b * p->block < t->c; b++) {
            const struct syn_shape s = syn_shape4(t->n, t->c, t->h, t->w);
            cpu_zero_frame(p, &s, base, n, b, y);
        }
    }
}

static void turn_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct turn *t = k->state;
    struct turn_run run = {t, syn_place_at(r, t->place, t->in), syn_place_at(r, t->place, t->out)};
    syn_pool_run(r->pool, t->n * t->bands, turn_task, &run);
}

static bool is_dense(const struct syn_place *p)
{
    return p->block == 1 && p->frame == 0 && p->dtype == SYN_F32;
}

/* 1: NHWC to NCHW; -1: back; 0: another order. */
static int order_of(const struct syn_node *n)
{
    static const int64_t in[4] = {0, 3, 1, 2}, out[4] = {0, 2, 3, 1};
    const struct syn_attr *perm = syn_attr_list(n->op, n->attr, "perm");
    if (perm->n != 4) return 0;
    if (!memcmp(perm->v.i, in, sizeof in)) return 1;
    return memcmp(perm->v.i, out, sizeof out) ? 0 : -1;
}

syn_status cpu_transpose_prepare(struct cpu_self *self, const struct syn_placement *p,
                                 const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                 struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    const struct syn_shape *s;
    struct turn *t;
    int order;
    if (n->id != SYN_OP_TRANSPOSE || (order = order_of(n)) == 0 || p->g->value[n->in[0]].data)
        return SYN_UNSUPPORTED;
    if (!is_dense(&place[order > 0 ? n->in[0] : n->out[0]]) ||
        place[order > 0 ? n->out[0] : n->in[0]].block < 1)
        return SYN_UNSUPPORTED;
    if (!(t = syn_calloc(1, sizeof *t)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    s = &p->g->value[order > 0 ? n->out[0] : n->in[0]].shape; /* NCHW */
    *t = (struct turn){.place = place, .in = n->in[0], .out = n->out[0], .to_nchw = order > 0,
                       .n = s->dim[0], .c = s->dim[1], .h = s->dim[2], .w = s->dim[3]};
    t->band = t->h / ((int64_t)self->threads * 4);
    t->band = t->band < 1 ? 1 : t->band;
    t->bands = (t->h + t->band - 1) / t->band;
    k->impl = "nhwc rows";
    k->run = turn_run;
    k->state = t;
    return SYN_OK;
}
