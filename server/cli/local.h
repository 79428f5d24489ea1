/* local.h - the engine and the models in this process, for commands that need no daemon.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_LOCAL_H
#define SYN_LOCAL_H

#include "server/cli/args.h"
#include "server/models/models.h"

/* Names the file that CUDA devices come from (see syn_engine_opts): for builds that are not
 * installed. */
#define SYN_CUDA_PLUGIN_ENV "SYNTHD_CUDA_PLUGIN"

/* What --device, --threads, --precision, --models and --data said. Start from SYN_LOCAL_DEFAULTS.
 */
struct syn_local_opts {
    const char *device, *precision, *data;
    struct syn_arg_list models, link_roots;
    int64_t threads;
    bool allow_fallback;
};
#define SYN_LOCAL_DEFAULTS                                                                         \
    {                                                                                              \
        .device = "auto", .precision = "auto", .data = ""                                          \
    }
/* Rows for a command's option table, pointing into o. */
/* clang-format off */
#define SYN_LOCAL_ARGS(o)                                                                          \
    {"device", SYN_ARG_TEXT, &(o)->device, "D", "auto, cpu, cuda:N or ref (slow)", 0, 0},          \
    {"threads", SYN_ARG_INT, &(o)->threads, "N", "compute threads; 0 = what the machine allows",   \
     0, 1024},                                                                                     \
    {"precision", SYN_ARG_TEXT, &(o)->precision, "P", "auto (measured), f32, bf16 or f16", 0, 0},  \
    {"allow-fallback", SYN_ARG_FLAG, &(o)->allow_fallback, NULL,                                   \
     "run models that the device has no kernels for on the CPU", 0, 0}
#define SYN_LOCAL_MODELS_ARGS(o)                                                                   \
    {"models", SYN_ARG_LIST, &(o)->models, "DIR",                                                  \
     "folder of model folders (repeat); default DATA/models", 0, 0},                               \
    {"link-roots", SYN_ARG_LIST, &(o)->link_roots, "DIR",                                          \
     "folder in which links of model files may end: a hub's cache (repeat)", 0, 0},                \
    {"data", SYN_ARG_TEXT, &(o)->data, "DIR", "data folder; default ~/.local/share/synthd", 0, 0}
/* clang-format on */

struct syn_local {
    struct syn_engine *engine; /* NULL when opened without */
    struct syn_models *models;
    syn_precision precision;
    char *data, *models_dir; /* models_dir: where fetch and add put a model: the first folder */
};

bool syn_local_precision(const char *word, syn_precision *out);

/* -1, or an exit code after one line on stderr. Close in both cases. */
int syn_local_open(struct syn_local *l, const struct syn_local_opts *o, bool with_engine);
void syn_local_close(struct syn_local *l); /* safe on a zeroed one */

/* The model, or NULL after one line on stderr that tells how to get it. */
const struct syn_manifest *syn_local_find(const struct syn_local *l, const char *id);

#endif
