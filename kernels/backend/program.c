/* program.c - see program.h. */
#include "kernels/backend/program.h"
#include "kernels/base/alloc.h"
#include "kernels/base/clock.h"
#include "kernels/graph/memory.h"
#include <string.h>

/* Steps: 0 .. n_inputs-1 load, then live nodes in order, then stores. Lifetimes are counted in node
 * indices shifted by one: all loads happen at 0, node i at i+1, stores at n_nodes+1. */
static void live(struct syn_lifetime *life, const struct syn_place *place, int32_t value,
                 int32_t step)
{
    struct syn_lifetime *l;
    if (value < 0) return;
    l = &life[place[value].root];
    if (step < l->first) l->first = step;
    if (step > l->last) l->last = step;
}

static syn_status plan_memory(const struct syn_placement *p, const struct syn_place *place,
                              bool share, struct syn_lifetime *life, size_t *peak,
                              struct syn_err *err)
{
    const struct syn_graph *g = p->g;
    for (int32_t v = 0; v < g->n_values; v++)
        life[v] = (struct syn_lifetime){.first = INT32_MAX, .last = -1};
    for (int32_t i = 0; i < g->n_inputs; i++) live(life, place, g->input[i], 0);
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!n->op) continue;
        for (int32_t k = 0; k < n->n_in; k++) live(life, place, n->in[k], i + 1);
        for (int32_t k = 0; k < n->n_out; k++) live(life, place, n->out[k], i + 1);
    }
    for (int32_t i = 0; i < g->n_outputs; i++) live(life, place, g->output[i], g->n_nodes + 1);
    for (int32_t v = 0; v < g->n_values; v++)
        if (life[v].last >= 0 && place[v].root == v) life[v].bytes = place[v].bytes;
    return syn_memory_plan(life, g->n_values, share, peak, err);
}

static void kernel_free(struct syn_kernel *k)
{
    if (k->free) k->free(k->state);
    else syn_free(k->state);
}

/* Most scratch of any node: kernels are made dry (no weights packed) and thrown away. A node that
 * falls to its reference needs dense copies of all its operands, which can be half as much as the
 * values. */
static syn_status dry_scratch(const struct syn_backend *b, void *self,
                              const struct syn_placement *p, const struct syn_place *place,
                              size_t *most, struct syn_err *err)
{
    for (int32_t i = 0; i < p->g->n_nodes; i++) {
        const struct syn_node *n = &p->g->node[i];
        struct syn_kernel k = {0};
        syn_status st;
        if (!n->op) continue;
        if ((st = b->prepare(self, p, place, i, &k, err)) != SYN_OK) return st;
        if (k.scratch_bytes > *most) *most = k.scratch_bytes;
        kernel_free(&k);
    }
    return SYN_OK;
}

syn_status syn_program_estimate(const struct syn_backend *b, void *self,
                                const struct syn_placement *p, bool share_memory, size_t *peak,
                                struct syn_err *err)
{
    struct syn_place *place = syn_calloc((size_t)p->g->n_values + 1, sizeof *place);
    struct syn_lifetime *life = syn_calloc((size_t)p->g->n_values + 1, sizeof *life);
    size_t values = 0, scratch = 0;
    syn_status st = place && life ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    if (st == SYN_OK) st = b->place(self, p, place, err);
    if (st == SYN_OK) st = plan_memory(p, place, share_memory, life, &values, err);
    if (st == SYN_OK) st = dry_scratch(b, self, p, place, &scratch, err);
    if (st == SYN_OK && !syn_add(values, scratch, &values))
        st = syn_fail(err, SYN_TOO_LARGE, "plan: over 2^63 bytes");
    if (st == SYN_OK) *peak = values;
    syn_free(life);
    syn_free(place);
    return st;
}

static struct syn_program_step *step_new(struct syn_program *p, int32_t node, int32_t value)
{
    struct syn_program_step *s = &p->step[p->n_steps++];
    s->node = node;
    s->value = value;
    s->is_load = node < 0 && p->n_steps <= p->g->n_inputs; /* loads come first */
    return s;
}

static syn_status prepare_all(struct syn_program *p, const struct syn_placement *how,
                              struct syn_err *err)
{
    const struct syn_graph *g = p->g;
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < g->n_inputs; i++)
        if (p->place[g->input[i]].external == 0)
            st = p->backend->load(p->self, how, p->place, i, &step_new(p, -1, g->input[i])->kernel,
                                  err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++)
        if (g->node[i].op)
            st = p->backend->prepare(p->self, how, p->place, i,
                                     &step_new(p, i, g->node[i].out[0])->kernel, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_outputs; i++)
        if (p->place[p->place[g->output[i]].root].external != -1 - i)
            st = p->backend->store(p->self, how, p->place, i,
                                   &step_new(p, -1, g->output[i])->kernel, err);
    return st;
}

syn_status syn_program_new(const struct syn_backend *b, void *self, const struct syn_placement *how,
                           struct syn_graph *g, bool share_memory, struct syn_program **out,
                           struct syn_err *err)
{
    size_t scratch = 0;
    struct syn_lifetime *life = syn_calloc((size_t)g->n_values + 1, sizeof *life);
    struct syn_program *p = syn_calloc(1, sizeof *p);
    syn_status st = life && p ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    if (st != SYN_OK) goto done;
    p->backend = b;
    p->self = self;
    p->g = g;
    p->place = syn_calloc((size_t)g->n_values + 1, sizeof *p->place);
    p->offset = syn_calloc((size_t)g->n_values + 1, sizeof *p->offset);
    p->step = syn_calloc((size_t)g->n_nodes + (size_t)g->n_inputs + (size_t)g->n_outputs + 1,
                         sizeof *p->step);
    if (!p->place || !p->offset || !p->step) {
        st = syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
        goto done;
    }
    if ((st = b->place(self, how, p->place, err)) != SYN_OK) goto done;
    if ((st = plan_memory(how, p->place, share_memory, life, &p->peak_bytes, err)) != SYN_OK)
        goto done;
    for (int32_t v = 0; v < g->n_values; v++) p->offset[v] = life[v].offset;
    if ((st = prepare_all(p, how, err)) != SYN_OK) goto done;
    for (int32_t i = 0; i < p->n_steps; i++) {
        p->weight_bytes += p->step[i].kernel.weight_bytes;
        if (p->step[i].kernel.scratch_bytes > scratch) scratch = p->step[i].kernel.scratch_bytes;
    }
    p->scratch_at = p->peak_bytes;
    if (!syn_add(p->peak_bytes, scratch, &p->peak_bytes))
        st = syn_fail(err, SYN_TOO_LARGE, "plan: over 2^63 bytes");
done:
    syn_free(life);
    if (st != SYN_OK) {
        if (p) p->g = NULL; /* stays the caller's */
        syn_program_free(p);
        return st;
    }
    *out = p;
    return SYN_OK;
}

void syn_program_free(struct syn_program *p)
{
    if (!p) return;
    if (p->recorded) p->backend->forget(p->self, p);
    for (int32_t i = 0; i < p->n_steps; i++) kernel_free(&p->step[i].kernel);
    syn_graph_free(p->g);
    syn_free(p->place);
    syn_free(p->offset);
    syn_free(p->step);
    syn_free(p);
}

syn_status syn_program_steps(struct syn_program *p, const struct syn_run *r, int32_t from,
                             int32_t to, const atomic_bool *cancel, bool profile,
                             struct syn_err *err)
{
    for (int32_t i = from; i < to; i++) {
        struct syn_program_step *s = &p->step[i];
        double start = profile ? syn_seconds_now() : 0;
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return syn_fail(err, SYN_CANCELED, "canceled at step %d of %d", (int)i,
                            (int)p->n_steps);
        if (s->kernel.run) s->kernel.run(&s->kernel, r);
        if (profile) s->seconds = syn_seconds_now() - start;
        if (*r->status != SYN_OK)
            return s->node < 0 ? *r->status
                               : syn_fail_in(err, *r->status, "%s %s: ",
                                             p->g->node[s->node].op->name,
                                             p->g->node[s->node].name);
    }
    return SYN_OK;
}

syn_status syn_program_run(struct syn_program *p, void *workspace, const void *const *in,
                           void *const *out, const atomic_bool *cancel, bool profile,
                           struct syn_err *err)
{
    syn_status st = SYN_OK;
    const struct syn_run r = {
        .status = &st,
        .err = err,
        .workspace = workspace,
        .offset = p->offset,
        .in = in,
        .out = out,
        .scratch = (char *)workspace + p->scratch_at,
        .pool = p->backend->pool(p->self),
    };
    if (p->backend->run) return p->backend->run(p->self, p, &r, cancel, profile, err);
    return syn_program_steps(p, &r, 0, p->n_steps, cancel, profile, err);
}
