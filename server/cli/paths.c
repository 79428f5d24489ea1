/* paths.c - see paths.h. */
#include "server/cli/paths.h"
#include "kernels/base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *syn_path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = syn_alloc(n);
    if (path) snprintf(path, n, "%s/%s", folder, name);
    return path;
}

static syn_status no_memory(struct syn_err *err)
{
    return syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
}

/* $variable/synthd when it is an absolute path, else home/below. */
static syn_status under_home(const char *variable, const char *below, const char *option,
                             char **out, struct syn_err *err)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base && base[0] == '/') {
        *out = syn_path_join(base, "synthd");
    } else {
        struct passwd *pw = home && home[0] == '/' ? NULL : getpwuid(getuid());
        if (pw) home = pw->pw_dir;
        if (!home || home[0] != '/')
            return syn_fail(err, SYN_INVALID, "%s: there is no home folder; name one", option);
        *out = syn_path_join(home, below);
    }
    return *out ? SYN_OK : no_memory(err);
}

syn_status syn_path_data(const char *given, char **out, struct syn_err *err)
{
    if (!given || !given[0])
        return under_home("XDG_DATA_HOME", ".local/share/synthd", "--data", out, err);
    *out = syn_strdup(given);
    return *out ? SYN_OK : no_memory(err);
}

syn_status syn_path_cache(char **out, struct syn_err *err)
{
    const char *given = getenv("SYNTHD_CACHE");
    if (!given || !given[0])
        return under_home("XDG_CACHE_HOME", ".cache/synthd", "SYNTHD_CACHE", out, err);
    *out = syn_strdup(given);
    return *out ? SYN_OK : no_memory(err);
}

syn_status syn_path_make(const char *folder, unsigned mode, struct syn_err *err)
{
    char *path = syn_strdup(folder);
    syn_status st = SYN_OK;
    struct stat sb;
    if (!path) return no_memory(err);
    for (char *p = path + 1; st == SYN_OK; p++) {
        char was = *p;
        if (was != '/' && was != '\0') continue;
        *p = '\0';
        if (mkdir(path, (mode_t)mode) != 0 && errno != EEXIST &&
            !(errno == EROFS && stat(path, &sb) == 0))
            st = syn_fail(err, SYN_IO, "%s: cannot make the folder: %s", path, strerror(errno));
        *p = was;
        if (!was) break;
    }
    if (st == SYN_OK && (stat(path, &sb) != 0 || !S_ISDIR(sb.st_mode)))
        st = syn_fail(err, SYN_IO, "%s: is not a folder", path);
    syn_free(path);
    return st;
}

syn_status syn_file_read(const char *path, size_t max_bytes, char **data, size_t *n,
                         struct syn_err *err)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    size_t room = 0, used = 0;
    char *buf = NULL;
    syn_status st = SYN_OK;
    if (fd < 0)
        return syn_fail(err, errno == ENOENT ? SYN_NOT_FOUND : SYN_IO, "%s: %s", path,
                        strerror(errno));
    for (;;) {
        ssize_t got;
        if (used + 1 >= room) {
            size_t wanted = room ? room * 2 : 1 << 16;
            char *grown = syn_realloc(buf, wanted, 1);
            if (!grown) {
                st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory for its bytes", path);
                break;
            }
            buf = grown;
            room = wanted;
        }
        got = read(fd, buf + used, room - used - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) st = syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
        if (got <= 0) break;
        used += (size_t)got;
        if (used > max_bytes) {
            st = syn_fail(err, SYN_TOO_LARGE, "%s: larger than %zu bytes", path, max_bytes);
            break;
        }
    }
    close(fd);
    if (st != SYN_OK) {
        syn_free(buf);
        return st;
    }
    buf[used] = '\0';
    *data = buf;
    *n = used;
    return SYN_OK;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR) continue;
        if (w < 0) return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

syn_status syn_file_write(const char *path, const void *data, size_t n, unsigned mode,
                          struct syn_err *err)
{
    size_t size = strlen(path) + 32;
    syn_status st = SYN_OK;
    char *temporary;
    int fd;
    if (strcmp(path, "-") == 0)
        return write_all(STDOUT_FILENO, data, n)
                   ? SYN_OK
                   : syn_fail(err, SYN_IO, "standard output: %s", strerror(errno));
    temporary = syn_alloc(size);
    if (!temporary) return no_memory(err);
    snprintf(temporary, size, "%s.tmp.%ld", path, (long)getpid());
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0) {
        st = syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
    } else {
        bool written = write_all(fd, data, n) && fsync(fd) == 0;
        int why = errno;
        if (close(fd) != 0 && written) {
            written = false;
            why = errno;
        }
        if (!written || rename(temporary, path) != 0) {
            st = syn_fail(err, SYN_IO, "%s: %s", path, strerror(written ? errno : why));
            unlink(temporary);
        }
    }
    syn_free(temporary);
    return st;
}
