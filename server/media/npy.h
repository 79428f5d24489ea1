/* npy.h - NumPy's .npy files: dense tensors with a type and a shape.
 *
 * Source:  the NumPy format description, versions 1.0, 2.0 and 3.0.
 * Types:   f2 f4 f8, i1 i2 i4 i8, u1 u2 u4 u8, b1; little-endian, C order. Others are refused.
 * Layer:   server/media.   Threads: pure functions. */
#ifndef SYN_NPY_H
#define SYN_NPY_H

#include "kernels/base/status.h"
#include "kernels/engine.h"

#define SYN_NPY_MEDIA_TYPE "application/x-npy"

/* What the header says: type, shape and bytes of the elements, which must fill the rest of the
 * file; *data is where they begin in it. SYN_UNSUPPORTED (no .npy file; type, order, version),
 * SYN_INVALID, SYN_TRUNCATED, SYN_TOO_LARGE (more bytes than can be counted). t->data is NULL. */
SYN_MUST_CHECK syn_status syn_npy_probe(const void *file, size_t n, struct syn_tensor *t,
                                        const uint8_t **data, size_t *bytes, struct syn_err *err);
/* As probe; SYN_TOO_LARGE also over max_bytes of elements; SYN_NO_MEMORY. On success
 * t->data is the caller's (syn_free) and aligned. */
SYN_MUST_CHECK syn_status syn_npy_decode(const void *data, size_t n, size_t max_bytes,
                                         struct syn_tensor *t, struct syn_err *err);
/* The file's bytes, the caller's (syn_free). bf16 is written as f4, 4- and 2-bit integers as
 * bytes; the 8-bit floats are refused. */
SYN_MUST_CHECK syn_status syn_npy_encode(const struct syn_tensor *t, uint8_t **out, size_t *n,
                                         struct syn_err *err);

#endif
