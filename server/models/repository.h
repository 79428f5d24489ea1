/* repository.h - struct syn_models: the index of the model folders and what is loaded of them.
 *
 * repository.c makes and frees it and answers what is in the index; residency.c loads and evicts.
 *
 * Layer:   server/models.
 * Threads: everything but the fields guarded by mu is immutable after syn_models_open. */
#ifndef SYN_MODELS_REPOSITORY_H
#define SYN_MODELS_REPOSITORY_H

#include "server/models/models.h"
#include <pthread.h>
#include <sys/types.h>
#include <time.h>

/* A file as it was when it was hashed. */
struct syn_file_mark {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec mtime, ctime;
};

struct syn_model_entry;

/* One variant's place in memory. All fields guarded by models->mu but entry, variant and cancel.
 *
 *     UNLOADED --acquire--> LOADING --> READY --evict, unload--> UNLOADED
 *     FAILED   --acquire-->         --> FAILED
 *                                   --> UNLOADED (canceled)
 *
 * 1. users counts the holders and those who wait for the load; READY with users = 0 is idle.
 * 2. model is set in READY alone; only an idle one is taken out.
 * 3. A thread exists for each LOADING slot; attempt grows when it has finished. */
struct syn_loaded {
    struct syn_model_entry *entry;
    const struct syn_variant *variant;
    enum syn_model_state state;
    struct syn_model *model;
    int32_t users;
    uint64_t attempt;
    uint64_t bytes;       /* counted in models->charged */
    uint64_t last_used;   /* models->clock at the last acquire or release */
    uint64_t loaded_at;   /* models->clock at the end of the last good load */
    int64_t loads, evictions;
    double load_seconds;
    syn_status failure_status;
    char failure[200];
    bool marked;          /* mark is that of files whose digests were right */
    struct syn_file_mark mark[2]; /* owned by the loading thread while LOADING */
    pthread_t thread;
    bool has_thread;      /* to be joined */
    atomic_bool cancel;   /* nobody wants the load any more */
};

struct syn_model_entry {
    struct syn_models *owner;
    struct syn_manifest manifest;
    char *folder;
    struct syn_loaded slot[SYN_MAX_VARIANTS];
};

struct syn_models {
    struct syn_engine *engine;
    uint64_t budget; /* 0 = none */
    struct syn_model_entry **entry; /* sorted by id */
    int32_t n_entries;
    char **link_roots;      /* NULL-terminated; NULL: none; immutable after open */
    int32_t n_link_roots;
    pthread_mutex_t mu;
    pthread_cond_t changed; /* a load ended, a network was released */
    uint64_t charged;       /* guarded by mu: bytes of READY and of reserved LOADING slots */
    uint64_t clock;         /* guarded by mu */
};

struct syn_model_entry *syn_models_entry(const struct syn_models *ms, const char *id); /* or NULL */
/* As syn_folder_file and the like take them. */
static inline const char *const *syn_models_roots(const struct syn_models *ms)
{
    return (const char *const *)ms->link_roots;
}
/* Stops loads, joins their threads, closes what is loaded. Everything is released. */
void syn_residency_close(struct syn_models *ms);

#endif
