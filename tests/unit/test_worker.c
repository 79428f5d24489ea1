/* test_worker.c - parameters from text, a job's steps with every allocation failing once, and the
 * worker on a real store: results, error codes, cancel, hold, stop. Networks run on the references.
 *
 * Layer:   tests. */
#include "server/jobs/params.h"
#include "server/jobs/worker.h"
#include "tests/model_fixture.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <time.h>

static struct syn_engine *engine;
static char root[PATH_MAX];

static void nap(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static struct syn_models *open_models(void)
{
    const char *dirs[] = {root, NULL};
    struct syn_models_opts opts = {.dirs = dirs, .engine = engine};
    struct syn_models *ms = NULL;
    struct syn_err err = {""};
    fx_need(syn_models_open(&opts, &ms, &err) == SYN_OK, err.text);
    return ms;
}

/* A PNG of w x h with some colour in it. */
static struct syn_buf picture(int32_t w, int32_t h)
{
    struct syn_image im = {0};
    struct syn_image_encode_opts opts = {.format = SYN_IMAGE_PNG};
    struct syn_buf buf = {0};
    fx_need(syn_image_init(&im, w, h, 3, 8, NULL) == SYN_OK, "image");
    for (int32_t i = 0; i < w * h * 3; i++) ((uint8_t *)im.pixels)[i] = (uint8_t)(i * 7);
    fx_need(syn_image_encode(&im, &opts, &buf, NULL) == SYN_OK, "encode");
    syn_image_deinit(&im);
    return buf;
}

/* ---- params ---- */

static void test_params(void)
{
    static const char *const words[] = {"scale=2.5", "tile=64", "on=true", "name=two words",
                                        "long=18446744073709551616"};
    static const char *const wrong[] = {"scale", "=4", "x=\xff"};
    static const char *const twice[] = {"scale=2", "scale=3"};
    struct syn_param_list l = {0};
    struct syn_err err = {""};
    char *text = NULL;
    T_CHECK(syn_params_from_words(words, 5, &text, &err) == SYN_OK, "%s", err.text);
    T_CHECK(text && syn_params_read(text, &l, &err) == SYN_OK, "%s", err.text);
    T_CHECK(l.n == 5, "%d", l.n);
    for (int32_t i = 0; i < l.n; i++) {
        const struct syn_param *p = &l.item[i];
        if (strcmp(p->name, "scale") == 0)
            T_CHECK(p->type == SYN_PARAM_NUMBER && p->number == 2.5, "%g", p->number);
        if (strcmp(p->name, "tile") == 0)
            T_CHECK(p->type == SYN_PARAM_INTEGER && p->integer == 64, "%d", (int)p->integer);
        if (strcmp(p->name, "on") == 0) T_CHECK(p->type == SYN_PARAM_BOOL && p->boolean, "bool");
        if (strcmp(p->name, "name") == 0)
            T_CHECK(p->type == SYN_PARAM_STRING && strcmp(p->string, "two words") == 0, "text");
        if (strcmp(p->name, "long") == 0)
            T_CHECK(p->type != SYN_PARAM_INTEGER, "over 64 bits is no integer");
    }
    syn_params_deinit(&l);
    syn_free(text);
    for (int i = 0; i < 3; i++)
        T_CHECK(syn_params_from_words(&wrong[i], 1, &text, &err) == SYN_INVALID, "%s: %s", wrong[i],
                err.text);
    T_CHECK(syn_params_from_words(twice, 2, &text, &err) == SYN_INVALID &&
                strstr(err.text, "scale"),
            "%s", err.text);
    T_CHECK(syn_params_read("[1]", &l, &err) == SYN_INVALID, "an array");
    T_CHECK(syn_params_read("{\"a\":1,\"a\":2}", &l, &err) == SYN_INVALID, "twice");
    T_CHECK(syn_params_read("{\"a\":", &l, &err) == SYN_INVALID, "cut");
    T_CHECK(syn_params_read(NULL, &l, &err) == SYN_OK && l.n == 0, "NULL is {}");
    syn_params_deinit(&l);
}

/* ---- a task ---- */

/* All steps; *code is the stable word of where it failed. */
static syn_status run_task(struct syn_models *ms, const struct syn_task_request *r,
                           const struct syn_buf *in, const char **code)
{
    const struct syn_task_limits limits = {.max_side = 4096};
    const struct syn_drive drive = {0};
    struct syn_task *t = NULL;
    struct syn_buf out = {0};
    struct syn_err err = {""};
    struct syn_task_made made;
    char *result;
    enum syn_task_step step = SYN_STEP_OPEN;
    syn_status st = syn_task_open(ms, r, &limits, &t, &err);
    if (st == SYN_OK) step = SYN_STEP_DECODE, st = syn_task_decode(t, "image", in->data, in->size, &err);
    if (st == SYN_OK) step = SYN_STEP_SIZE, st = syn_task_size(t, &err);
    if (st == SYN_OK) step = SYN_STEP_LOAD, st = syn_task_load(t, NULL, &err);
    if (st == SYN_OK) step = SYN_STEP_COMPUTE, st = syn_task_compute(t, &drive, &err);
    if (st == SYN_OK)
        step = SYN_STEP_ENCODE, st = syn_task_encode(t, 0, &out, &made, &err);
    if (st == SYN_OK) {
        result = syn_task_result(t);
        if (!result) st = SYN_NO_MEMORY;
        syn_free(result);
    }
    *code = st == SYN_OK ? "" : syn_task_code(t, step, st);
    syn_buf_deinit(&out);
    syn_task_close(t);
    return st;
}

/* B08: whichever allocation fails, the code is out_of_memory and the next job succeeds. */
static void test_B08_each_allocation_fails(void)
{
    struct syn_models *ms = open_models();
    struct syn_buf in = picture(12, 9);
    const struct syn_task_request r = {.kind = "upscale",
                                       .model = "toy",
                                       .params = "{\"scale\":3,\"tile\":8}",
                                       .output = "{\"format\":\"png\"}"};
    const char *code = "";
    long failures = 0, numeric = 0, n = 1;
    for (; n < 20000; n++) {
        syn_status st;
        syn_alloc_fail_at(n);
        st = run_task(ms, &r, &in, &code);
        syn_alloc_fail_at(0);
        if (st == SYN_OK && failures && n > 400) break; /* further than a job goes */
        if (st == SYN_OK) continue;                     /* an allocation that can be done without */
        failures++;
        /* A reference without its line buffer fills its output with NaN (kernels/backend/ref.c). */
        numeric += strcmp(code, "numeric_error") == 0;
        T_CHECK(strcmp(code, "out_of_memory") == 0 || strcmp(code, "numeric_error") == 0,
                "allocation %ld: code %s", n, code);
        st = run_task(ms, &r, &in, &code);
        T_CHECK(st == SYN_OK, "the job after allocation %ld: %s", n, code);
    }
    T_CHECK(failures > 20 && numeric < failures / 2, "%ld allocations failed a job, %ld as numeric",
            failures, numeric);
    syn_buf_deinit(&in);
    syn_models_close(ms);
}

static void test_task_codes(void)
{
    struct syn_models *ms = open_models();
    uint8_t bytes[] = "no picture";
    struct syn_buf in = picture(16, 16), cut = in, text = {bytes, sizeof bytes};
    struct syn_task_request r = {.kind = "upscale", .model = "toy"}, bad = r;
    const char *code = "";
    cut.size = in.size / 2;
    T_CHECK(run_task(ms, &r, &in, &code) == SYN_OK, "%s", code);
    T_CHECK(run_task(ms, &r, &cut, &code) != SYN_OK && strcmp(code, "image_truncated") == 0, "%s",
            code);
    T_CHECK(run_task(ms, &r, &text, &code) != SYN_OK && strcmp(code, "unsupported_media") == 0,
            "%s", code);
    bad.model = "nobody";
    T_CHECK(run_task(ms, &bad, &in, &code) != SYN_OK && strcmp(code, "unknown_model") == 0, "%s",
            code);
    bad = r, bad.params = "{\"scale\":99}";
    T_CHECK(run_task(ms, &bad, &in, &code) != SYN_OK && strcmp(code, "invalid_field") == 0, "%s",
            code);
    bad = r, bad.output = "{\"format\":\"gif\"}";
    T_CHECK(run_task(ms, &bad, &in, &code) != SYN_OK && strcmp(code, "invalid_field") == 0, "%s",
            code);
    bad = r, bad.model_digest = "0000000000000000000000000000000000000000000000000000000000000000";
    T_CHECK(run_task(ms, &bad, &in, &code) != SYN_OK && strcmp(code, "model_failed") == 0, "%s",
            code);
    syn_buf_deinit(&in);
    syn_models_close(ms);
}

/* ---- the worker ---- */

struct stage {
    char data[PATH_MAX];
    struct syn_store *store;
    struct syn_models *models;
    struct syn_worker *worker;
    atomic_int done, units;
    char before[SYN_JOB_ID_SIZE]; /* not empty: a unit of "toy" may be done when this one is over */
    atomic_int early;             /* units of "toy" that were done before */
    char blob[SYN_SHA256_HEX_SIZE];
};

static void on_unit(void *user, const char *kind, const char *model, double seconds)
{
    struct stage *s = user;
    (void)kind;
    if (seconds >= 0) atomic_fetch_add(&s->units, 1);
    if (s->before[0] && strcmp(model, "toy") == 0) {
        struct syn_job job = {0};
        struct syn_err err = {""};
        if (syn_store_get(s->store, s->before, &job, &err) != SYN_OK ||
            job.state < SYN_JOB_SUCCEEDED)
            atomic_fetch_add(&s->early, 1);
        syn_job_deinit(&job);
    }
}

static void on_done(void *user, const struct syn_job *job)
{
    struct stage *s = user;
    if (job->state >= SYN_JOB_SUCCEEDED) atomic_fetch_add(&s->done, 1);
}

static void stage_open_with(struct stage *s, uint64_t budget_bytes)
{
    struct syn_store_opts so = {.max_queued = 10000, .max_attempts = 3};
    struct syn_worker_opts wo = {
        .on_unit = on_unit, .on_done = on_done, .user = s, .engine = engine, .idle_trim_ms = 1};
    struct syn_buf in = picture(40, 40);
    struct syn_err err = {""};
    memset(s, 0, sizeof *s);
    fx_folder(s->data);
    so.data_dir = s->data;
    fx_need(syn_store_open(&so, &s->store, &err) == SYN_OK, err.text);
    s->models = open_models();
    wo.store = s->store;
    wo.models = s->models;
    wo.limits.max_input_bytes = 1 << 20;
    wo.limits.memory_budget_bytes = budget_bytes;
    fx_need(syn_worker_start(&wo, &s->worker, &err) == SYN_OK, err.text);
    fx_need(syn_blob_put(syn_store_blobs(s->store), in.data, in.size, s->blob, &err) == SYN_OK,
            err.text);
    syn_buf_deinit(&in);
}

static void stage_open(struct stage *s)
{
    stage_open_with(s, 0);
}

static void stage_close(struct stage *s)
{
    syn_worker_stop(s->worker, 10000);
    syn_worker_free(s->worker);
    syn_models_close(s->models);
    syn_store_close(s->store);
    fx_remove(s->data);
}

static void submit(struct stage *s, const char *model, const char *params, const char *blob,
                   char id[SYN_JOB_ID_SIZE])
{
    struct syn_job job = {.kind = "upscale", .n_inputs = 1};
    struct syn_submit in = {.job = &job};
    struct syn_err err = {""};
    char text[200];
    snprintf(text, sizeof text, "%s", params);
    snprintf(job.model, sizeof job.model, "%s", model);
    job.params = text;
    snprintf(job.input[0].name, sizeof job.input[0].name, "image");
    snprintf(job.input[0].sha256, sizeof job.input[0].sha256, "%s", blob);
    fx_need(syn_store_submit(s->store, &in, id, NULL, &err) == SYN_OK, err.text);
}

/* The job in its final state, or as it is after 60 s (caller deinits). */
static struct syn_job final(struct stage *s, const char *id)
{
    struct syn_job job = {0};
    struct syn_err err = {""};
    fx_need(syn_store_wait_final(s->store, id, 60000, &err) == SYN_OK, err.text);
    fx_need(syn_store_get(s->store, id, &job, &err) == SYN_OK, err.text);
    return job;
}

static bool ends(struct stage *s, const char *id, enum syn_job_state state, const char *code)
{
    struct syn_job job = final(s, id);
    bool good = job.state == state && strcmp(job.error_code, code) == 0;
    if (!good)
        fprintf(stderr, "%s: %s %s %s\n", id, syn_job_state_word(job.state), job.error_code,
                job.error_detail);
    syn_job_deinit(&job);
    return good;
}

static void test_worker_runs_jobs(void)
{
    struct stage s;
    char id[6][SYN_JOB_ID_SIZE], text[SYN_SHA256_HEX_SIZE];
    struct syn_job job;
    struct syn_err err = {""};
    stage_open(&s);
    fx_need(syn_blob_put(syn_store_blobs(s.store), "no picture", 10, text, &err) == SYN_OK,
            err.text);
    T_CHECK(strcmp(syn_worker_trouble(s.worker), "starting") == 0, "%s",
            syn_worker_trouble(s.worker));
    submit(&s, "toy", "{\"tile\":8}", s.blob, id[0]);
    nap(50);
    T_CHECK(syn_store_get(s.store, id[0], &job, &err) == SYN_OK && job.state == SYN_JOB_QUEUED,
            "held: nothing is taken");
    syn_job_deinit(&job);
    submit(&s, "toy", "{}", text, id[1]);
    submit(&s, "nobody", "{}", s.blob, id[2]);
    submit(&s, "toy", "{\"scale\":99}", s.blob, id[3]);
    submit(&s, "toy", "not JSON", s.blob, id[4]);
    submit(&s, "toy", "{\"scale\":1}", s.blob, id[5]);
    syn_worker_go(s.worker);
    T_CHECK(ends(&s, id[0], SYN_JOB_SUCCEEDED, ""), "first");
    T_CHECK(ends(&s, id[1], SYN_JOB_FAILED, "unsupported_media"), "no picture");
    T_CHECK(ends(&s, id[2], SYN_JOB_FAILED, "unknown_model"), "unknown model");
    T_CHECK(ends(&s, id[3], SYN_JOB_FAILED, "invalid_field"), "scale");
    T_CHECK(ends(&s, id[4], SYN_JOB_FAILED, "invalid_field"), "not JSON");
    T_CHECK(ends(&s, id[5], SYN_JOB_SUCCEEDED, ""), "last");
    T_CHECK(syn_worker_trouble(s.worker)[0] == '\0', "%s", syn_worker_trouble(s.worker));
    job = final(&s, id[0]);
    T_CHECK(job.n_outputs == 1 && job.output[0].width == 80 && job.output[0].height == 80, "%dx%d",
            job.output[0].width, job.output[0].height);
    T_CHECK(strcmp(job.output[0].media_type, "image/png") == 0, "%s", job.output[0].media_type);
    T_CHECK(syn_blob_exists(syn_store_blobs(s.store), job.output[0].sha256, NULL),
            "the output is there");
    T_CHECK(job.result && strstr(job.result, "\"tiles\":") && strstr(job.result, "\"color\":\""),
            "%s", job.result ? job.result : "none");
    T_CHECK(job.units_done == job.units_total && job.units_done > 1, "%d/%d", (int)job.units_done,
            (int)job.units_total);
    syn_job_deinit(&job);
    for (int i = 0; i < 100 && atomic_load(&s.done) < 6; i++)
        nap(20); /* told after the store knows */
    T_CHECK(atomic_load(&s.done) == 6, "each job is told once: %d", atomic_load(&s.done));
    T_CHECK(atomic_load(&s.units) > 1, "%d units", atomic_load(&s.units));
    syn_worker_hold(s.worker, "selftest_failed");
    T_CHECK(strcmp(syn_worker_trouble(s.worker), "selftest_failed") == 0, "%s",
            syn_worker_trouble(s.worker));
    stage_close(&s);
}

/* The running job's flag, set through the store alone or with the worker's own call. */
static void test_C04_cancel(void)
{
    struct stage s;
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE];
    struct syn_err err = {""};
    bool running = false;
    stage_open(&s);
    syn_worker_go(s.worker);
    for (int told = 0; told < 2; told++) {
        submit(&s, "deep", "{\"tile\":8,\"scale\":16}", s.blob, one);
        submit(&s, "toy", "{}", s.blob, two);
        for (int i = 0; i < 1000; i++) {
            struct syn_job job = {0};
            bool begun = syn_store_get(s.store, one, &job, &err) == SYN_OK && job.units_done > 0;
            syn_job_deinit(&job);
            if (begun) break;
            nap(5);
        }
        T_CHECK(syn_store_cancel(s.store, one, &running, &err) == SYN_OK && running, "running: %s",
                err.text);
        if (told) syn_worker_cancel(s.worker, one);
        T_CHECK(ends(&s, one, SYN_JOB_CANCELED, ""), "canceled, told %d", told);
        T_CHECK(ends(&s, two, SYN_JOB_SUCCEEDED, ""), "the next one, told %d", told);
    }
    stage_close(&s);
}

/* cancel(1) while 1 ends and 2 starts never reaches 2. */
static void test_C06_cancel_races(void)
{
    struct stage s;
    struct syn_err err = {""};
    char blob[SYN_SHA256_HEX_SIZE];
    struct syn_buf in = picture(8, 8);
    int wrong = 0, canceled = 0;
    bool running;
    stage_open(&s);
    fx_need(syn_blob_put(syn_store_blobs(s.store), in.data, in.size, blob, &err) == SYN_OK,
            err.text);
    syn_buf_deinit(&in);
    syn_worker_go(s.worker);
    for (int i = 0; i < 200; i++) {
        char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE];
        struct syn_job job;
        submit(&s, "toy", "{}", blob, one);
        if (i % 8 == 7 && syn_store_cancel(s.store, one, &running, &err) == SYN_OK)
            syn_worker_cancel(s.worker, one); /* early, so that some come in time on any machine */
        submit(&s, "toy", "{}", blob, two);
        for (int k = 0; k < i % 16; k++) {
            struct timespec t = {0, 150000};
            nanosleep(&t, NULL);
        }
        if (syn_store_cancel(s.store, one, &running, &err) == SYN_OK)
            syn_worker_cancel(s.worker, one);
        job = final(&s, one);
        if (job.state == SYN_JOB_CANCELED) canceled++;
        else if (job.state != SYN_JOB_SUCCEEDED) wrong++;
        syn_job_deinit(&job);
        job = final(&s, two);
        if (job.state != SYN_JOB_SUCCEEDED) wrong++;
        syn_job_deinit(&job);
    }
    T_CHECK(wrong == 0, "%d jobs ended as they should not", wrong);
    T_CHECK(canceled > 0, "no cancel came in time");
    stage_close(&s);
}

static void test_F05_stop(void)
{
    struct stage s;
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE];
    struct syn_job job = {0};
    struct syn_err err = {""};
    stage_open(&s);
    syn_worker_go(s.worker);
    submit(&s, "deep", "{\"tile\":8,\"scale\":16}", s.blob, one);
    submit(&s, "toy", "{}", s.blob, two);
    for (int i = 0; i < 1000; i++) {
        bool begun = syn_store_get(s.store, one, &job, &err) == SYN_OK && job.units_done > 0;
        syn_job_deinit(&job);
        if (begun) break;
        nap(5);
    }
    syn_worker_stop(s.worker, 0);
    T_CHECK(strcmp(syn_worker_trouble(s.worker), "stopping") == 0, "%s",
            syn_worker_trouble(s.worker));
    syn_worker_cancel(s.worker, one); /* may still be called */
    T_CHECK(syn_store_get(s.store, one, &job, &err) == SYN_OK && job.state == SYN_JOB_QUEUED &&
                job.attempts == 0,
            "back in the queue: %s, %d attempts", syn_job_state_word(job.state), job.attempts);
    syn_job_deinit(&job);
    T_CHECK(syn_store_get(s.store, two, &job, &err) == SYN_OK && job.state == SYN_JOB_QUEUED, "%s",
            syn_job_state_word(job.state));
    syn_job_deinit(&job);
    stage_close(&s);
}

/* A row that cannot be written for a reason of its own is no reason to leave the job running. */
static void test_result_refused_for_good(void)
{
    struct stage s;
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE], path[PATH_MAX + 16];
    sqlite3 *db = NULL;
    stage_open(&s);
    snprintf(path, sizeof path, "%s/synthd.db", s.data);
    fx_need(sqlite3_open(path, &db) == SQLITE_OK &&
                sqlite3_exec(db,
                             "CREATE TRIGGER no_output BEFORE INSERT ON job_blob WHEN NEW.role = 1 "
                             "BEGIN SELECT RAISE(ABORT, 'no'); END",
                             NULL, NULL, NULL) == SQLITE_OK,
            "trigger");
    submit(&s, "toy", "{}", s.blob, one);
    syn_worker_go(s.worker);
    T_CHECK(ends(&s, one, SYN_JOB_FAILED, "internal"), "told as ours");
    fx_need(sqlite3_exec(db, "DROP TRIGGER no_output", NULL, NULL, NULL) == SQLITE_OK, "trigger");
    sqlite3_close(db);
    submit(&s, "toy", "{}", s.blob, two);
    T_CHECK(ends(&s, two, SYN_JOB_SUCCEEDED, ""), "the next one");
    T_CHECK(syn_worker_trouble(s.worker)[0] == '\0', "%s", syn_worker_trouble(s.worker));
    stage_close(&s);
}

/* B11: a picture over half of the budget that waits for its encoder holds the next job up. */
static void test_B11_large_results_one_at_a_time(void)
{
    struct stage s;
    char two[SYN_JOB_ID_SIZE], blob[SYN_SHA256_HEX_SIZE];
    struct syn_buf in = picture(8, 8);
    struct syn_err err = {""};
    stage_open_with(&s, 2 * 640 * 640 * 3 - 2);
    fx_need(syn_blob_put(syn_store_blobs(s.store), in.data, in.size, blob, &err) == SYN_OK,
            err.text);
    syn_buf_deinit(&in);
    submit(&s, "light", "{\"scale\":16}", s.blob, s.before);
    submit(&s, "toy", "{}", blob, two);
    syn_worker_go(s.worker);
    T_CHECK(ends(&s, two, SYN_JOB_SUCCEEDED, ""), "small");
    T_CHECK(ends(&s, s.before, SYN_JOB_SUCCEEDED, ""), "large");
    T_CHECK(atomic_load(&s.early) == 0, "%d units beside it", atomic_load(&s.early));
    stage_close(&s);
}

/* The deadline passes when all units are done and the picture is being brought to its size: the job
 * is stored or goes back, but nobody canceled it. */
static void test_F05_stop_after_the_last_unit(void)
{
    int units = 0, stored = 0;
    for (int i = 0; i < 8; i++) {
        struct stage s;
        char id[SYN_JOB_ID_SIZE];
        struct syn_job job = {0};
        struct syn_err err = {""};
        stage_open(&s);
        submit(&s, "toy", "{\"scale\":15.9}", s.blob, id);
        syn_worker_go(s.worker);
        if (units == 0) {
            T_CHECK(ends(&s, id, SYN_JOB_SUCCEEDED, ""), "the first one tells the number of units");
            units = atomic_load(&s.units);
        }
        while (atomic_load(&s.units) < units) {
            const struct timespec little = {0, 100000};
            nanosleep(&little, NULL);
        }
        nap(i);
        syn_worker_stop(s.worker, 0);
        T_CHECK(syn_store_get(s.store, id, &job, &err) == SYN_OK, "%s", err.text);
        T_CHECK(job.state == SYN_JOB_SUCCEEDED || job.state == SYN_JOB_QUEUED, "%d ms: %s", i,
                syn_job_state_word(job.state));
        stored += job.state == SYN_JOB_SUCCEEDED;
        syn_job_deinit(&job);
        stage_close(&s);
    }
    T_CHECK(stored > 1, "%d of 8 were stored", stored);
}

int main(void)
{
    struct syn_err err = {""};
    fx_need(syn_engine_open(&(struct syn_engine_opts){.device = "ref"}, &engine, &err) == SYN_OK,
            err.text);
    fx_folder(root);
    fx_model(root, "toy", 1, 4, 2);
    fx_model(root, "deep", 1, 24, 6);
    fx_model(root, "light", 1, 4, 2);
    test_params();
    test_task_codes();
    test_B08_each_allocation_fails();
    test_worker_runs_jobs();
    test_C04_cancel();
    test_C06_cancel_races();
    test_F05_stop();
    test_F05_stop_after_the_last_unit();
    test_result_refused_for_good();
    test_B11_large_results_one_at_a_time();
    fx_remove(root);
    syn_engine_close(engine);
    return t_report();
}
