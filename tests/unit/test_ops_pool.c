/* test_ops_pool.c - MAX_POOL, AVERAGE_POOL, GLOBAL_AVERAGE_POOL: onnxruntime's numbers, A35,
 * refusals. */
#include "tests/op_call.h"

/* Results of onnxruntime 1.32 for x[i] = ((i*7 + 3) % 17 - 8) / 4. */
static const struct pool_case {
    int average;
    int64_t n, c, h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right, ceil_mode,
        count_include_pad, ho, wo;
} cases[] = {
    {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
    {0, 1, 2, 5, 7, 2, 3, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 2, 3},
    {0, 2, 1, 4, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 0, 3, 3},
    {0, 1, 1, 7, 5, 2, 3, 1, 3, 2, 2, 1, 0, 0, 1, 0, 0, 6, 1},
    {0, 1, 2, 2, 5, 2, 2, 3, 3, 1, 1, 0, 1, 1, 0, 1, 0, 1, 2},
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
    {1, 1, 2, 5, 7, 2, 3, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 2, 3},
    {1, 2, 1, 4, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 0, 3, 3},
    {1, 2, 1, 4, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3},
    {1, 1, 1, 7, 5, 2, 3, 1, 3, 2, 2, 1, 0, 0, 1, 0, 0, 6, 1},
    {1, 1, 1, 7, 5, 2, 3, 1, 3, 2, 2, 1, 0, 0, 1, 0, 1, 6, 1},
    {1, 1, 2, 2, 5, 2, 2, 3, 3, 1, 1, 0, 1, 1, 0, 1, 1, 1, 2},
    {1, 1, 1, 6, 6, 3, 2, 2, 3, 1, 2, 0, 1, 2, 0, 1, 0, 3, 3},
};
static const float want[] = {
    -1.25f, 1.75f, 1.75f, 1.5f, 2, 1.25f, 1.75f, 1.75f, 1.5f, 2, 1.25f, 1.75f, 1.75f, 0.75f,
    0.75f, 1.75f, 1.25f, 1.25f, 2, 1.25f, 1.25f, 0.5f, 1.75f, 1.75f, 1, 2, 2, 1.5f, 0.5f, 1.5f,
    1.5f, 1.75f, 2, 1.75f, 2, 0, 0.25f, -1, 0, -0.5f, 0.5f, -1.25f, -0.45833334f, 0.20833333f,
    0.16666667f, 0.6666667f, -0.083333336f, -0.125f, -0.125f, -0.16666667f, -0.20833333f,
    -0.41666666f, -0.45833334f, 0.20833333f, -0.25f, -0.45833334f, 0.75f, 0.125f, -0.083333336f,
    0.41666666f, 0.375f, 0.16666667f, -0.75f, 0.75f, 0.5416667f, -0.375f, 0.41666666f,
    0.44444445f, 0, -0.75f, -0.25f, 0.25f, -0.11111111f, -0.30555555f, 0.33333334f, 0.083333336f,
    -0.083333336f, 0.2777778f, 0.125f, 0.083333336f, -0.25f, 0.33333334f, 0.3611111f,
    -0.16666667f, 0.2777778f, 0.44444445f, 0, -0.25f, -0.125f, 0.083333336f, -0.33333334f,
    -0.33333334f, -0.7916667f, -0.5416667f, -1, -0.75f, -0.16666667f, -0.33333334f, -0.7916667f,
    -0.5416667f, -1, -0.75f, -0.5625f, -1, -0.3125f, -0.5f, -0.33333334f, 0.33333334f,
    -0.41666666f, -0.5833333f, 0.7916667f, -0.6666667f, 1, 0.25f, -0.5f,
};

static void test_vectors(void)
{
    size_t used = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pool_case *k = &cases[i];
        float x[128];
        char what[32];
        struct op_call t;
        for (int64_t e = 0; e < k->n * k->c * k->h * k->w; e++)
            x[e] = (float)((e * 7 + 3) % 17 - 8) / 4;
        snprintf(what, sizeof what, "case %zu", i);
        op_begin(&t, k->average ? SYN_OP_AVERAGE_POOL : SYN_OP_MAX_POOL);
        op_in(&t, x, OP_DIMS(k->n, k->c, k->h, k->w));
        op_ints(&t, "kernel", 2, (const int64_t[]){k->kh, k->kw});
        op_ints(&t, "strides", 2, (const int64_t[]){k->sh, k->sw});
        op_ints(&t, "dilations", 2, (const int64_t[]){k->dh, k->dw});
        op_ints(&t, "pads", 4, (const int64_t[]){k->top, k->left, k->bottom, k->right});
        op_int(&t, "ceil_mode", k->ceil_mode);
        if (k->average) op_int(&t, "count_include_pad", k->count_include_pad);
        /* sums are exact on both sides; its division is one rounding, as is ours */
        op_expect(&t, want + used, k->n * k->c * k->ho * k->wo, 0x1p-23, what);
        op_expect_shape(&t, OP_DIMS(k->n, k->c, k->ho, k->wo), what);
        used += (size_t)(k->n * k->c * k->ho * k->wo);
        op_end(&t);
    }
    T_CHECK(used == sizeof want / sizeof *want, "%zu numbers used", used);
}

static void pool_row(syn_op_id id, const float *x, int64_t n, int64_t k, int64_t s, int64_t dil,
                     int64_t end, int cip, const float *expected, int64_t n_want)
{
    struct op_call t;
    for (int axis = 0; axis < 2; axis++) { /* along the columns, then along the rows */
        op_begin(&t, id);
        op_in(&t, x, OP_DIMS(1, 1, axis ? n : 1, axis ? 1 : n));
        op_ints(&t, "kernel", 2, (const int64_t[]){axis ? k : 1, axis ? 1 : k});
        op_ints(&t, "strides", 2, (const int64_t[]){axis ? s : 1, axis ? 1 : s});
        op_ints(&t, "dilations", 2, (const int64_t[]){axis ? dil : 1, axis ? 1 : dil});
        op_ints(&t, "pads", 4, (const int64_t[]){0, 0, axis ? end : 0, axis ? 0 : end});
        op_int(&t, "count_include_pad", cip);
        op_expect(&t, expected, n_want, 0, "A35");
        op_end(&t);
    }
}

static void test_A35_pool(void)
{
    static const float x[] = {1, 2, 3, 4, 5};
    pool_row(SYN_OP_AVERAGE_POOL, x, 3, 2, 2, 1, 1, 0, (const float[]){1.5f, 3}, 2);
    pool_row(SYN_OP_AVERAGE_POOL, x, 3, 2, 2, 1, 1, 1, (const float[]){1.5f, 1.5f}, 2);
    pool_row(SYN_OP_MAX_POOL, x, 5, 2, 1, 2, 0, 0, (const float[]){3, 4, 5}, 3);
}

/* NaN wins a maximum; negative numbers beat padding; a window of padding alone is -infinity and 0.
 * */
static void test_edges(void)
{
    static const float x[] = {-5, NAN, -7, -8}, one[] = {-3};
    struct op_call t;
    op_begin(&t, SYN_OP_MAX_POOL);
    op_in(&t, x, OP_DIMS(1, 1, 1, 4)), op_ints(&t, "kernel", 2, (const int64_t[]){1, 2});
    op_ints(&t, "pads", 4, (const int64_t[]){0, 1, 0, 1});
    op_expect(&t, (const float[]){-5, NAN, NAN, -7, -8}, 5, 0, "NaN and padding");
    op_end(&t);
    for (int average = 0; average < 2; average++) { /* taps at -1 and 1 of an axis of 1 */
        op_begin(&t, average ? SYN_OP_AVERAGE_POOL : SYN_OP_MAX_POOL);
        op_in(&t, one, OP_DIMS(1, 1, 1, 1)), op_ints(&t, "kernel", 2, (const int64_t[]){1, 2});
        op_ints(&t, "dilations", 2, (const int64_t[]){1, 2}),
            op_ints(&t, "pads", 4, (const int64_t[]){0, 1, 0, 1});
        op_expect(&t, average ? (const float[]){0} : (const float[]){-INFINITY}, 1, 0,
                  "padding alone");
        op_end(&t);
    }
}

/* ceil_mode adds nothing where the windows fit exactly. */
static void test_exact_fit(void)
{
    struct op_call t;
    op_begin(&t, SYN_OP_MAX_POOL);
    op_in(&t, NULL, OP_DIMS(1, 1, 5, 7)), op_ints(&t, "kernel", 2, (const int64_t[]){3, 3});
    op_ints(&t, "strides", 2, (const int64_t[]){2, 3}), op_int(&t, "ceil_mode", 1);
    T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
    op_expect_shape(&t, OP_DIMS(1, 1, 2, 3), "2 fit exactly, 2 and a third do not");
    op_end(&t);
}

static void test_global(void)
{
    float *x = t_uniform(5, 2 * 3 * 35, -1, 1), want_mean[6];
    struct op_call t;
    for (int p = 0; p < 6; p++) {
        double sum = 0;
        for (int i = 34; i >= 0; i--)
            sum += (double)x[p * 35 + i]; /* backwards: another order of the sum */
        want_mean[p] = (float)(sum / 35);
    }
    op_begin(&t, SYN_OP_GLOBAL_AVERAGE_POOL);
    op_in(&t, x, OP_DIMS(2, 3, 5, 7));
    op_expect(&t, want_mean, 6, 0x1p-24, "global");
    op_expect_shape(&t, OP_DIMS(2, 3, 1, 1), "global");
    op_end(&t), free(x);
    op_begin(&t, SYN_OP_GLOBAL_AVERAGE_POOL);
    op_in(&t, NULL, OP_DIMS(2));
    op_refuse(&t, SYN_INVALID, "x [2] has rank 1: must be in [2, 8]");
}

static void refuse(int32_t n_kernel, int64_t k, int64_t dil, int64_t pad, const char *words)
{
    struct op_call t;
    op_begin(&t, SYN_OP_AVERAGE_POOL);
    op_in(&t, NULL, OP_DIMS(1, 3, 4, 5)), op_ints(&t, "kernel", n_kernel, (const int64_t[]){k, k});
    op_ints(&t, "dilations", 2, (const int64_t[]){dil, dil}),
        op_ints(&t, "pads", 4, (const int64_t[]){pad, 0, 0, 0});
    op_refuse(&t, SYN_INVALID, words);
}

static void test_refusals(void)
{
    struct op_call t;
    refuse(0, 2, 1, 0, "attribute kernel has 0 entries: must have 2");
    refuse(1, 2, 1, 0, "attribute kernel has 1 entries: must have 2");
    refuse(2, 0, 1, 0, "attribute kernel = 0");
    refuse(2, 2, 0, 0, "attribute dilations = 0");
    refuse(2, 2, 1, 2, "pads 2 and 0 of the height: must be less than the window's 2");
    refuse(2, 3, 2, 0, "the window's height 5 exceeds x's 4");
    op_begin(&t, SYN_OP_MAX_POOL);
    op_in(&t, NULL, OP_DIMS(8, 512, 1024, 1024)), op_ints(&t, "kernel", 2, (const int64_t[]){2, 2});
    op_ints(&t, "strides", 2, (const int64_t[]){2, 2});
    T_CHECK(op_shape(&t) == SYN_OK, "A38: %s", t.err.text);
    op_expect_shape(&t, OP_DIMS(8, 512, 512, 512), "A38");
    op_end(&t);
}

int main(void)
{
    test_vectors();
    test_A35_pool();
    test_edges();
    test_exact_fit();
    test_global();
    test_refusals();
    return t_report();
}
