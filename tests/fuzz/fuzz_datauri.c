/* fuzz_datauri.c - base64 and data URIs: within the limit, or a stated error; never both. */
#include "kernels/base/alloc.h"
#include "server/http/datauri.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t max = size ? data[0] * 16u : 100;
    uint8_t *out = NULL;
    size_t n = 0;
    struct syn_err err = {{0}};
    syn_status st = syn_datauri_decode((const char *)data, size, max, &out, &n, &err);
    if (st == SYN_OK ? (!out || n == 0 || n > max) : (out || n || !err.text[0])) abort();
    if (out) { /* every byte is there */
        volatile uint8_t sum = 0;
        for (size_t i = 0; i < n; i++) sum = (uint8_t)(sum + out[i]);
    }
    syn_free(out);
    return 0;
}
