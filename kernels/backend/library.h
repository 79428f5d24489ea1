/* library.h - a backend out of a shared object, so that one program runs with and without a device.
 *
 * The object exports `const struct syn_plugin *syn_plugin(void)`. It has its own copy of the
 * engine's lower layers (graph, ops, base: code and constant tables), so nothing of the program is
 * looked up from it; what both share is the layout of the structs in backend.h and below, which
 * `abi` and `sizes` hold against each other.
 *
 * Layer:   kernels/backend.
 * Threads: open and close from one thread.
 * Ownership: the backend lives as long as the library is open. */
#ifndef SYN_LIBRARY_H
#define SYN_LIBRARY_H

#include "kernels/backend/backend.h"

#define SYN_PLUGIN_ABI 1u /* raise it when a slot's meaning changes */
#define SYN_PLUGIN_SYMBOL "syn_plugin"

struct syn_plugin {
    uint32_t abi;
    uint32_t sizes;      /* syn_plugin_sizes() as the object was built */
    const char *version; /* of synthd */
    const struct syn_backend *backend;
};
typedef const struct syn_plugin *syn_plugin_fn(void);

/* Sizes of the structs that both sides read, in one number. */
static inline uint32_t syn_plugin_sizes(void)
{
    const size_t size[] = {sizeof(struct syn_backend),   sizeof(struct syn_kernel),
                           sizeof(struct syn_place),     sizeof(struct syn_run),
                           sizeof(struct syn_placement), sizeof(struct syn_graph),
                           sizeof(struct syn_node),      sizeof(struct syn_value),
                           sizeof(struct syn_op_call),   sizeof(struct syn_backend_info),
                           (size_t)SYN_OP_COUNT};
    uint32_t mixed = 2166136261u; /* FNV-1a over the numbers */
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        mixed = (mixed ^ (uint32_t)size[i]) * 16777619u;
    return mixed;
}

struct syn_library;

/* path NULL: `name` beside the running program, then in ../lib/synthd from there. SYN_NOT_FOUND: no
 * such file; SYN_UNSUPPORTED: it cannot be loaded, or was built from another version; says why. */
SYN_MUST_CHECK syn_status syn_library_open(const char *path, const char *name,
                                           struct syn_library **out, struct syn_err *err);
const struct syn_backend *syn_library_backend(const struct syn_library *l);
void syn_library_close(struct syn_library *l); /* NULL-safe; the backend is closed */

#endif
