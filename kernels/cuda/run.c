/* run.c - a program on the device: copies in, steps, copies out, as one CUDA graph.
 *
 * The first run of a program on a workspace records its steps; later ones launch what was recorded.
 * What was recorded holds addresses: a workspace or pinned memory that moved since makes it void.
 * A profiled run goes step by step between events and records nothing.
 *
 * Layer:   kernels/cuda.   Threads: under the engine's run lock. */
#include "kernels/backend/program.h"
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include <string.h>

struct recorded {
    cudaGraphExec_t exec;
    const void *workspace;
    uint64_t pinned_age;
};

static const struct cuda_node *io_node(const struct syn_program *p, int32_t i)
{
    return p->step[i].node < 0 ? p->step[i].kernel.state : NULL;
}

/* --- pinned memory -------------------------------------------------------------------------- */

static syn_status pin(struct cuda_self *self, const struct syn_program *p, struct syn_err *err)
{
    size_t need = 0;
    syn_status st;
    for (int32_t i = 0; i < p->n_steps; i++) {
        const struct cuda_node *n = io_node(p, i);
        if (n && n->io.at + n->io.bytes > need) need = n->io.at + n->io.bytes;
    }
    if (need <= self->pinned_bytes) return SYN_OK;
    if (self->pinned) (void)cudaFreeHost(self->pinned);
    self->pinned = NULL;
    self->pinned_bytes = 0;
    self->pinned_age++;
    st = cuda_status(self, cudaMallocHost(&self->pinned, need), "pinned memory", err);
    if (st == SYN_OK) self->pinned_bytes = need;
    return st;
}

#define COPY_CHUNK ((size_t)1 << 20)
struct copying {
    char *to;
    const char *from;
    size_t bytes;
};
static void copy_chunk(void *ctx, int64_t task)
{
    const struct copying *c = ctx;
    const size_t at = (size_t)task * COPY_CHUNK;
    memcpy(c->to + at, c->from + at, c->bytes - at < COPY_CHUNK ? c->bytes - at : COPY_CHUNK);
}

/* Between the caller's tensors and pinned memory. */
static void copy_io(struct cuda_self *self, const struct syn_program *p, const struct syn_run *r,
                    bool load)
{
    for (int32_t i = 0; i < p->n_steps; i++) {
        const struct cuda_node *n = io_node(p, i);
        struct copying c;
        if (!n || n->io.load != load) continue;
        c = (struct copying){.bytes = n->io.bytes};
        c.to = load ? (char *)self->pinned + n->io.at : r->out[n->io.index];
        c.from = load ? r->in[n->io.index] : (char *)self->pinned + n->io.at;
        syn_pool_run(self->pool, (int64_t)((c.bytes + COPY_CHUNK - 1) / COPY_CHUNK), copy_chunk,
                     &c);
    }
}

/* --- steps ---------------------------------------------------------------------------------- */

static syn_status wait(struct cuda_self *self, struct syn_err *err)
{
    return cuda_status(self, cudaStreamSynchronize(self->stream), "run", err);
}

static void recorded_free(struct recorded *g)
{
    if (!g) return;
    if (g->exec) (void)cudaGraphExecDestroy(g->exec);
    syn_free(g);
}

void cuda_forget(void *state, struct syn_program *p)
{
    const struct cuda_self *self = state;
    (void)cudaSetDevice(self->device);
    recorded_free(p->recorded);
    p->recorded = NULL;
}

static syn_status record(struct cuda_self *self, struct syn_program *p, const struct syn_run *r,
                         struct recorded **out, struct syn_err *err)
{
    struct recorded *g = syn_calloc(1, sizeof *g);
    cudaGraph_t graph = NULL;
    syn_status st = g ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "run: no memory"), ended;
    if (st != SYN_OK) return st;
    g->workspace = r->workspace;
    g->pinned_age = self->pinned_age;
    st = cuda_status(self,
                     cudaStreamBeginCapture(self->stream, cudaStreamCaptureModeThreadLocal),
                     "record", err);
    if (st != SYN_OK) goto done;
    st = syn_program_steps(p, r, 0, p->n_steps, NULL, false, err);
    ended = cuda_status(self, cudaStreamEndCapture(self->stream, &graph), "record",
                        st == SYN_OK ? err : NULL); /* the first failure is the one to tell */
    if (st == SYN_OK) st = ended;
    if (st == SYN_OK)
        st = cuda_status(self, cudaGraphInstantiate(&g->exec, graph, 0), "record", err);
done:
    if (graph) (void)cudaGraphDestroy(graph);
    if (st != SYN_OK) {
        recorded_free(g);
        return st;
    }
    *out = g;
    return SYN_OK;
}

static syn_status run_recorded(struct cuda_self *self, struct syn_program *p,
                               const struct syn_run *r, struct syn_err *err)
{
    struct recorded *g = p->recorded;
    syn_status st = SYN_OK;
    if (g && (g->workspace != r->workspace || g->pinned_age != self->pinned_age)) {
        cuda_forget(self, p);
        g = NULL;
    }
    if (!g) {
        if ((st = record(self, p, r, &g, err)) != SYN_OK) return st;
        p->recorded = g;
    }
    st = cuda_status(self, cudaGraphLaunch(g->exec, self->stream), "run", err);
    return st == SYN_OK ? wait(self, err) : st;
}

/* --- profiled ------------------------------------------------------------------------------- */

static syn_status run_profiled(struct cuda_self *self, struct syn_program *p,
                               const struct syn_run *r, const atomic_bool *cancel,
                               struct syn_err *err)
{
    cudaEvent_t *event = syn_calloc((size_t)p->n_steps + 1, sizeof *event);
    syn_status st = event ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "run: no memory");
    const int32_t n_steps = p->n_steps;
    for (int32_t i = 0; st == SYN_OK && i <= n_steps; i++)
        st = cuda_status(self, cudaEventCreate(&event[i]), "event", err);
    if (st == SYN_OK) st = cuda_status(self, cudaEventRecord(event[0], self->stream), "event", err);
    for (int32_t i = 0; st == SYN_OK && i < n_steps; i++) {
        st = syn_program_steps(p, r, i, i + 1, cancel, false, err);
        if (st == SYN_OK)
            st = cuda_status(self, cudaEventRecord(event[i + 1], self->stream), "event", err);
    }
    if (st == SYN_OK) st = wait(self, err);
    for (int32_t i = 0; st == SYN_OK && i < n_steps; i++) {
        float ms = 0;
        st = cuda_status(self, cudaEventElapsedTime(&ms, event[i], event[i + 1]), "event", err);
        p->step[i].seconds = 1e-3 * (double)ms;
    }
    if (st != SYN_OK) (void)cudaStreamSynchronize(self->stream); /* nothing runs on afterwards */
    for (int32_t i = 0; event && i <= n_steps; i++)
        if (event[i]) (void)cudaEventDestroy(event[i]);
    syn_free(event);
    return st;
}

syn_status cuda_run(void *state, struct syn_program *p, const struct syn_run *r,
                    const atomic_bool *cancel, bool profile, struct syn_err *err)
{
    struct cuda_self *self = state;
    syn_status st = cuda_enter(self, err);
    if (st == SYN_OK && cancel && atomic_load_explicit(cancel, memory_order_relaxed))
        return syn_fail(err, SYN_CANCELED, "canceled before it ran");
    if (st == SYN_OK) st = pin(self, p, err);
    if (st != SYN_OK) return st;
    copy_io(self, p, r, true);
    st = profile ? run_profiled(self, p, r, cancel, err) : run_recorded(self, p, r, err);
    if (st == SYN_OK) copy_io(self, p, r, false);
    if (st == SYN_DEVICE) self->lost = true; /* also where a launch said so */
    return st;
}
