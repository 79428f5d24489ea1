/* cpu.c - the CPU backend: open, describe, choose a kernel for each node. See cpu.h. */
#include "kernels/cpu/cpu.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/dnnl.h"
#include "kernels/cpu/tune.h"
#include <stdio.h>
#include <string.h>

static void cpu_close(void *state)
{
    struct cpu_self *self = state;
    if (!self) return;
#ifdef SYN_HAVE_DNNL
    cpu_dnnl_free(self->dnnl);
#endif
    syn_pool_free(self->own_pool);
    cpu_packs_free(self->packs);
    syn_free(self->quick);
    syn_free(self);
}

static const char *name_of(const struct cpu_self *self)
{
    const bool bf16 = self->info.bf16_quicker;
    if (bf16 ? self->own_bf16 : self->own_f32) return bf16 ? "avx512_bf16" : "avx512";
    return self->dnnl ? bf16 ? "oneDNN bf16" : "oneDNN f32" : "portable";
}

/* Measures, decides, and lets oneDNN go again where it has nothing to do. */
static syn_status choose(struct cpu_self *self, const struct syn_backend_opts *opts,
                         struct syn_err *err)
{
    syn_status st = SYN_OK;
    self->pool = self->own_pool;
#ifdef SYN_HAVE_DNNL
    st = cpu_dnnl_new(self->threads, &self->dnnl, err);
#endif
    if (st == SYN_OK && opts->only && (!strcmp(opts->only, "own") ? !self->f32.row : !self->dnnl))
        return syn_fail(err, SYN_UNSUPPORTED, "cpu:%s: not in this build or not on this CPU",
                        opts->only);
    if (opts->only && strcmp(opts->only, "own"))
        self->f32 = self->bf16 = (struct cpu_conv_isa){0};
#ifdef SYN_HAVE_DNNL
    if (opts->only && !strcmp(opts->only, "own")) cpu_dnnl_free(self->dnnl), self->dnnl = NULL;
#endif
    if (st == SYN_OK) st = cpu_tune(self, opts->tuning_file, opts->bf16 != 0, err);
#ifdef SYN_HAVE_DNNL
    if (st == SYN_OK && self->own_f32 && (self->own_bf16 || !self->dnnl_bf16)) {
        cpu_dnnl_free(self->dnnl);
        self->dnnl = NULL;
    }
    if (st == SYN_OK && self->dnnl) self->pool = cpu_dnnl_pool(self->dnnl); /* one team, not two */
#endif
    snprintf(self->info.device, sizeof self->info.device, "cpu (%s, %d threads)", name_of(self),
             (int)self->threads);
    return st;
}

static syn_status cpu_open(const struct syn_backend_opts *opts, void **out, struct syn_err *err)
{
    struct cpu_self *self = syn_calloc(1, sizeof *self);
    syn_status st = self ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "cpu: no memory");
    if (st != SYN_OK) return st;
    self->threads = opts->threads > 0 ? opts->threads : syn_cpu_count();
    self->f32 = cpu_conv_isa_f32();
    self->bf16 = cpu_conv_isa_bf16();
    self->wino = true;
    self->info.threads = self->threads;
    if (!(self->packs = cpu_packs_new()) || !cpu_quick_open(self))
        st = syn_fail(err, SYN_NO_MEMORY, "cpu: no memory");
    if (st == SYN_OK) st = syn_pool_new(self->threads, &self->own_pool, err);
    if (st == SYN_OK) st = choose(self, opts, err);
    if (st != SYN_OK) {
        cpu_close(self);
        return st;
    }
    *out = self;
    return SYN_OK;
}

static void cpu_info(void *state, struct syn_backend_info *info)
{
    *info = ((struct cpu_self *)state)->info;
}
static struct syn_pool *cpu_pool(void *state) { return ((struct cpu_self *)state)->pool; }

static syn_status cpu_prepare(void *state, const struct syn_placement *p,
                              const struct syn_place *place, int32_t node, struct syn_kernel *k,
                              struct syn_err *err)
{
    struct cpu_self *self = state;
    const struct syn_node *n = &p->g->node[node];
    syn_status st;
    if (place[n->out[0]].passing) {
        k->impl = "in its reader";
        return SYN_OK;
    }
    if (place[n->in[0]].passing) return cpu_conv_pair_prepare(self, p, place, node, k, err);
    if (place[n->in[0]].block == 1 && cpu_conv_nested_takes(self, p, node))
        return cpu_conv_nested_prepare(self, p, place, node, k, err);
    if (cpu_conv_wino_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16))
        return cpu_conv_wino_prepare(self, p, place, node, k, err);
    if (cpu_conv_few_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16))
        return cpu_conv_few_prepare(self, p, place, node, k, err);
    if (cpu_conv_direct_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16))
        return cpu_conv_direct_prepare(self, p, place, node, k, err);
    if (cpu_conv_depth_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16))
        return cpu_conv_depth_prepare(self, p, place, node, k, err);
    if (cpu_conv_dnnl_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16) &&
        (st = cpu_conv_dnnl_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED)
        return st;
    if ((st = cpu_loop_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    if ((st = cpu_spatial_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    if ((st = cpu_edges_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    if ((st = cpu_transpose_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    if ((st = cpu_norm_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    return syn_prepare_dense(p, place, node, cpu_quick(state, n->id), self->threads, k, err);
}

static syn_status cpu_load(void *state, const struct syn_placement *p,
                           const struct syn_place *place, int32_t input, struct syn_kernel *k,
                           struct syn_err *err)
{
    return cpu_load_prepare(state, p, place, p->g->input[input], input, true, k, err);
}
static syn_status cpu_store(void *state, const struct syn_placement *p,
                            const struct syn_place *place, int32_t output, struct syn_kernel *k,
                            struct syn_err *err)
{
    return cpu_load_prepare(state, p, place, p->g->output[output], output, false, k, err);
}

const struct syn_backend syn_backend_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .info = cpu_info,
    .pool = cpu_pool,
    .place = cpu_place,
    .prepare = cpu_prepare,
    .load = cpu_load,
    .store = cpu_store,
    .quick = cpu_quick,
};
