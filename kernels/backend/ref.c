/* ref.c - the backend of scalar references: dense f32, one thread, the definition of every result.
 *
 * Also syn_prepare_reference, by which other backends in host memory run nodes they have no kernel for.
 * See backend.h. */
#include "kernels/backend/backend.h"
#include "kernels/base/alloc.h"
#include <string.h>

struct ref_state {
    const struct syn_place *place;
    struct syn_op_call call;
    int32_t in[SYN_MAX_OPERANDS],
        out[SYN_MAX_OPERANDS]; /* value indices; -1 = constant or absent */
    size_t in_at[SYN_MAX_OPERANDS],
        out_at[SYN_MAX_OPERANDS]; /* offsets in scratch; (size_t)-1 = used in place */
    float *constant[SYN_MAX_OPERANDS];                   /* f32 copies of f16 constants; owned */
    struct syn_attr attr[SYN_MAX_ATTRS];
};
#define IN_PLACE ((size_t)-1)

static void ref_free(void *state)
{
    struct ref_state *s = state;
    if (!s) return;
    for (int32_t i = 0; i < SYN_MAX_OPERANDS; i++) syn_free(s->constant[i]);
    syn_free(s);
}

static void ref_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct ref_state *s = k->state;
    struct syn_op_call c = s->call;
    struct syn_err unused;
    c.attr = s->attr;
    for (int32_t i = 0; i < c.n_in; i++) {
        if (s->in[i] < 0) continue;
        c.in[i].data = syn_place_at(r, s->place, s->in[i]);
        if (s->in_at[i] == IN_PLACE) continue;
        syn_place_gather(&s->place[s->in[i]], &c.in[i].shape, c.in[i].data,
                         (float *)((char *)r->scratch + s->in_at[i]));
        c.in[i].data = (char *)r->scratch + s->in_at[i];
    }
    for (int32_t i = 0; i < c.n_out; i++)
        c.out[i].data = s->out_at[i] == IN_PLACE ? (void *)syn_place_at(r, s->place, s->out[i])
                                                 : (void *)((char *)r->scratch + s->out_at[i]);
    /* References may allocate a line buffer; without memory for that the result is undefined, and the scan
     * for NaN at the end of a run must see it. */
    if (c.op->reference(&c, &unused) != SYN_OK)
        for (int32_t i = 0; i < c.n_out; i++) {
            int64_t n = 0;
            if (syn_shape_elements(&c.out[i].shape, &n))
                memset(c.out[i].data, 0xff, (size_t)n * sizeof(float));
        }
    for (int32_t i = 0; i < c.n_out; i++)
        if (s->out_at[i] != IN_PLACE)
            syn_place_scatter(&s->place[s->out[i]], &c.out[i].shape, c.out[i].data,
                              syn_place_at(r, s->place, s->out[i]));
}

static bool is_dense_f32(const struct syn_place *p)
{
    return p->block == 0 && p->dtype == SYN_F32;
}

/* Room in scratch for a dense f32 copy; IN_PLACE when the value is one already. */
static bool scratch_for(const struct syn_place *p, const struct syn_shape *s, size_t *used,
                        size_t *at)
{
    int64_t n;
    size_t bytes;
    if (is_dense_f32(p)) return *at = IN_PLACE, true;
    if (!syn_shape_elements(s, &n) || !syn_mul((size_t)n, sizeof(float), &bytes)) return false;
    *at = *used;
    return syn_add(*used, (bytes + SYN_ALIGN - 1) & ~(size_t)(SYN_ALIGN - 1), used);
}

static float *constant_f32(const struct syn_value *v)
{
    int64_t n;
    float *copy;
    if (!syn_shape_elements(&v->shape, &n) || !(copy = syn_alloc((size_t)n * sizeof *copy)))
        return NULL;
    for (int64_t i = 0; i < n; i++) copy[i] = syn_value_float(v, i);
    return copy;
}

syn_status syn_prepare_reference(const struct syn_placement *p, const struct syn_place *place,
                                 int32_t node, struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct ref_state *s = syn_calloc(1, sizeof *s);
    bool fits = true;
    if (!s) return syn_fail(err, SYN_NO_MEMORY, "%s %s: no memory", n->op->name, n->name);
    s->place = place;
    syn_graph_call(p->g, node, &s->call);
    for (int32_t i = 0; n->op->attrs && n->op->attrs[i].name; i++) s->attr[i] = n->attr[i];
    for (int32_t i = 0; fits && i < n->n_in; i++) {
        s->in[i] = n->in[i];
        if (n->in[i] < 0) continue;
        if (p->g->value[n->in[i]].data) {
            s->in[i] = -1;
            if (!p->dry && !(s->constant[i] = constant_f32(&p->g->value[n->in[i]]))) fits = false;
            s->call.in[i].data = s->constant[i];
            s->call.in[i].dtype = SYN_F32;
        } else
            fits = scratch_for(&place[n->in[i]], &s->call.in[i].shape, &k->scratch_bytes,
                               &s->in_at[i]);
    }
    for (int32_t i = 0; fits && i < n->n_out; i++) {
        s->out[i] = n->out[i];
        fits =
            scratch_for(&place[n->out[i]], &s->call.out[i].shape, &k->scratch_bytes, &s->out_at[i]);
    }
    if (!fits) {
        ref_free(s);
        return syn_fail(err, SYN_NO_MEMORY, "%s %s: no memory", n->op->name, n->name);
    }
    k->impl = "reference";
    k->run = ref_run;
    k->free = ref_free;
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
        if (!syn_place_shape(&place[v], &p->g->value[v].shape, 0, 0, SYN_F32, &place[v].bytes))
            return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^63 bytes", p->g->value[v].name);
    }
    return SYN_OK;
}

static syn_status ref_prepare(void *self, const struct syn_placement *p,
                              const struct syn_place *place, int32_t node, struct syn_kernel *k,
                              struct syn_err *err)
{
    (void)self;
    return syn_prepare_reference(p, place, node, k, err);
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
