/* repository.c - scans the model folders into an index by id.
 *
 * A folder that is no model or has a bad manifest is logged and left out: one bad model does not
 * keep the others from being served. Where two folders carry one id, the first in the order of the
 * folders given (then by name) wins.
 *
 * Layer:   server/models.   Threads: open and close alone; the rest any.
 * Ownership: the index owns manifests and paths until close. */
#include "server/models/repository.h"
#include "kernels/base/alloc.h"
#include "kernels/base/log.h"
#include "server/models/folder.h"
#include "server/models/manifest.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ENTRIES = 4096 };

const char *syn_model_state_word(enum syn_model_state s)
{
    switch (s) {
    case SYN_MODEL_UNLOADED: return "unloaded";
    case SYN_MODEL_LOADING: return "loading";
    case SYN_MODEL_READY: return "ready";
    case SYN_MODEL_FAILED: return "failed";
    }
    return "unknown";
}

static void free_entry(struct syn_model_entry *e)
{
    if (!e) return;
    syn_free(e->folder);
    syn_free(e);
}

static syn_status push_entry(struct syn_models *ms, struct syn_model_entry *e, struct syn_err *err)
{
    struct syn_model_entry **grown;
    if (ms->n_entries >= MAX_ENTRIES)
        return syn_fail(err, SYN_TOO_LARGE, "more than %d models", MAX_ENTRIES);
    grown = syn_realloc(ms->entry, (size_t)ms->n_entries + 1, sizeof(struct syn_model_entry *));
    if (!grown) return syn_fail(err, SYN_NO_MEMORY, "no memory for the index of models");
    ms->entry = grown;
    ms->entry[ms->n_entries++] = e;
    return SYN_OK;
}

/* One folder beneath dir. A bad manifest is not an error of the scan. */
static syn_status scan_model(struct syn_models *ms, int dir, const char *root, const char *name,
                             struct syn_err *err)
{
    struct syn_model_entry *e = NULL, *other;
    struct syn_err why = {""};
    size_t n = strlen(root) + strlen(name) + 2;
    syn_status st;
    int fd = -1;
    if ((st = syn_folder_open_at(dir, name, &fd, &why)) != SYN_OK) {
        syn_log(SYN_LOG_WARN, "model folder skipped folder=\"%s/%s\" reason=\"%s\"", root, name,
                why.text);
        return SYN_OK;
    }
    e = syn_calloc(1, sizeof *e);
    if (e) e->folder = syn_alloc(n);
    if (!e || !e->folder) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for a model");
        goto done;
    }
    snprintf(e->folder, n, "%s/%s", root, name);
    st = syn_manifest_read_at(fd, syn_models_roots(ms), &e->manifest, &why);
    if (st != SYN_OK) {
        syn_log(SYN_LOG_WARN, "model folder skipped folder=\"%s\" reason=\"%s\"", e->folder,
                why.text);
        st = st == SYN_NO_MEMORY ? syn_fail(err, st, "%s", why.text) : SYN_OK;
        goto done;
    }
    other = syn_models_entry(ms, e->manifest.id);
    if (other) {
        syn_log(SYN_LOG_WARN,
                "model folder skipped folder=\"%s\" reason=\"id %s is already that of %s\"",
                e->folder, e->manifest.id, other->folder);
        goto done;
    }
    e->owner = ms;
    for (int32_t i = 0; i < e->manifest.n_variants; i++) {
        e->slot[i].entry = e;
        e->slot[i].variant = &e->manifest.variant[i];
    }
    st = push_entry(ms, e, err);
    if (st == SYN_OK) e = NULL;
done:
    close(fd);
    free_entry(e);
    return st;
}

/* Plain names of sub-folders (and of links, to be refused aloud), by name. */
static int is_candidate(const struct dirent *d)
{
    return d->d_name[0] != '.' &&
           (d->d_type == DT_DIR || d->d_type == DT_LNK || d->d_type == DT_UNKNOWN) &&
           syn_name_plain(d->d_name);
}

static syn_status scan_root(struct syn_models *ms, const char *root, struct syn_err *err)
{
    struct dirent **list = NULL;
    struct syn_err why = {""};
    syn_status st = SYN_OK;
    int dir = -1, n;
    st = syn_folder_open(root, &dir, &why);
    if (st == SYN_NOT_FOUND) return SYN_OK;
    if (st != SYN_OK) {
        syn_log(SYN_LOG_WARN, "models folder skipped reason=\"%s\"", why.text);
        return SYN_OK;
    }
    n = scandirat(dir, ".", &list, is_candidate, alphasort);
    if (n < 0) st = syn_fail(err, SYN_IO, "reading folder '%s': %s", root, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (st == SYN_OK) st = scan_model(ms, dir, root, list[i]->d_name, err);
        free(list[i]); /* scandirat's */
    }
    free(list);
    close(dir);
    return st;
}

static syn_status keep_roots(struct syn_models *ms, const char *const *roots, struct syn_err *err)
{
    int32_t n = 0;
    while (roots && roots[n]) n++;
    if (n == 0) return SYN_OK;
    if (!(ms->link_roots = syn_calloc((size_t)n + 1, sizeof *ms->link_roots)))
        return syn_fail(err, SYN_NO_MEMORY, "no memory for the index of models");
    for (; ms->n_link_roots < n; ms->n_link_roots++)
        if (!(ms->link_roots[ms->n_link_roots] = syn_strdup(roots[ms->n_link_roots])))
            return syn_fail(err, SYN_NO_MEMORY, "no memory for the index of models");
    return SYN_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct syn_model_entry *const *x = a, *const *y = b;
    return strcmp((*x)->manifest.id, (*y)->manifest.id);
}

syn_status syn_models_open(const struct syn_models_opts *opts, struct syn_models **out,
                           struct syn_err *err)
{
    struct syn_models *ms = syn_calloc(1, sizeof *ms);
    pthread_condattr_t clock;
    syn_status st = SYN_OK;
    if (!ms) return syn_fail(err, SYN_NO_MEMORY, "no memory for the index of models");
    ms->engine = opts->engine;
    ms->budget = opts->budget_bytes;
    pthread_mutex_init(&ms->mu, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&ms->changed, &clock);
    pthread_condattr_destroy(&clock);
    st = keep_roots(ms, opts->link_roots, err);
    for (size_t i = 0; st == SYN_OK && opts->dirs && opts->dirs[i]; i++)
        st = scan_root(ms, opts->dirs[i], err);
    if (st != SYN_OK) {
        syn_models_close(ms);
        return st;
    }
    if (ms->n_entries)
        qsort(ms->entry, (size_t)ms->n_entries, sizeof(struct syn_model_entry *), by_id);
    *out = ms;
    return SYN_OK;
}

void syn_models_close(struct syn_models *ms)
{
    if (!ms) return;
    syn_residency_close(ms);
    for (int32_t i = 0; i < ms->n_entries; i++) free_entry(ms->entry[i]);
    syn_free(ms->entry);
    for (int32_t i = 0; i < ms->n_link_roots; i++) syn_free(ms->link_roots[i]);
    syn_free(ms->link_roots);
    pthread_cond_destroy(&ms->changed);
    pthread_mutex_destroy(&ms->mu);
    syn_free(ms);
}

int32_t syn_models_count(const struct syn_models *ms)
{
    return ms->n_entries;
}

const struct syn_manifest *syn_models_at(const struct syn_models *ms, int32_t i)
{
    return &ms->entry[i]->manifest;
}

struct syn_model_entry *syn_models_entry(const struct syn_models *ms, const char *id)
{
    for (int32_t i = 0; id && i < ms->n_entries; i++)
        if (!strcmp(ms->entry[i]->manifest.id, id)) return ms->entry[i];
    return NULL;
}

const struct syn_manifest *syn_models_find(const struct syn_models *ms, const char *id)
{
    const struct syn_model_entry *e = syn_models_entry(ms, id);
    return e ? &e->manifest : NULL;
}

syn_status syn_models_verify(const struct syn_models *ms, const char *id, struct syn_err *err)
{
    const struct syn_model_entry *e = syn_models_entry(ms, id);
    if (!e) return syn_fail(err, SYN_NOT_FOUND, "model '%.64s' is not here", id ? id : "");
    return syn_manifest_verify_in(e->folder, syn_models_roots(ms), &e->manifest, err);
}

const char *syn_models_folder(const struct syn_models *ms, const char *id)
{
    const struct syn_model_entry *e = syn_models_entry(ms, id);
    return e ? e->folder : NULL;
}
