/* matte_params.c - parameters of kind "matte" as a table, and their parser. See matte.h.
 *
 * Layer:   server/pipelines.   Threads: pure functions over constant tables. */
#include "server/pipelines/kinds_private.h"
#include "server/pipelines/matte.h"
#include <string.h>

enum { P_BACKGROUND, P_MASK_ONLY, P_PRECISION, P_ACCEPT_TRUNCATED };

static const char *const precision_words[] = {"auto", "f32", "bf16", NULL};

const struct syn_param_spec syn_matte_param_table[SYN_MATTE_N_PARAMS] = {
    [P_BACKGROUND] = {"background", SYN_PARAM_STRING, 0, 0, NULL, "\"transparent\"",
                      "What is behind the subject: transparent, or a colour as #rrggbb. A "
                      "picture is given as input background instead."},
    [P_MASK_ONLY] = {"mask_only", SYN_PARAM_BOOL, 0, 0, NULL, "false",
                     "The result is alpha as a grey picture: white is the subject."},
    [P_PRECISION] = {"precision", SYN_PARAM_STRING, 0, 0, precision_words, "\"f32\"",
                     "Arithmetic of the network; auto is what this device measured as quickest."},
    [P_ACCEPT_TRUNCATED] = {"accept_truncated", SYN_PARAM_BOOL, 0, 0, NULL, "false",
                            "Take a picture whose file ends early; the missing part is grey and "
                            "the job warns."},
};

static int32_t hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_color(const char *text, uint8_t rgb[3])
{
    if (text[0] != '#' || strlen(text) != 7) return false;
    for (int32_t i = 0; i < 3; i++) {
        const int32_t high = hex_digit(text[1 + 2 * i]), low = hex_digit(text[2 + 2 * i]);
        if (high < 0 || low < 0) return false;
        rgb[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

static void read_background(const char *text, struct syn_matte_params *p,
                            struct syn_field_errors *errs)
{
    p->given = true;
    if (strcmp(text, "transparent") == 0) return;
    p->fill = read_color(text, p->rgb);
    if (!p->fill)
        syn_field_errors_add(errs, "background", "invalid_field",
                             "background = \"%.40s\": must be transparent or #rrggbb", text);
}

syn_status syn_matte_params_parse(const struct syn_param *p, int32_t n,
                                  const struct syn_manifest *m, struct syn_matte_params *out,
                                  struct syn_field_errors *errs)
{
    const struct syn_param *v[SYN_MATTE_N_PARAMS];
    const int32_t before = errs->n + errs->n_more;
    struct syn_matte_params r = {.precision = SYN_PRECISION_F32};
    syn_params_check(syn_matte_param_table, SYN_MATTE_N_PARAMS, p, n, v, errs);
    if (errs->n + errs->n_more > before) return SYN_INVALID;
    if (v[P_BACKGROUND]) read_background(v[P_BACKGROUND]->string, &r, errs);
    if (v[P_MASK_ONLY]) r.mask_only = v[P_MASK_ONLY]->boolean;
    if (v[P_PRECISION])
        r.precision = (syn_precision)syn_param_word(&syn_matte_param_table[P_PRECISION],
                                                    v[P_PRECISION]->string);
    if (v[P_ACCEPT_TRUNCATED]) r.accept_truncated = v[P_ACCEPT_TRUNCATED]->boolean;
    if (r.mask_only && r.given)
        syn_field_errors_add(errs, "background", "conflicting_field",
                             "background: mask_only has none");
    if (m->pin_f32 && r.precision == SYN_PRECISION_BF16)
        syn_field_errors_add(errs, "precision", "unsupported_value",
                             "precision = \"bf16\": %s runs in f32 only", m->id);
    if (errs->n + errs->n_more > before) return SYN_INVALID;
    *out = r;
    return SYN_OK;
}

syn_status syn_matte_check(const struct syn_matte_params *p, bool has_background,
                           enum syn_image_format format, struct syn_err *err)
{
    if (has_background && p->mask_only)
        return syn_fail(err, SYN_INVALID, "inputs.background: mask_only has none");
    if (has_background && p->given)
        return syn_fail(err, SYN_INVALID,
                        "params.background: not together with a picture as inputs.background");
    if (format == SYN_IMAGE_JPEG && !has_background && !p->fill && !p->mask_only)
        return syn_fail(err, SYN_INVALID,
                        "output.format = \"jpeg\": holds no alpha; params.background must be a "
                        "colour, or the format png or webp");
    return SYN_OK;
}
