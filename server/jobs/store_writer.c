/* store_writer.c - group commit: the calls that wait are run in one transaction, with one fsync.
 *
 *   caller: append to the list ──► sleep on its own condition ──────────────► status
 *   writer: take the whole list ─► BEGIN, each call in a savepoint, COMMIT ─► after() of each ─► wake all
 *
 * Invariants
 *  1. A caller is woken only after the COMMIT that holds its change has returned.
 *  2. A call that fails undoes its own savepoint; the others of the batch are not touched.
 *  3. When the transaction itself fails (disk full), every call of the batch fails with the reason and
 *     nothing of it is stored.
 *  4. What memory holds besides (counts, progress, waits) changes in after(), so never before the disk.
 *
 * While one batch is on its way to the disk the next one gathers: the busier, the larger the batches.
 *
 * Layer:   server/jobs.   Threads: one writer; callers from any. mu is not held while SQLite works. */
#include "server/jobs/store_private.h"
#include <string.h>

syn_status syn_store_write(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    w->err = err;
    w->done = false;
    w->next = NULL;
    pthread_cond_init(&w->cond, NULL);
    pthread_mutex_lock(&s->mu);
    if (s->tail) s->tail->next = w;
    else s->head = w;
    s->tail = w;
    pthread_cond_signal(&s->writer_cond);
    while (!w->done) pthread_cond_wait(&w->cond, &s->mu);
    pthread_mutex_unlock(&s->mu);
    pthread_cond_destroy(&w->cond);
    return w->status;
}

/* One call in its savepoint. SYN_OK also when the call failed by itself; else the transaction is lost. */
static syn_status run_one(struct syn_store *s, struct syn_write *w, struct syn_err *lost)
{
    int64_t before[SYN_JOB_STATE_COUNT];
    syn_status st;
    memcpy(before, s->delta, sizeof before);
    st = syn_conn_do(&s->conn, SYN_SQL_OP_BEGIN, "begin a change", lost);
    if (st != SYN_OK) return st;
    w->status = w->run(s, w, w->err);
    if (sqlite3_get_autocommit(s->conn.db)) /* SQLite gave the whole transaction up */
        return syn_fail(lost, w->status == SYN_OK ? SYN_IO : w->status, "cannot store a change: %s",
                        w->err ? w->err->text : "the transaction was rolled back");
    if (w->status != SYN_OK) {
        memcpy(s->delta, before, sizeof before);
        st = syn_conn_do(&s->conn, SYN_SQL_OP_UNDO, "undo a change", lost);
        if (st != SYN_OK) return st;
    }
    return syn_conn_do(&s->conn, SYN_SQL_OP_KEEP, "keep a change", lost);
}

static void give_up(struct syn_store *s, struct syn_write *batch, syn_status st,
                    const struct syn_err *why)
{
    struct syn_err ignored;
    if (!sqlite3_get_autocommit(s->conn.db) &&
        syn_conn_do(&s->conn, SYN_SQL_ROLLBACK, "roll back", &ignored) != SYN_OK)
        sqlite3_exec(s->conn.db, "ROLLBACK", NULL, NULL,
                     NULL); /* the statement could not even be prepared */
    memset(s->delta, 0, sizeof s->delta);
    for (struct syn_write *w = batch; w; w = w->next)
        w->status = syn_fail(w->err, st, "%s", why->text);
}

static void run_batch(struct syn_store *s, struct syn_write *batch)
{
    struct syn_err why = {{0}};
    syn_status st;
    memset(s->delta, 0, sizeof s->delta);
    st = syn_conn_do(&s->conn, SYN_SQL_BEGIN_WRITE, "begin a transaction", &why);
    for (struct syn_write *w = batch; w && st == SYN_OK; w = w->next) st = run_one(s, w, &why);
    if (st == SYN_OK) st = syn_conn_do(&s->conn, SYN_SQL_COMMIT, "store a change", &why);
    if (st != SYN_OK) give_up(s, batch, st, &why);
}

/* mu held. The batch is on disk, or failed as a whole. */
static void conclude(struct syn_store *s, struct syn_write *batch)
{
    for (int i = 0; i < SYN_JOB_STATE_COUNT; i++) s->by_state[i] += s->delta[i];
    for (struct syn_write *w = batch; w; w = w->next)
        if (w->status == SYN_OK && w->after) w->after(s, w);
    while (batch) {
        struct syn_write *w = batch;
        batch = w->next; /* w is its caller's again once done is set */
        w->done = true;
        pthread_cond_signal(&w->cond);
    }
}

/* mu held. Takes up to SYN_MAX_BATCH calls off the list. */
static struct syn_write *take_batch(struct syn_store *s)
{
    struct syn_write *batch = s->head, *last = batch;
    for (int n = 1; last && last->next && n < SYN_MAX_BATCH; n++) last = last->next;
    if (!last) return NULL;
    s->head = last->next;
    if (!s->head) s->tail = NULL;
    last->next = NULL;
    return batch;
}

/* mu held. The tick at which some progress is to be written; 0 = there is none. */
static int64_t flush_due(const struct syn_store *s)
{
    int64_t due = 0;
    for (const struct syn_progress *p = s->progress; p; p = p->next)
        if (p->dirty && (due == 0 || p->flushed_ms + SYN_PROGRESS_FLUSH_MS < due))
            due = p->flushed_ms + SYN_PROGRESS_FLUSH_MS;
    return due;
}

/* mu held. Copies the progress that is due to out[max] and marks it written. */
static int take_progress(struct syn_store *s, struct syn_progress *out, int max, int64_t now)
{
    int n = 0;
    for (struct syn_progress *p = s->progress; p && n < max; p = p->next) {
        if (!p->dirty || p->flushed_ms + SYN_PROGRESS_FLUSH_MS > now) continue;
        p->dirty = false;
        p->flushed_ms = now;
        out[n++] = *p;
    }
    return n;
}

/* Progress is a convenience on disk: a failure is met again by the next call that must not fail. */
static void write_progress(struct syn_store *s, const struct syn_progress *p, int n)
{
    struct syn_err ignored;
    syn_status st = syn_conn_do(&s->conn, SYN_SQL_BEGIN_WRITE, "begin a transaction", &ignored);
    for (int i = 0; i < n && st == SYN_OK; i++) {
        sqlite3_stmt *q = syn_conn_stmt(&s->conn, SYN_SQL_PROGRESS);
        if (q) {
            syn_bind_text(q, 1, p[i].id);
            sqlite3_bind_int64(q, 2, p[i].units_done);
            sqlite3_bind_int64(q, 3, p[i].units_total);
            syn_bind_text(q, 4, p[i].stage);
            sqlite3_bind_int(q, 5, p[i].attempts);
        }
        st = syn_conn_run(&s->conn, q, "store progress", &ignored);
    }
    if (st == SYN_OK) st = syn_conn_do(&s->conn, SYN_SQL_COMMIT, "store progress", &ignored);
    if (st != SYN_OK) give_up(s, NULL, st, &ignored);
}

void *syn_store_writer_main(void *store)
{
    struct syn_store *s = store;
    pthread_mutex_lock(&s->mu);
    for (;;) {
        struct syn_progress progress[16];
        struct syn_write *batch = take_batch(s);
        int64_t due = flush_due(s), now = syn_job_tick_ms();
        int n = due && due <= now ? take_progress(s, progress, 16, now) : 0;
        if (!batch && n == 0) {
            if (s->closing) break;
            if (due) syn_cond_wait_until(&s->writer_cond, &s->mu, due);
            else pthread_cond_wait(&s->writer_cond, &s->mu);
            continue;
        }
        pthread_mutex_unlock(&s->mu);
        if (n) write_progress(s, progress, n);
        if (batch) run_batch(s, batch);
        pthread_mutex_lock(&s->mu);
        if (batch) conclude(s, batch);
    }
    pthread_mutex_unlock(&s->mu);
    return NULL;
}
