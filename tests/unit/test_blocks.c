/* test_blocks.c - blocks by size class: which are given again, what is kept at most, the limit,
 * blocks that leave, and memory that runs out. */
#include "kernels/backend/blocks.h"
#include "kernels/base/alloc.h"
#include "tests/t.h"
#include <string.h>

#define MIB ((uint64_t)1 << 20)

static struct syn_err err;

/* Takes and writes all of it: a block that is too small is found by the sanitizers, or crashes. */
static void *take(struct syn_blocks *b, uint64_t bytes, uint64_t *cap)
{
    void *p = NULL;
    const syn_status st = syn_blocks_take(b, bytes, &p, cap, &err);
    T_CHECK(st == SYN_OK && *cap >= bytes, "%s", err.text);
    if (st != SYN_OK) return NULL;
    T_CHECK((uintptr_t)p % SYN_ALIGN == 0, "alignment");
    memset(p, 0x5a, *cap);
    return p;
}

static void test_reuse(void)
{
    struct syn_blocks b = {.limit_bytes = 0};
    uint64_t cap, other;
    void *p = take(&b, 1000, &cap), *q;
    T_CHECK(cap == 1024 && b.used_bytes == 1024 && b.idle_bytes == 0, "%d", (int)cap);
    syn_blocks_give(&b, p, cap);
    T_CHECK(b.used_bytes == 0 && b.idle_bytes == 1024, "given back and kept");
    q = take(&b, 500, &other); /* 512: four classes below */
    T_CHECK(q == p && other == 1024, "a block of up to twice the size serves");
    syn_blocks_give(&b, q, other);
    q = take(&b, 448, &other); /* five below */
    T_CHECK(q != p && other == 448, "one of more than twice the size does not");
    syn_blocks_give(&b, q, other);
    q = take(&b, 1025, &other);
    T_CHECK(q != p && other == 1280, "nor a smaller one");
    syn_blocks_give(&b, q, other);
    q = take(&b, 1000, &other);
    T_CHECK(q == p && other == 1024, "the smallest that serves");
    syn_blocks_give(&b, q, other);
    syn_blocks_give(&b, NULL, 0);
    T_CHECK(b.peak_bytes == 1280 && b.idle_bytes == 1024 + 448 + 1280, "%d", (int)b.idle_bytes);
    syn_blocks_trim(&b, 1472);
    T_CHECK(b.idle_bytes == 1472, "the largest went: %d left", (int)b.idle_bytes);
    syn_blocks_trim(&b, 0);
    T_CHECK(b.idle_bytes == 0, "all went");
}

/* Sizes in any order, several in use at once. */
static void test_kept(void)
{
    struct syn_blocks b = {.limit_bytes = 0};
    void *p[4] = {NULL};
    uint64_t cap[4] = {0}, size;
    float *sizes = t_uniform(5, 4000, 0, 3e6f);
    for (int i = 0; i < 4000; i++) {
        const int at = i % 4;
        size = (uint64_t)sizes[i];
        syn_blocks_give(&b, p[at], cap[at]);
        p[at] = take(&b, size, &cap[at]);
        T_CHECK(b.used_bytes == cap[0] + cap[1] + cap[2] + cap[3], "run %d: bytes in use", i);
        T_CHECK(b.used_bytes + b.idle_bytes <= b.peak_bytes + b.peak_bytes / 4 + 4 * MIB,
                "run %d: %d bytes held, %d most in use", i, (int)(b.used_bytes + b.idle_bytes),
                (int)b.peak_bytes);
    }
    for (int i = 0; i < 4; i++) syn_blocks_give(&b, p[i], cap[i]);
    T_CHECK(b.used_bytes == 0, "all given back");
    free(sizes);
    syn_blocks_trim(&b, 0);
}

static void test_limit(void)
{
    struct syn_blocks b = {.limit_bytes = 1536};
    uint64_t cap, other;
    void *none = &b, *p = take(&b, 1024, &cap), *q;
    T_CHECK(syn_blocks_take(&b, 600, &none, &other, &err) == SYN_TOO_LARGE && none == &b &&
                strstr(err.text, "the limit is 1536"),
            "%s", err.text);
    q = take(&b, 512, &other);
    syn_blocks_give(&b, p, cap);
    p = take(&b, 600, &cap);
    T_CHECK(cap == 1024, "a larger block within the limit");
    syn_blocks_give(&b, p, cap);
    syn_blocks_give(&b, q, other);
    b.limit_bytes = 700; /* the block of 1024 serves, but is over it */
    q = take(&b, 600, &other);
    T_CHECK(other == 640, "%d bytes", (int)other);
    syn_blocks_give(&b, q, other);
    b.limit_bytes = 0;
    T_CHECK(syn_blocks_take(&b, UINT64_MAX, &none, &other, &err) == SYN_TOO_LARGE, "%s", err.text);
    T_CHECK(syn_blocks_take(&b, ((uint64_t)1 << 46) + 1, &none, &other, &err) == SYN_TOO_LARGE,
            "%s", err.text);
    syn_blocks_trim(&b, 0);
}

static void test_forget(void)
{
    struct syn_blocks b = {.limit_bytes = 0};
    uint64_t cap, other;
    void *small = take(&b, 1000, &cap), *large = take(&b, MIB, &other);
    T_CHECK(syn_blocks_forget(&b, cap) && b.used_bytes == MIB, "a small one leaves");
    syn_free(small);
    T_CHECK(!syn_blocks_forget(&b, other) && b.used_bytes == MIB, "a large one stays");
    syn_blocks_give(&b, large, other);
    syn_blocks_trim(&b, 0);
}

static void test_no_memory(void)
{
    for (uint64_t bytes = 1000; bytes <= 4 * MIB; bytes *= 4096) {
        struct syn_blocks b = {.limit_bytes = 0};
        void *none = &b;
        uint64_t cap = 77;
        syn_alloc_fail_at(1);
        T_CHECK(syn_blocks_take(&b, bytes, &none, &cap, &err) == SYN_NO_MEMORY && none == &b &&
                    cap == 77 && b.used_bytes == 0,
                "%d bytes: %s", (int)bytes, err.text);
        syn_alloc_fail_at(0);
        none = take(&b, bytes, &cap);
        syn_blocks_give(&b, none, cap);
        syn_blocks_trim(&b, 0);
    }
}

int main(void)
{
    test_reuse();
    test_kept();
    test_limit();
    test_forget();
    test_no_memory();
    return t_report();
}
