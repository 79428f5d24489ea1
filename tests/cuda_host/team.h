/* team.h - the threads of one CUDA block as fibers: who runs, who waits for whom.
 *
 * How      A thread runs until it must wait; then the next that can run does, in the launch's
 *          direction. Whoever comes last to a meeting completes it and runs on. A thread that
 *          returns without having waited hands its stack to the next one, so a kernel without
 *          barriers costs no switch at all.
 * Invariants
 *          1. `ready` holds exactly the threads in state FRESH or READY.
 *          2. A block barrier completes when all living threads wait at it, at one place.
 *          3. A warp exchange completes when all living lanes of its mask wait in it.
 *          4. When nobody is ready and somebody lives, the block is stuck: a fault.
 * States   FRESH -> (runs) -> BARRIER | NAMED | WARP -> READY -> (runs) -> ... -> RETURNED
 *          wait_in makes the middle step, wake the one after, thread_main the last.
 * Threads: everything here is under the API's lock (runtime.h). */
#ifndef CUDA_HOST_TEAM_H
#define CUDA_HOST_TEAM_H

#include "fiber.h"
#include "here.h"
#include <vector>

enum { MAX_THREADS = 1024, WORDS = MAX_THREADS / 64, NAMED_BARRIERS = 16 };
enum thread_state : unsigned char { FRESH, READY, BARRIER, NAMED, WARP, RETURNED };

struct place {
    const char *file;
    int line;
};

struct thread_set {
    unsigned long long word[WORDS];
    void add(unsigned i) { word[i / 64] |= 1ull << i % 64; }
    void drop(unsigned i) { word[i / 64] &= ~(1ull << i % 64); }
    bool has(unsigned i) const { return word[i / 64] >> i % 64 & 1; }
};

/* A cp.async on its way: what it will write, as it was when it was issued. */
struct async_copy {
    char *dst;
    const char *src;
    unsigned char bytes, valid;
    unsigned group; /* the thread's groups are numbered from 0 */
    char data[16];
};

struct cuda_host_thread {
    struct fiber fiber;
    unsigned number, stack;
    thread_state state;
    struct place at;      /* where it waits */
    unsigned mask;        /* WARP: the lanes that must come; NAMED: the barrier */
    cuda_host_warp_op op;
    void *brought;
    int predicate, result;
    uint3 index;
    std::vector<async_copy> copies; /* in the order of issue */
    unsigned group;                 /* the group that is being filled */
};

struct named_barrier {
    unsigned expected, arrived;
    struct thread_set waiting, came;
};

struct team {
    struct cuda_host_thread thread[MAX_THREADS];
    unsigned size, living, at_barrier;
    struct thread_set ready;
    struct named_barrier named[NAMED_BARRIERS];
    unsigned lanes_waiting[MAX_THREADS / 32], lanes_living[MAX_THREADS / 32];
    bool backwards;
    cudaError_t fault;
    const char *kernel;
    struct cuda_host_body body;
    struct fiber host;
    bool from_host; /* the next fiber to begin was entered from the ordinary stack */
    unsigned stacks_free[FIBER_STACKS], n_stacks_free;
    unsigned pauses;
    int device;
};
extern struct team team;

/* Prepares for blocks of this shape. */
void team_begin(const char *kernel, const struct cuda_host_body *body, dim3 grid, dim3 block,
                bool backwards, int device);
/* Runs one block to its end; false after a fault (team.fault). */
bool team_run_block(uint3 block_index, char *shared);
/* Where threads are, for a fault's text. */
size_t team_describe(char *text, size_t size);

#endif
