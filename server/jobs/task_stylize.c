/* task_stylize.c - kind "stylize" as a task. See task_private.h and pipelines/stylize.h.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "server/jobs/task_private.h"
#include "server/pipelines/stylize.h"
#include <jansson.h>
#include <string.h>

enum { PHOTO, STYLE };

struct stylize {
    struct syn_picture_task picture;
    struct syn_stylize_params params;
    int64_t runs; /* of networks */
    int32_t retries;
};

static struct stylize *self(struct syn_task *t)
{
    return (struct stylize *)t;
}
static const struct stylize *view(const struct syn_task *t)
{
    return (const struct stylize *)t;
}

static syn_status read_params(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    struct stylize *s = self(t);
    syn_status st = syn_stylize_params_parse(p, n, t->manifest, &s->params, errs);
    s->picture.accept_truncated = s->params.accept_truncated;
    return st;
}

/* What belongs to the other form of model is refused when it is said, also by its default. */
static uint32_t unset(const struct syn_task *t)
{
    const bool by_picture = syn_stylize_wants_picture(t->manifest);
    uint32_t rows = 0;
    for (int32_t i = 0; i < t->row->n_params; i++) {
        const char *name = t->row->param[i].name;
        const bool blend = strcmp(name, "style") == 0, strength = strcmp(name, "strength") == 0;
        if ((blend && by_picture) || (strength && !by_picture)) rows |= 1u << i;
        /* A blend is given by styles in the place of style. */
        if (strcmp(name, "styles") == 0 && t->params[i].name)
            for (int32_t k = 0; k < t->row->n_params; k++)
                if (strcmp(t->row->param[k].name, "style") == 0) rows |= 1u << k;
    }
    return rows;
}

static syn_status check(struct syn_task *t, struct syn_task_fault *fault)
{
    const bool has_style = syn_picture_has(t, STYLE);
    syn_task_blame(fault, "inputs", "style", has_style ? "unsupported_value" : "missing_field");
    return syn_stylize_check_style(t->manifest, has_style, &fault->err);
}

/* The style, as it came and without its alpha, beside the photo and its network. */
static syn_status memory(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct syn_picture_input *in = self(t)->picture.in;
    const struct syn_image_info *style = &in[STYLE].info;
    const uint64_t limit = t->limits.memory_budget_bytes;
    uint64_t beside = 0, need = 0;
    syn_status st = SYN_OK;
    if (syn_picture_has(t, STYLE))
        beside = 2 * (uint64_t)style->width * (uint64_t)style->height *
                 (uint64_t)style->channels * (uint64_t)style->bits / 8;
    if (syn_picture_has(t, PHOTO)) {
        need = syn_stylize_bytes(t->manifest, in[PHOTO].info.width, in[PHOTO].info.height);
        st = syn_stylize_check_memory(t->manifest, in[PHOTO].info.width, in[PHOTO].info.height,
                                      limit, &fault->err);
    }
    fault->limit = limit;
    fault->received = need + beside;
    if (st == SYN_OK && limit && need + beside > limit) {
        syn_task_blame(fault, "inputs", "style", NULL);
        return syn_fail(&fault->err, SYN_TOO_LARGE,
                        "inputs.style: %dx%d: the job needs %llu bytes with it: the limit is %llu",
                        style->width, style->height, (unsigned long long)(need + beside),
                        (unsigned long long)limit);
    }
    syn_task_blame(fault, "inputs", "image", NULL);
    return st;
}

static syn_status load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    struct stylize *s = self(t);
    return syn_stylize_open(t->models, t->manifest, &s->params, t->limits.memory_budget_bytes,
                            &s->picture.in[PHOTO].image,
                            syn_picture_has(t, STYLE) ? &s->picture.in[STYLE].image : NULL, cancel,
                            &t->pipeline, err);
}

static void report(struct syn_task *t)
{
    int64_t total;
    t->pipeline->kind->progress(t->pipeline, &self(t)->runs, &total);
    self(t)->retries = syn_stylize_retries(t->pipeline);
}

static json_t *result(const struct syn_task *t)
{
    json_t *o = syn_picture_result(t);
    if (o && json_object_set_new(o, "runs", json_integer((json_int_t)view(t)->runs)) == 0 &&
        json_object_set_new(o, "numeric_retries", json_integer(view(t)->retries)) == 0)
        return o;
    json_decref(o);
    return NULL;
}

const struct syn_task_kind syn_task_stylize = {
    SYN_PICTURE_SLOTS,
    .kind = SYN_STYLIZE_KIND,
    .units = "networks",
    .bytes = sizeof(struct stylize),
    .read_params = read_params,
    .unset = unset,
    .memory = memory,
    .check = check,
    .check_output = syn_picture_check_output,
    .load = load,
    .report = report,
    .result = result,
};
