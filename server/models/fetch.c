/* fetch.c - brings a model of the catalog: archive into the cache, files into the models folder.
 *
 *     cache_dir/ARCHIVE            kept: models of one package share it
 *     cache_dir/.part-XXXXXX/      the client's working folder, removed afterwards
 *     models_dir/.fetch-XXXXXX/    files while they are unpacked, hashed and synced
 *     models_dir/ID/               the former, renamed when whole
 *
 * A dot in front keeps half-done folders out of the repository's index. Both folders are locked
 * (flock on the folders themselves, cache first), so one fetch runs at a time on a machine; what a
 * killed one left behind is swept by the next.
 *
 * Layer:   server/models.   Threads: one call at a time.
 * Ownership: everything on disk belongs to the two folders given. */
#include "kernels/base/alloc.h"
#include "kernels/base/log.h"
#include "server/models/digest.h"
#include "server/models/folder.h"
#include "server/models/package.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PART_PREFIX ".part-"
#define FETCH_PREFIX ".fetch-"

struct fetch {
    const struct syn_catalog_model *model;
    char cache[PATH_MAX], models[PATH_MAX]; /* absolute */
    int cache_fd, models_fd, archive_fd;
    syn_fetch_progress *progress;
    void *user;
    uint64_t last_total;
};

static void tell(const struct fetch *f, const char *stage, uint64_t done, uint64_t total)
{
    if (f->progress) f->progress(f->user, stage, done, total);
}

/* --- folders ---------------------------------------------------------------------------------- */

static void remove_below(int dir)
{
    struct dirent *e;
    DIR *d = fdopendir(dir);
    if (!d) {
        close(dir);
        return;
    }
    while ((e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) syn_remove_tree(dirfd(d), e->d_name);
    closedir(d);
}

void syn_remove_tree(int dir, const char *name)
{
    int sub;
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) return;
    sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0) return;
    remove_below(sub);
    (void)!unlinkat(dir, name, AT_REMOVEDIR);
}

/* What a killed fetch left. */
static void sweep(int dir, const char *prefix)
{
    int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again >= 0 ? fdopendir(again) : NULL;
    struct dirent *e;
    if (!d) {
        if (again >= 0) close(again);
        return;
    }
    while ((e = readdir(d)) != NULL)
        if (!strncmp(e->d_name, prefix, strlen(prefix))) syn_remove_tree(dir, e->d_name);
    closedir(d);
}

static syn_status make_folder(const char *path, char absolute[PATH_MAX], int *fd,
                              struct syn_err *err)
{
    char copy[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof copy - 64)
        return syn_fail(err, SYN_INVALID, "folder path has %zu bytes: must have 1 to %zu", n,
                        sizeof copy - 65);
    memcpy(copy, path, n + 1);
    for (char *c = copy + 1; *c; c++) {
        if (*c != '/') continue;
        *c = '\0';
        (void)mkdir(copy, 0777); /* the last one's answer counts */
        *c = '/';
    }
    if (mkdir(copy, 0777) != 0 && errno != EEXIST)
        return syn_fail(err, SYN_IO, "creating %s: %s", path, strerror(errno));
    if (!realpath(path, absolute)) return syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
    return syn_folder_open(absolute, fd, err);
}

static syn_status make_temporary(const char *folder, const char *prefix, char path[PATH_MAX],
                                 struct syn_err *err)
{
    if (snprintf(path, PATH_MAX, "%s/%sXXXXXX", folder, prefix) >= PATH_MAX)
        return syn_fail(err, SYN_INVALID, "folder path is too long");
    if (!mkdtemp(path))
        return syn_fail(err, SYN_IO, "creating a folder in %s: %s", folder, strerror(errno));
    return SYN_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* --- the archive ------------------------------------------------------------------------------ */

static void hashing(void *user, uint64_t bytes)
{
    const struct fetch *f = user;
    tell(f, "verify", bytes, f->last_total);
}

/* Opens dir/archive and checks it against the catalog. SYN_NOT_FOUND; SYN_INVALID: it differs. */
static syn_status open_archive(struct fetch *f, int dir, int *fd, struct syn_err *err)
{
    const struct syn_package *p = f->model->package;
    char hex[SYN_SHA256_SIZE];
    struct stat s;
    uint64_t bytes = 0;
    int a = -1;
    syn_status st = syn_folder_file(dir, p->archive, NULL, &a, &s, err);
    if (st != SYN_OK) return st;
    if ((uint64_t)s.st_size != p->bytes) {
        close(a);
        return syn_fail(err, SYN_INVALID, "%s has %lld bytes: the catalog says %llu", p->archive,
                        (long long)s.st_size, (unsigned long long)p->bytes);
    }
    f->last_total = p->bytes;
    st = syn_digest_fd(a, NULL, hashing, f, hex, &bytes, err);
    if (st == SYN_OK && strcmp(hex, p->sha256))
        st = syn_fail(err, SYN_INVALID, "%s has sha256 %s: the catalog says %s", p->archive, hex,
                      p->sha256);
    if (st != SYN_OK) {
        close(a);
        return st;
    }
    *fd = a;
    return SYN_OK;
}

/* Downloads into a folder of its own and moves the checked archive into the cache. */
static syn_status download(struct fetch *f, struct syn_err *err)
{
    const struct syn_package *p = f->model->package;
    char part[PATH_MAX];
    int dir = -1;
    syn_status st = make_temporary(f->cache, PART_PREFIX, part, err);
    if (st != SYN_OK) return st;
    tell(f, "download", 0, p->bytes);
    if ((st = syn_client_download(p, part, f->progress, f->user, err)) != SYN_OK) goto done;
    if ((st = syn_folder_open(part, &dir, err)) != SYN_OK) goto done;
    tell(f, "download", p->bytes, p->bytes);
    st = open_archive(f, dir, &f->archive_fd, err);
    if (st == SYN_NOT_FOUND)
        st = syn_fail(err, SYN_IO, "the client brought no %s for %s %s", p->archive, p->name,
                      p->version);
    if (st != SYN_OK) goto done;
    if (renameat(dir, p->archive, f->cache_fd, p->archive) != 0)
        st = syn_fail(err, SYN_IO, "keeping %s: %s", p->archive, strerror(errno));
done:
    if (dir >= 0) close(dir);
    syn_remove_tree(f->cache_fd, base_name(part));
    return st;
}

static syn_status get_archive(struct fetch *f, struct syn_err *err)
{
    struct syn_err why = {""};
    syn_status st = open_archive(f, f->cache_fd, &f->archive_fd, &why);
    if (st == SYN_OK) return SYN_OK;
    if (st == SYN_INVALID) { /* cut short or replaced: bring it again */
        syn_log(SYN_LOG_WARN, "cached archive dropped reason=\"%s\"", why.text);
        syn_remove_tree(f->cache_fd, f->model->package->archive);
    } else if (st != SYN_NOT_FOUND) {
        return syn_fail(err, st, "%s", why.text);
    }
    return download(f, err);
}

/* --- the model's folder ----------------------------------------------------------------------- */

static syn_status write_manifest(const struct fetch *f, int dir, const char *name,
                                 struct syn_err *err)
{
    char *text = json_dumps(f->model->json,
                            JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    syn_status st = SYN_OK;
    size_t n = text ? strlen(text) : 0;
    int fd;
    if (!text) return syn_fail(err, SYN_NO_MEMORY, "no memory to write " SYN_MANIFEST_FILE);
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n || write(fd, "\n", 1) != 1 || fsync(fd) != 0)
        st = syn_fail(err, SYN_IO, "writing " SYN_MANIFEST_FILE ": %s", strerror(errno));
    if (fd >= 0) close(fd);
    free(text); /* jansson's allocator */
    return st;
}

static bool same_networks(const struct syn_manifest *a, const struct syn_manifest *b)
{
    if (a->n_variants != b->n_variants) return false;
    for (int32_t i = 0; i < a->n_variants; i++)
        if (strcmp(a->variant[i].digest, b->variant[i].digest)) return false;
    return true;
}

/* The same networks under another model.json (of an older catalog, or edited): the catalog's takes
 * its place. */
static syn_status refresh_manifest(const struct fetch *f, int dir, struct syn_err *err)
{
    static const char fresh[] = SYN_MANIFEST_FILE ".new";
    syn_status st;
    (void)unlinkat(dir, fresh, 0); /* of a killed fetch */
    if ((st = write_manifest(f, dir, fresh, err)) != SYN_OK) return st;
    if (renameat(dir, fresh, dir, SYN_MANIFEST_FILE) != 0 || fsync(dir) != 0)
        return syn_fail(err, SYN_IO, "replacing " SYN_MANIFEST_FILE ": %s", strerror(errno));
    return SYN_OK;
}

/* SYN_OK: installed and whole. SYN_NOT_FOUND: not here, or broken (to be replaced). SYN_CONFLICT:
 * something else of that name, whole, which a fetch must not destroy. */
static syn_status check_installed(const struct fetch *f, struct syn_err *err)
{
    const char *id = f->model->manifest.id;
    struct syn_manifest *m = syn_calloc(1, sizeof *m);
    struct syn_err why = {""};
    int dir = -1;
    syn_status st;
    if (!m) return syn_fail(err, SYN_NO_MEMORY, "no memory for a manifest");
    st = syn_folder_open_at(f->models_fd, id, &dir, &why);
    if (st == SYN_NOT_FOUND) goto done;
    if (st != SYN_OK) {
        st = syn_fail(err, SYN_CONFLICT, "%s is in the way of the model: %s", id, why.text);
        goto done;
    }
    st = syn_manifest_read_at(dir, NULL, m, &why);
    for (int32_t i = 0; st == SYN_OK && i < m->n_variants; i++)
        st = syn_variant_verify(dir, NULL, &m->variant[i], NULL, &why);
    if (st == SYN_OK) st = syn_assets_verify(dir, NULL, m, NULL, &why);
    if (st != SYN_OK) {
        syn_log(SYN_LOG_WARN, "installed model replaced model=%s reason=\"%s\"", id, why.text);
        st = SYN_NOT_FOUND;
    } else if (strcmp(m->id, id) || !same_networks(m, &f->model->manifest)) {
        st = syn_fail(err, SYN_CONFLICT,
                      "folder '%s' holds another model (id '%s'): move it away first", id, m->id);
    } else if (memcmp(m, &f->model->manifest, sizeof *m)) { /* unused bytes are zero in both */
        st = refresh_manifest(f, dir, err);
    }
done:
    if (dir >= 0) close(dir);
    syn_free(m);
    return st;
}

/* Puts the finished folder in place; one that is there (broken) is swapped out and removed. */
static syn_status put_in_place(const struct fetch *f, const char *staging, struct syn_err *err)
{
    const char *id = f->model->manifest.id;
    if (renameat2(f->models_fd, staging, f->models_fd, id, RENAME_NOREPLACE) != 0) {
        if (errno != EEXIST ||
            renameat2(f->models_fd, staging, f->models_fd, id, RENAME_EXCHANGE) != 0)
            return syn_fail(err, SYN_IO, "putting '%s' in place: %s", id, strerror(errno));
        syn_remove_tree(f->models_fd, staging);
    }
    if (fsync(f->models_fd) != 0)
        return syn_fail(err, SYN_IO, "syncing the models folder: %s", strerror(errno));
    return SYN_OK;
}

static syn_status install(struct fetch *f, struct syn_err *err)
{
    const struct syn_catalog_model *m = f->model;
    char staging[PATH_MAX];
    int dir = -1;
    syn_status st = make_temporary(f->models, FETCH_PREFIX, staging, err);
    if (st != SYN_OK) return st;
    if ((st = syn_folder_open(staging, &dir, err)) != SYN_OK) goto done;
    if ((st = syn_unpack(f->archive_fd, m->member, m->n_members, dir, f->progress, f->user, err)) !=
        SYN_OK)
        goto done;
    tell(f, "install", 0, m->n_members + 1);
    if ((st = write_manifest(f, dir, SYN_MANIFEST_FILE, err)) != SYN_OK) goto done;
    if (fchmod(dir, 0755) != 0 || fsync(dir) != 0) {
        st = syn_fail(err, SYN_IO, "finishing the model's folder: %s", strerror(errno));
        goto done;
    }
    if ((st = put_in_place(f, base_name(staging), err)) != SYN_OK) goto done;
    tell(f, "install", m->n_members + 1, m->n_members + 1);
done:
    if (dir >= 0) close(dir);
    if (st != SYN_OK) syn_remove_tree(f->models_fd, base_name(staging));
    return st;
}

/* --- the whole -------------------------------------------------------------------------------- */

static syn_status lock_folder(int fd, const char *what, struct syn_err *err)
{
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return syn_fail(err, SYN_IO, "locking the %s folder: %s", what, strerror(errno));
    return SYN_OK;
}

static syn_status take_locks(const struct fetch *f, struct syn_err *err)
{
    struct stat cache, models;
    syn_status st;
    if (fstat(f->cache_fd, &cache) != 0 || fstat(f->models_fd, &models) != 0)
        return syn_fail(err, SYN_IO, "looking at the folders: %s", strerror(errno));
    if (cache.st_dev == models.st_dev && cache.st_ino == models.st_ino)
        return syn_fail(err, SYN_INVALID, "the cache and the models folder are the same: %s",
                        f->cache);
    if ((st = lock_folder(f->cache_fd, "cache", err)) != SYN_OK) return st;
    return lock_folder(f->models_fd, "models", err);
}

static void close_all(struct fetch *f)
{
    if (f->archive_fd >= 0) close(f->archive_fd);
    if (f->models_fd >= 0) close(f->models_fd); /* and with them the locks */
    if (f->cache_fd >= 0) close(f->cache_fd);
}

syn_status syn_catalog_fetch(const struct syn_catalog *c, const char *id, const char *models_dir,
                             const char *cache_dir, syn_fetch_progress *progress, void *user,
                             struct syn_err *err)
{
    struct fetch *f = syn_calloc(1, sizeof *f);
    syn_status st;
    if (!f) return syn_fail(err, SYN_NO_MEMORY, "no memory to fetch");
    f->cache_fd = f->models_fd = f->archive_fd = -1;
    f->progress = progress;
    f->user = user;
    f->model = syn_catalog_find(c, id);
    if (!f->model) {
        st = syn_fail(err, SYN_NOT_FOUND, "model '%.64s' is not in the catalog", id ? id : "");
        goto done;
    }
    if ((st = make_folder(models_dir, f->models, &f->models_fd, err)) != SYN_OK) goto done;
    if ((st = make_folder(cache_dir, f->cache, &f->cache_fd, err)) != SYN_OK) goto done;
    if ((st = take_locks(f, err)) != SYN_OK) goto done;
    sweep(f->cache_fd, PART_PREFIX);
    sweep(f->models_fd, FETCH_PREFIX);
    st = check_installed(f, err);
    if (st != SYN_NOT_FOUND) goto done;
    if ((st = get_archive(f, err)) != SYN_OK) goto done;
    st = install(f, err);
done:
    close_all(f);
    syn_free(f);
    return st;
}
