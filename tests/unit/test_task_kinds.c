/* test_task_kinds.c - tasks of the kinds with ONNX models: results, several inputs and outputs,
 * every allocation failing once, what admission says of headers alone, and the worker with them.
 * Networks run on the references.
 *
 * Layer:   tests. */
#include "server/jobs/params.h"
#include "server/jobs/worker.h"
#include "server/media/npy.h"
#include "tests/onnx_fixture.h"
#include <stdatomic.h>
#include <time.h>

static struct syn_engine *engine;
static struct syn_models *models;
static char root[PATH_MAX];

/* ---- inputs ---- */

struct input {
    const char *name;
    struct syn_buf bytes;
};
struct job {
    struct syn_task_request request;
    struct input in[3];
    int32_t n_in;
};

static struct syn_buf picture(int32_t w, int32_t h, int32_t channels, uint8_t base)
{
    const struct syn_image_encode_opts opts = {.format = SYN_IMAGE_PNG};
    struct syn_image im = {0};
    struct syn_buf buf = {0};
    fx_need(syn_image_init(&im, w, h, channels, 8, NULL) == SYN_OK, "image");
    for (int32_t i = 0; i < w * h * channels; i++)
        ((uint8_t *)im.pixels)[i] = (uint8_t)(base + i % 7 * 5);
    fx_need(syn_image_encode(&im, &opts, &buf, NULL) == SYN_OK, "encode");
    syn_image_deinit(&im);
    return buf;
}

static struct syn_buf sound(int64_t frames, int32_t channels, int32_t rate)
{
    const struct syn_sound_encode_opts opts = {.format = SYN_SOUND_WAV};
    struct syn_sound s = {0};
    struct syn_buf buf = {0};
    fx_need(syn_sound_init(&s, frames, channels, rate, SYN_SOUND_S16, NULL) == SYN_OK, "sound");
    for (int64_t i = 0; i < frames * channels; i++)
        s.samples[i] = (float)((i * 37) % 101 - 50) / 128;
    fx_need(syn_sound_encode(&s, &opts, &buf, NULL, NULL) == SYN_OK, "encode");
    syn_sound_deinit(&s);
    return buf;
}

/* [rows, 2] of base, base + 1, ... */
static struct syn_buf tensor(int32_t rows, float base)
{
    float *v = t_alloc((size_t)rows * 2 * sizeof *v);
    const struct syn_tensor t = {.shape = syn_shape_of(2, (const int64_t[]){rows, 2}),
                                 .dtype = SYN_F32,
                                 .data = v};
    struct syn_buf buf = {0};
    for (int32_t i = 0; i < 2 * rows; i++) v[i] = base + (float)i;
    fx_need(syn_npy_encode(&t, &buf.data, &buf.size, NULL) == SYN_OK, "npy");
    free(v);
    return buf;
}

enum { BLEND, BY_PICTURE, MATTE, BEHIND, DENOISE, TENSOR, N_JOBS };

static void make_jobs(struct job job[N_JOBS])
{
    memset(job, 0, N_JOBS * sizeof *job);
    job[BLEND] = (struct job){{"stylize", "two", "", "{\"styles\":\"[1,1]\"}", NULL},
                              {{"image", picture(9, 6, 4, 40)}},
                              1};
    job[BY_PICTURE] = (struct job){{"stylize", "mean", "", "{\"strength\":0.5}", NULL},
                                   {{"style", picture(12, 5, 3, 100)},
                                    {"image", picture(21, 10, 3, 30)}},
                                   2};
    job[MATTE] = (struct job){{"matte", "bright", "", "{\"mask_only\":true}", NULL},
                              {{"image", picture(16, 12, 3, 140)}},
                              1};
    job[BEHIND] = (struct job){{"matte", "bright", "", NULL, "{\"format\":\"webp\"}"},
                               {{"image", picture(16, 12, 4, 160)},
                                {"background", picture(10, 30, 3, 20)}},
                               2};
    job[DENOISE] = (struct job){{"denoise-speech", "same", "", NULL, "{\"type\":\"f32\"}"},
                                {{"audio", sound(900, 2, 16000)}},
                                1};
    job[TENSOR] = (struct job){{"tensor", "sums", "", NULL, NULL},
                               {{"left", tensor(3, 1)}, {"b", tensor(3, 10)}},
                               2};
}

static void free_jobs(struct job job[N_JOBS])
{
    for (int j = 0; j < N_JOBS; j++)
        for (int32_t i = 0; i < job[j].n_in; i++) syn_buf_deinit(&job[j].in[i].bytes);
}

/* ---- all steps ---- */

struct ended {
    const char *code; /* "" = fine */
    struct syn_task_made made[SYN_MAX_UNIT_IO];
    struct syn_buf out[SYN_MAX_UNIT_IO];
    int32_t n_out;
    char *result, *warnings;
    struct syn_err err;
};

static void ended_deinit(struct ended *e)
{
    for (int32_t i = 0; i < e->n_out; i++) syn_buf_deinit(&e->out[i]);
    syn_free(e->result);
    syn_free(e->warnings);
    memset(e, 0, sizeof *e);
}

static syn_status run(const struct job *job, const struct syn_task_limits *limits, struct ended *e)
{
    const struct syn_drive drive = {0};
    struct syn_task *t = NULL;
    enum syn_task_step step = SYN_STEP_OPEN;
    syn_status st;
    memset(e, 0, sizeof *e);
    st = syn_task_open(models, &job->request, limits, &t, &e->err);
    for (int32_t i = 0; st == SYN_OK && i < job->n_in; i++)
        step = SYN_STEP_DECODE, st = syn_task_decode(t, job->in[i].name, job->in[i].bytes.data,
                                                     job->in[i].bytes.size, &e->err);
    if (st == SYN_OK) step = SYN_STEP_SIZE, st = syn_task_size(t, &e->err);
    if (st == SYN_OK) step = SYN_STEP_LOAD, st = syn_task_load(t, NULL, &e->err);
    if (st == SYN_OK) step = SYN_STEP_COMPUTE, st = syn_task_compute(t, &drive, &e->err);
    if (st == SYN_OK) step = SYN_STEP_ENCODE;
    for (int32_t i = 0; st == SYN_OK && i < syn_task_outputs(t); i++) {
        st = syn_task_encode(t, i, &e->out[i], &e->made[i], &e->err);
        e->n_out += st == SYN_OK;
    }
    if (st == SYN_OK) {
        T_CHECK(syn_task_held_bytes(t) > 0, "%s holds its results", job->request.kind);
        e->result = syn_task_result(t);
        e->warnings = syn_task_warnings(t);
        if (!e->result) st = SYN_NO_MEMORY;
    }
    e->code = st == SYN_OK ? "" : syn_task_code(t, step, st);
    syn_task_close(t);
    return st;
}

static const struct syn_task_limits no_limits = {.max_side = 4096};

static void test_results(struct job job[N_JOBS])
{
    static const struct {
        const char *name, *type;
        int32_t n, width;
        const char *says;
    } want[N_JOBS] = {{"image", "image/png", 1, 9, "\"runs\":1"},
                      {"image", "image/png", 1, 21, "\"runs\":3"},
                      {"image", "image/png", 1, 16, "\"coverage\":"},
                      {"image", "image/webp", 1, 16, "\"network_width\":8"},
                      {"audio", "audio/wav", 1, 0, "\"model_rate\":8000"},
                      {"sum", SYN_NPY_MEDIA_TYPE, 2, 0, "\"name\":\"x/product\""}};
    struct ended e = {0};
    for (int j = 0; j < N_JOBS; j++) {
        T_CHECK(run(&job[j], &no_limits, &e) == SYN_OK, "job %d: %s", j, e.err.text);
        T_CHECK(e.n_out == want[j].n && strcmp(e.made[0].name, want[j].name) == 0 &&
                    e.made[0].width == want[j].width,
                "job %d: %d outputs, %s", j, e.n_out, e.made[0].name);
        T_CHECK(e.n_out && strcmp(e.made[0].media_type, want[j].type) == 0, "job %d", j);
        T_CHECK(e.result && strstr(e.result, want[j].says), "job %d: %s", j, e.result);
        T_CHECK(!e.warnings, "job %d: %s", j, e.warnings);
        if (j == TENSOR && e.n_out == 2) {
            const float *sum = (const float *)(e.out[0].data + e.out[0].size - 24);
            const float *product = (const float *)(e.out[1].data + e.out[1].size - 24);
            for (int i = 0; i < 6; i++)
                T_CHECK(sum[i] == 11 + 2 * (float)i &&
                            product[i] == (1 + (float)i) * (10 + (float)i),
                        "%d: %g, %g", i, (double)sum[i], (double)product[i]);
            T_CHECK(strcmp(e.made[1].facts, "{\"type\":\"f32\",\"shape\":[3,2]}") == 0, "%s",
                    e.made[1].facts);
        }
        ended_deinit(&e);
    }
}

/* B08: whichever allocation fails, the job says out_of_memory and the next one succeeds. */
static void test_B08_each_allocation_fails(const struct job *job)
{
    const int32_t runs_past_the_end = 20;
    int32_t failures = 0, good = 0;
    struct ended e = {0};
    for (long n = 1; n < 20000 && good < runs_past_the_end; n++) {
        syn_status st;
        syn_alloc_fail_at(n);
        st = run(job, &no_limits, &e);
        syn_alloc_fail_at(0);
        if (st == SYN_OK) {
            good++; /* in a row: the job needs no more allocations */
            ended_deinit(&e);
            continue;
        }
        failures++;
        good = 0;
        T_CHECK(strcmp(e.code, "out_of_memory") == 0, "%s, allocation %ld: code %s (%s)",
                job->request.kind, n, e.code, e.err.text);
        ended_deinit(&e);
        T_CHECK(run(job, &no_limits, &e) == SYN_OK, "%s after allocation %ld: %s",
                job->request.kind, n, e.err.text);
        ended_deinit(&e);
    }
    T_CHECK(failures > 10 && good == runs_past_the_end, "%s: %d allocations failed a job",
            job->request.kind, failures);
}

/* ---- refusals of a run ---- */

static bool fails(const struct job *job, const char *code, const char *words)
{
    struct ended e = {0};
    const syn_status st = run(job, &no_limits, &e);
    const bool good = st != SYN_OK && strcmp(e.code, code) == 0 && strstr(e.err.text, words);
    if (!good) fprintf(stderr, "%s: %s '%s'\n", syn_status_word(st), e.code, e.err.text);
    ended_deinit(&e);
    return good;
}

static void test_failures(const struct job job[N_JOBS])
{
    uint8_t text[] = "neither this nor that";
    const struct syn_buf junk = {text, sizeof text};
    struct job j = job[BY_PICTURE];
    j.in[0].bytes = junk;
    T_CHECK(fails(&j, "unsupported_media", "inputs.style: "), "no picture as style");
    j = job[BY_PICTURE], j.in[1].bytes.size /= 2;
    T_CHECK(fails(&j, "image_truncated", "inputs.image: "), "half a photo");
    j = job[BY_PICTURE], j.in[1] = j.in[0];
    T_CHECK(fails(&j, "invalid_image", "given twice"), "style twice");
    j = job[BY_PICTURE], j.n_in = 1;
    T_CHECK(fails(&j, "invalid_field", "inputs.image is missing"), "no photo");
    j = job[BY_PICTURE], j.in[0] = j.in[1], j.n_in = 1;
    T_CHECK(fails(&j, "invalid_field", "inputs.style is missing"), "no style");
    j = job[MATTE], j.in[0].name = "mask";
    T_CHECK(fails(&j, "invalid_image", "kind matte has no such input"), "an unknown input");
    j = job[BEHIND], j.request.params = "{\"mask_only\":true}";
    T_CHECK(fails(&j, "invalid_field", "inputs.background: mask_only"), "background for nothing");
    j = job[MATTE], j.request.model_digest = "00";
    T_CHECK(fails(&j, "model_failed", "not those the job was accepted for"), "another digest");
    j = job[MATTE], j.request.model = "two";
    T_CHECK(fails(&j, "invalid_field", "is for kind"), "another kind's model");
    j = job[DENOISE], j.in[0].bytes = junk;
    T_CHECK(fails(&j, "unsupported_media", ""), "no sound");
    j = job[DENOISE], j.in[0].bytes.size -= 100;
    T_CHECK(fails(&j, "audio_truncated", ""), "a cut sound");
    j = job[DENOISE], j.in[0].bytes = sound(100, 1, 8);
    T_CHECK(fails(&j, "invalid_field", "256 times"), "a rate that cannot be converted");
    syn_buf_deinit(&j.in[0].bytes);
    j = job[DENOISE], j.in[0].bytes = sound(100, 9, 8000);
    j.request.output = "{\"format\":\"flac\"}";
    T_CHECK(fails(&j, "invalid_field", "9 channels"), "more channels than FLAC holds");
    syn_buf_deinit(&j.in[0].bytes);
    j = job[TENSOR], j.in[1].bytes = junk;
    T_CHECK(fails(&j, "unsupported_media", "inputs.b: "), "no tensor");
    j = job[TENSOR], j.in[1].bytes.size -= 4;
    T_CHECK(fails(&j, "invalid_tensor", "inputs.b: "), "a cut tensor");
    j = job[TENSOR], j.n_in = 1;
    T_CHECK(fails(&j, "invalid_field", "inputs.b is missing"), "a tensor too few");
    j = job[TENSOR], j.request.params = "{\"outputs\":\"zip\"}";
    T_CHECK(fails(&j, "invalid_field", "there are sum"), "an unknown output");
    j = job[TENSOR], j.request.output = "{\"format\":\"npy\"}";
    T_CHECK(fails(&j, "invalid_field", "it writes .npy"), "an output member");
    j = job[TENSOR], j.in[1].bytes = tensor(4, 1);
    T_CHECK(fails(&j, "invalid_tensor", ""), "shapes that do not go together");
    syn_buf_deinit(&j.in[1].bytes);
}

static void test_truncated_is_accepted(const struct job job[N_JOBS])
{
    struct ended e = {0};
    struct job j = job[BY_PICTURE];
    j.request.params = "{\"accept_truncated\":true}";
    j.in[0].bytes.size -= 30;
    T_CHECK(run(&j, &no_limits, &e) == SYN_OK && e.warnings &&
                strcmp(e.warnings,
                       "[\"inputs.style: the file ends early; the missing part is grey\"]") == 0,
            "%s", e.err.text);
    ended_deinit(&e);
    j = job[DENOISE], j.request.params = "{\"accept_truncated\":true}", j.in[0].bytes.size -= 100;
    T_CHECK(run(&j, &no_limits, &e) == SYN_OK && e.warnings && strstr(e.warnings, "inputs.audio"),
            "%s", e.err.text);
    ended_deinit(&e);
}

/* The budget is held against headers: nothing of an input that is over it is decoded. */
static void test_memory(const struct job job[N_JOBS])
{
    static const uint64_t most[N_JOBS] = {15000, 26000, 2000, 9000, 4000, 40};
    struct ended e = {0};
    for (int j = 0; j < N_JOBS; j++) {
        const struct syn_task_limits limits = {.memory_budget_bytes = most[j]};
        T_CHECK(run(&job[j], &limits, &e) == SYN_TOO_LARGE &&
                    strcmp(e.code, "payload_too_large") == 0,
                "job %d under %llu bytes: %s", j, (unsigned long long)most[j], e.err.text);
        ended_deinit(&e);
    }
    const struct syn_task_limits seconds = {.max_sound_seconds = 0.05};
    T_CHECK(run(&job[DENOISE], &seconds, &e) == SYN_TOO_LARGE && strstr(e.err.text, "seconds"),
            "%s", e.err.text);
    ended_deinit(&e);
}

/* ---- admission ---- */

static void add_fault(const struct syn_task_fault *f, char text[400])
{
    const size_t n = strlen(text);
    snprintf(text + n, 400 - n, "%s/%s %s;", f->member, f->name, f->code);
}

/* The faults of a job as "member/name code;..." */
static const char *admit(const struct job *job, const struct syn_task_limits *limits,
                         char text[400])
{
    struct syn_param_list list = {0};
    struct syn_field_errors errs = {0};
    struct syn_task *t = NULL;
    struct syn_task_fault fault[SYN_TASK_MAX_FAULTS];
    struct syn_err err = {""};
    bool whole = true;
    int32_t n;
    text[0] = '\0';
    fx_need(syn_task_new(models, syn_kinds_find(job->request.kind),
                         syn_models_find(models, job->request.model), limits, &t,
                         &err) == SYN_OK && syn_params_read(job->request.params, &list, &err) ==
                SYN_OK,
            err.text);
    fx_need(syn_task_read_params(t, list.item, list.n, &errs) == SYN_OK, "params");
    for (int32_t i = 0; i < job->n_in; i++) {
        if (syn_task_probe(t, job->in[i].name, job->in[i].bytes.data, job->in[i].bytes.size, fault))
            continue;
        add_fault(fault, text);
        whole = false;
    }
    n = whole ? syn_task_check(t, fault) : 0;
    for (int32_t i = 0; i < n; i++) add_fault(&fault[i], text);
    syn_task_close(t);
    syn_params_deinit(&list);
    return text;
}

static void test_admission(const struct job job[N_JOBS])
{
    const struct syn_task_limits tight = {.memory_budget_bytes = 1000, .max_side = 11,
                                          .max_sound_seconds = 0.01};
    uint8_t bytes[] = "RIFF....";
    char text[400];
    struct job j;
    for (int i = 0; i < N_JOBS; i++) {
        admit(&job[i], &no_limits, text);
        T_CHECK(text[0] == '\0', "job %d: %s", i, text);
    }
#define SAYS(job, limits, want) \
    T_CHECK(strcmp(admit(job, limits, text), want) == 0, "%s: wanted %s", text, want)
    SAYS(&job[BLEND], &tight, "inputs/image payload_too_large;");
    SAYS(&job[BY_PICTURE], &tight,
         "inputs/style payload_too_large;inputs/image payload_too_large;");
    SAYS(&job[DENOISE], &tight, "inputs/audio payload_too_large;");
    j = job[BY_PICTURE], j.n_in = 1;
    j.in[0].name = "image";
    SAYS(&j, &no_limits, "inputs/style missing_field;");
    j = job[BLEND], j.in[1] = j.in[0], j.in[1].name = "style", j.n_in = 2;
    SAYS(&j, &no_limits, "inputs/style unsupported_value;");
    j = job[MATTE], j.in[0].name = "imag";
    SAYS(&j, &no_limits, "inputs/imag invalid_field;");
    j = job[DENOISE], j.in[0].bytes = (struct syn_buf){bytes, 8};
    SAYS(&j, &no_limits, "inputs/audio unsupported_media;");
    j = job[TENSOR], j.request.params = "{\"network\":\"x\"}";
    SAYS(&j, &no_limits, "params/network unsupported_value;");
    j = job[TENSOR], j.n_in = 1; /* "sums" has been loaded by the tests before */
    SAYS(&j, &no_limits, "inputs/b missing_field;");
    {
        const struct syn_task_limits bytes_only = {.memory_budget_bytes = 40};
        SAYS(&job[TENSOR], &bytes_only, "inputs/ payload_too_large;");
    }
#undef SAYS
}

/* ---- the worker ---- */

struct stage {
    char data[PATH_MAX];
    struct syn_store *store;
    struct syn_worker *worker;
};

static void stage_open(struct stage *s)
{
    const struct syn_store_opts so = {.data_dir = s->data, .max_queued = 100, .max_attempts = 3};
    struct syn_worker_opts wo = {.models = models, .engine = engine};
    struct syn_err err = {""};
    memset(s, 0, sizeof *s);
    fx_folder(s->data);
    fx_need(syn_store_open(&so, &s->store, &err) == SYN_OK, err.text);
    wo.store = s->store;
    wo.limits.max_input_bytes = 1 << 24;
    fx_need(syn_worker_start(&wo, &s->worker, &err) == SYN_OK, err.text);
    syn_worker_go(s->worker);
}

static void stage_close(struct stage *s)
{
    syn_worker_stop(s->worker, 10000);
    syn_worker_free(s->worker);
    syn_store_close(s->store);
    fx_remove(s->data);
}

static void submit(struct stage *s, const struct job *job, char id[SYN_JOB_ID_SIZE])
{
    struct syn_job j = {.n_inputs = job->n_in};
    const struct syn_submit in = {.job = &j};
    struct syn_err err = {""};
    snprintf(j.kind, sizeof j.kind, "%s", job->request.kind);
    snprintf(j.model, sizeof j.model, "%s", job->request.model);
    j.params = (char *)(uintptr_t)job->request.params;
    j.output_spec = (char *)(uintptr_t)job->request.output;
    for (int32_t i = 0; i < job->n_in; i++) {
        snprintf(j.input[i].name, sizeof j.input[i].name, "%s", job->in[i].name);
        fx_need(syn_blob_put(syn_store_blobs(s->store), job->in[i].bytes.data,
                             job->in[i].bytes.size, j.input[i].sha256, &err) == SYN_OK,
                err.text);
    }
    fx_need(syn_store_submit(s->store, &in, id, NULL, &err) == SYN_OK, err.text);
}

/* The job in its final state (caller deinits). */
static struct syn_job final(struct stage *s, const char *id)
{
    struct syn_job job = {0};
    struct syn_err err = {""};
    fx_need(syn_store_wait_final(s->store, id, 60000, &err) == SYN_OK, err.text);
    fx_need(syn_store_get(s->store, id, &job, &err) == SYN_OK, err.text);
    return job;
}

/* What the worker stores is what the steps give, byte for byte; each output is a blob. */
static void test_worker_runs_each_kind(const struct job job[N_JOBS])
{
    struct stage s;
    char id[N_JOBS][SYN_JOB_ID_SIZE];
    stage_open(&s);
    for (int j = 0; j < N_JOBS; j++) submit(&s, &job[j], id[j]);
    for (int j = 0; j < N_JOBS; j++) {
        struct syn_job got = final(&s, id[j]);
        struct ended e = {0};
        T_CHECK(got.state == SYN_JOB_SUCCEEDED, "job %d: %s %s", j, got.error_code,
                got.error_detail);
        T_CHECK(run(&job[j], &no_limits, &e) == SYN_OK && got.n_outputs == e.n_out, "job %d", j);
        T_CHECK(got.units_done == got.units_total && got.units_done > 0, "job %d units", j);
        for (int32_t i = 0; i < got.n_outputs && i < e.n_out; i++) {
            char sha[65];
            fx_need(syn_digest_bytes(e.out[i].data, e.out[i].size, sha, NULL) == SYN_OK, "sha");
            T_CHECK(strcmp(got.output[i].sha256, sha) == 0 &&
                        strcmp(got.output[i].name, e.made[i].name) == 0 &&
                        strcmp(got.output[i].media_type, e.made[i].media_type) == 0 &&
                        got.output[i].bytes == e.out[i].size &&
                        got.output[i].width == e.made[i].width,
                    "job %d output %d: %s", j, i, got.output[i].name);
            T_CHECK(syn_blob_exists(syn_store_blobs(s.store), sha, NULL), "job %d output %d", j, i);
        }
        ended_deinit(&e);
        syn_job_deinit(&got);
    }
    stage_close(&s);
}

static void test_worker_fails_jobs(const struct job job[N_JOBS])
{
    struct stage s;
    char id[3][SYN_JOB_ID_SIZE];
    struct job cut = job[TENSOR], alone = job[BY_PICTURE], quiet = job[DENOISE];
    static const char *const code[] = {"invalid_tensor", "invalid_field", "audio_truncated"};
    cut.in[0].bytes.size -= 4;
    alone.n_in = 1;
    quiet.in[0].bytes.size -= 10;
    stage_open(&s);
    submit(&s, &cut, id[0]);
    submit(&s, &alone, id[1]);
    submit(&s, &quiet, id[2]);
    for (int i = 0; i < 3; i++) {
        struct syn_job got = final(&s, id[i]);
        T_CHECK(got.state == SYN_JOB_FAILED && strcmp(got.error_code, code[i]) == 0 &&
                    got.n_outputs == 0,
                "%d: %s %s", i, got.error_code, got.error_detail);
        syn_job_deinit(&got);
    }
    stage_close(&s);
}

/* A long sound stops within a unit; the next job is not touched. */
static void test_C04_cancel(const struct job job[N_JOBS])
{
    struct stage s;
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE];
    struct job j = job[DENOISE];
    struct syn_job got = {0};
    struct syn_err err = {""};
    bool running = false;
    j.in[0].bytes = sound(4000000, 1, 8000);
    stage_open(&s);
    submit(&s, &j, one);
    submit(&s, &job[TENSOR], two);
    for (int i = 0; i < 2000; i++) {
        const struct timespec t = {0, 2000000};
        const bool begun =
            syn_store_get(s.store, one, &got, &err) == SYN_OK && got.units_done > 0;
        syn_job_deinit(&got);
        if (begun) break;
        nanosleep(&t, NULL);
    }
    T_CHECK(syn_store_cancel(s.store, one, &running, &err) == SYN_OK && running, "running: %s",
            err.text);
    syn_worker_cancel(s.worker, one);
    got = final(&s, one);
    T_CHECK(got.state == SYN_JOB_CANCELED && got.n_outputs == 0 && got.units_done < got.units_total,
            "%s after %lld of %lld units", syn_job_state_word(got.state), (long long)got.units_done,
            (long long)got.units_total);
    syn_job_deinit(&got);
    got = final(&s, two);
    T_CHECK(got.state == SYN_JOB_SUCCEEDED, "the next one: %s", got.error_detail);
    syn_job_deinit(&got);
    stage_close(&s);
    syn_buf_deinit(&j.in[0].bytes);
}

int main(void)
{
    const char *dirs[] = {root, NULL};
    struct syn_models_opts opts = {.dirs = dirs};
    struct job job[N_JOBS];
    struct syn_err err = {""};
    fx_need(syn_engine_open(&(struct syn_engine_opts){.device = "ref"}, &engine, &err) == SYN_OK,
            err.text);
    fx_folder(root);
    fx_stylize(root);
    fx_matte(root);
    fx_tensor(root);
    fx_denoise(root);
    opts.engine = engine;
    fx_need(syn_models_open(&opts, &models, &err) == SYN_OK, err.text);
    make_jobs(job);
    test_results(job);
    test_failures(job);
    test_truncated_is_accepted(job);
    test_memory(job);
    test_admission(job);
    for (int j = 0; j < N_JOBS; j++) test_B08_each_allocation_fails(&job[j]);
    test_worker_runs_each_kind(job);
    test_worker_fails_jobs(job);
    test_C04_cancel(job);
    free_jobs(job);
    syn_models_close(models);
    fx_remove(root);
    syn_engine_close(engine);
    return t_report();
}
