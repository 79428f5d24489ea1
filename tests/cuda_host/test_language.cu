/* test_language.cu - what a kernel may write: indices, barriers, shuffles, votes, shared memory,
 * atomics, types, functions. Each result is known by arithmetic; each kernel runs twice, in
 * opposite orders on the CPU. */
#include "tests/cuda_host/cuda_t.h"
#include "kernels/cuda/ptx.cuh"
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>
#include <string.h>

static const unsigned ALL = ~0u;

/* --- indices --------------------------------------------------------------------------------- */

static __global__ void index_kernel(int *y)
{
    int block = (int)(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
    int thread = (int)(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
    int threads = (int)(blockDim.x * blockDim.y * blockDim.z);
    y[block * threads + thread] += block * threads + thread + warpSize;
}

static void test_indices(void)
{
    const int n = 2 * 3 * 4 * 5 * 6 * 7;
    int y[n], good = 0;
    int *d = device_zeros<int>(n);
    SYN_LAUNCH(index_kernel, dim3(2, 3, 4), dim3(5, 6, 7), 0, 0, d);
    MUST(cudaGetLastError());
    get(y, d, n);
    for (int i = 0; i < n; i++) good += y[i] == i + 32;
    T_CHECK(good == n, "%d of %d", good, n);
    MUST(cudaFree(d));
}

/* --- barriers and shared memory -------------------------------------------------------------- */

template <int N> static __global__ void transpose_kernel(int *y)
{
    __shared__ int tile[N][N];
    int i = (int)threadIdx.x, j = (int)threadIdx.y;
    tile[j][i] = N * j + i;
    __syncthreads();
    y[N * j + i] = tile[i][j];
}

/* Each thread reads its right neighbour's number, then overwrites what its left one reads. */
static __global__ void rotate_kernel(int *y, int steps)
{
    SYN_SHARED(int, ring);
    int t = (int)threadIdx.x, n = (int)blockDim.x;
    ring[t] = t;
    __syncthreads();
    for (int step = 0; step < steps; step++) {
        int next = ring[(t + 1) % n];
        __syncthreads();
        ring[t] = next;
        __syncthreads();
    }
    y[t] = ring[t];
}

static __global__ void count_kernel(int *y)
{
    int t = (int)threadIdx.x;
    if (t >= 96) return; /* whole warps may leave before a barrier */
    int n = __syncthreads_count(t % 3 == 0);
    int all = __syncthreads_and(t < 96), some = __syncthreads_or(t == 95);
    int none = __syncthreads_or(0), not_all = __syncthreads_and(t != 7);
    if (t == 0) y[0] = n, y[1] = all != 0, y[2] = some != 0, y[3] = none, y[4] = not_all;
}

static void test_barriers(void)
{
    int y[256], good = 0;
    int *d = device_zeros<int>(256);
    for (int order = 0; order < 2; order++) {
        SYN_LAUNCH(transpose_kernel<8>, dim3(1), dim3(8, 8), 0, 0, d);
        get(y, d, 64);
        for (int i = 0; i < 64; i++) good += y[i] == i % 8 * 8 + i / 8;
        SYN_LAUNCH(rotate_kernel, dim3(1), dim3(256), 256 * sizeof(int), 0, d, 5);
        get(y, d, 256);
        for (int i = 0; i < 256; i++) good += y[i] == (i + 5) % 256;
        SYN_LAUNCH(count_kernel, dim3(1), dim3(128), 0, 0, d);
        get(y, d, 5);
        good += y[0] == 32 && y[1] && y[2] && !y[3] && !y[4];
    }
    T_CHECK(good == 2 * (64 + 256 + 1), "%d results right", good);
    MUST(cudaFree(d));
}

/* Warps 0 and 1 fill, warps 2 and 3 use; two buffers, each with a barrier for full and for free. */
static __global__ void pipeline_kernel(int *y, int steps)
{
    __shared__ int stage[2][64];
    int t = (int)threadIdx.x % 64, user = (int)threadIdx.x / 64, sum = 0;
    for (int s = 0; s < steps; s++) {
        unsigned full = 1 + s % 2, empty = 3 + s % 2;
        if (user) {
            syn_bar_sync(full, 128);
            sum += stage[s % 2][63 - t];
            syn_bar_arrive(empty, 128);
        } else {
            if (s >= 2) syn_bar_sync(empty, 128);
            stage[s % 2][t] = 1000 * s + t;
            syn_bar_arrive(full, 128);
        }
    }
    if (user) y[64 * blockIdx.x + t] = sum;
    else if (steps > 1) { /* the last two frees are taken, so that no barrier is left half full */
        syn_bar_sync(3 + steps % 2, 128);
        syn_bar_sync(3 + (steps + 1) % 2, 128);
    }
}

static void test_named_barriers(void)
{
    int y[3 * 64], good = 0;
    int *d = device_zeros<int>(3 * 64);
    for (int order = 0; order < 2; order++) {
        SYN_LAUNCH(pipeline_kernel, dim3(3), dim3(128), 0, 0, d, 7);
        get(y, d, 3 * 64);
        for (int i = 0; i < 3 * 64; i++) good += y[i] == 21000 + 7 * (63 - i % 64);
    }
    T_CHECK(good == 2 * 3 * 64, "%d of %d", good, 2 * 3 * 64);
    MUST(cudaFree(d));
}

/* --- warps ----------------------------------------------------------------------------------- */

enum { WARP_RESULTS = 24 };

static __global__ void warp_kernel(long long *y)
{
    SYN_SHARED(int, mail);
    int t = (int)threadIdx.x, lane = t % 32, sum = t, k = 0;
    long long *r = y + t * WARP_RESULTS;
    for (int bit = 1; bit < 32; bit *= 2) sum += __shfl_xor_sync(ALL, sum, bit);
    r[k++] = sum;
    r[k++] = __shfl_down_sync(ALL, t, 3, 8);
    r[k++] = __shfl_up_sync(ALL, t, 3, 8);
    r[k++] = __shfl_sync(ALL, t, 5);
    r[k++] = __shfl_sync(ALL, t, lane + 1, 16);
    r[k++] = __shfl_xor_sync(ALL, t, 9, 8);
    r[k++] = (long long)__shfl_down_sync(ALL, (double)t, 1);
    r[k++] = __shfl_xor_sync(ALL, (1ll << 40) + t, 31);
    r[k++] = (long long)__half2float(__shfl_xor_sync(ALL, __float2half((float)t), 1));
    r[k++] = __ballot_sync(ALL, lane % 5 == 0);
    r[k++] = __any_sync(ALL, lane == 31) != 0;
    r[k++] = __any_sync(ALL, lane == 32) != 0;
    r[k++] = __all_sync(ALL, lane < 32) != 0;
    r[k++] = __all_sync(ALL, lane < 31) != 0;
    mail[t] = t;
    __syncwarp();
    r[k++] = mail[t ^ 1];
    unsigned mine = lane < 16 ? 0xffffu : 0xffff0000u;
    if (lane < 16) r[k] = __shfl_xor_sync(0xffffu, t, 15);
    else
        r[k] = __shfl_xor_sync(0xffff0000u, -t, 15);
    k++;
    r[k++] = __ballot_sync(mine, 1);
    r[k++] = __popc(__activemask()) > 0;
#if defined(SYN_CUDA_HOST) || __CUDA_ARCH__ >= 800
    r[k++] = __reduce_add_sync(ALL, lane);
    r[k++] = __reduce_min_sync(ALL, 3 - lane);
    r[k++] = __reduce_max_sync(ALL, (unsigned)lane);
    r[k++] = __reduce_or_sync(ALL, 1u << lane % 8);
#else
    r[k] = 496, r[k + 1] = -28, r[k + 2] = 31, r[k + 3] = 255, k += 4;
#endif
    r[k++] = __match_any_sync(ALL, lane % 4);
    if (lane >= 16) return;
    r[k++] = __shfl_down_sync(0xffffu, t, 1, 16);
}

static int warp_good(const long long *r, int t)
{
    int lane = t % 32, warp = t / 32;
    const long long want[WARP_RESULTS] = {
        warp ? 1520 : 496, t % 8 + 3 < 8 ? t + 3 : t, t % 8 >= 3 ? t - 3 : t, warp * 32 + 5,
        t / 16 * 16 + (lane + 1) % 16, (t ^ 9) / 8 > t / 8 ? t : t ^ 9, lane < 31 ? t + 1 : t,
        (1ll << 40) + (t ^ 31), t ^ 1, 0x42108421, 1, 0, 1, 0, t ^ 1,
        lane < 16 ? t ^ 15 : -(t ^ 15), lane < 16 ? 0xffff : 0xffff0000ll, 1, 496, -28, 31, 255,
        0x11111111ll << lane % 4, lane < 15 ? t + 1 : t};
    int good = 0;
    for (int k = 0; k < WARP_RESULTS; k++) good += r[k] == want[k] || (k == 23 && lane >= 16);
    return good;
}

static void test_warps(void)
{
    const int n = 64 * WARP_RESULTS;
    static long long y[64 * WARP_RESULTS];
    int good = 0;
    long long *d = device_zeros<long long>(n);
    for (int order = 0; order < 2; order++) {
        SYN_LAUNCH(warp_kernel, dim3(1), dim3(64), 64 * sizeof(int), 0, d);
        get(y, d, n);
        for (int t = 0; t < 64; t++) good += warp_good(y + t * WARP_RESULTS, t);
    }
    T_CHECK(good == 2 * n, "%d of %d", good, 2 * n);
    MUST(cudaFree(d));
}

/* --- atomics, __constant__, __device__ ------------------------------------------------------- */

static __constant__ float factors[4];
static __device__ unsigned counter;

static __global__ void atomic_kernel(int *i, unsigned *u, float *f, unsigned long long *l,
                                     unsigned *last)
{
    __shared__ int inside;
    int t = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (threadIdx.x == 0) inside = 0;
    __syncthreads();
    atomicAdd(&inside, 1);
    atomicAdd(&i[0], 1);
    atomicMax(&i[1], t), atomicMin(&i[2], -t), atomicSub(&i[3], 2);
    atomicAdd(f, factors[t % 4]);
    atomicAdd(l, 1ull << 33), atomicOr(&u[0], 1u << t % 32), atomicAnd(&u[1], ~(1u << t % 32));
    for (unsigned old = atomicAdd(&u[2], 0u), seen;; old = seen)
        if ((seen = atomicCAS(&u[2], old, old + 3)) == old) break;
    __syncthreads();
    if (threadIdx.x > 0) return;
    atomicAdd(&i[4], inside);
    __threadfence();
    *last = atomicInc(&counter, gridDim.x - 1);
}

static void test_atomics(void)
{
    int i[5] = {0, 0, 0, 0, 0};
    unsigned u[3] = {0, ~0u, 0}, last = 7;
    float f = 0, four[4] = {1, 2, 3, 4};
    unsigned long long l = 0;
    int *d_i = put(i, 5);
    unsigned *d_u = put(u, 3), *d_last = put(&last, 1);
    float *d_f = put(&f, 1);
    unsigned long long *d_l = put(&l, 1);
    MUST(cudaMemcpyToSymbol(factors, four, sizeof four));
    SYN_LAUNCH(atomic_kernel, dim3(1), dim3(128), 0, 0, d_i, d_u, d_f, d_l, d_last);
    get(i, d_i, 5), get(u, d_u, 3), get(&f, d_f, 1), get(&l, d_l, 1), get(&last, d_last, 1);
    T_CHECK(i[0] == 128 && i[1] == 127 && i[2] == -127 && i[3] == -256 && i[4] == 128, "int");
    T_CHECK(u[0] == ~0u && u[1] == 0 && u[2] == 384, "unsigned: %x %x %u", u[0], u[1], u[2]);
    T_CHECK(f == 320 && l == 128ull << 33 && last == 0, "float %g, last %u", (double)f, last);
    MUST(cudaFree(d_i)), MUST(cudaFree(d_u)), MUST(cudaFree(d_f)), MUST(cudaFree(d_l));
    MUST(cudaFree(d_last));
}

/* --- vectors and halves ---------------------------------------------------------------------- */

static __global__ void vector_kernel(const float4 *__restrict__ x, float4 *y, __half2 *h,
                                     __nv_bfloat162 *b)
{
    int t = (int)threadIdx.x;
    float4 v = __ldg(&x[t]);
    y[t] = make_float4(v.w, v.z, v.y, v.x);
    h[t] = __hfma2(__floats2half2_rn(v.x, v.y), __float2half2_rn(2.0f),
                   __half2half2(__float2half(1.0f)));
    b[t] = __floats2bfloat162_rn(v.z, v.w) * __float2bfloat162_rn(2.0f);
}

static void test_vectors(void)
{
    float4 x[32], y[32];
    __half2 h[32];
    __nv_bfloat162 b[32];
    int good = 0;
    for (int i = 0; i < 32; i++)
        x[i] = make_float4(4.0f * i, 4.0f * i + 1, 4.0f * i + 2, 4.0f * i + 3);
    float4 *d_x = put(x, 32), *d_y = device_zeros<float4>(32);
    __half2 *d_h = device_zeros<__half2>(32);
    __nv_bfloat162 *d_b = device_zeros<__nv_bfloat162>(32);
    SYN_LAUNCH(vector_kernel, dim3(1), dim3(32), 0, 0, d_x, d_y, d_h, d_b);
    get(y, d_y, 32), get(h, d_h, 32), get(b, d_b, 32);
    for (int i = 0; i < 32; i++) {
        good += y[i].x == x[i].w && y[i].y == x[i].z && y[i].z == x[i].y && y[i].w == x[i].x;
        good += __low2float(h[i]) == 2 * x[i].x + 1 && __high2float(h[i]) == 2 * x[i].y + 1;
        good += __low2float(b[i]) == 2 * x[i].z && __high2float(b[i]) == 2 * x[i].w;
    }
    T_CHECK(good == 96, "%d of 96", good);
    MUST(cudaFree(d_x)), MUST(cudaFree(d_y)), MUST(cudaFree(d_h)), MUST(cudaFree(d_b));
}

/* All halves there are: to float and back; and between two neighbours the tie goes to even. */
static void test_half_rounding(void)
{
    int back = 0, ties = 0, n_ties = 0;
    for (unsigned i = 0; i < 65536; i++) {
        __half h;
        unsigned short bits = (unsigned short)i, again, tie;
        memcpy((void *)&h, &bits, 2);
        float x = __half2float(h), next;
        __half r = __float2half(x);
        memcpy(&again, (void *)&r, 2);
        back += again == bits || (isnan(x) && (i & 0x7c00) == 0x7c00);
        if ((i & 0x7fff) >= 0x7bff) continue;
        bits++;
        memcpy((void *)&h, &bits, 2);
        next = __half2float(h);
        r = __float2half((float)(((double)x + (double)next) / 2));
        memcpy(&tie, (void *)&r, 2);
        n_ties++, ties += tie == (i % 2 ? bits : i);
    }
    T_CHECK(back == 65536 && ties == n_ties, "%d back, %d of %d ties", back, ties, n_ties);
    T_CHECK(__half2float(__float2half(65519.0f)) == 65504.0f, "largest");
    T_CHECK(isinf(__half2float(__float2half(65520.0f))), "overflow");
    T_CHECK(__bfloat162float(__float2bfloat16(1.00390625f)) == 1.0f, "bf16 tie to even");
    T_CHECK(__bfloat162float(__float2bfloat16(1.01171875f)) == 1.015625f, "bf16 tie up");
}

static __global__ void function_kernel(double *y)
{
    int k = 0;
    y[k++] = __popc(0xf0f0u), y[k++] = __clz(1), y[k++] = __ffs(8), y[k++] = __brev(1u);
    y[k++] = __umulhi(0x80000000u, 6u), y[k++] = __byte_perm(0x03020100u, 0x07060504u, 0x0246u);
    y[k++] = __funnelshift_l(0x80000000u, 1u, 1), y[k++] = __dp4a(0x01020304, 0x01010101, 5);
    y[k++] = __float2int_rn(2.5f), y[k++] = __float2int_rz(-2.7f), y[k++] = __saturatef(7.0f);
    y[k++] = __int_as_float(0x3f800000), y[k++] = min(3, -4), y[k++] = max(3u, 4u);
    y[k++] = rsqrtf(0.25f), y[k++] = fmaxf(1.0f, 2.0f);
}

static void test_functions(void)
{
    const double want[16] = {8, 31, 4, 2147483648.0, 3, 0x00020406, 3, 15, 2, -2, 1, 1, -4, 4,
                             2, 2};
    double y[16];
    int good = 0;
    double *d = device_zeros<double>(16);
    SYN_LAUNCH(function_kernel, dim3(1), dim3(1), 0, 0, d);
    get(y, d, 16);
    for (int i = 0; i < 16; i++) good += y[i] == want[i];
    T_CHECK(good == 16, "%d of 16", good);
    MUST(cudaFree(d));
}

int main(void)
{
    test_indices();
    test_barriers();
    test_named_barriers();
    test_warps();
    test_atomics();
    test_vectors();
    test_half_rounding();
    test_functions();
    check_clean();
    return t_report();
}
