/* tensor.c - shapes and element types. See tensor.h.
 *
 * Layer:   kernels/graph.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/graph/tensor.h"
#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *word;
    uint8_t bytes;
    char kind;
} types[SYN_DTYPE_COUNT] = {
#define ROW(ID, word, bytes, kind, onnx) [SYN_##ID] = {word, bytes, #kind[0]},
    SYN_DTYPE_LIST(ROW)
#undef ROW
};

size_t syn_dtype_bytes(syn_dtype t) { return (unsigned)t < SYN_DTYPE_COUNT ? types[t].bytes : 0; }
const char *syn_dtype_word(syn_dtype t)
{
    return (unsigned)t < SYN_DTYPE_COUNT ? types[t].word : "unknown";
}
char syn_dtype_kind(syn_dtype t) { return (unsigned)t < SYN_DTYPE_COUNT ? types[t].kind : '?'; }

syn_dtype syn_dtype_of_onnx(int64_t number)
{
    switch (number) {
#define OF_ONNX(ID, word, bytes, kind, onnx)                                                       \
    case onnx: return SYN_##ID;
        SYN_DTYPE_LIST(OF_ONNX)
#undef OF_ONNX
    default: return SYN_DTYPE_COUNT;
    }
}

struct syn_shape syn_shape_of(int32_t rank, const int64_t *dim)
{
    struct syn_shape s = {0};
    s.rank = rank > SYN_MAX_RANK ? SYN_MAX_RANK : rank;
    for (int32_t i = 0; i < s.rank; i++) s.dim[i] = dim[i];
    return s;
}

bool syn_shape_equal(const struct syn_shape *a, const struct syn_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

bool syn_shape_known(const struct syn_shape *s)
{
    for (int32_t i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    return true;
}

bool syn_shape_elements(const struct syn_shape *s, int64_t *out)
{
    int64_t n = 1;
    bool empty = false; /* a zero anywhere makes the product 0, however large the others are */
    if (s->rank < 0 || s->rank > SYN_MAX_RANK || !syn_shape_known(s)) return false;
    for (int32_t i = 0; i < s->rank; i++) empty |= s->dim[i] == 0;
    for (int32_t i = 0; i < s->rank && !empty; i++) {
        if (s->dim[i] > SYN_MAX_ELEMENTS / n) return false;
        n *= s->dim[i];
    }
    *out = empty ? 0 : n;
    return true;
}

const char *syn_shape_text(const struct syn_shape *s, char *text, size_t size)
{
    size_t at = 0;
    if (size == 0) return text;
    if (s->rank < 0) {
        snprintf(text, size, "absent");
        return text;
    }
    for (int32_t i = 0; i <= s->rank && at < size; i++) {
        const char *before = i == 0 ? "[" : i < s->rank ? ", " : "";
        int n;
        if (i == s->rank)
            n = snprintf(text + at, size - at, "%s]", i == 0 ? "[" : "");
        else if (s->dim[i] < 0)
            n = snprintf(text + at, size - at, "%s?", before);
        else
            n = snprintf(text + at, size - at, "%s%" PRId64, before, s->dim[i]);
        if (n < 0) break;
        at += (size_t)n;
    }
    return text;
}
