/* test_scan.cu - kernels/cuda/scan.cu: each place where a NaN or an infinity can hide, at each
 * alignment, and none where there is none. */
#include "tests/cuda/view_t.h"
#include <float.h>

/* x is [lead + n + 8]: what is beside the n numbers is NaN and must not count. */
static int32_t scan(const float *d, int64_t n, int32_t before)
{
    int32_t bad = before, *d_bad = put(&bad, 1);
    T_CHECK(cuda_scan_launch(d, n, d_bad, NULL, NULL) == SYN_OK, "scan of %lld", (long long)n);
    get(&bad, d_bad, 1);
    MUST(cudaFree(d_bad));
    return bad;
}

static void check(int64_t n, int lead)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, -NAN};
    std::vector<float> x((size_t)(lead + n + 8), NAN);
    const std::vector<float> v = numbers(SYN_F32, (uint64_t)n, n > 0 ? n : 1, -1, 1);
    for (int64_t i = 0; i < n; i++) x[(size_t)(lead + i)] = v[(size_t)i];
    static const float fine[3] = {FLT_MAX, -FLT_MAX, 0};
    for (size_t i = 0; n > 3 && i < 3; i++) x[(size_t)lead + 1 + i] = fine[i];
    float *d = put(x.data(), x.size());
    T_CHECK(scan(d + lead, n, 0) == 0, "%lld finite numbers at %d", (long long)n, lead);
    T_CHECK(scan(d + lead, n, 1) == 1, "1 became 0");
    const int64_t places[] = {0, 1, 3, 4, n / 2, n - 5, n - 4, n - 2, n - 1};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        const int64_t i = places[k];
        if (i < 0 || i >= n) continue;
        MUST(cudaMemcpy(d + lead + i, &odd[k % 4], sizeof *d, cudaMemcpyHostToDevice));
        T_CHECK(scan(d + lead, n, 0) == 1, "%lld numbers at %d: [%lld] is not found", (long long)n,
                lead, (long long)i);
        MUST(cudaMemcpy(d + lead + i, &v[(size_t)i], sizeof *d, cudaMemcpyHostToDevice));
    }
    MUST(cudaFree(d));
}

int main(void)
{
    static const int64_t lengths[] = {0,    1,    2,    3,     4,     5,     7,    8,
                                      1023, 1024, 1025, 16383, 16384, 16385, 32771};
    for (int64_t n : lengths)
        for (int lead = 0; lead < 4; lead++) check(n, lead);
    check_clean();
    return t_report();
}
