/* test_blobs.c - blobs by content: names that are not names (E07), limits, dedupe, leftovers, and what
 * else somebody may have put into the folder. */
#include "server/jobs/blobs_private.h"
#include "tests/store_t.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static struct syn_err err;
static const char ABC[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; /* FIPS 180-2, B.1 */
static const char EMPTY[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
#define HOUR INT64_C(3600000)

struct place {
    char *dir;
    struct syn_store_opts o;
    struct syn_store *s;
    struct syn_blobs *b;
};

static struct place new_place(void)
{
    struct place p = {.dir = t_folder()};
    p.o = t_opts(p.dir);
    p.s = t_open(&p.o);
    p.b = syn_store_blobs(p.s);
    return p;
}

static void reopen(struct place *p)
{
    syn_store_close(p->s);
    p->s = t_open(&p->o);
    p->b = syn_store_blobs(p->s);
}

static void drop_place(struct place *p)
{
    syn_store_close(p->s);
    t_folder_drop(p->dir);
}

static const char *path_of(const struct place *p, const char *format, const char *name)
{
    static char path[8500];
    char tail[4200];
    snprintf(tail, sizeof tail, format, name, name);
    snprintf(path, sizeof path, "%s/blobs/%s", p->dir, tail);
    return path;
}

static uint64_t counted(const struct place *p)
{
    struct syn_store_counts n;
    T_MUST(syn_store_counts(p->s, &n, &err) == SYN_OK);
    return n.blob_bytes;
}

static void test_round_trip(void)
{
    struct place p = new_place();
    struct stat info;
    struct syn_blob_writer *w;
    char sha[SYN_SHA256_HEX_SIZE], buffer[16];
    uint64_t bytes = 9;
    void *data = NULL;
    size_t n = 0;
    int fd = -1;
    T_CHECK(syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_OK && strcmp(sha, ABC) == 0, "%s", sha);
    T_CHECK(stat(path_of(&p, "%.2s/%s", ABC), &info) == 0 && (info.st_mode & 07777) == 0600,
            "mode %o", info.st_mode);
    T_CHECK(stat(path_of(&p, "%.2s", ABC), &info) == 0 && (info.st_mode & 07777) == 0700, "mode %o",
            info.st_mode);
    T_CHECK(syn_blob_exists(p.b, ABC, &bytes) && bytes == 3, "%d bytes", (int)bytes);
    T_CHECK(syn_blob_read(p.b, ABC, 3, &data, &n, &err) == SYN_OK && n == 3 &&
                memcmp(data, "abc", 3) == 0,
            "%s", err.text);
    syn_free(data);
    T_CHECK(syn_blob_read(p.b, ABC, 2, &data, &n, &err) == SYN_TOO_LARGE &&
                strstr(err.text, "the limit is 2"),
            "%s", err.text);
    T_CHECK(syn_blob_open(p.b, ABC, &fd, &bytes, &err) == SYN_OK && bytes == 3, "%s", err.text);
    T_CHECK(read(fd, buffer, sizeof buffer) == 3 && (fcntl(fd, F_GETFD) & FD_CLOEXEC),
            "readable, not inherited");
    close(fd);
    T_CHECK(syn_blob_put(p.b, NULL, 0, sha, &err) == SYN_OK && strcmp(sha, EMPTY) == 0, "%s", sha);
    T_CHECK(syn_blob_read(p.b, EMPTY, 0, &data, &n, &err) == SYN_OK && n == 0,
            "nothing is a blob too");
    syn_free(data);
    T_MUST(syn_blob_begin(p.b, 3, &w, &err) == SYN_OK);
    T_CHECK(syn_blob_write(w, "a", 1, &err) == SYN_OK && syn_blob_write(w, "", 0, &err) == SYN_OK &&
                syn_blob_write(w, "bc", 2, &err) == SYN_OK,
            "in pieces");
    T_CHECK(syn_blob_commit(w, sha, &bytes, &err) == SYN_OK && strcmp(sha, ABC) == 0 && bytes == 3,
            "%s", sha);
    T_CHECK(counted(&p) == 3, "%d bytes: one is there once", (int)counted(&p));
    reopen(&p);
    T_CHECK(counted(&p) == 3 && syn_blob_exists(p.b, ABC, NULL) &&
                syn_blob_exists(p.b, EMPTY, NULL),
            "after a restart");
    drop_place(&p);
}

static bool tmp_empty(const struct place *p)
{
    return rmdir(path_of(p, "tmp%.0s", "")) == 0 && mkdir(path_of(p, "tmp%.0s", ""), 0700) == 0;
}

static void test_limits(void)
{
    struct place p = new_place();
    struct syn_blob_writer *w;
    char sha[SYN_SHA256_HEX_SIZE] = "untouched";
    uint64_t bytes = 77;
    T_MUST(syn_blob_begin(p.b, 3, &w, &err) == SYN_OK);
    T_CHECK(syn_blob_write(w, "abcd", 4, &err) == SYN_TOO_LARGE && strstr(err.text, "limit is 3"),
            "%s", err.text);
    T_CHECK(syn_blob_write(w, "a", 1, &err) == SYN_TOO_LARGE, "the writer is spent");
    T_CHECK(syn_blob_commit(w, sha, &bytes, &err) == SYN_TOO_LARGE, "so commit fails");
    T_CHECK(strcmp(sha, "untouched") == 0 && bytes == 77, "and gives nothing out");
    T_MUST(syn_blob_begin(p.b, 3, &w, &err) == SYN_OK);
    T_CHECK(syn_blob_write(w, "abc", 3, &err) == SYN_OK &&
                syn_blob_write(w, "d", 1, &err) == SYN_TOO_LARGE,
            "one over");
    syn_blob_abort(w);
    syn_blob_abort(NULL);
    T_MUST(syn_blob_begin(p.b, UINT64_MAX, &w, &err) == SYN_OK);
    T_CHECK(syn_blob_write(w, "abc", 3, &err) == SYN_OK, "no limit");
    syn_blob_abort(w);
    T_CHECK(!syn_blob_exists(p.b, ABC, NULL) && counted(&p) == 0, "an abort leaves nothing");
    syn_store_close(p.s);
    T_CHECK(tmp_empty(&p), "nor in tmp");
    t_folder_drop(p.dir);
}

static void test_E07_hostile_names(void)
{
    struct place p = new_place();
    char upper[SYN_SHA256_HEX_SIZE], longer[301], dotted[SYN_SHA256_HEX_SIZE],
        shifted[SYN_SHA256_HEX_SIZE + 1];
    const char *name[] = {"../x", "..%2f..%2fx", "..\\x", "/etc/passwd", "",    ".",
                          "..",   "tmp",         "ba",    "ba/../x",     upper, longer,
                          dotted, shifted,       ABC + 1, NULL};
    T_MUST(syn_blob_put(p.b, "abc", 3, NULL, &err) == SYN_OK);
    for (int i = 0; i < SYN_SHA256_HEX_SIZE; i++)
        upper[i] = (char)(ABC[i] >= 'a' ? ABC[i] - 32 : ABC[i]);
    memset(longer, 'a', 300), longer[300] = '\0';
    memcpy(dotted, "../../../../../../../../../../../../../../../../../../etc/passwd",
           SYN_SHA256_HEX_SIZE);
    T_MUST(strlen(dotted) == 64);
    snprintf(shifted, sizeof shifted, "%sa", ABC);
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        uint64_t bytes = 7;
        void *data = NULL;
        size_t n = 7;
        int fd = -7;
        T_CHECK(!syn_blob_name_ok(name[i]), "name %zu", i);
        T_CHECK(syn_blob_open(p.b, name[i], &fd, &bytes, &err) == SYN_NOT_FOUND && fd == -7,
                "name %zu opens", i);
        T_CHECK(strlen(err.text) < 130, "a long name is cut: %s", err.text);
        T_CHECK(syn_blob_read(p.b, name[i], 100, &data, &n, &err) == SYN_NOT_FOUND && !data &&
                    n == 7,
                "name %zu", i);
        T_CHECK(!syn_blob_exists(p.b, name[i], &bytes) && bytes == 7, "name %zu exists", i);
        if (name[i])
            T_CHECK(syn_blobs_drop_old(p.b, name[i], INT64_MAX, &err) == SYN_INVALID, "name %zu",
                    i);
    }
    T_CHECK(syn_blob_exists(p.b, ABC, NULL), "the good one");
    drop_place(&p);
}

/* Whatever has a blob's name but is no regular file is no blob, and holds nobody up. */
static void test_E07_strange_files(void)
{
    struct place p = new_place();
    char sha[SYN_SHA256_HEX_SIZE], secret[4200], name[SYN_SHA256_HEX_SIZE];
    FILE *f;
    snprintf(secret, sizeof secret, "%s/secret", p.dir);
    T_MUST((f = fopen(secret, "w")) && fputs("secret", f) > 0 && fclose(f) == 0);
    T_MUST(mkdir(path_of(&p, "%.2s", ABC), 0700) == 0);
    for (int kind = 0; kind < 3; kind++) { /* a link, a FIFO, a folder */
        const char *path = path_of(&p, "%.2s/%s", ABC);
        uint64_t bytes;
        int fd = -7;
        if (kind == 0) T_MUST(symlink(secret, path) == 0);
        if (kind == 1) T_MUST(mkfifo(path, 0600) == 0);
        if (kind == 2) T_MUST(mkdir(path, 0700) == 0);
        alarm(20);
        T_CHECK(syn_blob_open(p.b, ABC, &fd, &bytes, &err) == SYN_NOT_FOUND && fd == -7,
                "kind %d opens", kind);
        T_CHECK(!syn_blob_exists(p.b, ABC, &bytes), "kind %d exists", kind);
        T_CHECK(syn_blobs_drop_old(p.b, ABC, INT64_MAX, &err) == SYN_OK, "kind %d: %s", kind,
                err.text);
        alarm(0);
        if (kind < 2) { /* replaced by the real one, and the link's target is not touched */
            T_CHECK(syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_OK &&
                        syn_blob_exists(p.b, ABC, &bytes) && bytes == 3,
                    "kind %d: %s", kind, err.text);
            T_CHECK(counted(&p) == 3, "%d bytes", (int)counted(&p));
            T_CHECK(syn_blobs_drop_old(p.b, ABC, INT64_MAX, &err) == SYN_OK && counted(&p) == 0,
                    "gone again");
        } else {
            T_CHECK(syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_IO, "a folder in the way: %s",
                    err.text);
        }
    }
    T_MUST((f = fopen(secret, "r")) && fgets(name, sizeof name, f) && fclose(f) == 0);
    T_CHECK(strcmp(name, "secret") == 0, "the secret is \"%s\"", name);
    T_MUST(rmdir(path_of(&p, "%.2s/%s", ABC)) == 0 && rmdir(path_of(&p, "%.2s", ABC)) == 0);
    T_MUST(symlink("/tmp", path_of(&p, "%.2s", ABC)) == 0); /* the folder itself is a link */
    T_CHECK(!syn_blob_exists(p.b, ABC, NULL) && syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_IO,
            "not through a link");
    T_CHECK(syn_store_sweep(p.s, t_now_ms() + 2 * HOUR, &err) == SYN_OK, "sweep passes it: %s",
            err.text);
    reopen(&p);
    T_CHECK(counted(&p) == 0, "so does open");
    drop_place(&p);
}

/* A blob that is there but cut short (a disk that was repaired) is written anew. */
static void test_cut_file(void)
{
    struct place p = new_place();
    char sha[SYN_SHA256_HEX_SIZE];
    uint64_t bytes = 0;
    T_MUST(syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_OK);
    T_MUST(truncate(path_of(&p, "%.2s/%s", ABC), 1) == 0);
    T_CHECK(syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_OK && syn_blob_exists(p.b, ABC, &bytes) &&
                bytes == 3,
            "whole");
    reopen(&p);
    T_CHECK(counted(&p) == 3, "%d bytes", (int)counted(&p));
    drop_place(&p);
}

static void set_age(const char *path, int64_t ms)
{
    int64_t then = t_now_ms() - ms;
    struct timespec t[2] = {{then / 1000, then % 1000 * 1000000},
                            {then / 1000, then % 1000 * 1000000}};
    T_MUST(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW) == 0);
}

static void test_sweep(void)
{
    struct place p = new_place();
    struct syn_blob_writer *w;
    struct syn_job j = {.kind = "upscale", .n_inputs = 1};
    struct syn_submit in = {&j, NULL};
    char sha[SYN_SHA256_HEX_SIZE], id[SYN_JOB_ID_SIZE], tmp[SYN_BLOB_TMP_NAME];
    FILE *f;
    T_MUST(syn_blob_put(p.b, "abc", 3, sha, &err) == SYN_OK);
    set_age(path_of(&p, "%.2s/%s", ABC), 2 * HOUR);
    T_MUST(syn_blob_put(p.b, "abc", 3, sha, &err) ==
           SYN_OK); /* told again that it is there: an hour again */
    T_CHECK(syn_store_sweep(p.s, t_now_ms(), &err) == SYN_OK && syn_blob_exists(p.b, ABC, NULL),
            "renewed");
    set_age(path_of(&p, "%.2s/%s", ABC), 2 * HOUR);
    strcpy(j.input[0].name, "image"), strcpy(j.input[0].sha256, ABC);
    T_MUST(syn_store_submit(p.s, &in, id, NULL, &err) == SYN_OK); /* named, as old as it is */
    T_CHECK(syn_store_sweep(p.s, t_now_ms(), &err) == SYN_OK && syn_blob_exists(p.b, ABC, NULL),
            "named");
    T_MUST(syn_blob_begin(p.b, 10, &w, &err) == SYN_OK &&
           syn_blob_write(w, "half", 4, &err) == SYN_OK);
    memcpy(tmp, w->tmp, sizeof tmp);
    set_age(path_of(&p, "tmp/%s", tmp), 2 * HOUR);
    T_MUST((f = fopen(path_of(&p, "tmp/%s", "1-1"), "w")) && fclose(f) == 0);
    T_MUST((f = fopen(path_of(&p, "tmp/%s", "1-2"), "w")) && fclose(f) == 0);
    set_age(path_of(&p, "tmp/%s", "1-1"), 2 * HOUR);
    T_CHECK(syn_store_sweep(p.s, t_now_ms(), &err) == SYN_OK, "%s", err.text);
    T_CHECK(access(path_of(&p, "tmp/%s", tmp), F_OK) == 0, "a slow upload goes on");
    T_CHECK(access(path_of(&p, "tmp/%s", "1-1"), F_OK) != 0, "an old leftover is gone");
    T_CHECK(access(path_of(&p, "tmp/%s", "1-2"), F_OK) == 0, "a young one is not");
    T_CHECK(syn_blob_commit(w, sha, NULL, &err) == SYN_OK && syn_blob_exists(p.b, sha, NULL), "%s",
            err.text);
    reopen(&p);
    T_CHECK(access(path_of(&p, "tmp/%s", "1-2"), F_OK) != 0, "at open nobody owns any");
    drop_place(&p);
}

static void test_allocations(void)
{
    struct place p = new_place();
    char sha[SYN_SHA256_HEX_SIZE];
    void *data = NULL;
    size_t n;
    syn_status st = SYN_NO_MEMORY;
    for (int i = 1; i < 20 && st != SYN_OK; i++) {
        syn_alloc_fail_at(i);
        st = syn_blob_put(p.b, "abc", 3, sha, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !syn_blob_exists(p.b, ABC, NULL)),
                "put, allocation %d", i);
    }
    T_CHECK(st == SYN_OK, "%s", err.text);
    syn_alloc_fail_at(1);
    T_CHECK(syn_blob_read(p.b, ABC, 3, &data, &n, &err) == SYN_NO_MEMORY && !data,
            "read without memory");
    syn_alloc_fail_at(0);
    set_age(path_of(&p, "%.2s/%s", ABC), 2 * HOUR);
    syn_alloc_fail_at(1);
    T_CHECK(syn_store_sweep(p.s, t_now_ms(), &err) == SYN_NO_MEMORY, "sweep without memory");
    syn_alloc_fail_at(0);
    T_CHECK(syn_blob_exists(p.b, ABC, NULL), "swept nothing");
    T_CHECK(syn_store_sweep(p.s, t_now_ms(), &err) == SYN_OK && !syn_blob_exists(p.b, ABC, NULL),
            "then all of it");
    drop_place(&p);
}

/* --- threads -------------------------------------------------------------------------------------------- */

static void *put_many(void *p)
{
    struct place *place = p;
    struct syn_err e;
    for (int i = 0; i < 60; i++) {
        char text[32], sha[SYN_SHA256_HEX_SIZE];
        void *data = NULL;
        size_t n = 0;
        snprintf(text, sizeof text, "blob %d", i % 20);
        T_MUST(syn_blob_put(place->b, text, strlen(text), sha, &e) == SYN_OK);
        T_MUST(syn_blob_read(place->b, sha, 100, &data, &n, &e) == SYN_OK);
        T_MUST(n == strlen(text) && memcmp(data, text, n) == 0);
        syn_free(data);
    }
    return NULL;
}

static void *sweep_many(void *p)
{
    struct place *place = p;
    struct syn_err e;
    for (int i = 0; i < 20; i++) T_MUST(syn_store_sweep(place->s, t_now_ms(), &e) == SYN_OK);
    return NULL;
}

static void test_threads(void)
{
    struct place p = new_place();
    pthread_t t[9];
    uint64_t bytes = 0;
    for (int i = 0; i < 8; i++) T_MUST(pthread_create(&t[i], NULL, put_many, &p) == 0);
    T_MUST(pthread_create(&t[8], NULL, sweep_many, &p) == 0);
    for (int i = 0; i < 9; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 20; i++) bytes += i < 10 ? 6 : 7;
    T_CHECK(counted(&p) == bytes, "%d of %d bytes", (int)counted(&p), (int)bytes);
    reopen(&p);
    T_CHECK(counted(&p) == bytes, "%d of %d bytes after a restart", (int)counted(&p), (int)bytes);
    drop_place(&p);
}

int main(void)
{
    test_round_trip();
    test_limits();
    test_E07_hostile_names();
    test_E07_strange_files();
    test_cut_file();
    test_sweep();
    test_allocations();
    test_threads();
    return t_report();
}
