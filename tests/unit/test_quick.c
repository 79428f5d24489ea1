/* test_quick.c - quick versions for dense tensors against the references: convolutions of sound and small maps,
 * recurrences, chains, and the functions of 16 floats over their range. */
#include "kernels/cpu/quick.h"
#include "kernels/cpu/rowwise.h"
#include "kernels/cpu/steps.h"
#include "kernels/cpu/tile.h"
#include "tests/quick_check.h"

extern const struct syn_quick cpu_quick_conv, cpu_quick_recurrent, cpu_quick_chain, cpu_quick_matmul, cpu_quick_softmax,
    cpu_quick_norm,
    cpu_quick_sum, cpu_quick_einsum, cpu_quick_transpose;

static void test_conv_1d(void)
{
    static const struct {
        int64_t ci, co, group, t, k, stride, dil, before, after;
    } cases[] = {{1, 1, 1, 1, 1, 1, 1, 0, 0},      {3, 5, 1, 50, 3, 1, 1, 1, 1},    {16, 24, 1, 97, 7, 1, 3, 9, 9},
                 {8, 8, 8, 103, 3, 1, 9, 9, 9},    {12, 20, 4, 33, 5, 2, 1, 2, 1},  {32, 9, 1, 48, 1, 1, 1, 0, 0},
                 {2, 17, 1, 200, 16, 8, 1, 4, 4},  {7, 8, 1, 49, 5, 3, 2, 0, 0},    {6, 6, 6, 64, 4, 2, 1, 3, 0},
                 {4, 40, 2, 15, 3, 1, 1, 2, 2},    {1, 32, 1, 700, 7, 1, 1, 3, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int bias = 0; bias < 2; bias++)
            for (int constant = 0; constant < 2; constant++) {
                char what[64];
                struct qc q;
                snprintf(what, sizeof what, "conv 1d %zu bias %d constant %d", i, bias, constant);
                qc_begin(&q, SYN_OP_CONV_ND, i);
                qc_in(&q, QC_DIMS(2, cases[i].ci, cases[i].t), false, -1, 1);
                qc_in(&q, QC_DIMS(cases[i].co, cases[i].ci / cases[i].group, cases[i].k), constant, -1, 1);
                if (bias) qc_in(&q, QC_DIMS(cases[i].co), true, -1, 1);
                qc_attr(&q, syn_attr_of_int("group", cases[i].group));
                qc_attr(&q, syn_attr_of_ints("strides", QC_DIMS(cases[i].stride)));
                qc_attr(&q, syn_attr_of_ints("dilations", QC_DIMS(cases[i].dil)));
                qc_attr(&q, syn_attr_of_ints("pads", QC_DIMS(cases[i].before, cases[i].after)));
                qc_check(&q, &cpu_quick_conv, 3e-6, what);
            }
}

static void test_conv_2d(void)
{
    static const struct {
        int64_t ci, co, group, h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right;
    } cases[] = {{1, 64, 1, 12, 32, 3, 3, 1, 1, 1, 1, 0, 1, 0, 1},  {8, 8, 8, 9, 32, 1, 3, 1, 2, 1, 1, 0, 1, 0, 1},
                 {16, 16, 1, 10, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0}, {6, 10, 2, 7, 5, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1},
                 {3, 9, 1, 20, 60, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2},   {4, 4, 1, 11, 13, 3, 2, 1, 3, 2, 1, 2, 0, 1, 3},
                 {5, 7, 1, 6, 97, 2, 4, 3, 1, 1, 5, 0, 0, 0, 0},    {12, 1, 1, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char what[64];
        struct qc q;
        snprintf(what, sizeof what, "conv 2d %zu", i);
        qc_begin(&q, SYN_OP_CONV_ND, 100 + i);
        qc_in(&q, QC_DIMS(1 + (int64_t)i % 2, cases[i].ci, cases[i].h, cases[i].w), false, -1, 1);
        qc_in(&q, QC_DIMS(cases[i].co, cases[i].ci / cases[i].group, cases[i].kh, cases[i].kw), true, -1, 1);
        qc_in(&q, QC_DIMS(cases[i].co), true, -1, 1);
        qc_attr(&q, syn_attr_of_int("group", cases[i].group));
        qc_attr(&q, syn_attr_of_ints("strides", QC_DIMS(cases[i].sh, cases[i].sw)));
        qc_attr(&q, syn_attr_of_ints("dilations", QC_DIMS(cases[i].dh, cases[i].dw)));
        qc_attr(&q, syn_attr_of_ints("pads", QC_DIMS(cases[i].top, cases[i].left, cases[i].bottom, cases[i].right)));
        qc_check(&q, &cpu_quick_conv, 3e-6, what);
    }
}

/* bf16: the error of rounding both operands of each product, no more. */
static void test_conv_bf16(void)
{
    static const int64_t cases[][4] = {{16, 24, 97, 7}, {5, 9, 300, 3}, {128, 40, 60, 1}, {2, 8, 48, 5}};
    for (size_t i = 0; cpu_tile_bf16() && i < sizeof cases / sizeof *cases; i++)
        for (int transposed = 0; transposed < 2; transposed++) {
            const int64_t ci = cases[i][0], co = cases[i][1], k = cases[i][3], two = 2;
            struct qc q;
            qc_begin(&q, transposed ? SYN_OP_CONV_TRANSPOSE_ND : SYN_OP_CONV_ND, 150 + i);
            q.c.bf16 = true;
            qc_in(&q, QC_DIMS(1, ci, cases[i][2]), false, -1, 1);
            if (transposed) qc_in(&q, QC_DIMS(ci, co, k), true, -1, 1);
            else qc_in(&q, QC_DIMS(co, ci, k), true, -1, 1);
            qc_in(&q, QC_DIMS(co), true, -1, 1);
            qc_attr(&q, syn_attr_of_ints("strides", 1, &two));
            qc_check(&q, &cpu_quick_conv, 8e-3, "conv in bf16");
        }
}

static void test_conv_transpose(void)
{
    static const struct {
        int64_t ci, co_g, group, t, k, stride, before, after, extra;
    } cases[] = {{16, 8, 1, 30, 16, 8, 4, 4, 0}, {8, 12, 1, 61, 8, 4, 2, 2, 0}, {3, 5, 1, 7, 3, 1, 1, 1, 0},
                 {8, 1, 8, 20, 3, 2, 1, 1, 1},   {6, 4, 3, 11, 5, 3, 0, 2, 2},  {2, 2, 1, 1, 4, 2, 0, 0, 0},
                 {4, 6, 2, 9, 2, 5, 0, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int two = 0; two < 2; two++) {
            const int64_t co = cases[i].co_g * cases[i].group;
            char what[64];
            struct qc q;
            snprintf(what, sizeof what, "conv transpose %zu, %d axes", i, 1 + two);
            qc_begin(&q, SYN_OP_CONV_TRANSPOSE_ND, 200 + i);
            if (two) qc_in(&q, QC_DIMS(1, cases[i].ci, 4, cases[i].t), false, -1, 1);
            else qc_in(&q, QC_DIMS(2, cases[i].ci, cases[i].t), false, -1, 1);
            if (two) qc_in(&q, QC_DIMS(cases[i].ci, cases[i].co_g, 3, cases[i].k), true, -1, 1);
            else qc_in(&q, QC_DIMS(cases[i].ci, cases[i].co_g, cases[i].k), true, -1, 1);
            qc_in(&q, QC_DIMS(co), true, -1, 1);
            qc_attr(&q, syn_attr_of_int("group", cases[i].group));
            const int64_t strides[2] = {2, cases[i].stride}, pads[4] = {1, cases[i].before, 0, cases[i].after},
                          one[2] = {cases[i].before, cases[i].after}, extra[2] = {1, cases[i].extra};
            qc_attr(&q, syn_attr_of_ints("strides", 1 + two, strides + 1 - two));
            qc_attr(&q, syn_attr_of_ints("pads", 2 + 2 * two, two ? pads : one));
            qc_attr(&q, syn_attr_of_ints("output_padding", 1 + two, extra + 1 - two));
            qc_check(&q, &cpu_quick_conv, 3e-6, what);
        }
}

static void test_recurrent(void)
{
    static const struct {
        syn_op_id id;
        int64_t seq, batch, in, hidden;
        const char *direction;
        int late;
    } cases[] = {{SYN_OP_GRU, 5, 1, 8, 16, "forward", 1},     {SYN_OP_GRU, 19, 2, 7, 20, "forward", 0},
                 {SYN_OP_GRU, 4, 1, 64, 256, "reverse", 1},   {SYN_OP_GRU, 3, 3, 5, 65, "bidirectional", 0},
                 {SYN_OP_LSTM, 6, 1, 12, 128, "forward", 0},  {SYN_OP_LSTM, 9, 2, 3, 17, "reverse", 0},
                 {SYN_OP_LSTM, 2, 1, 30, 40, "bidirectional", 0},
                 {SYN_OP_GRU, 60, 1, 40, 256, "forward", 1},   {SYN_OP_LSTM, 33, 1, 9, 128, "bidirectional", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int full = 0; full < 2; full++) {
            const bool lstm = cases[i].id == SYN_OP_LSTM;
            const int64_t d = cases[i].direction[0] == 'b' ? 2 : 1, g = lstm ? 4 : 3, h = cases[i].hidden;
            char what[64];
            struct qc q;
            snprintf(what, sizeof what, "recurrent %zu full %d", i, full);
            qc_begin(&q, cases[i].id, 300 + i);
            q.c.n_out = lstm ? 3 : 2;
            qc_in(&q, QC_DIMS(cases[i].seq, cases[i].batch, cases[i].in), false, -1, 1);
            qc_in(&q, QC_DIMS(d, g * h, cases[i].in), true, -0.3f, 0.3f);
            qc_in(&q, QC_DIMS(d, g * h, h), true, -0.3f, 0.3f);
            if (full) {
                qc_in(&q, QC_DIMS(d, 2 * g * h), true, -1, 1);
                qc_absent(&q);
                qc_in(&q, QC_DIMS(d, cases[i].batch, h), false, -1, 1);
                if (lstm) qc_in(&q, QC_DIMS(d, cases[i].batch, h), false, -1, 1);
            }
            qc_attr(&q, syn_attr_of_int("hidden_size", h));
            qc_attr(&q, syn_attr_of_text("direction", cases[i].direction));
            if (!lstm) qc_attr(&q, syn_attr_of_int("linear_before_reset", cases[i].late));
            qc_check(&q, &cpu_quick_recurrent, 1e-5, what);
        }
}

static void test_chain(void)
{
    const int64_t code[] = {SYN_STEP_MUL, 0, 1, SYN_STEP_ADD, 3, 2, SYN_STEP_TANH, 4, -1, SYN_STEP_SIGMOID, 3, -1,
                            SYN_STEP_MUL, 5, 6};
    const double args[10] = {0};
    static const int64_t shapes[][3][3] = {{{2, 3, 700}, {1, 3, 1}, {2, 1, 700}},   {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
                                           {{5, 1, 17}, {1, 9, 1}, {1, 1, 17}},     {{64, 8, 129}, {64, 8, 129}, {1, 8, 1}},
                                           {{3, 4, 1}, {3, 1, 1}, {1, 4, 1}},       {{1, 40, 1000}, {1, 1, 1}, {1, 40, 1000}}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct qc q;
        qc_begin(&q, SYN_OP_CHAIN, 400 + i);
        for (int k = 0; k < 3; k++) qc_in(&q, 3, shapes[i][k], false, -2, 2);
        qc_attr(&q, syn_attr_of_ints("code", 15, code));
        qc_attr(&q, syn_attr_of_floats("args", 10, args));
        qc_check(&q, &cpu_quick_chain, 1e-6, "chain");
    }
    for (int id = 0; id < SYN_STEP_COUNT; id++) {
        const int64_t one[3] = {id, 0, syn_step_operands((syn_step)id) == 2 ? 1 : -1};
        const double two[2] = {-0.25, 0.5};
        struct qc q;
        char what[32];
        snprintf(what, sizeof what, "step %d", id);
        qc_begin(&q, SYN_OP_CHAIN, 500 + (uint64_t)id);
        qc_in(&q, QC_DIMS(3, 5, 111), false, id == SYN_STEP_POW || id == SYN_STEP_LOG || id == SYN_STEP_SQRT ? 0.01f : -3, 3);
        if (one[2] >= 0) qc_in(&q, QC_DIMS(5, 1), false, 0.5f, 2);
        qc_attr(&q, syn_attr_of_ints("code", 3, one));
        qc_attr(&q, syn_attr_of_floats("args", 2, two));
        qc_check(&q, &cpu_quick_chain, 1e-6, what);
    }
}

static void test_products(void)
{
    static const int64_t cases[][3] = {{1, 1, 1}, {3, 5, 7}, {8, 192, 48}, {103, 96, 103}, {17, 33, 100}, {1, 300, 97}, {65, 2, 49}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int form = 0; form < 6; form++) {
            const int64_t m = cases[i][0], k = cases[i][1], n = cases[i][2];
            char what[48];
            struct qc q;
            snprintf(what, sizeof what, "product %zu, form %d", i, form);
            qc_begin(&q, form < 4 ? SYN_OP_MAT_MUL : SYN_OP_GEMM, 600 + i);
            if (form == 0) qc_in(&q, QC_DIMS(m, k), false, -1, 1), qc_in(&q, QC_DIMS(k, n), true, -1, 1);
            if (form == 1) qc_in(&q, QC_DIMS(2, 3, m, k), false, -1, 1), qc_in(&q, QC_DIMS(k, n), true, -1, 1);
            if (form == 2) qc_in(&q, QC_DIMS(2, 3, m, k), false, -1, 1), qc_in(&q, QC_DIMS(2, 1, k, n), false, -1, 1);
            if (form == 3) qc_in(&q, QC_DIMS(m, k), false, -1, 1), qc_in(&q, QC_DIMS(4, k, n), false, -1, 1);
            if (form >= 4) {
                qc_in(&q, QC_DIMS(m, k), false, -1, 1);
                if (form == 4) qc_in(&q, QC_DIMS(n, k), true, -1, 1);
                else qc_in(&q, QC_DIMS(n, k), false, -1, 1);
                qc_in(&q, QC_DIMS(n), true, -1, 1);
                qc_attr(&q, syn_attr_of_int("transB", 1));
                qc_attr(&q, syn_attr_of_float("alpha", 0.5));
                qc_attr(&q, syn_attr_of_float("beta", 2));
            }
            qc_check(&q, &cpu_quick_matmul, 3e-6, what);
        }
}

static void test_einsum(void)
{
    static const struct {
        const char *equation;
        int64_t g, i, h;
    } cases[] = {{"btgi,gih->btgh", 8, 64, 60}, {"a b c,c d -> a b d", 0, 33, 97}, {"xyz,yzw->xyw", 3, 5, 1}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct qc q;
        qc_begin(&q, SYN_OP_EINSUM, 650 + k);
        if (k == 0) qc_in(&q, QC_DIMS(1, 37, cases[k].g, cases[k].i), false, -1, 1);
        if (k == 1) qc_in(&q, QC_DIMS(2, 9, cases[k].i), false, -1, 1);
        if (k == 2) qc_in(&q, QC_DIMS(11, cases[k].g, cases[k].i), false, -1, 1);
        if (cases[k].g) qc_in(&q, QC_DIMS(cases[k].g, cases[k].i, cases[k].h), true, -1, 1);
        else qc_in(&q, QC_DIMS(cases[k].i, cases[k].h), true, -1, 1);
        qc_attr(&q, syn_attr_of_text("equation", cases[k].equation));
        qc_check(&q, &cpu_quick_einsum, 3e-6, cases[k].equation);
    }
}

static void test_rows(void)
{
    static const int64_t cases[][2] = {{1, 1}, {3, 7}, {50, 192}, {206, 103}, {2, 5000}, {300, 16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t rows = cases[i][0], n = cases[i][1], last = -1, two[2] = {1, 2};
        struct qc q;
        qc_begin(&q, SYN_OP_SOFTMAX, 700 + i);
        qc_in(&q, QC_DIMS(2, rows, n), false, -9, 9);
        qc_check(&q, &cpu_quick_softmax, 2e-6, "softmax");
        for (int bias = 0; bias < 2; bias++) {
            qc_begin(&q, SYN_OP_LAYER_NORMALIZATION, 710 + i);
            qc_in(&q, QC_DIMS(rows, n), false, 3, 9);
            qc_in(&q, QC_DIMS(n), true, -1, 1);
            if (bias) qc_in(&q, QC_DIMS(n), true, -1, 1);
            qc_check(&q, &cpu_quick_norm, 1e-4, "layer norm"); /* means of 6 among numbers of 3 to 9 */
        }
        qc_begin(&q, SYN_OP_RMS_NORMALIZATION, 720 + i);
        qc_in(&q, QC_DIMS(rows, n), false, -1, 1);
        qc_in(&q, QC_DIMS(n), true, -1, 1);
        qc_check(&q, &cpu_quick_norm, 3e-6, "rms norm");
        qc_begin(&q, i % 2 ? SYN_OP_REDUCE_SUM : SYN_OP_REDUCE_MEAN, 730 + i);
        qc_in(&q, QC_DIMS(3, rows, n), false, -1, 1);
        qc_attr(&q, i < 3 ? syn_attr_of_ints("axes", 1, &last) : syn_attr_of_ints("axes", 2, two));
        qc_check(&q, &cpu_quick_sum, 1e-5, "sum");
    }
}

/* Runs, squares with ragged edges, axes of one, axes that stay neighbours, more than one task. */
static void test_transpose(void)
{
    static const struct {
        int32_t rank;
        int64_t dim[5], perm[5];
    } cases[] = {
        {1, {5}, {0}},
        {2, {1, 1}, {1, 0}},
        {2, {3, 200}, {1, 0}},
        {2, {65, 131}, {1, 0}},
        {2, {1, 77}, {1, 0}},
        {3, {300, 4, 70}, {1, 0, 2}},
        {3, {7, 65, 66}, {2, 1, 0}},
        {3, {5, 6, 7}, {1, 2, 0}},
        {4, {1, 64, 100, 24}, {0, 2, 1, 3}},
        {4, {1, 40, 50, 3}, {0, 3, 1, 2}},
        {4, {2, 3, 40, 50}, {0, 2, 3, 1}},
        {4, {2, 9, 10, 11}, {3, 2, 1, 0}},
        {5, {2, 3, 1, 65, 5}, {4, 0, 2, 3, 1}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char what[60];
        struct qc q;
        qc_begin(&q, SYN_OP_TRANSPOSE, k);
        qc_in(&q, cases[k].rank, cases[k].dim, false, -1, 1);
        qc_attr(&q, syn_attr_of_ints("perm", cases[k].rank, cases[k].perm));
        snprintf(what, sizeof what, "transpose, case %d", (int)k);
        qc_check(&q, &cpu_quick_transpose, 0, what);
    }
}

/* Every step over its whole range, with what is special, in one version of the steps. */
static void check_functions(cpu_step_fn *apply, const char *name)
{
    static const float special[] = {0, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 88, -88, 89, -104, 1e-30f, -1e-30f, 1e30f, 3.4e38f, 1e-40f};
    const double args[2] = {-0.5, 0.75};
    enum { N = 40000 };
    float *x = (float *)t_alloc(N * sizeof *x), *y = (float *)t_alloc(N * sizeof *y), *two = (float *)t_alloc(N * sizeof *two);
    for (int i = 0; i < N; i++) {
        const double u = (i - N / 2) / (N / 2.0);
        x[i] = (float)(i % 3 ? u * 12 : u * 100);
        two[i] = i % 2 ? 2.0f : -1.5f;
    }
    memcpy(x, special, sizeof special);
    for (int id = 0; id < SYN_STEP_COUNT; id++) {
        const bool binary = syn_step_operands((syn_step)id) == 2;
        int bad = -1;
        if (id == SYN_STEP_POW) continue; /* libm's own */
        /* with a tail of every length, from the end so that what is special comes last */
        for (int tail = 17; tail > 0; tail--)
            apply((syn_step)id, x + N - tail, binary ? two + N - tail : NULL, y + N - tail, tail, args);
        apply((syn_step)id, x, binary ? two : NULL, y, N - 17, args);
        for (int i = 0; i < N; i++) {
            const double w = (double)(float)syn_step_apply((syn_step)id, (double)x[i], (double)two[i], args), g = (double)y[i];
            const double slack = id == SYN_STEP_ERF ? 3e-7 : 6e-7 * fabs(w) + 1.2e-7 * (id == SYN_STEP_LOG || id == SYN_STEP_SOFTPLUS);
            if (isnan(w) ? !isnan(g) : isinf(w) ? g != w : !(fabs(g - w) <= slack + 1e-37)) { bad = i; break; }
        }
        T_CHECK(bad < 0, "%s: step %d of %.9g = %.9g, libm %.9g", name, id, bad < 0 ? 0 : (double)x[bad], bad < 0 ? 0 : (double)y[bad],
                bad < 0 ? 0 : syn_step_apply((syn_step)id, (double)x[bad], (double)two[bad], args));
    }
    free(x), free(y), free(two);
}

/* Those of every instruction set that this CPU has. */
static bool have_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}
static void test_functions(void)
{
    check_functions(cpu_step_best(), "best");
#if defined(__x86_64__)
    if (have_avx2()) check_functions(cpu_step_avx2, "avx2");
#endif
    check_functions(cpu_step_portable, "portable");
}

/* Rows of every length around a register's, against the portable ones; what lies behind stays. */
static void check_rowwise(const struct cpu_rowwise *f, const char *name)
{
    enum { MOST = 70 };
    float x[MOST], scale[MOST], bias[MOST], want[MOST + 1], got[MOST + 1];
    for (int i = 0; i < MOST; i++) {
        x[i] = (float)(i * 37 % 23) / 4 - 2;
        scale[i] = (float)(i * 7 % 5) - 2;
        bias[i] = (float)(i % 3);
    }
    for (int n = 1; n <= MOST; n++)
        for (int form = 0; form < 6; form++) {
            double ws[2] = {1, 2}, gs[2] = {1, 2}, worst = 0;
            int written = form < 4 ? n : 2;
            want[n] = got[n] = 77;
            for (int k = 0; k < 2; k++) {
                const struct cpu_rowwise *r = k ? f : &cpu_rowwise_portable;
                float *y = k ? got : want;
                double *m = k ? gs : ws;
                if (form == 0) r->softmax(x, y, n);
                else if (form < 3) r->norm(x, scale, form == 1 ? bias : NULL, y, n, 1e-5f, form == 2);
                else if (form == 3) r->affine(x, y, n, 0.5f, -1);
                else if (form == 4) r->moments(x, n, 0.25f, &m[0], &m[1]);
                else m[0] = (double)r->sum(x, n);
            }
            for (int i = 0; i < written; i++)
                worst = fmax(worst, form < 4 ? fabs((double)(want[i] - got[i])) : fabs(ws[i] - gs[i]));
            T_CHECK(worst <= 2e-5, "%s: form %d of %d numbers: off by %g", name, form, n, worst);
            T_CHECK(got[n] == 77, "%s: form %d of %d numbers wrote behind them", name, form, n);
        }
    x[2] = NAN;
    f->softmax(x, got, 20);
    T_CHECK(isnan(got[0]) && isnan(got[19]), "%s: softmax of a NaN", name);
}
static void test_rowwise(void)
{
    check_rowwise(cpu_rowwise_best(), "best");
#if defined(__x86_64__)
    if (have_avx2()) check_rowwise(&cpu_rowwise_avx2, "avx2");
#endif
}

/* Every tile of every instruction set this CPU has, against the portable one. */
static void test_tiles(void)
{
    cpu_tile_fn *const tiles[] = {cpu_tile_best(),
#if defined(__x86_64__)
                                  __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? cpu_tile_avx2 : NULL
#endif
    };
    float a[8 * 40], x[40 * 60], want[8 * 50], got[8 * 50], bias[8];
    for (int i = 0; i < 8 * 40; i++) a[i] = (float)(i * 7 % 13) - 6;
    for (int i = 0; i < 40 * 60; i++) x[i] = (float)(i * 11 % 17) - 8;
    for (int i = 0; i < 8; i++) bias[i] = (float)i;
    for (size_t f = 0; f < sizeof tiles / sizeof *tiles; f++)
        for (int32_t rows = 1; tiles[f] && rows <= 8; rows++)
            for (int32_t cols = 1; cols <= CPU_TILE_COLS; cols++)
                for (int form = 0; form < 8; form++) {
                    struct cpu_tile t = {.a = a, .x = x, .bias = form & 1 ? bias : NULL, .a_row = 40, .a_k = 1, .x_k = 60,
                                         .k = 40, .y_row = 50, .rows = rows, .cols = cols, .add = form & 2, .relu = form & 4};
                    for (int i = 0; i < 8 * 50; i++) want[i] = got[i] = 3;
                    t.y = want, cpu_tile_portable(&t);
                    t.y = got, tiles[f](&t);
                    T_CHECK(memcmp(want, got, sizeof want) == 0, "tile %zu of %d x %d, form %d", f, (int)rows, (int)cols, form);
                }
}

int main(void)
{
    test_tiles();
    test_functions();
    test_rowwise();
    test_conv_1d();
    test_conv_2d();
    test_conv_bf16();
    test_conv_transpose();
    test_recurrent();
    test_chain();
    test_products();
    test_einsum();
    test_rows();
    test_transpose();
    return t_report();
}
