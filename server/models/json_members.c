/* json_members.c - see json_members.h.
 *
 * Layer:   server/models.   Threads: pure functions.   Ownership: nothing is kept. */
#include "server/models/json_members.h"
#include <math.h>
#include <string.h>

/* What a value is, for "x = [] (an array): must be text". */
static const char *type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "text";
    case JSON_INTEGER: return "a whole number";
    case JSON_REAL: return "a fraction";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    }
    return "nothing";
}

static syn_status fail_type(struct syn_err *err, const char *where, const char *key,
                            const json_t *value, const char *wanted)
{
    if (!value)
        return syn_fail(err, SYN_INVALID, "%s%s is missing: must be %s", where, key, wanted);
    return syn_fail(err, SYN_INVALID, "%s%s is %s: must be %s", where, key, type_of(value), wanted);
}

syn_status syn_json_known(const json_t *object, const char *where, const char *const *keys,
                          size_t n, struct syn_err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return fail_type(err, where, "", object, "an object");
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(keys[i], key)) i++;
        if (i == n) return syn_fail(err, SYN_INVALID, "%s%.60s: no such member", where, key);
    }
    return SYN_OK;
}

syn_status syn_json_text(const json_t *object, const char *where, const char *key, char *out,
                         size_t size, struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *text;
    size_t n;
    if (!json_is_string(value)) return fail_type(err, where, key, value, "text");
    text = json_string_value(value);
    n = json_string_length(value);
    if (n == 0 || n >= size)
        return syn_fail(err, SYN_INVALID, "%s%s has %zu bytes: must have 1 to %zu", where, key, n,
                        size - 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return syn_fail(err, SYN_INVALID, "%s%s holds a control character at byte %zu", where,
                            key, i);
    memcpy(out, text, n + 1);
    return SYN_OK;
}

syn_status syn_json_int(const json_t *object, const char *where, const char *key, bool optional,
                        int64_t lo, int64_t hi, int64_t *out, struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    json_int_t x;
    if (!value && optional) return SYN_OK;
    if (!json_is_integer(value)) return fail_type(err, where, key, value, "a whole number");
    x = json_integer_value(value); /* 64 bits: jansson's parser refuses what does not fit */
    if (x < lo || x > hi)
        return syn_fail(err, SYN_INVALID, "%s%s = %lld: must be in [%lld, %lld]", where, key,
                        (long long)x, (long long)lo, (long long)hi);
    *out = x;
    return SYN_OK;
}

syn_status syn_json_number(const json_t *object, const char *where, const char *key, double limit,
                           float *out, struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    double x;
    if (!value) return SYN_OK;
    if (!json_is_number(value)) return fail_type(err, where, key, value, "a number");
    x = json_number_value(value);
    if (!(fabs(x) <= limit)) /* also catches NaN */
        return syn_fail(err, SYN_INVALID, "%s%s = %g: must be within +-%g", where, key, x, limit);
    *out = (float)x;
    return SYN_OK;
}

syn_status syn_json_flag(const json_t *object, const char *where, const char *key, bool *out,
                         struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value) return SYN_OK;
    if (!json_is_boolean(value)) return fail_type(err, where, key, value, "true or false");
    *out = json_is_true(value);
    return SYN_OK;
}

syn_status syn_json_sha256(const json_t *object, const char *where, const char *key, char out[65],
                           struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    const char *text;
    if (!json_is_string(value)) return fail_type(err, where, key, value, "64 hex digits");
    text = json_string_value(value);
    if (json_string_length(value) != 64 || strspn(text, "0123456789abcdef") != 64)
        return syn_fail(err, SYN_INVALID, "%s%s = '%.70s': must be 64 lower-case hex digits", where,
                        key, text);
    memcpy(out, text, 65);
    return SYN_OK;
}

syn_status syn_json_word(const json_t *object, const char *where, const char *key, bool optional,
                         const char *const *words, size_t n, size_t *index, struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    char list[300] = "";
    if (!value && optional) return SYN_OK;
    if (!json_is_string(value)) return fail_type(err, where, key, value, "text");
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(words[i], json_string_value(value))) {
            *index = i;
            return SYN_OK;
        }
        if (strlen(list) + strlen(words[i]) + 3 < sizeof list) {
            if (i) strcat(list, ", ");
            strcat(list, words[i]);
        }
    }
    return syn_fail(err, SYN_INVALID, "%s%s = '%.60s': must be one of %s", where, key,
                    json_string_value(value), list);
}

syn_status syn_json_array(const json_t *object, const char *where, const char *key, size_t lo,
                          size_t hi, const json_t **out, struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) return fail_type(err, where, key, value, "an array");
    if (json_array_size(value) < lo || json_array_size(value) > hi)
        return syn_fail(err, SYN_INVALID, "%s%s has %zu elements: must have %zu to %zu", where, key,
                        json_array_size(value), lo, hi);
    *out = value;
    return SYN_OK;
}
