/* test_shuffle.cu - kernels/cuda/shuffle.cu against the references of PIXEL_SHUFFLE and
 * PIXEL_UNSHUFFLE. Numbers are moved: exact but for the result's type, and for one rounding of the
 * sum with a residual: 2^-24 * |want|, and as much in the reference. */
#include "tests/cuda/view_t.h"

static void check(const struct extent &deep, int32_t r, bool dcr, bool inverse, bool with_res,
                  syn_dtype a, syn_dtype b, uint64_t seed)
{
    char what[128];
    snprintf(what, sizeof what, "%sshuffle %d%s [%d,%d,%d,%d]%s %s to %s", inverse ? "un" : "", r,
             dcr ? " dcr" : "", deep.n, deep.c, deep.h, deep.w, with_res ? " + res" : "",
             syn_dtype_word(a), syn_dtype_word(b));
    const struct extent wide = {deep.n, deep.c / (r * r), deep.h * r, deep.w * r},
                        small = {deep.n, wide.c, deep.h, deep.w};
    const syn_dtype c = TYPES[seed % 3];
    const std::vector<float> x = numbers(a, seed, count_of(deep), -4, 4),
                             more = numbers(c, seed + 1, count_of(small), -4, 4);
    struct op_call t;
    op_begin(&t, inverse ? SYN_OP_PIXEL_UNSHUFFLE : SYN_OP_PIXEL_SHUFFLE);
    op_in4(&t, x, inverse ? wide : deep);
    if (with_res) op_in4(&t, more, small);
    op_int(&t, "r", r), op_int(&t, "mode", dcr);
    const std::vector<float> want = op_result(&t, what);
    struct picture from = picture_of(a, inverse ? wide : deep, x.data(), seed % 2 ? WIDE : PLAIN),
                   y = picture_of(b, inverse ? deep : wide, NULL, seed % 2 ? PLAIN : WIDE),
                   res = picture_of(c, small, more.data(), WIDE);
    struct cuda_shuffle p = {};
    p.x = from.view, p.y = y.view, p.r = r, p.dcr = dcr, p.inverse = inverse;
    if (with_res) p.res = res.view;
    expect(b, run_twice(&y, [&] { return cuda_shuffle_launch(&p, NULL, NULL); }, what), want,
           [&](size_t i) { return with_res ? 2 * 0x1p-24 * fabs((double)want[i]) : 0; }, what);
    drop(&from), drop(&y), drop(&res);
}

int main(void)
{
    static const struct {
        int32_t r;
        struct extent wide; /* its c; h, w of deep */
    } cases[] = {{1, {2, 5, 3, 4}},  {2, {1, 1, 3, 5}}, {2, {2, 3, 4, 3}},  {2, {1, 8, 2, 65}},
                 {2, {2, 17, 1, 3}}, {3, {2, 3, 3, 2}}, {3, {1, 16, 2, 3}}, {4, {1, 3, 3, 33}},
                 {4, {2, 9, 2, 1}},  {5, {1, 2, 1, 2}}, {2, {1, 520, 1, 1}}};
    uint64_t seed = 0;
    for (int form = 0; form < 4; form++) /* blocks that do not fill the row */
        check({2, 32, 2, form > 1 ? 259 : 257}, 2, form & 1, form > 1, false, SYN_F16, SYN_F16, 2);
    for (const auto &k : cases)
        for (int form = 0; form < 6; form++) {
            const struct extent deep = {k.wide.n, k.wide.c * k.r * k.r, k.wide.h, k.wide.w};
            check(deep, k.r, form & 1, form >= 4, form == 2 || form == 3, TYPES[seed % 3],
                  TYPES[seed / 3 % 3], seed);
            seed++;
        }
    for (int form = 0; form < 4; form++)
        for (syn_dtype a : TYPES)
            for (syn_dtype b : TYPES)
                check({1, 36, 2, 3}, 2, form & 1, form & 2, false, a, b, ++seed);
    check({1, 8224, 1, 1}, 2, true, false, true, SYN_F16, SYN_F32, 1); /* 257 groups */
    check_clean();
    return t_report();
}
