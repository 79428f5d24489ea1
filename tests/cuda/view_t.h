/* view_t.h - pictures on the device for the kernels' tests: made, read back, held against numbers.
 *
 * Use:     struct picture y = picture_of(SYN_F16, shape, NULL, WIDE);
 *          std::vector<float> got = run_twice(&y, [&] { return launch(); }, "what");
 * Guards:  a view lies in a buffer filled with 0xff, which is NaN in each type: a read beside the
 *          view shows in the result, a write beside it in the bytes. A picture that is read ends
 *          with its block of memory: a read past that is a fault. Channels from c to the next
 *          multiple of 8 are zeros in what is read and must be in what is written.
 * Twice:   every launch runs twice into fresh buffers, bits must agree; on the CPU the second run
 *          goes backwards, so this finds missing barriers too.
 * Layer:   tests. C++17; builds with nvcc as well. */
#ifndef SYN_CUDA_VIEW_T_H
#define SYN_CUDA_VIEW_T_H

#include "kernels/base/half.h"
#include "kernels/cuda/kernels.h"
#include "tests/cuda_host/cuda_t.h"
#include "tests/op_call.h"
#include <math.h>
#include <string.h>
#include <vector>

struct extent {
    int32_t n, c, h, w;
};
static inline int64_t count_of(const struct extent &e)
{
    return (int64_t)e.n * e.c * e.h * e.w;
}
static inline int32_t up8(int32_t c) { return (c + 7) / 8 * 8; }

static const syn_dtype TYPES[3] = {SYN_F32, SYN_F16, SYN_BF16};

/* --- types ----------------------------------------------------------------------------------- */

/* Rounded to nearest, ties to even, by the definition of the format. */
static inline uint16_t f16_bits(float x)
{
    const double a = fabs((double)x);
    const unsigned sign = signbit(x) ? 0x8000u : 0;
    if (x != x) return 0x7e00;
    if (a >= 65520) return (uint16_t)(sign | 0x7c00u);
    int e = a > 0 ? ilogb(a) : -14;
    if (e < -14) e = -14;
    const unsigned m = (unsigned)rint(ldexp(a, 10 - e)); /* may carry into the exponent */
    return (uint16_t)(sign | (m < 1024 && e == -14 ? m : ((unsigned)(e + 15) << 10) + (m - 1024)));
}
static inline float rounded(syn_dtype t, float x)
{
    if (t == SYN_F16) return syn_f16_to_float(f16_bits(x));
    return t == SYN_BF16 ? syn_bf16_to_float(syn_bf16_from_float(x)) : x;
}
static inline void write1(syn_dtype t, unsigned char *to, float x)
{
    const uint16_t bits16 = t == SYN_F16 ? f16_bits(x) : syn_bf16_from_float(x);
    if (t == SYN_F32) memcpy(to, &x, sizeof x);
    else memcpy(to, &bits16, sizeof bits16);
}
static inline float read1(syn_dtype t, const unsigned char *from)
{
    float x;
    uint16_t bits16;
    if (t == SYN_F32) return memcpy(&x, from, sizeof x), x;
    memcpy(&bits16, from, sizeof bits16);
    return t == SYN_F16 ? syn_f16_to_float(bits16) : syn_bf16_to_float(bits16);
}
/* Half of the distance of neighbours, relative and (f16's subnormals) absolute. */
static inline double unit(syn_dtype t)
{
    return t == SYN_F16 ? 0x1p-11 : t == SYN_BF16 ? 0x1p-8 : 0x1p-24;
}
static inline double least(syn_dtype t) { return t == SYN_F16 ? 0x1p-25 : 0x1p-126; }

/* --- numbers --------------------------------------------------------------------------------- */

/* n numbers in [lo, hi), as the type has them. */
static inline std::vector<float> numbers(syn_dtype t, uint64_t seed, int64_t n, float lo, float hi)
{
    float *x = t_uniform(seed, (size_t)n, lo, hi);
    std::vector<float> v(x, x + n);
    for (float &f : v) f = rounded(t, f);
    free(x);
    return v;
}

/* A number computed in f32 with an error of up to `calc`, then rounded to t, against the truth:
 * |got - want| <= calc + unit(t)*(|want| + calc) + least(t). NaN passes where it is wanted. */
static inline bool is_near(syn_dtype t, float got, float want, double calc)
{
    if (isnan(want)) return isnan(got);
    if (got == want || got == rounded(t, want)) return true;
    const double off = fabs((double)got - (double)want), size = fabs((double)want) + calc;
    return off <= calc + unit(t) * size + least(t);
}

/* All of them; calc(i) is number i's error in f32. */
template <class F>
static inline void expect(syn_dtype t, const std::vector<float> &got,
                          const std::vector<float> &want, F calc, const char *what)
{
    size_t good = 0, first = (size_t)-1;
    T_CHECK(got.size() == want.size() && !got.empty(), "%s: %zu numbers, expected %zu", what,
            got.size(), want.size());
    for (size_t i = 0; i < got.size() && i < want.size(); i++) {
        const bool same = is_near(t, got[i], want[i], calc(i));
        if (!same && first > i) first = i;
        good += same;
    }
    T_CHECK(good == want.size(), "%s: %zu of %zu right, first wrong [%zu] = %.9g, expected %.9g",
            what, good, want.size(), first, first < got.size() ? (double)got[first] : 0,
            first < want.size() ? (double)want[first] : 0);
}
static inline double exactly(size_t) { return 0; }

/* --- pictures -------------------------------------------------------------------------------- */

enum { GUARD = 64 }; /* elements before and after */
enum width { PLAIN, WIDE }; /* WIDE: 8 channels of others before, 16 behind */

struct picture {
    struct cuda_view view;
    char *device;
    std::vector<unsigned char> bytes; /* what the buffer held before the run */
    int32_t first;                    /* channels before the view's */
};

static inline size_t byte_at(const struct picture *p, int64_t pixel, int32_t c)
{
    return (size_t)(GUARD + pixel * p->view.pitch + p->first + c) * syn_dtype_bytes(p->view.dtype);
}

/* planes: NCHW, or NULL: an output. */
static inline struct picture picture_of(syn_dtype t, const struct extent &e, const float *planes,
                                        enum width how)
{
    struct picture p = {};
    const size_t size = syn_dtype_bytes(t);
    p.first = how == WIDE ? 8 : 0;
    p.view = {NULL, t, e.n, e.c, e.h, e.w, up8(e.c) + (how == WIDE ? 24 : 0)};
    const int64_t plane = (int64_t)e.h * e.w, pixels = e.n * plane;
    p.bytes.assign((size_t)(pixels * p.view.pitch + (planes ? 1 : 2) * GUARD) * size, 0xff);
    for (int64_t i = 0; planes && i < pixels; i++)
        for (int32_t c = 0; c < up8(e.c); c++)
            write1(t, &p.bytes[byte_at(&p, i, c)],
                   c < e.c ? planes[(i / plane * e.c + c) * plane + i % plane] : 0);
    p.device = (char *)put(p.bytes.data(), p.bytes.size());
    p.view.data = p.device + byte_at(&p, 0, 0);
    return p;
}
static inline void drop(struct picture *p)
{
    MUST(cudaFree(p->device));
    p->device = NULL;
}

/* What the buffer holds now. */
static inline std::vector<unsigned char> fetch(const struct picture *p)
{
    std::vector<unsigned char> b(p->bytes.size());
    get((unsigned char *)b.data(), (unsigned char *)p->device, b.size());
    return b;
}

/* The picture as NCHW; checks the zeros past c and the bytes beside the view. */
static inline std::vector<float> unpacked(const struct picture *p, std::vector<unsigned char> b,
                                          const char *what)
{
    const struct cuda_view *v = &p->view;
    const int64_t plane = (int64_t)v->h * v->w;
    const size_t size = syn_dtype_bytes(v->dtype);
    std::vector<float> out((size_t)(v->n * v->c * plane));
    size_t torn = 0, nonzero = 0;
    for (int64_t i = 0; i < v->n * plane; i++)
        for (int32_t c = 0; c < up8(v->c); c++) {
            unsigned char *at = &b[byte_at(p, i, c)];
            const float x = read1(v->dtype, at);
            if (c < v->c) out[(size_t)((i / plane * v->c + c) * plane + i % plane)] = x;
            else nonzero += !(x == 0);
            memcpy(at, &p->bytes[byte_at(p, i, c)], size); /* the rest must be as it was */
        }
    for (size_t i = 0; i < b.size(); i++) torn += b[i] != p->bytes[i];
    T_CHECK(nonzero == 0, "%s: %zu channels past c are not zero", what, nonzero);
    T_CHECK(torn == 0, "%s: %zu bytes beside the view were written", what, torn);
    return out;
}

/* launch() twice; the same bits. y's numbers. */
template <class F>
static inline std::vector<float> run_twice(struct picture *y, F launch, const char *what)
{
    std::vector<unsigned char> b[2];
    for (int run = 0; run < 2; run++) {
        MUST(cudaMemcpy(y->device, y->bytes.data(), y->bytes.size(), cudaMemcpyHostToDevice));
        const syn_status st = launch();
        T_CHECK(st == SYN_OK, "%s: launch: %s", what, syn_status_word(st));
        b[run] = fetch(y);
    }
    T_CHECK(b[0] == b[1], "%s: two runs differ", what);
    return unpacked(y, b[0], what);
}

/* --- references ------------------------------------------------------------------------------ */

static inline void op_in4(struct op_call *t, const std::vector<float> &x, const struct extent &e)
{
    const int64_t dim[4] = {e.n, e.c, e.h, e.w};
    op_in(t, x.data(), 4, dim);
}
/* Runs the row's reference and ends the call. */
static inline std::vector<float> op_result(struct op_call *t, const char *what)
{
    std::vector<float> out;
    if (op_run(t, what) == SYN_OK) out.assign(op_out(t), op_out(t) + t->n);
    op_end(t);
    return out;
}

#endif
