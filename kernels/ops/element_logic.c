/* element_logic.c - truth and bits: EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL, AND,
 * OR, XOR, NOT, IS_NAN, IS_INF, BITWISE_AND, BITWISE_OR, BITWISE_XOR, BITWISE_NOT, BIT_SHIFT,
 * WHERE.
 *
 * Source:  ONNX Equal-7..19, Less, Greater-7..13, LessOrEqual, GreaterOrEqual-12..16, And, Or,
 *          Xor-7, Not-1, IsNaN-9..20, IsInf-10..20, BitwiseAnd, Or, Xor, Not-18, BitShift-11..28,
 *          Where-9..16. Operands of two broadcast.
 * Types:   comparisons: numbers (Equal bool too), bool out, exact for 64-bit whole numbers; NaN
 *          compares false. And, Or, Xor, Not: bool. Bitwise: whole numbers. BitShift: whole
 *          numbers, direction LEFT or RIGHT (which keeps the sign); a shift that is negative or by
 *          the type's width or more leaves 0, or -1 to the right of a negative number. Where: bool
 *          condition, any type of x and y.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include "kernels/ops/move.h"
#include <math.h>

/* --- comparisons ----------------------------------------------------------------------------- */

enum relation { REL_EQUAL, REL_LESS, REL_LESS_OR_EQUAL, REL_GREATER, REL_GREATER_OR_EQUAL };

/* sign: -1, 0, 1, or 2 where a NaN is. */
static bool holds(enum relation r, int sign)
{
    switch (r) {
    case REL_EQUAL: return sign == 0;
    case REL_LESS: return sign == -1;
    case REL_LESS_OR_EQUAL: return sign <= 0;
    case REL_GREATER: return sign == 1;
    case REL_GREATER_OR_EQUAL: return sign == 0 || sign == 1;
    }
    return false;
}

static int compare(syn_dtype t, const void *a, int64_t ia, const void *b, int64_t ib)
{
    if (syn_dtype_kind(t) == 'F') {
        const double x = syn_element_double(t, a, ia), y = syn_element_double(t, b, ib);
        return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
    }
    const int64_t x = syn_element_int(t, a, ia), y = syn_element_int(t, b, ib);
    if (t == SYN_U64) return ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y);
    return (x > y) - (x < y);
}

static syn_status compare_all(const struct syn_op_call *c, enum relation relation)
{
    struct syn_element_walk w;
    uint8_t *y = c->out[0].data;
    syn_element_walk_begin(&w, c);
    for (int64_t r = 0; r < w.rows; r++, syn_element_walk_next(&w))
        for (int64_t i = 0; i < w.row; i++)
            *y++ =
                holds(relation, compare(c->in[0].dtype, c->in[0].data, w.offset[0] + i * w.step[0],
                                        c->in[1].data, w.offset[1] + i * w.step[1]));
    return SYN_OK;
}

static syn_status compare_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_pair(c, SYN_TYPES_NUMBER | SYN_TYPE(BOOL), SYN_BOOL, err);
}

#define COMPARE_ROW(id, word, relation)                                                            \
    static syn_status id##_reference(const struct syn_op_call *c, struct syn_err *err)             \
    {                                                                                              \
        (void)err;                                                                                 \
        return compare_all(c, relation);                                                           \
    }                                                                                              \
    const struct syn_op syn_op_##id = {.name = word,                                               \
                                       .min_in = 2,                                                \
                                       .max_in = 2,                                                \
                                       .n_out = 1,                                                 \
                                       .attrs = syn_element_old_attrs,                             \
                                       .shape = compare_shape,                                     \
                                       .reference = id##_reference}
COMPARE_ROW(equal, "Equal", REL_EQUAL);
COMPARE_ROW(less, "Less", REL_LESS);
COMPARE_ROW(less_or_equal, "LessOrEqual", REL_LESS_OR_EQUAL);
COMPARE_ROW(greater, "Greater", REL_GREATER);
COMPARE_ROW(greater_or_equal, "GreaterOrEqual", REL_GREATER_OR_EQUAL);

/* --- logic and bits -------------------------------------------------------------------------- */

static int64_t and_of(int64_t a, int64_t b) { return a & b; }
static int64_t or_of(int64_t a, int64_t b) { return a | b; }
static int64_t xor_of(int64_t a, int64_t b) { return a ^ b; }

static syn_status bool_pair(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_pair(c, SYN_TYPE(BOOL), SYN_BOOL, err);
}
static syn_status whole_pair(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_pair(c, SYN_TYPES_WHOLE, SYN_DTYPE_COUNT, err);
}

#define BITS_ROW(id, word, shape_of, rule_of)                                                      \
    static syn_status id##_reference(const struct syn_op_call *c, struct syn_err *err)             \
    {                                                                                              \
        static const struct syn_element_rule rule = {NULL, rule_of, NULL};                         \
        (void)err;                                                                                 \
        syn_element_fold(c, &rule);                                                                \
        return SYN_OK;                                                                             \
    }                                                                                              \
    const struct syn_op syn_op_##id = {.name = word,                                               \
                                       .min_in = 2,                                                \
                                       .max_in = 2,                                                \
                                       .n_out = 1,                                                 \
                                       .attrs = syn_element_old_attrs,                             \
                                       .shape = shape_of,                                          \
                                       .reference = id##_reference}
BITS_ROW(and, "And", bool_pair, and_of);
BITS_ROW(or, "Or", bool_pair, or_of);
BITS_ROW(xor, "Xor", bool_pair, xor_of);
BITS_ROW(bitwise_and, "BitwiseAnd", whole_pair, and_of);
BITS_ROW(bitwise_or, "BitwiseOr", whole_pair, or_of);
BITS_ROW(bitwise_xor, "BitwiseXor", whole_pair, xor_of);

static int64_t not_bool(int64_t v, const double *p)
{
    (void)p;
    return !v;
}
static int64_t not_bits(int64_t v, const double *p)
{
    (void)p;
    return ~v;
}
static syn_status not_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPE(BOOL), err);
}
static syn_status bitwise_not_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_same(c, SYN_TYPES_WHOLE, err);
}
static syn_status not_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    syn_element_map(c, NULL, not_bool, NULL); /* never a float: the shape function has seen to it */
    return SYN_OK;
}
static syn_status bitwise_not_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    syn_element_map(c, NULL, not_bits, NULL);
    return SYN_OK;
}

/* In 64 bits: what a left shift moves past a narrow type goes when the result is cut to it, and a
 * right shift brings in copies of the sign, of which an unsigned value narrower than 64 bits has
 * none. */
static int64_t shift_left(int64_t a, int64_t b)
{
    return (uint64_t)b > 63 ? 0 : (int64_t)((uint64_t)a << b);
}
static int64_t shift_right(int64_t a, int64_t b)
{
    const uint64_t sign = a < 0 ? UINT64_MAX : 0;
    return (uint64_t)b > 63 ? (int64_t)sign : (int64_t)(((uint64_t)a ^ sign) >> b ^ sign);
}
static uint64_t shift_right_wide(uint64_t a, uint64_t b) { return b > 63 ? 0 : a >> b; }
static syn_status shift_shape(struct syn_op_call *c, struct syn_err *err)
{
    const char *way = syn_attr_text(c->op, c->attr, "direction");
    if (!way || (strcmp(way, "LEFT") && strcmp(way, "RIGHT")))
        return syn_fail(err, SYN_INVALID, "%s: direction '%.40s': must be LEFT or RIGHT",
                        c->op->name, way ? way : "");
    return syn_element_pair(c, SYN_TYPES_WHOLE, SYN_DTYPE_COUNT, err);
}
static syn_status shift_reference(const struct syn_op_call *c, struct syn_err *err)
{
    static const struct syn_element_rule left = {NULL, shift_left, NULL},
                                         right = {NULL, shift_right, shift_right_wide};
    (void)err;
    syn_element_fold(c, strcmp(syn_attr_text(c->op, c->attr, "direction"), "LEFT") == 0 ? &left
                                                                                        : &right);
    return SYN_OK;
}

/* --- IsNaN, IsInf ---------------------------------------------------------------------------- */

#define TYPES_F8                                                                                   \
    (SYN_TYPE(F8E4M3FN) | SYN_TYPE(F8E4M3FNUZ) | SYN_TYPE(F8E5M2) | SYN_TYPE(F8E5M2FNUZ))

static syn_status test_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_FLOAT | TYPES_F8, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, SYN_BOOL, err) : st;
}

static syn_status is_nan_reference(const struct syn_op_call *c, struct syn_err *err)
{
    uint8_t *y = c->out[0].data;
    (void)err;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++)
        y[i] = isnan(syn_element_double(c->in[0].dtype, c->in[0].data, i)) != 0;
    return SYN_OK;
}

static syn_status is_inf_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const bool below = syn_attr_int(c->op, c->attr, "detect_negative") != 0,
               above = syn_attr_int(c->op, c->attr, "detect_positive") != 0;
    uint8_t *y = c->out[0].data;
    (void)err;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++) {
        const double v = syn_element_double(c->in[0].dtype, c->in[0].data, i);
        y[i] = isinf(v) && (v < 0 ? below : above);
    }
    return SYN_OK;
}

/* --- Where ----------------------------------------------------------------------------------- */

static syn_status where_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y;
    syn_status st = syn_ops_operand(c, 0, "condition", SYN_TYPE(BOOL), err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "x", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 2, "y", SYN_TYPES_ALL, err);
    if (st == SYN_OK && c->in[1].dtype != c->in[2].dtype)
        st = syn_fail(err, SYN_INVALID, "%s: y holds %s: must be %s like x", c->op->name,
                      syn_dtype_word(c->in[2].dtype), syn_dtype_word(c->in[1].dtype));
    if (st == SYN_OK) st = syn_ops_broadcast(c, 0, 3, &y, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, c->in[1].dtype, err) : st;
}

static syn_status where_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const size_t bytes = syn_dtype_bytes(c->out[0].dtype);
    const uint8_t *condition = c->in[0].data;
    struct syn_element_walk w;
    char *y = c->out[0].data;
    (void)err;
    syn_element_walk_begin(&w, c);
    for (int64_t r = 0; r < w.rows; r++, syn_element_walk_next(&w))
        for (int64_t i = 0; i < w.row; i++, y += bytes) {
            const int32_t k = condition[w.offset[0] + i * w.step[0]] ? 1 : 2;
            syn_move_one(
                y, (const char *)c->in[k].data + (size_t)(w.offset[k] + i * w.step[k]) * bytes,
                bytes);
        }
    return SYN_OK;
}

static const struct syn_attr_spec shift_attrs[] = {
    {"direction", SYN_ATTR_STRING, 0, 0, 0},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec inf_attrs[] = {
    {"detect_negative", SYN_ATTR_INT, 1, 0, 1},
    {"detect_positive", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_not = {
    .name = "Not", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .shape = not_shape, .reference = not_reference,
};
const struct syn_op syn_op_bitwise_not = {
    .name = "BitwiseNot", .min_in = 1, .max_in = 1, .n_out = 1, .flags = SYN_OP_POINTWISE,
    .shape = bitwise_not_shape, .reference = bitwise_not_reference,
};
const struct syn_op syn_op_bit_shift = {
    .name = "BitShift", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = shift_attrs, .shape = shift_shape, .reference = shift_reference,
};
const struct syn_op syn_op_is_nan = {
    .name = "IsNaN", .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = test_shape, .reference = is_nan_reference,
};
const struct syn_op syn_op_is_inf = {
    .name = "IsInf", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = inf_attrs, .shape = test_shape, .reference = is_inf_reference,
};
const struct syn_op syn_op_where = {
    .name = "Where",
    .min_in = 3,
    .max_in = 3,
    .n_out = 1,
    .shape = where_shape,
    .reference = where_reference,
};
