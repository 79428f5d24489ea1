/* conv_case.h - one convolution on the device against the scalar reference.
 *
 * Use:     struct conv_case t = conv_case_of(CUDA_CONV_MMA, SYN_F16, 1, 64, 9, 7, 64, 3);
 *          t.act = SYN_ACT_RELU; conv_case_run(&t, "relu");
 * Truth    is the operator's reference (kernels/ops, sums in double) on the very numbers that the
 *          kernel reads: x, residuals and weights are rounded to their types first.
 * Bound    Plain code in that precision multiplies and adds in f32, K products each rounded twice,
 *          and rounds once to y's type. With u = 2^-24 and M = sum |w|*|x| + |bias| it is off by at
 *          most S = (K + 8)*u*M through the activation (whose slope is at most L), by a few u of
 *          what is added after, and by half a unit in y's last place; a number passes when it is
 *          off by no more than twice that. NaN passes nowhere.
 * Guards   y's buffer holds a canary before, behind, and in the channels beside the view; whatever
 *          x and the residuals have beside theirs is NaN.
 * Runs     twice, into the same bits.
 * Layer:   tests. */
#ifndef CUDA_CONV_CASE_H
#define CUDA_CONV_CASE_H

#include "kernels/base/half.h"
#include "kernels/cuda/kernels.h"
#include "kernels/graph/element.h"
#include "tests/cuda_host/cuda_t.h"
#include "tests/op_call.h"
#include <vector>

struct conv_case {
    enum cuda_conv_way way;
    syn_dtype x, y, res1, res2;     /* res SYN_DTYPE_COUNT: none */
    int n, ci, h, w, co, kh, kw, group;
    int stride[2], dil[2], pad[4], out_pad[2];
    bool transposed, no_bias;
    enum syn_act act;
    float act_a, act_b, alpha, beta1, beta2;
    int before, after;              /* channels beside the views, multiples of 8 */
    int split;
};

/* A square kernel with "same" pads, one group, nothing fused. */
static inline struct conv_case conv_case_of(enum cuda_conv_way way, syn_dtype type, int n, int ci,
                                            int h, int w, int co, int k)
{
    struct conv_case t = {};
    t.way = way, t.x = t.y = type, t.res1 = t.res2 = SYN_DTYPE_COUNT;
    t.n = n, t.ci = ci, t.h = h, t.w = w, t.co = co, t.kh = t.kw = k;
    t.group = way == CUDA_CONV_DEPTH ? ci : 1;
    t.stride[0] = t.stride[1] = t.dil[0] = t.dil[1] = 1;
    for (int i = 0; i < 4; i++) t.pad[i] = k / 2;
    t.alpha = t.beta1 = t.beta2 = 1;
    t.split = 1;
    return t;
}

/* --- numbers in a type ------------------------------------------------------------------------ */

static inline size_t conv_bytes(syn_dtype t) { return t == SYN_F32 ? 4 : 2; }
static inline double conv_unit(syn_dtype t) /* half a unit in the last place of 1 */
{
    return t == SYN_F16 ? 0x1p-11 : t == SYN_BF16 ? 0x1p-8 : 0x1p-24;
}
static inline void conv_write(void *at, syn_dtype t, float v)
{
    uint16_t bits;
    if (t == SYN_F32) {
        memcpy(at, &v, 4);
        return;
    }
    bits = t == SYN_F16 ? syn_f16_from_double((double)v) : syn_bf16_from_float(v);
    memcpy(at, &bits, 2);
}
static inline float conv_read(const void *at, syn_dtype t)
{
    uint16_t bits;
    float v;
    if (t == SYN_F32) {
        memcpy(&v, at, 4);
        return v;
    }
    memcpy(&bits, at, 2);
    return t == SYN_F16 ? syn_f16_to_float(bits) : syn_bf16_to_float(bits);
}
static inline void conv_round(float *x, int64_t n, syn_dtype t)
{
    for (int64_t i = 0; i < n; i++) {
        char bits[4];
        conv_write(bits, t, x[i]);
        x[i] = conv_read(bits, t);
    }
}

/* --- pictures on the device ------------------------------------------------------------------- */

enum { CONV_GUARD = 64 }; /* elements at each end of a picture's buffer */

struct conv_picture {
    struct cuda_view view;
    std::vector<unsigned char> host; /* what the buffer began with */
    char *buffer;                    /* device; guard, pixels, guard */
    int first;                       /* channel of the buffer's pixel at which the view begins */
};

static inline size_t conv_at(const struct conv_picture *p, int64_t pixel, int channel)
{
    return ((size_t)(pixel * p->view.pitch + p->first + channel) + CONV_GUARD) *
           conv_bytes(p->view.dtype);
}

/* Of planes [n][c][h*w], or NULL: all of it canaries; else NaN beside the view, zeros past c. */
static inline struct conv_picture conv_picture_of(const struct conv_case *t, syn_dtype type, int n,
                                                  int c, int h, int w, const float *planes)
{
    struct conv_picture p;
    const int padded = (c + 7) / 8 * 8;
    const int64_t pixels = (int64_t)n * h * w, plane = (int64_t)h * w;
    p.view = {NULL, type, n, c, h, w, t->before + padded + t->after};
    p.first = t->before;
    const size_t elements = (size_t)(pixels * p.view.pitch) + 2 * CONV_GUARD;
    p.host.assign(elements * conv_bytes(type), planes ? 0xff : 0x5a);
    for (int64_t i = 0; planes && i < pixels; i++)
        for (int ch = 0; ch < padded; ch++)
            conv_write(&p.host[conv_at(&p, i, ch)], type,
                       ch < c ? planes[(i / plane * c + ch) * plane + i % plane] : 0);
    p.buffer = (char *)put(p.host.data(), p.host.size());
    p.view.data = p.buffer + conv_at(&p, 0, 0);
    return p;
}

/* --- the reference ---------------------------------------------------------------------------- */

struct conv_truth {
    std::vector<float> y, mag; /* the result; sum |w|*|x| + |bias| */
    int ho, wo;
};
struct conv_data {
    std::vector<float> x, w, bias, slope, res1, res2;
};

static inline void conv_operand(struct op_call *c, const std::vector<float> &v, int rank, int64_t a,
                                int64_t b, int64_t d, int64_t e)
{
    const int64_t dims[4] = {a, b, d, e};
    if (v.empty()) op_absent(c);
    else op_in(c, v.data(), rank, dims);
}

static inline void conv_attrs(struct op_call *c, const struct conv_case *t, bool magnitude)
{
    const int64_t strides[2] = {t->stride[0], t->stride[1]}, dil[2] = {t->dil[0], t->dil[1]},
                  pads[4] = {t->pad[0], t->pad[1], t->pad[2], t->pad[3]},
                  out_pad[2] = {t->out_pad[0], t->out_pad[1]};
    op_int(c, "group", t->group);
    op_ints(c, "strides", 2, strides);
    op_ints(c, "dilations", 2, dil);
    op_ints(c, "pads", 4, pads);
    if (t->transposed) op_ints(c, "output_padding", 2, out_pad);
    if (magnitude) return;
    op_int(c, "act", t->act);
    op_float(c, "act_a", (double)t->act_a);
    op_float(c, "act_b", (double)t->act_b);
    if (t->transposed) return;
    op_float(c, "alpha", (double)t->alpha);
    op_float(c, "beta1", (double)t->beta1);
    op_float(c, "beta2", (double)t->beta2);
}

static inline std::vector<float> conv_absolute(std::vector<float> v)
{
    for (float &f : v) f = fabsf(f);
    return v;
}

/* d->res1 and res2 must have y's size where given. */
static inline bool conv_reference(const struct conv_case *t, const struct conv_data *d,
                                  bool magnitude, std::vector<float> *y, int *ho, int *wo,
                                  const char *what)
{
    struct op_call c;
    const int64_t in = t->ci / t->group, out = t->co / t->group;
    const std::vector<float> none;
    op_begin(&c, t->transposed ? SYN_OP_CONV_TRANSPOSE : SYN_OP_CONV);
    conv_operand(&c, magnitude ? conv_absolute(d->x) : d->x, 4, t->n, t->ci, t->h, t->w);
    conv_operand(&c, magnitude ? conv_absolute(d->w) : d->w, 4, t->transposed ? t->ci : t->co,
                 t->transposed ? out : in, t->kh, t->kw);
    conv_operand(&c, magnitude ? conv_absolute(d->bias) : d->bias, 1, t->co, 0, 0, 0);
    conv_operand(&c, magnitude ? none : d->slope, 1, t->co, 0, 0, 0);
    if (!t->transposed) {
        conv_operand(&c, magnitude ? none : d->res1, 4, t->n, t->co, *ho, *wo);
        conv_operand(&c, magnitude ? none : d->res2, 4, t->n, t->co, *ho, *wo);
    }
    conv_attrs(&c, t, magnitude);
    const bool ok = op_run(&c, what) == SYN_OK;
    if (ok) {
        y->assign(op_out(&c), op_out(&c) + c.n);
        *ho = (int)c.c.out[0].shape.dim[2], *wo = (int)c.c.out[0].shape.dim[3];
    }
    op_end(&c);
    return ok;
}

static inline bool conv_tensor_cores(const struct conv_case *t) /* weights have x's type */
{
    return t->way == CUDA_CONV_MMA || t->way == CUDA_CONV_HALO;
}

static inline std::vector<float> conv_random(uint64_t seed, int64_t n, float from, float to)
{
    float *x = t_uniform(seed, (size_t)n, from, to);
    std::vector<float> v(x, x + n);
    free(x);
    return v;
}

static inline bool conv_make(const struct conv_case *t, uint64_t seed, struct conv_data *d,
                             struct conv_truth *truth, const char *what)
{
    const int64_t in = t->ci / t->group, k = in * t->kh * t->kw;
    const float scale = 1 / sqrtf((float)k + 1); /* so that y is about as large as x */
    d->x = conv_random(seed, (int64_t)t->n * t->ci * t->h * t->w, -2, 2);
    d->w = conv_random(seed + 1, (int64_t)t->co * k, -2 * scale, 2 * scale);
    conv_round(d->x.data(), (int64_t)d->x.size(), t->x);
    conv_round(d->w.data(), (int64_t)d->w.size(), conv_tensor_cores(t) ? t->x : SYN_F32);
    if (!t->no_bias) d->bias = conv_random(seed + 2, t->co, -1, 1);
    if (!conv_reference(t, d, true, &truth->mag, &truth->ho, &truth->wo, what)) return false;
    if (t->act == SYN_ACT_PRELU) d->slope = conv_random(seed + 3, t->co, -1, 1);
    if (t->res1 != SYN_DTYPE_COUNT) {
        d->res1 = conv_random(seed + 4, (int64_t)truth->mag.size(), -2, 2);
        conv_round(d->res1.data(), (int64_t)d->res1.size(), t->res1);
    }
    if (t->res2 != SYN_DTYPE_COUNT) {
        d->res2 = conv_random(seed + 5, (int64_t)truth->mag.size(), -2, 2);
        conv_round(d->res2.data(), (int64_t)d->res2.size(), t->res2);
    }
    return conv_reference(t, d, false, &truth->y, &truth->ho, &truth->wo, what);
}

#include "tests/cuda/conv_run.h"

#endif
