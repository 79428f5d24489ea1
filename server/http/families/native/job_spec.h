/* job_spec.h - the body of POST /v1/jobs, checked: from JSON or a form to the plain parts of a job,
 * with all errors at once.
 *
 * Layer:   server/http, family native.
 * Threads: a spec belongs to its request. */
#ifndef SYN_JOB_SPEC_H
#define SYN_JOB_SPEC_H

#include "server/http/families/native/native.h"
#include "server/jobs/task.h"

struct syn_spec_input {
    char name[SYN_MAX_JOB_NAME + 1];
    char sha256[SYN_SHA256_HEX_SIZE];
    bool missing;   /* no such blob, or another key's: fine for the replay of an old request only */
    bool brought;   /* its bytes came with this request */
    uint8_t *bytes; /* of a data URI, not stored yet; owned */
    size_t n;
    bool probed;    /* its header is fine */
};

/* A request on its way to a job. */
struct syn_job_spec {
    struct syn_request *rq;
    struct syn_problem p; /* errors so far */
    const struct syn_kind *kind;
    const struct syn_manifest *model;
    struct syn_spec_input input[SYN_MAX_JOB_INPUTS];
    int32_t n_inputs;
    struct syn_task *task; /* of the kind, to ask whether it can be done; owned, may be NULL */
    bool params_ok, output_ok, inputs_ok;
    int32_t priority;
    bool cancel_on_disconnect;
    json_t *params, *output_json; /* effective; owned */
    json_t *metadata;             /* borrowed from the root */
    char digest[SYN_SHA256_HEX_SIZE]; /* of the model's files; "": not known */
};

/* The job's description: the body, or the form's part "spec". NULL: s->p says why. */
json_t *syn_spec_root(struct syn_job_spec *s);
/* Reads everything, so that all errors are told at once. False: s->p has them. What s borrows from
 * root is good as long as root lives. */
bool syn_spec_check(struct syn_job_spec *s, json_t *root);
/* Frees what s owns, but not s. */
void syn_spec_deinit(struct syn_job_spec *s);

/* ---- job_inputs.c, for job_spec.c ---- */

/* Files and texts of the form, then the member `inputs` (may be NULL). */
void syn_spec_read_inputs(struct syn_job_spec *s, const json_t *inputs);
/* Looks at the headers of what is there; misses those that are needed. */
void syn_spec_probe_inputs(struct syn_job_spec *s);
/* What a task says is wrong, by JSON pointer. */
void syn_spec_add_fault(struct syn_job_spec *s, const struct syn_task_fault *fault);
struct syn_spec_input *syn_spec_input(struct syn_job_spec *s, const char *name); /* NULL: none */

#endif
