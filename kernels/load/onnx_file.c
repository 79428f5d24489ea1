/* onnx_file.c - opening an ONNX file; ModelProto and FunctionProto; telling files that are none.
 *
 * Field numbers are those of onnx.proto; each enum names its message.
 *
 * Layer:   kernels/load; see onnx_file.h and onnx_decode.h.
 * Threads: see onnx_decode.h. */
#include "kernels/load/onnx_file.h"
#include "kernels/base/alloc.h"
#include "kernels/load/mapfile.h"
#include "kernels/load/onnx_decode.h"
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* The model's own mapping, before the arena and the files beside it. */
struct open_file {
    struct syn_onnx_file file; /* first: what the caller holds points here */
    struct syn_mapfile map;    /* closed when the model came as memory */
};

/* ---- files that are something else --------------------------------------------------------- */

const char *syn_onnx_looks_like(const void *data, size_t n)
{
    static const struct {
        const char *begin, *what;
        size_t at, n;
        bool any_case;
    } known[] = {
        {"version https://git-lfs", "a Git LFS pointer: fetch the file that it stands for", 0, 23,
         false},
        {"<!doctype", "an HTML page, not the download", 0, 9, true},
        {"<html", "an HTML page, not the download", 0, 5, true},
        {"<?xml", "an XML page, not the download", 0, 5, true},
        {"PK\3\4", "a zip archive (a PyTorch checkpoint?): export the model to ONNX", 0, 4, false},
        {"\x80\2", "a Python pickle: it is never run; export the model to ONNX", 0, 2, false},
        {"\x80\3", "a Python pickle: it is never run; export the model to ONNX", 0, 2, false},
        {"\x80\4", "a Python pickle: it is never run; export the model to ONNX", 0, 2, false},
        {"\x80\5", "a Python pickle: it is never run; export the model to ONNX", 0, 2, false},
        {"\x1f\x8b", "a gzip archive: unpack it", 0, 2, false},
        {"GGUF", "a GGUF file", 0, 4, false},
        {"7767517\n", "an ncnn param text", 0, 8, false},
        {"\x89HDF\r\n", "an HDF5 file", 0, 6, false},
        {"TFL3", "a TensorFlow Lite file", 4, 4, false},
        {"ORTM", "a model in ONNX Runtime's own format: the .onnx file is wanted", 4, 4, false},
        {"{\"", "safetensors: weights without a graph", 8, 2, false},
        {"{", "JSON", 0, 1, false},
        {"ir_version", "an ONNX model as text: the binary form is wanted", 0, 10, false},
    };
    const char *p = data;
    size_t blank = 0;
    if (n == 0) return "an empty file";
    while (blank < n && blank < 64 && strchr(" \r\n\t", p[blank]) && p[blank]) blank++;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t at = known[i].any_case ? blank : known[i].at;
        if (at > n || n - at < known[i].n) continue;
        if (known[i].any_case ? !strncasecmp(p + at, known[i].begin, known[i].n)
                              : !memcmp(p + at, known[i].begin, known[i].n))
            return known[i].what;
    }
    return NULL;
}

/* ---- functions ----------------------------------------------------------------------------- */

enum { /* FunctionProto */
    FUN_NAME = 1,
    FUN_INPUT = 4,
    FUN_OUTPUT = 5,
    FUN_ATTRIBUTE = 6,
    FUN_NODE = 7,
    FUN_OPSET_IMPORT = 9,
    FUN_DOMAIN = 10,
    FUN_ATTRIBUTE_PROTO = 11,
    FUN_OVERLOAD = 13
};

/* The message inside f, by the reader of its structure. */
typedef syn_status read_fn(struct syn_onnx_decoder *d, struct syn_pb m, void *out);
static syn_status read_inner(struct syn_onnx_decoder *d, const struct syn_pb *m,
                             const struct syn_pb_field *f, const char *what, read_fn *read,
                             void *out)
{
    struct syn_pb inner;
    const syn_status st = syn_pb_enter(m, f, what, &inner, d->err);
    return st == SYN_OK ? read(d, inner, out) : st;
}

/* OperatorSetIdProto: domain = 1, version = 2. */
static syn_status read_opset(struct syn_onnx_decoder *d, struct syn_pb m, void *to)
{
    struct syn_onnx_opset *out = to;
    struct syn_pb_field f;
    syn_status st;
    out->domain = "";
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        if (f.number == 1) st = syn_onnx_text(d, &f, "opset domain", &out->domain);
        if (f.number == 2) st = syn_pb_int(&f, "opset version", &out->version, d->err);
        if (st != SYN_OK) return st;
    }
    if (!strcmp(out->domain, "ai.onnx")) out->domain = "";
    if (out->version < 1 || out->version > INT32_MAX)
        return syn_fail(d->err, SYN_INVALID,
                        "opset_import of domain \"%.80s\": version %" PRId64 ": must be at least 1",
                        out->domain, out->version);
    return st;
}

static syn_status check_opsets(struct syn_onnx_decoder *d, const struct syn_onnx_opset *opset,
                               int32_t n)
{
    if (n > 256)
        return syn_fail(d->err, SYN_TOO_LARGE, "%d opset imports: the limit is 256", (int)n);
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < i; k++)
            if (!strcmp(opset[i].domain, opset[k].domain) && opset[i].version != opset[k].version)
                return syn_fail(d->err, SYN_INVALID,
                                "opset_import of domain \"%.80s\": versions %" PRId64
                                " and %" PRId64,
                                opset[i].domain, opset[k].version, opset[i].version);
    return SYN_OK;
}

static syn_status node_of_function(struct syn_onnx_decoder *d, struct syn_pb m, void *out)
{
    return syn_onnx_read_node(d, m, out);
}
static syn_status attr_of_function(struct syn_onnx_decoder *d, struct syn_pb m, void *out)
{
    return syn_onnx_read_attr(d, m, out);
}

struct function_room {
    const char **in, **out, **attr;
    struct syn_onnx_attr *defaults;
    struct syn_onnx_node *node;
    struct syn_onnx_opset *opset;
};

static syn_status function_room(struct syn_onnx_decoder *d, struct syn_pb m,
                                struct syn_onnx_function *out, struct function_room *room)
{
    static const uint8_t field[6] = {FUN_INPUT,           FUN_OUTPUT, FUN_ATTRIBUTE,
                                     FUN_ATTRIBUTE_PROTO, FUN_NODE,   FUN_OPSET_IMPORT};
    static const size_t size[6] = {
        sizeof(char *),         sizeof(char *),      sizeof(char *),
        sizeof *room->defaults, sizeof *room->node, sizeof *room->opset};
    static const char *const what[6] = {"function inputs",     "function outputs", "attributes",
                                        "attribute defaults", "nodes",            "opset imports"};
    size_t n[6] = {0};
    void *p[6];
    struct syn_pb_field f;
    syn_status st;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        for (int i = 0; i < 6; i++) n[i] += f.number == field[i];
    for (int i = 0; i < 6 && st == SYN_OK; i++)
        st = syn_onnx_array(d, n[i], size[i], what[i], &p[i]);
    if (st != SYN_OK) return st;
    *room = (struct function_room){p[0], p[1], p[2], p[3], p[4], p[5]};
    out->in = room->in;
    out->out = room->out;
    out->attr = room->attr;
    out->defaults = room->defaults;
    out->node = room->node;
    out->opset = room->opset;
    return SYN_OK;
}

static syn_status fill_function(struct syn_onnx_decoder *d, const struct syn_pb *m,
                                const struct syn_pb_field *f, struct syn_onnx_function *out,
                                struct function_room *room)
{
    syn_status st;
    switch (f->number) {
    case FUN_NAME: return syn_onnx_text(d, f, "function name", &out->name);
    case FUN_DOMAIN: return syn_onnx_text(d, f, "function domain", &out->domain);
    case FUN_OVERLOAD: return syn_onnx_text(d, f, "overload", &out->overload);
    case FUN_INPUT: return syn_onnx_text(d, f, "function input", &room->in[out->n_in++]);
    case FUN_OUTPUT: return syn_onnx_text(d, f, "function output", &room->out[out->n_out++]);
    case FUN_ATTRIBUTE: return syn_onnx_text(d, f, "attribute", &room->attr[out->n_attrs++]);
    case FUN_ATTRIBUTE_PROTO:
        return read_inner(d, m, f, "attribute_proto", attr_of_function,
                          &room->defaults[out->n_defaults++]);
    case FUN_NODE:
        st = read_inner(d, m, f, "node", node_of_function, &room->node[out->n_nodes]);
        if (st != SYN_OK) syn_onnx_at(d, st, "node %d: ", (int)out->n_nodes);
        out->n_nodes++;
        return st;
    case FUN_OPSET_IMPORT:
        return read_inner(d, m, f, "opset_import", read_opset, &room->opset[out->n_opsets++]);
    default: return SYN_OK;
    }
}

static syn_status read_function(struct syn_onnx_decoder *d, struct syn_pb m, void *to)
{
    struct syn_onnx_function *out = to;
    struct function_room room = {NULL};
    struct syn_pb_field f;
    syn_status st;
    out->domain = out->name = out->overload = "";
    st = function_room(d, m, out, &room);
    while (st == SYN_OK && (st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        st = fill_function(d, &m, &f, out, &room);
    if (!strcmp(out->domain, "ai.onnx")) out->domain = "";
    if (st == SYN_OK && !*out->name) st = syn_fail(d->err, SYN_INVALID, "has no name (field 1)");
    if (st == SYN_OK) st = check_opsets(d, out->opset, out->n_opsets);
    return st == SYN_OK ? st : syn_onnx_at(d, st, "function %.80s: ", out->name);
}

/* ---- the model ----------------------------------------------------------------------------- */

enum { /* ModelProto */
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    MODEL_METADATA_PROPS = 14,
    MODEL_FUNCTIONS = 25
};

struct model_room {
    struct syn_onnx_opset *opset;
    struct syn_onnx_function *function;
    struct syn_onnx_prop *prop;
    struct syn_onnx_graph *graph;
};

static syn_status model_room(struct syn_onnx_decoder *d, struct syn_pb m,
                             struct syn_onnx_file *out, struct model_room *room)
{
    size_t opsets = 0, functions = 0, props = 0, graphs = 0;
    void *p[4] = {NULL};
    struct syn_pb_field f;
    syn_status st;
    while ((st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number) {
        opsets += f.number == MODEL_OPSET_IMPORT;
        functions += f.number == MODEL_FUNCTIONS;
        props += f.number == MODEL_METADATA_PROPS;
        graphs += f.number == MODEL_GRAPH;
    }
    if (st != SYN_OK) return st;
    if (graphs != 1)
        return syn_fail(d->err, SYN_INVALID, "%zu graphs (field 7): an ONNX model has one", graphs);
    st = syn_onnx_array(d, opsets, sizeof *room->opset, "opset imports", &p[0]);
    if (st == SYN_OK)
        st = syn_onnx_array(d, functions, sizeof *room->function, "functions", &p[1]);
    if (st == SYN_OK) st = syn_onnx_array(d, props, sizeof *room->prop, "metadata", &p[2]);
    if (st == SYN_OK) st = syn_onnx_array(d, graphs, sizeof *room->graph, "graphs", &p[3]);
    *room = (struct model_room){p[0], p[1], p[2], p[3]};
    out->opset = room->opset;
    out->function = room->function;
    out->prop = room->prop;
    out->graph = room->graph;
    return st;
}

static syn_status prop_of_model(struct syn_onnx_decoder *d, struct syn_pb m, void *out)
{
    return syn_onnx_read_prop(d, m, out);
}
static syn_status graph_of_model(struct syn_onnx_decoder *d, struct syn_pb m, void *out)
{
    return syn_onnx_read_graph(d, m, out);
}

static syn_status fill_model(struct syn_onnx_decoder *d, const struct syn_pb *m,
                             const struct syn_pb_field *f, struct syn_onnx_file *out,
                             struct model_room *room)
{
    switch (f->number) {
    case MODEL_IR_VERSION: return syn_pb_int(f, "ir_version", &out->ir_version, d->err);
    case MODEL_PRODUCER_NAME: return syn_onnx_text(d, f, "producer_name", &out->producer);
    case MODEL_PRODUCER_VERSION:
        return syn_onnx_text(d, f, "producer_version", &out->producer_version);
    case MODEL_GRAPH: return read_inner(d, m, f, "graph", graph_of_model, room->graph);
    case MODEL_OPSET_IMPORT:
        return read_inner(d, m, f, "opset_import", read_opset, &room->opset[out->n_opsets++]);
    case MODEL_METADATA_PROPS:
        return read_inner(d, m, f, "metadata_props", prop_of_model, &room->prop[out->n_props++]);
    case MODEL_FUNCTIONS:
        return read_inner(d, m, f, "function", read_function, &room->function[out->n_functions++]);
    default: return SYN_OK;
    }
}

static syn_status check_model(struct syn_onnx_decoder *d, const struct syn_onnx_file *out)
{
    syn_status st;
    if (out->ir_version < 1)
        return syn_fail(d->err, SYN_INVALID, "ir_version = %" PRId64 ": not an ONNX model",
                        out->ir_version);
    if (out->ir_version > SYN_ONNX_MAX_IR)
        return syn_fail(d->err, SYN_UNSUPPORTED,
                        "ir_version = %" PRId64 ": versions up to %d are known", out->ir_version,
                        SYN_ONNX_MAX_IR);
    if (out->ir_version >= 3 && out->n_opsets == 0)
        return syn_fail(d->err, SYN_INVALID, "no opset_import (field 8)");
    st = check_opsets(d, out->opset, out->n_opsets);
    for (int32_t i = 0; i < out->n_functions && st == SYN_OK; i++)
        for (int32_t k = 0; k < i && st == SYN_OK; k++) {
            const struct syn_onnx_function *a = &out->function[i], *b = &out->function[k];
            if (!strcmp(a->name, b->name) && !strcmp(a->domain, b->domain) &&
                !strcmp(a->overload, b->overload))
                st = syn_fail(d->err, SYN_INVALID, "function %.80s is given twice", a->name);
        }
    return st;
}

static syn_status read_model(struct syn_onnx_decoder *d, const void *data, size_t n,
                             struct syn_onnx_file *out)
{
    const char *other = syn_onnx_looks_like(data, n);
    const struct syn_pb whole = syn_pb_of(data, n);
    struct syn_pb m = whole;
    struct model_room room = {NULL};
    struct syn_pb_field f;
    syn_status st;
    if (other) return syn_fail(d->err, SYN_INVALID, "not an ONNX model but %s", other);
    out->producer = out->producer_version = "";
    st = model_room(d, m, out, &room);
    if (st == SYN_OK && out->n_functions > 4096)
        st = syn_fail(d->err, SYN_TOO_LARGE, "%d functions: the limit is 4096",
                      (int)out->n_functions);
    while (st == SYN_OK && (st = syn_pb_next(&m, &f, d->err)) == SYN_OK && f.number)
        st = fill_model(d, &m, &f, out, &room);
    return st == SYN_OK ? check_model(d, out) : st;
}

/* ---- opening ------------------------------------------------------------------------------- */

static syn_status decode(struct open_file *o, const void *data, size_t n, const char *folder,
                         const struct syn_onnx_options *opt, struct syn_err *err)
{
    struct syn_onnx_decoder d = {.arena = &o->file.arena,
                                 .objects = SYN_ONNX_MAX_OBJECTS,
                                 .dense_bytes = SYN_ONNX_MAX_SPARSE_BYTES,
                                 .folder = opt->folder ? opt->folder : folder,
                                 .opt = opt,
                                 .maps = &o->file.maps,
                                 .err = err};
    return read_model(&d, data, n, &o->file);
}

static const struct syn_onnx_options no_options;

syn_status syn_onnx_file_parse(const void *data, size_t n, const struct syn_onnx_options *opt,
                               struct syn_onnx_file **out, struct syn_err *err)
{
    struct open_file *o = syn_calloc(1, sizeof *o);
    syn_status st;
    if (!o) return syn_fail(err, SYN_NO_MEMORY, "no memory for a model");
    st = decode(o, data, n, NULL, opt ? opt : &no_options, err);
    if (st != SYN_OK) syn_onnx_file_close(&o->file);
    else *out = &o->file;
    return st;
}

/* The folder part of a path: "a/b.onnx" -> "a". */
static char *folder_of(const char *path)
{
    char *copy = syn_strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;
    if (!copy) return NULL;
    if (!slash) {
        syn_free(copy);
        return syn_strdup(".");
    }
    slash[slash == copy] = '\0';
    return copy;
}

syn_status syn_onnx_file_open(const char *path, const struct syn_onnx_options *opt,
                              struct syn_onnx_file **out, struct syn_err *err)
{
    const struct syn_onnx_options *o = opt ? opt : &no_options;
    struct open_file *file = syn_calloc(1, sizeof *file);
    char *folder = folder_of(path);
    syn_status st;
    if (!file || !folder) {
        st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory", path);
        goto done;
    }
    st = syn_mapfile_open(path, o->max_file_bytes ? o->max_file_bytes : SYN_ONNX_MAX_BYTES,
                          &file->map, err);
    if (st != SYN_OK) goto done;
    st = decode(file, file->map.data, file->map.size, folder, o, err);
    if (st != SYN_OK) syn_fail_in(err, st, "%s: ", path);
    else *out = &file->file;
done:
    if (st != SYN_OK && file) syn_onnx_file_close(&file->file);
    syn_free(folder);
    return st;
}

void syn_onnx_file_close(struct syn_onnx_file *f)
{
    struct open_file *o = (struct open_file *)f;
    if (!f) return;
    syn_onnx_maps_close(f->maps);
    syn_arena_deinit(&f->arena);
    syn_mapfile_close(&o->map);
    syn_free(o);
}

uint64_t syn_onnx_file_bytes(const struct syn_onnx_file *f)
{
    return ((const struct open_file *)f)->map.size + syn_onnx_maps_bytes(f->maps);
}

void syn_onnx_file_drop(const struct syn_onnx_file *f)
{
    syn_mapfile_drop(&((const struct open_file *)f)->map);
    syn_onnx_maps_drop(f->maps);
}
