/* tf_idf.c - how often known n-grams of whole numbers occur: TF_IDF_VECTORIZER.
 *
 * Source:  ONNX TfIdfVectorizer-9, with pool_int64s (strings are not taken).
 * Operands: x i32 or i64 [c] or [n,c]; y f32 [coordinates] or [n, coordinates], coordinates = the
 *          largest of ngram_indexes + 1.
 * Attributes: ngram_counts (where in the pool the 1-grams, 2-grams... start), ngram_indexes
 *          (coordinate of each n-gram), min_gram_length, max_gram_length, max_skip_count, mode TF,
 *          IDF or TFIDF, weights (of each n-gram, in the pool's order; a coordinate of several has
 *          the first one's).
 * Maths:   an n-gram is found at x[i], x[i+d], .., x[i+(n-1)d] for each d from 1 to max_skip_count
 *          + 1; single numbers count once, whatever d. An n-gram that is in the pool twice counts
 *          for its last place. TF: counts; IDF: the weight where the count is not 0; TFIDF: count
 *          times weight. Without weights they are 1.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: a weight for each coordinate while
 *          it runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <string.h>

#define BIG 9.3e18

struct grams {
    const struct syn_attr *pool, *starts, *coordinates, *weights;
    int64_t shortest, longest, skips, size; /* size: coordinates of the output */
};

static syn_status grams_parse(const struct syn_op_call *c, struct grams *g, struct syn_err *err)
{
    int64_t n = 0;
    *g = (struct grams){.pool = syn_attr_list(c->op, c->attr, "pool_int64s"),
                        .starts = syn_attr_list(c->op, c->attr, "ngram_counts"),
                        .coordinates = syn_attr_list(c->op, c->attr, "ngram_indexes"),
                        .weights = syn_attr_list(c->op, c->attr, "weights"),
                        .shortest = syn_attr_int(c->op, c->attr, "min_gram_length"),
                        .longest = syn_attr_int(c->op, c->attr, "max_gram_length"),
                        .skips = syn_attr_int(c->op, c->attr, "max_skip_count")};
    if (syn_attr_given(c->op, c->attr, "pool_strings"))
        return syn_fail(err, SYN_UNSUPPORTED, "%s: pool_strings: only whole numbers are taken",
                        c->op->name);
    if (g->shortest > g->longest || g->coordinates->n == 0)
        return syn_fail(err, SYN_INVALID,
                        "%s: min_gram_length %" PRId64 ", max_gram_length %" PRId64
                        ", %d ngram_indexes: must be ordered, and some",
                        c->op->name, g->shortest, g->longest, (int)g->coordinates->n);
    for (int32_t i = 0; i < g->starts->n; i++) {
        const int64_t from = g->starts->v.i[i],
                      to = i + 1 < g->starts->n ? g->starts->v.i[i + 1] : g->pool->n;
        if (from > to || to > g->pool->n || (to - from) % (i + 1))
            return syn_fail(err, SYN_INVALID,
                            "%s: ngram_counts[%d] = %" PRId64 ", the next %" PRId64
                            ": must ascend within the pool's %d by whole %d-grams",
                            c->op->name, (int)i, from, to, (int)g->pool->n, (int)(i + 1));
        n += (to - from) / (i + 1);
    }
    if (n > g->coordinates->n)
        return syn_fail(err, SYN_INVALID,
                        "%s: ngram_indexes has %d entries: must have one for each of %" PRId64
                        " n-grams",
                        c->op->name, (int)g->coordinates->n, n);
    for (int32_t i = 0; i < g->coordinates->n; i++)
        if (g->coordinates->v.i[i] >= g->size) g->size = g->coordinates->v.i[i] + 1;
    if (g->weights->n && g->weights->n < g->coordinates->n)
        return syn_fail(err, SYN_INVALID, "%s: weights has %d entries: must have %d", c->op->name,
                        (int)g->weights->n, (int)g->coordinates->n);
    return SYN_OK;
}

static syn_status tf_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct grams g;
    syn_status st = syn_ops_ranked(c, 0, "X", SYN_TYPES_INDEX, 1, 2, err);
    if (st == SYN_OK) st = grams_parse(c, &g, err);
    if (st != SYN_OK) return st;
    struct syn_shape y = c->in[0].shape;
    y.dim[y.rank - 1] = g.size;
    return syn_ops_result(c, 0, &y, SYN_F32, err);
}

/* The coordinate of the n-gram at element `at` of x with distance d; -1 when the pool has no
 * such. */
static int64_t look_up(const struct syn_op_call *c, const struct grams *g, int64_t n, int64_t at,
                       int64_t d)
{
    int64_t first = 0, from = 0, to = 0;
    for (int64_t i = 0; i < n; i++) { /* `first`: n-grams before those of n */
        from = g->starts->v.i[i];
        to = i + 1 < g->starts->n ? g->starts->v.i[i + 1] : g->pool->n;
        if (i + 1 < n) first += (to - from) / (i + 1);
    }
    for (int64_t k = (to - from) / n - 1; k >= 0; k--) {
        int64_t same = 0;
        while (same < n && g->pool->v.i[from + k * n + same] ==
                               syn_element_int(c->in[0].dtype, c->in[0].data, at + same * d))
            same++;
        if (same == n) return g->coordinates->v.i[first + k];
    }
    return -1;
}

static syn_status weigh(const struct syn_op_call *c, const struct grams *g, bool idf, float *y,
                        int64_t n_y, struct syn_err *err)
{
    float *weight = syn_calloc((size_t)g->size, sizeof *weight);
    if (!weight) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int32_t i = g->coordinates->n - 1; i >= 0; i--)
        weight[g->coordinates->v.i[i]] = g->weights->n ? (float)g->weights->v.f[i] : 1;
    for (int64_t i = 0; i < n_y; i++) {
        const float w = weight[i % g->size];
        y[i] = idf ? (y[i] > 0 ? w : 0) : y[i] * w;
    }
    syn_free(weight);
    return SYN_OK;
}

static syn_status tf_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const char *mode = syn_attr_text(c->op, c->attr, "mode");
    const struct syn_shape *x = &c->in[0].shape;
    const int64_t length = x->dim[x->rank - 1], n_y = syn_ops_elements(&c->out[0].shape);
    float *y = c->out[0].data;
    struct grams g;
    const syn_status st = grams_parse(c, &g, err);
    if (st != SYN_OK) return st;
    const bool tf = mode && !strcmp(mode, "TF"), idf = mode && !strcmp(mode, "IDF");
    if (!tf && !idf && !(mode && !strcmp(mode, "TFIDF")))
        return syn_fail(err, SYN_INVALID, "%s: mode = '%.40s': must be TF, IDF or TFIDF",
                        c->op->name, mode ? mode : "");
    if (n_y == 0) return SYN_OK;
    memset(y, 0, (size_t)n_y * sizeof *y);
    for (int64_t row = 0; row < n_y / g.size; row++)
        for (int64_t d = 1; d <= g.skips + 1 && (d == 1 || d < length); d++)
            for (int64_t n = g.shortest; n <= g.longest && n <= g.starts->n; n++)
                for (int64_t i = 0; (d == 1 || n > 1) && i + (n - 1) * d < length; i++) {
                    const int64_t to = look_up(c, &g, n, row * length + i, d);
                    if (to >= 0) y[row * g.size + to] += 1;
                }
    return tf ? SYN_OK : weigh(c, &g, idf, y, n_y, err);
}

static const struct syn_attr_spec tf_attrs[] = {
    {"mode", SYN_ATTR_STRING, 0, 0, 0},
    {"ngram_counts", SYN_ATTR_INTS, 0, 0, SYN_MAX_ATTR_LIST},
    {"ngram_indexes", SYN_ATTR_INTS, 0, 0, (double)SYN_MAX_ELEMENTS - 1},
    {"pool_int64s", SYN_ATTR_INTS, 0, -BIG, BIG},
    {"pool_strings", SYN_ATTR_STRINGS, 0, 0, 0},
    {"weights", SYN_ATTR_FLOATS, 0, -3.5e38, 3.5e38},
    {"min_gram_length", SYN_ATTR_INT, 1, 1, SYN_MAX_ATTR_LIST},
    {"max_gram_length", SYN_ATTR_INT, 1, 1, SYN_MAX_ATTR_LIST},
    {"max_skip_count", SYN_ATTR_INT, 0, 0, SYN_OPS_MAX_PAD},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_tf_idf_vectorizer = {
    .name = "TfIdfVectorizer", .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = tf_attrs, .shape = tf_shape, .reference = tf_reference,
};
