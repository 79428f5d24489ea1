/* cuda.c - the CUDA backend: devices, memory, errors, and the plugin that carries it.
 *
 * Layer:   kernels/cuda.   Threads: as kernels/backend/backend.h. */
#include "kernels/backend/library.h"
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include "kernels/cuda/launch.h"
#include <stdio.h>
#include <string.h>

#define OLDEST 75 /* compute capability: Turing */

/* --- errors --------------------------------------------------------------------------------- */

syn_status cuda_status(struct cuda_self *self, cudaError_t e, const char *what, struct syn_err *err)
{
    const syn_status st = syn_cuda_status(err, e, what);
    if (st != SYN_OK) (void)cudaGetLastError(); /* told here: not to the next check as well */
    if (st == SYN_DEVICE && self) self->lost = true;
    return st;
}

syn_status cuda_enter(struct cuda_self *self, struct syn_err *err)
{
    if (self->lost) return syn_fail(err, SYN_DEVICE, "cuda:%d is lost", (int)self->device);
    return cuda_status(self, cudaSetDevice(self->device), "device", err);
}

/* --- memory --------------------------------------------------------------------------------- */

static syn_status memory_new(void *state, size_t bytes, void **out, struct syn_err *err)
{
    struct cuda_self *self = state;
    size_t available = 0, total = 0;
    cudaError_t e;
    syn_status st = cuda_enter(self, err);
    if (st != SYN_OK) return st;
    e = cudaMalloc(out, bytes ? bytes : 1);
    if (e != cudaErrorMemoryAllocation) return cuda_status(self, e, "workspace", err);
    (void)cudaGetLastError();
    if (cudaMemGetInfo(&available, &total) != cudaSuccess) available = total = 0;
    return syn_fail(err, SYN_NO_MEMORY,
                    "workspace: needs %zu bytes on cuda:%d, of whose %zu are %zu free", bytes,
                    (int)self->device, total, available);
}

static void memory_free(void *state, void *at)
{
    struct cuda_self *self = state;
    if (cudaSetDevice(self->device) == cudaSuccess) (void)cudaFree(at);
}

/* --- the backend ---------------------------------------------------------------------------- */

static void close_device(void *state)
{
    struct cuda_self *self = state;
    if (!self) return;
    (void)cudaSetDevice(self->device);
    if (self->stream) (void)cudaStreamDestroy(self->stream);
    if (self->pinned) (void)cudaFreeHost(self->pinned);
    syn_pool_free(self->pool);
    syn_free(self);
}

/* No driver and no device are no errors of the program's: said in words that help. */
static syn_status find_device(int32_t index, struct syn_err *err)
{
    int count = 0;
    const cudaError_t e = cudaGetDeviceCount(&count);
    if (e == cudaErrorInsufficientDriver)
        return syn_fail(err, SYN_UNSUPPORTED, "no CUDA driver, or an older one than this build "
                                              "needs");
    if (e == cudaErrorNoDevice || (e == cudaSuccess && count == 0))
        return syn_fail(err, SYN_UNSUPPORTED, "no CUDA device here");
    if (e != cudaSuccess)
        return syn_fail(err, SYN_UNSUPPORTED, "CUDA: %s", cudaGetErrorString(e));
    if (index >= count)
        return syn_fail(err, SYN_UNSUPPORTED, "there are %d CUDA devices, numbered from 0", count);
    return SYN_OK;
}

static syn_status describe(struct cuda_self *self, struct syn_err *err)
{
    struct cudaDeviceProp prop;
    const syn_status st =
        cuda_status(NULL, cudaGetDeviceProperties(&prop, self->device), "device", err);
    if (st != SYN_OK) return st;
    self->capability = 10 * prop.major + prop.minor;
    self->multiprocessors = prop.multiProcessorCount;
    if (self->capability < OLDEST)
        return syn_fail(err, SYN_UNSUPPORTED, "%.60s: compute capability %d.%d, 7.5 is needed",
                        prop.name, prop.major, prop.minor);
    snprintf(self->info.device, sizeof self->info.device, "cuda:%d (%.40s)", (int)self->device,
             prop.name);
    self->info.has_f16 = true;
    return SYN_OK;
}

static syn_status open_device(const struct syn_backend_opts *opts, void **out, struct syn_err *err)
{
    struct cuda_self *self;
    syn_status st = find_device(opts->device, err);
    if (st != SYN_OK) return st;
    if (!(self = syn_calloc(1, sizeof *self))) return syn_fail(err, SYN_NO_MEMORY, "no memory");
    self->device = opts->device;
    self->info.threads = opts->threads > 0 ? opts->threads : syn_cpu_count();
    st = describe(self, err);
    if (st == SYN_OK) st = cuda_enter(self, err);
    if (st == SYN_OK)
        st = cuda_status(NULL, cudaStreamCreateWithFlags(&self->stream, cudaStreamNonBlocking),
                         "stream", err);
    if (st == SYN_OK) st = syn_pool_new(self->info.threads, &self->pool, err);
    if (st != SYN_OK) {
        close_device(self);
        return st;
    }
    *out = self;
    return SYN_OK;
}

static void info(void *state, struct syn_backend_info *out)
{
    *out = ((struct cuda_self *)state)->info;
}
static struct syn_pool *pool(void *state) { return ((struct cuda_self *)state)->pool; }

static const struct syn_backend backend = {
    .name = "cuda",
    .open = open_device,
    .close = close_device,
    .info = info,
    .pool = pool,
    .place = cuda_place,
    .prepare = cuda_prepare,
    .load = cuda_load,
    .store = cuda_store,
    .memory_new = memory_new,
    .memory_free = memory_free,
    .run = cuda_run,
    .forget = cuda_forget,
    .has = cuda_has,
};

/* The only symbol that the shared object shows. */
__attribute__((visibility("default"))) const struct syn_plugin *syn_plugin(void);

const struct syn_plugin *syn_plugin(void)
{
    static struct syn_plugin plugin = {
        .abi = SYN_PLUGIN_ABI, .version = SYN_VERSION, .backend = &backend};
    plugin.sizes = syn_plugin_sizes(); /* the same number every time */
    return &plugin;
}
