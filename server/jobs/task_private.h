/* task_private.h - what a kind adds to the steps of task.h.
 *
 * A kind's task begins with struct syn_task; kinds that make pictures begin with struct
 * syn_picture_task (task_picture.c), which serves the slots that are the same for all of them.
 *
 * Layer:   server/jobs, private to task*.c.   Threads: as task.h. */
#ifndef SYN_TASK_PRIVATE_H
#define SYN_TASK_PRIVATE_H

#include "server/jobs/params.h"
#include "server/jobs/task.h"

#define SYN_TASK_MAX_ROWS 16 /* of a kind's parameter or output table */

enum syn_task_medium { SYN_MEDIUM_PICTURE, SYN_MEDIUM_SOUND, SYN_MEDIUM_TENSOR };

struct syn_task_kind {
    const char *kind;  /* "upscale" */
    const char *units; /* "tiles" */
    size_t bytes;      /* of the kind's own task */
    enum syn_task_medium medium; /* of its inputs: decides the words of their errors */

    /* As syn_upscale_params_parse; there is a manifest. */
    syn_status (*read_params)(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs);
    syn_status (*read_output)(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs);
    /* Of the table's rows, those whose default says nothing for this model or beside what is given
     * (bit i: row i). NULL: none. */
    uint32_t (*unset)(const struct syn_task *t);
    /* The whole sets that take effect, where the tables' defaults are not enough; NULL: they are. */
    struct json_t *(*params)(const struct syn_task *t);
    struct json_t *(*output)(const struct syn_task *t);

    /* Input i by its header, within the limits; keeps what it says. A failure has fault->err, and
     * may have code, limit and received. Called by admission, and before decode. */
    syn_status (*probe)(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                        struct syn_task_fault *fault);
    /* What the headers so far say against the memory for the whole job: SYN_TOO_LARGE. NULL: the
     * probe has seen all. */
    syn_status (*memory)(struct syn_task *t, struct syn_task_fault *fault);
    /* All inputs together with the parameters; fault->member and name say where. NULL: nothing. */
    syn_status (*check)(struct syn_task *t, struct syn_task_fault *fault);
    /* The same with the output's format. */
    syn_status (*check_output)(struct syn_task *t, struct syn_task_fault *fault);
    /* After check; NULL: the manifest's digest. */
    const char *(*digest)(const struct syn_task *t);

    syn_status (*decode)(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                         struct syn_err *err);
    /* Opens t->pipeline. */
    syn_status (*load)(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err);
    /* After the last unit: takes the results out of t->pipeline, which is closed next. */
    syn_status (*finish)(struct syn_task *t, struct syn_err *err);
    /* What the pipeline tells of its run, also a failed one; before it is closed. May be NULL. */
    void (*report)(struct syn_task *t);
    int32_t (*outputs)(const struct syn_task *t); /* NULL: one */
    syn_status (*encode)(struct syn_task *t, int32_t i, struct syn_buf *out,
                         struct syn_task_made *made, struct syn_err *err);
    struct json_t *(*result)(const struct syn_task *t); /* NULL without memory */
    /* Input i, accepted though its file ends early: what stands in for the missing part. NULL: it is
     * whole. */
    const char *(*cut_short)(const struct syn_task *t, int32_t i);
    uint64_t (*held_bytes)(const struct syn_task *t);
    void (*close)(struct syn_task *t); /* what the kind's own members hold */
};

struct syn_task_input {
    char name[SYN_TASK_NAME_SIZE];
    bool probed, decoded;
};

struct syn_task {
    const struct syn_task_kind *kind;
    const struct syn_kind *row;          /* its tables */
    struct syn_models *models;           /* borrowed */
    const struct syn_manifest *manifest; /* borrowed from models */
    struct syn_task_limits limits;
    char model_digest[65];
    struct syn_param_list params_text, output_text; /* what params were read from; may be empty */
    struct syn_param params[SYN_TASK_MAX_ROWS], output[SYN_TASK_MAX_ROWS]; /* given; no name: not */
    struct syn_task_input input[SYN_TASK_MAX_INPUTS]; /* in the kind's order, or as they come */
    int32_t n_inputs;
    struct syn_pipeline *pipeline; /* between load and compute */
};

extern const struct syn_task_kind syn_task_upscale, syn_task_stylize, syn_task_matte,
    syn_task_denoise, syn_task_tensor;

/* fault->err, limit and received of a number that is over a limit; SYN_TOO_LARGE. */
syn_status syn_task_too_large(struct syn_task_fault *fault, const char *what, uint64_t received,
                              uint64_t limit);
/* Where a fault lies, and its word (NULL: the step's usual one). */
void syn_task_blame(struct syn_task_fault *fault, const char *member, const char *name,
                    const char *code);

/* ---- task_picture.c: what kinds that make one picture share ---- */

#define SYN_PICTURE_MAX_INPUTS 2
struct syn_picture_input {
    struct syn_image_info info; /* after probe */
    struct syn_image image;     /* from decode to load */
    struct syn_image_report report;
};
struct syn_picture_task {
    struct syn_task base;
    struct syn_picture_input in[SYN_PICTURE_MAX_INPUTS]; /* the first is what becomes the result */
    struct syn_output_spec output;
    bool accept_truncated;
    struct syn_image made; /* after compute */
};
/* A second picture was given. */
bool syn_picture_has(const struct syn_task *t, int32_t i);
syn_status syn_picture_read_output(struct syn_task *t, const struct syn_param *p, int32_t n,
                                   struct syn_field_errors *errs);
struct json_t *syn_picture_output(const struct syn_task *t);
syn_status syn_picture_probe(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                             struct syn_task_fault *fault);
syn_status syn_picture_decode(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                              struct syn_err *err);
/* For results of the first input's size. */
syn_status syn_picture_check_output(struct syn_task *t, struct syn_task_fault *fault);
syn_status syn_picture_finish(struct syn_task *t, struct syn_err *err);
syn_status syn_picture_encode(struct syn_task *t, int32_t i, struct syn_buf *out,
                              struct syn_task_made *made, struct syn_err *err);
const char *syn_picture_cut_short(const struct syn_task *t, int32_t i);
uint64_t syn_picture_held_bytes(const struct syn_task *t);
void syn_picture_close(struct syn_task *t);
/* {"color":...,"input":{...}}: of the first input; NULL without memory. */
struct json_t *syn_picture_result(const struct syn_task *t);
/* The slots that every such kind fills alike. */
#define SYN_PICTURE_SLOTS                                                                          \
    .medium = SYN_MEDIUM_PICTURE, .read_output = syn_picture_read_output,                          \
    .output = syn_picture_output, .probe = syn_picture_probe, .decode = syn_picture_decode,        \
    .finish = syn_picture_finish, .encode = syn_picture_encode,                                    \
    .cut_short = syn_picture_cut_short, .held_bytes = syn_picture_held_bytes,                      \
    .close = syn_picture_close

#endif
