/* test_base.c - kernels/base: sizes, blocks, arenas, cursors, half precision, errors, and the pool of
 * threads. Run under ThreadSanitizer too. */
#include "kernels/base/alloc.h"
#include "kernels/base/arena.h"
#include "kernels/base/bytes.h"
#include "kernels/base/half.h"
#include "kernels/base/log.h"
#include "kernels/base/status.h"
#include "kernels/base/threads.h"
#include "tests/t.h"
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* --- sizes and blocks ------------------------------------------------------------------------------- */

static void test_sizes(void)
{
    size_t out = 7;
    T_CHECK(syn_mul(3, 5, &out) && out == 15, "3 * 5 = %zu", out);
    T_CHECK(syn_mul(0, SIZE_MAX, &out) && out == 0, "0 * max = %zu", out);
    T_CHECK(syn_mul(SIZE_MAX, 1, &out) && out == SIZE_MAX, "max * 1 = %zu", out);
    out = 7;
    T_CHECK(!syn_mul(SIZE_MAX / 2 + 1, 2, &out) && out == 7, "overflow wrote %zu", out);
    T_CHECK(syn_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX, "max - 1 + 1 = %zu", out);
    out = 7;
    T_CHECK(!syn_add(SIZE_MAX, 1, &out) && out == 7, "overflow wrote %zu", out);
}

static void test_blocks(void)
{
    unsigned char *p = syn_alloc(100), *q;
    T_CHECK(p && (uintptr_t)p % SYN_ALIGN == 0, "alignment");
    syn_free(p);
    p = syn_alloc(0);
    T_CHECK(p, "a block of nothing");
    syn_free(p);
    syn_free(NULL);
    T_CHECK(!syn_alloc(SIZE_MAX) && !syn_alloc((size_t)PTRDIFF_MAX + 1), "more than there can be");
    T_CHECK(!syn_map(SIZE_MAX) && !syn_map((size_t)PTRDIFF_MAX + 1), "more than there can be");
    for (size_t n = 1; n <= (size_t)8 << 20; n = n * 7 + 1) { /* below a page, above a huge one */
        p = syn_map(n);
        T_CHECK(p && (uintptr_t)p % SYN_ALIGN == 0, "%zu bytes of pages", n);
        if (p) p[0] = 1, p[n - 1] = 2;
        syn_unmap(p, n);
    }
    syn_unmap(NULL, 0);
    T_CHECK(!syn_calloc(SIZE_MAX / 2, 3) && !syn_realloc(NULL, SIZE_MAX / 2, 3),
            "products that overflow");
    p = syn_calloc(10, 7);
    size_t zeros = 0;
    for (int i = 0; p && i < 70; i++) zeros += p[i] == 0;
    T_CHECK(zeros == 70, "%zu of 70 zero", zeros);
    if (p) memset(p, 9, 70);
    q = syn_realloc(p, 1000, 2);
    T_CHECK(q && q[0] == 9 && q[69] == 9, "contents after growing");
    T_CHECK(!syn_realloc(q, SIZE_MAX, 2), "too much");
    T_CHECK(q && q[69] == 9, "the old block after a failure");
    syn_free(q);
    char *copy = syn_strdup("abc");
    T_CHECK(copy && !strcmp(copy, "abc"), "strdup");
    syn_free(copy);

    syn_alloc_fail_at(3);
    void *a = syn_alloc(1), *b = syn_calloc(1, 1), *c = syn_realloc(NULL, 1, 1), *d = syn_alloc(1);
    T_CHECK(a && b && !c && d, "the third of four fails, once");
    syn_free(a), syn_free(b), syn_free(d);
    syn_alloc_fail_at(1);
    syn_alloc_fail_at(0);
    a = syn_alloc(1);
    T_CHECK(a, "turned off");
    syn_free(a);
}

static void test_arena(void)
{
    struct syn_arena a = {0};
    unsigned char *piece[600];
    size_t size[600], wrong = 0, crooked = 0;
    for (size_t i = 0; i < 600; i++) { /* small, up to a quarter of a block, just over it, large */
        size[i] = i % 50 == 49 ? 70000 + i : i % 20 == 19 ? (size_t)(16384 - 8 + i % 16) : i % 97;
        piece[i] = syn_arena_new(&a, size[i], 1);
        if (!piece[i]) abort();
        crooked += (uintptr_t)piece[i] % (size[i] > 16384 ? SYN_ALIGN : 16) != 0;
        for (size_t k = 0; k < size[i]; k++) wrong += piece[i][k] != 0;
        memset(piece[i], (int)(i % 250 + 1), size[i]);
    }
    for (size_t i = 0; i < 600; i++) /* nobody wrote into a neighbour */
        for (size_t k = 0; k < size[i]; k++) wrong += piece[i][k] != i % 250 + 1;
    T_CHECK(wrong == 0 && crooked == 0, "%zu bytes wrong, %zu pieces not aligned", wrong, crooked);
    T_CHECK(!syn_arena_new(&a, SIZE_MAX, 2) && !syn_arena_new(&a, SIZE_MAX, 1) &&
                !syn_arena_new(&a, PTRDIFF_MAX, 1),
            "too much");
    char *s = syn_arena_strdup(&a, "hello"), *t = syn_arena_strndup(&a, "hello", 2),
         *e = syn_arena_strndup(&a, "", 0);
    T_CHECK(s && t && e && !strcmp(s, "hello") && !strcmp(t, "he") && !e[0], "copies of text");
    syn_arena_deinit(&a);
    T_CHECK(!a.head, "empty again");
    syn_arena_deinit(&a);
    T_CHECK(syn_arena_new(&a, 200000, 1),
            "a large piece first"); /* alone in its block; the next goes elsewhere */
    unsigned char *small = syn_arena_new(&a, 100, 1);
    T_CHECK(small, "then a small one");
    for (long n = 1; n <= 2; n++) { /* without memory nothing changes */
        struct syn_arena_block *head = a.head;
        syn_alloc_fail_at(1);
        T_CHECK(!syn_arena_new(&a, n == 1 ? 100000 : 60000, 1) && a.head == head, "no memory");
        syn_alloc_fail_at(0);
    }
    syn_arena_deinit(&a);
}

static void test_bytes(void)
{
    static const uint8_t data[9] = {0x80, 2, 3, 4, 0xfe, 0xff, 7, 8, 9};
    struct syn_bytes b = syn_bytes_of(data, sizeof data);
    const uint8_t *view = NULL;
    uint8_t u8 = 1;
    uint16_t u16 = 1;
    uint32_t u32 = 1;
    T_CHECK(syn_bytes_u32(&b, true, &u32) && u32 == 0x80020304u && b.left == 5, "%x", u32);
    b = syn_bytes_of(data, sizeof data);
    T_CHECK(syn_bytes_u32le(&b, &u32) && u32 == 0x04030280u, "%x", u32);
    T_CHECK(syn_bytes_u16(&b, true, &u16) && u16 == 0xfeff, "%x", u16);
    T_CHECK(syn_bytes_u8(&b, &u8) && u8 == 7 && b.left == 2, "%u", u8);
    T_CHECK(!syn_bytes_u32(&b, false, &u32) && u32 == 0x04030280u && b.left == 2,
            "a read that does not fit moved something");
    T_CHECK(!syn_bytes_take(&b, 3, &view) && !view && !syn_bytes_skip(&b, SIZE_MAX) && b.left == 2,
            "nor may these");
    T_CHECK(syn_bytes_u16(&b, false, &u16) && u16 == 0x0908 && b.left == 0, "%x", u16);
    T_CHECK(!syn_bytes_u8(&b, &u8) && syn_bytes_skip(&b, 0) && syn_bytes_take(&b, 0, &view),
            "the end");
    b = syn_bytes_of(NULL, 0);
    T_CHECK(!syn_bytes_u8(&b, &u8) && !syn_bytes_u16(&b, true, &u16), "no bytes at all");
}

/* --- half precision ------------------------------------------------------------------------------------ */

/* The nearest bf16 by definition: the closer neighbour, at a tie the even one. */
static uint16_t nearest_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint16_t low = (uint16_t)(bits >> 16), high = (uint16_t)(low + 1);
    const double a = fabs((double)x - (double)syn_bf16_to_float(low));
    double h = isinf(syn_bf16_to_float(high))
                   ? 0x1p128
                   : fabs((double)syn_bf16_to_float(high)); /* rounding goes on past the largest */
    const double b = fabs(h - fabs((double)x));
    return a < b ? low : b < a ? high : low & 1 ? high : low;
}

static void test_half(void)
{
    size_t wrong = 0, nans = 0;
    for (uint32_t i = 0; i < 65536; i++) { /* each bf16 is its own nearest; NaN stays NaN */
        const float x = syn_bf16_to_float((uint16_t)i);
        if (isnan(x)) nans += isnan(syn_bf16_to_float(syn_bf16_from_float(x))) != 0;
        else wrong += syn_bf16_from_float(x) != i;
    }
    T_CHECK(wrong == 0 && nans == 2 * 127, "%zu of the bf16 numbers change, %zu of 254 NaN stay",
            wrong, nans);
    for (uint32_t i = 0; i < 200000; i++) { /* floats of every size, ties among them */
        uint32_t bits = i * 2654435761u;
        float x;
        if (i % 3 == 0) bits = (bits & 0xffff0000u) | 0x8000u;
        if (i % 3 == 1) bits = (bits & 0xffff0000u) | (0x7ffcu + i % 9);
        memcpy(&x, &bits, sizeof x);
        if (isnan(x) || isinf(x)) continue;
        wrong += syn_bf16_from_float(x) != nearest_bf16(x);
    }
    T_CHECK(wrong == 0, "%zu numbers are not rounded to the nearest", wrong);
    const uint32_t payload =
        0x7f800001u; /* a NaN whose low bits are lost must not become infinity */
    float nan_low;
    memcpy(&nan_low, &payload, sizeof nan_low);
    T_CHECK(isnan(syn_bf16_to_float(syn_bf16_from_float(nan_low))), "NaN with a low payload");
    T_CHECK(isinf(syn_bf16_to_float(syn_bf16_from_float(3.4e38f))),
            "the largest floats round to infinity");

    for (uint32_t i = 0; i < 65536; i++) { /* f16 by its definition */
        const int e = i >> 10 & 31, m = i & 1023, sign = i >> 15 ? -1 : 1;
        const float got = syn_f16_to_float((uint16_t)i);
        const double want = e == 0    ? ldexp(m, -24)
                            : e == 31 ? (m ? NAN : INFINITY)
                                      : ldexp(1024 + m, e - 25);
        wrong += isnan(want) ? !isnan(got)
                             : (double)got != sign * want || (signbit(got) != 0) != (sign < 0);
    }
    T_CHECK(wrong == 0, "%zu of 65536 f16 numbers wrong", wrong);
}

/* --- errors and log -------------------------------------------------------------------------------------- */

static char logged[2048];
static int n_logged;
static void keep(void *user, syn_log_level level, const char *line)
{
    (void)user;
    (void)level;
    n_logged++;
    snprintf(logged, sizeof logged, "%s", line);
}

static void test_errors(void)
{
    struct syn_err err = {""};
    char long_text[900];
    T_CHECK(syn_fail(&err, SYN_INVALID, "width = %d", 3) == SYN_INVALID &&
                !strcmp(err.text, "width = 3"),
            "%s", err.text);
    T_CHECK(syn_fail_in(&err, SYN_IO, "%s: ", "x.bin") == SYN_IO &&
                !strcmp(err.text, "x.bin: width = 3"),
            "%s", err.text);
    T_CHECK(syn_fail(NULL, SYN_BUSY, "x") == SYN_BUSY &&
                syn_fail_in(NULL, SYN_BUSY, "x") == SYN_BUSY,
            "no struct syn_err");
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    T_CHECK(syn_fail(&err, SYN_IO, "%s", long_text) == SYN_IO &&
                strlen(err.text) == sizeof err.text - 1,
            "%zu", strlen(err.text));
    T_CHECK(syn_fail_in(&err, SYN_IO, "z%s", "z") == SYN_IO &&
                strlen(err.text) == sizeof err.text - 1 && err.text[1] == 'z' && err.text[2] == 'y',
            "%s", err.text);
    T_CHECK(syn_fail_in(&err, SYN_IO, "%s", long_text) == SYN_IO &&
                strlen(err.text) == sizeof err.text - 1,
            "a prefix that fills it");
    for (int st = 0; st < SYN_STATUS_COUNT; st++)
        for (int other = 0; other < st; other++)
            T_CHECK(strcmp(syn_status_word(st), syn_status_word(other)) != 0,
                    "two statuses are called %s", syn_status_word(st));
    T_CHECK(!strcmp(syn_status_word(SYN_STATUS_COUNT), "unknown") &&
                !strcmp(syn_status_word((syn_status)-1), "unknown"),
            "outside the list");

    syn_log(SYN_LOG_ERROR, "nobody listens");
    syn_log_set(keep, NULL, SYN_LOG_INFO);
    syn_log(SYN_LOG_INFO, "%d %s", 5, "apples");
    T_CHECK(n_logged == 1 && !strcmp(logged, "5 apples"), "%d lines, '%s'", n_logged, logged);
    syn_log(SYN_LOG_DEBUG, "below the level");
    T_CHECK(n_logged == 1, "a line below the level");
    syn_log_set(NULL, NULL, SYN_LOG_INFO);
}

/* --- the pool of threads ----------------------------------------------------------------------------------- */

struct tally {
    atomic_int seen[2000];
    atomic_int inside, most;
    int plain[2000]; /* written by the task alone: a race shows under ThreadSanitizer */
};
static void count(void *ctx, int64_t i)
{
    struct tally *t = ctx;
    int now = atomic_fetch_add(&t->inside, 1) + 1, most = atomic_load(&t->most);
    while (now > most && !atomic_compare_exchange_weak(&t->most, &most, now)) {
    }
    atomic_fetch_add(&t->seen[i], 1);
    t->plain[i] += (int)i + 1;
    atomic_fetch_sub(&t->inside, 1);
}

static void test_pool(void)
{
    static const int32_t sizes[] = {1, 2, 3, 7};
    static const int64_t tasks[] = {0, 1, 2, 3, 64, 2000};
    struct syn_err err = {""};
    struct syn_pool *p = NULL;
    for (int32_t n = -1; n <= 257; n += n == 0 ? 257 : 1)
        if (n < 1 || n > 256)
            T_CHECK(syn_pool_new(n, &p, &err) == SYN_INVALID && !p && strstr(err.text, "256"),
                    "%d threads: '%s'", (int)n, err.text);
    syn_pool_free(NULL);
    T_CHECK(syn_pool_threads(NULL) == 1, "no pool is one thread");
    for (size_t s = 0; s <= sizeof sizes / sizeof *sizes; s++) {
        const bool none = s == sizeof sizes / sizeof *sizes;
        p = NULL;
        T_CHECK(none || syn_pool_new(sizes[s], &p, &err) == SYN_OK, "%s", err.text);
        T_CHECK(none || syn_pool_threads(p) == sizes[s], "%d threads", (int)syn_pool_threads(p));
        for (int round = 0; round < 120; round++) {
            const int64_t n = tasks[round % 6];
            static struct tally t;
            int64_t once = 0;
            memset(&t, 0, sizeof t);
            syn_pool_run(p, n, count, &t);
            for (int64_t i = 0; i < 2000; i++)
                once +=
                    atomic_load(&t.seen[i]) == (i < n) && t.plain[i] == (i < n ? (int)i + 1 : 0);
            T_CHECK(once == 2000 && atomic_load(&t.inside) == 0, "%d threads, %d tasks: %d right",
                    (int)syn_pool_threads(p), (int)n, (int)once);
            T_CHECK(atomic_load(&t.most) <= syn_pool_threads(p), "%d tasks at once on %d threads",
                    atomic_load(&t.most), (int)syn_pool_threads(p));
            if (round % 40 == 39) { /* helpers have gone to sleep */
                const struct timespec pause = {.tv_nsec = 3000000};
                nanosleep(&pause, NULL);
            }
        }
        syn_pool_free(p);
    }
}

/* Tasks that wait for one another: every thread of the pool takes part, the caller's too. */
struct meeting {
    atomic_int here;
    int want;
};
static void meet(void *ctx, int64_t i)
{
    struct meeting *m = ctx;
    (void)i;
    atomic_fetch_add(&m->here, 1);
    while (atomic_load(&m->here) < m->want) sched_yield();
}
static void test_all_threads_work(void)
{
    struct syn_err err = {""};
    struct syn_pool *p = NULL;
    T_CHECK(syn_pool_new(4, &p, &err) == SYN_OK, "%s", err.text);
    for (int round = 0; round < 20; round++) {
        struct meeting m = {.want = 4};
        syn_pool_run(p, 4, meet, &m);
        T_CHECK(atomic_load(&m.here) == 4, "%d", atomic_load(&m.here));
    }
    syn_pool_free(p);
}

/* Several callers share one pool: one loop at a time. */
struct shared {
    struct syn_pool *pool;
    atomic_int loops;
};
struct one_loop {
    int64_t sum[64];
};
static void add(void *ctx, int64_t i)
{
    struct one_loop *l = ctx;
    l->sum[i] += i;
}
static void *caller(void *arg)
{
    struct shared *s = arg;
    for (int round = 0; round < 200; round++) {
        struct one_loop l = {{0}};
        int64_t sum = 0;
        syn_pool_run(s->pool, 64, add, &l);
        for (int i = 0; i < 64; i++) sum += l.sum[i];
        if (sum == 63 * 64 / 2) atomic_fetch_add(&s->loops, 1);
    }
    return NULL;
}
static void test_callers(void)
{
    struct shared s = {0};
    struct syn_err err = {""};
    pthread_t t[3];
    T_CHECK(syn_pool_new(3, &s.pool, &err) == SYN_OK, "%s", err.text);
    for (int i = 0; i < 3; i++)
        if (pthread_create(&t[i], NULL, caller, &s)) abort();
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    T_CHECK(atomic_load(&s.loops) == 600, "%d of 600 loops right", atomic_load(&s.loops));
    syn_pool_free(s.pool);
}

/* Starting threads fails after some: what was started is stopped and the error says which. */
static atomic_int creations_left = -1;
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
                   void *(*start)(void *), void *restrict arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real) {
        void *found = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&real, &found, sizeof real);
    }
    if (atomic_load(&creations_left) >= 0 && atomic_fetch_sub(&creations_left, 1) <= 0)
        return EAGAIN;
    return real(thread, attr, start, arg);
}
static void test_no_thread(void)
{
    for (int n = 0; n < 4; n++) {
        struct syn_err err = {""};
        struct syn_pool *p = NULL;
        char words[32];
        atomic_store(&creations_left, n);
        const syn_status st = syn_pool_new(5, &p, &err);
        atomic_store(&creations_left, -1);
        snprintf(words, sizeof words, "thread %d", n + 1);
        T_CHECK(st == SYN_NO_MEMORY && !p && strstr(err.text, words), "%d threads start: %s '%s'",
                n, syn_status_word(st), err.text);
    }
    struct syn_pool *p = NULL;
    struct syn_err err = {""};
    syn_alloc_fail_at(1);
    T_CHECK(syn_pool_new(2, &p, &err) == SYN_NO_MEMORY && !p, "no memory");
    syn_alloc_fail_at(0);
}

/* An idle pool takes no processor time. */
static void test_idle(void)
{
    struct syn_pool *p = NULL;
    struct syn_err err = {""};
    struct rusage before, after;
    const struct timespec nap = {.tv_nsec = 20000000}, long_nap = {.tv_nsec = 200000000};
    struct one_loop l = {{0}};
    T_CHECK(syn_pool_new(4, &p, &err) == SYN_OK, "%s", err.text);
    syn_pool_run(p, 64, add, &l);
    nanosleep(&nap, NULL);
    getrusage(RUSAGE_SELF, &before);
    nanosleep(&long_nap, NULL);
    getrusage(RUSAGE_SELF, &after);
    const double used = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
                        1e-6 * (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec);
    T_CHECK(used < 0.05, "an idle pool used %.3f s in 0.2 s", used);
    syn_pool_free(p);
}

static void test_cpu_count(void)
{
    cpu_set_t whole, one;
    const int32_t n = syn_cpu_count();
    T_CHECK(n >= 1 && n <= 256, "%d", (int)n);
    if (sched_getaffinity(0, sizeof whole, &whole) != 0) return;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &whole)) CPU_SET(i, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0)
        T_CHECK(syn_cpu_count() == 1, "%d on one processor", (int)syn_cpu_count());
    sched_setaffinity(0, sizeof whole, &whole);
    T_CHECK(n <= CPU_COUNT(&whole), "%d of %d", (int)n, CPU_COUNT(&whole));
}

int main(void)
{
    test_sizes();
    test_blocks();
    test_arena();
    test_bytes();
    test_half();
    test_errors();
    test_pool();
    test_all_threads_work();
    test_callers();
    test_no_thread();
    test_idle();
    test_cpu_count();
    return t_report();
}
