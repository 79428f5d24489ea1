/* test_noise.cu - kernels/cuda/noise.cu against kernels/base/rng: bits and uniforms to the last
 * bit, normals to one unit in the last place (a card's log and cos in double are not libm's). */
#include "kernels/base/rng.h"
#include "tests/cuda/view_t.h"

static float uniform_of(uint64_t seed, uint64_t stream, uint64_t i)
{
    return (float)syn_random_uniform(seed, stream, i);
}
static float normal_of(uint64_t seed, uint64_t stream, uint64_t i)
{
    return (float)syn_random_normal(seed, stream, i);
}
static bool close_to(float got, float want)
{
    return got == want || got == nextafterf(want, 9) || got == nextafterf(want, -9);
}

/* n numbers of `size` bytes between guards. */
static std::vector<unsigned char> draw(struct cuda_noise *p, size_t size)
{
    const std::vector<unsigned char> canary((size_t)(p->n + 2 * GUARD) * size, 0xa5);
    std::vector<unsigned char> got[2] = {canary, canary};
    unsigned char *d = put(canary.data(), canary.size());
    p->out = d + GUARD * size;
    for (int run = 0; run < 2; run++) {
        MUST(cudaMemcpy(d, canary.data(), canary.size(), cudaMemcpyHostToDevice));
        T_CHECK(cuda_noise_launch(p, NULL, NULL) == SYN_OK, "noise of %lld", (long long)p->n);
        get(got[run].data(), d, canary.size());
    }
    size_t torn = 0;
    for (size_t i = 0; i < GUARD * size; i++)
        torn += (got[0][i] != 0xa5) + (got[0][got[0].size() - 1 - i] != 0xa5);
    T_CHECK(torn == 0, "%zu guard bytes were written", torn);
    T_CHECK(got[0] == got[1], "two runs differ");
    MUST(cudaFree(d));
    return std::vector<unsigned char>(got[0].begin() + (long)(GUARD * size),
                                      got[0].end() - (long)(GUARD * size));
}

static void check(uint64_t seed, uint64_t stream, uint64_t first, int64_t n)
{
    struct cuda_noise p = {CUDA_NOISE_BITS, seed, stream, first, n, NULL};
    const std::vector<unsigned char> bits = draw(&p, sizeof(uint64_t));
    p.kind = CUDA_NOISE_UNIFORM;
    const std::vector<unsigned char> uniform = draw(&p, sizeof(float));
    p.kind = CUDA_NOISE_NORMAL;
    const std::vector<unsigned char> normal = draw(&p, sizeof(float));
    int64_t good[3] = {0, 0, 0};
    for (int64_t i = 0; i < n; i++) {
        uint64_t b;
        float u, v;
        memcpy(&b, &bits[(size_t)i * sizeof b], sizeof b);
        memcpy(&u, &uniform[(size_t)i * sizeof u], sizeof u);
        memcpy(&v, &normal[(size_t)i * sizeof v], sizeof v);
        good[0] += b == syn_random_bits(seed, stream, first + (uint64_t)i);
        good[1] += u == uniform_of(seed, stream, first + (uint64_t)i);
        good[2] += close_to(v, normal_of(seed, stream, first + (uint64_t)i));
    }
    for (int k = 0; k < 3; k++)
        T_CHECK(good[k] == n, "kind %d, first %llu: %lld of %lld right", k,
                (unsigned long long)first, (long long)good[k], (long long)n);
}

int main(void)
{
    static const int64_t lengths[] = {1, 2, 3, 255, 510, 511, 512, 513, 1025};
    static const uint64_t firsts[] = {0, 1, 7, 512, 0x1ffffffffull, 0xfedcba9876543210ull};
    for (int64_t n : lengths)
        for (uint64_t first : firsts)
            check(first * 7 + 0x123456789abcdef0ull, (uint64_t)n << 33 | 5, first, n);
    check(0, 0, 0, 300);
    check_clean();
    return t_report();
}
