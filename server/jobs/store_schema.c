/* store_schema.c - the tables, and how older ones become today's.
 *
 * migration[i] brings version i to i + 1; a released one is never edited. Each runs in a transaction
 * with its line in schema_version, so a crash leaves a whole version behind.
 *
 * States in SQL are numbers of enum syn_job_state: 0 queued, 1 running, 2 succeeded, 3 failed,
 * 4 canceled, 5 expired. Partial indexes serve exactly the queries that say the same WHERE.
 *
 * Layer:   server/jobs.   Threads: the one that opens the store. */
#include "server/jobs/store_private.h"
#include <string.h>

_Static_assert(SYN_JOB_QUEUED == 0 && SYN_JOB_RUNNING == 1 && SYN_JOB_SUCCEEDED == 2 &&
                   SYN_JOB_FAILED == 3 && SYN_JOB_CANCELED == 4 && SYN_JOB_EXPIRED == 5,
               "the numbers are on disk");

static const char *const migration[] = {
    "CREATE TABLE job ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT," /* order of arrival; never used twice */
    " id TEXT NOT NULL UNIQUE,"
    " state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 5),"
    " kind TEXT NOT NULL, family TEXT NOT NULL, owner TEXT NOT NULL, retry_of TEXT NOT NULL "
    "DEFAULT '',"
    " model TEXT NOT NULL, model_digest TEXT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " params TEXT NOT NULL, output_spec TEXT NOT NULL,"
    " metadata TEXT, warnings TEXT, result TEXT, canonical_request TEXT, idempotency_key TEXT,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " units_done INTEGER NOT NULL DEFAULT 0, units_total INTEGER NOT NULL DEFAULT 0,"
    " stage TEXT NOT NULL DEFAULT '',"
    " cancel_requested INTEGER NOT NULL DEFAULT 0,"
    " created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL DEFAULT 0,"
    " finished_ms INTEGER NOT NULL DEFAULT 0, expires_ms INTEGER NOT NULL DEFAULT 0,"
    " seconds_queue REAL NOT NULL DEFAULT 0, seconds_load REAL NOT NULL DEFAULT 0,"
    " seconds_compute REAL NOT NULL DEFAULT 0, seconds_encode REAL NOT NULL DEFAULT 0,"
    " error_code TEXT NOT NULL DEFAULT '', error_detail TEXT NOT NULL DEFAULT '');"
    /* take, and places in the queue */
    "CREATE INDEX job_queue ON job (priority DESC, seq) WHERE state = 0;"
    /* list by state, counts, the oldest queued, recovery */
    "CREATE INDEX job_state ON job (state, id);"
    "CREATE INDEX job_expiry ON job (state, expires_ms) WHERE expires_ms > 0;"
    "CREATE UNIQUE INDEX job_key ON job (idempotency_key) WHERE idempotency_key IS NOT NULL;"
    /* role 0: an input, 1: an output. held = 0: still told, but no reason to keep the bytes */
    "CREATE TABLE job_blob ("
    " seq INTEGER NOT NULL, role INTEGER NOT NULL, n INTEGER NOT NULL,"
    " name TEXT NOT NULL, sha256 TEXT NOT NULL, media_type TEXT NOT NULL,"
    " bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,"
    " held INTEGER NOT NULL DEFAULT 1,"
    " PRIMARY KEY (seq, role, n)) WITHOUT ROWID;"
    "CREATE INDEX job_blob_held ON job_blob (sha256) WHERE held = 1;"
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    /* Who may read a blob: the keys that brought it, and those whose jobs made it. What jobs name
     * already belongs to their keys; an upload that no job has named yet is to be sent again. */
    "CREATE TABLE blob_owner (sha256 TEXT NOT NULL, owner TEXT NOT NULL,"
    " PRIMARY KEY (sha256, owner)) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO blob_owner (sha256, owner) SELECT sha256, owner FROM job_blob"
    " JOIN job USING (seq) WHERE held = 1 AND owner <> '';",
};
#define VERSION ((int)(sizeof migration / sizeof migration[0]))

static syn_status run_text(sqlite3 *db, const char *sql, const char *doing, struct syn_err *err)
{
    struct syn_conn c = {.db = db};
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? SYN_OK
                                                                : syn_conn_fail(&c, doing, err);
}

static syn_status read_version(sqlite3 *db, int *version, struct syn_err *err)
{
    struct syn_conn c = {.db = db};
    sqlite3_stmt *st = NULL;
    syn_status status = SYN_OK;
    if (sqlite3_prepare_v2(db, "SELECT coalesce(max(version), 0) FROM schema_version", -1, &st,
                           NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        *version = sqlite3_column_int(st, 0);
    else status = syn_conn_fail(&c, "read the schema's version", err);
    sqlite3_finalize(st);
    return status;
}

static syn_status apply(sqlite3 *db, int from, struct syn_err *err)
{
    char note[160];
    syn_status st;
    sqlite3_snprintf(sizeof note, note,
                     "INSERT INTO schema_version (version, applied_ms) VALUES (%d, %lld)", from + 1,
                     (long long)syn_job_now_ms());
    st = run_text(db, "BEGIN IMMEDIATE", "migrate the schema", err);
    if (st == SYN_OK) st = run_text(db, migration[from], "migrate the schema", err);
    if (st == SYN_OK) st = run_text(db, note, "migrate the schema", err);
    if (st == SYN_OK) st = run_text(db, "COMMIT", "migrate the schema", err);
    if (st != SYN_OK) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

syn_status syn_store_migrate(sqlite3 *db, struct syn_err *err)
{
    int version = 0;
    syn_status st = run_text(db,
                             "CREATE TABLE IF NOT EXISTS schema_version ("
                             "version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL)",
                             "create the schema", err);
    if (st == SYN_OK) st = read_version(db, &version, err);
    if (st != SYN_OK) return st;
    if (version > VERSION)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "synthd.db has schema version %d: this build knows up to %d", version,
                        VERSION);
    for (; version < VERSION && st == SYN_OK; version++) st = apply(db, version, err);
    return st;
}
