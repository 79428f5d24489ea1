/* upscale.h - kind "upscale": a picture made larger (or cleaner) by a super-resolution network.
 *
 * The way of a picture: alpha split off (its colours bled under transparency) -> tiles with a halo
 * -> network at its native scale -> tiles put together -> resampled to the wanted size when that is
 * not a native multiple -> alpha enlarged by its own filter and put back. Grey stays grey, 16 bits
 * stay 16.
 *
 * Tiles. A tile's input is its core plus a halo of the network's footprint (or the manifest's
 * measured halo), cut at the picture's border, where the network's own padding or the manifest's
 * edge rule takes over; so tiled equals untiled. Sizes come from the memory plan: the largest tile,
 * in multiples of the alignment, whose plan fits the budget; one tile when the picture fits.
 * Networks with global averages run in stages: every tile of stage k, then the mean over the whole
 * picture, then stage k+1.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#ifndef SYN_UPSCALE_H
#define SYN_UPSCALE_H

#include "server/pipelines/pipeline.h"

/* Parameters after validation; the JSON of a job's params has the same names. */
struct syn_upscale_params {
    double scale;           /* > 0: out = round(in * scale), each side >= 1; 0 = not given */
    /* wanted output size; 0 = not given. One alone keeps the aspect ratio */
    int32_t width, height;
    int32_t noise;          /* SYN_NOISE_NONE or 0..3; must exist in the model */
    /* Largest side of a tile without its halo, in input pixels; 0 = from the memory plan. The plan
     * still makes tiles smaller when the budget asks for it. */
    int32_t tile;
    syn_precision precision;
    enum syn_image_filter filter; /* for the step beside the native scale: LANCZOS3 by default */
    /* MODEL: as grey through the network */
    enum { SYN_ALPHA_RESAMPLE, SYN_ALPHA_MODEL, SYN_ALPHA_DROP } alpha;
    bool accept_truncated;  /* of the input's file: what is missing is grey, and the job warns */
};
#define SYN_UPSCALE_MIN_SCALE 0.0625
#define SYN_UPSCALE_MAX_SCALE 16.0 /* of width and height too, against the input's */
#define SYN_UPSCALE_MIN_TILE 8
#define SYN_UPSCALE_MAX_TILE 8192
#define SYN_UPSCALE_MAX_SIDE (1 << 20) /* of any picture */
#define SYN_UPSCALE_MAX_PASSES 4

struct syn_upscale_limits {
    /* workspace of one unit, 0 = 1 GiB; and, each for itself, the job's pictures (0 = no limit) */
    uint64_t memory_budget_bytes;
    /* of the result and of each picture on the way to it; 0 = no limit */
    uint64_t max_output_pixels;
    int32_t max_output_side;      /* of the result; 0 = no limit */
};

/* Exact output size, chosen variant and native passes, before anything is loaded: what admission
 * asks. A wanted scale over the native one runs the network again on its own output (2x model, 4x
 * wanted: twice). Of the variants with the wanted noise level the one that needs the fewest passes
 * is taken, of those the smallest that reaches the size (within 2 %, so that rounding never costs a
 * pass); the rest is resampling. Later passes run the variant that does not denoise, where the
 * model has one of that scale. */
struct syn_upscale_plan {
    int32_t out_width, out_height;
    const struct syn_variant *variant; /* of the first pass */
    const struct syn_variant *again;   /* of the passes after it */
    int32_t passes;
    int32_t native_width, native_height; /* what the last pass makes */
};
/* SYN_INVALID names the parameter ("noise = 2: realesrgan-x4plus has no noise levels");
 * SYN_TOO_LARGE. */
SYN_MUST_CHECK syn_status syn_upscale_resolve(const struct syn_manifest *m,
                                              const struct syn_upscale_params *p,
                                              const struct syn_upscale_limits *limits,
                                              int32_t in_width, int32_t in_height,
                                              struct syn_upscale_plan *out, struct syn_err *err);

/* The bytes of all pictures that the job holds at one time, at most: from the decoded input (of this
 * many channels and bits, as its header says) to the result. Without the buffers of the decoder, of
 * the encoder and of a unit. A picture with an alpha channel counts as a transparent one. */
uint64_t syn_upscale_picture_bytes(const struct syn_upscale_plan *plan,
                                   const struct syn_upscale_params *p,
                                   const struct syn_image_info *in);
/* Those against the budget: SYN_TOO_LARGE names needed bytes, limit and ways out. */
SYN_MUST_CHECK syn_status syn_upscale_check_pictures(const struct syn_upscale_plan *plan,
                                                     const struct syn_upscale_params *p,
                                                     const struct syn_upscale_limits *limits,
                                                     const struct syn_image_info *in,
                                                     struct syn_err *err);

struct syn_upscale_report {
    int64_t tiles;             /* units run */
    int32_t tile_width, tile_height, halo; /* a unit's input in the first pass, halo included */
    syn_precision precision;   /* of the network runs that made the result */
    int32_t numeric_retries;   /* units run again in f32 after NaN or infinity */
};

/* Takes the image (on success *image is emptied; on failure it is whole, but for hidden colours
 * under alpha 0). The network of the running pass stays acquired until close; models, m and cancel
 * must live as long. SYN_NO_MEMORY: even the smallest tile is over the budget, the text has needed
 * and available bytes. A unit whose output holds NaN or infinity in bf16 is run once more in f32;
 * if that fails too the job fails with SYN_NUMERIC. */
SYN_MUST_CHECK syn_status syn_upscale_open(struct syn_models *models, const struct syn_manifest *m,
                                           const struct syn_upscale_params *p,
                                           const struct syn_upscale_limits *limits,
                                           struct syn_image *image, const atomic_bool *cancel,
                                           struct syn_pipeline **out, struct syn_err *err);
void syn_upscale_report(const struct syn_pipeline *p, struct syn_upscale_report *out);

#endif
