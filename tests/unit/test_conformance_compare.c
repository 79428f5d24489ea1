/* test_conformance_compare.c - the comparison that the conformance suite stands on can say no. */
#include "tests/conformance/compare.h"
#include "tests/t.h"

static char said[512];

static struct syn_tensor vector(syn_dtype t, int64_t n, void *data)
{
    return (struct syn_tensor){.shape = syn_shape_of(1, &n), .dtype = t, .data = data};
}

static bool same(const struct syn_tensor *got, const struct syn_tensor *want)
{
    said[0] = 0;
    return compare_tensors(got, want, COMPARE_RTOL, COMPARE_ATOL, said, sizeof said);
}

static bool floats(float got, float want)
{
    const struct syn_tensor g = vector(SYN_F32, 1, &got), w = vector(SYN_F32, 1, &want);
    return same(&g, &w);
}

static void test_floats(void)
{
    T_CHECK(floats(1.0f, 1.0f), "equal");
    T_CHECK(floats(1000.9f, 1000.0f), "within rtol: %s", said);
    T_CHECK(!floats(1001.2f, 1000.0f), "past rtol");
    T_CHECK(floats(5e-8f, 0.0f), "within atol: %s", said);
    T_CHECK(!floats(2e-7f, 0.0f), "past atol");
    T_CHECK(!floats(-1.0f, 1.0f), "the sign");
    T_CHECK(floats(NAN, NAN), "NaN answers NaN: %s", said);
    T_CHECK(!floats(NAN, 1.0f), "NaN for a number");
    T_CHECK(!floats(NAN, 0.0f), "NaN for zero");
    T_CHECK(!floats(NAN, INFINITY), "NaN for infinity");
    T_CHECK(!floats(1.0f, NAN), "a number for NaN");
    T_CHECK(!floats(INFINITY, NAN), "infinity for NaN");
    T_CHECK(floats(INFINITY, INFINITY) && floats(-INFINITY, -INFINITY), "infinities: %s", said);
    T_CHECK(!floats(-INFINITY, INFINITY), "the other infinity");
    T_CHECK(!floats(3e38f, INFINITY), "a number for infinity");
    T_CHECK(!floats(INFINITY, 3e38f), "infinity for a number");
}

/* One wrong element among many is found wherever it is, in each type. */
static void test_each_type(void)
{
    for (int t = 0; t < SYN_DTYPE_COUNT; t++)
        for (int64_t bad = 0; bad < 6; bad++) {
            uint64_t a[6] = {0}, b[6] = {0};
            const int64_t dim[3] = {1, 2, 3};
            struct syn_tensor g = {syn_shape_of(3, dim), (syn_dtype)t, a}, w = g;
            w.data = b;
            for (int64_t i = 0; i < 6; i++) {
                syn_element_put_double((syn_dtype)t, a, i, 1, true);
                syn_element_put_double((syn_dtype)t, b, i, 1, true);
            }
            T_CHECK(same(&g, &w), "%s: %s", syn_dtype_word((syn_dtype)t), said);
            /* 0 is not a value of e8m0; -2 is none of the unsigned. 0.5 rounds to 0 in integers. */
            syn_element_put_double((syn_dtype)t, a, bad, t == SYN_F8E8M0 ? 2 : 0, true);
            T_CHECK(!same(&g, &w), "%s, element %d", syn_dtype_word((syn_dtype)t), (int)bad);
            char at[32];
            snprintf(at, sizeof at, "[0, %d, %d]", (int)bad / 3, (int)bad % 3);
            T_CHECK(strstr(said, at), "%s: no %s in: %s", syn_dtype_word((syn_dtype)t), at, said);
            T_CHECK(strstr(said, "(1 of 6 differ)"), "%s", said);
        }
}

/* Integers have no tolerance: beyond 2^53 too, where doubles would call these equal. */
static void test_integers(void)
{
    int64_t a = INT64_C(9007199254740993), b = INT64_C(9007199254740992);
    uint64_t c = UINT64_MAX, d = UINT64_MAX - 1;
    struct syn_tensor g = vector(SYN_I64, 1, &a), w = vector(SYN_I64, 1, &b);
    T_CHECK(!same(&g, &w), "i64 one apart");
    g = vector(SYN_U64, 1, &c), w = vector(SYN_U64, 1, &d);
    T_CHECK(!same(&g, &w), "u64 one apart");
    T_CHECK(strstr(said, "18446744073709551615, not 18446744073709551614"), "%s", said);
}

static void test_bf16(void)
{
    uint16_t got = 0x3f82, want = 0x3f80; /* 1 and two units of the last place more: 1.015625 */
    struct syn_tensor g = vector(SYN_BF16, 1, &got), w = vector(SYN_BF16, 1, &want);
    T_CHECK(same(&g, &w), "two units: %s", said);
    got = 0x3f83;
    T_CHECK(!same(&g, &w), "three units");
    got = 0x7fc0;
    T_CHECK(!same(&g, &w), "NaN");
}

static void test_form(void)
{
    float data[6] = {0};
    const int64_t row[2] = {2, 3}, column[2] = {3, 2}, flat[1] = {6}, none[1] = {0}, n2[2] = {0, 2};
    struct syn_tensor g = {syn_shape_of(2, row), SYN_F32, data}, w = g;
    T_CHECK(same(&g, &w), "equal: %s", said);
    w.shape = syn_shape_of(2, column);
    T_CHECK(!same(&g, &w), "another shape");
    w.shape = syn_shape_of(1, flat);
    T_CHECK(!same(&g, &w), "another rank");
    T_CHECK(strstr(said, "[2, 3]") && strstr(said, "[6]"), "%s", said);
    w.shape = g.shape, w.dtype = SYN_I32;
    T_CHECK(!same(&g, &w), "another type");
    T_CHECK(strstr(said, "f32") && strstr(said, "i32"), "%s", said);
    g.shape = w.shape = syn_shape_of(1, none), w.dtype = SYN_F32, g.data = w.data = NULL;
    T_CHECK(same(&g, &w), "no elements, no data: %s", said);
    w.shape = syn_shape_of(2, n2);
    T_CHECK(!same(&g, &w), "no elements in another shape");
    g.shape = w.shape = syn_shape_of(2, row), w.data = data;
    T_CHECK(!same(&g, &w), "an output that has no data");
    T_CHECK(!compare_form(&(struct syn_tensor){syn_shape_of(0, NULL), SYN_F32, data},
                          &(struct syn_tensor){syn_shape_of(1, flat), SYN_F32, data}, said,
                          sizeof said),
            "a scalar for a vector, in form alone");
}

int main(void)
{
    test_floats();
    test_each_type();
    test_integers();
    test_bf16();
    test_form();
    return t_report();
}
