/* fuzz_npy.c - hostile .npy files: no crash, and what decodes encodes again to the same tensor. */
#include "kernels/base/alloc.h"
#include "server/media/npy.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct syn_tensor t, again;
    struct syn_err err;
    uint8_t *bytes;
    size_t n;
    if (syn_npy_decode(data, size, 1 << 20, &t, &err) != SYN_OK) return 0;
    if (syn_npy_encode(&t, &bytes, &n, &err) != SYN_OK) abort();
    if (syn_npy_decode(bytes, n, 1 << 20, &again, &err) != SYN_OK || !syn_shape_equal(&t.shape, &again.shape) ||
        t.dtype != again.dtype)
        abort();
    syn_free(bytes);
    syn_free(t.data);
    syn_free(again.data);
    return 0;
}
