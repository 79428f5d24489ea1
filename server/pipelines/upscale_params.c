/* upscale_params.c - kind "upscale": its parameter table, from a list to the struct and back.
 *
 * A new parameter: a row here, an index in the enum, a line in parse and one in effective, and
 * SYN_UPSCALE_N_PARAMS.
 *
 * Layer: server/pipelines.   Threads: pure functions over constant tables. */
#include "server/pipelines/kinds_private.h"
#include <stdio.h>
#include <string.h>

enum {
    P_SCALE, P_WIDTH, P_HEIGHT, P_NOISE, P_TILE, P_PRECISION, P_FILTER, P_ALPHA, P_ACCEPT_TRUNCATED
};

/* In the order of their enums. */
static const char *const precision_words[] = {"auto", "f32", "bf16", NULL};
static const char *const filter_words[] = {"bicubic", "lanczos3", "bilinear", "nearest", NULL};
static const char *const alpha_words[] = {"resample", "model", "drop", NULL};

const struct syn_param_spec syn_upscale_param_table[SYN_UPSCALE_N_PARAMS] = {
    [P_SCALE] = {"scale", SYN_PARAM_NUMBER, SYN_UPSCALE_MIN_SCALE, SYN_UPSCALE_MAX_SCALE, NULL,
                 NULL,
                 "Output size over input size. Default: the model's largest native scale, unless "
                 "width or height is given."},
    [P_WIDTH] = {"width", SYN_PARAM_INTEGER, 1, SYN_UPSCALE_MAX_SIDE, NULL, NULL,
                 "Output width in pixels, at most 16 times the input's. Alone it keeps the aspect "
                 "ratio."},
    [P_HEIGHT] = {"height", SYN_PARAM_INTEGER, 1, SYN_UPSCALE_MAX_SIDE, NULL, NULL,
                  "Output height in pixels, at most 16 times the input's. Alone it keeps the "
                  "aspect ratio."},
    [P_NOISE] = {"noise", SYN_PARAM_INTEGER, SYN_NOISE_NONE, 3, NULL, NULL,
                 "Denoising level; -1 does not denoise. The model must have it; the default is the "
                 "model's."},
    [P_TILE] = {"tile", SYN_PARAM_INTEGER, 0, SYN_UPSCALE_MAX_TILE, NULL, "0",
                "Largest tile side in input pixels, 0 or at least 8; 0 plans tiles from the memory "
                "budget."},
    [P_PRECISION] = {"precision", SYN_PARAM_STRING, 0, 0, precision_words, "\"auto\"",
                     "Arithmetic of the network; auto is what this device measured as quickest."},
    [P_FILTER] = {"filter", SYN_PARAM_STRING, 0, 0, filter_words, "\"lanczos3\"",
                  "Resampling between the native scale and the wanted size, and of alpha."},
    [P_ALPHA] = {"alpha", SYN_PARAM_STRING, 0, 0, alpha_words, "\"resample\"",
                 "Transparency: resampled by the filter, sent through the network as grey, or "
                 "dropped."},
    [P_ACCEPT_TRUNCATED] = {"accept_truncated", SYN_PARAM_BOOL, 0, 0, NULL, "false",
                            "Take a picture whose file ends early; the missing part is grey and "
                            "the job has a warning. Otherwise it fails: image_truncated."},
};

static bool has_noise(const struct syn_manifest *m, int32_t noise)
{
    for (int32_t i = 0; i < m->n_variants; i++)
        if (m->variant[i].noise == noise) return true;
    return false;
}

static void noise_error(const struct syn_manifest *m, int32_t noise, struct syn_field_errors *errs)
{
    char levels[64] = "";
    for (int32_t l = SYN_NOISE_NONE; l <= 3; l++) {
        const size_t n = strlen(levels);
        if (has_noise(m, l)) snprintf(levels + n, sizeof levels - n, "%s%d", n ? ", " : "", l);
    }
    if (strcmp(levels, "-1") == 0)
        syn_field_errors_add(errs, "noise", "unsupported_value",
                             "noise = %d: %s has no noise levels", noise, m->id);
    else
        syn_field_errors_add(errs, "noise", "unsupported_value", "noise = %d: %s has %s", noise,
                             m->id, levels);
}

/* What one value alone cannot tell. */
static void check_together(const struct syn_param *const *v, const struct syn_manifest *m,
                           int32_t before, struct syn_field_errors *errs)
{
    if (v[P_SCALE] && (v[P_WIDTH] || v[P_HEIGHT]))
        syn_field_errors_add(errs, "scale", "conflicting_field",
                             "scale is given together with width or height: give one or the other");
    if (errs->n + errs->n_more > before) return; /* the rest looks at values */
    if (v[P_NOISE] && !has_noise(m, syn_param_as_int32(v[P_NOISE])))
        noise_error(m, syn_param_as_int32(v[P_NOISE]), errs);
    if (v[P_TILE]) {
        const int32_t tile = syn_param_as_int32(v[P_TILE]);
        if (tile != 0 && tile < SYN_UPSCALE_MIN_TILE)
            syn_field_errors_add(errs, "tile", "invalid_field",
                                 "tile = %d: must be 0 or in [%d, %d]", tile, SYN_UPSCALE_MIN_TILE,
                                 SYN_UPSCALE_MAX_TILE);
    }
    if (v[P_PRECISION] && m->pin_f32 && strcmp(v[P_PRECISION]->string, "bf16") == 0)
        syn_field_errors_add(errs, "precision", "unsupported_value",
                             "precision = \"bf16\": %s runs in f32 only", m->id);
}

syn_status syn_upscale_params_parse(const struct syn_param *p, int32_t n,
                                    const struct syn_manifest *m, struct syn_upscale_params *out,
                                    struct syn_field_errors *errs)
{
    const struct syn_param *v[SYN_UPSCALE_N_PARAMS];
    const struct syn_param_spec *t = syn_upscale_param_table;
    const int32_t before = errs->n + errs->n_more;
    syn_params_check(t, SYN_UPSCALE_N_PARAMS, p, n, v, errs);
    check_together(v, m, before, errs);
    if (errs->n + errs->n_more > before) return SYN_INVALID;

    struct syn_upscale_params r = {.noise = m->default_noise, .precision = SYN_PRECISION_AUTO,
                                   .filter = SYN_FILTER_LANCZOS3, .alpha = SYN_ALPHA_RESAMPLE};
    if (v[P_NOISE]) r.noise = syn_param_as_int32(v[P_NOISE]);
    if (v[P_WIDTH]) r.width = syn_param_as_int32(v[P_WIDTH]);
    if (v[P_HEIGHT]) r.height = syn_param_as_int32(v[P_HEIGHT]);
    if (v[P_SCALE]) r.scale = syn_param_as_double(v[P_SCALE]);
    else if (!r.width && !r.height) r.scale = syn_upscale_largest_scale(m, r.noise);
    if (v[P_TILE]) r.tile = syn_param_as_int32(v[P_TILE]);
    if (v[P_PRECISION]) r.precision = (syn_precision)syn_param_word(&t[P_PRECISION],
        v[P_PRECISION]->string);
    if (v[P_FILTER]) r.filter = (enum syn_image_filter)syn_param_word(&t[P_FILTER],
        v[P_FILTER]->string);
    if (v[P_ALPHA]) r.alpha = syn_param_word(&t[P_ALPHA], v[P_ALPHA]->string);
    if (v[P_ACCEPT_TRUNCATED]) r.accept_truncated = v[P_ACCEPT_TRUNCATED]->boolean;
    *out = r;
    return SYN_OK;
}

int32_t syn_upscale_params_effective(const struct syn_upscale_params *p,
                                     struct syn_param out[SYN_UPSCALE_N_PARAMS])
{
    int32_t n = 0;
    if (p->scale != 0) out[n++] = (struct syn_param){.name = "scale", .type = SYN_PARAM_NUMBER,
                                                     .number = p->scale};
    if (p->width) out[n++] = (struct syn_param){.name = "width", .type = SYN_PARAM_INTEGER,
                                                .integer = p->width};
    if (p->height) out[n++] = (struct syn_param){.name = "height", .type = SYN_PARAM_INTEGER,
                                                 .integer = p->height};
    out[n++] = (struct syn_param){.name = "noise", .type = SYN_PARAM_INTEGER, .integer = p->noise};
    out[n++] = (struct syn_param){.name = "tile", .type = SYN_PARAM_INTEGER, .integer = p->tile};
    out[n++] = (struct syn_param){.name = "precision", .type = SYN_PARAM_STRING,
                                  .string = precision_words[p->precision]};
    out[n++] = (struct syn_param){.name = "filter", .type = SYN_PARAM_STRING,
                                  .string = filter_words[p->filter]};
    out[n++] = (struct syn_param){.name = "alpha", .type = SYN_PARAM_STRING,
                                  .string = alpha_words[p->alpha]};
    out[n++] = (struct syn_param){.name = "accept_truncated", .type = SYN_PARAM_BOOL,
                                  .boolean = p->accept_truncated};
    return n;
}
