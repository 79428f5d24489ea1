/* fuzz_onnx.c - any bytes as an ONNX model: decoded, then built into a graph whose constants are
 * read to their ends; and as one TensorProto. External data is refused: there is no folder. */
#include "kernels/load/onnx.h"
#include "kernels/load/onnx_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile double sink; /* keeps the reads */

static void read_constants(const struct syn_graph *g)
{
    for (int32_t i = 0; i < g->n_values; i++) {
        int64_t n;
        if (g->value[i].data && syn_shape_elements(&g->value[i].shape, &n) && n > 0)
            sink = (double)syn_value_float(&g->value[i], 0) +
                   (double)syn_value_float(&g->value[i], n - 1);
    }
    for (int32_t i = 0; i < g->n_bodies; i++) read_constants(g->body[i]);
}

/* Shapes of a few elements for what the file leaves open, as far as they can be told without
 * running. */
static void specialise(struct syn_graph *g)
{
    struct syn_shape shape[4];
    struct syn_err err;
    bool whole;
    int32_t at;
    if (g->n_inputs > 4) return;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        int64_t n;
        shape[i] = g->value[g->input[i]].shape;
        if (shape[i].rank < 0) shape[i].rank = 0;
        for (int32_t k = 0; k < shape[i].rank; k++)
            if (shape[i].dim[k] < 0) shape[i].dim[k] = 3;
        if (!syn_shape_elements(&shape[i], &n) || n > 1 << 16) return;
    }
    const syn_status st = syn_graph_specialise(g, shape, false, &whole, &at, &err);
    (void)st; /* a graph that takes no such shapes is fine */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct syn_onnx *file;
    struct syn_graph *g;
    struct syn_arena arena = {NULL};
    struct syn_onnx_tensor t;
    struct syn_err err;
    if (syn_onnx_load_bytes(data, size, NULL, &file, &g, &err) == SYN_OK) {
        read_constants(g);
        specialise(g);
        syn_graph_free(g);
        syn_onnx_close(file);
    }
    if (syn_onnx_tensor_parse(data, size, &arena, &t, &err) == SYN_OK && t.data && t.elements > 0) {
        const uint8_t *p = t.data;
        sink = p[0] + p[(size_t)t.elements * syn_onnx_type_bytes(t.type) - 1];
    }
    syn_arena_deinit(&arena);
    return 0;
}
