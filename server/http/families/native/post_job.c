/* post_job.c - POST /v1/jobs: check everything, store the inputs, submit, answer 202; or wait.
 *
 * All errors of a body are found in one go and named by JSON pointer. Pictures are looked at by their
 * headers here, so that a hostile or unsupported one never becomes a job; a data URI is stored as a blob
 * only when the whole request is sound.
 *
 * Threads: a listener thread; never waits for the engine. Prefer: wait blocks this connection only.
 * Checklist for a new kind: read_params and resolve, beside its table in server/pipelines/kinds.h. */
#include "kernels/base/alloc.h"
#include "server/http/datauri.h"
#include "server/http/families/native/native.h"
#include "server/http/json.h"
#include "server/media/image.h"
#include "server/pipelines/kinds.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_WAIT_S 25
#define MAX_METADATA 4096
#define MAX_PARAMS 64
#define WAIT_SLICE_MS 250

struct input {
    char name[32];
    char sha256[SYN_SHA256_HEX_SIZE];
    bool missing;   /* no such blob: fine for the replay of an old request only */
    uint8_t *bytes; /* of a data URI, not stored yet; owned */
    size_t n;
    bool probed;
    struct syn_image_info info;
};

/* A request on its way to a job. */
struct submit {
    struct syn_request *rq;
    struct syn_problem p; /* errors so far */
    const struct syn_kind *kind;
    const struct syn_manifest *model;
    struct input input[SYN_MAX_JOB_INPUTS];
    int32_t n_inputs;
    struct syn_upscale_params upscale;
    bool params_ok;
    struct syn_output_spec output;
    bool output_ok;
    int32_t priority;
    bool cancel_on_disconnect;
    json_t *params, *output_json; /* effective; owned */
    json_t *metadata;             /* borrowed from the root */
    const char *digest;
};

/* ---- inputs ---- */

static const struct syn_kind_input *kind_input(const struct syn_kind *k, const char *name)
{
    for (int32_t i = 0; i < k->n_inputs; i++)
        if (!strcmp(k->input[i].name, name)) return &k->input[i];
    return NULL;
}

static struct input *find_input(struct submit *s, const char *name)
{
    for (int32_t i = 0; i < s->n_inputs; i++)
        if (!strcmp(s->input[i].name, name)) return &s->input[i];
    return NULL;
}

/* A new input of that name; NULL: an error was added. */
static struct input *add_input(struct submit *s, const char *name, const char *pointer)
{
    struct input *in;
    if (s->kind && !kind_input(s->kind, name)) {
        syn_problem_add(&s->p, pointer, SYN_CODE_unknown_field, "kind %s has no input of this name", s->kind->kind);
        return NULL;
    }
    if (find_input(s, name)) {
        syn_problem_add(&s->p, pointer, SYN_CODE_duplicate_field, "given twice: as a part of the form and in inputs");
        return NULL;
    }
    if (s->n_inputs == SYN_MAX_JOB_INPUTS || strlen(name) >= sizeof in->name) {
        syn_problem_add(&s->p, pointer, SYN_CODE_unknown_field, "at most %d inputs", SYN_MAX_JOB_INPUTS);
        return NULL;
    }
    in = &s->input[s->n_inputs++];
    memset(in, 0, sizeof *in);
    snprintf(in->name, sizeof in->name, "%s", name);
    return in;
}

/* A blob id, a data URI or base64. */
static void input_from_text(struct submit *s, const char *name, const char *text, size_t n, const char *pointer)
{
    struct syn_err err;
    syn_status st;
    struct input *in = add_input(s, name, pointer);
    if (!in) return;
    if (n == SYN_SHA256_HEX_SIZE - 1 && syn_blob_name_ok(text)) {
        memcpy(in->sha256, text, n + 1);
        in->missing = !syn_blob_exists(syn_store_blobs(s->rq->http->opts.store), in->sha256, NULL);
        return;
    }
    st = syn_datauri_decode(text, n, s->rq->http->opts.max_body_bytes, &in->bytes, &in->n, &err);
    if (st == SYN_OK) return;
    s->n_inputs--;
    syn_problem_add(&s->p, pointer,
                    st == SYN_UNSUPPORTED ? SYN_CODE_unsupported_value
                    : st == SYN_TOO_LARGE ? SYN_CODE_payload_too_large
                    : st == SYN_NO_MEMORY ? SYN_CODE_out_of_memory : SYN_CODE_invalid_field,
                    "%s", err.text);
}

static void read_inputs(struct submit *s, const json_t *inputs)
{
    char pointer[200];
    const char *name;
    json_t *v;
    for (int i = 0; i < s->rq->body.n_parts; i++) {
        const struct syn_form_part *part = &s->rq->body.part[i];
        struct input *in;
        if (!strcmp(part->name, "spec")) continue;
        syn_json_pointer(pointer, sizeof pointer, "/inputs", part->name);
        if (!part->is_file) {
            input_from_text(s, part->name, part->text, part->n, pointer);
        } else if ((in = add_input(s, part->name, pointer))) {
            memcpy(in->sha256, part->sha256, sizeof in->sha256);
        }
    }
    if (!inputs) return;
    if (!json_is_object(inputs)) {
        syn_problem_add(&s->p, "/inputs", SYN_CODE_invalid_field, "must be an object {name: blob id or data URI}");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)inputs, name, v)
    {
        syn_json_pointer(pointer, sizeof pointer, "/inputs", name);
        if (json_is_string(v))
            input_from_text(s, name, json_string_value(v), json_string_length(v), pointer);
        else
            syn_problem_add(&s->p, pointer, SYN_CODE_invalid_field, "must be a text: blob id, data URI or base64");
    }
}

/* Header of a blob: mapped, since its size is bounded by the upload limits only. */
static syn_status probe_blob(struct submit *s, struct input *in, struct syn_err *err)
{
    uint64_t bytes;
    int fd;
    void *map;
    syn_status st = syn_blob_open(syn_store_blobs(s->rq->http->opts.store), in->sha256, &fd, &bytes, err);
    if (st != SYN_OK) return st;
    if (bytes == 0) {
        close(fd);
        return syn_fail(err, SYN_UNSUPPORTED, "no bytes in it");
    }
    map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED) return syn_fail(err, SYN_NO_MEMORY, "no memory to read %llu bytes", (unsigned long long)bytes);
    st = syn_image_probe(map, (size_t)bytes, &in->info, err);
    munmap(map, (size_t)bytes);
    return st;
}

static void too_large(struct submit *s, const char *pointer, const char *what, uint64_t received, uint64_t limit)
{
    syn_problem_add(&s->p, pointer, SYN_CODE_payload_too_large, "%s = %llu: at most %llu", what, (unsigned long long)received,
                    (unsigned long long)limit);
    s->p.has_limit = s->p.has_received = true;
    s->p.limit = limit;
    s->p.received = received;
}

static void check_picture(struct submit *s, struct input *in, const char *pointer)
{
    const struct syn_http_opts *o = &s->rq->http->opts;
    const struct syn_kind_input *row = kind_input(s->kind, in->name);
    const char *type = syn_image_media_type(in->info.format);
    uint64_t pixels = (uint64_t)in->info.width * (uint64_t)in->info.height;
    int32_t side = in->info.width > in->info.height ? in->info.width : in->info.height;
    bool listed = false;
    for (const char *const *t = row ? row->media_types : NULL; t && *t; t++) listed |= type && !strcmp(*t, type);
    if (row && row->media_types && !listed)
        syn_problem_add(&s->p, pointer, SYN_CODE_unsupported_media, "%s: not a media type of this input", type ? type : "unknown");
    else if (side > o->max_side)
        too_large(s, pointer, "side in pixels", (uint64_t)side, (uint64_t)o->max_side);
    else if (pixels > o->max_pixels)
        too_large(s, pointer, "pixels", pixels, o->max_pixels);
    else if (in->info.frames > 1)
        too_large(s, pointer, "frames", (uint64_t)in->info.frames, 1);
    else
        in->probed = true;
}

static void probe_inputs(struct submit *s)
{
    char pointer[200];
    for (int32_t i = 0; s->kind && i < s->kind->n_inputs; i++)
        if (s->kind->input[i].required && !find_input(s, s->kind->input[i].name)) {
            bool tried = false;
            syn_json_pointer(pointer, sizeof pointer, "/inputs", s->kind->input[i].name);
            for (size_t k = 0; k < json_array_size(s->p.errors); k++) {
                const json_t *e = json_array_get(s->p.errors, k);
                const char *at = json_string_value(json_object_get(e, "pointer"));
                tried |= at && (!strcmp(at, pointer) || !strcmp(at, "/inputs"));
            }
            if (!tried) syn_problem_add(&s->p, pointer, SYN_CODE_missing_field, "needed: %s", s->kind->input[i].description);
        }
    for (int32_t i = 0; s->kind && i < s->n_inputs; i++) {
        struct input *in = &s->input[i];
        struct syn_err err;
        syn_status st;
        if (in->missing) continue;
        syn_json_pointer(pointer, sizeof pointer, "/inputs", in->name);
        st = in->bytes ? syn_image_probe(in->bytes, in->n, &in->info, &err) : probe_blob(s, in, &err);
        if (st == SYN_OK) {
            check_picture(s, in, pointer);
            continue;
        }
        syn_problem_add(&s->p, pointer,
                        st == SYN_UNSUPPORTED ? SYN_CODE_unsupported_media
                        : st == SYN_TRUNCATED ? SYN_CODE_image_truncated
                        : st == SYN_NO_MEMORY ? SYN_CODE_out_of_memory
                        : st == SYN_TOO_LARGE ? SYN_CODE_payload_too_large
                        : st == SYN_NOT_FOUND ? SYN_CODE_unknown_blob : SYN_CODE_invalid_field,
                        "%s", err.text);
    }
}

/* ---- the other members ---- */

static void read_kind(struct submit *s, const json_t *v)
{
    const char *word = json_string_value(v);
    if (!v)
        syn_problem_add(&s->p, "/kind", SYN_CODE_missing_field, "needed: GET /v1/kinds lists those there are");
    else if (!word)
        syn_problem_add(&s->p, "/kind", SYN_CODE_invalid_field, "must be a text");
    else if (!(s->kind = syn_kinds_find(word)))
        syn_problem_add(&s->p, "/kind", SYN_CODE_unknown_kind, "%.60s: GET /v1/kinds lists those there are", word);
}

/* Absent: the only model of the kind; several are a choice that is not ours. */
static void default_model(struct submit *s)
{
    const struct syn_models *ms = s->rq->http->opts.models;
    int32_t n = 0;
    for (int32_t i = 0; i < syn_models_count(ms); i++)
        if (!strcmp(syn_models_at(ms, i)->kind, s->kind->kind)) {
            s->model = syn_models_at(ms, i);
            n++;
        }
    if (n == 1) return;
    s->model = NULL;
    if (n == 0)
        syn_problem_add(&s->p, "/model", SYN_CODE_unknown_model, "no model of kind %s is installed", s->kind->kind);
    else
        syn_problem_add(&s->p, "/model", SYN_CODE_missing_field, "needed: %d models are of kind %s", (int)n, s->kind->kind);
}

static void read_model(struct submit *s, const json_t *v)
{
    const char *id = json_string_value(v);
    if (!v) {
        if (s->kind) default_model(s);
    } else if (!id) {
        syn_problem_add(&s->p, "/model", SYN_CODE_invalid_field, "must be a text");
    } else if (!(s->model = syn_models_find(s->rq->http->opts.models, id))) {
        syn_problem_add(&s->p, "/model", SYN_CODE_unknown_model, "%.60s: GET /v1/models lists those there are", id);
    } else if (s->kind && strcmp(s->model->kind, s->kind->kind)) {
        syn_problem_add(&s->p, "/model", SYN_CODE_unsupported_value, "%s is a model of kind %s", id, s->model->kind);
        s->model = NULL;
    }
}

static void add_field_errors(struct submit *s, const char *parent, const struct syn_field_errors *errs)
{
    char pointer[200];
    for (int32_t i = 0; i < errs->n; i++) {
        syn_json_pointer(pointer, sizeof pointer, parent, errs->item[i].field);
        syn_problem_add(&s->p, pointer, syn_code_find(errs->item[i].code, SYN_CODE_invalid_field), "%s", errs->item[i].detail);
    }
    s->p.n_errors_more += errs->n_more;
}

/* An object as a flat list; -1: an error was added. */
static int32_t param_list(struct submit *s, const json_t *v, const char *pointer, struct syn_param list[MAX_PARAMS])
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
        syn_problem_add(&s->p, pointer, SYN_CODE_invalid_field, "%zu members: at most %d", json_object_size(v), MAX_PARAMS);
        return -1;
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, item) syn_json_to_param(name, item, &list[n++]);
    return n;
}

static void read_params(struct submit *s, const json_t *v)
{
    struct syn_param list[MAX_PARAMS], effective[SYN_UPSCALE_N_PARAMS];
    const struct syn_param *value[MAX_PARAMS];
    struct syn_field_errors errs;
    int32_t n = param_list(s, v, "/params", list);
    if (n < 0 || !s->kind) return;
    memset(&errs, 0, sizeof errs);
    if (!s->model) { /* what the table alone can tell */
        syn_params_check(s->kind->param, s->kind->n_params, list, n, value, &errs);
    } else if (syn_upscale_params_parse(list, n, s->model, &s->upscale, &errs) == SYN_OK) {
        s->params = syn_json_from_params(effective, syn_upscale_params_effective(&s->upscale, effective));
        s->params_ok = true;
    }
    add_field_errors(s, "/params", &errs);
}

static void read_output(struct submit *s, const json_t *v)
{
    struct syn_param list[MAX_PARAMS], effective[SYN_OUTPUT_N_PARAMS];
    struct syn_field_errors errs;
    int32_t n = param_list(s, v, "/output", list);
    if (n < 0) return;
    memset(&errs, 0, sizeof errs);
    if (syn_output_spec_parse(list, n, &s->output, &errs) == SYN_OK) {
        s->output_json = syn_json_from_params(effective, syn_output_spec_effective(&s->output, effective));
        s->output_ok = true;
    }
    add_field_errors(s, "/output", &errs);
}

static void read_rest(struct submit *s, json_t *root)
{
    json_t *priority = json_object_get(root, "priority"), *metadata = json_object_get(root, "metadata");
    json_t *left = json_object_get(root, "on_disconnect");
    const char *word = json_string_value(left);
    if (priority && (!json_is_integer(priority) || json_integer_value(priority) < -100 || json_integer_value(priority) > 100))
        syn_problem_add(&s->p, "/priority", SYN_CODE_invalid_field, "must be an integer in [-100, 100]");
    else
        s->priority = (int32_t)json_integer_value(priority);
    if (metadata && !json_is_object(metadata))
        syn_problem_add(&s->p, "/metadata", SYN_CODE_invalid_field, "must be an object");
    else if (metadata && json_dumpb(metadata, NULL, 0, JSON_COMPACT) > MAX_METADATA)
        syn_problem_add(&s->p, "/metadata", SYN_CODE_invalid_field, "%zu bytes: at most %d",
                        json_dumpb(metadata, NULL, 0, JSON_COMPACT), MAX_METADATA);
    else
        s->metadata = metadata;
    if (left && (!word || (strcmp(word, "keep") && strcmp(word, "cancel"))))
        syn_problem_add(&s->p, "/on_disconnect", SYN_CODE_invalid_field, "must be keep or cancel");
    s->cancel_on_disconnect = word && !strcmp(word, "cancel");
}

static void refuse_unknown(struct submit *s, json_t *root)
{
    static const char *const known[] = {"kind", "model", "inputs", "params", "output", "priority", "metadata", "on_disconnect"};
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

/* What only picture and parameters together tell: sizes out, network, format. */
static void resolve(struct submit *s)
{
    const struct syn_http_opts *o = &s->rq->http->opts;
    const struct input *in = find_input(s, "image");
    struct syn_upscale_limits limits = {.max_output_pixels = o->max_output_pixels, .max_output_side = o->max_output_side};
    struct syn_upscale_plan plan;
    struct syn_image_encode_opts encode;
    struct syn_err err;
    char pointer[64] = "/params", word[32];
    if (!s->model || !s->params_ok || !in || !in->probed) return;
    if (syn_upscale_resolve(s->model, &s->upscale, &limits, in->info.width, in->info.height, &plan, &err) != SYN_OK) {
        size_t n = strcspn(err.text, " =");
        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : 0), err.text);
        for (int32_t i = 0; i < s->kind->n_params; i++)
            if (!strcmp(s->kind->param[i].name, word)) snprintf(pointer, sizeof pointer, "/params/%s", word);
        syn_problem_add(&s->p, pointer, SYN_CODE_unsupported_value, "%s", err.text);
        return;
    }
    s->digest = plan.variant->digest;
    if (s->output_ok &&
        syn_output_spec_resolve(&s->output, in->info.format, plan.out_width, plan.out_height, &encode, &err) != SYN_OK)
        syn_problem_add(&s->p, "/output/format", SYN_CODE_unsupported_value, "%s", err.text);
}

/* ---- submitting ---- */

/* What an idempotency key is held against: every member that shapes the job, defaults filled in, inputs
 * by digest, keys sorted. */
static char *canonical(const struct submit *s)
{
    json_t *inputs = json_object(), *o;
    char *text;
    bool bad = !inputs;
    for (int32_t i = 0; i < s->n_inputs; i++)
        bad |= json_object_set_new(inputs, s->input[i].name, json_string(s->input[i].sha256)) != 0;
    o = json_pack("{s:s, s:s, s:o, s:O, s:O, s:i, s:O?}", "kind", s->kind->kind, "model", s->model->id, "inputs", inputs,
                  "params", s->params, "output", s->output_json, "priority", (int)s->priority, "metadata", s->metadata);
    text = bad || !o ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    return text;
}

static bool store_inputs(struct submit *s, struct syn_err *err)
{
    for (int32_t i = 0; i < s->n_inputs; i++) {
        struct input *in = &s->input[i];
        syn_status st;
        if (!in->bytes) continue;
        st = syn_blob_put(syn_store_blobs(s->rq->http->opts.store), in->bytes, in->n, in->sha256, err);
        if (st != SYN_OK) {
            syn_problem_from(&s->p, st, err, s->rq->id);
            return false;
        }
        syn_free(in->bytes);
        in->bytes = NULL;
    }
    return true;
}

/* 409: names the first member that differs from the request that used the key first. */
static void explain_conflict(struct submit *s, const char *id, const char *ours)
{
    struct syn_job old;
    char where[200] = "";
    if (syn_store_get(s->rq->http->opts.store, id, &old, NULL) == SYN_OK) {
        json_t *a = syn_json_stored(old.canonical_request, json_object()), *b = syn_json_stored(ours, json_object());
        syn_json_difference(a, b, where, sizeof where);
        json_decref(a);
        json_decref(b);
        syn_job_deinit(&old);
    }
    syn_problem_set(&s->p, SYN_CODE_idempotency_conflict, "the key belongs to %s, whose request differs in %s", id,
                    where[0] ? where : "its body");
    snprintf(s->p.job, sizeof s->p.job, "%s", id);
}

static void explain_refusal(struct submit *s, syn_status st, const struct syn_err *err, const char *id, const char *ours)
{
    double mean = syn_metrics_job_mean(s->rq->http->metrics, NULL);
    if (st == SYN_CONFLICT) {
        explain_conflict(s, id, ours);
    } else if (st == SYN_NOT_FOUND) {
        syn_problem_set(&s->p, SYN_CODE_unknown_blob, "%s", err->text);
    } else {
        syn_problem_from(&s->p, st, err, s->rq->id);
        if (st == SYN_BUSY) s->p.retry_after_s = mean < 1 ? 1 : mean > 120 ? 120 : (int32_t)mean;
    }
    syn_metrics_rejected(s->rq->http->metrics, st == SYN_BUSY ? "queue_full" : "invalid");
}

/* False: s->p says why not. *id is the job; *replayed: it was there before. */
static bool submit_job(struct submit *s, const char *key, char id[SYN_JOB_ID_SIZE], bool *replayed)
{
    struct syn_job j;
    struct syn_submit in = {.job = &j};
    struct syn_err err;
    char scoped[SYN_MAX_IDEMPOTENCY_KEY + 1];
    char *params = NULL, *output = NULL, *metadata = NULL, *ours = NULL;
    syn_status st = SYN_NO_MEMORY;
    memset(&j, 0, sizeof j);
    if (!store_inputs(s, &err)) return false;
    ours = canonical(s);
    params = json_dumps(s->params, JSON_COMPACT);
    output = json_dumps(s->output_json, JSON_COMPACT);
    metadata = s->metadata ? json_dumps(s->metadata, JSON_COMPACT) : NULL;
    if (!ours || !params || !output || (s->metadata && !metadata)) {
        (void)syn_fail(&err, st, "no memory for the job");
        goto done;
    }
    snprintf(j.kind, sizeof j.kind, "%s", s->kind->kind);
    snprintf(j.family, sizeof j.family, "native");
    snprintf(j.owner, sizeof j.owner, "%s", s->rq->owner);
    snprintf(j.model, sizeof j.model, "%s", s->model->id);
    snprintf(j.model_digest, sizeof j.model_digest, "%s", s->digest ? s->digest : "");
    j.priority = s->priority;
    j.params = params;
    j.output_spec = output;
    j.metadata = metadata;
    j.canonical_request = ours;
    j.n_inputs = s->n_inputs;
    for (int32_t i = 0; i < s->n_inputs; i++) {
        memcpy(j.input[i].name, s->input[i].name, sizeof j.input[i].name);
        memcpy(j.input[i].sha256, s->input[i].sha256, sizeof j.input[i].sha256);
    }
    if (key) {
        snprintf(scoped, sizeof scoped, "%s:%s", s->rq->owner, key);
        in.idempotency_key = scoped;
    }
    st = syn_store_submit(s->rq->http->opts.store, &in, id, replayed, &err);
done:
    if (st != SYN_OK) explain_refusal(s, st, &err, id, ours);
    if (st == SYN_OK && !*replayed) syn_metrics_submitted(s->rq->http->metrics, j.kind, j.model, j.family);
    free(ours);
    free(params);
    free(output);
    free(metadata);
    return st == SYN_OK;
}

/* ---- waiting and answering ---- */

/* Seconds of "Prefer: wait=N" among other preferences; 0: none. */
static int32_t wait_wanted(const struct syn_request *rq)
{
    const char *p = syn_request_header(rq, "Prefer");
    while (p && *p) {
        while (*p == ' ' || *p == ',' || *p == '\t') p++;
        if (strncasecmp(p, "wait=", 5) == 0 && p[5] >= '0' && p[5] <= '9') {
            unsigned long n = strtoul(p + 5, NULL, 10);
            return n > MAX_WAIT_S ? MAX_WAIT_S : (int32_t)n;
        }
        p = strchr(p, ',');
    }
    return 0;
}

static bool is_final(enum syn_job_state st)
{
    return st != SYN_JOB_QUEUED && st != SYN_JOB_RUNNING;
}

static void cancel_left(struct submit *s, const char *id)
{
    bool running = false;
    if (syn_store_cancel(s->rq->http->opts.store, id, &running, NULL) == SYN_OK && running && s->rq->http->opts.worker)
        syn_worker_cancel(s->rq->http->opts.worker, id);
}

/* Until the job is over, the time is, the server stops, or the client has gone. */
static void wait_for(struct submit *s, const char *id, int32_t seconds)
{
    struct syn_request *rq = s->rq;
    int64_t until = syn_clock_us() + seconds * 1000000LL;
    syn_request_idle_timer(rq, false);
    for (;;) {
        int64_t left_ms = (until - syn_clock_us()) / 1000;
        struct syn_job j;
        bool over;
        if (syn_store_get(rq->http->opts.store, id, &j, NULL) != SYN_OK) break;
        over = is_final(j.state);
        syn_job_deinit(&j);
        if (over || left_ms <= 0 || atomic_load(&rq->http->stopping) || atomic_load(&rq->http->draining)) break;
        if (syn_request_client_left(rq)) {
            if (s->cancel_on_disconnect) cancel_left(s, id);
            break;
        }
        if (syn_store_wait_final(rq->http->opts.store, id, left_ms < WAIT_SLICE_MS ? (int32_t)left_ms : WAIT_SLICE_MS, NULL) !=
            SYN_OK)
            break;
    }
    syn_request_idle_timer(rq, true);
}

static void answer(struct submit *s, const char *id, bool replayed, int32_t waited)
{
    struct syn_request *rq = s->rq;
    struct syn_job j;
    bool over;
    if (!syn_native_load_job(rq, id, &j)) return;
    over = is_final(j.state);
    syn_reply_json(rq, over && (waited || replayed) ? 200 : 202, syn_native_job_json(rq->http, &j));
    syn_job_deinit(&j);
    syn_reply_header(&rq->reply, "Location", "/v1/jobs/%s", id);
    if (waited) syn_reply_header(&rq->reply, "Preference-Applied", "wait=%d", (int)waited);
    if (replayed) syn_reply_header(&rq->reply, "Idempotency-Replayed", "true");
    if (!over) syn_reply_header(&rq->reply, "Retry-After", "1");
}

/* ---- the handler ---- */

/* The job's description: the body, or the form's part "spec". NULL: s->p says why. */
static json_t *read_root(struct submit *s)
{
    struct syn_body *b = &s->rq->body;
    const struct syn_form_part *spec = syn_body_part(b, "spec");
    const char *text = b->is_form ? (spec ? spec->text : NULL) : b->data;
    json_t *root = NULL;
    struct syn_err err;
    syn_status st;
    if (b->is_form && !spec) {
        syn_problem_set(&s->p, SYN_CODE_missing_field, "spec: the form has no part of that name with the job as JSON");
        return NULL;
    }
    st = syn_json_parse(text, b->is_form ? spec->n : b->n, &root, &err);
    syn_free(b->data); /* a picture inside it is in the document now */
    b->data = NULL;
    b->n = b->cap = 0;
    if (st == SYN_OK && json_is_object(root)) return root;
    if (st == SYN_NO_MEMORY)
        syn_problem_from(&s->p, st, &err, s->rq->id);
    else
        syn_problem_set(&s->p, SYN_CODE_invalid_json, "%s%s", b->is_form ? "spec: " : "",
                        st == SYN_OK ? "not a JSON object" : err.text);
    json_decref(root);
    return NULL;
}

/* Reads everything, so that all errors are told at once. False: s->p has them. */
static bool check(struct submit *s, json_t *root)
{
    refuse_unknown(s, root);
    read_kind(s, json_object_get(root, "kind"));
    read_model(s, json_object_get(root, "model"));
    read_params(s, json_object_get(root, "params"));
    read_output(s, json_object_get(root, "output"));
    read_rest(s, root);
    read_inputs(s, json_object_get(root, "inputs"));
    probe_inputs(s);
    resolve(s);
    if (syn_problem_close(&s->p)) {
        syn_metrics_rejected(s->rq->http->metrics, "invalid");
        return false;
    }
    if (s->kind && s->model && s->params && s->output_json) return true;
    syn_problem_set(&s->p, SYN_CODE_out_of_memory, "no memory to check the job");
    s->p.retry_after_s = 2;
    return false;
}

static bool key_ok(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < n; i++)
        if (key[i] < 32 || key[i] > 126) return false;
    return n >= 1 && n <= 255;
}

static bool can_take(struct submit *s, const char *key)
{
    enum syn_code code = SYN_CODE_starting;
    const char *why = syn_native_not_ready(s->rq->http, &code);
    if (key && !key_ok(key)) {
        syn_problem_set(&s->p, SYN_CODE_invalid_header, "Idempotency-Key: must be 1 to 255 printable ASCII characters");
        return false;
    }
    /* While it starts, jobs are taken: the queue is on disk and waits. */
    if (!why || code == SYN_CODE_starting) return true;
    syn_problem_set(&s->p, code, "no new jobs: %s", why);
    s->p.retry_after_s = 5;
    syn_metrics_rejected(s->rq->http->metrics, "not_ready");
    return false;
}

void syn_native_post_job(struct syn_request *rq)
{
    struct submit *s = syn_calloc(1, sizeof *s);
    const char *key = syn_request_header(rq, "Idempotency-Key");
    char id[SYN_JOB_ID_SIZE] = "";
    bool replayed = false, ok;
    json_t *root = NULL;
    int32_t wait = wait_wanted(rq);
    if (!s) {
        struct syn_problem p = {0};
        syn_problem_set(&p, SYN_CODE_out_of_memory, "no memory for the request");
        syn_reply_problem(rq, &p);
        return;
    }
    s->rq = rq;
    ok = can_take(s, key) && (root = read_root(s)) != NULL && check(s, root) && submit_job(s, key, id, &replayed);
    json_decref(root);
    s->metadata = NULL;
    if (!ok) {
        syn_reply_problem(rq, &s->p);
    } else {
        syn_body_deinit(rq); /* a waiting request holds no upload's room */
        if (wait) wait_for(s, id, wait);
        answer(s, id, replayed, wait);
    }
    for (int32_t i = 0; i < s->n_inputs; i++) syn_free(s->input[i].bytes);
    json_decref(s->params);
    json_decref(s->output_json);
    syn_free(s);
}
