/* store.h - jobs on disk: one interface, SQLite (WAL) behind it.
 *
 *   submit ──► queued ──take──► running ──finish──► succeeded | failed | canceled
 *                │                 │  ▲
 *                │ cancel          │  └─ cancel sets cancel_requested; the worker finishes it as canceled
 *                ▼                 │
 *             canceled             └── process died: recover() puts it back to queued, or to failed
 *                                      (code "crashed") once attempts = the limit
 *   succeeded | failed | canceled ──retention──► expired (no blobs held, row kept) ──► row removed
 *
 * Invariants
 *  1. A job is in exactly one state; every transition is one UPDATE guarded by the old state.
 *  2. submit returns after the row is durable (WAL, synchronous = FULL; commits are grouped).
 *  3. attempts is raised in the same transaction that sets running, before any work.
 *  4. finish is durable before anybody is told. A final state never changes, but to expired.
 *  5. Outputs named by a succeeded row are blobs that were fsynced before the row changed.
 *  6. Ids grow strictly, also when the clock is set back: newest first is id descending.
 *
 * Group commit: one writer thread owns the only writing connection. Calls that change something queue
 * up; it runs all that are waiting in one transaction, one fsync, and then lets their callers go.
 * Reads have connections of their own and never wait for it.
 *
 * Layer:   server/jobs: kernels/base. Plain structs; JSON documents pass through as opaque text.
 * Threads: every function may be called from any thread at any time. */
#ifndef SYN_STORE_H
#define SYN_STORE_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYN_JOB_ID_SIZE 32      /* "job_" + 22 characters of base32, sortable by time, and NUL */
#define SYN_SHA256_HEX_SIZE 65
#define SYN_MAX_JOB_INPUTS 17   /* a network's inputs and outputs, see pipelines/pipeline.h */
#define SYN_MAX_JOB_OUTPUTS 17
#define SYN_MAX_JOB_NAME 127    /* bytes of an input's or output's name */
#define SYN_MAX_JOB_TEXT (1u << 20)  /* bytes of each JSON member */
#define SYN_MAX_IDEMPOTENCY_KEY 511  /* bytes; room for a caller's scope before a client's 255 */

enum syn_job_state {
    SYN_JOB_QUEUED,
    SYN_JOB_RUNNING,
    SYN_JOB_SUCCEEDED,
    SYN_JOB_FAILED,
    SYN_JOB_CANCELED,
    SYN_JOB_EXPIRED,
    SYN_JOB_STATE_COUNT
};
const char *syn_job_state_word(enum syn_job_state s); /* "queued" ... */

struct syn_job_input {
    char name[SYN_MAX_JOB_NAME + 1];  /* "image" */
    char sha256[SYN_SHA256_HEX_SIZE]; /* a blob */
};

struct syn_job_output {
    char sha256[SYN_SHA256_HEX_SIZE];
    char media_type[64];
    uint64_t bytes;
    int32_t width, height; /* 0 when not a picture */
    char name[SYN_MAX_JOB_NAME + 1]; /* "image"; "": of a job of an older version */
};

/* A job as the store keeps it. Text members are owned (syn_job_deinit). */
struct syn_job {
    char id[SYN_JOB_ID_SIZE];
    enum syn_job_state state;
    char kind[32];
    char family[16];               /* API family it came by: "native", "sdapi"...; "" = not said */
    char owner[64];                /* name of the API key; "" = none */
    char retry_of[SYN_JOB_ID_SIZE]; /* the job this one repeats, or "" */
    char model[96];                /* id; resolved at submit */
    char model_digest[SYN_SHA256_HEX_SIZE];
    int32_t priority;              /* higher first, then first come; 0 by default, -100..100 */
    char *params;                  /* JSON object: the effective parameters with defaults; not NULL */
    char *output_spec;             /* JSON object: format, quality...; not NULL */
    char *metadata;                /* JSON object of the client, or NULL */
    char *warnings;                /* JSON array, or NULL */
    char *result;                  /* JSON object of the pipeline (color, tiles...), or NULL */
    char *canonical_request;       /* the request in canonical form: what an idempotency key is held
                                      against; may be NULL. Filled by get and take, not by list */
    struct syn_job_input input[SYN_MAX_JOB_INPUTS];
    int32_t n_inputs;
    struct syn_job_output output[SYN_MAX_JOB_OUTPUTS];
    int32_t n_outputs;
    int32_t attempts;
    int64_t units_done, units_total; /* 0/0 before the plan is known */
    char stage[24];                  /* "decode", "upscale", "encode"...; "" when not running */
    bool cancel_requested;
    int64_t created_ms, started_ms, finished_ms, expires_ms; /* Unix time; 0 = not yet / never */
    double seconds_queue, seconds_load, seconds_compute, seconds_encode;
    char error_code[32];             /* "" unless failed */
    char error_detail[400];
    int32_t queue_position;          /* filled by get and list: 0 = next; -1 when not queued */
};
bool syn_job_id_ok(const char *id); /* has the form of an id; the job may not be there */
void syn_job_deinit(struct syn_job *j); /* frees the text members; safe on a zeroed struct */

struct syn_store;

struct syn_store_opts {
    const char *data_dir;        /* created when absent; holds synthd.db and blobs/ */
    int32_t max_queued;          /* submit beyond it is SYN_BUSY */
    int32_t max_attempts;        /* see recover */
    int64_t result_retention_ms; /* a job that ended expires after this; 0 = never */
    int64_t row_retention_ms;    /* so long after it expired the row itself goes; 0 = never */
};

/* Opens or creates the database, takes an exclusive lock on the folder (SYN_CONFLICT when another
 * process holds it), migrates the schema, and recovers: every running job goes back to queued, or to
 * failed with code "crashed" when attempts >= max_attempts (a requested cancel ends as canceled). */
SYN_MUST_CHECK syn_status syn_store_open(const struct syn_store_opts *opts, struct syn_store **out,
                                         struct syn_err *err);
void syn_store_close(struct syn_store *s); /* NULL-safe; waits for commits under way */

struct syn_submit {
    /* kind, family, owner, model, model_digest, priority, params, output_spec (NULL = {}), metadata,
     * warnings, canonical_request, input[]: read, borrowed for the call; the rest is ignored */
    const struct syn_job *job;
    const char *idempotency_key; /* NULL = none; 1..SYN_MAX_IDEMPOTENCY_KEY bytes, printable ASCII */
    /* bit i: the bytes of input[i] came with the request. Of any other input the job's owner must
     * own the blob already */
    uint32_t brought;
};
/* Durable when it returns. *id gets the new id. With a known idempotency key: SYN_OK with
 * *replayed = true and the old id when canonical_request is equal, else SYN_CONFLICT; in both cases id
 * is the old job's. A key is known as long as its row. replayed may be NULL. SYN_BUSY: the queue is
 * full (a replay is never refused). Every input blob must exist and be the owner's: SYN_NOT_FOUND names
 * it, and does not tell the two apart. The inputs are the owner's from then on. SYN_INVALID,
 * SYN_TOO_LARGE: a member is out of range. SYN_IO: nothing was stored. */
SYN_MUST_CHECK syn_status syn_store_submit(struct syn_store *s, const struct syn_submit *in,
                                           char id[SYN_JOB_ID_SIZE], bool *replayed,
                                           struct syn_err *err);

/* Who may read a blob and name it in a job, where there are API keys: its owners, the keys that
 * brought its bytes (own, or submit) or whose job made them (finish). The blob's going ends it. owner
 * "": nobody has keys; it owns everything, and own does nothing. own is durable when it returns. */
SYN_MUST_CHECK syn_status syn_store_blob_own(struct syn_store *s, const char *sha256,
                                             const char *owner, struct syn_err *err);
SYN_MUST_CHECK syn_status syn_store_blob_owns(struct syn_store *s, const char *sha256,
                                              const char *owner, bool *owns, struct syn_err *err);

/* A copy of the job (caller deinits). SYN_NOT_FOUND. */
SYN_MUST_CHECK syn_status syn_store_get(struct syn_store *s, const char *id, struct syn_job *out,
                                        struct syn_err *err);

struct syn_job_filter {
    int32_t state;                             /* enum syn_job_state, or -1 */
    const char *kind, *model, *family, *owner; /* NULL = any */
    const char *before_id; /* cursor: only jobs older than this one; NULL = from the newest */
    int32_t limit;         /* 1..200 */
};
/* Newest first. *out is an array of *n jobs: deinit each, then syn_free. */
SYN_MUST_CHECK syn_status syn_store_list(struct syn_store *s, const struct syn_job_filter *f,
                                         struct syn_job **out, int32_t *n, struct syn_err *err);

/* The next queued job becomes running, attempts + 1, durable. SYN_NOT_FOUND: nothing is queued, or the
 * queue is paused. The caller deinits *out. */
SYN_MUST_CHECK syn_status syn_store_take(struct syn_store *s, struct syn_job *out,
                                         struct syn_err *err);
/* Waits until a take may find something, or timeout_ms, or syn_store_wake. A wake while nobody waits
 * makes the next wait return at once. */
void syn_store_wait(struct syn_store *s, int32_t timeout_ms);
void syn_store_wake(struct syn_store *s);

/* A paused queue accepts jobs and gives none out. Durable: it survives a restart. */
SYN_MUST_CHECK syn_status syn_store_pause(struct syn_store *s, bool paused, struct syn_err *err);
bool syn_store_paused(struct syn_store *s);

/* Progress of a running job; kept in memory, written to disk at most once a second. Never fails. */
void syn_store_progress(struct syn_store *s, const char *id, const char *stage, int64_t units_done,
                        int64_t units_total);

struct syn_finish {
    const char *id;
    enum syn_job_state state;              /* SUCCEEDED, FAILED or CANCELED */
    const char *error_code, *error_detail; /* for FAILED */
    const char *result;                    /* JSON, may be NULL */
    const char *warnings;                  /* JSON array replacing the old one; NULL leaves it */
    const struct syn_job_output *output;
    int32_t n_outputs;
    double seconds_load, seconds_compute, seconds_encode;
};
/* Compare-and-set from running; durable when it returns. SYN_CONFLICT: it was not running.
 * SYN_NOT_FOUND: no such job, or an output's blob is missing. Outputs are the job's owner's. The last progress is kept in the row. */
SYN_MUST_CHECK syn_status syn_store_finish(struct syn_store *s, const struct syn_finish *f,
                                           struct syn_err *err);
/* A running job goes back to the queue, in its old place, with its attempt taken back: shutdown. One
 * with cancel_requested ends as canceled. SYN_CONFLICT: not running. SYN_NOT_FOUND. */
SYN_MUST_CHECK syn_status syn_store_requeue(struct syn_store *s, const char *id,
                                            struct syn_err *err);

/* queued -> canceled at once; running -> cancel_requested, *running = true; canceled: fine again.
 * SYN_CONFLICT: succeeded, failed or expired. SYN_NOT_FOUND. */
SYN_MUST_CHECK syn_status syn_store_cancel(struct syn_store *s, const char *id, bool *running,
                                           struct syn_err *err);

/* A new job with the inputs and parameters of a failed or canceled one; retry_of names it, *new_id is
 * its id. SYN_CONFLICT: another state. SYN_EXPIRED: its inputs are gone. SYN_BUSY: queue full.
 * SYN_NOT_FOUND. */
SYN_MUST_CHECK syn_status syn_store_retry(struct syn_store *s, const char *id,
                                          char new_id[SYN_JOB_ID_SIZE], struct syn_err *err);

/* Waits until the job is in a final state or timeout_ms has passed, or syn_store_stop_waiters; SYN_OK
 * in all three (get tells which). SYN_NOT_FOUND: no such job. */
SYN_MUST_CHECK syn_status syn_store_wait_final(struct syn_store *s, const char *id,
                                               int32_t timeout_ms, struct syn_err *err);
/* Shutdown: every wait_final returns at once from now on. */
void syn_store_stop_waiters(struct syn_store *s);

/* Expires jobs and removes rows past retention, then blobs that no unexpired job names and that were
 * last written more than an hour before now_ms, and left-over temporary files. Called by a timer. */
SYN_MUST_CHECK syn_status syn_store_sweep(struct syn_store *s, int64_t now_ms, struct syn_err *err);

struct syn_store_counts {
    int64_t by_state[SYN_JOB_STATE_COUNT];
    int64_t oldest_queued_ms; /* created_ms; 0 = none */
    uint64_t blob_bytes;
    int64_t requeued_crash; /* running jobs that recovery put back to the queue at this start */
    int64_t submitted, finished[SYN_JOB_STATE_COUNT]; /* since this process started */
};
SYN_MUST_CHECK syn_status syn_store_counts(struct syn_store *s, struct syn_store_counts *out,
                                           struct syn_err *err);

#endif
