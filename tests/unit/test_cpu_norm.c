/* test_cpu_norm.c - the rows of CHANNEL_NORM in every instruction set against the portable ones, with
 * f32 and bf16 on each side. */
#include "kernels/cpu/norm.h"
#include "kernels/graph/op_words.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

enum { PIXELS = 9, N = PIXELS * CPU_BLOCK };

static void fill(syn_dtype t, void *to, int seed)
{
    for (int i = 0; i < N; i++) {
        const float v = i == 21 ? NAN : i == 37 ? INFINITY : (float)((i * 37 + seed) % 101) / 16 - 3;
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        if (t == SYN_BF16) ((uint16_t *)to)[i] = (uint16_t)(bits >> 16);
        else ((float *)to)[i] = v;
    }
}

static float at(syn_dtype t, const void *x, int i)
{
    uint32_t bits;
    float v;
    if (t == SYN_F32) return ((const float *)x)[i];
    bits = (uint32_t)((const uint16_t *)x)[i] << 16;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* bf16 may round the last bit another way where the products did. */
static int wrong(syn_dtype t, const void *want, const void *got, int n)
{
    for (int i = 0; i < n; i++) {
        const float w = at(t, want, i), g = at(t, got, i);
        const float slack = (t == SYN_BF16 ? 1.0f / 128 : 1e-6f) * fmaxf(1, fabsf(w));
        if (isnan(w) ? !isnan(g) : isinf(w) ? w != g : !(fabsf(w - g) <= slack)) return i;
    }
    return -1;
}

static void check(const struct cpu_norm_rows *f, const char *name)
{
    static const int acts[] = {SYN_ACT_NONE, SYN_ACT_RELU, SYN_ACT_LEAKY};
    float x[N], res[N], want[N + 1], got[N + 1], shift[CPU_BLOCK], s[2][2][CPU_BLOCK];
    for (int form = 0; form < 3 * 3 * 8; form++)
        for (int pixels = 1; pixels <= PIXELS; pixels++) {
            const syn_dtype t = form & 1 ? SYN_BF16 : SYN_F32, out_t = form & 2 ? SYN_BF16 : SYN_F32,
                            res_t = form & 4 ? SYN_BF16 : SYN_F32;
            const void *add = form / 8 % 3 ? res : NULL;
            struct cpu_norm_apply p = {.act = acts[form / 24], .a = 0.25f};
            fill(t, x, 1), fill(res_t, res, 50);
            for (int l = 0; l < CPU_BLOCK; l++) {
                p.factor[l] = (float)l / 4 - 1, p.offset[l] = (float)(l % 3) - 1;
                shift[l] = at(t, x, l);
                for (int k = 0; k < 2; k++) s[k][0][l] = 1, s[k][1][l] = 2;
            }
            memset(want, 0x55, sizeof want), memset(got, 0x55, sizeof got);
            cpu_norm_portable.apply(t, x, res_t, add, out_t, want, pixels, &p);
            f->apply(t, x, res_t, add, out_t, got, pixels, &p);
            int bad = wrong(out_t, want, got, pixels * CPU_BLOCK);
            T_CHECK(bad < 0, "%s: form %d, %d pixels: [%d] = %g, portable %g", name, form, pixels, bad,
                    bad < 0 ? 0 : (double)at(out_t, got, bad), bad < 0 ? 0 : (double)at(out_t, want, bad));
            const size_t end = (size_t)(pixels * CPU_BLOCK) * (out_t == SYN_BF16 ? 2 : 4);
            T_CHECK(((uint8_t *)got)[end] == 0x55, "%s: form %d wrote behind %d pixels", name, form, pixels);
            cpu_norm_portable.sum(t, x, pixels, shift, s[0][0], s[0][1]);
            f->sum(t, x, pixels, shift, s[1][0], s[1][1]);
            for (int k = 0; k < 2; k++) {
                bad = wrong(SYN_F32, s[0][k], s[1][k], CPU_BLOCK);
                T_CHECK(bad < 0, "%s: sums %d of %d pixels, channel %d", name, k, pixels, bad);
            }
        }
}

int main(void)
{
    check(&cpu_norm_portable, "portable");
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
        check(&cpu_norm_avx512, "avx512");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) check(&cpu_norm_avx2, "avx2");
#endif
    return t_report();
}
