/* test_pointwise.cu - kernels/cuda/pointwise.cu against the references of ADD, SUB, MUL, DIV, MIN,
 * MAX, SCALED_SUM, PRELU and the activations.
 *
 * Tolerance: u = 2^-24. One operation rounds once: u*|want|; the reference's own rounding to f32
 * adds as much. A sum of k terms rounds each product and each addition: (k + 1) * u * sum |c*x|.
 * Sigmoid: e^-v within 2 ulp on a card, a sum, a quotient: 8u*|want|. Then the result's type. */
#include "tests/cuda/view_t.h"

static const double U = 0x1p-24;

struct want {
    std::vector<float> y;
    std::vector<double> calc;
};

static struct cuda_pointwise point_of(enum cuda_point op, const std::vector<struct picture> &x,
                                      const struct picture *y)
{
    struct cuda_pointwise p = {};
    p.n_x = (int32_t)x.size(), p.op = op, p.y = y->view;
    for (size_t i = 0; i < x.size(); i++) p.x[i] = x[i].view, p.coeff[i] = 1;
    return p;
}

static void check(struct cuda_pointwise *p, std::vector<struct picture> *x, struct picture *y,
                  const struct want &w, const char *what)
{
    expect(y->view.dtype, run_twice(y, [&] { return cuda_pointwise_launch(p, NULL, NULL); }, what),
           w.y, [&](size_t i) { return w.calc[i]; }, what);
    for (struct picture &one : *x) drop(&one);
    drop(y);
}

/* --- two operands ---------------------------------------------------------------------------- */

static const struct {
    syn_op_id id;
    enum cuda_point op;
} pairs[] = {{SYN_OP_ADD, CUDA_POINT_SUM}, {SYN_OP_SUB, CUDA_POINT_SUB},
             {SYN_OP_MUL, CUDA_POINT_MUL}, {SYN_OP_DIV, CUDA_POINT_DIV},
             {SYN_OP_MIN, CUDA_POINT_MIN}, {SYN_OP_MAX, CUDA_POINT_MAX}};

/* Axes along which an operand is repeated: bits n, c, h, w. */
static struct extent repeated(struct extent e, unsigned axes)
{
    if (axes & 8) e.n = 1;
    if (axes & 4) e.c = 1;
    if (axes & 2) e.h = 1;
    if (axes & 1) e.w = 1;
    return e;
}

static void check_pair(int which, const struct extent &e, unsigned axes_a, unsigned axes_b,
                       syn_dtype a, syn_dtype b, syn_dtype to, uint64_t seed)
{
    char what[128];
    snprintf(what, sizeof what, "%s [%d,%d,%d,%d] axes %x %x, %s %s to %s",
             syn_op_get(pairs[which].id)->name, e.n, e.c, e.h, e.w, axes_a, axes_b,
             syn_dtype_word(a), syn_dtype_word(b), syn_dtype_word(to));
    const struct extent ea = repeated(e, axes_a), eb = repeated(e, axes_b);
    std::vector<float> xa = numbers(a, seed, count_of(ea), -2, 2);
    std::vector<float> xb = numbers(b, seed + 1, count_of(eb), -2, 2);
    if (pairs[which].op == CUDA_POINT_DIV)
        for (float &f : xb) f = rounded(b, f + (f < 0 ? -0.5f : 0.5f));
    if (seed % 4 == 0) xa[xa.size() / 2] = NAN;
    if (seed % 4 == 1) xb[xb.size() / 3] = NAN;
    if (seed % 4 == 2) xa[xa.size() / 3] = INFINITY;
    struct op_call t;
    op_begin(&t, pairs[which].id);
    op_in4(&t, xa, ea), op_in4(&t, xb, eb);
    struct want w = {op_result(&t, what), {}};
    for (float f : w.y) w.calc.push_back(2 * U * (isfinite(f) ? fabs((double)f) : 0));
    std::vector<struct picture> x = {picture_of(a, ea, xa.data(), seed % 2 ? WIDE : PLAIN),
                                     picture_of(b, eb, xb.data(), seed % 3 ? PLAIN : WIDE)};
    struct picture y = picture_of(to, e, NULL, seed % 5 > 2 ? WIDE : PLAIN);
    struct cuda_pointwise p = point_of(pairs[which].op, x, &y);
    check(&p, &x, &y, w, what);
}

static void test_pairs(void)
{
    static const struct extent shapes[] = { /* the last three: blocks that do not fill the row */
        {1, 1, 1, 1}, {2, 3, 5, 7},  {1, 8, 1, 129}, {3, 17, 4, 3},  {2, 24, 3, 3},
        {1, 9, 2, 65}, {2, 64, 3, 5}, {1, 8, 1, 257}, {2, 9, 1, 259}, {1, 64, 5, 67}};
    uint64_t seed = 0;
    for (int which = 0; which < 6; which++)
        for (const struct extent &e : shapes)
            for (unsigned k = 0; k < 3; k++, seed++) { /* whole; one repeated; both, differently */
                const unsigned a = k == 2 ? (unsigned)(seed * 7) % 16 : 0;
                const unsigned b = k == 0 ? 0 : k == 1 ? (unsigned)(seed * 5 + 3) % 16 : 15 & ~a;
                check_pair(which, e, a, b, TYPES[seed % 3], TYPES[seed / 3 % 3],
                           TYPES[seed / 2 % 3], seed);
            }
    for (unsigned axes = 0; axes < 16; axes++) /* every form once, with room for confusion */
        check_pair(1, {2, 11, 3, 11}, 0, axes, SYN_F16, SYN_F32, SYN_F16, 4 * axes + 3);
    for (int which = 0; which < 6; which++) /* more groups than a block has threads */
        check_pair(which, {1, 2049, 1, 3}, 0, which % 2 ? 4 : 11, SYN_F16, SYN_F32, SYN_BF16,
                   seed++);
}

/* --- sums of many ---------------------------------------------------------------------------- */

static void check_sum(int32_t k, const struct extent &e, bool weighted, uint64_t seed)
{
    struct op_call t;
    std::vector<struct picture> x;
    std::vector<double> coeffs, size((size_t)count_of(e));
    char what[64];
    snprintf(what, sizeof what, "sum of %d, %d channels", k, e.c);
    op_begin(&t, SYN_OP_SCALED_SUM);
    for (int32_t i = 0; i < k; i++) {
        const syn_dtype type = TYPES[(seed + (uint64_t)i) % 3];
        std::vector<float> v = numbers(type, seed * 20 + (uint64_t)i, count_of(e), -2, 2);
        op_in4(&t, v, e);
        x.push_back(picture_of(type, e, v.data(), i % 2 ? WIDE : PLAIN));
        coeffs.push_back(weighted ? 0.3 * (i - 1) + 0.1 : 1);
        for (size_t j = 0; j < v.size(); j++) size[j] += fabs(coeffs.back() * (double)v[j]);
    }
    if (weighted) op_attr(&t, syn_attr_of_floats("coeffs", k, coeffs.data()));
    struct want w = {op_result(&t, what), {}};
    for (double s : size) w.calc.push_back((k + 1) * U * s);
    struct picture y = picture_of(TYPES[seed % 3], e, NULL, PLAIN);
    struct cuda_pointwise p = point_of(CUDA_POINT_SUM, x, &y);
    for (int32_t i = 0; i < k; i++) p.coeff[i] = (float)coeffs[(size_t)i];
    check(&p, &x, &y, w, what);
}

/* --- activations ----------------------------------------------------------------------------- */

struct act {
    syn_op_id id;
    enum syn_act act;
    float a, b;
};
static const struct act acts[] = {
    {SYN_OP_IDENTITY, SYN_ACT_NONE, 0, 0},     {SYN_OP_RELU, SYN_ACT_RELU, 0, 0},
    {SYN_OP_LEAKY_RELU, SYN_ACT_LEAKY, 0.3f, 0}, {SYN_OP_SIGMOID, SYN_ACT_SIGMOID, 0, 0},
    {SYN_OP_CLIP, SYN_ACT_CLIP, -0.5f, 1.25f}, {SYN_OP_CLIP, SYN_ACT_CLIP, 2, -1},
    /* b: a slope per channel */
    {SYN_OP_PRELU, SYN_ACT_PRELU, 0, 0},       {SYN_OP_PRELU, SYN_ACT_PRELU, 0, 1},
};

static void check_act(const struct act &a, const struct extent &e, syn_dtype from, syn_dtype to,
                      uint64_t seed)
{
    char what[96];
    snprintf(what, sizeof what, "%s, %d channels, %s to %s", syn_op_get(a.id)->name, e.c,
             syn_dtype_word(from), syn_dtype_word(to));
    std::vector<float> v = numbers(from, seed, count_of(e), -9, 9);
    static const float odd[] = {NAN, -0.0f, INFINITY, -INFINITY, 100, -100};
    for (size_t i = 0; i < v.size() && i < 6; i++) v[v.size() - 1 - i] = odd[i];
    const bool per_channel = a.act == SYN_ACT_PRELU && a.b > 0;
    const int32_t slopes = per_channel ? e.c : 1;
    std::vector<float> slope = numbers(SYN_F32, seed + 9, slopes, -0.5f, 0.9f);
    struct op_call t;
    op_begin(&t, a.id);
    op_in4(&t, v, e);
    if (a.act == SYN_ACT_LEAKY) op_float(&t, "alpha", (double)a.a);
    if (a.act == SYN_ACT_CLIP) op_float(&t, "min", (double)a.a), op_float(&t, "max", (double)a.b);
    const int64_t dim[1] = {slopes};
    if (a.act == SYN_ACT_PRELU) op_in(&t, slope.data(), 1, dim);
    struct want w = {op_result(&t, what), {}};
    const double k = a.act == SYN_ACT_SIGMOID ? 8 : a.act == SYN_ACT_LEAKY || slopes ? 2 : 0;
    for (float f : w.y) w.calc.push_back(k * U * (isfinite(f) ? fabs((double)f) : 0));
    slope.resize((size_t)up8(slopes), 0);
    float *d = put(slope.data(), slope.size());
    std::vector<struct picture> x = {picture_of(from, e, v.data(), seed % 2 ? WIDE : PLAIN)};
    struct picture y = picture_of(to, e, NULL, seed % 3 ? PLAIN : WIDE);
    struct cuda_pointwise p = point_of(CUDA_POINT_SUM, x, &y);
    p.act = a.act, p.act_a = a.a, p.act_b = a.b, p.slope = d, p.slope_step = per_channel;
    check(&p, &x, &y, w, what);
    MUST(cudaFree(d));
}

int main(void)
{
    uint64_t seed = 1;
    test_pairs();
    for (int32_t k = 2; k <= CUDA_MOST_OPERANDS; k += k == 2 ? 1 : 13)
        for (int i = 0; i < 3; i++) check_sum(k, {1 + i, 7 + 5 * i, 3, 5}, i != 1, seed++);
    for (const struct act &a : acts)
        for (int i = 0; i < 9; i++)
            check_act(a, {1 + i % 2, 1 + 3 * i, 2, 5 + i}, TYPES[i / 3], TYPES[i % 3], seed++);
    check_clean();
    return t_report();
}
