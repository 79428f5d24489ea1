/* test_pass_conv.c - what lies around convolutions, with the pass and without: the same numbers, and
 * one node where the pads are zeros and nobody else reads what lies between. */
#include "kernels/base/alloc.h"
#include "tests/pass_t.h"
#include <math.h>
#include <stdlib.h>

static int32_t add(struct builder *b, int32_t x, int32_t y)
{
    return node(b, SYN_OP_ADD, 2, (const int32_t[]){x, y}, 0, NULL);
}

/* [1,4,?,?] -> [1,6,?,?] by a 3x2 kernel in two groups. */
static int32_t conv(struct builder *b, int32_t x, int32_t n_pads, const int64_t *pads, const char *auto_pad)
{
    const int32_t in[3] = {x, random_value(b, DIMS(6, 2, 3, 2)), random_value(b, DIMS(6))};
    struct syn_attr attrs[5] = {syn_attr_of_int("group", 2), syn_attr_of_ints("strides", DIMS(2, 1)),
                                syn_attr_of_ints("dilations", DIMS(1, 2))};
    int32_t n = 3;
    if (n_pads) attrs[n++] = syn_attr_of_ints("pads", n_pads, pads);
    if (auto_pad) attrs[n++] = syn_attr_of_text("auto_pad", auto_pad);
    return node(b, SYN_OP_CONV_ND, 3, in, n, attrs);
}
static int32_t picture(struct builder *b) { return random_value(b, DIMS(1, 4, 9, 8)); }
static int32_t pad(struct builder *b, int32_t x, const int64_t pads[8], const char *mode, float value)
{
    const struct syn_attr a = syn_attr_of_text("mode", mode);
    const int32_t in[3] = {x, integers(b, 8, pads), constant(b, SYN_F32, 0, NULL, &value)};
    return node(b, SYN_OP_PAD_ND, 3, in, 1, &a);
}

/* Frees the graph. left: nodes that the pass leaves, of them `steps` fused ones. */
static void expect(struct builder *b, int32_t y, int32_t left, int32_t steps, const char *what)
{
    struct syn_graph *on = NULL;
    struct syn_shape want_shape = {.rank = 0}, got_shape = want_shape;
    int64_t n = 0, m = 0;
    if (syn_graph_output(b->g, y, &b->err) != SYN_OK || syn_graph_copy(b->g, &on, &b->err) != SYN_OK) abort();
    T_CHECK(syn_pass_conv(on, &b->err) == SYN_OK, "%s: %s", what, b->err.text);
    T_CHECK(count(on, SYN_OP_COUNT) == left && count(on, SYN_OP_CONV_STEP) == steps, "%s: %d nodes left, %d fused", what,
            count(on, SYN_OP_COUNT), count(on, SYN_OP_CONV_STEP));
    float *got = evaluate(on, &m, &got_shape), *want = evaluate(b->g, &n, &want_shape);
    T_CHECK(got && want && syn_shape_equal(&want_shape, &got_shape), "%s: another shape", what);
    for (int64_t i = 0; got && want && n == m && i < n; i++)
        if (!(fabsf(want[i] - got[i]) <= 1e-6f)) {
            T_CHECK(false, "%s: [%d] = %g with the pass, %g without", what, (int)i, (double)got[i], (double)want[i]);
            break;
        }
    free(got);
    free(want);
    syn_graph_free(on);
    syn_graph_free(b->g);
}

static const int64_t AROUND[8] = {0, 0, 2, 1, 0, 0, 0, 3};

static void test_pads(void)
{
    static const int64_t own[4] = {1, 0, 2, 1}, channels[8] = {0, 1, 0, 0, 0, 1, 0, 0}, cut[8] = {0, 0, -1, 0, 0, 0, 1, 0};
    struct builder b;
    int32_t x, padded;
    begin(&b);
    expect(&b, conv(&b, pad(&b, picture(&b), AROUND, "constant", 0), 0, NULL, NULL), 1, 0, "pads alone");
    begin(&b);
    expect(&b, conv(&b, pad(&b, picture(&b), AROUND, "constant", 0), 4, own, "NOTSET"), 1, 0, "pads and own");
    begin(&b);
    expect(&b, conv(&b, pad(&b, picture(&b), AROUND, "constant", 0.5f), 0, NULL, NULL), 2, 0, "not zeros");
    begin(&b);
    expect(&b, conv(&b, pad(&b, picture(&b), AROUND, "edge", 0), 0, NULL, NULL), 2, 0, "edges");
    begin(&b);
    expect(&b, conv(&b, pad(&b, picture(&b), AROUND, "constant", 0), 0, NULL, "SAME_UPPER"), 2, 0, "pads by size");
    begin(&b);
    x = random_value(&b, DIMS(1, 2, 9, 8));
    expect(&b, conv(&b, pad(&b, x, channels, "constant", 0), 0, NULL, NULL), 2, 0, "channels");
    begin(&b);
    expect(&b, conv(&b, pad(&b, picture(&b), cut, "constant", 0), 0, NULL, NULL), 2, 0, "a cut");
    begin(&b);
    padded = pad(&b, picture(&b), AROUND, "constant", 0);
    expect(&b, add(&b, conv(&b, padded, 0, NULL, NULL), conv(&b, padded, 0, NULL, NULL)), 3, 0, "read twice");
}

static void test_steps(void)
{
    static const syn_op_id ids[] = {SYN_OP_RELU, SYN_OP_SIGMOID, SYN_OP_TANH, SYN_OP_ABS, SYN_OP_EXP};
    const struct syn_attr alpha = syn_attr_of_float("alpha", 0.3);
    struct builder b;
    int32_t y;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        begin(&b);
        expect(&b, unary(&b, ids[i], conv(&b, picture(&b), 0, NULL, NULL)), 1, 1, "a step");
    }
    begin(&b);
    y = conv(&b, picture(&b), 0, NULL, NULL);
    expect(&b, node(&b, SYN_OP_LEAKY_RELU, 1, &y, 1, &alpha), 1, 1, "a step with a number");
    begin(&b);
    y = conv(&b, pad(&b, picture(&b), AROUND, "constant", 0), 0, NULL, NULL);
    expect(&b, unary(&b, SYN_OP_RELU, y), 1, 1, "pads and a step");
    begin(&b);
    y = conv(&b, picture(&b), 0, NULL, NULL);
    expect(&b, unary(&b, SYN_OP_TANH, unary(&b, SYN_OP_RELU, y)), 2, 1, "the first of two steps");
    begin(&b);
    y = conv(&b, picture(&b), 0, NULL, NULL);
    expect(&b, add(&b, y, unary(&b, SYN_OP_RELU, y)), 3, 0, "read twice");
    begin(&b);
    y = conv(&b, picture(&b), 0, NULL, NULL);
    expect(&b, add(&b, y, y), 2, 0, "no step of one operand");
}

/* A depthwise convolution, [1,4,?,?] -> [1,4,?,?], transposed or not. */
static int32_t depthwise(struct builder *b, int32_t x, bool transposed, bool biased)
{
    const int32_t in[3] = {x, random_value(b, DIMS(4, 1, 1, 3)), biased ? random_value(b, DIMS(4)) : -1};
    const struct syn_attr attrs[] = {syn_attr_of_int("group", 4), syn_attr_of_ints("strides", DIMS(1, 2)),
                                     syn_attr_of_ints("pads", DIMS(0, 1, 0, 1)),
                                     syn_attr_of_ints("output_padding", DIMS(0, 1))};
    return node(b, transposed ? SYN_OP_CONV_TRANSPOSE_ND : SYN_OP_CONV_ND, 2 + biased, in, 3 + transposed, attrs);
}
static int32_t point(struct builder *b, int32_t x, int32_t rank, const int64_t *w, int64_t group)
{
    const int32_t in[3] = {x, random_value(b, rank, w), random_value(b, DIMS(5))};
    const struct syn_attr a = syn_attr_of_int("group", group);
    return node(b, SYN_OP_CONV_ND, 3, in, 1, &a);
}

static void test_points(void)
{
    struct builder b;
    int32_t y;
    for (int form = 0; form < 8; form++) {
        begin(&b);
        y = point(&b, depthwise(&b, picture(&b), form & 1, form & 2), DIMS(5, 4, 1, 1), 1);
        expect(&b, form & 4 ? unary(&b, SYN_OP_TANH, y) : y, 1, 0, "a depthwise and a 1x1 convolution");
    }
    begin(&b);
    y = depthwise(&b, pad(&b, picture(&b), AROUND, "constant", 0), false, false);
    expect(&b, unary(&b, SYN_OP_RELU, point(&b, y, DIMS(5, 4, 1, 1), 1)), 1, 0, "pads, both and a step");
    begin(&b);
    y = depthwise(&b, picture(&b), false, false);
    expect(&b, add(&b, point(&b, y, DIMS(5, 4, 1, 1), 1), point(&b, y, DIMS(5, 4, 1, 1), 1)), 4, 0, "read twice");
    begin(&b);
    y = unary(&b, SYN_OP_RELU, depthwise(&b, picture(&b), false, false));
    expect(&b, point(&b, y, DIMS(5, 4, 1, 1), 1), 2, 1, "a step between");
    begin(&b);
    expect(&b, point(&b, depthwise(&b, picture(&b), false, false), DIMS(5, 4, 1, 2), 1), 2, 0, "two columns");
    begin(&b);
    expect(&b, point(&b, conv(&b, picture(&b), 0, NULL, NULL), DIMS(5, 6, 1, 1), 1), 2, 0, "sums of channels");
}

/* Every allocation fails once. */
static void test_no_memory(void)
{
    for (long n = 1; n < 200; n++) {
        struct builder b;
        begin(&b);
        const int32_t x = pad(&b, picture(&b), AROUND, "constant", 0);
        if (syn_graph_output(b.g, unary(&b, SYN_OP_RELU, conv(&b, x, 0, NULL, NULL)), &b.err) != SYN_OK) abort();
        syn_alloc_fail_at(n);
        const syn_status st = syn_pass_conv(b.g, &b.err);
        syn_alloc_fail_at(0);
        syn_graph_free(b.g);
        T_CHECK(st == SYN_OK || st == SYN_NO_MEMORY, "allocation %ld: %s", n, b.err.text);
        if (st == SYN_OK && n > 10) break;
    }
}

int main(void)
{
    test_pads();
    test_steps();
    test_points();
    test_no_memory();
    return t_report();
}
