/* test_store_crash.c - C01, C02: the process dies at any moment; the disk is full or read-only.
 *
 * A child submits, takes, finishes and cancels with several threads and tells the parent what was
 * acknowledged, one line each through a pipe (a write of one line is atomic). The parent kills it,
 * opens the store and holds it against the lines:
 *   1. every acknowledged submit exists, with its request;
 *   2. what was acknowledged as finished stays so, and is never given out again;
 *   3. nothing is running after open; what ran is queued, or failed as "crashed" at the limit;
 *   4. attempts never exceed the limit. */
#include "server/jobs/store.h"
#include "tests/store_t.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What the store and SQLite call: counts, and fails on demand. */
static atomic_int n_syncs, fail_syncs;

static int sync_call(long number, int fd)
{
    atomic_fetch_add(&n_syncs, 1);
    if (atomic_load(&fail_syncs)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(number, fd);
}
__attribute__((visibility("default"))) int fsync(int fd) { return sync_call(SYS_fsync, fd); }
__attribute__((visibility("default"))) int fdatasync(int fd) { return sync_call(SYS_fdatasync, fd); }

#define ROUNDS 50
#define LIMIT 3
#define MAX_JOBS 40000

struct known {
    char id[SYN_JOB_ID_SIZE];
    bool submitted, finished;
};
static struct known known[MAX_JOBS];
static int n_known, n_acks, n_kills_mid_run;

static struct known *know(const char *id)
{
    for (int i = n_known - 1; i >= 0; i--)
        if (strcmp(known[i].id, id) == 0) return &known[i];
    T_MUST(n_known < MAX_JOBS);
    strcpy(known[n_known].id, id);
    return &known[n_known++];
}

/* --- the child ---------------------------------------------------------------------------------------- */

struct child {
    struct syn_store *s;
    int out; /* the pipe */
};

static void tell(const struct child *c, char what, const char *id)
{
    char line[40];
    int n = snprintf(line, sizeof line, "%c %s\n", what, id);
    if (write(c->out, line, (size_t)n) != n) _exit(3);
}

static void *child_submits(void *p)
{
    struct child *c = p;
    for (int i = 0;; i++) {
        struct syn_err e;
        struct syn_job j = {.kind = "upscale", .n_inputs = 1};
        struct syn_submit in = {&j, NULL};
        char id[SYN_JOB_ID_SIZE], text[32], params[] = "{\"scale\":2}";
        syn_status st;
        j.params = params;
        j.priority = i % 2;
        snprintf(text, sizeof text, "input %d", i % 50);
        strcpy(j.input[0].name, "image");
        if (syn_blob_put(syn_store_blobs(c->s), text, strlen(text), j.input[0].sha256, &e) !=
            SYN_OK)
            _exit(4);
        st = syn_store_submit(c->s, &in, id, NULL, &e);
        if (st == SYN_OK) tell(c, 'S', id);
        else if (st == SYN_BUSY) t_sleep_ms(1);
        else _exit(5);
        if (i % 10 == 0 && st == SYN_OK && syn_store_cancel(c->s, id, NULL, &e) == SYN_OK)
            tell(c, 'C', id);
    }
    return NULL;
}

static void *child_works(void *p)
{
    struct child *c = p;
    for (int i = 0;; i++) {
        struct syn_err e;
        struct syn_job j;
        struct syn_job_output out = {{0}, "image/png", 26, 1, 1};
        struct syn_finish f = {
            .id = j.id, .state = SYN_JOB_SUCCEEDED, .result = "{}", .output = &out, .n_outputs = 1};
        syn_store_wait(c->s, 10);
        if (syn_store_take(c->s, &j, &e) != SYN_OK) continue;
        tell(c, 'T', j.id);
        syn_store_progress(c->s, j.id, "work", i, i + 1);
        if (j.cancel_requested) f.state = SYN_JOB_CANCELED, f.n_outputs = 0;
        if (i % 8 == 7) t_sleep_ms(3);
        if (syn_blob_put(syn_store_blobs(c->s), j.id, 26, out.sha256, &e) != SYN_OK) _exit(6);
        if (syn_store_finish(c->s, &f, &e) != SYN_OK) _exit(7);
        tell(c, 'F', j.id);
        syn_job_deinit(&j);
    }
    return NULL;
}

static void child_main(const char *dir, int out)
{
    struct syn_store_opts o = t_opts(dir);
    struct child c = {NULL, out};
    struct syn_err e = {{0}};
    pthread_t t[4];
    o.max_queued = 60, o.max_attempts = LIMIT;
    if (syn_store_open(&o, &c.s, &e) != SYN_OK) {
        fprintf(stderr, "child: %s\n", e.text);
        _exit(2);
    }
    tell(&c, 'O', "-");
    for (int i = 0; i < 2; i++) pthread_create(&t[i], NULL, child_submits, &c);
    for (int i = 2; i < 4; i++) pthread_create(&t[i], NULL, child_works, &c);
    for (;;) pause();
}

/* --- the parent ----------------------------------------------------------------------------------------- */

/* Takes in up to max lines, fewer when the pipe ends. */
static void learn(FILE *lines, int max)
{
    char what, id[SYN_JOB_ID_SIZE];
    while (max-- > 0 && fscanf(lines, "%c %31s", &what, id) == 2 && fgetc(lines) == '\n') {
        struct known *k;
        if (what == 'O') continue;
        n_acks++;
        k = know(id);
        if (what == 'S') k->submitted = true;
        if (what == 'T') T_CHECK(!k->finished, "%s was given out after its end", id);
        if (what == 'F') {
            T_CHECK(!k->finished, "%s ended twice", id);
            k->finished = true;
        }
    }
}

/* Kills the child so many acknowledgements and microseconds after it began. */
static void run_and_kill(const char *dir, int acks, int delay_us)
{
    int ends[2], status;
    pid_t pid;
    FILE *lines;
    T_MUST(pipe(ends) == 0);
    fflush(NULL);
    pid = fork();
    T_MUST(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child_main(dir, ends[1]);
    }
    close(ends[1]);
    T_MUST(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20) > 0); /* the child must not wait for us to read */
    T_MUST((lines = fdopen(ends[0], "r")) != NULL);
    learn(lines, 1 + acks); /* the first says that the store is open */
    usleep((useconds_t)delay_us);
    kill(pid, SIGKILL);
    T_MUST(waitpid(pid, &status, 0) == pid);
    T_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself: %x",
            status);
    learn(lines, MAX_JOBS);
    fclose(lines);
}

static void check_store(const char *dir, int round)
{
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    struct syn_store_counts n;
    struct syn_err e;
    o.max_attempts = LIMIT;
    s = t_open(&o);
    T_MUST(syn_store_counts(s, &n, &e) == SYN_OK);
    T_CHECK(n.by_state[SYN_JOB_RUNNING] == 0, "round %d: %d run", round,
            (int)n.by_state[SYN_JOB_RUNNING]);
    n_kills_mid_run += n.requeued_crash > 0;
    for (int i = 0; i < n_known; i++) {
        struct syn_job j;
        syn_status st = syn_store_get(s, known[i].id, &j, &e);
        T_CHECK(st == SYN_OK, "round %d: %s: %s", round, known[i].id, e.text);
        if (st != SYN_OK) continue;
        if (known[i].finished)
            T_CHECK(j.state == SYN_JOB_SUCCEEDED || j.state == SYN_JOB_CANCELED,
                    "round %d: %s ended and is %s", round, j.id, syn_job_state_word(j.state));
        if (j.state == SYN_JOB_SUCCEEDED) {
            uint64_t bytes = 0;
            T_CHECK(j.n_outputs == 1 &&
                        syn_blob_exists(syn_store_blobs(s), j.output[0].sha256, &bytes) &&
                        bytes == 26,
                    "round %d: %s succeeded without its output", round, j.id);
        }
        if (j.state == SYN_JOB_FAILED)
            T_CHECK(strcmp(j.error_code, "crashed") == 0 && j.attempts == LIMIT,
                    "round %d: %s after %d", round, j.error_code, j.attempts);
        T_CHECK(j.attempts <= LIMIT && strcmp(j.params, "{\"scale\":2}") == 0 && j.n_inputs == 1 &&
                    syn_blob_exists(syn_store_blobs(s), j.input[0].sha256, NULL),
                "round %d: %s as it was submitted", round, j.id);
        syn_job_deinit(&j);
    }
    syn_store_close(s);
}

static void test_C01_kill_at_any_moment(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    struct syn_store_counts n;
    struct syn_err e;
    unsigned seed = 12345;
    int drained = 0;
    for (int round = 0; round < ROUNDS; round++) {
        seed = seed * 1103515245 + 12345;
        run_and_kill(dir, (int)(seed >> 16) % 20, (int)(seed >> 20) % 5000);
        if (round % 10 == 9) check_store(dir, round);
    }
    check_store(dir, ROUNDS);
    fprintf(stderr, "%d kills, %d acknowledgements, %d jobs; %d of %d looks found one that ran\n",
            ROUNDS, n_acks, n_known, n_kills_mid_run, ROUNDS / 10 + 1);
    T_CHECK(n_acks > ROUNDS, "%d acknowledgements in %d rounds", n_acks, ROUNDS);
    o.max_attempts = LIMIT;
    s = t_open(&o);
    for (t_take(s, id); id[0]; t_take(s, id), drained++) {
        T_CHECK(!know(id)->finished, "%s was given out after its end", id);
        T_MUST(t_finish(s, id, SYN_JOB_SUCCEEDED, &e) == SYN_OK);
    }
    T_MUST(syn_store_counts(s, &n, &e) == SYN_OK);
    T_CHECK(n.by_state[SYN_JOB_QUEUED] == 0 && n.by_state[SYN_JOB_RUNNING] == 0,
            "all have ended, %d now", drained);
    syn_store_close(s);
    t_folder_drop(dir);
}

/* C01's own case: 5 jobs, death during the second. */
static void test_C01_in_order(void)
{
    char *dir = t_folder(), id[5][SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    int status;
    pid_t pid;
    fflush(NULL);
    pid = fork();
    T_MUST(pid >= 0);
    if (pid == 0) {
        struct syn_err e;
        char taken[SYN_JOB_ID_SIZE];
        s = t_open(&o);
        for (int i = 0; i < 5; i++) t_submit(s, 0, id[i]);
        t_take(s, taken);
        T_MUST(t_finish(s, taken, SYN_JOB_SUCCEEDED, &e) == SYN_OK);
        t_take(s, taken);
        raise(SIGKILL);
    }
    T_MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    s = t_open(&o);
    {
        struct syn_job_filter all = {.state = -1, .limit = 10};
        struct syn_job *list, j;
        struct syn_err e;
        int32_t n;
        T_MUST(syn_store_list(s, &all, &list, &n, &e) == SYN_OK);
        T_CHECK(n == 5, "%d jobs", n);
        for (int i = 0; i < n; i++) {
            enum syn_job_state want = i == n - 1 ? SYN_JOB_SUCCEEDED : SYN_JOB_QUEUED;
            T_CHECK(list[i].state == want && list[i].attempts == (i >= n - 2),
                    "job %d: %s, %d attempts", n - 1 - i, syn_job_state_word(list[i].state),
                    list[i].attempts);
            memcpy(id[n - 1 - i], list[i].id, SYN_JOB_ID_SIZE);
            syn_job_deinit(&list[i]);
        }
        syn_free(list);
        for (int i = 1; i < 5; i++) {
            T_MUST(syn_store_take(s, &j, &e) == SYN_OK);
            T_CHECK(strcmp(j.id, id[i]) == 0 && j.attempts == (i == 1 ? 2 : 1), "take %d", i);
            T_MUST(t_finish(s, j.id, SYN_JOB_SUCCEEDED, &e) == SYN_OK);
            syn_job_deinit(&j);
        }
    }
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- synced before it is told ----------------------------------------------------------------------- */

static int syncs_since(int *mark)
{
    int now = atomic_load(&n_syncs), since = now - *mark;
    *mark = now;
    return since;
}

static void check_synced(struct syn_store *s)
{
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE], sha[SYN_SHA256_HEX_SIZE];
    struct syn_err e = {{0}};
    int mark = 0;
    syncs_since(&mark);
    for (int i = 0; i < 3; i++) {
        t_submit(s, 0, one);
        T_CHECK(syncs_since(&mark) > 0, "submit");
        t_submit(s, 0, two);
        T_CHECK(syncs_since(&mark) > 0, "submit");
        T_MUST(syn_store_cancel(s, two, NULL, &e) == SYN_OK);
        T_CHECK(syncs_since(&mark) > 0, "cancel");
        t_take(s, one);
        T_CHECK(syncs_since(&mark) > 0, "take");
        T_MUST(syn_store_requeue(s, one, &e) == SYN_OK);
        T_CHECK(syncs_since(&mark) > 0, "requeue");
        t_take(s, one);
        syncs_since(&mark);
        T_MUST(t_finish(s, one, SYN_JOB_FAILED, &e) == SYN_OK);
        T_CHECK(syncs_since(&mark) > 0, "finish");
        T_CHECK(t_state(s, one) == SYN_JOB_FAILED && syncs_since(&mark) == 0, "a read needs none");
    }
    T_MUST(syn_blob_put(syn_store_blobs(s), "abc", 3, sha, &e) == SYN_OK);
    T_CHECK(syncs_since(&mark) >= 3, "blob: the file, its folder, the folder's entry");
}

/* The disk refuses to sync: no call that promises durability succeeds, and nothing is half done. */
static void check_unsynced(struct syn_store *s, char one[SYN_JOB_ID_SIZE])
{
    char two[SYN_JOB_ID_SIZE], sha[SYN_SHA256_HEX_SIZE];
    struct syn_store_counts n;
    struct syn_job j = {.kind = "upscale"};
    struct syn_submit in = {&j, NULL};
    struct syn_err e = {{0}};
    atomic_store(&fail_syncs, 1);
    T_CHECK(syn_store_submit(s, &in, one, NULL, &e) == SYN_IO && strstr(e.text, "disk"), "%s",
            e.text);
    T_CHECK(syn_blob_put(syn_store_blobs(s), "abcd", 4, sha, &e) == SYN_IO, "blob: %s", e.text);
    T_CHECK(syn_store_take(s, &j, &e) == SYN_NOT_FOUND, "what was not stored: %s", e.text);
    atomic_store(&fail_syncs, 0);
    T_MUST(syn_store_counts(s, &n, &e) == SYN_OK);
    T_CHECK(n.submitted == 6 && n.by_state[SYN_JOB_QUEUED] == 0 && n.blob_bytes == 3, "counts");
    t_submit(s, 0, one);
    atomic_store(&fail_syncs, 1);
    T_CHECK(syn_store_take(s, &j, &e) == SYN_IO, "take: %s", e.text);
    T_CHECK(syn_store_cancel(s, one, NULL, &e) == SYN_IO, "cancel: %s", e.text);
    T_CHECK(t_state(s, one) == SYN_JOB_QUEUED, "reads go on, and it still waits");
    atomic_store(&fail_syncs, 0);
    t_take(s, two);
    T_CHECK(strcmp(one, two) == 0, "taken when the disk is back: %s", two);
    T_CHECK(t_finish(s, one, SYN_JOB_SUCCEEDED, &e) == SYN_OK, "%s", e.text);
}

static void test_C01_synced_before_it_is_told(void)
{
    char *dir = t_folder(), one[SYN_JOB_ID_SIZE] = "";
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_store_counts n;
    struct syn_err e = {{0}};
    check_synced(s);
    check_unsynced(s, one);
    syn_store_close(s);
    s = t_open(&o);
    T_CHECK(t_state(s, one) == SYN_JOB_SUCCEEDED, "kept");
    T_MUST(syn_store_counts(s, &n, &e) == SYN_OK);
    T_CHECK(n.by_state[SYN_JOB_QUEUED] == 0, "nothing more than that");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- the disk -------------------------------------------------------------------------------------------- */

static syn_status submit_big(struct syn_store *s, const char *params, char id[SYN_JOB_ID_SIZE],
                             struct syn_err *e)
{
    struct syn_job j = {.kind = "upscale"};
    struct syn_submit in = {&j, NULL};
    char copy[20000];
    snprintf(copy, sizeof copy, "{\"x\":\"%s\"}", params);
    j.params = copy;
    return syn_store_submit(s, &in, id, NULL, e);
}

/* In a small file system of its own: full, then with room again, then read-only. */
static void disk_story(const char *dir)
{
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o), *other = NULL;
    struct syn_err e = {{0}};
    struct syn_store_counts n;
    char id[SYN_JOB_ID_SIZE], last[SYN_JOB_ID_SIZE] = "", sha[SYN_SHA256_HEX_SIZE], pad[8192],
                              path[4200];
    static unsigned char data[300000];
    syn_status st = SYN_OK;
    int stored = 0;
    memset(pad, 'p', sizeof pad);
    pad[sizeof pad - 1] = '\0';
    while (stored < 900 && (st = submit_big(s, pad, id, &e)) == SYN_OK)
        memcpy(last, id, sizeof last), stored++;
    T_CHECK(st == SYN_IO && strstr(e.text, "no space left"), "after %d jobs: %s, %s", stored,
            syn_status_word(st), e.text);
    T_CHECK(stored > 10 && t_state(s, last) == SYN_JOB_QUEUED, "the last of %d is there", stored);
    T_MUST(syn_store_counts(s, &n, &e) == SYN_OK);
    T_CHECK(n.by_state[SYN_JOB_QUEUED] == stored && n.submitted == stored, "%d counted",
            (int)n.by_state[0]);
    st = syn_blob_put(syn_store_blobs(s), data, sizeof data, sha, &e);
    T_CHECK(st == SYN_IO && strstr(e.text, "no space left"), "%s", e.text);
    snprintf(path, sizeof path, "%s/ballast", dir);
    T_MUST(unlink(path) == 0);
    T_CHECK(submit_big(s, pad, id, &e) == SYN_OK, "room again: %s", e.text);
    T_CHECK(syn_blob_put(syn_store_blobs(s), data, sizeof data, sha, &e) == SYN_OK,
            "room again: %s", e.text);
    syn_store_close(s);
    s = t_open(&o);
    T_MUST(syn_store_counts(s, &n, &e) == SYN_OK);
    T_CHECK(n.by_state[SYN_JOB_QUEUED] == stored + 1 && n.blob_bytes == sizeof data, "%d kept",
            (int)n.by_state[0]);
    syn_store_close(s);
    T_MUST(mount("none", dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    st = syn_store_open(&o, &other, &e);
    T_CHECK(st == SYN_IO && strstr(e.text, "read-only"), "%s: %s", syn_status_word(st), e.text);
}

static bool test_disk(void)
{
    char *dir = t_folder(), path[4200];
    int status;
    pid_t pid;
    fflush(NULL);
    pid = fork();
    T_MUST(pid >= 0);
    if (pid == 0) {
        static char ballast[700000];
        FILE *f;
        if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(77);
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", dir, "tmpfs", 0, "size=2m,mode=0700") != 0)
            _exit(77);
        snprintf(path, sizeof path, "%s/ballast", dir);
        f = fopen(path, "w");
        T_MUST(f && fwrite(ballast, sizeof ballast, 1, f) == 1 && fclose(f) == 0);
        t_passed = t_failed = 0;
        disk_story(dir);
        _exit(t_failed > 0 || t_passed == 0);
    }
    T_MUST(waitpid(pid, &status, 0) == pid);
    t_folder_drop(dir);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return false;
    T_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the full and read-only disk: status %x",
            status);
    return true;
}

/* Without a file system of our own: files may not grow beyond a limit. */
static void test_file_limit(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE], sha[SYN_SHA256_HEX_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_err e = {{0}};
    struct rlimit old, small;
    struct syn_store_counts n;
    static unsigned char data[200000];
    char pad[8192];
    syn_status st = SYN_OK;
    int stored = 0;
    memset(pad, 'p', sizeof pad);
    pad[sizeof pad - 1] = '\0';
    signal(SIGXFSZ, SIG_IGN);
    T_MUST(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old, small.rlim_cur = 150000;
    T_MUST(setrlimit(RLIMIT_FSIZE, &small) == 0);
    while (stored < 200 && (st = submit_big(s, pad, id, &e)) == SYN_OK) stored++;
    T_CHECK(st == SYN_IO && strstr(e.text, "disk"), "after %d: %s, %s", stored, syn_status_word(st),
            e.text);
    T_CHECK(syn_blob_put(syn_store_blobs(s), data, sizeof data, sha, &e) == SYN_IO,
            "a blob over the limit");
    T_MUST(setrlimit(RLIMIT_FSIZE, &old) == 0);
    T_CHECK(syn_store_counts(s, &n, &e) == SYN_OK && n.by_state[SYN_JOB_QUEUED] == stored &&
                n.blob_bytes == 0,
            "%d counted of %d", (int)n.by_state[0], stored);
    T_CHECK(submit_big(s, pad, id, &e) == SYN_OK, "without the limit: %s", e.text);
    syn_store_close(s);
    s = t_open(&o);
    T_CHECK(syn_store_counts(s, &n, &e) == SYN_OK && n.by_state[SYN_JOB_QUEUED] == stored + 1,
            "kept");
    syn_store_close(s);
    t_folder_drop(dir);
}

int main(void)
{
    bool disk;
    test_C01_in_order();
    test_C01_kill_at_any_moment();
    test_C01_synced_before_it_is_told();
    test_file_limit();
    disk = test_disk();
    if (disk) return t_report();
    printf("%d passed, %d failed, 1 skipped (no file system of our own may be mounted here)\n",
           t_passed, t_failed);
    return t_failed > 0 || t_passed == 0;
}
