/* blobs_private.h - what the store does with the blob folder besides blobs.h. Only store*.c and
 * blobs*.c include it.
 *
 * Threads: any, but drop_old: the store's writer only, so that no submit or finish checks a blob's
 * presence at the same moment. */
#ifndef SYN_BLOBS_PRIVATE_H
#define SYN_BLOBS_PRIVATE_H

#include "server/jobs/blobs.h"
#include <pthread.h>
#include <stdatomic.h>

#define SYN_BLOB_FOLDERS  256
#define SYN_BLOB_TMP_NAME 64

struct syn_blob_writer {
    struct syn_blobs *blobs;
    int fd;
    char tmp[SYN_BLOB_TMP_NAME]; /* its name in blobs/tmp; immutable */
    bool renamed;                /* tmp is gone */
    void *digest;                /* EVP_MD_CTX */
    uint64_t bytes, max_bytes;
    syn_status failed; /* the first failure, for commit */
    struct syn_err why;
    struct syn_blob_writer *next; /* in blobs->writers */
};

struct syn_blobs {
    int dir_fd, tmp_fd; /* immutable after open */
    atomic_uint_fast64_t bytes, serial;
    atomic_bool folder_durable[SYN_BLOB_FOLDERS]; /* blobs/xx is on disk as an entry of blobs/ */

    pthread_mutex_t mu;              /* a name appears, is renewed or goes under mu; guards: */
    struct syn_blob_writer *writers; /* open ones */
};

/* Opens or creates blobs/ beneath the data folder, removes temporary files that a dead process left,
 * and adds up the sizes: the one scan. */
SYN_MUST_CHECK syn_status syn_blobs_open(int data_fd, struct syn_blobs **out, struct syn_err *err);
void syn_blobs_close(struct syn_blobs *b); /* NULL-safe; no writer is open any more */
uint64_t syn_blobs_bytes(struct syn_blobs *b);

/* blobs/xx (folder = 0xxx) beneath its descriptor; -1 with errno. */
int syn_blobs_folder(struct syn_blobs *b, unsigned folder);
/* An errno as ours: "cannot store a blob: no space left on the disk of the data folder". */
syn_status syn_blobs_fail(int error, const char *doing, struct syn_err *err);

/* Names in one folder (0..255) that were last written before cutoff_ms: *names is n times
 * SYN_SHA256_HEX_SIZE bytes, the caller frees it. A missing folder has none. */
SYN_MUST_CHECK syn_status syn_blobs_old(struct syn_blobs *b, unsigned folder, int64_t cutoff_ms,
                                        char (**names)[SYN_SHA256_HEX_SIZE], size_t *n,
                                        struct syn_err *err);
/* Removes the blob unless it was written since cutoff_ms. A blob that is not there is fine. */
SYN_MUST_CHECK syn_status syn_blobs_drop_old(struct syn_blobs *b, const char *sha256,
                                             int64_t cutoff_ms, struct syn_err *err);
/* Removes temporary files that no open writer owns and that are older. */
SYN_MUST_CHECK syn_status syn_blobs_clear_tmp(struct syn_blobs *b, int64_t cutoff_ms,
                                              struct syn_err *err);

#endif
