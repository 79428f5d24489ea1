/* arena.c - see arena.h. Blocks of 64 KiB; a piece over a quarter of that has a block of its own,
 * so that large tensors waste nothing. */
#include "kernels/base/arena.h"
#include "kernels/base/alloc.h"
#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define LARGE_BYTES (BLOCK_BYTES / 4)

struct syn_arena_block {
    struct syn_arena_block *next;
    size_t used, size; /* bytes of data */
    _Alignas(SYN_ALIGN) unsigned char data[];
};

static struct syn_arena_block *block_new(size_t size)
{
    size_t bytes;
    struct syn_arena_block *b;
    if (!syn_add(size, sizeof *b, &bytes)) return NULL;
    b = syn_alloc(bytes);
    if (b) b->next = NULL, b->used = 0, b->size = size;
    return b;
}

void *syn_arena_new(struct syn_arena *a, size_t n, size_t size)
{
    size_t bytes;
    struct syn_arena_block *b = a->head;
    void *p;
    if (!syn_mul(n, size, &bytes) || bytes > PTRDIFF_MAX - 64) return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > LARGE_BYTES) { /* its own block, behind the head so that the head stays in use */
        struct syn_arena_block *own = block_new(bytes);
        if (!own) return NULL;
        own->used = bytes;
        if (b) own->next = b->next, b->next = own;
        else a->head = own;
        return memset(own->data, 0, bytes);
    }
    if (!b || b->size - b->used < bytes) {
        struct syn_arena_block *fresh = block_new(BLOCK_BYTES);
        if (!fresh) return NULL;
        fresh->next = b;
        a->head = b = fresh;
    }
    p = b->data + b->used;
    b->used += bytes;
    return memset(p, 0, bytes);
}

char *syn_arena_strndup(struct syn_arena *a, const char *text, size_t n)
{
    char *copy = n < PTRDIFF_MAX ? syn_arena_new(a, n + 1, 1) : NULL;
    if (copy) memcpy(copy, text, n);
    return copy;
}

char *syn_arena_strdup(struct syn_arena *a, const char *text)
{
    return syn_arena_strndup(a, text, strlen(text));
}

void syn_arena_deinit(struct syn_arena *a)
{
    while (a->head) {
        struct syn_arena_block *next = a->head->next;
        syn_free(a->head);
        a->head = next;
    }
}
