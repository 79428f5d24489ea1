/* test_http_metrics.c - counters and histograms as they are printed, and the means that estimates
 * use. */
#include "server/http/metrics.h"
#include "tests/t.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

static void name_route(int route, const char **method, const char **path)
{
    static const char *const paths[] = {"/a", "/b/{id}"};
    *method = route ? "POST" : "GET";
    *path = paths[route];
}

/* The value of a series in the printed text; NaN: not there. */
static double value(struct syn_metrics *m, const char *series)
{
    char *text = NULL, *at;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    double v = NAN;
    if (!f) abort();
    syn_metrics_print(m, f, name_route);
    fclose(f);
    for (at = text; (at = strstr(at, series)); at++)
        if ((at == text || at[-1] == '\n') && at[strlen(series)] == ' ')
            v = atof(at + strlen(series));
    free(text);
    return v;
}

static void test_requests(struct syn_metrics *m)
{
    syn_metrics_request(m, 0, false, 200, 0.0015, 10, 20);
    syn_metrics_request(m, 0, false, 200, 0.002, 0, 0); /* on an edge: in the bucket below */
    syn_metrics_request(m, 0, true, 200, 1000, 0, 0);
    syn_metrics_request(m, 1, false, 418, -1, 1, 2);
    syn_metrics_request(m, -1, false, 404, 0, 0, 0);
    syn_metrics_request(m, 99, false, 404, 0, 0, 0);
#define REQ "synthd_http_requests_total{family=\"native\",route="
#define DUR "synthd_http_request_duration_seconds_"
    T_CHECK(value(m, REQ "\"/a\",method=\"GET\",code=\"200\"}") == 2, "GET");
    T_CHECK(value(m, REQ "\"/a\",method=\"HEAD\",code=\"200\"}") == 1, "HEAD");
    T_CHECK(value(m, REQ "\"/b/{id}\",method=\"POST\",code=\"0\"}") == 1, "an unlisted status");
    T_CHECK(value(m, REQ "\"\",method=\"\",code=\"404\"}") == 2, "no route");
    T_CHECK(value(m, DUR "bucket{family=\"native\",route=\"/a\",method=\"GET\",le=\"0.001\"}") == 0,
            "below");
    T_CHECK(value(m, DUR "bucket{family=\"native\",route=\"/a\",method=\"GET\",le=\"0.002\"}") == 2,
            "edge");
    T_CHECK(value(m, DUR "bucket{family=\"native\",route=\"/a\",method=\"GET\",le=\"600\"}") == 2,
            "cumulative");
    T_CHECK(value(m, DUR "bucket{family=\"native\",route=\"/a\",method=\"GET\",le=\"+Inf\"}") == 3,
            "all");
    T_CHECK(value(m, DUR "count{family=\"native\",route=\"/a\",method=\"GET\"}") == 3, "count");
    T_CHECK(fabs(value(m, DUR "sum{family=\"native\",route=\"/a\",method=\"GET\"}") - 1000.0035) <
                1e-3,
            "sum");
    T_CHECK(value(m, "synthd_http_request_body_bytes_total") == 11 &&
                value(m, "synthd_http_response_body_bytes_total") == 22,
            "bytes");
}

static void test_jobs(struct syn_metrics *m)
{
    struct syn_job j;
    memset(&j, 0, sizeof j);
    strcpy(j.kind, "upscale");
    strcpy(j.model, "toy");
    T_CHECK(syn_metrics_unit_mean(m, "toy") < 0 && syn_metrics_job_mean(m, NULL) < 0,
            "no measurement yet");
    syn_metrics_unit(m, "upscale", "toy", 0.8);
    T_CHECK(syn_metrics_unit_mean(m, "toy") == 0.8 && syn_metrics_unit_mean(m, NULL) == 0.8,
            "the first is the mean");
    syn_metrics_unit(m, "upscale", "toy", 1.6);
    T_CHECK(fabs(syn_metrics_unit_mean(m, "toy") - 0.9) < 1e-12, "an eighth of the way");
    syn_metrics_unit(m, "upscale", "toy", NAN);
    syn_metrics_unit(m, "upscale", "toy", -1);
    T_CHECK(fabs(syn_metrics_unit_mean(m, "toy") - 0.9) < 1e-12, "nonsense is left out");
    T_CHECK(syn_metrics_unit_mean(m, "other") < 0, "another model");
    T_CHECK(value(m, "synthd_units_total{kind=\"upscale\",model=\"toy\",device=\"0\"}") == 2,
            "units");
    j.state = SYN_JOB_CANCELED; /* while it waited: it never ran */
    j.created_ms = 1000;
    j.finished_ms = 9000;
    syn_metrics_done(m, &j);
    T_CHECK(
        value(m, "synthd_jobs_finished_total{kind=\"upscale\",model=\"toy\",state=\"canceled\"}") ==
            1,
        "canceled");
    T_CHECK(isnan(value(m, "synthd_job_run_seconds_count{kind=\"upscale\",model=\"toy\"}")),
            "it has no run time");
    T_CHECK(syn_metrics_job_mean(m, "toy") < 0, "nor is it measured");
    j.state = SYN_JOB_SUCCEEDED;
    j.started_ms = 3000;
    j.seconds_load = 0.5;
    syn_metrics_done(m, &j);
    T_CHECK(syn_metrics_job_mean(m, "toy") == 6 && syn_metrics_job_mean(m, NULL) == 6, "6 s");
    T_CHECK(value(m, "synthd_job_queue_seconds_sum{kind=\"upscale\",model=\"toy\"}") == 2,
            "2 s of waiting");
    T_CHECK(value(m, "synthd_job_stage_seconds_sum{kind=\"upscale\",stage=\"load\"}") == 0.5,
            "load");
    syn_metrics_rejected(m, "queue_full");
    syn_metrics_submitted(m, "upscale", "toy", "native");
    T_CHECK(value(m, "synthd_jobs_rejected_total{reason=\"queue_full\"}") == 1, "rejected");
    T_CHECK(
        value(m, "synthd_jobs_submitted_total{kind=\"upscale\",model=\"toy\",family=\"native\"}") ==
            1,
        "submitted");
}

static void *hammer(void *user)
{
    for (int i = 0; i < 2000; i++) {
        char model[16];
        snprintf(model, sizeof model, "m%d", i % 7);
        syn_metrics_request(user, i % 2, false, 200, 0.01, 1, 1);
        syn_metrics_unit(user, "upscale", model, 0.5);
    }
    return NULL;
}

/* Nothing is lost, and a flood of models does not grow it without bound. */
static void test_many(void)
{
    struct syn_metrics *m = syn_metrics_new(2);
    pthread_t t[4];
    char model[32];
    if (!m) abort();
    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, hammer, m)) abort();
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    T_CHECK(value(m, REQ "\"/a\",method=\"GET\",code=\"200\"}") == 4000, "requests");
    T_CHECK(value(m, "synthd_units_total{kind=\"upscale\",model=\"m0\",device=\"0\"}") == 4 * 286,
            "units");
    for (int i = 0; i < 3000; i++) {
        snprintf(model, sizeof model, "model-%d", i);
        syn_metrics_unit(m, "upscale", model, 1);
    }
    T_CHECK(value(m, "synthd_units_total{kind=\"upscale\",model=\"m0\",device=\"0\"}") == 4 * 286,
            "the old ones stay");
    T_CHECK(
        isnan(value(m, "synthd_units_total{kind=\"upscale\",model=\"model-2999\",device=\"0\"}")),
        "the list is bounded");
    syn_metrics_free(m);
}

int main(void)
{
    struct syn_metrics *m = syn_metrics_new(2);
    if (!m) abort();
    test_requests(m);
    test_jobs(m);
    syn_metrics_free(m);
    test_many();
    return t_report();
}
