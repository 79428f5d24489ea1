/* store_edit.c - changes from beside a job's way: retention and sweep, pause, retry.
 *
 * Sweep works in small steps, each a change of its own, so that submits wait for none of it long:
 * jobs past their time expire; expired rows past theirs go; then folder by folder the blobs that are
 * old and that no unexpired job names. A blob is removed by the writer's thread, where submit and
 * finish check that theirs exist: whoever comes first, a stored job never names a removed blob. A
 * blob that was uploaded but not yet named is safe for an hour from its last upload.
 *
 * Layer:   server/jobs.   Threads: any; one sweep at a time (sweep_mu). */
#include "server/jobs/blobs_private.h"
#include "server/jobs/store_private.h"
#include <string.h>

#define OUTER(type, w) ((type *)(void *)((char *)(w) - offsetof(type, write)))
#define SWEEP_ROWS     200 /* in one transaction */
#define SWEEP_BLOBS    64
#define SWEEP_AGE_MS   INT64_C(3600000)

/* --- retention ------------------------------------------------------------------------------------ */

struct past {
    struct syn_write write;
    enum syn_job_state state; /* jobs in this one */
    int64_t before_ms;        /* whose expires_ms is at or before this */
    int n;                    /* how many were found */
};

static syn_status run_on(struct syn_store *s, enum syn_sql which, int64_t seq, const char *doing,
                         struct syn_err *err)
{
    sqlite3_stmt *q = syn_conn_stmt(&s->conn, which);
    if (q) sqlite3_bind_int64(q, 1, seq);
    return syn_conn_run(&s->conn, q, doing, err);
}

static syn_status run_past(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct past *o = OUTER(struct past, w);
    int64_t seq[SWEEP_ROWS];
    bool row = false, expired = o->state == SYN_JOB_EXPIRED;
    sqlite3_stmt *q = syn_conn_stmt(&s->conn, SYN_SQL_PAST);
    syn_status st;
    if (q) {
        sqlite3_bind_int(q, 1, (int)o->state);
        sqlite3_bind_int64(q, 2, o->before_ms);
        sqlite3_bind_int(q, 3, SWEEP_ROWS);
    }
    while ((st = syn_conn_row(&s->conn, q, &row, "look for old jobs", err)) == SYN_OK && row &&
           o->n < SWEEP_ROWS)
        seq[o->n++] = sqlite3_column_int64(q, 0);
    if (row) sqlite3_reset(q);
    for (int i = 0; i < o->n && st == SYN_OK; i++) {
        if (expired) {
            st = run_on(s, SYN_SQL_DROP_BLOBS, seq[i], "remove a job", err);
            if (st == SYN_OK) st = run_on(s, SYN_SQL_DROP_ROW, seq[i], "remove a job", err);
        } else {
            st = run_on(s, SYN_SQL_EXPIRE, seq[i], "expire a job", err);
            if (st == SYN_OK) st = run_on(s, SYN_SQL_DROP_OUTPUTS, seq[i], "expire a job", err);
            if (st == SYN_OK) st = run_on(s, SYN_SQL_LET_INPUTS_GO, seq[i], "expire a job", err);
        }
    }
    if (st != SYN_OK) return st;
    s->delta[o->state] -= o->n;
    if (!expired) s->delta[SYN_JOB_EXPIRED] += o->n;
    return SYN_OK;
}

static syn_status past(struct syn_store *s, enum syn_job_state state, int64_t before_ms,
                       struct syn_err *err)
{
    struct past o;
    syn_status st;
    do {
        o = (struct past){.write = {.run = run_past}, .state = state, .before_ms = before_ms};
        st = syn_store_write(s, &o.write, err);
    } while (st == SYN_OK && o.n == SWEEP_ROWS);
    return st;
}

/* --- blobs ---------------------------------------------------------------------------------------- */

struct drop {
    struct syn_write write;
    char (*name)[SYN_SHA256_HEX_SIZE];
    size_t n;
    int64_t cutoff_ms;
};

/* Those of a blob that went; one that was written again since the folder was read keeps them. */
static syn_status drop_owners(struct syn_store *s, const char *sha256, struct syn_err *err)
{
    sqlite3_stmt *q;
    if (syn_blob_exists(s->blobs, sha256, NULL)) return SYN_OK;
    q = syn_conn_stmt(&s->conn, SYN_SQL_DISOWN);
    if (q) syn_bind_text(q, 1, sha256);
    return syn_conn_run(&s->conn, q, "remove a blob's owners", err);
}

static syn_status run_drop(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct drop *o = OUTER(struct drop, w);
    syn_status st = SYN_OK;
    for (size_t i = 0; i < o->n && st == SYN_OK; i++) {
        sqlite3_stmt *q = syn_conn_stmt(&s->conn, SYN_SQL_HELD);
        bool held = true;
        if (q) syn_bind_text(q, 1, o->name[i]);
        st = syn_conn_row(&s->conn, q, &held, "look whether a blob is named", err);
        if (st != SYN_OK) break;
        if (held) {
            sqlite3_reset(q);
            continue;
        }
        st = syn_blobs_drop_old(s->blobs, o->name[i], o->cutoff_ms, err);
        if (st == SYN_OK) st = drop_owners(s, o->name[i], err);
    }
    return st;
}

static syn_status sweep_folder(struct syn_store *s, unsigned folder, int64_t cutoff_ms,
                               struct syn_err *err)
{
    char (*name)[SYN_SHA256_HEX_SIZE] = NULL;
    size_t n = 0;
    syn_status st = syn_blobs_old(s->blobs, folder, cutoff_ms, &name, &n, err);
    for (size_t i = 0; i < n && st == SYN_OK; i += SWEEP_BLOBS) {
        struct drop o = {.write = {.run = run_drop}, .name = name + i, .cutoff_ms = cutoff_ms};
        o.n = n - i < SWEEP_BLOBS ? n - i : SWEEP_BLOBS;
        st = syn_store_write(s, &o.write, err);
    }
    syn_free(name);
    return st;
}

syn_status syn_store_sweep(struct syn_store *s, int64_t now_ms, struct syn_err *err)
{
    syn_status st = SYN_OK;
    pthread_mutex_lock(&s->sweep_mu);
    for (int state = SYN_JOB_SUCCEEDED; state <= SYN_JOB_CANCELED && st == SYN_OK; state++)
        st = past(s, (enum syn_job_state)state, now_ms, err);
    if (st == SYN_OK && s->opts.row_retention_ms > 0)
        st = past(s, SYN_JOB_EXPIRED, now_ms - s->opts.row_retention_ms, err);
    for (unsigned i = 0; i < SYN_BLOB_FOLDERS && st == SYN_OK; i++)
        st = sweep_folder(s, i, now_ms - SWEEP_AGE_MS, err);
    if (st == SYN_OK) st = syn_blobs_clear_tmp(s->blobs, now_ms - SWEEP_AGE_MS, err);
    pthread_mutex_unlock(&s->sweep_mu);
    return st;
}

/* --- pause ---------------------------------------------------------------------------------------- */

struct pause {
    struct syn_write write;
    bool paused;
};

static syn_status run_pause(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct pause *o = OUTER(struct pause, w);
    sqlite3_stmt *q = syn_conn_stmt(&s->conn, SYN_SQL_SET);
    if (q) {
        syn_bind_text(q, 1, "paused");
        syn_bind_text(q, 2, o->paused ? "1" : "0");
    }
    return syn_conn_run(&s->conn, q, o->paused ? "pause the queue" : "resume the queue", err);
}

static void after_pause(struct syn_store *s, struct syn_write *w)
{
    s->paused = s->paused_in_db = OUTER(struct pause, w)->paused;
    syn_store_tell_queued(s);
}

syn_status syn_store_pause(struct syn_store *s, bool paused, struct syn_err *err)
{
    struct pause o = {.write = {.run = run_pause, .after = after_pause}, .paused = paused};
    return syn_store_write(s, &o.write, err);
}

bool syn_store_paused(struct syn_store *s)
{
    bool paused;
    pthread_mutex_lock(&s->mu);
    paused = s->paused;
    pthread_mutex_unlock(&s->mu);
    return paused;
}

/* --- retry ---------------------------------------------------------------------------------------- */

struct retry {
    struct syn_write write;
    const char *id;
    char new_id[SYN_JOB_ID_SIZE];
};

static syn_status may_retry(struct syn_store *s, const char *id, int64_t *seq, struct syn_err *err)
{
    sqlite3_stmt *q = syn_conn_stmt(&s->conn, SYN_SQL_STATE_OF);
    bool row = false;
    int state;
    syn_status st;
    if (q) syn_bind_text(q, 1, id);
    st = syn_conn_row(&s->conn, q, &row, "look for a job", err);
    if (st != SYN_OK) return st;
    if (!row) return syn_fail(err, SYN_NOT_FOUND, "job %.40s does not exist", id);
    *seq = sqlite3_column_int64(q, 0);
    state = sqlite3_column_int(q, 1);
    sqlite3_reset(q);
    if (state == SYN_JOB_EXPIRED)
        return syn_fail(err, SYN_EXPIRED, "job %s has expired: its inputs are gone", id);
    if (state != SYN_JOB_FAILED && state != SYN_JOB_CANCELED)
        return syn_fail(err, SYN_CONFLICT,
                        "job %s is %s: only failed and canceled jobs can be retried", id,
                        syn_job_state_word((enum syn_job_state)state));
    return SYN_OK;
}

/* The old row holds its inputs until it expires, so they are there. */
static syn_status run_retry(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct retry *o = OUTER(struct retry, w);
    int64_t now = syn_job_now_ms(), old = 0;
    sqlite3_stmt *q;
    syn_status st = may_retry(s, o->id, &old, err);
    if (st == SYN_OK) st = syn_store_admit(s, err);
    if (st == SYN_OK) st = syn_job_id_next(&s->ids, now, o->new_id, err);
    if (st != SYN_OK) return st;
    q = syn_conn_stmt(&s->conn, SYN_SQL_RETRY);
    if (q) {
        sqlite3_bind_int64(q, 1, old);
        syn_bind_text(q, 2, o->new_id);
        sqlite3_bind_int64(q, 3, now);
    }
    st = syn_conn_run(&s->conn, q, "store a job", err);
    if (st != SYN_OK) return st;
    q = syn_conn_stmt(&s->conn, SYN_SQL_RETRY_INPUTS);
    if (q) {
        sqlite3_bind_int64(q, 1, old);
        sqlite3_bind_int64(q, 2, sqlite3_last_insert_rowid(s->conn.db));
    }
    st = syn_conn_run(&s->conn, q, "store a job's inputs", err);
    if (st == SYN_OK) s->delta[SYN_JOB_QUEUED]++;
    return st;
}

static void after_retry(struct syn_store *s, struct syn_write *w)
{
    (void)w;
    s->submitted++;
    syn_store_tell_queued(s);
}

syn_status syn_store_retry(struct syn_store *s, const char *id, char new_id[SYN_JOB_ID_SIZE],
                           struct syn_err *err)
{
    struct retry o = {.write = {.run = run_retry, .after = after_retry}, .id = id};
    syn_status st = syn_store_write(s, &o.write, err);
    if (st == SYN_OK) memcpy(new_id, o.new_id, sizeof o.new_id);
    return st;
}
