/* task.h - one job of any kind, from its inputs' bytes to its outputs' bytes, without a queue around
 * it.
 *
 *     open (request checked) -> decode (each input) -> size -> load -> compute -> encode (each
 *     output); close from any
 *
 * The worker runs the steps of a queued job, encode on another thread than the rest; `synthd run`
 * runs all of them in a row. Who only has to know whether a job can be taken (admission) goes
 *
 *     new -> read_params, read_output -> probe (each input) -> check -> close
 *
 * and so hears the same refusals before anything is stored, from headers alone.
 *
 * A kind is one row: what it adds to these steps is in task_<kind>.c, behind task_private.h.
 *
 * Layer:   server/jobs.
 * Threads: a task belongs to one thread at a time; different ones are independent. */
#ifndef SYN_TASK_H
#define SYN_TASK_H

#include "server/pipelines/kinds.h"

#define SYN_TASK_MAX_INPUTS 17 /* as many as a network may have (SYN_MAX_UNIT_IO) */
#define SYN_TASK_NAME_SIZE 128 /* of an input's or output's name, with its NUL */

struct syn_task_limits {
    uint64_t max_input_bytes, max_pixels;
    int32_t max_side;
    uint64_t max_output_pixels;   /* 0 = no limit */
    int32_t max_output_side;      /* 0 = no limit */
    double max_sound_seconds;     /* 0 = no limit */
    /* each for itself: an input while it is decoded, the pictures (or the tensors) of the job from
     * then on, the workspace of one unit of an upscale (0 = 1 GiB for that one, no limit for the
     * others) */
    uint64_t memory_budget_bytes;
};

struct syn_task_request {
    const char *kind, *model;    /* "upscale", a model's id */
    const char *model_digest;    /* the digest at submit; "" or NULL: whatever is there */
    const char *params, *output; /* JSON objects; NULL = {} */
};

struct syn_task;

/* Which step failed decides the code (SYN_INVALID of an input is not that of a parameter). */
enum syn_task_step {
    SYN_STEP_OPEN,
    SYN_STEP_DECODE,
    SYN_STEP_SIZE,
    SYN_STEP_LOAD,
    SYN_STEP_COMPUTE,
    SYN_STEP_ENCODE,
    SYN_STEP_STORE /* putting an output's bytes away: the worker's own */
};
/* Stable words of the API: "image_truncated", "audio_truncated", "invalid_image", "invalid_audio",
 * "invalid_tensor", "unsupported_media", "payload_too_large", "out_of_memory", "numeric_error",
 * "unknown_model", "model_failed", "invalid_field", "device_lost", "storage_failed", "internal"...
 * t NULL: it could not be opened. */
const char *syn_task_code(const struct syn_task *t, enum syn_task_step step, syn_status st);

/* ---- the steps of a job ---- */

/* SYN_NOT_FOUND: model; SYN_INVALID: kind, params or output, every wrong field in the text. */
SYN_MUST_CHECK syn_status syn_task_open(struct syn_models *models, const struct syn_task_request *r,
                                        const struct syn_task_limits *limits, struct syn_task **out,
                                        struct syn_err *err);
/* One input by its name; bytes are borrowed for the call. SYN_TOO_LARGE, by the headers alone: over
 * a limit, or the job's inputs so far are over the budget together. SYN_INVALID: malformed, no input
 * of this name, or given twice. */
SYN_MUST_CHECK syn_status syn_task_decode(struct syn_task *t, const char *input, const void *bytes,
                                          size_t n, struct syn_err *err);
/* After the last input: what inputs, parameters and output only tell together. SYN_INVALID names
 * the member, also an input that is missing; SYN_TOO_LARGE; SYN_CONFLICT: the model's files are not
 * those of the request's model_digest. */
SYN_MUST_CHECK syn_status syn_task_size(struct syn_task *t, struct syn_err *err);
/* Acquires the model and plans the units. cancel may be NULL and must outlive compute. */
SYN_MUST_CHECK syn_status syn_task_load(struct syn_task *t, const atomic_bool *cancel,
                                        struct syn_err *err);
/* Runs every unit; afterwards the model is released and the results are in the task. */
SYN_MUST_CHECK syn_status syn_task_compute(struct syn_task *t, const struct syn_drive *drive,
                                           struct syn_err *err);

/* How many there will be; from load on. */
int32_t syn_task_outputs(const struct syn_task *t);
struct syn_task_made {
    char name[SYN_TASK_NAME_SIZE]; /* "image", "audio", a tensor's */
    const char *media_type;        /* static */
    int32_t width, height;         /* of a picture; 0 otherwise */
    char facts[512];               /* a JSON object: of a tensor its type and shape... */
    char summary[256];             /* the same for a person: "80x80", "f32 [3, 2]" */
};
/* The bytes of output i (caller deinits) and what they are. */
SYN_MUST_CHECK syn_status syn_task_encode(struct syn_task *t, int32_t i, struct syn_buf *out,
                                          struct syn_task_made *made, struct syn_err *err);
/* After the last encode: {"color":"assumed_srgb","tiles":4,...} (caller: syn_free); NULL without
 * memory. */
char *syn_task_result(const struct syn_task *t);
/* After decode: a JSON array of what the caller should know (caller: syn_free). NULL when there is
 * nothing, or no memory for it. */
char *syn_task_warnings(const struct syn_task *t);
/* Bytes of the results that the task holds. */
uint64_t syn_task_held_bytes(const struct syn_task *t);
/* What its progress counts: "tiles". Static. */
const char *syn_task_units(const struct syn_task *t);
void syn_task_close(struct syn_task *t); /* NULL-safe */

/* ---- admission ---- */

/* A reason not to take a job: which member it is about, a stable word, a text. */
struct syn_task_fault {
    const char *member;            /* "inputs", "params" or "output"; static */
    char name[SYN_TASK_NAME_SIZE]; /* of the input or parameter; "": the member as a whole */
    const char *code;              /* "unsupported_value", "payload_too_large"...; static */
    struct syn_err err;
    uint64_t limit, received;      /* of what is too large; both 0: no numbers */
};
#define SYN_TASK_MAX_FAULTS 3

/* m NULL: no model was found; what the kind's tables tell is still checked. kind and m fit each
 * other (syn_kind_takes). */
SYN_MUST_CHECK syn_status syn_task_new(struct syn_models *models, const struct syn_kind *kind,
                                       const struct syn_manifest *m,
                                       const struct syn_task_limits *limits, struct syn_task **out,
                                       struct syn_err *err);
/* As syn_upscale_params_parse. Texts are borrowed for as long as the task lives. */
SYN_MUST_CHECK syn_status syn_task_read_params(struct syn_task *t, const struct syn_param *p,
                                               int32_t n, struct syn_field_errors *errs);
SYN_MUST_CHECK syn_status syn_task_read_output(struct syn_task *t, const struct syn_param *p,
                                               int32_t n, struct syn_field_errors *errs);
/* The sets that take effect, defaults included, as JSON objects (caller: json_decref): read again
 * they give the same job. After a read that was SYN_OK; NULL without memory. */
struct json_t *syn_task_params(const struct syn_task *t);
struct json_t *syn_task_output(const struct syn_task *t);
/* One input by its header, against the limits. False: *fault says why not. */
bool syn_task_probe(struct syn_task *t, const char *input, const void *bytes, size_t n,
                    struct syn_task_fault *fault);
/* After the last probe, what only all of them tell together. How many faults there are. */
int32_t syn_task_check(struct syn_task *t, struct syn_task_fault fault[SYN_TASK_MAX_FAULTS]);
/* What a job records of its model's files; after a check without faults. */
const char *syn_task_digest(const struct syn_task *t);

#endif
