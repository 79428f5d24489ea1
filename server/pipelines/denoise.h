/* denoise.h - kind "denoise-speech": speech out of noise, by a network of DeepFilterNet3's form.
 *
 * The way of a sound: each channel for itself -> the model's rate (resample.h) -> chunks of one
 * second: features (denoise_dsp.h) -> encoder -> gains -> filters -> samples -> the sound's own
 * rate. The networks' delay is taken off: output sample i belongs to input sample i, and there are
 * as many.
 *
 * Chunks.  The networks are causal; what they remember (the recurrences' states, the convolutions'
 *          past frames) is cut out of their graphs by the manifest and carried from chunk to
 *          chunk. So a chunk's length changes no result, memory does not grow with the sound, and
 *          every chunk has one and the same shape (the last is filled with silence). One chunk is
 *          three units.
 * Precision. f32: states add up over the whole sound.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#ifndef SYN_DENOISE_H
#define SYN_DENOISE_H

#include "server/pipelines/pipeline.h"

#define SYN_DENOISE_KIND "denoise-speech"
#define SYN_DENOISE_MAX_ATTENUATION_DB 100.0 /* and beyond: no limit */

struct syn_denoise_params {
    float attenuation_db; /* noise is taken down by at most so much: 0 (nothing changes) to 100 */
    float post_filter;    /* 0 = none, to 0.05: what is mostly noise is taken down further */
    bool accept_truncated; /* of the input's file: the sound ends where it does, and the job warns */
};
static inline struct syn_denoise_params syn_denoise_defaults(void)
{
    const struct syn_denoise_params p = {(float)SYN_DENOISE_MAX_ATTENUATION_DB, 0,
                                         false};
    return p;
}

struct syn_denoise_report {
    int32_t rate;   /* that the model works at */
    int64_t chunks; /* run, over all channels */
};

/* A sound's rate against the model's: SYN_INVALID when it cannot be converted. */
SYN_MUST_CHECK syn_status syn_denoise_check(const struct syn_manifest *m, int32_t rate,
                                            struct syn_err *err);

/* Takes the sound (on success *sound is emptied, on failure it is whole). The three networks stay
 * acquired until close; models, m and cancel must live as long. chunk_steps: frames a chunk; 0 =
 * 100. SYN_INVALID: a parameter, or a rate that cannot be converted; SYN_UNSUPPORTED: a model of
 * another form; the statuses of syn_models_acquire. */
SYN_MUST_CHECK syn_status syn_denoise_open(struct syn_models *models, const struct syn_manifest *m,
                                           const struct syn_denoise_params *p, int32_t chunk_steps,
                                           struct syn_sound *sound, const atomic_bool *cancel,
                                           struct syn_pipeline **out, struct syn_err *err);
void syn_denoise_report(const struct syn_pipeline *p, struct syn_denoise_report *out);

#endif
