/* job_json.c - the job object, the same in every answer; estimates; finding a caller's job. */
#include "server/http/families/native/native.h"
#include "server/http/json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool put(json_t *o, const char *key, json_t *v)
{
    return json_object_set_new(o, key, v) == 0;
}

/* Seconds until the job ends, from means of what this process has measured; negative: no
 * measurement. Running: units left x mean unit of its model. Queued: each job ahead, the one that
 * is running, and itself, by mean job times. */
static double estimate(struct syn_http *h, const struct syn_job *j)
{
    double own = syn_metrics_job_mean(h->metrics, j->model),
           any = syn_metrics_job_mean(h->metrics, NULL);
    if (j->state == SYN_JOB_RUNNING) {
        double unit = syn_metrics_unit_mean(h->metrics, j->model);
        if (j->units_total > 0 && unit >= 0) return unit * (double)(j->units_total - j->units_done);
        if (own >= 0) return fmax(0, own - (double)(syn_json_now_ms() - j->started_ms) / 1000);
        return -1;
    }
    if (own < 0) own = any;
    if (j->state != SYN_JOB_QUEUED || own < 0 || j->queue_position < 0) return -1;
    return own + any * (j->queue_position + 1);
}

/* To the microsecond. */
static double rounded(double seconds)
{
    return floor(seconds * 1e6 + 0.5) / 1e6;
}

/* 1 only when the result is stored. */
static double progress(const struct syn_job *j)
{
    if (j->state == SYN_JOB_SUCCEEDED || j->state == SYN_JOB_EXPIRED) return 1;
    if (j->units_total <= 0) return 0;
    return fmin(0.99, (double)j->units_done / (double)j->units_total);
}

static json_t *outputs(const struct syn_job *j)
{
    json_t *list = json_array();
    for (int32_t i = 0; list && i < j->n_outputs; i++) {
        const struct syn_job_output *o = &j->output[i];
        json_t *item = json_pack("{s:i, s:o, s:s, s:I, s:s, s:o}", "n", (int)i, "name",
                                 o->name[0] ? syn_json_utf8(o->name) : json_null(), "media_type",
                                 o->media_type, "bytes", (json_int_t)o->bytes, "sha256", o->sha256,
                                 "href", json_sprintf("/v1/jobs/%s/outputs/%d", j->id, (int)i));
        bool ok = item && put(item, "width", o->width ? json_integer(o->width) : json_null()) &&
                  put(item, "height", o->height ? json_integer(o->height) : json_null());
        if (!ok || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *inputs(const struct syn_job *j)
{
    json_t *o = json_object();
    for (int32_t i = 0; o && i < j->n_inputs; i++)
        if (!put(o, j->input[i].name, json_string(j->input[i].sha256))) {
            json_decref(o);
            return NULL;
        }
    return o;
}

static json_t *error_of(const struct syn_job *j)
{
    if (!j->error_code[0]) return json_null();
    return json_pack("{s:o, s:o, s:n}", "code", syn_json_utf8(j->error_code), "detail",
                     syn_json_utf8(j->error_detail), "param");
}

json_t *syn_native_job_json(struct syn_http *h, const struct syn_job *j)
{
    double eta = estimate(h, j);
    bool has_eta = eta >= 0 && isfinite(eta);
    json_t *o = json_object();
    bool ok = o != NULL;
    ok = ok && put(o, "id", json_string(j->id));
    ok = ok && put(o, "kind", json_string(j->kind));
    ok = ok && put(o, "state", json_string(syn_job_state_word(j->state)));
    ok = ok && put(o, "progress", json_real(progress(j)));
    ok = ok && put(o, "units",
                   json_pack("{s:I, s:I}", "done", (json_int_t)j->units_done, "total",
                             (json_int_t)j->units_total));
    ok = ok && put(o, "stage", j->stage[0] ? syn_json_utf8(j->stage) : json_null());
    ok = ok && put(o, "queue_position",
                   j->queue_position >= 0 ? json_integer(j->queue_position) : json_null());
    ok = ok && put(o, "eta_seconds", has_eta ? json_real(rounded(eta)) : json_null());
    ok = ok && put(o, "finish_at",
                   syn_json_time_or_null(has_eta ? syn_json_now_ms() + (int64_t)(eta * 1000) : 0));
    ok = ok && put(o, "created_at", syn_json_time_or_null(j->created_ms));
    ok = ok && put(o, "started_at", syn_json_time_or_null(j->started_ms));
    ok = ok && put(o, "finished_at", syn_json_time_or_null(j->finished_ms));
    ok = ok && put(o, "expires_at", syn_json_time_or_null(j->expires_ms));
    ok = ok && put(o, "attempts", json_integer(j->attempts));
    ok = ok && put(o, "cancel_requested", json_boolean(j->cancel_requested));
    ok = ok && put(o, "retry_of", j->retry_of[0] ? json_string(j->retry_of) : json_null());
    ok = ok && put(o, "priority", json_integer(j->priority));
    ok = ok && put(o, "family", syn_json_utf8(j->family));
    ok = ok &&
         put(o, "model",
             json_pack("{s:o, s:s}", "id", syn_json_utf8(j->model), "digest", j->model_digest));
    ok = ok && put(o, "inputs", inputs(j));
    ok = ok && put(o, "params", syn_json_stored(j->params, json_object()));
    ok = ok && put(o, "output", syn_json_stored(j->output_spec, json_object()));
    ok = ok && put(o, "metadata", syn_json_stored(j->metadata, json_null()));
    ok = ok && put(o, "warnings", syn_json_stored(j->warnings, json_array()));
    ok = ok && put(o, "result", syn_json_stored(j->result, json_null()));
    ok = ok && put(o, "outputs", outputs(j));
    ok = ok && put(o, "error", error_of(j));
    ok = ok && put(o, "timings",
                   json_pack("{s:f, s:f, s:f, s:f}", "queue", rounded(j->seconds_queue), "load",
                             rounded(j->seconds_load), "compute", rounded(j->seconds_compute),
                             "encode", rounded(j->seconds_encode)));
    ok = ok && put(o, "links", json_pack("{s:o}", "self", json_sprintf("/v1/jobs/%s", j->id)));
    if (!ok) {
        json_decref(o);
        return NULL;
    }
    return o;
}

bool syn_native_load_job(struct syn_request *rq, const char *id, struct syn_job *j)
{
    struct syn_problem p = {0};
    struct syn_err err;
    syn_status st = syn_store_get(rq->http->opts.store, id, j, &err);
    if (st == SYN_OK && !strcmp(j->owner, rq->owner)) return true;
    if (st == SYN_OK) syn_job_deinit(j);
    if (st == SYN_OK || st == SYN_NOT_FOUND || st == SYN_INVALID)
        syn_problem_set(&p, SYN_CODE_unknown_job, "no job of that id");
    else syn_problem_from(&p, st, &err, rq->id);
    syn_reply_problem(rq, &p);
    return false;
}
