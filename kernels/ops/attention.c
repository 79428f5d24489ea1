/* attention.c - Attention, and what stands beside it in transformers: RotaryEmbedding, SwiGLU.
 *
 * Source:  ONNX Attention-23, 24, 25; RotaryEmbedding-23; SwiGLU-28.
 * Operands: Attention: q, k, v, each [b,heads,s,size] or [b,s,heads*size]; mask? (bool: true =
 *          look; or added), broadcast to [b,heads,sq,sk], its last dimension may be shorter (the
 *          rest is not looked at); past_key?, past_value? [b,heads, sp,size]; nonpad_kv_seqlen?
 *          [b]. Outputs: y like q with v's size; present_key?, present_value?; scores?
 *          [b,heads,sq,sk].
 *          Rotary: x [b,heads,s,size] or [b,s,heads*size], cos, sin [positions,r/2] with
 *          position_ids? [b,s], or [b,s,r/2].
 * Attributes: is_causal, q_num_heads, kv_num_heads (for rank 3), scale = 1/sqrt(size), softcap,
 *          qk_matmul_output_mode, left_ and right_window_size = -1, softmax_precision (sums are
 *          in double anyway); interleaved, num_heads, rotary_embedding_dim; alpha.
 * Maths:   scores = scale q.k; softcap * tanh(scores / softcap); + mask; softmax; times v. A mask
 *          of minus infinity makes the score that, also of a NaN: what is not looked at counts for
 *          nothing, whatever it holds. Query i sees key j where j <= i + offset (causal) and i +
 *          offset - left <= j <= i + offset + right, offset = past length, or nonpad - sq. A row
 *          that sees nothing is zero. More query than key heads: each key head serves a run of
 *          them.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/ops/attend.h"
#include "kernels/ops/check.h"
#include <inttypes.h>
#include <math.h>

enum { Q, K, V, MASK, PAST_K, PAST_V, LENGTHS };

static double get(const struct syn_tensor *t, int64_t i)
{
    return syn_element_double(t->dtype, t->data, i);
}
static void put(const struct syn_tensor *t, int64_t i, double v)
{
    syn_element_put_double(t->dtype, t->data, i, v, true);
}

struct heads {
    int64_t batch, heads, seq, size;
    bool flat; /* [b,s,heads*size] */
};
static int64_t element(const struct heads *h, int64_t b, int64_t head, int64_t s, int64_t i)
{
    return h->flat ? ((b * h->seq + s) * h->heads + head) * h->size + i
                   : ((b * h->heads + head) * h->seq + s) * h->size + i;
}

static syn_status read_heads(const struct syn_op_call *c, int32_t i, const char *name,
                             int64_t n_heads, struct heads *h, struct syn_err *err)
{
    const struct syn_shape *s = &c->in[i].shape;
    const syn_status st = syn_ops_ranked(c, i, name, SYN_TYPES_FLOAT, 3, 4, err);
    if (st != SYN_OK) return st;
    *h =
        (struct heads){s->dim[0], s->dim[1], s->dim[2], s->rank == 4 ? s->dim[3] : 0, s->rank == 3};
    if (!h->flat) return SYN_OK;
    if (n_heads < 1 || s->dim[2] % n_heads)
        return syn_fail(err, SYN_INVALID,
                        "%s: %s has %" PRId64 " numbers a step: must be a multiple of %" PRId64
                        " heads",
                        c->op->name, name, s->dim[2], n_heads);
    *h = (struct heads){s->dim[0], n_heads, s->dim[1], s->dim[2] / n_heads, true};
    return SYN_OK;
}

struct attention {
    struct heads q, k, v, past;
    int64_t keys; /* past and new */
    double scale, softcap;
    int64_t left, right, mask_step[SYN_MAX_RANK], mask_keys;
    bool causal;
};

static syn_status parse(const struct syn_op_call *c, struct attention *a, struct syn_err *err)
{
    const int64_t qh = syn_attr_int(c->op, c->attr, "q_num_heads"),
                  kh = syn_attr_int(c->op, c->attr, "kv_num_heads");
    syn_status st = read_heads(c, Q, "q", qh, &a->q, err);
    if (st == SYN_OK) st = read_heads(c, K, "k", kh, &a->k, err);
    if (st == SYN_OK) st = read_heads(c, V, "v", kh, &a->v, err);
    if (st != SYN_OK) return st;
    if (a->q.batch != a->k.batch || a->k.batch != a->v.batch || a->k.heads != a->v.heads ||
        a->k.seq != a->v.seq || a->q.size != a->k.size || a->k.heads == 0 ||
        a->q.heads % a->k.heads)
        return syn_fail(err, SYN_INVALID,
                        "%s: q, k and v do not fit together (batch, heads, length or size)",
                        c->op->name);
    a->past = (struct heads){a->k.batch, a->k.heads, 0, 0, false};
    if (syn_ops_given(c, PAST_K) != syn_ops_given(c, PAST_V))
        return syn_fail(err, SYN_INVALID, "%s: past_key and past_value go together", c->op->name);
    for (int32_t i = PAST_K; syn_ops_given(c, PAST_K) && i <= PAST_V; i++) {
        const struct syn_shape *s = &c->in[i].shape;
        const int64_t size = i == PAST_K ? a->k.size : a->v.size;
        if ((st = syn_ops_ranked(c, i, i == PAST_K ? "past_key" : "past_value", SYN_TYPES_FLOAT, 4,
                                 4, err)) != SYN_OK)
            return st;
        if (s->dim[0] != a->k.batch || s->dim[1] != a->k.heads || s->dim[3] != size ||
            (i == PAST_V && s->dim[2] != a->past.seq))
            return syn_fail(err, SYN_INVALID, "%s: past_key or past_value does not fit k and v",
                            c->op->name);
        a->past.seq = s->dim[2];
    }
    a->keys = a->past.seq + a->k.seq;
    a->scale = syn_attr_float(c->op, c->attr, "scale");
    if (isnan(a->scale) || a->scale == -INFINITY) a->scale = 1 / sqrt((double)a->q.size);
    a->softcap = syn_attr_float(c->op, c->attr, "softcap");
    a->causal = syn_attr_int(c->op, c->attr, "is_causal");
    a->left = syn_attr_int(c->op, c->attr, "left_window_size"),
    a->right = syn_attr_int(c->op, c->attr, "right_window_size");
    if (syn_ops_given(c, MASK)) {
        const struct syn_shape *m = &c->in[MASK].shape;
        const int64_t dims[4] = {a->q.batch, a->q.heads, a->q.seq,
                                 m->rank ? m->dim[m->rank - 1] : 1};
        const struct syn_shape whole = syn_shape_of(4, dims);
        if ((st = syn_ops_ranked(c, MASK, "attn_mask", SYN_TYPES_FLOAT | SYN_TYPE(BOOL), 1, 4,
                                 err)) != SYN_OK)
            return st;
        a->mask_keys = dims[3];
        bool fits = a->mask_keys <= a->keys;
        for (int32_t d = 0; fits && d < m->rank - 1; d++)
            fits = m->dim[d] == 1 || m->dim[d] == dims[d + 4 - m->rank];
        if (!fits)
            return syn_fail(err, SYN_INVALID,
                            "%s: attn_mask does not broadcast to [batch, heads, queries, keys]",
                            c->op->name);
        syn_ops_steps(m, &whole, a->mask_step);
        if (dims[3] == 1) a->mask_step[3] = 0;
        if (dims[3] == 1 && c->opset < 24)
            a->mask_keys = a->keys; /* repeated; from 24 on short ones are padded */
    }
    if (syn_ops_given(c, LENGTHS)) {
        if ((st = syn_ops_ranked(c, LENGTHS, "nonpad_kv_seqlen", SYN_TYPES_INDEX, 1, 1, err)) !=
            SYN_OK)
            return st;
        if (c->in[LENGTHS].shape.dim[0] != a->q.batch)
            return syn_fail(err, SYN_INVALID, "%s: nonpad_kv_seqlen must have one number per batch",
                            c->op->name);
    }
    return SYN_OK;
}

static syn_status attention_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct attention a;
    syn_status st = parse(c, &a, err);
    if (st != SYN_OK) return st;
    const int64_t flat[3] = {a.q.batch, a.q.seq, a.q.flat ? a.q.heads * a.v.size : 0};
    const struct syn_shape y = a.q.flat ? syn_shape_of(3, flat)
                                        : syn_shape4(a.q.batch, a.q.heads, a.q.seq, a.v.size),
                           key = syn_shape4(a.k.batch, a.k.heads, a.keys, a.k.size),
                           value = syn_shape4(a.v.batch, a.v.heads, a.keys, a.v.size),
                           scores = syn_shape4(a.q.batch, a.q.heads, a.q.seq, a.keys);
    st = syn_ops_result(c, 0, &y, c->in[Q].dtype, err);
    if (st == SYN_OK) st = syn_ops_result(c, 1, &key, c->in[K].dtype, err);
    if (st == SYN_OK) st = syn_ops_result(c, 2, &value, c->in[V].dtype, err);
    return st == SYN_OK ? syn_ops_result(c, 3, &scores, c->in[Q].dtype, err) : st;
}

/* Key or value j of a head: from the past, or new. */
static double cached(const struct syn_op_call *c, const struct attention *a, bool value, int64_t b,
                     int64_t head, int64_t j, int64_t i)
{
    const struct heads *h = value ? &a->v : &a->k;
    struct heads past = a->past;
    past.size = h->size;
    if (j < a->past.seq) return get(&c->in[value ? PAST_V : PAST_K], element(&past, b, head, j, i));
    return get(&c->in[value ? V : K], element(h, b, head, j - a->past.seq, i));
}

/* What is added to the score of query i and key j: the mask's number, or minus infinity. */
static double bias_of(const struct syn_op_call *c, const struct attention *a, int64_t b,
                      int64_t head, int64_t i, int64_t j)
{
    const bool lengths = syn_ops_given(c, LENGTHS);
    const int64_t valid = lengths ? syn_element_int(c->in[LENGTHS].dtype, c->in[LENGTHS].data, b)
                                  : a->keys,
                  offset = lengths && a->past.seq == 0 ? valid - a->q.seq : a->past.seq,
                  at = i + offset;
    double v = 0;
    if (syn_ops_given(c, MASK)) {
        const int64_t from = b * a->mask_step[0] + head * a->mask_step[1] + i * a->mask_step[2] +
                             j * a->mask_step[3];
        if (j >= a->mask_keys) return -INFINITY;
        if (c->in[MASK].dtype == SYN_BOOL)
            v = ((const uint8_t *)c->in[MASK].data)[from] ? 0 : -INFINITY;
        else v = get(&c->in[MASK], from);
    }
    if ((a->causal && j > at) || (a->left >= 0 && at - j > a->left) ||
        (a->right >= 0 && j - at > a->right))
        return -INFINITY;
    return j >= valid ? -INFINITY : v;
}

static double cap(const struct attention *a, double v)
{
    return a->softcap > 0 ? a->softcap * tanh(v / a->softcap) : v;
}

/* One query: scores to s[keys], then its weighted values. */
static void one_query(const struct syn_op_call *c, const struct attention *a, int64_t b,
                      int64_t head, int64_t i, double *s, double *bias)
{
    const int64_t kv = head / (a->q.heads / a->k.heads),
                  mode = syn_attr_int(c->op, c->attr, "qk_matmul_output_mode"),
                  row = ((b * a->q.heads + head) * a->q.seq + i) * a->keys;
    const struct syn_tensor *out = c->n_out > 3 && c->out[3].shape.rank >= 0 ? &c->out[3] : NULL;
    struct heads y = a->q;
    double most = -INFINITY, sum = 0, seen = -INFINITY;
    y.size = a->v.size;
    for (int64_t j = 0; j < a->keys; j++) {
        double dot = 0;
        for (int64_t k = 0; k < a->q.size; k++)
            dot += get(&c->in[Q], element(&a->q, b, head, i, k)) * cached(c, a, false, b, kv, j, k);
        bias[j] = bias_of(c, a, b, head, i, j);
        s[j] = dot * a->scale;
        if (out && mode == 0) put(out, row + j, cap(a, s[j]));
        s[j] = cap(a, s[j]);
        if (out && mode == 1) put(out, row + j, s[j]);
        s[j] = bias[j] == -INFINITY ? bias[j] : s[j] + bias[j];
        if (out && mode == 2) put(out, row + j, s[j]);
        seen = fmax(seen, bias[j]);
        most = isnan(s[j]) ? s[j] : s[j] > most ? s[j] : most;
    }
    for (int64_t j = 0; j < a->keys; j++) {
        s[j] = most == -INFINITY ? 0 : exp(s[j] - most);
        sum += s[j];
    }
    for (int64_t j = 0; j < a->keys; j++) {
        s[j] = seen == -INFINITY ? 0 : sum == 0 ? 0 : s[j] / sum;
        if (out && mode == 3) put(out, row + j, s[j]);
    }
    for (int64_t k = 0; k < a->v.size; k++) {
        double v = 0;
        for (int64_t j = 0; j < a->keys; j++)
            if (s[j] != 0) v += s[j] * cached(c, a, true, b, kv, j, k);
        put(&c->out[0], element(&y, b, head, i, k), v);
    }
}

/* The numbers of nonpad_kv_seqlen, which the model computes, lie in [0, keys]. */
static syn_status check_lengths(const struct syn_op_call *c, const struct attention *a,
                                struct syn_err *err)
{
    for (int64_t b = 0; syn_ops_given(c, LENGTHS) && b < a->q.batch; b++) {
        const int64_t n = syn_element_int(c->in[LENGTHS].dtype, c->in[LENGTHS].data, b);
        if (n < 0 || n > a->keys)
            return syn_fail(err, SYN_INVALID,
                            "%s: nonpad_kv_seqlen[%" PRId64 "] = %" PRId64
                            ": must be in [0, %" PRId64 "]",
                            c->op->name, b, n, a->keys);
    }
    return SYN_OK;
}

static syn_status attention_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct attention a;
    double *s;
    size_t bytes;
    syn_status st = parse(c, &a, err);
    if (st == SYN_OK) st = check_lengths(c, &a, err);
    if (st != SYN_OK) return st;
    if (syn_ops_elements(&c->out[0].shape) == 0 && a.keys == 0) a.q.batch = 0; /* nothing to walk */
    if (a.q.seq == 0) a.q.batch = 0;
    if (!syn_mul((size_t)(a.keys ? a.keys : 1), 2 * sizeof *s, &bytes) || !(s = syn_alloc(bytes)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t b = 0; b < a.q.batch; b++)
        for (int64_t head = 0; head < a.q.heads; head++)
            for (int64_t i = 0; i < a.q.seq; i++) one_query(c, &a, b, head, i, s, s + a.keys);
    syn_free(s);
    for (int32_t o = 1; o < 3 && o < c->n_out; o++) {
        const int64_t size = o == 1 ? a.k.size : a.v.size;
        int64_t at = 0;
        if (c->out[o].shape.rank < 0 || syn_ops_elements(&c->out[o].shape) == 0) continue;
        for (int64_t b = 0; b < a.k.batch; b++)
            for (int64_t head = 0; head < a.k.heads; head++)
                for (int64_t j = 0; j < a.keys; j++)
                    for (int64_t i = 0; i < size; i++)
                        put(&c->out[o], at++, cached(c, &a, o == 2, b, head, j, i));
    }
    return SYN_OK;
}

/* --- in strides, for quick versions ----------------------------------------------------------- */

static void matrix_steps(const struct heads *h, int64_t *batch, int64_t *head, int64_t *row)
{
    *row = h->flat ? h->heads * h->size : h->size;
    *head = h->flat ? h->size : h->seq * h->size;
    *batch = h->heads * h->seq * h->size;
}

bool syn_attention_read(const struct syn_op_call *c, struct syn_attend *to,
                        struct syn_attend_data *d)
{
    const bool past = syn_ops_given(c, PAST_K), masked = syn_ops_given(c, MASK);
    struct attention a;
    struct heads y;
    if (parse(c, &a, NULL) != SYN_OK) return false;
    if (past) { /* dense, as present_key and present_value are */
        a.k.seq = a.v.seq = a.keys;
        a.k.flat = a.v.flat = false;
    }
    const int64_t group = a.q.heads / a.k.heads;
    y = a.q, y.size = a.v.size;
    *to = (struct syn_attend){.rank = 3, .dim = {a.q.batch, a.k.heads, group},
                              .batches = a.q.batch * a.q.heads, .queries = a.q.seq, .keys = a.keys,
                              .size = a.q.size, .v_size = a.v.size, .q_col = 1, .k_col = 1,
                              .v_col = 1, .y_col = 1, .scale = a.scale, .softcap = a.softcap,
                              .fill = -INFINITY, .mask_keys = a.keys, .causal = a.causal,
                              .left = a.left, .right = a.right, .past = a.past.seq,
                              .zero_unseen = true};
    matrix_steps(&a.q, &to->q_step[0], &to->q_step[2], &to->q_row);
    matrix_steps(&y, &to->y_step[0], &to->y_step[2], &to->y_row);
    matrix_steps(&a.k, &to->k_step[0], &to->k_step[1], &to->k_row);
    matrix_steps(&a.v, &to->v_step[0], &to->v_step[1], &to->v_row);
    to->q_step[1] = group * to->q_step[2], to->y_step[1] = group * to->y_step[2];
    if (masked) {
        to->mask = c->in[MASK].dtype == SYN_BOOL ? SYN_ATTEND_KEEP : SYN_ATTEND_ADD;
        to->mask_step[0] = a.mask_step[0];
        to->mask_step[1] = group * a.mask_step[1], to->mask_step[2] = a.mask_step[1];
        to->mask_row = a.mask_step[2], to->mask_col = a.mask_step[3];
        to->mask_keys = a.mask_keys;
    }
    if (syn_ops_given(c, LENGTHS)) to->lengths = &c->in[LENGTHS];
    *d = (struct syn_attend_data){&c->in[Q], past ? &c->out[1] : &c->in[K],
                                  past ? &c->out[2] : &c->in[V], masked ? &c->in[MASK] : NULL,
                                  &c->out[0]};
    return true;
}

/* --- rotary ---------------------------------------------------------------------------------- */

static syn_status rotary_read(const struct syn_op_call *c, struct heads *h, int64_t *half,
                              struct syn_err *err)
{
    const int64_t dim = syn_attr_int(c->op, c->attr, "rotary_embedding_dim");
    const bool ids = syn_ops_given(c, 3);
    syn_status st = read_heads(c, 0, "x", syn_attr_int(c->op, c->attr, "num_heads"), h, err);
    if (st != SYN_OK) return st;
    *half = (dim ? dim : h->size) / 2;
    if (*half < 1 || 2 * *half > h->size || (dim ? dim : h->size) % 2)
        return syn_fail(err, SYN_INVALID,
                        "%s: rotary_embedding_dim = %" PRId64
                        ": must be even, at most the head's %" PRId64,
                        c->op->name, dim, h->size);
    for (int32_t i = 1; i < 3; i++) {
        const struct syn_shape *s = &c->in[i].shape;
        if ((st = syn_ops_ranked(c, i, i == 1 ? "cos_cache" : "sin_cache", SYN_TYPES_FLOAT,
                                 ids ? 2 : 3, ids ? 2 : 3, err)) != SYN_OK)
            return st;
        if (s->dim[s->rank - 1] != *half ||
            (!ids && (s->dim[0] != h->batch || s->dim[1] != h->seq)) ||
            (i == 2 && s->dim[0] != c->in[1].shape.dim[0]))
            return syn_fail(err, SYN_INVALID, "%s: cos_cache or sin_cache does not fit x",
                            c->op->name);
    }
    if (!ids) return SYN_OK;
    if ((st = syn_ops_ranked(c, 3, "position_ids", SYN_TYPES_INDEX, 2, 2, err)) != SYN_OK)
        return st;
    if (c->in[3].shape.dim[0] != h->batch || c->in[3].shape.dim[1] != h->seq)
        return syn_fail(err, SYN_INVALID, "%s: position_ids must be [batch, length]", c->op->name);
    return SYN_OK;
}
static syn_status rotary_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct heads h;
    int64_t half;
    const syn_status st = rotary_read(c, &h, &half, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[0].dtype, err) : st;
}
static syn_status rotary_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const bool ids = syn_ops_given(c, 3), interleaved = syn_attr_int(c->op, c->attr, "interleaved");
    struct heads h;
    int64_t half;
    const syn_status st = rotary_read(c, &h, &half, err);
    if (st != SYN_OK || syn_ops_elements(&c->out[0].shape) == 0) return st;
    for (int64_t b = 0; b < h.batch; b++)
        for (int64_t s = 0; s < h.seq; s++) {
            const int64_t id =
                ids ? syn_element_int(c->in[3].dtype, c->in[3].data, b * h.seq + s) : b * h.seq + s;
            if (ids && (id < 0 || id >= c->in[1].shape.dim[0]))
                return syn_fail(err, SYN_INVALID,
                                "%s: position_ids holds %" PRId64 ": must be in [0, %" PRId64 ")",
                                c->op->name, id, c->in[1].shape.dim[0]);
            for (int64_t head = 0; head < h.heads; head++)
                for (int64_t i = 0; i < h.size; i++) {
                    const int64_t pair = interleaved ? i / 2 : i % half,
                                  at = element(&h, b, head, s, i);
                    const bool second = interleaved ? i % 2 : i >= half;
                    if (i >= 2 * half) {
                        put(&c->out[0], at, get(&c->in[0], at));
                        continue;
                    }
                    const double x1 = get(&c->in[0],
                                          element(&h, b, head, s, interleaved ? 2 * pair : pair)),
                                 x2 = get(&c->in[0],
                                          element(&h, b, head, s,
                                                  interleaved ? 2 * pair + 1 : pair + half)),
                                 cos_ = get(&c->in[1], id * half + pair),
                                 sin_ = get(&c->in[2], id * half + pair);
                    put(&c->out[0], at, second ? sin_ * x1 + cos_ * x2 : cos_ * x1 - sin_ * x2);
                }
        }
    return SYN_OK;
}

/* --- SwiGLU ---------------------------------------------------------------------------------- */

static syn_status swiglu_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_status st = syn_ops_operand(c, 0, "a", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK) st = syn_ops_operand(c, 1, "b", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK) st = syn_ops_same_type(c, 0, 1, "b", err);
    if (st == SYN_OK && !syn_shape_equal(&c->in[0].shape, &c->in[1].shape))
        st = syn_fail(err, SYN_INVALID, "%s: a and b must have one shape", c->op->name);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, c->in[0].dtype, err) : st;
}
static syn_status swiglu_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const double alpha = syn_attr_float(c->op, c->attr, "alpha");
    (void)err;
    for (int64_t i = 0, n = syn_ops_elements(&c->out[0].shape); i < n; i++) {
        const double a = get(&c->in[0], i);
        put(&c->out[0], i, a / (1 + exp(-alpha * a)) * get(&c->in[1], i));
    }
    return SYN_OK;
}

static const struct syn_attr_spec attention_attrs[] = {
    {"is_causal", SYN_ATTR_INT, 0, 0, 1},
    {"q_num_heads", SYN_ATTR_INT, 0, 0, 1 << 20},
    {"kv_num_heads", SYN_ATTR_INT, 0, 0, 1 << 20},
    {"scale", SYN_ATTR_FLOAT, -INFINITY, -INFINITY, INFINITY}, /* the default depends on q */
    {"softcap", SYN_ATTR_FLOAT, 0, 0, INFINITY},
    {"qk_matmul_output_mode", SYN_ATTR_INT, 0, 0, 3},
    {"softmax_precision", SYN_ATTR_INT, 0, 0, 100},
    {"left_window_size", SYN_ATTR_INT, -1, -1, 1LL << 40},
    {"right_window_size", SYN_ATTR_INT, -1, -1, 1LL << 40},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec rotary_attrs[] = {
    {"interleaved", SYN_ATTR_INT, 0, 0, 1},
    {"num_heads", SYN_ATTR_INT, 0, 0, 1 << 20},
    {"rotary_embedding_dim", SYN_ATTR_INT, 0, 0, 1 << 20},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec swiglu_attrs[] = {
    {"alpha", SYN_ATTR_FLOAT, 1, -INFINITY, INFINITY},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_attention = {
    .name = "Attention",
    .min_in = 3,
    .max_in = 7,
    .n_out = 1,
    .max_out = 4,
    .attrs = attention_attrs,
    .shape = attention_shape,
    .reference = attention_reference,
};
const struct syn_op syn_op_rotary_embedding = {
    .name = "RotaryEmbedding",
    .min_in = 3,
    .max_in = 4,
    .n_out = 1,
    .attrs = rotary_attrs,
    .shape = rotary_shape,
    .reference = rotary_reference,
};
const struct syn_op syn_op_swiglu = {
    .name = "SwiGLU",
    .min_in = 2,
    .max_in = 2,
    .n_out = 1,
    .attrs = swiglu_attrs,
    .shape = swiglu_shape,
    .reference = swiglu_reference,
};
