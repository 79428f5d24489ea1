/* blocks.c - see blocks.h. */
#include "kernels/backend/blocks.h"
#include "kernels/base/alloc.h"

#define SMALLEST 256 /* its quarters are multiples of SYN_ALIGN */
#define SLACK ((uint64_t)4 << 20)
#define REACH 4 /* classes above its own that a value's block may be of */
#define LARGE ((uint64_t)1 << 20)

static uint64_t class_size(int32_t k)
{
    const uint64_t base = (uint64_t)SMALLEST << (k / 4);
    return base + base / 4 * (uint64_t)(k % 4);
}

/* Class and its size for a wish: 256, 320, 384, 448, 512, 640, ... False beyond 2^46. */
static bool class_of(uint64_t bytes, int32_t *class, uint64_t *size)
{
    int32_t k = 0;
    if (bytes > (uint64_t)1 << 46) return false;
    while (class_size(k + 4) <= bytes) k += 4;
    while (class_size(k) < bytes) k++;
    *class = k;
    *size = class_size(k);
    return k < SYN_BLOCK_CLASSES;
}

static void *block_new(uint64_t size)
{
    return size >= LARGE ? syn_map((size_t)size) : syn_alloc((size_t)size);
}

static void block_free(void *block, uint64_t size)
{
    if (size >= LARGE) syn_unmap(block, (size_t)size);
    else syn_free(block);
}

static bool over_limit(const struct syn_blocks *b, uint64_t size)
{
    return b->limit_bytes && (size > b->limit_bytes || b->used_bytes > b->limit_bytes - size);
}

/* The smallest class from k on that has an unused block; -1: none within reach. */
static int32_t find_idle(const struct syn_blocks *b, int32_t k)
{
    for (int32_t j = k; j <= k + REACH && j < SYN_BLOCK_CLASSES; j++)
        if (b->idle[j] && !over_limit(b, class_size(j))) return j;
    return -1;
}

syn_status syn_blocks_take(struct syn_blocks *b, uint64_t bytes, void **out, uint64_t *cap,
                           struct syn_err *err)
{
    int32_t k, idle;
    uint64_t size;
    if (!class_of(bytes ? bytes : 1, &k, &size) || over_limit(b, size))
        return syn_fail(err, SYN_TOO_LARGE, "%llu bytes beside %llu in use: the limit is %llu",
                        (unsigned long long)bytes, (unsigned long long)b->used_bytes,
                        (unsigned long long)b->limit_bytes);
    if ((idle = find_idle(b, k)) >= 0) {
        size = class_size(idle);
        *out = b->idle[idle];
        b->idle[idle] = b->idle[idle]->next;
        b->idle_bytes -= size;
    } else {
        /* blocks of other sizes make room before more is asked for */
        const uint64_t most = b->peak_bytes + b->peak_bytes / 4 + SLACK,
                       total = b->used_bytes + size;
        if (total + b->idle_bytes > most) syn_blocks_trim(b, most > total ? most - total : 0);
        void *made = block_new(size);
        if (!made)
            return syn_fail(err, SYN_NO_MEMORY, "no memory for %llu bytes",
                            (unsigned long long)bytes);
        *out = made;
    }
    *cap = size;
    b->used_bytes += size;
    if (b->used_bytes > b->peak_bytes) b->peak_bytes = b->used_bytes;
    return SYN_OK;
}

void syn_blocks_give(struct syn_blocks *b, void *block, uint64_t cap)
{
    struct syn_block *e = block;
    int32_t k;
    uint64_t size;
    if (!block) return;
    b->used_bytes -= cap;
    if (!class_of(cap, &k, &size) || size != cap) {
        block_free(block, cap);
        return;
    }
    e->next = b->idle[k];
    b->idle[k] = e;
    b->idle_bytes += cap;
}

bool syn_blocks_forget(struct syn_blocks *b, uint64_t cap)
{
    if (cap >= LARGE) return false;
    b->used_bytes -= cap;
    return true;
}

void syn_blocks_trim(struct syn_blocks *b, uint64_t keep_bytes)
{
    for (int32_t k = SYN_BLOCK_CLASSES - 1; k >= 0; k--) {
        while (b->idle[k] && b->idle_bytes > keep_bytes) {
            struct syn_block *e = b->idle[k];
            b->idle[k] = e->next;
            b->idle_bytes -= class_size(k);
            block_free(e, class_size(k));
        }
    }
}
