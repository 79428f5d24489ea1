/* onnx_decode.h - the state while an ONNX file is taken apart, and the steps that share it.
 *
 * Layer:   kernels/load; shared by onnx_file.c (file, model, functions), onnx_decode.c (graphs,
 *          nodes, attributes, types), onnx_tensor.c (tensors) and onnx_external.c (files beside
 *          the model).
 * Lists:   a message is walked twice: the first walk counts the entries of each repeated field,
 *          the second fills arrays of just that size. What a count costs is bounded by the bytes
 *          of the file and by the budget of objects.
 * Threads: a decoder belongs to one thread. */
#ifndef SYN_ONNX_DECODE_H
#define SYN_ONNX_DECODE_H

#include "kernels/load/onnx_file.h"
#include "kernels/load/pb.h"

struct syn_onnx_decoder {
    struct syn_arena *arena;
    int64_t objects;     /* how many more may be made */
    size_t dense_bytes;  /* how many more sparse tensors may take, made dense */
    const char *folder;  /* of external data; NULL: none */
    const struct syn_onnx_options *opt;
    struct syn_onnx_maps **maps; /* grows as files are mapped */
    struct syn_err *err;
};

/* Where a failure happened, put before its text while there is room for it: of bodies within
 * bodies the innermost places stay, and always what is wrong. Returns st. */
syn_status syn_onnx_at(struct syn_onnx_decoder *d, syn_status st, const char *format, ...)
    SYN_PRINTF(3, 4);

/* n zeroed entries for an array; counts against the budget. *out is NULL for n = 0. */
SYN_MUST_CHECK syn_status syn_onnx_array(struct syn_onnx_decoder *d, size_t n, size_t size,
                                         const char *what, void **out);

/* A name or text as a string of the arena: UTF-8, no NUL, at most SYN_ONNX_MAX_NAME_BYTES. */
SYN_MUST_CHECK syn_status syn_onnx_text(struct syn_onnx_decoder *d, const struct syn_pb_field *f,
                                        const char *what, const char **out);
/* Any bytes, copied. */
SYN_MUST_CHECK syn_status syn_onnx_bytes_of(struct syn_onnx_decoder *d,
                                            const struct syn_pb_field *f, const char *what,
                                            struct syn_onnx_bytes *out);

SYN_MUST_CHECK syn_status syn_onnx_read_tensor(struct syn_onnx_decoder *d, struct syn_pb m,
                                               struct syn_onnx_tensor *out);
SYN_MUST_CHECK syn_status syn_onnx_read_sparse(struct syn_onnx_decoder *d, struct syn_pb m,
                                               struct syn_onnx_tensor *out);
SYN_MUST_CHECK syn_status syn_onnx_read_graph(struct syn_onnx_decoder *d, struct syn_pb m,
                                              struct syn_onnx_graph *out);
SYN_MUST_CHECK syn_status syn_onnx_read_node(struct syn_onnx_decoder *d, struct syn_pb m,
                                             struct syn_onnx_node *out);
SYN_MUST_CHECK syn_status syn_onnx_read_attr(struct syn_onnx_decoder *d, struct syn_pb m,
                                             struct syn_onnx_attr *out);

/* StringStringEntryProto: key = 1, value = 2. */
SYN_MUST_CHECK syn_status syn_onnx_read_prop(struct syn_onnx_decoder *d, struct syn_pb m,
                                             struct syn_onnx_prop *out);

/* Bytes of a file beside the model: *data borrowed until the file is closed. length < 0: to be
 * taken as `need`. Checks that length = need and that offset + need lies in the file. */
SYN_MUST_CHECK syn_status syn_onnx_external(struct syn_onnx_decoder *d, const char *location,
                                            int64_t offset, int64_t length, size_t need,
                                            const void **data);
void syn_onnx_maps_close(struct syn_onnx_maps *maps); /* NULL-safe */
uint64_t syn_onnx_maps_bytes(const struct syn_onnx_maps *maps); /* of all files */
void syn_onnx_maps_drop(
    const struct syn_onnx_maps *maps); /* gives the pages back; they are read again when touched */

#endif
