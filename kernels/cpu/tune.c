/* tune.c - see tune.h. */
#include "kernels/cpu/tune.h"
#include "kernels/backend/program.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu.h"
#include <stdio.h>
#include <string.h>

enum { SIDE = 64, CHANNELS = 64, RUNS = 9 };
#define FLOP (2.0 * 9 * CHANNELS * CHANNELS * SIDE * SIDE)

/* Two convolutions in a row: the second one's input is where a convolution leaves it. */
static syn_status build(struct syn_graph **out, struct syn_err *err)
{
    const int64_t pads[4] = {1, 1, 1, 1};
    const struct syn_attr attr = syn_attr_of_ints("pads", 4, pads);
    const struct syn_shape xs = syn_shape4(1, CHANNELS, SIDE, SIDE),
                           ws = syn_shape4(CHANNELS, CHANNELS, 3, 3);
    float *w = syn_calloc((size_t)9 * CHANNELS * CHANNELS, sizeof *w);
    struct syn_graph *g = NULL;
    int32_t in[2], y;
    syn_status st = w ? syn_graph_new(&g, err) : syn_fail(err, SYN_NO_MEMORY, "tuning: no memory");
    for (int64_t i = 0; w && i < 9 * CHANNELS * CHANNELS; i++) w[i] = (float)(i % 17 - 8) / 512;
    if (st == SYN_OK) st = syn_graph_input(g, "x", &xs, &in[0], err);
    if (st == SYN_OK) st = syn_graph_constant_copy(g, "w", &ws, w, &in[1], err);
    for (int i = 0; st == SYN_OK && i < 2; i++) {
        st = syn_graph_node(g, SYN_OP_CONV, "conv", 2, in, 1, &attr, &y, err);
        in[0] = y;
    }
    if (st == SYN_OK) st = syn_graph_output(g, in[0], err);
    if (st == SYN_OK) st = syn_graph_infer(g, &xs, err);
    syn_free(w);
    if (st != SYN_OK) {
        syn_graph_free(g);
        return st;
    }
    *out = g;
    return SYN_OK;
}

/* GFLOP/s of the second convolution, as `self` is set now; 0 when it can't be run. */
static double measure(struct cpu_self *self, bool bf16)
{
    struct syn_graph *g = NULL;
    struct syn_program *p = NULL;
    struct syn_placement how = {.bf16 = bf16, .concat_views = true, .winograd = true};
    const size_t bytes = (size_t)CHANNELS * SIDE * SIDE * sizeof(float);
    float *x = syn_calloc(1, bytes), *y = syn_calloc(1, bytes);
    void *workspace = NULL;
    double best = 0;
    struct syn_err err;
    const void *in[1] = {x};
    void *out[1] = {y};
    if (!x || !y || build(&g, &err) != SYN_OK) goto done;
    how.g = g;
    if (syn_program_new(&syn_backend_cpu, self, &how, g, true, &p, &err) != SYN_OK) goto done;
    g = NULL;
    if (!(workspace = syn_alloc(p->peak_bytes))) goto done;
    for (int run = 0; run < RUNS; run++) {
        if (syn_program_run(p, workspace, in, out, NULL, true, &err) != SYN_OK) break;
        for (int32_t i = 0; i < p->n_steps; i++) /* the last convolution */
            if (p->step[i].node == p->g->n_nodes - 1 && p->step[i].seconds > 0 &&
                FLOP / p->step[i].seconds > best)
                best = FLOP / p->step[i].seconds;
    }
done:
    syn_program_free(p);
    syn_graph_free(g);
    syn_free(workspace);
    syn_free(x);
    syn_free(y);
    return best / 1e9;
}

struct figures { /* GFLOP/s; 0 = not offered here */
    double own_f32, own_bf16, dnnl_f32, dnnl_bf16;
};

static void measure_all(struct cpu_self *self, bool want_bf16, struct figures *f)
{
    struct cpu_dnnl *const dnnl = self->dnnl;
    memset(f, 0, sizeof *f);
    self->dnnl = NULL; /* ours alone */
    self->own_f32 = self->f32.row != NULL;
    self->own_bf16 = self->bf16.row != NULL;
    if (self->own_f32) f->own_f32 = measure(self, false);
    if (self->own_bf16 && want_bf16) f->own_bf16 = measure(self, true);
    self->dnnl = dnnl;
    self->own_f32 = self->own_bf16 = false; /* oneDNN alone */
    self->dnnl_bf16 = true;
    if (dnnl) f->dnnl_f32 = measure(self, false);
    if (dnnl && want_bf16) f->dnnl_bf16 = measure(self, true);
}

/* Ours unless oneDNN is clearly quicker (AMX: by several times): a noisy moment at start must not change which
 * bits a server computes. */
#define CLEARLY 1.5

static void decide(struct cpu_self *self, const struct figures *f)
{
    self->own_f32 = self->f32.row != NULL && CLEARLY * f->own_f32 >= f->dnnl_f32;
    self->own_bf16 =
        self->bf16.row != NULL && f->own_bf16 > 0 && CLEARLY * f->own_bf16 >= f->dnnl_bf16;
    self->dnnl_bf16 = !self->own_bf16 && f->dnnl_bf16 > 0;
    self->info.f32_gflops = self->own_f32 ? f->own_f32 : f->dnnl_f32;
    self->info.bf16_gflops = self->own_bf16 ? f->own_bf16 : f->dnnl_bf16;
    /* a tie goes to f32: its results are better */
    self->info.bf16_quicker = self->info.bf16_gflops > 1.1 * self->info.f32_gflops;
}

/* --- the file ------------------------------------------------------------------------------- */

/* What the figures hold for: another CPU, thread count or build measures anew. */
static void fingerprint(const struct cpu_self *self, bool want_bf16, char text[256])
{
    char line[256], cpu[160] = "unknown";
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "model name", 10)) {
            const char *colon = strchr(line, ':');
            snprintf(cpu, sizeof cpu, "%.*s", (int)strcspn(colon ? colon + 1 : line, "\n"),
                     colon ? colon + 1 : line);
            break;
        }
    if (f) fclose(f);
    snprintf(text, 256, "synthd-tuning 1 |%s | threads %d | bf16 %d | own %d%d | oneDNN %d", cpu,
             (int)self->threads, (int)want_bf16, self->f32.row != NULL, self->bf16.row != NULL,
             self->dnnl != NULL);
}

static bool load(const char *file, const char *want, struct figures *f)
{
    char line[256];
    FILE *in = fopen(file, "re");
    bool ok = in && fgets(line, sizeof line, in);
    if (ok) line[strcspn(line, "\n")] = 0;
    ok = ok && !strcmp(line, want) && fgets(line, sizeof line, in) &&
         sscanf(line, "%lf %lf %lf %lf", &f->own_f32, &f->own_bf16, &f->dnnl_f32, &f->dnnl_bf16) ==
             4 &&
         f->own_f32 >= 0 && f->own_bf16 >= 0 && f->dnnl_f32 >= 0 && f->dnnl_bf16 >= 0;
    if (in) fclose(in);
    return ok;
}

/* Written beside and renamed: two starts at once leave one whole file. */
static void save(const char *file, const char *what, const struct figures *f)
{
    char beside[4096];
    FILE *out;
    int n = snprintf(beside, sizeof beside, "%s.new", file);
    if (n < 0 || (size_t)n >= sizeof beside || !(out = fopen(beside, "we"))) return;
    fprintf(out, "%s\n%.1f %.1f %.1f %.1f\n", what, f->own_f32, f->own_bf16, f->dnnl_f32,
            f->dnnl_bf16);
    if (fclose(out) != 0 || rename(beside, file) != 0) remove(beside);
}

syn_status cpu_tune(struct cpu_self *self, const char *file, bool want_bf16, struct syn_err *err)
{
    char what[256];
    struct figures f;
    (void)err;
    fingerprint(self, want_bf16, what);
    if (!file || !load(file, what, &f)) {
        measure_all(self, want_bf16, &f);
        if (file) save(file, what, &f);
    }
    decide(self, &f);
    return SYN_OK;
}
