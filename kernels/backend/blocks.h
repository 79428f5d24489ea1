/* blocks.h - memory for values that come and go: blocks by size class, kept for the next run.
 *
 * Classes: four per power of two, so that at most a quarter of a block is unused and a value of another length finds
 *          a block of its class. What is kept never exceeds half as much again as the most that was in use
 *          at once.
 * Layer:   kernels/backend.   Threads: one at a time. */
#ifndef SYN_BLOCKS_H
#define SYN_BLOCKS_H

#include "kernels/base/status.h"
#include <stdint.h>

#define SYN_BLOCK_CLASSES 192

struct syn_block { /* in a list of unused ones; lies in the block itself */
    struct syn_block *next;
};

struct syn_blocks {
    struct syn_block *idle[SYN_BLOCK_CLASSES];
    uint64_t used_bytes, idle_bytes, peak_bytes; /* peak of used */
    uint64_t limit_bytes;                        /* of used; 0 = none */
};

/* At least `bytes` bytes, aligned to SYN_ALIGN, contents undefined; *cap gets what was given, by which it is returned.
 * SYN_TOO_LARGE over the limit, SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_blocks_take(struct syn_blocks *b, uint64_t bytes, void **out, uint64_t *cap,
                                          struct syn_err *err);
void syn_blocks_give(struct syn_blocks *b, void *block, uint64_t cap);
/* The block leaves for good: its new owner frees it with syn_free. */
void syn_blocks_forget(struct syn_blocks *b, uint64_t cap);
void syn_blocks_trim(struct syn_blocks *b, uint64_t keep_bytes); /* largest first */

#endif
