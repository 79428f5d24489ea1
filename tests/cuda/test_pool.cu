/* test_pool.cu - kernels/cuda/pool.cu against the references of MAX_POOL, AVERAGE_POOL and
 * GLOBAL_AVERAGE_POOL.
 *
 * Tolerance: u = 2^-24. A maximum is exact. A window's average adds a row's taps and then the rows:
 * (kh + kw + 1) roundings of at most max|x| each. A picture's: a thread adds 32 pixels (more where
 * a picture has over 512 slabs: none here), then 8 levels, up to 64 slabs, 8 sums, a quotient: 113
 * roundings. */
#include "tests/cuda/view_t.h"

static const double U = 0x1p-24;

struct pool {
    struct extent x;
    int64_t kernel[2], stride[2], dil[2], pads[4];
    bool ceil;
};
static const struct pool pools[] = {
    {{1, 1, 1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, false},
    {{2, 3, 7, 9}, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, false},
    {{1, 8, 7, 129}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, false},
    {{2, 17, 6, 5}, {3, 2}, {1, 3}, {2, 1}, {1, 0, 2, 1}, false},
    {{1, 24, 8, 10}, {3, 3}, {2, 2}, {1, 1}, {0, 0, 0, 0}, true},
    {{1, 9, 5, 6}, {3, 3}, {3, 2}, {1, 2}, {1, 1, 1, 1}, true},
    {{1, 5, 4, 4}, {2, 3}, {4, 3}, {3, 3}, {3, 4, 3, 4}, true},
    {{1, 5, 2, 1}, {2, 2}, {1, 1}, {3, 3}, {3, 3, 3, 3}, false}, /* windows without a tap */
    {{1, 4, 11, 13}, {11, 13}, {1, 1}, {1, 1}, {0, 0, 0, 0}, false},
    {{2, 8, 2, 259}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, false}, /* blocks do not fill rows */
    {{1, 2049, 2, 3}, {2, 2}, {1, 1}, {1, 1}, {0, 0, 0, 0}, false},
};

static struct cuda_pool struct_of(const struct pool &k, bool average, bool count_pads)
{
    struct cuda_pool p = {};
    p.average = average, p.count_pads = count_pads;
    p.kh = (int32_t)k.kernel[0], p.kw = (int32_t)k.kernel[1];
    p.stride_h = (int32_t)k.stride[0], p.stride_w = (int32_t)k.stride[1];
    p.dil_h = (int32_t)k.dil[0], p.dil_w = (int32_t)k.dil[1];
    p.top = (int32_t)k.pads[0], p.left = (int32_t)k.pads[1];
    p.bottom = (int32_t)k.pads[2], p.right = (int32_t)k.pads[3];
    return p;
}

static void check_pool(const struct pool &k, bool average, bool count_pads, syn_dtype a,
                       syn_dtype b, uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "%s pool%s, %d channels, case %d, %s to %s",
             average ? "average" : "max", count_pads ? " with pads" : "", k.x.c,
             (int)(&k - pools), syn_dtype_word(a),
             syn_dtype_word(b));
    std::vector<float> x = numbers(a, seed, count_of(k.x), -3, 1);
    if (seed % 3 == 0) x[x.size() / 2] = NAN;
    struct op_call t;
    op_begin(&t, average ? SYN_OP_AVERAGE_POOL : SYN_OP_MAX_POOL);
    op_in4(&t, x, k.x);
    op_ints(&t, "kernel", 2, k.kernel), op_ints(&t, "strides", 2, k.stride);
    op_ints(&t, "dilations", 2, k.dil), op_ints(&t, "pads", 4, k.pads);
    op_int(&t, "ceil_mode", k.ceil);
    if (count_pads) op_int(&t, "count_include_pad", 1);
    if (op_run(&t, what) != SYN_OK) return;
    const std::vector<float> want(op_out(&t), op_out(&t) + t.n);
    const int64_t *out = t.c.out[0].shape.dim;
    struct picture from = picture_of(a, k.x, x.data(), seed % 2 ? WIDE : PLAIN);
    struct picture y = picture_of(b, {k.x.n, k.x.c, (int32_t)out[2], (int32_t)out[3]}, NULL,
                                  seed % 2 ? PLAIN : WIDE);
    op_end(&t);
    struct cuda_pool p = struct_of(k, average, count_pads);
    p.x = from.view, p.y = y.view;
    const double calc = average ? (p.kh + p.kw + 1) * U * 3 : 0;
    expect(b, run_twice(&y, [&] { return cuda_pool_launch(&p, NULL, NULL); }, what), want,
           [&](size_t) { return calc; }, what);
    drop(&from), drop(&y);
}

/* The result is a view like any: of one pixel, with zeros past c. */
static void check_whole(const struct extent &e, syn_dtype a, syn_dtype b, uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "average of [%d,%d,%d,%d] %s to %s", e.n, e.c, e.h, e.w,
             syn_dtype_word(a), syn_dtype_word(b));
    std::vector<float> x = numbers(a, seed, count_of(e), -1, 3);
    if (seed % 4 == 0) x[x.size() - 1] = NAN;
    struct op_call t;
    op_begin(&t, SYN_OP_GLOBAL_AVERAGE_POOL);
    op_in4(&t, x, e);
    const std::vector<float> want = op_result(&t, what);
    struct picture from = picture_of(a, e, x.data(), seed % 2 ? WIDE : PLAIN),
                   y = picture_of(b, {e.n, e.c, 1, 1}, NULL, PLAIN);
    const size_t floats = cuda_average_scratch(&from.view) / sizeof(float);
    const std::vector<float> canary(floats + GUARD, -7e30f);
    std::vector<float> after(floats + GUARD);
    float *partial = put(canary.data(), canary.size());
    expect(b, run_twice(&y, [&] {
               return cuda_average_launch(&from.view, &y.view, partial, NULL, NULL);
           }, what), want, [&](size_t) { return 113 * U * 3; }, what);
    get(after.data(), partial, after.size());
    size_t torn = 0;
    for (size_t i = floats; i < after.size(); i++) torn += after[i] != canary[0];
    T_CHECK(torn == 0, "%s: %zu floats behind the scratch were written", what, torn);
    MUST(cudaFree(partial));
    drop(&from), drop(&y);
}

int main(void)
{
    uint64_t seed = 0;
    for (const struct pool &k : pools)
        for (int form = 0; form < 6; form++, seed++)
            check_pool(k, form >= 2, form >= 4, TYPES[seed % 3], TYPES[seed / 3 % 3], seed);
    /* a slab is 32 pixels a thread: 8192 pixels of 8 channels, 1024 of 64, 96 of 520 */
    static const struct extent whole[] = {
        {1, 1, 1, 1},   {2, 3, 1, 2},     {1, 8, 5, 51},  {1, 8, 1, 257},  {2, 3, 91, 90},
        {1, 7, 1, 8192}, {1, 5, 8193, 1}, {1, 64, 32, 32}, {2, 60, 5, 205}, {1, 520, 8, 12},
        {1, 515, 1, 97}, {2, 2056, 3, 7}, {1, 33, 3, 11}, {1, 2050, 67, 1}, {1, 1032, 5, 131}};
    for (const struct extent &e : whole)
        for (int i = 0; i < 2; i++, seed++)
            check_whole(e, TYPES[seed % 3], TYPES[seed / 3 % 3], seed);
    check_clean();
    return t_report();
}
