/* npz.c - see npz.h; the zip is libarchive's to read. */
#include "server/media/npz.h"
#include "kernels/base/alloc.h"
#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define MAX_ARRAYS 65536

struct array {
    char *name;
    struct syn_tensor t;
};
struct syn_npz {
    struct array *array;
    int32_t n, cap;
};

void syn_npz_close(struct syn_npz *z)
{
    for (int32_t i = 0; z && i < z->n; i++) {
        syn_free(z->array[i].name);
        syn_free(z->array[i].t.data);
    }
    if (z) syn_free(z->array);
    syn_free(z);
}

const struct syn_tensor *syn_npz_find(const struct syn_npz *z, const char *name)
{
    for (int32_t i = 0; i < z->n; i++)
        if (!strcmp(z->array[i].name, name)) return &z->array[i].t;
    return NULL;
}

/* Everything of one entry, at most `most` bytes. */
static syn_status read_entry(struct archive *a, size_t most, uint8_t **out, size_t *n,
                             struct syn_err *err)
{
    uint8_t *p = NULL;
    size_t cap = 0;
    *n = 0;
    for (;;) {
        la_ssize_t got;
        if (*n == cap) {
            const size_t wanted = cap ? cap * 2 : 65536;
            uint8_t *more = cap > most ? NULL : syn_realloc(p, wanted, 1);
            if (!more) {
                syn_free(p);
                return syn_fail(err, SYN_TOO_LARGE, "npz: an array of over %zu bytes, or no memory",
                                cap);
            }
            p = more, cap = wanted;
        }
        got = archive_read_data(a, p + *n, cap - *n);
        if (got < 0) {
            syn_free(p);
            return syn_fail(err, SYN_INVALID, "npz: %s", archive_error_string(a));
        }
        if (got == 0) break;
        *n += (size_t)got;
    }
    *out = p;
    return SYN_OK;
}

static syn_status add(struct syn_npz *z, const char *file, struct syn_tensor *t,
                      struct syn_err *err)
{
    const size_t n = strlen(file);
    if (z->n == MAX_ARRAYS) return syn_fail(err, SYN_TOO_LARGE, "npz: over %d arrays", MAX_ARRAYS);
    if (z->n == z->cap) {
        struct array *more = syn_realloc(z->array, (size_t)z->cap * 2 + 64, sizeof *more);
        if (!more) return syn_fail(err, SYN_NO_MEMORY, "npz: no memory");
        z->array = more;
        z->cap = z->cap * 2 + 64;
    }
    if (!(z->array[z->n].name = syn_strdup(file)))
        return syn_fail(err, SYN_NO_MEMORY, "npz: no memory");
    if (n > 4 && !strcmp(file + n - 4, ".npy")) z->array[z->n].name[n - 4] = '\0';
    z->array[z->n++].t = *t;
    return SYN_OK;
}

syn_status syn_npz_open(const char *path, size_t max_bytes, struct syn_npz **out,
                        struct syn_err *err)
{
    struct syn_npz *z = syn_calloc(1, sizeof *z);
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    syn_status st = z && a ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "npz: no memory");
    size_t left = max_bytes;
    int rc = ARCHIVE_OK;
    if (st == SYN_OK && (archive_read_support_format_zip(a) != ARCHIVE_OK ||
                         archive_read_open_filename(a, path, 65536) != ARCHIVE_OK))
        st = syn_fail(err, SYN_INVALID, "%s: %s", path, archive_error_string(a));
    while (st == SYN_OK && (rc = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(e);
        struct syn_tensor t = {.data = NULL};
        uint8_t *bytes = NULL;
        size_t n = 0;
        if (!name) st = syn_fail(err, SYN_INVALID, "npz: an array without a name");
        if (st == SYN_OK) st = read_entry(a, left, &bytes, &n, err);
        if (st == SYN_OK && (st = syn_npy_decode(bytes, n, left, &t, err)) != SYN_OK)
            st = syn_fail_in(err, st, "%s: ", name);
        syn_free(bytes);
        if (st == SYN_OK && (st = add(z, name, &t, err)) != SYN_OK) syn_free(t.data);
        left -= n < left ? n : left;
    }
    if (st == SYN_OK && rc != ARCHIVE_EOF)
        st = syn_fail(err, SYN_INVALID, "%s: %s", path, archive_error_string(a));
    if (a) archive_read_free(a);
    if (st != SYN_OK) {
        syn_npz_close(z);
        return st;
    }
    *out = z;
    return SYN_OK;
}
