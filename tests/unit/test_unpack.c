/* test_unpack.c - files taken out of packages: pinned sizes and digests, archives inside archives,
 * files in parts, links, damage, memory that runs out.
 *
 * Layer:   tests. */
#include "tests/archive_gen.h"

static char root[PATH_MAX], store[PATH_MAX];

/* Archives whose bytes are pinned but whose members are not what the catalog says. */
static void test_unpack(void)
{
    static const struct {
        struct ag_entry e[3];
        size_t n;
        const char *word;
    } cases[] = {
        {{{"p/a.param", "abc", AE_IFREG}}, 1, "p/a.bin is not in the archive"},
        {{{"p/a.param", "abcd", AE_IFREG}, {"p/a.bin", "wxyz", AE_IFREG}},
         2,
         "p/a.param in the archive has more than 3"},
        {{{"p/a.param", "ab", AE_IFREG}, {"p/a.bin", "wxyz", AE_IFREG}},
         2,
         "p/a.param in the archive has 2 bytes"},
        {{{"p/a.param", "abx", AE_IFREG}, {"p/a.bin", "wxyz", AE_IFREG}},
         2,
         "p/a.param in the archive has sha256"},
        {{{"p/a.param", "/etc/passwd", AE_IFLNK}, {"p/a.bin", "wxyz", AE_IFREG}},
         2,
         "p/a.param in the archive is not a regular"},
        {{{"../p/a.param", "abc", AE_IFREG}, {"p/a.bin", "wxyz", AE_IFREG}},
         2,
         "p/a.param is not in the archive"},
    };
    struct syn_member want[2] = {{.name = "a.param", .member = "p/a.param", .bytes = 3},
                                 {.name = "a.bin", .member = "p/a.bin", .bytes = 4}};
    char path[PATH_MAX], out[PATH_MAX];
    struct syn_err err = {""};
    fx_sha("abc", want[0].sha256);
    fx_sha("wxyz", want[1].sha256);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const char *name = i % 2 ? "case.whl" : "case.tgz";
        int fd, dir = -1;
        syn_status st;
        ag_write(store, name, i % 2, cases[i / 2].e, cases[i / 2].n);
        fd = open(fx_join(path, store, name), O_RDONLY);
        fx_need(mkdir(fx_join(out, root, "out"), 0700) == 0 &&
                    (dir = open(out, O_RDONLY | O_DIRECTORY)) >= 0,
                out);
        st = syn_unpack(fd, want, 2, dir, NULL, NULL, &err);
        T_CHECK(st == SYN_INVALID && strstr(err.text, cases[i / 2].word), "%s: want '%s', got '%s'",
                name, cases[i / 2].word, err.text);
        close(fd);
        close(dir);
        fx_remove(out);
    }
    /* No archive at all, and one cut short. */
    fx_text(store, "text", "this is not an archive, only a text that is somewhat long to be sure");
    for (int i = 0; i < 2; i++) {
        int fd = open(fx_join(path, store, i ? "case.tgz" : "text"), O_RDWR), dir;
        fx_need(mkdir(fx_join(out, root, "out"), 0700) == 0 &&
                    (dir = open(out, O_RDONLY | O_DIRECTORY)) >= 0,
                out);
        if (i) fx_need(ftruncate(fd, 60) == 0, path);
        T_CHECK(syn_unpack(fd, want, 2, dir, NULL, NULL, &err) == SYN_INVALID, "%s", err.text);
        close(fd);
        close(dir);
        fx_remove(out);
    }
}

/* --- archives inside, and files in parts --- */

/* Makes out, unpacks store/name into it, says how it went. */
static syn_status unpack_into(const char *name, const struct syn_member *want, size_t n, char *out,
                              struct syn_err *err)
{
    char path[PATH_MAX];
    int fd = open(fx_join(path, store, name), O_RDONLY), dir = -1;
    syn_status st;
    fx_need(fd >= 0 && mkdir(fx_join(out, root, "out"), 0700) == 0 &&
                (dir = open(out, O_RDONLY | O_DIRECTORY)) >= 0,
            out);
    st = syn_unpack(fd, want, n, dir, NULL, NULL, err);
    close(fd);
    close(dir);
    return st;
}

static bool file_is(const char *folder, const char *name, const char *text)
{
    size_t n;
    char *bytes = fx_slurp(folder, name, &n);
    bool same = n == strlen(text) && !memcmp(bytes, text, n);
    free(bytes);
    return same;
}

static void test_inner_archive(void)
{
    static const struct ag_entry inner[] = {{"tmp/skip", "not wanted", AE_IFREG},
                                         {"tmp/enc", "abc", AE_IFREG},
                                         {"tmp/link", "/etc/passwd", AE_IFLNK},
                                         {"tmp/dec", "wxyz", AE_IFREG}};
    struct syn_member want[3] = {
        {.name = "enc", .archive = "in/x.tgz", .member = "tmp/enc", .bytes = 3},
        {.name = "dec", .archive = "in/x.tgz", .member = "tmp/dec", .bytes = 4},
        {.name = "note", .member = "note", .bytes = 2}};
    struct ag_entry outer[4] = {{"in/other", "x", AE_IFREG},
                             {.path = "in/x.tgz", .type = AE_IFREG},
                             {"tmp/enc", "ABC", AE_IFREG},
                             {"note", "hi", AE_IFREG}};
    char out[PATH_MAX], *bytes;
    size_t sizes[4] = {0};
    struct syn_err err = {""};
    ag_write(store, "inner.tgz", false, inner, 4);
    bytes = fx_slurp(store, "inner.tgz", &sizes[1]);
    outer[1].bytes = bytes;
    fx_sha("abc", want[0].sha256);
    fx_sha("wxyz", want[1].sha256);
    fx_sha("hi", want[2].sha256);
    for (int zip = 0; zip < 2; zip++) {
        static const struct {
            const char *member, *word; /* of want[1] */
        } cases[] = {{"tmp/link", "tmp/link in the archive is not a regular"},
                     {"tmp/skip", "tmp/skip in the archive has more than 4"},
                     {"tmp/none", "tmp/none is not in the archive in/x.tgz"},
                     {"note", "note is not in the archive in/x.tgz"}};
        struct syn_member wrong[3];
        ag_write_sized(store, "outer", zip, outer, sizes, 4);
        T_CHECK(unpack_into("outer", want, 3, out, &err) == SYN_OK, "%s", err.text);
        /* The outer entry of the same path as the inner one is not taken for it. */
        T_CHECK(fx_entries(out) == 3 && file_is(out, "enc", "abc") && file_is(out, "dec", "wxyz") &&
                    file_is(out, "note", "hi"),
                "%d files", fx_entries(out));
        fx_remove(out);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            memcpy(wrong, want, sizeof wrong);
            snprintf(wrong[1].member, sizeof wrong[1].member, "%s", cases[i].member);
            T_CHECK(unpack_into("outer", wrong, 3, out, &err) == SYN_INVALID &&
                        strstr(err.text, cases[i].word),
                    "want '%s', got '%s'", cases[i].word, err.text);
            fx_remove(out);
        }
        memcpy(wrong, want, sizeof wrong);
        strcpy(wrong[0].archive, "in/other"); /* no archive */
        T_CHECK(unpack_into("outer", wrong, 3, out, &err) == SYN_INVALID, "%s", err.text);
        fx_remove(out);
        sizes[1] -= 40; /* cut short */
        ag_write_sized(store, "short", zip, outer, sizes, 4);
        sizes[1] += 40;
        T_CHECK(unpack_into("short", want, 3, out, &err) == SYN_INVALID, "%s", err.text);
        fx_remove(out);
    }
    free(bytes);
}

/* A tar header that says its entry has more bytes than an archive inside may unpack to. */
static void test_inner_archive_bounded(void)
{
    struct syn_member want[1] = {
        {.name = "enc", .archive = "bomb.tar", .member = "tmp/enc", .bytes = 3}};
    struct ag_entry outer[1] = {{.path = "bomb.tar", .type = AE_IFREG}};
    char out[PATH_MAX], *bytes = t_alloc(4096);
    struct syn_err err = {""};
    unsigned sum = 0;
    memset(bytes, 0, 4096);
    memcpy(bytes, "tmp/big", 7);
    memcpy(bytes + 100, "0000644", 7);
    memcpy(bytes + 124, "77777777777", 11); /* 8 GiB less one */
    memcpy(bytes + 136, "00000000000", 11);
    memset(bytes + 148, ' ', 8);
    bytes[156] = '0';
    memcpy(bytes + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++) sum += (unsigned char)bytes[i];
    snprintf(bytes + 148, 8, "%06o", sum);
    outer[0].bytes = bytes;
    fx_sha("abc", want[0].sha256);
    ag_write_sized(store, "outer", false, outer, &(size_t){4096}, 1);
    T_CHECK(unpack_into("outer", want, 1, out, &err) == SYN_TOO_LARGE &&
                strstr(err.text, "bomb.tar unpacks to over 4294967296 bytes"),
            "%s", err.text);
    fx_remove(out);
    free(bytes);
}

static void test_parts(void)
{
    /* In the archive in another order than in the file. */
    struct ag_entry e[4] = {{"d/2", "89", AE_IFREG},
                         {"d/0", "0123", AE_IFREG},
                         {"d/x", "????", AE_IFREG},
                         {"d/1", "4567", AE_IFREG}};
    char parts[3][SYN_MEMBER_SIZE] = {"d/0", "d/1", "d/2"}, out[PATH_MAX];
    struct syn_member want[1] = {
        {.name = "whole", .bytes = 10, .part = parts, .n_parts = 3, .part_bytes = 4}};
    struct syn_err err = {""};
    fx_sha("0123456789", want[0].sha256);
    for (int zip = 0; zip < 2; zip++) {
        ag_write(store, "parts", zip, e, 4);
        T_CHECK(unpack_into("parts", want, 1, out, &err) == SYN_OK && fx_entries(out) == 1 &&
                    file_is(out, "whole", "0123456789"),
                "%s", err.text);
        fx_remove(out);
    }
    strcpy(parts[1], "d/x");
    T_CHECK(unpack_into("parts", want, 1, out, &err) == SYN_INVALID &&
                strstr(err.text, "whole joined of its parts has sha256"),
            "%s", err.text);
    fx_remove(out);
    strcpy(parts[1], "d/2"); /* the same twice: the second is not there */
    T_CHECK(unpack_into("parts", want, 1, out, &err) == SYN_INVALID, "%s", err.text);
    fx_remove(out);
    strcpy(parts[1], "d/1");
    e[3].bytes = "45678";
    ag_write(store, "parts", false, e, 4);
    T_CHECK(unpack_into("parts", want, 1, out, &err) == SYN_INVALID &&
                strstr(err.text, "d/1 in the archive has more than 4"),
            "%s", err.text);
    fx_remove(out);
    e[3].bytes = "456";
    ag_write(store, "parts", false, e, 4);
    T_CHECK(unpack_into("parts", want, 1, out, &err) == SYN_INVALID &&
                strstr(err.text, "d/1 in the archive has 3 bytes"),
            "%s", err.text);
    fx_remove(out);
}

static void test_unpack_allocation_fails(void)
{
    static const struct ag_entry inner[] = {{"e", "abc", AE_IFREG}};
    struct syn_member want[1] = {{.name = "e", .archive = "i", .member = "e", .bytes = 3}};
    struct ag_entry outer[1] = {{.path = "i", .type = AE_IFREG}};
    char out[PATH_MAX], *bytes;
    size_t size = 0;
    syn_status st = SYN_NO_MEMORY;
    long n = 1;
    ag_write(store, "inner.tgz", false, inner, 1);
    bytes = fx_slurp(store, "inner.tgz", &size);
    outer[0].bytes = bytes;
    ag_write_sized(store, "outer", false, outer, &size, 1);
    fx_sha("abc", want[0].sha256);
    for (; st == SYN_NO_MEMORY && n < 20; n++) {
        syn_alloc_fail_at(n);
        st = unpack_into("outer", want, 1, out, NULL);
        syn_alloc_fail_at(0);
        fx_remove(out);
    }
    T_CHECK(st == SYN_OK && n > 3, "%s after %ld allocations", syn_status_word(st), n);
    free(bytes);
}

int main(void)
{
    fx_folder(root);
    fx_need(mkdir(fx_join(store, root, "store"), 0700) == 0, root);
    test_unpack();
    test_inner_archive();
    test_inner_archive_bounded();
    test_parts();
    test_unpack_allocation_fails();
    fx_remove(root);
    return t_report();
}
