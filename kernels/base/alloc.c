/* alloc.c - see alloc.h. */
#include "kernels/base/alloc.h"
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_long fail_in; /* allocations until the one that fails; 0 = never */

void syn_alloc_fail_at(long n) { atomic_store(&fail_in, n); }

static bool must_fail(void)
{
    return atomic_load_explicit(&fail_in, memory_order_relaxed) > 0 &&
           atomic_fetch_sub(&fail_in, 1) == 1;
}

void *syn_alloc(size_t bytes)
{
    void *p = NULL;
    if (bytes > PTRDIFF_MAX || must_fail()) return NULL;
    return posix_memalign(&p, SYN_ALIGN, bytes ? bytes : 1) == 0 ? p : NULL;
}

#define HUGE_PAGE ((size_t)2 << 20)

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_WATCHED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define IS_WATCHED
#endif

#ifdef IS_WATCHED /* the sanitizer knows the heap's blocks and no others */
void *syn_map(size_t bytes) { return syn_alloc(bytes); }
void syn_unmap(void *block, size_t bytes)
{
    (void)bytes;
    free(block);
}
#else
void *syn_map(size_t bytes)
{
    void *p;
    if (bytes > PTRDIFF_MAX || must_fail()) return NULL;
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (bytes >= HUGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE); /* a wish */
    return p;
}
void syn_unmap(void *block, size_t bytes)
{
    if (block) munmap(block, bytes);
}
#endif

void *syn_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (!syn_mul(n, size, &bytes) || bytes > PTRDIFF_MAX || must_fail()) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *syn_realloc(void *old, size_t n, size_t size)
{
    size_t bytes;
    if (!syn_mul(n, size, &bytes) || bytes > PTRDIFF_MAX || must_fail()) return NULL;
    return realloc(old, bytes ? bytes : 1);
}

char *syn_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = syn_alloc(n);
    if (copy) memcpy(copy, text, n);
    return copy;
}

void syn_free(void *block) { free(block); }
