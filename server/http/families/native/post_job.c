/* post_job.c - POST /v1/jobs: check everything, store the inputs, submit, answer 202; or wait.
 *
 * All errors of a body are found in one go and named by JSON pointer (job_spec.h). A data URI is
 * stored as a blob only when the whole request is sound.
 *
 * Threads: a listener thread; never waits for the engine. Prefer: wait blocks this connection
 *          only. */
#include "kernels/base/alloc.h"
#include "server/http/families/native/job_spec.h"
#include "server/http/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_WAIT_S 25
#define WAIT_SLICE_MS 250

/* ---- submitting ---- */

/* What an idempotency key is held against: every member that shapes the job, defaults filled in,
 * inputs by digest, keys sorted. */
static char *canonical(const struct syn_job_spec *s)
{
    json_t *inputs = json_object(), *o;
    char *text;
    bool bad = !inputs;
    for (int32_t i = 0; i < s->n_inputs; i++)
        bad |= json_object_set_new(inputs, s->input[i].name, json_string(s->input[i].sha256)) != 0;
    o = json_pack("{s:s, s:s, s:o, s:O, s:O, s:i, s:O?}", "kind", s->kind->kind, "model",
                  s->model->id, "inputs", inputs, "params", s->params, "output", s->output_json,
                  "priority", (int)s->priority, "metadata", s->metadata);
    text = bad || !o ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(o);
    return text;
}

static bool store_inputs(struct syn_job_spec *s, struct syn_err *err)
{
    for (int32_t i = 0; i < s->n_inputs; i++) {
        struct syn_spec_input *in = &s->input[i];
        syn_status st;
        if (!in->bytes) continue;
        st = syn_blob_put(syn_store_blobs(s->rq->http->opts.store), in->bytes, in->n, in->sha256,
                          err);
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
static void explain_conflict(struct syn_job_spec *s, const char *id, const char *ours)
{
    struct syn_job old;
    char where[200] = "";
    if (syn_store_get(s->rq->http->opts.store, id, &old, NULL) == SYN_OK) {
        json_t *a = syn_json_stored(old.canonical_request, json_object()),
               *b = syn_json_stored(ours, json_object());
        syn_json_difference(a, b, where, sizeof where);
        json_decref(a);
        json_decref(b);
        syn_job_deinit(&old);
    }
    syn_problem_set(&s->p, SYN_CODE_idempotency_conflict,
                    "the key belongs to %s, whose request differs in %s", id,
                    where[0] ? where : "its body");
    snprintf(s->p.job, sizeof s->p.job, "%s", id);
}

static void explain_refusal(struct syn_job_spec *s, syn_status st, const struct syn_err *err,
                            const char *id, const char *ours)
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
static bool submit_job(struct syn_job_spec *s, const char *key, char id[SYN_JOB_ID_SIZE],
                       bool *replayed)
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
    snprintf(j.model_digest, sizeof j.model_digest, "%s", s->digest);
    j.priority = s->priority;
    j.params = params;
    j.output_spec = output;
    j.metadata = metadata;
    j.canonical_request = ours;
    j.n_inputs = s->n_inputs;
    for (int32_t i = 0; i < s->n_inputs; i++) {
        memcpy(j.input[i].name, s->input[i].name, sizeof j.input[i].name);
        memcpy(j.input[i].sha256, s->input[i].sha256, sizeof j.input[i].sha256);
        in.brought |= (uint32_t)s->input[i].brought << i;
    }
    if (key) {
        snprintf(scoped, sizeof scoped, "%s:%s", s->rq->owner, key);
        in.idempotency_key = scoped;
    }
    st = syn_store_submit(s->rq->http->opts.store, &in, id, replayed, &err);
done:
    if (st != SYN_OK) explain_refusal(s, st, &err, id, ours);
    if (st == SYN_OK && !*replayed)
        syn_metrics_submitted(s->rq->http->metrics, j.kind, j.model, j.family);
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

static void cancel_left(struct syn_job_spec *s, const char *id)
{
    bool running = false;
    if (syn_store_cancel(s->rq->http->opts.store, id, &running, NULL) == SYN_OK && running &&
        s->rq->http->opts.worker)
        syn_worker_cancel(s->rq->http->opts.worker, id);
}

/* A waiting request keeps its connection: a quarter of them is left to others, who may only want to
 * know whether the server lives. */
static bool may_wait(struct syn_http *h)
{
    int most = h->opts.max_connections - (h->opts.max_connections + 3) / 4;
    if (atomic_fetch_add(&h->waiting, 1) < most) return true;
    atomic_fetch_sub(&h->waiting, 1);
    return false;
}

/* Until the job is over, the time is, the server stops, or the client has gone. */
static void wait_for(struct syn_job_spec *s, const char *id, int32_t seconds)
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
        if (over || left_ms <= 0 || atomic_load(&rq->http->stopping) ||
            atomic_load(&rq->http->draining))
            break;
        if (syn_request_client_left(rq)) {
            if (s->cancel_on_disconnect) cancel_left(s, id);
            break;
        }
        if (syn_store_wait_final(rq->http->opts.store, id,
                                 left_ms < WAIT_SLICE_MS ? (int32_t)left_ms : WAIT_SLICE_MS,
                                 NULL) != SYN_OK)
            break;
    }
    syn_request_idle_timer(rq, true);
}

static void answer(struct syn_job_spec *s, const char *id, bool replayed, int32_t waited)
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

static bool key_ok(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < n; i++)
        if (key[i] < 32 || key[i] > 126) return false;
    return n >= 1 && n <= 255;
}

static bool can_take(struct syn_job_spec *s, const char *key)
{
    enum syn_code code = SYN_CODE_starting;
    const char *why = syn_native_not_ready(s->rq->http, &code);
    if (key && !key_ok(key)) {
        syn_problem_set(&s->p, SYN_CODE_invalid_header,
                        "Idempotency-Key: must be 1 to 255 printable ASCII characters");
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
    struct syn_job_spec *s = syn_calloc(1, sizeof *s);
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
    ok = can_take(s, key) && (root = syn_spec_root(s)) != NULL && syn_spec_check(s, root) &&
         submit_job(s, key, id, &replayed);
    json_decref(root);
    s->metadata = NULL;
    if (!ok) {
        syn_reply_problem(rq, &s->p);
    } else {
        syn_body_deinit(rq); /* a waiting request holds no upload's room */
        if (wait && may_wait(rq->http)) {
            wait_for(s, id, wait);
            atomic_fetch_sub(&rq->http->waiting, 1);
        } else {
            wait = 0;
        }
        answer(s, id, replayed, wait);
    }
    syn_spec_deinit(s);
    syn_free(s);
}
