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
#define SYN_MAX_PORTS 96
#define SYN_MAX_ASSETS 8
#define SYN_MAX_SETTINGS 32
#define SYN_NOISE_NONE (-1)

/* How a network wants a picture: network input = (sample(0..1) - mean[c]) * scale[c], channels in
 * the network's order. */
struct syn_picture_form {
    bool given;                 /* the manifest has one */
    bool nhwc;                  /* [1,h,w,3]; else [1,3,h,w] */
    bool bgr;                   /* blue first */
    float mean[3], scale[3];
    int32_t side;               /* the network takes side x side pixels only; 0: any size */
    int32_t multiple;           /* both sides must be multiples of this; at least 1 */
    int32_t min_side;           /* and at least this long */
};

/* One network of a model: of an ncnn model one of its variants by scale and noise, of an ONNX model
 * one by name. */
struct syn_variant {
    char name[32];              /* onnx: what pipelines know it by ("predict"); ncnn: "" */
    int32_t scale;              /* native: 1, 2, 3 or 4; onnx: 1 */
    int32_t noise;              /* denoising level 0..3; SYN_NOISE_NONE: does not denoise */
    char graph_file[128];       /* inside the model's folder: plain names, no separators */
    char weights_file[128];     /* onnx: the external data file; "": the graph file has all */
    char graph_sha256[65], weights_sha256[65];
    char digest[65];            /* sha256 over both digests' hex text: what a job records */
    uint64_t graph_bytes, weights_bytes;
    bool adds_input;            /* the nearest-upscaled input is added outside the net (CUGAN 4x) */
    struct syn_picture_form picture; /* onnx */
};

/* What a pipeline calls role, the network's file calls tensor. */
struct syn_port {
    int32_t network;            /* index into variant[] */
    bool output;
    /* A value inside the graph: as input it cuts the graph there (it is given, no longer
     * computed), as output it is taken besides the graph's own. The network is opened so. */
    bool inner;
    char role[32];
    char tensor[128];
};

/* A file of the model that is no network: a voice's phoneme table, a training configuration. */
struct syn_asset {
    char name[128], sha256[65];
    uint64_t bytes;
};

/* A number that the model's kind needs to know: a sample rate, a hop. */
struct syn_setting {
    char name[32];
    double value;
};

enum syn_edge { SYN_EDGE_ZERO, SYN_EDGE_REPLICATE, SYN_EDGE_REFLECT };

struct syn_manifest {
    char id[SYN_MODEL_ID_SIZE];     /* [A-Za-z0-9][A-Za-z0-9._-]* */
    char title[128];
    char kind[32];                  /* "upscale", "stylize", ...: manifest_kinds.c lists them */
    char format[16];                /* "ncnn", "onnx" */
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
    /* onnx; in the order of the manifest. */
    struct syn_port port[SYN_MAX_PORTS];
    struct syn_asset asset[SYN_MAX_ASSETS];
    struct syn_setting setting[SYN_MAX_SETTINGS];
    int32_t n_ports, n_assets, n_settings;
    /* sha256 over all that has a say in the results (files, constants, names of tensors): the
     * model's version as a job records it. */
    char digest[65];
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
    /* Folders in which links in model folders may end (a hub's cache); NULL-terminated; NULL:
     * links are refused. */
    const char *const *link_roots;
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

/* Hashes all files of a model, links allowed as the repository allows them. SYN_NOT_FOUND. */
SYN_MUST_CHECK syn_status syn_models_verify(const struct syn_models *ms, const char *id,
                                            struct syn_err *err);

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

/* The network of that name; NULL: none. */
const struct syn_variant *syn_manifest_network(const struct syn_manifest *m, const char *name);
/* The tensor behind a role of one of the manifest's networks; NULL: the manifest does not say. What
 * a kind needs (manifest_kinds.c) is there in every manifest of that kind. */
const char *syn_manifest_tensor(const struct syn_manifest *m, const struct syn_variant *network,
                                bool output, const char *role);
/* A setting's number, or other when the manifest does not state it. */
double syn_manifest_setting(const struct syn_manifest *m, const char *name, double other);

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
/* Only when it is loaded already; loads nothing and waits for nobody. False: it is not. */
bool syn_models_acquire_loaded(struct syn_models *ms, const char *id, const struct syn_variant *v,
                               struct syn_loaded **out);
void syn_models_release(struct syn_models *ms, struct syn_loaded *l); /* NULL-safe */
struct syn_model *syn_loaded_model(struct syn_loaded *l); /* borrowed until release */

/* Closes what is loaded of a model and idle. SYN_NOT_FOUND; SYN_BUSY: some of it is in use or
 * loading (the idle variants are closed all the same). */
SYN_MUST_CHECK syn_status syn_models_unload(struct syn_models *ms, const char *id,
                                            struct syn_err *err);

/* Weights of everything loaded or being loaded, as the budget counts them. */
uint64_t syn_models_resident_bytes(struct syn_models *ms);

#endif
