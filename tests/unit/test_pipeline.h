/* test_pipeline.h - a house for pipeline tests: small ncnn networks written here, a model folder
 * for each, the reference engine over them, and the loop from picture to picture.
 *
 * Layer: tests. A fixture that cannot be made aborts. */
#ifndef SYN_TEST_PIPELINE_H
#define SYN_TEST_PIPELINE_H

#include "server/pipelines/upscale.h"
#include "tests/model_fixture.h"

/* ---- networks ---- */

struct net_text {
    char text[8192];  /* layers, without the two first lines */
    uint8_t bin[1 << 16];
    size_t n;         /* bytes of bin */
    int layers;
    float gain;       /* weights lie in [-gain, gain) / sqrt(inputs) */
    uint64_t seed;
};

static inline void net_init(struct net_text *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->seed = seed;
    m->gain = 1.5f;
    m->layers = 1;
    strcpy(m->text, "Input data 0 1 data\n");
}

__attribute__((format(printf, 2, 3)))
static inline void net_line(struct net_text *m, const char *format, ...)
{
    const size_t at = strlen(m->text);
    va_list args;
    va_start(args, format);
    vsnprintf(m->text + at, sizeof m->text - at, format, args);
    va_end(args);
    strcat(m->text, "\n");
    m->layers++;
}

static inline void net_floats(struct net_text *m, const float *v, size_t n, bool tagged)
{
    if (tagged) memset(m->bin + m->n, 0, 4), m->n += 4;
    fx_need(m->n + n * 4 <= sizeof m->bin, "network too large");
    memcpy(m->bin + m->n, v, n * 4);
    m->n += n * 4;
}

static inline void net_random(struct net_text *m, size_t n, int inputs, int outputs)
{
    float side = m->gain / 2;
    while (inputs > 1) side *= 0.7f, inputs /= 2;
    float *w = t_uniform(m->seed++, n, -side, side), *bias = t_uniform(m->seed++, (size_t)outputs,
        -0.1f, 0.1f);
    net_floats(m, w, n, true);
    net_floats(m, bias, (size_t)outputs, false);
    free(w);
    free(bias);
}

/* from -> to: ci to co channels, k x k, with LeakyReLU 0.1 when act. */
static inline void net_conv(struct net_text *m, const char *from, const char *to, int ci, int co,
                            int k, int stride, int pad, bool act)
{
    net_line(m, "Convolution %s 1 1 %s %s 0=%d 1=%d 3=%d 4=%d 5=1 6=%d%s", to, from, to, co, k,
             stride, pad, ci * co * k * k, act ? " 9=2 -23310=1,0.1" : "");
    net_random(m, (size_t)(ci * co * k * k), ci * k * k, co);
}
static inline void net_deconv(struct net_text *m, const char *from, const char *to, int ci, int co,
                              int k, int stride, int pad)
{
    net_line(m, "Deconvolution %s 1 1 %s %s 0=%d 1=%d 3=%d 4=%d 5=1 6=%d", to, from, to, co, k,
             stride, pad, ci * co * k * k);
    net_random(m, (size_t)(ci * co * k * k), ci * k * k / stride / stride, co);
}
/* Squeeze and excite of `from` with c channels. */
static inline void net_excite(struct net_text *m, const char *from, const char *to, int c)
{
    net_line(m, "Split %s_s 1 2 %s %s_a %s_b", to, from, to, to);
    net_line(m, "Pooling %s_p 1 1 %s_b %s_p 0=1 4=1", to, to, to);
    net_line(m, "InnerProduct %s_d 1 1 %s_p %s_d 0=%d 1=1 2=%d 9=1", to, to, to, c / 2, c * c / 2);
    net_random(m, (size_t)(c * c / 2), c / 2, c / 2);
    net_line(m, "InnerProduct %s_u 1 1 %s_d %s_u 0=%d 1=1 2=%d 9=4", to, to, to, c, c * c / 2);
    net_random(m, (size_t)(c * c / 2), c / 2, c);
    net_line(m, "Scale %s_x 2 1 %s_a %s_u %s 0=-233", to, to, to, to);
}

static inline void net_write(const struct net_text *m, const char *folder, const char *stem)
{
    char name[64], *all = (char *)t_alloc(sizeof m->text + 64);
    int blobs = 0;
    for (const char *p = m->text; *p; p++) { /* every line makes one blob, a Split two */
        const bool start = p == m->text || p[-1] == '\n';
        if (start) blobs += strncmp(p, "Split", 5) == 0 ? 2 : 1;
    }
    sprintf(all, "7767517\n%d %d\n%s", m->layers, blobs, m->text);
    snprintf(name, sizeof name, "%s.param", stem);
    fx_text(folder, name, all);
    snprintf(name, sizeof name, "%s.bin", stem);
    fx_write(folder, name, m->bin, m->n);
    free(all);
}

/* Multiplies by a factor and repeats pixels twofold. */
static inline void net_repeat(struct net_text *m, float factor)
{
    const float v[3] = {factor, factor, factor};
    net_init(m, 1);
    net_line(m, "Scale by 1 1 data by 0=3");
    net_line(m, "Interp out 1 1 by out 0=1 1=2 2=2");
    net_floats(m, v, 3, false);
}
static inline void net_padded(struct net_text *m, uint64_t seed)
{
    net_init(m, seed);
    net_conv(m, "data", "a", 3, 6, 3, 1, 1, true);
    net_conv(m, "a", "b", 6, 6, 3, 1, 1, true);
    net_conv(m, "b", "c", 6, 12, 3, 1, 1, false);
    net_line(m, "PixelShuffle out 1 1 c out 0=2");
}
/* Loses 3 pixels at each border. */
static inline void net_valid(struct net_text *m, uint64_t seed)
{
    net_init(m, seed);
    net_conv(m, "data", "a", 3, 6, 3, 1, 0, true);
    net_conv(m, "a", "b", 6, 6, 3, 1, 0, true);
    net_deconv(m, "b", "out", 6, 3, 4, 2, 3);
}
/* Loses 4, with a branch of half the resolution; excite: two global averages, one in each
 * resolution. */
static inline void net_branched(struct net_text *m, uint64_t seed, bool excite)
{
    net_init(m, seed);
    net_conv(m, "data", "a", 3, 6, 3, 1, 0, true);
    if (excite) net_excite(m, "a", "ax", 6);
    net_line(m, "Split s 1 2 %s skip down", excite ? "ax" : "a");
    net_conv(m, "down", "b", 6, 6, 2, 2, 0, true);
    net_conv(m, "b", "c", 6, 6, 3, 1, 0, true);
    if (excite) net_excite(m, "c", "cx", 6);
    net_deconv(m, excite ? "cx" : "c", "d", 6, 6, 2, 2, 0);
    net_line(m, "Crop k 1 1 skip k -23309=2,2,2 -23310=2,-2,-2 -23311=2,1,2");
    net_line(m, "BinaryOp e 2 1 d k e 0=0");
    net_deconv(m, "e", "out", 6, 3, 4, 2, 3);
}

/* ---- models ---- */

struct house {
    char root[PATH_MAX];
    struct syn_engine *engine;
    struct syn_models *models;
};

struct house_variant {
    const char *stem;
    int scale, noise; /* noise -1: none */
    bool adds_input;
};

/* root/id from networks that net_write has put there. members: further JSON members of the
 * manifest, each followed by a comma. */
static inline void house_model(struct house *h, const char *id, const char *members,
                               const struct house_variant *v, int n)
{
    char folder[PATH_MAX], *text = (char *)t_alloc(16384), *at = text;
    fx_join(folder, h->root, id);
    at += sprintf(at,
                  "{\"manifest\": 1, \"id\": \"%s\", \"title\": \"Test\", \"kind\": \"upscale\", \"format\": \"ncnn\"," " \"licence\": \"MIT\", \"source\": \"tests\", \"trained_on\": \"nothing\", %s" " \"label_term\": \"algorithmicMedia\", \"files\": [", id, members);
    for (int i = 0; i < 2 * n; i++) {
        char name[128], hex[65];
        uint64_t bytes = 0;
        snprintf(name, sizeof name, "%s.%s", v[i / 2].stem, i % 2 ? "bin" : "param");
        fx_hash(folder, name, hex, &bytes);
        at += sprintf(at, "%s{\"name\": \"%s\", \"bytes\": %llu, \"sha256\": \"%s\"}",
                      i ? ", " : "", name, (unsigned long long)bytes, hex);
    }
    at += sprintf(at, "], \"variants\": [");
    for (int i = 0; i < n; i++) {
        at += sprintf(at,
                      "%s{\"scale\": %d, \"graph\": \"%s.param\", \"weights\": \"%s.bin\", \"adds_input\": %s", i ? ", " : "", v[i].scale, v[i].stem, v[i].stem, v[i].adds_input ? "true" : "false");
        at += v[i].noise >= 0 ? sprintf(at, ", \"noise\": %d}", v[i].noise) : sprintf(at, "}");
    }
    sprintf(at, "]}");
    fx_text(folder, "model.json", text);
    free(text);
}

static inline void house_net(struct house *h, const char *id, const char *stem,
                             const struct net_text *m)
{
    char folder[PATH_MAX];
    mkdir(fx_join(folder, h->root, id), 0777);
    net_write(m, folder, stem);
}

/* One network of scale `scale` as model id. */
static inline void house_one(struct house *h, const char *id, const char *members,
                             const struct net_text *m, int scale, bool adds_input)
{
    const struct house_variant v = {"net", scale, -1, adds_input};
    house_net(h, id, "net", m);
    house_model(h, id, members, &v, 1);
}

static inline void house_open(struct house *h, const char *device, uint64_t budget_bytes)
{
    struct syn_err err = {""};
    const char *const dirs[] = {h->root, NULL};
    const struct syn_engine_opts opts = {.device = device, .precision = SYN_PRECISION_F32,
                                         .threads = 1};
    fx_need(syn_engine_open(&opts, &h->engine, &err) == SYN_OK, err.text);
    const struct syn_models_opts mo = {.dirs = dirs, .engine = h->engine,
                                       .budget_bytes = budget_bytes};
    fx_need(syn_models_open(&mo, &h->models, &err) == SYN_OK, err.text);
}

/* The folder stays: it may be opened again. */
static inline void house_close(struct house *h)
{
    syn_models_close(h->models);
    syn_engine_close(h->engine);
}

/* ---- pictures ---- */

/* Noise from the seed. */
static inline struct syn_image picture(int w, int h, int channels, int bits, uint64_t seed)
{
    struct syn_image im = {0};
    const size_t n = (size_t)(w * h * channels);
    fx_need(syn_image_init(&im, w, h, channels, bits, NULL) == SYN_OK, "picture");
    float *v = t_uniform(seed, n, 0, bits == 16 ? 65536 : 256);
    for (size_t i = 0; i < n; i++) {
        if (bits == 16) ((uint16_t *)im.pixels)[i] = (uint16_t)v[i];
        else ((uint8_t *)im.pixels)[i] = (uint8_t)v[i];
    }
    free(v);
    return im;
}

static inline int sample(const struct syn_image *im, int x, int y, int c)
{
    const size_t at = ((size_t)y * (size_t)im->width + (size_t)x) * (size_t)im->channels +
        (size_t)c;
    return im->bits == 16 ? ((const uint16_t *)im->pixels)[at] : ((const uint8_t *)im->pixels)[at];
}

static inline struct syn_image picture_copy(const struct syn_image *im)
{
    struct syn_image c = {0};
    fx_need(syn_image_init(&c, im->width, im->height, im->channels, im->bits, NULL) == SYN_OK,
            "picture");
    memcpy(c.pixels, im->pixels, (size_t)(im->width * im->height * im->channels * (im->bits / 8)));
    c.gray = im->gray;
    return c;
}

/* Largest difference of two pictures' samples; INT_MAX when sizes, channels, depth or grey differ.
 * */
static inline int picture_distance(const struct syn_image *a, const struct syn_image *b)
{
    int most = 0;
    if (a->width != b->width || a->height != b->height || a->channels != b->channels ||
        a->bits != b->bits || a->gray != b->gray)
        return INT_MAX;
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++)
            for (int c = 0; c < a->channels; c++) {
                const int d = abs(sample(a, x, y, c) - sample(b, x, y, c));
                if (d > most) most = d;
            }
    return most;
}

/* ---- a job ---- */

struct job {
    const char *model;
    struct syn_upscale_params params;
    struct syn_upscale_limits limits;
    atomic_bool *cancel;
    int cancel_after;                  /* units; 0 = never */
    struct syn_upscale_report report;  /* results from here on */
    int64_t calls, last_done, last_total;
};

static inline void job_unit(void *user, int64_t done, int64_t total, double seconds)
{
    struct job *j = (struct job *)user;
    j->calls++;
    j->last_done = done;
    j->last_total = total;
    if (!(seconds >= 0) || done != j->calls || done > total) j->last_total = -1;
    if (j->cancel_after && j->calls >= j->cancel_after) atomic_store(j->cancel, true);
}

/* Takes nothing: works on a copy of im. On success the caller deinits *out. */
static inline syn_status run_job(struct house *h, struct job *j, const struct syn_image *im,
                                 struct syn_image *out, struct syn_err *err)
{
    struct syn_image in = {0};
    struct syn_pipeline *p = NULL;
    const struct syn_manifest *m = syn_models_find(h->models, j->model);
    const struct syn_drive d = {.cancel = j->cancel, .on_unit = job_unit, .user = j};
    fx_need(m != NULL, j->model);
    if (!j->params.noise) j->params.noise = SYN_NOISE_NONE;
    j->calls = 0;
    syn_status st = syn_image_init(&in, im->width, im->height, im->channels, im->bits, err);
    if (st != SYN_OK) return st;
    memcpy(in.pixels, im->pixels, (size_t)(im->width * im->height * im->channels * (im->bits / 8)));
    in.gray = im->gray;
    st = syn_upscale_open(h->models, m, &j->params, &j->limits, &in, j->cancel, &p, err);
    if (st == SYN_OK) T_CHECK(!in.pixels, "the picture was not taken");
    if (st == SYN_OK) st = syn_pipeline_drive(p, &d, err);
    if (st == SYN_OK) st = p->kind->finish(p, out, err);
    if (p) syn_upscale_report(p, &j->report);
    syn_pipeline_close(p);
    syn_image_deinit(&in);
    return st;
}

#endif
