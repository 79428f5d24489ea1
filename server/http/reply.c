/* reply.c - building a struct syn_reply: headers, JSON, problems. See request.h. */
#include "server/http/request.h"
#include "server/http/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void syn_reply_header(struct syn_reply *rp, const char *name, const char *format, ...)
{
    va_list args;
    int n;
    if (rp->n_headers == SYN_MAX_REPLY_HEADERS) return;
    rp->header[rp->n_headers].name = name;
    va_start(args, format);
    n = vsnprintf(rp->header[rp->n_headers].value, sizeof rp->header[0].value, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof rp->header[0].value) rp->n_headers++;
}

void syn_reply_deinit(struct syn_reply *rp)
{
    free(rp->body);
    if (rp->fd >= 0) close(rp->fd);
    memset(rp, 0, sizeof *rp);
    rp->fd = -1;
}

static void set_json(struct syn_reply *rp, unsigned status, json_t *v, const char *media_type)
{
    char *text = v ? json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    json_decref(v);
    free(rp->body);
    rp->body = text;
    rp->n = text ? strlen(text) : 0;
    rp->fixed = NULL;
    rp->media_type = media_type;
    rp->status = status;
    if (!text) {
        static const char out[] =
            "{\"type\":\"urn:synthd:problem:out_of_memory\",\"title\":\"Out of memory\","
            "\"status\":503,\"code\":\"out_of_memory\",\"detail\":\"no memory for the answer\"}";
        rp->fixed = out;
        rp->n = sizeof out - 1;
        rp->media_type = "application/problem+json";
        rp->status = 503;
    }
}

void syn_reply_json(struct syn_request *rq, unsigned status, json_t *v)
{
    set_json(&rq->reply, status, v, "application/json");
    syn_reply_header(&rq->reply, "Cache-Control", "no-store");
}

void syn_reply_problem(struct syn_request *rq, struct syn_problem *p)
{
    struct syn_reply *rp = &rq->reply;
    unsigned status = syn_code_status(p->code);
    json_t *o = syn_problem_json(p, rq->path, rq->id);
    syn_reply_deinit(rp);
    if (o && rq->route && rq->route->openai_errors) {
        json_t *e = json_pack("{s:o, s:s, s:n, s:s}", "message", syn_json_utf8(p->detail), "type",
                              status >= 500   ? "server_error"
                              : status == 401 ? "authentication_error"
                                              : "invalid_request_error",
                              "param", "code", syn_code_word(p->code));
        if (!e || json_object_set_new(o, "error", e) != 0) {
            json_decref(o);
            o = NULL;
        }
    }
    set_json(rp, status, o, "application/problem+json");
    syn_reply_header(rp, "Cache-Control", "no-store");
    syn_reply_header(rp, "x-should-retry", "%s", syn_code_retry(p->code) ? "true" : "false");
    if (p->retry_after_s > 0)
        syn_reply_header(rp, "Retry-After", "%d",
                         p->retry_after_s > 120 ? 120 : (int)p->retry_after_s);
    if (p->code == SYN_CODE_method_not_allowed) syn_reply_header(rp, "Allow", "%s", p->allow);
    if (p->code == SYN_CODE_range_not_satisfiable)
        syn_reply_header(rp, "Content-Range", "bytes */%llu", (unsigned long long)p->content_bytes);
    if (p->code == SYN_CODE_unauthorized)
        syn_reply_header(rp, "WWW-Authenticate", "Bearer realm=\"synthd\", Basic realm=\"synthd\"");
    if (p->job[0]) syn_reply_header(rp, "Location", "/v1/jobs/%s", p->job);
    syn_problem_deinit(p);
}
