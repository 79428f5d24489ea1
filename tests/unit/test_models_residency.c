/* test_models_residency.c - the index of model folders, and what is loaded: one load for many
 * callers, the byte budget, cancelling, failures, memory given back. Networks are made here and
 * run by the references.
 *
 * Layer:   tests. */
#include "kernels/base/log.h"
#include "server/models/models.h"
#include "tests/model_fixture.h"
#include <math.h>
#include <pthread.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static struct syn_engine *engine;
static char logged[16384];
static pthread_mutex_t log_mu = PTHREAD_MUTEX_INITIALIZER;

static void keep_log(void *user, syn_log_level level, const char *line)
{
    size_t n;
    (void)user;
    (void)level;
    pthread_mutex_lock(&log_mu);
    n = strlen(logged);
    snprintf(logged + n, sizeof logged - n, "%s\n", line);
    pthread_mutex_unlock(&log_mu);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void nap(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static struct syn_models *open_models(const char *root, uint64_t budget)
{
    const char *dirs[] = {root, NULL};
    struct syn_models_opts opts = {.dirs = dirs, .engine = engine, .budget_bytes = budget};
    struct syn_models *ms = NULL;
    struct syn_err err = {""};
    fx_need(syn_models_open(&opts, &ms, &err) == SYN_OK, err.text);
    return ms;
}

static const struct syn_variant *first(struct syn_models *ms, const char *id)
{
    const struct syn_manifest *m = syn_models_find(ms, id);
    fx_need(m != NULL, id);
    return &m->variant[0];
}

static struct syn_model_status status_of(struct syn_models *ms, const char *id)
{
    struct syn_model_status s;
    syn_models_status(ms, id, &s);
    return s;
}

/* Acquires, counts a failure when that fails; NULL then. */
static struct syn_loaded *take(struct syn_models *ms, const char *id)
{
    struct syn_loaded *l = NULL;
    struct syn_err err = {""};
    syn_status st = syn_models_acquire(ms, id, first(ms, id), NULL, &l, &err);
    T_CHECK(st == SYN_OK && l, "%s: %s", id, err.text);
    return l;
}

static uint64_t bytes_of(struct syn_models *ms, const char *id)
{
    const struct syn_variant *v = first(ms, id);
    return v->graph_bytes + v->weights_bytes;
}

/* --- the index -------------------------------------------------------------------------------- */

static void test_scan(void)
{
    char one[PATH_MAX], two[PATH_MAX], path[PATH_MAX], target[PATH_MAX];
    const char *dirs[] = {one, "/nonexistent/models", two, NULL};
    struct syn_models_opts opts = {.dirs = dirs};
    struct syn_models *ms = NULL;
    struct syn_loaded *l = NULL;
    struct syn_err err = {""};
    fx_folder(one);
    fx_folder(two);
    fx_model(one, "zebra", 1, 4, 2);
    fx_model(one, "ape", 2, 4, 2);
    fx_model(two, "bear", 1, 4, 2);
    fx_model(two, "ape", 1, 4, 2); /* comes second */
    fx_need(mkdir(fx_join(path, one, "bad"), 0777) == 0, path);
    fx_text(path, "model.json", "{\"manifest\": 1, \"id\": 7}");
    fx_need(mkdir(fx_join(path, one, "empty"), 0777) == 0, path);
    fx_need(mkdir(fx_join(path, one, ".fetch-x"), 0777) == 0, path);
    fx_text(one, "a-file", "x");
    fx_need(symlink(fx_join(target, two, "bear"), fx_join(path, one, "linked")) == 0, path);
    logged[0] = '\0';
    {
        long n = 1;
        syn_status st = SYN_NO_MEMORY;
        for (; st == SYN_NO_MEMORY && n < 200; n++) {
            syn_alloc_fail_at(n);
            st = syn_models_open(&opts, &ms, &err);
            syn_alloc_fail_at(0);
        }
        T_CHECK(st == SYN_OK && n > 10, "%s after %ld allocations", syn_status_word(st), n);
        syn_models_close(ms);
        logged[0] = '\0';
    }
    T_CHECK(syn_models_open(&opts, &ms, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_models_count(ms) == 3, "%d", syn_models_count(ms));
    T_CHECK(!strcmp(syn_models_at(ms, 0)->id, "ape") && !strcmp(syn_models_at(ms, 1)->id, "bear") &&
                !strcmp(syn_models_at(ms, 2)->id, "zebra"),
            "order");
    T_CHECK(syn_models_find(ms, "ape")->n_variants == 2, "the first folder wins");
    T_CHECK(strstr(syn_models_folder(ms, "bear"), two) == syn_models_folder(ms, "bear"), "%s",
            syn_models_folder(ms, "bear"));
    T_CHECK(strstr(logged, "id is a whole number") &&
                strstr(logged, "'model.json' does not exist") && strstr(logged, "/linked\"") &&
                strstr(logged, "id ape is already that of"),
            "%s", logged);
    T_CHECK(!strstr(logged, "a-file") && !strstr(logged, ".fetch"), "%s", logged);
    {
        static const char *const hostile[] = {"../x",   "..%2fx", "..\\x", "/etc/passwd", "",
                                              "linked", "bad",    "APE",   "ape/"};
        char long_id[301];
        memset(long_id, 'a', 300);
        long_id[300] = '\0';
        for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) { /* E07 */
            T_CHECK(!syn_models_find(ms, hostile[i]), "%s", hostile[i]);
            T_CHECK(syn_models_acquire(ms, hostile[i], &syn_models_at(ms, 0)->variant[0], NULL, &l,
                                       &err) == SYN_NOT_FOUND,
                    "%s", hostile[i]);
        }
        T_CHECK(!syn_models_find(ms, long_id) && !syn_models_find(ms, NULL) &&
                    !syn_models_folder(ms, "x"),
                "unknown");
    }
    T_CHECK(syn_models_acquire(ms, "ape", &syn_models_find(ms, "bear")->variant[0], NULL, &l,
                               &err) == SYN_NOT_FOUND,
            "other's variant");
    T_CHECK(syn_models_acquire(ms, "ape", first(ms, "ape"), NULL, &l, &err) == SYN_UNSUPPORTED &&
                !l,
            "%s", err.text);
    T_CHECK(status_of(ms, "ape").state == SYN_MODEL_UNLOADED && status_of(ms, "nothing").loads == 0,
            "status");
    syn_models_close(ms);
    syn_models_close(NULL);
    fx_remove(one);
    fx_remove(two);
}

/* --- loading ---------------------------------------------------------------------------------- */

/* Runs the network on a small picture; true when it gives finite numbers of the right size. */
static bool works(struct syn_loaded *l)
{
    struct syn_shape in_shape = syn_shape4(1, 3, 8, 8);
    struct syn_plan *p = NULL;
    struct syn_plan_info info;
    struct syn_err err = {""};
    float *in = t_uniform(5, 3 * 8 * 8, 0, 1), *out = t_uniform(6, 3 * 16 * 16, 0, 1);
    struct syn_tensor x = {.shape = in_shape, .dtype = SYN_F32, .data = in};
    struct syn_tensor y = {.shape = syn_shape4(1, 3, 16, 16), .dtype = SYN_F32, .data = out};
    bool fine = false;
    for (int i = 0; i < 3 * 16 * 16; i++) out[i] = NAN;
    if (syn_plan_get(syn_loaded_model(l), -1, &in_shape, SYN_PRECISION_F32, &p, &err) == SYN_OK) {
        syn_plan_info(p, &info);
        fine = syn_shape_equal(&info.out[0], &y.shape) &&
               syn_plan_run(p, &x, &y, NULL, &err) == SYN_OK;
        for (int i = 0; fine && i < 3 * 16 * 16; i++) fine = out[i] > -1e4f && out[i] < 1e4f;
    }
    if (!fine) fprintf(stderr, "network does not work: %s\n", err.text);
    syn_plan_release(p);
    free(in);
    free(out);
    return fine;
}

static void test_load(void)
{
    char root[PATH_MAX];
    struct syn_models *ms;
    struct syn_loaded *l, *again, *other = NULL;
    struct syn_model_status s;
    struct syn_err err = {""};
    fx_folder(root);
    fx_model(root, "toy", 3, 8, 3);
    ms = open_models(root, 0);
    l = take(ms, "toy");
    if (l) T_CHECK(works(l), "run");
    s = status_of(ms, "toy");
    T_CHECK(s.state == SYN_MODEL_READY && s.loads == 1 && s.load_seconds > 0 &&
                s.resident_bytes == bytes_of(ms, "toy"),
            "%d %lld", s.state, (long long)s.loads);
    again = take(ms, "toy");
    T_CHECK(again == l && status_of(ms, "toy").loads == 1, "the same");
    T_CHECK(syn_models_acquire(ms, "toy", &syn_models_find(ms, "toy")->variant[1], NULL, &other,
                               &err) == SYN_OK &&
                other != l,
            "%s", err.text);
    T_CHECK(status_of(ms, "toy").loads == 2, "a variant of its own");
    T_CHECK(syn_models_unload(ms, "toy", &err) == SYN_BUSY, "%s", err.text);
    syn_models_release(ms, again);
    syn_models_release(ms, l);
    syn_models_release(ms, NULL);
    T_CHECK(syn_models_unload(ms, "toy", &err) == SYN_BUSY, "the other is in use");
    syn_models_release(ms, other);
    T_CHECK(syn_models_unload(ms, "toy", &err) == SYN_OK && syn_models_resident_bytes(ms) == 0,
            "%s", err.text);
    T_CHECK(syn_models_unload(ms, "no", &err) == SYN_NOT_FOUND, "%s", err.text);
    s = status_of(ms, "toy");
    T_CHECK(s.state == SYN_MODEL_UNLOADED && s.resident_bytes == 0 && s.evictions == 0, "%d",
            s.state);
    syn_models_close(ms);
    fx_remove(root);
}

struct caller {
    struct syn_models *ms;
    const char *id;
    atomic_bool cancel;
    atomic_bool done;
    syn_status st;
    struct syn_loaded *l;
    struct syn_err err;
    pthread_t thread;
};

static void *call(void *ctx)
{
    struct caller *c = ctx;
    c->st = syn_models_acquire(c->ms, c->id, first(c->ms, c->id), &c->cancel, &c->l, &c->err);
    atomic_store(&c->done, true);
    return NULL;
}

static void start(struct caller *c, struct syn_models *ms, const char *id)
{
    memset(c, 0, sizeof *c);
    c->ms = ms;
    c->id = id;
    fx_need(pthread_create(&c->thread, NULL, call, c) == 0, "thread");
}

static void test_single_flight(void)
{
    char root[PATH_MAX];
    struct caller c[8];
    struct syn_models *ms;
    struct syn_err err;
    fx_folder(root);
    fx_model(root, "toy", 1, 64, 8);
    ms = open_models(root, 0);
    for (int round = 1; round <= 20; round++) {
        for (int i = 0; i < 8; i++) start(&c[i], ms, "toy");
        for (int i = 0; i < 8; i++) pthread_join(c[i].thread, NULL);
        for (int i = 0; i < 8; i++) {
            T_CHECK(c[i].st == SYN_OK && c[i].l == c[0].l, "%s", c[i].err.text);
            syn_models_release(ms, c[i].l);
        }
        T_CHECK(status_of(ms, "toy").loads == round, "round %d: %lld loads", round,
                (long long)status_of(ms, "toy").loads);
        T_CHECK(syn_models_unload(ms, "toy", &err) == SYN_OK, "%s", err.text);
    }
    syn_models_close(ms);
    fx_remove(root);
}

/* --- the budget ------------------------------------------------------------------------------- */

/* B04, at a tenth of its sizes: budget 10 MB, models of 6, 6 and 12 MB. */
static void test_B04_eviction(void)
{
    char root[PATH_MAX];
    struct syn_models *ms;
    struct syn_loaded *l = NULL;
    struct syn_err err = {""};
    double t;
    syn_status st;
    fx_folder(root);
    fx_model(root, "six-a", 1, 128, 12);
    fx_model(root, "six-b", 1, 128, 12);
    fx_model(root, "twelve", 1, 128, 22);
    ms = open_models(root, 10000000);
    T_CHECK(bytes_of(ms, "six-a") > 5500000 && bytes_of(ms, "six-a") < 7000000, "%llu",
            (unsigned long long)bytes_of(ms, "six-a"));
    T_CHECK(bytes_of(ms, "twelve") > 11000000, "%llu", (unsigned long long)bytes_of(ms, "twelve"));
    syn_models_release(ms, take(ms, "six-a"));
    T_CHECK(status_of(ms, "six-a").state == SYN_MODEL_READY, "kept while there is room");
    syn_models_release(ms, take(ms, "six-b"));
    T_CHECK(status_of(ms, "six-a").state == SYN_MODEL_UNLOADED &&
                status_of(ms, "six-a").evictions == 1,
            "evicted");
    for (int i = 0; i < 10; i++) {
        const char *id = i % 2 ? "six-b" : "six-a";
        l = take(ms, id);
        T_CHECK(syn_models_resident_bytes(ms) == bytes_of(ms, id), "job %d", i);
        syn_models_release(ms, l);
    }
    l = NULL;
    t = now();
    st = syn_models_acquire(ms, "twelve", first(ms, "twelve"), NULL, &l, &err);
    t = now() - t;
    T_CHECK(st == SYN_TOO_LARGE && !l && t < 0.1 && strstr(err.text, "10000000"), "%s after %.3f s",
            err.text, t);
    T_CHECK(status_of(ms, "six-b").state == SYN_MODEL_READY, "nothing evicted for it");
    syn_models_close(ms);
    fx_remove(root);
}

/* The least recently used goes, and only as many as needed. */
static void test_lru_order(void)
{
    char root[PATH_MAX];
    struct syn_models *ms;
    uint64_t one;
    fx_folder(root);
    fx_model(root, "a", 1, 32, 4);
    fx_model(root, "b", 1, 32, 4);
    fx_model(root, "c", 1, 32, 4);
    fx_model(root, "d", 1, 32, 4);
    ms = open_models(root, 0);
    one = bytes_of(ms, "a");
    syn_models_close(ms);
    ms = open_models(root, 3 * one + one / 2);
    syn_models_release(ms, take(ms, "a"));
    syn_models_release(ms, take(ms, "b"));
    syn_models_release(ms, take(ms, "c"));
    syn_models_release(ms, take(ms, "a")); /* now b is the oldest */
    syn_models_release(ms, take(ms, "d"));
    T_CHECK(status_of(ms, "b").state == SYN_MODEL_UNLOADED, "b went");
    T_CHECK(status_of(ms, "a").state == SYN_MODEL_READY &&
                status_of(ms, "c").state == SYN_MODEL_READY &&
                status_of(ms, "d").state == SYN_MODEL_READY,
            "the others stayed");
    T_CHECK(syn_models_resident_bytes(ms) == 3 * one, "%llu",
            (unsigned long long)syn_models_resident_bytes(ms));
    syn_models_close(ms);
    fx_remove(root);
}

/* C05: a load that must wait is canceled at once; a second waiting caller keeps it alive. */
static void test_C05_cancel(void)
{
    char root[PATH_MAX];
    struct syn_models *ms;
    struct syn_loaded *held;
    struct caller c[3];
    uint64_t one;
    double t;
    fx_folder(root);
    fx_model(root, "a", 1, 64, 6);
    fx_model(root, "b", 1, 64, 6);
    ms = open_models(root, 0);
    one = bytes_of(ms, "a");
    syn_models_close(ms);
    ms = open_models(root, one + one / 2);
    held = take(ms, "a");
    start(&c[0], ms, "b"); /* cannot be loaded while a is held */
    nap(100);
    T_CHECK(!atomic_load(&c[0].done) && status_of(ms, "b").state == SYN_MODEL_LOADING, "waits");
    t = now();
    atomic_store(&c[0].cancel, true);
    pthread_join(c[0].thread, NULL);
    t = now() - t;
    T_CHECK(c[0].st == SYN_CANCELED && !c[0].l && t < 0.2, "%s after %.3f s", c[0].err.text, t);
    for (int i = 0; i < 100 && status_of(ms, "b").state == SYN_MODEL_LOADING; i++) nap(10);
    T_CHECK(status_of(ms, "b").state == SYN_MODEL_UNLOADED && status_of(ms, "b").failure[0] == '\0',
            "stopped");
    T_CHECK(works(held) && syn_models_resident_bytes(ms) == bytes_of(ms, "a"), "a is untouched");

    logged[0] = '\0';
    start(&c[0], ms, "b");
    nap(50);
    start(&c[1], ms, "b");
    nap(50);
    atomic_store(&c[0].cancel, true); /* the one that started the load */
    pthread_join(c[0].thread, NULL);
    T_CHECK(c[0].st == SYN_CANCELED && !atomic_load(&c[1].done), "%s", c[0].err.text);
    nap(50);
    T_CHECK(!atomic_load(&c[1].done) && status_of(ms, "b").state == SYN_MODEL_LOADING,
            "goes on for the other");
    syn_models_release(ms, held);
    pthread_join(c[1].thread, NULL);
    T_CHECK(c[1].st == SYN_OK && c[1].l && works(c[1].l), "%s", c[1].err.text);
    T_CHECK(status_of(ms, "a").state == SYN_MODEL_UNLOADED && status_of(ms, "b").loads == 1,
            "a made room");
    T_CHECK(!strstr(logged, "load stopped"), "not begun anew: %s", logged);
    /* A caller that comes while an abandoned load is stopping gets a load of its own. */
    for (int round = 0; round < 5; round++) {
        start(&c[0], ms, "a");
        nap(30);
        atomic_store(&c[0].cancel, true);
        pthread_join(c[0].thread, NULL);
        start(&c[2], ms, "a"); /* the loading thread has not looked at the flag yet, most likely */
        nap(50);
        T_CHECK(c[0].st == SYN_CANCELED && !atomic_load(&c[2].done), "round %d: %s", round,
                c[2].err.text);
        atomic_store(&c[2].cancel, true);
        pthread_join(c[2].thread, NULL);
    }
    start(&c[2], ms, "a");
    syn_models_release(ms, c[1].l);
    pthread_join(c[2].thread, NULL);
    T_CHECK(c[2].st == SYN_OK && c[2].l, "%s", c[2].err.text);
    syn_models_release(ms, c[2].l);
    syn_models_close(ms);
    fx_remove(root);
}

/* --- failures --------------------------------------------------------------------------------- */

static void flip_byte(const char *folder, const char *name)
{
    char path[PATH_MAX];
    FILE *f = fopen(fx_join(path, folder, name), "r+b");
    int c = -1;
    fx_need(f && fseek(f, 100, SEEK_SET) == 0 && (c = fgetc(f)) >= 0 &&
                fseek(f, 100, SEEK_SET) == 0 && fputc(c ^ 1, f) >= 0 && fclose(f) == 0,
            path);
}

static void test_failed_load(void)
{
    char root[PATH_MAX], folder[PATH_MAX];
    const char *stem[] = {"a"};
    char *text;
    struct syn_models *ms;
    struct syn_loaded *good, *l = NULL;
    struct syn_model_status s;
    struct syn_err err = {""};
    uint64_t one;
    syn_status st;
    fx_folder(root);
    fx_model(root, "good", 1, 32, 4);
    fx_model(root, "bad", 1, 32, 4);
    fx_join(folder, root, "bad");
    /* A network that is as its manifest says and still no network. */
    fx_need(mkdir(fx_join(folder, root, "nonsense"), 0777) == 0, folder);
    fx_text(folder, "a.param", "7767517\n2 2\nInput in 0 1 data\nNoSuchLayer x 1 1 data out\n");
    fx_text(folder, "a.bin", "some bytes");
    text = fx_manifest(folder, "nonsense", stem, 1);
    fx_text(folder, "model.json", text);
    free(text);
    ms = open_models(root, 0);
    one = bytes_of(ms, "good");
    syn_models_close(ms);
    ms = open_models(root, one + 1000); /* room for one of them, and for the nonsense */

    syn_models_release(ms, take(ms, "good"));
    fx_join(folder, root, "bad");
    fx_text(folder, "a.bin", "<!doctype html><title>403</title>"); /* G13, after the start */
    st = syn_models_acquire(ms, "bad", first(ms, "bad"), NULL, &l, &err);
    T_CHECK(st == SYN_INVALID && !l && strstr(err.text, "model 'bad': a.bin is an HTML"), "%s",
            err.text);
    T_CHECK(!strstr(err.text, root), "a path: %s", err.text);
    s = status_of(ms, "bad");
    T_CHECK(s.state == SYN_MODEL_FAILED && strstr(s.failure, "a.bin is an HTML") && s.loads == 0,
            "%s", s.failure);
    T_CHECK(status_of(ms, "good").state == SYN_MODEL_READY && status_of(ms, "good").evictions == 0,
            "nothing given up");

    st = syn_models_acquire(ms, "nonsense", first(ms, "nonsense"), NULL, &l, &err);
    T_CHECK(st == SYN_UNSUPPORTED && strstr(err.text, "NoSuchLayer") && !strstr(err.text, root),
            "%s", err.text);
    T_CHECK(syn_models_resident_bytes(ms) == one, "nothing charged for failures");
    good = take(ms, "good");
    if (good) T_CHECK(works(good), "good");
    syn_models_release(ms, good);

    fx_network(folder, "a", 2, 32, 4, 1000); /* mended: the next acquire tries again */
    l = take(ms, "bad");
    s = status_of(ms, "bad");
    T_CHECK(s.state == SYN_MODEL_READY && s.failure[0] == '\0' && s.loads == 1, "%s", s.failure);
    syn_models_release(ms, l);
    T_CHECK(syn_models_unload(ms, "bad", &err) == SYN_OK, "%s", err.text);
    flip_byte(folder, "a.bin"); /* changed after it was right once: hashed again */
    l = NULL;
    st = syn_models_acquire(ms, "bad", first(ms, "bad"), NULL, &l, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "a.bin has sha256"), "%s", err.text);
    fx_remove(folder);
    st = syn_models_acquire(ms, "bad", first(ms, "bad"), NULL, &l, &err);
    T_CHECK(st == SYN_NOT_FOUND && strstr(err.text, "folder 'bad' does not exist") &&
                !strstr(err.text, root),
            "%s", err.text);
    syn_models_close(ms);
    fx_remove(root);
}

/* Closing while a load that nobody waits for is under way. */
static void test_close_while_loading(void)
{
    char root[PATH_MAX];
    fx_folder(root);
    fx_model(root, "a", 1, 128, 12);
    for (int i = 0; i < 20; i++) {
        struct syn_models *ms = open_models(root, 0);
        struct caller c;
        start(&c, ms, "a");
        nap(i % 4);
        atomic_store(&c.cancel, true);
        pthread_join(c.thread, NULL);
        T_CHECK(c.st == SYN_CANCELED || c.st == SYN_OK, "%s", c.err.text);
        syn_models_release(ms, c.l);
        syn_models_close(ms);
    }
    fx_remove(root);
}

/* Eight threads, four models, room for two: everybody gets through, the budget holds. */
struct churner {
    struct syn_models *ms;
    uint64_t budget;
    int seed, good, over;
};

static void *churn(void *ctx)
{
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct churner *c = ctx;
    uint64_t x = (uint64_t)c->seed * 7919 + 1;
    for (int i = 0; i < 40; i++) {
        struct syn_loaded *l = NULL;
        struct syn_err err;
        const char *id;
        x = x * 6364136223846793005u + 1442695040888963407u;
        id = ids[x >> 62];
        if (syn_models_acquire(c->ms, id, first(c->ms, id), NULL, &l, &err) != SYN_OK) continue;
        if (syn_models_resident_bytes(c->ms) > c->budget) c->over++;
        if (syn_loaded_model(l)) c->good++;
        syn_models_release(c->ms, l);
    }
    return NULL;
}

static void test_churn(void)
{
    char root[PATH_MAX];
    struct churner c[8];
    pthread_t thread[8];
    struct syn_models *ms;
    uint64_t budget;
    fx_folder(root);
    fx_model(root, "a", 1, 32, 4);
    fx_model(root, "b", 1, 32, 4);
    fx_model(root, "c", 1, 32, 4);
    fx_model(root, "d", 1, 32, 4);
    ms = open_models(root, 0);
    budget = bytes_of(ms, "a") * 5 / 2;
    syn_models_close(ms);
    ms = open_models(root, budget);
    for (int i = 0; i < 8; i++) {
        c[i] = (struct churner){.ms = ms, .budget = budget, .seed = i};
        fx_need(pthread_create(&thread[i], NULL, churn, &c[i]) == 0, "thread");
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(thread[i], NULL);
        T_CHECK(c[i].good == 40 && c[i].over == 0, "thread %d: %d good, %d over", i, c[i].good,
                c[i].over);
    }
    syn_models_close(ms);
    fx_remove(root);
}

/* --- memory ----------------------------------------------------------------------------------- */

static long rss_kb(void)
{
    long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_B01_unload(void)
{
    char root[PATH_MAX];
    struct syn_models *ms;
    struct syn_err err;
    long before = 0, after;
    int rounds = SANITIZED ? 25 : 200;
    fx_folder(root);
    fx_model(root, "toy", 1, 256, 10); /* about 20 MB */
    ms = open_models(root, 0);
    T_CHECK(bytes_of(ms, "toy") > 18000000, "%llu", (unsigned long long)bytes_of(ms, "toy"));
    for (int i = 0; i < rounds; i++) {
        struct syn_loaded *l = take(ms, "toy");
        if (l && i % 50 == 0) T_CHECK(works(l), "round %d", i);
        syn_models_release(ms, l);
        T_CHECK(syn_models_unload(ms, "toy", &err) == SYN_OK, "%s", err.text);
        if (i == 19) before = rss_kb();
    }
    after = rss_kb();
    if (!SANITIZED) T_CHECK(after - before < 5000, "grew by %ld kB", after - before);
    printf("B01: %d loads, RSS after 20: %ld kB, at the end: %ld kB\n", rounds, before, after);
    syn_models_close(ms);
    fx_remove(root);
}

int main(void)
{
    struct syn_err err = {""};
    syn_log_set(keep_log, NULL, SYN_LOG_DEBUG);
    test_scan();
    fx_need(syn_engine_open(&(struct syn_engine_opts){.device = "ref", .threads = 1}, &engine,
                            &err) == SYN_OK,
            err.text);
    test_load();
    test_single_flight();
    test_B04_eviction();
    test_lru_order();
    test_C05_cancel();
    test_failed_load();
    test_close_while_loading();
    test_churn();
    test_B01_unload();
    syn_engine_close(engine);
    return t_report();
}
