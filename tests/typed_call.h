/* typed_call.h - an operator of any type called by hand: operands and attributes in, results
 * compared.
 *
 * Use:     struct typed_call t; tc_begin(&t, SYN_OP_GATHER, 21, 1); tc_in(&t, SYN_F32, x,
 *          OP_DIMS(2, 3)); tc_int(&t, "axis", 1); tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 2), (const
 *          double[]){...}, 0, "gather"); tc_end(&t); tc_refuse(&t, SYN_INVALID, "indices[1] = 7")
 *          expects shape or reference to fail with these words.
 * Memory:  operands and results lie in blocks of exactly their size, so that a sanitizer sees what
 *          goes past them.
 * Layer:   tests. */
#ifndef SYN_TEST_TYPED_CALL_H
#define SYN_TEST_TYPED_CALL_H

#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/graph/graph.h"
#include "tests/op_call.h"

struct typed_call {
    struct syn_op_call c;
    struct syn_attr given[SYN_MAX_ATTRS], filled[SYN_MAX_ATTRS];
    int32_t n_given;
    struct syn_err err;
    syn_status st;
    bool done;
    void *owned[SYN_MAX_OPERANDS];
};

static inline void tc_begin(struct typed_call *t, syn_op_id id, int32_t opset, int32_t n_out)
{
    memset(t, 0, sizeof *t);
    t->c.op = syn_op_get(id);
    t->c.opset = opset;
    t->c.n_out = n_out;
    t->c.attr = t->filled;
}

static inline void tc_in(struct typed_call *t, syn_dtype type, const void *data, int32_t rank,
                         const int64_t *dim)
{
    struct syn_tensor *in = &t->c.in[t->c.n_in];
    int64_t n = 0;
    in->shape = syn_shape_of(rank, dim);
    in->dtype = type;
    if (!syn_shape_elements(&in->shape, &n)) n = 0;
    in->data = t->owned[t->c.n_in++] = t_alloc((size_t)n * syn_dtype_bytes(type));
    if (n) memcpy(in->data, data, (size_t)n * syn_dtype_bytes(type));
}
/* i64 numbers as a vector, or a scalar where n = 0. */
static inline void tc_i64(struct typed_call *t, int32_t n, const int64_t *v)
{
    tc_in(t, SYN_I64, v, n ? 1 : 0, (const int64_t[]){n});
}
static inline void tc_absent(struct typed_call *t) { t->c.in[t->c.n_in++].shape.rank = -1; }
static inline void tc_attr(struct typed_call *t, struct syn_attr a) { t->given[t->n_given++] = a; }
static inline void tc_int(struct typed_call *t, const char *name, int64_t v)
{
    tc_attr(t, syn_attr_of_int(name, v));
}
static inline void tc_float(struct typed_call *t, const char *name, double v)
{
    tc_attr(t, syn_attr_of_float(name, v));
}
static inline void tc_text(struct typed_call *t, const char *name, const char *v)
{
    tc_attr(t, syn_attr_of_text(name, v));
}

static inline syn_status tc_run(struct typed_call *t)
{
    if (t->done) return t->st;
    t->done = true;
    t->st = syn_attr_fill(t->c.op, t->given, t->n_given, t->filled, &t->err);
    if (t->st == SYN_OK && t->c.op->shape) t->st = t->c.op->shape(&t->c, &t->err);
    for (int32_t o = 0; t->st == SYN_OK && o < t->c.n_out && !(t->c.op->flags & SYN_OP_MAKES);
         o++) {
        int64_t n = 0;
        if (t->c.out[o].shape.rank < 0 || !syn_shape_elements(&t->c.out[o].shape, &n)) continue;
        t->c.out[o].data = syn_alloc((size_t)n * syn_dtype_bytes(t->c.out[o].dtype));
        if (n) memset(t->c.out[o].data, 0xa5, (size_t)n * syn_dtype_bytes(t->c.out[o].dtype));
    }
    if (t->st == SYN_OK) t->st = syn_op_reference(&t->c, &t->err);
    return t->st;
}

/* Output o: type, shape and every number, within tol * max(1, |want|); a NaN only where one is
 * wanted. */
static inline void tc_expect(struct typed_call *t, int32_t o, syn_dtype type, int32_t rank,
                             const int64_t *dim, const double *want, double tol, const char *what)
{
    const struct syn_shape shape = syn_shape_of(rank, dim);
    const struct syn_tensor *y = &t->c.out[o];
    int64_t n = 0, good = 0, first = -1;
    char a[192], b[192];
    T_CHECK(tc_run(t) == SYN_OK, "%s: %s", what, t->err.text);
    if (t->st != SYN_OK) return;
    T_CHECK(syn_shape_equal(&y->shape, &shape) && y->dtype == type, "%s: %s %s, expected %s %s",
            what, syn_dtype_word(y->dtype), syn_shape_text(&y->shape, a, sizeof a),
            syn_dtype_word(type), syn_shape_text(&shape, b, sizeof b));
    if (!syn_shape_equal(&y->shape, &shape) || y->dtype != type || !syn_shape_elements(&shape, &n))
        return;
    for (int64_t i = 0; i < n; i++) {
        const double got = syn_element_double(type, y->data, i), w = want[i];
        const bool same =
            isnan(w) ? isnan(got) : got == w || fabs(got - w) <= tol * fmax(1, fabs(w));
        if (!same && first < 0) first = i;
        good += same;
    }
    T_CHECK(good == n, "%s: %lld of %lld right, first wrong [%lld] = %.17g, expected %.17g", what,
            (long long)good, (long long)n, (long long)first,
            first < 0 ? 0 : syn_element_double(type, y->data, first), first < 0 ? 0 : want[first]);
}

static inline void tc_end(struct typed_call *t)
{
    for (int32_t i = 0; i < SYN_MAX_OPERANDS; i++) free(t->owned[i]);
    for (int32_t o = 0; o < t->c.n_out; o++) syn_free(t->c.out[o].data);
    memset(t, 0, sizeof *t);
}

static inline void tc_refuse(struct typed_call *t, syn_status want, const char *words)
{
    const syn_status st = tc_run(t);
    T_CHECK(st == want, "expected '%s', got status %s '%s'", words, syn_status_word(st),
            t->err.text);
    T_CHECK(strstr(t->err.text, words) != NULL, "expected '%s' in '%s'", words, t->err.text);
    tc_end(t);
}

#endif
