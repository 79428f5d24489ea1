/* test_onnx_move.c - operators that move elements, as ONNX has them. The expected numbers were
 * computed by onnx.reference 1.23 unless a comment says otherwise. */
#include "tests/typed_call.h"

#define N(...) (const double[]) { __VA_ARGS__ }
#define F(...) (const float[]) { __VA_ARGS__ }
#define I(...)                                                                                     \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

static int16_t ramp[24]; /* 0, 1, 2, ... as [2, 3, 4] */

static void ramp_in(struct typed_call *t) { tc_in(t, SYN_I16, ramp, OP_DIMS(2, 3, 4)); }

static void one(struct typed_call *t, syn_dtype type, int32_t rank, const int64_t *dim,
                const double *want, const char *what)
{
    tc_expect(t, 0, type, rank, dim, want, 0, what);
    tc_end(t);
}

static void test_views(void)
{
    struct typed_call t;
    double all[24];
    for (int i = 0; i < 24; i++) all[i] = i;
    tc_begin(&t, SYN_OP_RESHAPE_TO, 21, 1), ramp_in(&t), tc_i64(&t, I(0, -1, 2));
    one(&t, SYN_I16, OP_DIMS(2, 6, 2), all, "reshape");
    tc_begin(&t, SYN_OP_RESHAPE_TO, 21, 1); /* by hand: nothing in, a 0 copied, a 0 meant */
    tc_in(&t, SYN_F32, NULL, OP_DIMS(0, 3)), tc_i64(&t, I(3, 0)), tc_int(&t, "allowzero", 1);
    one(&t, SYN_F32, OP_DIMS(3, 0), NULL, "allowzero");
    tc_begin(&t, SYN_OP_RESHAPE_TO, 21, 1), ramp_in(&t), tc_i64(&t, I(-1, -1));
    tc_refuse(&t, SYN_INVALID, "shape[1] = -1: must be at least 0, or one -1");
    tc_begin(&t, SYN_OP_RESHAPE_TO, 21, 1), ramp_in(&t), tc_i64(&t, I(5, -1));
    tc_refuse(&t, SYN_INVALID, "leaves no whole number for its -1");
    tc_begin(&t, SYN_OP_RESHAPE_TO, 21, 1), ramp_in(&t),
        tc_i64(&t, I(1ll << 40, 1ll << 40, 1ll << 40));
    tc_refuse(&t, SYN_INVALID, "24 elements: they do not fit");
    tc_begin(&t, SYN_OP_RESHAPE_TO, 21, 1), ramp_in(&t), tc_i64(&t, I(1, 1, 1, 1, 1, 1, 1, 1, 24));
    tc_refuse(&t, SYN_INVALID, "9 entries: at most 8");
    tc_begin(&t, SYN_OP_UNSQUEEZE, 13, 1), ramp_in(&t), tc_i64(&t, I(-1, 0));
    one(&t, SYN_I16, OP_DIMS(1, 2, 3, 4, 1), all, "unsqueeze");
    tc_begin(&t, SYN_OP_UNSQUEEZE, 13, 1), ramp_in(&t), tc_i64(&t, I(1, -4));
    tc_refuse(&t, SYN_INVALID, "axes names axis 1 twice");
    tc_begin(&t, SYN_OP_SQUEEZE, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1, 3, 1)),
        tc_i64(&t, I(-1));
    one(&t, SYN_I16, OP_DIMS(1, 3), all, "squeeze");
    tc_begin(&t, SYN_OP_SQUEEZE, 11, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1, 3, 1));
    one(&t, SYN_I16, OP_DIMS(3), all, "squeeze all");
    tc_begin(&t, SYN_OP_SQUEEZE, 13, 1), ramp_in(&t), tc_i64(&t, I(1));
    tc_refuse(&t, SYN_INVALID, "dimension 1 is 3: must be 1");
    tc_begin(&t, SYN_OP_FLATTEN, 13, 1), ramp_in(&t), tc_int(&t, "axis", -1);
    one(&t, SYN_I16, OP_DIMS(6, 4), all, "flatten");
    tc_begin(&t, SYN_OP_FLATTEN, 13, 1),
        tc_in(&t, SYN_F32, NULL, OP_DIMS(0, 1ll << 40, 1ll << 40)); /* hostile: 2^80 */
    tc_int(&t, "axis", 1);
    tc_refuse(&t, SYN_TOO_LARGE, "with dimension 2 it is over 1099511627776");
    tc_begin(&t, SYN_OP_IDENTITY, 13, 1), tc_in(&t, SYN_F32, NULL, OP_DIMS(0, (1ll << 40) + 1));
    tc_refuse(&t, SYN_TOO_LARGE, "with dimension 1 it is over 1099511627776");
}

static void test_order(void)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_TRANSPOSE, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)); /* by hand */
    one(&t, SYN_I16, OP_DIMS(3, 2), N(0, 3, 1, 4, 2, 5), "transpose");
    tc_begin(&t, SYN_OP_TRANSPOSE, 13, 1), ramp_in(&t),
        tc_attr(&t, syn_attr_of_ints("perm", I(0, 2, 2)));
    tc_refuse(&t, SYN_INVALID, "perm[2] = 2: must be a permutation of [0, 3)");
    tc_begin(&t, SYN_OP_EXPAND, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 1)),
        tc_i64(&t, I(2, 1, 3));
    one(&t, SYN_I16, OP_DIMS(2, 2, 3), N(0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1),
        "expand"); /* by hand */
    tc_begin(&t, SYN_OP_EXPAND, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2)), tc_i64(&t, I(3));
    tc_refuse(&t, SYN_INVALID, "does not broadcast with shape [3]: dimension 0");
    tc_begin(&t, SYN_OP_EXPAND, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1)),
        tc_i64(&t, I(1ll << 41));
    tc_refuse(&t, SYN_TOO_LARGE, "over 1099511627776 elements");
    tc_begin(&t, SYN_OP_TILE, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 2)),
        tc_i64(&t, I(1, 2)); /* by hand */
    one(&t, SYN_I16, OP_DIMS(2, 4), N(0, 1, 0, 1, 2, 3, 2, 3), "tile");
    tc_begin(&t, SYN_OP_TILE, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2)),
        tc_i64(&t, I(INT64_MAX));
    tc_refuse(&t, SYN_INVALID, "repeats[0] = 9223372036854775807");
    for (int crd = 0; crd < 2; crd++) {
        float x[16];
        for (int i = 0; i < 16; i++) x[i] = (float)i;
        const double *want = crd ? N(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15)
                                 : N(0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15);
        float shuffled[16];
        double back[16];
        for (int i = 0; i < 16; i++) shuffled[i] = (float)want[i], back[i] = i;
        tc_begin(&t, SYN_OP_DEPTH_TO_SPACE, 13, 1), tc_in(&t, SYN_F32, x, OP_DIMS(1, 8, 1, 2));
        tc_int(&t, "blocksize", 2), tc_text(&t, "mode", crd ? "CRD" : "DCR");
        one(&t, SYN_F32, OP_DIMS(1, 2, 2, 4), want, "depth to space");
        tc_begin(&t, SYN_OP_SPACE_TO_DEPTH, 28, 1),
            tc_in(&t, SYN_F32, shuffled, OP_DIMS(1, 2, 2, 4));
        tc_int(&t, "blocksize", 2), tc_text(&t, "mode", crd ? "CRD" : "DCR");
        one(&t, SYN_F32, OP_DIMS(1, 8, 1, 2), back, "and back");
    }
    tc_begin(&t, SYN_OP_REVERSE_SEQUENCE, 10, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(3, 4)),
        tc_i64(&t, I(1, 3, 2));
    tc_int(&t, "batch_axis", 0), tc_int(&t, "time_axis", 1);
    one(&t, SYN_I16, OP_DIMS(3, 4), N(0, 1, 2, 3, 6, 5, 4, 7, 9, 8, 10, 11), "reverse");
    tc_begin(&t, SYN_OP_REVERSE_SEQUENCE, 10, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(4, 1)),
        tc_i64(&t, I(5));
    tc_refuse(&t, SYN_INVALID, "sequence_lens[0] = 5: must be in [0, 4]");
    tc_begin(&t, SYN_OP_TRILU, 14, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(3, 3)),
        tc_i64(&t, 0, (const int64_t[]){-1});
    tc_int(&t, "upper", 0);
    one(&t, SYN_I16, OP_DIMS(3, 3), N(0, 0, 0, 3, 0, 0, 6, 7, 0), "trilu");
    tc_begin(&t, SYN_OP_TRILU, 14, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1, 2)),
        tc_i64(&t, 0, (const int64_t[]){INT64_MIN});
    one(&t, SYN_I16, OP_DIMS(1, 2), N(0, 1), "k far away");
}

static void test_parts(void)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_SLICE, 13, 1), ramp_in(&t), tc_i64(&t, I(1, -1)),
        tc_i64(&t, I(-1000, INT64_MIN + 1));
    tc_i64(&t, I(0, 2)), tc_i64(&t, I(-1, -2));
    one(&t, SYN_I16, OP_DIMS(2, 3, 2), N(15, 13, 19, 17, 23, 21, 3, 1, 7, 5, 11, 9),
        "slice backwards");
    tc_begin(&t, SYN_OP_SLICE, 13, 1),
        tc_in(&t, SYN_I16, ramp, OP_DIMS(3)); /* by hand: the ends of the numbers */
    tc_i64(&t, I(INT64_MIN)), tc_i64(&t, I(INT64_MAX)), tc_i64(&t, I(0)), tc_i64(&t, I(INT64_MAX));
    one(&t, SYN_I16, OP_DIMS(1), N(0), "slice far");
    tc_begin(&t, SYN_OP_SLICE, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(3));
    tc_i64(&t, I(INT64_MAX)), tc_i64(&t, I(INT64_MIN)), tc_i64(&t, I(0)), tc_i64(&t, I(INT64_MIN));
    one(&t, SYN_I16, OP_DIMS(1), N(2), "slice far back");
    tc_begin(&t, SYN_OP_SLICE, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(3)), tc_i64(&t, I(2)),
        tc_i64(&t, I(1));
    one(&t, SYN_I16, OP_DIMS(0), NULL, "nothing");
    tc_begin(&t, SYN_OP_SLICE, 9, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3));
    tc_attr(&t, syn_attr_of_ints("starts", I(1))), tc_attr(&t, syn_attr_of_ints("ends", I(9)));
    tc_attr(&t, syn_attr_of_ints("axes", I(1)));
    one(&t, SYN_I16, OP_DIMS(2, 2), N(1, 2, 4, 5), "slice of opset 9");
    tc_begin(&t, SYN_OP_SLICE, 13, 1), ramp_in(&t), tc_i64(&t, I(0)), tc_i64(&t, I(1)),
        tc_i64(&t, I(0)), tc_i64(&t, I(0));
    tc_refuse(&t, SYN_INVALID, "steps[0] = 0");
    tc_begin(&t, SYN_OP_SLICE, 13, 1), ramp_in(&t), tc_i64(&t, I(0)), tc_i64(&t, I(1)),
        tc_i64(&t, I(3));
    tc_refuse(&t, SYN_INVALID, "axes = 3: must be in [-3, 3)");
    tc_begin(&t, SYN_OP_SPLIT, 18, 3), tc_in(&t, SYN_I16, ramp, OP_DIMS(7)),
        tc_int(&t, "num_outputs", 3);
    tc_expect(&t, 0, SYN_I16, OP_DIMS(3), N(0, 1, 2), 0, "split"),
        tc_expect(&t, 1, SYN_I16, OP_DIMS(3), N(3, 4, 5), 0, "split");
    tc_expect(&t, 2, SYN_I16, OP_DIMS(1), N(6), 0, "split"), tc_end(&t);
    tc_begin(&t, SYN_OP_SPLIT, 13, 2), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)), tc_i64(&t, I(1, 2)),
        tc_int(&t, "axis", 1);
    tc_expect(&t, 0, SYN_I16, OP_DIMS(2, 1), N(0, 3), 0, "split"),
        tc_expect(&t, 1, SYN_I16, OP_DIMS(2, 2), N(1, 2, 4, 5), 0, "split");
    tc_end(&t);
    tc_begin(&t, SYN_OP_SPLIT, 13, 2), tc_in(&t, SYN_I16, ramp, OP_DIMS(3)),
        tc_i64(&t, I(INT64_MAX, 2));
    tc_refuse(&t, SYN_INVALID, "split[0] = 9223372036854775807: must be in [0, 3]");
    tc_begin(&t, SYN_OP_CENTER_CROP_PAD, 18, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)),
        tc_i64(&t, I(3, 2));
    one(&t, SYN_I16, OP_DIMS(3, 2), N(0, 1, 3, 4, 0, 0), "center");
    tc_begin(&t, SYN_OP_CONCAT, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1, 2)),
        tc_in(&t, SYN_I16, NULL, OP_DIMS(1, 0));
    tc_in(&t, SYN_I16, ramp + 5, OP_DIMS(1, 1)), tc_int(&t, "axis", -1);
    one(&t, SYN_I16, OP_DIMS(1, 3), N(0, 1, 5), "concat");
    tc_begin(&t, SYN_OP_CONCAT, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1)),
        tc_in(&t, SYN_F32, F(1), OP_DIMS(1)), tc_int(&t, "axis", 0);
    tc_refuse(&t, SYN_INVALID, "x1 holds f32: must be i16");
}

static void pad(const char *mode, const int64_t pads[4], int32_t rank, const int64_t *dim,
                const double *want)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, F(1, 2, 3, 4, 5, 6), OP_DIMS(2, 3)),
        tc_i64(&t, 4, pads);
    tc_text(&t, "mode", mode);
    one(&t, SYN_F32, rank, dim, want, mode);
}

static void test_pads(void)
{
    struct typed_call t;
    pad("wrap", (const int64_t[]){1, 2, 0, 1}, OP_DIMS(3, 6),
        N(5, 6, 4, 5, 6, 4, 2, 3, 1, 2, 3, 1, 5, 6, 4, 5, 6, 4));
    /* by hand (numpy.pad): to and fro, further than the tensor is long; a cut before a reflection
     * */
    pad("reflect", (const int64_t[]){0, 5, 0, 0}, OP_DIMS(2, 8),
        N(2, 1, 2, 3, 2, 1, 2, 3, 5, 4, 5, 6, 5, 4, 5, 6));
    pad("reflect", (const int64_t[]){0, 1, 0, -1}, OP_DIMS(2, 3), N(2, 1, 2, 5, 4, 5));
    pad("edge", (const int64_t[]){-1, 2, 0, 0}, OP_DIMS(1, 5), N(4, 4, 4, 5, 6));
    pad("constant", (const int64_t[]){1, -1, 0, 1}, OP_DIMS(3, 3), N(0, 0, 0, 2, 3, 0, 5, 6, 0));
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, F(1, 2, 3, 4, 5, 6), OP_DIMS(2, 3)),
        tc_i64(&t, I(2, 1));
    tc_in(&t, SYN_F32, F(9), 0, NULL), tc_i64(&t, I(-1));
    one(&t, SYN_F32, OP_DIMS(2, 6), N(9, 9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9), "constant 9, one axis");
    tc_begin(&t, SYN_OP_PAD_ND, 10, 1), tc_in(&t, SYN_F32, F(1), OP_DIMS(1)),
        tc_attr(&t, syn_attr_of_ints("pads", I(1, 0)));
    tc_float(&t, "value", 7);
    one(&t, SYN_F32, OP_DIMS(2), N(7, 1), "pad of opset 10");
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, NULL, OP_DIMS(0)), tc_i64(&t, I(1, 0)),
        tc_text(&t, "mode", "edge");
    tc_refuse(&t, SYN_INVALID, "dimension 0 is empty: mode edge has nothing to repeat");
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_i64(&t, I(-2, -1));
    tc_refuse(&t, SYN_INVALID, "cut more than dimension 0 has, 2");
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_i64(&t, I(INT64_MAX, 1));
    tc_refuse(&t, SYN_INVALID, "pads[0] = 9223372036854775807: must be in [-2^40, 2^40]");
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)), tc_i64(&t, I(1));
    tc_refuse(&t, SYN_INVALID, "pads has 1 entries: must have 2");
    tc_begin(&t, SYN_OP_PAD_ND, 21, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_i64(&t, I(1, 1)), tc_text(&t, "mode", "mirror");
    tc_refuse(&t, SYN_INVALID, "mode 'mirror'");
}

/* A44: an id beyond the table is an error of the run, and the ends of the range are right. */
static void test_A44_gather_bounds(void)
{
    struct typed_call t;
    for (int64_t row = -5; row <= 4; row++) {
        const double want[] = {(double)((row + 4) % 4)};
        tc_begin(&t, SYN_OP_GATHER, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(4)), tc_i64(&t, 1, &row);
        if (row >= -4 && row < 4) one(&t, SYN_I16, OP_DIMS(1), want, "a row of the table");
        else tc_refuse(&t, SYN_INVALID, "must be in [-4, 4)");
    }
}

static void test_indices(void)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_GATHER, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)),
        tc_i64(&t, I(-1, 0)), tc_int(&t, "axis", 1);
    one(&t, SYN_I16, OP_DIMS(2, 2), N(2, 0, 5, 3), "gather"); /* by hand */
    tc_begin(&t, SYN_OP_GATHER, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)),
        tc_i64(&t, I(0, 2));
    tc_refuse(&t, SYN_INVALID, "Gather: indices[1] = 2: must be in [-2, 2)");
    tc_begin(&t, SYN_OP_GATHER, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)),
        tc_i64(&t, I(INT64_MIN));
    tc_refuse(&t, SYN_INVALID, "indices[0] = -9223372036854775808");
    tc_begin(&t, SYN_OP_GATHER_ELEMENTS, 13, 1),
        tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)); /* by hand */
    tc_in(&t, SYN_I32, (const int32_t[]){-1, 0, 1, 1}, OP_DIMS(2, 2)), tc_int(&t, "axis", 1);
    one(&t, SYN_I16, OP_DIMS(2, 2), N(2, 0, 4, 4), "gather elements");
    tc_begin(&t, SYN_OP_GATHER_ELEMENTS, 13, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(1, 3));
    tc_in(&t, SYN_I32, (const int32_t[]){0, 0}, OP_DIMS(2, 1)), tc_int(&t, "axis", 1);
    tc_refuse(&t, SYN_INVALID, "indices [2, 1] do not fit data [1, 3] off axis 1");
    tc_begin(&t, SYN_OP_GATHER_ND, 13, 1), ramp_in(&t);
    tc_in(&t, SYN_I64, (const int64_t[]){1, 2, 0, 1, 0, 0, 1, 3}, OP_DIMS(2, 2, 2)),
        tc_int(&t, "batch_dims", 1);
    one(&t, SYN_I16, OP_DIMS(2, 2), N(6, 1, 12, 19), "gather nd");
    tc_begin(&t, SYN_OP_GATHER_ND, 13, 1), ramp_in(&t),
        tc_in(&t, SYN_I64, (const int64_t[]){0, 3}, OP_DIMS(1, 2));
    tc_refuse(&t, SYN_INVALID, "indices[1] = 3: must be in [-3, 3)");
    tc_begin(&t, SYN_OP_SCATTER_ELEMENTS, 18, 1),
        tc_in(&t, SYN_F32, F(1, 2, 3, 4, 5), OP_DIMS(1, 5));
    tc_in(&t, SYN_I64, (const int64_t[]){1, -4, 0}, OP_DIMS(1, 3)),
        tc_in(&t, SYN_F32, F(1.5f, 3, 2), OP_DIMS(1, 3));
    tc_int(&t, "axis", 1), tc_text(&t, "reduction", "add");
    one(&t, SYN_F32, OP_DIMS(1, 5), N(3, 6.5, 3, 4, 5), "scatter elements");
    tc_begin(&t, SYN_OP_SCATTER_ELEMENTS, 18, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_i64(&t, I(5)), tc_in(&t, SYN_F32, F(1), OP_DIMS(1));
    tc_refuse(&t, SYN_INVALID, "indices[0] = 5: must be in [-2, 2)");
    tc_begin(&t, SYN_OP_SCATTER_ELEMENTS, 18, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_i64(&t, I(0)), tc_in(&t, SYN_F32, F(1), OP_DIMS(1));
    tc_text(&t, "reduction", "sum");
    tc_refuse(&t, SYN_INVALID, "reduction 'sum'");
    tc_begin(&t, SYN_OP_SCATTER_ND, 18, 1), tc_in(&t, SYN_F32, F(1, 2, 3, 4, 5, 6), OP_DIMS(3, 2));
    tc_in(&t, SYN_I64, (const int64_t[]){2, 0, 2}, OP_DIMS(3, 1)),
        tc_in(&t, SYN_F32, F(7, 1, 0, 9, 8, 5), OP_DIMS(3, 2));
    tc_text(&t, "reduction", "max");
    one(&t, SYN_F32, OP_DIMS(3, 2), N(1, 9, 3, 4, 8, 6), "scatter nd");
    tc_begin(&t, SYN_OP_SCATTER_ND, 18, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_in(&t, SYN_I64, (const int64_t[]){-3}, OP_DIMS(1, 1));
    tc_in(&t, SYN_F32, F(1), OP_DIMS(1));
    tc_refuse(&t, SYN_INVALID, "indices[0] = -3: must be in [-2, 2)");
    for (int circular = 0; circular < 2; circular++) { /* by hand */
        tc_begin(&t, SYN_OP_TENSOR_SCATTER, 24, 1),
            tc_in(&t, SYN_F32, F(0, 0, 0), OP_DIMS(1, 3, 1));
        tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(1, 2, 1)), tc_i64(&t, I(2)),
            tc_text(&t, "mode", circular ? "circular" : "linear");
        if (circular) one(&t, SYN_F32, OP_DIMS(1, 3, 1), N(2, 0, 1), "circular");
        else tc_refuse(&t, SYN_INVALID, "write_indices[0] = 2: 2 steps do not fit a cache of 3");
    }
}

static void test_makers(void)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_SHAPE, 15, 1), ramp_in(&t), tc_int(&t, "start", -2);
    one(&t, SYN_I64, OP_DIMS(2), N(3, 4), "shape");
    tc_begin(&t, SYN_OP_SHAPE, 15, 1), ramp_in(&t), tc_int(&t, "start", 2), tc_int(&t, "end", -5);
    one(&t, SYN_I64, OP_DIMS(0), NULL, "shape of nothing");
    tc_begin(&t, SYN_OP_SIZE, 13, 1), ramp_in(&t);
    one(&t, SYN_I64, 0, NULL, N(24), "size");
    tc_begin(&t, SYN_OP_RANGE, 11, 1), tc_i64(&t, 0, (const int64_t[]){10}),
        tc_i64(&t, 0, (const int64_t[]){4}), tc_i64(&t, 0, (const int64_t[]){-4});
    one(&t, SYN_I64, OP_DIMS(2), N(10, 6), "range");
    tc_begin(&t, SYN_OP_RANGE, 11, 1), tc_in(&t, SYN_F32, F(1), 0, NULL),
        tc_in(&t, SYN_F32, F(2.1f), 0, NULL), tc_in(&t, SYN_F32, F(0.4f), 0, NULL);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(3), N(1, 1.4, 1.8), 1e-7, "range of floats"), tc_end(&t);
    tc_begin(&t, SYN_OP_RANGE, 11, 1), tc_i64(&t, 0, (const int64_t[]){INT64_MIN}),
        tc_i64(&t, 0, (const int64_t[]){INT64_MAX}), tc_i64(&t, 0, (const int64_t[]){1});
    tc_refuse(&t, SYN_TOO_LARGE, "over 1099511627776 elements");
    tc_begin(&t, SYN_OP_RANGE, 11, 1), tc_i64(&t, 0, (const int64_t[]){0}),
        tc_i64(&t, 0, (const int64_t[]){1}), tc_i64(&t, 0, (const int64_t[]){0});
    tc_refuse(&t, SYN_INVALID, "delta = 0");
    tc_begin(&t, SYN_OP_RANGE, 11, 1), tc_in(&t, SYN_F32, F(0), 0, NULL),
        tc_in(&t, SYN_F32, F(NAN), 0, NULL), tc_in(&t, SYN_F32, F(1), 0, NULL);
    tc_refuse(&t, SYN_INVALID, "must be finite");
    const int32_t seven = 7;
    const struct syn_tensor value = {
        .shape = {.rank = 1, .dim = {1}}, .dtype = SYN_I32, .data = (void *)(uintptr_t)&seven};
    tc_begin(&t, SYN_OP_CONSTANT_OF_SHAPE, 9, 1), tc_i64(&t, I(2, 2)),
        tc_attr(&t, syn_attr_of_tensor("value", &value));
    one(&t, SYN_I32, OP_DIMS(2, 2), N(7, 7, 7, 7), "constant of shape");
    tc_begin(&t, SYN_OP_CONSTANT_OF_SHAPE, 9, 1), tc_i64(&t, I(-1));
    tc_refuse(&t, SYN_INVALID, "dimension 0 is negative");
    tc_begin(&t, SYN_OP_CONSTANT, 13, 1), tc_attr(&t, syn_attr_of_ints("value_ints", I(4, -5)));
    one(&t, SYN_I64, OP_DIMS(2), N(4, -5), "constant");
    tc_begin(&t, SYN_OP_CONSTANT, 13, 1);
    tc_refuse(&t, SYN_INVALID, "exactly one of its attributes");
    tc_begin(&t, SYN_OP_EYE_LIKE, 9, 1), tc_in(&t, SYN_I16, ramp, OP_DIMS(2, 3)),
        tc_int(&t, "k", 1), tc_int(&t, "dtype", 11);
    one(&t, SYN_F64, OP_DIMS(2, 3), N(0, 1, 0, 0, 0, 1), "eye");
    tc_begin(&t, SYN_OP_ONE_HOT, 11, 1), tc_i64(&t, I(1, -1, 7)),
        tc_i64(&t, 0, (const int64_t[]){3}), tc_in(&t, SYN_F32, F(2, 5), OP_DIMS(2));
    tc_int(&t, "axis", 0);
    one(&t, SYN_F32, OP_DIMS(3, 3), N(2, 2, 2, 5, 2, 2, 2, 5, 2), "one hot");
    tc_begin(&t, SYN_OP_ONE_HOT, 11, 1), tc_i64(&t, I(1)), tc_i64(&t, 0, (const int64_t[]){-3}),
        tc_in(&t, SYN_F32, F(2, 5), OP_DIMS(2));
    tc_refuse(&t, SYN_INVALID, "dimension 1 is negative");
}

static void test_selection(void)
{
    struct typed_call t;
    tc_begin(&t, SYN_OP_NON_ZERO, 13, 1),
        tc_in(&t, SYN_BOOL, (const uint8_t[]){1, 0, 1, 0, 1, 0}, OP_DIMS(2, 3));
    one(&t, SYN_I64, OP_DIMS(2, 3), N(0, 0, 1, 0, 2, 1), "nonzero");
    tc_begin(&t, SYN_OP_NON_ZERO, 13, 1), tc_in(&t, SYN_F32, F(NAN, -0.0f), OP_DIMS(2));
    one(&t, SYN_I64, OP_DIMS(1, 1), N(0), "NaN is not 0");
    tc_begin(&t, SYN_OP_COMPRESS, 11, 1), tc_in(&t, SYN_F32, F(1, 2, 3, 4, 5, 6), OP_DIMS(3, 2));
    tc_in(&t, SYN_BOOL, (const uint8_t[]){0, 1, 1}, OP_DIMS(3)), tc_int(&t, "axis", 0);
    one(&t, SYN_F32, OP_DIMS(2, 2), N(3, 4, 5, 6), "compress");
    tc_begin(&t, SYN_OP_COMPRESS, 11, 1), tc_in(&t, SYN_F32, F(1, 2, 3, 4, 5, 6), OP_DIMS(3, 2));
    tc_in(&t, SYN_BOOL, (const uint8_t[]){0, 1, 0, 0, 1}, OP_DIMS(5));
    one(&t, SYN_F32, OP_DIMS(2), N(2, 5), "compress flat");
    tc_begin(&t, SYN_OP_COMPRESS, 11, 1), tc_in(&t, SYN_F32, F(1, 2), OP_DIMS(2)),
        tc_in(&t, SYN_BOOL, (const uint8_t[]){0, 0, 1}, OP_DIMS(3));
    tc_refuse(&t, SYN_INVALID, "condition[2] is true: the axis has 2");
    tc_begin(&t, SYN_OP_UNIQUE, 11, 4), tc_in(&t, SYN_F32, F(2, 1, 1, 3, 4, 3), OP_DIMS(6)),
        tc_int(&t, "sorted", 0);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(4), N(2, 1, 3, 4), 0, "unique"),
        tc_expect(&t, 1, SYN_I64, OP_DIMS(4), N(0, 1, 3, 4), 0, "first");
    tc_expect(&t, 2, SYN_I64, OP_DIMS(6), N(0, 1, 1, 2, 3, 2), 0, "inverse"),
        tc_expect(&t, 3, SYN_I64, OP_DIMS(4), N(1, 2, 2, 1), 0, "counts");
    tc_end(&t);
    tc_begin(&t, SYN_OP_UNIQUE, 11, 3),
        tc_in(&t, SYN_F32, F(2, 3, 4, 1, 0, 0, 1, 0, 0), OP_DIMS(3, 3)), tc_int(&t, "axis", 0);
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 3), N(1, 0, 0, 2, 3, 4), 0, "rows"),
        tc_expect(&t, 1, SYN_I64, OP_DIMS(2), N(1, 0), 0, "first");
    tc_expect(&t, 2, SYN_I64, OP_DIMS(3), N(1, 0, 0), 0, "inverse"), tc_end(&t);
    tc_begin(&t, SYN_OP_TOP_K, 11, 2), tc_in(&t, SYN_F32, F(3, 1, 3, 2, 9, 9), OP_DIMS(2, 3)),
        tc_i64(&t, I(2));
    tc_expect(&t, 0, SYN_F32, OP_DIMS(2, 2), N(3, 3, 9, 9), 0, "top"),
        tc_expect(&t, 1, SYN_I64, OP_DIMS(2, 2), N(0, 2, 1, 2), 0, "where"), tc_end(&t);
    tc_begin(&t, SYN_OP_TOP_K, 11, 2),
        tc_in(&t, SYN_U64, (const uint64_t[]){1ull << 63, 5, 6}, OP_DIMS(3, 1)), tc_i64(&t, I(2));
    tc_int(&t, "axis", 0), tc_int(&t, "largest", 0); /* by hand */
    tc_expect(&t, 0, SYN_U64, OP_DIMS(2, 1), N(5, 6), 0, "least"),
        tc_expect(&t, 1, SYN_I64, OP_DIMS(2, 1), N(1, 2), 0, "where"), tc_end(&t);
    tc_begin(&t, SYN_OP_TOP_K, 11, 2), tc_in(&t, SYN_F32, F(3, 1), OP_DIMS(2)), tc_i64(&t, I(3));
    tc_refuse(&t, SYN_INVALID, "k = 3: must be in [0, 2]");
}

/* An allocation that fails leaves nothing behind (a sanitizer would say so) and says what was
 * asked. */
static void test_no_memory(void)
{
    struct typed_call t;
    for (int fail = 1; fail <= 4; fail++) {
        tc_begin(&t, SYN_OP_UNIQUE, 11, 1), tc_in(&t, SYN_F32, F(2, 1, 1), OP_DIMS(3));
        syn_alloc_fail_at(fail);
        const syn_status st = tc_run(&t);
        syn_alloc_fail_at(0);
        T_CHECK(fail <= 3 ? st == SYN_NO_MEMORY : st == SYN_OK, "allocation %d: %s", fail,
                syn_status_word(st));
        tc_end(&t);
    }
}

int main(void)
{
    for (int i = 0; i < 24; i++) ramp[i] = (int16_t)i;
    test_views();
    test_order();
    test_parts();
    test_pads();
    test_A44_gather_bounds();
    test_indices();
    test_makers();
    test_selection();
    test_no_memory();
    return t_report();
}
