/* run.c - models of any shape: syn_model_run. See engine.h. */
#include "kernels/base/alloc.h"
#include "kernels/engine_private.h"
#include "kernels/graph/element.h"
#include "kernels/graph/passes.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct watching {
    const struct syn_run_opts *opts;
};

static syn_status watch_node(void *ctx, const struct syn_graph *g, int32_t node, int32_t depth,
                             const struct syn_op_call *c, struct syn_err *err)
{
    const struct watching *w = ctx;
    const struct syn_node *n = &g->node[node];
    const char *name[SYN_MAX_OPERANDS];
    const struct syn_watched seen = {.op = n->op->name,
                                     .name = n->name,
                                     .depth = depth,
                                     .n_out = n->n_out,
                                     .out_name = name,
                                     .out = c->out};
    for (int32_t o = 0; o < n->n_out; o++) name[o] = n->out[o] >= 0 ? g->value[n->out[o]].name : "";
    return w->opts->watch(w->opts->watch_ctx, &seen, err);
}

/* NaN and infinity in an output of floats. */
static bool is_finite(const struct syn_tensor *t)
{
    int64_t n = 0;
    if (syn_dtype_kind(t->dtype) != 'F' || !syn_shape_elements(&t->shape, &n)) return true;
    if (t->dtype == SYN_F32) {
        const uint32_t *bits = t->data;
        uint32_t bad = 0;
        for (int64_t i = 0; i < n; i++) bad |= (bits[i] & 0x7f800000u) == 0x7f800000u;
        return !bad;
    }
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(syn_element_double(t->dtype, t->data, i))) return false;
    return true;
}

static syn_status check_finite(const struct syn_model *m, struct syn_tensor *out,
                               struct syn_err *err)
{
    const int32_t n = m->graph->n_outputs;
    int32_t bad = -1;
    for (int32_t i = 0; i < n && bad < 0; i++)
        if (!is_finite(&out[i])) bad = i;
    if (bad < 0) return SYN_OK;
    for (int32_t i = 0; i < n; i++) {
        syn_free(out[i].data);
        out[i].data = NULL;
    }
    return syn_fail(err, SYN_NUMERIC, "output %s holds NaN or infinity",
                    m->graph->value[m->graph->output[bad]].name);
}

/* Node by node needs somebody to run the nodes: says which operators the device lacks. */
static syn_status may_flow(const struct syn_model *m, struct syn_err *err)
{
    const struct syn_engine *e = m->engine;
    const struct syn_graph *g = m->graph;
    bool named[SYN_OP_COUNT] = {false};
    char names[256] = "";
    size_t at = 0;
    if (e->flow_backend) return SYN_OK;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!n->op || named[n->id] || e->backend->has(e->self, n->id) || at >= sizeof names)
            continue;
        named[n->id] = true;
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", n->op->name);
    }
    return syn_fail(err, SYN_UNSUPPORTED,
                    "%s has no kernels for %s: allow_fallback runs such models on the CPU",
                    e->info.device, at ? names : "shapes that depend on data");
}

/* run_lock is held. */
static syn_status flow_of(struct syn_model *m, struct syn_err *err)
{
    const struct syn_flow_opts opts = {.backend = m->engine->flow_backend,
                                       .self = m->engine->flow_self,
                                       .limit_bytes = m->engine->workspace_limit,
                                       .pin_f32 = (const char *const *)m->pin_f32,
                                       .n_pin_f32 = m->n_pin_f32};
    syn_status st = SYN_OK;
    if (m->flow) return SYN_OK;
    if ((st = may_flow(m, err)) != SYN_OK) return st;
    if (!m->flow_graph) st = syn_graph_copy(m->graph, &m->flow_graph, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_CONV)) st = syn_pass_conv(m->flow_graph, err);
    if (st == SYN_OK && (m->passes & SYN_PASS_CHAIN)) st = syn_pass_chain(m->flow_graph, err);
    if (st == SYN_OK) st = syn_flow_new(m->flow_graph, &opts, &m->flow, err);
    if (st != SYN_OK) { /* a graph half rewritten is good for nothing */
        syn_graph_free(m->flow_graph);
        m->flow_graph = NULL;
        return st;
    }
    pthread_mutex_lock(&m->engine->flows_lock);
    m->next_flow = m->engine->flows;
    m->engine->flows = m;
    pthread_mutex_unlock(&m->engine->flows_lock);
    return SYN_OK;
}

void syn_model_count_flow(struct syn_model *m)
{
    struct syn_flow_info now = {0};
    if (m->flow) syn_flow_info(m->flow, &now);
    /* sums of unsigned numbers: what has become less wraps around and comes out right */
    atomic_fetch_add(&m->engine->block_bytes, now.held_bytes - m->flow_counted.held_bytes);
    atomic_fetch_add(&m->engine->weight_bytes, now.weight_bytes - m->flow_counted.weight_bytes);
    m->flow_counted = now;
    syn_engine_note_peak(m->engine);
}

void syn_model_free_flow(struct syn_model *m)
{
    struct syn_model **at = &m->engine->flows;
    if (m->flow) {
        pthread_mutex_lock(&m->engine->flows_lock);
        while (*at != m) at = &(*at)->next_flow;
        *at = m->next_flow;
        pthread_mutex_unlock(&m->engine->flows_lock);
        atomic_fetch_sub(&m->engine->block_bytes, m->flow_counted.held_bytes);
        atomic_fetch_sub(&m->engine->weight_bytes, m->flow_counted.weight_bytes);
    }
    syn_flow_free(m->flow);
    syn_graph_free(m->flow_graph);
    m->flow = NULL;
    m->flow_graph = NULL;
}

static syn_status run_flow(struct syn_model *m, const struct syn_tensor *in, struct syn_tensor *out,
                           struct watching *w, struct syn_err *err)
{
    const struct syn_flow_run how = {.cancel = w->opts->cancel,
                                     .seed = w->opts->seed,
                                     .profile = w->opts->profile,
                                     .bf16 = w->opts->precision == SYN_PRECISION_BF16,
                                     .watch = w->opts->watch ? watch_node : NULL,
                                     .watch_ctx = w};
    syn_status st;
    pthread_mutex_lock(&m->engine->run_lock);
    st = flow_of(m, err);
    if (st == SYN_OK) {
        st = syn_flow_exec(m->flow, in, out, &how, err);
        syn_model_count_flow(m);
    }
    pthread_mutex_unlock(&m->engine->run_lock);
    return st;
}

static syn_status run_static(struct syn_model *m, const struct syn_static *s,
                             const struct syn_tensor *in, struct syn_tensor *out,
                             const struct syn_run_opts *opts, struct syn_err *err)
{
    const struct syn_program *p = s->program;
    const struct syn_graph *g = p->g;
    const void **in_data = syn_calloc((size_t)g->n_inputs + 1, sizeof *in_data);
    void **out_data = syn_calloc((size_t)g->n_outputs + 1, sizeof *out_data);
    syn_status st = in_data && out_data ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "run: no memory");
    for (int32_t i = 0; st == SYN_OK && i < g->n_inputs; i++) in_data[i] = in[i].data;
    for (int32_t i = 0; st == SYN_OK && i < g->n_outputs; i++) {
        const struct syn_value *v = &g->value[g->output[i]];
        int64_t n = 0;
        if (!syn_shape_elements(&v->shape, &n) ||
            !(out[i].data = syn_alloc((size_t)(n ? n : 1) * syn_dtype_bytes(v->dtype))))
            st = syn_fail(err, SYN_NO_MEMORY, "output %s: no memory", v->name);
        out[i].shape = v->shape, out[i].dtype = v->dtype;
        out_data[i] = out[i].data;
    }
    pthread_mutex_lock(&m->engine->run_lock);
    if (st == SYN_OK) st = syn_engine_workspace(m->engine, p->peak_bytes, err);
    if (st == SYN_OK)
        st = syn_program_run(s->program, m->engine->workspace, in_data, out_data, opts->cancel,
                             opts->profile, err);
    pthread_mutex_unlock(&m->engine->run_lock);
    for (int32_t i = 0; st != SYN_OK && i < g->n_outputs; i++) {
        syn_free(out[i].data);
        out[i].data = NULL;
    }
    syn_free(in_data);
    syn_free(out_data);
    return st;
}

syn_status syn_model_run(struct syn_model *m, const struct syn_tensor *in, struct syn_tensor *out,
                         const struct syn_run_opts *opts, struct syn_err *err)
{
    static const struct syn_run_opts none = {0};
    struct watching w = {opts ? opts : &none};
    struct syn_static *s = NULL;
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < m->graph->n_outputs; i++) out[i] = (struct syn_tensor){.data = NULL};
    if (!w.opts->watch) st = syn_static_get(m, in, w.opts->precision, &s, err);
    if (st == SYN_OK)
        st = s ? run_static(m, s, in, out, w.opts, err) : run_flow(m, in, out, &w, err);
    syn_static_release(m, s);
    if (st == SYN_OK && w.opts->finite) st = check_finite(m, out, err);
    return st;
}

/* The program of the last run, if it was one; model->lock is held. */
static const struct syn_program *last_program(const struct syn_model *m)
{
    return m->statics ? m->statics->program : NULL;
}

void syn_model_run_info(struct syn_model *m, struct syn_run_info *info)
{
    struct syn_flow_info f = {0};
    const struct syn_program *p;
    int32_t n = 0;
    pthread_mutex_lock(&m->engine->run_lock);
    if (m->flow) syn_flow_info(m->flow, &f), n = syn_flow_n_steps(m->flow);
    pthread_mutex_unlock(&m->engine->run_lock);
    *info = (struct syn_run_info){f.peak_bytes, f.held_bytes, f.weight_bytes, n, false};
    pthread_mutex_lock(&m->lock);
    if ((p = last_program(m)))
        *info = (struct syn_run_info){p->peak_bytes, 0, p->weight_bytes, p->n_steps, true};
    pthread_mutex_unlock(&m->lock);
}

bool syn_model_step(struct syn_model *m, int32_t index, struct syn_step_info *info)
{
    const struct syn_program *p;
    struct syn_flow_step s;
    bool ran;
    pthread_mutex_lock(&m->lock);
    if ((p = last_program(m))) syn_step_describe(p, index, info);
    pthread_mutex_unlock(&m->lock);
    if (p) return true;
    pthread_mutex_lock(&m->engine->run_lock);
    ran = m->flow && syn_flow_step(m->flow, index, &s);
    if (ran)
        *info = (struct syn_step_info){.op = s.node->op->name,
                                       .name = s.node->name,
                                       .impl = s.impl,
                                       .out = s.out,
                                       .seconds = s.seconds,
                                       .depth = s.depth};
    pthread_mutex_unlock(&m->engine->run_lock);
    return ran;
}

/* Nodes by operator, those of bodies too. */
static void count_operators(const struct syn_graph *g, int64_t *n)
{
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *node = &g->node[i];
        if (!node->op) continue;
        n[node->id]++;
        for (int32_t a = 0; node->op->attrs && node->op->attrs[a].name; a++)
            if (node->attr[a].kind == SYN_ATTR_GRAPH && node->attr[a].v.graph)
                count_operators(node->attr[a].v.graph, n);
    }
}

int32_t syn_model_operators(const struct syn_model *m, struct syn_operator *out, int32_t most)
{
    int64_t n[SYN_OP_COUNT] = {0};
    int32_t kinds = 0;
    count_operators(m->graph, n);
    for (;; kinds++) {
        int best = 0;
        for (int id = 1; id < SYN_OP_COUNT; id++)
            if (n[id] > n[best]) best = id;
        if (n[best] == 0) return kinds;
        if (kinds < most) {
            const struct syn_op *op = syn_op_get((syn_op_id)best);
            out[kinds] = (struct syn_operator){op->name, op->domain ? op->domain : "", n[best]};
        }
        n[best] = 0;
    }
}
