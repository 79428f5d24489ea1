/* element.c - see element.h.
 *
 * Source: IEEE 754 binary16; OCP 8-bit floating point (e4m3, e5m2) and ONNX's note on the FNUZ
 *         kinds; OCP microscaling formats (e8m0, e2m1). */
#include "kernels/graph/element.h"
#include "kernels/base/half.h"
#include <math.h>
#include <string.h>

/* A small float as numbers: exponent bits, mantissa bits, bias, largest finite pattern, which NaN
 * and infinity there are. */
struct small {
    int exp_bits, man_bits, bias;
    uint8_t max, nan, inf; /* patterns without sign; nan = inf = 0: none */
    bool unsigned_zero;    /* 0x80 is the NaN, no minus zero */
};

static struct small small_of(syn_dtype t)
{
    switch (t) {
    case SYN_F8E4M3FN: return (struct small){4, 3, 7, 0x7e, 0x7f, 0, false};
    case SYN_F8E4M3FNUZ: return (struct small){4, 3, 8, 0x7f, 0x80, 0, true};
    case SYN_F8E5M2: return (struct small){5, 2, 15, 0x7b, 0x7f, 0x7c, false};
    case SYN_F8E5M2FNUZ: return (struct small){5, 2, 16, 0x7f, 0x80, 0, true};
    default: return (struct small){2, 1, 1, 0x7, 0, 0, false}; /* f4e2m1 */
    }
}

float syn_small_float(syn_dtype t, uint8_t bits)
{
    const struct small f = small_of(t);
    const int width = 1 + f.exp_bits + f.man_bits;
    const uint8_t sign = (uint8_t)(bits >> (width - 1) & 1),
                  rest = bits & (uint8_t)((1 << (width - 1)) - 1);
    const int exponent = rest >> f.man_bits, mantissa = rest & ((1 << f.man_bits) - 1);
    float v;
    if (t == SYN_F8E8M0) return bits == 255 ? NAN : ldexpf(1.0f, bits - 127);
    if (f.unsigned_zero && bits == 0x80) return NAN;
    if (!f.unsigned_zero && f.nan && rest >= (f.inf ? f.inf : f.nan))
        return f.inf && rest == f.inf ? (sign ? -INFINITY : INFINITY) : NAN;
    v = exponent ? ldexpf((float)(mantissa + (1 << f.man_bits)), exponent - f.bias - f.man_bits)
                 : ldexpf((float)mantissa, 1 - f.bias - f.man_bits);
    return sign ? -v : v;
}

static uint8_t e8m0_from(float v, bool saturate)
{
    int e;
    float m;
    if (isnan(v) || v < 0) return 255;
    if (isinf(v)) return saturate ? 254 : 255;
    if (v == 0) return 0;
    m = frexpf(v, &e); /* v = m * 2^e, m in [0.5, 1) */
    e += 126;          /* of the power of two below */
    /* halfway goes up, as ONNX's round mode "up" and OCP's nearest do */
    if (m > 0.75f || (m == 0.75f)) e++;
    return e < 0 ? 0 : e > 254 ? (saturate ? 254 : 255) : (uint8_t)e;
}

uint8_t syn_small_from_float(syn_dtype t, float v, bool saturate)
{
    const struct small f = small_of(t);
    const uint8_t sign = signbit(v) ? (uint8_t)(1 << (f.exp_bits + f.man_bits)) : 0;
    float a = fabsf(v), q;
    int e, low = 1 - f.bias - f.man_bits; /* exponent of the smallest step */
    long pattern;
    if (t == SYN_F8E8M0) return e8m0_from(v, saturate);
    if (isnan(v)) return f.unsigned_zero ? 0x80 : f.nan ? (uint8_t)(sign | f.nan) : sign;
    if (isinf(v)) {
        if (saturate || t == SYN_F4E2M1) return sign | f.max;
        return f.unsigned_zero ? 0x80 : (uint8_t)(sign | (f.inf ? f.inf : f.nan));
    }
    frexpf(a, &e);
    e = e - 1 - f.man_bits; /* exponent of a's own step */
    if (a == 0 || e < low) e = low;
    q = rintf(ldexpf(a, -e)); /* ties to even in the default rounding mode */
    pattern = (long)(e - low) * (1 << f.man_bits) + (long)q; /* a carry runs into the exponent */
    if (pattern > f.max) {
        if (saturate || t == SYN_F4E2M1) pattern = f.max;
        else return f.unsigned_zero ? 0x80 : (uint8_t)(sign | (f.inf ? f.inf : f.nan));
    }
    if (pattern == 0 && f.unsigned_zero) return 0;
    return (uint8_t)(sign | pattern);
}

uint16_t syn_f16_from_double(double v)
{
    const uint16_t sign = signbit(v) ? 0x8000 : 0;
    double a = fabs(v), q;
    int e;
    long pattern;
    if (isnan(v)) return sign | 0x7e00;
    if (a >= 65520) return sign | 0x7c00;
    frexp(a, &e);
    e = e - 11;
    if (a == 0 || e < -24) e = -24;
    q = rint(ldexp(a, -e));
    pattern = (long)(e + 24) * 1024 + (long)q;
    return (uint16_t)(sign | pattern);
}

static uint16_t bits16(const void *data, int64_t i)
{
    uint16_t b;
    memcpy(&b, (const char *)data + 2 * i, sizeof b);
    return b;
}
#define READ(type)                                                                                 \
    {                                                                                              \
        type x;                                                                                    \
        memcpy(&x, (const char *)data + (size_t)i * sizeof x, sizeof x);                           \
        return x;                                                                                  \
    }

double syn_element_double(syn_dtype t, const void *data, int64_t i)
{
    switch (t) {
    case SYN_F32: READ(float)
    case SYN_F64: READ(double)
    case SYN_F16: return (double)syn_f16_to_float(bits16(data, i));
    case SYN_BF16: return (double)syn_bf16_to_float(bits16(data, i));
    case SYN_U64: {
        uint64_t x;
        memcpy(&x, (const char *)data + 8 * i, sizeof x);
        return (double)x;
    }
    case SYN_F8E4M3FN:
    case SYN_F8E4M3FNUZ:
    case SYN_F8E5M2:
    case SYN_F8E5M2FNUZ:
    case SYN_F8E8M0:
    case SYN_F4E2M1: return (double)syn_small_float(t, ((const uint8_t *)data)[i]);
    default: return (double)syn_element_int(t, data, i);
    }
}

/* Truncated; out of the 64-bit range or NaN: 0 for NaN, the nearest end otherwise. */
static int64_t to_int(double v)
{
    if (isnan(v)) return 0;
    if (v >= 0x1p63) return v >= 0x1p64 ? INT64_MAX : (int64_t)(uint64_t)v;
    return v < -0x1p63 ? INT64_MIN : (int64_t)v;
}

int64_t syn_element_int(syn_dtype t, const void *data, int64_t i)
{
    switch (t) {
    case SYN_I64: READ(int64_t)
    case SYN_U64: {
        uint64_t x;
        memcpy(&x, (const char *)data + 8 * i, sizeof x);
        return (int64_t)x;
    }
    case SYN_I32: READ(int32_t)
    case SYN_U32: READ(uint32_t)
    case SYN_I16: READ(int16_t)
    case SYN_U16: READ(uint16_t)
    case SYN_I8:
    case SYN_I4:
    case SYN_I2: READ(int8_t)
    case SYN_U8:
    case SYN_U4:
    case SYN_U2:
    case SYN_BOOL: READ(uint8_t)
    default: return to_int(syn_element_double(t, data, i));
    }
}

#define WRITE(type, value)                                                                         \
    {                                                                                              \
        type x = (type)(value);                                                                    \
        memcpy((char *)data + (size_t)i * sizeof x, &x, sizeof x);                                 \
        return;                                                                                    \
    }

void syn_element_put_int(syn_dtype t, void *data, int64_t i, int64_t v)
{
    switch (t) {
    case SYN_I64: WRITE(int64_t, v)
    case SYN_U64: WRITE(uint64_t, v)
    case SYN_I32: WRITE(int32_t, v)
    case SYN_U32: WRITE(uint32_t, v)
    case SYN_I16: WRITE(int16_t, v)
    case SYN_U16: WRITE(uint16_t, v)
    case SYN_I8: WRITE(int8_t, v)
    case SYN_U8: WRITE(uint8_t, v)
    case SYN_BOOL: WRITE(uint8_t, v != 0)
    case SYN_I4: WRITE(int8_t, (v & 15) >= 8 ? (v & 15) - 16 : v & 15)
    case SYN_U4: WRITE(uint8_t, v & 15)
    case SYN_I2: WRITE(int8_t, (v & 3) >= 2 ? (v & 3) - 4 : v & 3)
    case SYN_U2: WRITE(uint8_t, v & 3)
    default: syn_element_put_double(t, data, i, (double)v, true);
    }
}

/* double -> f32 -> bf16 rounds twice; going through a float rounded to odd rounds once. */
static uint16_t bf16_from_double(double v)
{
    float f = (float)v;
    uint32_t bits;
    if (isnan(v) || isinf(f) || (double)f == v) return syn_bf16_from_float(f);
    memcpy(&bits, &f, sizeof bits);
    if (fabs((double)f) > fabs(v)) bits--; /* towards zero, then sticky */
    bits |= 1;
    memcpy(&f, &bits, sizeof f);
    return syn_bf16_from_float(f);
}

void syn_element_put_double(syn_dtype t, void *data, int64_t i, double v, bool saturate)
{
    switch (t) {
    case SYN_F32: WRITE(float, v)
    case SYN_F64: WRITE(double, v)
    case SYN_F16: WRITE(uint16_t, syn_f16_from_double(v))
    case SYN_BF16: WRITE(uint16_t, bf16_from_double(v))
    case SYN_F8E4M3FN:
    case SYN_F8E4M3FNUZ:
    case SYN_F8E5M2:
    case SYN_F8E5M2FNUZ:
    case SYN_F8E8M0:
    case SYN_F4E2M1: WRITE(uint8_t, syn_small_from_float(t, (float)v, saturate))
    case SYN_BOOL: WRITE(uint8_t, v != 0) /* NaN is not 0 */
    default: syn_element_put_int(t, data, i, to_int(v));
    }
}

void syn_element_convert(syn_dtype from, const void *src, syn_dtype to, void *dst, int64_t n)
{
    if (from == to) {
        if (n) memcpy(dst, src, (size_t)n * syn_dtype_bytes(from));
        return;
    }
    if (to == SYN_F32 && (from == SYN_F16 || from == SYN_BF16)) {
        for (int64_t i = 0; i < n; i++) {
            const uint16_t b = bits16(src, i);
            const float x = from == SYN_F16 ? syn_f16_to_float(b) : syn_bf16_to_float(b);
            memcpy((char *)dst + 4 * i, &x, sizeof x);
        }
        return;
    }
    const bool whole = syn_dtype_kind(from) != 'F' && syn_dtype_kind(to) != 'F';
    for (int64_t i = 0; i < n; i++) {
        if (whole) syn_element_put_int(to, dst, i, syn_element_int(from, src, i));
        else syn_element_put_double(to, dst, i, syn_element_double(from, src, i), true);
    }
}
