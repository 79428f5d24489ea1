/* element_math.c - functions of one number: ABS, NEG, SIGN, CEIL, FLOOR, ROUND, SQRT, EXP, LOG,
 * RECIPROCAL, ERF, SIN, COS, TAN, ASIN, ACOS, ATAN, SINH, COSH, TANH, ASINH, ACOSH, ATANH, and
 * activations: ELU, SELU, CELU, THRESHOLDED_RELU, HARD_SIGMOID, HARD_SWISH, SOFTPLUS, SOFTSIGN,
 * MISH, GELU, SWISH, SHRINK.
 *
 * Source:  ONNX's operators of these names, opsets 7..26.
 * Types:   floats of any width, in double and rounded once. Abs, Sign, Erf, Shrink take every
 *          number, Neg those with a sign.
 * Maths:   Round: to even at ties. With a, b, l the attributes (as floats):
 *          elu v < 0 ? a(e^v - 1) : v                   selu g(v > 0 ? v : a(e^v - 1))
 *          celu max(0, v) + min(0, a(e^(v/a) - 1))      thresholded v > a ? v : 0
 *          hard sigmoid max(0, min(1, a*v + b))         hard swish v * max(0, min(1, v/6 + 1/2))
 *          softplus ln(1 + e^v)                         softsign v/(1 + |v|)
 *          mish v*tanh(softplus(v))                     swish v/(1 + e^(-a*v))
 *          gelu v/2 (1 + erf(v/sqrt 2)), or with approximate = tanh
 *          v/2 (1 + tanh(sqrt(2/pi)(v + 0.044715 v^3)))
 *          shrink v < -l ? v + b : v > l ? v - b : 0.   NaN stays NaN in each.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include <math.h>
#include <string.h>

#define SQRT_HALF 0.70710678118654752440
#define SQRT_2_OVER_PI 0.79788456080286535588

static syn_status float_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_FLOAT, err);
}

static syn_status number_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_NUMBER, err);
}

static syn_status signed_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_FLOAT | SYN_TYPES_SIGNED, err);
}

/* --- plain functions ------------------------------------------------------------------------- */

static double sign(double v)
{
    return v > 0 ? 1 : v < 0 ? -1 : v;
} /* a NaN and both zeros as they are */
static double negate(double v) { return -v; }
static double reciprocal(double v) { return 1 / v; }
static double softplus(double v) { return v > 0 ? v + log1p(exp(-v)) : log1p(exp(v)); }
static double softsign(double v) { return v / (1 + fabs(v)); }
static double mish(double v) { return v * tanh(softplus(v)); }
static double at_most_one(double v) { return v > 1 ? 1 : v < 0 ? 0 : v; }
static double hard_swish(double v) { return v * at_most_one(v / 6 + 0.5); }
static double gelu(double v) { return 0.5 * v * (1 + erf(v * SQRT_HALF)); }
static double gelu_tanh(double v)
{
    return 0.5 * v * (1 + tanh(SQRT_2_OVER_PI * (v + 0.044715 * v * v * v)));
}

static int64_t negate_int(int64_t v, const double *p)
{
    (void)p;
    return (int64_t)(0 - (uint64_t)v);
}
static int64_t abs_int(int64_t v, const double *p) { return v < 0 ? negate_int(v, p) : v; }
static int64_t sign_int(int64_t v, const double *p)
{
    (void)p;
    return (v > 0) - (v < 0);
}
static int64_t keep_int(int64_t v, const double *p)
{
    (void)p;
    return v;
}
static int64_t one_unless_zero(int64_t v, const double *p)
{
    (void)p;
    return v != 0;
}

/* A map by a function of one number. */
#define PLAIN(id, function, whole)                                                               \
    static double id##_of(double v, const double *p)                                             \
    {                                                                                              \
        (void)p;                                                                                   \
        return function(v);                                                                        \
    }                                                                                              \
    static syn_status id##_reference(const struct syn_op_call *c, struct syn_err *err)           \
    {                                                                                              \
        (void)err;                                                                                 \
        syn_element_map(c, id##_of, whole, NULL);                                                \
        return SYN_OK;                                                                             \
    }
#define PLAIN_ROW(id, word, function)                                                            \
    PLAIN(id, function, NULL)                                                                    \
    const struct syn_op syn_op_##id = {.name = word, .min_in = 1, .max_in = 1, .n_out = 1,       \
                                         .flags = SYN_OP_POINTWISE, .shape = float_shape,          \
                                         .reference = id##_reference}
PLAIN_ROW(ceil, "Ceil", ceil);
PLAIN_ROW(floor, "Floor", floor);
PLAIN_ROW(round, "Round", rint); /* the process keeps the default rounding: to even */
PLAIN_ROW(sqrt, "Sqrt", sqrt);
PLAIN_ROW(exp, "Exp", exp);
PLAIN_ROW(log, "Log", log);
PLAIN_ROW(reciprocal, "Reciprocal", reciprocal);
PLAIN_ROW(sin, "Sin", sin);
PLAIN_ROW(cos, "Cos", cos);
PLAIN_ROW(tan, "Tan", tan);
PLAIN_ROW(asin, "Asin", asin);
PLAIN_ROW(acos, "Acos", acos);
PLAIN_ROW(atan, "Atan", atan);
PLAIN_ROW(sinh, "Sinh", sinh);
PLAIN_ROW(cosh, "Cosh", cosh);
PLAIN_ROW(tanh, "Tanh", tanh);
PLAIN_ROW(asinh, "Asinh", asinh);
PLAIN_ROW(acosh, "Acosh", acosh);
PLAIN_ROW(atanh, "Atanh", atanh);
PLAIN_ROW(softplus, "Softplus", softplus);
PLAIN_ROW(softsign, "Softsign", softsign);
PLAIN_ROW(mish, "Mish", mish);
PLAIN_ROW(hard_swish, "HardSwish", hard_swish);

PLAIN(neg, negate, negate_int)
const struct syn_op syn_op_neg = {
    .name = "Neg", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .shape = signed_shape, .reference = neg_reference,
};
PLAIN(erf, erf, NULL)
const struct syn_op syn_op_erf = {
    .name = "Erf", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .shape = number_shape, .reference = erf_reference,
};

/* u64 has no sign to look at. */
#define UNSIGNED_PLAIN(id, word, function, with_sign, without)                                   \
    static double id##_of(double v, const double *p)                                             \
    {                                                                                              \
        (void)p;                                                                                   \
        return function(v);                                                                        \
    }                                                                                              \
    static syn_status id##_reference(const struct syn_op_call *c, struct syn_err *err)           \
    {                                                                                              \
        (void)err;                                                                                 \
        const bool is_unsigned = syn_dtype_kind(c->in[0].dtype) == 'U';                            \
        syn_element_map(c, id##_of, is_unsigned ? without : with_sign, NULL);                      \
        return SYN_OK;                                                                             \
    }                                                                                              \
    const struct syn_op syn_op_##id = {.name = word, .min_in = 1, .max_in = 1, .n_out = 1,       \
                                         .flags = SYN_OP_POINTWISE, .shape = number_shape,         \
                                         .reference = id##_reference}
UNSIGNED_PLAIN(abs, "Abs", fabs, abs_int, keep_int);
UNSIGNED_PLAIN(sign, "Sign", sign, sign_int, one_unless_zero);

static double gelu_of(double v, const double *p) { return *p != 0 ? gelu_tanh(v) : gelu(v); }
static syn_status gelu_shape(struct syn_op_call *c, struct syn_err *err)
{
    const char *text = syn_attr_text(c->op, c->attr, "approximate");
    if (strcmp(text, "none") && strcmp(text, "tanh"))
        return syn_fail(err, SYN_INVALID, "%s: approximate '%.40s': must be none or tanh",
                        c->op->name, text);
    return float_shape(c, err);
}
static syn_status gelu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const double by_tanh = strcmp(syn_attr_text(c->op, c->attr, "approximate"), "tanh") == 0;
    (void)err;
    syn_element_map(c, gelu_of, NULL, &by_tanh);
    return SYN_OK;
}
static const struct syn_attr_spec gelu_attrs[] = {
    {"approximate", SYN_ATTR_STRING, 0, 0, 0, "none"},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_gelu = {
    .name = "Gelu", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .attrs = gelu_attrs, .shape = gelu_shape, .reference = gelu_reference,
};

/* --- functions with numbers as attributes: p[0], p[1] in the order of the row's attributes --- */

static double elu_of(double v, const double *p) { return v < 0 ? p[0] * expm1(v) : v; }
static double selu_of(double v, const double *p) { return p[1] * (v <= 0 ? p[0] * expm1(v) : v); }
static double celu_of(double v, const double *p) { return v < 0 ? p[0] * expm1(v / p[0]) : v; }
static double thresholded_of(double v, const double *p) { return v <= p[0] ? 0 : v; }
static double hard_sigmoid_of(double v, const double *p) { return at_most_one(p[0] * v + p[1]); }
static double swish_of(double v, const double *p) { return v / (1 + exp(-p[0] * v)); }
static double shrink_of(double v, const double *p)
{
    if (v < -p[1]) return v + p[0];
    if (v > p[1]) return v - p[0];
    return isnan(v) ? v : 0;
}

#define NUMBERS_ROW(id, word, shape_of, function, ...)                                             \
    static const struct syn_attr_spec id##_attrs[] = {__VA_ARGS__, {NULL, SYN_ATTR_INT, 0, 0, 0}}; \
    static syn_status id##_reference(const struct syn_op_call *c, struct syn_err *err)             \
    {                                                                                              \
        double p[2] = {0, 0};                                                                      \
        (void)err;                                                                                 \
        for (int k = 0; k < 2 && id##_attrs[k].name; k++)                                          \
            p[k] = (double)(float)syn_attr_float(c->op, c->attr, id##_attrs[k].name);              \
        syn_element_map(c, function, NULL, p);                                                     \
        return SYN_OK;                                                                             \
    }                                                                                              \
    const struct syn_op syn_op_##id = {.name = word, .min_in = 1, .max_in = 1, .n_out = 1,         \
                                       .flags = SYN_OP_POINTWISE, .attrs = id##_attrs,             \
                                       .shape = shape_of, .reference = id##_reference}
#define NUMBER(name, fallback) {name, SYN_ATTR_FLOAT, fallback, -INFINITY, INFINITY}
NUMBERS_ROW(elu, "Elu", float_shape, elu_of, NUMBER("alpha", 1));
NUMBERS_ROW(selu, "Selu", float_shape, selu_of, NUMBER("alpha", 1.67326319217681884765625),
            NUMBER("gamma", 1.05070102214813232421875));
NUMBERS_ROW(celu, "Celu", float_shape, celu_of, NUMBER("alpha", 1));
NUMBERS_ROW(thresholded_relu, "ThresholdedRelu", float_shape, thresholded_of, NUMBER("alpha", 1));
NUMBERS_ROW(hard_sigmoid, "HardSigmoid", float_shape, hard_sigmoid_of, NUMBER("alpha", 0.2),
            NUMBER("beta", 0.5));
NUMBERS_ROW(swish, "Swish", float_shape, swish_of, NUMBER("alpha", 1));
NUMBERS_ROW(shrink, "Shrink", number_shape, shrink_of, NUMBER("bias", 0), NUMBER("lambd", 0.5));
