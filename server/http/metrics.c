/* metrics.c - see metrics.h.
 *
 * Requests are counted in an array by route and status, with atomics: every request passes here.
 * What happens per job or per unit goes into a list of labelled series under one lock; its length
 * is bounded by kinds x models, and by MAX_SERIES. */
#include "server/http/metrics.h"
#include "kernels/base/alloc.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_SERIES 1024
#define MAX_MEANS 256
#define N_BUCKETS 18

static const double bucket[N_BUCKETS] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5,
                                         1,     2,     5,     10,   20,   50,   100, 200, 600};
/* The last one stands for any other. */
static const unsigned status_word[] = {200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405,
                                       409, 410, 413, 415, 416, 422, 429, 500, 503, 0};
#define N_STATUS ((int)(sizeof status_word / sizeof *status_word))

struct fast_histogram { /* atomics */
    atomic_ullong n[N_BUCKETS + 1], sum_us;
};
struct route_series {
    atomic_ullong count[2][N_STATUS]; /* [HEAD] */
    struct fast_histogram seconds;
};

enum family {
    SUBMITTED,
    REJECTED,
    FINISHED,
    UNITS,
    UNIT_SECONDS,
    QUEUE_SECONDS,
    RUN_SECONDS,
    STAGE_SECONDS,
    N_FAMILIES
};
static const struct {
    const char *name, *help;
    bool histogram;
} family_row[N_FAMILIES] = {
    [SUBMITTED] = {"synthd_jobs_submitted_total", "Jobs accepted.", false},
    [REJECTED] = {"synthd_jobs_rejected_total", "Submits refused, by reason.", false},
    [FINISHED] = {"synthd_jobs_finished_total", "Jobs that reached a final state.", false},
    [UNITS] = {"synthd_units_total", "Units of work done: tiles, steps, sentences.", false},
    [UNIT_SECONDS] = {"synthd_unit_seconds", "Time of one unit.", true},
    [QUEUE_SECONDS] = {"synthd_job_queue_seconds", "Submit to start.", true},
    [RUN_SECONDS] = {"synthd_job_run_seconds", "Start to end.", true},
    [STAGE_SECONDS] = {"synthd_job_stage_seconds", "Time of a job's stages.", true},
};

struct series {
    enum family family;
    char labels[220];
    uint64_t count, n[N_BUCKETS + 1];
    double sum;
};
struct mean {
    char model[96];   /* "" = all */
    double unit, job; /* negative = none yet */
};

struct syn_metrics {
    int n_routes;
    struct route_series *route; /* [n_routes + 1]: the last for requests without a route */
    atomic_ullong bytes_in, bytes_out;
    pthread_mutex_t mu; /* guards the rest */
    struct series *series;
    size_t n_series;
    struct mean mean[MAX_MEANS];
    int n_means;
};

struct syn_metrics *syn_metrics_new(int n_routes)
{
    struct syn_metrics *m = syn_calloc(1, sizeof *m);
    if (!m) return NULL;
    m->n_routes = n_routes;
    m->route = syn_calloc((size_t)n_routes + 1, sizeof *m->route);
    m->series = syn_calloc(MAX_SERIES, sizeof *m->series);
    if (!m->route || !m->series || pthread_mutex_init(&m->mu, NULL) != 0) {
        syn_free(m->route);
        syn_free(m->series);
        syn_free(m);
        return NULL;
    }
    return m;
}

void syn_metrics_free(struct syn_metrics *m)
{
    if (!m) return;
    pthread_mutex_destroy(&m->mu);
    syn_free(m->route);
    syn_free(m->series);
    syn_free(m);
}

static int bucket_of(double seconds)
{
    int i = 0;
    while (i < N_BUCKETS && seconds > bucket[i]) i++;
    return i;
}

void syn_metrics_request(struct syn_metrics *m, int route, bool head, unsigned status,
                         double seconds, uint64_t bytes_in, uint64_t bytes_out)
{
    struct route_series *r = &m->route[route >= 0 && route < m->n_routes ? route : m->n_routes];
    int code = 0;
    while (code < N_STATUS - 1 && status_word[code] != status) code++;
    if (seconds < 0) seconds = 0;
    atomic_fetch_add_explicit(&r->count[head][code], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->seconds.n[bucket_of(seconds)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->seconds.sum_us, (unsigned long long)(seconds * 1e6),
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&m->bytes_in, bytes_in, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->bytes_out, bytes_out, memory_order_relaxed);
}

/* The lock is held. NULL when the list is full: the value is lost, the server goes on. */
static struct series *find(struct syn_metrics *m, enum family family, const char *labels)
{
    struct series *s;
    for (size_t i = 0; i < m->n_series; i++)
        if (m->series[i].family == family && !strcmp(m->series[i].labels, labels))
            return &m->series[i];
    if (m->n_series == MAX_SERIES) return NULL;
    s = &m->series[m->n_series++];
    s->family = family;
    snprintf(s->labels, sizeof s->labels, "%s", labels);
    return s;
}

static void add(struct syn_metrics *m, enum family family, const char *labels, double value)
{
    struct series *s = find(m, family, labels);
    if (!s) return;
    s->count++;
    s->sum += value;
    s->n[bucket_of(value)]++;
}

void syn_metrics_submitted(struct syn_metrics *m, const char *kind, const char *model,
                           const char *family)
{
    char labels[220];
    snprintf(labels, sizeof labels, "kind=\"%s\",model=\"%s\",family=\"%s\"", kind, model, family);
    pthread_mutex_lock(&m->mu);
    add(m, SUBMITTED, labels, 0);
    pthread_mutex_unlock(&m->mu);
}

void syn_metrics_rejected(struct syn_metrics *m, const char *reason)
{
    char labels[220];
    snprintf(labels, sizeof labels, "reason=\"%s\"", reason);
    pthread_mutex_lock(&m->mu);
    add(m, REJECTED, labels, 0);
    pthread_mutex_unlock(&m->mu);
}

static struct mean *mean_of(struct syn_metrics *m, const char *model, bool make)
{
    struct mean *e;
    for (int i = 0; i < m->n_means; i++)
        if (!strcmp(m->mean[i].model, model)) return &m->mean[i];
    if (!make || m->n_means == MAX_MEANS) return NULL;
    e = &m->mean[m->n_means++];
    snprintf(e->model, sizeof e->model, "%s", model);
    e->unit = e->job = -1;
    return e;
}

static void learn(double *mean, double value)
{
    *mean = *mean < 0 ? value : *mean + (value - *mean) / 8;
}

void syn_metrics_unit(struct syn_metrics *m, const char *kind, const char *model, double seconds)
{
    char labels[220];
    const char *names[] = {model, ""};
    if (!(seconds >= 0)) return;
    snprintf(labels, sizeof labels, "kind=\"%s\",model=\"%s\",device=\"0\"", kind, model);
    pthread_mutex_lock(&m->mu);
    add(m, UNITS, labels, 0);
    add(m, UNIT_SECONDS, labels, seconds);
    for (int i = 0; i < 2; i++) {
        struct mean *e = mean_of(m, names[i], true);
        if (e) learn(&e->unit, seconds);
    }
    pthread_mutex_unlock(&m->mu);
}

void syn_metrics_done(struct syn_metrics *m, const struct syn_job *job)
{
    char labels[220];
    const char *names[] = {job->model, ""};
    const struct {
        const char *stage;
        double seconds;
    } stage[] = {{"load", job->seconds_load},
                 {"compute", job->seconds_compute},
                 {"encode", job->seconds_encode}};
    double run = (double)(job->finished_ms - job->started_ms) / 1000;
    pthread_mutex_lock(&m->mu);
    snprintf(labels, sizeof labels, "kind=\"%s\",model=\"%s\",state=\"%s\"", job->kind, job->model,
             syn_job_state_word(job->state));
    add(m, FINISHED, labels, 0);
    snprintf(labels, sizeof labels, "kind=\"%s\",model=\"%s\"", job->kind, job->model);
    if (job->started_ms > 0) {
        add(m, QUEUE_SECONDS, labels, (double)(job->started_ms - job->created_ms) / 1000);
        if (job->finished_ms >= job->started_ms) add(m, RUN_SECONDS, labels, run);
    }
    if (job->state == SYN_JOB_SUCCEEDED) {
        for (int i = 0; i < 3; i++) {
            snprintf(labels, sizeof labels, "kind=\"%s\",stage=\"%s\"", job->kind, stage[i].stage);
            add(m, STAGE_SECONDS, labels, stage[i].seconds);
        }
        for (int i = 0; i < 2 && job->started_ms > 0 && run >= 0; i++) {
            struct mean *e = mean_of(m, names[i], true);
            if (e) learn(&e->job, run);
        }
    }
    pthread_mutex_unlock(&m->mu);
}

static double read_mean(struct syn_metrics *m, const char *model, bool unit)
{
    const struct mean *e;
    double v = -1;
    pthread_mutex_lock(&m->mu);
    e = mean_of(m, model ? model : "", false);
    if (e) v = unit ? e->unit : e->job;
    pthread_mutex_unlock(&m->mu);
    return v;
}

double syn_metrics_unit_mean(struct syn_metrics *m, const char *model)
{
    return read_mean(m, model, true);
}

double syn_metrics_job_mean(struct syn_metrics *m, const char *model)
{
    return read_mean(m, model, false);
}

/* ---- printing ---- */

void syn_metrics_head(FILE *f, const char *name, const char *type, const char *help)
{
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_histogram(FILE *f, const char *name, const char *labels,
                            const uint64_t n[N_BUCKETS + 1], double sum)
{
    uint64_t total = 0;
    for (int i = 0; i < N_BUCKETS; i++) {
        total += n[i];
        fprintf(f, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, bucket[i],
                (unsigned long long)total);
    }
    total += n[N_BUCKETS];
    fprintf(f, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, labels, (unsigned long long)total);
    fprintf(f, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, labels, sum, name, labels,
            (unsigned long long)total);
}

static void route_labels(char *out, size_t size, int route, int n_routes,
                         void (*name_route)(int, const char **, const char **), const char **method)
{
    const char *path = "";
    *method = "";
    if (route < n_routes) name_route(route, method, &path);
    snprintf(out, size, "family=\"native\",route=\"%s\"", path);
}

static void print_requests(struct syn_metrics *m, FILE *f,
                           void (*name_route)(int, const char **, const char **))
{
    char labels[220];
    const char *method;
    syn_metrics_head(f, "synthd_http_requests_total", "counter", "Requests answered.");
    for (int r = 0; r <= m->n_routes; r++) {
        route_labels(labels, sizeof labels, r, m->n_routes, name_route, &method);
        for (int head = 0; head < 2; head++)
            for (int c = 0; c < N_STATUS; c++) {
                unsigned long long n =
                    atomic_load_explicit(&m->route[r].count[head][c], memory_order_relaxed);
                if (n)
                    fprintf(f, "synthd_http_requests_total{%s,method=\"%s\",code=\"%u\"} %llu\n",
                            labels, head ? "HEAD" : method, status_word[c], n);
            }
    }
    syn_metrics_head(f, "synthd_http_request_duration_seconds", "histogram",
                     "Headers in to answer decided.");
    for (int r = 0; r <= m->n_routes; r++) {
        uint64_t n[N_BUCKETS + 1], total = 0;
        route_labels(labels, sizeof labels, r, m->n_routes, name_route, &method);
        for (int i = 0; i <= N_BUCKETS; i++)
            total += n[i] = atomic_load_explicit(&m->route[r].seconds.n[i], memory_order_relaxed);
        if (total && *method) {
            size_t at = strlen(labels);
            snprintf(labels + at, sizeof labels - at, ",method=\"%s\"", method);
        }
        if (total)
            print_histogram(
                f, "synthd_http_request_duration_seconds", labels, n,
                (double)atomic_load_explicit(&m->route[r].seconds.sum_us, memory_order_relaxed) /
                    1e6);
    }
    syn_metrics_head(f, "synthd_http_request_body_bytes_total", "counter",
                     "Bytes of bodies received.");
    fprintf(f, "synthd_http_request_body_bytes_total %llu\n",
            (unsigned long long)atomic_load(&m->bytes_in));
    syn_metrics_head(f, "synthd_http_response_body_bytes_total", "counter",
                     "Bytes of bodies handed out.");
    fprintf(f, "synthd_http_response_body_bytes_total %llu\n",
            (unsigned long long)atomic_load(&m->bytes_out));
}

void syn_metrics_print(struct syn_metrics *m, FILE *f,
                       void (*name_route)(int, const char **, const char **))
{
    print_requests(m, f, name_route);
    pthread_mutex_lock(&m->mu);
    for (int k = 0; k < N_FAMILIES; k++) {
        bool headed = false;
        for (size_t i = 0; i < m->n_series; i++) {
            const struct series *s = &m->series[i];
            if (s->family != (enum family)k) continue;
            if (!headed)
                syn_metrics_head(f, family_row[k].name,
                                 family_row[k].histogram ? "histogram" : "counter",
                                 family_row[k].help);
            headed = true;
            if (family_row[k].histogram)
                print_histogram(f, family_row[k].name, s->labels, s->n, s->sum);
            else
                fprintf(f, "%s{%s} %llu\n", family_row[k].name, s->labels,
                        (unsigned long long)s->count);
        }
    }
    pthread_mutex_unlock(&m->mu);
}
