/* test_pb.c - the protobuf reader: every wire type, lists packed and not, and what is refused. */
#include "kernels/load/pb.h"
#include "tests/pb_gen.h"

/* Walks all fields of a message; counts them. */
static syn_status walk(const void *p, size_t n, int *fields, struct syn_err *err)
{
    struct syn_pb m = syn_pb_of(p, n);
    struct syn_pb_field f;
    syn_status st;
    *fields = 0;
    while ((st = syn_pb_next(&m, &f, err)) == SYN_OK && f.number) ++*fields;
    return st;
}

static void test_fields(void)
{
    struct pg m = {0};
    struct syn_pb r;
    struct syn_pb_field f;
    struct syn_err err = {""};
    int64_t v = 0;
    float x = 0;
    const double wide = 2.5;
    pg_int(&m, 1, 300);
    pg_int(&m, 2, -1);
    pg_float(&m, 3, 1.5f);
    pg_tag(&m, 4, 1);
    pg_raw(&m, &wide, 8);
    pg_text(&m, 5, "abc");
    pg_int(&m, (1u << 29) - 1, INT64_MIN);
    pg_text(&m, 6, "");
    r = syn_pb_of(m.p, m.n);
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.number == 1 && f.wire == SYN_PB_VARINT &&
                f.value == 300 && f.offset == 0,
            "%s", err.text);
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && syn_pb_int(&f, "b", &v, &err) == SYN_OK &&
                v == -1 && f.offset == 3,
            "negative numbers are ten bytes: %s", err.text);
    T_CHECK(syn_pb_float(&f, "b", &x, &err) == SYN_INVALID && strstr(err.text, "(b)"), "%s",
            err.text);
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && syn_pb_float(&f, "c", &x, &err) == SYN_OK &&
                x == 1.5f,
            "%s", err.text);
    T_CHECK(syn_pb_int(&f, "c", &v, &err) == SYN_INVALID, "a float is no int");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.wire == SYN_PB_FIXED64 &&
                !memcmp(&f.value, &wide, 8),
            "fixed64");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.n == 3 && !memcmp(f.p, "abc", 3), "bytes");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.number == (1u << 29) - 1 &&
                (int64_t)f.value == INT64_MIN,
            "largest field number");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.number == 6 && f.n == 0, "empty bytes");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.number == 0, "the end");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK && f.number == 0, "the end stays");
    /* Every truncation ends between two fields or is said. */
    for (size_t n = 0; n < m.n; n++) {
        int fields;
        const syn_status st = walk(m.p, n, &fields, &err);
        T_CHECK(st == SYN_OK || (st == SYN_TRUNCATED && strstr(err.text, "offset")),
                "cut at %zu: %s", n, err.text);
        T_CHECK(fields < 7, "cut at %zu: %d fields", n, fields);
    }
    pg_free(&m);
    T_CHECK(walk(NULL, 0, &(int){0}, &err) == SYN_OK, "no bytes are an empty message");
}

static void refuse(const char *bytes, size_t n, syn_status want, const char *word)
{
    struct syn_err err = {""};
    int fields;
    const syn_status st = walk(bytes, n, &fields, &err);
    T_CHECK(st == want && strstr(err.text, word), "%s: status %d: %s", word, st, err.text);
}

static void test_refusals(void)
{
    refuse("\x0b", 1, SYN_INVALID, "group");            /* start of a group, field 1 */
    refuse("\x0c", 1, SYN_INVALID, "group");            /* its end */
    refuse("\x0e", 1, SYN_INVALID, "wire type");        /* 6 */
    refuse("\x0f", 1, SYN_INVALID, "wire type");        /* 7 */
    refuse("\x00\x00", 2, SYN_INVALID, "field number"); /* 0 */
    refuse("\x80\x80\x80\x80\x10\x00", 6, SYN_INVALID, "field number"); /* 2^29 */
    refuse("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02", 11, SYN_INVALID, "64 bits");
    refuse("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12, SYN_INVALID, "64 bits");
    refuse("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, SYN_TRUNCATED, "0 are left");
    refuse("\x0a\x02x", 3, SYN_TRUNCATED, "1 are left");
    refuse("\x0d\x01\x02\x03", 4, SYN_TRUNCATED, "field 1"); /* fixed32 of three bytes */
    refuse("\x80", 1, SYN_TRUNCATED, "number");
}

static void test_lists(void)
{
    static const int64_t v[] = {0, 1, -1, 300, INT64_MAX, INT64_MIN};
    const size_t n = sizeof v / sizeof v[0];
    struct pg m = {0};
    struct syn_pb r;
    struct syn_pb_field f;
    struct syn_pb_list list;
    struct syn_err err = {""};
    const float x[2] = {1.25f, -2};
    uint64_t got, seen = 0;
    pg_packed(&m, 8, n, v);
    for (size_t i = 0; i < n; i++) pg_int(&m, 8, v[i]);
    pg_bytes(&m, 8, "", 0);
    r = syn_pb_of(m.p, m.n);
    while (syn_pb_next(&r, &f, &err) == SYN_OK && f.number) {
        T_CHECK(syn_pb_list_of(&f, SYN_PB_VARINT, "ints", &list, &err) == SYN_OK, "%s", err.text);
        T_CHECK(list.n == (f.wire == SYN_PB_VARINT ? 1 : f.n ? n : 0), "%zu entries", list.n);
        for (; syn_pb_list_next(&list, &got); seen++)
            T_CHECK((int64_t)got == v[seen % n], "entry %d", (int)seen);
    }
    T_CHECK(seen == 2 * n, "%d entries in all", (int)seen);
    pg_free(&m);

    pg_bytes(&m, 4, x, 8);
    pg_bytes(&m, 4, x, 7);
    pg_bytes(&m, 5, "\x01\x80", 2);
    pg_float(&m, 5, 1);
    r = syn_pb_of(m.p, m.n);
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK &&
                syn_pb_list_of(&f, SYN_PB_FIXED32, "floats", &list, &err) == SYN_OK &&
                list.n == 2 && syn_pb_list_next(&list, &got) && got == 0x3fa00000,
            "packed floats");
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK &&
                syn_pb_list_of(&f, SYN_PB_FIXED32, "floats", &list, &err) == SYN_INVALID &&
                strstr(err.text, "multiple of 4"),
            "%s", err.text);
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK &&
                syn_pb_list_of(&f, SYN_PB_VARINT, "ints", &list, &err) == SYN_TRUNCATED,
            "a number cut inside a list: %s", err.text);
    T_CHECK(syn_pb_next(&r, &f, &err) == SYN_OK &&
                syn_pb_list_of(&f, SYN_PB_VARINT, "ints", &list, &err) == SYN_INVALID,
            "a float among ints: %s", err.text);
    pg_free(&m);
}

static void test_depth(void)
{
    struct pg m = {0};
    struct syn_pb r;
    struct syn_pb_field f;
    struct syn_err err = {""};
    int levels = 0;
    syn_status st = SYN_OK;
    for (int i = 0; i < 200; i++) {
        struct pg outer = {0};
        pg_message(&outer, 1, &m);
        m = outer;
    }
    r = syn_pb_of(m.p, m.n);
    while (st == SYN_OK && syn_pb_next(&r, &f, &err) == SYN_OK && f.number) {
        st = syn_pb_enter(&r, &f, "inner", &r, &err);
        levels += st == SYN_OK;
    }
    T_CHECK(st == SYN_INVALID && strstr(err.text, "deep"), "%s", err.text);
    T_CHECK(levels == SYN_PB_MAX_DEPTH - 1, "%d levels", levels);
    pg_free(&m);
}

int main(void)
{
    test_fields();
    test_refusals();
    test_lists();
    test_depth();
    return t_report();
}
