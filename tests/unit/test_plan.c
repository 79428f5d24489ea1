/* test_plan.c - plans: the cache and what it forgets, limits and estimates, shapes and tensors that do not fit,
 * stages, batches, and many threads on one engine (run under ThreadSanitizer too). */
#include "kernels/base/alloc.h"
#include <math.h>
#include "tests/ncnn_gen.h"
#include <pthread.h>

static char folder[64], tuning[80];
static const char *const names[] = {"up", "excited", "pool", NULL};
enum { CACHED = 24 }; /* plans that a model keeps beyond those in use */

/* All engines share one file of measurements, so that they choose the same kernels. */
static struct syn_engine *open_engine(const char *device, uint64_t limit)
{
    const struct syn_engine_opts opts = {.device = device,
                                         .threads = 2,
                                         .precision = SYN_PRECISION_BF16,
                                         .workspace_limit_bytes = limit,
                                         .tuning_file = tuning};
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    const syn_status st = syn_engine_open(&opts, &e, &err);
    if (st == SYN_UNSUPPORTED && strchr(device, ':')) return NULL;
    T_CHECK(st == SYN_OK, "%s: %s", device, err.text);
    if (!e) abort();
    return e;
}
static struct syn_model *open_model(struct syn_engine *e, const char *name)
{
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    T_CHECK(ng_open(e, folder, name, 0, &m, &err) == SYN_OK, "%s: %s", name, err.text);
    if (!m) abort();
    return m;
}
static struct syn_plan *get(struct syn_model *m, int64_t h, int64_t w)
{
    const struct syn_shape in = syn_shape4(1, 3, h, w);
    struct syn_plan *p = NULL;
    struct syn_err err = {""};
    T_CHECK(syn_plan_get(m, -1, &in, SYN_PRECISION_AUTO, &p, &err) == SYN_OK, "%dx%d: %s", (int)h,
            (int)w, err.text);
    if (!p) abort();
    return p;
}
static uint64_t weights(struct syn_engine *e)
{
    struct syn_engine_info info;
    syn_engine_info(e, &info);
    return info.weight_bytes;
}

/* --- the cache ------------------------------------------------------------------------------------------- */

/* A plan that was built anew has no times; one from the cache keeps those of its profiled run. */
static void mark(struct syn_plan *p, int64_t h, int64_t w)
{
    const struct syn_run_opts opts = {.profile = true};
    struct syn_err err = {""};
    float *x = t_uniform(1, (size_t)(3 * h * w), 0, 1), *y;
    T_CHECK(ng_run(p, (const float *const *)&x, &y, &opts, &err) == SYN_OK, "%s", err.text);
    free(x), free(y);
}
static bool marked(const struct syn_plan *p)
{
    struct syn_plan_info info;
    double seconds = 0;
    syn_plan_info(p, &info);
    for (int32_t i = 0; i < info.n_steps; i++) {
        struct syn_step_info step;
        syn_plan_step(p, i, &step);
        T_CHECK(step.op && step.name && step.impl && step.out.rank > 0, "step %d", (int)i);
        seconds += step.seconds;
    }
    return seconds > 0;
}

static void test_cache(void)
{
    struct syn_engine *e = open_engine("cpu", 0);
    struct syn_model *m = open_model(e, "up");
    struct syn_plan *a = get(m, 8, 9), *b = get(m, 8, 9), *c = get(m, 9, 9), *held = get(m, 10, 10);
    const uint64_t each = weights(e) / 3;
    T_CHECK(a == b && a != c, "the same shape is the same plan, another is not");
    T_CHECK(each > 0 && weights(e) == 3 * each, "weights of three plans: %d", (int)weights(e));
    mark(a, 8, 9);
    mark(held, 10, 10);
    T_CHECK(marked(a) && !marked(c), "marks");
    syn_plan_release(a);
    syn_plan_release(b);
    syn_plan_release(c);
    b = get(m, 8, 9);
    T_CHECK(marked(b), "released, and still there");
    syn_plan_release(b);

    for (int64_t k = 0; k < 40; k++) { /* 8x9 is used all the time, 9x9 never */
        syn_plan_release(get(m, 20 + k, 9));
        b = get(m, 8, 9);
        T_CHECK(marked(b), "a plan in use every other time was dropped, after %d", (int)k);
        syn_plan_release(b);
        T_CHECK(weights(e) <= (uint64_t)(CACHED + 1) * each, "%d plans are kept",
                (int)(weights(e) / each));
    }
    T_CHECK(weights(e) >= CACHED * each, "only %d plans are kept", (int)(weights(e) / each));
    mark(held, 10, 10); /* a reference holds a plan however old */
    b = get(m, 10, 10);
    T_CHECK(b == held, "the plan that is held");
    syn_plan_release(b);
    syn_plan_release(held);

    struct syn_plan *many[CACHED + 6]; /* more in use than are cached: all live */
    for (int64_t k = 0; k < CACHED + 6; k++) many[k] = get(m, 100 + k, 9);
    for (int64_t k = 0; k < CACHED + 6; k++) {
        struct syn_plan_info info;
        syn_plan_info(many[k], &info);
        T_CHECK(info.in[0].dim[2] == 100 + k && info.out[0].dim[2] == 200 + 2 * k,
                "plan %d is another's", (int)k);
        mark(many[k], 100 + k, 9);
        syn_plan_release(many[k]);
    }
    syn_plan_release(get(m, 300, 9));
    T_CHECK(weights(e) <= (uint64_t)CACHED * each + each, "%d plans after release",
            (int)(weights(e) / each));
    syn_model_close(m);
    T_CHECK(weights(e) == 0, "%d bytes after closing", (int)weights(e));
    syn_engine_close(e);
}

static void test_info(void)
{
    struct syn_engine *e = open_engine("cpu", 0);
    struct syn_model *m = open_model(e, "up");
    struct syn_plan *p = get(m, 10, 14);
    struct syn_plan_info info;
    const struct syn_shape out = syn_shape4(1, 3, 20, 28);
    syn_plan_info(p, &info);
    /* as the model states them: 140 pixels before the enlargement, 560 after */
    const int64_t want =
        140 * 9 * (3 * 32 + 32 * 16 + 48 * 16 + 64 * 32) + 560 * 9 * (32 * 16 + 16 * 3);
    T_CHECK(info.multiply_adds == want, "%lld multiply-adds, expected %lld",
            (long long)info.multiply_adds, (long long)want);
    T_CHECK(info.n_inputs == 1 && info.n_outputs == 1 && syn_shape_equal(&info.out[0], &out),
            "shapes");
    T_CHECK(info.peak_bytes > 0 && info.weight_bytes > 0 && info.n_steps > 3,
            "peak, weights, steps");
    T_CHECK(!marked(p), "times before a profiled run");
    syn_plan_release(p);
    syn_model_close(m);
    syn_engine_close(e);
}

/* --- limits ------------------------------------------------------------------------------------------------ */

/* test_B09_plan_before_work: what is estimated is what a run takes, by every kind of kernel; a limit is kept to
 * the byte, before anything runs. */
static void test_B09_plan_before_work(void)
{
    static const char *const devices[] = {"cpu", "cpu:own", "cpu:onednn", "ref"};
    static const char *const models[] = {"up", "excited", "pool"};
    static const int64_t sizes[][2] = {{8, 8}, {34, 18}, {64, 48}, {256, 300}};
    for (int device = 0; device < 4; device++)
        for (int k = 0; k < 3; k++)
            for (int s = 0; s < 4; s++)
                for (syn_precision pr = SYN_PRECISION_F32; pr <= SYN_PRECISION_BF16; pr++) {
                    struct syn_engine *e = open_engine(devices[device], 0);
                    if (!e) continue; /* not in this build */
                    struct syn_model *m = open_model(e, models[k]);
                    const struct syn_shape in = syn_shape4(1, 3, sizes[s][0], sizes[s][1]);
                    struct syn_plan *p = NULL;
                    struct syn_plan_info info;
                    struct syn_err err = {""};
                    uint64_t estimate = 0;
                    T_CHECK(syn_plan_estimate(m, -1, &in, pr, &estimate, &err) == SYN_OK, "%s",
                            err.text);
                    T_CHECK(weights(e) == 0, "an estimate keeps nothing");
                    T_CHECK(syn_plan_get(m, -1, &in, pr, &p, &err) == SYN_OK, "%s", err.text);
                    syn_plan_info(p, &info);
                    T_CHECK(estimate == info.peak_bytes, "%s %s %s %dx%d: estimate %lld, real %lld",
                            devices[device], models[k], syn_precision_word(pr), (int)sizes[s][0],
                            (int)sizes[s][1], (long long)estimate, (long long)info.peak_bytes);
                    syn_plan_release(p);
                    syn_model_close(m);
                    syn_engine_close(e);
                    if (s == 3 || pr == SYN_PRECISION_BF16) continue;

                    const uint64_t peak = info.peak_bytes;
                    for (int too_small = 0; too_small < 2; too_small++) {
                        e = open_engine(devices[device], peak - (uint64_t)too_small);
                        m = open_model(e, models[k]);
                        p = NULL;
                        const syn_status st = syn_plan_get(m, -1, &in, pr, &p, &err);
                        if (too_small) {
                            char limit[32];
                            snprintf(limit, sizeof limit, "%llu", (unsigned long long)(peak - 1));
                            T_CHECK(st == SYN_TOO_LARGE && !p && strstr(err.text, limit),
                                    "limit %s: %s '%s'", limit, syn_status_word(st), err.text);
                            T_CHECK(weights(e) == 0, "a refused plan keeps its weights");
                        } else T_CHECK(st == SYN_OK, "exactly the limit: %s", err.text);
                        syn_plan_release(p);
                        syn_model_close(m);
                        syn_engine_close(e);
                    }
                }
}

static void test_shapes(void)
{
    struct syn_engine *e = open_engine("cpu", 0);
    struct syn_model *m = open_model(e, "excited"), *up = open_model(e, "up");
    const int64_t three[3] = {3, 8, 8};
    const struct {
        struct syn_shape in;
        syn_status want;
    } bad[] = {{syn_shape_of(3, three), SYN_INVALID},
               {syn_shape4(1, 4, 16, 16), SYN_INVALID},
               {syn_shape4(1, 3, 0, 16), SYN_INVALID},
               {syn_shape4(1, 3, -1, 16), SYN_INVALID},
               {syn_shape4(0, 3, 16, 16), SYN_INVALID},
               {syn_shape4(1, 3, INT64_MAX, 2), SYN_INVALID},
               {syn_shape4(1, 3, (int64_t)1 << 32, (int64_t)1 << 31), SYN_INVALID},
               {syn_shape4(1, 3, 2, 2), SYN_INVALID}};
    struct syn_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct syn_plan *p = NULL;
        uint64_t peak = 0;
        err.text[0] = 0;
        syn_status st = syn_plan_get(m, -1, &bad[i].in, SYN_PRECISION_AUTO, &p, &err);
        T_CHECK(st == bad[i].want && !p && err.text[0], "shape %d: %s '%s'", (int)i,
                syn_status_word(st), err.text);
        st = syn_plan_estimate(m, -1, &bad[i].in, SYN_PRECISION_AUTO, &peak, &err);
        T_CHECK(st == bad[i].want && peak == 0, "estimate %d: %s", (int)i, syn_status_word(st));
    }
    for (int32_t stage = -2; stage <= 3; stage += 5) {
        const struct syn_shape in = syn_shape4(1, 3, 16, 16);
        struct syn_plan *p = NULL;
        T_CHECK(syn_plan_get(m, stage, &in, SYN_PRECISION_AUTO, &p, &err) == SYN_INVALID && !p &&
                    strstr(err.text, "stage"),
                "stage %d: '%s'", (int)stage, err.text);
    }
    /* test_A38_sizes: 2^34 pixels in, more than 2^36 numbers inside: planned in 64 bits or refused, never run short */
    const struct syn_shape huge = syn_shape4(1, 3, (int64_t)1 << 17, (int64_t)1 << 17);
    uint64_t peak = 0;
    syn_status st = syn_plan_estimate(up, -1, &huge, SYN_PRECISION_F32, &peak, &err);
    T_CHECK((st == SYN_OK && peak > (uint64_t)1 << 40) || st == SYN_TOO_LARGE, "%s, %llu bytes",
            syn_status_word(st), (unsigned long long)peak);
    const struct syn_shape beyond = syn_shape4(1, 3, (int64_t)1 << 19, (int64_t)1 << 19);
    st = syn_plan_estimate(up, -1, &beyond, SYN_PRECISION_F32, &peak, &err);
    T_CHECK((st == SYN_TOO_LARGE || st == SYN_INVALID) && err.text[0], "%s '%s'",
            syn_status_word(st), err.text);
    syn_model_close(m);
    syn_model_close(up);
    syn_engine_close(e);
}

static void test_tensors(void)
{
    struct syn_engine *e = open_engine("cpu", 0);
    struct syn_model *m = open_model(e, "up");
    struct syn_plan *p = get(m, 8, 9);
    float *x = t_uniform(3, 3 * 72, 0, 1), *y = t_alloc(3 * 4 * 72 * sizeof *y);
    const struct syn_tensor in = {syn_shape4(1, 3, 8, 9), SYN_F32, x},
                            out = {syn_shape4(1, 3, 16, 18), SYN_F32, y};
    struct syn_err err = {""};
    struct syn_tensor t = in, u = out;
    T_CHECK(syn_plan_run(p, &t, &u, NULL, &err) == SYN_OK, "%s", err.text);
    for (int side = 0; side < 2; side++)
        for (int form = 0; form < 4; form++) {
            t = in, u = out;
            struct syn_tensor *bad = side ? &u : &t;
            if (form == 0) bad->dtype = SYN_F16;
            if (form == 1) bad->shape.dim[3]--;
            if (form == 2) bad->data = NULL;
            if (form == 3) bad->shape.rank = 3;
            T_CHECK(syn_plan_run(p, &t, &u, NULL, &err) == SYN_INVALID &&
                        strstr(err.text, side ? "output 0" : "input 0"),
                    "side %d form %d: '%s'", side, form, err.text);
        }
    t = in, u = out; /* NaN in the picture comes out as an error, and leaves nothing behind */
    x[100] = NAN;
    T_CHECK(syn_plan_run(p, &t, &u, NULL, &err) == SYN_NUMERIC && strstr(err.text, "NaN"), "'%s'",
            err.text);
    x[100] = 0.5f;
    T_CHECK(syn_plan_run(p, &t, &u, NULL, &err) == SYN_OK, "%s", err.text);
    free(x), free(y);
    syn_plan_release(p);
    syn_model_close(m);
    syn_engine_close(e);
}

/* --- stages and batches ------------------------------------------------------------------------------------- */

/* Stage by stage, the means taken by the test, equals the whole; 1e-4 as in test_engine.c. */
static void test_stages(void)
{
    struct syn_engine *e = open_engine("cpu", 0);
    struct syn_model *m = open_model(e, "excited");
    struct syn_shape in[3] = {syn_shape4(1, 3, 19, 23), syn_shape4(1, 16, 1, 1),
                              syn_shape4(1, 16, 1, 1)};
    struct syn_plan *whole = NULL, *stage[3] = {NULL};
    struct syn_plan_info info;
    struct syn_err err = {""};
    float *x = t_uniform(4, 3 * 19 * 23, 0, 1), *want = NULL, *got = NULL, *mean[2] = {NULL};
    int64_t n = 0, good = 0;
    T_CHECK(syn_plan_get(m, -1, in, SYN_PRECISION_F32, &whole, &err) == SYN_OK &&
                ng_run(whole, (const float *const *)&x, &want, NULL, &err) == SYN_OK,
            "%s", err.text);
    for (int32_t k = 0; k < 3; k++) {
        const float *inputs[3] = {x, mean[0], mean[1]};
        T_CHECK(syn_plan_get(m, k, in, SYN_PRECISION_F32, &stage[k], &err) == SYN_OK,
                "stage %d: %s", (int)k, err.text);
        if (!stage[k]) abort();
        syn_plan_info(stage[k], &info);
        T_CHECK(info.n_inputs == k + 1, "stage %d has %d inputs", (int)k, (int)info.n_inputs);
        T_CHECK(ng_run(stage[k], inputs, &got, NULL, &err) == SYN_OK, "stage %d: %s", (int)k,
                err.text);
        if (k == 2) break;
        const int64_t pixels = info.out[0].dim[2] * info.out[0].dim[3];
        mean[k] = t_alloc(16 * sizeof(float));
        for (int64_t c = 0; c < 16; c++) {
            double sum = 0;
            for (int64_t i = 0; i < pixels; i++) sum += (double)got[c * pixels + i];
            mean[k][c] = (float)(sum / (double)pixels);
        }
        free(got);
    }
    if (!syn_shape_elements(&info.out[0], &n)) abort();
    for (int64_t i = 0; i < n; i++) good += fabsf(got[i] - want[i]) < 1e-4f;
    T_CHECK(good == n && n == 3 * 30 * 38, "%d of %d pixels equal the whole model's", (int)good,
            (int)n);
    in[1].dim[1] = 15; /* a vector of another length */
    struct syn_plan *p = NULL;
    T_CHECK(syn_plan_get(m, 1, in, SYN_PRECISION_F32, &p, &err) == SYN_INVALID && !p, "'%s'",
            err.text);
    for (int k = 0; k < 3; k++) syn_plan_release(stage[k]);
    syn_plan_release(whole);
    free(x), free(want), free(got), free(mean[0]), free(mean[1]);
    syn_model_close(m);
    syn_engine_close(e);
}

/* A batch of two is two singles. */
static void test_batch(void)
{
    static const char *const models[] = {"up", "excited", "pool"};
    struct syn_engine *e = open_engine("cpu", 0);
    for (int k = 0; k < 3; k++)
        for (syn_precision pr = SYN_PRECISION_F32; pr <= SYN_PRECISION_BF16; pr++) {
            struct syn_model *m = open_model(e, models[k]);
            const struct syn_shape two = syn_shape4(2, 3, 16, 12), one = syn_shape4(1, 3, 16, 12);
            struct syn_plan *p2 = NULL, *p1 = NULL;
            struct syn_plan_info info;
            struct syn_err err = {""};
            float *x = t_uniform(5, 2 * 3 * 16 * 12, 0, 1), *both, *single;
            int64_t n = 0;
            if (syn_plan_get(m, -1, &two, pr, &p2, &err) != SYN_OK ||
                syn_plan_get(m, -1, &one, pr, &p1, &err) != SYN_OK)
                T_CHECK(false, "%s: %s", models[k], err.text);
            else {
                syn_plan_info(p1, &info);
                if (!syn_shape_elements(&info.out[0], &n)) abort();
                T_CHECK(ng_run(p2, (const float *const *)&x, &both, NULL, &err) == SYN_OK, "%s",
                        err.text);
                for (int i = 0; i < 2; i++) {
                    const float *from = x + i * 3 * 16 * 12;
                    int64_t good = 0;
                    T_CHECK(ng_run(p1, &from, &single, NULL, &err) == SYN_OK, "%s", err.text);
                    for (int64_t j = 0; j < n; j++)
                        good += fabsf(single[j] - both[i * n + j]) <=
                                (pr == SYN_PRECISION_BF16 ? 0.03f : 1e-4f);
                    T_CHECK(good == n, "%s %s picture %d: %d of %d", models[k],
                            syn_precision_word(pr), i, (int)good, (int)n);
                    free(single);
                }
                free(both);
            }
            free(x);
            syn_plan_release(p1), syn_plan_release(p2);
            syn_model_close(m);
        }
    syn_engine_close(e);
}

/* --- many threads ------------------------------------------------------------------------------------------- */

enum { SHAPES = 5, ROUNDS = 12, RUNNERS = 3 };
struct crowd {
    struct syn_engine *e;
    struct syn_model *m[2];
    float *want[2][SHAPES]; /* of a quiet run; immutable while threads run */
    int64_t n[2][SHAPES];
    atomic_int right, wrong, opened, ticket;
    atomic_bool stop;
};
static struct syn_shape crowd_shape(int i) { return syn_shape4(1, 3, 12 + i, 20 - 2 * i); }

static float *crowd_run(struct crowd *c, int k, int i, int64_t *n)
{
    const struct syn_shape in = crowd_shape(i);
    struct syn_plan *p = NULL;
    struct syn_plan_info info;
    struct syn_err err = {""};
    float *x = t_uniform((uint64_t)i, (size_t)(3 * in.dim[2] * in.dim[3]), 0, 1), *y = NULL;
    if (syn_plan_get(c->m[k], -1, &in, SYN_PRECISION_AUTO, &p, &err) == SYN_OK) {
        syn_plan_info(p, &info);
        if (!syn_shape_elements(&info.out[0], n)) abort();
        if (ng_run(p, (const float *const *)&x, &y, NULL, &err) != SYN_OK) free(y), y = NULL;
    }
    syn_plan_release(p);
    free(x);
    return y;
}

static void *runner(void *arg)
{
    struct crowd *c = arg;
    for (int round = 0; round < ROUNDS; round++) {
        const int turn = atomic_fetch_add(&c->ticket, 1), k = turn % 2, i = turn / 2 % SHAPES;
        int64_t n = 0;
        float *y = crowd_run(c, k, i, &n);
        const bool same =
            y && n == c->n[k][i] && memcmp(y, c->want[k][i], (size_t)n * sizeof *y) == 0;
        atomic_fetch_add(same ? &c->right : &c->wrong, 1);
        free(y);
    }
    return NULL;
}

/* Opens, plans and closes models of its own while others build and run plans. */
static void *opener(void *arg)
{
    struct crowd *c = arg;
    const struct syn_shape in = syn_shape4(1, 3, 8, 8);
    while (!atomic_load(&c->stop)) {
        struct syn_model *m = NULL;
        struct syn_plan *p = NULL;
        struct syn_err err = {""};
        if (ng_open(c->e, folder, "up", 0, &m, &err) == SYN_OK &&
            syn_plan_get(m, -1, &in, SYN_PRECISION_AUTO, &p, &err) == SYN_OK)
            atomic_fetch_add(&c->opened, 1);
        else atomic_fetch_add(&c->wrong, 1);
        syn_plan_release(p);
        syn_model_close(m);
    }
    return NULL;
}

static void *asker(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->stop)) {
        struct syn_engine_info info;
        const struct syn_shape in = crowd_shape(0);
        struct syn_err err = {""};
        uint64_t peak;
        syn_engine_info(c->e, &info);
        syn_engine_trim(c->e, 1000);
        if (syn_plan_estimate(c->m[0], -1, &in, SYN_PRECISION_AUTO, &peak, &err) != SYN_OK)
            atomic_fetch_add(&c->wrong, 1);
        if (syn_engine_selftest(c->e, &err) != SYN_OK) atomic_fetch_add(&c->wrong, 1);
    }
    return NULL;
}

static void test_threads(const char *device)
{
    struct crowd c = {.e = open_engine(device, 0)};
    pthread_t t[RUNNERS + 2];
    if (!c.e) return;
    c.m[0] = open_model(c.e, "up");
    c.m[1] = open_model(c.e, "excited");
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < SHAPES; i++) {
            c.want[k][i] = crowd_run(&c, k, i, &c.n[k][i]);
            T_CHECK(c.want[k][i], "a quiet run");
        }
    syn_model_close(c.m[0]); /* plans are built again, by many at once */
    syn_model_close(c.m[1]);
    c.m[0] = open_model(c.e, "up");
    c.m[1] = open_model(c.e, "excited");
    for (int i = 0; i < RUNNERS + 2; i++)
        if (pthread_create(&t[i], NULL, i < RUNNERS ? runner : i == RUNNERS ? opener : asker, &c))
            abort();
    for (int i = 0; i < RUNNERS; i++) pthread_join(t[i], NULL);
    atomic_store(&c.stop, true);
    pthread_join(t[RUNNERS], NULL), pthread_join(t[RUNNERS + 1], NULL);
    T_CHECK(atomic_load(&c.right) == RUNNERS * ROUNDS && atomic_load(&c.wrong) == 0,
            "%d right, %d wrong", atomic_load(&c.right), atomic_load(&c.wrong));
    T_CHECK(atomic_load(&c.opened) > 0, "no model was opened meanwhile");
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < SHAPES; i++) free(c.want[k][i]);
        syn_model_close(c.m[k]);
    }
    T_CHECK(weights(c.e) == 0, "%d bytes left over", (int)weights(c.e));
    syn_engine_close(c.e);
}

int main(void)
{
    struct ng m;
    ng_folder(folder);
    snprintf(tuning, sizeof tuning, "%s/tuning", folder);
    ng_upscaler(&m, 100);
    ng_write(&m, folder, "up");
    ng_excited(&m, 200);
    ng_write(&m, folder, "excited");
    ng_begin(&m, 3,
             300); /* pooling and a picture of few channels read by two: what falls to references */
    ng_conv(&m, "x", "a", 3, 20, 3, 1, NG_LEAKY);
    ng_layer(&m, "Pooling p 1 1 a b 0=0 1=2 2=2");
    ng_deconv(&m, "b", "c", 20, 3, 2, 2, 0);
    ng_layer(&m, "BinaryOp s 2 1 c x out 0=0");
    ng_write(&m, folder, "pool");
    test_cache();
    test_info();
    test_B09_plan_before_work();
    test_shapes();
    test_tensors();
    test_stages();
    test_batch();
    test_threads("cpu");
    test_threads("cpu:own");
    unlink(tuning);
    ng_remove(folder, names);
    return t_report();
}
