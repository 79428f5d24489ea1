/* store_t.h - a store in a temporary folder, for the tests of server/jobs.
 *
 * Layer: tests. What must hold for a test to go on at all ends the process. */
#ifndef SYN_STORE_T_H
#define SYN_STORE_T_H

#include "kernels/base/alloc.h"
#include "server/jobs/blobs.h"
#include "server/jobs/store.h"
#include "tests/t.h"
#include <ftw.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Stops a test that hangs, with the line it hung after. */
#define T_MUST(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: cannot go on\n", __FILE__, __LINE__, #condition);          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static inline char *t_folder_under(const char *base)
{
    char *path = (char *)t_alloc(4096);
    snprintf(path, 4096, "%s/synthd-test-XXXXXX", base && base[0] ? base : "/tmp");
    T_MUST(mkdtemp(path));
    return path;
}
static inline char *t_folder(void) { return t_folder_under(getenv("TMPDIR")); }

/* In memory where there is such a place: for tests of many small changes that are not about the disk. */
static inline char *t_folder_quick(void)
{
    return access("/dev/shm", W_OK | X_OK) == 0 ? t_folder_under("/dev/shm") : t_folder();
}

static inline int t_folder_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

/* Removes the folder and frees its name. */
static inline void t_folder_drop(char *path)
{
    nftw(path, t_folder_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline struct syn_store_opts t_opts(const char *dir)
{
    struct syn_store_opts o = {dir, 1000, 3, 0, 0};
    return o;
}

static inline struct syn_store *t_open(const struct syn_store_opts *o)
{
    struct syn_err err = {{0}};
    struct syn_store *s = NULL;
    syn_status st = syn_store_open(o, &s, &err);
    if (st != SYN_OK) fprintf(stderr, "open: %s\n", err.text);
    T_MUST(st == SYN_OK);
    return s;
}

/* Submits a job of this priority without inputs; its id. */
static inline void t_submit(struct syn_store *s, int priority, char id[SYN_JOB_ID_SIZE])
{
    struct syn_err err = {{0}};
    struct syn_job j;
    struct syn_submit in = {&j, NULL};
    syn_status st;
    memset(&j, 0, sizeof j);
    strcpy(j.kind, "upscale");
    j.priority = priority;
    st = syn_store_submit(s, &in, id, NULL, &err);
    if (st != SYN_OK) fprintf(stderr, "submit: %s\n", err.text);
    T_MUST(st == SYN_OK);
}

/* Takes the next job; its id, or "" when there is none. */
static inline void t_take(struct syn_store *s, char id[SYN_JOB_ID_SIZE])
{
    struct syn_err err = {{0}};
    struct syn_job j;
    syn_status st = syn_store_take(s, &j, &err);
    T_MUST(st == SYN_OK || st == SYN_NOT_FOUND);
    id[0] = '\0';
    if (st != SYN_OK) return;
    memcpy(id, j.id, SYN_JOB_ID_SIZE);
    syn_job_deinit(&j);
}

static inline syn_status t_finish(struct syn_store *s, const char *id, enum syn_job_state state,
                                  struct syn_err *err)
{
    struct syn_finish f;
    memset(&f, 0, sizeof f);
    f.id = id;
    f.state = state;
    if (state == SYN_JOB_FAILED) f.error_code = "numeric_error", f.error_detail = "NaN in tile 3";
    return syn_store_finish(s, &f, err);
}

static inline enum syn_job_state t_state(struct syn_store *s, const char *id)
{
    struct syn_err err = {{0}};
    struct syn_job j;
    enum syn_job_state state;
    if (syn_store_get(s, id, &j, &err) != SYN_OK) return SYN_JOB_STATE_COUNT;
    state = j.state;
    syn_job_deinit(&j);
    return state;
}

static inline int64_t t_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void t_sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

#endif
