/* flow.c - see flow.h.
 *
 * A frame is a graph's static side: per node its kernels and packed weights, per value the node
 * that reads it last. The model has one, every body another, made when it is first run. A run of a
 * frame keeps a tensor per value; views share a buffer, which goes back to the blocks when its
 * last reader has run. */
#include "kernels/backend/flow.h"
#include "kernels/backend/blocks.h"
#include "kernels/base/alloc.h"
#include "kernels/base/clock.h"
#include "kernels/graph/element.h"
#include <string.h>

#define MAX_DEPTH 16 /* bodies within bodies */
#define FOREVER INT32_MAX

struct way { /* one quick version with what it packed */
    const struct syn_quick *quick;
    void *packed;
};
#define MAX_WAYS 4 /* of one operator */

struct flow_node {
    struct way way[MAX_WAYS];
    int32_t n_ways;
    bool known; /* ways are filled in */
    bool pinned; /* to f32 */
    uint64_t constants;
    double seconds;
    const char *impl;     /* NULL before the first run */
    struct syn_shape out; /* of the last run */
};

struct frame {
    const struct syn_graph *g;
    struct flow_node *node;
    int32_t *last;   /* by value: node that reads it last; FOREVER: an output; -1: nobody */
    void **aligned;  /* by value: a constant's aligned copy; NULL: as it lies */
    bool *leaves;    /* by value: an output, or an output is a view of it */
    int32_t depth;   /* 0: the model's own; of bodies, where it was met first */
    struct frame *next;
};

/* A buffer that values of a run share. */
struct buffer {
    void *data;
    uint64_t tag; /* the blocks' own; 0 = made by a reference (syn_free) */
    int32_t refs; /* values alive that lie in it; 0 = free or not ours */
    bool ours;
};

struct run_value {
    struct syn_tensor t; /* data NULL while not computed */
    int32_t buffer;      /* index; -1 = a constant's or the caller's memory */
};

struct syn_flow {
    struct syn_flow_opts opts;
    struct frame *top; /* the model's; bodies' follow in the order in which they first ran */
    struct syn_blocks blocks;
    uint64_t weight_bytes;
};

/* What one run shares over all depths; host first, so that bodies find the way back. */
struct run_state {
    struct syn_op_host host;
    struct syn_flow *f;
    const struct syn_flow_run *how;
    int32_t depth;
};

/* --- frames ---------------------------------------------------------------------------------- */

static void frame_free(struct frame *fr)
{
    if (!fr) return;
    for (int32_t i = 0; fr->node && i < fr->g->n_nodes; i++)
        for (int32_t w = 0; w < fr->node[i].n_ways; w++) {
            const struct way *way = &fr->node[i].way[w];
            if (!way->packed) continue;
            if (way->quick->unpack) way->quick->unpack(way->packed);
            else syn_free(way->packed);
        }
    for (int32_t v = 0; fr->aligned && v < fr->g->n_values; v++) syn_free(fr->aligned[v]);
    syn_free(fr->aligned);
    syn_free(fr->leaves);
    syn_free(fr->node);
    syn_free(fr->last);
    syn_free(fr);
}

static bool is_view(const struct syn_node *n)
{
    return (n->op->flags & SYN_OP_VIEW) && n->n_out == 1;
}

/* Backwards from the outputs. */
static void find_leaving(struct frame *fr)
{
    const struct syn_graph *g = fr->g;
    for (int32_t i = 0; i < g->n_outputs; i++) fr->leaves[g->output[i]] = true;
    for (int32_t i = g->n_nodes - 1; i >= 0; i--) {
        const struct syn_node *n = &g->node[i];
        if (n->op && is_view(n) && n->out[0] >= 0 && fr->leaves[n->out[0]] && n->in[0] >= 0)
            fr->leaves[n->in[0]] = true;
    }
}

static syn_status frame_new(const struct syn_graph *g, struct frame **out, struct syn_err *err)
{
    struct frame *fr = syn_calloc(1, sizeof *fr);
    if (fr) {
        fr->g = g;
        fr->node = syn_calloc((size_t)g->n_nodes + 1, sizeof *fr->node);
        fr->last = syn_calloc((size_t)g->n_values + 1, sizeof *fr->last);
        fr->aligned = syn_calloc((size_t)g->n_values + 1, sizeof *fr->aligned);
        fr->leaves = syn_calloc((size_t)g->n_values + 1, sizeof *fr->leaves);
    }
    if (!fr || !fr->node || !fr->last || !fr->aligned || !fr->leaves) {
        frame_free(fr);
        return syn_fail(err, SYN_NO_MEMORY, "flow: no memory");
    }
    for (int32_t v = 0; v < g->n_values; v++) fr->last[v] = -1;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] >= 0) fr->last[g->node[i].in[k]] = i;
    for (int32_t i = 0; i < g->n_outputs; i++) fr->last[g->output[i]] = FOREVER;
    find_leaving(fr);
    *out = fr;
    return SYN_OK;
}

static syn_status frame_of(struct syn_flow *f, const struct syn_graph *g, int32_t depth,
                           struct frame **out, struct syn_err *err)
{
    struct frame **at = &f->top;
    syn_status st = SYN_OK;
    while (*at && (*at)->g != g) at = &(*at)->next;
    if (!*at && (st = frame_new(g, at, err)) == SYN_OK) (*at)->depth = depth;
    if (st == SYN_OK) *out = *at;
    return st;
}

/* --- values ---------------------------------------------------------------------------------- */

struct frame_run {
    struct frame *fr;
    struct run_value *value;
    struct buffer *buffer; /* by value: the one it was made with */
    struct syn_op_call call;
};

static void buffer_drop(struct syn_flow *f, struct buffer *b)
{
    if (!b->ours || --b->refs > 0) return;
    if (b->tag) syn_blocks_give(&f->blocks, b->data, b->tag);
    else syn_free(b->data);
    *b = (struct buffer){NULL, 0, 0, false};
}

static void release(struct syn_flow *f, struct frame_run *r, int32_t v)
{
    struct run_value *rv = &r->value[v];
    if (rv->buffer >= 0) buffer_drop(f, &r->buffer[rv->buffer]);
    rv->buffer = -1;
    rv->t.data = NULL;
}

static void run_free(struct syn_flow *f, struct frame_run *r)
{
    if (!r) return;
    for (int32_t v = 0; r->value && r->buffer && v < r->fr->g->n_values; v++)
        if (r->value[v].t.data) release(f, r, v);
    syn_free(r->value);
    syn_free(r->buffer);
    syn_free(r);
}

static syn_status tensor_bytes(const struct syn_tensor *t, uint64_t *bytes, struct syn_err *err)
{
    int64_t n;
    size_t size;
    *bytes = 0; /* compilers do not see that a failure is never SYN_OK */
    if (!syn_shape_elements(&t->shape, &n) || !syn_mul((size_t)n, syn_dtype_bytes(t->dtype), &size))
        return syn_fail(err, SYN_TOO_LARGE, "a value of over 2^40 elements");
    *bytes = size;
    return SYN_OK;
}

/* A constant as aligned memory: the file's own where it is. */
static syn_status constant_data(struct frame *fr, int32_t v, void **out, struct syn_err *err)
{
    const struct syn_value *c = &fr->g->value[v];
    const struct syn_tensor t = {c->shape, c->dtype, NULL};
    uint64_t bytes;
    syn_status st;
    *out = (void *)(uintptr_t)c->data;
    if ((uintptr_t)c->data % syn_dtype_bytes(c->dtype) == 0) return SYN_OK;
    if (!fr->aligned[v]) {
        if ((st = tensor_bytes(&t, &bytes, err)) != SYN_OK) return st;
        if (!(fr->aligned[v] = syn_alloc(bytes ? bytes : 1)))
            return syn_fail(err, SYN_NO_MEMORY, "constant %s: no memory", c->name);
        memcpy(fr->aligned[v], c->data, bytes);
    }
    *out = fr->aligned[v];
    return SYN_OK;
}

/* The call of a node with tensors as they are now. */
static syn_status fill_call(struct frame_run *r, int32_t i, struct syn_err *err)
{
    const struct syn_graph *g = r->fr->g;
    const struct syn_node *n = &g->node[i];
    struct syn_op_call *c = &r->call;
    c->op = n->op, c->attr = n->attr, c->opset = n->opset;
    c->n_in = n->n_in, c->n_out = n->n_out;
    for (int32_t k = 0; k < n->n_in; k++) {
        const int32_t v = n->in[k];
        if (v < 0) {
            c->in[k] = (struct syn_tensor){.shape = {.rank = -1}};
        } else if (g->value[v].data) {
            syn_status st = constant_data(r->fr, v, &c->in[k].data, err);
            c->in[k].shape = g->value[v].shape, c->in[k].dtype = g->value[v].dtype;
            if (st != SYN_OK) return st;
        } else {
            c->in[k] = r->value[v].t;
            if (!c->in[k].data)
                return syn_fail(err, SYN_INVALID, "operand %d is not computed before it", (int)k);
        }
    }
    for (int32_t k = 0; k < n->n_out; k++)
        c->out[k] = (struct syn_tensor){.shape = {.rank = n->out[k] < 0 ? -1 : 0}};
    return SYN_OK;
}

/* --- one node -------------------------------------------------------------------------------- */

static void find_ways(struct syn_flow *f, const struct frame *fr, int32_t i)
{
    struct flow_node *fn = &fr->node[i];
    const struct syn_node *n = &fr->g->node[i];
    const struct syn_quick *const *list =
        f->opts.backend->quick ? f->opts.backend->quick(f->opts.self, n->id) : NULL;
    fn->known = true;
    for (int32_t p = 0; p < f->opts.n_pin_f32; p++)
        fn->pinned |= !strncmp(n->name, f->opts.pin_f32[p], strlen(f->opts.pin_f32[p]));
    for (int32_t k = 0; k < n->n_in && k < 64; k++)
        if (n->in[k] >= 0 && fr->g->value[n->in[k]].data) fn->constants |= (uint64_t)1 << k;
    for (; list && *list && fn->n_ways < MAX_WAYS; list++) fn->way[fn->n_ways++].quick = *list;
}

/* The best version that takes this call, packed; NULL: the reference. */
static syn_status choose_way(struct syn_flow *f, struct frame_run *r, int32_t i, bool bf16,
                             struct way **out, struct syn_err *err)
{
    struct flow_node *fn = &r->fr->node[i];
    *out = NULL;
    if (!fn->known) find_ways(f, r->fr, i);
    r->call.bf16 = bf16 && !fn->pinned;
    for (int32_t w = 0; w < fn->n_ways; w++) {
        struct way *way = &fn->way[w];
        size_t bytes = 0;
        syn_status st;
        if (!way->quick->takes(&r->call)) continue;
        if (way->quick->pack && !way->packed) {
            if ((st = way->quick->pack(&r->call, fn->constants, &way->packed, &bytes, err)) !=
                SYN_OK)
                return st;
            f->weight_bytes += bytes;
        }
        return *out = way, SYN_OK;
    }
    return SYN_OK;
}

static syn_status run_way(struct syn_flow *f, const struct syn_op_call *c, const struct way *way,
                          struct syn_err *err)
{
    struct syn_pool *pool = f->opts.backend->pool(f->opts.self);
    const size_t bytes =
        way->quick->scratch ? way->quick->scratch(c, way->packed, pool ? syn_pool_threads(pool) : 1)
                            : 0;
    void *scratch = NULL;
    uint64_t tag = 0;
    syn_status st = bytes ? syn_blocks_take(&f->blocks, bytes, &scratch, &tag, err) : SYN_OK;
    if (st != SYN_OK) return st;
    way->quick->run(c, way->packed, scratch, pool);
    if (scratch) syn_blocks_give(&f->blocks, scratch, tag);
    return SYN_OK;
}

/* Output o of the node becomes a value. */
static void keep_output(struct frame_run *r, int32_t v, const struct syn_tensor *t, int32_t buffer)
{
    r->value[v].t = *t;
    r->value[v].buffer = buffer;
    if (buffer >= 0 && r->buffer[buffer].ours) r->buffer[buffer].refs++;
}

/* Out 0 shares operand 0's bytes. */
static void run_view(struct frame_run *r, const struct syn_node *n)
{
    const struct syn_tensor t = {r->call.out[0].shape, r->call.out[0].dtype, r->call.in[0].data};
    r->call.out[0] = t;
    keep_output(r, n->out[0], &t, r->fr->g->value[n->in[0]].data ? -1 : r->value[n->in[0]].buffer);
}

static syn_status take_outputs(struct syn_flow *f, struct frame_run *r, const struct syn_node *n,
                               struct syn_err *err)
{
    for (int32_t o = 0; o < n->n_out; o++) {
        struct buffer *b;
        uint64_t bytes;
        syn_status st;
        if (n->out[o] < 0) continue;
        b = &r->buffer[n->out[o]];
        if ((st = tensor_bytes(&r->call.out[o], &bytes, err)) != SYN_OK) return st;
        st = r->fr->leaves[n->out[o]]
                 ? syn_blocks_take_leaving(&f->blocks, bytes, &b->data, &b->tag, err)
                 : syn_blocks_take(&f->blocks, bytes, &b->data, &b->tag, err);
        if (st != SYN_OK) return st;
        b->ours = true;
        r->call.out[o].data = b->data;
        keep_output(r, n->out[o], &r->call.out[o], n->out[o]);
    }
    return SYN_OK;
}

/* Outputs that the reference allocated itself. */
static syn_status run_maker(struct run_state *s, struct frame_run *r, const struct syn_node *n,
                            struct syn_err *err)
{
    syn_status st;
    r->call.host = &s->host;
    st = syn_op_reference(&r->call, err);
    r->call.host = NULL;
    for (int32_t o = 0; o < n->n_out; o++) {
        if (n->out[o] < 0 || st != SYN_OK) {
            syn_free(r->call.out[o].data);
            continue;
        }
        r->buffer[n->out[o]] = (struct buffer){r->call.out[o].data, 0, 0, true};
        keep_output(r, n->out[o], &r->call.out[o], n->out[o]);
    }
    return st;
}

static syn_status run_node(struct run_state *s, struct frame_run *r, int32_t i, struct syn_err *err)
{
    const struct syn_node *n = &r->fr->g->node[i];
    struct flow_node *fn = &r->fr->node[i];
    struct way *way = NULL;
    const double start = s->how->profile ? syn_seconds_now() : 0;
    syn_status st = fill_call(r, i, err);
    fn->impl = "reference";
    if (st != SYN_OK) return st;
    if (n->op->flags & SYN_OP_MAKES) {
        st = run_maker(s, r, n, err);
    } else {
        if ((st = n->op->shape(&r->call, err)) != SYN_OK) return st;
        if (is_view(n)) {
            fn->impl = "view";
            run_view(r, n);
        } else {
            st = take_outputs(s->f, r, n, err);
            if (st == SYN_OK) st = choose_way(s->f, r, i, s->how->bf16, &way, err);
            if (st == SYN_OK && way) {
                fn->impl = way->quick->impl;
                st = run_way(s->f, &r->call, way, err);
            } else if (st == SYN_OK) {
                r->call.host = &s->host;
                st = syn_op_reference(&r->call, err);
                r->call.host = NULL;
            }
        }
    }
    if (s->how->profile) fn->seconds += syn_seconds_now() - start;
    fn->out = n->n_out ? r->call.out[0].shape : (struct syn_shape){.rank = -1};
    if (st == SYN_OK && s->how->watch)
        st = s->how->watch(s->how->watch_ctx, r->fr->g, i, s->depth, &r->call, err);
    return st;
}

/* Values that nobody reads after node i go. */
static void release_after(struct syn_flow *f, struct frame_run *r, int32_t i)
{
    const struct syn_node *n = &r->fr->g->node[i];
    for (int32_t k = 0; k < n->n_in; k++)
        if (n->in[k] >= 0 && r->fr->last[n->in[k]] == i && r->value[n->in[k]].t.data)
            release(f, r, n->in[k]);
    for (int32_t k = 0; k < n->n_out; k++)
        if (n->out[k] >= 0 && r->fr->last[n->out[k]] < 0 && r->value[n->out[k]].t.data)
            release(f, r, n->out[k]);
}

/* --- a graph --------------------------------------------------------------------------------- */

static syn_status bind(struct frame_run *r, const struct syn_tensor *in, bool top,
                       struct syn_err *err)
{
    const struct syn_graph *g = r->fr->g;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        /* a body's inputs are as its operator passes them */
        const syn_status st = top ? syn_graph_input_fits(g, i, &in[i], err) : SYN_OK;
        if (st != SYN_OK) return st;
        if (!in[i].data || in[i].shape.rank < 0)
            return syn_fail(err, SYN_INVALID, "input %s is missing", g->value[g->input[i]].name);
        keep_output(r, g->input[i], &in[i], -1);
    }
    return SYN_OK;
}

/* An output leaves the run: its buffer where it is the only one in it and was made to leave, else
 * a copy. */
static syn_status hand_over(struct syn_flow *f, struct frame_run *r, int32_t v, bool again,
                            struct syn_tensor *out, struct syn_err *err)
{
    const struct syn_value *value = &r->fr->g->value[v];
    const struct syn_tensor t = value->data ? (struct syn_tensor){value->shape, value->dtype,
                                                                  (void *)(uintptr_t)value->data}
                                            : r->value[v].t;
    struct buffer *b =
        value->data || r->value[v].buffer < 0 ? NULL : &r->buffer[r->value[v].buffer];
    uint64_t bytes;
    syn_status st = tensor_bytes(&t, &bytes, err);
    if (st != SYN_OK) return st;
    *out = t;
    if (b && b->ours && b->refs == 1 && !again &&
        (!b->tag || syn_blocks_forget(&f->blocks, b->tag))) {
        *b = (struct buffer){NULL, 0, 0, false};
        r->value[v].t.data = NULL, r->value[v].buffer = -1;
        return SYN_OK;
    }
    if (!(out->data = syn_alloc(bytes ? bytes : 1)))
        return syn_fail(err, SYN_NO_MEMORY, "output %s: no memory", value->name);
    if (bytes) memcpy(out->data, t.data, bytes);
    return SYN_OK;
}

static syn_status hand_over_all(struct syn_flow *f, struct frame_run *r, struct syn_tensor *out,
                                struct syn_err *err)
{
    const struct syn_graph *g = r->fr->g;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        bool again = false; /* a later output is the same value */
        syn_status st;
        for (int32_t k = i + 1; k < g->n_outputs; k++) again |= g->output[k] == g->output[i];
        if ((st = hand_over(f, r, g->output[i], again, &out[i], err)) != SYN_OK) return st;
    }
    return SYN_OK;
}

static syn_status run_graph(struct run_state *s, const struct syn_graph *g,
                            const struct syn_tensor *in, struct syn_tensor *out,
                            struct syn_err *err)
{
    struct frame_run *r = syn_calloc(1, sizeof *r);
    syn_status st = r ? frame_of(s->f, g, s->depth, &r->fr, err)
                      : syn_fail(err, SYN_NO_MEMORY, "flow: no memory");
    for (int32_t i = 0; i < g->n_outputs; i++) out[i] = (struct syn_tensor){.data = NULL};
    if (st != SYN_OK) goto done;
    r->value = syn_calloc((size_t)g->n_values + 1, sizeof *r->value);
    r->buffer = syn_calloc((size_t)g->n_values + 1, sizeof *r->buffer);
    if (!r->value || !r->buffer) {
        st = syn_fail(err, SYN_NO_MEMORY, "flow: no memory");
        goto done;
    }
    for (int32_t v = 0; v < g->n_values; v++) r->value[v].buffer = -1;
    st = bind(r, in, s->depth == 0, err);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++) {
        if (!g->node[i].op) continue;
        if (s->how->cancel && atomic_load_explicit(s->how->cancel, memory_order_relaxed))
            st = syn_fail(err, SYN_CANCELED, "canceled at node %d of %d", (int)i, (int)g->n_nodes);
        else if ((st = run_node(s, r, i, err)) != SYN_OK)
            st = syn_fail_in(err, st, "%s %s: ", g->node[i].op->name, g->node[i].name);
        if (st == SYN_OK) release_after(s->f, r, i);
    }
    if (st == SYN_OK) st = hand_over_all(s->f, r, out, err);
done:
    if (st != SYN_OK)
        for (int32_t i = 0; i < g->n_outputs; i++) {
            syn_free(out[i].data);
            out[i].data = NULL;
        }
    if (r && r->fr) run_free(s->f, r);
    else syn_free(r);
    return st;
}

static syn_status run_body(struct syn_op_host *h, const struct syn_graph *body,
                           const struct syn_tensor *in, struct syn_tensor *out, struct syn_err *err)
{
    struct run_state *s = (struct run_state *)h; /* host is its first member */
    syn_status st;
    if (s->depth >= MAX_DEPTH)
        return syn_fail(err, SYN_UNSUPPORTED, "bodies are nested more than %d deep", MAX_DEPTH);
    if (s->how->cancel && atomic_load_explicit(s->how->cancel, memory_order_relaxed))
        return syn_fail(err, SYN_CANCELED, "canceled");
    s->depth++;
    st = run_graph(s, body, in, out, err);
    s->depth--;
    return st;
}

/* --- the flow -------------------------------------------------------------------------------- */

syn_status syn_flow_new(const struct syn_graph *g, const struct syn_flow_opts *opts,
                        struct syn_flow **out, struct syn_err *err)
{
    struct syn_flow *f = syn_calloc(1, sizeof *f);
    syn_status st = f ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "flow: no memory");
    if (st != SYN_OK) return st;
    f->opts = *opts;
    f->blocks.limit_bytes = opts->limit_bytes;
    if ((st = frame_new(g, &f->top, err)) != SYN_OK) {
        syn_flow_free(f);
        return st;
    }
    *out = f;
    return SYN_OK;
}

void syn_flow_free(struct syn_flow *f)
{
    if (!f) return;
    while (f->top) {
        struct frame *next = f->top->next;
        frame_free(f->top);
        f->top = next;
    }
    syn_blocks_trim(&f->blocks, 0);
    syn_free(f);
}

void syn_flow_info(const struct syn_flow *f, struct syn_flow_info *info)
{
    *info = (struct syn_flow_info){f->blocks.peak_bytes, f->blocks.idle_bytes, f->weight_bytes};
}

void syn_flow_trim(struct syn_flow *f, uint64_t keep_bytes)
{
    syn_blocks_trim(&f->blocks, keep_bytes);
}

syn_status syn_flow_exec(struct syn_flow *f, const struct syn_tensor *in, struct syn_tensor *out,
                         const struct syn_flow_run *how, struct syn_err *err)
{
    struct run_state s = {.host = {.run = run_body, .seed = how->seed}, .f = f, .how = how};
    for (struct frame *fr = f->top; how->profile && fr; fr = fr->next)
        for (int32_t i = 0; i < fr->g->n_nodes; i++) fr->node[i].seconds = 0;
    return run_graph(&s, f->top->g, in, out, err);
}

int32_t syn_flow_n_steps(const struct syn_flow *f)
{
    int32_t n = 0;
    for (const struct frame *fr = f->top; fr; fr = fr->next) n += fr->g->n_nodes;
    return n;
}

bool syn_flow_step(const struct syn_flow *f, int32_t index, struct syn_flow_step *step)
{
    const struct frame *fr = f->top;
    const struct flow_node *n;
    for (; fr && index >= fr->g->n_nodes; fr = fr->next) index -= fr->g->n_nodes;
    n = fr ? &fr->node[index] : NULL;
    if (!n || !n->impl) return false;
    *step = (struct syn_flow_step){&fr->g->node[index], n->impl, n->out, n->seconds, fr->depth};
    return true;
}
