/* models.c - GET /v1/models, GET /v1/models/{id}, GET /v1/kinds.
 *
 * The model object satisfies OpenAI's (id, object, created, owned_by); the rest is ours. */
#include "server/http/families/native/native.h"
#include "server/http/json.h"
#include <stdio.h>
#include <string.h>

static json_t *variants(const struct syn_manifest *m)
{
    json_t *list = json_array();
    for (int32_t i = 0; list && i < m->n_variants; i++) {
        const struct syn_variant *v = &m->variant[i];
        json_t *item = json_pack("{s:o, s:i, s:s}", "name",
                                 v->name[0] ? json_string(v->name) : json_null(), "scale",
                                 (int)v->scale, "digest", v->digest);
        if (!item ||
            json_object_set_new(
                item, "noise", v->noise == SYN_NOISE_NONE ? json_null() : json_integer(v->noise)) ||
            json_array_append_new(list, item)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *model_json(struct syn_http *h, const struct syn_manifest *m)
{
    struct syn_model_status s;
    json_t *o;
    memset(&s, 0, sizeof s);
    syn_models_status(h->opts.models, m->id, &s);
    o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "id",
                  m->id, "digest", m->digest, "object", "model", "created", (json_int_t)(h->started_ms / 1000), "owned_by",
                  "synthd", "kind", m->kind, "title", syn_json_utf8(m->title), "format", m->format,
                  "licence", syn_json_utf8(m->licence), "source", syn_json_utf8(m->source),
                  "trained_on", syn_json_utf8(m->trained_on), "label_term",
                  syn_json_utf8(m->label_term), "state", syn_model_state_word(s.state), "variants",
                  variants(m));
    if (!o) return NULL;
    if (json_object_set_new(o, "resident_bytes", json_integer((json_int_t)s.resident_bytes)) ||
        json_object_set_new(o, "loads", json_integer(s.loads)) ||
        json_object_set_new(o, "evictions", json_integer(s.evictions)) ||
        json_object_set_new(o, "load_seconds", json_real(s.load_seconds)) ||
        json_object_set_new(o, "failed", json_boolean(s.state == SYN_MODEL_FAILED))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

void syn_native_models(struct syn_request *rq)
{
    struct syn_models *ms = rq->http->opts.models;
    json_t *list = json_array();
    for (int32_t i = 0; i < syn_models_count(ms); i++)
        if (json_array_append_new(list, model_json(rq->http, syn_models_at(ms, i)))) {
            json_decref(list);
            list = NULL;
        }
    syn_reply_json(rq, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void syn_native_model(struct syn_request *rq)
{
    const struct syn_manifest *m = syn_models_find(rq->http->opts.models, rq->arg[0]);
    struct syn_problem p = {0};
    if (m) {
        syn_reply_json(rq, 200, model_json(rq->http, m));
        return;
    }
    syn_problem_set(&p, SYN_CODE_unknown_model,
                    "no model of that id: GET /v1/models lists those there are");
    syn_reply_problem(rq, &p);
}

/* ---- kinds ---- */

static json_t *table_schema(const struct syn_param_spec *row, int32_t n)
{
    json_t *properties = json_object();
    for (int32_t i = 0; properties && i < n; i++)
        if (json_object_set_new(properties, row[i].name, syn_json_param_schema(&row[i]))) {
            json_decref(properties);
            properties = NULL;
        }
    return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
                     "additionalProperties", 0);
}

static json_t *inputs_json(const struct syn_kind *k)
{
    json_t *list = json_array();
    for (int32_t i = 0; list && i < k->n_inputs; i++) {
        const struct syn_kind_input *in = &k->input[i];
        json_t *types = json_array(), *item;
        bool bad = false;
        for (const char *const *t = in->media_types; t && *t; t++)
            bad |= json_array_append_new(types, json_string(*t)) != 0;
        item = json_pack("{s:s, s:b, s:s, s:o}", "name", in->name, "required", in->required,
                         "description", in->description, "media_types", types);
        if (bad || !item || json_array_append_new(list, item)) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *models_of(struct syn_http *h, const struct syn_kind *k)
{
    json_t *list = json_array();
    for (int32_t i = 0; list && i < syn_models_count(h->opts.models); i++) {
        const struct syn_manifest *m = syn_models_at(h->opts.models, i);
        if (syn_kind_takes(k, m) && json_array_append_new(list, json_string(m->id))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

void syn_native_kinds(struct syn_request *rq)
{
    const struct syn_http_opts *o = &rq->http->opts;
    json_t *list = json_array(), *limits;
    for (int32_t i = 0; i < syn_kinds_count(); i++) {
        const struct syn_kind *k = syn_kinds_at(i);
        json_t *item =
            json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "kind", k->kind, "title", k->title,
                      "description", k->description, "models", models_of(rq->http, k),
                      "inputs", inputs_json(k), "params", table_schema(k->param, k->n_params),
                      "output", table_schema(k->output, k->n_output));
        if (json_array_append_new(list, item)) {
            json_decref(list);
            list = NULL;
        }
    }
    limits =
        json_pack("{s:I, s:I, s:I, s:i, s:I, s:i, s:i}", "max_body_bytes",
                  (json_int_t)o->max_body_bytes, "max_blob_bytes", (json_int_t)o->max_blob_bytes,
                  "max_pixels", (json_int_t)o->max_pixels, "max_side", (int)o->max_side,
                  "max_output_pixels", (json_int_t)o->max_output_pixels, "max_output_side", (int)o->max_output_side,
                  "max_sound_seconds", (int)o->max_sound_seconds);
    syn_reply_json(rq, 200, json_pack("{s:o, s:o}", "data", list, "limits", limits));
}
