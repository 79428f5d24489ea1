/* health.c - GET /, /healthz, /readyz, /metrics, /openapi.yaml. None of them waits for anything
 * that loads or computes. */
#include "server/http/conns.h"
#include "server/http/families/native/native.h"
#include "server/http/json.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void syn_native_openapi(struct syn_request *rq)
{
    struct syn_reply *rp = &rq->reply;
    rp->status = 200;
    rp->media_type = "application/yaml";
    rp->fixed = syn_openapi_text;
    rp->n = (size_t)(syn_openapi_text_end - syn_openapi_text);
    syn_reply_header(rp, "Cache-Control", "no-cache");
}

void syn_native_discovery(struct syn_request *rq)
{
    syn_reply_json(rq, 200,
                   json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}}", "name",
                             "synthd", "version", SYN_VERSION, "revision", SYN_REVISION, "links",
                             "jobs", "/v1/jobs", "blobs", "/v1/blobs", "models", "/v1/models",
                             "kinds", "/v1/kinds", "health", "/healthz", "ready", "/readyz",
                             "metrics", "/metrics", "openapi", "/openapi.yaml"));
}

void syn_native_healthz(struct syn_request *rq)
{
    syn_reply_json(rq, 200, json_pack("{s:s}", "status", "ok"));
}

const char *syn_native_not_ready(struct syn_http *h, enum syn_code *code)
{
    const char *trouble;
    if (atomic_load(&h->draining)) {
        *code = SYN_CODE_draining;
        return "draining";
    }
    trouble = h->opts.worker ? syn_worker_trouble(h->opts.worker) : "starting";
    if (!*trouble) return NULL;
    *code = !strcmp(trouble, "stopping") ? SYN_CODE_draining
                                         : syn_code_find(trouble, SYN_CODE_not_ready);
    return trouble;
}

void syn_native_readyz(struct syn_request *rq)
{
    enum syn_code code = SYN_CODE_starting;
    const char *why = syn_native_not_ready(rq->http, &code);
    struct syn_problem p = {0};
    if (!why) {
        syn_reply_json(rq, 200, json_pack("{s:s}", "status", "ready"));
        return;
    }
    syn_problem_set(&p, code, "%s", why);
    p.retry_after_s = 2;
    syn_reply_problem(rq, &p);
}

/* ---- metrics ---- */

static void gauge(FILE *f, const char *name, const char *help, double v)
{
    syn_metrics_head(f, name, "gauge", help);
    fprintf(f, "%s %.15g\n", name, v);
}

static void counter(FILE *f, const char *name, const char *help, double v)
{
    syn_metrics_head(f, name, "counter", help);
    fprintf(f, "%s %.15g\n", name, v);
}

static void print_store(struct syn_http *h, FILE *f)
{
    struct syn_store_counts c;
    if (syn_store_counts(h->opts.store, &c, NULL) != SYN_OK) return;
    syn_metrics_head(f, "synthd_jobs", "gauge", "Jobs in the store by state.");
    for (int i = 0; i < SYN_JOB_STATE_COUNT; i++)
        fprintf(f, "synthd_jobs{state=\"%s\"} %lld\n", syn_job_state_word((enum syn_job_state)i),
                (long long)c.by_state[i]);
    gauge(f, "synthd_queue_oldest_seconds", "Age of the oldest waiting job.",
          c.oldest_queued_ms ? (double)(syn_json_now_ms() - c.oldest_queued_ms) / 1000 : 0);
    gauge(f, "synthd_queue_paused", "1 while the queue gives out no jobs.",
          syn_store_paused(h->opts.store));
    gauge(f, "synthd_blob_bytes", "Bytes of stored blobs.", (double)c.blob_bytes);
    syn_metrics_head(f, "synthd_jobs_requeued_total", "counter",
                     "Running jobs put back to the queue.");
    fprintf(f, "synthd_jobs_requeued_total{reason=\"crash\"} %lld\n", (long long)c.requeued_crash);
}

static void print_models(struct syn_http *h, FILE *f)
{
    static const struct {
        const char *name, *type, *help;
    } row[] = {{"synthd_model_resident_bytes", "gauge", "Weights in memory."},
               {"synthd_model_loads_total", "counter", "Times the model was loaded."},
               {"synthd_model_evictions_total", "counter", "Times it was given up for others."},
               {"synthd_model_load_seconds", "gauge", "Time of the last load."}};
    int32_t n = syn_models_count(h->opts.models);
    for (int k = 0; k < 4; k++) {
        syn_metrics_head(f, row[k].name, row[k].type, row[k].help);
        for (int32_t i = 0; i < n; i++) {
            const char *id = syn_models_at(h->opts.models, i)->id;
            struct syn_model_status s;
            memset(&s, 0, sizeof s);
            syn_models_status(h->opts.models, id, &s);
            fprintf(f, "%s{model=\"%s\"} %.15g\n", row[k].name, id,
                    k == 0   ? (double)s.resident_bytes
                    : k == 1 ? (double)s.loads
                    : k == 2 ? (double)s.evictions
                             : s.load_seconds);
        }
    }
    syn_metrics_head(f, "synthd_model_state", "gauge", "1 for the state the model is in.");
    for (int32_t i = 0; i < n; i++) {
        const char *id = syn_models_at(h->opts.models, i)->id;
        struct syn_model_status s;
        memset(&s, 0, sizeof s);
        syn_models_status(h->opts.models, id, &s);
        for (int k = SYN_MODEL_UNLOADED; k <= SYN_MODEL_FAILED; k++)
            fprintf(f, "synthd_model_state{model=\"%s\",state=\"%s\"} %d\n", id,
                    syn_model_state_word((enum syn_model_state)k), k == (int)s.state);
    }
}

static void print_device(struct syn_http *h, FILE *f)
{
    struct syn_engine_info info;
    if (!h->opts.engine) return;
    syn_engine_info(h->opts.engine, &info);
    syn_metrics_head(f, "synthd_device_memory_bytes", "gauge", "Memory of the engine.");
    fprintf(f,
            "synthd_device_memory_bytes{device=\"0\",state=\"workspace\"} %llu\n"
            "synthd_device_memory_bytes{device=\"0\",state=\"peak\"} %llu\n"
            "synthd_device_memory_bytes{device=\"0\",state=\"weights\"} %llu\n",
            (unsigned long long)info.workspace_bytes, (unsigned long long)info.workspace_peak_bytes,
            (unsigned long long)info.weight_bytes);
}

static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long size = 0, resident = 0;
    if (!f) return 0;
    if (fscanf(f, "%lu %lu", &size, &resident) != 2) resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    if (!d) return 0;
    while (readdir(d)) n++;
    closedir(d);
    return n - 3; /* ".", "..", the folder itself */
}

static void print_process(struct syn_http *h, FILE *f)
{
    struct rusage u;
    int active, idle;
    syn_conns_count(h->conns, &active, &idle);
    syn_metrics_head(f, "synthd_http_connections", "gauge", "Open connections.");
    fprintf(f,
            "synthd_http_connections{state=\"active\"} %d\nsynthd_http_connections{state=\"idle\"} "
            "%d\n",
            active, idle);
    gauge(f, "synthd_http_inflight_bytes", "Bytes reserved by uploads.",
          (double)atomic_load(&h->inflight_bytes));
    gauge(f, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
    gauge(f, "process_open_fds", "Open descriptors.", open_descriptors());
    if (getrusage(RUSAGE_SELF, &u) == 0)
        counter(f, "process_cpu_seconds_total", "Processor time.",
                (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    gauge(f, "process_start_time_seconds", "Unix time of the start.", (double)h->started_ms / 1000);
}

static void name_route(int route, const char **method, const char **path)
{
    *method = syn_router_at(route)->method;
    *path = syn_router_at(route)->path;
}

void syn_native_metrics(struct syn_request *rq)
{
    struct syn_http *h = rq->http;
    struct syn_reply *rp = &rq->reply;
    enum syn_code code;
    const char *why = syn_native_not_ready(h, &code);
    FILE *f = open_memstream(&rp->body, &rp->n);
    struct syn_problem p = {0};
    struct syn_err err;
    if (!f) {
        syn_problem_from(&p, syn_fail(&err, SYN_NO_MEMORY, "no memory for the metrics"), &err,
                         rq->id);
        syn_reply_problem(rq, &p);
        return;
    }
    syn_metrics_head(f, "synthd_build_info", "gauge", "Always 1.");
    fprintf(f, "synthd_build_info{version=\"%s\",revision=\"%s\"} 1\n", SYN_VERSION, SYN_REVISION);
    gauge(f, "synthd_start_time_seconds", "Unix time of the start.", (double)h->started_ms / 1000);
    gauge(f, "synthd_ready", "1 when jobs are taken.", why == NULL);
    if (why) {
        syn_metrics_head(f, "synthd_not_ready", "gauge", "Why jobs are not taken.");
        fprintf(f, "synthd_not_ready{reason=\"%s\"} 1\n", why);
    }
    print_store(h, f);
    print_models(h, f);
    print_device(h, f);
    print_process(h, f);
    syn_metrics_print(h->metrics, f, name_route);
    fclose(f); /* sets body and n */
    if (!rp->body) {
        syn_problem_from(&p, syn_fail(&err, SYN_NO_MEMORY, "no memory for the metrics"), &err,
                         rq->id);
        syn_reply_problem(rq, &p);
        return;
    }
    rp->status = 200;
    rp->media_type = "text/plain; version=0.0.4; charset=utf-8";
    syn_reply_header(rp, "Cache-Control", "no-store");
}
