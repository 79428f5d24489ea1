/* signal.c - windows and filter banks: HANN_WINDOW, HAMMING_WINDOW, BLACKMAN_WINDOW,
 * MEL_WEIGHT_MATRIX.
 *
 * Source:  ONNX HannWindow-17, HammingWindow-17, BlackmanWindow-17, MelWeightMatrix-17.
 * Operands: windows: size. Mel: num_mel_bins, dft_length, sample_rate, lower_edge_hertz,
 *          upper_edge_hertz.
 * Attributes: output_datatype; periodic.
 * Maths:   w[t] = a - b cos(2 pi t/n) + c cos(4 pi t/n), n = size, or size - 1 where not periodic
 *          (a single sample is 1): Hann 1/2, 1/2, 0; Hamming 25/46, 21/46, 0; Blackman 0.42, 0.5,
 *          0.08. Mel: edges evenly spaced on mel(f) = 2595 log10(1 + f/700), at bins
 *          floor((dft_length + 1)*f/sample_rate); triangle i rises from edge i to 1 at edge i + 1
 *          and falls to edge i + 2.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/body.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>

static syn_status made_type(const struct syn_op_call *c, syn_dtype *out, struct syn_err *err)
{
    const int64_t number = syn_attr_int(c->op, c->attr, "output_datatype");
    *out = syn_dtype_of_onnx(number);
    if (*out < SYN_DTYPE_COUNT && (SYN_TYPES_NUMBER >> *out & 1)) return SYN_OK;
    return syn_fail(err, SYN_UNSUPPORTED,
                    "%s: output_datatype = %" PRId64 ": not a type that it gives", c->op->name,
                    number);
}

/* A scalar operand in [lo, 2^40]. */
static syn_status count_of(const struct syn_op_call *c, int32_t i, const char *name, int64_t lo,
                           int64_t *out, struct syn_err *err)
{
    const syn_status st = syn_ops_single(c, i, name, SYN_TYPES_INDEX, 0, out, err);
    if (st == SYN_OK && (*out < lo || *out > SYN_MAX_ELEMENTS))
        return syn_fail(err, SYN_INVALID,
                        "%s: %s = %" PRId64 ": must be in [%" PRId64 ", %" PRId64 "]", c->op->name,
                        name, *out, lo, SYN_MAX_ELEMENTS);
    return st;
}

/* --- windows -------------------------------------------------------------------------------- */

static syn_status window_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct syn_shape y = {.rank = 1};
    syn_dtype t;
    syn_status st = made_type(c, &t, err);
    if (st == SYN_OK) st = count_of(c, 0, "size", 0, &y.dim[0], err);
    return st == SYN_OK ? syn_ops_result(c, 0, &y, t, err) : st;
}

static syn_status make_window(const struct syn_op_call *c, double a, double b, double d)
{
    const int64_t size = c->out[0].shape.dim[0];
    const int64_t n = size - !syn_attr_int(c->op, c->attr, "periodic");
    for (int64_t t = 0; t < size; t++) {
        const double angle = n > 0 ? 6.283185307179586476925286766559 * ((double)t / (double)n) : 0;
        syn_put(&c->out[0], t, n > 0 ? a - b * cos(angle) + d * cos(2 * angle) : 1);
    }
    return SYN_OK;
}

static syn_status hann_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return make_window(c, 0.5, 0.5, 0);
}
static syn_status hamming_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return make_window(c, 25.0 / 46, 21.0 / 46, 0);
}
static syn_status blackman_reference(const struct syn_op_call *c, struct syn_err *err)
{
    (void)err;
    return make_window(c, 0.42, 0.5, 0.08);
}

/* --- mel ------------------------------------------------------------------------------------ */

static syn_status mel_shape(struct syn_op_call *c, struct syn_err *err)
{
    int64_t bins, length;
    syn_dtype t;
    syn_status st = made_type(c, &t, err);
    if (st == SYN_OK) st = count_of(c, 0, "num_mel_bins", 0, &bins, err);
    if (st == SYN_OK) st = count_of(c, 1, "dft_length", 1, &length, err);
    for (int32_t i = 3; st == SYN_OK && i < 5; i++) {
        const char *name = i == 3 ? "lower_edge_hertz" : "upper_edge_hertz";
        st = syn_ops_operand(c, i, name, SYN_TYPES_FLOAT, err);
        if (st == SYN_OK && syn_ops_elements(&c->in[i].shape) != 1)
            st = syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must have 1",
                          c->op->name, name, syn_ops_elements(&c->in[i].shape));
    }
    if (st != SYN_OK) return st;
    const struct syn_shape y = {.rank = 2, .dim = {length / 2 + 1, bins}};
    return syn_ops_result(c, 0, &y, t, err);
}

struct mel {
    double low, step, length, rate;
};

/* Edge i as a bin of the spectrum; may lie outside it. */
static double edge(const struct mel *m, int64_t i)
{
    const double hertz = 700 * expm1((m->low + (double)i * m->step) * log(10) / 2595);
    return floor((m->length + 1) * hertz / m->rate);
}

static syn_status mel_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t rows = c->out[0].shape.dim[0], bins = c->out[0].shape.dim[1];
    const double lower = syn_get(&c->in[3], 0), upper = syn_get(&c->in[4], 0);
    int64_t length, rate;
    syn_status st = count_of(c, 1, "dft_length", 1, &length, err);
    if (st == SYN_OK) st = count_of(c, 2, "sample_rate", 1, &rate, err);
    if (st != SYN_OK) return st;
    const double low = 2595 * log1p(lower / 700) / log(10),
                 high = 2595 * log1p(upper / 700) / log(10);
    const struct mel m = {low, (high - low) / (double)(bins + 2), (double)length, (double)rate};
    for (int64_t i = 0; i < bins; i++) {
        const double left = edge(&m, i), centre = edge(&m, i + 1), right = edge(&m, i + 2);
        if (!(left >= 0 && left <= centre && centre <= right && right < (double)rows + 1 &&
              centre < (double)rows))
            return syn_fail(err, SYN_INVALID,
                            "%s: edges %g and %g Hz put band %" PRId64
                            " at bins %g, %g, %g: must ascend within %" PRId64,
                            c->op->name, lower, upper, i, left, centre, right, rows);
        for (int64_t row = 0; row < rows; row++) {
            const double j = (double)row;
            double v = 0;
            if (j >= centre && j < right) v = (right - j) / (right - centre);
            else if (j == centre) v = 1;
            else if (j >= left && j < centre) v = (j - left) / (centre - left);
            syn_put(&c->out[0], row * bins + i, v);
        }
    }
    return SYN_OK;
}

static const struct syn_attr_spec window_attrs[] = {
    {"output_datatype", SYN_ATTR_INT, 1, 0, 64},
    {"periodic", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec mel_attrs[] = {
    {"output_datatype", SYN_ATTR_INT, 1, 0, 64},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_hann_window = {
    .name = "HannWindow", .min_in = 1, .max_in = 1, .n_out = 1, .reads = 1,
    .attrs = window_attrs, .shape = window_shape, .reference = hann_reference,
};
const struct syn_op syn_op_hamming_window = {
    .name = "HammingWindow", .min_in = 1, .max_in = 1, .n_out = 1, .reads = 1,
    .attrs = window_attrs, .shape = window_shape, .reference = hamming_reference,
};
const struct syn_op syn_op_blackman_window = {
    .name = "BlackmanWindow", .min_in = 1, .max_in = 1, .n_out = 1, .reads = 1,
    .attrs = window_attrs, .shape = window_shape, .reference = blackman_reference,
};
const struct syn_op syn_op_mel_weight_matrix = {
    .name = "MelWeightMatrix", .min_in = 5, .max_in = 5, .n_out = 1, .reads = 1 << 0 | 1 << 1,
    .attrs = mel_attrs, .shape = mel_shape, .reference = mel_reference,
};
