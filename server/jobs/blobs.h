/* blobs.h - files by content: blobs/ab/abcdef... under the data folder.
 *
 * A writer streams into blobs/tmp, hashes on the way, fsyncs, and renames into place: a blob that has
 * its name is whole. Names are 64 lower-case hex digits and nothing else; files are opened beneath a
 * directory descriptor, without following links.
 *
 * Layer:   server/jobs.   Threads: any; a writer belongs to one thread at a time. */
#ifndef SYN_BLOBS_H
#define SYN_BLOBS_H

#include "server/jobs/store.h"

struct syn_blobs;
struct syn_blob_writer;

/* The store's own blobs; lives as long as the store. */
struct syn_blobs *syn_store_blobs(struct syn_store *s);

bool syn_blob_name_ok(const char *sha256);

/* max_bytes: a write beyond it fails with SYN_TOO_LARGE. SYN_IO names the reason ("no space left").
 * After a failed write the writer is spent: commit returns the same status, abort is fine too. */
SYN_MUST_CHECK syn_status syn_blob_begin(struct syn_blobs *b, uint64_t max_bytes,
                                         struct syn_blob_writer **out, struct syn_err *err);
SYN_MUST_CHECK syn_status syn_blob_write(struct syn_blob_writer *w, const void *data, size_t n,
                                         struct syn_err *err);
/* fsync, rename, fsync of the folder; frees w in every case. sha256 and bytes may be NULL. A blob that
 * is there already is kept and counts as written now: sweep leaves it alone for an hour. */
SYN_MUST_CHECK syn_status syn_blob_commit(struct syn_blob_writer *w,
                                          char sha256[SYN_SHA256_HEX_SIZE], uint64_t *bytes,
                                          struct syn_err *err);
void syn_blob_abort(struct syn_blob_writer *w); /* NULL-safe */

/* begin, write, commit. */
SYN_MUST_CHECK syn_status syn_blob_put(struct syn_blobs *b, const void *data, size_t n,
                                       char sha256[SYN_SHA256_HEX_SIZE], struct syn_err *err);
/* A descriptor to read from (the caller closes it) and the size. SYN_NOT_FOUND. */
SYN_MUST_CHECK syn_status syn_blob_open(struct syn_blobs *b, const char *sha256, int *fd,
                                        uint64_t *bytes, struct syn_err *err);
/* The whole blob in memory (caller: syn_free). SYN_TOO_LARGE over max_bytes. */
SYN_MUST_CHECK syn_status syn_blob_read(struct syn_blobs *b, const char *sha256, uint64_t max_bytes,
                                        void **data, size_t *n, struct syn_err *err);
bool syn_blob_exists(struct syn_blobs *b, const char *sha256, uint64_t *bytes);

#endif
