/* test_quick_depth.c - convolutions against the references: planes with short rows as one run of
 * numbers, kernels of one column whose rows are joined, steps applied to what they give, and the 1x1
 * convolution behind in one with them. */
#include "kernels/cpu/quick.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/tile.h"
#include "kernels/graph/chain.h"
#include "tests/quick_check.h"

extern const struct syn_quick cpu_quick_conv, cpu_quick_depth, cpu_quick_point;

struct conv_case {
    int64_t n, ci, co, group, h, w, kh, kw, strides[2], dilations[2], pads[4]; /* top, left, bottom, right */
};

static void begin(struct qc *q, syn_op_id id, uint64_t seed, const struct conv_case *c)
{
    qc_begin(q, id, seed);
    qc_in(q, QC_DIMS(c->n, c->ci, c->h, c->w), false, -1, 1);
    qc_in(q, QC_DIMS(c->co, c->ci / c->group, c->kh, c->kw), true, -1, 1);
    qc_in(q, QC_DIMS(c->co), true, -1, 1);
    qc_attr(q, syn_attr_of_int("group", c->group));
    qc_attr(q, syn_attr_of_ints("strides", 2, c->strides));
    qc_attr(q, syn_attr_of_ints("dilations", 2, c->dilations));
    qc_attr(q, syn_attr_of_ints("pads", 4, c->pads));
}

/* Every width of a register and around it, taps that reach over both edges, planes shorter than a
 * register. */
static void test_planes(void)
{
    static const struct conv_case cases[] = {
        {1, 3, 3, 3, 5, 8, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {2, 4, 4, 4, 9, 8, 1, 3, {1, 2}, {1, 1}, {0, 1, 0, 1}},
        {1, 2, 64, 2, 21, 96, 3, 3, {1, 1}, {1, 1}, {2, 1, 0, 1}},
        {1, 1, 7, 1, 4, 32, 3, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {1, 5, 5, 5, 7, 15, 5, 5, {1, 1}, {1, 1}, {2, 2, 2, 2}},
        {1, 3, 3, 3, 6, 17, 3, 1, {1, 1}, {2, 1}, {2, 0, 2, 0}},
        {1, 2, 2, 2, 1, 1, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}},
        {1, 3, 3, 3, 3, 2, 1, 2, {1, 2}, {1, 1}, {0, 0, 0, 0}},
        {2, 3, 6, 3, 11, 34, 3, 4, {1, 2}, {1, 1}, {1, 1, 1, 1}},
        {1, 2, 2, 2, 13, 33, 1, 5, {1, 1}, {1, 7}, {0, 14, 0, 14}},
        {1, 2, 2, 2, 300, 130, 1, 3, {1, 2}, {1, 1}, {0, 0, 0, 1}},
        {1, 4, 4, 4, 30, 10, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
        {1, 2, 4, 2, 40, 2048, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}},
        {1, 1, 1, 1, 16, 16, 8, 8, {1, 1}, {1, 1}, {3, 3, 4, 4}},
        {1, 1, 1, 1, 2, 6, 2, 9, {1, 1}, {1, 1}, {1, 4, 0, 4}},
        {1, 1, 3, 1, 12, 4, 3, 2, {1, 2}, {3, 1}, {3, 0, 4, 1}}};
    for (size_t i = 0; cpu_has_avx512() && i < sizeof cases / sizeof *cases; i++) {
        struct qc q;
        char what[64];
        snprintf(what, sizeof what, "planes %zu", i);
        begin(&q, SYN_OP_CONV_ND, i, &cases[i]);
        qc_check(&q, &cpu_quick_depth, 3e-6, what);
    }
}

/* One axis; stride 2; kernels of which a phase has no tap. */
static void test_planes_transposed(void)
{
    static const struct {
        int64_t c, h, w, kh, kw, stride, top, left, bottom, right, extra;
    } cases[] = {{3, 5, 8, 1, 3, 2, 0, 1, 0, 1, 1},  {2, 9, 16, 1, 3, 1, 0, 1, 0, 1, 0}, {2, 4, 5, 3, 4, 2, 1, 1, 1, 1, 0},
                 {4, 3, 7, 2, 1, 2, 0, 0, 1, 0, 1},  {1, 1, 1, 1, 2, 2, 0, 0, 0, 0, 0},  {2, 40, 33, 3, 6, 2, 0, 2, 2, 2, 0},
                 {1, 6, 17, 2, 5, 2, 1, 3, 0, 0, 0}, {2, 300, 128, 1, 3, 2, 0, 1, 0, 1, 1}};
    for (size_t i = 0; cpu_has_avx512() && i < sizeof cases / sizeof *cases; i++) {
        struct qc q;
        char what[64];
        snprintf(what, sizeof what, "planes transposed %zu", i);
        qc_begin(&q, SYN_OP_CONV_TRANSPOSE_ND, 50 + i);
        qc_in(&q, QC_DIMS(2, cases[i].c, cases[i].h, cases[i].w), false, -1, 1);
        qc_in(&q, QC_DIMS(cases[i].c, 1, cases[i].kh, cases[i].kw), true, -1, 1);
        if (i % 2 == 0) qc_in(&q, QC_DIMS(cases[i].c), true, -1, 1);
        qc_attr(&q, syn_attr_of_int("group", cases[i].c));
        qc_attr(&q, syn_attr_of_ints("strides", QC_DIMS(1, cases[i].stride)));
        qc_attr(&q, syn_attr_of_ints("pads", QC_DIMS(cases[i].top, cases[i].left, cases[i].bottom, cases[i].right)));
        qc_attr(&q, syn_attr_of_ints("output_padding", QC_DIMS(0, cases[i].extra)));
        qc_check(&q, &cpu_quick_depth, 3e-6, what);
    }
}

/* What it leaves to others: rows longer than the output's allow, strides over rows, channels that
 * are summed. */
static void test_not_planes(void)
{
    static const struct conv_case cases[] = {
        {1, 2, 2, 2, 5, 9, 1, 3, {1, 2}, {1, 1}, {0, 1, 0, 1}}, {1, 2, 2, 2, 5, 8, 1, 3, {1, 1}, {1, 1}, {0, 0, 0, 0}},
        {1, 2, 2, 2, 8, 8, 3, 3, {2, 1}, {1, 1}, {1, 1, 1, 1}}, {1, 4, 4, 2, 5, 8, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {1, 2, 2, 2, 5, 9, 1, 3, {1, 3}, {1, 1}, {0, 1, 0, 1}},
        {1, 1, 1, 1, 2, 4096, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qc q;
        begin(&q, SYN_OP_CONV_ND, 80 + i, &cases[i]);
        T_CHECK(syn_attr_fill(q.c.op, q.given, q.n_given, q.filled, &q.err) == SYN_OK &&
                    q.c.op->shape(&q.c, &q.err) == SYN_OK && !cpu_quick_depth.takes(&q.c),
                "case %zu is taken: %s", i, q.err.text);
        qc_check(&q, &cpu_quick_conv, 3e-6, "another convolution");
    }
}

/* Rows joined to one: also with more channels than lines fit, where they must not be. */
static void test_joined_rows(void)
{
    static const struct conv_case cases[] = {
        {1, 64, 10, 2, 50, 96, 5, 1, {1, 1}, {1, 1}, {4, 0, 0, 0}},
        {2, 3, 9, 1, 30, 20, 3, 1, {1, 1}, {2, 1}, {0, 0, 3, 0}},
        {1, 8, 8, 1, 4, 130, 4, 1, {1, 1}, {1, 1}, {3, 0, 3, 0}},
        {1, 16, 3, 1, 3, 2000, 3, 1, {1, 1}, {1, 1}, {1, 0, 1, 0}},
        {1, 600, 9, 1, 5, 40, 3, 1, {1, 1}, {1, 1}, {1, 0, 1, 0}},
        {1, 70, 20, 1, 33, 48, 7, 1, {1, 1}, {1, 1}, {3, 0, 3, 0}},
        {1, 6, 6, 6, 20, 50, 5, 1, {1, 1}, {1, 1}, {2, 0, 2, 0}},
        {1, 3, 4, 1, 9, 11, 9, 1, {1, 1}, {1, 1}, {8, 0, 8, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int bf16 = 0; bf16 < 1 + (cpu_tile_bf16() != NULL); bf16++) {
            struct qc q;
            char what[64];
            snprintf(what, sizeof what, "joined rows %zu bf16 %d", i, bf16);
            begin(&q, SYN_OP_CONV_ND, 100 + i, &cases[i]);
            q.c.bf16 = bf16;
            qc_check(&q, &cpu_quick_conv, bf16 ? 8e-3 : 3e-6, what);
        }
}

/* Every step of one operand, behind sums in one part and in several, and depthwise. */
static void test_steps(void)
{
    static const struct conv_case cases[] = {
        {1, 12, 20, 1, 6, 50, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}},
        {1, 700, 9, 1, 3, 60, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}},
        {2, 5, 5, 5, 8, 9, 3, 3, {2, 2}, {1, 1}, {1, 1, 1, 1}},
        {1, 64, 8, 1, 7, 13, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}}};
    static const struct conv_case plane = {1, 4, 8, 4, 9, 16, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}};
    for (int step = 0; step < SYN_STEP_COUNT; step++)
        for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
            const bool planes = i == sizeof cases / sizeof *cases;
            struct qc q;
            char what[64];
            if (syn_step_operands((syn_step)step) != 1 || (planes && !cpu_has_avx512())) continue;
            /* where a rounding more of the sum is magnified without bound */
            if (step == SYN_STEP_RECIPROCAL || step == SYN_STEP_SQRT || step == SYN_STEP_LOG ||
                (step == SYN_STEP_EXP && i == 1))
                continue;
            snprintf(what, sizeof what, "step %d behind convolution %zu", step, i);
            /* 6,300 products of the second make sums of some 50, each rounded to f32 */
            begin(&q, SYN_OP_CONV_STEP, 200 + i, planes ? &plane : &cases[i]);
            qc_attr(&q, syn_attr_of_int("step", step));
            qc_attr(&q, syn_attr_of_float("arg0", -0.25));
            qc_attr(&q, syn_attr_of_float("arg1", 0.5));
            qc_check(&q, planes ? &cpu_quick_depth : &cpu_quick_conv, i == 1 ? 1e-4 : 2e-5, what);
        }
}

/* A depthwise convolution and the 1x1 one behind it: at once, and one after the other where rows
 * are long, strides are others, channels are too many for a task, or weights are not known before. */
static void test_points(void)
{
    static const struct conv_case cases[] = {
        {1, 4, 4, 4, 7, 8, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {2, 5, 5, 5, 60, 32, 1, 3, {1, 2}, {1, 1}, {0, 1, 0, 1}},
        {1, 2, 64, 2, 21, 96, 3, 3, {1, 1}, {1, 1}, {2, 1, 0, 1}},
        {1, 200, 200, 200, 9, 100, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {1, 330, 330, 330, 9, 50, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {1, 1000, 1000, 1000, 3, 17, 1, 3, {1, 1}, {1, 1}, {0, 1, 0, 1}},
        {1, 3, 3, 3, 9, 11, 3, 3, {2, 2}, {1, 1}, {1, 1, 1, 1}},
        {1, 3, 3, 3, 2, 3000, 1, 5, {1, 1}, {1, 1}, {0, 2, 0, 2}},
        {1, 9, 9, 9, 1, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}}};
    static const int64_t outputs[] = {5, 8, 64, 33, 8, 3, 17, 9, 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int form = 0; form < 6; form++) {
            const struct conv_case *k = &cases[i];
            const bool bf16 = form == 4, constant = form != 5;
            struct qc q;
            char what[64];
            if (bf16 && !cpu_tile_bf16()) continue;
            snprintf(what, sizeof what, "points %zu, form %d", i, form);
            qc_begin(&q, SYN_OP_CONV_POINT, 400 + i);
            q.c.bf16 = bf16;
            qc_in(&q, QC_DIMS(k->n, k->ci, k->h, k->w), false, -1, 1);
            qc_in(&q, QC_DIMS(k->co, 1, k->kh, k->kw), constant, -1, 1);
            qc_in(&q, QC_DIMS(outputs[i], k->co, 1, 1), constant, -1, 1);
            if (form & 1) qc_in(&q, QC_DIMS(k->co), true, -1, 1);
            else qc_absent(&q);
            if (form & 2) qc_in(&q, QC_DIMS(outputs[i]), true, -1, 1);
            qc_attr(&q, syn_attr_of_int("group", k->group));
            qc_attr(&q, syn_attr_of_ints("strides", 2, k->strides));
            qc_attr(&q, syn_attr_of_ints("dilations", 2, k->dilations));
            qc_attr(&q, syn_attr_of_ints("pads", 4, k->pads));
            if (form > 1) qc_attr(&q, syn_attr_of_int("step", form == 2 ? SYN_STEP_TANH : SYN_STEP_RELU));
            qc_check(&q, &cpu_quick_point, bf16 ? 8e-3 : 2e-5, what);
        }
}

static void test_points_transposed(void)
{
    static const struct {
        int64_t c, h, w, k, stride, left, right, extra, co;
    } cases[] = {{3, 5, 8, 3, 2, 1, 1, 1, 4}, {64, 50, 16, 3, 2, 1, 1, 1, 64}, {330, 30, 15, 4, 2, 1, 1, 0, 9},
                 {2, 9, 16, 3, 1, 1, 1, 0, 20}, {5, 4, 7, 5, 3, 0, 2, 0, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t strides[2] = {1, cases[i].stride}, pads[4] = {0, cases[i].left, 0, cases[i].right},
                      extra[2] = {0, cases[i].extra};
        struct qc q;
        char what[64];
        snprintf(what, sizeof what, "points behind transposed %zu", i);
        qc_begin(&q, SYN_OP_CONV_POINT, 500 + i);
        qc_in(&q, QC_DIMS(2, cases[i].c, cases[i].h, cases[i].w), false, -1, 1);
        qc_in(&q, QC_DIMS(cases[i].c, 1, 1, cases[i].k), true, -1, 1);
        qc_in(&q, QC_DIMS(cases[i].co, cases[i].c, 1, 1), true, -1, 1);
        qc_absent(&q);
        qc_in(&q, QC_DIMS(cases[i].co), true, -1, 1);
        qc_attr(&q, syn_attr_of_int("transposed", 1));
        qc_attr(&q, syn_attr_of_int("group", cases[i].c));
        qc_attr(&q, syn_attr_of_ints("strides", 2, strides));
        qc_attr(&q, syn_attr_of_ints("pads", 4, pads));
        qc_attr(&q, syn_attr_of_ints("output_padding", 2, extra));
        qc_check(&q, &cpu_quick_point, 1e-5, what);
    }
}

/* A NaN stays one through a Relu. */
static void test_nan(void)
{
    static const struct conv_case cases[] = {{1, 3, 4, 1, 4, 20, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                                             {1, 3, 3, 3, 4, 20, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}}};
    for (int i = 0; i < 1 + cpu_has_avx512(); i++) {
        struct qc q;
        begin(&q, SYN_OP_CONV_STEP, 300, &cases[i]);
        ((float *)q.c.in[0].data)[25] = NAN;
        qc_check(&q, i ? &cpu_quick_depth : &cpu_quick_conv, 3e-6, "NaN");
    }
}

int main(void)
{
    test_planes();
    test_planes_transposed();
    test_not_planes();
    test_joined_rows();
    test_steps();
    test_points();
    test_points_transposed();
    test_nan();
    return t_report();
}
