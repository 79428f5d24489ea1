/* threads.h - a pool of threads for loops, and how many of them this process may have.
 *
 * Use:     syn_pool_run(pool, n_tasks, fn, ctx): fn(ctx, i) for each i, in any order, on all
 *          threads; the caller works too and returns when all are done.
 * Waiting: a thread that has nothing to do spins for some microseconds (the next loop of a plan
 *          comes at once) and then sleeps, so an idle server takes no time from its neighbours.
 * Layer:   kernels/base.
 * Threads: one loop at a time per pool (a second caller waits); loops don't nest. */
#ifndef SYN_THREADS_H
#define SYN_THREADS_H

#include "kernels/base/status.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct syn_pool;

/* CPUs that this process may use: the smaller of the affinity mask and the cgroup's quota (v1 and
 * v2), rounded up; at least 1. */
int32_t syn_cpu_count(void);

/* n_threads counts the caller: n - 1 threads are made. 1..256. */
SYN_MUST_CHECK syn_status syn_pool_new(int32_t n_threads, struct syn_pool **out,
                                       struct syn_err *err);
/* A pool whose loops run on somebody else's threads: fn(n_threads, n_tasks, task, ctx) does what
 * syn_pool_run promises. For a library that brings its own team. */
typedef void syn_task_fn(void *ctx, int64_t task);
typedef void syn_team_fn(int32_t n_threads, int64_t n_tasks, syn_task_fn *fn, void *ctx);
SYN_MUST_CHECK syn_status syn_pool_wrap(int32_t n_threads, syn_team_fn *team, struct syn_pool **out,
                                        struct syn_err *err);
void syn_pool_free(struct syn_pool *p); /* NULL-safe; no loop under way */
int32_t syn_pool_threads(const struct syn_pool *p);

/* pool NULL: all in the caller's thread. */
void syn_pool_run(struct syn_pool *p, int64_t n_tasks, syn_task_fn *fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
