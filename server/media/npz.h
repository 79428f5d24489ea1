/* npz.h - NumPy's .npz archives: arrays by name.
 *
 * Source:  a zip of .npy files; names are the files' without ".npy".
 * Layer:   server/media.   Threads: an open archive is immutable.   Ownership: the archive owns
 *          its tensors. */
#ifndef SYN_NPZ_H
#define SYN_NPZ_H

#include "server/media/npy.h"

struct syn_npz;

/* All arrays are read. SYN_TOO_LARGE: more than max_bytes of elements together, or 65,536 arrays;
 * SYN_INVALID, SYN_IO; an array that cannot be read is named. */
SYN_MUST_CHECK syn_status syn_npz_open(const char *path, size_t max_bytes, struct syn_npz **out,
                                       struct syn_err *err);
const struct syn_tensor *syn_npz_find(const struct syn_npz *z, const char *name); /* NULL: none */
void syn_npz_close(struct syn_npz *z); /* NULL-safe */

#endif
