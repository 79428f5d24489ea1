/* conns.h - the open connections: counted, and closed when they drip.
 *
 * libmicrohttpd's own timer restarts with every byte, so a client that sends one byte of a header
 * now and then holds its place for ever. Here each connection has a deadline for its next request's
 * headers.
 *
 * Layer:   server/http.   Threads: any. */
#ifndef SYN_CONNS_H
#define SYN_CONNS_H

#include <stdbool.h>
#include <stdint.h>

struct syn_conns;
struct syn_conn;

/* header_us: from the connection's start, or the end of its last request, to the next one's
 * headers. */
struct syn_conns *syn_conns_new(int64_t header_us); /* starts its thread; NULL without memory */
void syn_conns_free(struct syn_conns *c);           /* joins; NULL-safe; no connection is left */

struct syn_conn *syn_conns_add(struct syn_conns *c, int fd); /* NULL without memory: not watched */
void syn_conns_remove(struct syn_conns *c,
                      struct syn_conn *k); /* before the descriptor is closed; NULL-safe */
/* busy: a request's headers are in, its answer has not left yet. NULL-safe. */
void syn_conns_busy(struct syn_conns *c, struct syn_conn *k, bool busy);
void syn_conns_count(struct syn_conns *c, int *active, int *idle);

#endif
