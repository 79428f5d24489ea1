/* test_npy.c - .npy files as NumPy writes them, and hostile ones. */
#include "kernels/base/alloc.h"
#include "server/media/npy.h"
#include "tests/t.h"
#include <string.h>

/* A version 1.0 file with this header text and payload. */
static size_t make(uint8_t *to, const char *header, const void *payload, size_t n)
{
    const size_t h = strlen(header);
    memcpy(to, "\x93NUMPY\x01\x00", 8);
    to[8] = (uint8_t)h, to[9] = (uint8_t)(h >> 8);
    memcpy(to + 10, header, h);
    if (n) memcpy(to + 10 + h, payload, n);
    return 10 + h + n;
}

static void refuse(const char *header, size_t n, syn_status want, const char *words)
{
    uint8_t file[512];
    const uint8_t zeros[64] = {0};
    struct syn_tensor t;
    struct syn_err err = {""};
    const size_t size = make(file, header, zeros, n);
    const syn_status st = syn_npy_decode(file, size, 4096, &t, &err);
    T_CHECK(st == want && strstr(err.text, words), "%s: %s '%s'", header, syn_status_word(st), err.text);
}

static void test_reads_what_numpy_writes(void)
{
    const float x[6] = {0, 1, 2, 3, 4, 5};
    uint8_t file[512];
    struct syn_tensor t;
    struct syn_err err = {""};
    size_t n = make(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }          \n", x, sizeof x);
    T_CHECK(syn_npy_decode(file, n, 4096, &t, &err) == SYN_OK, "%s", err.text);
    T_CHECK(t.dtype == SYN_F32 && t.shape.rank == 2 && t.shape.dim[0] == 2 && t.shape.dim[1] == 3, "shape");
    T_CHECK(memcmp(t.data, x, sizeof x) == 0, "elements");
    uint8_t *bytes;
    T_CHECK(syn_npy_encode(&t, &bytes, &n, &err) == SYN_OK, "%s", err.text);
    T_CHECK((n - sizeof x) % 64 == 0 && memcmp(bytes + n - sizeof x, x, sizeof x) == 0, "encoded, aligned to 64");
    syn_free(bytes);
    syn_free(t.data);
    const int64_t five = 5;
    n = make(file, "{'shape': (), 'fortran_order': False, 'descr': '<i8'}\n", &five, 8);
    T_CHECK(syn_npy_decode(file, n, 4096, &t, &err) == SYN_OK && t.shape.rank == 0 && *(int64_t *)t.data == 5,
            "a scalar, keys in another order: %s", err.text);
    syn_free(t.data);
    const uint8_t truth[2] = {7, 0};
    n = make(file, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}\n", truth, 2);
    T_CHECK(syn_npy_decode(file, n, 4096, &t, &err) == SYN_OK && ((uint8_t *)t.data)[0] == 1, "bools are 0 or 1");
    syn_free(t.data);
}

/* The header alone tells type, shape and size; what is refused there is refused whole. */
static void test_probe(void)
{
    const float x[6] = {0, 1, 2, 3, 4, 5};
    uint8_t file[512];
    const uint8_t *data = NULL;
    struct syn_tensor t = {.data = file};
    struct syn_err err = {""};
    size_t bytes = 0, n = make(file, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", x, sizeof x);
    T_CHECK(syn_npy_probe(file, n, &t, &data, &bytes, &err) == SYN_OK && bytes == sizeof x && !t.data, "%s", err.text);
    T_CHECK(t.dtype == SYN_F32 && t.shape.rank == 2 && t.shape.dim[1] == 3 && memcmp(data, x, sizeof x) == 0, "header");
    T_CHECK(syn_npy_probe(file, n - 1, &t, &data, &bytes, &err) == SYN_TRUNCATED, "%s", err.text);
    n = make(file, "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 536870912)}", x, sizeof x);
    T_CHECK(syn_npy_probe(file, n, &t, &data, &bytes, &err) == SYN_TOO_LARGE, "%s", err.text);
}

static void test_refuses(void)
{
    uint8_t file[16] = "not numpy";
    struct syn_tensor t;
    struct syn_err err = {""};
    T_CHECK(syn_npy_decode(file, sizeof file, 64, &t, &err) == SYN_UNSUPPORTED, "magic");
    refuse("{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", 8, SYN_UNSUPPORTED, "type >f4");
    refuse("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 8, SYN_UNSUPPORTED, "type |O");
    refuse("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", 8, SYN_UNSUPPORTED, "fortran_order");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 8, SYN_TRUNCATED, "12 bytes");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 8, SYN_INVALID, "4 bytes after");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8, SYN_INVALID, "shape");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 8, SYN_TOO_LARGE, "more than");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 8, SYN_INVALID, "shape");
    refuse("{'descr': '<f4', 'fortran_order': False, 'shape': (2000,)}", 8, SYN_TOO_LARGE, "4096 bytes");
    refuse("{'descr': '<f4', 'shape': (2,)}", 8, SYN_INVALID, "lacks");
    refuse("__import__('os')", 8, SYN_INVALID, "dictionary");
}

int main(void)
{
    test_reads_what_numpy_writes();
    test_probe();
    test_refuses();
    return t_report();
}
