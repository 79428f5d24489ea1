/* conv_depth_row.h - a row of a depthwise convolution in AVX-512: included after conv_row.h by the
 * files that make it for f32 and for bf16.
 *
 * Maths:    channels meet nobody but themselves, so a register holds sixteen of them for weights,
 *           inputs and sums.
 * Mapping:  3x3 kernels with stride 1 or 2, which is nearly all there are: up to 8 (stride 2: 4)
 *           sums in registers; a row of the input is read once for its three taps, each pixel kept
 *           in a register while it serves them. Other kernels: tap after tap, seven sums.
 * Roofline: 9 FMAs a pixel; the 3.75 loads (5 with stride 2), in bf16 widened by two instructions
 *           each, fit beside them.
 * Tests:    tests/unit/test_cpu_conv_few.c against the reference. */

#define DEPTH_PX 7

static inline __attribute__((always_inline)) void depth_out(const struct cpu_row *r,
                                                            const __m512 *acc, int64_t px0,
                                                            const int n_px)
{
    _Alignas(64) float sums[8 * CPU_BLOCK];
    if (r->clip_only && r->y_dtype == ELEM_TYPE) {
        clipped(r, acc, 0, px0, n_px);
        return;
    }
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++) _mm512_store_ps(sums + p * CPU_BLOCK, acc[p]);
    epilogue(r, sums, px0, n_px);
}

static inline __attribute__((always_inline)) void depth_piece(const struct cpu_row *r, int64_t px0,
                                                              const int n_px)
{
    const ELEM *x0 = (const ELEM *)r->x + px0 * r->x_pixel;
    const float *w = r->w;
    __m512 acc[DEPTH_PX];
#pragma GCC unroll 7
    for (int p = 0; p < n_px; p++) acc[p] = _mm512_loadu_ps(r->bias);
    for (int32_t t = 0; t < r->n_taps; t++, w += CPU_BLOCK) {
        const ELEM *x = x0 + r->tap_offset[t];
        const __m512 wt = _mm512_loadu_ps(w);
#pragma GCC unroll 7
        for (int p = 0; p < n_px; p++)
            acc[p] = _mm512_fmadd_ps(wt, load_elem(x + p * r->x_pixel), acc[p]);
    }
    depth_out(r, acc, px0, n_px);
}

/* 3x3: input pixel q of the row is tap q - p * stride of sum p. */
static inline __attribute__((always_inline)) void depth_square(const struct cpu_row *r, int64_t px0,
                                                               const int n_px, const int stride)
{
    const float *w = r->w;
    __m512 acc[8];
#pragma GCC unroll 8
    for (int p = 0; p < n_px; p++) acc[p] = _mm512_loadu_ps(r->bias);
    for (int ky = 0; ky < 3; ky++, w += 3 * CPU_BLOCK) {
        const ELEM *x = (const ELEM *)r->x + px0 * stride * CPU_BLOCK + r->tap_offset[3 * ky];
        const __m512 tap[3] = {_mm512_loadu_ps(w), _mm512_loadu_ps(w + CPU_BLOCK),
                               _mm512_loadu_ps(w + 2 * CPU_BLOCK)};
#pragma GCC unroll 16
        for (int q = 0; q < (n_px - 1) * stride + 3; q++) {
            const __m512 v = load_elem(x + q * CPU_BLOCK);
#pragma GCC unroll 3
            for (int kx = 2; kx >= 0; kx--)
                if (q >= kx && (q - kx) % stride == 0 && (q - kx) / stride < n_px)
                    acc[(q - kx) / stride] = _mm512_fmadd_ps(tap[kx], v, acc[(q - kx) / stride]);
        }
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

static void depthwise(const struct cpu_row *r)
{
    int64_t px = 0;
    if (!is_square(r)) {
        for (; px + DEPTH_PX <= r->cols; px += DEPTH_PX) depth_piece(r, px, DEPTH_PX);
        for (; px < r->cols; px++) depth_piece(r, px, 1);
    } else if (r->x_pixel == CPU_BLOCK) {
        for (; px + 8 <= r->cols; px += 8) depth_square(r, px, 8, 1);
        for (; px + 2 <= r->cols; px += 2) depth_square(r, px, 2, 1);
        if (px < r->cols) depth_square(r, px, 1, 1);
    } else {
        for (; px + 4 <= r->cols; px += 4) depth_square(r, px, 4, 2);
        for (; px < r->cols; px++) depth_square(r, px, 1, 2);
    }
}
