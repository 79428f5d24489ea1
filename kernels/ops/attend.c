/* attend.c - ATTEND: attention as a model spells it out in products and a softmax, in one node; and
 * the row that both attentions come down to (attend.h).
 *
 * Operands: q [..., queries, size], k [..., size, keys], v [..., keys, v_size], mask? broadcast to
 *          and with the scores [..., queries, keys]; factor_q?, factor_k?, one number each.
 *          Leading dimensions broadcast as MatMul's do.
 * Attributes: q_perm, k_perm, v_perm: each operand is read as Transpose with that perm would give
 *          it (empty: as it lies); y_perm: the result is transposed so. scale = 1, the factors are
 *          multiplied into it, or divide it: bit 0 of divide for factor_q, bit 1 for factor_k.
 *          mask_mode 0: added; 1: bool, `fill` where false; 2: bool, `fill` where true. zero_nan:
 *          weights that are NaN become 0 (a row that is masked out whole, where fill is -inf).
 * Maths:   softmax(mask(scale q k)) v, sums in double.
 * Source:  what MatMul-13, Softmax-13, Where-16 and Transpose-13 do in a row.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/attend.h"
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <math.h>

enum { Q, K, V, MASK, FACTOR_Q, FACTOR_K };

/* --- a row ------------------------------------------------------------------------------------ */

struct syn_attend_at syn_attend_at(const struct syn_attend *a, int64_t batch)
{
    struct syn_attend_at at = {.valid = a->keys, .offset = a->past};
    int64_t first = 0;
    for (int32_t d = a->rank - 1; d >= 0; d--) {
        const int64_t x = batch % a->dim[d];
        batch /= a->dim[d];
        at.q += x * a->q_step[d], at.k += x * a->k_step[d], at.v += x * a->v_step[d];
        at.y += x * a->y_step[d], at.mask += x * a->mask_step[d];
        first = x;
    }
    if (a->lengths) {
        at.valid = syn_element_int(a->lengths->dtype, a->lengths->data, first);
        if (a->past == 0) at.offset = at.valid - a->queries;
    }
    return at;
}

void syn_attend_range(const struct syn_attend *a, const struct syn_attend_at *at, int64_t i,
                      int64_t *lo, int64_t *hi)
{
    const int64_t here = i + at->offset;
    *lo = 0;
    *hi = at->valid < a->keys ? at->valid : a->keys;
    if (a->mask && a->mask_keys < *hi) *hi = a->mask_keys;
    if (a->causal && here + 1 < *hi) *hi = here + 1;
    if (a->right >= 0 && here + a->right + 1 < *hi) *hi = here + a->right + 1;
    if (a->left >= 0 && here - a->left > *lo) *lo = here - a->left;
    if (*hi < *lo) *hi = *lo;
}

static double get(const struct syn_tensor *t, int64_t i)
{
    return syn_element_double(t->dtype, t->data, i);
}

static double score(const struct syn_attend *a, const struct syn_attend_data *d,
                    const struct syn_attend_at *at, int64_t i, int64_t j)
{
    const int64_t m = at->mask + i * a->mask_row + j * a->mask_col;
    double s = 0;
    for (int64_t x = 0; x < a->size; x++)
        s += get(d->q, at->q + i * a->q_row + x * a->q_col) *
             get(d->k, at->k + j * a->k_row + x * a->k_col);
    s *= a->scale;
    if (a->softcap > 0) s = a->softcap * tanh(s / a->softcap);
    if (a->mask == SYN_ATTEND_ADD) {
        const double add = get(d->mask, m);
        return a->zero_unseen && add == -INFINITY ? add : s + add;
    }
    if (a->mask && (((const uint8_t *)d->mask->data)[m] != 0) == (a->mask == SYN_ATTEND_DROP))
        return a->fill;
    return s;
}

#define CHUNK 64 /* numbers of the result at a time */

/* Scores are computed anew for each use rather than kept: no memory for a row of any length. */
void syn_attend_row(const struct syn_attend *a, const struct syn_attend_data *d,
                    const struct syn_attend_at *at, int64_t i)
{
    const int64_t y = at->y + i * a->y_row;
    double most = -INFINITY, sum = 0;
    int64_t lo, hi;
    syn_attend_range(a, at, i, &lo, &hi);
    for (int64_t j = lo; j < hi; j++) {
        const double s = score(a, d, at, i, j);
        if (isnan(s) || s > most) most = s;
        if (isnan(s)) break;
    }
    if (a->zero_unseen && most == -INFINITY) hi = lo;
    for (int64_t j = lo; j < hi; j++) sum += exp(score(a, d, at, i, j) - most);
    for (int64_t x0 = 0; x0 < a->v_size; x0 += CHUNK) {
        const int64_t n = a->v_size - x0 < CHUNK ? a->v_size - x0 : CHUNK;
        double v[CHUNK] = {0};
        for (int64_t j = lo; j < hi; j++) {
            double p = exp(score(a, d, at, i, j) - most) / sum;
            if (a->zero_nan && isnan(p)) p = 0;
            if (p == 0 && a->zero_unseen) continue; /* whatever the value holds */
            for (int64_t x = 0; x < n; x++)
                v[x] += p * get(d->v, at->v + j * a->v_row + (x0 + x) * a->v_col);
        }
        for (int64_t x = 0; x < n; x++)
            syn_element_put_double(d->y->dtype, d->y->data, y + (x0 + x) * a->y_col, v[x], true);
    }
}

/* --- the fused form --------------------------------------------------------------------------- */

struct view { /* an operand as its transpose shows it */
    int32_t rank;
    int64_t dim[SYN_MAX_RANK], stride[SYN_MAX_RANK];
};

static syn_status view_of(const struct syn_op_call *c, int32_t i, const char *name,
                          const char *attr, int32_t least, uint32_t types, struct view *v,
                          struct syn_err *err)
{
    const struct syn_shape *s = &c->in[i].shape;
    int64_t stride[SYN_MAX_RANK];
    uint32_t seen = 0;
    syn_status st = syn_ops_ranked(c, i, name, types, least, SYN_MAX_RANK, err);
    if (st == SYN_OK && attr) st = syn_ops_check_list(c, attr, s->rank, err);
    if (st != SYN_OK) return st;
    syn_ops_strides(s, stride);
    v->rank = s->rank;
    for (int32_t d = 0; d < s->rank; d++) {
        const int64_t from = attr ? syn_ops_entry(c, attr, d, d) : d;
        if (from >= s->rank || seen >> from & 1)
            return syn_fail(err, SYN_INVALID, "%s: %s: must be a permutation", c->op->name, attr);
        seen |= (uint32_t)1 << from;
        v->dim[d] = s->dim[from], v->stride[d] = stride[from];
    }
    return SYN_OK;
}

/* Dimension d from the end (0: the last), 1 beyond the first. */
static int64_t dim_of(const struct view *v, int32_t d)
{
    return d < v->rank ? v->dim[v->rank - 1 - d] : 1;
}
static int64_t step_of(const struct view *v, int32_t d)
{
    return dim_of(v, d) == 1 ? 0 : v->stride[v->rank - 1 - d];
}
static bool broadcast(int64_t *to, int64_t n)
{
    if (*to == 1) *to = n;
    return *to == n || n == 1;
}

/* The result before y_perm. */
static syn_status plan(const struct syn_op_call *c, struct syn_attend *a, struct view *y,
                       struct syn_err *err)
{
    const bool masked = syn_ops_given(c, MASK);
    const uint32_t q_type = c->n_in > 0 ? (uint32_t)1 << c->in[Q].dtype : 0;
    struct view q, k, v, m = {.rank = 0};
    syn_status st = view_of(c, Q, "q", "q_perm", 2, SYN_TYPES_FLOAT, &q, err);
    *a = (struct syn_attend){.left = -1, .right = -1};
    if (masked) a->mask = SYN_ATTEND_ADD + (int)syn_attr_int(c->op, c->attr, "mask_mode");
    if (st == SYN_OK) st = view_of(c, K, "k", "k_perm", 2, q_type, &k, err);
    if (st == SYN_OK) st = view_of(c, V, "v", "v_perm", 2, q_type, &v, err);
    if (st == SYN_OK && masked)
        st = view_of(c, MASK, "mask", NULL, 0, a->mask == SYN_ATTEND_ADD ? q_type : SYN_TYPE(BOOL),
                     &m, err);
    for (int32_t i = FACTOR_Q; st == SYN_OK && i <= FACTOR_K; i++) {
        if (!syn_ops_given(c, i)) continue;
        st = syn_ops_operand(c, i, "factor", SYN_TYPES_FLOAT, err);
        if (st == SYN_OK && syn_ops_elements(&c->in[i].shape) != 1)
            st = syn_fail(err, SYN_INVALID, "%s: a factor must be one number", c->op->name);
    }
    if (st != SYN_OK) return st;
    a->queries = dim_of(&q, 1), a->keys = dim_of(&k, 0);
    a->size = dim_of(&q, 0), a->v_size = dim_of(&v, 0);
    bool fits = dim_of(&k, 1) == a->size && broadcast(&a->queries, dim_of(&m, 1)) &&
                broadcast(&a->keys, dim_of(&m, 0)) && dim_of(&v, 1) == a->keys;
    y->rank = q.rank > k.rank ? q.rank : k.rank;
    if (v.rank > y->rank) y->rank = v.rank;
    if (m.rank > y->rank) y->rank = m.rank;
    for (int32_t d = 2; d < y->rank; d++) {
        int64_t *to = &y->dim[y->rank - 1 - d];
        *to = dim_of(&q, d);
        fits = fits && broadcast(to, dim_of(&k, d)) && broadcast(to, dim_of(&m, d)) &&
               broadcast(to, dim_of(&v, d));
    }
    if (!fits)
        return syn_fail(err, SYN_INVALID, "%s: q, k, v and mask do not fit together", c->op->name);
    y->dim[y->rank - 2] = a->queries, y->dim[y->rank - 1] = a->v_size;
    a->rank = y->rank - 2;
    for (int32_t d = 0; d < a->rank; d++) {
        const int32_t back = y->rank - 1 - d;
        a->dim[d] = y->dim[d];
        a->q_step[d] = step_of(&q, back), a->k_step[d] = step_of(&k, back);
        a->v_step[d] = step_of(&v, back), a->mask_step[d] = step_of(&m, back);
    }
    a->q_row = step_of(&q, 1), a->q_col = step_of(&q, 0);
    a->k_row = step_of(&k, 0), a->k_col = step_of(&k, 1);
    a->v_row = step_of(&v, 1), a->v_col = v.stride[v.rank - 1]; /* one column lies like many */
    a->mask_row = step_of(&m, 1), a->mask_col = step_of(&m, 0), a->mask_keys = a->keys;
    a->scale = syn_attr_float(c->op, c->attr, "scale");
    a->fill = syn_attr_float(c->op, c->attr, "fill");
    a->zero_nan = syn_attr_int(c->op, c->attr, "zero_nan");
    return SYN_OK;
}

static syn_status attend_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_attend a;
    struct view y;
    struct syn_shape out;
    uint32_t seen = 0;
    syn_status st = plan(c, &a, &y, err);
    if (st == SYN_OK) st = syn_ops_check_list(c, "y_perm", y.rank, err);
    if (st != SYN_OK) return st;
    out.rank = y.rank;
    for (int32_t d = 0; d < y.rank; d++) {
        const int64_t from = syn_ops_entry(c, "y_perm", d, d);
        if (from >= y.rank || seen >> from & 1)
            return syn_fail(err, SYN_INVALID, "%s: y_perm: must be a permutation", c->op->name);
        seen |= (uint32_t)1 << from;
        out.dim[d] = y.dim[from];
    }
    return syn_ops_result(c, 0, &out, c->in[Q].dtype, err);
}

bool syn_attend_read(const struct syn_op_call *c, struct syn_attend *a, struct syn_attend_data *d)
{
    const int64_t divide = syn_attr_int(c->op, c->attr, "divide");
    int64_t out[SYN_MAX_RANK], stride[SYN_MAX_RANK];
    struct view y;
    if (plan(c, a, &y, NULL) != SYN_OK) return false;
    syn_ops_strides(&c->out[0].shape, out);
    for (int32_t i = 0; i < y.rank; i++) stride[syn_ops_entry(c, "y_perm", i, i)] = out[i];
    for (int32_t i = 0; i < a->rank; i++) a->y_step[i] = stride[i];
    a->y_row = stride[a->rank], a->y_col = stride[a->rank + 1];
    a->batches = 1;
    for (int32_t i = 0; i < a->rank; i++) a->batches *= a->dim[i];
    for (int32_t i = FACTOR_Q; i <= FACTOR_K; i++) {
        if (!syn_ops_given(c, i)) continue;
        if (!c->in[i].data) return false;
        const double f = get(&c->in[i], 0);
        a->scale = divide >> (i - FACTOR_Q) & 1 ? a->scale / f : a->scale * f;
    }
    *d = (struct syn_attend_data){&c->in[Q], &c->in[K], &c->in[V],
                                  syn_ops_given(c, MASK) ? &c->in[MASK] : NULL, &c->out[0]};
    return true;
}

static syn_status attend_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct syn_attend a;
    struct syn_attend_data d;
    if (!syn_attend_read(c, &a, &d))
        return syn_fail(err, SYN_INVALID, "%s: operands do not fit", c->op->name);
    if (syn_ops_elements(&c->out[0].shape) == 0) return SYN_OK;
    for (int64_t b = 0; b < a.batches; b++) {
        const struct syn_attend_at at = syn_attend_at(&a, b);
        for (int64_t i = 0; i < a.queries; i++) syn_attend_row(&a, &d, &at, i);
    }
    return SYN_OK;
}

static const struct syn_attr_spec attend_attrs[] = {
    {"q_perm", SYN_ATTR_INTS, 0, 0, SYN_MAX_RANK - 1},
    {"k_perm", SYN_ATTR_INTS, 0, 0, SYN_MAX_RANK - 1},
    {"v_perm", SYN_ATTR_INTS, 0, 0, SYN_MAX_RANK - 1},
    {"y_perm", SYN_ATTR_INTS, 0, 0, SYN_MAX_RANK - 1},
    {"scale", SYN_ATTR_FLOAT, 1, -INFINITY, INFINITY},
    {"divide", SYN_ATTR_INT, 0, 0, 3},
    {"mask_mode", SYN_ATTR_INT, 0, 0, 2},
    {"fill", SYN_ATTR_FLOAT, -INFINITY, -INFINITY, INFINITY},
    {"zero_nan", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_attend = {
    .name = "Attend",
    .domain = "synthd",
    .min_in = 3,
    .max_in = 6,
    .n_out = 1,
    .attrs = attend_attrs,
    .shape = attend_shape,
    .reference = attend_reference,
};
