/* onnx_file.h - an ONNX file as plain C structures: what it says, not yet what it means.
 *
 * Use:     struct syn_onnx_file *f; syn_onnx_file_open(path, NULL, &f, err); ... f->graph->node[i]
 *          ... syn_onnx_file_close(f);
 * Source:  onnx.proto of ONNX 1.23 (IR version 14); the message and field of everything below is
 *          named in onnx_decode.c and onnx_tensor.c, where it is read.
 * Ignored: doc strings, training info, quantization annotations, type_proto attributes, device
 *          configurations, and every field that is not known. Names must be UTF-8 without NUL.
 * Weights: raw bytes and packed f32/f64 lists are borrowed from the file (at any alignment) and
 *          never copied. Elements of less than a byte come one in a byte, int4 and int2 sign
 *          extended, float4 and float6 as their code; a sparse tensor comes dense.
 * External data: the path in a tensor is taken from the folder of the model and must end, links
 *          followed, in a regular file below that folder or below a root that the caller allows.
 *          Mapped read-only, once per file.
 * Layer:   kernels/load.
 * Ownership: everything belongs to the file and lives until syn_onnx_file_close.
 * Threads: immutable once open. */
#ifndef SYN_ONNX_FILE_H
#define SYN_ONNX_FILE_H

#include "kernels/base/arena.h"
#include "kernels/graph/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_ONNX_MAX_IR 14
#define SYN_ONNX_MAX_BYTES ((uint64_t)1 << 40)       /* of a file, unless the options say less */
#define SYN_ONNX_MAX_OBJECTS (INT64_C(1) << 22)      /* nodes, attributes, names, tensors, ... */
#define SYN_ONNX_MAX_SPARSE_BYTES ((size_t)256 << 20) /* of all sparse ones, made dense */
#define SYN_ONNX_MAX_NAME_BYTES ((size_t)1 << 16)

/* TensorProto.DataType: X(number, name, bits of an element). */
#define SYN_ONNX_TYPE_LIST(X)   \
    X(1, FLOAT, 32)             \
    X(2, UINT8, 8)              \
    X(3, INT8, 8)               \
    X(4, UINT16, 16)            \
    X(5, INT16, 16)             \
    X(6, INT32, 32)             \
    X(7, INT64, 64)             \
    X(8, STRING, 0)             \
    X(9, BOOL, 8)               \
    X(10, FLOAT16, 16)          \
    X(11, DOUBLE, 64)           \
    X(12, UINT32, 32)           \
    X(13, UINT64, 64)           \
    X(14, COMPLEX64, 64)        \
    X(15, COMPLEX128, 128)      \
    X(16, BFLOAT16, 16)         \
    X(17, FLOAT8E4M3FN, 8)      \
    X(18, FLOAT8E4M3FNUZ, 8)    \
    X(19, FLOAT8E5M2, 8)        \
    X(20, FLOAT8E5M2FNUZ, 8)    \
    X(21, UINT4, 4)             \
    X(22, INT4, 4)              \
    X(23, FLOAT4E2M1, 4)        \
    X(24, FLOAT8E8M0, 8)        \
    X(25, UINT2, 2)             \
    X(26, INT2, 2)              \
    X(27, FLOAT6E2M3, 6)        \
    X(28, FLOAT6E3M2, 6)

typedef enum syn_onnx_type {
    SYN_ONNX_UNDEFINED = 0,
#define SYN_ONNX_TYPE_ENUM(number, name, bits) SYN_ONNX_##name = number,
    SYN_ONNX_TYPE_LIST(SYN_ONNX_TYPE_ENUM)
#undef SYN_ONNX_TYPE_ENUM
    SYN_ONNX_TYPE_COUNT
} syn_onnx_type;

/* "FLOAT16"; "UNDEFINED" for 0 and for a number that is none. */
const char *syn_onnx_type_word(syn_onnx_type t);
/* Bytes of an element of a struct syn_onnx_tensor; 0 for STRING and UNDEFINED. */
size_t syn_onnx_type_bytes(syn_onnx_type t);

/* Bytes that need not be text; a NUL follows them. */
struct syn_onnx_bytes {
    const char *p;
    size_t n;
};

struct syn_onnx_tensor {
    const char *name; /* "" when nameless */
    syn_onnx_type type;
    struct syn_shape shape; /* known */
    int64_t elements;
    const void *data; /* elements * syn_onnx_type_bytes(type) bytes at any alignment; NULL for
                         STRING and for tensors of no elements */
    const struct syn_onnx_bytes *string; /* STRING: the elements */
};

/* AttributeProto.AttributeType, its numbers. */
typedef enum syn_onnx_attr_type {
    SYN_ONNX_ATTR_NONE = 0, /* a reference to a function's attribute may leave it out */
    SYN_ONNX_ATTR_FLOAT = 1,
    SYN_ONNX_ATTR_INT = 2,
    SYN_ONNX_ATTR_STRING = 3,
    SYN_ONNX_ATTR_TENSOR = 4,
    SYN_ONNX_ATTR_GRAPH = 5,
    SYN_ONNX_ATTR_FLOATS = 6,
    SYN_ONNX_ATTR_INTS = 7,
    SYN_ONNX_ATTR_STRINGS = 8,
    SYN_ONNX_ATTR_TENSORS = 9,
    SYN_ONNX_ATTR_GRAPHS = 10,
    SYN_ONNX_ATTR_SPARSE_TENSOR = 11, /* in t, dense */
    SYN_ONNX_ATTR_SPARSE_TENSORS = 12, /* in tensor, dense */
    SYN_ONNX_ATTR_TYPE_PROTO = 13,    /* its value is not kept */
    SYN_ONNX_ATTR_TYPE_PROTOS = 14
} syn_onnx_attr_type;

struct syn_onnx_graph;

struct syn_onnx_attr {
    const char *name;
    const char *ref; /* the function's attribute that it stands for; NULL: has its own value */
    syn_onnx_attr_type type;
    int64_t i;
    float f;
    struct syn_onnx_bytes s;
    int32_t n; /* entries of the list that `type` picks */
    const int64_t *ints;
    const float *floats;
    const struct syn_onnx_bytes *strings;
    const struct syn_onnx_tensor *tensor;       /* n of them; TENSOR: one */
    const struct syn_onnx_graph *const *graph;  /* n of them; GRAPH: one */
};

struct syn_onnx_node {
    const char *op_type, *domain; /* "ai.onnx" has become "" */
    const char *overload;         /* picks among functions of one name */
    const char *name;             /* "" when nameless */
    int32_t n_in, n_out, n_attrs;
    const char *const *in, *const *out; /* "" = left out */
    const struct syn_onnx_attr *attr;   /* no name twice */
};

/* An input, an output or a value whose type is stated. */
struct syn_onnx_value {
    const char *name;
    bool is_tensor;         /* else a sequence, a map, an optional, a sparse tensor, or untyped */
    syn_onnx_type type;     /* UNDEFINED when not stated */
    bool has_shape;         /* else the rank is not known */
    struct syn_shape shape; /* -1 where no number is stated */
    const char *symbol[SYN_MAX_RANK]; /* the name of an unknown dimension; NULL: it has none */
    const char *not_tensor; /* "sequence", "map", ...; NULL for tensors and untyped values */
};

struct syn_onnx_graph {
    const char *name;
    int32_t n_nodes, n_constants, n_inputs, n_outputs, n_values;
    const struct syn_onnx_node *node;
    const struct syn_onnx_tensor *constant; /* initializers, then sparse ones made dense */
    const struct syn_onnx_value *input, *output;
    const struct syn_onnx_value *value; /* value_info: types of values between nodes */
};

struct syn_onnx_opset {
    const char *domain;
    int64_t version;
};

struct syn_onnx_function {
    const char *domain, *name, *overload;
    int32_t n_in, n_out, n_attrs, n_defaults, n_nodes, n_opsets;
    const char *const *in, *const *out;
    const char *const *attr;               /* attributes without a default */
    const struct syn_onnx_attr *defaults;  /* attributes with one */
    const struct syn_onnx_node *node;
    const struct syn_onnx_opset *opset;
};

struct syn_onnx_prop {
    const char *key, *value;
};

/* Where external data may lie, and limits. All zero: none in memory, else the model's folder. */
struct syn_onnx_options {
    const char *folder;       /* of external data; NULL: the folder of the path, none for bytes */
    const char *const *root;  /* further folders in which the files may end up, links followed */
    int32_t n_roots;
    /* the only locations that there may be ("./" before them aside); NULL: any */
    const char *const *name;
    int32_t n_names;
    uint64_t max_file_bytes;  /* 0: SYN_ONNX_MAX_BYTES */
};

struct syn_onnx_file {
    int64_t ir_version;
    const char *producer, *producer_version;
    int32_t n_opsets, n_functions, n_props;
    const struct syn_onnx_opset *opset; /* no domain twice */
    const struct syn_onnx_function *function; /* no (domain, name, overload) twice */
    const struct syn_onnx_prop *prop;
    const struct syn_onnx_graph *graph;
    struct syn_arena arena;
    struct syn_onnx_maps *maps; /* files that are mapped; private */
};

/* Reads a model. SYN_INVALID: no ONNX model (what it looks like instead is said) or wrong in
 * itself; SYN_TRUNCATED: it ends too early; SYN_UNSUPPORTED: an IR version above
 * SYN_ONNX_MAX_IR, a rank above SYN_MAX_RANK, a tensor in segments; SYN_TOO_LARGE: over a limit;
 * SYN_NOT_FOUND, SYN_IO, SYN_NO_MEMORY. The text names the path (or nothing, for bytes) and the
 * node or tensor. *out is written on success only; the caller closes it. opt may be NULL. */
SYN_MUST_CHECK syn_status syn_onnx_file_open(const char *path, const struct syn_onnx_options *opt,
                                             struct syn_onnx_file **out, struct syn_err *err);
/* The same from memory, which must outlive the file. */
SYN_MUST_CHECK syn_status syn_onnx_file_parse(const void *data, size_t n,
                                              const struct syn_onnx_options *opt,
                                              struct syn_onnx_file **out, struct syn_err *err);
void syn_onnx_file_close(struct syn_onnx_file *f); /* NULL-safe */

uint64_t syn_onnx_file_bytes(const struct syn_onnx_file *f); /* of all files that are mapped */
/* Gives the pages of the mappings back to the system; they are read again when touched. */
void syn_onnx_file_drop(const struct syn_onnx_file *f);

/* One TensorProto, as test data comes: borrows from data, the rest lives in the arena. External
 * data is refused. */
SYN_MUST_CHECK syn_status syn_onnx_tensor_parse(const void *data, size_t n,
                                                struct syn_arena *arena,
                                                struct syn_onnx_tensor *out, struct syn_err *err);

/* What a file that is not ONNX seems to be ("a Git LFS pointer: ..."); NULL when nothing is
 * known. By content, whatever its name. */
const char *syn_onnx_looks_like(const void *data, size_t n);

#ifdef __cplusplus
}
#endif
#endif
