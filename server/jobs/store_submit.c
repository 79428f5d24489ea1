/* store_submit.c - submit: arguments, idempotency, admission, the row and its inputs; whose a blob is.
 *
 * The caller's thread checks what needs no database; the writer's looks the key up, counts the queue
 * and the blobs, and inserts, all in one transaction.
 *
 * Layer:     server/jobs.
 * Threads:   submit any; run and after the writer's.
 * Ownership: the operation borrows its arguments: the caller is blocked meanwhile. */
#include "server/jobs/blobs_private.h"
#include "server/jobs/store_private.h"
#include <string.h>

_Static_assert(SYN_MAX_JOB_INPUTS <= 32, "syn_submit.brought has a bit for each");
#define OUTER(type, w) ((type *)(void *)((char *)(w) - offsetof(type, write)))

syn_status syn_store_admit(struct syn_store *s, struct syn_err *err)
{
    int64_t queued = s->by_state[SYN_JOB_QUEUED] + s->delta[SYN_JOB_QUEUED];
    if (queued >= s->opts.max_queued)
        return syn_fail(err, SYN_BUSY, "the queue is full: %lld jobs wait, the limit is %d",
                        (long long)queued, s->opts.max_queued);
    return SYN_OK;
}

struct submit {
    struct syn_write write;
    const struct syn_submit *in;
    char id[SYN_JOB_ID_SIZE];
    bool found, replayed; /* the key is known; with the same request */
};

/* *found: the key belongs to an older job. */
static syn_status find_key(struct syn_store *s, struct submit *o, struct syn_err *err)
{
    const char *ours = o->in->job->canonical_request, *theirs;
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_KEY);
    syn_status status;
    if (st) syn_bind_text(st, 1, o->in->idempotency_key);
    status = syn_conn_row(&s->conn, st, &o->found, "look up an idempotency key", err);
    if (status != SYN_OK || !o->found) return status;
    syn_column_copy(st, 0, o->id, sizeof o->id);
    theirs = (const char *)sqlite3_column_text(st, 1);
    o->replayed = ours && theirs ? strcmp(ours, theirs) == 0 : ours == theirs;
    sqlite3_reset(st);
    if (o->replayed) return SYN_OK;
    return syn_fail(err, SYN_CONFLICT,
                    "idempotency key \"%.80s\" was used for another request: job %s",
                    o->in->idempotency_key, o->id);
}

static syn_status insert_job(struct syn_store *s, const struct submit *o, int64_t now,
                             struct syn_err *err)
{
    const struct syn_job *j = o->in->job;
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_INSERT);
    if (st) {
        syn_bind_text(st, 1, o->id);
        syn_bind_text(st, 2, j->kind);
        syn_bind_text(st, 3, j->family);
        syn_bind_text(st, 4, j->owner);
        syn_bind_text(st, 5, j->model);
        syn_bind_text(st, 6, j->model_digest);
        sqlite3_bind_int(st, 7, j->priority);
        syn_bind_text(st, 8, j->params ? j->params : "{}");
        syn_bind_text(st, 9, j->output_spec ? j->output_spec : "{}");
        syn_bind_text(st, 10, j->metadata);
        syn_bind_text(st, 11, j->warnings);
        syn_bind_text(st, 12, j->canonical_request);
        syn_bind_text(st, 13, o->in->idempotency_key);
        sqlite3_bind_int64(st, 14, now);
    }
    return syn_conn_run(&s->conn, st, "store a job", err);
}

syn_status syn_store_insert_blob(struct syn_store *s, int64_t seq, const struct syn_blob_row *b,
                                 struct syn_err *err)
{
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_INSERT_BLOB);
    syn_status status;
    if (st) {
        sqlite3_bind_int64(st, 1, seq);
        sqlite3_bind_int(st, 2, b->role);
        sqlite3_bind_int(st, 3, b->n);
        syn_bind_text(st, 4, b->name);
        syn_bind_text(st, 5, b->sha256);
        syn_bind_text(st, 6, b->media_type);
        sqlite3_bind_int64(st, 7, (sqlite3_int64)b->bytes);
        sqlite3_bind_int(st, 8, b->width);
        sqlite3_bind_int(st, 9, b->height);
    }
    status = syn_conn_run(&s->conn, st, "store a job's blobs", err);
    if (status != SYN_OK) return status;
    st = syn_conn_stmt(&s->conn, SYN_SQL_OWN_BY_JOB);
    if (st) {
        syn_bind_text(st, 1, b->sha256);
        sqlite3_bind_int64(st, 2, seq);
    }
    return syn_conn_run(&s->conn, st, "store a blob's owner", err);
}

/* Here, in the writer's thread, where sweep removes blobs too: what exists now stays. */
syn_status syn_store_need_blob(struct syn_store *s, const char *what, const char *sha256,
                               struct syn_err *err)
{
    if (syn_blob_exists(s->blobs, sha256, NULL)) return SYN_OK;
    return syn_fail(err, SYN_NOT_FOUND, "%s: blob %s does not exist", what, sha256);
}

/* One that another key brought is, to this one, not there. */
static syn_status need_input(struct syn_store *s, const struct submit *o, int i,
                             struct syn_err *err)
{
    const struct syn_job_input *in = &o->in->job->input[i];
    bool owns = true;
    syn_status st = syn_store_need_blob(s, in->name, in->sha256, err);
    if (st == SYN_OK && !(o->in->brought >> i & 1))
        st = syn_conn_owns(&s->conn, in->sha256, o->in->job->owner, &owns, err);
    if (st == SYN_OK && !owns)
        st = syn_fail(err, SYN_NOT_FOUND, "%s: blob %s does not exist", in->name, in->sha256);
    return st == SYN_NOT_FOUND ? syn_fail_in(err, st, "input ") : st;
}

static syn_status run_submit(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct submit *o = OUTER(struct submit, w);
    const struct syn_job *j = o->in->job;
    int64_t now = syn_job_now_ms(), seq;
    syn_status st = SYN_OK;
    if (o->in->idempotency_key) {
        st = find_key(s, o, err);
        if (st != SYN_OK || o->found) return st;
    }
    st = syn_store_admit(s, err);
    for (int i = 0; i < j->n_inputs && st == SYN_OK; i++) st = need_input(s, o, i, err);
    if (st == SYN_OK) st = syn_job_id_next(&s->ids, now, o->id, err);
    if (st == SYN_OK) st = insert_job(s, o, now, err);
    seq = sqlite3_last_insert_rowid(s->conn.db);
    for (int i = 0; i < j->n_inputs && st == SYN_OK; i++)
        st = syn_store_insert_blob(s, seq,
                                   &(struct syn_blob_row){0, i, j->input[i].name,
                                                          j->input[i].sha256, "", 0, 0, 0},
                                   err);
    if (st == SYN_OK) s->delta[SYN_JOB_QUEUED]++;
    return st;
}

static void after_submit(struct syn_store *s, struct syn_write *w)
{
    if (OUTER(struct submit, w)->replayed) return;
    s->submitted++;
    syn_store_tell_queued(s);
}

syn_status syn_store_check_text(const char *name, const char *text, struct syn_err *err)
{
    if (text && strnlen(text, SYN_MAX_JOB_TEXT + 1) > SYN_MAX_JOB_TEXT)
        return syn_fail(err, SYN_TOO_LARGE, "%s: more than %u bytes", name, SYN_MAX_JOB_TEXT);
    return SYN_OK;
}

static syn_status check_inputs(const struct syn_job *j, struct syn_err *err)
{
    if (j->n_inputs < 0 || j->n_inputs > SYN_MAX_JOB_INPUTS)
        return syn_fail(err, SYN_INVALID, "n_inputs = %d: must be in [0, %d]", j->n_inputs,
                        SYN_MAX_JOB_INPUTS);
    for (int i = 0; i < j->n_inputs; i++) {
        const struct syn_job_input *in = &j->input[i];
        if (!in->name[0] || !memchr(in->name, 0, sizeof in->name))
            return syn_fail(err, SYN_INVALID, "input %d: a name of 1 to %zu bytes is needed", i,
                            sizeof in->name - 1);
        for (int k = 0; k < i; k++)
            if (strcmp(in->name, j->input[k].name) == 0)
                return syn_fail(err, SYN_INVALID, "input %s: named twice", in->name);
        if (!memchr(in->sha256, 0, sizeof in->sha256) || !syn_blob_name_ok(in->sha256))
            return syn_fail(err, SYN_NOT_FOUND, "input %s: blob %.64s does not exist", in->name,
                            in->sha256);
    }
    return SYN_OK;
}

static syn_status check_fixed(const struct syn_job *j, struct syn_err *err)
{
    const struct {
        const char *name, *text;
        size_t size;
    } field[] = {{"kind", j->kind, sizeof j->kind},
                 {"family", j->family, sizeof j->family},
                 {"owner", j->owner, sizeof j->owner},
                 {"model", j->model, sizeof j->model},
                 {"model_digest", j->model_digest, sizeof j->model_digest}};
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        if (!memchr(field[i].text, 0, field[i].size))
            return syn_fail(err, SYN_INVALID, "%s: more than %zu bytes", field[i].name,
                            field[i].size - 1);
    if (!j->kind[0]) return syn_fail(err, SYN_INVALID, "kind: must not be empty");
    if (j->priority < -100 || j->priority > 100)
        return syn_fail(err, SYN_INVALID, "priority = %d: must be in [-100, 100]", j->priority);
    return SYN_OK;
}

static syn_status check_key(const char *key, struct syn_err *err)
{
    size_t n = key ? strnlen(key, SYN_MAX_IDEMPOTENCY_KEY + 1) : 1;
    if (n < 1 || n > SYN_MAX_IDEMPOTENCY_KEY)
        return syn_fail(err, SYN_INVALID, "idempotency key: must have 1 to %d bytes",
                        SYN_MAX_IDEMPOTENCY_KEY);
    for (const char *c = key; c && *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            return syn_fail(err, SYN_INVALID, "idempotency key: byte %td is not printable ASCII",
                            c - key);
    return SYN_OK;
}

syn_status syn_store_submit(struct syn_store *s, const struct syn_submit *in,
                            char id[SYN_JOB_ID_SIZE], bool *replayed, struct syn_err *err)
{
    struct submit o = {.write = {.run = run_submit, .after = after_submit}, .in = in};
    const struct syn_job *j = in->job;
    syn_status st = check_fixed(j, err);
    if (st == SYN_OK) st = syn_store_check_text("params", j->params, err);
    if (st == SYN_OK) st = syn_store_check_text("output", j->output_spec, err);
    if (st == SYN_OK) st = syn_store_check_text("metadata", j->metadata, err);
    if (st == SYN_OK) st = syn_store_check_text("warnings", j->warnings, err);
    if (st == SYN_OK) st = syn_store_check_text("request", j->canonical_request, err);
    if (st == SYN_OK) st = check_inputs(j, err);
    if (st == SYN_OK) st = check_key(in->idempotency_key, err);
    if (st != SYN_OK) return st;
    st = syn_store_write(s, &o.write, err);
    if (st == SYN_OK || (st == SYN_CONFLICT && o.found)) memcpy(id, o.id, sizeof o.id);
    if (st == SYN_OK && replayed) *replayed = o.replayed;
    return st;
}

/* --- owners of blobs ------------------------------------------------------------------------------ */

struct own {
    struct syn_write write;
    const char *sha256, *owner;
};

static syn_status run_own(struct syn_store *s, struct syn_write *w, struct syn_err *err)
{
    struct own *o = OUTER(struct own, w);
    sqlite3_stmt *st = syn_conn_stmt(&s->conn, SYN_SQL_OWN);
    if (st) {
        syn_bind_text(st, 1, o->sha256);
        syn_bind_text(st, 2, o->owner);
    }
    return syn_conn_run(&s->conn, st, "store a blob's owner", err);
}

syn_status syn_store_blob_own(struct syn_store *s, const char *sha256, const char *owner,
                              struct syn_err *err)
{
    struct own o = {.write = {.run = run_own}, .sha256 = sha256, .owner = owner};
    return owner[0] ? syn_store_write(s, &o.write, err) : SYN_OK;
}

syn_status syn_conn_owns(struct syn_conn *c, const char *sha256, const char *owner, bool *owns,
                         struct syn_err *err)
{
    sqlite3_stmt *st;
    syn_status status;
    if (!owner[0]) {
        *owns = true;
        return SYN_OK;
    }
    st = syn_conn_stmt(c, SYN_SQL_OWNS);
    if (st) {
        syn_bind_text(st, 1, sha256);
        syn_bind_text(st, 2, owner);
    }
    status = syn_conn_row(c, st, owns, "look whose a blob is", err);
    if (status == SYN_OK && *owns) sqlite3_reset(st);
    return status;
}
