/* task_denoise.c - kind "denoise-speech" as a task: a sound in, a sound out. See task_private.h and
 * pipelines/denoise.h.
 *
 * Layer:   server/jobs.   Threads: as task.h. */
#include "server/jobs/task_private.h"
#include "server/pipelines/denoise_params.h"
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct denoise {
    struct syn_task base;
    struct syn_denoise_params params;
    struct syn_sound_encode_opts output; /* format UNKNOWN: the input's */
    struct syn_sound_info info;          /* after probe */
    struct syn_sound_report decoded;
    struct syn_sound sound; /* the input until load, the result after compute */
    struct syn_denoise_report report;
    int64_t clipped; /* after encode */
};

static struct denoise *self(struct syn_task *t)
{
    return (struct denoise *)t;
}
static const struct denoise *view(const struct syn_task *t)
{
    return (const struct denoise *)t;
}

static syn_status read_params(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    return syn_denoise_params_parse(p, n, &self(t)->params, errs);
}

static syn_status read_output(struct syn_task *t, const struct syn_param *p, int32_t n,
                              struct syn_field_errors *errs)
{
    return syn_sound_output_parse(p, n, &self(t)->output, errs);
}

/* FLAC's compression level says nothing of a WAV file. */
static json_t *effective_output(const struct syn_task *t)
{
    uint32_t rows = 0;
    for (int32_t i = 0; i < t->row->n_output; i++)
        if (strcmp(t->row->output[i].name, "level") == 0 &&
            view(t)->output.format == SYN_SOUND_WAV)
            rows = 1u << i;
    return syn_params_effective(t->row->output, t->row->n_output, t->output, rows);
}

static syn_status probe(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                        struct syn_task_fault *fault)
{
    const struct syn_task_limits *l = &t->limits;
    struct syn_sound_info *info = &self(t)->info;
    syn_status st = syn_sound_probe(bytes, n, info, &fault->err);
    (void)i;
    if (st != SYN_OK) return st;
    if (info->frames > SYN_SOUND_MAX_FRAMES)
        return syn_task_too_large(fault, "frames", (uint64_t)info->frames, SYN_SOUND_MAX_FRAMES);
    if (l->max_sound_seconds > 0 && (double)info->frames > l->max_sound_seconds * info->rate)
        return syn_task_too_large(fault, "seconds",
                                  (uint64_t)ceil((double)info->frames / info->rate),
                                  (uint64_t)l->max_sound_seconds);
    if (l->memory_budget_bytes && info->decode_bytes > l->memory_budget_bytes)
        return syn_task_too_large(fault, "bytes to decode", info->decode_bytes,
                                  l->memory_budget_bytes);
    return SYN_OK;
}

static struct syn_sound_encode_opts encode_opts(const struct denoise *d)
{
    struct syn_sound_encode_opts opts = d->output;
    if (opts.format == SYN_SOUND_UNKNOWN) opts.format = d->info.format;
    return opts;
}

static syn_status check(struct syn_task *t, struct syn_task_fault *fault)
{
    syn_task_blame(fault, "inputs", "audio", "unsupported_value");
    return syn_denoise_check(t->manifest, self(t)->info.rate, &fault->err);
}

static syn_status check_output(struct syn_task *t, struct syn_task_fault *fault)
{
    const struct denoise *d = self(t);
    const struct syn_sound_encode_opts opts = encode_opts(d);
    const struct syn_sound form = {.frames = d->info.frames,
                                   .channels = d->info.channels,
                                   .rate = d->info.rate,
                                   .type = d->info.type};
    syn_task_blame(fault, "output", "format", NULL);
    return syn_sound_encode_check(&form, &opts, &fault->err);
}

static syn_status decode(struct syn_task *t, int32_t i, const void *bytes, size_t n,
                         struct syn_err *err)
{
    struct denoise *d = self(t);
    const struct syn_sound_decode_opts opts = {
        .limits = {.max_frames = SYN_SOUND_MAX_FRAMES,
                   .max_seconds = t->limits.max_sound_seconds,
                   .max_decoded_bytes = t->limits.memory_budget_bytes},
        .accept_truncated = d->params.accept_truncated};
    (void)i;
    return syn_sound_decode(bytes, n, &opts, &d->sound, &d->decoded, err);
}

static const char *cut_short(const struct syn_task *t, int32_t i)
{
    (void)i;
    return view(t)->decoded.truncated ? "the sound ends there" : NULL;
}

static syn_status load(struct syn_task *t, const atomic_bool *cancel, struct syn_err *err)
{
    struct denoise *d = self(t);
    return syn_denoise_open(t->models, t->manifest, &d->params, 0, &d->sound, cancel, &t->pipeline,
                            err);
}

static syn_status finish(struct syn_task *t, struct syn_err *err)
{
    return t->pipeline->kind->finish_sound(t->pipeline, &self(t)->sound, err);
}

static void report(struct syn_task *t)
{
    syn_denoise_report(t->pipeline, &self(t)->report);
}

static syn_status encode(struct syn_task *t, int32_t i, struct syn_buf *out,
                         struct syn_task_made *made, struct syn_err *err)
{
    struct denoise *d = self(t);
    const struct syn_sound *s = &d->sound;
    const struct syn_sound_encode_opts opts = encode_opts(d);
    syn_status st = syn_sound_encode(s, &opts, out, &d->clipped, err);
    (void)i;
    if (st != SYN_OK) return st;
    snprintf(made->name, sizeof made->name, "audio");
    made->media_type = syn_sound_media_type(opts.format);
    snprintf(made->facts, sizeof made->facts,
             "{\"frames\":%" PRId64 ",\"channels\":%" PRId32 ",\"rate\":%" PRId32 "}", s->frames,
             s->channels, s->rate);
    snprintf(made->summary, sizeof made->summary,
             "%.2f s of sound, %" PRId32 " channel%s at %" PRId32 " Hz",
             (double)s->frames / s->rate, s->channels, s->channels == 1 ? "" : "s", s->rate);
    return SYN_OK;
}

static json_t *result(const struct syn_task *t)
{
    const struct denoise *d = view(t);
    return json_pack("{s:{s:s, s:s}, s:I, s:i, s:i, s:i, s:I, s:I}", "input", "media_type",
                     syn_sound_media_type(d->info.format), "type",
                     syn_sound_type_word(d->info.type), "frames", (json_int_t)d->sound.frames,
                     "channels", (int)d->sound.channels, "rate", (int)d->sound.rate, "model_rate",
                     (int)d->report.rate, "chunks", (json_int_t)d->report.chunks, "clipped",
                     (json_int_t)d->clipped);
}

static uint64_t held_bytes(const struct syn_task *t)
{
    const struct syn_sound *s = &view(t)->sound;
    return s->samples ? (uint64_t)s->frames * (uint64_t)s->channels * sizeof *s->samples : 0;
}

static void close_kind(struct syn_task *t)
{
    syn_sound_deinit(&self(t)->sound);
}

const struct syn_task_kind syn_task_denoise = {.kind = SYN_DENOISE_KIND,
                                               .units = "steps",
                                               .bytes = sizeof(struct denoise),
                                               .medium = SYN_MEDIUM_SOUND,
                                               .read_params = read_params,
                                               .read_output = read_output,
                                               .output = effective_output,
                                               .probe = probe,
                                               .check = check,
                                               .check_output = check_output,
                                               .decode = decode,
                                               .load = load,
                                               .finish = finish,
                                               .report = report,
                                               .encode = encode,
                                               .result = result,
                                               .cut_short = cut_short,
                                               .held_bytes = held_bytes,
                                               .close = close_kind};
