/* test_ops_shape.c - RESHAPE, CONCAT, CROP, PAD, PIXEL_SHUFFLE, PIXEL_UNSHUFFLE. */
#include "tests/op_call.h"

/* n numbers 0, 1, 2... in a block of the caller's. */
static float *count_up(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = (float)i;
    return x;
}

static void reshape(int32_t n, const int64_t *dims, int32_t rank, const int64_t *expected)
{
    float x[24];
    struct op_call t;
    op_begin(&t, SYN_OP_RESHAPE);
    op_in(&t, count_up(x, 24), OP_DIMS(2, 3, 4)), op_ints(&t, "dims", n, dims);
    op_expect(&t, x, 24, 0, "reshape");
    op_expect_shape(&t, rank, expected, "reshape");
    op_end(&t);
}

static void refuse_reshape(int32_t n, const int64_t *dims, const char *words)
{
    struct op_call t;
    op_begin(&t, SYN_OP_RESHAPE);
    op_in(&t, NULL, OP_DIMS(2, 3, 4)), op_ints(&t, "dims", n, dims);
    op_refuse(&t, SYN_INVALID, words);
}

static void test_reshape(void)
{
    const float one = 7;
    struct op_call t;
    reshape(OP_DIMS(24), OP_DIMS(24));
    reshape(OP_DIMS(0, -1), OP_DIMS(2, 12));
    reshape(OP_DIMS(-1, 0, 2), OP_DIMS(4, 3, 2));
    reshape(OP_DIMS(1, 2, 3, 2, 1, 2, 1, -1), OP_DIMS(1, 2, 3, 2, 1, 2, 1, 1));
    refuse_reshape(OP_DIMS(-1, -1), "dims[0] and dims[1] are both -1");
    refuse_reshape(OP_DIMS(5, -1), "its 24 elements do not fit dims [5, 1]");
    refuse_reshape(OP_DIMS(2, 3, 5),
                   "x has shape [2, 3, 4]: its 24 elements do not fit dims [2, 3, 5]");
    refuse_reshape(OP_DIMS(2, 3, 4, 0), "dims[3] = 0 copies a dimension of x, which has rank 3");
    refuse_reshape(OP_DIMS(-2, 3, 4), "attribute dims = -2");
    refuse_reshape(OP_DIMS(1, 1, 1, 1, 1, 1, 1, 1, 24),
                   "attribute dims has 9 entries: must be at most 8");
    refuse_reshape(OP_DIMS(1099511627776, 1099511627776, 1099511627776, -1), "do not fit");
    refuse_reshape(0, NULL, "do not fit dims []");
    op_begin(&t, SYN_OP_RESHAPE); /* one element may become a scalar */
    op_in(&t, &one, OP_DIMS(1, 1)), op_ints(&t, "dims", 0, NULL);
    op_expect(&t, &one, 1, 0, "scalar");
    op_expect_shape(&t, 0, NULL, "scalar");
    op_end(&t);
}

static void test_concat(void)
{
    static const float a[] = {0, 1, 2, 3, 4, 5}, b[] = {10, 11}, c[] = {20, 21, 22, 23};
    static const float columns[] = {0, 1, 2, 10, 20, 21, 3, 4, 5, 11, 22, 23},
                       rows[] = {0, 1, 2, 3, 4, 5, 10, 11};
    struct op_call t;
    for (int sign = 0; sign < 2; sign++) {
        op_begin(&t, SYN_OP_CONCAT);
        op_in(&t, a, OP_DIMS(2, 3)), op_in(&t, b, OP_DIMS(2, 1)), op_in(&t, c, OP_DIMS(2, 2));
        op_int(&t, "axis", sign ? -1 : 1);
        op_expect(&t, columns, 12, 0, "columns");
        op_expect_shape(&t, OP_DIMS(2, 6), "columns");
        op_end(&t);
        op_begin(&t, SYN_OP_CONCAT);
        op_in(&t, a, OP_DIMS(3, 1, 2)), op_in(&t, b, OP_DIMS(1, 1, 2)),
            op_int(&t, "axis", sign ? -3 : 0);
        op_expect(&t, rows, 8, 0, "rows");
        op_end(&t);
    }
    op_begin(&t, SYN_OP_CONCAT); /* the default axis is the channels; one operand is copied */
    op_in(&t, a, OP_DIMS(1, 2, 3));
    op_expect(&t, a, 6, 0, "one");
    op_end(&t);
    op_begin(&t, SYN_OP_CONCAT);
    op_in(&t, NULL, OP_DIMS(2, 3, 4)), op_in(&t, NULL, OP_DIMS(2, 5, 4)),
        op_in(&t, NULL, OP_DIMS(2, 5, 3));
    op_refuse(&t, SYN_INVALID,
              "x2 has shape [2, 5, 3]: must be [2, 5, 4] (x0's shape off the axis)");
    op_begin(&t, SYN_OP_CONCAT);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(2));
    op_refuse(&t, SYN_INVALID, "x1 has shape [2]: must have rank 2");
    op_begin(&t, SYN_OP_CONCAT);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_int(&t, "axis", 2);
    op_refuse(&t, SYN_INVALID, "axis = 2: must be in [-2, 2)");
    op_begin(&t, SYN_OP_CONCAT);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_absent(&t);
    op_refuse(&t, SYN_INVALID, "operand x1 is missing");
    op_begin(&t, SYN_OP_CONCAT);
    op_in(&t, NULL, OP_DIMS(1, 1099511627776)), op_in(&t, NULL, OP_DIMS(1, 1099511627776));
    op_refuse(&t, SYN_TOO_LARGE, "output 0 has shape [1, 2199023255552]");
}

/* x [1,2,3,4] counting up, cropped; want starts with the first and last element of plane 0. */
static void crop(const char *what, int64_t like_h, int64_t like_w, const int64_t attr[6],
                 int64_t ho, int64_t wo, int64_t first)
{
    static const char *const name[6] = {"top", "left", "height", "width", "bottom", "right"};
    float x[24], expected[24], like[12] = {0};
    struct op_call t;
    int64_t n = 0;
    op_begin(&t, SYN_OP_CROP);
    op_in(&t, count_up(x, 24), OP_DIMS(1, 2, 3, 4));
    if (like_h) op_in(&t, like, OP_DIMS(1, 1, like_h, like_w));
    for (int i = 0; i < 6; i++)
        if (attr[i]) op_int(&t, name[i], attr[i]);
    for (int64_t c = 0; c < 2; c++)
        for (int64_t r = 0; r < ho; r++)
            for (int64_t k = 0; k < wo; k++) expected[n++] = (float)(c * 12 + first + r * 4 + k);
    op_expect(&t, expected, n, 0, what);
    op_expect_shape(&t, OP_DIMS(1, 2, ho, wo), what);
    op_end(&t);
}

static void refuse_crop(int64_t like_h, const int64_t attr[6], const char *words)
{
    static const char *const name[6] = {"top", "left", "height", "width", "bottom", "right"};
    struct op_call t;
    op_begin(&t, SYN_OP_CROP);
    op_in(&t, NULL, OP_DIMS(1, 2, 3, 4));
    if (like_h) op_in(&t, NULL, OP_DIMS(1, 1, like_h, 1));
    for (int i = 0; i < 6; i++) op_int(&t, name[i], attr[i]);
    op_refuse(&t, SYN_INVALID, words);
}

static void test_crop(void)
{
    crop("all", 0, 0, (const int64_t[6]){0}, 3, 4, 0);
    crop("cuts", 0, 0, (const int64_t[6]){1, 2, 0, 0, 1, 1}, 1, 1, 6);
    crop("size", 0, 0, (const int64_t[6]){1, 1, 2, 3, 0, 0}, 2, 3, 5);
    crop("size beats cuts", 0, 0, (const int64_t[6]){0, 0, 2, 1, 2, 0}, 2, 1, 0);
    crop("like", 2, 3, (const int64_t[6]){1, 0, 0, 0, 0, 0}, 2, 3, 4);
    crop("like beats size", 1, 4, (const int64_t[6]){2, 0, 2, 2, 0, 0}, 1, 4, 8);
    refuse_crop(0, (const int64_t[6]){2, 0, 2, -1, 0, 0}, "top = 2 and height 2: x has height 3");
    refuse_crop(0, (const int64_t[6]){0, 2, -1, -1, 0, 2}, "left = 2 and width 0: x has width 4");
    refuse_crop(0, (const int64_t[6]){0, 0, 0, -1, 0, 0}, "height = 0: must be at least 1, or -1");
    refuse_crop(0, (const int64_t[6]){-1, 0, -1, -1, 0, 0}, "attribute top = -1");
    refuse_crop(4, (const int64_t[6]){0, 0, -1, -1, 0, 0},
                "top = 0 and height 4 (of like): x has height 3");
    refuse_crop(0, (const int64_t[6]){1099511627776, 0, -1, -1, 1099511627776, 0},
                "top = 1099511627776");
}

/* Results of onnxruntime 1.32 for x[i] = ((i*7 + 3) % 17 - 8) / 4 of [1,2,h,w], value 0.5. */
static const struct {
    int64_t mode, h, w, top, left, bottom, right, n_want;
} pad_cases[] = {
    {0, 2, 3, 1, 2, 0, 1, 36},
    {1, 3, 4, 2, 3, 1, 0, 84},
    {2, 2, 1, 1, 2, 3, 0, 36},
    {1, 2, 2, 1, 1, 1, 1, 32},
};
static const float pad_want[] = {
    0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, -1.25f, 0.5f, -2, 0.5f, 0.5f, 0.5f, -0.25f,
    1.5f, -1, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.75f, -1.75f, 0, 0.5f, 0.5f,
    0.5f, 1.75f, -0.75f, 1, 0.5f, 1, -0.75f, 1.75f, 0, 1.75f, -0.75f, 1, -1.75f, 0.75f, -1, 1.5f,
    -1, 0.75f, -1.75f, -0.25f, -2, 0.5f, -1.25f, 0.5f, -2, -0.25f, -1.75f, 0.75f, -1, 1.5f, -1,
    0.75f, -1.75f, 1, -0.75f, 1.75f, 0, 1.75f, -0.75f, 1, -1.75f, 0.75f, -1, 1.5f, -1, 0.75f,
    -1.75f, 0.75f, -1, 1.5f, -0.25f, 1.5f, -1, 0.75f, -2, 0.5f, -1.25f, 1.25f, -1.25f, 0.5f, -2,
    -0.5f, 2, 0.25f, -1.5f, 0.25f, 2, -0.5f, -2, 0.5f, -1.25f, 1.25f, -1.25f, 0.5f, -2, 0.75f, -1,
    1.5f, -0.25f, 1.5f, -1, 0.75f, -2, 0.5f, -1.25f, 1.25f, -1.25f, 0.5f, -2, -1.25f, -1.25f,
    -1.25f, -1.25f, -1.25f, -1.25f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f,
    0.5f, 0.5f, -2, -2, -2, -2, -2, -2, -0.25f, -0.25f, -0.25f, -0.25f, -0.25f, -0.25f, -0.25f,
    -0.25f, -0.25f, -0.25f, -0.25f, -0.25f, -0.25f, -2, -0.25f, -2, 0.5f, -1.25f, 0.5f, -1.25f,
    -0.25f, -2, -0.25f, -2, 0.5f, -1.25f, 0.5f, -1.25f, -1.75f, 0.75f, -1.75f, 0.75f, -1, 1.5f,
    -1, 1.5f, -1.75f, 0.75f, -1.75f, 0.75f, -1, 1.5f, -1, 1.5f,
};

static void test_pad(void)
{
    struct op_call t;
    size_t used = 0;
    for (size_t i = 0; i < sizeof pad_cases / sizeof *pad_cases; i++) {
        float x[24];
        for (int64_t e = 0; e < 2 * pad_cases[i].h * pad_cases[i].w; e++)
            x[e] = (float)((e * 7 + 3) % 17 - 8) / 4;
        op_begin(&t, SYN_OP_PAD);
        op_in(&t, x, OP_DIMS(1, 2, pad_cases[i].h, pad_cases[i].w));
        op_int(&t, "mode", pad_cases[i].mode), op_float(&t, "value", 0.5);
        op_ints(&t, "pads", 4,
                (const int64_t[]){pad_cases[i].top, pad_cases[i].left, pad_cases[i].bottom,
                                  pad_cases[i].right});
        op_expect(&t, pad_want + used, pad_cases[i].n_want, 0, "pad");
        used += (size_t)pad_cases[i].n_want;
        op_end(&t);
    }
    T_CHECK(used == sizeof pad_want / sizeof *pad_want, "%zu numbers used", used);
    op_begin(&t, SYN_OP_PAD);
    op_in(&t, NULL, OP_DIMS(1, 1, 3, 4)), op_int(&t, "mode", SYN_PAD_REFLECT);
    op_ints(&t, "pads", 4, (const int64_t[]){2, 3, 2, 4});
    op_refuse(&t, SYN_INVALID, "pads[3] = 4 (right): reflect needs less than x's width, 4");
    op_begin(&t, SYN_OP_PAD);
    op_in(&t, NULL, OP_DIMS(1, 1, 3, 4)), op_ints(&t, "pads", 4, (const int64_t[]){2, -3, 2, 4});
    op_refuse(&t, SYN_INVALID, "attribute pads = -3 (entry 1)");
    op_begin(&t, SYN_OP_PAD);
    op_in(&t, NULL, OP_DIMS(1, 1, 3, 4)), op_ints(&t, "pads", 1, (const int64_t[]){2});
    op_refuse(&t, SYN_INVALID, "attribute pads has 1 entries: must have 4");
    op_begin(&t, SYN_OP_PAD);
    op_in(&t, NULL, OP_DIMS(3, 4)), op_ints(&t, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    op_refuse(&t, SYN_INVALID, "x has shape [3, 4]: must have rank 4");
}

/* Results of onnxruntime's DepthToSpace for 0..31 as [2,8,2,1], r = 2: mode CRD, then DCR. */
static const float shuffle_want[] = {
    0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15, 16, 18, 20, 22, 17, 19, 21, 23, 24, 26,
    28, 30, 25, 27, 29, 31, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 16, 20, 24, 28,
    17, 21, 25, 29, 18, 22, 26, 30, 19, 23, 27, 31,
};

static void test_pixel_shuffle(void)
{
    float x[32];
    struct op_call t;
    for (int mode = 0; mode < 2; mode++) {
        op_begin(&t, SYN_OP_PIXEL_SHUFFLE);
        op_in(&t, count_up(x, 32), OP_DIMS(2, 8, 2, 1)), op_int(&t, "r", 2),
            op_int(&t, "mode", mode);
        op_expect(&t, shuffle_want + 32 * mode, 32, 0, "shuffle");
        op_expect_shape(&t, OP_DIMS(2, 2, 4, 2), "shuffle");
        op_end(&t);
        op_begin(&t, SYN_OP_PIXEL_UNSHUFFLE); /* the way back */
        op_in(&t, shuffle_want + 32 * mode, OP_DIMS(2, 2, 4, 2)), op_int(&t, "r", 2),
            op_int(&t, "mode", mode);
        op_expect(&t, x, 32, 0, "unshuffle");
        op_expect_shape(&t, OP_DIMS(2, 8, 2, 1), "unshuffle");
        op_end(&t);
    }
    for (int64_t r = 1; r <= 5; r++) /* there and back for awkward factors */
        for (int mode = 0; mode < 2; mode++) {
            float *y = t_uniform((uint64_t)r, (size_t)(2 * 3 * r * r * 5 * 2), -1, 1);
            struct op_call back;
            op_begin(&t, SYN_OP_PIXEL_SHUFFLE);
            op_in(&t, y, OP_DIMS(2, 3 * r * r, 5, 2)), op_int(&t, "r", r), op_int(&t, "mode", mode);
            if (op_run(&t, "there") == SYN_OK) {
                op_expect_shape(&t, OP_DIMS(2, 3, 5 * r, 2 * r), "there");
                op_begin(&back, SYN_OP_PIXEL_UNSHUFFLE);
                op_in(&back, op_out(&t), OP_DIMS(2, 3, 5 * r, 2 * r)), op_int(&back, "r", r),
                    op_int(&back, "mode", mode);
                op_expect(&back, y, 2 * 3 * r * r * 5 * 2, 0, "back");
                op_end(&back);
            }
            op_end(&t), free(y);
        }
    op_begin(&t, SYN_OP_PIXEL_SHUFFLE);
    op_in(&t, NULL, OP_DIMS(1, 6, 2, 2)), op_int(&t, "r", 2);
    op_refuse(&t, SYN_INVALID, "x has 6 channels: must be a multiple of r*r = 4");
    op_begin(&t, SYN_OP_PIXEL_UNSHUFFLE);
    op_in(&t, NULL, OP_DIMS(1, 6, 4, 3)), op_int(&t, "r", 2);
    op_refuse(&t, SYN_INVALID, "x is 4 x 3: both must be multiples of r = 2");
    op_begin(&t, SYN_OP_PIXEL_SHUFFLE);
    op_in(&t, NULL, OP_DIMS(1, 6, 4, 3)), op_int(&t, "r", 0);
    op_refuse(&t, SYN_INVALID, "attribute r = 0");
}

int main(void)
{
    test_reshape();
    test_concat();
    test_crop();
    test_pad();
    test_pixel_shuffle();
    return t_report();
}
