/* auth.c - see auth.h. */
#include "server/http/auth.h"
#include "kernels/base/alloc.h"
#include "server/http/datauri.h"
#include "server/http/hex.h"
#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_KEYS 1024
#define MAX_KEY_BYTES 1024
#define DIGEST 32

struct key {
    char name[SYN_KEY_NAME_SIZE];
    uint8_t digest[DIGEST];
};
struct syn_auth {
    struct key *key;
    size_t n;
};

/* "name:hex" without blanks around it. */
static syn_status parse_line(const char *line, struct key *k, struct syn_err *err)
{
    const char *colon = strchr(line, ':');
    size_t n_name = colon ? (size_t)(colon - line) : 0;
    if (!colon) return syn_fail(err, SYN_INVALID, "no colon: must be name:sha256hex");
    if (n_name == 0 || n_name >= sizeof k->name)
        return syn_fail(err, SYN_INVALID, "name of %zu bytes: must be 1 to %zu", n_name,
                        sizeof k->name - 1);
    for (size_t i = 0; i < n_name; i++)
        if (!isalnum((unsigned char)line[i]) && !strchr("._-", line[i]))
            return syn_fail(err, SYN_INVALID, "name: letters, digits, . _ - only");
    if (strlen(colon + 1) != 2 * DIGEST)
        return syn_fail(err, SYN_INVALID, "digest of %zu digits: must be %d", strlen(colon + 1),
                        2 * DIGEST);
    memcpy(k->name, line, n_name);
    k->name[n_name] = '\0';
    for (size_t i = 0; i < DIGEST; i++) {
        int hi = syn_hex_digit(colon[1 + 2 * i]), lo = syn_hex_digit(colon[2 + 2 * i]);
        if (hi < 0 || lo < 0) return syn_fail(err, SYN_INVALID, "digest: hex digits only");
        k->digest[i] = (uint8_t)(hi << 4 | lo);
    }
    return SYN_OK;
}

static syn_status read_keys(struct syn_auth *a, FILE *f, const char *path, struct syn_err *err)
{
    char line[256];
    for (int number = 1; fgets(line, sizeof line, f); number++) {
        char *p = line, *end = line + strlen(line);
        struct key *grown;
        syn_status st;
        if (end > line && end[-1] != '\n' && !feof(f))
            return syn_fail(err, SYN_INVALID, "%s: line %d: over %zu bytes", path, number,
                            sizeof line - 2);
        while (isspace((unsigned char)*p)) p++;
        while (end > p && isspace((unsigned char)end[-1])) *--end = '\0';
        if (*p == '\0' || *p == '#') continue;
        if (a->n == MAX_KEYS)
            return syn_fail(err, SYN_INVALID, "%s: more than %d keys", path, MAX_KEYS);
        grown = syn_realloc(a->key, a->n + 1, sizeof *a->key);
        if (!grown) return syn_fail(err, SYN_NO_MEMORY, "no memory for %zu keys", a->n + 1);
        a->key = grown;
        st = parse_line(p, &a->key[a->n], err);
        if (st != SYN_OK) return syn_fail_in(err, st, "%s: line %d: ", path, number);
        a->n++;
    }
    if (a->n == 0) return syn_fail(err, SYN_INVALID, "%s: no keys in it", path);
    return SYN_OK;
}

syn_status syn_auth_open(const char *path, struct syn_auth **out, struct syn_err *err)
{
    struct syn_auth *a = syn_calloc(1, sizeof *a);
    syn_status st = SYN_OK;
    if (!a) return syn_fail(err, SYN_NO_MEMORY, "no memory for keys");
    if (path) {
        FILE *f = fopen(path, "re");
        st =
            f ? read_keys(a, f, path, err) : syn_fail(err, SYN_IO, "%s: %s", path, strerror(errno));
        if (f) fclose(f);
    }
    if (st != SYN_OK) {
        syn_auth_close(a);
        return st;
    }
    *out = a;
    return SYN_OK;
}

void syn_auth_close(struct syn_auth *a)
{
    if (!a) return;
    syn_free(a->key);
    syn_free(a);
}

bool syn_auth_has_keys(const struct syn_auth *a)
{
    return a->n > 0;
}

/* No early exit: the time does not tell which key, or how much of it, was right. */
static const char *lookup(const struct syn_auth *a, const char *key, size_t n)
{
    uint8_t digest[DIGEST];
    const char *name = NULL;
    if (n == 0 || n > MAX_KEY_BYTES || !EVP_Digest(key, n, digest, NULL, EVP_sha256(), NULL))
        return NULL;
    for (size_t i = 0; i < a->n; i++)
        if (CRYPTO_memcmp(digest, a->key[i].digest, DIGEST) == 0) name = a->key[i].name;
    return name;
}

static const char *lookup_basic(const struct syn_auth *a, const char *text)
{
    uint8_t *plain;
    size_t n;
    const char *name = NULL;
    const uint8_t *colon;
    if (strlen(text) > 2 * MAX_KEY_BYTES ||
        syn_datauri_decode(text, strlen(text), 2 * MAX_KEY_BYTES, &plain, &n, NULL) != SYN_OK)
        return NULL;
    colon = memchr(plain, ':', n);
    if (colon) name = lookup(a, (const char *)colon + 1, n - (size_t)(colon + 1 - plain));
    OPENSSL_cleanse(plain, n);
    syn_free(plain);
    return name;
}

const char *syn_auth_check(const struct syn_auth *a, const char *authorization,
                           const char *x_api_key)
{
    const char *name = NULL;
    if (a->n == 0) return "";
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0) {
        const char *key = authorization + 7;
        while (*key == ' ') key++;
        name = lookup(a, key, strlen(key));
    } else if (authorization && strncasecmp(authorization, "Basic ", 6) == 0) {
        name = lookup_basic(a, authorization + 6);
    }
    if (!name && x_api_key) name = lookup(a, x_api_key, strlen(x_api_key));
    return name;
}

/* ---- Host and Origin ---- */

static bool listed(const char *const *list, const char *word, size_t n)
{
    for (; list && *list; list++)
        if (strlen(*list) == n && strncasecmp(*list, word, n) == 0) return true;
    return false;
}

/* Length of the name in "name:port" or "[v6]:port"; 0 when it is malformed. */
static size_t host_name_length(const char *host)
{
    const char *p = host, *port;
    size_t n;
    if (*p == '[') {
        p = strchr(p, ']');
        if (!p) return 0;
        n = (size_t)(++p - host);
    } else {
        n = strcspn(p, ":");
        p += n;
    }
    if (*p == '\0') return n;
    if (*p != ':') return 0;
    for (port = ++p; *p; p++)
        if (!isdigit((unsigned char)*p)) return 0;
    return p - port >= 1 && p - port <= 5 ? n : 0;
}

static bool host_ok(const struct syn_origin_policy *p, const char *host, struct syn_err *why)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]", NULL};
    size_t n;
    if (!host) return true; /* HTTP/1.0 without one: no browser sends that */
    n = host_name_length(host);
    if (n == 0) {
        (void)syn_fail(why, SYN_INVALID, "Host: not a host name with an optional port");
        return false;
    }
    if (listed(p->hosts, host, n)) return true;
    if (p->loopback ? listed(loopback, host, n) : !p->hosts || !*p->hosts) return true;
    (void)syn_fail(why, SYN_INVALID,
                   "Host: %.*s is not a name of this server: add it to the hosts option",
                   (int)(n < 100 ? n : 100), host);
    return false;
}

bool syn_origin_check(const struct syn_origin_policy *p, const char *host, const char *origin,
                      const char *fetch_site, bool writes, bool *cors, struct syn_err *why)
{
    *cors = false;
    if (!host_ok(p, host, why)) return false;
    if (origin && listed(p->origins, origin, strlen(origin))) {
        *cors = true;
        return true;
    }
    if (!writes) return true;
    if (origin && *origin) {
        const char *rest = strstr(origin, "://");
        if (rest && host && strcasecmp(rest + 3, host) == 0) return true;
        (void)syn_fail(why, SYN_INVALID,
                       "Origin: %.100s may not call this server: add it to the origins option",
                       origin);
        return false;
    }
    if (fetch_site && strcasecmp(fetch_site, "cross-site") == 0) {
        (void)syn_fail(why, SYN_INVALID, "Sec-Fetch-Site: cross-site calls are refused");
        return false;
    }
    return true;
}
