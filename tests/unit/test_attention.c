/* test_attention.c - the quick attention against the references: shapes, masks, ranges, what is not
 * finite; its softmax step in every instruction set. */
#include "kernels/cpu/attend.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/tile.h"
#include "tests/quick_check.h"

extern const struct syn_quick cpu_quick_attention;

#define TOLERANCE 8e-6

/* A mask of any shape: bool where `bools`, else numbers of which a third is `gone`. */
static void mask_in(struct qc *q, int32_t rank, const int64_t *dim, bool bools, float gone)
{
    struct syn_tensor *t = &q->c.in[q->c.n_in];
    int64_t n = 0;
    qc_in(q, rank, dim, false, -2, 2);
    if (!syn_shape_elements(&t->shape, &n)) abort();
    for (int64_t i = 0; i < n; i++) {
        const bool off = qc_random(q, 0, 3) < 1;
        if (bools) ((uint8_t *)t->data)[i] = !off;
        else if (off) ((float *)t->data)[i] = gone;
    }
    if (bools) t->dtype = SYN_BOOL;
}
static void fill(struct qc *q, int32_t i, int64_t from, int64_t n, float v)
{
    for (int64_t k = 0; k < n; k++) ((float *)q->c.in[i].data)[from + k] = v;
}

/* --- Attention ------------------------------------------------------------------------------- */

static const struct {
    int64_t b, qh, kh, sq, sk, size, v_size;
} shapes[] = {
    {1, 1, 1, 1, 1, 1, 1},     {1, 2, 2, 5, 7, 3, 4},       {2, 3, 3, 17, 33, 16, 16},
    {1, 2, 2, 48, 128, 64, 48}, {1, 2, 1, 49, 129, 65, 49}, {1, 12, 12, 77, 77, 64, 64},
    {2, 8, 2, 1, 300, 32, 40}, {1, 6, 3, 31, 257, 8, 100},  {1, 1, 1, 100, 5, 24, 1},
    {1, 4, 1, 13, 500, 7, 3},  {3, 1, 1, 2, 1000, 64, 64},
};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

static void begin(struct qc *q, int s, uint64_t seed, bool flat)
{
    const int64_t b = shapes[s].b, qh = shapes[s].qh, kh = shapes[s].kh;
    qc_begin(q, SYN_OP_ATTENTION, seed);
    q->c.opset = 24;
    if (flat) {
        qc_in(q, QC_DIMS(b, shapes[s].sq, qh * shapes[s].size), false, -1, 1);
        qc_in(q, QC_DIMS(b, shapes[s].sk, kh * shapes[s].size), false, -1, 1);
        qc_in(q, QC_DIMS(b, shapes[s].sk, kh * shapes[s].v_size), false, -1, 1);
        qc_attr(q, syn_attr_of_int("q_num_heads", qh));
        qc_attr(q, syn_attr_of_int("kv_num_heads", kh));
        return;
    }
    qc_in(q, QC_DIMS(b, qh, shapes[s].sq, shapes[s].size), false, -1, 1);
    qc_in(q, QC_DIMS(b, kh, shapes[s].sk, shapes[s].size), false, -1, 1);
    qc_in(q, QC_DIMS(b, kh, shapes[s].sk, shapes[s].v_size), false, -1, 1);
}

static void test_plain(void)
{
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 12; form++) {
            char what[64];
            struct qc q;
            snprintf(what, sizeof what, "attention %d form %d", s, form);
            begin(&q, s, (uint64_t)(s * 20 + form), form & 1);
            if (form & 2) qc_attr(&q, syn_attr_of_int("is_causal", 1));
            if (form >= 4) qc_attr(&q, syn_attr_of_float("scale", form < 8 ? 3.0 : -0.5));
            if (form >= 8) qc_attr(&q, syn_attr_of_float("softcap", 1.5));
            qc_check(&q, &cpu_quick_attention, TOLERANCE, what);
        }
}

/* bf16: the error of rounding queries, keys, weights and values, no more. */
static void test_bf16(void)
{
    for (int s = 0; cpu_tile_bf16() && s < SHAPES; s++)
        for (int form = 0; form < 4; form++) {
            struct qc q;
            begin(&q, s, (uint64_t)(300 + s * 4 + form), form & 1);
            q.c.bf16 = true;
            if (form & 2) qc_attr(&q, syn_attr_of_int("is_causal", 1));
            qc_check(&q, &cpu_quick_attention, 2e-2, "bf16");
        }
    for (int form = 0; cpu_tile_bf16() && form < 2; form++) { /* what is not finite, all the same */
        struct qc q;
        begin(&q, 2, 390, false);
        q.c.bf16 = true;
        fill(&q, form ? 1 : 2, 16 * 32 + 2, 1, NAN); /* a last key without a partner */
        qc_check(&q, &cpu_quick_attention, 2e-2, "bf16, not finite");
    }
}

static void test_windows(void)
{
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 4; form++) {
            struct qc q;
            begin(&q, s, (uint64_t)(400 + s * 4 + form), false);
            qc_attr(&q, syn_attr_of_int("left_window_size", form == 0 ? 0 : form == 1 ? 3 : -1));
            qc_attr(&q, syn_attr_of_int("right_window_size", form == 0 ? 0 : form == 2 ? 140 : -1));
            if (form == 3) qc_attr(&q, syn_attr_of_int("is_causal", 1));
            qc_check(&q, &cpu_quick_attention, TOLERANCE, "window");
        }
}

static void test_masks(void)
{
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 24; form++) {
            const int64_t b = shapes[s].b, h = shapes[s].qh, sq = shapes[s].sq, sk = shapes[s].sk;
            const bool bools = form & 1;
            const float gone = form & 2 ? -INFINITY : -20; /* further down f32 has no digits left */
            char what[64];
            struct qc q;
            snprintf(what, sizeof what, "mask %d form %d", s, form);
            begin(&q, s, (uint64_t)(500 + s * 24 + form), false);
            switch (form / 4) {
            case 0: mask_in(&q, QC_DIMS(sq, sk), bools, gone); break;
            case 1: mask_in(&q, QC_DIMS(b, 1, 1, sk), bools, gone); break;
            case 2: mask_in(&q, QC_DIMS(b, h, sq, sk), bools, gone); break;
            case 3: mask_in(&q, QC_DIMS(h, 1, sk), bools, gone); break;
            case 4: mask_in(&q, QC_DIMS(1, 1, sq, (sk + 1) / 2), bools, gone); break; /* the rest is not seen */
            default: mask_in(&q, QC_DIMS(sk), bools, gone); break;
            }
            if (form & 1 && form / 4 == 2) qc_attr(&q, syn_attr_of_int("is_causal", 1));
            if (form == 0) qc_attr(&q, syn_attr_of_float("softcap", 2));
            qc_check(&q, &cpu_quick_attention, TOLERANCE, what);
        }
}

/* Rows of the mask that leave nothing: zero. */
static void test_nothing_seen(void)
{
    for (int bools = 0; bools < 2; bools++) {
        struct qc q;
        begin(&q, 5, 900 + (uint64_t)bools, false);
        mask_in(&q, QC_DIMS(77, 77), bools, -INFINITY);
        for (int64_t i = 0; i < 77; i += 5) {
            if (bools) memset((uint8_t *)q.c.in[3].data + i * 77, 0, 77);
            else fill(&q, 3, i * 77, 77, -INFINITY);
        }
        qc_check(&q, &cpu_quick_attention, TOLERANCE, "rows of the mask that leave nothing");
    }
}

static void lengths_in(struct qc *q, int64_t b, const int64_t *n)
{
    struct syn_tensor *t = &q->c.in[q->c.n_in++];
    t->shape = syn_shape_of(1, &b);
    t->dtype = SYN_I64;
    t->data = syn_alloc((size_t)b * sizeof *n);
    memcpy(t->data, n, (size_t)b * sizeof *n);
}

static void test_lengths(void)
{
    static const int64_t lengths[][2] = {{33, 33}, {20, 33}, {0, 1}, {17, 16}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int causal = 0; causal < 2; causal++) {
            struct qc q;
            begin(&q, 2, 920 + i, false);
            for (int k = 3; k < 6; k++) qc_absent(&q);
            lengths_in(&q, 2, lengths[i]);
            if (causal) qc_attr(&q, syn_attr_of_int("is_causal", 1));
            qc_check(&q, &cpu_quick_attention, TOLERANCE, "lengths");
        }
}

/* Lengths that cannot be are the reference's to refuse. */
static void test_wrong_lengths(void)
{
    static const int64_t lengths[][2] = {{-1, 3}, {3, 34}};
    for (size_t i = 0; i < 2; i++) {
        struct qc q;
        begin(&q, 2, 930, false);
        for (int k = 3; k < 6; k++) qc_absent(&q);
        lengths_in(&q, 2, lengths[i]);
        T_CHECK(syn_attr_fill(q.c.op, q.given, q.n_given, q.filled, &q.err) == SYN_OK &&
                    q.c.op->shape(&q.c, &q.err) == SYN_OK,
                "%s", q.err.text);
        T_CHECK(!cpu_quick_attention.takes(&q.c), "length %d is taken", (int)lengths[i][i]);
        for (int32_t k = 0; k < q.c.n_in; k++) syn_free(q.c.in[k].data);
        syn_pool_free(q.pool);
    }
}

static void test_past(void)
{
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 6; form++) {
            const int64_t b = shapes[s].b, kh = shapes[s].kh, old = form == 5 ? 0 : 9 + s * 20;
            struct qc q;
            begin(&q, s, (uint64_t)(940 + s * 6 + form), form & 1);
            q.c.n_out = 3;
            if (form & 2) mask_in(&q, QC_DIMS(shapes[s].sq, shapes[s].sk + old), false, -INFINITY);
            else qc_absent(&q);
            qc_in(&q, QC_DIMS(b, kh, old, shapes[s].size), false, -1, 1);
            qc_in(&q, QC_DIMS(b, kh, old, shapes[s].v_size), false, -1, 1);
            if (form == 4) qc_attr(&q, syn_attr_of_int("is_causal", 1));
            qc_check(&q, &cpu_quick_attention, TOLERANCE, "past");
        }
    for (int flat = 0; flat < 2; flat++) { /* presents without a past */
        struct qc q;
        begin(&q, 6, 990, flat);
        q.c.n_out = 3;
        qc_check(&q, &cpu_quick_attention, TOLERANCE, "present");
    }
}

/* Numbers that are not finite, in each operand: where they are looked at and where not. */
static void test_not_finite(void)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (int form = 0; form < 3 * 8; form++) {
        const float v = odd[form % 3];
        struct qc q;
        begin(&q, 2, 1000 + (uint64_t)form, false);
        switch (form / 3) {
        case 0: fill(&q, 0, 16 * 3 + 2, 1, v); break;
        case 1: fill(&q, 1, 16 * 20 + 2, 1, v); break;
        case 2: fill(&q, 2, 16 * 20 + 2, 1, v); break;
        case 3: /* keys and values that the mask leaves out */
        case 4: /* or that come after */
        case 5:
            fill(&q, 1, 16 * 32, 16, v);
            fill(&q, 2, 16 * 32, 16, v);
            if (form / 3 == 3) {
                mask_in(&q, QC_DIMS(17, 33), false, -3);
                for (int64_t i = 0; i < 17; i++) fill(&q, 3, i * 33 + 32, 1, -INFINITY);
            } else if (form / 3 == 4) {
                mask_in(&q, QC_DIMS(17, 33), true, 0);
                for (int64_t i = 0; i < 17; i++) ((uint8_t *)q.c.in[3].data)[i * 33 + 32] = 0;
            } else qc_attr(&q, syn_attr_of_int("is_causal", 1));
            break;
        default:
            mask_in(&q, QC_DIMS(17, 33), false, -3);
            fill(&q, 3, 40, 1, v);
            break;
        }
        qc_check(&q, &cpu_quick_attention, TOLERANCE, "not finite");
    }
}

/* --- the fused form --------------------------------------------------------------------------- */

static void transposed_in(struct qc *q, int64_t b, int64_t h, int64_t s, int64_t size)
{
    qc_in(q, QC_DIMS(b, s, h, size), false, -1, 1);
}

static void test_fused(void)
{
    static const int64_t heads[] = {0, 2, 1, 3}, keys[] = {0, 2, 3, 1}, last[] = {0, 1, 3, 2};
    for (int s = 0; s < SHAPES; s++)
        for (int form = 0; form < 24; form++) {
            const int64_t b = shapes[s].b, h = shapes[s].qh, sq = shapes[s].sq, sk = shapes[s].sk,
                          size = shapes[s].size, v_size = shapes[s].v_size;
            char what[64];
            struct qc q;
            snprintf(what, sizeof what, "fused %d form %d", s, form);
            qc_begin(&q, SYN_OP_ATTEND, (uint64_t)(2000 + s * 24 + form));
            if (form % 3 == 0) { /* as the products see them */
                qc_in(&q, QC_DIMS(b, h, sq, size), false, -1, 1);
                qc_in(&q, QC_DIMS(b, h, size, sk), false, -1, 1);
                qc_in(&q, QC_DIMS(b, h, sk, v_size), false, -1, 1);
            } else if (form % 3 == 1) { /* all transposed */
                transposed_in(&q, b, h, sq, size);
                transposed_in(&q, b, h, sk, size);
                transposed_in(&q, b, h, sk, v_size);
                qc_attr(&q, syn_attr_of_ints("q_perm", 4, heads));
                qc_attr(&q, syn_attr_of_ints("k_perm", 4, keys));
                qc_attr(&q, syn_attr_of_ints("v_perm", 4, heads));
                qc_attr(&q, syn_attr_of_ints("y_perm", 4, heads));
            } else { /* keys and values of one head for all; queries of one batch */
                qc_in(&q, QC_DIMS(1, h, sq, size), false, -1, 1);
                qc_in(&q, QC_DIMS(b, 1, sk, size), false, -1, 1);
                qc_in(&q, QC_DIMS(sk, v_size), false, -1, 1);
                qc_attr(&q, syn_attr_of_ints("k_perm", 4, last));
            }
            switch (form / 3) {
            case 1: mask_in(&q, QC_DIMS(b, 1, 1, sk), false, -1e4f); break;
            case 2: mask_in(&q, QC_DIMS(sq, sk), false, -INFINITY); break;
            case 3:
            case 4:
            case 5:
                if (form / 3 == 4) mask_in(&q, QC_DIMS(b, 1, 1, sk), true, 0);
                else mask_in(&q, QC_DIMS(b, h, sq, sk), true, 0);
                qc_attr(&q, syn_attr_of_int("mask_mode", 1 + form / 3 % 2));
                qc_attr(&q, syn_attr_of_float("fill", form / 3 == 5 ? -INFINITY : -3));
                qc_attr(&q, syn_attr_of_int("zero_nan", form / 3 == 5));
                break;
            case 6:
                qc_absent(&q);
                qc_in(&q, QC_DIMS(1), false, 2, 3);
                qc_in(&q, 0, NULL, false, 0.5, 2);
                qc_attr(&q, syn_attr_of_int("divide", 1));
                break;
            case 7: mask_in(&q, QC_DIMS(1), false, -1); break;
            default: break;
            }
            qc_attr(&q, syn_attr_of_float("scale", 0.7));
            qc_check(&q, &cpu_quick_attention, TOLERANCE, what);
        }
}

/* A mask may have more rows and columns than the scores it is added to. */
static void test_fused_grown(void)
{
    for (int form = 0; form < 2; form++) {
        struct qc q;
        qc_begin(&q, SYN_OP_ATTEND, 2500);
        qc_in(&q, QC_DIMS(2, 1, 8), false, -1, 1);
        qc_in(&q, QC_DIMS(8, form ? 1 : 20), false, -1, 1);
        qc_in(&q, QC_DIMS(20, 9), false, -1, 1);
        mask_in(&q, QC_DIMS(3, 1, 5, 20), false, -2);
        qc_check(&q, &cpu_quick_attention, TOLERANCE, "a mask larger than the scores");
    }
}

/* Whole rows of minus infinity are NaN there, as a softmax says, or zero. */
static void test_fused_not_finite(void)
{
    for (int form = 0; form < 8; form++) {
        const bool bools = form & 1, zero = form & 2;
        struct qc q;
        qc_begin(&q, SYN_OP_ATTEND, 2600 + (uint64_t)form);
        qc_in(&q, QC_DIMS(2, 50, 8), false, -1, 1);
        qc_in(&q, QC_DIMS(2, 8, 140), false, -1, 1);
        qc_in(&q, QC_DIMS(2, 140, 9), false, -1, 1);
        mask_in(&q, QC_DIMS(50, 140), bools, -INFINITY);
        if (bools) memset((uint8_t *)q.c.in[3].data + 140 * 7, 0, 140);
        else fill(&q, 3, 140 * 7, 140, -INFINITY);
        if (form & 4) fill(&q, 0, 8 * 30, 1, NAN), fill(&q, 2, 9 * 139, 1, INFINITY);
        qc_attr(&q, syn_attr_of_int("mask_mode", bools));
        qc_attr(&q, syn_attr_of_int("zero_nan", zero));
        qc_check(&q, &cpu_quick_attention, TOLERANCE, "fused, not finite");
    }
}

/* --- the softmax step -------------------------------------------------------------------------- */

enum { N = CPU_ATTEND_KEYS * CPU_ATTEND_QUERIES };

static void check_step(const struct cpu_attend *f, const char *name)
{
    struct state {
        float s[N], mask[N], lo[48], hi[48], most[48], sum[48], shrink[48];
    } *want = (struct state *)t_alloc(sizeof *want), *got = (struct state *)t_alloc(sizeof *got);
    uint32_t seed = 7;
    for (int form = 0; form < 64; form++) {
        struct cpu_attend_block b = {.keys = 1 + form * 2, .cols = 16 + form % 3 * 16};
        bool shrinks[2];
        double worst = 0;
        for (int i = 0; i < N; i++) {
            seed = seed * 1664525u + 1013904223u;
            want->s[i] = (float)(seed >> 8) * 0x1p-20f - 8;
            want->mask[i] = seed >> 8 & 1 ? 0 : form & 4 ? -INFINITY : 2;
        }
        for (int c = 0; c < 48; c++) {
            want->lo[c] = (float)(c % 7), want->hi[c] = (float)(c % 9 + form);
            want->most[c] = form & 1 ? -INFINITY : 0.5f, want->sum[c] = form & 1 ? 0 : 3;
            want->shrink[c] = 5;
        }
        want->s[3] = NAN;
        *got = *want;
        for (int k = 0; k < 2; k++) {
            struct state *t = k ? got : want;
            b.s = t->s, b.most = t->most, b.sum = t->sum, b.shrink = t->shrink;
            b.mask = form & 2 ? t->mask : NULL;
            b.mask_per_key = form & 8, b.replaces = form & 16, b.fill = -2;
            b.lo = form & 32 ? t->lo : NULL, b.hi = form & 32 ? t->hi : NULL;
            b.softcap = form % 5 ? 0 : 3;
            shrinks[k] = (k ? f : &cpu_attend_portable)->step(&b);
        }
        for (int c = 0; c < b.cols; c++) {
            if (c == 3) continue; /* the NaN's */
            worst = fmax(worst, fabs((double)(want->sum[c] - got->sum[c])) / fmax(1, (double)want->sum[c]));
            worst = fmax(worst, fabs((double)(want->shrink[c] - got->shrink[c])));
            worst = fmax(worst, want->most[c] == got->most[c] || form % 5 == 0 ? 0 : 1);
            for (int j = 0; j < b.keys; j++)
                worst = fmax(worst, fabs((double)(want->s[j * 48 + c] - got->s[j * 48 + c])));
        }
        T_CHECK(worst < 4e-6, "%s: form %d is off by %g", name, form, worst);
        T_CHECK(shrinks[0] == shrinks[1], "%s: form %d says %d", name, form, shrinks[1]);
        T_CHECK(form & 32 || (form & 18) == 18 || isnan(got->sum[3]), "%s: form %d lost a NaN", name, form);
    }
    free(want), free(got);
}

/* What is copied, and the loops for a few queries, at every length around a register's. */
static void check_copies(const struct cpu_attend *f, const char *name)
{
    enum { MOST = 150, KEYS_HERE = 9 };
    float x[48][MOST], want[MOST * 48 + 1], got[MOST * 48 + 1];
    const float *from[48];
    for (int c = 0; c < 48; c++) {
        from[c] = x[c];
        for (int i = 0; i < MOST; i++) x[c][i] = (float)((c * 31 + i * 17) % 101) / 50 - 1;
    }
    for (int n = 1; n <= MOST; n++) {
        const int rows = 16 + n % 3 * 16;
        double worst = 0;
        for (int i = 0; i <= MOST * 48; i++) want[i] = got[i] = 9;
        cpu_attend_portable.turn(from, rows, n, 0.5f, want);
        f->turn(from, rows, n, 0.5f, got);
        T_CHECK(memcmp(want, got, sizeof want) == 0, "%s: turn of %d x %d", name, rows, n);
        T_CHECK(f->scale(x[0], 3, got, n) && got[n - 1] == x[0][n - 1] * 3 && got[0] == x[0][0] * 3,
                "%s: scale of %d", name, n);
        x[1][n - 1] = n % 2 ? NAN : -INFINITY;
        T_CHECK(!f->scale(x[1], 3, got, n), "%s: scale of %d, not finite", name, n);
        T_CHECK(n == 1 || f->scale(x[1], 3, got, n - 1), "%s: scale saw what is behind", name);
        x[1][n - 1] = 0;
        cpu_attend_portable.dots(x[2], x[3], MOST, KEYS_HERE, n, want);
        f->dots(x[2], x[3], MOST, KEYS_HERE, n, got);
        for (int j = 0; j < KEYS_HERE; j++)
            worst = fmax(worst, fabs((double)(want[j * 48] - got[j * 48])));
        for (int i = 0; i < n; i++) want[i] = got[i] = x[4][i];
        want[n] = got[n] = 9;
        cpu_attend_portable.weigh(x[5], x[6], MOST, 3, n, 0.5f, want);
        f->weigh(x[5], x[6], MOST, 3, n, 0.5f, got);
        for (int i = 0; i <= n; i++) worst = fmax(worst, fabs((double)(want[i] - got[i])));
        T_CHECK(worst < 3e-5, "%s: a few queries, size %d: off by %g", name, n, worst);
    }
}

static void test_steps(void)
{
    check_step(cpu_attend_best(), "best");
    check_copies(cpu_attend_best(), "best");
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        check_step(&cpu_attend_avx2, "avx2");
        check_copies(&cpu_attend_avx2, "avx2");
    }
#endif
}

int main(void)
{
    test_steps();
    test_plain();
    test_bf16();
    test_windows();
    test_masks();
    test_nothing_seen();
    test_lengths();
    test_wrong_lengths();
    test_past();
    test_not_finite();
    test_fused();
    test_fused_grown();
    test_fused_not_finite();
    return t_report();
}
