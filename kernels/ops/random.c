/* random.c - random tensors: RANDOM_NORMAL, RANDOM_UNIFORM, their *_LIKE, BERNOULLI, MULTINOMIAL.
 *
 * Source:  ONNX RandomNormal-1, 22 and its kin, Bernoulli-15, 22, Multinomial-7, 22.
 * Operands: *Like: x (its shape, and its type where dtype is not given). Bernoulli: probabilities.
 *          Multinomial: unnormalised log probabilities [batch, classes].
 * Numbers: element i of the output is number i of the node's stream (kernels/base/rng.h), computed
 *          in double and rounded once. With the attribute seed (its bits as a float) the stream is
 *          0 and every run gives the same; else the run's seed is mixed with how many random nodes
 *          ran before.
 * Maths:   normal mean + scale*z; uniform low + (high - low)*u, held below high in the output's
 *          type where that is possible; Bernoulli 1 where u < p; Multinomial: the first class at
 *          which the sum of exp(x - max) reaches u times the whole.
 * Layer:   kernels/ops.   Threads: pure but for the host's count.   Ownership: allocates
 * nothing. */
#include "kernels/base/rng.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NO_SEED (-3.5e38) /* no float, hence no model's */

/* The type of output 0: attribute dtype, or where it is 0 (not given) `fallback`. */
static syn_status output_type(const struct syn_op_call *c, syn_dtype fallback, uint32_t types,
                              syn_dtype *out, struct syn_err *err)
{
    const int64_t dtype = syn_attr_int(c->op, c->attr, "dtype");
    *out = dtype ? syn_dtype_of_onnx(dtype) : fallback;
    if (*out < SYN_DTYPE_COUNT && (types >> *out & 1)) return SYN_OK;
    return syn_fail(err, SYN_UNSUPPORTED, "%s: dtype = %" PRId64 " (%s): not a type that it gives",
                    c->op->name, dtype, *out < SYN_DTYPE_COUNT ? syn_dtype_word(*out) : "unknown");
}

/* A node's numbers. */
struct stream {
    uint64_t seed, stream;
};

static struct stream stream_of(const struct syn_op_call *c)
{
    const double given = syn_attr_float(c->op, c->attr, "seed");
    if (given != NO_SEED) {
        const float f = (float)given;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        return (struct stream){bits, 0};
    }
    if (!c->host) return (struct stream){0, 0};
    return (struct stream){c->host->seed, syn_random_mix(c->host->seed, ++c->host->draws)};
}

/* --- normal and uniform --------------------------------------------------------------------- */

static syn_status like_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_dtype t;
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_ALL, err);
    if (st == SYN_OK) st = output_type(c, c->in[0].dtype, SYN_TYPES_FLOAT, &t, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, t, err) : st;
}

static syn_status fixed_shape(struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_attr *dims = syn_attr_list(c->op, c->attr, "shape");
    syn_dtype t;
    syn_status st = output_type(c, SYN_F32, SYN_TYPES_FLOAT, &t, err);
    if (st != SYN_OK) return st;
    if (dims->n > SYN_MAX_RANK)
        return syn_fail(err, SYN_UNSUPPORTED, "%s: shape has %d entries: at most %d", c->op->name,
                        (int)dims->n, SYN_MAX_RANK);
    const struct syn_shape y = syn_shape_of(dims->n, dims->v.i);
    return syn_ops_result(c, 0, &y, t, err);
}

static syn_status normal_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const double mean = syn_attr_float(c->op, c->attr, "mean"),
                 scale = syn_attr_float(c->op, c->attr, "scale");
    const int64_t n = syn_ops_elements(&c->out[0].shape);
    const struct stream s = stream_of(c);
    (void)err;
    for (int64_t i = 0; i < n; i++)
        syn_put(&c->out[0], i, mean + scale * syn_random_normal(s.seed, s.stream, (uint64_t)i));
    return SYN_OK;
}

/* Bits of precision of a float type. */
static int precision(syn_dtype t)
{
    return t == SYN_F64 ? 53 : t == SYN_F32 ? 24 : t == SYN_F16 ? 11 : 8;
}

static syn_status uniform_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const double low = syn_attr_float(c->op, c->attr, "low"),
                 high = syn_attr_float(c->op, c->attr, "high");
    const int64_t n = syn_ops_elements(&c->out[0].shape);
    const double unit = ldexp(1, precision(c->out[0].dtype));
    const struct stream s = stream_of(c);
    (void)err;
    for (int64_t i = 0; i < n;
         i++) { /* u as coarse as the type, so that rounding does not make it 1 */
        const double u = floor(syn_random_uniform(s.seed, s.stream, (uint64_t)i) * unit) / unit;
        syn_put(&c->out[0], i, low + (high - low) * u);
    }
    return SYN_OK;
}

/* --- Bernoulli and Multinomial -------------------------------------------------------------- */

static syn_status bernoulli_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_dtype t;
    syn_status st = syn_ops_operand(c, 0, "input", SYN_TYPES_FLOAT, err);
    if (st == SYN_OK)
        st = output_type(c, c->in[0].dtype, SYN_TYPES_NUMBER | SYN_TYPE(BOOL), &t, err);
    return st == SYN_OK ? syn_ops_result(c, 0, &c->in[0].shape, t, err) : st;
}

static syn_status bernoulli_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t n = syn_ops_elements(&c->out[0].shape);
    const struct stream s = stream_of(c);
    for (int64_t i = 0; i < n; i++) {
        const double p = syn_get(&c->in[0], i);
        if (!(p >= 0 && p <= 1))
            return syn_fail(err, SYN_INVALID, "%s: input[%" PRId64 "] = %g: must be in [0, 1]",
                            c->op->name, i, p);
        syn_put(&c->out[0], i, syn_random_uniform(s.seed, s.stream, (uint64_t)i) < p);
    }
    return SYN_OK;
}

static syn_status multinomial_shape(struct syn_op_call *c, struct syn_err *err)
{
    syn_dtype t;
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_FLOAT, 2, 2, err);
    if (st == SYN_OK) st = output_type(c, SYN_I32, SYN_TYPES_INDEX, &t, err);
    if (st != SYN_OK) return st;
    const int64_t dims[2] = {c->in[0].shape.dim[0], syn_attr_int(c->op, c->attr, "sample_size")};
    const struct syn_shape y = syn_shape_of(2, dims);
    return syn_ops_result(c, 0, &y, t, err);
}

/* The class at which the running sum of a row passes u of the whole; -1 when the row has no finite
 * weight. */
static int64_t draw(const struct syn_tensor *x, int64_t row, int64_t classes, double u)
{
    double most = (double)-INFINITY, whole = 0, sum = 0;
    int64_t last = -1;
    for (int64_t k = 0; k < classes; k++) most = fmax(most, syn_get(x, row * classes + k));
    if (!isfinite(most)) return -1;
    for (int64_t k = 0; k < classes; k++) whole += exp(syn_get(x, row * classes + k) - most);
    for (int64_t k = 0; k < classes; k++) {
        const double w = exp(syn_get(x, row * classes + k) - most);
        sum += w;
        if (w > 0) last = k;
        if (w > 0 && sum > u * whole) return k;
    }
    return isnan(whole) ? -1 : last;
}

static syn_status multinomial_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t classes = c->in[0].shape.dim[1], each = c->out[0].shape.dim[1];
    const int64_t n = syn_ops_elements(&c->out[0].shape);
    const struct stream s = stream_of(c);
    for (int64_t i = 0; i < n; i++) {
        const double u = syn_random_uniform(s.seed, s.stream, (uint64_t)i);
        const int64_t k = draw(&c->in[0], i / each, classes, u);
        if (k < 0)
            return syn_fail(err, SYN_INVALID,
                            "%s: row %" PRId64 " of input: has no class of finite weight",
                            c->op->name, i / each);
        syn_element_put_int(c->out[0].dtype, c->out[0].data, i, k);
    }
    return SYN_OK;
}

#define LIMIT (-NO_SEED)
#define SEED {"seed", SYN_ATTR_FLOAT, NO_SEED, NO_SEED, LIMIT}
#define DTYPE {"dtype", SYN_ATTR_INT, 0, 0, 64}
#define SHAPE {"shape", SYN_ATTR_INTS, 0, 0, (double)SYN_MAX_ELEMENTS}
#define NORMAL                                                                                     \
    {"mean", SYN_ATTR_FLOAT, 0, -LIMIT, LIMIT}, { "scale", SYN_ATTR_FLOAT, 1, -LIMIT, LIMIT }
#define UNIFORM                                                                                    \
    {"low", SYN_ATTR_FLOAT, 0, -LIMIT, LIMIT}, { "high", SYN_ATTR_FLOAT, 1, -LIMIT, LIMIT }
#define END_OF_ATTRS {NULL, SYN_ATTR_INT, 0, 0, 0}

static const struct syn_attr_spec normal_attrs[] = {DTYPE, SEED, NORMAL, SHAPE, END_OF_ATTRS};
static const struct syn_attr_spec normal_like_attrs[] = {DTYPE, SEED, NORMAL, END_OF_ATTRS};
static const struct syn_attr_spec uniform_attrs[] = {DTYPE, SEED, UNIFORM, SHAPE, END_OF_ATTRS};
static const struct syn_attr_spec uniform_like_attrs[] = {DTYPE, SEED, UNIFORM, END_OF_ATTRS};
static const struct syn_attr_spec bernoulli_attrs[] = {DTYPE, SEED, END_OF_ATTRS};
static const struct syn_attr_spec multinomial_attrs[] = {
    DTYPE,
    SEED,
    {"sample_size", SYN_ATTR_INT, 1, 0, (double)SYN_MAX_ELEMENTS},
    END_OF_ATTRS,
};
const struct syn_op syn_op_random_normal = {
    .name = "RandomNormal", .flags = SYN_OP_RANDOM, .min_in = 0, .max_in = 0, .n_out = 1,
    .attrs = normal_attrs, .shape = fixed_shape, .reference = normal_reference,
};
const struct syn_op syn_op_random_normal_like = {
    .name = "RandomNormalLike", .flags = SYN_OP_RANDOM, .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = normal_like_attrs, .shape = like_shape, .reference = normal_reference,
};
const struct syn_op syn_op_random_uniform = {
    .name = "RandomUniform", .flags = SYN_OP_RANDOM, .min_in = 0, .max_in = 0, .n_out = 1,
    .attrs = uniform_attrs, .shape = fixed_shape, .reference = uniform_reference,
};
const struct syn_op syn_op_random_uniform_like = {
    .name = "RandomUniformLike", .flags = SYN_OP_RANDOM, .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = uniform_like_attrs, .shape = like_shape, .reference = uniform_reference,
};
const struct syn_op syn_op_bernoulli = {
    .name = "Bernoulli", .flags = SYN_OP_RANDOM, .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = bernoulli_attrs, .shape = bernoulli_shape, .reference = bernoulli_reference,
};
const struct syn_op syn_op_multinomial = {
    .name = "Multinomial", .flags = SYN_OP_RANDOM, .min_in = 1, .max_in = 1, .n_out = 1,
    .attrs = multinomial_attrs, .shape = multinomial_shape, .reference = multinomial_reference,
};
