/* fuzz_multipart.c - a form, in one piece and in pieces: both must see the same parts and bytes.
 * The first byte is the size of the pieces, the first line the Content-Type, the rest the body. */
#include "server/http/multipart.h"
#include <stdlib.h>
#include <string.h>

struct seen {
    uint64_t hash;
    size_t parts, ends, bytes;
};

static void mix(struct seen *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) s->hash = (s->hash ^ p[i]) * 1099511628211u;
}

static syn_status on_part(void *user, const struct syn_part *p, struct syn_err *err)
{
    struct seen *s = user;
    if (s->parts != s->ends) abort(); /* the one before has ended */
    if (!p->name[0] || strlen(p->name) >= sizeof p->name) abort();
    mix(s, (const uint8_t *)p->name, strlen(p->name));
    return ++s->parts > 16 ? syn_fail(err, SYN_TOO_LARGE, "parts") : SYN_OK;
}

static syn_status on_data(void *user, const uint8_t *bytes, size_t n, struct syn_err *err)
{
    struct seen *s = user;
    (void)err;
    if (s->parts != s->ends + 1 || n == 0) abort();
    s->bytes += n;
    mix(s, bytes, n);
    return SYN_OK;
}

static syn_status on_end(void *user, struct syn_err *err)
{
    struct seen *s = user;
    (void)err;
    if (s->parts != ++s->ends) abort();
    return SYN_OK;
}

static syn_status parse(const char *type, const uint8_t *body, size_t n, size_t step,
                        struct seen *s)
{
    const struct syn_multipart_sink sink = {on_part, on_data, on_end, s};
    struct syn_multipart *mp;
    syn_status st;
    memset(s, 0, sizeof *s);
    st = syn_multipart_new(type, &sink, &mp, NULL);
    if (st != SYN_OK) return st;
    for (size_t i = 0; st == SYN_OK && i < n; i += step)
        st = syn_multipart_push(mp, body + i, n - i < step ? n - i : step, NULL);
    if (st == SYN_OK) st = syn_multipart_finish(mp, NULL);
    syn_multipart_free(mp);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line;
    struct seen whole, pieces;
    char type[200];
    size_t n, step;
    syn_status a, b;
    if (size < 2) return 0;
    step = (size_t)data[0] + 1;
    line = memchr(data + 1, '\n', size - 1);
    if (!line || (size_t)(line - data) > sizeof type) return 0;
    n = (size_t)(line - data - 1);
    memcpy(type, data + 1, n);
    type[n] = '\0';
    line++;
    n = size - (size_t)(line - data);
    a = parse(type, line, n, n + 1, &whole);
    b = parse(type, line, n, step, &pieces);
    if (a != b) abort();
    if (a == SYN_OK &&
        (whole.hash != pieces.hash || whole.parts != pieces.parts || whole.bytes != pieces.bytes))
        abort();
    return 0;
}
