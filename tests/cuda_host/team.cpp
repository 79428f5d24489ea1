/* team.cpp - running a block's fibers, and the meetings among them. See team.h. */
#include "team.h"
#include "runtime.h"
#include <cstdio>
#include <cstring>

struct team team;
__thread struct cuda_host_here cuda_host_here;

/* --- who runs -------------------------------------------------------------------------------- */

static const unsigned NOBODY = ~0u;

static unsigned first_from(unsigned from)
{
    for (unsigned w = from / 64; w * 64 < team.size; w++) {
        unsigned long long bits = team.ready.word[w];
        if (w == from / 64) bits &= ~0ull << from % 64;
        if (bits) return w * 64 + (unsigned)__builtin_ctzll(bits);
    }
    return NOBODY;
}

static unsigned last_to(unsigned to)
{
    for (unsigned w = to / 64 + 1; w-- > 0;) {
        unsigned long long bits = team.ready.word[w];
        if (w == to / 64) bits &= ~0ull >> (63 - to % 64);
        if (bits) return w * 64 + 63 - (unsigned)__builtin_clzll(bits);
    }
    return NOBODY;
}

/* The next ready thread after `number` in the launch's direction, wrapping; NOBODY if none is. */
static unsigned next_after(unsigned number)
{
    if (team.backwards) {
        unsigned n = number > 0 ? last_to(number - 1) : NOBODY;
        return n != NOBODY ? n : last_to(team.size - 1);
    }
    unsigned n = number + 1 < team.size ? first_from(number + 1) : NOBODY;
    return n != NOBODY ? n : first_from(0);
}

static void be(struct cuda_host_thread *t)
{
    cuda_host_here.self = t;
    cuda_host_here.thread_index = t->index;
    cuda_host_here.lane = t->number % 32;
}

static void thread_main(void);

/* Gives a FRESH thread a stack. */
static void begin_thread(struct cuda_host_thread *t)
{
    t->stack = team.stacks_free[--team.n_stacks_free];
    t->state = READY;
    if (!fiber_prepare(&t->fiber, t->stack, thread_main)) {
        perror("cuda_host: fiber stacks");
        abort();
    }
}

static void stuck(void)
{
    char where[1500];
    team_describe(where, sizeof where);
    cuda_host_kernel_fault(cudaErrorLaunchTimeout, "deadlock: nobody can go on%s", where);
}

/* Leaves the running thread, which waits, for whoever is next. */
static void let_others_run(struct cuda_host_thread *self)
{
    unsigned n = next_after(self->number);
    if (n == NOBODY) stuck();
    if (n == self->number) return;
    struct cuda_host_thread *t = &team.thread[n];
    if (t->state == FRESH) begin_thread(t);
    be(t);
    fiber_switch(&self->fiber, &t->fiber);
}

static void wait_in(thread_state state, struct cuda_host_thread *self)
{
    self->state = state;
    team.ready.drop(self->number);
    let_others_run(self);
}

static void wake(struct cuda_host_thread *t)
{
    t->state = READY;
    team.ready.add(t->number);
}

/* --- meetings -------------------------------------------------------------------------------- */

static bool same_place(const struct place *a, const struct place *b)
{
    return a->line == b->line && (a->file == b->file || !strcmp(a->file, b->file));
}

static void check_places(const struct cuda_host_thread *first, const struct cuda_host_thread *t)
{
    if (same_place(&first->at, &t->at)) return;
    cuda_host_kernel_fault(cudaErrorLaunchFailure,
                           "divergent __syncthreads: thread %u is at %s:%d, thread %u at %s:%d",
                           first->number, first->at.file, first->at.line, t->number, t->at.file,
                           t->at.line);
}

/* All living threads wait: lets them on, except `self`, who runs. */
static void complete_barrier(const struct cuda_host_thread *self)
{
    struct cuda_host_thread *first = nullptr;
    int count = 0;
    for (unsigned i = 0; i < team.size; i++) {
        struct cuda_host_thread *t = &team.thread[i];
        if (t->state != BARRIER) continue;
        if (!first) first = t;
        check_places(first, t);
        count += t->predicate != 0;
    }
    for (unsigned i = 0; i < team.size; i++) {
        struct cuda_host_thread *t = &team.thread[i];
        if (t->state != BARRIER) continue;
        int kind = (int)t->mask;
        t->result = kind == CUDA_HOST_COUNT ? count
                    : kind == CUDA_HOST_AND ? count == (int)team.at_barrier
                                            : count > 0;
        if (t == self) t->state = READY;
        else
            wake(t);
    }
    team.at_barrier = 0;
    check_barrier();
}

int cuda_host_barrier(enum cuda_host_reduce kind, int predicate, const char *file, int line)
{
    struct cuda_host_thread *self = cuda_host_here.self;
    if (!self) host_misuse("__syncthreads outside of a kernel");
    self->at = {file, line}, self->predicate = predicate, self->mask = (unsigned)kind;
    team.at_barrier++;
    if (team.at_barrier == team.living) {
        self->state = BARRIER;
        complete_barrier(self);
    } else {
        wait_in(BARRIER, self);
    }
    return self->result;
}

static void complete_named(unsigned id, const struct cuda_host_thread *self)
{
    struct named_barrier *b = &team.named[id];
    check_named(id, &b->came, &b->waiting);
    for (unsigned i = 0; i < team.size; i++)
        if (b->waiting.has(i) && i != self->number) wake(&team.thread[i]);
    memset(b, 0, sizeof *b);
}

void cuda_host_named_barrier(unsigned id, unsigned count, bool wait, const char *file, int line)
{
    struct cuda_host_thread *self = cuda_host_here.self;
    if (id == 0 || id >= NAMED_BARRIERS)
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: named barrier %u: must be in "
                               "[1, 15]; 0 is __syncthreads", file, line, id);
    struct named_barrier *b = &team.named[id];
    unsigned whole = (team.size + 31) / 32 * 32;
    if (count == 0 || count % 32 != 0 || count > whole)
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: named barrier of %u threads: "
                               "must be a multiple of 32 up to %u", file, line, count, whole);
    if (b->arrived > 0 && b->expected != count)
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: barrier %u for %u threads, "
                               "others came for %u", file, line, id, count, b->expected);
    if (b->came.has(self->number))
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: thread %u comes to barrier "
                               "%u twice", file, line, self->number, id);
    b->expected = count, b->arrived++;
    check_arrive(id, self->number);
    b->came.add(self->number);
    if (wait) b->waiting.add(self->number);
    self->at = {file, line}, self->mask = id;
    if (b->arrived == count) complete_named(id, self);
    else if (wait) wait_in(NAMED, self);
}

static bool meets(const struct cuda_host_thread *a, const struct cuda_host_thread *b)
{
    return a->mask == b->mask && a->op == b->op && same_place(&a->at, &b->at);
}

/* Completes the exchange that `t` waits in if everybody has come. */
static bool complete_warp(const struct cuda_host_thread *t, const struct cuda_host_thread *self)
{
    unsigned warp = t->number / 32, lanes = t->mask & team.lanes_living[warp];
    struct cuda_host_thread *base = &team.thread[warp * 32];
    void *brought[32] = {nullptr};
    if (lanes & ~team.lanes_waiting[warp]) return false;
    for (unsigned m = lanes; m; m &= m - 1) {
        struct cuda_host_thread *o = base + __builtin_ctz(m);
        if (!meets(t, o)) return false;
        brought[o->number % 32] = o->brought;
    }
    team.lanes_waiting[warp] &= ~lanes;
    if (t->op) t->op(brought, lanes);
    else
        check_syncwarp(warp, lanes);
    for (unsigned m = lanes; m; m &= m - 1) {
        struct cuda_host_thread *o = base + __builtin_ctz(m);
        if (o != self) wake(o);
    }
    return true;
}

void cuda_host_warp(unsigned mask, cuda_host_warp_op op, void *mine, const char *file, int line)
{
    struct cuda_host_thread *self = cuda_host_here.self;
    unsigned lane = cuda_host_here.lane;
    if (!self) host_misuse("a warp function outside of a kernel");
    if (!(mask >> lane & 1))
        cuda_host_kernel_fault(cudaErrorIllegalInstruction,
                               "%s:%d: a lane is not in its own mask %#x", file, line, mask);
    self->at = {file, line}, self->mask = mask, self->op = op, self->brought = mine;
    team.lanes_waiting[self->number / 32] |= 1u << lane;
    if (!complete_warp(self, self)) wait_in(WARP, self);
}

void cuda_host_syncwarp(unsigned mask, const char *file, int line)
{
    cuda_host_warp(mask, nullptr, nullptr, file, line);
}

unsigned cuda_host_active(void) { return 1u << cuda_host_here.lane; }

/* Everybody only pausing is a stuck block too, so the number of pauses is limited. */
void cuda_host_pause(void)
{
    if (++team.pauses > 10u * 1000u * 1000u) stuck();
    let_others_run(cuda_host_here.self);
}

/* --- beginning and end ----------------------------------------------------------------------- */

/* What a thread's return may complete: a barrier, an exchange that named its lane. */
static void retire(struct cuda_host_thread *t)
{
    unsigned warp = t->number / 32;
    t->state = RETURNED;
    team.ready.drop(t->number);
    team.lanes_living[warp] &= ~(1u << t->number % 32);
    team.living--;
    if (team.at_barrier > 0 && team.at_barrier == team.living) complete_barrier(t);
    for (unsigned m = team.lanes_waiting[warp]; m; m &= m - 1) {
        unsigned lane = (unsigned)__builtin_ctz(m);
        if (team.lanes_waiting[warp] >> lane & 1) complete_warp(&team.thread[warp * 32 + lane], t);
    }
}

/* Runs threads from here on, one after another as long as each next one is fresh. */
static void thread_main(void)
{
    struct cuda_host_thread *t = cuda_host_here.self;
    fiber_enter(team.from_host ? &team.host : nullptr);
    team.from_host = false;
    for (;;) {
        team.body.run(team.body.args);
        retire(t);
        unsigned n = next_after(t->number);
        struct cuda_host_thread *next = n == NOBODY ? nullptr : &team.thread[n];
        if (!next && team.living > 0) stuck();
        if (!next || next->state != FRESH) {
            team.stacks_free[team.n_stacks_free++] = t->stack; /* taken no sooner than we left it */
            if (next) be(next);
            fiber_leave(next ? &next->fiber : &team.host);
        }
        next->fiber = t->fiber, next->stack = t->stack, next->state = READY;
        be(next);
        t = next;
    }
}

void team_begin(const char *kernel, const struct cuda_host_body *body, dim3 grid, dim3 block,
                bool backwards, int device)
{
    team.device = device;
    team.kernel = kernel, team.body = *body, team.backwards = backwards;
    team.size = block.x * block.y * block.z, team.fault = cudaSuccess;
    cuda_host_here.grid_dim = {grid.x, grid.y, grid.z};
    cuda_host_here.block_dim = {block.x, block.y, block.z};
    for (unsigned i = 0; i < team.size; i++) {
        struct cuda_host_thread *t = &team.thread[i];
        t->number = i;
        t->index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    }
}

static void reset_threads(void)
{
    memset(&team.ready, 0, sizeof team.ready);
    memset(team.named, 0, sizeof team.named);
    memset(team.lanes_waiting, 0, sizeof team.lanes_waiting);
    memset(team.lanes_living, 0, sizeof team.lanes_living);
    for (unsigned i = 0; i < team.size; i++) {
        struct cuda_host_thread *t = &team.thread[i];
        t->state = FRESH, t->group = 0;
        t->copies.clear();
        team.ready.add(i);
        team.lanes_living[i / 32] |= 1u << i % 32;
    }
    team.living = team.size, team.at_barrier = 0, team.pauses = 0;
    for (unsigned i = 0; i < FIBER_STACKS; i++) team.stacks_free[i] = FIBER_STACKS - 1 - i;
    team.n_stacks_free = FIBER_STACKS;
}

bool team_run_block(uint3 block_index, char *shared)
{
    reset_threads();
    cuda_host_here.block_index = block_index;
    cuda_host_here.shared = shared;
    struct cuda_host_thread *first = &team.thread[team.backwards ? team.size - 1 : 0];
    begin_thread(first);
    be(first);
    team.from_host = true;
    fiber_switch(&team.host, &first->fiber);
    cuda_host_here.self = nullptr;
    return team.fault == cudaSuccess;
}
