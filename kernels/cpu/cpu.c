/* cpu.c - the CPU backend: open, describe, choose a kernel for each node. See cpu.h. */
#include "kernels/cpu/cpu.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include <stdio.h>
#include <string.h>

static void cpu_close(void *state)
{
    struct cpu_self *self = state;
    if (!self) return;
    syn_pool_free(self->pool);
    cpu_packs_free(self->packs);
    syn_free(self);
}

static syn_status cpu_open(const struct syn_backend_opts *opts, void **out, struct syn_err *err)
{
    struct cpu_self *self = syn_calloc(1, sizeof *self);
    syn_status st = self ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "cpu: no memory");
    if (st != SYN_OK) return st;
    self->threads = opts->threads > 0 ? opts->threads : syn_cpu_count();
    self->f32 = cpu_conv_isa_f32();
    self->bf16 = cpu_conv_isa_bf16();
    self->own_f32 = self->f32.row != NULL;
    self->own_bf16 = self->bf16.row != NULL;
    self->wino = true;
    self->info.bf16_quicker = self->own_bf16 && opts->bf16;
    self->info.threads = self->threads;
    snprintf(self->info.device, sizeof self->info.device, "cpu (%s, %d threads)",
             self->own_bf16 ? "avx512_bf16" : self->own_f32 ? "avx512" : "portable", (int)self->threads);
    if (!(self->packs = cpu_packs_new())) st = syn_fail(err, SYN_NO_MEMORY, "cpu: no memory");
    if (st == SYN_OK) st = syn_pool_new(self->threads, &self->pool, err);
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

static syn_status cpu_prepare(void *state, const struct syn_placement *p, const struct syn_place *place, int32_t node,
                              struct syn_kernel *k, struct syn_err *err)
{
    struct cpu_self *self = state;
    const struct syn_node *n = &p->g->node[node];
    syn_status st;
    if (cpu_conv_wino_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16))
        return cpu_conv_wino_prepare(self, p, place, node, k, err);
    if (cpu_conv_direct_takes(self, p, node, place[n->in[0]].dtype == SYN_BF16))
        return cpu_conv_direct_prepare(self, p, place, node, k, err);
    if ((st = cpu_loop_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    if ((st = cpu_spatial_prepare(self, p, place, node, k, err)) != SYN_UNSUPPORTED) return st;
    return syn_prepare_reference(p, place, node, k, err);
}

static syn_status cpu_load(void *state, const struct syn_placement *p, const struct syn_place *place, int32_t input,
                           struct syn_kernel *k, struct syn_err *err)
{
    return cpu_load_prepare(state, p, place, p->g->input[input], input, true, k, err);
}
static syn_status cpu_store(void *state, const struct syn_placement *p, const struct syn_place *place, int32_t output,
                            struct syn_kernel *k, struct syn_err *err)
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
};
