/* denoise.c - see denoise.h.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h.
 *
 *     next: gather a chunk ──► enc ──► erb_dec ──► df_dec ──► done: samples into the channel ──┐
 *              ▲                                                                               │
 *              └──────────── next chunk, or next channel when this one has all its samples ────┘
 *
 * Invariants. 1. The channel's plane is input beyond `read` and result before `written`, and written
 *             <= read until the input is used up: results lag behind by the networks' delay.
 *             2. Between two chunks past[] and state[] hold what the networks remember. */
#include "server/pipelines/denoise.h"
#include "kernels/base/alloc.h"
#include "server/media/resample.h"
#include "server/pipelines/denoise_dsp.h"
#include <inttypes.h>
#include <string.h>

enum {
    ENC, ERB_DEC, DF_DEC, N_NETS,
    MAX_ROLES = 8,
    DEFAULT_STEPS = 100,
    HIDDEN = 256,    /* of DeepFilterNet3's recurrences */
    CHANNELS = 64,   /* of its convolutions */
    ENC_PAST = 2,    /* frames before that a convolution of the encoder sees */
    DF_PAST = 4,
    N_STATES = 5
};

/* What each network takes and gives, by the manifest's roles. */
static const struct {
    const char *name, *in[MAX_ROLES], *out[MAX_ROLES];
} nets[N_NETS] = {
    {"enc", {"erb", "spec", "gru"}, {"e0", "e1", "e2", "e3", "emb", "c0", "gru"}},
    {"erb_dec", {"emb", "e3", "e2", "e1", "e0", "gru0", "gru1"}, {"mask", "gru0", "gru1"}},
    {"df_dec", {"emb", "c0_past", "gru0", "gru1"}, {"coefs", "gru0", "gru1"}},
};
enum { E0, E1, E2, E3, EMB, C0, ENC_GRU };

struct net {
    struct syn_loaded *loaded;
    struct syn_model *model;
    int32_t in_at[MAX_ROLES], out_at[MAX_ROLES]; /* place among the model's inputs and outputs */
    struct syn_tensor made[MAX_ROLES];           /* of this chunk, by role; owned */
};

struct denoise {
    struct syn_pipeline base;
    struct syn_models *models;
    struct syn_sound sound;
    struct syn_denoise_form form;
    struct net net[N_NETS];
    struct syn_denoise_dsp *dsp;
    struct syn_resampler *up, *down;
    int32_t steps, running; /* frames a chunk; the network whose unit is out */
    int32_t channel;
    int64_t read, written;  /* frames of the channel */
    int64_t skip;           /* samples of the networks' delay that are still to be dropped */
    int64_t chunks, done, total;
    bool dry;               /* the resampler has given its last sample of this channel */
    float *samples;         /* [steps * hop]: a chunk at the model's rate, in and out */
    float *erb;             /* [ENC_PAST + steps][bands] */
    float *spec, *planes;   /* [2][ENC_PAST + steps][df_bins]; the same without the past */
    float *c0;              /* [CHANNELS][DF_PAST + steps][df_bins] */
    float state[N_STATES][HIDDEN]; /* enc; erb_dec 0, 1; df_dec 0, 1 */
};

static size_t chunk_samples(const struct denoise *d)
{
    return (size_t)d->steps * (size_t)d->form.hop;
}

/* --- one chunk: gather --- */

/* The next chunk's samples at the model's rate; silence behind the end. */
static syn_status gather(struct denoise *d, struct syn_err *err)
{
    const size_t want = chunk_samples(d);
    const float *plane = syn_sound_channel(&d->sound, d->channel);
    size_t have = 0;
    while (have < want && !d->dry) {
        const size_t left = (size_t)(d->sound.frames - d->read);
        const size_t n = left < want ? left : want;
        size_t used = 0, made = 0;
        syn_status st = syn_resampler_push(d->up, n ? plane + d->read : NULL, n, &used,
                                           d->samples + have, want - have, &made, err);
        if (st != SYN_OK) return st;
        d->read += (int64_t)used;
        have += made;
        d->dry = n == 0 && made == 0;
    }
    memset(d->samples + have, 0, (want - have) * sizeof *d->samples);
    return SYN_OK;
}

/* The frames of the last chunk that the next one sees before its own: from the end to the front. */
static void keep_past(float *rows, int32_t past, int32_t steps, int32_t width)
{
    memmove(rows, rows + (size_t)steps * (size_t)width,
            (size_t)past * (size_t)width * sizeof *rows);
}

static void analyse(struct denoise *d)
{
    const int32_t bands = d->form.bands, bins = d->form.df_bins, steps = d->steps;
    const size_t plane = (size_t)(ENC_PAST + steps) * (size_t)bins;
    syn_denoise_dsp_analyse(d->dsp, d->samples, d->erb + (size_t)ENC_PAST * (size_t)bands,
                            d->planes);
    for (int32_t i = 0; i < 2; i++)
        memcpy(d->spec + (size_t)i * plane + (size_t)ENC_PAST * (size_t)bins,
               d->planes + (size_t)i * (size_t)steps * (size_t)bins,
               (size_t)steps * (size_t)bins * sizeof *d->spec);
}

/* --- one chunk: units --- */

static struct syn_tensor tensor_of(float *data, int32_t rank, const int64_t *dim)
{
    struct syn_tensor t = {.shape = syn_shape_of(rank, dim), .dtype = SYN_F32, .data = data};
    return t;
}

static struct syn_tensor state_of(struct denoise *d, int32_t i)
{
    return tensor_of(d->state[i], 3, (const int64_t[]){1, 1, HIDDEN});
}

static void start_unit(struct denoise *d, struct syn_unit *unit)
{
    const struct net *n = &d->net[d->running];
    const struct syn_tensor *enc = d->net[ENC].made;
    const int64_t bands = d->form.bands, bins = d->form.df_bins, steps = d->steps;
    struct syn_tensor in[MAX_ROLES] = {0};
    switch (d->running) {
    case ENC:
        in[0] = tensor_of(d->erb, 4, (const int64_t[]){1, 1, ENC_PAST + steps, bands});
        in[1] = tensor_of(d->spec, 4, (const int64_t[]){1, 2, ENC_PAST + steps, bins});
        in[2] = state_of(d, 0);
        break;
    case ERB_DEC:
        in[0] = enc[EMB], in[1] = enc[E3], in[2] = enc[E2], in[3] = enc[E1], in[4] = enc[E0];
        in[5] = state_of(d, 1), in[6] = state_of(d, 2);
        break;
    default:
        in[0] = enc[EMB];
        in[1] = tensor_of(d->c0, 4, (const int64_t[]){1, CHANNELS, DF_PAST + steps, bins});
        in[2] = state_of(d, 3), in[3] = state_of(d, 4);
    }
    unit->model = n->model;
    unit->precision = SYN_PRECISION_F32;
    for (int32_t i = 0; i < MAX_ROLES && nets[d->running].in[i]; i++) {
        unit->in[n->in_at[i]] = in[i];
        unit->n_in++;
    }
}

/* A made tensor of f32 with so many elements; NULL and *st set when it is another. */
static const float *made_floats(const struct denoise *d, int32_t net, int32_t role, int64_t want,
                                syn_status *st, struct syn_err *err)
{
    const struct syn_tensor *t = &d->net[net].made[role];
    int64_t n = 0;
    char text[96];
    if (*st != SYN_OK) return NULL;
    if (t->dtype == SYN_F32 && syn_shape_elements(&t->shape, &n) && n == want) return t->data;
    *st = syn_fail(err, SYN_UNSUPPORTED,
                   "network %s: output %s is %s %s: must be f32 with %" PRId64 " elements",
                   nets[net].name, nets[net].out[role], syn_dtype_word(t->dtype),
                   syn_shape_text(&t->shape, text, sizeof text), want);
    return NULL;
}

static syn_status keep_state(struct denoise *d, int32_t net, int32_t role, int32_t state,
                             struct syn_err *err)
{
    syn_status st = SYN_OK;
    const float *h = made_floats(d, net, role, HIDDEN, &st, err);
    if (h) memcpy(d->state[state], h, sizeof d->state[state]);
    return st;
}

static syn_status after_encoder(struct denoise *d, struct syn_err *err)
{
    const int32_t bins = d->form.df_bins, steps = d->steps;
    const size_t whole = (size_t)(DF_PAST + steps) * (size_t)bins;
    const size_t part = (size_t)steps * (size_t)bins;
    syn_status st = keep_state(d, ENC, ENC_GRU, 0, err);
    const float *c0 = made_floats(d, ENC, C0, (int64_t)part * CHANNELS, &st, err);
    if (!c0) return st;
    for (int32_t c = 0; c < CHANNELS; c++)
        memcpy(d->c0 + (size_t)c * whole + (size_t)DF_PAST * (size_t)bins, c0 + (size_t)c * part,
               part * sizeof *c0);
    keep_past(d->erb, ENC_PAST, steps, d->form.bands);
    for (int32_t i = 0; i < 2; i++)
        keep_past(d->spec + (size_t)i * (size_t)(ENC_PAST + steps) * (size_t)bins, ENC_PAST, steps,
                  bins);
    return SYN_OK;
}

static void free_made(struct denoise *d)
{
    for (int32_t k = 0; k < N_NETS; k++)
        for (int32_t i = 0; i < MAX_ROLES; i++) {
            syn_free(d->net[k].made[i].data);
            d->net[k].made[i] = (struct syn_tensor){0};
        }
}

/* The chunk's samples, less the delay, into the channel at its own rate. */
static syn_status deliver(struct denoise *d, struct syn_err *err)
{
    float *plane = syn_sound_channel(&d->sound, d->channel);
    const size_t n = chunk_samples(d);
    size_t at = (size_t)d->skip < n ? (size_t)d->skip : n;
    d->skip -= (int64_t)at;
    while (at < n && d->written < d->sound.frames) {
        size_t used = 0, made = 0;
        syn_status st =
            syn_resampler_push(d->down, d->samples + at, n - at, &used, plane + d->written,
                               (size_t)(d->sound.frames - d->written), &made, err);
        if (st != SYN_OK) return st;
        at += used;
        d->written += (int64_t)made;
    }
    return SYN_OK;
}

static syn_status after_filters(struct denoise *d, struct syn_err *err)
{
    const int32_t bins = d->form.df_bins, steps = d->steps;
    syn_status st = keep_state(d, DF_DEC, 1, 3, err);
    const float *gains, *coefs;
    if (st == SYN_OK) st = keep_state(d, DF_DEC, 2, 4, err);
    gains = made_floats(d, ERB_DEC, 0, (int64_t)steps * d->form.bands, &st, err);
    coefs = made_floats(d, DF_DEC, 0, (int64_t)steps * bins * d->form.order * 2, &st, err);
    if (st != SYN_OK) return st;
    syn_denoise_dsp_synthesise(d->dsp, gains, coefs, d->samples);
    for (int32_t c = 0; c < CHANNELS; c++)
        keep_past(d->c0 + (size_t)c * (size_t)(DF_PAST + steps) * (size_t)bins, DF_PAST, steps,
                  bins);
    free_made(d);
    d->chunks++;
    return deliver(d, err);
}

/* --- channels --- */

static syn_status start_channel(struct denoise *d, struct syn_err *err)
{
    const size_t bands = (size_t)d->form.bands, bins = (size_t)d->form.df_bins;
    syn_status st;
    syn_resampler_free(d->up);
    syn_resampler_free(d->down);
    d->up = d->down = NULL;
    st = syn_resampler_new(d->sound.rate, d->form.rate, &d->up, err);
    if (st == SYN_OK) st = syn_resampler_new(d->form.rate, d->sound.rate, &d->down, err);
    if (st != SYN_OK) return st;
    syn_denoise_dsp_reset(d->dsp);
    memset(d->state, 0, sizeof d->state);
    memset(d->erb, 0, ENC_PAST * bands * sizeof *d->erb);
    for (size_t i = 0; i < 2; i++)
        memset(d->spec + i * (size_t)(ENC_PAST + d->steps) * bins, 0,
               ENC_PAST * bins * sizeof *d->spec);
    for (size_t c = 0; c < CHANNELS; c++)
        memset(d->c0 + c * (size_t)(DF_PAST + d->steps) * bins, 0, DF_PAST * bins * sizeof *d->c0);
    d->read = d->written = 0;
    d->dry = false;
    d->skip = (int64_t)(1 + d->form.lookahead) * d->form.hop;
    return SYN_OK;
}

/* --- the kind --- */

static syn_status next(struct syn_pipeline *p, struct syn_unit *unit, bool *more,
                       struct syn_err *err)
{
    struct denoise *d = (struct denoise *)p;
    syn_status st = SYN_OK;
    if (d->running == ENC && d->written == d->sound.frames) {
        *more = ++d->channel < d->sound.channels;
        if (!*more) return SYN_OK;
        st = start_channel(d, err);
    }
    if (st == SYN_OK && d->running == ENC) {
        st = gather(d, err);
        if (st == SYN_OK) analyse(d);
    }
    if (st != SYN_OK) return st;
    start_unit(d, unit);
    *more = true;
    return SYN_OK;
}

static syn_status done(struct syn_pipeline *p, const struct syn_unit *unit, struct syn_err *err)
{
    struct denoise *d = (struct denoise *)p;
    struct net *n = &d->net[d->running];
    struct syn_model_info info;
    syn_status st;
    syn_model_info(n->model, &info);
    for (int32_t i = 0; i < info.n_outputs; i++) {
        int32_t role = 0;
        while (role < MAX_ROLES && n->out_at[role] != i) role++;
        if (role < MAX_ROLES)
            n->made[role] = unit->made[i];
        else
            syn_free(unit->made[i].data); /* the estimate of the signal to noise ratio */
    }
    d->done++;
    switch (d->running) {
    case ENC: st = after_encoder(d, err); break;
    case ERB_DEC:
        st = keep_state(d, ERB_DEC, 1, 1, err);
        if (st == SYN_OK) st = keep_state(d, ERB_DEC, 2, 2, err);
        break;
    default: st = after_filters(d, err);
    }
    d->running = (d->running + 1) % N_NETS;
    return st;
}

static syn_status finish_sound(struct syn_pipeline *p, struct syn_sound *out, struct syn_err *err)
{
    struct denoise *d = (struct denoise *)p;
    (void)err;
    *out = d->sound;
    memset(&d->sound, 0, sizeof d->sound);
    return SYN_OK;
}

static void progress(const struct syn_pipeline *p, int64_t *done_units, int64_t *total)
{
    const struct denoise *d = (const struct denoise *)p;
    *done_units = d->done;
    *total = d->done > d->total ? d->done : d->total;
}

static void close_kind(struct syn_pipeline *p)
{
    struct denoise *d = (struct denoise *)p;
    free_made(d);
    for (int32_t k = N_NETS - 1; k >= 0; k--) syn_models_release(d->models, d->net[k].loaded);
    syn_resampler_free(d->up);
    syn_resampler_free(d->down);
    syn_denoise_dsp_free(d->dsp);
    syn_free(d->samples);
    syn_free(d->erb);
    syn_free(d->spec);
    syn_free(d->planes);
    syn_free(d->c0);
    syn_sound_deinit(&d->sound);
    syn_free(d);
}

static const struct syn_pipeline_kind kind = {.kind = SYN_DENOISE_KIND,
                                              .next = next,
                                              .done = done,
                                              .finish_sound = finish_sound,
                                              .progress = progress,
                                              .close = close_kind};

/* --- opening --- */

static void read_form(const struct syn_manifest *m, struct syn_denoise_form *f)
{
    f->rate = (int32_t)syn_manifest_setting(m, "rate", 0);
    f->fft = (int32_t)syn_manifest_setting(m, "fft", 0);
    f->hop = (int32_t)syn_manifest_setting(m, "hop", 0);
    f->bands = (int32_t)syn_manifest_setting(m, "erb_bands", 0);
    f->min_bins = (int32_t)syn_manifest_setting(m, "erb_min_bins", 0);
    f->df_bins = (int32_t)syn_manifest_setting(m, "df_bins", 0);
    f->order = (int32_t)syn_manifest_setting(m, "df_order", 0);
    f->lookahead = (int32_t)syn_manifest_setting(m, "conv_lookahead", 0);
    f->norm_tau = syn_manifest_setting(m, "norm_tau", 0);
}

/* Place of each role among the model's inputs or outputs; all inputs must be taken. */
static syn_status find_ports(const struct syn_manifest *m, const struct syn_variant *v,
                             struct net *n, int32_t which, bool output, struct syn_err *err)
{
    const char *const *role = output ? nets[which].out : nets[which].in;
    int32_t *at = output ? n->out_at : n->in_at, count, roles = 0;
    struct syn_model_info info;
    syn_model_info(n->model, &info);
    count = output ? info.n_outputs : info.n_inputs;
    for (int32_t i = 0; i < MAX_ROLES; i++) at[i] = -1;
    for (; roles < MAX_ROLES && role[roles]; roles++) {
        const char *tensor = syn_manifest_tensor(m, v, output, role[roles]);
        for (int32_t i = 0; tensor && i < count && at[roles] < 0; i++) {
            struct syn_io io;
            if (output)
                syn_model_output(n->model, i, &io);
            else
                syn_model_input(n->model, i, &io);
            if (strcmp(io.name, tensor) == 0) at[roles] = i;
        }
        if (at[roles] < 0)
            return syn_fail(err, SYN_UNSUPPORTED, "network %s of %s has no %s \"%s\"",
                            nets[which].name, m->id, output ? "output" : "input", role[roles]);
    }
    if ((!output && count != roles) || count > SYN_MAX_UNIT_IO)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "network %s of %s has %" PRId32 " %s: must be %" PRId32, nets[which].name,
                        m->id, count, output ? "outputs" : "inputs", roles);
    return SYN_OK;
}

static syn_status open_net(struct denoise *d, const struct syn_manifest *m, int32_t which,
                           const atomic_bool *cancel, struct syn_err *err)
{
    const struct syn_variant *v = syn_manifest_network(m, nets[which].name);
    struct net *n = &d->net[which];
    syn_status st;
    if (!v)
        return syn_fail(err, SYN_UNSUPPORTED, "model %s has no network \"%s\"", m->id,
                        nets[which].name);
    st = syn_models_acquire(d->models, m->id, v, cancel, &n->loaded, err);
    if (st != SYN_OK) return st;
    n->model = syn_loaded_model(n->loaded);
    st = find_ports(m, v, n, which, false, err);
    return st == SYN_OK ? find_ports(m, v, n, which, true, err) : st;
}

static syn_status allocate(struct denoise *d, struct syn_err *err)
{
    const size_t steps = (size_t)d->steps, bins = (size_t)d->form.df_bins;
    d->samples = syn_calloc(chunk_samples(d), sizeof *d->samples);
    d->erb = syn_calloc((ENC_PAST + steps) * (size_t)d->form.bands, sizeof *d->erb);
    d->spec = syn_calloc(2 * (ENC_PAST + steps) * bins, sizeof *d->spec);
    d->planes = syn_calloc(2 * steps * bins, sizeof *d->planes);
    d->c0 = syn_calloc(CHANNELS * (DF_PAST + steps) * bins, sizeof *d->c0);
    return d->samples && d->erb && d->spec && d->planes && d->c0
               ? SYN_OK
               : syn_fail(err, SYN_NO_MEMORY, "no memory for a chunk of %" PRId32 " frames",
                          d->steps);
}

static syn_status check_params(const struct syn_denoise_params *p, struct syn_err *err)
{
    if (!(p->attenuation_db >= 0 && p->attenuation_db <= (float)SYN_DENOISE_MAX_ATTENUATION_DB))
        return syn_fail(err, SYN_INVALID, "attenuation_db = %g: must be in [0, %g]",
                        (double)p->attenuation_db, SYN_DENOISE_MAX_ATTENUATION_DB);
    if (!(p->post_filter >= 0 && p->post_filter <= 0.05f))
        return syn_fail(err, SYN_INVALID, "post_filter = %g: must be in [0, 0.05]",
                        (double)p->post_filter);
    return SYN_OK;
}

syn_status syn_denoise_check(const struct syn_manifest *m, int32_t rate, struct syn_err *err)
{
    return syn_resampler_check(rate, (int32_t)syn_manifest_setting(m, "rate", 0), err);
}

syn_status syn_denoise_open(struct syn_models *models, const struct syn_manifest *m,
                            const struct syn_denoise_params *p, int32_t chunk_steps,
                            struct syn_sound *sound, const atomic_bool *cancel,
                            struct syn_pipeline **out, struct syn_err *err)
{
    const struct syn_denoise_mix mix = {p->attenuation_db, p->post_filter};
    struct denoise *d;
    syn_status st = check_params(p, err);
    if (st != SYN_OK) return st;
    d = syn_calloc(1, sizeof *d);
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    d->base.kind = &kind;
    d->models = models;
    d->steps = chunk_steps ? chunk_steps : DEFAULT_STEPS;
    read_form(m, &d->form);
    st = syn_denoise_dsp_new(&d->form, &mix, d->steps, &d->dsp, err);
    if (st == SYN_OK) st = allocate(d, err);
    for (int32_t k = 0; k < N_NETS && st == SYN_OK; k++) st = open_net(d, m, k, cancel, err);
    if (st == SYN_OK) {
        d->sound = *sound;
        st = start_channel(d, err);
    }
    if (st != SYN_OK) {
        memset(&d->sound, 0, sizeof d->sound); /* the caller's still */
        close_kind(&d->base);
        return st;
    }
    memset(sound, 0, sizeof *sound);
    d->total = syn_resampled_length(d->sound.frames, d->sound.rate, d->form.rate) + d->skip;
    d->total = (d->total + (int64_t)chunk_samples(d) - 1) / (int64_t)chunk_samples(d);
    d->total *= (int64_t)d->sound.channels * N_NETS;
    *out = &d->base;
    return SYN_OK;
}

void syn_denoise_report(const struct syn_pipeline *p, struct syn_denoise_report *out)
{
    const struct denoise *d = (const struct denoise *)p;
    out->rate = d->form.rate;
    out->chunks = d->chunks;
}
