/* broadcast.c - arithmetic of operands that broadcast: ADD, SUB, MUL, DIV, MIN, MAX, SUM, MEAN,
 * POW, MOD, PRELU.
 *
 * Source:  ONNX Add, Sub, Mul, Div-7..14, Min, Max-8..13, Sum-8..13, Mean-8..13, Pow-7..15,
 *          Mod-10..28, PRelu-6..16; multidirectional broadcasting as NumPy does it; before opset 7
 *          by the attributes broadcast and axis.
 * Types:   floats, and whole numbers of any width (modulo 2^bits; Div truncates towards zero, a
 *          divisor of 0 is refused). Min, Max, Sum, Mean take 1 to 64 operands; sums are in double.
 * Maths:   MIN and MAX give NaN when any is NaN. POW: the exponent may be of another type; the
 *          result has the base's. MOD: fmod = 0 takes the sign of b (Python's), fmod = 1 that of a
 *          (C's). PRELU v < 0 ? slope * v : v; slope broadcasts to x. In our own graphs (opset 0)
 *          and before opset 7 slope is per channel: [c], [c,1,...,1] or [1].
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include <inttypes.h>
#include <math.h>

static syn_status number_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_pair(c, SYN_TYPES_NUMBER, SYN_DTYPE_COUNT, err);
}

static syn_status float_shape(struct syn_op_call *c, struct syn_err *err)
{
    return syn_element_pair(c, SYN_TYPES_FLOAT, SYN_DTYPE_COUNT, err);
}

/* Divisors that are 0 have no quotient among whole numbers. */
static syn_status check_divisor(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *b = &c->in[1];
    if (syn_dtype_kind(b->dtype) == 'F') return SYN_OK;
    for (int64_t i = 0, n = syn_ops_elements(&b->shape); i < n; i++)
        if (syn_element_int(b->dtype, b->data, i) == 0)
            return syn_fail(err, SYN_INVALID,
                            "%s: b[%" PRId64 "] = 0: whole numbers are not divided by it",
                            c->op->name, i);
    return SYN_OK;
}

/* --- rules ----------------------------------------------------------------------------------- */

static double add(double a, double b) { return a + b; }
static double subtract(double a, double b) { return a - b; }
static double multiply(double a, double b) { return a * b; }
static double divide(double a, double b) { return a / b; }
static double minimum(double a, double b)
{
    return isnan(a) || a < b ? a : b;
} /* a NaN in b: a < b is false */
static double maximum(double a, double b) { return isnan(a) || a > b ? a : b; }
static double mod_floor(double a, double b)
{
    const double r = fmod(a, b);
    if (r == 0) return copysign(0, b); /* a zero has the sign of b too */
    return (r < 0) != (b < 0) ? r + b : r;
}

static int64_t add_int(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t subtract_int(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t multiply_int(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }
static int64_t divide_int(int64_t a, int64_t b) { return b == -1 ? subtract_int(0, a) : a / b; }
static int64_t minimum_int(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t maximum_int(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t remainder_int(int64_t a, int64_t b) { return b == -1 ? 0 : a % b; }
static int64_t mod_floor_int(int64_t a, int64_t b)
{
    const int64_t r = remainder_int(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static uint64_t divide_wide(uint64_t a, uint64_t b) { return a / b; }
static uint64_t minimum_wide(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t maximum_wide(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t remainder_wide(uint64_t a, uint64_t b) { return a % b; }

/* One reference for a rule; `check` says what values it refuses. */
#define RULE_REFERENCE(name, check, ...)                                                           \
    static syn_status name##_reference(const struct syn_op_call *c, struct syn_err *err)           \
    {                                                                                              \
        static const struct syn_element_rule rule = {__VA_ARGS__};                                 \
        const syn_status st = check;                                                               \
        (void)err;                                                                                 \
        if (st == SYN_OK) syn_element_fold(c, &rule);                                              \
        return st;                                                                                 \
    }
RULE_REFERENCE(add, SYN_OK, add, add_int, NULL)
RULE_REFERENCE(sub, SYN_OK, subtract, subtract_int, NULL)
RULE_REFERENCE(mul, SYN_OK, multiply, multiply_int, NULL)
RULE_REFERENCE(div, check_divisor(c, err), divide, divide_int, divide_wide)
RULE_REFERENCE(min, SYN_OK, minimum, minimum_int, minimum_wide)
RULE_REFERENCE(max, SYN_OK, maximum, maximum_int, maximum_wide)

static syn_status mod_reference(const struct syn_op_call *c, struct syn_err *err)
{
    static const struct syn_element_rule floored = {mod_floor, mod_floor_int, remainder_wide},
                                         truncated = {fmod, remainder_int, remainder_wide};
    const syn_status st = check_divisor(c, err);
    if (st == SYN_OK)
        syn_element_fold(c, syn_attr_int(c->op, c->attr, "fmod") ? &truncated : &floored);
    return st;
}

/* --- Mean ------------------------------------------------------------------------------------ */

static syn_status mean_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct syn_element_walk w;
    (void)err;
    syn_element_walk_begin(&w, c);
    for (int64_t r = 0; r < w.rows; r++, syn_element_walk_next(&w))
        for (int64_t i = 0; i < w.row; i++) {
            double sum = 0;
            for (int32_t k = 0; k < w.n; k++)
                sum +=
                    syn_element_double(c->in[k].dtype, c->in[k].data, w.offset[k] + i * w.step[k]);
            syn_element_put_double(c->out[0].dtype, c->out[0].data, r * w.row + i, sum / w.n, true);
        }
    return SYN_OK;
}

/* --- Pow ------------------------------------------------------------------------------------- */

static syn_status pow_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y;
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_NUMBER, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "y", SYN_TYPES_NUMBER, err);
    if (st == SYN_OK && c->opset > 0 && c->opset < 7)
        return number_shape(c, err); /* one type, an axis perhaps */
    if (st == SYN_OK) st = syn_ops_broadcast(c, 0, 2, &y, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, c->in[0].dtype, err) : st;
}

/* Whole powers modulo 2^64, by squaring; a negative exponent leaves something only of 1, -1 and
 * (as infinity) 0. */
static int64_t pow_int(int64_t base, int64_t exponent)
{
    uint64_t result = 1, square = (uint64_t)base;
    if (exponent < 0)
        return base == 1 || base == -1 ? (exponent % 2 ? base : 1) : base == 0 ? INT64_MAX : 0;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1, square *= square)
        if (e & 1) result *= square;
    return (int64_t)result;
}

static syn_status pow_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *e = &c->in[1];
    const bool whole = syn_dtype_kind(x->dtype) != 'F' && syn_dtype_kind(e->dtype) != 'F';
    struct syn_element_walk w;
    (void)err;
    syn_element_walk_begin(&w, c);
    for (int64_t r = 0; r < w.rows; r++, syn_element_walk_next(&w))
        for (int64_t i = 0; i < w.row; i++) {
            const int64_t ix = w.offset[0] + i * w.step[0], ie = w.offset[1] + i * w.step[1],
                          at = r * w.row + i;
            if (whole)
                syn_element_put_int(c->out[0].dtype, c->out[0].data, at,
                                    pow_int(syn_element_int(x->dtype, x->data, ix),
                                            e->dtype == SYN_U64
                                                ? (int64_t)(*((uint64_t *)e->data + ie) & INT64_MAX)
                                                : syn_element_int(e->dtype, e->data, ie)));
            else
                syn_element_put_double(c->out[0].dtype, c->out[0].data, at,
                                       pow(syn_element_double(x->dtype, x->data, ix),
                                           syn_element_double(e->dtype, e->data, ie)), true);
        }
    return SYN_OK;
}

/* --- PRelu ----------------------------------------------------------------------------------- */

/* slope as it broadcasts: itself, or, before opset 7, its entries along x's channels. False when
 * it does not fit. */
static bool slope_shape(const struct syn_op_call *c, struct syn_shape *slope)
{
    const struct syn_shape *x = &c->in[0].shape;
    *slope = c->in[1].shape;
    if (c->opset < 7) {
        if (x->rank < 2 || (slope->rank != 1 && slope->rank != x->rank - 1)) return false;
        for (int32_t d = 1; d < slope->rank; d++)
            if (slope->dim[d] != 1) return false;
        const int64_t entries = slope->dim[0];
        if (entries != 1 && entries != x->dim[1]) return false;
        slope->rank = x->rank - 1;
        for (int32_t d = 0; d < slope->rank; d++) slope->dim[d] = d ? 1 : entries;
        return true;
    }
    for (int32_t d = 0; d < slope->rank; d++) {
        const int32_t dx = d + x->rank - slope->rank;
        if (dx < 0 ? slope->dim[d] != 1 : slope->dim[d] != 1 && slope->dim[d] != x->dim[dx])
            return false;
    }
    return slope->rank <= x->rank;
}

static syn_status prelu_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape slope;
    char a[192], b[192];
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_NUMBER, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "slope", SYN_TYPES_NUMBER, err);
    if (st == SYN_OK && c->opset > 0) st = syn_ops_same_type(c, 0, 1, "slope", err);
    if (st != SYN_OK) return st;
    if (c->opset < 7 && x->rank < 2)
        return syn_fail(err, SYN_INVALID, "%s: x has rank %d: must be at least 2", c->op->name,
                        (int)x->rank);
    if (!slope_shape(c, &slope) && c->opset < 7)
        return syn_fail(err, SYN_INVALID,
                        "%s: slope has shape %s: must be [%" PRId64 "] (x's channels) or [1]",
                        c->op->name, syn_shape_text(&c->in[1].shape, a, sizeof a), x->dim[1]);
    if (!slope_shape(c, &slope))
        return syn_fail(err, SYN_INVALID, "%s: slope %s does not broadcast to x %s", c->op->name,
                        syn_shape_text(&c->in[1].shape, a, sizeof a),
                        syn_shape_text(x, b, sizeof b));
    return syn_ops_result(
        c, 0, x, c->opset == 0 && c->in[0].dtype == SYN_F16 ? SYN_F32 : c->in[0].dtype, err);
}

static syn_status prelu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *x = &c->in[0], *s = &c->in[1], *y = &c->out[0];
    int64_t step[SYN_MAX_RANK], at[SYN_MAX_RANK] = {0};
    const int64_t n = syn_ops_elements(&y->shape);
    struct syn_shape slope;
    if (!slope_shape(c, &slope))
        return syn_fail(err, SYN_INVALID, "%s: slope does not fit", c->op->name);
    if (n == 0) return SYN_OK;
    syn_ops_steps(&slope, &y->shape, step);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0;
        for (int32_t d = 0; d < y->shape.rank; d++) k += at[d] * step[d];
        if (syn_dtype_kind(x->dtype) == 'F') {
            const double v = syn_element_double(x->dtype, x->data, i);
            syn_element_put_double(y->dtype, y->data, i,
                                   v < 0 ? v * syn_element_double(s->dtype, s->data, k) : v, true);
        } else {
            const int64_t v = syn_element_int(x->dtype, x->data, i);
            const bool below = syn_dtype_kind(x->dtype) == 'I' && v < 0;
            syn_element_put_int(y->dtype, y->data, i,
                                below ? multiply_int(v, syn_element_int(s->dtype, s->data, k)) : v);
        }
        syn_ops_next(&y->shape, at);
    }
    return SYN_OK;
}

static const struct syn_attr_spec mod_attrs[] = {
    {"fmod", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
#define PAIR_ROW(id, word)                                                                         \
    const struct syn_op syn_op_##id = {                                                            \
        .name = word, .min_in = 2, .max_in = 2, .n_out = 1, .attrs = syn_element_old_attrs,        \
        .shape = number_shape, .reference = id##_reference}
#define LIST_ROW(id, word, shape_of, reference_of)                                                 \
    const struct syn_op syn_op_##id = {                                                            \
        .name = word, .min_in = 1, .max_in = SYN_MAX_OPERANDS, .n_out = 1,                         \
        .shape = shape_of, .reference = reference_of}
PAIR_ROW(add, "Add");
PAIR_ROW(sub, "Sub");
PAIR_ROW(mul, "Mul");
PAIR_ROW(div, "Div");
LIST_ROW(min, "Min", number_shape, min_reference);
LIST_ROW(max, "Max", number_shape, max_reference);
LIST_ROW(sum, "Sum", float_shape, add_reference);
LIST_ROW(mean, "Mean", float_shape, mean_reference);
const struct syn_op syn_op_pow = {
    .name = "Pow",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = syn_element_old_attrs,
    .shape = pow_shape,
    .reference = pow_reference,
};
const struct syn_op syn_op_mod = {
    .name = "Mod", .min_in = 2, .max_in = 2, .n_out = 1,
    .attrs = mod_attrs, .shape = number_shape, .reference = mod_reference,
};
const struct syn_op syn_op_prelu = {
    .name = "PRelu",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = prelu_shape,
    .reference = prelu_reference,
};
