/* test_ops_conv.c - CONV and CONV_TRANSPOSE against numbers computed by somebody else, against each
 * other (one is the other's adjoint), and against operands that do not fit. */
#include "kernels/base/alloc.h"
#include "tests/op_call.h"

/* One case of either operator; vectors follow one another in the tables of results. */
struct conv_case {
    int64_t n, ci, h, w, co, kh, kw, group, sh, sw, dh, dw, top, left, bottom, right, pad_h, pad_w,
        n_want;
};

/* Results of onnxruntime 1.32 for x = pattern(7, 3), w = pattern(5, 1), bias = pattern(3, 2), where
 * pattern(a, b)[i] = ((i*a + b) % 17 - 8) / 4: all sums are exact in float32, so are the
 * comparisons. */
static const struct conv_case conv_cases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1},
    {1, 2, 3, 5, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 45},
    {2, 3, 4, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 36},
    {1, 4, 3, 4, 4, 3, 3, 4, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 48},
    {1, 4, 5, 3, 6, 2, 3, 2, 2, 1, 1, 1, 0, 1, 1, 2, 0, 0, 72},
    {1, 2, 7, 5, 1, 3, 2, 1, 2, 3, 2, 2, 3, 0, 1, 4, 0, 0, 12},
    {1, 3, 2, 7, 3, 1, 5, 3, 1, 2, 3, 1, 0, 2, 0, 1, 0, 0, 18},
    {1, 1, 1, 11, 1, 1, 3, 1, 1, 3, 1, 4, 0, 5, 0, 2, 0, 0, 4},
    {1, 6, 1, 1, 4, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 4},
};
static const float conv_want[] = {
    0.6875f, -4.1875f, -0.0625f, 0.4375f, -1.1875f, -11.5625f, -3.75f, -1.3125f, 4.125f, 3.1875f,
    -6.25f, -2.25f, -2.8125f, 2.875f, 2.1875f, -1.75f, 1, -7.6875f, 4.1875f, 3.3125f, 6.8125f,
    1.8125f, -11.375f, 0.5f, 8.125f, 7.9375f, 2.25f, -7.75f, -1.3125f, 6.1875f, 4.25f, -2.3125f,
    5.9375f, -6.9375f, -7.0625f, 2.875f, -3.25f, 6.1875f, -11.625f, -13.5f, 4.0625f, -0.6875f,
    4.3125f, -6.5625f, -8.9375f, 3.875f, 0.25f, -0.1875f, -0.625f, 0, -6.8125f, 0.1875f, -0.25f,
    -3.875f, -0.0625f, 1.6875f, -1.8125f, -6.375f, -0.3125f, -1.6875f, 1.1875f, -2.3125f,
    -5.8125f, -0.8125f, -0.625f, 0, -6.8125f, 0.1875f, -0.25f, -3.875f, -0.0625f, -7.9375f,
    0.125f, -6.375f, -0.3125f, -1.6875f, 1.1875f, -2.3125f, -5.8125f, -0.8125f, 1, 0.6875f,
    -2.125f, -1.4375f, -0.75f, -1.5f, -2.6875f, 0.6875f, -1.25f, 2.75f, -2.5625f, -5, 3.0625f,
    -4.4375f, 0.0625f, -6, 7.625f, -3.125f, 2.875f, -2.8125f, -3.9375f, -0.0625f, -4.625f, 6.375f,
    -3.4375f, 4.5625f, -2.1875f, 3.5f, 3.5f, -2.8125f, -1.9375f, 2.5625f, 3.3125f, 0.5625f, -0.5f,
    -2.1875f, 4.125f, 2.75f, 2.8125f, 1.5625f, -4.625f, 1.5625f, 2, 7.25f, 0.3125f, -6, 0.25f, -2,
    8.75f, -3.5f, 1.0625f, -0.9375f, 4.875f, -2.125f, -3.625f, 3.0625f, -7.0625f, 3.375f, 0.3125f,
    0.25f, 0.8125f, -7.25f, -7.25f, 2.9375f, -4.875f, -0.875f, 4.9375f, -1.75f, 1.125f, -2.875f,
    -2.25f, -5.4375f, 1.25f, 1, 2.5f, 0.4375f, -0.8125f, 2.5f, -2.4375f, -2.3125f, -2.375f, 1.5f,
    1.5625f, 1.625f, 2.75f, -5.625f, 7.125f, 1.3125f, 3.3125f, -0.5f, -5.375f, 4.75f, -2.625f,
    2.6875f, 3.25f, 3.0625f, 1, 0.1875f, -1.8125f, 6.375f, -4.9375f, 3.625f, 3.625f, 0.0625f,
    8.125f, -2.8125f, 2.5f, 3.8125f, -4.1875f, 2.4375f, 4.125f, -8.75f, 2.75f, -2.875f, -0.125f,
    1.75f, -11.9375f, -0.875f, 0.6875f, -7.125f, 1.25f, -2.75f, -2.4375f, -5, -1.5f, -8.625f,
    1.5625f, -1.5f, -4.875f, 4, -1.5f, 0.1875f, -4.25f, -1.5f, 0.5625f, -3.0625f, 0.5f, -4.5625f,
    0.375f, -6.6875f, -2.375f, -2.0625f, -2.8125f, -2, -2.5625f, -4.375f, -2.4375f, 3.375f, 1.5f,
    -2.9375f, 4.25f, 2.375f, -1.6875f, 0.0625f, -0.5625f, -4.125f, 0.125f, 1.5625f, 2.5f, 3.1875f,
};

static const struct conv_case transpose_cases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1},
    {1, 2, 2, 3, 2, 3, 3, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 48},
    {1, 2, 3, 2, 3, 2, 2, 1, 2, 2, 1, 1, 0, 0, 0, 0, 0, 0, 72},
    {1, 4, 2, 2, 4, 4, 4, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 64},
    {1, 3, 2, 3, 3, 3, 2, 3, 1, 3, 2, 1, 1, 0, 2, 1, 0, 2, 81},
    {1, 2, 3, 1, 1, 2, 3, 1, 3, 1, 1, 2, 0, 2, 2, 1, 1, 0, 14},
};
static const float transpose_want[] = {
    0.6875f, -0.0625f, 2.0625f, -2.4375f, -8, 0.5f, -2, 1.625f, 4, -3.125f, -5.5f, 2.75f, 0.25f,
    -0.8125f, 4.8125f, -3.1875f, -5.25f, -0.25f, -0.25f, -1.5625f, 3.6875f, -3.5625f, -5.625f,
    -0.25f, -0.25f, -3.875f, -2, 2.3125f, -2.375f, -4.25f, 1.75f, -4.4375f, 2.9375f, 0.5f, -5.25f,
    -2, 4, -3.375f, -1, 2.8125f, -1.375f, -3.75f, 0.5f, -4.125f, -2.125f, 2.4375f, -1.75f, -3.75f,
    0.5f, 1.0625f, 0.4375f, -3.25f, -4.8125f, -3.375f, -4, 1.0625f, -0.5f, 2, -0.5f, -0.1875f,
    1.6875f, -3, -5.5f, -3.875f, -2, -4.5f, -3.5625f, 0.75f, 0.75f, 0.5625f, 1.5f, -3.5f, -3.5f,
    1.4375f, -2.375f, -3.4375f, 2.4375f, -3, 1.6875f, 0.875f, -2.8125f, 1.25f, -1.25f, 1.6875f,
    -3.875f, -3.75f, 2.25f, -2, 0.9375f, -3.1875f, 0.9375f, 1.5f, -2.75f, 1.875f, -3.5625f,
    -2.75f, 1.5f, 1.8125f, -2, -3.625f, 2.25f, 2.6875f, 2.0625f, -1.4375f, -3, 0.5f, -2, 3.5625f,
    -2, 4, 1.5f, 0.9375f, 2.8125f, -1.875f, 2.25f, 2.25f, -2, -3.1875f, -2.25f, 2.25f, 2.25f,
    1.1875f, -6.125f, -1.125f, 0.25f, -3.0625f, -3.375f, -3.5f, 0.625f, -3.8125f, -1.75f, 2.375f,
    -1.25f, -4.625f, -0.25f, 3.125f, -0.5625f, 1.625f, 3.4375f, -5.375f, -2.625f, 5.3125f,
    -1.4375f, -2.625f, -0.8125f, -1.8125f, -4.0625f, -1, -2.6875f, 0.875f, -3.9375f, 0.5f, 1.625f,
    -1.875f, -0.4375f, 0.1875f, 0.875f, -1.0625f, 5.5625f, -4.375f, 1.5f, 5.125f, -5.5f, -3.75f,
    -1.9375f, 3.8125f, -4.5f, 0.875f, 2, 0.75f, 0.75f, 0.3125f, 0.1875f, -3.1875f, 4.5625f,
    6.3125f, 0.1875f, -0.1875f, 5.1875f, -4.75f, 1, 3, 6.8125f, -3.75f, 0, -1.0625f, -1.375f,
    -1.5f, -4.125f, -2.25f, -1.5f, 0.25f, -1, -1.5f, -2.4375f, -4, -1.5f, -1.125f, -0.5f, -1.5f,
    -3, -5.5f, -1.5f, -1.6875f, -2, -1.5f, -0.375f, 1.5f, -1.5f, -2.25f, -3.5f, -1.5f, 1.875f,
    -3.375f, -0.75f, -1.875f, 0.375f, -0.75f, 0.75f, -2.25f, -0.75f, -0.9375f, 0, -0.75f,
    -0.3125f, -2.5f, -0.75f, -0.75f, -0.75f, -0.75f, -1.1875f, 1, -0.75f, -0.5625f, -1.5f, -0.75f,
    -1, 0.25f, -0.75f, -0.25f, -0.875f, 0, 0.625f, 2.1875f, 0, -0.625f, -2.1875f, 0, 1.875f, 0, 0,
    -0.3125f, 0, 0, -2.5f, 0, 0, 0.625f, 0, 0, -1.5625f, 0, 0, 1.5625f, 0, 0, -0.5f, -1.5f, 0.25f,
    -1.5f, -1.5f, -1.5f, -4, -1.5f, -5, -1.5f, -1.5f, -1.5f, 1, -1.5f,
};

/* n numbers of the pattern above; the caller frees them. */
static float *pattern(int64_t n, int64_t a, int64_t b)
{
    float *x = (float *)t_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)((i * a + b) % 17 - 8) / 4;
    return x;
}

static void give_window(struct op_call *t, const struct conv_case *k, bool transposed)
{
    op_int(t, "group", k->group);
    op_ints(t, "strides", 2, (const int64_t[]){k->sh, k->sw});
    op_ints(t, "dilations", 2, (const int64_t[]){k->dh, k->dw});
    op_ints(t, "pads", 4, (const int64_t[]){k->top, k->left, k->bottom, k->right});
    if (transposed) op_ints(t, "output_padding", 2, (const int64_t[]){k->pad_h, k->pad_w});
}

static void test_vectors(const struct conv_case *cases, size_t n_cases, const float *want,
                         size_t n_want, bool transposed)
{
    size_t used = 0;
    for (size_t i = 0; i < n_cases; i++) {
        const struct conv_case *k = &cases[i];
        const int64_t w0 = transposed ? k->ci : k->co, w1 = (transposed ? k->co : k->ci) / k->group;
        float *x = pattern(k->n * k->ci * k->h * k->w, 7, 3),
              *w = pattern(w0 * w1 * k->kh * k->kw, 5, 1);
        float *bias = pattern(k->co, 3, 2);
        char what[64];
        struct op_call t;
        snprintf(what, sizeof what, "%s case %zu", transposed ? "transposed" : "conv", i);
        op_begin(&t, transposed ? SYN_OP_CONV_TRANSPOSE : SYN_OP_CONV);
        op_in(&t, x, OP_DIMS(k->n, k->ci, k->h, k->w));
        op_in(&t, w, OP_DIMS(w0, w1, k->kh, k->kw));
        op_in(&t, bias, OP_DIMS(k->co));
        give_window(&t, k, transposed);
        op_expect(&t, want + used, k->n_want, 0, what);
        used += (size_t)k->n_want;
        op_end(&t), free(x), free(w), free(bias);
    }
    T_CHECK(used == n_want, "%zu numbers used of %zu", used, n_want);
}

/* A35: begin and end pads are two things. */
static void test_A35_asymmetric_pads(void)
{
    static const float x[] = {1, 2, 3}, w[] = {1, 1}, end[] = {3, 5, 3}, begin[] = {1, 3, 5};
    struct op_call t;
    for (int side = 0; side < 2; side++)
        for (int axis = 0; axis < 2; axis++) { /* columns, then rows */
            int64_t pads[4] = {0};
            pads[(side ? 0 : 2) + 1 - axis] = 1;
            op_begin(&t, SYN_OP_CONV);
            op_in(&t, x, 4, axis ? (const int64_t[]){1, 1, 3, 1} : (const int64_t[]){1, 1, 1, 3});
            op_in(&t, w, 4, axis ? (const int64_t[]){1, 1, 2, 1} : (const int64_t[]){1, 1, 1, 2});
            op_ints(&t, "pads", 4, pads);
            op_expect(&t, side ? begin : end, 3, 0, "A35");
            op_end(&t);
        }
}

/* A33: SAME_UPPER cuts the odd pixel at the end, SAME_LOWER at the start; output_padding adds at
 *      the end. */
static void test_A33_transpose(void)
{
    static const float x[] = {1, 2, 3}, ones[] = {1, 1, 1};
    static const float upper[] = {1, 1, 3, 2, 5, 3}, lower[] = {1, 3, 2, 5, 3, 3},
                       padded[] = {1, 1, 2, 2, 3, 3, 0};
    const struct {
        int64_t kw, left, right, output_padding, n;
        const float *want;
        const char *what;
    } cases[] = {{3, 0, 1, 0, 6, upper, "A33 SAME_UPPER"},
                 {3, 1, 0, 0, 6, lower, "A33 SAME_LOWER"},
                 {2, 0, 0, 1, 7, padded, "A33 output_padding"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct op_call t;
        op_begin(&t, SYN_OP_CONV_TRANSPOSE);
        op_in(&t, x, OP_DIMS(1, 1, 1, 3));
        op_in(&t, ones, OP_DIMS(1, 1, 1, cases[i].kw));
        op_ints(&t, "strides", 2, (const int64_t[]){1, 2});
        op_ints(&t, "pads", 4, (const int64_t[]){0, cases[i].left, 0, cases[i].right});
        op_ints(&t, "output_padding", 2, (const int64_t[]){0, cases[i].output_padding});
        op_expect(&t, cases[i].want, cases[i].n, 0, cases[i].what);
        op_end(&t);
    }
}

/* Activation, alpha and residuals, computed by hand: x = -2, 3; w = 2; bias 1 gives -3, 7. */
static void test_epilogue(void)
{
    static const float x[] = {-2, 3}, w[] = {2}, bias[] = {1}, slope[] = {0.25f}, r1[] = {10, 20},
                       r2[] = {100, 200};
    const struct {
        int64_t act;
        double a, b;
        float want[2];
    } cases[] = {{SYN_ACT_NONE, 0, 0, {-3, 7}},
                 {SYN_ACT_RELU, 0, 0, {0, 7}},
                 {SYN_ACT_LEAKY, 0.5, 0, {-1.5f, 7}},
                 {SYN_ACT_PRELU, 0, 0, {-0.75f, 7}},
                 {SYN_ACT_CLIP, -1, 6, {-1, 6}},
                 {SYN_ACT_SIGMOID, 0, 0, {0.0474258732f, 0.999088949f}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int residuals = 0; residuals < 3; residuals++) {
            float want[2];
            struct op_call t;
            op_begin(&t, SYN_OP_CONV);
            op_in(&t, x, OP_DIMS(1, 1, 1, 2)), op_in(&t, w, OP_DIMS(1, 1, 1, 1)),
                op_in(&t, bias, OP_DIMS(1));
            if (cases[i].act == SYN_ACT_PRELU) op_in(&t, slope, OP_DIMS(1));
            else op_absent(&t);
            if (residuals & 1) op_in(&t, r1, OP_DIMS(1, 1, 1, 2));
            else op_absent(&t);
            if (residuals & 2) op_in(&t, r2, OP_DIMS(1, 1, 1, 2));
            else op_absent(&t);
            op_int(&t, "act", cases[i].act), op_float(&t, "act_a", cases[i].a),
                op_float(&t, "act_b", cases[i].b);
            op_float(&t, "alpha", 0.5), op_float(&t, "beta1", 2), op_float(&t, "beta2", -1);
            for (int e = 0; e < 2; e++)
                want[e] = 0.5f * cases[i].want[e] + (residuals & 1 ? 2 * r1[e] : 0) -
                          (residuals & 2 ? r2[e] : 0);
            op_expect(&t, want, 2, 0x1p-24, "epilogue"); /* one rounding of the result */
            op_end(&t);
        }
}

static double dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* <conv(x), v> = <x, transposed(v)> with the same weights, output_padding making up for what stride
 * drops. */
static void test_adjoint(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const struct conv_case k = {.n = 1 + (int64_t)(seed % 2),
                                    .ci = 2 * (1 + (int64_t)(seed % 3)),
                                    .h = 7 + (int64_t)(seed % 5),
                                    .w = 5 + (int64_t)(seed % 7),
                                    .co = 4,
                                    .kh = 1 + (int64_t)(seed % 3),
                                    .kw = 1 + (int64_t)(seed / 3 % 4),
                                    .group = 1 + (int64_t)(seed % 2),
                                    .sh = 1 + (int64_t)(seed / 2 % 3),
                                    .sw = 1 + (int64_t)(seed / 4 % 3),
                                    .dh = 1 + (int64_t)(seed / 5 % 2),
                                    .dw = 1,
                                    .top = (int64_t)(seed % 3),
                                    .left = (int64_t)(seed / 2 % 3),
                                    .bottom = (int64_t)(seed / 3 % 3),
                                    .right = (int64_t)(seed / 5 % 3)};
        struct op_call a, b;
        const int64_t nx = k.n * k.ci * k.h * k.w;
        float *x = t_uniform(seed, (size_t)nx, -1, 1);
        float *w = t_uniform(seed + 1000, (size_t)(k.co * k.ci / k.group * k.kh * k.kw), -1, 1), *v;
        op_begin(&a, SYN_OP_CONV);
        op_in(&a, x, OP_DIMS(k.n, k.ci, k.h, k.w)),
            op_in(&a, w, OP_DIMS(k.co, k.ci / k.group, k.kh, k.kw));
        give_window(&a, &k, false);
        if (op_run(&a, "adjoint") == SYN_OK) {
            const int64_t *y = a.c.out[0].shape.dim;
            v = t_uniform(seed + 2000, (size_t)a.n, -1, 1);
            op_begin(&b, SYN_OP_CONV_TRANSPOSE);
            op_in(&b, v, 4, y), op_in(&b, w, OP_DIMS(k.co, k.ci / k.group, k.kh, k.kw));
            struct conv_case back = k;
            back.pad_h = (k.h + k.top + k.bottom - k.dh * (k.kh - 1) - 1) % k.sh;
            back.pad_w = (k.w + k.left + k.right - k.dw * (k.kw - 1) - 1) % k.sw;
            give_window(&b, &back, true);
            if (op_run(&b, "adjoint, transposed") == SYN_OK) {
                const double one = dot(op_out(&a), v, a.n), two = dot(x, op_out(&b), nx);
                T_CHECK(b.n == nx, "seed %d: back to %lld elements of %lld", (int)seed,
                        (long long)b.n, (long long)nx);
                /* up to 1000 products of numbers below 20, each rounded once to float32 */
                T_CHECK(fabs(one - two) <= 1e-3, "seed %d: %.9g and %.9g", (int)seed, one, two);
            }
            op_end(&b), free(v);
        }
        op_end(&a), free(x), free(w);
    }
}

/* x, w and two optional operands given by shape alone. */
static void refuse(syn_op_id id, const int64_t x[4], const int64_t w[4], const struct conv_case *k,
                   const char *words)
{
    struct op_call t;
    op_begin(&t, id);
    op_in(&t, NULL, 4, x), op_in(&t, NULL, 4, w);
    if (k) give_window(&t, k, id == SYN_OP_CONV_TRANSPOSE);
    op_refuse(&t, SYN_INVALID, words);
}

static void test_refusals(void)
{
    const int64_t x[4] = {1, 6, 5, 5}, w[4] = {4, 6, 3, 3};
    const struct conv_case plain = {.group = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    struct conv_case k = plain;
    refuse(SYN_OP_CONV, x, (const int64_t[]){4, 5, 3, 3}, NULL,
           "w has 5 input channels: must be 6");
    refuse(SYN_OP_CONV_TRANSPOSE, x, w, NULL, "w has 4 input channels: must be 6");
    k.group = 4;
    refuse(SYN_OP_CONV, x, w, &k, "group = 4: must divide the 6 channels of x");
    k.group = 3;
    refuse(SYN_OP_CONV, x, (const int64_t[]){4, 2, 3, 3}, &k,
           "w has 4 output channels: must be a multiple of group = 3");
    k = plain, k.sw = 0;
    refuse(SYN_OP_CONV, x, w, &k, "attribute strides = 0 (entry 1)");
    k = plain, k.dh = 3;
    refuse(SYN_OP_CONV, x, w, &k, "output would be 0 x 3");
    k = plain, k.top = -1;
    refuse(SYN_OP_CONV, x, w, &k, "attribute pads = -1");
    k = plain, k.left = 4, k.right = 4;
    refuse(SYN_OP_CONV_TRANSPOSE, x, (const int64_t[]){6, 2, 3, 3}, &k, "output would be 7 x -1");
    refuse(SYN_OP_CONV, x, (const int64_t[]){4, 6, 0, 3}, NULL,
           "w has shape [4, 6, 0, 3]: dimension 2 must be at least 1");
    refuse(SYN_OP_CONV, (const int64_t[]){1, 6, -1, 5}, w, NULL,
           "x has shape [1, 6, ?, 5]: dimension 2");
}

static void test_refusals_of_extras(void)
{
    static const struct {
        int32_t at;
        const char *words;
    } cases[] = {{SYN_CONV_BIAS, "bias has shape [3]: must be [4] (output channels)"},
                 {SYN_CONV_SLOPE, "slope has shape [3]: must be [4]"},
                 {SYN_CONV_RES1, "res1 has shape [3]: must be [1, 4, 3, 3] (the output's shape)"},
                 {SYN_CONV_RES2, "res2 has shape [3]: must be [1, 4, 3, 3]"}};
    struct op_call t;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        op_begin(&t, SYN_OP_CONV);
        op_in(&t, NULL, OP_DIMS(1, 6, 5, 5)), op_in(&t, NULL, OP_DIMS(4, 6, 3, 3));
        while (t.c.n_in < cases[i].at) op_absent(&t);
        op_in(&t, NULL, OP_DIMS(3));
        if (cases[i].at == SYN_CONV_SLOPE) op_int(&t, "act", SYN_ACT_PRELU);
        op_refuse(&t, SYN_INVALID, cases[i].words);
    }
    for (int given = 0; given < 2; given++) {
        op_begin(&t, SYN_OP_CONV);
        op_in(&t, NULL, OP_DIMS(1, 6, 5, 5)), op_in(&t, NULL, OP_DIMS(4, 6, 3, 3)), op_absent(&t);
        if (given) op_in(&t, NULL, OP_DIMS(4));
        op_int(&t, "act", given ? SYN_ACT_RELU : SYN_ACT_PRELU);
        op_refuse(&t, SYN_INVALID, given ? "operand slope is given" : "operand slope is missing");
    }
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(1, 6, 5, 5));
    op_refuse(&t, SYN_INVALID, "operand w is missing");
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(1, 6, 5)), op_in(&t, NULL, OP_DIMS(4, 6, 3, 3));
    op_refuse(&t, SYN_INVALID, "x has shape [1, 6, 5]: must have rank 4");
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(1, 6, 5, 5)), op_in(&t, NULL, OP_DIMS(4, 6, 3, 3));
    op_ints(&t, "pads", 2, (const int64_t[]){1, 1});
    op_refuse(&t, SYN_INVALID, "attribute pads has 2 entries: must have 4");
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(1, 6, 5, 5)), op_in(&t, NULL, OP_DIMS(4, 6, 3, 3));
    t.c.in[0].dtype = SYN_U8;
    op_refuse(&t, SYN_UNSUPPORTED, "x [1, 6, 5, 5] holds u8: must be f32");
}

/* A38: shapes are 64-bit and checked; nothing is allocated to find out. */
static void test_A38_sizes(void)
{
    struct op_call t;
    const int64_t big = (int64_t)1 << 40, step = 1 << 20;
    syn_alloc_fail_at(1); /* would show in the reference that runs below */
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(8, 512, 1024, 1024)), op_in(&t, NULL, OP_DIMS(512, 512, 3, 3));
    op_ints(&t, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
    op_expect_shape(&t, OP_DIMS(8, 512, 1024, 1024), "A38");
    op_end(&t);
    op_begin(&t, SYN_OP_CONV_TRANSPOSE); /* every factor at its limit: no sum overflows */
    op_in(&t, NULL, OP_DIMS(1, 1, big, 1)), op_in(&t, NULL, OP_DIMS(1, 1, big, 1));
    op_ints(&t, "strides", 2, (const int64_t[]){step, step}),
        op_ints(&t, "dilations", 2, (const int64_t[]){step, step});
    op_refuse(&t, SYN_TOO_LARGE, "output has shape [1, 1, 2305843009211596801, 1]");
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(1, 1, big, 2)), op_in(&t, NULL, OP_DIMS(1, 1, 1, 1));
    op_refuse(&t, SYN_TOO_LARGE, "x has shape");
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, NULL, OP_DIMS(1, 1, big, 1)), op_in(&t, NULL, OP_DIMS(4096, 1, 1, 1));
    op_refuse(&t, SYN_TOO_LARGE, "output has shape");
    const float one = 1;
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, &one, OP_DIMS(1, 1, 1, 1)), op_in(&t, &one, OP_DIMS(1, 1, 1, 1));
    T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
    float y = 0;
    t.c.out[0].data = &y;
    T_CHECK(t.c.op->reference(&t.c, &t.err) == SYN_NO_MEMORY,
            "the shape functions above allocated");
    T_CHECK(t.c.op->reference(&t.c, &t.err) == SYN_OK && y == 1, "%s", t.err.text);
    op_end(&t);
    op_begin(&t, SYN_OP_CONV_TRANSPOSE);
    op_in(&t, &one, OP_DIMS(1, 1, 1, 1)), op_in(&t, &one, OP_DIMS(1, 1, 1, 1));
    T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
    t.c.out[0].data = &y;
    syn_alloc_fail_at(1);
    T_CHECK(t.c.op->reference(&t.c, &t.err) == SYN_NO_MEMORY, "no memory went unnoticed");
    syn_alloc_fail_at(0);
    op_end(&t);
}

/* Numbers a backend reads; a failure leaves them alone. */
static void test_parse(void)
{
    struct op_call t;
    struct syn_conv p, before;
    op_begin(&t, SYN_OP_CONV_TRANSPOSE);
    op_in(&t, NULL, OP_DIMS(2, 6, 5, 7)), op_in(&t, NULL, OP_DIMS(6, 2, 3, 4)),
        op_in(&t, NULL, OP_DIMS(4));
    op_int(&t, "group", 2), op_int(&t, "act", SYN_ACT_LEAKY), op_float(&t, "act_a", 0.25);
    op_ints(&t, "strides", 2, (const int64_t[]){2, 3}),
        op_ints(&t, "pads", 4, (const int64_t[]){1, 2, 0, 3});
    op_ints(&t, "output_padding", 2, (const int64_t[]){1, 0});
    T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
    op_expect_shape(&t, OP_DIMS(2, 4, 11, 17), "transposed");
    T_CHECK(syn_conv_parse(&t.c, &p, &t.err) == SYN_OK, "%s", t.err.text);
    T_CHECK(p.transposed && p.n == 2 && p.ci == 6 && p.h == 5 && p.w == 7 && p.co == 4 &&
                p.ho == 11 && p.wo == 17,
            "sizes");
    T_CHECK(p.group == 2 && p.kh == 3 && p.kw == 4 && p.stride_h == 2 && p.stride_w == 3 &&
                p.dil_h == 1 && p.dil_w == 1,
            "window");
    T_CHECK(p.top == 1 && p.left == 2 && p.bottom == 0 && p.right == 3, "pads");
    T_CHECK(p.act == SYN_ACT_LEAKY && p.act_a == 0.25f && p.alpha == 1, "act");
    before = p;
    t.c.in[2].shape.dim[0] = 5; /* the bias, which is checked last */
    t.c.in[0].shape.dim[3] = 9;
    T_CHECK(syn_conv_parse(&t.c, &p, NULL) == SYN_INVALID && memcmp(&p, &before, sizeof p) == 0,
            "changed on failure");
    op_end(&t);
}

int main(void)
{
    test_vectors(conv_cases, sizeof conv_cases / sizeof *conv_cases, conv_want,
                 sizeof conv_want / sizeof *conv_want, false);
    test_vectors(transpose_cases, sizeof transpose_cases / sizeof *transpose_cases, transpose_want,
                 sizeof transpose_want / sizeof *transpose_want, true);
    test_A35_asymmetric_pads();
    test_A33_transpose();
    test_epilogue();
    test_adjoint();
    test_refusals();
    test_refusals_of_extras();
    test_A38_sizes();
    test_parse();
    return t_report();
}
