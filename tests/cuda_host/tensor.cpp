/* tensor.cpp - cp.async, ldmatrix and mma.sync on the CPU. Layouts: kernels/cuda/ptx.cuh.
 *
 * cp.async The bytes are taken from the source at issue and written at the wait. Between the two
 *          the destination holds 0xff (NaN), and reading it is a fault in an instrumented build.
 *          A source that changes in between is a fault in every build.
 * mma      D = C + sum over k ascending of A[m][k] * B[k][n], in double, rounded to float once.
 *          A card adds in an order and with a truncation of its own, so that a test's tolerance
 *          must allow for both. tf32 operands lose their 13 low bits first, as on a card. */
#include "half_bits.h"
#include "runtime.h"
#include "team.h"
#include <cstring>

/* --- cp.async -------------------------------------------------------------------------------- */

void cuda_host_cp_async(void *dst, const void *src, int bytes, int valid, const char *file,
                        int line)
{
    struct cuda_host_thread *t = cuda_host_here.self;
    t->at = {file, line};
    if (valid < 0 || valid > bytes)
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: cp.async of %d bytes: source "
                               "size %d: must be in [0, %d]", file, line, bytes, valid, bytes);
    if ((uintptr_t)dst % (unsigned)bytes || (uintptr_t)src % (unsigned)bytes)
        cuda_host_kernel_fault(cudaErrorMisalignedAddress, "%s:%d: misaligned address: cp.async "
                               "of %d bytes from %p to %p", file, line, bytes, src, dst);
    if (!cuda_host_is_shared(dst, (size_t)bytes))
        cuda_host_kernel_fault(cudaErrorIllegalAddress, "%s:%d: cp.async to %p, which is not in "
                               "the block's shared memory", file, line, dst);
    if (valid > 0) cuda_host_touch(src, (size_t)valid, CUDA_HOST_READ, "cp.async");
    check_access(dst, (size_t)bytes, CUDA_HOST_WRITE, nullptr);
    check_async(dst, (size_t)bytes, true);
    struct async_copy c = {(char *)dst, (const char *)src, (unsigned char)bytes,
                           (unsigned char)valid, t->group, {0}};
    memcpy(c.data, src, (size_t)valid);
    memset(dst, 0xff, (size_t)bytes);
    t->copies.push_back(c);
}

void cuda_host_cp_async_commit(void) { cuda_host_here.self->group++; }

static void arrive(const struct async_copy *c)
{
    if (memcmp(c->data, c->src, c->valid) != 0)
        cuda_host_kernel_fault(cudaErrorLaunchFailure, "cp.async: the source %p changed before "
                               "the wait", (const void *)c->src);
    check_async(c->dst, c->bytes, false);
    check_access(c->dst, c->bytes, CUDA_HOST_WRITE, nullptr);
    memcpy(c->dst, c->data, c->bytes);
}

/* Groups end in the order of their commits, so the oldest ones arrive. */
void cuda_host_cp_async_wait(unsigned most_pending)
{
    struct cuda_host_thread *t = cuda_host_here.self;
    size_t n = 0;
    for (; n < t->copies.size(); n++) {
        const struct async_copy *c = &t->copies[n];
        if (most_pending != ~0u && c->group + most_pending >= t->group) break;
        arrive(c);
    }
    t->copies.erase(t->copies.begin(), t->copies.begin() + (long)n);
}

/* --- ldmatrix -------------------------------------------------------------------------------- */

struct matrix_load {
    uint32_t *r;
    const char *row;
    int n;
    bool trans;
};

/* Elements [row][col] and [row][col + 1]; col is even, so both lie in one word. */
static uint32_t pair_at(void *const brought[32], int matrix, int row, int col)
{
    const struct matrix_load *l = (const struct matrix_load *)brought[8 * matrix + row];
    uint32_t x;
    memcpy(&x, l->row + 2 * col, sizeof x);
    return x;
}

/* Elements [row][col] and [row + 1][col]. */
static uint32_t pair_down(void *const brought[32], int matrix, int row, int col)
{
    uint32_t upper = pair_at(brought, matrix, row, col & ~1) >> 16 * (col & 1);
    uint32_t lower = pair_at(brought, matrix, row + 1, col & ~1) >> 16 * (col & 1);
    return (upper & 0xffff) | lower << 16;
}

static void need_whole_warp(unsigned lanes, const char *what)
{
    const struct place *at = &cuda_host_here.self->at;
    if (lanes != ~0u)
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: %s needs all 32 lanes, has "
                               "%#x", at->file, at->line, what, lanes);
}

static void ldmatrix_op(void *const brought[32], unsigned lanes)
{
    need_whole_warp(lanes, "ldmatrix");
    int n = ((const struct matrix_load *)brought[0])->n;
    for (int lane = 0; lane < 32; lane++) {
        struct matrix_load *l = (struct matrix_load *)brought[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < n; i++)
            l->r[i] = l->trans ? pair_down(brought, i, 2 * t, g) : pair_at(brought, i, g, 2 * t);
    }
}

static void ldmatrix_trans_op(void *const brought[32], unsigned lanes)
{
    ldmatrix_op(brought, lanes); /* an own function: lanes of both kinds must not meet */
}

void cuda_host_ldmatrix(uint32_t *r, const void *row, int n, bool trans, const char *file, int line)
{
    struct cuda_host_thread *t = cuda_host_here.self;
    struct matrix_load l = {r, (const char *)row, n, trans};
    t->at = {file, line};
    if (cuda_host_here.lane < 8u * (unsigned)n) { /* the other lanes' addresses are not used */
        if ((uintptr_t)row % 16)
            cuda_host_kernel_fault(cudaErrorMisalignedAddress, "%s:%d: misaligned address: "
                                   "ldmatrix row %p: must be a multiple of 16", file, line, row);
        if (!cuda_host_is_shared(row, 16))
            cuda_host_kernel_fault(cudaErrorIllegalAddress, "%s:%d: ldmatrix row %p is not in the "
                                   "block's shared memory", file, line, row);
        check_access(row, 16, CUDA_HOST_READ, nullptr);
    }
    cuda_host_warp(~0u, trans ? ldmatrix_trans_op : ldmatrix_op, &l, file, line);
}

/* --- mma.sync -------------------------------------------------------------------------------- */

struct fragments {
    enum cuda_host_mma type;
    int k;
    float *d;
    const uint32_t *a, *b;
};

static float half_of(uint32_t pair, int i) { return half_to_float((uint16_t)(pair >> 16 * i)); }
static float bf16_of(uint32_t pair, int i) { return bf16_to_float((uint16_t)(pair >> 16 * i)); }
static float tf32_of(uint32_t word, int) { return bits_float(word & ~0x1fffu); }

/* Registers to matrices: the element i of a register knows its row and column. PER elements share a
 * register, so that a quad of lanes holds 4 * PER columns of A in one. */
template <int PER, float (*NUMBER)(uint32_t, int)>
static void gather(void *const brought[32], double a[16][16], double b[16][8])
{
    int depth = ((const struct fragments *)brought[0])->k;
    for (int lane = 0; lane < 32; lane++) {
        const struct fragments *f = (const struct fragments *)brought[lane];
        int g = lane / 4, t = lane % 4;
        for (int at = 0, reg = 0; at < depth; at += 4 * PER, reg++)
            for (int i = 0; i < PER; i++) {
                int k = at + PER * t + i;
                a[g][k] = (double)NUMBER(f->a[2 * reg], i);
                a[g + 8][k] = (double)NUMBER(f->a[2 * reg + 1], i);
                b[k][g] = (double)NUMBER(f->b[reg], i);
            }
    }
}

static void check_same(void *const brought[32])
{
    const struct fragments *first = (const struct fragments *)brought[0];
    for (int lane = 1; lane < 32; lane++) {
        const struct fragments *f = (const struct fragments *)brought[lane];
        if (f->type != first->type || f->k != first->k)
            cuda_host_kernel_fault(cudaErrorIllegalInstruction,
                                   "lanes of one warp run different mma instructions");
    }
}

/* Where lane holds D[row][col] .. D[row][col + 1]; the second pair is 8 rows below. */
static float *pair_of_d(void *const brought[32], int row, int col)
{
    float *d = ((const struct fragments *)brought[row % 8 * 4 + col / 2])->d;
    return d + row / 8 * 2;
}

static void mma_op(void *const brought[32], unsigned lanes)
{
    double a[16][16], b[16][8];
    need_whole_warp(lanes, "mma.sync");
    check_same(brought);
    const struct fragments *first = (const struct fragments *)brought[0];
    if (first->type == CUDA_HOST_TF32) gather<1, tf32_of>(brought, a, b);
    else if (first->type == CUDA_HOST_BF16) gather<2, bf16_of>(brought, a, b);
    else
        gather<2, half_of>(brought, a, b);
    for (int row = 0; row < 16; row++) {
        double sum[8];
        for (int n = 0; n < 8; n++) sum[n] = (double)pair_of_d(brought, row, n)[n % 2];
        for (int k = 0; k < first->k; k++)
            for (int n = 0; n < 8; n++) sum[n] += a[row][k] * b[k][n];
        for (int n = 0; n < 8; n++) pair_of_d(brought, row, n)[n % 2] = (float)sum[n];
    }
}

void cuda_host_mma(enum cuda_host_mma type, int k, float *d, const uint32_t *a, const uint32_t *b,
                   const char *file, int line)
{
    struct fragments f = {type, k, d, a, b};
    cuda_host_warp(~0u, mma_op, &f, file, line);
}
