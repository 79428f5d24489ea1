/* test_store_race.c - many threads on one store: cancel against finish and take, group commit, sweep
 * against submit. What is checked is what must hold whichever comes first. */
#include "server/jobs/store.h"
#include "tests/store_t.h"
#include <stdatomic.h>

/* --- C06 ------------------------------------------------------------------------------------------- */

struct duel {
    struct syn_store *s;
    pthread_barrier_t start, end;
    char one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE];
    int mode; /* 0: one runs and ends, two starts; 1: one is queued and is taken */
    atomic_bool over;
    syn_status finished;
};

static void *worker_side(void *p)
{
    struct duel *d = p;
    struct syn_err e;
    for (;;) {
        pthread_barrier_wait(&d->start);
        if (atomic_load(&d->over)) return NULL;
        if (d->mode == 0) d->finished = t_finish(d->s, d->one, SYN_JOB_SUCCEEDED, &e);
        t_take(d->s, d->taken);
        pthread_barrier_wait(&d->end);
    }
}

/* The outcome of one round, whichever side was first. */
static void judge(struct duel *d, syn_status cancel, bool running, int round)
{
    struct syn_job one, two;
    struct syn_err e;
    T_MUST(syn_store_get(d->s, d->one, &one, &e) == SYN_OK &&
           syn_store_get(d->s, d->two, &two, &e) == SYN_OK);
    T_CHECK(!two.cancel_requested && two.state != SYN_JOB_CANCELED, "round %d: the wrong job",
            round);
    if (d->mode == 0) {
        T_CHECK(d->finished == SYN_OK && one.state == SYN_JOB_SUCCEEDED, "round %d: it ended",
                round);
        T_CHECK(cancel == SYN_CONFLICT || (cancel == SYN_OK && running), "round %d: cancel %d",
                round, cancel);
        T_CHECK(strcmp(d->taken, d->two) == 0, "round %d: took %s", round, d->taken);
    } else if (strcmp(d->taken, d->one) == 0) { /* take was first: asked to stop, still running */
        T_CHECK(cancel == SYN_OK && running && one.state == SYN_JOB_RUNNING && one.cancel_requested,
                "round %d: taken and canceled", round);
    } else {
        T_CHECK(cancel == SYN_OK && !running && one.state == SYN_JOB_CANCELED && one.attempts == 0,
                "round %d: canceled before it was taken", round);
        T_CHECK(strcmp(d->taken, d->two) == 0, "round %d: took %s", round, d->taken);
    }
    syn_job_deinit(&one);
    syn_job_deinit(&two);
}

static void test_C06_cancel_races(void)
{
    char *dir = t_folder_quick();
    struct syn_store_opts o = t_opts(dir);
    struct duel d = {.s = t_open(&o)};
    pthread_t worker;
    struct syn_err e;
    int taken_first = 0, canceled_first = 0;
    pthread_barrier_init(&d.start, NULL, 2);
    pthread_barrier_init(&d.end, NULL, 2);
    T_MUST(pthread_create(&worker, NULL, worker_side, &d) == 0);
    for (int round = 0; round < 1000; round++) {
        bool running = false;
        syn_status st;
        d.mode = round & 1;
        t_submit(d.s, 0, d.one);
        if (d.mode == 0) t_take(d.s, d.taken);
        t_submit(d.s, 0, d.two);
        pthread_barrier_wait(&d.start);
        for (volatile int spin = 0; spin < round % 100 * 20; spin++) {}
        st = syn_store_cancel(d.s, d.one, &running, &e);
        pthread_barrier_wait(&d.end);
        judge(&d, st, running, round);
        if (d.mode == 1) strcmp(d.taken, d.one) == 0 ? taken_first++ : canceled_first++;
        for (int i = 0; i < 2; i++) { /* clear the table */
            const char *id = i ? d.two : d.one;
            if (t_state(d.s, id) == SYN_JOB_RUNNING)
                T_MUST(t_finish(d.s, id, SYN_JOB_CANCELED, &e) == SYN_OK);
            else if (t_state(d.s, id) == SYN_JOB_QUEUED)
                T_MUST(syn_store_cancel(d.s, id, NULL, &e) == SYN_OK);
        }
    }
    atomic_store(&d.over, true);
    pthread_barrier_wait(&d.start);
    pthread_join(worker, NULL);
    fprintf(stderr, "cancel against take: take first %d, cancel first %d\n", taken_first,
            canceled_first);
    T_CHECK(taken_first + canceled_first == 500, "500 rounds of it");
    syn_store_close(d.s);
    t_folder_drop(dir);
}

/* Several finishes of one job at once: one wins. */
struct finisher {
    struct syn_store *s;
    pthread_barrier_t *start;
    const char *id;
    enum syn_job_state state;
    syn_status st;
};

static void *finish_side(void *p)
{
    struct finisher *f = p;
    struct syn_err e;
    pthread_barrier_wait(f->start);
    f->st = t_finish(f->s, f->id, f->state, &e);
    return NULL;
}

static void test_one_finish(void)
{
    enum { N = 4, ROUNDS = 50 };
    static const enum syn_job_state end[N] = {SYN_JOB_SUCCEEDED, SYN_JOB_FAILED, SYN_JOB_CANCELED,
                                              SYN_JOB_SUCCEEDED};
    char *dir = t_folder_quick(), id[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_store_counts n;
    struct syn_err e;
    for (int round = 0; round < ROUNDS; round++) {
        struct finisher f[N];
        pthread_t t[N];
        pthread_barrier_t start;
        int won = 0;
        enum syn_job_state winner = SYN_JOB_QUEUED;
        pthread_barrier_init(&start, NULL, N);
        t_submit(s, 0, id);
        t_take(s, id);
        for (int i = 0; i < N; i++) {
            f[i] = (struct finisher){s, &start, id, end[i], SYN_OK};
            T_MUST(pthread_create(&t[i], NULL, finish_side, &f[i]) == 0);
        }
        for (int i = 0; i < N; i++) {
            pthread_join(t[i], NULL);
            T_CHECK(f[i].st == SYN_OK || f[i].st == SYN_CONFLICT, "status %d", f[i].st);
            if (f[i].st == SYN_OK) won++, winner = f[i].state;
        }
        pthread_barrier_destroy(&start);
        T_CHECK(won == 1 && t_state(s, id) == winner, "%d won", won);
    }
    T_CHECK(syn_store_counts(s, &n, &e) == SYN_OK && n.by_state[SYN_JOB_RUNNING] == 0 &&
                n.finished[2] + n.finished[3] + n.finished[4] == ROUNDS,
            "each ended once");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- everything at once ----------------------------------------------------------------------------- */

enum { SUBMITTERS = 8, TAKERS = 3, PER_SUBMITTER = 60 };

struct crowd {
    struct syn_store *s;
    atomic_int submitted, ended, canceled_queued, serial, readers_left;
    atomic_bool over;
};

static void *submitter(void *p)
{
    struct crowd *c = p;
    struct syn_err e = {{0}};
    for (int i = 0; i < PER_SUBMITTER; i++) {
        struct syn_job j = {.kind = "upscale", .n_inputs = 1};
        char text[32], id[SYN_JOB_ID_SIZE], key[16];
        int n = atomic_fetch_add(&c->serial, 1);
        struct syn_submit in = {&j, i % 4 == 0 ? key : NULL};
        bool replayed = true, running = false;
        snprintf(text, sizeof text, "picture %d", n % 7); /* the same ones, again and again */
        snprintf(key, sizeof key, "key-%d", n);
        syn_status st;
        strcpy(j.input[0].name, "image");
        j.priority = n % 3;
        do { /* sweep's hour is 20 ms here: it may be over before the submit, which then says so */
            T_MUST(syn_blob_put(syn_store_blobs(c->s), text, strlen(text), j.input[0].sha256, &e) ==
                   SYN_OK);
            st = syn_store_submit(c->s, &in, id, &replayed, &e);
            T_MUST(st == SYN_OK || st == SYN_NOT_FOUND);
        } while (st != SYN_OK);
        T_MUST(!replayed);
        atomic_fetch_add(&c->submitted, 1);
        if (i % 5 == 0) {
            st = syn_store_cancel(c->s, id, &running, &e);
            T_MUST(st == SYN_OK || st == SYN_CONFLICT);
            if (st == SYN_OK && !running) atomic_fetch_add(&c->canceled_queued, 1);
        }
        if (i % 7 == 0) T_MUST(syn_store_wait_final(c->s, id, 5, &e) == SYN_OK);
    }
    return NULL;
}

static void *taker(void *p)
{
    struct crowd *c = p;
    struct syn_err e = {{0}};
    while (!atomic_load(&c->over)) {
        struct syn_job j;
        uint64_t bytes;
        syn_status st;
        syn_store_wait(c->s, 20);
        st = syn_store_take(c->s, &j, &e);
        T_MUST(st == SYN_OK || st == SYN_NOT_FOUND);
        if (st != SYN_OK) continue;
        T_MUST(j.attempts == 1 && j.n_inputs == 1 &&
               syn_blob_exists(syn_store_blobs(c->s), j.input[0].sha256, &bytes));
        syn_store_progress(c->s, j.id, "work", 1, 2);
        T_MUST(t_finish(c->s, j.id, SYN_JOB_SUCCEEDED, &e) == SYN_OK);
        atomic_fetch_add(&c->ended, 1);
        syn_job_deinit(&j);
    }
    return NULL;
}

static void *sweeper(void *p)
{
    struct crowd *c = p;
    struct syn_err e = {{0}};
    /* As if it were an hour later but for 20 ms: what ended just now expires, and blobs go as soon as
     * nobody names them. A job that waits or runs keeps its own. */
    while (!atomic_load(&c->over)) {
        T_MUST(syn_store_sweep(c->s, t_now_ms() + 3600000 - 20, &e) == SYN_OK);
        t_sleep_ms(5);
    }
    return NULL;
}

static void *reader(void *p)
{
    struct crowd *c = p;
    struct syn_err e = {{0}};
    struct syn_job_filter f = {.state = -1, .limit = 20};
    while (!atomic_load(&c->over)) {
        struct syn_job *list;
        struct syn_store_counts n;
        int32_t count;
        T_MUST(syn_store_list(c->s, &f, &list, &count, &e) == SYN_OK);
        for (int i = 0; i < count; i++) syn_job_deinit(&list[i]);
        syn_free(list);
        T_MUST(syn_store_counts(c->s, &n, &e) == SYN_OK);
        for (int i = 0; i < SYN_JOB_STATE_COUNT; i++) T_MUST(n.by_state[i] >= 0);
        t_sleep_ms(1);
    }
    return NULL;
}

static void test_crowd(void)
{
    char *dir = t_folder();
    struct syn_store_opts o = t_opts(dir);
    struct crowd c = {0};
    pthread_t sub[SUBMITTERS], take[TAKERS], read[10], sweep;
    struct syn_store_counts n;
    struct syn_err e;
    o.result_retention_ms = 3600000 - 10;
    c.s = t_open(&o);
    for (int i = 0; i < TAKERS; i++) T_MUST(pthread_create(&take[i], NULL, taker, &c) == 0);
    for (int i = 0; i < 10; i++)
        T_MUST(pthread_create(&read[i], NULL, reader, &c) == 0); /* more than connections */
    T_MUST(pthread_create(&sweep, NULL, sweeper, &c) == 0);
    for (int i = 0; i < SUBMITTERS; i++) T_MUST(pthread_create(&sub[i], NULL, submitter, &c) == 0);
    for (int i = 0; i < SUBMITTERS; i++) pthread_join(sub[i], NULL);
    for (int i = 0; i < 3000 && atomic_load(&c.ended) + atomic_load(&c.canceled_queued) <
                                    SUBMITTERS * PER_SUBMITTER;
         i++)
        t_sleep_ms(10);
    atomic_store(&c.over, true);
    syn_store_wake(c.s);
    for (int i = 0; i < TAKERS; i++) pthread_join(take[i], NULL);
    for (int i = 0; i < 10; i++) pthread_join(read[i], NULL);
    pthread_join(sweep, NULL);
    T_CHECK(syn_store_counts(c.s, &n, &e) == SYN_OK, "%s", e.text);
    T_CHECK(n.submitted == SUBMITTERS * PER_SUBMITTER, "%d submitted", (int)n.submitted);
    T_CHECK(n.finished[SYN_JOB_SUCCEEDED] == atomic_load(&c.ended) &&
                n.finished[SYN_JOB_SUCCEEDED] + n.finished[SYN_JOB_CANCELED] == n.submitted,
            "%d ended, %d canceled of %d", (int)n.finished[2], (int)n.finished[4],
            (int)n.submitted);
    T_CHECK(n.by_state[SYN_JOB_EXPIRED] > 0, "sweep found something to do");
    T_CHECK(n.by_state[SYN_JOB_QUEUED] == 0 && n.by_state[SYN_JOB_RUNNING] == 0,
            "nothing is left over");
    syn_store_close(c.s);
    t_folder_drop(dir);
}

/* --- group commit ------------------------------------------------------------------------------------- */

static void *submit_some(void *p)
{
    struct crowd *c = p;
    char id[SYN_JOB_ID_SIZE];
    for (int i = 0; i < 20; i++) t_submit(c->s, 0, id);
    return NULL;
}

static double per_second(struct crowd *c, int threads)
{
    pthread_t t[64];
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < threads; i++) T_MUST(pthread_create(&t[i], NULL, submit_some, c) == 0);
    for (int i = 0; i < threads; i++) pthread_join(t[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return threads * 20 / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9);
}

static void test_group_commit(void)
{
    char *dir = t_folder();
    struct syn_store_opts o = t_opts(dir);
    struct crowd c = {0};
    struct syn_store_counts n;
    struct syn_err e;
    double one, many;
    o.max_queued = 10000;
    c.s = t_open(&o);
    one = per_second(&c, 1);
    many = per_second(&c, 64);
    fprintf(stderr, "submits per second: 1 thread %.0f, 64 threads %.0f\n", one, many);
    T_CHECK(syn_store_counts(c.s, &n, &e) == SYN_OK && n.by_state[SYN_JOB_QUEUED] == 65 * 20,
            "all of them");
    syn_store_close(c.s);
    c.s = t_open(&o);
    T_CHECK(syn_store_counts(c.s, &n, &e) == SYN_OK && n.by_state[SYN_JOB_QUEUED] == 65 * 20,
            "on disk too");
    syn_store_close(c.s);
    t_folder_drop(dir);
}

int main(void)
{
    test_C06_cancel_races();
    test_one_finish();
    test_crowd();
    test_group_commit();
    return t_report();
}
