/* mapfile.h - a regular file as read-only memory.
 *
 * Use:     struct syn_mapfile m; syn_mapfile_open(path, max_bytes, &m, err); ... m.data, m.size ...
 *          syn_mapfile_close(&m);
 * Reading: page faults one by one are 30 to 50 times slower than a stream on network and virtual
 *          disks, so opening asks the kernel to read the whole file ahead in large sequential
 *          requests.
 * Layer:   kernels/load.
 * Threads: any number may read an open mapping.
 * Ownership: the mapping lives until close, however many names point at the file by then. A file
 *            that is
 *          shortened in place while mapped faults on access, so whoever replaces a model file
 *          renames a new one over it. */
#ifndef SYN_MAPFILE_H
#define SYN_MAPFILE_H

#include "kernels/base/status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct syn_mapfile {
    const void *data; /* size bytes, page-aligned; NULL when closed */
    size_t size;      /* at least 1 while open */
};

/* Maps the file. SYN_NOT_FOUND: no such file; SYN_INVALID: not a regular file, or an empty one;
 * SYN_TOO_LARGE: over max_bytes; SYN_IO, SYN_NO_MEMORY: the system's word. *m is written on success
 *                only. */
SYN_MUST_CHECK syn_status syn_mapfile_open(const char *path, uint64_t max_bytes,
                                           struct syn_mapfile *m, struct syn_err *err);
/* Gives the pages back to the system; they are read from the file again when somebody looks.
 * NULL-safe. */
void syn_mapfile_drop(const struct syn_mapfile *m);
void syn_mapfile_close(struct syn_mapfile *m); /* NULL-safe; a zeroed or closed one is fine */

#ifdef __cplusplus
}
#endif
#endif
