/* run_matte.c - see run_matte.h: read, decode, the one run, composite, encode, write.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "server/cli/run_matte.h"
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/paths.h"
#include "server/jobs/params.h"
#include "server/pipelines/matte.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
    IMAGE, BACKGROUND, N_INPUTS,
    SHARE = 4 /* one decoded picture may take this part of the budget */
};

struct matte_run {
    const struct syn_words *words;
    const struct syn_manifest *manifest;
    struct syn_matte_params params;
    struct syn_output_spec output;
    struct syn_image_encode_opts encode_opts;
    struct syn_image image[N_INPUTS], result;
    bool truncated[N_INPUTS];
    struct syn_matte_report report;
    size_t bytes;
    double load, compute, encode; /* seconds */
};

/* --set and --output. */
static syn_status read_members(struct matte_run *r, struct syn_err *err)
{
    struct syn_param_list params = {0}, output = {0};
    struct syn_field_errors *errs = syn_calloc(1, sizeof *errs);
    syn_status st = errs ? syn_params_read(r->words->params, &params, err)
                         : syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    if (st == SYN_OK) st = syn_params_read(r->words->output, &output, err);
    if (st == SYN_OK) {
        st = syn_matte_params_parse(params.item, params.n, r->manifest, &r->params, errs);
        if (st == SYN_OK) st = syn_output_spec_parse(output.item, output.n, &r->output, errs);
        if (st != SYN_OK) syn_params_explain(errs, err);
    }
    if (st == SYN_OK)
        st = syn_matte_check(&r->params, r->words->input[BACKGROUND].file != NULL, r->output.format,
                             err);
    syn_params_deinit(&params);
    syn_params_deinit(&output);
    syn_free(errs);
    return st;
}

/* One picture; format gets its file's. */
static syn_status decode(struct matte_run *r, int32_t which, uint64_t decoded_bytes,
                         enum syn_image_format *format, struct syn_err *err)
{
    const struct syn_words_in *in = &r->words->input[which];
    const struct syn_image_decode_opts opts = {
        .limits = {.max_decoded_bytes = decoded_bytes / SHARE, .max_frames = 1},
        .accept_truncated = r->params.accept_truncated};
    struct syn_image_report report = {0};
    char *bytes = NULL;
    size_t n = 0;
    syn_status st = syn_file_read(in->file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
    if (st == SYN_OK) st = syn_image_decode(bytes, n, &opts, &r->image[which], &report, err);
    if (st == SYN_OK) *format = syn_image_sniff(bytes, n);
    if (st != SYN_OK) st = syn_fail_in(err, st, "inputs.%s: ", in->name);
    r->truncated[which] = report.truncated;
    syn_free(bytes);
    return st;
}

static syn_status decode_all(struct matte_run *r, uint64_t decoded_bytes, struct syn_err *err)
{
    const bool behind = r->words->input[BACKGROUND].file != NULL;
    enum syn_image_format format = SYN_IMAGE_UNKNOWN, other;
    syn_status st = decode(r, IMAGE, decoded_bytes, &format, err);
    if (st == SYN_OK && behind) st = decode(r, BACKGROUND, decoded_bytes, &other, err);
    if (st == SYN_OK)
        st = syn_output_spec_resolve(&r->output, format, r->image[IMAGE].width,
                                     r->image[IMAGE].height, &r->encode_opts, err);
    if (st == SYN_OK) st = syn_matte_check(&r->params, behind, r->encode_opts.format, err);
    return st;
}

static syn_status compute(struct matte_run *r, struct syn_local *local, uint64_t decoded_bytes,
                          const atomic_bool *cancel, struct syn_err *err)
{
    const struct syn_drive drive = {.cancel = cancel};
    struct syn_image *behind = r->words->input[BACKGROUND].file ? &r->image[BACKGROUND] : NULL;
    struct syn_pipeline *p = NULL;
    double began = syn_seconds_now();
    syn_status st = decode_all(r, decoded_bytes, err);
    if (st == SYN_OK)
        st = syn_matte_open(local->models, r->manifest, &r->params, &r->image[IMAGE], behind,
                            cancel, &p, err);
    r->load = syn_seconds_now() - began;
    if (st != SYN_OK) return st;
    began = syn_seconds_now();
    st = syn_pipeline_drive(p, &drive, err);
    if (st == SYN_OK) st = p->kind->finish(p, &r->result, err);
    syn_matte_report(p, &r->report);
    syn_pipeline_close(p);
    r->compute = syn_seconds_now() - began;
    return st;
}

static syn_status write_result(struct matte_run *r, struct syn_err *err)
{
    struct syn_buf file = {0};
    const double began = syn_seconds_now();
    syn_status st = syn_image_encode(&r->result, &r->encode_opts, &file, err);
    if (st == SYN_OK) st = syn_file_write(r->words->out, file.data, file.size, 0644, err);
    r->bytes = file.size;
    syn_buf_deinit(&file);
    r->encode = syn_seconds_now() - began;
    return st;
}

static json_t *warnings(const struct matte_run *r)
{
    json_t *list = json_array();
    char text[96];
    for (int32_t i = 0; i < N_INPUTS; i++)
        if (r->truncated[i]) {
            snprintf(text, sizeof text, "inputs.%.40s: the file ends early",
                     r->words->input[i].name);
            json_array_append_new(list, json_string(text));
        }
    return list;
}

static void report(const struct matte_run *r)
{
    const struct syn_image *im = &r->result;
    json_t *root;
    char *text;
    if (!r->words->json) {
        if (strcmp(r->words->out, "-") != 0)
            printf("%s: %dx%d, %zu bytes, %.1f s%s\n", r->words->out, im->width, im->height,
                   r->bytes, r->load + r->compute + r->encode,
                   r->truncated[IMAGE] || r->truncated[BACKGROUND] ? " (an input's file ends early)"
                                                                   : "");
        return;
    }
    root = json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:{s:f, s:f, s:f}, s:{s:f, s:i, s:i}}",
                     "state", "succeeded", "out", r->words->out, "media_type",
                     syn_image_media_type(r->encode_opts.format), "width", im->width, "height",
                     im->height, "bytes", (json_int_t)r->bytes, "seconds", "load", r->load,
                     "compute", r->compute, "encode", r->encode, "result", "coverage",
                     r->report.coverage, "network_width", (int)r->report.width, "network_height",
                     (int)r->report.height);
    if (root && (r->truncated[IMAGE] || r->truncated[BACKGROUND]))
        json_object_set_new(root, "warnings", warnings(r));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
}

int syn_run_matte(const struct syn_words *words, struct syn_local *local, uint64_t decoded_bytes,
                  const atomic_bool *cancel)
{
    struct matte_run r = {.words = words};
    struct syn_bar bar;
    struct syn_err err = {{0}};
    syn_status st;
    r.manifest = syn_models_find(local->models, words->model);
    if (strcmp(r.manifest->kind, words->kind) != 0)
        return syn_complain(SYN_EXIT_USAGE, "model = \"%s\": is for kind \"%s\", not \"%s\"",
                            r.manifest->id, r.manifest->kind, words->kind);
    st = read_members(&r, &err);
    if (st != SYN_OK) return syn_complain(SYN_EXIT_USAGE, "%s", err.text);
    syn_bar_open(&bar, words->model);
    syn_bar_set(&bar, "running", 0, 0);
    st = compute(&r, local, decoded_bytes, cancel, &err);
    syn_bar_close(&bar);
    if (st == SYN_OK) st = write_result(&r, &err);
    if (st == SYN_OK) report(&r);
    for (int32_t i = 0; i < N_INPUTS; i++) syn_image_deinit(&r.image[i]);
    syn_image_deinit(&r.result);
    if (st == SYN_OK) return SYN_EXIT_OK;
    return syn_complain(SYN_EXIT_FAILED, "%s: %s", syn_status_word(st),
                        st == SYN_CANCELED ? "stopped by a signal" : err.text);
}
