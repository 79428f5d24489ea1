/* test_pipeline_params.c - the validators of kinds: every wrong value is named, every right one
 * comes back the same; and what sizes and passes parameters lead to. */
#include "server/pipelines/kinds.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

static struct syn_manifest model_of(const char *id, const int32_t (*scale_noise)[2], int32_t n)
{
    struct syn_manifest m = {.default_noise = scale_noise[0][1], .n_variants = n};
    snprintf(m.id, sizeof m.id, "%s", id);
    for (int32_t i = 0; i < n; i++) {
        m.variant[i].scale = scale_noise[i][0];
        m.variant[i].noise = scale_noise[i][1];
    }
    return m;
}
static const int32_t photo4[][2] = {{4, SYN_NOISE_NONE}};
static const int32_t anime234[][2] = {{2, SYN_NOISE_NONE}, {3, SYN_NOISE_NONE},
                                      {4, SYN_NOISE_NONE}};
static const int32_t waifu[][2] = {{2, SYN_NOISE_NONE}, {1, 0}, {2, 0}, {1, 1}, {2, 1}};

static struct syn_param number(const char *name, double v)
{
    return (struct syn_param){.name = name, .type = SYN_PARAM_NUMBER, .number = v};
}
static struct syn_param integer(const char *name, int64_t v)
{
    return (struct syn_param){.name = name, .type = SYN_PARAM_INTEGER, .integer = v};
}
static struct syn_param string(const char *name, const char *v)
{
    return (struct syn_param){.name = name, .type = SYN_PARAM_STRING, .string = v};
}
static struct syn_param boolean(const char *name, bool v)
{
    return (struct syn_param){.name = name, .type = SYN_PARAM_BOOL, .boolean = v};
}
static struct syn_param other(const char *name, enum syn_param_type t)
{
    return (struct syn_param){.name = name, .type = t};
}

/* E10: each numeric field with each odd value is in range or named; nothing else. */
static void test_E10_matrix(void)
{
    const struct syn_manifest m = model_of("anime", anime234, 3);
    const char *const field[] = {"scale", "width", "height", "noise", "tile"};
    const struct syn_param odd[] = {
        integer("", 0), integer("", -1), integer("", 1), integer("", (int64_t)1 << 31), integer("",
            INT64_MAX),
        integer("", INT64_MIN), number("", 0), number("", -1), number("", 9.2233720368547758e18),
            number("", 1e308),
        number("", -1e308), number("", HUGE_VAL), number("", NAN), number("", 0.5), other("",
            SYN_PARAM_NULL),
        string("", "2"), other("", SYN_PARAM_OTHER), boolean("", true)};
    /* what passes: [field] then indices of odd, -1 ends */
    static const int passes[5][4] = {{2, 13, -1}, {2, -1}, {2, -1}, {1, 7, -1}, {0, 6, -1}};
    for (int f = 0; f < 5; f++)
        for (int i = 0; i < (int)(sizeof odd / sizeof odd[0]); i++) {
            struct syn_param p = odd[i];
            struct syn_upscale_params out = {.tile = 77};
            struct syn_field_errors errs = {0};
            bool expected = false;
            p.name = field[f];
            for (int k = 0; passes[f][k] >= 0; k++) expected |= passes[f][k] == i;
            const syn_status st = syn_upscale_params_parse(&p, 1, &m, &out, &errs);
            T_CHECK((st == SYN_OK) == expected, "%s, value %d", field[f], i);
            T_CHECK(expected ? errs.n == 0 : errs.n == 1 && strcmp(errs.item[0].field,
                field[f]) == 0, "%s, value %d", field[f], i);
            T_CHECK(expected || (st == SYN_INVALID && out.tile == 77), "%s, value %d: touched",
                    field[f], i);
            T_CHECK(expected || strncmp(errs.item[0].detail, field[f], strlen(field[f])) == 0, "%s",
                    errs.item[0].detail);
        }
}

/* A19: unknown fields are refused by name, and all errors come at once. */
static void test_A19_unknown_and_all_at_once(void)
{
    const struct syn_manifest m = model_of("photo", photo4, 1);
    const struct syn_param p[] = {integer("stepz", 1), number("scale", 99), string("filter", "box"),
                                  integer("scale", 2), boolean("alpha", true), integer("noise", 2),
                                  string("Scale", "x")};
    struct syn_upscale_params out;
    struct syn_field_errors errs = {0};
    T_CHECK(syn_upscale_params_parse(p, 7, &m, &out, &errs) == SYN_INVALID, "accepted");
    T_CHECK(errs.n == 6, "%d errors", errs.n);
    static const char *const expect[][2] = {{"stepz", "unknown_field"}, {"scale", "invalid_field"},
                                            {"filter", "invalid_field"}, {"scale",
                                                "duplicate_field"},
                                            {"alpha", "invalid_field"}, {"Scale", "unknown_field"}};
    for (int i = 0; i < errs.n && i < 6; i++)
        T_CHECK(strcmp(errs.item[i].field, expect[i][0]) == 0 && strcmp(errs.item[i].code,
            expect[i][1]) == 0, "%d: %s %s", i, errs.item[i].field, errs.item[i].code);
    T_CHECK(strstr(errs.item[1].detail, "99") && strstr(errs.item[1].detail, "[0.0625, 16]"), "%s",
            errs.item[1].detail);
    T_CHECK(strstr(errs.item[2].detail, "lanczos3"), "%s", errs.item[2].detail);
}

static void test_unsupported_by_model(void)
{
    struct syn_manifest m = model_of("photo", photo4, 1);
    struct syn_upscale_params out;
    struct syn_field_errors errs = {0};
    m.pin_f32 = true;
    const struct syn_param p[] = {integer("noise", 2), string("precision", "bf16"), integer("tile",
        3)};
    T_CHECK(syn_upscale_params_parse(p, 3, &m, &out, &errs) == SYN_INVALID && errs.n == 3, "%d",
            errs.n);
    T_CHECK(strcmp(errs.item[0].code, "unsupported_value") == 0, "%s", errs.item[0].code);
    T_CHECK(strcmp(errs.item[0].detail, "noise = 2: photo has no noise levels") == 0, "%s",
            errs.item[0].detail);
    T_CHECK(strcmp(errs.item[1].field, "tile") == 0 && strcmp(errs.item[2].field, "precision") == 0,
            "order");

    const struct syn_manifest w = model_of("waifu", waifu, 5);
    struct syn_field_errors more = {0};
    T_CHECK(syn_upscale_params_parse(p, 1, &w, &out, &more) == SYN_INVALID, "noise 2 of -1, 0, 1");
    T_CHECK(strstr(more.item[0].detail, "-1, 0, 1"), "%s", more.item[0].detail);
    const struct syn_param both[] = {number("scale", 2), integer("width", 100)};
    struct syn_field_errors clash = {0};
    T_CHECK(syn_upscale_params_parse(both, 2, &w, &out, &clash) == SYN_INVALID && clash.n == 1 &&
            strcmp(clash.item[0].code, "conflicting_field") == 0, "scale and width");
}

static bool same_params(const struct syn_upscale_params *a, const struct syn_upscale_params *b)
{
    return a->scale == b->scale && a->width == b->width && a->height == b->height &&
        a->noise == b->noise &&
           a->tile == b->tile && a->precision == b->precision && a->filter == b->filter &&
               a->alpha == b->alpha;
}

static void test_effective_round_trip(void)
{
    const struct syn_manifest m = model_of("waifu", waifu, 5);
    const struct syn_param given[][4] = {
        {number("scale", 1.5), integer("noise", 1), string("alpha", "model"), string("filter",
            "nearest")},
        {integer("width", 640), integer("height", 33), string("precision", "f32"), number("tile",
            128.0)},
        {integer("height", 9), string("precision", "bf16"), string("alpha", "drop"),
         string("filter", "bicubic")},
    };
    for (int i = 0; i < 4; i++) {
        struct syn_upscale_params a, b;
        struct syn_param list[SYN_UPSCALE_N_PARAMS];
        struct syn_field_errors errs = {0};
        T_CHECK(syn_upscale_params_parse(i < 3 ? given[i] : NULL, i < 3 ? 4 : 0, &m, &a,
                                         &errs) == SYN_OK, "%d: %s", i, errs.item[0].detail);
        const int32_t n = syn_upscale_params_effective(&a, list);
        T_CHECK(n >= 5 && n <= SYN_UPSCALE_N_PARAMS, "%d", n);
        T_CHECK(syn_upscale_params_parse(list, n, &m, &b, &errs) == SYN_OK && same_params(&a, &b),
                "%d: %s", i, errs.item[0].detail);
    }
    struct syn_upscale_params a;
    struct syn_field_errors errs = {0};
    T_CHECK(syn_upscale_params_parse(NULL, 0, &m, &a, &errs) == SYN_OK && a.scale == 2 &&
            a.noise == -1 && a.filter == SYN_FILTER_LANCZOS3 && a.alpha == SYN_ALPHA_RESAMPLE &&
            a.precision == SYN_PRECISION_AUTO, "defaults");
}

static void test_error_list_bounds(void)
{
    struct syn_param p[40];
    char name[300];
    struct syn_upscale_params out;
    struct syn_field_errors errs = {0};
    const struct syn_manifest m = model_of("photo", photo4, 1);
    /* U+00E4 */
    for (size_t i = 0; i + 1 < sizeof name; i++) name[i] = i % 2 ? (char)0xA4 : (char)0xC3;
    name[sizeof name - 1] = 0;
    for (int i = 0; i < 40; i++) p[i] = integer(name, 1);
    T_CHECK(syn_upscale_params_parse(p, 40, &m, &out, &errs) == SYN_INVALID, "accepted");
    T_CHECK(errs.n == SYN_MAX_FIELD_ERRORS && errs.n_more == 8, "%d, %d", errs.n, errs.n_more);
    const size_t n = strlen(errs.item[0].field);
    T_CHECK(n == 62 && (unsigned char)errs.item[0].field[n - 1] == 0xA4,
            "cut at %zu, inside a character", n);
}

static void test_output_spec(void)
{
    static const struct { struct syn_param p[3]; int32_t n; const char *bad; } rows[] = {
        {{{0}}, 0, NULL},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "jpeg"}, {.name = "quality",
            .type = SYN_PARAM_INTEGER, .integer = 100}}, 2, NULL},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "same"}, {.name = "level",
            .type = SYN_PARAM_INTEGER, .integer = 9}}, 2, NULL},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "webp"}, {.name = "lossless",
            .type = SYN_PARAM_BOOL, .boolean = true}}, 2, NULL},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "jpeg"}, {.name = "lossless",
            .type = SYN_PARAM_BOOL}}, 2, NULL},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "gif"}}, 1, "format"},
        {{{.name = "quality", .type = SYN_PARAM_INTEGER, .integer = 90}}, 1, "quality"},
        {{{.name = "quality", .type = SYN_PARAM_INTEGER, .integer = 0}}, 1, "quality"},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "webp"}, {.name = "gray",
            .type = SYN_PARAM_BOOL, .boolean = true}}, 2, "gray"},
        {{{.name = "format", .type = SYN_PARAM_STRING, .string = "jpeg"}, {.name = "level",
            .type = SYN_PARAM_INTEGER, .integer = 1}}, 2, "level"},
        {{{.name = "lossless", .type = SYN_PARAM_INTEGER, .integer = 1}}, 1, "lossless"},
        {{{.name = "effort", .type = SYN_PARAM_INTEGER, .integer = 1}}, 1, "effort"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct syn_output_spec s = {0}, again = {0};
        struct syn_field_errors errs = {0};
        struct syn_param list[SYN_OUTPUT_N_PARAMS];
        const syn_status st = syn_output_spec_parse(rows[i].p, rows[i].n, &s, &errs);
        T_CHECK((st == SYN_OK) == !rows[i].bad, "row %zu: %s", i, errs.item[0].detail);
        if (rows[i].bad) {
            T_CHECK(errs.n == 1 && strcmp(errs.item[0].field, rows[i].bad) == 0, "row %zu", i);
            continue;
        }
        const int32_t n = syn_output_spec_effective(&s, list);
        T_CHECK(syn_output_spec_parse(list, n, &again, &errs) == SYN_OK &&
                s.format == again.format && s.quality == again.quality && s.level == again.level &&
                s.gray == again.gray && s.lossless == again.lossless, "row %zu", i);
    }
    struct syn_image_encode_opts o;
    struct syn_err err = {""};
    const struct syn_output_spec same = {.format = SYN_IMAGE_UNKNOWN},
        webp = {.format = SYN_IMAGE_WEBP};
    T_CHECK(syn_output_spec_resolve(&same, SYN_IMAGE_JPEG, 65500, 1, &o, &err) == SYN_OK &&
            o.format == SYN_IMAGE_JPEG, "same");
    T_CHECK(syn_output_spec_resolve(&same, SYN_IMAGE_JPEG, 65501, 1, &o, &err) == SYN_TOO_LARGE,
            "jpeg side");
    T_CHECK(syn_output_spec_resolve(&webp, SYN_IMAGE_PNG, 1, 16384, &o, &err) == SYN_TOO_LARGE &&
            strstr(err.text, "16383"), "%s", err.text);
}

static void test_kinds(void)
{
    const struct syn_kind *k = syn_kinds_find("upscale");
    T_CHECK(k && syn_kinds_count() >= 1 && syn_kinds_at(0) == k && !syn_kinds_at(-1) &&
            !syn_kinds_at(999), "list");
    T_CHECK(!syn_kinds_find("upscal") && !syn_kinds_find(""), "unknown kinds");
    for (int32_t i = 0; k && i < k->n_params; i++) {
        const struct syn_param_spec *s = &k->param[i];
        T_CHECK(s->name && s->description && (s->type != SYN_PARAM_STRING || s->words), "row %d",
                i);
        T_CHECK(s->type != SYN_PARAM_NUMBER || s->min < s->max, "%s", s->name);
    }
}

static void test_A18_sizes(void)
{
    static const struct {
        const int32_t (*model)[2];
        int32_t n;
        double scale;
        int32_t width, height, noise, w, h; /* asked for, and of the input */
        int32_t out_w, out_h, variant, passes, native_w;
    } rows[] = {
        {photo4, 1, 0, 0, 0, -1, 608, 608, 2432, 2432, 4, 1, 2432},
        {photo4, 1, 4, 0, 0, -1, 1, 1, 4, 4, 4, 1, 4},
        {photo4, 1, 1.5, 0, 0, -1, 563, 563, 845, 845, 4, 1, 2252}, /* 844.5 rounds up */
        {photo4, 1, 0.0625, 0, 0, -1, 7, 513, 1, 32, 4, 1, 28},
        {photo4, 1, 5, 0, 0, -1, 10, 8, 50, 40, 4, 2, 160},
        {photo4, 1, 16, 0, 0, -1, 10, 8, 160, 128, 4, 2, 160},
        {anime234, 3, 1.5, 0, 0, -1, 504, 520, 756, 780, 2, 1, 1008},
        {anime234, 3, 3, 0, 0, -1, 10, 10, 30, 30, 3, 1, 30},
        {anime234, 3, 3.5, 0, 0, -1, 10, 10, 35, 35, 4, 1, 40},
        {anime234, 3, 8, 0, 0, -1, 10, 10, 80, 80, 3, 2, 90},
        {anime234, 3, 0, 800, 0, -1, 399, 600, 800, 1203, 2, 1, 798},  /* within rounding of 2x */
        {anime234, 3, 0, 0, 1200, -1, 800, 400, 2400, 1200, 3, 1, 2400},
        {anime234, 3, 0, 100, 300, -1, 100, 100, 100, 300, 3, 1, 300},
        {waifu, 5, 4, 0, 0, 0, 30, 20, 120, 80, 2, 2, 120},
        {waifu, 5, 1, 0, 0, 1, 30, 20, 30, 20, 1, 1, 30},
        {waifu, 5, 1, 0, 0, -1, 30, 20, 30, 20, 2, 1, 60},
        {waifu, 5, 0.5, 0, 0, 1, 30, 20, 15, 10, 1, 1, 30},
        {waifu, 5, 16, 0, 0, 1, 3, 3, 48, 48, 2, 4, 48},
        {waifu, 5, 0, 1, 0, -1, 4000, 3, 1, 1, 2, 1, 8000},
    };
    const struct syn_upscale_limits none = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct syn_manifest m = model_of("m", rows[i].model, rows[i].n);
        const struct syn_upscale_params p = {.scale = rows[i].scale, .width = rows[i].width,
                                             .height = rows[i].height,
                                             .noise = rows[i].noise};
        struct syn_upscale_plan plan = {0};
        struct syn_err err = {""};
        T_CHECK(syn_upscale_resolve(&m, &p, &none, rows[i].w, rows[i].h, &plan, &err) == SYN_OK,
                "row %zu: %s", i, err.text);
        T_CHECK(plan.out_width == rows[i].out_w && plan.out_height == rows[i].out_h,
                "row %zu: %dx%d", i, plan.out_width, plan.out_height);
        T_CHECK(plan.variant && plan.variant->scale == rows[i].variant &&
                plan.passes == rows[i].passes && plan.native_width == rows[i].native_w,
                "row %zu: %d times, native %d", i, plan.passes, plan.native_width);
        T_CHECK(plan.variant && plan.variant->noise == rows[i].noise, "row %zu", i);
    }
    const struct syn_manifest m = model_of("waifu", waifu, 5);
    const struct syn_upscale_params p = {.scale = 4, .noise = 1};
    struct syn_upscale_plan plan;
    T_CHECK(syn_upscale_resolve(&m, &p, &none, 30, 20, &plan, NULL) == SYN_OK &&
            plan.variant->noise == 1 && plan.again->noise == SYN_NOISE_NONE &&
            plan.again->scale == 2, "noise is removed once");
}

static void test_A38_limits(void)
{
    const struct syn_manifest m = model_of("photo", photo4, 1);
    struct syn_upscale_plan plan = {.passes = 77};
    struct syn_err err;
    static const struct {
        struct syn_upscale_params p;
        struct syn_upscale_limits lim;
        int32_t w, h;
        syn_status st;
        const char *word;
    } rows[] = {
        {{.scale = 4, .noise = -1}, {.max_output_pixels = 1600}, 10, 10, SYN_OK, ""},
        {{.scale = 4, .noise = -1}, {.max_output_pixels = 1599}, 10, 10, SYN_TOO_LARGE,
         "1600 pixels"},
        {{.scale = 1, .noise = -1}, {.max_output_pixels = 1599}, 10, 10, SYN_TOO_LARGE,
         "on the way"},
        {{.scale = 4, .noise = -1}, {.max_output_side = 39}, 10, 10, SYN_TOO_LARGE, "40x40"},
        {{.scale = 4, .noise = -1}, {0}, 1 << 20, 1, SYN_TOO_LARGE, "4194304x4"},
        {{.scale = 1, .noise = -1}, {0}, 1 << 20, 1, SYN_TOO_LARGE, "on the way"},
        {{.scale = 17, .noise = -1}, {0}, 10, 10, SYN_INVALID, "scale = 17"},
        {{.scale = -1, .noise = -1}, {0}, 10, 10, SYN_INVALID, "scale = -1"},
        {{.width = 161, .noise = -1}, {0}, 10, 10, SYN_INVALID, "width = 161"},
        {{.height = 161, .noise = -1}, {0}, 10, 10, SYN_INVALID, "height = 161"},
        {{.width = -5, .noise = -1}, {0}, 10, 10, SYN_INVALID, "width = -5"},
        {{.scale = 2, .width = 5, .noise = -1}, {0}, 10, 10, SYN_INVALID, "together"},
        {{.scale = 2, .noise = 2}, {0}, 10, 10, SYN_INVALID,
         "noise = 2: photo has no noise levels"},
        {{.scale = 2, .noise = -1, .tile = 7}, {0}, 10, 10, SYN_INVALID, "tile = 7"},
        {{.scale = 2, .noise = -1}, {0}, 0, 10, SYN_INVALID, "image: 0x10"},
        {{.scale = 2, .noise = -1}, {0}, 10, INT32_MAX, SYN_INVALID, "image: 10x2147483647"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        err.text[0] = 0;
        plan.passes = 77;
        const syn_status st = syn_upscale_resolve(&m, &rows[i].p, &rows[i].lim, rows[i].w,
                                                  rows[i].h, &plan, &err);
        T_CHECK(st == rows[i].st, "row %zu: %s: %s", i, syn_status_word(st), err.text);
        T_CHECK(strstr(err.text, rows[i].word), "row %zu: %s", i, err.text);
        T_CHECK(st == SYN_OK || plan.passes == 77, "row %zu: touched on failure", i);
    }
}

/* Counted by hand, in pictures of the job: what is held at its widest moment. */
static void test_A38_picture_memory(void)
{
    const struct syn_manifest photo = model_of("photo", photo4, 1), w = model_of("w", waifu, 5);
    const struct syn_upscale_limits none = {0};
    static const struct {
        bool waifu;
        double scale;
        int alpha, channels, bits;
        uint64_t bytes;
        const char *why;
    } rows[] = {
        /* 100x50: 15,000 bytes in, 240,000 four times as large */
        {false, 4, SYN_ALPHA_RESAMPLE, 3, 8, 15000 + 240000, "what a pass reads and makes"},
        {false, 4, SYN_ALPHA_RESAMPLE, 3, 16, 2 * (15000 + 240000), "two bytes a sample"},
        {false, 2, SYN_ALPHA_RESAMPLE, 3, 8, 240000 + 60000, "native and resampled"},
        {false, 1, SYN_ALPHA_RESAMPLE, 3, 8, 15000 + 240000, "native is made of the input"},
        {false, 4, SYN_ALPHA_RESAMPLE, 4, 8, 2 * 240000 + 320000, "colours, alpha, both joined"},
        {false, 4, SYN_ALPHA_MODEL, 4, 8, 2 * 240000 + 320000, "the same by the network"},
        {false, 4, SYN_ALPHA_DROP, 4, 8, 15000 + 240000, "no alpha"},
        {false, 2, SYN_ALPHA_RESAMPLE, 4, 8, 240000 + 60000 + 15000, "alpha waits"},
        {false, 2, SYN_ALPHA_MODEL, 4, 8, 2 * 240000 + 60000, "both native, one to size"},
        {false, 0.1, SYN_ALPHA_RESAMPLE, 4, 8, 15000 + 240000 + 15000, "colours' pass"},
        {true, 4, SYN_ALPHA_RESAMPLE, 3, 8, 60000 + 240000, "the second pass"},
        {true, 1, SYN_ALPHA_RESAMPLE, 4, 8, 20000 + 2 * 15000 + 20000, "taken apart"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct syn_upscale_params p = {.scale = rows[i].scale, .alpha = rows[i].alpha,
                                             .noise = rows[i].waifu ? 1 : -1};
        const struct syn_image_info in = {.width = 100, .height = 50,
                                          .channels = rows[i].channels, .bits = rows[i].bits};
        struct syn_upscale_limits limits = {.memory_budget_bytes = rows[i].bytes};
        struct syn_upscale_plan plan;
        struct syn_err err = {""};
        char limit[40];
        T_CHECK(syn_upscale_resolve(rows[i].waifu ? &w : &photo, &p, &none, 100, 50, &plan, &err) ==
                SYN_OK, "row %zu: %s", i, err.text);
        const uint64_t bytes = syn_upscale_picture_bytes(&plan, &p, &in);
        T_CHECK(bytes == rows[i].bytes, "row %zu (%s): %llu", i, rows[i].why,
                (unsigned long long)bytes);
        T_CHECK(syn_upscale_check_pictures(&plan, &p, &limits, &in, &err) == SYN_OK, "row %zu: %s",
                i, err.text);
        T_CHECK(syn_upscale_check_pictures(&plan, &p, &none, &in, &err) == SYN_OK, "no limit");
        limits.memory_budget_bytes--;
        snprintf(limit, sizeof limit, "is %llu", (unsigned long long)limits.memory_budget_bytes);
        T_CHECK(syn_upscale_check_pictures(&plan, &p, &limits, &in, &err) == SYN_TOO_LARGE &&
                strstr(err.text, limit) && strstr(err.text, "memory_budget_bytes"), "row %zu: %s",
                i, err.text);
    }
}

int main(void)
{
    test_A38_picture_memory();
    test_E10_matrix();
    test_A19_unknown_and_all_at_once();
    test_unsupported_by_model();
    test_effective_round_trip();
    test_error_list_bounds();
    test_output_spec();
    test_kinds();
    test_A18_sizes();
    test_A38_limits();
    return t_report();
}
