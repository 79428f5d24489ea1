/* problem.c - see problem.h. */
#include "server/http/problem.h"
#include "kernels/base/log.h"
#include "server/http/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word, *title;
    unsigned status;
    bool retry;
} codes[SYN_CODE_COUNT] = {
#define SYN_CODE_ROW(code, status, retry, title) [SYN_CODE_##code] = {#code, title, status, retry},
    SYN_CODE_LIST(SYN_CODE_ROW)
#undef SYN_CODE_ROW
};

const char *syn_code_word(enum syn_code c)
{
    return codes[c].word;
}

unsigned syn_code_status(enum syn_code c)
{
    return codes[c].status;
}

const char *syn_code_title(enum syn_code c)
{
    return codes[c].title;
}

bool syn_code_retry(enum syn_code c)
{
    return codes[c].retry;
}

enum syn_code syn_code_find(const char *word, enum syn_code dflt)
{
    for (int i = 0; i < SYN_CODE_COUNT; i++)
        if (!strcmp(word, codes[i].word)) return (enum syn_code)i;
    return dflt;
}

void syn_problem_deinit(struct syn_problem *p)
{
    json_decref(p->errors);
    memset(p, 0, sizeof *p);
}

void syn_problem_set(struct syn_problem *p, enum syn_code code, const char *format, ...)
{
    va_list args;
    syn_problem_deinit(p);
    p->code = code;
    va_start(args, format);
    vsnprintf(p->detail, sizeof p->detail, format, args);
    va_end(args);
}

/* The mapping from what the layers below say. SYN_OK here is a bug of the caller. */
static enum syn_code code_of(syn_status st)
{
    switch (st) {
    case SYN_INVALID: return SYN_CODE_invalid_field;
    case SYN_NOT_FOUND: return SYN_CODE_unknown_route;
    case SYN_BUSY: return SYN_CODE_queue_full;
    case SYN_CONFLICT: return SYN_CODE_conflicting_field;
    case SYN_EXPIRED: return SYN_CODE_expired;
    case SYN_TOO_LARGE: return SYN_CODE_payload_too_large;
    case SYN_TRUNCATED: return SYN_CODE_image_truncated;
    case SYN_UNSUPPORTED: return SYN_CODE_unsupported_media;
    case SYN_NO_MEMORY: return SYN_CODE_out_of_memory;
    case SYN_DEVICE: return SYN_CODE_device_lost;
    default: return SYN_CODE_internal;
    }
}

void syn_problem_from(struct syn_problem *p, syn_status st, const struct syn_err *err,
                      const char *request_id)
{
    enum syn_code code = code_of(st);
    if (code == SYN_CODE_internal) {
        syn_log(SYN_LOG_ERROR, "request failed request_id=%s status=%s detail=\"%s\"", request_id,
                syn_status_word(st), err->text);
        syn_problem_set(p, code, "the request failed here; the log has request_id %s", request_id);
    } else {
        syn_problem_set(p, code, "%s", err->text);
    }
    if (codes[code].retry) p->retry_after_s = 2;
}

void syn_problem_add(struct syn_problem *p, const char *pointer, enum syn_code code,
                     const char *format, ...)
{
    char detail[400];
    va_list args;
    json_t *item;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    if (!p->errors) p->errors = json_array();
    if (json_array_size(p->errors) >= SYN_MAX_ERRORS) {
        p->n_errors_more++;
        return;
    }
    item = json_pack("{s:o, s:o, s:s}", "pointer", syn_json_utf8(pointer), "detail",
                     syn_json_utf8(detail), "code", codes[code].word);
    if (!item || json_array_append_new(p->errors, item) != 0) p->n_errors_more++;
}

bool syn_problem_close(struct syn_problem *p)
{
    size_t n = json_array_size(p->errors);
    const char *first;
    enum syn_code code;
    bool one_status = true;
    if (n == 0 && p->n_errors_more == 0) return false;
    first = json_string_value(json_object_get(json_array_get(p->errors, 0), "code"));
    code = syn_code_find(first ? first : "", SYN_CODE_invalid_field);
    for (size_t i = 1; i < n; i++) {
        const char *word = json_string_value(json_object_get(json_array_get(p->errors, i), "code"));
        enum syn_code other = syn_code_find(word ? word : "", SYN_CODE_invalid_field);
        if (codes[other].status != codes[code].status) one_status = false;
        if (codes[code].status != 422 && codes[other].status == 422) code = other;
    }
    if (!one_status && codes[code].status != 422) code = SYN_CODE_invalid_field;
    p->code = code;
    if (n == 1 && p->n_errors_more == 0) {
        const json_t *item = json_array_get(p->errors, 0);
        snprintf(p->detail, sizeof p->detail, "%.60s: %.330s",
                 json_string_value(json_object_get(item, "pointer")),
                 json_string_value(json_object_get(item, "detail")));
    } else {
        snprintf(p->detail, sizeof p->detail, "%zu fields are wrong: see errors",
                 n + (size_t)p->n_errors_more);
    }
    return true;
}

json_t *syn_problem_json(const struct syn_problem *p, const char *instance, const char *request_id)
{
    char type[64];
    json_t *o;
    bool bad = false;
    snprintf(type, sizeof type, "urn:synthd:problem:%s", codes[p->code].word);
    o = json_pack("{s:s, s:s, s:i, s:s, s:o, s:o, s:s}", "type", type, "title",
                  codes[p->code].title, "status", (int)codes[p->code].status, "code",
                  codes[p->code].word, "detail", syn_json_utf8(p->detail), "instance",
                  syn_json_utf8(instance), "request_id", request_id);
    if (!o) return NULL;
    if (p->errors) bad |= json_object_set(o, "errors", p->errors) != 0;
    if (p->n_errors_more)
        bad |= json_object_set_new(o, "errors_left_out", json_integer(p->n_errors_more)) != 0;
    if (p->has_limit)
        bad |= json_object_set_new(o, "limit", json_integer((json_int_t)p->limit)) != 0;
    if (p->has_received)
        bad |= json_object_set_new(o, "received", json_integer((json_int_t)p->received)) != 0;
    if (p->job[0]) bad |= json_object_set_new(o, "job", json_string(p->job)) != 0;
    if (p->retry_after_s) {
        char at[SYN_TIME_SIZE];
        syn_json_time(syn_json_now_ms() + p->retry_after_s * 1000LL, at);
        bad |= json_object_set_new(o, "retry_at", json_string(at)) != 0;
    }
    if (bad) {
        json_decref(o);
        return NULL;
    }
    return o;
}
