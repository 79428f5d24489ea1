/* test_rows.cu - kernels/cuda/softmax.cu and layer_norm.cu against the references of SOFTMAX and
 * LAYER_NORMALIZATION.
 *
 * Tolerance: u = 2^-24. Softmax: x - max is off by u*|x - max|, which e^ makes relative, and e^ is
 * within 2 ulp; the sum joins n/TEAM numbers a thread and two trees, each with its own e^ of a
 * difference: (2*range + n/32 + 40)*u*|y|. Layer norm: as in test_norm.cu, with n/32 steps of a
 * thread: the mean is off by d = (n/32 + 16)*u*m; |f|*(d + u*m) + |z|*(d/s + (n/32 + 24)*u) +
 * 2u*|bias|. */
#include "tests/cuda/view_t.h"

static const double U = 0x1p-24;

/* Rows of [rows, n] in a guarded block; off: elements past a 256-byte boundary. */
static unsigned char *block_of(syn_dtype t, const float *v, int64_t count, int64_t off,
                               std::vector<unsigned char> *bytes)
{
    const size_t size = syn_dtype_bytes(t);
    bytes->assign((size_t)(off + count + (v ? 0 : GUARD)) * size, 0xff);
    for (int64_t i = 0; v && i < count; i++) write1(t, &(*bytes)[(size_t)(off + i) * size], v[i]);
    return put(bytes->data(), bytes->size());
}

template <class F>
static std::vector<float> run_rows(struct cuda_rows *p, const std::vector<float> &x, int64_t off,
                                   F launch, const char *what)
{
    const int64_t count = p->rows * p->n;
    const size_t size = syn_dtype_bytes(p->y_type);
    std::vector<unsigned char> from, canary, got[2];
    unsigned char *d_x = block_of(p->x_type, x.data(), count, off, &from);
    unsigned char *d_y = block_of(p->y_type, NULL, count, off, &canary);
    std::vector<float> y;
    p->x = d_x + (size_t)off * syn_dtype_bytes(p->x_type), p->y = d_y + (size_t)off * size;
    for (int run = 0; run < 2; run++) {
        MUST(cudaMemcpy(d_y, canary.data(), canary.size(), cudaMemcpyHostToDevice));
        T_CHECK(launch() == SYN_OK, "%s", what);
        got[run].resize(canary.size());
        get(got[run].data(), d_y, canary.size());
    }
    T_CHECK(got[0] == got[1], "%s: two runs differ", what);
    for (int64_t i = 0; i < count; i++)
        y.push_back(read1(p->y_type, &got[0][(size_t)(off + i) * size]));
    size_t torn = 0;
    for (size_t i = 0; i < canary.size(); i++)
        torn += (i < (size_t)off * size || i >= (size_t)(off + count) * size) && got[0][i] != 0xff;
    T_CHECK(torn == 0, "%s: %zu bytes beside the rows were written", what, torn);
    MUST(cudaFree(d_x)), MUST(cudaFree(d_y));
    return y;
}

static void check_softmax(int64_t rows, int32_t n, syn_dtype a, syn_dtype b, float range,
                          uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "softmax [%d,%d] %s to %s", (int)rows, n, syn_dtype_word(a),
             syn_dtype_word(b));
    std::vector<float> x = numbers(a, seed, rows * n, -range, range);
    if (seed % 2) { /* masked places; a row of nothing else; NaN; infinity */
        static const float odd[] = {-INFINITY, NAN, INFINITY};
        for (int64_t i = 0; i < n; i++) x[(size_t)i] = i % 3 == 1 ? -INFINITY : x[(size_t)i];
        for (int k = 0; k < 3 && k + 1 < rows; k++)
            for (int32_t i = 0; i < (k ? 1 : n); i++) x[(size_t)((k + 1) * n + i)] = odd[k];
    }
    struct op_call t;
    const int64_t dim[2] = {rows, n};
    op_begin(&t, SYN_OP_SOFTMAX);
    op_in(&t, x.data(), 2, dim);
    const std::vector<float> want = op_result(&t, what);
    struct cuda_rows p = {NULL, NULL, a, b, rows, n};
    const double k = 4 * (double)range + n / 32 + 40;
    const std::vector<float> y = run_rows(
        &p, x, (int64_t)(seed % 3), [&] { return cuda_softmax_launch(&p, NULL, NULL); }, what);
    expect(b, y, want,
           [&](size_t i) { return isnan(want[i]) ? 0 : k * U * (double)want[i] + 1e-38; }, what);
}

static void check_layer(int64_t rows, int32_t n, syn_dtype a, syn_dtype b, float mean,
                        uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "layer norm [%d,%d], mean %g, %s to %s", (int)rows, n, (double)mean,
             syn_dtype_word(a), syn_dtype_word(b));
    std::vector<float> x = numbers(a, seed, rows * n, mean - 1, mean + 1),
                       scale = numbers(SYN_F32, seed + 1, n, 0.2f, 2),
                       bias = numbers(SYN_F32, seed + 2, n, -1, 1);
    if (seed % 3 == 0) x[(size_t)(n / 2)] = NAN;
    struct op_call t;
    const int64_t dim[2] = {rows, n}, row[1] = {n};
    op_begin(&t, SYN_OP_LAYER_NORMALIZATION);
    t.c.opset = 17;
    op_in(&t, x.data(), 2, dim), op_in(&t, scale.data(), 1, row), op_in(&t, bias.data(), 1, row);
    op_float(&t, "epsilon", (double)1e-5f);
    const std::vector<float> want = op_result(&t, what);
    struct cuda_rows p = {NULL, NULL, a, b, rows, n};
    float *d_scale = put(scale.data(), scale.size()), *d_bias = put(bias.data(), bias.size());
    const double m = fabs((double)mean) + 1, steps = n / 32, d = (steps + 16) * U * m;
    expect(b, run_rows(&p, x, (int64_t)(seed % 3), [&] {
               return cuda_layer_norm_launch(&p, d_scale, d_bias, 1e-5f, NULL, NULL);
           }, what), want, [&](size_t i) {
               /* the spread of uniform numbers is 0.577; of one number only epsilon is left */
               const double s = n == 1 ? 3e-3 : n < 8 ? 0.05 : 0.4, z = fabs((double)want[i]) + 1;
               if (isnan(want[i])) return 0.0;
               return 2 / s * (d + U * m) + z * (d / s + (steps + 24) * U) + 2 * U;
           }, what);
    MUST(cudaFree(d_scale)), MUST(cudaFree(d_bias));
}

int main(void)
{
    static const int32_t lengths[] = {1, 2, 31, 32, 33, 64, 97, 255, 1023, 1024, 1025, 1280, 2311};
    uint64_t seed = 0;
    for (int32_t n : lengths)
        for (int i = 0; i < 3; i++, seed++) {
            const int64_t rows = i == 0 ? 1 : i == 1 ? 9 : 16;
            const syn_dtype a = TYPES[seed % 3], b = TYPES[seed / 3 % 3];
            check_softmax(rows, n, a, b, i == 2 ? 30 : 3, seed);
            check_layer(rows, n, a, b, a != SYN_F32 ? 2 : i == 2 ? 1000 : 0, seed);
        }
    check_clean();
    return t_report();
}
