/* json.c - see json.h. */
#include "server/http/json.h"
#include "kernels/base/alloc.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* jansson recurses up to 2048 levels, and a listener thread's stack is small; it makes a block of a
 * hundred bytes and more for each value, so that "[],[],[]" would need forty times its length. Both
 * are counted before it starts. What stands inside texts does not count. */
static syn_status check_size(const char *text, size_t n, struct syn_err *err)
{
    int depth = 0, values = 0;
    bool in_text = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_text) {
            if (c == '\\') i++;
            else if (c == '"') in_text = false;
            continue;
        } else if (c == '"') {
            in_text = true;
            continue;
        } else if (c == '{' || c == '[') {
            if (++depth > SYN_JSON_MAX_DEPTH)
                return syn_fail(err, SYN_INVALID, "nested too deeply: at most %d levels",
                                SYN_JSON_MAX_DEPTH);
        } else if (c == '}' || c == ']') {
            depth--;
            continue;
        } else if (c != ',') {
            continue;
        }
        if (++values > SYN_JSON_MAX_VALUES)
            return syn_fail(err, SYN_INVALID, "too many values: at most %d values",
                            SYN_JSON_MAX_VALUES);
    }
    return SYN_OK;
}

syn_status syn_json_parse(const char *text, size_t n, json_t **out, struct syn_err *err)
{
    json_error_t je;
    json_t *root;
    syn_status st;
    if (n == 0) return syn_fail(err, SYN_INVALID, "the body is empty: must be a JSON object");
    if ((st = check_size(text, n, err)) != SYN_OK) return st;
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
    if (!root) {
        if (json_error_code(&je) == json_error_out_of_memory)
            return syn_fail(err, SYN_NO_MEMORY, "no memory to read %zu bytes of JSON", n);
        return syn_fail(err, SYN_INVALID, "line %d column %d: %s", je.line, je.column, je.text);
    }
    *out = root;
    return SYN_OK;
}

json_t *syn_json_utf8(const char *text)
{
    json_t *s = json_string(text);
    char *copy;
    if (s) return s;
    copy = syn_strdup(text);
    if (!copy) return NULL;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c > 127) *c = '?';
    s = json_string(copy);
    syn_free(copy);
    return s;
}

json_t *syn_json_stored(const char *text, json_t *otherwise)
{
    json_t *v = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    if (!v) return otherwise;
    json_decref(otherwise);
    return v;
}

int64_t syn_json_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void syn_json_time(int64_t ms, char out[SYN_TIME_SIZE])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (!gmtime_r(&s, &tm)) memset(&tm, 0, sizeof tm);
    snprintf(out, SYN_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (tm.tm_year + 1900) % 10000,
             (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
             tm.tm_sec % 100, (int)(ms % 1000));
}

json_t *syn_json_time_or_null(int64_t ms)
{
    char text[SYN_TIME_SIZE];
    if (ms <= 0) return json_null();
    syn_json_time(ms, text);
    return json_string(text);
}

json_t *syn_json_param_schema(const struct syn_param_spec *s)
{
    json_t *o = json_pack("{s:s, s:s}", "type", syn_param_type_word(s->type), "description",
                          s->description);
    bool bad = !o;
    if (bad) return NULL;
    if (s->type == SYN_PARAM_INTEGER) {
        bad |= json_object_set_new(o, "minimum", json_integer((json_int_t)s->min)) != 0;
        bad |= json_object_set_new(o, "maximum", json_integer((json_int_t)s->max)) != 0;
    } else if (s->type == SYN_PARAM_NUMBER) {
        bad |= json_object_set_new(o, "minimum", json_real(s->min)) != 0;
        bad |= json_object_set_new(o, "maximum", json_real(s->max)) != 0;
    } else if (s->type == SYN_PARAM_STRING && s->words) {
        json_t *words = json_array();
        for (const char *const *w = s->words; *w; w++)
            bad |= json_array_append_new(words, json_string(*w)) != 0;
        bad |= json_object_set_new(o, "enum", words) != 0;
    }
    if (s->default_json)
        bad |=
            json_object_set_new(o, "default", syn_json_stored(s->default_json, json_null())) != 0;
    if (bad) {
        json_decref(o);
        return NULL;
    }
    return o;
}

void syn_json_pointer(char *out, size_t size, const char *parent, const char *name)
{
    int n = snprintf(out, size, "%s/", parent);
    size_t at = n < 0 ? 0 : (size_t)n;
    for (; *name && at + 3 < size; name++) {
        if (*name == '~' || *name == '/') {
            out[at++] = '~';
            out[at++] = *name == '~' ? '0' : '1';
        } else {
            out[at++] = *name;
        }
    }
    if (at < size) out[at] = '\0';
}

void syn_json_difference(const json_t *a, const json_t *b, char *out, size_t size)
{
    char here[200];
    const char *key;
    json_t *v;
    if (size) out[0] = '\0';
    if (json_equal(a, b) || !json_is_object(a) || !json_is_object(b)) return;
    json_object_foreach((json_t *)(uintptr_t)a, key, v)
    {
        const json_t *w = json_object_get(b, key);
        if (w && json_equal(v, w)) continue;
        syn_json_pointer(out, size, "", key);
        if (w && json_is_object(v) && json_is_object(w)) {
            syn_json_difference(v, w, here, sizeof here);
            snprintf(out + strlen(out), size - strlen(out), "%s", here);
        }
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)b, key, v)
    {
        if (json_object_get(a, key)) continue;
        syn_json_pointer(out, size, "", key);
        return;
    }
}
