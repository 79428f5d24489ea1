/* bytes.h - a bounds-checked cursor over bytes that somebody else wrote.
 *
 * Use:     struct syn_bytes b = syn_bytes_of(p, n); uint32_t tag;
 *          if (!syn_bytes_u32le(&b, &tag)) return syn_fail(err, SYN_TRUNCATED, ...);
 * Layer:   kernels/base. A view: borrows the bytes for as long as the cursor is used.
 * Rule:    a read that does not fit returns false and moves nothing. */
#ifndef SYN_BYTES_H
#define SYN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct syn_bytes {
    const uint8_t *p; /* next byte */
    size_t left;
};

static inline struct syn_bytes syn_bytes_of(const void *p, size_t n)
{
    struct syn_bytes b;
    b.p = (const uint8_t *)p;
    b.left = n;
    return b;
}

/* *view = the next n bytes (borrowed). */
static inline bool syn_bytes_take(struct syn_bytes *b, size_t n, const uint8_t **view)
{
    if (n > b->left) return false;
    *view = b->p;
    b->p += n;
    b->left -= n;
    return true;
}
static inline bool syn_bytes_skip(struct syn_bytes *b, size_t n)
{
    const uint8_t *unused;
    return syn_bytes_take(b, n, &unused);
}
static inline bool syn_bytes_u8(struct syn_bytes *b, uint8_t *out)
{
    const uint8_t *v;
    if (!syn_bytes_take(b, 1, &v)) return false;
    *out = v[0];
    return true;
}
static inline bool syn_bytes_u16(struct syn_bytes *b, bool big_endian, uint16_t *out)
{
    const uint8_t *v;
    if (!syn_bytes_take(b, 2, &v)) return false;
    *out = big_endian ? (uint16_t)(v[0] << 8 | v[1]) : (uint16_t)(v[1] << 8 | v[0]);
    return true;
}
static inline bool syn_bytes_u32(struct syn_bytes *b, bool big_endian, uint32_t *out)
{
    const uint8_t *v;
    if (!syn_bytes_take(b, 4, &v)) return false;
    *out = big_endian ? (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3]
                      : (uint32_t)v[3] << 24 | (uint32_t)v[2] << 16 | (uint32_t)v[1] << 8 | v[0];
    return true;
}
static inline bool syn_bytes_u32le(struct syn_bytes *b, uint32_t *out)
{
    return syn_bytes_u32(b, false, out);
}

#endif
