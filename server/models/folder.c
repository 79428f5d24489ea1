/* folder.c - see folder.h.
 *
 * Layer:   server/models.   Threads: any.   Ownership: descriptors and bytes go to the caller. */
#include "server/models/folder.h"
#include "kernels/base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool syn_name_plain(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || n > SYN_FILE_NAME_MAX || name[0] == '.' || name[0] == '-' || name[0] == ' ')
        return false;
    if (strstr(name, "..") || name[n - 1] == ' ') return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c != '\0' && strchr("._+@- ", c));
        if (!fine) return false;
    }
    return true;
}

static syn_status fail_open(struct syn_err *err, const char *what, const char *name)
{
    int code = errno;
    if (code == ENOENT) return syn_fail(err, SYN_NOT_FOUND, "%s '%s' does not exist", what, name);
    if (code == ELOOP)
        return syn_fail(err, SYN_INVALID, "%s '%s' is a symbolic link: refused", what, name);
    if (code == ENOTDIR)
        return syn_fail(err, SYN_INVALID, "'%s' is not a folder (or a symbolic link to one)", name);
    return syn_fail(err, SYN_IO, "%s '%s': %s", what, name, strerror(code));
}

syn_status syn_folder_open(const char *path, int *fd, struct syn_err *err)
{
    int f = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f < 0) return fail_open(err, "folder", path);
    *fd = f;
    return SYN_OK;
}

syn_status syn_folder_open_at(int dir, const char *name, int *fd, struct syn_err *err)
{
    int f;
    if (!syn_name_plain(name)) return syn_fail(err, SYN_INVALID, "folder name is not plain");
    f = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (f < 0) return fail_open(err, "folder", name);
    *fd = f;
    return SYN_OK;
}

/* Where the open file lies, links followed, is below one of the roots. Asked of the descriptor: a
 * link that changes meanwhile changes nothing. */
static bool ends_in_root(int fd, const char *const *roots)
{
    char self[64], real[PATH_MAX];
    ssize_t n;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    n = readlink(self, real, sizeof real - 1);
    if (n <= 0 || real[0] != '/') return false;
    real[n] = '\0';
    for (; *roots; roots++) {
        char *root = realpath(*roots, NULL); /* libc's own block: free() */
        const size_t k = root ? strlen(root) : 0;
        const bool inside = k > 1 && !strncmp(real, root, k) && real[k] == '/';
        free(root);
        if (inside) return true;
    }
    return false;
}

syn_status syn_folder_file(int dir, const char *name, const char *const *roots, int *fd,
                           struct stat *st, struct syn_err *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    const int how = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    struct stat s;
    int f;
    if (!syn_name_plain(name)) return syn_fail(err, SYN_INVALID, "file name is not plain");
    f = openat(dir, name, how | O_NOFOLLOW);
    if (f < 0 && errno == ELOOP && roots) {
        f = openat(dir, name, how);
        if (f >= 0 && !ends_in_root(f, roots)) {
            close(f);
            return syn_fail(err, SYN_INVALID,
                            "file '%s' is a symbolic link that ends in none of link_roots", name);
        }
    }
    if (f < 0) return fail_open(err, "file", name);
    if (fstat(f, &s) != 0 || !S_ISREG(s.st_mode)) {
        close(f);
        return syn_fail(err, SYN_INVALID, "'%s' is not a regular file", name);
    }
    *fd = f;
    *st = s;
    return SYN_OK;
}

syn_status syn_folder_read(int dir, const char *name, const char *const *roots, size_t limit,
                           char **bytes, size_t *n, struct syn_err *err)
{
    struct stat s;
    syn_status st;
    char *text = NULL;
    size_t size, got = 0;
    int fd = -1;
    st = syn_folder_file(dir, name, roots, &fd, &s, err);
    if (st != SYN_OK) return st;
    if (s.st_size < 0 || (uint64_t)s.st_size > limit) {
        st = syn_fail(err, SYN_TOO_LARGE, "'%s' has %lld bytes: at most %zu", name,
                      (long long)s.st_size, limit);
        goto done;
    }
    size = (size_t)s.st_size;
    text = syn_alloc(size + 1);
    if (!text) {
        st = syn_fail(err, SYN_NO_MEMORY, "'%s': no memory for %zu bytes", name, size);
        goto done;
    }
    while (got < size) {
        ssize_t k = read(fd, text + got, size - got);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) {
            st = k < 0 ? syn_fail(err, SYN_IO, "reading '%s': %s", name, strerror(errno))
                       : syn_fail(err, SYN_TRUNCATED, "'%s' ended after %zu of %zu bytes", name,
                                  got, size);
            goto done;
        }
        got += (size_t)k;
    }
    text[size] = '\0';
    *bytes = text;
    *n = size;
    text = NULL;
done:
    syn_free(text);
    close(fd);
    return st;
}
