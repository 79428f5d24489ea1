/* folder.h - reading a folder that somebody else filled: names checked, links refused, sizes
 * bounded.
 *
 * A name is looked up beneath a directory descriptor and is one plain component, so nothing
 * outside the folder can be reached whatever the name says. A hub's cache is a folder of links into
 * another one: `roots` are folders in which links may end, a list with NULL at its end; NULL: links
 * are refused.
 *
 * Layer:   server/models: kernels/base.
 * Threads: any; descriptors belong to the caller. */
#ifndef SYN_MODELS_FOLDER_H
#define SYN_MODELS_FOLDER_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define SYN_FILE_NAME_MAX 127

/* One plain file name: 1..127 bytes of [A-Za-z0-9._+@-] or space, no leading dot or dash, no
 * "..". */
bool syn_name_plain(const char *name);

/* The folder's descriptor; the caller closes it. SYN_NOT_FOUND, SYN_IO, SYN_INVALID (a link, no
 * folder). */
SYN_MUST_CHECK syn_status syn_folder_open(const char *path, int *fd, struct syn_err *err);
/* The same beneath an open folder, one plain component. */
SYN_MUST_CHECK syn_status syn_folder_open_at(int dir, const char *name, int *fd,
                                             struct syn_err *err);

/* A regular file beneath dir, opened for reading; *st is filled. Links that end in no root, FIFOs
 * and devices: SYN_INVALID. */
SYN_MUST_CHECK syn_status syn_folder_file(int dir, const char *name, const char *const *roots,
                                          int *fd, struct stat *st, struct syn_err *err);
/* A whole small file and a NUL behind it; *bytes is freed with syn_free. Over limit:
 * SYN_TOO_LARGE. */
SYN_MUST_CHECK syn_status syn_folder_read(int dir, const char *name, const char *const *roots,
                                          size_t limit, char **bytes, size_t *n,
                                          struct syn_err *err);

#endif
