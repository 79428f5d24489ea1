/* test_pipeline_tiled.c - tiled = untiled, and untiled = the network run by hand, for padded,
 * valid, branched and squeeze-and-excite networks, at sizes from 1x1 up. */
#include "tests/unit/test_pipeline.h"
#include <math.h>

static const struct { int w, h; } sizes[] = {{1, 1}, {1, 7}, {9, 1}, {2, 3}, {16, 16}, {17, 15},
                                             {53, 31}, {31, 53}};
#define N_SIZES (sizeof sizes / sizeof sizes[0])

/* The border rules, once more and in another way: by walking. */
static int walk(const char *edge, int p, int n)
{
    if (strcmp(edge, "zero") == 0) return p < 0 || p >= n ? -1 : p;
    if (strcmp(edge, "replicate") == 0) return p < 0 ? 0 : p >= n ? n - 1 : p;
    int at = 0, step = n > 1 ? (p < 0 ? -1 : 1) : 0;
    for (int k = 0; k < abs(p); k++) {
        if (at + step < 0 || at + step >= n) step = -step;
        at += step;
    }
    return at;
}

/* The whole picture through the engine with the border written by hand (zero: in the network's
 * input, not in the picture); 16-bit result. */
static struct syn_image by_hand(struct house *h, const char *id, const struct syn_image *im,
                                const char *edge, int trim, int align, int scale)
{
    struct syn_err err = {""};
    const struct syn_manifest *m = syn_models_find(h->models, id);
    const int w = (im->width + align - 1) / align * align + 2 * trim;
    const int hh = (im->height + align - 1) / align * align + 2 * trim;
    const int ow = (w - 2 * trim) * scale, oh = (hh - 2 * trim) * scale;
    float *in = t_alloc(sizeof(float) * (size_t)(3 * w * hh)),
        *out = t_alloc(sizeof(float) * (size_t)(3 * ow * oh));
    struct syn_loaded *l;
    struct syn_plan *plan;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < hh; y++)
            for (int x = 0; x < w; x++) {
                const int sx = walk(edge, x - trim, im->width), sy = walk(edge, y - trim,
                    im->height);
                in[(c * hh + y) * w + x] = sx < 0 || sy < 0 ? 0 : (float)sample(im, sx, sy,
                    c) * (m->in_scale / 65535.0f) + m->in_offset;
            }
    fx_need(syn_models_acquire(h->models, id, &m->variant[0], NULL, &l, &err) == SYN_OK, err.text);
    const struct syn_shape shape = syn_shape4(1, 3, hh, w), out_shape = syn_shape4(1, 3, oh, ow);
    fx_need(syn_plan_get(syn_loaded_model(l), -1, &shape, SYN_PRECISION_F32, &plan, &err) == SYN_OK,
            err.text);
    struct syn_tensor tin = {shape, SYN_F32, in}, tout = {out_shape, SYN_F32, out};
    fx_need(syn_plan_run(plan, &tin, &tout, &(struct syn_run_opts){0}, &err) == SYN_OK, err.text);
    syn_plan_release(plan);
    syn_models_release(h->models, l);

    struct syn_image r = {0};
    fx_need(syn_image_init(&r, im->width * scale, im->height * scale, 3, 16, &err) == SYN_OK,
            err.text);
    for (int y = 0; y < r.height; y++)
        for (int x = 0; x < r.width; x++)
            for (int c = 0; c < 3; c++) {
                const double v = floor((double)out[(c * oh + y) * ow + x] * 65535 + 0.5);
                ((uint16_t *)r.pixels)[(y * r.width + x) * 3 + c] = (uint16_t)(v < 0 ? 0 : v > 65535
                    ? 65535 : v);
            }
    free(in);
    free(out);
    return r;
}

static void compare(struct house *h, const char *id, const char *edge, int trim, int align,
                    int slack)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        struct syn_err err = {""};
        struct syn_image im = picture(sizes[s].w, sizes[s].h, 3, 16, 7 + s), whole = {0};
        struct syn_image hand = by_hand(h, id, &im, edge, trim, align, 2);
        struct job j = {.model = id};
        T_CHECK(run_job(h, &j, &im, &whole, &err) == SYN_OK, "%s %dx%d: %s", id, sizes[s].w,
                sizes[s].h, err.text);
        T_CHECK(j.calls == 1 && j.report.tiles == 1, "%s: %d units", id, (int)j.calls);
        T_CHECK(picture_distance(&hand, &whole) <= 1,
                "%s %dx%d: off by %d from the network by hand", id, sizes[s].w, sizes[s].h,
                picture_distance(&hand, &whole));
        for (int tile = 8; tile <= 24; tile += 8) {
            struct syn_image tiled = {0};
            struct job t = {.model = id, .params = {.tile = tile}};
            T_CHECK(run_job(h, &t, &im, &tiled, &err) == SYN_OK, "%s: %s", id, err.text);
            T_CHECK(picture_distance(&whole, &tiled) <= slack, "%s %dx%d tile %d: off by %d", id,
                    sizes[s].w, sizes[s].h, tile, picture_distance(&whole, &tiled));
            T_CHECK(t.calls == t.last_total && t.calls == t.report.tiles, "%d of %d", (int)t.calls,
                    (int)t.last_total);
            T_CHECK(sizes[s].w < 50 || tile > 8 || t.calls > 8, "%s: %d units of tile %d", id,
                    (int)t.calls, tile);
            syn_image_deinit(&tiled);
        }
        syn_image_deinit(&im);
        syn_image_deinit(&whole);
        syn_image_deinit(&hand);
    }
}

/* The same at every size of a range, small tiles: whole against tiled only. */
static void sweep(struct house *h, const char *id, int slack)
{
    int bad = 0, cases = 0;
    for (int w = 1; w <= 34; w += w < 6 ? 1 : 3)
        for (int hh = 1; hh <= 20; hh += 5) {
            struct syn_image im = picture(w, hh, 3, 8, (uint64_t)w), whole = {0}, tiled = {0};
            struct job a = {.model = id}, b = {.model = id, .params = {.tile = 8}};
            if (run_job(h, &a, &im, &whole, NULL) != SYN_OK || run_job(h, &b, &im, &tiled,
                NULL) != SYN_OK || picture_distance(&whole, &tiled) > slack)
                bad++;
            cases++;
            syn_image_deinit(&im);
            syn_image_deinit(&whole);
            syn_image_deinit(&tiled);
        }
    T_CHECK(bad == 0 && cases > 50, "%s: %d of %d sizes", id, bad, cases);
}

int main(void)
{
    static struct net_text net;
    struct house h = {0};
    fx_folder(h.root);
    net_padded(&net, 100);
    house_one(&h, "padded", "", &net, 2, false);
    net_valid(&net, 200);
    house_one(&h, "valid-zero",
              "\"edge\": \"zero\", \"input\": {\"scale\": 1.5, \"offset\": 0.25},", &net, 2, false);
    house_one(&h, "valid-replicate", "\"edge\": \"replicate\",", &net, 2, false);
    house_one(&h, "valid-reflect", "\"edge\": \"reflect\",", &net, 2, false);
    net_branched(&net, 300, false);
    house_one(&h, "branched", "\"edge\": \"reflect\",", &net, 2, false);
    net_branched(&net, 400, true);
    house_one(&h, "excite", "\"edge\": \"replicate\",", &net, 2, false);
    house_open(&h, "ref", 0);

    compare(&h, "padded", "zero", 0, 1, 0);
    compare(&h, "valid-zero", "zero", 3, 1, 0);
    compare(&h, "valid-replicate", "replicate", 3, 1, 0);
    compare(&h, "valid-reflect", "reflect", 3, 1, 0);
    compare(&h, "branched", "reflect", 4, 2, 0);
    compare(&h, "excite", "replicate", 4, 2, 1); /* means are summed in another order */
    sweep(&h, "padded", 0);
    sweep(&h, "valid-reflect", 0);
    sweep(&h, "branched", 0);
    sweep(&h, "excite", 1);
    house_close(&h);
    fx_remove(h.root);
    return t_report();
}
