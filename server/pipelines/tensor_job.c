/* tensor_job.c - see tensor_job.h.
 *
 * Layer:   server/pipelines.   Threads: as pipeline.h. */
#include "server/pipelines/tensor_job.h"
#include "kernels/base/alloc.h"
#include "server/pipelines/kinds_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { P_NETWORK, P_OUTPUTS, P_PRECISION, P_SEED };

static const char *const precision_words[] = {"auto", "f32", "bf16", NULL};

const struct syn_param_spec syn_tensor_param_table[SYN_TENSOR_N_PARAMS] = {
    [P_NETWORK] = {"network", SYN_PARAM_STRING, 0, 0, NULL, NULL,
                   "Which network of the model; needed where it has more than one."},
    [P_OUTPUTS] = {"outputs", SYN_PARAM_STRING, 0, 0, NULL, NULL,
                   "Names of the outputs wanted, with commas between; by default all."},
    [P_PRECISION] = {"precision", SYN_PARAM_STRING, 0, 0, precision_words, "\"f32\"",
                     "Of the arithmetic; auto is what is quickest here."},
    [P_SEED] = {"seed", SYN_PARAM_INTEGER, 0, 9007199254740991.0, NULL, "0",
                "Of random operators that have none of their own."},
};

struct tensor_job {
    struct syn_pipeline base;
    struct syn_models *models;
    const struct syn_manifest *manifest;
    const struct syn_variant *network;
    struct syn_loaded *loaded;
    struct syn_model *model;
    struct syn_tensor in[SYN_MAX_UNIT_IO];   /* by the network's order; owned */
    struct syn_tensor made[SYN_MAX_UNIT_IO]; /* likewise */
    int32_t n_in, n_made;
    int32_t wanted[SYN_MAX_UNIT_IO], n_wanted; /* places among made */
    syn_precision precision;
    uint64_t seed;
    bool ran;
};

syn_status syn_tensor_params_parse(const struct syn_param *p, int32_t n,
                                   const struct syn_manifest *m, struct syn_tensor_params *out,
                                   struct syn_field_errors *errs)
{
    const struct syn_param *value[SYN_TENSOR_N_PARAMS];
    const int32_t before = errs->n + errs->n_more;
    struct syn_tensor_params got = {.precision = SYN_PRECISION_F32};
    syn_params_check(syn_tensor_param_table, SYN_TENSOR_N_PARAMS, p, n, value, errs);
    if (errs->n + errs->n_more > before) return SYN_INVALID;
    if (value[P_NETWORK]) got.network = value[P_NETWORK]->string;
    if (value[P_OUTPUTS]) got.outputs = value[P_OUTPUTS]->string;
    if (value[P_PRECISION])
        got.precision = (syn_precision)syn_param_word(&syn_tensor_param_table[P_PRECISION],
                                                      value[P_PRECISION]->string);
    if (m->pin_f32 && got.precision == SYN_PRECISION_BF16) {
        syn_field_errors_add(errs, "precision", "unsupported_value",
                             "precision = \"bf16\": %s runs in f32 only", m->id);
        return SYN_INVALID;
    }
    if (value[P_SEED]) got.seed = value[P_SEED]->type == SYN_PARAM_INTEGER
                                      ? (uint64_t)value[P_SEED]->integer
                                      : (uint64_t)value[P_SEED]->number;
    *out = got;
    return SYN_OK;
}

/* ---- names ---- */

static void io_at(const struct tensor_job *j, bool output, int32_t i, struct syn_io *io)
{
    if (output)
        syn_model_output(j->model, i, io);
    else
        syn_model_input(j->model, i, io);
}

static bool same_text(const char *name, size_t n, const char *other)
{
    return strlen(other) == n && memcmp(name, other, n) == 0;
}

/* The place of an input or output by its name, else by its role; -1: there is none. */
static int32_t find_io(const struct tensor_job *j, bool output, const char *name, size_t n)
{
    const int32_t count = output ? j->n_made : j->n_in;
    char role[sizeof j->manifest->port[0].role];
    const char *tensor;
    struct syn_io io;
    for (int32_t i = 0; i < count; i++) {
        io_at(j, output, i, &io);
        if (same_text(name, n, io.name)) return i;
    }
    if (n >= sizeof role) return -1;
    memcpy(role, name, n);
    role[n] = 0;
    tensor = syn_manifest_tensor(j->manifest, j->network, output, role);
    for (int32_t i = 0; tensor && i < count; i++) {
        io_at(j, output, i, &io);
        if (strcmp(io.name, tensor) == 0) return i;
    }
    return -1;
}

/* "a, b, c" into text, which is returned. */
static const char *list_io(const struct tensor_job *j, bool output, char *text, size_t size)
{
    const int32_t count = output ? j->n_made : j->n_in;
    size_t n = 0;
    text[0] = 0;
    for (int32_t i = 0; i < count && n < size; i++) {
        struct syn_io io;
        io_at(j, output, i, &io);
        n += (size_t)snprintf(text + n, size - n, "%s%.60s", i ? ", " : "", io.name);
    }
    return text;
}

/* ---- inputs ---- */

static syn_status check_input(const struct tensor_job *j, int32_t at,
                              const struct syn_tensor_named *in, struct syn_err *err)
{
    const struct syn_shape *is = &in->tensor.shape;
    char stated[160], given[160];
    struct syn_io io;
    bool fits = true;
    io_at(j, false, at, &io);
    if (in->tensor.dtype != io.dtype)
        return syn_fail(err, SYN_INVALID, "inputs.%.60s is of type %s: must be of type %s",
                        in->name, syn_dtype_word(in->tensor.dtype), syn_dtype_word(io.dtype));
    if (io.shape.rank < 0) return SYN_OK;
    fits = is->rank == io.shape.rank;
    for (int32_t d = 0; fits && d < is->rank; d++)
        fits = io.shape.dim[d] < 0 || io.shape.dim[d] == is->dim[d];
    if (fits) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "inputs.%.60s has shape %s: must be %s", in->name,
                    syn_shape_text(is, given, sizeof given),
                    syn_shape_text(&io.shape, stated, sizeof stated));
}

/* from[i]: which of the given tensors is the network's input i. */
static syn_status match_inputs(const struct tensor_job *j, const struct syn_tensor_named *in,
                               int32_t n_in, int32_t from[SYN_MAX_UNIT_IO], struct syn_err *err)
{
    char all[200];
    for (int32_t i = 0; i < SYN_MAX_UNIT_IO; i++) from[i] = -1;
    for (int32_t k = 0; k < n_in; k++) {
        const int32_t at = find_io(j, false, in[k].name, strlen(in[k].name));
        syn_status st;
        if (at < 0)
            return syn_fail(err, SYN_INVALID, "inputs.%.60s is unknown: there are %s", in[k].name,
                            list_io(j, false, all, sizeof all));
        if (from[at] >= 0)
            return syn_fail(err, SYN_INVALID, "inputs.%.60s is given more than once", in[k].name);
        st = check_input(j, at, &in[k], err);
        if (st != SYN_OK) return st;
        from[at] = k;
    }
    for (int32_t i = 0; i < j->n_in; i++) {
        struct syn_io io;
        if (from[i] >= 0) continue;
        io_at(j, false, i, &io);
        return syn_fail(err, SYN_INVALID, "inputs.%.60s is missing: %s %s", io.name,
                        syn_dtype_word(io.dtype), syn_shape_text(&io.shape, all, sizeof all));
    }
    return SYN_OK;
}

/* ---- outputs ---- */

static syn_status choose_outputs(struct tensor_job *j, const char *names, struct syn_err *err)
{
    char all[200];
    if (!names) {
        for (int32_t i = 0; i < j->n_made; i++) j->wanted[i] = i;
        j->n_wanted = j->n_made;
        return SYN_OK;
    }
    for (const char *at = names; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t n = strcspn(at, ",");
        const int32_t i = find_io(j, true, at, n);
        if (i < 0)
            return syn_fail(err, SYN_INVALID, "params.outputs = \"%.*s\": there are %s",
                            (int)(n < 60 ? n : 60), at, list_io(j, true, all, sizeof all));
        for (int32_t k = 0; k < j->n_wanted; k++)
            if (j->wanted[k] == i)
                return syn_fail(err, SYN_INVALID, "params.outputs = \"%.*s\": named more than once",
                                (int)(n < 60 ? n : 60), at);
        j->wanted[j->n_wanted++] = i;
    }
    return SYN_OK;
}

/* ---- the kind ---- */

static syn_status next(struct syn_pipeline *p, struct syn_unit *unit, bool *more,
                       struct syn_err *err)
{
    struct tensor_job *j = (struct tensor_job *)p;
    (void)err;
    *more = !j->ran;
    if (j->ran) return SYN_OK;
    unit->model = j->model;
    unit->precision = j->precision;
    unit->seed = j->seed;
    unit->any_value = true;
    memcpy(unit->in, j->in, sizeof unit->in);
    unit->n_in = j->n_in;
    return SYN_OK;
}

static syn_status done(struct syn_pipeline *p, const struct syn_unit *unit, struct syn_err *err)
{
    struct tensor_job *j = (struct tensor_job *)p;
    (void)err;
    memcpy(j->made, unit->made, sizeof j->made);
    j->ran = true;
    return SYN_OK;
}

/* any_value: no run gives SYN_NUMERIC but one whose arithmetic cannot go on. */
static void progress(const struct syn_pipeline *p, int64_t *units, int64_t *total)
{
    *units = ((const struct tensor_job *)p)->ran;
    *total = 1;
}

static void close_kind(struct syn_pipeline *p)
{
    struct tensor_job *j = (struct tensor_job *)p;
    for (int32_t i = 0; i < SYN_MAX_UNIT_IO; i++) {
        syn_free(j->in[i].data);
        syn_free(j->made[i].data);
    }
    syn_models_release(j->models, j->loaded);
    syn_free(j);
}

static const struct syn_pipeline_kind kind = {.kind = SYN_TENSOR_KIND,
                                              .next = next,
                                              .done = done,
                                              .progress = progress,
                                              .close = close_kind};

/* ---- opening ---- */

static syn_status find_network(struct tensor_job *j, const char *name, struct syn_err *err)
{
    const struct syn_manifest *m = j->manifest;
    char all[200] = "";
    size_t n = 0;
    j->network = name              ? syn_manifest_network(m, name)
                 : m->n_variants == 1 ? &m->variant[0]
                                      : NULL;
    if (j->network) return SYN_OK;
    for (int32_t i = 0; i < m->n_variants && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", m->variant[i].name);
    if (name)
        return syn_fail(err, SYN_INVALID, "params.network = \"%.40s\": %s has %s", name, m->id,
                        all);
    return syn_fail(err, SYN_INVALID, "params.network is missing: %s has %s", m->id, all);
}

static syn_status look_at_model(struct tensor_job *j, struct syn_err *err)
{
    struct syn_model_info info;
    j->model = syn_loaded_model(j->loaded);
    syn_model_info(j->model, &info);
    if (info.n_inputs > SYN_MAX_UNIT_IO || info.n_outputs > SYN_MAX_UNIT_IO)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "%s has %" PRId32 " inputs and %" PRId32 " outputs: at most %d of each",
                        j->manifest->id, info.n_inputs, info.n_outputs, SYN_MAX_UNIT_IO);
    j->n_in = info.n_inputs;
    j->n_made = info.n_outputs;
    return SYN_OK;
}

static syn_status load(struct tensor_job *j, const atomic_bool *cancel, struct syn_err *err)
{
    syn_status st =
        syn_models_acquire(j->models, j->manifest->id, j->network, cancel, &j->loaded, err);
    /* INVALID is said of the request alone. */
    if (st != SYN_OK) return st == SYN_INVALID ? SYN_UNSUPPORTED : st;
    return look_at_model(j, err);
}

static syn_status new_job(struct syn_models *models, const struct syn_manifest *m,
                          const struct syn_tensor_params *p, struct tensor_job **out,
                          struct syn_err *err)
{
    struct tensor_job *j;
    if (strcmp(m->format, "onnx") != 0)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "model = \"%s\": kind tensor takes models of format onnx", m->id);
    j = syn_calloc(1, sizeof *j);
    if (!j) return syn_fail(err, SYN_NO_MEMORY, "no memory for a job");
    j->base.kind = &kind;
    j->models = models;
    j->manifest = m;
    j->seed = p->seed;
    j->precision = m->pin_f32 ? SYN_PRECISION_F32 : p->precision;
    *out = j;
    return SYN_OK;
}

syn_status syn_tensor_check(struct syn_models *models, const struct syn_manifest *m,
                            const struct syn_tensor_params *p, const struct syn_tensor_named *in,
                            int32_t n_in, struct syn_err *err)
{
    struct tensor_job *j = NULL;
    int32_t from[SYN_MAX_UNIT_IO];
    syn_status st = new_job(models, m, p, &j, err);
    if (st != SYN_OK) return st;
    st = find_network(j, p->network, err);
    if (st == SYN_OK && syn_models_acquire_loaded(models, m->id, j->network, &j->loaded)) {
        st = look_at_model(j, err);
        if (st == SYN_OK) st = choose_outputs(j, p->outputs, err);
        if (st == SYN_OK) st = match_inputs(j, in, n_in, from, err);
    }
    close_kind(&j->base);
    return st;
}

syn_status syn_tensor_open(struct syn_models *models, const struct syn_manifest *m,
                           const struct syn_tensor_params *p, struct syn_tensor_named *in,
                           int32_t n_in, const atomic_bool *cancel, struct syn_pipeline **out,
                           struct syn_err *err)
{
    struct tensor_job *j = NULL;
    int32_t from[SYN_MAX_UNIT_IO];
    syn_status st = new_job(models, m, p, &j, err);
    if (st != SYN_OK) return st;
    st = find_network(j, p->network, err);
    if (st == SYN_OK) st = load(j, cancel, err);
    if (st == SYN_OK) st = choose_outputs(j, p->outputs, err);
    if (st == SYN_OK) st = match_inputs(j, in, n_in, from, err);
    if (st != SYN_OK) {
        close_kind(&j->base);
        return st;
    }
    for (int32_t i = 0; i < j->n_in; i++) {
        j->in[i] = in[from[i]].tensor;
        in[from[i]].tensor = (struct syn_tensor){0};
    }
    *out = &j->base;
    return SYN_OK;
}

int32_t syn_tensor_results(const struct syn_pipeline *p)
{
    return ((const struct tensor_job *)p)->n_wanted;
}

void syn_tensor_take(struct syn_pipeline *p, int32_t i, struct syn_tensor_named *out)
{
    struct tensor_job *j = (struct tensor_job *)p;
    struct syn_io io;
    io_at(j, true, j->wanted[i], &io);
    out->name = io.name;
    out->tensor = j->made[j->wanted[i]];
    j->made[j->wanted[i]].data = NULL;
}
