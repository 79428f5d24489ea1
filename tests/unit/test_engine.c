/* test_engine.c - the engine from outside: devices, models that open and models that do not, what is said of
 * them, precision, passes, NaN, cancelling, memory running out at each place. Plans are in test_plan.c. */
#include "kernels/base/alloc.h"
#include <math.h>
#include "tests/ncnn_gen.h"
#include <pthread.h>
#include <time.h>

static char folder[64];
static const char *const names[] = {"up", "excited", "nan", "inf", "clip", "bad", "two", NULL};

static struct syn_engine *open_engine(const char *device, syn_precision precision)
{
    const struct syn_engine_opts opts = {.device = device, .threads = 2, .precision = precision};
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    const syn_status st = syn_engine_open(&opts, &e, &err);
    if (st == SYN_UNSUPPORTED && device && strchr(device, ':')) return NULL;
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

/* The whole model on a picture of h x w that depends on nothing else; NULL when it fails with `want`. */
static float *run_whole(struct syn_model *m, int64_t h, int64_t w, syn_precision pr,
                        syn_status want, int64_t *n, const char *what)
{
    const struct syn_shape in = syn_shape4(1, 3, h, w);
    struct syn_plan *p = NULL;
    struct syn_plan_info info;
    struct syn_err err = {""};
    float *x = t_uniform(9, (size_t)(3 * h * w), 0, 1), *y = NULL;
    syn_status st = syn_plan_get(m, -1, &in, pr, &p, &err);
    if (st == SYN_OK) {
        syn_plan_info(p, &info);
        T_CHECK(syn_shape_elements(&info.out[0], n), "%s: output shape", what);
        st = ng_run(p, (const float *const *)&x, &y, NULL, &err);
    }
    T_CHECK(st == want, "%s: %s '%s'", what, syn_status_word(st), err.text);
    syn_plan_release(p);
    free(x);
    if (st != SYN_OK) free(y), y = NULL;
    return y;
}
static double difference(const float *a, const float *b, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* --- devices -------------------------------------------------------------------------------------------- */

static void test_open(void)
{
    const struct {
        struct syn_engine_opts opts;
        syn_status want;
        const char *words;
    } bad[] = {{{.device = "gpu"}, SYN_UNSUPPORTED, "gpu"},
               {{.device = ""}, SYN_UNSUPPORTED, "device"},
               {{.threads = -1}, SYN_INVALID, "threads = -1"},
               {{.threads = 257}, SYN_INVALID, "threads = 257"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct syn_engine *e = NULL;
        struct syn_err err = {""};
        const syn_status st = syn_engine_open(&bad[i].opts, &e, &err);
        T_CHECK(st == bad[i].want && !e && strstr(err.text, bad[i].words), "%s: %s '%s'",
                bad[i].words, syn_status_word(st), err.text);
    }
    syn_engine_close(NULL);
    syn_model_close(NULL);
    syn_plan_release(NULL);
    T_CHECK(!strcmp(syn_precision_word(SYN_PRECISION_AUTO), "auto") &&
                !strcmp(syn_precision_word(SYN_PRECISION_BF16), "bf16") &&
                !strcmp(syn_precision_word(SYN_PRECISION_F32), "f32") &&
                !strcmp(syn_precision_word(SYN_PRECISION_COUNT), "unknown"),
            "words");
    for (int i = 0; i < 2; i++) {
        struct syn_engine *e = open_engine(i ? "ref" : NULL, SYN_PRECISION_AUTO);
        struct syn_engine_info info;
        memset(&info, 0xff, sizeof info);
        syn_engine_info(e, &info);
        T_CHECK(!strcmp(info.backend, i ? "ref" : "cpu") && info.device[0] &&
                    info.threads == (i ? 1 : 2),
                "%s %s %d", info.backend, info.device, (int)info.threads);
        T_CHECK(info.precision == SYN_PRECISION_F32 || info.precision == SYN_PRECISION_BF16,
                "precision %s", syn_precision_word(info.precision));
        T_CHECK(info.workspace_bytes == 0 && info.workspace_peak_bytes == 0 &&
                    info.weight_bytes == 0,
                "an idle engine holds nothing");
        syn_engine_trim(e, 0);
        syn_engine_close(e);
    }
}

static void test_selftest(void)
{
    for (int i = 0; i < 3; i++) {
        struct syn_engine *e =
            open_engine(i == 2 ? "ref" : "cpu", i == 1 ? SYN_PRECISION_BF16 : SYN_PRECISION_F32);
        struct syn_err err = {""};
        for (int again = 0; again < 2; again++)
            T_CHECK(syn_engine_selftest(e, &err) == SYN_OK, "%s", err.text);
        syn_engine_close(e);
    }
}

/* --- models --------------------------------------------------------------------------------------------- */

static void test_info(void)
{
    struct syn_engine *e = open_engine("cpu", SYN_PRECISION_F32);
    struct syn_model *m = open_model(e, "up", 0);
    struct syn_model_info info;
    struct stat st;
    char path[300];
    syn_model_info(m, &info);
    T_CHECK(info.n_stages == 1 && info.channels_in == 3 && info.channels_out == 3 &&
                info.whole_runs && info.stage_channels[0] == 3,
            "stages %d channels %d %d", (int)info.n_stages, (int)info.channels_in,
            (int)info.channels_out);
    const int64_t parameters =
        32 * 28 + 16 * 289 + 16 * (48 * 9 + 1) + 32 * (64 * 9 + 1) + 16 * 289 + 3 * 145;
    T_CHECK(info.n_parameters == parameters && info.n_nodes == 10,
            "%d parameters, expected %d; %d nodes", (int)info.n_parameters, (int)parameters,
            (int)info.n_nodes);
    snprintf(path, sizeof path, "%s/up.bin", folder);
    T_CHECK(stat(path, &st) == 0 && info.file_bytes > (uint64_t)st.st_size, "%d bytes",
            (int)info.file_bytes);
    /* four 3x3 before the enlargement, two behind it that reach (1 + 1)/2 further */
    const struct syn_footprint f = info.footprint[0];
    T_CHECK(f.scale_num == 2 && f.scale_den == 1 && f.trim == 0 && f.align == 1,
            "scale %d/%d trim %d align %d", (int)f.scale_num, (int)f.scale_den, (int)f.trim,
            (int)f.align);
    T_CHECK(f.before >= 5 && f.before <= 6 && f.after >= 5 && f.after <= 6, "halo %d %d",
            (int)f.before, (int)f.after);
    syn_model_close(m);

    m = open_model(e, "excited", 0);
    syn_model_info(m, &info);
    T_CHECK(info.n_stages == 3 && info.stage_channels[0] == 16 && info.stage_channels[1] == 16 &&
                info.stage_channels[2] == 3,
            "%d stages", (int)info.n_stages);
    T_CHECK(info.footprint[2].scale_num == 2 && info.footprint[2].scale_den == 1 &&
                info.footprint[2].trim == 2,
            "trim %d", (int)info.footprint[2].trim);
    T_CHECK(info.footprint[0].scale_num == 1 && info.footprint[0].trim == 1,
            "stage 0: scale %d trim %d", (int)info.footprint[0].scale_num,
            (int)info.footprint[0].trim);
    syn_model_close(m);
    syn_engine_close(e);
}

static void put(const char *name, const void *bytes, size_t n)
{
    char path[300];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!(f = fopen(path, "w")) || fwrite(bytes, 1, n, f) != n) abort();
    fclose(f);
}

static void refuse(struct syn_engine *e, const struct syn_model_source *src, syn_status want,
                   const char *words)
{
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    const syn_status st = syn_model_open(e, src, NULL, &m, &err);
    T_CHECK(st == want && !m && strstr(err.text, words), "expected %s '%s': got %s '%s'",
            syn_status_word(want), words, syn_status_word(st), err.text);
}

static void test_refusals(void)
{
    struct syn_engine *e = open_engine("cpu", SYN_PRECISION_F32);
    char param[300], bin[300], bad_param[300], bad_bin[300], missing[300];
    snprintf(param, sizeof param, "%s/up.param", folder);
    snprintf(bin, sizeof bin, "%s/up.bin", folder);
    snprintf(bad_param, sizeof bad_param, "%s/bad.param", folder);
    snprintf(bad_bin, sizeof bad_bin, "%s/bad.bin", folder);
    snprintf(missing, sizeof missing, "%s/missing", folder);
    refuse(e,
           &(struct syn_model_source){.format = "onnx?", .graph_path = param, .weights_path = bin},
           SYN_UNSUPPORTED, "onnx?");
    refuse(e, &(struct syn_model_source){.graph_path = param, .weights_path = bin}, SYN_UNSUPPORTED,
           "format");
    refuse(e, &(struct syn_model_source){.format = "ncnn", .weights_path = bin}, SYN_INVALID,
           ".param");
    refuse(e, &(struct syn_model_source){.format = "ncnn", .graph_path = param}, SYN_INVALID,
           ".bin");
    refuse(e,
           &(struct syn_model_source){.format = "ncnn", .graph_path = missing, .weights_path = bin},
           SYN_NOT_FOUND, "missing");
    refuse(
        e,
        &(struct syn_model_source){.format = "ncnn", .graph_path = param, .weights_path = missing},
        SYN_NOT_FOUND, "missing");

    struct syn_model *m =
        NULL; /* a folder is no file; which status says so is the loader's business */
    struct syn_err err = {""};
    T_CHECK(syn_model_open(e,
                           &(struct syn_model_source){
                               .format = "ncnn", .graph_path = folder, .weights_path = bin},
                           NULL, &m, &err) != SYN_OK &&
                !m && err.text[0],
            "a folder");

    static const char *const garbage[] = {
        "",
        "7767517",
        "7767517\n1 1\n",
        "\x7f"
        "ELF\2\1\1",
        "7767517\n1 1\nConvolution\n",
        "7767517\n2 2\nInput in 0 1 x 2=3\nFrobnicate f 1 1 x y\n",
        "7767517\n1 1\nInput in 0 1 x\n",
        "9999999999 9999999999\n99999999999999999999999999999999 1\n"};
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        put("bad.param", garbage[i], strlen(garbage[i]));
        put("bad.bin", "", 0);
        err.text[0] = 0;
        T_CHECK(ng_open(e, folder, "bad", 0, &m, &err) != SYN_OK && !m && err.text[0],
                "garbage %d: '%s'", (int)i, err.text);
    }
    struct ng g; /* weights cut short, and bytes too many */
    ng_begin(&g, 3, 5);
    ng_conv(&g, "x", "out", 3, 4, 3, 1, NG_RELU);
    unsigned char *whole = t_alloc(g.n_bin + 1);
    const size_t n = g.n_bin;
    memcpy(whole, g.bin, n);
    whole[n] = 7;
    ng_write(&g, folder, "bad");
    for (size_t cut = 0; cut <= n + 1;
         /* an empty file is invalid, not cut */ cut += cut + 3 < n ? 3 : 1) {
        put("bad.bin", whole, cut);
        const syn_status st = ng_open(e, folder, "bad", 0, &m, &err);
        T_CHECK(st == (cut == n         ? SYN_OK
                       : cut && cut < n ? SYN_TRUNCATED
                                        : SYN_INVALID),
                "%d of %d bytes: %s '%s'", (int)cut, (int)n, syn_status_word(st), err.text);
        if (st == SYN_OK) syn_model_close(m);
        m = NULL;
    }
    free(whole);

    ng_begin(&g, 3, 6); /* two outputs; a picture that shrinks by no ratio */
    ng_conv(&g, "x", "a", 3, 4, 3, 1, NG_RELU);
    ng_conv(&g, "x", "b", 3, 4, 3, 1, NG_RELU);
    ng_write(&g, folder, "two");
    T_CHECK(ng_open(e, folder, "two", 0, &m, &err) == SYN_UNSUPPORTED &&
                strstr(err.text, "2 outputs"),
            "'%s'", err.text);

    atomic_bool cancel = true;
    const struct syn_model_opts opts = {.cancel = &cancel};
    T_CHECK(syn_model_open(e,
                           &(struct syn_model_source){
                               .format = "ncnn", .graph_path = param, .weights_path = bin},
                           &opts, &m, &err) == SYN_CANCELED &&
                !m,
            "'%s'", err.text);
    m = open_model(e, "up", 0); /* none of this hurt the engine */
    int64_t count = 0;
    float *y = run_whole(m, 9, 10, SYN_PRECISION_F32, SYN_OK, &count, "after refusals");
    T_CHECK(count == 3 * 18 * 20, "%d", (int)count);
    free(y);
    syn_model_close(m);
    syn_engine_close(e);
}

/* --- results -------------------------------------------------------------------------------------------- */

/* Devices, precisions and passes give the same picture. f32: networks of ten layers, values near one, sums of
 * up to 576 products, whose order differs: 1e-4 is far above that and far below any fault. bf16: eight bits
 * through ten layers. */
static void test_same_picture(const char *device)
{
    static const char *const models[] = {"up", "excited"};
    struct syn_engine *ref = open_engine("ref", SYN_PRECISION_F32),
                      *cpu = open_engine(device, SYN_PRECISION_AUTO);
    for (int k = 0; cpu && k < 2; k++) {
        struct syn_model *m = open_model(ref, models[k], SYN_PASS_ALL);
        int64_t n = 0, count = 0;
        float *want = run_whole(m, 21, 34, SYN_PRECISION_F32, SYN_OK, &n, "reference"), *got;
        syn_model_close(m);
        for (unsigned off = 0; off <= SYN_PASS_ALL; off = off ? off * 2 : 1) {
            m = open_model(cpu, models[k], off);
            got = run_whole(m, 21, 34, SYN_PRECISION_F32, SYN_OK, &count, "f32");
            T_CHECK(got && count == n && difference(got, want, n) < 1e-4, "%s passes off %x: %g",
                    models[k], off, got ? difference(got, want, n) : -1);
            free(got);
            got = run_whole(m, 21, 34, SYN_PRECISION_BF16, SYN_OK, &count, "bf16");
            T_CHECK(got && count == n && difference(got, want, n) < 0.06,
                    "%s bf16, passes off %x: %g", models[k], off,
                    got ? difference(got, want, n) : -1);
            free(got);
            syn_model_close(m);
        }
        free(want);
    }
    syn_engine_close(ref);
    syn_engine_close(cpu);
}

static void test_precision(void)
{
    struct syn_engine *e = open_engine("cpu", SYN_PRECISION_BF16);
    struct syn_model *m = open_model(e, "up", 0);
    const struct syn_shape in = syn_shape4(1, 3, 20, 20);
    struct syn_plan *a = NULL, *b = NULL, *c = NULL;
    struct syn_plan_info info;
    struct syn_err err = {""};
    int64_t n = 0;
    T_CHECK(syn_plan_get(m, -1, &in, SYN_PRECISION_AUTO, &a, &err) == SYN_OK &&
                syn_plan_get(m, -1, &in, SYN_PRECISION_BF16, &b, &err) == SYN_OK &&
                syn_plan_get(m, -1, &in, SYN_PRECISION_F32, &c, &err) == SYN_OK,
            "%s", err.text);
    T_CHECK(a == b && a != c, "auto is bf16 here, and another plan than f32's");
    syn_plan_info(a, &info);
    T_CHECK(info.precision == SYN_PRECISION_BF16, "%s", syn_precision_word(info.precision));
    syn_plan_info(c, &info);
    T_CHECK(info.precision == SYN_PRECISION_F32, "%s", syn_precision_word(info.precision));
    syn_plan_release(a), syn_plan_release(b), syn_plan_release(c);
    float *f = run_whole(m, 20, 20, SYN_PRECISION_F32, SYN_OK, &n, "f32"),
          *h = run_whole(m, 20, 20, SYN_PRECISION_BF16, SYN_OK, &n, "bf16");
    if (f && h)
        T_CHECK(difference(f, h, n) > 1e-5, "bf16 gives f32's numbers: %g", difference(f, h, n));
    free(f), free(h);
    syn_model_close(m);
    syn_engine_close(e);
}

/* test_A01_numeric: NaN and infinity among the weights never come out as a picture, whatever follows them. */
static void test_A01_numeric(const char *device)
{
    static const char *const models[] = {"nan", "inf", "clip"};
    struct syn_engine *e = open_engine(device, SYN_PRECISION_BF16);
    for (int k = 0; e && k < 3; k++)
        for (syn_precision pr = SYN_PRECISION_F32; pr <= SYN_PRECISION_BF16; pr++) {
            struct syn_model *m = open_model(e, models[k], 0);
            int64_t n = 0;
            free(run_whole(m, 12, 13, pr, SYN_NUMERIC, &n, models[k]));
            syn_model_close(m);
        }
    syn_engine_close(e);
}

struct stop {
    atomic_bool flag;
    long after_us;
};
static void *stop_later(void *arg)
{
    struct stop *s = arg;
    const struct timespec pause = {.tv_nsec = s->after_us * 1000};
    nanosleep(&pause, NULL);
    atomic_store(&s->flag, true);
    return NULL;
}

static void test_cancel(void)
{
    struct syn_engine *e =
        open_engine("ref", SYN_PRECISION_F32); /* slow, so that there is time to cancel */
    struct syn_model *m = open_model(e, "up", 0);
    const struct syn_shape in = syn_shape4(1, 3, 64, 64);
    struct syn_plan *p = NULL;
    struct syn_err err = {""};
    float *x = t_uniform(1, 3 * 64 * 64, 0, 1), *y = NULL;
    struct stop stop = {.flag = true};
    const struct syn_run_opts opts = {.cancel = &stop.flag};
    if (syn_plan_get(m, -1, &in, SYN_PRECISION_F32, &p, &err) != SYN_OK) abort();
    T_CHECK(ng_run(p, (const float *const *)&x, &y, &opts, &err) == SYN_CANCELED &&
                strstr(err.text, "step 0"),
            "'%s'", err.text);
    free(y);
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        atomic_store(&stop.flag, false);
        stop.after_us = 500 + 4000 * i;
        if (pthread_create(&t, NULL, stop_later, &stop)) abort();
        err.text[0] = 0;
        const syn_status st = ng_run(p, (const float *const *)&x, &y, &opts, &err);
        pthread_join(t, NULL);
        T_CHECK(st == SYN_CANCELED || (i == 2 && st == SYN_OK), "%s '%s'", syn_status_word(st),
                err.text);
        free(y);
    }
    atomic_store(&stop.flag, false); /* the plan still runs */
    T_CHECK(ng_run(p, (const float *const *)&x, &y, &opts, &err) == SYN_OK, "%s", err.text);
    free(y), free(x);
    syn_plan_release(p);
    syn_model_close(m);
    syn_engine_close(e);
}

/* B05: the workspace grows to the largest plan, is reported, and goes back on demand. */
static void test_B05_trim(void)
{
    struct syn_engine *e = open_engine("cpu", SYN_PRECISION_F32);
    struct syn_model *m = open_model(e, "up", 0);
    struct syn_engine_info info;
    int64_t n = 0;
    free(run_whole(m, 16, 16, SYN_PRECISION_F32, SYN_OK, &n, "small"));
    syn_engine_info(e, &info);
    const uint64_t small = info.workspace_bytes;
    free(run_whole(m, 64, 64, SYN_PRECISION_F32, SYN_OK, &n, "large"));
    syn_engine_info(e, &info);
    const uint64_t large = info.workspace_bytes;
    T_CHECK(small > 0 && large > small && info.workspace_peak_bytes == large &&
                info.weight_bytes > 0,
            "%d, then %d", (int)small, (int)large);
    free(run_whole(m, 16, 16, SYN_PRECISION_F32, SYN_OK, &n, "small again"));
    syn_engine_info(e, &info);
    T_CHECK(info.workspace_bytes == large, "kept for the next run");
    syn_engine_trim(e, large);
    syn_engine_info(e, &info);
    T_CHECK(info.workspace_bytes == large, "no more than allowed: nothing to give");
    syn_engine_trim(e, large - 1);
    syn_engine_info(e, &info);
    T_CHECK(info.workspace_bytes <= large - 1 && info.workspace_peak_bytes == large,
            "%d after trimming", (int)info.workspace_bytes);
    free(run_whole(m, 16, 16, SYN_PRECISION_F32, SYN_OK, &n, "after trimming"));
    syn_model_close(m);
    syn_engine_info(e, &info);
    T_CHECK(info.weight_bytes == 0, "%d bytes of weights after the model is closed",
            (int)info.weight_bytes);
    syn_engine_close(e);
}

/* --- no memory ------------------------------------------------------------------------------------------ */

/* Every allocation of opening a model, planning, running and asking fails once: the status says so, nothing
 * leaks (AddressSanitizer), and the engine works afterwards. */
static void test_no_memory(const char *device)
{
    static const char *const models[] = {"up", "excited"};
    struct syn_engine *e = open_engine(device, SYN_PRECISION_BF16);
    if (!e) return;
    for (int k = 0; k < 2; k++)
        for (syn_precision pr = SYN_PRECISION_F32; pr <= SYN_PRECISION_BF16; pr++) {
            const struct syn_shape in = syn_shape4(1, 3, 12, 14);
            float *x = t_uniform(2, 3 * 12 * 14, 0, 1);
            int32_t failures = 0;
            bool done =
                k == 0 && pr == SYN_PRECISION_BF16; /* both precisions of one network will do */
            if (done) {
                free(x);
                continue;
            }
            for (long n = 1; n < 20000 && !done; n++) {
                struct syn_model *m = NULL;
                struct syn_plan *p = NULL;
                struct syn_err err = {""};
                uint64_t peak;
                float *y = NULL;
                syn_alloc_fail_at(n);
                syn_status st = ng_open(e, folder, models[k], 0, &m, &err);
                if (st == SYN_OK) st = syn_plan_estimate(m, -1, &in, pr, &peak, &err);
                if (st == SYN_OK) st = syn_plan_get(m, -1, &in, pr, &p, &err);
                if (st == SYN_OK) st = ng_run(p, (const float *const *)&x, &y, NULL, &err);
                if (st == SYN_OK && k == 0 && pr == SYN_PRECISION_F32)
                    st = syn_engine_selftest(e, &err);
                void *probe =
                    syn_alloc(1); /* NULL: the n-th was still to come, so all went through */
                done = probe == NULL || n > 19990;
                syn_free(probe);
                syn_alloc_fail_at(0);
                failures += st == SYN_NO_MEMORY;
                /* also a reference without its line buffer: never NaN, never numeric_error */
                T_CHECK(st == SYN_OK || st == SYN_NO_MEMORY, "allocation %ld: %s '%s'", n,
                        syn_status_word(st), err.text);
                T_CHECK(st == SYN_OK || err.text[0], "allocation %ld: %s without a word", n,
                        syn_status_word(st));
                free(y);
                syn_plan_release(p);
                syn_model_close(m);
            }
            T_CHECK(failures > 50, "%d failures", (int)failures);
            struct syn_engine_info info;
            syn_engine_info(e, &info);
            T_CHECK(info.weight_bytes == 0, "%d bytes of weights left over",
                    (int)info.weight_bytes);
            free(x);
        }
    syn_engine_close(e);
    for (long n = 1; n < 60; n++) { /* opening the engine itself */
        const struct syn_engine_opts opts = {
            .device = device, .threads = 2, .precision = SYN_PRECISION_F32};
        struct syn_err err = {""};
        e = NULL;
        syn_alloc_fail_at(n);
        const syn_status st = syn_engine_open(&opts, &e, &err);
        void *probe = syn_alloc(1);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK ? e != NULL : st == SYN_NO_MEMORY && !e && err.text[0],
                "allocation %ld: %s '%s'", n, syn_status_word(st), err.text);
        if (st == SYN_OK) syn_engine_close(e);
        const bool all = probe == NULL;
        syn_free(probe);
        if (all) break;
    }
}

/* "nan": a NaN weight in the first layer. "inf": an infinite one. "clip": NaN, then a clip, a ReLU and a
 * maximum, each of which could hide it. */
static void write_models(void)
{
    const float values[] = {NAN, INFINITY, NAN};
    struct ng m;
    ng_folder(folder);
    ng_upscaler(&m, 100);
    ng_write(&m, folder, "up");
    ng_excited(&m, 200);
    ng_write(&m, folder, "excited");
    for (int i = 0; i < 3; i++) {
        ng_begin(&m, 3, 300);
        ng_conv(&m, "x", "a", 3, 16, 3, 1, i == 2 ? NG_CLIP : NG_LEAKY);
        memcpy(m.bin + 4 + 4 * 40, &values[i], 4);
        if (i == 2) ng_layer(&m, "ReLU r 1 1 a b");
        if (i == 2) ng_layer(&m, "Clip c 1 1 b c 0=-1.000000e+00 1=1.000000e+00");
        ng_conv(&m, i == 2 ? "c" : "a", "out", 16, 3, 3, 1, i == 2 ? NG_CLIP : NG_LINEAR);
        ng_write(&m, folder, names[2 + i]);
    }
}

int main(void)
{
    static const char *const devices[] = {"cpu:own", "cpu:onednn", "cpu"};
    write_models();
    test_open();
    test_selftest();
    test_info();
    test_refusals();
    for (int i = 0; i < 3; i++) test_same_picture(devices[i]), test_A01_numeric(devices[i]);
    test_A01_numeric("ref");
    test_precision();
    test_cancel();
    test_B05_trim();
    for (int i = 0; i < 2; i++) test_no_memory(devices[i]);
    ng_remove(folder, names);
    return t_report();
}
