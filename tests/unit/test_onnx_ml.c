/* test_onnx_ml.c - operators of ONNX's other domains: ai.onnx.ml's ArrayFeatureExtractor and
 * Binarizer, ai.onnx.preview's FlexAttention. Numbers of onnx 1.23's reference unless a comment
 * says otherwise; onnx's own cases are in tests/conformance. */
#include "kernels/engine.h"
#include "tests/op_lines.h"
#include "tests/pb_gen.h"
#include <unistd.h>

static const struct vector vectors[] = {
    {"ai.onnx.ml/ArrayFeatureExtractor@1 f32[2,4] i64[2]=3,1", "f32[2,2]= 1.25 0.5 0 -0.75"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 i64[4]=5,6,7,8 i64[1,3]=0,-1,0", "i64[1,3]= 5 8 5"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 f64[2,1,2]=1,2,3,4 i64[2,2]=1,1,0,1",
     "f64[2,1,4]= 2 2 1 2 4 4 3 4"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 i32[0,3] i64[2]=0,9", "i32[0,2]="}, /* by hand */
    {"ai.onnx.ml/ArrayFeatureExtractor@1 i32[2,3] i64[0]", "i32[2,0]="},
    {"ai.onnx.ml/Binarizer@1 f32[2,3]=-1,0,0.5,1,nan,inf threshold:f=0.5", "f32[2,3]= 0 0 0 1 0 1"},
    {"ai.onnx.ml/Binarizer@1 i32[3]=-1,0,1", "i32[3]= 0 0 1"},
    {"ai.onnx.ml/Binarizer@1 f64[2]=1e300,-1e300 threshold:f=3e38", "f64[2]= 1 0"},
    /* by hand: whole numbers against a fraction, and beyond what they can be */
    {"ai.onnx.ml/Binarizer@1 i64[4]=-2,-1,0,1 threshold:f=-1.5", "i64[4]= 0 1 1 1"},
    {"ai.onnx.ml/Binarizer@1 i64[2]=-5,5 threshold:f=1e30", "i64[2]= 0 0"},
    {"ai.onnx.ml/Binarizer@1 i64[2]=-5,5 threshold:f=-1e30", "i64[2]= 1 1"},
    /* Q K^T is 1 and 0 over 1: softmax 0.7311, 0.2689 */
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,1,1]=1 f32[1,1,2,1]=1,0 f32[1,1,2,1]=10,20",
     "f32[1,1,1,1]= 12.689414"},
    {"ai.onnx.preview/FlexAttention@1 f64[1,1,1,1]=1 f64[1,1,2,1]=1,0 f64[1,1,2,1]=10,20 scale:f=4",
     "f64[1,1,1,1]= 10.179862"},
    /* two query heads share one of K and V in each of two batches */
    {"ai.onnx.preview/FlexAttention@1 f32[2,2,1,1]=0,0,0,0 f32[2,1,1,1]=1,2 f32[2,1,1,1]=3,4",
     "f32[2,2,1,1]= 3 3 4 4"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,0] f32[1,1,2,0] f32[1,1,2,1]=1,3",
     "f32[1,1,2,1]= 2 2"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,2,0,3] f32[1,1,2,3] f32[1,1,2,4]", "f32[1,2,0,4]="},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,0,3] f32[1,1,0,1]",
     "f32[1,1,2,1]= 0 0"},
};

static const struct refusal wrong[] = {
    {"ai.onnx.ml/ArrayFeatureExtractor@1 f32[] i64[1]", SYN_INVALID, "X"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 f32[2] i32[1]", SYN_UNSUPPORTED, "Y"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 u8[2] i64[1]=0", SYN_UNSUPPORTED, "X"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 f32[2] i64[2]=0,2", SYN_INVALID, "Y[1] = 2"},
    {"ai.onnx.ml/ArrayFeatureExtractor@1 f32[2] i64[1]=-3", SYN_INVALID, "Y[0] = -3"},
    {"ai.onnx.ml/Binarizer@1 bool[2]", SYN_UNSUPPORTED, "X"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,2,3] f32[1,1,2,3] f32[1,1,2,3]", SYN_INVALID, "Q"},
    {"ai.onnx.preview/FlexAttention@1 i32[1,1,2,3] i32[1,1,2,3] i32[1,1,2,3]", SYN_UNSUPPORTED,
     "Q"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f16[1,1,2,3] f32[1,1,2,3]", SYN_INVALID, "K"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,3,2,3] f32[1,2,2,3] f32[1,2,2,3]", SYN_INVALID,
     "a multiple of hk"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,0,2,3] f32[1,0,2,3]", SYN_INVALID,
     "a multiple of hk"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,4] f32[1,1,2,3]", SYN_INVALID, "K "},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,3] f32[1,1,3,3]", SYN_INVALID, "V "},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,3] f32[2,1,2,3]", SYN_INVALID, "V "},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,3] f32[1,1,2,3] scale:f=-1",
     SYN_INVALID, "scale = -1"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,3] f32[1,1,2,3] "
     "softmax_precision:i=7",
     SYN_INVALID, "softmax_precision = i64"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,3] f32[1,1,2,3] "
     "softmax_precision:i=8",
     SYN_UNSUPPORTED, "strings"},
    {"ai.onnx.preview/FlexAttention@1 f32[1,1,2,3] f32[1,1,2,3] f32[1,1,2,3] f32[1]", SYN_INVALID,
     "4 operands"},
};

/* A body of one node: x, and `captured` from outside. */
static struct pg body(const char *op, const char *captured)
{
    struct pg g = {0}, x = pg_value("x", 1, -1, NULL), y = pg_value("y", 1, -1, NULL);
    char names[32];
    snprintf(names, sizeof names, "x %s", captured);
    struct pg node = pg_node(op, names, "y");
    pg_message(&g, 1, &node);
    pg_message(&g, 11, &x);
    pg_message(&g, 12, &y);
    return g;
}

/* score_mod adds `bias` to the scores, prob_mod multiplies the weights by `gain`: the captured
 * inputs reach their body, whichever stands first in the file. */
static void flex_bodies(bool prob_first, const char *score_op, syn_status want)
{
    static const char *const name[5] = {"q", "k", "v", "bias", "gain"};
    const int64_t rank4[4] = {1, 1, -1, 1}, two[1] = {2};
    float q[1] = {0}, k[2] = {0, 0}, v[2] = {10, 20}, bias[2] = {0, (float)log(3)},
          gain[2] = {1, 2};
    float *const data[5] = {q, k, v, bias, gain};
    struct pg g = {0}, m, node = pg_node("FlexAttention", "q k v", "y");
    struct pg score = body(score_op, "bias"), prob = body("Mul", "gain");
    char path[] = "/tmp/synthd-test-flex-XXXXXX";
    const int fd = mkstemp(path);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    const struct syn_model_source src = {.format = "onnx", .graph_path = path};
    struct syn_engine *e = NULL;
    struct syn_model *model = NULL;
    struct syn_tensor in[5], out = {.data = NULL};
    struct syn_err err = {""};
    syn_status st;
    pg_text(&node, 7, "ai.onnx.preview");
    if (prob_first) pg_attr_graph(&node, "prob_mod", &prob);
    pg_attr_graph(&node, "score_mod", &score);
    if (!prob_first) pg_attr_graph(&node, "prob_mod", &prob);
    pg_message(&g, 1, &node);
    for (int i = 0; i < 5; i++) {
        struct pg x = pg_value(name[i], 1, i < 3 ? 4 : 1, i < 3 ? rank4 : two);
        pg_message(&g, 11, &x);
        in[i] = (struct syn_tensor){i < 3 ? syn_shape4(1, 1, i ? 2 : 1, 1) : syn_shape_of(1, two),
                                    SYN_F32, data[i]};
    }
    struct pg y = pg_value("y", 1, -1, NULL);
    pg_message(&g, 12, &y);
    m = pg_model(10, 26, &g);
    pg_opset(&m, 8, "ai.onnx.preview", 1);
    if (!f || fwrite(m.p, 1, m.n, f) != m.n || fclose(f)) abort();
    pg_free(&m);
    st = syn_engine_open(&(struct syn_engine_opts){.device = "ref", .threads = 1}, &e, &err);
    if (st == SYN_OK) st = syn_model_open(e, &src, NULL, &model, &err);
    if (st == SYN_OK) st = syn_model_run(model, in, &out, NULL, &err);
    T_CHECK(st == want, "%s: %s", syn_status_word(st), err.text);
    /* weights 1/4 and 3/4, times 1 and 2 */
    if (st == SYN_OK)
        T_CHECK(fabs((double)*(float *)out.data - 32.5) < 1e-5, "%g", (double)*(float *)out.data);
    else T_CHECK(strstr(err.text, "score_mod makes bool") != NULL, "%s", err.text);
    syn_free(out.data);
    syn_model_close(model);
    syn_engine_close(e);
    unlink(path);
}

int main(void)
{
    LINES_EXPECT(vectors, 1e-6);
    LINES_REFUSE(wrong);
    flex_bodies(false, "Add", SYN_OK);
    flex_bodies(true, "Add", SYN_OK);
    flex_bodies(false, "Equal", SYN_INVALID); /* a body that makes another type */
    return t_report();
}
