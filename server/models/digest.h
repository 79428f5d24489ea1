/* digest.h - sha256 of files, and what a file is when it is not what was expected.
 *
 * Layer:   server/models: kernels/base, libcrypto.   Threads: pure functions. */
#ifndef SYN_MODELS_DIGEST_H
#define SYN_MODELS_DIGEST_H

#include "kernels/base/status.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SYN_SHA256_SIZE 65 /* 64 hex digits and a NUL */

/* Reads fd from its position to the end. cancel (may be NULL) is looked at each MiB: SYN_CANCELED.
 * progress (may be NULL) is told the bytes so far. */
typedef void syn_digest_progress(void *user, uint64_t bytes);
SYN_MUST_CHECK syn_status syn_digest_fd(int fd, const atomic_bool *cancel,
                                        syn_digest_progress *progress, void *user,
                                        char hex[SYN_SHA256_SIZE], uint64_t *bytes,
                                        struct syn_err *err);
SYN_MUST_CHECK syn_status syn_digest_bytes(const void *bytes, size_t n, char hex[SYN_SHA256_SIZE],
                                           struct syn_err *err);

/* Names what often lies in the place of weights, by content: "a Git LFS pointer: ...", "an HTML
 * page ...", "empty ...". head: the first bytes (64 are enough; n = 0 means an empty file). NULL:
 * none of these. Static storage. */
const char *syn_content_mistake(const uint8_t *head, size_t n);

#endif
