/* test_flow.c - models of any shape run node by node, from outside: what they keep between runs is
 * bounded, counted in the engine's sums, and goes back on demand (B05), also while others run. */
#include "kernels/engine.h"
#include "kernels/base/alloc.h"
#include "tests/pb_gen.h"
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#define WIDTH 64

static char path[64];

/* The model, which it takes, as a file at `path`. */
static void write_file(struct pg *m)
{
    FILE *f = NULL;
    int fd;
    snprintf(path, sizeof path, "/tmp/synthd-test-flow-XXXXXX");
    fd = mkstemp(path);
    if (fd < 0 || !(f = fdopen(fd, "wb")) || fwrite(m->p, 1, m->n, f) != m->n || fclose(f)) abort();
    pg_free(m);
}

/* x [?, 64] -> MatMul with a constant -> Softmax -> MatMul with the same -> y */
static void write_model(void)
{
    const int64_t any[2] = {-1, WIDTH}, square[2] = {WIDTH, WIDTH};
    float *w = t_uniform(3, WIDTH * WIDTH, -1, 1);
    struct pg g = {0}, m, t = pg_tensor_raw("w", 1, 2, square, w, WIDTH * WIDTH * sizeof *w);
    struct pg in = pg_value("x", 1, 2, any), out = pg_value("y", 1, 2, any);
    struct pg node[3] = {pg_node("MatMul", "x w", "a"), pg_node("Softmax", "a", "b"),
                         pg_node("MatMul", "b w", "y")};
    pg_attr_int(&node[1], "axis", -1);
    for (int i = 0; i < 3; i++) pg_message(&g, 1, &node[i]);
    pg_message(&g, 5, &t);
    pg_message(&g, 11, &in);
    pg_message(&g, 12, &out);
    m = pg_model(8, 13, &g);
    write_file(&m);
    free(w);
}

static struct syn_engine *open_engine(void)
{
    const struct syn_engine_opts opts = {
        .device = "cpu", .threads = 1, .precision = SYN_PRECISION_F32};
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    T_CHECK(syn_engine_open(&opts, &e, &err) == SYN_OK, "%s", err.text);
    if (!e) abort();
    return e;
}
static struct syn_model *open_model(struct syn_engine *e)
{
    const struct syn_model_source src = {.format = "onnx", .graph_path = path};
    struct syn_model *m = NULL;
    struct syn_err err = {""};
    T_CHECK(syn_model_open(e, &src, NULL, &m, &err) == SYN_OK, "%s", err.text);
    if (!m) abort();
    return m;
}

/* The sum of the model's results on `rows` rows of noise, so that runs compare; NaN: it failed. */
static double run(struct syn_model *m, int64_t rows)
{
    double sum = NAN;
    struct syn_err err = {""};
    float *x = t_uniform(7, (size_t)rows * WIDTH, -1, 1);
    struct syn_tensor in = {syn_shape_of(2, (const int64_t[]){rows, WIDTH}), SYN_F32, x}, out;
    const syn_status st = syn_model_run(m, &in, &out, NULL, &err);
    if (st == SYN_OK) sum = 0;
    for (int64_t i = 0; st == SYN_OK && i < rows * WIDTH; i++) sum += ((float *)out.data)[i];
    if (st == SYN_OK) syn_free(out.data);
    free(x);
    return sum;
}
static struct syn_engine_info info_of(struct syn_engine *e)
{
    struct syn_engine_info info;
    syn_engine_info(e, &info);
    return info;
}

/* What two models keep is in the sums, goes back when asked for, and with the models. */
static void test_B05_trim(void)
{
    struct syn_engine *e = open_engine();
    struct syn_model *one = open_model(e), *two = open_model(e);
    const double first = run(one, 300);
    double again;
    T_CHECK(isfinite(first), "first run");
    const struct syn_engine_info single = info_of(e);
    T_CHECK(single.workspace_bytes >= 300 * WIDTH * 4, "%d bytes kept",
            (int)single.workspace_bytes);
    T_CHECK(single.weight_bytes > 0, "packed weights are not counted");
    again = run(two, 300);
    T_CHECK(again == first, "%g, then %g", first, again);
    const struct syn_engine_info both = info_of(e);
    T_CHECK(both.workspace_bytes == 2 * single.workspace_bytes &&
                both.weight_bytes == 2 * single.weight_bytes &&
                both.workspace_peak_bytes >= both.workspace_bytes,
            "%d and %d bytes", (int)both.workspace_bytes, (int)both.weight_bytes);
    syn_engine_trim(e, both.workspace_bytes);
    T_CHECK(info_of(e).workspace_bytes == both.workspace_bytes, "no more than allowed: kept");
    syn_engine_trim(e, both.workspace_bytes - 1);
    T_CHECK(info_of(e).workspace_bytes < both.workspace_bytes &&
                info_of(e).workspace_bytes >= single.workspace_bytes,
            "%d bytes kept: as much as is allowed", (int)info_of(e).workspace_bytes);
    syn_engine_trim(e, 0);
    T_CHECK(info_of(e).workspace_bytes == 0, "%d bytes kept", (int)info_of(e).workspace_bytes);
    T_CHECK(info_of(e).weight_bytes == both.weight_bytes, "weights stay packed");
    T_CHECK(info_of(e).workspace_peak_bytes >= both.workspace_bytes, "the peak stays");
    again = run(one, 300);
    T_CHECK(again == first, "after trimming: %g, then %g", first, again);
    syn_model_close(two); /* which holds nothing now */
    T_CHECK(info_of(e).workspace_bytes == single.workspace_bytes &&
                info_of(e).weight_bytes == single.weight_bytes,
            "%d and %d bytes after one model is closed", (int)info_of(e).workspace_bytes,
            (int)info_of(e).weight_bytes);
    syn_model_close(one);
    T_CHECK(info_of(e).workspace_bytes == 0 && info_of(e).weight_bytes == 0,
            "%d and %d bytes after all are closed", (int)info_of(e).workspace_bytes,
            (int)info_of(e).weight_bytes);
    syn_engine_trim(e, 0);
    syn_engine_close(e);
}

/* Lengths in any order: no more is kept than the longest run held, a quarter more and 4 MiB. */
static void test_lengths(void)
{
    struct syn_engine *e = open_engine();
    struct syn_model *m = open_model(e);
    struct syn_run_info r;
    for (int64_t i = 0; i < 200; i++)
        T_CHECK(isfinite(run(m, 1 + i * 7919 % 2503)), "run %d", (int)i);
    syn_model_run_info(m, &r);
    T_CHECK(r.held_bytes > 0 && r.held_bytes <= r.peak_bytes + r.peak_bytes / 4 + (4 << 20),
            "%d bytes kept, %d most in use", (int)r.held_bytes, (int)r.peak_bytes);
    T_CHECK(info_of(e).workspace_bytes == r.held_bytes, "%d bytes in the engine's sum",
            (int)info_of(e).workspace_bytes);
    syn_model_close(m);
    syn_engine_close(e);
}

/* An output that the file states no shape for is computed all the same, also one that its operator
 * could leave out: LayerNormalization's mean. */
static void test_unstated_output(void)
{
    const int64_t dim[2] = {2, 4}, four = 4;
    const float one[4] = {1, 1, 1, 1}, x[8] = {1, 2, 3, 6, -1, 0, 0, 1};
    struct pg g = {0}, m, t = pg_tensor_raw("scale", 1, 1, &four, one, sizeof one);
    struct pg node = pg_node("LayerNormalization", "x scale", "y mean");
    struct pg in = pg_value("x", 1, 2, dim), y = pg_value("y", 1, -1, NULL),
              mean = pg_value("mean", 1, -1, NULL);
    struct syn_engine *e = open_engine();
    struct syn_tensor input = {syn_shape_of(2, dim), SYN_F32, NULL}, out[2];
    struct syn_err err = {""};
    struct syn_io io;
    float copy[8];
    memcpy(copy, x, sizeof x);
    input.data = copy;
    pg_message(&g, 1, &node);
    pg_message(&g, 5, &t);
    pg_message(&g, 11, &in);
    pg_message(&g, 12, &y);
    pg_message(&g, 12, &mean);
    m = pg_model(8, 17, &g);
    write_file(&m);
    struct syn_model *model = open_model(e);
    syn_model_output(model, 1, &io);
    T_CHECK(io.shape.rank == -1, "rank %d is stated", (int)io.shape.rank);
    const syn_status st = syn_model_run(model, &input, out, NULL, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    if (st == SYN_OK) {
        const float *got = out[1].data;
        T_CHECK(out[1].shape.rank == 2 && out[1].shape.dim[0] == 2 && out[1].shape.dim[1] == 1 &&
                    got[0] == 3 && got[1] == 0,
                "means %g and %g", (double)got[0], (double)got[1]);
        syn_free(out[0].data);
        syn_free(out[1].data);
    }
    syn_model_close(model);
    syn_engine_close(e);
    unlink(path);
}

/* A body: nodes, a constant k [2] = 1, 2, and the output y. Takes the nodes. */
static struct pg branch(struct pg *node, int n)
{
    const float k[2] = {1, 2};
    struct pg g = {0}, t = pg_tensor_floats("k", 2, k), y = pg_value("y", 1, -1, NULL);
    for (int i = 0; i < n; i++) pg_message(&g, 1, &node[i]);
    pg_message(&g, 5, &t);
    pg_message(&g, 12, &y);
    return g;
}
static int64_t uses(const struct syn_model *m, const char *op)
{
    struct syn_operator list[16];
    const int32_t n = syn_model_operators(m, list, 16);
    for (int32_t i = 0; i < n && i < 16; i++)
        if (!strcmp(list[i].op, op)) return list[i].n;
    return 0;
}

/* What a body computes of constants is computed once, when the model is opened; what cannot be
 * computed fails when it is run, and only then. */
static void test_body_constants(void)
{
    const int64_t two = 2, five = 5;
    struct pg g = {0}, m, shape = pg_tensor_ints("five", 1, &five), node = pg_node("If", "c", "y"),
              c = pg_value("c", 9, 0, NULL), x = pg_value("x", 1, 1, &two),
              y = pg_value("y", 1, 1, &two);
    struct pg plus[2] = {pg_node("Neg", "k", "n"), pg_node("Add", "x n", "y")},
              wrong[1] = {pg_node("Reshape", "k five", "y")};
    struct pg then_graph = branch(plus, 2), else_graph = branch(wrong, 1);
    struct syn_engine *e = open_engine();
    float data[2] = {10, 20};
    uint8_t cond = 1;
    struct syn_tensor in[2] = {{syn_shape_of(0, NULL), SYN_BOOL, &cond},
                               {syn_shape_of(1, &two), SYN_F32, data}},
                      out = {.data = NULL};
    struct syn_err err = {""};
    pg_attr_graph(&node, "then_branch", &then_graph);
    pg_attr_graph(&node, "else_branch", &else_graph);
    pg_message(&g, 1, &node);
    pg_message(&g, 5, &shape);
    pg_message(&g, 11, &c);
    pg_message(&g, 11, &x);
    pg_message(&g, 12, &y);
    m = pg_model(8, 17, &g);
    write_file(&m);
    struct syn_model *model = open_model(e);
    T_CHECK(uses(model, "If") == 1 && uses(model, "Add") == 1 && uses(model, "Neg") == 0 &&
                uses(model, "Reshape") == 1,
            "%d Neg, %d Reshape", (int)uses(model, "Neg"), (int)uses(model, "Reshape"));
    syn_status st = syn_model_run(model, in, &out, NULL, &err);
    T_CHECK(st == SYN_OK && ((float *)out.data)[0] == 9 && ((float *)out.data)[1] == 18, "%s",
            err.text);
    if (st == SYN_OK) syn_free(out.data);
    cond = 0;
    st = syn_model_run(model, in, &out, NULL, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "Reshape"), "%s '%s'", syn_status_word(st),
            err.text);
    syn_model_close(model);
    syn_engine_close(e);
    unlink(path);
}

/* One runs, one opens, runs and closes, one trims and asks. */
struct crowd {
    struct syn_engine *e;
    struct syn_model *m;
    double want;
    atomic_int wrong;
    atomic_bool stop;
};
static void *runner(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 150; i++)
        if (run(c->m, 40) != c->want) atomic_fetch_add(&c->wrong, 1);
    atomic_store(&c->stop, true);
    return NULL;
}
static void *opener(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->stop)) {
        struct syn_model *m = open_model(c->e);
        if (run(m, 40) != c->want) atomic_fetch_add(&c->wrong, 1);
        syn_model_close(m);
    }
    return NULL;
}
static void *trimmer(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->stop)) {
        syn_engine_trim(c->e, 1000);
        (void)info_of(c->e);
    }
    return NULL;
}
static void test_threads(void)
{
    struct crowd c = {.e = open_engine()};
    void *(*const part[3])(void *) = {runner, opener, trimmer};
    pthread_t t[3];
    c.m = open_model(c.e);
    c.want = run(c.m, 40);
    T_CHECK(isfinite(c.want), "alone");
    for (int i = 0; i < 3; i++)
        if (pthread_create(&t[i], NULL, part[i], &c)) abort();
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    T_CHECK(atomic_load(&c.wrong) == 0, "%d wrong results", atomic_load(&c.wrong));
    syn_engine_trim(c.e, 0);
    T_CHECK(info_of(c.e).workspace_bytes == 0, "%d bytes kept", (int)info_of(c.e).workspace_bytes);
    syn_model_close(c.m);
    T_CHECK(info_of(c.e).weight_bytes == 0, "weights of closed models");
    syn_engine_close(c.e);
}

int main(void)
{
    write_model();
    test_B05_trim();
    test_lengths();
    test_threads();
    unlink(path);
    test_unstated_output();
    test_body_constants();
    return t_report();
}
