/* engine.c - devices: open, describe, close, self-test. See engine.h. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu.h"
#include "kernels/engine_private.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

const char *syn_precision_word(syn_precision p)
{
    static const char *const words[] = {"auto", "f32", "bf16", "f16"};
    return (unsigned)p < SYN_PRECISION_COUNT ? words[p] : "unknown";
}

/* --- devices -------------------------------------------------------------------------------- */

/* "cuda" or "cuda:N" to N; -1: another device's word. */
static int32_t cuda_index(const char *device)
{
    int32_t n = 0;
    if (strncmp(device, "cuda", 4) != 0) return -1;
    if (!device[4]) return 0;
    if (device[4] != ':' || !device[5] || strlen(device + 5) > 3) return -1;
    for (const char *c = device + 5; *c; c++) {
        if (*c < '0' || *c > '9') return -1;
        n = 10 * n + (*c - '0');
    }
    return n;
}

static syn_status open_cuda(struct syn_engine *e, const char *plugin,
                            const struct syn_backend_opts *how, struct syn_err *err)
{
    syn_status st = syn_library_open(plugin, "synthd-cuda.so", &e->library, err);
    if (st == SYN_OK) {
        e->backend = syn_library_backend(e->library);
        st = e->backend->open(how, &e->self, err);
    }
    if (st == SYN_OK) return SYN_OK;
    syn_library_close(e->library);
    e->library = NULL;
    e->backend = NULL;
    return st;
}

static syn_status open_cpu(struct syn_engine *e, const struct syn_backend *backend,
                           const struct syn_backend_opts *how, struct syn_err *err)
{
    e->backend = backend;
    return backend->open(how, &e->self, err);
}

/* The first CUDA device, or the CPU; the note says why not the former, where there is a plugin. */
static syn_status open_auto(struct syn_engine *e, const struct syn_engine_opts *opts,
                            const struct syn_backend_opts *how, struct syn_err *err)
{
    struct syn_err why;
    const syn_status st = open_cuda(e, opts->cuda_plugin, how, &why);
    if (st == SYN_OK) return st;
    if (st != SYN_NOT_FOUND) snprintf(e->note, sizeof e->note, "not on CUDA: %.140s", why.text);
    return open_cpu(e, &syn_backend_cpu, how, err);
}

static syn_status open_device(struct syn_engine *e, const struct syn_engine_opts *opts,
                              struct syn_err *err)
{
    const char *device = opts->device ? opts->device : "auto";
    const int32_t index = cuda_index(device);
    const struct syn_backend_opts how = {
        .threads = opts->threads,
        .tuning_file = opts->tuning_file,
        .bf16 = opts->precision != SYN_PRECISION_F32,
        .device = index > 0 ? index : 0,
        .only = !strncmp(device, "cpu:", 4) ? device + 4 : NULL,
    };
    if (!strcmp(device, "auto")) return open_auto(e, opts, &how, err);
    if (index >= 0) {
        const syn_status st = open_cuda(e, opts->cuda_plugin, &how, err);
        return st == SYN_NOT_FOUND ? SYN_UNSUPPORTED : st;
    }
    if (!strcmp(device, "ref")) return open_cpu(e, &syn_backend_ref, &how, err);
    if (!strcmp(device, "cpu") || !strcmp(device, "cpu:own") || !strcmp(device, "cpu:onednn"))
        return open_cpu(e, &syn_backend_cpu, &how, err);
    return syn_fail(err, SYN_UNSUPPORTED, "device %.60s: must be auto, cpu, cuda:N or ref", device);
}

/* What runs models node by node. */
static syn_status open_flows(struct syn_engine *e, const struct syn_engine_opts *opts,
                             struct syn_err *err)
{
    const struct syn_backend_opts how = {
        .threads = opts->threads, .tuning_file = opts->tuning_file, .bf16 = 1};
    syn_status st;
    if (!e->backend->memory_new) {
        e->flow_backend = e->backend;
        e->flow_self = e->self;
        return SYN_OK;
    }
    if (!opts->allow_fallback) return SYN_OK;
    if ((st = syn_backend_cpu.open(&how, &e->flow_self, err)) != SYN_OK) return st;
    e->flow_backend = &syn_backend_cpu;
    return SYN_OK;
}

syn_status syn_engine_settle(const struct syn_engine *e, syn_precision asked, syn_precision *out,
                             struct syn_err *err)
{
    *out = asked != SYN_PRECISION_AUTO ? asked : e->precision;
    if (*out == SYN_PRECISION_AUTO) /* while opening */
        *out = e->info.has_f16        ? SYN_PRECISION_F16
               : e->info.bf16_quicker ? SYN_PRECISION_BF16
                                      : SYN_PRECISION_F32;
    if (*out != SYN_PRECISION_F16 || e->info.has_f16) return SYN_OK;
    return syn_fail(err, SYN_UNSUPPORTED, "precision f16: %s has f32 and bf16", e->info.device);
}

syn_status syn_engine_open(const struct syn_engine_opts *opts, struct syn_engine **out,
                           struct syn_err *err)
{
    struct syn_engine *e;
    syn_status st;
    if (opts->threads < 0 || opts->threads > 256)
        return syn_fail(err, SYN_INVALID, "threads = %d: must be in [0, 256]", (int)opts->threads);
    if (!(e = syn_calloc(1, sizeof *e))) return syn_fail(err, SYN_NO_MEMORY, "engine: no memory");
    e->workspace_limit = opts->workspace_limit_bytes;
    if ((st = open_device(e, opts, err)) != SYN_OK) {
        syn_free(e);
        return st;
    }
    e->backend->info(e->self, &e->info);
    pthread_mutex_init(&e->build_lock, NULL);
    pthread_mutex_init(&e->run_lock, NULL);
    pthread_mutex_init(&e->flows_lock, NULL);
    st = syn_engine_settle(e, opts->precision, &e->precision, err);
    if (st == SYN_OK) st = open_flows(e, opts, err);
    if (st != SYN_OK) {
        syn_engine_close(e);
        return st;
    }
    *out = e;
    return SYN_OK;
}

/* --- memory --------------------------------------------------------------------------------- */

static void drop_workspace(struct syn_engine *e)
{
    if (!e->workspace) return;
    if (e->backend->memory_new) e->backend->memory_free(e->self, e->workspace);
    else munmap(e->workspace, e->workspace_bytes);
    e->workspace = NULL;
    atomic_store(&e->workspace_bytes, 0);
}

static syn_status host_memory(size_t bytes, void **out, struct syn_err *err)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return syn_fail(err, SYN_NO_MEMORY, "workspace: no memory for %zu bytes", bytes);
    madvise(at, bytes, MADV_HUGEPAGE);
    *out = at;
    return SYN_OK;
}

syn_status syn_engine_workspace(struct syn_engine *e, uint64_t bytes, struct syn_err *err)
{
    syn_status st;
    if (bytes <= e->workspace_bytes) return SYN_OK;
    drop_workspace(e);
    st = e->backend->memory_new ? e->backend->memory_new(e->self, bytes, &e->workspace, err)
                                : host_memory(bytes, &e->workspace, err);
    if (st != SYN_OK) return st;
    atomic_store(&e->workspace_bytes, bytes);
    syn_engine_note_peak(e);
    return SYN_OK;
}

void syn_engine_close(struct syn_engine *e)
{
    if (!e) return;
    drop_workspace(e);
    if (e->flow_backend && e->flow_backend != e->backend) e->flow_backend->close(e->flow_self);
    e->backend->close(e->self);
    syn_library_close(e->library);
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
    memcpy(info->note, e->note, sizeof info->note);
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
    if (e->workspace_bytes > keep_bytes) drop_workspace(e);
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
