/* blobs_folder.c - the blob folder as a whole: opening, counting, removing what nobody needs.
 *
 * Layer:   server/jobs.   Threads: see blobs_private.h. */
#include "server/jobs/blobs_private.h"
#include "kernels/base/alloc.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t written_ms(const struct stat *info)
{
    return (int64_t)info->st_mtim.tv_sec * 1000 + info->st_mtim.tv_nsec / 1000000;
}

/* Calls each(user, dir_fd, name) for every entry until it says false; a missing folder has none. Takes
 * fd (or -1 with errno). */
static syn_status walk(int fd, bool (*each)(void *user, int dir_fd, const char *name), void *user,
                       struct syn_err *err)
{
    DIR *dir;
    struct dirent *e;
    int error;
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENOTDIR
                   ? SYN_OK
                   : syn_blobs_fail(errno, "list blobs", err);
    dir = fdopendir(fd);
    if (!dir) {
        error = errno;
        close(fd);
        return syn_blobs_fail(error, "list blobs", err);
    }
    while (errno = 0, (e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            !each(user, dirfd(dir), e->d_name)) {
            errno = 0;
            break;
        }
    error = errno;
    closedir(dir);
    return error ? syn_blobs_fail(error, "list blobs", err) : SYN_OK;
}

static bool stat_blob(int dir_fd, const char *name, struct stat *info)
{
    return syn_blob_name_ok(name) && fstatat(dir_fd, name, info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(info->st_mode);
}

/* --- open -------------------------------------------------------------------------------------- */

static bool add_size(void *user, int dir_fd, const char *name)
{
    uint64_t *sum = user;
    struct stat info;
    if (stat_blob(dir_fd, name, &info)) *sum += (uint64_t)info.st_size;
    return true;
}

/* A folder beneath another, made when missing, on disk when this returns; -1 with errno. */
static int make_folder(int at, const char *name)
{
    if (mkdirat(at, name, 0700) != 0) {
        if (errno != EEXIST) return -1;
    } else if (fsync(at) != 0) {
        return -1;
    }
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

syn_status syn_blobs_open(int data_fd, struct syn_blobs **out, struct syn_err *err)
{
    struct syn_blobs *b = syn_calloc(1, sizeof *b);
    uint64_t sum = 0;
    syn_status st = SYN_OK;
    if (!b) return syn_fail(err, SYN_NO_MEMORY, "no memory for the blob folder");
    b->tmp_fd = -1;
    pthread_mutex_init(&b->mu, NULL);
    b->dir_fd = make_folder(data_fd, "blobs");
    if (b->dir_fd >= 0) b->tmp_fd = make_folder(b->dir_fd, "tmp");
    if (b->tmp_fd < 0) st = syn_blobs_fail(errno, "open blobs/ in the data folder", err);
    if (st == SYN_OK) st = syn_blobs_clear_tmp(b, INT64_MAX, err);
    for (unsigned i = 0; i < SYN_BLOB_FOLDERS && st == SYN_OK; i++)
        st = walk(syn_blobs_folder(b, i), add_size, &sum, err);
    atomic_store(&b->bytes, sum);
    if (st == SYN_OK) *out = b;
    else syn_blobs_close(b);
    return st;
}

void syn_blobs_close(struct syn_blobs *b)
{
    if (!b) return;
    if (b->tmp_fd >= 0) close(b->tmp_fd);
    if (b->dir_fd >= 0) close(b->dir_fd);
    pthread_mutex_destroy(&b->mu);
    syn_free(b);
}

uint64_t syn_blobs_bytes(struct syn_blobs *b) { return atomic_load(&b->bytes); }

/* --- removing ------------------------------------------------------------------------------------ */

struct old_names {
    int64_t cutoff_ms;
    char (*name)[SYN_SHA256_HEX_SIZE];
    size_t n, room;
    bool no_memory;
};

static bool collect_old(void *user, int dir_fd, const char *name)
{
    struct old_names *o = user;
    struct stat info;
    if (!stat_blob(dir_fd, name, &info) || written_ms(&info) >= o->cutoff_ms) return true;
    if (o->n == o->room) {
        size_t room = o->room ? 2 * o->room : 64;
        void *more = syn_realloc(o->name, room, sizeof *o->name);
        if (!more) {
            o->no_memory = true;
            return false;
        }
        o->name = more;
        o->room = room;
    }
    memcpy(o->name[o->n++], name, SYN_SHA256_HEX_SIZE);
    return true;
}

syn_status syn_blobs_old(struct syn_blobs *b, unsigned folder, int64_t cutoff_ms,
                         char (**names)[SYN_SHA256_HEX_SIZE], size_t *n, struct syn_err *err)
{
    struct old_names o = {.cutoff_ms = cutoff_ms};
    syn_status st = walk(syn_blobs_folder(b, folder), collect_old, &o, err);
    if (st == SYN_OK && o.no_memory)
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for the names of %zu blobs", o.n);
    if (st != SYN_OK) {
        syn_free(o.name);
        return st;
    }
    *names = o.name;
    *n = o.n;
    return SYN_OK;
}

syn_status syn_blobs_drop_old(struct syn_blobs *b, const char *sha256, int64_t cutoff_ms,
                              struct syn_err *err)
{
    struct stat info;
    int error = 0, folder_fd;
    if (!syn_blob_name_ok(sha256)) return syn_fail(err, SYN_INVALID, "blob name %.80s", sha256);
    folder_fd = openat(b->dir_fd, (char[3]){sha256[0], sha256[1], '\0'},
                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder_fd < 0)
        return errno == ENOENT ? SYN_OK : syn_blobs_fail(errno, "remove a blob", err);
    pthread_mutex_lock(&b->mu);
    if (stat_blob(folder_fd, sha256, &info) && written_ms(&info) < cutoff_ms) {
        if (unlinkat(folder_fd, sha256, 0) == 0)
            atomic_fetch_sub(&b->bytes, (uint64_t)info.st_size);
        else if (errno != ENOENT) error = errno;
    }
    pthread_mutex_unlock(&b->mu);
    close(folder_fd);
    return error ? syn_blobs_fail(error, "remove a blob", err) : SYN_OK;
}

struct stale {
    struct syn_blobs *blobs;
    int64_t cutoff_ms;
};

static bool drop_stale(void *user, int dir_fd, const char *name)
{
    struct stale *s = user;
    struct stat info;
    bool owned = false;
    if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(info.st_mode))
        return true;
    pthread_mutex_lock(&s->blobs->mu);
    for (struct syn_blob_writer *w = s->blobs->writers; w && !owned; w = w->next)
        owned = strcmp(w->tmp, name) == 0;
    if (!owned && written_ms(&info) < s->cutoff_ms) unlinkat(dir_fd, name, 0);
    pthread_mutex_unlock(&s->blobs->mu);
    return true;
}

syn_status syn_blobs_clear_tmp(struct syn_blobs *b, int64_t cutoff_ms, struct syn_err *err)
{
    struct stale s = {b, cutoff_ms};
    /* a descriptor of its own: reading moves a position, and closedir closes it */
    return walk(openat(b->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), drop_stale, &s, err);
}
