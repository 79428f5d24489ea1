/* client.c - see client.h. */
#include "server/cli/client.h"
#include "kernels/base/alloc.h"
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define MAX_ANSWER ((size_t)4 << 30)

struct syn_client {
    CURL *curl;
    char *server, *key; /* key: a whole Authorization header */
    char *body;
    size_t n_body, room;
    bool no_memory;
    const struct syn_request_opts *request; /* under way */
};

void syn_client_close(struct syn_client *c)
{
    if (!c) return;
    if (c->curl) curl_easy_cleanup(c->curl);
    syn_free(c->server);
    syn_free(c->key);
    syn_free(c->body);
    syn_free(c);
}

syn_status syn_client_open(const char *server, const char *key, struct syn_client **out,
                           struct syn_err *err)
{
    struct syn_client *c;
    size_t n = strlen(server);
    if (strncmp(server, "http://", 7) != 0 && strncmp(server, "https://", 8) != 0)
        return syn_fail(err, SYN_INVALID,
                        "--server = \"%.80s\": must start with http:// or https://", server);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return syn_fail(err, SYN_INTERNAL, "libcurl does not start");
    c = syn_calloc(1, sizeof *c);
    if (c) {
        c->curl = curl_easy_init();
        c->server = syn_strdup(server);
        if (key) c->key = syn_alloc(strlen(key) + 32);
    }
    if (!c || !c->curl || !c->server || (key && !c->key)) {
        syn_client_close(c);
        return syn_fail(err, SYN_NO_MEMORY, "no memory for the client");
    }
    while (n && c->server[n - 1] == '/') c->server[--n] = '\0';
    if (key) sprintf(c->key, "Authorization: Bearer %s", key);
    *out = c;
    return SYN_OK;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
    struct syn_client *c = user;
    size_t more = size * n, need = c->n_body + more + 1;
    if (need > MAX_ANSWER) return 0;
    if (need > c->room) {
        size_t room = need * 2;
        char *grown = syn_realloc(c->body, room, 1);
        if (!grown) {
            c->no_memory = true;
            return 0;
        }
        c->body = grown;
        c->room = room;
    }
    memcpy(c->body + c->n_body, bytes, more);
    c->n_body += more;
    c->body[c->n_body] = '\0';
    return more;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct syn_client *c = user;
    (void)down_total;
    (void)down;
    if (c->request->on_sent && up_total > 0)
        c->request->on_sent(c->request->user, (size_t)up, (size_t)up_total);
    return 0;
}

static struct curl_slist *headers_of(const struct syn_client *c, const struct syn_request_opts *r)
{
    struct curl_slist *list = NULL;
    char text[700];
    if (c->key) list = curl_slist_append(list, c->key);
    if (r->content_type) {
        snprintf(text, sizeof text, "Content-Type: %s", r->content_type);
        list = curl_slist_append(list, text);
    }
    if (r->idempotency_key) {
        snprintf(text, sizeof text, "Idempotency-Key: %s", r->idempotency_key);
        list = curl_slist_append(list, text);
    }
    return list;
}

syn_status syn_client_send(struct syn_client *c, const struct syn_request_opts *r,
                           struct syn_answer *out, struct syn_err *err)
{
    size_t n = strlen(c->server) + strlen(r->path) + 1;
    char *url = syn_alloc(n), why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = headers_of(c, r);
    curl_off_t retry = 0;
    CURLcode rc;
    if (!url) {
        curl_slist_free_all(headers);
        return syn_fail(err, SYN_NO_MEMORY, "no memory for a URL");
    }
    snprintf(url, n, "%s%s", c->server, r->path);
    c->n_body = 0;
    c->no_memory = false;
    c->request = r;
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, r->method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
    if (r->body) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, r->body);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->n_body);
    }
    rc = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry);
    curl_slist_free_all(headers);
    syn_free(url);
    c->request = NULL;
    if (c->no_memory) return syn_fail(err, SYN_NO_MEMORY, "no memory for the answer");
    if (rc != CURLE_OK)
        return syn_fail(err, SYN_IO, "%s: %s", c->server, why[0] ? why : curl_easy_strerror(rc));
    if (!c->body && on_body((char[]){0}, 1, 0, c) == 0 && !c->body)
        return syn_fail(err, SYN_NO_MEMORY, "no memory for the answer");
    out->retry_after = retry > 0 && retry < 3600 ? (int)retry : 0;
    out->body = c->body;
    out->n_body = c->n_body;
    return SYN_OK;
}

void syn_client_explain(const struct syn_answer *a, struct syn_err *err)
{
    json_t *root = json_loadb(a->body, a->n_body, 0, NULL),
           *errors = json_object_get(root, "errors");
    const char *code = json_string_value(json_object_get(root, "code"));
    const char *detail = json_string_value(json_object_get(root, "detail"));
    const char *first = json_string_value(json_object_get(json_array_get(errors, 0), "detail"));
    const char *where = json_string_value(json_object_get(json_array_get(errors, 0), "pointer"));
    syn_fail(err, SYN_INVALID, "%s (HTTP %ld)%s%.250s%s%s%s%.80s", code ? code : "error", a->status,
             detail ? ": " : "", detail ? detail : "", where ? " " : "", where ? where : "",
             first ? ": " : "", first ? first : "");
    json_decref(root);
}
