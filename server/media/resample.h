/* resample.h - one channel of samples from one rate to another, streamed.
 *
 * Linear phase, its delay taken off: output sample k belongs to the moment k / rate_out, input
 * sample 0 and output sample 0 to the same. Passband to 91 % of the lower rate's Nyquist frequency,
 * images and aliases 170 dB down. How the input is cut into pieces changes no bit of the output.
 * Equal rates pass through bit for bit.
 *
 * Layer:   server/media.
 * Threads: a resampler belongs to one thread at a time; different ones are independent. */
#ifndef SYN_RESAMPLE_H
#define SYN_RESAMPLE_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syn_resampler;

/* SYN_INVALID: a rate outside [1, 2^20], or a ratio of 256 or more either way. */
SYN_MUST_CHECK syn_status syn_resampler_check(int32_t rate_in, int32_t rate_out,
                                              struct syn_err *err);
/* As check; SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_resampler_new(int32_t rate_in, int32_t rate_out,
                                            struct syn_resampler **out, struct syn_err *err);
void syn_resampler_free(struct syn_resampler *r); /* NULL-safe */

/* Takes *used of n samples and makes *made, at most room; call again with what is left. The filter
 * holds some samples back until the end: then in = NULL (and n = 0) brings them, until *made = 0.
 * In all n * rate_out / rate_in come, rounded. */
SYN_MUST_CHECK syn_status syn_resampler_push(struct syn_resampler *r, const float *in, size_t n,
                                             size_t *used, float *out, size_t room, size_t *made,
                                             struct syn_err *err);

/* n * rate_out / rate_in, rounded up: so many samples cover the time of n; -1 when that is over
 * 2^62. */
int64_t syn_resampled_length(int64_t n, int32_t rate_in, int32_t rate_out);

#endif
