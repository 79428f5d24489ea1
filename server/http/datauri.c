/* datauri.c - see datauri.h. */
#include "server/http/datauri.h"
#include "kernels/base/alloc.h"
#include "server/http/hex.h"
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define MAX_PREFIX 512 /* of "data:...;base64," */

/* 0..63; -1 padding; -2 skipped; -3 illegal. */
static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    if (c == '=') return -1;
    if (c == '\r' || c == '\n' || c == ' ' || c == '\t') return -2;
    return -3;
}

static bool starts(const char *text, size_t n, const char *word)
{
    size_t len = strlen(word);
    return n >= len && strncasecmp(text, word, len) == 0;
}

/* Moves past "data:[type];base64," when there is one. */
static syn_status skip_prefix(const char **text, size_t *n, bool *is_uri, struct syn_err *err)
{
    static const char mark[] = ";base64";
    const char *comma;
    size_t len;
    *is_uri = false;
    if (!starts(*text, *n, "data:")) {
        size_t scheme = 0;
        while (scheme < *n && scheme < 16 && (*text)[scheme] != ':') scheme++;
        if (scheme < *n && (*text)[scheme] == ':')
            return syn_fail(err, SYN_UNSUPPORTED,
                            "a URL: must be a blob id, a data URI or base64; nothing is fetched");
        return SYN_OK;
    }
    comma = memchr(*text, ',', *n < MAX_PREFIX ? *n : MAX_PREFIX);
    if (!comma)
        return syn_fail(err, SYN_INVALID, "a data URI without a comma in its first %d bytes",
                        MAX_PREFIX);
    len = (size_t)(comma - *text);
    if (len < sizeof mark - 1 || strncasecmp(comma - (sizeof mark - 1), mark, sizeof mark - 1) != 0)
        return syn_fail(err, SYN_INVALID,
                        "a data URI that is not base64: must be data:TYPE;base64,...");
    *n -= len + 1;
    *text = comma + 1;
    *is_uri = true;
    return SYN_OK;
}

syn_status syn_datauri_decode(const char *text, size_t n, uint64_t max_bytes, uint8_t **data,
                              size_t *size, struct syn_err *err)
{
    uint8_t *out;
    uint32_t bits = 0;
    size_t at = 0, n_digits = 0, n_pads = 0;
    bool is_uri;
    syn_status st = skip_prefix(&text, &n, &is_uri, err);
    if (st != SYN_OK) return st;
    /* Blanks and escapes only make the text longer, so this bounds the bytes from above. */
    out = syn_alloc(n / 4 * 3 + 3);
    if (!out) return syn_fail(err, SYN_NO_MEMORY, "no memory for %zu bytes", n / 4 * 3 + 3);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        int v;
        if (is_uri && c == '%' && i + 2 < n && syn_hex_digit(text[i + 1]) >= 0 &&
            syn_hex_digit(text[i + 2]) >= 0) {
            c = (unsigned char)(syn_hex_digit(text[i + 1]) << 4 | syn_hex_digit(text[i + 2]));
            i += 2;
        }
        v = value_of(c);
        if (v == -2) continue;
        if (v == -1 && n_digits % 4 >= 2 && n_pads < 4 - n_digits % 4) {
            n_pads++;
            continue;
        }
        if (v < 0 || n_pads > 0) {
            syn_free(out);
            return syn_fail(err, SYN_INVALID, "not base64: byte 0x%02x at %zu", c, i);
        }
        bits = bits << 6 | (uint32_t)v;
        if (++n_digits % 4 == 0) {
            out[at++] = (uint8_t)(bits >> 16);
            out[at++] = (uint8_t)(bits >> 8);
            out[at++] = (uint8_t)bits;
        }
    }
    if (n_digits % 4 == 2) {
        out[at++] = (uint8_t)(bits >> 4);
    } else if (n_digits % 4 == 3) {
        out[at++] = (uint8_t)(bits >> 10);
        out[at++] = (uint8_t)(bits >> 2);
    }
    if (n_digits % 4 == 1)
        st = syn_fail(err, SYN_INVALID, "not base64: ends inside a byte (%zu digits)", n_digits);
    else if (at == 0) st = syn_fail(err, SYN_INVALID, "no bytes in it");
    else if (at > max_bytes)
        st = syn_fail(err, SYN_TOO_LARGE, "%zu bytes: at most %llu", at,
                      (unsigned long long)max_bytes);
    if (st != SYN_OK) {
        syn_free(out);
        return st;
    }
    *data = out;
    *size = at;
    return SYN_OK;
}
