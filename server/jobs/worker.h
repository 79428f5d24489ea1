/* worker.h - one thread per device: takes jobs, drives their pipelines, stores what they made.
 *
 * Layer:   server/jobs: sees server/pipelines, server/models and the engine.
 * Threads: start and stop from the main thread; request_cancel from any. The worker's thread runs plans
 *          and talks to the store; no lock is held while a unit runs. A post thread encodes and stores
 *          the result of job n while the worker computes job n+1. */
#ifndef SYN_WORKER_H
#define SYN_WORKER_H

#include "server/jobs/blobs.h"
#include "server/jobs/store.h"

struct syn_worker;
struct syn_models; /* server/models/models.h */

struct syn_worker_opts {
    struct syn_store *store;
    struct syn_models *models;
    uint64_t max_input_bytes, max_pixels;
    int32_t max_side;
    uint64_t memory_budget_bytes; /* decoded pictures and workspace of one job */
    /* Called once when a job reaches a final state or a unit is done; may be NULL. For metrics. */
    void (*on_unit)(void *user, const char *kind, const char *model, double seconds);
    void (*on_done)(void *user, const struct syn_job *job);
    void *user;
};

SYN_MUST_CHECK syn_status syn_worker_start(const struct syn_worker_opts *opts, struct syn_worker **out,
                                           struct syn_err *err);
/* The running job with this id stops before its next unit; nothing happens when it is not running. */
void syn_worker_cancel(struct syn_worker *w, const char *id);
/* Stops after the running job, or after deadline_ms by putting it back to the queue; joins; frees. */
void syn_worker_stop(struct syn_worker *w, int32_t deadline_ms);
/* "" when it takes jobs, else why not ("device_lost"): readiness. */
const char *syn_worker_trouble(const struct syn_worker *w);

#endif
