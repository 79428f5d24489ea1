/* graph.cpp - stream capture, graphs and their launches. See stream.h.
 *
 * Order    A launch runs nodes as their dependencies allow, in the order of capture or in the
 *          opposite one (cuda_host_set_direction), so that a missing dependency shows. */
#include "stream.h"
#include <algorithm>

struct CUgraph_st {
    graph_nodes nodes;
};
struct CUgraphExec_st {
    std::shared_ptr<const graph_nodes> nodes; /* queued launches keep the one they were made with */
    unsigned launched; /* begins elsewhere in each, so that two graphs of one launch differ */
};

static std::vector<cudaGraph_t> graphs;
static std::vector<cudaGraphExec_t> execs;
static unsigned instantiated;

template <class T> static bool has(const std::vector<T> &v, T x)
{
    return std::find(v.begin(), v.end(), x) != v.end();
}

void graph_leaks(std::vector<std::string> *out)
{
    for (size_t i = 0; i < graphs.size(); i++) out->push_back("a graph");
    for (size_t i = 0; i < execs.size(); i++) out->push_back("an executable graph");
}

/* --- capturing ------------------------------------------------------------------------------- */

cudaError_t capture_invalidate(const capture_ref &c, cudaError_t e)
{
    c->invalid = true;
    return e;
}

void capture_leave_all(void)
{
    for (cudaStream_t s : streams) s->capturing = nullptr, s->tail.clear();
}

cudaError_t capture_add(cudaStream_t s, const char *what, std::function<void()> run,
                        const void *function)
{
    capture *c = s->capturing.get();
    if (c->invalid) return cudaErrorStreamCaptureInvalidated;
    c->nodes.push_back({what, std::move(run), s->tail, function, s->device});
    s->tail = {c->nodes.size() - 1};
    return cudaSuccess;
}

/* A stream that waits for a captured event joins the capture. */
cudaError_t capture_wait(cudaStream_t s, cudaEvent_t e)
{
    if (!e->captured) {
        if (!e->recorded) return cudaSuccess;
        return capture_invalidate(s->capturing, cudaErrorStreamCaptureIsolation);
    }
    if (e->captured->invalid) return cudaErrorStreamCaptureInvalidated;
    bool open = std::any_of(streams.begin(), streams.end(),
                            [e](cudaStream_t o) { return o->capturing == e->captured; });
    if (!open) return cudaErrorCapturedEvent;
    if (s == stream_of(nullptr))
        return capture_invalidate(e->captured, cudaErrorStreamCaptureImplicit);
    if (s->capturing && s->capturing != e->captured) {
        capture_invalidate(e->captured, cudaSuccess);
        return capture_invalidate(s->capturing, cudaErrorStreamCaptureMerge);
    }
    s->capturing = e->captured;
    for (size_t n : e->tail)
        if (!has(s->tail, n)) s->tail.push_back(n);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    struct api_call call("cudaStreamBeginCapture");
    if (call.refused()) return call.error;
    if (!stream || stream == cudaStreamLegacy) return call.end(cudaErrorStreamCaptureUnsupported);
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    if (stream->capturing) return call.end(cudaErrorInvalidValue);
    stream->capturing = std::make_shared<capture>();
    stream->capturing->origin = stream, stream->capturing->mode = mode;
    stream->capturing->thread = std::this_thread::get_id();
    stream->tail.clear();
    return call.end(cudaSuccess);
}

/* Do all nodes lie before the origin's last ones? Else some stream was never joined. */
static bool all_joined(const capture *c, const std::vector<size_t> &tail)
{
    std::vector<char> reached(c->nodes.size());
    std::vector<size_t> todo = tail;
    while (!todo.empty()) {
        size_t n = todo.back();
        todo.pop_back();
        if (reached[n]) continue;
        reached[n] = 1;
        todo.insert(todo.end(), c->nodes[n].after.begin(), c->nodes[n].after.end());
    }
    return !has(reached, (char)0);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    struct api_call call("cudaStreamEndCapture");
    if (call.refused()) return call.error;
    if (!stream || !stream_valid(stream) || !stream->capturing)
        return call.end(cudaErrorInvalidValue);
    capture_ref c = stream->capturing;
    if (c->origin != stream) return call.end(cudaErrorStreamCaptureUnmatched);
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != std::this_thread::get_id())
        return call.end(cudaErrorStreamCaptureWrongThread);
    bool joined = all_joined(c.get(), stream->tail);
    for (cudaStream_t s : streams)
        if (s->capturing == c) s->capturing = nullptr, s->tail.clear();
    *graph = nullptr;
    if (c->invalid) return call.end(cudaErrorStreamCaptureInvalidated);
    if (!joined) return call.end(cudaErrorStreamCaptureUnjoined);
    graphs.push_back(*graph = new CUgraph_st{c->nodes});
    return call.end(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status)
{
    struct api_call call("cudaStreamIsCapturing");
    if (call.refused()) return call.error;
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    const capture *c = stream_of(stream)->capturing.get();
    *status = !c           ? cudaStreamCaptureStatusNone
              : c->invalid ? cudaStreamCaptureStatusInvalidated
                           : cudaStreamCaptureStatusActive;
    return call.end(cudaSuccess);
}

static thread_local enum cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

/* The mode of a thread is kept per capture here; the call only answers as if it had been set. */
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode)
{
    std::swap(thread_mode, *mode);
    return cudaSuccess;
}

/* --- graphs ---------------------------------------------------------------------------------- */

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count)
{
    struct api_call call("cudaGraphGetNodes");
    if (call.refused()) return call.error;
    if (!has(graphs, graph)) return call.end(cudaErrorInvalidValue);
    for (size_t i = 0; nodes && i < *count && i < graph->nodes.size(); i++)
        nodes[i] = (cudaGraphNode_t)&graph->nodes[i];
    *count = graph->nodes.size();
    return call.end(cudaSuccess);
}

template <class T> static cudaError_t destroy(std::vector<T> *all, T x, const char *what)
{
    struct api_call call(what);
    if (call.refused()) return call.error;
    auto it = std::find(all->begin(), all->end(), x);
    if (it == all->end()) {
        fault_record("%s of %p, which is none that lives", what, (void *)x);
        return call.end(cudaErrorInvalidValue);
    }
    all->erase(it);
    delete x;
    return call.end(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    return destroy(&graphs, graph, "cudaGraphDestroy");
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    return destroy(&execs, exec, "cudaGraphExecDestroy");
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags)
{
    struct api_call call("cudaGraphInstantiate");
    if (call.refused()) return call.error;
    (void)flags;
    if (!has(graphs, graph)) return call.end(cudaErrorInvalidValue);
    *exec = new CUgraphExec_st{std::make_shared<const graph_nodes>(graph->nodes),
                              instantiated++};
    execs.push_back(*exec);
    return call.end(cudaSuccess);
}

static enum cudaGraphExecUpdateResult compare(const graph_nodes &a, const graph_nodes &b)
{
    if (a.size() != b.size()) return cudaGraphExecUpdateErrorTopologyChanged;
    for (size_t i = 0; i < a.size(); i++) {
        if (a[i].after != b[i].after) return cudaGraphExecUpdateErrorTopologyChanged;
        if (!a[i].function != !b[i].function) return cudaGraphExecUpdateErrorNodeTypeChanged;
        if (!a[i].function && a[i].what != b[i].what)
            return cudaGraphExecUpdateErrorNodeTypeChanged;
        if (a[i].device != b[i].device) return cudaGraphExecUpdateErrorNotSupported;
    }
    return cudaGraphExecUpdateSuccess;
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo *result)
{
    struct api_call call("cudaGraphExecUpdate");
    if (call.refused()) return call.error;
    if (!has(execs, exec) || !has(graphs, graph)) return call.end(cudaErrorInvalidValue);
    enum cudaGraphExecUpdateResult r = compare(*exec->nodes, graph->nodes);
    if (result) *result = {r, nullptr, nullptr};
    if (r != cudaGraphExecUpdateSuccess) return call.end(cudaErrorGraphExecUpdateFailure);
    exec->nodes = std::make_shared<const graph_nodes>(graph->nodes);
    return call.end(cudaSuccess);
}

/* --- launching ------------------------------------------------------------------------------- */

static bool can_run(const graph_nodes &nodes, const std::vector<char> &done, size_t i)
{
    if (done[i]) return false;
    for (size_t a : nodes[i].after)
        if (!done[a]) return false;
    return true;
}

static void run_nodes(const graph_nodes &nodes, unsigned launched)
{
    std::vector<char> done(nodes.size());
    bool backwards = direction == CUDA_HOST_TURNS ? turn(launched)
                                                  : direction == CUDA_HOST_BACKWARDS;
    for (size_t round = 0; round < nodes.size(); round++) {
        size_t next = nodes.size();
        for (size_t k = 0; k < nodes.size() && next == nodes.size(); k++) {
            size_t i = backwards ? nodes.size() - 1 - k : k;
            if (can_run(nodes, done, i)) next = i;
        }
        if (nodes[next].run && devices[nodes[next].device].sticky == cudaSuccess)
            nodes[next].run();
        done[next] = 1;
    }
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    struct api_call call("cudaGraphLaunch");
    if (call.refused()) return call.error;
    if (!has(execs, exec)) return call.end(cudaErrorInvalidValue);
    if (!stream_valid(stream)) return call.end(cudaErrorInvalidResourceHandle);
    auto nodes = exec->nodes;
    unsigned launched = exec->launched++;
    return call.end(stream_enqueue(stream, "graph", [=] { run_nodes(*nodes, launched); }, nullptr,
                                   nullptr));
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream)
{
    struct api_call call("cudaGraphUpload");
    if (call.refused()) return call.error;
    bool fine = has(execs, exec) && stream_valid(stream);
    return call.end(fine ? cudaSuccess : cudaErrorInvalidValue);
}

/* --- what was left --------------------------------------------------------------------------- */

size_t cuda_host_leaks(char *text, size_t size)
{
    std::vector<std::string> all;
    memory_leaks(&all);
    stream_leaks(&all);
    graph_leaks(&all);
    std::string joined;
    for (const std::string &s : all) joined += s + "\n";
    if (text && size > 0) text[joined.copy(text, size - 1)] = 0;
    return all.size();
}
