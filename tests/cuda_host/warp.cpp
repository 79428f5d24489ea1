/* warp.cpp - shuffles, votes and reductions among the lanes of a warp; atomics. */
#include "half_bits.h"
#include "runtime.h"
#include "team.h"
#include <cstring>

/* --- shuffles -------------------------------------------------------------------------------- */

struct shown {
    uint64_t value, result;
    unsigned source; /* the lane to read */
};

static void shuffle_op(void *const brought[32], unsigned lanes)
{
    for (unsigned m = lanes; m; m &= m - 1) {
        unsigned lane = (unsigned)__builtin_ctz(m);
        struct shown *mine = (struct shown *)brought[lane];
        const struct shown *from = (const struct shown *)brought[mine->source];
        const struct place *at = &cuda_host_here.self->at;
        if (!from)
            cuda_host_kernel_fault(cudaErrorLaunchFailure,
                                   "%s:%d: lane %u reads lane %u, which is not among the living "
                                   "lanes of the mask (%#x)", at->file, at->line, lane,
                                   mine->source, lanes);
        mine->result = from->value;
    }
}

/* As PTX's shfl: a source beyond the group means the lane's own value. */
static unsigned source_of(enum cuda_host_shuffle how, unsigned lane, unsigned by, unsigned width)
{
    unsigned first = lane & ~(width - 1), last = first + width - 1, at;
    if (how == CUDA_HOST_IDX) return first | (by & (width - 1));
    if (how == CUDA_HOST_UP) return by > lane - first ? lane : lane - by;
    at = how == CUDA_HOST_DOWN ? lane + (by < 32 ? by : 32) : lane ^ (by & 31);
    return at > last ? lane : at;
}

uint64_t cuda_host_shuffle(enum cuda_host_shuffle how, unsigned mask, uint64_t mine, unsigned by,
                           int width, const char *file, int line)
{
    if (width < 1 || width > 32 || (width & (width - 1)))
        cuda_host_kernel_fault(cudaErrorIllegalInstruction, "%s:%d: shuffle width %d: must be a "
                               "power of two up to 32", file, line, width);
    struct shown s = {mine, 0, source_of(how, cuda_host_here.lane, by, (unsigned)width)};
    cuda_host_warp(mask, shuffle_op, &s, file, line);
    return s.result;
}

/* --- votes and reductions -------------------------------------------------------------------- */

struct vote {
    uint64_t value, result;
    enum cuda_host_vote how;
};

static uint32_t joined(enum cuda_host_vote how, uint32_t a, uint32_t b)
{
    switch (how) {
    case CUDA_HOST_ADD: return a + b;
    case CUDA_HOST_MIN: return (int32_t)a < (int32_t)b ? a : b;
    case CUDA_HOST_MAX: return (int32_t)a > (int32_t)b ? a : b;
    case CUDA_HOST_UMIN: return a < b ? a : b;
    case CUDA_HOST_UMAX: return a > b ? a : b;
    case CUDA_HOST_BITAND: return a & b;
    case CUDA_HOST_BITOR: return a | b;
    case CUDA_HOST_BITXOR: return a ^ b;
    default: return 0;
    }
}

static void vote_op(void *const brought[32], unsigned lanes)
{
    const struct vote *first = (const struct vote *)brought[__builtin_ctz(lanes)];
    uint32_t ballot = 0, all = (uint32_t)first->value;
    for (unsigned m = lanes; m; m &= m - 1) {
        unsigned lane = (unsigned)__builtin_ctz(m);
        const struct vote *v = (const struct vote *)brought[lane];
        if (v->value) ballot |= 1u << lane;
        if (v != first) all = joined(first->how, all, (uint32_t)v->value);
    }
    for (unsigned m = lanes; m; m &= m - 1) {
        struct vote *v = (struct vote *)brought[__builtin_ctz(m)];
        v->result = first->how == CUDA_HOST_BALLOT ? ballot : all;
        if (first->how != CUDA_HOST_MATCH) continue;
        v->result = 0;
        for (unsigned o = lanes; o; o &= o - 1) {
            unsigned lane = (unsigned)__builtin_ctz(o);
            if (((const struct vote *)brought[lane])->value == v->value) v->result |= 1u << lane;
        }
    }
}

uint64_t cuda_host_vote(enum cuda_host_vote how, unsigned mask, uint64_t mine, const char *file,
                        int line)
{
    struct vote v = {mine, 0, how};
    cuda_host_warp(mask, vote_op, &v, file, line);
    return v.result;
}

/* --- atomics: nothing else runs meanwhile, so plain arithmetic will do ----------------------- */

static float float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, sizeof x);
    return x;
}

static uint64_t add_floats(uint64_t a, uint64_t b)
{
    float sum = float_of(a) + float_of(b);
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}

static uint64_t add_doubles(uint64_t a, uint64_t b)
{
    double x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x += y;
    memcpy(&a, &x, sizeof a);
    return a;
}

/* Two at once in 4 bytes, or one in 2: the upper half is then zero and stays so. */
static uint64_t add_halves(uint64_t a, uint64_t b, bool bf16)
{
    uint64_t sum = 0;
    for (int i = 0; i < 32; i += 16) {
        uint16_t x = (uint16_t)(a >> i), y = (uint16_t)(b >> i);
        float s = bf16 ? bf16_to_float(x) + bf16_to_float(y)
                       : half_to_float(x) + half_to_float(y);
        sum |= (uint64_t)(bf16 ? bf16_from_float(s) : half_from_float(s)) << i;
    }
    return sum;
}

static int64_t extended(uint64_t x, size_t bytes)
{
    return bytes == 4 ? (int32_t)(uint32_t)x : (int64_t)x;
}

static uint64_t changed(enum cuda_host_atomic how, uint64_t old, uint64_t x, uint64_t y,
                        size_t bytes)
{
    switch (how) {
    case CUDA_HOST_A_ADD: return old + x;
    case CUDA_HOST_A_MIN: return extended(x, bytes) < extended(old, bytes) ? x : old;
    case CUDA_HOST_A_MAX: return extended(x, bytes) > extended(old, bytes) ? x : old;
    case CUDA_HOST_A_UMIN: return x < old ? x : old;
    case CUDA_HOST_A_UMAX: return x > old ? x : old;
    case CUDA_HOST_A_AND: return old & x;
    case CUDA_HOST_A_OR: return old | x;
    case CUDA_HOST_A_XOR: return old ^ x;
    case CUDA_HOST_A_EXCH: return x;
    case CUDA_HOST_A_CAS: return old == x ? y : old;
    case CUDA_HOST_A_INC: return old >= x ? 0 : old + 1;
    case CUDA_HOST_A_DEC: return old == 0 || old > x ? x : old - 1;
    case CUDA_HOST_A_FADD: return add_floats(old, x);
    case CUDA_HOST_A_DADD: return add_doubles(old, x);
    case CUDA_HOST_A_HADD: return add_halves(old, x, false);
    case CUDA_HOST_A_BADD: return add_halves(old, x, true);
    }
    return old;
}

uint64_t cuda_host_atomic(enum cuda_host_atomic how, void *p, size_t bytes, uint64_t x, uint64_t y)
{
    uint64_t old = 0, now;
    cuda_host_touch(p, bytes, CUDA_HOST_ATOMIC, "atomic");
    memcpy(&old, p, bytes);
    now = changed(how, old, x, y, bytes);
    memcpy(p, &now, bytes);
    /* A loop of failing CAS, or of atomicAdd(p, 0) as a read, waits for others: let them run. */
    if (now == old && (how == CUDA_HOST_A_CAS || (how == CUDA_HOST_A_ADD && x == 0)))
        cuda_host_pause();
    return old;
}
