/* task_matte.c - kind "matte" as a task. See task_private.h and pipelines/matte.h.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "server/jobs/task_private.h"
#include "server/pipelines/matte.h"
#include <jansson.h>
#include <string.h>

enum { IMAGE, BACKGROUND };

struct matte {
    struct syn_picture_task picture;
    struct syn_matte_params params;
    struct syn_matte_report report;
};

static struct matte *self(struct syn_task *t)
{
    return (struct matte *)t;
}
static const struct matte *view(const struct syn_task *t)
{
    return (const struct matte *)t;
}

static syn_status read_params(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    struct matte *m = self(t);
    syn_status st = syn_matte_params_parse(p, n, t->manifest, &m->params, errs);
    m->picture.accept_truncated = m->params.accept_truncated;
    return st;
}

/* A background that was said cannot stand beside a picture or mask_only: its default stays unsaid. */
static uint32_t unset(const struct syn_task *t)
{
    for (int32_t i = 0; i < t->row->n_params; i++)
        if (strcmp(t->row->param[i].name, "background") == 0) return 1u << i;
    return 0;
}

static syn_status memory(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct syn_picture_input *in = self(t)->picture.in;
    const bool behind = syn_picture_has(t, BACKGROUND);
    const uint64_t limit = t->limits.memory_budget_bytes;
    uint64_t need;
    if (!syn_picture_has(t, IMAGE)) return SYN_OK; /* the background came first: its turn is next */
    need = syn_matte_bytes(t->manifest, &in[IMAGE].info, behind ? &in[BACKGROUND].info : NULL);
    if (!limit || need <= limit) return SYN_OK;
    syn_task_blame(fault, "inputs", "", NULL);
    fault->limit = limit;
    fault->received = need;
    return syn_fail(&fault->err, SYN_TOO_LARGE,
                    "inputs.image: %dx%d%s needs %llu bytes: the limit is %llu; make it smaller, or "
                    "raise memory_budget_bytes",
                    in[IMAGE].info.width, in[IMAGE].info.height,
                    behind ? " with its background" : "", (unsigned long long)need,
                    (unsigned long long)limit);
}

/* The background twice, or for nothing; then alpha in a file that has none. */
static syn_status check(struct syn_task *t, struct syn_task_fault *fault)
{
    syn_task_blame(fault, "inputs", "background", "conflicting_field");
    return syn_matte_check(&self(t)->params, syn_picture_has(t, BACKGROUND), SYN_IMAGE_UNKNOWN,
                           &fault->err);
}

static syn_status check_output(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct syn_picture_task *p = &self(t)->picture;
    const enum syn_image_format format =
        p->output.format == SYN_IMAGE_UNKNOWN ? p->in[IMAGE].info.format : p->output.format;
    syn_status st = syn_picture_check_output(t, fault);
    return st == SYN_OK ? syn_matte_check(&self(t)->params, syn_picture_has(t, BACKGROUND), format,
                                          &fault->err)
                        : st;
}

static syn_status load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    struct matte *m = self(t);
    return syn_matte_open(t->models, t->manifest, &m->params, &m->picture.in[IMAGE].image,
                          syn_picture_has(t, BACKGROUND) ? &m->picture.in[BACKGROUND].image : NULL,
                          cancel, &t->pipeline, err);
}

static void report(struct syn_task *t)
{
    syn_matte_report(t->pipeline, &self(t)->report);
}

static json_t *result(const struct syn_task *t)
{
    const struct syn_matte_report *r = &view(t)->report;
    json_t *o = syn_picture_result(t);
    if (o && json_object_set_new(o, "coverage", json_real(r->coverage)) == 0 &&
        json_object_set_new(o, "network_width", json_integer(r->width)) == 0 &&
        json_object_set_new(o, "network_height", json_integer(r->height)) == 0)
        return o;
    json_decref(o);
    return NULL;
}

const struct syn_task_kind syn_task_matte = {
    SYN_PICTURE_SLOTS,
    .kind = SYN_MATTE_KIND,
    .units = "networks",
    .bytes = sizeof(struct matte),
    .read_params = read_params,
    .unset = unset,
    .memory = memory,
    .check = check,
    .check_output = check_output,
    .load = load,
    .report = report,
    .result = result,
};
