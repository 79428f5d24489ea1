/* conv_pack.c - weights in the order in which the row kernels read them, packed once for all plans.
 *
 * Layout: by phase, then by group of two (the last perhaps one) output blocks:
 *         [channel block][tap][channel / step][output block in group][16 output channels][step]
 *         with step 2 for bf16 and 1 for f32. See conv_row.h.
 * Threads: the list is used under the engine's build lock. */
#include "kernels/cpu/cpu_private.h"
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include <string.h>

/* Packs lie one after another in slabs: large ones, so that the kernel can back them with huge
 * pages (clearing 60 MB in pages of 4 KiB takes as long as computing what goes there), and growing
 * with what is packed, so that a small model does not take a large page. A slab goes with its last
 * pack. */
#define FIRST_SLAB ((size_t)1 << 20)
#define LARGEST_SLAB ((size_t)8 << 20)

struct cpu_slab {
    struct cpu_slab *next;
    uint8_t *at;
    size_t bytes, used;
    int32_t packs;
};

struct cpu_packs {
    struct cpu_pack *first;
    struct cpu_slab *slabs;       /* newest first; packs are added to the first alone */
    size_t bytes;                 /* of all slabs */
};

struct cpu_packs *cpu_packs_new(void) { return syn_calloc(1, sizeof(struct cpu_packs)); }

/* A slab with room for so many bytes; NULL: no memory. */
static struct cpu_slab *slab_for(struct cpu_packs *ps, size_t bytes)
{
    size_t size = ps->bytes < FIRST_SLAB ? FIRST_SLAB : ps->bytes;
    struct cpu_slab *s = ps->slabs;
    if (s && bytes <= s->bytes - s->used) return s;
    if (size > LARGEST_SLAB) size = LARGEST_SLAB;
    if (size < bytes) size = bytes;
    if (!(s = syn_calloc(1, sizeof *s))) return NULL;
    if (!(s->at = syn_map(size))) {
        syn_free(s);
        return NULL;
    }
    s->bytes = size;
    s->next = ps->slabs;
    ps->slabs = s;
    ps->bytes += size;
    return s;
}

static void slab_drop(struct cpu_packs *ps, struct cpu_slab *s)
{
    for (struct cpu_slab **at = &ps->slabs; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    ps->bytes -= s->bytes;
    syn_unmap(s->at, s->bytes);
    syn_free(s);
}

void cpu_packs_free(struct cpu_packs *ps)
{
    if (!ps) return;
    while (ps->first) {
        struct cpu_pack *next = ps->first->next;
        syn_free(ps->first);
        ps->first = next;
    }
    while (ps->slabs) slab_drop(ps, ps->slabs);
    syn_free(ps);
}

void cpu_packs_release(struct cpu_packs *ps, struct cpu_pack *p)
{
    if (!p || --p->refs > 0) return;
    for (struct cpu_pack **at = &ps->first; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    if (--p->slab->packs == 0) slab_drop(ps, p->slab);
    syn_free(p);
}

/* Taps of one axis for output positions congruent to `phase` modulo step: which kernel positions,
 * and how far their input lies from the grid position. Returns how many. */
static int32_t axis_taps(const struct syn_conv *c, bool rows, int32_t phase, int32_t *kernel,
                         int32_t *distance)
{
    const int64_t k = rows ? c->kh : c->kw, dil = rows ? c->dil_h : c->dil_w,
                  pad = rows ? c->top : c->left;
    const int64_t stride = rows ? c->stride_h : c->stride_w;
    int32_t n = 0;
    for (int64_t j = 0; j < k; j++) {
        int64_t d = c->transposed ? phase + pad - j * dil : j * dil - pad;
        if (c->transposed && ((d % stride) + stride) % stride != 0) continue;
        kernel[n] = (int32_t)j;
        distance[n++] = (int32_t)(c->transposed ? (d >= 0 ? d / stride : -(-d / stride)) : d);
    }
    return n;
}

int32_t cpu_conv_taps(const struct syn_conv *c, int32_t row0, int32_t col0,
                      struct cpu_tap tap[CPU_MAX_TAPS])
{
    int32_t ky[CPU_MAX_TAPS], dy[CPU_MAX_TAPS], kx[CPU_MAX_TAPS], dx[CPU_MAX_TAPS], n = 0;
    int32_t ny = axis_taps(c, true, row0, ky, dy), nx = axis_taps(c, false, col0, kx, dx);
    for (int32_t i = 0; i < ny; i++)
        for (int32_t j = 0; j < nx; j++) tap[n++] = (struct cpu_tap){ky[i], kx[j], dy[i], dx[j]};
    return n;
}

static bool same_pack(const struct syn_conv *a, const struct syn_conv *b)
{
    return a->transposed == b->transposed && a->co == b->co && a->ci == b->ci && a->kh == b->kh &&
           a->kw == b->kw && a->stride_h == b->stride_h && a->stride_w == b->stride_w &&
           a->dil_h == b->dil_h && a->dil_w == b->dil_w && a->top == b->top && a->left == b->left;
}

static float weight_at(const struct syn_conv *c, const struct syn_value *w, int64_t co, int64_t ci,
                       const struct cpu_tap *t)
{
    if (co >= c->co || ci >= c->ci) return 0;
    return syn_value_float(
        w, ((c->transposed ? ci * c->co + co : co * c->ci + ci) * c->kh + t->ky) * c->kw + t->kx);
}

int64_t cpu_pack_group_elements(const struct syn_conv *c, bool bf16, int32_t n_taps, int32_t n_out)
{
    return (int64_t)n_taps * n_out * CPU_BLOCK *
           ((c->ci - 1) / CPU_BLOCK * CPU_BLOCK + cpu_last_k(c, bf16));
}

/* One group of one phase; returns the end of what it wrote, in elements. */
static int64_t pack_group(const struct syn_conv *c, const struct syn_value *w, bool bf16,
                          const struct cpu_tap *tap, int32_t n_taps, int64_t first_out,
                          int32_t n_out, void *data, int64_t at)
{
    const int32_t step = bf16 ? 2 : 1;
    const int64_t n_blocks = (c->ci + CPU_BLOCK - 1) / CPU_BLOCK;
    for (int64_t b = 0; b < n_blocks; b++)
        for (int32_t t = 0; t < n_taps; t++)
            for (int32_t k = 0; k < (b == n_blocks - 1 ? cpu_last_k(c, bf16) : CPU_BLOCK);
                 k += step)
                for (int32_t o = 0; o < n_out * CPU_BLOCK; o++)
                    for (int32_t s = 0; s < step; s++, at++) {
                        float v = weight_at(c, w, first_out + o, b * CPU_BLOCK + k + s, &tap[t]);
                        if (bf16) ((uint16_t *)data)[at] = syn_bf16_from_float(v);
                        else ((float *)data)[at] = v;
                    }
    return at;
}

static int64_t direct_elements(const struct syn_conv *c, bool bf16)
{
    const int32_t out_blocks = (int32_t)((c->co + CPU_BLOCK - 1) / CPU_BLOCK);
    struct cpu_tap tap[CPU_MAX_TAPS];
    int64_t elements = 0;
    for (int32_t i = 0; i < cpu_conv_phases(c); i++) {
        const struct cpu_phase_grid g = cpu_conv_phase(c, i);
        elements += cpu_pack_group_elements(c, bf16, cpu_conv_taps(c, g.row0, g.col0, tap),
                                            out_blocks);
    }
    return elements;
}

static void pack_direct(const struct syn_conv *c, const struct syn_value *w, bool bf16, void *data,
                        int64_t task)
{
    const int64_t out_blocks = (c->co + CPU_BLOCK - 1) / CPU_BLOCK;
    struct cpu_tap tap[CPU_MAX_TAPS];
    int64_t at = 0;
    for (int32_t i = 0; i < cpu_conv_phases(c); i++) { /* a task is one group of all phases */
        const struct cpu_phase_grid g = cpu_conv_phase(c, i);
        int32_t n_taps = cpu_conv_taps(c, g.row0, g.col0, tap);
        int64_t group = cpu_pack_group_elements(c, bf16, n_taps, 2);
        pack_group(c, w, bf16, tap, n_taps, task * 2 * CPU_BLOCK, out_blocks - 2 * task < 2 ? 1 : 2,
                   data, at + task * group);
        at += cpu_pack_group_elements(c, bf16, n_taps, (int32_t)out_blocks);
    }
}

struct fill_job {
    const struct syn_conv *c;
    const struct syn_value *w;
    bool bf16;
    void *data;
    cpu_pack_fn *fill;
};
static void fill_task(void *ctx, int64_t task)
{
    const struct fill_job *j = ctx;
    j->fill(j->c, j->w, j->bf16, j->data, task);
}

syn_status cpu_pack_find(struct cpu_self *self, enum cpu_pack_form form, const struct syn_conv *c,
                         const struct syn_value *w, bool bf16, int64_t elements, cpu_pack_fn *fill,
                         int64_t n_tasks, struct cpu_pack **out, struct syn_err *err)
{
    struct cpu_packs *ps = self->packs;
    struct fill_job job = {.c = c, .w = w, .bf16 = bf16, .fill = fill};
    struct cpu_pack *p;
    for (p = w->key ? ps->first : NULL; p; p = p->next)
        if (p->key == w->key && p->form == form && p->bf16 == bf16 && same_pack(&p->shape, c)) {
            p->refs++;
            return *out = p, SYN_OK;
        }
    if (!(p = syn_calloc(1, sizeof *p))) return syn_fail(err, SYN_NO_MEMORY, "conv: no memory");
    p->bytes = (size_t)elements * (bf16 ? 2 : 4);
    if (!(p->slab = slab_for(ps, syn_aligned(p->bytes)))) {
        syn_free(p);
        return syn_fail(err, SYN_NO_MEMORY, "conv: no memory for %lld weights",
                        (long long)elements);
    }
    p->data = p->slab->at + p->slab->used;
    p->slab->used += syn_aligned(p->bytes);
    p->slab->packs++;
    job.data = p->data;
    syn_pool_run(self->pool, n_tasks, fill_task, &job);
    p->key = w->key;
    p->form = form;
    p->shape = *c;
    p->bf16 = bf16;
    p->refs = 1;
    p->next = ps->first;
    ps->first = p;
    *out = p;
    return SYN_OK;
}

syn_status cpu_pack_get(struct cpu_self *self, const struct syn_conv *c, const struct syn_value *w,
                        bool bf16, struct cpu_pack **out, struct syn_err *err)
{
    const int64_t groups = (c->co + 2 * CPU_BLOCK - 1) / (2 * CPU_BLOCK);
    return cpu_pack_find(self, CPU_PACK_DIRECT, c, w, bf16, direct_elements(c, bf16), pack_direct,
                         groups, out, err);
}

size_t cpu_depth_weight_bytes(const struct syn_conv *c)
{
    return (size_t)((c->co + CPU_BLOCK - 1) / CPU_BLOCK * CPU_BLOCK * c->kh * c->kw) *
           sizeof(float);
}

syn_status cpu_depth_weights(const struct syn_conv *c, const struct syn_value *w, float **out,
                             struct syn_err *err)
{
    struct cpu_tap tap[CPU_MAX_TAPS];
    const int32_t n_taps = cpu_conv_taps(c, 0, 0, tap);
    float *to = syn_calloc(cpu_depth_weight_bytes(c), 1);
    if (!to) return syn_fail(err, SYN_NO_MEMORY, "conv: no memory");
    for (int32_t t = 0; t < n_taps; t++)
        for (int64_t o = 0; o < c->co; o++)
            to[(o / CPU_BLOCK * n_taps + t) * CPU_BLOCK + o % CPU_BLOCK] =
                syn_value_float(w, (o * c->kh + tap[t].ky) * c->kw + tap[t].kx);
    *out = to;
    return SYN_OK;
}
