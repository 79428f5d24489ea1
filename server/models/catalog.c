/* catalog.c - config/catalog.json to packages and models.
 *
 * The catalog carries each model's whole model.json, so that what a fetch installs went through
 * the same reader as every other manifest.
 *
 * Layer:   server/models.   Threads: the catalog is immutable after open.
 * Ownership: the catalog owns everything that it hands out. */
#include "server/models/catalog.h"
#include "kernels/base/alloc.h"
#include "server/models/folder.h"
#include "server/models/json_members.h"
#include "server/models/package.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { MAX_PACKAGES = 256, MAX_MODELS = 1024, MAX_PARTS = 1024, CATALOG_LIMIT = 4 << 20 };

/* An argument of the client's command line: never an option, never a path of this machine. */
static bool argument_plain(const char *text, bool scoped)
{
    size_t n = strlen(text);
    size_t fine =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+");
    if (scoped && text[0] == '@') { /* npm: @scope/name */
        const char *slash = strchr(text, '/');
        return slash && slash > text + 1 && argument_plain(slash + 1, false) &&
               strspn(text + 1, "abcdefghijklmnopqrstuvwxyz0123456789._-") ==
                   (size_t)(slash - text - 1);
    }
    return n > 0 && fine == n && text[0] != '-' && text[0] != '.' && !strstr(text, "..");
}

/* A path inside an archive: compared as text only, yet it must look like one. */
static bool member_plain(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && text[0] != '/' && text[n - 1] != '/' && !strstr(text, "..") &&
           !strchr(text, '\\');
}

static syn_status read_argument(const json_t *one, const char *where, const char *key,
                                bool optional, bool scoped, char *out, size_t size,
                                struct syn_err *err)
{
    syn_status st;
    if (optional && !json_object_get(one, key)) return SYN_OK;
    if ((st = syn_json_text(one, where, key, out, size, err)) != SYN_OK) return st;
    if (argument_plain(out, scoped)) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s%s = '%s': must be letters, digits and . _ - + only",
                    where, key, out);
}

static syn_status read_member(const json_t *one, const char *where, const char *key, char *out,
                              struct syn_err *err)
{
    syn_status st = syn_json_text(one, where, key, out, SYN_MEMBER_SIZE, err);
    if (st != SYN_OK || member_plain(out)) return st;
    return syn_fail(err, SYN_INVALID, "%s%s = '%s': must be a relative path without '..'", where,
                    key, out);
}

static syn_status read_package(const json_t *one, const char *where, struct syn_package *p,
                               struct syn_err *err)
{
    static const char *const keys[] = {
        "id",       "client",  "name",  "version", "python",         "implementation", "abi",
        "platform", "archive", "bytes", "sha256",  "licence_member", "licence_sha256"};
    static const char *const clients[] = {"pip", "npm"}; /* order of enum syn_client */
    size_t client = 0;
    int64_t bytes = 0;
    syn_status st;
    if ((st = syn_json_known(one, where, keys, COUNT(keys), err)) != SYN_OK) return st;
    if ((st = read_argument(one, where, "id", false, false, p->id, sizeof p->id, err)) != SYN_OK)
        return st;
    st = syn_json_word(one, where, "client", false, clients, COUNT(clients), &client, err);
    if (st != SYN_OK) return st;
    p->client = (enum syn_client)client;
    st = read_argument(one, where, "name", false, p->client == SYN_CLIENT_NPM, p->name,
                       sizeof p->name, err);
    if (st != SYN_OK) return st;
    st = read_argument(one, where, "version", false, false, p->version, sizeof p->version, err);
    if (st != SYN_OK) return st;
    st = read_argument(one, where, "python", true, false, p->python, sizeof p->python, err);
    if (st != SYN_OK) return st;
    st = read_argument(one, where, "implementation", true, false, p->implementation,
                       sizeof p->implementation, err);
    if (st != SYN_OK) return st;
    if ((st = read_argument(one, where, "abi", true, false, p->abi, sizeof p->abi, err)) != SYN_OK)
        return st;
    st = read_argument(one, where, "platform", true, false, p->platform, sizeof p->platform, err);
    if (st != SYN_OK) return st;
    if ((st = syn_json_text(one, where, "archive", p->archive, sizeof p->archive, err)) != SYN_OK)
        return st;
    if (!syn_name_plain(p->archive))
        return syn_fail(err, SYN_INVALID, "%sarchive = '%s': must be a plain file name", where,
                        p->archive);
    st = syn_json_int(one, where, "bytes", false, 1, (int64_t)SYN_MODEL_FILE_LIMIT, &bytes, err);
    if (st != SYN_OK) return st;
    p->bytes = (uint64_t)bytes;
    if ((st = syn_json_sha256(one, where, "sha256", p->sha256, err)) != SYN_OK) return st;
    if (!json_object_get(one, "licence_member")) return SYN_OK;
    if ((st = read_member(one, where, "licence_member", p->licence_member, err)) != SYN_OK)
        return st;
    return syn_json_sha256(one, where, "licence_sha256", p->licence_sha256, err);
}

static const struct syn_package *find_package(const struct syn_catalog *c, const char *id)
{
    for (size_t i = 0; i < c->n_packages; i++)
        if (!strcmp(c->package[i].id, id)) return &c->package[i];
    return NULL;
}

/* {"parts": [path, ...], "part_bytes": n}: one file, cut into pieces of n bytes. */
static syn_status read_parts(const json_t *one, const char *where, struct syn_member *to,
                             struct syn_err *err)
{
    const json_t *parts = NULL;
    int64_t bytes = 0;
    size_t n;
    syn_status st = syn_json_array(one, where, "parts", 2, MAX_PARTS, &parts, err);
    if (st != SYN_OK) return st;
    st = syn_json_int(one, where, "part_bytes", false, 1, (int64_t)SYN_MODEL_FILE_LIMIT, &bytes,
                      err);
    if (st != SYN_OK) return st;
    n = json_array_size(parts);
    if (to->bytes / (uint64_t)bytes < n - 1 || to->bytes <= (n - 1) * (uint64_t)bytes ||
        to->bytes - (n - 1) * (uint64_t)bytes > (uint64_t)bytes)
        return syn_fail(err, SYN_INVALID,
                        "%spart_bytes = %lld: %zu parts of it do not make a file of %llu bytes",
                        where, (long long)bytes, n, (unsigned long long)to->bytes);
    to->part = syn_calloc(n, sizeof *to->part);
    if (!to->part) return syn_fail(err, SYN_NO_MEMORY, "no memory for the catalog");
    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_array_get(parts, i));
        if (!path || strlen(path) >= SYN_MEMBER_SIZE || !member_plain(path))
            return syn_fail(
                err, SYN_INVALID,
                "%sparts[%zu]: must be a relative path without '..' of at most %d bytes", where, i,
                SYN_MEMBER_SIZE - 1);
        strcpy(to->part[i], path);
    }
    to->n_parts = n;
    to->part_bytes = (uint64_t)bytes;
    return SYN_OK;
}

/* A path, or an object: {"member": path} or {"parts": ...}, with "archive": path of the archive
 * inside the package that holds it. */
static syn_status read_place(const json_t *map, const char *where, struct syn_member *to,
                             struct syn_err *err)
{
    static const char *const keys[] = {"archive", "member", "parts", "part_bytes"};
    const json_t *one = json_object_get(map, to->name);
    char inner[256];
    syn_status st;
    if (!json_is_object(one)) return read_member(map, where, to->name, to->member, err);
    snprintf(inner, sizeof inner, "%s%s.", where, to->name);
    if ((st = syn_json_known(one, inner, keys, COUNT(keys), err)) != SYN_OK) return st;
    if (json_object_get(one, "archive") &&
        (st = read_member(one, inner, "archive", to->archive, err)) != SYN_OK)
        return st;
    if (json_object_get(one, "parts")) {
        if (json_object_get(one, "member"))
            return syn_fail(err, SYN_INVALID, "%smember: not beside parts", inner);
        return read_parts(one, inner, to, err);
    }
    if (json_object_get(one, "part_bytes"))
        return syn_fail(err, SYN_INVALID, "%spart_bytes: not without parts", inner);
    return read_member(one, inner, "member", to->member, err);
}

/* Where each of the manifest's files lies in the archive, and the package's licence. */
static syn_status read_members(const json_t *one, const char *where, struct syn_catalog_model *m,
                               struct syn_err *err)
{
    const json_t *map = json_object_get(one, "members"), *files = json_object_get(m->json, "files");
    char inner[96];
    syn_status st;
    snprintf(inner, sizeof inner, "%smembers.", where);
    if (!json_is_object(map) || json_object_size(map) != json_array_size(files))
        return syn_fail(err, SYN_INVALID,
                        "%smembers: must be an object with a member for each of %zu files", where,
                        json_array_size(files));
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file =
            json_array_get(files, i); /* the manifest's reader has checked its members */
        struct syn_member *to = &m->member[i];
        snprintf(to->name, sizeof to->name, "%s", json_string_value(json_object_get(file, "name")));
        snprintf(to->sha256, sizeof to->sha256, "%s",
                 json_string_value(json_object_get(file, "sha256")));
        to->bytes = (uint64_t)json_integer_value(json_object_get(file, "bytes"));
        if (!strcmp(to->name, SYN_LICENCE_FILE))
            return syn_fail(err, SYN_INVALID, "%s%s: the name is kept for the licence", inner,
                            to->name);
        if ((st = read_place(map, inner, to, err)) != SYN_OK) return st;
        m->bytes += to->bytes;
    }
    m->n_members = json_array_size(files);
    if (m->package->licence_member[0]) {
        struct syn_member *to = &m->member[m->n_members++];
        strcpy(to->name, SYN_LICENCE_FILE);
        memcpy(to->member, m->package->licence_member, sizeof to->member);
        memcpy(to->sha256, m->package->licence_sha256, sizeof to->sha256);
    }
    return SYN_OK;
}

static syn_status read_model(const struct syn_catalog *c, const json_t *one, const char *where,
                             struct syn_catalog_model *m, struct syn_err *err)
{
    static const char *const keys[] = {"package", "members", "manifest", "optional"};
    char package[64], inner[96];
    syn_status st;
    if ((st = syn_json_known(one, where, keys, COUNT(keys), err)) != SYN_OK) return st;
    if ((st = syn_json_text(one, where, "package", package, sizeof package, err)) != SYN_OK)
        return st;
    m->package = find_package(c, package);
    if (!m->package)
        return syn_fail(err, SYN_INVALID, "%spackage = '%s': not among packages", where, package);
    if ((st = syn_json_flag(one, where, "optional", &m->optional, err)) != SYN_OK) return st;
    snprintf(inner, sizeof inner, "%smanifest.", where);
    st = syn_manifest_from_json(json_object_get(one, "manifest"), inner, &m->manifest, err);
    if (st != SYN_OK) return st;
    m->json = json_incref(json_object_get(one, "manifest"));
    return read_members(one, where, m, err);
}

static int by_id(const void *a, const void *b)
{
    const struct syn_catalog_model *x = a, *y = b;
    return strcmp(x->manifest.id, y->manifest.id);
}

static syn_status read_lists(const json_t *root, struct syn_catalog *c, struct syn_err *err)
{
    static const char *const keys[] = {"catalog", "packages", "models"};
    const json_t *packages = NULL, *models = NULL;
    int64_t version = 0;
    char where[64];
    syn_status st;
    if ((st = syn_json_known(root, "", keys, COUNT(keys), err)) != SYN_OK) return st;
    if ((st = syn_json_int(root, "", "catalog", false, 1, 1, &version, err)) != SYN_OK) return st;
    if ((st = syn_json_array(root, "", "packages", 0, MAX_PACKAGES, &packages, err)) != SYN_OK)
        return st;
    if ((st = syn_json_array(root, "", "models", 0, MAX_MODELS, &models, err)) != SYN_OK) return st;
    c->package = syn_calloc(json_array_size(packages) + 1, sizeof *c->package);
    c->model = syn_calloc(json_array_size(models) + 1, sizeof *c->model);
    if (!c->package || !c->model) return syn_fail(err, SYN_NO_MEMORY, "no memory for the catalog");
    for (size_t i = 0; i < json_array_size(packages); i++) {
        snprintf(where, sizeof where, "packages[%zu].", i);
        st = read_package(json_array_get(packages, i), where, &c->package[i], err);
        if (st != SYN_OK) return st;
        if (find_package(c, c->package[i].id))
            return syn_fail(err, SYN_INVALID, "%sid = '%s': listed twice", where, c->package[i].id);
        c->n_packages = i + 1;
    }
    for (size_t i = 0; i < json_array_size(models); i++) {
        snprintf(where, sizeof where, "models[%zu].", i);
        c->n_models = i + 1; /* close frees a half-read one too */
        st = read_model(c, json_array_get(models, i), where, &c->model[i], err);
        if (st != SYN_OK) return st;
    }
    qsort(c->model, c->n_models, sizeof *c->model, by_id);
    for (size_t i = 1; i < c->n_models; i++)
        if (!by_id(&c->model[i - 1], &c->model[i]))
            return syn_fail(err, SYN_INVALID, "models: id '%s' is listed twice",
                            c->model[i].manifest.id);
    return SYN_OK;
}

static syn_status load_text(const char *path, json_t **root, struct syn_err *err)
{
    json_error_t where;
    char *text = NULL;
    size_t n = 0;
    if (path) {
        char folder[4096];
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        int dir = -1;
        syn_status st;
        if ((size_t)(name - path) >= sizeof folder)
            return syn_fail(err, SYN_INVALID, "the catalog's path is too long");
        snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
        st = syn_folder_open(slash ? folder : ".", &dir, err);
        if (st != SYN_OK) return st;
        st = syn_folder_read(dir, name, NULL, CATALOG_LIMIT, &text, &n, err);
        close(dir);
        if (st != SYN_OK) return st;
        *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
        syn_free(text);
    } else {
        n = (size_t)(syn_catalog_text_end - syn_catalog_text);
        *root = json_loadb(syn_catalog_text, n, JSON_REJECT_DUPLICATES, &where);
    }
    if (!*root) return syn_fail(err, SYN_INVALID, "line %d: %s", where.line, where.text);
    return SYN_OK;
}

syn_status syn_catalog_open(const char *path, struct syn_catalog **out, struct syn_err *err)
{
    struct syn_catalog *c = syn_calloc(1, sizeof *c);
    json_t *root = NULL;
    syn_status st;
    if (!c) return syn_fail(err, SYN_NO_MEMORY, "no memory for the catalog");
    st = load_text(path, &root, err);
    if (st == SYN_OK) st = read_lists(root, c, err);
    json_decref(root);
    if (st != SYN_OK) {
        syn_catalog_close(c);
        return syn_fail_in(err, st, "catalog: ");
    }
    *out = c;
    return SYN_OK;
}

void syn_catalog_close(struct syn_catalog *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n_models; i++) {
        json_decref(c->model[i].json);
        for (size_t k = 0; k <= SYN_MAX_FILES; k++) syn_free(c->model[i].member[k].part);
    }
    syn_free(c->model);
    syn_free(c->package);
    syn_free(c);
}

int32_t syn_catalog_count(const struct syn_catalog *c)
{
    return (int32_t)c->n_models;
}

void syn_catalog_at(const struct syn_catalog *c, int32_t i, struct syn_catalog_entry *out)
{
    const struct syn_catalog_model *m = &c->model[i];
    out->id = m->manifest.id;
    out->title = m->manifest.title;
    out->kind = m->manifest.kind;
    out->licence = m->manifest.licence;
    out->package = m->package->id;
    out->bytes = m->bytes;
    out->optional = m->optional;
}

const struct syn_catalog_model *syn_catalog_find(const struct syn_catalog *c, const char *id)
{
    for (size_t i = 0; id && i < c->n_models; i++)
        if (!strcmp(c->model[i].manifest.id, id)) return &c->model[i];
    return NULL;
}
