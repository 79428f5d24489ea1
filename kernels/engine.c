/* engine.c - devices: open, describe, close, self-test. See engine.h. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu.h"
#include "kernels/engine_private.h"
#include <string.h>
#include <sys/mman.h>

const char *syn_precision_word(syn_precision p)
{
    static const char *const words[] = {"auto", "f32", "bf16"};
    return (unsigned)p < SYN_PRECISION_COUNT ? words[p] : "unknown";
}

static const struct syn_backend *backend_of(const char *device)
{
    if (!device || !strcmp(device, "auto") || !strcmp(device, "cpu") ||
        !strcmp(device, "cpu:own") || !strcmp(device, "cpu:onednn"))
        return &syn_backend_cpu;
    return !strcmp(device, "ref") ? &syn_backend_ref : NULL;
}

syn_status syn_engine_open(const struct syn_engine_opts *opts, struct syn_engine **out,
                           struct syn_err *err)
{
    const struct syn_backend_opts how = {
        .threads = opts->threads,
        .tuning_file = opts->tuning_file,
        .bf16 = opts->precision != SYN_PRECISION_F32,
        .only = opts->device && !strncmp(opts->device, "cpu:", 4) ? opts->device + 4 : NULL,
    };
    const struct syn_backend *backend = backend_of(opts->device);
    struct syn_engine *e;
    syn_status st;
    if (!backend)
        return syn_fail(err, SYN_UNSUPPORTED, "device %s: this build has auto, cpu and ref",
                        opts->device);
    if (opts->threads < 0 || opts->threads > 256)
        return syn_fail(err, SYN_INVALID, "threads = %d: must be in [0, 256]", (int)opts->threads);
    if (!(e = syn_calloc(1, sizeof *e))) return syn_fail(err, SYN_NO_MEMORY, "engine: no memory");
    e->backend = backend;
    e->workspace_limit = opts->workspace_limit_bytes;
    if ((st = backend->open(&how, &e->self, err)) != SYN_OK) {
        syn_free(e);
        return st;
    }
    backend->info(e->self, &e->info);
    e->precision = opts->precision != SYN_PRECISION_AUTO ? opts->precision
                   : e->info.bf16_quicker                ? SYN_PRECISION_BF16
                                                         : SYN_PRECISION_F32;
    pthread_mutex_init(&e->build_lock, NULL);
    pthread_mutex_init(&e->run_lock, NULL);
    pthread_mutex_init(&e->flows_lock, NULL);
    *out = e;
    return SYN_OK;
}

void syn_engine_close(struct syn_engine *e)
{
    if (!e) return;
    if (e->workspace) munmap(e->workspace, e->workspace_bytes);
    e->backend->close(e->self);
    pthread_mutex_destroy(&e->build_lock);
    pthread_mutex_destroy(&e->run_lock);
    pthread_mutex_destroy(&e->flows_lock);
    syn_free(e);
}

void syn_engine_info(struct syn_engine *e, struct syn_engine_info *info)
{
    memset(info, 0, sizeof *info);
    memcpy(info->device, e->info.device, sizeof info->device);
    memcpy(info->backend, e->backend->name, strnlen(e->backend->name, sizeof info->backend - 1));
    info->precision = e->precision;
    info->threads = e->info.threads;
    info->f32_gflops = e->info.f32_gflops;
    info->bf16_gflops = e->info.bf16_gflops;
    info->workspace_bytes = atomic_load(&e->workspace_bytes) + atomic_load(&e->block_bytes);
    info->workspace_peak_bytes = atomic_load(&e->workspace_peak);
    info->weight_bytes = atomic_load(&e->weight_bytes);
}

void syn_engine_note_peak(struct syn_engine *e)
{
    const uint64_t held = atomic_load(&e->workspace_bytes) + atomic_load(&e->block_bytes);
    if (held > atomic_load(&e->workspace_peak)) atomic_store(&e->workspace_peak, held);
}

void syn_engine_trim(struct syn_engine *e, uint64_t keep_bytes)
{
    uint64_t left = keep_bytes;
    pthread_mutex_lock(&e->run_lock);
    if (e->workspace && e->workspace_bytes > keep_bytes) {
        munmap(e->workspace, e->workspace_bytes);
        e->workspace = NULL;
        atomic_store(&e->workspace_bytes, 0);
    }
    left -= e->workspace_bytes;
    pthread_mutex_lock(&e->flows_lock);
    for (struct syn_model *m = e->flows; m; m = m->next_flow) {
        syn_flow_trim(m->flow, left);
        syn_model_count_flow(m);
        left -= m->flow_counted.held_bytes;
    }
    pthread_mutex_unlock(&e->flows_lock);
    pthread_mutex_unlock(&e->run_lock);
}
