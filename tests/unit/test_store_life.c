/* test_store_life.c - the store as a whole: opening and its refusals, recovery, pause and retry, waits,
 * and each allocation failing in turn. */
#include "server/jobs/store.h"
#include "tests/store_t.h"
#include <sys/stat.h>

static struct syn_err err;

/* --- pause, retry, waits --------------------------------------------------------------------------------- */

static void test_C07_pause_and_retry(void)
{
    char *dir = t_folder(), id[3][SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE], again[SYN_JOB_ID_SIZE],
         sha[SYN_SHA256_HEX_SIZE], params[] = "{\"seed\":7}";
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job j = {.kind = "diffuse",
                        .n_inputs = 1,
                        .priority = 3,
                        .params = params,
                        .owner = "bob"},
                   got;
    struct syn_submit in = {&j, "once", 1};
    T_CHECK(syn_store_pause(s, true, &err) == SYN_OK && syn_store_paused(s), "%s", err.text);
    for (int i = 0; i < 3; i++) t_submit(s, 0, id[i]);
    syn_store_wait(s, 1); /* returns by its time: a paused queue has nothing to give */
    T_CHECK(syn_store_take(s, &got, &err) == SYN_NOT_FOUND && strstr(err.text, "paused"), "%s",
            err.text);
    for (int i = 0; i < 3; i++) T_CHECK(t_state(s, id[i]) == SYN_JOB_QUEUED, "queued");
    syn_store_close(s);
    s = t_open(&o);
    T_CHECK(syn_store_paused(s), "it survives a restart");
    t_take(s, taken);
    T_CHECK(taken[0] == 0, "still paused");
    T_CHECK(syn_store_pause(s, false, &err) == SYN_OK && !syn_store_paused(s), "%s", err.text);
    for (int i = 0; i < 3; i++) {
        t_take(s, taken);
        T_CHECK(strcmp(taken, id[i]) == 0, "in order");
        T_MUST(t_finish(s, taken, SYN_JOB_SUCCEEDED, &err) == SYN_OK);
    }
    T_MUST(syn_blob_put(syn_store_blobs(s), "in", 2, sha, &err) == SYN_OK);
    strcpy(j.input[0].name, "image"), strcpy(j.input[0].sha256, sha);
    T_MUST(syn_store_submit(s, &in, id[0], NULL, &err) == SYN_OK);
    t_take(s, taken);
    T_MUST(t_finish(s, id[0], SYN_JOB_FAILED, &err) == SYN_OK);
    T_CHECK(syn_store_retry(s, id[0], again, &err) == SYN_OK, "%s", err.text);
    T_MUST(syn_store_get(s, again, &got, &err) == SYN_OK);
    T_CHECK(strcmp(got.retry_of, id[0]) == 0 && got.state == SYN_JOB_QUEUED && got.attempts == 0,
            "linked");
    T_CHECK(strcmp(got.params, params) == 0 && got.priority == 3 && strcmp(got.owner, "bob") == 0 &&
                got.n_inputs == 1 && strcmp(got.input[0].sha256, sha) == 0 &&
                got.error_code[0] == 0,
            "same request");
    syn_job_deinit(&got);
    T_MUST(syn_store_get(s, id[0], &got, &err) == SYN_OK);
    T_CHECK(got.state == SYN_JOB_FAILED && strcmp(got.error_code, "numeric_error") == 0 &&
                strcmp(got.error_detail, "NaN in tile 3") == 0,
            "the old one stays");
    syn_job_deinit(&got);
    syn_store_close(s);
    t_folder_drop(dir);
}

struct later {
    struct syn_store *s;
    const char *id;
    int what;
};

static void *do_later(void *p)
{
    struct later *l = p;
    struct syn_err e;
    t_sleep_ms(50);
    if (l->what == 0) T_MUST(syn_store_cancel(l->s, l->id, NULL, &e) == SYN_OK);
    if (l->what == 1) syn_store_stop_waiters(l->s);
    if (l->what == 2) syn_store_wake(l->s);
    if (l->what == 4) T_MUST(syn_store_requeue(l->s, l->id, &e) == SYN_OK);
    if (l->what == 5) T_MUST(syn_store_pause(l->s, false, &e) == SYN_OK);
    if (l->what == 3) {
        char id[SYN_JOB_ID_SIZE];
        t_submit(l->s, 0, id);
    }
    return NULL;
}

static int64_t timed(struct syn_store *s, int what, const char *id, int32_t timeout)
{
    struct later l = {s, id, what};
    pthread_t t;
    int64_t start = t_now_ms();
    T_MUST(pthread_create(&t, NULL, do_later, &l) == 0);
    if (what < 2) T_CHECK(syn_store_wait_final(s, id, timeout, &err) == SYN_OK, "%s", err.text);
    else syn_store_wait(s, timeout);
    start = t_now_ms() - start;
    pthread_join(t, NULL);
    return start;
}

static void test_waits(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    int64_t start;
    t_submit(s, 0, id);
    T_CHECK(timed(s, 0, id, 60000) < 30000, "told of the end");
    T_CHECK(t_state(s, id) == SYN_JOB_CANCELED, "and it is one");
    T_CHECK(syn_store_wait_final(s, id, 60000, &err) == SYN_OK, "at once");
    T_CHECK(syn_store_wait_final(s, "job_0000000000000000000000", 1, &err) == SYN_NOT_FOUND,
            "unknown");
    t_submit(s, 0, id);
    start = t_now_ms();
    T_CHECK(syn_store_wait_final(s, id, 80, &err) == SYN_OK && t_now_ms() - start >= 75,
            "by its time");
    start = t_now_ms();
    syn_store_wait(s, 60000);
    T_CHECK(t_now_ms() - start < 30000, "something is queued: at once");
    t_take(s, taken);
    start = t_now_ms();
    syn_store_wait(s, 80);
    T_CHECK(t_now_ms() - start >= 75, "by its time");
    T_CHECK(timed(s, 2, NULL, 60000) < 30000, "woken");
    syn_store_wake(s); /* nobody waits: kept for the next */
    start = t_now_ms();
    syn_store_wait(s, 60000);
    T_CHECK(t_now_ms() - start < 30000, "the kept wake");
    start = t_now_ms();
    syn_store_wait(s, 80);
    T_CHECK(t_now_ms() - start >= 75, "kept once");
    T_CHECK(timed(s, 4, id, 60000) < 30000, "woken by a job that is put back");
    T_MUST(syn_store_pause(s, true, &err) == SYN_OK);
    T_CHECK(timed(s, 5, NULL, 60000) < 30000, "woken by the end of a pause");
    t_take(s, taken);
    T_CHECK(strcmp(taken, id) == 0, "which gives it out again");
    T_CHECK(timed(s, 3, NULL, 60000) < 30000, "woken by a submit");
    T_CHECK(timed(s, 1, id, 60000) < 30000, "shutdown");
    T_CHECK(t_state(s, id) == SYN_JOB_RUNNING, "and it has not ended");
    start = t_now_ms();
    T_CHECK(syn_store_wait_final(s, id, 60000, &err) == SYN_OK && t_now_ms() - start < 30000,
            "from now on");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- open, recovery ---------------------------------------------------------------------------------------- */

static void test_C01_C02_recovery(void)
{
    char *dir = t_folder(), id[4][SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    struct syn_store_counts n;
    struct syn_job j;
    o.max_attempts = 2, o.result_retention_ms = 1000;
    s = t_open(&o);
    for (int i = 0; i < 4; i++) t_submit(s, 0, id[i]);
    for (int i = 0; i < 3; i++) t_take(s, taken); /* 0, 1, 2 run */
    T_MUST(t_finish(s, id[0], SYN_JOB_SUCCEEDED, &err) == SYN_OK);
    T_MUST(syn_store_cancel(s, id[2], NULL, &err) == SYN_OK); /* asked only */
    T_CHECK(t_state(s, id[2]) == SYN_JOB_RUNNING, "runs on");
    syn_store_close(s); /* what close leaves running, a death leaves running too */
    s = t_open(&o);
    T_CHECK(syn_store_counts(s, &n, &err) == SYN_OK && n.requeued_crash == 1, "%d requeued",
            (int)n.requeued_crash);
    T_CHECK(n.by_state[SYN_JOB_RUNNING] == 0 && n.by_state[SYN_JOB_QUEUED] == 2 &&
                n.oldest_queued_ms > 0,
            "counts");
    T_CHECK(t_state(s, id[0]) == SYN_JOB_SUCCEEDED, "the finished one");
    T_CHECK(t_state(s, id[2]) == SYN_JOB_CANCELED, "the cancel that was asked for");
    T_MUST(syn_store_take(s, &j, &err) == SYN_OK);
    T_CHECK(strcmp(j.id, id[1]) == 0 && j.attempts == 2, "in its old place, attempt %d",
            j.attempts);
    syn_job_deinit(&j);
    syn_store_close(s);
    s = t_open(&o);
    T_MUST(syn_store_get(s, id[1], &j, &err) == SYN_OK);
    T_CHECK(j.state == SYN_JOB_FAILED && strcmp(j.error_code, "crashed") == 0 &&
                strstr(j.error_detail, "2 times"),
            "%s %s", j.error_code, j.error_detail);
    T_CHECK(j.expires_ms > j.finished_ms && j.finished_ms > 0, "it expires like others");
    syn_job_deinit(&j);
    t_take(s, taken);
    T_CHECK(strcmp(taken, id[3]) == 0, "the next one runs");
    syn_store_close(s);
    t_folder_drop(dir);
}

static void test_open(void)
{
    char *dir = t_folder(), deep[4200], id[SYN_JOB_ID_SIZE], cmd[4300];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s, *other = NULL;
    struct stat info;
    FILE *f;
    snprintf(deep, sizeof deep, "%s/a/b/c", dir);
    o.data_dir = deep;
    s = t_open(&o);
    T_CHECK(stat(deep, &info) == 0 && (info.st_mode & 0777) == 0700, "the folder is ours alone");
    snprintf(cmd, sizeof cmd, "%s/synthd.db", deep);
    T_CHECK(stat(cmd, &info) == 0 && (info.st_mode & 0777) == 0600, "the database too");
    snprintf(cmd, sizeof cmd, "%s/synthd.db-wal", deep);
    T_CHECK(stat(cmd, &info) == 0 && (info.st_mode & 0777) == 0600, "and its log");
    T_CHECK(syn_store_open(&o, &other, &err) == SYN_CONFLICT && strstr(err.text, "in use"), "%s",
            err.text);
    snprintf(cmd, sizeof cmd, "%d", (int)getpid());
    T_CHECK(strstr(err.text, cmd), "names the process: %s", err.text);
    t_submit(s, 0, id);
    syn_store_close(s);
    syn_store_close(NULL);
    s = t_open(&o);
    T_CHECK(t_state(s, id) == SYN_JOB_QUEUED, "kept");
    syn_store_close(s);
    o.max_queued = 0;
    T_CHECK(syn_store_open(&o, &other, &err) == SYN_INVALID && strstr(err.text, "max_queued = 0"),
            "%s", err.text);
    o = t_opts(deep), o.max_attempts = 0;
    T_CHECK(syn_store_open(&o, &other, &err) == SYN_INVALID && strstr(err.text, "max_attempts"),
            "%s", err.text);
    o = t_opts(""), o.data_dir = "";
    T_CHECK(syn_store_open(&o, &other, &err) == SYN_INVALID, "%s", err.text);
    snprintf(cmd, sizeof cmd, "%s/synthd.db", deep);
    T_MUST((f = fopen(cmd, "w")) != NULL);
    for (int i = 0; i < 500; i++) fputs("not a database, not at all ", f);
    fclose(f);
    o = t_opts(deep);
    T_CHECK(syn_store_open(&o, &other, &err) == SYN_IO && strstr(err.text, "damaged"), "%s",
            err.text);
    snprintf(cmd, sizeof cmd, "%s/file", dir);
    T_MUST((f = fopen(cmd, "w")) != NULL);
    fclose(f);
    o = t_opts(cmd);
    T_CHECK(syn_store_open(&o, &other, &err) == SYN_IO && strstr(err.text, "data folder"), "%s",
            err.text);
    T_CHECK(other == NULL, "nothing came of all this");
    t_folder_drop(dir);
}

/* --- memory -------------------------------------------------------------------------------------------------- */

/* The n-th allocation fails, for every n up to where the call needs no more: it says so, changes
 * nothing, leaks nothing (a sanitizer run tells), and works the next time. */
static void test_allocations(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE], other[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_job_filter all = {.state = -1, .limit = 10};
    struct syn_store *s = NULL;
    struct syn_job j, *list = NULL;
    int32_t n = 0;
    syn_status st = SYN_NO_MEMORY;
    for (int i = 1; i < 50 && st != SYN_OK; i++) {
        syn_alloc_fail_at(i);
        st = syn_store_open(&o, &s, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || st == SYN_NO_MEMORY, "open, allocation %d: %s", i, err.text);
    }
    T_MUST(st == SYN_OK);
    for (int i = 0; i < 2; i++) t_submit(s, 0, i ? other : id);
    st = SYN_NO_MEMORY;
    for (int i = 1; i < 50 && st != SYN_OK; i++) {
        syn_alloc_fail_at(i);
        st = syn_store_take(s, &j, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || st == SYN_NO_MEMORY, "take, allocation %d: %s", i, err.text);
        T_CHECK(st == SYN_OK || t_state(s, id) == SYN_JOB_QUEUED,
                "take, allocation %d: taken all the same", i);
    }
    T_CHECK(st == SYN_OK && strcmp(j.id, id) == 0 && j.attempts == 1, "the first job, once");
    syn_job_deinit(&j);
    st = SYN_NO_MEMORY;
    for (int i = 1; i < 50 && st != SYN_OK; i++) {
        syn_alloc_fail_at(i);
        st = syn_store_get(s, id, &j, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || st == SYN_NO_MEMORY, "get, allocation %d: %s", i, err.text);
    }
    T_MUST(st == SYN_OK);
    syn_job_deinit(&j);
    st = SYN_NO_MEMORY;
    for (int i = 1; i < 50 && st != SYN_OK; i++) {
        syn_alloc_fail_at(i);
        st = syn_store_list(s, &all, &list, &n, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || st == SYN_NO_MEMORY, "list, allocation %d: %s", i, err.text);
    }
    T_CHECK(st == SYN_OK && n == 2, "%d jobs", n);
    for (int i = 0; i < n; i++) syn_job_deinit(&list[i]);
    syn_free(list);
    syn_store_close(s);
    t_folder_drop(dir);
}

int main(void)
{
    test_C07_pause_and_retry();
    test_waits();
    test_C01_C02_recovery();
    test_open();
    test_allocations();
    return t_report();
}
