/* http.h - the listener: libmicrohttpd in front of the store, the models and the worker.
 *
 * Layer:   server/http: the only folder where HTTP's numbers exist.
 * Threads: start and stop from the main thread. Handlers run on the listener's threads, several at
 *          once; they never wait for the engine. A waited job (Prefer: wait) blocks its own
 *          connection's thread only. */
#ifndef SYN_HTTP_H
#define SYN_HTTP_H

#include "kernels/engine.h"
#include "server/jobs/blobs.h"
#include "server/jobs/store.h"
#include "server/jobs/worker.h"
#include "server/models/models.h"

struct syn_http;

/* Numbers: 0 = the default. Strings and lists are copied. */
struct syn_http_opts {
    const char *listen;            /* "127.0.0.1:7801", "[::1]:0"; port 0 picks a free one */
    bool allow_open;               /* serve a non-loopback address without keys */
    const char *keys_file;         /* one "name:sha256hex" a line; NULL or "" = no keys */
    const char *const *origins;    /* foreign Origins that may call, exact; NULL-terminated */
    const char *const *hosts;      /* further Host names, exact; the loopback ones are known */
    struct syn_store *store;
    struct syn_models *models;
    struct syn_engine *engine;
    struct syn_worker *worker;
    uint64_t max_body_bytes;       /* JSON and multipart; default 64 MiB */
    uint64_t max_blob_bytes;       /* POST /v1/blobs; default 256 MiB */
    uint64_t max_pixels;           /* of an input picture */
    int32_t max_side;
    uint64_t max_decoded_bytes;    /* of an input while it is decoded, and of all pictures or
                                    * tensors of its job after that; 0 = no limit */
    uint64_t max_output_pixels;
    int32_t max_output_side;       /* default 65535 */
    int32_t max_sound_seconds;     /* of an input sound; default an hour */
    uint64_t max_inflight_bytes;   /* of uploads together, JSON 3 times: more is 429 */
    int32_t max_connections;       /* default 512 */
    int32_t idle_timeout_s;        /* default 30 */
};

/* SYN_INVALID: listen, a limit or the keys; SYN_CONFLICT: refuses a non-loopback address without
 * keys (says which option allows it); SYN_IO: cannot bind, or read the keys. */
SYN_MUST_CHECK syn_status syn_http_start(const struct syn_http_opts *opts, struct syn_http **out,
                                         struct syn_err *err);
/* "http://127.0.0.1:41234" with the real port. */
const char *syn_http_url(const struct syn_http *h);
/* From now on /readyz is 503 "draining" and new jobs are refused with 503. */
void syn_http_drain(struct syn_http *h);
/* Ends waits, closes connections, joins, frees. NULL-safe. */
void syn_http_stop(struct syn_http *h);

/* Metrics from the worker's callbacks (worker.h): safe from any thread. */
void syn_http_count_unit(struct syn_http *h, const char *kind, const char *model, double seconds);
void syn_http_count_done(struct syn_http *h, const struct syn_job *job);

#endif
