/* stylize.h - kind "stylize": a picture painted anew in another style.
 *
 * Two forms of model (manifest_kinds.c):
 *   blend.   One network with styles of its own and a weight for each: any blend, any size. Its
 *            norms average over the whole picture, so that it runs whole, never in tiles; the
 *            picture is mirrored at the right and the bottom up to the network's multiple.
 *   picture. The style comes from a second picture: centre-cropped to a square, made as large as
 *            the network wants -> a style vector -> the transform. The transform takes pictures of
 *            one size only: a larger photo is made smaller until its longer side fits, mirrored to
 *            a square, painted, cut, enlarged again, and the photo's own fine detail (what got lost
 *            on that way: luma of the photo less luma of its small copy enlarged) is put back. No
 *            tiles, hence no seams; brush strokes grow with the picture.
 *
 * Alpha is kept as it is, hidden colours are bled first; 16 bits stay 16. One unit is one run of a
 * network.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#ifndef SYN_STYLIZE_H
#define SYN_STYLIZE_H

#include "server/pipelines/kinds.h"
#include "server/pipelines/pipeline.h"

#define SYN_STYLIZE_KIND "stylize"
#define SYN_STYLIZE_MAX_STYLES 1024
#define SYN_STYLIZE_N_PARAMS 6

extern const struct syn_param_spec syn_stylize_param_table[SYN_STYLIZE_N_PARAMS];

struct syn_stylize_params {
    float weight[SYN_STYLIZE_MAX_STYLES]; /* blend: of each style; their sum is 1 */
    int32_t n_styles;                     /* 0: the style is a picture */
    float strength;      /* picture: 1 the other picture's style, 0 the photo's own */
    bool preserve_color; /* chroma of the photo, luma of the result */
    syn_precision precision;
    bool accept_truncated; /* of the inputs' files: what is missing is grey */
};
/* As syn_upscale_params_parse; weights are normalised. A parameter of the other form is
 * unsupported_value. */
SYN_MUST_CHECK syn_status syn_stylize_params_parse(const struct syn_param *p, int32_t n,
                                                   const struct syn_manifest *m,
                                                   struct syn_stylize_params *out,
                                                   struct syn_field_errors *errs);
/* The model takes its style from a picture. */
bool syn_stylize_wants_picture(const struct syn_manifest *m);

/* A style picture is there where the model takes one, and there alone. SYN_INVALID. */
SYN_MUST_CHECK syn_status syn_stylize_check_style(const struct syn_manifest *m, bool has_style,
                                                  struct syn_err *err);
/* Bytes of the job's pictures and of the network's workspace together, for a photo of this size. */
uint64_t syn_stylize_bytes(const struct syn_manifest *m, int32_t width, int32_t height);
/* Those against the budget (0 = no limit): SYN_TOO_LARGE names needed bytes, limit and a way out. */
SYN_MUST_CHECK syn_status syn_stylize_check_memory(const struct syn_manifest *m, int32_t width,
                                                   int32_t height, uint64_t memory_budget_bytes,
                                                   struct syn_err *err);

/* Takes both pictures (on success they are emptied; on failure they are whole, but for hidden
 * colours under alpha 0). style: NULL where the model has its own. Fails as check_style and
 * check_memory. The networks stay
 * acquired until close; models, m and cancel must live as long. */
SYN_MUST_CHECK syn_status syn_stylize_open(struct syn_models *models, const struct syn_manifest *m,
                                           const struct syn_stylize_params *p,
                                           uint64_t memory_budget_bytes, struct syn_image *image,
                                           struct syn_image *style, const atomic_bool *cancel,
                                           struct syn_pipeline **out, struct syn_err *err);
/* Runs that had to be done again in f32. */
int32_t syn_stylize_retries(const struct syn_pipeline *p);

#endif
