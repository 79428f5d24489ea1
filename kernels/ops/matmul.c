/* matmul.c - matrix products: MatMul, Gemm, MatMulInteger, QLinearMatMul.
 *
 * Source:  ONNX MatMul-13, Gemm-13, MatMulInteger-10, QLinearMatMul-21.
 * Operands: MatMul: a, b (rank 1 is a row or a column, taken away again; leading dimensions
 *          broadcast). Gemm: a, b [rank 2], c? broadcast to the result. MatMulInteger: a, b (8
 *          bit), a_zero_point?, b_zero_point? (one number, or one per row of a, per column of b).
 *          QLinearMatMul: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale,
 *          y_zero_point.
 * Attributes: Gemm: alpha=1, beta=1, transA=0, transB=0 (opset 6: broadcast, without meaning here).
 * Maths:   sums in double, integers in 64 bits and cut to their type (Gemm's with other alpha or
 *          beta than 1: in double). QLinear: rounded to nearest even, saturated.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <inttypes.h>
#include <math.h>

#define TYPES_BYTE (SYN_TYPE(I8) | SYN_TYPE(U8))

/* A product as batches of [m,k] times [k,n]. */
struct product {
    int64_t m, n, k;
    struct syn_shape batch;                             /* of the result */
    int64_t a_step[SYN_MAX_RANK], b_step[SYN_MAX_RANK]; /* in matrices */
};

/* Operands ia and ib; *y the result's shape. */
static syn_status plan(const struct syn_op_call *c, int32_t ia, int32_t ib, struct product *p,
                       struct syn_shape *y, struct syn_err *err)
{
    const struct syn_shape *a = &c->in[ia].shape, *b = &c->in[ib].shape;
    struct syn_shape ba = *a, bb = *b;
    char ta[192], tb[192];
    const int64_t kb = b->dim[b->rank > 1 ? b->rank - 2 : 0];
    p->k = a->dim[a->rank - 1];
    p->m = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    p->n = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    ba.rank = a->rank > 2 ? a->rank - 2 : 0, bb.rank = b->rank > 2 ? b->rank - 2 : 0;
    *y = (struct syn_shape){.rank = ba.rank > bb.rank ? ba.rank : bb.rank};
    if (p->k != kb) goto mismatch;
    for (int32_t d = 0; d < y->rank; d++) {
        const int32_t da = d - (y->rank - ba.rank), db = d - (y->rank - bb.rank);
        const int64_t va = da < 0 ? 1 : ba.dim[da], vb = db < 0 ? 1 : bb.dim[db];
        if (va != vb && va != 1 && vb != 1) goto mismatch;
        y->dim[d] = va == 1 ? vb : va;
    }
    p->batch = *y;
    syn_ops_steps(&ba, &p->batch, p->a_step);
    syn_ops_steps(&bb, &p->batch, p->b_step);
    if (y->rank + (a->rank > 1) + (b->rank > 1) > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: the result's rank is over %d", c->op->name,
                        SYN_MAX_RANK);
    if (a->rank > 1) y->dim[y->rank++] = p->m;
    if (b->rank > 1) y->dim[y->rank++] = p->n;
    return SYN_OK;
mismatch:
    return syn_fail(
        err, SYN_INVALID,
        "%s: %s and %s do not fit: the columns of a must be the rows of b, the rest broadcast",
        c->op->name, syn_shape_text(a, ta, sizeof ta), syn_shape_text(b, tb, sizeof tb));
}

static syn_status matmul_shape(struct syn_op_call *c, struct syn_err *err)
{
    const uint32_t types = SYN_TYPES_FLOAT | SYN_TYPES_SIGNED | SYN_TYPES_UNSIGNED;
    struct product p;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "a", types, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "b", types, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 1, "b", err);
    if (st == SYN_OK) st = plan(c, 0, 1, &p, &y, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, c->in[0].dtype, err) : st;
}

/* Element offsets of the matrices of batch number i. */
static void matrices(const struct product *p, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int32_t d = p->batch.rank - 1; d >= 0; d--) {
        const int64_t at = i % p->batch.dim[d];
        i /= p->batch.dim[d];
        *a += at * p->a_step[d], *b += at * p->b_step[d];
    }
    *a *= p->m * p->k, *b *= p->k * p->n;
}

static double float_dot(const struct syn_tensor *a, int64_t at_a, const struct syn_tensor *b,
                        int64_t at_b, int64_t step_b, int64_t n)
{
    double sum = 0;
    if (a->dtype == SYN_F32) {
        const float *x = (const float *)a->data + at_a, *y = (const float *)b->data + at_b;
        for (int64_t k = 0; k < n; k++) sum += (double)x[k] * (double)y[k * step_b];
        return sum;
    }
    for (int64_t k = 0; k < n; k++)
        sum += syn_element_double(a->dtype, a->data, at_a + k) *
               syn_element_double(b->dtype, b->data, at_b + k * step_b);
    return sum;
}

static syn_status matmul_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    struct product p;
    struct syn_shape shape;
    const syn_status st = plan(c, 0, 1, &p, &shape, err);
    if (st != SYN_OK || syn_ops_elements(&y->shape) == 0) return st;
    for (int64_t i = 0, n = syn_ops_elements(&p.batch), o = 0; i < n; i++) {
        int64_t at_a, at_b;
        matrices(&p, i, &at_a, &at_b);
        for (int64_t r = 0; r < p.m; r++)
            for (int64_t j = 0; j < p.n; j++, o++) {
                if (syn_dtype_kind(a->dtype) == 'F') {
                    syn_element_put_double(y->dtype, y->data, o,
                                           float_dot(a, at_a + r * p.k, b, at_b + j, p.n, p.k),
                                           true);
                } else {
                    uint64_t sum = 0;
                    for (int64_t k = 0; k < p.k; k++)
                        sum += (uint64_t)syn_element_int(a->dtype, a->data, at_a + r * p.k + k) *
                               (uint64_t)syn_element_int(b->dtype, b->data, at_b + k * p.n + j);
                    syn_element_put_int(y->dtype, y->data, o, (int64_t)sum);
                }
            }
    }
    return SYN_OK;
}

/* --- Gemm ------------------------------------------------------------------------------------ */

static syn_status gemm_shape(struct syn_op_call *c, struct syn_err *err)
{
    const uint32_t types = SYN_TYPES_FLOAT | SYN_TYPES_SIGNED | SYN_TYPES_UNSIGNED;
    const int64_t ta = syn_attr_int(c->op, c->attr, "transA"),
                  tb = syn_attr_int(c->op, c->attr, "transB");
    syn_status st = syn_ops_ranked(c, 0, "a", types, 2, 2, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "b", types, 2, 2, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 1, "b", err);
    if (st != SYN_OK) return st;
    const int64_t *a = c->in[0].shape.dim, *b = c->in[1].shape.dim,
                  dims[2] = {a[ta ? 1 : 0], b[tb ? 0 : 1]};
    const struct syn_shape y = syn_shape_of(2, dims);
    if (a[ta ? 0 : 1] != b[tb ? 1 : 0])
        return syn_fail(err, SYN_INVALID,
                        "%s: a has %" PRId64 " columns, b %" PRId64 " rows: must be equal",
                        c->op->name, a[ta ? 0 : 1], b[tb ? 1 : 0]);
    if (syn_ops_given(c, 2)) {
        const struct syn_shape *s = &c->in[2].shape;
        if ((st = syn_ops_ranked(c, 2, "c", types, 0, 2, err)) != SYN_OK) return st;
        if ((st = syn_ops_same_type(c, 0, 2, "c", err)) != SYN_OK) return st;
        for (int32_t d = 0; d < s->rank; d++)
            if (s->dim[d] != 1 && s->dim[d] != y.dim[d + 2 - s->rank])
                return syn_fail(err, SYN_INVALID,
                                "%s: c does not broadcast to [%" PRId64 ", %" PRId64 "]",
                                c->op->name, y.dim[0], y.dim[1]);
    }
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* Integers with factors of 1 (and 0 for c): exact, modulo 2^64, as the types wrap. */
static int64_t whole_gemm(const struct syn_op_call *c, bool ta, bool tb, int64_t i, int64_t j,
                          int64_t from)
{
    const struct syn_tensor *a = &c->in[0], *b = &c->in[1];
    const int64_t m = c->out[0].shape.dim[0], n = c->out[0].shape.dim[1],
                  k = a->shape.dim[ta ? 0 : 1];
    uint64_t sum = from < 0 ? 0 : (uint64_t)syn_element_int(c->in[2].dtype, c->in[2].data, from);
    for (int64_t l = 0; l < k; l++)
        sum += (uint64_t)syn_element_int(a->dtype, a->data, ta ? l * m + i : i * k + l) *
               (uint64_t)syn_element_int(b->dtype, b->data, tb ? j * k + l : l * n + j);
    return (int64_t)sum;
}

static syn_status gemm_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_tensor *a = &c->in[0], *b = &c->in[1], *y = &c->out[0];
    const bool ta = syn_attr_int(c->op, c->attr, "transA"),
               tb = syn_attr_int(c->op, c->attr, "transB");
    const double alpha = syn_attr_float(c->op, c->attr, "alpha"),
                 beta = syn_attr_float(c->op, c->attr, "beta");
    const int64_t m = y->shape.dim[0], n = y->shape.dim[1], k = a->shape.dim[ta ? 0 : 1];
    const bool added = syn_ops_given(c, 2) && beta != 0,
               exact = syn_dtype_kind(a->dtype) != 'F' && alpha == 1 && (beta == 1 || !added);
    int64_t step[SYN_MAX_RANK] = {0};
    (void)err;
    if (syn_ops_given(c, 2)) syn_ops_steps(&c->in[2].shape, &y->shape, step);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t from = added ? i * step[0] + j * step[1] : -1;
            double sum = 0;
            if (exact) {
                syn_element_put_int(y->dtype, y->data, i * n + j,
                                    whole_gemm(c, ta, tb, i, j, from));
                continue;
            }
            for (int64_t l = 0; l < k; l++)
                sum += syn_element_double(a->dtype, a->data, ta ? l * m + i : i * k + l) *
                       syn_element_double(b->dtype, b->data, tb ? j * k + l : l * n + j);
            sum *= alpha;
            if (added) sum += beta * syn_element_double(c->in[2].dtype, c->in[2].data, from);
            syn_element_put_double(y->dtype, y->data, i * n + j, sum, true);
        }
    return SYN_OK;
}

/* --- integers -------------------------------------------------------------------------------- */

/* A quantised matrix's zero point and scale: one, or one per row of a, per column of b. */
struct grid {
    int32_t zero, scale; /* operands; -1 = none */
    bool is_b;
};

static syn_status grid_shape(const struct syn_op_call *c, int32_t i, int64_t each, const char *name,
                             uint32_t types, struct syn_err *err)
{
    syn_status st;
    int64_t n;
    if (i < 0 || !syn_ops_given(c, i)) return SYN_OK;
    if ((st = syn_ops_operand(c, i, name, types, err)) != SYN_OK) return st;
    n = syn_ops_elements(&c->in[i].shape);
    if (n == 1 || n == each) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must have 1 or %" PRId64,
                    c->op->name, name, n, each);
}

static int64_t at_of(const struct syn_op_call *c, int32_t i, int64_t k)
{
    return syn_ops_elements(&c->in[i].shape) == 1 ? 0 : k;
}
static int64_t zero_at(const struct syn_op_call *c, const struct grid *g, int64_t k)
{
    if (g->zero < 0 || !syn_ops_given(c, g->zero)) return 0;
    return syn_element_int(c->in[g->zero].dtype, c->in[g->zero].data, at_of(c, g->zero, k));
}
static double scale_at(const struct syn_op_call *c, const struct grid *g, int64_t k)
{
    return syn_element_double(c->in[g->scale].dtype, c->in[g->scale].data, at_of(c, g->scale, k));
}

static syn_status integer_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct product p;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "a", TYPES_BYTE, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "b", TYPES_BYTE, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = plan(c, 0, 1, &p, &y, err);
    if (st == SYN_OK) st = grid_shape(c, 2, p.m, "a_zero_point", TYPES_BYTE, err);
    if (st == SYN_OK) st = grid_shape(c, 3, p.n, "b_zero_point", TYPES_BYTE, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, SYN_I32, err) : st;
}

static syn_status q_linear_shape(struct syn_op_call *c, struct syn_err *err)
{
    const uint32_t scales = SYN_TYPES_FLOAT,
                   bytes = TYPES_BYTE | SYN_TYPE(F8E4M3FN) | SYN_TYPE(F8E5M2);
    struct product p;
    struct syn_shape y;
    syn_status st = syn_ops_ranked(c, 0, "a", TYPES_BYTE, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 3, "b", TYPES_BYTE, 1, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = plan(c, 0, 3, &p, &y, err);
    if (st == SYN_OK) st = grid_shape(c, 1, p.m, "a_scale", scales, err);
    if (st == SYN_OK) st = grid_shape(c, 2, p.m, "a_zero_point", bytes, err);
    if (st == SYN_OK) st = grid_shape(c, 4, p.n, "b_scale", scales, err);
    if (st == SYN_OK) st = grid_shape(c, 5, p.n, "b_zero_point", bytes, err);
    if (st == SYN_OK) st = grid_shape(c, 6, p.m, "y_scale", scales, err);
    if (st == SYN_OK) st = grid_shape(c, 7, p.m, "y_zero_point", TYPES_BYTE, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, c->in[7].dtype, err) : st;
}

static syn_status whole(const struct syn_op_call *c, int32_t ia, int32_t ib, const struct grid *ga,
                        const struct grid *gb, const struct grid *gy, struct syn_err *err)
{
    const struct syn_tensor *a = &c->in[ia], *b = &c->in[ib], *y = &c->out[0];
    struct product p;
    struct syn_shape shape;
    const syn_status st = plan(c, ia, ib, &p, &shape, err);
    if (st != SYN_OK || syn_ops_elements(&y->shape) == 0) return st;
    for (int64_t i = 0, n = syn_ops_elements(&p.batch), o = 0; i < n; i++) {
        int64_t at_a, at_b;
        matrices(&p, i, &at_a, &at_b);
        for (int64_t r = 0; r < p.m; r++)
            for (int64_t j = 0; j < p.n; j++, o++) {
                const int64_t za = zero_at(c, ga, r), zb = zero_at(c, gb, j);
                int64_t sum = 0;
                for (int64_t k = 0; k < p.k; k++)
                    sum += (syn_element_int(a->dtype, a->data, at_a + r * p.k + k) - za) *
                           (syn_element_int(b->dtype, b->data, at_b + k * p.n + j) - zb);
                if (gy) {
                    const bool is_signed = y->dtype == SYN_I8;
                    const double scaled = rint((double)sum * scale_at(c, ga, r) *
                                               scale_at(c, gb, j) / scale_at(c, gy, r)) +
                                          (double)zero_at(c, gy, r),
                                 lo = is_signed ? -128 : 0, hi = is_signed ? 127 : 255;
                    sum = (int64_t)(!(scaled > lo) ? lo : scaled > hi ? hi : scaled); /* NaN: lo */
                }
                syn_element_put_int(y->dtype, y->data, o, sum);
            }
    }
    return SYN_OK;
}

static syn_status integer_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct grid a = {2, -1, false}, b = {3, -1, true};
    return whole(c, 0, 1, &a, &b, NULL, err);
}
static syn_status q_linear_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct grid a = {2, 1, false}, b = {5, 4, true}, y = {7, 6, false};
    return whole(c, 0, 3, &a, &b, &y, err);
}

static const struct syn_attr_spec gemm_attrs[] = {
    {"alpha", SYN_ATTR_FLOAT, 1, -INFINITY, INFINITY},
    {"beta", SYN_ATTR_FLOAT, 1, -INFINITY, INFINITY},
    {"transA", SYN_ATTR_INT, 0, 0, 1},
    {"transB", SYN_ATTR_INT, 0, 0, 1},
    {"broadcast", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_mat_mul = {
    .name = "MatMul",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .shape = matmul_shape,
    .reference = matmul_reference,
};
const struct syn_op syn_op_gemm = {
    .name = "Gemm",
    .min_in = 2,
    .max_in = 3,
    .n_out = 1,
    .attrs = gemm_attrs,
    .shape = gemm_shape,
    .reference = gemm_reference,
};
const struct syn_op syn_op_mat_mul_integer = {
    .name = "MatMulInteger",
    .min_in = 2,
    .max_in = 4,
    .n_out = 1,
    .shape = integer_shape,
    .reference = integer_reference,
};
const struct syn_op syn_op_q_linear_mat_mul = {
    .name = "QLinearMatMul",
    .min_in = 8,
    .max_in = 8,
    .n_out = 1,
    .shape = q_linear_shape,
    .reference = q_linear_reference,
};
