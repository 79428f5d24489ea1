/* json_schema.h - the part of JSON Schema 2020-12 that proto/model.schema.json uses: $ref into
 * $defs, type, const, enum, required, properties, additionalProperties false, items, bounds,
 * lengths, pattern, not, anyOf. A keyword it does not know makes every value invalid, so that none
 * is passed over.
 *
 * Layer:   tests. */
#ifndef SYN_JSON_SCHEMA_H
#define SYN_JSON_SCHEMA_H

#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct js_check {
    const json_t *root;
    char why[300]; /* the first keyword that failed, and where */
};

static bool js_valid(struct js_check *c, const json_t *schema, const json_t *value, const char *at);

static inline bool js_fail(struct js_check *c, const char *at, const char *keyword)
{
    if (!c->why[0]) snprintf(c->why, sizeof c->why, "%.200s: %s", at, keyword);
    return false;
}

static inline bool js_is_type(const json_t *value, const char *type)
{
    if (!strcmp(type, "object")) return json_is_object(value);
    if (!strcmp(type, "array")) return json_is_array(value);
    if (!strcmp(type, "string")) return json_is_string(value);
    if (!strcmp(type, "integer")) return json_is_integer(value);
    if (!strcmp(type, "number")) return json_is_number(value);
    if (!strcmp(type, "boolean")) return json_is_boolean(value);
    return !strcmp(type, "null") && json_is_null(value);
}

static inline bool js_types(const json_t *rule, const json_t *value)
{
    size_t i;
    json_t *one;
    if (json_is_string(rule)) return js_is_type(value, json_string_value(rule));
    json_array_foreach(rule, i, one) if (js_is_type(value, json_string_value(one))) return true;
    return false;
}

static inline bool js_in(const json_t *rule, const json_t *value)
{
    size_t i;
    json_t *one;
    json_array_foreach(rule, i, one) if (json_equal(one, value)) return true;
    return false;
}

static inline bool js_matches(const json_t *rule, const json_t *value)
{
    regex_t re;
    bool yes;
    if (!json_is_string(value)) return true;
    if (regcomp(&re, json_string_value(rule), REG_EXTENDED | REG_NOSUB) != 0) return false;
    yes = regexec(&re, json_string_value(value), 0, NULL, 0) == 0;
    regfree(&re);
    return yes;
}

static inline bool js_object(struct js_check *c, const json_t *schema, const json_t *value,
                             const char *at)
{
    const json_t *properties = json_object_get(schema, "properties"),
                 *required = json_object_get(schema, "required");
    const char *key;
    json_t *member, *one;
    size_t i;
    char path[256];
    if (!json_is_object(value)) return true;
    json_array_foreach(
        required, i,
        one) if (!json_object_get(value, json_string_value(one))) return js_fail(c, at, "required");
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const json_t *rule = json_object_get(properties, key);
        if (!rule && json_is_false(json_object_get(schema, "additionalProperties")))
            return js_fail(c, at, "additionalProperties");
        snprintf(path, sizeof path, "%.150s.%.90s", at, key);
        if (rule && !js_valid(c, rule, member, path)) return false;
    }
    return true;
}

static inline bool js_array(struct js_check *c, const json_t *rule, const json_t *value,
                            const char *at)
{
    size_t i;
    json_t *one;
    char path[256];
    if (!json_is_array(value)) return true;
    json_array_foreach(value, i, one)
    {
        snprintf(path, sizeof path, "%.200s[%zu]", at, i);
        if (!js_valid(c, rule, one, path)) return false;
    }
    return true;
}

static inline bool js_any(const struct js_check *c, const json_t *rules, const json_t *value)
{
    size_t i;
    json_t *one;
    struct js_check apart = {.root = c->root};
    json_array_foreach(rules, i, one) if (js_valid(&apart, one, value, "")) return true;
    return false;
}

static inline bool js_keyword(struct js_check *c, const json_t *schema, const char *k,
                              const json_t *rule, const json_t *value, const char *at)
{
    static const char *const notes[] = {"$schema",    "$id",         "$defs",
                                        "title",      "description", "default",
                                        "properties", "required",    "additionalProperties"};
    struct js_check apart = {.root = c->root};
    double number = json_number_value(value), bound = json_number_value(rule);
    size_t size = json_is_array(value) ? json_array_size(value) : json_string_length(value);
    (void)schema;
    if (!strcmp(k, "$ref"))
        return js_valid(c,
                        json_object_get(json_object_get(c->root, "$defs"),
                                        json_string_value(rule) + strlen("#/$defs/")),
                        value, at);
    if (!strcmp(k, "type")) return js_types(rule, value);
    if (!strcmp(k, "const")) return json_equal(rule, value);
    if (!strcmp(k, "enum")) return js_in(rule, value);
    if (!strcmp(k, "pattern")) return js_matches(rule, value);
    if (!strcmp(k, "not")) return !js_valid(&apart, rule, value, at);
    if (!strcmp(k, "anyOf")) return js_any(c, rule, value);
    if (!strcmp(k, "items")) return js_array(c, rule, value, at);
    if (!strcmp(k, "minimum")) return !json_is_number(value) || number >= bound;
    if (!strcmp(k, "maximum")) return !json_is_number(value) || number <= bound;
    if (!strcmp(k, "minLength")) return !json_is_string(value) || (double)size >= bound;
    if (!strcmp(k, "maxLength")) return !json_is_string(value) || (double)size <= bound;
    if (!strcmp(k, "minItems")) return !json_is_array(value) || (double)size >= bound;
    if (!strcmp(k, "maxItems")) return !json_is_array(value) || (double)size <= bound;
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (!strcmp(k, notes[i])) return true;
    return false;
}

static bool js_valid(struct js_check *c, const json_t *schema, const json_t *value, const char *at)
{
    const char *key;
    json_t *rule;
    if (!json_is_object(schema)) return js_fail(c, at, "no such schema");
    json_object_foreach(
        (json_t *)(uintptr_t)schema, key,
        rule) if (!js_keyword(c, schema, key, rule, value, at)) return js_fail(c, at, key);
    return js_object(c, schema, value, at);
}

#endif
