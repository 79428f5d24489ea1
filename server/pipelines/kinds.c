/* kinds.c - the list of kinds, and the validator for any parameter table. See kinds.h.
 *
 * Layer: server/pipelines.   Threads: pure functions over constant tables. */
#include "server/pipelines/kinds.h"
#include "server/pipelines/denoise_params.h"
#include "server/pipelines/kinds_private.h"
#include "server/pipelines/stylize.h"
#include "server/pipelines/matte.h"
#include "server/pipelines/tensor_job.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *syn_param_type_word(enum syn_param_type t)
{
    static const char *const word[] = {"number", "integer", "string", "boolean", "null",
                                       "array or object"};
    return (unsigned)t < sizeof word / sizeof word[0] ? word[t] : "unknown";
}

/* Copies what fits, never half a UTF-8 character: the text goes into JSON again. */
static const char *cut_text(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)src[n] & 0xC0) == 0x80) n--;
    }
    memcpy(dst, src, n);
    dst[n] = 0;
    return dst;
}

void syn_field_errors_add(struct syn_field_errors *errs, const char *field, const char *code,
                          const char *format, ...)
{
    char text[sizeof errs->item[0].detail * 2];
    va_list args;
    if (errs->n >= SYN_MAX_FIELD_ERRORS) {
        errs->n_more++;
        return;
    }
    struct syn_field_error *e = &errs->item[errs->n++];
    cut_text(e->field, sizeof e->field, field);
    e->code = code;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cut_text(e->detail, sizeof e->detail, text);
}

/* ---- one value against one row ---- */

static void check_number(const struct syn_param_spec *s, double v, struct syn_field_errors *errs)
{
    if (!(v >= s->min && v <= s->max))
        syn_field_errors_add(errs, s->name, "invalid_field",
                             "%s = %.15g: must be in [%.15g, %.15g]", s->name, v, s->min, s->max);
}

static void check_integer(const struct syn_param_spec *s, const struct syn_param *p,
                          struct syn_field_errors *errs)
{
    const double v = p->number;
    if (p->type == SYN_PARAM_NUMBER && v != floor(v)) /* also a NaN */
        syn_field_errors_add(errs, s->name, "invalid_field", "%s = %.15g: must be a whole number",
                             s->name, v);
    else if (p->type == SYN_PARAM_NUMBER)
        check_number(s, v, errs);
    else if (p->integer < (int64_t)s->min || p->integer > (int64_t)s->max)
        syn_field_errors_add(errs, s->name, "invalid_field", "%s = %lld: must be in [%lld, %lld]",
                             s->name, (long long)p->integer, (long long)s->min, (long long)s->max);
}

static void check_word(const struct syn_param_spec *s, const char *v, struct syn_field_errors *errs)
{
    char all[160] = "", given[48];
    for (int32_t i = 0; s->words[i]; i++) {
        if (strcmp(s->words[i], v) == 0) return;
        const size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", s->words[i]);
    }
    syn_field_errors_add(errs, s->name, "invalid_field", "%s = \"%s\": must be one of %s", s->name,
                         cut_text(given, sizeof given, v), all);
}

static bool type_fits(enum syn_param_type want, enum syn_param_type is)
{
    const bool number = is == SYN_PARAM_NUMBER || is == SYN_PARAM_INTEGER;
    return want == SYN_PARAM_NUMBER || want == SYN_PARAM_INTEGER ? number : want == is;
}

static void check_value(const struct syn_param_spec *s, const struct syn_param *p,
                        struct syn_field_errors *errs)
{
    if (!type_fits(s->type, p->type))
        syn_field_errors_add(errs, s->name, "invalid_field", "%s is of type %s: must be of type %s",
                             s->name, syn_param_type_word(p->type), syn_param_type_word(s->type));
    else if (s->type == SYN_PARAM_NUMBER)
        check_number(s, syn_param_as_double(p), errs);
    else if (s->type == SYN_PARAM_INTEGER)
        check_integer(s, p, errs);
    else if (s->type == SYN_PARAM_STRING && s->words)
        check_word(s, p->string, errs);
}

double syn_param_as_double(const struct syn_param *p)
{
    return p->type == SYN_PARAM_INTEGER ? (double)p->integer : p->number;
}

int32_t syn_param_as_int32(const struct syn_param *p)
{
    return p->type == SYN_PARAM_INTEGER ? (int32_t)p->integer : (int32_t)p->number;
}

int32_t syn_param_word(const struct syn_param_spec *s, const char *word)
{
    int32_t i = 0;
    while (s->words[i] && strcmp(s->words[i], word) != 0) i++;
    return i;
}

static void unknown_name(const struct syn_param_spec *spec, int32_t n_spec, const char *name,
                         struct syn_field_errors *errs)
{
    char known[120] = "", cut[64];
    for (int32_t i = 0; i < n_spec; i++) {
        const size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", spec[i].name);
    }
    syn_field_errors_add(errs, name, "unknown_field", "%s is unknown: there are %s",
                         cut_text(cut, sizeof cut, name), known);
}

void syn_params_check(const struct syn_param_spec *spec, int32_t n_spec, const struct syn_param *p,
                      int32_t n, const struct syn_param **value, struct syn_field_errors *errs)
{
    for (int32_t k = 0; k < n_spec; k++) value[k] = NULL;
    for (int32_t i = 0; i < n; i++) {
        int32_t k = 0;
        while (k < n_spec && strcmp(spec[k].name, p[i].name) != 0) k++;
        if (k == n_spec) {
            unknown_name(spec, n_spec, p[i].name, errs);
        } else if (value[k]) {
            syn_field_errors_add(errs, spec[k].name, "duplicate_field",
                                 "%s is given more than once", spec[k].name);
        } else {
            value[k] = &p[i];
            check_value(&spec[k], &p[i], errs);
        }
    }
}

/* ---- kinds ---- */

static const char *const picture_types[] = {"image/png", "image/jpeg", "image/webp", NULL};
static const struct syn_kind_input upscale_inputs[] = {
    {"image", true, picture_types,
     "The picture. Orientation and colour profile are applied; alpha, grey and 16 bits are kept."},
};

static const char *const sound_types[] = {"audio/wav", "audio/flac", NULL};
static const struct syn_kind_input denoise_inputs[] = {
    {"audio", true, sound_types,
     "The recording. Rate, channels and sample type are kept; each channel is cleaned by itself."},
};
static const struct syn_kind_input matte_inputs[] = {
    {"image", true, picture_types,
     "The picture. Orientation and colour profile are applied; what is transparent stays so."},
    {"background", false, picture_types,
     "What is put behind the subject; cut at its middle to the picture's shape."},
};
static const struct syn_kind_input stylize_inputs[] = {
    {"image", true, picture_types,
     "The photo. Orientation and colour profile are applied; alpha and 16 bits are kept."},
    {"style", false, picture_types,
     "The picture whose style is taken; needed by models that have none of their own."},
};
static const struct syn_kind kinds[] = {
    {"upscale", "Upscale",
     "Makes a picture larger, or cleaner, with a super-resolution network. A partial, global "
     "change: what the network adds is invented, not recovered.",
     upscale_inputs, 1, syn_upscale_param_table, SYN_UPSCALE_N_PARAMS, syn_output_table,
     SYN_OUTPUT_N_PARAMS, false, false},
    {SYN_STYLIZE_KIND, "Stylize",
     "Paints a picture anew in another style. A global change: strokes and colours are invented.",
     stylize_inputs, 2, syn_stylize_param_table, SYN_STYLIZE_N_PARAMS, syn_output_table,
     SYN_OUTPUT_N_PARAMS, false, false},
    {SYN_MATTE_KIND, "Matte",
     "Takes the subject of a picture from its background. A partial change: the subject's pixels "
     "are kept, how much of each counts is estimated.",
     matte_inputs, 2, syn_matte_param_table, SYN_MATTE_N_PARAMS, syn_output_table,
     SYN_OUTPUT_N_PARAMS, false, false},
    {SYN_DENOISE_KIND, "Denoise speech",
     "Takes the noise out of a recording of speech. A partial, global change: what is left is "
     "filtered, nothing is invented.",
     denoise_inputs, 1, syn_denoise_param_table, SYN_DENOISE_N_PARAMS, syn_sound_output_table,
     SYN_SOUND_OUTPUT_N_PARAMS, false},
    {SYN_TENSOR_KIND, "Tensor",
     "Runs any ONNX model once: named tensors in, named tensors out, each a .npy file "
     "(application/x-npy). The model names its inputs.",
     NULL, 0, syn_tensor_param_table, SYN_TENSOR_N_PARAMS, NULL, 0, true, true},
};

int32_t syn_kinds_count(void)
{
    return (int32_t)(sizeof kinds / sizeof kinds[0]);
}

const struct syn_kind *syn_kinds_at(int32_t i)
{
    return i >= 0 && i < syn_kinds_count() ? &kinds[i] : NULL;
}

const struct syn_kind *syn_kinds_find(const char *kind)
{
    for (int32_t i = 0; i < syn_kinds_count(); i++)
        if (strcmp(kinds[i].kind, kind) == 0) return &kinds[i];
    return NULL;
}

bool syn_kind_takes(const struct syn_kind *k, const struct syn_manifest *m)
{
    return strcmp(m->kind, k->kind) == 0 || (k->any_model && strcmp(m->format, "onnx") == 0);
}
