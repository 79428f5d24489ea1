/* conv_wino_body.h - the transforms of Winograd's F(2x2, 3x3) in AVX-512, made twice: included by
 * conv_avx512.c (f32) and conv_avx512bf16.c (bf16) after conv_row.h, whose rows with one tap are
 * the products.
 *
 * Source:   Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), F(2x2,
 *           3x3).
 * Maths:    V = B^T d B for each 4x4 input tile, M = sum over channels of U * V at each of 16
 *           positions, output 2x2 = A^T M A. B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1], A^T =
 *           [1 1 1 0; 0 1 -1 -1]. All coefficients are 0 and +-1: in bf16 the error is that of
 *           plain bf16 to within a quarter.
 * Measured: EPYC, Zen 4, a block of sixteen channels of one tile in bf16, input and v in L2: 32
 *           cycles (16 of them for the stores alone). Tried, in turn: through lines in memory, 90
 *           (with a network's misses); columns in registers, 48; one load and two permutations
 *           for two pixels instead of a widening load and a shift each, 42; two thirds of the
 *           additions by multiply-adds, 32. Fetching ahead, for reading or writing: nothing.
 * Tests:    tests/unit/test_cpu_conv.c against the reference.
 *
 * The including file further defines load_two(p, a, b) and store_two(p, a, b): two blocks of
 * sixteen side by side; store_step(p, a, b): the weights of one step, a of its first and b of its
 * second channel. */

/* a + b and a - b to the same bits by the multiply-add units: Zen 4 has adders beside them, which
 * the rounding to bf16 occupies too, and the transforms are bound by these. `one` is 1 in a way
 * that the compiler does not see through. */
static inline __attribute__((always_inline)) __m512 plus(__m512 a, __m512 b, __m512 one)
{
    return _mm512_fmadd_ps(b, one, a);
}
static inline __attribute__((always_inline)) __m512 minus(__m512 a, __m512 b, __m512 one)
{
    return _mm512_fnmadd_ps(b, one, a);
}
static inline __attribute__((always_inline)) __m512 hidden_one(void)
{
    __m512 one = _mm512_set1_ps(1);
    __asm__("" : "+v"(one));
    return one;
}

/* B^T down one column of sixteen channels: what its four rows give. */
static inline __attribute__((always_inline)) void down_rows(const __m512 d[4], __m512 t[4])
{
    t[0] = _mm512_sub_ps(d[0], d[2]);
    t[1] = _mm512_add_ps(d[1], d[2]);
    t[2] = _mm512_sub_ps(d[2], d[1]);
    t[3] = _mm512_sub_ps(d[1], d[3]);
}
static inline __attribute__((always_inline)) void down_column(const ELEM *const row[4], int64_t x,
                                                              bool there, __m512 t[4])
{
    __m512 d[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        d[i] = there ? load_elem(row[i] + x * CPU_BLOCK) : _mm512_setzero_ps();
    down_rows(d, t);
}
static inline __attribute__((always_inline)) void down_two(const ELEM *const row[4], int64_t x,
                                                           __m512 t[2][4])
{
    __m512 d[2][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) load_two(row[i] + x * CPU_BLOCK, &d[0][i], &d[1][i]);
    down_rows(d[0], t[0]);
    down_rows(d[1], t[1]);
}

/* Two tiles from the six columns c, of which the last two become the next ones' first. */
static inline __attribute__((always_inline)) void along_rows(__m512 c[6][4], ELEM *v,
                                                             int64_t position, __m512 one)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++, v += 4 * position) {
        const __m512 c1 = c[1][i], c2 = c[2][i], c3 = c[3][i], c4 = c[4][i];
        store_two(v, minus(c[0][i], c2, one), minus(c2, c4, one));
        store_two(v + position, plus(c1, c2, one), plus(c3, c4, one));
        store_two(v + 2 * position, minus(c2, c1, one), minus(c4, c3, one));
        store_two(v + 3 * position, minus(c1, c3, one), minus(c3, c[5][i], one));
        c[0][i] = c4, c[1][i] = c[5][i];
    }
}

/* Nothing is kept but in registers, and every store is a whole line. */
static void wino_in(const struct cpu_wino_in *w)
{
    const ELEM *const row[4] = {w->row[0], w->row[1], w->row[2], w->row[3]};
    const int64_t tiles = w->tiles, position = w->v_position,
                  have = w->n_cols < 2 * tiles + 2 ? w->n_cols : 2 * tiles + 2;
    const __m512 one = hidden_one();
    ELEM *v = w->v;
    __m512 c[6][4];
    int64_t x = 0;
    down_column(row, 0, have > 0, c[0]);
    down_column(row, 1, have > 1, c[1]);
    for (; 2 * x + 6 <= have; x += 2, v += 2 * CPU_BLOCK) {
        down_two(row, 2 * x + 2, c + 2);
        down_two(row, 2 * x + 4, c + 4);
        along_rows(c, v, position, one);
    }
    for (; x < tiles; x += 2, v += 2 * CPU_BLOCK) { /* columns past the last one are zero */
#pragma GCC unroll 4
        for (int k = 2; k < 6; k++) down_column(row, 2 * x + k, 2 * x + k < have, c[k]);
        along_rows(c, v, position, one);
    }
}

/* The same transform for planes: at every column, so that parts of a kernel three columns apart
 * find theirs. */
static void nested_in(const struct cpu_nested_in *w)
{
    const int64_t line = cpu_nested_line(w->px),
                  have = w->n_cols < w->px + 3 ? w->n_cols : w->px + 3;
    for (int32_t c = 0; c < 4; c++) { /* down the columns */
        float *t = w->lines + 4 * c * line;
        for (int64_t x = 0; x < line; x += 16) {
            const __mmask16 m = c >= w->channels || x >= have ? (__mmask16)0
                                : have - x >= 16              ? (__mmask16)0xffff
                                                 : (__mmask16)((1u << (have - x)) - 1);
            __m512 d[4];
            for (int i = 0; i < 4; i++)
                d[i] = m ? _mm512_maskz_loadu_ps(m, w->row[c][i] + x) : _mm512_setzero_ps();
            _mm512_storeu_ps(t + x, _mm512_sub_ps(d[0], d[2]));
            _mm512_storeu_ps(t + line + x, _mm512_add_ps(d[1], d[2]));
            _mm512_storeu_ps(t + 2 * line + x, _mm512_sub_ps(d[2], d[1]));
            _mm512_storeu_ps(t + 3 * line + x, _mm512_sub_ps(d[1], d[3]));
        }
    }
    for (int i = 0; i < 4; i++) /* along the rows */
        for (int64_t x = 0; x < w->px; x += 16) {
            __m512 v[4][4]; /* position, channel */
#pragma GCC unroll 4
            for (int c = 0; c < 4; c++) {
                const float *p = w->lines + (4 * c + i) * line + x;
                const __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 1),
                             d = _mm512_loadu_ps(p + 2), e = _mm512_loadu_ps(p + 3);
                v[0][c] = _mm512_sub_ps(a, d);
                v[1][c] = _mm512_add_ps(b, d);
                v[2][c] = _mm512_sub_ps(d, b);
                v[3][c] = _mm512_sub_ps(b, e);
            }
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                store_fours((ELEM *)w->v + (4 * i + j) * w->v_position + 4 * x, v[j]);
        }
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* A^T M of one tile: two rows of four. */
static inline __attribute__((always_inline)) void tile_rows(const float *m, int64_t position,
                                                            __m512 one, __m512 up[4],
                                                            __m512 down[4])
{
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512 a = _mm512_load_ps(m + j * position),
                     b = _mm512_load_ps(m + (4 + j) * position),
                     c = _mm512_load_ps(m + (8 + j) * position),
                     d = _mm512_load_ps(m + (12 + j) * position);
        up[j] = plus(plus(a, b, one), c, one);
        down[j] = minus(minus(b, c, one), d, one);
    }
}

/* A row of those times A and the bias: two pixels. */
static inline __attribute__((always_inline)) __m512 left_pixel(const __m512 q[4], __m512 bias,
                                                               __m512 one)
{
    return plus(plus(q[0], q[1], one), plus(q[2], bias, one), one);
}
static inline __attribute__((always_inline)) __m512 right_pixel(const __m512 q[4], __m512 bias,
                                                                __m512 one)
{
    return plus(minus(minus(q[1], q[2], one), q[3], one), bias, one);
}

/* The same pixels one line lower: of the output and of what is added to it. */
static struct cpu_row lower_row(const struct cpu_wino_out *w)
{
    struct cpu_row r = *w->r;
    r.y = (char *)r.y + w->y_line * (int64_t)(r.y_dtype == SYN_F32 ? 4 : 2);
    if (r.res1)
        r.res1 = (const char *)r.res1 + w->res1_line * (int64_t)(r.res1_dtype == SYN_F32 ? 4 : 2);
    if (r.res2)
        r.res2 = (const char *)r.res2 + w->res2_line * (int64_t)(r.res2_dtype == SYN_F32 ? 4 : 2);
    return r;
}

/* Any output. */
static void any_tiles(const struct cpu_wino_out *w, int64_t x)
{
    const __m512 one = hidden_one(), bias = _mm512_loadu_ps(w->r->bias + w->o * CPU_BLOCK),
                 slope = _mm512_loadu_ps(w->r->slope + w->o * CPU_BLOCK);
    const struct cpu_row second = lower_row(w);
    for (; x < w->tiles; x++) {
        __m512 q[2][4];
        tile_rows(w->m + x * CPU_BLOCK, w->m_position, one, q[0], q[1]);
        for (int row = 0; row < w->rows; row++) {
            const struct cpu_row *r = row ? &second : w->r;
            const __m512 left = left_pixel(q[row], bias, one),
                         right = right_pixel(q[row], bias, one);
            store_block(r, finish(r, left, w->o, slope, 2 * x), w->o, 2 * x);
            if (2 * x + 1 < w->cols)
                store_block(r, finish(r, right, w->o, slope, 2 * x + 1), w->o, 2 * x + 1);
        }
    }
}

/* Whole tiles in blocks of ELEM, and so are their `res` summands, the usual: all that is the same
 * for all pixels stays in registers. */
static inline __attribute__((always_inline)) void whole_tiles(const struct cpu_wino_out *w,
                                                              int64_t tiles, const int res)
{
    const struct cpu_row *r = w->r;
    const __m512 one = hidden_one(), bias = _mm512_loadu_ps(r->bias + w->o * CPU_BLOCK),
                 slope = _mm512_loadu_ps(r->slope + w->o * CPU_BLOCK), low = _mm512_set1_ps(r->low),
                 high = _mm512_set1_ps(r->high), alpha = _mm512_set1_ps(r->alpha),
                 beta1 = _mm512_set1_ps(r->beta1), beta2 = _mm512_set1_ps(r->beta2);
    const int64_t position = w->m_position, y_line = w->y_line, line1 = w->res1_line,
                  line2 = w->res2_line;
    const float *m = w->m;
    ELEM *y = (ELEM *)r->y + w->o * r->y_block;
    const ELEM *res1 = res > 0 ? (const ELEM *)r->res1 + w->o * r->res1_block : NULL,
               *res2 = res > 1 ? (const ELEM *)r->res2 + w->o * r->res2_block : NULL;
    for (int64_t x = 0; x < tiles; x++, m += CPU_BLOCK) {
        __m512 q[2][4];
        tile_rows(m, position, one, q[0], q[1]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const int row = i / 2;
            const int64_t at = (2 * x + i % 2) * CPU_BLOCK;
            __m512 v = i % 2 ? right_pixel(q[row], bias, one) : left_pixel(q[row], bias, one);
            v = _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v,
                                   slope);
            v = _mm512_min_ps(high, _mm512_max_ps(low, v)); /* NaN: the second */
            v = _mm512_mul_ps(v, alpha);
            if (res > 0) v = _mm512_fmadd_ps(beta1, load_elem(res1 + row * line1 + at), v);
            if (res > 1) v = _mm512_fmadd_ps(beta2, load_elem(res2 + row * line2 + at), v);
            store_elem(y + row * y_line + at, v);
        }
    }
}

static void wino_out(const struct cpu_wino_out *w)
{
    const syn_dtype here = sizeof(ELEM) == 2 ? SYN_BF16 : SYN_F32;
    const struct cpu_row *r = w->r;
    const int res = !r->res1 ? 0 : !r->res2 ? 1 : 2;
    const bool usual = w->rows == 2 && !r->y_planes && r->y_dtype == here &&
                       r->y_pixel == CPU_BLOCK &&
                       (res < 1 || (r->res1_dtype == here && r->res1_pixel == CPU_BLOCK)) &&
                       (res < 2 || (r->res2_dtype == here && r->res2_pixel == CPU_BLOCK));
    const int64_t whole = usual ? w->cols / 2 : 0;
    if (res == 0) whole_tiles(w, whole, 0);
    else if (res == 1) whole_tiles(w, whole, 1);
    else whole_tiles(w, whole, 2);
    any_tiles(w, whole);
}

/* --- weights ---------------------------------------------------------------------------------- */

/* to[c * 16 + r] = from[r * line + c]: sixteen by sixteen. */
static inline __attribute__((always_inline)) void transpose16(const float *from, int64_t line,
                                                              float *to)
{
    __m512 r[16], t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(from + i * line);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) { /* quarter l of r[4 * m + j]: column 4 * l + j, rows 4 * m .. */
        const int m = i / 2 * 4, h = i % 2;
        const __m512d a = (__m512d)t[m + h], b = (__m512d)t[m + 2 + h];
        r[m + 2 * h] = (__m512)_mm512_unpacklo_pd(a, b);
        r[m + 2 * h + 1] = (__m512)_mm512_unpackhi_pd(a, b);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512 even0 = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88),
                     even1 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88),
                     odd0 = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd),
                     odd1 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
        _mm512_store_ps(to + j * 16, _mm512_shuffle_f32x4(even0, even1, 0x88));
        _mm512_store_ps(to + (4 + j) * 16, _mm512_shuffle_f32x4(odd0, odd1, 0x88));
        _mm512_store_ps(to + (8 + j) * 16, _mm512_shuffle_f32x4(even0, even1, 0xdd));
        _mm512_store_ps(to + (12 + j) * 16, _mm512_shuffle_f32x4(odd0, odd1, 0xdd));
    }
}

/* One line of G times three numbers, for all four lines: conv_wino.c's times_g, sixteen output
 * channels at once. */
static inline __attribute__((always_inline)) void times_g16(__m512 a, __m512 b, __m512 c,
                                                            __m512 *u, int stride)
{
    const __m512 half = _mm512_set1_ps(0.5f), ends = _mm512_mul_ps(half, _mm512_add_ps(a, c)),
                 middle = _mm512_mul_ps(half, b);
    u[0] = a;
    u[stride] = _mm512_add_ps(ends, middle);
    u[2 * stride] = _mm512_sub_ps(ends, middle);
    u[3 * stride] = c;
}

/* U = G g G^T of one input channel; t: [9][16]. */
static inline __attribute__((always_inline)) void weights16(const float *t, __m512 u[16])
{
    __m512 down[12]; /* 4 x 3 */
#pragma GCC unroll 3
    for (int x = 0; x < 3; x++)
        times_g16(_mm512_load_ps(t + x * 16), _mm512_load_ps(t + (3 + x) * 16),
                  _mm512_load_ps(t + (6 + x) * 16), down + x, 3);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        times_g16(down[3 * i], down[3 * i + 1], down[3 * i + 2], u + 4 * i, 1);
}

static void wino_weights(const struct cpu_wino_weights *w)
{
    _Alignas(64) float t[CPU_BLOCK * 9 * 16];
    for (int o = 0; o < w->n_out; o++) {
        for (int c = 0; c < 9; c++)
            transpose16(w->g + o * 16 * CPU_BLOCK * 9 + c * 16, CPU_BLOCK * 9, t + c * 256);
        for (int64_t k = 0; k < w->n_k; k += STEP) {
            ELEM *to = (ELEM *)w->u + (k * w->n_out + o * STEP) * CPU_BLOCK;
            __m512 a[16], b[16];
            weights16(t + k * 144, a);
            weights16(t + (k + STEP - 1) * 144, b);
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++) store_step(to + i * w->u_position, a[i], b[i]);
        }
    }
}
