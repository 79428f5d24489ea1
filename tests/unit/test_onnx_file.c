/* test_onnx_file.c - ONNX files taken apart: models written here by hand, each element type as raw
 * and as typed data, sparse tensors, external data and the folders it may not leave (G06, G07),
 * files that are something else (G13), every truncation, a failing allocation at each place. */
#include "kernels/base/alloc.h"
#include "kernels/load/onnx_file.h"
#include "tests/pb_gen.h"
#include <sys/stat.h>
#include <unistd.h>

static struct syn_err err;

/* ---- tensors ----------------------------------------------------------------------------------
 * */

static syn_status tensor(struct pg *t, struct syn_arena *a, struct syn_onnx_tensor *out)
{
    err.text[0] = '\0';
    return syn_onnx_tensor_parse(t->p, t->n, a, out, &err);
}

static void expect_bytes(const char *what, struct pg *t, int type, const void *want, size_t n)
{
    struct syn_arena a = {NULL};
    struct syn_onnx_tensor out = {.name = NULL};
    const syn_status st = tensor(t, &a, &out);
    T_CHECK(st == SYN_OK, "%s: %s", what, err.text);
    if (st == SYN_OK) {
        T_CHECK((int)out.type == type, "%s: type %d", what, out.type);
        T_CHECK((size_t)out.elements * syn_onnx_type_bytes(out.type) == n, "%s: %d elements", what,
                (int)out.elements);
        T_CHECK(n == 0 ? out.data == NULL : !memcmp(out.data, want, n), "%s: contents", what);
    }
    syn_arena_deinit(&a);
    pg_free(t);
}

static void refuse_tensor(const char *word, struct pg *t, syn_status want)
{
    struct syn_arena a = {NULL};
    struct syn_onnx_tensor out;
    const syn_status st = tensor(t, &a, &out);
    T_CHECK(st == want && strstr(err.text, word), "%s: status %s: %s", word, syn_status_word(st),
            err.text);
    syn_arena_deinit(&a);
    pg_free(t);
}

/* Types of whole bytes: six elements [2, 3] from raw bytes and from their typed list. */
static void test_wide_types(void)
{
    static const struct {
        int type, bytes, list;
    } kind[] = {{1, 4, 4},  {2, 1, 5},  {3, 1, 5},   {4, 2, 5},  {5, 2, 5},   {6, 4, 5},
                {7, 8, 7},  {9, 1, 5},  {10, 2, 5},  {11, 8, 10}, {12, 4, 11}, {13, 8, 11},
                {14, 8, 4}, {15, 16, 10}, {16, 2, 5}, {17, 1, 5}, {18, 1, 5},  {19, 1, 5},
                {20, 1, 5}, {24, 1, 5}};
    const int64_t dim[2] = {2, 3};
    for (size_t k = 0; k < sizeof kind / sizeof kind[0]; k++) {
        uint8_t want[6 * 16];
        const size_t bytes = (size_t)kind[k].bytes, n = 6 * bytes;
        struct pg t;
        char what[40];
        for (size_t i = 0; i < n; i++) /* sign bits included; bool is 0 or 1 */
            want[i] = kind[k].type == 9 ? i % 2 : (uint8_t)(i * 53 + 200);
        t = pg_tensor_raw("w", kind[k].type, 2, dim, want, n);
        snprintf(what, sizeof what, "type %d, raw", kind[k].type);
        expect_bytes(what, &t, kind[k].type, want, n);

        for (int packed = 0; packed < 2; packed++) {
            struct pg list = {0};
            const int field = kind[k].list, fixed = field == 4 ? 4 : field == 10 ? 8 : 0;
            t = pg_tensor("w", kind[k].type, 2, dim);
            for (size_t i = 0; i < n; i += fixed ? (size_t)fixed : bytes) {
                int64_t v = 0;
                memcpy(&v, want + i, fixed ? (size_t)fixed : bytes);
                if (kind[k].type == 3) v = (int8_t)v;
                if (kind[k].type == 5) v = (int16_t)v;
                if (kind[k].type == 6) v = (int32_t)v;
                if (!packed) pg_tag(&t, (uint32_t)field, fixed == 4 ? 5 : fixed == 8 ? 1 : 0);
                if (fixed) pg_raw(packed ? &list : &t, &v, (size_t)fixed);
                else pg_varint(packed ? &list : &t, (uint64_t)v);
            }
            if (packed) pg_message(&t, (uint32_t)field, &list);
            snprintf(what, sizeof what, "type %d, %s list", kind[k].type,
                     packed ? "packed" : "unpacked");
            expect_bytes(what, &t, kind[k].type, want, n);
        }
    }
}

/* Types of less than a byte: five elements, so that the last byte is not full. */
static void test_narrow_types(void)
{
    static const struct {
        int type, n_packed;
        uint8_t packed[4], want[5];
    } kind[] = {
        {21, 3, {0x10, 0xf8, 0x07}, {0, 1, 8, 15, 7}},                         /* UINT4 */
        {22, 3, {0x10, 0xf8, 0x07}, {0, 1, 0xf8, 0xff, 7}},                    /* INT4 */
        {23, 3, {0x21, 0xf8, 0x0a}, {1, 2, 8, 15, 10}},                        /* FLOAT4E2M1 */
        {25, 2, {0xe4, 0x02}, {0, 1, 2, 3, 2}},                                /* UINT2 */
        {26, 2, {0xe4, 0x01}, {0, 1, 0xfe, 0xff, 1}},                          /* INT2 */
        {27, 4, {0x41, 0x20, 0xfc, 0x2a}, {1, 1, 2, 63, 42}},                  /* FLOAT6E2M3 */
        {28, 4, {0x41, 0x20, 0xfc, 0x2a}, {1, 1, 2, 63, 42}}};
    const int64_t five = 5;
    for (size_t k = 0; k < sizeof kind / sizeof kind[0]; k++) {
        const bool six = kind[k].type >= 27;
        char what[40];
        struct pg t =
            pg_tensor_raw("w", kind[k].type, 1, &five, kind[k].packed, (size_t)kind[k].n_packed);
        snprintf(what, sizeof what, "type %d", kind[k].type);
        expect_bytes(what, &t, kind[k].type, kind[k].want, 5);
        t = pg_tensor("w", kind[k].type, 1, &five);
        for (int i = 0; i < (six ? 5 : kind[k].n_packed); i++)
            pg_int(&t, 5, six ? kind[k].want[i] : kind[k].packed[i]);
        expect_bytes(what, &t, kind[k].type, kind[k].want, 5);
    }
    {
        const int64_t one = 1;
        struct pg t = pg_tensor("w", 22, 1, &one);
        pg_int(&t, 5, 0x7f); /* the upper half is padding */
        expect_bytes("one INT4", &t, 22, "\xff", 1);
    }
}

static void test_strings(void)
{
    const int64_t two = 2;
    struct syn_arena a = {NULL};
    struct syn_onnx_tensor out = {.name = NULL};
    struct pg t = pg_tensor("s", 8, 1, &two);
    pg_text(&t, 6, "one");
    pg_bytes(&t, 6, "a\0b", 3); /* any bytes */
    T_CHECK(tensor(&t, &a, &out) == SYN_OK && out.string && !out.data && out.string[0].n == 3 &&
                !strcmp(out.string[0].p, "one") && out.string[1].n == 3 &&
                !memcmp(out.string[1].p, "a\0b", 4),
            "%s", err.text);
    syn_arena_deinit(&a);
    pg_free(&t);
    t = pg_tensor_raw("s", 8, 1, &two, "abcd", 4);
    refuse_tensor("STRING", &t, SYN_INVALID);
}

static void test_borrowed(void) /* big tensors are never copied, at any alignment */
{
    const float v[3] = {1, 2, 3};
    for (int list = 0; list < 2; list++)
        for (int pad = 0; pad < 4; pad++) {
            struct syn_arena a = {NULL};
            struct syn_onnx_tensor out = {.data = NULL};
            const int64_t three = 3;
            struct pg t = {0};
            pg_bytes(&t, 12, "xxxx", (size_t)pad); /* a doc string moves the data */
            pg_int(&t, 1, three);
            pg_int(&t, 2, 1);
            pg_bytes(&t, list ? 4 : 9, v, sizeof v);
            T_CHECK(tensor(&t, &a, &out) == SYN_OK && (const uint8_t *)out.data > t.p &&
                        (const uint8_t *)out.data + sizeof v == t.p + t.n,
                    "borrowed: %s", err.text);
            syn_arena_deinit(&a);
            pg_free(&t);
        }
}

static void test_wrong_tensors(void)
{
    const int64_t two = 2, big[3] = {INT64_C(1) << 20, INT64_C(1) << 20, 2}, minus = -1,
                  nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, wrap[2] = {INT64_MAX, INT64_MAX},
                  none[2] = {0, INT64_MAX};
    struct pg t = pg_tensor_raw("w", 1, 1, &two, "1234567", 7);
    refuse_tensor("7 bytes of raw_data: FLOAT [2] takes 8", &t, SYN_TRUNCATED);
    t = pg_tensor_raw("w", 1, 1, &two, "123456789", 9);
    refuse_tensor("tensor w: 9 bytes", &t, SYN_INVALID);
    t = pg_tensor("w", 1, 3, big);
    refuse_tensor("2^40", &t, SYN_TOO_LARGE);
    t = pg_tensor("w", 1, 2, wrap);
    refuse_tensor("2^40", &t, SYN_TOO_LARGE);
    t = pg_tensor("w", 1, 2, none); /* no elements, whatever the rest */
    expect_bytes("zero elements", &t, 1, NULL, 0);
    t = pg_tensor("w", 1, 1, &minus);
    refuse_tensor("dims[0] = -1", &t, SYN_INVALID);
    t = pg_tensor("w", 1, 9, nine);
    refuse_tensor("8 dimensions", &t, SYN_UNSUPPORTED);
    t = pg_tensor("w", 29, 1, &two);
    refuse_tensor("data_type = 29", &t, SYN_UNSUPPORTED);
    t = pg_tensor("w", 0, 1, &two);
    refuse_tensor("data_type = 0", &t, SYN_UNSUPPORTED);
    pg_text(&t, 8, "w");
    refuse_tensor("no data_type", &t, SYN_INVALID);
    t = pg_tensor("w", 1, 1, &two);
    refuse_tensor("0 entries in field 4: must be 2", &t, SYN_TRUNCATED);
    t = pg_tensor("w", 1, 1, &two);
    pg_int(&t, 5, 1), pg_int(&t, 5, 1);
    refuse_tensor("belongs in field 4", &t, SYN_INVALID);
    t = pg_tensor("w", 7, 1, &two);
    pg_int(&t, 5, 1), pg_int(&t, 7, 1);
    refuse_tensor("must be in one", &t, SYN_INVALID);
    t = pg_tensor_raw("w", 7, 1, &two, "1234567812345678", 16);
    pg_int(&t, 7, 1);
    refuse_tensor("must be one of them", &t, SYN_INVALID);
    t = pg_tensor("w", 3, 1, &two);
    pg_int(&t, 5, -128), pg_int(&t, 5, 128);
    refuse_tensor("entry 1 of field 5 is 128: must be in [-128, 127]", &t, SYN_INVALID);
    t = pg_tensor("w", 12, 1, &two);
    pg_int(&t, 11, 1), pg_int(&t, 11, INT64_C(1) << 32);
    refuse_tensor("4294967296", &t, SYN_INVALID);
    t = pg_tensor_raw("w", 9, 1, &two, "\1\2", 2);
    refuse_tensor("BOOL element 1 is 2", &t, SYN_INVALID);
    t = pg_tensor_raw("w", 9, 1, &two, "\1\1", 2);
    pg_bytes(&t, 3, "", 0);
    refuse_tensor("segment", &t, SYN_UNSUPPORTED);
    t = pg_tensor("w\xff", 1, 1, &two);
    refuse_tensor("UTF-8", &t, SYN_INVALID);
    t = pg_tensor("w", 1, 1, &two);
    pg_int(&t, 14, 1);
    pg_prop(&t, 13, "location", "w.bin");
    refuse_tensor("no folder", &t, SYN_INVALID);
}

/* SparseTensorProto as an initializer of a model (field 15 of its graph). */
static struct pg sparse_model(int n, const int64_t *index, int columns, int64_t d0, int64_t d1)
{
    struct pg graph = {0}, sparse = {0}, values, indices;
    const int64_t two[2] = {n, columns}, dims[2] = {d0, d1};
    const float v[4] = {1, 2, 3, 4};
    values = pg_tensor_floats("w", n, v);
    indices = pg_tensor_raw("i", 7, columns == 1 ? 1 : 2, two, index, (size_t)(n * columns) * 8);
    pg_message(&sparse, 1, &values);
    pg_message(&sparse, 2, &indices);
    pg_packed(&sparse, 3, 2, dims);
    pg_message(&graph, 15, &sparse);
    return pg_model(8, 17, &graph);
}

static syn_status parse(struct pg *m, struct syn_onnx_file **f)
{
    err.text[0] = '\0';
    *f = NULL;
    return syn_onnx_file_parse(m->p, m->n, NULL, f, &err);
}

static void refuse_model(const char *word, struct pg *m, syn_status want)
{
    struct syn_onnx_file *f;
    const syn_status st = parse(m, &f);
    T_CHECK(st == want && !f && strstr(err.text, word), "%s: status %s: %s", word,
            syn_status_word(st), err.text);
    syn_onnx_file_close(f);
    pg_free(m);
}

static void test_sparse(void)
{
    const int64_t flat[3] = {1, 3, 5}, pairs[6] = {0, 1, 1, 0, 1, 2}, out[3] = {1, 3, 6};
    const float want[6] = {0, 1, 0, 2, 0, 3};
    for (int columns = 1; columns <= 2; columns++) {
        struct pg m = sparse_model(3, columns == 1 ? flat : pairs, columns, 2, 3);
        struct syn_onnx_file *f;
        T_CHECK(parse(&m, &f) == SYN_OK && f->graph->n_constants == 1 &&
                    !strcmp(f->graph->constant[0].name, "w") &&
                    !memcmp(f->graph->constant[0].data, want, sizeof want),
                "sparse, %d columns: %s", columns, err.text);
        syn_onnx_file_close(f);
        pg_free(&m);
    }
    struct pg m = sparse_model(3, out, 1, 2, 3);
    refuse_model("index 2 is 6: must be in [0, 6)", &m, SYN_INVALID);
    m = sparse_model(3, pairs, 2, 1, 3);
    refuse_model("index 1 is 1: must be in [0, 1)", &m, SYN_INVALID);
    m = sparse_model(3, flat, 1, 1 << 20, 1 << 20);
    refuse_model("made dense", &m, SYN_TOO_LARGE);
}

/* ---- models -----------------------------------------------------------------------------------
 * */

/* A model that uses each part of the format that is kept. */
static struct pg whole_model(void)
{
    const int64_t dim[3] = {1, -1, 4}, two = 2, ints[3] = {1, -2, 300};
    const float v[2] = {0.5f, -1};
    struct pg graph = {0}, body = {0}, m = {0}, n, a, t, fun = {0}, opset = {0};
    pg_int(&m, 1, 10);
    pg_text(&m, 2, "maker");
    pg_text(&m, 3, "1.2");
    pg_opset(&m, 8, "ai.onnx", 17);
    pg_opset(&m, 8, "my.domain", 1);
    pg_prop(&m, 14, "key", "value");

    pg_text(&graph, 2, "g");
    n = pg_value("x", 1, 3, dim);
    pg_message(&graph, 11, &n);
    n = pg_value("y", 10, -1, NULL);
    pg_message(&graph, 12, &n);
    n = pg_value("mid", 7, 0, NULL);
    pg_message(&graph, 13, &n);
    t = pg_tensor_raw("w", 1, 1, &two, v, 8);
    pg_message(&graph, 5, &t);

    n = pg_node("Body", "x - w", "y -");
    pg_text(&n, 3, "first");
    pg_text(&n, 7, "my.domain");
    pg_text(&n, 8, "over");
    pg_attr_int(&n, "i", -7);
    pg_attr_float(&n, "f", 0.25f);
    pg_attr_text(&n, "s", "nearest");
    pg_attr_ints(&n, "ints", 3, ints);
    a = pg_attr("floats", 6);
    pg_bytes(&a, 7, v, 8); /* packed */
    pg_message(&n, 5, &a);
    a = pg_attr("strings", 8);
    pg_text(&a, 9, "a");
    pg_text(&a, 9, "");
    pg_message(&n, 5, &a);
    a = pg_attr("t", 4);
    t = pg_tensor_raw(NULL, 1, 1, &two, v, 8);
    pg_message(&a, 5, &t);
    pg_message(&n, 5, &a);
    t = pg_node("Inner", "p", "q");
    pg_message(&body, 1, &t);
    pg_attr_graph(&n, "g", &body);
    a = pg_attr("gs", 10);
    pg_bytes(&a, 11, "", 0); /* two empty graphs */
    pg_bytes(&a, 11, "", 0);
    pg_message(&n, 5, &a);
    a = pg_attr("no type", 0);
    pg_int(&a, 3, 5);
    pg_message(&n, 5, &a);
    a = pg_attr("type", 13); /* kept by name alone */
    pg_bytes(&a, 14, "", 0);
    pg_message(&n, 5, &a);
    pg_message(&graph, 1, &n);
    pg_message(&m, 7, &graph);

    pg_text(&fun, 1, "Body");
    pg_text(&fun, 10, "my.domain");
    pg_text(&fun, 13, "over");
    pg_names(&fun, 4, "a b");
    pg_names(&fun, 5, "c");
    pg_text(&fun, 6, "alpha");
    a = pg_attr("beta", 2);
    pg_int(&a, 3, 3);
    pg_message(&fun, 11, &a);
    n = pg_node("Relu", "a", "c");
    pg_attr_ref(&n, "alpha", 1, "alpha");
    pg_message(&fun, 7, &n);
    pg_int(&opset, 2, 17);
    pg_message(&fun, 9, &opset);
    pg_message(&m, 25, &fun);
    pg_text(&m, 99, "a field nobody knows");
    return m;
}

static void check_attrs(const struct syn_onnx_node *n)
{
    const struct syn_onnx_attr *a = n->attr;
    T_CHECK(n->n_attrs == 11, "%d attributes", n->n_attrs);
    T_CHECK(a[0].type == SYN_ONNX_ATTR_INT && a[0].i == -7 && !strcmp(a[0].name, "i"), "int");
    T_CHECK(a[1].type == SYN_ONNX_ATTR_FLOAT && a[1].f == 0.25f, "float");
    T_CHECK(a[2].type == SYN_ONNX_ATTR_STRING && a[2].s.n == 7 && !strcmp(a[2].s.p, "nearest"),
            "string");
    T_CHECK(a[3].n == 3 && a[3].ints[1] == -2 && a[3].ints[2] == 300, "ints");
    T_CHECK(a[4].n == 2 && a[4].floats[0] == 0.5f && a[4].floats[1] == -1, "floats");
    T_CHECK(a[5].n == 2 && a[5].strings[0].n == 1 && a[5].strings[1].n == 0, "strings");
    T_CHECK(a[6].n == 1 && a[6].tensor[0].elements == 2, "tensor");
    T_CHECK(a[7].n == 1 && a[7].graph[0]->n_nodes == 1 &&
                !strcmp(a[7].graph[0]->node[0].op_type, "Inner"),
            "graph");
    T_CHECK(a[8].n == 2 && a[8].graph[0] != a[8].graph[1] && a[8].graph[1]->n_nodes == 0, "graphs");
    T_CHECK(a[9].type == SYN_ONNX_ATTR_INT && a[9].i == 5, "the value says the type");
    T_CHECK(a[10].type == SYN_ONNX_ATTR_TYPE_PROTO, "type_proto");
}

static void test_model(void)
{
    struct pg m = whole_model();
    struct syn_onnx_file *f;
    const syn_status st = parse(&m, &f);
    T_CHECK(st == SYN_OK, "%s", err.text);
    if (st != SYN_OK) return;
    T_CHECK(f->ir_version == 10 && !strcmp(f->producer, "maker") &&
                !strcmp(f->producer_version, "1.2"),
            "head");
    T_CHECK(f->n_opsets == 2 && !strcmp(f->opset[0].domain, "") && f->opset[0].version == 17 &&
                !strcmp(f->opset[1].domain, "my.domain"),
            "opsets; ai.onnx is the main domain");
    T_CHECK(f->n_props == 1 && !strcmp(f->prop[0].key, "key") && !strcmp(f->prop[0].value, "value"),
            "metadata");
    const struct syn_onnx_graph *g = f->graph;
    T_CHECK(!strcmp(g->name, "g") && g->n_nodes == 1 && g->n_constants == 1 && g->n_inputs == 1 &&
                g->n_outputs == 1 && g->n_values == 1,
            "graph");
    T_CHECK(g->input[0].is_tensor && g->input[0].type == SYN_ONNX_FLOAT && g->input[0].has_shape &&
                g->input[0].shape.rank == 3 && g->input[0].shape.dim[0] == 1 &&
                g->input[0].shape.dim[1] == -1 && !strcmp(g->input[0].symbol[1], "s1") &&
                !g->input[0].symbol[0],
            "input");
    T_CHECK(!g->output[0].has_shape && g->output[0].type == SYN_ONNX_FLOAT16, "output, no shape");
    T_CHECK(g->value[0].has_shape && g->value[0].shape.rank == 0, "a scalar has a shape");
    const struct syn_onnx_node *n = &g->node[0];
    T_CHECK(!strcmp(n->op_type, "Body") && !strcmp(n->domain, "my.domain") &&
                !strcmp(n->name, "first") && !strcmp(n->overload, "over") && n->n_in == 3 &&
                n->n_out == 2 && !strcmp(n->in[0], "x") && !strcmp(n->in[1], "") &&
                !strcmp(n->in[2], "w") && !strcmp(n->out[1], ""),
            "node");
    check_attrs(n);
    T_CHECK(f->n_functions == 1 && f->function[0].n_in == 2 && f->function[0].n_out == 1 &&
                f->function[0].n_attrs == 1 && f->function[0].n_defaults == 1 &&
                f->function[0].defaults[0].i == 3 && f->function[0].n_opsets == 1 &&
                !strcmp(f->function[0].node[0].attr[0].ref, "alpha"),
            "function");
    syn_onnx_file_close(f);
    pg_free(&m);
}

/* Every truncation is refused or (between two fields of the model) still a model. */
static void test_cuts(void)
{
    struct pg m = whole_model();
    for (size_t n = 0; n < m.n; n++) {
        struct pg cut = {.p = malloc(n ? n : 1), .n = n}; /* its own block: overreads are seen */
        struct syn_onnx_file *f;
        if (!cut.p) abort();
        if (n) memcpy(cut.p, m.p, n);
        const syn_status st = parse(&cut, &f);
        T_CHECK((st == SYN_OK) == (f != NULL) && (st == SYN_OK || err.text[0]), "cut at %zu", n);
        syn_onnx_file_close(f);
        pg_free(&cut);
    }
    pg_free(&m);
}

/* Each byte changed to some others: never a crash (under sanitizers), always a word. */
static void test_damage(void)
{
    struct pg m = whole_model();
    static const uint8_t other[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    int refused = 0;
    for (size_t at = 0; at < m.n; at++)
        for (size_t k = 0; k < sizeof other; k++) {
            const uint8_t was = m.p[at];
            struct syn_onnx_file *f;
            m.p[at] = other[k];
            const syn_status st = parse(&m, &f);
            refused += st != SYN_OK;
            if (st != SYN_OK && !err.text[0]) T_CHECK(false, "byte %zu: no text", at);
            syn_onnx_file_close(f);
            m.p[at] = was;
        }
    T_CHECK(refused > 100, "%d of the damaged models are refused", refused);
    pg_free(&m);
}

static void test_memory(void)
{
    struct pg m = whole_model();
    for (long n = 1; n < 100; n++) {
        struct syn_onnx_file *f;
        syn_alloc_fail_at(n);
        const syn_status st = parse(&m, &f);
        syn_alloc_fail_at(0);
        syn_onnx_file_close(f);
        if (st == SYN_OK) {
            T_CHECK(n > 2, "a model takes memory");
            break;
        }
        T_CHECK(st == SYN_NO_MEMORY && err.text[0], "allocation %ld: %s", n, err.text);
    }
    pg_free(&m);
}

static void test_wrong_models(void)
{
    struct pg m = {0}, g = {0}, n;
    struct syn_onnx_file *f;
    static const struct {
        const char *bytes, *word;
        size_t n;
    } other[] = {
        {"", "empty", 0},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS", 58},
        {"\n <!DOCTYPE html><html>", "HTML", 22},
        {"<HTML><body>", "HTML", 12},
        {"PK\3\4\24\0\0\0", "zip", 8},
        {"\x80\4\x95\0\0", "pickle", 5},
        {"\x40\0\0\0\0\0\0\0{\"__metadata__\":{}}", "safetensors", 28},
        {"{\"a\": 1}", "JSON", 8},
        {"7767517\n2 2\n", "ncnn", 12},
    };
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) { /* G13 */
        m = (struct pg){0};
        pg_raw(&m, other[i].bytes, other[i].n);
        T_CHECK(parse(&m, &f) == SYN_INVALID && strstr(err.text, other[i].word) &&
                    strstr(err.text, "not an ONNX model but"),
                "%s: %s", other[i].word, err.text);
        pg_free(&m);
    }
    pg_int(&m, 1, 8);
    refuse_model("0 graphs", &m, SYN_INVALID);
    m = pg_model(0, 17, &g);
    refuse_model("ir_version = 0", &m, SYN_INVALID);
    m = pg_model(15, 17, &g);
    refuse_model("ir_version = 15", &m, SYN_UNSUPPORTED);
    m = pg_model(8, 0, &g);
    refuse_model("version 0", &m, SYN_INVALID);
    m = pg_model(8, 17, &g);
    pg_opset(&m, 8, "", 18);
    refuse_model("versions 17 and 18", &m, SYN_INVALID);
    m = pg_model(8, 17, &g);
    pg_bytes(&m, 7, "", 0);
    refuse_model("2 graphs", &m, SYN_INVALID);
    n = pg_node("Relu", "x", "y");
    pg_attr_int(&n, "a", 1);
    pg_attr_int(&n, "a", 1);
    pg_message(&g, 1, &n);
    m = pg_model(8, 17, &g);
    refuse_model("node 0: Relu y: attribute a is given twice", &m, SYN_INVALID);
    n = pg_node("", "x", "y");
    pg_message(&g, 1, &n);
    m = pg_model(8, 17, &g);
    refuse_model("op_type", &m, SYN_INVALID);
    for (int i = 0; i < 60; i++) { /* an If in an If in an If ... */
        struct pg inner = {0};
        n = pg_node("If", "c", "y");
        pg_attr_graph(&n, "then_branch", &g);
        pg_message(&inner, 1, &n);
        g = inner;
    }
    m = pg_model(8, 17, &g);
    refuse_model("deep", &m, SYN_INVALID);
}

/* ---- external data ----------------------------------------------------------------------------
 * */

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(p, 1, n, f) != n) abort();
    fclose(f);
}

/* A model of one tensor [2] FLOAT in another file. */
static struct pg external_model(const char *location, const char *offset, const char *length)
{
    const int64_t two = 2;
    struct pg graph = {0}, t = pg_tensor("w", 1, 1, &two);
    pg_prop(&t, 13, "location", location);
    if (offset) pg_prop(&t, 13, "offset", offset);
    if (length) pg_prop(&t, 13, "length", length);
    pg_prop(&t, 13, "checksum", "00");
    pg_int(&t, 14, 1);
    pg_message(&graph, 5, &t);
    return pg_model(8, 17, &graph);
}

static char dir[] = "/tmp/synthd-onnx-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", dir, name);
    return path[at];
}

static void external(const char *location, const char *offset, const char *length,
                     const struct syn_onnx_options *opt, syn_status want, const char *word)
{
    struct pg m = external_model(location, offset, length);
    struct syn_onnx_file *f = NULL;
    const float v[2] = {3, 4};
    write_file(in_dir("model/m.onnx"), m.p, m.n);
    err.text[0] = '\0';
    const syn_status st = syn_onnx_file_open(in_dir("model/m.onnx"), opt, &f, &err);
    T_CHECK(st == want && strstr(err.text, word), "%s %s %s: status %s: %s", location,
            offset ? offset : "-", length ? length : "-", syn_status_word(st), err.text);
    if (st == SYN_OK)
        T_CHECK(f->graph->n_constants == 1 && !memcmp(f->graph->constant[0].data, v, 8), "%s",
                location);
    syn_onnx_file_close(f);
    pg_free(&m);
}

static void test_external(void) /* G06 */
{
    const float v[4] = {1, 2, 3, 4};
    if (!mkdtemp(dir) || mkdir(in_dir("model"), 0700) || mkdir(in_dir("model/sub"), 0700) ||
        mkdir(in_dir("blobs"), 0700) || mkdir(in_dir("model2"), 0700))
        abort();
    write_file(in_dir("model/w.bin"), v, sizeof v);
    write_file(in_dir("model/sub/w.bin"), v + 2, 8);
    write_file(in_dir("blobs/w.bin"), v, sizeof v);
    write_file(in_dir("model2/w.bin"), v, sizeof v); /* its name begins like the folder's */
    if (mkfifo(in_dir("model/fifo"), 0600) || symlink("w.bin", in_dir("model/link")) ||
        symlink("../blobs/w.bin", in_dir("model/out")) ||
        symlink("../model2", in_dir("model/near")) || symlink("/dev/zero", in_dir("model/zero")))
        abort();
    external("w.bin", "8", "8", NULL, SYN_OK, "");
    external("w.bin", "8", NULL, NULL, SYN_OK, "");
    external("sub/w.bin", NULL, NULL, NULL, SYN_OK, "");
    external("./sub//w.bin", "0", "8", NULL, SYN_OK, "");
    external("link", "8", "8", NULL, SYN_OK, ""); /* stays inside */
    external("w.bin", "8", "16", NULL, SYN_INVALID, "length = 16: the tensor takes 8");
    external("w.bin", "12", "8", NULL, SYN_TRUNCATED, "offset 12: the file has 16");
    external("w.bin", "17", "8", NULL, SYN_TRUNCATED, "the file has 16");
    external("w.bin", "9223372036854775807", "8", NULL, SYN_INVALID, "whole number");
    external("w.bin", "9223372036854775808", "8", NULL, SYN_INVALID, "whole number");
    external("w.bin", "-8", "8", NULL, SYN_INVALID, "offset = -8");
    external("w.bin", "", "8", NULL, SYN_INVALID, "whole number");
    external("w.bin", "4611686018427387904", "8", NULL, SYN_TRUNCATED, "the file has");
    external("none.bin", NULL, NULL, NULL, SYN_NOT_FOUND, "none.bin");
    external("", NULL, NULL, NULL, SYN_INVALID, "location");
    external("../blobs/w.bin", "8", "8", NULL, SYN_INVALID, "below the model's folder");
    external("sub/../../blobs/w.bin", "8", "8", NULL, SYN_INVALID, "below the model's folder");
    external("sub/..", "8", "8", NULL, SYN_INVALID, "below the model's folder");
    external(in_dir("model/w.bin"), "8", "8", NULL, SYN_INVALID, "below the model's folder");
    external("out", "8", "8", NULL, SYN_INVALID, "leads out");
    external("near/w.bin", "8", "8", NULL, SYN_INVALID, "leads out");
    external("zero", "8", "8", NULL, SYN_INVALID, "leads out");
    external("fifo", "8", "8", NULL, SYN_INVALID, "not a regular file");
    external("sub", "8", "8", NULL, SYN_INVALID, "not a regular file");
    external(".", "8", "8", NULL, SYN_INVALID, "");
}

static void test_roots(void) /* G07: a hub's cache: the model is a link too */
{
    char blobs[256], model[256];
    const char *const root[1] = {blobs};
    const struct syn_onnx_options allowed = {.root = root, .n_roots = 1};
    struct syn_onnx_options folder = {.folder = model};
    struct syn_onnx_file *f = NULL;
    struct pg m = external_model("out", "8", "8");
    const float want[2] = {3, 4};
    snprintf(blobs, sizeof blobs, "%s/blobs", dir);
    snprintf(model, sizeof model, "%s/model", dir);
    external("out", "8", "8", &allowed, SYN_OK, "");
    write_file(in_dir("blobs/m"), m.p, m.n);
    unlink(in_dir("model/m.onnx"));
    if (symlink("../blobs/m", in_dir("model/m.onnx"))) abort();
    T_CHECK(syn_onnx_file_open(in_dir("model/m.onnx"), NULL, &f, &err) == SYN_INVALID &&
                strstr(err.text, "leads out"),
            "%s", err.text);
    T_CHECK(syn_onnx_file_open(in_dir("model/m.onnx"), &allowed, &f, &err) == SYN_OK &&
                !memcmp(f->graph->constant[0].data, want, 8),
            "snapshot of links: %s", err.text);
    syn_onnx_file_close(f);
    pg_free(&m);
    unlink(in_dir("model/m.onnx"));
    f = NULL;
    m = external_model("w.bin", "8", "8"); /* bytes in memory: the folder must be said */
    T_CHECK(syn_onnx_file_parse(m.p, m.n, NULL, &f, &err) == SYN_INVALID &&
                strstr(err.text, "no folder"),
            "%s", err.text);
    T_CHECK(syn_onnx_file_parse(m.p, m.n, &folder, &f, &err) == SYN_OK &&
                !memcmp(f->graph->constant[0].data, want, 8),
            "%s", err.text);
    syn_onnx_file_close(f);
    f = NULL;
    folder.max_file_bytes = 15;
    T_CHECK(syn_onnx_file_parse(m.p, m.n, &folder, &f, &err) == SYN_TOO_LARGE, "%s", err.text);
    pg_free(&m);
    T_CHECK(syn_onnx_file_open(in_dir("model/none.onnx"), NULL, &f, &err) == SYN_NOT_FOUND &&
                strstr(err.text, "none.onnx"),
            "%s", err.text);
    write_file(in_dir("model/m.onnx"), "", 0);
    T_CHECK(syn_onnx_file_open(in_dir("model/m.onnx"), NULL, &f, &err) == SYN_INVALID &&
                strstr(err.text, "empty"),
            "%s", err.text);
}

int main(void)
{
    char command[64];
    test_wide_types();
    test_narrow_types();
    test_strings();
    test_borrowed();
    test_wrong_tensors();
    test_sparse();
    test_model();
    test_cuts();
    test_damage();
    test_memory();
    test_wrong_models();
    test_external();
    test_roots();
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (system(command)) abort();
    return t_report();
}
