/* case_data.h - the tensors of one data set of a case: test_data_set_N/{input,output}_N.pb.
 *
 * Layer:   tests; part of node_suite.c. Reads TensorProto with the loader's own reader.
 * Ownership: struct case_data owns every tensor's bytes until case_data_free. */
#ifndef SYN_TESTS_CASE_DATA_H
#define SYN_TESTS_CASE_DATA_H

#include "kernels/base/alloc.h"
#include "kernels/engine.h"
#include "kernels/load/mapfile.h"
#include "kernels/load/onnx_file.h"
#include "tests/conformance/compare.h"
#include <limits.h>
#include <unistd.h>

#define CASE_MAX_VALUES 32
#define CASE_MAX_BYTES ((uint64_t)1 << 30)

struct case_data {
    struct syn_tensor in[CASE_MAX_VALUES], out[CASE_MAX_VALUES];
    int32_t n_in, n_out;
};

/* The engine's type for ONNX's; false when it has none (strings, complex numbers). */
static inline bool case_type(syn_onnx_type t, syn_dtype *out)
{
    static const struct {
        syn_onnx_type onnx;
        syn_dtype ours;
    } pairs[] = {{SYN_ONNX_FLOAT, SYN_F32},
                 {SYN_ONNX_FLOAT16, SYN_F16},
                 {SYN_ONNX_BFLOAT16, SYN_BF16},
                 {SYN_ONNX_DOUBLE, SYN_F64},
                 {SYN_ONNX_INT64, SYN_I64},
                 {SYN_ONNX_INT32, SYN_I32},
                 {SYN_ONNX_INT16, SYN_I16},
                 {SYN_ONNX_INT8, SYN_I8},
                 {SYN_ONNX_UINT64, SYN_U64},
                 {SYN_ONNX_UINT32, SYN_U32},
                 {SYN_ONNX_UINT16, SYN_U16},
                 {SYN_ONNX_UINT8, SYN_U8},
                 {SYN_ONNX_BOOL, SYN_BOOL},
                 {SYN_ONNX_INT4, SYN_I4},
                 {SYN_ONNX_UINT4, SYN_U4},
                 {SYN_ONNX_INT2, SYN_I2},
                 {SYN_ONNX_UINT2, SYN_U2},
                 {SYN_ONNX_FLOAT8E4M3FN, SYN_F8E4M3FN},
                 {SYN_ONNX_FLOAT8E4M3FNUZ, SYN_F8E4M3FNUZ},
                 {SYN_ONNX_FLOAT8E5M2, SYN_F8E5M2},
                 {SYN_ONNX_FLOAT8E5M2FNUZ, SYN_F8E5M2FNUZ},
                 {SYN_ONNX_FLOAT8E8M0, SYN_F8E8M0},
                 {SYN_ONNX_FLOAT4E2M1, SYN_F4E2M1}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].onnx == t) return *out = pairs[i].ours, true;
    return false;
}

/* Reads one TensorProto into a tensor with bytes of its own. */
static inline syn_status case_tensor_read(const char *path, struct syn_tensor *out,
                                          struct syn_err *err)
{
    struct syn_mapfile file = {.data = NULL};
    struct syn_arena arena = {.head = NULL};
    struct syn_onnx_tensor t;
    size_t bytes = 0;
    syn_status st = syn_mapfile_open(path, CASE_MAX_BYTES, &file, err);
    if (st != SYN_OK) return st;
    st = syn_onnx_tensor_parse(file.data, file.size, &arena, &t, err);
    if (st != SYN_OK) goto done;
    *out = (struct syn_tensor){.shape = t.shape};
    if (!case_type(t.type, &out->dtype)) {
        st = syn_fail(err, SYN_UNSUPPORTED, "type %s", syn_onnx_type_word(t.type));
        goto done;
    }
    if (!syn_mul((size_t)t.elements, syn_dtype_bytes(out->dtype), &bytes) ||
        !(out->data = syn_alloc(bytes)))
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for %zu bytes", bytes);
    else if (bytes) memcpy(out->data, t.data, bytes);
done:
    if (st != SYN_OK) syn_fail_in(err, st, "%s: ", path);
    syn_arena_deinit(&arena);
    syn_mapfile_close(&file);
    return st;
}

/* word_0.pb, word_1.pb, ... until one is missing. */
static inline syn_status case_values_read(const char *folder, int data_set, const char *word,
                                   struct syn_tensor *out, int32_t *n, struct syn_err *err)
{
    for (*n = 0; *n < CASE_MAX_VALUES; ++*n) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/test_data_set_%d/%s_%d.pb", folder, data_set, word,
                 (int)*n);
        if (access(path, F_OK)) return SYN_OK;
        const syn_status st = case_tensor_read(path, &out[*n], err);
        if (st != SYN_OK) return st;
    }
    return syn_fail(err, SYN_TOO_LARGE, "more than %d %ss", CASE_MAX_VALUES - 1, word);
}

static inline bool case_data_exists(const char *folder, int data_set)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/test_data_set_%d", folder, data_set);
    return access(path, F_OK) == 0;
}

static inline void case_data_free(struct case_data *d)
{
    for (int i = 0; i < CASE_MAX_VALUES; i++) {
        syn_free(d->in[i].data);
        syn_free(d->out[i].data);
    }
    *d = (struct case_data){.n_in = 0};
}

/* *d must be zeroed; free it whatever comes back. */
static inline syn_status case_data_read(const char *folder, int data_set, struct case_data *d,
                                 struct syn_err *err)
{
    syn_status st = case_values_read(folder, data_set, "input", d->in, &d->n_in, err);
    if (st == SYN_OK) st = case_values_read(folder, data_set, "output", d->out, &d->n_out, err);
    if (st == SYN_OK && d->n_out == 0)
        st = syn_fail(err, SYN_NOT_FOUND, "%s/test_data_set_%d: no output_0.pb", folder, data_set);
    return st;
}

#endif
