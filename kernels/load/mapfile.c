/* mapfile.c - see mapfile.h. */
#include "kernels/load/mapfile.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static syn_status fail_errno(struct syn_err *err, const char *path, const char *what)
{
    char text[128];
    const int code = errno;
    const syn_status st = code == ENOENT || code == ENOTDIR ? SYN_NOT_FOUND
                          : code == ENOMEM                  ? SYN_NO_MEMORY
                                                            : SYN_IO;
    return syn_fail(err, st, "%s: cannot %s: %s", path, what, strerror_r(code, text, sizeof text));
}

/* The file's size, if it is one that can be mapped. */
static syn_status check_file(int fd, const char *path, uint64_t max_bytes, size_t *size,
                             struct syn_err *err)
{
    struct stat s;
    if (fstat(fd, &s) != 0) return fail_errno(err, path, "read its size");
    if (!S_ISREG(s.st_mode)) return syn_fail(err, SYN_INVALID, "%s: not a regular file", path);
    if (s.st_size <= 0) return syn_fail(err, SYN_INVALID, "%s: the file is empty", path);
    if ((uint64_t)s.st_size > max_bytes || (uint64_t)s.st_size > PTRDIFF_MAX)
        return syn_fail(err, SYN_TOO_LARGE, "%s: %" PRIu64 " bytes: the limit is %" PRIu64, path,
                        (uint64_t)s.st_size, max_bytes);
    *size = (size_t)s.st_size;
    return SYN_OK;
}

syn_status syn_mapfile_open(const char *path, uint64_t max_bytes, struct syn_mapfile *m,
                            struct syn_err *err)
{
    size_t size = 0;
    void *data;
    syn_status st;
    const int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not block */
    if (fd < 0) return fail_errno(err, path, "open");
    st = check_file(fd, path, max_bytes, &size, err);
    if (st != SYN_OK) goto done;
    /* Advice only: where the kernel takes none, reading is slower and still right. */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        st = fail_errno(err, path, "map");
        goto done;
    }
    (void)madvise(data, size, MADV_WILLNEED);
    m->data = data;
    m->size = size;
done:
    close(fd);
    return st;
}

void syn_mapfile_drop(const struct syn_mapfile *m)
{
    if (m && m->data) (void)madvise((void *)(uintptr_t)m->data, m->size, MADV_DONTNEED);
}

void syn_mapfile_close(struct syn_mapfile *m)
{
    if (!m || !m->data) return;
    munmap((void *)(uintptr_t)m->data, m->size);
    m->data = NULL;
    m->size = 0;
}
