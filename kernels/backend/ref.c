/* ref.c - the backend of scalar references: dense f32, one thread, the definition of every result.
 *
 * Also syn_prepare_dense, by which backends in host memory run nodes they have no kernel for.
 * See backend.h. */
#include "kernels/backend/backend.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include <string.h>

struct dense_state {
    const struct syn_place *place;
    struct syn_op_call call;
    int32_t in[SYN_MAX_OPERANDS],
        out[SYN_MAX_OPERANDS]; /* value indices; -1 = constant or absent */
    size_t in_at[SYN_MAX_OPERANDS],
        out_at[SYN_MAX_OPERANDS]; /* offsets in scratch; (size_t)-1 = used in place */
    /* copies of constants that lie unaligned, or are f16 where f32 is wanted; owned */
    void *constant[SYN_MAX_OPERANDS];
    struct syn_attr attr[SYN_MAX_ATTRS];
    const struct syn_quick *quick;    /* NULL: the reference */
    void *packed;
    size_t quick_at;                  /* its scratch */
};
#define IN_PLACE ((size_t)-1)

static void dense_free(void *state)
{
    struct dense_state *s = state;
    if (!s) return;
    if (s->packed) {
        if (s->quick->unpack) s->quick->unpack(s->packed);
        else syn_free(s->packed);
    }
    for (int32_t i = 0; i < SYN_MAX_OPERANDS; i++) syn_free(s->constant[i]);
    syn_free(s);
}

static void dense_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct dense_state *s = k->state;
    struct syn_op_call c = s->call;
    char *scratch = r->scratch;
    c.attr = s->attr;
    for (int32_t i = 0; i < c.n_in; i++) {
        if (s->in[i] < 0) continue;
        c.in[i].data = syn_place_at(r, s->place, s->in[i]);
        if (s->in_at[i] == IN_PLACE) continue;
        syn_place_gather(&s->place[s->in[i]], &c.in[i].shape, c.in[i].data,
                         (float *)(scratch + s->in_at[i]));
        c.in[i].data = scratch + s->in_at[i];
    }
    for (int32_t i = 0; i < c.n_out; i++)
        if (s->out[i] >= 0)
            c.out[i].data = s->out_at[i] == IN_PLACE ? (void *)syn_place_at(r, s->place, s->out[i])
                                                     : (void *)(scratch + s->out_at[i]);
    if (s->quick) s->quick->run(&c, s->packed, scratch + s->quick_at, r->pool);
    else *r->status = syn_op_reference(&c, r->err);
    for (int32_t i = 0; i < c.n_out; i++)
        if (s->out[i] >= 0 && s->out_at[i] != IN_PLACE)
            syn_place_scatter(&s->place[s->out[i]], &c.out[i].shape, c.out[i].data,
                              syn_place_at(r, s->place, s->out[i]));
}


/* Room in scratch for a dense f32 copy; IN_PLACE when the value lies dense in its own type. */
static bool scratch_for(const struct syn_place *p, const struct syn_tensor *t, size_t *used,
                        size_t *at)
{
    int64_t n;
    size_t bytes;
    if (p->block == 0 && p->dtype == t->dtype) return *at = IN_PLACE, true;
    if (!syn_shape_elements(&t->shape, &n) || !syn_mul((size_t)n, sizeof(float), &bytes))
        return false;
    *at = *used;
    return syn_add(*used, syn_aligned(bytes), used);
}

/* A constant as the node's code can read it: f32 for rows of floats, aligned for all. */
static syn_status take_constant(struct dense_state *s, const struct syn_value *v, int32_t i,
                                bool dry, struct syn_err *err)
{
    struct syn_tensor *t = &s->call.in[i];
    const bool widen =
        (s->call.op->flags & SYN_OP_FLOAT) && (v->dtype == SYN_F16 || v->dtype == SYN_BF16);
    const syn_dtype type = widen ? SYN_F32 : v->dtype;
    int64_t n = 0;
    s->in[i] = -1;
    if (!widen && (uintptr_t)v->data % syn_dtype_bytes(v->dtype) == 0) return SYN_OK;
    t->dtype = type;
    if (dry) return SYN_OK;
    if (!syn_shape_elements(&v->shape, &n) ||
        !(s->constant[i] = syn_alloc((size_t)(n ? n : 1) * syn_dtype_bytes(type))))
        return syn_fail(err, SYN_NO_MEMORY, "constant %s: no memory", v->name);
    syn_element_convert(v->dtype, v->data, type, s->constant[i], n);
    t->data = s->constant[i];
    return SYN_OK;
}

/* The first version that takes the call, its constants packed. */
static syn_status take_quick(struct dense_state *s, const struct syn_quick *const *list,
                             const struct syn_placement *p, const struct syn_node *n,
                             int32_t threads, struct syn_kernel *k, struct syn_err *err)
{
    uint64_t constants = 0;
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < n->n_in && i < 64; i++)
        if (n->in[i] >= 0 && p->g->value[n->in[i]].data) constants |= (uint64_t)1 << i;
    s->call.attr = s->attr;
    for (; list && *list && !s->quick; list++)
        if ((*list)->takes(&s->call)) s->quick = *list;
    if (!s->quick) return SYN_OK;
    if (s->quick->pack && !p->dry)
        st = s->quick->pack(&s->call, constants, &s->packed, &k->weight_bytes, err);
    if (st == SYN_OK && s->quick->scratch) {
        s->quick_at = k->scratch_bytes;
        if (!syn_add(k->scratch_bytes, syn_aligned(s->quick->scratch(&s->call, s->packed, threads)),
                     &k->scratch_bytes))
            st = syn_fail(err, SYN_TOO_LARGE, "scratch over 2^63 bytes");
    }
    return st;
}

syn_status syn_prepare_dense(const struct syn_placement *p, const struct syn_place *place,
                             int32_t node, const struct syn_quick *const *list, int32_t threads,
                             struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct dense_state *s = syn_calloc(1, sizeof *s);
    syn_status st = s ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "no memory");
    if (st != SYN_OK) goto done;
    s->place = place;
    syn_graph_call(p->g, node, &s->call);
    for (int32_t i = 0; n->op->attrs && n->op->attrs[i].name; i++) s->attr[i] = n->attr[i];
    for (int32_t i = 0; st == SYN_OK && i < n->n_in; i++) {
        s->in[i] = n->in[i];
        if (n->in[i] < 0) continue;
        if (p->g->value[n->in[i]].data)
            st = take_constant(s, &p->g->value[n->in[i]], i, p->dry, err);
        else if (!scratch_for(&place[n->in[i]], &s->call.in[i], &k->scratch_bytes, &s->in_at[i]))
            st = syn_fail(err, SYN_TOO_LARGE, "scratch over 2^63 bytes");
    }
    for (int32_t i = 0; st == SYN_OK && i < n->n_out; i++) {
        s->out[i] = n->out[i];
        if (n->out[i] >= 0 &&
            !scratch_for(&place[n->out[i]], &s->call.out[i], &k->scratch_bytes, &s->out_at[i]))
            st = syn_fail(err, SYN_TOO_LARGE, "scratch over 2^63 bytes");
    }
    if (st == SYN_OK) st = take_quick(s, list, p, n, threads, k, err);
done:
    if (st != SYN_OK) {
        dense_free(s);
        return syn_fail_in(err, st, "%s %s: ", n->op->name, n->name);
    }
    k->impl = s->quick ? s->quick->impl : "reference";
    k->run = dense_run;
    k->free = dense_free;
    k->state = s;
    return SYN_OK;
}

/* --- the backend ---------------------------------------------------------------------------- */

static syn_status ref_open(const struct syn_backend_opts *opts, void **self, struct syn_err *err)
{
    (void)opts;
    (void)err;
    *self = NULL;
    return SYN_OK;
}
static void ref_close(void *self) { (void)self; }
static void ref_info(void *self, struct syn_backend_info *info)
{
    (void)self;
    memset(info, 0, sizeof *info);
    memcpy(info->device, "scalar references", sizeof "scalar references");
    info->threads = 1;
}
static struct syn_pool *ref_pool(void *self)
{
    (void)self;
    return NULL;
}

static syn_status ref_place(void *self, const struct syn_placement *p, struct syn_place *place,
                            struct syn_err *err)
{
    (void)self;
    for (int32_t v = 0; v < p->g->n_values; v++) {
        place[v].root = v;
        if (p->g->value[v].data) continue;
        if (!syn_place_shape(&place[v], &p->g->value[v].shape, 0, 0, p->g->value[v].dtype,
                             &place[v].bytes))
            return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^63 bytes", p->g->value[v].name);
    }
    return SYN_OK;
}

static syn_status ref_prepare(void *self, const struct syn_placement *p,
                              const struct syn_place *place, int32_t node, struct syn_kernel *k,
                              struct syn_err *err)
{
    (void)self;
    return syn_prepare_dense(p, place, node, NULL, 1, k, err);
}
static syn_status ref_load(void *self, const struct syn_placement *p, const struct syn_place *place,
                           int32_t input, struct syn_kernel *k, struct syn_err *err)
{
    (void)self;
    return syn_prepare_load(p, place, input, k, err);
}
static syn_status ref_store(void *self, const struct syn_placement *p,
                            const struct syn_place *place, int32_t output, struct syn_kernel *k,
                            struct syn_err *err)
{
    (void)self;
    return syn_prepare_store(p, place, output, k, err);
}

const struct syn_backend syn_backend_ref = {
    .name = "ref",
    .open = ref_open,
    .close = ref_close,
    .info = ref_info,
    .pool = ref_pool,
    .place = ref_place,
    .prepare = ref_prepare,
    .load = ref_load,
    .store = ref_store,
};
