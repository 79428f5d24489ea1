/* network.c - see network.h.
 *
 * Layer: server/pipelines.   Threads: as pipeline.h. */
#include "server/pipelines/network.h"
#include "kernels/base/alloc.h"

static int32_t at_least(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t common_multiple(int32_t a, int32_t b)
{
    int32_t x = a, y = b;
    while (y) {
        const int32_t t = x % y;
        x = y;
        y = t;
    }
    return a / x * b;
}

/* One geometry that serves every stage: the widest halo, the common alignment, the picture's
 * trim. */
static syn_status find_geometry(struct syn_network *n, const struct syn_manifest *m,
                                struct syn_err *err)
{
    const struct syn_footprint *last = &n->info.footprint[n->info.n_stages - 1];
    struct syn_tile_net g = {.trim = last->trim, .align = 1};
    for (int32_t k = 0; k < n->info.n_stages; k++) {
        const struct syn_footprint *f = &n->info.footprint[k];
        if (f->align < 1 || f->scale_num < 1 || f->scale_den < 1 || f->trim < 0 || f->lost < 0)
            return syn_fail(err, SYN_INTERNAL, "%s: stage %d has an impossible footprint", m->id,
                            k);
        if (f->trim > last->trim)
            return syn_fail(err, SYN_UNSUPPORTED,
                            "%s: stage %d loses more border than the picture does", m->id, k);
        g.before = at_least(g.before, f->before);
        g.after = at_least(g.after, f->after);
        g.align = common_multiple(g.align, common_multiple(f->align, f->scale_den));
    }
    if (m->halo > 0 && m->halo < g.before) g.before = m->halo;
    if (m->halo > 0 && m->halo < g.after) g.after = m->halo;
    g.before = at_least(g.before, g.trim);
    g.after = at_least(g.after, g.trim);
    n->geometry = g;
    return SYN_OK;
}

static syn_status check_against_manifest(const struct syn_network *n, const struct syn_manifest *m,
                                         struct syn_err *err)
{
    const struct syn_footprint *f;
    if (n->info.n_stages < 1 || n->info.n_stages > SYN_MAX_STAGES)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: %d stages: must be in [1, %d]", m->id,
                        n->info.n_stages, SYN_MAX_STAGES);
    if (n->info.channels_in != 3 || n->info.channels_out != 3)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: %d channels in, %d out: an upscaler has 3 and 3",
                        m->id, n->info.channels_in, n->info.channels_out);
    f = &n->info.footprint[n->info.n_stages - 1];
    if (f->scale_den != 1 || f->scale_num != n->variant->scale)
        return syn_fail(err, SYN_INVALID, "%s: the network enlarges by %d/%d, its manifest says %d",
                        m->id, f->scale_num, f->scale_den, n->variant->scale);
    return SYN_OK;
}

syn_status syn_network_open(struct syn_network *n, struct syn_models *models,
                            const struct syn_manifest *m, const struct syn_variant *v,
                            const atomic_bool *cancel, struct syn_err *err)
{
    struct syn_network net = {.variant = v, .scale = v->scale};
    syn_status st = syn_network_hold(&net, models, m, cancel, err);
    if (st != SYN_OK) return st;
    syn_model_info(net.model, &net.info);
    st = check_against_manifest(&net, m, err);
    if (st == SYN_OK) st = find_geometry(&net, m, err);
    if (st != SYN_OK) {
        syn_network_drop(&net, models);
        return st;
    }
    *n = net;
    return SYN_OK;
}

syn_status syn_network_hold(struct syn_network *n, struct syn_models *models,
                            const struct syn_manifest *m, const atomic_bool *cancel,
                            struct syn_err *err)
{
    if (n->loaded) return SYN_OK;
    syn_status st = syn_models_acquire(models, m->id, n->variant, cancel, &n->loaded, err);
    if (st == SYN_OK) n->model = syn_loaded_model(n->loaded);
    return st;
}

void syn_network_drop(struct syn_network *n, struct syn_models *models)
{
    if (n->loaded) syn_models_release(models, n->loaded);
    n->loaded = NULL;
    n->model = NULL;
}

int32_t syn_network_inputs(const struct syn_network *n, int32_t stage, int32_t width,
                           int32_t height, struct syn_shape in[SYN_MAX_UNIT_IO])
{
    in[0] = syn_shape4(1, n->info.channels_in, height, width);
    for (int32_t k = 0; k < stage; k++) in[1 + k] = syn_shape4(1, n->info.stage_channels[k], 1, 1);
    return stage < 0 ? 1 : 1 + stage;
}

bool syn_network_output(const struct syn_network *n, int32_t stage, int32_t width, int32_t height,
                        struct syn_shape *out)
{
    const int32_t last = n->info.n_stages - 1, k = stage < 0 ? last : stage;
    const struct syn_footprint *f = &n->info.footprint[k];
    const int32_t h = syn_tile_feature_size(height, f->lost, f->scale_num, f->scale_den);
    const int32_t w = syn_tile_feature_size(width, f->lost, f->scale_num, f->scale_den);
    *out = syn_shape4(1, k == last ? n->info.channels_out : n->info.stage_channels[k], h, w);
    return w >= 1 && h >= 1;
}

struct estimate {
    const struct syn_network *net;
    syn_precision precision;
    int32_t whole_w, whole_h; /* a window of this size is the whole picture: one run, no stages */
    int32_t shortest;         /* no window is smaller, but to fit the picture */
};

static uint64_t tensor_bytes(const struct syn_shape *s)
{
    int64_t n;
    return syn_shape_elements(s, &n) ? (uint64_t)n * sizeof(float) : UINT64_MAX / 4;
}

static syn_status stage_bytes(const struct estimate *e, int32_t stage, int32_t width,
                              int32_t height, uint64_t *bytes, struct syn_err *err)
{
    struct syn_shape in[SYN_MAX_UNIT_IO], out;
    uint64_t peak = 0;
    const int32_t n_in = syn_network_inputs(e->net, stage, width, height, in);
    if (!syn_network_output(e->net, stage, width, height, &out))
        return syn_fail(err, SYN_INTERNAL, "tile: a window of %dx%d leaves no pixel", width,
                        height);
    syn_status st = syn_plan_estimate(e->net->model, stage, in, e->precision, &peak, err);
    if (st == SYN_TOO_LARGE && (width > e->shortest || height > e->shortest))
        peak = UINT64_MAX / 4; /* over a limit of the engine's own: a smaller one may do */
    else if (st != SYN_OK)
        return st;
    *bytes = peak + tensor_bytes(&out);
    for (int32_t k = 0; k < n_in; k++) *bytes += tensor_bytes(&in[k]);
    return SYN_OK;
}

static syn_status window_bytes(void *user, int32_t width, int32_t height, uint64_t *bytes,
                               struct syn_err *err)
{
    const struct estimate *e = (const struct estimate *)user;
    const bool whole = e->net->info.n_stages == 1 || (width == e->whole_w && height == e->whole_h);
    uint64_t most = 0;
    if (whole) return stage_bytes(e, -1, width, height, bytes, err);
    for (int32_t k = 0; k < e->net->info.n_stages; k++) {
        uint64_t b;
        syn_status st = stage_bytes(e, k, width, height, &b, err);
        if (st != SYN_OK) return st;
        if (b > most) most = b;
    }
    *bytes = most;
    return SYN_OK;
}

syn_status syn_network_cut(const struct syn_network *n, int32_t width, int32_t height,
                           int32_t max_core, uint64_t budget_bytes, syn_precision precision,
                           struct syn_tiles *out, struct syn_err *err)
{
    struct estimate e = {n, precision, syn_tile_extended(&n->geometry, width),
                         syn_tile_extended(&n->geometry, height), syn_tile_shortest(&n->geometry)};
    const struct syn_tile_limits lim = {max_core, budget_bytes, window_bytes, &e};
    return syn_tiles_plan(&n->geometry, width, height, &lim, out, err);
}
