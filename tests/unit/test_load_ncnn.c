/* test_load_ncnn.c - the ncnn loader on small models written here: what each layer becomes, what is
 * refused and with which words, every truncation, and a failing allocation at each place. Real
 * models are compared with another runtime in tests/parity. */
#include "kernels/base/alloc.h"
#include "kernels/load/ncnn.h"
#include "kernels/ops/ops.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

#define IN "7767517\n2 2\nInput in 0 1 x\n" /* one layer follows */

struct model {
    char text[8192];
    uint8_t bin[8192];
    size_t n;
};

static void put32(struct model *m, uint32_t v)
{
    memcpy(m->bin + m->n, &v, 4);
    m->n += 4;
}
static void put_float(struct model *m, float f)
{
    memcpy(m->bin + m->n, &f, 4);
    m->n += 4;
}
/* A normal float with a mantissa of 10 bits at most. */
static uint16_t half_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if (f == 0) return 0;
    return (uint16_t)((u >> 16 & 0x8000) | (((u >> 23 & 255) - 112) << 10) | (u >> 13 & 1023));
}
/* Quarters in [-2, 2), different at each place. */
static float weight(int i)
{
    return (float)((i * 7 + 3) % 16 - 8) * 0.25f;
}
static void put_weights(struct model *m, int n, bool half)
{
    put32(m, half ? 0x01306b47u : 0);
    for (int i = 0; i < n; i++) {
        const uint16_t h = half_of(weight(i));
        if (half) memcpy(m->bin + m->n, &h, 2), m->n += 2;
        else put_float(m, weight(i));
    }
    if (half && n % 2) m->bin[m->n++] = 0xaa, m->bin[m->n++] = 0xaa; /* padding holds anything */
}

static struct syn_graph *load(const struct model *m, const char *what)
{
    struct syn_graph *g = NULL;
    struct syn_err err = {""};
    T_CHECK(syn_ncnn_load(m->text, strlen(m->text), m->bin, m->n, &g, &err) == SYN_OK, "%s: %s",
            what, err.text);
    return g;
}

/* Runs every node with its reference; constants become f32. Returns the first output (caller
 * frees). */
static float *run(struct syn_graph *g, const struct syn_shape *in_shape, const float *in,
                  struct syn_shape *out_shape)
{
    struct syn_err err = {""};
    float **data = calloc((size_t)g->n_values, sizeof *data), *out;
    int64_t n;
    if (!data) abort();
    T_CHECK(syn_graph_infer(g, in_shape, &err) == SYN_OK, "infer: %s", err.text);
    for (int32_t v = 0; v < g->n_values; v++) {
        if (!syn_shape_elements(&g->value[v].shape, &n)) abort();
        data[v] = t_alloc((size_t)n * sizeof(float));
        if (g->value[v].data)
            for (int64_t i = 0; i < n; i++) data[v][i] = syn_value_float(&g->value[v], i);
        else if (v == g->input[0]) memcpy(data[v], in, (size_t)n * sizeof(float));
    }
    for (int32_t i = 0; i < g->n_nodes; i++) {
        struct syn_op_call c;
        syn_graph_call(g, i, &c);
        for (int32_t k = 0; k < c.n_in; k++)
            if (g->node[i].in[k] >= 0)
                c.in[k].data = data[g->node[i].in[k]], c.in[k].dtype = SYN_F32;
        for (int32_t k = 0; k < c.n_out; k++) c.out[k].data = data[g->node[i].out[k]];
        T_CHECK(c.op->reference(&c, &err) == SYN_OK, "%s: %s", g->node[i].name, err.text);
    }
    *out_shape = g->value[g->output[0]].shape;
    out = data[g->output[0]];
    for (int32_t v = 0; v < g->n_values; v++)
        if (v != g->output[0]) free(data[v]);
    free(data);
    return out;
}

/* Loads, runs on a picture of c,h,w whose element i is i % 11 - 4, checks the output's shape; NULL
 * if not. */
static float *run_model(const struct model *m, int64_t c, int64_t h, int64_t w,
                        struct syn_shape want)
{
    const struct syn_shape shape = syn_shape4(1, c, h, w);
    struct syn_graph *g = load(m, m->text);
    struct syn_shape got;
    float *x = t_alloc((size_t)(c * h * w) * sizeof *x), *y = NULL;
    char a[80], b[80];
    for (int64_t i = 0; i < c * h * w; i++) x[i] = (float)(i % 11 - 4);
    if (g) {
        y = run(g, &shape, x, &got);
        const bool ok = syn_shape_equal(&got, &want);
        T_CHECK(ok, "%s: %s instead of %s", m->text, syn_shape_text(&got, a, sizeof a),
                syn_shape_text(&want, b, sizeof b));
        if (!ok) free(y), y = NULL;
    }
    syn_graph_free(g);
    free(x);
    return y;
}

static float pixel(int64_t i)
{
    return (float)(i % 11 - 4);
}

/* 2 -> 3 channels, kernel 3 wide 2 high, stride 2 across, dilation 2 down, pads left 1 right 0 top
 * 1 bottom 2. */
static void test_convolution(bool half)
{
    struct model m = {
        .text =
            "7767517\n2 2\nInput in 0 1 x\n"
            "Convolution c 1 1 x y 0=3 1=3 11=2 3=2 13=1 2=1 12=2 4=1 15=0 14=1 16=2 5=1 6=36 9=2 "
            "-23310=1,2.5e-1\n"};
    const int h = 4, w = 7, ho = 4 + 3 - 2, wo = (7 + 1 - 3) / 2 + 1;
    put_weights(&m, 36, half);
    for (int i = 0; i < 3; i++) put_float(&m, 0.5f * (float)i);
    float *y = run_model(&m, 2, h, w, syn_shape4(1, 3, ho, wo));
    for (int o = 0; y && o < 3; o++)
        for (int r = 0; r < ho; r++)
            for (int c = 0; c < wo; c++) {
                float sum = 0.5f * (float)o;
                for (int q = 0; q < 2; q++)
                    for (int ky = 0; ky < 2; ky++)
                        for (int kx = 0; kx < 3; kx++) {
                            const int iy = r + 2 * ky - 1, ix = 2 * c + kx - 1;
                            if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                            sum += weight(((o * 2 + q) * 2 + ky) * 3 + kx) *
                                   pixel((q * h + iy) * w + ix);
                        }
                if (sum < 0) sum *= 0.25f;
                T_CHECK(y[(o * ho + r) * wo + c] == sum, "half %d: %d %d %d: %g instead of %g",
                        half, o, r, c, (double)y[(o * ho + r) * wo + c], (double)sum);
            }
    free(y);
}

/* Weights of a deconvolution lie [out][in][k]: an odd number of halves, so that padding is skipped
 * too. */
static void test_deconvolution(void)
{
    struct model m = {.text =
                          "7767517\n2 2\nInput in 0 1 x\n"
                          "Deconvolution d 1 1 x y 0=3 1=3 11=1 3=2 4=1 14=0 18=1 19=0 5=1 6=27\n"};
    const int w = 4, wo = (4 - 1) * 2 + 3 + 1 - 2;
    put_weights(&m, 27, true);
    for (int i = 0; i < 3; i++) put_float(&m, (float)i);
    float *y = run_model(&m, 3, 1, w, syn_shape4(1, 3, 1, wo));
    /* the stride is 2 down as well: with a kernel one high, one row stays one row */
    for (int o = 0; y && o < 3; o++)
        for (int c = 0; c < wo; c++) {
            float sum = (float)o;
            for (int q = 0; q < 3; q++)
                for (int i = 0; i < w; i++)
                    for (int k = 0; k < 3; k++)
                        if (2 * i + k - 1 == c)
                            sum += weight((o * 3 + q) * 3 + k) * pixel(q * w + i);
            T_CHECK(y[o * wo + c] == sum, "%d %d: %g instead of %g", o, c, (double)y[o * wo + c],
                    (double)sum);
        }
    free(y);
}

/* Groups: depthwise convolution, then depthwise deconvolution with 2 outputs per group. */
static void test_depthwise(void)
{
    struct model m = {.text = "7767517\n3 3\nInput in 0 1 x 0=0 1=0 2=0\n"
                              "ConvolutionDepthWise c 1 1 x a 0=2 1=1 6=2 7=2\n"
                              "DeconvolutionDepthWise d 1 1 a y 0=4 1=1 6=4 7=2\n"};
    put_weights(&m, 2, false);
    put_weights(&m, 4, false);
    float *y = run_model(&m, 2, 2, 3, syn_shape4(1, 4, 2, 3));
    for (int o = 0; y && o < 4; o++)
        for (int i = 0; i < 6; i++) {
            const float want = weight(o) * weight(o / 2) * pixel(o / 2 * 6 + i);
            T_CHECK(y[o * 6 + i] == want, "%d %d: %g instead of %g", o, i, (double)y[o * 6 + i],
                    (double)want);
        }
    free(y);
}

/* Squeeze and excite in both spellings: the vector multiplies channel by channel. */
static void test_squeeze(bool scale_layer)
{
    struct model m;
    memset(&m, 0, sizeof m);
    snprintf(m.text, sizeof m.text,
             "7767517\n6 7\nInput in 0 1 x 0=9 1=9 2=2\nSplit s 1 2 x x0 x1\n"
             "Pooling p 1 1 x1 g 0=1 4=1\nInnerProduct i 1 1 g v 0=1 1=1 2=2 9=1\n"
             "InnerProduct j 1 1 v u 0=2 1=1 2=2 9=4\n%s\n",
             scale_layer ? "Scale k 2 1 x0 u y 0=-233" : "BinaryOp k 2 1 x0 u y 0=2");
    put_weights(&m, 2, true), put_float(&m, 9); /* weights -1.25 0.5 */
    put_weights(&m, 2, true), put_float(&m, 0), put_float(&m, 0.25f);
    float *y = run_model(&m, 2, 2, 2, syn_shape4(1, 2, 2, 2)); /* means -2.5 and 1.5 */
    const double v = 9 - 1.25 * -2.5 + 0.5 * 1.5;
    for (int i = 0; y && i < 8; i++) {
        const double u = i < 4 ? -1.25 * v : 0.25 + 0.5 * v, want = pixel(i) / (1 + exp(-u));
        T_CHECK(fabs(y[i] - want) < 1e-6, "%d: %g instead of %g", i, (double)y[i], want);
    }
    free(y);
}

/* Layers without weights, one at a time: text of the layer from x to y and the result for [c,h,w].
 * */
static void test_plain_layers(void)
{
    static const struct {
        const char *layer;
        int c, h, w, co, ho, wo;
        float y[12];
    } row[] = {
        {"ReLU a 1 1 x y", 1, 1, 6, 1, 1, 6, {0, 0, 0, 0, 0, 1}},
        {"ReLU a 1 1 x y 0=0.5", 1, 1, 6, 1, 1, 6, {-2, -1.5f, -1, -0.5f, 0, 1}},
        {"Clip a 1 1 x y 0=-2.0 1=0.5", 1, 1, 6, 1, 1, 6, {-2, -2, -2, -1, 0, 0.5f}},
        {"BinaryOp a 1 1 x y 0=1 1=1 2=1.5", 1, 1, 3, 1, 1, 3, {-5.5f, -4.5f, -3.5f}},
        {"BinaryOp a 1 1 x y 0=7 1=1 2=1.5", 1, 1, 3, 1, 1, 3, {5.5f, 4.5f, 3.5f}},
        {"BinaryOp a 1 1 x y 0=4 1=1 2=-3.0", 1, 1, 3, 1, 1, 3, {-3, -3, -2}},
        {"BinaryOp a 1 1 x y 0=5 1=1 2=-3.0", 1, 1, 3, 1, 1, 3, {-4, -3, -3}},
        {"BinaryOp a 2 1 x x y 0=3", 1, 1, 3, 1, 1, 3, {1, 1, 1}},
        {"Eltwise a 2 1 x x y 0=1 -23301=2,0.25,1.0", 1, 1, 2, 1, 1, 2, {-5, -3.75f}},
        {"Eltwise a 3 1 x x x y 0=0", 1, 1, 2, 1, 1, 2, {-64, -27}},
        {"Eltwise a 3 1 x x x y 0=1", 1, 1, 2, 1, 1, 2, {-12, -9}},
        {"Eltwise a 2 1 x x y 0=2", 1, 1, 2, 1, 1, 2, {-4, -3}},
        {"Concat a 2 1 x x y 0=0", 1, 1, 2, 2, 1, 2, {-4, -3, -4, -3}},
        {"Concat a 2 1 x x y 0=-1", 1, 1, 2, 1, 1, 4, {-4, -3, -4, -3}},
        {"Concat a 2 1 x x y 0=1", 1, 1, 2, 1, 2, 2, {-4, -3, -4, -3}},
        {"Interp a 1 1 x y 0=1 1=2.0 2=2.0", 1, 1, 2, 1, 2, 4, {-4, -4, -3, -3, -4, -4, -3, -3}},
        {"Interp a 1 1 x y 0=1 3=1 4=3", 1, 1, 2, 1, 1, 3, {-4, -4, -3}},
        {"Interp a 1 1 x y 0=2 1=1.0 2=2.0", 1, 1, 2, 1, 1, 4, {-4, -3.75f, -3.25f, -3}},
        {"Interp a 1 1 x y 0=2 1=5.000000e-01 2=5.000000e-01", 1, 2, 4, 1, 1, 2, {-1.5f, 0.5f}},
        {"Interp a 1 1 x y 0=2 3=1 4=3 6=1", 1, 1, 2, 1, 1, 3, {-4, -3.5f, -3}},
        {"PixelShuffle a 1 1 x y 0=2", 4, 1, 1, 1, 2, 2, {-4, -3, -2, -1}},
        {"PixelShuffle a 1 1 x y 0=2 1=1", 8, 1, 1, 2, 2, 2, {-4, -2, 0, 2, -3, -1, 1, 3}},
        {"Crop a 1 1 x y -23309=2,1,2 -23310=2,-1,-1 -23311=2,-2,-1", 1, 3, 4, 1, 1, 1, {2}},
        {"Crop a 1 1 x y -23309=2,0,1 -23310=2,2147483647,3 -23311=2,1,2",
         1,
         2,
         4,
         1,
         2,
         2,
         {-3, -2, 1, 2}},
        {"Crop a 1 1 x y 0=1 1=0 3=2 4=-233 5=-233 7=1", 1, 2, 4, 1, 1, 2, {-3, -2}},
        {"Padding a 1 1 x y 0=1 1=0 2=0 3=1 4=0 5=7", 1, 1, 2, 1, 2, 3, {7, 7, 7, -4, -3, 7}},
        {"Padding a 1 1 x y 2=2 4=1", 1, 1, 2, 1, 1, 4, {-4, -4, -4, -3}},
        {"Padding a 1 1 x y 2=2 4=2", 1, 1, 3, 1, 1, 5, {-2, -3, -4, -3, -2}},
        {"Pooling a 1 1 x y 0=0 1=2 2=2", 1, 2, 3, 1, 1, 2, {0, 1}},
        {"Pooling a 1 1 x y 0=1 1=2 2=2 5=1", 1, 2, 4, 1, 1, 2, {-1.5f, 0.5f}},
        {"Pooling a 1 1 x y 0=1 1=2 2=1 5=2 6=0", 1, 1, 2, 1, 1, 2, {-3.5f, -3}},
        {"Pooling a 1 1 x y 0=1 1=2 2=1 5=3 6=0", 1, 1, 2, 1, 1, 2, {-4, -3.5f}},
        {"Pooling a 1 1 x y 0=0 1=3 2=1 5=2", 1, 1, 3, 1, 1, 3, {-3, -2, -2}},
        {"Pooling a 1 1 x y 0=1 7=1 8=1", 2, 1, 2, 2, 1, 1, {-3.5f, -1.5f}},
        {"Sigmoid a 1 1 x y",
         1,
         1,
         5,
         1,
         1,
         5,
         {0.0179862f, 0.0474259f, 0.1192029f, 0.2689414f, 0.5f}},
        {"Noop a 1 1 x y", 1, 1, 2, 1, 1, 2, {-4, -3}},
        {"Dropout a 1 1 x y 0=0.5", 1, 1, 2, 1, 1, 2, {-2, -1.5f}},
    };
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        struct model m;
        memset(&m, 0, sizeof m);
        snprintf(m.text, sizeof m.text, "7767517\n2 2\nInput in 0 1 x 0=8 1=8 2=%d\n%s\n", row[r].c,
                 row[r].layer);
        float *y = run_model(&m, row[r].c, row[r].h, row[r].w,
                             syn_shape4(1, row[r].co, row[r].ho, row[r].wo));
        for (int i = 0; y && i < row[r].co * row[r].ho * row[r].wo; i++)
            T_CHECK(fabsf(y[i] - row[r].y[i]) < 1e-6f, "%s: %d: %g instead of %g", row[r].layer, i,
                    (double)y[i], (double)row[r].y[i]);
        free(y);
    }
}

/* Weights without a tag; the window of another blob; a split makes no node. */
static void test_others(void)
{
    struct model m = {
        .text = "7767517\r\n5 6\n\nInput in 0 1 x\nPReLU p 1 1 x a 0=2 -23330=4,3,1,1,2\n"
                "Scale s 1 1 a b 0=2 1=1\nSplit t 1 2 b b0 b1\nBinaryOp m 2 1 b0 b1 y 0=0\n"};
    const float slope[2] = {0.5f, 0.25f}, factor[2] = {2, 4}, bias[2] = {1, -1};
    for (int i = 0; i < 2; i++) put_float(&m, slope[i]);
    for (int i = 0; i < 2; i++) put_float(&m, factor[i]);
    for (int i = 0; i < 2; i++) put_float(&m, bias[i]);
    float *y = run_model(&m, 2, 1, 3, syn_shape4(1, 2, 1, 3));
    for (int i = 0; y && i < 6; i++) {
        const float x = pixel(i) < 0 ? pixel(i) * slope[i / 3] : pixel(i),
                    want = 2 * (x * factor[i / 3] + bias[i / 3]);
        T_CHECK(y[i] == want, "%d: %g instead of %g", i, (double)y[i], (double)want);
    }
    free(y);
    struct syn_graph *g = load(&m, "aliases");
    T_CHECK(g && g->n_nodes == 4, "PReLU, Mul, Add, Add: %d nodes", g ? (int)g->n_nodes : -1);
    T_CHECK(g && g->value[g->input[0]].shape.dim[1] == 2,
            "channels come from the first layer that uses them");
    T_CHECK(g && !strcmp(g->value[g->input[0]].name, "x"), "the input is named after its blob");
    syn_graph_free(g);

    struct model c = {
        .text =
            "7767517\n4 5\nInput in 0 1 x 0=1 1=1 2=1\nSplit t 1 2 x x0 x1\n"
            "Crop s 1 1 x1 s -23309=2,0,0 -23310=2,2,1 -23311=2,1,2\nCrop c 2 1 x0 s y 0=2 1=1\n"};
    y = run_model(&c, 1, 3, 4, syn_shape4(1, 1, 2, 1));
    if (y) T_CHECK(y[0] == 2 && y[1] == pixel(10), "%g %g", (double)y[0], (double)y[1]);
    free(y);
}

/* The activations that are computed with a convolution (keys 9 and 10), here with a kernel of 1x1.
 * */
static void test_activations(void)
{
    static const struct {
        const char *keys;
        float y[3];
    } row[] = {
        /* inputs -4 -3 -2, weight -1.25 */
        {"", {5, 3.75f, 2.5f}},
        {"9=0", {5, 3.75f, 2.5f}},
        {"9=1 -23310=0", {5, 3.75f, 2.5f}},
        {"9=2 -23310=1,3e0", {5, 3.75f, 2.5f}},
        {"9=3 -23310=2,-1e+0,+3.", {3, 3, 2.5f}},
        {"9=4", {0.9933071f, 0.9770226f, 0.9241418f}},
        {"5=1", {1, -0.25f, -1.5f}}, /* bias -4 */
        {"5=1 9=1", {1, 0, 0}},
        {"5=1 9=2 -23310=1,.5", {1, -0.125f, -0.75f}},
        {"5=1 9=3 -23310=2,-1,0.5", {0.5f, -0.25f, -1}},
    };
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++)
        for (int deconvolution = 0; deconvolution < 2; deconvolution++) {
            struct model m;
            memset(&m, 0, sizeof m);
            snprintf(m.text, sizeof m.text, IN "%s a 1 1 x y 0=1 1=1 6=1 %s\n",
                     deconvolution ? "Deconvolution" : "Convolution", row[r].keys);
            put_weights(&m, 1, false);
            if (strstr(row[r].keys, "5=1")) put_float(&m, -4);
            float *y = run_model(&m, 1, 1, 3, syn_shape4(1, 1, 1, 3));
            for (int i = 0; y && i < 3; i++)
                T_CHECK(fabsf(y[i] - row[r].y[i]) < 1e-6f, "%s: %d: %g instead of %g", m.text, i,
                        (double)y[i], (double)row[r].y[i]);
            free(y);
        }
}

/* -233 puts the odd padding after, -234 before the picture. */
static void test_same_size(void)
{
    for (int lower = 0; lower < 2; lower++) {
        struct model m;
        memset(&m, 0, sizeof m);
        snprintf(m.text, sizeof m.text, IN "Convolution a 1 1 x y 0=1 1=2 11=1 4=%d 6=2\n",
                 lower ? -234 : -233);
        put_weights(&m, 2, true);                                  /* -1.25 0.5 */
        float *y = run_model(&m, 1, 1, 3, syn_shape4(1, 1, 1, 3)); /* of -4 -3 -2 */
        const float want[2][3] = {{3.5f, 2.75f, 2.5f}, {-2, 3.5f, 2.75f}};
        for (int i = 0; y && i < 3; i++)
            T_CHECK(y[i] == want[lower][i], "%s: %d: %g instead of %g", m.text, i, (double)y[i],
                    (double)want[lower][i]);
        free(y);
    }
}

/* Vectors: pooled, joined, multiplied, kept by layers that only rename; a 1x1 convolution of one is
 *          one. */
static void test_vectors(void)
{
    struct model m = {.text =
                          "7767517\n9 10\nInput in 0 1 x 0=9 1=9 2=2\nSplit s 1 2 x x0 x1\n"
                          "Pooling p 1 1 x0 p 0=1 4=1\nPooling q 1 1 x1 q 0=1 7=1 8=1 18=1\n"
                          "Concat c 2 1 p q c 0=0\nFlatten f 1 1 c f\nReshape r 1 1 f r 0=4\n"
                          "Convolution k 1 1 r k 0=2 1=1 6=8\nInnerProduct i 1 1 k y 0=1 2=2\n"};
    put_weights(&m, 8, true); /* -1.25 0.5 -1.75 0 / 1.75 -0.5 1.25 -1 */
    put_weights(&m, 2, true);
    float *y = run_model(&m, 2, 1, 2, syn_shape4(1, 1, 1, 1)); /* means -3.5 -1.5, twice */
    const float a = -3.5f * (-1.25f - 1.75f) - 1.5f * 0.5f,
                b = -3.5f * (1.75f + 1.25f) - 1.5f * -1.5f;
    if (y)
        T_CHECK(y[0] == -1.25f * a + 0.5f * b, "%g instead of %g", (double)y[0],
                (double)(-1.25f * a + 0.5f * b));
    free(y);
}

/* Every blob that no layer reads is an output; one that is an input as it is gets a node of its
 * own. */
static void test_outputs(void)
{
    struct model m = {.text = "7767517\n4 5\nInput in 0 1 x 0=1 1=1 2=1\nSplit s 1 2 x x0 x1\n"
                              "ReLU r 1 1 x0 a\nNoop n 1 1 x1 b\n"};
    struct syn_graph *g = load(&m, "two outputs");
    if (!g) return;
    T_CHECK(g->n_outputs == 2, "%d outputs", (int)g->n_outputs);
    T_CHECK(g->n_nodes == 2 && g->node[0].id == SYN_OP_RELU && g->node[1].id == SYN_OP_IDENTITY,
            "%d nodes", (int)g->n_nodes);
    T_CHECK(g->output[0] == g->node[0].out[0] && g->output[1] == g->node[1].out[0],
            "outputs belong to nodes");
    T_CHECK(g->n_inputs == 1 && g->node[1].in[0] == g->input[0], "the second is the input");
    syn_graph_free(g);
}

/* f16 constants are used where they lie. */
static void test_borrowed(void)
{
    struct model m = {.text = "7767517\n2 2\nInput in 0 1 x\nConvolution c 1 1 x y 0=1 1=1 6=3\n"};
    struct syn_graph *g;
    put_weights(&m, 3, true);
    g = load(&m, "borrowed");
    if (!g) return;
    const struct syn_value *w = &g->value[g->node[0].in[1]];
    T_CHECK(w->dtype == SYN_F16 && w->data == m.bin + 4, "dtype %d", w->dtype);
    T_CHECK(syn_value_float(w, 2) == weight(2), "%g", (double)syn_value_float(w, 2));
    syn_graph_free(g);
}

/* Each case: text, weight bytes given (zeros), the status, and words that the message must hold. */
static void test_refused(void)
{
    static const struct {
        const char *text;
        size_t n;
        syn_status st;
        const char *word[3];
    } row[] = {
        {"", 0, SYN_INVALID, {"7767517"}},
        {"7767518\n1 1\nInput a 0 1 x\n", 0, SYN_INVALID, {"line 1", "7767517"}},
        {"7767517\n", 0, SYN_TRUNCATED, {"line 2"}},
        {"7767517\n0 1\n", 0, SYN_INVALID, {"line 2", "layers"}},
        {"7767517\n1 -1\n", 0, SYN_INVALID, {"line 2"}},
        {"7767517\n999999 1\nInput a 0 1 x\n", 0, SYN_TRUNCATED, {"999999"}},
        {"7767517\n1 999999\nInput a 0 1 x\n", 0, SYN_TRUNCATED, {"999999"}},
        {"7767517\n9999999999 1\nInput a 0 1 x\n", 0, SYN_INVALID, {"line 2"}},
        {IN, 0, SYN_TRUNCATED, {"after 1 layers", "states 2"}},
        {IN "ReLU r 1 1 x y\nReLU s 1 1 y z\n", 0, SYN_INVALID, {"3 layers", "states 2"}},
        {"7767517\n2 4\nInput in 0 1 x 0=1 1=1 2=1\nReLU r 1 1 x y\n",
         0,
         SYN_INVALID,
         {"states 4", "make 2"}},
        {"7767517\n2 1\nInput in 0 1 x\nReLU r 1 1 x y\n",
         0,
         SYN_INVALID,
         {"line 4", "more blobs than the 1"}},
        {IN "Rulu r 1 1 x y\nFoo a 1 1 y z\nRulu b 1 1 z q\nBaz c 0 0\n",
         0,
         SYN_UNSUPPORTED,
         {"line 4", "Rulu, Foo, Baz"}},
        {IN "ReLU r 1 1 x y", 0, SYN_TRUNCATED, {"line 4", "ends within"}},
        {IN "ReLU r 1 1 x\ty\x01\n", 0, SYN_INVALID, {"line 4", "0x01", "column 15"}},
        {IN "ReLU r 1\n", 0, SYN_INVALID, {"line 4", "3 words"}},
        {IN "ReLU r one 1 x y\n", 0, SYN_INVALID, {"line 4", "one"}},
        {IN "ReLU r 1x 1 x y\n", 0, SYN_INVALID, {"line 4", "1x"}},
        {IN "ReLU r 1 - x y\n", 0, SYN_INVALID, {"line 4", "outputs -"}},
        {IN "ReLU r 1 0000000000000000001 x y\n", 0, SYN_INVALID, {"line 4", "outputs 0000"}},
        {IN "ReLU r 65 1 x y\n", 0, SYN_INVALID, {"line 4", "65", "64"}},
        {IN "ReLU r 1 1 x\n", 0, SYN_INVALID, {"line 4", "1 names"}},
        {IN "ReLU r 1 1 q y\n", 0, SYN_INVALID, {"line 4", "input q"}},
        {IN "ReLU r 1 1 x x\n", 0, SYN_INVALID, {"line 4", "blob x is made twice"}},
        {IN "ReLU r 2 1 x x y\n", 0, SYN_INVALID, {"line 4", "2 inputs"}},
        {IN "ReLU r 1 2 x y z\n", 0, SYN_INVALID, {"line 4", "2 outputs"}},
        {IN "ReLU r 1 1 x y 0\n", 0, SYN_INVALID, {"line 4", "key=value"}},
        {IN "ReLU r 1 1 x y a=1\n", 0, SYN_INVALID, {"line 4", "key must be"}},
        {IN "ReLU r 1 1 x y 32=1\n", 0, SYN_INVALID, {"line 4", "[0, 31]"}},
        {IN "ReLU r 1 1 x y -23332=1,1\n", 0, SYN_INVALID, {"line 4", "key must be"}},
        {IN "ReLU r 1 1 x y 0=1x\n", 0, SYN_INVALID, {"line 4", "0=1x"}},
        {IN "ReLU r 1 1 x y 0=nan\n", 0, SYN_INVALID, {"line 4", "0=nan"}},
        {IN "ReLU r 1 1 x y 0=1e999\n", 0, SYN_INVALID, {"line 4", "0=1e999"}},
        {IN "ReLU r 1 1 x y 0=1 0=2\n", 0, SYN_INVALID, {"line 4", "twice"}},
        {IN "ReLU r 1 1 x y 5=3\n", 0, SYN_UNSUPPORTED, {"line 4", "key 5 = 3"}},
        {IN "Eltwise r 2 1 x x y 0=1 -23301=2,1\n", 0, SYN_INVALID, {"line 4", "2 numbers"}},
        {IN "Eltwise r 2 1 x x y 0=1 -23301=1,1,2\n",
         0,
         SYN_INVALID,
         {"line 4", "more than its 1"}},
        {IN "Eltwise r 2 1 x x y 0=1 -23301=65,1\n", 0, SYN_INVALID, {"line 4", "[0, 64]"}},
        {IN "Eltwise r 2 1 x x y 0=1 -23301=1,1\n",
         0,
         SYN_INVALID,
         {"line 4", "1 coefficients of 2"}},
        {IN "BinaryOp r 2 1 x x y 0=6\n", 0, SYN_UNSUPPORTED, {"line 4", "operation 6"}},
        {IN "BinaryOp r 1 1 x y 0=0\n", 0, SYN_INVALID, {"line 4", "1 inputs: takes 2"}},
        {IN "Padding r 2 1 x x y 0=1\n", 0, SYN_INVALID, {"line 4", "2 inputs", "1 to 1"}},
        {IN "Convolution r 2 1 x x y 0=1 1=1 6=1\n",
         8,
         SYN_INVALID,
         {"line 4", "2 inputs", "1 to 1"}},
        {IN "Convolution r 1 1 x y 0=1 1=1\n", 8, SYN_INVALID, {"line 4", "key 6 = 0"}},
        {IN "Eltwise r 2 1 x x y 0=3\n", 0, SYN_INVALID, {"line 4", "key 0 = 3"}},
        {IN "Interp r 1 1 x y 0=1 1=257 2=2\n", 0, SYN_INVALID, {"line 4", "257"}},
        {IN "Interp r 1 1 x y 0=1 1=2 2=0\n", 0, SYN_INVALID, {"line 4", "scales 2 and 0"}},
        {"7767517\n3 3\nInput in 0 1 x 0=1 1=1 2=2\nPooling p 1 1 x v 0=1 4=1\nConcat c 2 1 v v y "
         "0=1\n",
         0,
         SYN_INVALID,
         {"line 5", "axis 0"}},
        {"7767517\n3 3\nInput in 0 1 x 0=1 1=1 2=2\nPooling p 1 1 x v 0=1 4=1\nConcat c 2 1 x v y "
         "0=0\n",
         0,
         SYN_INVALID,
         {"line 5", "a vector among"}},
        {"7767517\n3 3\nInput in 0 1 x 0=1 1=1 2=2\nPooling p 1 1 x v 0=1 4=1\nReshape r 1 1 v y "
         "0=1\n",
         0,
         SYN_UNSUPPORTED,
         {"line 5", "vector of 2 to 1"}},
        {IN "Interp r 1 1 x y 0=4\n", 0, SYN_INVALID, {"line 4", "key 0 = 4"}},
        {IN "Interp r 1 1 x y 0=1 1=-2 2=2\n", 0, SYN_INVALID, {"line 4", "-2"}},
        {IN "Interp r 1 1 x y 0=1 1=2 2=2 5=1\n", 0, SYN_UNSUPPORTED, {"line 4", "key 5"}},
        {IN "Pooling r 1 1 x y 0=0 4=1\n", 0, SYN_UNSUPPORTED, {"line 4", "maximum"}},
        {IN "Pooling r 1 1 x y 0=1 1=2 2=2 5=2\n", 0, SYN_UNSUPPORTED, {"line 4", "stride"}},
        {IN "Pooling r 1 1 x y 0=1 1=2 2=3\n", 0, SYN_UNSUPPORTED, {"line 4", "rounds"}},
        {IN "InnerProduct r 1 1 x y 0=1 2=4\n", 8, SYN_UNSUPPORTED, {"line 4", "vector"}},
        {IN "Flatten r 1 1 x y\n", 0, SYN_UNSUPPORTED, {"line 4", "vector"}},
        {IN "Scale r 2 1 x x y 0=-233\n", 0, SYN_UNSUPPORTED, {"line 4", "second input"}},
        {IN "Scale r 1 1 x y 0=0\n", 0, SYN_INVALID, {"line 4", "key 0 = 0"}},
        {IN "Crop r 1 1 x y 0=1\n", 0, SYN_INVALID, {"line 4", "size 0"}},
        {IN "Crop r 1 1 x y 3=1 4=1 5=2\n", 0, SYN_UNSUPPORTED, {"line 4", "channels"}},
        {IN "Crop r 1 1 x y -23309=1,-2 -23310=1,0 -23311=1,-1\n",
         0,
         SYN_UNSUPPORTED,
         {"line 4", "from -2"}},
        {IN "Crop r 1 1 x y -23309=1,2 -23310=1,1 -23311=1,-1\n",
         0,
         SYN_UNSUPPORTED,
         {"line 4", "from 2 to 1"}},
        {IN "Crop r 1 1 x y -23309=1,1 -23310=1,0 -23311=1,0\n",
         0,
         SYN_UNSUPPORTED,
         {"line 4", "channels"}},
        {IN "Crop r 1 1 x y -23309=1,1 -23310=2,0,0 -23311=2,1,2\n",
         0,
         SYN_INVALID,
         {"line 4", "1 starts, 2 ends, 2 axes"}},
        {IN "Crop r 1 1 x y -23309=2,1,1 -23310=2,0,0 -23311=1,1\n",
         0,
         SYN_INVALID,
         {"line 4", "2 starts, 2 ends, 1 axes"}},
        {IN "Crop r 1 1 x y -23309=2,1,1 -23310=2,0,0\n", 0, SYN_INVALID, {"line 4", "0 axes"}},
        {IN "Crop r 1 1 x y -23309=1,1 -23310=1,0 -23311=1,3\n",
         0,
         SYN_INVALID,
         {"line 4", "axis 3"}},
        {IN "Convolution c 1 1 x y 1=3 6=9\n", 99, SYN_INVALID, {"line 4", "key 0 = 0"}},
        {IN "Convolution c 1 1 x y 0=1.5 1=3 6=9\n", 99, SYN_INVALID, {"line 4", "key 0 = 1.5"}},
        {IN "Convolution c 1 1 x y 0=2 1=3 6=27\n",
         99,
         SYN_INVALID,
         {"line 4", "key 6 = 27", "18"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 3=2 4=-233 6=9\n",
         99,
         SYN_UNSUPPORTED,
         {"line 4", "-233", "stride 2"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 4=-235 6=9\n", 99, SYN_INVALID, {"line 4", "-235"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 6=9 8=1\n",
         99,
         SYN_UNSUPPORTED,
         {"line 4", "key 8 = 1"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 6=9 9=5\n",
         99,
         SYN_UNSUPPORTED,
         {"line 4", "activation 5"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 6=9 9=2\n", 40, SYN_INVALID, {"line 4", "0 parameters"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 6=9\n",
         39,
         SYN_TRUNCATED,
         {"line 4", "36 bytes at offset 4", "35 left"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 6=9\n", 3, SYN_TRUNCATED, {"line 4", "tag"}},
        {IN "Convolution c 1 1 x y 0=1 1=3 6=9\n",
         41,
         SYN_INVALID,
         {"1 bytes after the last weight", "40"}},
        {IN "Convolution c 1 1 x y 0=65536 1=1024 11=1024 6=2147483647\n",
         99,
         SYN_INVALID,
         {"line 4", "key 6"}},
        {IN "ConvolutionDepthWise c 1 1 x y 0=3 1=1 6=3 7=2\n",
         99,
         SYN_INVALID,
         {"line 4", "3 outputs in 2 groups"}},
        {IN "Deconvolution c 1 1 x y 0=1 1=3 4=-233 6=9\n",
         99,
         SYN_UNSUPPORTED,
         {"line 4", "-233"}},
        {IN "Deconvolution c 1 1 x y 0=1 1=3 6=9 20=8\n",
         99,
         SYN_UNSUPPORTED,
         {"line 4", "key 20"}},
        {IN "PReLU c 1 1 x y 0=2\n", 4, SYN_TRUNCATED, {"line 4", "slopes"}},
        {IN "PixelShuffle c 1 1 x y 0=2\n", 0, SYN_INVALID, {"input x", "channels"}},
        {"7767517\n2 2\nInput in 0 1 x 0=8 1=8 2=3\nPixelShuffle c 1 1 x y 0=2\n",
         0,
         SYN_INVALID,
         {"line 4", "3 channels"}},
        {"7767517\n2 2\nInput in 0 1 x 0=8 1=8 2=3\nConvolution c 1 1 x y 0=1 1=1 6=4\n",
         20,
         SYN_INVALID,
         {"line 4", "4 input channels", "has 3"}},
        {"7767517\n1 1\nInput in 0 1 x 0=8\n", 0, SYN_UNSUPPORTED, {"line 3", "three dimensions"}},
    };
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        static const uint8_t zeros[128];
        struct syn_graph *g = NULL;
        struct syn_err err = {""};
        const syn_status st =
            syn_ncnn_load(row[r].text, strlen(row[r].text), zeros, row[r].n, &g, &err);
        T_CHECK(st == row[r].st && !g, "%s: %s %s", row[r].text, syn_status_word(st), err.text);
        for (int w = 0; w < 3 && row[r].word[w]; w++)
            T_CHECK(strstr(err.text, row[r].word[w]), "%s: \"%s\" lacks \"%s\"", row[r].text,
                    err.text, row[r].word[w]);
        syn_graph_free(g);
    }
}

static void test_tags(void)
{
    struct model m = {.text = IN "Convolution c 1 1 x y 0=1 1=1 6=4\n"};
    struct syn_graph *g = NULL;
    struct syn_err err = {""};
    put32(&m, 0x000d4b38u), put32(&m, 0);
    T_CHECK(syn_ncnn_load(m.text, strlen(m.text), m.bin, m.n, &g, &err) == SYN_UNSUPPORTED &&
                strstr(err.text, "int8") && strstr(err.text, "offset 0"),
            "%s", err.text);
    m.n = 0;
    put32(&m, 0x0002c056u), put32(&m, 0);
    T_CHECK(syn_ncnn_load(m.text, strlen(m.text), m.bin, m.n, &g, &err) == SYN_UNSUPPORTED &&
                strstr(err.text, "0x0002c056"),
            "%s", err.text);
}

/* Other files under a model file's name are told by what they hold. */
static void test_G13_misnamed(void)
{
    static const struct {
        const char *begin;
        size_t n;
        const char *word;
    } row[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:", 55, "Git LFS"},
        {"<!DOCTYPE html><html>", 21, "HTML"},
        {"PK\3\4\24\0\0\0", 8, "zip"},
        {"\x80\2}q\0", 5, "pickle"},
        {"\x40\0\0\0\0\0\0\0{\"a\":{}}", 16, "safetensors"},
        {"\xdd\x85\x76\0\2\0\0\0", 8, "binary param"},
        {"{\"nodes\":[]}", 12, "JSON"},
    };
    static const char text[] = "7767517\n2 2\nInput in 0 1 x 0=1 1=1 2=1\nPReLU p 1 1 x y 0=1\n";
    struct syn_graph *g = NULL;
    struct syn_err err = {""};
    for (size_t r = 0; r < sizeof row / sizeof row[0]; r++) {
        T_CHECK(syn_ncnn_load(row[r].begin, row[r].n, "", 0, &g, &err) == SYN_INVALID && !g &&
                    strstr(err.text, row[r].word),
                "param %s: %s", row[r].word, err.text);
        if (r > 2) continue; /* weights may begin with any number */
        T_CHECK(syn_ncnn_load(text, strlen(text), row[r].begin, row[r].n, &g, &err) ==
                        SYN_INVALID &&
                    !g && strstr(err.text, "weight file") && strstr(err.text, row[r].word),
                "bin %s: %s", row[r].word, err.text);
    }
    T_CHECK(syn_ncnn_load(text, strlen(text), "\x80\2\0\x3f", 4, &g, &err) == SYN_OK, "a slope: %s",
            err.text);
    syn_graph_free(g);
    g = NULL;
    T_CHECK(syn_ncnn_load(text, strlen(text), text, strlen(text), &g, &err) == SYN_INVALID &&
                strstr(err.text, "param text"),
            "the param twice: %s", err.text);
}

/* A model with most kinds of weights. */
static void mixed(struct model *m)
{
    memset(m, 0, sizeof *m);
    strcpy(m->text, "7767517\n9 11\nInput in 0 1 x 0=8 1=8 2=3\nConvolution c 1 1 x a 0=4 1=3 4=1 "
                    "5=1 6=108 9=2 -23310=1,0.1\n"
                    "PReLU p 1 1 a b 0=4\nSplit s 1 3 b b0 b1 b2\nPooling g 1 1 b1 v 0=1 4=1\n"
                    "InnerProduct i 1 1 v u 0=4 1=1 2=16 9=4\nScale k 2 1 b0 u d 0=-233\n"
                    "BinaryOp q 2 1 d b2 e 0=0\nDeconvolution t 1 1 e y 0=3 1=2 3=2 5=1 6=48\n");
    put_weights(m, 108, true);
    for (int i = 0; i < 8; i++) put_float(m, 0.5f);
    put_weights(m, 16, true);
    for (int i = 0; i < 4; i++) put_float(m, 0.5f);
    put_weights(m, 48, false);
    for (int i = 0; i < 3; i++) put_float(m, 0.5f);
}

/* Cut at any byte, text and weights are refused; the bytes past the cut are not there to be read.
 * */
static void test_truncated(void)
{
    struct model m;
    struct syn_graph *g = NULL;
    struct syn_err err = {""};
    mixed(&m);
    const size_t text_n = strlen(m.text);
    syn_graph_free(load(&m, "whole"));
    for (size_t n = 0; n < text_n; n++) {
        char *cut = t_alloc(n);
        memcpy(cut, m.text, n);
        T_CHECK(syn_ncnn_load(cut, n, m.bin, m.n, &g, &err) != SYN_OK && !g && err.text[0],
                "text of %zu bytes", n);
        free(cut);
    }
    for (size_t n = 0; n < m.n; n++) {
        uint8_t *cut = t_alloc(n);
        memcpy(cut, m.bin, n);
        T_CHECK(syn_ncnn_load(m.text, text_n, cut, n, &g, &err) == SYN_TRUNCATED && !g,
                "%zu bytes of weights: %s", n, err.text);
        free(cut);
    }
    uint8_t *odd = t_alloc(m.n + 1); /* any alignment does */
    memcpy(odd + 1, m.bin, m.n);
    T_CHECK(syn_ncnn_load(m.text, text_n, odd + 1, m.n, &g, &err) == SYN_OK, "%s", err.text);
    syn_graph_free(g);
    free(odd);
}

static void test_no_memory(void)
{
    struct model m;
    struct syn_err err = {""};
    syn_status st = SYN_NO_MEMORY;
    long n = 0;
    mixed(&m);
    while (st != SYN_OK && n < 10000) {
        struct syn_graph *g = NULL;
        syn_alloc_fail_at(++n);
        st = syn_ncnn_load(m.text, strlen(m.text), m.bin, m.n, &g, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK ? g != NULL : st == SYN_NO_MEMORY && !g, "allocation %ld: %s %s", n,
                syn_status_word(st), err.text);
        syn_graph_free(g);
    }
    T_CHECK(n > 10 && st == SYN_OK, "%ld allocations failed one by one", n);
}

int main(void)
{
    test_convolution(true);
    test_convolution(false);
    test_deconvolution();
    test_depthwise();
    test_squeeze(true);
    test_squeeze(false);
    test_plain_layers();
    test_others();
    test_activations();
    test_same_size();
    test_vectors();
    test_outputs();
    test_borrowed();
    test_refused();
    test_tags();
    test_G13_misnamed();
    test_truncated();
    test_no_memory();
    return t_report();
}
