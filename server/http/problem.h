/* problem.h - the one error that goes to clients: a stable code, its HTTP status, a text
 * (RFC 9457).
 *
 * Handlers and checks fill a struct syn_problem; reply.c prints it as application/problem+json. API
 * families print the same struct in their own spelling.
 *
 * Layer:   server/http: the only folder where HTTP's numbers exist.
 * Threads: pure functions; a problem belongs to its request.
 * New code: one line in SYN_CODE_LIST, one in proto/openapi.yaml and one in docs/api.md. */
#ifndef SYN_PROBLEM_H
#define SYN_PROBLEM_H

#include "kernels/base/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* X(code, HTTP status, may the same request succeed later, title) */
#define SYN_CODE_LIST(X)                                                         \
    X(invalid_json, 400, false, "The body is not JSON")                          \
    X(invalid_header, 400, false, "A header cannot be read")                     \
    X(invalid_multipart, 400, false, "The form cannot be read")                  \
    X(invalid_field, 422, false, "A field has an illegal value")                 \
    X(unknown_field, 422, false, "Unknown field")                                \
    X(missing_field, 422, false, "A field is missing")                           \
    X(duplicate_field, 422, false, "A field was given twice")                    \
    X(conflicting_field, 422, false, "Fields contradict each other")             \
    X(unsupported_value, 422, false, "Legal, but not offered here")              \
    X(image_truncated, 422, false, "The picture ends too early")                 \
    X(audio_truncated, 422, false, "The sound ends too early")                   \
    X(unknown_route, 404, false, "No such address")                              \
    X(unknown_kind, 404, false, "Unknown kind of job")                           \
    X(unknown_model, 404, false, "Unknown model")                                \
    X(unknown_job, 404, false, "Unknown job")                                    \
    X(unknown_output, 404, false, "The job has no such output")                  \
    X(unknown_blob, 404, false, "Unknown blob")                                  \
    X(unauthorized, 401, false, "An API key is needed")                          \
    X(forbidden, 403, false, "Refused")                                          \
    X(method_not_allowed, 405, false, "Method not allowed")                      \
    X(idempotency_conflict, 409, false, "Idempotency key used for another body") \
    X(not_cancelable, 409, false, "The job is over")                             \
    X(expired, 410, false, "The result has expired")                             \
    X(payload_too_large, 413, false, "Over a size limit")                        \
    X(unsupported_media, 415, false, "Media type not offered")                   \
    X(range_not_satisfiable, 416, false, "Range outside the content")            \
    X(queue_full, 429, true, "Queue is full")                                    \
    X(uploads_full, 429, true, "Too many bytes are being uploaded")              \
    X(internal, 500, true, "Internal error")                                     \
    X(starting, 503, true, "Starting")                                           \
    X(not_ready, 503, true, "Not taking jobs")                                   \
    X(draining, 503, true, "Stopping")                                           \
    X(device_lost, 503, true, "The device is lost")                              \
    X(out_of_memory, 503, true, "Out of memory")

enum syn_code {
#define SYN_CODE_ENUM(code, status, retry, title) SYN_CODE_##code,
    SYN_CODE_LIST(SYN_CODE_ENUM)
#undef SYN_CODE_ENUM
        SYN_CODE_COUNT
};

const char *syn_code_word(enum syn_code c);
unsigned syn_code_status(enum syn_code c);
const char *syn_code_title(enum syn_code c);
bool syn_code_retry(enum syn_code c);
/* The code spelled so; dflt for any other word. */
enum syn_code syn_code_find(const char *word, enum syn_code dflt);

#define SYN_MAX_ERRORS 64 /* in errors[] of one answer; beyond it only counted */

struct syn_problem {
    enum syn_code code;
    char detail[400];
    json_t *errors;        /* [{pointer, detail, code}], owned; NULL = none */
    int32_t n_errors_more; /* left out of errors */
    bool has_limit, has_received;
    uint64_t limit, received;
    int32_t retry_after_s;  /* 0 = no Retry-After; else 1..120 */
    char allow[64];         /* 405: the methods there are */
    uint64_t content_bytes; /* 416: the whole size */
    char job[40];           /* the job this is about, or "" */
};

/* Sets code and detail; the rest of *p is cleared (errors are released). */
void syn_problem_set(struct syn_problem *p, enum syn_code code, const char *format, ...)
    SYN_PRINTF(3, 4);
/* From a status of the layers below: what the client may know. INTERNAL and IO say nothing of the
 * text; it is logged with the request's id. */
void syn_problem_from(struct syn_problem *p, syn_status st, const struct syn_err *err,
                      const char *request_id);
void syn_problem_deinit(struct syn_problem *p);

/* Adds {pointer, detail, code} to *errors, made when NULL; over SYN_MAX_ERRORS only counted. */
void syn_problem_add(struct syn_problem *p, const char *pointer, enum syn_code code,
                     const char *format, ...) SYN_PRINTF(4, 5);
/* After all checks: sets code and detail from errors[]. One status for all: that one; mixed: 422,
 * with the code of the first error that is 422 itself. False when there are no errors. */
bool syn_problem_close(struct syn_problem *p);

/* The problem object; NULL without memory. */
json_t *syn_problem_json(const struct syn_problem *p, const char *instance, const char *request_id);

#endif
