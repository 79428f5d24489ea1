/* dft.c - Fourier transforms of tensors: DFT, STFT.
 *
 * Source:  ONNX DFT-17, 20; STFT-17.
 * Operands: DFT: x [..., 1 or 2] (real, or real and imaginary parts), dft_length?, axis (opset 20;
 *          before an attribute, 1)?. STFT: signal [batch, length, 1 or 2], frame_step, window
 *          [frame]?, frame_length?.
 * Maths:   fft.h; the axis is cut or filled with zeros to dft_length. Forward: [..., n, 2], with
 *          onesided (real input only) the first n/2 + 1. Inverse, divided by n: [..., n, 2]; with
 *          onesided the input is the first n/2 + 1 of a conjugate-symmetric spectrum and the output
 *          real, [..., n, 1], n = 2*(length - 1) where dft_length is not given. STFT: frames of
 *          frame_length every frame_step, each times window.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: tables and two lines while it
 * runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/body.h"
#include "kernels/ops/fft.h"
#include "kernels/ops/window.h"
#include <inttypes.h>

#define MAX_LENGTH ((int64_t)1 << 30) /* of one transform */

/* A scalar operand in [lo, MAX_LENGTH]. */
static syn_status length_of(const struct syn_op_call *c, int32_t i, const char *name,
                            int64_t fallback, int64_t *out, struct syn_err *err)
{
    const syn_status st = syn_ops_single(c, i, name, SYN_TYPES_INDEX, fallback, out, err);
    if (st == SYN_OK && (*out < 1 || *out > MAX_LENGTH))
        return syn_fail(err, SYN_INVALID, "%s: %s = %" PRId64 ": must be in [1, %" PRId64 "]",
                        c->op->name, name, *out, MAX_LENGTH);
    return st;
}

/* The two lines of a transform. */
struct lines {
    struct syn_fft fft;
    struct syn_complex *x, *y;
};

static syn_status lines_new(const struct syn_op_call *c, struct lines *l, int64_t n, bool inverse,
                            struct syn_err *err)
{
    syn_status st;
    *l = (struct lines){.x = NULL};
    if ((st = syn_fft_new(&l->fft, n, inverse, err)) != SYN_OK)
        return syn_fail_in(err, st, "%s: ", c->op->name);
    l->x = syn_calloc((size_t)n, sizeof *l->x);
    l->y = syn_calloc((size_t)n, sizeof *l->y);
    return l->x && l->y ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
}

static void lines_free(struct lines *l)
{
    syn_fft_free(&l->fft);
    syn_free(l->x);
    syn_free(l->y);
}

/* --- DFT ------------------------------------------------------------------------------------ */

struct dft {
    int32_t axis;
    bool inverse, onesided;
    int64_t n, out; /* length of the transform and of the output's axis */
};

static syn_status dft_parse(const struct syn_op_call *c, struct dft *p, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    int64_t axis = c->opset >= 20 ? -2 : syn_attr_int(c->op, c->attr, "axis"), length;
    syn_status st = syn_ops_ranked(c, 0, "input", SYN_TYPES_FLOAT, 2, SYN_MAX_RANK, err);
    if (st == SYN_OK) st = syn_ops_single(c, 2, "axis", SYN_TYPES_INDEX, axis, &axis, err);
    if (st == SYN_OK) st = syn_ops_axis(c, "axis", axis, x->rank, &p->axis, err);
    if (st != SYN_OK) return st;
    p->inverse = syn_attr_int(c->op, c->attr, "inverse") != 0;
    p->onesided = syn_attr_int(c->op, c->attr, "onesided") != 0;
    if (p->axis == x->rank - 1)
        return syn_fail(err, SYN_INVALID,
                        "%s: axis = %" PRId64 ": the last one holds real and imaginary parts",
                        c->op->name, axis);
    if (x->dim[x->rank - 1] != 1 && x->dim[x->rank - 1] != 2)
        return syn_fail(err, SYN_INVALID,
                        "%s: input's last dimension is %" PRId64 ": must be 1 or 2", c->op->name,
                        x->dim[x->rank - 1]);
    if (p->onesided && !p->inverse && x->dim[x->rank - 1] == 2)
        return syn_fail(err, SYN_INVALID, "%s: onesided = 1 of a complex input: must be real",
                        c->op->name);
    length = x->dim[p->axis];
    if (p->onesided && p->inverse) length = 2 * (length - 1);
    st = length_of(c, 1, "dft_length", length, &p->n, err);
    p->out = p->onesided && !p->inverse ? p->n / 2 + 1 : p->n;
    return st;
}

static syn_status dft_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct dft p;
    const syn_status st = dft_parse(c, &p, err);
    if (st != SYN_OK) return st;
    struct syn_shape y = c->in[0].shape;
    y.dim[p.axis] = p.out;
    y.dim[y.rank - 1] = p.onesided && p.inverse ? 1 : 2;
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* Reads a line of x: element t at start + t*step complex numbers of `parts` parts. */
static void read_line(const struct syn_tensor *x, int64_t start, int64_t step, int64_t parts,
                      int64_t have, int64_t n, struct syn_complex *to)
{
    for (int64_t t = 0; t < n; t++) {
        const int64_t at = (start + t * step) * parts;
        to[t] = (struct syn_complex){t < have ? syn_get(x, at) : 0,
                                     t < have && parts == 2 ? syn_get(x, at + 1) : 0};
    }
}

/* The other half of a spectrum of which the first n/2 + 1 are there. */
static void mirror(struct syn_complex *x, int64_t n)
{
    for (int64_t k = n / 2 + 1; k < n; k++) x[k] = (struct syn_complex){x[n - k].re, -x[n - k].im};
}

static syn_status dft_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const struct syn_shape *in = &c->in[0].shape, *out = &c->out[0].shape;
    struct dft p;
    struct lines l = {.x = NULL};
    int64_t before = 1, after = 1;
    syn_status st = dft_parse(c, &p, err);
    if (st != SYN_OK || syn_ops_elements(out) == 0) return st;
    for (int32_t d = 0; d < p.axis; d++) before *= in->dim[d];
    for (int32_t d = p.axis + 1; d < in->rank - 1; d++) after *= in->dim[d];
    const int64_t parts = in->dim[in->rank - 1], to_parts = out->dim[in->rank - 1],
                  length = in->dim[p.axis];
    const bool mirrored = p.onesided && p.inverse;
    const int64_t have = mirrored && length > p.n / 2 + 1 ? p.n / 2 + 1 : length;
    const double scale = p.inverse ? 1 / (double)p.n : 1;
    st = lines_new(c, &l, p.n, p.inverse, err);
    for (int64_t b = 0; st == SYN_OK && b < before; b++)
        for (int64_t a = 0; a < after; a++) {
            read_line(&c->in[0], b * length * after + a, after, parts, have, p.n, l.x);
            if (mirrored) mirror(l.x, p.n);
            syn_fft_run(&l.fft, l.x, l.y);
            for (int64_t k = 0; k < p.out; k++) {
                const int64_t at = ((b * p.out + k) * after + a) * to_parts;
                syn_put(&c->out[0], at, l.y[k].re * scale);
                if (to_parts == 2) syn_put(&c->out[0], at + 1, l.y[k].im * scale);
            }
        }
    lines_free(&l);
    return st;
}

/* --- STFT ----------------------------------------------------------------------------------- */

struct stft {
    int64_t step, frame, frames, bins, length, parts;
};

static syn_status stft_parse(const struct syn_op_call *c, struct stft *p, struct syn_err *err)
{
    const struct syn_shape *x = &c->in[0].shape;
    const bool onesided = syn_attr_int(c->op, c->attr, "onesided") != 0;
    syn_status st = syn_ops_ranked(c, 0, "signal", SYN_TYPES_FLOAT, 2, 3, err);
    if (st == SYN_OK) st = length_of(c, 1, "frame_step", 0, &p->step, err);
    if (st != SYN_OK) return st;
    p->length = x->dim[1], p->parts = x->rank == 3 ? x->dim[2] : 1;
    if (p->parts != 1 && p->parts != 2)
        return syn_fail(err, SYN_INVALID,
                        "%s: signal's last dimension is %" PRId64 ": must be 1 or 2", c->op->name,
                        p->parts);
    if (onesided && p->parts == 2)
        return syn_fail(err, SYN_INVALID, "%s: onesided = 1 of a complex signal: must be real",
                        c->op->name);
    if (syn_ops_given(c, 2) &&
        (st = syn_ops_ranked(c, 2, "window", SYN_TYPES_FLOAT, 1, 1, err)) != SYN_OK)
        return st;
    st = length_of(c, 3, "frame_length", syn_ops_given(c, 2) ? c->in[2].shape.dim[0] : p->length,
                   &p->frame, err);
    if (st != SYN_OK) return st;
    if (syn_ops_given(c, 2) && c->in[2].shape.dim[0] != p->frame)
        return syn_fail(err, SYN_INVALID,
                        "%s: window has %" PRId64 " elements: must be frame_length %" PRId64,
                        c->op->name, c->in[2].shape.dim[0], p->frame);
    if (p->frame > p->length)
        return syn_fail(err, SYN_INVALID,
                        "%s: frame_length = %" PRId64 ": at most the signal's %" PRId64,
                        c->op->name, p->frame, p->length);
    p->frames = (p->length - p->frame) / p->step + 1;
    p->bins = onesided ? p->frame / 2 + 1 : p->frame;
    return SYN_OK;
}

static syn_status stft_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct stft p;
    const syn_status st = stft_parse(c, &p, err);
    if (st != SYN_OK) return st;
    const struct syn_shape y = syn_shape4(c->in[0].shape.dim[0], p.frames, p.bins, 2);
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

static syn_status stft_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct stft p;
    struct lines l = {.x = NULL};
    int64_t to = 0;
    syn_status st = stft_parse(c, &p, err);
    if (st == SYN_OK) st = lines_new(c, &l, p.frame, false, err);
    for (int64_t b = 0; st == SYN_OK && b < c->in[0].shape.dim[0]; b++)
        for (int64_t f = 0; f < p.frames; f++) {
            read_line(&c->in[0], b * p.length + f * p.step, 1, p.parts, p.frame, p.frame, l.x);
            for (int64_t t = 0; syn_ops_given(c, 2) && t < p.frame; t++) {
                const double w = syn_get(&c->in[2], t);
                l.x[t].re *= w, l.x[t].im *= w;
            }
            syn_fft_run(&l.fft, l.x, l.y);
            for (int64_t k = 0; k < p.bins; k++) {
                syn_put(&c->out[0], to++, l.y[k].re);
                syn_put(&c->out[0], to++, l.y[k].im);
            }
        }
    lines_free(&l);
    return st;
}

static const struct syn_attr_spec dft_attrs[] = {
    {"axis", SYN_ATTR_INT, 1, -SYN_MAX_RANK, SYN_MAX_RANK},
    {"inverse", SYN_ATTR_INT, 0, 0, 1},
    {"onesided", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
static const struct syn_attr_spec stft_attrs[] = {
    {"onesided", SYN_ATTR_INT, 1, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_dft = {
    .name = "DFT", .min_in = 1, .max_in = 3, .n_out = 1, .reads = 1 << 1 | 1 << 2,
    .attrs = dft_attrs, .shape = dft_shape, .reference = dft_reference,
};
const struct syn_op syn_op_stft = {
    .name = "STFT", .min_in = 2, .max_in = 4, .n_out = 1, .reads = 1 << 1 | 1 << 3,
    .attrs = stft_attrs, .shape = stft_shape, .reference = stft_reference,
};
