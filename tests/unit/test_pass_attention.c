/* test_pass_attention.c - attention spelled out as exporters do, with the pass and without: the same
 * numbers, and one node where it is attention and nothing else reads what lies between. */
#include "kernels/base/alloc.h"
#include "tests/pass_t.h"
#include <math.h>
#include <stdlib.h>

enum { B = 2, H = 3, SQ = 5, SK = 7, SIZE = 4, V_SIZE = 6 };

static int32_t one(struct builder *b, float x) { return constant(b, SYN_F32, 0, NULL, &x); }
static int32_t binary(struct builder *b, syn_op_id id, int32_t x, int32_t y)
{
    return node(b, id, 2, (const int32_t[]){x, y}, 0, NULL);
}
static int32_t where(struct builder *b, int32_t c, int32_t x, int32_t y)
{
    return node(b, SYN_OP_WHERE, 3, (const int32_t[]){c, x, y}, 0, NULL);
}
static int32_t transpose(struct builder *b, int32_t x, int32_t rank, const int64_t *perm)
{
    const struct syn_attr a = syn_attr_of_ints("perm", rank, perm);
    return node(b, SYN_OP_TRANSPOSE, 1, &x, 1, &a);
}
static int32_t softmax(struct builder *b, int32_t x, int64_t axis)
{
    const struct syn_attr a = syn_attr_of_int("axis", axis);
    return node(b, SYN_OP_SOFTMAX, 1, &x, 1, &a);
}
static int32_t einsum(struct builder *b, const char *equation, int32_t x, int32_t y)
{
    const struct syn_attr a = syn_attr_of_text("equation", equation);
    return node(b, SYN_OP_EINSUM, 2, (const int32_t[]){x, y}, 1, &a);
}

/* q, k, v as [B,H,s,size]; k turned for the product. */
static int32_t queries(struct builder *b)
{
    return transpose(b, random_value(b, DIMS(B, SQ, H, SIZE)), DIMS(0, 2, 1, 3));
}
static int32_t keys(struct builder *b)
{
    return transpose(b, random_value(b, DIMS(B, SK, H, SIZE)), DIMS(0, 2, 3, 1));
}
static int32_t values(struct builder *b)
{
    return transpose(b, random_value(b, DIMS(B, SK, H, V_SIZE)), DIMS(0, 2, 1, 3));
}

/* Frees the graph. left: nodes that stay beside the one of attention; -1: it must not be made. */
static void expect(struct builder *b, int32_t y, int32_t left, const char *what)
{
    struct syn_graph *on = NULL;
    struct syn_shape want_shape = {.rank = 0}, got_shape = want_shape;
    int64_t n = 0, m = 0;
    if (syn_graph_output(b->g, y, &b->err) != SYN_OK || syn_graph_copy(b->g, &on, &b->err) != SYN_OK) abort();
    T_CHECK(syn_pass_attention(on, &b->err) == SYN_OK, "%s: %s", what, b->err.text);
    T_CHECK(count(on, SYN_OP_ATTEND) == (left >= 0), "%s: %d fused", what, count(on, SYN_OP_ATTEND));
    T_CHECK(left < 0 || count(on, SYN_OP_COUNT) == left + 1, "%s: %d nodes left", what, count(on, SYN_OP_COUNT) - 1);
    float *got = evaluate(on, &m, &got_shape), *want = evaluate(b->g, &n, &want_shape);
    T_CHECK(got && want && syn_shape_equal(&want_shape, &got_shape), "%s: another shape", what);
    for (int64_t i = 0; got && want && n == m && i < n; i++)
        if (isnan(want[i]) ? !isnan(got[i]) : !(fabsf(want[i] - got[i]) <= 2e-6f)) {
            T_CHECK(false, "%s: [%d] = %g with the pass, %g without", what, (int)i, (double)got[i], (double)want[i]);
            break;
        }
    free(got), free(want);
    syn_graph_free(on);
    syn_graph_free(b->g);
}

static int32_t finish(struct builder *b, int32_t scores, int32_t v)
{
    return transpose(b, binary(b, SYN_OP_MAT_MUL, softmax(b, scores, -1), v), DIMS(0, 2, 1, 3));
}

static int32_t bools(struct builder *b, int32_t rank, const int64_t *dim, bool a_row)
{
    uint8_t data[4096];
    for (int i = 0; i < 4096; i++) data[i] = i % 3 != 0 && !(a_row && i / SK == 2);
    return constant(b, SYN_BOOL, rank, dim, data);
}

/* --- what is attention ------------------------------------------------------------------------ */

static void test_scales(void)
{
    for (int form = 0; form < 9; form++) {
        struct builder b;
        char what[32];
        int32_t q, k, s;
        begin(&b);
        q = queries(&b), k = keys(&b);
        if (form == 1) q = binary(&b, SYN_OP_MUL, q, one(&b, 0.7f));
        if (form == 2) q = binary(&b, SYN_OP_DIV, q, one(&b, 2));
        if (form == 3) q = binary(&b, SYN_OP_MUL, one(&b, 0.7f), q), k = binary(&b, SYN_OP_MUL, k, one(&b, 0.7f));
        s = binary(&b, SYN_OP_MAT_MUL, q, k);
        if (form == 4) s = binary(&b, SYN_OP_MUL, s, one(&b, -0.5f));
        if (form == 5) s = binary(&b, SYN_OP_DIV, s, one(&b, 1.5f));
        if (form == 6) s = binary(&b, SYN_OP_MUL, binary(&b, SYN_OP_DIV, s, one(&b, 3)), random_value(&b, DIMS(1)));
        if (form == 7) s = binary(&b, SYN_OP_ADD, binary(&b, SYN_OP_MUL, s, one(&b, 2)), random_value(&b, DIMS(B, 1, 1, SK)));
        if (form == 8) s = binary(&b, SYN_OP_ADD, random_value(&b, DIMS(SQ, SK)), s);
        snprintf(what, sizeof what, "scale %d", form);
        expect(&b, finish(&b, s, values(&b)), 0, what);
    }
}

/* 1 / sqrt(size) as the exporter computes it from a shape, its root on both sides; and a quotient. */
static void test_computed_scales(void)
{
    for (int form = 0; form < 3; form++) {
        struct builder b;
        const int64_t from = -1, to = INT64_MAX, at = 3;
        const struct syn_attr type = syn_attr_of_int("to", 1);
        int32_t q, k, s, root;
        begin(&b);
        q = queries(&b), k = keys(&b);
        root = unary(&b, SYN_OP_SHAPE, q);
        root = form == 1 ? binary(&b, SYN_OP_GATHER, root, constant(&b, SYN_I64, 0, NULL, &at))
                         : node(&b, SYN_OP_SLICE, 3, (const int32_t[]){root, integers(&b, 1, &from), integers(&b, 1, &to)}, 0, NULL);
        root = unary(&b, SYN_OP_SQRT, node(&b, SYN_OP_CAST, 1, &root, 1, &type));
        if (form == 1) s = binary(&b, SYN_OP_DIV, binary(&b, SYN_OP_MAT_MUL, q, k), root);
        else {
            root = unary(&b, SYN_OP_SQRT, binary(&b, SYN_OP_DIV, one(&b, 1), root));
            s = binary(&b, SYN_OP_MAT_MUL, binary(&b, SYN_OP_MUL, q, root), binary(&b, SYN_OP_MUL, k, root));
            if (form == 2) s = binary(&b, SYN_OP_MUL, s, root); /* one too many: it stays outside */
        }
        /* what computes the scale stays, and the transpose that its shape is read from */
        if (form < 2) expect(&b, finish(&b, s, values(&b)), form == 1 ? 5 : 7, "a computed scale");
        else expect(&b, finish(&b, s, values(&b)), 9, "a computed scale too many");
    }
}

static void test_masks(void)
{
    for (int form = 0; form < 8; form++) {
        struct builder b;
        char what[32];
        int32_t s, p, mask;
        const bool guarded = form == 6;
        begin(&b);
        s = binary(&b, SYN_OP_MUL, binary(&b, SYN_OP_MAT_MUL, queries(&b), keys(&b)), one(&b, 0.5f));
        mask = form & 1 ? bools(&b, DIMS(B, 1, 1, SK), false) : bools(&b, DIMS(B, H, SQ, SK), form >= 4);
        switch (form / 2) {
        case 0: s = where(&b, mask, s, one(&b, -1e4f)); break;
        case 1: s = where(&b, mask, one(&b, -3), s); break;
        case 2: s = where(&b, mask, s, one(&b, -INFINITY)); break; /* rows of nothing: NaN */
        default: s = binary(&b, SYN_OP_ADD, s, where(&b, mask, one(&b, 0), one(&b, -INFINITY))); break;
        }
        p = softmax(&b, s, form == 1 ? 3 : -1);
        if (guarded) p = where(&b, unary(&b, SYN_OP_IS_NAN, p), one(&b, 0), p);
        snprintf(what, sizeof what, "mask %d", form);
        expect(&b, binary(&b, SYN_OP_MAT_MUL, p, values(&b)), form / 2 == 3 ? 1 : 0, what);
    }
}

static void test_einsums(void)
{
    static const char *const equations[][4] = {/* q's and k's dimensions, equations of scores and values */
        {"bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "h", "h"},
        {"bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "", ""},
        {"bkhd, bqhd -> bhqk", "bhij,bjhd->bihd", "swapped", ""},
    };
    for (int form = 0; form < 3; form++) {
        struct builder b;
        const bool heads_first = form == 0;
        int32_t q, k, v, s;
        begin(&b);
        q = heads_first ? random_value(&b, DIMS(B, H, SQ, SIZE)) : random_value(&b, DIMS(B, SQ, H, SIZE));
        k = heads_first ? random_value(&b, DIMS(B, H, SK, SIZE)) : random_value(&b, DIMS(B, SK, H, SIZE));
        v = heads_first ? random_value(&b, DIMS(B, H, SK, V_SIZE)) : random_value(&b, DIMS(B, SK, H, V_SIZE));
        s = form == 2 ? einsum(&b, equations[form][0], k, q) : einsum(&b, equations[form][0], q, k);
        s = binary(&b, SYN_OP_MUL, s, one(&b, 0.3f));
        expect(&b, einsum(&b, equations[form][1], softmax(&b, s, -1), v), 0, equations[form][0]);
    }
}

/* Two transposes before k, scales between them; values of one head; a product of three dimensions. */
static void test_layouts(void)
{
    struct builder b;
    int32_t k;
    begin(&b);
    k = transpose(&b, random_value(&b, DIMS(B, SK, H, SIZE)), DIMS(0, 2, 1, 3));
    k = binary(&b, SYN_OP_MUL, transpose(&b, binary(&b, SYN_OP_DIV, k, one(&b, 2)), DIMS(0, 1, 3, 2)), one(&b, 3));
    expect(&b, finish(&b, binary(&b, SYN_OP_MAT_MUL, queries(&b), k), values(&b)), 0, "two transposes before k");
    begin(&b);
    k = transpose(&b, random_value(&b, DIMS(SK, SIZE)), DIMS(1, 0));
    expect(&b, finish(&b, binary(&b, SYN_OP_MAT_MUL, queries(&b), k), random_value(&b, DIMS(SK, V_SIZE))), 0, "one head of keys and values");
    begin(&b);
    k = random_value(&b, DIMS(B, SIZE, SK));
    expect(&b, binary(&b, SYN_OP_MAT_MUL, softmax(&b, binary(&b, SYN_OP_MAT_MUL, random_value(&b, DIMS(1, SQ, SIZE)), k), 2), random_value(&b, DIMS(B, SK, V_SIZE))), 0, "rank 3");
    begin(&b); /* a value transposed along its last axis: that transpose stays */
    k = transpose(&b, random_value(&b, DIMS(B, H, V_SIZE, SK)), DIMS(0, 1, 3, 2));
    expect(&b, finish(&b, binary(&b, SYN_OP_MAT_MUL, queries(&b), keys(&b)), k), 1, "v turned");
    begin(&b);
    k = binary(&b, SYN_OP_MAT_MUL, softmax(&b, binary(&b, SYN_OP_MAT_MUL, queries(&b), keys(&b)), -1), values(&b));
    expect(&b, transpose(&b, k, DIMS(0, 1, 3, 2)), 1, "the result turned");
    begin(&b); /* before opset 13 the axis means all from it on */
    b.opset = 11;
    k = softmax(&b, binary(&b, SYN_OP_MAT_MUL, queries(&b), keys(&b)), 3);
    expect(&b, binary(&b, SYN_OP_MAT_MUL, k, values(&b)), 0, "opset 11");
}

/* --- what is not ------------------------------------------------------------------------------- */

static void test_left_alone(void)
{
    for (int form = 0; form < 10; form++) {
        struct builder b;
        char what[32];
        int32_t q, k, s, p, v, y;
        begin(&b);
        if (form == 5) b.opset = 11;
        q = queries(&b), k = keys(&b), v = values(&b);
        if (form == 6) q = random_value(&b, DIMS(SIZE)); /* a product with a row */
        if (form == 7) k = random_value(&b, DIMS(SIZE));
        s = binary(&b, SYN_OP_MAT_MUL, q, k);
        if (form == 1) s = binary(&b, SYN_OP_MUL, s, random_value(&b, DIMS(H, 1, 1))); /* a scale a head */
        if (form == 4) s = binary(&b, SYN_OP_MUL, s, random_value(&b, DIMS(1, 1, 1))); /* would add a dimension */
        if (form == 8) s = binary(&b, SYN_OP_ADD, binary(&b, SYN_OP_ADD, s, random_value(&b, DIMS(SQ, SK))), random_value(&b, DIMS(SK)));
        if (form == 9) s = where(&b, bools(&b, DIMS(SQ, SK), false), s, random_value(&b, DIMS(SK)));
        if (form == 3) s = unary(&b, SYN_OP_TANH, s);
        p = softmax(&b, s, form == 2 ? 2 : form == 5 ? 2 : -1); /* along queries; over keys and queries */
        if (form == 7) v = random_value(&b, DIMS(SQ, V_SIZE));
        if (form == 6) v = random_value(&b, DIMS(SK, V_SIZE));
        y = binary(&b, SYN_OP_MAT_MUL, p, v);
        if (form == 0) y = binary(&b, SYN_OP_ADD, y, binary(&b, SYN_OP_MAT_MUL, p, random_value(&b, DIMS(SK, V_SIZE))));
        snprintf(what, sizeof what, "left alone %d", form);
        expect(&b, y, -1, what);
    }
}

/* Scores that are read twice, weights that are an output. */
static void test_other_readers(void)
{
    struct builder b;
    int32_t s, p, y, k, v;
    begin(&b);
    s = binary(&b, SYN_OP_MAT_MUL, queries(&b), keys(&b));
    p = softmax(&b, s, -1);
    y = binary(&b, SYN_OP_MAT_MUL, p, random_value(&b, DIMS(SK, SK)));
    expect(&b, binary(&b, SYN_OP_ADD, y, s), -1, "scores read twice");
    begin(&b);
    p = softmax(&b, binary(&b, SYN_OP_MAT_MUL, queries(&b), keys(&b)), -1);
    y = binary(&b, SYN_OP_MAT_MUL, p, values(&b));
    if (syn_graph_output(b.g, y, &b.err) != SYN_OK) abort();
    expect(&b, p, -1, "weights are an output");
    begin(&b); /* the scale's product is read twice: it stays beside the attention */
    s = binary(&b, SYN_OP_MUL, queries(&b), one(&b, 0.5f));
    k = binary(&b, SYN_OP_ADD, keys(&b), one(&b, 0.5f)); /* made, not weights: see the next */
    v = binary(&b, SYN_OP_ADD, random_value(&b, DIMS(SK, SIZE)), one(&b, 0.25f));
    y = binary(&b, SYN_OP_MAT_MUL, softmax(&b, binary(&b, SYN_OP_MAT_MUL, s, k), -1), v);
    expect(&b, binary(&b, SYN_OP_ADD, y, s), 6, "scaled queries read twice");
    begin(&b); /* linear layers about a softmax */
    s = binary(&b, SYN_OP_ADD, queries(&b), one(&b, 0.5f));
    y = binary(&b, SYN_OP_MAT_MUL, softmax(&b, binary(&b, SYN_OP_MAT_MUL, s, keys(&b)), -1),
               values(&b));
    expect(&b, y, -1, "keys and values that are weights");
}

int main(void)
{
    test_scales();
    test_computed_scales();
    test_masks();
    test_einsums();
    test_layouts();
    test_left_alone();
    test_other_readers();
    return t_report();
}
