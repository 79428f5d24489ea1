/* test_store.c - the job store: every transition and what it forbids, idempotency, order, lists,
 * retention, progress. Pause, waits, recovery and failing allocations are in test_store_life.c, races
 * in test_store_race.c, crashes and full disks in test_store_crash.c. */
#include "server/jobs/job_id.h"
#include "tests/store_t.h"
#include <sqlite3.h>

static struct syn_err err;

/* --- transitions ---------------------------------------------------------------------------------- */

/* A job in the state, by the shortest way; the queue is empty before. */
static void bring(struct syn_store *s, enum syn_job_state state, char id[SYN_JOB_ID_SIZE])
{
    char taken[SYN_JOB_ID_SIZE];
    t_submit(s, 0, id);
    if (state == SYN_JOB_QUEUED) return;
    if (state == SYN_JOB_CANCELED) {
        T_MUST(syn_store_cancel(s, id, NULL, &err) == SYN_OK);
        return;
    }
    t_take(s, taken);
    T_MUST(strcmp(taken, id) == 0);
    if (state == SYN_JOB_RUNNING) return;
    T_MUST(t_finish(s, id, state == SYN_JOB_FAILED ? SYN_JOB_FAILED : SYN_JOB_SUCCEEDED, &err) ==
           SYN_OK);
    if (state == SYN_JOB_EXPIRED) T_MUST(syn_store_sweep(s, t_now_ms() + 10000, &err) == SYN_OK);
}

/* Leaves nothing queued or running. */
static void clear(struct syn_store *s, const char *id)
{
    enum syn_job_state state = t_state(s, id);
    if (state == SYN_JOB_QUEUED) T_MUST(syn_store_cancel(s, id, NULL, &err) == SYN_OK);
    if (state == SYN_JOB_RUNNING) T_MUST(t_finish(s, id, SYN_JOB_CANCELED, &err) == SYN_OK);
}

enum { FINISH_OK, FINISH_FAILED, FINISH_CANCELED, REQUEUE, CANCEL, RETRY, N_ACTIONS };

static syn_status act(struct syn_store *s, int action, const char *id, bool *running)
{
    char again[SYN_JOB_ID_SIZE];
    syn_status st;
    switch (action) {
    case FINISH_OK: return t_finish(s, id, SYN_JOB_SUCCEEDED, &err);
    case FINISH_FAILED: return t_finish(s, id, SYN_JOB_FAILED, &err);
    case FINISH_CANCELED: return t_finish(s, id, SYN_JOB_CANCELED, &err);
    case REQUEUE: return syn_store_requeue(s, id, &err);
    case CANCEL: return syn_store_cancel(s, id, running, &err);
    default:
        st = syn_store_retry(s, id, again, &err);
        if (st == SYN_OK) clear(s, again);
        return st;
    }
}

static void test_transitions(void)
{
    enum { OK = SYN_OK, NO = SYN_CONFLICT };
    static const struct {
        int status[SYN_JOB_STATE_COUNT]; /* by the state it starts in */
        enum syn_job_state to[SYN_JOB_STATE_COUNT];
    } want[N_ACTIONS] = {
        /* queued running succeeded failed canceled expired; where the job is afterwards */
        [FINISH_OK] = {{NO, OK, NO, NO, NO, NO}, {0, SYN_JOB_SUCCEEDED, 2, 3, 4, 5}},
        [FINISH_FAILED] = {{NO, OK, NO, NO, NO, NO}, {0, SYN_JOB_FAILED, 2, 3, 4, 5}},
        [FINISH_CANCELED] = {{NO, OK, NO, NO, NO, NO}, {0, SYN_JOB_CANCELED, 2, 3, 4, 5}},
        [REQUEUE] = {{NO, OK, NO, NO, NO, NO}, {0, SYN_JOB_QUEUED, 2, 3, 4, 5}},
        [CANCEL] = {{OK, OK, NO, NO, OK, NO}, {SYN_JOB_CANCELED, SYN_JOB_RUNNING, 2, 3, 4, 5}},
        [RETRY] = {{NO, NO, NO, OK, OK, SYN_EXPIRED}, {0, 1, 2, 3, 4, 5}},
    };
    char *dir = t_folder_quick(), id[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    o.result_retention_ms = 5000;
    s = t_open(&o);
    for (int action = 0; action < N_ACTIONS; action++)
        for (int from = 0; from < SYN_JOB_STATE_COUNT; from++) {
            bool running = false;
            syn_status st;
            bring(s, (enum syn_job_state)from, id);
            err.text[0] = '\0';
            st = act(s, action, id, &running);
            T_CHECK((int)st == want[action].status[from], "action %d on a %s job: %s (%s)", action,
                    syn_job_state_word(from), syn_status_word(st), err.text);
            T_CHECK(st == SYN_OK || strstr(err.text, id), "no id in \"%s\"", err.text);
            T_CHECK(st == SYN_OK || strstr(err.text, syn_job_state_word(from)),
                    "no state in \"%s\"", err.text);
            T_CHECK(t_state(s, id) == want[action].to[from], "action %d on a %s job leaves it %s",
                    action, syn_job_state_word(from), syn_job_state_word(t_state(s, id)));
            T_CHECK(running == (action == CANCEL && from == SYN_JOB_RUNNING), "running = %d",
                    running);
            clear(s, id);
        }
    for (int action = 0; action < N_ACTIONS; action++) {
        T_CHECK(act(s, action, "job_0000000000000000000000", NULL) == SYN_NOT_FOUND, "action %d",
                action);
        T_CHECK(act(s, action, "../../etc/passwd", NULL) == SYN_NOT_FOUND, "action %d", action);
    }
    syn_store_close(s);
    t_folder_drop(dir);
}

/* A running job that was asked to stop does not run again. */
static void test_cancel_then_requeue(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    bool running = false;
    bring(s, SYN_JOB_RUNNING, id);
    for (int i = 0; i < 2; i++) /* twice is once */
        T_CHECK(syn_store_cancel(s, id, &running, &err) == SYN_OK && running, "%s", err.text);
    T_CHECK(syn_store_requeue(s, id, &err) == SYN_OK, "%s", err.text);
    T_CHECK(t_state(s, id) == SYN_JOB_CANCELED, "%s", syn_job_state_word(t_state(s, id)));
    T_CHECK(syn_store_cancel(s, id, &running, &err) == SYN_OK && !running, "canceled: fine again");
    syn_store_close(s);
    t_folder_drop(dir);
}

static void test_finish_arguments(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job_output out[SYN_MAX_JOB_OUTPUTS + 1] = {{{0}, "image/png", 5, 1, 1}};
    struct syn_finish f = {.id = id, .state = SYN_JOB_SUCCEEDED, .output = out, .n_outputs = 1};
    bring(s, SYN_JOB_RUNNING, id);
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_INVALID, "an output without a name");
    memset(out[0].sha256, 'a', 64);
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_NOT_FOUND, "an output that was never stored: %s",
            err.text);
    T_CHECK(t_state(s, id) == SYN_JOB_RUNNING, "still running");
    f.n_outputs = SYN_MAX_JOB_OUTPUTS + 1;
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_INVALID && strstr(err.text, "n_outputs = 18"), "%s",
            err.text);
    f.n_outputs = 0;
    f.state = SYN_JOB_RUNNING;
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_INVALID, "running is no end");
    f.state = SYN_JOB_EXPIRED;
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_INVALID, "expired is no end of a run");
    f.state = SYN_JOB_FAILED;
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_INVALID, "failed without a code");
    T_CHECK(t_state(s, id) == SYN_JOB_RUNNING, "still running");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- what a job keeps -------------------------------------------------------------------------------- */

static void test_members(void)
{
    char *dir = t_folder(), id[SYN_JOB_ID_SIZE], in_sha[SYN_SHA256_HEX_SIZE], long_text[900];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job_output out = {{0}, "image/png", 3, 640, 480};
    struct syn_job j = {.kind = "upscale",
                        .family = "native",
                        .owner = "key-1",
                        .model = "m/x2",
                        .priority = -7,
                        .n_inputs = 2},
                   got;
    struct syn_submit in = {&j, NULL, 3};
    struct syn_finish f = {.id = id,
                           .state = SYN_JOB_SUCCEEDED,
                           .result = "{\"tiles\":4}",
                           .warnings = "[\"w2\"]",
                           .output = &out,
                           .n_outputs = 1,
                           .seconds_load = 0.5,
                           .seconds_compute = 1.25,
                           .seconds_encode = 0.0 / 0.0};
    char params[] = "{\"scale\":2}", spec[] = "{\"format\":\"png\"}",
         meta[] = "{\"a\":\"\xc3\xa4\"}", warn[] = "[]", canonical[] = "{}";
    T_MUST(syn_blob_put(syn_store_blobs(s), "in", 2, in_sha, &err) == SYN_OK);
    T_MUST(syn_blob_put(syn_store_blobs(s), "out", 3, out.sha256, &err) == SYN_OK);
    j.params = params, j.output_spec = spec, j.metadata = meta, j.warnings = warn,
    j.canonical_request = canonical;
    memset(j.model_digest, 'd', 64);
    strcpy(j.input[0].name, "image"), strcpy(j.input[1].name, "mask");
    strcpy(j.input[0].sha256, in_sha), strcpy(j.input[1].sha256, in_sha);
    T_CHECK(syn_store_submit(s, &in, id, NULL, &err) == SYN_OK, "%s", err.text);
    t_sleep_ms(30);
    T_MUST(syn_store_take(s, &got, &err) == SYN_OK);
    T_CHECK(got.state == SYN_JOB_RUNNING && got.attempts == 1 && got.queue_position == -1,
            "state %d", got.state);
    T_CHECK(got.started_ms >= got.created_ms + 30 && got.seconds_queue >= 0.03, "queue %f",
            got.seconds_queue);
    T_CHECK(got.canonical_request && strcmp(got.canonical_request, "{}") == 0, "canonical");
    syn_job_deinit(&got);
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_OK, "%s", err.text);
    syn_store_close(s);
    s = t_open(&o); /* from the disk alone */
    T_MUST(syn_store_get(s, id, &got, &err) == SYN_OK);
    T_CHECK(strcmp(got.id, id) == 0 && strcmp(got.kind, "upscale") == 0 &&
                strcmp(got.family, "native") == 0 && strcmp(got.owner, "key-1") == 0 &&
                strcmp(got.model, "m/x2") == 0 && got.priority == -7,
            "fixed members");
    T_CHECK(strcmp(got.model_digest, j.model_digest) == 0, "digest %s", got.model_digest);
    T_CHECK(strcmp(got.params, params) == 0 && strcmp(got.output_spec, spec) == 0 &&
                strcmp(got.metadata, meta) == 0,
            "documents");
    T_CHECK(strcmp(got.result, "{\"tiles\":4}") == 0 && strcmp(got.warnings, "[\"w2\"]") == 0,
            "result");
    T_CHECK(got.n_inputs == 2 && strcmp(got.input[1].name, "mask") == 0 &&
                strcmp(got.input[1].sha256, in_sha) == 0,
            "inputs");
    T_CHECK(got.n_outputs == 1 && strcmp(got.output[0].sha256, out.sha256) == 0 &&
                got.output[0].bytes == 3 && got.output[0].width == 640 &&
                got.output[0].height == 480 && strcmp(got.output[0].media_type, "image/png") == 0,
            "outputs");
    T_CHECK(got.seconds_load == 0.5 && got.seconds_compute == 1.25 && got.seconds_encode == 0,
            "seconds");
    T_CHECK(got.finished_ms >= got.started_ms && got.expires_ms == 0 && got.error_code[0] == 0,
            "times");
    syn_job_deinit(&got);
    bring(s, SYN_JOB_RUNNING, id); /* a detail longer than its member is cut between characters */
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text + 398, "\xc3\xa4", 2);
    long_text[sizeof long_text - 1] = '\0';
    f = (struct syn_finish){
        .id = id, .state = SYN_JOB_FAILED, .error_code = "e", .error_detail = long_text};
    T_CHECK(syn_store_finish(s, &f, &err) == SYN_OK, "%s", err.text);
    T_MUST(syn_store_get(s, id, &got, &err) == SYN_OK);
    T_CHECK(strlen(got.error_detail) == 398, "%zu bytes", strlen(got.error_detail));
    T_CHECK(strcmp(got.params, "{}") == 0 && strcmp(got.output_spec, "{}") == 0 && !got.metadata,
            "no documents");
    syn_job_deinit(&got);
    syn_store_close(s);
    t_folder_drop(dir);
}

static syn_status submit_with(struct syn_store *s, const struct syn_job *j, const char *key)
{
    struct syn_submit in = {j, key};
    char id[SYN_JOB_ID_SIZE];
    err.text[0] = '\0';
    return syn_store_submit(s, &in, id, NULL, &err);
}

static void test_submit_arguments(void)
{
    char *dir = t_folder(), *big = t_alloc(SYN_MAX_JOB_TEXT + 2), sha[SYN_SHA256_HEX_SIZE],
         key[600];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_store_counts n;
    const struct syn_job good = {.kind = "upscale"};
    struct syn_job j = good;
    T_MUST(syn_blob_put(syn_store_blobs(s), "x", 1, sha, &err) == SYN_OK);
    memset(big, 'x', SYN_MAX_JOB_TEXT + 1);
    big[SYN_MAX_JOB_TEXT + 1] = '\0';
    memset(key, 'k', sizeof key);
    j.kind[0] = '\0';
    T_CHECK(submit_with(s, &j, NULL) == SYN_INVALID && strstr(err.text, "kind"), "%s", err.text);
    j = good, memset(j.model, 'm', sizeof j.model);
    T_CHECK(submit_with(s, &j, NULL) == SYN_INVALID && strstr(err.text, "model: more than 95"),
            "%s", err.text);
    j = good, j.priority = 101;
    T_CHECK(submit_with(s, &j, NULL) == SYN_INVALID && strstr(err.text, "priority = 101"), "%s",
            err.text);
    j = good, j.metadata = big;
    T_CHECK(submit_with(s, &j, NULL) == SYN_TOO_LARGE && strstr(err.text, "metadata"), "%s",
            err.text);
    j = good, j.n_inputs = SYN_MAX_JOB_INPUTS + 1;
    T_CHECK(submit_with(s, &j, NULL) == SYN_INVALID && strstr(err.text, "n_inputs = 18"), "%s",
            err.text);
    j = good, j.n_inputs = 1, strcpy(j.input[0].sha256, sha);
    T_CHECK(submit_with(s, &j, NULL) == SYN_INVALID && strstr(err.text, "name"), "%s", err.text);
    j.n_inputs = 2, strcpy(j.input[0].name, "a"), j.input[1] = j.input[0];
    T_CHECK(submit_with(s, &j, NULL) == SYN_INVALID && strstr(err.text, "twice"), "%s", err.text);
    j.n_inputs = 1, memset(j.input[0].sha256, 'e', 64);
    T_CHECK(submit_with(s, &j, NULL) == SYN_NOT_FOUND && strstr(err.text, "input a: blob eee"),
            "%s", err.text);
    strcpy(j.input[0].sha256, "../../x");
    T_CHECK(submit_with(s, &j, NULL) == SYN_NOT_FOUND, "%s", err.text);
    T_CHECK(submit_with(s, &good, "") == SYN_INVALID, "an empty key");
    T_CHECK(submit_with(s, &good, "a\nb") == SYN_INVALID && strstr(err.text, "byte 1"), "%s",
            err.text);
    T_CHECK(submit_with(s, &good, "\xc3\xa4") == SYN_INVALID, "a key beyond ASCII");
    key[SYN_MAX_IDEMPOTENCY_KEY + 1] = '\0';
    T_CHECK(submit_with(s, &good, key) == SYN_INVALID, "a key of 512 bytes");
    T_CHECK(syn_store_counts(s, &n, &err) == SYN_OK && n.submitted == 0 && n.by_state[0] == 0,
            "nothing is stored");
    key[SYN_MAX_IDEMPOTENCY_KEY] = '\0';
    T_CHECK(submit_with(s, &good, key) == SYN_OK, "a key of 511 bytes: %s", err.text);
    syn_store_close(s);
    free(big);
    t_folder_drop(dir);
}

static void test_idempotency(void)
{
    char *dir = t_folder(), first[SYN_JOB_ID_SIZE], id[SYN_JOB_ID_SIZE], one[] = "{\"a\":1}",
         two[] = "{\"a\":2}";
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    struct syn_job j = {.kind = "upscale"};
    struct syn_submit in = {&j, "key"};
    bool replayed = true;
    o.max_queued = 1, o.result_retention_ms = 1000, o.row_retention_ms = 1000;
    s = t_open(&o);
    j.canonical_request = one;
    T_CHECK(syn_store_submit(s, &in, first, &replayed, &err) == SYN_OK && !replayed, "%s",
            err.text);
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_OK && replayed,
            "a full queue replays: %s", err.text);
    T_CHECK(strcmp(id, first) == 0, "%s is not %s", id, first);
    j.canonical_request = two;
    memset(id, 0, sizeof id);
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_CONFLICT, "another body");
    T_CHECK(strcmp(id, first) == 0 && strstr(err.text, first), "the conflict names the job: %s",
            err.text);
    j.canonical_request = NULL;
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_CONFLICT, "no body");
    in.idempotency_key = "Key"; /* another one: keys tell case */
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_BUSY, "queue full");
    T_CHECK(strstr(err.text, "the limit is 1"), "%s", err.text);
    in.idempotency_key = "key", j.canonical_request = one;
    syn_store_close(s);
    s = t_open(&o);
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_OK && replayed, "after a restart");
    t_take(s, id);
    T_CHECK(t_finish(s, id, SYN_JOB_SUCCEEDED, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_OK && replayed, "after its end");
    T_CHECK(syn_store_sweep(s, t_now_ms() + 1500, &err) == SYN_OK, "%s", err.text);
    T_CHECK(t_state(s, first) == SYN_JOB_EXPIRED, "expired");
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_OK && replayed,
            "expired: the row is there");
    T_CHECK(syn_store_sweep(s, t_now_ms() + 3000, &err) == SYN_OK, "%s", err.text);
    T_CHECK(t_state(s, first) == SYN_JOB_STATE_COUNT, "the row is gone");
    T_CHECK(syn_store_submit(s, &in, id, &replayed, &err) == SYN_OK && !replayed,
            "the key is free again");
    T_CHECK(strcmp(id, first) > 0, "a new id");
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- order ------------------------------------------------------------------------------------------- */

static int32_t position(struct syn_store *s, const char *id)
{
    struct syn_job j;
    int32_t p;
    T_MUST(syn_store_get(s, id, &j, &err) == SYN_OK);
    p = j.queue_position;
    syn_job_deinit(&j);
    return p;
}

static void test_C11_positions(void)
{
    static const int priority[] = {0, 5, 0, -3, 5, 0}, want[] = {2, 0, 3, 5, 1, 4};
    enum { N = 6 };
    char *dir = t_folder(), id[N][SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job_filter all = {.state = -1, .limit = 200};
    struct syn_job *list;
    int32_t n;
    for (int i = 0; i < N; i++) t_submit(s, priority[i], id[i]);
    for (int step = 0; step < N; step++) {
        for (int i = 0; i < N; i++) {
            int32_t p = want[i] < step ? -1 : want[i] - step;
            T_CHECK(position(s, id[i]) == p, "job %d after %d ends: place %d, want %d", i, step,
                    position(s, id[i]), p);
        }
        T_MUST(syn_store_list(s, &all, &list, &n, &err) == SYN_OK);
        for (int i = 0; i < n; i++) {
            T_CHECK(list[i].queue_position == position(s, list[i].id), "list and get agree");
            syn_job_deinit(&list[i]);
        }
        syn_free(list);
        t_take(s, taken);
        for (int i = 0; i < N; i++)
            T_CHECK((strcmp(taken, id[i]) == 0) == (want[i] == step), "take %d gives job %d", step,
                    i);
        if (step == 2) { /* back to its old place */
            T_CHECK(syn_store_requeue(s, taken, &err) == SYN_OK, "%s", err.text);
            T_CHECK(position(s, taken) == 0, "place %d", position(s, taken));
            t_take(s, taken);
        }
        T_CHECK(t_finish(s, taken, SYN_JOB_SUCCEEDED, &err) == SYN_OK, "%s", err.text);
    }
    t_take(s, taken);
    T_CHECK(taken[0] == '\0', "nothing left");
    syn_store_close(s);
    t_folder_drop(dir);
}

static void test_list(void)
{
    enum { N = 25 };
    char *dir = t_folder(), id[N][SYN_JOB_ID_SIZE], cursor[SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE],
         request[] = "{}";
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job_filter f = {.state = -1, .limit = 10};
    struct syn_job j = {.kind = "stylize", .model = "m2", .owner = "bob", .family = "sdapi"}, *list;
    struct syn_submit in = {&j, NULL};
    int32_t n, seen = 0;
    j.canonical_request = request;
    for (int i = 0; i < N; i++) {
        if (i % 5 == 4) T_MUST(syn_store_submit(s, &in, id[i], NULL, &err) == SYN_OK);
        else t_submit(s, 0, id[i]);
        T_CHECK(i == 0 || strcmp(id[i], id[i - 1]) > 0, "ids grow: %s after %s", id[i],
                id[i ? i - 1 : 0]);
    }
    do { /* pages, newest first; a job that comes in between moves nothing */
        char extra[SYN_JOB_ID_SIZE];
        T_MUST(syn_store_list(s, &f, &list, &n, &err) == SYN_OK);
        for (int i = 0; i < n; i++, seen++) {
            T_CHECK(seen < N && strcmp(list[i].id, id[N - 1 - seen]) == 0, "place %d is %s", seen,
                    list[i].id);
            T_CHECK(!list[i].canonical_request, "list leaves the request out");
            memcpy(cursor, list[i].id, sizeof cursor);
            syn_job_deinit(&list[i]);
        }
        syn_free(list);
        f.before_id = cursor;
        t_submit(s, -5, extra);
    } while (n > 0);
    T_CHECK(seen == N, "%d seen", seen);
    for (int i = 0; i < 3; i++) t_take(s, taken);
    f = (struct syn_job_filter){.state = SYN_JOB_RUNNING, .limit = 200};
    T_MUST(syn_store_list(s, &f, &list, &n, &err) == SYN_OK);
    T_CHECK(n == 3, "%d run", n);
    for (int i = 0; i < n; i++) {
        T_CHECK(strcmp(list[i].id, id[2 - i]) == 0, "running %d", i);
        syn_job_deinit(&list[i]);
    }
    syn_free(list);
    for (int which = 0; which < 5; which++) { /* each filter alone, and the state with one */
        f = (struct syn_job_filter){.state = which == 4 ? SYN_JOB_QUEUED : -1, .limit = 200};
        f.kind = which == 0 || which == 4 ? "stylize" : NULL;
        f.model = which == 1 ? "m2" : NULL;
        f.family = which == 2 ? "sdapi" : NULL;
        f.owner = which == 3 ? "bob" : NULL;
        T_MUST(syn_store_list(s, &f, &list, &n, &err) == SYN_OK);
        T_CHECK(n == 5, "filter %d finds %d", which, n);
        for (int i = 0; i < n; i++) {
            T_CHECK(strcmp(list[i].kind, "stylize") == 0, "kind %s", list[i].kind);
            syn_job_deinit(&list[i]);
        }
        syn_free(list);
    }
    f = (struct syn_job_filter){.state = -1, .limit = 0};
    T_CHECK(syn_store_list(s, &f, &list, &n, &err) == SYN_INVALID && strstr(err.text, "limit = 0"),
            "%s", err.text);
    f.limit = 201;
    T_CHECK(syn_store_list(s, &f, &list, &n, &err) == SYN_INVALID, "limit 201");
    f.limit = 1, f.state = 9;
    T_CHECK(syn_store_list(s, &f, &list, &n, &err) == SYN_INVALID, "state 9");
    f.state = -1, f.before_id = "job_' OR 1=1 --";
    T_CHECK(syn_store_list(s, &f, &list, &n, &err) == SYN_INVALID && strstr(err.text, "before"),
            "%s", err.text);
    syn_store_close(s);
    t_folder_drop(dir);
}

static void test_ids(void)
{
    struct syn_job_id_source g = {0, 0}, h = {0, 0};
    char id[SYN_JOB_ID_SIZE], last[SYN_JOB_ID_SIZE] = "";
    for (int i = 0; i < 1000; i++) { /* a clock that stands, jumps back, and runs */
        int64_t now = i < 300 ? 1700000000000 : i < 600 ? 1000 : 1700000000000 + i;
        T_MUST(syn_job_id_next(&g, now, id, &err) == SYN_OK);
        T_CHECK(strcmp(id, last) > 0, "%s after %s", id, last);
        T_CHECK(syn_job_id_ok(id) && strlen(id) == 26, "%s", id);
        memcpy(last, id, sizeof last);
    }
    g.chance = (UINT64_C(1) << 60) - 1; /* the chance part is used up: the time part counts on */
    T_MUST(syn_job_id_next(&g, 0, id, &err) == SYN_OK);
    T_CHECK(strcmp(id, last) > 0, "%s after %s", id, last);
    T_CHECK(syn_job_id_resume(&h, id) && h.ms == g.ms && h.chance == g.chance, "resume");
    T_CHECK(!syn_job_id_resume(&h, "job_x") && !syn_job_id_resume(&h, NULL) && h.ms == g.ms,
            "resume from none");
    T_CHECK(!syn_job_id_ok("") && !syn_job_id_ok("job_") && !syn_job_id_ok(NULL), "too short");
    id[25] = 'U';
    T_CHECK(!syn_job_id_ok(id), "%s", id);
    id[25] = 'u';
    T_CHECK(!syn_job_id_ok(id), "%s", id);
    memcpy(id + 20, "/../..", 7);
    T_CHECK(!syn_job_id_ok(id), "%s", id);
}

/* What another process sees of the running job. */
static int units_on_disk(const char *dir)
{
    char path[4200];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    int units = -1;
    snprintf(path, sizeof path, "%s/synthd.db", dir);
    T_MUST(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    T_MUST(sqlite3_prepare_v2(db, "SELECT units_done FROM job WHERE state = 1", -1, &q, NULL) ==
           SQLITE_OK);
    if (sqlite3_step(q) == SQLITE_ROW) units = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return units;
}

/* --- progress ----------------------------------------------------------------------------------------- */

static void test_C11_progress(void)
{
    char *dir = t_folder(), one[SYN_JOB_ID_SIZE], two[SYN_JOB_ID_SIZE], taken[SYN_JOB_ID_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s = t_open(&o);
    struct syn_job_filter f = {.state = SYN_JOB_RUNNING, .limit = 10};
    struct syn_job j, *list;
    int32_t n;
    t_submit(s, 0, one), t_submit(s, 0, two);
    syn_store_progress(s, one, "tile", 1, 9); /* not running: nothing */
    t_take(s, taken);
    syn_store_progress(s, one, "upscale", 3, 9);
    syn_store_progress(s, "job_none", "upscale", 3, 9);
    syn_store_progress(s, NULL, NULL, 0, 0);
    T_MUST(syn_store_get(s, one, &j, &err) == SYN_OK);
    T_CHECK(j.units_done == 3 && j.units_total == 9 && strcmp(j.stage, "upscale") == 0,
            "at once, from memory");
    syn_job_deinit(&j);
    T_MUST(syn_store_get(s, two, &j, &err) == SYN_OK);
    T_CHECK(j.units_done == 0 && j.units_total == 0 && j.stage[0] == 0,
            "the other job shows nothing of it");
    syn_job_deinit(&j);
    T_MUST(syn_store_list(s, &f, &list, &n, &err) == SYN_OK && n == 1);
    T_CHECK(list[0].units_done == 3 && strcmp(list[0].stage, "upscale") == 0,
            "list lays it over too");
    syn_job_deinit(&list[0]);
    syn_free(list);
    syn_store_progress(s, one, "a stage name longer than its member", 8, 9);
    T_CHECK(t_finish(s, one, SYN_JOB_FAILED, &err) == SYN_OK, "%s", err.text);
    T_MUST(syn_store_get(s, one, &j, &err) == SYN_OK);
    T_CHECK(j.units_done == 8 && j.units_total == 9 && j.stage[0] == 0, "the end keeps it: %d",
            (int)j.units_done);
    syn_job_deinit(&j);
    t_take(s, taken);
    syn_store_progress(s, two, "s", 5, 6);
    T_MUST(syn_store_requeue(s, two, &err) == SYN_OK);
    T_MUST(syn_store_get(s, two, &j, &err) == SYN_OK);
    T_CHECK(j.units_done == 0 && j.attempts == 0 && j.started_ms == 0, "put back: from the start");
    syn_job_deinit(&j);
    t_take(s, taken);
    syn_store_progress(s, two, "s", 4, 6);
    t_sleep_ms(1300); /* the writer's alarm is one second */
    syn_store_progress(s, two, "s", 5, 6);
    T_CHECK(units_on_disk(dir) == 4, "on disk: %d", units_on_disk(dir));
    syn_store_close(s);
    t_folder_drop(dir);
}

/* --- retention ------------------------------------------------------------------------------------------ */

static void test_retention(void)
{
    char *dir = t_folder_quick(), id[3][SYN_JOB_ID_SIZE], in_sha[SYN_SHA256_HEX_SIZE],
         loose[SYN_SHA256_HEX_SIZE];
    struct syn_store_opts o = t_opts(dir);
    struct syn_store *s;
    struct syn_blobs *b;
    struct syn_job_output out = {{0}, "image/png", 3, 1, 1};
    struct syn_job j = {.kind = "upscale", .n_inputs = 1}, got;
    struct syn_submit in = {&j, NULL};
    struct syn_finish f = {.id = id[0], .state = SYN_JOB_SUCCEEDED, .output = &out, .n_outputs = 1};
    struct syn_store_counts n;
    int64_t now = t_now_ms(), hour = 3600000;
    o.result_retention_ms = 2 * hour, o.row_retention_ms = hour;
    s = t_open(&o);
    b = syn_store_blobs(s);
    T_MUST(syn_blob_put(b, "input", 5, in_sha, &err) == SYN_OK &&
           syn_blob_put(b, "out", 3, out.sha256, &err) == SYN_OK);
    T_MUST(syn_blob_put(b, "loose", 5, loose, &err) == SYN_OK);
    strcpy(j.input[0].name, "image"), strcpy(j.input[0].sha256, in_sha);
    for (int i = 0; i < 2; i++) T_MUST(syn_store_submit(s, &in, id[i], NULL, &err) == SYN_OK);
    t_take(s, id[2]);
    T_MUST(syn_store_finish(s, &f, &err) == SYN_OK);
    T_CHECK(syn_store_sweep(s, now + hour - 60000, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_blob_exists(b, loose, NULL), "not an hour old");
    T_CHECK(syn_store_sweep(s, now + hour + 60000, &err) == SYN_OK, "%s", err.text);
    T_CHECK(!syn_blob_exists(b, loose, NULL), "an hour old and named by none");
    T_CHECK(syn_blob_exists(b, in_sha, NULL) && syn_blob_exists(b, out.sha256, NULL),
            "named ones stay");
    T_CHECK(syn_store_counts(s, &n, &err) == SYN_OK && n.blob_bytes == 8, "%d bytes",
            (int)n.blob_bytes);
    T_CHECK(t_state(s, id[0]) == SYN_JOB_SUCCEEDED, "not yet");
    T_CHECK(syn_store_sweep(s, now + 2 * hour + 60000, &err) == SYN_OK, "%s", err.text);
    T_MUST(syn_store_get(s, id[0], &got, &err) == SYN_OK);
    T_CHECK(got.state == SYN_JOB_EXPIRED && got.n_outputs == 0 && got.n_inputs == 1,
            "expired, %d outputs", got.n_outputs);
    syn_job_deinit(&got);
    T_CHECK(!syn_blob_exists(b, out.sha256, NULL), "its output is gone");
    T_CHECK(syn_blob_exists(b, in_sha, NULL), "the queued job's input is not");
    T_CHECK(syn_store_sweep(s, now + 3 * hour + 120000, &err) == SYN_OK, "%s", err.text);
    T_CHECK(t_state(s, id[0]) == SYN_JOB_STATE_COUNT, "the row is gone");
    T_CHECK(t_state(s, id[1]) == SYN_JOB_QUEUED, "a queued job is never swept");
    T_MUST(syn_store_cancel(s, id[1], NULL, &err) == SYN_OK);
    T_CHECK(syn_store_sweep(s, now + 2 * hour + 60000, &err) == SYN_OK, "%s", err.text);
    T_CHECK(t_state(s, id[1]) == SYN_JOB_EXPIRED && !syn_blob_exists(b, in_sha, NULL),
            "an expired job keeps its row, not its input");
    T_CHECK(syn_store_sweep(s, now + 9 * hour, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_store_counts(s, &n, &err) == SYN_OK && n.blob_bytes == 0, "%d bytes",
            (int)n.blob_bytes);
    for (int i = 0; i < SYN_JOB_STATE_COUNT; i++)
        T_CHECK(n.by_state[i] == 0, "%s: %d", syn_job_state_word(i), (int)n.by_state[i]);
    for (int i = 0; i < 220; i++) { /* more than one step's worth */
        t_submit(s, 0, id[0]);
        T_MUST(syn_store_cancel(s, id[0], NULL, &err) == SYN_OK);
    }
    T_CHECK(syn_store_sweep(s, now + 9 * hour, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_store_counts(s, &n, &err) == SYN_OK && n.by_state[SYN_JOB_EXPIRED] == 0 &&
                n.by_state[SYN_JOB_CANCELED] == 0,
            "all 220 are gone");
    syn_store_close(s);
    t_folder_drop(dir);
}

int main(void)
{
    test_ids();
    test_transitions();
    test_cancel_then_requeue();
    test_finish_arguments();
    test_members();
    test_submit_arguments();
    test_idempotency();
    test_C11_positions();
    test_list();
    test_C11_progress();
    test_retention();
    return t_report();
}
