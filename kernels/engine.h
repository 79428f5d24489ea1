/* engine.h - the engine: open a model, make a plan for shapes, run it, cancel it, close it.
 *
 * Use:
 *     struct syn_engine *e; struct syn_model *m; struct syn_plan *p;
 *     syn_engine_open(&(struct syn_engine_opts){.device = "auto"}, &e, err);
 *     syn_model_open(e, &(struct syn_model_source){.format = "ncnn", .graph_path = "x.param",
 *                    .weights_path = "x.bin"}, NULL, &m, err);
 *     syn_plan_get(m, 0, shapes, SYN_PRECISION_AUTO, &p, err);
 *     syn_plan_run(p, inputs, outputs, &cancel, NULL, err);
 *     syn_plan_release(p); syn_model_close(m); syn_engine_close(e);
 * or, for a model of any inputs, outputs, types and shapes:
 *     syn_model_open(e, &(struct syn_model_source){.format = "onnx", .graph_path = "x.onnx"},
 *                    NULL, &m, err);
 *     syn_model_run(m, inputs, outputs, NULL, err); ... syn_free(outputs[0].data);
 *
 * Layer:   kernels, level 6. The only engine header that server/ includes besides kernels/base.
 * Shapes:  tensors at this boundary are dense, in host memory; plans take f32 NCHW, syn_model_run
 *          what the model states.
 * Threads: an engine may be used by any thread; its plans run one at a time (one workspace per
 *          engine: a second syn_plan_run waits). Everything else locks itself.
 * Errors:  the engine never exits, aborts or prints.
 * Ownership: engine outlives models, models outlive plans. */
#ifndef SYN_ENGINE_H
#define SYN_ENGINE_H

#include "kernels/graph/tensor.h"
#include <stdatomic.h>

#ifdef __cplusplus
extern "C" {
#endif

struct syn_engine;
struct syn_model;
struct syn_plan;

typedef enum syn_precision {
    SYN_PRECISION_AUTO, /* what the device measured as quickest (engine_info.precision) */
    SYN_PRECISION_F32,
    SYN_PRECISION_BF16,
    SYN_PRECISION_F16,  /* on devices that compute in it: SYN_UNSUPPORTED on a CPU */
    SYN_PRECISION_COUNT
} syn_precision;
const char *syn_precision_word(syn_precision p); /* "auto" "f32" "bf16" "f16" */

/* Rewrite passes; each can be turned off, results then stay equal to rounding. */
enum {
    SYN_PASS_FOLD = 1 << 0, /* constants computed once, identities removed */
    /* conv + bias + activation + scaled residuals in one node; pixel shuffle + enlarged residual
     * likewise */
    SYN_PASS_FUSE_CONV = 1 << 1,
    SYN_PASS_PHASES = 1 << 2, /* nearest-2x + conv 3x3 as a transposed convolution of four phases */
    SYN_PASS_CONCAT_VIEWS = 1 << 3, /* operands of a concat are written in place */
    SYN_PASS_SHARE_MEMORY = 1 << 4, /* values with disjoint lifetimes share bytes */
    SYN_PASS_WINOGRAD = 1 << 5,     /* 3x3 convolutions with 2.25 times fewer products */
    /* The rest is for onnx. */
    SYN_PASS_QDQ = 1 << 6,        /* quantise-dequantise pairs taken out: real numbers throughout */
    SYN_PASS_BATCH_NORM = 1 << 7, /* batch normalisation into the convolution before it */
    SYN_PASS_TRANSPOSE = 1 << 8,  /* transposes moved together and cancelled */
    SYN_PASS_NORM = 1 << 9,       /* spelled-out instance and layer norms as one node */
    SYN_PASS_LANES = 1 << 10,     /* convolutions to few channels with pixels in the lanes */
    /* rank-4 operators in our own forms, which the passes above know */
    SYN_PASS_LOWER = 1 << 11,
    SYN_PASS_CHAIN = 1 << 12,     /* element-by-element operators in one loop */
    /* networks of pictures planned ahead for a shape, not run node by node */
    SYN_PASS_PROGRAM = 1 << 13,
    SYN_PASS_WIDEN = 1 << 14,     /* networks stored in f16 compute in f32 */
    SYN_PASS_ATTENTION = 1 << 15, /* spelled-out attention as one node */
    /* in flows: padding before, a step after, a 1x1 convolution behind a convolution into it */
    SYN_PASS_CONV = 1 << 16,
    SYN_PASS_PAIRS = 1 << 17, /* a convolution and the depthwise one that reads it in one step */
    SYN_PASS_ALL = (1 << 18) - 1
};

struct syn_engine_opts {
    /* "auto" (the first CUDA device where there is one, else the CPU), "cpu", "cuda:N" ("cuda" is
     * 0), "ref" (scalar references: slow, the definition); NULL = auto. "cpu:own" and "cpu:onednn"
     * take only our or only oneDNN's convolutions, for comparisons. */
    const char *device;
    /* the file that CUDA devices come from; NULL = synthd-cuda.so beside the program, or in
     * ../lib/synthd from there */
    const char *cuda_plugin;
    /* CUDA devices: models whose operators have no kernel there run on the CPU, as a whole; else
     * they are refused (SYN_UNSUPPORTED, naming the operators) */
    bool allow_fallback;
    int32_t threads;        /* 0 = what the cgroup and affinity allow */
    syn_precision precision; /* AUTO = by measurement */
    uint64_t workspace_limit_bytes; /* what needs more is refused (SYN_TOO_LARGE); 0 = no limit */
    const char *tuning_file; /* keeps measurements between starts; NULL = measure every time */
};

struct syn_engine_info {
    char device[64];        /* "cpu (avx512_bf16, 2 threads)" */
    char backend[32];       /* "cpu", "cuda", "ref" */
    char note[160];         /* why "auto" is not the CUDA device, where one might be; or empty */
    syn_precision precision; /* what AUTO means here: F32, BF16 or F16 */
    int32_t threads;
    double f32_gflops, bf16_gflops; /* of the start-up measurement; 0 = not measured */
    uint64_t workspace_bytes;       /* held now: plans' workspace, and blocks that flows keep */
    uint64_t workspace_peak_bytes;  /* most ever held */
    uint64_t weight_bytes;          /* packed weights of all cached plans and of flows */
};

/* SYN_UNSUPPORTED: no such device here, or not in this precision; says what is missing. */
SYN_MUST_CHECK syn_status syn_engine_open(const struct syn_engine_opts *opts,
                                          struct syn_engine **out, struct syn_err *err);
void syn_engine_close(struct syn_engine *e); /* NULL-safe; all models closed before */
void syn_engine_info(struct syn_engine *e, struct syn_engine_info *info);
/* Gives workspace, and blocks kept between runs of syn_model_run, back to the system until no
 * more than keep_bytes are held. Waits for a run that is under way: call when idle. */
void syn_engine_trim(struct syn_engine *e, uint64_t keep_bytes);

/* Runs one small convolution, resize and concat per precision against the references: what /readyz
 * and `synthd selftest` stand on. SYN_NUMERIC names the node that differs. */
SYN_MUST_CHECK syn_status syn_engine_selftest(struct syn_engine *e, struct syn_err *err);

struct syn_model_source {
    const char *format;       /* "ncnn", "onnx" */
    /* ncnn: the .param; onnx: the file (external data: beside it or below) */
    const char *graph_path;
    const char *weights_path; /* ncnn: the .bin */
    /* onnx: further folders in which external data may end up, links followed (a hub's cache). */
    const char *const *roots;
    int32_t n_roots;
    /* onnx: the only files that external data may be in, by their names in the model's folder;
     * NULL: any. */
    const char *const *external;
    int32_t n_external;
};
struct syn_model_opts {
    unsigned passes_off;      /* SYN_PASS_* to leave out */
    const atomic_bool *cancel; /* looked at while loading; may be NULL */
    /* onnx: values named in cut_inputs are no longer computed but given, as further inputs in this
     * order; those in extra_outputs are outputs after the model's own. Inputs that nothing reads
     * any more are dropped. How state (a recurrence's last step, a convolution's past) is carried
     * between chunks. */
    const char *const *cut_inputs, *const *extra_outputs;
    int32_t n_cut_inputs, n_extra_outputs;
    /* onnx: nodes whose names begin so never compute in bf16 (durations decide lengths: a rounded
     *       one is a wrong one). Copied. */
    const char *const *pin_f32;
    int32_t n_pin_f32;
};

/* How an output pixel depends on input pixels, from the graph. Positions are pixel indices: output
 * o reads inputs from ceil-or-floor(o / scale) + lo to ... + hi. */
struct syn_footprint {
    int32_t scale_num, scale_den; /* output pixels per input pixel, lowest terms: 4/1, 2/1, 1/1 */
    int32_t before,
        after;     /* halo: input pixels needed left/top and right/bottom of the output's own */
    /* input pixels that disappear at each border (valid convolutions): out = scale * (in -
     * 2*trim). 0 for padded networks. Rounded up for stages; `lost` is exact */
    int32_t trim;
    int32_t lost;  /* both borders together in output pixels: out = scale*in - lost */
    int32_t align; /* input sizes less 2*trim, and tile origins, must be multiples of this */
};

/* Models whose graph averages over the whole picture (squeeze-and-excite) can't be cut into tiles
 * as they are. They are offered in stages: stage k (0-based) computes from the picture and the k
 * global vectors known so far the feature map that the next vector is the mean of; the last stage
 * is the picture. n_stages = 1 for all others. */
#define SYN_MAX_STAGES 16

struct syn_model_info {
    int32_t n_stages;
    int32_t channels_in, channels_out;
    int64_t n_parameters, n_nodes;
    uint64_t file_bytes;
    struct syn_footprint footprint[SYN_MAX_STAGES]; /* by stage, from the picture */
    int32_t stage_channels[SYN_MAX_STAGES];         /* channels of each stage's output */
    bool whole_runs; /* the model as one plan (stage -1) is available: always true */
    int32_t n_inputs, n_outputs;
    /* one picture in, one out, their sizes proportional: plans and tiles are for these; else
     * n_stages = 0 and syn_model_run is the way */
    bool is_picture;
};

/* SYN_INVALID or SYN_TRUNCATED: the files, with line or offset; SYN_UNSUPPORTED: every operator
 * that is unknown, at once; SYN_CANCELED; SYN_IO. opts may be NULL. */
SYN_MUST_CHECK syn_status syn_model_open(struct syn_engine *e, const struct syn_model_source *src,
                                         const struct syn_model_opts *opts, struct syn_model **out,
                                         struct syn_err *err);
void syn_model_close(struct syn_model *m); /* NULL-safe; all plans released before */
void syn_model_info(const struct syn_model *m, struct syn_model_info *info);

/* An input or output as the model states it. */
struct syn_io {
    const char *name;       /* lives as long as the model */
    syn_dtype dtype;        /* outputs: what the file declares, f32 where it does not */
    struct syn_shape shape; /* -1: any length; rank -1: not stated */
};
void syn_model_input(const struct syn_model *m, int32_t i, struct syn_io *io);
void syn_model_output(const struct syn_model *m, int32_t i, struct syn_io *io);

/* Plans come from a cache (LRU, by stage, shapes and precision); get adds a reference, release
 * drops it. stage: -1 = the whole model (input: picture; output: picture); k = stage k (inputs:
 * picture, then k vectors [1,c,1,1]; output: its feature map, or the picture for the last).
 * in_shapes: one per input. SYN_INVALID: a shape that the graph cannot take. */
SYN_MUST_CHECK syn_status syn_plan_get(struct syn_model *m, int32_t stage,
                                       const struct syn_shape *in_shapes, syn_precision precision,
                                       struct syn_plan **out, struct syn_err *err);
void syn_plan_release(struct syn_plan *p); /* NULL-safe */

/* Peak bytes of workspace that a plan of this shape would need, without packing weights or keeping
 * anything: what the tile planner asks. */
SYN_MUST_CHECK syn_status syn_plan_estimate(struct syn_model *m, int32_t stage,
                                            const struct syn_shape *in_shapes,
                                            syn_precision precision, uint64_t *peak_bytes,
                                            struct syn_err *err);

struct syn_plan_info {
    int32_t n_inputs, n_outputs;
    struct syn_shape in[1 + SYN_MAX_STAGES], out[1];
    uint64_t peak_bytes;    /* workspace while it runs */
    uint64_t weight_bytes;  /* packed weights */
    int64_t multiply_adds;  /* of convolutions and dense layers, as the model states them */
    syn_precision precision; /* F32 or BF16 */
    int32_t n_steps;
};
void syn_plan_info(const struct syn_plan *p, struct syn_plan_info *info);

/* One step as `synthd models check` prints it. index in [0, n_steps). Pointers live as long as the
 * plan. */
struct syn_step_info {
    const char *op, *name, *impl;
    struct syn_shape out;
    double seconds; /* of the last profiled run; 0 before one */
    int32_t depth;  /* > 0: in a body, whose node's time includes this one's */
};
void syn_plan_step(const struct syn_plan *p, int32_t index, struct syn_step_info *info);

/* A node that has just run, as `--dump` writes it. depth > 0: in a body. A status other than
 * SYN_OK ends the run. */
struct syn_watched {
    const char *op, *name;
    int32_t depth, n_out;
    const char *const *out_name;
    const struct syn_tensor *out; /* rank -1: not computed */
};
typedef syn_status syn_watch(void *ctx, const struct syn_watched *w, struct syn_err *err);

struct syn_run_opts {
    const atomic_bool *cancel; /* looked at between nodes; may be NULL */
    bool profile;              /* times each step (see syn_plan_step) */
    /* The rest is for syn_model_run. */
    /* AUTO: what the device measured, for networks of pictures; f32 for all others, which take
     * bf16 only when told */
    syn_precision precision;
    uint64_t seed;             /* of random operators that have none of their own */
    bool finite;               /* an output that holds NaN or infinity is SYN_NUMERIC */
    /* called after every node, in order; may be NULL. Such runs go node by node; with all passes
     * off every value of the file is seen */
    syn_watch *watch;
    void *watch_ctx;
};

/* Runs the plan: in[n_inputs] -> out[n_outputs], caller's dense f32 memory, shapes as planned,
 * outputs not overlapping inputs. SYN_CANCELED (outputs undefined), SYN_NO_MEMORY (workspace),
 * SYN_NUMERIC when an output holds NaN or infinity. Two runs of one plan give the same bits. */
SYN_MUST_CHECK syn_status syn_plan_run(struct syn_plan *p, const struct syn_tensor *in,
                                       struct syn_tensor *out, const struct syn_run_opts *opts,
                                       struct syn_err *err);

/* Runs a model of any kind on inputs of any shape that it takes: in[n_inputs] dense, of the stated
 * types -> out[n_outputs], shapes and data filled in; the data is the caller's (syn_free). Nothing
 * is kept per shape that grows with the number of shapes seen. After a failure out holds nothing.
 * SYN_INVALID: an input does not fit, or values do not (an index out of range), naming the node;
 * SYN_CANCELED, SYN_NO_MEMORY, SYN_TOO_LARGE (over the engine's workspace limit), SYN_UNSUPPORTED,
 * SYN_NUMERIC. */
SYN_MUST_CHECK syn_status syn_model_run(struct syn_model *m, const struct syn_tensor *in,
                                        struct syn_tensor *out, const struct syn_run_opts *opts,
                                        struct syn_err *err);

/* What the runs so far needed and how the last profiled one spent its time. */
struct syn_run_info {
    uint64_t peak_bytes, held_bytes, weight_bytes;
    int32_t n_steps;
    bool planned; /* as a program planned for these shapes; else node by node */
};
void syn_model_run_info(struct syn_model *m, struct syn_run_info *info);
/* index in [0, n_steps). False: that step has not run. Nodes of bodies come last. */
bool syn_model_step(struct syn_model *m, int32_t index, struct syn_step_info *info);

/* How often a model uses an operator. */
struct syn_operator {
    const char *op, *domain; /* "": ONNX's own */
    int64_t n;
};
/* Of the model as it was opened, in all bodies too, most frequent first. Returns how many there
 * are; writes at most `most`. */
int32_t syn_model_operators(const struct syn_model *m, struct syn_operator *out, int32_t most);

#ifdef __cplusplus
}
#endif
#endif
