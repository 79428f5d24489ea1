/* store_read.c - get, list, counts: read connections of their own, never waiting for the writer.
 *
 * A read is one transaction, so a job's row, blobs and place in the queue belong together. Connections
 * are opened when first needed, at most SYN_MAX_READERS; one more caller waits for a free one.
 *
 * Layer:     server/jobs.   Threads: any.   Ownership: results are the caller's. */
#include "server/jobs/blobs_private.h"
#include "server/jobs/store_private.h"
#include <string.h>

#define SYN_MAX_LIST 200 /* store.h says so */

static syn_status reader_take(struct syn_store *s, struct syn_conn **out, struct syn_err *err)
{
    struct syn_conn *c;
    syn_status st = SYN_OK;
    pthread_mutex_lock(&s->read_mu);
    while (!s->readers && s->n_readers == SYN_MAX_READERS)
        pthread_cond_wait(&s->read_cond, &s->read_mu);
    c = s->readers;
    if (c) s->readers = c->next;
    else s->n_readers++;
    pthread_mutex_unlock(&s->read_mu);
    if (!c) {
        c = syn_calloc(1, sizeof *c);
        st = c ? syn_conn_open(c, s->db_path, false, err)
               : syn_fail(err, SYN_NO_MEMORY, "no memory for a reader");
    }
    if (st == SYN_OK) st = syn_conn_do(c, SYN_SQL_BEGIN_READ, "read jobs", err);
    if (st == SYN_OK) {
        *out = c;
        return SYN_OK;
    }
    if (c) syn_conn_close(c);
    syn_free(c);
    pthread_mutex_lock(&s->read_mu);
    s->n_readers--;
    pthread_cond_signal(&s->read_cond);
    pthread_mutex_unlock(&s->read_mu);
    return st;
}

static void reader_give(struct syn_store *s, struct syn_conn *c)
{
    struct syn_err ignored;
    bool sound = syn_conn_do(c, SYN_SQL_COMMIT, "end a read", &ignored) == SYN_OK;
    if (!sound) { /* a connection stuck in a read would keep the log from being folded in: replace it */
        syn_conn_close(c);
        syn_free(c);
    }
    pthread_mutex_lock(&s->read_mu);
    if (sound) {
        c->next = s->readers;
        s->readers = c;
    } else {
        s->n_readers--;
    }
    pthread_cond_signal(&s->read_cond);
    pthread_mutex_unlock(&s->read_mu);
}

/* What memory knows better than the row. */
static void overlay(struct syn_job *j, const struct syn_progress *p, size_t n)
{
    if (j->state != SYN_JOB_RUNNING) return;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i].id, j->id) != 0 || p[i].attempts != j->attempts) continue;
        j->units_done = p[i].units_done;
        j->units_total = p[i].units_total;
        syn_text_cut(j->stage, sizeof j->stage, p[i].stage);
    }
}

/* One job's place: as many as would be taken before it. */
static syn_status find_place(struct syn_conn *c, int64_t seq, struct syn_job *j,
                             struct syn_err *err)
{
    sqlite3_stmt *q;
    syn_status st;
    bool row;
    if (j->state != SYN_JOB_QUEUED) return SYN_OK;
    q = syn_conn_stmt(c, SYN_SQL_POSITION);
    if (q) {
        sqlite3_bind_int(q, 1, j->priority);
        sqlite3_bind_int64(q, 2, seq);
    }
    st = syn_conn_row(c, q, &row, "read a job's place in the queue", err);
    if (st != SYN_OK || !row) return st;
    j->queue_position = sqlite3_column_int(q, 0);
    sqlite3_reset(q);
    return SYN_OK;
}

/* The places of a list in one walk along the queue: jobs are newest first, so seq falls. */
static syn_status find_places(struct syn_conn *c, const int64_t *seq, struct syn_job *j, int32_t n,
                              struct syn_err *err)
{
    int32_t left = 0, place = 0;
    bool row = false;
    sqlite3_stmt *q;
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < n; i++) left += j[i].state == SYN_JOB_QUEUED;
    if (left == 0) return SYN_OK;
    q = syn_conn_stmt(c, SYN_SQL_QUEUE);
    for (; left > 0; place++) {
        int64_t at;
        int32_t low = 0, high = n;
        st = syn_conn_row(c, q, &row, "walk the queue", err);
        if (st != SYN_OK || !row) break;
        at = sqlite3_column_int64(q, 0);
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (seq[middle] > at) low = middle + 1;
            else high = middle;
        }
        if (low == n || seq[low] != at) continue;
        j[low].queue_position = place;
        left--;
    }
    if (row) sqlite3_reset(q);
    return st;
}

syn_status syn_store_get(struct syn_store *s, const char *id, struct syn_job *out,
                         struct syn_err *err)
{
    struct syn_progress *progress = NULL;
    struct syn_conn *c = NULL;
    struct syn_job job;
    size_t n = 0;
    int64_t seq;
    bool row = false;
    sqlite3_stmt *q;
    syn_status st;
    if (!syn_job_id_ok(id))
        return syn_fail(err, SYN_NOT_FOUND, "job %.40s does not exist", id ? id : "(none)");
    st = syn_store_progress_all(s, &progress, &n, err); /* before the row: see store_wait.c */
    if (st == SYN_OK) st = reader_take(s, &c, err);
    if (st != SYN_OK) goto done;
    q = syn_conn_stmt(c, SYN_SQL_GET);
    if (q) syn_bind_text(q, 1, id);
    st = syn_conn_row(c, q, &row, "read a job", err);
    if (st == SYN_OK && !row) st = syn_fail(err, SYN_NOT_FOUND, "job %s does not exist", id);
    if (st == SYN_OK) st = syn_conn_load(c, q, true, &job, &seq, err);
    if (row) sqlite3_reset(q);
    if (st != SYN_OK) goto done;
    st = find_place(c, seq, &job, err);
    if (st != SYN_OK) {
        syn_job_deinit(&job);
    } else {
        overlay(&job, progress, n);
        *out = job;
    }
done:
    if (c) reader_give(s, c);
    syn_free(progress);
    return st;
}

syn_status syn_store_blob_owns(struct syn_store *s, const char *sha256, const char *owner,
                               bool *owns, struct syn_err *err)
{
    struct syn_conn *c = NULL;
    syn_status st;
    if (!owner[0]) {
        *owns = true;
        return SYN_OK;
    }
    st = reader_take(s, &c, err);
    if (st != SYN_OK) return st;
    st = syn_conn_owns(c, sha256, owner, owns, err);
    reader_give(s, c);
    return st;
}

static sqlite3_stmt *list_query(struct syn_conn *c, const struct syn_job_filter *f)
{
    sqlite3_stmt *q = syn_conn_stmt(c, f->state < 0 ? SYN_SQL_LIST : SYN_SQL_LIST_STATE);
    if (!q) return NULL;
    syn_bind_text(q, 1, f->before_id ? f->before_id : "job_~"); /* ~: after all digits */
    syn_bind_text(q, 2, f->kind);
    syn_bind_text(q, 3, f->model);
    syn_bind_text(q, 4, f->family);
    syn_bind_text(q, 5, f->owner);
    sqlite3_bind_int(q, 6, f->limit);
    if (f->state >= 0) sqlite3_bind_int(q, 7, f->state);
    return q;
}

static syn_status check_filter(const struct syn_job_filter *f, struct syn_err *err)
{
    if (f->limit < 1 || f->limit > SYN_MAX_LIST)
        return syn_fail(err, SYN_INVALID, "limit = %d: must be in [1, %d]", f->limit, SYN_MAX_LIST);
    if (f->state < -1 || f->state >= SYN_JOB_STATE_COUNT)
        return syn_fail(err, SYN_INVALID, "state = %d: no such state", f->state);
    if (f->before_id && !syn_job_id_ok(f->before_id))
        return syn_fail(err, SYN_INVALID, "before = \"%.40s\": not a job id", f->before_id);
    return SYN_OK;
}

syn_status syn_store_list(struct syn_store *s, const struct syn_job_filter *f, struct syn_job **out,
                          int32_t *n, struct syn_err *err)
{
    struct syn_progress *progress = NULL;
    struct syn_conn *c = NULL;
    struct syn_job *jobs = NULL;
    int64_t seq[SYN_MAX_LIST]; /* of each job */
    int32_t count = 0;
    size_t n_progress = 0;
    bool row = false;
    sqlite3_stmt *q;
    syn_status st = check_filter(f, err);
    if (st != SYN_OK) return st;
    jobs = syn_calloc((size_t)f->limit, sizeof *jobs);
    if (!jobs) return syn_fail(err, SYN_NO_MEMORY, "no memory for a list of %d jobs", f->limit);
    st = syn_store_progress_all(s, &progress, &n_progress, err);
    if (st == SYN_OK) st = reader_take(s, &c, err);
    if (st != SYN_OK) goto done;
    q = list_query(c, f);
    while (count < f->limit && (st = syn_conn_row(c, q, &row, "list jobs", err)) == SYN_OK && row) {
        st = syn_conn_load(c, q, false, &jobs[count], &seq[count], err);
        if (st != SYN_OK) break;
        overlay(&jobs[count++], progress, n_progress);
    }
    if (row) sqlite3_reset(q);
    if (st == SYN_OK) st = find_places(c, seq, jobs, count, err);
done:
    if (c) reader_give(s, c);
    syn_free(progress);
    if (st != SYN_OK) {
        while (count > 0) syn_job_deinit(&jobs[--count]);
        syn_free(jobs);
        return st;
    }
    *out = jobs;
    *n = count;
    return SYN_OK;
}

syn_status syn_store_counts(struct syn_store *s, struct syn_store_counts *out, struct syn_err *err)
{
    struct syn_store_counts counts;
    struct syn_conn *c = NULL;
    bool row = false;
    sqlite3_stmt *q;
    syn_status st = reader_take(s, &c, err);
    if (st != SYN_OK) return st;
    q = syn_conn_stmt(c, SYN_SQL_OLDEST_QUEUED);
    memset(&counts, 0, sizeof counts);
    st = syn_conn_row(c, q, &row, "find the oldest job", err);
    if (st == SYN_OK && row) {
        counts.oldest_queued_ms = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
    }
    reader_give(s, c);
    if (st != SYN_OK) return st;
    pthread_mutex_lock(&s->mu);
    memcpy(counts.by_state, s->by_state, sizeof counts.by_state);
    memcpy(counts.finished, s->finished, sizeof counts.finished);
    counts.submitted = s->submitted;
    counts.requeued_crash = s->requeued_crash;
    pthread_mutex_unlock(&s->mu);
    counts.blob_bytes = syn_blobs_bytes(s->blobs);
    *out = counts;
    return SYN_OK;
}
