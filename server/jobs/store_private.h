/* store_private.h - what the store's files share. Nothing outside server/jobs/store*.c includes it.
 *
 *   store.c         open, close, lock, recovery    store_submit.c  submit
 *   store_schema.c  tables, migrations             store_ops.c     take, finish, requeue, cancel
 *   store_sql.c     connections, statements, rows  store_edit.c    sweep, pause, retry
 *   store_writer.c  group commit                   store_read.c    get, list, counts
 *                                                  store_wait.c    waits, wake, progress
 *
 * Locks:   mu and read_mu; never both at once, and none while SQLite works. */
#ifndef SYN_STORE_PRIVATE_H
#define SYN_STORE_PRIVATE_H

#include "kernels/base/alloc.h"
#include "server/jobs/blobs.h"
#include "server/jobs/job_id.h"
#include "server/jobs/store.h"
#include <pthread.h>
#include <sqlite3.h>

/* --- store_sql.c ---------------------------------------------------------------------------- */

#define SYN_SQL_JOB_COLUMNS                                                                        \
    "id, state, kind, family, owner, retry_of, model, model_digest, priority, params, output_spec, " \
    "metadata, warnings, result, attempts, units_done, units_total, stage, cancel_requested, "     \
    "created_ms, started_ms, finished_ms, expires_ms, seconds_queue, seconds_load, seconds_compute, " \
    "seconds_encode, error_code, error_detail, seq, canonical_request "

/* X(name, text): each is prepared once per connection, when it is first used. */
#define SYN_SQL_LIST(X)                                                                            \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(OP_BEGIN, "SAVEPOINT op")                                                                    \
    X(OP_KEEP, "RELEASE op")                                                                       \
    X(OP_UNDO, "ROLLBACK TO op")                                                                   \
    X(GET, "SELECT " SYN_SQL_JOB_COLUMNS "FROM job WHERE id = ?1")                                 \
    X(LIST, "SELECT " SYN_SQL_JOB_COLUMNS "FROM job WHERE id < ?1 AND (?2 IS NULL OR kind = ?2) "  \
            "AND (?3 IS NULL OR model = ?3) AND (?4 IS NULL OR family = ?4) "                      \
            "AND (?5 IS NULL OR owner = ?5) ORDER BY id DESC LIMIT ?6")                            \
    X(LIST_STATE, "SELECT " SYN_SQL_JOB_COLUMNS "FROM job WHERE state = ?7 AND id < ?1 "           \
                  "AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR model = ?3) "                  \
                  "AND (?4 IS NULL OR family = ?4) AND (?5 IS NULL OR owner = ?5) "                \
                  "ORDER BY id DESC LIMIT ?6")                                                     \
    X(BLOBS_OF, "SELECT role, n, name, sha256, media_type, bytes, width, height FROM job_blob "    \
                "WHERE seq = ?1 ORDER BY role, n")                                                 \
    X(POSITION, "SELECT (SELECT count(*) FROM job INDEXED BY job_queue WHERE state = 0 "           \
                "AND priority > ?1) + (SELECT count(*) FROM job INDEXED BY job_queue "             \
                "WHERE state = 0 AND priority = ?1 AND seq < ?2)")                                 \
    X(QUEUE, "SELECT seq FROM job INDEXED BY job_queue WHERE state = 0 "                           \
             "ORDER BY priority DESC, seq")                                                        \
    X(OLDEST_QUEUED, "SELECT created_ms FROM job WHERE state = 0 ORDER BY id LIMIT 1")             \
    X(STATE_OF, "SELECT seq, state, cancel_requested FROM job WHERE id = ?1")                      \
    X(KEY, "SELECT id, canonical_request FROM job WHERE idempotency_key = ?1")                     \
    X(INSERT, "INSERT INTO job (id, kind, family, owner, model, model_digest, priority, params, "  \
              "output_spec, metadata, warnings, canonical_request, idempotency_key, created_ms) "  \
              "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")              \
    X(INSERT_BLOB, "INSERT INTO job_blob (seq, role, n, name, sha256, media_type, bytes, width, "  \
                   "height) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                          \
    X(NEXT, "SELECT id, created_ms FROM job INDEXED BY job_queue WHERE state = 0 "                 \
            "ORDER BY priority DESC, seq LIMIT 1")                                                 \
    X(TAKE, "UPDATE job SET state = 1, attempts = attempts + 1, started_ms = ?2, seconds_queue = ?3, " \
            "units_done = 0, units_total = 0, stage = '' WHERE id = ?1 AND state = 0")             \
    X(FINISH, "UPDATE job SET state = ?2, finished_ms = ?3, expires_ms = ?4, error_code = ?5, "    \
              "error_detail = ?6, result = ?7, warnings = coalesce(?8, warnings), units_done = ?9, " \
              "units_total = ?10, seconds_load = ?11, seconds_compute = ?12, seconds_encode = ?13, " \
              "stage = '' WHERE seq = ?1 AND state = 1")                                           \
    X(REQUEUE, "UPDATE job SET state = 0, attempts = max(attempts - ?2, 0), started_ms = 0, "      \
               "units_done = 0, units_total = 0, stage = '', seconds_queue = 0 "                   \
               "WHERE seq = ?1 AND state = 1")                                                     \
    X(CANCEL, "UPDATE job SET state = 4, finished_ms = ?2, expires_ms = ?3, stage = '' "           \
              "WHERE seq = ?1 AND state = ?4")                                                     \
    X(ASK_CANCEL, "UPDATE job SET cancel_requested = 1 WHERE seq = ?1 AND state = 1")              \
    X(RETRY, "INSERT INTO job (id, kind, family, owner, model, model_digest, priority, params, "   \
             "output_spec, metadata, canonical_request, retry_of, created_ms) "                    \
             "SELECT ?2, kind, family, owner, model, model_digest, priority, params, output_spec, " \
             "metadata, canonical_request, id, ?3 FROM job WHERE seq = ?1")                        \
    X(RETRY_INPUTS, "INSERT INTO job_blob (seq, role, n, name, sha256, media_type, bytes, width, " \
                    "height) SELECT ?2, role, n, name, sha256, media_type, bytes, width, height "  \
                    "FROM job_blob WHERE seq = ?1 AND role = 0")                                   \
    X(PROGRESS, "UPDATE job SET units_done = ?2, units_total = ?3, stage = ?4 "                    \
                "WHERE id = ?1 AND state = 1 AND attempts = ?5")                                   \
    X(SET, "INSERT INTO setting (name, value) VALUES (?1, ?2) "                                    \
           "ON CONFLICT (name) DO UPDATE SET value = excluded.value")                              \
    X(SETTING, "SELECT value FROM setting WHERE name = ?1")                                        \
    X(PAST, "SELECT seq FROM job WHERE state = ?1 AND expires_ms > 0 AND expires_ms <= ?2 LIMIT ?3") \
    X(EXPIRE, "UPDATE job SET state = 5 WHERE seq = ?1 AND state IN (2, 3, 4)")                    \
    X(DROP_OUTPUTS, "DELETE FROM job_blob WHERE seq = ?1 AND role = 1")                            \
    X(LET_INPUTS_GO, "UPDATE job_blob SET held = 0 WHERE seq = ?1")                                \
    X(DROP_BLOBS, "DELETE FROM job_blob WHERE seq = ?1")                                           \
    X(DROP_ROW, "DELETE FROM job WHERE seq = ?1 AND state = 5")                                    \
    X(HELD, "SELECT 1 FROM job_blob WHERE sha256 = ?1 AND held = 1 LIMIT 1")                       \
    X(OWN, "INSERT OR IGNORE INTO blob_owner (sha256, owner) VALUES (?1, ?2)")                      \
    X(OWN_BY_JOB, "INSERT OR IGNORE INTO blob_owner (sha256, owner) "                              \
                  "SELECT ?1, owner FROM job WHERE seq = ?2 AND owner <> ''")                      \
    X(OWNS, "SELECT 1 FROM blob_owner WHERE sha256 = ?1 AND owner = ?2")                           \
    X(DISOWN, "DELETE FROM blob_owner WHERE sha256 = ?1")                                          \
    X(COUNT_STATES, "SELECT state, count(*) FROM job GROUP BY state")                              \
    X(LAST_ID, "SELECT max(id) FROM job")                                                          \
    X(RUNNING, "SELECT seq, attempts, cancel_requested FROM job WHERE state = 1")

enum syn_sql {
#define SYN_SQL_ENUM(name, text) SYN_SQL_##name,
    SYN_SQL_LIST(SYN_SQL_ENUM)
#undef SYN_SQL_ENUM
    SYN_SQL_COUNT
};

/* One connection, used by one thread at a time. */
struct syn_conn {
    sqlite3 *db;
    sqlite3_stmt *stmt[SYN_SQL_COUNT];
    struct syn_conn *next; /* in the list of free readers */
};

SYN_MUST_CHECK syn_status syn_conn_open(struct syn_conn *c, const char *path, bool writes, struct syn_err *err);
void syn_conn_close(struct syn_conn *c); /* safe on a zeroed struct */
/* The statement, reset, with its old bindings; NULL: see syn_conn_fail. */
sqlite3_stmt *syn_conn_stmt(struct syn_conn *c, enum syn_sql which);
/* Steps a statement that returns no rows and resets it. NULL st fails too. */
SYN_MUST_CHECK syn_status syn_conn_run(struct syn_conn *c, sqlite3_stmt *st, const char *doing,
                                       struct syn_err *err);
/* *row says whether there is one; the statement is reset when there is none or on failure. */
SYN_MUST_CHECK syn_status syn_conn_row(struct syn_conn *c, sqlite3_stmt *st, bool *row, const char *doing,
                                       struct syn_err *err);
SYN_MUST_CHECK syn_status syn_conn_do(struct syn_conn *c, enum syn_sql which, const char *doing,
                                      struct syn_err *err); /* a statement without parameters */
/* The connection's last error as ours: what was being done, and why it failed. */
syn_status syn_conn_fail(struct syn_conn *c, const char *doing, struct syn_err *err);
/* Text of a column, cut to size at a character's edge. */
void syn_column_copy(sqlite3_stmt *st, int column, char *to, size_t size);
/* Borrows the text until the statement is bound anew; NULL is SQL's. */
void syn_bind_text(sqlite3_stmt *st, int at, const char *text);
/* Cuts at a UTF-8 character's edge; NULL counts as "". */
void syn_text_cut(char *to, size_t size, const char *from);
/* Fills *out and *seq from the current row of SYN_SQL_GET or LIST, then its blobs; queue_position is
 * left at -1. On failure *out holds nothing. */
SYN_MUST_CHECK syn_status syn_conn_load(struct syn_conn *c, sqlite3_stmt *st, bool whole,
                                        struct syn_job *out, int64_t *seq, struct syn_err *err);

/* --- store_schema.c ------------------------------------------------------------------------- */

/* Brings the tables to the version this build knows. SYN_UNSUPPORTED: they are newer. */
SYN_MUST_CHECK syn_status syn_store_migrate(sqlite3 *db, struct syn_err *err);

/* --- the store ------------------------------------------------------------------------------ */

#define SYN_MAX_READERS 8
#define SYN_MAX_BATCH 256        /* calls that share one transaction */
#define SYN_PROGRESS_FLUSH_MS 1000

struct syn_write; /* a call that waits for the writer */

/* Progress of one running job. */
struct syn_progress {
    char id[SYN_JOB_ID_SIZE];
    int32_t attempts;
    char stage[24];
    int64_t units_done, units_total;
    bool dirty;         /* newer than the row */
    int64_t flushed_ms; /* tick of the last write */
    struct syn_progress *next;
};

struct syn_final_wait { /* on the stack of a syn_store_wait_final */
    const char *id;
    bool fired;
    pthread_cond_t cond;
    struct syn_final_wait *next;
};

struct syn_store {
    /* immutable after open */
    struct syn_store_opts opts; /* opts.data_dir = dir */
    char *dir, *db_path;
    int dir_fd, lock_fd;
    struct syn_blobs *blobs;
    pthread_t writer;
    bool writer_runs;

    /* owned by the writer's thread once it runs */
    struct syn_conn conn;
    struct syn_job_id_source ids;
    int64_t delta[SYN_JOB_STATE_COUNT]; /* change of by_state in the transaction under way */
    bool paused_in_db;

    pthread_mutex_t mu; /* guards what follows */
    pthread_cond_t writer_cond, queue_cond;
    struct syn_write *head, *tail;
    bool closing, waiters_stopped, paused;
    int64_t by_state[SYN_JOB_STATE_COUNT]; /* written by the writer only: it reads them without mu */
    int64_t requeued_crash, submitted, finished[SYN_JOB_STATE_COUNT];
    uint64_t wakes;
    int32_t n_waiting; /* threads in syn_store_wait */
    bool wake_kept;    /* a wake came when nobody waited */
    struct syn_progress *progress;
    struct syn_final_wait *final_waits;

    pthread_mutex_t read_mu; /* guards what follows */
    pthread_cond_t read_cond;
    struct syn_conn *readers; /* free ones */
    int32_t n_readers;        /* open ones */

    pthread_mutex_t sweep_mu; /* one sweep at a time; taken before all others */
};

/* --- store_writer.c ------------------------------------------------------------------------- */

/* A change: the caller fills run, after and what surrounds the struct, and blocks in syn_store_write. */
struct syn_write {
    /* In the transaction, by the writer's thread. A failure undoes what this run did, and no more. */
    syn_status (*run)(struct syn_store *s, struct syn_write *w, struct syn_err *err);
    /* When the change is durable, by the writer's thread, with mu held; cannot fail. May be NULL. */
    void (*after)(struct syn_store *s, struct syn_write *w);
    struct syn_err *err;
    syn_status status;
    bool done;
    pthread_cond_t cond;
    struct syn_write *next;
};
SYN_MUST_CHECK syn_status syn_store_write(struct syn_store *s, struct syn_write *w, struct syn_err *err);
void *syn_store_writer_main(void *store); /* the thread: runs until closing and the list is empty */

/* --- store_wait.c; mu is held ---------------------------------------------------------------- */

struct syn_progress *syn_store_progress_find(struct syn_store *s, const char *id);
void syn_store_progress_drop(struct syn_store *s, const char *id);
void syn_store_tell_final(struct syn_store *s, const char *id);
void syn_store_tell_queued(struct syn_store *s);

/* Copies of all progress (mu not held); the caller frees *out. */
SYN_MUST_CHECK syn_status syn_store_progress_all(struct syn_store *s, struct syn_progress **out, size_t *n,
                                                 struct syn_err *err);
void syn_cond_init_monotonic(pthread_cond_t *c);
/* Waits until tick deadline_ms; false when it has passed. */
bool syn_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *mu, int64_t deadline_ms);

/* --- store_ops.c ------------------------------------------------------------------------------ */

int64_t syn_store_expiry(const struct syn_store *s, int64_t now_ms); /* expires_ms of a job that ends now */

/* --- store_submit.c --------------------------------------------------------------------------- */

struct syn_blob_row { /* a line of job_blob: role 0 an input, 1 an output */
    int role, n;
    const char *name, *sha256, *media_type;
    uint64_t bytes;
    int32_t width, height;
};
SYN_MUST_CHECK syn_status syn_store_insert_blob(struct syn_store *s, int64_t seq, const struct syn_blob_row *b,
                                                struct syn_err *err);
/* On a connection. An owner of "" owns everything. */
SYN_MUST_CHECK syn_status syn_conn_owns(struct syn_conn *c, const char *sha256, const char *owner,
                                        bool *owns, struct syn_err *err);
/* In the writer's thread. SYN_NOT_FOUND: "what: blob ... does not exist". */
SYN_MUST_CHECK syn_status syn_store_need_blob(struct syn_store *s, const char *what, const char *sha256,
                                              struct syn_err *err);
SYN_MUST_CHECK syn_status syn_store_admit(struct syn_store *s, struct syn_err *err); /* SYN_BUSY: full */
/* SYN_TOO_LARGE over SYN_MAX_JOB_TEXT; NULL is fine. */
SYN_MUST_CHECK syn_status syn_store_check_text(const char *name, const char *text, struct syn_err *err);

#endif
