/* task_picture.c - what kinds that make one picture out of one or two share. See task_private.h.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "kernels/base/alloc.h"
#include "server/jobs/task_private.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static struct syn_picture_task *self(struct syn_task *t)
{
    return (struct syn_picture_task *)t;
}
static const struct syn_picture_task *view(const struct syn_task *t)
{
    return (const struct syn_picture_task *)t;
}

bool syn_picture_has(const struct syn_task *t, int32_t i)
{
    return t->input[i].probed;
}

syn_status syn_picture_read_output(struct syn_task *t, const struct syn_param *p, int32_t n,
                                   struct syn_field_errors *errs)
{
    return syn_output_spec_parse(p, n, &self(t)->output, errs);
}

json_t *syn_picture_output(const struct syn_task *t)
{
    struct syn_param effective[SYN_OUTPUT_N_PARAMS];
    return syn_params_object(effective, syn_output_spec_effective(&view(t)->output, effective));
}

/* ---- inputs ---- */

syn_status syn_picture_probe(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                             struct syn_task_fault *fault)
{
    const struct syn_task_limits *l = &t->limits;
    struct syn_image_info *info = &self(t)->in[i].info;
    uint64_t pixels;
    int32_t side;
    syn_status st = syn_image_probe(bytes, n, info, &fault->err);
    if (st != SYN_OK) return st;
    pixels = (uint64_t)info->width * (uint64_t)info->height;
    side = info->width > info->height ? info->width : info->height;
    if (l->max_side && side > l->max_side)
        return syn_task_too_large(fault, "side in pixels", (uint64_t)side, (uint64_t)l->max_side);
    if (l->max_pixels && pixels > l->max_pixels)
        return syn_task_too_large(fault, "pixels", pixels, l->max_pixels);
    if (info->frames > 1) return syn_task_too_large(fault, "frames", (uint64_t)info->frames, 1);
    if (l->memory_budget_bytes && info->decode_bytes > l->memory_budget_bytes)
        return syn_task_too_large(fault, "bytes to decode", info->decode_bytes,
                                  l->memory_budget_bytes);
    return SYN_OK;
}

syn_status syn_picture_decode(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                              struct syn_err *err)
{
    struct syn_picture_task *p = self(t);
    const struct syn_image_decode_opts opts = {
        .limits = {.max_pixels = t->limits.max_pixels,
                   .max_side = t->limits.max_side,
                   .max_decoded_bytes = t->limits.memory_budget_bytes,
                   .max_frames = 1},
        .accept_truncated = p->accept_truncated};
    return syn_image_decode(bytes, n, &opts, &p->in[i].image, &p->in[i].report, err);
}

const char *syn_picture_cut_short(const struct syn_task *t, int32_t i)
{
    return view(t)->in[i].report.truncated ? "the missing part is grey" : NULL;
}

/* ---- the result ---- */

syn_status syn_picture_check_output(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct syn_picture_task *p = self(t);
    const struct syn_image_info *in = &p->in[0].info;
    struct syn_image_encode_opts opts;
    syn_task_blame(fault, "output", "format", NULL);
    return syn_output_spec_resolve(&p->output, in->format, in->width, in->height, &opts,
                                   &fault->err);
}

syn_status syn_picture_finish(struct syn_task *t, struct syn_err *err)
{
    return t->pipeline->kind->finish(t->pipeline, &self(t)->made, err);
}

syn_status syn_picture_encode(struct syn_task *t, int32_t i, struct syn_buf *out,
                              struct syn_task_made *made, struct syn_err *err)
{
    const struct syn_picture_task *p = self(t);
    struct syn_image_encode_opts opts = {0};
    syn_status st = syn_output_spec_resolve(&p->output, p->in[0].info.format, p->made.width,
                                            p->made.height, &opts, err);
    (void)i;
    if (st == SYN_OK) st = syn_image_encode(&p->made, &opts, out, err);
    if (st != SYN_OK) return st;
    snprintf(made->name, sizeof made->name, "image");
    made->media_type = syn_image_media_type(opts.format);
    made->width = p->made.width;
    made->height = p->made.height;
    snprintf(made->summary, sizeof made->summary, "%dx%d", made->width, made->height);
    return SYN_OK;
}

json_t *syn_picture_result(const struct syn_task *t)
{
    static const char *const color[] = {"assumed_srgb", "converted", "preserved"};
    const struct syn_picture_input *in = &view(t)->in[0];
    return json_pack("{s:s, s:{s:i, s:i, s:s}}", "color", color[in->report.color], "input", "width",
                     (int)in->info.width, "height", (int)in->info.height, "media_type",
                     syn_image_media_type(in->info.format));
}

uint64_t syn_picture_held_bytes(const struct syn_task *t)
{
    const struct syn_image *im = &view(t)->made;
    return (uint64_t)im->width * (uint64_t)im->height * (uint64_t)im->channels *
           (uint64_t)(im->bits / 8);
}

void syn_picture_close(struct syn_task *t)
{
    for (int32_t i = 0; i < SYN_PICTURE_MAX_INPUTS; i++) syn_image_deinit(&self(t)->in[i].image);
    syn_image_deinit(&self(t)->made);
}
