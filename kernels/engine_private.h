/* engine_private.h - what engine.c, model.c and plan.c share. Not for server/.
 *
 * Locks: engine->run_lock is held for the length of a run (one workspace per engine); model->lock
 * guards the model's list of plans and is never held while a plan is built or run for long:
 * building happens under engine->build_lock. engine->flows_lock guards the list of models that
 * have a flow, so that one can be closed while another runs. Order: build_lock, then model->lock;
 * run_lock, then flows_lock. */
#ifndef SYN_ENGINE_PRIVATE_H
#define SYN_ENGINE_PRIVATE_H

#include "kernels/backend/flow.h"
#include "kernels/backend/library.h"
#include "kernels/backend/program.h"
#include "kernels/engine.h"
#include "kernels/load/mapfile.h"
#include "kernels/load/onnx.h"
#include <pthread.h>

#define SYN_MAX_PLANS 24 /* cached per model beyond those in use */

struct syn_engine {
    const struct syn_backend *backend;
    void *self;
    struct syn_backend_info info;   /* immutable after open */
    /* what runs models node by node: the backend itself where it works in host memory, else the CPU
     * where that is allowed, else NULL; immutable after open */
    const struct syn_backend *flow_backend;
    void *flow_self;
    struct syn_library *library;    /* that the backend came from; NULL: built in */
    char note[160];                 /* see syn_engine_info; immutable after open */
    syn_precision precision;        /* what AUTO means; immutable after open */
    uint64_t workspace_limit;       /* immutable after open; 0 = none */
    pthread_mutex_t build_lock;     /* place and prepare: one at a time */
    pthread_mutex_t run_lock;
    void *workspace;                /* guarded by run_lock; the backend's memory, or from mmap */
    _Atomic uint64_t workspace_bytes;
    _Atomic uint64_t block_bytes;   /* that flows keep for their next run */
    _Atomic uint64_t workspace_peak, weight_bytes;
    pthread_mutex_t flows_lock;
    struct syn_model *flows;        /* guarded by flows_lock */
};

struct syn_model {
    struct syn_engine *engine;
    struct syn_graph *graph;        /* immutable after open */
    struct syn_mapfile weights;     /* ncnn: borrowed by graph */
    struct syn_onnx *onnx;          /* onnx: borrowed by graph */
    /* made by the first run that goes node by node; guarded by engine->run_lock */
    struct syn_flow *flow;
    struct syn_graph *flow_graph;   /* the graph with chains; by run_lock */
    struct syn_flow_info flow_counted; /* its part of the engine's sums; by run_lock */
    struct syn_model *next_flow;    /* in engine->flows; guarded by engine->flows_lock */
    struct syn_static *statics;     /* programs by shape, newest use first; guarded by lock */
    /* as the file names and types them, whatever passes do; immutable after open */
    struct syn_io *output;
    char **pin_f32;                 /* immutable after open */
    int32_t n_pin_f32;
    /* shapes depend on data, or nodes are no picture's: no program */
    atomic_bool only_flow;
    unsigned passes;                /* SYN_PASS_* that are on */
    struct syn_model_info info;     /* immutable after open */
    pthread_mutex_t lock;
    struct syn_plan *plans;         /* guarded by lock; newest use first */
};

struct syn_plan {
    struct syn_plan *next;          /* guarded by model->lock, as are refs and cached */
    int32_t refs;
    struct syn_model *model;
    int32_t stage;
    syn_precision precision;
    struct syn_program *program;
    struct syn_plan_info info;      /* immutable */
};

/* AUTO as what the device does; SYN_UNSUPPORTED: F16 on a device without it. */
SYN_MUST_CHECK syn_status syn_engine_settle(const struct syn_engine *e, syn_precision asked,
                                            syn_precision *out, struct syn_err *err);

void syn_plans_free(struct syn_model *m); /* all of them; none in use */

/* A general model bound to its inputs' shapes as a program. */
struct syn_static {
    struct syn_static *next;
    int32_t refs;                   /* guarded by model->lock, as is next */
    syn_precision precision;
    struct syn_shape *in;           /* n_inputs of them */
    struct syn_program *program;
};
/* *out NULL: the model runs by its flow. Release what is got. */
SYN_MUST_CHECK syn_status syn_static_get(struct syn_model *m, const struct syn_tensor *in,
                                         syn_precision precision, struct syn_static **out,
                                         struct syn_err *err);
void syn_static_release(struct syn_model *m, struct syn_static *s);
void syn_statics_free(struct syn_model *m); /* none in use */

/* Takes what the model's flow keeps now into the engine's sums. run_lock is held. */
void syn_model_count_flow(struct syn_model *m);
void syn_model_free_flow(struct syn_model *m); /* none running */
/* Most that the engine held at once, after a sum has grown. run_lock is held. */
void syn_engine_note_peak(struct syn_engine *e);

/* A program's step as syn_plan_step and syn_model_step tell it. */
void syn_step_describe(const struct syn_program *p, int32_t index, struct syn_step_info *info);

/* engine->run_lock is held. The engine's one workspace, at least this large; a smaller one is given
 * back before. */
SYN_MUST_CHECK syn_status syn_engine_workspace(struct syn_engine *e, uint64_t bytes,
                                               struct syn_err *err);

#endif
