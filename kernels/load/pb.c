/* pb.c - see pb.h. */
#include "kernels/load/pb.h"
#include <inttypes.h>

#define MAX_VARINT_BYTES 10
#define MAX_FIELD_NUMBER ((UINT32_C(1) << 29) - 1)

typedef enum { VARINT_OK, VARINT_CUT, VARINT_LONG } varint_result;

static varint_result varint(struct syn_bytes *b, uint64_t *out)
{
    uint64_t v = 0;
    size_t i;
    for (i = 0; i < b->left && i < MAX_VARINT_BYTES; i++) {
        const uint8_t byte = b->p[i];
        if (i == MAX_VARINT_BYTES - 1 && byte > 1) return VARINT_LONG; /* over 64 bits */
        v |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte & 0x80) continue;
        *out = v;
        return syn_bytes_skip(b, i + 1) ? VARINT_OK : VARINT_CUT;
    }
    return i == MAX_VARINT_BYTES ? VARINT_LONG : VARINT_CUT;
}

static bool fixed(struct syn_bytes *b, size_t bytes, uint64_t *out)
{
    const uint8_t *p;
    uint64_t v = 0;
    if (!syn_bytes_take(b, bytes, &p)) return false;
    for (size_t i = 0; i < bytes; i++) v |= (uint64_t)p[i] << 8 * i;
    *out = v;
    return true;
}

static syn_status fail_varint(varint_result r, size_t offset, struct syn_err *err)
{
    if (r == VARINT_CUT)
        return syn_fail(err, SYN_TRUNCATED, "protobuf: offset %zu: the bytes end in a number",
                        offset);
    return syn_fail(err, SYN_INVALID, "protobuf: offset %zu: a number of more than 64 bits",
                    offset);
}

struct syn_pb syn_pb_of(const void *p, size_t n)
{
    struct syn_pb m = {.b = syn_bytes_of(p, n)};
    m.start = m.b.p;
    return m;
}

/* What the tag promised. */
static syn_status read_value(struct syn_pb *m, struct syn_pb_field *f, struct syn_err *err)
{
    varint_result r = VARINT_OK;
    bool fits = true;
    uint64_t n = 0;
    switch (f->wire) {
    case SYN_PB_VARINT: r = varint(&m->b, &f->value); break;
    case SYN_PB_FIXED32: fits = fixed(&m->b, 4, &f->value); break;
    case SYN_PB_FIXED64: fits = fixed(&m->b, 8, &f->value); break;
    case SYN_PB_BYTES:
        r = varint(&m->b, &n);
        if (r != VARINT_OK) break;
        if (n > m->b.left)
            return syn_fail(err, SYN_TRUNCATED,
                            "protobuf: offset %zu: field %" PRIu32 " of %" PRIu64
                            " bytes: %zu are left",
                            f->offset, f->number, n, m->b.left);
        f->n = (size_t)n;
        fits = syn_bytes_take(&m->b, f->n, &f->p);
        break;
    }
    if (r != VARINT_OK) return fail_varint(r, f->offset, err);
    if (!fits)
        return syn_fail(err, SYN_TRUNCATED,
                        "protobuf: offset %zu: the bytes end in field %" PRIu32, f->offset,
                        f->number);
    return SYN_OK;
}

syn_status syn_pb_next(struct syn_pb *m, struct syn_pb_field *f, struct syn_err *err)
{
    const size_t offset = m->b.p ? (size_t)(m->b.p - m->start) : 0;
    uint64_t tag;
    varint_result r;
    memset(f, 0, sizeof *f);
    f->offset = offset;
    if (m->b.left == 0) return SYN_OK;
    r = varint(&m->b, &tag);
    if (r != VARINT_OK) return fail_varint(r, offset, err);
    if (tag >> 3 == 0 || tag >> 3 > MAX_FIELD_NUMBER)
        return syn_fail(err, SYN_INVALID,
                        "protobuf: offset %zu: field number %" PRIu64 ": must be in [1, %" PRIu32
                        "]",
                        offset, tag >> 3, MAX_FIELD_NUMBER);
    f->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case SYN_PB_VARINT:
    case SYN_PB_FIXED64:
    case SYN_PB_BYTES:
    case SYN_PB_FIXED32: f->wire = (syn_pb_wire)(tag & 7); break;
    default:
        return syn_fail(err, SYN_INVALID, "protobuf: offset %zu: field %" PRIu32 ": %s", offset,
                        f->number,
                        (tag & 7) < 5 ? "a group, which is not read" : "a wire type that is none");
    }
    return read_value(m, f, err);
}

syn_status syn_pb_want(const struct syn_pb_field *f, syn_pb_wire wire, const char *what,
                       struct syn_err *err)
{
    if (f->wire == wire) return SYN_OK;
    return syn_fail(err, SYN_INVALID,
                    "protobuf: offset %zu: field %" PRIu32 " (%s): wire type %d: must be %d",
                    f->offset, f->number, what, (int)f->wire, (int)wire);
}

syn_status syn_pb_enter(const struct syn_pb *m, const struct syn_pb_field *f, const char *what,
                        struct syn_pb *inner, struct syn_err *err)
{
    const syn_status st = syn_pb_want(f, SYN_PB_BYTES, what, err);
    if (st != SYN_OK) return st;
    if (m->depth + 1 >= SYN_PB_MAX_DEPTH)
        return syn_fail(err, SYN_INVALID,
                        "protobuf: offset %zu: %s: messages more than %d deep", f->offset, what,
                        SYN_PB_MAX_DEPTH);
    inner->b = syn_bytes_of(f->p, f->n);
    inner->start = m->start;
    inner->depth = m->depth + 1;
    return SYN_OK;
}

syn_status syn_pb_int(const struct syn_pb_field *f, const char *what, int64_t *out,
                      struct syn_err *err)
{
    const syn_status st = syn_pb_want(f, SYN_PB_VARINT, what, err);
    if (st == SYN_OK) *out = (int64_t)f->value;
    return st;
}

syn_status syn_pb_float(const struct syn_pb_field *f, const char *what, float *out,
                        struct syn_err *err)
{
    const syn_status st = syn_pb_want(f, SYN_PB_FIXED32, what, err);
    const uint32_t bits = (uint32_t)f->value;
    if (st == SYN_OK) memcpy(out, &bits, sizeof *out);
    return st;
}

syn_status syn_pb_list_of(const struct syn_pb_field *f, syn_pb_wire element, const char *what,
                          struct syn_pb_list *list, struct syn_err *err)
{
    const size_t width = element == SYN_PB_FIXED32 ? 4 : element == SYN_PB_FIXED64 ? 8 : 0;
    size_t n = 0;
    if (f->wire != SYN_PB_BYTES) {
        const syn_status st = syn_pb_want(f, element, what, err);
        if (st != SYN_OK) return st;
        *list = (struct syn_pb_list){.element = element, .one = f->value, .first = true, .n = 1};
        return SYN_OK;
    }
    if (width) {
        if (f->n % width)
            return syn_fail(err, SYN_INVALID,
                            "protobuf: offset %zu: field %" PRIu32 " (%s): %zu bytes: must be a "
                            "multiple of %zu",
                            f->offset, f->number, what, f->n, width);
        n = f->n / width;
    } else {
        struct syn_bytes b = syn_bytes_of(f->p, f->n);
        for (uint64_t unused; b.left; n++) {
            const varint_result r = varint(&b, &unused);
            if (r != VARINT_OK) return fail_varint(r, f->offset + (f->n - b.left), err);
        }
    }
    *list = (struct syn_pb_list){
        .b = syn_bytes_of(f->p, f->n), .element = element, .packed = true, .n = n};
    return SYN_OK;
}

bool syn_pb_list_next(struct syn_pb_list *list, uint64_t *v)
{
    if (!list->packed) {
        const bool given = list->first;
        list->first = false;
        if (given) *v = list->one;
        return given;
    }
    switch (list->element) {
    case SYN_PB_FIXED32: return fixed(&list->b, 4, v);
    case SYN_PB_FIXED64: return fixed(&list->b, 8, v);
    default: return varint(&list->b, v) == VARINT_OK;
    }
}
