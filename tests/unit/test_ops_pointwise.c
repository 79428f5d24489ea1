/* test_ops_pointwise.c - RELU, LEAKY_RELU, PRELU, SIGMOID, CLIP, IDENTITY, DENSE, SCALED_SUM and
 * the binary operators with broadcasting. Expected numbers are by hand unless said. */
#include "tests/op_call.h"

static void unary(syn_op_id id, const char *n1, double v1, const char *n2, double v2,
                  const float *want, const char *what)
{
    static const float x[] = {-INFINITY, -3, -0.5f, 0, 0.25f, 3, INFINITY, NAN};
    struct op_call t;
    for (int rank = 1; rank <= 4; rank += 3) {
        op_begin(&t, id);
        op_in(&t, x, rank, rank == 1 ? (const int64_t[]){8} : (const int64_t[]){2, 1, 4, 1});
        if (n1) op_float(&t, n1, v1);
        if (n2) op_float(&t, n2, v2);
        op_expect(&t, want, 8, 0, what);
        T_CHECK(syn_shape_equal(&t.c.in[0].shape, &t.c.out[0].shape), "%s: shape changed", what);
        T_CHECK(t.c.op->flags & SYN_OP_POINTWISE, "%s", what);
        op_end(&t);
    }
}

static void test_unary(void)
{
    const float inf = INFINITY;
    unary(SYN_OP_RELU, NULL, 0, NULL, 0, (const float[]){0, 0, 0, 0, 0.25f, 3, inf, NAN}, "relu");
    unary(SYN_OP_LEAKY_RELU, NULL, 0, NULL, 0,
          (const float[]){-inf, -0.03f, -0.005f, 0, 0.25f, 3, inf, NAN}, "leaky");
    unary(SYN_OP_LEAKY_RELU, "alpha", 2, NULL, 0,
          (const float[]){-inf, -6, -1, 0, 0.25f, 3, inf, NAN}, "leaky 2");
    unary(SYN_OP_CLIP, NULL, 0, NULL, 0, (const float[]){-inf, -3, -0.5f, 0, 0.25f, 3, inf, NAN},
          "no clip");
    unary(SYN_OP_CLIP, "min", -1, "max", 2, (const float[]){-1, -1, -0.5f, 0, 0.25f, 2, 2, NAN},
          "clip");
    unary(SYN_OP_CLIP, "min", 0, NULL, 0, (const float[]){0, 0, 0, 0, 0.25f, 3, inf, NAN},
          "clip below");
    unary(SYN_OP_CLIP, "min", 5, "max", 2, (const float[]){2, 2, 2, 2, 2, 2, 2, NAN}, "max wins");
    unary(SYN_OP_IDENTITY, NULL, 0, NULL, 0,
          (const float[]){-inf, -3, -0.5f, 0, 0.25f, 3, inf, NAN}, "identity");
    /* 1/(1+e^-x) to nine digits */
    unary(SYN_OP_SIGMOID, NULL, 0, NULL, 0,
          (const float[]){0, 0.0474258732f, 0.377540669f, 0.5f, 0.562176501f, 0.952574127f, 1, NAN},
          "sigmoid");
}

static void test_prelu(void)
{
    static const float x[] = {-1, 1, -2, 2, -4, 4, -8, 8, NAN, -1, -1, -2},
                       slope[] = {0.5f, 0.25f, 2};
    static const float each[] = {-0.5f, 1, -0.5f, 2, -8, 4, -4, 8, NAN, -0.25f, -2, -4};
    static const float shared[] = {-0.5f, 1, -1, 2, -2, 4, -4, 8, NAN, -0.5f, -0.5f, -1};
    struct op_call t;
    for (int spelling = 0; spelling < 3; spelling++) { /* [c], ONNX's [c,1], and one for all */
        op_begin(&t, SYN_OP_PRELU);
        op_in(&t, x, OP_DIMS(2, 3, 2));
        op_in(&t, slope, spelling == 1 ? 2 : 1,
              spelling == 2 ? (const int64_t[]){1} : (const int64_t[]){3, 1});
        op_expect(&t, spelling == 2 ? shared : each, 12, 0, "prelu");
        op_end(&t);
    }
    op_begin(&t, SYN_OP_PRELU);
    op_in(&t, NULL, OP_DIMS(2, 3, 4, 4)), op_in(&t, NULL, OP_DIMS(4));
    op_refuse(&t, SYN_INVALID, "slope has shape [4]: must be [3] (x's channels) or [1]");
    op_begin(&t, SYN_OP_PRELU);
    op_in(&t, NULL, OP_DIMS(2, 3, 4, 4)), op_in(&t, NULL, OP_DIMS(3, 4, 1));
    op_refuse(&t, SYN_INVALID, "slope has shape [3, 4, 1]");
    op_begin(&t, SYN_OP_PRELU);
    op_in(&t, NULL, OP_DIMS(3)), op_in(&t, NULL, OP_DIMS(3));
    op_refuse(&t, SYN_INVALID, "x has rank 1: must be at least 2");
}

static void test_dense(void)
{
    static const float x[] = {1, 2, 3, -1, 0, 2}, w[] = {1, 0, -1, 2, 2, 2}, bias[] = {0.5f, -20};
    static const float plain[] = {-2, 12, -3, 2}, full[] = {-1.5f, -8, -2.5f, -18},
                       relu[] = {0, 12, 0, 2};
    struct op_call t;
    for (int rank = 2; rank <= 4; rank += 2)
        for (int form = 0; form < 3; form++) {
            op_begin(&t, SYN_OP_DENSE);
            op_in(&t, x, rank, (const int64_t[]){2, 3, 1, 1}), op_in(&t, w, OP_DIMS(2, 3));
            if (form == 1) op_in(&t, bias, OP_DIMS(2));
            if (form == 2) op_int(&t, "act", SYN_ACT_RELU);
            op_expect(&t, form == 0 ? plain : form == 1 ? full : relu, 4, 0, "dense");
            op_expect_shape(&t, rank, (const int64_t[]){2, 2, 1, 1}, "dense");
            op_end(&t);
        }
    op_begin(&t, SYN_OP_DENSE);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(5, 4));
    op_refuse(&t, SYN_INVALID, "w has 4 columns: must be 3 (x's second dimension)");
    op_begin(&t, SYN_OP_DENSE);
    op_in(&t, NULL, OP_DIMS(2, 3, 2, 1)), op_in(&t, NULL, OP_DIMS(5, 3));
    op_refuse(&t, SYN_INVALID, "x has shape [2, 3, 2, 1]: must be [n, k] or [n, k, 1, 1]");
    op_begin(&t, SYN_OP_DENSE);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(5, 3)), op_in(&t, NULL, OP_DIMS(3));
    op_refuse(&t, SYN_INVALID, "bias has shape [3]: must be [5] (rows of w)");
    op_begin(&t, SYN_OP_DENSE);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(5, 3)),
        op_int(&t, "act", SYN_ACT_PRELU);
    op_refuse(&t, SYN_UNSUPPORTED, "there is no slope operand");
}

/* Long sums keep what float32 would lose: 2^24 + 1000 * 1 - 2^24. */
static void test_double_sums(void)
{
    float *x = (float *)t_alloc(1002 * sizeof *x), *w = (float *)t_alloc(1002 * sizeof *w);
    const float want = 1000;
    struct op_call t;
    for (int i = 0; i < 1002; i++) x[i] = 1, w[i] = 1;
    w[0] = 0x1p24f, w[1001] = -0x1p24f;
    op_begin(&t, SYN_OP_DENSE);
    op_in(&t, x, OP_DIMS(1, 1002)), op_in(&t, w, OP_DIMS(1, 1002));
    op_expect(&t, &want, 1, 0, "dense sum");
    op_end(&t);
    op_begin(&t, SYN_OP_CONV);
    op_in(&t, x, OP_DIMS(1, 1002, 1, 1)), op_in(&t, w, OP_DIMS(1, 1002, 1, 1));
    op_expect(&t, &want, 1, 0, "conv sum");
    op_end(&t), free(x), free(w);
}

static void binary(const float *a, int32_t rank_a, const int64_t *dim_a, const float *b,
                   int32_t rank_b, const int64_t *dim_b, int32_t rank, const int64_t *dim,
                   int64_t n, const float *want[6])
{
    static const syn_op_id id[6] = {SYN_OP_ADD, SYN_OP_SUB, SYN_OP_MUL,
                                    SYN_OP_DIV, SYN_OP_MIN, SYN_OP_MAX};
    for (int i = 0; i < 6; i++) {
        struct op_call t;
        op_begin(&t, id[i]);
        op_in(&t, a, rank_a, dim_a), op_in(&t, b, rank_b, dim_b);
        op_expect(&t, want[i], n, 0, t.c.op->name);
        op_expect_shape(&t, rank, dim, t.c.op->name);
        op_end(&t);
    }
}

static void test_binary(void)
{
    static const float a[] = {1, -2, 4}, b[] = {8, 0.5f}, s[] = {2}, odd[] = {NAN, 0, -1},
                       zero[] = {1, NAN, 0};
    binary(a, OP_DIMS(3), b, OP_DIMS(2, 1), OP_DIMS(2, 3), 6,
           (const float *[6]){(const float[]){9, 6, 12, 1.5f, -1.5f, 4.5f},
                              (const float[]){-7, -10, -4, 0.5f, -2.5f, 3.5f},
                              (const float[]){8, -16, 32, 0.5f, -1, 2},
                              (const float[]){0.125f, -0.25f, 0.5f, 2, -4, 8},
                              (const float[]){1, -2, 4, 0.5f, -2, 0.5f},
                              (const float[]){8, 8, 8, 1, 0.5f, 4}});
    binary(a, OP_DIMS(1, 3, 1, 1), s, 0, NULL, OP_DIMS(1, 3, 1, 1), 3,
           (const float *[6]){(const float[]){3, 0, 6}, (const float[]){-1, -4, 2},
                              (const float[]){2, -4, 8}, (const float[]){0.5f, -1, 2},
                              (const float[]){1, -2, 2}, (const float[]){2, 2, 4}});
    binary(odd, OP_DIMS(3), zero, OP_DIMS(3), OP_DIMS(3), 3,
           (const float *[6]){(const float[]){NAN, NAN, -1}, (const float[]){NAN, NAN, -1},
                              (const float[]){NAN, NAN, 0}, (const float[]){NAN, NAN, -INFINITY},
                              (const float[]){NAN, NAN, -1}, (const float[]){NAN, NAN, 0}});
}

/* Both operands repeated along different axes of five, against indices worked out per element. */
static void test_binary_ranks(void)
{
    float *a = t_uniform(1, 2 * 1 * 3 * 1 * 5, -1, 1), *b = t_uniform(2, 4 * 1 * 7 * 1, -1, 1);
    float *want = (float *)t_alloc(2 * 4 * 3 * 7 * 5 * sizeof *want), *y = want;
    struct op_call t;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int k = 0; k < 3; k++)
                for (int l = 0; l < 7; l++)
                    for (int m = 0; m < 5; m++) *y++ = a[(i * 3 + k) * 5 + m] - b[j * 7 + l];
    op_begin(&t, SYN_OP_SUB);
    op_in(&t, a, OP_DIMS(2, 1, 3, 1, 5)), op_in(&t, b, OP_DIMS(4, 1, 7, 1));
    op_expect(&t, want, 2 * 4 * 3 * 7 * 5, 0, "five axes");
    op_end(&t), free(a), free(b), free(want);
    op_begin(&t, SYN_OP_ADD);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(3, 2));
    op_refuse(&t, SYN_INVALID, "[2, 3] and [3, 2] do not broadcast: dimension 0");
    op_begin(&t, SYN_OP_ADD);
    op_in(&t, NULL, OP_DIMS(1048576, 1, 1048576)), op_in(&t, NULL, OP_DIMS(1048576, 1));
    op_refuse(&t, SYN_TOO_LARGE, "output 0 has shape [1048576, 1048576, 1048576]");
}

static void test_scaled_sum(void)
{
    static const float x[] = {1, -2}, y[] = {3, 5}, z[] = {0x1p24f, 100}, n[] = {-0x1p24f, NAN};
    struct op_call t;
    op_begin(&t, SYN_OP_SCALED_SUM);
    op_in(&t, x, OP_DIMS(1, 2)), op_in(&t, y, OP_DIMS(1, 2));
    op_expect(&t, (const float[]){4, 3}, 2, 0, "all 1");
    op_end(&t);
    op_begin(&t, SYN_OP_SCALED_SUM);
    op_in(&t, z, OP_DIMS(2)), op_in(&t, x, OP_DIMS(2)), op_in(&t, y, OP_DIMS(2)),
        op_in(&t, n, OP_DIMS(2));
    op_attr(&t, syn_attr_of_floats("coeffs", 4, (const double[]){1, 0.5, -1, 1}));
    op_expect(&t, (const float[]){-2.5f, NAN}, 2, 0, "coeffs");
    op_end(&t);
    op_begin(&t, SYN_OP_SCALED_SUM);
    op_in(&t, x, OP_DIMS(2)), op_in(&t, y, OP_DIMS(2));
    op_attr(&t, syn_attr_of_floats("coeffs", 3, (const double[]){1, 2, 3}));
    op_refuse(&t, SYN_INVALID, "attribute coeffs has 3 entries: must have 2");
    op_begin(&t, SYN_OP_SCALED_SUM);
    op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(2, 3)), op_in(&t, NULL, OP_DIMS(1, 3));
    op_refuse(&t, SYN_INVALID, "x2 has shape [1, 3]: must be [2, 3] (x0's shape)");
}

int main(void)
{
    test_unary();
    test_prelu();
    test_dense();
    test_double_sums();
    test_binary();
    test_binary_ranks();
    test_scaled_sum();
    return t_report();
}
