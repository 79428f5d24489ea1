/* ncnn_build.h - the state while an ncnn model becomes a graph, and the table of layers.
 *
 * Layer:   kernels/load; shared by ncnn.c (files, names), ncnn_build.c (weights, parameters, nodes)
 *          and ncnn_layers.c (one function per layer).
 * Errors:  sticky. The first failure sets b->st and writes b->err; later calls do nothing and
 *          return something harmless, so that a layer reads as a list of steps and is checked once
 *          after them.
 * Threads: a builder belongs to one thread. */
#ifndef SYN_NCNN_BUILD_H
#define SYN_NCNN_BUILD_H

#include "kernels/base/bytes.h"
#include "kernels/graph/graph.h"
#include "kernels/load/ncnn_text.h"
#include "kernels/ops/ops.h"

/* What is known of a graph value before shapes are. */
struct syn_ncnn_meta {
    int64_t channels; /* -1 = not known */
    bool vector;      /* ncnn's 1-D blob: [1,c,1,1] */
};

struct syn_ncnn_build {
    struct syn_graph *g;
    struct syn_arena arena; /* lives while loading */
    const struct syn_ncnn_line *line;
    struct syn_bytes weights; /* what is left of them */
    size_t weights_n;
    struct syn_ncnn_meta *meta; /* by value of the graph */
    int32_t cap_meta;
    syn_status st;
    struct syn_err *err;
};

/* A layer type: how many operands it takes, which keys it reads (bit k = key k), and its builder,
 *               which
 * gets the input values and returns the output value. */
struct syn_ncnn_layer {
    const char *type;
    int32_t min_in, max_in;
    uint32_t keys;
    int32_t (*build)(struct syn_ncnn_build *b, const int32_t *in, int32_t n_in);
};
/* NULL when there is no such layer. Input and Split are in the table; ncnn.c handles their
 * names. */
const struct syn_ncnn_layer *syn_ncnn_layer_find(const char *type, size_t type_n);

/* Fails with "line 7: Convolution conv1: <text>". Keeps an earlier failure. */
void syn_ncnn_fail(struct syn_ncnn_build *b, syn_status st, const char *format, ...)
    SYN_PRINTF(3, 4);

/* Parameters of the current line; fallback when absent. Ranges include their ends. */
int64_t syn_ncnn_int(struct syn_ncnn_build *b, int32_t key, int64_t fallback, int64_t lo,
                     int64_t hi);
double syn_ncnn_float(struct syn_ncnn_build *b, int32_t key, double fallback);
int32_t syn_ncnn_list(struct syn_ncnn_build *b, int32_t key, const double **v); /* 0 when absent */

/* Weights, in the file's order. Values or -1 after a failure. what: "weights", "bias". */
struct syn_ncnn_data {
    const void *p;
    syn_dtype dtype;
};
struct syn_ncnn_data syn_ncnn_tagged(struct syn_ncnn_build *b, int64_t n, const char *what);
struct syn_ncnn_data syn_ncnn_plain(struct syn_ncnn_build *b, int64_t n, const char *what);
int32_t syn_ncnn_constant(struct syn_ncnn_build *b, struct syn_ncnn_data data, int32_t rank,
                          const int64_t *dim);
int32_t syn_ncnn_scalar(struct syn_ncnn_build *b, double v);

/* Adds a node named after the line and says what is known of its output. */
int32_t syn_ncnn_node(struct syn_ncnn_build *b, syn_op_id id, const int32_t *in, int32_t n_in,
                      const struct syn_attr *attr, int32_t n_attr, struct syn_ncnn_meta meta);
int32_t syn_ncnn_input(struct syn_ncnn_build *b, const char *name, int64_t channels);

struct syn_ncnn_meta syn_ncnn_meta_of(struct syn_ncnn_build *b, int32_t value);
/* The layer needs `channels` channels of the value: checked, or learnt when it is an input's. */
void syn_ncnn_need_channels(struct syn_ncnn_build *b, int32_t value, int64_t channels);

#endif
