/* local.c - see local.h. */
#include "server/cli/local.h"
#include "kernels/base/alloc.h"
#include "server/cli/paths.h"
#include <stdlib.h>
#include <string.h>

bool syn_local_precision(const char *word, syn_precision *out)
{
    for (int p = 0; p < SYN_PRECISION_COUNT; p++) {
        if (strcmp(word, syn_precision_word((syn_precision)p)) != 0) continue;
        *out = (syn_precision)p;
        return true;
    }
    return false;
}

/* Measurements live in the cache; without one they are made anew. */
static char *tuning_path(void)
{
    char *cache = NULL, *path = NULL;
    if (syn_path_cache(&cache, NULL) == SYN_OK && syn_path_make(cache, 0700, NULL) == SYN_OK)
        path = syn_path_join(cache, "tuning");
    syn_free(cache);
    return path;
}

static syn_status open_engine(struct syn_local *l, const struct syn_local_opts *o,
                              struct syn_err *err)
{
    char *tuning = tuning_path();
    struct syn_engine_opts opts = {.device = o->device,
                                   .threads = (int32_t)o->threads,
                                   .precision = l->precision,
                                   .tuning_file = tuning,
                                   .allow_fallback = o->allow_fallback,
                                   .cuda_plugin = getenv(SYN_CUDA_PLUGIN_ENV)};
    syn_status st = syn_engine_open(&opts, &l->engine, err);
    syn_free(tuning);
    return st == SYN_OK ? st : syn_fail_in(err, st, "--device = \"%s\": ", o->device);
}

static syn_status open_models(struct syn_local *l, const struct syn_local_opts *o,
                              struct syn_err *err)
{
    const char *dirs[SYN_ARGS_MAX_LIST + 1] = {0}, *roots[SYN_ARGS_MAX_LIST + 1] = {0};
    struct syn_models_opts opts = {.dirs = dirs, .engine = l->engine, .link_roots = roots};
    syn_status st = syn_path_data(o->data, &l->data, err);
    if (st != SYN_OK) return st;
    l->models_dir = o->models.n ? syn_strdup(o->models.item[0]) : syn_path_join(l->data, "models");
    if (!l->models_dir) return syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
    memcpy(roots, o->link_roots.item, (size_t)o->link_roots.n * sizeof roots[0]);
    memcpy(dirs, o->models.item, (size_t)o->models.n * sizeof dirs[0]);
    if (!o->models.n) dirs[0] = l->models_dir;
    return syn_models_open(&opts, &l->models, err);
}

int syn_local_open(struct syn_local *l, const struct syn_local_opts *o, bool with_engine)
{
    struct syn_err err = {{0}};
    syn_status st = SYN_OK;
    memset(l, 0, sizeof *l);
    if (!syn_local_precision(o->precision, &l->precision))
        return syn_complain(SYN_EXIT_USAGE, "--precision = \"%s\": must be auto, f32, bf16 or f16",
                            o->precision);
    if (with_engine) st = open_engine(l, o, &err);
    if (st == SYN_OK) st = open_models(l, o, &err);
    if (st == SYN_OK) return -1;
    return syn_complain(st == SYN_UNSUPPORTED ? SYN_EXIT_USAGE : SYN_EXIT_UNREACHABLE, "%s",
                        err.text);
}

void syn_local_close(struct syn_local *l)
{
    syn_models_close(l->models);
    syn_engine_close(l->engine);
    syn_free(l->data);
    syn_free(l->models_dir);
    memset(l, 0, sizeof *l);
}

const struct syn_manifest *syn_local_find(const struct syn_local *l, const char *id)
{
    const struct syn_manifest *m = syn_models_find(l->models, id);
    if (!m)
        syn_complain(SYN_EXIT_USAGE,
                     "model = \"%.80s\": not in %s (synthd models list; synthd models fetch)", id,
                     l->models_dir);
    return m;
}
