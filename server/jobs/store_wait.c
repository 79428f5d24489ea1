/* store_wait.c - waiting for work and for ends; progress in memory.
 *
 * A progress entry lives from take to the end of that attempt: it is made before take's row is written
 * and dropped when finish's or requeue's is. Readers copy the entries before they read rows and lay
 * them over running rows of the same attempt, so what a client polls never goes backwards.
 *
 * Layer:   server/jobs.   Threads: any; everything here is guarded by mu. */
#include "server/jobs/store_private.h"
#include <string.h>
#include <time.h>

void syn_cond_init_monotonic(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

bool syn_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *mu, int64_t deadline_ms)
{
    struct timespec t = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    return pthread_cond_timedwait(c, mu, &t) == 0;
}

static int64_t deadline(int32_t timeout_ms)
{
    return syn_job_tick_ms() + (timeout_ms > 0 ? timeout_ms : 0);
}

/* --- work ------------------------------------------------------------------------------------ */

void syn_store_tell_queued(struct syn_store *s) { pthread_cond_broadcast(&s->queue_cond); }

void syn_store_wait(struct syn_store *s, int32_t timeout_ms)
{
    int64_t until = deadline(timeout_ms);
    uint64_t wakes;
    pthread_mutex_lock(&s->mu);
    wakes = s->wakes;
    s->n_waiting++;
    while (!s->wake_kept && s->wakes == wakes && (s->paused || s->by_state[SYN_JOB_QUEUED] == 0))
        if (!syn_cond_wait_until(&s->queue_cond, &s->mu, until)) break;
    s->n_waiting--;
    s->wake_kept = false;
    pthread_mutex_unlock(&s->mu);
}

void syn_store_wake(struct syn_store *s)
{
    pthread_mutex_lock(&s->mu);
    s->wakes++;
    if (s->n_waiting == 0) s->wake_kept = true;
    pthread_cond_broadcast(&s->queue_cond);
    pthread_mutex_unlock(&s->mu);
}

/* --- ends ------------------------------------------------------------------------------------ */

void syn_store_tell_final(struct syn_store *s, const char *id)
{
    for (struct syn_final_wait *w = s->final_waits; w; w = w->next) {
        if (strcmp(w->id, id) != 0) continue;
        w->fired = true;
        pthread_cond_signal(&w->cond);
    }
}

syn_status syn_store_wait_final(struct syn_store *s, const char *id, int32_t timeout_ms,
                                struct syn_err *err)
{
    struct syn_final_wait w = {.id = id};
    int64_t until = deadline(timeout_ms);
    struct syn_job job;
    syn_status st;
    syn_cond_init_monotonic(&w.cond);
    pthread_mutex_lock(
        &s->mu); /* on the list before the row is read: an end in between is not missed */
    w.next = s->final_waits;
    s->final_waits = &w;
    pthread_mutex_unlock(&s->mu);
    st = syn_store_get(s, id, &job, err);
    pthread_mutex_lock(&s->mu);
    if (st == SYN_OK && job.state < SYN_JOB_SUCCEEDED)
        while (!w.fired && !s->waiters_stopped && syn_cond_wait_until(&w.cond, &s->mu, until)) {}
    for (struct syn_final_wait **p = &s->final_waits; *p; p = &(*p)->next)
        if (*p == &w) {
            *p = w.next;
            break;
        }
    pthread_mutex_unlock(&s->mu);
    pthread_cond_destroy(&w.cond);
    if (st == SYN_OK) syn_job_deinit(&job);
    return st;
}

void syn_store_stop_waiters(struct syn_store *s)
{
    pthread_mutex_lock(&s->mu);
    s->waiters_stopped = true;
    for (struct syn_final_wait *w = s->final_waits; w; w = w->next) pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&s->mu);
}

/* --- progress --------------------------------------------------------------------------------- */

struct syn_progress *syn_store_progress_find(struct syn_store *s, const char *id)
{
    struct syn_progress *p = s->progress;
    while (p && strcmp(p->id, id) != 0) p = p->next;
    return p;
}

void syn_store_progress_drop(struct syn_store *s, const char *id)
{
    struct syn_progress **at = &s->progress;
    while (*at && strcmp((*at)->id, id) != 0) at = &(*at)->next;
    if (*at) {
        struct syn_progress *gone = *at;
        *at = gone->next;
        syn_free(gone);
    }
}

void syn_store_progress(struct syn_store *s, const char *id, const char *stage, int64_t units_done,
                        int64_t units_total)
{
    struct syn_progress *p;
    if (!id) return;
    pthread_mutex_lock(&s->mu);
    p = syn_store_progress_find(s, id);
    if (p) {
        syn_text_cut(p->stage, sizeof p->stage, stage);
        p->units_done = units_done;
        p->units_total = units_total;
        if (!p->dirty) { /* the writer sets its alarm, at most once per flush */
            p->dirty = true;
            pthread_cond_signal(&s->writer_cond);
        }
    }
    pthread_mutex_unlock(&s->mu);
}

syn_status syn_store_progress_all(struct syn_store *s, struct syn_progress **out, size_t *n,
                                  struct syn_err *err)
{
    struct syn_progress *copy = NULL;
    size_t count = 0, i = 0;
    pthread_mutex_lock(&s->mu);
    for (struct syn_progress *p = s->progress; p; p = p->next) count++;
    if (count > 0 && (copy = syn_calloc(count, sizeof *copy)))
        for (struct syn_progress *p = s->progress; p; p = p->next) copy[i++] = *p;
    pthread_mutex_unlock(&s->mu);
    if (count > 0 && !copy)
        return syn_fail(err, SYN_NO_MEMORY, "no memory for the progress of %zu jobs", count);
    *out = copy;
    *n = count;
    return SYN_OK;
}
