/* selftest.c - a small network through this device and through the references. See engine.h. */
#include "kernels/base/alloc.h"
#include "kernels/engine_private.h"
#include "kernels/graph/op_words.h"
#include "kernels/graph/passes.h"
#include <math.h>
#include <string.h>

enum { SIDE = 13, CHANNELS = 16 };

/* Numbers in [-0.5, 0.5) that depend on the index alone. */
static float number(uint32_t i)
{
    i = (i ^ i >> 16) * 0x85ebca6bu;
    i = (i ^ i >> 13) * 0xc2b2ae35u;
    return (float)((i ^ i >> 16) >> 8) * 0x1p-24f - 0.5f;
}

static syn_status constant(struct syn_graph *g, const struct syn_shape *s, float scale,
                           int32_t *out, struct syn_err *err)
{
    int64_t n;
    float *data;
    syn_status st;
    if (!syn_shape_elements(s, &n)) return syn_fail(err, SYN_INTERNAL, "selftest: bad shape");
    if (!(data = syn_alloc((size_t)n * sizeof *data)))
        return syn_fail(err, SYN_NO_MEMORY, "selftest: no memory");
    for (int64_t i = 0; i < n; i++) data[i] = scale * number((uint32_t)(i + n * 7));
    st = syn_graph_constant_copy(g, "w", s, data, out, err);
    syn_free(data);
    return st;
}

static syn_status conv(struct syn_graph *g, int64_t co, int64_t ci, int32_t x, int32_t *y,
                       struct syn_err *err)
{
    const int64_t pads[4] = {1, 1, 1, 1};
    const struct syn_attr attrs[] = {syn_attr_of_ints("pads", 4, pads),
                                     syn_attr_of_int("act", SYN_ACT_LEAKY),
                                     syn_attr_of_float("act_a", 0.2)};
    const struct syn_shape ws = syn_shape4(co, ci, 3, 3), bs = syn_shape_of(1, &co);
    int32_t in[3] = {x, -1, -1};
    syn_status st = constant(g, &ws, 0.5f, &in[1], err);
    if (st == SYN_OK) st = constant(g, &bs, 0.2f, &in[2], err);
    return st == SYN_OK ? syn_graph_node(g, SYN_OP_CONV, "conv", 3, in, 3, attrs, y, err) : st;
}

/* conv, dense concat, conv with residual, nearest 2x + conv: what the upscalers are made of. */
static syn_status build(struct syn_graph **out, struct syn_err *err)
{
    const struct syn_shape picture = syn_shape4(1, 3, SIDE, SIDE);
    const double coeffs[2] = {0.2, 1};
    const struct syn_attr sum = syn_attr_of_floats("coeffs", 2, coeffs);
    const struct syn_attr up[] = {syn_attr_of_int("mode", SYN_RESIZE_NEAREST),
                                  syn_attr_of_int("coord", SYN_COORD_ASYMMETRIC),
                                  syn_attr_of_int("round", SYN_ROUND_FLOOR),
                                  syn_attr_of_float("scale_h", 2), syn_attr_of_float("scale_w", 2)};
    struct syn_graph *g = NULL;
    int32_t x, a = -1, b = -1, two[2], y;
    syn_status st = syn_graph_new(&g, err);
    if (st == SYN_OK) st = syn_graph_input(g, "picture", &picture, &x, err);
    if (st == SYN_OK) st = conv(g, CHANNELS, 3, x, &a, err);
    if (st == SYN_OK) st = conv(g, CHANNELS, CHANNELS, a, &b, err);
    two[0] = a, two[1] = b;
    if (st == SYN_OK) st = syn_graph_node(g, SYN_OP_CONCAT, "concat", 2, two, 0, NULL, &y, err);
    if (st == SYN_OK) st = conv(g, CHANNELS, 2 * CHANNELS, y, &b, err);
    two[0] = b, two[1] = a;
    if (st == SYN_OK)
        st = syn_graph_node(g, SYN_OP_SCALED_SUM, "residual", 2, two, 1, &sum, &y, err);
    if (st == SYN_OK) st = syn_graph_node(g, SYN_OP_RESIZE, "double", 1, &y, 5, up, &y, err);
    if (st == SYN_OK) st = conv(g, 3, CHANNELS, y, &y, err);
    if (st == SYN_OK) st = syn_graph_output(g, y, err);
    if (st == SYN_OK) st = syn_graph_infer(g, &picture, err);
    if (st != SYN_OK) {
        syn_graph_free(g);
        return st;
    }
    *out = g;
    return SYN_OK;
}

static syn_status workspace_new(const struct syn_backend *b, void *self, size_t bytes, void **out,
                                struct syn_err *err)
{
    if (b->memory_new) return b->memory_new(self, bytes, out, err);
    *out = syn_alloc(bytes);
    return *out ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "selftest: no memory");
}

/* Runs the network on a backend into y. */
static syn_status run_on(const struct syn_backend *b, void *self, syn_precision precision,
                         bool passes, const float *x, float *y, struct syn_err *err)
{
    struct syn_graph *g = NULL;
    struct syn_program *program = NULL;
    struct syn_placement how = {.bf16 = precision == SYN_PRECISION_BF16,
                                .f16 = precision == SYN_PRECISION_F16,
                                .concat_views = true,
                                .winograd = true,
                                .lanes = true,
                                .pairs = true};
    const void *in[1] = {x};
    void *out[1] = {y}, *workspace = NULL;
    syn_status st = build(&g, err);
    if (st == SYN_OK && passes) st = syn_pass_fuse_conv(g, err);
    if (st == SYN_OK && passes) st = syn_pass_phases(g, err);
    how.g = g;
    if (st == SYN_OK) st = syn_program_new(b, self, &how, g, true, &program, err);
    if (st == SYN_OK) g = NULL;
    if (st == SYN_OK) st = workspace_new(b, self, program->peak_bytes, &workspace, err);
    if (st == SYN_OK) st = syn_program_run(program, workspace, in, out, NULL, false, err);
    if (!b->memory_new) syn_free(workspace);
    else if (workspace) b->memory_free(self, workspace);
    syn_program_free(program);
    syn_graph_free(g);
    return st;
}

enum { IN = 3 * SIDE * SIDE, OUT = 3 * 4 * SIDE * SIDE };

static syn_status compare(struct syn_engine *e, syn_precision precision, const float *x,
                          const float *want, struct syn_err *err)
{
    /* f32: sums of up to 288 products of numbers below one, another order: 1e-5. bf16 keeps 8 bits
     * through four layers, f16 11: 0.05 of values near one. */
    const float bound = precision == SYN_PRECISION_F32 ? 1e-5f : 0.05f;
    float got[OUT];
    int32_t good = 0;
    const syn_status st = run_on(e->backend, e->self, precision, true, x, got, err);
    if (st != SYN_OK) return st;
    for (int32_t i = 0; i < OUT; i++)
        good += fabsf(got[i] - want[i]) <= bound; /* NaN is not good */
    if (good == OUT) return SYN_OK;
    return syn_fail(err, SYN_NUMERIC, "selftest: %d of %d outputs differ from the reference in %s",
                    OUT - (int)good, OUT, syn_precision_word(precision));
}

syn_status syn_engine_selftest(struct syn_engine *e, struct syn_err *err)
{
    float x[IN], want[OUT];
    syn_status st;
    for (uint32_t i = 0; i < IN; i++) x[i] = number(i);
    pthread_mutex_lock(&e->build_lock);
    st = run_on(&syn_backend_ref, NULL, SYN_PRECISION_F32, false, x, want, err);
    if (st == SYN_OK) st = compare(e, SYN_PRECISION_F32, x, want, err);
    if (st == SYN_OK && e->precision != SYN_PRECISION_F32)
        st = compare(e, e->precision, x, want, err);
    pthread_mutex_unlock(&e->build_lock);
    return st;
}
