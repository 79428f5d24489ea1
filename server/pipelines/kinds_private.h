/* kinds_private.h - what the parsers of single kinds share with the list of kinds.
 *
 * Layer: server/pipelines.   Threads: pure functions over constant tables. */
#ifndef SYN_KINDS_PRIVATE_H
#define SYN_KINDS_PRIVATE_H

#include "server/pipelines/kinds.h"

extern const struct syn_param_spec syn_upscale_param_table[SYN_UPSCALE_N_PARAMS];

/* The largest native scale among a model's networks of this noise level; 1 when there is none. */
int32_t syn_upscale_largest_scale(const struct syn_manifest *m, int32_t noise);

/* Values that syn_params_check has passed. */
int32_t syn_param_as_int32(const struct syn_param *p);
/* its index in s->words */
int32_t syn_param_word(const struct syn_param_spec *s, const char *word);

#endif
