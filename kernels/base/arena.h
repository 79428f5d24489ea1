/* arena.h - many small allocations with one lifetime, freed in one call.
 *
 * Layer:   kernels/base.
 * Threads: an arena belongs to one thread at a time. */
#ifndef SYN_ARENA_H
#define SYN_ARENA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct syn_arena_block;
struct syn_arena {
    struct syn_arena_block *head; /* newest first */
};

/* n * size zero bytes, aligned to SYN_ALIGN for large pieces and 16 for small ones; NULL on
 * overflow or without memory. Lives until deinit. A zeroed struct syn_arena is an empty arena. */
void *syn_arena_new(struct syn_arena *a, size_t n, size_t size);
char *syn_arena_strdup(struct syn_arena *a, const char *text);
char *syn_arena_strndup(struct syn_arena *a, const char *text, size_t n);
void syn_arena_deinit(struct syn_arena *a); /* frees everything; the arena is empty again */

#ifdef __cplusplus
}
#endif
#endif
