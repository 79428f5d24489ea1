/* test_onnx_control.c - ONNX's bodies, recurrent layers, transforms, selection, random numbers,
 * counts and trees:
 * onnxruntime's numbers (1.32, CPU; layers of opset 27: ONNX's reference), Random123's known
 * answers (A22), and what
 * must be refused. */
#include "kernels/base/rng.h"
#include "tests/op_lines.h"

/* Computed by onnxruntime. */
static const struct vector vectors[] = {
    {"LSTM@14 f32[3,2,2] f32[2,8,2] f32[2,8,2] f32[2,16] i32[2]=3,2 f32[2,2,2] f32[2,2,2] f32[2,6] "
     "hidden_size:i=2 direction:s=bidirectional out=3",
     "f32[3,2,2,2]= -0.02030631 0.2680107 0.01108782 0.3724566 -0.1166399 0.01566222 "
     "0.01966164 -0.4481877 0.02920122 -0.2805727 0.1720765 -0.2212311 -0.1129014 0.171426 "
     "0.003352311 -0.09622944 -0.003326183 0.2008035 0 0 -0.3935624 0.1042209 0 0 | "
     "f32[2,2,2]= -0.003326183 0.2008035 0.1720765 -0.2212311 -0.1166399 0.01566222 0.01966164 "
     "-0.4481877 | f32[2,2,2]= -0.06633339 0.2079648 0.9852114 -0.5723782 -0.1433188 "
     "0.02085983 0.0337268 -0.6044378"},
    {"LSTM@14 f32[2,1,3] f32[1,8,3] f32[1,8,2] hidden_size:i=2 direction:s=reverse "
     "activations:ss=HardSigmoid,LeakyRelu,Softsign activation_alpha:fs=0.3,0.2 "
     "activation_beta:fs=0.4 input_forget:i=1 clip:f=0.7 out=3",
     "f32[2,1,1,2]= 0.007173225 -0.05139794 0.02829787 -0.003167396 | f32[1,1,2]= 0.007173225 "
     "-0.05139794 | f32[1,1,2]= 0.01189931 -0.09201172"},
    {"GRU@14 f32[3,2,2] f32[2,6,2] f32[2,6,2] f32[2,12] i32[2]=1,3 f32[2,2,2] hidden_size:i=2 "
     "direction:s=bidirectional linear_before_reset:i=1 out=2",
     "f32[3,2,2,2]= -0.2574792 -1.001093 0.4688472 -0.5777967 0.8345967 0.3827774 0.02000825 "
     "-0.1292025 0 0 0.288791 -0.2399954 0 0 -0.5640798 -0.2604321 0 0 0.5171583 -0.1339698 0 "
     "0 -0.2568346 -0.6430137 | f32[2,2,2]= -0.2574792 -1.001093 0.5171583 -0.1339698 "
     "0.8345967 0.3827774 0.02000825 -0.1292025"},
    {"GRU@14 f32[3,1,2] f32[1,6,2] f32[1,6,2] f32[1,12] hidden_size:i=2 activations:ss=Affine,Elu "
     "activation_alpha:fs=0.3,0.5 activation_beta:fs=0.1 out=2",
     "f32[3,1,1,2]= -0.02740699 -0.4242027 0.05093399 -0.3269536 -0.009557089 0.1514992 | "
     "f32[1,1,2]= -0.009557089 0.1514992"},
    {"RNN@14 f32[2,2,3] f32[1,3,3] f32[1,3,3] f32[1,6] - f32[1,2,3] hidden_size:i=3 clip:f=0.5 "
     "out=2",
     "f32[2,1,2,3]= 0.4621172 0.4621172 0.4621172 0.4115701 -0.4621171 -0.4621171 0.4621172 "
     "-0.4621171 -0.4621171 0.4621172 -0.4621171 -0.4621171 | f32[1,2,3]= 0.4621172 -0.4621171 "
     "-0.4621171 0.4621172 -0.4621171 -0.4621171"},
    {"NonMaxSuppression@11 "
     "f32[1,6,4]=0,0,1,1,0,0.1,1,1.1,0,-0.1,1,0.9,0,10,1,11,0,10.1,1,11.1,0,100,1,101 "
     "f32[1,2,6]=0.9,0.75,0.6,0.95,0.5,0.3,0.9,0.9,0.9,0.2,0.95,0.1 i64[]=2 f32[]=0.5 f32[]=0.25",
     "i64[4,3]= 0 0 3 0 0 0 0 1 4 0 1 0"},
    {"NonMaxSuppression@11 f32[1,3,4]=0.5,0.5,1,1,0.5,0.6,1,1,3,3,1,2 f32[1,1,3]=0.5,0.9,0.9 "
     "i64[1]=3 f32[1]=0.4 center_point_box:i=1",
     "i64[2,3]= 0 0 1 0 0 2"},
    {"DFT@17 f32[1,6,2] axis:i=1",
     "f32[1,6,2]= -1.75 0.4999997 -1.383976 -0.3660246 3.964103 1.799035 -2.249998 0.5000021 "
     "-2.964102 -0.799036 -3.116024 1.366026"},
    {"DFT@17 f32[1,5,2] i64[]=7 axis:i=1 inverse:i=1",
     "f32[1,7,2]= -0.2142856 0.25 -0.2197222 0.2130156 -0.4992041 -0.1134862 -0.1487395 "
     "0.03953393 -0.03515872 -0.3997394 0.1094953 0.5035415 -0.242385 0.007134574"},
    {"DFT@17 f32[2,6,1] i64[]=5 axis:i=1 onesided:i=1",
     "f32[2,3,2]= 0.25 -1.639128e-07 -1.625 0.7908608 -1.625001 -1.811295 0.5000001 "
     "2.980232e-07 1.125 0.7908599 1.124999 -1.811296"},
    {"STFT@17 f32[1,12,1] i64[]=3 f32[4] onesided:i=1",
     "f32[1,3,3,2]= -1.1875 0 0.1875 0.375 -0.4375 -3.278354e-08 -0.625 0 1.0625 0.1874999 "
     "-0.25 -1.639177e-08 -0.75 0 1.25 -8.742278e-08 -0.75 0"},
    {"STFT@17 f32[1,7,2] i64[]=2 - i64[]=3 onesided:i=0",
     "f32[1,3,3,2]= -1.5 1 0.6070514 0.8995186 -2.857051 -0.3995182 0.2500001 -2.384186e-07 "
     "-0.3995203 -2.857051 0.8995196 0.6070505 -0.7500005 -0.9999999 -1.774518 2.27452 "
     "-0.475481 0.975481"},
    {"HannWindow@17 i64[]=5",
     "f32[5]= 0 0.3454915 0.9045085 0.9045085 0.3454915"},
    {"HammingWindow@17 i32[]=5 periodic:i=0",
     "f32[5]= 0.0869565 0.5434783 1 0.5434783 0.0869565"},
    {"BlackmanWindow@17 i64[]=4 output_datatype:i=11",
     "f64[4]= 1.490116e-08 0.34 1 0.34"},
    {"MelWeightMatrix@17 i64[]=3 i64[]=16 i64[]=8000 f32[]=100 f32[]=4000",
     "f32[9,3]= 1 0 0 0 1 0 0 0.5 0.5 0 0 1 0 0 0.5 0 0 0 0 0 0 0 0 0 0 0 0"},
    {"TfIdfVectorizer@9 i64[2,5]=1,2,3,1,2,4,2,3,4,4 mode:s=TFIDF ngram_counts:is=0,3 "
     "ngram_indexes:is=2,0,1,3,4 pool_int64s:is=1,2,4,1,2,2,1 min_gram_length:i=1 "
     "max_gram_length:i=2 max_skip_count:i=2 weights:fs=0.5,2,3,4,5",
     "f32[2,5]= 4 0 1 8 5 2 9 0 0 0"},
    {"TfIdfVectorizer@9 i32[5]=1,2,3,1,2 mode:s=IDF ngram_counts:is=0,3 ngram_indexes:is=2,0,1,3,4 "
     "pool_int64s:is=1,2,4,1,2,2,1 min_gram_length:i=2 max_gram_length:i=2 max_skip_count:i=0 "
     "weights:fs=0.5,2,3,4,5",
     "f32[5]= 0 0 0 4 0"},
    {"ai.onnx.ml/TreeEnsemble@5 f32[4,3]=0,1,1,0,3,1,0.5,1,0,nan,2,1 tree_roots:is=0,2 "
     "nodes_featureids:is=0,1,2 nodes_truenodeids:is=1,0,2 nodes_falsenodeids:is=2,1,3 "
     "nodes_trueleafs:is=0,1,1 nodes_falseleafs:is=1,1,1 leaf_targetids:is=0,1,0,1 n_targets:i=2 "
     "aggregate_function:i=0 nodes_modes:t=u8[3]=0,6,4 nodes_splits:t=f32[3]=0.3,0,1 "
     "leaf_weights:t=f32[4]=0.5,0.25,0.75,0.125 membership_values:t=f32[3]=1,2,nan "
     "nodes_missing_value_tracks_true:is=1,0,1",
     "f32[4,2]= 0.625 0 0.375 0.125 0.375 0.0625 0.625 0"},
    {"CausalConvWithState@27 f32[1,2,4] f32[2,1,3] f32[2] f32[1,2,2] activation:s=silu out=2",
     "f32[1,2,4]= -0.2041702 -0.2775263 1.097507 -0.1320327 0.509384 -0.272884 -0.263427 "
     "0.5627716 | f32[1,2,2]= -0.5 1.25 1 0"},
    {"CausalConvWithState@27 f32[2,1,1] f32[1,1,3] out=2",
     "f32[2,1,1]= -0.3125 0.125 | f32[2,1,2]= 0 -1.25 0 0.5"},
    {"LinearAttention@27 f32[1,3,4] f32[1,3,2] f32[1,3,2] f32[1,1,2,2] f32[1,3,1] f32[1,3,1] "
     "q_num_heads:i=2 kv_num_heads:i=1 out=2",
     "f32[1,3,4]= -0.6527289 0.3394869 -0.7416045 0.5946822 1.061544 -1.327248 0.7801215 "
     "-0.4377238 -0.6250677 0.8537217 1.137179 -1.604407 | f32[1,1,2,2]= -0.07039076 0.1339476 "
     "-1.272493 1.78839"},
    {"LinearAttention@27 f32[2,2,4] f32[2,2,4] f32[2,2,2] - f32[2,2,4] q_num_heads:i=2 "
     "kv_num_heads:i=2 update_rule:s=gated scale:f=0.5 out=2",
     "f32[2,2,2]= 0.15625 0.3984375 0.02816092 -0.3272196 0.34375 0.1875 -0.1735627 0.4195532 "
     "| f32[2,2,2,1]= 0.7939098 0.1895408 -0.6544393 0.7222643 0.21675 0.9110009 1.044939 "
     "-1.86827"},
};

/* --- bodies --------------------------------------------------------------------------------- */

enum { STOP_AFTER = 64 }; /* runs until the host says that somebody canceled */

static int runs;

/* Runs a body's references one after the other. */
static syn_status run_body(struct syn_op_host *h, const struct syn_graph *g,
                           const struct syn_tensor *in, struct syn_tensor *out, struct syn_err *err)
{
    struct syn_tensor v[32] = {{{0}}};
    struct syn_op_call *c = (struct syn_op_call *)t_alloc(sizeof *c);
    syn_status st = ++runs > STOP_AFTER ? syn_fail(err, SYN_CANCELED, "canceled") : SYN_OK;
    int64_t n = 0;
    for (int32_t i = 0; i < g->n_values; i++)
        v[i] = (struct syn_tensor){g->value[i].shape, g->value[i].dtype,
                                   (void *)(uintptr_t)g->value[i].data};
    for (int32_t i = 0; i < g->n_inputs; i++) v[g->input[i]] = in[i];
    for (int32_t i = 0; st == SYN_OK && i < g->n_nodes; i++) {
        syn_graph_call(g, i, c);
        c->host = h;
        for (int32_t k = 0; k < g->node[i].n_in; k++) c->in[k] = v[g->node[i].in[k]];
        st = c->op->shape(c, err);
        T_CHECK(st == SYN_OK && syn_shape_elements(&c->out[0].shape, &n), "body: %s", err->text);
        c->out[0].data = t_alloc((size_t)n * 8);
        if (st == SYN_OK) st = syn_op_reference(c, err);
        v[g->node[i].out[0]] = c->out[0];
    }
    for (int32_t o = 0; st == SYN_OK && o < g->n_outputs; o++) {
        const struct syn_tensor *t = &v[g->output[o]];
        T_CHECK(syn_shape_elements(&t->shape, &n), "an output without a shape");
        out[o] = *t;
        out[o].data = syn_alloc((size_t)n * syn_dtype_bytes(t->dtype));
        memcpy(out[o].data, t->data, (size_t)n * syn_dtype_bytes(t->dtype));
    }
    for (int32_t i = 0; i < g->n_nodes; i++) free(v[g->node[i].out[0]].data);
    free(c);
    return st;
}

static int32_t input(struct syn_graph *g, const char *name, syn_dtype t, int32_t rank)
{
    struct syn_err err = {""};
    const struct syn_shape s = {.rank = rank, .dim = {2}};
    int32_t v = -1;
    T_CHECK(syn_graph_input_typed(g, name, t, &s, &v, &err) == SYN_OK, "%s", err.text);
    return v;
}

static int32_t binary(struct syn_graph *g, syn_op_id id, int32_t a, int32_t b)
{
    struct syn_err err = {""};
    const int32_t in[2] = {a, b};
    int32_t v = -1;
    T_CHECK(syn_graph_node(g, id, "n", 2, in, 0, NULL, &v, &err) == SYN_OK, "%s", err.text);
    return v;
}

static struct syn_graph *body_new(void)
{
    struct syn_err err = {""};
    struct syn_graph *g = NULL;
    T_CHECK(syn_graph_new(&g, &err) == SYN_OK, "%s", err.text);
    return g;
}

static void output(struct syn_graph *g, int32_t v)
{
    struct syn_err err = {""};
    T_CHECK(syn_graph_output(g, v, &err) == SYN_OK, "%s", err.text);
}

/* (run, cond, s, k) -> cond, s + k, s*k */
static struct syn_graph *loop_body(void)
{
    struct syn_graph *g = body_new();
    input(g, "run", SYN_I64, 0);
    const int32_t cond = input(g, "cond", SYN_BOOL, 0), s = input(g, "s", SYN_F32, 1),
                  k = input(g, "k", SYN_F32, 1);
    const int32_t sum = binary(g, SYN_OP_ADD, s, k), product = binary(g, SYN_OP_MUL, s, k);
    output(g, cond), output(g, sum), output(g, product);
    g->value[product].shape = syn_shape_of(1, (const int64_t[]){2}); /* as the model declares it */
    return g;
}

/* Parses, gives the call its body and host, runs, compares or (words) expects a refusal. */
static void body_expect(const char *call, const char *name, const struct syn_graph *body,
                        const char *name2, const struct syn_graph *body2, const char *want,
                        syn_status want_st)
{
    struct op_line l;
    const bool parsed = line_parse(&l, call);
    T_CHECK(parsed, "%s: the line does not parse", call);
    if (body) l.given[l.n_given++] = syn_attr_of_graph(name, body);
    if (body2) l.given[l.n_given++] = syn_attr_of_graph(name2, body2);
    l.host.run = run_body;
    runs = 0;
    for (int32_t o = 0; o < l.c.n_out; o++) l.c.out[o].shape.rank = 0;
    const syn_status st = parsed ? line_run(&l) : SYN_INVALID;
    T_CHECK(st == want_st, "%s: %s '%s'", call, syn_status_word(st), l.err.text);
    if (st != SYN_OK)
        T_CHECK(strstr(l.err.text, want) != NULL, "%s: '%s' lacks '%s'", call, l.err.text, want);
    char *copy = (char *)t_alloc(strlen(want) + 1), *rest = NULL;
    strcpy(copy, want);
    char *part = st == SYN_OK ? strtok_r(copy, "|", &rest) : NULL;
    for (int32_t o = 0; part && o < l.c.n_out; o++, part = strtok_r(NULL, "|", &rest))
        line_compare(&l.c.out[o], part, 0, call);
    free(copy);
    line_free(&l);
}

static void test_loop(void)
{
    struct syn_graph *g = loop_body();
    body_expect("Loop@13 i64[]=3 bool[]=1 f32[2]=1,2 f32[2]=1,10 captures:i=1 out=2", "body", g,
                NULL, NULL, "f32[2]= 4 32 | f32[3,2]= 1 20 2 120 3 220", SYN_OK);
    T_CHECK(runs == 3, "%d runs", runs);
    body_expect("Loop@13 i64[]=3 bool[]=0 f32[2]=1,2 f32[2]=1,10 captures:i=1 out=2", "body", g,
                NULL, NULL, "f32[2]= 1 2 | f32[0,2]=", SYN_OK);
    body_expect("Loop@13 i64[]=-5 - f32[2]=1,2 f32[2]=1,10 captures:i=1 out=1", "body", g, NULL,
                NULL, "f32[2]= 1 2", SYN_OK);
    /* for ever: the host's cancelling ends it, and what was gathered is freed (a sanitizer's
       business) */
    body_expect("Loop@13 - - f32[2]=1,2 f32[2]=1,10 captures:i=1 out=2", "body", g, NULL, NULL,
                "canceled", SYN_CANCELED);
    body_expect("Loop@13 i64[]=3 bool[]=1 f32[2] f32[2] out=3", "body", g, NULL, NULL,
                "4 operands, 0 of them captures", SYN_INVALID);
    body_expect("Loop@13 i64[]=3 bool[]=1 f32[2] f32[2] captures:i=9 out=2", "body", g, NULL, NULL,
                "9 of them captures", SYN_INVALID);
    body_expect("Loop@13 i64[2]=3,4 bool[]=1 f32[2] f32[2] captures:i=1 out=2", "body", g, NULL,
                NULL, "M has 2 elements: must have 1", SYN_INVALID);
    body_expect("Loop@13 i64[]=3 bool[]=1 f32[2] f32[2] captures:i=1", NULL, NULL, NULL, NULL,
                "attribute body is missing", SYN_INVALID);
    line_refuse("Loop@13 i64[]=3", SYN_INVALID, "attribute body is missing");
    syn_graph_free(g);
}

/* A body whose yield has another shape in each run: s grows by concatenation. */
static void test_loop_shapes(void)
{
    struct syn_graph *g = body_new();
    struct syn_err err = {""};
    input(g, "run", SYN_I64, 0);
    const int32_t cond = input(g, "cond", SYN_BOOL, 0), s = input(g, "s", SYN_F32, 1);
    const struct syn_attr axis = syn_attr_of_int("axis", 0);
    int32_t both = -1;
    T_CHECK(syn_graph_node(g, SYN_OP_CONCAT, "n", 2, (const int32_t[]){s, s}, 1, &axis, &both,
                           &err) == SYN_OK,
            "%s", err.text);
    output(g, cond), output(g, both), output(g, both);
    body_expect("Loop@13 i64[]=1 bool[]=1 f32[2]=1,2 out=2", "body", g, NULL, NULL,
                "f32[4]= 1 2 1 2 | f32[1,4]= 1 2 1 2", SYN_OK);
    body_expect("Loop@13 i64[]=2 bool[]=1 f32[2]=1,2 out=2", "body", g, NULL, NULL,
                "output 1 of run 1 is f32 [8]: must be f32 [4]", SYN_INVALID);
    body_expect("Loop@13 i64[]=2 bool[]=1 f64[2]=1,2 out=1", "body", g, NULL, NULL,
                "f64[8]= 1 2 1 2 1 2 1 2", SYN_OK);
    syn_graph_free(g);
}

static void test_if(void)
{
    struct syn_graph *yes = body_new(), *no = body_new();
    const int32_t a = input(yes, "a", SYN_F32, 1);
    output(yes, binary(yes, SYN_OP_ADD, a, a));
    const int32_t b = input(no, "b", SYN_F32, 1), c = input(no, "c", SYN_F32, 1);
    output(no, binary(no, SYN_OP_SUB, b, c));
    body_expect("If@13 bool[]=1 f32[2]=1,2 f32[2]=3,4 f32[2]=5,7", "then_branch", yes,
                "else_branch", no, "f32[2]= 2 4", SYN_OK);
    body_expect("If@13 bool[1]=0 f32[2]=1,2 f32[2]=3,4 f32[2]=5,7", "then_branch", yes,
                "else_branch", no, "f32[2]= -2 -3", SYN_OK);
    body_expect("If@13 bool[]=1 f32[2] f32[2]", "then_branch", yes, "else_branch", no,
                "3 operands and 1 outputs", SYN_INVALID);
    body_expect("If@13 bool[2] f32[2] f32[2] f32[2]", "then_branch", yes, "else_branch", no,
                "cond has 2 elements", SYN_INVALID);
    body_expect("If@13 f32[] f32[2] f32[2] f32[2]", "then_branch", yes, "else_branch", no,
                "cond [] holds f32", SYN_UNSUPPORTED);
    body_expect("If@13 bool[]=1 f32[2]", "then_branch", yes, NULL, NULL,
                "attribute else_branch is missing", SYN_INVALID);
    line_refuse("If@13 bool[]=1", SYN_INVALID, "is missing");
    syn_graph_free(yes), syn_graph_free(no);
}

static void test_scan(void)
{
    struct syn_graph *g = body_new(); /* (s, x, k) -> s + x, s*k */
    const int32_t s = input(g, "s", SYN_F32, 1), x = input(g, "x", SYN_F32, 1),
                  k = input(g, "k", SYN_F32, 1);
    const int32_t sum = binary(g, SYN_OP_ADD, s, x), product = binary(g, SYN_OP_MUL, s, k);
    output(g, sum), output(g, product);
    body_expect("Scan@9 f32[2]=0,0 f32[3,2]=1,2,3,4,5,6 f32[2]=1,10 captures:i=1 out=2", "body", g,
                NULL, NULL, "f32[2]= 9 12 | f32[3,2]= 0 0 1 20 4 60", SYN_OK);
    body_expect(
        "Scan@11 f32[2]=0,0 f32[2,3]=1,2,3,4,5,6 f32[2]=1,10 captures:i=1 scan_input_axes:is=-1 "
        "scan_input_directions:is=1 scan_output_axes:is=1 scan_output_directions:is=1 out=2",
        "body", g, NULL, NULL, "f32[2]= 6 15 | f32[2,3]= 5 3 0 110 60 0", SYN_OK);
    body_expect("Scan@8 i64[2]=2,1 f32[2,2]=0,0,7,8 f32[2,2,2]=1,2,3,4,5,6,7,8 f32[2]=1,10 "
                "captures:i=1 out=2",
                "body", g, NULL, NULL, "f32[2,2]= 4 6 12 14 | f32[2,2,2]= 0 0 1 20 7 80 0 0",
                SYN_OK);
    body_expect(
        "Scan@8 - f32[1,2]=0,0 f32[1,2,2]=1,2,3,4 f32[2]=1,10 captures:i=1 directions:is=1 out=2",
        "body", g, NULL, NULL, "f32[1,2]= 4 6 | f32[1,2,2]= 0 0 3 40", SYN_OK);
    body_expect("Scan@8 i64[1]=3 f32[1,2] f32[1,2,2] f32[2] captures:i=1 out=2", "body", g, NULL,
                NULL, "sequence_lens[0] = 3: must be in [0, 2]", SYN_INVALID);
    body_expect("Scan@9 f32[2] f32[3,2] f32[2] out=3", "body", g, NULL, NULL,
                "num_scan_inputs 1, 0 captures, 3 outputs", SYN_INVALID);
    body_expect("Scan@9 f32[2] f32[3,2] f32[2] captures:i=1 scan_input_axes:is=2 out=2", "body", g,
                NULL, NULL, "scan_input_axes = 2: must be in [-2, 2)", SYN_INVALID);
    body_expect("Scan@9 f32[2] f32[] f32[2] captures:i=1 out=2", "body", g, NULL, NULL,
                "scan_input_axes = 0", SYN_INVALID);
    body_expect("Scan@9 f32[2] f32[3,2] f32[2] captures:i=1 scan_output_axes:is=3 out=2", "body", g,
                NULL, NULL, "the axis of a scan output = 3", SYN_INVALID);
    syn_graph_free(g);
}

/* --- random numbers ------------------------------------------------------------------------- */

/* Random123's known answers for Philox4x32-10. */
static void test_A22_philox(void)
{
    static const uint32_t known[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    /* of an independent program */
    static const double normals[8] = {-0.6076510539335191, 0.9461447819697152,  -0.8536440633116089,
                                      0.2519922121066046,  0.21637628796618585, -1.449453837114188,
                                      -1.0808154976343705, 1.0261796967639816};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        syn_philox(known[i], known[i] + 4, out);
        T_CHECK(!memcmp(out, known[i] + 6, sizeof out), "vector %d: %08x %08x %08x %08x", i, out[0],
                out[1], out[2], out[3]);
    }
    for (uint64_t i = 0; i < 8; i++)
        T_CHECK(fabs(syn_random_normal(42, 0, i) - normals[i]) <= 1e-15 * 4,
                "normal %d of seed 42 = %.17g", (int)i, syn_random_normal(42, 0, i));
    T_CHECK(syn_random_uniform(((uint64_t)1 << 40) + 5, ((uint64_t)1 << 33) + 1, 3) ==
                0.69466521020147043,
            "64 bits of seed and stream");
}

static void moments(const struct syn_tensor *t, double *mean, double *variance)
{
    int64_t n = 0;
    double sum = 0, squares = 0;
    T_CHECK(syn_shape_elements(&t->shape, &n) && n > 1, "nothing to measure");
    for (int64_t i = 0; i < n; i++) sum += syn_element_double(t->dtype, t->data, i);
    for (int64_t i = 0; i < n; i++)
        squares += pow(syn_element_double(t->dtype, t->data, i) - sum / (double)n, 2);
    *mean = sum / (double)n, *variance = squares / (double)(n - 1);
}

/* Mean and variance of 90,000 numbers within 5 standard errors, and every element in [lo, hi]. */
static void check_random(const char *call, double mean, double variance, double kurtosis, double lo,
                         double hi)
{
    struct op_line l;
    double m = 0, v = 0;
    int64_t n = 0, outside = 0;
    const bool parsed = line_parse(&l, call);
    const syn_status st = parsed ? line_run(&l) : SYN_INVALID;
    T_CHECK(st == SYN_OK, "%s: %s", call, l.err.text);
    if (st == SYN_OK && syn_shape_elements(&l.c.out[0].shape, &n)) {
        moments(&l.c.out[0], &m, &v);
        for (int64_t i = 0; i < n; i++) {
            const double x = syn_element_double(l.c.out[0].dtype, l.c.out[0].data, i);
            outside += !(x >= lo && x <= hi);
        }
        T_CHECK(fabs(m - mean) <= 5 * sqrt(variance / (double)n), "%s: mean %g", call, m);
        T_CHECK(fabs(v - variance) <= 5 * variance * sqrt((kurtosis - 1) / (double)n),
                "%s: variance %g", call, v);
        T_CHECK(outside == 0, "%s: %lld outside [%g, %g]", call, (long long)outside, lo, hi);
    }
    line_free(&l);
}

/* The same call's bytes twice: equal with a seed; another run of the node differs, another seed of
 * the run too. */
static void test_seeds(void)
{
    static const char *const calls[2] = {"RandomNormalLike@1 f32[64]",
                                         "RandomNormalLike@1 f32[64] seed:f=7"};
    for (int given = 0; given < 2; given++) {
        struct op_line l[3];
        for (int i = 0; i < 3; i++) {
            const bool parsed = line_parse(&l[i], calls[given]);
            l[i].host.draws = i == 1 ? 0 : 5; /* 0 and 2: the same node of the same run */
            T_CHECK(parsed && line_run(&l[i]) == SYN_OK, "%s: %s", calls[given], l[i].err.text);
            T_CHECK(given || l[i].host.draws == (i == 1 ? 1u : 6u), "the host's count is %d",
                    (int)l[i].host.draws);
        }
        T_CHECK(!memcmp(l[0].c.out[0].data, l[2].c.out[0].data, 256), "%s: equal runs differ",
                calls[given]);
        T_CHECK((memcmp(l[0].c.out[0].data, l[1].c.out[0].data, 256) == 0) == given,
                "%s: the node's place counts", calls[given]);
        for (int i = 0; i < 3; i++) line_free(&l[i]);
    }
}

static void test_random(void)
{
    check_random("RandomNormal@1 shape:is=300,300 mean:f=2 scale:f=3", 2, 9, 3, -60, 60);
    check_random("RandomNormalLike@1 f64[300,300] seed:f=1.5 dtype:i=10", 0, 1, 3, -9, 9);
    check_random("RandomUniform@1 shape:is=300,300 low:f=-1 high:f=2", 0.5, 0.75, 1.8, -1,
                 1.9999999);
    check_random("RandomUniformLike@1 i32[300,300] dtype:i=1", 0.5, 1.0 / 12, 1.8, 0, 1 - 0x1p-24);
    check_random("Bernoulli@15 f32[3]=0,1,1 dtype:i=7", 2.0 / 3, 1.0 / 3, 20000, 0, 1);
    check_random("Multinomial@7 f32[1,3]=0,-inf,0 sample_size:i=90000 dtype:i=7", 1, 1, 1.0001, 0,
                 2);
    line_expect("Bernoulli@15 f32[4]=0,1,0,1", "f32[4]= 0 1 0 1", 0);
    line_expect("Multinomial@7 f32[2,2]=0,-1000,-1000,0 sample_size:i=3", "i32[2,3]= 0 0 0 1 1 1",
                0);
    line_expect("RandomUniform@1 shape:is=0,3", "f32[0,3]=", 0);
    test_seeds();
}

static void test_corners(void)
{
    /* a sequence of length 0 keeps its state; the rest of Y is 0 */
    line_expect(
        "GRU@14 f32[2,1,1] f32[1,3,1] f32[1,3,1] - i32[1]=0 f32[1,1,1]=0.5 hidden_size:i=1 out=2",
        "f32[2,1,1,1]= 0 0 | f32[1,1,1]= 0.5", 0);
    line_expect(
        "RNN@14 f32[1,2,1]=1,2 f32[1,1,1]=1 f32[1,1,1]=1 activations:ss=Relu layout:i=1 out=2",
        "f32[1,2,1,1]= 1 3 | f32[1,1,1]= 3", 0);
    line_expect("DFT@20 f32[1,4,2]=10,0,-2,2,-2,0,-2,-2 - i64[]=1 inverse:i=1",
                "f32[1,4,2]= 1 0 2 0 3 0 4 0", 1e-6);
    line_expect("DFT@20 f32[1,3,2]=10,0,-2,2,-2,0 inverse:i=1 onesided:i=1", "f32[1,4,1]= 1 2 3 4",
                1e-6);
    line_expect("DFT@20 f32[0,4,1] onesided:i=1", "f32[0,3,2]=", 0);
    line_expect("HannWindow@17 i64[]=1 periodic:i=0", "f32[1]= 1", 0);
    line_expect("HannWindow@17 i64[]=0", "f32[0]=", 0);
    line_expect("NonMaxSuppression@11 f32[1,0,4] f32[1,1,0] i64[]=3", "i64[0,3]=", 0);
    line_expect("NonMaxSuppression@11 f32[1,2,4]=0,0,1,1,5,5,6,6 f32[1,1,2]=nan,0.5 i64[]=3",
                "i64[2,3]= 0 0 1 0 0 0", 0);
}

/* A tree of one node and two leaves. */
#define TREE(roots, feature, to, leaf, mode, targets)                                              \
    "ai.onnx.ml/TreeEnsemble@5 f32[1,2] n_targets:i=1 leaf_weights:t=f32[2] "                      \
    "nodes_splits:t=f32[1] "                                                                       \
    "nodes_falseleafs:is=1 nodes_falsenodeids:is=0 tree_roots:is=" roots                           \
    " nodes_featureids:is=" feature " nodes_truenodeids:is=" to " nodes_trueleafs:is=" leaf        \
    " nodes_modes:t=u8[1]=" mode " leaf_targetids:is=" targets

static void test_refusals(void)
{
    static const struct refusal wrong[] = {
        {"LSTM@14 f32[2,1,3] f32[1,8,2] f32[1,8,2] out=1", SYN_INVALID,
         "W has shape [1, 8, 2]: must be [1, 8, 3]"},
        {"LSTM@14 f32[2,1,3] f32[1,8,3] f32[1,8,2] hidden_size:i=3", SYN_INVALID,
         "hidden_size = 3"},
        {"LSTM@14 f32[2,1,3] f32[1,8,3] f32[1,8,2] direction:s=up", SYN_INVALID,
         "direction = 'up'"},
        {"LSTM@14 f32[2,1,3] f32[1,8,3] f32[1,8,2] activations:ss=Sigmoid,Tanh", SYN_INVALID,
         "activations has 2 entries: must have 3"},
        {"GRU@14 f32[2,1,3] f32[1,6,3] f32[1,6,2] activations:ss=Sigmoid,Sine", SYN_UNSUPPORTED,
         "activations[1] = 'Sine'"},
        {"GRU@14 f32[2,1,3] f32[1,6,3] f32[1,6,2] f32[1,12] i32[1]=3", SYN_INVALID,
         "sequence_lens[0] = 3: must be in [0, 2]"},
        {"GRU@14 f32[2,1,3] f32[1,6,3] f32[1,6,2] f32[1,12] i32[1]=-1", SYN_INVALID,
         "sequence_lens[0] = -1"},
        {"GRU@14 f32[2,1,3] f32[1,6,3] f32[1,6,2] f32[1,6]", SYN_INVALID,
         "B has shape [1, 6]: must be [1, 12]"},
        {"RNN@14 f32[2,1,3] f32[1,2,3] f32[1,2,2] - - f32[1,2,2]", SYN_INVALID,
         "initial_h has shape [1, 2, 2]"},
        {"RNN@14 f32[2,1,3] f16[1,2,3] f32[1,2,2]", SYN_INVALID, "holds f16: must be f32"},
        {"NonMaxSuppression@11 f32[1,3,5] f32[1,1,3]", SYN_INVALID, "must be [batch, boxes, 4]"},
        {"NonMaxSuppression@11 f32[1,3,4] f32[1,1,4]", SYN_INVALID, "and scores [1, .., 4]"},
        {"NonMaxSuppression@11 f32[1,3,4] f32[1,1,3] i64[]=1 f32[]=1.5", SYN_INVALID,
         "iou_threshold = 1.5: must be in [0, 1]"},
        {"DFT@17 f32[1,6,3] axis:i=1", SYN_INVALID, "last dimension is 3: must be 1 or 2"},
        {"DFT@17 f32[1,6,2] axis:i=2", SYN_INVALID, "axis = 2: the last one"},
        {"DFT@17 f32[1,6,2] axis:i=3", SYN_INVALID, "axis = 3"},
        {"DFT@17 f32[1,6,2] onesided:i=1", SYN_INVALID, "onesided = 1 of a complex input"},
        {"DFT@17 f32[1,6,2] i64[]=0", SYN_INVALID, "dft_length = 0: must be in [1,"},
        {"DFT@17 f32[1,6,2] i64[]=4611686018427387904", SYN_INVALID,
         "dft_length = 4611686018427387904"},
        {"STFT@17 f32[1,6,1] i64[]=0", SYN_INVALID, "frame_step = 0"},
        {"STFT@17 f32[1,6,1] i64[]=1 f32[7]", SYN_INVALID,
         "frame_length = 7: at most the signal's 6"},
        {"STFT@17 f32[1,6,1] i64[]=1 f32[3] i64[]=4", SYN_INVALID,
         "window has 3 elements: must be frame_length 4"},
        {"STFT@17 f32[1,6,2] i64[]=1", SYN_INVALID, "onesided = 1 of a complex signal"},
        {"HannWindow@17 i64[]=-1", SYN_INVALID, "size = -1"},
        {"HannWindow@17 i64[]=4 output_datatype:i=8", SYN_UNSUPPORTED, "output_datatype = 8"},
        {"MelWeightMatrix@17 i64[]=3 i64[]=16 i64[]=8000 f32[]=100 f32[]=9000", SYN_INVALID,
         "must ascend within 9"},
        {"MelWeightMatrix@17 i64[]=3 i64[]=16 i64[]=0 f32[]=100 f32[]=4000", SYN_INVALID,
         "sample_rate = 0"},
        {"MelWeightMatrix@17 i64[]=3 i64[]=16 i64[]=8000 f32[]=nan f32[]=4000", SYN_INVALID,
         "edges nan"},
        {"RandomNormal@1 shape:is=1048576,1048577", SYN_TOO_LARGE, "over 1099511627776"},
        {"RandomNormal@1 shape:is=2 dtype:i=7", SYN_UNSUPPORTED, "dtype = 7 (i64)"},
        {"RandomNormalLike@1 i64[3]", SYN_UNSUPPORTED, "dtype = 0 (i64)"},
        {"Bernoulli@15 f32[1]=1.5", SYN_INVALID, "input[0] = 1.5: must be in [0, 1]"},
        {"Bernoulli@15 f32[1]=nan", SYN_INVALID, "input[0] = nan"},
        {"Multinomial@7 f32[1,2]=-inf,-inf", SYN_INVALID, "row 0 of input"},
        {"Multinomial@7 f32[1,0] sample_size:i=2", SYN_INVALID, "row 0 of input"},
        {"MelWeightMatrix@17 i64[]=3 i64[]=16 i64[]=8000 f32[0] f32[]=4000", SYN_INVALID,
         "lower_edge_hertz has 0 elements"},
        {"TfIdfVectorizer@9 i64[3] mode:s=TF ngram_counts:is=0 ngram_indexes:is=0 "
         "pool_strings:ss=a",
         SYN_UNSUPPORTED, "pool_strings"},
        {"TfIdfVectorizer@9 i64[3] mode:s=TF ngram_counts:is=0,3 ngram_indexes:is=0,1,2 "
         "pool_int64s:is=1,2",
         SYN_INVALID, "ngram_counts[0] = 0, the next 3"},
        {"TfIdfVectorizer@9 i64[3] mode:s=TF ngram_counts:is=0,1 ngram_indexes:is=0,1 "
         "pool_int64s:is=1,2",
         SYN_INVALID, "whole 2-grams"},
        {"TfIdfVectorizer@9 i64[3] mode:s=TF ngram_counts:is=0 ngram_indexes:is=0 "
         "pool_int64s:is=1,2",
         SYN_INVALID, "each of 2 n-grams"},
        {"TfIdfVectorizer@9 i64[3] mode:s=BM25 ngram_counts:is=0 ngram_indexes:is=0 "
         "pool_int64s:is=1",
         SYN_INVALID, "mode = 'BM25'"},
        {"CausalConvWithState@27 f32[1,2,4] f32[2,1,3] - f32[1,2,3]", SYN_INVALID,
         "past_state has shape [1, 2, 3]: must be [1, 2, 2]"},
        {"CausalConvWithState@27 f32[1,2,4] f32[2,1,3] activation:s=gelu", SYN_INVALID,
         "activation = 'gelu'"},
        {"LinearAttention@27 f32[1,3,4] f32[1,3,2] f32[1,3,2] q_num_heads:i=2", SYN_INVALID,
         "needs decay and needs beta"},
        {"LinearAttention@27 f32[1,3,4] f32[1,3,2] f32[1,3,2] q_num_heads:i=3 update_rule:s=linear",
         SYN_INVALID, "q_num_heads 3"},
        {"LinearAttention@27 f32[1,3,4] f32[1,3,3] f32[1,3,2] q_num_heads:i=2 update_rule:s=linear",
         SYN_INVALID, "key has shape [1, 3, 3]: must be [1, 3, 2]"},
        {"LinearAttention@27 f32[1,3,4] f32[1,3,2] f32[1,3,2] q_num_heads:i=2 update_rule:s=square",
         SYN_UNSUPPORTED, "update_rule = 'square'"},
        {TREE("1", "0", "0", "1", "0", "0,0"), SYN_INVALID, "tree_roots[0] = 1: must be in [0, 1)"},
        {TREE("0", "2", "0", "1", "0", "0,0"), SYN_INVALID,
         "nodes_featureids[0] = 2: must be in [0, 2)"},
        {TREE("0", "0", "0", "0", "0", "0,0"), SYN_INVALID, "goes round in a circle"},
        {TREE("0", "0", "2", "1", "0", "0,0"), SYN_INVALID,
         "nodes_truenodeids[0] = 2: must be in [0, 2)"},
        {TREE("0", "0", "0", "1", "7", "0,0"), SYN_INVALID,
         "nodes_modes[0] = 7: must be in [0, 7)"},
        {TREE("0", "0", "0", "1", "6", "0,0"), SYN_INVALID,
         "membership_values (sets) has 0 entries: must have 1"},
        {TREE("0", "0", "0", "1", "0", "0,1"), SYN_INVALID,
         "leaf_targetids[1] = 1: must be in [0, 1)"},
        {TREE("0", "0", "0", "1", "0", "0"), SYN_INVALID,
         "leaf_weights has 2 entries: must have 1"},
    };
    LINES_REFUSE(wrong);
}

int main(void)
{
    LINES_EXPECT(vectors, 5e-6);
    test_loop();
    test_loop_shapes();
    test_if();
    test_scan();
    test_A22_philox();
    test_random();
    test_corners();
    test_refusals();
    return t_report();
}
