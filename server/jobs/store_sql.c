/* store_sql.c - connections, prepared statements, rows to structs, SQLite's errors to ours.
 *
 * Layer:     server/jobs.
 * Threads:   a connection belongs to one thread at a time (SQLITE_OPEN_NOMUTEX).
 * Ownership: text members of a loaded job are the caller's. */
#include "server/jobs/store_private.h"
#include <string.h>

#define BUSY_MS 5000 /* somebody looks at the file with another program */

static const char *const sql_text[SYN_SQL_COUNT] = {
#define SQL_TEXT(name, text) text,
    SYN_SQL_LIST(SQL_TEXT)
#undef SQL_TEXT
};

syn_status syn_conn_fail(struct syn_conn *c, const char *doing, struct syn_err *err)
{
    int code = c->db ? sqlite3_extended_errcode(c->db) : SQLITE_NOMEM;
    const char *text = c->db ? sqlite3_errmsg(c->db) : "out of memory";
    switch (code & 0xff) {
    case SQLITE_NOMEM: return syn_fail(err, SYN_NO_MEMORY, "cannot %s: out of memory", doing);
    case SQLITE_FULL:
        return syn_fail(err, SYN_IO, "cannot %s: no space left on the disk of the data folder",
                        doing);
    case SQLITE_READONLY:
        return syn_fail(err, SYN_IO, "cannot %s: the data folder is read-only", doing);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return syn_fail(err, SYN_IO, "cannot %s: synthd.db cannot be opened or written (%s)", doing,
                        text);
    case SQLITE_IOERR:
        return syn_fail(err, SYN_IO,
                        "cannot %s: the disk of the data folder failed (%s, code %d, system error "
                        "%d)",
                        doing, text, code, c->db ? sqlite3_system_errno(c->db) : 0);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return syn_fail(err, SYN_IO,
                        "cannot %s: another program holds synthd.db for more than %d ms", doing,
                        BUSY_MS);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return syn_fail(err, SYN_IO, "cannot %s: synthd.db is damaged (%s)", doing, text);
    default:
        return syn_fail(err, SYN_INTERNAL, "cannot %s: %s (SQLite code %d)", doing, text, code);
    }
}

/* Full synchronous mode and a log that never grows without bound; a reader may not write. */
static syn_status set_up(struct syn_conn *c, bool writes, struct syn_err *err)
{
    sqlite3_stmt *st = NULL;
    bool wal = false;
    sqlite3_busy_timeout(c->db, BUSY_MS);
    sqlite3_extended_result_codes(c->db, 1);
    if (!writes) {
        if (sqlite3_exec(c->db, "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY", NULL, NULL,
                         NULL) != SQLITE_OK)
            return syn_conn_fail(c, "set up a reader", err);
        return SYN_OK;
    }
    if (sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(st, 0);
        wal = mode && strcmp(mode, "wal") == 0;
        if (!wal && sqlite3_errcode(c->db) == SQLITE_ROW) {
            sqlite3_finalize(st);
            return syn_fail(err, SYN_IO,
                            "the data folder's file system does not carry SQLite's write-ahead "
                            "log");
        }
    }
    sqlite3_finalize(st);
    if (!wal) return syn_conn_fail(c, "open synthd.db", err);
    if (sqlite3_exec(c->db,
                     "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
                     "PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 67108864",
                     NULL, NULL, NULL) != SQLITE_OK)
        return syn_conn_fail(c, "set up synthd.db", err);
    return SYN_OK;
}

syn_status syn_conn_open(struct syn_conn *c, const char *path, bool writes, struct syn_err *err)
{
    syn_status st = SYN_OK;
    memset(c, 0, sizeof *c);
    if (sqlite3_open_v2(path, &c->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                        NULL) != SQLITE_OK)
        st = syn_conn_fail(c, "open synthd.db", err);
    if (st == SYN_OK) st = set_up(c, writes, err);
    if (st != SYN_OK) syn_conn_close(c);
    return st;
}

void syn_conn_close(struct syn_conn *c)
{
    for (int i = 0; i < SYN_SQL_COUNT; i++) sqlite3_finalize(c->stmt[i]);
    sqlite3_close(c->db);
    memset(c, 0, sizeof *c);
}

sqlite3_stmt *syn_conn_stmt(struct syn_conn *c, enum syn_sql which)
{
    if (!c->stmt[which] && sqlite3_prepare_v3(c->db, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT,
                                              &c->stmt[which], NULL) != SQLITE_OK)
        return NULL;
    sqlite3_reset(c->stmt[which]);
    return c->stmt[which];
}

syn_status syn_conn_row(struct syn_conn *c, sqlite3_stmt *st, bool *row, const char *doing,
                        struct syn_err *err)
{
    int rc;
    syn_status status = SYN_OK;
    if (!st) return syn_conn_fail(c, doing, err);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *row = true;
        return SYN_OK;
    }
    *row = false;
    if (rc != SQLITE_DONE) status = syn_conn_fail(c, doing, err);
    sqlite3_reset(st);
    return status;
}

syn_status syn_conn_run(struct syn_conn *c, sqlite3_stmt *st, const char *doing,
                        struct syn_err *err)
{
    bool row = false;
    syn_status status = syn_conn_row(c, st, &row, doing, err);
    if (row) sqlite3_reset(st);
    return status;
}

syn_status syn_conn_do(struct syn_conn *c, enum syn_sql which, const char *doing,
                       struct syn_err *err)
{
    return syn_conn_run(c, syn_conn_stmt(c, which), doing, err);
}

void syn_bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

void syn_text_cut(char *to, size_t size, const char *from)
{
    size_t n = from ? strlen(from) : 0;
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80) n--; /* not inside a character */
    }
    if (n) memcpy(to, from, n);
    to[n] = '\0';
}

void syn_column_copy(sqlite3_stmt *st, int column, char *to, size_t size)
{
    syn_text_cut(to, size, (const char *)sqlite3_column_text(st, column));
}

/* NULL stays NULL; false without memory. */
static bool column_dup(sqlite3_stmt *st, int column, char **out)
{
    const char *text;
    if (sqlite3_column_type(st, column) == SQLITE_NULL) return true;
    text = (const char *)sqlite3_column_text(st, column);
    return text && (*out = syn_strdup(text)) != NULL;
}

void syn_job_deinit(struct syn_job *j)
{
    char **text[] = {&j->params,   &j->output_spec, &j->metadata,
                     &j->warnings, &j->result,      &j->canonical_request};
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        syn_free(*text[i]);
        *text[i] = NULL;
    }
}

/* The order is that of SYN_SQL_JOB_COLUMNS. */
static bool load_row(sqlite3_stmt *st, bool whole, struct syn_job *j, int64_t *seq)
{
    int c = 0;
    bool ok = true;
#define COPY(member) syn_column_copy(st, c++, j->member, sizeof j->member)
#define DUP(member) ok = column_dup(st, c++, &j->member) && ok
    COPY(id);
    j->state = (enum syn_job_state)sqlite3_column_int(st, c++);
    COPY(kind), COPY(family), COPY(owner), COPY(retry_of), COPY(model), COPY(model_digest);
    j->priority = sqlite3_column_int(st, c++);
    DUP(params), DUP(output_spec), DUP(metadata), DUP(warnings), DUP(result);
    j->attempts = sqlite3_column_int(st, c++);
    j->units_done = sqlite3_column_int64(st, c++);
    j->units_total = sqlite3_column_int64(st, c++);
    COPY(stage);
    j->cancel_requested = sqlite3_column_int(st, c++) != 0;
    j->created_ms = sqlite3_column_int64(st, c++);
    j->started_ms = sqlite3_column_int64(st, c++);
    j->finished_ms = sqlite3_column_int64(st, c++);
    j->expires_ms = sqlite3_column_int64(st, c++);
    j->seconds_queue = sqlite3_column_double(st, c++);
    j->seconds_load = sqlite3_column_double(st, c++);
    j->seconds_compute = sqlite3_column_double(st, c++);
    j->seconds_encode = sqlite3_column_double(st, c++);
    COPY(error_code), COPY(error_detail);
    *seq = sqlite3_column_int64(st, c++);
    if (whole) DUP(canonical_request);
#undef COPY
#undef DUP
    return ok;
}

static syn_status load_blobs(struct syn_conn *c, int64_t seq, struct syn_job *j,
                             struct syn_err *err)
{
    sqlite3_stmt *st = syn_conn_stmt(c, SYN_SQL_BLOBS_OF);
    syn_status status;
    bool row;
    if (st) sqlite3_bind_int64(st, 1, seq);
    while ((status = syn_conn_row(c, st, &row, "read a job's blobs", err)) == SYN_OK && row) {
        if (sqlite3_column_int(st, 0) == 0 && j->n_inputs < SYN_MAX_JOB_INPUTS) {
            struct syn_job_input *in = &j->input[j->n_inputs++];
            syn_column_copy(st, 2, in->name, sizeof in->name);
            syn_column_copy(st, 3, in->sha256, sizeof in->sha256);
        } else if (sqlite3_column_int(st, 0) == 1 && j->n_outputs < SYN_MAX_JOB_OUTPUTS) {
            struct syn_job_output *out = &j->output[j->n_outputs++];
            syn_column_copy(st, 2, out->name, sizeof out->name);
            syn_column_copy(st, 3, out->sha256, sizeof out->sha256);
            syn_column_copy(st, 4, out->media_type, sizeof out->media_type);
            out->bytes = (uint64_t)sqlite3_column_int64(st, 5);
            out->width = sqlite3_column_int(st, 6);
            out->height = sqlite3_column_int(st, 7);
        }
    }
    return status;
}

syn_status syn_conn_load(struct syn_conn *c, sqlite3_stmt *st, bool whole, struct syn_job *out,
                         int64_t *seq, struct syn_err *err)
{
    syn_status status = SYN_OK;
    memset(out, 0, sizeof *out);
    out->queue_position = -1;
    if (!load_row(st, whole, out, seq))
        status = syn_fail(err, SYN_NO_MEMORY, "cannot read a job: out of memory");
    if (status == SYN_OK) status = load_blobs(c, *seq, out, err);
    if (status != SYN_OK) {
        syn_job_deinit(out);
        memset(out, 0, sizeof *out);
    }
    return status;
}
