/* request.h - one request and its answer, and the listener's own state, as handlers see them.
 *
 * A request is made when its headers are in, checked (key, Host, route, limits), gets its body, is
 * handed to its handler, and is freed by the listener when the answer has left or the client has
 * gone.
 *
 * Layer:   server/http.
 * Threads: a request belongs to its connection's thread. struct syn_http: each field says how. */
#ifndef SYN_REQUEST_H
#define SYN_REQUEST_H

#include "kernels/base/arena.h"
#include "server/http/auth.h"
#include "server/http/http.h"
#include "server/http/metrics.h"
#include "server/http/multipart.h"
#include "server/http/problem.h"
#include <jansson.h>
#include <stdatomic.h>

struct MHD_Connection;
struct MHD_Daemon;
struct syn_conns;

struct syn_http {
    struct syn_http_opts opts;       /* immutable after start; numbers have their defaults */
    struct syn_origin_policy policy; /* immutable */
    struct syn_auth *auth;           /* immutable */
    struct syn_arena texts;          /* copies of the options' strings; immutable */
    struct syn_metrics *metrics;     /* locks itself */
    struct syn_conns *conns;         /* locks itself */
    struct MHD_Daemon *daemon;       /* main thread */
    char url[96];                    /* immutable */
    int64_t started_ms;              /* immutable */
    atomic_bool draining, stopping;
    atomic_ullong inflight_bytes; /* reserved by bodies being received */
    atomic_int active;            /* requests between their headers and their end */
    atomic_int waiting;           /* of these, those of Prefer: wait */
};

/* ---- the answer ---- */

#define SYN_MAX_REPLY_HEADERS 16
struct syn_reply {
    unsigned status;        /* 0 = not decided yet */
    const char *media_type; /* static */
    char *body;             /* from malloc (jansson), owned; may be NULL */
    const char *fixed;      /* static bytes instead of body */
    size_t n;               /* bytes of body or fixed */
    int fd;                 /* >= 0: bytes of this file instead, owned */
    uint64_t fd_offset, fd_bytes;
    struct {
        const char *name; /* static */
        char value[200];
    } header[SYN_MAX_REPLY_HEADERS];
    int n_headers;
};
/* Cut values and headers past the maximum are bugs of ours: the value is left out. */
void syn_reply_header(struct syn_reply *rp, const char *name, const char *format, ...)
    SYN_PRINTF(3, 4);
/* status with v (stolen) as the body; v NULL: 503 out_of_memory. */
struct syn_request;
void syn_reply_json(struct syn_request *rq, unsigned status, json_t *v);
/* The problem as problem+json, with Retry-After, Allow and x-should-retry; releases *p. */
void syn_reply_problem(struct syn_request *rq, struct syn_problem *p);
void syn_reply_deinit(struct syn_reply *rp);

/* ---- the body ---- */

enum syn_body_kind {
    SYN_BODY_NONE, /* thrown away, if one comes */
    SYN_BODY_JSON,
    SYN_BODY_JOB, /* JSON, or a form whose files go to blobs */
    SYN_BODY_BLOB /* raw bytes straight into a blob */
};

#define SYN_MAX_FORM_PARTS 18 /* spec and every input that a job may have */
#define SYN_MAX_FORM_TEXT (1u << 20) /* bytes of all text parts together */
struct syn_form_part {
    char name[SYN_PART_NAME_SIZE];
    bool is_file;
    char *text; /* text parts: NUL-terminated, owned */
    size_t n;
    char sha256[SYN_SHA256_HEX_SIZE]; /* files */
    uint64_t bytes;
};

struct syn_body {
    enum syn_body_kind kind;
    bool is_form;
    bool has_declared, failed; /* failed: the answer is decided, the rest is thrown away */
    uint64_t declared, received, limit, reserved;
    char *data; /* JSON; owned */
    size_t n, cap;
    struct syn_multipart *multipart;
    struct syn_form_part part[SYN_MAX_FORM_PARTS];
    int n_parts;
    size_t form_text_bytes;
    struct syn_blob_writer *writer;   /* of the raw body, or of the file part being received */
    char sha256[SYN_SHA256_HEX_SIZE]; /* of the raw body, when whole */
};

/* ---- the request ---- */

#define SYN_REQUEST_ID_SIZE 132
#define SYN_MAX_ARGS 2
#define SYN_ARG_SIZE 160

typedef void syn_handler(struct syn_request *rq);
struct syn_route {
    const char *method;
    const char *path; /* "/v1/jobs/{id}": a part in braces matches one non-empty segment */
    syn_handler *handler;
    enum syn_body_kind body;
    bool open;          /* no key needed */
    bool openai_errors; /* problems carry the `error` object too */
};

struct syn_request {
    struct syn_http *http;
    struct MHD_Connection *mhd;
    const char *method, *path;            /* borrowed from the connection; path is not decoded */
    const struct syn_route *route;        /* NULL until routed */
    char arg[SYN_MAX_ARGS][SYN_ARG_SIZE]; /* decoded */
    char id[SYN_REQUEST_ID_SIZE];
    char owner[SYN_KEY_NAME_SIZE]; /* name of the key; "" without keys */
    bool cors, linger, queued;
    bool close; /* its end is in doubt: nothing after it is read as a request */
    int64_t started_us;
    struct syn_body body;
    struct syn_reply reply;
};

const char *syn_request_header(const struct syn_request *rq, const char *name); /* borrowed; NULL */
/* Decoded into out; false: not there. Too long, or badly encoded: "" and true. */
bool syn_request_query(const struct syn_request *rq, const char *name, char *out, size_t size);
int64_t syn_clock_us(void); /* monotonic */

/* True when the client has closed its end. */
bool syn_request_client_left(const struct syn_request *rq);
/* Off while a handler waits: the listener's idle time must not run out meanwhile. */
void syn_request_idle_timer(const struct syn_request *rq, bool on);

/* percent-decoding; false: malformed, NUL, or too long. */
bool syn_percent_decode(const char *text, size_t n, char *out, size_t size);

/* ---- bind.c ---- */

/* Sets h->url and h->policy.loopback; *out is listening. Statuses as syn_http_start. */
SYN_MUST_CHECK syn_status syn_listen_open(struct syn_http *h, int *out, struct syn_err *err);

/* ---- admit.c ---- */

void syn_admit_id(struct syn_request *rq);
/* False: rq->reply is decided. */
bool syn_admit(struct syn_request *rq);
/* Answers with a problem; always false. */
bool syn_admit_refuse(struct syn_request *rq, enum syn_code code, const char *text);

/* ---- router.c ---- */

/* Sets rq->route and rq->arg. NULL route: no such path (allow is ""), or no such method (allow
 * lists those there are). HEAD goes where GET goes. */
void syn_router_match(struct syn_request *rq, char allow[64]);
int syn_router_count(void);
const struct syn_route *syn_router_at(int i);

/* ---- body.c ---- */

/* From the headers: limits, media type, room. False: the answer is decided. */
bool syn_body_begin(struct syn_request *rq);
void syn_body_push(struct syn_request *rq, const char *data, size_t n);
/* The body is whole. False: the answer is decided. */
bool syn_body_finish(struct syn_request *rq);
void syn_body_deinit(struct syn_request *rq);
/* NULL when there is none. */
const struct syn_form_part *syn_body_part(const struct syn_body *b, const char *name);

#endif
