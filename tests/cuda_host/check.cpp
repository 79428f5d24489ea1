/* check.cpp - which access of a kernel is allowed, and which two of them race.
 *
 * Bounds   in every build for what the runtime touches itself; in an instrumented build for all.
 * Races    in an instrumented build. Time counts meetings; an access is stamped with it. Thread t
 *          knows thread u's accesses before know[t][u]. A block barrier lets everybody know all
 *          before it (`full`), __syncwarp and named barriers join the rows of those who meet. A
 *          byte of shared memory keeps its last write and its reads since; of two accesses one of
 *          which writes, the earlier must be known to the later one's thread, or both are atomic.
 *          Device memory: race.cpp's coarser rule for the launch.
 * Readers  of one warp are kept lane by lane; more warps than one as a set of warps with the time
 *          of the last read, which can only err toward reporting. */
#include "runtime.h"
#include "team.h"
#include <algorithm>
#include <cstring>

bool check_on;

enum { SEVERAL = 0xffff };

static uint32_t now = 1, block_start, full;
static uint32_t know[MAX_THREADS][MAX_THREADS]; /* of this block if written since block_start */
static uint32_t arrival[NAMED_BARRIERS][MAX_THREADS];
static bool across; /* named barriers were used: rows reach beyond the own warp */

/* --- meetings -------------------------------------------------------------------------------- */

void check_block(void)
{
    block_start = full = ++now;
    across = false;
    if (!check_on) return;
    race_block();
}

void check_barrier(void) { full = ++now; }
uint32_t check_time(void) { return now; }
uint32_t check_tick(void) { return ++now; }

/* Everyone in `acquire` learns what those in `release` know and did before `when`. */
static void join(const unsigned *release, size_t n_release, const unsigned *acquire,
                 size_t n_acquire, const uint32_t *when, unsigned from, unsigned to)
{
    static uint32_t merged[MAX_THREADS];
    memset(merged + from, 0, (to - from) * sizeof *merged);
    for (size_t i = 0; i < n_release; i++)
        for (unsigned u = from; u < to; u++) merged[u] = std::max(merged[u], know[release[i]][u]);
    for (size_t i = 0; i < n_release; i++)
        merged[release[i]] = std::max(merged[release[i]], when ? when[release[i]] : now);
    for (size_t i = 0; i < n_acquire; i++)
        for (unsigned u = from; u < to; u++)
            know[acquire[i]][u] = std::max(know[acquire[i]][u], merged[u]);
}

void check_syncwarp(unsigned warp, unsigned lanes)
{
    unsigned member[32];
    size_t n = 0;
    now++;
    if (!check_on) return;
    for (unsigned m = lanes; m; m &= m - 1) member[n++] = warp * 32 + (unsigned)__builtin_ctz(m);
    join(member, n, member, n, nullptr, across ? 0 : warp * 32,
         across ? team.size : std::min(team.size, warp * 32 + 32));
}

void check_arrive(unsigned id, unsigned thread) { arrival[id][thread] = ++now; }

void check_named(unsigned id, const struct thread_set *release, const struct thread_set *acquire)
{
    static unsigned gives[MAX_THREADS], takes[MAX_THREADS];
    size_t n_gives = 0, n_takes = 0;
    if (!check_on) return;
    across = true;
    for (unsigned i = 0; i < team.size; i++) {
        if (release->has(i)) gives[n_gives++] = i;
        if (acquire->has(i)) takes[n_takes++] = i;
    }
    /* Who waited did nothing since; the last one's own arrival is now as well. */
    join(gives, n_gives, takes, n_takes, arrival[id], 0, team.size);
}

/* --- shared memory --------------------------------------------------------------------------- */

static shared_cell *cells_of(const char *p)
{
    struct shared_range *r = shared_find(p);
    if (!r) return nullptr;
    if (r->cells.size() < (size_t)(r->to - r->from)) r->cells.resize((size_t)(r->to - r->from));
    return r->cells.data() + (p - r->from);
}

static bool known(unsigned thread, uint32_t time, unsigned self)
{
    return time < full || thread == self || know[self][thread] > time;
}

bool check_known(unsigned thread, uint32_t time)
{
    return known(thread, time, cuda_host_here.self->number);
}

static const char *at_code(const void *pc)
{
    return pc ? fault_keep(fault_code(pc)) : "the runtime's access";
}

[[noreturn]] static void race(const char *p, const char *mine, const char *theirs, unsigned other,
                              const void *pc)
{
    const uint3 *o = &team.thread[other].index;
    const struct shared_range *r = shared_find(p);
    const char *code = at_code(pc);
    cuda_host_kernel_fault(cudaErrorLaunchFailure,
                           "data race in shared memory, %s byte %td: %s at %s, %s by thread "
                           "(%u,%u,%u), no barrier between them", r->name.c_str(), p - r->from,
                           mine, code, theirs,
                           o->x, o->y, o->z);
}

/* The first thread that read and is not known to have, or -1. */
static int unknown_reader(const shared_cell *c, unsigned self)
{
    if (c->read_time < full || !c->readers) return -1;
    bool several = c->read_warp == SEVERAL;
    for (unsigned m = c->readers; m; m &= m - 1) {
        unsigned bit = (unsigned)__builtin_ctz(m), first = several ? bit * 32 : c->read_warp * 32u;
        for (unsigned lane = several ? 0 : bit; lane < (several ? 32 : bit + 1); lane++) {
            unsigned t = first + lane;
            if (t < team.size && !known(t, c->read_time, self)) return (int)t;
        }
    }
    return -1;
}

static void note_read(shared_cell *c, unsigned self)
{
    unsigned warp = self / 32;
    if (c->read_time < full || !c->readers) c->read_warp = (uint16_t)warp, c->readers = 0;
    if (c->read_warp != SEVERAL && c->read_warp != warp) {
        c->readers = 1u << c->read_warp;
        c->read_warp = SEVERAL;
    }
    c->readers |= 1u << (c->read_warp == SEVERAL ? warp : self % 32);
    c->read_time = now;
}

static void check_shared(const char *p, size_t n, enum cuda_host_access how, const void *pc)
{
    unsigned self = cuda_host_here.self->number;
    bool writes = how & CUDA_HOST_WRITE, atomic = how == CUDA_HOST_ATOMIC;
    shared_cell *c = cells_of(p);
    for (size_t i = 0; c && i < n; i++, c++) {
        if (c->write_time >= block_start) {
            if (c->pending)
                cuda_host_kernel_fault(cudaErrorLaunchFailure,
                                       "%s of shared memory that a cp.async of thread %u is "
                                       "filling: no wait before it, at %s",
                                       writes ? "write" : "read", c->writer, at_code(pc));
            if (!(atomic && c->atomic) && !known(c->writer, c->write_time, self))
                race(p + i, writes ? "write" : "read", "write", c->writer, pc);
        }
        if (!writes) {
            note_read(c, self);
            continue;
        }
        int reader = c->read_time >= block_start ? unknown_reader(c, self) : -1;
        if (reader >= 0) race(p + i, "write", "read", (unsigned)reader, pc);
        c->write_time = now, c->writer = (uint16_t)self, c->atomic = atomic, c->pending = false;
        c->readers = 0;
    }
}

void check_async(const void *dst, size_t bytes, bool begins)
{
    shared_cell *c = check_on ? cells_of((const char *)dst) : nullptr;
    for (size_t i = 0; c && i < bytes; i++) c[i].pending = begins;
}

/* --- everything ------------------------------------------------------------------------------ */

static bool is_own(const char *p, size_t n)
{
    const struct fiber *f = &cuda_host_here.self->fiber;
    const char *here = (const char *)&cuda_host_here, *args = (const char *)team.body.args;
    return (p >= f->stack && p + n <= f->stack + f->size) ||
           (p >= here && p + n <= here + sizeof cuda_host_here) ||
           (p >= args && p + n <= args + team.body.bytes);
}

static void check_global(const char *p, size_t n, enum cuda_host_access how, const void *pc)
{
    bool allowed = memory_holds(PINNED_BLOCK, p, n) ||
                   (memory_holds(DEVICE_BLOCK, p, n) && memory_find(p)->device == team.device);
    if (allowed) {
        race_global(p, n, how, pc);
        return;
    }
    if (!memory_in_arena(p) && (module_memory(p, n) || memory_is_pinned(p))) return;
    bool ours = memory_in_arena(p) || shared_past(p) != PTRDIFF_MIN;
    const char *where = ours ? fault_keep(memory_describe(p)) : "host memory or a stack";
    cuda_host_kernel_fault(cudaErrorIllegalAddress, "illegal %s of %zu bytes at %s: %s%s",
                           how & CUDA_HOST_WRITE ? "write" : "read", n, at_code(pc), where,
                           memory_holds(DEVICE_BLOCK, p, n) ? " of another device" : "");
}

void check_access(const void *where, size_t n, enum cuda_host_access how, const void *pc)
{
    const char *p = (const char *)where;
    if (!check_on) return;
    if (!cuda_host_here.self) {
        /* Host code; the runtime's own copies are not instrumented. */
        if (memory_in_arena(p) && !memory_holds(PINNED_BLOCK, p, n))
            fault_record("host code touched device memory at %s: %s", fault_code(pc).c_str(),
                         memory_describe(p).c_str());
        return;
    }
    if (is_own(p, n)) return;
    if (cells_of(p)) {
        if (!cuda_host_is_shared(p, n))
            cuda_host_kernel_fault(cudaErrorIllegalAddress, "access past the end of shared memory "
                                   "at %s", at_code(pc));
        check_shared(p, n, how, pc);
    } else {
        check_global(p, n, how, pc);
    }
}

void cuda_host_touch(const void *p, size_t bytes, enum cuda_host_access how, const char *what)
{
    if (how == CUDA_HOST_ATOMIC && (uintptr_t)p % bytes)
        cuda_host_kernel_fault(cudaErrorMisalignedAddress, "misaligned address: %s of %zu bytes "
                               "at %p", what, bytes, p);
    if (check_on) check_access(p, bytes, how, nullptr);
    else if (memory_in_arena(p) && !memory_holds(DEVICE_BLOCK, p, bytes) &&
             !memory_holds(PINNED_BLOCK, p, bytes)) {
        const char *where = fault_keep(memory_describe(p));
        cuda_host_kernel_fault(cudaErrorIllegalAddress, "illegal %s: %s", what, where);
    }
}
