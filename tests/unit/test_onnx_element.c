/* test_onnx_element.c - operators that work element by element, as ONNX has them. The expected
 * numbers were computed by onnx.reference 1.23 unless a comment says otherwise. */
#include "tests/typed_call.h"

#define N(...) (const double[]) { __VA_ARGS__ }
#define F(...) (const float[]) { __VA_ARGS__ }

static void unary(syn_op_id id, const char *n1, double v1, const char *n2, double v2,
                  const double *want)
{
    static const float x[] = {-3, -1, -0.25f, 0, 0.25f, 1, 3, NAN};
    double with_nan[8];
    struct typed_call t;
    memcpy(with_nan, want, 7 * sizeof *want), with_nan[7] = NAN;
    for (int type = 0; type < 2; type++) { /* f32, and f64 to more digits than f32 has */
        double wide[8];
        for (int i = 0; i < 8; i++) wide[i] = (double)x[i];
        tc_begin(&t, id, 21, 1);
        if (type) tc_in(&t, SYN_F64, wide, OP_DIMS(2, 4));
        else tc_in(&t, SYN_F32, x, OP_DIMS(2, 4));
        if (n1) tc_float(&t, n1, v1);
        if (n2) tc_float(&t, n2, v2);
        tc_expect(&t, 0, type ? SYN_F64 : SYN_F32, OP_DIMS(2, 4), with_nan, 2e-7, t.c.op->name);
        tc_end(&t);
    }
}

static void test_functions(void)
{
    unary(SYN_OP_ELU, "alpha", 2, NULL, 0, N(-1.90042579, -1.2642411, -0.442398429, 0, 0.25, 1, 3));
    unary(SYN_OP_SELU, NULL, 0, NULL, 0,
          N(-1.6705687, -1.11133075, -0.388890177, 0, 0.262675256, 1.05070102, 3.15210295));
    unary(SYN_OP_CELU, "alpha", 2, NULL, 0,
          N(-1.55373967, -0.786938667, -0.235006198, 0, 0.25, 1, 3));
    unary(SYN_OP_THRESHOLDED_RELU, "alpha", 0.5, NULL, 0, N(0, 0, 0, 0, 0, 1, 3));
    unary(SYN_OP_HARD_SIGMOID, NULL, 0, NULL, 0,
          N(0, 0.300000012, 0.449999988, 0.5, 0.550000012, 0.699999988, 1));
    unary(SYN_OP_HARD_SWISH, NULL, 0, NULL, 0,
          N(0, -0.333333313, -0.114583336, 0, 0.135416672, 0.666666687, 3));
    unary(
        SYN_OP_SOFTPLUS, NULL, 0, NULL, 0,
        N(0.048587352, 0.313261688, 0.575939417, 0.693147182, 0.825939417, 1.31326175, 3.04858732));
    unary(SYN_OP_SOFTSIGN, NULL, 0, NULL, 0, N(-0.75, -0.5, -0.2, 0, 0.2, 0.5, 0.75));
    unary(SYN_OP_MISH, NULL, 0, NULL, 0,
          N(-0.145647466, -0.30340147, -0.129926965, 0, 0.169572413, 0.865098417, 2.98653507));
    unary(SYN_OP_GELU, NULL, 0, NULL, 0,
          N(-0.00404968858, -0.158655256, -0.100323416, 0, 0.149676576, 0.841344714, 2.99595022));
    unary(SYN_OP_SHRINK, "bias", 0.5, "lambd", 0.5, N(-2.5, -0.5, 0, 0, 0, 0.5, 2.5));
    unary(SYN_OP_ERF, NULL, 0, NULL, 0,
          N(-0.999977887, -0.842700779, -0.276326388, 0, 0.276326388, 0.842700779, 0.999977887));
    unary(SYN_OP_TANH, NULL, 0, NULL, 0,
          N(-0.995054781, -0.761594176, -0.244918659, 0, 0.244918659, 0.761594176, 0.995054781));
    unary(SYN_OP_SIGN, NULL, 0, NULL, 0, N(-1, -1, -1, 0, 1, 1, 1));
    unary(SYN_OP_RECIPROCAL, NULL, 0, NULL, 0,
          N(-0.333333343, -1, -4, INFINITY, 4, 1, 0.333333343));
    struct typed_call t;
    tc_begin(&t, SYN_OP_GELU, 20, 1);
    tc_in(&t, SYN_F32, F(-3, -1, -0.25f, 0, 0.25f, 1, 3), OP_DIMS(7)),
        tc_text(&t, "approximate", "tanh");
    tc_expect(
        &t, 0, SYN_F32, OP_DIMS(7),
        N(-0.00363734365, -0.158807993, -0.100324646, 0, 0.149675354, 0.841192007, 2.99636269),
        2e-7, "gelu tanh");
    tc_end(&t);
    tc_begin(&t, SYN_OP_GELU, 20, 1);
    tc_in(&t, SYN_F32, F(1), OP_DIMS(1)), tc_text(&t, "approximate", "erf");
    tc_refuse(&t, SYN_INVALID, "approximate 'erf'");
    tc_begin(&t, SYN_OP_ROUND, 11, 1); /* ties to even, by hand */
    tc_in(&t, SYN_F32, F(0.5f, 1.5f, -2.5f, 2.51f), OP_DIMS(4));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(4), N(0, 2, -2, 3), 0, "round"), tc_end(&t);
    tc_begin(&t, SYN_OP_ABS, 13, 1); /* by hand: wraps as the type does */
    tc_in(&t, SYN_I8, (const int8_t[]){-128, -5, 5}, OP_DIMS(3));
    tc_expect(&t, 0, SYN_I8, OP_DIMS(3), N(-128, 5, 5), 0, "abs i8"), tc_end(&t);
    tc_begin(&t, SYN_OP_SQRT, 13, 1);
    tc_in(&t, SYN_I32, (const int32_t[]){4}, OP_DIMS(1));
    tc_refuse(&t, SYN_UNSUPPORTED, "holds i32: not a type that it takes");
    tc_begin(&t, SYN_OP_EXP, 13, 1); /* nothing in, nothing out */
    tc_in(&t, SYN_F32, NULL, OP_DIMS(3, 0));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(3, 0), NULL, 0, "empty"), tc_end(&t);
}

static void whole(syn_op_id id, syn_dtype type, const void *a, const void *b, int64_t n,
                  const double *want, const char *attr)
{
    struct typed_call t;
    tc_begin(&t, id, 21, 1);
    tc_in(&t, type, a, 1, &n), tc_in(&t, type, b, 1, &n);
    if (attr) tc_int(&t, attr, 1);
    tc_expect(&t, 0, type, 1, &n, want, 0, t.c.op->name);
    tc_end(&t);
}

static void test_arithmetic(void)
{
    static const int8_t a8[] = {-7, 7, -128, 100}, b8[] = {2, -2, -1, 3};
    static const int64_t a64[] = {-4, 7, 5, 4, -7, 8}, b64[] = {2, -3, 8, -2, 3, 5};
    static const uint64_t high[] = {UINT64_MAX, 1ull << 63}, low[] = {2, 3};
    struct typed_call t;
    whole(SYN_OP_DIV, SYN_I8, a8, b8, 4, N(-3, -3, -128, 33), NULL);
    whole(SYN_OP_ADD, SYN_I8, a8, b8, 4, N(-5, 5, 127, 103), NULL); /* by hand: modulo 256 */
    whole(SYN_OP_MUL, SYN_I8, a8, b8, 4, N(-14, -14, -128, 44), NULL);
    whole(SYN_OP_MOD, SYN_I64, a64, b64, 6, N(0, -2, 5, 0, 2, 3), NULL);
    whole(SYN_OP_MOD, SYN_I64, a64, b64, 6, N(0, 1, 5, 0, -1, 3),
          "fmod"); /* by hand: the sign of a */
    whole(SYN_OP_DIV, SYN_U64, high, low, 2, N(0x1p63, 3074457345618258602.0), NULL);
    whole(SYN_OP_MAX, SYN_U64, high, low, 2, N(0x1p64, 0x1p63), NULL);
    whole(SYN_OP_MOD, SYN_F32, F(-4.3f, 7.2f, 5, 4.3f), F(2.1f, -3.4f, 8, -2.1f), 4,
          N((double)-0.100000381f, (double)0.399999619f, 5, (double)0.100000381f), "fmod");
    tc_begin(&t, SYN_OP_MOD, 28, 1); /* the sign of a zero, seen through its reciprocal */
    tc_in(&t, SYN_F32, F(0, -0.0f), OP_DIMS(2)), tc_in(&t, SYN_F32, F(-2, 2), OP_DIMS(2));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2), N(0, 0), 0, "zeros");
    T_CHECK(signbit(((float *)t.c.out[0].data)[0]) && !signbit(((float *)t.c.out[0].data)[1]),
            "signs of zeros"),
        tc_end(&t);
    tc_begin(&t, SYN_OP_DIV, 14, 1);
    tc_in(&t, SYN_I32, (const int32_t[]){1, 2}, OP_DIMS(2)),
        tc_in(&t, SYN_I32, (const int32_t[]){1, 0}, OP_DIMS(2));
    tc_refuse(&t, SYN_INVALID, "Div: b[1] = 0");
    tc_begin(&t, SYN_OP_ADD, 14, 1);
    tc_in(&t, SYN_I32, (const int32_t[]){1}, OP_DIMS(1)), tc_in(&t, SYN_F32, F(1), OP_DIMS(1));
    tc_refuse(&t, SYN_INVALID, "b holds f32: must be i32");
    tc_begin(&t, SYN_OP_POW, 15, 1);
    tc_in(&t, SYN_I32, (const int32_t[]){2, 3, -2}, OP_DIMS(3)),
        tc_in(&t, SYN_F32, F(3, 2.5f, 3), OP_DIMS(3));
    tc_expect(&t, 0, SYN_I32, OP_DIMS(3), N(8, 15, -8), 0, "pow"), tc_end(&t);
    tc_begin(&t, SYN_OP_SUM, 13, 1);
    tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)), tc_in(&t, SYN_F32, F(10, 20), OP_DIMS(2, 1)),
        tc_in(&t, SYN_F32, F(100), 0, NULL);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 2), N(111, 112, 121, 122), 0, "sum of three"), tc_end(&t);
    tc_begin(&t, SYN_OP_MEAN, 13, 1);
    tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)), tc_in(&t, SYN_F32, F(10, 20), OP_DIMS(2, 1)),
        tc_in(&t, SYN_F32, F(100), 0, NULL);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 2),
              N(37, (double)(112 / 3.0f), (double)(121 / 3.0f), (double)(122 / 3.0f)), 0, "mean"),
        tc_end(&t);
    tc_begin(&t, SYN_OP_MIN, 13, 1); /* one operand, and a broadcast with nothing in it */
    tc_in(&t, SYN_F32, F(4, NAN), OP_DIMS(2)),
        tc_expect(&t, 0, SYN_F32, OP_DIMS(2), N(4, NAN), 0, "min of one"), tc_end(&t);
    tc_begin(&t, SYN_OP_MIN, 13, 1);
    tc_in(&t, SYN_F32, F(4), OP_DIMS(1, 1)), tc_in(&t, SYN_F32, NULL, OP_DIMS(0));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(1, 0), NULL, 0, "min of nothing"), tc_end(&t);
    tc_begin(&t, SYN_OP_PRELU, 16, 1);
    tc_in(&t, SYN_F32, F(-1, -2, -3, -4, 5, -6), OP_DIMS(2, 3)),
        tc_in(&t, SYN_F32, F(0.5f, 2, -1), OP_DIMS(3));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 3), N(-0.5, -4, 3, -2, 5, 6), 0, "prelu"), tc_end(&t);
    tc_begin(&t, SYN_OP_ADD, 6, 1); /* by hand: the second one lies along axis 0 */
    tc_in(&t, SYN_F32, F(1, 2, 3, 4), OP_DIMS(2, 2)), tc_in(&t, SYN_F32, F(10, 20), OP_DIMS(2));
    tc_int(&t, "broadcast", 1), tc_int(&t, "axis", 0);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 2), N(11, 12, 23, 24), 0, "add of opset 6"), tc_end(&t);
}

static void test_logic(void)
{
    static const int64_t a[] = {(1ll << 53) + 1, 5, -1}, b[] = {1ll << 53, 5, 0};
    struct typed_call t;
    const struct {
        syn_op_id id;
        double want[3], nan;
    } relation[] = {{SYN_OP_EQUAL, {0, 1, 0}, 0},
                    {SYN_OP_LESS, {0, 0, 1}, 0},
                    {SYN_OP_LESS_OR_EQUAL, {0, 1, 1}, 0},
                    {SYN_OP_GREATER, {1, 0, 0}, 0},
                    {SYN_OP_GREATER_OR_EQUAL, {1, 1, 0}, 0}};
    for (size_t i = 0; i < sizeof relation / sizeof *relation;
         i++) { /* exact beyond 2^53, by hand */
        tc_begin(&t, relation[i].id, 16, 1);
        tc_i64(&t, 3, a), tc_i64(&t, 3, b);
        tc_expect(&t, 0, SYN_BOOL, OP_DIMS(3), relation[i].want, 0, t.c.op->name), tc_end(&t);
        tc_begin(&t, relation[i].id, 16, 1);
        tc_in(&t, SYN_F32, F(NAN), 0, NULL), tc_in(&t, SYN_F32, F(NAN), 0, NULL);
        tc_expect(&t, 0, SYN_BOOL, 0, NULL, &relation[i].nan, 0, "NaN compares false"), tc_end(&t);
    }
    for (int left = 0; left < 2; left++) {
        tc_begin(&t, SYN_OP_BIT_SHIFT, 28, 1);
        tc_in(&t, SYN_I32, (const int32_t[]){-8, 4, -1, -8}, OP_DIMS(4));
        tc_in(&t, SYN_I32, (const int32_t[]){-1, 32, 100, 1}, OP_DIMS(4)),
            tc_text(&t, "direction", left ? "LEFT" : "RIGHT");
        tc_expect(&t, 0, SYN_I32, OP_DIMS(4), left ? N(0, 0, 0, -16) : N(-1, 0, -1, -4), 0,
                  "shift"),
            tc_end(&t);
    }
    tc_begin(&t, SYN_OP_BIT_SHIFT, 11, 1);
    tc_in(&t, SYN_U8, (const uint8_t[]){1}, OP_DIMS(1)),
        tc_in(&t, SYN_U8, (const uint8_t[]){1}, OP_DIMS(1));
    tc_refuse(&t, SYN_INVALID, "direction ''");
    tc_begin(&t, SYN_OP_WHERE, 16, 1);
    tc_in(&t, SYN_BOOL, (const uint8_t[]){1, 0}, OP_DIMS(2, 1)),
        tc_i64(&t, 3, (const int64_t[]){1, 2, 3});
    tc_i64(&t, 0, (const int64_t[]){9});
    tc_expect(&t, 0, SYN_I64, OP_DIMS(2, 3), N(1, 2, 3, 9, 9, 9), 0, "where"), tc_end(&t);
    tc_begin(&t, SYN_OP_IS_INF, 20, 1);
    tc_in(&t, SYN_F32, F(INFINITY, -INFINITY, NAN, 1), OP_DIMS(4)),
        tc_int(&t, "detect_negative", 0);
    tc_expect(&t, 0, SYN_BOOL, OP_DIMS(4), N(1, 0, 0, 0), 0, "is_inf"), tc_end(&t);
    tc_begin(&t, SYN_OP_CLIP_TO, 13, 1); /* max wins; NaN stays; by hand */
    tc_in(&t, SYN_F32, F(-2, 0.5f, 9, NAN), OP_DIMS(4)), tc_in(&t, SYN_F32, F(1), 0, NULL),
        tc_in(&t, SYN_F32, F(0.75f), 0, NULL);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(4), N(0.75, 0.75, 0.75, NAN), 0, "clip"), tc_end(&t);
    tc_begin(&t, SYN_OP_CLIP_TO, 13, 1);
    tc_in(&t, SYN_F32, F(1), OP_DIMS(1)), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2));
    tc_refuse(&t, SYN_INVALID, "min must be one element");
}

static void cast(const float *x, int64_t n, int64_t to, syn_dtype type, int64_t saturate,
                 const double *want)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_CAST, 24, 1);
    tc_in(&t, SYN_F32, x, 1, &n), tc_int(&t, "to", to), tc_int(&t, "saturate", saturate);
    tc_expect(&t, 0, type, 1, &n, want, 0, syn_dtype_word(type)), tc_end(&t);
}

static void test_casts(void)
{
    static const float x[] = {1.5f, 300, 1e-3f, -448, 500, NAN};
    struct typed_call t;
    cast(x, 6, 17, SYN_F8E4M3FN, 1, N(1.5, 288, 0.001953125, -448, 448, NAN));
    cast(x, 6, 19, SYN_F8E5M2, 0, N(1.5, 320, 0.0009765625, -448, 512, NAN));
    cast(F(-1.7f, 2.9f, 300), 3, 3, SYN_I8, 1, N(-1, 2, 44));
    cast(F(0, 0.25f, NAN), 3, 9, SYN_BOOL, 1, N(0, 1, 1));
    cast(F(65519, 65520, 1e-8f), 3, 10, SYN_F16, 1,
         N(65504, INFINITY, 0));  /* by hand: ties and overflow of binary16 */
    for (int k = 0; k < 3; k++) { /* by hand: powers of two above, below, nearest */
        static const char *const mode[3] = {"up", "down", "nearest"};
        tc_begin(&t, SYN_OP_CAST, 24, 1);
        tc_in(&t, SYN_F32, F(1, 1.25f, 1.75f), OP_DIMS(3)), tc_int(&t, "to", 24),
            tc_text(&t, "round_mode", mode[k]);
        tc_expect(&t, 0, SYN_F8E8M0, OP_DIMS(3),
                  k == 0   ? N(1, 2, 2)
                  : k == 1 ? N(1, 1, 1)
                           : N(1, 1, 2),
                  0, mode[k]),
            tc_end(&t);
    }
    tc_begin(&t, SYN_OP_CAST, 21, 1), tc_in(&t, SYN_F32, x, OP_DIMS(1)), tc_int(&t, "to", 8);
    tc_refuse(&t, SYN_UNSUPPORTED, "to = 8: strings");
    tc_begin(&t, SYN_OP_CAST, 21, 1), tc_in(&t, SYN_F32, x, OP_DIMS(1)), tc_int(&t, "to", 77);
    tc_refuse(&t, SYN_INVALID, "to = 77: must be a type");
    tc_begin(&t, SYN_OP_BIT_CAST, 26, 1);
    tc_in(&t, SYN_F32, F(1, -2), OP_DIMS(2)), tc_int(&t, "to", 12);
    tc_expect(&t, 0, SYN_U32, OP_DIMS(2), N(0x3f800000, 0xc0000000), 0, "bits of floats"),
        tc_end(&t);
    tc_begin(&t, SYN_OP_BIT_CAST, 26, 1);
    tc_in(&t, SYN_F32, F(1), OP_DIMS(1)), tc_int(&t, "to", 7);
    tc_refuse(&t, SYN_INVALID, "to = i64 has 64 bits: input's f32 has 32");
    tc_begin(&t, SYN_OP_DROPOUT, 13, 2);
    tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2), N(1, 2), 0, "dropout"),
        tc_expect(&t, 1, SYN_BOOL, OP_DIMS(2), N(1, 1), 0, "mask"), tc_end(&t);
    tc_begin(&t, SYN_OP_DROPOUT, 13, 1);
    tc_in(&t, SYN_F32, F(1), OP_DIMS(1)), tc_in(&t, SYN_F32, F(0.5f), 0, NULL),
        tc_in(&t, SYN_BOOL, (const uint8_t[]){1}, 0, NULL);
    tc_refuse(&t, SYN_UNSUPPORTED, "training_mode is true with ratio 0.5");
}

static void test_quantisation(void)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_QUANTIZE_LINEAR, 21, 1);
    tc_in(&t, SYN_F32, F(0, 2, 3, 1000, -254, -1000), OP_DIMS(6)),
        tc_in(&t, SYN_F32, F(2), 0, NULL);
    tc_in(&t, SYN_U8, (const uint8_t[]){128}, 0, NULL);
    tc_expect(&t, 0, SYN_U8, OP_DIMS(6), N(128, 129, 130, 255, 1, 0), 0, "quantize"), tc_end(&t);
    tc_begin(&t, SYN_OP_QUANTIZE_LINEAR, 21, 1);
    tc_in(&t, SYN_F32, F(-1, 2.5f, 3.5f, 9, -254, 4), OP_DIMS(2, 3)),
        tc_in(&t, SYN_F32, F(2, 1), OP_DIMS(2));
    tc_in(&t, SYN_I8, (const int8_t[]){1, -3}, OP_DIMS(2)), tc_int(&t, "axis", 0);
    tc_expect(&t, 0, SYN_I8, OP_DIMS(2, 3), N(1, 2, 3, 6, -128, 1), 0, "by rows"), tc_end(&t);
    tc_begin(&t, SYN_OP_DEQUANTIZE_LINEAR, 21, 1);
    tc_in(&t, SYN_I8, (const int8_t[]){3, 89, -34, -20, 5, -24, 1, 0}, OP_DIMS(2, 4)),
        tc_in(&t, SYN_F32, F(2, 4, 5, 0.5f), OP_DIMS(2, 2));
    tc_in(&t, SYN_I8, (const int8_t[]){1, -2, 3, 0}, OP_DIMS(2, 2)), tc_int(&t, "block_size", 2);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 4), N(4, 176, -128, -72, 10, -135, 0.5, 0), 0, "blocks"),
        tc_end(&t);
    tc_begin(&t, SYN_OP_DYNAMIC_QUANTIZE_LINEAR, 11, 3);
    tc_in(&t, SYN_F32, F(0, 2, -3, -2.5f, 1.34f, 0.5f), OP_DIMS(6));
    tc_expect(&t, 0, SYN_U8, OP_DIMS(6), N(153, 255, 0, 26, 221, 179), 0, "dynamic");
    tc_expect(&t, 1, SYN_F32, 0, NULL, N(0.0196078438), 1e-9, "scale"),
        tc_expect(&t, 2, SYN_U8, 0, NULL, N(153), 0, "zero"), tc_end(&t);
    tc_begin(&t, SYN_OP_DYNAMIC_QUANTIZE_LINEAR, 11, 3); /* silence: no division by 0 */
    tc_in(&t, SYN_F32, F(0, 0), OP_DIMS(2)),
        tc_expect(&t, 0, SYN_U8, OP_DIMS(2), N(0, 0), 0, "zeros"), tc_end(&t);
    tc_begin(&t, SYN_OP_QUANTIZE_LINEAR, 21, 1);
    tc_in(&t, SYN_F32, F(1, 2, 3), OP_DIMS(1, 3)), tc_in(&t, SYN_F32, F(2, 1), OP_DIMS(2));
    tc_refuse(&t, SYN_INVALID, "scale has shape [2]: must be [3] or one element");
    tc_begin(&t, SYN_OP_DEQUANTIZE_LINEAR, 21, 1);
    tc_in(&t, SYN_U8, (const uint8_t[]){1, 2, 3}, OP_DIMS(3)),
        tc_in(&t, SYN_F32, F(2, 1), OP_DIMS(2)), tc_int(&t, "axis", 1);
    tc_refuse(&t, SYN_INVALID, "axis = 1: must be in [-1, 1)");
}

int main(void)
{
    test_functions();
    test_arithmetic();
    test_logic();
    test_casts();
    test_quantisation();
    return t_report();
}
