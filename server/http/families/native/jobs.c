/* jobs.c - GET /v1/jobs, GET and DELETE /v1/jobs/{id}, GET /v1/jobs/{id}/outputs/{n}. */
#include "kernels/base/alloc.h"
#include "server/http/families/native/native.h"
#include "server/http/json.h"
#include "server/media/npy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer_job(struct syn_request *rq, unsigned status, struct syn_job *j)
{
    syn_reply_json(rq, status, syn_native_job_json(rq->http, j));
    syn_job_deinit(j);
}

void syn_native_get_job(struct syn_request *rq)
{
    struct syn_job j;
    bool going;
    if (!syn_native_load_job(rq, rq->arg[0], &j)) return;
    going = j.state == SYN_JOB_QUEUED || j.state == SYN_JOB_RUNNING;
    answer_job(rq, 200, &j);
    if (going) syn_reply_header(&rq->reply, "Retry-After", "1");
}

/* Cancels by id, compare-and-set in the store: never another job. */
void syn_native_delete_job(struct syn_request *rq)
{
    struct syn_problem p = {0};
    struct syn_err err;
    struct syn_job j;
    bool running = false, was_queued;
    syn_status st;
    if (!syn_native_load_job(rq, rq->arg[0], &j)) return;
    was_queued = j.state == SYN_JOB_QUEUED;
    syn_job_deinit(&j);
    st = syn_store_cancel(rq->http->opts.store, rq->arg[0], &running, &err);
    if (st == SYN_CONFLICT) {
        syn_problem_set(&p, SYN_CODE_not_cancelable, "%s", err.text);
        syn_reply_problem(rq, &p);
        return;
    }
    if (st == SYN_NOT_FOUND) {
        syn_problem_set(&p, SYN_CODE_unknown_job, "no job of that id");
        syn_reply_problem(rq, &p);
        return;
    }
    if (st != SYN_OK) {
        syn_problem_from(&p, st, &err, rq->id);
        syn_reply_problem(rq, &p);
        return;
    }
    if (running && rq->http->opts.worker) syn_worker_cancel(rq->http->opts.worker, rq->arg[0]);
    if (!syn_native_load_job(rq, rq->arg[0], &j)) return;
    /* A running one is counted by the worker. */
    if (was_queued && !running && j.state == SYN_JOB_CANCELED)
        syn_metrics_done(rq->http->metrics, &j);
    answer_job(rq, running ? 202 : 200, &j);
    if (running) syn_reply_header(&rq->reply, "Retry-After", "1");
}

/* ---- the list ---- */

static int32_t state_of(const char *word)
{
    for (int32_t i = 0; i < SYN_JOB_STATE_COUNT; i++)
        if (!strcmp(word, syn_job_state_word((enum syn_job_state)i))) return i;
    return -1;
}

struct list_query {
    char state[16], kind[32], model[96], family[16], cursor[SYN_JOB_ID_SIZE], limit[8];
    struct syn_job_filter filter;
};

/* A query value as filter; absent is NULL, one that no id, kind or state can be is an error. */
static const char *word(struct syn_request *rq, const char *name, char *out, size_t size,
                        struct syn_problem *p)
{
    char pointer[32];
    if (!syn_request_query(rq, name, out, size)) return NULL;
    if (out[0] &&
        strspn(out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
            strlen(out))
        return out;
    snprintf(pointer, sizeof pointer, "?%s", name);
    syn_problem_add(p, pointer, SYN_CODE_invalid_field, "must be 1 to %zu of A-Z a-z 0-9 . _ -",
                    size - 1);
    return NULL;
}

static void read_query(struct syn_request *rq, struct list_query *q, struct syn_problem *p)
{
    const char *state = word(rq, "state", q->state, sizeof q->state, p), *end;
    const char *limit = word(rq, "limit", q->limit, sizeof q->limit, p);
    q->filter = (struct syn_job_filter){.state = -1, .owner = rq->owner, .limit = 50};
    q->filter.kind = word(rq, "kind", q->kind, sizeof q->kind, p);
    q->filter.model = word(rq, "model", q->model, sizeof q->model, p);
    q->filter.family = word(rq, "family", q->family, sizeof q->family, p);
    q->filter.before_id = word(rq, "cursor", q->cursor, sizeof q->cursor, p);
    if (state && (q->filter.state = state_of(state)) < 0)
        syn_problem_add(p, "?state", SYN_CODE_invalid_field,
                        "%s: must be queued, running, succeeded, failed, canceled or expired",
                        state);
    if (limit) {
        long n = strtol(limit, (char **)(uintptr_t)&end, 10);
        q->filter.limit = (int32_t)n;
        if (*end || limit[0] < '0' || limit[0] > '9' || n < 1 || n > 200)
            syn_problem_add(p, "?limit", SYN_CODE_invalid_field, "%s: must be in [1, 200]", limit);
    }
    /* The alphabet of ids: base32 without i l o u. */
    if (q->filter.before_id && (strncmp(q->cursor, "job_", 4) || strlen(q->cursor) != 26 ||
                                strspn(q->cursor + 4, "0123456789abcdefghjkmnpqrstvwxyz") != 22))
        syn_problem_add(p, "?cursor", SYN_CODE_invalid_field,
                        "%s: must be next_cursor of an earlier page", q->cursor);
}

void syn_native_list_jobs(struct syn_request *rq)
{
    struct list_query q;
    struct syn_problem p = {0};
    struct syn_err err;
    struct syn_job *job = NULL;
    int32_t n = 0;
    json_t *list, *answer;
    syn_status st;
    read_query(rq, &q, &p);
    if (syn_problem_close(&p)) {
        syn_reply_problem(rq, &p);
        return;
    }
    st = syn_store_list(rq->http->opts.store, &q.filter, &job, &n, &err);
    if (st != SYN_OK) {
        syn_problem_from(&p, st, &err, rq->id);
        syn_reply_problem(rq, &p);
        return;
    }
    list = json_array();
    for (int32_t i = 0; i < n; i++)
        if (json_array_append_new(list, syn_native_job_json(rq->http, &job[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    /* A full page may have a next one; an empty next page says that it had not. */
    answer = json_pack("{s:o, s:o}", "data", list, "next_cursor",
                       n == q.filter.limit ? json_string(job[n - 1].id) : json_null());
    for (int32_t i = 0; i < n; i++) syn_job_deinit(&job[i]);
    syn_free(job);
    syn_reply_json(rq, 200, answer);
}

/* ---- outputs ---- */

static const struct {
    const char *type, *extension;
} media[] = {{"image/png", "png"},  {"image/jpeg", "jpg"},  {"image/webp", "webp"},
             {"audio/wav", "wav"},  {"audio/flac", "flac"}, {SYN_NPY_MEDIA_TYPE, "npy"}};

static void send_output(struct syn_request *rq, const struct syn_job *j, int32_t n)
{
    const struct syn_job_output *o = &j->output[n];
    const char *type = "application/octet-stream", *extension = "bin";
    char filename[64];
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (!strcmp(o->media_type, media[i].type)) {
            type = media[i].type;
            extension = media[i].extension;
        }
    snprintf(filename, sizeof filename, "%s-%d.%s", j->id, (int)n, extension);
    syn_native_send_blob(rq, o->sha256, type, filename, SYN_CODE_expired);
}

void syn_native_get_output(struct syn_request *rq)
{
    struct syn_problem p = {0};
    struct syn_job j;
    const char *text = rq->arg[1];
    int32_t n = -1;
    if (!syn_native_load_job(rq, rq->arg[0], &j)) return;
    if (strlen(text) <= 3 && strspn(text, "0123456789") == strlen(text)) n = (int32_t)atoi(text);
    if (j.state == SYN_JOB_EXPIRED)
        syn_problem_set(&p, SYN_CODE_expired,
                        "the result is no longer kept; the job is still at /v1/jobs/%s", j.id);
    else if (j.state != SYN_JOB_SUCCEEDED)
        syn_problem_set(&p, SYN_CODE_unknown_output, "the job is %s: it has no outputs",
                        syn_job_state_word(j.state));
    else if (n < 0 || n >= j.n_outputs)
        syn_problem_set(&p, SYN_CODE_unknown_output, "output %.20s: there are %d, counted from 0",
                        text, (int)j.n_outputs);
    else send_output(rq, &j, n);
    if (!rq->reply.status) syn_reply_problem(rq, &p);
    syn_job_deinit(&j);
}
