/* trial.c - see models.h: one network, planned at a size and run on made-up samples.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/models.h"
#include <stdio.h>
#include <string.h>

bool syn_parse_size(const char *text, int32_t *width, int32_t *height)
{
    const char *x = strchr(text, 'x');
    char left[16];
    int64_t w, h;
    if (!x || (size_t)(x - text) >= sizeof left) return false;
    snprintf(left, sizeof left, "%.*s", (int)(x - text), text);
    if (!syn_parse_int(left, 1, 65535, &w) || !syn_parse_int(x + 1, 1, 65535, &h)) return false;
    *width = (int32_t)w;
    *height = (int32_t)h;
    return true;
}

/* Dense f32 of this shape, zeroed. */
static syn_status tensor_init(struct syn_tensor *t, const struct syn_shape *shape,
                              struct syn_err *err)
{
    int64_t n;
    if (!syn_shape_elements(shape, &n))
        return syn_fail(err, SYN_TOO_LARGE, "size: too many samples");
    t->shape = *shape;
    t->dtype = SYN_F32;
    t->data = syn_calloc((size_t)n, sizeof(float));
    return t->data ? SYN_OK
                   : syn_fail(err, SYN_NO_MEMORY, "no memory for %lld samples", (long long)n);
}

float syn_trial_sample(int64_t i, uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u; /* a linear congruential sequence */
    return (float)(i % 97) / 194.0f + (float)(*state >> 8) * 0x1p-25f;
}

static void fill(struct syn_tensor *t)
{
    float *x = t->data;
    uint32_t state = SYN_TRIAL_SEED;
    int64_t n;
    if (!syn_shape_elements(&t->shape, &n)) return;
    for (int64_t i = 0; i < n; i++) x[i] = syn_trial_sample(i, &state);
}

static int32_t round_up(int32_t v, int32_t multiple)
{
    return multiple > 1 ? (v + multiple - 1) / multiple * multiple : v;
}

syn_status syn_trial_open(struct syn_trial *t, struct syn_models *models,
                          const struct syn_manifest *m, const struct syn_variant *v, int32_t width,
                          int32_t height, syn_precision precision, struct syn_err *err)
{
    struct syn_model_info info;
    struct syn_plan_info plan;
    struct syn_shape shape;
    syn_status st;
    int32_t align;
    memset(t, 0, sizeof *t);
    t->models = models;
    st = syn_models_acquire(models, m->id, v, NULL, &t->loaded, err);
    if (st != SYN_OK) return st;
    syn_model_info(syn_loaded_model(t->loaded), &info);
    align = info.footprint[info.n_stages - 1].align;
    shape = syn_shape4(1, info.channels_in, round_up(height, align), round_up(width, align));
    st = syn_plan_get(syn_loaded_model(t->loaded), -1, &shape,
                      m->pin_f32 ? SYN_PRECISION_F32 : precision, &t->plan, err);
    if (st != SYN_OK) return st;
    syn_plan_info(t->plan, &plan);
    st = tensor_init(&t->in, &plan.in[0], err);
    if (st == SYN_OK) st = tensor_init(&t->out, &plan.out[0], err);
    if (st == SYN_OK) fill(&t->in);
    return st;
}

syn_status syn_trial_run(struct syn_trial *t, bool profile, double *seconds, struct syn_err *err)
{
    const struct syn_run_opts opts = {.profile = profile};
    double began = syn_seconds_now();
    syn_status st = syn_plan_run(t->plan, &t->in, &t->out, &opts, err);
    *seconds = syn_seconds_now() - began;
    return st;
}

void syn_trial_close(struct syn_trial *t)
{
    syn_plan_release(t->plan);
    if (t->loaded) syn_models_release(t->models, t->loaded);
    syn_free(t->in.data);
    syn_free(t->out.data);
    memset(t, 0, sizeof *t);
}
