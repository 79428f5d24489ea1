/* tiles.c - see tiles.h.
 *
 * Everything is counted without the trim, which every window has on both ends: a picture of size s
 * is inner = s rounded up to align, a window of length S answers at most for S - 2 * trim pixels, a
 * halo is what it exceeds the trim by. With H = both halos (rounded up to align), an inner window
 * of length L answers for L - H pixels inside the picture, and for a halo more at an end. So n
 * windows reach n * (L - H) + H, and the smallest L with n * (L - H) + H >= inner follows at once.
 * All but the last end before inner, which is the smallest multiple of align that holds the
 * picture: so the last core is never empty.
 *
 * Layer: server/pipelines.   Threads: pure functions. */
#include "server/pipelines/tiles.h"
#include <stddef.h>

#define MAX_SIDE (1 << 20)
#define MAX_ALIGN 4096
#define MAX_ROUNDS 12

static int32_t round_up(int64_t v, int32_t align)
{
    return (int32_t)((v + align - 1) / align * align);
}

/* Both halos beyond the trim. */
static int32_t halo_of(const struct syn_tile_net *net)
{
    return round_up((int64_t)net->before + net->after - 2 * (int64_t)net->trim, net->align);
}

/* Windows start at multiples of this: of the alignment, and of two, so that an engine that computes outputs in
 * pairs (Winograd) pairs the same ones in every window and rounds them alike. */
static int32_t grid_of(const struct syn_tile_net *net)
{
    return net->align == 1 ? 2 : net->align;
}

/* One pixel more of halo is kept free to make a window as odd or even as the picture is. */
int32_t syn_tile_shortest(const struct syn_tile_net *net)
{
    return halo_of(net) + grid_of(net) + (net->align == 1) + 2 * net->trim;
}

int32_t syn_tile_extended(const struct syn_tile_net *net, int32_t size)
{
    return round_up(size, net->align) + 2 * net->trim;
}

static syn_status check_net(const struct syn_tile_net *net, struct syn_err *err)
{
    if (net->align < 1 || net->align > MAX_ALIGN)
        return syn_fail(err, SYN_INVALID, "network: align = %d: must be in [1, %d]", net->align,
                        MAX_ALIGN);
    if (net->trim < 0 || net->trim > MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "network: trim = %d: must be in [0, %d]", net->trim,
                        MAX_SIDE);
    if (net->before < net->trim || net->before > MAX_SIDE || net->after < net->trim ||
        net->after > MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "network: halo = %d and %d: must be in [trim = %d, %d]",
                        net->before, net->after, net->trim, MAX_SIDE);
    return SYN_OK;
}

static syn_status check_size(int32_t size, struct syn_err *err)
{
    if (size < 1 || size > MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "picture: side = %d: must be in [1, %d]", size, MAX_SIDE);
    return SYN_OK;
}

syn_status syn_tile_axis_init(struct syn_tile_axis *a, const struct syn_tile_net *net, int32_t size,
                              int32_t longest, struct syn_err *err)
{
    syn_status st = check_net(net, err);
    if (st == SYN_OK) st = check_size(size, err);
    if (st != SYN_OK) return st;

    const int32_t trims = 2 * net->trim, grid = grid_of(net);
    const int32_t extended = syn_tile_extended(net, size), inner = extended - trims;
    int32_t halo = halo_of(net);
    if (net->align == 1) halo += (inner - halo) & 1; /* the last window starts on the grid too */
    *a = (struct syn_tile_axis){.size = size, .trim = net->trim, .before = net->before,
                                .after = halo + trims - net->before, .extended = extended};
    if (extended <= longest) {
        a->n = 1;
        a->window = extended;
        a->step = inner;
        return SYN_OK;
    }
    const int32_t longest_step = longest < trims + halo ? 0 : (longest - trims - halo) / grid * grid;
    if (longest_step < grid)
        return syn_fail(err, SYN_INVALID, "tile: window = %d: must be at least %d", longest,
                        syn_tile_shortest(net));
    const int32_t n = (inner - halo + longest_step - 1) / longest_step;
    a->step = round_up((inner - halo + n - 1) / n, grid);
    a->window = a->step + halo + trims;
    a->n = (inner - halo + a->step - 1) / a->step;
    return SYN_OK;
}

/* First pixel of core i >= 1, in the picture. */
static int32_t cut(const struct syn_tile_axis *a, int32_t i)
{
    return i * a->step + a->before - a->trim;
}

static int32_t origin_of(const struct syn_tile_axis *a, int32_t i)
{
    const int32_t last = a->extended - a->window;
    return i * a->step < last ? i * a->step : last;
}

struct syn_tile_span syn_tile_axis_span(const struct syn_tile_axis *a, int32_t i)
{
    return (struct syn_tile_span){.origin = origin_of(a, i),
                                  .from = i == 0 ? 0 : cut(a, i),
                                  .to = i == a->n - 1 ? a->size : cut(a, i + 1)};
}

/* A cut between windows as a position in the whole picture's feature map. */
static int32_t feature_cut(const struct syn_tile_axis *a, int32_t i, int32_t lost, int32_t num,
                           int32_t den)
{
    if (i == 0) return 0;
    if (i == a->n) return syn_tile_feature_size(a->extended, lost, num, den);
    return (int32_t)((2 * (int64_t)(cut(a, i) + a->trim) * num - (int64_t)lost * den) / (2 * den));
}

void syn_tile_axis_feature(const struct syn_tile_axis *a, int32_t i, int32_t lost, int32_t num,
                           int32_t den, int32_t *from, int32_t *to)
{
    const int32_t origin = (int32_t)((int64_t)origin_of(a, i) * num / den);
    *from = feature_cut(a, i, lost, num, den) - origin;
    *to = feature_cut(a, i + 1, lost, num, den) - origin;
}

/* ---- choosing the window ---- */

struct choice {
    int32_t w, h;   /* longest window sides to ask for */
    double area;    /* pixels computed over the whole picture */
    int64_t tiles;
    bool found;
};

/* The cut with the least area among those whose window holds at most max_pixels. For each number of
 * columns the fewest rows that fit are the best, so this is linear in the columns. */
static struct choice cheapest(const struct syn_tile_net *net, int32_t width, int32_t height,
                              int32_t longest, double max_pixels)
{
    struct choice best = {0};
    const int32_t shortest = syn_tile_shortest(net);
    int32_t w = syn_tile_extended(net, width);
    if (w > longest) w = longest;

    for (;;) {
        struct syn_tile_axis x, y;
        const double side = max_pixels / w;
        const int32_t h = side < longest ? (int32_t)side : longest;
        if (syn_tile_axis_init(&x, net, width, w, NULL) == SYN_OK &&
            syn_tile_axis_init(&y, net, height, h, NULL) == SYN_OK) {
            const int64_t tiles = (int64_t)x.n * y.n;
            const double area = (double)x.window * y.window * (double)tiles;
            if (!best.found || area < best.area || (area == best.area && tiles < best.tiles))
                best = (struct choice){x.window, y.window, area, tiles, true};
        }
        /* The window is the shortest for its number of columns: any less makes it one column
         * more. */
        if (syn_tile_axis_init(&x, net, width, w, NULL) != SYN_OK || x.window <= shortest) break;
        w = x.window - net->align;
    }
    return best;
}

static syn_status cut_both(const struct syn_tile_net *net, int32_t width, int32_t height,
                           const struct choice *c, struct syn_tiles *out, struct syn_err *err)
{
    struct syn_tiles t;
    syn_status st = syn_tile_axis_init(&t.x, net, width, c->w, err);
    if (st == SYN_OK) st = syn_tile_axis_init(&t.y, net, height, c->h, err);
    if (st == SYN_OK) *out = t;
    return st;
}

static int32_t at_most(int32_t v, int32_t limit)
{
    return v < limit ? v : limit;
}

/* Shrinks a window to fit by what the last answers said a pixel costs; memory grows with the
 * window's pixels nearly linearly, so a few rounds settle. */
static syn_status search(const struct syn_tile_net *net, int32_t width, int32_t height,
                         int32_t longest, const struct syn_tile_limits *lim, struct choice *best,
                         double pixel_bytes, struct syn_err *err)
{
    struct choice tried = {0};
    for (int32_t round = 0; round < MAX_ROUNDS; round++) {
        const struct choice c = cheapest(net, width, height, longest,
                                         (double)lim->budget_bytes / pixel_bytes);
        uint64_t bytes;
        if (!c.found || (c.w == tried.w && c.h == tried.h)) break;
        if (best->found && c.area >= best->area) break;
        syn_status st = lim->bytes(lim->user, c.w, c.h, &bytes, err);
        if (st != SYN_OK) return st;
        tried = c;
        const double measured = (double)bytes / ((double)c.w * c.h);
        if (bytes <= lim->budget_bytes) {
            *best = c;
            pixel_bytes = measured;
        } else {
            pixel_bytes = (measured > pixel_bytes ? measured : pixel_bytes) * 1.01;
        }
    }
    return SYN_OK;
}

syn_status syn_tiles_plan(const struct syn_tile_net *net, int32_t width, int32_t height,
                          const struct syn_tile_limits *lim, struct syn_tiles *out,
                          struct syn_err *err)
{
    syn_status st = check_net(net, err);
    if (st == SYN_OK) st = check_size(width, err);
    if (st == SYN_OK) st = check_size(height, err);
    if (st != SYN_OK) return st;

    const int32_t shortest = syn_tile_shortest(net);
    int32_t longest = INT32_MAX;
    if (lim->max_core > 0) {
        const int32_t core = at_most(lim->max_core / net->align * net->align, MAX_SIDE);
        longest = core + halo_of(net) + 2 * net->trim;
        if (longest < shortest) longest = shortest;
    }
    struct choice best = {.w = at_most(syn_tile_extended(net, width), shortest),
                          .h = at_most(syn_tile_extended(net, height), shortest)};
    uint64_t bytes;
    st = lim->bytes(lim->user, best.w, best.h, &bytes, err);
    if (st != SYN_OK) return st;
    if (bytes > lim->budget_bytes)
        return syn_fail(err, SYN_NO_MEMORY,
                        "memory: %llu bytes needed for the smallest tile (%dx%d), %llu available",
                        (unsigned long long)bytes, best.w, best.h,
                        (unsigned long long)lim->budget_bytes);

    const double pixel_bytes = (double)bytes / ((double)best.w * best.h);
    st = search(net, width, height, longest, lim, &best, pixel_bytes > 0 ? pixel_bytes : 1, err);
    return st == SYN_OK ? cut_both(net, width, height, &best, out, err) : st;
}
