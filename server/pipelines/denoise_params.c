/* denoise_params.c - see denoise_params.h.
 *
 * Layer:   server/pipelines.   Threads: as the header. */
#include "server/pipelines/denoise_params.h"
#include "server/pipelines/kinds_private.h"

const struct syn_param_spec syn_denoise_param_table[SYN_DENOISE_N_PARAMS] = {
    {"attenuation_db", SYN_PARAM_NUMBER, 0, SYN_DENOISE_MAX_ATTENUATION_DB, NULL, "100",
     "Noise is taken down by at most so many dB; 100: no limit, 0: nothing changes."},
    {"post_filter", SYN_PARAM_NUMBER, 0, 0.05, NULL, "0",
     "Takes down further what is mostly noise: 0 is off, 0.02 usual, 0.05 strong."},
    {"accept_truncated", SYN_PARAM_BOOL, 0, 0, NULL, "false",
     "Takes a file that ends early: the sound ends there, and the job warns."},
};

static const char *const formats[] = {"same", "wav", "flac", NULL};
static const char *const types[] = {"same", "u8", "s16", "s24", "s32", "f32", "f64", NULL};
const struct syn_param_spec syn_sound_output_table[SYN_SOUND_OUTPUT_N_PARAMS] = {
    {"format", SYN_PARAM_STRING, 0, 0, formats, "\"same\"", "Of the file; same: the input's."},
    {"type", SYN_PARAM_STRING, 0, 0, types, "\"same\"",
     "Of a sample; same: the input's (in FLAC at most s24)."},
    {"level", SYN_PARAM_INTEGER, 1, 8, NULL, "5", "Of FLAC's compression: slower is smaller."},
};

syn_status syn_denoise_params_parse(const struct syn_param *p, int32_t n,
                                    struct syn_denoise_params *out, struct syn_field_errors *errs)
{
    const struct syn_param *value[SYN_DENOISE_N_PARAMS];
    struct syn_denoise_params got = syn_denoise_defaults();
    syn_params_check(syn_denoise_param_table, SYN_DENOISE_N_PARAMS, p, n, value, errs);
    if (errs->n) return SYN_INVALID;
    if (value[0]) got.attenuation_db = (float)syn_param_as_double(value[0]);
    if (value[1]) got.post_filter = (float)syn_param_as_double(value[1]);
    if (value[2]) got.accept_truncated = value[2]->boolean;
    *out = got;
    return SYN_OK;
}

syn_status syn_sound_output_parse(const struct syn_param *p, int32_t n,
                                  struct syn_sound_encode_opts *out, struct syn_field_errors *errs)
{
    const struct syn_param_spec *spec = syn_sound_output_table;
    const struct syn_param *value[SYN_SOUND_OUTPUT_N_PARAMS];
    struct syn_sound_encode_opts got = {0};
    syn_params_check(spec, SYN_SOUND_OUTPUT_N_PARAMS, p, n, value, errs);
    if (errs->n) return SYN_INVALID;
    if (value[0]) got.format = syn_sound_format_of(value[0]->string); /* "same": none */
    if (value[1]) got.type = (enum syn_sound_type)syn_param_word(&spec[1], value[1]->string);
    if (value[2]) got.level = syn_param_as_int32(value[2]);
    if (got.format == SYN_SOUND_FLAC && got.type > SYN_SOUND_S24)
        syn_field_errors_add(errs, "type", "unsupported_value",
                             "type = \"%s\": FLAC holds u8, s16 and s24", value[1]->string);
    if (got.format == SYN_SOUND_WAV && value[2])
        syn_field_errors_add(errs, "level", "unsupported_value", "level: WAV has none");
    if (errs->n) return SYN_INVALID;
    *out = got;
    return SYN_OK;
}
