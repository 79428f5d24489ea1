/* ncnn_text.c - see ncnn_text.h. Numbers are read here and not by strtod, which follows the
 * locale. */
#include "kernels/load/ncnn_text.h"
#include <math.h>
#include <string.h>

#define MAX_LINE \
    ((size_t)64 << 10)  /* bytes; 64 inputs and 64 outputs with long names take a third */
#define ARRAY_KEY 23300 /* key k's array is written as -(23300 + k) */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

syn_status syn_ncnn_text_next(struct syn_ncnn_text *t, struct syn_arena *arena,
                              struct syn_ncnn_word **words, int32_t *n_words, struct syn_err *err)
{
    *n_words = 0;
    while (t->left && *n_words == 0) {
        const char *end = memchr(t->p, '\n', t->left), *p = t->p;
        struct syn_ncnn_word *w;
        size_t n;
        t->line++;
        if (!end)
            return syn_fail(err, SYN_TRUNCATED, "line %d: the file ends within it", (int)t->line);
        n = (size_t)(end - p);
        t->p += n + 1;
        t->left -= n + 1;
        if (n && p[n - 1] == '\r') n--;
        for (size_t i = 0; i < n; i++)
            if (!blank(p[i]) && (p[i] < 0x21 || p[i] > 0x7e))
                return syn_fail(err, SYN_INVALID,
                                "line %d: byte 0x%02x in column %zu: must be printable ASCII",
                                (int)t->line, (unsigned)(unsigned char)p[i], i + 1);
        if (n > MAX_LINE)
            return syn_fail(err, SYN_TOO_LARGE, "line %d: %zu bytes long: the limit is %zu",
                            (int)t->line, n, MAX_LINE);
        if (!(w = syn_arena_new(arena, n / 2 + 1, sizeof *w)))
            return syn_fail(err, SYN_NO_MEMORY, "line %d: no memory for its words", (int)t->line);
        for (size_t i = 0; i < n;) {
            size_t from;
            while (i < n && blank(p[i])) i++;
            from = i;
            while (i < n && !blank(p[i])) i++;
            if (i > from) w[(*n_words)++] = (struct syn_ncnn_word){p + from, i - from};
        }
        *words = w;
    }
    return SYN_OK;
}

bool syn_ncnn_integer(struct syn_ncnn_word w, int64_t lo, int64_t hi, int64_t *out)
{
    const bool negative = w.n && w.p[0] == '-';
    int64_t v = 0;
    if (w.n < (negative ? 2u : 1u) || w.n > 18) return false; /* 18 digits fit */
    for (size_t i = negative; i < w.n; i++) {
        if (w.p[i] < '0' || w.p[i] > '9') return false;
        v = v * 10 + (w.p[i] - '0');
    }
    if (negative) v = -v;
    if (v < lo || v > hi) return false;
    *out = v;
    return true;
}

/* [-+]digits[.digits][e[-+]digits], finite. Exact for up to 15 digits and powers up to 10^22, which
 * is what model files hold; rounded once or twice more beyond that. */
static bool number(struct syn_ncnn_word w, double *out)
{
    double mantissa = 0;
    int64_t power = 0;
    size_t i = 0, digits = 0;
    bool negative = false;
    if (i < w.n && (w.p[i] == '-' || w.p[i] == '+')) negative = w.p[i++] == '-';
    for (; i < w.n && w.p[i] >= '0' && w.p[i] <= '9'; i++, digits++)
        mantissa = mantissa * 10 + (w.p[i] - '0');
    if (i < w.n && w.p[i] == '.')
        for (i++; i < w.n && w.p[i] >= '0' && w.p[i] <= '9'; i++, digits++, power--)
            mantissa = mantissa * 10 + (w.p[i] - '0');
    if (digits == 0) return false;
    if (i < w.n && (w.p[i] == 'e' || w.p[i] == 'E')) {
        struct syn_ncnn_word e = {w.p + i + 1, w.n - i - 1};
        int64_t given;
        if (e.n > 1 && e.p[0] == '+' && e.p[1] != '-') e.p++, e.n--;
        if (!syn_ncnn_integer(e, -400, 400, &given)) return false;
        power += given;
        i = w.n;
    }
    if (i != w.n) return false;
    mantissa = power < 0 ? mantissa / pow(10, (double)-power) : mantissa * pow(10, (double)power);
    if (!isfinite(mantissa)) return false;
    *out = negative ? -mantissa : mantissa;
    return true;
}

/* The part before the next comma, which is removed from *rest with it. */
static struct syn_ncnn_word next_entry(struct syn_ncnn_word *rest)
{
    const char *comma = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
    const struct syn_ncnn_word w = {rest->p, comma ? (size_t)(comma - rest->p) : rest->n};
    const size_t used = w.n + (comma != NULL);
    rest->p += used;
    rest->n -= used;
    return w;
}

/* "k=v" or "-23300-k=n,v1,...,vn" into param[k]. */
static syn_status param_parse(struct syn_ncnn_word w, int32_t line, struct syn_arena *arena,
                              struct syn_ncnn_param *param, struct syn_err *err)
{
    const char *equals = memchr(w.p, '=', w.n);
    const int shown = w.n > 60 ? 60 : (int)w.n;
    struct syn_ncnn_word rest;
    int64_t key, n = 1;
    double *v;
    bool array;
    if (!equals)
        return syn_fail(err, SYN_INVALID, "line %d: \"%.*s\" is not key=value", (int)line, shown,
                        w.p);
    rest.p = equals + 1;
    rest.n = w.n - (size_t)(rest.p - w.p);
    if (!syn_ncnn_integer((struct syn_ncnn_word){w.p, (size_t)(equals - w.p)}, INT32_MIN, INT32_MAX,
                          &key))
        goto bad_key;
    array = key <= -ARRAY_KEY;
    if (array) key = -key - ARRAY_KEY;
    if (key < 0 || key >= SYN_NCNN_KEYS) goto bad_key;
    if (param[key].given)
        return syn_fail(err, SYN_INVALID, "line %d: key %d is given twice", (int)line, (int)key);
    if (array && !syn_ncnn_integer(next_entry(&rest), 0, SYN_NCNN_LIST, &n))
        return syn_fail(err, SYN_INVALID,
                        "line %d: \"%.*s\": its count must be a number in [0, %d]", (int)line,
                        shown, w.p, SYN_NCNN_LIST);
    if (!(v = syn_arena_new(arena, (size_t)n + 1, sizeof *v)))
        return syn_fail(err, SYN_NO_MEMORY, "line %d: no memory", (int)line);
    for (int64_t i = 0; i < n; i++)
        if (!number(array ? next_entry(&rest) : rest, &v[i]))
            return syn_fail(err, SYN_INVALID, "line %d: \"%.*s\": must be %d number%s", (int)line,
                            shown, w.p, (int)n, n == 1 ? "" : "s");
    if (array && rest.n)
        return syn_fail(err, SYN_INVALID, "line %d: \"%.*s\" holds more than its %d numbers",
                        (int)line, shown, w.p, (int)n);
    param[key] = (struct syn_ncnn_param){.given = true, .array = array, .n = (int32_t)n, .v = v};
    return SYN_OK;
bad_key:
    return syn_fail(err, SYN_INVALID,
                    "line %d: \"%.*s\": its key must be in [0, %d], or in [-%d, -%d] for an array",
                    (int)line, shown, w.p, SYN_NCNN_KEYS - 1, ARRAY_KEY + SYN_NCNN_KEYS - 1,
                    ARRAY_KEY);
}

static syn_status names_copy(const struct syn_ncnn_word *words, int32_t n, int32_t line,
                             struct syn_arena *arena, const char **names, struct syn_err *err)
{
    for (int32_t i = 0; i < n; i++)
        if (!(names[i] = syn_arena_strndup(arena, words[i].p, words[i].n)))
            return syn_fail(err, SYN_NO_MEMORY, "line %d: no memory", (int)line);
    return SYN_OK;
}

syn_status syn_ncnn_line_parse(const struct syn_ncnn_word *words, int32_t n_words,
                               int32_t number_of_line, struct syn_arena *arena,
                               struct syn_ncnn_line *line, struct syn_err *err)
{
    const int32_t at = number_of_line;
    const char *head[2];
    int64_t n_in, n_out;
    syn_status st;
    memset(line, 0, sizeof *line);
    line->number = at;
    if (n_words < 4)
        return syn_fail(err, SYN_INVALID,
                        "line %d: %d words: a layer has type, name, inputs, outputs", (int)at,
                        (int)n_words);
    if (!syn_ncnn_integer(words[2], 0, SYN_NCNN_OPERANDS, &n_in) ||
        !syn_ncnn_integer(words[3], 0, SYN_NCNN_OPERANDS, &n_out))
        return syn_fail(err, SYN_INVALID,
                        "line %d: inputs %.*s, outputs %.*s: each must be a number in [0, %d]",
                        (int)at, words[2].n > 20 ? 20 : (int)words[2].n, words[2].p,
                        words[3].n > 20 ? 20 : (int)words[3].n, words[3].p, SYN_NCNN_OPERANDS);
    if (n_words - 4 < n_in + n_out)
        return syn_fail(err, SYN_INVALID, "line %d: %d names of %d inputs and %d outputs", (int)at,
                        (int)n_words - 4, (int)n_in, (int)n_out);
    if ((st = names_copy(words, 2, at, arena, head, err)) != SYN_OK) return st;
    line->type = head[0];
    line->name = head[1];
    line->n_in = (int32_t)n_in;
    line->n_out = (int32_t)n_out;
    st = names_copy(words + 4, line->n_in, at, arena, line->in, err);
    if (st == SYN_OK) st = names_copy(words + 4 + n_in, line->n_out, at, arena, line->out, err);
    for (int32_t i = 4 + line->n_in + line->n_out; st == SYN_OK && i < n_words; i++)
        st = param_parse(words[i], at, arena, line->param, err);
    return st;
}
