/* onnx.c - open an ONNX model as a graph. See onnx.h; the parts are onnx_file.h (bytes), onnx_build.h (nodes). */
#include "kernels/load/onnx.h"
#include "kernels/base/alloc.h"
#include "kernels/load/onnx_build.h"
#include "kernels/load/onnx_decode.h"

struct syn_onnx {
    struct syn_onnx_file *file;
};

syn_status syn_onnx_load(const char *path, struct syn_onnx **out, struct syn_graph **graph, struct syn_err *err)
{
    struct syn_onnx *o = syn_calloc(1, sizeof *o);
    struct syn_onnx_scope s = {.prefix = ""};
    syn_status st = o ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "onnx: no memory");
    if (st == SYN_OK) st = syn_onnx_file_open(path, NULL, &o->file, err);
    if (st == SYN_OK && !o->file->graph) st = syn_fail(err, SYN_INVALID, "onnx: the model has no graph");
    if (st == SYN_OK) st = syn_onnx_all_known(o->file, err);
    if (st == SYN_OK) st = syn_graph_new(&s.g, err);
    if (st != SYN_OK) goto done;
    s.file = o->file;
    st = syn_onnx_graph(&s, o->file->graph, err);
    if (st == SYN_OK && s.g->n_outputs == 0) st = syn_fail(err, SYN_INVALID, "onnx: the graph has no outputs");
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

void syn_onnx_close(struct syn_onnx *o)
{
    if (!o) return;
    syn_onnx_file_close(o->file);
    syn_free(o);
}

uint64_t syn_onnx_bytes(const struct syn_onnx *o) { return syn_onnx_maps_bytes(o->file->maps); }
void syn_onnx_drop(struct syn_onnx *o) { syn_onnx_maps_drop(o->file->maps); }
