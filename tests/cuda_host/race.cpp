/* race.cpp - races in device memory within one launch (an instrumented build only).
 *
 * Rule     Two threads touch a byte, one of them writes, not both atomically, and nothing orders
 *          them: in one block check.cpp's order (check_known), between blocks only a fence: what a
 *          thread wrote before its __threadfence counts as published, because a reader can only
 *          know of it through an atomic (the last-block pattern).
 * Cost     16 bytes for each byte that a kernel touched, in chunks. Of the reads only the last is
 *          kept, so that a write after reads of two threads may miss the first. */
#include "runtime.h"
#include "team.h"
#include <array>
#include <cstring>
#include <unordered_map>

/* Blocks are numbered through all launches; times count from the block's beginning. */
struct trace {
    uint32_t block;
    uint32_t time : 21, thread : 10, atomic : 1;
};
struct traced {
    struct trace write, read;
};
enum { CHUNK = 1024 };
static const uint32_t LATEST = (1u << 21) - 1;
typedef std::array<traced, CHUNK> chunk;
typedef std::vector<std::unique_ptr<chunk>> chunks;

static std::unordered_map<unsigned, chunks> traces; /* by the memory block's serial */
static const struct block *last_memory;
static chunks *last_chunks;
static uint32_t launch_first = 1, block_number, block_began;
static std::vector<uint32_t> fenced; /* by block and thread of this launch: the time of its fence */

void race_launch(void)
{
    launch_first = block_number + 1;
    fenced.clear();
}

void race_block(void)
{
    block_number++;
    block_began = check_time();
}

void race_forget(const struct block *b)
{
    traces.erase(b->serial);
    last_memory = nullptr;
}

static uint32_t time_in_block(void)
{
    uint32_t t = check_time() - block_began;
    return t < LATEST ? t : LATEST;
}

void cuda_host_fence(void)
{
    size_t at = (size_t)(block_number - launch_first) * team.size + cuda_host_here.self->number;
    if (!check_on) return;
    if (fenced.size() <= at) fenced.resize(at + 1);
    check_tick();
    fenced[at] = time_in_block();
}

static traced *cell_of(const struct block *b, size_t at)
{
    if (b != last_memory) {
        last_chunks = &traces[b->serial];
        last_chunks->resize(b->bytes / CHUNK + 1);
        last_memory = b;
    }
    std::unique_ptr<chunk> &c = (*last_chunks)[at / CHUNK];
    if (!c) c.reset(new chunk());
    return &(*c)[at % CHUNK];
}

/* Did `t` happen before what the running thread does now? */
static bool before(const struct trace *t)
{
    if (t->block < launch_first) return true;
    if (t->block == block_number) return check_known(t->thread, block_began + t->time);
    size_t at = (size_t)(t->block - launch_first) * team.size + t->thread;
    return at < fenced.size() && fenced[at] > t->time;
}

static void report(const struct trace *t, const char *p, const char *mine, const char *theirs,
                   const void *pc)
{
    const char *where = fault_keep(memory_describe(p));
    const char *code = pc ? fault_keep(fault_code(pc)) : "the runtime's access";
    cuda_host_kernel_fault(cudaErrorLaunchFailure,
                           "data race in device memory: %s at %s, %s by thread %u of the launch's "
                           "block number %u: %s", mine, code, theirs, (unsigned)t->thread,
                           t->block - launch_first, where);
}

void race_global(const char *p, size_t n, enum cuda_host_access how, const void *pc)
{
    const struct block *b = memory_find(p);
    bool writes = how & CUDA_HOST_WRITE, atomic = how == CUDA_HOST_ATOMIC;
    struct trace mine = {block_number, time_in_block(), cuda_host_here.self->number, atomic};
    for (size_t i = 0; i < n; i++) {
        traced *c = cell_of(b, (size_t)(p - b->base) + i);
        if (!(atomic && c->write.atomic) && !before(&c->write))
            report(&c->write, p + i, writes ? "write" : "read", "write", pc);
        if (writes && !(atomic && c->read.atomic) && !before(&c->read))
            report(&c->read, p + i, "write", "read", pc);
        if (writes) c->write = mine;
        if (!writes || atomic) c->read = mine;
    }
}
