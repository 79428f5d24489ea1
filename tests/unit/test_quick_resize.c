/* test_quick_resize.c - the quick Resize and Upsample against the reference; its rows in every
 * instruction set. */
#include "kernels/cpu/quick.h"
#include "kernels/cpu/resample.h"
#include "tests/quick_check.h"

extern const struct syn_quick cpu_quick_resize;

static void sizes_in(struct qc *q, int32_t rank, const int64_t *size)
{
    struct syn_tensor *t = &q->c.in[q->c.n_in++];
    const int64_t n = rank;
    t->shape = syn_shape_of(1, &n);
    t->dtype = SYN_I64;
    t->data = syn_alloc((size_t)n * sizeof *size);
    memcpy(t->data, size, (size_t)n * sizeof *size);
}
static void scales_in(struct qc *q, int32_t rank, const float *scale)
{
    struct syn_tensor *t = &q->c.in[q->c.n_in];
    const int64_t n = rank;
    qc_in(q, 1, &n, true, 0, 1);
    memcpy(t->data, scale, (size_t)n * sizeof *scale);
}

static const char *const modes[] = {"nearest", "linear", "cubic"};
static const char *const coords[] = {"half_pixel", "pytorch_half_pixel", "asymmetric",
                                     "align_corners", "half_pixel_symmetric"};
static const char *const rounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
static const int64_t lengths[][4] = {/* in and out, rows and columns */
    {5, 7, 10, 14},  {5, 7, 5, 14},    {5, 7, 10, 7},   {5, 7, 5, 7},   {1, 1, 9, 33}, {8, 40, 1, 1},
    {33, 65, 20, 31}, {16, 16, 64, 64}, {20, 90, 21, 91}, {3, 200, 7, 50}, {40, 6, 4, 130}};
#define LENGTHS ((int)(sizeof lengths / sizeof *lengths))

static void begin(struct qc *q, uint64_t seed, int l, const char *mode, const char *coord)
{
    qc_begin(q, SYN_OP_RESIZE_ND, seed);
    q->c.opset = 19;
    qc_in(q, QC_DIMS(2, 3, lengths[l][0], lengths[l][1]), false, -1, 1);
    qc_absent(q);
    qc_attr(q, syn_attr_of_text("mode", mode));
    qc_attr(q, syn_attr_of_text("coordinate_transformation_mode", coord));
}

static void test_modes(void)
{
    for (int l = 0; l < LENGTHS; l++)
        for (int form = 0; form < 3 * 5 * 4; form++) {
            const int mode = form % 3, coord = form / 3 % 5, round = form / 15;
            char what[96];
            struct qc q;
            if (mode && round > 1) continue;           /* for them: 1 = antialias */
            if (mode && round == 1 && l == 5) continue; /* over more pixels than are taken */
            snprintf(what, sizeof what, "resize %d %s %s %d", l, modes[mode], coords[coord], round);
            begin(&q, (uint64_t)(l * 60 + form), l, modes[mode], coords[coord]);
            qc_absent(&q);
            sizes_in(&q, 4, (const int64_t[]){2, 3, lengths[l][2], lengths[l][3]});
            if (mode == 0) qc_attr(&q, syn_attr_of_text("nearest_mode", rounds[round]));
            else qc_attr(&q, syn_attr_of_int("antialias", round));
            if (mode == 2) qc_attr(&q, syn_attr_of_float("cubic_coeff_a", -0.5));
            qc_check(&q, &cpu_quick_resize, mode ? 1e-6 : 0, what);
        }
}

/* By scales that are no ratios; opset 10 and Upsample; two dimensions; many planes, long rows. */
static void test_scales(void)
{
    static const float scales[][4] = {{1, 1, 2, 2}, {1, 1, 1.7f, 0.6f}, {1, 1, 0.3f, 3.1f}};
    for (int form = 0; form < 18; form++) {
        struct qc q;
        const int how = form % 3, mode = form / 3 % 2, s = form / 6;
        if (how < 2) begin(&q, 800, 6, modes[mode], coords[2]);
        else {
            qc_begin(&q, SYN_OP_UPSAMPLE, 800);
            qc_in(&q, QC_DIMS(2, 3, 33, 65), false, -1, 1);
            qc_attr(&q, syn_attr_of_text("mode", modes[mode]));
        }
        if (how == 1) {
            q.c.opset = 10;
            q.c.n_in = 1;
        }
        if (how == 2) q.c.opset = 9;
        scales_in(&q, 4, scales[s]);
        qc_check(&q, &cpu_quick_resize, mode ? 1e-6 : 0, "scales");
    }
    for (int mode = 0; mode < 3; mode++) {
        struct qc q;
        qc_begin(&q, SYN_OP_RESIZE_ND, 850);
        q.c.opset = 19;
        qc_in(&q, QC_DIMS(7, 300), false, -1, 1);
        qc_absent(&q), qc_absent(&q);
        sizes_in(&q, 2, (const int64_t[]){200, 500});
        qc_attr(&q, syn_attr_of_text("mode", modes[mode]));
        qc_check(&q, &cpu_quick_resize, mode ? 1e-6 : 0, "two dimensions");
    }
}

/* NaN and infinity reach as far as the reference lets them. */
static void test_not_finite(void)
{
    for (int form = 0; form < 3 * 5; form++) {
        struct qc q;
        begin(&q, 900, 0, modes[form % 3], coords[form / 3]);
        float *x = (float *)q.c.in[0].data;
        x[9] = INFINITY, x[40] = NAN, x[70] = -INFINITY, x[100] = INFINITY, x[104] = INFINITY;
        qc_absent(&q);
        sizes_in(&q, 4, (const int64_t[]){2, 3, 10, 14});
        qc_check(&q, &cpu_quick_resize, 1e-6, "not finite");
    }
}

static void test_not_taken(void)
{
    for (int form = 0; form < 5; form++) {
        struct qc q;
        begin(&q, 950, 0, form == 4 ? "nearest" : "linear",
              form == 0 ? "tf_crop_and_resize" : form == 4 ? "tf_half_pixel_for_nn" : "half_pixel");
        if (form == 0) {
            q.c.n_in = 1;
            scales_in(&q, 8, (const float[]){0, 0, 0, 0, 1, 1, 1, 1}); /* the region */
        }
        qc_absent(&q);
        sizes_in(&q, 4, (const int64_t[]){2, form == 1 ? 6 : 3, 10, 14});
        if (form == 2) qc_attr(&q, syn_attr_of_int("exclude_outside", 1));
        if (form == 3) q.c.in[0].dtype = SYN_F64;
        T_CHECK(syn_attr_fill(q.c.op, q.given, q.n_given, q.filled, &q.err) == SYN_OK &&
                    q.c.op->shape(&q.c, &q.err) == SYN_OK,
                "form %d: %s", form, q.err.text);
        T_CHECK(!cpu_quick_resize.takes(&q.c), "form %d is taken", form);
        for (int32_t k = 0; k < q.c.n_in; k++) syn_free(q.c.in[k].data);
        syn_pool_free(q.pool);
    }
}

static void check_rows(const struct cpu_resample *f, const char *name)
{
    enum { IN = 70, OUT = 75, PADDED = 80, WIDTH = 5 };
    float x[IN], want[PADDED + 1], got[PADDED + 1], weight[WIDTH * PADDED];
    const float *rows[WIDTH];
    int32_t at[WIDTH * PADDED], base[PADDED / 16];
    for (int i = 0; i < IN; i++) x[i] = (float)(i * 37 % 23) / 4 - 2;
    for (int spread = 0; spread < 2; spread++)
        for (int width = 1; width <= WIDTH; width++)
            for (int out = 1; out <= OUT; out++) {
                const struct cpu_resample_taps t = {IN, out, PADDED, width, at, weight, base};
                double worst = 0;
                for (int i = 0; i < WIDTH * PADDED; i++) {
                    const int o = i % PADDED / 16;
                    at[i] = spread ? i * 31 % IN : o * 13 + i * 7 % (o == 4 ? 16 : 11);
                    weight[i] = (float)(i * 17 % 13) / 8 - 0.5f;
                }
                for (int g = 0; g < PADDED / 16; g++) base[g] = spread ? -1 : g * 13;
                want[out] = got[out] = 7;
                cpu_resample_portable.along(&t, x, want);
                f->along(&t, x, got);
                for (int o = 0; o <= out; o++) worst = fmax(worst, fabs((double)(want[o] - got[o])));
                T_CHECK(worst <= (width == 1 ? 0 : 4e-6), "%s: along, %d of %d: off by %g", name, width, out, worst);
                for (int k = 0; k < width; k++) rows[k] = weight + k * 60;
                got[out] = 7;
                cpu_resample_portable.across(rows, x, width, out, want);
                f->across(rows, x, width, out, got);
                for (int o = 0; o < out; o++) worst = fmax(worst, fabs((double)(want[o] - got[o])));
                T_CHECK(worst <= 4e-6 && got[out] == 7, "%s: across, %d of %d: off by %g", name, width, out, worst);
            }
}

static void test_rows(void)
{
    check_rows(cpu_resample_best(), "best");
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        check_rows(&cpu_resample_avx2, "avx2");
#endif
}

int main(void)
{
    test_rows();
    test_modes();
    test_scales();
    test_not_finite();
    test_not_taken();
    return t_report();
}
