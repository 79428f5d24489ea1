/* test_cpu_conv_pair.c - a convolution and the depthwise one that reads it as one step: against the
 * references, in f32 to the bit what two steps give, and not where the value between has other
 * readers. */
#include "tests/graph_gen.h"

static void *cpu;

struct pair_shape {
    int64_t n, ci, h, w;
    struct gg_conv first, depth;
    bool residual; /* of the depthwise one: its own input's picture, where the shapes are one */
};

/* A picture, a convolution that gives it blocks, the two, and one more that reads them. */
static bool build(struct gg *b, uint64_t seed, const struct pair_shape *s)
{
    struct gg_conv depth = s->depth;
    int32_t x, y;
    gg_new(b, seed);
    x = gg_input(b, s->n, s->ci, s->h, s->w);
    y = gg_conv(b, x, &s->first);
    depth.co = depth.group = s->first.co;
    if (s->residual && y >= 0) {
        const struct syn_shape *m = gg_shape(b, y);
        depth.res1 = 1 + gg_input(b, m->dim[0], m->dim[1], m->dim[2], m->dim[3]);
        depth.alpha = 0.7, depth.beta1 = 0.5;
    }
    if (y >= 0) y = gg_conv(b, y, &depth);
    if (y >= 0) y = gg_conv(b, y, &(struct gg_conv){.co = 19, .dense = true});
    if (y >= 0) gg_output(b, y);
    return y >= 0;
}

/* Both precisions; as one step and as two. */
static void check(const struct gg *b, const char *what)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = "conv + depthwise"},
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = "conv + depthwise", .bf16 = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_pairs = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_pairs = true, .bf16 = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_share = true, .bf16 = true}};
    float *in[GG_OUTPUTS] = {NULL}, *one[GG_OUTPUTS], *two[GG_OUTPUTS];
    bool ran;
    const int64_t n = gg_elements(gg_shape(b, b->g->output[0]));
    gg_check_all(b, how, 5, what);
    gg_make_inputs(b, in);
    ran = gg_run(b, &how[0], in, one, what) && gg_run(b, &how[2], in, two, what);
    T_CHECK(ran && memcmp(one[0], two[0], (size_t)n * sizeof(float)) == 0,
            "%s: one step differs from two", what);
    if (ran) free(one[0]), free(two[0]);
    for (int32_t i = 0; i < b->g->n_inputs; i++) free(in[i]);
}

static void random_act(struct gg *b, struct gg_conv *s)
{
    static const int acts[] = {SYN_ACT_NONE, SYN_ACT_RELU, SYN_ACT_PRELU, SYN_ACT_CLIP};
    s->act = GG_PICK(b, acts);
    s->act_a = s->act == SYN_ACT_CLIP ? -0.3 : 0.2;
    s->act_b = s->act == SYN_ACT_CLIP ? 0.6 : 0;
    s->dense = true;
}

static struct pair_shape random_shape(uint64_t seed)
{
    static const int64_t ins[] = {3, 5, 16, 24, 33}, mids[] = {9, 16, 17, 32, 40, 96, 144};
    struct gg b = {.seed = seed};
    struct pair_shape s = {.n = 1 + gg_below(&b, 2), .ci = GG_PICK(&b, ins),
                           .h = 1 + gg_below(&b, 40), .w = 1 + gg_below(&b, 40),
                           .first = {.co = GG_PICK(&b, mids), .k = gg_below(&b, 3) ? 1 : 3},
                           .depth = {.k = 1 + gg_below(&b, 5), .kw = 1 + gg_below(&b, 5),
                                     .dil = 1 + gg_below(&b, 2), .dil_w = 1 + gg_below(&b, 2)}};
    s.first.stride = s.first.k == 3 || gg_below(&b, 3) == 0 ? 2 : 1;
    s.first.pads[0] = s.first.pads[3] = s.first.k / 2;
    if (gg_below(&b, 3)) s.depth.k = s.depth.kw = 3, s.depth.dil = s.depth.dil_w = 1;
    s.depth.stride = 1 + gg_below(&b, 3), s.depth.stride_w = 1 + gg_below(&b, 2);
    for (int32_t p = 0; p < 4; p++) s.depth.pads[p] = gg_below(&b, 3);
    s.residual = gg_below(&b, 4) == 0;
    if (s.residual) {
        s.depth = (struct gg_conv){.k = 3, .pad = 1};
    }
    random_act(&b, &s.first);
    random_act(&b, &s.depth);
    return s;
}

static void test_shapes(void)
{
    int32_t ran = 0;
    for (uint64_t k = 0; k < 160; k++) {
        const struct pair_shape s = random_shape(900 + k);
        char what[160];
        struct gg b;
        snprintf(what, sizeof what, "pair %d: [%d,%d,%d,%d] to %d, k %d s %d; k %dx%d s %d,%d",
                 (int)k, (int)s.n, (int)s.ci, (int)s.h, (int)s.w, (int)s.first.co, (int)s.first.k,
                 (int)s.first.stride, (int)s.depth.k, (int)s.depth.kw, (int)s.depth.stride,
                 (int)s.depth.stride_w);
        if (build(&b, k, &s)) check(&b, what), ran++;
        gg_free(&b);
    }
    T_CHECK(ran > 100, "%d of 160 ran", (int)ran);
}

/* Others read the value between, or it is an output, or lies in a concat. */
static void test_others_read(void)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu},
        {.backend = &syn_backend_cpu, .self = cpu, .bf16 = true}};
    for (int form = 0; form < 4; form++) {
        const struct gg_conv depth = {.co = 32, .group = 32, .k = 3, .pad = 1, .dense = true};
        struct gg b;
        int32_t x, y, z;
        gg_new(&b, 70 + (uint64_t)form);
        x = gg_input(&b, 1, 20, 13, 17);
        y = gg_conv(&b, x, &(struct gg_conv){.co = 32, .dense = true});
        if (form == 0) gg_output(&b, y);
        z = gg_conv(&b, y, &depth);
        if (form == 1) gg_output(&b, gg_node1(&b, SYN_OP_RELU, y));
        if (form == 2) {
            const int32_t both[2] = {y, z};
            z = gg_node(&b, SYN_OP_CONCAT, 2, both, 0, NULL);
        }
        if (form == 3) { /* the input's root is a concat: it must live until the second has run */
            const int32_t both[2] = {z, z};
            z = gg_node(&b, SYN_OP_CONCAT, 2, both, 0, NULL);
            z = gg_conv(&b, gg_conv(&b, z, &(struct gg_conv){.co = 32, .dense = true}), &depth);
        }
        gg_output(&b, gg_conv(&b, z, &(struct gg_conv){.co = 16, .dense = true}));
        gg_check_all(&b, how, 2, "others read it");
        gg_free(&b);
    }
}

/* A whole inverted residual after another, as such networks are built: lifetimes of several. */
static void test_chain(void)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = "conv + depthwise"},
        {.backend = &syn_backend_cpu, .self = cpu, .want_impl = "conv + depthwise", .bf16 = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_pairs = true}};
    struct gg b;
    int32_t x;
    gg_new(&b, 5);
    x = gg_input(&b, 1, 24, 32, 32);
    for (int32_t k = 0; k < 4; k++) {
        const struct gg_conv wide = {.co = 144, .act = SYN_ACT_CLIP, .act_b = 6},
                             depth = {.co = 144, .group = 144, .k = 3, .pad = 1,
                                      .stride = 1 + k % 2, .act = SYN_ACT_CLIP, .act_b = 6},
                             narrow = {.co = 24, .res1 = k % 2 ? 0 : x + 1};
        x = gg_conv(&b, gg_conv(&b, gg_conv(&b, x, &wide), &depth), &narrow);
    }
    gg_output(&b, x);
    gg_check_all(&b, how, 3, "inverted residuals");
    gg_free(&b);
}

static void test_all(const char *only)
{
    if (!only || strcmp(only, "own") != 0) return; /* oneDNN has none of these */
    test_shapes();
    test_others_read();
    test_chain();
}

int main(void)
{
    if (__builtin_cpu_supports("avx512bf16")) gg_each_cpu(&cpu, 3, test_all);
    return t_report();
}
