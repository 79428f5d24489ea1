/* bench.c - `synthd bench MODEL`: a quick look at a network's speed on this machine. The comparison
 * with other software is `make bench`.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/models.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS 1000

static const struct syn_usage usage = {
    "synthd bench MODEL [--size WxH] [--scale N] [--noise N] [--runs N] [--json] [--device D]",
    "Runs one network on made-up samples: one warm-up, then --runs timed runs. Reports the median.",
    "  synthd bench realesr-animevideov3 --size 128x128\n"
    "  synthd bench realesrgan-x4plus --runs 3 --precision f32 --json"};

struct bench {
    struct syn_local_opts local_opts;
    const char *size;
    int64_t scale, noise, runs;
    int32_t width, height;
    bool json;
    double seconds[MAX_RUNS];
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_report(const struct bench *b, const struct syn_local *l,
                         const struct syn_manifest *m, const struct syn_trial *t)
{
    double median = b->seconds[b->runs / 2], least = b->seconds[0];
    double out_pixels = (double)t->out.shape.dim[2] * (double)t->out.shape.dim[3];
    struct syn_plan_info plan;
    struct syn_engine_info engine;
    json_t *root;
    char *text, shape[80];
    syn_plan_info(t->plan, &plan);
    syn_engine_info(l->engine, &engine);
    syn_shape_text(&t->in.shape, shape, sizeof shape);
    if (!b->json) {
        printf("%s %s on %s in %s: median %.2f ms (least %.2f, %d runs), %.2f units/s, %.3f "
               "Mpixel/s out, "
               "%.0f GFLOP/s, workspace %.1f MiB\n",
               m->id, shape, engine.device, syn_precision_word(plan.precision), median * 1e3,
               least * 1e3, (int)b->runs, 1 / median, out_pixels / median / 1e6,
               2e-9 * (double)plan.multiply_adds / median, (double)plan.peak_bytes / 1048576);
        return;
    }
    root = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "model",
                     m->id, "shape", shape, "device", engine.device, "precision",
                     syn_precision_word(plan.precision), "threads", engine.threads, "runs",
                     (json_int_t)b->runs, "median_seconds", median, "least_seconds", least,
                     "units_per_second", 1 / median, "out_mpixels_per_second",
                     out_pixels / median / 1e6, "gflops",
                     2e-9 * (double)plan.multiply_adds / median, "workspace_bytes",
                     (json_int_t)plan.peak_bytes, "weight_bytes", (json_int_t)plan.weight_bytes);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
}

static int measure(struct bench *b, const struct syn_local *l, const char *id)
{
    const struct syn_manifest *m = syn_local_find(l, id);
    const struct syn_variant *v;
    struct syn_trial t = {0};
    struct syn_bar bar;
    struct syn_err err = {{0}};
    syn_status st;
    if (!m) return SYN_EXIT_USAGE;
    v = syn_manifest_variant(m, (int32_t)b->scale,
                             b->noise < 0 ? m->default_noise : (int32_t)b->noise);
    if (!v)
        return syn_complain(SYN_EXIT_USAGE, "--scale = %d, --noise = %d: %s has no such network",
                            (int)b->scale, (int)b->noise, id);
    st = syn_trial_open(&t, l->models, m, v, b->width, b->height, l->precision, &err);
    syn_bar_open(&bar, id);
    for (int64_t i = -1; st == SYN_OK && i < b->runs; i++) {
        double seconds;
        syn_bar_set(&bar, "runs", i + 1, b->runs + 1);
        st = syn_trial_run(&t, false, &seconds, &err);
        if (i >= 0) b->seconds[i] = seconds;
    }
    syn_bar_close(&bar);
    if (st == SYN_OK) {
        qsort(b->seconds, (size_t)b->runs, sizeof b->seconds[0], compare);
        print_report(b, l, m, &t);
    }
    syn_trial_close(&t);
    return st == SYN_OK ? SYN_EXIT_OK : syn_complain(SYN_EXIT_FAILED, "%s: %s", id, err.text);
}

int syn_command_bench(int argc, char **argv)
{
    struct bench b = {.local_opts = SYN_LOCAL_DEFAULTS, .size = "64x64", .noise = -1, .runs = 5};
    struct syn_local l = {0};
    struct syn_arg_list ids = {0};
    const struct syn_arg table[] = {
        {"size", SYN_ARG_TEXT, &b.size, "WxH", "input size; default 64x64", 0, 0},
        {"scale", SYN_ARG_INT, &b.scale, "N", "the network of this scale; 0 = the largest", 0, 16},
        {"noise", SYN_ARG_INT, &b.noise, "N",
         "the network of this noise level; -1 = the model's default", -1, 3},
        {"runs", SYN_ARG_INT, &b.runs, "N", "timed runs; default 5", 1, MAX_RUNS},
        {"json", SYN_ARG_FLAG, &b.json, NULL, "as JSON", 0, 0},
        SYN_LOCAL_ARGS(&b.local_opts),
        SYN_LOCAL_MODELS_ARGS(&b.local_opts),
        {0}};
    int code = syn_args_parse(&usage, table, argc, argv, &ids);
    if (code < 0 && ids.n != 1)
        code = syn_complain(SYN_EXIT_USAGE, "one MODEL is wanted (usage: %s)", usage.synopsis);
    if (code < 0 && !syn_parse_size(b.size, &b.width, &b.height))
        code = syn_complain(SYN_EXIT_USAGE,
                            "--size = \"%.40s\": must be WIDTHxHEIGHT, each in [1, 65535]", b.size);
    if (code < 0) code = syn_local_open(&l, &b.local_opts, true);
    if (code < 0) code = measure(&b, &l, ids.item[0]);
    syn_local_close(&l);
    return code;
}
