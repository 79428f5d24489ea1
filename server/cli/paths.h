/* paths.h - where things are by default, and reading and writing whole files.
 *
 * Layer:   server/cli.   Threads: any; results are the caller's (syn_free). */
#ifndef SYN_PATHS_H
#define SYN_PATHS_H

#include "kernels/base/status.h"
#include <stddef.h>
#include <stdint.h>

/* given, or $XDG_DATA_HOME/synthd, or ~/.local/share/synthd. SYN_INVALID: none of them is known. */
SYN_MUST_CHECK syn_status syn_path_data(const char *given, char **out, struct syn_err *err);
/* $SYNTHD_CACHE, or $XDG_CACHE_HOME/synthd, or ~/.cache/synthd. */
SYN_MUST_CHECK syn_status syn_path_cache(char **out, struct syn_err *err);
/* folder/name; NULL without memory. */
char *syn_path_join(const char *folder, const char *name);
/* mkdir -p; mode (0700: ours alone, 0755: models) for what is made. SYN_IO names the folder and
 * why. */
SYN_MUST_CHECK syn_status syn_path_make(const char *folder, unsigned mode, struct syn_err *err);

/* The whole file and a NUL after it, which is not counted. SYN_NOT_FOUND, SYN_TOO_LARGE, SYN_IO;
 * texts name the file. "-" is standard input. */
SYN_MUST_CHECK syn_status syn_file_read(const char *path, size_t max_bytes, char **data, size_t *n,
                                        struct syn_err *err);
/* Written beside it and renamed into place, so that a reader sees the old file or the whole new
 * one.
 * "-" is standard output. */
SYN_MUST_CHECK syn_status syn_file_write(const char *path, const void *data, size_t n,
                                         unsigned mode, struct syn_err *err);

#endif
