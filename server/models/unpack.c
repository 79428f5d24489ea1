/* unpack.c - named members of a wheel (zip) or npm pack (tar.gz), and nothing else.
 *
 * libarchive reads the containers; only zip, tar and gzip are switched on. What is wanted is a
 * list of pieces: a path, in the package or in one archive inside it, and where its bytes go in
 * which file. A piece is taken when its path equals an entry's byte for byte and the entry is a
 * regular file; it is written under the plain name that the catalog gives, so no path from an
 * archive is ever opened. An archive inside is read while the outer one is, a piece of it at a
 * time: it never lies on the disk and takes no memory of its own size. What it unpacks to is
 * bounded before its entries are passed over. When all pieces are there, each file's sha256 is
 * compared.
 *
 * Layer:   server/models.   Threads: any.   Ownership: fd and dir stay the caller's. */
#include "kernels/base/alloc.h"
#include "server/models/digest.h"
#include "server/models/folder.h"
#include "server/models/package.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 18, MAX_ENTRIES = 200000, UNKNOWN_LIMIT = 1 << 20 };
#define INNER_LIMIT ((uint64_t)4 << 30) /* what an archive inside may unpack to */

struct piece {
    const struct syn_member *m;
    const char *path;
    uint64_t at;    /* in the file */
    uint64_t bytes; /* exact; 0 = unknown, at most UNKNOWN_LIMIT */
    bool taken;
};

struct unpacker {
    struct piece *piece;
    size_t n, left;
    uint8_t *copied; /* PIECE bytes on their way to a file */
    int dir;
    uint64_t done, total; /* bytes of the wanted members */
    syn_fetch_progress *progress;
    void *user;
};

/* An archive being read, and the outer one whose current entry it is (NULL: a file). */
struct reader {
    struct archive *a;
    struct archive *outer;
    uint8_t *buffer;  /* PIECE bytes of the outer entry */
    const char *path; /* of that entry; "" */
};

static syn_status write_all(int fd, const uint8_t *bytes, size_t n, uint64_t at, const char *name,
                            struct syn_err *err)
{
    while (n > 0) {
        ssize_t k = pwrite(fd, bytes, n, (off_t)at);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return syn_fail(err, SYN_IO, "writing %s: %s", name, strerror(errno));
        bytes += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return SYN_OK;
}

/* Copies the current entry to its place in the file fd. */
static syn_status copy_entry(struct unpacker *u, struct archive *a, const struct piece *p, int fd,
                             struct syn_err *err)
{
    uint64_t limit = p->bytes ? p->bytes : UNKNOWN_LIMIT, got = 0;
    for (;;) {
        la_ssize_t k = archive_read_data(a, u->copied, PIECE);
        syn_status st;
        if (k == ARCHIVE_RETRY) continue;
        if (k < 0)
            return syn_fail(err, SYN_INVALID, "%s in the archive: %s", p->path,
                            archive_error_string(a));
        if (k == 0) break;
        if ((uint64_t)k > limit - got)
            return syn_fail(err, SYN_INVALID, "%s in the archive has more than %llu bytes", p->path,
                            (unsigned long long)limit);
        st = write_all(fd, u->copied, (size_t)k, p->at + got, p->m->name, err);
        if (st != SYN_OK) return st;
        got += (uint64_t)k;
        u->done += (uint64_t)k;
        if (u->progress)
            u->progress(u->user, "verify", u->done, u->total > u->done ? u->total : u->done);
    }
    if (p->bytes && got != p->bytes)
        return syn_fail(err, SYN_INVALID, "%s in the archive has %llu bytes: the catalog says %llu",
                        p->path, (unsigned long long)got, (unsigned long long)p->bytes);
    return SYN_OK;
}

static syn_status take_piece(struct unpacker *u, struct archive *a, struct archive_entry *e,
                             struct piece *p, struct syn_err *err)
{
    int once = p->m->n_parts ? 0 : O_EXCL, fd;
    syn_status st;
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
        return syn_fail(err, SYN_INVALID, "%s in the archive is not a regular file", p->path);
    fd = openat(u->dir, p->m->name, O_WRONLY | O_CREAT | once | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) return syn_fail(err, SYN_IO, "creating %s: %s", p->m->name, strerror(errno));
    st = copy_entry(u, a, p, fd, err);
    close(fd);
    p->taken = true;
    u->left--;
    return st;
}

/* --- archives --------------------------------------------------------------------------------- */

static la_ssize_t read_outer(struct archive *a, void *user, const void **bytes)
{
    struct reader *r = user;
    la_ssize_t k;
    do k = archive_read_data(r->outer, r->buffer, PIECE);
    while (k == ARCHIVE_RETRY);
    if (k < 0) {
        const char *why = archive_error_string(r->outer);
        archive_set_error(a, EIO, "%s", why ? why : "cannot be read");
        return -1;
    }
    *bytes = r->buffer;
    return k;
}

/* Of fd, or of the current entry of r->outer. */
static syn_status open_reader(struct reader *r, int fd, struct syn_err *err)
{
    int opened;
    r->a = archive_read_new();
    if (!r->a) return syn_fail(err, SYN_NO_MEMORY, "no memory to unpack");
    if (archive_read_support_filter_gzip(r->a) < ARCHIVE_WARN ||
        archive_read_support_format_tar(r->a) != ARCHIVE_OK ||
        archive_read_support_format_zip(r->a) < ARCHIVE_WARN)
        return syn_fail(err, SYN_UNSUPPORTED, "libarchive here has no zip, tar or gzip");
    if (r->outer) {
        r->buffer = syn_alloc(PIECE);
        if (!r->buffer) return syn_fail(err, SYN_NO_MEMORY, "no memory to unpack");
        opened = archive_read_open(r->a, r, NULL, read_outer, NULL);
    } else {
        if (lseek(fd, 0, SEEK_SET) != 0)
            return syn_fail(err, SYN_IO, "the archive: %s", strerror(errno));
        opened = archive_read_open_fd(r->a, fd, PIECE);
    }
    if (opened == ARCHIVE_OK) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "the archive%s%s: %s", r->path[0] ? " " : "", r->path,
                    archive_error_string(r->a) ? archive_error_string(r->a) : "cannot be read");
}

static void close_reader(struct reader *r)
{
    if (r->a) archive_read_free(r->a);
    syn_free(r->buffer);
}

static struct piece *find_piece(struct unpacker *u, const char *archive, const char *path)
{
    for (size_t i = 0; i < u->n; i++) {
        struct piece *p = &u->piece[i];
        if (!p->taken && !strcmp(p->m->archive, archive) && !strcmp(p->path, path)) return p;
    }
    return NULL;
}

/* Whether something is still wanted of an archive inside. */
static bool wanted_inside(const struct unpacker *u, const char *archive)
{
    for (size_t i = 0; i < u->n; i++)
        if (!u->piece[i].taken && !strcmp(u->piece[i].m->archive, archive)) return true;
    return false;
}

/* The next entry; *e = NULL: there is none. */
static syn_status next_entry(struct reader *r, long *n, uint64_t *total, struct archive_entry **e,
                             struct syn_err *err)
{
    int got;
    *e = NULL;
    do got = archive_read_next_header(r->a, e);
    while (got == ARCHIVE_RETRY);
    if (got == ARCHIVE_EOF) {
        *e = NULL;
        return SYN_OK;
    }
    if (got < ARCHIVE_WARN)
        return syn_fail(err, SYN_INVALID, "the archive%s%s: %s", r->path[0] ? " " : "", r->path,
                        archive_error_string(r->a));
    if (++*n > MAX_ENTRIES)
        return syn_fail(err, SYN_TOO_LARGE, "the archive%s%s has over %d entries",
                        r->path[0] ? " " : "", r->path, MAX_ENTRIES);
    if (!r->outer) return SYN_OK;
    if (archive_entry_size_is_set(*e)) {
        la_int64_t bytes = archive_entry_size(*e);
        if (bytes < 0 || (uint64_t)bytes > INNER_LIMIT - *total)
            return syn_fail(err, SYN_TOO_LARGE, "the archive %s unpacks to over %llu bytes",
                            r->path, (unsigned long long)INNER_LIMIT);
        *total += (uint64_t)bytes;
    }
    return SYN_OK;
}

static syn_status take_all(struct unpacker *u, struct reader *r, struct syn_err *err);

/* The current entry of outer is an archive that holds something wanted. */
static syn_status take_inside(struct unpacker *u, struct archive *outer, struct archive_entry *e,
                              const char *path, struct syn_err *err)
{
    struct reader r = {.outer = outer, .path = path};
    syn_status st;
    if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
        return syn_fail(err, SYN_INVALID, "%s in the archive is not a regular file", path);
    st = open_reader(&r, -1, err);
    if (st == SYN_OK) st = take_all(u, &r, err);
    close_reader(&r);
    return st;
}

/* Takes what is wanted of one archive; of the outermost one, also of archives inside it. */
static syn_status take_all(struct unpacker *u, struct reader *r, struct syn_err *err)
{
    uint64_t total = 0;
    long n = 0;
    while (u->left > 0) {
        struct archive_entry *e;
        const char *path;
        struct piece *p;
        syn_status st = next_entry(r, &n, &total, &e, err);
        if (st != SYN_OK) return st;
        if (!e) break;
        path = archive_entry_pathname(e);
        if (!path) continue;
        p = find_piece(u, r->path, path);
        if (p) {
            st = take_piece(u, r->a, e, p, err);
        } else if (!r->outer && path[0] && wanted_inside(u, path)) {
            char name[SYN_MEMBER_SIZE]; /* the entry's own goes with the next header */
            snprintf(name, sizeof name, "%s", path);
            st = take_inside(u, r->a, e, name, err);
        }
        if (st != SYN_OK) return st;
    }
    return SYN_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A file's pieces are all there: size and sha256, and onto the disk. */
static syn_status check_member(const struct unpacker *u, const struct syn_member *m,
                               struct syn_err *err)
{
    const char *path = m->n_parts ? m->name : m->member;
    const char *what = m->n_parts ? "joined of its parts" : "in the archive";
    char hex[SYN_SHA256_SIZE];
    uint64_t bytes = 0;
    struct stat s;
    int fd = -1;
    syn_status st = syn_folder_file(u->dir, m->name, NULL, &fd, &s, err);
    if (st != SYN_OK) return st;
    st = syn_digest_fd(fd, NULL, NULL, NULL, hex, &bytes, err);
    if (st == SYN_OK && strcmp(hex, m->sha256))
        st = syn_fail(err, SYN_INVALID, "%s %s has sha256 %s: the catalog says %s", path, what, hex,
                      m->sha256);
    if (st == SYN_OK && fsync(fd) != 0)
        st = syn_fail(err, SYN_IO, "writing %s: %s", m->name, strerror(errno));
    close(fd);
    return st;
}

static syn_status list_pieces(struct unpacker *u, const struct syn_member *member, size_t n,
                              struct syn_err *err)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += member[i].n_parts ? member[i].n_parts : 1;
        u->total += member[i].bytes;
    }
    u->piece = syn_calloc(count + 1, sizeof *u->piece);
    u->copied = syn_alloc(PIECE);
    if (!u->piece || !u->copied) return syn_fail(err, SYN_NO_MEMORY, "no memory to unpack");
    for (size_t i = 0; i < n; i++) {
        const struct syn_member *m = &member[i];
        if (!m->n_parts) {
            u->piece[u->n++] = (struct piece){.m = m, .path = m->member, .bytes = m->bytes};
            continue;
        }
        for (size_t k = 0; k < m->n_parts; k++) {
            uint64_t at = k * m->part_bytes;
            u->piece[u->n++] =
                (struct piece){.m = m,
                               .path = m->part[k],
                               .at = at,
                               .bytes = k + 1 < m->n_parts ? m->part_bytes : m->bytes - at};
        }
    }
    u->left = u->n;
    return SYN_OK;
}

syn_status syn_unpack(int fd, const struct syn_member *member, size_t n, int dir,
                      syn_fetch_progress *progress, void *user, struct syn_err *err)
{
    struct unpacker u = {.dir = dir, .progress = progress, .user = user};
    struct reader r = {.path = ""};
    syn_status st = list_pieces(&u, member, n, err);
    if (st == SYN_OK) st = open_reader(&r, fd, err);
    if (st == SYN_OK) st = take_all(&u, &r, err);
    for (size_t i = 0; st == SYN_OK && i < u.n; i++)
        if (!u.piece[i].taken)
            st = syn_fail(err, SYN_INVALID, "%s is not in the archive%s%s", u.piece[i].path,
                          u.piece[i].m->archive[0] ? " " : "", u.piece[i].m->archive);
    for (size_t i = 0; st == SYN_OK && i < n; i++) st = check_member(&u, &member[i], err);
    close_reader(&r);
    syn_free(u.piece);
    syn_free(u.copied);
    return st;
}
