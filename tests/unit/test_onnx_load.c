/* test_onnx_load.c - ONNX models as graphs: constants, functions with their attributes, bodies and
 * what they capture, optional operands, the order of nodes, outputs that are inputs, and what is
 * refused and with which words. Models are written here by hand; that operators compute rightly is
 * shown elsewhere. */
#include "kernels/base/alloc.h"
#include "kernels/load/onnx.h"
#include "kernels/load/onnx_file.h"
#include "tests/pb_gen.h"

static struct syn_err err;
static struct syn_onnx *file;
static struct syn_graph *graph;

static void put_node(struct pg *g, struct pg n) { pg_message(g, 1, &n); }
static void put_input(struct pg *g, const char *name, int type)
{
    const int64_t dim[2] = {-1, 3};
    struct pg v = pg_value(name, type, 2, dim);
    pg_message(g, 11, &v);
}
static void put_output(struct pg *g, const char *name)
{
    struct pg v = pg_value(name, 1, -1, NULL);
    pg_message(g, 12, &v);
}
static struct pg node_in(const char *domain, struct pg n)
{
    pg_text(&n, 7, domain);
    return n;
}

static syn_status load(struct pg *m)
{
    syn_status st;
    err.text[0] = '\0';
    st = syn_onnx_load_bytes(m->p, m->n, NULL, &file, &graph, &err);
    if (st != SYN_OK) file = NULL, graph = NULL;
    return st;
}
static void unload(struct pg *m)
{
    syn_graph_free(graph);
    syn_onnx_close(file);
    graph = NULL, file = NULL;
    pg_free(m);
}
static bool loads(const char *what, struct pg *m)
{
    const syn_status st = load(m);
    T_CHECK(st == SYN_OK, "%s: %s", what, err.text);
    return st == SYN_OK;
}
static void refuse(struct pg *m, syn_status want, const char *word, const char *other)
{
    const syn_status st = load(m);
    T_CHECK(st == want && strstr(err.text, word) && strstr(err.text, other), "%s: status %s: %s",
            word, syn_status_word(st), err.text);
    unload(m);
}
static const struct syn_node *node_of(const struct syn_graph *g, const char *op)
{
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (g->node[i].op && !strcmp(g->node[i].op->name, op)) return &g->node[i];
    return NULL;
}
static int32_t value_of(const char *name)
{
    for (int32_t i = 0; i < graph->n_values; i++)
        if (!strcmp(graph->value[i].name, name)) return i;
    return -1;
}

/* x, w -> Add -> Clip(-, max) -> y */
static struct pg plain_graph(void)
{
    const float w[3] = {1, 2, 3};
    const float six = 6;
    struct pg g = {0}, t = pg_tensor_floats("w", 3, w), k = pg_node("Constant", "", "six"),
              a = pg_attr("value", 4), c = pg_tensor_raw("", 1, 0, NULL, &six, 4);
    pg_message(&g, 5, &t);
    put_input(&g, "x", 1);
    pg_message(&a, 5, &c);
    pg_message(&k, 5, &a);
    put_node(&g, k);
    put_node(&g, pg_node("Add", "x w", "s"));
    put_node(&g, pg_node("Clip", "s - six", "y"));
    put_output(&g, "y");
    return g;
}

static void test_plain(void)
{
    struct pg g = plain_graph(), m = pg_model(8, 17, &g);
    if (!loads("plain", &m)) return unload(&m);
    const struct syn_node *clip = node_of(graph, "Clip");
    T_CHECK(graph->n_inputs == 1 && graph->n_outputs == 1 && graph->n_nodes == 2,
            "a Constant is no node");
    T_CHECK(graph->value[graph->input[0]].shape.rank == 2 &&
                graph->value[graph->input[0]].shape.dim[0] == -1,
            "dimensions");
    T_CHECK(!strcmp(graph->value[graph->output[0]].name, "y"), "names are the file's");
    T_CHECK(clip && clip->n_in == 3 && clip->in[1] == -1 && clip->opset == 17 &&
                syn_value_float(&graph->value[clip->in[2]], 0) == 6,
            "an operand left out, a constant");
    T_CHECK(syn_value_float(&graph->value[value_of("w")], 2) == 3, "initializer");
    unload(&m);
}

static void test_order(void) /* converters break it; a cycle cannot be mended */
{
    struct pg g = {0}, m;
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Relu", "a", "y"));
    put_node(&g, pg_node("Abs", "x", "a"));
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    if (loads("unsorted", &m)) T_CHECK(!strcmp(graph->node[0].op->name, "Abs"), "sorted");
    unload(&m);
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Add", "x b", "a"));
    put_node(&g, pg_node("Abs", "a", "b"));
    put_output(&g, "b");
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "cycle", "a");
}

static void test_outputs(void)
{
    struct pg g = {0}, m;
    put_input(&g, "x", 1);
    put_output(&g, "x");
    m = pg_model(8, 17, &g);
    if (loads("an input as output", &m))
        T_CHECK(graph->n_outputs == 1 && graph->value[graph->output[0]].producer >= 0 &&
                    !strcmp(graph->value[graph->output[0]].name, "x"),
                "outputs belong to nodes");
    unload(&m);
    put_input(&g, "x", 1);
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "no outputs", "");
    put_output(&g, "none");
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "no value named none", "output");
}

static void test_names(void)
{
    struct pg g = {0}, m;
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Abs", "x", "y"));
    put_node(&g, pg_node("Relu", "x", "y"));
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "two values are named y", "");
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Abs", "z", "y"));
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "no value named z", "Abs y");
    put_input(&g, "x", 1);
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Abs", "x", "y"));
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "two inputs named x", "");
    /* an initializer among the inputs is a constant, as files of IR 3 have it */
    g = plain_graph();
    put_input(&g, "w", 1);
    m = pg_model(3, 11, &g);
    if (loads("IR 3", &m)) T_CHECK(graph->n_inputs == 1, "%d inputs", (int)graph->n_inputs);
    unload(&m);
}

static void test_unsupported(void) /* all at once */
{
    const int64_t two = 2;
    struct pg g = {0}, m, t = pg_tensor("s", 8, 1, &two);
    pg_text(&t, 6, "a"), pg_text(&t, 6, "b");
    pg_message(&g, 5, &t);
    put_input(&g, "x", 1);
    put_input(&g, "c", 14);
    put_node(&g, pg_node("NoSuchThing", "x", "a"));
    put_node(&g, node_in("com.other", pg_node("Other", "a", "b")));
    put_node(&g, node_in("synthd",
                         pg_node("Conv", "a", "d"))); /* our own forms are not a file's to name */
    put_output(&g, "b");
    m = pg_model(8, 17, &g);
    pg_opset(&m, 8, "com.other", 2);
    T_CHECK(load(&m) == SYN_UNSUPPORTED && strstr(err.text, "NoSuchThing-17") &&
                strstr(err.text, "com.other.Other-2") && strstr(err.text, "synthd.Conv") &&
                strstr(err.text, "s (STRING)") && strstr(err.text, "c (COMPLEX64)"),
            "%s", err.text);
    unload(&m);
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Abs", "x", "y"));
    put_output(&g, "y");
    m = (struct pg){0};
    pg_int(&m, 1, 8);
    pg_opset(&m, 8, "ai.onnx.ml", 3);
    pg_message(&m, 7, &g);
    refuse(&m, SYN_INVALID, "opset_import", "Abs");
    put_input(&g, "x", 1);
    t = pg_node("Abs", "x", "y");
    pg_attr_int(&t, "bogus", 1);
    put_node(&g, t);
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    refuse(&m, SYN_INVALID, "bogus", "Abs");
}

/* f(a, b; alpha, beta = 0.5): c = LeakyRelu(a, alpha) + LeakyRelu(b, beta) */
static struct pg function_proto(const char *name)
{
    struct pg f = {0}, n, a;
    pg_text(&f, 1, name);
    pg_text(&f, 10, "my");
    pg_names(&f, 4, "a b");
    pg_names(&f, 5, "c a");
    pg_text(&f, 6, "alpha");
    a = pg_attr("beta", 1);
    pg_float(&a, 2, 0.5f);
    pg_message(&f, 11, &a);
    n = pg_node("LeakyRelu", "a", "p");
    pg_attr_ref(&n, "alpha", 1, "alpha");
    pg_message(&f, 7, &n);
    n = pg_node("LeakyRelu", "b", "q");
    pg_attr_ref(&n, "alpha", 1, "beta");
    pg_message(&f, 7, &n);
    n = pg_node("Add", "p q", "c");
    pg_message(&f, 7, &n);
    pg_opset(&f, 9, "", 16);
    return f;
}

static double alpha_of(const char *value)
{
    const int32_t v = value_of(value);
    const struct syn_node *n =
        v >= 0 && graph->value[v].producer >= 0 ? &graph->node[graph->value[v].producer] : NULL;
    return n && n->id == SYN_OP_LEAKY_RELU ? syn_attr_float(n->op, n->attr, "alpha") : -1;
}

static void test_functions(void)
{
    struct pg g = {0}, m, f = function_proto("F"),
              n = node_in("my", pg_node("F", "x y", "z through"));
    pg_text(&n, 3, "one");
    pg_attr_float(&n, "alpha", 0.25f);
    put_input(&g, "x", 1);
    put_input(&g, "y", 1);
    put_node(&g, n);
    n = node_in("my", pg_node("F", "z x", "r"));
    pg_text(&n, 3, "two");
    put_node(&g, n);
    put_output(&g, "r");
    put_output(&g, "through"); /* the function hands x through */
    m = pg_model(8, 17, &g);
    pg_opset(&m, 8, "my", 1);
    pg_message(&m, 25, &f);
    if (loads("functions", &m)) {
        T_CHECK(graph->n_nodes == 7,
                "%d nodes: two calls of three, and one that gives x a second name",
                (int)graph->n_nodes);
        T_CHECK(alpha_of("one/p") == 0.25 && alpha_of("one/q") == 0.5,
                "given, and the function's default");
        T_CHECK(alpha_of("two/p") == 0.01 && alpha_of("two/q") == 0.5,
                "left out: the operator's default: %g", alpha_of("two/p"));
        T_CHECK(!strcmp(graph->value[graph->input[0]].name, "x") &&
                    !strcmp(graph->value[graph->output[0]].name, "r") &&
                    !strcmp(graph->value[graph->output[1]].name, "through"),
                "names of inputs and outputs");
        T_CHECK(node_of(graph, "LeakyRelu")->opset == 16, "the function's opset");
    }
    unload(&m);
}

/* Function k calls function k - 1 twice: 2^30 calls in a few hundred bytes. */
static struct pg doubling(int levels, const char *last)
{
    struct pg g = {0}, m;
    put_input(&g, "x", 1);
    char name[16];
    snprintf(name, sizeof name, "F%d", levels - 1);
    put_node(&g, node_in("my", pg_node(name, "x", "y")));
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    pg_opset(&m, 8, "my", 1);
    for (int k = 0; k < levels; k++) {
        struct pg f = {0}, n;
        snprintf(name, sizeof name, "F%d", k);
        pg_text(&f, 1, name);
        pg_text(&f, 10, "my");
        pg_names(&f, 4, "a");
        pg_names(&f, 5, k ? "c" : *last ? "b" : "a");
        snprintf(name, sizeof name, "F%d", k - 1);
        if (k) {
            n = node_in("my", pg_node(name, "a", "b"));
            pg_message(&f, 7, &n);
            n = node_in("my", pg_node(name, "b", "c"));
            pg_message(&f, 7, &n);
        } else if (*last) {
            n = node_in(strcmp(last, "Abs") ? "my" : "", pg_node(last, "a", "b"));
            pg_message(&f, 7, &n);
        }
        pg_opset(&f, 9, "", 17);
        pg_message(&m, 25, &f);
    }
    return m;
}

static void test_growth(void)
{
    struct pg m = doubling(3, "Abs");
    if (loads("functions in functions", &m))
        T_CHECK(graph->n_nodes == 4, "%d nodes", (int)graph->n_nodes);
    unload(&m);
    m = doubling(30, ""); /* functions of nothing: no node is made, and it must still end */
    refuse(&m, SYN_TOO_LARGE, "functions inlined", "1048576");
    m = doubling(40, "Abs");
    refuse(&m, SYN_UNSUPPORTED, "nested", "32");
    m = doubling(2, "F1"); /* calls itself */
    refuse(&m, SYN_UNSUPPORTED, "call themselves", "");
}

/* if (c) y = x + w else y = abs(k), x of outside, w a constant of outside, k made outside */
static void test_bodies(void)
{
    const float w[3] = {1, 2, 3};
    struct pg g = {0}, then_g = {0}, else_g = {0}, inner = {0}, m, n,
              t = pg_tensor_floats("w", 3, w);
    pg_message(&g, 5, &t);
    put_input(&g, "x", 1);
    t = pg_value("c", 9, 0, NULL);
    pg_message(&g, 11, &t);
    put_node(&g, pg_node("Neg", "x", "k"));
    put_node(&then_g, pg_node("Add", "x w", "ty"));
    put_output(&then_g, "ty");
    /* in else another If, whose body reads the outermost k */
    put_node(&inner, pg_node("Abs", "k", "iy"));
    put_output(&inner, "iy");
    n = pg_node("If", "c", "ey");
    struct pg twin = {0};
    pg_raw(&twin, inner.p, inner.n);
    pg_attr_graph(&n, "then_branch", &inner);
    pg_attr_graph(&n, "else_branch", &twin);
    put_node(&else_g, n);
    put_output(&else_g, "ey");
    n = pg_node("If", "c", "y");
    pg_attr_graph(&n, "else_branch",
                  &else_g); /* in this order: captures are then's first all the same */
    pg_attr_graph(&n, "then_branch", &then_g);
    put_node(&g, n);
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    if (loads("bodies", &m)) {
        const struct syn_node *i = node_of(graph, "If");
        const struct syn_graph *then_b = syn_attr_graph(i->op, i->attr, "then_branch"),
                               *else_b = syn_attr_graph(i->op, i->attr, "else_branch");
        T_CHECK(i->n_in == 4 && i->in[1] == value_of("x") && i->in[2] == value_of("k") &&
                    i->in[3] == value_of("c"),
                "captures: then's x; else's k and c");
        T_CHECK(then_b && then_b->n_inputs == 1 &&
                    !strcmp(then_b->value[then_b->input[0]].name, "x"),
                "then captures x alone");
        T_CHECK(else_b && else_b->n_inputs == 2, "else captures for its inner If");
        const struct syn_node *add = then_b ? node_of(then_b, "Add") : NULL;
        T_CHECK(add && syn_value_float(&then_b->value[add->in[1]], 1) == 2,
                "a captured constant is one of the body");
    }
    unload(&m);
}

static void test_external(void)
{
    char dir[] = "/tmp/synthd-onnxload-XXXXXX", path[64];
    const float w[3] = {1, 2, 3};
    const int64_t three = 3;
    struct pg g = {0}, t = pg_tensor("w", 1, 1, &three), m;
    FILE *f;
    if (!mkdtemp(dir)) abort();
    snprintf(path, sizeof path, "%s/w.bin", dir);
    if (!(f = fopen(path, "wb")) || fwrite(w, 1, sizeof w, f) != sizeof w || fclose(f)) abort();
    pg_prop(&t, 13, "location", "w.bin");
    pg_int(&t, 14, 1);
    pg_message(&g, 5, &t);
    put_input(&g, "x", 1);
    put_node(&g, pg_node("Add", "x w", "y"));
    put_output(&g, "y");
    m = pg_model(8, 17, &g);
    const struct syn_onnx_options opt = {.folder = dir};
    T_CHECK(syn_onnx_load_bytes(m.p, m.n, &opt, &file, &graph, &err) == SYN_OK &&
                syn_value_float(&graph->value[value_of("w")], 2) == 3,
            "G06: a good model of two files: %s", err.text);
    unload(&m);
    remove(path);
    remove(dir);
}

/* What the official writer makes: the seeds of the fuzz target (tests/fuzz/make_onnx_corpus.py).
 * Run from the root. */
static void test_seeds(void)
{
    static const char *const good[] = {"conv",      "norm", "shapes",    "quantised", "old",   "if",
                                       "loop", "lstm",   "functions", "types",     "sparse"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char path[80];
        snprintf(path, sizeof path, "tests/fuzz/corpus/onnx/%s", good[i]);
        const syn_status st = syn_onnx_load(path, NULL, &file, &graph, &err);
        T_CHECK(st == SYN_OK, "%s", err.text);
        if (st != SYN_OK) continue;
        T_CHECK(graph->n_outputs == 1 && !strcmp(graph->value[graph->output[0]].name, "y") &&
                    syn_onnx_bytes(file) > 50,
                "%s: %d outputs, %d bytes", good[i], (int)graph->n_outputs,
                (int)syn_onnx_bytes(file));
        syn_onnx_drop(file);
        struct pg none = {0};
        unload(&none);
    }
    T_CHECK(syn_onnx_load("tests/fuzz/corpus/onnx/refused", NULL, &file, &graph, &err) == SYN_NOT_FOUND &&
                strstr(err.text, "w.bin"),
            "%s", err.text);
}

/* The 200 damaged files and more: every byte of a model that has functions, bodies and constants,
 * changed in turn, and every truncation: each loads or says why not. Allocations fail in turn. */
static void test_damage(void)
{
    struct pg g = plain_graph(), body = {0}, n, m, f = function_proto("F");
    int refused = 0, damaged = 0;
    put_node(&body, pg_node("Abs", "s", "by"));
    put_output(&body, "by");
    struct pg twin = {0};
    pg_raw(&twin, body.p, body.n);
    n = pg_node("If", "c", "iy");
    pg_attr_graph(&n, "then_branch", &body);
    pg_attr_graph(&n, "else_branch", &twin);
    put_node(&g, n);
    n = pg_value("c", 9, 0, NULL);
    pg_message(&g, 11, &n);
    put_node(&g, node_in("my", pg_node("F", "iy y", "z")));
    put_output(&g, "z");
    m = pg_model(8, 17, &g);
    pg_opset(&m, 8, "my", 1);
    pg_message(&m, 25, &f);
    loads("whole", &m);
    struct pg none = {0};
    unload(&none);
    static const uint8_t other[] = {0x00, 0x7f, 0xff};
    for (size_t at = 0; at < m.n; at++)
        for (size_t k = 0; k <= sizeof other; k++, damaged++) {
            struct pg copy = {.p = malloc(m.n), .n = k < sizeof other ? m.n : at};
            if (!copy.p) abort();
            memcpy(copy.p, m.p, m.n);
            if (k < sizeof other) copy.p[at] = other[k];
            const syn_status st = load(&copy);
            refused += st != SYN_OK;
            if (st != SYN_OK && (!err.text[0] || st == SYN_INTERNAL))
                T_CHECK(false, "byte %zu: %s", at, err.text);
            unload(&copy);
        }
    T_CHECK(damaged > 1000 && refused > damaged / 2, "%d damaged, %d refused", damaged, refused);
    for (long k = 1; k < 1000; k++) {
        syn_alloc_fail_at(k);
        const syn_status st = load(&m);
        syn_alloc_fail_at(0);
        if (st == SYN_OK) {
            T_CHECK(k > 20, "%ld allocations", k);
            break;
        }
        T_CHECK(st == SYN_NO_MEMORY && err.text[0], "allocation %ld: %s: %s", k,
                syn_status_word(st), err.text);
        unload(&none);
    }
    unload(&m);
}

int main(void)
{
    test_plain();
    test_order();
    test_outputs();
    test_names();
    test_unsupported();
    test_functions();
    test_growth();
    test_bodies();
    test_external();
    test_seeds();
    test_damage();
    return t_report();
}
