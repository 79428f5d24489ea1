/* onnx_external.c - tensors in files beside the model, and which files those may be.
 *
 * A location is taken from the model's folder as its path was given: a hub's cache keeps links in
 * the model's folder and the bytes elsewhere. It may not be absolute and may not go up; then all
 * links are followed, and where that ends must be a regular file below the folder or below a root
 * that the caller allows. A caller that knows the model's files may name those that are allowed:
 * others were in nobody's list and nobody checked them. Each file is mapped once, read-only.
 *
 * Layer:   kernels/load; see onnx_decode.h.
 * Threads: see onnx_decode.h. */
#include "kernels/base/alloc.h"
#include "kernels/load/mapfile.h"
#include "kernels/load/onnx_decode.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct syn_onnx_maps {
    struct syn_onnx_maps *next;
    char *path; /* links followed */
    struct syn_mapfile map;
};

uint64_t syn_onnx_maps_bytes(const struct syn_onnx_maps *maps)
{
    uint64_t sum = 0;
    for (; maps; maps = maps->next) sum += maps->map.size;
    return sum;
}

void syn_onnx_maps_drop(const struct syn_onnx_maps *maps)
{
    for (; maps; maps = maps->next) syn_mapfile_drop(&maps->map);
}

void syn_onnx_maps_close(struct syn_onnx_maps *maps)
{
    while (maps) {
        struct syn_onnx_maps *next = maps->next;
        syn_mapfile_close(&maps->map);
        syn_free(maps->path);
        syn_free(maps);
        maps = next;
    }
}

/* True when a part of the path is "..". */
static bool goes_up(const char *path)
{
    for (const char *p = path; *p;) {
        const size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') return true;
        p += n;
        p += strspn(p, "/");
    }
    return false;
}

/* True when `path` lies below `folder`, both without links. */
static bool lies_below(const char *path, const char *folder)
{
    const size_t n = strlen(folder);
    if (n == 1 && folder[0] == '/') return true;
    return !strncmp(path, folder, n) && path[n] == '/';
}

/* Is the file, links followed, where it may be? */
static bool is_allowed(const struct syn_onnx_decoder *d, const char *real)
{
    for (int32_t i = -1; i < d->opt->n_roots; i++) {
        const char *root = i < 0 ? d->folder : d->opt->root[i];
        char *real_root = realpath(root, NULL); /* libc's own block: free() */
        const bool inside = real_root && lies_below(real, real_root);
        free(real_root);
        if (inside) return true;
    }
    return false;
}

/* Is it one of the files that the caller names, if it does? */
static bool is_named(const struct syn_onnx_options *opt, const char *location)
{
    if (!opt->name) return true;
    while (location[0] == '.' && location[1] == '/')
        for (location++; *location == '/';) location++;
    for (int32_t i = 0; i < opt->n_names; i++)
        if (!strcmp(location, opt->name[i])) return true;
    return false;
}

/* *real = the file that a location means, links followed; the caller frees it with free(). */
static syn_status resolve(struct syn_onnx_decoder *d, const char *location, char **real)
{
    char *joined, text[128];
    size_t bytes;
    if (!d->folder)
        return syn_fail(d->err, SYN_INVALID,
                        "external data in %.80s: a model in memory has no folder", location);
    if (location[0] == '/' || goes_up(location))
        return syn_fail(d->err, SYN_INVALID,
                        "external data in %.80s: the path must stay below the model's folder",
                        location);
    if (!is_named(d->opt, location))
        return syn_fail(d->err, SYN_INVALID,
                        "external data in %.80s: not among the files that the model lists",
                        location);
    bytes = strlen(d->folder) + strlen(location) + 2; /* of two strings that are in memory */
    joined = syn_arena_new(d->arena, bytes, 1);
    if (!joined) return syn_fail(d->err, SYN_NO_MEMORY, "no memory for a path");
    snprintf(joined, bytes, "%s/%s", d->folder, location);
    *real = realpath(joined, NULL);
    if (!*real) {
        const int code = errno;
        return syn_fail(d->err,
                        code == ENOENT || code == ENOTDIR ? SYN_NOT_FOUND
                        : code == ENOMEM                  ? SYN_NO_MEMORY
                                                          : SYN_IO,
                        "external data in %.120s: %s", joined,
                        strerror_r(code, text, sizeof text));
    }
    if (is_allowed(d, *real)) return SYN_OK;
    return syn_fail(d->err, SYN_INVALID,
                    "external data in %.80s: a link leads out of the model's folder", location);
}

static syn_status map_file(struct syn_onnx_decoder *d, const char *real,
                           const struct syn_mapfile **map)
{
    const uint64_t max = d->opt->max_file_bytes ? d->opt->max_file_bytes : SYN_ONNX_MAX_BYTES;
    struct syn_onnx_maps *m;
    syn_status st;
    for (m = *d->maps; m; m = m->next)
        if (!strcmp(m->path, real)) {
            *map = &m->map;
            return SYN_OK;
        }
    m = syn_calloc(1, sizeof *m);
    if (m) m->path = syn_strdup(real);
    if (!m || !m->path)
        st = syn_fail(d->err, SYN_NO_MEMORY, "no memory for a mapping");
    else
        st = syn_mapfile_open(real, max, &m->map, d->err);
    if (st != SYN_OK) {
        syn_onnx_maps_close(m);
        return st;
    }
    m->next = *d->maps;
    *d->maps = m;
    *map = &m->map;
    return SYN_OK;
}

syn_status syn_onnx_external(struct syn_onnx_decoder *d, const char *location, int64_t offset,
                             int64_t length, size_t need, const void **data)
{
    const struct syn_mapfile *map = NULL;
    char *real = NULL;
    syn_status st;
    if (length >= 0 && (uint64_t)length != need)
        return syn_fail(d->err, SYN_INVALID,
                        "external data in %.80s: length = %" PRId64 ": the tensor takes %zu",
                        location, length, need);
    st = resolve(d, location, &real);
    if (st == SYN_OK && need == 0) goto done; /* nothing to read; an empty file is fine */
    if (st == SYN_OK) st = map_file(d, real, &map);
    if (st != SYN_OK) goto done;
    if ((uint64_t)offset > map->size || need > map->size - (size_t)offset) {
        st = syn_fail(d->err, SYN_TRUNCATED,
                      "external data in %.80s: %zu bytes at offset %" PRId64
                      ": the file has %zu",
                      location, need, offset, map->size);
        goto done;
    }
    *data = (const char *)map->data + offset;
done:
    free(real);
    return st;
}
