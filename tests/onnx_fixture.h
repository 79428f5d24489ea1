/* onnx_fixture.h - model folders with tiny ONNX networks, one for each kind that has such models.
 *
 *   "two"    stylize: the picture times the first of two weights
 *   "mean"   stylize: the photo times the mean colour of the style, both 8x8
 *   "bright" matte: alpha is how bright the picture is, 8x8
 *   "same"   denoise-speech: gains and filters of 1; 8 kHz, frames of 10 ms
 *   "sums"   tensor: sum = a + b, x/product = a * b, a and b [n, 2]
 *
 * tests/server/toy_onnx.py makes the same ones.   Layer: tests. */
#ifndef SYN_ONNX_FIXTURE_H
#define SYN_ONNX_FIXTURE_H

#include "tests/model_fixture.h"
#include "tests/pb_gen.h"

struct fx_io {
    const char *name;
    int rank;
    int64_t dim[5];
};
#define FX_N(array) ((int)(sizeof(array) / sizeof *(array)))

/* Takes the nodes. */
static inline void fx_onnx_file(const char *folder, const char *file, int64_t opset,
                                struct pg *node, int n_node, const struct fx_io *in, int n_in,
                                const struct fx_io *out, int n_out)
{
    struct pg graph = {0}, model;
    for (int i = 0; i < n_node; i++) pg_message(&graph, 1, &node[i]);
    pg_text(&graph, 2, "toy");
    for (int i = 0; i < n_in; i++) {
        struct pg v = pg_value(in[i].name, 1, in[i].rank, in[i].dim);
        pg_message(&graph, 11, &v);
    }
    for (int i = 0; i < n_out; i++) {
        struct pg v = pg_value(out[i].name, 1, out[i].rank, out[i].dim);
        pg_message(&graph, 12, &v);
    }
    model = pg_model(8, opset, &graph);
    fx_write(folder, file, model.p, model.n);
    pg_free(&model);
}

/* root/id/model.json; networks: the member's JSON text, more: further members or "". */
static inline void fx_onnx_manifest(const char *root, const char *id, const char *kind,
                                    const char *const *file, int n_file, const char *networks,
                                    const char *more)
{
    char folder[PATH_MAX], *text = (char *)t_alloc(32768), *at = text;
    fx_join(folder, root, id);
    at += sprintf(at,
                  "{\"manifest\": 1, \"id\": \"%s\", \"title\": \"Toy\", \"kind\": \"%s\", "
                  "\"format\": \"onnx\", \"licence\": \"MIT\", \"source\": \"tests\", "
                  "\"trained_on\": \"nothing\", \"label_term\": \"algorithmicMedia\", \"files\": [",
                  id, kind);
    for (int i = 0; i < n_file; i++) {
        char hex[65];
        uint64_t bytes = 0;
        fx_hash(folder, file[i], hex, &bytes);
        at += sprintf(at, "%s{\"name\": \"%s\", \"bytes\": %llu, \"sha256\": \"%s\"}",
                      i ? ", " : "", file[i], (unsigned long long)bytes, hex);
    }
    sprintf(at, "], \"networks\": [%s]%s}", networks, more);
    fx_text(folder, "model.json", text);
    free(text);
}

static inline void fx_onnx_folder(const char *root, const char *id, char folder[PATH_MAX])
{
    fx_need(mkdir(fx_join(folder, root, id), 0777) == 0, folder);
}

static inline struct pg fx_mean(const char *in, const char *out, int n, const int64_t *axes)
{
    struct pg node = pg_node("ReduceMean", in, out);
    pg_attr_ints(&node, "axes", (size_t)n, axes);
    pg_attr_int(&node, "keepdims", 1);
    return node;
}

/* "two" and "mean". */
static inline void fx_stylize(const char *root)
{
    static const char *const one[] = {"toy.onnx"}, *const both[] = {"toy.onnx", "paint.onnx"};
    const struct fx_io any = {"x", 4, {1, 3, -1, -1}}, any_out = {"y", 4, {1, 3, -1, -1}};
    const struct fx_io weights = {"w", 1, {2}}, style = {"v", 4, {1, 1, 1, 3}};
    const struct fx_io photo = {"c", 4, {1, 8, 8, 3}}, made = {"y", 4, {1, 8, 8, 3}};
    const struct fx_io model = {"x", 4, {1, 8, 8, 3}}, learnt = {"s", 4, {1, 1, 1, 3}};
    char folder[PATH_MAX];
    fx_onnx_folder(root, "two", folder);
    fx_onnx_file(folder, "toy.onnx", 13,
                 (struct pg[]){pg_node("Split", "w", "w0 w1"), pg_node("Mul", "x w0", "y")}, 2,
                 (struct fx_io[]){any, weights}, 2, &any_out, 1);
    fx_onnx_manifest(root, "two", "stylize", one, 1,
                     "{\"name\": \"stylize\", \"file\": \"toy.onnx\", \"picture\": {\"layout\": "
                     "\"nchw\", \"mean\": 0, \"scale\": 1, \"side\": 0, \"multiple\": 4}, "
                     "\"inputs\": {\"picture\": \"x\", \"weights\": \"w\"}, "
                     "\"outputs\": {\"picture\": \"y\"}}",
                     ", \"settings\": {\"styles\": 2}");
    fx_onnx_folder(root, "mean", folder);
    fx_onnx_file(folder, "toy.onnx", 13,
                 (struct pg[]){fx_mean("x", "s", 2, (const int64_t[]){1, 2})}, 1, &model, 1,
                 &learnt, 1);
    fx_onnx_file(folder, "paint.onnx", 13, (struct pg[]){pg_node("Mul", "c v", "y")}, 1,
                 (struct fx_io[]){photo, style}, 2, &made, 1);
#define FX_SQUARE "\"picture\": {\"layout\": \"nhwc\", \"mean\": 0, \"scale\": 1, \"side\": 8}"
    fx_onnx_manifest(root, "mean", "stylize", both, 2,
                     "{\"name\": \"predict\", \"file\": \"toy.onnx\", " FX_SQUARE ", "
                     "\"inputs\": {\"picture\": \"x\"}, \"outputs\": {\"style\": \"s\"}}, "
                     "{\"name\": \"transform\", \"file\": \"paint.onnx\", " FX_SQUARE ", "
                     "\"inputs\": {\"picture\": \"c\", \"style\": \"v\"}, "
                     "\"outputs\": {\"picture\": \"y\"}}",
                     "");
#undef FX_SQUARE
}

/* "bright". */
static inline void fx_matte(const char *root)
{
    static const char *const file[] = {"toy.onnx"};
    const struct fx_io in = {"x", 4, {1, 3, 8, 8}}, out = {"y", 4, {1, 1, 8, 8}};
    char folder[PATH_MAX];
    fx_onnx_folder(root, "bright", folder);
    fx_onnx_file(folder, "toy.onnx", 13,
                 (struct pg[]){fx_mean("x", "y", 1, (const int64_t[]){1})}, 1, &in, 1, &out, 1);
    fx_onnx_manifest(root, "bright", "matte", file, 1,
                     "{\"name\": \"matte\", \"file\": \"toy.onnx\", \"picture\": {\"layout\": "
                     "\"nchw\", \"mean\": 0.5, \"scale\": 2, \"side\": 8}, "
                     "\"inputs\": {\"picture\": \"x\"}, \"outputs\": {\"alpha\": \"y\"}}",
                     "");
}

/* "sums". */
static inline void fx_tensor(const char *root)
{
    static const char *const file[] = {"toy.onnx"};
    const struct fx_io in[] = {{"a", 2, {-1, 2}}, {"b", 2, {-1, 2}}};
    const struct fx_io out[] = {{"sum", 2, {-1, 2}}, {"x/product", 2, {-1, 2}}};
    char folder[PATH_MAX];
    fx_onnx_folder(root, "sums", folder);
    fx_onnx_file(folder, "toy.onnx", 13,
                 (struct pg[]){pg_node("Add", "a b", "sum"), pg_node("Mul", "a b", "x/product")},
                 2, in, 2, out, 2);
    fx_onnx_manifest(root, "sums", "tensor", file, 1,
                     "{\"name\": \"net\", \"file\": \"toy.onnx\", \"inputs\": {\"left\": \"a\"}, "
                     "\"outputs\": {\"product\": \"x/product\"}}",
                     "");
}

static inline struct pg fx_slice(const char *in, const char *out, int n, const int64_t *axes,
                                 const int64_t *starts, const int64_t *ends)
{
    struct pg node = pg_node("Slice", in, out);
    pg_attr_ints(&node, "axes", (size_t)n, axes);
    pg_attr_ints(&node, "starts", (size_t)n, starts);
    pg_attr_ints(&node, "ends", (size_t)n, ends);
    return node;
}

static inline struct pg fx_concat(const char *in, const char *out, int64_t axis)
{
    struct pg node = pg_node("Concat", in, out);
    pg_attr_int(&node, "axis", axis);
    return node;
}

/* "same". Chunks are of 100 frames, recurrences of 256 values, convolutions of 64 channels. */
static inline void fx_denoise(const char *root)
{
    static const char *const file[] = {"enc.onnx", "erb_dec.onnx", "df_dec.onnx"};
    const struct fx_io enc_in[] = {{"erb", 4, {1, 1, 102, 4}},
                                   {"spec", 4, {1, 2, 102, 8}},
                                   {"gru", 3, {1, 1, 256}}};
    const struct fx_io enc_out[] = {
        {"e0", 4, {1, 1, 100, 4}}, {"e1", 4, {1, 1, 100, 4}}, {"e2", 4, {1, 1, 100, 4}},
        {"e3", 4, {1, 1, 100, 4}}, {"emb", 4, {1, 1, 100, 4}}, {"c0", 4, {1, 64, 100, 8}},
        {"lsnr", 4, {1, 1, 100, 4}}, {"gru_out", 3, {1, 1, 256}}};
    const struct fx_io erb_in[] = {{"emb", 4, {1, 1, 100, 4}}, {"e3", 4, {1, 1, 100, 4}},
                                   {"e2", 4, {1, 1, 100, 4}},  {"e1", 4, {1, 1, 100, 4}},
                                   {"e0", 4, {1, 1, 100, 4}},  {"h0", 3, {1, 1, 256}},
                                   {"h1", 3, {1, 1, 256}}};
    const struct fx_io erb_out[] = {
        {"mask", 4, {1, 1, 100, 4}}, {"h0_out", 3, {1, 1, 256}}, {"h1_out", 3, {1, 1, 256}}};
    const struct fx_io df_in[] = {{"emb", 4, {1, 1, 100, 4}},
                                  {"c0", 4, {1, 64, 104, 8}},
                                  {"h0", 3, {1, 1, 256}},
                                  {"h1", 3, {1, 1, 256}}};
    const struct fx_io df_out[] = {
        {"coefs", 5, {1, 1, 100, 8, 2}}, {"h0_out", 3, {1, 1, 256}}, {"h1_out", 3, {1, 1, 256}}};
    char folder[PATH_MAX], copies[64 * 4 + 1] = "";
    for (int i = 0; i < 64; i++) strcat(copies, i ? " now" : "now");
    fx_onnx_folder(root, "same", folder);
    struct pg enc[] = {
        fx_slice("erb", "emb", 1, (const int64_t[]){2}, (const int64_t[]){2},
                 (const int64_t[]){102}),
        fx_mean("spec", "level", 1, (const int64_t[]){1}),
        fx_slice("level", "now", 1, (const int64_t[]){2}, (const int64_t[]){2},
                 (const int64_t[]){102}),
        fx_concat(copies, "c0", 1),
        pg_node("Identity", "emb", "e0"),
        pg_node("Identity", "emb", "e1"),
        pg_node("Identity", "emb", "e2"),
        pg_node("Identity", "emb", "e3"),
        pg_node("Identity", "emb", "lsnr"),
        pg_node("Identity", "gru", "gru_out"),
    };
    struct pg erb[] = {
        pg_node("Sum", "emb e0 e1 e2 e3", "all"),   pg_node("Sub", "all all", "none"),
        pg_node("Exp", "none", "mask"),             pg_node("Identity", "h0", "h0_out"),
        pg_node("Identity", "h1", "h1_out"),
    };
    struct pg last = pg_node("Unsqueeze", "none", "zero");
    pg_attr_ints(&last, "axes", 1, (const int64_t[]){4});
    struct pg df[] = {
        fx_slice("c0", "one", 2, (const int64_t[]){1, 2}, (const int64_t[]){0, 4},
                 (const int64_t[]){1, 104}),
        fx_mean("emb", "level", 1, (const int64_t[]){3}),
        pg_node("Add", "one level", "both"),
        pg_node("Sub", "both both", "none"),
        last,
        pg_node("Exp", "zero", "real"),
        fx_concat("real zero", "coefs", 4),
        pg_node("Identity", "h0", "h0_out"),
        pg_node("Identity", "h1", "h1_out"),
    };
    fx_onnx_file(folder, file[0], 9, enc, FX_N(enc), enc_in, FX_N(enc_in), enc_out, FX_N(enc_out));
    fx_onnx_file(folder, file[1], 9, erb, FX_N(erb), erb_in, FX_N(erb_in), erb_out, FX_N(erb_out));
    fx_onnx_file(folder, file[2], 9, df, FX_N(df), df_in, FX_N(df_in), df_out, FX_N(df_out));
#define FX_STATES_IN "\"gru0\": \"h0\", \"gru1\": \"h1\""
#define FX_STATES_OUT "\"gru0\": \"h0_out\", \"gru1\": \"h1_out\""
    fx_onnx_manifest(
        root, "same", "denoise-speech", file, 3,
        "{\"name\": \"enc\", \"file\": \"enc.onnx\", \"inputs\": {\"erb\": \"erb\", "
        "\"spec\": \"spec\", \"gru\": \"gru\"}, \"outputs\": {\"e0\": \"e0\", \"e1\": \"e1\", "
        "\"e2\": \"e2\", \"e3\": \"e3\", \"emb\": \"emb\", \"c0\": \"c0\", \"lsnr\": \"lsnr\", "
        "\"gru\": \"gru_out\"}}, "
        "{\"name\": \"erb_dec\", \"file\": \"erb_dec.onnx\", \"inputs\": {\"emb\": \"emb\", "
        "\"e3\": \"e3\", \"e2\": \"e2\", \"e1\": \"e1\", \"e0\": \"e0\", " FX_STATES_IN "}, "
        "\"outputs\": {\"mask\": \"mask\", " FX_STATES_OUT "}}, "
        "{\"name\": \"df_dec\", \"file\": \"df_dec.onnx\", \"inputs\": {\"emb\": \"emb\", "
        "\"c0_past\": \"c0\", " FX_STATES_IN "}, \"outputs\": {\"coefs\": \"coefs\", "
        FX_STATES_OUT "}}",
        ", \"settings\": {\"rate\": 8000, \"fft\": 160, \"hop\": 80, \"erb_bands\": 4, "
        "\"erb_min_bins\": 2, \"df_bins\": 8, \"df_order\": 1, \"df_lookahead\": 0, "
        "\"conv_lookahead\": 0, \"norm_tau\": 1}");
#undef FX_STATES_IN
#undef FX_STATES_OUT
}

#endif
