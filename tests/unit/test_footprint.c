/* test_footprint.c - the reach of a network found by trying: one input pixel is made NaN, and every output
 * pixel that becomes NaN must lie where the computed reach says; what cannot be tiled is refused; a model with
 * averages over the picture gives the same in stages. */
#include "kernels/graph/footprint.h"
#include "tests/graph_gen.h"

/* Per axis: smallest and largest (input position - output position * step) that was seen to matter. */
struct seen {
    double lo, hi;
    int64_t outside; /* output pixels that changed although the reach excludes them */
};

static void poke(const struct gg *b, const struct syn_reach *r, int64_t y, int64_t x,
                 struct seen *s)
{
    const struct syn_shape *in = gg_shape(b, b->g->input[0]), *out = gg_shape(b, b->g->output[0]);
    float *data[GG_OUTPUTS], *got[GG_OUTPUTS];
    gg_make_inputs(b, data);
    for (int64_t c = 0; c < in->dim[1]; c++) data[0][(c * in->dim[2] + y) * in->dim[3] + x] = NAN;
    gg_interpret(b->g, data, false, got);
    for (int64_t i = 0; i < gg_elements(out); i++) {
        const double dx = (double)x - (double)(i % out->dim[3]) * r->step,
                     dy = (double)y - (double)(i / out->dim[3] % out->dim[2]) * r->step;
        if (!isnan(got[0][i])) continue;
        s->lo = fmin(s->lo, fmin(dx, dy));
        s->hi = fmax(s->hi, fmax(dx, dy));
        s->outside +=
            dx < r->lo - 1e-9 || dx > r->hi + 1e-9 || dy < r->lo - 1e-9 || dy > r->hi + 1e-9;
    }
    for (int32_t i = 0; i < b->g->n_inputs; i++) free(data[i]);
    for (int32_t i = 0; i < b->g->n_outputs; i++) free(got[i]);
}

/* The network ends in y. slack: by how much the reach may exceed what was seen, in input pixels. */
static void check(struct gg *b, int32_t y, double slack, int32_t want_align, const char *what)
{
    struct syn_reach *reach = calloc((size_t)b->g->n_values, sizeof *reach);
    struct seen s = {INFINITY, -INFINITY, 0};
    int32_t align = -1;
    if (!reach) abort();
    T_CHECK(y >= 0, "%s: %s", what, b->err.text);
    if (y >= 0) {
        gg_output(b, y);
        syn_status st = syn_footprint(b->g, reach, &align, &b->err);
        T_CHECK(st == SYN_OK, "%s: %s", what, b->err.text);
        const int64_t h = gg_shape(b, b->g->input[0])->dim[2],
                      w = gg_shape(b, b->g->input[0])->dim[3];
        for (int64_t i = 0; st == SYN_OK && i < h;
             i++) { /* two diagonals, the last row and column */
            poke(b, &reach[y], i, i * (w - 1) / (h - 1), &s);
            poke(b, &reach[y], i, i, &s);
            if (i % 3 == 0)
                poke(b, &reach[y], i, w - 1, &s),
                    poke(b, &reach[y], h - 1, i * (w - 1) / (h - 1), &s);
        }
        T_CHECK(s.outside == 0, "%s: %d pixels outside: reach %g %g step %g, seen %g %g", what,
                (int)s.outside, reach[y].lo, reach[y].hi, reach[y].step, s.lo, s.hi);
        T_CHECK(reach[y].lo >= s.lo - slack && reach[y].hi <= s.hi + slack,
                "%s: reach %g %g step %g, only %g %g seen", what, reach[y].lo, reach[y].hi,
                reach[y].step, s.lo, s.hi);
        T_CHECK(align == want_align, "%s: align %d, expected %d", what, (int)align,
                (int)want_align);
    }
    free(reach);
    gg_free(b);
}

static int32_t begin(struct gg *b, uint64_t seed)
{
    gg_new(b, seed);
    return gg_input(b, 1, 2, 16, 18);
}
static int32_t conv(struct gg *b, int32_t x, int64_t k, int64_t pad)
{
    return gg_conv(b, x, &(struct gg_conv){.co = 2, .k = k, .pad = pad});
}

static void test_convolutions(void)
{
    struct gg b;
    for (int64_t k = 1; k <= 5; k++)
        for (int64_t dil = 1; dil <= 2; dil++)
            for (int64_t pad = 0; pad <= 2; pad++)
                for (int64_t stride = 1; stride <= 3; stride++) {
                    char what[64];
                    int32_t x = begin(&b, 1);
                    snprintf(what, sizeof what, "conv k %d dil %d pad %d stride %d", (int)k,
                             (int)dil, (int)pad, (int)stride);
                    x = gg_conv(&b, x,
                                &(struct gg_conv){
                                    .co = 2, .k = k, .dil = dil, .pad = pad, .stride = stride});
                    check(&b, x, 0, (int32_t)stride, what);
                }
    int32_t x = begin(&b, 2);
    check(&b, gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 3, .kw = 5, .pads = {1, 2, 1, 2}}), 0,
          1, "kernel 3x5");
    x = begin(&b, 3);
    check(&b, gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 3, .pads = {0, 2, 1, 0}}), 0, 1,
          "unequal pads");
    x = begin(&b, 4);
    check(&b,
          conv(&b,
               conv(&b,
                    gg_conv(&b, conv(&b, x, 3, 1), &(struct gg_conv){.co = 2, .k = 2, .stride = 2}),
                    3, 1),
               3, 0),
          0, 2, "four in a row");
    static const struct {
        int64_t k, stride, pad, dil, out_pad;
    } forms[] = {{2, 2, 0, 1, 0}, {4, 2, 1, 1, 0}, {4, 2, 3, 1, 0}, {5, 3, 2, 1, 1},
                 {3, 1, 1, 1, 0}, {3, 1, 2, 2, 0}, {3, 2, 1, 1, 1}};
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        char what[64];
        x = begin(&b, 5 + f);
        snprintf(what, sizeof what, "transposed, form %d", (int)f);
        x = gg_conv(&b, x,
                    &(struct gg_conv){.co = 2,
                                      .k = forms[f].k,
                                      .stride = forms[f].stride,
                                      .pad = forms[f].pad,
                                      .dil = forms[f].dil,
                                      .out_pad = forms[f].out_pad,
                                      .transposed = true});
        check(&b, x, 1e-9, 1, what);
    }
    x = begin(&b, 15); /* residuals of a fused node reach further than the convolution */
    int32_t far = conv(&b, x, 5, 2);
    check(&b, gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 1, .res1 = far + 1}), 0, 1,
          "a residual that reaches further");
}

static void test_others(void)
{
    static const int modes[] = {SYN_RESIZE_NEAREST, SYN_RESIZE_BILINEAR, SYN_RESIZE_BICUBIC};
    static const double scales[] = {2, 3, 4, 1.5, 0.5, 1};
    struct gg b;
    for (int32_t m = 0; m < 3; m++)
        for (int32_t s = 0; s < 6; s++)
            for (int32_t coord = 0; coord < 2; coord++)
                for (int32_t round = 0; round < (m ? 1 : 4); round++) {
                    char what[96];
                    int32_t x = begin(&b, 20);
                    snprintf(what, sizeof what, "resize mode %d scale %g coord %d round %d", (int)m,
                             scales[s], (int)coord, (int)round);
                    x = gg_resize(&b, x, modes[m],
                                  coord == 0 ? SYN_COORD_HALF_PIXEL : SYN_COORD_ASYMMETRIC,
                                  (int)round, scales[s]);
                    /* the formula is one for all positions and rules; nearest by a whole factor is exact */
                    check(&b, x,
                          m == 0 && s < 3 &&
                                  ((coord == 1 && round == SYN_ROUND_FLOOR) ||
                                   (coord == 0 && round < 2))
                              ? 1e-9
                              : 3.6,
                          s == 3 || s == 4 ? 2 : 1, what);
                }
    for (int32_t mode = 0; mode < 3; mode++)
        for (int32_t form = 0; form < 4; form++) {
            static const int64_t pads[4][4] = {
                {2, 2, 2, 2}, {1, 1, 3, 3}, {3, 3, 0, 0}, {0, 0, 4, 2}};
            const struct syn_attr a[] = {syn_attr_of_ints("pads", 4, pads[form]),
                                         syn_attr_of_int("mode", mode)};
            char what[64];
            int32_t x = begin(&b, 30);
            snprintf(what, sizeof what, "pad mode %d form %d", (int)mode, (int)form);
            x = gg_node(&b, SYN_OP_PAD, 1, &x, 2, a);
            check(&b, conv(&b, x, 3, 0), mode == SYN_PAD_CONSTANT ? 0 : 8, 1, what);
        }
    int32_t x = begin(&b, 40);
    check(&b, gg_crop(&b, x, 2, 2, 1, 3), 0, 1, "crop");
    x = begin(&b, 41);
    check(&b, gg_int(&b, SYN_OP_PIXEL_UNSHUFFLE, x, "r", 2), 0, 2, "unshuffle");
    x = begin(&b, 42);
    check(&b,
          gg_int(&b, SYN_OP_PIXEL_SHUFFLE,
                 gg_conv(&b, x, &(struct gg_conv){.co = 27, .k = 3, .pad = 1}), "r", 3),
          1e-9, 1, "shuffle");
    x = begin(&b, 43);
    check(&b, gg_pool(&b, SYN_OP_AVERAGE_POOL, x, 3, 2), 0, 2, "average pool");
    x = begin(&b, 44);
    check(&b, gg_pool(&b, SYN_OP_MAX_POOL, x, 2, 2), 0, 2, "max pool");
    x = begin(&b, 45); /* a U: 4 down, 4 up, joined with the way round */
    int32_t d = gg_conv(&b, conv(&b, x, 3, 1), &(struct gg_conv){.co = 2, .k = 2, .stride = 2}),
            e = gg_conv(&b, conv(&b, d, 3, 1), &(struct gg_conv){.co = 2, .k = 2, .stride = 2});
    e = gg_conv(&b, conv(&b, e, 3, 1),
                &(struct gg_conv){.co = 2, .k = 2, .stride = 2, .transposed = true});
    e = gg_node2(&b, SYN_OP_ADD, gg_crop(&b, e, 0, 0, 0, 0), gg_crop(&b, d, 0, 0, 0, 1));
    check(&b,
          gg_conv(&b, e,
                  &(struct gg_conv){.co = 2, .k = 4, .stride = 2, .pad = 1, .transposed = true}),
          4, 4, "a U");
    x = begin(&b, 46); /* operands of different reach, in either order */
    d = conv(&b, x, 5, 2), e = gg_node2(&b, SYN_OP_ADD, d, x);
    check(&b, gg_node2(&b, SYN_OP_MUL, x, e), 0, 1, "operands of different reach");
    x = begin(&b, 48); /* whole pixels on both ways: a third on one, a half on the other */
    d = gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 3, .stride = 3}),
    e = gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 2, .stride = 2});
    d = gg_conv(&b, d, &(struct gg_conv){.co = 2, .k = 3, .stride = 3, .transposed = true}),
    e = gg_conv(&b, e, &(struct gg_conv){.co = 2, .k = 2, .stride = 2, .transposed = true});
    check(&b, gg_node2(&b, SYN_OP_ADD, gg_crop(&b, e, 0, 0, 1, 0), d), 2, 6,
          "strides 2 and 3 side by side");
    x = begin(&b, 47); /* with the passes on, the fused forms say the same */
    d = gg_resize(&b, conv(&b, x, 3, 1), SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR,
                  2);
    d = conv(&b, d, 3, 1);
    check(&b, d, 0.51, 1, "nearest and conv");
}

static void test_random(void)
{
    int32_t ran = 0;
    for (uint64_t seed = 0; seed < 200 && ran < 40; seed++) {
        struct gg b;
        bool average = false;
        gg_random(&b, seed + 3000, 5);
        struct syn_reach *reach = calloc((size_t)b.g->n_values, sizeof *reach);
        int32_t align;
        if (!reach) abort();
        for (int32_t i = 0; i < b.g->n_nodes; i++)
            average |= b.g->node[i].id == SYN_OP_GLOBAL_AVERAGE_POOL;
        const int32_t y = b.g->output[0];
        if (!average && syn_footprint(b.g, reach, &align, &b.err) == SYN_OK && reach[y].spatial) {
            struct seen s = {INFINITY, -INFINITY, 0};
            const struct syn_shape *in = gg_shape(&b, b.g->input[0]);
            for (int64_t i = 0; i < 8; i++)
                poke(&b, &reach[y], i * (in->dim[2] - 1) / 7, (7 - i) * (in->dim[3] - 1) / 7, &s);
            T_CHECK(s.outside == 0, "seed %d: %d pixels outside: reach %g %g step %g, seen %g %g",
                    (int)seed, (int)s.outside, reach[y].lo, reach[y].hi, reach[y].step, s.lo, s.hi);
            ran++;
        }
        free(reach);
        gg_free(&b);
    }
    T_CHECK(ran == 40, "%d of 40 ran", (int)ran);
}

static void refuse(struct gg *b, int32_t y, const char *words)
{
    struct syn_reach *reach = calloc((size_t)b->g->n_values, sizeof *reach);
    int32_t align;
    if (!reach) abort();
    T_CHECK(y >= 0, "%s: %s", words, b->err.text);
    b->err.text[0] = 0;
    const syn_status st = syn_footprint(b->g, reach, &align, &b->err);
    T_CHECK(st == SYN_UNSUPPORTED && strstr(b->err.text, b->g->node[b->g->n_nodes - 1].name),
            "%s: %s '%s'", words, syn_status_word(st), b->err.text);
    free(reach);
    gg_free(b);
}

static void test_refusals(void)
{
    const int64_t dims[4] = {1, 2, 18, 16}, uneven[4] = {1, 2, 1, 2}, kernel[2] = {2, 2},
                  strides[2] = {2, 1};
    const struct syn_attr size[] = {syn_attr_of_int("out_h", 32), syn_attr_of_int("out_w", 36)},
                          to = syn_attr_of_ints("dims", 4, dims);
    const struct syn_attr scales[] = {syn_attr_of_float("scale_h", 2),
                                      syn_attr_of_float("scale_w", 3)},
                          pads = syn_attr_of_ints("pads", 4, uneven);
    const struct syn_attr pool[] = {syn_attr_of_ints("kernel", 2, kernel),
                                    syn_attr_of_ints("strides", 2, strides)};
    struct gg b;
    int32_t x = begin(&b, 50);
    refuse(&b,
           gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 3, .pad = 1, .stride = 2, .stride_w = 1}),
           "strides 2 and 1");
    x = begin(&b, 51);
    refuse(&b, gg_node(&b, SYN_OP_AVERAGE_POOL, 1, &x, 2, pool), "pooling strides 2 and 1");
    x = begin(&b, 52);
    refuse(&b, gg_node(&b, SYN_OP_RESIZE, 1, &x, 2, size), "a resize to a size");
    x = begin(&b, 53);
    refuse(&b, gg_node(&b, SYN_OP_RESIZE, 1, &x, 2, scales), "two scales");
    for (int mode = 0; mode < 3; mode++) { /* the ratio of pixels depends on the picture's size */
        x = begin(&b, 54);
        refuse(&b, gg_resize(&b, x, mode, SYN_COORD_ALIGN_CORNERS, SYN_ROUND_FLOOR, 2),
               "aligned corners");
    }
    x = begin(&b, 55);
    refuse(&b, gg_crop(&b, x, 1, 2, 0, 0), "crop of 1 and 2");
    x = begin(&b, 56);
    refuse(&b, gg_node(&b, SYN_OP_PAD, 1, &x, 1, &pads), "pads of 1 and 2");
    x = begin(&b, 57);
    refuse(&b, gg_node(&b, SYN_OP_RESHAPE, 1, &x, 1, &to), "a reshape of the picture");
    x = begin(&b, 58);
    int32_t half = gg_pool(&b, SYN_OP_AVERAGE_POOL, x, 2, 2);
    refuse(&b, gg_node2(&b, SYN_OP_ADD, half, gg_crop(&b, x, 4, 4, 4, 5)),
           "operands of different scale");
    x = begin(&b, 59);
    refuse(
        &b,
        gg_conv(
            &b, x,
            &(struct gg_conv){
                .co = 2, .k = 4, .kw = 2, .stride = 2, .pads = {1, 0, 1, 0}, .transposed = true}),
        "a transposed kernel of 4x2");
}

/* --- stages -------------------------------------------------------------------------------------------- */

/* A network with three averages, the second and third after the first: run in stages, the test computing the
 * means, and compare with the whole. */
static int32_t excited(struct gg *b)
{
    int32_t x = gg_input(b, 1, 3, 10, 12), y;
    x = conv(b, x, 3, 1);
    y = gg_random_excite(b, gg_conv(b, x, &(struct gg_conv){.co = 6, .k = 3}));
    y = gg_conv(b, y, &(struct gg_conv){.co = 5, .k = 2, .stride = 2});
    y = gg_random_excite(b, gg_random_excite(b, y));
    return gg_conv(b, y, &(struct gg_conv){.co = 3, .k = 2, .stride = 2, .transposed = true});
}

static void test_stages(void)
{
    struct gg b;
    float *in[4], *whole[1], *got[1] = {NULL}, *means[3] = {NULL};
    int32_t at[2] = {-1, -1};
    gg_new(&b, 60);
    gg_output(&b, excited(&b));
    gg_make_inputs(&b, in);
    gg_interpret(b.g, in, false, whole);
    T_CHECK(syn_global_averages(b.g, at, 2) == 3 && at[0] >= 0 && at[1] > at[0],
            "three averages, two asked for");
    T_CHECK(syn_global_averages(b.g, NULL, 0) == 3, "three averages, none asked for");
    for (int32_t stage = 0; stage <= 3; stage++) {
        struct syn_graph *g = NULL;
        struct syn_shape shapes[4] = {*gg_shape(&b, b.g->input[0])};
        syn_status st = syn_graph_copy(b.g, &g, &b.err);
        if (st == SYN_OK) st = syn_make_stage(g, stage, &b.err);
        T_CHECK(st == SYN_OK && g->n_inputs == 1 + stage && g->n_outputs == 1, "stage %d: %s",
                (int)stage, b.err.text);
        if (st != SYN_OK) break;
        for (int32_t i = 0; i < stage; i++) {
            char name[16];
            snprintf(name, sizeof name, "mean%d", (int)i);
            T_CHECK(!strcmp(g->value[g->input[1 + i]].name, name), "input %s",
                    g->value[g->input[1 + i]].name);
            shapes[1 + i] = syn_shape4(1, i == 0 ? 6 : 5, 1, 1);
            in[1 + i] = means[i];
        }
        st = syn_graph_infer(g, shapes, &b.err);
        T_CHECK(st == SYN_OK && syn_global_averages(g, at, 2) == 0, "stage %d: %s", (int)stage,
                b.err.text);
        gg_interpret(g, in, false, got);
        const struct syn_shape s = g->value[g->output[0]].shape;
        if (stage < 3) {
            means[stage] = t_alloc((size_t)s.dim[1] * sizeof(float));
            for (int64_t c = 0; c < s.dim[1]; c++) {
                double sum = 0;
                for (int64_t i = 0; i < s.dim[2] * s.dim[3]; i++)
                    sum += (double)got[0][c * s.dim[2] * s.dim[3] + i];
                means[stage][c] = (float)(sum / (double)(s.dim[2] * s.dim[3]));
            }
            free(got[0]);
        }
        syn_graph_free(g);
    }
    const int64_t n = gg_elements(gg_shape(&b, b.g->output[0]));
    int64_t good = 0;
    for (int64_t i = 0; got[0] && i < n; i++)
        good += fabs((double)got[0][i] - (double)whole[0][i]) <= b.bound[b.g->output[0]];
    T_CHECK(good == n, "%d of %d pixels equal the whole model's", (int)good, (int)n);
    for (int32_t stage = -1; stage <= 4; stage += 5) {
        struct syn_graph *g = NULL;
        T_CHECK(syn_graph_copy(b.g, &g, &b.err) == SYN_OK &&
                    syn_make_stage(g, stage, &b.err) == SYN_INVALID && strstr(b.err.text, "[0, 3]"),
                "stage %d: %s", (int)stage, b.err.text);
        syn_graph_free(g);
    }
    free(in[0]), free(whole[0]), free(got[0]);
    for (int32_t i = 0; i < 3; i++) free(means[i]);
    gg_free(&b);
}

int main(void)
{
    test_convolutions();
    test_others();
    test_random();
    test_refusals();
    test_stages();
    return t_report();
}
