/* test_tensor_job.c - kind tensor with Silero VAD, where it is fetched: a failed open leaves the
 * caller's tensors whole, a good one takes them; state carried over; canceled; two runs, one
 * result. Kind matte: colours and conflicts in its parameters.
 *
 * Model: $SYNTHD_CACHE/models or ~/.cache/synthd/models; without it that part is left out. */
#include "server/pipelines/tensor_job.h"
#include "kernels/base/alloc.h"
#include "server/pipelines/matte.h"
#include "tests/t.h"
#include <limits.h>
#include <string.h>

enum { SAMPLES = 512, STATE = 256, N_IN = 3 };

static struct syn_tensor tensor_of(syn_dtype dtype, int32_t rank, const int64_t *dim, size_t bytes)
{
    struct syn_tensor t = {.shape = syn_shape_of(rank, dim), .dtype = dtype};
    t.data = syn_calloc(1, bytes);
    T_CHECK(t.data != NULL, "no memory");
    return t;
}

static void inputs(struct syn_tensor_named in[N_IN])
{
    in[0] = (struct syn_tensor_named){
        "input", tensor_of(SYN_F32, 2, (const int64_t[]){1, SAMPLES}, SAMPLES * sizeof(float))};
    in[1] = (struct syn_tensor_named){
        "state", tensor_of(SYN_F32, 3, (const int64_t[]){2, 1, 128}, STATE * sizeof(float))};
    in[2] = (struct syn_tensor_named){"sr", tensor_of(SYN_I64, 0, NULL, sizeof(int64_t))};
    *(int64_t *)in[2].tensor.data = 16000;
    for (int i = 0; i < SAMPLES; i++)
        ((float *)in[0].tensor.data)[i] = (float)(i * 37 % 101 - 50) / 200;
}

static void free_inputs(struct syn_tensor_named in[N_IN])
{
    for (int i = 0; i < N_IN; i++) syn_free(in[i].tensor.data);
}

static const struct syn_tensor_params all_f32 = {.precision = SYN_PRECISION_F32};

static void test_failed_open_leaves_inputs(struct syn_models *ms, const struct syn_manifest *m)
{
    struct syn_tensor_named in[N_IN];
    struct syn_pipeline *p = NULL;
    struct syn_err err = {{0}};
    inputs(in);
    in[1].tensor.shape.dim[2] = 64;
    T_CHECK(syn_tensor_open(ms, m, &all_f32, in, N_IN, NULL, &p, &err) == SYN_INVALID, "taken");
    T_CHECK(strcmp(err.text, "inputs.state has shape [2, 1, 64]: must be [2, ?, 128]") == 0, "%s",
            err.text);
    T_CHECK(!p && in[0].tensor.data && in[1].tensor.data && in[2].tensor.data, "touched");
    free_inputs(in);
}

/* Speech and the next state; *state is replaced by the latter. */
static float speech_of(struct syn_models *ms, const struct syn_manifest *m, float state[STATE])
{
    struct syn_tensor_named in[N_IN], out;
    struct syn_pipeline *p = NULL;
    struct syn_err err = {{0}};
    const struct syn_drive drive = {0};
    float speech = -1;
    inputs(in);
    memcpy(in[1].tensor.data, state, STATE * sizeof *state);
    syn_status st = syn_tensor_open(ms, m, &all_f32, in, N_IN, NULL, &p, &err);
    T_CHECK(st == SYN_OK && !in[0].tensor.data && !in[1].tensor.data && !in[2].tensor.data, "%s",
            err.text);
    if (st == SYN_OK) st = syn_pipeline_drive(p, &drive, &err);
    T_CHECK(st == SYN_OK && syn_tensor_results(p) == 2, "%s", err.text);
    if (st == SYN_OK) {
        syn_tensor_take(p, 0, &out);
        T_CHECK(strcmp(out.name, "output") == 0, "%s", out.name);
        speech = *(const float *)out.tensor.data;
        syn_free(out.tensor.data);
        syn_tensor_take(p, 1, &out);
        memcpy(state, out.tensor.data, STATE * sizeof *state);
        syn_free(out.tensor.data);
    }
    syn_pipeline_close(p);
    free_inputs(in);
    return speech;
}

static void test_state_is_carried(struct syn_models *ms, const struct syn_manifest *m)
{
    float state[STATE] = {0}, again[STATE] = {0};
    const float first = speech_of(ms, m, state), same = speech_of(ms, m, again);
    T_CHECK(first >= 0 && first <= 1 && first == same, "%g, then %g", (double)first, (double)same);
    T_CHECK(memcmp(state, again, sizeof state) == 0, "two runs, two states");
    const float second = speech_of(ms, m, state);
    T_CHECK(second != first && second >= 0 && second <= 1, "%g, then %g", (double)first,
            (double)second);
}

static void test_canceled(struct syn_models *ms, const struct syn_manifest *m)
{
    struct syn_tensor_named in[N_IN];
    struct syn_pipeline *p = NULL;
    struct syn_err err = {{0}};
    atomic_bool cancel = false;
    const struct syn_drive drive = {.cancel = &cancel};
    inputs(in);
    T_CHECK(syn_tensor_open(ms, m, &all_f32, in, N_IN, &cancel, &p, &err) == SYN_OK, "%s",
            err.text);
    atomic_store(&cancel, true);
    if (p) T_CHECK(syn_pipeline_drive(p, &drive, &err) == SYN_CANCELED, "went on");
    syn_pipeline_close(p);
    free_inputs(in);
}

static void test_silero(void)
{
    const char *cache = getenv("SYNTHD_CACHE"), *home = getenv("HOME");
    char dir[PATH_MAX];
    const char *dirs[] = {dir, NULL};
    struct syn_engine *engine = NULL;
    struct syn_models *ms = NULL;
    struct syn_err err = {{0}};
    snprintf(dir, sizeof dir, "%s%s/models", cache ? cache : home ? home : "",
             cache ? "" : "/.cache/synthd");
    const struct syn_engine_opts opts = {.device = "cpu", .threads = 1};
    syn_status st = syn_engine_open(&opts, &engine, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    if (st != SYN_OK) return;
    st = syn_models_open(&(struct syn_models_opts){.dirs = dirs, .engine = engine}, &ms, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    const struct syn_manifest *m = ms ? syn_models_find(ms, "silero-vad") : NULL;
    if (m) {
        test_failed_open_leaves_inputs(ms, m);
        test_state_is_carried(ms, m);
        test_canceled(ms, m);
    } else {
        fprintf(stderr, "test_tensor_job: silero-vad is not fetched: left out\n");
    }
    syn_models_close(ms);
    syn_engine_close(engine);
}

static struct syn_param text_of(const char *name, const char *value)
{
    const struct syn_param p = {.name = name, .type = SYN_PARAM_STRING, .string = value};
    return p;
}

static void test_matte_background(void)
{
    static const char *const bad[] = {"",       "#",       "#12345", "#1234567",
                                      "123456", "#12 456", "#xyzxyz"};
    const struct syn_manifest m = {.id = "m"};
    struct syn_matte_params out = {0};
    struct syn_field_errors errs = {0};
    struct syn_param p = text_of("background", "#0aFf80");
    T_CHECK(syn_matte_params_parse(&p, 1, &m, &out, &errs) == SYN_OK && out.fill, "refused");
    T_CHECK(out.rgb[0] == 10 && out.rgb[1] == 255 && out.rgb[2] == 128, "%d %d %d", out.rgb[0],
            out.rgb[1], out.rgb[2]);
    p.string = "transparent";
    T_CHECK(syn_matte_params_parse(&p, 1, &m, &out, &errs) == SYN_OK && !out.fill, "refused");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct syn_field_errors more = {0};
        p.string = bad[i];
        T_CHECK(syn_matte_params_parse(&p, 1, &m, &out, &more) == SYN_INVALID && more.n == 1 &&
                    strcmp(more.item[0].field, "background") == 0,
                "\"%s\": %d errors", bad[i], more.n);
    }
}

static void test_pinned_models_take_no_bf16(void)
{
    const struct syn_manifest m = {.id = "m", .pin_f32 = true};
    const struct syn_param p = text_of("precision", "bf16");
    struct syn_field_errors a = {0}, b = {0};
    struct syn_matte_params matte;
    struct syn_tensor_params tensor;
    T_CHECK(syn_matte_params_parse(&p, 1, &m, &matte, &a) == SYN_INVALID, "matte takes it");
    T_CHECK(syn_tensor_params_parse(&p, 1, &m, &tensor, &b) == SYN_INVALID, "tensor takes it");
    T_CHECK(a.n == 1 && strcmp(a.item[0].code, "unsupported_value") == 0, "%d", a.n);
    T_CHECK(b.n == 1 && strcmp(b.item[0].code, "unsupported_value") == 0, "%d", b.n);
}

int main(void)
{
    test_matte_background();
    test_pinned_models_take_no_bf16();
    test_silero();
    return t_report();
}
