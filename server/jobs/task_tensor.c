/* task_tensor.c - kind "tensor" as a task: named .npy files in, named .npy files out. See
 * task_private.h and pipelines/tensor_job.h.
 *
 * Which inputs there are, and of which type and shape, only the network says: admission asks it when
 * it is loaded, else the job fails when it is.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "kernels/base/alloc.h"
#include "server/jobs/task_private.h"
#include "server/media/npy.h"
#include "server/pipelines/tensor_job.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct made {
    char name[SYN_TASK_NAME_SIZE];
    struct syn_tensor tensor; /* data owned */
};

struct tensor {
    struct syn_task base;
    struct syn_tensor_params params;
    /* After probe type and shape alone; data from decode to load, owned. */
    struct syn_tensor_named in[SYN_TASK_MAX_INPUTS];
    size_t in_bytes[SYN_TASK_MAX_INPUTS];
    struct made made[SYN_MAX_UNIT_IO]; /* after compute */
    int32_t n_made;                    /* after load */
};

static struct tensor *self(struct syn_task *t)
{
    return (struct tensor *)t;
}
static const struct tensor *view(const struct syn_task *t)
{
    return (const struct tensor *)t;
}

static syn_status read_params(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    return syn_tensor_params_parse(p, n, t->manifest, &self(t)->params, errs);
}

static syn_status read_output(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    (void)t;
    for (int32_t i = 0; i < n; i++)
        syn_field_errors_add(errs, p[i].name, "unknown_field",
                             "output: kind tensor has no such member, it writes .npy");
    return n ? SYN_INVALID : SYN_OK;
}

static syn_status probe(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                        struct syn_task_fault *fault)
{
    struct tensor *d = self(t);
    const uint8_t *data;
    syn_status st =
        syn_npy_probe(bytes, n, &d->in[i].tensor, &data, &d->in_bytes[i], &fault->err);
    d->in[i].name = t->input[i].name;
    return st;
}

/* Of all inputs together; what a run needs beside them no header tells. */
static syn_status memory(struct syn_task *t, struct syn_task_fault *fault)
{
    const uint64_t limit = t->limits.memory_budget_bytes;
    uint64_t bytes = 0;
    for (int32_t i = 0; i < t->n_inputs; i++) bytes += self(t)->in_bytes[i];
    if (!limit || bytes <= limit) return SYN_OK;
    syn_task_blame(fault, "inputs", "", NULL);
    return syn_task_too_large(fault, "bytes of all tensors", bytes, limit);
}

/* The text begins with the member: "inputs.a is missing", "params.outputs = ...". */
static syn_status check(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct tensor *d = self(t);
    const char *text = fault->err.text, *member = "params";
    char name[SYN_TASK_NAME_SIZE];
    size_t n;
    syn_status st = syn_tensor_check(t->models, t->manifest, &d->params, d->in, t->n_inputs,
                                     &fault->err);
    if (st == SYN_OK) return st;
    if (strncmp(text, "inputs.", 7) == 0) member = "inputs";
    text = strchr(text, '.') ? strchr(text, '.') + 1 : "";
    n = strcspn(text, " ");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), text);
    syn_task_blame(fault, member, name,
                   strstr(fault->err.text, " is missing")   ? "missing_field"
                   : strstr(fault->err.text, " is unknown") ? "unknown_field"
                                                            : "unsupported_value");
    return st;
}

static syn_status decode(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                         struct syn_err *err)
{
    const uint64_t limit = t->limits.memory_budget_bytes;
    return syn_npy_decode(bytes, n, limit && limit < SIZE_MAX ? (size_t)limit : SIZE_MAX,
                          &self(t)->in[i].tensor, err);
}

static syn_status load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    struct tensor *d = self(t);
    syn_status st = syn_tensor_open(t->models, t->manifest, &d->params, d->in, t->n_inputs, cancel,
                                    &t->pipeline, err);
    if (st == SYN_OK) d->n_made = syn_tensor_results(t->pipeline);
    return st;
}

/* Names go into JSON; those in a model's file need not be UTF-8, nor is one that was cut. */
static void copy_name(char to[SYN_TASK_NAME_SIZE], const char *name)
{
    json_t *text;
    snprintf(to, SYN_TASK_NAME_SIZE, "%s", name);
    text = json_string(to);
    for (char *c = to; !text && *c; c++)
        if ((unsigned char)*c > 127) *c = '?';
    json_decref(text);
}

static syn_status finish(struct syn_task *t, struct syn_err *err)
{
    struct tensor *d = self(t);
    (void)err;
    for (int32_t i = 0; i < d->n_made; i++) {
        struct syn_tensor_named one;
        syn_tensor_take(t->pipeline, i, &one);
        copy_name(d->made[i].name, one.name);
        d->made[i].tensor = one.tensor;
    }
    return SYN_OK;
}

static int32_t outputs(const struct syn_task *t)
{
    return view(t)->n_made;
}

static json_t *shape_json(const struct syn_shape *s)
{
    json_t *dims = json_array();
    for (int32_t d = 0; dims && d < s->rank; d++)
        if (json_array_append_new(dims, json_integer((json_int_t)s->dim[d])) != 0) {
            json_decref(dims);
            return NULL;
        }
    return dims;
}

static syn_status encode(struct syn_task *t, int32_t i, struct syn_buf *out,
                         struct syn_task_made *made, struct syn_err *err)
{
    const struct made *m = &self(t)->made[i];
    const char *type = syn_dtype_word(m->tensor.dtype);
    char shape[160];
    size_t at;
    syn_status st = syn_npy_encode(&m->tensor, &out->data, &out->size, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "outputs.%.60s: ", m->name);
    snprintf(made->name, sizeof made->name, "%s", m->name);
    made->media_type = SYN_NPY_MEDIA_TYPE;
    snprintf(made->summary, sizeof made->summary, "%.60s %s %s", m->name, type,
             syn_shape_text(&m->tensor.shape, shape, sizeof shape));
    at = (size_t)snprintf(made->facts, sizeof made->facts, "{\"type\":\"%s\",\"shape\":[", type);
    for (int32_t d = 0; d < m->tensor.shape.rank; d++)
        at += (size_t)snprintf(made->facts + at, sizeof made->facts - at, "%s%lld", d ? "," : "",
                               (long long)m->tensor.shape.dim[d]);
    snprintf(made->facts + at, sizeof made->facts - at, "]}");
    return SYN_OK;
}

static json_t *result(const struct syn_task *t)
{
    const struct tensor *d = view(t);
    json_t *list = json_array();
    for (int32_t i = 0; list && i < d->n_made; i++) {
        const struct made *m = &d->made[i];
        if (json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", m->name, "type",
                                                  syn_dtype_word(m->tensor.dtype), "shape",
                                                  shape_json(&m->tensor.shape))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{s:o}", "tensors", list);
}

static uint64_t held_bytes(const struct syn_task *t)
{
    const struct tensor *d = view(t);
    uint64_t bytes = 0;
    for (int32_t i = 0; i < d->n_made; i++) {
        int64_t n = 0;
        if (syn_shape_elements(&d->made[i].tensor.shape, &n))
            bytes += (uint64_t)n * syn_dtype_bytes(d->made[i].tensor.dtype);
    }
    return bytes;
}

static void close_kind(struct syn_task *t)
{
    struct tensor *d = self(t);
    for (int32_t i = 0; i < SYN_TASK_MAX_INPUTS; i++) syn_free(d->in[i].tensor.data);
    for (int32_t i = 0; i < SYN_MAX_UNIT_IO; i++) syn_free(d->made[i].tensor.data);
}

const struct syn_task_kind syn_task_tensor = {.kind = SYN_TENSOR_KIND,
                                              .units = "networks",
                                              .bytes = sizeof(struct tensor),
                                              .medium = SYN_MEDIUM_TENSOR,
                                              .read_params = read_params,
                                              .read_output = read_output,
                                              .probe = probe,
                                              .memory = memory,
                                              .check = check,
                                              .decode = decode,
                                              .load = load,
                                              .finish = finish,
                                              .outputs = outputs,
                                              .encode = encode,
                                              .result = result,
                                              .held_bytes = held_bytes,
                                              .close = close_kind};
