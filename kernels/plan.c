/* plan.c - a model bound to shapes: built, cached, run. See engine.h. */
#include "kernels/base/alloc.h"
#include "kernels/engine_private.h"
#include "kernels/graph/footprint.h"
#include "kernels/graph/passes.h"
#include "kernels/ops/ops.h"
#include <string.h>

/* Multiply-adds of convolutions and dense layers. */
static int64_t multiply_adds(const struct syn_graph *g)
{
    struct syn_op_call c;
    struct syn_conv v;
    int64_t sum = 0, k;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!n->op) continue;
        syn_graph_call(g, i, &c);
        if ((n->id == SYN_OP_CONV || n->id == SYN_OP_CONV_TRANSPOSE) &&
            syn_conv_parse(&c, &v, NULL) == SYN_OK)
            sum += v.n * v.co * (v.ci / v.group) * v.kh * v.kw *
                   (v.transposed ? v.h * v.w : v.ho * v.wo);
        else if (n->id == SYN_OP_DENSE && syn_shape_elements(&c.in[1].shape, &k))
            sum += c.in[0].shape.dim[0] * k;
    }
    return sum;
}

/* A graph for one stage, shapes known, passes applied; the caller frees it. *macs, where wanted:
 * multiply-adds as the model states them, counted before a pass saves some. */
static syn_status specialise(struct syn_model *m, int32_t stage, const struct syn_shape *in_shapes,
                             struct syn_graph **out, int64_t *macs, struct syn_err *err)
{
    struct syn_graph *g = NULL;
    syn_status st;
    if (stage < -1 || stage >= m->info.n_stages)
        return syn_fail(err, SYN_INVALID, "stage %d: the model has %d", (int)stage,
                        (int)m->info.n_stages);
    if ((st = syn_graph_copy(m->graph, &g, err)) != SYN_OK) return st;
    if (st == SYN_OK && stage >= 0) st = syn_make_stage(g, stage, err);
    if (st == SYN_OK) st = syn_graph_infer(g, in_shapes, err);
    if (st == SYN_OK && macs) *macs = multiply_adds(g);
    if (st == SYN_OK && (m->passes & SYN_PASS_FOLD)) st = syn_pass_fold(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_FUSE_CONV)) st = syn_pass_fuse_conv(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_FUSE_CONV)) st = syn_pass_fuse_shuffle(g, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_PHASES)) st = syn_pass_phases(g, err);
    if (st == SYN_OK)
        st = syn_graph_infer(g, in_shapes, err); /* a pass that breaks a type is caught here */
    if (st != SYN_OK) {
        syn_graph_free(g);
        return st;
    }
    *out = g;
    return SYN_OK;
}

static struct syn_placement placement(const struct syn_model *m, const struct syn_graph *g,
                                      syn_precision precision)
{
    struct syn_placement p = {.g = g,
                              .bf16 = precision == SYN_PRECISION_BF16,
                              .f16 = precision == SYN_PRECISION_F16,
                              .concat_views = (m->passes & SYN_PASS_CONCAT_VIEWS) != 0,
                              .winograd = (m->passes & SYN_PASS_WINOGRAD) != 0,
                              .lanes = (m->passes & SYN_PASS_LANES) != 0,
                              .pairs = (m->passes & SYN_PASS_PAIRS) != 0};
    return p;
}

static bool same_inputs(const struct syn_plan *p, const struct syn_shape *in_shapes)
{
    for (int32_t i = 0; i < p->info.n_inputs; i++)
        if (!syn_shape_equal(&p->info.in[i], &in_shapes[i])) return false;
    return true;
}

/* Moves a cached plan to the front and counts one more user. model->lock is held. */
static struct syn_plan *find(struct syn_model *m, int32_t stage, const struct syn_shape *in_shapes,
                             syn_precision pr)
{
    for (struct syn_plan **at = &m->plans; *at; at = &(*at)->next) {
        struct syn_plan *p = *at;
        if (p->stage != stage || p->precision != pr || !same_inputs(p, in_shapes)) continue;
        *at = p->next;
        p->next = m->plans;
        m->plans = p;
        p->refs++;
        return p;
    }
    return NULL;
}

static void plan_free(struct syn_plan *p)
{
    if (!p) return;
    if (p->program) atomic_fetch_sub(&p->model->engine->weight_bytes, p->program->weight_bytes);
    syn_program_free(p->program);
    syn_free(p);
}

/* Takes idle plans beyond the limit off the end of the list. model->lock is held; the caller frees
 * them without it. */
static struct syn_plan *drop_old(struct syn_model *m)
{
    struct syn_plan *dropped = NULL;
    int32_t n = 0;
    for (struct syn_plan **at = &m->plans; *at;) {
        struct syn_plan *p = *at;
        if (++n <= SYN_MAX_PLANS || p->refs > 0) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = dropped;
        dropped = p;
    }
    return dropped;
}

static void free_list(struct syn_plan *p)
{
    while (p) {
        struct syn_plan *next = p->next;
        plan_free(p);
        p = next;
    }
}

static syn_status build(struct syn_model *m, int32_t stage, const struct syn_shape *in_shapes,
                        syn_precision pr, struct syn_plan **out, struct syn_err *err)
{
    struct syn_engine *e = m->engine;
    struct syn_graph *g = NULL;
    struct syn_placement how;
    struct syn_plan *p = syn_calloc(1, sizeof *p);
    syn_status st = p ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    if (st == SYN_OK) st = specialise(m, stage, in_shapes, &g, &p->info.multiply_adds, err);
    if (st != SYN_OK) goto done;
    p->model = m;
    p->stage = stage;
    p->precision = pr;
    p->info.n_inputs = g->n_inputs;
    p->info.n_outputs = g->n_outputs;
    for (int32_t i = 0; i < g->n_inputs; i++) p->info.in[i] = in_shapes[i];
    p->info.out[0] = g->value[g->output[0]].shape;
    how = placement(m, g, pr);
    st = syn_program_new(e->backend, e->self, &how, g, (m->passes & SYN_PASS_SHARE_MEMORY) != 0,
                         &p->program, err);
    if (st != SYN_OK) goto done;
    g = NULL; /* the program's now */
    p->info.peak_bytes = p->program->peak_bytes;
    p->info.weight_bytes = p->program->weight_bytes;
    p->info.n_steps = p->program->n_steps;
    p->info.precision = pr;
    atomic_fetch_add(&e->weight_bytes, p->program->weight_bytes);
    if (e->workspace_limit && p->info.peak_bytes > e->workspace_limit)
        st = syn_fail(err, SYN_TOO_LARGE, "plan: needs %llu bytes of workspace: the limit is %llu",
                      (unsigned long long)p->info.peak_bytes,
                      (unsigned long long)e->workspace_limit);
    if (e->backend != &syn_backend_ref)
        syn_mapfile_drop(&m->weights); /* packed copies are what runs read */
done:
    syn_graph_free(g);
    if (st != SYN_OK) {
        plan_free(p);
        return st;
    }
    *out = p;
    return SYN_OK;
}

syn_status syn_plan_get(struct syn_model *m, int32_t stage, const struct syn_shape *in_shapes,
                        syn_precision precision, struct syn_plan **out, struct syn_err *err)
{
    syn_precision pr;
    struct syn_plan *p, *dropped;
    syn_status st = syn_engine_settle(m->engine, precision, &pr, err);
    if (st != SYN_OK) return st;
    pthread_mutex_lock(&m->lock);
    p = find(m, stage, in_shapes, pr);
    pthread_mutex_unlock(&m->lock);
    if (p) return *out = p, SYN_OK;

    pthread_mutex_lock(
        &m->engine->build_lock); /* one build at a time: whoever waited finds it in the cache */
    pthread_mutex_lock(&m->lock);
    p = find(m, stage, in_shapes, pr);
    pthread_mutex_unlock(&m->lock);
    if (!p && (st = build(m, stage, in_shapes, pr, &p, err)) == SYN_OK) {
        pthread_mutex_lock(&m->lock);
        p->refs = 1;
        p->next = m->plans;
        m->plans = p;
        dropped = drop_old(m);
        pthread_mutex_unlock(&m->lock);
        free_list(dropped);
    }
    pthread_mutex_unlock(&m->engine->build_lock);
    if (st == SYN_OK) *out = p;
    return st;
}

void syn_plan_release(struct syn_plan *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->model->lock);
    p->refs--;
    pthread_mutex_unlock(&p->model->lock);
}

void syn_plans_free(struct syn_model *m)
{
    pthread_mutex_lock(
        &m->engine->build_lock); /* kernels give packed weights back to the engine's list */
    free_list(m->plans);
    pthread_mutex_unlock(&m->engine->build_lock);
    m->plans = NULL;
}

syn_status syn_plan_estimate(struct syn_model *m, int32_t stage, const struct syn_shape *in_shapes,
                             syn_precision precision, uint64_t *peak_bytes, struct syn_err *err)
{
    struct syn_graph *g = NULL;
    size_t peak = 0;
    syn_precision pr;
    syn_status st = syn_engine_settle(m->engine, precision, &pr, err);
    if (st == SYN_OK) st = specialise(m, stage, in_shapes, &g, NULL, err);
    if (st == SYN_OK) {
        struct syn_placement how = placement(m, g, pr);
        how.dry = true;
        pthread_mutex_lock(&m->engine->build_lock);
        st = syn_program_estimate(m->engine->backend, m->engine->self, &how,
                                  (m->passes & SYN_PASS_SHARE_MEMORY) != 0, &peak, err);
        pthread_mutex_unlock(&m->engine->build_lock);
    }
    syn_graph_free(g);
    if (st == SYN_OK) *peak_bytes = peak;
    return st;
}

void syn_plan_info(const struct syn_plan *p, struct syn_plan_info *info) { *info = p->info; }

void syn_step_describe(const struct syn_program *p, int32_t index, struct syn_step_info *info)
{
    const struct syn_program_step *s = &p->step[index];
    const struct syn_graph *g = p->g;
    /* a step without a node brings a picture in or out; outputs are stored after all nodes */
    info->op = s->node >= 0 ? g->node[s->node].op->name : s->is_load ? "Load" : "Store";
    info->name = s->node >= 0 ? g->node[s->node].name : g->value[s->value].name;
    info->impl = s->kernel.impl ? s->kernel.impl : "view";
    info->out = g->value[s->value].shape;
    info->seconds = s->seconds;
    info->depth = 0;
}

void syn_plan_step(const struct syn_plan *p, int32_t index, struct syn_step_info *info)
{
    syn_step_describe(p->program, index, info);
}

/* --- running -------------------------------------------------------------------------------- */

#define SCAN_CHUNK ((int64_t)1 << 16)
struct scan {
    const uint32_t *bits;
    int64_t n;
    atomic_bool bad;
};

/* NaN and infinity have all exponent bits set. */
static void scan_chunk(void *ctx, int64_t task)
{
    struct scan *s = ctx;
    int64_t end = (task + 1) * SCAN_CHUNK < s->n ? (task + 1) * SCAN_CHUNK : s->n;
    uint32_t bad = 0;
    for (int64_t i = task * SCAN_CHUNK; i < end; i++)
        bad |= (s->bits[i] & 0x7f800000u) == 0x7f800000u;
    if (bad) atomic_store(&s->bad, true);
}

static syn_status check_tensor(const struct syn_tensor *t, const struct syn_shape *want,
                               const char *what, int32_t i, struct syn_err *err)
{
    char a[96], b[96];
    if (t->dtype != SYN_F32 || !t->data || !syn_shape_equal(&t->shape, want))
        return syn_fail(err, SYN_INVALID, "run: %s %d is %s %s: the plan takes f32 %s", what,
                        (int)i, syn_dtype_word(t->dtype), syn_shape_text(&t->shape, a, sizeof a),
                        syn_shape_text(want, b, sizeof b));
    return SYN_OK;
}

syn_status syn_plan_run(struct syn_plan *p, const struct syn_tensor *in, struct syn_tensor *out,
                        const struct syn_run_opts *opts, struct syn_err *err)
{
    struct syn_engine *e = p->model->engine;
    const void *in_data[1 + SYN_MAX_STAGES];
    void *out_data[1];
    struct scan scan = {0};
    syn_status st;
    for (int32_t i = 0; i < p->info.n_inputs; i++) {
        if ((st = check_tensor(&in[i], &p->info.in[i], "input", i, err)) != SYN_OK) return st;
        in_data[i] = in[i].data;
    }
    if ((st = check_tensor(&out[0], &p->info.out[0], "output", 0, err)) != SYN_OK) return st;
    out_data[0] = out[0].data;
    pthread_mutex_lock(&e->run_lock);
    st = syn_engine_workspace(e, p->info.peak_bytes, err);
    if (st == SYN_OK)
        st = syn_program_run(p->program, e->workspace, in_data, out_data,
                             opts ? opts->cancel : NULL, opts && opts->profile, err);
    if (st == SYN_OK && syn_shape_elements(&p->info.out[0], &scan.n)) {
        scan.bits = out_data[0];
        syn_pool_run(e->backend->pool(e->self), (scan.n + SCAN_CHUNK - 1) / SCAN_CHUNK, scan_chunk,
                     &scan);
        if (atomic_load(&scan.bad)) st = syn_fail(err, SYN_NUMERIC, "output holds NaN or infinity");
    }
    pthread_mutex_unlock(&e->run_lock);
    return st;
}
