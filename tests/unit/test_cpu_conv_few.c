/* test_cpu_conv_few.c - convolutions to few channels (pixels in lanes), large kernels over few channels
 * (nested Winograd) and depthwise ones against the references, and NHWC networks; and that each is
 * taken where it should be.
 *
 * Beside test_cpu_conv.c, whose shapes meet them now and then: here are their own edges. */
#include "tests/graph_gen.h"

static void *cpu;

/* A picture, perhaps a PAD, one convolution, perhaps another that reads its result in blocks. */
struct shape {
    int64_t n, ci, h, w, pad_by; /* pad_by > 0: a reflecting PAD first */
    struct gg_conv conv;
    bool then_conv;
};

static bool run_shape(uint64_t seed, const struct shape *s, const char *impl)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = impl},
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = impl, .bf16 = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_winograd = true, .no_lanes = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_winograd = true, .no_lanes = true,
         .bf16 = true}};
    const int64_t pads[4] = {s->pad_by, s->pad_by, s->pad_by, s->pad_by};
    const struct syn_attr attrs[] = {syn_attr_of_ints("pads", 4, pads),
                                     syn_attr_of_int("mode", SYN_PAD_REFLECT)};
    struct gg_conv conv = s->conv;
    char what[200];
    struct gg b;
    int32_t x;
    gg_new(&b, seed);
    x = gg_input(&b, s->n, s->ci, s->h, s->w);
    if (s->pad_by) x = gg_node(&b, SYN_OP_PAD, 1, &x, 2, attrs);
    if (x >= 0) x = gg_conv(&b, x, &conv);
    if (x >= 0 && s->then_conv) x = gg_conv(&b, x, &(struct gg_conv){.co = 17, .k = 3, .pad = 1});
    snprintf(what, sizeof what,
             "[%d,%d,%d,%d] pad %d co %d k %dx%d d %d p %d,%d,%d,%d act %d then %d seed %d",
             (int)s->n, (int)s->ci, (int)s->h, (int)s->w, (int)s->pad_by, (int)conv.co, (int)conv.k,
             (int)(conv.kw ? conv.kw : conv.k), (int)conv.dil, (int)conv.pads[0],
             (int)conv.pads[1], (int)conv.pads[2], (int)conv.pads[3], conv.act, s->then_conv,
             (int)seed);
    if (x >= 0) {
        gg_output(&b, x);
        gg_check_all(&b, how, 4, what);
    }
    gg_free(&b);
    return x >= 0;
}

static void random_conv(struct gg *b, struct gg_conv *s)
{
    static const int acts[] = {SYN_ACT_NONE, SYN_ACT_RELU, SYN_ACT_LEAKY, SYN_ACT_PRELU,
                               SYN_ACT_CLIP};
    for (int32_t p = 0; p < 4; p++) s->pads[p] = gg_below(b, 5);
    s->act = GG_PICK(b, acts);
    s->act_a = s->act == SYN_ACT_CLIP ? -0.3 : 0.2;
    s->act_b = s->act == SYN_ACT_CLIP ? 0.6 : 0;
    s->bare = gg_below(b, 4) == 0;
}

/* One to eight outputs, input channels about the edges of pairs and blocks, widths about those of
 * tiles and chunks. */
static void test_lanes(void)
{
    static const int64_t ins[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 33},
                         widths[] = {1, 7, 8, 9, 15, 16, 17, 47, 48, 49, 97};
    int32_t ran = 0;
    for (uint64_t k = 0; k < 96; k++) {
        struct gg b = {.seed = 100 + k};
        struct shape s = {.n = 1 + gg_below(&b, 2), .ci = GG_PICK(&b, ins),
                          .w = GG_PICK(&b, widths), .h = 1 + gg_below(&b, 40),
                          .conv = {.co = 1 + (int64_t)(k % 8), .dense = true,
                                   .k = 1 + gg_below(&b, 5), .kw = 1 + gg_below(&b, 5),
                                   .dil = 1 + gg_below(&b, 2), .dil_w = 1 + gg_below(&b, 3)},
                          .then_conv = k % 3 == 0};
        random_conv(&b, &s.conv);
        for (int32_t grow = 0; grow < 16; grow += 5) {
            s.h += grow, s.w += grow;
            if (run_shape(k, &s, "conv lanes")) {
                ran++;
                break;
            }
        }
    }
    T_CHECK(ran >= 90, "%d of 96 ran", (int)ran);
    for (int64_t w = 479; w <= 481; w++) {
        const struct shape s = {.n = 1, .ci = 4, .h = 11, .w = w,
                                .conv = {.co = 3, .k = 9, .pad = 4, .dense = true}};
        T_CHECK(run_shape((uint64_t)w, &s, "conv lanes"), "refused");
    }
}

static void test_nested(void)
{
    static const int64_t kernels[][2] = {{9, 9}, {8, 9}, {6, 6}, {5, 5}, {5, 6}, {9, 6}},
                         outs[] = {16, 17, 32, 33, 48}, widths[] = {3, 4, 10, 11, 23, 40};
    int32_t ran = 0;
    for (uint64_t k = 0; k < 60; k++) {
        struct gg b = {.seed = 300 + k};
        const int64_t *kernel = kernels[k % 6];
        struct shape s = {.n = 1 + gg_below(&b, 2), .ci = 1 + gg_below(&b, 4),
                          .h = kernel[0] + 4 + gg_below(&b, 50),
                          .w = kernel[1] + 5 + GG_PICK(&b, widths),
                          .pad_by = k % 3 ? gg_below(&b, 5) : 0,
                          .conv = {.co = GG_PICK(&b, outs), .k = kernel[0], .kw = kernel[1],
                                   .dense = true},
                          .then_conv = k % 5 == 0};
        random_conv(&b, &s.conv);
        ran += run_shape(k, &s, "nested winograd");
    }
    T_CHECK(ran == 60, "%d of 60 ran", (int)ran);
    for (int64_t w = 110; w <= 115; w++) { /* about the edges of chunks */
        const struct shape s = {.n = 1, .ci = 3, .h = 9, .w = w, .pad_by = 4,
                                .conv = {.co = 16, .k = 9, .dense = true}};
        T_CHECK(run_shape((uint64_t)w, &s, "nested winograd"), "refused");
    }
}

/* A value that others read too, or that a convolution makes, is no plane of theirs. */
static void test_others_read(void)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu},
        {.backend = &syn_backend_cpu, .self = cpu, .bf16 = true}};
    for (int form = 0; form < 4; form++) {
        struct gg b;
        gg_new(&b, 500 + (uint64_t)form);
        int32_t x = gg_input(&b, 1, 3, 20, 24);
        if (form == 1) x = gg_conv(&b, x, &(struct gg_conv){.co = 3, .k = 3, .pad = 1});
        gg_output(&b, gg_conv(&b, x, &(struct gg_conv){.co = 16, .k = 9, .pad = 4, .dense = true}));
        if (form == 2) gg_output(&b, gg_conv(&b, x, &(struct gg_conv){.co = 5, .k = 3, .pad = 1}));
        if (form == 3) gg_output(&b, gg_node1(&b, SYN_OP_RELU, x));
        gg_check_all(&b, how, 2, "others read it");
        gg_free(&b);
    }
}

/* As many groups as channels; strides, dilations, residuals; widths about pieces of seven pixels. */
static void test_depthwise(void)
{
    static const int64_t channels[] = {2, 3, 15, 16, 17, 32, 33, 96}, widths[] = {1, 6, 7, 8, 13, 30};
    int32_t ran = 0;
    for (uint64_t k = 0; k < 64; k++) {
        struct gg b = {.seed = 600 + k};
        const int64_t c = channels[k % 8];
        struct shape s = {.n = 1 + gg_below(&b, 2), .ci = c, .h = 3 + gg_below(&b, 12),
                          .w = 3 + GG_PICK(&b, widths),
                          .conv = {.co = c, .group = c, .k = 1 + gg_below(&b, 3),
                                   .kw = 1 + gg_below(&b, 3), .stride = 1 + gg_below(&b, 3),
                                   .stride_w = 1 + gg_below(&b, 2), .dil = 1 + gg_below(&b, 2),
                                   .dense = true},
                          .then_conv = k % 3 == 0};
        random_conv(&b, &s.conv);
        for (int32_t grow = 0; grow < 8; grow += 2) {
            s.h += grow, s.w += grow;
            if (run_shape(k, &s, "depthwise")) {
                ran++;
                break;
            }
        }
    }
    T_CHECK(ran >= 60, "%d of 64 ran", (int)ran);
}

/* 3x3, which has a kernel of its own: every width about its pieces, both strides, with and without what
 * a clip alone does to the sums. */
static void test_depthwise_square(void)
{
    for (int64_t w = 1; w < 37; w++)
        for (int32_t form = 0; form < 4; form++) {
            const int64_t c = w % 5 ? 32 : 19;
            struct shape s = {.n = 1, .ci = c, .h = 4, .w = w,
                              .conv = {.co = c, .group = c, .k = 3, .stride = 1 + form % 2,
                                       .pads = {1, 1, 1, 1}, .dense = true},
                              .then_conv = w % 3 != 0};
            if (form % 2) s.conv.pads[0] = s.conv.pads[1] = 0;
            s.conv.act = form < 2 ? SYN_ACT_CLIP : SYN_ACT_LEAKY;
            s.conv.act_a = form < 2 ? -0.3 : 0.2, s.conv.act_b = 0.6;
            T_CHECK(run_shape((uint64_t)w, &s, "depthwise") || w < 3, "refused");
        }
}

/* A network whose ends are NHWC: its pictures are read and written where the caller has them. */
static void test_nhwc(void)
{
    static const int64_t in_perm[4] = {0, 3, 1, 2}, out_perm[4] = {0, 2, 3, 1};
    static const int64_t sizes[][4] = {{1, 5, 7, 3}, {2, 9, 40, 1}, {1, 70, 70, 3}, {1, 3, 65, 33}};
    const struct syn_attr in_attr = syn_attr_of_ints("perm", 4, in_perm),
                          out_attr = syn_attr_of_ints("perm", 4, out_perm);
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = "nhwc rows"},
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = "nhwc rows", .bf16 = true}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int form = 0; form < 4; form++) { /* 1: others read the input too; 2: a wide result;
                                                  * 3: strides, whose picture lies in fours */
            struct gg b;
            int32_t x, y;
            gg_new(&b, 700 + k);
            x = gg_input(&b, sizes[k][0], sizes[k][1], sizes[k][2], sizes[k][3]);
            y = gg_node(&b, SYN_OP_TRANSPOSE, 1, &x, 1, &in_attr);
            if (form == 1) gg_output(&b, gg_node1(&b, SYN_OP_RELU, x));
            y = gg_conv(&b, y, &(struct gg_conv){.co = form >= 2 ? 40 : 3, .k = 3, .pad = 1,
                                                 .stride = form == 3 ? 2 : 1, .dense = true});
            gg_output(&b, gg_node(&b, SYN_OP_TRANSPOSE, 1, &y, 1, &out_attr));
            gg_check_all(&b, how, 2, "nhwc");
            gg_free(&b);
        }
}

static void test_all(const char *only)
{
    if (!only || strcmp(only, "own") != 0) return; /* oneDNN has none of these */
    test_lanes();
    test_nested();
    test_others_read();
    test_depthwise();
    test_depthwise_square();
    test_nhwc();
}

int main(void)
{
    if (__builtin_cpu_supports("avx512bf16")) gg_each_cpu(&cpu, 3, test_all);
    return t_report();
}
