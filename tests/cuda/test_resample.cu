/* test_resample.cu - kernels/cuda/resample.cu against the reference of RESIZE.
 *
 * Tolerance: u = 2^-24. Nearest is exact. Else the weights are rounded, each product and each
 * addition too: at most (2*width + 4) roundings on the way of a term, of which the sizes add up to
 * |x| * sum|wy| * sum|wx|. Weights of bilinear add up to 1, of bicubic (a = -3/4) to at most 11/8.
 * Weights of 0 must be multiplied too: a NaN under them shows in the reference. */
#include "tests/cuda/view_t.h"

struct resize {
    enum syn_resize_mode mode;
    enum syn_resize_coord coord;
    double scale; /* of both sides; 0: to out_h x out_w */
    int32_t out_h, out_w;
};
static const struct resize cases[] = {
    {SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, 2, 0, 0},
    {SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL, 0, 3, 13},
    {SYN_RESIZE_NEAREST, SYN_COORD_ALIGN_CORNERS, 0, 7, 1},
    {SYN_RESIZE_BILINEAR, SYN_COORD_HALF_PIXEL, 2, 0, 0},
    {SYN_RESIZE_BILINEAR, SYN_COORD_ALIGN_CORNERS, 1.7, 0, 0},
    {SYN_RESIZE_BILINEAR, SYN_COORD_ASYMMETRIC, 0, 2, 257},
    {SYN_RESIZE_BICUBIC, SYN_COORD_HALF_PIXEL, 2, 0, 0},
    {SYN_RESIZE_BICUBIC, SYN_COORD_ALIGN_CORNERS, 0, 9, 4},
    {SYN_RESIZE_BICUBIC, SYN_COORD_HALF_PIXEL, 0.5, 0, 0},
    {SYN_RESIZE_BILINEAR, SYN_COORD_ASYMMETRIC, 2, 0, 0}, /* half of the weights are 0 */
    {SYN_RESIZE_BICUBIC, SYN_COORD_ASYMMETRIC, 2, 0, 0},
};

/* An axis's taps as the backend makes them: clamped places, weights in f32. */
struct taps {
    std::vector<int32_t> at;
    std::vector<float> weight;
    int32_t *d_at;
    float *d_weight;
};
static struct taps taps_of(const struct syn_resize_axis *axis, struct cuda_taps *out)
{
    struct taps t;
    for (int64_t o = 0; o < axis->out; o++) {
        double w[4];
        int64_t first;
        out->width = syn_resize_taps(axis, o, &first, w);
        for (int32_t k = 0; k < out->width; k++) {
            const int64_t i = first + k, last = axis->in - 1;
            t.at.push_back((int32_t)(i < 0 ? 0 : i > last ? last : i));
            t.weight.push_back((float)w[k]);
        }
    }
    out->at = t.d_at = put(t.at.data(), t.at.size());
    out->weight = t.d_weight = put(t.weight.data(), t.weight.size());
    return t;
}
static void drop(struct taps *t)
{
    MUST(cudaFree(t->d_at));
    MUST(cudaFree(t->d_weight));
}

static void check(const struct resize &r, const struct extent &e, syn_dtype a, syn_dtype b,
                  uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "resize mode %d coord %d [%d,%d,%d,%d] %s to %s", r.mode, r.coord,
             e.n, e.c, e.h, e.w, syn_dtype_word(a), syn_dtype_word(b));
    std::vector<float> x = numbers(a, seed, count_of(e), -2, 2);
    if (seed % 3 == 0) x[x.size() / 2] = NAN;
    struct op_call t;
    struct syn_resize_axis axis[2];
    struct cuda_resize p = {};
    op_begin(&t, SYN_OP_RESIZE);
    op_in4(&t, x, e);
    op_int(&t, "mode", r.mode), op_int(&t, "coord", r.coord);
    if (r.scale > 0) op_float(&t, "scale_h", r.scale), op_float(&t, "scale_w", r.scale);
    else op_int(&t, "out_h", r.out_h), op_int(&t, "out_w", r.out_w);
    if (op_run(&t, what) != SYN_OK) return;
    syn_resize_axes(&t.c, axis);
    const std::vector<float> want(op_out(&t), op_out(&t) + t.n);
    op_end(&t);
    struct taps rows = taps_of(&axis[0], &p.rows), cols = taps_of(&axis[1], &p.cols);
    struct picture from = picture_of(a, e, x.data(), seed % 2 ? WIDE : PLAIN);
    struct picture y = picture_of(b, {e.n, e.c, (int32_t)axis[0].out, (int32_t)axis[1].out}, NULL,
                                  seed % 2 ? PLAIN : WIDE);
    p.x = from.view, p.y = y.view;
    const double sum = r.mode == SYN_RESIZE_BICUBIC ? 1.375 * 1.375 : 1;
    const double steps = r.mode == SYN_RESIZE_NEAREST ? 0 : 2 * p.rows.width + 4;
    const double calc = steps * 0x1p-24 * 2 * sum;
    expect(b, run_twice(&y, [&] { return cuda_resize_launch(&p, NULL, NULL); }, what), want,
           [&](size_t) { return calc; }, what);
    drop(&rows), drop(&cols), drop(&from), drop(&y);
}

int main(void)
{
    static const struct extent shapes[] = {
        {1, 1, 5, 7}, {2, 8, 4, 6}, {1, 17, 3, 11}, {2, 24, 5, 4}};
    uint64_t seed = 0;
    for (const struct resize &r : cases)
        for (const struct extent &e : shapes) {
            check(r, e, TYPES[seed % 3], TYPES[seed / 3 % 3], seed);
            seed++;
        }
    for (syn_dtype a : TYPES)
        for (syn_dtype b : TYPES) check(cases[3], {2, 3, 5, 7}, a, b, ++seed);
    check(cases[3], {1, 2056, 2, 2}, SYN_F16, SYN_F16, ++seed);
    check(cases[7], {1, 5, 1, 1}, SYN_F32, SYN_F32, 1);
    check(cases[0], {1, 8, 2, 257}, SYN_F16, SYN_F16, 0); /* blocks that do not fill the row */
    for (int i = 9; i < 11; i++) check(cases[i], {1, 9, 5, 6}, SYN_F32, SYN_F32, 3);
    check_clean();
    return t_report();
}
