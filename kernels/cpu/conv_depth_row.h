/* conv_depth_row.h - a row of a depthwise convolution in AVX-512: included after conv_row.h by the
 * files that make it for f32 and for bf16.
 *
 * Maths:    channels meet nobody but themselves, so a register holds sixteen of them for weights,
 *           inputs and sums.
 * Mapping:  3x3 kernels with stride 1 or 2, which is nearly all there are: up to 8 sums in
 *           registers; a row of the input is read once for its three taps, each pixel kept in a
 *           register while it serves them. Other kernels: tap after tap, seven sums.
 * Roofline: 9 FMAs a pixel. bf16 inputs take two more instructions a load to widen, as many as
 *           there are FMAs for; inputs that are still f32 (conv_pair.c) do not.
 * Tests:    tests/unit/test_cpu_conv_few.c, tests/unit/test_cpu_conv_pair.c against the
 *           references. */

#define DEPTH_PX 7

static inline __attribute__((always_inline)) __m512 depth_load(const void *x, int64_t at,
                                                               const bool wide)
{
    return wide ? _mm512_loadu_ps((const float *)x + at) : load_elem((const ELEM *)x + at);
}

static inline __attribute__((always_inline)) void depth_out(const struct cpu_row *r,
                                                            const __m512 *acc, int64_t px0,
                                                            const int n_px)
{
    _Alignas(64) float sums[8 * CPU_BLOCK];
    if (r->clip_only) {
        clipped(r, acc, 0, px0, n_px);
        return;
    }
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++) _mm512_store_ps(sums + p * CPU_BLOCK, acc[p]);
    epilogue(r, sums, px0, n_px);
}

static inline __attribute__((always_inline)) void depth_piece(const struct cpu_row *r, int64_t px0,
                                                              const int n_px, const bool wide)
{
    const float *w = r->w;
    __m512 acc[DEPTH_PX];
#pragma GCC unroll 7
    for (int p = 0; p < n_px; p++) acc[p] = _mm512_loadu_ps(r->bias);
    for (int32_t t = 0; t < r->n_taps; t++, w += CPU_BLOCK) {
        const int64_t at = px0 * r->x_pixel + r->tap_offset[t];
        const __m512 wt = _mm512_loadu_ps(w);
#pragma GCC unroll 7
        for (int p = 0; p < n_px; p++)
            acc[p] = _mm512_fmadd_ps(wt, depth_load(r->x, at + p * r->x_pixel, wide), acc[p]);
    }
    depth_out(r, acc, px0, n_px);
}

/* Loaded once and kept: the compiler would load again for each use. */
static inline __attribute__((always_inline)) __m512 depth_keep(const struct cpu_row *r, int64_t at,
                                                               const bool wide)
{
    __m512 v = depth_load(r->x, at, wide);
    __asm__("" : "+v"(v));
    return v;
}

/* One row of 3x3 kernels, stride 1: pixel q is tap q - p of sum p. */
static inline __attribute__((always_inline)) void depth_line1(const struct cpu_row *r, int64_t at,
                                                              const __m512 tap[3], __m512 *acc,
                                                              const int n_px, const bool wide)
{
#pragma GCC unroll 10
    for (int q = 0; q < n_px + 2; q++) {
        const __m512 v = depth_keep(r, at + q * CPU_BLOCK, wide);
#pragma GCC unroll 3
        for (int kx = 2; kx >= 0; kx--)
            if (q >= kx && q - kx < n_px) acc[q - kx] = _mm512_fmadd_ps(tap[kx], v, acc[q - kx]);
    }
}

/* Stride 2: even pixels serve two sums, odd ones one. A sum's three products lie a row of sums
 * apart, so that none waits for the one before. */
static inline __attribute__((always_inline)) void depth_line2(const struct cpu_row *r, int64_t at,
                                                              const __m512 tap[3], __m512 *acc,
                                                              const int n_px, const bool wide)
{
    __m512 even[9];
#pragma GCC unroll 9
    for (int p = 0; p <= n_px; p++) even[p] = depth_keep(r, at + 2 * p * CPU_BLOCK, wide);
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++) acc[p] = _mm512_fmadd_ps(tap[0], even[p], acc[p]);
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++)
        acc[p] = _mm512_fmadd_ps(tap[1], depth_keep(r, at + (2 * p + 1) * CPU_BLOCK, wide), acc[p]);
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++) acc[p] = _mm512_fmadd_ps(tap[2], even[p + 1], acc[p]);
}

static inline __attribute__((always_inline)) void depth_square(const struct cpu_row *r, int64_t px0,
                                                               const int n_px, const int stride,
                                                               const bool wide)
{
    const float *w = r->w;
    __m512 acc[8];
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++) acc[p] = _mm512_loadu_ps(r->bias);
#pragma GCC unroll 3
    for (int ky = 0; ky < 3; ky++, w += 3 * CPU_BLOCK) {
        const int64_t at = px0 * stride * CPU_BLOCK + r->tap_offset[3 * ky];
        const __m512 tap[3] = {_mm512_loadu_ps(w), _mm512_loadu_ps(w + CPU_BLOCK),
                               _mm512_loadu_ps(w + 2 * CPU_BLOCK)};
        if (stride == 1) depth_line1(r, at, tap, acc, n_px, wide);
        else depth_line2(r, at, tap, acc, n_px, wide);
    }
    depth_out(r, acc, px0, n_px);
}

/* Whether the taps are three rows of three neighbours. */
static bool is_square(const struct cpu_row *r)
{
    if (r->n_taps != 9 || (r->x_pixel != CPU_BLOCK && r->x_pixel != 2 * CPU_BLOCK)) return false;
    for (int t = 0; t < 9; t++)
        if (r->tap_offset[t] != r->tap_offset[t / 3 * 3] + t % 3 * CPU_BLOCK) return false;
    return true;
}

static inline __attribute__((always_inline)) void depth_row_of(const struct cpu_row *r,
                                                               const bool wide)
{
    int64_t px = 0;
    if (!is_square(r)) {
        for (; px + DEPTH_PX <= r->cols; px += DEPTH_PX) depth_piece(r, px, DEPTH_PX, wide);
        for (; px < r->cols; px++) depth_piece(r, px, 1, wide);
    } else if (r->x_pixel == CPU_BLOCK) {
        for (; px + 8 <= r->cols; px += 8) depth_square(r, px, 8, 1, wide);
        for (; px + 2 <= r->cols; px += 2) depth_square(r, px, 2, 1, wide);
        if (px < r->cols) depth_square(r, px, 1, 1, wide);
    } else {
        for (; px + 8 <= r->cols; px += 8) depth_square(r, px, 8, 2, wide);
        for (; px + 2 <= r->cols; px += 2) depth_square(r, px, 2, 2, wide);
        if (px < r->cols) depth_square(r, px, 1, 2, wide);
    }
}

static void depthwise(const struct cpu_row *r)
{
    if (r->x_f32 && ELEM_TYPE != SYN_F32) depth_row_of(r, true);
    else depth_row_of(r, false);
}
