/* library.c - see library.h. */
#include "kernels/backend/library.h"
#include "kernels/base/alloc.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct syn_library {
    void *handle;
    const struct syn_backend *backend;
};

/* The running program's folder; false: unknown, or too long a name. */
static bool program_folder(char folder[PATH_MAX])
{
    const ssize_t n = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    char *slash;
    if (n <= 0 || n >= PATH_MAX - 1) return false;
    folder[n] = 0;
    if (!(slash = strrchr(folder, '/'))) return false;
    *slash = 0;
    return true;
}

static bool find(const char *name, char path[PATH_MAX])
{
    static const char *const places[] = {"", "/../lib/synthd"};
    char folder[PATH_MAX];
    if (!program_folder(folder)) return false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const int n = snprintf(path, PATH_MAX, "%s%s/%s", folder, places[i], name);
        if (n > 0 && n < PATH_MAX && access(path, R_OK) == 0) return true;
    }
    return false;
}

static syn_status check(const struct syn_plugin *p, const char *path, struct syn_err *err)
{
    if (!p || p->abi != SYN_PLUGIN_ABI || p->sizes != syn_plugin_sizes() || !p->backend)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "%s: built from another version of synthd (%s): build both together", path,
                        p && p->version ? p->version : "unknown");
    return SYN_OK;
}

syn_status syn_library_open(const char *path, const char *name, struct syn_library **out,
                            struct syn_err *err)
{
    char found[PATH_MAX];
    struct syn_library *l;
    syn_plugin_fn *plugin;
    syn_status st;
    if (!path) {
        if (!find(name, found))
            return syn_fail(err, SYN_NOT_FOUND,
                            "%s is not installed: neither beside the program nor in ../lib/synthd",
                            name);
        path = found;
    }
    if (access(path, R_OK) != 0) return syn_fail(err, SYN_NOT_FOUND, "%s: no such file", path);
    if (!(l = syn_calloc(1, sizeof *l))) return syn_fail(err, SYN_NO_MEMORY, "plugin: no memory");
    /* NODELETE: the CUDA runtime inside leaves handlers that are called when the process ends */
    if (!(l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))) {
        st = syn_fail(err, SYN_UNSUPPORTED, "plugin: %.300s", dlerror());
        goto failed;
    }
    *(void **)&plugin = dlsym(l->handle, SYN_PLUGIN_SYMBOL); /* POSIX's way to a function */
    st = plugin ? check(plugin(), path, err)
                : syn_fail(err, SYN_UNSUPPORTED, "%s: no synthd plugin", path);
    if (st != SYN_OK) goto failed;
    l->backend = plugin()->backend;
    *out = l;
    return SYN_OK;
failed:
    syn_library_close(l);
    return st;
}

const struct syn_backend *syn_library_backend(const struct syn_library *l) { return l->backend; }

void syn_library_close(struct syn_library *l)
{
    if (!l) return;
    if (l->handle) dlclose(l->handle);
    syn_free(l);
}
