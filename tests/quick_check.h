/* quick_check.h - a quick version of an operator against its reference, on the same operands.
 *
 * Use:     struct qc q; qc_begin(&q, SYN_OP_CONV_ND); qc_in(&q, rank, dims, constant, lo, hi); qc_attr(&q, ...);
 *          qc_check(&q, &cpu_quick_conv, tolerance, "what");  (frees all)
 * Guards:  outputs lie between words that must stay; scratch is exactly as large as asked for. */
#ifndef SYN_TEST_QUICK_CHECK_H
#define SYN_TEST_QUICK_CHECK_H

#include "kernels/backend/quick.h"
#include "kernels/base/alloc.h"
#include "kernels/graph/graph.h"
#include "tests/t.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QC_GUARD = 64 /* floats */ };

struct qc {
    struct syn_op_call c;
    struct syn_attr given[SYN_MAX_ATTRS], filled[SYN_MAX_ATTRS];
    int32_t n_given;
    uint64_t constants, seed;
    struct syn_err err;
    struct syn_pool *pool;
};

static inline float qc_random(struct qc *q, float lo, float hi)
{
    q->seed = q->seed * 6364136223846793005u + 1442695040888963407u;
    return lo + (hi - lo) * (float)(q->seed >> 40) * 0x1p-24f;
}

static inline void qc_begin(struct qc *q, syn_op_id id, uint64_t seed)
{
    memset(q, 0, sizeof *q);
    q->c.op = syn_op_get(id);
    q->c.attr = q->filled;
    q->c.opset = 17;
    q->c.n_out = q->c.op->n_out ? q->c.op->n_out : 1;
    q->seed = seed * 0x9e3779b97f4a7c15u + 12345;
    if (syn_pool_new(2, &q->pool, &q->err) != SYN_OK) abort();
}
static inline void qc_in(struct qc *q, int32_t rank, const int64_t *dim, bool constant, float lo, float hi)
{
    struct syn_tensor *t = &q->c.in[q->c.n_in];
    int64_t n = 0;
    float *x;
    t->shape = syn_shape_of(rank, dim);
    t->dtype = SYN_F32;
    if (!syn_shape_elements(&t->shape, &n)) abort();
    x = (float *)syn_alloc((size_t)(n ? n : 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = qc_random(q, lo, hi);
    t->data = x;
    if (constant) q->constants |= (uint64_t)1 << q->c.n_in;
    q->c.n_in++;
}
static inline void qc_absent(struct qc *q) { q->c.in[q->c.n_in++].shape.rank = -1; }
static inline void qc_attr(struct qc *q, struct syn_attr a) { q->given[q->n_given++] = a; }
#define QC_DIMS(...) (int32_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}

static inline void qc_outputs(struct qc *q, float **block, struct syn_tensor *out)
{
    for (int32_t o = 0; o < q->c.n_out; o++) {
        int64_t n = 0;
        block[o] = NULL;
        out[o] = q->c.out[o];
        if (q->c.out[o].shape.rank < 0) continue;
        if (!syn_shape_elements(&q->c.out[o].shape, &n)) abort();
        block[o] = (float *)t_alloc((size_t)(n + 2 * QC_GUARD) * sizeof(float));
        for (int64_t i = 0; i < n + 2 * QC_GUARD; i++) block[o][i] = -12345.5f;
        out[o].data = block[o] + QC_GUARD;
    }
}

/* Both give the same within tolerance times the largest magnitude; what lies around the output is untouched. */
static inline void qc_compare(struct qc *q, int32_t o, const float *got, const float *want, double tolerance,
                              const char *what)
{
    int64_t n = 0, bad = -1;
    double most = 0, worst = 0;
    if (!syn_shape_elements(&q->c.out[o].shape, &n)) abort();
    for (int64_t i = 0; i < n; i++)
        if (isfinite(want[QC_GUARD + i])) most = fmax(most, fabs((double)want[QC_GUARD + i]));
    for (int64_t i = 0; i < n; i++) {
        const double g = (double)got[QC_GUARD + i], w = (double)want[QC_GUARD + i], d = fabs(g - w);
        const bool same = isnan(w) ? isnan(g) : isinf(w) ? g == w : d <= tolerance * fmax(most, 1e-3);
        if (!same && bad < 0) bad = i;
        if (d > worst) worst = d;
    }
    T_CHECK(bad < 0, "%s: output %d[%lld] = %.9g, reference %.9g (worst %g of %g)", what, (int)o, (long long)bad,
            bad < 0 ? 0 : (double)got[QC_GUARD + bad], bad < 0 ? 0 : (double)want[QC_GUARD + bad], worst, most);
    for (int64_t i = 0; i < QC_GUARD; i++)
        if (got[i] != -12345.5f || got[QC_GUARD + n + i] != -12345.5f) {
            T_CHECK(false, "%s: wrote outside of output %d", what, (int)o);
            break;
        }
}

static inline void qc_check(struct qc *q, const struct syn_quick *quick, double tolerance, const char *what)
{
    float *want[SYN_MAX_OPERANDS] = {NULL}, *got[SYN_MAX_OPERANDS] = {NULL};
    syn_status st = syn_attr_fill(q->c.op, q->given, q->n_given, q->filled, &q->err);
    if (st == SYN_OK) st = q->c.op->shape(&q->c, &q->err);
    T_CHECK(st == SYN_OK, "%s: %s", what, q->err.text);
    if (st == SYN_OK) {
        void *packed = NULL, *scratch = NULL;
        size_t bytes = 0;
        qc_outputs(q, want, q->c.out);
        T_CHECK(syn_op_reference(&q->c, &q->err) == SYN_OK, "%s: %s", what, q->err.text);
        qc_outputs(q, got, q->c.out);
        T_CHECK(quick->takes(&q->c), "%s: not taken", what);
        if (quick->takes(&q->c)) {
            if (quick->pack) T_CHECK(quick->pack(&q->c, q->constants, &packed, &bytes, &q->err) == SYN_OK, "%s: %s", what, q->err.text);
            if (quick->scratch) {
                bytes = quick->scratch(&q->c, packed, 2);
                scratch = bytes ? syn_alloc(bytes) : NULL;
                if (bytes) memset(scratch, 0xff, bytes);
            }
            quick->run(&q->c, packed, scratch, q->pool);
            for (int32_t o = 0; o < q->c.n_out; o++)
                if (want[o]) qc_compare(q, o, got[o], want[o], tolerance, what);
        }
        syn_free(scratch);
        if (packed) quick->unpack ? quick->unpack(packed) : syn_free(packed);
    }
    for (int32_t i = 0; i < q->c.n_in; i++) syn_free(q->c.in[i].data);
    for (int32_t o = 0; o < q->c.n_out; o++) free(want[o]), free(got[o]);
    syn_pool_free(q->pool);
}

#endif
