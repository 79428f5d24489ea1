/* pointwise.cu - sums, products, extremes and activations, with repeated operands. Contract:
 * kernels.h.
 *
 * Maths    acc = x0 (times coeff[0] in a sum), then acc = acc OP x[i]; y = act(acc). In float and
 *          rounded once. A sum is a chain of fused multiply-adds; MIN and MAX give NaN when either
 *          is NaN, as kernels/ops/broadcast.c has it.
 * Mapping  One thread = 8 channels of a pixel: a load of 16 bytes (f32: two) an operand, a store. A
 *          repeated operand has step 0 along that axis; one with a single channel is one load.
 *          Where every operand is whole or one pixel, all pixels are one row (tiling.cuh), so that
 *          small pictures fill their blocks.
 * Launch   up to 256 threads; grid x = rows * tiles. No shared memory. sm_75 to sm_120: 44 to 50
 *          registers.
 * Roofline bytes = pixels * channels * (sum of the operands' sizes + y's): f16 ADD of [64,512,512]
 *          moves 101 MB: 0.030 ms at an H100's 3.35 TB/s. One flop to 2 bytes: memory-bound.
 * Measured not yet.
 * Tried    nothing yet.
 * Tests    tests/cuda/test_pointwise.cu against the references of the rows ADD ... SCALED_SUM. */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tiling.cuh"

struct operand {
    const void *data;
    int64_t step_n, step_y, step_x; /* elements; 0: repeated */
    int32_t type;
    bool one_channel;
    float coeff;
};
struct point {
    struct operand x[CUDA_MOST_OPERANDS];
    struct cuda_view y;
    int32_t n_x, tiles, groups, slope_step;
    enum cuda_point op;
    enum syn_act act;
    float a, b;
    const float *slope;
};

static __device__ __forceinline__ void load_operand(const struct operand *x, struct cuda_place at,
                                                    int32_t g, float v[CUDA_LANES])
{
    const int64_t pixel = at.n * x->step_n + at.y * x->step_y + at.x * x->step_x;
    if (!x->one_channel) {
        cuda_load8(x->data, x->type, pixel + (int64_t)g * CUDA_LANES, v);
        return;
    }
    const float one = cuda_load1(x->data, x->type, pixel);
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) v[k] = one;
}

static __device__ __forceinline__ float minimum(float a, float b)
{
    return a < b || a != a ? a : b;
}
static __device__ __forceinline__ float maximum(float a, float b)
{
    return a > b || a != a ? a : b;
}

template <class F>
static __device__ __forceinline__ void each(float acc[CUDA_LANES], const float v[CUDA_LANES], F f)
{
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++) acc[k] = f(acc[k], v[k]);
}

static __device__ __forceinline__ void combine(enum cuda_point op, float coeff,
                                               float acc[CUDA_LANES], const float v[CUDA_LANES])
{
    switch (op) {
    case CUDA_POINT_SUB: each(acc, v, [](float a, float b) { return a - b; }); break;
    case CUDA_POINT_MUL: each(acc, v, [](float a, float b) { return a * b; }); break;
    case CUDA_POINT_DIV: each(acc, v, [](float a, float b) { return a / b; }); break;
    case CUDA_POINT_MIN: each(acc, v, [](float a, float b) { return minimum(a, b); }); break;
    case CUDA_POINT_MAX: each(acc, v, [](float a, float b) { return maximum(a, b); }); break;
    default: each(acc, v, [coeff](float a, float b) { return fmaf(coeff, b, a); }); break;
    }
}

static __device__ __forceinline__ void load_slopes(const struct point *p, int32_t g,
                                                   float slope[CUDA_LANES])
{
    if (p->act != SYN_ACT_PRELU) return;
#pragma unroll
    for (int k = 0; k < CUDA_LANES; k++)
        slope[k] = p->slope[((int64_t)g * CUDA_LANES + k) * p->slope_step];
}

static __global__ void __launch_bounds__(CUDA_BLOCK, 4) /* unasked, sm_100 spills for more */
    point_kernel(const __grid_constant__ struct point p)
{
    const struct cuda_place at = cuda_here(p.y.h, p.tiles);
    if (at.x >= p.y.w) return;
    for (int32_t g = (int32_t)threadIdx.x; g < p.groups; g += (int32_t)blockDim.x) {
        float acc[CUDA_LANES], v[CUDA_LANES], slope[CUDA_LANES] = {};
        load_operand(&p.x[0], at, g, acc);
        if (p.op == CUDA_POINT_SUM)
#pragma unroll
            for (int k = 0; k < CUDA_LANES; k++) acc[k] *= p.x[0].coeff;
        for (int32_t i = 1; i < p.n_x; i++) {
            load_operand(&p.x[i], at, g, v);
            combine(p.op, p.x[i].coeff, acc, v);
        }
        load_slopes(&p, g, slope);
        cuda_act8(p.act, acc, p.a, p.b, slope);
        cuda_store_channels(&p.y, cuda_pixel(&p.y, at.n, at.y, at.x), g, acc);
    }
}

/* --- the host's half ------------------------------------------------------------------------- */

static bool is_whole(const struct cuda_view *x, const struct cuda_view *y)
{
    return x->n == y->n && x->h == y->h && x->w == y->w;
}
static bool is_one_pixel(const struct cuda_view *x) { return x->n == 1 && x->h == 1 && x->w == 1; }

/* All pixels in one row, where nothing needs to know their n and y. */
static void flatten(struct cuda_pointwise *p)
{
    const int64_t pixels = (int64_t)p->y.n * p->y.h * p->y.w;
    if (pixels > 0x7fffffff) return;
    for (int32_t i = 0; i < p->n_x; i++)
        if (!is_whole(&p->x[i], &p->y) && !is_one_pixel(&p->x[i])) return;
    for (int32_t i = 0; i <= p->n_x; i++) {
        struct cuda_view *v = i < p->n_x ? &p->x[i] : &p->y;
        v->w = i < p->n_x && is_one_pixel(v) ? 1 : (int32_t)pixels;
        v->n = v->h = 1;
    }
}

static struct operand operand_of(const struct cuda_view *x, const struct cuda_view *y, float coeff)
{
    const int64_t pitch = x->pitch;
    struct operand o = {x->data, 0, 0, 0, x->dtype, x->c == 1 && y->c > 1, coeff};
    if (x->w > 1) o.step_x = pitch;
    if (x->h > 1) o.step_y = pitch * x->w;
    if (x->n > 1) o.step_n = pitch * x->w * x->h;
    return o;
}

extern "C" syn_status cuda_pointwise_launch(const struct cuda_pointwise *given,
                                            cudaStream_t stream, struct syn_err *err)
{
    struct cuda_pointwise p = *given;
    flatten(&p);
    const struct cuda_tiling t = cuda_tiling_of(p.y.n, p.y.h, p.y.w, p.y.c);
    const syn_status st = cuda_grid_fits(t.blocks, "pointwise", err);
    if (st != SYN_OK) return st;
    struct point q = {{}, p.y, p.n_x, t.tiles, t.groups, p.slope_step, p.op, p.act, p.act_a,
                      p.act_b, p.slope};
    for (int32_t i = 0; i < p.n_x; i++) q.x[i] = operand_of(&p.x[i], &p.y, p.coeff[i]);
    SYN_LAUNCH(point_kernel, dim3((unsigned)t.blocks), t.block, 0, stream, q);
    return syn_cuda_status(err, cudaGetLastError(), "pointwise launch");
}
