/* stream.h - streams, events and captures, as stream.cpp and graph.cpp share them.
 *
 * Order    Work is done late: when a call has to wait for it, or when more than 1024 pieces are
 *          queued. A piece needs what lies in `after` done; beyond that the order is the worst we
 *          can do, see cuda_host_set_order.
 * Captured A capturing stream has a capture and `tail`, the nodes its next node depends on.
 * Layer:   tests. C++17. */
#ifndef CUDA_HOST_STREAM_H
#define CUDA_HOST_STREAM_H

#include "runtime.h"
#include <thread>

struct graph_node {
    std::string what;
    std::function<void()> run;
    std::vector<size_t> after; /* indices of nodes */
    const void *function;
    int device;
};
typedef std::vector<graph_node> graph_nodes;

struct capture {
    graph_nodes nodes;
    cudaStream_t origin;
    enum cudaStreamCaptureMode mode;
    std::thread::id thread;
    bool invalid;
};
typedef std::shared_ptr<capture> capture_ref;

struct CUstream_st {
    int device;
    bool blocking; /* waits for the legacy stream, and it for this one */
    unsigned long serial;
    work_ref last;
    capture_ref capturing;
    std::vector<size_t> tail;
};

struct CUevent_st {
    bool timing;
    work_ref recorded;
    capture_ref captured;
    std::vector<size_t> tail;
};

extern std::vector<cudaStream_t> &streams; /* living, oldest first; without the legacy ones */
extern std::vector<cudaEvent_t> &events;

cudaStream_t stream_of(cudaStream_t handle); /* the legacy stream's object for NULL */
cudaError_t capture_invalidate(const capture_ref &c, cudaError_t e);
cudaError_t capture_add(cudaStream_t s, const char *what, std::function<void()> run,
                        const void *function);
cudaError_t capture_wait(cudaStream_t s, cudaEvent_t e);
void capture_leave_all(void);
void graph_leaks(std::vector<std::string> *out);

#endif
