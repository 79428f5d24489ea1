/* test_conv.cu - convolutions on tensor cores (kernels/cuda/conv.cu): shapes, windows, split K. */
#include "tests/cuda/conv_case.h"

static const syn_dtype halves[] = {SYN_F16, SYN_BF16};

static struct conv_case mma(syn_dtype type, int n, int ci, int h, int w, int co, int k)
{
    return conv_case_of(CUDA_CONV_MMA, type, n, ci, h, w, co, k);
}

/* Pixels around the 128 of a block, channels around chunks of 8, steps of 32, and blocks of 16, 32
 * and 64 outputs. */
static void test_edges(void)
{
    static const int shape[][6] = {
        /* n, ci, h, w, co, k */
        {1, 1, 1, 1, 1, 1},     {1, 8, 1, 1, 8, 3},     {1, 3, 5, 7, 3, 3},
        {1, 64, 1, 127, 16, 1}, {1, 64, 8, 16, 16, 1},  {1, 64, 3, 43, 16, 1},
        {1, 7, 11, 13, 15, 3},  {1, 8, 11, 13, 17, 3},  {1, 9, 11, 13, 31, 3},
        {1, 31, 5, 7, 32, 3},   {1, 32, 5, 7, 33, 3},   {1, 33, 5, 7, 63, 3},
        {1, 24, 5, 7, 64, 3},   {1, 40, 5, 7, 65, 3},   {1, 64, 9, 17, 64, 3},
        {3, 16, 5, 9, 20, 3},   {2, 64, 8, 8, 32, 3},   {7, 5, 3, 3, 130, 2},
        {1, 97, 4, 5, 48, 3},   {5, 11, 1, 1, 96, 1},   {1, 13, 2, 3, 4, 5},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const int *s = shape[i];
        char what[80];
        struct conv_case t = mma(halves[i % 2], s[0], s[1], s[2], s[3], s[4], s[5]);
        snprintf(what, sizeof what, "n %d ci %d %dx%d co %d k %d", s[0], s[1], s[2], s[3], s[4],
                 s[5]);
        if (s[5] == 2) t.pad[2] = t.pad[3] = 0;
        conv_case_run(&t, what);
    }
}

static void test_windows(void)
{
    struct conv_case t = mma(SYN_F16, 2, 12, 11, 9, 10, 3);
    t.stride[0] = 2, t.stride[1] = 3;
    conv_case_run(&t, "strides 2,3");
    t.dil[0] = 2, t.dil[1] = 3;
    conv_case_run(&t, "strides 2,3 dilations 2,3");
    t.stride[0] = t.stride[1] = 1;
    t.pad[0] = 0, t.pad[1] = 4, t.pad[2] = 3, t.pad[3] = 1;
    conv_case_run(&t, "dilations 2,3 uneven pads");
    t = mma(SYN_BF16, 1, 16, 6, 10, 24, 3);
    t.pad[0] = 5, t.pad[1] = 0, t.pad[2] = 7, t.pad[3] = 6;
    conv_case_run(&t, "pads wider than the kernel");
    t = mma(SYN_F16, 1, 8, 1, 200, 8, 1);
    t.kw = 7, t.pad[1] = 9, t.pad[3] = 9, t.dil[1] = 3;
    conv_case_run(&t, "one row, 7 taps");
    t = mma(SYN_F16, 1, 3, 12, 10, 9, 7);
    t.stride[0] = t.stride[1] = 2;
    conv_case_run(&t, "7x7 stride 2 of 3 channels");
    t = mma(SYN_F16, 1, 20, 9, 9, 8, 1);
    t.stride[0] = t.stride[1] = 2;
    conv_case_run(&t, "1x1 stride 2");
    t = mma(SYN_BF16, 1, 8, 3, 4, 8, 11);
    conv_case_run(&t, "11x11 over 3x4");
}

static void test_views(void)
{
    struct conv_case t = mma(SYN_F16, 2, 20, 7, 6, 12, 3);
    t.before = 16, t.after = 24;
    t.res1 = SYN_F16;
    conv_case_run(&t, "some channels of wider buffers");
    t.y = SYN_F32, t.res1 = SYN_F32, t.before = 8, t.after = 0;
    conv_case_run(&t, "the same, f32 out");
    t.after = 8, t.split = 2;
    conv_case_run(&t, "the same, in two parts");
}

static void test_transposed(void)
{
    static const int form[][9] = {
        /* kh, kw, stride h, w, top, left, bottom, right, dilation */
        {4, 4, 2, 2, 1, 1, 1, 1, 1}, /* as nearest 2x + 3x3 becomes */
        {2, 2, 2, 2, 0, 0, 0, 0, 1}, {3, 3, 2, 2, 1, 1, 1, 1, 1}, {3, 5, 3, 2, 0, 2, 1, 1, 1},
        {3, 3, 1, 1, 1, 1, 1, 1, 1}, {2, 1, 3, 2, 0, 0, 0, 0, 1}, {3, 3, 2, 3, 1, 0, 2, 1, 2},
    };
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        const int *f = form[i];
        char what[80];
        struct conv_case t = mma(halves[i % 2], 2, 20, 5, 7, 12, 3);
        snprintf(what, sizeof what, "transposed %dx%d stride %d,%d dilation %d", f[0], f[1], f[2],
                 f[3], f[8]);
        t.transposed = true;
        t.kh = f[0], t.kw = f[1], t.stride[0] = f[2], t.stride[1] = f[3];
        for (int j = 0; j < 4; j++) t.pad[j] = f[4 + j];
        t.dil[0] = t.dil[1] = f[8];
        conv_case_run(&t, what);
        t.out_pad[0] = f[2] - 1, t.out_pad[1] = f[3] > 1 ? 1 : 0;
        t.act = SYN_ACT_LEAKY, t.act_a = 0.25f;
        t.split = 1 + (int)i % 3;
        snprintf(what + strlen(what), sizeof what - strlen(what), " output padding");
        conv_case_run(&t, what);
    }
    struct conv_case t = mma(SYN_F16, 1, 64, 8, 9, 64, 4);
    t.transposed = true, t.stride[0] = t.stride[1] = 2;
    for (int j = 0; j < 4; j++) t.pad[j] = 1;
    conv_case_run(&t, "four phases of 64 channels");
}

static void test_split(void)
{
    static const int parts[] = {2, 3, 7, 32};
    for (int p : parts)
        for (syn_dtype type : halves) {
            struct conv_case t = mma(type, 1, 40, 5, 6, 24, 3);
            char what[40];
            snprintf(what, sizeof what, "in %d parts", p);
            t.split = p;
            t.act = SYN_ACT_PRELU, t.alpha = 0.5f;
            t.res1 = type, t.beta1 = 0.75f;
            conv_case_run(&t, what);
        }
    struct conv_case t = mma(SYN_F16, 3, 130, 4, 4, 70, 3);
    t.split = 5, t.y = SYN_F32;
    conv_case_run(&t, "130 -> 70 in 5 parts");
}

int main(void)
{
    test_edges();
    test_windows();
    test_views();
    test_transposed();
    test_split();
    check_clean();
    return t_report();
}
