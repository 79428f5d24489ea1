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

/* A block is of class `real` and was asked for as one of class `asked`; never 0. */
static uint64_t tag_of(int32_t real, int32_t asked)
{
    return (uint64_t)asked << 8 | (uint64_t)(real + 1);
}
#define LEAVING ((uint64_t)1 << 32) /* set in a tag: the heap's, never kept */
static uint64_t asked_size(uint64_t tag) { return class_size((int32_t)(tag >> 8 & 255)); }
uint64_t syn_blocks_size(uint64_t tag) { return class_size((int32_t)(tag & 255) - 1); }

static uint64_t most_held(const struct syn_blocks *b)
{
    return b->peak_bytes + b->peak_bytes / 4 + SLACK;
}

/* The smallest class from k on that has an unused block; -1: none within reach. */
static int32_t find_idle(const struct syn_blocks *b, int32_t k)
{
    for (int32_t j = k; j <= k + REACH && j < SYN_BLOCK_CLASSES; j++)
        if (b->idle[j]) return j;
    return -1;
}

/* Class and size of what is asked for, within the limit. */
static syn_status admit(const struct syn_blocks *b, uint64_t bytes, int32_t *class, uint64_t *asked,
                        struct syn_err *err)
{
    if (!class_of(bytes ? bytes : 1, class, asked) ||
        (b->limit_bytes && (*asked > b->limit_bytes || b->used_bytes > b->limit_bytes - *asked)))
        return syn_fail(err, SYN_TOO_LARGE, "%llu bytes beside %llu in use: the limit is %llu",
                        (unsigned long long)bytes, (unsigned long long)b->used_bytes,
                        (unsigned long long)b->limit_bytes);
    return SYN_OK;
}

/* Blocks of other sizes make room before more is asked for. */
static void make_room(struct syn_blocks *b, uint64_t bytes)
{
    const uint64_t most = most_held(b), total = b->busy_bytes + bytes;
    if (total + b->idle_bytes > most) syn_blocks_trim(b, most > total ? most - total : 0);
}

static void count_taken(struct syn_blocks *b, uint64_t asked, uint64_t size)
{
    b->busy_bytes += size;
    b->used_bytes += asked;
    if (b->used_bytes > b->peak_bytes) b->peak_bytes = b->used_bytes;
}

syn_status syn_blocks_take(struct syn_blocks *b, uint64_t bytes, void **out, uint64_t *tag,
                           struct syn_err *err)
{
    int32_t k, real;
    uint64_t asked, size;
    const syn_status st = admit(b, bytes, &k, &asked, err);
    if (st != SYN_OK) return st;
    if ((real = find_idle(b, k)) >= 0) {
        size = class_size(real);
        *out = b->idle[real];
        b->idle[real] = b->idle[real]->next;
        b->idle_bytes -= size;
    } else {
        void *made;
        make_room(b, asked);
        if (!(made = block_new(asked)))
            return syn_fail(err, SYN_NO_MEMORY, "no memory for %llu bytes",
                            (unsigned long long)bytes);
        *out = made;
        real = k, size = asked;
    }
    *tag = tag_of(real, k);
    count_taken(b, asked, size);
    return SYN_OK;
}

syn_status syn_blocks_take_leaving(struct syn_blocks *b, uint64_t bytes, void **out, uint64_t *tag,
                                   struct syn_err *err)
{
    int32_t k;
    uint64_t asked;
    void *made;
    const syn_status st = admit(b, bytes, &k, &asked, err);
    if (st != SYN_OK) return st;
    make_room(b, asked);
    if (!(made = syn_alloc((size_t)asked)))
        return syn_fail(err, SYN_NO_MEMORY, "no memory for %llu bytes", (unsigned long long)bytes);
    *out = made;
    *tag = tag_of(k, k) | LEAVING;
    count_taken(b, asked, asked);
    return SYN_OK;
}

static void leave(struct syn_blocks *b, uint64_t tag)
{
    b->used_bytes -= asked_size(tag);
    b->busy_bytes -= syn_blocks_size(tag);
}

void syn_blocks_give(struct syn_blocks *b, void *block, uint64_t tag)
{
    struct syn_block *e = block;
    const int32_t k = (int32_t)(tag & 255) - 1;
    if (!block) return;
    leave(b, tag);
    if (tag & LEAVING) {
        syn_free(block);
        return;
    }
    if (b->busy_bytes + b->idle_bytes + class_size(k) > most_held(b)) {
        block_free(block, class_size(k));
        return;
    }
    e->next = b->idle[k];
    b->idle[k] = e;
    b->idle_bytes += class_size(k);
}

bool syn_blocks_forget(struct syn_blocks *b, uint64_t tag)
{
    if (syn_blocks_size(tag) >= LARGE && !(tag & LEAVING)) return false;
    leave(b, tag);
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
