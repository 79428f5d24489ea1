/* params.c - see params.h. */
#include "server/jobs/params.h"
#include "kernels/base/alloc.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_MEMBERS 256

void syn_param_of_json(const char *name, const struct json_t *v, struct syn_param *p)
{
    memset(p, 0, sizeof *p);
    p->name = name;
    p->type = SYN_PARAM_OTHER;
    if (json_is_integer(v)) {
        p->type = SYN_PARAM_INTEGER;
        p->integer = json_integer_value(v);
        p->number = (double)p->integer;
    } else if (json_is_real(v)) {
        p->type = SYN_PARAM_NUMBER;
        p->number = json_real_value(v);
    } else if (json_is_string(v)) {
        p->type = SYN_PARAM_STRING;
        p->string = json_string_value(v);
    } else if (json_is_boolean(v)) {
        p->type = SYN_PARAM_BOOL;
        p->boolean = json_is_true(v);
    } else if (json_is_null(v)) {
        p->type = SYN_PARAM_NULL;
    }
}

syn_status syn_params_read(const char *text, struct syn_param_list *out, struct syn_err *err)
{
    json_error_t why;
    json_t *root = json_loads(text ? text : "{}", JSON_REJECT_DUPLICATES, &why), *value;
    const char *name;
    struct syn_param *item;
    int32_t n = 0;
    if (!root) {
        if (json_error_code(&why) == json_error_out_of_memory)
            return syn_fail(err, SYN_NO_MEMORY, "no memory for the parameters");
        return syn_fail(err, SYN_INVALID, "not JSON: %s", why.text);
    }
    if (!json_is_object(root) || json_object_size(root) > MAX_MEMBERS) {
        json_decref(root);
        return syn_fail(err, SYN_INVALID, "must be a JSON object of at most %d members",
                        MAX_MEMBERS);
    }
    item = syn_calloc(json_object_size(root) + 1, sizeof *item);
    if (!item) {
        json_decref(root);
        return syn_fail(err, SYN_NO_MEMORY, "no memory for the parameters");
    }
    json_object_foreach (root, name, value) syn_param_of_json(name, value, &item[n++]);
    out->item = item;
    out->n = n;
    out->json = root;
    return SYN_OK;
}

void syn_params_deinit(struct syn_param_list *l)
{
    syn_free(l->item);
    json_decref(l->json);
    memset(l, 0, sizeof *l);
}

static json_t *value_json(const struct syn_param *p)
{
    switch (p->type) {
    case SYN_PARAM_NUMBER: return json_real(p->number);
    case SYN_PARAM_INTEGER: return json_integer((json_int_t)p->integer);
    case SYN_PARAM_STRING: return json_string(p->string);
    case SYN_PARAM_BOOL: return json_boolean(p->boolean);
    default: return json_null();
    }
}

json_t *syn_params_object(const struct syn_param *p, int32_t n)
{
    json_t *o = json_object();
    for (int32_t i = 0; o && i < n; i++)
        if (json_object_set_new(o, p[i].name, value_json(&p[i])) != 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}

static json_t *effective_value(const struct syn_param_spec *row, const struct syn_param *given)
{
    struct syn_param p;
    if (given->name) {
        p = *given;
    } else {
        json_t *v = json_loads(row->default_json, JSON_DECODE_ANY, NULL);
        if (!v) return NULL;
        syn_param_of_json(row->name, v, &p);
        if (p.type == SYN_PARAM_STRING) return v;
        json_decref(v);
    }
    if (row->type == SYN_PARAM_NUMBER) return json_real(syn_param_as_double(&p));
    if (row->type == SYN_PARAM_INTEGER && p.type == SYN_PARAM_NUMBER)
        return json_integer((json_int_t)p.number);
    return value_json(&p);
}

json_t *syn_params_effective(const struct syn_param_spec *spec, int32_t n_spec,
                             const struct syn_param *given, uint32_t unset)
{
    json_t *o = json_object();
    for (int32_t i = 0; o && i < n_spec; i++) {
        if (!given[i].name && (!spec[i].default_json || (unset >> i & 1))) continue;
        if (json_object_set_new(o, spec[i].name, effective_value(&spec[i], &given[i])) != 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

/* A JSON number, true or false stays what it is; any other text is a string. */
static json_t *value_of(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (json_is_number(v) || json_is_boolean(v)) return v;
    json_decref(v);
    return json_string(text);
}

syn_status syn_params_from_words(const char *const *word, int32_t n, char **text,
                                 struct syn_err *err)
{
    json_t *root = json_object();
    syn_status st = root ? SYN_OK : SYN_NO_MEMORY;
    char *dumped = NULL;
    for (int32_t i = 0; st == SYN_OK && i < n; i++) {
        const char *equals = strchr(word[i], '=');
        char name[64];
        if (!equals || equals == word[i] || (size_t)(equals - word[i]) >= sizeof name) {
            st = syn_fail(err, SYN_INVALID, "\"%.80s\": must be written NAME=VALUE", word[i]);
            break;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - word[i]), word[i]);
        if (json_object_get(root, name)) {
            st = syn_fail(err, SYN_INVALID, "%s: given twice", name);
        } else {
            json_t *v = value_of(equals + 1);
            if (!v) st = syn_fail(err, SYN_INVALID, "%s: its value is not UTF-8", name);
            else if (json_object_set_new(root, name, v) != 0)
                st = syn_fail(err, SYN_INVALID, "%s: its name is not UTF-8", name);
        }
    }
    if (st == SYN_OK) dumped = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (st != SYN_OK) return st;
    *text = dumped ? syn_strdup(dumped) : NULL;
    free(dumped);
    return *text ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "no memory for the parameters");
}

void syn_params_explain(const struct syn_field_errors *errs, struct syn_err *err)
{
    size_t used = 0;
    if (!err) return;
    err->text[0] = '\0';
    for (int32_t i = 0; i < errs->n && used < sizeof err->text; i++) {
        int w = snprintf(err->text + used, sizeof err->text - used, "%s%s", i ? "; " : "",
                         errs->item[i].detail);
        if (w < 0) break;
        used += (size_t)w;
    }
}
