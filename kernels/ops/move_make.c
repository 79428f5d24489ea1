/* move_make.c - tensors made of sizes, numbers and places: SHAPE, SIZE, RANGE, CONSTANT_OF_SHAPE,
 * CONSTANT, EYE_LIKE, ONE_HOT, TRILU.
 *
 * Source:  ONNX Shape-1..25, Size-1..25, Range-11, ConstantOfShape-9..25, Constant-1..25,
 *          EyeLike-9..22, OneHot-9..11, Trilu-14.
 * Shape:   attrs start = 0, end (negative count from the back, clamped): those dimensions as i64.
 *          Size: their product.
 * Range:   in start, limit, delta (scalars of one number type): start + i*delta, max(ceil((limit -
 *          start)/delta), 0) of them; delta = 0 is refused.
 * ConstantOfShape: in shape; attr value (one element, default f32 0).
 * Constant: no operand; exactly one of value, value_float, value_floats, value_int, value_ints.
 *          Texts are no tensors here.
 * EyeLike: in x [rows, columns]; attrs k = 0, dtype (default x's): 1 where column - row = k.
 * OneHot:  in indices (numbers), depth (one number), values [off, on]; axis = -1: a new dimension
 *          of `depth`, on where it equals the index; indices in [-depth, -1] count from the end,
 *          others outside give off alone.
 * Trilu:   in x [.., rows, columns], k? (scalar); upper = 1: keeps column - row >= k, else <= k;
 *          zeros elsewhere.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/graph/element.h"
#include "kernels/ops/move.h"
#include "kernels/ops/type_number.h"
#include <inttypes.h>
#include <math.h>

#define ABSENT (-1e9) /* default of an integer attribute that may be left out; no valid value */
#define IS_ABSENT(v) ((v) == (int64_t)ABSENT)

/* The one element of a scalar operand, rank 0 or 1. */
static syn_status check_one(const struct syn_op_call *c, int32_t i, const char *word,
                            uint32_t types, struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, i, word, types, 0, 1, err);
    if (st == SYN_OK && syn_ops_elements(&c->in[i].shape) != 1)
        return syn_fail(err, SYN_INVALID, "%s: %s must be one number", c->op->name, word);
    return st;
}

/* --- Shape, Size ----------------------------------------------------------------------------- */

static void shape_part(const struct syn_op_call *c, int32_t *from, int32_t *to)
{
    const int32_t rank = c->in[0].shape.rank;
    int64_t start = syn_attr_int(c->op, c->attr, "start"),
            end = syn_attr_int(c->op, c->attr, "end");
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    *from = (int32_t)(start < 0 ? 0 : start > rank ? rank : start);
    *to = (int32_t)(end < *from ? *from : end > rank ? rank : end);
}

static syn_status shape_shape(struct syn_op_call *c, struct syn_err *err)
{
    int32_t from, to;
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    if (st != SYN_OK) return st;
    shape_part(c, &from, &to);
    const struct syn_shape y = {.rank = 1, .dim = {to - from}};
    return syn_ops_result(c, 0, &y, SYN_I64, err);
}

static syn_status shape_reference(const struct syn_op_call *c, struct syn_err *err)
{
    int32_t from, to;
    (void)err;
    shape_part(c, &from, &to);
    if (to > from)
        memcpy(c->out[0].data, &c->in[0].shape.dim[from],
               (size_t)(to - from) * sizeof *c->in[0].shape.dim);
    return SYN_OK;
}

static syn_status size_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape y = {.rank = 0};
    syn_status st = syn_ops_operand(c, 0, "data", SYN_TYPES_ALL, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, SYN_I64, err) : st;
}

static syn_status size_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    *(int64_t *)c->out[0].data = syn_ops_elements(&c->in[0].shape);
    return SYN_OK;
}

/* --- Range ----------------------------------------------------------------------------------- */

static syn_status range_int(const struct syn_op_call *c, int64_t *n, struct syn_err *err)
{
    const int64_t start = syn_element_int(c->in[0].dtype, c->in[0].data, 0),
                  limit = syn_element_int(c->in[1].dtype, c->in[1].data, 0),
                  delta = syn_element_int(c->in[2].dtype, c->in[2].data, 0);
    if (delta == 0) return syn_fail(err, SYN_INVALID, "%s: delta = 0: must not be", c->op->name);
    const bool up = delta > 0;
    *n = 0;
    if (up ? limit <= start : limit >= start) return SYN_OK;
    const uint64_t way = up ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t count = (way - 1) / (up ? (uint64_t)delta : -(uint64_t)delta) + 1;
    *n = count > (uint64_t)SYN_MAX_ELEMENTS ? SYN_MAX_ELEMENTS + 1 : (int64_t)count;
    return SYN_OK;
}

static syn_status range_double(const struct syn_op_call *c, int64_t *n, struct syn_err *err)
{
    const double start = syn_element_double(c->in[0].dtype, c->in[0].data, 0),
                 limit = syn_element_double(c->in[1].dtype, c->in[1].data, 0),
                 delta = syn_element_double(c->in[2].dtype, c->in[2].data, 0);
    const double count = ceil((limit - start) / delta);
    if (delta == 0 || !isfinite(start) || !isfinite(limit) || !isfinite(delta))
        return syn_fail(err, SYN_INVALID,
                        "%s: start = %g, limit = %g, delta = %g: must be finite and delta not 0",
                        c->op->name, start, limit, delta);
    *n = !(count > 0)                       ? 0
         : count > (double)SYN_MAX_ELEMENTS ? SYN_MAX_ELEMENTS + 1
                                            : (int64_t)count;
    return SYN_OK;
}

static syn_status range_shape(struct syn_op_call *c, struct syn_err *err)
{
    static const char *const words[3] = {"start", "limit", "delta"};
    struct syn_shape y = {.rank = 1};
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < 3; i++) {
        st = check_one(c, i, words[i], SYN_TYPES_NUMBER, err);
        if (st == SYN_OK && i) st = syn_ops_same_type(c, 0, i, words[i], err);
    }
    if (st == SYN_OK)
        st = syn_dtype_kind(c->in[0].dtype) == 'F' ? range_double(c, &y.dim[0], err)
                                                   : range_int(c, &y.dim[0], err);
    return st == SYN_OK ? syn_move_result(c, &y, err) : st;
}

static syn_status range_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const syn_dtype t = c->in[0].dtype;
    const double start = syn_element_double(t, c->in[0].data, 0),
                 delta = syn_element_double(t, c->in[2].data, 0);
    const uint64_t first = (uint64_t)syn_element_int(t, c->in[0].data, 0),
                   step = (uint64_t)syn_element_int(t, c->in[2].data, 0);
    (void)err;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++) {
        if (syn_dtype_kind(t) == 'F')
            syn_element_put_double(t, c->out[0].data, i, start + (double)i * delta, true);
        else syn_element_put_int(t, c->out[0].data, i, (int64_t)(first + (uint64_t)i * step));
    }
    return SYN_OK;
}

/* --- ConstantOfShape, Constant --------------------------------------------------------------- */

static syn_status filled_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *value = syn_attr_tensor(c->op, c->attr, "value");
    int64_t dims[SYN_MAX_RANK];
    struct syn_shape y = {.rank = 0};
    bool given;
    syn_status st = syn_ops_ints(c, 0, "input", dims, SYN_MAX_RANK, &y.rank, &given, err);
    if (st != SYN_OK) return st;
    if (value && syn_ops_elements(&value->shape) != 1)
        return syn_fail(err, SYN_INVALID, "%s: attribute value must be one element", c->op->name);
    for (int32_t d = 0; d < y.rank; d++) y.dim[d] = dims[d];
    return syn_ops_result(c, 0, &y, value ? value->dtype : SYN_F32, err);
}

static syn_status filled_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *value = syn_attr_tensor(c->op, c->attr, "value");
    const size_t bytes = syn_dtype_bytes(c->out[0].dtype),
                 n = (size_t)syn_ops_elements(&c->out[0].shape);
    char *y = c->out[0].data;
    (void)err;
    if (!value && n) memset(y, 0, n * bytes);
    for (size_t i = 0; value && i < n; i++, y += bytes) syn_move_one(y, value->data, bytes);
    return SYN_OK;
}

/* Which attribute holds the constant; NULL when none or several do. */
static const struct syn_attr_spec *constant_source(const struct syn_op_call *c)
{
    const struct syn_attr_spec *found = NULL;
    for (const struct syn_attr_spec *s = c->op->attrs; s->name; s++) {
        bool given = syn_attr_given(c->op, c->attr, s->name);
        if (s->kind == SYN_ATTR_INT) given = syn_attr_int(c->op, c->attr, s->name) != INT64_MIN;
        if (s->kind == SYN_ATTR_FLOAT) given = syn_attr_float(c->op, c->attr, s->name) != -INFINITY;
        if (given && found) return NULL;
        if (given) found = s;
    }
    return found;
}

static syn_status constant_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr_spec *s = constant_source(c);
    struct syn_shape y = {.rank = 0};
    syn_dtype t = SYN_F32;
    if (!s)
        return syn_fail(err, SYN_INVALID, "%s: needs exactly one of its attributes", c->op->name);
    switch (s->kind) {
    case SYN_ATTR_TENSOR: {
        const struct syn_tensor *v = syn_attr_tensor(c->op, c->attr, s->name);
        y = v->shape, t = v->dtype;
        break;
    }
    case SYN_ATTR_INTS:
    case SYN_ATTR_FLOATS:
        y.rank = 1, y.dim[0] = syn_attr_list(c->op, c->attr, s->name)->n; /* fall through */
    case SYN_ATTR_INT:
    case SYN_ATTR_FLOAT:
        t = s->kind == SYN_ATTR_INT || s->kind == SYN_ATTR_INTS ? SYN_I64 : SYN_F32;
        break;
    default:
        return syn_fail(err, SYN_UNSUPPORTED, "%s: attribute %s: texts are no tensors here",
                        c->op->name, s->name);
    }
    return syn_ops_result(c, 0, &y, t, err);
}

static syn_status constant_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr_spec *s = constant_source(c);
    const int64_t n = syn_ops_elements(&c->out[0].shape);
    const syn_dtype t = c->out[0].dtype;
    void *y = c->out[0].data;
    if (!s) return syn_fail(err, SYN_INVALID, "%s: has no value", c->op->name);
    if (s->kind == SYN_ATTR_TENSOR) {
        if (n)
            memcpy(y, syn_attr_tensor(c->op, c->attr, s->name)->data,
                   (size_t)n * syn_dtype_bytes(t));
        return SYN_OK;
    }
    const struct syn_attr *list = syn_attr_list(c->op, c->attr, s->name);
    for (int64_t i = 0; i < n; i++) {
        if (s->kind == SYN_ATTR_INTS) syn_element_put_int(t, y, i, list->v.i[i]);
        else if (s->kind == SYN_ATTR_FLOATS) syn_element_put_double(t, y, i, list->v.f[i], true);
        else if (s->kind == SYN_ATTR_INT)
            syn_element_put_int(t, y, i, syn_attr_int(c->op, c->attr, s->name));
        else syn_element_put_double(t, y, i, syn_attr_float(c->op, c->attr, s->name), true);
    }
    return SYN_OK;
}

/* --- EyeLike, OneHot, Trilu ------------------------------------------------------------------ */

static syn_status eye_shape(struct syn_op_call *c, struct syn_err *err)
{
    const int64_t number = syn_attr_int(c->op, c->attr, "dtype");
    syn_dtype t = c->in[0].dtype;
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_ALL, 2, 2, err);
    if (st == SYN_OK && !IS_ABSENT(number)) st = syn_ops_type_number(c, "dtype", number, &t, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, t, err) : st;
}

static syn_status eye_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t rows = c->out[0].shape.dim[0], columns = c->out[0].shape.dim[1],
                  k = syn_attr_int(c->op, c->attr, "k");
    const size_t n = (size_t)syn_ops_elements(&c->out[0].shape) * syn_dtype_bytes(c->out[0].dtype);
    (void)err;
    if (n) memset(c->out[0].data, 0, n);
    for (int64_t i = 0; n && i < rows; i++)
        if (i + k >= 0 && i + k < columns)
            syn_element_put_int(c->out[0].dtype, c->out[0].data, i * columns + i + k, 1);
    return SYN_OK;
}

static syn_status one_hot_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    struct syn_shape y = {.rank = x->rank + 1};
    int32_t axis;
    syn_status st = syn_ops_ranked(c, 0, "indices", SYN_TYPES_NUMBER, 0, SYN_MAX_RANK - 1, err);
    if (st == SYN_OK) st = check_one(c, 1, "depth", SYN_TYPES_NUMBER, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 2, "values", SYN_TYPES_ALL, 1, 1, err);
    if (st == SYN_OK)
        st = syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), y.rank, &axis, err);
    if (st != SYN_OK) return st;
    if (c->in[2].shape.dim[0] != 2)
        return syn_fail(err, SYN_INVALID, "%s: values has %" PRId64 " entries: must have 2",
                        c->op->name, c->in[2].shape.dim[0]);
    const int64_t depth = syn_element_int(c->in[1].dtype, c->in[1].data, 0);
    for (int32_t d = 0; d < y.rank; d++)
        y.dim[d] = d < axis ? x->dim[d] : d == axis ? depth : x->dim[d - 1];
    return syn_ops_result(c, 0, &y, c->in[2].dtype, err);
}

static syn_status one_hot_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *y = &c->out[0].shape;
    const size_t bytes = syn_dtype_bytes(c->out[0].dtype);
    const char *values = c->in[2].data;
    char *dst = c->out[0].data;
    int32_t axis;
    syn_status st =
        syn_ops_axis(c, "axis", syn_attr_int(c->op, c->attr, "axis"), y->rank, &axis, err);
    if (st != SYN_OK || syn_ops_elements(y) == 0) return st;
    const int64_t outer = syn_move_product(y, 0, axis), depth = y->dim[axis],
                  inner = syn_move_product(y, axis + 1, y->rank);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < depth; k++)
            for (int64_t i = 0; i < inner; i++, dst += bytes) {
                int64_t at = syn_element_int(c->in[0].dtype, c->in[0].data, o * inner + i);
                if (at < 0 && at >= -depth) at += depth;
                syn_move_one(dst, values + (at == k ? bytes : 0), bytes);
            }
    return SYN_OK;
}

static syn_status trilu_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_ALL, 2, SYN_MAX_RANK, err);
    if (st == SYN_OK && syn_ops_given(c, 1)) st = check_one(c, 1, "k", SYN_TYPES_INDEX, err);
    return st == SYN_OK ? syn_move_result(c, &c->in[0].shape, err) : st;
}

static syn_status trilu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *s = &c->in[0].shape;
    const int64_t rows = s->dim[s->rank - 2], columns = s->dim[s->rank - 1],
                  total = syn_ops_elements(s);
    const int64_t asked =
        syn_ops_given(c, 1) ? syn_element_int(c->in[1].dtype, c->in[1].data, 0) : 0;
    const int64_t far = SYN_MAX_ELEMENTS, k = asked < -far ? -far : asked > far ? far : asked;
    const bool upper = syn_attr_int(c->op, c->attr, "upper") != 0;
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    (void)err;
    for (int64_t i = 0; i < total; i++) {
        const int64_t over = i % columns - i / columns % rows;
        char *dst = (char *)c->out[0].data + (size_t)i * bytes;
        if (upper ? over >= k : over <= k)
            syn_move_one(dst, (const char *)c->in[0].data + (size_t)i * bytes, bytes);
        else memset(dst, 0, bytes);
    }
    return SYN_OK;
}

static const struct syn_attr_spec shape_attrs[] = {
    {"start", SYN_ATTR_INT, 0, -0x1p31, 0x1p31},
    {"end", SYN_ATTR_INT, SYN_MAX_RANK, -0x1p31, 0x1p31},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec filled_attrs[] = {
    {"value", SYN_ATTR_TENSOR, 0, 0, 0},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec constant_attrs[] = {
    {"value", SYN_ATTR_TENSOR, 0, 0, 0},
    {"value_float", SYN_ATTR_FLOAT, -INFINITY, -INFINITY, INFINITY}, /* the default means absent */
    {"value_floats", SYN_ATTR_FLOATS, 0, -INFINITY, INFINITY},
    {"value_int", SYN_ATTR_INT, -0x1p63, -0x1p63, 0x1p63},
    {"value_ints", SYN_ATTR_INTS, 0, -0x1p63, 0x1p63},
    {"value_string", SYN_ATTR_STRING, 0, 0, 0},
    {"value_strings", SYN_ATTR_STRINGS, 0, 0, 0},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec eye_attrs[] = {
    {"k", SYN_ATTR_INT, 0, -0x1p40, 0x1p40},
    {"dtype", SYN_ATTR_INT, ABSENT, ABSENT, 0x1p31},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec one_hot_attrs[] = {
    {"axis", SYN_ATTR_INT, -1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec trilu_attrs[] = {
    {"upper", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_shape = {
    .name = "Shape", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = shape_attrs, .shape = shape_shape, .reference = shape_reference,
};
const struct syn_op syn_op_size = {
    .name = "Size",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .shape = size_shape,
    .reference = size_reference,
};
const struct syn_op syn_op_range = {
    .name = "Range", .min_in = 3, .max_in = 3, .n_out = 1, .reads = 7,
    .shape = range_shape, .reference = range_reference,
};
const struct syn_op syn_op_constant_of_shape = {
    .name = "ConstantOfShape", .min_in = 1, .max_in = 1, .n_out = 1, .reads = 1,
    .attrs = filled_attrs, .shape = filled_shape, .reference = filled_reference,
};
const struct syn_op syn_op_constant = {
    .name = "Constant", .min_in = 0, .max_in = 0, .n_out = 1,
    .attrs = constant_attrs, .shape = constant_shape, .reference = constant_reference,
};
const struct syn_op syn_op_eye_like = {
    .name = "EyeLike", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = eye_attrs, .shape = eye_shape, .reference = eye_reference,
};
const struct syn_op syn_op_one_hot = {
    .name = "OneHot", .min_in = 3, .max_in = 3, .n_out = 1, .reads = 1 << 1,
    .attrs = one_hot_attrs, .shape = one_hot_shape, .reference = one_hot_reference,
};
const struct syn_op syn_op_trilu = {
    .name = "Trilu", .min_in = 1, .max_in = 2, .n_out = 1,
    .attrs = trilu_attrs, .shape = trilu_shape, .reference = trilu_reference,
};
