/* run_sound.c - see run_sound.h: read, decode, the pipeline's units, encode, write.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "server/cli/run_sound.h"
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/paths.h"
#include "server/jobs/params.h"
#include "server/pipelines/denoise_params.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct sound_run {
    const struct syn_words *words;
    struct syn_bar bar;
    struct syn_denoise_params params;
    struct syn_sound_encode_opts output;
    struct syn_sound sound;
    struct syn_sound_report decoded;
    struct syn_denoise_report report;
    int64_t clipped;
    size_t bytes;
    double load, compute, encode; /* seconds */
};

static void on_unit(void *user, int64_t done, int64_t total, double seconds)
{
    struct sound_run *r = user;
    (void)seconds;
    syn_bar_set(&r->bar, "steps", done, total);
}

/* --set and --output. */
static syn_status read_members(struct sound_run *r, struct syn_err *err)
{
    struct syn_param_list params = {0}, output = {0};
    struct syn_field_errors *errs = syn_calloc(1, sizeof *errs);
    syn_status st = errs ? syn_params_read(r->words->params, &params, err)
                         : syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    if (st == SYN_OK) st = syn_params_read(r->words->output, &output, err);
    if (st == SYN_OK) {
        st = syn_denoise_params_parse(params.item, params.n, &r->params, errs);
        if (st == SYN_OK) st = syn_sound_output_parse(output.item, output.n, &r->output, errs);
        if (st != SYN_OK) syn_params_explain(errs, err);
    }
    syn_params_deinit(&params);
    syn_params_deinit(&output);
    syn_free(errs);
    return st;
}

static syn_status decode(struct sound_run *r, uint64_t decoded_bytes, struct syn_err *err)
{
    const struct syn_sound_decode_opts opts = {.limits = {.max_decoded_bytes = decoded_bytes},
                                               .accept_truncated = r->params.accept_truncated};
    char *bytes = NULL;
    size_t n = 0;
    syn_status st = syn_file_read(r->words->in_file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
    if (st == SYN_OK) st = syn_sound_decode(bytes, n, &opts, &r->sound, &r->decoded, err);
    if (st == SYN_OK && r->output.format == SYN_SOUND_UNKNOWN)
        r->output.format = syn_sound_sniff(bytes, n);
    syn_free(bytes);
    return st;
}

static syn_status compute(struct sound_run *r, struct syn_local *local, uint64_t decoded_bytes,
                          const atomic_bool *cancel, struct syn_err *err)
{
    const struct syn_drive drive = {.cancel = cancel, .on_unit = on_unit, .user = r};
    const struct syn_manifest *m = syn_models_find(local->models, r->words->model);
    struct syn_pipeline *p = NULL;
    double began = syn_seconds_now();
    syn_status st = decode(r, decoded_bytes, err);
    if (st == SYN_OK)
        st = syn_denoise_open(local->models, m, &r->params, 0, &r->sound, cancel, &p, err);
    r->load = syn_seconds_now() - began;
    if (st != SYN_OK) return st;
    began = syn_seconds_now();
    st = syn_pipeline_drive(p, &drive, err);
    if (st == SYN_OK) st = p->kind->finish_sound(p, &r->sound, err);
    syn_denoise_report(p, &r->report);
    syn_pipeline_close(p);
    r->compute = syn_seconds_now() - began;
    return st;
}

static syn_status write_result(struct sound_run *r, struct syn_err *err)
{
    struct syn_buf file = {0};
    const double began = syn_seconds_now();
    syn_status st = syn_sound_encode(&r->sound, &r->output, &file, &r->clipped, err);
    if (st == SYN_OK) st = syn_file_write(r->words->out, file.data, file.size, 0644, err);
    r->bytes = file.size;
    syn_buf_deinit(&file);
    r->encode = syn_seconds_now() - began;
    return st;
}

static void report(const struct sound_run *r)
{
    const struct syn_sound *s = &r->sound;
    json_t *root;
    char *text;
    if (!r->words->json) {
        if (strcmp(r->words->out, "-") != 0)
            printf("%s: %.2f s of sound, %" PRId32 " channel%s at %" PRId32
                   " Hz, %zu bytes, %.1f s%s\n",
                   r->words->out, (double)s->frames / s->rate, s->channels,
                   s->channels == 1 ? "" : "s", s->rate, r->bytes, r->load + r->compute + r->encode,
                   r->decoded.truncated ? " (the input's file ends early)" : "");
        return;
    }
    root = json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:{s:f, s:f, s:f}, s:{s:i, s:I, s:I}}",
                     "state", "succeeded", "out", r->words->out, "media_type",
                     syn_sound_media_type(r->output.format), "frames", (json_int_t)s->frames,
                     "channels", (int)s->channels, "rate", (int)s->rate, "bytes",
                     (json_int_t)r->bytes, "seconds", "load", r->load, "compute", r->compute,
                     "encode", r->encode, "result", "model_rate", (int)r->report.rate, "chunks",
                     (json_int_t)r->report.chunks, "clipped", (json_int_t)r->clipped);
    if (root && r->decoded.truncated)
        json_object_set_new(root, "warnings",
                            json_pack("[s]", "inputs.audio: the file ends early"));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
}

int syn_run_sound(const struct syn_words *words, struct syn_local *local, uint64_t decoded_bytes,
                  const atomic_bool *cancel)
{
    struct sound_run r = {.words = words};
    struct syn_err err = {{0}};
    const struct syn_manifest *m = syn_models_find(local->models, words->model);
    syn_status st = read_members(&r, &err);
    if (st != SYN_OK) return syn_complain(SYN_EXIT_USAGE, "%s", err.text);
    if (strcmp(m->kind, words->kind) != 0)
        return syn_complain(SYN_EXIT_USAGE, "model = \"%s\": is for kind \"%s\", not \"%s\"", m->id,
                            m->kind, words->kind);
    syn_bar_open(&r.bar, words->model);
    syn_bar_set(&r.bar, "loading", 0, 0);
    st = compute(&r, local, decoded_bytes, cancel, &err);
    syn_bar_close(&r.bar);
    if (st == SYN_OK) st = write_result(&r, &err);
    if (st == SYN_OK) report(&r);
    syn_sound_deinit(&r.sound);
    if (st == SYN_OK) return SYN_EXIT_OK;
    return syn_complain(SYN_EXIT_FAILED, "%s: %s", syn_status_word(st),
                        st == SYN_CANCELED ? "stopped by a signal" : err.text);
}
