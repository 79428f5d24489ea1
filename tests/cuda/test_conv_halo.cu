/* test_conv_halo.cu - convolutions whose pixels come once for all taps (conv_halo.cu). */
#include "tests/cuda/conv_case.h"

static const syn_dtype halves[] = {SYN_F16, SYN_BF16};

static struct conv_case halo(syn_dtype type, int n, int ci, int h, int w, int co, int k)
{
    return conv_case_of(CUDA_CONV_HALO, type, n, ci, h, w, co, k);
}

/* Tiles of 8x16 pixels, blocks of 32 channels in and of 16, 32 and 64 out. */
static void test_edges(void)
{
    static const int shape[][5] = {
        /* n, ci, h, w, co */
        {1, 1, 1, 1, 1},    {1, 8, 8, 16, 8},   {2, 32, 7, 15, 16}, {1, 33, 9, 17, 17},
        {1, 31, 16, 32, 31}, {1, 64, 17, 33, 32}, {1, 65, 8, 17, 33}, {2, 64, 9, 16, 64},
        {3, 24, 1, 37, 65}, {1, 96, 23, 1, 48}, {1, 160, 5, 5, 130}, {1, 7, 11, 13, 3},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const int *s = shape[i];
        char what[80];
        struct conv_case t = halo(halves[i % 2], s[0], s[1], s[2], s[3], s[4], 3);
        snprintf(what, sizeof what, "halo n %d ci %d %dx%d co %d", s[0], s[1], s[2], s[3], s[4]);
        t.before = (int)i % 3 * 8, t.after = (int)i % 2 * 16;
        conv_case_run(&t, what);
        t.y = SYN_F32, t.act = SYN_ACT_PRELU, t.alpha = 0.2f;
        t.res1 = halves[i % 2], t.res2 = SYN_F32, t.beta2 = -0.5f;
        conv_case_run(&t, what);
    }
}

static void test_windows(void)
{
    struct conv_case t = halo(SYN_F16, 1, 40, 10, 18, 20, 3);
    t.pad[0] = 0, t.pad[1] = 2, t.pad[2] = 3, t.pad[3] = 0;
    conv_case_run(&t, "uneven pads");
    t.pad[0] = 5, t.pad[1] = 9;
    conv_case_run(&t, "pads wider than the kernel");
    t = halo(SYN_BF16, 1, 40, 10, 18, 20, 2);
    conv_case_run(&t, "2x2");
    t.dil[0] = t.dil[1] = 2;
    conv_case_run(&t, "2x2 dilated");
    t.kh = 1, t.kw = 3, t.dil[1] = 1;
    conv_case_run(&t, "1x3");
    t.kh = 2, t.kw = 1;
    conv_case_run(&t, "2x1");
}

static void test_transposed(void)
{
    struct conv_case t = halo(SYN_F16, 2, 40, 9, 17, 24, 4);
    t.transposed = true, t.stride[0] = t.stride[1] = 2;
    for (int i = 0; i < 4; i++) t.pad[i] = 1;
    conv_case_run(&t, "four phases");
    t.out_pad[0] = 1, t.act = SYN_ACT_LEAKY, t.act_a = 0.1f;
    conv_case_run(&t, "four phases, output padding");
    t.kw = 6, t.stride[1] = 3, t.pad[1] = 2, t.out_pad[1] = 2;
    conv_case_run(&t, "six phases");
    t = halo(SYN_BF16, 1, 64, 8, 16, 64, 6);
    t.transposed = true, t.stride[0] = t.stride[1] = 2;
    for (int i = 0; i < 4; i++) t.pad[i] = 2;
    conv_case_run(&t, "four phases of 3x3");
    t = halo(SYN_F16, 1, 12, 9, 9, 8, 3);
    t.transposed = true;
    conv_case_run(&t, "transposed, one phase");
}

static struct cuda_conv shape_of(struct conv_case t)
{
    struct cuda_conv c = conv_struct(&t);
    c.x = {NULL, t.x, t.n, t.ci, t.h, t.w, (t.ci + 7) / 8 * 8};
    c.y = {NULL, t.y, t.n, t.co, t.h * (t.transposed ? t.stride[0] : 1),
           t.w * (t.transposed ? t.stride[1] : 1), (t.co + 7) / 8 * 8};
    return c;
}

static void test_choice(void)
{
    struct conv_case t = halo(SYN_F16, 1, 64, 360, 640, 64, 3);
    struct cuda_conv c = shape_of(t);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_HALO && c.split == 1, "a large picture");
    t.ci = 3;
    c = shape_of(t);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_MMA, "3 channels would be 32");
    t.ci = 64, t.h = t.w = 20;
    c = shape_of(t);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_MMA, "too few tiles");
    t.h = 9, t.w = 3000;
    c = shape_of(t);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_MMA, "tiles half empty");
    t = halo(SYN_F16, 1, 64, 360, 640, 64, 3);
    t.stride[1] = 2;
    c = shape_of(t);
    T_CHECK(!cuda_conv_takes(CUDA_CONV_HALO, &c), "stride 2");
    t.stride[1] = 1, t.kh = t.kw = 1;
    c = shape_of(t);
    T_CHECK(!cuda_conv_takes(CUDA_CONV_HALO, &c), "one tap");
    t.kh = 4;
    c = shape_of(t);
    T_CHECK(!cuda_conv_takes(CUDA_CONV_HALO, &c), "4 rows");
    t.kh = 3, t.kw = 3, t.transposed = true, t.stride[0] = t.stride[1] = 2;
    c = shape_of(t);
    T_CHECK(!cuda_conv_takes(CUDA_CONV_HALO, &c), "a phase of one tap");
    t.kh = t.kw = 4;
    c = shape_of(t);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_HALO, "four phases");
}

int main(void)
{
    test_edges();
    test_windows();
    test_transposed();
    test_choice();
    check_clean();
    return t_report();
}
