/* move_select.c - results whose size only the data tells, and the largest entries: NON_ZERO,
 * COMPRESS, UNIQUE, TOP_K.
 *
 * Source:  ONNX NonZero-9..13, Compress-9..11, Unique-11, TopK-10..24.
 * NonZero: the places of what is not 0 (NaN is not), i64 [rank, n], in row-major order; a scalar
 *          gives [0, n].
 * Compress: in x, condition (bool, at most the axis's length); the slices of `axis` where it is
 *          true; without axis x counts as flat.
 * Unique:  in x; axis? (without: flat); sorted = 1. Outputs: y, first indices, inverse indices,
 *          counts (i64). Slices compare element by element; NaN sorts last; of an empty x there
 *          are none. sorted = 0: in the order of appearance.
 * TopK:    in x, k (one i64); axis = -1, largest = 1, sorted = 1. Of equal ones the lower index
 *          comes first; NaN counts as the largest. The result is sorted in any case. Outputs:
 *          values, indices (i64).
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: outputs are made for the caller
 *          (SYN_OP_MAKES); orders are allocated and freed here. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/move.h"
#include <inttypes.h>
#include <math.h>

#define ABSENT (-1e9) /* default of axis where leaving it out means "flat" */

/* --- NonZero --------------------------------------------------------------------------------- */

static bool is_zero(syn_dtype t, const void *data, int64_t i)
{
    return syn_dtype_kind(t) == 'F' ? syn_element_double(t, data, i) == 0
                                    : syn_element_int(t, data, i) == 0;
}

static syn_status non_zero_reference(const struct syn_op_call *call, struct syn_err *err)
{
    struct syn_op_call *c =
        (struct syn_op_call *)(uintptr_t)call; /* such references fill in outputs */
    const struct syn_tensor *x = &c->in[0];
    int64_t found = 0, at[SYN_MAX_RANK] = {0};
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_ALL, err);
    if (st != SYN_OK) return st;
    const int64_t n = syn_ops_elements(&x->shape);
    for (int64_t i = 0; i < n; i++) found += !is_zero(x->dtype, x->data, i);
    const struct syn_shape y = {.rank = 2, .dim = {x->shape.rank, found}};
    if ((st = syn_ops_make(c, 0, &y, SYN_I64, err)) != SYN_OK || !c->out[0].data) return st;
    int64_t *place = c->out[0].data, k = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!is_zero(x->dtype, x->data, i)) {
            for (int32_t d = 0; d < x->shape.rank; d++) place[d * found + k] = at[d];
            k++;
        }
        syn_ops_next(&x->shape, at);
    }
    return SYN_OK;
}

/* --- Compress -------------------------------------------------------------------------------- */

/* x as [outer, n, inner] about an axis; flat (1, all, 1) without one. */
struct slices {
    int64_t outer, n, inner;
    int32_t axis; /* -1 = flat */
};

static syn_status slices_of(const struct syn_op_call *c, struct slices *s, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const int64_t axis = syn_attr_int(c->op, c->attr, "axis");
    *s = (struct slices){1, syn_ops_elements(x), 1, -1};
    if (axis == (int64_t)ABSENT) return SYN_OK;
    syn_status st = syn_ops_axis(c, "axis", axis, x->rank, &s->axis, err);
    if (st != SYN_OK) return st;
    s->n = x->dim[s->axis];
    s->outer = syn_move_product(x, 0, s->axis);
    s->inner = syn_move_product(x, s->axis + 1, x->rank);
    return SYN_OK;
}

/* The shape with n slices. */
static struct syn_shape with_slices(const struct syn_op_call *c, const struct slices *s, int64_t n)
{
    struct syn_shape y = c->in[0].shape;
    if (s->axis < 0) y.rank = 1;
    y.dim[s->axis < 0 ? 0 : s->axis] = n;
    return y;
}

/* Copies slice pick[k] of in[0] to slice k of out[0], k < n. */
static void copy_slices(const struct syn_op_call *c, const struct slices *s, const int64_t *pick,
                        int64_t n)
{
    const size_t run = (size_t)s->inner * syn_dtype_bytes(c->in[0].dtype);
    if (syn_ops_elements(&c->out[0].shape) == 0) return;
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t k = 0; k < n; k++)
            memcpy((char *)c->out[0].data + (size_t)(o * n + k) * run,
                   (const char *)c->in[0].data + (size_t)(o * s->n + pick[k]) * run, run);
}

static syn_status compress_reference(const struct syn_op_call *call, struct syn_err *err)
{
    struct syn_op_call *c = (struct syn_op_call *)(uintptr_t)call;
    struct slices s;
    int64_t *pick = NULL, n = 0;
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "condition", SYN_TYPE(BOOL), 1, 1, err);
    if (st == SYN_OK) st = slices_of(c, &s, err);
    if (st != SYN_OK) return st;
    const int64_t length = c->in[1].shape.dim[0];
    const uint8_t *condition = c->in[1].data;
    if (!(pick = syn_calloc((size_t)(length ? length : 1), sizeof *pick)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " places", c->op->name,
                        length);
    for (int64_t i = 0; i < length; i++) {
        if (!condition[i]) continue;
        if (i >= s.n) {
            st = syn_fail(err, SYN_INVALID,
                          "%s: condition[%" PRId64 "] is true: the axis has %" PRId64, c->op->name,
                          i, s.n);
            break;
        }
        pick[n++] = i;
    }
    const struct syn_shape y = with_slices(c, &s, n);
    if (st == SYN_OK) st = syn_ops_make(c, 0, &y, c->in[0].dtype, err);
    if (st == SYN_OK && c->out[0].data) copy_slices(c, &s, pick, n);
    syn_free(pick);
    return st;
}

/* --- an order of slices or elements ---------------------------------------------------------- */

/* -1, 0, 1; NaN after everything, equal to itself. */
static int compare_elements(syn_dtype t, const void *data, int64_t i, int64_t k)
{
    if (syn_dtype_kind(t) == 'F') {
        const double a = syn_element_double(t, data, i), b = syn_element_double(t, data, k);
        if (isnan(a) || isnan(b)) return !!isnan(a) - !!isnan(b);
        return (a > b) - (a < b);
    }
    const int64_t a = syn_element_int(t, data, i), b = syn_element_int(t, data, k);
    if (t == SYN_U64) return ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b);
    return (a > b) - (a < b);
}

struct sorter {
    const struct syn_tensor *x;
    struct slices s;
    int64_t base;    /* element offset of the line that is sorted, for TopK */
    bool whole;      /* compare whole slices (Unique), else the elements base + i * inner */
    bool descending; /* equal ones by index in either case */
};

static int compare(const struct sorter *o, int64_t i, int64_t k)
{
    const struct slices *s = &o->s;
    if (!o->whole)
        return compare_elements(o->x->dtype, o->x->data, o->base + i * s->inner,
                                o->base + k * s->inner);
    for (int64_t u = 0; u < s->outer; u++)
        for (int64_t v = 0; v < s->inner; v++) {
            const int sign =
                compare_elements(o->x->dtype, o->x->data, (u * s->n + i) * s->inner + v,
                                 (u * s->n + k) * s->inner + v);
            if (sign) return sign;
        }
    return 0;
}

/* Merge sort: stable, n log n whatever the data. from and to hold n entries; the result is in
 * from. */
static void sort(const struct sorter *o, int64_t *from, int64_t *to, int64_t n)
{
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            const int64_t mid = lo + width < n ? lo + width : n,
                          hi = lo + 2 * width < n ? lo + 2 * width : n;
            int64_t a = lo, b = mid;
            for (int64_t k = lo; k < hi; k++) {
                bool left = a < mid;
                if (a < mid && b < hi) {
                    const int sign = compare(o, from[a], from[b]);
                    left = o->descending ? sign >= 0 : sign <= 0;
                }
                to[k] = left ? from[a++] : from[b++];
            }
        }
        memcpy(from, to, (size_t)n * sizeof *from);
    }
}

/* --- Unique ---------------------------------------------------------------------------------- */

/* Orders the groups by their first index instead: rank[g] = place of group g. Groups' firsts are
 * in first[]. */
static void by_appearance(const int64_t *first, int64_t groups, const int64_t *group_of, int64_t n,
                          int64_t *rank)
{
    int64_t next = 0;
    for (int64_t i = 0; i < n && next < groups; i++)
        if (first[group_of[i]] == i) rank[group_of[i]] = next++;
}

static syn_status unique_write(struct syn_op_call *c, const struct slices *s, const int64_t *order,
                               int64_t *work, struct syn_err *err)
{
    const struct sorter o = {.x = &c->in[0], .s = *s, .whole = true};
    int64_t *first = work, *group_of = work + s->n, *count = work + 2 * s->n,
            *rank = work + 3 * s->n, groups = 0;
    for (int64_t k = 0; k < s->n; k++) { /* stable: the first of a group has its lowest index */
        if (k == 0 || compare(&o, order[k - 1], order[k]))
            first[groups] = order[k], rank[groups] = groups, groups++;
        group_of[order[k]] = groups - 1;
        count[groups - 1]++;
    }
    if (!syn_attr_int(c->op, c->attr, "sorted")) by_appearance(first, groups, group_of, s->n, rank);
    const struct syn_shape y = with_slices(c, s, groups), list = {.rank = 1, .dim = {groups}},
                           all = {.rank = 1, .dim = {s->n}};
    syn_status st = syn_ops_make(c, 0, &y, c->in[0].dtype, err);
    if (st == SYN_OK) st = syn_ops_make(c, 1, &list, SYN_I64, err);
    if (st == SYN_OK) st = syn_ops_make(c, 2, &all, SYN_I64, err);
    if (st == SYN_OK) st = syn_ops_make(c, 3, &list, SYN_I64, err);
    if (st != SYN_OK) return st;
    int64_t *out[4] = {NULL};
    for (int32_t i = 1; i < 4 && i < c->n_out; i++) out[i] = c->out[i].data;
    for (int64_t i = 0; out[2] && i < s->n; i++) out[2][i] = rank[group_of[i]];
    for (int64_t g = 0; g < groups; g++) {
        if (out[1]) out[1][rank[g]] = first[g];
        if (out[3]) out[3][rank[g]] = count[g];
        group_of[rank[g]] = first[g]; /* from here on: which slice comes where */
    }
    if (c->out[0].data) copy_slices(c, s, group_of, groups);
    return SYN_OK;
}

static syn_status unique_reference(const struct syn_op_call *call, struct syn_err *err)
{
    struct syn_op_call *c = (struct syn_op_call *)(uintptr_t)call;
    struct slices s;
    int64_t *order = NULL, *work = NULL;
    size_t n;
    syn_status st = syn_ops_operand(c, 0, "x", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = slices_of(c, &s, err);
    if (st != SYN_OK) return st;
    if (syn_ops_elements(&c->in[0].shape) == 0)
        s.n = 0; /* slices without elements, however many, are none */
    if (!syn_mul((size_t)s.n, 4, &n) ||
        !(order = syn_calloc((size_t)(s.n ? s.n : 1), sizeof *order)) ||
        !(work = syn_calloc(n ? n : 1, sizeof *work))) {
        st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " places", c->op->name, s.n);
        goto done;
    }
    const struct sorter o = {.x = &c->in[0], .s = s, .whole = true};
    for (int64_t i = 0; i < s.n; i++) order[i] = i;
    if (syn_ops_elements(&c->in[0].shape) > 0) sort(&o, order, work, s.n);
    memset(work, 0, n * sizeof *work);
    st = unique_write(c, &s, order, work, err);
done:
    syn_free(work);
    syn_free(order);
    return st;
}

/* --- TopK ------------------------------------------------------------------------------------ */

static syn_status top_k_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct slices s;
    struct syn_shape y = c->in[0].shape;
    syn_status st = syn_ops_ranked(c, 0, "x", SYN_TYPES_NUMBER, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "k", SYN_TYPES_INDEX, 0, 1, err);
    if (st == SYN_OK) st = slices_of(c, &s, err);
    if (st != SYN_OK) return st;
    if (syn_ops_elements(&c->in[1].shape) != 1)
        return syn_fail(err, SYN_INVALID, "%s: k must be one number", c->op->name);
    y.dim[s.axis] = syn_element_int(c->in[1].dtype, c->in[1].data, 0);
    if (y.dim[s.axis] < 0 || y.dim[s.axis] > s.n)
        return syn_fail(err, SYN_INVALID, "%s: k = %" PRId64 ": must be in [0, %" PRId64 "]",
                        c->op->name, y.dim[s.axis], s.n);
    st = syn_ops_result(c, 0, &y, c->in[0].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 1, &y, SYN_I64, err) : st;
}

static syn_status top_k_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const size_t bytes = syn_dtype_bytes(c->in[0].dtype);
    struct slices s;
    int64_t *order = NULL, *work = NULL;
    syn_status st = slices_of(c, &s, err);
    if (st != SYN_OK || syn_ops_elements(&c->in[0].shape) == 0) return st;
    const int64_t k = syn_element_int(c->in[1].dtype, c->in[1].data, 0);
    char *values = c->n_out > 0 && c->out[0].shape.rank >= 0 ? c->out[0].data : NULL;
    int64_t *indices = c->n_out > 1 && c->out[1].shape.rank >= 0 ? c->out[1].data : NULL;
    struct sorter o = {
        .x = &c->in[0], .s = s, .descending = syn_attr_int(c->op, c->attr, "largest") != 0};
    order = syn_calloc((size_t)s.n, sizeof *order), work = syn_calloc((size_t)s.n, sizeof *work);
    if (!order || !work)
        st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %" PRId64 " places", c->op->name, s.n);
    for (int64_t line = 0; st == SYN_OK && line < s.outer * s.inner; line++) {
        const int64_t u = line / s.inner, v = line % s.inner;
        o.base = u * s.n * s.inner + v;
        for (int64_t i = 0; i < s.n; i++) order[i] = i;
        sort(&o, order, work, s.n);
        for (int64_t i = 0; i < k; i++) {
            const size_t to = (size_t)((u * k + i) * s.inner + v);
            if (values)
                syn_move_one(values + to * bytes,
                             (const char *)c->in[0].data +
                                 (size_t)(o.base + order[i] * s.inner) * bytes,
                             bytes);
            if (indices) indices[to] = order[i];
        }
    }
    syn_free(work);
    syn_free(order);
    return st;
}

static const struct syn_attr_spec compress_attrs[] = {
    {"axis", SYN_ATTR_INT, ABSENT, ABSENT, SYN_MAX_RANK - 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec unique_attrs[] = {
    {"axis", SYN_ATTR_INT, ABSENT, ABSENT, SYN_MAX_RANK - 1},
    {"sorted", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec top_k_attrs[] = {
    {"axis", SYN_ATTR_INT, -1, -SYN_MAX_RANK, SYN_MAX_RANK - 1},
    {"largest", SYN_ATTR_INT, 1, 0, 1},
    {"sorted", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_non_zero = {
    .name = "NonZero",
    .min_in = 1,
    .max_in = 1,
    .n_out = 1,
    .flags = SYN_OP_MAKES,
    .reference = non_zero_reference,
};
const struct syn_op syn_op_compress = {
    .name = "Compress", .min_in = 2, .max_in = 2, .n_out = 1, .flags = SYN_OP_MAKES,
    .attrs = compress_attrs, .reference = compress_reference,
};
const struct syn_op syn_op_unique = {
    .name = "Unique", .min_in = 1, .max_in = 1, .n_out = 1, .max_out = 4, .flags = SYN_OP_MAKES,
    .attrs = unique_attrs, .reference = unique_reference,
};
const struct syn_op syn_op_top_k = {
    .name = "TopK", .min_in = 2, .max_in = 2, .n_out = 2, .reads = 1 << 1,
    .attrs = top_k_attrs, .shape = top_k_shape, .reference = top_k_reference,
};
