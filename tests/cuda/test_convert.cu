/* test_convert.cu - kernels/cuda/convert.cu: planes in and out, windows. Nothing is computed, so
 * every number must be its source, rounded once to the type it is written in. */
#include "tests/cuda/view_t.h"

/* Both tiles' edges: 256 pixels x 8 channels, 64 pixels x 32 channels. */
static const struct extent shapes[] = {
    {1, 1, 1, 1},  {1, 3, 5, 7},   {2, 8, 3, 11}, {1, 9, 1, 63},  {1, 31, 8, 8},  {2, 32, 13, 5},
    {1, 33, 1, 65}, {1, 64, 4, 16}, {3, 5, 16, 16}, {1, 3, 1, 255}, {2, 4, 1, 257}, {1, 70, 1, 129},
};

static void check_in(const struct extent &e, syn_dtype t, enum width how, uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "planes to %s [%d,%d,%d,%d]", syn_dtype_word(t), e.n, e.c, e.h,
             e.w);
    std::vector<float> x = numbers(SYN_F32, seed, count_of(e), -4, 4), want = x;
    x[0] = want[0] = seed % 3 == 0 ? NAN : seed % 3 == 1 ? -INFINITY : 65519.996f;
    for (float &f : want) f = rounded(t, f);
    float *d = put(x.data(), x.size());
    struct picture y = picture_of(t, e, NULL, how);
    expect(t, run_twice(&y, [&] { return cuda_planes_to_view(d, &y.view, NULL, NULL); }, what),
           want, exactly, what);
    drop(&y);
    MUST(cudaFree(d));
}

/* Planes are a picture of one channel: its guards serve. */
static void check_out(const struct extent &e, syn_dtype t, enum width how, uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "%s to planes [%d,%d,%d,%d]", syn_dtype_word(t), e.n, e.c, e.h,
             e.w);
    std::vector<float> x = numbers(t, seed, count_of(e), -4, 4);
    x.back() = NAN;
    struct picture from = picture_of(t, e, x.data(), how);
    const std::vector<float> canary(x.size() + 2 * GUARD, -7e30f);
    float *d = put(canary.data(), canary.size());
    std::vector<float> got[2] = {canary, canary};
    for (int run = 0; run < 2; run++) {
        MUST(cudaMemcpy(d, canary.data(), canary.size() * sizeof *d, cudaMemcpyHostToDevice));
        T_CHECK(cuda_view_to_planes(&from.view, d + GUARD, NULL, NULL) == SYN_OK, "%s", what);
        get(got[run].data(), d, canary.size());
    }
    size_t torn = 0;
    for (size_t i = 0; i < GUARD; i++)
        torn += (got[0][i] != canary[0]) + (got[0][GUARD + x.size() + i] != canary[0]);
    T_CHECK(torn == 0, "%s: %zu guards written", what, torn);
    T_CHECK(!memcmp(got[0].data(), got[1].data(), canary.size() * sizeof *d), "%s: differ", what);
    const std::vector<float> inner(&got[0][GUARD], &got[0][GUARD] + x.size());
    expect(SYN_F32, inner, x, exactly, what);
    drop(&from);
    MUST(cudaFree(d));
}

/* --- windows --------------------------------------------------------------------------------- */

static std::vector<float> run_window(struct cuda_window *p, struct picture *from,
                                     struct picture *to, const char *what)
{
    p->from = from->view, p->to = to->view;
    return run_twice(to, [&] { return cuda_window_launch(p, NULL, NULL); }, what);
}

static void check_pad(const struct extent &e, syn_dtype a, syn_dtype b, enum syn_pad_mode mode,
                      enum width how, uint64_t seed)
{
    static const int64_t pads[4] = {2, 1, 0, 3};
    char what[96];
    snprintf(what, sizeof what, "pad mode %d, [%d,%d,%d,%d] %s to %s", mode, e.n, e.c, e.h, e.w,
             syn_dtype_word(a), syn_dtype_word(b));
    const std::vector<float> x = numbers(a, seed, count_of(e), -4, 4);
    struct op_call t;
    op_begin(&t, SYN_OP_PAD);
    op_in4(&t, x, e);
    op_ints(&t, "pads", 4, pads);
    op_int(&t, "mode", mode);
    op_float(&t, "value", 0.3);
    std::vector<float> want = op_result(&t, what);
    for (float &f : want) f = rounded(b, f);
    struct picture from = picture_of(a, e, x.data(), how),
                   to = picture_of(b, {e.n, e.c, e.h + 2, e.w + 4}, NULL,
                                   how == WIDE ? PLAIN : WIDE);
    struct cuda_window p = {};
    p.top = -2, p.left = -1, p.c = e.c, p.h = e.h + 2, p.w = e.w + 4;
    p.mode = mode, p.value = 0.3f;
    expect(b, run_window(&p, &from, &to, what), want, exactly, what);
    drop(&from), drop(&to);
}

static void check_crop(const struct extent &e, syn_dtype a, syn_dtype b, uint64_t seed)
{
    const std::vector<float> x = numbers(a, seed, count_of(e), -4, 4);
    struct op_call t;
    op_begin(&t, SYN_OP_CROP);
    op_in4(&t, x, e);
    op_int(&t, "top", 2), op_int(&t, "left", 1), op_int(&t, "bottom", 1), op_int(&t, "right", 2);
    std::vector<float> want = op_result(&t, "crop");
    for (float &f : want) f = rounded(b, f);
    struct picture from = picture_of(a, e, x.data(), WIDE),
                   to = picture_of(b, {e.n, e.c, e.h - 3, e.w - 3}, NULL, PLAIN);
    struct cuda_window p = {};
    p.top = 2, p.left = 1, p.c = e.c, p.h = e.h - 3, p.w = e.w - 3;
    expect(b, run_window(&p, &from, &to, "crop"), want, exactly, "crop");
    drop(&from), drop(&to);
}

/* Two parts side by side along an axis; the second's channels begin at 16. */
static void check_concat(int32_t axis, syn_dtype t, uint64_t seed)
{
    const struct extent part[2] = {{2, axis == 1 ? 16 : 5, 3, 4},
                                   {2, 5, axis == 2 ? 2 : 3, axis == 3 ? 7 : 4}};
    struct extent all = part[0];
    struct op_call c;
    std::vector<float> x[2];
    op_begin(&c, SYN_OP_CONCAT);
    for (int i = 0; i < 2; i++) {
        x[i] = numbers(t, seed + (uint64_t)i, count_of(part[i]), -4, 4);
        op_in4(&c, x[i], part[i]);
    }
    op_int(&c, "axis", axis);
    const std::vector<float> want = op_result(&c, "concat");
    (axis == 1 ? all.c : axis == 2 ? all.h : all.w) +=
        axis == 1 ? part[1].c : axis == 2 ? part[1].h : part[1].w;
    struct picture from[2] = {picture_of(t, part[0], x[0].data(), PLAIN),
                              picture_of(t, part[1], x[1].data(), WIDE)},
                   to = picture_of(t, all, NULL, WIDE);
    struct cuda_window p[2] = {};
    for (int i = 0; i < 2; i++) {
        p[i].from = from[i].view, p[i].to = to.view;
        p[i].c = part[i].c, p[i].h = part[i].h, p[i].w = part[i].w;
        p[i].to_first = i && axis == 1 ? part[0].c : 0;
        p[i].to_top = i && axis == 2 ? part[0].h : 0;
        p[i].to_left = i && axis == 3 ? part[0].w : 0;
    }
    expect(t, run_twice(&to, [&] {
               const syn_status st = cuda_window_launch(&p[0], NULL, NULL);
               return st == SYN_OK ? cuda_window_launch(&p[1], NULL, NULL) : st;
           }, "concat"), want, exactly, "concat");
    drop(&from[0]), drop(&from[1]), drop(&to);
}

/* Channels from `first` on, a multiple of 8 or not. */
static void check_slice(int32_t first, int32_t c, syn_dtype t, enum width how)
{
    const struct extent e = {2, 37, 3, 5};
    const std::vector<float> x = numbers(t, 77, count_of(e), -4, 4);
    std::vector<float> want;
    for (int32_t i = 0; i < e.n * c * 15; i++)
        want.push_back(x[(size_t)((i / (c * 15) * e.c + first + i / 15 % c) * 15 + i % 15)]);
    struct picture from = picture_of(t, e, x.data(), how),
                   to = picture_of(t, {2, c, 3, 5}, NULL, PLAIN);
    struct cuda_window p = {};
    p.first = first, p.c = c, p.h = 3, p.w = 5;
    expect(t, run_window(&p, &from, &to, "slice"), want, exactly, "slice");
    drop(&from), drop(&to);
}

int main(void)
{
    uint64_t seed = 0;
    for (const struct extent &e : shapes)
        for (int i = 0; i < 3; i++) {
            const enum width how = (seed / 3 + seed) % 2 ? WIDE : PLAIN;
            check_in(e, TYPES[i], how, seed);
            check_out(e, TYPES[i], how == WIDE ? PLAIN : WIDE, ++seed);
        }
    static const int32_t channels[] = {1, 8, 9, 23, 2056};
    for (int32_t c : channels)
        for (int i = 0; i < 9; i++) {
            static const enum syn_pad_mode narrow[2] = {SYN_PAD_CONSTANT, SYN_PAD_REPLICATE};
            const bool many = c > 100; /* then few pixels, fewer than reflecting needs */
            check_pad({1 + i % 2, c, many ? 1 : 4, many ? 2 : 5}, TYPES[i / 3], TYPES[i % 3],
                      many ? narrow[i % 2] : (enum syn_pad_mode)((i + i / 3) % 3),
                      i % 2 ? WIDE : PLAIN, ++seed);
        }
    for (int i = 0; i < 9; i++)
        check_crop({2, 3 + i, 5 + i, 7 + i}, TYPES[i / 3], TYPES[i % 3], ++seed);
    check_crop({1, 8, 4, 260}, SYN_F16, SYN_F16, ++seed); /* blocks that do not fill the row */
    check_crop({2, 17, 5, 133}, SYN_F32, SYN_BF16, ++seed);
    for (int32_t axis = 1; axis < 4; axis++)
        for (syn_dtype t : TYPES) check_concat(axis, t, seed += 2);
    for (syn_dtype t : TYPES) {
        check_slice(8, 17, t, WIDE), check_slice(16, 21, t, PLAIN);
        check_slice(3, 13, t, WIDE), check_slice(36, 1, t, PLAIN);
    }
    check_clean();
    return t_report();
}
