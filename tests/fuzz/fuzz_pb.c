/* fuzz_pb.c - any bytes as a protobuf message, every field as every kind of list, and messages
 * within messages. */
#include "kernels/load/pb.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Numbers of a list, counted; a list says how many it has and keeps to it. */
static void lists(const struct syn_pb_field *f, struct syn_err *err)
{
    static const syn_pb_wire kinds[] = {SYN_PB_VARINT, SYN_PB_FIXED32, SYN_PB_FIXED64};
    for (int i = 0; i < 3; i++) {
        struct syn_pb_list list;
        uint64_t v;
        size_t n = 0;
        if (syn_pb_list_of(f, kinds[i], "list", &list, err) != SYN_OK) continue;
        while (syn_pb_list_next(&list, &v)) n++;
        if (n != list.n) abort();
    }
}

/* Each level tries every field as a message: the work is at most the bytes times the levels. */
static void walk(struct syn_pb m, struct syn_err *err)
{
    struct syn_pb_field f;
    while (syn_pb_next(&m, &f, err) == SYN_OK && f.number) {
        struct syn_pb inner;
        int64_t i;
        float x;
        if (syn_pb_int(&f, "i", &i, err) == SYN_OK && (uint64_t)i != f.value) abort();
        if (syn_pb_float(&f, "f", &x, err) == SYN_OK && f.wire != SYN_PB_FIXED32) abort();
        lists(&f, err);
        if (syn_pb_enter(&m, &f, "inner", &inner, err) == SYN_OK) walk(inner, err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct syn_err err;
    walk(syn_pb_of(data, size), &err);
    return 0;
}
