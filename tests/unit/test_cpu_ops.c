/* test_cpu_ops.c - everything of the CPU backend that is no convolution, against the references: loops over
 * rows, crops, concats, resizes, shuffles, ways in and out, and the ways they meet in random networks. */
#include "tests/graph_gen.h"

static void *cpu;
static const int64_t channels[] = {1, 3, 4, 5, 15, 16, 17, 33};
enum { N_CHANNELS = sizeof channels / sizeof *channels };

static void check(struct gg *b, int32_t y, const char *what, int id, int64_t c)
{
    const struct gg_how how[] = {
        {.backend = &syn_backend_cpu, .self = cpu},
        {.backend = &syn_backend_cpu, .self = cpu, .bf16 = true},
        {.backend = &syn_backend_cpu, .self = cpu, .no_share = true, .no_views = true}};
    char label[96];
    snprintf(label, sizeof label, "%s, form %d, %d channels", what, id, (int)c);
    T_CHECK(y >= 0, "%s: %s", label, b->err.text);
    if (y >= 0) gg_output(b, y), gg_check_all(b, how, 3, label);
    gg_free(b);
}

/* Operands of every form that broadcasting allows: the same shape, one number per channel (a constant or
 * computed), one number, and those that only the reference takes. */
static int32_t operand(struct gg *b, int32_t form, int32_t x)
{
    const struct syn_shape s = *gg_shape(b, x), channel = syn_shape4(1, s.dim[1], 1, 1),
                           scalar = syn_shape_of(0, NULL);
    const int64_t three[3] = {s.dim[1], 1, 1}, width[1] = {s.dim[3]}, one[1] = {1};
    const struct syn_shape vector = syn_shape_of(3, three), row = syn_shape_of(1, width),
                           single = syn_shape_of(1, one),
                           plane = syn_shape4(1, 1, s.dim[2], s.dim[3]),
                           column = syn_shape4(1, 1, s.dim[2], 1);
    switch (form) {
    case 0: return gg_conv(b, x, &(struct gg_conv){.co = s.dim[1]});
    case 1: return gg_uniform(b, &channel, -1, 1);
    case 2: return gg_uniform(b, &scalar, -1, 1);
    case 3: return gg_uniform(b, &single, -1, 1);
    case 4: return gg_node1(b, SYN_OP_GLOBAL_AVERAGE_POOL, x);
    case 5: return gg_uniform(b, &vector, -1, 1);
    case 6: return gg_uniform(b, &row, -1, 1);
    case 7: return gg_uniform(b, &plane, -1, 1);
    case 8: return gg_uniform(b, &column, -1, 1);
    case 9: return gg_uniform(b, &s, -1, 1);
    case 10: return gg_input(b, 1, 1, s.dim[2], s.dim[3]);
    case 11: return gg_input(b, s.dim[0], s.dim[1], 1, 1);
    default: return x;
    }
}

static void test_binary(void)
{
    static const syn_op_id ops[] = {SYN_OP_ADD, SYN_OP_SUB, SYN_OP_MUL, SYN_OP_MIN, SYN_OP_MAX};
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        for (int32_t form = 0; form <= 12; form++)
            for (int32_t swap = 0; swap < 2; swap++) {
                const int64_t c = channels[(o + (size_t)form * 3 + (size_t)swap) % N_CHANNELS];
                struct gg b;
                gg_new(&b, o * 100 + (uint64_t)form * 2 + (uint64_t)swap);
                /* a width equal to the channel count is where broadcasting is easily confused */
                const int32_t x = gg_input(&b, 1 + form % 2, c, 4, form % 3 ? 11 : c),
                              y = operand(&b, form, x);
                check(&b, swap ? gg_node2(&b, ops[o], y, x) : gg_node2(&b, ops[o], x, y),
                      syn_op_get(ops[o])->name, form, c);
            }
    for (int32_t form = 1; form <= 9; form++) { /* divisors away from zero */
        const int64_t c = channels[form % N_CHANNELS];
        struct gg b;
        gg_new(&b, 900 + (uint64_t)form);
        const int32_t x = gg_input(&b, 1, c, 5, 7), y = operand(&b, form == 4 ? 1 : form, x);
        for (int64_t i = 0; i < gg_elements(gg_shape(&b, y)); i++)
            b.weights[b.n_weights - 1][i] += b.weights[b.n_weights - 1][i] < 0 ? -1 : 1;
        check(&b, gg_node2(&b, SYN_OP_DIV, x, y), "Div", form, c);
    }
}

static void test_unary(void)
{
    for (int32_t i = 0; i < N_CHANNELS; i++) {
        const int64_t c = channels[i], three[3] = {c, 1, 1}, one = 1;
        const struct syn_shape slopes[3] = {syn_shape_of(1, &c), syn_shape_of(3, three),
                                            syn_shape_of(1, &one)};
        const struct syn_attr leak = syn_attr_of_float("alpha", 0.3),
                              clip[] = {syn_attr_of_float("min", 0.1),
                                        syn_attr_of_float("max", 0.6)};
        const double coeffs[3] = {0.2, -1, 0.7};
        const struct syn_attr weights = syn_attr_of_floats("coeffs", 3, coeffs);
        for (int32_t form = 0; form < 11; form++) {
            struct gg b;
            gg_new(&b, 1000 + (uint64_t)(i * 16 + form));
            const int32_t x = gg_input(&b, 1 + i % 2, c, 3, 1 + 130 * (form % 2)),
                          three_x[3] = {x, gg_node1(&b, SYN_OP_RELU, x), x};
            const int32_t y = form == 0   ? gg_node1(&b, SYN_OP_RELU, x)
                              : form == 1 ? gg_node(&b, SYN_OP_LEAKY_RELU, 1, &x, 1, &leak)
                              : form == 2 ? gg_node1(&b, SYN_OP_SIGMOID, x)
                              : form == 3 ? gg_node(&b, SYN_OP_CLIP, 1, &x, 2, clip)
                              : form <= 6 ? gg_node2(&b, SYN_OP_PRELU, x,
                                                     gg_uniform(&b, &slopes[form - 4], -0.3f, 0.9f))
                              : form == 7 ? gg_node(&b, SYN_OP_SCALED_SUM, 3, three_x, 1, &weights)
                              : form == 8 ? gg_node(&b, SYN_OP_SCALED_SUM, 3, three_x, 0, NULL)
                              : form == 9 ? gg_node1(&b, SYN_OP_IDENTITY, x)
                                          : gg_node1(&b, SYN_OP_GLOBAL_AVERAGE_POOL, x);
            check(&b, y, "unary", form, c);
        }
    }
}

/* Pictures between a convolution before and one after, so that they lie in frames, and bare. */
static void test_spatial(void)
{
    for (int32_t i = 0; i < N_CHANNELS * 2; i++)
        for (int32_t form = 0; form < 21; form++) {
            const int64_t c = channels[i / 2], pads[4] = {1, 2, 0, 3};
            const bool framed = i % 2;
            struct gg b;
            gg_new(&b, 2000 + (uint64_t)(i * 32 + form));
            int32_t x = gg_input(&b, 1 + form % 2, framed ? 3 : c, 6, 9), y;
            if (framed) x = gg_conv(&b, x, &(struct gg_conv){.co = c, .k = 3, .pad = 1});
            const int32_t small = gg_crop(&b, x, 2, 3, 1, 1), like[2] = {x, small};
            const struct syn_attr window[] = {syn_attr_of_int("top", 1), syn_attr_of_int("left", 2),
                                              syn_attr_of_int("height", 3),
                                              syn_attr_of_int("width", 5)};
            const struct syn_attr size[] = {syn_attr_of_int("mode", form % 3),
                                            syn_attr_of_int("out_h", 5),
                                            syn_attr_of_int("out_w", 20)};
            const struct syn_attr pad[] = {syn_attr_of_ints("pads", 4, pads),
                                           syn_attr_of_int("mode", form % 3),
                                           syn_attr_of_float("value", 0.5)};
            switch (form) {
            case 0: y = small; break;
            case 1: y = gg_node(&b, SYN_OP_CROP, 2, like, 2, window); break;
            case 2: y = gg_node(&b, SYN_OP_CROP, 1, &x, 4, window); break;
            case 3:
                y = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ASYMMETRIC, SYN_ROUND_FLOOR, 2);
                break;
            case 4:
                y = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_HALF_PIXEL,
                              SYN_ROUND_PREFER_CEIL, 3);
                break;
            case 5:
                y = gg_resize(&b, x, SYN_RESIZE_NEAREST, SYN_COORD_ALIGN_CORNERS,
                              SYN_ROUND_PREFER_FLOOR, 2);
                break;
            case 6: y = gg_resize(&b, x, SYN_RESIZE_BILINEAR, SYN_COORD_HALF_PIXEL, 0, 2); break;
            case 7:
                y = gg_resize(&b, x, SYN_RESIZE_BILINEAR, SYN_COORD_ALIGN_CORNERS, 0, 1.7);
                break;
            case 8: y = gg_resize(&b, x, SYN_RESIZE_BILINEAR, SYN_COORD_ASYMMETRIC, 0, 0.5); break;
            case 9: y = gg_resize(&b, x, SYN_RESIZE_BICUBIC, SYN_COORD_HALF_PIXEL, 0, 2); break;
            case 10:
            case 11:
            case 12: y = gg_node(&b, SYN_OP_RESIZE, 1, &x, 3, size); break;
            case 13:
            case 14:
            case 15: y = gg_node(&b, SYN_OP_PAD, 1, &x, 3, pad); break;
            case 16: y = gg_pool(&b, SYN_OP_MAX_POOL, x, 3, 2); break;
            case 17: y = gg_pool(&b, SYN_OP_AVERAGE_POOL, x, 2, 2); break;
            case 18: y = gg_int(&b, SYN_OP_PIXEL_UNSHUFFLE, x, "r", 3); break;
            case 19: {
                const int32_t two[2] = {x, gg_node1(&b, SYN_OP_RELU, x)};
                const struct syn_attr axis = syn_attr_of_int("axis", 2);
                y = gg_node(&b, SYN_OP_CONCAT, 2, two, 1, &axis);
                break;
            }
            default: {
                const int32_t three[3] = {x, gg_node1(&b, SYN_OP_RELU, x), x};
                y = gg_node(&b, SYN_OP_CONCAT, 3, three, 0, NULL);
            }
            }
            if (framed && y >= 0)
                y = gg_conv(&b, y, &(struct gg_conv){.co = 5, .k = 3, .pads = {1, 1, 1, 1}});
            check(&b, y, framed ? "spatial between convolutions" : "spatial", form, c);
        }
}

static void test_shuffle(void)
{
    static const int64_t factors[] = {1, 2, 3, 4, 8}, outs[] = {1, 3, 4, 5, 16, 17};
    for (size_t f = 0; f < 5; f++)
        for (size_t o = 0; o < 6; o++)
            for (int32_t mode = 0; mode < 2; mode++) {
                const int64_t r = factors[f], c = outs[o] * r * r;
                struct gg b;
                if (c > 300) continue;
                gg_new(&b, 3000 + f * 100 + o * 2 + (uint64_t)mode);
                int32_t x =
                    gg_input(&b, 1 + (int64_t)(o % 2), o % 3 ? c : 3, 3, 1 + 36 * (int64_t)(f % 2));
                const struct syn_attr a[] = {syn_attr_of_int("r", r),
                                             syn_attr_of_int("mode", mode)};
                if (o % 3 == 0) x = gg_conv(&b, x, &(struct gg_conv){.co = c, .k = 3, .pad = 1});
                x = gg_node(&b, SYN_OP_PIXEL_SHUFFLE, 1, &x, 2, a);
                if (o % 2) x = gg_conv(&b, x, &(struct gg_conv){.co = 2, .k = 3, .pad = 1});
                check(&b, x, "pixel shuffle", (int)r * 10 + mode, c);
            }
}

/* Ranks other than four, vectors through dense layers, and back. */
static void test_vectors(void)
{
    for (int32_t i = 0; i < N_CHANNELS; i++) {
        const int64_t c = channels[i], m = 6, dims[4] = {1, c, 1, 1}, flat[2] = {1, -1},
                      w_dims[2] = {m, c}, back[2] = {c, m};
        const struct syn_shape w1 = syn_shape_of(2, w_dims), w2 = syn_shape_of(2, back),
                               bias = syn_shape_of(1, &m);
        const struct syn_attr to_flat = syn_attr_of_ints("dims", 2, flat),
                              to_four = syn_attr_of_ints("dims", 4, dims);
        struct gg b;
        gg_new(&b, 4000 + (uint64_t)i);
        const int32_t x = gg_input(&b, 1, c, 4, 5);
        int32_t v = gg_node1(&b, SYN_OP_GLOBAL_AVERAGE_POOL, x);
        v = gg_node(&b, SYN_OP_RESHAPE, 1, &v, 1, &to_flat);
        const int32_t d1[3] = {v, gg_uniform(&b, &w1, -0.5f, 0.5f),
                               gg_uniform(&b, &bias, -0.5f, 0.5f)};
        v = gg_node(&b, SYN_OP_DENSE, 3, d1, 0, NULL);
        b.bound[v] = 64 * GG_U * (double)c; /* at most c products below one half */
        const int32_t d2[2] = {gg_node1(&b, SYN_OP_RELU, v), gg_uniform(&b, &w2, -0.2f, 0.2f)};
        v = gg_node(&b, SYN_OP_DENSE, 2, d2, 0, NULL);
        b.bound[v] = 200 * GG_U * (double)c;
        v = gg_node(&b, SYN_OP_RESHAPE, 1, &v, 1, &to_four);
        check(&b, gg_node2(&b, SYN_OP_MUL, x, gg_node1(&b, SYN_OP_SIGMOID, v)),
              "squeeze and excite", 0, c);
    }
}

/* Constants where activations usually are: a residual, a convolution's picture, a concat's operand, a whole
 * output; an output that is an input; one value as two outputs. */
static void test_constants(void)
{
    for (int32_t form = 0; form < 9; form++)
        for (int32_t fold = 0; fold < 2; fold++) {
            const unsigned passes =
                fold ? SYN_PASS_FOLD | SYN_PASS_FUSE_CONV | SYN_PASS_PHASES : SYN_PASS_FUSE_CONV;
            const struct gg_how how[] = {
                {.backend = &syn_backend_cpu, .self = cpu, .passes = passes},
                {.backend = &syn_backend_cpu, .self = cpu, .passes = passes, .bf16 = true},
                {.backend = &syn_backend_ref, .passes = passes}};
            const struct syn_shape s = syn_shape4(1, 16, 5, 6), three = syn_shape4(1, 3, 5, 6);
            char what[48];
            struct gg b;
            int32_t x, k, y;
            gg_new(&b, 5000 + (uint64_t)form);
            x = gg_input(&b, 1, 16, 5, 6);
            k = gg_uniform(&b, &s, -1, 1);
            switch (form) {
            case 0:
                y = gg_node2(&b, SYN_OP_ADD,
                             gg_conv(&b, x, &(struct gg_conv){.co = 16, .k = 3, .pad = 1}), k);
                break;
            case 1:
                y = gg_node2(&b, SYN_OP_ADD,
                             gg_conv(&b, k, &(struct gg_conv){.co = 16, .k = 3, .pad = 1}), x);
                break;
            case 2: y = gg_node(&b, SYN_OP_CONCAT, 2, (int32_t[]){x, k}, 0, NULL); break;
            case 3:
                y = gg_node(&b, SYN_OP_CONCAT, 2, (int32_t[]){k, gg_node1(&b, SYN_OP_RELU, x)}, 0,
                            NULL);
                break;
            case 4:
                gg_output(&b, gg_node1(&b, SYN_OP_RELU, k)), y = gg_node1(&b, SYN_OP_RELU, x);
                break;
            case 5:
                gg_output(&b, gg_node1(&b, SYN_OP_IDENTITY, x)), y = gg_node1(&b, SYN_OP_RELU, x);
                break;
            case 6: y = gg_node1(&b, SYN_OP_RELU, x), gg_output(&b, y); break;
            case 7:
                y = gg_crop(&b, gg_node2(&b, SYN_OP_ADD, x, k), 1, 1, 0, 0),
                y = gg_node2(&b, SYN_OP_MUL, y, gg_crop(&b, k, 0, 0, 1, 1));
                break;
            default: /* few channels: the output lies in the caller's memory, and is read again */
                y = gg_conv(&b, x, &(struct gg_conv){.co = 3, .k = 3, .pad = 1});
                y = gg_node1(&b, SYN_OP_SIGMOID,
                             gg_node2(&b, SYN_OP_ADD, y, gg_uniform(&b, &three, -1, 1)));
                gg_output(&b, y), gg_output(&b, y);
                y = gg_node1(&b, SYN_OP_RELU, y);
            }
            gg_output(&b, y);
            snprintf(what, sizeof what, "constants, form %d", (int)form);
            gg_check_all(&b, how, 3, what);
            gg_free(&b);
        }
}

static void test_random_networks(void)
{
    for (uint64_t seed = 0; seed < 90; seed++) {
        const struct gg_how how[] = {{.backend = &syn_backend_ref},
                                     {.backend = &syn_backend_cpu, .self = cpu},
                                     {.backend = &syn_backend_cpu, .self = cpu, .bf16 = true},
                                     {.backend = &syn_backend_cpu,
                                      .self = cpu,
                                      .no_views = seed & 1,
                                      .no_share = !(seed & 1),
                                      .no_winograd = true}};
        char what[48];
        struct gg b;
        gg_random(&b, seed, 4 + (int32_t)(seed % 14));
        snprintf(what, sizeof what, "network, seed %d", (int)seed);
        gg_check_all(&b, how, 4, what);
        gg_free(&b);
    }
}

/* NaN comes out of everything it goes into. */
static void test_nan(void)
{
    static const syn_op_id ops[] = {SYN_OP_RELU,     SYN_OP_LEAKY_RELU,
                                    SYN_OP_SIGMOID,  SYN_OP_CLIP,
                                    SYN_OP_IDENTITY, SYN_OP_MIN,
                                    SYN_OP_MAX,      SYN_OP_ADD,
                                    SYN_OP_MUL,      SYN_OP_GLOBAL_AVERAGE_POOL,
                                    SYN_OP_MAX_POOL, SYN_OP_AVERAGE_POOL};
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        for (int32_t form = 0; form < 12; form++) {
            const bool two = ops[o] >= SYN_OP_ADD && ops[o] <= SYN_OP_MAX;
            const int64_t c = form & 1 ? 16 : 3;
            const struct gg_how how = {.backend = &syn_backend_cpu, .self = cpu, .bf16 = form & 2};
            float *in[2], *out[1];
            int64_t nans = 0;
            struct gg b;
            gg_new(&b, 6000 + o);
            const int32_t x = gg_input(&b, 1, c, 4, 6), z = gg_input(&b, 1, c, 4, 6);
            gg_output(&b, two ? gg_node2(&b, ops[o], x, z)
                          : ops[o] == SYN_OP_MAX_POOL || ops[o] == SYN_OP_AVERAGE_POOL
                              ? gg_pool(&b, ops[o], x, 2, 2)
                              : gg_node1(&b, ops[o], x));
            gg_make_inputs(&b, in);
            in[two && form >= 8][7] = NAN;
            if (gg_run(&b, &how, in, out, "NaN")) {
                for (int64_t i = 0; i < gg_elements(gg_shape(&b, b.g->output[0])); i++)
                    nans += isnan(out[0][i]) != 0;
                T_CHECK(nans == 1, "%s, form %d: %d NaN come out", syn_op_get(ops[o])->name,
                        (int)form, (int)nans);
                free(out[0]);
            }
            free(in[0]), free(in[1]);
            gg_free(&b);
        }
}

/* Channels past the last in a block: a quotient there is 0/0, a sigmoid one half. A convolution over an odd
 * number of channels in bf16 reads one of them. */
static void test_past_last_channel(void)
{
    for (int32_t i = 0; i < N_CHANNELS; i++)
        for (int32_t form = 0; form < 3; form++) {
            const int64_t c = channels[i];
            const struct syn_shape per_channel = syn_shape4(1, c, 1, 1);
            struct gg b;
            gg_new(&b, 950 + (uint64_t)(i * 3 + form));
            int32_t x = gg_input(&b, 1, c, 5, 9);
            x = form == 0   ? gg_node2(&b, SYN_OP_DIV, x, gg_uniform(&b, &per_channel, 1, 2))
                : form == 1 ? gg_node1(&b, SYN_OP_SIGMOID, x)
                            : gg_node2(&b, SYN_OP_DIV, x,
                                       gg_node1(&b, SYN_OP_SIGMOID,
                                                gg_node1(&b, SYN_OP_GLOBAL_AVERAGE_POOL, x)));
            if (form == 2) b.mag[x] = 4, b.bound[x] = 64 * GG_U; /* divisors are above 1/4 */
            check(&b, gg_conv(&b, x, &(struct gg_conv){.co = 8, .k = 3, .pad = 1}),
                  "past the last channel", form, c);
        }
}

static void test_all(const char *only)
{
    test_past_last_channel();
    test_spatial();
    test_constants();
    test_random_networks();
    if (only && !strcmp(only, "onednn")) return; /* hardly a convolution from here on */
    test_binary();
    test_unary();
    test_shuffle();
    test_vectors();
    test_nan();
}

int main(void)
{
    gg_each_cpu(&cpu, 2, test_all);
    return t_report();
}
