/* test_load_mapfile.c - mapping: contents, limits, and what is no file. */
#include "kernels/load/mapfile.h"
#include "tests/t.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f) abort();
    for (size_t i = 0; i < n; i++) fputc((int)(i * 7 & 255), f);
    fclose(f);
}

static syn_status open_status(const char *path, uint64_t limit, struct syn_err *err)
{
    struct syn_mapfile m = {0};
    const syn_status st = syn_mapfile_open(path, limit, &m, err);
    T_CHECK((st == SYN_OK) == (m.data != NULL), "%s: status %d, data %p", path, st, m.data);
    syn_mapfile_close(&m);
    T_CHECK(m.data == NULL && m.size == 0, "%s: closed", path);
    syn_mapfile_close(&m);
    return st;
}

int main(void)
{
    char dir[] = "/tmp/synthd-mapfile-XXXXXX", path[128], other[128];
    struct syn_mapfile m;
    struct syn_err err = {""};
    if (!mkdtemp(dir)) abort();
    snprintf(path, sizeof path, "%s/f", dir);
    snprintf(other, sizeof other, "%s/none", dir);

    write_file(path, 10000);
    T_CHECK(syn_mapfile_open(path, 10000, &m, &err) == SYN_OK, "%s", err.text);
    T_CHECK(m.size == 10000, "%zu", m.size);
    for (size_t i = 0; i < m.size; i += 97)
        T_CHECK(((const uint8_t *)m.data)[i] == (i * 7 & 255), "byte %zu", i);
    unlink(path); /* the mapping outlives the name */
    T_CHECK(((const uint8_t *)m.data)[9999] == (9999 * 7 & 255), "last byte");
    syn_mapfile_close(&m);

    write_file(path, 10001);
    T_CHECK(open_status(path, 10000, &err) == SYN_TOO_LARGE && strstr(err.text, "10001") &&
                strstr(err.text, "10000"),
            "%s", err.text);
    T_CHECK(open_status(path, UINT64_MAX, &err) == SYN_OK, "no limit");
    write_file(path, 0);
    T_CHECK(open_status(path, 10, &err) == SYN_INVALID && strstr(err.text, "empty"), "%s",
            err.text);
    T_CHECK(open_status(other, 10, &err) == SYN_NOT_FOUND && strstr(err.text, other), "%s",
            err.text);
    T_CHECK(open_status(dir, 10, &err) == SYN_INVALID && strstr(err.text, "regular"), "%s",
            err.text);
    T_CHECK(mkfifo(other, 0600) == 0, "a FIFO");
    T_CHECK(open_status(other, 10, &err) == SYN_INVALID, "a FIFO does not block: %s", err.text);
    unlink(other);
    unlink(path);
    rmdir(dir);
    syn_mapfile_close(NULL);
    return t_report();
}
