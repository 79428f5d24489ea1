/* test_conv_fused.cu - what convolutions do after their sums: bias, activations, residuals, types;
 * in all four kernels, and where sums leave in parts. */
#include "tests/cuda/conv_case.h"

static const enum cuda_conv_way ways[] = {CUDA_CONV_MMA, CUDA_CONV_HALO, CUDA_CONV_PLAIN,
                                         CUDA_CONV_DEPTH};
static const syn_dtype types[] = {SYN_F16, SYN_BF16, SYN_F32};

/* 8-channel blocks with and without channels past c. */
static struct conv_case small(enum cuda_conv_way way, syn_dtype type, int c)
{
    return conv_case_of(way, type, 1, c, 5, 6, c, 3);
}

static void test_acts(void)
{
    for (enum cuda_conv_way way : ways)
        for (int act = SYN_ACT_NONE; act < SYN_ACT_COUNT; act++)
            for (int split = 1; split <= (way == CUDA_CONV_MMA ? 2 : 1); split++) {
                char what[60];
                struct conv_case t = small(way, types[act % 2], 11);
                snprintf(what, sizeof what, "%s, activation %d, %d parts", cuda_conv_way_word(way),
                         act, split);
                t.split = split;
                t.act = (enum syn_act)act;
                t.act_a = act == SYN_ACT_CLIP ? 0.125f : -0.5f;
                t.act_b = 0.5f;
                conv_case_run(&t, what);
                t.alpha = -0.375f;
                t.no_bias = true;
                t.res1 = types[act % 3], t.beta1 = 0.25f;
                t.res2 = types[(act + 1) % 3], t.beta2 = -3;
                conv_case_run(&t, what);
            }
}

/* One residual without the other; every type of theirs; y in x's type and in f32. */
static void test_residuals(void)
{
    for (enum cuda_conv_way way : ways)
        for (int i = 0; i < 12; i++) {
            char what[60];
            struct conv_case t = small(way, types[i % 2], i % 3 ? 16 : 13);
            snprintf(what, sizeof what, "%s, residuals %d", cuda_conv_way_word(way), i);
            if (i % 4 != 0) t.res1 = types[i % 3];
            if (i % 4 != 1) t.res2 = types[(i + 1) % 3];
            t.beta1 = 0.2f, t.beta2 = 1.5f, t.alpha = i % 2 ? 1 : 0.2f;
            if (i % 4 == 3) t.y = SYN_F32;
            t.act = i % 2 ? SYN_ACT_RELU : SYN_ACT_NONE;
            t.before = i % 5 * 8;
            conv_case_run(&t, what);
        }
}

/* The f32 kernels take any type in and give any. */
static void test_types(void)
{
    for (enum cuda_conv_way way : {CUDA_CONV_PLAIN, CUDA_CONV_DEPTH})
        for (syn_dtype in : types)
            for (syn_dtype out : types) {
                char what[60];
                struct conv_case t = small(way, in, 10);
                snprintf(what, sizeof what, "%s, %s to %s", cuda_conv_way_word(way),
                         syn_dtype_word(in), syn_dtype_word(out));
                t.y = out;
                t.res1 = out;
                conv_case_run(&t, what);
            }
}

/* A NaN in x comes out where a tap sees it and nowhere else: not through K's steps past the last
 * tap either, whose weights are zero. */
static void not_finite(enum cuda_conv_way way, int first_pad)
{
    struct conv_case t = small(way, SYN_F16, 16);
    struct conv_data d;
    struct conv_truth truth;
    struct conv_device dev;
    struct cuda_conv c;
    int wrong = 0, nans = 0;
    truth.ho = truth.wo = 0;
    t.act = SYN_ACT_RELU;
    t.pad[0] = t.pad[1] = first_pad; /* 3: no tap is (0, 0) */
    if (!conv_make(&t, 7, &d, &truth, "not finite")) return;
    d.x[0] = INFINITY; /* in another corner than the NaN: zero times it would be one */
    d.x[(size_t)(t.h * t.w - 1)] = NAN;
    (void)conv_reference(&t, &d, false, &truth.y, &truth.ho, &truth.wo, "not finite");
    conv_upload(&t, &d, truth.ho, truth.wo, &dev, &c, "not finite");
    const std::vector<unsigned char> out = conv_once(&t, &dev, &c, "not finite");
    const int plane = truth.ho * truth.wo;
    for (int i = 0; i < plane; i++)
        for (int ch = 0; ch < t.co; ch++) {
            const float want = truth.y[(size_t)(ch * plane + i)],
                        got = conv_read(&out[conv_at(&dev.y, i, ch)], SYN_F16);
            wrong += isnan(want) != isnan(got) || isinf(want) != isinf(got);
            nans += isnan(want);
        }
    T_CHECK(wrong == 0 && nans > 0, "%s, pad %d: %d NaN where none belongs or none where one",
            cuda_conv_way_word(way), first_pad, wrong);
    conv_drop(&dev);
}

int main(void)
{
    test_acts();
    test_residuals();
    test_types();
    for (enum cuda_conv_way way : ways) {
        not_finite(way, 1);
        not_finite(way, 3);
    }
    check_clean();
    return t_report();
}
