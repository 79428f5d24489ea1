/* store_ops.c - the transitions of a job: take, finish, requeue, cancel.
 *
 * Each is a struct around a syn_write: the public function checks its arguments and fills it in the
 * caller's thread, run() does the SQL in the writer's transaction, after() changes what memory holds.
 * Every UPDATE names the state it comes from, so a transition that lost a race changes nothing.
 *
 * Layer:     server/jobs.
 * Threads:   public functions any; run and after the writer's.
 * Ownership: an operation borrows its arguments: the caller is blocked meanwhile. */
#include "server/jobs/blobs_private.h"
#include "server/jobs/store_private.h"
#include <math.h>
#include <string.h>

#define OUTER(type, w) ((type *)(void *)((char *)(w)-offsetof(type, write)))

static const char *const state_word[SYN_JOB_STATE_COUNT] = {"queued", "running",  "succeeded",
                                                            "failed", "canceled", "expired"};

const char *syn_job_state_word(enum syn_job_state s)
{
    return (unsigned)s < SYN_JOB_STATE_COUNT ? state_word[s] : "unknown";
}

static syn_status no_job(const char *id, struct syn_err *err)
{
    return syn_fail(err, SYN_NOT_FOUND, "job %.40s does not exist", id);
}

int64_t syn_store_expiry(const struct syn_store *s, int64_t now_ms)
{
    return s->opts.result_retention_ms > 0 ? now_ms + s->opts.result_retention_ms : 0;
}

/* --- take --------------------------------------------------------------------------------------- */

struct take {
    struct syn_write write;
    struct syn_job job;
    struct syn_progress *progress; /* made by the caller; the store's after success */
};

static syn_status run_take(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct take *o = OUTER(struct take, w);
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_NEXT);
    int64_t now = syn_job_now_ms(), created, seq;
    bool row = false;
    syn_status status;
    if (s->paused_in_db) return syn_fail(err, SYN_NOT_FOUND, "the queue is paused");
    status = syn_conn_row(&s->conn, st, &row, "look for the next job", err);
    if (status != SYN_OK) return status;
    if (!row) return syn_fail(err, SYN_NOT_FOUND, "nothing is queued");
    syn_column_copy(st, 0, o->progress->id, sizeof o->progress->id);
    created = sqlite3_column_int64(st, 1);
    sqlite3_reset(st);
    st = syn_conn_stmt(&s->conn, SYN_SQL_TAKE);
    if (st) {
        syn_bind_text(st, 1, o->progress->id);
        sqlite3_bind_int64(st, 2, now);
        sqlite3_bind_double(st, 3, now > created ? (double)(now - created) / 1000 : 0);
    }
    status = syn_conn_run(&s->conn, st, "take a job", err);
    if (status != SYN_OK) return status;
    st = syn_conn_stmt(&s->conn, SYN_SQL_GET);
    if (st) syn_bind_text(st, 1, o->progress->id);
    status = syn_conn_row(&s->conn, st, &row, "read a job", err);
    if (status != SYN_OK) return status;
    if (!row)
        return syn_fail(err, SYN_INTERNAL, "job %s is gone while it is taken", o->progress->id);
    status = syn_conn_load(&s->conn, st, true, &o->job, &seq, err);
    sqlite3_reset(st);
    if (status != SYN_OK) return status;
    o->progress->attempts = o->job.attempts;
    s->delta[SYN_JOB_QUEUED]--;
    s->delta[SYN_JOB_RUNNING]++;
    return SYN_OK;
}

static void after_take(struct syn_store *s, struct syn_write *w)
{
    struct take *o = OUTER(struct take, w);
    syn_store_progress_drop(s, o->progress->id);
    o->progress->flushed_ms = syn_job_tick_ms();
    o->progress->next = s->progress;
    s->progress = o->progress;
    o->progress = NULL;
}

syn_status syn_store_take(struct syn_store *s, struct syn_job *out, struct syn_err *err)
{
    struct take o = {.write = {.run = run_take, .after = after_take}};
    syn_status st;
    o.progress = syn_calloc(1, sizeof *o.progress);
    if (!o.progress) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job's progress");
    st = syn_store_write(s, &o.write, err);
    if (st == SYN_OK) *out = o.job;
    else syn_job_deinit(&o.job); /* loaded, but the transaction was lost */
    syn_free(o.progress);
    return st;
}

/* --- the ends: finish, requeue, cancel -------------------------------------------------------------- */

struct end {
    struct syn_write write;
    const char *id;
    const struct syn_finish *finish; /* of finish */
    bool running;                    /* of cancel: a running job was asked to stop */
    bool told;                       /* the job reached a final state */
    bool back;                       /* the job is queued again */
    enum syn_job_state state;        /* the final state */
};

/* Where the job stands now. */
struct standing {
    int64_t seq;
    enum syn_job_state state;
    bool cancel_requested;
};

static syn_status find_job(struct syn_store *s, const char *id, struct standing *out,
                           struct syn_err *err)
{
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_STATE_OF);
    bool row = false;
    syn_status status;
    if (st) syn_bind_text(st, 1, id);
    status = syn_conn_row(&s->conn, st, &row, "look for a job", err);
    if (status != SYN_OK) return status;
    if (!row) return no_job(id, err);
    out->seq = sqlite3_column_int64(st, 0);
    out->state = (enum syn_job_state)sqlite3_column_int(st, 1);
    out->cancel_requested = sqlite3_column_int(st, 2) != 0;
    sqlite3_reset(st);
    return SYN_OK;
}

static syn_status find_running(struct syn_store *s, const char *id, struct standing *out,
                               struct syn_err *err)
{
    syn_status st = find_job(s, id, out, err);
    if (st == SYN_OK && out->state != SYN_JOB_RUNNING)
        st = syn_fail(err, SYN_CONFLICT, "job %s is %s, not running", id,
                      syn_job_state_word(out->state));
    return st;
}

static double seconds(double x) { return isfinite(x) && x > 0 ? x : 0; }

static syn_status update_finished(struct syn_store *s, int64_t seq, const struct syn_finish *f,
                                  struct syn_err *err)
{
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_FINISH);
    int64_t now = syn_job_now_ms(), done = 0, total = 0;
    bool failed = f->state == SYN_JOB_FAILED;
    char code[sizeof((struct syn_job *)0)->error_code],
        detail[sizeof((struct syn_job *)0)->error_detail];
    struct syn_progress *p;
    pthread_mutex_lock(&s->mu);
    p = syn_store_progress_find(s, f->id);
    if (p) done = p->units_done, total = p->units_total;
    pthread_mutex_unlock(&s->mu);
    syn_text_cut(code, sizeof code, failed ? f->error_code : "");
    syn_text_cut(detail, sizeof detail, failed ? f->error_detail : "");
    if (st) {
        sqlite3_bind_int64(st, 1, seq);
        sqlite3_bind_int(st, 2, (int)f->state);
        sqlite3_bind_int64(st, 3, now);
        sqlite3_bind_int64(st, 4, syn_store_expiry(s, now));
        syn_bind_text(st, 5, code);
        syn_bind_text(st, 6, detail);
        syn_bind_text(st, 7, f->result);
        syn_bind_text(st, 8, f->warnings);
        sqlite3_bind_int64(st, 9, done);
        sqlite3_bind_int64(st, 10, total);
        sqlite3_bind_double(st, 11, seconds(f->seconds_load));
        sqlite3_bind_double(st, 12, seconds(f->seconds_compute));
        sqlite3_bind_double(st, 13, seconds(f->seconds_encode));
    }
    return syn_conn_run(&s->conn, st, "finish a job",
                        err); /* code and detail are read in here only */
}

static syn_status run_finish(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct end *o = OUTER(struct end, w);
    const struct syn_finish *f = o->finish;
    struct standing now;
    syn_status st = find_running(s, f->id, &now, err);
    for (int i = 0; i < f->n_outputs && st == SYN_OK; i++)
        st = syn_store_need_blob(s, "output", f->output[i].sha256, err);
    if (st == SYN_OK) st = update_finished(s, now.seq, f, err);
    for (int i = 0; i < f->n_outputs && st == SYN_OK; i++) {
        const struct syn_job_output *out = &f->output[i];
        st = syn_store_insert_blob(s, now.seq,
                                   &(struct syn_blob_row){1, i, out->name, out->sha256,
                                                          out->media_type, out->bytes, out->width,
                                                          out->height},
                                   err);
    }
    if (st != SYN_OK) return st;
    s->delta[SYN_JOB_RUNNING]--;
    s->delta[f->state]++;
    o->told = true;
    o->state = f->state;
    return SYN_OK;
}

static void after_end(struct syn_store *s, struct syn_write *w)
{
    struct end *o = OUTER(struct end, w);
    if (o->told || o->back) syn_store_progress_drop(s, o->id);
    if (o->told) {
        s->finished[o->state]++;
        syn_store_tell_final(s, o->id);
    }
    if (o->back) syn_store_tell_queued(s);
}

static syn_status check_finish(const struct syn_finish *f, struct syn_err *err)
{
    if (f->state != SYN_JOB_SUCCEEDED && f->state != SYN_JOB_FAILED && f->state != SYN_JOB_CANCELED)
        return syn_fail(err, SYN_INVALID, "state = %s: a job ends as succeeded, failed or canceled",
                        syn_job_state_word(f->state));
    if (f->state == SYN_JOB_FAILED && (!f->error_code || !f->error_code[0]))
        return syn_fail(err, SYN_INVALID, "error_code: a failed job needs one");
    if (f->n_outputs < 0 || f->n_outputs > SYN_MAX_JOB_OUTPUTS)
        return syn_fail(err, SYN_INVALID, "n_outputs = %d: must be in [0, %d]", f->n_outputs,
                        SYN_MAX_JOB_OUTPUTS);
    if (f->n_outputs > 0 && f->state != SYN_JOB_SUCCEEDED)
        return syn_fail(err, SYN_INVALID, "n_outputs = %d: a %s job has none", f->n_outputs,
                        syn_job_state_word(f->state));
    for (int i = 0; i < f->n_outputs; i++)
        if (!memchr(f->output[i].sha256, 0, SYN_SHA256_HEX_SIZE) ||
            !syn_blob_name_ok(f->output[i].sha256) ||
            !memchr(f->output[i].name, 0, sizeof f->output[i].name) ||
            !memchr(f->output[i].media_type, 0, sizeof f->output[i].media_type) ||
            f->output[i].bytes > INT64_MAX)
            return syn_fail(err, SYN_INVALID,
                            "output %d: name, blob name, media type or size is malformed", i);
    return SYN_OK;
}

syn_status syn_store_finish(struct syn_store *s, const struct syn_finish *f, struct syn_err *err)
{
    struct end o = {.write = {.run = run_finish, .after = after_end}, .id = f->id, .finish = f};
    syn_status st = check_finish(f, err);
    if (st == SYN_OK) st = syn_store_check_text("result", f->result, err);
    if (st == SYN_OK) st = syn_store_check_text("warnings", f->warnings, err);
    return st == SYN_OK ? syn_store_write(s, &o.write, err) : st;
}

/* queued or running -> canceled. */
static syn_status update_canceled(struct syn_store *s, struct end *o, const struct standing *from,
                                  struct syn_err *err)
{
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_CANCEL);
    int64_t now = syn_job_now_ms();
    syn_status status;
    if (st) {
        sqlite3_bind_int64(st, 1, from->seq);
        sqlite3_bind_int64(st, 2, now);
        sqlite3_bind_int64(st, 3, syn_store_expiry(s, now));
        sqlite3_bind_int(st, 4, (int)from->state);
    }
    status = syn_conn_run(&s->conn, st, "cancel a job", err);
    if (status != SYN_OK) return status;
    s->delta[from->state]--;
    s->delta[SYN_JOB_CANCELED]++;
    o->told = true;
    o->state = SYN_JOB_CANCELED;
    return SYN_OK;
}

static syn_status run_requeue(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct end *o = OUTER(struct end, w);
    struct standing now;
    sqlite3_stmt *q;
    syn_status st = find_running(s, o->id, &now, err);
    if (st != SYN_OK) return st;
    if (now.cancel_requested) return update_canceled(s, o, &now, err);
    q = syn_conn_stmt(&s->conn, SYN_SQL_REQUEUE);
    if (q) {
        sqlite3_bind_int64(q, 1, now.seq);
        sqlite3_bind_int(q, 2, 1);
    }
    st = syn_conn_run(&s->conn, q, "put a job back", err);
    if (st != SYN_OK) return st;
    s->delta[SYN_JOB_RUNNING]--;
    s->delta[SYN_JOB_QUEUED]++;
    o->back = true;
    return SYN_OK;
}

syn_status syn_store_requeue(struct syn_store *s, const char *id, struct syn_err *err)
{
    struct end o = {.write = {.run = run_requeue, .after = after_end}, .id = id};
    return syn_store_write(s, &o.write, err);
}

static syn_status run_cancel(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct end *o = OUTER(struct end, w);
    struct standing now;
    sqlite3_stmt *q;
    syn_status st = find_job(s, o->id, &now, err);
    if (st != SYN_OK || now.state == SYN_JOB_CANCELED) return st;
    if (now.state == SYN_JOB_QUEUED) return update_canceled(s, o, &now, err);
    if (now.state != SYN_JOB_RUNNING)
        return syn_fail(err, SYN_CONFLICT, "job %s is %s: it cannot be canceled", o->id,
                        syn_job_state_word(now.state));
    o->running = true;
    if (now.cancel_requested) return SYN_OK;
    q = syn_conn_stmt(&s->conn, SYN_SQL_ASK_CANCEL);
    if (q) sqlite3_bind_int64(q, 1, now.seq);
    return syn_conn_run(&s->conn, q, "cancel a job", err);
}

syn_status syn_store_cancel(struct syn_store *s, const char *id, bool *running, struct syn_err *err)
{
    struct end o = {.write = {.run = run_cancel, .after = after_end}, .id = id};
    syn_status st = syn_store_write(s, &o.write, err);
    if (st == SYN_OK && running) *running = o.running;
    return st;
}
