/* residency.c - which networks are in memory: single-flight loads, a byte budget, eviction of idle
 * ones.
 *
 * Each load runs in a thread of its own, so that every caller, the first one included, can cancel
 * while it waits, and a load that others still want goes on. The thread
 *   1. hashes the files (nothing was given up yet if they are wrong),
 *   2. makes room: closes idle networks, least recently used first, or waits for a release,
 *   3. opens the network.
 * The budget counts the files' bytes of loaded networks; the packed weights that plans keep are
 * asked of the engine and add to the pressure on idle networks, but never block a load by
 * themselves.
 *
 * Locks: ms->mu guards all slots; it is not held while files are read or the engine works.
 * Layer:   server/models.   Threads: any.
 * Ownership: a slot lives as long as the index; its model until evicted or closed. */
#include "kernels/base/alloc.h"
#include "kernels/base/clock.h"
#include "kernels/base/log.h"
#include "server/models/folder.h"
#include "server/models/manifest.h"
#include "server/models/repository.h"
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_NS = 20 * 1000 * 1000 }; /* how often a waiting caller looks at its cancel flag */

/* Waits for a change, at most LOOK_NS. Called with mu held. */
static void wait_a_little(struct syn_models *ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&ms->changed, &ms->mu, &until);
}

/* --- files ------------------------------------------------------------------------------------ */

/* Of the file itself, or, where links are allowed, of what they lead to. */
static bool take_mark(int dir, const char *name, bool links, struct syn_file_mark *mark)
{
    struct stat s;
    if (fstatat(dir, name, &s, links ? 0 : AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(s.st_mode))
        return false;
    mark->dev = s.st_dev;
    mark->ino = s.st_ino;
    mark->size = s.st_size;
    mark->mtime = s.st_mtim;
    mark->ctime = s.st_ctim;
    return true;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_mark(const struct syn_file_mark *a, const struct syn_file_mark *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           same_time(a->mtime, b->mtime) && same_time(a->ctime, b->ctime);
}

/* Hashes the variant's files unless they are the ones that were right before. */
static syn_status check_files(struct syn_loaded *slot, struct syn_err *err)
{
    const struct syn_variant *v = slot->variant;
    const char *const *roots = syn_models_roots(slot->entry->owner);
    struct syn_file_mark now[2];
    bool known;
    int dir = -1;
    syn_status st = syn_folder_open(slot->entry->folder, &dir, err);
    if (st != SYN_OK) return st;
    memset(now, 0, sizeof now);
    known = take_mark(dir, v->graph_file, roots != NULL, &now[0]) &&
            (!v->weights_file[0] || take_mark(dir, v->weights_file, roots != NULL, &now[1]));
    if (!known || !slot->marked || !same_mark(&now[0], &slot->mark[0]) ||
        !same_mark(&now[1], &slot->mark[1])) {
        slot->marked = false;
        st = syn_variant_verify(dir, roots, v, &slot->cancel, err);
        if (st == SYN_OK && known) {
            memcpy(slot->mark, now, sizeof now); /* taken before hashing: a later change shows */
            slot->marked = true;
        }
    }
    close(dir);
    return st;
}

/* Clients read these texts: of the folder's path only the last part stays in them. */
static void strip_folder(const char *folder, struct syn_err *err)
{
    /* The repository joined the path with a '/'. */
    size_t skip = (size_t)(strrchr(folder, '/') + 1 - folder);
    char *at;
    while ((at = strstr(err->text, folder)) != NULL) memmove(at, at + skip, strlen(at + skip) + 1);
}

/* --- making room ------------------------------------------------------------------------------ */

static struct syn_loaded *oldest_idle(struct syn_models *ms)
{
    struct syn_loaded *oldest = NULL;
    for (int32_t i = 0; i < ms->n_entries; i++) {
        struct syn_model_entry *e = ms->entry[i];
        for (int32_t k = 0; k < e->manifest.n_variants; k++) {
            struct syn_loaded *s = &e->slot[k];
            if (s->state != SYN_MODEL_READY || s->users) continue;
            if (!oldest || s->last_used < oldest->last_used) oldest = s;
        }
    }
    return oldest;
}

/* Takes an idle network out. Called with mu held, which is given up while the engine closes it; its
 * bytes stay charged until they are free. */
static void close_idle(struct syn_models *ms, struct syn_loaded *slot)
{
    struct syn_model *model = slot->model;
    uint64_t bytes = slot->bytes;
    slot->model = NULL;
    slot->bytes = 0;
    slot->state = SYN_MODEL_UNLOADED;
    pthread_mutex_unlock(&ms->mu);
    syn_model_close(model);
    pthread_mutex_lock(&ms->mu);
    ms->charged -= bytes;
    pthread_cond_broadcast(&ms->changed);
}

static uint64_t packed_bytes(struct syn_models *ms)
{
    struct syn_engine_info info;
    syn_engine_info(ms->engine, &info);
    return info.weight_bytes;
}

/* Charges the slot's bytes to the budget. need <= budget was checked. Called with mu held. */
static syn_status make_room(struct syn_models *ms, struct syn_loaded *slot, uint64_t need,
                            struct syn_err *err)
{
    while (ms->budget && ms->charged + packed_bytes(ms) + need > ms->budget) {
        struct syn_loaded *idle = oldest_idle(ms);
        if (atomic_load(&slot->cancel))
            return syn_fail(err, SYN_CANCELED, "canceled while waiting for memory");
        if (idle) {
            idle->evictions++;
            syn_log(SYN_LOG_INFO, "model evicted model=%s scale=%d noise=%d bytes=%llu",
                    idle->entry->manifest.id, (int)idle->variant->scale, (int)idle->variant->noise,
                    (unsigned long long)idle->bytes);
            close_idle(ms, idle);
        } else if (ms->charged + need > ms->budget) {
            wait_a_little(ms);
        } else {
            break; /* only packed weights of networks in use are over: they will go with them */
        }
    }
    slot->bytes = need;
    ms->charged += need;
    return SYN_OK;
}

/* --- the loading thread ----------------------------------------------------------------------- */

static syn_status open_network(struct syn_models *ms, struct syn_loaded *slot,
                               struct syn_model **out, struct syn_err *err)
{
    const struct syn_manifest *m = &slot->entry->manifest;
    const struct syn_variant *v = slot->variant;
    const char *folder = slot->entry->folder;
    char graph[PATH_MAX], weights[PATH_MAX];
    const char *const data = v->weights_file; /* of onnx: its external data, hashed like it */
    const struct syn_model_source src = {
        .format = m->format, .graph_path = graph,
        .weights_path = v->weights_file[0] ? weights : NULL,
        .roots = syn_models_roots(ms), .n_roots = ms->n_link_roots,
        .external = &data, .n_external = v->weights_file[0] != '\0'};
    const char *cut[SYN_MAX_PORTS], *tap[SYN_MAX_PORTS];
    struct syn_model_opts opts = {
        .cancel = &slot->cancel, .cut_inputs = cut, .extra_outputs = tap};
    for (int32_t i = 0; i < m->n_ports; i++) {
        const struct syn_port *p = &m->port[i];
        if (!p->inner || &m->variant[p->network] != v) continue;
        if (p->output) tap[opts.n_extra_outputs++] = p->tensor;
        else cut[opts.n_cut_inputs++] = p->tensor;
    }
    if (snprintf(graph, sizeof graph, "%s/%s", folder, v->graph_file) >= (int)sizeof graph ||
        snprintf(weights, sizeof weights, "%s/%s", folder, v->weights_file) >= (int)sizeof weights)
        return syn_fail(err, SYN_INVALID, "the model folder's path is too long");
    return syn_model_open(ms->engine, &src, &opts, out, err);
}

static void finish_load(struct syn_models *ms, struct syn_loaded *slot, syn_status st,
                        struct syn_model *model, double seconds, const struct syn_err *why)
{
    if (st == SYN_OK) {
        slot->model = model;
        slot->state = SYN_MODEL_READY;
        slot->loads++;
        slot->load_seconds = seconds;
        slot->last_used = slot->loaded_at = ++ms->clock;
        slot->failure[0] = '\0';
    } else {
        ms->charged -= slot->bytes;
        slot->bytes = 0;
        slot->state = st == SYN_CANCELED ? SYN_MODEL_UNLOADED : SYN_MODEL_FAILED;
        slot->failure_status = st;
        snprintf(slot->failure, sizeof slot->failure, "%.*s", (int)sizeof slot->failure - 1,
                 why->text);
    }
    slot->attempt++;
    pthread_cond_broadcast(&ms->changed);
}

static void *load_thread(void *ctx)
{
    struct syn_loaded *slot = ctx;
    struct syn_models *ms = slot->entry->owner;
    const struct syn_variant *v = slot->variant;
    struct syn_model *model = NULL;
    struct syn_err err = {""};
    double started = syn_seconds_now(), seconds;
    syn_status st = check_files(slot, &err);
    if (st == SYN_OK) {
        pthread_mutex_lock(&ms->mu);
        st = make_room(ms, slot, v->graph_bytes + v->weights_bytes, &err);
        pthread_mutex_unlock(&ms->mu);
    }
    if (st == SYN_OK) st = open_network(ms, slot, &model, &err);
    seconds = syn_seconds_now() - started;
    strip_folder(slot->entry->folder, &err);
    if (st == SYN_OK)
        syn_log(SYN_LOG_INFO, "model loaded model=%s scale=%d noise=%d bytes=%llu seconds=%.3f",
                slot->entry->manifest.id, (int)v->scale, (int)v->noise,
                (unsigned long long)(v->graph_bytes + v->weights_bytes), seconds);
    else if (st == SYN_CANCELED)
        syn_log(SYN_LOG_INFO, "model load stopped model=%s scale=%d noise=%d",
                slot->entry->manifest.id, (int)v->scale, (int)v->noise);
    else
        syn_log(SYN_LOG_ERROR, "model failed model=%s scale=%d noise=%d status=%s reason=\"%s\"",
                slot->entry->manifest.id, (int)v->scale, (int)v->noise, syn_status_word(st),
                err.text);
    pthread_mutex_lock(&ms->mu);
    finish_load(ms, slot, st, model, seconds, &err);
    pthread_mutex_unlock(&ms->mu);
    return NULL;
}

/* UNLOADED or FAILED to LOADING. Called with mu held. */
static syn_status start_load(struct syn_loaded *slot, struct syn_err *err)
{
    int r;
    if (slot->has_thread) { /* of an earlier load: it ended, or is about to return */
        pthread_join(slot->thread, NULL);
        slot->has_thread = false;
    }
    atomic_store(&slot->cancel, false);
    r = pthread_create(&slot->thread, NULL, load_thread, slot);
    if (r != 0) return syn_fail(err, SYN_NO_MEMORY, "starting a thread: %s", strerror(r));
    slot->has_thread = true;
    slot->state = SYN_MODEL_LOADING;
    return SYN_OK;
}

/* --- callers ---------------------------------------------------------------------------------- */

static bool wants_out(const atomic_bool *cancel)
{
    return cancel && atomic_load(cancel);
}

/* Waits for the load under way; slot is LOADING. Called with mu held. SYN_OK: READY, and one user
 * more. SYN_BUSY: that load had been given up by others before this caller came; look again. */
static syn_status wait_for_load(struct syn_models *ms, struct syn_loaded *slot,
                                const atomic_bool *cancel, struct syn_err *err)
{
    uint64_t attempt = slot->attempt;
    slot->users++;
    while (slot->attempt == attempt && !wants_out(cancel)) wait_a_little(ms);
    if (slot->attempt != attempt && slot->state == SYN_MODEL_READY && !wants_out(cancel))
        return SYN_OK;
    slot->users--;
    if (wants_out(cancel)) {
        if (slot->users == 0 && slot->state == SYN_MODEL_LOADING) atomic_store(&slot->cancel, true);
        return syn_fail(err, SYN_CANCELED, "canceled while the model was loading");
    }
    if (slot->failure_status == SYN_CANCELED || slot->attempt > attempt + 1) return SYN_BUSY;
    return syn_fail(err, slot->failure_status, "model '%s': %s", slot->entry->manifest.id,
                    slot->failure);
}

static syn_status acquire_locked(struct syn_models *ms, struct syn_loaded *slot,
                                 const atomic_bool *cancel, struct syn_err *err)
{
    for (;;) {
        syn_status st;
        if (wants_out(cancel))
            return syn_fail(err, SYN_CANCELED, "canceled before the model was loaded");
        if (slot->state == SYN_MODEL_READY) {
            slot->users++;
            slot->last_used = ++ms->clock;
            return SYN_OK;
        }
        if (slot->state != SYN_MODEL_LOADING && (st = start_load(slot, err)) != SYN_OK) return st;
        st = wait_for_load(ms, slot, cancel, err);
        if (st != SYN_BUSY) return st;
    }
}

/* NULL: v is none of the model's. */
static struct syn_loaded *slot_of(struct syn_model_entry *e, const struct syn_variant *v)
{
    int32_t i = 0;
    while (i < e->manifest.n_variants && v != &e->manifest.variant[i]) i++;
    return i < e->manifest.n_variants ? &e->slot[i] : NULL;
}

syn_status syn_models_acquire(struct syn_models *ms, const char *id, const struct syn_variant *v,
                              const atomic_bool *cancel, struct syn_loaded **out,
                              struct syn_err *err)
{
    struct syn_model_entry *e = syn_models_entry(ms, id);
    struct syn_loaded *slot;
    uint64_t need;
    syn_status st;
    if (!e) return syn_fail(err, SYN_NOT_FOUND, "model '%.64s' is not here", id ? id : "");
    slot = slot_of(e, v);
    if (!slot)
        return syn_fail(err, SYN_NOT_FOUND, "model '%s' has no such variant", id);
    if (!ms->engine)
        return syn_fail(err, SYN_UNSUPPORTED, "models are only listed here: there is no engine");
    need = v->graph_bytes + v->weights_bytes;
    if (ms->budget && need > ms->budget)
        return syn_fail(err, SYN_TOO_LARGE,
                        "model '%s' needs %llu bytes: the budget for all models is %llu", id,
                        (unsigned long long)need, (unsigned long long)ms->budget);
    pthread_mutex_lock(&ms->mu);
    st = acquire_locked(ms, slot, cancel, err);
    pthread_mutex_unlock(&ms->mu);
    if (st == SYN_OK) *out = slot;
    return st;
}

bool syn_models_acquire_loaded(struct syn_models *ms, const char *id, const struct syn_variant *v,
                               struct syn_loaded **out)
{
    struct syn_model_entry *e = syn_models_entry(ms, id);
    struct syn_loaded *slot = e ? slot_of(e, v) : NULL;
    bool ready;
    if (!slot) return false;
    pthread_mutex_lock(&ms->mu);
    ready = slot->state == SYN_MODEL_READY;
    if (ready) {
        slot->users++;
        slot->last_used = ++ms->clock;
        *out = slot;
    }
    pthread_mutex_unlock(&ms->mu);
    return ready;
}

void syn_models_release(struct syn_models *ms, struct syn_loaded *l)
{
    if (!l) return;
    pthread_mutex_lock(&ms->mu);
    l->users--;
    l->last_used = ++ms->clock;
    pthread_cond_broadcast(&ms->changed);
    pthread_mutex_unlock(&ms->mu);
}

struct syn_model *syn_loaded_model(struct syn_loaded *l)
{
    return l->model; /* does not change while the caller holds it */
}

syn_status syn_models_unload(struct syn_models *ms, const char *id, struct syn_err *err)
{
    struct syn_model_entry *e = syn_models_entry(ms, id);
    int32_t busy = 0;
    if (!e) return syn_fail(err, SYN_NOT_FOUND, "model '%.64s' is not here", id ? id : "");
    pthread_mutex_lock(&ms->mu);
    for (int32_t i = 0; i < e->manifest.n_variants; i++) {
        struct syn_loaded *s = &e->slot[i];
        if (s->state == SYN_MODEL_READY && s->users == 0)
            close_idle(ms, s);
        else if (s->state == SYN_MODEL_READY || s->state == SYN_MODEL_LOADING)
            busy++;
    }
    pthread_mutex_unlock(&ms->mu);
    if (busy) return syn_fail(err, SYN_BUSY, "model '%s': %d networks are in use", id, (int)busy);
    return SYN_OK;
}

uint64_t syn_models_resident_bytes(struct syn_models *ms)
{
    uint64_t bytes;
    pthread_mutex_lock(&ms->mu);
    bytes = ms->charged;
    pthread_mutex_unlock(&ms->mu);
    return bytes;
}

/* READY says more than LOADING, LOADING than FAILED, FAILED than UNLOADED. */
static int rank_of(enum syn_model_state s)
{
    return s == SYN_MODEL_READY ? 3 : s == SYN_MODEL_LOADING ? 2 : s == SYN_MODEL_FAILED ? 1 : 0;
}

void syn_models_status(struct syn_models *ms, const char *id, struct syn_model_status *out)
{
    struct syn_model_entry *e = syn_models_entry(ms, id);
    uint64_t newest = 0;
    memset(out, 0, sizeof *out);
    if (!e) return;
    pthread_mutex_lock(&ms->mu);
    for (int32_t i = 0; i < e->manifest.n_variants; i++) {
        const struct syn_loaded *s = &e->slot[i];
        if (rank_of(s->state) > rank_of(out->state)) out->state = s->state;
        if (s->state == SYN_MODEL_READY) out->resident_bytes += s->bytes;
        if (s->state == SYN_MODEL_FAILED) memcpy(out->failure, s->failure, sizeof out->failure);
        if (s->loads && s->loaded_at >= newest) {
            newest = s->loaded_at;
            out->load_seconds = s->load_seconds;
        }
        out->loads += s->loads;
        out->evictions += s->evictions;
    }
    pthread_mutex_unlock(&ms->mu);
}

void syn_residency_close(struct syn_models *ms)
{
    for (int32_t i = 0; i < ms->n_entries; i++) {
        struct syn_model_entry *e = ms->entry[i];
        for (int32_t k = 0; k < e->manifest.n_variants; k++) atomic_store(&e->slot[k].cancel, true);
    }
    for (int32_t i = 0; i < ms->n_entries; i++) {
        struct syn_model_entry *e = ms->entry[i];
        for (int32_t k = 0; k < e->manifest.n_variants; k++) {
            struct syn_loaded *s = &e->slot[k];
            if (s->has_thread) pthread_join(s->thread, NULL);
            s->has_thread = false;
        }
    }
    for (int32_t i = 0; i < ms->n_entries; i++) {
        struct syn_model_entry *e = ms->entry[i];
        for (int32_t k = 0; k < e->manifest.n_variants; k++) syn_model_close(e->slot[k].model);
    }
}
