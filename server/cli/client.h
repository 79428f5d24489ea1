/* client.h - requests to a running daemon, over libcurl.
 *
 * Layer:   server/cli.   Threads: one client, one thread. */
#ifndef SYN_CLIENT_H
#define SYN_CLIENT_H

#include "kernels/base/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct syn_client;

/* server: "http://127.0.0.1:7801"; key NULL = none. SYN_INVALID: not an http or https URL. */
SYN_MUST_CHECK syn_status syn_client_open(const char *server, const char *key,
                                          struct syn_client **out, struct syn_err *err);
void syn_client_close(struct syn_client *c); /* NULL-safe */

struct syn_request_opts {
    const char *method, *path; /* "POST", "/v1/jobs" */
    const void *body;          /* NULL = none */
    size_t n_body;
    const char *content_type, *idempotency_key; /* NULL = none */
    void (*on_sent)(void *user, size_t done, size_t total);
    void *user;
};
struct syn_answer {
    long status;     /* HTTP's number */
    int retry_after; /* seconds; 0 = not said */
    char *body;      /* NUL-terminated; owned by the client until the next request */
    size_t n_body;
};
/* SYN_IO: no answer (the text says why). Any HTTP status is SYN_OK. */
SYN_MUST_CHECK syn_status syn_client_send(struct syn_client *c, const struct syn_request_opts *r,
                                          struct syn_answer *out, struct syn_err *err);
/* The detail of a problem body, or the status alone. */
void syn_client_explain(const struct syn_answer *a, struct syn_err *err);

#endif
