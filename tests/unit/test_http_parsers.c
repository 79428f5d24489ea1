/* test_http_parsers.c - what reads bytes of clients before anything else does: base64 and data
 * URIs, forms, JSON, percent-encoding, the router, keys, Host and Origin. */
#include "kernels/base/alloc.h"
#include "server/http/auth.h"
#include "server/http/datauri.h"
#include "server/http/json.h"
#include "server/http/multipart.h"
#include "server/http/problem.h"
#include "server/http/request.h"
#include "tests/t.h"
#include <string.h>
#include <unistd.h>

/* ---- data URIs ---- */

/* Decodes from a block of exactly its size, so that a read past the end is seen. */
static syn_status decode(const char *text, uint64_t max, char *out, size_t size,
                         struct syn_err *err)
{
    size_t n = strlen(text), got = 0;
    char *exact = memcpy(t_alloc(n), text, n);
    uint8_t *data = NULL;
    syn_status st = syn_datauri_decode(exact, n, max, &data, &got, err);
    free(exact);
    snprintf(out, size, "%.*s", (int)got, data ? (const char *)data : "");
    syn_free(data);
    return st;
}

static void test_datauri(void)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {
        {"Zm9v", "foo"},
        {"Zm8=", "fo"},
        {"Zg==", "f"},
        {"Zm8", "fo"},
        {"Zg", "f"},
        {"Zm9vYmFy", "foobar"},
        {"Zm9v\r\nYmFy\n", "foobar"},
        {"  Zm9v", "foo"},
        {"Pz8_", "???"},
        {"Pz8/", "???"},
        {"fn5-", "~~~"},
        {"fn5+", "~~~"},
        {"data:image/png;base64,Zm9v", "foo"},
        {"data:;base64,Zm9v", "foo"},
        {"DATA:x/y;a=b;BASE64,Zm8=", "fo"},
        {"data:;base64,Pz8%2F", "???"},
        {"data:;base64,Zm8%3D", "fo"},
        {"Zm8\n=\n", "fo"},
    };
    static const struct {
        const char *text;
        syn_status st;
        const char *word;
    } bad[] = {
        {"", SYN_INVALID, "no bytes"},
        {"====", SYN_INVALID, "not base64"},
        {"Z", SYN_INVALID, "ends inside"},
        {"Zm9vY", SYN_INVALID, "ends inside"},
        {"Zm9v=", SYN_INVALID, "not base64"},
        {"Zm8==", SYN_INVALID, "not base64"},
        {"Zg=", SYN_OK, ""},
        {"Zg=Zg", SYN_INVALID, "not base64"},
        {"Zm9v!", SYN_INVALID, "0x21 at 4"},
        {"data:image/png,abc", SYN_INVALID, "not base64"},
        {"data:image/png;base64", SYN_INVALID, "comma"},
        {"http://a/b.png", SYN_UNSUPPORTED, "URL"},
        {"https://a/b.png", SYN_UNSUPPORTED, "URL"},
        {"file:///etc/passwd", SYN_UNSUPPORTED, "URL"},
        {"Zm9v%2F", SYN_INVALID, "not base64"},
        {"data:;base64,%", SYN_INVALID, "not base64"},
        {"data:;base64,Zm9v%2", SYN_INVALID, "not base64"},
    };
    char out[64];
    struct syn_err err = {{0}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        syn_status st = decode(good[i].text, 100, out, sizeof out, &err);
        T_CHECK(st == SYN_OK && !strcmp(out, good[i].bytes), "%s: %s %s", good[i].text, out,
                err.text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        syn_status st = decode(bad[i].text, 100, out, sizeof out, &err);
        T_CHECK(st == bad[i].st, "%s: %s", bad[i].text, syn_status_word(st));
        T_CHECK(st == SYN_OK || strstr(err.text, bad[i].word), "%s: %s", bad[i].text, err.text);
    }
    T_CHECK(decode("Zm9v", 2, out, sizeof out, &err) == SYN_TOO_LARGE, "%s", err.text);
    T_CHECK(decode("Zm9v", 3, out, sizeof out, &err) == SYN_OK, "at the limit: %s", err.text);
    syn_alloc_fail_at(1);
    T_CHECK(decode("Zm9v", 3, out, sizeof out, &err) == SYN_NO_MEMORY, "%s", err.text);
    syn_alloc_fail_at(0);
}

/* Every length and byte, through an encoder that shares nothing with the decoder. */
static void test_datauri_all_lengths(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t wrong = 0;
    for (size_t n = 1; n < 300; n++) {
        uint8_t bytes[300], *got = NULL;
        char text[420];
        size_t at = 0, size = 0;
        for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 37 + n);
        for (size_t bit = 0; bit < n * 8; bit += 6) {
            unsigned v = 0;
            for (size_t b = bit; b < bit + 6; b++)
                v = v << 1 | (b < n * 8 ? bytes[b / 8] >> (7 - b % 8) & 1u : 0);
            text[at++] = digits[v];
        }
        while (at % 4) text[at++] = '=';
        if (syn_datauri_decode(text, at, 300, &got, &size, NULL) != SYN_OK || size != n ||
            memcmp(got, bytes, n))
            wrong++;
        syn_free(got);
    }
    T_CHECK(wrong == 0, "%zu lengths differ", wrong);
}

/* ---- forms ---- */

struct taken {
    char text[4096];
    size_t refuse_part;
    size_t parts;
};

static syn_status on_part(void *user, const struct syn_part *p, struct syn_err *err)
{
    struct taken *t = user;
    if (++t->parts == t->refuse_part) return syn_fail(err, SYN_BUSY, "refused by the test");
    snprintf(t->text + strlen(t->text), sizeof t->text - strlen(t->text), "[%s%s]", p->name,
             p->is_file ? "*" : "");
    return SYN_OK;
}

static syn_status on_data(void *user, const uint8_t *bytes, size_t n, struct syn_err *err)
{
    struct taken *t = user;
    (void)err;
    snprintf(t->text + strlen(t->text), sizeof t->text - strlen(t->text), "%.*s", (int)n,
             (const char *)bytes);
    return SYN_OK;
}

static syn_status on_end(void *user, struct syn_err *err)
{
    struct taken *t = user;
    (void)err;
    snprintf(t->text + strlen(t->text), sizeof t->text - strlen(t->text), "|");
    return SYN_OK;
}

/* The whole form in pieces of `step` bytes. */
static syn_status parse_form(const char *type, const char *body, size_t step, struct taken *t,
                             struct syn_err *err)
{
    const struct syn_multipart_sink sink = {on_part, on_data, on_end, t};
    struct syn_multipart *mp = NULL;
    size_t n = strlen(body);
    syn_status st;
    t->text[0] = '\0';
    t->parts = 0;
    st = syn_multipart_new(type, &sink, &mp, err);
    for (size_t i = 0; st == SYN_OK && i < n; i += step) {
        size_t take = n - i < step ? n - i : step;
        char *exact = memcpy(t_alloc(take), body + i, take);
        st = syn_multipart_push(mp, exact, take, err);
        free(exact);
    }
    if (st == SYN_OK) st = syn_multipart_finish(mp, err);
    syn_multipart_free(mp);
    return st;
}

#define TYPE "multipart/form-data; boundary=XX"
#define PART(name) "--XX\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void test_forms(void)
{
    static const struct {
        const char *type, *body,
            *parts; /* parts NULL: refused, and body's error has the word after it */
        const char *word;
    } cases[] = {
        {TYPE, PART("a") "1\r\n--XX--\r\n", "[a]1|", NULL},
        {TYPE, PART("a") "1\r\n" PART("b") "2\r\n3\r\n--XX--", "[a]1|[b]2\r\n3|", NULL},
        {TYPE, "preamble\r\n" PART("a") "\r\n--XX--\r\nepilogue --XX", "[a]|", NULL},
        {TYPE, PART("a") "--XX--", "[a]|",
         NULL}, /* the blank line's end is the delimiter's start */
        {TYPE, PART("a") PART("b") "x\r\n--XX--", "[a]|[b]x|", NULL},
        {TYPE, PART("a") "\r\n-\r\n--\r\n--X\r\n\r\n--XX--", "[a]\r\n-\r\n--\r\n--X\r\n|", NULL},
        {TYPE, "--XX  \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XX--", "[a]1|",
         NULL},
        {"multipart/form-data; boundary=\"XX\"; charset=utf-8", PART("a") "1\r\n--XX--", "[a]1|",
         NULL},
        {"multipart/form-data;BOUNDARY=XX", PART("a") "1\r\n--XX--", "[a]1|", NULL},
        {TYPE,
         "--XX\r\nContent-Type: image/png\r\ncontent-disposition:form-data; filename=\"x.png\"; "
         "name=\"im\"\r\n\r\n1\r\n--XX--",
         "[im*]1|", NULL},
        {TYPE,
         "--XX\r\nContent-Disposition: form-data; name=\"a;\\\"b\"; "
         "filename*=utf-8''x\r\n\r\n1\r\n--XX--",
         "[a;\"b*]1|", NULL},
        {TYPE, "--XX--\r\n", "", NULL},
        {"multipart/form-data", PART("a") "1\r\n--XX--", NULL, "without a boundary"},
        {"multipart/form-data; boundary=", PART("a") "1\r\n--XX--", NULL, "boundary"},
        {"multipart/form-data; boundary=a<b", PART("a") "1\r\n--XX--", NULL, "illegal boundary"},
        {"multipart/form-data; "
         "boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
         "", NULL, "illegal"},
        {TYPE, "", NULL, "closing boundary"},
        {TYPE, PART("a") "1", NULL, "closing boundary"},
        {TYPE, PART("a") "1\r\n--XX", NULL, "closing boundary"},
        {TYPE, PART("a") "1\r\n--XX-", NULL, "closing boundary"},
        {TYPE, PART("a") "1\r\n--XX-x", NULL, "not followed"},
        {TYPE, PART("a") "1\r\n--XXY--", NULL, "not followed"},
        {TYPE, "--XX\r\n\r\n1\r\n--XX--", NULL, "without a name"},
        {TYPE, "--XX\r\nContent-Type: a/b\r\n\r\n1\r\n--XX--", NULL, "without a name"},
        {TYPE, PART("") "1\r\n--XX--", NULL, "name is missing"},
        {TYPE,
         "--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
         "name=b\r\n\r\n1\r\n--XX--",
         NULL, "two Content-Disposition"},
        {TYPE,
         "--XX\r\nContent-Disposition: form-data; "
         "name="
         "\"0123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789012345678901234567890123456789\"\r\n\r\n1\r\n--"
         "XX--",
         NULL, "over 127"},
        {TYPE,
         "--XX\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; "
         "name=a\r\n\r\n1\r\n--XX--",
         NULL, "transfer encoding"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t step = 1; step < 400; step += step < 12 ? 1 : 97) {
            struct taken t = {{0}, 0, 0};
            struct syn_err err = {{0}};
            syn_status st = parse_form(cases[i].type, cases[i].body, step, &t, &err);
            if (cases[i].parts)
                T_CHECK(st == SYN_OK && !strcmp(t.text, cases[i].parts),
                        "case %zu step %zu: %s (%s)", i, step, t.text, err.text);
            else
                T_CHECK(st == SYN_INVALID && strstr(err.text, cases[i].word),
                        "case %zu step %zu: %s %s", i, step, syn_status_word(st), err.text);
        }
}

static void test_forms_limits(void)
{
    struct taken t = {{0}, 0, 0};
    struct syn_err err = {{0}};
    char *body = t_alloc(40000);
    size_t n = (size_t)sprintf(body, "--XX\r\nX: ");
    memset(body + n, 'h', 20000);
    strcpy(body + n + 20000, "\r\n\r\n");
    T_CHECK(parse_form(TYPE, body, 1000, &t, &err) == SYN_INVALID && strstr(err.text, "over 4096"),
            "%s", err.text);
    memset(body + 4, ' ', 300);
    strcpy(body + 304, "\r\n");
    T_CHECK(parse_form(TYPE, body, 50, &t, &err) == SYN_INVALID && strstr(err.text, "blanks"), "%s",
            err.text);
    t.refuse_part = 2;
    T_CHECK(parse_form(TYPE, PART("a") "1\r\n" PART("b") "2\r\n--XX--", 7, &t, &err) == SYN_BUSY,
            "%s", err.text);
    syn_alloc_fail_at(1);
    T_CHECK(parse_form(TYPE, "", 7, &t, &err) == SYN_NO_MEMORY, "%s", err.text);
    syn_alloc_fail_at(0);
    /* Larger than the parser's window, with a near-delimiter at every place. */
    n = (size_t)sprintf(body, PART("a"));
    while (n < 39000) n += (size_t)sprintf(body + n, "\r\n--X%s", n % 3 ? "" : "\r\n--");
    strcpy(body + n, "\r\n--XX--");
    t.refuse_part = 0;
    T_CHECK(parse_form(TYPE, body, 39500, &t, &err) == SYN_OK && t.parts == 1, "%s", err.text);
    free(body);
}

/* ---- JSON ---- */

static void test_json(void)
{
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"", "empty"},
        {"{", "line 1"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"{\"a\":\"\\u0000\"}", "\\u0000"},
        {"{\"a\":\"\xff\"}", "decode byte"},
        {"{} x", "end of file"},
        {"{\"a\":99999999999999999999}", "too big"},
        {"{\"a\":1e999}", "overflow"},
        {"{\"a\":NaN}", "line 1"},
    };
    struct syn_err err = {{0}};
    json_t *v = NULL;
    char deep[700];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        syn_status st = syn_json_parse(bad[i].text, strlen(bad[i].text), &v, &err);
        T_CHECK(st == SYN_INVALID && strstr(err.text, bad[i].word), "%s: %s", bad[i].text,
                err.text);
    }
    for (int depth = SYN_JSON_MAX_DEPTH; depth <= SYN_JSON_MAX_DEPTH + 1; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        T_CHECK((syn_json_parse(deep, (size_t)depth * 2, &v, &err) == SYN_OK) ==
                    (depth == SYN_JSON_MAX_DEPTH),
                "depth %d", depth);
        if (depth == SYN_JSON_MAX_DEPTH) json_decref(v);
    }
    memset(deep, '[', 600); /* inside a text they do not count */
    deep[0] = '[';
    deep[1] = '"';
    deep[598] = '"';
    deep[599] = ']';
    T_CHECK(syn_json_parse(deep, 600, &v, &err) == SYN_OK, "%s", err.text);
    json_decref(v);
    for (size_t n = SYN_JSON_MAX_VALUES; n <= SYN_JSON_MAX_VALUES + 1; n++) {
        char *many = t_alloc(2 * n + 1), word[40]; /* a bracket and n - 1 commas */
        bool fits = n == SYN_JSON_MAX_VALUES;
        many[0] = '[';
        for (size_t i = 1; i < n; i++) {
            many[2 * i - 1] = '1';
            many[2 * i] = ',';
        }
        many[2 * n - 1] = '1';
        many[2 * n] = ']';
        snprintf(word, sizeof word, "at most %d values", SYN_JSON_MAX_VALUES);
        T_CHECK((syn_json_parse(many, 2 * n + 1, &v, &err) == SYN_OK) == fits, "%s", err.text);
        if (fits) json_decref(v);
        else T_CHECK(strstr(err.text, word) != NULL, "%s", err.text);
        free(many);
    }
    v = syn_json_utf8("caf\xc3\xa9");
    T_CHECK(!strcmp(json_string_value(v), "caf\xc3\xa9"), "%s", json_string_value(v));
    json_decref(v);
    v = syn_json_utf8("caf\xc3");
    T_CHECK(!strcmp(json_string_value(v), "caf?"), "%s", json_string_value(v));
    json_decref(v);
}

static void test_json_difference(void)
{
    static const char *const cases[][3] = {
        {"{\"a\":1}", "{\"a\":1}", ""},
        {"{\"a\":1}", "{\"a\":2}", "/a"},
        {"{\"a\":1,\"b\":{\"c\":1}}", "{\"a\":1,\"b\":{\"c\":2}}", "/b/c"},
        {"{\"a\":1}", "{\"a\":1,\"x/y\":2}", "/x~1y"},
        {"{\"a\":1,\"z\":0}", "{\"a\":1}", "/z"},
        {"{\"a\":1}", "{\"a\":1.0}", "/a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *a = json_loads(cases[i][0], 0, NULL), *b = json_loads(cases[i][1], 0, NULL);
        char out[100];
        syn_json_difference(a, b, out, sizeof out);
        T_CHECK(!strcmp(out, cases[i][2]), "%s %s: %s", cases[i][0], cases[i][1], out);
        json_decref(a);
        json_decref(b);
    }
}

static void test_json_time(void)
{
    char out[SYN_TIME_SIZE];
    syn_json_time(0, out);
    T_CHECK(!strcmp(out, "1970-01-01T00:00:00.000Z"), "%s", out);
    syn_json_time(1709210096789, out);
    T_CHECK(!strcmp(out, "2024-02-29T12:34:56.789Z"), "%s", out);
}

/* ---- paths ---- */

static void test_percent(void)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } cases[] = {
        {"abc", "abc"}, {"a%20b", "a b"}, {"%2F%2f", "//"}, {"%41%6a", "Aj"}, {"a%00b", NULL},
        {"%", NULL},    {"a%4", NULL},    {"%zz", NULL},    {"%4g", NULL},    {"0123456789", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[10] = "";
        size_t n = strlen(cases[i].in);
        char *exact = memcpy(t_alloc(n), cases[i].in, n);
        bool ok = syn_percent_decode(exact, n, out, sizeof out);
        T_CHECK(ok == (cases[i].out != NULL) && (!ok || !strcmp(out, cases[i].out)), "%s: %s",
                cases[i].in, out);
        free(exact);
    }
}

/* E07: names are not paths. */
static void test_E07_router(void)
{
    static const struct {
        const char *method, *path, *route, *arg, *allow; /* route NULL: none */
    } cases[] = {
        {"GET", "/", "/", "", ""},
        {"HEAD", "/healthz", "/healthz", "", ""},
        {"GET", "/v1/models/a", "/v1/models/{id}", "a", ""},
        {"GET", "/v1/models/a%2Fb", "/v1/models/{id}", "a/b", ""},
        {"GET", "/v1/models/..%2Fx", "/v1/models/{id}", "../x", ""},
        {"GET", "/v1/models/..", "/v1/models/{id}", "..", ""},
        {"GET", "/v1/models/a%00b", NULL, "", ""},
        {"GET", "/v1/models/", NULL, "", ""},
        {"GET", "/v1/models/../x", NULL, "", ""},
        {"GET", "/v1/models/a/", NULL, "", ""},
        {"GET", "/v1//models", NULL, "", ""},
        {"GET", "//", NULL, "", ""},
        {"GET", "", NULL, "", ""},
        {"GET", "/v1/job", NULL, "", ""},
        {"GET", "/V1/jobs", NULL, "", ""},
        {"PUT", "/v1/jobs", NULL, "", "POST, GET, HEAD"},
        {"POST", "/v1/jobs/x", NULL, "", "GET, HEAD, DELETE"},
        {"get", "/v1/jobs", NULL, "", "POST, GET, HEAD"},
        {"DELETE", "/v1/jobs/x", "/v1/jobs/{id}", "x", ""},
        {"GET", "/v1/jobs/x/outputs/0", "/v1/jobs/{id}/outputs/{n}", "x", ""},
        {"GET", "/v1/jobs/x/outputs", NULL, "", ""},
    };
    struct syn_request *rq = calloc(1, sizeof *rq);
    char longer[400] = "/v1/models/", allow[64];
    if (!rq) abort();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rq->method = cases[i].method;
        rq->path = cases[i].path;
        syn_router_match(rq, allow);
        T_CHECK(!!rq->route == !!cases[i].route &&
                    (!rq->route || !strcmp(rq->route->path, cases[i].route)),
                "%s", cases[i].path);
        T_CHECK(!rq->route || !strcmp(rq->arg[0], cases[i].arg), "%s: %s", cases[i].path,
                rq->arg[0]);
        T_CHECK(rq->route || !strcmp(allow, cases[i].allow), "%s: %s", cases[i].path, allow);
    }
    memset(longer + 11, 'a', 300);
    rq->method = "GET";
    rq->path = longer;
    syn_router_match(rq, allow);
    T_CHECK(!rq->route, "a name of 300 characters");
    free(rq);
}

/* ---- keys ---- */

#define SHA_SECRET "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" /* "secret" \
                                                                                       */
#define SHA_OTHER "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"  /* "other" */

static char *key_file(const char *text)
{
    char *path = t_alloc(100);
    const char *base = getenv("TMPDIR");
    int fd;
    snprintf(path, 100, "%s/synthd-keys-XXXXXX", base && *base ? base : "/tmp");
    fd = mkstemp(path);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort();
    close(fd);
    return path;
}

static void test_keys(void)
{
    char *path = key_file("# comment\n\n  anna:" SHA_SECRET "  \nbert:" SHA_OTHER "\n");
    struct syn_auth *a = NULL;
    struct syn_err err = {{0}};
    static const struct {
        const char *authorization, *x_api_key, *name;
    } cases[] = {
        {"Bearer secret", NULL, "anna"},
        {"bearer  other", NULL, "bert"},
        {"Basic eDpzZWNyZXQ=", NULL, "anna"}, /* x:secret */
        {"Basic OnNlY3JldA", NULL, "anna"},   /* :secret */
        {"Basic c2VjcmV0", NULL, NULL},       /* secret, no colon */
        {"Basic ", NULL, NULL},
        {"Basic !!", NULL, NULL},
        {NULL, "secret", "anna"},
        {"Bearer wrong", "other", "bert"},
        {"Bearer wrong", NULL, NULL},
        {"Bearer ", NULL, NULL},
        {"", "", NULL},
        {NULL, NULL, NULL},
        {"secret", NULL, NULL},
        {"Bearer secret ", NULL, NULL},
    };
    T_CHECK(syn_auth_open(path, &a, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_auth_has_keys(a), "no keys");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *name = syn_auth_check(a, cases[i].authorization, cases[i].x_api_key);
        T_CHECK(cases[i].name ? name && !strcmp(name, cases[i].name) : !name, "case %zu: %s", i,
                name ? name : "refused");
    }
    syn_auth_close(a);
    unlink(path);
    free(path);
    T_CHECK(syn_auth_open(NULL, &a, &err) == SYN_OK && !syn_auth_has_keys(a), "%s", err.text);
    T_CHECK(!strcmp(syn_auth_check(a, "Bearer whatever", NULL), ""), "without keys everybody may");
    syn_auth_close(a);
}

static void test_bad_key_files(void)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"", "no keys"},
        {"# only this\n", "no keys"},
        {"anna\n", "line 1: no colon"},
        {"anna:12\n", "digest of 2 digits"},
        {":" SHA_SECRET, "name of 0 bytes"},
        {"a b:" SHA_SECRET, "name: letters"},
        {"ok:" SHA_SECRET "\nanna:zbb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
         "line 2: digest: hex"},
    };
    struct syn_err err = {{0}};
    struct syn_auth *a = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = key_file(cases[i].text);
        T_CHECK(syn_auth_open(path, &a, &err) == SYN_INVALID && strstr(err.text, cases[i].word),
                "case %zu: %s", i, err.text);
        unlink(path);
        free(path);
    }
    T_CHECK(syn_auth_open("/nonexistent/keys", &a, &err) == SYN_IO, "%s", err.text);
}

/* E12, F06: a browser sent here by another page. One row per combination. */
static void test_F06_origins(void)
{
    static const char *const hosts[] = {"box.lan", NULL}, *const origins[] = {"https://app.example",
                                                                              NULL};
    static const struct {
        bool loopback, lists, writes;
        const char *host, *origin, *site;
        bool ok, cors;
    } cases[] = {
        {true, false, true, "127.0.0.1:7801", NULL, NULL, true, false},
        {true, false, true, "localhost:7801", NULL, NULL, true, false},
        {true, false, true, "[::1]:7801", NULL, NULL, true, false},
        {true, false, true, "LOCALHOST", NULL, NULL, true, false},
        {true, false, false, "evil.example", NULL, NULL, false, false}, /* rebound */
        {true, false, true, "evil.example:7801", NULL, NULL, false, false},
        {true, false, true, "127.0.0.1.evil.example", NULL, NULL, false, false},
        {true, false, true, "box.lan:7801", NULL, NULL, false, false},
        {true, true, true, "box.lan:7801", NULL, NULL, true, false},
        {true, false, true, "", NULL, NULL, false, false},
        {true, false, true, "localhost:x", NULL, NULL, false, false},
        {true, false, true, "[::1", NULL, NULL, false, false},
        {true, false, true, NULL, NULL, NULL, true, false},
        {false, false, true, "synthd:7801", NULL, NULL, true, false},
        {false, true, true, "synthd:7801", NULL, NULL, false, false},
        {false, true, true, "box.lan", NULL, NULL, true, false},
        {true, false, true, "localhost:7801", "http://localhost:7801", NULL, true, false},
        {true, false, true, "localhost:7801", "http://localhost:7802", NULL, false, false},
        {true, false, true, "localhost:7801", "https://evil.example", NULL, false, false},
        {true, false, true, "localhost:7801", "null", NULL, false, false},
        {true, false, true, "localhost:7801", "", NULL, true, false},
        {true, false, false, "localhost:7801", "https://evil.example", NULL, true, false},
        {true, true, true, "localhost:7801", "https://app.example", "cross-site", true, true},
        {true, true, false, "localhost:7801", "https://app.example", NULL, true, true},
        {true, true, true, "localhost:7801", "https://app.example.evil", NULL, false, false},
        {true, true, true, "localhost:7801", "http://app.example", NULL, false, false},
        {true, false, true, "localhost:7801", NULL, "cross-site", false, false},
        {true, false, true, "localhost:7801", NULL, "same-origin", true, false},
        {true, false, false, "localhost:7801", NULL, "cross-site", true,
         false}, /* a link that was followed */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct syn_origin_policy p = {cases[i].loopback, cases[i].lists ? hosts : NULL,
                                      cases[i].lists ? origins : NULL};
        struct syn_err why = {{0}};
        bool cors, ok = syn_origin_check(&p, cases[i].host, cases[i].origin, cases[i].site,
                                         cases[i].writes, &cors, &why);
        T_CHECK(ok == cases[i].ok, "row %zu: %s", i, ok ? "allowed" : why.text);
        T_CHECK(!ok || cors == cases[i].cors, "row %zu: cors %d", i, cors);
        T_CHECK(ok || why.text[0], "row %zu: no reason", i);
    }
}

/* ---- problems ---- */

static void test_problems(void)
{
    struct syn_problem p = {0};
    json_t *o;
    T_CHECK(!syn_problem_close(&p), "no errors");
    syn_problem_add(&p, "/model", SYN_CODE_unknown_model, "x");
    T_CHECK(syn_problem_close(&p) && p.code == SYN_CODE_unknown_model &&
                !strcmp(p.detail, "/model: x"),
            "%s", p.detail);
    syn_problem_add(&p, "/params/scale", SYN_CODE_invalid_field, "y");
    T_CHECK(syn_problem_close(&p) && p.code == SYN_CODE_invalid_field &&
                strstr(p.detail, "2 fields"),
            "%s", p.detail);
    for (int i = 0; i < 100; i++) syn_problem_add(&p, "/a", SYN_CODE_unknown_field, "%d", i);
    o = syn_problem_json(&p, "/v1/jobs", "req_1");
    T_CHECK(json_array_size(json_object_get(o, "errors")) == SYN_MAX_ERRORS, "capped");
    T_CHECK(json_integer_value(json_object_get(o, "errors_left_out")) == 102 - SYN_MAX_ERRORS,
            "counted");
    json_decref(o);
    syn_problem_deinit(&p);
    /* Two errors of one status that is not 422 keep it. */
    syn_problem_add(&p, "/inputs/image", SYN_CODE_unsupported_media, "x");
    syn_problem_add(&p, "/inputs/mask", SYN_CODE_unsupported_media, "x");
    T_CHECK(syn_problem_close(&p) && syn_code_status(p.code) == 415, "%u", syn_code_status(p.code));
    syn_problem_add(&p, "/inputs/x", SYN_CODE_payload_too_large, "x");
    T_CHECK(syn_problem_close(&p) && syn_code_status(p.code) == 422, "%u", syn_code_status(p.code));
    syn_problem_deinit(&p);
    syn_problem_from(&p, SYN_IO, &(struct syn_err){"/secret/path: no space"}, "req_7");
    T_CHECK(p.code == SYN_CODE_internal && !strstr(p.detail, "secret") && strstr(p.detail, "req_7"),
            "%s", p.detail);
    syn_problem_deinit(&p);
}

int main(void)
{
    test_datauri();
    test_datauri_all_lengths();
    test_forms();
    test_forms_limits();
    test_json();
    test_json_difference();
    test_json_time();
    test_percent();
    test_E07_router();
    test_keys();
    test_bad_key_files();
    test_F06_origins();
    test_problems();
    return t_report();
}
