/* output_spec.c - a job's "output" member: its table, from a list to the struct and back, and what
 * the encoder is told.
 *
 * Layer: server/pipelines.   Threads: pure functions over constant tables. */
#include "server/pipelines/kinds_private.h"

enum { P_FORMAT, P_QUALITY, P_LOSSLESS, P_GRAY, P_LEVEL };

static const char *const format_words[] = {"png", "jpeg", "webp", "same", NULL};
static const enum syn_image_format format_of_word[] = {SYN_IMAGE_PNG, SYN_IMAGE_JPEG,
                                                       SYN_IMAGE_WEBP,
                                                       SYN_IMAGE_UNKNOWN};

const struct syn_param_spec syn_output_table[SYN_OUTPUT_N_PARAMS] = {
    [P_FORMAT] = {"format", SYN_PARAM_STRING, 0, 0, format_words, "\"png\"",
                  "File format; same is the input's."},
    [P_QUALITY] = {"quality", SYN_PARAM_INTEGER, 1, 100, NULL, NULL,
                   "JPEG and WebP; by default 92 for JPEG, 90 for WebP."},
    [P_LOSSLESS] = {"lossless", SYN_PARAM_BOOL, 0, 0, NULL, "false", "WebP without loss."},
    [P_GRAY] = {"gray", SYN_PARAM_BOOL, 0, 0, NULL, "false",
                "PNG and JPEG: a grey picture is written with one channel."},
    [P_LEVEL] = {"level", SYN_PARAM_INTEGER, 1, 9, NULL, NULL,
                 "PNG: compression effort; by default 3."},
};

static const char *word_of(enum syn_image_format f)
{
    for (int32_t i = 0; i < 3; i++)
        if (format_of_word[i] == f) return format_words[i];
    return "same";
}

/* With "same" the format is not known yet: every member may turn out to matter. */
static void check_format_members(const struct syn_param *const *v, enum syn_image_format f,
                                 struct syn_field_errors *errs)
{
    const bool png = f == SYN_IMAGE_PNG, webp = f == SYN_IMAGE_WEBP, jpeg = f == SYN_IMAGE_JPEG;
    if (v[P_QUALITY] && png)
        syn_field_errors_add(errs, "quality", "unsupported_value", "quality: format png has none");
    if (v[P_LOSSLESS] && v[P_LOSSLESS]->boolean && jpeg)
        syn_field_errors_add(errs, "lossless", "unsupported_value",
                             "lossless = true: format jpeg cannot");
    if (v[P_GRAY] && v[P_GRAY]->boolean && webp)
        syn_field_errors_add(errs, "gray", "unsupported_value",
                             "gray = true: format webp has no grey");
    if (v[P_LEVEL] && (webp || jpeg))
        syn_field_errors_add(errs, "level", "unsupported_value", "level: format %s has none",
                             word_of(f));
}

syn_status syn_output_spec_parse(const struct syn_param *p, int32_t n, struct syn_output_spec *out,
                                 struct syn_field_errors *errs)
{
    const struct syn_param *v[SYN_OUTPUT_N_PARAMS];
    const int32_t before = errs->n + errs->n_more;
    struct syn_output_spec r = {.format = SYN_IMAGE_PNG};
    syn_params_check(syn_output_table, SYN_OUTPUT_N_PARAMS, p, n, v, errs);
    if (errs->n + errs->n_more > before) return SYN_INVALID;

    if (v[P_FORMAT])
        r.format =
            format_of_word[syn_param_word(&syn_output_table[P_FORMAT], v[P_FORMAT]->string)];
    check_format_members(v, r.format, errs);
    if (errs->n + errs->n_more > before) return SYN_INVALID;
    if (v[P_QUALITY]) r.quality = syn_param_as_int32(v[P_QUALITY]);
    if (v[P_LOSSLESS]) r.lossless = v[P_LOSSLESS]->boolean;
    if (v[P_GRAY]) r.gray = v[P_GRAY]->boolean;
    if (v[P_LEVEL]) r.level = syn_param_as_int32(v[P_LEVEL]);
    *out = r;
    return SYN_OK;
}

int32_t syn_output_spec_effective(const struct syn_output_spec *s,
                                  struct syn_param out[SYN_OUTPUT_N_PARAMS])
{
    int32_t n = 0;
    out[n++] = (struct syn_param){.name = "format", .type = SYN_PARAM_STRING,
                                  .string = word_of(s->format)};
    if (s->quality)
        out[n++] = (struct syn_param){.name = "quality", .type = SYN_PARAM_INTEGER,
                                      .integer = s->quality};
    out[n++] = (struct syn_param){.name = "lossless", .type = SYN_PARAM_BOOL,
                                  .boolean = s->lossless};
    out[n++] = (struct syn_param){.name = "gray", .type = SYN_PARAM_BOOL, .boolean = s->gray};
    if (s->level)
        out[n++] = (struct syn_param){.name = "level", .type = SYN_PARAM_INTEGER,
                                      .integer = s->level};
    return n;
}

syn_status syn_output_spec_resolve(const struct syn_output_spec *s, enum syn_image_format input,
                                   int32_t width, int32_t height, struct syn_image_encode_opts *out,
                                   struct syn_err *err)
{
    struct syn_image_encode_opts o = {.format = s->format, .quality = s->quality,
                                      .lossless = s->lossless,
                                      .level = s->level, .gray = s->gray};
    if (o.format == SYN_IMAGE_UNKNOWN)
        o.format = input == SYN_IMAGE_UNKNOWN ? SYN_IMAGE_PNG : input;
    const int32_t side = o.format == SYN_IMAGE_JPEG   ? 65500
                         : o.format == SYN_IMAGE_WEBP ? 16383
                                                      : INT32_MAX;
    if (width > side || height > side)
        return syn_fail(err, SYN_TOO_LARGE,
                        "output.format = \"%s\": %dx%d: each side must be at most %d",
                        word_of(o.format), width, height, side);
    *out = o;
    return SYN_OK;
}
