/* router.c - the table of addresses, and finding the row for a path. See request.h. */
#include "server/http/families/native/native.h"
#include "server/http/hex.h"
#include "server/http/request.h"
#include <stdio.h>
#include <string.h>

static const struct syn_route routes[] = {
    {"GET", "/", syn_native_discovery, SYN_BODY_NONE, false, false},
    {"GET", "/healthz", syn_native_healthz, SYN_BODY_NONE, true, false},
    {"GET", "/readyz", syn_native_readyz, SYN_BODY_NONE, true, false},
    {"GET", "/metrics", syn_native_metrics, SYN_BODY_NONE, false, false},
    {"GET", "/openapi.yaml", syn_native_openapi, SYN_BODY_NONE, false, false},
    {"GET", "/v1/kinds", syn_native_kinds, SYN_BODY_NONE, false, false},
    {"GET", "/v1/models", syn_native_models, SYN_BODY_NONE, false, true},
    {"GET", "/v1/models/{id}", syn_native_model, SYN_BODY_NONE, false, true},
    {"POST", "/v1/blobs", syn_native_post_blob, SYN_BODY_BLOB, false, false},
    {"GET", "/v1/blobs/{sha256}", syn_native_get_blob, SYN_BODY_NONE, false, false},
    {"POST", "/v1/jobs", syn_native_post_job, SYN_BODY_JOB, false, false},
    {"GET", "/v1/jobs", syn_native_list_jobs, SYN_BODY_NONE, false, false},
    {"GET", "/v1/jobs/{id}", syn_native_get_job, SYN_BODY_NONE, false, false},
    {"DELETE", "/v1/jobs/{id}", syn_native_delete_job, SYN_BODY_NONE, false, false},
    {"GET", "/v1/jobs/{id}/outputs/{n}", syn_native_get_output, SYN_BODY_NONE, false, false},
};
#define N_ROUTES ((int)(sizeof routes / sizeof *routes))

int syn_router_count(void)
{
    return N_ROUTES;
}

const struct syn_route *syn_router_at(int i)
{
    return &routes[i];
}

bool syn_percent_decode(const char *text, size_t n, char *out, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            if (i + 2 >= n || syn_hex_digit(text[i + 1]) < 0 || syn_hex_digit(text[i + 2]) < 0)
                return false;
            c = (char)(syn_hex_digit(text[i + 1]) << 4 | syn_hex_digit(text[i + 2]));
            i += 2;
        }
        if (c == '\0' || at + 1 >= size) return false;
        out[at++] = c;
    }
    out[at] = '\0';
    return true;
}

/* Segments are compared as sent: an escaped slash stays inside its segment. */
static bool matches(const char *path, const char *template, char arg[SYN_MAX_ARGS][SYN_ARG_SIZE])
{
    int n_args = 0;
    for (;;) {
        size_t n = strcspn(path, "/"), n_template = strcspn(template, "/");
        if (*template == '{') {
            if (n == 0 || n_args == SYN_MAX_ARGS ||
                !syn_percent_decode(path, n, arg[n_args], SYN_ARG_SIZE))
                return false;
            n_args++;
        } else if (n != n_template || memcmp(path, template, n) != 0) {
            return false;
        }
        path += n;
        template += n_template;
        if (*path != *template) return false;
        if (*path == '\0') return true;
        path++;
        template++;
    }
}

void syn_router_match(struct syn_request *rq, char allow[64])
{
    const char *wanted = strcmp(rq->method, "HEAD") ? rq->method : "GET";
    size_t at = 0;
    allow[0] = '\0';
    rq->route = NULL;
    for (int i = 0; i < N_ROUTES; i++) {
        const char *method = routes[i].method;
        char arg[SYN_MAX_ARGS][SYN_ARG_SIZE] = {"", ""};
        if (!matches(rq->path, routes[i].path, arg)) continue;
        if (!strcmp(method, wanted)) {
            rq->route = &routes[i];
            memcpy(rq->arg, arg, sizeof rq->arg);
            return;
        }
        at += (size_t)snprintf(allow + at, 64 - at, "%s%s%s", at ? ", " : "", method,
                               strcmp(method, "GET") ? "" : ", HEAD");
    }
}
