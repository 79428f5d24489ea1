/* denoise_params.h - parameters and output of kind "denoise-speech" as tables, and their parsers.
 *
 * Layer:   server/pipelines.   Threads: pure functions over constant tables. */
#ifndef SYN_DENOISE_PARAMS_H
#define SYN_DENOISE_PARAMS_H

#include "server/pipelines/denoise.h"
#include "server/pipelines/kinds.h"

#define SYN_DENOISE_N_PARAMS 3
#define SYN_SOUND_OUTPUT_N_PARAMS 3

extern const struct syn_param_spec syn_denoise_param_table[SYN_DENOISE_N_PARAMS];
extern const struct syn_param_spec syn_sound_output_table[SYN_SOUND_OUTPUT_N_PARAMS];

/* As syn_upscale_params_parse. */
SYN_MUST_CHECK syn_status syn_denoise_params_parse(const struct syn_param *p, int32_t n,
                                                   struct syn_denoise_params *out,
                                                   struct syn_field_errors *errs);

/* A job's "output" member where the result is a sound; format UNKNOWN = "same": the input's. */
SYN_MUST_CHECK syn_status syn_sound_output_parse(const struct syn_param *p, int32_t n,
                                                 struct syn_sound_encode_opts *out,
                                                 struct syn_field_errors *errs);

#endif
