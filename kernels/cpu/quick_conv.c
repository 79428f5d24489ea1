/* quick_conv.c - convolutions and transposed convolutions of dense f32, one or two spatial axes, constant weights: the
 * networks of sound, whose lengths change from call to call.
 *
 * Form:    the input is copied once into a padded plane per channel (not at all where nothing is padded and no column is
 *          skipped); strided columns lie apart by phase, so that every tap of every output row is a run of neighbours
 *          in memory. Then tiles (tile.h): 8 output channels by 48 columns, the taps' places in a table.
 * Transposed: with stride s each output phase (o + pad) % s is an ordinary convolution with every s-th tap; the phases
 *          are further rows of the tile, and scattered when it is done.
 * Weights: packed by 8 rows, [group][block][tap][8], once for all lengths.
 * Tests:   tests/unit/test_quick_conv.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/window.h"
#include <string.h>

#define R CPU_TILE_ROWS
#define C CPU_TILE_COLS

struct geometry {
    bool transposed;
    int64_t n, ci, co, group;    /* channels in all */
    int64_t h, w, ho, wo;        /* of input and output; one axis: h = ho = 1 */
    int64_t kh, kw, sh, sw, dh, dw, top, left;
    /* the ordinary convolution that is run: of the phases where transposed */
    int64_t rows;                /* rows of a group's tile: channels, times phases */
    int64_t taps_h, taps_w;      /* per channel */
    int64_t qh, qw;              /* its output's size */
    int64_t ph, pw, step_w;      /* padded plane: rows, columns of a phase, phases */
    int64_t pad_top, pad_left;
    bool direct;                 /* x is read where it lies */
};

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Axes of the call as two. False: none of ours. */
static bool read_geometry(const struct syn_op_call *c, struct geometry *g)
{
    const bool two = c->in[0].shape.rank == 4, tr = c->op == &syn_op_conv_transpose_nd;
    const int64_t *x = c->in[0].shape.dim, *w = c->in[1].shape.dim, *y = c->out[0].shape.dim;
    struct syn_window win;
    const struct syn_window_axis one = {.in = 1, .out = 1, .k = 1, .stride = 1, .dil = 1};
    struct syn_window_axis a, b;
    if (tr ? syn_window_read(c, &c->in[1].shape, &win, NULL) : syn_window_slide(c, &c->in[1].shape, false, &win, NULL))
        return false;
    a = two ? win.axis[0] : one, b = win.axis[two];
    *g = (struct geometry){.transposed = tr, .n = x[0], .ci = x[1], .co = y[1],
                           .group = syn_attr_int(c->op, c->attr, "group"),
                           .h = two ? x[2] : 1, .w = x[two + 2], .ho = two ? y[2] : 1, .wo = y[two + 2],
                           .kh = two ? w[2] : 1, .kw = w[two + 2], .sh = a.stride, .sw = b.stride, .dh = a.dil, .dw = b.dil,
                           .top = a.before, .left = b.before};
    if (tr && (g->dh != 1 || g->dw != 1 || g->sh > 64 || g->sw > 64)) return false;
    if (g->n * g->ci * g->h * g->w == 0 || g->co * g->ho * g->wo == 0) return false;
    if (!tr) {
        g->rows = g->co / g->group;
        g->taps_h = g->kh, g->taps_w = g->kw;
        g->qh = g->ho, g->qw = g->wo;
        g->pad_top = g->top, g->pad_left = g->left;
        g->step_w = g->sw;
        g->ph = (g->qh - 1) * g->sh + (g->kh - 1) * g->dh + 1;
        g->pw = up((g->qw - 1) * g->sw + (g->kw - 1) * g->dw + 1, g->sw);
        g->direct = g->top == 0 && g->left == 0 && g->sw == 1 && g->ph <= g->h && g->pw <= g->w;
        if (g->direct && g->kh == 1 && g->kw == 1 && g->sh == 1) { /* the whole plane is one row */
            g->qw = g->w = g->wo = g->h * g->w;
            g->qh = g->h = g->ho = 1;
        }
        if (g->direct) g->ph = g->h, g->pw = g->w;
        return true;
    }
    g->rows = g->co / g->group * g->sh * g->sw;
    g->taps_h = up(g->kh, g->sh), g->taps_w = up(g->kw, g->sw);
    g->qh = up(g->ho + g->top, g->sh), g->qw = up(g->wo + g->left, g->sw); /* positions (o + pad) / s that are asked for */
    g->pad_top = g->taps_h - 1, g->pad_left = g->taps_w - 1;
    g->step_w = 1;
    g->ph = g->qh + g->taps_h - 1, g->pw = g->qw + g->taps_w - 1;
    return true;
}

static int64_t taps_of(const struct geometry *g) { return g->ci / g->group * g->taps_h * g->taps_w; }
static bool is_depthwise(const struct geometry *g) { return !g->transposed && g->rows == 1 && g->ci == g->group; }

static bool conv_takes(const struct syn_op_call *c)
{
    struct geometry g;
    const int32_t rank = c->in[0].shape.rank;
    if ((rank != 3 && rank != 4) || c->in[0].dtype != SYN_F32 || c->in[1].dtype != SYN_F32 || !c->in[1].data) return false;
    if (syn_ops_given(c, 2) && c->in[2].dtype != SYN_F32) return false;
    if (c->op == &syn_op_conv_transpose_nd) {
        const char *how = syn_attr_text(c->op, c->attr, "auto_pad");
        if ((how && strcmp(how, "NOTSET")) || syn_attr_list(c->op, c->attr, "output_shape")->n) return false;
    }
    return read_geometry(c, &g);
}

/* --- weights ---------------------------------------------------------------------------------- */

/* Weight of row r (channel, phases) of group `grp` at tap (i, ty, tx); 0 where the kernel has none. */
static float weight_at(const struct geometry *g, const float *w, int64_t grp, int64_t r, int64_t i, int64_t ty, int64_t tx)
{
    const int64_t ci = g->ci / g->group, co = g->co / g->group;
    if (!g->transposed) return w[(((grp * co + r) * ci + i) * g->kh + ty) * g->kw + tx];
    /* out position q*s + phase meets input q - m at kernel place phase + m*s; taps run from the farthest m on */
    const int64_t o = r / (g->sh * g->sw), py = r / g->sw % g->sh, px = r % g->sw,
                  ky = py + (g->taps_h - 1 - ty) * g->sh, kx = px + (g->taps_w - 1 - tx) * g->sw;
    if (ky >= g->kh || kx >= g->kw) return 0;
    return w[(((grp * ci + i) * co + o) * g->kh + ky) * g->kw + kx];
}

static bool is_constant(uint64_t constants, int32_t k) { return constants >> k & 1; }

static void pack_into(const struct geometry *g, const float *w, float *p)
{
    const int64_t ci = g->ci / g->group;
    for (int64_t grp = 0; grp < g->group; grp++)
        for (int64_t b = 0; b < g->rows; b += R)
            for (int64_t i = 0; i < ci; i++)
                for (int64_t ty = 0; ty < g->taps_h; ty++)
                    for (int64_t tx = 0; tx < g->taps_w; tx++)
                        for (int64_t r = b; r < b + R; r++)
                            *p++ = r < g->rows ? weight_at(g, w, grp, r, i, ty, tx) : 0;
}

static size_t packed_floats(const struct geometry *g)
{
    return (size_t)(g->group * up(g->rows, R) * R * taps_of(g));
}

static syn_status conv_pack(const struct syn_op_call *c, uint64_t constants, void **packed, size_t *bytes,
                            struct syn_err *err)
{
    struct geometry g;
    if (!is_constant(constants, 1) || !read_geometry(c, &g) || is_depthwise(&g)) return SYN_OK;
    *bytes = packed_floats(&g) * sizeof(float);
    if ((*packed = syn_alloc(*bytes))) pack_into(&g, c->in[1].data, *packed);
    return *packed ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "weights: no memory for %zu bytes", *bytes);
}

/* --- running ---------------------------------------------------------------------------------- */

struct conv_run {
    struct geometry g;
    const float *x, *planes, *weights, *bias; /* planes: padded input, or x */
    const int64_t *off;
    float *y;
    int64_t chunks, chunk_blocks; /* the rows' blocks are split among tasks where there are few columns */
    int64_t tiles;                /* of columns */
    cpu_tile_fn *tile;
    cpu_taps_fn *taps;
};

static size_t rounded(size_t n) { return (n + SYN_ALIGN - 1) & ~(size_t)(SYN_ALIGN - 1); }
static size_t plane_bytes(const struct geometry *g)
{
    return g->direct ? 0 : rounded((size_t)(g->n * g->ci * g->ph * g->step_w * g->pw) * sizeof(float));
}
static size_t table_bytes(const struct geometry *g) { return rounded((size_t)taps_of(g) * sizeof(int64_t)); }

static size_t conv_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct geometry g;
    (void)threads;
    if (!read_geometry(c, &g)) return 0;
    return plane_bytes(&g) + table_bytes(&g) + (packed || is_depthwise(&g) ? 0 : rounded(packed_floats(&g) * sizeof(float)));
}

/* One channel into its padded plane: [row][phase][column]. */
static void pad_task(void *ctx, int64_t task)
{
    const struct conv_run *run = ctx;
    const struct geometry *g = &run->g;
    const float *x = run->x + task * g->h * g->w;
    float *to = (float *)(uintptr_t)run->planes + task * g->ph * g->step_w * g->pw;
    for (int64_t y = 0; y < g->ph; y++)
        for (int64_t s = 0; s < g->step_w; s++, to += g->pw) {
            const int64_t iy = y - g->pad_top;
            if (iy < 0 || iy >= g->h) {
                memset(to, 0, (size_t)g->pw * sizeof *to);
            } else if (g->step_w == 1) {
                const int64_t n = g->w < g->pw - g->pad_left ? g->w : g->pw - g->pad_left;
                memset(to, 0, (size_t)(g->pad_left < g->pw ? g->pad_left : g->pw) * sizeof *to);
                if (n > 0) memcpy(to + g->pad_left, x + iy * g->w, (size_t)n * sizeof *to);
                if (n > 0 && g->pad_left + n < g->pw)
                    memset(to + g->pad_left + n, 0, (size_t)(g->pw - g->pad_left - n) * sizeof *to);
            } else {
                for (int64_t q = 0; q < g->pw; q++) {
                    const int64_t ix = q * g->step_w + s - g->pad_left;
                    to[q] = ix < 0 || ix >= g->w ? 0 : x[iy * g->w + ix];
                }
            }
        }
}

static void fill_table(const struct geometry *g, int64_t *off)
{
    for (int64_t i = 0; i < g->ci / g->group; i++)
        for (int64_t ty = 0; ty < g->taps_h; ty++)
            for (int64_t tx = 0; tx < g->taps_w; tx++) {
                const int64_t dy = ty * (g->transposed ? 1 : g->dh), dx = tx * (g->transposed ? 1 : g->dw);
                *off++ = ((i * g->ph + dy) * g->step_w + dx % g->step_w) * g->pw + dx / g->step_w;
            }
}

/* Where output row q of group grp of picture n begins to read. */
static const float *row_start(const struct conv_run *run, int64_t n, int64_t grp, int64_t q)
{
    const struct geometry *g = &run->g;
    const int64_t channel = n * g->ci + grp * (g->ci / g->group);
    return run->planes + (channel * g->ph + q * (g->transposed ? 1 : g->sh)) * g->step_w * g->pw;
}

/* The tile's rows of a transposed convolution to their places. */
static void scatter(const struct conv_run *run, int64_t n, int64_t grp, int64_t row, int64_t qy, int64_t qx, int32_t rows,
                    int32_t cols, const float *tile)
{
    const struct geometry *g = &run->g;
    for (int32_t r = 0; r < rows; r++) {
        const int64_t o = (row + r) / (g->sh * g->sw), py = (row + r) / g->sw % g->sh, px = (row + r) % g->sw,
                      oy = qy * g->sh + py - g->top, channel = n * g->co + grp * (g->co / g->group) + o;
        float *y = run->y + (channel * g->ho + oy) * g->wo;
        if (oy < 0 || oy >= g->ho) continue;
        for (int32_t j = 0; j < cols; j++) {
            const int64_t ox = (qx + j) * g->sw + px - g->left;
            if (ox >= 0 && ox < g->wo) y[ox] = tile[r * C + j];
        }
    }
}

static void conv_task(void *ctx, int64_t task)
{
    const struct conv_run *run = ctx;
    const struct geometry *g = &run->g;
    const int64_t chunk = task % run->chunks, tile = task / run->chunks % run->tiles,
                  q = task / run->chunks / run->tiles % g->qh, grp = task / run->chunks / run->tiles / g->qh % g->group,
                  n = task / run->chunks / run->tiles / g->qh / g->group, taps = taps_of(g), co = g->co / g->group;
    const int64_t first = chunk * run->chunk_blocks * R, j = tile * C,
                  last = first + run->chunk_blocks * R < g->rows ? first + run->chunk_blocks * R : g->rows;
    struct cpu_tile t = {.x = row_start(run, n, grp, q) + j, .off = run->off, .a_row = 1, .a_k = R, .k = taps};
    float scattered[R * C], bias[R];
    t.cols = (int32_t)(g->qw - j < C ? g->qw - j : C);
    for (int64_t r = first; r < last; r += R) {
        t.rows = (int32_t)(last - r < R ? last - r : R);
        t.a = run->weights + (grp * up(g->rows, R) * R + r) * taps;
        if (g->transposed) {
            t.bias = run->bias ? bias : NULL;
            for (int32_t i = 0; run->bias && i < t.rows; i++) bias[i] = run->bias[grp * co + (r + i) / (g->sh * g->sw)];
            t.y = scattered, t.y_row = C;
            run->tile(&t);
            scatter(run, n, grp, r, q, j, t.rows, t.cols, scattered);
        } else {
            t.bias = run->bias ? run->bias + grp * co + r : NULL;
            t.y = run->y + ((n * g->co + grp * co + r) * g->ho + q) * g->wo + j;
            t.y_row = g->ho * g->wo;
            run->tile(&t);
        }
    }
}

static void depthwise_task(void *ctx, int64_t task)
{
    const struct conv_run *run = ctx;
    const struct geometry *g = &run->g;
    const int64_t c = task % g->co, n = task / g->co;
    for (int64_t q = 0; q < g->qh; q++)
        run->taps(run->weights + c * taps_of(g), row_start(run, n, c, q), run->off, taps_of(g),
                  run->bias ? run->bias[c] : 0, run->y + ((n * g->co + c) * g->ho + q) * g->wo, g->wo);
}

static void conv_run(const struct syn_op_call *c, const void *packed, void *scratch, struct syn_pool *pool)
{
    struct conv_run run = {.x = c->in[0].data, .bias = syn_ops_given(c, 2) ? c->in[2].data : NULL, .y = c->out[0].data,
                           .tile = cpu_tile_best(), .taps = cpu_taps_best()};
    struct geometry *g = &run.g;
    const int32_t threads = pool ? syn_pool_threads(pool) : 1;
    int64_t units;
    char *at = scratch;
    if (!read_geometry(c, g)) return;
    run.planes = g->direct ? run.x : (float *)at;
    at += plane_bytes(g);
    run.off = (int64_t *)at;
    fill_table(g, (int64_t *)at);
    at += table_bytes(g);
    run.weights = packed ? packed : is_depthwise(g) ? c->in[1].data : at;
    if (!packed && !is_depthwise(g)) pack_into(g, c->in[1].data, (float *)at);
    if (!g->direct) syn_pool_run(pool, g->n * g->ci, pad_task, &run);
    if (is_depthwise(g)) {
        syn_pool_run(pool, g->n * g->co, depthwise_task, &run);
        return;
    }
    run.tiles = up(g->qw, C);
    units = g->n * g->group * g->qh * run.tiles;
    run.chunks = units >= 8 * threads ? 1 : up(8 * threads, units);
    if (run.chunks > up(g->rows, R)) run.chunks = up(g->rows, R);
    run.chunk_blocks = up(up(g->rows, R), run.chunks);
    run.chunks = up(up(g->rows, R), run.chunk_blocks);
    syn_pool_run(pool, units * run.chunks, conv_task, &run);
}

const struct syn_quick cpu_quick_conv = {
    .impl = "conv tiles", .takes = conv_takes, .pack = conv_pack, .scratch = conv_scratch, .run = conv_run,
};
