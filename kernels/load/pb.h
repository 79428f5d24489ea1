/* pb.h - protobuf's wire format, field by field, over bytes that somebody else wrote.
 *
 * Use:     struct syn_pb m = syn_pb_of(data, n); struct syn_pb_field f;
 *          while ((st = syn_pb_next(&m, &f, err)) == SYN_OK && f.number) switch (f.number) { ... }
 *          A field that the switch does not name is thereby skipped.
 * Source:  protobuf.dev, "Encoding": a tag is number << 3 | wire type; varints are little endian,
 *          seven bits a byte; repeated numbers come packed (one length-delimited field) or one
 *          field each, and readers take both.
 * Limits:  groups (wire types 3 and 4) are refused; a varint has at most 10 bytes and 64 bits; a
 *          field number lies in [1, 2^29); messages nest at most SYN_PB_MAX_DEPTH deep.
 * Layer:   kernels/load. A view: borrows the bytes.
 * Errors:  SYN_TRUNCATED when the bytes end inside a field, SYN_INVALID for everything else; each
 *          names the offset from the start of the outermost message.
 * Threads: pure functions. */
#ifndef SYN_PB_H
#define SYN_PB_H

#include "kernels/base/bytes.h"
#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_PB_MAX_DEPTH 100 /* what protobuf's own parsers allow */

typedef enum syn_pb_wire {
    SYN_PB_VARINT = 0,
    SYN_PB_FIXED64 = 1,
    SYN_PB_BYTES = 2,
    SYN_PB_FIXED32 = 5
} syn_pb_wire;

struct syn_pb {
    struct syn_bytes b;   /* what is left of this message */
    const uint8_t *start; /* of the outermost message */
    int32_t depth;        /* messages around this one */
};

struct syn_pb_field {
    uint32_t number; /* 0 = the message is over */
    syn_pb_wire wire;
    uint64_t value;   /* of VARINT, FIXED32 and FIXED64; 0 for BYTES */
    const uint8_t *p; /* of BYTES: n borrowed bytes; NULL otherwise */
    size_t n;
    size_t offset; /* of its tag */
};

struct syn_pb syn_pb_of(const void *p, size_t n);

/* The next field, whatever it is. */
SYN_MUST_CHECK syn_status syn_pb_next(struct syn_pb *m, struct syn_pb_field *f,
                                      struct syn_err *err);

/* SYN_INVALID unless the field came in this wire type. what: its name in the .proto. */
SYN_MUST_CHECK syn_status syn_pb_want(const struct syn_pb_field *f, syn_pb_wire wire,
                                      const char *what, struct syn_err *err);

/* *inner = the message inside a length-delimited field; checks wire type and depth. */
SYN_MUST_CHECK syn_status syn_pb_enter(const struct syn_pb *m, const struct syn_pb_field *f,
                                       const char *what, struct syn_pb *inner,
                                       struct syn_err *err);

/* *out = an int64, int32 or enum: a varint, negative numbers as 64 bits of two's complement. */
SYN_MUST_CHECK syn_status syn_pb_int(const struct syn_pb_field *f, const char *what, int64_t *out,
                                     struct syn_err *err);
SYN_MUST_CHECK syn_status syn_pb_float(const struct syn_pb_field *f, const char *what, float *out,
                                       struct syn_err *err);

/* The numbers of one field of a repeated number: one if it came unpacked in wire type `element`,
 * all of a packed list if it came as bytes. */
struct syn_pb_list {
    struct syn_bytes b;
    syn_pb_wire element;
    uint64_t one;
    bool packed, first; /* first: an unpacked number not yet given */
    size_t n;           /* how many numbers */
};
/* Checks the whole field, so that reading the list cannot fail. */
SYN_MUST_CHECK syn_status syn_pb_list_of(const struct syn_pb_field *f, syn_pb_wire element,
                                         const char *what, struct syn_pb_list *list,
                                         struct syn_err *err);
/* *v = the next number's bits; false at the end. */
bool syn_pb_list_next(struct syn_pb_list *list, uint64_t *v);

#ifdef __cplusplus
}
#endif
#endif
