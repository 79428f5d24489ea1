/* test_memory.c - the memory plan: no overlap among living buffers, never below the bound, close to it on
 * networks as they are; limits, and every allocation failing. */
#include "kernels/base/alloc.h"
#include "kernels/graph/memory.h"
#include "tests/t.h"
#include <string.h>

static uint64_t state;
static int64_t below(int64_t n)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (int64_t)((z ^ z >> 31) % (uint64_t)n);
}

static bool together(const struct syn_lifetime *a, const struct syn_lifetime *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The bound as its words say: step by step. */
static size_t bound_by_steps(const struct syn_lifetime *l, int32_t n, int32_t steps)
{
    size_t most = 0;
    for (int32_t s = 0; s < steps; s++) {
        size_t alive = 0;
        for (int32_t i = 0; i < n; i++)
            if (l[i].first <= s && s <= l[i].last)
                alive += (l[i].bytes + SYN_ALIGN - 1) / SYN_ALIGN * SYN_ALIGN;
        if (alive > most) most = alive;
    }
    return most;
}

/* Returns peak / bound. */
static double check_plan(struct syn_lifetime *l, int32_t n, int32_t steps, bool share,
                         const char *what, int id)
{
    const size_t bound = syn_memory_bound(l, n), steps_bound = bound_by_steps(l, n, steps);
    struct syn_err err = {""};
    size_t peak = 0, end = 0, sum = 0;
    int32_t overlaps = 0, crooked = 0;
    const syn_status st = syn_memory_plan(l, n, share, &peak, &err);
    T_CHECK(st == SYN_OK, "%s %d: %s", what, id, err.text);
    T_CHECK(bound == steps_bound, "%s %d: bound %zu, by steps %zu", what, id, bound, steps_bound);
    for (int32_t i = 0; i < n; i++) {
        if (!l[i].bytes) continue;
        crooked += l[i].offset % SYN_ALIGN != 0;
        sum += (l[i].bytes + SYN_ALIGN - 1) / SYN_ALIGN * SYN_ALIGN;
        if (l[i].offset + l[i].bytes > end) end = l[i].offset + l[i].bytes;
        for (int32_t k = 0; k < i; k++)
            if (l[k].bytes && (!share || together(&l[i], &l[k])))
                overlaps += l[i].offset < l[k].offset + l[k].bytes &&
                            l[k].offset < l[i].offset + l[i].bytes;
    }
    T_CHECK(overlaps == 0 && crooked == 0, "%s %d: %d overlaps, %d not aligned", what, id,
            (int)overlaps, (int)crooked);
    T_CHECK(peak >= bound && peak >= end && peak <= sum,
            "%s %d: peak %zu, bound %zu, end %zu, sum %zu", what, id, peak, bound, end, sum);
    T_CHECK(share || peak == sum, "%s %d: peak %zu without sharing, sum %zu", what, id, peak, sum);
    return bound ? (double)peak / (double)bound : 1;
}

static void test_random_lifetimes(void)
{
    struct syn_lifetime l[120];
    for (int id = 0; id < 400; id++) {
        const int32_t n = (int32_t)below(121), steps = 1 + (int32_t)below(60);
        state = (uint64_t)id * 77 + 5;
        for (int32_t i = 0; i < n; i++) {
            const int32_t a = (int32_t)below(steps), b = (int32_t)below(steps);
            l[i] = (struct syn_lifetime){.bytes =
                                             below(5) ? (size_t)below(id % 2 ? 5000 : 64 * 20) : 0,
                                         .first = a < b ? a : b,
                                         .last = a < b ? b : a,
                                         .offset = 12345};
        }
        const double ratio = check_plan(l, n, steps, true, "random", id);
        T_CHECK(ratio < 2, "random %d: %.2f times the bound", id, ratio);
        (void)check_plan(l, n, steps, false, "random, not shared", id);
    }
}

/* Lifetimes as networks have them: a chain; skip connections that nest (a U); dense blocks that grow; an
 * upscaler's tail, each value four times the one before. Within 1.3 of the bound. */
static int32_t chain(struct syn_lifetime *l, int32_t n)
{
    size_t bytes = 64 << 10; /* layers of one size, now and then twice or half of it */
    for (int32_t i = 0; i < n; i++) {
        if (below(4) == 0)
            bytes = below(2) && bytes > 4096 ? bytes / 2 : bytes * 2 < 1 << 22 ? bytes * 2 : bytes;
        l[i] = (struct syn_lifetime){.bytes = bytes, .first = i, .last = i + 1};
    }
    return n;
}
static int32_t u_net(struct syn_lifetime *l, int32_t depth)
{
    int32_t n = 0;
    for (int32_t i = 0; i < depth; i++) { /* down: kept until its mirror reads it */
        l[n] = (struct syn_lifetime){.bytes = (size_t)1 << (20 - i),
                                     .first = n,
                                     .last = 4 * depth - n},
        n++;
        l[n] = (struct syn_lifetime){.bytes = (size_t)1 << (19 - i), .first = n, .last = n + 1},
        n++;
    }
    for (int32_t i = depth - 1; i >= 0; i--) {
        l[n] = (struct syn_lifetime){.bytes = (size_t)1 << (20 - i), .first = n, .last = n + 1},
        n++;
        l[n] = (struct syn_lifetime){.bytes = (size_t)1 << (20 - i), .first = n, .last = n + 1},
        n++;
    }
    return n;
}
static int32_t dense(struct syn_lifetime *l, int32_t blocks)
{
    int32_t n = 0, step = 0;
    l[n++] = (struct syn_lifetime){
        .bytes = 64 << 10, .first = 0, .last = blocks * 5 + 1}; /* the skip around it all */
    for (int32_t b = 0; b < blocks; b++, step += 5) {
        l[n++] = (struct syn_lifetime){.bytes = 64 << 10, .first = step, .last = step + 5};
        for (int32_t i = 1; i <= 4; i++)
            l[n++] = (struct syn_lifetime){.bytes = 32 << 10, .first = step + i, .last = step + 5};
    }
    for (int32_t i = 0; i < 3; i++, step++)
        l[n++] = (struct syn_lifetime){
            .bytes = (size_t)(64 << 10) << (2 * i), .first = step, .last = step + 1};
    return n;
}

static void test_realistic(void)
{
    struct syn_lifetime l[512];
    for (int id = 0; id < 60; id++) {
        state = (uint64_t)id + 1000;
        const int32_t n = id % 3 == 0   ? chain(l, 2 + (int32_t)below(200))
                          : id % 3 == 1 ? u_net(l, 2 + (int32_t)below(7))
                                        : dense(l, 1 + (int32_t)below(23));
        const double ratio = check_plan(l, n, 5 * n + 20, true, "network", id);
        T_CHECK(ratio <= 1.3, "network %d of %d values: %.3f times the bound", id, (int)n, ratio);
    }
}

static void test_edges(void)
{
    struct syn_lifetime l[3] = {{.bytes = 100, .first = 0, .last = 5},
                                {.bytes = 100, .first = 5, .last = 9},
                                {.bytes = 1, .first = 10, .last = 10}};
    struct syn_err err = {""};
    size_t peak = 99;
    T_CHECK(syn_memory_plan(l, 0, true, &peak, &err) == SYN_OK && peak == 0, "no buffers: peak %zu",
            peak);
    T_CHECK(syn_memory_bound(l, 0) == 0, "bound of no buffers");
    /* a step that one ends and the other begins in belongs to both */
    T_CHECK(syn_memory_plan(l, 3, true, &peak, &err) == SYN_OK && peak == 256 &&
                l[0].offset != l[1].offset,
            "peak %zu", peak);
    l[1].first = 6;
    T_CHECK(syn_memory_plan(l, 3, true, &peak, &err) == SYN_OK && peak == 128, "peak %zu", peak);

    l[0].bytes = PTRDIFF_MAX;
    peak = 7;
    T_CHECK(syn_memory_plan(l, 3, true, &peak, &err) == SYN_TOO_LARGE && peak == 7 && err.text[0],
            "one buffer too large: '%s'", err.text);
    l[0].bytes = l[1].bytes = (size_t)PTRDIFF_MAX / 2 + 64;
    T_CHECK(syn_memory_plan(l, 3, true, &peak, &err) == SYN_TOO_LARGE, "the sum too large");
    l[0].bytes = l[1].bytes = 64;
    syn_alloc_fail_at(1);
    T_CHECK(syn_memory_plan(l, 3, true, &peak, &err) == SYN_NO_MEMORY && peak == 7 &&
                strstr(err.text, "memory"),
            "no memory: '%s'", err.text);
    syn_alloc_fail_at(0);
}

int main(void)
{
    test_random_lifetimes();
    test_realistic();
    test_edges();
    return t_report();
}
