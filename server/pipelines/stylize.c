/* stylize.c - see stylize.h.
 *
 *   blend:   paint
 *   picture: learn (style picture) [-> learn (the photo itself), when strength < 1] -> paint
 *
 * Everything that a run needs is made when it is asked for and freed when it is done; the
 * networks are held from open to close.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#include "server/pipelines/stylize.h"
#include "kernels/base/alloc.h"
#include "server/pipelines/alpha.h"
#include "server/pipelines/raster.h"
#include <math.h>
#include <string.h>

enum {
    /* Bytes a pixel: of the blending network's values, input and output while it runs whole in
     * f32; of the pictures that are held beside it. Together a little over what the process is
     * measured to hold at most: 288 at 2050x1531. */
    PAINT_BYTES = 260,
    PICTURE_BYTES = 40,
};

struct net {
    const struct syn_variant *variant;
    struct syn_loaded *loaded;
    struct syn_model *model;
    int32_t picture_at, other_at, out_at; /* places among the model's inputs and outputs */
};

struct sizes {
    int32_t width, height;     /* of the photo as the network sees it, before it is mirrored */
    int32_t padded_w, padded_h;
};

struct stylize {
    struct syn_pipeline base;
    struct syn_models *models;
    const struct syn_manifest *m;
    struct syn_stylize_params params;
    struct net learn, paint;
    struct syn_image color, alpha, style, made;
    bool has_alpha;
    struct sizes size;
    float *in, *vector;        /* of the running unit; the weights or the style vector */
    struct syn_shape vector_shape;
    int32_t step, n_steps, retries;
};

static struct stylize *self(struct syn_pipeline *p)
{
    return (struct stylize *)p;
}

/* ---- samples ---- */

static float sample(const struct syn_image *im, size_t i)
{
    return im->bits == 16 ? (float)((const uint16_t *)im->pixels)[i] / 65535
                          : (float)((const uint8_t *)im->pixels)[i] / 255;
}

static void put_sample(struct syn_image *im, size_t i, float v)
{
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    if (im->bits == 16) ((uint16_t *)im->pixels)[i] = (uint16_t)lrintf(v * 65535);
    else ((uint8_t *)im->pixels)[i] = (uint8_t)lrintf(v * 255);
}

static float luma(const struct syn_image *im, size_t pixel)
{
    return 0.299f * sample(im, 3 * pixel) + 0.587f * sample(im, 3 * pixel + 1) +
           0.114f * sample(im, 3 * pixel + 2);
}

/* Where channel c of pixel (x, y) lies in a network's picture of w x h. */
static size_t place(const struct syn_picture_form *f, int32_t c, int32_t x, int32_t y, int32_t w,
                    int32_t h)
{
    const size_t pixel = (size_t)y * (size_t)w + (size_t)x, k = (size_t)(f->bgr ? 2 - c : c);
    return f->nhwc ? 3 * pixel + k : k * (size_t)w * (size_t)h + pixel;
}

static struct syn_tensor picture_tensor(const struct syn_picture_form *f, float *data, int32_t w,
                                        int32_t h)
{
    const int64_t nhwc[] = {1, h, w, 3}, nchw[] = {1, 3, h, w};
    return (struct syn_tensor){.shape = syn_shape_of(4, f->nhwc ? nhwc : nchw),
                               .dtype = SYN_F32,
                               .data = data};
}

/* The picture as the network takes it, mirrored at the right and the bottom up to w x h. */
static syn_status fill(const struct syn_image *im, const struct syn_picture_form *f, int32_t w,
                       int32_t h, float **out, struct syn_err *err)
{
    size_t n;
    float *p = NULL;
    if (syn_mul((size_t)w, (size_t)h, &n) && syn_mul(n, 3 * sizeof *p, &n)) p = syn_alloc(n);
    if (!p) return syn_fail(err, SYN_NO_MEMORY, "memory: a network's picture of %dx%d", w, h);
    for (int32_t y = 0; y < h; y++) {
        const size_t row = (size_t)syn_raster_edge(SYN_EDGE_REFLECT, y, im->height);
        for (int32_t x = 0; x < w; x++) {
            const size_t from = row * (size_t)im->width +
                                (size_t)syn_raster_edge(SYN_EDGE_REFLECT, x, im->width);
            for (int32_t c = 0; c < 3; c++) {
                const int32_t k = f->bgr ? 2 - c : c;
                p[place(f, c, x, y, w, h)] =
                    (sample(im, 3 * from + (size_t)c) - f->mean[k]) * f->scale[k];
            }
        }
    }
    *out = p;
    return SYN_OK;
}

/* A square of side x side from the middle. */
static syn_status square(const struct syn_image *im, int32_t side, struct syn_image *out,
                         struct syn_err *err)
{
    const int32_t n = im->width < im->height ? im->width : im->height;
    const size_t pixel = 3 * (size_t)im->bits / 8, left = (size_t)((im->width - n) / 2);
    const size_t top = (size_t)((im->height - n) / 2);
    struct syn_image cut = {0};
    syn_status st = syn_image_init(&cut, n, n, 3, im->bits, err);
    if (st != SYN_OK) return st;
    for (size_t y = 0; y < (size_t)n; y++)
        memcpy((char *)cut.pixels + y * (size_t)n * pixel,
               (const char *)im->pixels + ((y + top) * (size_t)im->width + left) * pixel,
               (size_t)n * pixel);
    st = syn_image_resize(&cut, side, side, SYN_FILTER_BICUBIC, out, err);
    syn_image_deinit(&cut);
    return st;
}

/* ---- units ---- */

static bool last_step(const struct stylize *s)
{
    return s->step == s->n_steps - 1;
}

static syn_status next_learn(struct stylize *s, struct syn_unit *unit, struct syn_err *err)
{
    const struct syn_picture_form *f = &s->learn.variant->picture;
    struct syn_image small = {0};
    syn_status st = square(s->step == 0 ? &s->style : &s->color, f->side, &small, err);
    if (st == SYN_OK) st = fill(&small, f, f->side, f->side, &s->in, err);
    syn_image_deinit(&small);
    if (st != SYN_OK) return st;
    unit->model = s->learn.model;
    unit->n_in = 1;
    unit->in[0] = picture_tensor(f, s->in, f->side, f->side);
    return SYN_OK;
}

static syn_status next_paint(struct stylize *s, struct syn_unit *unit, struct syn_err *err)
{
    const struct syn_picture_form *f = &s->paint.variant->picture;
    struct syn_image small = {0};
    const bool shrink = s->size.width != s->color.width || s->size.height != s->color.height;
    syn_status st = shrink ? syn_image_resize(&s->color, s->size.width, s->size.height,
                                              SYN_FILTER_LANCZOS3, &small, err)
                           : SYN_OK;
    if (st == SYN_OK)
        st = fill(shrink ? &small : &s->color, f, s->size.padded_w, s->size.padded_h, &s->in, err);
    syn_image_deinit(&small);
    if (st != SYN_OK) return st;
    unit->model = s->paint.model;
    unit->n_in = 2;
    unit->in[s->paint.picture_at] = picture_tensor(f, s->in, s->size.padded_w, s->size.padded_h);
    unit->in[s->paint.other_at] =
        (struct syn_tensor){.shape = s->vector_shape, .dtype = SYN_F32, .data = s->vector};
    return SYN_OK;
}

static syn_status next(struct syn_pipeline *p, struct syn_unit *unit, bool *more,
                       struct syn_err *err)
{
    struct stylize *s = self(p);
    *more = s->step < s->n_steps;
    if (!*more) return SYN_OK;
    unit->precision = s->m->pin_f32 ? SYN_PRECISION_F32 : s->params.precision;
    return last_step(s) ? next_paint(s, unit, err) : next_learn(s, unit, err);
}

static syn_status numeric(struct syn_pipeline *p, struct syn_unit *unit, bool *again,
                          struct syn_err *err)
{
    (void)err;
    *again = unit->precision != SYN_PRECISION_F32;
    unit->precision = SYN_PRECISION_F32;
    self(p)->retries += *again;
    return SYN_OK;
}

/* The first vector is the style's; the second, the photo's own, is mixed into it. */
static syn_status take_vector(struct stylize *s, struct syn_tensor *made, struct syn_err *err)
{
    int64_t n;
    if (made->dtype != SYN_F32 || !syn_shape_elements(&made->shape, &n) || n < 1)
        return syn_fail(err, SYN_UNSUPPORTED, "network predict: its style is no vector of f32");
    if (!s->vector) {
        s->vector = made->data;
        s->vector_shape = made->shape;
        made->data = NULL;
        return SYN_OK;
    }
    if (!syn_shape_equal(&made->shape, &s->vector_shape))
        return syn_fail(err, SYN_INTERNAL, "network predict: two styles of different lengths");
    for (int64_t i = 0; i < n; i++) {
        const float own = ((const float *)made->data)[i];
        s->vector[i] = own + s->params.strength * (s->vector[i] - own);
    }
    return SYN_OK;
}

/* The network's result without the mirrored part. Values are samples (0..1). */
static syn_status take_picture(struct stylize *s, const struct syn_tensor *made,
                               struct syn_err *err)
{
    const struct syn_picture_form *f = &s->paint.variant->picture;
    const struct syn_tensor want = picture_tensor(f, NULL, s->size.padded_w, s->size.padded_h);
    char is[64], must[64];
    if (made->dtype != SYN_F32 || !syn_shape_equal(&made->shape, &want.shape))
        return syn_fail(err, SYN_UNSUPPORTED, "network %s makes %s: must be f32 %s",
                        s->paint.variant->name, syn_shape_text(&made->shape, is, sizeof is),
                        syn_shape_text(&want.shape, must, sizeof must));
    /* 16 bits where it is still to be enlarged. */
    const bool enlarge = s->size.width != s->color.width || s->size.height != s->color.height;
    syn_status st = syn_image_init(&s->made, s->size.width, s->size.height, 3,
                                   enlarge ? 16 : s->color.bits, err);
    if (st != SYN_OK) return st;
    for (int32_t y = 0; y < s->size.height; y++)
        for (int32_t x = 0; x < s->size.width; x++)
            for (int32_t c = 0; c < 3; c++)
                put_sample(&s->made,
                           3 * ((size_t)y * (size_t)s->size.width + (size_t)x) + (size_t)c,
                           ((const float *)made->data)[place(f, c, x, y, s->size.padded_w,
                                                             s->size.padded_h)]);
    return SYN_OK;
}

static syn_status done(struct syn_pipeline *p, const struct syn_unit *unit, struct syn_err *err)
{
    struct stylize *s = self(p);
    const bool last = last_step(s);
    struct syn_tensor made[SYN_MAX_UNIT_IO];
    memcpy(made, unit->made, sizeof made);
    syn_status st = last ? take_picture(s, &made[s->paint.out_at], err)
                         : take_vector(s, &made[s->learn.out_at], err);
    for (int32_t i = 0; i < SYN_MAX_UNIT_IO; i++) syn_free(made[i].data);
    syn_free(s->in);
    s->in = NULL;
    if (st == SYN_OK) s->step++;
    return st;
}

static void progress(const struct syn_pipeline *p, int64_t *units, int64_t *total)
{
    const struct stylize *s = (const struct stylize *)p;
    *units = s->step;
    *total = s->n_steps;
}

/* ---- the end ---- */

/* The result at the photo's size, with the detail that the small copy had lost. */
static syn_status enlarge(struct stylize *s, struct syn_err *err)
{
    const int32_t w = s->color.width, h = s->color.height;
    const size_t n = (size_t)w * (size_t)h;
    struct syn_image small = {0}, blurred = {0}, large = {0}, out = {0};
    syn_status st = syn_image_resize(&s->made, w, h, SYN_FILTER_BICUBIC, &large, err);
    if (st == SYN_OK) st = syn_image_resize(&s->color, s->size.width, s->size.height,
                                            SYN_FILTER_LANCZOS3, &small, err);
    if (st == SYN_OK) st = syn_image_resize(&small, w, h, SYN_FILTER_BICUBIC, &blurred, err);
    if (st == SYN_OK) st = syn_image_init(&out, w, h, 3, s->color.bits, err);
    if (st == SYN_OK) {
        for (size_t i = 0; i < n; i++) {
            const float detail = luma(&s->color, i) - luma(&blurred, i);
            for (size_t c = 0; c < 3; c++)
                put_sample(&out, 3 * i + c, sample(&large, 3 * i + c) + detail);
        }
        syn_image_deinit(&s->made);
        s->made = out;
    }
    syn_image_deinit(&small);
    syn_image_deinit(&blurred);
    syn_image_deinit(&large);
    return st;
}

/* One luma difference in all three channels leaves Cb and Cr as they were. */
static void keep_color(struct stylize *s)
{
    const size_t n = (size_t)s->color.width * (size_t)s->color.height;
    for (size_t i = 0; i < n; i++) {
        const float change = luma(&s->made, i) - luma(&s->color, i);
        for (size_t c = 0; c < 3; c++)
            put_sample(&s->made, 3 * i + c, sample(&s->color, 3 * i + c) + change);
    }
    s->made.gray = s->color.gray;
}

static syn_status finish(struct syn_pipeline *p, struct syn_image *out, struct syn_err *err)
{
    struct stylize *s = self(p);
    syn_status st = SYN_OK;
    if (!s->made.pixels)
        return syn_fail(err, SYN_CONFLICT, "finish: %d of %d units done", s->step, s->n_steps);
    if (s->made.width != s->color.width || s->made.height != s->color.height) st = enlarge(s, err);
    if (st != SYN_OK) return st;
    if (s->params.preserve_color) keep_color(s);
    if (s->has_alpha) return syn_alpha_join(&s->made, &s->alpha, out, err);
    *out = s->made;
    s->made = (struct syn_image){0};
    return SYN_OK;
}

static void close_kind(struct syn_pipeline *p)
{
    struct stylize *s = self(p);
    syn_image_deinit(&s->color);
    syn_image_deinit(&s->alpha);
    syn_image_deinit(&s->style);
    syn_image_deinit(&s->made);
    syn_free(s->in);
    syn_free(s->vector);
    syn_models_release(s->models, s->learn.loaded);
    syn_models_release(s->models, s->paint.loaded);
    syn_free(s);
}

static const struct syn_pipeline_kind kind = {.kind = SYN_STYLIZE_KIND,
                                              .next = next,
                                              .done = done,
                                              .numeric = numeric,
                                              .finish = finish,
                                              .progress = progress,
                                              .close = close_kind};

/* ---- opening ---- */

static int32_t find_io(struct syn_model *model, bool output, int32_t n, const char *tensor)
{
    for (int32_t i = 0; i < n; i++) {
        struct syn_io io;
        if (output) syn_model_output(model, i, &io);
        else syn_model_input(model, i, &io);
        if (tensor && strcmp(io.name, tensor) == 0) return i;
    }
    return -1;
}

/* other: role of the second input, NULL: there is none. */
static syn_status load(struct stylize *s, struct net *n, const char *name, const char *other,
                       const char *out, const atomic_bool *cancel, struct syn_err *err)
{
    struct syn_model_info info;
    n->variant = syn_manifest_network(s->m, name);
    syn_status st = syn_models_acquire(s->models, s->m->id, n->variant, cancel, &n->loaded, err);
    if (st != SYN_OK) return st;
    n->model = syn_loaded_model(n->loaded);
    syn_model_info(n->model, &info);
    n->picture_at = find_io(n->model, false, info.n_inputs,
                            syn_manifest_tensor(s->m, n->variant, false, "picture"));
    n->other_at = other ? find_io(n->model, false, info.n_inputs,
                                  syn_manifest_tensor(s->m, n->variant, false, other))
                        : 0;
    n->out_at = find_io(n->model, true, info.n_outputs,
                        syn_manifest_tensor(s->m, n->variant, true, out));
    if (info.n_inputs != (other ? 2 : 1) || info.n_outputs > SYN_MAX_UNIT_IO || n->out_at < 0 ||
        n->picture_at < 0 || n->other_at < 0 || (other && n->picture_at == n->other_at))
        return syn_fail(err, SYN_UNSUPPORTED,
                        "network %s of %s: its inputs or outputs are not those of its manifest",
                        name, s->m->id);
    return SYN_OK;
}

static syn_status set_weights(struct stylize *s, struct syn_err *err)
{
    struct syn_io io;
    int64_t n = 1;
    syn_model_input(s->paint.model, s->paint.other_at, &io);
    for (int32_t d = 0; d < io.shape.rank; d++) {
        if (io.shape.dim[d] < 0) io.shape.dim[d] = 1;
        n *= io.shape.dim[d];
    }
    if (io.dtype != SYN_F32 || io.shape.rank < 1 || n != s->params.n_styles)
        return syn_fail(err, SYN_UNSUPPORTED, "network %s: weights must be %d of f32",
                        s->paint.variant->name, s->params.n_styles);
    s->vector = syn_alloc((size_t)n * sizeof *s->vector);
    if (!s->vector) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    memcpy(s->vector, s->params.weight, (size_t)n * sizeof *s->vector);
    s->vector_shape = io.shape;
    return SYN_OK;
}

static int32_t padded(const struct syn_picture_form *f, int32_t n)
{
    const int32_t multiple = f->multiple > 1 ? f->multiple : 1;
    if (n < f->min_side) n = f->min_side;
    return (n + multiple - 1) / multiple * multiple;
}

static struct sizes plan_sizes(const struct syn_picture_form *f, int32_t w, int32_t h)
{
    const int32_t longer = w > h ? w : h;
    struct sizes s = {w, h, f->side, f->side};
    if (!f->side) {
        s.padded_w = padded(f, w);
        s.padded_h = padded(f, h);
        return s;
    }
    if (longer <= f->side) return s;
    s.width = (int32_t)lround((double)w * f->side / longer);
    s.height = (int32_t)lround((double)h * f->side / longer);
    if (s.width < 1) s.width = 1;
    if (s.height < 1) s.height = 1;
    return s;
}

/* The network that makes the result. */
static const char *painter(const struct syn_manifest *m)
{
    return syn_stylize_wants_picture(m) ? "transform" : "stylize";
}

uint64_t syn_stylize_bytes(const struct syn_manifest *m, int32_t width, int32_t height)
{
    const struct sizes s =
        plan_sizes(&syn_manifest_network(m, painter(m))->picture, width, height);
    return (uint64_t)width * (uint64_t)height * PICTURE_BYTES +
           (uint64_t)s.padded_w * (uint64_t)s.padded_h * PAINT_BYTES;
}

syn_status syn_stylize_check_memory(const struct syn_manifest *m, int32_t width, int32_t height,
                                    uint64_t budget, struct syn_err *err)
{
    const uint64_t need = syn_stylize_bytes(m, width, height);
    if (!budget || need <= budget) return SYN_OK;
    return syn_fail(err, SYN_TOO_LARGE,
                    "inputs.image: %dx%d needs %llu bytes to be painted whole: the limit is %llu; "
                    "make it smaller, or raise memory_budget_bytes",
                    width, height, (unsigned long long)need, (unsigned long long)budget);
}

syn_status syn_stylize_check_style(const struct syn_manifest *m, bool has_style,
                                   struct syn_err *err)
{
    const bool by_picture = syn_stylize_wants_picture(m);
    if (by_picture && !has_style)
        return syn_fail(err, SYN_INVALID,
                        "inputs.style is missing: %s takes the style of a picture", m->id);
    if (!by_picture && has_style)
        return syn_fail(err, SYN_INVALID, "inputs.style: %s has styles of its own: set style",
                        m->id);
    return SYN_OK;
}

/* The last step that may fail: from here on the pictures are the job's. */
static syn_status take_images(struct stylize *s, struct syn_image *image, struct syn_image *style,
                              struct syn_err *err)
{
    syn_status st;
    s->has_alpha = !syn_alpha_opaque(image);
    if (style) {
        st = syn_alpha_split(style, &s->style, NULL, err);
        if (st != SYN_OK) return st;
    }
    st = syn_alpha_split(image, &s->color, s->has_alpha ? &s->alpha : NULL, err);
    if (st != SYN_OK && style) {
        *style = s->style;
        s->style = (struct syn_image){0};
    }
    return st;
}

syn_status syn_stylize_open(struct syn_models *models, const struct syn_manifest *m,
                            const struct syn_stylize_params *p, uint64_t memory_budget_bytes,
                            struct syn_image *image, struct syn_image *style,
                            const atomic_bool *cancel, struct syn_pipeline **out,
                            struct syn_err *err)
{
    const bool by_picture = syn_stylize_wants_picture(m);
    const char *paint = painter(m);
    syn_status st = syn_stylize_check_style(m, style != NULL, err);
    if (st == SYN_OK)
        st = syn_stylize_check_memory(m, image->width, image->height, memory_budget_bytes, err);
    if (st != SYN_OK) return st;
    struct stylize *s = syn_calloc(1, sizeof *s);
    if (!s) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    s->base.kind = &kind;
    s->models = models;
    s->m = m;
    s->params = *p;
    s->n_steps = !by_picture ? 1 : p->strength < 1 ? 3 : 2;
    s->size = plan_sizes(&syn_manifest_network(m, paint)->picture, image->width, image->height);
    if (by_picture)
        st = load(s, &s->learn, "predict", NULL, "style", cancel, err);
    if (st == SYN_OK)
        st = load(s, &s->paint, paint, by_picture ? "style" : "weights", "picture", cancel, err);
    if (st == SYN_OK && by_picture && !s->learn.variant->picture.side)
        st = syn_fail(err, SYN_UNSUPPORTED, "network predict of %s: its picture has no side",
                      m->id);
    if (st == SYN_OK && !by_picture) st = set_weights(s, err);
    if (st == SYN_OK) st = take_images(s, image, style, err);
    if (st != SYN_OK) {
        close_kind(&s->base);
        return st;
    }
    *out = &s->base;
    return SYN_OK;
}

int32_t syn_stylize_retries(const struct syn_pipeline *p)
{
    return ((const struct stylize *)p)->retries;
}
