/* test_pipeline_upscale.c - kind "upscale" from picture to picture: alpha, grey, depth, passes,
 * sizes, cancel, numeric retry, memory, failing allocations. Networks that repeat pixels make every
 * expected value plain. */
#include "tests/unit/test_pipeline.h"
#include <math.h>

static bool good(struct house *h, struct job *j, const struct syn_image *im, struct syn_image *out)
{
    struct syn_err err = {""};
    const syn_status st = run_job(h, j, im, out, &err);
    T_CHECK(st == SYN_OK, "%s: %s", j->model, err.text);
    return st == SYN_OK;
}

/* Every pixel of out is the pixel of im that it lies in. */
static void check_repeated(const struct syn_image *im, const struct syn_image *out, int factor,
                           const char *what)
{
    int bad = 0;
    T_CHECK(out->width == im->width * factor && out->height == im->height * factor, "%s: %dx%d",
            what, out->width, out->height);
    for (int y = 0; y < im->height * factor && y < out->height; y++)
        for (int x = 0; x < im->width * factor && x < out->width; x++)
            for (int c = 0; c < 3; c++) bad += sample(out, x, y, c) != sample(im, x / factor,
                y / factor, c);
    T_CHECK(bad == 0, "%s: %d samples differ", what, bad);
}

static void test_depth_and_every_size(struct house *h)
{
    for (int bits = 8; bits <= 16; bits += 8)
        for (int w = 1; w <= 40; w += 13)
            for (int tile = 0; tile <= 8; tile += 8) {
                struct syn_image im = picture(w, 41 - w, 3, bits, (uint64_t)(w + bits)), out = {0};
                struct job j = {.model = "repeat", .params = {.tile = tile}};
                if (good(h, &j, &im, &out)) {
                    T_CHECK(out.bits == bits && out.channels == 3 && !out.gray, "%d bits",
                            out.bits);
                    check_repeated(&im, &out, 2, "repeat");
                }
                syn_image_deinit(&im);
                syn_image_deinit(&out);
            }
}

/* Input and output scaling of the manifest cancel each other here. */
static void test_A40_scaling_from_manifest(struct house *h)
{
    struct syn_image im = picture(9, 5, 3, 16, 3), out = {0};
    struct job j = {.model = "scaled"};
    if (good(h, &j, &im, &out)) check_repeated(&im, &out, 2, "scaled");
    syn_image_deinit(&im);
    syn_image_deinit(&out);
}

/* The network makes nothing; the repeated input is added outside of it. */
static void test_adds_input(struct house *h)
{
    for (int bits = 8; bits <= 16; bits += 8) {
        struct syn_image im = picture(11, 30, 3, bits, 4), out = {0};
        struct job j = {.model = "adds", .params = {.tile = 8}};
        if (good(h, &j, &im, &out)) check_repeated(&im, &out, 2, "adds_input");
        T_CHECK(j.calls > 4, "%d units", (int)j.calls);
        syn_image_deinit(&im);
        syn_image_deinit(&out);
    }
}

static void test_gray_kept(struct house *h)
{
    struct syn_image im = picture(20, 9, 3, 8, 5), out = {0};
    struct job j = {.model = "padded"};
    int bad = 0, differing = 0;
    uint8_t *px = (uint8_t *)im.pixels;
    for (int i = 0; i < 20 * 9; i++) px[3 * i + 1] = px[3 * i + 2] = px[3 * i];
    if (good(h, &j, &im, &out))
        for (int i = 0; i < out.width * out.height; i++)
            differing += sample(&out, i % out.width, i / out.width, 0) != sample(&out,
                i % out.width, i / out.width, 1);
    T_CHECK(differing > 100, "the network keeps grey by itself: proves nothing");
    syn_image_deinit(&out);
    im.gray = true;
    j.params.scale = 1.7;
    if (good(h, &j, &im, &out)) {
        T_CHECK(out.gray, "flag lost");
        for (int y = 0; y < out.height; y++)
            for (int x = 0; x < out.width; x++)
                bad += sample(&out, x, y, 0) != sample(&out, x, y, 1) || sample(&out, x, y,
                    0) != sample(&out, x, y, 2);
    }
    T_CHECK(bad == 0, "%d pixels are coloured", bad);
    syn_image_deinit(&im);
    syn_image_deinit(&out);
}

static void test_A18_sizes_and_passes(struct house *h)
{
    static const struct { double scale; int width, height, w, h, out_w, out_h, calls; } rows[] = {
        {4, 0, 0, 5, 3, 20, 12, 2},   {8, 0, 0, 3, 2, 24, 16, 3},  {3, 0, 0, 5, 3, 15, 9, 2},
        {1.5, 0, 0, 5, 3, 8, 5, 1},   {0.5, 0, 0, 5, 3, 3, 2, 1},  {0, 7, 0, 5, 3, 7, 4, 1},
        {0, 0, 1, 5, 3, 2, 1, 1},     {0, 3, 50, 3, 13, 3, 50, 2}, {1, 0, 0, 1, 1, 1, 1, 1},
        {0.0625, 0, 0, 1, 9, 1, 1, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct syn_image im = picture(rows[i].w, rows[i].h, 3, 8, i), out = {0};
        struct job j = {.model = "repeat", .params = {.scale = rows[i].scale,
                                                      .width = rows[i].width,
                                                      .height = rows[i].height,
                                                          .filter = SYN_FILTER_LANCZOS3}};
        if (good(h, &j, &im, &out)) {
            T_CHECK(out.width == rows[i].out_w && out.height == rows[i].out_h, "row %zu: %dx%d", i,
                    out.width, out.height);
            T_CHECK(j.calls == rows[i].calls && j.last_total == j.calls, "row %zu: %d units", i,
                    (int)j.calls);
            if (i < 2) check_repeated(&im, &out, (int)rows[i].scale, "passes");
        }
        syn_image_deinit(&im);
        syn_image_deinit(&out);
    }
}

/* Denoise once, then only enlarge: red from noise 0's network must pass through none's. */
static void test_later_passes_do_not_denoise(struct house *h)
{
    struct syn_image im = picture(6, 5, 3, 8, 9), out = {0};
    struct job j = {.model = "levels", .params = {.scale = 4}};
    if (good(h, &j, &im, &out)) check_repeated(&im, &out, 4, "without noise");
    syn_image_deinit(&out);

    struct syn_upscale_plan plan;
    const struct syn_manifest *m = syn_models_find(h->models, "levels");
    const struct syn_upscale_params p = {.scale = 4, .noise = 2};
    const struct syn_upscale_limits none = {0};
    T_CHECK(syn_upscale_resolve(m, &p, &none, 6, 5, &plan, NULL) == SYN_OK &&
            plan.variant->noise == 2 && plan.again->noise == SYN_NOISE_NONE, "plan");
    j.params.noise = 2; /* its network adds 0.25: once for two passes */
    if (good(h, &j, &im, &out)) {
        int bad = 0;
        for (int y = 0; y < out.height; y++)
            for (int x = 0; x < out.width; x++) {
                const double v = sample(&im, x / 4, y / 4, 0) + 0.25 * 255;
                bad += abs(sample(&out, x, y, 0) - (int)fmin(255, v)) > 1;
            }
        T_CHECK(bad == 0, "%d samples", bad);
    }
    syn_image_deinit(&im);
    syn_image_deinit(&out);
}

/* A09: 8x8 checkerboard of alpha 0 and 255. */
static void test_A09_alpha(struct house *h)
{
    for (int alpha = SYN_ALPHA_RESAMPLE; alpha <= SYN_ALPHA_DROP; alpha++)
        for (int scale = 2; scale <= 4; scale += 2)
            for (int bits = 8; bits <= 16; bits += 8) {
                struct syn_image im = picture(8, 8, 4, bits, 6), out = {0};
                struct job j = {.model = "repeat", .params = {.scale = scale,
                                                              .filter = SYN_FILTER_LANCZOS3}};
                const int top = bits == 16 ? 65535 : 255;
                int least = top, most = 0;
                double mean = 0;
                j.params.alpha = alpha;
                for (int i = 0; i < 64; i++) {
                    const int a = (i + i / 8) % 2 ? top : 0;
                    if (bits == 16) ((uint16_t *)im.pixels)[4 * i + 3] = (uint16_t)a;
                    else ((uint8_t *)im.pixels)[4 * i + 3] = (uint8_t)a;
                }
                if (good(h, &j, &im, &out)) {
                    const int channels = alpha == SYN_ALPHA_DROP ? 3 : 4;
                    T_CHECK(out.channels == channels && out.bits == bits && out.width == 8 * scale,
                            "%d channels", out.channels);
                    for (int i = 0; out.channels == 4 && i < out.width * out.height; i++) {
                        const int a = sample(&out, i % out.width, i / out.width, 3);
                        if (a < least) least = a;
                        if (a > most) most = a;
                        mean += (double)a / (out.width * out.height);
                    }
                    T_CHECK(channels == 3 || (least == 0 && most == top &&
                                              fabs(mean - top / 2.0) <= top * 2 / 255.0),
                            "alpha %d to %d, mean %.1f", least, most, mean);
                    T_CHECK(j.calls == (alpha == SYN_ALPHA_MODEL ? 2 : 1) * (scale / 2), "%d units",
                            (int)j.calls);
                }
                syn_image_deinit(&im);
                syn_image_deinit(&out);
            }
}

static void test_A09_opaque_alpha(struct house *h)
{
    struct syn_image im = picture(5, 4, 4, 8, 6), out = {0};
    struct job j = {.model = "repeat"};
    for (int i = 0; i < 20; i++) ((uint8_t *)im.pixels)[4 * i + 3] = 255;
    if (good(h, &j, &im, &out)) {
        T_CHECK(out.channels == 3, "an alpha that hides nothing is not carried");
        check_repeated(&im, &out, 2, "opaque");
    }
    syn_image_deinit(&out);
    ((uint8_t *)im.pixels)[3] = 254; /* one pixel is enough */
    if (good(h, &j, &im, &out)) T_CHECK(out.channels == 4 && sample(&out, 9, 7, 3) == 255,
                                        "%d channels", out.channels);
    syn_image_deinit(&im);
    syn_image_deinit(&out);
}

/* A10: opaque red beside a transparent black pixel; no fringe, whatever resamples. */
static void test_A10_fringe(struct house *h)
{
    for (int alpha = SYN_ALPHA_RESAMPLE; alpha <= SYN_ALPHA_MODEL; alpha++)
        for (int wide = 0; wide <= 1; wide++) {
            struct syn_image im = {0}, out = {0};
            struct job j = {.model = wide ? "smooth" : "repeat",
                            .params = {.scale = wide ? 3 : 4, .filter = SYN_FILTER_LANCZOS3}};
            static const uint8_t px[8] = {255, 0, 0, 255, 0, 0, 0, 0};
            int bad = 0, clear = 0;
            j.params.alpha = alpha;
            fx_need(syn_image_init(&im, 2, 1, 4, 8, NULL) == SYN_OK, "picture");
            memcpy(im.pixels, px, 8);
            if (good(h, &j, &im, &out)) {
                for (int i = 0; i < out.width * out.height; i++) {
                    const int x = i % out.width, y = i / out.width;
                    if (sample(&out, x, y, 3) == 0) clear++;
                    else bad += sample(&out, x, y, 0) < 250 || sample(&out, x, y, 1) || sample(&out,
                        x, y, 2);
                }
                T_CHECK(bad == 0 && clear < out.width * out.height, "%d of %d pixels are dark", bad,
                        out.width * out.height);
            }
            syn_image_deinit(&im);
            syn_image_deinit(&out);
        }
}

/* C04: within one unit, at any unit, and before the first. */
static void test_C04_cancel(struct house *h)
{
    struct syn_image im = picture(40, 40, 3, 8, 1), out = {0};
    for (int after = 0; after <= 5; after++) {
        atomic_bool cancel = after == 0;
        struct job j = {.model = "padded", .params = {.tile = 8}, .cancel = &cancel,
                        .cancel_after = after};
        struct syn_err err = {""};
        T_CHECK(run_job(h, &j, &im, &out, &err) == SYN_CANCELED, "after %d: %s", after, err.text);
        T_CHECK(j.calls == after && !out.pixels, "%d units after a cancel at %d", (int)j.calls,
                after);
    }
    struct job j = {.model = "padded", .params = {.tile = 8}};
    if (good(h, &j, &im, &out)) T_CHECK(j.calls == 16, "%d units", (int)j.calls);
    syn_image_deinit(&im);
    syn_image_deinit(&out);
}

/* The driver asks for nothing once a job is cancelled, and ends when there is nothing more. */
struct counted {
    struct syn_pipeline base;
    int asked, closed;
};
static syn_status counted_next(struct syn_pipeline *p, struct syn_unit *unit, bool *more,
                               struct syn_err *err)
{
    (void)unit, (void)err;
    ((struct counted *)p)->asked++;
    *more = false;
    return SYN_OK;
}
static void counted_close(struct syn_pipeline *p)
{
    ((struct counted *)p)->closed++;
}
static void test_C04_driver(void)
{
    static const struct syn_pipeline_kind kind = {.kind = "counted", .next = counted_next,
                                                  .close = counted_close};
    struct counted p = {.base = {&kind}};
    atomic_bool cancel = true;
    const struct syn_drive d = {.cancel = &cancel};
    T_CHECK(syn_pipeline_drive(&p.base, &d, NULL) == SYN_CANCELED && p.asked == 0, "asked %d times",
            p.asked);
    atomic_store(&cancel, false);
    T_CHECK(syn_pipeline_drive(&p.base, &d, NULL) == SYN_OK && p.asked == 1, "asked %d times",
            p.asked);
    syn_pipeline_close(&p.base);
    T_CHECK(p.closed == 1, "closed %d times", p.closed);
}

/* A01: never a picture: asked for in either precision, an infinite result fails after one retry at
 * most. */
static void test_A01_numeric_error(struct house *h)
{
    struct syn_image im = picture(20, 20, 3, 8, 1), out = {0};
    struct syn_err err = {""};
    memset(im.pixels, 255, 1200);
    for (int p = SYN_PRECISION_F32; p <= SYN_PRECISION_BF16; p++) {
        struct job k = {.model = "infinite", .params = {.precision = (syn_precision)p}};
        T_CHECK(run_job(h, &k, &im, &out, &err) == SYN_NUMERIC && !out.pixels && k.calls == 0, "%s",
                err.text);
        T_CHECK(k.report.numeric_retries <= (p == SYN_PRECISION_BF16), "%d retries",
                k.report.numeric_retries);
    }
    syn_image_deinit(&im);
}

/* A01: a network whose middle is infinite in bf16 and finite in f32, where the device has a bf16.
 * */
static void test_A01_numeric_retry(struct house *h)
{
    struct syn_image im = picture(20, 20, 3, 8, 1), out = {0}, f32 = {0};
    struct job probe = {.model = "padded", .params = {.precision = SYN_PRECISION_BF16}};
    struct job j = {.model = "huge", .params = {.precision = SYN_PRECISION_F32, .tile = 8}};
    memset(im.pixels, 255, 1200);
    if (!good(h, &probe, &im, &out)) return;
    syn_image_deinit(&out);
    if (good(h, &j, &im, &f32)) {
        T_CHECK(j.report.precision == SYN_PRECISION_F32 && j.report.numeric_retries == 0, "f32");
        T_CHECK(sample(&f32, 5, 5, 0) > 100 && sample(&f32, 5, 5, 0) < 250, "%d", sample(&f32, 5, 5,
            0));
    }
    j.params.precision = SYN_PRECISION_BF16;
    if (good(h, &j, &im, &out)) {
        const bool bf16 = probe.report.precision == SYN_PRECISION_BF16;
        T_CHECK(j.report.numeric_retries == (bf16 ? j.calls : 0), "%d retries of %d units",
                j.report.numeric_retries, (int)j.calls);
        T_CHECK(j.report.precision == SYN_PRECISION_F32, "%s",
                syn_precision_word(j.report.precision));
        T_CHECK(picture_distance(&f32, &out) == 0, "off by %d", picture_distance(&f32, &out));
    }
    syn_image_deinit(&out);
    syn_image_deinit(&im);
    syn_image_deinit(&f32);
}

/* B09: smaller budgets make smaller tiles and the same picture; under the smallest tile, a refusal
 * before any unit that says needed and available. */
static void test_B09_budget(struct house *h)
{
    struct syn_image im = picture(60, 45, 3, 8, 1), whole = {0}, out = {0};
    struct job first = {.model = "valid"};
    int64_t tiles = 1;
    if (!good(h, &first, &im, &whole)) return;
    T_CHECK(first.calls == 1, "%d", (int)first.calls);
    for (uint64_t budget = 1 << 20; budget >= 1 << 15; budget /= 4) {
        struct job j = {.model = "valid", .limits = {.memory_budget_bytes = budget}};
        struct syn_err err = {""};
        if (run_job(h, &j, &im, &out, &err) != SYN_OK) {
            T_CHECK(false, "budget %llu: %s", (unsigned long long)budget, err.text);
            continue;
        }
        T_CHECK(j.calls >= tiles && picture_distance(&whole, &out) == 0,
                "budget %llu: %d tiles, off by %d", (unsigned long long)budget, (int)j.calls,
                picture_distance(&whole, &out));
        tiles = j.calls;
        syn_image_deinit(&out);
    }
    T_CHECK(tiles > 4, "%d tiles", (int)tiles);
    struct job j = {.model = "valid", .limits = {.memory_budget_bytes = 500}};
    struct syn_err err = {""};
    T_CHECK(run_job(h, &j, &im, &out, &err) == SYN_NO_MEMORY && j.calls == 0, "%s", err.text);
    T_CHECK(strstr(err.text, "needed") && strstr(err.text, "500 available"), "%s", err.text);
    syn_image_deinit(&im);
    syn_image_deinit(&whole);
}

/* B08: each allocation of a job fails once; the job says so, loses nothing, and the next one runs.
 * */
static void test_B08_allocations(struct house *h)
{
    struct syn_image im = picture(12, 10, 4, 8, 2), whole = {0}, out = {0};
    struct job ok = {.model = "excite", .params = {.scale = 3, .tile = 8,
                                                   .alpha = SYN_ALPHA_MODEL}};
    int failed = 0, wrong = 0;
    if (!good(h, &ok, &im, &whole)) return;
    T_CHECK(ok.calls > 20, "%d units", (int)ok.calls);
    for (long n = 1; n < 100000; n++) {
        struct job j = ok;
        struct syn_err err = {""};
        syn_alloc_fail_at(n);
        const syn_status st = run_job(h, &j, &im, &out, &err);
        syn_alloc_fail_at(0);
        if (st == SYN_OK) {
            wrong += picture_distance(&whole, &out) != 0;
            syn_image_deinit(&out);
            if (n > failed + 3) break; /* past the last allocation, not one that did without */
            continue;
        }
        /* The reference backend alone: an operator that finds no memory for its row gives NaN. */
        if ((st != SYN_NO_MEMORY && st != SYN_NUMERIC) || out.pixels) {
            if (wrong++ < 3) T_CHECK(false, "allocation %ld: %s: %s", n, syn_status_word(st),
                                     err.text);
        }
        failed = (int)n;
        if (n % 16 == 0) {
            struct job k = ok;
            if (run_job(h, &k, &im, &out, NULL) != SYN_OK || picture_distance(&whole, &out) != 0)
                wrong++;
            syn_image_deinit(&out);
        }
    }
    T_CHECK(failed > 10 && wrong == 0, "%d allocations, %d wrong", failed, wrong);
    syn_image_deinit(&im);
    syn_image_deinit(&whole);
}

/* E7: a failed open leaves the picture to its owner. */
static void test_failed_open_leaves_picture(struct house *h)
{
    struct syn_image im = picture(9, 9, 3, 8, 2);
    void *pixels = im.pixels;
    struct syn_pipeline *p = NULL;
    const struct syn_manifest *m = syn_models_find(h->models, "valid");
    const struct syn_upscale_limits tiny = {.memory_budget_bytes = 10}, none = {0};
    const struct syn_upscale_params right = {.noise = SYN_NOISE_NONE}, wrong = {.noise = 3};
    struct syn_err err;
    T_CHECK(syn_upscale_open(h->models, m, &right, &tiny, &im, NULL, &p, &err) == SYN_NO_MEMORY,
            "%s", err.text);
    T_CHECK(syn_upscale_open(h->models, m, &wrong, &none, &im, NULL, &p, &err) == SYN_INVALID, "%s",
            err.text);
    im.bits = 12;
    T_CHECK(syn_upscale_open(h->models, m, &right, &none, &im, NULL, &p, &err) == SYN_INVALID, "%s",
            err.text);
    im.bits = 8;
    T_CHECK(!p && im.pixels == pixels, "changed hands");
    syn_pipeline_close(NULL);
    const struct syn_manifest *lies = syn_models_find(h->models, "lies");
    T_CHECK(syn_upscale_open(h->models, lies, &right, &none, &im, NULL, &p, &err) == SYN_INVALID &&
            strstr(err.text, "enlarges by 2/1"), "%s", err.text);
    syn_image_deinit(&im);
}

/* A 1x1 convolution that multiplies each channel. */
static void net_diagonal(struct net_text *m, const char *from, const char *to, float factor)
{
    const float w[9] = {factor, 0, 0, 0, factor, 0, 0, 0, factor};
    net_line(m, "Convolution %s 1 1 %s %s 0=3 1=1 6=9", to, from, to);
    net_floats(m, w, 9, true);
}

static void make_models(struct house *h)
{
    static struct net_text net;
    net_repeat(&net, 1);
    house_one(h, "repeat", "", &net, 2, false);
    house_one(h, "scaled",
              "\"input\": {\"scale\": 2, \"offset\": -1}, \"output\": {\"scale\": 0.5, \"offset\": 0.5},", &net, 2, false);
    house_one(h, "lies", "", &net, 3, false);
    net_repeat(&net, 0);
    house_one(h, "adds", "", &net, 2, true);

    const struct house_variant levels[] = {{"none", 2, -1, false}, {"two", 2, 2, false}};
    net_repeat(&net, 1);
    house_net(h, "levels", "none", &net);
    net_line(&net, "BinaryOp more 1 1 out more 0=0 1=1 2=0.25");
    house_net(h, "levels", "two", &net);
    house_model(h, "levels", "", levels, 2);

    net_init(&net, 5); /* products near 3.4e38 round to infinity in bf16 */
    net_diagonal(&net, "data", "a", 1.0e19f);
    net_diagonal(&net, "a", "b", 3.4e19f);
    net_diagonal(&net, "b", "c", 2e-39f);
    net_line(&net, "Interp out 1 1 c out 0=1 1=2 2=2");
    house_one(h, "huge", "", &net, 2, false);
    net_repeat(&net, 3.4e38f);
    net_line(&net, "BinaryOp more 1 1 out more 0=2 1=1 2=3e38");
    house_one(h, "infinite", "", &net, 2, false);

    const float one[3] = {1, 1, 1};
    net_init(&net, 1);
    net_line(&net, "Scale by 1 1 data by 0=3");
    net_line(&net, "Interp out 1 1 by out 0=2 1=2.0 2=2.0");
    net_floats(&net, one, 3, false);
    house_one(h, "smooth", "", &net, 2, false);

    net_padded(&net, 11);
    house_one(h, "padded", "", &net, 2, false);
    net_valid(&net, 12);
    house_one(h, "valid", "\"edge\": \"reflect\",", &net, 2, false);
    net_branched(&net, 13, true);
    house_one(h, "excite", "\"edge\": \"replicate\",", &net, 2, false);
}

int main(void)
{
    struct house h = {0};
    fx_folder(h.root);
    make_models(&h);
    house_open(&h, "ref", 0);
    test_depth_and_every_size(&h);
    test_A40_scaling_from_manifest(&h);
    test_adds_input(&h);
    test_gray_kept(&h);
    test_A18_sizes_and_passes(&h);
    test_later_passes_do_not_denoise(&h);
    test_A09_alpha(&h);
    test_A09_opaque_alpha(&h);
    test_A10_fringe(&h);
    test_C04_cancel(&h);
    test_C04_driver();
    test_A01_numeric_error(&h);
    test_B09_budget(&h);
    test_B08_allocations(&h);
    test_failed_open_leaves_picture(&h);
    house_close(&h);

    house_open(&h, "cpu", 0);
    test_A01_numeric_error(&h);
    test_A01_numeric_retry(&h);
    test_depth_and_every_size(&h);
    test_B09_budget(&h);
    house_close(&h);
    fx_remove(h.root);
    return t_report();
}
