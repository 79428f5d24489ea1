/* network.h - one loaded network of an upscale job: what it does to a picture's geometry, and the
 * cut of a picture that fits the memory.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#ifndef SYN_NETWORK_H
#define SYN_NETWORK_H

#include "server/pipelines/tiles.h"
#include "server/pipelines/upscale.h"

struct syn_network {
    const struct syn_variant *variant; /* borrowed from the manifest */
    struct syn_loaded *loaded;         /* held; NULL between hold and drop */
    struct syn_model *model;           /* borrowed from loaded */
    struct syn_model_info info;
    struct syn_tile_net geometry;      /* over all stages */
    int32_t scale;
};

/* Loads it and checks that it is what the manifest says: three channels in and out, the stated
 * scale. On failure nothing is held. */
SYN_MUST_CHECK syn_status syn_network_open(struct syn_network *n, struct syn_models *models,
                                           const struct syn_manifest *m,
                                           const struct syn_variant *v, const atomic_bool *cancel,
                                           struct syn_err *err);
/* Lets go of the weights; what is known of the network stays. Safe on a zeroed one. A job with two
 * networks holds one at a time: acquiring beside a held one could wait for its own release. */
void syn_network_drop(struct syn_network *n, struct syn_models *models);
/* Takes an opened network again; nothing happens when it is held. */
SYN_MUST_CHECK syn_status syn_network_hold(struct syn_network *n, struct syn_models *models,
                                           const struct syn_manifest *m, const atomic_bool *cancel,
                                           struct syn_err *err);

/* Shapes of a stage's inputs (stage -1 = the whole) for a window; returns how many. */
int32_t syn_network_inputs(const struct syn_network *n, int32_t stage, int32_t width,
                           int32_t height, struct syn_shape in[SYN_MAX_UNIT_IO]);
/* The output that a stage makes of a window. false: the window is too small to leave a pixel. */
bool syn_network_output(const struct syn_network *n, int32_t stage, int32_t width, int32_t height,
                        struct syn_shape *out);

/* The cut of a picture whose units (workspace and both tensors) fit the budget. Needs a held
 * network. */
SYN_MUST_CHECK syn_status syn_network_cut(const struct syn_network *n, int32_t width,
                                          int32_t height, int32_t max_core, uint64_t budget_bytes,
                                          syn_precision precision, struct syn_tiles *out,
                                          struct syn_err *err);

#endif
