/* blobs.c - see blobs.h: writing and reading.
 *
 *   begin ─► tmp/N ─► write* (hash, count) ─► fsync ─► rename to ab/abcd... ─► fsync ab/
 *
 * A blob that is there already is not written again: its time is set to now, which keeps sweep away
 * for as long as from a new one. Appearing, renewing and going happen under mu, so a writer that was
 * told "it is there" can rely on it for an hour.
 *
 * Names from outside are checked digit by digit before anything is opened; every open is one component
 * beneath a descriptor with O_NOFOLLOW, and only regular files count.
 *
 * Layer:     server/jobs.   Threads: see blobs.h.   Ownership: a writer owns its file until commit. */
#include "server/jobs/blobs_private.h"
#include "kernels/base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool syn_blob_name_ok(const char *sha256)
{
    if (!sha256) return false;
    for (int i = 0; i < SYN_SHA256_HEX_SIZE - 1; i++) {
        char c = sha256[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    }
    return sha256[SYN_SHA256_HEX_SIZE - 1] == '\0';
}

syn_status syn_blobs_fail(int error, const char *doing, struct syn_err *err)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return syn_fail(err, SYN_IO, "cannot %s: no space left on the disk of the data folder",
                        doing);
    case EROFS: return syn_fail(err, SYN_IO, "cannot %s: the data folder is read-only", doing);
    case ENOMEM: return syn_fail(err, SYN_NO_MEMORY, "cannot %s: out of memory", doing);
    default: return syn_fail(err, SYN_IO, "cannot %s: %s", doing, strerror(error));
    }
}

static unsigned folder_of(const char *sha256)
{
    unsigned hi = (unsigned char)sha256[0], lo = (unsigned char)sha256[1];
    return (hi <= '9' ? hi - '0' : hi - 'a' + 10) << 4 | (lo <= '9' ? lo - '0' : lo - 'a' + 10);
}

int syn_blobs_folder(struct syn_blobs *b, unsigned folder)
{
    char name[3];
    snprintf(name, sizeof name, "%02x", folder & 255);
    return openat(b->dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder, made when missing, its entry in blobs/ on disk; -1 with errno. */
static int folder_for_writing(struct syn_blobs *b, unsigned folder)
{
    char name[3];
    snprintf(name, sizeof name, "%02x", folder);
    if (mkdirat(b->dir_fd, name, 0700) != 0 && errno != EEXIST) return -1;
    if (!atomic_load(&b->folder_durable[folder])) {
        if (fsync(b->dir_fd) != 0) return -1;
        atomic_store(&b->folder_durable[folder], true);
    }
    return syn_blobs_folder(b, folder);
}

/* --- writing --------------------------------------------------------------------------------- */

static void writers_remove(struct syn_blob_writer *w)
{
    struct syn_blob_writer **at = &w->blobs->writers;
    pthread_mutex_lock(&w->blobs->mu);
    while (*at && *at != w) at = &(*at)->next;
    if (*at) *at = w->next;
    pthread_mutex_unlock(&w->blobs->mu);
}

void syn_blob_abort(struct syn_blob_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) {
        close(w->fd);
        if (!w->renamed) unlinkat(w->blobs->tmp_fd, w->tmp, 0);
    }
    writers_remove(w);
    EVP_MD_CTX_free(w->digest);
    syn_free(w);
}

syn_status syn_blob_begin(struct syn_blobs *b, uint64_t max_bytes, struct syn_blob_writer **out,
                          struct syn_err *err)
{
    struct syn_blob_writer *w = syn_calloc(1, sizeof *w);
    syn_status st = SYN_OK;
    if (!w) return syn_fail(err, SYN_NO_MEMORY, "no memory for a blob's writer");
    w->blobs = b;
    w->fd = -1;
    w->max_bytes = max_bytes;
    snprintf(w->tmp, sizeof w->tmp, "%ld-%llu", (long)getpid(),
             (unsigned long long)atomic_fetch_add(&b->serial, 1));
    pthread_mutex_lock(&b->mu); /* known before the file exists: clear_tmp leaves it alone */
    w->next = b->writers;
    b->writers = w;
    pthread_mutex_unlock(&b->mu);
    w->digest = EVP_MD_CTX_new();
    if (!w->digest || EVP_DigestInit_ex(w->digest, EVP_sha256(), NULL) != 1)
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for a blob's digest");
    if (st == SYN_OK) {
        w->fd = openat(b->tmp_fd, w->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0600);
        if (w->fd < 0) st = syn_blobs_fail(errno, "begin a blob", err);
    }
    if (st == SYN_OK) *out = w;
    else syn_blob_abort(w);
    return st;
}

static syn_status write_all(struct syn_blob_writer *w, const unsigned char *p, size_t n,
                            struct syn_err *err)
{
    while (n > 0) {
        ssize_t done = write(w->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return syn_blobs_fail(done < 0 ? errno : ENOSPC, "store a blob", err);
        p += done;
        n -= (size_t)done;
    }
    return SYN_OK;
}

syn_status syn_blob_write(struct syn_blob_writer *w, const void *data, size_t n,
                          struct syn_err *err)
{
    syn_status st = w->failed;
    if (st != SYN_OK) return syn_fail(err, st, "%s", w->why.text);
    if (n > w->max_bytes - w->bytes) /* bytes never exceeds max_bytes */
        st = syn_fail(&w->why, SYN_TOO_LARGE, "blob of more than %llu bytes: the limit is %llu",
                      (unsigned long long)w->max_bytes, (unsigned long long)w->max_bytes);
    if (st == SYN_OK) st = write_all(w, data, n, &w->why);
    if (st == SYN_OK && n > 0 && EVP_DigestUpdate(w->digest, data, n) != 1)
        st = syn_fail(&w->why, SYN_INTERNAL, "the digest of a blob failed");
    if (st == SYN_OK) w->bytes += n;
    else syn_fail(err, st, "%s", w->why.text);
    w->failed = st;
    return st;
}

static syn_status finish_name(struct syn_blob_writer *w, char hex[SYN_SHA256_HEX_SIZE],
                              struct syn_err *err)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(w->digest, md, &n) != 1 || n != 32)
        return syn_fail(err, SYN_INTERNAL, "the digest of a blob failed");
    for (unsigned i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", md[i]);
    return SYN_OK;
}

/* mu held. True when the blob is there, whole, and counts as written now. */
static bool renew(int folder_fd, const char *hex, uint64_t bytes)
{
    struct stat info;
    return fstatat(folder_fd, hex, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
           (uint64_t)info.st_size == bytes &&
           utimensat(folder_fd, hex, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Puts the file under its name; *kept = it was there and ours is not needed. 0 or errno. */
static int place(struct syn_blob_writer *w, int folder_fd, const char *hex, bool *kept)
{
    struct syn_blobs *b = w->blobs;
    struct stat info;
    int error = 0;
    pthread_mutex_lock(&b->mu);
    *kept = renew(folder_fd, hex, w->bytes);
    pthread_mutex_unlock(&b->mu);
    if (*kept) return 0;
    if (fsync(w->fd) != 0) return errno;
    pthread_mutex_lock(&b->mu);
    *kept = renew(folder_fd, hex, w->bytes);
    if (!*kept) {
        /* What else may hold the name (a cut file, a link) is replaced; a folder makes rename fail. */
        uint64_t before = fstatat(folder_fd, hex, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                                  S_ISREG(info.st_mode)
                              ? (uint64_t)info.st_size
                              : 0;
        if (renameat(b->tmp_fd, w->tmp, folder_fd, hex) != 0) error = errno;
        else atomic_fetch_add(&b->bytes, w->bytes - before);
    }
    pthread_mutex_unlock(&b->mu);
    return error;
}

syn_status syn_blob_commit(struct syn_blob_writer *w, char sha256[SYN_SHA256_HEX_SIZE],
                           uint64_t *bytes, struct syn_err *err)
{
    char hex[SYN_SHA256_HEX_SIZE];
    int folder_fd = -1, error;
    bool kept = true;
    syn_status st = w->failed;
    if (st != SYN_OK) {
        syn_fail(err, st, "%s", w->why.text);
        goto done;
    }
    st = finish_name(w, hex, err);
    if (st != SYN_OK) goto done;
    folder_fd = folder_for_writing(w->blobs, folder_of(hex));
    if (folder_fd < 0) {
        st = syn_blobs_fail(errno, "open a blob's folder", err);
        goto done;
    }
    error = place(w, folder_fd, hex, &kept);
    w->renamed = error == 0 && !kept;
    /* Also when kept: whoever placed it may not have come to this line yet. */
    if (error == 0 && fsync(folder_fd) != 0) error = errno;
    if (error != 0) {
        st = syn_blobs_fail(error, "store a blob", err);
        goto done;
    }
    if (sha256) memcpy(sha256, hex, sizeof hex);
    if (bytes) *bytes = w->bytes;
done:
    if (folder_fd >= 0) close(folder_fd);
    syn_blob_abort(w);
    return st;
}

syn_status syn_blob_put(struct syn_blobs *b, const void *data, size_t n,
                        char sha256[SYN_SHA256_HEX_SIZE], struct syn_err *err)
{
    struct syn_blob_writer *w;
    syn_status st = syn_blob_begin(b, n, &w, err);
    if (st != SYN_OK) return st;
    st = syn_blob_write(w, data, n, err);
    if (st != SYN_OK) {
        syn_blob_abort(w);
        return st;
    }
    return syn_blob_commit(w, sha256, NULL, err);
}

/* --- reading --------------------------------------------------------------------------------- */

static syn_status no_blob(const char *sha256, struct syn_err *err)
{
    return syn_fail(err, SYN_NOT_FOUND, "blob %.80s%s does not exist", sha256 ? sha256 : "(none)",
                    sha256 && strnlen(sha256, 81) > 80 ? "..." : "");
}

syn_status syn_blob_open(struct syn_blobs *b, const char *sha256, int *fd, uint64_t *bytes,
                         struct syn_err *err)
{
    struct stat info;
    int folder_fd, file;
    if (!syn_blob_name_ok(sha256)) return no_blob(sha256, err);
    folder_fd = syn_blobs_folder(b, folder_of(sha256));
    if (folder_fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENOTDIR
                   ? no_blob(sha256, err)
                   : syn_blobs_fail(errno, "open a blob", err);
    /* O_NONBLOCK: a FIFO put there does not hold us up; it is refused below */
    file = openat(folder_fd, sha256, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) {
        int error = errno;
        close(folder_fd);
        return error == ENOENT || error == ELOOP || error == ENXIO
                   ? no_blob(sha256, err)
                   : syn_blobs_fail(error, "open a blob", err);
    }
    close(folder_fd);
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(file);
        return no_blob(sha256, err);
    }
    *fd = file;
    if (bytes) *bytes = (uint64_t)info.st_size;
    return SYN_OK;
}

bool syn_blob_exists(struct syn_blobs *b, const char *sha256, uint64_t *bytes)
{
    struct stat info;
    int folder_fd;
    bool there;
    if (!syn_blob_name_ok(sha256) || (folder_fd = syn_blobs_folder(b, folder_of(sha256))) < 0)
        return false;
    there = fstatat(folder_fd, sha256, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
    close(folder_fd);
    if (there && bytes) *bytes = (uint64_t)info.st_size;
    return there;
}

syn_status syn_blob_read(struct syn_blobs *b, const char *sha256, uint64_t max_bytes, void **data,
                         size_t *n, struct syn_err *err)
{
    unsigned char *bytes = NULL;
    uint64_t size = 0, got = 0;
    int fd = -1;
    syn_status st = syn_blob_open(b, sha256, &fd, &size, err);
    if (st != SYN_OK) return st;
    if (size > max_bytes)
        st = syn_fail(err, SYN_TOO_LARGE, "blob %s has %llu bytes: the limit is %llu", sha256,
                      (unsigned long long)size, (unsigned long long)max_bytes);
    if (st == SYN_OK && !(bytes = syn_alloc((size_t)size)))
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for blob %s of %llu bytes", sha256,
                      (unsigned long long)size);
    while (st == SYN_OK && got < size) {
        ssize_t r = read(fd, bytes + got, (size_t)(size - got));
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) st = syn_blobs_fail(errno, "read a blob", err);
        else if (r == 0)
            st = syn_fail(err, SYN_TRUNCATED, "blob %s ends after %llu of %llu bytes", sha256,
                          (unsigned long long)got, (unsigned long long)size);
        else got += (uint64_t)r;
    }
    close(fd);
    if (st != SYN_OK) {
        syn_free(bytes);
        return st;
    }
    *data = bytes;
    *n = (size_t)size;
    return SYN_OK;
}
