/* run_tensor.c - see run_tensor.h: read, the one run, write.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "server/cli/run_tensor.h"
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/paths.h"
#include "server/jobs/params.h"
#include "server/media/npy.h"
#include "server/pipelines/tensor_job.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct tensor_run {
    const struct syn_words *words;
    const struct syn_manifest *manifest;
    struct syn_param_list params; /* what parsed points into */
    struct syn_tensor_params parsed;
    struct syn_tensor_named in[SYN_WORDS_MAX_IN];
    struct syn_pipeline *pipeline;
    json_t *outputs;      /* one object each, as the report has them */
    double load, compute; /* seconds */
};

/* --set and --output. */
static syn_status read_members(struct tensor_run *r, struct syn_err *err)
{
    struct syn_field_errors *errs = syn_calloc(1, sizeof *errs);
    syn_status st = errs ? syn_params_read(r->words->params, &r->params, err)
                         : syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    if (st == SYN_OK) {
        st = syn_tensor_params_parse(r->params.item, r->params.n, r->manifest, &r->parsed, errs);
        if (st != SYN_OK) syn_params_explain(errs, err);
    }
    if (st == SYN_OK && r->words->output_set.n)
        st = syn_fail(err, SYN_INVALID, "output: kind %s has no such members, it writes .npy",
                      SYN_TENSOR_KIND);
    syn_free(errs);
    return st;
}

static syn_status read_inputs(struct tensor_run *r, size_t max_bytes, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < r->words->n_input; i++) {
        const struct syn_words_in *in = &r->words->input[i];
        char *bytes = NULL;
        size_t n = 0;
        r->in[i].name = in->name;
        st = syn_file_read(in->file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
        if (st == SYN_OK) st = syn_npy_decode(bytes, n, max_bytes, &r->in[i].tensor, err);
        if (st != SYN_OK) st = syn_fail_in(err, st, "inputs.%.60s: ", in->name);
        syn_free(bytes);
    }
    return st;
}

/* ---- outputs ---- */

static bool is_file(const char *out)
{
    const size_t n = strlen(out);
    return strcmp(out, "-") == 0 || (n > 4 && strcmp(out + n - 4, ".npy") == 0);
}

/* OUTPUT.npy with what may stand in a file name; the index keeps two of one name apart. */
static char *output_path(const struct tensor_run *r, int32_t i, const char *name)
{
    char file[160];
    size_t n = 0;
    bool plain = name[0] != '.';
    for (; name[n] && n < 120; n++) {
        const char c = name[n];
        const bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        file[n] = ok ? c : '_';
        plain = plain && ok;
    }
    plain = plain && !name[n] && n > 0;
    if (plain)
        snprintf(file + n, sizeof file - n, ".npy");
    else
        snprintf(file + n, sizeof file - n, "-%" PRId32 ".npy", i);
    if (file[0] == '.') file[0] = '_';
    return syn_path_join(r->words->out, file);
}

static syn_status write_one(struct tensor_run *r, int32_t i, struct syn_err *err)
{
    struct syn_tensor_named result;
    uint8_t *bytes = NULL;
    size_t n = 0;
    char shape[160], *path = NULL;
    syn_status st;
    syn_tensor_result(r->pipeline, i, &result);
    path = is_file(r->words->out) ? syn_strdup(r->words->out) : output_path(r, i, result.name);
    st = path ? syn_npy_encode(&result.tensor, &bytes, &n, err)
              : syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
    if (st != SYN_OK) st = syn_fail_in(err, st, "outputs.%.60s: ", result.name);
    if (st == SYN_OK) st = syn_file_write(path, bytes, n, 0644, err);
    if (st == SYN_OK) {
        syn_shape_text(&result.tensor.shape, shape, sizeof shape);
        if (r->words->json) {
            json_t *dims = json_array();
            for (int32_t d = 0; d < result.tensor.shape.rank; d++)
                json_array_append_new(dims, json_integer(result.tensor.shape.dim[d]));
            json_array_append_new(r->outputs,
                                  json_pack("{s:s, s:s, s:s, s:o, s:I}", "name", result.name, "out",
                                            path, "type", syn_dtype_word(result.tensor.dtype),
                                            "shape", dims, "bytes", (json_int_t)n));
        } else if (strcmp(path, "-") != 0) {
            printf("%s: %s %s %s, %zu bytes\n", path, result.name,
                   syn_dtype_word(result.tensor.dtype), shape, n);
        }
    }
    syn_free(bytes);
    syn_free(path);
    return st;
}

static syn_status write_results(struct tensor_run *r, struct syn_err *err)
{
    const int32_t n = syn_tensor_results(r->pipeline);
    syn_status st = is_file(r->words->out) ? SYN_OK : syn_path_make(r->words->out, 0755, err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++) st = write_one(r, i, err);
    return st;
}

static void report(const struct tensor_run *r)
{
    json_t *root =
        json_pack("{s:s, s:O, s:{s:f, s:f}}", "state", "succeeded", "outputs", r->outputs,
                  "seconds", "load", r->load, "compute", r->compute);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
}

/* ---- the run ---- */

static syn_status open_job(struct tensor_run *r, struct syn_local *local, uint64_t max_bytes,
                           const atomic_bool *cancel, struct syn_err *err)
{
    syn_status st = read_members(r, err);
    if (st == SYN_OK) st = read_inputs(r, (size_t)max_bytes, err);
    if (st == SYN_OK)
        st = syn_tensor_open(local->models, r->manifest, &r->parsed, r->in, r->words->n_input,
                             cancel, &r->pipeline, err);
    if (st == SYN_OK && is_file(r->words->out) && syn_tensor_results(r->pipeline) != 1)
        st = syn_fail(err, SYN_INVALID,
                      "--out = \"%.80s\": there are %" PRId32
                      " outputs; name a folder, or one output by --set outputs=NAME",
                      r->words->out, syn_tensor_results(r->pipeline));
    return st;
}

int syn_run_tensor(const struct syn_words *words, struct syn_local *local, uint64_t max_bytes,
                   const atomic_bool *cancel)
{
    struct tensor_run r = {.words = words, .outputs = json_array()};
    const struct syn_drive drive = {.cancel = cancel};
    struct syn_err err = {{0}};
    double began = syn_seconds_now();
    int code = SYN_EXIT_OK;
    syn_status st;
    r.manifest = syn_models_find(local->models, words->model);
    st = open_job(&r, local, max_bytes, cancel, &err);
    r.load = syn_seconds_now() - began;
    if (st == SYN_INVALID) {
        code = syn_complain(SYN_EXIT_USAGE, "%s", err.text);
        goto done;
    }
    began = syn_seconds_now();
    if (st == SYN_OK) st = syn_pipeline_drive(r.pipeline, &drive, &err);
    r.compute = syn_seconds_now() - began;
    if (st == SYN_OK) st = write_results(&r, &err);
    if (st == SYN_OK && words->json) report(&r);
    if (st != SYN_OK)
        code = syn_complain(SYN_EXIT_FAILED, "%s: %s", syn_status_word(st),
                            st == SYN_CANCELED ? "stopped by a signal" : err.text);
done:
    syn_pipeline_close(r.pipeline);
    for (int32_t i = 0; i < SYN_WORDS_MAX_IN; i++) syn_free(r.in[i].tensor.data);
    syn_params_deinit(&r.params);
    json_decref(r.outputs);
    return code;
}
