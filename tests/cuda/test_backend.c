/* test_backend.c - the engine on a CUDA device: the whole backend as a plugin, on the host runtime.
 *
 * Use:     test_backend [PLUGIN]; by default the plugin beside it. The runtime is a shared object,
 *          so that the settings of control.h reach the plugin.
 * Tolerance: f32: networks of ten layers, values near one, sums of up to 576 products in another
 *          order: 1e-4. f16 keeps 11 bits, bf16 8, through ten layers: 0.01 and 0.06, as on the
 *          CPU. */
#include "kernels/base/alloc.h"
#include "tests/cuda_host/control.h"
#include "tests/ncnn_gen.h"
#include <math.h>

static char folder[64];
static const char *plugin;
static const char *const names[] = {"up", "excited", "nan", NULL};

static struct syn_engine *open_engine(const char *device, syn_precision precision)
{
    const struct syn_engine_opts opts = {
        .device = device, .threads = 2, .precision = precision, .cuda_plugin = plugin};
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    const syn_status st = syn_engine_open(&opts, &e, &err);
    T_CHECK(st == SYN_OK, "%s: %s", device, err.text);
    if (!e) abort();
    return e;
}

static struct syn_model *open_model(struct syn_engine *e, const char *name, unsigned off)
{
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    T_CHECK(ng_open(e, folder, name, off, &m, &err) == SYN_OK, "%s: %s", name, err.text);
    if (!m) abort();
    return m;
}

static struct syn_plan *plan_of(struct syn_model *m, int64_t h, int64_t w, syn_precision pr)
{
    const struct syn_shape in = syn_shape4(1, 3, h, w);
    struct syn_plan *p = NULL;
    struct syn_err err = {""};
    T_CHECK(syn_plan_get(m, -1, &in, pr, &p, &err) == SYN_OK, "%s", err.text);
    if (!p) abort();
    return p;
}

/* A run on a picture that depends on its size alone; NULL when it fails with `want`. */
static float *run(struct syn_plan *p, syn_status want, const struct syn_run_opts *opts,
                  int64_t *count, const char *what)
{
    struct syn_plan_info info;
    struct syn_err err = {""};
    int64_t n_in = 0;
    float *x, *y = NULL;
    syn_status st;
    syn_plan_info(p, &info);
    if (!syn_shape_elements(&info.in[0], &n_in) || !syn_shape_elements(&info.out[0], count))
        abort();
    x = t_uniform(9, (size_t)n_in, 0, 1);
    st = ng_run(p, (const float *const *)&x, &y, opts, &err);
    T_CHECK(st == want, "%s: %s '%s'", what, syn_status_word(st), err.text);
    free(x);
    if (st != SYN_OK) free(y), y = NULL;
    return y;
}

static double difference(const float *a, const float *b, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) { /* NaN counts as large */
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= most)) most = d >= 0 ? d : INFINITY;
    }
    return most;
}

/* No fault, and nothing of the device left behind. */
static void check_clean(const char *what)
{
    char left[1000];
    T_CHECK(cuda_host_fault()[0] == 0, "%s: %s", what, cuda_host_fault());
    T_CHECK(cuda_host_leaks(left, sizeof left) == 0, "%s left behind: %s", what, left);
}

/* --- devices -------------------------------------------------------------------------------- */

static void refuse(const char *device, syn_precision pr, syn_status want, const char *words)
{
    const struct syn_engine_opts opts = {
        .device = device, .threads = 2, .precision = pr, .cuda_plugin = plugin};
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    const syn_status st = syn_engine_open(&opts, &e, &err);
    T_CHECK(st == want && !e && strstr(err.text, words), "%s: %s '%s'", device,
            syn_status_word(st), err.text);
    syn_engine_close(e);
}

static void test_devices(void)
{
    const struct cuda_host_device old = {.name = "old", .major = 6, .minor = 1};
    struct syn_engine *e = open_engine("auto", SYN_PRECISION_AUTO);
    struct syn_engine_info info;
    syn_engine_info(e, &info);
    T_CHECK(!strcmp(info.backend, "cuda") && strstr(info.device, "cuda:0") && !info.note[0] &&
                info.precision == SYN_PRECISION_F16,
            "%s %s '%s' %s", info.backend, info.device, info.note,
            syn_precision_word(info.precision));
    syn_engine_close(e);
    refuse("cuda:1", SYN_PRECISION_AUTO, SYN_UNSUPPORTED, "1 CUDA devices");
    refuse("cuda:x", SYN_PRECISION_AUTO, SYN_UNSUPPORTED, "cuda:x");
    cuda_host_set_devices(0, NULL);
    refuse("cuda:0", SYN_PRECISION_AUTO, SYN_UNSUPPORTED, "no CUDA device");
    e = open_engine("auto", SYN_PRECISION_F32); /* the CPU, and it says why */
    syn_engine_info(e, &info);
    T_CHECK(!strcmp(info.backend, "cpu") && strstr(info.note, "no CUDA device"), "%s '%s'",
            info.backend, info.note);
    syn_engine_close(e);
    cuda_host_set_devices(1, &old);
    refuse("cuda:0", SYN_PRECISION_AUTO, SYN_UNSUPPORTED, "6.1");
    cuda_host_set_devices(1, &(struct cuda_host_device){0});
    check_clean("devices");
}

/* --- results -------------------------------------------------------------------------------- */

/* Precisions and passes give the reference's picture, twice the same bits: recorded, then launched
 * again, and in the other order of threads. */
static void test_same_picture(const char *name)
{
    static const struct {
        syn_precision precision;
        double bound;
    } as[] = {{SYN_PRECISION_F32, 1e-4}, {SYN_PRECISION_F16, 0.01}, {SYN_PRECISION_BF16, 0.06}};
    struct syn_engine *ref = open_engine("ref", SYN_PRECISION_F32),
                      *cuda = open_engine("cuda:0", SYN_PRECISION_AUTO);
    struct syn_model *m = open_model(ref, name, SYN_PASS_ALL);
    struct syn_plan *p = plan_of(m, 11, 18, SYN_PRECISION_F32);
    int64_t n = 0;
    float *want = run(p, SYN_OK, NULL, &n, "reference");
    for (unsigned off = 0; off <= SYN_PASS_SHARE_MEMORY; off = off ? off * 2 : 1) {
        struct syn_model *ours = open_model(cuda, name, off);
        for (size_t i = 0; i < sizeof as / sizeof *as; i++) {
            struct syn_plan *q = plan_of(ours, 11, 18, as[i].precision);
            float *a = run(q, SYN_OK, NULL, &n, name), *b = run(q, SYN_OK, NULL, &n, name),
                  *c = run(q, SYN_OK, &(struct syn_run_opts){.profile = true}, &n, "profiled");
            T_CHECK(a && difference(a, want, n) <= as[i].bound, "%s %s, passes off %x: %g", name,
                    syn_precision_word(as[i].precision), off, a ? difference(a, want, n) : -1);
            T_CHECK(a && b && c && !memcmp(a, b, (size_t)n * sizeof *a) &&
                        !memcmp(a, c, (size_t)n * sizeof *a),
                    "%s: the same bits each time", name);
            free(a), free(b), free(c);
            syn_plan_release(q);
        }
        syn_model_close(ours);
    }
    free(want);
    syn_plan_release(p);
    syn_model_close(m);
    syn_engine_close(ref);
    syn_engine_close(cuda);
    check_clean(name);
}

static void test_selftest(void)
{
    struct syn_engine *e = open_engine("cuda", SYN_PRECISION_AUTO);
    struct syn_err err = {""};
    T_CHECK(syn_engine_selftest(e, &err) == SYN_OK, "%s", err.text);
    syn_engine_close(e);
    check_clean("selftest");
}

/* A01: NaN among the weights never comes out as a picture. */
static void test_A01_numeric(void)
{
    struct syn_engine *e = open_engine("cuda:0", SYN_PRECISION_AUTO);
    struct syn_model *m = open_model(e, "nan", 0);
    static const syn_precision as[] = {SYN_PRECISION_F32, SYN_PRECISION_F16, SYN_PRECISION_BF16};
    for (int i = 0; i < 3; i++) {
        struct syn_plan *p = plan_of(m, 12, 13, as[i]);
        int64_t n;
        free(run(p, SYN_NUMERIC, NULL, &n, "nan"));
        syn_plan_release(p);
    }
    syn_model_close(m);
    syn_engine_close(e);
    check_clean("nan");
}

/* D04: what was recorded for one workspace is not launched on another; C04: cancel. */
static void test_D04_recorded(void)
{
    struct syn_engine *e = open_engine("cuda:0", SYN_PRECISION_AUTO);
    struct syn_model *m = open_model(e, "up", 0);
    struct syn_plan *small = plan_of(m, 10, 12, SYN_PRECISION_F16),
                    *large = plan_of(m, 33, 35, SYN_PRECISION_F16);
    const atomic_bool stop = true;
    int64_t n = 0, n_large = 0;
    float *a = run(small, SYN_OK, NULL, &n, "small"),
          *b = run(large, SYN_OK, NULL, &n_large, "large"), *c;
    c = run(small, SYN_OK, NULL, &n, "small, the workspace having moved");
    T_CHECK(a && b && c && !memcmp(a, c, (size_t)n * sizeof *a), "the same picture");
    free(a), free(c);
    syn_engine_trim(e, 0);
    c = run(large, SYN_OK, NULL, &n_large, "large, after trimming");
    T_CHECK(b && c && !memcmp(b, c, (size_t)n_large * sizeof *b), "the same picture");
    free(b), free(c);
    free(run(small, SYN_CANCELED, &(struct syn_run_opts){.cancel = &stop}, &n, "canceled"));
    free(run(small, SYN_OK, NULL, &n, "after canceling"));
    syn_plan_release(small);
    syn_plan_release(large);
    syn_model_close(m);
    syn_engine_close(e);
    check_clean("recorded");
}

/* --- memory and losses ---------------------------------------------------------------------- */

static void one_job(struct syn_engine *e, syn_status *st, struct syn_err *err)
{
    const struct syn_shape in = syn_shape4(1, 3, 9, 10);
    struct syn_model *m = NULL;
    struct syn_plan *p = NULL;
    float *x = t_uniform(2, 3 * 9 * 10, 0, 1), *y = NULL;
    *st = ng_open(e, folder, "up", 0, &m, err);
    if (*st == SYN_OK) *st = syn_plan_get(m, -1, &in, SYN_PRECISION_F16, &p, err);
    if (*st == SYN_OK) *st = ng_run(p, (const float *const *)&x, &y, NULL, err);
    free(x), free(y);
    syn_plan_release(p);
    syn_model_close(m);
}

/* B-entries: each allocation on the device fails once; the job says so and the next one runs. */
static void test_no_memory(void)
{
    unsigned failures = 0;
    for (unsigned n = 1; n < 500; n++) {
        struct syn_engine *e = open_engine("cuda:0", SYN_PRECISION_AUTO);
        struct syn_err err = {""};
        syn_status st;
        cuda_host_reset();
        cuda_host_fail_alloc(n);
        one_job(e, &st, &err);
        const bool all = cuda_host_allocs() < n;
        cuda_host_fail_alloc(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && err.text[0]), "allocation %u: %s '%s'", n,
                syn_status_word(st), err.text);
        failures += st == SYN_NO_MEMORY;
        one_job(e, &st, &err);
        T_CHECK(st == SYN_OK, "after allocation %u failed: %s '%s'", n, syn_status_word(st),
                err.text);
        syn_engine_close(e);
        check_clean("no memory");
        if (all) break;
    }
    T_CHECK(failures > 5, "%u failures", failures);
}

/* C10: a sticky error loses the device: this job and all after it fail as device_lost; nothing
 * crashes, whichever call it is that fails. */
static void test_C10_device_lost(void)
{
    unsigned lost = 0;
    for (unsigned n = 1; n < 2000; n += n < 60 ? 1 : 17) {
        struct syn_engine *e = open_engine("cuda:0", SYN_PRECISION_AUTO);
        struct syn_err err = {""};
        syn_status st;
        cuda_host_reset();
        cuda_host_fail_call(n, cudaErrorIllegalAddress);
        one_job(e, &st, &err);
        const bool all = cuda_host_calls() < n;
        T_CHECK(st == SYN_OK || (st == SYN_DEVICE && err.text[0]), "call %u: %s '%s'", n,
                syn_status_word(st), err.text);
        if (st == SYN_DEVICE) {
            lost++;
            one_job(e, &st, &err);
            T_CHECK(st == SYN_DEVICE, "after the loss: %s '%s'", syn_status_word(st), err.text);
        }
        syn_engine_close(e);
        cuda_host_reset();
        cuda_host_free_all(); /* a lost device frees nothing: the process ends */
        if (all) break;
    }
    T_CHECK(lost > 10, "%u losses", lost);
}

/* What is counted is what is allocated: workspace and weights, to the rounding of a block. */
static void test_memory_told(void)
{
    struct syn_engine *e = open_engine("cuda:0", SYN_PRECISION_AUTO);
    const size_t before = cuda_host_bytes();
    struct syn_model *m = open_model(e, "up", 0);
    struct syn_plan *p = plan_of(m, 16, 16, SYN_PRECISION_F16);
    struct syn_engine_info info;
    struct syn_plan_info plan;
    int64_t n;
    free(run(p, SYN_OK, NULL, &n, "run"));
    syn_engine_info(e, &info);
    syn_plan_info(p, &plan);
    T_CHECK(info.workspace_bytes == plan.peak_bytes && info.weight_bytes == plan.weight_bytes,
            "%d %d, %d %d", (int)info.workspace_bytes, (int)plan.peak_bytes,
            (int)info.weight_bytes, (int)plan.weight_bytes);
    T_CHECK(cuda_host_bytes() - before >= info.workspace_bytes + info.weight_bytes &&
                cuda_host_bytes() - before <= info.workspace_bytes + info.weight_bytes + 32768,
            "%d allocated, %d told", (int)(cuda_host_bytes() - before),
            (int)(info.workspace_bytes + info.weight_bytes));
    syn_plan_release(p);
    syn_model_close(m);
    syn_engine_info(e, &info);
    T_CHECK(info.weight_bytes == 0, "%d bytes of weights left", (int)info.weight_bytes);
    syn_engine_close(e);
    check_clean("memory");
}

static void write_models(void)
{
    const float nan = NAN;
    struct ng m;
    ng_folder(folder);
    ng_upscaler(&m, 100);
    ng_write(&m, folder, "up");
    ng_excited(&m, 200);
    ng_write(&m, folder, "excited");
    ng_begin(&m, 3, 300);
    ng_conv(&m, "x", "a", 3, 16, 3, 1, NG_CLIP);
    memcpy(m.bin + 4 + 4 * 40, &nan, 4);
    ng_layer(&m, "ReLU r 1 1 a b");
    ng_layer(&m, "Clip c 1 1 b c 0=-1.000000e+00 1=1.000000e+00");
    ng_conv(&m, "c", "out", 16, 3, 3, 1, NG_CLIP);
    ng_write(&m, folder, "nan");
}

int main(int argc, char **argv)
{
    plugin = argc > 1 ? argv[1] : NULL;
    write_models();
    test_devices();
    test_selftest();
    test_same_picture("up");
    test_same_picture("excited");
    test_A01_numeric();
    test_D04_recorded();
    test_no_memory();
    test_memory_told();
    test_C10_device_lost(); /* last: a lost device keeps its streams */
    ng_remove(folder, names);
    return t_report();
}
