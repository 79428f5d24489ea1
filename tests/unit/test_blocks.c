/* test_blocks.c - blocks by size class: which are given again, what is kept at most, the limit,
 * blocks that leave, and memory that runs out. */
#include "kernels/backend/blocks.h"
#include "kernels/base/alloc.h"
#include "tests/t.h"
#include <string.h>

#define MIB ((uint64_t)1 << 20)

static struct syn_err err;

/* Takes and writes all of it: a block that is too small is found by the sanitizers, or crashes. */
static void *take(struct syn_blocks *b, uint64_t bytes, uint64_t *tag)
{
    void *p = NULL;
    const syn_status st = syn_blocks_take(b, bytes, &p, tag, &err);
    T_CHECK(st == SYN_OK && *tag && syn_blocks_size(*tag) >= bytes, "%s", err.text);
    if (st != SYN_OK) return NULL;
    T_CHECK((uintptr_t)p % SYN_ALIGN == 0, "alignment");
    memset(p, 0x5a, syn_blocks_size(*tag));
    return p;
}

static void test_reuse(void)
{
    struct syn_blocks b = {.limit_bytes = 0};
    uint64_t tag, other;
    void *p = take(&b, 1000, &tag), *q;
    T_CHECK(syn_blocks_size(tag) == 1024 && b.used_bytes == 1024 && b.idle_bytes == 0, "%d",
            (int)b.used_bytes);
    syn_blocks_give(&b, p, tag);
    T_CHECK(b.used_bytes == 0 && b.idle_bytes == 1024, "given back and kept");
    q = take(&b, 500, &other); /* 512: four classes below */
    T_CHECK(q == p && syn_blocks_size(other) == 1024 && b.used_bytes == 512 &&
                b.busy_bytes == 1024,
            "a block of up to twice the size serves");
    syn_blocks_give(&b, q, other);
    q = take(&b, 448, &other); /* five below */
    T_CHECK(q != p && syn_blocks_size(other) == 448, "one of more than twice the size does not");
    syn_blocks_give(&b, q, other);
    q = take(&b, 1025, &other);
    T_CHECK(q != p && syn_blocks_size(other) == 1280, "nor a smaller one");
    syn_blocks_give(&b, q, other);
    q = take(&b, 1000, &other);
    T_CHECK(q == p && syn_blocks_size(other) == 1024, "the smallest that serves");
    syn_blocks_give(&b, q, other);
    syn_blocks_give(&b, NULL, 0);
    T_CHECK(b.peak_bytes == 1280 && b.idle_bytes == 1024 + 448 + 1280, "%d", (int)b.idle_bytes);
    syn_blocks_trim(&b, 1472);
    T_CHECK(b.idle_bytes == 1472, "the largest went: %d left", (int)b.idle_bytes);
    syn_blocks_trim(&b, 0);
    T_CHECK(b.idle_bytes == 0, "all went");
}

static uint64_t size_of(uint64_t tag) { return tag ? syn_blocks_size(tag) : 0; }
static uint64_t most_of(const struct syn_blocks *b)
{
    return b->peak_bytes + b->peak_bytes / 4 + 4 * MIB;
}

/* Sizes in any order, several in use at once. */
static void test_kept(void)
{
    struct syn_blocks b = {.limit_bytes = 0};
    void *p[4] = {NULL};
    uint64_t tag[4] = {0}, size;
    float *sizes = t_uniform(5, 4000, 0, 3e6f);
    for (int i = 0; i < 4000; i++) {
        const int at = i % 4;
        size = (uint64_t)sizes[i];
        syn_blocks_give(&b, p[at], tag[at]);
        p[at] = take(&b, size, &tag[at]);
        T_CHECK(b.busy_bytes ==
                        size_of(tag[0]) + size_of(tag[1]) + size_of(tag[2]) + size_of(tag[3]) &&
                    b.used_bytes <= b.busy_bytes,
                "run %d: bytes in use", i);
        T_CHECK(b.busy_bytes + b.idle_bytes <=
                    (b.busy_bytes > most_of(&b) ? b.busy_bytes : most_of(&b)),
                "run %d: %d bytes held, %d most in use", i, (int)(b.busy_bytes + b.idle_bytes),
                (int)b.peak_bytes);
    }
    for (int i = 0; i < 4; i++) syn_blocks_give(&b, p[i], tag[i]);
    T_CHECK(b.used_bytes == 0 && b.busy_bytes == 0 && b.idle_bytes <= most_of(&b), "%d bytes kept",
            (int)b.idle_bytes);
    free(sizes);
    syn_blocks_trim(&b, 0);
}

static void test_limit(void)
{
    struct syn_blocks b = {.limit_bytes = 1536};
    uint64_t tag, other;
    void *none = &b, *p = take(&b, 1024, &tag), *q;
    T_CHECK(syn_blocks_take(&b, 600, &none, &other, &err) == SYN_TOO_LARGE && none == &b &&
                strstr(err.text, "the limit is 1536"),
            "%s", err.text);
    q = take(&b, 512, &other);
    syn_blocks_give(&b, p, tag);
    p = take(&b, 600, &tag);
    T_CHECK(syn_blocks_size(tag) == 1024 && b.used_bytes == 1152,
            "a larger block counts as asked for");
    syn_blocks_give(&b, p, tag);
    syn_blocks_give(&b, q, other);
    b.limit_bytes = 700; /* less than the block that serves */
    q = take(&b, 600, &other);
    T_CHECK(syn_blocks_size(other) == 1024, "%d bytes", (int)syn_blocks_size(other));
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
    uint64_t tag, other;
    void *small = take(&b, 1000, &tag), *large = take(&b, MIB, &other);
    T_CHECK(syn_blocks_forget(&b, tag) && b.used_bytes == MIB, "a small one leaves");
    syn_free(small);
    T_CHECK(!syn_blocks_forget(&b, other) && b.used_bytes == MIB, "a large one stays");
    syn_blocks_give(&b, large, other);
    syn_blocks_trim(&b, 0);
}

/* The heap's at any size, counted like others, and never among the unused. */
static void test_leaving(void)
{
    struct syn_blocks b = {.limit_bytes = 0};
    uint64_t tag, other;
    void *p = take(&b, 8 * MIB, &tag), *q = NULL;
    syn_blocks_give(&b, p, tag);
    T_CHECK(syn_blocks_take_leaving(&b, 8 * MIB, &q, &other, &err) == SYN_OK && q != p, "its own");
    memset(q, 1, 8 * MIB);
    T_CHECK(b.used_bytes == 8 * MIB && b.busy_bytes == 8 * MIB && b.peak_bytes == 8 * MIB,
            "%d bytes counted", (int)b.used_bytes);
    T_CHECK(b.busy_bytes + b.idle_bytes <= most_of(&b), "%d bytes held with it",
            (int)(b.busy_bytes + b.idle_bytes));
    const uint64_t idle = b.idle_bytes;
    T_CHECK(syn_blocks_forget(&b, other) && b.used_bytes == 0 && b.busy_bytes == 0, "it leaves");
    syn_free(q);
    T_CHECK(syn_blocks_take_leaving(&b, 3000, &q, &other, &err) == SYN_OK && b.used_bytes == 3072,
            "a small one");
    syn_blocks_give(&b, q, other);
    T_CHECK(b.used_bytes == 0 && b.idle_bytes == idle, "given back: not kept");
    b.limit_bytes = MIB;
    q = &b;
    T_CHECK(syn_blocks_take_leaving(&b, MIB + 1, &q, &other, &err) == SYN_TOO_LARGE && q == &b,
            "over the limit");
    syn_alloc_fail_at(1);
    T_CHECK(syn_blocks_take_leaving(&b, 1000, &q, &other, &err) == SYN_NO_MEMORY && q == &b &&
                b.used_bytes == 0,
            "no memory");
    syn_alloc_fail_at(0);
    syn_blocks_trim(&b, 0);
}

static void test_no_memory(void)
{
    for (uint64_t bytes = 1000; bytes <= 4 * MIB; bytes *= 4096) {
        struct syn_blocks b = {.limit_bytes = 0};
        void *none = &b;
        uint64_t tag = 77;
        syn_alloc_fail_at(1);
        T_CHECK(syn_blocks_take(&b, bytes, &none, &tag, &err) == SYN_NO_MEMORY && none == &b &&
                    tag == 77 && b.used_bytes == 0,
                "%d bytes: %s", (int)bytes, err.text);
        syn_alloc_fail_at(0);
        none = take(&b, bytes, &tag);
        syn_blocks_give(&b, none, tag);
        syn_blocks_trim(&b, 0);
    }
}

int main(void)
{
    test_reuse();
    test_kept();
    test_limit();
    test_forget();
    test_leaving();
    test_no_memory();
    return t_report();
}
