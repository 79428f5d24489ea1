/* pipeline.h - a job as a step machine: next() gives a unit of work, the driver runs it, done()
 * takes the result; until there is none left and finish() gives the outputs.
 *
 *        open ──► next ──► unit ──(driver runs the plan)──► done ──┐
 *                  ▲                                               │
 *                  └───────────────────────────────────────────────┘
 *                 next says "no more" ──► finish ──► outputs      close from any state
 *
 * Units are what jobs are cancelled between, what progress counts, and what batches across jobs.
 * The driver is the worker (server/jobs) or `synthd run` (server/cli); syn_pipeline_drive is the
 * loop both use when they have one job at a time.
 *
 * Layer:   server/pipelines: media, models, the engine.
 * Threads: a pipeline belongs to one thread at a time; different ones are independent. */
#ifndef SYN_PIPELINE_H
#define SYN_PIPELINE_H

#include "kernels/engine.h"
#include "server/media/image.h"
#include "server/media/sound.h"
#include "server/models/models.h"

#define SYN_MAX_UNIT_IO (1 + SYN_MAX_STAGES)

/* One run of one plan, or (plan NULL) of one model of any inputs and outputs. Tensors belong to the
 * pipeline and live until done; but what a model's run makes lies in made[], in the order of the
 * model's outputs, and is done's to free (syn_free). */
struct syn_unit {
    struct syn_plan *plan;
    struct syn_model *model;
    syn_precision precision; /* of a model's run */
    uint64_t seed;           /* likewise: of random operators */
    bool any_value;          /* likewise: NaN and infinity are results as others */
    struct syn_tensor in[SYN_MAX_UNIT_IO];
    int32_t n_in;
    struct syn_tensor out;
    struct syn_tensor made[SYN_MAX_UNIT_IO];
};

struct syn_pipeline;

/* What a kind provides. */
struct syn_pipeline_kind {
    const char *kind; /* "upscale" */
    /* *more = false: no unit left, call finish. SYN_NO_MEMORY etc. fail the job. */
    syn_status (*next)(struct syn_pipeline *p, struct syn_unit *unit, bool *more,
                       struct syn_err *err);
    syn_status (*done)(struct syn_pipeline *p, const struct syn_unit *unit, struct syn_err *err);
    /* Called when the unit's run gave SYN_NUMERIC. *again = true: *unit now holds the run to do in
     * its place (wider arithmetic). false: nothing wider is left, the job fails. NULL: a model's
     * run goes once more in f32. */
    syn_status (*numeric)(struct syn_pipeline *p, struct syn_unit *unit, bool *again,
                          struct syn_err *err);
    /* Moves the finished picture to *out (caller deinits). Once, after next said no more. NULL: the
     * kind makes none. */
    syn_status (*finish)(struct syn_pipeline *p, struct syn_image *out, struct syn_err *err);
    /* The same of kinds that make a sound. */
    syn_status (*finish_sound)(struct syn_pipeline *p, struct syn_sound *out, struct syn_err *err);
    void (*progress)(const struct syn_pipeline *p, int64_t *done, int64_t *total);
    void (*close)(struct syn_pipeline *p);
};
struct syn_pipeline {
    const struct syn_pipeline_kind *kind; /* first member of each kind's own struct */
};

struct syn_drive {
    const atomic_bool *cancel; /* may be NULL */
    /* Called after each unit; may be NULL. */
    void (*on_unit)(void *user, int64_t done, int64_t total, double seconds);
    void *user;
};
/* Runs every unit; SYN_CANCELED within one unit of *cancel becoming true. A unit that fails with
 * SYN_NUMERIC is the pipeline's to retry (see upscale.h). */
SYN_MUST_CHECK syn_status syn_pipeline_drive(struct syn_pipeline *p, const struct syn_drive *d,
                                             struct syn_err *err);
void syn_pipeline_close(struct syn_pipeline *p); /* NULL-safe */

#endif
