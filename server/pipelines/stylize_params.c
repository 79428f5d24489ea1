/* stylize_params.c - parameters of kind "stylize": table and parser.
 *
 * Layer:   server/pipelines.   Threads: pure functions over constant tables. */
#include "server/pipelines/kinds_private.h"
#include "server/pipelines/stylize.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { P_STYLE, P_STYLES, P_STRENGTH, P_COLOR, P_PRECISION, P_TRUNCATED };

static const char *const precision_words[] = {"auto", "f32", "bf16", NULL};

const struct syn_param_spec syn_stylize_param_table[SYN_STYLIZE_N_PARAMS] = {
    [P_STYLE] = {"style", SYN_PARAM_INTEGER, 0, SYN_STYLIZE_MAX_STYLES - 1, NULL, "0",
                 "One of the model's own styles, counted from 0."},
    [P_STYLES] = {"styles", SYN_PARAM_STRING, 0, 0, NULL, NULL,
                  "A blend of the model's own styles: {\"3\":0.5,\"19\":0.5}, or a list of all "
                  "weights: [0,0.5,...]. The sum is made 1."},
    [P_STRENGTH] = {"strength", SYN_PARAM_NUMBER, 0, 1, NULL, "1",
                    "Where the style is a picture: 1 its style, 0 the photo's own, between a mix."},
    [P_COLOR] = {"preserve_color", SYN_PARAM_BOOL, 0, 0, NULL, "false",
                 "Keeps the photo's colours: only lightness comes from the result."},
    [P_PRECISION] = {"precision", SYN_PARAM_STRING, 0, 0, precision_words, "\"auto\"",
                     "Of the arithmetic; auto is what is quickest here."},
    [P_TRUNCATED] = {"accept_truncated", SYN_PARAM_BOOL, 0, 0, NULL, "false",
                     "Takes a file that ends early: what is missing is grey, and the job warns."},
};

bool syn_stylize_wants_picture(const struct syn_manifest *m)
{
    return syn_manifest_network(m, "predict") != NULL;
}

static const char *skip(const char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r') s++;
    return s;
}

static const char *bad_styles(struct syn_field_errors *errs, const char *why)
{
    syn_field_errors_add(errs, "styles", "invalid_field",
                         "styles: %s; written {\"3\":0.5,\"19\":0.5} or [0,0.5,...]", why);
    return NULL;
}

/* One number of a list, or "INDEX":NUMBER of an object. What comes behind it; NULL: an error. */
static const char *read_weight(const char *s, bool named, int32_t place, int32_t n_styles,
                               float *weight, bool *seen, struct syn_field_errors *errs)
{
    char *end = NULL;
    double v;
    long index = place;
    if (named) {
        if (*s != '"' || s[1] < '0' || s[1] > '9')
            return bad_styles(errs, "a style's number is missing");
        index = strtol(s + 1, &end, 10);
        if (*end != '"') return bad_styles(errs, "a style is named by its number");
        s = skip(end + 1);
        if (*s != ':') return bad_styles(errs, "a colon is missing");
        s = skip(s + 1);
    }
    if (index >= n_styles) {
        syn_field_errors_add(errs, "styles", "unsupported_value",
                             "styles: style %ld: the model has 0 to %d", index, n_styles - 1);
        return NULL;
    }
    if (seen[index]) return bad_styles(errs, "a style is given twice");
    v = strtod(s, &end);
    if (end == s) return bad_styles(errs, "a weight is missing");
    if (!(v >= 0 && v <= 1e6)) {
        syn_field_errors_add(errs, "styles", "invalid_field",
                             "styles: weight %.9g of style %ld: must be in [0, 1e6]", v, index);
        return NULL;
    }
    seen[index] = true;
    weight[index] = (float)v;
    return skip(end);
}

static bool read_styles(const char *s, int32_t n_styles, float *weight,
                        struct syn_field_errors *errs)
{
    bool seen[SYN_STYLIZE_MAX_STYLES] = {false};
    int32_t n = 0;
    double sum = 0;
    s = skip(s);
    const bool named = *s == '{';
    if (!named && *s != '[') return bad_styles(errs, "not a list or an object"), false;
    const char close = named ? '}' : ']';
    do {
        s = read_weight(skip(s + 1), named, n++, n_styles, weight, seen, errs);
        if (!s) return false;
    } while (*s == ',');
    if (*s != close || *skip(s + 1)) return bad_styles(errs, "it does not end as it begins"), false;
    if (!named && n != n_styles) {
        syn_field_errors_add(errs, "styles", "invalid_field",
                             "styles: %d weights: the model has %d styles", n, n_styles);
        return false;
    }
    for (int32_t i = 0; i < n_styles; i++) sum += weight[i];
    if (!(sum > 1e-9)) {
        syn_field_errors_add(errs, "styles", "invalid_field",
                             "styles: weights sum to %.9g: must be over 0", sum);
        return false;
    }
    for (int32_t i = 0; i < n_styles; i++) weight[i] = (float)(weight[i] / sum);
    return true;
}

static void refuse(const struct syn_param *value, const char *why, struct syn_field_errors *errs)
{
    if (value)
        syn_field_errors_add(errs, value->name, "unsupported_value", "%s: %s", value->name, why);
}

static void read_blend(const struct syn_param *const *value, struct syn_stylize_params *got,
                       struct syn_field_errors *errs)
{
    const int32_t style = value[P_STYLE] ? syn_param_as_int32(value[P_STYLE]) : 0;
    refuse(value[P_STRENGTH], "only where the style is a picture", errs);
    if (value[P_STYLE] && value[P_STYLES])
        syn_field_errors_add(errs, "styles", "conflicting_field", "styles: not beside style");
    else if (value[P_STYLES])
        (void)read_styles(value[P_STYLES]->string, got->n_styles, got->weight, errs);
    else if (style >= got->n_styles)
        syn_field_errors_add(errs, "style", "unsupported_value",
                             "style = %d: the model has 0 to %d", style, got->n_styles - 1);
    else
        got->weight[style] = 1;
}

syn_status syn_stylize_params_parse(const struct syn_param *p, int32_t n,
                                    const struct syn_manifest *m, struct syn_stylize_params *out,
                                    struct syn_field_errors *errs)
{
    const struct syn_param *value[SYN_STYLIZE_N_PARAMS];
    const int32_t before = errs->n + errs->n_more;
    struct syn_stylize_params got = {.strength = 1};
    syn_params_check(syn_stylize_param_table, SYN_STYLIZE_N_PARAMS, p, n, value, errs);
    if (errs->n + errs->n_more > before) return SYN_INVALID;
    if (syn_stylize_wants_picture(m)) {
        refuse(value[P_STYLE], "the model has no styles of its own, it takes input style", errs);
        refuse(value[P_STYLES], "the model has no styles of its own, it takes input style", errs);
    } else {
        got.n_styles = (int32_t)syn_manifest_setting(m, "styles", 1);
        read_blend(value, &got, errs);
    }
    if (value[P_STRENGTH]) got.strength = (float)syn_param_as_double(value[P_STRENGTH]);
    if (value[P_COLOR]) got.preserve_color = value[P_COLOR]->boolean;
    if (value[P_TRUNCATED]) got.accept_truncated = value[P_TRUNCATED]->boolean;
    if (value[P_PRECISION])
        got.precision = (syn_precision)syn_param_word(&syn_stylize_param_table[P_PRECISION],
                                                      value[P_PRECISION]->string);
    if (m->pin_f32 && got.precision == SYN_PRECISION_BF16)
        syn_field_errors_add(errs, "precision", "unsupported_value",
                             "precision = \"bf16\": %s runs in f32 only", m->id);
    if (errs->n + errs->n_more > before) return SYN_INVALID;
    *out = got;
    return SYN_OK;
}
