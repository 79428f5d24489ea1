/* run_model.c - runs one model on one raw tensor: what tests/parity and tests/bench drive.
 *
 *   run_model --graph G --weights W --in F --shape N,C,H,W --out F [--precision auto|f32|bf16|f16]
 *             [--passes-off MASK] [--stage K] [--device D] [--threads N] [--tuning F]
 *
 * F holds dense little-endian f32 in NCHW. --stage K runs stages 0 to K, each global vector being
 * the mean of the stage before it over the whole picture, and writes stage K's output; without it
 * the model runs as one plan. On success prints one line of key=value: shape of the output and what
 * the plan says of itself.
 * SYNTHD_CUDA_PLUGIN names the file that CUDA devices come from.
 * Exit codes: 0, 1 with a line on stderr, 2 bad usage.
 *
 * With --info instead of --shape, --in and --out: opens the model and prints what is known of it
 * alone.
 *
 * With --serve instead of --in and --out: opens and plans once, then for each line on stdin runs
 * the model and prints "ms=... peak_kib=..." (the process's high-water mark), until stdin ends. The
 * input is the picture i % 251 / 250. First it prints "ready ms=...": from before opening to after
 * the first run. */
#include "kernels/base/alloc.h"
#include "kernels/engine.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct args {
    const char *graph, *weights, *in, *out, *device, *tuning;
    struct syn_shape shape;
    syn_precision precision;
    unsigned passes_off;
    int32_t stage, threads; /* stage -1: the whole model */
    bool serve, info;
};

static bool parse_number(const char *text, int64_t lo, int64_t hi, int64_t *out)
{
    char *end;
    errno = 0;
    const long long v = strtoll(text, &end, 0);
    if (errno || end == text || *end || v < lo || v > hi) return false;
    *out = v;
    return true;
}

static bool parse_shape(const char *text, struct syn_shape *shape)
{
    long long d[4];
    char rest;
    if (sscanf(text, "%lld,%lld,%lld,%lld%c", &d[0], &d[1], &d[2], &d[3], &rest) != 4) return false;
    for (int i = 0; i < 4; i++)
        if (d[i] < 1 || d[i] > 1 << 20) return false;
    *shape = syn_shape4(d[0], d[1], d[2], d[3]);
    return true;
}

static bool parse_precision(const char *text, syn_precision *out)
{
    for (int p = 0; p < SYN_PRECISION_COUNT; p++)
        if (!strcmp(text, syn_precision_word((syn_precision)p)))
            return *out = (syn_precision)p, true;
    return false;
}

static bool parse_args(int argc, char **argv, struct args *a)
{
    *a = (struct args){.stage = -1, .device = "auto"};
    for (int i = 1; i < argc; i++) {
        const char *key = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        int64_t n = 0;
        bool ok = true;
        if (!strcmp(key, "--serve") || !strcmp(key, "--info")) {
            *(key[2] == 's' ? &a->serve : &a->info) = true;
            continue;
        }
        if (!value) return false;
        i++;
        if (!strcmp(key, "--graph")) a->graph = value;
        else if (!strcmp(key, "--weights")) a->weights = value;
        else if (!strcmp(key, "--in")) a->in = value;
        else if (!strcmp(key, "--out")) a->out = value;
        else if (!strcmp(key, "--device")) a->device = value;
        else if (!strcmp(key, "--tuning")) a->tuning = value;
        else if (!strcmp(key, "--shape")) ok = parse_shape(value, &a->shape);
        else if (!strcmp(key, "--precision")) ok = parse_precision(value, &a->precision);
        else if (!strcmp(key, "--passes-off"))
            ok = parse_number(value, 0, SYN_PASS_ALL, &n), a->passes_off = (unsigned)n;
        else if (!strcmp(key, "--stage"))
            ok = parse_number(value, 0, SYN_MAX_STAGES, &n), a->stage = (int32_t)n;
        else if (!strcmp(key, "--threads"))
            ok = parse_number(value, 0, 1024, &n), a->threads = (int32_t)n;
        else return false;
        if (!ok) return fprintf(stderr, "%s %s: bad value\n", key, value), false;
    }
    if (!a->graph || !a->weights) return false;
    return a->info || (a->shape.rank == 4 && (a->serve || (a->in && a->out)));
}

static int64_t elements(const struct syn_shape *s)
{
    int64_t n;
    return syn_shape_elements(s, &n) ? n : 0;
}

static syn_status read_floats(const char *path, float *to, int64_t n, struct syn_err *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) return syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
    const bool whole = fread(to, sizeof *to, (size_t)n, f) == (size_t)n && fgetc(f) == EOF;
    fclose(f);
    return whole ? SYN_OK
                 : syn_fail(err, SYN_INVALID, "%s: does not hold %" PRId64 " floats", path, n);
}

static syn_status write_floats(const char *path, const float *from, int64_t n, struct syn_err *err)
{
    FILE *f = fopen(path, "wb");
    if (!f) return syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
    const bool whole = fwrite(from, sizeof *from, (size_t)n, f) == (size_t)n;
    return fclose(f) == 0 && whole ? SYN_OK : syn_fail(err, SYN_IO, "%s: cannot write", path);
}

/* Plans and runs one stage on n_in tensors; *out gets a new block in tensor form. */
static syn_status run_stage(struct syn_model *m, const struct args *a, int32_t stage,
                            const struct syn_tensor *in, int32_t n_in, struct syn_tensor *out,
                            struct syn_plan_info *info, struct syn_err *err)
{
    struct syn_shape shapes[1 + SYN_MAX_STAGES];
    struct syn_plan *p = NULL;
    syn_status st;
    for (int32_t i = 0; i < n_in; i++) shapes[i] = in[i].shape;
    if ((st = syn_plan_get(m, stage, shapes, a->precision, &p, err)) != SYN_OK) return st;
    syn_plan_info(p, info);
    *out = (struct syn_tensor){.shape = info->out[0], .dtype = SYN_F32};
    out->data = syn_alloc((size_t)elements(&out->shape) * sizeof(float));
    st = out->data ? syn_plan_run(p, in, out, NULL, err)
                   : syn_fail(err, SYN_NO_MEMORY, "no memory for the output");
    syn_plan_release(p);
    return st;
}

/* The mean of each channel: the vector [1,c,1,1] that the next stage takes. */
static syn_status mean_of(const struct syn_tensor *map, struct syn_tensor *vector,
                          struct syn_err *err)
{
    const int64_t c = map->shape.dim[1], plane = map->shape.dim[2] * map->shape.dim[3];
    float *v = syn_alloc((size_t)c * sizeof *v);
    if (!v) return syn_fail(err, SYN_NO_MEMORY, "no memory for a vector");
    *vector = (struct syn_tensor){.shape = syn_shape4(1, c, 1, 1), .dtype = SYN_F32, .data = v};
    for (int64_t i = 0; i < c; i++) {
        double sum = 0;
        for (int64_t k = 0; k < plane; k++)
            sum += (double)((const float *)map->data)[i * plane + k];
        v[i] = (float)(sum / (double)plane);
    }
    return SYN_OK;
}

static void print_model(const struct syn_model *m, int32_t stage)
{
    struct syn_model_info info;
    syn_model_info(m, &info);
    const struct syn_footprint *f = &info.footprint[stage < 0 ? info.n_stages - 1 : stage];
    printf("stages=%d channels=%d parameters=%" PRId64 " nodes=%" PRId64
           " scale=%d/%d before=%d after=%d trim=%d align=%d\n",
           (int)info.n_stages, (int)info.channels_in, info.n_parameters, info.n_nodes,
           (int)f->scale_num, (int)f->scale_den, (int)f->before, (int)f->after, (int)f->trim,
           (int)f->align);
}

static void print_result(const struct syn_plan_info *p, const struct syn_tensor *y)
{
    printf("shape=%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
           " precision=%s steps=%d peak_bytes=%" PRIu64 " weight_bytes=%" PRIu64
           " multiply_adds=%" PRId64 "\n",
           y->shape.dim[0], y->shape.dim[1], y->shape.dim[2], y->shape.dim[3],
           syn_precision_word(p->precision), (int)p->n_steps, p->peak_bytes, p->weight_bytes,
           p->multiply_adds);
}

static syn_status run_once(struct syn_model *m, const struct args *a, struct syn_err *err)
{
    struct syn_tensor in[1 + SYN_MAX_STAGES] = {{.shape = a->shape, .dtype = SYN_F32}},
                             y = {.data = NULL};
    struct syn_model_info info;
    struct syn_plan_info plan;
    int32_t n_in = 1;
    syn_status st;
    syn_model_info(m, &info);
    if (a->stage >= info.n_stages)
        return syn_fail(err, SYN_INVALID, "--stage %d: the model has %d", (int)a->stage,
                        (int)info.n_stages);
    in[0].data = syn_alloc((size_t)elements(&a->shape) * sizeof(float));
    if (!in[0].data) return syn_fail(err, SYN_NO_MEMORY, "no memory for the input");
    st = read_floats(a->in, in[0].data, elements(&a->shape), err);
    for (int32_t k = a->stage < 0 ? -1 : 0; st == SYN_OK && k <= a->stage; k++) {
        if (y.data) { /* the stage before this one: its mean is one more input */
            st = mean_of(&y, &in[n_in], err);
            if (st == SYN_OK) n_in++;
            syn_free(y.data);
            y.data = NULL;
        }
        if (st == SYN_OK) st = run_stage(m, a, k, in, n_in, &y, &plan, err);
    }
    if (st == SYN_OK) st = write_floats(a->out, y.data, elements(&y.shape), err);
    if (st == SYN_OK) print_result(&plan, &y);
    syn_free(y.data);
    for (int32_t i = 0; i < n_in; i++) syn_free(in[i].data);
    return st;
}

/* ---- --serve --------------------------------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* VmHWM of this process in KiB; 0 where the system does not say. */
static long peak_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    if (f) fclose(f);
    return kib;
}

static syn_status serve(struct syn_model *m, const struct args *a, double start_ms,
                        struct syn_err *err)
{
    struct syn_tensor x = {.shape = a->shape, .dtype = SYN_F32}, y = {.dtype = SYN_F32};
    struct syn_plan *p = NULL;
    struct syn_plan_info info;
    char line[64];
    syn_status st = syn_plan_get(m, -1, &a->shape, a->precision, &p, err);
    if (st != SYN_OK) return st;
    syn_plan_info(p, &info);
    y.shape = info.out[0];
    x.data = syn_alloc((size_t)elements(&x.shape) * sizeof(float));
    y.data = syn_alloc((size_t)elements(&y.shape) * sizeof(float));
    if (!x.data || !y.data) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for input and output");
        goto done;
    }
    for (int64_t i = 0; i < elements(&x.shape); i++)
        ((float *)x.data)[i] = (float)(i % 251) / 250.0f;
    if ((st = syn_plan_run(p, &x, &y, NULL, err)) != SYN_OK) goto done;
    printf("ready ms=%.3f precision=%s\n", now_ms() - start_ms, syn_precision_word(info.precision));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        const double t = now_ms();
        if ((st = syn_plan_run(p, &x, &y, NULL, err)) != SYN_OK) goto done;
        printf("ms=%.3f peak_kib=%ld\n", now_ms() - t, peak_kib());
        fflush(stdout);
    }
done:
    syn_free(x.data);
    syn_free(y.data);
    syn_plan_release(p);
    return st;
}

int main(int argc, char **argv)
{
    const double start_ms = now_ms();
    struct args a;
    struct syn_engine *e = NULL;
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    syn_status st;
    if (!parse_args(argc, argv, &a)) {
        fprintf(stderr, "usage: run_model --graph G --weights W (--info | --shape N,C,H,W (--in F "
                        "--out F | --serve)) "
                        "[--precision P] [--passes-off MASK] [--stage K] [--device D] [--threads "
                        "N] [--tuning F]\n");
        return 2;
    }
    const struct syn_engine_opts opts = {.device = a.device,
                                         .cuda_plugin = getenv("SYNTHD_CUDA_PLUGIN"),
                                         .threads = a.threads,
                                         .precision = a.precision,
                                         .tuning_file = a.tuning};
    const struct syn_model_source source = {
        .format = "ncnn", .graph_path = a.graph, .weights_path = a.weights};
    const struct syn_model_opts model_opts = {.passes_off = a.passes_off};
    st = syn_engine_open(&opts, &e, &err);
    if (st == SYN_OK) st = syn_model_open(e, &source, &model_opts, &m, &err);
    if (st == SYN_OK && a.info) print_model(m, a.stage);
    else if (st == SYN_OK) st = a.serve ? serve(m, &a, start_ms, &err) : run_once(m, &a, &err);
    syn_model_close(m);
    syn_engine_close(e);
    if (st != SYN_OK) fprintf(stderr, "%s: %s\n", syn_status_word(st), err.text);
    return st != SYN_OK;
}
