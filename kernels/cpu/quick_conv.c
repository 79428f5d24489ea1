/* quick_conv.c - convolutions and transposed convolutions of dense f32, one or two spatial axes:
 * the networks of sound, whose lengths change from call to call.
 *
 * Form:    a task makes some columns of one output row. It first copies what it will read, padded,
 *          into a buffer that stays in the second-level cache: one line per channel and kernel row,
 *          strided columns apart by phase, so that every tap is a run of neighbours and lines of
 *          channels do not meet in the same cache sets. Then tiles (tile.h): 8 output channels by
 *          48 columns, the taps' places in a table.
 * Transposed: with stride s each output phase (o + pad) % s is an ordinary convolution with every
 *          s-th tap; the phases are further rows of the tile, and scattered when it is done.
 * bf16:    where the call allows it (c->bf16) and the CPU has it: channels in pairs, inputs rounded
 *          as they are copied, weights when they are packed; sums stay f32.
 * Weights: packed by 8 rows, [group][block][tap][8], once for all lengths.
 * Tests:   tests/unit/test_quick.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/steps.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/check.h"
#include <string.h>

#define R CPU_TILE_ROWS
#define C CPU_TILE_COLS

struct geometry {
    struct cpu_conv_shape s;
    /* the ordinary convolution that is run: of the phases where transposed */
    int64_t rows;                /* rows of a group's tile: channels, times phases */
    int64_t taps_h, taps_w;      /* per channel */
    int64_t qh, qw;              /* its output's size */
    int64_t step_h, step_w, dil_h, dil_w; /* of it */
    int64_t pad_top, pad_left;
    bool bf16;
    int64_t lines;               /* per group: channels (pairs of them), times kernel rows */
};

#define BUFFER_FLOATS (1 << 16)  /* of a task's copy, on its stack */
#define MOST_TILES 4             /* of columns per task */

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

static bool is_depthwise(const struct geometry *g)
{
    return !g->s.transposed && g->rows == 1 && g->s.ci == g->s.group;
}

/* Floats of one phase of a line that serves `cols` columns. Not a multiple of 1 KiB: lines must not
 * share cache sets. */
static int64_t line_of(const struct geometry *g, int64_t cols)
{
    const int64_t n = up(cols + (g->taps_w - 1) * g->dil_w / g->step_w + 1, 16) * 16;
    return n % 64 == 0 ? n + 16 : n;
}

/* Kernels of one column whose rows have no edges of their own: the plane is one row, and the taps
 * lie whole rows apart. Not where the lines of all channels would be too long for the buffer. */
static void join_rows(struct cpu_conv_shape *s)
{
    const int64_t apart = (s->kh - 1) * s->dh * s->w;
    if (s->kw != 1 || s->sh != 1 || s->sw != 1 || s->left || s->w != s->wo) return;
    if (apart && s->ci / s->group * (apart + MOST_TILES * C) > BUFFER_FLOATS) return;
    s->kw = s->kh, s->dw = s->dh * s->w, s->left = s->top * s->w;
    s->w *= s->h, s->wo *= s->ho;
    s->kh = s->h = s->ho = s->dh = 1, s->top = 0;
}

/* False: none of ours. */
static bool read_geometry(const struct syn_op_call *c, struct geometry *g)
{
    bool tr;
    *g = (struct geometry){.rows = 0};
    if (!cpu_conv_shape_read(c, &g->s)) return false;
    tr = g->s.transposed;
    if (!tr) join_rows(&g->s);
    if (tr && (g->s.dh != 1 || g->s.dw != 1 || g->s.sh > 64 || g->s.sw > 64)) return false;
    g->bf16 = c->bf16 && cpu_tile_bf16();
    if (!tr) {
        g->rows = g->s.co / g->s.group;
        g->taps_h = g->s.kh, g->taps_w = g->s.kw;
        g->qh = g->s.ho, g->qw = g->s.wo;
        g->pad_top = g->s.top, g->pad_left = g->s.left;
        g->step_h = g->s.sh, g->step_w = g->s.sw, g->dil_h = g->s.dh, g->dil_w = g->s.dw;
    } else {
        g->rows = g->s.co / g->s.group * g->s.sh * g->s.sw;
        g->taps_h = up(g->s.kh, g->s.sh), g->taps_w = up(g->s.kw, g->s.sw);
        /* positions (o + pad) / s that are asked for */
        g->qh = up(g->s.ho + g->s.top, g->s.sh), g->qw = up(g->s.wo + g->s.left, g->s.sw);
        g->pad_top = g->taps_h - 1, g->pad_left = g->taps_w - 1;
        g->step_h = g->step_w = g->dil_h = g->dil_w = 1;
    }
    g->bf16 = g->bf16 && !is_depthwise(g) && g->s.ci / g->s.group > 1;
    g->lines = (g->bf16 ? up(g->s.ci / g->s.group, 2) : g->s.ci / g->s.group) * g->taps_h;
    /* one tile of columns must fit; a convolution with more channels goes through them in parts */
    return (tr ? g->lines : g->taps_h) * line_of(g, C) * g->step_w <= BUFFER_FLOATS;
}

static int64_t taps_of(const struct geometry *g) { return g->lines * g->taps_w; }

static bool conv_takes(const struct syn_op_call *c)
{
    struct geometry g;
    return read_geometry(c, &g);
}

/* --- weights ---------------------------------------------------------------------------------- */

/* Weight of row r (channel, phases) of group `grp` at tap (i, ty, tx); 0 where the kernel has
 * none. */
static float weight_at(const struct geometry *g, const float *w, int64_t grp, int64_t r, int64_t i,
                       int64_t ty, int64_t tx)
{
    const int64_t ci = g->s.ci / g->s.group, co = g->s.co / g->s.group;
    if (!g->s.transposed) return w[(((grp * co + r) * ci + i) * g->s.kh + ty) * g->s.kw + tx];
    /* out position q*s + phase meets input q - m at kernel place phase + m*s; taps run from the
     * farthest m on */
    const int64_t o = r / (g->s.sh * g->s.sw), py = r / g->s.sw % g->s.sh, px = r % g->s.sw,
                  ky = py + (g->taps_h - 1 - ty) * g->s.sh,
                  kx = px + (g->taps_w - 1 - tx) * g->s.sw;
    if (ky >= g->s.kh || kx >= g->s.kw) return 0;
    return w[(((grp * ci + i) * co + o) * g->s.kh + ky) * g->s.kw + kx];
}

static bool is_constant(uint64_t constants, int32_t k) { return constants >> k & 1; }

/* Rows of a group's blocks for all its taps; bf16: two channels' weights in one word. */
static void pack_into(const struct geometry *g, const float *w, float *p)
{
    const int64_t ci = g->s.ci / g->s.group, step = g->bf16 ? 2 : 1;
    for (int64_t grp = 0; grp < g->s.group; grp++)
        for (int64_t b = 0; b < g->rows; b += R)
            for (int64_t i = 0; i < ci; i += step)
                for (int64_t ty = 0; ty < g->taps_h; ty++)
                    for (int64_t tx = 0; tx < g->taps_w; tx++)
                        for (int64_t r = b; r < b + R; r++, p++) {
                            const float first =
                                            r < g->rows ? weight_at(g, w, grp, r, i, ty, tx) : 0,
                                        second = g->bf16 && r < g->rows && i + 1 < ci
                                                     ? weight_at(g, w, grp, r, i + 1, ty, tx)
                                                     : 0;
                            uint32_t pair = (uint32_t)syn_bf16_from_float(second) << 16 |
                                            syn_bf16_from_float(first);
                            if (g->bf16) memcpy(p, &pair, sizeof pair);
                            else *p = first;
                        }
}

static size_t packed_floats(const struct geometry *g)
{
    return (size_t)(g->s.group * up(g->rows, R) * R * taps_of(g));
}

/* What is kept: a word that says which form the weights have, then they. */
#define HEAD 16 /* floats: keeps the alignment */

static syn_status conv_pack(const struct syn_op_call *c, uint64_t constants, void **packed,
                            size_t *bytes, struct syn_err *err)
{
    struct geometry g;
    float *p;
    if (!is_constant(constants, 1) || !read_geometry(c, &g) || is_depthwise(&g)) return SYN_OK;
    *bytes = (packed_floats(&g) + HEAD) * sizeof(float);
    if (!(p = syn_alloc(*bytes)))
        return syn_fail(err, SYN_NO_MEMORY, "weights: no memory for %zu bytes", *bytes);
    p[0] = g.bf16;
    pack_into(&g, c->in[1].data, p + HEAD);
    *packed = p;
    return SYN_OK;
}

const float *cpu_conv_blocks(const void *packed)
{
    const float *p = packed;
    return p && p[0] == 0 ? p + HEAD : NULL;
}

static bool fits(const void *packed, const struct geometry *g)
{
    return packed && (((const float *)packed)[0] != 0) == g->bf16;
}

/* --- running ---------------------------------------------------------------------------------- */

struct conv_run {
    struct geometry g;
    const float *x, *weights, *bias;
    const int64_t *off;           /* by tap, for lines of `line` floats */
    float *y;
    int64_t line, cols;           /* columns of a task */
    int64_t part;                 /* channels (pairs) that are copied at a time */
    /* the rows' blocks are split among tasks where there are few columns */
    int64_t chunks, chunk_blocks;
    int64_t spans;                /* tasks along a row */
    cpu_tile_fn *tile;
    cpu_taps_fn *taps;
    cpu_step_fn *apply;
};

static size_t table_bytes(const struct geometry *g)
{
    return syn_aligned((size_t)taps_of(g) * sizeof(int64_t));
}

static size_t conv_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct geometry g;
    (void)threads;
    if (!read_geometry(c, &g)) return 0;
    return table_bytes(&g) +
           (fits(packed, &g) || is_depthwise(&g)
                ? 0
                : syn_aligned(packed_floats(&g) * sizeof(float)));
}

/* Input row iy of one channel from column x0 on: `n` columns every step-th, zeros outside. */
static void copy_line(const struct geometry *g, const float *plane, int64_t iy, int64_t x0,
                      int64_t step, int64_t n, float *to)
{
    const float *row = plane + iy * g->s.w;
    int64_t q = 0;
    if (iy < 0 || iy >= g->s.h) {
        memset(to, 0, (size_t)n * sizeof *to);
        return;
    }
    for (; q < n && x0 + q * step < 0; q++) to[q] = 0;
    if (step == 1) {
        const int64_t m = g->s.w - x0 < n ? g->s.w - x0 : n;
        if (m > q) memcpy(to + q, row + x0 + q, (size_t)(m - q) * sizeof *to), q = m;
    } else
        for (; q < n && x0 + q * step < g->s.w; q++) to[q] = row[x0 + q * step];
    for (; q < n; q++) to[q] = 0;
}

/* Channels [i0, i1) (or pairs) of output row q from column j on, as lines. */
static void copy_in(const struct conv_run *run, int64_t n, int64_t grp, int64_t q, int64_t j,
                    int64_t i0, int64_t i1, float *to)
{
    const struct geometry *g = &run->g;
    const int64_t ci = g->s.ci / g->s.group, plane = g->s.h * g->s.w;
    const float *x = run->x + (n * g->s.ci + grp * ci) * plane;
    float two[2][BUFFER_FLOATS / 64];
    for (int64_t i = i0; i < i1; i++)
        for (int64_t ty = 0; ty < g->taps_h; ty++)
            for (int64_t s = 0; s < g->step_w; s++, to += run->line) {
                const int64_t iy = q * g->step_h + ty * g->dil_h - g->pad_top,
                              x0 = j * g->step_w + s - g->pad_left;
                if (!g->bf16) {
                    copy_line(g, x + i * plane, iy, x0, g->step_w, run->line, to);
                    continue;
                }
                if (iy >= 0 && iy < g->s.h && g->step_w == 1 && x0 >= 0 &&
                    x0 + run->line <= g->s.w && 2 * i + 1 < ci) {
                    cpu_pair_bf16(x + 2 * i * plane + iy * g->s.w + x0,
                                  x + (2 * i + 1) * plane + iy * g->s.w + x0, to, run->line);
                    continue;
                }
                for (int64_t at = 0; at < run->line; at += BUFFER_FLOATS / 64) {
                    const int64_t m =
                        run->line - at < BUFFER_FLOATS / 64 ? run->line - at : BUFFER_FLOATS / 64;
                    copy_line(g, x + 2 * i * plane, iy, x0 + at * g->step_w, g->step_w, m, two[0]);
                    if (2 * i + 1 < ci)
                        copy_line(g, x + (2 * i + 1) * plane, iy, x0 + at * g->step_w, g->step_w, m,
                                  two[1]);
                    else memset(two[1], 0, (size_t)m * sizeof(float));
                    cpu_pair_bf16(two[0], two[1], to + at, m);
                }
            }
}

static void fill_table(const struct geometry *g, int64_t line, int64_t *off)
{
    for (int64_t i = 0; i < g->lines; i++)
        for (int64_t tx = 0; tx < g->taps_w; tx++) {
            const int64_t dx = tx * g->dil_w;
            *off++ = (i * g->step_w + dx % g->step_w) * line + dx / g->step_w;
        }
}

/* The tile's rows of a transposed convolution to their places. */
static void scatter(const struct conv_run *run, int64_t n, int64_t grp, int64_t row, int64_t qy,
                    int64_t qx, int32_t rows, int32_t cols, const float *tile)
{
    const struct geometry *g = &run->g;
    for (int32_t r = 0; r < rows; r++) {
        const int64_t o = (row + r) / (g->s.sh * g->s.sw), py = (row + r) / g->s.sw % g->s.sh,
                      px = (row + r) % g->s.sw, oy = qy * g->s.sh + py - g->s.top,
                      channel = n * g->s.co + grp * (g->s.co / g->s.group) + o;
        float *y = run->y + (channel * g->s.ho + oy) * g->s.wo;
        if (oy < 0 || oy >= g->s.ho) continue;
        for (int32_t j = 0; j < cols; j++) {
            const int64_t ox = (qx + j) * g->s.sw + px - g->s.left;
            if (ox >= 0 && ox < g->s.wo) y[ox] = tile[r * C + j];
        }
    }
}

/* What the call applies to each output, while they are near. */
static void step_rows(const struct conv_run *run, float *y, int64_t pitch, int32_t rows,
                      int64_t cols)
{
    const struct cpu_conv_shape *s = &run->g.s;
    for (int32_t r = 0; r < rows && s->step != SYN_STEP_COUNT; r++, y += pitch)
        run->apply(s->step, y, NULL, y, cols, s->step_args);
}

/* All blocks of rows for the columns that the buffer serves; part: channels [i0, i1) of the sum. */
static void run_blocks(const struct conv_run *run, int64_t n, int64_t grp, int64_t q, int64_t j,
                       int64_t chunk, int64_t i0, int64_t i1, const float *buffer)
{
    const struct geometry *g = &run->g;
    const int64_t taps = taps_of(g), co = g->s.co / g->s.group, per = g->taps_h * g->taps_w,
                  end = j + run->cols < g->qw ? j + run->cols : g->qw,
                  first = chunk * run->chunk_blocks * R,
                  last = first + run->chunk_blocks * R < g->rows ? first + run->chunk_blocks * R
                                                                 : g->rows;
    struct cpu_tile t = {
        .off = run->off, .a_row = 1, .a_k = R, .k = (i1 - i0) * per, .add = i0 > 0};
    const bool whole = i1 == g->lines / g->taps_h; /* the sum is, after this part */
    t.relu = whole && g->s.step == SYN_STEP_RELU;
    float scattered[R * C], bias[R];
    for (int64_t r = first; r < last; r += R) {
        t.rows = (int32_t)(last - r < R ? last - r : R);
        t.a = run->weights + ((grp * up(g->rows, R) * R + r) * taps + i0 * per * R);
        for (int64_t col = j; col < end; col += C) {
            t.cols = (int32_t)(end - col < C ? end - col : C);
            t.x = buffer + (col - j);
            if (g->s.transposed) {
                t.bias = run->bias ? bias : NULL;
                for (int32_t i = 0; run->bias && i < t.rows; i++)
                    bias[i] = run->bias[grp * co + (r + i) / (g->s.sh * g->s.sw)];
                t.y = scattered, t.y_row = C;
                run->tile(&t);
                scatter(run, n, grp, r, q, col, t.rows, t.cols, scattered);
            } else {
                t.bias = run->bias && !t.add ? run->bias + grp * co + r : NULL;
                t.y = run->y + ((n * g->s.co + grp * co + r) * g->s.ho + q) * g->s.wo + col;
                t.y_row = g->s.ho * g->s.wo;
                run->tile(&t);
                if (whole && !t.relu) step_rows(run, t.y, t.y_row, t.rows, t.cols);
            }
        }
    }
}

static void conv_task(void *ctx, int64_t task)
{
    const struct conv_run *run = ctx;
    const struct geometry *g = &run->g;
    const int64_t chunk = task % run->chunks, span = task / run->chunks % run->spans,
                  q = task / run->chunks / run->spans % g->qh,
                  grp = task / run->chunks / run->spans / g->qh % g->s.group,
                  n = task / run->chunks / run->spans / g->qh / g->s.group,
                  channels = g->lines / g->taps_h, j = span * run->cols;
    float buffer[BUFFER_FLOATS] __attribute__((aligned(64)));
    for (int64_t i = 0; i < channels; i += run->part) {
        const int64_t end = i + run->part < channels ? i + run->part : channels;
        copy_in(run, n, grp, q, j, i, end, buffer);
        run_blocks(run, n, grp, q, j, chunk, i, end, buffer);
    }
}

static void depthwise_task(void *ctx, int64_t task)
{
    const struct conv_run *run = ctx;
    const struct geometry *g = &run->g;
    const int64_t c = task % g->s.co, n = task / g->s.co;
    float buffer[BUFFER_FLOATS] __attribute__((aligned(64)));
    for (int64_t q = 0; q < g->qh; q++)
        for (int64_t j = 0; j < g->qw; j += run->cols) {
            const int64_t cols = g->qw - j < run->cols ? g->qw - j : run->cols;
            float *y = run->y + ((n * g->s.co + c) * g->s.ho + q) * g->s.wo + j;
            copy_in(run, n, c, q, j, 0, 1, buffer);
            run->taps(run->weights + c * taps_of(g), buffer, run->off, taps_of(g),
                      run->bias ? run->bias[c] : 0, y, cols);
            step_rows(run, y, 0, 1, cols);
        }
}

/* Columns of a task, the line that serves them, and the channels that fit the buffer. */
static void choose_spans(struct conv_run *run, int32_t threads)
{
    const struct geometry *g = &run->g;
    const int64_t tiles = up(g->qw, C), units = g->s.n * g->s.group * g->qh;
    /* lines that must be there at once */
    const int64_t fixed = g->s.transposed ? g->lines : g->taps_h;
    /* tasks: enough to even out, few enough to copy little twice */
    const int64_t wanted = 4 * (int64_t)threads;
    /* taps that lie far apart: what a line has beyond its columns is no more than half of them */
    const int64_t over = (g->taps_w - 1) * g->dil_w / g->step_w;
    const int64_t most = MOST_TILES + (over < MOST_TILES * C / 2 ? 0 : 2 * over / C);
    int64_t per = tiles * units / wanted;
    if (per > most) per = most;
    if (is_depthwise(g)) per = MOST_TILES * 4;
    if (per > tiles) per = tiles;
    if (per < 1) per = 1;
    while (per > MOST_TILES && g->lines * g->step_w * line_of(g, per * C) > BUFFER_FLOATS) per--;
    while (per > 1 && fixed * g->step_w * line_of(g, per * C) > BUFFER_FLOATS) per--;
    run->cols = per * C;
    run->line = line_of(g, run->cols);
    run->spans = up(g->qw, run->cols);
    run->part = g->s.transposed ? g->lines / g->taps_h
                                : BUFFER_FLOATS / (g->taps_h * g->step_w * run->line);
    run->chunks = units * run->spans >= wanted ? 1 : up(wanted, units * run->spans);
    if (run->chunks > up(g->rows, R)) run->chunks = up(g->rows, R);
    run->chunk_blocks = up(up(g->rows, R), run->chunks);
    run->chunks = up(up(g->rows, R), run->chunk_blocks);
}

static void conv_run(const struct syn_op_call *c, const void *packed, void *scratch,
                     struct syn_pool *pool)
{
    struct conv_run run = {.x = c->in[0].data,
                           .bias = syn_ops_given(c, 2) ? c->in[2].data : NULL,
                           .y = c->out[0].data,
                           .taps = cpu_taps_best(),
                           .apply = cpu_step_best()};
    struct geometry *g = &run.g;
    char *at = scratch;
    if (!read_geometry(c, g)) return;
    choose_spans(&run, pool ? syn_pool_threads(pool) : 1);
    run.tile = g->bf16 ? cpu_tile_bf16() : cpu_tile_best();
    run.off = (int64_t *)at;
    fill_table(g, run.line, (int64_t *)at);
    at += table_bytes(g);
    if (is_depthwise(g)) {
        run.weights = c->in[1].data;
        syn_pool_run(pool, g->s.n * g->s.co, depthwise_task, &run);
        return;
    }
    run.weights = fits(packed, g) ? (const float *)packed + HEAD : (const float *)at;
    if (!fits(packed, g)) pack_into(g, c->in[1].data, (float *)at);
    syn_pool_run(pool, g->s.n * g->s.group * g->qh * run.spans * run.chunks, conv_task, &run);
}

const struct syn_quick cpu_quick_conv = {
    .impl = "conv tiles",
    .takes = conv_takes,
    .pack = conv_pack,
    .scratch = conv_scratch,
    .run = conv_run,
};
