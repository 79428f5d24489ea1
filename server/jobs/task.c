/* task.c - see task.h: the steps that are the same for all kinds; task_code.c has the error words.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "kernels/base/alloc.h"
#include "server/jobs/task_private.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(SYN_TASK_MAX_INPUTS == SYN_MAX_UNIT_IO, "a network's inputs");
_Static_assert(SYN_UPSCALE_N_PARAMS <= SYN_TASK_MAX_ROWS, "rows are kept by index");

/* One row a kind. */
static const struct syn_task_kind *const kinds[] = {
    &syn_task_upscale, &syn_task_stylize, &syn_task_matte, &syn_task_denoise, &syn_task_tensor};

static const struct syn_task_kind *find_kind(const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->kind, kind) == 0) return kinds[i];
    return NULL;
}

/* ---- opening ---- */

syn_status syn_task_new(struct syn_models *models, const struct syn_kind *row,
                        const struct syn_manifest *m, const struct syn_task_limits *limits,
                        struct syn_task **out, struct syn_err *err)
{
    const struct syn_task_kind *kind = find_kind(row->kind);
    struct syn_task *t;
    if (!kind) return syn_fail(err, SYN_INTERNAL, "kind %s has no task", row->kind);
    t = syn_calloc(1, kind->bytes);
    if (!t) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    t->kind = kind;
    t->row = row;
    t->models = models;
    t->manifest = m;
    t->limits = *limits;
    t->n_inputs = row->n_inputs;
    for (int32_t i = 0; i < row->n_inputs; i++)
        snprintf(t->input[i].name, sizeof t->input[i].name, "%s", row->input[i].name);
    *out = t;
    return SYN_OK;
}

/* What was given, by the table's rows. */
static void keep(const struct syn_param_spec *spec, int32_t n_spec, const struct syn_param *p,
                 int32_t n, struct syn_param *given)
{
    for (int32_t i = 0; i < n_spec; i++)
        for (int32_t k = 0; k < n; k++)
            if (strcmp(spec[i].name, p[k].name) == 0) given[i] = p[k];
}

syn_status syn_task_read_params(struct syn_task *t, const struct syn_param *p, int32_t n,
                                struct syn_field_errors *errs)
{
    const struct syn_param *value[SYN_TASK_MAX_ROWS];
    const int32_t before = errs->n + errs->n_more;
    syn_status st = SYN_OK;
    if (t->manifest) st = t->kind->read_params(t, p, n, errs);
    else syn_params_check(t->row->param, t->row->n_params, p, n, value, errs);
    if (st != SYN_OK || errs->n + errs->n_more > before) return SYN_INVALID;
    keep(t->row->param, t->row->n_params, p, n, t->params);
    return SYN_OK;
}

syn_status syn_task_read_output(struct syn_task *t, const struct syn_param *p, int32_t n,
                                struct syn_field_errors *errs)
{
    syn_status st = t->kind->read_output(t, p, n, errs);
    if (st == SYN_OK) keep(t->row->output, t->row->n_output, p, n, t->output);
    return st;
}

json_t *syn_task_params(const struct syn_task *t)
{
    if (t->kind->params) return t->kind->params(t);
    return syn_params_effective(t->row->param, t->row->n_params, t->params,
                                t->kind->unset ? t->kind->unset(t) : 0);
}

json_t *syn_task_output(const struct syn_task *t)
{
    if (t->kind->output) return t->kind->output(t);
    return syn_params_effective(t->row->output, t->row->n_output, t->output, 0);
}

/* Reads one JSON member and gives it to its validator. */
static syn_status read_member(struct syn_task *t, const char *member, const char *text,
                              struct syn_param_list *list,
                              syn_status (*read)(struct syn_task *t, const struct syn_param *p,
                                                 int32_t n, struct syn_field_errors *errs),
                              struct syn_err *err)
{
    struct syn_field_errors *errs = syn_calloc(1, sizeof *errs);
    syn_status st = errs ? syn_params_read(text, list, err)
                         : syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    if (st == SYN_OK) {
        st = read(t, list->item, list->n, errs);
        if (st != SYN_OK) syn_params_explain(errs, err);
    } else if (st == SYN_INVALID) {
        syn_fail_in(err, st, "%s: ", member);
    }
    syn_free(errs);
    return st;
}

syn_status syn_task_open(struct syn_models *models, const struct syn_task_request *r,
                         const struct syn_task_limits *limits, struct syn_task **out,
                         struct syn_err *err)
{
    struct syn_task *t = NULL;
    syn_status st;
    const struct syn_manifest *m = syn_models_find(models, r->model);
    const struct syn_kind *row = syn_kinds_find(r->kind);
    if (!row) return syn_fail(err, SYN_INVALID, "kind = \"%.40s\": unknown", r->kind);
    if (!m) return syn_fail(err, SYN_NOT_FOUND, "model = \"%.80s\": unknown", r->model);
    if (!syn_kind_takes(row, m))
        return syn_fail(err, SYN_INVALID, "model = \"%s\": is for kind \"%s\", not \"%s\"", m->id,
                        m->kind, r->kind);
    st = syn_task_new(models, row, m, limits, &t, err);
    if (st != SYN_OK) return st;
    if (r->model_digest) snprintf(t->model_digest, sizeof t->model_digest, "%s", r->model_digest);
    st = read_member(t, "params", r->params, &t->params_text, syn_task_read_params, err);
    if (st == SYN_OK)
        st = read_member(t, "output", r->output, &t->output_text, syn_task_read_output, err);
    if (st != SYN_OK) {
        syn_task_close(t);
        return st;
    }
    *out = t;
    return SYN_OK;
}

/* ---- inputs ---- */

/* Its place: in the kind's order, or the next one where the model names them. */
static syn_status place_input(struct syn_task *t, const char *name, int32_t *at,
                              struct syn_err *err)
{
    int32_t i = 0;
    while (i < t->n_inputs && strcmp(t->input[i].name, name) != 0) i++;
    if (i == t->n_inputs) {
        if (t->row->n_inputs)
            return syn_fail(err, SYN_INVALID, "inputs.%.60s: kind %s has no such input", name,
                            t->row->kind);
        if (i == SYN_TASK_MAX_INPUTS || strlen(name) >= sizeof t->input[i].name)
            return syn_fail(err, SYN_INVALID,
                            "inputs.%.60s: at most %d inputs with names of at most %zu bytes", name,
                            SYN_TASK_MAX_INPUTS, sizeof t->input[i].name - 1);
        snprintf(t->input[i].name, sizeof t->input[i].name, "%s", name);
        t->n_inputs++;
    }
    *at = i;
    return SYN_OK;
}

/* Its header, and what the headers so far need together. */
static syn_status probe(struct syn_task *t, int32_t at, const void *bytes, size_t n,
                        struct syn_task_fault *fault)
{
    syn_status st = t->kind->probe(t, at, bytes, n, fault);
    t->input[at].probed = st == SYN_OK;
    return st;
}

syn_status syn_task_decode(struct syn_task *t, const char *input, const void *bytes, size_t n,
                           struct syn_err *err)
{
    struct syn_task_fault fault = {0};
    int32_t at = 0;
    syn_status st = place_input(t, input, &at, err);
    if (st != SYN_OK) return st;
    if (t->input[at].decoded)
        return syn_fail(err, SYN_INVALID, "inputs.%.60s: given twice", input);
    st = probe(t, at, bytes, n, &fault);
    if (st == SYN_OK && t->kind->memory) st = t->kind->memory(t, &fault);
    if (st == SYN_OK) st = t->kind->decode(t, at, bytes, n, &fault.err);
    t->input[at].decoded = st == SYN_OK;
    if (st == SYN_OK) return SYN_OK;
    if (err) *err = fault.err;
    /* The text of a memory fault names its members itself. */
    return t->row->n_inputs != 1 && !fault.member ? syn_fail_in(err, st, "inputs.%.60s: ", input) : st;
}

static syn_status missing_input(const struct syn_task *t, struct syn_err *err)
{
    for (int32_t i = 0; i < t->row->n_inputs; i++)
        if (t->row->input[i].required && !t->input[i].decoded)
            return syn_fail(err, SYN_INVALID, "inputs.%s is missing: kind %s needs it",
                            t->input[i].name, t->row->kind);
    return SYN_OK;
}

syn_status syn_task_size(struct syn_task *t, struct syn_err *err)
{
    struct syn_task_fault fault = {0};
    syn_status st = missing_input(t, &fault.err);
    if (st == SYN_OK && t->kind->check) st = t->kind->check(t, &fault);
    if (st == SYN_OK && t->kind->check_output) st = t->kind->check_output(t, &fault);
    if (st != SYN_OK) {
        if (err) *err = fault.err;
        return st;
    }
    if (t->model_digest[0] && strcmp(t->model_digest, syn_task_digest(t)) != 0)
        return syn_fail(err, SYN_CONFLICT,
                        "model %s: its files are not those the job was accepted for",
                        t->manifest->id);
    return SYN_OK;
}

const char *syn_task_digest(const struct syn_task *t)
{
    return t->kind->digest ? t->kind->digest(t) : t->manifest->digest;
}

/* ---- the run ---- */

syn_status syn_task_load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    return t->kind->load(t, cancel, err);
}

syn_status syn_task_compute(struct syn_task *t, const struct syn_drive *drive, struct syn_err *err)
{
    syn_status st = syn_pipeline_drive(t->pipeline, drive, err);
    if (st == SYN_OK) st = t->kind->finish(t, err);
    if (t->kind->report) t->kind->report(t);
    syn_pipeline_close(t->pipeline);
    t->pipeline = NULL;
    return st;
}

/* ---- results ---- */

int32_t syn_task_outputs(const struct syn_task *t)
{
    return t->kind->outputs ? t->kind->outputs(t) : 1;
}

syn_status syn_task_encode(struct syn_task *t, int32_t i, struct syn_buf *out,
                           struct syn_task_made *made, struct syn_err *err)
{
    memset(made, 0, sizeof *made);
    snprintf(made->facts, sizeof made->facts, "{}");
    return t->kind->encode(t, i, out, made, err);
}

/* The text of v (stolen) in our own memory; NULL without. */
static char *text_of(json_t *v)
{
    char *dumped = v ? json_dumps(v, JSON_COMPACT) : NULL, *text;
    json_decref(v);
    text = dumped ? syn_strdup(dumped) : NULL;
    free(dumped);
    return text;
}

char *syn_task_result(const struct syn_task *t)
{
    return text_of(t->kind->result(t));
}

char *syn_task_warnings(const struct syn_task *t)
{
    json_t *list = NULL;
    for (int32_t i = 0; i < t->n_inputs; i++) {
        const char *what = t->kind->cut_short ? t->kind->cut_short(t, i) : NULL;
        if (!what) continue;
        if (!list) list = json_array();
        json_array_append_new(list, json_sprintf("inputs.%s: the file ends early; %s",
                                                 t->input[i].name, what));
    }
    return text_of(list);
}

uint64_t syn_task_held_bytes(const struct syn_task *t)
{
    return t->kind->held_bytes(t);
}

const char *syn_task_units(const struct syn_task *t)
{
    return t->kind->units;
}

void syn_task_close(struct syn_task *t)
{
    if (!t) return;
    syn_pipeline_close(t->pipeline);
    t->kind->close(t);
    syn_params_deinit(&t->params_text);
    syn_params_deinit(&t->output_text);
    syn_free(t);
}

/* ---- admission ---- */

syn_status syn_task_too_large(struct syn_task_fault *fault, const char *what, uint64_t received,
                              uint64_t limit)
{
    fault->limit = limit;
    fault->received = received;
    return syn_fail(&fault->err, SYN_TOO_LARGE, "%s = %llu: at most %llu", what,
                    (unsigned long long)received, (unsigned long long)limit);
}

void syn_task_blame(struct syn_task_fault *fault, const char *member, const char *name,
                    const char *code)
{
    fault->member = member;
    snprintf(fault->name, sizeof fault->name, "%s", name);
    fault->code = code;
}

/* Of a header; what is malformed is a wrong value here, not yet a failed job. */
static const char *probe_code(const struct syn_task *t, syn_status st)
{
    switch (st) {
    case SYN_UNSUPPORTED: return "unsupported_media";
    case SYN_TOO_LARGE: return "payload_too_large";
    case SYN_NO_MEMORY: return "out_of_memory";
    case SYN_TRUNCATED:
        return t->kind->medium == SYN_MEDIUM_PICTURE ? "image_truncated"
               : t->kind->medium == SYN_MEDIUM_SOUND ? "audio_truncated"
                                                     : "invalid_field";
    default: return "invalid_field";
    }
}

bool syn_task_probe(struct syn_task *t, const char *input, const void *bytes, size_t n,
                    struct syn_task_fault *fault)
{
    int32_t at = 0;
    syn_status st;
    memset(fault, 0, sizeof *fault);
    st = place_input(t, input, &at, &fault->err);
    if (st == SYN_OK) st = probe(t, at, bytes, n, fault);
    if (st == SYN_OK) return true;
    syn_task_blame(fault, "inputs", input, fault->code ? fault->code : probe_code(t, st));
    return false;
}

int32_t syn_task_check(struct syn_task *t, struct syn_task_fault fault[SYN_TASK_MAX_FAULTS])
{
    syn_status (*const step[])(struct syn_task *, struct syn_task_fault *) = {
        t->kind->check, t->kind->memory, t->kind->check_output};
    int32_t n = 0;
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        struct syn_task_fault *f = &fault[n];
        memset(f, 0, sizeof *f);
        syn_status st = SYN_OK;
        if (step[i]) st = step[i](t, f);
        if (st == SYN_OK) continue;
        if (!f->member) f->member = "params";
        if (st == SYN_NO_MEMORY) f->code = "out_of_memory";
        if (!f->code) f->code = i == 1 ? "payload_too_large" : "unsupported_value";
        n++;
        if (i == 0) break; /* the rest stands on it */
    }
    return n;
}
