/* matte.c - see matte.h.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#include "server/pipelines/matte.h"
#include "kernels/base/alloc.h"
#include "server/pipelines/alpha.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct matte {
    struct syn_pipeline base;
    struct syn_models *models;
    const struct syn_variant *network;
    struct syn_loaded *loaded;
    struct syn_model *model;
    struct syn_matte_params params;
    struct syn_image color;      /* RGB */
    struct syn_image own;        /* the picture's alpha as grey RGB; empty: opaque */
    struct syn_image background; /* of color's size once composited; may be empty */
    struct syn_image mask;       /* grey RGB of 16 bits; of color's size after the run */
    float *input;
    int32_t width, height;       /* of the network's picture */
    int32_t alpha_at;            /* place of alpha among the outputs */
    int32_t n_outputs;
    syn_precision precision;
    double coverage;
    bool ran;
};

/* ---- to the network ---- */

static int32_t network_side(const struct syn_picture_form *f, int32_t side)
{
    const int32_t most = INT32_MAX - f->multiple;
    const int32_t least = side < f->min_side ? f->min_side : side;
    if (f->side) return f->side;
    return ((least < most ? least : most) + f->multiple - 1) / f->multiple * f->multiple;
}

static float sample_of(const struct syn_image *im, size_t i)
{
    return im->bits == 16 ? (float)((const uint16_t *)im->pixels)[i] / 65535.0f
                          : (float)((const uint8_t *)im->pixels)[i] / 255.0f;
}

static void fill_input(struct matte *t, const struct syn_image *im)
{
    const struct syn_picture_form *f = &t->network->picture;
    const size_t n = (size_t)t->width * (size_t)t->height;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            const float v = sample_of(im, 3 * i + (f->bgr ? 2 - c : c));
            t->input[f->nhwc ? 3 * i + c : c * n + i] = (v - f->mean[c]) * f->scale[c];
        }
}

static syn_status next(struct syn_pipeline *p, struct syn_unit *unit, bool *more,
                       struct syn_err *err)
{
    struct matte *t = (struct matte *)p;
    const bool nhwc = t->network->picture.nhwc;
    struct syn_image small = {0};
    syn_status st;
    *more = !t->ran;
    if (t->ran) return SYN_OK;
    st = syn_image_resize(&t->color, t->width, t->height, SYN_FILTER_BILINEAR, &small, err);
    if (st != SYN_OK) return st;
    fill_input(t, &small);
    syn_image_deinit(&small);
    unit->model = t->model;
    unit->precision = t->precision;
    unit->in[0] = (struct syn_tensor){
        .shape = nhwc ? syn_shape4(1, t->height, t->width, 3)
                      : syn_shape4(1, 3, t->height, t->width),
        .dtype = SYN_F32,
        .data = t->input};
    unit->n_in = 1;
    return SYN_OK;
}

/* ---- from the network ---- */

/* Alpha as a picture of the network's size. */
static syn_status read_alpha(const struct matte *t, const struct syn_tensor *alpha,
                             struct syn_image *out, struct syn_err *err)
{
    const int64_t want = (int64_t)t->width * t->height;
    char shape[160];
    int64_t n = 0;
    syn_status st;
    if (alpha->dtype != SYN_F32 || !syn_shape_elements(&alpha->shape, &n) || n != want)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "network matte gives alpha as %s %s: must be f32 of %" PRId32 "x%" PRId32,
                        syn_dtype_word(alpha->dtype),
                        syn_shape_text(&alpha->shape, shape, sizeof shape), t->width, t->height);
    st = syn_image_init(out, t->width, t->height, 3, 16, err);
    if (st != SYN_OK) return st;
    out->gray = true;
    for (int64_t i = 0; i < n; i++) {
        const float v = ((const float *)alpha->data)[i];
        const float in = v < 0 ? 0 : v > 1 ? 1 : v;
        for (int64_t c = 0; c < 3; c++)
            ((uint16_t *)out->pixels)[3 * i + c] = (uint16_t)lrintf(in * 65535.0f);
    }
    return SYN_OK;
}

static syn_status done(struct syn_pipeline *p, const struct syn_unit *unit, struct syn_err *err)
{
    struct matte *t = (struct matte *)p;
    struct syn_image alpha = {0};
    syn_status st = read_alpha(t, &unit->made[t->alpha_at], &alpha, err);
    for (int32_t i = 0; i < t->n_outputs; i++) syn_free(unit->made[i].data);
    if (st == SYN_OK)
        st = syn_image_resize(&alpha, t->color.width, t->color.height, SYN_FILTER_BILINEAR,
                              &t->mask, err);
    syn_image_deinit(&alpha);
    t->ran = st == SYN_OK;
    return st;
}

/* ---- over the background ---- */

/* The middle of im in the shape of w:h. */
static syn_status cut_middle(const struct syn_image *im, int32_t w, int32_t h,
                             struct syn_image *out, struct syn_err *err)
{
    int64_t cw = im->width, ch = im->height;
    size_t pixel = (size_t)im->channels * (size_t)im->bits / 8, row, from;
    syn_status st;
    if (cw * h > ch * w)
        cw = (ch * w + h / 2) / h;
    else
        ch = (cw * h + w / 2) / w;
    if (cw < 1) cw = 1;
    if (ch < 1) ch = 1;
    st = syn_image_init(out, (int32_t)cw, (int32_t)ch, im->channels, im->bits, err);
    if (st != SYN_OK) return st;
    out->gray = im->gray;
    row = (size_t)im->width * pixel;
    from = (size_t)((im->height - ch) / 2) * row + (size_t)((im->width - cw) / 2) * pixel;
    for (int64_t y = 0; y < ch; y++)
        memcpy((uint8_t *)out->pixels + (size_t)y * (size_t)cw * pixel,
               (const uint8_t *)im->pixels + from + (size_t)y * row, (size_t)cw * pixel);
    return SYN_OK;
}

static syn_status fit_background(struct matte *t, struct syn_err *err)
{
    struct syn_image cut = {0}, fit = {0};
    syn_status st;
    if (!t->background.pixels) return SYN_OK;
    st = cut_middle(&t->background, t->color.width, t->color.height, &cut, err);
    if (st == SYN_OK)
        st = syn_image_resize(&cut, t->color.width, t->color.height, SYN_FILTER_BICUBIC, &fit, err);
    syn_image_deinit(&cut);
    if (st != SYN_OK) return st;
    syn_image_deinit(&t->background);
    t->background = fit;
    return SYN_OK;
}

static void put_sample(struct syn_image *im, size_t i, float v)
{
    const float in = v < 0 ? 0 : v > 1 ? 1 : v;
    if (im->bits == 16)
        ((uint16_t *)im->pixels)[i] = (uint16_t)lrintf(in * 65535.0f);
    else
        ((uint8_t *)im->pixels)[i] = (uint8_t)lrintf(in * 255.0f);
}

/* Pixel i: red, green, blue, alpha of what is behind. */
static void behind(const struct matte *t, size_t i, float rgba[4])
{
    const struct syn_image *b = &t->background;
    const size_t channels = (size_t)b->channels;
    memset(rgba, 0, 4 * sizeof *rgba);
    if (t->params.fill) {
        for (size_t c = 0; c < 3; c++) rgba[c] = (float)t->params.rgb[c] / 255.0f;
        rgba[3] = 1;
    } else if (b->pixels) {
        for (size_t c = 0; c < 3; c++) rgba[c] = sample_of(b, channels * i + c);
        rgba[3] = channels == 4 ? sample_of(b, channels * i + 3) : 1;
    }
}

static void composite(const struct matte *t, size_t i, float a, struct syn_image *out)
{
    const size_t channels = (size_t)out->channels;
    float back[4], left, all;
    behind(t, i, back);
    left = back[3] * (1 - a);
    all = a + left;
    for (size_t c = 0; c < 3; c++) {
        const float v = sample_of(&t->color, 3 * i + c) * a + back[c] * left;
        put_sample(out, channels * i + c, all > 0 ? v / all : 0);
    }
    if (channels == 4) put_sample(out, channels * i + 3, all);
}

static bool result_gray(const struct matte *t)
{
    const uint8_t *rgb = t->params.rgb;
    if (t->params.mask_only) return true;
    if (!t->color.gray) return false;
    if (t->params.fill) return rgb[0] == rgb[1] && rgb[1] == rgb[2];
    return !t->background.pixels || t->background.gray;
}

static syn_status finish(struct syn_pipeline *p, struct syn_image *out, struct syn_err *err)
{
    struct matte *t = (struct matte *)p;
    const size_t n = (size_t)t->color.width * (size_t)t->color.height;
    const bool solid = t->params.mask_only || t->params.fill ||
                       (t->background.pixels && t->background.channels == 3);
    struct syn_image made = {0};
    double sum = 0;
    syn_status st = fit_background(t, err);
    if (st == SYN_OK)
        st = syn_image_init(&made, t->color.width, t->color.height, solid ? 3 : 4, t->color.bits,
                            err);
    if (st != SYN_OK) return st;
    made.gray = result_gray(t);
    for (size_t i = 0; i < n; i++) {
        const float own = t->own.pixels ? sample_of(&t->own, 3 * i) : 1;
        const float a = sample_of(&t->mask, 3 * i) * own;
        sum += (double)a;
        if (!t->params.mask_only)
            composite(t, i, a, &made);
        else
            for (size_t c = 0; c < 3; c++) put_sample(&made, 3 * i + c, a);
    }
    t->coverage = sum / (double)n;
    *out = made;
    return SYN_OK;
}

/* ---- the kind ---- */

static void progress(const struct syn_pipeline *p, int64_t *units, int64_t *total)
{
    *units = ((const struct matte *)p)->ran;
    *total = 1;
}

static void close_kind(struct syn_pipeline *p)
{
    struct matte *t = (struct matte *)p;
    syn_models_release(t->models, t->loaded);
    syn_image_deinit(&t->color);
    syn_image_deinit(&t->own);
    syn_image_deinit(&t->background);
    syn_image_deinit(&t->mask);
    syn_free(t->input);
    syn_free(t);
}

static const struct syn_pipeline_kind kind = {.kind = SYN_MATTE_KIND,
                                              .next = next,
                                              .done = done,
                                              .finish = finish,
                                              .progress = progress,
                                              .close = close_kind};

/* ---- opening ---- */

static syn_status check_network(struct matte *t, const struct syn_manifest *m, struct syn_err *err)
{
    const char *picture = syn_manifest_tensor(m, t->network, false, "picture");
    const char *alpha = syn_manifest_tensor(m, t->network, true, "alpha");
    struct syn_model_info info;
    struct syn_io io;
    syn_model_info(t->model, &info);
    if (info.n_inputs != 1 || info.n_outputs > SYN_MAX_UNIT_IO)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "network matte of %s has %" PRId32 " inputs and %" PRId32
                        " outputs: must be 1 and at most %d",
                        m->id, info.n_inputs, info.n_outputs, SYN_MAX_UNIT_IO);
    syn_model_input(t->model, 0, &io);
    if (!picture || strcmp(io.name, picture) != 0 || io.dtype != SYN_F32)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "network matte of %s has input \"%.60s\" of type %s: must be the "
                        "manifest's picture, of type f32",
                        m->id, io.name, syn_dtype_word(io.dtype));
    t->n_outputs = info.n_outputs;
    t->alpha_at = -1;
    for (int32_t i = 0; alpha && i < info.n_outputs; i++) {
        syn_model_output(t->model, i, &io);
        if (strcmp(io.name, alpha) == 0) t->alpha_at = i;
    }
    if (t->alpha_at < 0)
        return syn_fail(err, SYN_UNSUPPORTED, "network matte of %s has no output \"alpha\"", m->id);
    return SYN_OK;
}

uint64_t syn_matte_bytes(const struct syn_manifest *m, const struct syn_image_info *image,
                         const struct syn_image_info *background)
{
    const struct syn_variant *network = syn_manifest_network(m, "matte");
    const uint64_t pixels = (uint64_t)image->width * (uint64_t)image->height;
    const uint64_t sample = (uint64_t)image->bits / 8;
    uint64_t bytes = pixels * (3 * sample + 6 + 4 * sample); /* colours, mask, result */
    if (image->channels == 4) bytes += pixels * 3 * sample;  /* its own alpha */
    if (background) { /* as it came, what is cut of it, that at the picture's size */
        const uint64_t one = (uint64_t)background->channels * (uint64_t)background->bits / 8;
        bytes += 2 * one * (uint64_t)background->width * (uint64_t)background->height;
        bytes += one * pixels;
    }
    if (network)
        bytes += 3 * sizeof(float) *
                 (uint64_t)network_side(&network->picture, image->width) *
                 (uint64_t)network_side(&network->picture, image->height);
    return bytes;
}

static syn_status load(struct matte *t, const struct syn_manifest *m, const struct syn_image *image,
                       const atomic_bool *cancel, struct syn_err *err)
{
    size_t n = 0;
    syn_status st;
    t->network = syn_manifest_network(m, "matte");
    if (!t->network || !t->network->picture.given)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "model = \"%s\": its manifest has no network matte with a picture", m->id);
    t->width = network_side(&t->network->picture, image->width);
    t->height = network_side(&t->network->picture, image->height);
    if (!syn_mul((size_t)t->width, (size_t)t->height, &n) || !syn_mul(n, 3 * sizeof(float), &n))
        return syn_fail(err, SYN_TOO_LARGE, "a picture of %" PRId32 "x%" PRId32 " for %s", t->width,
                        t->height, m->id);
    st = syn_models_acquire(t->models, m->id, t->network, cancel, &t->loaded, err);
    if (st != SYN_OK) return st;
    t->model = syn_loaded_model(t->loaded);
    st = check_network(t, m, err);
    if (st != SYN_OK) return st;
    t->input = syn_alloc(n);
    return t->input ? SYN_OK
                    : syn_fail(err, SYN_NO_MEMORY, "no memory for a picture of %zu bytes", n);
}

syn_status syn_matte_open(struct syn_models *models, const struct syn_manifest *m,
                          const struct syn_matte_params *p, struct syn_image *image,
                          struct syn_image *background, const atomic_bool *cancel,
                          struct syn_pipeline **out, struct syn_err *err)
{
    struct matte *t = syn_calloc(1, sizeof *t);
    syn_status st;
    if (!t) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    t->base.kind = &kind;
    t->models = models;
    t->params = *p;
    t->precision = m->pin_f32 ? SYN_PRECISION_F32 : p->precision;
    st = load(t, m, image, cancel, err);
    if (st == SYN_OK) st = syn_alpha_split(image, &t->color, &t->own, err);
    if (st != SYN_OK) {
        close_kind(&t->base);
        return st;
    }
    if (background) {
        t->background = *background;
        *background = (struct syn_image){0};
    }
    *out = &t->base;
    return SYN_OK;
}

void syn_matte_report(const struct syn_pipeline *p, struct syn_matte_report *out)
{
    const struct matte *t = (const struct matte *)p;
    *out = (struct syn_matte_report){t->width, t->height, t->coverage};
}
