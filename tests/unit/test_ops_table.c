/* test_ops_table.c - the table of operators, attributes, shapes and element types; sizes that every
 * row must refuse. */
#include "kernels/load/onnx_file.h"
#include "tests/op_call.h"

static void test_rows(void)
{
    for (int id = 0; id < SYN_OP_COUNT; id++) {
        const struct syn_op *op = syn_op_get((syn_op_id)id);
        int32_t n_attrs = 0;
        T_CHECK(op && op->name && (op->shape || (op->flags & SYN_OP_MAKES)) && op->reference,
                "row %d is incomplete", id);
        if (!op) continue;
        T_CHECK(op->min_in >= 0 && op->max_in >= op->min_in && op->max_in <= SYN_MAX_OPERANDS &&
                    op->n_out >= 0 && syn_op_max_out(op) >= 1 &&
                    syn_op_max_out(op) <= SYN_MAX_OPERANDS,
                "%s: arity", op->name);
        T_CHECK(!(op->flags & SYN_OP_POINTWISE) || op->max_in == 1,
                "%s: pointwise with several operands", op->name);
        while (op->attrs && op->attrs[n_attrs].name) {
            const struct syn_attr_spec *s = &op->attrs[n_attrs++];
            T_CHECK(s->min <= s->max, "%s: %s", op->name, s->name);
            T_CHECK((s->kind != SYN_ATTR_INT && s->kind != SYN_ATTR_FLOAT) ||
                        (s->fallback >= s->min && s->fallback <= s->max),
                    "%s: the default of %s is out of its range", op->name, s->name);
        }
        T_CHECK(n_attrs <= SYN_MAX_ATTRS, "%s: %d attributes", op->name, (int)n_attrs);
        for (int other = 0; other < id; other++)
            T_CHECK(
                strcmp(op->name, syn_op_get((syn_op_id)other)->name) != 0 ||
                    strcmp(op->domain ? op->domain : "", syn_op_get((syn_op_id)other)->domain
                                                             ? syn_op_get((syn_op_id)other)->domain
                                                             : "") != 0,
                "two rows named %s in one domain", op->name);
        T_CHECK(syn_op_find(op->domain ? op->domain : "", op->name) == (syn_op_id)id,
                "%s is not found", op->name);
    }
    T_CHECK(syn_op_get(SYN_OP_COUNT) == NULL, "a row past the end");
}

/* Every row of our own, every operand: missing, empty, unknown, of a wrong type, too large. The
 * text names the row. */
static void test_every_row_refuses(void)
{
    const int64_t empty[4] = {1, 4, 0, 4}, unknown[4] = {1, -1, 4, 4},
                  large[4] = {1 << 20, 1 << 20, 1 << 20, 1 << 20};
    for (int id = 0; id < SYN_OP_COUNT; id++)
        for (int32_t at = 0; op_is_own(id) && at < syn_op_get((syn_op_id)id)->min_in; at++)
            for (int fault = 0; fault < 5; fault++) {
                struct op_call t;
                if (fault == 1 && id == SYN_OP_ATTEND) continue; /* products may be of nothing */
                op_begin(&t, (syn_op_id)id);
                while (t.c.n_in < t.c.op->min_in) op_in(&t, NULL, OP_DIMS(1, 4, 4, 4));
                struct syn_tensor *in = &t.c.in[at];
                if (fault == 0) in->shape.rank = -1;
                if (fault == 1) in->shape = syn_shape_of(4, empty);
                if (fault == 2) in->shape = syn_shape_of(4, unknown);
                if (fault == 3) in->dtype = SYN_I64;
                if (fault == 4) in->shape = syn_shape_of(4, large);
                if (id == SYN_OP_MAX_POOL || id == SYN_OP_AVERAGE_POOL)
                    op_ints(&t, "kernel", 2, (const int64_t[]){1, 1});
                syn_status st = op_shape(&t);
                T_CHECK(st != SYN_OK &&
                            strncmp(t.err.text, t.c.op->name, strlen(t.c.op->name)) == 0,
                        "%s operand %d fault %d: status %s, '%s'", t.c.op->name, (int)at, fault,
                        syn_status_word(st), t.err.text);
                op_end(&t);
            }
}

/* What is in no row is not found: every name cut short or grown by a letter, in its own domain and
 * in others. */
static void test_find_misses(void)
{
    static const char *const words[] = {"", "A", "Zzz", "relu", "ReLU", "\xff\xff"};
    static const char *const domains[] = {"", "synthd", "ai.onnx.ml", "a", "zz"};
    for (int id = 0; id < SYN_OP_COUNT; id++) {
        const struct syn_op *op = syn_op_get((syn_op_id)id);
        const char *domain = op->domain ? op->domain : "";
        char name[160];
        for (int change = -1; change <= 1; change += 2) {
            syn_op_id found;
            bool real = false; /* cut short, a name may be another row's */
            snprintf(name, sizeof name, "%s%s", op->name, change > 0 ? "_" : "");
            if (change < 0) name[strlen(name) - 1] = '\0';
            for (int k = 0; k < SYN_OP_COUNT; k++)
                real |= !strcmp(name, syn_op_get((syn_op_id)k)->name);
            found = syn_op_find(domain, name);
            T_CHECK(real || found == SYN_OP_COUNT, "'%s' is found as row %d", name, (int)found);
        }
        for (size_t d = 0; d < sizeof domains / sizeof *domains; d++) {
            const syn_op_id found = syn_op_find(domains[d], op->name);
            const struct syn_op *got = syn_op_get(found);
            T_CHECK(!got || (!strcmp(got->domain ? got->domain : "", domains[d]) &&
                             !strcmp(got->name, op->name)),
                    "%s of '%s' is found as row %d", op->name, domains[d], (int)found);
            T_CHECK(got || strcmp(domain, domains[d]) != 0, "%s is not found", op->name);
        }
    }
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        T_CHECK(syn_op_find("", words[w]) == SYN_OP_COUNT, "'%s' is found", words[w]);
}

static void refuse_fill(const struct syn_op *op, int32_t n, const struct syn_attr *a,
                        const char *words)
{
    struct syn_attr filled[SYN_MAX_ATTRS], before[SYN_MAX_ATTRS];
    struct syn_err err = {""};
    memset(filled, 0x55, sizeof filled), memset(before, 0x55, sizeof before);
    syn_status st = syn_attr_fill(op, a, n, filled, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, words), "expected '%s', got '%s'", words,
            err.text);
    T_CHECK(memcmp(filled, before, sizeof filled) == 0, "changed on failure: %s", words);
}

static void test_attrs(void)
{
    const struct syn_op *op = syn_op_get(SYN_OP_CONV);
    const int64_t two[2] = {2, 3}, many[20] = {0};
    struct syn_attr a[3], filled[SYN_MAX_ATTRS];
    struct syn_err err = {""};
    a[0] = syn_attr_of_ints("strides", 2, two), a[1] = syn_attr_of_float("alpha", 0.5);
    T_CHECK(syn_attr_fill(op, a, 2, filled, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_attr_list(op, filled, "strides")->n == 2 &&
                syn_attr_list(op, filled, "strides")->v.i[1] == 3,
            "strides");
    T_CHECK(syn_attr_float(op, filled, "alpha") == 0.5 && syn_attr_float(op, filled, "beta1") == 1,
            "alpha, beta1");
    T_CHECK(syn_attr_int(op, filled, "group") == 1 && syn_attr_list(op, filled, "pads")->n == 0,
            "defaults");
    T_CHECK(filled[0].name == op->attrs[0].name, "names become the row's own");
    T_CHECK(syn_attr_int(op, filled, "no such") == 0 &&
                syn_attr_float(op, filled, "no such") == 0 &&
                syn_attr_list(op, filled, "no such")->n == 0,
            "unknown names read as nothing");
    T_CHECK(syn_attr_of_ints("pads", 20, many).n == 20 &&
                syn_attr_of_ints("pads", -1, many).n == 0,
            "lengths");
    T_CHECK(syn_attr_of_floats("coeffs", 2, (const double[]){1.5, 2}).v.f[0] == 1.5, "floats");
    a[0] = syn_attr_of_int("gruop", 2);
    refuse_fill(op, 1, a, "Conv: unknown attribute 'gruop'");
    a[0] = syn_attr_of_float("group", 2);
    refuse_fill(op, 1, a, "Conv: attribute group is a number: must be an integer");
    a[0] = syn_attr_of_int("strides", 2);
    refuse_fill(op, 1, a, "attribute strides is an integer: must be a list of integers");
    a[0] = syn_attr_of_int("group", 0);
    refuse_fill(op, 1, a, "attribute group = 0 (entry 0): must be in [1, 2147483647]");
    a[0] = syn_attr_of_ints("dilations", 2, (const int64_t[]){1, (int64_t)1 << 40});
    refuse_fill(op, 1, a, "attribute dilations = 1099511627776 (entry 1): must be in [1, 1048576]");
    a[0] = syn_attr_of_float("alpha", (double)NAN);
    refuse_fill(op, 1, a, "attribute alpha = ");
    a[0] = syn_attr_of_float("alpha", (double)INFINITY);
    refuse_fill(op, 1, a, "attribute alpha = inf");
    a[0] = a[1] = syn_attr_of_int("group", 1);
    refuse_fill(op, 2, a, "attribute group is given twice");
    a[0] = syn_attr_of_ints("pads", 2, two), a[0].n = SYN_MAX_ATTR_LIST + 1;
    refuse_fill(op, 1, a, "attribute pads has 1048577 entries: must be in [0, 1048576]");
    a[0] = syn_attr_of_int("group", 1), a[0].n = 0;
    refuse_fill(op, 1, a, "attribute group has 0 entries: must be in [1, 1]");
    refuse_fill(syn_op_get(SYN_OP_RELU), 1, a, "Relu: unknown attribute 'group'");
    a[0].name = NULL;
    refuse_fill(op, 1, a, "unknown attribute ''");
}

static void test_shapes(void)
{
    struct syn_shape s = syn_shape4(1, 3, 64, -1), same = s;
    int64_t n = 77;
    char text[192], tiny[6], none[1] = {'x'};
    T_CHECK(strcmp(syn_shape_text(&s, text, sizeof text), "[1, 3, 64, ?]") == 0, "%s", text);
    T_CHECK(strcmp(syn_shape_text(&s, tiny, sizeof tiny), "[1, 3") == 0, "%s", tiny);
    T_CHECK(syn_shape_text(&s, none, 0)[0] == 'x', "wrote into no room");
    T_CHECK(!syn_shape_known(&s) && !syn_shape_elements(&s, &n) && n == 77, "unknown dimension");
    T_CHECK(syn_shape_equal(&s, &same), "equal");
    same.dim[3] = 5;
    T_CHECK(!syn_shape_equal(&s, &same) && syn_shape_known(&same), "unequal");
    T_CHECK(syn_shape_elements(&same, &n) && n == 960, "%lld", (long long)n);
    same.rank = 3;
    T_CHECK(!syn_shape_equal(&s, &same), "ranks differ");
    s = syn_shape_of(0, NULL);
    T_CHECK(syn_shape_elements(&s, &n) && n == 1 &&
                strcmp(syn_shape_text(&s, text, sizeof text), "[]") == 0,
            "scalar");
    s.rank = -1;
    T_CHECK(!syn_shape_elements(&s, &n) &&
                strcmp(syn_shape_text(&s, text, sizeof text), "absent") == 0,
            "absent");
    s = syn_shape4(1 << 20, 1 << 20, 1, 1);
    T_CHECK(syn_shape_elements(&s, &n) && n == SYN_MAX_ELEMENTS, "the limit itself");
    s = syn_shape4(1 << 20, (1 << 20) + 1, 1, 1);
    T_CHECK(!syn_shape_elements(&s, &n), "over the limit");
    s = syn_shape4(INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX);
    T_CHECK(!syn_shape_elements(&s, &n), "overflow");
    syn_shape_text(&s, text, sizeof text);
    T_CHECK(strlen(text) == 4 * 19 + 8, "%s", text);
    s.dim[2] = 0;
    T_CHECK(syn_shape_elements(&s, &n) && n == 0, "nothing, however wide");
    s = syn_shape_of(99, (const int64_t[]){1, 2, 3, 4, 5, 6, 7, 8});
    T_CHECK(s.rank == SYN_MAX_RANK && s.dim[7] == 8, "rank is cut");
    for (int t = 0; t < SYN_DTYPE_COUNT; t++)
        T_CHECK(syn_dtype_bytes((syn_dtype)t) > 0 &&
                    strcmp(syn_dtype_word((syn_dtype)t), "unknown") != 0,
                "type %d", t);
    T_CHECK(syn_dtype_bytes(SYN_BF16) == 2 && syn_dtype_bytes(SYN_I64) == 8 &&
                syn_dtype_bytes(SYN_DTYPE_COUNT) == 0,
            "bytes");
}

/* Every number against the loader's own list of what ONNX has, which knows the types' widths. */
static void test_onnx_numbers(void)
{
    static const struct {
        int number;
        const char *word;
    } types[] = {
        {1, "f32"},         {2, "u8"},      {3, "i8"},          {4, "u16"},     {5, "i16"},
        {6, "i32"},         {7, "i64"},     {9, "bool"},        {10, "f16"},    {11, "f64"},
        {12, "u32"},        {13, "u64"},    {16, "bf16"},       {17, "f8e4m3fn"},
        {18, "f8e4m3fnuz"}, {19, "f8e5m2"}, {20, "f8e5m2fnuz"}, {21, "u4"},     {22, "i4"},
        {23, "f4e2m1"},     {24, "f8e8m0"}, {25, "u2"},         {26, "i2"},
    };
    bool seen[64] = {false};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const syn_dtype t = syn_dtype_of_onnx(types[i].number);
        seen[types[i].number] = true;
        T_CHECK(t < SYN_DTYPE_COUNT && !strcmp(syn_dtype_word(t), types[i].word),
                "%d is %s: want %s", types[i].number, syn_dtype_word(t), types[i].word);
        T_CHECK(syn_dtype_bytes(t) == syn_onnx_type_bytes((syn_onnx_type)types[i].number),
                "%s: bytes", types[i].word);
    }
    T_CHECK(sizeof types / sizeof *types == SYN_DTYPE_COUNT, "a type without a number");
    for (int64_t n = -3; n < 64; n++)
        T_CHECK((n >= 0 && seen[n]) || syn_dtype_of_onnx(n) == SYN_DTYPE_COUNT, "%d is a type",
                (int)n);
    T_CHECK(syn_dtype_of_onnx(INT64_MAX) == SYN_DTYPE_COUNT &&
                syn_dtype_of_onnx(((int64_t)1 << 32) + 1) == SYN_DTYPE_COUNT,
            "large numbers");
}

int main(void)
{
    test_rows();
    test_every_row_refuses();
    test_find_misses();
    test_attrs();
    test_shapes();
    test_onnx_numbers();
    return t_report();
}
