/* npy.c - see npy.h.
 *
 * The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. It
 * is read as keys and values of exactly these three kinds, in any order, nothing else. */
#include "server/media/npy.h"
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *descr;
    syn_dtype dtype;
} types[] = {{"<f4", SYN_F32}, {"<f2", SYN_F16}, {"<f8", SYN_F64}, {"<i8", SYN_I64},
             {"<i4", SYN_I32}, {"<i2", SYN_I16}, {"|i1", SYN_I8},  {"<u8", SYN_U64},
             {"<u4", SYN_U32}, {"<u2", SYN_U16}, {"|u1", SYN_U8},  {"|b1", SYN_BOOL},
             {"<i1", SYN_I8},  {"<u1", SYN_U8},  {"<b1", SYN_BOOL}};

struct text {
    const char *p, *end;
};

static void spaces(struct text *t)
{
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\n')) t->p++;
}
static bool eat(struct text *t, char c)
{
    spaces(t);
    if (t->p >= t->end || *t->p != c) return false;
    t->p++;
    return true;
}
/* 'word' into out[size]. */
static bool quoted(struct text *t, char *out, size_t size)
{
    size_t n = 0;
    char quote;
    spaces(t);
    if (t->p >= t->end || (*t->p != '\'' && *t->p != '"')) return false;
    quote = *t->p++;
    while (t->p < t->end && *t->p != quote && n + 1 < size) out[n++] = *t->p++;
    out[n] = '\0';
    return t->p < t->end && *t->p++ == quote;
}
static bool word(struct text *t, const char *w)
{
    const size_t n = strlen(w);
    spaces(t);
    if ((size_t)(t->end - t->p) < n || memcmp(t->p, w, n) != 0) return false;
    t->p += n;
    return true;
}

static bool shape_of(struct text *t, struct syn_shape *s)
{
    s->rank = 0;
    if (!eat(t, '(')) return false;
    while (!eat(t, ')')) {
        int64_t v = 0;
        bool digits = false;
        spaces(t);
        for (; t->p < t->end && *t->p >= '0' && *t->p <= '9'; t->p++, digits = true)
            if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *t->p - '0', &v))
                return false;
        if (!digits || s->rank == SYN_MAX_RANK) return false;
        s->dim[s->rank++] = v;
        if (!eat(t, ',')) return eat(t, ')');
    }
    return true;
}

static syn_status header(struct text *t, struct syn_tensor *out, struct syn_err *err)
{
    char key[24], descr[24] = "";
    bool order = false, shape = false;
    if (!eat(t, '{')) return syn_fail(err, SYN_INVALID, "npy: header is no dictionary");
    while (!eat(t, '}')) {
        bool fine = quoted(t, key, sizeof key) && eat(t, ':');
        if (fine && !strcmp(key, "descr")) fine = quoted(t, descr, sizeof descr);
        else if (fine && !strcmp(key, "fortran_order")) {
            if (word(t, "True"))
                return syn_fail(err, SYN_UNSUPPORTED, "npy: fortran_order = True: must be False");
            fine = order = word(t, "False");
        } else if (fine && !strcmp(key, "shape")) fine = shape = shape_of(t, &out->shape);
        else fine = false;
        if (!fine) return syn_fail(err, SYN_INVALID, "npy: header: cannot read %.20s", key);
        if (!eat(t, ',')) {
            if (!eat(t, '}')) return syn_fail(err, SYN_INVALID, "npy: header ends too early");
            break;
        }
    }
    if (!order || !shape)
        return syn_fail(err, SYN_INVALID, "npy: header lacks fortran_order or shape");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (!strcmp(types[i].descr, descr)) {
            out->dtype = types[i].dtype;
            return SYN_OK;
        }
    return syn_fail(err, SYN_UNSUPPORTED, "npy: type %s: must be a little-endian number or bool",
                    descr);
}

/* As syn_npy_probe, for at most so many bytes of elements. */
static syn_status look(const void *file, size_t n, size_t max_bytes, struct syn_tensor *t,
                       const uint8_t **data, size_t *bytes, struct syn_err *err)
{
    static const char magic[6] = "\x93NUMPY";
    const uint8_t *p = file;
    size_t at, length, size;
    int64_t elements;
    struct syn_tensor out = {.shape = {.rank = 0}};
    syn_status st;
    if (n < 10 || memcmp(p, magic, 6) != 0)
        return syn_fail(err, SYN_UNSUPPORTED, "npy: not a .npy file");
    if (p[6] < 1 || p[6] > 3)
        return syn_fail(err, SYN_UNSUPPORTED, "npy: version %d: must be 1 to 3", p[6]);
    if (p[6] == 1) length = p[8] | (size_t)p[9] << 8, at = 10;
    else if (n < 12) return syn_fail(err, SYN_TRUNCATED, "npy: header");
    else length = p[8] | (size_t)p[9] << 8 | (size_t)p[10] << 16 | (size_t)p[11] << 24, at = 12;
    if (length > n - at)
        return syn_fail(err, SYN_TRUNCATED, "npy: header of %zu bytes: %zu are there", length,
                        n - at);
    st = header(&(struct text){(const char *)p + at, (const char *)p + at + length}, &out, err);
    if (st != SYN_OK) return st;
    at += length;
    if (!syn_shape_elements(&out.shape, &elements) ||
        !syn_mul((size_t)elements, syn_dtype_bytes(out.dtype), &size) || size > max_bytes)
        return syn_fail(err, SYN_TOO_LARGE, "npy: more than %zu bytes of elements", max_bytes);
    if (size > n - at)
        return syn_fail(err, SYN_TRUNCATED, "npy: %zu bytes of elements: %zu are there", size,
                        n - at);
    if (size < n - at)
        return syn_fail(err, SYN_INVALID, "npy: %zu bytes after the elements", n - at - size);
    *t = out;
    *data = p + at;
    *bytes = size;
    return SYN_OK;
}

syn_status syn_npy_probe(const void *file, size_t n, struct syn_tensor *t, const uint8_t **data,
                         size_t *bytes, struct syn_err *err)
{
    return look(file, n, SIZE_MAX, t, data, bytes, err);
}

syn_status syn_npy_decode(const void *data, size_t n, size_t max_bytes, struct syn_tensor *t,
                          struct syn_err *err)
{
    struct syn_tensor out = {.shape = {.rank = 0}};
    const uint8_t *from = NULL;
    size_t bytes = 0;
    syn_status st = look(data, n, max_bytes, &out, &from, &bytes, err);
    if (st != SYN_OK) return st;
    if (!(out.data = syn_alloc(bytes ? bytes : 1)))
        return syn_fail(err, SYN_NO_MEMORY, "npy: no memory");
    if (bytes) memcpy(out.data, from, bytes);
    if (out.dtype == SYN_BOOL)
        for (size_t i = 0; i < bytes; i++) ((uint8_t *)out.data)[i] = ((uint8_t *)out.data)[i] != 0;
    *t = out;
    return SYN_OK;
}

/* What the elements are written as: small floats have no name there. */
static const char *descr_of(syn_dtype t, syn_dtype *as)
{
    *as = t == SYN_I4 || t == SYN_I2 ? SYN_I8 : t == SYN_U4 || t == SYN_U2 ? SYN_U8 : t;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].dtype == *as) return types[i].descr;
    *as = SYN_F32;
    return "<f4";
}

syn_status syn_npy_encode(const struct syn_tensor *t, uint8_t **out, size_t *n, struct syn_err *err)
{
    char head[320];
    syn_dtype as;
    const char *descr = descr_of(t->dtype, &as);
    size_t used, total, bytes;
    int64_t elements;
    uint8_t *p;
    if (!syn_shape_elements(&t->shape, &elements) ||
        !syn_mul((size_t)elements, syn_dtype_bytes(as), &bytes) ||
        !syn_add(bytes, sizeof head, &total))
        return syn_fail(err, SYN_TOO_LARGE, "npy: too many elements");
    used = (size_t)snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                            descr);
    for (int32_t d = 0; d < t->shape.rank; d++)
        used += (size_t)snprintf(head + used, sizeof head - used, "%" PRId64 ",%s", t->shape.dim[d],
                                 d + 1 < t->shape.rank ? " " : "");
    used += (size_t)snprintf(head + used, sizeof head - used, "), }");
    while ((10 + used + 1) % 64 != 0) head[used++] = ' ';
    head[used++] = '\n';
    total = 10 + used + bytes;
    if (!(p = syn_alloc(total))) return syn_fail(err, SYN_NO_MEMORY, "npy: no memory");
    memcpy(p, "\x93NUMPY\x01\x00", 8);
    p[8] = (uint8_t)(used & 255), p[9] = (uint8_t)(used >> 8);
    memcpy(p + 10, head, used);
    if (as == SYN_F32 && t->dtype == SYN_BF16)
        for (int64_t i = 0; i < elements; i++) {
            const float v = syn_bf16_to_float(((const uint16_t *)t->data)[i]);
            memcpy(p + 10 + used + 4 * (size_t)i, &v, sizeof v);
        }
    else if (as == t->dtype || syn_dtype_bytes(as) == syn_dtype_bytes(t->dtype)) {
        if (bytes) memcpy(p + 10 + used, t->data, bytes);
    } else {
        syn_free(p);
        return syn_fail(err, SYN_UNSUPPORTED, "npy: %s cannot be written",
                        syn_dtype_word(t->dtype));
    }
    *out = p;
    *n = total;
    return SYN_OK;
}
