/* multipart.h - multipart/form-data as it arrives: bytes pushed in, parts handed out.
 *
 * Source:  RFC 7578 and RFC 2046. Headers of a part are capped, the data of a part is never held:
 * it goes to the callback in pieces. File names and media types of parts are not believed; only
 *          whether there was a file name is passed on.
 * Layer:   server/http.   Threads: a parser belongs to one thread at a time. */
#ifndef SYN_MULTIPART_H
#define SYN_MULTIPART_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYN_PART_NAME_SIZE 128

struct syn_part {
    char name[SYN_PART_NAME_SIZE]; /* never empty */
    bool is_file;                  /* it had a file name */
};

/* Called in the order part, data*, end for each part; any status but SYN_OK ends the parsing. */
struct syn_multipart_sink {
    syn_status (*part)(void *user, const struct syn_part *p, struct syn_err *err);
    syn_status (*data)(void *user, const uint8_t *bytes, size_t n, struct syn_err *err);
    syn_status (*end)(void *user, struct syn_err *err);
    void *user;
};

struct syn_multipart;

/* content_type is the request's header. SYN_INVALID: no boundary, or an illegal one; SYN_NO_MEMORY.
 * sink is copied. */
SYN_MUST_CHECK syn_status syn_multipart_new(const char *content_type,
                                            const struct syn_multipart_sink *sink,
                                            struct syn_multipart **out, struct syn_err *err);
/* SYN_INVALID: malformed; or the sink's status. After a failure only free may be called. */
SYN_MUST_CHECK syn_status syn_multipart_push(struct syn_multipart *mp, const void *bytes, size_t n,
                                             struct syn_err *err);
/* The body is over. SYN_INVALID when its closing boundary did not come. */
SYN_MUST_CHECK syn_status syn_multipart_finish(struct syn_multipart *mp, struct syn_err *err);
void syn_multipart_free(struct syn_multipart *mp); /* NULL-safe */

#endif
