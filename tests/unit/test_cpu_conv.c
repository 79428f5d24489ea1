/* test_cpu_conv.c - convolutions of the CPU backend against the references: every class of shape, in f32 and
 * in bf16, alone and as parts of networks whose values lie in frames and in concat views.
 *
 * Each case runs twice over a workspace full of NaN between guard words (tests/graph_gen.h has the
 * bounds), by our kernels and by oneDNN, as far as this build and CPU have them. */
#include "tests/graph_gen.h"

static void *cpu;

/* b's graph on the CPU backend in both precisions: by the row kernels alone, and by what else fits
 * (Winograd's algorithm, pixels in lanes). */
static void check(struct gg *b, const char *what)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .no_winograd = true, .no_lanes = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_winograd = true, .no_lanes = true,
         .bf16 = true},
        {.backend = &syn_backend_cpu, .self = cpu},
        {.backend = &syn_backend_cpu, .self = cpu, .bf16 = true}};
    bool others = false; /* else the switches change nothing */
    for (int32_t i = 0; i < b->g->n_nodes; i++) {
        const struct syn_shape *w = &b->g->value[b->g->node[i].in[1]].shape;
        others |= w->dim[2] == 3 || w->dim[0] <= 8;
    }
    gg_check_all(b, how, others ? 4 : 2, what);
}

/* One convolution of a picture [n,ci,h,w]; skipped (false) when the shape is refused. */
static bool one_conv(uint64_t seed, int64_t n, int64_t ci, int64_t h, int64_t w, struct gg_conv s,
                     int32_t n_res)
{
    struct gg b;
    char what[200];
    int32_t x, y;
    s.dense = true;
    gg_new(&b, seed);
    x = gg_input(&b, n, ci, h, w);
    y = gg_conv(&b, x, &s);
    if (y < 0) {
        gg_free(&b);
        return false;
    }
    if (n_res >
        0) { /* the residuals have the output's shape, known now: build it again with them as inputs */
        const struct syn_shape shape = *gg_shape(&b, y);
        gg_free(&b);
        gg_new(&b, seed);
        x = gg_input(&b, n, ci, h, w);
        s.res1 = 1 + gg_input(&b, shape.dim[0], shape.dim[1], shape.dim[2], shape.dim[3]);
        if (n_res > 1)
            s.res2 = 1 + gg_input(&b, shape.dim[0], shape.dim[1], shape.dim[2], shape.dim[3]);
        y = gg_conv(&b, x, &s);
    }
    gg_output(&b, y);
    snprintf(what, sizeof what,
             "%s [%d,%d,%d,%d] co %d k %dx%d s %d,%d d %d,%d p %d,%d,%d,%d g %d act %d res %d op "
             "%d seed %d",
             s.transposed ? "deconv" : "conv", (int)n, (int)ci, (int)h, (int)w, (int)s.co, (int)s.k,
             (int)(s.kw ? s.kw : s.k), (int)s.stride, (int)s.stride_w, (int)s.dil, (int)s.dil_w,
             (int)(s.pad ? s.pad : s.pads[0]), (int)s.pads[1], (int)s.pads[2], (int)s.pads[3],
             (int)s.group, s.act, (int)n_res, (int)s.out_pad, (int)seed);
    check(&b, what);
    gg_free(&b);
    return true;
}

static void set_act(struct gg_conv *s, int act)
{
    s->act = act;
    s->act_a = act == SYN_ACT_CLIP ? -0.3 : 0.2;
    s->act_b = act == SYN_ACT_CLIP ? 0.6 : 0;
}

/* Every pair of channel counts, on either side of each block edge; sizes rotate through the list. */
static void test_channels(void)
{
    static const int64_t counts[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 64, 80},
                         widths[] = {1, 2, 7, 13, 14, 15, 29, 5, 31};
    const int32_t n = sizeof counts / sizeof *counts;
    int32_t ran = 0;
    for (int32_t i = 0; i < n; i++)
        for (int32_t o = 0; o < n; o++) {
            const int32_t k = i * n + o;
            const int64_t w = counts[i] * counts[o] > 2500 ? 1 + k % 6 : widths[k % 9],
                          h = 1 + k % 4;
            struct gg_conv s = {.co = counts[o], .k = 3, .pad = 1};
            set_act(&s, k % SYN_ACT_COUNT);
            ran += one_conv((uint64_t)k, 1, counts[i], h, w, s, 0);
        }
    T_CHECK(ran == n * n, "%d of %d ran", (int)ran, (int)(n * n));
}

/* Kernels 1..5 both ways, strides 1..3, dilations, pads of four sizes, small channel counts. */
static void test_kernels(void)
{
    static const int64_t counts[] = {1, 3, 4, 16, 17, 20, 33};
    int32_t ran = 0;
    uint64_t seed = 1000;
    for (int64_t kh = 1; kh <= 5; kh++)
        for (int64_t kw = 1; kw <= 5; kw++)
            for (int64_t stride = 1; stride <= 3; stride++, seed++) {
                struct gg b = {.seed = seed};
                struct gg_conv s = {.k = kh,
                                    .kw = kw,
                                    .stride = stride,
                                    .stride_w = 1 + gg_below(&b, 3),
                                    .dil = 1 + gg_below(&b, 3),
                                    .dil_w = 1 + gg_below(&b, 2),
                                    .bare = gg_below(&b, 4) == 0};
                const int64_t ci = GG_PICK(&b, counts), h = 1 + gg_below(&b, 12),
                              w = 1 + gg_below(&b, 17);
                s.co = GG_PICK(&b, counts);
                if (gg_below(&b, 4) == 0) s.stride_w = stride;
                for (int32_t p = 0; p < 4; p++) s.pads[p] = gg_below(&b, 5);
                set_act(&s, (int)gg_below(&b, SYN_ACT_COUNT));
                for (int32_t grow = 0; grow < 12;
                     grow += 3) /* a small picture may not hold the window */
                    if (one_conv(seed, 1 + gg_below(&b, 2), ci, h + grow, w + grow, s,
                                 (int32_t)gg_below(&b, 3))) {
                        ran++;
                        break;
                    }
            }
    T_CHECK(ran == 75, "%d of 75 ran", (int)ran);
}

/* Every width up to two pieces of 28 pixels and past them, one and two output blocks, strides 1 and 2. */
static void test_widths(void)
{
    int32_t ran = 0;
    for (int64_t w = 1; w <= 60; w++)
        for (int64_t co = 16; co <= 48; co += 16) {
            struct gg_conv s = {.co = co,
                                .k = 1 + 2 * (w % 2),
                                .pad = w % 2,
                                .stride = 1 + (co == 32 && w % 3 == 0)};
            ran +=
                one_conv((uint64_t)(2000 + w * 3 + co), 1, w % 3 == 0 ? 3 : 16, 1 + w % 2, w, s, 0);
        }
    T_CHECK(ran == 180, "%d of 180 ran", (int)ran);
}

/* Tiles of 2x2 outputs in chunks of 56: odd sizes, one tile more or less than a chunk, unequal pads, two
 * pictures, all epilogues. */
static void test_winograd(void)
{
    static const int64_t ins[] = {32, 33, 47, 48, 64}, outs[] = {16, 17, 32, 33, 48},
                         widths[] = {8, 9, 15, 16, 27, 31},
                         chunks[] = {109, 110, 111, 112, 113, 114, 115, 223, 224, 225, 226};
    for (uint64_t k = 0; k < 45; k++) {
        struct gg b = {.seed = 2500 + k};
        const bool wide = k < 11;
        struct gg_conv s = {
            .co = wide ? 16 : GG_PICK(&b, outs), .k = 3, .pad = k % 3 == 0, .bare = k % 5 == 0};
        for (int32_t p = 0; p < 4; p++) s.pads[p] = gg_below(&b, 4);
        set_act(&s, (int)(k % SYN_ACT_COUNT));
        T_CHECK(one_conv(2500 + k, wide ? 1 : 1 + gg_below(&b, 2), wide ? 32 : GG_PICK(&b, ins),
                         (wide ? 4 : 6) + gg_below(&b, 4),
                         wide ? chunks[k] : 2 + GG_PICK(&b, widths), s,
                         wide ? 0 : (int32_t)(k / 6 % 3)),
                "refused");
    }
}

/* Each activation with no, one and two residuals; alpha, beta1, beta2 other than one; few and many channels. */
static void test_epilogues(void)
{
    static const int64_t counts[] = {3, 16, 33};
    for (int act = 0; act < SYN_ACT_COUNT; act++)
        for (int32_t res = 0; res <= 2; res++)
            for (int32_t c = 0; c < 3; c++) {
                struct gg_conv s = {.co = counts[c],
                                    .k = 3,
                                    .pad = 1,
                                    .alpha = 0.2,
                                    .beta1 = res ? -0.7 : 1,
                                    .beta2 = 1.3};
                set_act(&s, act);
                T_CHECK(one_conv((uint64_t)(3000 + act * 9 + res * 3 + c), 1 + c % 2, 17, 5, 15, s,
                                 res),
                        "refused");
            }
    /* bounds that leave zero out: channels past the last must not become the bound */
    struct gg_conv s = {.co = 5, .k = 3, .pad = 1, .act = SYN_ACT_CLIP, .act_a = 0.1, .act_b = 0.5};
    T_CHECK(one_conv(3100, 1, 5, 4, 6, s, 0), "refused");
    s.act_a = -0.5, s.act_b = -0.1;
    T_CHECK(one_conv(3101, 1, 5, 4, 6, s, 0), "refused");
}

static void test_transposed(void)
{
    static const struct {
        int64_t k, stride, pad, out_pad, dil;
    } forms[] = {{2, 2, 0, 0, 1}, {4, 2, 1, 0, 1}, {4, 2, 3, 0, 1}, {5, 3, 2, 1, 1},
                 {5, 3, 2, 2, 1}, {3, 1, 1, 0, 1}, {3, 2, 1, 1, 1}, {3, 2, 0, 1, 2},
                 {2, 3, 0, 2, 1}, {4, 4, 0, 3, 1}, {3, 5, 0, 0, 1}, {1, 2, 0, 1, 1},
                 {3, 1, 2, 0, 2}, {4, 2, 1, 1, 3}};
    static const int64_t counts[] = {1, 3, 16, 17, 33, 48},
                         sizes[] = {1, 2, 3, 5, 7, 14, 15, 28, 29};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        int32_t ran = 0;
        for (uint64_t k = 0; k < 8; k++) {
            struct gg b = {.seed = 4000 + 8 * f + k};
            struct gg_conv s = {.transposed = true,
                                .k = forms[f].k,
                                .stride = forms[f].stride,
                                .pad = forms[f].pad,
                                .out_pad = forms[f].out_pad,
                                .dil = forms[f].dil,
                                .co = GG_PICK(&b, counts)};
            const int64_t ci = GG_PICK(&b, counts), h = sizes[gg_below(&b, 6)],
                          w = GG_PICK(&b, sizes);
            set_act(&s, (int)gg_below(&b, SYN_ACT_COUNT));
            ran += one_conv(b.seed, 1 + gg_below(&b, 2), ci, h, w, s, 0);
        }
        T_CHECK(ran >= 3, "form %d: %d ran", (int)f, (int)ran);
    }
    struct gg_conv s = {.transposed = true,
                        .k = 4,
                        .kw = 3,
                        .stride = 2,
                        .stride_w = 3,
                        .pads = {1, 0, 2, 1},
                        .co = 20};
    T_CHECK(one_conv(4900, 1, 7, 6, 9, s, 0), "refused"); /* axes that differ, pads of four sizes */
}

/* Groups, depthwise among them; taps that reach further than any frame; a picture of one pixel. */
static void test_rare(void)
{
    const struct gg_conv forms[] = {{.co = 8, .k = 3, .pad = 1, .group = 8},
                                    {.co = 16, .k = 3, .pad = 1, .group = 2},
                                    {.co = 4, .k = 1, .group = 4},
                                    {.co = 5, .k = 5, .dil = 5, .pad = 10},
                                    {.co = 17, .k = 3, .dil = 9, .pad = 9},
                                    {.co = 16, .k = 3, .pads = {9, 0, 1, 12}},
                                    {.co = 6, .k = 3, .kw = 50, .pads = {1, 24, 1, 25}}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        T_CHECK(one_conv(5000 + f, 1, forms[f].group ? forms[f].group * 2 : 16, 7, 11, forms[f],
                         (int32_t)f % 2),
                "form %d refused", (int)f);
    const struct gg_conv deconv = {.co = 6, .k = 3, .group = 2, .transposed = true, .stride = 2};
    T_CHECK(one_conv(5100, 1, 4, 5, 3, deconv, 0), "refused");
    for (int64_t c = 1; c < 40; c += 15) {
        const struct gg_conv point = {.co = c, .k = 3, .pad = 1, .act = SYN_ACT_SIGMOID};
        T_CHECK(one_conv((uint64_t)(5200 + c), 1, 17, 1, 1, point, 0), "refused");
    }
}

/* Chains: each result is read by a convolution of another reach, so that its frame is wider than its own. */
static void test_chains(void)
{
    static const int64_t kernels[] = {1, 3, 5}, counts[] = {3, 16, 20, 33};
    for (uint64_t seed = 6000; seed < 6036; seed++) {
        struct gg b;
        char what[64];
        int32_t x, layers;
        gg_new(&b, seed);
        x = gg_input(&b, 1 + gg_below(&b, 2), GG_PICK(&b, counts), 3 + gg_below(&b, 9),
                     3 + gg_below(&b, 27));
        layers = 2 + (int32_t)gg_below(&b, 4);
        for (int32_t i = 0; i < layers; i++) {
            struct gg_conv s = {.co = GG_PICK(&b, counts),
                                .k = GG_PICK(&b, kernels),
                                .act = SYN_ACT_LEAKY,
                                .act_a = 0.2};
            s.pad = s.k / 2;
            s.dil = s.k == 3 && gg_below(&b, 3) == 0 ? s.pad = 2, 2 : 1;
            if (gg_below(&b, 6) == 0)
                s = (struct gg_conv){.transposed = true, .k = 4, .stride = 2, .pad = 1, .co = 16};
            if (i + 1 < layers && gg_below(&b, 5) == 0)
                gg_output(&b, x); /* also seen from outside */
            x = gg_conv(&b, x, &s);
            if (gg_shape(&b, x)->dim[3] > 60) break;
        }
        gg_output(&b, x);
        snprintf(what, sizeof what, "chain, seed %d", (int)seed);
        check(&b, what);
        gg_free(&b);
    }
}

/* --- concat views --------------------------------------------------------------------------------- */

/* Also with views off; the results must be the same numbers. */
static void check_views(struct gg *b, bool all_views, const char *what)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .want_not = all_views ? "concat rows" : NULL},
        {.backend = &syn_backend_cpu,
         .self = cpu,
         .bf16 = true,
         .want_not = all_views ? "concat rows" : NULL},
        {.backend = &syn_backend_cpu, .self = cpu, .no_views = true, .want_impl = "concat rows"},
        {.backend = &syn_backend_cpu, .self = cpu, .no_share = true},
    };
    gg_check_all(b, how, all_views ? 4 : 2, what);
    gg_free(b);
}
static int32_t conv_to(struct gg *b, int32_t x, int64_t co)
{
    return gg_conv(
        b, x, &(struct gg_conv){.co = co, .k = 3, .pad = 1, .act = SYN_ACT_LEAKY, .act_a = 0.2});
}
static int32_t concat(struct gg *b, int32_t n, const int32_t *in)
{
    return gg_node(b, SYN_OP_CONCAT, n, in, 0, NULL);
}

/* The block of ESRGAN: four convolutions, each reading all before it, and a fifth with the residual. */
static int32_t dense_block(struct gg *b, int32_t x, int64_t grow)
{
    int32_t part[6] = {x}, y;
    for (int32_t i = 1; i <= 4; i++) part[i] = conv_to(b, i == 1 ? x : concat(b, i, part), grow);
    y = gg_conv(b, concat(b, 5, part),
                &(struct gg_conv){.co = gg_shape(b, x)->dim[1], .k = 3, .pad = 1});
    return gg_sum(b, y, x, 0.2, 1);
}

static void test_dense_blocks(void)
{
    for (int32_t blocks = 1; blocks <= 3; blocks++) {
        struct gg b;
        int32_t x, first;
        gg_new(&b, (uint64_t)(7000 + blocks));
        x = first = conv_to(&b, gg_input(&b, 1, 3, 6, 15), 32);
        for (int32_t i = 0; i < blocks; i++) x = dense_block(&b, x, 16);
        x = gg_sum(&b, x, first, 0.2, 1);
        gg_output(&b, conv_to(&b, x, 3));
        check_views(&b, true, "dense blocks");
    }
}

/* Where a concat cannot be only views, or only partly: each must still hold the right numbers. */
static void test_mixed_concats(void)
{
    for (int32_t form = 0; form < 14; form++) {
        struct gg b;
        char what[48];
        int32_t x, a, c, d, y, z;
        gg_new(&b, (uint64_t)(7100 + form));
        x = gg_input(&b, form == 11 ? 2 : 1, form == 1 ? 32 : 3, 5, 9);
        a = conv_to(&b, x, 16), c = conv_to(&b, a, 32), d = conv_to(&b, c, 16);
        switch (form) {
        case 0: y = concat(&b, 3, (int32_t[]){a, a, c}); break; /* an operand twice */
        case 1: y = concat(&b, 2, (int32_t[]){x, a}); break;    /* a graph input */
        case 2: gg_output(&b, a), y = concat(&b, 2, (int32_t[]){c, a}); break; /* a graph output */
        case 3:
            y = concat(&b, 3, (int32_t[]){a, conv_to(&b, c, 17), d});
            break; /* no multiple of 16 */
        case 4: y = concat(&b, 3, (int32_t[]){a, c, conv_to(&b, c, 5)}); break; /* the same, last */
        case 5:
            y = concat(&b, 2, (int32_t[]){a, d}),
            z = concat(&b, 3, (int32_t[]){a, c, d}); /* not consecutive there */
            y = concat(&b, 2, (int32_t[]){y, z});
            break;
        case 6:
            y = concat(&b, 2, (int32_t[]){a, c}),
            z = concat(&b, 2, (int32_t[]){c, a}); /* two orders */
            y = gg_node2(&b, SYN_OP_ADD, conv_to(&b, y, 16), conv_to(&b, z, 16));
            break;
        case 7:
            y = concat(&b, 2, (int32_t[]){a, c}), y = concat(&b, 2, (int32_t[]){y, d});
            break; /* a concat of a concat */
        case 8:
            y = concat(&b, 2, (int32_t[]){c, d}), y = concat(&b, 2, (int32_t[]){a, y});
            break; /* the same at its end */
        case 9:
            y = concat(&b, 2, (int32_t[]){a, c}), gg_output(&b, y),
            y = concat(&b, 3, (int32_t[]){a, c, d});
            break;
        case 10: y = concat(&b, 2, (int32_t[]){a, c}); break; /* itself a graph output */
        case 11: y = concat(&b, 2, (int32_t[]){a, c}); break; /* two pictures */
        case 12:
            y = concat(&b, 2,
                       (int32_t[]){gg_node1(&b, SYN_OP_RELU, a), gg_node1(&b, SYN_OP_SIGMOID, c)});
            break;
        default: /* a tail, a middle and a beginning of one larger concat */
            z = concat(&b, 3, (int32_t[]){a, c, d});
            y = gg_node2(&b, SYN_OP_ADD, conv_to(&b, concat(&b, 2, (int32_t[]){c, d}), 16),
                         conv_to(&b, concat(&b, 2, (int32_t[]){a, c}), 16));
            y = gg_node2(&b, SYN_OP_ADD, y, conv_to(&b, z, 16));
        }
        gg_output(&b, form == 10 ? y : conv_to(&b, y, 16));
        snprintf(what, sizeof what, "concat, form %d", (int)form);
        check_views(&b, false, what);
    }
}

/* Values that grow side by side while others are read with wider reaches: one frame for the family. */
static void test_view_frames(void)
{
    struct gg b;
    int32_t x, a, c, y;
    gg_new(&b, 7200);
    x = conv_to(&b, gg_input(&b, 1, 3, 4, 7), 16);
    a = gg_conv(&b, x, &(struct gg_conv){.co = 16, .k = 5, .pad = 2});
    c = gg_conv(&b, a, &(struct gg_conv){.co = 16, .k = 3, .dil = 3, .pad = 3});
    y = concat(&b, 3, (int32_t[]){x, a, c});
    gg_output(&b, gg_conv(&b, y, &(struct gg_conv){.co = 3, .k = 1}));
    check_views(&b, true, "frames of a family");
}

/* --- rounding and NaN ----------------------------------------------------------------------------- */

/* A NaN among the weights or pixels reaches the output through every activation: it may not become the
 * bound of a clip or a zero. */
static void test_nan(void)
{
    for (int act = 0; act < SYN_ACT_COUNT; act++)
        for (int where = 0; where < 2; where++)
            for (int form = 0; form < 4; form++) {
                const struct gg_how how = {.backend = &syn_backend_cpu,
                                           .self = cpu,
                                           .bf16 = form & 1,
                                           .no_winograd = form & 2};
                struct gg_conv s = {.co = 16, .k = 3, .pad = 1, .dense = true};
                float *in[1], *out[1];
                int64_t nans = 0;
                struct gg b;
                gg_new(&b, 7300);
                set_act(&s, act);
                gg_output(&b, gg_conv(&b, gg_input(&b, 1, 32, 4, 9), &s));
                gg_make_inputs(&b, in);
                if (where) in[0][30] = NAN;
                else b.weights[0][5] = NAN;
                /* two runs must agree bit for bit, NaN included */
                if (gg_run(&b, &how, in, out, "NaN")) {
                    for (int64_t i = 0; i < 16 * 4 * 9; i++) nans += isnan(out[0][i]) != 0;
                    T_CHECK(nans >= 4, "act %d, NaN in %s, form %d: %d NaN come out", act,
                            where ? "the picture" : "the weights", form, (int)nans);
                    free(out[0]);
                }
                free(in[0]);
                gg_free(&b);
            }
}

/* Our kernels give the same bits whatever the number of threads. */
static void test_threads_agree(void)
{
    struct gg b;
    float *in[1], *want[1] = {NULL}, *got[1];
    gg_new(&b, 7400);
    gg_output(&b, conv_to(&b, dense_block(&b, conv_to(&b, gg_input(&b, 1, 3, 23, 31), 32), 16), 3));
    gg_make_inputs(&b, in);
    for (int32_t threads = 1; threads <= 5; threads += 2) {
        const struct gg_how how = {.backend = &syn_backend_cpu,
                                   .self = gg_open_cpu(threads, "own")};
        if (gg_run(&b, &how, in, got, "threads")) {
            if (threads == 1) want[0] = got[0];
            else {
                T_CHECK(memcmp(want[0], got[0], 3 * 23 * 31 * sizeof(float)) == 0,
                        "%d threads: other bits than one", (int)threads);
                free(got[0]);
            }
        }
        syn_backend_cpu.close(how.self);
    }
    free(want[0]);
    free(in[0]);
    gg_free(&b);
}

/* Which kernels ran is part of the contract: a shape that falls to the reference by accident is right and
 * a thousand times slower. */
static void test_takes(void)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .want_not = "reference"},
        {.backend = &syn_backend_cpu,
         .self = cpu,
         .bf16 = true,
         .want_not = "reference",
         .want_impl = "winograd"}};
    struct gg b;
    if (!__builtin_cpu_supports("avx512bf16")) return; /* f32 alone has kernels of ours here */
    gg_new(&b, 7500);
    int32_t x = conv_to(&b, gg_input(&b, 1, 3, 9, 11), 16);
    x = gg_conv(&b, x, &(struct gg_conv){.co = 24, .k = 3, .act = SYN_ACT_PRELU});
    x = gg_conv(&b, x, &(struct gg_conv){.co = 32, .k = 2, .stride = 2});
    x = gg_conv(&b, x,
                &(struct gg_conv){.co = 16, .k = 4, .stride = 2, .pad = 1, .transposed = true});
    x = gg_conv(
        &b, x,
        &(struct gg_conv){.co = 16, .k = 3, .dil = 2, .pad = 2, .act = SYN_ACT_CLIP, .act_b = 1});
    x = conv_to(&b, conv_to(&b, x, 32), 16);
    gg_output(&b, gg_conv(&b, x, &(struct gg_conv){.co = 3, .k = 1}));
    gg_check_all(&b, how, 2, "kernels taken");
    gg_free(&b);
}

static void test_all(const char *only)
{
    test_channels();
    test_kernels();
    test_widths();
    test_winograd();
    test_epilogues();
    test_transposed();
    test_rare();
    test_chains();
    test_dense_blocks();
    test_mixed_concats();
    test_view_frames();
    test_nan();
    if (!only || strcmp(only, "own") != 0) return;
    test_threads_agree();
    test_takes();
}

int main(void)
{
    gg_each_cpu(&cpu, 3, test_all);
    return t_report();
}
