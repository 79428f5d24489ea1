/* onnx.c - open an ONNX model as a graph. See onnx.h; the parts are onnx_file.h (bytes),
 * onnx_build.h (nodes). */
#include "kernels/load/onnx.h"
#include "kernels/base/alloc.h"
#include "kernels/load/onnx_build.h"

struct syn_onnx {
    struct syn_onnx_file *file;
};

/* Functions may use a tensor of the model in several places: several times its bytes, not any
 * number of times. */
#define COPIES 16
#define FREE_COPIES ((size_t)64 << 20)

/* Builds the graph of an open file, which *out keeps. Closes the file on failure. */
static syn_status build(struct syn_onnx_file *file, size_t bytes, struct syn_onnx **out,
                        struct syn_graph **graph, struct syn_err *err)
{
    struct syn_onnx *o = syn_calloc(1, sizeof *o);
    struct syn_onnx_room room = {.nodes = SYN_MAX_NODES, .bytes = FREE_COPIES};
    struct syn_onnx_scope s = {.file = file, .room = &room, .prefix = ""};
    syn_status st;
    if (!o) {
        syn_onnx_file_close(file);
        return syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    }
    o->file = file;
    if (bytes < SIZE_MAX / COPIES - FREE_COPIES) room.bytes += COPIES * bytes;
    st = syn_onnx_all_known(file, err);
    if (st == SYN_OK) st = syn_graph_new(&s.g, err);
    if (st != SYN_OK) goto done;
    st = syn_onnx_graph(&s, file->graph, err);
    if (st == SYN_OK && s.g->n_outputs == 0)
        st = syn_fail(err, SYN_INVALID, "onnx: the graph has no outputs");
done:
    syn_names_free(&s.names);
    if (st != SYN_OK) {
        syn_graph_free(s.g);
        syn_onnx_close(o);
        return st;
    }
    *out = o;
    *graph = s.g;
    return SYN_OK;
}

syn_status syn_onnx_load(const char *path, const struct syn_onnx_options *opt,
                         struct syn_onnx **out, struct syn_graph **graph, struct syn_err *err)
{
    struct syn_onnx_file *file;
    const syn_status st = syn_onnx_file_open(path, opt, &file, err);
    return st == SYN_OK ? build(file, (size_t)syn_onnx_file_bytes(file), out, graph, err) : st;
}

syn_status syn_onnx_load_bytes(const void *data, size_t n, const struct syn_onnx_options *opt,
                               struct syn_onnx **out, struct syn_graph **graph, struct syn_err *err)
{
    struct syn_onnx_file *file;
    const syn_status st = syn_onnx_file_parse(data, n, opt, &file, err);
    return st == SYN_OK ? build(file, n, out, graph, err) : st;
}

void syn_onnx_close(struct syn_onnx *o)
{
    if (!o) return;
    syn_onnx_file_close(o->file);
    syn_free(o);
}

uint64_t syn_onnx_bytes(const struct syn_onnx *o) { return syn_onnx_file_bytes(o->file); }
void syn_onnx_drop(struct syn_onnx *o) { syn_onnx_file_drop(o->file); }
