/* fuzz_ncnn.c - any text and weights through the ncnn loader, then shapes for a picture of 24x20.
 * Input: u32 (little endian) length of the text, the text, the weights. */
#include "kernels/base/bytes.h"
#include "kernels/load/ncnn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct syn_bytes b = syn_bytes_of(data, size);
    struct syn_graph *g = NULL;
    struct syn_err err;
    const uint8_t *text;
    uint32_t n;
    if (!syn_bytes_u32le(&b, &n) || !syn_bytes_take(&b, n, &text)) return 0;
    if (syn_ncnn_load((const char *)text, n, b.p, b.left, &g, &err) == SYN_OK && g->n_inputs <= 4) {
        struct syn_shape shapes[4];
        double sum = 0;
        for (int32_t i = 0; i < g->n_inputs; i++)
            shapes[i] = syn_shape4(1, g->value[g->input[i]].shape.dim[1], 24, 20);
        const syn_status st = syn_graph_infer(g, shapes, &err);
        (void)st; /* a graph that takes no such picture is fine */
        for (int32_t i = 0; i < g->n_values; i++) { /* constants lie inside what was given */
            int64_t k;
            if (g->value[i].data && syn_shape_elements(&g->value[i].shape, &k) && k > 0)
                sum += (double)syn_value_float(&g->value[i], k - 1);
        }
        if (sum == 0.125) err.text[0] = 'x'; /* keeps the reads */
    }
    syn_graph_free(g);
    return 0;
}
