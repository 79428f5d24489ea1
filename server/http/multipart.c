/* multipart.c - see multipart.h.
 *
 *   PREAMBLE ──delimiter──► AFTER ──"\r\n"──► HEADERS ──blank line──► BODY ──delimiter──┐
 *                             │ ▲                                                       │
 *                          "--" └───────────────────────────────────────────────────────┘
 *                             ▼
 *                          EPILOGUE (everything is ignored)
 *
 * The delimiter is "\r\n--boundary". A virtual "\r\n" stands before the body's first byte, so that
 * the first boundary needs no case of its own. What is pushed goes through one window; at most a
 * delimiter's length less one (BODY) or a part's headers (HEADERS) stay in it between two pushes.
 */
#include "server/http/multipart.h"
#include "kernels/base/alloc.h"
#include <string.h>
#include <strings.h>

#define MAX_BOUNDARY 70 /* RFC 2046 */
#define MAX_PART_HEADERS 4096
#define WINDOW 16384

enum state { PREAMBLE, AFTER, HEADERS, BODY, EPILOGUE };

struct syn_multipart {
    struct syn_multipart_sink sink;
    enum state state;
    char delimiter[4 + MAX_BOUNDARY + 1];
    size_t n_delimiter;
    size_t n;    /* bytes in window */
    size_t skip; /* of them, at its start, that are no data: the blank line's end (BODY) */
    uint8_t window[WINDOW];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The value of parameter `key` in a header's "value; a=b; c=\"d\"". False: not there, or it does
 * not fit; *present tells which. */
static bool parameter(const char *text, size_t n, const char *key, char *out, size_t size,
                      bool *present)
{
    size_t i = 0, n_key = strlen(key);
    *present = false;
    while (i < n && text[i] != ';') i++;
    while (i < n) {
        size_t start, at = 0;
        bool match;
        while (i < n && (text[i] == ';' || is_blank(text[i]))) i++;
        start = i;
        while (i < n && text[i] != '=' && text[i] != ';') i++;
        match = i - start == n_key && strncasecmp(text + start, key, n_key) == 0;
        if (i >= n || text[i] != '=') continue;
        i++;
        if (i < n && text[i] == '"') {
            for (i++; i < n && text[i] != '"'; i++) {
                if (text[i] == '\\' && i + 1 < n && (text[i + 1] == '"' || text[i + 1] == '\\'))
                    i++;
                if (match && at + 1 < size) out[at] = text[i];
                at++;
            }
            if (i < n) i++;
        } else {
            for (; i < n && text[i] != ';' && !is_blank(text[i]); i++) {
                if (match && at + 1 < size) out[at] = text[i];
                at++;
            }
        }
        if (match) {
            *present = true;
            if (at + 1 > size) return false;
            out[at] = '\0';
            return memchr(out, 0, at) == NULL;
        }
        while (i < n && text[i] != ';') i++;
    }
    return false;
}

static bool boundary_ok(const char *b)
{
    size_t n = strlen(b);
    if (n == 0 || b[n - 1] == ' ') return false;
    for (; *b; b++) {
        bool alnum =
            (*b >= '0' && *b <= '9') || (*b >= 'a' && *b <= 'z') || (*b >= 'A' && *b <= 'Z');
        if (!alnum && !strchr("'()+_,-./:=? ", *b)) return false;
    }
    return true;
}

syn_status syn_multipart_new(const char *content_type, const struct syn_multipart_sink *sink,
                             struct syn_multipart **out, struct syn_err *err)
{
    char boundary[MAX_BOUNDARY + 1];
    bool present;
    struct syn_multipart *mp;
    if (!parameter(content_type, strlen(content_type), "boundary", boundary, sizeof boundary,
                   &present) ||
        !boundary_ok(boundary))
        return syn_fail(err, SYN_INVALID, "Content-Type: %s",
                        present ? "illegal boundary: 1 to 70 characters of RFC 2046"
                                : "multipart without a boundary");
    mp = syn_alloc(sizeof *mp);
    if (!mp) return syn_fail(err, SYN_NO_MEMORY, "no memory for a form");
    mp->sink = *sink;
    mp->state = PREAMBLE;
    mp->skip = 0;
    memcpy(mp->delimiter, "\r\n--", 4);
    memcpy(mp->delimiter + 4, boundary, strlen(boundary) + 1);
    mp->n_delimiter = 4 + strlen(boundary);
    memcpy(mp->window, "\r\n", 2);
    mp->n = 2;
    *out = mp;
    return SYN_OK;
}

void syn_multipart_free(struct syn_multipart *mp)
{
    syn_free(mp);
}

static void consume(struct syn_multipart *mp, size_t n)
{
    mp->n -= n;
    memmove(mp->window, mp->window + n, mp->n);
}

/* Each step does what it can with the window and says by *more whether another step may help. */

static syn_status step_data(struct syn_multipart *mp, bool *more, struct syn_err *err)
{
    const uint8_t *found = memmem(mp->window, mp->n, mp->delimiter, mp->n_delimiter);
    size_t n_data = found                      ? (size_t)(found - mp->window)
                    : mp->n >= mp->n_delimiter ? mp->n - (mp->n_delimiter - 1)
                                               : 0;
    syn_status st = SYN_OK;
    if (mp->state == BODY && n_data > mp->skip)
        st = mp->sink.data(mp->sink.user, mp->window + mp->skip, n_data - mp->skip, err);
    if (st == SYN_OK && found && mp->state == BODY) st = mp->sink.end(mp->sink.user, err);
    if (st != SYN_OK) return st;
    consume(mp, n_data + (found ? mp->n_delimiter : 0));
    mp->skip -= mp->skip < n_data ? mp->skip : n_data;
    if (found) mp->state = AFTER;
    *more = found != NULL;
    return SYN_OK;
}

static syn_status step_after(struct syn_multipart *mp, bool *more, struct syn_err *err)
{
    size_t i = 0;
    *more = false;
    if (mp->n >= 2 && mp->window[0] == '-' && mp->window[1] == '-') {
        mp->state = EPILOGUE;
        *more = true;
        return SYN_OK;
    }
    while (i < mp->n && is_blank((char)mp->window[i])) i++;
    if (i > 64) return syn_fail(err, SYN_INVALID, "more than 64 blanks after a boundary");
    if (mp->n < i + 2) return SYN_OK;
    if (mp->window[i] != '\r' || mp->window[i + 1] != '\n')
        return syn_fail(err, SYN_INVALID, "a boundary that is not followed by a line end");
    consume(mp, i);
    mp->state = HEADERS; /* the line end stays: it starts the headers */
    *more = true;
    return SYN_OK;
}

/* One header line; n without its line end. */
static syn_status read_header(const char *line, size_t n, struct syn_part *part, bool *named,
                              struct syn_err *err)
{
    static const char disposition[] = "content-disposition:",
                      encoding[] = "content-transfer-encoding:";
    char unused[4];
    bool present;
    if (n > sizeof encoding - 1 && strncasecmp(line, encoding, sizeof encoding - 1) == 0) {
        size_t i = sizeof encoding - 1;
        while (i < n && is_blank(line[i])) i++;
        if (strncasecmp(line + i, "base64", n - i < 6 ? n - i : 6) == 0 ||
            strncasecmp(line + i, "quoted", n - i < 6 ? n - i : 6) == 0)
            return syn_fail(err, SYN_INVALID, "a part with a transfer encoding: send it as it is");
        return SYN_OK;
    }
    if (n <= sizeof disposition - 1 || strncasecmp(line, disposition, sizeof disposition - 1) != 0)
        return SYN_OK;
    line += sizeof disposition - 1;
    n -= sizeof disposition - 1;
    if (*named) return syn_fail(err, SYN_INVALID, "a part with two Content-Disposition headers");
    if (!parameter(line, n, "name", part->name, sizeof part->name, &present) || !part->name[0])
        return syn_fail(err, SYN_INVALID, "a part's name is missing, empty or over %d bytes",
                        SYN_PART_NAME_SIZE - 1);
    *named = true;
    (void)parameter(line, n, "filename", unused, sizeof unused, &present);
    part->is_file = present;
    if (!present) {
        (void)parameter(line, n, "filename*", unused, sizeof unused, &present);
        part->is_file = present;
    }
    return SYN_OK;
}

static syn_status step_headers(struct syn_multipart *mp, bool *more, struct syn_err *err)
{
    const char *text = (const char *)mp->window, *end = memmem(text, mp->n, "\r\n\r\n", 4);
    struct syn_part part;
    bool named = false;
    syn_status st;
    *more = false;
    if (!end) {
        if (mp->n > MAX_PART_HEADERS)
            return syn_fail(err, SYN_INVALID, "a part's headers are over %d bytes",
                            MAX_PART_HEADERS);
        return SYN_OK;
    }
    if (end - text > MAX_PART_HEADERS)
        return syn_fail(err, SYN_INVALID, "a part's headers are over %d bytes", MAX_PART_HEADERS);
    memset(&part, 0, sizeof part);
    for (const char *line = text; line < end;) {
        const char *next = memmem(line + 2, (size_t)(end + 2 - (line + 2)), "\r\n", 2);
        if (!next) next = end;
        st = read_header(line + 2, (size_t)(next - (line + 2)), &part, &named, err);
        if (st != SYN_OK) return st;
        line = next;
    }
    if (!named) return syn_fail(err, SYN_INVALID, "a part without a name");
    st = mp->sink.part(mp->sink.user, &part, err);
    if (st != SYN_OK) return st;
    /* The blank line's own end stays: it may start the delimiter of a part without data. */
    consume(mp, (size_t)(end - text) + 2);
    mp->skip = 2;
    mp->state = BODY;
    *more = true;
    return SYN_OK;
}

static syn_status steps(struct syn_multipart *mp, struct syn_err *err)
{
    bool more = true;
    while (more) {
        syn_status st = SYN_OK;
        switch (mp->state) {
        case PREAMBLE:
        case BODY: st = step_data(mp, &more, err); break;
        case AFTER: st = step_after(mp, &more, err); break;
        case HEADERS: st = step_headers(mp, &more, err); break;
        case EPILOGUE:
            mp->n = 0;
            more = false;
            break;
        }
        if (st != SYN_OK) return st;
    }
    return SYN_OK;
}

syn_status syn_multipart_push(struct syn_multipart *mp, const void *bytes, size_t n,
                              struct syn_err *err)
{
    const uint8_t *p = bytes;
    while (n > 0) {
        size_t take = WINDOW - mp->n < n ? WINDOW - mp->n : n;
        syn_status st;
        memcpy(mp->window + mp->n, p, take);
        mp->n += take;
        p += take;
        n -= take;
        st = steps(mp, err);
        if (st != SYN_OK) return st;
    }
    return SYN_OK;
}

syn_status syn_multipart_finish(struct syn_multipart *mp, struct syn_err *err)
{
    if (mp->state != EPILOGUE)
        return syn_fail(err, SYN_INVALID, "the form ends before its closing boundary");
    return SYN_OK;
}
