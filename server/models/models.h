/* models.h - the models of this daemon: what they are (manifest), where (repository), what is
 * loaded (residency).
 *
 * A model is a folder with model.json (proto/model.schema.json). Ids are keys into an index made
 * by scanning the model folders at start and on reload; a request's text is never joined to a
 * path.
 *
 * A manifest may have variants: several files behind one id, chosen by parameters. waifu2x-cunet
 * has one per noise level and scale; realesr-animevideov3 one per scale; realcugan one per scale
 * and noise.
 *
 * Layer:   server/models: the engine and kernels/base.
 * Threads: any; structs handed out are immutable until syn_models_close, acquired models until
 *          release. */
#ifndef SYN_MODELS_H
#define SYN_MODELS_H

#include "kernels/engine.h"

#define SYN_MODEL_ID_SIZE 64
#define SYN_MAX_VARIANTS 32
#define SYN_NOISE_NONE (-1)

/* One network of a model. */
struct syn_variant {
    int32_t scale;              /* native: 1, 2, 3 or 4 */
    int32_t noise;              /* denoising level 0..3; SYN_NOISE_NONE: does not denoise */
    char graph_file[128];       /* inside the model's folder: plain names, no separators */
    char weights_file[128];
    char graph_sha256[65], weights_sha256[65];
    char digest[65];            /* sha256 over both digests' hex text: what a job records */
    uint64_t graph_bytes, weights_bytes;
    bool adds_input;            /* the nearest-upscaled input is added outside the net (CUGAN 4x) */
};

enum syn_edge { SYN_EDGE_ZERO, SYN_EDGE_REPLICATE, SYN_EDGE_REFLECT };

struct syn_manifest {
    char id[SYN_MODEL_ID_SIZE];     /* [a-z0-9][a-z0-9._-]* */
    char title[128];
    char kind[32];                  /* "upscale" */
    char format[16];                /* "ncnn" */
    char licence[64], source[256], trained_on[256];
    char label_term[64];            /* digital source type its outputs get */
    /* What lies beyond the picture, for networks without padding of their own. */
    enum syn_edge edge;
    /* 0 = the whole receptive field; else the measured halo that keeps tiles within 1/255, in input
     * pixels. */
    int32_t halo;
    float in_scale, in_offset;      /* network input = sample(0..1) * in_scale + in_offset */
    float out_scale, out_offset;    /* sample(0..1) = network output * out_scale + out_offset */
    int32_t default_noise;
    bool pin_f32;                   /* never bf16 */
    struct syn_variant variant[SYN_MAX_VARIANTS];
    int32_t n_variants;
};

enum syn_model_state { SYN_MODEL_UNLOADED, SYN_MODEL_LOADING, SYN_MODEL_READY, SYN_MODEL_FAILED };
const char *syn_model_state_word(enum syn_model_state s); /* "unloaded" ... */

struct syn_model_status {
    enum syn_model_state state;     /* of the most loaded variant */
    uint64_t resident_bytes;
    int64_t loads, evictions;
    double load_seconds;            /* of the last load */
    char failure[200];              /* why FAILED */
};

struct syn_models;
struct syn_models_opts {
    const char *const *dirs;        /* folders that hold model folders; NULL-terminated */
    struct syn_engine *engine;      /* borrowed; NULL: list and check only */
    uint64_t budget_bytes;          /* weights of all loaded models; 0 = no limit */
};

/* Scans the folders. A folder with a bad manifest is skipped and reported through the log callback
 * (kernels/base/log.h); a missing folder is an empty one. */
SYN_MUST_CHECK syn_status syn_models_open(const struct syn_models_opts *opts,
                                          struct syn_models **out, struct syn_err *err);
void syn_models_close(struct syn_models *ms); /* NULL-safe; everything released before */

int32_t syn_models_count(const struct syn_models *ms);
const struct syn_manifest *syn_models_at(const struct syn_models *ms, int32_t i); /* sorted by id */
/* NULL: unknown. */
const struct syn_manifest *syn_models_find(const struct syn_models *ms, const char *id);
/* For the CLI; never for clients. NULL: unknown. */
const char *syn_models_folder(const struct syn_models *ms, const char *id);
void syn_models_status(struct syn_models *ms, const char *id, struct syn_model_status *out);

/* Reads and checks one manifest. SYN_INVALID names the member by its JSON path. */
SYN_MUST_CHECK syn_status syn_manifest_read(const char *folder, struct syn_manifest *out,
                                            struct syn_err *err);
/* Hashes the files of a folder against its manifest. SYN_INVALID names the file that differs. */
SYN_MUST_CHECK syn_status syn_manifest_verify(const char *folder, const struct syn_manifest *m,
                                              struct syn_err *err);

/* The variant for a native scale and noise level; NULL when there is none. scale 0 = the
 * largest. */
const struct syn_variant *syn_manifest_variant(const struct syn_manifest *m, int32_t scale,
                                               int32_t noise);

/* A loaded network, held until released. Loading is single-flight: callers of the same variant
 * wait for one load, which stops when the last of them cancels. Idle networks are evicted, least
 * recently used first, to keep to the budget; while everything else is in use, the load waits for
 * a release (so a caller that holds one network and acquires another may have to cancel). Files
 * are hashed before the first load and again when they changed; nothing is evicted for files that
 * differ from the manifest. v is one of the manifest's variants. SYN_NOT_FOUND; SYN_TOO_LARGE:
 * over the whole budget, said at once; SYN_CANCELED; the loader's statuses, with no path in the
 * text. */
struct syn_loaded;
SYN_MUST_CHECK syn_status syn_models_acquire(struct syn_models *ms, const char *id,
                                             const struct syn_variant *v,
                                             const atomic_bool *cancel, struct syn_loaded **out,
                                             struct syn_err *err);
void syn_models_release(struct syn_models *ms, struct syn_loaded *l); /* NULL-safe */
struct syn_model *syn_loaded_model(struct syn_loaded *l); /* borrowed until release */

/* Closes what is loaded of a model and idle. SYN_NOT_FOUND; SYN_BUSY: some of it is in use or
 * loading (the idle variants are closed all the same). */
SYN_MUST_CHECK syn_status syn_models_unload(struct syn_models *ms, const char *id,
                                            struct syn_err *err);

/* Weights of everything loaded or being loaded, as the budget counts them. */
uint64_t syn_models_resident_bytes(struct syn_models *ms);

#endif
