/* store.c - opening a data folder, recovering what a dead process left, closing.
 *
 *   data folder (0700)   lock       flock: one process at a time; its id, for the next one's message
 *                        synthd.db  SQLite, write-ahead log beside it
 *                        blobs/     see blobs.c
 *
 * Order of open: folder, lock, blobs, database, migration, recovery, writer; close goes back.
 *
 * Layer:   server/jobs.   Threads: open and close from one. */
#include "server/jobs/blobs_private.h"
#include "server/jobs/store_private.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct syn_blobs *syn_store_blobs(struct syn_store *s) { return s->blobs; }

static syn_status io_fail(struct syn_err *err, const char *doing, const char *path, int error)
{
    return syn_fail(err, SYN_IO, "cannot %s %s: %s", doing, path,
                    error == EROFS ? "the file system is read-only" : strerror(error));
}

/* The folder and its missing parents, 0700. */
static syn_status make_folders(const char *path, struct syn_err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return syn_fail(err, SYN_INVALID, "data folder: a path of 1 to %d bytes is needed",
                        PATH_MAX - 1);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST &&
            (i == n || (errno != EROFS && errno != EACCES)))
            return io_fail(err, "make the data folder", part, errno);
        part[i] = path[i];
    }
    return SYN_OK;
}

static syn_status open_folder(struct syn_store *s, const char *path, struct syn_err *err)
{
    char real[PATH_MAX];
    size_t room;
    syn_status st = make_folders(path, err);
    if (st != SYN_OK) return st;
    if (!realpath(path, real)) return io_fail(err, "open the data folder", path, errno);
    room = strlen(real) + sizeof "/synthd.db";
    s->dir = syn_strdup(real);
    s->db_path = syn_alloc(room);
    if (!s->dir || !s->db_path) return syn_fail(err, SYN_NO_MEMORY, "no memory for the store");
    snprintf(s->db_path, room, "%s/synthd.db", real);
    s->opts.data_dir = s->dir;
    s->dir_fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) return io_fail(err, "open the data folder", real, errno);
    return SYN_OK;
}

static syn_status lock_folder(struct syn_store *s, struct syn_err *err)
{
    char text[24] = "";
    s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) return io_fail(err, "write to the data folder", s->dir, errno);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        long pid = pread(s->lock_fd, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return io_fail(err, "lock the data folder", s->dir, errno);
        return syn_fail(err, SYN_CONFLICT, "data folder %s is in use by another process (id %ld)",
                        s->dir, pid);
    }
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, text, strlen(text), 0) < 0)
        return io_fail(err, "write to the data folder", s->dir, errno);
    return SYN_OK;
}

static syn_status open_database(struct syn_store *s, struct syn_err *err)
{
    /* made here for its mode: SQLite gives the log the same */
    int fd = openat(s->dir_fd, "synthd.db", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    syn_status st;
    if (fd < 0) return io_fail(err, "open synthd.db in", s->dir, errno);
    close(fd);
    st = syn_conn_open(&s->conn, s->db_path, true, err);
    if (st == SYN_OK) st = syn_store_migrate(s->conn.db, err);
    if (st == SYN_OK && fsync(s->dir_fd) != 0)
        st = io_fail(err, "write to the data folder", s->dir, errno);
    return st;
}

/* --- recovery ----------------------------------------------------------------------------------- */

struct orphan {
    int64_t seq;
    int32_t attempts;
    bool cancel_requested;
};

/* A requested cancel is kept; a job that was there at too many deaths is not tried again. */
static syn_status settle(struct syn_store *s, const struct orphan *o, struct syn_err *err)
{
    struct syn_conn *c = &s->conn;
    int64_t now = syn_job_now_ms();
    char detail[160];
    sqlite3_stmt *q;
    if (o->cancel_requested) {
        if ((q = syn_conn_stmt(c, SYN_SQL_CANCEL))) {
            sqlite3_bind_int64(q, 1, o->seq);
            sqlite3_bind_int64(q, 2, now);
            sqlite3_bind_int64(q, 3, syn_store_expiry(s, now));
            sqlite3_bind_int(q, 4, SYN_JOB_RUNNING);
        }
        return syn_conn_run(c, q, "recover a job", err);
    }
    if (o->attempts < s->opts.max_attempts) {
        if ((q = syn_conn_stmt(c, SYN_SQL_REQUEUE))) {
            sqlite3_bind_int64(q, 1, o->seq);
            sqlite3_bind_int(q, 2, 0);
        }
        s->requeued_crash++;
        return syn_conn_run(c, q, "recover a job", err);
    }
    snprintf(detail, sizeof detail,
             "the server ended %d times while this job was running; it is not tried again",
             o->attempts);
    if ((q = syn_conn_stmt(c, SYN_SQL_FINISH))) {
        sqlite3_clear_bindings(q); /* no result, no change to the warnings */
        sqlite3_bind_int64(q, 1, o->seq);
        sqlite3_bind_int(q, 2, SYN_JOB_FAILED);
        sqlite3_bind_int64(q, 3, now);
        sqlite3_bind_int64(q, 4, syn_store_expiry(s, now));
        syn_bind_text(q, 5, "crashed");
        syn_bind_text(q, 6, detail);
        for (int i = 9; i <= 13; i++) sqlite3_bind_int(q, i, 0);
    }
    return syn_conn_run(c, q, "recover a job", err);
}

static syn_status recover(struct syn_store *s, struct syn_err *err)
{
    syn_status st = syn_conn_do(&s->conn, SYN_SQL_BEGIN_WRITE, "recover jobs", err);
    while (st == SYN_OK) { /* one at a time: settling moves the row out of the query */
        struct orphan o;
        bool row = false;
        sqlite3_stmt *q = syn_conn_stmt(&s->conn, SYN_SQL_RUNNING);
        st = syn_conn_row(&s->conn, q, &row, "recover jobs", err);
        if (st != SYN_OK || !row) break;
        o.seq = sqlite3_column_int64(q, 0);
        o.attempts = sqlite3_column_int(q, 1);
        o.cancel_requested = sqlite3_column_int(q, 2) != 0;
        sqlite3_reset(q);
        st = settle(s, &o, err);
    }
    return st == SYN_OK ? syn_conn_do(&s->conn, SYN_SQL_COMMIT, "recover jobs", err) : st;
}

/* What is kept in memory besides the rows: counts, the last id, whether the queue is paused. */
static syn_status read_memory(struct syn_store *s, struct syn_err *err)
{
    struct syn_conn *c = &s->conn;
    sqlite3_stmt *q = syn_conn_stmt(c, SYN_SQL_COUNT_STATES);
    bool row;
    syn_status st;
    while ((st = syn_conn_row(c, q, &row, "count jobs", err)) == SYN_OK && row) {
        int state = sqlite3_column_int(q, 0);
        if (state >= 0 && state < SYN_JOB_STATE_COUNT)
            s->by_state[state] = sqlite3_column_int64(q, 1);
    }
    if (st != SYN_OK) return st;
    q = syn_conn_stmt(c, SYN_SQL_LAST_ID);
    st = syn_conn_row(c, q, &row, "read the last id", err);
    if (st != SYN_OK) return st;
    if (row) {
        syn_job_id_resume(&s->ids, (const char *)sqlite3_column_text(q, 0)); /* none yet: NULL */
        sqlite3_reset(q);
    }
    q = syn_conn_stmt(c, SYN_SQL_SETTING);
    if (q) syn_bind_text(q, 1, "paused");
    st = syn_conn_row(c, q, &row, "read a setting", err);
    if (st == SYN_OK && row) {
        s->paused = s->paused_in_db = sqlite3_column_int(q, 0) != 0;
        sqlite3_reset(q);
    }
    return st;
}

/* --- open, close -------------------------------------------------------------------------------- */

static syn_status check_opts(const struct syn_store_opts *o, struct syn_err *err)
{
    if (!o->data_dir || !o->data_dir[0])
        return syn_fail(err, SYN_INVALID, "data folder: none given");
    if (o->max_queued < 1)
        return syn_fail(err, SYN_INVALID, "max_queued = %d: must be at least 1", o->max_queued);
    if (o->max_attempts < 1)
        return syn_fail(err, SYN_INVALID, "max_attempts = %d: must be at least 1", o->max_attempts);
    if (o->result_retention_ms < 0 || o->row_retention_ms < 0)
        return syn_fail(err, SYN_INVALID, "retention = %lld and %lld ms: must not be negative",
                        (long long)o->result_retention_ms, (long long)o->row_retention_ms);
    return SYN_OK;
}

static struct syn_store *store_new(const struct syn_store_opts *opts)
{
    struct syn_store *s = syn_calloc(1, sizeof *s);
    if (!s) return NULL;
    s->opts = *opts;
    s->dir_fd = s->lock_fd = -1;
    pthread_mutex_init(&s->mu, NULL);
    pthread_mutex_init(&s->read_mu, NULL);
    pthread_mutex_init(&s->sweep_mu, NULL);
    syn_cond_init_monotonic(&s->writer_cond);
    syn_cond_init_monotonic(&s->queue_cond);
    pthread_cond_init(&s->read_cond, NULL);
    return s;
}

syn_status syn_store_open(const struct syn_store_opts *opts, struct syn_store **out,
                          struct syn_err *err)
{
    struct syn_store *s;
    int error;
    syn_status st = check_opts(opts, err);
    if (st != SYN_OK) return st;
    s = store_new(opts);
    if (!s) return syn_fail(err, SYN_NO_MEMORY, "no memory for the store");
    st = open_folder(s, opts->data_dir, err);
    if (st == SYN_OK) st = lock_folder(s, err);
    if (st == SYN_OK) st = syn_blobs_open(s->dir_fd, &s->blobs, err);
    if (st == SYN_OK) st = open_database(s, err);
    if (st == SYN_OK) st = recover(s, err);
    if (st == SYN_OK) st = read_memory(s, err);
    if (st == SYN_OK) {
        error = pthread_create(&s->writer, NULL, syn_store_writer_main, s);
        s->writer_runs = error == 0;
        if (error)
            st = syn_fail(err, SYN_NO_MEMORY, "cannot start the store's thread: %s",
                          strerror(error));
    }
    if (st == SYN_OK) *out = s;
    else syn_store_close(s);
    return st;
}

void syn_store_close(struct syn_store *s)
{
    if (!s) return;
    if (s->writer_runs) {
        pthread_mutex_lock(&s->mu);
        s->closing = true;
        pthread_cond_signal(&s->writer_cond);
        pthread_mutex_unlock(&s->mu);
        pthread_join(s->writer, NULL);
    }
    while (s->readers) {
        struct syn_conn *c = s->readers;
        s->readers = c->next;
        syn_conn_close(c);
        syn_free(c);
    }
    syn_conn_close(&s->conn); /* the last one: folds the log into synthd.db */
    while (s->progress) syn_store_progress_drop(s, s->progress->id);
    syn_blobs_close(s->blobs);
    if (s->lock_fd >= 0) close(s->lock_fd); /* also gives the lock back */
    if (s->dir_fd >= 0) close(s->dir_fd);
    pthread_cond_destroy(&s->read_cond);
    pthread_cond_destroy(&s->queue_cond);
    pthread_cond_destroy(&s->writer_cond);
    pthread_mutex_destroy(&s->sweep_mu);
    pthread_mutex_destroy(&s->read_mu);
    pthread_mutex_destroy(&s->mu);
    syn_free(s->db_path);
    syn_free(s->dir);
    syn_free(s);
}
