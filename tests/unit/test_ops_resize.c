/* test_ops_resize.c - RESIZE: coordinates that tie (A32), onnxruntime's numbers, sizes, refusals.
 * */
#include "kernels/base/alloc.h"
#include "tests/op_call.h"

/* Results of onnxruntime 1.32 for x[i] = ((i*7 + 3) % 17 - 8) / 4, cubic_coeff_a -0.75. */
static const struct resize_case {
    int32_t mode, coord, round;
    int64_t h, w, out_h, out_w;
    float scale_h, scale_w;
    int64_t ho, wo;
} cases[] = {
    {1, 0, 0, 3, 5, 4, 3, 0, 0, 4, 3},
    {1, 1, 0, 3, 5, 4, 3, 0, 0, 4, 3},
    {1, 2, 0, 3, 5, 4, 3, 0, 0, 4, 3},
    {2, 0, 0, 3, 5, 4, 3, 0, 0, 4, 3},
    {2, 1, 0, 3, 5, 4, 3, 0, 0, 4, 3},
    {2, 2, 0, 3, 5, 4, 3, 0, 0, 4, 3},
    {1, 0, 0, 1, 2, 3, 1, 0, 0, 3, 1},
    {2, 0, 0, 2, 1, 1, 5, 0, 0, 1, 5},
    {1, 2, 0, 4, 3, 1, 6, 0, 0, 1, 6},
    {0, 0, 0, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 0, 1, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 0, 2, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 0, 3, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 1, 0, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 1, 1, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 1, 2, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 1, 3, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 2, 0, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 2, 1, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 2, 2, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 2, 3, 3, 7, 5, 4, 0, 0, 5, 4},
    {0, 1, 2, 3, 3, 0, 0, 2.0f, 1.4f, 6, 4},
    {1, 0, 0, 3, 4, 0, 0, 0.7f, 1.6f, 2, 6},
    {2, 0, 0, 3, 4, 0, 0, 1.3f, 0.8f, 3, 3},
    {1, 1, 0, 4, 3, 0, 0, 0.6f, 2.5f, 2, 7},
    {0, 0, 1, 5, 4, 0, 0, 0.7f, 1.9f, 3, 7},
};
static const float want[] = {
    -0.66666675f, -2, 0.9166664f, -0.5104167f, -1.84375f, 1.0729164f, -0.3229167f, -1.65625f,
    1.2604164f, -0.16666669f, -1.5f, 1.4166664f, -1.25f, -1.1666665f, 0.3333332f, -1.0625f,
    -0.9791665f, 0.5208332f, -0.875f, -0.7916666f, 0.7083332f, -0.75f, -0.66666657f, 0.8333332f,
    -1.25f, -2, 1.5f, -1.0833333f, -1.8333334f, 1.6666667f, -0.9166666f, -1.6666667f, 1.8333334f,
    -0.75f, -1.5f, 2, -0.57813036f, -2.0179443f, 1.0283532f, -0.42773965f, -1.8675537f,
    1.1787436f, -0.19263214f, -1.6324463f, 1.4138508f, -0.042241447f, -1.4820557f, 1.5642414f,
    -1.25f, -1.3101847f, 0.49537098f, -1.0830078f, -1.1431925f, 0.66236323f, -0.8515625f,
    -0.9117473f, 0.8938086f, -0.7236328f, -0.78381777f, 1.0217383f, -1.25f, -2, 1.5f, -1.106482f,
    -1.8564823f, 1.6435192f, -0.89351827f, -1.6435181f, 1.856481f, -0.75f, -1.5f, 2, -0.375f,
    -0.375f, -0.375f, -0.37499994f, -0.37500012f, -0.375f, -0.37500012f, -0.37499982f, -1.25f,
    -0.55f, 0.15000002f, -0.00000011920929f, -1, -2, -1.25f, -2, 1.5f, 0.75f, -1.25f, -2, 1.5f,
    0.75f, -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, 2, 1.25f, 0.5f, -0.25f, -1.25f, -2,
    1.5f, 0.75f, -1.25f, -2, 1.5f, 0.75f, -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, 2,
    1.25f, 0.5f, -0.25f, -1.25f, -2, -0.25f, -1, -1.25f, -2, -0.25f, -1, -1.75f, 1.75f, -0.75f,
    -1.5f, -1.75f, 1.75f, -0.75f, -1.5f, 2, 1.25f, -1.25f, -2, 0.5f, -0.25f, 1.5f, 0.75f, 0,
    -0.75f, 1, 0.25f, 0, -0.75f, 1, 0.25f, -0.5f, -1.25f, 0.5f, -0.25f, -0.5f, -1.25f, 0.5f,
    -0.25f, -1.25f, -2, -0.25f, -1, -1.75f, 1.75f, -0.75f, -1.5f, -1.75f, 1.75f, -0.75f, -1.5f, 2,
    1.25f, -1.25f, -2, 2, 1.25f, -1.25f, -2, -1.25f, -2, 1.5f, -1, -1.75f, 1.75f, 1, -1.5f,
    -1.75f, 1.75f, 1, -1.5f, 2, 1.25f, 0.5f, -2, 2, 1.25f, 0.5f, -2, -1.25f, 0.5f, -0.25f, -1,
    -1.25f, 0.5f, -0.25f, -1, -1.75f, 0, -0.75f, -1.5f, -1.75f, 0, -0.75f, -1.5f, 2, -0.5f,
    -1.25f, -2, -1.25f, -2, 1.5f, 0.75f, -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, 2,
    1.25f, 0.5f, -0.25f, 2, 1.25f, 0.5f, -0.25f, -1.25f, -2, 1.5f, 0.75f, -1.25f, -2, 1.5f, 0.75f,
    -1.75f, 1.75f, 1, 0.25f, -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, -1.25f, -2, 1.5f,
    0.75f, -1.75f, 1.75f, 1, 0.25f, -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, 2, 1.25f,
    0.5f, -0.25f, -1.25f, -2, 1.5f, 0.75f, -1.25f, -2, 1.5f, 0.75f, -1.75f, 1.75f, 1, 0.25f,
    -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, -1.25f, -2, 1.5f, 0.75f, -1.75f, 1.75f, 1,
    0.25f, -1.75f, 1.75f, 1, 0.25f, 2, 1.25f, 0.5f, -0.25f, 2, 1.25f, 0.5f, -0.25f, -1.25f,
    -1.25f, 0.5f, -2, -1.25f, -1.25f, 0.5f, -2, -0.25f, -0.25f, 1.5f, -1, -0.25f, -0.25f, 1.5f,
    -1, 0.75f, 0.75f, -1.75f, 0, 0.75f, 0.75f, -1.75f, 0, -0.6607142f, -0.29352674f, 0.079241045f,
    -0.91406244f, -1.1484375f, -0.62388396f, 0.5357144f, 0.63727677f, 0.7064732f, 0.09263396f,
    -0.14174104f, 0.003348112f, -1.1947086f, -0.3134595f, -1.0665146f, 0.58945596f, -0.5841736f,
    -0.94036406f, 1.0409663f, 0.08569949f, -0.3126641f, -1.25f, -0.55f, 0.15000002f,
    -0.00000011920929f, -1, -2, -2, 0.41666663f, -0.016666591f, -0.44999993f, -0.5999998f,
    -0.46666658f, -0.33333337f, -0.33333337f, -1.25f, -1.25f, 0.5f, 0.5f, -2, -2, -0.25f, 0, 0,
    1.75f, 1.75f, -0.75f, -0.75f, 1, -1.5f, -1.5f, 0.25f, 0.25f, 2, 2, -0.5f,
};

static void test_vectors(void)
{
    size_t used = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct resize_case *k = &cases[i];
        float x[64];
        char what[32];
        struct op_call t;
        for (int64_t e = 0; e < k->h * k->w; e++) x[e] = (float)((e * 7 + 3) % 17 - 8) / 4;
        snprintf(what, sizeof what, "case %zu", i);
        op_begin(&t, SYN_OP_RESIZE);
        op_in(&t, x, OP_DIMS(1, 1, k->h, k->w));
        op_int(&t, "mode", k->mode), op_int(&t, "coord", k->coord), op_int(&t, "round", k->round);
        op_int(&t, "out_h", k->out_h), op_int(&t, "out_w", k->out_w);
        op_float(&t, "scale_h", (double)k->scale_h), op_float(&t, "scale_w", (double)k->scale_w);
        /* its coordinates and weights are float32: 20 roundings of numbers below 4, positions below
         * 8 */
        op_expect(&t, want + used, k->ho * k->wo, k->mode == SYN_RESIZE_NEAREST ? 0 : 1e-5, what);
        op_expect_shape(&t, OP_DIMS(1, 1, k->ho, k->wo), what);
        used += (size_t)(k->ho * k->wo);
        op_end(&t);
    }
    T_CHECK(used == sizeof want / sizeof *want, "%zu numbers used", used);
}

/* A row (or a column) of 0..in-1 through nearest Resize; got[out]. */
static void nearest(int64_t in, int64_t out, double scale, int coord, int how, bool column,
                    float *got)
{
    float x[64];
    struct op_call t;
    for (int64_t i = 0; i < in; i++) x[i] = (float)i;
    op_begin(&t, SYN_OP_RESIZE);
    op_in(&t, x, OP_DIMS(1, 1, column ? in : 1, column ? 1 : in));
    op_int(&t, "coord", coord), op_int(&t, "round", how);
    op_float(&t, column ? "scale_h" : "scale_w", scale), op_int(&t, column ? "out_w" : "out_h", 1);
    if (scale == 0) op_int(&t, column ? "out_h" : "out_w", out);
    if (op_run(&t, "nearest") == SYN_OK) {
        op_expect_shape(&t, OP_DIMS(1, 1, column ? out : 1, column ? 1 : out), "nearest");
        if (t.n == out) memcpy(got, op_out(&t), (size_t)out * sizeof *got);
    }
    op_end(&t);
}

/* A32: ties are ties, by `sizes` and by a scale that was rounded to float32 on its way. */
static void test_A32_ties(void)
{
    static const struct {
        int64_t in, out, from, n;
        int coord, how;
        float want[6];
    } ties[] = {{20, 6, 0, 6, SYN_COORD_HALF_PIXEL, SYN_ROUND_PREFER_CEIL, {1, 5, 8, 11, 15, 18}},
                {26, 64, 30, 5, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, {12, 12, 13, 13, 13}},
                {4, 6, 0, 6, SYN_COORD_HALF_PIXEL, SYN_ROUND_PREFER_FLOOR, {0, 0, 1, 2, 2, 3}},
                {4, 6, 0, 6, SYN_COORD_ASYMMETRIC, SYN_ROUND_PREFER_FLOOR, {0, 1, 1, 2, 3, 3}},
                {4, 6, 0, 6, SYN_COORD_ALIGN_CORNERS, SYN_ROUND_PREFER_FLOOR, {0, 1, 1, 2, 2, 3}}};
    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++)
        for (int form = 0; form < 8;
             form++) { /* rows or columns; sizes, float32 scale and its neighbours */
            const float middle = (float)((double)ties[i].out / (double)ties[i].in);
            const float scale[4] = {0, middle, nextafterf(middle, 0), nextafterf(middle, 9)};
            const double exact = (double)ties[i].out / (double)ties[i].in;
            float got[64] = {0};
            int64_t good = 0;
            /* the neighbour on the far side is more than one step away from the ratio */
            if (fabs((double)scale[form / 2] - exact) > (double)(nextafterf(middle, 9) - middle) &&
                form > 1)
                continue;
            nearest(ties[i].in, ties[i].out, (double)scale[form / 2], ties[i].coord, ties[i].how,
                    form % 2, got);
            for (int64_t e = 0; e < ties[i].n; e++)
                good += got[ties[i].from + e] == ties[i].want[e];
            T_CHECK(good == ties[i].n, "tie %zu form %d: %lld of %lld right", i, form,
                    (long long)good, (long long)ties[i].n);
        }
}

/* Against a slow search in whole numbers: nearest by half_pixel of every pair of lengths up to 24.
 * */
static void test_A32_all_small_ratios(void)
{
    int64_t good = 0, all = 0;
    for (int64_t in = 1; in <= 24; in++)
        for (int64_t out = 1; out <= 24; out++)
            for (int64_t o = 0; o < out; o++) {
                const struct syn_resize_axis ax = {SYN_RESIZE_NEAREST,
                                                   SYN_COORD_HALF_PIXEL,
                                                   SYN_ROUND_PREFER_CEIL,
                                                   in,
                                                   out,
                                                   0,
                                                   -0.75};
                int64_t first = -9, nearest_pixel = -1;
                double weight[4];
                /* pixel i is nearest when |2*out*(i - s)| is least; of two, the higher */
                for (int64_t i = -1; i <= in; i++) {
                    int64_t d = llabs(2 * out * i - ((2 * o + 1) * in - out));
                    if (d <= llabs(2 * out * nearest_pixel - ((2 * o + 1) * in - out)))
                        nearest_pixel = i;
                }
                all++;
                good += syn_resize_taps(&ax, o, &first, weight) == 1 && first == nearest_pixel &&
                        weight[0] == 1;
            }
    T_CHECK(good == all, "%lld of %lld right", (long long)good, (long long)all);
}

/* Lengths of 2^40: coordinates stay exact where doubles would not hold (2o+1)*in. */
static void test_A38_long_axes(void)
{
    const int64_t n = (int64_t)1 << 40;
    struct syn_resize_axis ax = {
        SYN_RESIZE_BILINEAR, SYN_COORD_HALF_PIXEL, SYN_ROUND_FLOOR, n - 1, n, 0, -0.75};
    struct op_call t;
    int64_t first = 0;
    double weight[4] = {0};
    int32_t taps = syn_resize_taps(&ax, n - 1, &first, weight);
    T_CHECK(taps == 2 && first == n - 2, "%d taps from %lld", (int)taps, (long long)first);
    /* s = (2n-1)(n-1)/(2n) - 1/2 = n - 2 + 1/(2n) */
    T_CHECK(weight[1] == 1 / (2 * (double)n) && weight[0] == 1 - weight[1], "weight %g", weight[1]);
    ax.coord = SYN_COORD_ALIGN_CORNERS;
    taps = syn_resize_taps(&ax, n - 1, &first, weight);
    T_CHECK(taps == 2 && first == n - 2 && weight[1] == 0, "corner: %d taps from %lld", (int)taps,
            (long long)first);
    op_begin(&t, SYN_OP_RESIZE);
    op_in(&t, NULL, OP_DIMS(8, 512, 512, 512)), op_float(&t, "scale_h", 2),
        op_float(&t, "scale_w", 2);
    T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
    op_expect_shape(&t, OP_DIMS(8, 512, 1024, 1024), "A38");
    op_end(&t);
    op_begin(&t, SYN_OP_RESIZE);
    op_in(&t, NULL, OP_DIMS(1, 3, 8, 8)), op_int(&t, "out_h", (int64_t)1 << 32),
        op_int(&t, "out_w", (int64_t)1 << 32);
    op_refuse(&t, SYN_TOO_LARGE, "output has shape [1, 3, 4294967296, 4294967296]");
}

/* Weights sum to 1 everywhere, taps stay within one kernel of the axis, linear ramps stay linear
 * inside. */
static void test_weights(void)
{
    int64_t good = 0, all = 0;
    for (int mode = 0; mode <= SYN_RESIZE_BICUBIC; mode++)
        for (int coord = 0; coord <= SYN_COORD_ALIGN_CORNERS; coord++)
            for (int64_t in = 1; in <= 9; in++)
                for (int64_t out = 1; out <= 23; out++)
                    for (int64_t o = 0; o < out; o++) {
                        const struct syn_resize_axis ax = {(enum syn_resize_mode)mode,
                                                           (enum syn_resize_coord)coord,
                                                           SYN_ROUND_PREFER_FLOOR,
                                                           in,
                                                           out,
                                                           0,
                                                           -0.5};
                        int64_t first;
                        double weight[4], sum = 0, where = 0;
                        const int32_t n = syn_resize_taps(&ax, o, &first, weight);
                        for (int32_t i = 0; i < n; i++)
                            sum += weight[i], where += weight[i] * (double)(first + i);
                        double s = coord == SYN_COORD_HALF_PIXEL
                                       ? ((double)o + 0.5) * (double)in / (double)out - 0.5
                                   : coord == SYN_COORD_ASYMMETRIC
                                       ? (double)o * (double)in / (double)out
                                   : out == 1 ? 0
                                              : (double)o * (double)(in - 1) / (double)(out - 1);
                        all++;
                        good += fabs(sum - 1) < 1e-12 && first >= -2 - in &&
                                first + n <= 2 * in + 3 &&
                                fabs(where - s) <=
                                    (mode == SYN_RESIZE_NEAREST ? 0.5 + 1e-12 : 1e-12 * 32);
                    }
    T_CHECK(good == all, "%lld of %lld right", (long long)good, (long long)all);
}

static void refuse(const char *name_h, double h, const char *name_w, double w, const char *words)
{
    struct op_call t;
    op_begin(&t, SYN_OP_RESIZE);
    op_in(&t, NULL, OP_DIMS(1, 3, 4, 5));
    if (name_h)
        op_attr(&t, name_h[0] == 's' ? syn_attr_of_float(name_h, h)
                                     : syn_attr_of_int(name_h, (int64_t)h));
    if (name_w)
        op_attr(&t, name_w[0] == 's' ? syn_attr_of_float(name_w, w)
                                     : syn_attr_of_int(name_w, (int64_t)w));
    op_refuse(&t, SYN_INVALID, words);
}

static void test_refusals(void)
{
    struct op_call t;
    refuse(NULL, 0, NULL, 0, "out_h = 0 and scale_h = 0: one of the two must be over 0");
    refuse("scale_h", 2, NULL, 0, "out_w = 0 and scale_w = 0");
    refuse("scale_h", 2, "out_h", 8, "out_h = 8 and scale_h = 2");
    refuse("scale_h", 0.2, "scale_w", 0.3, "scale_h = 0.2 makes 4 pixels 0");
    refuse("scale_h", -1, NULL, 0, "attribute scale_h = -1");
    refuse("scale_h", (double)NAN, NULL, 0, "attribute scale_h = ");
    refuse("out_h", -8, NULL, 0, "attribute out_h = -8");
    refuse("out_h", 8, "scale_w", 0x1p40, "scale_w = 1.09951e+12 makes 5 pixels");
    op_begin(&t, SYN_OP_RESIZE);
    op_in(&t, NULL, OP_DIMS(1, 4, 5)), op_int(&t, "out_h", 2), op_int(&t, "out_w", 2);
    op_refuse(&t, SYN_INVALID, "x has shape [1, 4, 5]: must have rank 4");
}

static void test_no_memory(void)
{
    const float x[4] = {1, 2, 3, 4};
    for (long n = 1; n <= 2; n++) {
        float y[4] = {9, 9, 9, 9};
        struct op_call t;
        op_begin(&t, SYN_OP_RESIZE);
        op_in(&t, x, OP_DIMS(1, 1, 2, 2)), op_int(&t, "out_h", 2), op_int(&t, "out_w", 2);
        T_CHECK(op_shape(&t) == SYN_OK, "%s", t.err.text);
        t.c.out[0].data = y;
        syn_alloc_fail_at(n);
        T_CHECK(t.c.op->reference(&t.c, &t.err) == SYN_NO_MEMORY && strstr(t.err.text, "2 x 2"),
                "%s", t.err.text);
        syn_alloc_fail_at(0);
        T_CHECK(t.c.op->reference(&t.c, &t.err) == SYN_OK && memcmp(x, y, sizeof y) == 0, "%s",
                t.err.text);
        op_end(&t);
    }
}

int main(void)
{
    test_vectors();
    test_A32_ties();
    test_A32_all_small_ratios();
    test_A38_long_axes();
    test_weights();
    test_refusals();
    test_no_memory();
    return t_report();
}
