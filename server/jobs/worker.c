/* worker.c - see worker.h.
 *
 * Two threads share a job's work:
 *
 *     compute  take -> read, decode -> size -> load -> units ─┐ hand over (waits while the post
 *     post     encode -> blob (fsync) -> finish  ◄────────────┘ thread is behind)
 *
 * so the encoder and the disk run beside the next job's network. At most POST_QUEUE results wait
 * between the two, and the next job does not begin while those on the post thread's side are over
 * half of the memory budget (a job that could be over the whole is refused): memory stays bounded.
 *
 * A job that has been tried before may be what killed the process, so it runs alone: nothing is
 * computed while it is encoded and the other way round. So a job that merely stood beside a crash
 * once is not charged a second time.
 *
 * Which job is where is guarded by mu. cancel compares ids under it, and an item leaves the three
 * places (computing, queue, posting) under it before it is freed: a cancel never reaches another
 * job.
 *
 * Layer:   server/jobs.   Threads: as worker.h. Ownership: an item belongs to the thread that works
 * on it; the hand-over passes it on. */
#include "server/jobs/worker.h"
#include "kernels/base/alloc.h"
#include "kernels/base/log.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POST_QUEUE 1      /* finished results that wait for the post thread */
#define IDLE_WAIT_MS 1000 /* a take is tried again at least so often */
#define CANCEL_LOOK_SECONDS 0.2 /* between two looks at the store's cancel_requested */

/* Compared by address. */
static const char trouble_none[] = "", trouble_storage[] = "storage";

/* What a job ended with, on its way to the store. */
struct ending {
    struct syn_job_output output[SYN_MAX_JOB_OUTPUTS];
    char *result, *warnings; /* owned */
    enum syn_task_step step; /* the running one */
};

/* One job on its way. */
struct item {
    struct syn_job job;
    struct syn_task *task;
    atomic_bool cancel;   /* stops compute and post at their next look */
    atomic_bool requeue;  /* only stop wants it: back to the queue, or stored when computed */
    double load, compute; /* seconds */
    uint64_t held_bytes;  /* of what waits to be encoded; set before the hand-over */
};

struct syn_worker {
    struct syn_worker_opts opts;
    _Atomic(const char *) trouble; /* static text */
    pthread_t compute_thread, post_thread;
    pthread_mutex_t mu;
    pthread_cond_t changed; /* anything below changed */
    bool held, stopping;    /* guarded by mu */
    bool late;              /* guarded by mu: stopping, and the deadline has passed */
    bool compute_ended;     /* guarded by mu: nothing more comes to the queue */
    bool joined;            /* main thread only */
    struct item *computing; /* guarded by mu, as are the next three */
    struct item *queue[POST_QUEUE];
    int32_t n_queue;
    struct item *posting;
    struct ending ending; /* the post thread's alone */
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_ms(int32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static void close_task(struct item *it)
{
    syn_task_close(it->task);
    it->task = NULL;
}

static void free_item(struct item *it)
{
    if (!it) return;
    close_task(it);
    syn_job_deinit(&it->job);
    syn_free(it);
}

/* A client's wish goes before stop's. */
static void cancel_item(struct item *it)
{
    atomic_store(&it->requeue, false);
    atomic_store(&it->cancel, true);
}

/* Back to the queue at its next look. */
static void give_up(struct item *it)
{
    if (atomic_load(&it->cancel)) return;
    atomic_store(&it->requeue, true);
    atomic_store(&it->cancel, true);
}

/* By a client: what stop wants no more of has been computed by then. */
static bool is_canceled(struct item *it)
{
    return atomic_load(&it->cancel) && !atomic_load(&it->requeue);
}

static bool is_stopping(struct syn_worker *w)
{
    bool stopping;
    pthread_mutex_lock(&w->mu);
    stopping = w->stopping;
    pthread_mutex_unlock(&w->mu);
    return stopping;
}

static void give_back_memory(struct syn_worker *w)
{
    syn_engine_trim(w->opts.engine, 0);
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* ---- the end of a job ---- */

static void tell_done(struct syn_worker *w, const char *id)
{
    struct syn_job job = {0};
    struct syn_err err;
    if (syn_store_get(w->opts.store, id, &job, &err) != SYN_OK) return;
    syn_log(SYN_LOG_INFO,
            "job finished id=%s state=%s kind=%s model=%s attempts=%d load=%.3f compute=%.3f "
            "encode=%.3f%s%s",
            job.id, syn_job_state_word(job.state), job.kind, job.model, job.attempts,
            job.seconds_load, job.seconds_compute, job.seconds_encode,
            job.error_code[0] ? " code=" : "", job.error_code);
    if (w->opts.on_done) w->opts.on_done(w->opts.user, &job);
    syn_job_deinit(&job);
}

/* The row did not take the end it was given, for a reason that will not pass: a job must not stay
 * running for that. */
static void finish_otherwise(struct syn_worker *w, const struct syn_finish *f)
{
    struct syn_err err;
    const struct syn_finish failed = {.id = f->id,
                                      .state = SYN_JOB_FAILED,
                                      .error_code = "internal",
                                      .error_detail = "the server failed; see its log",
                                      .seconds_load = f->seconds_load,
                                      .seconds_compute = f->seconds_compute};
    syn_status st = syn_store_finish(w->opts.store, &failed, &err);
    if (st == SYN_OK) tell_done(w, f->id);
    else
        syn_log(SYN_LOG_ERROR, "job cannot be failed either id=%s status=%s why=\"%s\"", f->id,
                syn_status_word(st), err.text);
}

/* The store's word is the job's end. While the disk refuses it the worker says so and tries again;
 * when the daemon stops meanwhile, the next start finds the job running and recovers it. */
static void finish(struct syn_worker *w, const struct syn_finish *f)
{
    struct syn_err err;
    bool said = false;
    for (;;) {
        syn_status st = syn_store_finish(w->opts.store, f, &err);
        if (st == SYN_OK) {
            const char *was = trouble_storage;
            if (said) atomic_compare_exchange_strong(&w->trouble, &was, trouble_none);
            tell_done(w, f->id);
            return;
        }
        if (st != SYN_IO && st != SYN_NO_MEMORY) {
            syn_log(SYN_LOG_ERROR, "job cannot be finished id=%s status=%s why=\"%s\"", f->id,
                    syn_status_word(st), err.text);
            if (st != SYN_CONFLICT) finish_otherwise(w, f);
            return;
        }
        if (!said) {
            const char *was = trouble_none;
            syn_log(SYN_LOG_ERROR, "store refuses a result id=%s why=\"%s\"", f->id, err.text);
            atomic_compare_exchange_strong(&w->trouble, &was, trouble_storage);
            said = true;
        }
        if (is_stopping(w)) return;
        sleep_ms(1000);
    }
}

/* Our own faults are logged in full and told in one word: a client learns nothing of the inside. */
static void finish_failed(struct syn_worker *w, const struct item *it, const char *code,
                          syn_status st, const struct syn_err *why)
{
    bool ours = strcmp(code, "internal") == 0 || strcmp(code, "storage_failed") == 0;
    struct syn_finish f = {.id = it->job.id,
                           .state = st == SYN_CANCELED ? SYN_JOB_CANCELED : SYN_JOB_FAILED,
                           .error_code = code,
                           .seconds_load = it->load,
                           .seconds_compute = it->compute};
    f.error_detail = !ours          ? why->text
                     : st == SYN_IO ? "the server's storage failed"
                                    : "the server failed; see its log";
    if (st == SYN_CANCELED) f.error_code = f.error_detail = NULL;
    else
        syn_log(ours ? SYN_LOG_ERROR : SYN_LOG_INFO,
                "job failed id=%s code=%s status=%s why=\"%s\"", it->job.id, code,
                syn_status_word(st), why->text);
    finish(w, &f);
}

/* ---- the post thread ---- */

/* Encodes output i and puts it away. The task goes once its last output is encoded: the file's bytes
 * are all that is needed then. */
static syn_status store_output(struct syn_worker *w, struct item *it, int32_t i, bool last,
                               struct ending *end, struct syn_err *err)
{
    struct syn_job_output *out = &end->output[i];
    struct syn_task_made made;
    struct syn_buf bytes = {0};
    syn_status st = SYN_OK;
    end->step = SYN_STEP_ENCODE;
    if (is_canceled(it)) return SYN_CANCELED;
    st = syn_task_encode(it->task, i, &bytes, &made, err);
    if (st == SYN_OK && last) {
        end->warnings = syn_task_warnings(it->task);
        end->result = syn_task_result(it->task);
        if (!end->result) st = syn_fail(err, SYN_NO_MEMORY, "no memory for the result's record");
    }
    if (st == SYN_OK) {
        snprintf(out->name, sizeof out->name, "%s", made.name);
        snprintf(out->media_type, sizeof out->media_type, "%s", made.media_type);
        out->width = made.width;
        out->height = made.height;
        out->bytes = bytes.size;
        if (last) close_task(it);
        if (is_canceled(it)) st = SYN_CANCELED;
    }
    if (st == SYN_OK) {
        end->step = SYN_STEP_STORE;
        st = syn_blob_put(syn_store_blobs(w->opts.store), bytes.data, bytes.size, out->sha256, err);
    }
    syn_buf_deinit(&bytes);
    return st;
}

static void store_result(struct syn_worker *w, struct item *it)
{
    struct ending *end = &w->ending;
    struct syn_err err = {{0}};
    const double began = now_seconds();
    const int32_t n = syn_task_outputs(it->task);
    syn_status st = SYN_OK;
    memset(end, 0, sizeof *end);
    end->step = SYN_STEP_ENCODE;
    syn_store_progress(w->opts.store, it->job.id, "encode", it->job.units_done,
                       it->job.units_total);
    if (n < 1 || n > SYN_MAX_JOB_OUTPUTS)
        st = syn_fail(&err, SYN_UNSUPPORTED, "%d outputs: 1 to %d can be kept", n,
                      SYN_MAX_JOB_OUTPUTS);
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        st = store_output(w, it, i, i == n - 1, end, &err);
    if (st == SYN_OK) {
        const struct syn_finish f = {.id = it->job.id,
                                     .state = SYN_JOB_SUCCEEDED,
                                     .result = end->result,
                                     .warnings = end->warnings,
                                     .output = end->output,
                                     .n_outputs = n,
                                     .seconds_load = it->load,
                                     .seconds_compute = it->compute,
                                     .seconds_encode = now_seconds() - began};
        finish(w, &f);
    } else {
        const char *code = syn_task_code(it->task, end->step, st);
        close_task(it);
        finish_failed(w, it, code, st, &err);
    }
    syn_free(end->result);
    syn_free(end->warnings);
}

static void *post_main(void *user)
{
    struct syn_worker *w = user;
    pthread_mutex_lock(&w->mu);
    for (;;) {
        struct item *it;
        while (!w->n_queue && !w->compute_ended) pthread_cond_wait(&w->changed, &w->mu);
        if (!w->n_queue) break;
        it = w->posting = w->queue[0];
        w->n_queue--;
        memmove(&w->queue[0], &w->queue[1], (size_t)w->n_queue * sizeof w->queue[0]);
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->mu);
        store_result(w, it);
        pthread_mutex_lock(&w->mu);
        w->posting = NULL;
        pthread_cond_broadcast(&w->changed);
        free_item(it);
    }
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

/* computing -> queue, once there is room. */
static void hand_over(struct syn_worker *w, struct item *it)
{
    pthread_mutex_lock(&w->mu);
    while (w->n_queue == POST_QUEUE) pthread_cond_wait(&w->changed, &w->mu);
    w->computing = NULL;
    w->queue[w->n_queue++] = it;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mu);
}

/* ---- the compute thread ---- */

struct driving {
    struct syn_worker *w;
    struct item *it;
    double looked; /* when the store's cancel_requested was last read */
};

/* A cancel that came while the job was between the store's queue and our hands is only in the
 * store. */
static void look_for_cancel(struct driving *d)
{
    struct syn_job job = {0};
    struct syn_err err;
    d->looked = now_seconds();
    if (syn_store_get(d->w->opts.store, d->it->job.id, &job, &err) != SYN_OK) return;
    if (job.cancel_requested) cancel_item(d->it);
    syn_job_deinit(&job);
}

static void on_unit(void *user, int64_t done, int64_t total, double seconds)
{
    struct driving *d = user;
    d->it->job.units_done = done;
    d->it->job.units_total = total;
    syn_store_progress(d->w->opts.store, d->it->job.id, d->it->job.kind, done, total);
    if (d->w->opts.on_unit)
        d->w->opts.on_unit(d->w->opts.user, d->it->job.kind, d->it->job.model, seconds);
    if (now_seconds() - d->looked > CANCEL_LOOK_SECONDS) look_for_cancel(d);
}

/* One input after the other, so that of the files' bytes only one's are held. */
static syn_status read_and_decode(struct syn_worker *w, struct item *it, struct syn_err *err)
{
    syn_status st = SYN_OK;
    syn_store_progress(w->opts.store, it->job.id, "decode", 0, 0);
    for (int32_t i = 0; st == SYN_OK && i < it->job.n_inputs; i++) {
        const struct syn_job_input *in = &it->job.input[i];
        void *bytes = NULL;
        size_t n = 0;
        st = syn_blob_read(syn_store_blobs(w->opts.store), in->sha256,
                           w->opts.limits.max_input_bytes, &bytes, &n, err);
        if (st == SYN_OK && atomic_load(&it->cancel)) st = SYN_CANCELED;
        if (st == SYN_OK) st = syn_task_decode(it->task, in->name, bytes, n, err);
        syn_free(bytes);
    }
    return st;
}

/* All steps of one job up to its results. *step is where it stopped. */
static syn_status compute(struct syn_worker *w, struct item *it, enum syn_task_step *step,
                          struct syn_err *err)
{
    struct syn_task_request r = {.kind = it->job.kind,
                                 .model = it->job.model,
                                 .model_digest = it->job.model_digest,
                                 .params = it->job.params,
                                 .output = it->job.output_spec};
    struct driving d = {.w = w, .it = it};
    struct syn_drive drive = {.cancel = &it->cancel, .on_unit = on_unit, .user = &d};
    double began = now_seconds();
    syn_status st;
    look_for_cancel(&d);
    if (atomic_load(&it->cancel)) return SYN_CANCELED;
    *step = SYN_STEP_OPEN;
    st = syn_task_open(w->opts.models, &r, &w->opts.limits, &it->task, err);
    if (st == SYN_OK) {
        *step = SYN_STEP_DECODE;
        st = read_and_decode(w, it, err);
    }
    if (st == SYN_OK) {
        *step = SYN_STEP_SIZE;
        st = syn_task_size(it->task, err);
    }
    if (st == SYN_OK && atomic_load(&it->cancel)) st = SYN_CANCELED;
    if (st == SYN_OK) {
        *step = SYN_STEP_LOAD;
        syn_store_progress(w->opts.store, it->job.id, "load", 0, 0);
        st = syn_task_load(it->task, &it->cancel, err);
    }
    it->load = now_seconds() - began;
    if (st != SYN_OK) return st;
    *step = SYN_STEP_COMPUTE;
    began = now_seconds();
    st = syn_task_compute(it->task, &drive, err);
    it->compute = now_seconds() - began;
    return st;
}

/* computing -> nobody: after this no cancel reaches the item. */
static void let_go(struct syn_worker *w)
{
    pthread_mutex_lock(&w->mu);
    w->computing = NULL;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mu);
}

static void put_back(struct syn_worker *w, const char *id)
{
    struct syn_err err;
    syn_status st = syn_store_requeue(w->opts.store, id, &err);
    if (st != SYN_OK)
        syn_log(SYN_LOG_ERROR, "job cannot go back to the queue id=%s why=\"%s\"", id, err.text);
    else syn_log(SYN_LOG_INFO, "job went back to the queue id=%s", id);
}

/* mu is held. First tries may run beside each other, a further one runs alone, and nothing runs
 * beside results that are large (see the head). */
static bool must_wait(const struct syn_worker *w, const struct item *it)
{
    const uint64_t budget = w->opts.limits.memory_budget_bytes;
    uint64_t bytes = w->posting ? w->posting->held_bytes : 0;
    if (w->posting && (it->job.attempts > 1 || w->posting->job.attempts > 1)) return true;
    for (int32_t i = 0; i < w->n_queue; i++) {
        if (it->job.attempts > 1 || w->queue[i]->job.attempts > 1) return true;
        bytes += w->queue[i]->held_bytes;
    }
    return budget > 0 && bytes > budget / 2;
}

static void begin(struct syn_worker *w, struct item *it)
{
    pthread_mutex_lock(&w->mu);
    w->computing = it;
    if (w->late) give_up(it); /* it was being taken when the deadline passed */
    while (must_wait(w, it)) pthread_cond_wait(&w->changed, &w->mu);
    pthread_mutex_unlock(&w->mu);
}

static void run_job(struct syn_worker *w, struct item *it)
{
    struct syn_err err = {{0}};
    enum syn_task_step step = SYN_STEP_OPEN;
    syn_status st;
    begin(w, it);
    st = compute(w, it, &step, &err);
    if (st == SYN_OK) {
        it->held_bytes = syn_task_held_bytes(it->task);
        hand_over(w, it);
        return;
    }
    let_go(w);
    if (st == SYN_CANCELED && atomic_load(&it->requeue)) {
        put_back(w, it->job.id);
    } else if (st == SYN_DEVICE) {
        /* The job stays running in the store: the process has to restart anyway, and recovery counts
         * this try, so that a job which kills the device each time is given up as crashed. */
        syn_log(SYN_LOG_ERROR, "device lost id=%s why=\"%s\"", it->job.id, err.text);
        syn_worker_hold(w, "device_lost");
    } else {
        const char *code = syn_task_code(it->task, step, st);
        close_task(it); /* the trim shall find its memory free, and the store may keep us waiting */
        if (st == SYN_NO_MEMORY) give_back_memory(w);
        finish_failed(w, it, code, st, &err);
    }
    free_item(it);
}

/* A job that we cannot even hold in memory fails like any other that needs too much. */
static void refuse_job(struct syn_worker *w, struct syn_job *job)
{
    struct syn_finish f = {.id = job->id,
                           .state = SYN_JOB_FAILED,
                           .error_code = "out_of_memory",
                           .error_detail = "no memory to start the job"};
    give_back_memory(w);
    finish(w, &f);
    syn_job_deinit(job);
}

/* true: a job was taken and run. */
static bool take_one(struct syn_worker *w)
{
    struct syn_job job = {0};
    struct syn_err err;
    struct item *it;
    syn_status st = syn_store_take(w->opts.store, &job, &err);
    if (st == SYN_NOT_FOUND) return false;
    if (st != SYN_OK) {
        syn_log(SYN_LOG_ERROR, "no job can be taken status=%s why=\"%s\"", syn_status_word(st),
                err.text);
        sleep_ms(IDLE_WAIT_MS);
        return false;
    }
    it = syn_calloc(1, sizeof *it);
    if (!it) {
        refuse_job(w, &job);
        return true;
    }
    it->job = job;
    syn_log(SYN_LOG_DEBUG, "job started id=%s attempts=%d", job.id, job.attempts);
    run_job(w, it);
    return true;
}

/* Waits out a hold. false: the worker is stopping. */
static bool may_take(struct syn_worker *w)
{
    bool go;
    pthread_mutex_lock(&w->mu);
    while (w->held && !w->stopping) pthread_cond_wait(&w->changed, &w->mu);
    go = !w->stopping;
    pthread_mutex_unlock(&w->mu);
    return go;
}

static void *compute_main(void *user)
{
    struct syn_worker *w = user;
    double idle_since = now_seconds();
    bool trimmed = true; /* nothing to give back yet */
    while (may_take(w)) {
        if (take_one(w)) {
            idle_since = now_seconds();
            trimmed = false;
            continue;
        }
        if (!trimmed && w->opts.idle_trim_ms > 0 &&
            (now_seconds() - idle_since) * 1000 >= (double)w->opts.idle_trim_ms) {
            give_back_memory(w);
            trimmed = true;
        }
        syn_store_wait(w->opts.store, IDLE_WAIT_MS);
    }
    pthread_mutex_lock(&w->mu);
    w->compute_ended = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mu);
    return NULL;
}

/* ---- from outside ---- */

/* A deadline must not move with the wall clock. */
static void init_monotonic(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

syn_status syn_worker_start(const struct syn_worker_opts *opts, struct syn_worker **out,
                            struct syn_err *err)
{
    struct syn_worker *w = syn_calloc(1, sizeof *w);
    int rc;
    if (!w) return syn_fail(err, SYN_NO_MEMORY, "no memory for the worker");
    w->opts = *opts;
    w->held = true;
    atomic_store(&w->trouble, "starting");
    pthread_mutex_init(&w->mu, NULL);
    init_monotonic(&w->changed);
    rc = pthread_create(&w->compute_thread, NULL, compute_main, w);
    if (rc == 0) {
        rc = pthread_create(&w->post_thread, NULL, post_main, w);
        if (rc != 0) {
            pthread_mutex_lock(&w->mu);
            w->stopping = true;
            pthread_cond_broadcast(&w->changed);
            pthread_mutex_unlock(&w->mu);
            pthread_join(w->compute_thread, NULL);
        }
    }
    if (rc != 0) {
        w->joined = true;
        syn_worker_free(w);
        return syn_fail(err, SYN_NO_MEMORY, "cannot start the worker's threads: %s", strerror(rc));
    }
    *out = w;
    return SYN_OK;
}

void syn_worker_go(struct syn_worker *w)
{
    pthread_mutex_lock(&w->mu);
    w->held = false;
    if (!w->stopping) atomic_store(&w->trouble, trouble_none);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mu);
}

void syn_worker_hold(struct syn_worker *w, const char *reason)
{
    pthread_mutex_lock(&w->mu);
    w->held = true;
    if (!w->stopping) atomic_store(&w->trouble, reason);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mu);
}

const char *syn_worker_trouble(const struct syn_worker *w)
{
    return atomic_load(&w->trouble);
}

static void cancel_if(struct item *it, const char *id)
{
    if (it && strcmp(it->job.id, id) == 0) cancel_item(it);
}

void syn_worker_cancel(struct syn_worker *w, const char *id)
{
    pthread_mutex_lock(&w->mu);
    cancel_if(w->computing, id);
    for (int32_t i = 0; i < w->n_queue; i++) cancel_if(w->queue[i], id);
    cancel_if(w->posting, id);
    pthread_mutex_unlock(&w->mu);
}

void syn_worker_stop(struct syn_worker *w, int32_t deadline_ms)
{
    struct timespec until;
    if (w->joined) return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += deadline_ms / 1000;
    until.tv_nsec += (long)(deadline_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&w->mu);
    w->stopping = true;
    atomic_store(&w->trouble, "stopping");
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mu);
    syn_store_wake(w->opts.store);
    pthread_mutex_lock(&w->mu);
    while (!w->compute_ended && pthread_cond_timedwait(&w->changed, &w->mu, &until) == 0) continue;
    w->late = !w->compute_ended;
    if (w->late && w->computing) give_up(w->computing);
    pthread_mutex_unlock(&w->mu);
    pthread_join(w->compute_thread, NULL);
    pthread_join(w->post_thread, NULL);
    w->joined = true;
}

void syn_worker_free(struct syn_worker *w)
{
    if (!w) return;
    pthread_mutex_destroy(&w->mu);
    pthread_cond_destroy(&w->changed);
    syn_free(w);
}
