/* alloc.h - memory: checked sizes, aligned blocks, and a way to make the n-th allocation fail.
 *
 * Layer:   kernels/base: libc only.
 * Units:   bytes unless a name says otherwise.
 * Threads: any; the failure counter is for single-threaded tests. */
#ifndef SYN_ALLOC_H
#define SYN_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_ALIGN 64 /* one cache line, one AVX-512 register */

/* The next multiple of SYN_ALIGN; for sums of sizes that are known to fit. */
static inline size_t syn_aligned(size_t n)
{
    return (n + SYN_ALIGN - 1) & ~(size_t)(SYN_ALIGN - 1);
}

/* *out = a * b or a + b; false (and *out untouched) on overflow. */
static inline bool syn_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}
static inline bool syn_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* bytes aligned to SYN_ALIGN, contents undefined; NULL when there is no memory. bytes = 0 gives a
 * block that may be freed. Free with syn_free. */
void *syn_alloc(size_t bytes);

/* Pages of their own for large blocks: what is unmapped is the system's again at once, while a heap
 * keeps what lies below a block in use. Contents undefined; NULL when there is no memory. Unmap
 * with the same number of bytes. */
void *syn_map(size_t bytes);
void syn_unmap(void *block, size_t bytes); /* NULL-safe */

/* n * size zero bytes; NULL on overflow or when there is no memory. Free with syn_free. */
void *syn_calloc(size_t n, size_t size);

/* Grows or shrinks a block from syn_alloc, syn_calloc or NULL to n * size bytes; NULL (old block
 * intact) on failure. Alignment of the result is malloc's. */
void *syn_realloc(void *old, size_t n, size_t size);

/* A copy of text; NULL when there is no memory. Free with syn_free. */
char *syn_strdup(const char *text);

void syn_free(void *block); /* NULL-safe */

/* Tests: the n-th allocation from now (1 = next) fails, once; 0 turns it off. */
void syn_alloc_fail_at(long n);

#ifdef __cplusplus
}
#endif
#endif
