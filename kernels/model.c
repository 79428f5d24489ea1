/* model.c - open, describe, close a model. See engine.h. */
#include "kernels/base/alloc.h"
#include "kernels/engine_private.h"
#include "kernels/graph/footprint.h"
#include "kernels/graph/passes.h"
#include "kernels/load/ncnn.h"
#include "kernels/load/onnx_file.h"
#include <math.h>
#include <string.h>

#define MAX_WEIGHT_BYTES ((uint64_t)16 << 30)

/* Smallest picture (side s) that every stage takes, tried in order; sizes of all outputs there. A
 * network with strides refuses most sizes, so they are tried rather than computed. */
static syn_status sample_sizes(struct syn_model *m, int32_t s, int64_t *out_side,
                               struct syn_err *err)
{
    const struct syn_shape picture = syn_shape4(1, m->info.channels_in, s, s);
    struct syn_shape in[1 + SYN_MAX_STAGES];
    for (int32_t k = 0; k < m->info.n_stages; k++) {
        struct syn_graph *g = NULL;
        const struct syn_shape *y;
        syn_status st = syn_graph_copy(m->graph, &g, err);
        in[0] = picture;
        if (st == SYN_OK) st = syn_make_stage(g, k, err);
        for (int32_t i = 0; i < k; i++) in[1 + i] = syn_shape4(1, m->info.stage_channels[i], 1, 1);
        if (st == SYN_OK) st = syn_graph_infer(g, in, err);
        if (st == SYN_OK) {
            y = &g->value[g->output[0]].shape;
            if (y->rank != 4 || y->dim[2] != y->dim[3])
                st = syn_fail(err, SYN_UNSUPPORTED,
                              "output: not a picture of the input's proportions");
            else {
                m->info.stage_channels[k] = (int32_t)y->dim[1];
                out_side[k] = y->dim[2];
            }
        }
        syn_graph_free(g);
        if (st != SYN_OK) return st;
    }
    return SYN_OK;
}

static void ratio_of(double scale, int32_t *num, int32_t *den)
{
    *num = (int32_t)lround(scale), *den = 1;
    for (int32_t d = 1; d <= 64; d++)
        if (fabs(scale * d - round(scale * d)) < 1e-6) {
            *num = (int32_t)lround(scale * d), *den = d;
            return;
        }
}

/* Trim from the measured sizes: out * step = in - 2*trim. False when the output does not lose
 * whole pixels. */
static bool footprint_of(const struct syn_reach *r, int32_t in_side, int64_t out_side,
                         int32_t align, struct syn_footprint *f)
{
    const double trim = ((double)in_side - (double)out_side * r->step) / 2,
                 lost = 2 * trim / r->step;
    if (fabs(lost - round(lost)) > 1e-6 || trim < -1e-6) return false;
    ratio_of(1 / r->step, &f->scale_num, &f->scale_den);
    f->trim = (int32_t)ceil(trim - 1e-6);
    f->lost = (int32_t)lround(lost);
    f->before = (int32_t)fmax(0, ceil(f->trim - r->lo - 1e-6));
    f->after = (int32_t)fmax(0, ceil(r->hi - f->trim + (r->step < 1 ? 1 - r->step : 0) - 1e-6));
    f->align = align;
    return true;
}

static syn_status measure(struct syn_model *m, struct syn_err *err)
{
    const struct syn_graph *g = m->graph;
    struct syn_reach *reach = syn_calloc((size_t)g->n_values + 1, sizeof *reach);
    int32_t at[SYN_MAX_STAGES], align = 1, averages = syn_global_averages(g, at, SYN_MAX_STAGES);
    int64_t side[SYN_MAX_STAGES];
    syn_status st = reach ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "model: no memory");
    bool found = false;
    if (st == SYN_OK && averages >= SYN_MAX_STAGES)
        st = syn_fail(err, SYN_UNSUPPORTED, "%d global averages: at most %d", (int)averages,
                      SYN_MAX_STAGES - 1);
    if (st == SYN_OK) st = syn_footprint(g, reach, &align, err);
    if (st != SYN_OK) goto done;
    m->info.n_stages = averages + 1;
    for (int32_t s = 64; !found && s < 64 + 4 * 64; s++) {
        if ((st = sample_sizes(m, s, side, err)) != SYN_OK) continue;
        found = true;
        for (int32_t k = 0; found && k <= averages; k++)
            found = footprint_of(&reach[k < averages ? g->node[at[k]].in[0] : g->output[0]], s,
                                 side[k], align, &m->info.footprint[k]);
        found =
            found &&
            m->info.footprint[averages].scale_num * (s - 2 * m->info.footprint[averages].trim) ==
                side[averages] * m->info.footprint[averages].scale_den &&
            (s - 2 * m->info.footprint[averages].trim) % align ==
                0; /* the picture's trim is whole and aligned */
    }
    if (!found && st == SYN_OK)
        st =
            syn_fail(err, SYN_UNSUPPORTED, "model: output size is not proportional to the input's");
    if (found) m->info.channels_out = m->info.stage_channels[averages], st = SYN_OK;
done:
    syn_free(reach);
    return st;
}

static void count(struct syn_model *m, uint64_t file_bytes)
{
    const struct syn_graph *g = m->graph;
    m->info.file_bytes = file_bytes;
    m->info.n_inputs = g->n_inputs;
    m->info.n_outputs = g->n_outputs;
    for (int32_t i = 0; i < g->n_nodes; i++) m->info.n_nodes += g->node[i].op != NULL;
    for (int32_t v = 0; v < g->n_values; v++) {
        int64_t n = 0;
        if (g->value[v].data && syn_shape_elements(&g->value[v].shape, &n))
            m->info.n_parameters += n;
    }
}

static syn_status describe(struct syn_model *m, uint64_t file_bytes, struct syn_err *err)
{
    const struct syn_graph *g = m->graph;
    count(m, file_bytes);
    if (g->n_inputs != 1 || g->n_outputs != 1)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "model: %d inputs, %d outputs: one picture in, one out", (int)g->n_inputs,
                        (int)g->n_outputs);
    if (g->value[g->input[0]].shape.rank != 4 || g->value[g->input[0]].shape.dim[1] < 1)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "model: input is no picture with a known number of channels");
    m->info.channels_in = (int32_t)g->value[g->input[0]].shape.dim[1];
    m->info.whole_runs = m->info.is_picture = true;
    return measure(m, err);
}

static void io_of(const struct syn_graph *g, int32_t value, struct syn_io *io)
{
    const struct syn_value *v = &g->value[value];
    *io = (struct syn_io){v->name, v->dtype, v->shape};
}

/* Passes may put another value in an output's place; names live in the graph's arena. */
static syn_status keep_outputs(struct syn_model *m, struct syn_err *err)
{
    const struct syn_graph *g = m->graph;
    if (!(m->output = syn_calloc((size_t)g->n_outputs + 1, sizeof *m->output)))
        return syn_fail(err, SYN_NO_MEMORY, "model: no memory");
    for (int32_t i = 0; i < g->n_outputs; i++) io_of(g, g->output[i], &m->output[i]);
    return SYN_OK;
}

static syn_status open_ncnn(struct syn_model *m, const struct syn_model_source *src,
                            const struct syn_model_opts *opts, struct syn_err *err)
{
    struct syn_mapfile text = {0};
    syn_status st = SYN_OK;
    if (!src->graph_path || !src->weights_path)
        return syn_fail(err, SYN_INVALID, "ncnn: needs the .param and the .bin file");
    if (opts->n_cut_inputs || opts->n_extra_outputs)
        return syn_fail(err, SYN_UNSUPPORTED, "ncnn: values cannot be cut");
    if ((st = syn_mapfile_open(src->graph_path, SYN_NCNN_MAX_PARAM_BYTES, &text, err)) != SYN_OK)
        goto done;
    if ((st = syn_mapfile_open(src->weights_path, MAX_WEIGHT_BYTES, &m->weights, err)) != SYN_OK)
        goto done;
    if (opts->cancel && atomic_load(opts->cancel)) {
        st = syn_fail(err, SYN_CANCELED, "canceled while loading");
        goto done;
    }
    st = syn_ncnn_load(text.data, text.size, m->weights.data, m->weights.size, &m->graph, err);
    if (st == SYN_OK) st = keep_outputs(m, err);
    if (st == SYN_OK) st = describe(m, text.size + m->weights.size, err);
done:
    syn_mapfile_close(&text);
    return st;
}

#define FOLD_ELEMENTS ((int64_t)1 << 27) /* of one constant computed when a model is opened */

#define FOLD_IN_BODIES ((int64_t)1 << 22) /* the same: kept for a body that may never run */

/* Constants of bodies too: what a loop would compute in every run. A branch that is never taken may
 * hold what cannot be computed; that shows if it is. */
static syn_status fold_constants(struct syn_graph *g, int64_t most, struct syn_err *err)
{
    syn_status st = syn_graph_fold_constants(g, most, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_bodies; i++) {
        struct syn_err why = {""};
        const syn_status inner = fold_constants(g->body[i], FOLD_IN_BODIES, &why);
        if (inner == SYN_NO_MEMORY) st = syn_fail(err, inner, "%s", why.text);
    }
    return st;
}

/* The passes that need no shapes. */
static syn_status simplify(struct syn_model *m, struct syn_err *err)
{
    struct syn_graph *g = m->graph;
    syn_status st = SYN_OK;
    if (m->passes & SYN_PASS_WIDEN) st = syn_pass_widen(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_FOLD))
        st = fold_constants(g, FOLD_ELEMENTS, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_QDQ)) st = syn_pass_qdq(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_BATCH_NORM)) st = syn_pass_batch_norm(g, err);
    /* before transposes move, which it reads through */
    if (st == SYN_OK && (m->passes & SYN_PASS_ATTENTION)) st = syn_pass_attention(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_TRANSPOSE)) st = syn_pass_transpose(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_NORM)) st = syn_pass_norm(g, err);
    return st;
}

static syn_status open_onnx(struct syn_model *m, const struct syn_model_source *src,
                            const struct syn_model_opts *opts, struct syn_err *err)
{
    const struct syn_onnx_options files = {.root = src->roots,
                                           .n_roots = src->n_roots,
                                           .name = src->external,
                                           .n_names = src->n_external};
    syn_status st;
    if (!src->graph_path) return syn_fail(err, SYN_INVALID, "onnx: needs the file");
    st = syn_onnx_load(src->graph_path, &files, &m->onnx, &m->graph, err);
    if (st != SYN_OK) return st;
    if (opts->cancel && atomic_load(opts->cancel))
        return syn_fail(err, SYN_CANCELED, "canceled while loading");
    if (opts->n_cut_inputs || opts->n_extra_outputs)
        st = syn_graph_cut(m->graph, opts->n_cut_inputs, opts->cut_inputs, opts->n_extra_outputs,
                           opts->extra_outputs, err);
    if (st == SYN_OK) st = keep_outputs(m, err);
    if (st == SYN_OK) st = simplify(m, err);
    if (st == SYN_OK) count(m, syn_onnx_bytes(m->onnx));
    if (st == SYN_OK)
        syn_onnx_drop(m->onnx); /* what was copied for alignment need not be there twice */
    return st;
}

static syn_status keep_pins(struct syn_model *m, const struct syn_model_opts *opts,
                            struct syn_err *err)
{
    if (!opts->n_pin_f32) return SYN_OK;
    if (!(m->pin_f32 = syn_calloc((size_t)opts->n_pin_f32, sizeof *m->pin_f32)))
        return syn_fail(err, SYN_NO_MEMORY, "model: no memory");
    for (; m->n_pin_f32 < opts->n_pin_f32; m->n_pin_f32++)
        if (!(m->pin_f32[m->n_pin_f32] = syn_strdup(opts->pin_f32[m->n_pin_f32])))
            return syn_fail(err, SYN_NO_MEMORY, "model: no memory");
    return SYN_OK;
}

syn_status syn_model_open(struct syn_engine *e, const struct syn_model_source *src,
                          const struct syn_model_opts *opts, struct syn_model **out,
                          struct syn_err *err)
{
    static const struct syn_model_opts none = {0};
    const bool ncnn = src->format && !strcmp(src->format, "ncnn"),
               onnx = src->format && !strcmp(src->format, "onnx");
    struct syn_model *m;
    syn_status st;
    if (!ncnn && !onnx)
        return syn_fail(err, SYN_UNSUPPORTED, "format %s: this build loads ncnn and onnx",
                        src->format ? src->format : "(none)");
    if (!(m = syn_calloc(1, sizeof *m))) return syn_fail(err, SYN_NO_MEMORY, "model: no memory");
    m->engine = e;
    m->passes = SYN_PASS_ALL & ~(opts ? opts->passes_off : 0u);
    pthread_mutex_init(&m->lock, NULL);
    st = keep_pins(m, opts ? opts : &none, err);
    if (st == SYN_OK) st = (ncnn ? open_ncnn : open_onnx)(m, src, opts ? opts : &none, err);
    if (st != SYN_OK) {
        syn_model_close(m);
        return st;
    }
    *out = m;
    return SYN_OK;
}

void syn_model_close(struct syn_model *m)
{
    if (!m) return;
    syn_plans_free(m);
    syn_statics_free(m);
    syn_model_free_flow(m);
    syn_graph_free(m->graph);
    syn_onnx_close(m->onnx);
    for (int32_t i = 0; i < m->n_pin_f32; i++) syn_free(m->pin_f32[i]);
    syn_free(m->pin_f32);
    syn_free(m->output);
    syn_mapfile_close(&m->weights);
    pthread_mutex_destroy(&m->lock);
    syn_free(m);
}

void syn_model_info(const struct syn_model *m, struct syn_model_info *info) { *info = m->info; }

void syn_model_input(const struct syn_model *m, int32_t i, struct syn_io *io)
{
    io_of(m->graph, m->graph->input[i], io);
}
void syn_model_output(const struct syn_model *m, int32_t i, struct syn_io *io)
{
    *io = m->output[i];
}
