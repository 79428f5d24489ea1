/* task.h - one job from its input's bytes to its output's bytes, without a queue around it.
 *
 *     open (request checked) -> decode -> size -> load -> compute -> encode; close from any
 *
 * The worker runs the steps of a queued job, encode on another thread than the rest; `synthd run`
 * runs all of them in a row.
 *
 * Layer:   server/jobs.
 * Threads: a task belongs to one thread at a time; different ones are independent. */
#ifndef SYN_TASK_H
#define SYN_TASK_H

#include "server/pipelines/kinds.h"

struct syn_task_limits {
    uint64_t max_input_bytes, max_pixels;
    int32_t max_side;
    uint64_t max_output_pixels;   /* 0 = no limit */
    int32_t max_output_side;      /* 0 = no limit */
    /* each for itself: the input while it is decoded, the pictures of the job from then on, the
     * workspace of one unit (0 = 1 GiB for that one, no limit for the others) */
    uint64_t memory_budget_bytes;
};

struct syn_task_request {
    const char *kind, *model;    /* "upscale", a model's id */
    const char *model_digest;    /* the variant's digest at submit; "" or NULL: whatever is there */
    const char *params, *output; /* JSON objects; NULL = {} */
};

struct syn_task;

/* Which step failed decides the code (SYN_INVALID of a picture is not that of a parameter). */
enum syn_task_step {
    SYN_STEP_OPEN,
    SYN_STEP_DECODE,
    SYN_STEP_SIZE,
    SYN_STEP_LOAD,
    SYN_STEP_COMPUTE,
    SYN_STEP_ENCODE,
    SYN_STEP_STORE /* putting the output's bytes away: the worker's own */
};
/* Stable words of the API: "image_truncated", "unsupported_media", "invalid_image",
 * "payload_too_large", "out_of_memory", "numeric_error", "unknown_model", "model_failed",
 * "invalid_field", "device_lost", "storage_failed", "internal"... */
const char *syn_task_code(enum syn_task_step step, syn_status st);

/* SYN_NOT_FOUND: model; SYN_INVALID: kind, params or output, every wrong field in the text. */
SYN_MUST_CHECK syn_status syn_task_open(struct syn_models *models, const struct syn_task_request *r,
                                        const struct syn_task_limits *limits, struct syn_task **out,
                                        struct syn_err *err);
/* bytes are borrowed for the call. SYN_TOO_LARGE, by the header alone: over a limit, or the job's
 * pictures together are over the budget. */
SYN_MUST_CHECK syn_status syn_task_decode(struct syn_task *t, const void *bytes, size_t n,
                                          struct syn_err *err);
/* Exact size of the output against the limits. SYN_INVALID names the parameter; SYN_TOO_LARGE;
 * SYN_CONFLICT: the model's files are not those of the request's model_digest. */
SYN_MUST_CHECK syn_status syn_task_size(struct syn_task *t, struct syn_err *err);
/* Acquires the model and plans the units. cancel may be NULL and must outlive compute. */
SYN_MUST_CHECK syn_status syn_task_load(struct syn_task *t, const atomic_bool *cancel,
                                        struct syn_err *err);
/* Runs every unit; afterwards the model is released and the picture is in the task. */
SYN_MUST_CHECK syn_status syn_task_compute(struct syn_task *t, const struct syn_drive *drive,
                                           struct syn_err *err);
/* The output's bytes (caller deinits) and what they are. */
SYN_MUST_CHECK syn_status syn_task_encode(struct syn_task *t, struct syn_buf *out,
                                          const char **media_type, int32_t *width, int32_t *height,
                                          struct syn_err *err);
/* After compute: {"color":"assumed_srgb","tiles":4,...} (caller: syn_free); NULL without memory. */
char *syn_task_result(const struct syn_task *t);
/* After decode: a JSON array of what the caller should know; NULL when there is nothing. Static. */
const char *syn_task_warnings(const struct syn_task *t);
/* Bytes of the picture that the task holds. */
uint64_t syn_task_picture_bytes(const struct syn_task *t);
void syn_task_close(struct syn_task *t); /* NULL-safe */

#endif
