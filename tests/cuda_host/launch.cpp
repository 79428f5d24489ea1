/* launch.cpp - from a launch to running blocks: limits, attributes of functions, direction. */
#include "runtime.h"
#include "team.h"
#include <cstdio>
#include <cstring>
#include <map>
#include <time.h>

unsigned long launches;
enum cuda_host_direction direction;
static unsigned settings; /* how often the direction was set */

unsigned long cuda_host_launches(void) { return launches; }

void cuda_host_set_direction(enum cuda_host_direction d)
{
    direction = d;
    settings++;
}

struct function {
    struct cuda_host_body (*pack)(const void *function, void *const *args);
    int max_dynamic[CUDA_HOST_MAX_DEVICES]; /* 0: not raised */
    unsigned turns, setting;                /* launches since the direction was set */
};
static std::map<const void *, function> &functions(void)
{
    static std::map<const void *, function> all;
    return all;
}

/* --- running --------------------------------------------------------------------------------- */

struct launch {
    std::string name;
    dim3 grid, block;
    size_t smem;
    int device;
    struct cuda_host_body body;
    ~launch() { body.drop(body.args); }
};

static bool run_blocks(const struct launch *l, char *shared, bool backwards)
{
    size_t gx = l->grid.x, gy = l->grid.y, n = gx * gy * l->grid.z;
    for (size_t i = 0; i < n; i++) {
        size_t at = backwards ? n - 1 - i : i;
        uint3 index = {(unsigned)(at % gx), (unsigned)(at / gx % gy), (unsigned)(at / gx / gy)};
        shared_poison();
        check_block();
        if (!team_run_block(index, shared)) return false;
        if (shared_check_canary()) continue;
        fault_record("kernel %s, block (%u,%u,%u): wrote past its dynamic shared memory",
                     l->name.c_str(), index.x, index.y, index.z);
        team.fault = cudaErrorIllegalAddress;
        return false;
    }
    return true;
}

static bool runs_backwards(struct function *f)
{
    if (f->setting != settings) f->setting = settings, f->turns = 0;
    return direction == CUDA_HOST_TURNS ? turn(f->turns++) : direction == CUDA_HOST_BACKWARDS;
}

static void run_launch(const struct launch *l)
{
    if (devices[l->device].sticky != cudaSuccess) return;
    bool backwards = runs_backwards(&functions()[l->body.function]);
    fault_install_handlers();
    launches++;
    memory_open();
    team_begin(l->name.c_str(), &l->body, l->grid, l->block, backwards, l->device);
    race_launch();
    bool ok = run_blocks(l, shared_begin(l->smem), backwards);
    memory_check_canaries(("kernel " + l->name).c_str());
    memory_close();
    if (!ok) make_sticky(l->device, team.fault);
}

/* --- launching ------------------------------------------------------------------------------- */

static cudaError_t check_shape(dim3 g, dim3 b, size_t smem, const void *function)
{
    const struct cuda_host_device *s = &devices[current_device()].spec;
    size_t threads = (size_t)b.x * b.y * b.z;
    if (threads == 0 || threads > 1024 || b.x > 1024 || b.y > 1024 || b.z > 64)
        return cudaErrorInvalidConfiguration;
    if (g.x == 0 || g.y == 0 || g.z == 0 || g.x > 0x7fffffff || g.y > 65535 || g.z > 65535)
        return cudaErrorInvalidConfiguration;
    size_t raised = (size_t)functions()[function].max_dynamic[current_device()];
    if (smem > (raised > s->shared_default ? raised : s->shared_default))
        return cudaErrorInvalidValue;
    return cudaSuccess;
}

cudaError_t cuda_host_launch_body(const char *name, const struct cuda_host_body *body, dim3 grid,
                                  dim3 block, size_t smem, cudaStream_t stream)
{
    struct api_call call("launch");
    auto l = std::shared_ptr<launch>(new launch{name, grid, block, smem, current_device(), *body});
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    functions()[body->function].pack = body->pack;
    cudaError_t e = check_shape(grid, block, smem, body->function);
    if (e != cudaSuccess) return call.end(e);
    return call.end(stream_enqueue(stream, name, [l] { run_launch(l.get()); }, body->function,
                                   nullptr));
}

cudaError_t cudaLaunchKernel(const void *func, dim3 grid, dim3 block, void **args, size_t smem,
                             cudaStream_t stream)
{
    struct api_call call("cudaLaunchKernel");
    if (call.refused()) return call.error;
    auto pack = functions()[func].pack;
    if (!pack) return call.end(cudaErrorInvalidDeviceFunction); /* no launch has made it known */
    struct cuda_host_body body = pack(func, args);
    return cuda_host_launch_body("(by address)", &body, grid, block, smem, stream);
}

/* --- attributes ------------------------------------------------------------------------------ */

cudaError_t cudaFuncSetAttribute(const void *func, enum cudaFuncAttribute attr, int value)
{
    struct api_call call("cudaFuncSetAttribute");
    if (call.refused()) return call.error;
    if (!func) return call.end(cudaErrorInvalidDeviceFunction);
    if (attr == cudaFuncAttributePreferredSharedMemoryCarveout)
        return call.end(value < -1 || value > 100 ? cudaErrorInvalidValue : cudaSuccess);
    if (attr != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        (size_t)value > devices[current_device()].spec.shared_optin)
        return call.end(cudaErrorInvalidValue);
    functions()[func].max_dynamic[current_device()] = value;
    return call.end(cudaSuccess);
}

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attr, const void *func)
{
    struct api_call call("cudaFuncGetAttributes");
    if (call.refused()) return call.error;
    if (!func) return call.end(cudaErrorInvalidDeviceFunction);
    const struct cuda_host_device *s = &devices[current_device()].spec;
    int raised = functions()[func].max_dynamic[current_device()];
    *attr = {};
    attr->maxThreadsPerBlock = 1024, attr->numRegs = 64;
    attr->ptxVersion = attr->binaryVersion = s->major * 10 + s->minor;
    attr->maxDynamicSharedSizeBytes = raised ? raised : (int)s->shared_default;
    attr->preferredShmemCarveout = -1;
    return call.end(cudaSuccess);
}

/* By threads and shared memory alone: nothing here knows registers. */
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *func,
                                                          int block_size, size_t smem)
{
    struct api_call call("cudaOccupancyMaxActiveBlocksPerMultiprocessor");
    if (call.refused()) return call.error;
    const struct cuda_host_device *s = &devices[current_device()].spec;
    if (!func || block_size <= 0 || block_size > 1024) return call.end(cudaErrorInvalidValue);
    int by_threads = (s->major == 7 ? 1024 : 2048) / ((block_size + 31) / 32 * 32);
    int by_shared = (int)(s->shared_sm / (smem + 1024)), n = by_threads < by_shared ? by_threads
                                                                                    : by_shared;
    *blocks = check_shape(dim3(1), dim3((unsigned)block_size), smem, func) != cudaSuccess ? 0
              : n > 16 ? 16 : n;
    return call.end(cudaSuccess);
}

unsigned long long cuda_host_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}
