/* stream.cpp - queues of work, events, and the order in which work is done. See stream.h. */
#include "stream.h"
#include <algorithm>

std::vector<cudaStream_t> streams;
std::vector<cudaEvent_t> events;

enum { MOST_QUEUED = 1024 };

static struct CUstream_st legacy[CUDA_HOST_MAX_DEVICES];
static std::vector<work_ref> pending; /* in the order of issue; some may be done */
static unsigned long serials;
static enum cuda_host_order order;
static unsigned choices;
extern __thread bool in_host_function;

void cuda_host_set_order(enum cuda_host_order o) { order = o; }

cudaStream_t stream_of(cudaStream_t handle)
{
    bool is_legacy = !handle || handle == cudaStreamLegacy;
    return is_legacy ? &legacy[current_device()] : handle;
}

bool stream_valid(cudaStream_t s)
{
    return !s || s == cudaStreamLegacy ||
           std::find(streams.begin(), streams.end(), s) != streams.end();
}

static bool event_valid(cudaEvent_t e)
{
    return std::find(events.begin(), events.end(), e) != events.end();
}

bool stream_capturing(cudaStream_t s) { return stream_of(s)->capturing != nullptr; }

/* --- doing ----------------------------------------------------------------------------------- */

static void perform(const work_ref &w)
{
    if (w->run && devices[w->device].sticky == cudaSuccess) {
        memory_open();
        w->run();
        memory_close();
    }
    w->done = true, w->done_ms = (double)cuda_host_clock() * 1e-6;
    w->run = nullptr;
    w->after.clear();
}

static work_ref undone_before(const work_ref &w)
{
    for (const work_ref &a : w->after)
        if (!a->done) return a;
    return nullptr;
}

/* Does one piece that `w` waits for, or w. */
static void step(work_ref w)
{
    for (work_ref a; (a = undone_before(w));) w = a;
    if (!w->done) perform(w);
}

static void finish(const work_ref &w)
{
    std::vector<work_ref> path;
    if (!w || w->done) return;
    path.push_back(w);
    memory_open(); /* once for all: to open and close costs more than a small kernel */
    while (!path.empty()) {
        work_ref top = path.back(), a = undone_before(top);
        if (a) {
            path.push_back(a);
            continue;
        }
        if (!top->done) perform(top);
        path.pop_back();
    }
    memory_close();
}

static void forget_done(void)
{
    pending.erase(std::remove_if(pending.begin(), pending.end(),
                                 [](const work_ref &w) { return w->done; }), pending.end());
}

/* The other streams with work of the device, oldest first. */
static std::vector<cudaStream_t> others(const struct CUstream_st *s, int device)
{
    std::vector<cudaStream_t> all;
    for (cudaStream_t o : streams)
        if (o != s && o->device == device && o->last && !o->last->done) all.push_back(o);
    return all;
}

/* The others' work first, in the least convenient order, the youngest stream's first? Turns are
 * taken only where there is a choice. */
static void maybe_finish_others(const struct CUstream_st *s, int device)
{
    std::vector<cudaStream_t> all = others(s, device);
    if (all.size() < (s ? 1 : 2)) return;
    bool eager = order == CUDA_HOST_ALTERNATE ? turn(choices++) : order == CUDA_HOST_EAGER;
    for (size_t i = all.size(); eager && i-- > 0;) finish(all[i]->last);
}

void stream_finish(cudaStream_t handle)
{
    cudaStream_t s = stream_of(handle);
    maybe_finish_others(s, s->device);
    finish(s->last);
    forget_done();
}

void stream_finish_all(int device)
{
    std::vector<work_ref> all = pending;
    memory_open();
    maybe_finish_others(nullptr, device);
    for (const work_ref &w : all)
        if (w->device == device) finish(w);
    memory_close();
    forget_done();
}

/* --- queueing -------------------------------------------------------------------------------- */

static work_ref add_work(cudaStream_t s, const char *what, std::function<void()> run,
                         const void *function)
{
    auto w = std::make_shared<work>();
    w->what = what, w->run = std::move(run), w->function = function;
    w->device = s->device, w->stream = s, w->serial = ++serials;
    cudaStream_t old = &legacy[s->device];
    if (s->last && !s->last->done) w->after.push_back(s->last);
    if (s == old) {
        for (cudaStream_t o : streams)
            if (o->blocking && o->device == s->device && o->last && !o->last->done)
                w->after.push_back(o->last);
    } else if (s->blocking && old->last && !old->last->done) {
        w->after.push_back(old->last);
    }
    s->last = w;
    pending.push_back(w);
    if (pending.size() > MOST_QUEUED) {
        forget_done();
        if (pending.size() > MOST_QUEUED) finish(pending.front());
    }
    return w;
}

cudaError_t stream_legacy_now(void)
{
    for (cudaStream_t s : streams)
        if (s->capturing && s->blocking && s->device == current_device())
            return capture_invalidate(s->capturing, cudaErrorStreamCaptureImplicit);
    return cudaSuccess;
}

cudaError_t stream_unsafe_now(void)
{
    for (cudaStream_t s : streams) {
        if (!s->capturing) continue;
        bool mine = s->capturing->thread == std::this_thread::get_id();
        enum cudaStreamCaptureMode mode = s->capturing->mode;
        if (mode == cudaStreamCaptureModeGlobal ||
            (mode == cudaStreamCaptureModeThreadLocal && mine))
            return capture_invalidate(s->capturing, cudaErrorStreamCaptureUnsupported);
    }
    return cudaSuccess;
}

cudaError_t stream_enqueue(cudaStream_t handle, const char *what, std::function<void()> run,
                           const void *function, work_ref *out)
{
    cudaStream_t s = stream_of(handle);
    if (s->capturing) return capture_add(s, what, std::move(run), function);
    if (s == &legacy[current_device()]) {
        cudaError_t e = stream_legacy_now();
        if (e != cudaSuccess) return e;
        s->device = current_device();
    }
    work_ref w = add_work(s, what, std::move(run), function);
    if (out) *out = w;
    return cudaSuccess;
}

void stream_reset(void)
{
    for (const work_ref &w : pending) w->after.clear(), w->run = nullptr, w->done = true;
    pending.clear();
    for (cudaStream_t s : streams) s->last = nullptr;
    for (struct CUstream_st &s : legacy) s.last = nullptr;
    capture_leave_all();
    choices = 0;
}

void stream_leaks(std::vector<std::string> *out)
{
    for (size_t i = 0; i < streams.size(); i++) out->push_back("a stream");
    for (size_t i = 0; i < events.size(); i++) out->push_back("an event");
}

/* --- calls ----------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority)
{
    struct api_call call("cudaStreamCreate");
    if (call.refused()) return call.error;
    (void)priority;
    if (flags > cudaStreamNonBlocking) return call.end(cudaErrorInvalidValue);
    *stream = new CUstream_st{current_device(), flags == cudaStreamDefault, ++serials, nullptr,
                              nullptr, {}};
    streams.push_back(*stream);
    return call.end(cudaSuccess);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0, *greatest = -5;
    return cudaSuccess;
}

/* Its work is still done, in its own time. */
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    struct api_call call("cudaStreamDestroy");
    if (call.refused()) return call.error;
    auto it = std::find(streams.begin(), streams.end(), stream);
    if (it == streams.end()) {
        fault_record("cudaStreamDestroy of %p, which is no living stream", (void *)stream);
        return call.end(cudaErrorInvalidResourceHandle);
    }
    if (stream->capturing) capture_invalidate(stream->capturing, cudaSuccess);
    finish(stream->last); /* so that the legacy stream need not remember it */
    streams.erase(it);
    delete stream;
    return call.end(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    struct api_call call("cudaStreamSynchronize");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (stream_capturing(stream))
        return call.end(capture_invalidate(stream->capturing, cudaErrorStreamCaptureUnsupported));
    stream_finish(stream);
    return call.end(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize(void)
{
    struct api_call call("cudaDeviceSynchronize");
    if (call.refused()) return call.error;
    cudaError_t e = stream_unsafe_now();
    if (e != cudaSuccess) return call.end(e);
    stream_finish_all(current_device());
    return call.end(cudaSuccess);
}

cudaError_t cudaDeviceReset(void) { return cudaDeviceSynchronize(); }

/* Each question moves the work on by one piece, so that a loop of them ends. */
static cudaError_t query(const work_ref &w)
{
    if (!w || w->done) return cudaSuccess;
    step(w);
    return cudaErrorNotReady;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    struct api_call call("cudaStreamQuery");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (stream_capturing(stream))
        return call.end(capture_invalidate(stream->capturing, cudaErrorStreamCaptureUnsupported));
    return call.end(query(stream_of(stream)->last));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned flags)
{
    struct api_call call("cudaStreamWaitEvent");
    if (call.refused()) return call.error;
    if (!stream_valid(handle) || !event_valid(event))
        return call.end(cudaErrorInvalidResourceHandle);
    if (flags != 0) return call.end(cudaErrorInvalidValue);
    cudaStream_t s = stream_of(handle);
    if (s->capturing || event->captured) return call.end(capture_wait(s, event));
    if (!event->recorded || event->recorded->done) return call.end(cudaSuccess);
    work_ref w;
    cudaError_t e = stream_enqueue(handle, "wait for event", nullptr, nullptr, &w);
    if (e == cudaSuccess) w->after.push_back(event->recorded);
    return call.end(e);
}

static void call_host(cudaHostFn_t fn, void *user)
{
    in_host_function = true; /* CUDA forbids calls of its API there */
    fn(user);
    in_host_function = false;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void *user)
{
    struct api_call call("cudaLaunchHostFunc");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (!fn) return call.end(cudaErrorInvalidValue);
    return call.end(stream_enqueue(stream, "host function", [=] { call_host(fn, user); }, nullptr,
                                   nullptr));
}

/* --- events ---------------------------------------------------------------------------------- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    struct api_call call("cudaEventCreate");
    if (call.refused()) return call.error;
    *event = new CUevent_st{!(flags & cudaEventDisableTiming), nullptr, nullptr, {}};
    events.push_back(*event);
    return call.end(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    struct api_call call("cudaEventDestroy");
    if (call.refused()) return call.error;
    auto it = std::find(events.begin(), events.end(), event);
    if (it == events.end()) {
        fault_record("cudaEventDestroy of %p, which is no living event", (void *)event);
        return call.end(cudaErrorInvalidResourceHandle);
    }
    events.erase(it);
    delete event;
    return call.end(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    struct api_call call("cudaEventRecord");
    if (call.refused()) return call.error;
    if (!event_valid(event) || !stream_valid(stream))
        return call.end(cudaErrorInvalidResourceHandle);
    cudaStream_t s = stream_of(stream);
    event->captured = s->capturing, event->tail = s->tail;
    if (s->capturing)
        return call.end(s->capturing->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
    return call.end(stream_enqueue(stream, "event", nullptr, nullptr, &event->recorded));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    struct api_call call("cudaEventSynchronize");
    if (call.refused()) return call.error;
    if (!event_valid(event)) return call.end(cudaErrorInvalidResourceHandle);
    if (event->captured) return call.end(cudaErrorCapturedEvent);
    if (event->recorded && !event->recorded->done)
        maybe_finish_others(event->recorded->stream, event->recorded->device);
    finish(event->recorded);
    forget_done();
    return call.end(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    struct api_call call("cudaEventQuery");
    if (call.refused()) return call.error;
    if (!event_valid(event)) return call.end(cudaErrorInvalidResourceHandle);
    if (event->captured) return call.end(cudaErrorCapturedEvent);
    return call.end(query(event->recorded));
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    struct api_call call("cudaEventElapsedTime");
    if (call.refused()) return call.error;
    if (!event_valid(start) || !event_valid(end) || !start->timing || !end->timing ||
        !start->recorded || !end->recorded)
        return call.end(cudaErrorInvalidResourceHandle);
    if (!start->recorded->done || !end->recorded->done) return call.end(cudaErrorNotReady);
    *ms = (float)(end->recorded->done_ms - start->recorded->done_ms);
    return call.end(cudaSuccess);
}
