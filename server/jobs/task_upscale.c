/* task_upscale.c - kind "upscale" as a task. See task_private.h and pipelines/upscale.h.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "server/jobs/task_private.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct upscale {
    struct syn_picture_task picture;
    struct syn_upscale_params params;
    struct syn_upscale_plan plan; /* after check */
    struct syn_upscale_report report;
};

static struct upscale *self(struct syn_task *t)
{
    return (struct upscale *)t;
}
static const struct upscale *view(const struct syn_task *t)
{
    return (const struct upscale *)t;
}

static syn_status read_params(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    struct upscale *u = self(t);
    syn_status st = syn_upscale_params_parse(p, n, t->manifest, &u->params, errs);
    u->picture.accept_truncated = u->params.accept_truncated;
    return st;
}

static json_t *effective_params(const struct syn_task *t)
{
    struct syn_param effective[SYN_UPSCALE_N_PARAMS];
    return syn_params_object(effective,
                             syn_upscale_params_effective(&view(t)->params, effective));
}

static struct syn_upscale_limits limits_of(const struct syn_task *t)
{
    const struct syn_upscale_limits limits = {
        .memory_budget_bytes = t->limits.memory_budget_bytes,
        .max_output_pixels = t->limits.max_output_pixels,
        .max_output_side = t->limits.max_output_side};
    return limits;
}

static syn_status resolve(struct upscale *u, struct syn_err *err)
{
    const struct syn_task *t = &u->picture.base;
    const struct syn_image_info *in = &u->picture.in[0].info;
    const struct syn_upscale_limits limits = limits_of(t);
    return syn_upscale_resolve(t->manifest, &u->params, &limits, in->width, in->height, &u->plan,
                               err);
}

/* The size of the result; the text begins with the parameter's name where one is to blame. */
static syn_status check(struct syn_task *t, struct syn_task_fault *fault)
{
    syn_status st = resolve(self(t), &fault->err);
    char word[32];
    size_t n;
    if (st == SYN_OK) return SYN_OK;
    n = strcspn(fault->err.text, " =");
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : 0), fault->err.text);
    syn_task_blame(fault, "params", "", NULL);
    for (int32_t i = 0; i < t->row->n_params; i++)
        if (!strcmp(t->row->param[i].name, word)) syn_task_blame(fault, "params", word, NULL);
    return st;
}

/* Other faults of the size are check's to tell. */
static syn_status memory(struct syn_task *t, struct syn_task_fault *fault)
{
    struct upscale *u = self(t);
    const struct syn_upscale_limits limits = limits_of(t);
    syn_status st;
    if (resolve(u, NULL) != SYN_OK) return SYN_OK;
    st = syn_upscale_check_pictures(&u->plan, &u->params, &limits, &u->picture.in[0].info,
                                    &fault->err);
    if (st == SYN_OK) return SYN_OK;
    syn_task_blame(fault, "params", "", NULL);
    fault->limit = limits.memory_budget_bytes;
    fault->received =
        syn_upscale_picture_bytes(&u->plan, &u->params, &u->picture.in[0].info);
    return st;
}

static syn_status check_output(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct upscale *u = self(t);
    struct syn_image_encode_opts opts;
    syn_task_blame(fault, "output", "format", NULL);
    return syn_output_spec_resolve(&u->picture.output, u->picture.in[0].info.format,
                                   u->plan.out_width, u->plan.out_height, &opts, &fault->err);
}

static const char *digest(const struct syn_task *t)
{
    return view(t)->plan.variant->digest;
}

static syn_status load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    struct upscale *u = self(t);
    const struct syn_upscale_limits limits = limits_of(t);
    return syn_upscale_open(t->models, t->manifest, &u->params, &limits, &u->picture.in[0].image,
                            cancel, &t->pipeline, err);
}

static void report(struct syn_task *t)
{
    syn_upscale_report(t->pipeline, &self(t)->report);
}

static json_t *result(const struct syn_task *t)
{
    const struct upscale *u = view(t);
    const struct syn_upscale_report *r = &u->report;
    const struct syn_variant *v = u->plan.variant;
    json_t *o = syn_picture_result(t);
    json_t *more = json_pack(
        "{s:{s:i, s:o, s:i, s:s}, s:I, s:i, s:i, s:i, s:i}", "network", "scale", (int)v->scale,
        "noise", v->noise == SYN_NOISE_NONE ? json_null() : json_integer(v->noise), "passes",
        (int)u->plan.passes, "precision", syn_precision_word(r->precision), "tiles",
        (json_int_t)r->tiles, "tile_width", (int)r->tile_width, "tile_height", (int)r->tile_height,
        "halo", (int)r->halo, "numeric_retries", (int)r->numeric_retries);
    if (!o || !more || json_object_update(o, more) != 0) {
        json_decref(o);
        o = NULL;
    }
    json_decref(more);
    return o;
}

const struct syn_task_kind syn_task_upscale = {
    SYN_PICTURE_SLOTS,
    .kind = "upscale",
    .units = "tiles",
    .bytes = sizeof(struct upscale),
    .read_params = read_params,
    .params = effective_params,
    .memory = memory,
    .check = check,
    .check_output = check_output,
    .digest = digest,
    .load = load,
    .report = report,
    .result = result,
};
