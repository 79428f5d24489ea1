/* run.c - `synthd run KIND`: one job here and now, with the steps that the daemon's worker takes.
 *
 * Layer:   server/cli.   Threads: main thread; a signal sets the cancel flag. */
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/local.h"
#include "server/cli/logfmt.h"
#include "server/cli/memory.h"
#include "server/cli/paths.h"
#include "server/cli/run_matte.h"
#include "server/cli/run_sound.h"
#include "server/cli/run_stylize.h"
#include "server/cli/run_tensor.h"
#include "server/cli/words.h"
#include "server/jobs/params.h"
#include "server/jobs/task.h"
#include "server/pipelines/denoise.h"
#include "server/pipelines/stylize.h"
#include "server/pipelines/matte.h"
#include "server/pipelines/tensor_job.h"
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct syn_usage usage = {
    "synthd run KIND --model ID --in NAME=FILE --out FILE [--set NAME=VALUE]... [options]",
    "Runs one job without a daemon. The output's format follows the name of --out (.png, .jpg,\n"
    ".webp, .wav, .flac) unless --output format=... says otherwise. \"-\" is standard input or output.",
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
    syn_bar_set(&r->bar, "tiles", done, total);
}

static syn_status compute(struct run *r, struct syn_task *t, struct syn_err *err)
{
    struct syn_drive drive = {.cancel = &canceled, .on_unit = on_unit, .user = r};
    char *bytes = NULL;
    size_t n = 0;
    double began = syn_seconds_now();
    syn_status st = syn_file_read(r->words.in_file, SYN_WORDS_MAX_INPUT, &bytes, &n, err);
    if (st == SYN_OK) st = syn_task_decode(t, bytes, n, err);
    syn_free(bytes);
    if (st == SYN_OK) st = syn_task_size(t, err);
    if (st == SYN_OK) st = syn_task_load(t, &canceled, err);
    r->load = syn_seconds_now() - began;
    if (st != SYN_OK) return st;
    began = syn_seconds_now();
    st = syn_task_compute(t, &drive, err);
    r->compute = syn_seconds_now() - began;
    return st;
}

/* {"state":"succeeded","out":...} on stdout. */
static void print_json(const struct run *r, const struct syn_task *t, const char *media_type,
                       int32_t width, int32_t height, size_t bytes)
{
    char *result = syn_task_result(t), *text;
    json_t *root = json_pack("{s:s, s:s, s:s, s:i, s:i, s:I, s:{s:f, s:f, s:f}, s:o}", "state",
                             "succeeded", "out", r->words.out, "media_type", media_type, "width",
                             width, "height", height, "bytes", (json_int_t)bytes, "seconds", "load",
                             r->load, "compute", r->compute, "encode", r->encode, "result",
                             json_loads(result ? result : "{}", 0, NULL));
    if (root && syn_task_warnings(t))
        json_object_set_new(root, "warnings", json_loads(syn_task_warnings(t), 0, NULL));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
    syn_free(result);
}

static syn_status run_task(struct run *r, struct syn_task *t, struct syn_err *err)
{
    struct syn_buf bytes = {0};
    const char *media_type;
    int32_t width, height;
    double began;
    syn_status st;
    syn_bar_open(&r->bar, r->words.model);
    syn_bar_set(&r->bar, "loading", 0, 0);
    st = compute(r, t, err);
    syn_bar_close(&r->bar);
    if (st != SYN_OK) return st;
    began = syn_seconds_now();
    st = syn_task_encode(t, &bytes, &media_type, &width, &height, err);
    if (st == SYN_OK) st = syn_file_write(r->words.out, bytes.data, bytes.size, 0644, err);
    r->encode = syn_seconds_now() - began;
    if (st == SYN_OK && r->words.json) print_json(r, t, media_type, width, height, bytes.size);
    else if (st == SYN_OK && strcmp(r->words.out, "-") != 0)
        printf("%s: %dx%d, %zu bytes, %.1f s\n", r->words.out, width, height, bytes.size,
               r->load + r->compute + r->encode);
    syn_buf_deinit(&bytes);
    return st;
}

static int run_words(struct run *r)
{
    const struct syn_task_limits limits = {.memory_budget_bytes = syn_memory_budget(r->memory_budget_bytes),
                                           .max_side = 1 << 20};
    struct syn_task_request request = {.kind = r->words.kind,
                                       .model = r->words.model,
                                       .params = r->words.params,
                                       .output = r->words.output};
    struct syn_task *t = NULL;
    struct syn_err err = {{0}};
    syn_status st;
    if (!syn_local_find(&r->local, r->words.model)) return SYN_EXIT_USAGE;
    if (strcmp(r->words.kind, SYN_DENOISE_KIND) == 0)
        return syn_run_sound(&r->words, &r->local, limits.memory_budget_bytes, &canceled);
    if (strcmp(r->words.kind, SYN_MATTE_KIND) == 0)
        return syn_run_matte(&r->words, &r->local, limits.memory_budget_bytes, &canceled);
    if (strcmp(r->words.kind, SYN_STYLIZE_KIND) == 0)
        return syn_run_stylize(&r->words, &r->local, limits.memory_budget_bytes, &canceled);
    if (strcmp(r->words.kind, SYN_TENSOR_KIND) == 0)
        return syn_run_tensor(&r->words, &r->local, limits.memory_budget_bytes, &canceled);
    st = syn_task_open(r->local.models, &request, &limits, &t, &err);
    if (st != SYN_OK) return syn_complain(SYN_EXIT_USAGE, "%s", err.text);
    st = run_task(r, t, &err);
    syn_task_close(t);
    if (st == SYN_OK) return SYN_EXIT_OK;
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
