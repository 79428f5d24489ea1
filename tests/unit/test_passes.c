/* test_passes.c - rewrite passes: on = off over random networks, each fires where it should and nowhere else,
 * and the phase weights give the same pictures up to the borders. */
#include "tests/graph_gen.h"

static const unsigned EACH[] = {SYN_PASS_FOLD, SYN_PASS_FUSE_CONV, SYN_PASS_PHASES};
#define ALL (SYN_PASS_FOLD | SYN_PASS_FUSE_CONV | SYN_PASS_PHASES)

/* Live nodes of one kind after passes; id = SYN_OP_COUNT: all of them. The graph stays as it was. */
static int32_t count_after(const struct gg *b, unsigned passes, syn_op_id id)
{
    struct syn_graph *g = NULL;
    struct syn_err err = {""};
    int32_t n = 0;
    syn_status st = syn_graph_copy(b->g, &g, &err);
    if (st == SYN_OK) st = gg_passes(g, passes, &err);
    T_CHECK(st == SYN_OK, "passes: %s", err.text);
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++)
        n += g->node[i].op && (id == SYN_OP_COUNT || g->node[i].id == id);
    syn_graph_free(g);
    return n;
}

/* Ends the network: results with each pass alone and with all equal those without; `left` nodes of `id` stay. */
static void expect(struct gg *b, int32_t y, unsigned pass, syn_op_id id, int32_t left,
                   const char *what)
{
    const struct gg_how how[] = {{.backend = &syn_backend_ref, .passes = pass},
                                 {.backend = &syn_backend_ref, .passes = ALL}};
    T_CHECK(y >= 0, "%s: %s", what, b->err.text);
    if (y >= 0) {
        gg_output(b, y);
        gg_check_all(b, how, 2, what);
        int32_t n = count_after(b, pass, id);
        T_CHECK(n == left, "%s: %d nodes left, expected %d", what, (int)n, (int)left);
    }
    gg_free(b);
}

static int32_t start(struct gg *b, uint64_t seed, int64_t c)
{
    gg_new(b, seed);
    return gg_input(b, 1, c, 7, 9);
}
static int32_t conv3(struct gg *b, int32_t x, int64_t co)
{
    return gg_conv(b, x, &(struct gg_conv){.co = co, .k = 3, .pad = 1});
}

static void test_random(void)
{
    int32_t before = 0, after[4] = {0};
    for (uint64_t seed = 0; seed < 150; seed++) {
        const struct gg_how how[] = {{.backend = &syn_backend_ref, .passes = EACH[0]},
                                     {.backend = &syn_backend_ref, .passes = EACH[1]},
                                     {.backend = &syn_backend_ref, .passes = EACH[2]},
                                     {.backend = &syn_backend_ref, .passes = ALL}};
        char what[48];
        struct gg b;
        gg_random(&b, seed + 500, 6 + (int32_t)(seed % 16));
        snprintf(what, sizeof what, "network, seed %d", (int)seed);
        gg_check_all(&b, how, 4, what);
        before += count_after(&b, 0, SYN_OP_COUNT);
        for (int32_t k = 0; k < 4; k++) after[k] += count_after(&b, how[k].passes, SYN_OP_COUNT);
        gg_free(&b);
    }
    /* if a pass found nothing to do in 150 networks, the comparisons above proved nothing */
    T_CHECK(after[0] < before && after[1] < before && after[2] < before && after[3] < after[0],
            "%d nodes, then %d %d %d %d", (int)before, (int)after[0], (int)after[1], (int)after[2],
            (int)after[3]);
}

/* --- folding ---------------------------------------------------------------------------------------- */

static void test_fold(void)
{
    const int64_t same[4] = {0, 0, -1, 9}, none[4] = {0, 0, 0, 0};
    const struct syn_attr dims = syn_attr_of_ints("dims", 4, same),
                          pads = syn_attr_of_ints("pads", 4, none);
    const struct syn_shape vector = syn_shape4(1, 5, 1, 1), small = syn_shape4(1, 5, 7, 9);
    struct gg b;
    int32_t x = start(&b, 1, 5);
    x = gg_node1(&b, SYN_OP_IDENTITY, x);
    x = gg_node(&b, SYN_OP_RESHAPE, 1, &x, 1, &dims);
    x = gg_crop(&b, x, 0, 0, 0, 0);
    x = gg_node(&b, SYN_OP_PAD, 1, &x, 1, &pads);
    x = gg_node(&b, SYN_OP_CONCAT, 1, &x, 0, NULL);
    expect(&b, gg_node1(&b, SYN_OP_RELU, x), SYN_PASS_FOLD, SYN_OP_COUNT, 1, "identities");

    x = start(&b, 2, 5);
    expect(&b, gg_node1(&b, SYN_OP_IDENTITY, x), SYN_PASS_FOLD, SYN_OP_COUNT, 0,
           "the whole network is an identity");

    x = start(&b, 3, 5); /* constants through three nodes, f32 arithmetic of the reference */
    int32_t k =
        gg_node2(&b, SYN_OP_ADD, gg_uniform(&b, &vector, -1, 1), gg_uniform(&b, &small, -1, 1));
    k = gg_node1(&b, SYN_OP_SIGMOID, gg_node1(&b, SYN_OP_RELU, k));
    expect(&b, gg_node2(&b, SYN_OP_MUL, x, k), SYN_PASS_FOLD, SYN_OP_COUNT, 1, "constants");

    x = start(&b, 4,
              5); /* not an identity: another window of the same size can't be, nor a shifted one */
    expect(&b, gg_crop(&b, x, 1, 0, 0, 0), SYN_PASS_FOLD, SYN_OP_CROP, 1, "a crop of one row");

    x = start(&b, 5, 1);
    const int64_t swapped[4] = {1, 1, 9, 7};
    const struct syn_attr to = syn_attr_of_ints("dims", 4, swapped);
    expect(&b, gg_node(&b, SYN_OP_RESHAPE, 1, &x, 1, &to), SYN_PASS_FOLD, SYN_OP_RESHAPE, 1,
           "a reshape to another shape");

    x = start(&b, 6, 5); /* nodes that nobody reads go */
    (void)conv3(&b, gg_node1(&b, SYN_OP_SIGMOID, x), 16);
    expect(&b, gg_node1(&b, SYN_OP_RELU, x), SYN_PASS_FOLD, SYN_OP_COUNT, 1, "dead nodes");
}

/* f16 constants are widened exactly: 1.5, -2, 2^-24 (subnormal), 65504. */
static void test_fold_f16(void)
{
    static const uint16_t bits[4] = {0x3e00, 0xc000, 0x0001, 0x7bff};
    const int64_t four = 4;
    const struct syn_shape s = syn_shape_of(1, &four);
    struct syn_err err = {""};
    struct gg b;
    int32_t k;
    gg_new(&b, 7);
    T_CHECK(syn_graph_constant(b.g, "h", SYN_F16, &s, bits, &k, &err) == SYN_OK, "%s", err.text);
    k = gg_node1(&b, SYN_OP_IDENTITY, k);
    gg_output(&b, k);
    T_CHECK(syn_pass_fold(b.g, &err) == SYN_OK && b.g->value[k].data, "not folded: %s", err.text);
    if (b.g->value[k].data) {
        const float *v = b.g->value[k].data;
        T_CHECK(v[0] == 1.5f && v[1] == -2 && v[2] == 0x1p-24f && v[3] == 65504, "%g %g %g %g",
                (double)v[0], (double)v[1], (double)v[2], (double)v[3]);
    }
    gg_free(&b);
}

/* --- fusing into convolutions ---------------------------------------------------------------------------- */

static int32_t activation(struct gg *b, int32_t kind, int32_t x)
{
    const struct syn_shape slopes = syn_shape_of(1, &gg_shape(b, x)->dim[1]);
    const struct syn_attr leak = syn_attr_of_float("alpha", 0.2),
                          clip[] = {syn_attr_of_float("min", -0.1), syn_attr_of_float("max", 0.4)};
    return kind == 0   ? gg_node1(b, SYN_OP_RELU, x)
           : kind == 1 ? gg_node(b, SYN_OP_LEAKY_RELU, 1, &x, 1, &leak)
           : kind == 2 ? gg_node2(b, SYN_OP_PRELU, x, gg_uniform(b, &slopes, -0.3f, 0.9f))
           : kind == 3 ? gg_node1(b, SYN_OP_SIGMOID, x)
                       : gg_node(b, SYN_OP_CLIP, 1, &x, 2, clip);
}

static void test_fuse_fires(void)
{
    struct gg b;
    for (int32_t kind = 0; kind < 5; kind++)
        for (int32_t form = 0; form < 3; form++) { /* with bias, without, transposed */
            int32_t x = start(&b, 10 + (uint64_t)(kind * 3 + form), 6);
            x = gg_conv(&b, x,
                        &(struct gg_conv){
                            .co = 4, .k = 3, .pad = 1, .bare = form == 1, .transposed = form == 2});
            expect(&b, activation(&b, kind, x), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 1,
                   "convolution and activation");
        }
    for (int32_t side = 0; side < 2;
         side++) { /* conv + x, x + conv; weighted; after an activation; twice over */
        int32_t x = start(&b, 30, 6), y = conv3(&b, x, 6);
        expect(&b, side ? gg_node2(&b, SYN_OP_ADD, x, y) : gg_node2(&b, SYN_OP_ADD, y, x),
               SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 1, "residual");
        x = start(&b, 31, 6), y = activation(&b, 1, conv3(&b, x, 6));
        expect(&b, side ? gg_sum(&b, x, y, 0.7, -0.3) : gg_sum(&b, y, x, 0.2, 1),
               SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 1, "weighted residual");
        x = start(&b, 32, 6);
        int32_t z = gg_node1(&b, SYN_OP_SIGMOID, x);
        y = gg_sum(&b, activation(&b, 2, conv3(&b, x, 6)), x, 0.2, 0.9);
        y = side ? gg_sum(&b, z, y, 1.5, 0.4) : gg_sum(&b, y, z, 0.4, 1.5);
        expect(&b, y, SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2, "two residuals");
    }
    int32_t x = start(&b, 33, 6), y = conv3(&b, x, 6),
            z = conv3(&b, x, 6); /* both sides are convolutions: one of them takes it */
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, z), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "the sum of two convolutions");
    x = start(&b, 34, 6),
    y = conv3(&b, x, 6); /* the other operand is made after the convolution: the fused node moves */
    z = activation(&b, 3, gg_pool(&b, SYN_OP_AVERAGE_POOL, x, 1, 1));
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, z), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 3,
           "a residual made later");
    x = start(&b, 35,
              6); /* a dense block's tail: conv, 0.2 and the block's input, 0.2 and the group's */
    y = gg_sum(&b, conv3(&b, activation(&b, 0, conv3(&b, x, 8)), 6), x, 0.2, 1);
    y = gg_sum(&b, y, x, 0.2, 1);
    expect(&b, y, SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2, "the same residual twice");
}

static void test_fuse_refrains(void)
{
    const int64_t one = 1, three[3] = {6, 1, 1};
    const struct syn_shape shared = syn_shape_of(1, &one), long_slope = syn_shape_of(3, three);
    struct gg b;
    int32_t x = start(&b, 40, 6), y = conv3(&b, x, 6);
    y = gg_node2(&b, SYN_OP_MUL, activation(&b, 0, y), y);
    expect(&b, y, SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 3, "a convolution read twice");
    x = start(&b, 41, 6), y = conv3(&b, x, 6), gg_output(&b, y);
    expect(&b, activation(&b, 0, y), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "a convolution that is an output");
    x = start(&b, 42, 6), y = conv3(&b, x, 6);
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, y), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "a convolution added to itself");
    x = start(&b, 43, 6), y = conv3(&b, x, 6);
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, gg_node1(&b, SYN_OP_GLOBAL_AVERAGE_POOL, x)),
           SYN_PASS_FUSE_CONV, SYN_OP_ADD, 1, "a residual of another shape");
    x = start(&b, 44, 1), y = conv3(&b, x, 6);
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, x), SYN_PASS_FUSE_CONV, SYN_OP_ADD, 1,
           "a residual of one channel");
    x = start(&b, 45, 6), y = conv3(&b, x, 1);
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, x), SYN_PASS_FUSE_CONV, SYN_OP_ADD, 1,
           "a convolution that is broadcast");
    x = start(&b, 46, 6), y = conv3(&b, x, 6);
    expect(&b, gg_node2(&b, SYN_OP_PRELU, y, gg_uniform(&b, &shared, 0.1f, 0.3f)),
           SYN_PASS_FUSE_CONV, SYN_OP_PRELU, 1, "PReLU with one slope");
    x = start(&b, 47, 6), y = conv3(&b, x, 6);
    expect(&b, gg_node2(&b, SYN_OP_PRELU, y, gg_uniform(&b, &long_slope, 0.1f, 0.3f)),
           SYN_PASS_FUSE_CONV, SYN_OP_PRELU, 1, "PReLU with slopes [c,1,1]");
    x = start(&b, 48, 6), y = activation(&b, 1, conv3(&b, x, 6));
    expect(&b, activation(&b, 0, y), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2, "a second activation");
    x = start(&b, 49, 6), y = gg_node2(&b, SYN_OP_ADD, conv3(&b, x, 6), x);
    expect(&b, activation(&b, 0, y), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "an activation after a residual");
    x = start(&b, 50, 6),
    y = gg_conv(&b, x, &(struct gg_conv){.co = 6, .k = 3, .pad = 1, .alpha = 0.5});
    expect(&b, activation(&b, 3, y), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "an activation after a factor");
    x = start(&b, 51, 6),
    y = gg_conv(&b, x, &(struct gg_conv){.co = 6, .k = 3, .pad = 1, .transposed = true});
    expect(&b, gg_node2(&b, SYN_OP_ADD, y, x), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "a residual of a transposed convolution");
    x = start(&b, 52, 6), y = conv3(&b, x, 6);
    expect(&b, gg_node2(&b, SYN_OP_SUB, y, x), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2, "a difference");
    x = start(&b, 53, 6), y = conv3(&b, x, 6);
    const int32_t in[3] = {y, x, x};
    expect(&b, gg_node(&b, SYN_OP_SCALED_SUM, 3, in, 0, NULL), SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2,
           "a sum of three");
    x = start(&b, 54, 6), y = gg_sum(&b, conv3(&b, x, 6), x, 1, 1);
    y = gg_sum(&b, gg_sum(&b, y, x, 0.5, 1), x, 0.3, 1);
    expect(&b, y, SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 2, "a third residual");
}

/* --- pixel shuffle with an enlarged residual ---------------------------------------------------------- */

static void test_fuse_shuffle(void)
{
    static const struct {
        int64_t r;
        double scale;
        int mode, coord, round, left;
    } forms[] = {{2, 2, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 1},
                 {3, 3, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 1},
                 {4, 4, SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL, SYN_ROUND_PREFER_FLOOR, 1},
                 {3, 3, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_PREFER_FLOOR,
                  3}, /* 2/3 rounds up */
                 {2, 2, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_CEIL, 3},
                 {2, 2, SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL, SYN_ROUND_FLOOR, 3},
                 {2, 2, SYN_RESIZE_NEAREST, SYN_COORD_ALIGN_CORNERS, SYN_ROUND_FLOOR, 3},
                 {2, 2, SYN_RESIZE_BILINEAR, SYN_COORD_HALF_PIXEL, SYN_ROUND_FLOOR, 3}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++)
        for (int32_t side = 0; side < 2; side++) {
            struct gg b;
            const int32_t x = start(&b, 60 + f, 3),
                          feature = gg_conv(
                              &b, x, &(struct gg_conv){.co = 3 * forms[f].r * forms[f].r, .k = 1});
            const int32_t up =
                gg_resize(&b, x, forms[f].mode, forms[f].coord, forms[f].round, forms[f].scale);
            const int32_t s = gg_int(&b, SYN_OP_PIXEL_SHUFFLE, feature, "r", forms[f].r);
            char what[64];
            snprintf(what, sizeof what, "shuffle and enlarged residual, form %d", (int)f);
            expect(&b, side ? gg_node2(&b, SYN_OP_ADD, up, s) : gg_node2(&b, SYN_OP_ADD, s, up),
                   SYN_PASS_FUSE_CONV, SYN_OP_COUNT, 1 + forms[f].left, what);
        }
    struct gg b; /* either half read by somebody else */
    for (int32_t form = 0; form < 2; form++) {
        const int32_t x = start(&b, 70, 3),
                      s = gg_int(&b, SYN_OP_PIXEL_SHUFFLE,
                                 gg_conv(&b, x, &(struct gg_conv){.co = 12}), "r", 2);
        const int32_t up =
            gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
        gg_output(&b, form ? up : s);
        expect(&b, gg_node2(&b, SYN_OP_ADD, s, up), SYN_PASS_FUSE_CONV, SYN_OP_ADD, 1,
               "half a pair read twice");
    }
}

/* --- phases -------------------------------------------------------------------------------------------- */

/* Exact to rounding at every pixel, borders included: sizes 1 and up, where borders are everything. */
static void test_phases_fire(void)
{
    static const struct {
        int coord, round;
    } same[] = {{SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR},
                {SYN_COORD_ASYMMETRIC, SYN_ROUND_PREFER_FLOOR},
                {SYN_COORD_HALF_PIXEL, SYN_ROUND_PREFER_FLOOR},
                {SYN_COORD_HALF_PIXEL, SYN_ROUND_PREFER_CEIL}};
    for (int64_t h = 1; h <= 4; h++)
        for (int64_t w = 1; w <= 5; w++)
            for (int act = 0; act < SYN_ACT_COUNT; act++) {
                const size_t f = (size_t)(h + w + act) % 4;
                struct gg b;
                gg_new(&b, 80 + (uint64_t)(h * 40 + w * 6 + act));
                int32_t x = gg_input(&b, 1 + w % 2, 3, h, w);
                x = gg_resize(&b, x, SYN_RESIZE_NEAREST, same[f].coord, same[f].round, 2);
                x = gg_conv(&b, x,
                            &(struct gg_conv){.co = 4,
                                              .k = 3,
                                              .pad = 1,
                                              .act = act,
                                              .act_a = 0.1,
                                              .act_b = 0.5,
                                              .dense = true,
                                              .bare = w == 3});
                expect(&b, x, SYN_PASS_PHASES, SYN_OP_COUNT, 1, "nearest-2x and 3x3");
            }
    struct gg b; /* twice in a row, then a residual that is fused first: no phases there */
    int32_t x = start(&b, 90, 4);
    for (int32_t i = 0; i < 2; i++)
        x = activation(
            &b, 1,
            conv3(&b,
                  gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2),
                  4));
    T_CHECK(count_after(&b, 0, SYN_OP_COUNT) == 6, "6 nodes to begin with");
    expect(&b, x, ALL, SYN_OP_CONV_TRANSPOSE, 2, "twice enlarged");
}

static void test_phases_refrain(void)
{
    static const struct {
        int mode, coord, round;
        double scale;
    } resizes[] = {{SYN_RESIZE_NEAREST, SYN_COORD_ALIGN_CORNERS, SYN_ROUND_PREFER_FLOOR, 2},
                   {SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_CEIL, 2},
                   {SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_PREFER_CEIL, 2},
                   {SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL, SYN_ROUND_FLOOR, 2},
                   {SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL, SYN_ROUND_CEIL, 2},
                   {SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 3},
                   {SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 1},
                   {SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL, SYN_ROUND_PREFER_FLOOR, 1.5},
                   {SYN_RESIZE_BILINEAR, SYN_COORD_HALF_PIXEL, SYN_ROUND_FLOOR, 2},
                   {SYN_RESIZE_BICUBIC, SYN_COORD_HALF_PIXEL, SYN_ROUND_FLOOR, 2}};
    static const struct gg_conv convs[] = {{.co = 4, .k = 3},
                                           {.co = 4, .k = 3, .pads = {1, 1, 1, 0}},
                                           {.co = 4, .k = 3, .pad = 2},
                                           {.co = 4, .k = 3, .pad = 1, .stride = 2},
                                           {.co = 4, .k = 3, .pad = 2, .dil = 2},
                                           {.co = 4, .k = 5, .pad = 2},
                                           {.co = 4, .k = 1},
                                           {.co = 4, .k = 3, .kw = 1, .pads = {1, 0, 1, 0}},
                                           {.co = 4, .k = 3, .pad = 1, .group = 2},
                                           {.co = 4, .k = 3, .pad = 1, .alpha = 0.5},
                                           {.co = 4, .k = 3, .pad = 1, .transposed = true}};
    struct gg b;
    int32_t x, up;
    for (size_t i = 0; i < sizeof resizes / sizeof *resizes; i++) {
        x = start(&b, 200 + i, 4);
        x = gg_resize(&b, x, resizes[i].mode, resizes[i].coord, resizes[i].round, resizes[i].scale);
        expect(&b, conv3(&b, x, 4), SYN_PASS_PHASES, SYN_OP_RESIZE, 1, "another enlargement");
    }
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        x = start(&b, 220 + i, 4);
        x = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
        expect(&b, gg_conv(&b, x, &convs[i]), SYN_PASS_PHASES, SYN_OP_RESIZE, 1,
               "another convolution");
    }
    x = start(&b, 240, 4),
    up = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
    expect(&b, gg_node2(&b, SYN_OP_MUL, conv3(&b, up, 4), up), SYN_PASS_PHASES, SYN_OP_RESIZE, 1,
           "an enlarged picture read twice");
    x = start(&b, 241, 4),
    up = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
    gg_output(&b, up);
    expect(&b, conv3(&b, up, 4), SYN_PASS_PHASES, SYN_OP_RESIZE, 1,
           "an enlarged picture that is an output");
    x = start(&b, 242, 4),
    up = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
    up = gg_conv(&b, up, &(struct gg_conv){.co = 4, .k = 3, .pad = 1, .res1 = up + 1});
    expect(&b, up, SYN_PASS_PHASES, SYN_OP_RESIZE, 1, "a residual");
}

/* The kernel by hand: weights 1..9, one channel. Along each axis [w2, w1+w2, w0+w1, w0]. */
static void test_phase_weights(void)
{
    static const float want[16] = {9, 17, 15, 7, 15, 28, 24, 11, 9, 16, 12, 5, 3, 5, 3, 1};
    const struct syn_shape one = syn_shape4(1, 1, 3, 3);
    const int64_t pads[4] = {1, 1, 1, 1};
    const struct syn_attr attr = syn_attr_of_ints("pads", 4, pads);
    float *w = t_alloc(9 * sizeof *w);
    struct gg b;
    int32_t in[2], y, at = -1;
    for (int i = 0; i < 9; i++) w[i] = (float)(i + 1);
    (void)start(&b, 300, 1);
    in[0] = gg_resize(&b, 0, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
    in[1] = gg_constant(&b, &one, w);
    y = gg_node(&b, SYN_OP_CONV, 2, in, 1, &attr);
    gg_output(&b, y);
    T_CHECK(syn_pass_phases(b.g, &b.err) == SYN_OK, "%s", b.err.text);
    for (int32_t i = 0; i < b.g->n_nodes; i++)
        if (b.g->node[i].op && b.g->node[i].id == SYN_OP_CONV_TRANSPOSE) at = i;
    T_CHECK(at >= 0, "no transposed convolution");
    for (int i = 0; at >= 0 && i < 16; i++) {
        const float got = syn_value_float(&b.g->value[b.g->node[at].in[1]], i);
        T_CHECK(got == want[i], "weight %d = %g, expected %g", i, (double)got, (double)want[i]);
    }
    gg_free(&b);
}

/* --- running out of memory ------------------------------------------------------------------------------ */

static void test_no_memory(void)
{
    struct gg b;
    int32_t ok = 0, failed = 0;
    gg_random(&b, 1234, 16);
    const int32_t x = b.g->output[0], c = gg_shape(&b, x)->dim[1] > 0 ? x : 0;
    gg_output(&b,
              conv3(&b,
                    gg_resize(&b, c, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2),
                    40));
    for (long n = 1; n < 5000 && !ok; n++) {
        struct syn_graph *g = NULL;
        struct syn_err err = {""};
        syn_alloc_fail_at(n);
        syn_status st = syn_graph_copy(b.g, &g, &err);
        if (st == SYN_OK) st = gg_passes(g, ALL, &err);
        syn_alloc_fail_at(0);
        if (st == SYN_OK) ok++;
        else {
            failed++;
            T_CHECK(st == SYN_NO_MEMORY && err.text[0], "allocation %ld: %s '%s'", n,
                    syn_status_word(st), err.text);
        }
        syn_graph_free(g);
    }
    T_CHECK(ok == 1 && failed >= 5, "%d failures, then %d success", (int)failed, (int)ok);
    gg_free(&b);
}

int main(void)
{
    test_random();
    test_fold();
    test_fold_f16();
    test_fuse_fires();
    test_fuse_refrains();
    test_fuse_shuffle();
    test_phases_fire();
    test_phases_refrain();
    test_phase_weights();
    test_no_memory();
    return t_report();
}
