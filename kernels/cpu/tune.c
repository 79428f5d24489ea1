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

struct figures { /* GFLOP/s; 0 = not offered here */
    double own_f32, own_bf16, dnnl_f32, dnnl_bf16;
};

struct candidate {
    struct syn_program *program;
    void *workspace;
    float *x, *y;
    double *best; /* into the figures */
};

static void candidate_free(struct candidate *c)
{
    syn_program_free(c->program);
    syn_free(c->workspace);
    syn_free(c->x);
    syn_free(c->y);
}

/* The convolutions as `self` is set now; a candidate that can't be made stays at 0 GFLOP/s. */
static void candidate_make(struct cpu_self *self, bool bf16, double *best, struct candidate *c)
{
    struct syn_placement how = {.bf16 = bf16, .concat_views = true, .winograd = true};
    const size_t bytes = (size_t)CHANNELS * SIDE * SIDE * sizeof(float);
    struct syn_graph *g = NULL;
    struct syn_err err;
    c->best = best;
    c->x = syn_calloc(1, bytes);
    c->y = syn_calloc(1, bytes);
    if (!c->x || !c->y || build(&g, &err) != SYN_OK) return;
    how.g = g;
    if (syn_program_new(&syn_backend_cpu, self, &how, g, true, &c->program, &err) != SYN_OK) {
        syn_graph_free(g);
        return;
    }
    c->workspace = syn_alloc(c->program->peak_bytes);
}

/* One run; the last convolution counts, whose input is where a convolution left it. */
static void candidate_run(struct candidate *c)
{
    const void *in[1] = {c->x};
    void *out[1] = {c->y};
    struct syn_err err;
    if (!c->program || !c->workspace) return;
    if (syn_program_run(c->program, c->workspace, in, out, NULL, true, &err) != SYN_OK) return;
    for (int32_t i = 0; i < c->program->n_steps; i++) {
        const struct syn_program_step *s = &c->program->step[i];
        if (s->node != c->program->g->n_nodes - 1 || s->seconds <= 0) continue;
        if (FLOP / s->seconds / 1e9 > *c->best) *c->best = FLOP / s->seconds / 1e9;
    }
}

/* All in turn, round after round, the best of each: whatever else the machine does meets all
 * alike. */
static void measure_all(struct cpu_self *self, bool want_bf16, struct figures *f)
{
    struct cpu_dnnl *const dnnl = self->dnnl;
    struct candidate c[4];
    memset(f, 0, sizeof *f);
    memset(c, 0, sizeof c);
    self->dnnl = NULL; /* ours alone */
    self->own_f32 = self->f32.row != NULL;
    self->own_bf16 = self->bf16.row != NULL;
    if (self->own_f32) candidate_make(self, false, &f->own_f32, &c[0]);
    if (self->own_bf16 && want_bf16) candidate_make(self, true, &f->own_bf16, &c[1]);
    self->dnnl = dnnl;
    self->own_f32 = self->own_bf16 = false; /* oneDNN alone */
    self->dnnl_bf16 = true;
    if (dnnl) candidate_make(self, false, &f->dnnl_f32, &c[2]);
    if (dnnl && want_bf16) candidate_make(self, true, &f->dnnl_bf16, &c[3]);
    for (int round = 0; round < RUNS; round++)
        for (int i = 0; i < 4; i++) candidate_run(&c[i]);
    for (int i = 0; i < 4; i++) candidate_free(&c[i]);
}

/* Ours unless oneDNN is clearly quicker (AMX: by several times): a noisy moment at start must not
 * change which bits a server computes. */
#define CLEARLY 1.5

static void decide(struct cpu_self *self, const struct figures *f)
{
    self->own_f32 = self->f32.row != NULL && CLEARLY * f->own_f32 >= f->dnnl_f32;
    /* nothing measured in bf16 (the caller wanted f32): a plan that asks for it still gets our
     * kernels, where the CPU has them, and not the references */
    self->own_bf16 = self->bf16.row != NULL && CLEARLY * f->own_bf16 >= f->dnnl_bf16;
    self->dnnl_bf16 = !self->own_bf16 && f->dnnl_bf16 > 0;
    self->info.f32_gflops = self->own_f32 ? f->own_f32 : f->dnnl_f32;
    self->info.bf16_gflops = self->own_bf16 ? f->own_bf16 : f->dnnl_bf16;
    /* a tie goes to f32, whose results are better; but where the CPU has the instruction, and so
     * twice the products a cycle, a tie is noise */
    self->info.bf16_quicker =
        self->info.bf16_gflops > 0 &&
        self->info.bf16_gflops > (self->own_bf16 ? 0.8 : 1.1) * self->info.f32_gflops;
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
    snprintf(text, 256, "synthd-tuning 2 |%s | threads %d | bf16 %d | own %d%d | oneDNN %d", cpu,
             (int)self->threads, (int)want_bf16, self->f32.row != NULL, self->bf16.row != NULL,
             self->dnnl != NULL);
}

/* Two lines for each fingerprint: itself and its figures. */
#define MAX_ENTRIES 16

static bool read_entry(FILE *in, char what[256], struct figures *f)
{
    char line[256];
    if (!fgets(what, 256, in) || !fgets(line, sizeof line, in)) return false;
    what[strcspn(what, "\n")] = 0;
    return sscanf(line, "%lf %lf %lf %lf", &f->own_f32, &f->own_bf16, &f->dnnl_f32,
                  &f->dnnl_bf16) == 4 &&
           f->own_f32 >= 0 && f->own_bf16 >= 0 && f->dnnl_f32 >= 0 && f->dnnl_bf16 >= 0;
}

static bool load(const char *file, const char *want, struct figures *f)
{
    char what[256];
    FILE *in = fopen(file, "re");
    bool found = false;
    while (in && !found && read_entry(in, what, f)) found = !strcmp(what, want);
    if (in) fclose(in);
    return found;
}

/* Written beside and renamed: two starts at once leave one whole file. The newest entry comes
 * first, the oldest fall off. */
static void save(const char *file, const char *what, const struct figures *f)
{
    char beside[4096], old[256];
    struct figures g;
    FILE *out, *in;
    int n = snprintf(beside, sizeof beside, "%s.new", file);
    if (n < 0 || (size_t)n >= sizeof beside || !(out = fopen(beside, "we"))) return;
    fprintf(out, "%s\n%.1f %.1f %.1f %.1f\n", what, f->own_f32, f->own_bf16, f->dnnl_f32,
            f->dnnl_bf16);
    in = fopen(file, "re");
    for (int i = 1; in && i < MAX_ENTRIES && read_entry(in, old, &g); i++)
        fprintf(out, "%s\n%.1f %.1f %.1f %.1f\n", old, g.own_f32, g.own_bf16, g.dnnl_f32,
                g.dnnl_bf16);
    if (in) fclose(in);
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
