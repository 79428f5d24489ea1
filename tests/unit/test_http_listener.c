/* test_http_listener.c - the listener with a real store and nobody who works: C21's rules, under
 * the sanitizers: requests cut off at any byte, answers before the body is read, waiters when
 * clients leave and when the listener stops, allocations that fail.
 *
 * Layer: tests. */
#include "server/http/http.h"
#include "kernels/base/log.h"
#include "tests/model_fixture.h"
#include "tests/store_t.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct syn_store *store;
static struct syn_models *models;
static struct syn_http *http;
static int port;
static char *dir;

static void start(const struct syn_http_opts *extra)
{
    struct syn_http_opts o = extra ? *extra : (struct syn_http_opts){0};
    struct syn_err err = {{0}};
    o.listen = "127.0.0.1:0";
    o.store = store;
    o.models = models;
    T_MUST(syn_http_start(&o, &http, &err) == SYN_OK);
    port = atoi(strrchr(syn_http_url(http), ':') + 1);
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    T_MUST(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static void send_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, text, n, MSG_NOSIGNAL);
        if (k <= 0) return;
        text += k;
        n -= (size_t)k;
    }
}

/* Until the other side closes or timeout_ms of silence; the status, 0 = none. */
static int receive(int fd, char *text, size_t size, int timeout_ms)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t k;
        if (poll(&p, 1, timeout_ms) <= 0) break;
        k = recv(fd, text + n, size - 1 - n, 0);
        if (k <= 0) break;
        n += (size_t)k;
        if (n == size - 1) break;
    }
    text[n] = '\0';
    return n > 12 && !strncmp(text, "HTTP/1.1 ", 9) ? atoi(text + 9) : 0;
}

static int ask(const char *request, char *text, size_t size)
{
    int fd = dial(), status;
    send_all(fd, request, strlen(request));
    status = receive(fd, text, size, 20000);
    close(fd);
    return status;
}

#define CLOSE "Host: localhost\r\nConnection: close\r\n"
#define PIXEL \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
#define JOB "{\"kind\":\"upscale\",\"inputs\":{\"image\":\"" PIXEL "\"}%s}"

/* A job's whole request. */
static size_t job_request(char *out, size_t size, const char *headers, const char *more)
{
    char body[512];
    int n = snprintf(body, sizeof body, JOB, more);
    return (size_t)snprintf(out, size,
                            "POST /v1/jobs HTTP/1.1\r\n" CLOSE
                            "%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                            headers, n, body);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The newest job's state, and how many there are. */
static int newest(enum syn_job_state *state, char id[SYN_JOB_ID_SIZE])
{
    struct syn_job_filter f = {.state = -1, .limit = 200};
    struct syn_job *list = NULL;
    int32_t n = 0;
    T_MUST(syn_store_list(store, &f, &list, &n, NULL) == SYN_OK);
    if (n > 0 && state) *state = list[0].state;
    if (n > 0 && id) memcpy(id, list[0].id, SYN_JOB_ID_SIZE);
    for (int32_t i = 0; i < n; i++) syn_job_deinit(&list[i]);
    syn_free(list);
    return n;
}

static void test_basics(void)
{
    char text[8192], request[2048];
    T_CHECK(ask("GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", text, sizeof text) == 200, "%s", text);
    T_CHECK(ask("GET /readyz HTTP/1.1\r\n" CLOSE "\r\n", text, sizeof text) == 503 &&
                strstr(text, "\"starting\""),
            "%s", text);
    T_CHECK(strstr(text, "Retry-After: 2\r\n") != NULL, "%s", text);
    job_request(request, sizeof request, "", "");
    T_CHECK(ask(request, text, sizeof text) == 202 && strstr(text, "Location: /v1/jobs/job_"), "%s",
            text);
    T_CHECK(newest(NULL, NULL) == 1, "one job");
    T_CHECK(ask("GET /metrics HTTP/1.1\r\n" CLOSE "\r\n", text, sizeof text) == 200, "%.200s",
            text);
}

/* Each prefix of a request, then a close or a reset: nothing may leak or crash, nothing may be
 * submitted. */
static void test_C21_cut_anywhere(void)
{
    static const char form[] =
        "POST /v1/jobs HTTP/1.1\r\n" CLOSE "Content-Type: multipart/form-data; boundary=XX\r\n"
        "Content-Length: 180\r\n\r\n--XX\r\nContent-Disposition: form-data; "
        "name=\"spec\"\r\n\r\n{}\r\n"
        "--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x\"\r\n\r\n0123456789";
    static const char blob[] = "POST /v1/blobs HTTP/1.1\r\n" CLOSE
                               "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "10\r\n0123456789abcdef\r\n10\r\n0123";
    char job[2048], text[2048];
    const char *request[] = {form, blob, job};
    size_t size[] = {sizeof form - 1, sizeof blob - 1, job_request(job, sizeof job, "", "") - 1};
    int before = newest(NULL, NULL);
    for (int k = 0; k < 3; k++)
        for (size_t n = 0; n <= size[k]; n += 7) {
            struct linger reset = {1, 0};
            int fd = dial();
            send_all(fd, request[k], n);
            if (n % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(fd);
        }
    T_CHECK(newest(NULL, NULL) == before, "a request that did not arrive made a job");
    T_CHECK(ask("GET /healthz HTTP/1.1\r\n" CLOSE "\r\n", text, sizeof text) == 200, "%s", text);
}

/* 413 before the body is read, with a client that goes on sending: the answer arrives. */
static void test_C21_early_413(void)
{
    static char waste[1 << 20];
    char text[4096];
    memset(waste, ' ', sizeof waste);
    for (int i = 0; i < 10; i++) {
        int fd = dial(), status;
        const char *head = "POST /v1/jobs HTTP/1.1\r\n" CLOSE
                           "Content-Type: application/json\r\nContent-Length: 500000000\r\n\r\n";
        send_all(fd, head, strlen(head));
        for (int k = 0; k < i; k++) send_all(fd, waste, sizeof waste);
        status = receive(fd, text, sizeof text, 5000);
        T_CHECK(status == 413 && strstr(text, "payload_too_large"), "%d MiB sent: %d %s", i, status,
                text);
        close(fd);
    }
}

static void test_C21_client_leaves(void)
{
    char request[2048], id[SYN_JOB_ID_SIZE];
    for (int cancel = 0; cancel < 2; cancel++) {
        enum syn_job_state state = SYN_JOB_QUEUED;
        int before = newest(NULL, NULL), fd = dial();
        int64_t began;
        size_t n = job_request(request, sizeof request, "Prefer: wait=20\r\n",
                               cancel ? ",\"on_disconnect\":\"cancel\"" : "");
        send_all(fd, request, n);
        for (int i = 0; i < 500 && newest(NULL, NULL) == before; i++) poll(NULL, 0, 10);
        T_CHECK(newest(&state, id) == before + 1, "submitted");
        close(fd);
        began = now_ms();
        while (now_ms() - began < 5000 && newest(&state, NULL) && state != SYN_JOB_CANCELED &&
               (cancel || now_ms() - began < 800))
            poll(NULL, 0, 20);
        T_CHECK(state == (cancel ? SYN_JOB_CANCELED : SYN_JOB_QUEUED), "%s",
                syn_job_state_word(state));
        T_CHECK(now_ms() - began < 2000, "noticed after %lld ms", (long long)(now_ms() - began));
    }
}

#define WAITERS 10
struct waiter {
    pthread_t thread;
    int status;
    char text[4096];
};

static void *wait_for_job(void *user)
{
    struct waiter *w = user;
    char request[2048];
    job_request(request, sizeof request, "Prefer: wait=25\r\n", "");
    w->status = ask(request, w->text, sizeof w->text);
    return NULL;
}

/* Ten wait for jobs that nobody runs; the listener stops: each gets its 202, soon. */
static void test_C21_stop_with_waiters(void)
{
    static struct waiter w[WAITERS];
    int before = newest(NULL, NULL), idle = dial(), half = dial();
    int64_t began;
    send_all(half, "POST /v1/blobs HTTP/1.1\r\nHost: a", 32);
    for (int i = 0; i < WAITERS; i++)
        T_MUST(pthread_create(&w[i].thread, NULL, wait_for_job, &w[i]) == 0);
    for (int i = 0; i < 1000 && newest(NULL, NULL) < before + WAITERS; i++) poll(NULL, 0, 10);
    poll(NULL, 0, 100);
    began = now_ms();
    syn_http_stop(http);
    T_CHECK(now_ms() - began < 5000, "stopped after %lld ms", (long long)(now_ms() - began));
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(w[i].thread, NULL);
        T_CHECK(w[i].status == 202, "waiter %d: %d %s", i, w[i].status, w[i].text);
    }
    close(idle);
    close(half);
}

/* The n-th allocation of a request fails, for every n: an answer or a closed connection, never a
 * crash. The counter is process-wide, so one request at a time. */
static void test_allocations_fail(void)
{
    char request[2048], text[8192];
    int answered = 0, refused = 0;
    job_request(request, sizeof request, "", "");
    for (long n = 1; n < 40; n++) {
        int status;
        syn_alloc_fail_at(n);
        status = ask(request, text, sizeof text);
        syn_alloc_fail_at(0);
        T_CHECK(status == 0 || status == 202 || status == 503 || status == 500 || status == 422,
                "allocation %ld: %d %s", n, status, text);
        answered += status == 202;
        refused += status != 202;
    }
    T_CHECK(answered > 0 && refused > 0, "%d answered, %d refused", answered, refused);
}

static void test_start_refusals(void)
{
    static const struct {
        const char *listen, *keys;
        int32_t max_connections;
        syn_status st;
        const char *word;
    } cases[] = {
        {"0.0.0.0:0", NULL, 0, SYN_CONFLICT, "allow_open"},
        {"[::]:0", NULL, 0, SYN_CONFLICT, "allow_open"},
        {"127.0.0.1", NULL, 0, SYN_INVALID, "ADDRESS:PORT"},
        {"127.0.0.1:65536", NULL, 0, SYN_INVALID, "port"},
        {"127.0.0.1:-1", NULL, 0, SYN_INVALID, "port"},
        {"127.0.0.1:", NULL, 0, SYN_INVALID, "port"},
        {":80", NULL, 0, SYN_INVALID, "ADDRESS:PORT"},
        {"::1:80", NULL, 0, SYN_INVALID, "[ ]"},
        {NULL, NULL, 0, SYN_INVALID, "ADDRESS:PORT"},
        {"127.0.0.1:0", "/nonexistent", 0, SYN_IO, "/nonexistent"},
        {"127.0.0.1:0", NULL, -1, SYN_INVALID, "max_connections"},
    };
    struct syn_err err = {{0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct syn_http_opts o = {.listen = cases[i].listen,
                                  .keys_file = cases[i].keys,
                                  .store = store,
                                  .models = models,
                                  .max_connections = cases[i].max_connections};
        struct syn_http *none = NULL;
        syn_status st = syn_http_start(&o, &none, &err);
        T_CHECK(st == cases[i].st && strstr(err.text, cases[i].word) && !none, "%s: %s %s",
                cases[i].listen ? cases[i].listen : "NULL", syn_status_word(st), err.text);
        syn_http_stop(none);
    }
    { /* an address that is taken */
        char listen_text[32];
        struct syn_http_opts o = {.listen = listen_text, .store = store, .models = models};
        struct syn_http *none = NULL;
        snprintf(listen_text, sizeof listen_text, "127.0.0.1:%d", port);
        T_CHECK(syn_http_start(&o, &none, &err) == SYN_IO && strstr(err.text, "in use"), "%s",
                err.text);
    }
}

int main(void)
{
    char root[PATH_MAX];
    const char *dirs[] = {root, NULL};
    struct syn_models_opts mo = {.dirs = dirs};
    struct syn_store_opts so;
    struct syn_err err = {{0}};
    dir = t_folder();
    so = t_opts(dir);
    so.max_queued = 100000;
    store = t_open(&so);
    fx_folder(root);
    fx_model(root, "toy", 1, 4, 2);
    T_MUST(syn_models_open(&mo, &models, &err) == SYN_OK);
    start(NULL);
    test_start_refusals();
    test_basics();
    test_C21_cut_anywhere();
    test_C21_early_413();
    test_C21_client_leaves();
    test_allocations_fail();
    test_C21_stop_with_waiters();
    syn_models_close(models);
    syn_store_close(store);
    fx_remove(root);
    t_folder_drop(dir);
    return t_report();
}
