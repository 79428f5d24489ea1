/* worker.h - one thread per device: takes jobs, drives their pipelines, stores what they made.
 *
 * Layer:   server/jobs: sees server/pipelines, server/models and the engine.
 * Threads: start and stop from the main thread; request_cancel from any. The worker's thread runs
 * plans and talks to the store; no lock is held while a unit runs. A post thread encodes and stores
 *          the result of job n while the worker computes job n+1. */
#ifndef SYN_WORKER_H
#define SYN_WORKER_H

#include "server/jobs/blobs.h"
#include "server/jobs/store.h"
#include "server/jobs/task.h"

struct syn_worker;

struct syn_worker_opts {
    struct syn_store *store;
    struct syn_models *models;
    struct syn_engine *engine; /* for trim: after running out of memory, and when idle */
    struct syn_task_limits limits;
    int32_t idle_trim_ms;      /* idle for so long: memory goes back to the system; 0 = never */
    /* Called once when a job reaches a final state or a unit is done; may be NULL. For metrics. */
    void (*on_unit)(void *user, const char *kind, const char *model, double seconds);
    void (*on_done)(void *user, const struct syn_job *job);
    void *user;
};

/* Starts the threads, holding: no job is taken and trouble is "starting" until syn_worker_go, so
 * that the listener can answer while the device is still being checked. */
SYN_MUST_CHECK syn_status syn_worker_start(const struct syn_worker_opts *opts,
                                           struct syn_worker **out, struct syn_err *err);
/* The running job with this id stops before its next unit; nothing when it is not running. */
void syn_worker_cancel(struct syn_worker *w, const char *id);
/* Stops after the running job, or after deadline_ms by putting it back to the queue; joins. What
 * has been computed is still encoded and stored. cancel and trouble may be called until free. */
void syn_worker_stop(struct syn_worker *w, int32_t deadline_ms);
void syn_worker_free(struct syn_worker *w); /* NULL-safe; stopped before */
/* Takes jobs from now on. */
void syn_worker_go(struct syn_worker *w);
/* Takes no job until go; trouble is reason (static text). */
void syn_worker_hold(struct syn_worker *w, const char *reason);
/* "" when it takes jobs, else why not: readiness. Static text: "starting", "selftest_failed",
 * "device_lost" (restart the process: the job is recovered and its try counted), "storage" (a
 * result cannot be written; tried again each second), "stopping". */
const char *syn_worker_trouble(const struct syn_worker *w);

#endif
