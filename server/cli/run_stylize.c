/* run_stylize.c - see run_stylize.h: read, decode, the pipeline's units, encode, write.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "server/cli/run_stylize.h"
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/paths.h"
#include "server/jobs/params.h"
#include "server/pipelines/stylize.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { PHOTO, STYLE, N_PICTURES };

struct stylize_run {
    const struct syn_words *words;
    const struct syn_manifest *manifest;
    struct syn_bar bar;
    struct syn_stylize_params params;
    struct syn_output_spec output;
    struct syn_image image[N_PICTURES], made;
    struct syn_image_report decoded[N_PICTURES];
    enum syn_image_format format; /* of the photo */
    const char *media_type;       /* of the result */
    int32_t retries;
    int64_t units;
    size_t bytes;
    double load, compute, encode; /* seconds */
};

static void on_unit(void *user, int64_t done, int64_t total, double seconds)
{
    struct stylize_run *r = user;
    (void)seconds;
    r->units = done;
    syn_bar_set(&r->bar, "networks", done, total);
}

/* --set and --output. */
static syn_status read_members(struct stylize_run *r, struct syn_err *err)
{
    struct syn_param_list params = {0}, output = {0};
    struct syn_field_errors *errs = syn_calloc(1, sizeof *errs);
    syn_status st = errs ? syn_params_read(r->words->params, &params, err)
                         : syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    if (st == SYN_OK) st = syn_params_read(r->words->output, &output, err);
    if (st == SYN_OK) {
        st = syn_stylize_params_parse(params.item, params.n, r->manifest, &r->params, errs);
        if (st == SYN_OK) st = syn_output_spec_parse(output.item, output.n, &r->output, errs);
        if (st != SYN_OK) syn_params_explain(errs, err);
    }
    syn_params_deinit(&params);
    syn_params_deinit(&output);
    syn_free(errs);
    return st;
}

static syn_status decode(struct stylize_run *r, int32_t i, uint64_t budget, struct syn_err *err)
{
    const struct syn_image_decode_opts opts = {
        .limits = {.max_side = 1 << 20, .max_decoded_bytes = budget, .max_frames = 1},
        .accept_truncated = r->params.accept_truncated};
    const struct syn_words_in *in = &r->words->input[i];
    char *bytes = NULL;
    size_t n = 0;
    syn_status st = syn_file_read(in->file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
    if (st == SYN_OK) st = syn_image_decode(bytes, n, &opts, &r->image[i], &r->decoded[i], err);
    if (st == SYN_OK && i == PHOTO) r->format = syn_image_sniff(bytes, n);
    if (st != SYN_OK) st = syn_fail_in(err, st, "inputs.%s: ", i == PHOTO ? "image" : "style");
    syn_free(bytes);
    return st;
}

static syn_status compute(struct stylize_run *r, struct syn_local *local, uint64_t budget,
                          const atomic_bool *cancel, struct syn_err *err)
{
    const struct syn_drive drive = {.cancel = cancel, .on_unit = on_unit, .user = r};
    const bool has_style = r->words->input[STYLE].file != NULL;
    struct syn_pipeline *p = NULL;
    double began = syn_seconds_now();
    syn_status st = decode(r, PHOTO, budget, err);
    if (st == SYN_OK && has_style) st = decode(r, STYLE, budget, err);
    if (st == SYN_OK)
        st = syn_stylize_open(local->models, r->manifest, &r->params, budget, &r->image[PHOTO],
                              has_style ? &r->image[STYLE] : NULL, cancel, &p, err);
    r->load = syn_seconds_now() - began;
    if (st != SYN_OK) return st;
    began = syn_seconds_now();
    st = syn_pipeline_drive(p, &drive, err);
    if (st == SYN_OK) st = p->kind->finish(p, &r->made, err);
    r->retries = syn_stylize_retries(p);
    syn_pipeline_close(p);
    r->compute = syn_seconds_now() - began;
    return st;
}

static syn_status write_result(struct stylize_run *r, struct syn_err *err)
{
    struct syn_image_encode_opts opts;
    struct syn_buf file = {0};
    const double began = syn_seconds_now();
    syn_status st = syn_output_spec_resolve(&r->output, r->format, r->made.width, r->made.height,
                                            &opts, err);
    if (st == SYN_OK) st = syn_image_encode(&r->made, &opts, &file, err);
    if (st == SYN_OK) st = syn_file_write(r->words->out, file.data, file.size, 0644, err);
    if (st == SYN_OK) r->media_type = syn_image_media_type(opts.format);
    r->bytes = file.size;
    syn_buf_deinit(&file);
    r->encode = syn_seconds_now() - began;
    return st;
}

static void report(const struct stylize_run *r)
{
    const bool cut = r->decoded[PHOTO].truncated || r->decoded[STYLE].truncated;
    json_t *root;
    char *text;
    if (!r->words->json) {
        if (strcmp(r->words->out, "-") != 0)
            printf("%s: %dx%d, %zu bytes, %.1f s%s\n", r->words->out, r->made.width, r->made.height,
                   r->bytes, r->load + r->compute + r->encode,
                   cut ? " (an input's file ends early)" : "");
        return;
    }
    root = json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:{s:f, s:f, s:f}, s:{s:I, s:i}}", "state",
                     "succeeded", "out", r->words->out, "media_type", r->media_type, "width",
                     (int)r->made.width, "height", (int)r->made.height, "bytes",
                     (json_int_t)r->bytes, "seconds", "load", r->load, "compute", r->compute,
                     "encode", r->encode, "result", "runs", (json_int_t)r->units,
                     "numeric_retries", (int)r->retries);
    if (root && cut)
        json_object_set_new(root, "warnings", json_pack("[s]", "inputs: a file ends early"));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
}

int syn_run_stylize(const struct syn_words *words, struct syn_local *local, uint64_t budget_bytes,
                    const atomic_bool *cancel)
{
    struct stylize_run r = {.words = words,
                            .manifest = syn_models_find(local->models, words->model)};
    struct syn_err err = {{0}};
    syn_status st;
    int code = SYN_EXIT_OK;
    if (strcmp(r.manifest->kind, words->kind) != 0)
        return syn_complain(SYN_EXIT_USAGE, "model = \"%s\": is for kind \"%s\", not \"%s\"",
                            r.manifest->id, r.manifest->kind, words->kind);
    st = read_members(&r, &err);
    if (st != SYN_OK) return syn_complain(SYN_EXIT_USAGE, "%s", err.text);
    syn_bar_open(&r.bar, words->model);
    syn_bar_set(&r.bar, "loading", 0, 0);
    st = compute(&r, local, budget_bytes, cancel, &err);
    syn_bar_close(&r.bar);
    if (st == SYN_OK) st = write_result(&r, &err);
    if (st == SYN_OK) report(&r);
    else
        code = syn_complain(SYN_EXIT_FAILED, "%s: %s", syn_status_word(st),
                            st == SYN_CANCELED ? "stopped by a signal" : err.text);
    for (int32_t i = 0; i < N_PICTURES; i++) syn_image_deinit(&r.image[i]);
    syn_image_deinit(&r.made);
    return code;
}
