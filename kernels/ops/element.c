/* element.c - see element.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/element.h"
#include <stdio.h>
#include <string.h>

const struct syn_attr_spec syn_element_old_attrs[] = {
    SYN_ELEMENT_OLD_ATTRS,
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};

/* Operand k's shape; the second one's with ones behind where an old model says at which axis it
 * begins. Applying it twice changes nothing. */
static struct syn_shape placed_shape(const struct syn_op_call *c, int32_t k)
{
    struct syn_shape s = c->in[k].shape;
    int64_t axis;
    if (k != 1 || c->opset < 1 || c->opset > 6 || !syn_attr_int(c->op, c->attr, "broadcast"))
        return s;
    axis = syn_attr_int(c->op, c->attr, "axis");
    if (axis < -SYN_MAX_RANK || s.rank < 0) return s; /* absent: it ends where the first one does */
    if (axis < 0) axis += c->in[0].shape.rank;
    while (s.rank < c->in[0].shape.rank - axis && s.rank < SYN_MAX_RANK) s.dim[s.rank++] = 1;
    return s;
}

void syn_element_walk_begin(struct syn_element_walk *w, const struct syn_op_call *c)
{
    const struct syn_shape *y = &c->out[0].shape;
    const int64_t total = syn_ops_elements(y);
    memset(w, 0, sizeof *w);
    w->c = c;
    w->n = c->n_in;
    w->outer = *y;
    w->row = y->rank > 0 ? y->dim[y->rank - 1] : 1;
    if (y->rank > 0) w->outer.rank--;
    if (total == 0) return;
    w->rows = total / w->row;
    for (int32_t k = 0; k < w->n; k++) {
        const struct syn_shape s = placed_shape(c, k);
        syn_ops_steps(&s, y, w->steps[k]);
        w->step[k] = y->rank > 0 ? w->steps[k][y->rank - 1] : 0;
    }
}

void syn_element_walk_next(struct syn_element_walk *w)
{
    syn_ops_next(&w->outer, w->at);
    for (int32_t k = 0; k < w->n; k++) {
        w->offset[k] = 0;
        for (int32_t d = 0; d < w->outer.rank; d++) w->offset[k] += w->at[d] * w->steps[k][d];
    }
}

syn_status syn_element_same(struct syn_op_call *c, uint32_t types, struct syn_err *err)
{
    const syn_dtype t = c->in[0].dtype;
    syn_status st = syn_ops_operand(c, 0, "x", types, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape,
                                         c->opset == 0 && t == SYN_F16 ? SYN_F32 : t, err)
                        : st;
}

static bool own_mix(const struct syn_op_call *c, int32_t i)
{
    const uint32_t both = SYN_TYPE(F32) | SYN_TYPE(F16);
    return c->opset == 0 && both >> c->in[0].dtype & 1 && both >> c->in[i].dtype & 1;
}

syn_status syn_element_pair(struct syn_op_call *c, uint32_t types, syn_dtype out,
                            struct syn_err *err)
{
    struct syn_shape y;
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < c->n_in; i++) {
        char word[16];
        snprintf(word, sizeof word, c->op->max_in > 2 ? "x%d" : i ? "b" : "a", (int)i);
        st = syn_ops_operand(c, i, word, types, err);
        if (st == SYN_OK && !own_mix(c, i)) st = syn_ops_same_type(c, 0, i, word, err);
    }
    if (st == SYN_OK && c->n_in == 2) c->in[1].shape = placed_shape(c, 1);
    if (st == SYN_OK) st = syn_ops_broadcast(c, 0, c->n_in, &y, err);
    if (st != SYN_OK) return st;
    if (out == SYN_DTYPE_COUNT) out = own_mix(c, 0) ? SYN_F32 : c->in[0].dtype;
    return syn_ops_result(c, 0, &y, out, err);
}

static void fold_f32_row(const struct syn_element_walk *w, float *y, double (*f)(double, double))
{
    const float *a = (const float *)w->c->in[0].data + w->offset[0],
                *b = (const float *)w->c->in[1].data + w->offset[1];
    for (int64_t i = 0; i < w->row; i++)
        y[i] = (float)f((double)a[i * w->step[0]], (double)b[i * w->step[1]]);
}

static void fold_double_row(const struct syn_element_walk *w, int64_t at,
                            double (*f)(double, double))
{
    const struct syn_op_call *c = w->c;
    for (int64_t i = 0; i < w->row; i++) {
        double v = syn_element_double(c->in[0].dtype, c->in[0].data, w->offset[0] + i * w->step[0]);
        for (int32_t k = 1; k < w->n; k++)
            v = f(v,
                  syn_element_double(c->in[k].dtype, c->in[k].data, w->offset[k] + i * w->step[k]));
        syn_element_put_double(c->out[0].dtype, c->out[0].data, at + i, v, true);
    }
}

static void fold_int_row(const struct syn_element_walk *w, int64_t at,
                         const struct syn_element_rule *rule)
{
    const struct syn_op_call *c = w->c;
    const bool wide = c->in[0].dtype == SYN_U64 && rule->u;
    for (int64_t i = 0; i < w->row; i++) {
        int64_t v = syn_element_int(c->in[0].dtype, c->in[0].data, w->offset[0] + i * w->step[0]);
        for (int32_t k = 1; k < w->n; k++) {
            const int64_t b =
                syn_element_int(c->in[k].dtype, c->in[k].data, w->offset[k] + i * w->step[k]);
            v = wide ? (int64_t)rule->u((uint64_t)v, (uint64_t)b) : rule->i(v, b);
        }
        syn_element_put_int(c->out[0].dtype, c->out[0].data, at + i, v);
    }
}

void syn_element_fold(const struct syn_op_call *c, const struct syn_element_rule *rule)
{
    struct syn_element_walk w;
    bool f32 = c->n_in == 2 && c->out[0].dtype == SYN_F32;
    syn_element_walk_begin(&w, c);
    for (int32_t k = 0; k < c->n_in; k++) f32 = f32 && c->in[k].dtype == SYN_F32;
    for (int64_t r = 0; r < w.rows; r++, syn_element_walk_next(&w)) {
        if (f32) fold_f32_row(&w, (float *)c->out[0].data + r * w.row, rule->f);
        else if (syn_dtype_kind(c->in[0].dtype) == 'F') fold_double_row(&w, r * w.row, rule->f);
        else fold_int_row(&w, r * w.row, rule);
    }
}

void syn_element_map(const struct syn_op_call *c, double (*f)(double v, const double *p),
                     int64_t (*w)(int64_t v, const double *p), const double *p)
{
    const struct syn_tensor *x = &c->in[0], *y = &c->out[0];
    const int64_t n = syn_ops_elements(&y->shape);
    if (x->dtype == SYN_F32 && y->dtype == SYN_F32) {
        const float *from = x->data;
        float *to = y->data;
        for (int64_t i = 0; i < n; i++) to[i] = (float)f((double)from[i], p);
    } else if (syn_dtype_kind(x->dtype) == 'F' || !w) {
        for (int64_t i = 0; i < n; i++)
            syn_element_put_double(y->dtype, y->data, i,
                                   f(syn_element_double(x->dtype, x->data, i), p), true);
    } else {
        for (int64_t i = 0; i < n; i++)
            syn_element_put_int(y->dtype, y->data, i, w(syn_element_int(x->dtype, x->data, i), p));
    }
}

syn_status syn_element_scalar(const struct syn_op_call *c, int32_t i, const char *word,
                              uint32_t types, struct syn_err *err)
{
    syn_status st = syn_ops_operand(c, i, word, types, err);
    if (st == SYN_OK && syn_ops_elements(&c->in[i].shape) != 1)
        return syn_fail(err, SYN_INVALID, "%s: %s must be one element", c->op->name, word);
    return st;
}
