/* onnx_tensor.c - TensorProto and SparseTensorProto: every element type, raw and typed data.
 *
 * Field numbers are those of onnx.proto's TensorProto. What a tensor states (type, dims) is checked
 * against the bytes that are there before anything is allocated, so that an allocation is never
 * more than eight times the bytes of the file that it stands for.
 *
 * Layer:   kernels/load; see onnx_decode.h.
 * Threads: see onnx_decode.h. */
#include "kernels/base/alloc.h"
#include "kernels/load/onnx_decode.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "raw tensors are little endian and borrowed as they lie: this loader needs such a machine"
#endif

enum { /* TensorProto */
    DIMS = 1,
    DATA_TYPE = 2,
    SEGMENT = 3,
    FLOAT_DATA = 4,
    INT32_DATA = 5,
    STRING_DATA = 6,
    INT64_DATA = 7,
    NAME = 8,
    RAW_DATA = 9,
    DOUBLE_DATA = 10,
    UINT64_DATA = 11,
    EXTERNAL_DATA = 13,
    DATA_LOCATION = 14
};
enum { SPARSE_VALUES = 1, SPARSE_INDICES = 2, SPARSE_DIMS = 3 };

const char *syn_onnx_type_word(syn_onnx_type t)
{
    switch (t) {
#define WORD(number, name, bits) \
    case SYN_ONNX_##name: return #name;
        SYN_ONNX_TYPE_LIST(WORD)
#undef WORD
    default: return "UNDEFINED";
    }
}

static unsigned type_bits(syn_onnx_type t)
{
    switch (t) {
#define BITS(number, name, bits) \
    case SYN_ONNX_##name: return bits;
        SYN_ONNX_TYPE_LIST(BITS)
#undef BITS
    default: return 0;
    }
}

size_t syn_onnx_type_bytes(syn_onnx_type t)
{
    return (type_bits(t) + 7) / 8;
}

/* What the fields of a tensor say, before it is known whether they fit together. */
struct parts {
    syn_onnx_type type;
    struct syn_shape shape;
    const uint8_t *raw; /* NULL: no raw_data field */
    size_t raw_n;
    uint32_t list;      /* field number of the typed list with entries; 0: none */
    size_t list_n;      /* its entries, all fields together */
    const uint8_t *dense; /* the list came as one packed field: its bytes; else NULL */
    int32_t list_fields;
    bool external;
    const char *location;
    int64_t offset, length; /* length -1: not given */
};

/* ---- the first walk: everything but typed lists ---------------------------------------------- */

static syn_status read_dims(struct syn_onnx_decoder *d, const struct syn_pb_field *f,
                            struct syn_shape *shape)
{
    struct syn_pb_list list;
    uint64_t v;
    syn_status st = syn_pb_list_of(f, SYN_PB_VARINT, "dims", &list, d->err);
    if (st != SYN_OK) return st;
    while (syn_pb_list_next(&list, &v)) {
        if (shape->rank == SYN_MAX_RANK)
            return syn_fail(d->err, SYN_UNSUPPORTED, "more than %d dimensions", SYN_MAX_RANK);
        if ((int64_t)v < 0)
            return syn_fail(d->err, SYN_INVALID, "dims[%d] = %" PRId64 ": must be at least 0",
                            (int)shape->rank, (int64_t)v);
        shape->dim[shape->rank++] = (int64_t)v;
    }
    return SYN_OK;
}

/* A whole number in decimal, as the keys of external data have it. */
static syn_status read_number(struct syn_onnx_decoder *d, const struct syn_onnx_prop *prop,
                              int64_t *out)
{
    int64_t v = 0;
    const char *s = prop->value;
    for (; *s >= '0' && *s <= '9' && v <= (INT64_MAX - 9) / 10; s++) v = v * 10 + (*s - '0');
    if (*s || s == prop->value)
        return syn_fail(d->err, SYN_INVALID,
                        "external_data: %s = %.40s: must be a whole number below 2^63 bytes",
                        prop->key, prop->value);
    *out = v;
    return SYN_OK;
}

static syn_status read_external(struct syn_onnx_decoder *d, struct syn_pb m, struct parts *p)
{
    struct syn_onnx_prop prop;
    syn_status st = syn_onnx_read_prop(d, m, &prop);
    if (st != SYN_OK) return st;
    if (!strcmp(prop.key, "location")) p->location = prop.value;
    else if (!strcmp(prop.key, "offset")) st = read_number(d, &prop, &p->offset);
    else if (!strcmp(prop.key, "length")) st = read_number(d, &prop, &p->length);
    return st; /* checksum and keys of a runtime's own are not read */
}

/* A typed list: which one, how many entries; two different ones are too many. */
static syn_status count_list(struct syn_onnx_decoder *d, const struct syn_pb_field *f,
                             struct parts *p)
{
    struct syn_pb_list list = {.n = 1};
    syn_status st;
    switch (f->number) {
    case FLOAT_DATA: st = syn_pb_list_of(f, SYN_PB_FIXED32, "float_data", &list, d->err); break;
    case DOUBLE_DATA: st = syn_pb_list_of(f, SYN_PB_FIXED64, "double_data", &list, d->err); break;
    case STRING_DATA: st = syn_pb_want(f, SYN_PB_BYTES, "string_data", d->err); break;
    default: st = syn_pb_list_of(f, SYN_PB_VARINT, "a typed list", &list, d->err); break;
    }
    if (st != SYN_OK || list.n == 0) return st;
    if (p->list && p->list != f->number)
        return syn_fail(d->err, SYN_INVALID,
                        "data in field %" PRIu32 " and in field %" PRIu32 ": must be in one",
                        p->list, f->number);
    p->list = f->number;
    p->dense = p->list_fields++ == 0 && list.packed ? f->p : NULL;
    p->list_n += list.n; /* each entry took a byte of the file: no overflow */
    return SYN_OK;
}

static syn_status read_field(struct syn_onnx_decoder *d, const struct syn_pb *m,
                             const struct syn_pb_field *f, struct syn_onnx_tensor *out,
                             struct parts *p)
{
    struct syn_pb inner;
    int64_t v = 0;
    syn_status st = SYN_OK;
    switch (f->number) {
    case DIMS: return read_dims(d, f, &p->shape);
    case DATA_TYPE:
        st = syn_pb_int(f, "data_type", &v, d->err);
        if (st == SYN_OK && (v <= 0 || v >= SYN_ONNX_TYPE_COUNT))
            return syn_fail(d->err, SYN_UNSUPPORTED,
                            "data_type = %" PRId64 ": the types known are 1 to %d", v,
                            SYN_ONNX_TYPE_COUNT - 1);
        p->type = (syn_onnx_type)v;
        return st;
    case SEGMENT: return syn_fail(d->err, SYN_UNSUPPORTED, "a segment of a tensor");
    case NAME: return syn_onnx_text(d, f, "name", &out->name);
    case RAW_DATA:
        st = syn_pb_want(f, SYN_PB_BYTES, "raw_data", d->err);
        p->raw = f->p;
        p->raw_n = f->n;
        return st;
    case FLOAT_DATA:
    case INT32_DATA:
    case STRING_DATA:
    case INT64_DATA:
    case DOUBLE_DATA:
    case UINT64_DATA: return count_list(d, f, p);
    case EXTERNAL_DATA:
        st = syn_pb_enter(m, f, "external_data", &inner, d->err);
        return st == SYN_OK ? read_external(d, inner, p) : st;
    case DATA_LOCATION:
        st = syn_pb_int(f, "data_location", &v, d->err);
        if (st == SYN_OK && v != 0 && v != 1)
            return syn_fail(d->err, SYN_INVALID, "data_location = %" PRId64 ": must be 0 or 1", v);
        p->external = v == 1;
        return st;
    default: return SYN_OK;
    }
}

/* ---- bytes to elements ----------------------------------------------------------------------- */

/* Bytes of n elements as raw_data packs them. bits <= 128 and n <= 2^40: no overflow. */
static size_t packed_bytes(syn_onnx_type t, int64_t n)
{
    return (size_t)(((uint64_t)n * type_bits(t) + 7) / 8);
}

/* Elements of less than a byte, least significant first, to one in a byte. */
static void unpack(syn_onnx_type t, const uint8_t *from, size_t n, uint8_t *to)
{
    const unsigned bits = type_bits(t), mask = (1u << bits) - 1;
    const bool negative = t == SYN_ONNX_INT4 || t == SYN_ONNX_INT2;
    for (size_t i = 0; i < n; i++) {
        const size_t at = i * bits, shift = at % 8;
        unsigned v = from[at / 8] >> shift;
        if (shift + bits > 8) v |= (unsigned)from[at / 8 + 1] << (8 - shift); /* float6 only */
        v &= mask;
        if (negative && v >> (bits - 1)) v |= 0xffu & ~mask;
        to[i] = (uint8_t)v;
    }
}

/* Raw bytes, from the file or from one beside it. */
static syn_status take_raw(struct syn_onnx_decoder *d, const uint8_t *raw,
                           struct syn_onnx_tensor *out)
{
    const unsigned bits = type_bits(out->type);
    const size_t n = (size_t)out->elements;
    uint8_t *own;
    if (n == 0) return SYN_OK;
    if (bits < 8) {
        own = syn_arena_new(d->arena, n, 1);
        if (!own) return syn_fail(d->err, SYN_NO_MEMORY, "no memory for %zu elements", n);
        unpack(out->type, raw, n, own);
        out->data = own;
        return SYN_OK;
    }
    if (out->type == SYN_ONNX_BOOL)
        for (size_t i = 0; i < n; i++)
            if (raw[i] > 1)
                return syn_fail(d->err, SYN_INVALID, "BOOL element %zu is %d: must be 0 or 1", i,
                                raw[i]);
    out->data = raw;
    return SYN_OK;
}

/* Where a type's typed data lies, and the range that an entry may have there. */
static uint32_t list_of(syn_onnx_type t, int64_t *lo, int64_t *hi)
{
    *lo = INT64_MIN, *hi = INT64_MAX;
    switch (t) {
    case SYN_ONNX_FLOAT:
    case SYN_ONNX_COMPLEX64: return FLOAT_DATA;
    case SYN_ONNX_DOUBLE:
    case SYN_ONNX_COMPLEX128: return DOUBLE_DATA;
    case SYN_ONNX_STRING: return STRING_DATA;
    case SYN_ONNX_INT64: return INT64_DATA;
    case SYN_ONNX_UINT64: return UINT64_DATA;
    case SYN_ONNX_UINT32: *lo = 0, *hi = UINT32_MAX; return UINT64_DATA;
    case SYN_ONNX_INT32: *lo = INT32_MIN, *hi = INT32_MAX; break;
    case SYN_ONNX_INT16: *lo = INT16_MIN, *hi = INT16_MAX; break;
    case SYN_ONNX_UINT16: *lo = 0, *hi = UINT16_MAX; break;
    case SYN_ONNX_INT8: *lo = INT8_MIN, *hi = INT8_MAX; break;
    case SYN_ONNX_UINT8: *lo = 0, *hi = UINT8_MAX; break;
    case SYN_ONNX_BOOL: *lo = 0, *hi = 1; break;
    case SYN_ONNX_FLOAT16:
    case SYN_ONNX_BFLOAT16: *lo = INT16_MIN, *hi = UINT16_MAX; break; /* bits, signed or not */
    case SYN_ONNX_FLOAT6E2M3:
    case SYN_ONNX_FLOAT6E3M2: *lo = 0, *hi = 63; break;
    default: *lo = INT8_MIN, *hi = UINT8_MAX; break; /* float8; two or four small ones */
    }
    return INT32_DATA;
}

/* Types of which one entry of int32_data holds two or four elements. */
static bool shares_entries(syn_onnx_type t)
{
    return type_bits(t) == 4 || type_bits(t) == 2;
}

/* How many entries of the typed list hold n elements. */
static size_t list_entries(syn_onnx_type t, int64_t n)
{
    if (t == SYN_ONNX_COMPLEX64 || t == SYN_ONNX_COMPLEX128) return (size_t)n * 2;
    return shares_entries(t) ? packed_bytes(t, n) : (size_t)n;
}

/* Strings of string_data, copied. */
static syn_status take_strings(struct syn_onnx_decoder *d, struct syn_pb m,
                               struct syn_onnx_tensor *out)
{
    struct syn_onnx_bytes *string;
    struct syn_pb_field f;
    void *array;
    size_t n = 0;
    syn_status st = syn_onnx_array(d, (size_t)out->elements, sizeof *string, "strings", &array);
    string = array;
    while (st == SYN_OK && (st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        if (f.number == STRING_DATA) st = syn_onnx_bytes_of(d, &f, "string_data", &string[n++]);
    out->string = string;
    return st;
}

/* The numbers of list `number`, each `width` bytes of its two's complement or bits. */
static syn_status gather(struct syn_onnx_decoder *d, struct syn_pb m, uint32_t number,
                         syn_pb_wire wire, size_t width, int64_t lo, int64_t hi, uint8_t *to)
{
    struct syn_pb_field f;
    struct syn_pb_list list;
    syn_status st;
    size_t n = 0;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number != number) continue;
        st = syn_pb_list_of(&f, wire, "a typed list", &list, d->err);
        if (st != SYN_OK) return st;
        for (uint64_t bits; syn_pb_list_next(&list, &bits); n++) {
            /* protobuf's int32 is the low half of its varint */
            const int64_t v = number == INT32_DATA ? (int32_t)(uint32_t)bits : (int64_t)bits;
            if (wire == SYN_PB_VARINT && (v < lo || v > hi))
                return syn_fail(d->err, SYN_INVALID,
                                "entry %zu of field %" PRIu32 " is %" PRId64
                                ": must be in [%" PRId64 ", %" PRId64 "]",
                                n, number, v, lo, hi);
            memcpy(to + n * width, &bits, width);
        }
    }
    return st;
}

static syn_status take_list(struct syn_onnx_decoder *d, struct syn_pb m, const struct parts *p,
                            struct syn_onnx_tensor *out)
{
    int64_t lo, hi;
    const uint32_t number = list_of(out->type, &lo, &hi);
    const syn_pb_wire wire = number == FLOAT_DATA    ? SYN_PB_FIXED32
                             : number == DOUBLE_DATA ? SYN_PB_FIXED64
                                                     : SYN_PB_VARINT;
    const size_t entries = list_entries(out->type, out->elements),
                 width = wire == SYN_PB_FIXED32   ? 4
                         : wire == SYN_PB_FIXED64 ? 8
                                                  : syn_onnx_type_bytes(out->type);
    uint8_t *to;
    syn_status st;
    if (p->list && p->list != number)
        return syn_fail(d->err, SYN_INVALID,
                        "%s data in field %" PRIu32 ": belongs in field %" PRIu32,
                        syn_onnx_type_word(out->type), p->list, number);
    if (p->list_n != entries)
        return syn_fail(d->err, p->list_n < entries ? SYN_TRUNCATED : SYN_INVALID,
                        "%zu entries in field %" PRIu32 ": must be %zu", p->list_n, number,
                        entries);
    if (out->elements == 0) return SYN_OK;
    if (number == STRING_DATA) return take_strings(d, m, out);
    if (p->dense && wire != SYN_PB_VARINT) {
        out->data = p->dense;
        return SYN_OK;
    }
    to = syn_arena_new(d->arena, entries, width);
    if (!to) return syn_fail(d->err, SYN_NO_MEMORY, "no memory for %zu entries", entries);
    st = gather(d, m, number, wire, width, lo, hi, to);
    if (st != SYN_OK) return st;
    if (shares_entries(out->type)) return take_raw(d, to, out);
    out->data = to;
    return SYN_OK;
}

/* Holds the parts against each other and takes the data from where it is. */
static syn_status assemble(struct syn_onnx_decoder *d, struct syn_pb m, const struct parts *p,
                           struct syn_onnx_tensor *out)
{
    char text[120];
    const void *data = NULL;
    size_t need;
    syn_status st;
    if (p->type == SYN_ONNX_UNDEFINED)
        return syn_fail(d->err, SYN_INVALID, "no data_type (field 2)");
    out->type = p->type;
    out->shape = p->shape;
    if (!syn_shape_elements(&out->shape, &out->elements))
        return syn_fail(d->err, SYN_TOO_LARGE, "dims %s: more than 2^40 elements",
                        syn_shape_text(&out->shape, text, sizeof text));
    if ((p->external || p->location) && (p->list || p->raw_n))
        return syn_fail(d->err, SYN_INVALID, "external data and data in the file");
    if (p->raw_n && p->list)
        return syn_fail(d->err, SYN_INVALID, "raw_data and field %" PRIu32 ": must be one of them",
                        p->list);
    need = packed_bytes(p->type, out->elements);
    if ((p->external || p->raw_n) && p->type == SYN_ONNX_STRING)
        return syn_fail(d->err, SYN_INVALID, "STRING in raw or external data: belongs in field 6");
    if (p->external) {
        if (!p->location || !*p->location)
            return syn_fail(d->err, SYN_INVALID, "external data without a location");
        st = syn_onnx_external(d, p->location, p->offset, p->length, need, &data);
        return st == SYN_OK ? take_raw(d, data, out) : st;
    }
    if (!p->raw_n) return take_list(d, m, p, out);
    if (p->raw_n != need)
        return syn_fail(d->err, p->raw_n < need ? SYN_TRUNCATED : SYN_INVALID,
                        "%zu bytes of raw_data: %s %s takes %zu", p->raw_n,
                        syn_onnx_type_word(p->type),
                        syn_shape_text(&out->shape, text, sizeof text), need);
    return take_raw(d, p->raw, out);
}

syn_status syn_onnx_read_tensor(struct syn_onnx_decoder *d, struct syn_pb m,
                                struct syn_onnx_tensor *out)
{
    const struct syn_pb whole = m;
    struct parts p = {.length = -1};
    struct syn_pb_field f;
    syn_status st;
    memset(out, 0, sizeof *out);
    out->name = "";
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        if ((st = read_field(d, &m, &f, out, &p)) != SYN_OK) break;
    if (st == SYN_OK) st = assemble(d, whole, &p, out);
    if (st != SYN_OK) return syn_fail_in(d->err, st, "tensor %.80s: ", out->name);
    return SYN_OK;
}

/* ---- sparse tensors -------------------------------------------------------------------------- */

/* Entry i's place among the dense elements. indices: [n] places, or [n, rank] coordinates. */
static syn_status sparse_place(struct syn_onnx_decoder *d, const struct syn_onnx_tensor *indices,
                               const struct syn_shape *shape, int64_t elements, int64_t i,
                               int64_t *place)
{
    const int32_t columns = indices->shape.rank == 2 ? shape->rank : 1;
    int64_t at = 0;
    for (int32_t k = 0; k < columns; k++) {
        const int64_t bound = indices->shape.rank == 2 ? shape->dim[k] : elements;
        int64_t v;
        memcpy(&v, (const char *)indices->data + (size_t)(i * columns + k) * sizeof v, sizeof v);
        if (v < 0 || v >= bound)
            return syn_fail(d->err, SYN_INVALID,
                            "index %" PRId64 " is %" PRId64 ": must be in [0, %" PRId64 ")", i, v,
                            bound);
        at = at * bound + v; /* below `elements`, which is at most 2^40 */
    }
    *place = at;
    return SYN_OK;
}

static syn_status densify(struct syn_onnx_decoder *d, const struct syn_onnx_tensor *values,
                          const struct syn_onnx_tensor *indices, struct syn_onnx_tensor *out)
{
    const size_t width = syn_onnx_type_bytes(values->type);
    char text[120];
    uint8_t *to;
    size_t bytes;
    if (values->type == SYN_ONNX_STRING || values->shape.rank != 1)
        return syn_fail(d->err, SYN_UNSUPPORTED, "values of type %s and rank %d: must be a list of "
                        "numbers", syn_onnx_type_word(values->type), (int)values->shape.rank);
    if (indices->type != SYN_ONNX_INT64 || indices->shape.rank < 1 || indices->shape.rank > 2 ||
        indices->shape.dim[0] != values->elements ||
        (indices->shape.rank == 2 && indices->shape.dim[1] != out->shape.rank))
        return syn_fail(d->err, SYN_INVALID,
                        "indices %s of type %s: must be INT64 [%" PRId64 "] or [%" PRId64 ", %d]",
                        syn_shape_text(&indices->shape, text, sizeof text),
                        syn_onnx_type_word(indices->type), values->elements, values->elements,
                        (int)out->shape.rank);
    if (!syn_shape_elements(&out->shape, &out->elements) ||
        !syn_mul((size_t)out->elements, width, &bytes) || bytes > d->dense_bytes)
        return syn_fail(d->err, SYN_TOO_LARGE,
                        "dims %s: all sparse tensors may take %zu bytes when made dense",
                        syn_shape_text(&out->shape, text, sizeof text), SYN_ONNX_MAX_SPARSE_BYTES);
    if (bytes == 0) return SYN_OK;
    d->dense_bytes -= bytes;
    out->data = to = syn_arena_new(d->arena, bytes, 1);
    if (!to) return syn_fail(d->err, SYN_NO_MEMORY, "no memory for %zu bytes", bytes);
    for (int64_t i = 0; i < values->elements; i++) {
        int64_t place = 0;
        const syn_status st = sparse_place(d, indices, &out->shape, out->elements, i, &place);
        if (st != SYN_OK) return st;
        memcpy(to + (size_t)place * width, (const char *)values->data + (size_t)i * width, width);
    }
    return SYN_OK;
}

syn_status syn_onnx_read_sparse(struct syn_onnx_decoder *d, struct syn_pb m,
                                struct syn_onnx_tensor *out)
{
    struct syn_onnx_tensor values = {.name = ""}, indices = {.name = ""};
    bool have_values = false, have_indices = false;
    struct syn_pb_field f;
    struct syn_pb inner;
    syn_status st;
    memset(out, 0, sizeof *out);
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number == SPARSE_DIMS) st = read_dims(d, &f, &out->shape);
        if (f.number == SPARSE_VALUES || f.number == SPARSE_INDICES) {
            const bool v = f.number == SPARSE_VALUES;
            st = syn_pb_enter(&m, &f, v ? "values" : "indices", &inner, d->err);
            if (st == SYN_OK) st = syn_onnx_read_tensor(d, inner, v ? &values : &indices);
            *(v ? &have_values : &have_indices) = true;
        }
        if (st != SYN_OK) break;
    }
    out->name = values.name;
    out->type = values.type;
    if (st == SYN_OK && (!have_values || !have_indices))
        st = syn_fail(d->err, SYN_INVALID, "has no %s", have_values ? "indices" : "values");
    if (st == SYN_OK) st = densify(d, &values, &indices, out);
    if (st != SYN_OK) return syn_fail_in(d->err, st, "sparse tensor %.80s: ", out->name);
    return SYN_OK;
}

syn_status syn_onnx_tensor_parse(const void *data, size_t n, struct syn_arena *arena,
                                 struct syn_onnx_tensor *out, struct syn_err *err)
{
    static const struct syn_onnx_options none;
    struct syn_onnx_maps *maps = NULL; /* stays so: there is no folder */
    struct syn_onnx_tensor t;
    struct syn_onnx_decoder d = {.arena = arena,
                                 .objects = SYN_ONNX_MAX_OBJECTS,
                                 .dense_bytes = SYN_ONNX_MAX_SPARSE_BYTES,
                                 .opt = &none,
                                 .maps = &maps,
                                 .err = err};
    const syn_status st = syn_onnx_read_tensor(&d, syn_pb_of(data, n), &t);
    if (st == SYN_OK) *out = t;
    return st;
}
