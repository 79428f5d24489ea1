/* models_run.c - `synthd models run`: one network on tensors from .npy files, timed; every
 * intermediate value on request.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/models.h"
#include "server/cli/paths.h"
#include "server/media/npy.h"
#include "server/media/npz.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct syn_usage usage = {
    "synthd models run --model FILE.onnx [--in NAME=FILE.npy]... [--out-dir DIR] [--repeat N] "
    "[--json]",
    "Runs a network on tensors from .npy files and writes each output to DIR/NAME.npy.",
    "  synthd models run --model net.onnx --in image=x.npy --out-dir out\n"
    "  synthd models run --model net.onnx --in image=x.npy --repeat 9 --json\n"
    "  synthd models run --model net.onnx --in image=x.npy --steps\n"
    "  synthd models run --model net.onnx --in image=x.npy --dump values\n"
    "  synthd models run --model net.onnx --in image=x.npy --compare reference.npz"};

#define MAX_FILE_BYTES ((size_t)4 << 30)
#define MAX_IO SYN_ARGS_MAX_LIST
#define COMPARE_TOLERANCE 1e-3

struct runner {
    struct syn_local_opts local_opts;
    const char *model, *out_dir, *dump, *compare;
    struct syn_npz *reference; /* of --compare */
    int64_t compared;
    struct syn_arg_list in, pin;
    int64_t repeat, seed, passes_off;
    bool json, steps;
    struct syn_model *net;
    struct syn_model_info info;
    struct syn_tensor input[MAX_IO], output[MAX_IO];
    double load_s, first_s;
    json_t *times;
};

static syn_status write_file(const char *dir, const char *name, const struct syn_tensor *t,
                             struct syn_err *err)
{
    char path[4096];
    uint8_t *bytes = NULL;
    size_t n = 0;
    syn_status st = syn_npy_encode(t, &bytes, &n, err);
    const int length = snprintf(path, sizeof path, "%s/%s.npy", dir, name);
    if (st == SYN_OK && (length < 0 || (size_t)length >= sizeof path))
        st = syn_fail(err, SYN_INVALID, "%s: name too long", name);
    for (char *c = path + strlen(dir) + 1; st == SYN_OK && *c; c++)
        if (*c == '/') *c = '_'; /* names of values are often paths; files lie side by side */
    if (st == SYN_OK) st = syn_file_write(path, bytes, n, 0644, err);
    syn_free(bytes);
    return st;
}

/* NAME=FILE of the list fills the input of that name. */
static syn_status read_input(struct runner *r, const char *item, struct syn_err *err)
{
    const char *eq = strchr(item, '=');
    char *bytes = NULL;
    size_t n = 0;
    syn_status st;
    if (!eq) return syn_fail(err, SYN_INVALID, "--in = \"%.80s\": must be NAME=FILE.npy", item);
    for (int32_t i = 0; i < r->info.n_inputs && i < MAX_IO; i++) {
        struct syn_io io;
        syn_model_input(r->net, i, &io);
        if (strlen(io.name) != (size_t)(eq - item) ||
            strncmp(io.name, item, (size_t)(eq - item)) != 0)
            continue;
        if (r->input[i].data) return syn_fail(err, SYN_INVALID, "--in: %s is given twice", io.name);
        st = syn_file_read(eq + 1, MAX_FILE_BYTES, &bytes, &n, err);
        if (st == SYN_OK) st = syn_npy_decode(bytes, n, MAX_FILE_BYTES, &r->input[i], err);
        syn_free(bytes);
        return st == SYN_OK ? st : syn_fail_in(err, st, "%s: ", eq + 1);
    }
    return syn_fail(err, SYN_INVALID, "--in: the network has no input %.*s", (int)(eq - item),
                    item);
}

static syn_status read_inputs(struct runner *r, struct syn_err *err)
{
    syn_status st = SYN_OK;
    if (r->info.n_inputs > MAX_IO || r->info.n_outputs > MAX_IO)
        return syn_fail(err, SYN_UNSUPPORTED, "more than %d inputs or outputs", MAX_IO);
    for (int32_t i = 0; st == SYN_OK && i < r->in.n; i++) st = read_input(r, r->in.item[i], err);
    for (int32_t i = 0; st == SYN_OK && i < r->info.n_inputs; i++) {
        struct syn_io io;
        char text[128];
        syn_model_input(r->net, i, &io);
        if (!r->input[i].data)
            st = syn_fail(err, SYN_INVALID, "--in: %s (%s %s) is missing", io.name,
                          syn_dtype_word(io.dtype), syn_shape_text(&io.shape, text, sizeof text));
    }
    return st;
}

static void drop_outputs(struct runner *r)
{
    for (int32_t i = 0; i < r->info.n_outputs; i++) {
        syn_free(r->output[i].data);
        r->output[i].data = NULL;
    }
}

/* The largest difference in parts of the largest magnitude; infinite where a NaN or a type or
 * shape differs. */
static double difference(const struct syn_tensor *got, const struct syn_tensor *want)
{
    double most = 0, worst = 0;
    int64_t n = 0;
    if (!syn_shape_equal(&got->shape, &want->shape) || !syn_shape_elements(&got->shape, &n))
        return INFINITY;
    if (got->dtype != SYN_F32 || want->dtype != SYN_F32)
        return got->dtype == want->dtype &&
                       memcmp(got->data, want->data, (size_t)n * syn_dtype_bytes(got->dtype)) == 0
                   ? 0
                   : INFINITY;
    for (int64_t i = 0; i < n; i++) {
        const double g = (double)((const float *)got->data)[i],
                     w = (double)((const float *)want->data)[i];
        if (isnan(g) != isnan(w)) return INFINITY;
        if (isfinite(w) && fabs(w) > most) most = fabs(w);
        if (g != w && !isnan(w) && !(fabs(g - w) <= worst)) worst = fabs(g - w);
    }
    return worst / (most > 0 ? most : 1);
}

/* After every node: its values to files, or against those of a reference. */
static syn_status watch(void *ctx, const struct syn_watched *w, struct syn_err *err)
{
    struct runner *r = ctx;
    syn_status st = SYN_OK;
    for (int32_t o = 0; st == SYN_OK && o < w->n_out; o++) {
        const struct syn_tensor *want;
        if (w->out[o].shape.rank < 0 || !*w->out_name[o] || w->depth > 0) continue;
        if (r->dump) st = write_file(r->dump, w->out_name[o], &w->out[o], err);
        if (st != SYN_OK || !r->reference || !(want = syn_npz_find(r->reference, w->out_name[o])))
            continue;
        r->compared++;
        if (difference(&w->out[o], want) > COMPARE_TOLERANCE)
            st = syn_fail(
                err, SYN_NUMERIC,
                "%s %s: its output %s is the first that differs: by %g of its largest number",
                w->op, w->name, w->out_name[o], difference(&w->out[o], want));
    }
    return st;
}

static syn_status run_all(struct runner *r, syn_precision precision, struct syn_err *err)
{
    syn_status st = SYN_OK;
    /* the first is on its own: it packs weights */
    for (int64_t k = 0; st == SYN_OK && k <= r->repeat; k++) {
        const struct syn_run_opts opts = {.precision = precision,
                                          .seed = (uint64_t)(r->seed + k),
                                          .profile = r->steps,
                                          .watch = r->dump || r->compare ? watch : NULL,
                                          .watch_ctx = r};
        const double began = syn_seconds_now();
        if (k) drop_outputs(r);
        st = syn_model_run(r->net, r->input, r->output, &opts, err);
        if (k == 0) r->first_s = syn_seconds_now() - began;
        else json_array_append_new(r->times, json_real((syn_seconds_now() - began) * 1e3));
    }
    return st;
}

/* Most memory this process ever held, in MiB: getrusage's figure starts at that of the process
 * that started it. */
static double peak_mib(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    if (f) fclose(f);
    return (double)kib / 1024;
}

static void report(struct runner *r)
{
    struct syn_run_info run;
    syn_model_run_info(r->net, &run);
    if (r->json) {
        json_t *row =
            json_pack("{s:f, s:f, s:O, s:f, s:I, s:I}", "load_s", r->load_s, "first_s", r->first_s,
                      "runs_ms", r->times, "rss_mib", peak_mib(), "peak_bytes",
                      (json_int_t)run.peak_bytes, "weight_bytes", (json_int_t)run.weight_bytes);
        char *text = json_dumps(row, JSON_COMPACT);
        if (text) puts(text);
        free(text);
        json_decref(row);
        return;
    }
    for (int32_t i = 0; i < r->info.n_outputs; i++) {
        struct syn_io io;
        char text[128];
        syn_model_output(r->net, i, &io);
        printf("%s: %s %s\n", io.name, syn_dtype_word(r->output[i].dtype),
               syn_shape_text(&r->output[i].shape, text, sizeof text));
    }
    printf("load %.3f s, first run %.3f s, values %.1f MiB, weights %.1f MiB, process %.0f MiB\n",
           r->load_s, r->first_s, (double)run.peak_bytes / 1048576,
           (double)run.weight_bytes / 1048576, peak_mib());
    for (int32_t i = 0; r->steps && i < run.n_steps; i++) {
        struct syn_step_info s;
        if (!syn_model_step(r->net, i, &s)) continue;
        printf("    %9.3f ms  %-22s %-24s %s\n", s.seconds * 1e3, s.op, s.impl, s.name);
    }
}

static syn_status run(struct runner *r, struct syn_local *l, struct syn_err *err)
{
    const struct syn_model_source src = {.format = "onnx",
                                         .graph_path = r->model,
                                         .roots = r->local_opts.link_roots.item,
                                         .n_roots = r->local_opts.link_roots.n};
    /* values of the file are all there only where no pass takes some away */
    const unsigned off = r->dump || r->compare ? SYN_PASS_ALL : (unsigned)r->passes_off;
    const struct syn_model_opts opts = {
        .passes_off = off, .pin_f32 = r->pin.item, .n_pin_f32 = r->pin.n};
    const double began = syn_seconds_now();
    syn_status st = syn_model_open(l->engine, &src, &opts, &r->net, err);
    r->load_s = syn_seconds_now() - began;
    if (st != SYN_OK) return syn_fail_in(err, st, "%s: ", r->model);
    syn_model_info(r->net, &r->info);
    st = read_inputs(r, err);
    if (st == SYN_OK && r->dump && mkdir(r->dump, 0777) != 0 && errno != EEXIST)
        st = syn_fail(err, SYN_IO, "%s: %s", r->dump, strerror(errno));
    if (st == SYN_OK && r->compare)
        st = syn_npz_open(r->compare, MAX_FILE_BYTES, &r->reference, err);
    if (st == SYN_OK) st = run_all(r, l->precision, err);
    if (st == SYN_OK && r->out_dir && mkdir(r->out_dir, 0777) != 0 && errno != EEXIST)
        st = syn_fail(err, SYN_IO, "%s: %s", r->out_dir, strerror(errno));
    for (int32_t i = 0; st == SYN_OK && r->out_dir && i < r->info.n_outputs; i++) {
        struct syn_io io;
        syn_model_output(r->net, i, &io);
        st = write_file(r->out_dir, io.name, &r->output[i], err);
    }
    if (st == SYN_OK) report(r);
    if (st == SYN_OK && r->compare && r->compared == 0)
        st = syn_fail(err, SYN_INVALID, "%s: no array in it has the name of a value of the network",
                      r->compare);
    if (st == SYN_OK && r->compare && !r->json)
        printf("%lld values compared: none differs by more than %g\n", (long long)r->compared,
               COMPARE_TOLERANCE);
    return st;
}

int syn_models_run(int argc, char **argv)
{
    struct runner *r = syn_calloc(1, sizeof *r);
    struct syn_local l = {0};
    struct syn_err err = {{0}};
    if (!r) return syn_complain(SYN_EXIT_UNREACHABLE, "no memory");
    r->local_opts = (struct syn_local_opts)SYN_LOCAL_DEFAULTS;
    const struct syn_arg table[] = {
        {"model", SYN_ARG_TEXT, &r->model, "FILE", "the .onnx file", 0, 0},
        {"in", SYN_ARG_LIST, &r->in, "NAME=FILE", "an input tensor, .npy (repeat)", 0, 0},
        {"out-dir", SYN_ARG_TEXT, &r->out_dir, "DIR", "where outputs go; default: nowhere", 0, 0},
        {"repeat", SYN_ARG_INT, &r->repeat, "N", "timed runs after the first; default 0", 0,
         1000000},
        {"seed", SYN_ARG_INT, &r->seed, "N",
         "of random operators, one more for each run; default 0", 0, INT64_MAX},
        {"passes-off", SYN_ARG_INT, &r->passes_off, "MASK",
         "rewrite passes to leave out, as a sum of bits", 0, INT32_MAX},
        {"pin", SYN_ARG_LIST, &r->pin, "PREFIX",
         "nodes named so compute in f32 whatever --precision says (repeat)", 0, 0},
        {"steps", SYN_ARG_FLAG, &r->steps, NULL, "time of every node too", 0, 0},
        {"dump", SYN_ARG_TEXT, &r->dump, "DIR", "every node's values as .npy; no passes", 0, 0},
        {"compare", SYN_ARG_TEXT, &r->compare, "FILE",
         "an .npz of values by name: the first node that differs; no passes", 0, 0},
        {"json", SYN_ARG_FLAG, &r->json, NULL, "times as JSON", 0, 0},
        SYN_LOCAL_ARGS(&r->local_opts),
        SYN_LOCAL_MODELS_ARGS(&r->local_opts),
        {0}};
    int code = syn_args_parse(&usage, table, argc, argv, NULL);
    if (code < 0 && !r->model)
        code = syn_complain(SYN_EXIT_USAGE, "--model is missing (usage: %s)", usage.synopsis);
    if (code < 0) code = syn_local_open(&l, &r->local_opts, true);
    if (code < 0) {
        r->times = json_array();
        const syn_status st = run(r, &l, &err);
        code = st == SYN_OK ? SYN_EXIT_OK : syn_complain(SYN_EXIT_FAILED, "%s", err.text);
        json_decref(r->times);
    }
    drop_outputs(r);
    for (int32_t i = 0; i < MAX_IO; i++) syn_free(r->input[i].data);
    syn_npz_close(r->reference);
    syn_model_close(r->net);
    syn_local_close(&l);
    syn_free(r);
    return code;
}
