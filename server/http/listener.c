/* listener.c - libmicrohttpd: connections in, requests to their handlers, answers out. See http.h.
 *
 * One thread per connection, at most max_connections of them: a waited job blocks its own thread
 * and nobody else's, and nothing is ever suspended or resumed.
 *
 * The way of a request
 *   handle()      1st call: headers are in. syn_admit() decides on key, Host, Origin, route and
 *                 limits. Further calls: body bytes. Last call: the body is whole, the handler
 *                 answers.
 *   completed()   the answer has left or the client has gone: the only place that frees it.
 *
 * An answer decided before the body has been read: with Expect: 100-continue it goes out at once; a
 * small body is read to its end and thrown away, so that the connection can go on; a large one is
 * cut off: answer, half-close, then read on for a while, or the client's unread bytes would reset
 * the connection and take the answer with them.
 *
 * Some refusals are the library's own, in HTML, before we see the request: 400, 414, 431, 505; and,
 * before its 1.0, 500 for the line of a chunk that is over CONNECTION_MEMORY. It closes the
 * connection after each.
 *
 * Paths and queries arrive undecoded (keep_escapes): decoding is the router's, which
 * refuses NUL. */
#include "kernels/base/alloc.h"
#include "kernels/base/log.h"
#include "server/http/conns.h"
#include "server/http/request.h"
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_DISCARDED_BODY (256u << 10) /* read to its end although the answer is known */
#define LINGER_MS 2000
#define STOP_MS 5000
#define BODY_GRACE_S 60
#define BODY_BYTES_PER_S 8192 /* slower than this, past the grace, is cut off */
#define CONNECTION_MEMORY (64u << 10)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK (8u << 20)
#else
#define STACK (1u << 20)
#endif

/* ---- answers ---- */

static struct MHD_Response *make_response(struct syn_reply *rp)
{
    struct MHD_Response *r;
    if (rp->fd >= 0 && rp->fd_bytes > 0) {
        r = MHD_create_response_from_fd_at_offset64(rp->fd_bytes, rp->fd, rp->fd_offset);
        if (r) rp->fd = -1; /* closed with the response */
    } else if (rp->body) {
        r = MHD_create_response_from_buffer(rp->n, rp->body, MHD_RESPMEM_MUST_FREE);
        if (r) rp->body = NULL;
    } else {
        r = MHD_create_response_from_buffer(rp->fixed ? rp->n : 0, (void *)(uintptr_t)rp->fixed,
                                            MHD_RESPMEM_PERSISTENT);
    }
    return r;
}

static enum MHD_Result send_reply(struct syn_request *rq)
{
    struct syn_reply *rp = &rq->reply;
    uint64_t bytes = rp->fd >= 0 ? rp->fd_bytes : rp->n;
    struct MHD_Response *r = make_response(rp);
    const struct syn_route *first = syn_router_at(0);
    double seconds = (double)(syn_clock_us() - rq->started_us) / 1e6;
    enum MHD_Result ok;
    if (!r) return MHD_NO;
    if (rp->media_type && rp->status != 304 && rp->status != 204)
        MHD_add_response_header(r, "Content-Type", rp->media_type);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "X-Request-Id", rq->id);
    if (rq->close) MHD_add_response_header(r, "Connection", "close");
    for (int i = 0; i < rp->n_headers; i++)
        MHD_add_response_header(r, rp->header[i].name, rp->header[i].value);
    if (rq->http->opts.origins && rq->http->opts.origins[0])
        MHD_add_response_header(r, "Vary", "Origin");
    if (rq->cors) {
        MHD_add_response_header(r, "Access-Control-Allow-Origin", syn_request_header(rq, "Origin"));
        MHD_add_response_header(
            r, "Access-Control-Expose-Headers",
            "Location, ETag, Retry-After, X-Request-Id, Preference-Applied, Idempotency-Replayed");
    }
    ok = MHD_queue_response(rq->mhd, rp->status, r);
    MHD_destroy_response(r);
    rq->queued = true;
    syn_metrics_request(rq->http->metrics, rq->route ? (int)(rq->route - first) : -1,
                        !strcmp(rq->method, "HEAD"), rp->status, seconds, rq->body.received, bytes);
    syn_log(rp->status >= 500 ? SYN_LOG_WARN : SYN_LOG_DEBUG,
            "request method=%s route=%s status=%u seconds=%.4f request_id=%s",
            rq->route ? rq->route->method : "?", rq->route ? rq->route->path : "none", rp->status,
            seconds, rq->id);
    return ok;
}

/* The answer is known and a body may follow. True: it has been sent. */
static bool send_early(struct syn_request *rq, enum MHD_Result *result)
{
    const char *length = syn_request_header(rq, "Content-Length"),
               *expect = syn_request_header(rq, "Expect");
    bool chunked = syn_request_header(rq, "Transfer-Encoding") != NULL;
    unsigned long long declared = length ? strtoull(length, NULL, 10) : 0;
    if (!expect && !chunked && !rq->close && declared > 0 && declared <= MAX_DISCARDED_BODY) {
        rq->body.failed = true;
        return false;
    }
    rq->linger = declared > 0 || chunked || rq->close;
    *result = send_reply(rq);
    return true;
}

/* ---- libmicrohttpd's callbacks ---- */

static struct syn_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static enum MHD_Result begin(struct syn_http *h, struct MHD_Connection *mhd, const char *url,
                             const char *method, void **slot)
{
    struct syn_request *rq = syn_calloc(1, sizeof *rq);
    enum MHD_Result result = MHD_YES;
    if (!rq) return MHD_NO;
    rq->http = h;
    rq->mhd = mhd;
    rq->method = method;
    rq->path = url;
    rq->reply.fd = -1;
    rq->started_us = syn_clock_us();
    *slot = rq;
    atomic_fetch_add(&h->active, 1);
    syn_conns_busy(h->conns, conn_of(mhd), true);
    syn_admit_id(rq);
    if (!syn_admit(rq)) (void)send_early(rq, &result);
    return result;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *n_data, void **slot)
{
    struct syn_request *rq = *slot;
    (void)version;
    if (!rq) return begin(user, mhd, url, method, slot);
    if (rq->queued) {
        *n_data = 0;
        return MHD_YES;
    }
    if (*n_data > 0) {
        int64_t seconds = (syn_clock_us() - rq->started_us) / 1000000;
        syn_body_push(rq, data, *n_data);
        *n_data = 0;
        if (seconds > BODY_GRACE_S + (int64_t)(rq->body.received / BODY_BYTES_PER_S)) return MHD_NO;
        /* Thrown away is thrown away: what never ends is cut off. */
        return rq->body.failed && rq->body.received > 2 * rq->body.limit + MAX_DISCARDED_BODY
                   ? MHD_NO
                   : MHD_YES;
    }
    if (!rq->body.failed && syn_body_finish(rq)) rq->route->handler(rq);
    syn_body_deinit(rq);
    if (!rq->reply.status) syn_admit_refuse(rq, SYN_CODE_internal, "the request was not answered");
    return send_reply(rq);
}

/* The answer is out, the client still sends: half-close and read on, or a reset would eat the
 * answer. */
static void linger(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    int64_t until = syn_clock_us() + LINGER_MS * 1000;
    char waste[16384];
    int fd = info ? info->connect_fd : -1;
    if (fd < 0 || shutdown(fd, SHUT_WR) != 0) return;
    for (int64_t left; (left = until - syn_clock_us()) > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;
        if (poll(&p, 1, (int)(left / 1000) + 1) <= 0) return;
        n = recv(fd, waste, sizeof waste, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return;
    }
}

static void completed(void *user, struct MHD_Connection *mhd, void **slot,
                      enum MHD_RequestTerminationCode why)
{
    struct syn_http *h = user;
    struct syn_request *rq = *slot;
    if (!rq) return;
    *slot = NULL;
    if (rq->linger && why == MHD_REQUEST_TERMINATED_COMPLETED_OK && !atomic_load(&h->stopping))
        linger(mhd);
    syn_body_deinit(rq);
    syn_reply_deinit(&rq->reply);
    syn_free(rq);
    syn_conns_busy(h->conns, conn_of(mhd), false);
    atomic_fetch_sub(&h->active, 1);
}

static void connection(void *user, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct syn_http *h = user;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = info ? syn_conns_add(h->conns, info->connect_fd) : NULL;
    } else {
        syn_conns_remove(h->conns, *socket_context);
        *socket_context = NULL;
    }
}

static size_t keep_escapes(void *user, struct MHD_Connection *mhd, char *text)
{
    (void)user;
    (void)mhd;
    return strlen(text);
}

static void log_line(void *user, const char *format, va_list args)
{
    char line[300];
    size_t n;
    (void)user;
    vsnprintf(line, sizeof line, format, args);
    n = strlen(line);
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 32 || *c == '"') *c = '\'';
    syn_log(SYN_LOG_DEBUG, "listener detail=\"%s\"", line);
}

/* ---- start and stop ---- */

static syn_status set_defaults(struct syn_http_opts *o, struct syn_err *err)
{
    if (o->max_connections < 0 || o->idle_timeout_s < 0 || o->max_side < 0 ||
        o->max_output_side < 0 || o->max_sound_seconds < 0)
        return syn_fail(err, SYN_INVALID, "%s: must not be negative",
                        o->max_side < 0          ? "max_side"
                        : o->max_output_side < 0 ? "max_output_side"
                        : o->max_sound_seconds < 0 ? "max_sound_seconds"
                        : o->idle_timeout_s < 0  ? "idle_timeout_s"
                                                 : "max_connections");
    if (!o->max_body_bytes) o->max_body_bytes = 64ull << 20;
    if (!o->max_blob_bytes) o->max_blob_bytes = 256ull << 20;
    if (!o->max_inflight_bytes) o->max_inflight_bytes = 512ull << 20;
    if (!o->max_pixels) o->max_pixels = 64ull << 20;
    if (!o->max_side) o->max_side = 16384;
    if (!o->max_output_pixels) o->max_output_pixels = 256ull << 20;
    if (!o->max_output_side) o->max_output_side = 65535;
    if (!o->max_sound_seconds) o->max_sound_seconds = 3600;
    if (!o->max_connections) o->max_connections = 512;
    if (!o->idle_timeout_s) o->idle_timeout_s = 30;
    return SYN_OK;
}

static struct MHD_Daemon *start_daemon(struct syn_http *h, int fd)
{
    return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                                MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG,
                            0, NULL, NULL, handle, h,
                            /* the logger first: what follows may log */
                            MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_LISTEN_SOCKET,
                            fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)h->opts.max_connections,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)h->opts.idle_timeout_s,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                            MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK,
                            MHD_OPTION_NOTIFY_COMPLETED, completed, h, MHD_OPTION_NOTIFY_CONNECTION,
                            connection, h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

/* NULL for NULL, and without memory. */
static const char *const *copy_list(struct syn_arena *a, const char *const *list)
{
    const char **copy;
    size_t n = 0;
    if (!list) return NULL;
    while (list[n]) n++;
    copy = syn_arena_new(a, n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = syn_arena_strdup(a, list[i]))) return NULL;
    return copy;
}

syn_status syn_http_start(const struct syn_http_opts *opts, struct syn_http **out,
                          struct syn_err *err)
{
    struct syn_http *h = syn_calloc(1, sizeof *h);
    struct timespec now;
    int fd = -1;
    syn_status st;
    if (!h) return syn_fail(err, SYN_NO_MEMORY, "no memory for the listener");
    h->opts = *opts;
    h->opts.keys_file = NULL;
    h->opts.hosts = h->policy.hosts = copy_list(&h->texts, opts->hosts);
    h->opts.origins = h->policy.origins = copy_list(&h->texts, opts->origins);
    h->opts.listen = syn_arena_strdup(&h->texts, opts->listen ? opts->listen : "");
    if (!h->opts.listen || (opts->hosts && !h->opts.hosts) || (opts->origins && !h->opts.origins)) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for the listener");
        goto failed;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    h->started_ms = (int64_t)now.tv_sec * 1000;
    if ((st = set_defaults(&h->opts, err)) != SYN_OK ||
        (st = syn_auth_open(opts->keys_file && *opts->keys_file ? opts->keys_file : NULL, &h->auth,
                            err)) != SYN_OK ||
        (st = syn_listen_open(h, &fd, err)) != SYN_OK)
        goto failed;
    h->metrics = syn_metrics_new(syn_router_count());
    h->conns = syn_conns_new((int64_t)h->opts.idle_timeout_s * 2000000);
    if (!h->metrics || !h->conns) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for the listener");
        goto failed;
    }
    h->daemon = start_daemon(h, fd);
    if (!h->daemon) {
        st = syn_fail(err, SYN_IO, "listen = %s: the listener did not start", opts->listen);
        goto failed;
    }
    *out = h;
    return SYN_OK;
failed:
    if (fd >= 0) close(fd);
    syn_http_stop(h);
    return st;
}

const char *syn_http_url(const struct syn_http *h)
{
    return h->url;
}

void syn_http_drain(struct syn_http *h)
{
    atomic_store(&h->draining, true);
}

void syn_http_stop(struct syn_http *h)
{
    if (!h) return;
    atomic_store(&h->draining, true);
    atomic_store(&h->stopping, true);
    if (h->daemon) {
        int fd;
        int64_t until = syn_clock_us() + STOP_MS * 1000;
        syn_store_stop_waiters(h->opts.store);
        fd = MHD_quiesce_daemon(h->daemon);
        while (atomic_load(&h->active) > 0 && syn_clock_us() < until) {
            struct timespec nap = {.tv_nsec = 10000000};
            nanosleep(&nap, NULL);
        }
        MHD_stop_daemon(h->daemon);
        if (fd >= 0) close(fd);
    }
    syn_conns_free(h->conns);
    syn_metrics_free(h->metrics);
    syn_auth_close(h->auth);
    syn_arena_deinit(&h->texts);
    syn_free(h);
}

void syn_http_count_unit(struct syn_http *h, const char *kind, const char *model, double seconds)
{
    syn_metrics_unit(h->metrics, kind, model, seconds);
}

void syn_http_count_done(struct syn_http *h, const struct syn_job *job)
{
    syn_metrics_done(h->metrics, job);
}
