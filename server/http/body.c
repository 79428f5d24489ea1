/* body.c - bodies as they arrive: limits before bytes, then a buffer, a form or a blob. See
 * request.h.
 *
 * What has been promised by Content-Length is checked against the limit and reserved against
 * max_inflight_bytes before a byte is taken; a chunked body reserves as it grows. Raw bodies and
 * files of forms go to disk as they come; JSON stays in memory and counts JSON_COPIES times. After a failure
 * the answer is decided and the rest of the body is thrown away as it comes. */
#include "server/http/request.h"
#include "kernels/base/alloc.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_IGNORED_BODY 65536u /* where no body is expected */
#define RESERVE_STEP (1u << 20) /* of a chunked body */
#define JSON_COPIES 3 /* while it is parsed: the text, the parser's token, the document */

static void release(struct syn_request *rq)
{
    atomic_fetch_sub(&rq->http->inflight_bytes, rq->body.reserved);
    rq->body.reserved = 0;
}

static void drop_contents(struct syn_body *b)
{
    syn_free(b->data);
    b->data = NULL;
    b->n = b->cap = 0;
    syn_blob_abort(b->writer);
    b->writer = NULL;
    syn_multipart_free(b->multipart);
    b->multipart = NULL;
    for (int i = 0; i < b->n_parts; i++) syn_free(b->part[i].text);
    b->n_parts = 0;
}

void syn_body_deinit(struct syn_request *rq)
{
    drop_contents(&rq->body);
    release(rq);
}

/* Answers with p and stops listening to the body. */
static void fail(struct syn_request *rq, struct syn_problem *p)
{
    drop_contents(&rq->body);
    release(rq);
    rq->body.failed = true;
    syn_reply_problem(rq, p);
}

static void fail_too_large(struct syn_request *rq, uint64_t received)
{
    struct syn_problem p = {0};
    syn_problem_set(&p, SYN_CODE_payload_too_large, "body of %llu bytes%s: at most %llu",
                    (unsigned long long)received, rq->body.has_declared ? "" : " or more",
                    (unsigned long long)rq->body.limit);
    p.has_limit = p.has_received = true;
    p.limit = rq->body.limit;
    p.received = received;
    fail(rq, &p);
}

/* A status of a lower layer while a body is taken in. */
static void fail_status(struct syn_request *rq, syn_status st, const struct syn_err *err,
                        enum syn_code invalid)
{
    struct syn_problem p = {0};
    if (st == SYN_INVALID) syn_problem_set(&p, invalid, "%s", err->text);
    else syn_problem_from(&p, st, err, rq->id);
    if (st == SYN_TOO_LARGE) {
        p.has_limit = true;
        p.limit = rq->body.is_form ? rq->http->opts.max_body_bytes : rq->body.limit;
    }
    fail(rq, &p);
}

static bool reserve(struct syn_request *rq, uint64_t bytes)
{
    struct syn_problem p = {0};
    uint64_t before = atomic_fetch_add(&rq->http->inflight_bytes, bytes);
    rq->body.reserved += bytes;
    /* One upload alone is always let through: its own limit bounds it. */
    if (before + bytes <= rq->http->opts.max_inflight_bytes || before + bytes == rq->body.reserved)
        return true;
    syn_metrics_rejected(rq->http->metrics, "bytes");
    syn_problem_set(
        &p, SYN_CODE_uploads_full, "uploads take %llu bytes: at most %llu together",
        (unsigned long long)before, (unsigned long long)rq->http->opts.max_inflight_bytes);
    p.retry_after_s = 1;
    p.has_limit = true;
    p.limit = rq->http->opts.max_inflight_bytes;
    fail(rq, &p);
    return false;
}

/* What the body takes while so many bytes of it are here. */
static uint64_t taken_by(const struct syn_body *b, uint64_t bytes)
{
    bool in_memory = b->kind == SYN_BODY_JSON || (b->kind == SYN_BODY_JOB && !b->is_form);
    return in_memory ? bytes * JSON_COPIES : bytes;
}

/* ---- media types ---- */

static bool media_is(const char *header, const char *type)
{
    size_t n = strlen(type);
    if (strncasecmp(header, type, n) != 0) return false;
    header += n;
    while (*header == ' ' || *header == '\t') header++;
    return *header == '\0' || *header == ';';
}

static bool media_ok(struct syn_request *rq, const char *type)
{
    static const char *const wanted[] = {
        [SYN_BODY_JSON] = "application/json",
        [SYN_BODY_JOB] = "application/json or multipart/form-data",
        [SYN_BODY_BLOB] = "application/octet-stream or image/*",
    };
    enum syn_body_kind kind = rq->body.kind;
    const char *coding = syn_request_header(rq, "Content-Encoding");
    struct syn_problem p = {0};
    bool ok = false;
    if (coding && *coding && strcasecmp(coding, "identity")) {
        syn_problem_set(&p, SYN_CODE_unsupported_media,
                        "Content-Encoding: %.60s: send the body as it is", coding);
        fail(rq, &p);
        return false;
    }
    rq->body.is_form = type && kind == SYN_BODY_JOB && media_is(type, "multipart/form-data");
    if (type && kind == SYN_BODY_BLOB)
        ok = media_is(type, "application/octet-stream") || strncasecmp(type, "image/", 6) == 0;
    else if (type) ok = rq->body.is_form || media_is(type, "application/json");
    if (ok) return true;
    syn_problem_set(&p, SYN_CODE_unsupported_media, "Content-Type: %.80s: must be %s",
                    type ? type : "(none)", wanted[kind]);
    fail(rq, &p);
    return false;
}

/* ---- forms ---- */

static struct syn_form_part *last_part(struct syn_body *b)
{
    return &b->part[b->n_parts - 1];
}

static syn_status form_part(void *user, const struct syn_part *in, struct syn_err *err)
{
    struct syn_request *rq = user;
    struct syn_body *b = &rq->body;
    struct syn_form_part *part;
    if (b->n_parts == SYN_MAX_FORM_PARTS)
        return syn_fail(err, SYN_INVALID, "more than %d parts", SYN_MAX_FORM_PARTS);
    if (syn_body_part(b, in->name))
        return syn_fail(err, SYN_INVALID, "two parts named %s", in->name);
    part = &b->part[b->n_parts];
    memset(part, 0, sizeof *part);
    memcpy(part->name, in->name, sizeof part->name);
    /* curl's "-F spec=@job.json" gives the spec a file name: it is a text all the same. */
    part->is_file = in->is_file && strcmp(in->name, "spec") != 0;
    b->n_parts++;
    if (!part->is_file) return SYN_OK;
    return syn_blob_begin(syn_store_blobs(rq->http->opts.store), rq->http->opts.max_body_bytes,
                          &b->writer, err);
}

static syn_status form_data(void *user, const uint8_t *bytes, size_t n, struct syn_err *err)
{
    struct syn_body *b = &((struct syn_request *)user)->body;
    struct syn_form_part *part = last_part(b);
    char *grown;
    if (part->is_file) return syn_blob_write(b->writer, bytes, n, err);
    if (n > SYN_MAX_FORM_TEXT - b->form_text_bytes)
        return syn_fail(err, SYN_INVALID,
                        "part %s: text parts are over %u bytes together: send pictures as files",
                        part->name, SYN_MAX_FORM_TEXT);
    grown = syn_realloc(part->text, part->n + n + 1, 1);
    if (!grown)
        return syn_fail(err, SYN_NO_MEMORY, "part %s: no memory for %zu bytes", part->name,
                        part->n + n);
    memcpy(grown + part->n, bytes, n);
    part->text = grown;
    part->n += n;
    part->text[part->n] = '\0';
    b->form_text_bytes += n;
    return SYN_OK;
}

static syn_status form_end(void *user, struct syn_err *err)
{
    struct syn_body *b = &((struct syn_request *)user)->body;
    struct syn_form_part *part = last_part(b);
    struct syn_blob_writer *w = b->writer;
    if (!part->is_file) {
        if (!part->text) part->text = syn_strdup("");
        return part->text ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "part %s: no memory", part->name);
    }
    b->writer = NULL; /* commit frees it in every case */
    return syn_blob_commit(w, part->sha256, &part->bytes, err);
}

const struct syn_form_part *syn_body_part(const struct syn_body *b, const char *name)
{
    for (int i = 0; i < b->n_parts; i++)
        if (!strcmp(b->part[i].name, name)) return &b->part[i];
    return NULL;
}

/* ---- begin, push, finish ---- */

static bool read_length(struct syn_request *rq)
{
    const char *length = syn_request_header(rq, "Content-Length");
    struct syn_problem p = {0};
    char *end;
    if (!length) return true;
    errno = 0;
    rq->body.declared = strtoull(length, &end, 10);
    if (errno || end == length || *end || *length < '0' || *length > '9') {
        syn_problem_set(&p, SYN_CODE_invalid_header, "Content-Length: %.40s: not a number of bytes",
                        length);
        fail(rq, &p);
        return false;
    }
    rq->body.has_declared = true;
    return true;
}

bool syn_body_begin(struct syn_request *rq)
{
    struct syn_body *b = &rq->body;
    const struct syn_http_opts *o = &rq->http->opts;
    const char *type = syn_request_header(rq, "Content-Type");
    struct syn_err err;
    syn_status st = SYN_OK;
    b->kind = rq->route->body;
    b->limit = b->kind == SYN_BODY_NONE   ? MAX_IGNORED_BODY
               : b->kind == SYN_BODY_BLOB ? o->max_blob_bytes
                                          : o->max_body_bytes;
    if (!read_length(rq)) return false;
    if (b->has_declared && b->declared > b->limit) {
        fail_too_large(rq, b->declared);
        return false;
    }
    if (b->kind == SYN_BODY_NONE) return true;
    if (!media_ok(rq, type)) return false;
    if (b->has_declared && !reserve(rq, taken_by(b, b->declared))) return false;
    if (b->kind == SYN_BODY_BLOB) {
        st = syn_blob_begin(syn_store_blobs(o->store), b->limit, &b->writer, &err);
    } else if (b->is_form) {
        const struct syn_multipart_sink sink = {form_part, form_data, form_end, rq};
        st = syn_multipart_new(type, &sink, &b->multipart, &err);
    }
    if (st != SYN_OK) fail_status(rq, st, &err, SYN_CODE_invalid_multipart);
    return st == SYN_OK;
}

static syn_status append(struct syn_body *b, const char *data, size_t n, struct syn_err *err)
{
    if (b->n + n > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 16384;
        char *grown;
        if (cap < b->n + n) cap = b->n + n;
        if (b->has_declared && cap > b->declared && b->declared >= b->n + n)
            cap = (size_t)b->declared;
        grown = syn_realloc(b->data, cap, 1);
        if (!grown) return syn_fail(err, SYN_NO_MEMORY, "no memory for a body of %zu bytes", cap);
        b->data = grown;
        b->cap = cap;
    }
    memcpy(b->data + b->n, data, n);
    b->n += n;
    return SYN_OK;
}

void syn_body_push(struct syn_request *rq, const char *data, size_t n)
{
    struct syn_body *b = &rq->body;
    struct syn_err err;
    syn_status st = SYN_OK;
    b->received += n;
    if (b->failed) return;
    if (b->received > b->limit) {
        fail_too_large(rq, b->received);
        return;
    }
    if (b->kind == SYN_BODY_NONE) return;
    if (!b->has_declared && taken_by(b, b->received) > b->reserved &&
        !reserve(rq, taken_by(b, n > RESERVE_STEP ? n : RESERVE_STEP)))
        return;
    if (b->kind == SYN_BODY_BLOB) st = syn_blob_write(b->writer, data, n, &err);
    else if (b->is_form) st = syn_multipart_push(b->multipart, data, n, &err);
    else st = append(b, data, n, &err);
    if (st != SYN_OK) fail_status(rq, st, &err, SYN_CODE_invalid_multipart);
}

bool syn_body_finish(struct syn_request *rq)
{
    struct syn_body *b = &rq->body;
    struct syn_err err;
    syn_status st = SYN_OK;
    if (b->failed) return false;
    if (b->kind == SYN_BODY_BLOB) {
        struct syn_blob_writer *w = b->writer;
        b->writer = NULL;
        if (b->received == 0) {
            struct syn_problem p = {0};
            syn_blob_abort(w);
            syn_problem_set(&p, SYN_CODE_invalid_field,
                            "the body is empty: must be the bytes of the blob");
            fail(rq, &p);
            return false;
        }
        st = syn_blob_commit(w, b->sha256, NULL, &err);
    } else if (b->is_form) {
        st = syn_multipart_finish(b->multipart, &err);
    }
    if (st != SYN_OK) fail_status(rq, st, &err, SYN_CODE_invalid_multipart);
    return st == SYN_OK;
}
