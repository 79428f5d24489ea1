/* soak.c - a voice (Piper's kind of network) speaks phrases of other lengths and scales each time,
 * for hours where wanted: what the process holds must not grow once the first runs are over.
 *
 * Use:     soak --model VOICE.onnx [--runs N] [--warm N] [--most IDS] [--threads N]
 * Prints:  resident memory along the way, then "N passed, N failed": after the first `warm` runs
 *          it was never over the most of those runs by more than GROWTH; blocks of a flow may be
 *          anything up to a quarter more than its longest run holds at once
 *          (kernels/backend/blocks.h), and durations are drawn by lot, so that another run may be
 *          the longest.
 * Layer:   tests; the engine alone.   Threads: main, and the engine's own. */
#include "kernels/base/alloc.h"
#include "kernels/base/rng.h"
#include "kernels/engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROWTH_KIB (24 << 10)
#define LEAST_IDS 5

struct args {
    const char *model;
    long runs, warm, most, threads;
};

/* Resident memory of this process in KiB. */
static long resident_kib(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (long)(resident * (unsigned long)sysconf(_SC_PAGESIZE) >> 10);
}

static bool parse(int argc, char **argv, struct args *a)
{
    *a = (struct args){.runs = 2000, .warm = 100, .most = 400};
    for (int i = 1; i + 1 < argc; i += 2) {
        long *n = !strcmp(argv[i], "--runs")      ? &a->runs
                  : !strcmp(argv[i], "--warm")    ? &a->warm
                  : !strcmp(argv[i], "--most")    ? &a->most
                  : !strcmp(argv[i], "--threads") ? &a->threads
                                                  : NULL;
        char *end = NULL;
        if (!strcmp(argv[i], "--model")) a->model = argv[i + 1];
        else if (!n) return false;
        else if ((*n = strtol(argv[i + 1], &end, 10)) < 0 || *end) return false;
    }
    return a->model && argc % 2 == 1 && a->warm > 0 && a->runs > a->warm && a->most >= LEAST_IDS &&
           a->most <= 4096;
}

/* Begin, phonemes of the voice's table with a pad behind each, end; scales as the daemon takes
 * them. The first run is the longest. */
static void make_inputs(const struct args *a, long run, int64_t *ids, int64_t *n, float *scales)
{
    static const int64_t phonemes[] = {41, 59, 3,  15,  120, 62, 122, 32, 96, 23, 26,
                                       33, 31, 24, 120, 74,  17, 54,  28, 39, 44, 8};
    const uint64_t key = 11 + (uint64_t)run;
    uint64_t draw = 0;
    const double length = run ? syn_random_uniform(key, 0, draw++) : 1;
    *n = LEAST_IDS + (int64_t)(length * (double)(a->most - LEAST_IDS));
    for (int64_t i = 0; i < *n; i++) {
        const size_t k = (size_t)(syn_random_uniform(key, 0, draw++) *
                                  (double)(sizeof phonemes / sizeof *phonemes));
        ids[i] = i % 2 ? 0 : phonemes[k];
    }
    ids[0] = 1, ids[*n - 1] = 2;
    scales[0] = (float)syn_random_uniform(key, 0, draw++);                              /* noise */
    scales[1] = run ? 0.5f + (float)syn_random_uniform(key, 0, draw++) : 1.5f;          /* length */
    /* of durations */
    scales[2] = (float)syn_random_uniform(key, 0, draw++);
}

static syn_status run_once(struct syn_model *m, const struct args *a, long run, int64_t *ids,
                           int64_t *samples, struct syn_err *err)
{
    int64_t n = 0;
    float scales[3];
    make_inputs(a, run, ids, &n, scales);
    const int64_t dim[2] = {1, n}, three = 3, one = 1;
    const struct syn_tensor in[3] = {{syn_shape_of(2, dim), SYN_I64, ids},
                                     {syn_shape_of(1, &one), SYN_I64, &n},
                                     {syn_shape_of(1, &three), SYN_F32, scales}};
    const struct syn_run_opts opts = {.seed = (uint64_t)run, .finite = true};
    struct syn_tensor out;
    const syn_status st = syn_model_run(m, in, &out, &opts, err);
    if (st == SYN_OK && !syn_shape_elements(&out.shape, samples)) *samples = 0;
    if (st == SYN_OK) syn_free(out.data);
    return st;
}

static syn_status soak(struct syn_model *m, const struct args *a, bool *flat, struct syn_err *err)
{
    int64_t *ids = syn_alloc((size_t)a->most * sizeof *ids), samples = 0;
    long before = 0, after = 0, now = 0;
    syn_status st = ids ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "no memory");
    for (long k = 0; st == SYN_OK && k < a->runs; k++) {
        struct syn_run_info info;
        if ((st = run_once(m, a, k, ids, &samples, err)) != SYN_OK) break;
        now = resident_kib();
        if (k < a->warm) before = now > before ? now : before;
        else after = now > after ? now : after;
        if (k != 0 && (k + 1) % (a->runs / 20 > 0 ? a->runs / 20 : 1)) continue;
        syn_model_run_info(m, &info);
        printf("run %ld: resident %.1f MiB, most so far %.1f MiB; blocks kept %.1f MiB, most in "
               "use %.1f MiB\n",
               k + 1, (double)now / 1024, (double)(after > before ? after : before) / 1024,
               (double)info.held_bytes / 1048576, (double)info.peak_bytes / 1048576);
        fflush(stdout);
    }
    *flat = now > 0 && after <= before + GROWTH_KIB;
    if (st == SYN_OK)
        printf("most in the first %ld runs: %.1f MiB, in the other %ld: %.1f MiB (at most %d MiB "
               "more)\n",
               a->warm, (double)before / 1024, a->runs - a->warm, (double)after / 1024,
               GROWTH_KIB >> 10);
    syn_free(ids);
    return st;
}

int main(int argc, char **argv)
{
    struct args a;
    struct syn_engine *e = NULL;
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    bool flat = false;
    syn_status st;
    if (!parse(argc, argv, &a)) {
        fprintf(stderr, "usage: soak --model VOICE.onnx [--runs N] [--warm N, fewer] [--most IDS] "
                        "[--threads N]\n");
        return 2;
    }
    const struct syn_engine_opts opts = {.threads = (int32_t)a.threads};
    const struct syn_model_source src = {.format = "onnx", .graph_path = a.model};
    st = syn_engine_open(&opts, &e, &err);
    if (st == SYN_OK) st = syn_model_open(e, &src, NULL, &m, &err);
    if (st == SYN_OK) st = soak(m, &a, &flat, &err);
    syn_model_close(m);
    syn_engine_close(e);
    if (st != SYN_OK) fprintf(stderr, "%s: %s\n", syn_status_word(st), err.text);
    printf("%d passed, %d failed\n", st == SYN_OK && flat, st != SYN_OK || !flat);
    return st != SYN_OK || !flat;
}
