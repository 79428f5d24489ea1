/* test_tensor.cu - cp.async, ldmatrix and mma.sync through kernels/cuda/ptx.cuh.
 *
 * ldmatrix and mma are held against plain loops over whole matrices with another value in every
 * place. The fragments are filled from a second statement of the layout: the element number j of a
 * fragment has a place in the column-major matrix that is a sum of strides over lane and j. The
 * values are small integers, so that every order of sums gives the same float. */
#include "tests/cuda_host/cuda_t.h"
#include "kernels/cuda/ptx.cuh"
#include <cuda_bf16.h>
#include <cuda_fp16.h>

/* --- mma ------------------------------------------------------------------------------------- */

enum kind { F16, BF16, TF32 };

static __device__ uint32_t half_bits(kind type, float x)
{
    if (type == BF16) return __bfloat16_as_ushort(__float2bfloat16(x));
    return __half_as_ushort(__float2half(x));
}

/* Register r of a fragment whose element (row, col) is x[row * ld + col] of a [*, k] matrix that
 * is row-major along k: rows g (and g + 8), quads of columns. */
static __device__ uint32_t pack(kind type, const float *x, int ld, int row, int quad)
{
    int t = (int)threadIdx.x % 4;
    if (type == TF32) return syn_tf32(x[row * ld + 4 * quad + t]);
    const float *at = x + row * ld + 8 * quad + 2 * t;
    return half_bits(type, at[0]) | half_bits(type, at[1]) << 16;
}

template <int TYPE, int K>
static __global__ void mma_kernel(const float *a, const float *bt, const float *c, float *d)
{
    const kind type = (kind)TYPE;
    int g = (int)threadIdx.x / 4, t = (int)threadIdx.x % 4;
    uint32_t fa[4] = {0, 0, 0, 0}, fb[2] = {0, 0};
    float f[4];
    const int quads = K / (type == TF32 ? 4 : 8);
    for (int q = 0; q < quads; q++) {
        fa[2 * q] = pack(type, a, K, g, q);
        fa[2 * q + 1] = pack(type, a, K, g + 8, q);
        fb[q] = pack(type, bt, K, g, q);
    }
    for (int i = 0; i < 4; i++) f[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    if (TYPE == F16 && K == 16) syn_mma_m16n8k16_f16(f, fa, fb);
    if (TYPE == BF16 && K == 16) syn_mma_m16n8k16_bf16(f, fa, fb);
    if (TYPE == F16 && K == 8) syn_mma_m16n8k8_f16(f, fa, fb);
    if (TYPE == BF16 && K == 8) syn_mma_m16n8k8_bf16(f, fa, fb);
    if (TYPE == TF32 && K == 8) syn_mma_m16n8k8_tf32(f, fa, fb);
    if (TYPE == TF32 && K == 4) syn_mma_m16n8k4_tf32(f, fa, fb);
    for (int i = 0; i < 4; i++) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = f[i];
}

/* Two runs with other numbers: a value that is the same in two places could hide a swap. */
template <int TYPE, int K> static void test_mma(const char *name)
{
    float a[16 * 16], bt[8 * 16], c[16 * 8], d[16 * 8];
    int good = 0;
    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < 16 * K; i++) a[i] = (float)(run ? i * 37 % 127 - 63 : i % 128 - 64);
        for (int i = 0; i < 8 * K; i++) bt[i] = (float)(run ? 64 - i : i * 29 % 127 - 50);
        for (int i = 0; i < 128; i++) c[i] = (float)(1000 * run + i);
        float *d_a = put(a, 16 * K), *d_b = put(bt, 8 * K), *d_c = put(c, 128);
        float *d_d = device_zeros<float>(128);
        SYN_LAUNCH((mma_kernel<TYPE, K>), dim3(1), dim3(32), 0, 0, d_a, d_b, d_c, d_d);
        get(d, d_d, 128);
        for (int m = 0; m < 16; m++)
            for (int n = 0; n < 8; n++) {
                double want = c[m * 8 + n];
                for (int k = 0; k < K; k++) want += (double)a[m * K + k] * bt[n * K + k];
                good += d[m * 8 + n] == want;
            }
        MUST(cudaFree(d_a)), MUST(cudaFree(d_b)), MUST(cudaFree(d_c)), MUST(cudaFree(d_d));
    }
    T_CHECK(good == 256, "%s: %d of 256 products right", name, good);
}

/* What a tf32 operand keeps, and how syn_tf32 rounds. */
static __global__ void tf32_kernel(float *y)
{
    uint32_t a[4] = {__float_as_uint(1.0f + 0x1p-10f + 0x1p-20f), 0, 0, 0};
    uint32_t b[2] = {__float_as_uint(threadIdx.x == 0 ? 1.0f : 0.0f), 0};
    float d[4] = {0, 0, 0, 0};
    if (threadIdx.x % 4) a[0] = 0;
    syn_mma_m16n8k8_tf32(d, a, b);
    if (threadIdx.x > 0) return;
    y[0] = d[0];
    y[1] = __uint_as_float(syn_tf32(1.0f + 0x1p-11f)); /* a tie: away from zero */
    y[2] = __uint_as_float(syn_tf32(-1.0f - 0x1p-12f));
}

static void test_tf32(void)
{
    float y[3];
    float *d = device_zeros<float>(3);
    SYN_LAUNCH(tf32_kernel, dim3(1), dim3(32), 0, 0, d);
    get(y, d, 3);
    T_CHECK(y[0] == 1.0f + 0x1p-10f, "%a", (double)y[0]);
    T_CHECK(y[1] == 1.0f + 0x1p-10f && y[2] == -1.0f, "%a %a", (double)y[1], (double)y[2]);
    MUST(cudaFree(d));
}

/* --- ldmatrix -------------------------------------------------------------------------------- */

template <int N, bool TRANS> static __global__ void ldmatrix_kernel(uint32_t *y)
{
    __shared__ __align__(16) unsigned short m[4][8][8];
    int lane = (int)threadIdx.x;
    uint32_t r[4] = {0, 0, 0, 0};
    for (int i = lane; i < 256; i += 32) (&m[0][0][0])[i] = (unsigned short)(257 * i);
    __syncthreads();
    /* The rows of matrix i come from lanes 8i to 8i + 7, here from the last to the first. */
    const void *row = lane < 8 * N ? &m[lane / 8][7 - lane % 8][0] : &m[0][0][0];
    if (N == 1) TRANS ? syn_ldmatrix_x1_trans(r, row) : syn_ldmatrix_x1(r, row);
    if (N == 2) TRANS ? syn_ldmatrix_x2_trans(r, row) : syn_ldmatrix_x2(r, row);
    if (N == 4) TRANS ? syn_ldmatrix_x4_trans(r, row) : syn_ldmatrix_x4(r, row);
    for (int i = 0; i < N; i++) y[N * lane + i] = r[i];
}

template <int N, bool TRANS> static void test_ldmatrix(void)
{
    uint32_t y[128];
    int good = 0;
    uint32_t *d = device_zeros<uint32_t>(128);
    SYN_LAUNCH((ldmatrix_kernel<N, TRANS>), dim3(1), dim3(32), 0, 0, d);
    get(y, d, 32 * N);
    for (int i = 0; i < N; i++)
        for (int row = 0; row < 8; row++)
            for (int col = 0; col < 8; col++) { /* where element [row][col] must be */
                int along = TRANS ? row : col, across = TRANS ? col : row;
                uint32_t reg = y[N * (4 * across + along / 2) + i];
                unsigned got = reg >> 16 * (along % 2) & 0xffff;
                good += got == (unsigned)(257 * (64 * i + 8 * (7 - row) + col) & 0xffff);
            }
    T_CHECK(good == 64 * N, "x%d%s: %d of %d", N, TRANS ? ".trans" : "", good, 64 * N);
    MUST(cudaFree(d));
}

/* --- cp.async -------------------------------------------------------------------------------- */

/* A ring of three stages, two groups ahead; sums what went through. */
static __global__ void ring_kernel(const float *x, float *y, int tiles)
{
    SYN_SHARED(float4, ring);
    int t = (int)threadIdx.x, n = (int)blockDim.x;
    float sum = 0;
    for (int s = 0; s < 2; s++) {
        if (s < tiles) syn_cp_async<16>(&ring[s * n + t], x + 4 * (s * n + t));
        syn_cp_async_commit();
    }
    for (int s = 0; s < tiles; s++) {
        int ahead = s + 2;
        syn_cp_async_wait<1>();
        __syncthreads();
        float4 v = ring[s % 3 * n + (t + 1) % n];
        sum += (float)(s + 1) * (v.x + 2 * v.y + 3 * v.z + 4 * v.w);
        if (ahead < tiles) syn_cp_async<16>(&ring[ahead % 3 * n + t], x + 4 * (ahead * n + t));
        syn_cp_async_commit();
    }
    y[t] = sum;
}

static void test_ring(void)
{
    enum { N = 64, TILES = 7 };
    static float x[4 * N * TILES], y[N];
    int good = 0;
    for (int i = 0; i < 4 * N * TILES; i++) x[i] = (float)(i % 101);
    float *d_x = put(x, 4 * N * TILES), *d_y = device_zeros<float>(N);
    for (int order = 0; order < 2; order++) {
        SYN_LAUNCH(ring_kernel, dim3(1), dim3(N), 3 * N * sizeof(float4), 0, d_x, d_y, TILES);
        get(y, d_y, N);
        for (int t = 0; t < N; t++) {
            float want = 0;
            for (int s = 0; s < TILES; s++)
                for (int i = 0; i < 4; i++)
                    want += (float)((s + 1) * (i + 1)) * x[4 * (s * N + (t + 1) % N) + i];
            good += y[t] == want;
        }
    }
    T_CHECK(good == 2 * N, "%d of %d", good, 2 * N);
    MUST(cudaFree(d_x)), MUST(cudaFree(d_y));
}

/* Every size with every number of valid bytes; what is not valid becomes zero. */
static __global__ void fill_kernel(const unsigned char *x, unsigned char *y)
{
    __shared__ __align__(16) unsigned char s[64][16];
    int t = (int)threadIdx.x;
    for (int i = 0; i < 16; i++) s[t][i] = 0xee;
    if (t < 17) syn_cp_async<16>(s[t], x + 16 * t, t);
    else if (t < 26) syn_cp_async<8>(s[t], x + 16 * t, t - 17);
    else if (t < 31) syn_cp_async<4>(s[t], x + 16 * t, t - 26);
    syn_cp_async_wait_all();
    for (int i = 0; i < 16; i++) y[16 * t + i] = s[t][i];
}

static void test_zero_fill(void)
{
    unsigned char x[1024], y[1024];
    int good = 0;
    for (int i = 0; i < 1024; i++) x[i] = (unsigned char)(1 + i % 255);
    unsigned char *d_x = put(x, 1024), *d_y = device_zeros<unsigned char>(1024);
    SYN_LAUNCH(fill_kernel, dim3(1), dim3(32), 0, 0, d_x, d_y);
    get(y, d_y, 512);
    for (int t = 0; t < 31; t++) {
        int size = t < 17 ? 16 : t < 26 ? 8 : 4, valid = t < 17 ? t : t < 26 ? t - 17 : t - 26;
        for (int i = 0; i < 16; i++)
            good += y[16 * t + i] == (i < valid ? x[16 * t + i] : i < size ? 0 : 0xee);
    }
    T_CHECK(good == 31 * 16, "%d of %d", good, 31 * 16);
    MUST(cudaFree(d_x)), MUST(cudaFree(d_y));
}

int main(void)
{
    test_mma<F16, 16>("f16 k16"), test_mma<BF16, 16>("bf16 k16");
    test_mma<F16, 8>("f16 k8"), test_mma<BF16, 8>("bf16 k8");
    test_mma<TF32, 8>("tf32 k8"), test_mma<TF32, 4>("tf32 k4");
    test_tf32();
    test_ldmatrix<1, false>(), test_ldmatrix<2, false>(), test_ldmatrix<4, false>();
    test_ldmatrix<1, true>(), test_ldmatrix<2, true>(), test_ldmatrix<4, true>();
    test_ring();
    test_zero_fill();
    check_clean();
    return t_report();
}
