/* conv_row.h - the body of a convolution row in AVX-512, made twice: included by conv_avx512.c
 * (f32) and conv_avx512bf16.c (bf16).
 *
 * Maths:    acc[o][p] += w[o][k] * x[p][k]: output channels in the 16 lanes of a register, pixels
 *           in different registers. Per step one weight register for each output block and one
 *           input number (f32) or pair (bf16) for each pixel, broadcast.
 * Mapping:  2 output blocks x 14 pixels = 28 accumulators, 2 weights, 1 broadcast: 31 of 32
 *           registers. Rows are cut into pieces of nearly equal length (13 + 13 rather than 14 +
 *           12), each with its own unrolled function.
 * Roofline: 28 FMAs a step against 16 loads: bound by the FMA units.
 * Tests:    tests/unit/test_cpu_conv.c against the reference.
 *
 * The including file defines: ELEM (storage type) and ELEM_TYPE (its name), STEP (channels per FMA:
 * 1 or 2), BCAST(p), LOADW(p), FMA(acc, w, x), HALF(v) and FMA_HALF (the lower half of a register),
 * TO_STORED(v): sixteen f32 as bf16, and store_fours(p, v): four registers of a channel each as
 * sixteen pixels of four channels. */

#define MAX_PX_2 14
#define MAX_PX_1 28

static inline __attribute__((always_inline)) __m512 load_block(const void *p, syn_dtype t,
                                                               int64_t at)
{
    if (t == SYN_F32) return _mm512_loadu_ps((const float *)p + at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)((const uint16_t *)p + at))),
        16));
}

static inline __attribute__((always_inline)) __m512 load_elem(const ELEM *p)
{
    return load_block(p, ELEM_TYPE, 0);
}
static inline __attribute__((always_inline)) void store_elem(ELEM *p, __m512 v)
{
    if (sizeof(ELEM) == 2) _mm256_storeu_si256((__m256i *)p, TO_STORED(v));
    else _mm512_storeu_ps((float *)p, v);
}

static inline __attribute__((always_inline)) __m512 finish(const struct cpu_row *r, __m512 v, int o,
                                                           __m512 slope, int64_t px)
{
    v = _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope);
    v = _mm512_min_ps(_mm512_set1_ps(r->high),
                      _mm512_max_ps(_mm512_set1_ps(r->low), v)); /* NaN: the second */
    v = _mm512_mul_ps(v, _mm512_set1_ps(r->alpha));
    if (r->res1)
        v = _mm512_fmadd_ps(
            _mm512_set1_ps(r->beta1),
            load_block(r->res1, r->res1_dtype, o * r->res1_block + px * r->res1_pixel), v);
    if (r->res2)
        v = _mm512_fmadd_ps(
            _mm512_set1_ps(r->beta2),
            load_block(r->res2, r->res2_dtype, o * r->res2_block + px * r->res2_pixel), v);
    return v;
}

static inline __attribute__((always_inline)) void store_block(const struct cpu_row *r, __m512 v,
                                                              int o, int64_t px)
{
    int64_t at = o * r->y_block + px * r->y_pixel;
    if (r->y_planes) {
        float lane[16];
        _mm512_storeu_ps(lane, v);
        for (int c = 0; c < r->y_planes; c++)
            ((float *)r->y)[c * r->y_block + px * r->y_pixel] = lane[c];
    } else if (r->y_dtype == SYN_F32) _mm512_storeu_ps((float *)r->y + at, v);
    else _mm256_storeu_si256((__m256i *)((uint16_t *)r->y + at), TO_STORED(v));
}

/* No residuals, blocks: the usual. What is the same for all pixels stays in registers. */
static inline __attribute__((always_inline)) void plain_block(const struct cpu_row *r,
                                                              const float *sums, int o, int64_t px0,
                                                              int n_px, const bool f32)
{
    const __m512 slope = _mm512_loadu_ps(r->slope + o * CPU_BLOCK), low = _mm512_set1_ps(r->low),
                 high = _mm512_set1_ps(r->high), alpha = _mm512_set1_ps(r->alpha),
                 zero = _mm512_setzero_ps();
    const int64_t pixel = r->y_pixel;
    uint16_t *y16 = (uint16_t *)r->y + o * r->y_block + px0 * pixel;
    float *y32 = (float *)r->y + o * r->y_block + px0 * pixel;
    for (int p = 0; p < n_px; p++) {
        __m512 v = _mm512_load_ps(sums + p * CPU_BLOCK);
        v = _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, zero, _CMP_LT_OQ), v, slope);
        v = _mm512_mul_ps(_mm512_min_ps(high, _mm512_max_ps(low, v)), alpha); /* NaN: the second */
        if (f32) _mm512_storeu_ps(y32 + p * pixel, v);
        else _mm256_storeu_si256((__m256i *)(y16 + p * pixel), TO_STORED(v));
    }
}

/* px0: first pixel of this piece. pixel: elements between input pixels, a constant for stride 1.
 * The sums leave through memory, so that the epilogue is a loop and not unrolled into each of the
 * functions; but for those that are clipped and stored, see clipped(). */
static void epilogue(const struct cpu_row *r, const float *sums, int64_t px0, int n_px)
{
    for (int o = 0; o < r->n_out; o++) {
        const __m512 slope = _mm512_loadu_ps(r->slope + o * CPU_BLOCK);
        if (!r->res1 && !r->y_planes) {
            if (r->y_dtype == SYN_F32) plain_block(r, sums, o, px0, n_px, true);
            else plain_block(r, sums, o, px0, n_px, false);
            sums += n_px * CPU_BLOCK;
            continue;
        }
        for (int p = 0; p < n_px; p++, sums += CPU_BLOCK)
            store_block(r, finish(r, _mm512_load_ps(sums), o, slope, px0 + p), o, px0 + p);
    }
}

/* Clip and store, from registers: in layers of few input channels, where a sum is eight products,
 * the way through memory would take as long again. */
static inline __attribute__((always_inline)) void clipped(const struct cpu_row *r,
                                                          const __m512 *acc, int o, int64_t px0,
                                                          const int n_px)
{
    const __m512 low = _mm512_set1_ps(r->low), high = _mm512_set1_ps(r->high);
    const int64_t size = r->y_dtype == SYN_F32 ? 4 : 2, pixel = r->y_pixel * size;
    char *y = (char *)r->y + (o * r->y_block + px0 * r->y_pixel) * size;
    if (r->y_dtype == SYN_F32)
#pragma GCC unroll 28
        for (int p = 0; p < n_px; p++, y += pixel) /* NaN: the second */
            _mm512_storeu_ps((float *)y, _mm512_min_ps(high, _mm512_max_ps(low, acc[p])));
    else
#pragma GCC unroll 28
        for (int p = 0; p < n_px; p++, y += pixel)
            _mm256_storeu_si256((__m256i *)y,
                                TO_STORED(_mm512_min_ps(high, _mm512_max_ps(low, acc[p]))));
}

static inline __attribute__((always_inline)) void piece(const struct cpu_row *r, int64_t px0,
                                                        const int n_out, const int n_px,
                                                        const int64_t pixel, const bool half)
{
    _Alignas(64) float local[2 * MAX_PX_1 * CPU_BLOCK];
    float *sums = r->raw ? r->raw + px0 * CPU_BLOCK : local;
    const int64_t next =
        (r->raw ? r->cols : n_px) * CPU_BLOCK; /* from one output block's sums to the other's */
    const ELEM *w = (const ELEM *)r->w;
    __m512 acc[2][MAX_PX_1];
    __m256 lower[MAX_PX_2]; /* the second block's if it is a half */
#pragma GCC unroll 2
    for (int o = 0; o < n_out; o++)
#pragma GCC unroll 28
        for (int p = 0; p < n_px; p++) acc[o][p] = _mm512_loadu_ps(r->bias + o * CPU_BLOCK);
#pragma GCC unroll 14
    for (int p = 0; half && p < n_px; p++) lower[p] = _mm256_loadu_ps(r->bias + CPU_BLOCK);
    for (int32_t b = 0; b < r->n_blocks; b++) {
        const ELEM *xb = (const ELEM *)r->x + px0 * pixel + b * r->x_block;
        const int32_t n_k = b == r->n_blocks - 1 ? r->last_k : CPU_BLOCK;
        for (int32_t t = 0; t < r->n_taps; t++) {
            const ELEM *x = xb + r->tap_offset[t];
            for (int32_t k = 0; k < n_k; k += STEP, w += n_out * CPU_BLOCK * STEP) {
                const VEC w0 = LOADW(w), w1 = n_out == 2 ? LOADW(w + CPU_BLOCK * STEP) : w0;
#pragma GCC unroll 28
                for (int p = 0; p < n_px; p++) {
                    const VEC v = BCAST(x + k + p * pixel);
                    acc[0][p] = FMA(acc[0][p], w0, v);
                    if (half) lower[p] = FMA_HALF(lower[p], HALF(w1), HALF(v));
                    else if (n_out == 2) acc[1][p] = FMA(acc[1][p], w1, v);
                }
            }
        }
    }
#pragma GCC unroll 14
    for (int p = 0; half && p < n_px; p++) acc[1][p] = _mm512_zextps256_ps512(lower[p]);
    if (r->clip_only && !r->raw) {
        clipped(r, acc[0], 0, px0, n_px);
        if (n_out == 2) clipped(r, acc[1], 1, px0, n_px);
        return;
    }
#pragma GCC unroll 2
    for (int o = 0; o < n_out; o++)
#pragma GCC unroll 28
        for (int p = 0; p < n_px; p++) _mm512_store_ps(sums + o * next + p * CPU_BLOCK, acc[o][p]);
    if (!r->raw) epilogue(r, sums, px0, n_px);
}

/* piece_<output blocks>_<pixels>: neighbouring pixels; halved_...: of the second block, eight
 * channels at most, for half the work; strided_...: any distance. */
#define PIECE(n_out, n)                                                                            \
    static                                                                                         \
        __attribute__((noinline)) void piece_##n_out##_##n(const struct cpu_row *r, int64_t px0)   \
    {                                                                                              \
        piece(r, px0, n_out, n, CPU_BLOCK, false);                                                 \
    }
#define HALVED(n_out, n)                                                                           \
    static                                                                                         \
        __attribute__((noinline)) void halved_##n_out##_##n(const struct cpu_row *r, int64_t px0)  \
    {                                                                                              \
        piece(r, px0, n_out, n, CPU_BLOCK, true);                                                  \
    }
#define STRIDED(n_out, n)                                                                          \
    static                                                                                         \
        __attribute__((noinline)) void strided_##n_out##_##n(const struct cpu_row *r, int64_t px0) \
    {                                                                                              \
        piece(r, px0, n_out, n, r->x_pixel, false);                                                \
    }
#define UP_TO_6(X, o) X(o, 1) X(o, 2) X(o, 3) X(o, 4) X(o, 5) X(o, 6)
#define UP_TO_14(X, o)                                                                             \
    UP_TO_6(X, o) X(o, 7) X(o, 8) X(o, 9) X(o, 10) X(o, 11) X(o, 12) X(o, 13) X(o, 14)
#define UP_TO_28(X, o)                                                                             \
    UP_TO_14(X, o)                                                                                 \
    X(o, 15) X(o, 16) X(o, 17) X(o, 18) X(o, 19) X(o, 20) X(o, 21) X(o, 22) X(o, 23) X(o, 24)      \
        X(o, 25) X(o, 26) X(o, 27) X(o, 28)
UP_TO_28(PIECE, 1)
UP_TO_14(PIECE, 2)
UP_TO_14(HALVED, 2)
UP_TO_6(STRIDED, 1)
UP_TO_6(STRIDED, 2)
#define PIECE_ENTRY(n_out, n) piece_##n_out##_##n,
#define HALVED_ENTRY(n_out, n) halved_##n_out##_##n,
#define STRIDED_ENTRY(n_out, n) strided_##n_out##_##n,

typedef void piece_fn(const struct cpu_row *, int64_t);

static void row(const struct cpu_row *r)
{
    static piece_fn *const near1[] = {UP_TO_28(PIECE_ENTRY, 1)}, *const near2[] = {
                                                                     UP_TO_14(PIECE_ENTRY, 2)};
    static piece_fn *const far1[] = {UP_TO_6(STRIDED_ENTRY, 1)}, *const far2[] = {
                                                                     UP_TO_6(STRIDED_ENTRY, 2)};
    static piece_fn *const halved2[] = {UP_TO_14(HALVED_ENTRY, 2)};
    const bool near = r->x_pixel == CPU_BLOCK;
    piece_fn *const *fn = r->n_out == 2 ? (near ? near2 : far2) : near ? near1 : far1;
    const int64_t most = !near ? 6 : r->n_out == 2 ? MAX_PX_2 : MAX_PX_1;
    int64_t pieces = (r->cols + most - 1) / most, at = 0;
    if (fn == near2 && r->half) fn = halved2;
    for (int64_t i = 0; i < pieces; i++) {
        int64_t n = (r->cols - at + (pieces - i) - 1) / (pieces - i); /* even lengths */
        fn[n - 1](r, at);
        at += n;
    }
}
