/* archive_gen.h - packages for tests: zip and tar.gz archives of a few entries.
 *
 * Layer:   tests.   An archive that cannot be made aborts. */
#ifndef SYN_ARCHIVE_GEN_H
#define SYN_ARCHIVE_GEN_H

#include "tests/model_fixture.h"
#include <archive.h>
#include <archive_entry.h>

struct ag_entry {
    const char *path, *bytes;
    int type; /* AE_IFREG, AE_IFLNK (bytes = target) */
};

/* size[n]: of bytes that are no text; NULL or 0: text. */
static inline void ag_write_sized(const char *folder, const char *name, bool zip,
                                  const struct ag_entry *e, const size_t *sizes, size_t n)
{
    char path[PATH_MAX];
    struct archive *a = archive_write_new();
    fx_join(path, folder, name);
    if (zip) {
        archive_write_set_format_zip(a);
    } else {
        archive_write_add_filter_gzip(a);
        archive_write_set_format_pax_restricted(a);
    }
    fx_need(archive_write_open_filename(a, path) == ARCHIVE_OK, path);
    for (size_t i = 0; i < n; i++) {
        size_t size = sizes && sizes[i] ? sizes[i] : strlen(e[i].bytes);
        struct archive_entry *x = archive_entry_new();
        archive_entry_set_pathname(x, e[i].path);
        archive_entry_set_filetype(x, (unsigned)e[i].type);
        archive_entry_set_perm(x, 0644);
        if (e[i].type == AE_IFLNK) archive_entry_set_symlink(x, e[i].bytes);
        else archive_entry_set_size(x, (la_int64_t)size);
        fx_need(archive_write_header(a, x) == ARCHIVE_OK, e[i].path);
        if (e[i].type == AE_IFREG)
            fx_need(archive_write_data(a, e[i].bytes, size) == (la_ssize_t)size, path);
        archive_entry_free(x);
    }
    fx_need(archive_write_close(a) == ARCHIVE_OK, path);
    archive_write_free(a);
}

static inline void ag_write(const char *folder, const char *name, bool zip,
                            const struct ag_entry *e, size_t n)
{
    ag_write_sized(folder, name, zip, e, NULL, n);
}

#endif
