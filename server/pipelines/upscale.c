/* upscale.c - kind "upscale" as a step machine. See upscale.h.
 *
 *   for each layer (colours; transparency when it goes through the network)
 *     for each pass (the network again on its own output)
 *       for each stage (more than one when the network averages over the picture and that is cut)
 *         for each tile: one unit
 *
 * Where it stands is four counters (at); everything that a level needs is made when its first unit
 * is asked for and freed after its last, so between passes only the pictures are held.
 *
 * Networks: a job with two of them (denoise once, then only enlarge) holds one at a time, see
 * network.h; both are looked at when it is opened, so that the number of units is known from the
 * start.
 *
 * Memory: two pictures (a pass's input and output), the two tensors of a unit, and the plan's
 * workspace. A retry in f32 may need more workspace than the budget planned for bf16; the engine's
 * own limit holds.
 *
 * Layer: server/pipelines.   Threads: as pipeline.h. */
#include "kernels/base/alloc.h"
#include "server/pipelines/alpha.h"
#include "server/pipelines/network.h"
#include "server/pipelines/raster.h"
#include "server/pipelines/upscale.h"
#include <string.h>

#define DEFAULT_BUDGET_BYTES ((uint64_t)1 << 30)

struct pass {
    struct syn_network *net; /* one of the job's */
    struct syn_tiles tiles;
    int32_t n_stages;      /* 1: whole runs */
    int32_t width, height; /* of its input */
};

struct upscale {
    struct syn_pipeline base;
    struct syn_models *models;
    const struct syn_manifest *m;
    struct syn_upscale_params params;
    struct syn_upscale_plan plan;
    syn_precision precision;

    const atomic_bool *cancel;   /* borrowed, may be NULL */
    struct syn_network net[2];   /* first pass; later passes, when that is another one */
    int32_t n_nets;
    struct pass pass[SYN_UPSCALE_MAX_PASSES];
    struct syn_image layer[2];   /* colours, transparency: the picture as far as it has come */
    int32_t n_layers;            /* that go through the network */
    bool has_alpha;

    struct {
        int32_t layer, pass, stage;
        int64_t tile;
    } at;
    struct syn_image made;       /* output of the running pass */
    float *in, *out, *row;       /* tensors of a unit; three rows of output */
    float *vectors;              /* the global averages, stage by stage */
    double *sums;                /* of the running stage */
    struct syn_plan *running;    /* of the running stage */
    struct syn_plan *wide;       /* f32 twin of running, for one unit */
    syn_precision running_precision;

    int64_t units_done, units_total, units_wide; /* wide: made in f32 */
    int32_t retries;
};

static struct upscale *self(struct syn_pipeline *p)
{
    return (struct upscale *)p;
}

/* ---- buffers of a pass ---- */

static void end_pass(struct upscale *u)
{
    syn_plan_release(u->running);
    syn_plan_release(u->wide);
    u->running = u->wide = NULL;
    syn_free(u->in);
    syn_free(u->out);
    syn_free(u->row);
    syn_free(u->vectors);
    syn_free(u->sums);
    u->in = u->out = u->row = u->vectors = NULL;
    u->sums = NULL;
    syn_image_deinit(&u->made);
}

static syn_status take_floats(float **out, size_t n, struct syn_err *err)
{
    size_t bytes;
    if (!syn_mul(n, sizeof(float), &bytes) || !(*out = syn_alloc(bytes)))
        return syn_fail(err, SYN_NO_MEMORY, "memory: %zu floats needed for a tile", n);
    return SYN_OK;
}

static int32_t engine_stage(const struct pass *p, int32_t stage)
{
    return p->n_stages == 1 ? -1 : stage;
}

/* Elements of the largest output of a stage, and of all vectors together. */
static syn_status pass_sizes(const struct pass *p, size_t *out_floats, size_t *vector_floats,
                             struct syn_err *err)
{
    *out_floats = *vector_floats = 0;
    for (int32_t k = 0; k < p->n_stages; k++) {
        struct syn_shape s;
        int64_t n;
        const int32_t stage = engine_stage(p, k);
        if (!syn_network_output(p->net, stage, p->tiles.x.window, p->tiles.y.window, &s) ||
            !syn_shape_elements(&s, &n))
            return syn_fail(err, SYN_TOO_LARGE, "tile: %dx%d: its output is too large",
                            p->tiles.x.window, p->tiles.y.window);
        if ((size_t)n > *out_floats) *out_floats = (size_t)n;
        *vector_floats += (size_t)s.dim[1];
    }
    return SYN_OK;
}

/* The network of this pass, and no other. */
static syn_status hold_network(struct upscale *u, struct syn_network *net, struct syn_err *err)
{
    for (int32_t i = 0; i < u->n_nets; i++)
        if (&u->net[i] != net) syn_network_drop(&u->net[i], u->models);
    return syn_network_hold(net, u->models, u->m, u->cancel, err);
}

static syn_status begin_pass(struct upscale *u, const struct pass *p, struct syn_err *err)
{
    const size_t window = (size_t)p->tiles.x.window * (size_t)p->tiles.y.window;
    const int32_t scale = p->net->scale;
    size_t out_floats, vector_floats;
    syn_status st = hold_network(u, p->net, err);
    if (st == SYN_OK) st = pass_sizes(p, &out_floats, &vector_floats, err);
    if (st != SYN_OK) return st;

    st = syn_image_init(&u->made, p->width * scale, p->height * scale, 3,
                        u->layer[u->at.layer].bits, err);
    if (st == SYN_OK) st = take_floats(&u->in, 3 * window, err);
    if (st == SYN_OK) st = take_floats(&u->out, out_floats, err);
    if (st == SYN_OK) st = take_floats(&u->row, 3 * (size_t)p->tiles.x.window * (size_t)scale, err);
    if (st == SYN_OK) st = take_floats(&u->vectors, vector_floats, err);
    if (st == SYN_OK && !(u->sums = syn_calloc(vector_floats, sizeof *u->sums)))
        st = syn_fail(err, SYN_NO_MEMORY, "memory: %zu sums needed", vector_floats);
    u->made.gray = u->layer[u->at.layer].gray;
    return st;
}

/* A plan for the running stage, checked against the geometry that the buffers were sized by. */
static syn_status get_plan(const struct pass *p, int32_t stage, syn_precision precision,
                           struct syn_plan **out, struct syn_err *err)
{
    struct syn_shape in[SYN_MAX_UNIT_IO], expected;
    struct syn_plan_info info;
    struct syn_plan *plan;
    char is[64], must[64];
    const int32_t k = engine_stage(p, stage);
    syn_network_inputs(p->net, k, p->tiles.x.window, p->tiles.y.window, in);
    (void)syn_network_output(p->net, k, p->tiles.x.window, p->tiles.y.window, &expected);
    syn_status st = syn_plan_get(p->net->model, k, in, precision, &plan, err);
    if (st != SYN_OK) return st;
    syn_plan_info(plan, &info);
    if (!syn_shape_equal(&info.out[0], &expected)) {
        syn_plan_release(plan);
        return syn_fail(err, SYN_INTERNAL,
                        "network: stage %d makes %s of a %dx%d window, its footprint says %s", k,
                        syn_shape_text(&info.out[0], is, sizeof is), p->tiles.x.window,
                        p->tiles.y.window, syn_shape_text(&expected, must, sizeof must));
    }
    *out = plan;
    return SYN_OK;
}

static syn_status begin_stage(struct upscale *u, const struct pass *p, struct syn_err *err)
{
    struct syn_plan_info info;
    syn_status st = get_plan(p, u->at.stage, u->precision, &u->running, err);
    if (st != SYN_OK) return st;
    syn_plan_info(u->running, &info);
    u->running_precision = info.precision;
    return SYN_OK;
}

/* ---- units ---- */

static void tile_spans(const struct pass *p, int64_t tile, struct syn_tile_span *x,
                       struct syn_tile_span *y)
{
    *x = syn_tile_axis_span(&p->tiles.x, (int32_t)(tile % p->tiles.x.n));
    *y = syn_tile_axis_span(&p->tiles.y, (int32_t)(tile / p->tiles.x.n));
}

static size_t vector_offset(const struct syn_network *net, int32_t stage)
{
    size_t n = 0;
    for (int32_t k = 0; k < stage; k++) n += (size_t)net->info.stage_channels[k];
    return n;
}

static void describe_unit(struct upscale *u, const struct pass *p, struct syn_unit *unit)
{
    struct syn_shape shape[SYN_MAX_UNIT_IO], out;
    const int32_t k = engine_stage(p, u->at.stage);
    const int32_t n_in = syn_network_inputs(p->net, k, p->tiles.x.window, p->tiles.y.window, shape);
    (void)syn_network_output(p->net, k, p->tiles.x.window, p->tiles.y.window, &out);
    *unit = (struct syn_unit){.plan = u->running, .n_in = n_in, .out = {out, SYN_F32, u->out}};
    unit->in[0] = (struct syn_tensor){shape[0], SYN_F32, u->in};
    for (int32_t i = 1; i < n_in; i++)
        unit->in[i] = (struct syn_tensor){shape[i], SYN_F32,
                                          u->vectors + vector_offset(p->net, i - 1)};
}

static syn_status upscale_next(struct syn_pipeline *base, struct syn_unit *unit, bool *more,
                               struct syn_err *err)
{
    struct upscale *u = self(base);
    syn_status st = SYN_OK;
    *more = u->at.layer < u->n_layers;
    if (!*more) return SYN_OK;

    const struct pass *p = &u->pass[u->at.pass];
    if (!u->in) st = begin_pass(u, p, err);
    if (st == SYN_OK && !u->running) st = begin_stage(u, p, err);
    if (st != SYN_OK) {
        end_pass(u);
        return st;
    }
    struct syn_tile_span x, y;
    tile_spans(p, u->at.tile, &x, &y);
    const struct syn_rect window = {x.origin - p->tiles.x.trim, y.origin - p->tiles.y.trim,
                                    p->tiles.x.window,
                                    p->tiles.y.window};
    syn_raster_read(&u->layer[u->at.layer], &window, u->m->edge, u->m->in_scale, u->m->in_offset,
                    u->in);
    describe_unit(u, p, unit);
    return SYN_OK;
}

static syn_status upscale_numeric(struct syn_pipeline *base, struct syn_unit *unit, bool *again,
                                  struct syn_err *err)
{
    struct upscale *u = self(base);
    *again = false;
    if (u->running_precision == SYN_PRECISION_F32 || u->wide) return SYN_OK;
    struct syn_err own = {""};
    syn_status st = get_plan(&u->pass[u->at.pass], u->at.stage, SYN_PRECISION_F32, &u->wide, &own);
    if (st != SYN_OK) return syn_fail(err, st, "retry in f32: %s", own.text);
    u->retries++;
    unit->plan = u->wide;
    *again = true;
    return SYN_OK;
}

/* The tile's core goes to the picture. */
static void write_core(struct upscale *u, const struct pass *p, const struct syn_tensor *out)
{
    struct syn_tile_span x, y;
    const int32_t s = p->net->scale;
    tile_spans(p, u->at.tile, &x, &y);
    const size_t row = (size_t)out->shape.dim[3], plane = row * (size_t)out->shape.dim[2];
    const size_t left = (size_t)((x.from - x.origin) * s);
    const size_t first = (size_t)((y.from - y.origin) * s) * row + left;
    const struct syn_rect core = {x.from * s, y.from * s, (x.to - x.from) * s, (y.to - y.from) * s};
    const struct syn_raster_planes planes = {(const float *)out->data + first, row, plane};
    const bool adds = p->net->variant->adds_input;
    const struct syn_raster_out how = {.scale = u->m->out_scale, .offset = u->m->out_offset,
                                       .gray = u->made.gray,
                                       .add = adds ? &u->layer[u->at.layer] : NULL,
                                       .add_factor = s};
    syn_raster_write(&u->made, &core, &planes, &how, u->row);
}

/* The tile's share of a stage's feature map goes into the sums. */
static void add_sums(struct upscale *u, const struct pass *p, const struct syn_tensor *out)
{
    const struct syn_footprint *f = &p->net->info.footprint[u->at.stage];
    const int32_t i = (int32_t)(u->at.tile % p->tiles.x.n);
    const int32_t j = (int32_t)(u->at.tile / p->tiles.x.n);
    int32_t x0, x1, y0, y1;
    syn_tile_axis_feature(&p->tiles.x, i, f->lost, f->scale_num, f->scale_den, &x0, &x1);
    syn_tile_axis_feature(&p->tiles.y, j, f->lost, f->scale_num, f->scale_den, &y0, &y1);
    const size_t row = (size_t)out->shape.dim[3], plane = row * (size_t)out->shape.dim[2];
    const float *first = (const float *)out->data + (size_t)y0 * row + (size_t)x0;
    const struct syn_raster_planes planes = {first, row, plane};
    syn_raster_sum(&planes, (int32_t)out->shape.dim[1], x1 - x0, y1 - y0, u->sums);
}

static void finish_sums(struct upscale *u, const struct pass *p)
{
    const struct syn_footprint *f = &p->net->info.footprint[u->at.stage];
    const int32_t channels = p->net->info.stage_channels[u->at.stage];
    const double w = syn_tile_feature_size(p->tiles.x.extended, f->lost, f->scale_num,
                                           f->scale_den);
    const double h = syn_tile_feature_size(p->tiles.y.extended, f->lost, f->scale_num,
                                           f->scale_den);
    float *v = u->vectors + vector_offset(p->net, u->at.stage);
    for (int32_t c = 0; c < channels; c++) {
        v[c] = (float)(u->sums[c] / (w * h));
        u->sums[c] = 0;
    }
}

static void next_pass(struct upscale *u)
{
    struct syn_image *layer = &u->layer[u->at.layer];
    syn_image_deinit(layer);
    *layer = u->made;
    u->made = (struct syn_image){0};
    end_pass(u);
    u->at.stage = 0;
    if (++u->at.pass < u->plan.passes) return;
    u->at.pass = 0;
    u->at.layer++;
}

static syn_status upscale_done(struct syn_pipeline *base, const struct syn_unit *unit,
                               struct syn_err *err)
{
    struct upscale *u = self(base);
    const struct pass *p = &u->pass[u->at.pass];
    const bool last_stage = u->at.stage == p->n_stages - 1;
    (void)err;
    if (last_stage) write_core(u, p, &unit->out);
    else add_sums(u, p, &unit->out);

    u->units_done++;
    if (u->wide || u->running_precision == SYN_PRECISION_F32) u->units_wide++;
    syn_plan_release(u->wide);
    u->wide = NULL;
    if (++u->at.tile < syn_tiles_count(&p->tiles)) return SYN_OK;

    u->at.tile = 0;
    if (last_stage) {
        next_pass(u);
        return SYN_OK;
    }
    finish_sums(u, p);
    syn_plan_release(u->running);
    u->running = NULL;
    u->at.stage++;
    return SYN_OK;
}

static void upscale_progress(const struct syn_pipeline *base, int64_t *done, int64_t *total)
{
    const struct upscale *u = (const struct upscale *)base;
    *done = u->units_done;
    *total = u->units_total;
}

/* ---- the end ---- */

static syn_status to_size(struct syn_image *im, int32_t w, int32_t h, enum syn_image_filter filter,
                          struct syn_err *err)
{
    struct syn_image resized = {0};
    if (im->width == w && im->height == h) return SYN_OK;
    syn_status st = syn_image_resize(im, w, h, filter, &resized, err);
    if (st != SYN_OK) return st;
    syn_image_deinit(im);
    *im = resized;
    return SYN_OK;
}

static syn_status upscale_finish(struct syn_pipeline *base, struct syn_image *out,
                                 struct syn_err *err)
{
    struct upscale *u = self(base);
    struct syn_image joined = {0};
    if (u->at.layer < u->n_layers)
        return syn_fail(err, SYN_CONFLICT, "finish: %lld of %lld units done",
                        (long long)u->units_done, (long long)u->units_total);
    if (!u->layer[0].pixels)
        return syn_fail(err, SYN_CONFLICT, "finish: the picture was taken before");
    syn_status st = to_size(&u->layer[0], u->plan.out_width, u->plan.out_height, u->params.filter,
                            err);
    if (st == SYN_OK && u->has_alpha) {
        st = to_size(&u->layer[1], u->plan.out_width, u->plan.out_height, u->params.filter, err);
        if (st == SYN_OK) st = syn_alpha_join(&u->layer[0], &u->layer[1], &joined, err);
    }
    if (st != SYN_OK) return st;
    if (u->has_alpha) {
        syn_image_deinit(&u->layer[0]);
        syn_image_deinit(&u->layer[1]);
        *out = joined;
    } else {
        *out = u->layer[0];
        u->layer[0] = (struct syn_image){0};
    }
    return SYN_OK;
}

static void upscale_close(struct syn_pipeline *base)
{
    struct upscale *u = self(base);
    end_pass(u);
    for (int32_t i = 0; i < 2; i++) {
        syn_image_deinit(&u->layer[i]);
        syn_network_drop(&u->net[i], u->models);
    }
    syn_free(u);
}

static const struct syn_pipeline_kind upscale_kind = {
    .kind = "upscale",
    .next = upscale_next,
    .done = upscale_done,
    .numeric = upscale_numeric,
    .finish = upscale_finish,
    .progress = upscale_progress,
    .close = upscale_close,
};

void syn_upscale_report(const struct syn_pipeline *base, struct syn_upscale_report *out)
{
    const struct upscale *u = (const struct upscale *)base;
    const struct syn_tiles *t = &u->pass[0].tiles;
    *out = (struct syn_upscale_report){
        .tiles = u->units_done,
        .tile_width = t->x.window,
        .tile_height = t->y.window,
        .halo = t->x.before,
        .precision = u->units_done == 0               ? u->precision
                     : u->units_wide == u->units_done ? SYN_PRECISION_F32
                                                      : SYN_PRECISION_BF16,
        .numeric_retries = u->retries,
    };
}

/* ---- the beginning ---- */

static syn_status cut_pass(struct upscale *u, struct pass *p,
                           const struct syn_upscale_limits *limits, struct syn_err *err)
{
    const uint64_t budget =
        limits->memory_budget_bytes ? limits->memory_budget_bytes : DEFAULT_BUDGET_BYTES;
    syn_status st = syn_network_cut(p->net, p->width, p->height, u->params.tile, budget,
                                    u->precision, &p->tiles, err);
    if (st != SYN_OK) return st;
    p->n_stages = syn_tiles_count(&p->tiles) == 1 ? 1 : p->net->info.n_stages;
    u->units_total += u->n_layers * syn_tiles_count(&p->tiles) * p->n_stages;
    return SYN_OK;
}

/* Opens the networks, the first pass's last so that it stays held, and cuts every pass's
 * picture. */
static syn_status plan_passes(struct upscale *u, const struct syn_upscale_limits *limits, int32_t w,
                              int32_t h, struct syn_err *err)
{
    const struct syn_variant *variant[2] = {u->plan.variant, u->plan.again};
    u->n_nets = u->plan.passes > 1 && u->plan.again != u->plan.variant ? 2 : 1;
    for (int32_t i = 0; i < u->plan.passes; i++) {
        u->pass[i] = (struct pass){.net = &u->net[i > 0 ? u->n_nets - 1 : 0], .width = w,
                                   .height = h};
        w *= u->plan.variant->scale;
        h *= u->plan.variant->scale;
    }
    for (int32_t k = u->n_nets - 1; k >= 0; k--) {
        syn_status st = syn_network_open(&u->net[k], u->models, u->m, variant[k], u->cancel, err);
        for (int32_t i = 0; st == SYN_OK && i < u->plan.passes; i++)
            if (u->pass[i].net == &u->net[k]) st = cut_pass(u, &u->pass[i], limits, err);
        if (st != SYN_OK) return st;
        if (k > 0) syn_network_drop(&u->net[k], u->models);
    }
    if (u->cancel && atomic_load(u->cancel)) return syn_fail(err, SYN_CANCELED,
                                                             "canceled while loading");
    return SYN_OK;
}

static syn_status check_image(const struct syn_image *im, struct syn_err *err)
{
    if ((im->channels != 3 && im->channels != 4) || (im->bits != 8 && im->bits != 16) ||
        !im->pixels)
        return syn_fail(err, SYN_INVALID,
                        "image: %d channels of %d bits: must be 3 or 4 of 8 or 16", im->channels,
                        im->bits);
    return SYN_OK;
}

syn_status syn_upscale_open(struct syn_models *models, const struct syn_manifest *m,
                            const struct syn_upscale_params *p,
                            const struct syn_upscale_limits *limits, struct syn_image *image,
                            const atomic_bool *cancel, struct syn_pipeline **out,
                            struct syn_err *err)
{
    struct syn_upscale_plan plan;
    syn_status st = check_image(image, err);
    if (st == SYN_OK) st = syn_upscale_resolve(m, p, limits, image->width, image->height, &plan,
                                               err);
    if (st != SYN_OK) return st;

    struct upscale *u = syn_calloc(1, sizeof *u);
    if (!u) return syn_fail(err, SYN_NO_MEMORY, "memory: %zu bytes needed for the job", sizeof *u);
    u->base.kind = &upscale_kind;
    u->models = models;
    u->m = m;
    u->params = *p;
    u->plan = plan;
    u->precision = m->pin_f32 ? SYN_PRECISION_F32 : p->precision;
    u->has_alpha = p->alpha != SYN_ALPHA_DROP && !syn_alpha_opaque(image);
    u->n_layers = u->has_alpha && p->alpha == SYN_ALPHA_MODEL ? 2 : 1;

    u->cancel = cancel;
    st = plan_passes(u, limits, image->width, image->height, err);
    if (st == SYN_OK) st = syn_alpha_split(image, &u->layer[0], u->has_alpha ? &u->layer[1] : NULL,
                                           err);
    if (st != SYN_OK) {
        upscale_close(&u->base);
        return st;
    }
    *out = &u->base;
    return SYN_OK;
}
