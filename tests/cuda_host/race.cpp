/* race.cpp - races in device memory within one launch (an instrumented build only).
 *
 * Rule     Two threads touch a byte, one of them writes, not both atomically, and nothing orders
 *          them: in one block check.cpp's order (`check_known`), between blocks nothing but a fence:
 *          what a thread wrote before its __threadfence counts as published, because the reader
 *          can only know of it through an atomic (the last-block pattern).
 * Cost     One cell for each byte of the block of memory, made when a kernel first touches it. Reads
 *          are kept as the last one only, so that a write after two reads may miss the first. */
#include "runtime.h"
#include "team.h"
#include <cstring>
#include <map>

struct trace {
    uint32_t launch;
    uint32_t block;
    uint32_t time;
    uint16_t thread;
    bool atomic;
};
struct traced {
    struct trace write, read;
};

static std::map<unsigned, std::vector<traced>> traces; /* by the block's serial */
static const struct block *last_block;
static traced *last_cells;
static uint32_t launch, block_number;
static std::vector<uint32_t> fenced; /* by block and thread of this launch: the time of its fence */

void race_launch(void)
{
    launch++;
    block_number = ~0u;
    fenced.clear();
}

void race_block(void) { block_number++; }

void race_forget(const struct block *b)
{
    traces.erase(b->serial);
    last_block = nullptr;
}

void cuda_host_fence(void)
{
    size_t at = (size_t)block_number * team.size + cuda_host_here.self->number;
    if (!check_on) return;
    if (fenced.size() <= at) fenced.resize(at + 1);
    fenced[at] = check_tick();
}

static traced *cells_of(const struct block *b)
{
    if (b != last_block) {
        std::vector<traced> &v = traces[b->serial];
        if (v.empty()) v.resize(b->bytes);
        last_block = b, last_cells = v.data();
    }
    return last_cells;
}

/* Did `t` happen before what the running thread does now? */
static bool before(const struct trace *t)
{
    if (t->launch != launch) return true;
    if (t->block == block_number) return check_known(t->thread, t->time);
    size_t at = (size_t)t->block * team.size + t->thread;
    return at < fenced.size() && fenced[at] > t->time;
}

static void report(const struct trace *t, const char *p, const char *mine, const char *theirs,
                   const void *pc)
{
    std::string where = memory_describe(p);
    cuda_host_kernel_fault(cudaErrorLaunchFailure,
                           "data race in device memory: %s at %s, %s by thread %u of block "
                           "%u: %s", mine, pc ? fault_code(pc).c_str() : "the runtime's access",
                           theirs, t->thread, t->block, where.c_str());
}

void race_global(const char *p, size_t n, enum cuda_host_access how, const void *pc)
{
    const struct block *b = memory_find(p);
    bool writes = how & CUDA_HOST_WRITE, atomic = how == CUDA_HOST_ATOMIC;
    traced *c = cells_of(b) + (p - b->base);
    struct trace mine = {launch, block_number, check_time(),
                         (uint16_t)cuda_host_here.self->number, atomic};
    for (size_t i = 0; i < n; i++, c++) {
        if (!(atomic && c->write.atomic) && !before(&c->write))
            report(&c->write, p + i, writes ? "write" : "read", "write", pc);
        if (writes && !(atomic && c->read.atomic) && !before(&c->read))
            report(&c->read, p + i, "write", "read", pc);
        if (writes) c->write = mine;
        if (!writes || atomic) c->read = mine;
    }
}
