/* test_tiles.c - the cut of a picture: exact cover, halos, alignment, and the choice by memory.
 * The networks here are toys computed in this file, so nothing but the geometry is on trial. */
#include "server/pipelines/tiles.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

/* Invariants 1 to 3 of tiles.h, recounted from the spans alone. */
static bool axis_sound(const struct syn_tile_axis *a, const struct syn_tile_net *net)
{
    int32_t at = 0;
    if ((a->extended - 2 * net->trim) % net->align != 0 || a->extended < a->size + 2 * net->trim ||
        a->extended - (a->size + 2 * net->trim) >= net->align ||
        (a->window - 2 * net->trim) % net->align != 0 || a->n < 1)
        return false;
    for (int32_t i = 0; i < a->n; i++) {
        const struct syn_tile_span s = syn_tile_axis_span(a, i);
        const int32_t end = s.origin + a->window;
        if (s.from != at || s.to <= s.from) return false;
        if (s.origin < 0 || end > a->extended || s.origin % net->align != 0) return false;
        if (s.origin > 0 && s.from + net->trim - s.origin < net->before) return false;
        if (end < a->extended && end - (s.to + net->trim) < net->after) return false;
        /* in the window's own output */
        if (s.from < s.origin || s.to > end - 2 * net->trim) return false;
        at = s.to;
    }
    return at == a->size;
}

/* A06: identity through every cut; each pixel must be written once. */
static void test_A06_cover(void)
{
    int bad = 0, cases = 0;
    for (int32_t w = 1; w <= 97; w++)
        for (int32_t halo = 0; halo <= 16; halo++) {
            const struct syn_tile_net net = {.before = halo, .after = halo, .align = 1};
            struct syn_tile_axis a;
            int32_t count[97] = {0}, out[97] = {0};
            if (syn_tile_axis_init(&a, &net, w, 32 + 2 * halo, NULL) != SYN_OK) {
                bad++;
                continue;
            }
            for (int32_t i = 0; i < a.n; i++) {
                const struct syn_tile_span s = syn_tile_axis_span(&a, i);
                for (int32_t x = s.from; x < s.to; x++) {
                    count[x]++;
                    out[x] = s.origin + (x - s.origin) + 1000;
                }
            }
            for (int32_t x = 0; x < w; x++) bad += count[x] != 1 || out[x] != x + 1000;
            bad += !axis_sound(&a, &net) || a.window > 32 + 2 * halo;
            cases++;
        }
    T_CHECK(bad == 0, "%d of %d", bad, cases);
    T_CHECK(cases == 97 * 17, "%d", cases);
}

/* Sizes an evenness assertion aborted on elsewhere. */
static void test_A06_uneven_sizes(void)
{
    for (int32_t w = 513; w <= 520; w++) {
        const struct syn_tile_net net = {.before = 10, .after = 10, .align = 4};
        struct syn_tile_axis a;
        T_CHECK(syn_tile_axis_init(&a, &net, w, 276, NULL) == SYN_OK && axis_sound(&a, &net), "%d",
                w);
    }
}

static void test_every_geometry(void)
{
    int bad = 0, cases = 0;
    for (int32_t align = 1; align <= 4; align++)
        for (int32_t trim = 0; trim <= 19; trim += trim < 3 ? 1 : 8)
            for (int32_t more = 0; more <= 7; more += 3)
                for (int32_t uneven = 0; uneven <= 3; uneven += 3)
                    for (int32_t size = 1; size <= 131; size += 1 + size / 9)
                        for (int32_t core = 1; core <= 70; core += 1 + core / 3) {
                            const struct syn_tile_net net = {trim + more, trim + more + uneven,
                                                             trim, align};
                            struct syn_tile_axis a;
                            const int32_t longest = syn_tile_shortest(&net) + core - 1;
                            if (syn_tile_axis_init(&a, &net, size, longest, NULL) != SYN_OK ||
                                !axis_sound(&a, &net) || a.window > longest)
                                bad++;
                            cases++;
                        }
    T_CHECK(bad == 0 && cases > 10000, "%d of %d", bad, cases);
}

/* y[i] = sum of x[i - r .. i + r], zero beyond: a padded network with halo r. */
static void padded_sum(const double *x, int32_t n, int32_t r, double *y)
{
    for (int32_t i = 0; i < n; i++) {
        y[i] = 0;
        for (int32_t k = -r; k <= r; k++)
            if (i + k >= 0 && i + k < n) y[i] += x[i + k] * (k + r + 1);
    }
}

/* Tiled = untiled for a padded (trim 0) and a valid network (trim r), both of radius r. */
static void test_tiled_equals_untiled(void)
{
    int bad = 0, cases = 0;
    for (int32_t r = 0; r <= 5; r++)
        for (int32_t size = 1; size <= 60; size++)
            for (int32_t longest = 2 * r + 3; longest <= 2 * r + 24; longest += 3)
                for (int32_t valid = 0; valid <= 1; valid++) {
                    const struct syn_tile_net net = {r, r, valid ? r : 0, 1};
                    struct syn_tile_axis a;
                    double x[80], whole[80], part[80];
                    for (int32_t i = 0; i < 80; i++) x[i] = (i * 37 % 101) - 50;
                    if (syn_tile_axis_init(&a, &net, size, longest, NULL) != SYN_OK) {
                        bad++;
                        continue;
                    }
                    padded_sum(x, a.extended, r, whole);
                    for (int32_t i = 0; i < a.n; i++) {
                        const struct syn_tile_span s = syn_tile_axis_span(&a, i);
                        bad += s.origin % 2 != 0; /* pairs of outputs are the same in every window */
                        padded_sum(x + s.origin, a.window, r, part);
                        for (int32_t p = s.from; p < s.to; p++)
                            bad += part[p - s.origin + net.trim] != whole[p + net.trim];
                    }
                    cases++;
                }
    T_CHECK(bad == 0 && cases > 5000, "%d of %d", bad, cases);
}

/* Feature maps of stages: the parts of all windows are the whole map, each position once. */
static void test_features_partition(void)
{
    const struct { int32_t num, den, align; } rate[] = {
        {1, 1, 1}, {2, 1, 1}, {1, 2, 2}, {1, 4, 4}, {1, 2, 4}, {3, 2, 2}, {3, 4, 4}};
    int bad = 0, cases = 0;
    for (size_t q = 0; q < sizeof rate / sizeof rate[0]; q++)
        for (int32_t trim = 0; trim <= 20; trim += 4)
            for (int32_t lost = 0; lost * rate[q].den <= 2 * trim * rate[q].num; lost += 1 + lost / 2)
                for (int32_t size = 1; size <= 140; size += 3)
                    for (int32_t core = 4; core <= 60; core += 13) {
                        const struct syn_tile_net net = {trim + 2, trim + 2, trim, rate[q].align};
                        struct syn_tile_axis a;
                        int32_t at = 0, total;
                        if (syn_tile_axis_init(&a, &net, size, syn_tile_shortest(&net) + core,
                                               NULL) != SYN_OK) {
                            bad++;
                            continue;
                        }
                        total = syn_tile_feature_size(a.extended, lost, rate[q].num, rate[q].den);
                        for (int32_t i = 0; i < a.n; i++) {
                            int32_t from, to;
                            const struct syn_tile_span s = syn_tile_axis_span(&a, i);
                            const int32_t own =
                                syn_tile_feature_size(a.window, lost, rate[q].num, rate[q].den);
                            syn_tile_axis_feature(&a, i, lost, rate[q].num, rate[q].den, &from,
                                                  &to);
                            bad += s.origin * rate[q].num % rate[q].den != 0;
                            bad += s.origin * rate[q].num / rate[q].den + from != at;
                            bad += from < 0 || to < from || to > own;
                            at += to - from;
                        }
                        bad += at != total;
                        cases++;
                    }
    T_CHECK(bad == 0 && cases > 5000, "%d of %d", bad, cases);
}

struct meter {
    uint64_t fixed, per_pixel, largest_asked;
    int asked;
};
static syn_status meter_bytes(void *user, int32_t w, int32_t h, uint64_t *bytes,
                              struct syn_err *err)
{
    struct meter *m = (struct meter *)user;
    (void)err;
    *bytes = m->fixed + m->per_pixel * (uint64_t)w * (uint64_t)h;
    m->asked++;
    return SYN_OK;
}

static void test_B09_budget(void)
{
    const struct syn_tile_net net = {10, 10, 0, 2};
    int bad = 0, cases = 0;
    for (int32_t w = 1; w <= 3000; w = w * 3 + 1)
        for (int32_t h = 1; h <= 3000; h = h * 2 + 1)
            for (uint64_t budget = 200000; budget <= 1000000000; budget *= 3) {
                struct meter m = {.fixed = 5000, .per_pixel = 300};
                const struct syn_tile_limits lim = {0, budget, meter_bytes, &m};
                struct syn_tiles t;
                if (syn_tiles_plan(&net, w, h, &lim, &t, NULL) != SYN_OK) {
                    bad++;
                    continue;
                }
                const uint64_t whole = 5000 + 300 * (uint64_t)t.x.extended * (uint64_t)t.y.extended;
                bad += !axis_sound(&t.x, &net) || !axis_sound(&t.y, &net);
                bad += 5000 + 300 * (uint64_t)t.x.window * (uint64_t)t.y.window > budget;
                bad += (whole <= budget) != (syn_tiles_count(&t) == 1);
                bad += m.asked > 14;
                cases++;
            }
    T_CHECK(bad == 0 && cases > 400, "%d of %d", bad, cases);
}

/* Halo costs: the plan must not compute much more than the picture when memory is plentiful. */
static void test_B09_little_waste(void)
{
    const struct syn_tile_net net = {10, 10, 0, 1};
    struct meter m = {.per_pixel = 4000};
    const struct syn_tile_limits lim = {0, (uint64_t)4000 * 300 * 300, meter_bytes, &m};
    struct syn_tiles t;
    T_CHECK(syn_tiles_plan(&net, 1920, 1080, &lim, &t, NULL) == SYN_OK, "plan");
    const double area = (double)t.x.window * t.y.window * (double)syn_tiles_count(&t);
    T_CHECK(area < 1920.0 * 1080.0 * 1.16, "computes %.3f of the picture",
            area / (1920.0 * 1080.0));
}

static void test_B09_too_small(void)
{
    const struct syn_tile_net net = {10, 10, 0, 1};
    struct meter m = {.per_pixel = 1000};
    const struct syn_tile_limits lim = {0, 1000, meter_bytes, &m};
    struct syn_tiles t = {.x = {.n = 77}};
    struct syn_err err = {""};
    T_CHECK(syn_tiles_plan(&net, 640, 480, &lim, &t, &err) == SYN_NO_MEMORY, "%s", err.text);
    T_CHECK(strstr(err.text, "529000 bytes needed") && strstr(err.text, "1000 available"), "%s",
            err.text);
    T_CHECK(t.x.n == 77, "touched on failure");
}

static void test_max_core(void)
{
    const struct syn_tile_net net = {3, 4, 0, 4};
    struct meter m = {.per_pixel = 1};
    const struct syn_tile_limits lim = {64, 1 << 30, meter_bytes, &m};
    struct syn_tiles t;
    T_CHECK(syn_tiles_plan(&net, 1000, 70, &lim, &t, NULL) == SYN_OK, "plan");
    T_CHECK(t.x.window <= 72 && t.y.window <= 72 && axis_sound(&t.x, &net) && axis_sound(&t.y,
        &net), "%d %d", t.x.window, t.y.window);
    T_CHECK(t.x.n == 16 && t.y.n == 1, "%d x %d", t.x.n, t.y.n);
    /* under the alignment: one unit */
    const struct syn_tile_limits tiny = {1, 1 << 30, meter_bytes, &m};
    T_CHECK(syn_tiles_plan(&net, 33, 9, &tiny, &t, NULL) == SYN_OK && t.x.step == 4, "%d",
            t.x.step);
}

static void test_A38_ranges(void)
{
    const struct syn_tile_net ok = {1, 1, 0, 1};
    const struct syn_tile_net bad[] = {{1, 1, 0, 0}, {1, 1, 0, 1 << 20}, {-1, 1, 0, 1}, {1, 1, 2,
        1},
                                       {INT32_MAX, 1, 0, 1}, {1, 1, -1, 1}, {5, INT32_MAX, 0, 1}};
    struct syn_tile_axis a;
    struct syn_err err;
    const int32_t side[] = {0, -1, INT32_MIN, INT32_MAX, (1 << 20) + 1};
    for (size_t i = 0; i < sizeof side / sizeof side[0]; i++)
        T_CHECK(syn_tile_axis_init(&a, &ok, side[i], 64, &err) == SYN_INVALID, "%d", side[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        T_CHECK(syn_tile_axis_init(&a, &bad[i], 64, 64, &err) == SYN_INVALID, "%zu", i);
    T_CHECK(syn_tile_axis_init(&a, &ok, 64, 3, &err) == SYN_INVALID, "no room for a core");
    T_CHECK(syn_tile_axis_init(&a, &ok, 1 << 20, 5, &err) == SYN_OK && axis_sound(&a, &ok),
            "largest, smallest");
    struct meter m = {.per_pixel = 1000};
    const struct syn_tile_limits lim = {0, 1 << 24, meter_bytes, &m};
    struct syn_tiles t;
    T_CHECK(syn_tiles_plan(&ok, 1 << 20, 1 << 20, &lim, &t, NULL) == SYN_OK, "2^40 pixels");
    T_CHECK(axis_sound(&t.x, &ok) && axis_sound(&t.y, &ok) && syn_tiles_count(&t) > 1 << 25,
            "counts in 64 bits");
}

int main(void)
{
    test_A06_cover();
    test_A06_uneven_sizes();
    test_every_geometry();
    test_tiled_equals_untiled();
    test_features_partition();
    test_B09_budget();
    test_B09_little_waste();
    test_B09_too_small();
    test_max_core();
    test_A38_ranges();
    return t_report();
}
