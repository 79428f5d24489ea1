/* static.c - general models as programs: shapes known, picture forms and passes applied, memory
 * planned. See engine_private.h. */
#include "kernels/base/alloc.h"
#include "kernels/engine_private.h"
#include "kernels/graph/passes.h"
#include <string.h>

#define MAX_STATICS 8               /* programs kept per model beyond those in use */
#define SMALL_VALUE ((int64_t)1 << 16) /* elements; what is larger must have a picture's kernel */

/* Operators that the backends' picture kernels run in their layouts. */
static bool is_picture_op(syn_op_id id)
{
    switch (id) {
#define CASE(ID, row) case SYN_OP_##ID:
        SYN_LIST_PICTURE(CASE)
        SYN_LIST_FUSED(CASE)
#undef CASE
        return true;
    default: return id == SYN_OP_TRANSPOSE;
    }
}

/* Convolutions in groups, but for depthwise ones, have quick versions for dense tensors alone. */
static bool is_grouped(const struct syn_graph *g, const struct syn_node *n)
{
    int64_t group;
    if (n->id != SYN_OP_CONV && n->id != SYN_OP_CONV_TRANSPOSE) return false;
    group = syn_attr_int(n->op, n->attr, "group");
    return group > 1 && (n->id == SYN_OP_CONV_TRANSPOSE ||
                         g->value[n->in[0]].shape.dim[1] != group ||
                         g->value[n->out[0]].shape.dim[1] != group);
}

/* A program pays where convolutions of pictures are most of the work and all large values belong
 * to them. */
static bool is_worthwhile(const struct syn_graph *g)
{
    bool convolutions = false;
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const struct syn_node *n = &g->node[i];
        if (!n->op) continue;
        convolutions |= n->id == SYN_OP_CONV || n->id == SYN_OP_CONV_TRANSPOSE;
        if (is_grouped(g, n)) return false;
        if ((n->op->flags & (SYN_OP_MAKES | SYN_OP_RANDOM)) != 0) return false;
        for (int32_t o = 0; !is_picture_op(n->id) && o < n->n_out; o++) {
            int64_t elements = 0;
            if (n->out[o] >= 0 && (!syn_shape_elements(&g->value[n->out[o]].shape, &elements) ||
                                   elements > SMALL_VALUE))
                return false;
        }
    }
    return convolutions;
}

static syn_status rewrite(struct syn_graph *g, unsigned passes, struct syn_err *err)
{
    syn_status st = SYN_OK;
    if (passes & SYN_PASS_LOWER) st = syn_pass_lower(g, err);
    /* reshapes to the same shape stand in the way of patterns */
    if (st == SYN_OK && (passes & SYN_PASS_FOLD)) st = syn_pass_fold(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_NORM)) st = syn_pass_norm(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_ATTENTION)) st = syn_pass_attention(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_FUSE_CONV)) st = syn_pass_fuse_conv(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_NORM)) st = syn_pass_fuse_norm(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_FUSE_CONV)) st = syn_pass_fuse_shuffle(g, err);
    if (st == SYN_OK && (passes & SYN_PASS_PHASES)) st = syn_pass_phases(g, err);
    return st;
}

/* The graph for these shapes; *out NULL when it is no program's. */
static syn_status specialise(struct syn_model *m, const struct syn_shape *in,
                             struct syn_graph **out, struct syn_err *err)
{
    struct syn_graph *g = NULL;
    bool whole = false;
    int32_t at = -1;
    syn_status st = syn_graph_copy(m->graph, &g, err);
    *out = NULL;
    if (st == SYN_OK)
        st = syn_graph_specialise(g, in, (m->passes & SYN_PASS_FOLD) != 0, &whole, &at, err);
    if (st == SYN_OK && whole) st = rewrite(g, m->passes, err);
    if (st == SYN_OK && whole)
        /* a pass that breaks a type is caught here */
        st = syn_graph_specialise(g, in, false, &whole, &at, err);
    if (st == SYN_OK && whole && is_worthwhile(g)) *out = g;
    else syn_graph_free(g);
    return st;
}

static void static_free(struct syn_model *m, struct syn_static *s)
{
    if (!s) return;
    if (s->program) atomic_fetch_sub(&m->engine->weight_bytes, s->program->weight_bytes);
    syn_program_free(s->program);
    syn_free(s->in);
    syn_free(s);
}

static syn_status build(struct syn_model *m, const struct syn_shape *in, syn_precision precision,
                        struct syn_static **out, struct syn_err *err)
{
    struct syn_engine *e = m->engine;
    struct syn_static *s = syn_calloc(1, sizeof *s);
    struct syn_graph *g = NULL;
    struct syn_placement how = {.bf16 = precision == SYN_PRECISION_BF16,
                                .f16 = precision == SYN_PRECISION_F16,
                                .concat_views = (m->passes & SYN_PASS_CONCAT_VIEWS) != 0,
                                .winograd = (m->passes & SYN_PASS_WINOGRAD) != 0,
                                .lanes = (m->passes & SYN_PASS_LANES) != 0,
                                .pairs = (m->passes & SYN_PASS_PAIRS) != 0};
    syn_status st =
        s ? specialise(m, in, &g, err) : syn_fail(err, SYN_NO_MEMORY, "program: no memory");
    *out = NULL;
    if (st != SYN_OK || !g) {
        syn_free(s);
        return st;
    }
    how.g = g;
    s->precision = precision;
    if (!(s->in = syn_calloc((size_t)m->graph->n_inputs + 1, sizeof *s->in)))
        st = syn_fail(err, SYN_NO_MEMORY, "program: no memory");
    else memcpy(s->in, in, (size_t)m->graph->n_inputs * sizeof *s->in);
    if (st == SYN_OK)
        st = syn_program_new(e->backend, e->self, &how, g, (m->passes & SYN_PASS_SHARE_MEMORY) != 0,
                             &s->program, err);
    if (st == SYN_UNSUPPORTED && e->flow_backend) { /* a node the device has no kernel for */
        syn_graph_free(g);
        static_free(m, s);
        return SYN_OK;
    }
    if (st == SYN_OK) {
        g = NULL; /* the program's now */
        atomic_fetch_add(&e->weight_bytes, s->program->weight_bytes);
        if (e->workspace_limit && s->program->peak_bytes > e->workspace_limit)
            st = syn_fail(
                err, SYN_TOO_LARGE, "program: needs %llu bytes of workspace: the limit is %llu",
                (unsigned long long)s->program->peak_bytes, (unsigned long long)e->workspace_limit);
    }
    syn_graph_free(g);
    if (st != SYN_OK) static_free(m, s);
    else *out = s;
    return st;
}

/* Moves a kept program to the front and counts one more user. model->lock is held. */
static struct syn_static *find(struct syn_model *m, const struct syn_shape *in,
                               syn_precision precision)
{
    for (struct syn_static **at = &m->statics; *at; at = &(*at)->next) {
        struct syn_static *s = *at;
        bool same = s->precision == precision;
        for (int32_t i = 0; same && i < m->graph->n_inputs; i++)
            same = syn_shape_equal(&s->in[i], &in[i]);
        if (!same) continue;
        *at = s->next;
        s->next = m->statics;
        m->statics = s;
        s->refs++;
        return s;
    }
    return NULL;
}

/* Idle ones beyond the limit leave the list; the caller frees them without the lock, which is
 * held. */
static struct syn_static *drop_old(struct syn_model *m)
{
    struct syn_static *dropped = NULL;
    int32_t n = 0;
    for (struct syn_static **at = &m->statics; *at;) {
        struct syn_static *s = *at;
        if (++n <= MAX_STATICS || s->refs > 0) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        s->next = dropped;
        dropped = s;
    }
    return dropped;
}

static void free_list(struct syn_model *m, struct syn_static *s)
{
    while (s) {
        struct syn_static *next = s->next;
        static_free(m, s);
        s = next;
    }
}

/* The inputs fit what the model states. */
static syn_status shapes_of(const struct syn_model *m, const struct syn_tensor *in,
                            struct syn_shape *shape, struct syn_err *err)
{
    for (int32_t i = 0; i < m->graph->n_inputs; i++) {
        const syn_status st = syn_graph_input_fits(m->graph, i, &in[i], err);
        if (st != SYN_OK) return st;
        shape[i] = in[i].shape;
    }
    return SYN_OK;
}

syn_status syn_static_get(struct syn_model *m, const struct syn_tensor *in, syn_precision precision,
                          struct syn_static **out, struct syn_err *err)
{
    struct syn_shape *shape = NULL;
    struct syn_static *s = NULL, *dropped = NULL;
    syn_status st;
    *out = NULL;
    if (!(m->passes & SYN_PASS_PROGRAM) || atomic_load(&m->only_flow)) return SYN_OK;
    if ((st = syn_engine_settle(m->engine, precision, &precision, err)) != SYN_OK) return st;
    if (!(shape = syn_calloc((size_t)m->graph->n_inputs + 1, sizeof *shape)))
        return syn_fail(err, SYN_NO_MEMORY, "program: no memory");
    if ((st = shapes_of(m, in, shape, err)) != SYN_OK) goto done;
    /* one build at a time: whoever waited finds it in the list */
    pthread_mutex_lock(&m->engine->build_lock);
    pthread_mutex_lock(&m->lock);
    s = find(m, shape, precision);
    pthread_mutex_unlock(&m->lock);
    if (!s && (st = build(m, shape, precision, &s, err)) == SYN_OK) {
        if (s) {
            pthread_mutex_lock(&m->lock);
            s->refs = 1;
            s->next = m->statics;
            m->statics = s;
            dropped = drop_old(m);
            pthread_mutex_unlock(&m->lock);
        } else atomic_store(&m->only_flow, true);
    }
    free_list(m, dropped);
    pthread_mutex_unlock(&m->engine->build_lock);
    if (st == SYN_OK) *out = s;
done:
    syn_free(shape);
    return st;
}

void syn_static_release(struct syn_model *m, struct syn_static *s)
{
    if (!s) return;
    pthread_mutex_lock(&m->lock);
    s->refs--;
    pthread_mutex_unlock(&m->lock);
}

void syn_statics_free(struct syn_model *m)
{
    pthread_mutex_lock(&m->engine->build_lock);
    free_list(m, m->statics);
    pthread_mutex_unlock(&m->engine->build_lock);
    m->statics = NULL;
}
