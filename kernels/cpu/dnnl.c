/* dnnl.c - see dnnl.h. */
#include "kernels/cpu/dnnl.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/dnnl_omp.h"
#include <oneapi/dnnl/dnnl.h>
#include <string.h>

/* --- the difference between the versions ------------------------------------------------------ */

/* The prototypes say arrays of DNNL_MAX_NDIMS, of which only the first n are read. */
static void widen(dnnl_dims_t whole, int n, const int64_t *dims)
{
    memset(whole, 0, sizeof(dnnl_dims_t));
    memcpy(whole, dims, (size_t)n * sizeof *dims);
}

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t desc; /* opaque, owned */
static bool desc_make(desc *d, int n, const int64_t *dims, dnnl_data_type_t t,
                      dnnl_format_tag_t tag)
{
    dnnl_dims_t whole;
    widen(whole, n, dims);
    return dnnl_memory_desc_create_with_tag(d, n, whole, t, tag) == dnnl_success;
}
static void desc_free(desc *d)
{
    if (*d) dnnl_memory_desc_destroy(*d);
    *d = NULL;
}
static const_dnnl_memory_desc_t desc_ref(const desc *d) { return *d; }
static bool desc_equal(const desc *a, const_dnnl_memory_desc_t b)
{
    return dnnl_memory_desc_equal(*a, b);
}
static bool desc_copy(desc *d, const_dnnl_memory_desc_t from)
{
    return dnnl_memory_desc_clone(d, from) == dnnl_success;
}
typedef const_dnnl_memory_desc_t desc_view;

static bool conv_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t e, const desc *x, const desc *w,
                      const desc *b, const desc *y, const int64_t *strides, const int64_t *dilates,
                      const int64_t *begin, const int64_t *end, dnnl_primitive_attr_t attr)
{
    dnnl_dims_t at[4];
    widen(at[0], 2, strides), widen(at[1], 2, dilates), widen(at[2], 2, begin),
        widen(at[3], 2, end);
    return dnnl_convolution_forward_primitive_desc_create(
               pd, e, dnnl_forward_inference, dnnl_convolution_direct, *x, *w, b ? *b : NULL, *y,
               at[0], at[1], at[2], at[3], attr) == dnnl_success;
}
static bool append_leaky(dnnl_post_ops_t ops, float slope)
{
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, slope, 0) == dnnl_success;
}
static bool reorder_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t e, const desc *from, desc_view to)
{
    return dnnl_reorder_primitive_desc_create(pd, *from, e, to, e, NULL) == dnnl_success;
}
#else
typedef dnnl_memory_desc_t desc; /* a struct */
static bool desc_make(desc *d, int n, const int64_t *dims, dnnl_data_type_t t,
                      dnnl_format_tag_t tag)
{
    dnnl_dims_t whole;
    widen(whole, n, dims);
    return dnnl_memory_desc_init_by_tag(d, n, whole, t, tag) == dnnl_success;
}
static void desc_free(desc *d) { (void)d; }
static const dnnl_memory_desc_t *desc_ref(const desc *d) { return d; }
static bool desc_equal(const desc *a, const dnnl_memory_desc_t *b)
{
    return dnnl_memory_desc_equal(a, b);
}
static bool desc_copy(desc *d, const dnnl_memory_desc_t *from) { return *d = *from, true; }
typedef const dnnl_memory_desc_t *desc_view;

static bool conv_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t e, const desc *x, const desc *w,
                      const desc *b, const desc *y, const int64_t *strides, const int64_t *dilates,
                      const int64_t *begin, const int64_t *end, dnnl_primitive_attr_t attr)
{
    dnnl_dims_t s, d, l, r;
    dnnl_convolution_desc_t c;
    widen(s, 2, strides), widen(d, 2, dilates), widen(l, 2, begin), widen(r, 2, end);
    return dnnl_dilated_convolution_forward_desc_init(&c, dnnl_forward_inference,
                                                      dnnl_convolution_direct, x, w, b, y, s, d, l,
                                                      r) == dnnl_success &&
           dnnl_primitive_desc_create(pd, &c, attr, e, NULL) == dnnl_success;
}
static bool append_leaky(dnnl_post_ops_t ops, float slope)
{
    return dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, slope, 0) == dnnl_success;
}
static bool reorder_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t e, const desc *from, desc_view to)
{
    return dnnl_reorder_primitive_desc_create(pd, from, e, to, e, NULL) == dnnl_success;
}
#endif

/* --- engine ----------------------------------------------------------------------------------- */

struct weights { /* packed for one primitive's wish; shared by all that wish the same */
    struct weights *next;
    uint64_t key;
    desc md;
    int32_t refs;
    size_t bytes;
    void *data;
};

struct cpu_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int32_t threads;
    struct syn_pool *pool;
    struct weights *shared;
};

struct cpu_dnnl_conv {
    struct cpu_dnnl *d;
    dnnl_primitive_t primitive;
    dnnl_memory_t x, w, b, y;
    struct weights *weights;
    float *bias;
};

syn_status cpu_dnnl_new(int32_t threads, struct cpu_dnnl **out, struct syn_err *err)
{
    struct cpu_dnnl *d = syn_calloc(1, sizeof *d);
    syn_status st = d ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "oneDNN: no memory");
    if (st == SYN_OK &&
        (dnnl_engine_create(&d->engine, dnnl_cpu, 0) != dnnl_success ||
         dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags) != dnnl_success))
        st = syn_fail(err, SYN_UNSUPPORTED, "oneDNN: no engine for this CPU");
    if (st == SYN_OK) st = syn_pool_wrap(threads, cpu_omp_run, &d->pool, err);
    if (st != SYN_OK) {
        cpu_dnnl_free(d);
        return st;
    }
    d->threads = threads;
    *out = d;
    return SYN_OK;
}

void cpu_dnnl_free(struct cpu_dnnl *d)
{
    if (!d) return;
    syn_pool_free(d->pool);
    if (d->stream) dnnl_stream_destroy(d->stream);
    if (d->engine) dnnl_engine_destroy(d->engine);
    syn_free(d);
}

struct syn_pool *cpu_dnnl_pool(struct cpu_dnnl *d) { return d->pool; }

/* --- weights ---------------------------------------------------------------------------------- */

static void weights_release(struct cpu_dnnl *d, struct weights *w)
{
    if (!w || --w->refs > 0) return;
    for (struct weights **at = &d->shared; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    desc_free(&w->md);
    syn_free(w->data);
    syn_free(w);
}

/* Reorders plain f32 weights into `wish`. */
static bool reorder(struct cpu_dnnl *d, const desc *plain, const float *from, desc_view wish,
                    void *to)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t p = NULL;
    dnnl_memory_t a = NULL, b = NULL;
    bool ok = reorder_desc(&pd, d->engine, plain, wish) &&
              dnnl_primitive_create(&p, pd) == dnnl_success &&
              dnnl_memory_create(&a, desc_ref(plain), d->engine, (void *)(uintptr_t)from) ==
                  dnnl_success &&
              dnnl_memory_create(&b, wish, d->engine, to) == dnnl_success;
    if (ok) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};
        ok = dnnl_primitive_execute(p, d->stream, 2, args) == dnnl_success &&
             dnnl_stream_wait(d->stream) == dnnl_success;
    }
    if (a) dnnl_memory_destroy(a);
    if (b) dnnl_memory_destroy(b);
    if (p) dnnl_primitive_destroy(p);
    if (pd) dnnl_primitive_desc_destroy(pd);
    return ok;
}

static struct weights *weights_get(struct cpu_dnnl *d, uint64_t key, const desc *plain,
                                   const float *from, desc_view wish)
{
    struct weights *w;
    for (w = key ? d->shared : NULL; w; w = w->next)
        if (w->key == key && desc_equal(&w->md, wish)) {
            w->refs++;
            return w;
        }
    if (!(w = syn_calloc(1, sizeof *w))) return NULL;
    w->key = key;
    w->bytes = dnnl_memory_desc_get_size(wish);
    w->data = syn_alloc(w->bytes);
    if (!w->data || !desc_copy(&w->md, wish) || !reorder(d, plain, from, wish, w->data)) {
        desc_free(&w->md);
        syn_free(w->data);
        syn_free(w);
        return NULL;
    }
    w->refs = 1;
    w->next = d->shared;
    d->shared = w;
    return w;
}

/* --- convolutions ----------------------------------------------------------------------------- */

struct descs {
    desc x, w, plain, b, y;
};

static bool make_descs(const struct cpu_dnnl_spec *s, bool bias, struct descs *m)
{
    const bool grouped = s->group > 1;
    const int64_t xd[] = {s->n, s->ci, s->h, s->w}, yd[] = {s->n, s->co, s->ho, s->wo},
                  bd[] = {s->co};
    const int64_t wd[] = {s->co, s->ci, s->kh, s->kw},
                  gd[] = {s->group, s->co / s->group, s->ci / s->group, s->kh, s->kw};
    const dnnl_data_type_t in = s->bf16 ? dnnl_bf16 : dnnl_f32,
                           out = s->y_bf16 ? dnnl_bf16 : dnnl_f32;
    return desc_make(&m->x, 4, xd, in, dnnl_nChw16c) &&
           desc_make(&m->y, 4, yd, out, dnnl_nChw16c) &&
           desc_make(&m->w, grouped ? 5 : 4, grouped ? gd : wd, in, dnnl_format_tag_any) &&
           desc_make(&m->plain, grouped ? 5 : 4, grouped ? gd : wd, dnnl_f32,
                     grouped ? dnnl_goihw : dnnl_oihw) &&
           (!bias || desc_make(&m->b, 1, bd, dnnl_f32, dnnl_a));
}

/* The primitive's description, or NULL; a description that is only oneDNN's reference counts as
 * none. */
static dnnl_primitive_desc_t describe(struct cpu_dnnl *d, const struct cpu_dnnl_spec *s,
                                      const struct descs *m, bool bias)
{
    const int64_t strides[] = {s->stride_h, s->stride_w}, dilates[] = {s->dil_h - 1, s->dil_w - 1};
    const int64_t begin[] = {s->top, s->left}, end[] = {s->bottom, s->right};
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    const char *name = "";
    bool ok = dnnl_primitive_attr_create(&attr) == dnnl_success &&
              dnnl_post_ops_create(&ops) == dnnl_success;
    if (ok && s->leaky) ok = append_leaky(ops, s->slope);
    ok = ok && dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    ok = ok && conv_desc(&pd, d->engine, &m->x, &m->w, bias ? &m->b : NULL, &m->y, strides, dilates,
                         begin, end, attr);
    if (ok && dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
        strstr(name, "ref")) {
        dnnl_primitive_desc_destroy(pd);
        pd = NULL;
    }
    if (ops) dnnl_post_ops_destroy(ops);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return pd;
}

static bool make_memories(struct cpu_dnnl_conv *c, const struct descs *m)
{
    dnnl_engine_t e = c->d->engine;
    return dnnl_memory_create(&c->x, desc_ref(&m->x), e, DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&c->y, desc_ref(&m->y), e, DNNL_MEMORY_NONE) == dnnl_success &&
           dnnl_memory_create(&c->w, desc_ref(&c->weights->md), e, c->weights->data) ==
               dnnl_success &&
           (!c->bias || dnnl_memory_create(&c->b, desc_ref(&m->b), e, c->bias) == dnnl_success);
}

static void free_descs(struct descs *m)
{
    desc_free(&m->x), desc_free(&m->w), desc_free(&m->plain), desc_free(&m->b), desc_free(&m->y);
}

bool cpu_dnnl_conv_offered(struct cpu_dnnl *d, const struct cpu_dnnl_spec *s, bool bias)
{
    dnnl_primitive_desc_t pd = NULL;
    struct descs m;
    memset(&m, 0, sizeof m);
    cpu_omp_threads(d->threads);
    if (make_descs(s, bias, &m)) pd = describe(d, s, &m, bias);
    if (pd) dnnl_primitive_desc_destroy(pd);
    free_descs(&m);
    return pd != NULL;
}

syn_status cpu_dnnl_conv_new(struct cpu_dnnl *d, const struct cpu_dnnl_spec *s,
                             const float *weights, const float *bias, struct cpu_dnnl_conv **out,
                             struct syn_err *err)
{
    struct cpu_dnnl_conv *c = syn_calloc(1, sizeof *c);
    dnnl_primitive_desc_t pd = NULL;
    struct descs m;
    syn_status st = c ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "oneDNN: no memory");
    memset(&m, 0, sizeof m);
    if (st != SYN_OK) return st;
    c->d = d;
    cpu_omp_threads(d->threads); /* a primitive is made for the team that will run it */
    if (!make_descs(s, bias != NULL, &m) || !(pd = describe(d, s, &m, bias != NULL)))
        st = syn_fail(err, SYN_UNSUPPORTED, "oneDNN: no convolution of this form");
    if (st == SYN_OK && bias && !(c->bias = syn_alloc((size_t)s->co * sizeof *bias)))
        st = syn_fail(err, SYN_NO_MEMORY, "oneDNN: no memory");
    if (st == SYN_OK && bias) memcpy(c->bias, bias, (size_t)s->co * sizeof *bias);
    if (st == SYN_OK)
        c->weights = weights_get(d, s->key, &m.plain, weights,
                                 dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0));
    if (st == SYN_OK && (!c->weights || dnnl_primitive_create(&c->primitive, pd) != dnnl_success ||
                         !make_memories(c, &m)))
        st = syn_fail(err, SYN_NO_MEMORY, "oneDNN: cannot create a convolution");
    if (pd) dnnl_primitive_desc_destroy(pd);
    free_descs(&m);
    if (st != SYN_OK) {
        cpu_dnnl_conv_free(c);
        return st;
    }
    *out = c;
    return SYN_OK;
}

void cpu_dnnl_conv_free(struct cpu_dnnl_conv *c)
{
    if (!c) return;
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    if (c->x) dnnl_memory_destroy(c->x);
    if (c->w) dnnl_memory_destroy(c->w);
    if (c->b) dnnl_memory_destroy(c->b);
    if (c->y) dnnl_memory_destroy(c->y);
    weights_release(c->d, c->weights);
    syn_free(c->bias);
    syn_free(c);
}

size_t cpu_dnnl_conv_bytes(const struct cpu_dnnl_conv *c) { return c->weights->bytes; }

bool cpu_dnnl_conv_run(struct cpu_dnnl_conv *c, const void *x, void *y)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, c->x},
                                    {DNNL_ARG_WEIGHTS, c->w},
                                    {DNNL_ARG_DST, c->y},
                                    {DNNL_ARG_BIAS, c->b}};
    cpu_omp_threads(c->d->threads);
    return dnnl_memory_set_data_handle(c->x, (void *)(uintptr_t)x) == dnnl_success &&
           dnnl_memory_set_data_handle(c->y, y) == dnnl_success &&
           dnnl_primitive_execute(c->primitive, c->d->stream, c->b ? 4 : 3, args) == dnnl_success &&
           dnnl_stream_wait(c->d->stream) == dnnl_success;
}
