/* run.c - `synthd run KIND`: one job here and now, with the steps that the daemon's worker takes.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/local.h"
#include "server/cli/logfmt.h"
#include "server/cli/memory.h"
#include "server/cli/outputs.h"
#include "server/cli/paths.h"
#include "server/cli/words.h"
#include "server/jobs/task.h"
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct syn_usage usage = {
    "synthd run KIND --model ID --in NAME=FILE --out FILE [--set NAME=VALUE]... [options]",
    "Runs one job without a daemon. The output's format follows the name of --out (.png, .jpg,\n"
    ".webp, .wav, .flac) unless --output format=... says otherwise. \"-\" is standard input or\n"
    "output.",
    "  synthd run upscale --model realesrgan-x4plus --in image=photo.jpg --out large.png\n"
    "  synthd run upscale --model realesr-animevideov3 --in image=a.png --set scale=3 \\\n"
    "      --out b.webp\n"
    "  synthd run upscale --model waifu2x-cunet --in image=a.png --set noise=2 \\\n"
    "      --out b.jpg --output quality=95\n"
    "  synthd run stylize --model multistyle26 --in image=photo.jpg --set style=19 --out out.png\n"
    "  synthd run stylize --model arbitrary-style --in image=photo.jpg --in style=painting.jpg \\\n"
    "      --out out.png\n"
    "  synthd run denoise-speech --model deepfilternet3 --in audio=noisy.wav --out clean.wav\n"
    "  synthd run matte --model isnet --in image=photo.jpg --out subject.png\n"
    "  synthd run tensor --model silero-vad --in input=a.npy --in state=s.npy --in sr=rate.npy \\\n"
    "      --out folder"};

struct run {
    struct syn_words words;
    struct syn_local_opts local_opts;
    struct syn_local local;
    struct syn_bar bar;
    struct syn_task *task;
    enum syn_task_step step; /* the running one */
    json_t *outputs;         /* one object each, for the report */
    int64_t memory_budget_bytes; /* 0 = automatic */
    double load, compute, encode; /* seconds */
};

static atomic_bool canceled; /* the signal flag */

static void on_signal(int sig)
{
    (void)sig;
    atomic_store(&canceled, true);
}

static void on_unit(void *user, int64_t done, int64_t total, double seconds)
{
    struct run *r = user;
    (void)seconds;
    syn_bar_set(&r->bar, syn_task_units(r->task), done, total);
}

static syn_status decode_inputs(struct run *r, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < r->words.n_input; i++) {
        const struct syn_words_in *in = &r->words.input[i];
        char *bytes = NULL;
        size_t n = 0;
        if (!in->file) continue;
        st = syn_file_read(in->file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
        if (st == SYN_OK) st = syn_task_decode(r->task, in->name, bytes, n, err);
        syn_free(bytes);
    }
    return st;
}

static syn_status compute(struct run *r, struct syn_err *err)
{
    struct syn_drive drive = {.cancel = &canceled, .on_unit = on_unit, .user = r};
    double began = syn_seconds_now();
    syn_status st;
    r->step = SYN_STEP_DECODE;
    st = decode_inputs(r, err);
    if (st == SYN_OK) {
        r->step = SYN_STEP_SIZE;
        st = syn_task_size(r->task, err);
    }
    if (st == SYN_OK) {
        r->step = SYN_STEP_LOAD;
        st = syn_task_load(r->task, &canceled, err);
    }
    if (st == SYN_OK) st = syn_outputs_prepare(&r->words, syn_task_outputs(r->task), err);
    r->load = syn_seconds_now() - began;
    if (st != SYN_OK) return st;
    began = syn_seconds_now();
    r->step = SYN_STEP_COMPUTE;
    st = syn_task_compute(r->task, &drive, err);
    r->compute = syn_seconds_now() - began;
    return st;
}

/* ---- outputs ---- */

/* {"name":...,"out":...,"media_type":...,"bytes":...} and what the kind tells beside it. */
static json_t *output_json(const struct syn_task_made *made, const char *path, size_t bytes)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "name", made->name, "out", path, "media_type",
                          made->media_type, "bytes", (json_int_t)bytes);
    json_t *facts = json_loads(made->facts, 0, NULL);
    if (o && facts) json_object_update(o, facts);
    if (o && made->width) {
        json_object_set_new(o, "width", json_integer(made->width));
        json_object_set_new(o, "height", json_integer(made->height));
    }
    json_decref(facts);
    return o;
}

static syn_status write_output(struct run *r, int32_t i, struct syn_err *err)
{
    struct syn_task_made made;
    struct syn_buf bytes = {0};
    char *path = NULL;
    syn_status st = syn_task_encode(r->task, i, &bytes, &made, err);
    if (st == SYN_OK && !(path = syn_outputs_path(&r->words, i, made.name)))
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
    if (st == SYN_OK) st = syn_file_write(path, bytes.data, bytes.size, 0644, err);
    if (st == SYN_OK && r->words.json)
        json_array_append_new(r->outputs, output_json(&made, path, bytes.size));
    else if (st == SYN_OK && strcmp(path, "-") != 0)
        printf("%s: %s, %zu bytes, %.1f s\n", path, made.summary, bytes.size,
               r->load + r->compute);
    syn_free(path);
    syn_buf_deinit(&bytes);
    return st;
}

/* {"state":"succeeded","outputs":[...]} on stdout; a single output's members stand outside too. */
static void print_json(const struct run *r)
{
    char *result = syn_task_result(r->task), *warnings = syn_task_warnings(r->task), *text;
    json_t *root = json_pack("{s:s, s:{s:f, s:f, s:f}, s:o, s:O}", "state", "succeeded", "seconds",
                             "load", r->load, "compute", r->compute, "encode", r->encode, "result",
                             json_loads(result ? result : "{}", 0, NULL), "outputs", r->outputs);
    if (root && json_array_size(r->outputs) == 1)
        json_object_update_missing(root, json_array_get(r->outputs, 0));
    if (root && warnings) json_object_set_new(root, "warnings", json_loads(warnings, 0, NULL));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
    syn_free(result);
    syn_free(warnings);
}

static void print_warnings(const struct run *r)
{
    char *warnings = syn_task_warnings(r->task);
    json_t *list = warnings ? json_loads(warnings, 0, NULL) : NULL;
    for (size_t i = 0; i < json_array_size(list); i++)
        fprintf(stderr, "warning: %s\n", json_string_value(json_array_get(list, i)));
    json_decref(list);
    syn_free(warnings);
}

static syn_status run_task(struct run *r, struct syn_err *err)
{
    const int32_t most = SYN_MAX_UNIT_IO;
    double began;
    int32_t n;
    syn_status st;
    syn_bar_open(&r->bar, r->words.model);
    syn_bar_set(&r->bar, "loading", 0, 0);
    st = compute(r, err);
    syn_bar_close(&r->bar);
    began = syn_seconds_now();
    n = st == SYN_OK ? syn_task_outputs(r->task) : 0;
    if (st == SYN_OK) r->step = SYN_STEP_ENCODE;
    for (int32_t i = 0; st == SYN_OK && i < n && i < most; i++) st = write_output(r, i, err);
    r->encode = syn_seconds_now() - began;
    if (st == SYN_OK && r->words.json) print_json(r);
    else if (st == SYN_OK) print_warnings(r);
    return st;
}

static int run_words(struct run *r)
{
    const struct syn_task_limits limits = {.memory_budget_bytes =
                                               syn_memory_budget(r->memory_budget_bytes),
                                           .max_side = 1 << 20};
    const struct syn_task_request request = {.kind = r->words.kind,
                                             .model = r->words.model,
                                             .params = r->words.params,
                                             .output = r->words.output};
    struct syn_err err = {{0}};
    bool usage_fault;
    syn_status st;
    if (!syn_local_find(&r->local, r->words.model)) return SYN_EXIT_USAGE;
    st = syn_task_open(r->local.models, &request, &limits, &r->task, &err);
    if (st != SYN_OK) return syn_complain(SYN_EXIT_USAGE, "%s", err.text);
    r->outputs = json_array();
    st = run_task(r, &err);
    /* The words were wrong, though only the inputs or the model could tell. */
    usage_fault = (r->step == SYN_STEP_SIZE || r->step == SYN_STEP_LOAD) &&
                  strcmp(syn_task_code(r->task, r->step, st), "invalid_field") == 0;
    syn_task_close(r->task);
    json_decref(r->outputs);
    if (st == SYN_OK) return SYN_EXIT_OK;
    if (usage_fault) return syn_complain(SYN_EXIT_USAGE, "%s", err.text);
    return syn_complain(SYN_EXIT_FAILED, "%s: %s", syn_status_word(st),
                        st == SYN_CANCELED ? "stopped by a signal" : err.text);
}

int syn_command_run(int argc, char **argv)
{
    struct run r = {.local_opts = SYN_LOCAL_DEFAULTS};
    const struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct syn_arg table[] = {SYN_WORDS_ARGS(&r.words),
                              SYN_LOCAL_ARGS(&r.local_opts),
                              SYN_LOCAL_MODELS_ARGS(&r.local_opts),
                              {"memory-budget-bytes", SYN_ARG_INT, &r.memory_budget_bytes, "N",
                               "of the job's pictures, of a tile; 0 = a quarter of the memory", 0,
                               INT64_C(1) << 44},
                              {0}};
    int code = syn_words_read(&r.words, &usage, table, argc, argv);
    if (code < 0) {
        sigaction(SIGINT, &act, NULL);
        sigaction(SIGTERM, &act, NULL);
        syn_logfmt_open(SYN_LOG_WARN, false);
        code = syn_local_open(&r.local, &r.local_opts, true);
        if (code < 0) code = run_words(&r);
        syn_local_close(&r.local);
    }
    syn_words_deinit(&r.words);
    return code;
}
