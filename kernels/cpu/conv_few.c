/* conv_few.c - convolutions to few channels: the lanes of a register are pixels.
 *
 * Why:     the row kernels (conv_row.h) have output channels in the lanes; a network's last layer,
 *          with three of them, leaves thirteen of sixteen idle. Here the lanes are neighbouring
 *          pixels and each output channel is one row of a tile (tile.h), so the work is that of the
 *          channels there are: a 9x9 convolution of 4 channels to 3 at 512x512 takes 1.3 ms instead
 *          of 9 (Zen 4, two cores, bf16).
 * Mapping: a task is a band of output rows of one chunk of columns. Input rows are turned into
 *          lines, one per channel (f32) or pair of channels (bf16), in a ring as tall as the
 *          kernel: each is turned once per band. Taps are places in the ring, in one table for each
 *          of its positions.
 * Tests:   tests/unit/test_cpu_conv.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/lines.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/tile.h"
#include <stdatomic.h>
#include <string.h>

#define MOST_COLS (10 * CPU_TILE_COLS) /* of a chunk: a ring of 32 lines x 3 rows stays in L2 */

struct few {
    struct cpu_form form;
    cpu_tile_fn *tile;
    int64_t words, words_of_block, k; /* per pixel; in one block; products per output */
    int64_t slots, line;              /* rows of the ring; words of a line */
    int64_t *off;                     /* [slots][k]: places of the taps by the ring's position */
    uint32_t *weights;                /* [k][co] */
    int64_t cols, chunks, band, bands;
    int32_t threads;
    size_t ring_bytes;                /* of a thread: all its scratch */
};

bool cpu_conv_few_takes(const struct cpu_self *self, const struct syn_placement *p, int32_t node,
                        bool bf16)
{
    const struct syn_node *n = &p->g->node[node];
    struct syn_conv c;
    if (!p->lanes || n->id != SYN_OP_CONV || !cpu_conv_direct_takes(self, p, node, bf16))
        return false;
    for (int32_t k = SYN_CONV_RES1; k < n->n_in; k++)
        if (n->in[k] >= 0) return false;
    return cpu_conv_of(p, node, &c) && c.co <= CPU_TILE_ROWS && c.stride_h == 1 && c.stride_w == 1;
}

static void few_free(void *state)
{
    struct few *d = state;
    if (!d) return;
    cpu_form_deinit(&d->form);
    syn_free(d->off);
    syn_free(d->weights);
    syn_free(d);
}

/* --- running -------------------------------------------------------------------------------- */

struct few_run {
    const struct few *d;
    struct cpu_form_run at;
    uint8_t *scratch;
    atomic_llong next;
};

/* Input row iy (in the grid of output row 0's first tap) into its slot of the ring. */
static void turn_row(const struct few_run *r, int64_t n, int64_t row, int64_t ox, int64_t cols,
                     uint32_t *ring)
{
    const struct few *d = r->d;
    const struct syn_conv *c = &d->form.c;
    const struct syn_place *x = &d->form.place[d->form.x];
    const int64_t px = cols + (c->kw - 1) * c->dil_w, size = (int64_t)syn_dtype_bytes(x->dtype);
    uint32_t *to = ring + row % d->slots * d->words * d->line;
    for (int64_t w = 0, b = 0; w < d->words; w += d->words_of_block, b++) {
        const uint8_t *from =
            r->at.x + (cpu_row_at(x, n, b, row - c->top) + (ox - c->left) * CPU_BLOCK) * size;
        const int64_t words =
            d->words - w < d->words_of_block ? d->words - w : d->words_of_block;
        cpu_words_to_lines_avx512((const uint32_t *)(const void *)from, d->words_of_block, words,
                                  px, to + w * d->line, d->line);
    }
}

/* Sums of a piece of a row, line by line, to their place. */
static void put_piece(const struct few_run *r, int64_t n, int64_t oy, int64_t ox, int64_t cols,
                      float *sums)
{
    const struct few *d = r->d;
    const struct cpu_form *f = &d->form;
    const struct syn_place *y = &f->place[f->y];
    const struct cpu_line_act act = {f->slope, f->low, f->high, f->c.alpha};
    const int64_t co = f->c.co, at = cpu_row_at(y, n, 0, oy) + ox * y->block;
    float pairs[CPU_TILE_ROWS / 2 * CPU_TILE_COLS], none[CPU_TILE_COLS] = {0};
    if (f->c.act != SYN_ACT_NONE || f->c.alpha != 1)
        cpu_lines_act_avx512(sums, CPU_TILE_COLS, co, cols, &act);
    if (y->block == 1) {
        for (int64_t o = 0; o < co; o++)
            memcpy((float *)(void *)r->at.y + at + o * y->stride_c, sums + o * CPU_TILE_COLS,
                   (size_t)cols * sizeof *sums);
        return;
    }
    if (y->dtype == SYN_F32) {
        cpu_lines_to_words_avx512((const uint32_t *)(const void *)sums, CPU_TILE_COLS, co, cols,
                                  (uint32_t *)(void *)r->at.y + at, CPU_BLOCK);
        return;
    }
    for (int64_t o = 0; o < co; o += 2)
        cpu_pair_bf16(sums + o * CPU_TILE_COLS,
                      o + 1 < co ? sums + (o + 1) * CPU_TILE_COLS : none,
                      pairs + o / 2 * CPU_TILE_COLS, cols);
    cpu_lines_to_words_avx512((const uint32_t *)(const void *)pairs, CPU_TILE_COLS, (co + 1) / 2,
                              cols, (uint32_t *)(void *)r->at.y + at / 2, CPU_BLOCK / 2);
}

static void run_row(const struct few_run *r, int64_t n, int64_t oy, int64_t ox, int64_t cols,
                    const uint32_t *ring)
{
    const struct few *d = r->d;
    _Alignas(64) float sums[CPU_TILE_ROWS * CPU_TILE_COLS];
    struct cpu_tile t = {.a = (const float *)(const void *)d->weights,
                         .a_row = 1,
                         .a_k = d->form.c.co,
                         .k = d->k,
                         .bias = d->form.bias,
                         .off = d->off + oy % d->slots * d->k,
                         .rows = (int32_t)d->form.c.co,
                         .y = sums,
                         .y_row = CPU_TILE_COLS};
    for (int64_t j = 0; j < cols; j += CPU_TILE_COLS) {
        t.x = (const float *)(const void *)(ring + j);
        t.cols = (int32_t)(cols - j < CPU_TILE_COLS ? cols - j : CPU_TILE_COLS);
        d->tile(&t);
        put_piece(r, n, oy, ox + j, t.cols, sums);
    }
}

static void run_band(const struct few_run *r, int64_t n, int64_t band, int64_t chunk,
                     uint32_t *ring)
{
    const struct few *d = r->d;
    const struct cpu_form *f = &d->form;
    const int64_t first = band * d->band, ox = chunk * d->cols, reach = d->slots - 1,
                  end = first + d->band < f->c.ho ? first + d->band : f->c.ho,
                  cols = f->c.wo - ox < d->cols ? f->c.wo - ox : d->cols;
    for (int64_t row = first; row < end + reach; row++) {
        turn_row(r, n, row, ox, cols, ring);
        if (row - first < reach) continue;
        run_row(r, n, row - reach, ox, cols, ring);
        if (chunk == 0 && f->place[f->y].frame)
            cpu_zero_frame(&f->place[f->y], &f->y_shape, r->at.y, n, 0, row - reach);
    }
}

static void few_worker(void *ctx, int64_t worker)
{
    struct few_run *r = ctx;
    const struct few *d = r->d;
    uint32_t *ring = (uint32_t *)(void *)(r->scratch + (size_t)worker * d->ring_bytes);
    const int64_t units = d->form.c.n * d->bands * d->chunks;
    for (int64_t u; (u = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed)) < units;)
        run_band(r, u / d->chunks / d->bands, u / d->chunks % d->bands, u % d->chunks, ring);
}

static void few_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct few *d = k->state;
    struct few_run run = {.d = d, .at = cpu_form_at(&d->form, r), .scratch = r->scratch};
    atomic_init(&run.next, 0);
    syn_pool_run(r->pool, d->threads, few_worker, &run);
}

/* --- preparing ------------------------------------------------------------------------------ */

static void lay_out(struct few *d, struct syn_kernel *k)
{
    const struct syn_conv *c = &d->form.c;
    const int64_t step = d->form.bf16 ? 2 : 1;
    d->words = (c->ci + step - 1) / step;
    d->words_of_block = CPU_BLOCK / step;
    d->k = c->kh * c->kw * d->words;
    d->slots = (c->kh - 1) * c->dil_h + 1;
    d->chunks = (c->wo + MOST_COLS - 1) / MOST_COLS;
    d->cols = ((c->wo + d->chunks - 1) / d->chunks + 15) / 16 * 16;
    d->line = (d->cols + (c->kw - 1) * c->dil_w + 15) / 16 * 16;
    d->line += d->line % 64 == 0 ? 16 : 0; /* lines must not share cache sets */
    d->ring_bytes = syn_aligned((size_t)(d->slots * d->words * d->line) * sizeof(uint32_t));
    k->scratch_bytes = (size_t)d->threads * d->ring_bytes;
    /* a band's first rows are turned for it alone: eight per thread, but not much less than
     * those */
    d->band = c->ho * c->n * d->chunks / ((int64_t)d->threads * 4);
    if (d->band < 2 * d->slots) d->band = 2 * d->slots;
    if (d->band * d->threads > c->ho * c->n) d->band = c->ho * c->n / d->threads;
    d->band = d->band < 1 ? 1 : d->band > c->ho ? c->ho : d->band;
    d->bands = (c->ho + d->band - 1) / d->band;
}

static void fill_tables(struct few *d)
{
    const struct syn_conv *c = &d->form.c;
    int64_t *off = d->off;
    for (int64_t slot = 0; slot < d->slots; slot++)
        for (int64_t ty = 0; ty < c->kh; ty++)
            for (int64_t tx = 0; tx < c->kw; tx++)
                for (int64_t w = 0; w < d->words; w++)
                    *off++ = ((slot + ty * c->dil_h) % d->slots * d->words + w) * d->line +
                             tx * c->dil_w;
}

static uint32_t word_of(const struct syn_conv *c, const struct syn_value *w, bool bf16, int64_t o,
                        int64_t tap, int64_t word)
{
    const int64_t taps = c->kh * c->kw, ci = bf16 ? 2 * word : word;
    const float a = syn_value_float(w, (o * c->ci + ci) * taps + tap);
    uint32_t bits;
    if (bf16) {
        const float b =
            ci + 1 < c->ci ? syn_value_float(w, (o * c->ci + ci + 1) * taps + tap) : 0;
        return (uint32_t)syn_bf16_from_float(b) << 16 | syn_bf16_from_float(a);
    }
    memcpy(&bits, &a, sizeof bits);
    return bits;
}

static void fill_weights(struct few *d, const struct syn_value *w)
{
    const struct syn_conv *c = &d->form.c;
    uint32_t *to = d->weights;
    for (int64_t tap = 0; tap < c->kh * c->kw; tap++)
        for (int64_t word = 0; word < d->words; word++)
            for (int64_t o = 0; o < c->co; o++)
                *to++ = word_of(c, w, d->form.bf16, o, tap, word);
}

syn_status cpu_conv_few_prepare(struct cpu_self *self, const struct syn_placement *p,
                                const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct few *d = syn_calloc(1, sizeof *d);
    syn_status st;
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    if ((st = cpu_form_init(&d->form, p, place, node, err)) != SYN_OK) goto done;
    d->tile = d->form.bf16 ? cpu_tile_avx512bf16 : cpu_tile_avx512;
    d->threads = self->threads;
    lay_out(d, k);
    if (p->dry) goto done;
    d->off = syn_alloc((size_t)(d->slots * d->k) * sizeof *d->off);
    d->weights = syn_alloc((size_t)(d->k * d->form.c.co) * sizeof *d->weights);
    if (!d->off || !d->weights) {
        st = syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
        goto done;
    }
    fill_tables(d);
    fill_weights(d, &p->g->value[n->in[SYN_CONV_W]]);
done:
    if (st != SYN_OK) {
        few_free(d);
        k->scratch_bytes = 0;
        return st;
    }
    k->impl = d->form.bf16 ? "conv lanes avx512_bf16" : "conv lanes avx512";
    k->run = few_run;
    k->free = few_free;
    k->state = d;
    k->weight_bytes = (size_t)(d->k * d->form.c.co) * sizeof(uint32_t);
    return SYN_OK;
}
