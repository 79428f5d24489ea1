/* test_conv_plain.cu - convolutions on CUDA cores (conv_f32.cu, conv_depth.cu): shapes,
 * windows, groups; and which kernel is chosen. */
#include "tests/cuda/conv_case.h"

static const syn_dtype types[] = {SYN_F32, SYN_F16, SYN_BF16};

/* Blocks of 64 pixels and 64 outputs, steps of 16. */
static void test_plain_edges(void)
{
    static const int shape[][6] = {
        /* n, ci, h, w, co, k */
        {1, 1, 1, 1, 1, 1},   {1, 3, 5, 7, 3, 3},   {1, 15, 7, 9, 63, 1}, {1, 16, 8, 8, 64, 1},
        {1, 17, 5, 13, 65, 1}, {2, 5, 3, 11, 129, 3}, {3, 33, 3, 3, 7, 3},  {1, 2, 1, 64, 5, 3},
        {1, 64, 4, 5, 8, 3},  {1, 1, 6, 5, 2, 5},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const int *s = shape[i];
        char what[80];
        const struct conv_case t = conv_case_of(CUDA_CONV_PLAIN, types[i % 3], s[0], s[1], s[2],
                                                s[3], s[4], s[5]);
        snprintf(what, sizeof what, "plain n %d ci %d %dx%d co %d k %d", s[0], s[1], s[2], s[3],
                 s[4], s[5]);
        conv_case_run(&t, what);
    }
}

static void test_plain_groups(void)
{
    static const int form[][3] = { /* ci, co, group */
        {6, 4, 2}, {15, 9, 3}, {12, 189, 3}, {10, 5, 5}, {128, 130, 2}, {32, 64, 4}, {7, 14, 7},
    };
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        char what[80];
        struct conv_case t = conv_case_of(CUDA_CONV_PLAIN, types[i % 3], 2, form[i][0], 5, 4,
                                          form[i][1], 3);
        t.group = form[i][2];
        t.res1 = types[(i + 1) % 3], t.act = SYN_ACT_PRELU;
        t.before = t.after = (int)i % 3 * 8;
        snprintf(what, sizeof what, "plain %d -> %d in %d groups", form[i][0], form[i][1],
                 form[i][2]);
        conv_case_run(&t, what);
        t.transposed = true, t.res1 = SYN_DTYPE_COUNT;
        t.stride[0] = 2, t.stride[1] = 3, t.out_pad[1] = 1;
        snprintf(what + strlen(what), sizeof what - strlen(what), " transposed");
        conv_case_run(&t, what);
    }
}

static void test_windows(enum cuda_conv_way way, int c)
{
    struct conv_case t = conv_case_of(way, SYN_F32, 2, c, 11, 9, c, 3);
    t.stride[0] = 2, t.stride[1] = 3;
    conv_case_run(&t, "strides 2,3");
    t.dil[0] = 2, t.dil[1] = 3;
    conv_case_run(&t, "strides 2,3 dilations 2,3");
    t.stride[0] = t.stride[1] = 1, t.x = t.y = SYN_F16;
    t.pad[0] = 0, t.pad[1] = 4, t.pad[2] = 3, t.pad[3] = 1;
    conv_case_run(&t, "dilations 2,3 uneven pads");
    t = conv_case_of(way, SYN_BF16, 1, c, 5, 7, c, 4);
    t.transposed = true, t.stride[0] = t.stride[1] = 2;
    for (int j = 0; j < 4; j++) t.pad[j] = 1;
    conv_case_run(&t, "transposed, four phases");
    t.stride[0] = 3, t.kw = 2, t.pad[1] = 0, t.pad[2] = 2, t.out_pad[0] = 2;
    conv_case_run(&t, "transposed, stride 3,2");
    t.kh = t.kw = 1, t.pad[0] = t.pad[2] = 0, t.pad[3] = 0, t.act = SYN_ACT_SIGMOID;
    conv_case_run(&t, "transposed, phases without taps");
}

/* Blocks of 4 columns and 8 channels. */
static void test_depth_edges(void)
{
    static const int shape[][5] = {
        /* n, c, h, w, k */
        {1, 1, 1, 1, 1}, {1, 7, 3, 3, 3}, {2, 8, 4, 4, 3},  {1, 9, 5, 5, 3},
        {3, 15, 2, 7, 5}, {1, 17, 9, 8, 3}, {1, 64, 3, 9, 7}, {1, 1030, 1, 2, 3},
    };
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        const int *s = shape[i];
        char what[80];
        struct conv_case t = conv_case_of(CUDA_CONV_DEPTH, types[i % 3], s[0], s[1], s[2], s[3],
                                          s[1], s[4]);
        snprintf(what, sizeof what, "depthwise n %d c %d %dx%d k %d", s[0], s[1], s[2], s[3], s[4]);
        t.before = (int)i % 2 * 8, t.after = (int)i % 3 * 8;
        conv_case_run(&t, what);
    }
}

/* A cuda_conv of which only the shape is given. */
static struct cuda_conv shape_of(syn_dtype type, int ci, int side, int co, int k, int group)
{
    struct conv_case t = conv_case_of(CUDA_CONV_MMA, type, 1, ci, side, side, co, k);
    struct cuda_conv c = conv_struct(&t);
    c.group = group;
    c.x = {NULL, type, 1, ci, side, side, (ci + 7) / 8 * 8};
    c.y = {NULL, type, 1, co, side, side, (co + 7) / 8 * 8};
    return c;
}

static void test_choice(void)
{
    struct cuda_conv c = shape_of(SYN_F16, 64, 512, 64, 3, 1);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_HALO && c.split == 1, "a large picture");
    T_CHECK(cuda_conv_scratch(CUDA_CONV_HALO, &c) == 0, "one part needs no scratch");
    c = shape_of(SYN_BF16, 1280, 8, 1280, 3, 1);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_MMA, "8x8");
    T_CHECK(c.split > 1 && c.split <= 32, "8x8: %d parts", c.split);
    T_CHECK(cuda_conv_scratch(CUDA_CONV_MMA, &c) == (size_t)c.split * 64 * 1280 * 4, "scratch");
    T_CHECK(cuda_conv_takes(CUDA_CONV_MMA, &c), "8x8 in parts");
    c = shape_of(SYN_F16, 8, 4, 8, 1, 1);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_MMA && c.split == 1, "too short for parts");
    c = shape_of(SYN_F32, 64, 64, 64, 3, 1);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_PLAIN, "f32");
    c = shape_of(SYN_F16, 64, 64, 64, 3, 64);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_DEPTH, "depthwise");
    c = shape_of(SYN_F16, 64, 64, 128, 3, 64);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_PLAIN, "two outputs a channel");
    c = shape_of(SYN_F16, 64, 64, 64, 3, 2);
    T_CHECK(cuda_conv_choose(&c, 132) == CUDA_CONV_PLAIN, "groups");
    c = shape_of(SYN_F16, 64, 64, 64, 3, 1);
    c.y.dtype = SYN_BF16;
    T_CHECK(!cuda_conv_takes(CUDA_CONV_MMA, &c), "f16 to bf16 is not MMA's");
    c.y.dtype = SYN_I32;
    T_CHECK(!cuda_conv_takes(CUDA_CONV_PLAIN, &c), "whole numbers are nobody's");
    T_CHECK(cuda_conv_launch(CUDA_CONV_PLAIN, &c, NULL, NULL) == SYN_UNSUPPORTED, "not launched");
    c = shape_of(SYN_F16, 64, 50000, 64, 3, 1);
    T_CHECK(!cuda_conv_takes(CUDA_CONV_MMA, &c), "2.5e9 pixels in one image");
}

int main(void)
{
    test_plain_edges();
    test_plain_groups();
    test_windows(CUDA_CONV_PLAIN, 13);
    test_windows(CUDA_CONV_DEPTH, 13);
    test_depth_edges();
    test_choice();
    check_clean();
    return t_report();
}
