/* matte.h - kind "matte": the subject of a picture without its background.
 *
 * The way of a picture: colours (those under transparency taken from their neighbours) -> the
 * network's size, bilinear -> one run -> alpha, bilinear to the picture's size, times the picture's
 * own -> over the background. What ends up wholly transparent has no colour left: a picture that is
 * handed on must not carry what was cut away.
 *
 * Background. Nothing (alpha out), one colour, or a second picture, cut at its middle to the
 *         picture's shape. Composited in sRGB as stored.
 * Constants. The network's size, mean and scale are the manifest's.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#ifndef SYN_MATTE_H
#define SYN_MATTE_H

#include "server/pipelines/kinds.h"
#include "server/pipelines/pipeline.h"

#define SYN_MATTE_KIND "matte"
#define SYN_MATTE_N_PARAMS 4

extern const struct syn_param_spec syn_matte_param_table[SYN_MATTE_N_PARAMS];

struct syn_matte_params {
    bool fill;             /* with rgb; else transparent, or the second picture */
    bool given;            /* background was said */
    uint8_t rgb[3];
    bool mask_only;        /* alpha as a grey picture */
    bool accept_truncated; /* of the inputs' files: the missing part is grey, and the job warns */
    syn_precision precision;
};
/* As syn_upscale_params_parse. */
SYN_MUST_CHECK syn_status syn_matte_params_parse(const struct syn_param *p, int32_t n,
                                                 const struct syn_manifest *m,
                                                 struct syn_matte_params *out,
                                                 struct syn_field_errors *errs);
/* What only both together can tell: a background twice or for nothing, alpha in a file that has
 * none. format: the output's. SYN_INVALID. */
SYN_MUST_CHECK syn_status syn_matte_check(const struct syn_matte_params *p, bool has_background,
                                          enum syn_image_format format, struct syn_err *err);

/* Bytes of all pictures that the job holds at one time, at most, from what the headers say; without
 * the network's own workspace. background: NULL where there is none. */
uint64_t syn_matte_bytes(const struct syn_manifest *m, const struct syn_image_info *image,
                         const struct syn_image_info *background);

struct syn_matte_report {
    int32_t width, height; /* of the network's picture */
    double coverage;       /* mean of alpha, 0..1 */
};

/* Takes the pictures (background may be NULL) on success; on failure they are whole but for hidden
 * colours. The network stays acquired until close; models, m and cancel must live as long.
 * SYN_UNSUPPORTED: a model of another form; the statuses of syn_models_acquire. */
SYN_MUST_CHECK syn_status syn_matte_open(struct syn_models *models, const struct syn_manifest *m,
                                         const struct syn_matte_params *p, struct syn_image *image,
                                         struct syn_image *background, const atomic_bool *cancel,
                                         struct syn_pipeline **out, struct syn_err *err);
void syn_matte_report(const struct syn_pipeline *p, struct syn_matte_report *out);

#endif
