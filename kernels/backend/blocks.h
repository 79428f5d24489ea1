/* blocks.h - memory for values that come and go: blocks by size class, kept for the next run.
 *
 * Classes: four per power of two, so that at most a quarter of a new block is unused. A value takes
 *          an unused block of its class or of the next four: lengths that differ from run to run
 *          find room without asking the system. Such a block counts as what was asked for, so that
 *          what a run needs, and whether that is within the limit, does not hang on what ran
 *          before.
 * Kept:    no more than the most that was in use at once, a quarter more and 4 MiB: unused blocks
 *          go back when a new one is made, or one is returned, beyond that.
 * Large:   blocks of 1 MiB and more are pages of their own (syn_map): on the heap those that go
 *          back leave holes, and a voice that spoke phrases of many lengths held 770 MiB for 420
 *          of blocks.
 * Leaving: blocks for a run's results are the heap's whatever their size, since their owner will
 *          know syn_free alone. A heap gives large ones out again from run to run, pages and all.
 * Layer:   kernels/backend.   Threads: one at a time. */
#ifndef SYN_BLOCKS_H
#define SYN_BLOCKS_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stdint.h>

#define SYN_BLOCK_CLASSES 192

struct syn_block { /* in a list of unused ones; lies in the block itself */
    struct syn_block *next;
};

struct syn_blocks {
    struct syn_block *idle[SYN_BLOCK_CLASSES];
    uint64_t used_bytes, peak_bytes; /* as asked for; peak of used */
    uint64_t limit_bytes;            /* of used; 0 = none */
    uint64_t busy_bytes, idle_bytes; /* of the blocks themselves, in use and unused */
};

/* At least `bytes` bytes, aligned to SYN_ALIGN, contents undefined; *tag, never 0, is what it is
 * returned by. SYN_TOO_LARGE over the limit, SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_blocks_take(struct syn_blocks *b, uint64_t bytes, void **out,
                                          uint64_t *tag, struct syn_err *err);
/* The same for what may leave: never an unused block, and not kept when it is returned instead. */
SYN_MUST_CHECK syn_status syn_blocks_take_leaving(struct syn_blocks *b, uint64_t bytes, void **out,
                                                  uint64_t *tag, struct syn_err *err);
void syn_blocks_give(struct syn_blocks *b, void *block, uint64_t tag); /* NULL-safe */
/* The block leaves for good: its new owner frees it with syn_free. False: it is large and was not
 * taken as one that may leave, and stays. */
bool syn_blocks_forget(struct syn_blocks *b, uint64_t tag);
uint64_t syn_blocks_size(uint64_t tag); /* bytes of the block itself */
void syn_blocks_trim(struct syn_blocks *b, uint64_t keep_bytes); /* largest first */

#endif
