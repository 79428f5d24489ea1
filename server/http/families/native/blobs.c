/* blobs.c - POST /v1/blobs, GET /v1/blobs/{sha256}; sending a blob with ETag and Range, which
 * outputs share.
 *
 * Source: RFC 9110: If-None-Match, If-Range, one byte range. Several ranges, and what cannot be
 * read as a range, get the whole content, as the RFC allows. */
#include "server/http/families/native/native.h"
#include "server/http/json.h"
#include "server/media/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

void syn_native_post_blob(struct syn_request *rq)
{
    const char *sha = rq->body.sha256;
    struct syn_problem p = {0};
    struct syn_err err;
    syn_status st = syn_store_blob_own(rq->http->opts.store, sha, rq->owner, &err);
    if (st != SYN_OK) {
        syn_problem_from(&p, st, &err, rq->id);
        syn_reply_problem(rq, &p);
        return;
    }
    syn_reply_json(rq, 201,
                   json_pack("{s:s, s:I, s:o}", "id", sha, "bytes", (json_int_t)rq->body.received,
                             "href", json_sprintf("/v1/blobs/%s", sha)));
    syn_reply_header(&rq->reply, "Location", "/v1/blobs/%s", sha);
}

/* Is the blob's tag among those of an If-None-Match? */
static bool tag_listed(const char *list, const char *sha256)
{
    const char *at;
    if (!list) return false;
    while (*list == ' ') list++;
    if (*list == '*') return true;
    at = strstr(list, sha256);
    return at && at > list && at[-1] == '"' && at[strlen(sha256)] == '"';
}

enum range { WHOLE, PART, OUTSIDE };

/* "bytes=a-b", "bytes=a-", "bytes=-n" against a content of size bytes. */
static enum range read_range(const char *text, uint64_t size, uint64_t *from, uint64_t *n)
{
    unsigned long long a = 0, b = 0;
    char *end;
    if (strncasecmp(text, "bytes=", 6) != 0 || strchr(text, ',')) return WHOLE;
    text += 6;
    if (strspn(text, "0123456789-") != strlen(text) || strlen(text) > 40) return WHOLE;
    if (*text == '-') {
        b = strtoull(text + 1, &end, 10);
        if (end == text + 1 || *end) return WHOLE;
        if (b == 0) return OUTSIDE;
        if (size == 0) return OUTSIDE;
        *n = b < size ? b : size;
        *from = size - *n;
        return PART;
    }
    a = strtoull(text, &end, 10);
    if (end == text || *end != '-') return WHOLE;
    text = end + 1;
    b = size ? size - 1 : 0;
    if (*text) {
        b = strtoull(text, &end, 10);
        if (*end || b < a) return WHOLE;
    }
    if (a >= size) return OUTSIDE;
    if (b > size - 1) b = size - 1;
    *from = a;
    *n = b - a + 1;
    return PART;
}

static void send_opened(struct syn_request *rq, int fd, uint64_t bytes, const char *sha256,
                        const char *media_type, const char *filename)
{
    struct syn_reply *rp = &rq->reply;
    const char *range = syn_request_header(rq, "Range"),
               *if_range = syn_request_header(rq, "If-Range");
    uint64_t from = 0, n = bytes;
    enum range r = WHOLE;
    if (range && (!if_range || (if_range[0] == '"' && tag_listed(if_range, sha256))))
        r = read_range(range, bytes, &from, &n);
    if (r == OUTSIDE) {
        struct syn_problem p = {0};
        close(fd);
        syn_problem_set(&p, SYN_CODE_range_not_satisfiable,
                        "Range: %.60s: the content has %llu bytes", range,
                        (unsigned long long)bytes);
        p.content_bytes = bytes;
        syn_reply_problem(rq, &p);
        return;
    }
    rp->fd = fd;
    rp->fd_offset = from;
    rp->fd_bytes = n;
    rp->media_type = media_type;
    rp->status = r == PART ? 206 : 200;
    if (tag_listed(syn_request_header(rq, "If-None-Match"), sha256)) {
        close(fd);
        rp->fd = -1;
        rp->status = 304;
        r = WHOLE;
    }
    syn_reply_header(rp, "ETag", "\"%s\"", sha256);
    syn_reply_header(rp, "Accept-Ranges", "bytes");
    syn_reply_header(rp, "Cache-Control", "private, max-age=86400, immutable");
    syn_reply_header(rp, "Content-Security-Policy", "sandbox; default-src 'none'");
    if (r == PART)
        syn_reply_header(rp, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)from,
                         (unsigned long long)(from + n - 1), (unsigned long long)bytes);
    if (filename) syn_reply_header(rp, "Content-Disposition", "inline; filename=\"%s\"", filename);
}

/* NULL media_type: decided by the first bytes. */
void syn_native_send_blob(struct syn_request *rq, const char *sha256, const char *media_type,
                          const char *filename, enum syn_code missing)
{
    struct syn_err err;
    struct syn_problem p = {0};
    uint64_t bytes;
    int fd;
    syn_status st = syn_blob_open(syn_store_blobs(rq->http->opts.store), sha256, &fd, &bytes, &err);
    if (st == SYN_NOT_FOUND || st == SYN_INVALID) {
        syn_problem_set(&p, missing, "%s",
                        missing == SYN_CODE_expired ? "the result is no longer kept"
                                                    : "no blob of that name");
        syn_reply_problem(rq, &p);
    } else if (st != SYN_OK) {
        syn_problem_from(&p, st, &err, rq->id);
        syn_reply_problem(rq, &p);
    } else {
        if (!media_type) {
            unsigned char head[32];
            ssize_t n = pread(fd, head, sizeof head, 0);
            media_type = syn_image_media_type(syn_image_sniff(head, n > 0 ? (size_t)n : 0));
        }
        send_opened(rq, fd, bytes, sha256, media_type ? media_type : "application/octet-stream",
                    filename);
    }
}

/* False: *p says why not, of another key's blob in the words of one that is not there. */
static bool may_read(struct syn_request *rq, const char *sha256, struct syn_problem *p)
{
    struct syn_err err;
    bool owns = false;
    syn_status st = SYN_OK;
    if (!syn_blob_name_ok(sha256)) {
        syn_problem_set(p, SYN_CODE_unknown_blob, "a blob's name is 64 lower-case hex digits");
        return false;
    }
    st = syn_store_blob_owns(rq->http->opts.store, sha256, rq->owner, &owns, &err);
    if (st != SYN_OK) syn_problem_from(p, st, &err, rq->id);
    else if (!owns) syn_problem_set(p, SYN_CODE_unknown_blob, "no blob of that name");
    return st == SYN_OK && owns;
}

void syn_native_get_blob(struct syn_request *rq)
{
    struct syn_problem p = {0};
    if (may_read(rq, rq->arg[0], &p))
        syn_native_send_blob(rq, rq->arg[0], NULL, NULL, SYN_CODE_unknown_blob);
    else syn_reply_problem(rq, &p);
}
