/* ncnn_gen.h - small ncnn models written into a temporary folder, for tests of the engine.
 *
 * Use:     struct ng m; ng_begin(&m, 3, seed); ng_conv(&m, "x", "a", 3, 16, 3, 1, NG_LEAKY); ...
 *          ng_write(&m, folder, "name"); the files are folder/name.param and .bin.
 * Layer:   tests. */
#ifndef SYN_TEST_NCNN_GEN_H
#define SYN_TEST_NCNN_GEN_H

#include "kernels/engine.h"
#include "tests/t.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NG_LINEAR, NG_RELU, NG_LEAKY, NG_CLIP, NG_SIGMOID };

struct ng {
    char lines[8192];
    size_t n_text;
    int n_layers, n_blobs;
    unsigned char *bin;
    size_t n_bin;
    uint64_t seed;
};

__attribute__((format(printf, 2, 3))) static inline void ng_layer(struct ng *m, const char *format,
                                                                  ...)
{
    va_list args;
    va_start(args, format);
    m->n_text += (size_t)vsnprintf(m->lines + m->n_text, sizeof m->lines - m->n_text, format, args);
    va_end(args);
    if (m->n_text + 2 > sizeof m->lines) abort();
    m->lines[m->n_text++] = '\n';
    m->n_layers++;
    m->n_blobs++; /* each layer of ours makes one, but Split (ng_split) */
}
static inline void ng_begin(struct ng *m, int channels, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->seed = seed;
    ng_layer(m, "Input in 0 1 x 0=0 1=0 2=%d", channels);
}
static inline void ng_floats(struct ng *m, const float *v, size_t n)
{
    m->bin = realloc(m->bin, m->n_bin + n * sizeof *v);
    if (!m->bin) abort();
    memcpy(m->bin + m->n_bin, v, n * sizeof *v);
    m->n_bin += n * sizeof *v;
}
static inline void ng_weights(struct ng *m, size_t n, size_t n_bias, float size)
{
    const float tag = 0; /* the bits of u32 0: f32 weights follow */
    float *w = t_uniform(++m->seed, n, -size, size), *b = t_uniform(++m->seed, n_bias, -0.2f, 0.2f);
    ng_floats(m, &tag, 1);
    ng_floats(m, w, n);
    ng_floats(m, b, n_bias);
    free(w), free(b);
}
/* from -> to: k x k, padding pad, fused activation. */
static inline void ng_conv(struct ng *m, const char *from, const char *to, int ci, int co, int k,
                           int pad, int act)
{
    static const char *const acts[] = {"", " 9=1", " 9=2 -23310=1,2.000000e-01",
                                       " 9=3 -23310=2,-5.000000e-01,5.000000e-01", " 9=4"};
    ng_layer(m, "Convolution conv_%s 1 1 %s %s 0=%d 1=%d 4=%d 5=1 6=%d%s", to, from, to, co, k, pad,
             co * ci * k * k, acts[act]);
    ng_weights(m, (size_t)(co * ci * k * k), (size_t)co, 1.2f / sqrtf((float)(ci * k * k)));
}
static inline void ng_deconv(struct ng *m, const char *from, const char *to, int ci, int co, int k,
                             int stride, int pad)
{
    ng_layer(m, "Deconvolution deconv_%s 1 1 %s %s 0=%d 1=%d 3=%d 4=%d 5=1 6=%d", to, from, to, co,
             k, stride, pad, co * ci * k * k);
    ng_weights(m, (size_t)(co * ci * k * k), (size_t)co, 1.2f / sqrtf((float)(ci * k)));
}
/* Writes both files; the weights are freed. */
static inline void ng_write(struct ng *m, const char *folder, const char *name)
{
    char path[300];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s.param", folder, name);
    if (!(f = fopen(path, "w"))) abort();
    fprintf(f, "7767517\n%d %d\n%s", m->n_layers, m->n_blobs, m->lines);
    fclose(f);
    snprintf(path, sizeof path, "%s/%s.bin", folder, name);
    if (!(f = fopen(path, "w")) || fwrite(m->bin, 1, m->n_bin, f) != m->n_bin) abort();
    fclose(f);
    free(m->bin);
    m->bin = NULL;
}

/* An upscaler in small: a dense block with its residual, nearest 2x, convolutions. Output twice the input. */
static inline void ng_upscaler(struct ng *m, uint64_t seed)
{
    ng_begin(m, 3, seed);
    ng_conv(m, "x", "a", 3, 32, 3, 1, NG_LINEAR);
    ng_conv(m, "a", "b", 32, 16, 3, 1, NG_LEAKY);
    ng_layer(m, "Concat cat1 2 1 a b ab 0=0");
    ng_conv(m, "ab", "c", 48, 16, 3, 1, NG_LEAKY);
    ng_layer(m, "Concat cat2 3 1 a b c abc 0=0");
    ng_conv(m, "abc", "d", 64, 32, 3, 1, NG_LINEAR);
    ng_layer(m, "Eltwise sum 2 1 d a e 0=1 -23301=2,2.000000e-01,1.000000e+00");
    ng_layer(m, "Interp up 1 1 e f 0=1 1=2.000000e+00 2=2.000000e+00");
    ng_conv(m, "f", "g", 32, 16, 3, 1, NG_LEAKY);
    ng_conv(m, "g", "out", 16, 3, 3, 1, NG_LINEAR);
}
/* Two squeeze-and-excite blocks: three stages. Valid convolutions, then a deconvolution: 2*in - 8. */
static inline void ng_excited(struct ng *m, uint64_t seed)
{
    ng_begin(m, 3, seed);
    ng_conv(m, "x", "a", 3, 16, 3, 0, NG_LEAKY);
    for (int i = 0; i < 2; i++) {
        const char *from = i ? "m0" : "a", *to = i ? "m1" : "m0";
        char v[3][32];
        for (int k = 0; k < 3; k++) snprintf(v[k], sizeof v[k], "v%d%d", i, k);
        ng_layer(m, "Pooling avg%d 1 1 %s %s 0=1 4=1", i, from, v[0]);
        ng_conv(m, v[0], v[1], 16, 4, 1, 0, NG_RELU);
        ng_conv(m, v[1], v[2], 4, 16, 1, 0, NG_SIGMOID);
        ng_layer(m, "BinaryOp mul%d 2 1 %s %s %s 0=2", i, from, v[2], to);
    }
    ng_deconv(m, "m1", "out", 16, 3, 4, 2, 3);
}

/* A folder of our own under /tmp; ng_remove empties it of what ng_write wrote and removes it. */
static inline void ng_folder(char folder[64])
{
    snprintf(folder, 64, "/tmp/syn-test-XXXXXX");
    if (!mkdtemp(folder)) abort();
}
static inline void ng_remove(const char *folder, const char *const *names)
{
    char path[300];
    for (; *names; names++) {
        snprintf(path, sizeof path, "%s/%s.param", folder, *names);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s.bin", folder, *names);
        unlink(path);
    }
    rmdir(folder);
}
static inline syn_status ng_open(struct syn_engine *e, const char *folder, const char *name,
                                 unsigned passes_off, struct syn_model **m, struct syn_err *err)
{
    char param[300], bin[300];
    const struct syn_model_source src = {
        .format = "ncnn", .graph_path = param, .weights_path = bin};
    const struct syn_model_opts opts = {.passes_off = passes_off};
    snprintf(param, sizeof param, "%s/%s.param", folder, name);
    snprintf(bin, sizeof bin, "%s/%s.bin", folder, name);
    return syn_model_open(e, &src, &opts, m, err);
}

/* Runs a plan on in[n_inputs] (dense, shapes as planned) into a new block, which the caller frees. */
static inline syn_status ng_run(struct syn_plan *p, const float *const *in, float **out,
                                const struct syn_run_opts *opts, struct syn_err *err)
{
    struct syn_plan_info info;
    struct syn_tensor t[1 + SYN_MAX_STAGES], y;
    int64_t n = 0;
    syn_plan_info(p, &info);
    for (int32_t i = 0; i < info.n_inputs; i++)
        t[i] = (struct syn_tensor){info.in[i], SYN_F32, (void *)(uintptr_t)in[i]};
    if (!syn_shape_elements(&info.out[0], &n)) abort();
    *out = t_alloc((size_t)n * sizeof **out);
    for (int64_t i = 0; i < n; i++) (*out)[i] = 1e30f;
    y = (struct syn_tensor){info.out[0], SYN_F32, *out};
    return syn_plan_run(p, t, &y, opts, err);
}

#endif
