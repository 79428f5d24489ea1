/* op_call.h - one operator called by hand: operands and attributes in, guarded output out.
 *
 * Use:     struct op_call t; op_begin(&t, SYN_OP_RELU); op_in(&t, x, OP_DIMS(1, 2, 3));
 *          op_attr(&t, syn_attr_of_int("axis", 1)); op_expect(&t, want, 6, 0, "relu"); op_end(&t);
 *          op_refuse(&t, SYN_INVALID, "w has 3") expects shape() to fail with these words.
 * Memory:  operands are copied into blocks of exactly their size, so that a sanitizer sees reads
 *          past them.
 * Layer:   tests. */
#ifndef SYN_TEST_OP_CALL_H
#define SYN_TEST_OP_CALL_H

#include "kernels/graph/op.h"
#include "kernels/ops/ops.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

enum { OP_GUARD = 64 }; /* canary floats on each side of the output */
#define OP_CANARY (-7e30f)
#define OP_DIMS(...)                                                                               \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

struct op_call {
    struct syn_op_call c;
    struct syn_attr given[SYN_MAX_ATTRS], filled[SYN_MAX_ATTRS];
    int32_t n_given;
    struct syn_err err;
    float *owned[SYN_MAX_OPERANDS]; /* copies of the operands */
    float *block;                   /* guard, output, guard */
    int64_t n;                      /* elements of the output */
    int64_t kept[SYN_MAX_ATTRS][16]; /* lists given by op_ints, which may come from a scope that ends */
};

/* Our own rows (fused and specialised pictures' forms) take f32 and nothing empty. */
static inline bool op_is_own(int id)
{
    const char *domain = syn_op_get((syn_op_id)id)->domain;
    return domain && strcmp(domain, "synthd") == 0;
}

static inline void op_begin(struct op_call *t, syn_op_id id)
{
    memset(t, 0, sizeof *t);
    t->c.op = syn_op_get(id);
    t->c.n_out = 1;
    t->c.attr = t->filled;
}

/* x may be NULL where only the shape matters. */
static inline void op_in(struct op_call *t, const float *x, int32_t rank, const int64_t *dim)
{
    struct syn_tensor *in = &t->c.in[t->c.n_in];
    int64_t n = 0;
    in->shape = syn_shape_of(rank, dim);
    in->dtype = SYN_F32;
    if (x && syn_shape_elements(&in->shape, &n)) {
        t->owned[t->c.n_in] = (float *)t_alloc((size_t)n * sizeof *x);
        memcpy(t->owned[t->c.n_in], x, (size_t)n * sizeof *x);
        in->data = t->owned[t->c.n_in];
    }
    t->c.n_in++;
}

static inline void op_absent(struct op_call *t)
{
    t->c.in[t->c.n_in++].shape.rank = -1;
}

static inline void op_attr(struct op_call *t, struct syn_attr a)
{
    if (t->n_given < SYN_MAX_ATTRS) t->given[t->n_given++] = a;
}
static inline void op_int(struct op_call *t, const char *name, int64_t v)
{
    op_attr(t, syn_attr_of_int(name, v));
}
static inline void op_float(struct op_call *t, const char *name, double v)
{
    op_attr(t, syn_attr_of_float(name, v));
}
static inline void op_ints(struct op_call *t, const char *name, int32_t n, const int64_t *v)
{
    int64_t *list = t->kept[t->n_given < SYN_MAX_ATTRS ? t->n_given : 0];
    for (int32_t i = 0; i < n && i < 16; i++) list[i] = v[i];
    op_attr(t, syn_attr_of_ints(name, n, list));
}

static inline syn_status op_shape(struct op_call *t)
{
    syn_status st = syn_attr_fill(t->c.op, t->given, t->n_given, t->filled, &t->err);
    return st == SYN_OK ? t->c.op->shape(&t->c, &t->err) : st;
}

/* Shape, then the reference into a guarded block; checks the guards. */
static inline syn_status op_run(struct op_call *t, const char *what)
{
    size_t torn = 0;
    syn_status st = op_shape(t);
    T_CHECK(st == SYN_OK, "%s: %s", what, t->err.text);
    if (st != SYN_OK || !syn_shape_elements(&t->c.out[0].shape, &t->n)) return st;
    size_t n = (size_t)t->n;
    t->block = (float *)t_alloc((n + 2 * OP_GUARD) * sizeof *t->block);
    for (size_t i = 0; i < n + 2 * OP_GUARD; i++) t->block[i] = OP_CANARY;
    t->c.out[0].data = t->block + OP_GUARD;
    st = t->c.op->reference(&t->c, &t->err);
    T_CHECK(st == SYN_OK, "%s: %s", what, t->err.text);
    for (size_t i = 0; i < OP_GUARD; i++)
        torn += (t->block[i] != OP_CANARY) + (t->block[OP_GUARD + n + i] != OP_CANARY);
    T_CHECK(torn == 0, "%s: %zu guard floats overwritten", what, torn);
    return st;
}

static inline const float *op_out(const struct op_call *t) { return t->block + OP_GUARD; }

/* Runs and compares: n numbers, each within tol * max(1, |want|). NaN passes only where NaN is
 * wanted. */
static inline void op_expect(struct op_call *t, const float *want, int64_t n, double tol,
                             const char *what)
{
    int64_t good = 0, first = -1;
    if (op_run(t, what) != SYN_OK) return;
    T_CHECK(t->n == n, "%s: %lld elements, expected %lld", what, (long long)t->n, (long long)n);
    if (t->n != n) return;
    for (int64_t i = 0; i < n; i++) {
        const double got = (double)op_out(t)[i], w = (double)want[i];
        const bool same =
            isnan(w) ? isnan(got) : got == w || fabs(got - w) <= tol * fmax(1, fabs(w));
        if (!same && first < 0) first = i;
        good += same;
    }
    T_CHECK(good == n, "%s: %lld of %lld right, first wrong [%lld] = %.9g, expected %.9g", what,
            (long long)good, (long long)n, (long long)first,
            first < 0 ? 0 : (double)op_out(t)[first], first < 0 ? 0 : (double)want[first]);
}

static inline void op_expect_shape(struct op_call *t, int32_t rank, const int64_t *dim,
                                   const char *what)
{
    const struct syn_shape want = syn_shape_of(rank, dim);
    char a[192], b[192];
    T_CHECK(syn_shape_equal(&t->c.out[0].shape, &want) && t->c.out[0].dtype == SYN_F32,
            "%s: shape %s, expected %s", what, syn_shape_text(&t->c.out[0].shape, a, sizeof a),
            syn_shape_text(&want, b, sizeof b));
}

/* Expects a refusal whose text has `words`; ends the call. */
static inline void op_end(struct op_call *t)
{
    for (int32_t i = 0; i < SYN_MAX_OPERANDS; i++) free(t->owned[i]);
    free(t->block);
    memset(t, 0, sizeof *t);
}
static inline void op_refuse(struct op_call *t, syn_status want, const char *words)
{
    syn_status st = op_shape(t);
    T_CHECK(st == want, "expected '%s', got status %s '%s'", words, syn_status_word(st),
            t->err.text);
    T_CHECK(strstr(t->err.text, words) != NULL, "expected '%s' in '%s'", words, t->err.text);
    op_end(t);
}

#endif
