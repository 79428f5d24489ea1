/* task.c - see task.h. */
#include "server/jobs/task.h"
#include "kernels/base/alloc.h"
#include "server/jobs/params.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct syn_task {
    struct syn_models *models;           /* borrowed */
    const struct syn_manifest *manifest; /* borrowed from models */
    struct syn_task_limits limits;
    char model_digest[65];
    struct syn_upscale_params params;
    struct syn_output_spec output;
    struct syn_image image; /* the input until load, the result after compute */
    struct syn_image_info input;
    struct syn_image_report decoded;
    struct syn_upscale_plan plan;
    struct syn_upscale_report report;
    struct syn_pipeline *pipeline; /* between load and compute */
};

/* One step's own meaning of a status; status OK ends a list and stands for all others. */
struct code {
    syn_status st;
    const char *word;
};
static const struct code any_step[] = {{SYN_NO_MEMORY, "out_of_memory"},
                                       {SYN_NUMERIC, "numeric_error"},
                                       {SYN_DEVICE, "device_lost"},
                                       {SYN_CANCELED, "canceled"},
                                       {SYN_OK, NULL}};
static const struct code open_step[] = {
    {SYN_NOT_FOUND, "unknown_model"}, {SYN_INVALID, "invalid_field"}, {SYN_OK, "internal"}};
static const struct code decode_step[] = {
    {SYN_TRUNCATED, "image_truncated"}, {SYN_UNSUPPORTED, "unsupported_media"},
    {SYN_INVALID, "invalid_image"},     {SYN_TOO_LARGE, "payload_too_large"},
    {SYN_NOT_FOUND, "expired"}, /* the input's blob is gone */
    {SYN_IO, "storage_failed"},         {SYN_OK, "internal"}};
static const struct code size_step[] = {{SYN_INVALID, "invalid_field"},
                                        {SYN_TOO_LARGE, "payload_too_large"},
                                        {SYN_CONFLICT, "model_failed"},
                                        {SYN_OK, "internal"}};
static const struct code load_step[] = {
    {SYN_TOO_LARGE, "out_of_memory"}, /* over the models' budget */
    {SYN_INTERNAL, "internal"},
    {SYN_OK, "model_failed"}};
static const struct code compute_step[] = {{SYN_TOO_LARGE, "out_of_memory"}, {SYN_OK, "internal"}};
static const struct code encode_step[] = {
    {SYN_INVALID, "invalid_field"}, {SYN_TOO_LARGE, "payload_too_large"}, {SYN_OK, "internal"}};
static const struct code store_step[] = {{SYN_IO, "storage_failed"}, {SYN_OK, "internal"}};
static const struct code *const steps[] = {open_step,    decode_step, size_step, load_step,
                                           compute_step, encode_step, store_step};

const char *syn_task_code(enum syn_task_step step, syn_status st)
{
    const struct code *c = any_step;
    while (c->st != SYN_OK && c->st != st) c++;
    if (c->word) return c->word;
    for (c = steps[step]; c->st != SYN_OK && c->st != st; c++) continue;
    return c->word;
}

static syn_status parse_params(struct syn_task *t, const struct syn_param_list *l,
                               struct syn_field_errors *errs)
{
    return syn_upscale_params_parse(l->item, l->n, t->manifest, &t->params, errs);
}
static syn_status parse_output(struct syn_task *t, const struct syn_param_list *l,
                               struct syn_field_errors *errs)
{
    return syn_output_spec_parse(l->item, l->n, &t->output, errs);
}

/* Reads one JSON member and gives it to its validator. */
static syn_status check_member(struct syn_task *t, const char *member, const char *text,
                               syn_status (*parse)(struct syn_task *t,
                                                   const struct syn_param_list *l,
                                                   struct syn_field_errors *errs),
                               struct syn_err *err)
{
    struct syn_param_list list = {0};
    struct syn_field_errors *errs = syn_calloc(1, sizeof *errs);
    syn_status st = errs ? syn_params_read(text, &list, err)
                         : syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    if (st == SYN_OK) {
        st = parse(t, &list, errs);
        if (st != SYN_OK) syn_params_explain(errs, err);
    } else if (st == SYN_INVALID) {
        syn_fail_in(err, st, "%s: ", member);
    }
    syn_params_deinit(&list);
    syn_free(errs);
    return st;
}

syn_status syn_task_open(struct syn_models *models, const struct syn_task_request *r,
                         const struct syn_task_limits *limits, struct syn_task **out,
                         struct syn_err *err)
{
    struct syn_task *t;
    syn_status st;
    const struct syn_manifest *m = syn_models_find(models, r->model);
    if (!syn_kinds_find(r->kind))
        return syn_fail(err, SYN_INVALID, "kind = \"%.40s\": unknown", r->kind);
    if (!m) return syn_fail(err, SYN_NOT_FOUND, "model = \"%.80s\": unknown", r->model);
    if (strcmp(m->kind, r->kind) != 0)
        return syn_fail(err, SYN_INVALID, "model = \"%s\": is for kind \"%s\", not \"%s\"", m->id,
                        m->kind, r->kind);
    t = syn_calloc(1, sizeof *t);
    if (!t) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    t->models = models;
    t->manifest = m;
    t->limits = *limits;
    if (r->model_digest) snprintf(t->model_digest, sizeof t->model_digest, "%s", r->model_digest);
    st = check_member(t, "params", r->params, parse_params, err);
    if (st == SYN_OK) st = check_member(t, "output", r->output, parse_output, err);
    if (st != SYN_OK) {
        syn_task_close(t);
        return st;
    }
    *out = t;
    return SYN_OK;
}

static struct syn_upscale_limits upscale_limits(const struct syn_task *t)
{
    struct syn_upscale_limits limits = {0};
    limits.memory_budget_bytes = t->limits.memory_budget_bytes;
    limits.max_output_pixels = t->limits.max_output_pixels;
    limits.max_output_side = t->limits.max_output_side;
    return limits;
}

/* What the header says against the memory for the whole job. Other faults of the size are told by
 * syn_task_size. */
static syn_status check_memory(const struct syn_task *t, struct syn_err *err)
{
    struct syn_upscale_limits limits = upscale_limits(t);
    struct syn_upscale_plan plan;
    if (syn_upscale_resolve(t->manifest, &t->params, &limits, t->input.width, t->input.height,
                            &plan, NULL) != SYN_OK)
        return SYN_OK;
    return syn_upscale_check_pictures(&plan, &t->params, &limits, &t->input, err);
}

syn_status syn_task_decode(struct syn_task *t, const void *bytes, size_t n, struct syn_err *err)
{
    struct syn_image_decode_opts opts = {0};
    syn_status st;
    opts.limits.max_pixels = t->limits.max_pixels;
    opts.limits.max_side = t->limits.max_side;
    opts.limits.max_decoded_bytes = t->limits.memory_budget_bytes;
    opts.limits.max_frames = 1;
    opts.accept_truncated = t->params.accept_truncated;
    st = syn_image_probe(bytes, n, &t->input, err);
    if (st == SYN_OK) st = check_memory(t, err);
    if (st == SYN_OK) st = syn_image_decode(bytes, n, &opts, &t->image, &t->decoded, err);
    return st;
}

syn_status syn_task_size(struct syn_task *t, struct syn_err *err)
{
    struct syn_upscale_limits limits = upscale_limits(t);
    syn_status st = syn_upscale_resolve(t->manifest, &t->params, &limits, t->image.width,
                                        t->image.height, &t->plan, err);
    if (st != SYN_OK) return st;
    if (t->model_digest[0] && strcmp(t->model_digest, t->plan.variant->digest) != 0)
        return syn_fail(err, SYN_CONFLICT,
                        "model %s: its files are not those the job was accepted for",
                        t->manifest->id);
    return SYN_OK;
}

syn_status syn_task_load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    struct syn_upscale_limits limits = upscale_limits(t);
    return syn_upscale_open(t->models, t->manifest, &t->params, &limits, &t->image, cancel,
                            &t->pipeline, err);
}

syn_status syn_task_compute(struct syn_task *t, const struct syn_drive *drive, struct syn_err *err)
{
    syn_status st = syn_pipeline_drive(t->pipeline, drive, err);
    if (st == SYN_OK) st = t->pipeline->kind->finish(t->pipeline, &t->image, err);
    syn_upscale_report(t->pipeline, &t->report);
    syn_pipeline_close(t->pipeline);
    t->pipeline = NULL;
    return st;
}

syn_status syn_task_encode(struct syn_task *t, struct syn_buf *out, const char **media_type,
                           int32_t *width, int32_t *height, struct syn_err *err)
{
    struct syn_image_encode_opts opts = {0};
    syn_status st = syn_output_spec_resolve(&t->output, t->input.format, t->image.width,
                                            t->image.height, &opts, err);
    if (st == SYN_OK) st = syn_image_encode(&t->image, &opts, out, err);
    if (st != SYN_OK) return st;
    *media_type = syn_image_media_type(opts.format);
    *width = t->image.width;
    *height = t->image.height;
    return SYN_OK;
}

char *syn_task_result(const struct syn_task *t)
{
    static const char *const color[] = {"assumed_srgb", "converted", "preserved"};
    char text[600], noise[16] = "null";
    const struct syn_upscale_report *r = &t->report;
    if (t->plan.variant->noise != SYN_NOISE_NONE)
        snprintf(noise, sizeof noise, "%d", t->plan.variant->noise);
    snprintf(text, sizeof text,
             "{\"color\":\"%s\",\"input\":{\"width\":%d,\"height\":%d,\"media_type\":\"%s\"},"
             "\"network\":{\"scale\":%d,\"noise\":%s,\"passes\":%d,\"precision\":\"%s\"},"
             "\"tiles\":%" PRId64
             ",\"tile_width\":%d,\"tile_height\":%d,\"halo\":%d,\"numeric_retries\":%d}",
             color[t->decoded.color], t->input.width, t->input.height,
             syn_image_media_type(t->input.format), t->plan.variant->scale, noise, t->plan.passes,
             syn_precision_word(r->precision), r->tiles, r->tile_width, r->tile_height, r->halo,
             r->numeric_retries);
    return syn_strdup(text);
}

const char *syn_task_warnings(const struct syn_task *t)
{
    return t->decoded.truncated
               ? "[\"inputs.image: the file ends early; the missing part is grey\"]"
               : NULL;
}

uint64_t syn_task_picture_bytes(const struct syn_task *t)
{
    const struct syn_image *im = &t->image;
    return (uint64_t)im->width * (uint64_t)im->height * (uint64_t)im->channels *
           (uint64_t)(im->bits / 8);
}

void syn_task_close(struct syn_task *t)
{
    if (!t) return;
    syn_pipeline_close(t->pipeline);
    syn_image_deinit(&t->image);
    syn_free(t);
}
