/* job_spec.c - see job_spec.h. What is particular to a kind a task knows (jobs/task.h). */
#include "server/http/families/native/job_spec.h"
#include "kernels/base/alloc.h"
#include "server/http/json.h"
#include "server/jobs/params.h"
#include <stdio.h>
#include <string.h>

#define MAX_METADATA 4096
#define MAX_PARAMS 64

static void read_kind(struct syn_job_spec *s, const json_t *v)
{
    const char *word = json_string_value(v);
    if (!v)
        syn_problem_add(&s->p, "/kind", SYN_CODE_missing_field,
                        "needed: GET /v1/kinds lists those there are");
    else if (!word) syn_problem_add(&s->p, "/kind", SYN_CODE_invalid_field, "must be a text");
    else if (!(s->kind = syn_kinds_find(word)))
        syn_problem_add(&s->p, "/kind", SYN_CODE_unknown_kind,
                        "%.60s: GET /v1/kinds lists those there are", word);
}

/* Absent: the only model that the kind takes; several are a choice that is not ours. */
static void default_model(struct syn_job_spec *s)
{
    const struct syn_models *ms = s->rq->http->opts.models;
    int32_t n = 0;
    for (int32_t i = 0; i < syn_models_count(ms); i++)
        if (syn_kind_takes(s->kind, syn_models_at(ms, i))) {
            s->model = syn_models_at(ms, i);
            n++;
        }
    if (n == 1) return;
    s->model = NULL;
    if (n == 0)
        syn_problem_add(&s->p, "/model", SYN_CODE_unknown_model,
                        "no model for kind %s is installed", s->kind->kind);
    else
        syn_problem_add(&s->p, "/model", SYN_CODE_missing_field,
                        "needed: %d models are for kind %s", (int)n, s->kind->kind);
}

static void read_model(struct syn_job_spec *s, const json_t *v)
{
    const char *id = json_string_value(v);
    if (!v) {
        if (s->kind) default_model(s);
    } else if (!id) {
        syn_problem_add(&s->p, "/model", SYN_CODE_invalid_field, "must be a text");
    } else if (!(s->model = syn_models_find(s->rq->http->opts.models, id))) {
        syn_problem_add(&s->p, "/model", SYN_CODE_unknown_model,
                        "%.60s: GET /v1/models lists those there are", id);
    } else if (s->kind && !syn_kind_takes(s->kind, s->model)) {
        syn_problem_add(&s->p, "/model", SYN_CODE_unsupported_value,
                        "%s is a model of kind %s and format %s", id, s->model->kind,
                        s->model->format);
        s->model = NULL;
    }
}

static void add_field_errors(struct syn_job_spec *s, const char *parent,
                             const struct syn_field_errors *errs)
{
    char pointer[200];
    for (int32_t i = 0; i < errs->n; i++) {
        syn_json_pointer(pointer, sizeof pointer, parent, errs->item[i].field);
        syn_problem_add(&s->p, pointer, syn_code_find(errs->item[i].code, SYN_CODE_invalid_field),
                        "%s", errs->item[i].detail);
    }
    s->p.n_errors_more += errs->n_more;
}

/* An object as a flat list; -1: an error was added. */
static int32_t param_list(struct syn_job_spec *s, const json_t *v, const char *pointer,
                          struct syn_param list[MAX_PARAMS])
{
    const char *name;
    json_t *item;
    int32_t n = 0;
    if (!v) return 0;
    if (!json_is_object(v)) {
        syn_problem_add(&s->p, pointer, SYN_CODE_invalid_field, "must be an object");
        return -1;
    }
    if (json_object_size(v) > MAX_PARAMS) {
        syn_problem_add(&s->p, pointer, SYN_CODE_invalid_field, "%zu members: at most %d",
                        json_object_size(v), MAX_PARAMS);
        return -1;
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, item)
        syn_param_of_json(name, item, &list[n++]);
    return n;
}

static void open_task(struct syn_job_spec *s)
{
    const struct syn_http_opts *o = &s->rq->http->opts;
    const struct syn_task_limits limits = {.max_pixels = o->max_pixels,
                                           .max_side = o->max_side,
                                           .max_output_pixels = o->max_output_pixels,
                                           .max_output_side = o->max_output_side,
                                           .max_sound_seconds = o->max_sound_seconds,
                                           .memory_budget_bytes = o->max_decoded_bytes};
    struct syn_err err;
    if (!s->kind) return;
    if (syn_task_new(o->models, s->kind, s->model, &limits, &s->task, &err) != SYN_OK)
        syn_problem_add(&s->p, "", SYN_CODE_out_of_memory, "%s", err.text);
}

/* One of the two members that the kind's tables describe; the set that takes effect into *out. */
static bool read_table(struct syn_job_spec *s, const json_t *v, const char *pointer,
                       syn_status (*read)(struct syn_task *t, const struct syn_param *p, int32_t n,
                                          struct syn_field_errors *errs),
                       json_t *(*effective)(const struct syn_task *t), json_t **out)
{
    struct syn_param list[MAX_PARAMS];
    struct syn_field_errors errs;
    const int32_t n = param_list(s, v, pointer, list);
    bool ok;
    if (n < 0 || !s->task) return false;
    memset(&errs, 0, sizeof errs);
    ok = read(s->task, list, n, &errs) == SYN_OK;
    if (ok && s->model) *out = effective(s->task);
    add_field_errors(s, pointer, &errs);
    return ok;
}

static void read_rest(struct syn_job_spec *s, json_t *root)
{
    json_t *priority = json_object_get(root, "priority"),
           *metadata = json_object_get(root, "metadata");
    json_t *left = json_object_get(root, "on_disconnect");
    const char *word = json_string_value(left);
    if (priority && (!json_is_integer(priority) || json_integer_value(priority) < -100 ||
                     json_integer_value(priority) > 100))
        syn_problem_add(&s->p, "/priority", SYN_CODE_invalid_field,
                        "must be an integer in [-100, 100]");
    else s->priority = (int32_t)json_integer_value(priority);
    if (metadata && !json_is_object(metadata))
        syn_problem_add(&s->p, "/metadata", SYN_CODE_invalid_field, "must be an object");
    else if (metadata && json_dumpb(metadata, NULL, 0, JSON_COMPACT) > MAX_METADATA)
        syn_problem_add(&s->p, "/metadata", SYN_CODE_invalid_field, "%zu bytes: at most %d",
                        json_dumpb(metadata, NULL, 0, JSON_COMPACT), MAX_METADATA);
    else s->metadata = metadata;
    if (left && (!word || (strcmp(word, "keep") && strcmp(word, "cancel"))))
        syn_problem_add(&s->p, "/on_disconnect", SYN_CODE_invalid_field, "must be keep or cancel");
    s->cancel_on_disconnect = word && !strcmp(word, "cancel");
}

static void refuse_unknown(struct syn_job_spec *s, json_t *root)
{
    static const char *const known[] = {"kind",   "model",    "inputs",   "params",
                                        "output", "priority", "metadata", "on_disconnect"};
    char pointer[200];
    const char *name;
    json_t *v;
    json_object_foreach(root, name, v)
    {
        bool ok = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) ok |= !strcmp(name, known[i]);
        if (ok) continue;
        syn_json_pointer(pointer, sizeof pointer, "", name);
        syn_problem_add(&s->p, pointer, SYN_CODE_unknown_field, "no such member");
    }
}

void syn_spec_add_fault(struct syn_job_spec *s, const struct syn_task_fault *fault)
{
    char parent[16], pointer[200];
    snprintf(parent, sizeof parent, "/%s", fault->member);
    if (fault->name[0]) syn_json_pointer(pointer, sizeof pointer, parent, fault->name);
    else snprintf(pointer, sizeof pointer, "%s", parent);
    syn_problem_add(&s->p, pointer, syn_code_find(fault->code, SYN_CODE_invalid_field), "%s",
                    fault->err.text);
    if (!fault->limit && !fault->received) return;
    s->p.has_limit = s->p.has_received = true;
    s->p.limit = fault->limit;
    s->p.received = fault->received;
}

/* What only inputs, parameters and output together tell: sizes, memory, format. */
static void check_together(struct syn_job_spec *s)
{
    struct syn_task_fault fault[SYN_TASK_MAX_FAULTS];
    int32_t n;
    if (!s->model || !s->params_ok || !s->inputs_ok) return;
    n = syn_task_check(s->task, fault);
    for (int32_t i = 0; i < n; i++)
        if (s->output_ok || strcmp(fault[i].member, "output")) syn_spec_add_fault(s, &fault[i]);
    if (n == 0) snprintf(s->digest, sizeof s->digest, "%s", syn_task_digest(s->task));
}

json_t *syn_spec_root(struct syn_job_spec *s)
{
    struct syn_body *b = &s->rq->body;
    const struct syn_form_part *spec = syn_body_part(b, "spec");
    const char *text = b->is_form ? (spec ? spec->text : NULL) : b->data;
    json_t *root = NULL;
    struct syn_err err;
    syn_status st;
    if (b->is_form && !spec) {
        syn_problem_set(&s->p, SYN_CODE_missing_field,
                        "spec: the form has no part of that name with the job as JSON");
        return NULL;
    }
    st = syn_json_parse(text, b->is_form ? spec->n : b->n, &root, &err);
    syn_free(b->data); /* a picture inside it is in the document now */
    b->data = NULL;
    b->n = b->cap = 0;
    if (st == SYN_OK && json_is_object(root)) return root;
    if (st == SYN_NO_MEMORY) syn_problem_from(&s->p, st, &err, s->rq->id);
    else
        syn_problem_set(&s->p, SYN_CODE_invalid_json, "%s%s", b->is_form ? "spec: " : "",
                        st == SYN_OK ? "not a JSON object" : err.text);
    json_decref(root);
    return NULL;
}

bool syn_spec_check(struct syn_job_spec *s, json_t *root)
{
    refuse_unknown(s, root);
    read_kind(s, json_object_get(root, "kind"));
    read_model(s, json_object_get(root, "model"));
    open_task(s);
    s->params_ok = read_table(s, json_object_get(root, "params"), "/params", syn_task_read_params,
                              syn_task_params, &s->params);
    s->output_ok = read_table(s, json_object_get(root, "output"), "/output", syn_task_read_output,
                              syn_task_output, &s->output_json);
    read_rest(s, root);
    syn_spec_read_inputs(s, json_object_get(root, "inputs"));
    syn_spec_probe_inputs(s);
    check_together(s);
    if (syn_problem_close(&s->p)) {
        syn_metrics_rejected(s->rq->http->metrics, "invalid");
        return false;
    }
    if (s->kind && s->model && s->params && s->output_json) return true;
    syn_problem_set(&s->p, SYN_CODE_out_of_memory, "no memory to check the job");
    s->p.retry_after_s = 2;
    return false;
}

void syn_spec_deinit(struct syn_job_spec *s)
{
    for (int32_t i = 0; i < s->n_inputs; i++) syn_free(s->input[i].bytes);
    s->n_inputs = 0;
    syn_task_close(s->task);
    s->task = NULL;
    json_decref(s->params);
    json_decref(s->output_json);
    s->params = s->output_json = NULL;
}
