/* auth.h - who is asking: API keys, and whether a browser was sent here by somebody else's page.
 *
 * Keys are stored as sha256 and compared in constant time; every key is compared every time.
 *
 * Layer:   server/http.   Threads: immutable after open. */
#ifndef SYN_AUTH_H
#define SYN_AUTH_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stddef.h>

#define SYN_KEY_NAME_SIZE 64

struct syn_auth;

/* One "name:sha256hex" a line, '#' starts a comment. path NULL: no keys, everybody may. SYN_IO:
 * cannot read; SYN_INVALID names line and fault; an empty file is SYN_INVALID too. */
SYN_MUST_CHECK syn_status syn_auth_open(const char *path, struct syn_auth **out,
                                        struct syn_err *err);
void syn_auth_close(struct syn_auth *a); /* NULL-safe */
bool syn_auth_has_keys(const struct syn_auth *a);

/* The name of the key in the headers (each may be NULL): "Authorization: Bearer KEY",
 * "Authorization: Basic base64(anything:KEY)", "x-api-key: KEY". Without configured keys: ""
 * whatever arrived. NULL: none of the configured ones. */
const char *syn_auth_check(const struct syn_auth *a, const char *authorization,
                           const char *x_api_key);

/* Host and Origin. All lists NULL-terminated, may be NULL. */
struct syn_origin_policy {
    bool loopback;              /* the listener's address is a loopback one */
    const char *const *hosts;   /* further Host names, exact, without port */
    const char *const *origins; /* foreign Origins that may call, exact */
};
/* host, origin, fetch_site: the headers, each may be NULL. writes: the request may change
 * something. On refusal false, with the reason. *cors: origin is one of the list and gets CORS
 * headers. */
bool syn_origin_check(const struct syn_origin_policy *p, const char *host, const char *origin,
                      const char *fetch_site, bool writes, bool *cors, struct syn_err *why);

#endif
