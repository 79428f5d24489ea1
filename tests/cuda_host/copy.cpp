/* copy.cpp - allocation calls, copies and fills.
 *
 * Pageable memory is read when the call is made and written before it returns; pinned memory is
 *          read and written when the work is done, so a host that reuses it too early is caught. */
#include "runtime.h"
#include <cstring>

/* --- allocation ------------------------------------------------------------------------------ */

static cudaError_t allocate(const char *name, enum block_kind kind, void **p, size_t bytes)
{
    struct api_call call(name);
    if (call.refused()) return call.error;
    cudaError_t e = stream_unsafe_now();
    if (e != cudaSuccess) return call.end(e);
    if (!p) return call.end(cudaErrorInvalidValue);
    if (bytes == 0) {
        *p = nullptr;
        return call.end(cudaSuccess);
    }
    return call.end(memory_alloc(kind, bytes, p));
}

static cudaError_t release(const char *name, enum block_kind kind, void *p)
{
    struct api_call call(name);
    if (call.refused()) return call.error;
    cudaError_t e = stream_unsafe_now();
    if (e != cudaSuccess) return call.end(e);
    if (!p) return call.end(cudaSuccess);
    for (int d = 0; d < n_devices; d++) stream_finish_all(d); /* CUDA's own call waits as well */
    return call.end(memory_free(kind, p, name));
}

cudaError_t cudaMalloc(void **p, size_t n) { return allocate("cudaMalloc", DEVICE_BLOCK, p, n); }
cudaError_t cudaFree(void *p) { return release("cudaFree", DEVICE_BLOCK, p); }
cudaError_t cudaFreeHost(void *p) { return release("cudaFreeHost", PINNED_BLOCK, p); }

cudaError_t cudaMallocHost(void **p, size_t n)
{
    return allocate("cudaMallocHost", PINNED_BLOCK, p, n);
}

cudaError_t cudaHostAlloc(void **p, size_t n, unsigned flags)
{
    (void)flags;
    return allocate("cudaHostAlloc", PINNED_BLOCK, p, n);
}

cudaError_t cudaMallocAsync(void **p, size_t n, cudaStream_t stream)
{
    struct api_call call("cudaMallocAsync");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (stream_capturing(stream)) return call.end(cudaErrorNotSupported); /* not modelled */
    return call.end(memory_alloc(DEVICE_BLOCK, n, p));
}

cudaError_t cudaFreeAsync(void *p, cudaStream_t stream)
{
    struct api_call call("cudaFreeAsync");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (stream_capturing(stream)) return call.end(cudaErrorNotSupported);
    if (!p) return call.end(cudaSuccess);
    return call.end(stream_enqueue(stream, "free", [p] {
        (void)memory_free(DEVICE_BLOCK, p, "cudaFreeAsync");
    }, nullptr, nullptr));
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    struct api_call call("cudaMemGetInfo");
    if (call.refused()) return call.error;
    const struct device *d = &devices[current_device()];
    *free_bytes = d->spec.memory_bytes - d->bytes, *total_bytes = d->spec.memory_bytes;
    return call.end(cudaSuccess);
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attr, const void *p)
{
    struct api_call call("cudaPointerGetAttributes");
    if (call.refused()) return call.error;
    const struct block *b = memory_find(p);
    *attr = {cudaMemoryTypeUnregistered, -2, nullptr, const_cast<void *>(p)};
    if (memory_holds(DEVICE_BLOCK, p, 1))
        *attr = {cudaMemoryTypeDevice, b->device, const_cast<void *>(p), nullptr};
    else if (memory_is_pinned(p))
        *attr = {cudaMemoryTypeHost, b ? b->device : 0, const_cast<void *>(p),
                 const_cast<void *>(p)};
    return call.end(cudaSuccess);
}

/* --- copies ---------------------------------------------------------------------------------- */

struct rows {
    char *dst;
    const char *src;
    size_t dst_pitch, src_pitch, width, height;
};

static bool is_device(const void *p)
{
    const struct block *b = memory_find(p);
    return b && b->kind == DEVICE_BLOCK;
}

static size_t span(size_t pitch, const struct rows *r)
{
    return pitch * (r->height - 1) + r->width;
}

/* Text of what is wrong with one side of a copy, or "". */
static std::string bad_side(const void *p, size_t bytes)
{
    if (!memory_in_arena(p) || memory_holds(DEVICE_BLOCK, p, bytes) ||
        memory_holds(PINNED_BLOCK, p, bytes))
        return "";
    return std::to_string(bytes) + " bytes from " + memory_describe(p);
}

static cudaError_t check_copy(const struct rows *r, enum cudaMemcpyKind kind)
{
    bool to = is_device(r->dst), from = is_device(r->src);
    static const bool wants_to[] = {false, true, false, true},
                      wants_from[] = {false, false, true, true};
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
        return cudaErrorInvalidMemcpyDirection;
    if (kind != cudaMemcpyDefault && (to != wants_to[kind] || from != wants_from[kind])) {
        fault_record("copy of kind %d from %s memory to %s memory", (int)kind,
                     from ? "device" : "host", to ? "device" : "host");
        return cudaErrorInvalidValue;
    }
    if (r->width > r->dst_pitch || r->width > r->src_pitch) return cudaErrorInvalidValue;
    std::string bad = bad_side(r->dst, span(r->dst_pitch, r));
    if (bad.empty()) bad = bad_side(r->src, span(r->src_pitch, r));
    if (bad.empty()) return cudaSuccess;
    fault_record("copy out of bounds: %s", bad.c_str());
    return cudaErrorInvalidValue;
}

static void copy_rows(const struct rows *r)
{
    for (size_t y = 0; y < r->height; y++)
        memmove(r->dst + y * r->dst_pitch, r->src + y * r->src_pitch, r->width);
}

/* When the work is done: is the memory still there? */
static void copy_now(const struct rows *r)
{
    std::string bad = bad_side(r->dst, span(r->dst_pitch, r));
    if (bad.empty()) bad = bad_side(r->src, span(r->src_pitch, r));
    if (bad.empty()) {
        copy_rows(r);
        return;
    }
    fault_record("a queued copy found its memory gone: %s", bad.c_str());
    make_sticky(current_device(), cudaErrorIllegalAddress);
}

/* The source as it is now. */
static std::shared_ptr<std::vector<char>> stage(struct rows *r)
{
    auto bytes = std::make_shared<std::vector<char>>(r->width * r->height);
    struct rows in = *r;
    in.dst = bytes->data(), in.dst_pitch = r->width;
    copy_rows(&in);
    r->src = bytes->data(), r->src_pitch = r->width;
    return bytes;
}

static cudaError_t enqueue_copy(struct rows r, enum cudaMemcpyKind kind, cudaStream_t stream,
                                bool wait)
{
    cudaError_t e;
    if (!stream_valid(stream)) return cudaErrorInvalidResourceHandle;
    if (r.width == 0 || r.height == 0) return cudaSuccess;
    if (!r.dst || !r.src) return cudaErrorInvalidValue;
    e = check_copy(&r, kind);
    if (e != cudaSuccess) return e;
    std::shared_ptr<std::vector<char>> staged;
    bool capturing = stream_capturing(stream);
    if (!capturing && !is_device(r.src) && !memory_is_pinned(r.src)) staged = stage(&r);
    if (!is_device(r.dst) && !memory_is_pinned(r.dst)) wait = true;
    e = stream_enqueue(stream, "copy", [r, staged] { copy_now(&r); }, nullptr, nullptr);
    if (e == cudaSuccess && wait && !capturing) stream_finish(stream);
    return e;
}

cudaError_t cudaMemcpy(void *dst, const void *src, size_t n, enum cudaMemcpyKind kind)
{
    struct api_call call("cudaMemcpy");
    if (call.refused()) return call.error;
    struct rows r = {(char *)dst, (const char *)src, n, n, n, 1};
    return call.end(enqueue_copy(r, kind, nullptr, true));
}

cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t n, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    struct api_call call("cudaMemcpyAsync");
    if (call.refused()) return call.error;
    struct rows r = {(char *)dst, (const char *)src, n, n, n, 1};
    return call.end(enqueue_copy(r, kind, stream, false));
}

cudaError_t cudaMemcpy2D(void *dst, size_t dst_pitch, const void *src, size_t src_pitch,
                         size_t width, size_t height, enum cudaMemcpyKind kind)
{
    struct api_call call("cudaMemcpy2D");
    if (call.refused()) return call.error;
    struct rows r = {(char *)dst, (const char *)src, dst_pitch, src_pitch, width, height};
    return call.end(enqueue_copy(r, kind, nullptr, true));
}

cudaError_t cudaMemcpy2DAsync(void *dst, size_t dst_pitch, const void *src, size_t src_pitch,
                              size_t width, size_t height, enum cudaMemcpyKind kind,
                              cudaStream_t stream)
{
    struct api_call call("cudaMemcpy2DAsync");
    if (call.refused()) return call.error;
    struct rows r = {(char *)dst, (const char *)src, dst_pitch, src_pitch, width, height};
    return call.end(enqueue_copy(r, kind, stream, false));
}

/* --- fills ----------------------------------------------------------------------------------- */

static void fill_now(char *dst, int value, size_t n)
{
    std::string bad = bad_side(dst, n);
    if (bad.empty()) {
        memset(dst, value, n);
        return;
    }
    fault_record("a queued fill found its memory gone: %s", bad.c_str());
    make_sticky(current_device(), cudaErrorIllegalAddress);
}

cudaError_t cudaMemsetAsync(void *dst, int value, size_t n, cudaStream_t stream)
{
    struct api_call call("cudaMemsetAsync");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (n == 0) return call.end(cudaSuccess);
    std::string bad = memory_in_arena(dst) ? bad_side(dst, n) : memory_describe(dst);
    if (!bad.empty()) {
        fault_record("fill out of bounds: %s", bad.c_str());
        return call.end(cudaErrorInvalidValue);
    }
    char *to = (char *)dst;
    return call.end(stream_enqueue(stream, "fill", [=] { fill_now(to, value, n); }, nullptr,
                                   nullptr));
}

cudaError_t cudaMemset(void *dst, int value, size_t n)
{
    return cudaMemsetAsync(dst, value, n, nullptr); /* CUDA's own does not wait for it either */
}

/* --- __constant__ and __device__ variables --------------------------------------------------- */

static cudaError_t copy_symbol(const char *name, const void *symbol, void *dst, const void *src,
                               size_t n, enum cudaMemcpyKind kind)
{
    struct api_call call(name);
    if (call.refused()) return call.error;
    if (!module_memory(symbol, 1)) return call.end(cudaErrorSymbolNotFound);
    bool device_side = kind == cudaMemcpyDeviceToDevice;
    struct rows r = {(char *)dst, (const char *)src, n, n, n, 1};
    return call.end(enqueue_copy(r, device_side ? kind : cudaMemcpyHostToHost, nullptr, true));
}

cudaError_t cudaMemcpyToSymbol(const void *symbol, const void *src, size_t n, size_t offset,
                               enum cudaMemcpyKind kind)
{
    char *dst = (char *)const_cast<void *>(symbol) + offset;
    return copy_symbol("cudaMemcpyToSymbol", symbol, dst, src, n, kind);
}

cudaError_t cudaMemcpyFromSymbol(void *dst, const void *symbol, size_t n, size_t offset,
                                 enum cudaMemcpyKind kind)
{
    return copy_symbol("cudaMemcpyFromSymbol", symbol, dst, (const char *)symbol + offset, n,
                       kind);
}

cudaError_t cudaGetSymbolAddress(void **p, const void *symbol)
{
    struct api_call call("cudaGetSymbolAddress");
    if (call.refused()) return call.error;
    if (!module_memory(symbol, 1)) return call.end(cudaErrorSymbolNotFound);
    *p = const_cast<void *>(symbol);
    return call.end(cudaSuccess);
}
