/* threads.c - see threads.h.
 *
 * A loop is published by opening `door` and raising `round`; a helper that sees it goes in, pulls
 * task numbers from `next` until they run out, and comes out. The caller pulls too, then closes the
 * door and waits for those that are inside. A helper that the system did not run meanwhile never
 * went in and is not waited for: on a busy machine the caller has done its tasks instead.
 * Sleeping is a futex on `round` (helpers) and on `door` (caller). Waking is a system call, which
 * small layers would pay for at every loop: `asleep` counts who may be in one, and with none there
 * is no call. A thread counts itself before its last look at the word it sleeps on, the other side
 * changes the word before it looks at the count, all in one order: one of the two sees the
 * other. */
#include "kernels/base/threads.h"
#include "kernels/base/alloc.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS                                                                                      \
    4000 /* about 50 us: longer than the gap between two nodes, far shorter than a time slice */
#define MAX_THREADS 256
#define OPEN 0x80000000u /* of door; below it: how many helpers are inside */

struct syn_pool {
    int32_t n_threads;
    syn_team_fn *team; /* not NULL: the threads are somebody else's and thread[] is empty */
    pthread_mutex_t one_loop;        /* held by the caller for the length of a loop */
    pthread_t thread[MAX_THREADS];   /* [0] unused: the caller */
    _Alignas(64) atomic_uint round;  /* raised once per loop; the helpers' futex */
    _Alignas(64) atomic_uint door;   /* the caller's futex */
    _Alignas(64) atomic_llong next;  /* next task number */
    _Alignas(64) atomic_uint asleep; /* threads in a futex or about to be */
    atomic_bool quit;
    /* written by the caller before the door opens, read by helpers that are inside */
    syn_task_fn *fn;
    void *ctx;
    int64_t n_tasks;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

static void futex_wait(atomic_uint *at, unsigned seen)
{
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}
/* Wakes who sleeps on *at, which has been changed (in the one order of all threads). */
static void wake(struct syn_pool *p, atomic_uint *at, int n)
{
    if (atomic_load(&p->asleep) != 0) syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* Returns when *at differs from seen. */
static unsigned wait_change(struct syn_pool *p, atomic_uint *at, unsigned seen)
{
    unsigned now;
    for (int i = 0; i < SPINS; i++) {
        if ((now = atomic_load_explicit(at, memory_order_acquire)) != seen) return now;
        relax();
    }
    atomic_fetch_add(&p->asleep, 1);
    while ((now = atomic_load(at)) == seen) futex_wait(at, seen);
    atomic_fetch_sub(&p->asleep, 1);
    return now;
}

static void pull_tasks(struct syn_pool *p)
{
    int64_t i;
    while ((i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < p->n_tasks)
        p->fn(p->ctx, i);
}

/* False: closed. The loop may be a later one than the helper was woken for: it is as good. */
static bool go_in(struct syn_pool *p)
{
    unsigned door = atomic_load_explicit(&p->door, memory_order_relaxed);
    while (door & OPEN)
        if (atomic_compare_exchange_weak_explicit(&p->door, &door, door + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

static void *helper(void *arg)
{
    struct syn_pool *p = arg;
    unsigned seen = 0;
    for (;;) {
        seen = wait_change(p, &p->round, seen);
        if (atomic_load(&p->quit)) return NULL;
        if (!go_in(p)) continue;
        pull_tasks(p);
        if (atomic_fetch_sub(&p->door, 1) == 1)
            wake(p, &p->door, 1); /* the last out of a closed door */
    }
}

void syn_pool_run(struct syn_pool *p, int64_t n_tasks, syn_task_fn *fn, void *ctx)
{
    unsigned left;
    if (!p || p->n_threads == 1 || n_tasks <= 1) {
        for (int64_t i = 0; i < n_tasks; i++) fn(ctx, i);
        return;
    }
    pthread_mutex_lock(&p->one_loop);
    if (p->team) {
        p->team(p->n_threads, n_tasks, fn, ctx);
        pthread_mutex_unlock(&p->one_loop);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    p->n_tasks = n_tasks;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    atomic_store_explicit(&p->door, OPEN, memory_order_release);
    atomic_fetch_add(&p->round, 1);
    wake(p, &p->round, p->n_threads);
    pull_tasks(p);
    left = atomic_fetch_and_explicit(&p->door, ~OPEN, memory_order_acq_rel) & ~OPEN;
    for (; left != 0; left = atomic_load_explicit(&p->door, memory_order_acquire))
        wait_change(p, &p->door, left);
    pthread_mutex_unlock(&p->one_loop);
}

syn_status syn_pool_new(int32_t n_threads, struct syn_pool **out, struct syn_err *err)
{
    struct syn_pool *p;
    if (n_threads < 1 || n_threads > MAX_THREADS)
        return syn_fail(err, SYN_INVALID, "threads = %d: must be in [1, %d]", (int)n_threads,
                        MAX_THREADS);
    if (!(p = syn_alloc(sizeof *p))) return syn_fail(err, SYN_NO_MEMORY, "thread pool: no memory");
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->one_loop, NULL);
    p->n_threads = 1;
    for (; p->n_threads < n_threads; p->n_threads++)
        if (pthread_create(&p->thread[p->n_threads], NULL, helper, p) != 0) {
            const int32_t started = p->n_threads;
            syn_pool_free(p);
            return syn_fail(err, SYN_NO_MEMORY, "thread pool: cannot start thread %d",
                            (int)started);
        }
    *out = p;
    return SYN_OK;
}

syn_status syn_pool_wrap(int32_t n_threads, syn_team_fn *team, struct syn_pool **out,
                         struct syn_err *err)
{
    struct syn_pool *p = NULL;
    syn_status st = syn_pool_new(1, &p, err);
    if (st != SYN_OK) return st;
    p->n_threads = n_threads;
    p->team = team;
    *out = p;
    return SYN_OK;
}

void syn_pool_free(struct syn_pool *p)
{
    if (!p) return;
    atomic_store(&p->quit, true);
    atomic_fetch_add(&p->round, 1);
    wake(p, &p->round, MAX_THREADS);
    for (int32_t i = 1; !p->team && i < p->n_threads; i++) pthread_join(p->thread[i], NULL);
    pthread_mutex_destroy(&p->one_loop);
    syn_free(p);
}

int32_t syn_pool_threads(const struct syn_pool *p) { return p ? p->n_threads : 1; }

/* Reads up to two numbers from a small file; "max" reads as -1. */
static bool read_numbers(const char *path, double v[2])
{
    char text[64], *end;
    FILE *f = fopen(path, "re");
    size_t n;
    if (!f) return false;
    n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    v[0] = strncmp(text, "max", 3) == 0 ? (end = text + 3, -1.0) : strtod(text, &end);
    v[1] = strtod(end, NULL);
    return n > 0;
}

int32_t syn_cpu_count(void)
{
    cpu_set_t set;
    double v[2], quota = 0;
    int32_t n = sched_getaffinity(0, sizeof set, &set) == 0
                    ? CPU_COUNT(&set)
                    : (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (read_numbers("/sys/fs/cgroup/cpu.max", v) && v[0] > 0 && v[1] > 0) quota = v[0] / v[1];
    else if (read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", v) && v[0] > 0) {
        quota = v[0];
        quota =
            read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", v) && v[0] > 0 ? quota / v[0] : 0;
    }
    if (quota > 0 && quota < n) n = (int32_t)(quota + 0.999);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}
