/* test_worker_device.c - C10, F01: a device that is lost, and a full memory, in the middle of a
 * job. The driver loop is replaced here (this file defines what server/pipelines/pipeline.c does),
 * so that a run can fail at will.
 *
 * Layer:   tests. */
#include "server/jobs/worker.h"
#include "tests/model_fixture.h"
#include <stdatomic.h>
#include <time.h>

static atomic_int fail_with; /* status of the next runs; SYN_OK: they work */

syn_status syn_pipeline_drive(struct syn_pipeline *p, const struct syn_drive *d,
                              struct syn_err *err)
{
    for (;;) {
        struct syn_unit unit = {0};
        bool more = false;
        syn_status st = atomic_load(&fail_with);
        if (st != SYN_OK) return syn_fail(err, st, "made to fail");
        st = p->kind->next(p, &unit, &more, err);
        if (st != SYN_OK || !more) return st;
        st = syn_plan_run(unit.plan, unit.in, &unit.out, NULL, err);
        if (st == SYN_OK) st = p->kind->done(p, &unit, err);
        if (st != SYN_OK) return st;
        if (d->on_unit) d->on_unit(d->user, 1, 2, 0);
    }
}

void syn_pipeline_close(struct syn_pipeline *p)
{
    if (p) p->kind->close(p);
}

static struct syn_engine *engine;
static struct syn_models *models;
static char data[PATH_MAX];

static struct syn_store *open_store(void)
{
    const struct syn_store_opts o = {.data_dir = data, .max_queued = 100, .max_attempts = 2};
    struct syn_store *s = NULL;
    struct syn_err err = {""};
    fx_need(syn_store_open(&o, &s, &err) == SYN_OK, err.text);
    return s;
}

static struct syn_worker *start(struct syn_store *s)
{
    struct syn_worker_opts o = {.store = s, .models = models, .engine = engine};
    struct syn_worker *w = NULL;
    struct syn_err err = {""};
    o.limits.max_input_bytes = 1 << 20;
    fx_need(syn_worker_start(&o, &w, &err) == SYN_OK, err.text);
    syn_worker_go(w);
    return w;
}

static void put_picture(struct syn_store *s, char sha256[SYN_SHA256_HEX_SIZE])
{
    struct syn_image im = {0};
    struct syn_buf png = {0};
    struct syn_err err = {""};
    const struct syn_image_encode_opts opts = {.format = SYN_IMAGE_PNG};
    fx_need(syn_image_init(&im, 16, 12, 3, 8, &err) == SYN_OK, err.text);
    memset(im.pixels, 90, 16 * 12 * 3);
    fx_need(syn_image_encode(&im, &opts, &png, &err) == SYN_OK, err.text);
    fx_need(syn_blob_put(syn_store_blobs(s), png.data, png.size, sha256, &err) == SYN_OK, err.text);
    syn_buf_deinit(&png);
    syn_image_deinit(&im);
}

static void submit(struct syn_store *s, char id[SYN_JOB_ID_SIZE])
{
    char params[] = "{}";
    struct syn_job job = {.kind = "upscale", .model = "toy", .params = params, .n_inputs = 1};
    const struct syn_submit in = {.job = &job};
    struct syn_err err = {""};
    strcpy(job.input[0].name, "image");
    put_picture(s, job.input[0].sha256);
    fx_need(syn_store_submit(s, &in, id, NULL, &err) == SYN_OK, err.text);
}

static enum syn_job_state look(struct syn_store *s, const char *id, int32_t *attempts,
                               char code[32])
{
    struct syn_job job = {0};
    struct syn_err err = {""};
    enum syn_job_state state;
    fx_need(syn_store_get(s, id, &job, &err) == SYN_OK, err.text);
    state = job.state;
    *attempts = job.attempts;
    snprintf(code, 32, "%s", job.error_code);
    syn_job_deinit(&job);
    return state;
}

static bool wait_for_trouble(const struct syn_worker *w, const char *word)
{
    for (int i = 0; i < 500; i++) {
        const struct timespec t = {0, 10000000};
        if (strcmp(syn_worker_trouble(w), word) == 0) return true;
        nanosleep(&t, NULL);
    }
    return false;
}

static void stop(struct syn_worker *w, struct syn_store *s)
{
    syn_worker_stop(w, 1000);
    syn_worker_free(w);
    syn_store_close(s);
}

/* Lost: readiness says so, nothing else is taken, the try counts, the queue is untouched. After the
 * restart the job runs; one that loses the device each time is given up as crashed. */
static void test_C10_device_lost(void)
{
    struct syn_store *s = open_store();
    struct syn_worker *w;
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE], code[32];
    struct syn_err err = {""};
    int32_t attempts = 0;
    submit(s, one);
    submit(s, two);
    for (int life = 1; life <= 2; life++) {
        atomic_store(&fail_with, SYN_DEVICE);
        w = start(s);
        T_CHECK(wait_for_trouble(w, "device_lost"), "life %d: %s", life, syn_worker_trouble(w));
        T_CHECK(look(s, two, &attempts, code) == SYN_JOB_QUEUED && attempts == 0,
                "the queue is untouched");
        T_CHECK(look(s, one, &attempts, code) == SYN_JOB_RUNNING && attempts == life,
                "life %d: %d attempts", life, attempts);
        stop(w, s);
        s = open_store();
    }
    T_CHECK(look(s, one, &attempts, code) == SYN_JOB_FAILED && strcmp(code, "crashed") == 0, "%s",
            code);
    atomic_store(&fail_with, SYN_OK);
    w = start(s);
    T_CHECK(syn_store_wait_final(s, two, 30000, &err) == SYN_OK, "%s", err.text);
    T_CHECK(look(s, two, &attempts, code) == SYN_JOB_SUCCEEDED && attempts == 1, "%d attempts, %s",
            attempts, code);
    stop(w, s);
}

/* Each status of a run becomes its code, and the job behind it runs. */
static void test_B08_statuses(void)
{
    static const struct {
        syn_status st;
        const char *code;
    } cases[] = {{SYN_NO_MEMORY, "out_of_memory"},
                 {SYN_NUMERIC, "numeric_error"},
                 {SYN_INTERNAL, "internal"},
                 {SYN_TOO_LARGE, "out_of_memory"},
                 {SYN_IO, "internal"}};
    struct syn_store *s = open_store();
    struct syn_worker *w = start(s);
    struct syn_err err = {""};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[SYN_JOB_ID_SIZE], code[32];
        int32_t attempts;
        for (int good = 0; good < 2; good++) {
            atomic_store(&fail_with, good ? SYN_OK : cases[i].st);
            submit(s, id);
            T_CHECK(syn_store_wait_final(s, id, 30000, &err) == SYN_OK, "%s", err.text);
            if (good)
                T_CHECK(look(s, id, &attempts, code) == SYN_JOB_SUCCEEDED, "after %s: %s",
                        cases[i].code, code);
            else
                T_CHECK(look(s, id, &attempts, code) == SYN_JOB_FAILED &&
                            strcmp(code, cases[i].code) == 0,
                        "%s: %s", cases[i].code, code);
        }
    }
    T_CHECK(syn_worker_trouble(w)[0] == '\0', "%s", syn_worker_trouble(w));
    stop(w, s);
}

int main(void)
{
    char root[PATH_MAX];
    const char *dirs[] = {root, NULL};
    struct syn_models_opts opts = {.dirs = dirs};
    struct syn_err err = {""};
    fx_need(syn_engine_open(&(struct syn_engine_opts){.device = "ref"}, &engine, &err) == SYN_OK,
            err.text);
    opts.engine = engine;
    fx_folder(root);
    fx_folder(data);
    fx_model(root, "toy", 1, 4, 1);
    fx_need(syn_models_open(&opts, &models, &err) == SYN_OK, err.text);
    test_C10_device_lost();
    test_B08_statuses();
    syn_models_close(models);
    syn_engine_close(engine);
    fx_remove(root);
    fx_remove(data);
    return t_report();
}
