/* submit.c - `synthd submit KIND`: the same words as `synthd run`, done by a running daemon.
 *
 *   upload the inputs (POST /v1/blobs) -> POST /v1/jobs -> poll GET /v1/jobs/{id} -> download
 *
 * The job has an idempotency key, so a request whose answer was lost is simply sent again.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/client.h"
#include "server/cli/outputs.h"
#include "server/cli/paths.h"
#include "server/cli/words.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define TRIES 5

static const struct syn_usage usage = {
    "synthd submit KIND --model ID --in NAME=FILE --out FILE [--set NAME=VALUE]... [--server URL]",
    "Sends one job to a running daemon, waits for it and fetches the result. Ctrl-C cancels it.\n"
    "The key is read from --key or from the environment variable SYNTHD_KEY.",
    "  synthd submit upscale --model realesrgan-x4plus --in image=photo.jpg --out large.png\n"
    "  synthd submit upscale --server http://gpu:7801 --model waifu2x-cunet --in image=a.png \\\n"
    "      --set noise=1 --out b.webp --json\n"
    "  synthd submit denoise-speech --model deepfilternet3 --in audio=noisy.wav --out clean.wav\n"
    "  synthd submit tensor --model silero-vad --in input=a.npy --in state=s.npy --in sr=r.npy \\\n"
    "      --out folder"};

struct submit {
    struct syn_words words;
    const char *server, *key;
    int64_t priority;
    struct syn_client *client;
    struct syn_bar bar;
    char id[64], state[16];
    json_t *inputs; /* {name: blob id}; owned */
    json_t *job;    /* as last read; owned */
};

static atomic_bool canceled; /* the signal flag */

static void on_signal(int sig)
{
    (void)sig;
    atomic_store(&canceled, true);
}

static void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* Sends until there is an answer that is not "later": connection errors and 429/503 are tried
 * again. */
static syn_status send_request(struct submit *s, const struct syn_request_opts *r,
                               struct syn_answer *a, struct syn_err *err)
{
    for (int i = 0;; i++) {
        syn_status st = syn_client_send(s->client, r, a, err);
        bool later = st == SYN_IO || (st == SYN_OK && (a->status == 429 || a->status == 503));
        if (!later || i + 1 == TRIES || atomic_load(&canceled)) return st;
        nap(st == SYN_OK && a->retry_after ? a->retry_after : 0.2 * (1 << i));
    }
}

/* What a refusal means to the caller's script. INVALID: the words are wrong. BUSY: the server lets
 * nobody do it, or not with this key, or not now, or cannot: as if it were not reached. */
static syn_status refusal(const struct syn_answer *a, struct syn_err *err)
{
    syn_client_explain(a, err);
    if (a->status == 401 || a->status == 403 || a->status == 429 || a->status >= 500)
        return SYN_BUSY;
    return SYN_INVALID;
}

/* The answer's JSON object (caller: decref) when its status is a success. */
static syn_status json_answer(const struct syn_answer *a, json_t **out, struct syn_err *err)
{
    if (a->status / 100 != 2) return refusal(a, err);
    *out = json_loadb(a->body, a->n_body, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*out)) return SYN_OK;
    json_decref(*out);
    return syn_fail(err, SYN_INTERNAL, "the server's answer is no JSON object (HTTP %ld)",
                    a->status);
}

static bool copy_text(const json_t *root, const char *name, char *text, size_t size)
{
    const char *v = json_string_value(json_object_get(root, name));
    if (!v || strlen(v) >= size) return false;
    strcpy(text, v);
    return true;
}

static void on_sent(void *user, size_t done, size_t total)
{
    syn_bar_set(user, "upload", (int64_t)done, (int64_t)total);
}

/* One file to a blob, whose id goes into *id. */
static syn_status upload(struct submit *s, const struct syn_words_in *in, char id[80],
                         struct syn_err *err)
{
    struct syn_request_opts r = {.method = "POST",
                                 .path = "/v1/blobs",
                                 .content_type = "application/octet-stream",
                                 .on_sent = on_sent,
                                 .user = &s->bar};
    struct syn_answer a;
    char *bytes = NULL;
    json_t *root = NULL;
    size_t n;
    syn_status st = syn_file_read(in->file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
    if (st != SYN_OK)
        return st == SYN_NOT_FOUND || st == SYN_IO ? syn_fail_in(err, SYN_INVALID, "--in: ") : st;
    r.body = bytes;
    r.n_body = n;
    st = send_request(s, &r, &a, err);
    if (st == SYN_OK) st = json_answer(&a, &root, err);
    if (st == SYN_OK && !copy_text(root, "sha256", id, 80) && !copy_text(root, "id", id, 80))
        st = syn_fail(err, SYN_INTERNAL, "the server's answer names no blob");
    json_decref(root);
    syn_free(bytes);
    return st;
}

/* Every input's file; {name: blob id} for the job. */
static syn_status upload_all(struct submit *s, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < s->words.n_input; i++) {
        char id[80] = "";
        if (!s->words.input[i].file) continue;
        st = upload(s, &s->words.input[i], id, err);
        if (st == SYN_OK &&
            json_object_set_new(s->inputs, s->words.input[i].name, json_string(id)) != 0)
            st = syn_fail(err, SYN_INVALID, "--in: %.80s: its name is not UTF-8",
                          s->words.input[i].name);
    }
    return st;
}

static bool random_key(char key[33])
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return false;
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(key + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static syn_status post(struct submit *s, struct syn_err *err)
{
    struct syn_request_opts r = {
        .method = "POST", .path = "/v1/jobs", .content_type = "application/json"};
    struct syn_answer a;
    char key[33], *body = NULL;
    json_t *answer = NULL;
    json_t *spec = json_pack("{s:s, s:s, s:O, s:o, s:o}", "kind", s->words.kind, "model",
                             s->words.model, "inputs", s->inputs, "params",
                             json_loads(s->words.params, 0, NULL), "output",
                             json_loads(s->words.output, 0, NULL));
    syn_status st = SYN_OK;
    if (spec && s->priority) json_object_set_new(spec, "priority", json_integer(s->priority));
    if (spec) body = json_dumps(spec, JSON_COMPACT);
    json_decref(spec);
    if (!body) return syn_fail(err, SYN_NO_MEMORY, "no memory for the request");
    if (!random_key(key)) st = syn_fail(err, SYN_IO, "no random numbers");
    r.body = body;
    r.n_body = strlen(body);
    r.idempotency_key = key;
    if (st == SYN_OK) st = send_request(s, &r, &a, err);
    if (st == SYN_OK) st = json_answer(&a, &answer, err);
    if (st == SYN_OK && !copy_text(answer, "id", s->id, sizeof s->id))
        st = syn_fail(err, SYN_INTERNAL, "the server's answer names no job");
    json_decref(answer);
    free(body);
    return st;
}

static void show(struct submit *s)
{
    const json_t *units = json_object_get(s->job, "units");
    const char *stage = json_string_value(json_object_get(s->job, "stage"));
    int64_t done = json_integer_value(json_object_get(units, "done"));
    int64_t total = json_integer_value(json_object_get(units, "total"));
    const json_t *position = json_object_get(s->job, "queue_position");
    char text[48];
    if (json_is_integer(position) && strcmp(s->state, "queued") == 0) {
        snprintf(text, sizeof text, "queued, %lld before it",
                 (long long)json_integer_value(position));
        syn_bar_set(&s->bar, text, 0, 0);
    } else {
        syn_bar_set(&s->bar, stage && stage[0] ? stage : s->state, done, total);
    }
}

static syn_status cancel(struct submit *s, struct syn_err *err)
{
    char path[100];
    struct syn_request_opts r = {.method = "DELETE", .path = path};
    struct syn_answer a;
    syn_status st;
    snprintf(path, sizeof path, "/v1/jobs/%s", s->id);
    st = syn_client_send(s->client, &r, &a, err);
    return st == SYN_OK ? syn_fail(err, SYN_CANCELED, "%s: canceled", s->id) : st;
}

/* Until the job is in a final state. */
static syn_status follow(struct submit *s, struct syn_err *err)
{
    char path[100];
    struct syn_request_opts r = {.method = "GET", .path = path};
    double pause = 0.05;
    snprintf(path, sizeof path, "/v1/jobs/%s", s->id);
    for (;;) {
        struct syn_answer a;
        syn_status st = send_request(s, &r, &a, err);
        if (atomic_load(&canceled)) return cancel(s, err);
        json_decref(s->job);
        s->job = NULL;
        if (st == SYN_OK) st = json_answer(&a, &s->job, err);
        if (st == SYN_OK && !copy_text(s->job, "state", s->state, sizeof s->state))
            st = syn_fail(err, SYN_INTERNAL, "the server's answer has no state");
        if (st != SYN_OK) return st;
        if (strcmp(s->state, "queued") != 0 && strcmp(s->state, "running") != 0) return SYN_OK;
        show(s);
        nap(pause);
        if (pause < 0.5) pause *= 1.3;
    }
}

static syn_status download(struct submit *s, int32_t i, const char *name, struct syn_err *err)
{
    char path[120], *file = NULL;
    struct syn_request_opts r = {.method = "GET", .path = path};
    struct syn_answer a;
    syn_status st;
    snprintf(path, sizeof path, "/v1/jobs/%s/outputs/%d", s->id, (int)i);
    st = send_request(s, &r, &a, err);
    if (st != SYN_OK) return st;
    if (a.status != 200) return refusal(&a, err);
    file = syn_outputs_path(&s->words, i, name);
    st = file ? syn_file_write(file, a.body, a.n_body, 0644, err)
              : syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
    syn_free(file);
    return st;
}

static syn_status download_all(struct submit *s, struct syn_err *err)
{
    const json_t *list = json_object_get(s->job, "outputs");
    const int32_t n = (int32_t)json_array_size(list);
    syn_status st = syn_outputs_prepare(&s->words, n, err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++) {
        const json_t *one = json_array_get(list, (size_t)i);
        const char *name = json_string_value(json_object_get(one, "name"));
        st = download(s, i, name ? name : "output", err);
    }
    return st;
}

static int judge(struct submit *s, syn_status st, const struct syn_err *err)
{
    if (st == SYN_OK && strcmp(s->state, "succeeded") != 0) {
        const json_t *e = json_object_get(s->job, "error");
        const char *code = json_string_value(json_object_get(e, "code"));
        const char *detail = json_string_value(json_object_get(e, "detail"));
        if (s->words.json) json_dumpf(s->job, stdout, JSON_COMPACT), putchar('\n');
        return syn_complain(SYN_EXIT_FAILED, "%s: %s%s%s%s%s", s->id, s->state, code ? ": " : "",
                            code ? code : "", detail ? ": " : "", detail ? detail : "");
    }
    if (st == SYN_OK) {
        if (s->words.json) json_dumpf(s->job, stdout, JSON_COMPACT), putchar('\n');
        else if (strcmp(s->words.out, "-") != 0) printf("%s: done by %s\n", s->words.out, s->id);
        return SYN_EXIT_OK;
    }
    /* Once the job was taken its words were right: what is refused then is its result. */
    if (st == SYN_INVALID && s->id[0]) return syn_complain(SYN_EXIT_FAILED, "%s", err->text);
    return syn_complain(st == SYN_INVALID    ? SYN_EXIT_USAGE
                        : st == SYN_CANCELED ? SYN_EXIT_FAILED
                                             : SYN_EXIT_UNREACHABLE,
                        "%s", err->text);
}

static int submit(struct submit *s)
{
    struct syn_err err = {{0}};
    syn_status st = syn_client_open(s->server, s->key, &s->client, &err);
    syn_bar_open(&s->bar, s->words.model);
    s->inputs = json_object();
    if (st == SYN_OK) st = upload_all(s, &err);
    if (st == SYN_OK) st = post(s, &err);
    if (st == SYN_OK) st = follow(s, &err);
    if (st == SYN_OK && strcmp(s->state, "succeeded") == 0) st = download_all(s, &err);
    syn_bar_close(&s->bar);
    return judge(s, st, &err);
}

int syn_command_submit(int argc, char **argv)
{
    struct submit s = {.server = "http://127.0.0.1:7801", .key = getenv("SYNTHD_KEY")};
    const struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct syn_arg table[] = {
        SYN_WORDS_ARGS(&s.words),
        {"server", SYN_ARG_TEXT, &s.server, "URL", "default http://127.0.0.1:7801", 0, 0},
        {"key", SYN_ARG_TEXT, &s.key, "KEY", "API key; default $SYNTHD_KEY", 0, 0},
        {"priority", SYN_ARG_INT, &s.priority, "N", "higher first; default 0", -100, 100},
        {0}};
    int code = syn_words_read(&s.words, &usage, table, argc, argv);
    if (code < 0) {
        sigaction(SIGINT, &act, NULL);
        sigaction(SIGTERM, &act, NULL);
        code = submit(&s);
    }
    syn_client_close(s.client);
    json_decref(s.job);
    json_decref(s.inputs);
    syn_words_deinit(&s.words);
    return code;
}
