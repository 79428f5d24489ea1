/* admit.c - what a request's headers decide, before its body: id, key, Host, Origin, route, limits.
 * See request.h. */
#include "kernels/base/log.h"
#include "server/http/request.h"
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

void syn_admit_id(struct syn_request *rq)
{
    const char *given = syn_request_header(rq, "X-Request-Id");
    size_t n = given ? strlen(given) : 0;
    unsigned char random[12];
    bool ok = n > 0 && n < sizeof rq->id;
    for (size_t i = 0; ok && i < n; i++)
        ok = given[i] > 32 && given[i] < 127 && given[i] != '"' && given[i] != '\\';
    if (ok) {
        memcpy(rq->id, given, n + 1);
        return;
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memset(random, 0, sizeof random);
    memcpy(rq->id, "req_", 5);
    for (size_t i = 0; i < sizeof random; i++) snprintf(rq->id + 4 + 2 * i, 3, "%02x", random[i]);
}

struct framing {
    int hosts, lengths, codings;
    bool chunked, blank_name;
};

static enum MHD_Result look_at_header(void *user, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct framing *f = user;
    (void)kind;
    f->hosts += !strcasecmp(name, "Host");
    f->lengths += !strcasecmp(name, "Content-Length");
    if (!strcasecmp(name, "Transfer-Encoding")) {
        f->codings++;
        f->chunked = value && !strcasecmp(value, "chunked");
    }
    f->blank_name |= name[strcspn(name, " \t")] != '\0';
    return MHD_YES;
}

/* Where a request ends must be beyond doubt: a proxy in front that read it differently would take
 * what follows for another client's request. The library takes the first of several lengths and
 * codings, and knows no header whose name ends with a blank (RFC 9112: 5.1, 6.1, 6.3). */
static bool framing_ok(struct syn_request *rq)
{
    struct framing f = {0};
    const char *why = NULL;
    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, look_at_header, &f);
    if (f.blank_name) why = "a header's name has a blank in it";
    else if (f.hosts > 1) why = "Host: given more than once";
    else if (f.lengths > 1) why = "Content-Length: given more than once";
    else if (f.codings > 1 || (f.codings && !f.chunked)) why = "Transfer-Encoding: must be chunked";
    else if (f.codings && f.lengths) why = "Content-Length: not together with Transfer-Encoding";
    if (!why) return true;
    rq->close = true;
    return syn_admit_refuse(rq, SYN_CODE_invalid_header, why);
}

bool syn_admit_refuse(struct syn_request *rq, enum syn_code code, const char *text)
{
    struct syn_problem p = {0};
    syn_problem_set(&p, code, "%s", text);
    syn_reply_problem(rq, &p);
    return false;
}

/* OPTIONS: a browser's preflight, which carries no key, or somebody curious. */
static bool answer_options(struct syn_request *rq, const char *allow, const struct syn_err *why,
                           bool origin_ok)
{
    const char *origin = syn_request_header(rq, "Origin");
    if (!origin_ok) return syn_admit_refuse(rq, SYN_CODE_forbidden, why->text);
    if (!*allow) return syn_admit_refuse(rq, SYN_CODE_unknown_route, "no such address");
    if (origin && !rq->cors)
        return syn_admit_refuse(rq, SYN_CODE_forbidden,
                                "Origin: may not call this server: add it to the origins option");
    rq->reply.status = 204;
    syn_reply_header(&rq->reply, "Allow", "%s, OPTIONS", allow);
    if (rq->cors) {
        syn_reply_header(&rq->reply, "Access-Control-Allow-Methods", "%s", allow);
        syn_reply_header(
            &rq->reply, "Access-Control-Allow-Headers",
            "Authorization, X-API-Key, Content-Type, Idempotency-Key, Prefer, X-Request-Id, Range");
        syn_reply_header(&rq->reply, "Access-Control-Max-Age", "600");
    }
    return false;
}

bool syn_admit(struct syn_request *rq)
{
    struct syn_http *h = rq->http;
    bool options = !strcmp(rq->method, "OPTIONS");
    bool writes = strcmp(rq->method, "GET") && strcmp(rq->method, "HEAD") && !options, origin_ok;
    char allow[64];
    struct syn_err why;
    const char *name;
    if (!framing_ok(rq)) return false;
    syn_router_match(rq, allow);
    origin_ok = syn_origin_check(&h->policy, syn_request_header(rq, "Host"),
                                 syn_request_header(rq, "Origin"),
                                 syn_request_header(rq, "Sec-Fetch-Site"), writes, &rq->cors, &why);
    if (options) return answer_options(rq, allow, &why, origin_ok);
    if (!rq->route || !rq->route->open) {
        name = syn_auth_check(h->auth, syn_request_header(rq, "Authorization"),
                              syn_request_header(rq, "x-api-key"));
        if (!name)
            return syn_admit_refuse(
                rq, SYN_CODE_unauthorized,
                "no valid key: send Authorization: Bearer KEY, Basic, or x-api-key: KEY");
        snprintf(rq->owner, sizeof rq->owner, "%s", name);
    }
    if (!origin_ok) {
        syn_log(SYN_LOG_WARN, "request refused request_id=%s reason=\"%s\"", rq->id, why.text);
        return syn_admit_refuse(rq, SYN_CODE_forbidden, why.text);
    }
    if (!rq->route && *allow) {
        struct syn_problem p = {0};
        syn_problem_set(&p, SYN_CODE_method_not_allowed, "must be one of: %s", allow);
        snprintf(p.allow, sizeof p.allow, "%s", allow);
        syn_reply_problem(rq, &p);
        return false;
    }
    if (!rq->route)
        return syn_admit_refuse(rq, SYN_CODE_unknown_route,
                                "no such address: GET / lists those there are");
    return syn_body_begin(rq);
}
