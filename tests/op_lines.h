/* op_lines.h - operators of any type, called by a line of text: calls and results as data, not as
 * code.
 *
 * Call:    "Conv@11 f32[1,2,4,5] f32[3,2,3,3] - pads:is=1,0,0,1 group:i=1 out=1": operator and
 *          opset, operands (`-` absent; `=v,v,..` for values, else a ramp: element i of operand k
 *          is (7i + 3k) % 11 - 5, for floats times 0.25, for unsigned types without the - 5),
 *          attributes by kind (i f s is fs ss t), outputs. An operator of another domain than the
 *          main one: "ai.onnx.ml/TreeEnsemble@5". A tensor: "weights:t=f32[2]=1,2".
 * Result:  "f32[1,3]= 1 2 nan | i64[2]= 4 5" by output; `-`: not looked at.
 * Memory:  operands and outputs lie in blocks of exactly their size, so that a sanitizer sees
 *          strays.
 * Layer:   tests. */
#ifndef SYN_TEST_OP_LINES_H
#define SYN_TEST_OP_LINES_H

#include "kernels/base/alloc.h"
#include "kernels/graph/element.h"
#include "kernels/graph/graph.h"
#include "tests/t.h"
#include <math.h>
#include <string.h>

/* A call with its result, and one that must be refused. */
struct vector {
    const char *call, *want;
};
struct refusal {
    const char *call;
    syn_status st;
    const char *words;
};

struct op_line {
    struct syn_op_call c;
    struct syn_attr given[SYN_MAX_ATTRS], filled[SYN_MAX_ATTRS];
    int32_t n_given;
    union {
        int64_t i[64];
        double f[64];
        const char *s[64];
    } list[SYN_MAX_ATTRS];
    struct syn_tensor tensor[SYN_MAX_ATTRS]; /* of attributes */
    char *text; /* the call's copy, which attributes point into */
    bool made;  /* outputs are the reference's */
    struct syn_op_host host;
    struct syn_err err;
};

static inline syn_dtype line_type(const char *word, size_t n)
{
    for (int t = 0; t < SYN_DTYPE_COUNT; t++)
        if (strlen(syn_dtype_word((syn_dtype)t)) == n &&
            !strncmp(syn_dtype_word((syn_dtype)t), word, n))
            return (syn_dtype)t;
    return SYN_DTYPE_COUNT;
}

/* "f32[1,2]" to type and shape; gives what follows the bracket. */
static inline char *line_head(char *word, struct syn_tensor *t)
{
    char *at = strchr(word, '[');
    *t = (struct syn_tensor){.data = NULL};
    if (!at) return NULL;
    t->dtype = line_type(word, (size_t)(at - word));
    for (at++; *at && *at != ']'; at += *at == ',')
        t->shape.dim[t->shape.rank++] = strtoll(at, &at, 10);
    return *at == ']' ? at + 1 : NULL;
}

static inline void line_value(struct syn_tensor *t, int64_t i, double v)
{
    syn_element_put_double(t->dtype, t->data, i, v, true);
}

/* "f32[2]=1,2" or, without values, the ramp of operand k. */
static inline bool line_tensor(struct syn_tensor *t, char *word, int32_t k)
{
    int64_t n;
    char *at;
    if (!(at = line_head(word, t)) || t->dtype == SYN_DTYPE_COUNT ||
        !syn_shape_elements(&t->shape, &n))
        return false;
    if (n > 1 << 20) return true; /* shapes alone */
    t->data = t_alloc((size_t)n * syn_dtype_bytes(t->dtype));
    if (*at == '=') {
        int64_t i = 0;
        for (at++; *at && i < n; at += *at == ',') line_value(t, i++, strtod(at, &at));
        return i == n && !*at;
    }
    for (int64_t i = 0; i < n; i++) {
        const char kind = syn_dtype_kind(t->dtype);
        const double v = (double)((7 * i + 3 * k) % 11);
        line_value(t, i,
                   kind == 'F'   ? (v - 5) * 0.25
                   : kind == 'I' ? v - 5
                   : kind == 'B' ? v > 5
                                 : v);
    }
    return true;
}

static inline bool line_operand(struct op_line *l, char *word)
{
    struct syn_tensor *t = &l->c.in[l->c.n_in++];
    if (strcmp(word, "-")) return line_tensor(t, word, l->c.n_in - 1);
    t->shape.rank = -1;
    return true;
}

static inline bool line_attribute(struct op_line *l, char *word, char *colon)
{
    const int32_t at = l->n_given++;
    char *value = strchr(colon + 1, '='), *kind = colon + 1;
    int32_t n = 0;
    if (!value || at >= SYN_MAX_ATTRS) return false;
    *colon = 0, *value++ = 0;
    if (!strcmp(kind, "s")) {
        l->given[at] = syn_attr_of_text(word, value);
        return true;
    }
    if (!strcmp(kind, "t")) {
        l->given[at] = syn_attr_of_tensor(word, &l->tensor[at]);
        return line_tensor(&l->tensor[at], value, 0);
    }
    for (char *rest = value; rest && *rest && n < 64; n++) {
        char *comma = strchr(rest, ',');
        if (comma) *comma = 0;
        if (kind[0] == 'i') l->list[at].i[n] = strtoll(rest, NULL, 10);
        else if (kind[0] == 'f') l->list[at].f[n] = strtod(rest, NULL);
        else l->list[at].s[n] = rest;
        rest = comma ? comma + 1 : NULL;
    }
    if (!strcmp(kind, "i")) l->given[at] = syn_attr_of_int(word, l->list[at].i[0]);
    else if (!strcmp(kind, "f")) l->given[at] = syn_attr_of_float(word, l->list[at].f[0]);
    else if (!strcmp(kind, "is")) l->given[at] = syn_attr_of_ints(word, n, l->list[at].i);
    else if (!strcmp(kind, "fs")) l->given[at] = syn_attr_of_floats(word, n, l->list[at].f);
    else if (!strcmp(kind, "ss")) l->given[at] = syn_attr_of_texts(word, n, l->list[at].s);
    else return false;
    return true;
}

/* False: the line itself is wrong. */
static inline bool line_parse(struct op_line *l, const char *call)
{
    char *rest = NULL, *word, *at;
    memset(l, 0, sizeof *l);
    l->text = (char *)t_alloc(strlen(call) + 1);
    strcpy(l->text, call);
    l->c.n_out = 1, l->c.attr = l->filled, l->host.seed = 42, l->c.host = &l->host;
    if (!(word = strtok_r(l->text, " ", &rest)) || !(at = strchr(word, '@'))) return false;
    *at = 0;
    l->c.opset = (int32_t)strtol(at + 1, NULL, 10);
    char *slash = strchr(word, '/');
    if (slash) *slash = 0;
    const syn_op_id id = slash ? syn_op_find(word, slash + 1) : syn_op_find("", word);
    if (id == SYN_OP_COUNT) return false;
    l->c.op = syn_op_get(id);
    while ((word = strtok_r(NULL, " ", &rest))) {
        if (!strncmp(word, "out=", 4)) l->c.n_out = (int32_t)strtol(word + 4, NULL, 10);
        else if ((at = strchr(word, ':')) ? !line_attribute(l, word, at) : !line_operand(l, word))
            return false;
    }
    return true;
}

static inline void line_free(struct op_line *l)
{
    for (int32_t i = 0; i < l->c.n_in; i++) free(l->c.in[i].data);
    for (int32_t i = 0; i < l->c.n_out; i++) {
        if (l->made) syn_free(l->c.out[i].data);
        else free(l->c.out[i].data);
    }
    for (int32_t i = 0; i < SYN_MAX_ATTRS; i++) free(l->tensor[i].data);
    free(l->text);
}

static inline syn_status line_run(struct op_line *l)
{
    syn_status st = syn_attr_fill(l->c.op, l->given, l->n_given, l->filled, &l->err);
    l->made = l->c.op->flags & SYN_OP_MAKES;
    if (st == SYN_OK && l->c.op->shape) st = l->c.op->shape(&l->c, &l->err);
    for (int32_t o = 0; st == SYN_OK && !l->made && o < l->c.n_out; o++) {
        int64_t n;
        if (!syn_shape_elements(&l->c.out[o].shape, &n) || n > 1 << 20) return SYN_TOO_LARGE;
        const size_t bytes = (size_t)n * syn_dtype_bytes(l->c.out[o].dtype);
        l->c.out[o].data = t_alloc(bytes);
        memset(l->c.out[o].data, 0xA5, bytes);
    }
    return st == SYN_OK ? syn_op_reference(&l->c, &l->err) : st;
}

/* One output against "f32[2]= 1 2". */
static inline void line_compare(const struct syn_tensor *got, char *want, double tol,
                                const char *call)
{
    struct syn_tensor w;
    char a[192], b[192];
    int64_t n = 0, good = 0, first = -1;
    double first_want = 0;
    while (*want == ' ') want++;
    if (*want == '-') return;
    char *at = line_head(want, &w);
    const bool same =
        at && *at == '=' && w.dtype == got->dtype && syn_shape_equal(&w.shape, &got->shape);
    T_CHECK(same, "%s: %s %s, expected %s", call, syn_dtype_word(got->dtype),
            syn_shape_text(&got->shape, a, sizeof a), syn_shape_text(&w.shape, b, sizeof b));
    if (!same || !syn_shape_elements(&w.shape, &n)) return;
    at++;
    for (int64_t i = 0; i < n; i++) {
        const double v = syn_element_double(got->dtype, got->data, i), x = strtod(at, &at);
        const bool ok = isnan(x) ? isnan(v) : v == x || fabs(v - x) <= tol * fmax(1, fabs(x));
        if (!ok && first < 0) first = i, first_want = x;
        good += ok;
    }
    T_CHECK(good == n, "%s: %lld of %lld right, first wrong [%lld] = %.9g, expected %.9g", call,
            (long long)good, (long long)n, (long long)first,
            first < 0 ? 0 : syn_element_double(got->dtype, got->data, first), first_want);
    while (*at == ' ') at++;
    T_CHECK(*at == 0, "%s: more results than elements: '%s'", call, at);
}

/* Runs a call and compares its outputs, each within tol * max(1, |want|). */
static inline void line_expect(const char *call, const char *want, double tol)
{
    struct op_line l;
    const bool parsed = line_parse(&l, call);
    T_CHECK(parsed, "%s: the line does not parse", call);
    const syn_status st = parsed ? line_run(&l) : SYN_INVALID;
    T_CHECK(st == SYN_OK, "%s: %s", call, l.err.text);
    if (st == SYN_OK) {
        char *copy = (char *)t_alloc(strlen(want) + 1), *rest = NULL;
        strcpy(copy, want);
        char *part = strtok_r(copy, "|", &rest);
        for (int32_t o = 0; o < l.c.n_out; o++, part = part ? strtok_r(NULL, "|", &rest) : NULL) {
            T_CHECK(part != NULL, "%s: output %d has no expectation", call, (int)o);
            if (part) line_compare(&l.c.out[o], part, tol, call);
        }
        free(copy);
    }
    line_free(&l);
}

/* The call must be refused, by its shape function or its reference, with these words. */
static inline void line_refuse(const char *call, syn_status want, const char *words)
{
    struct op_line l;
    const bool parsed = line_parse(&l, call);
    T_CHECK(parsed, "%s: the line does not parse", call);
    if (parsed) {
        const syn_status st = line_run(&l);
        T_CHECK(st == want && strstr(l.err.text, words), "%s: expected %s '%s', got %s '%s'", call,
                syn_status_word(want), words, syn_status_word(st), l.err.text);
    }
    line_free(&l);
}

/* Arrays of them. */
#define LINES_EXPECT(list, tol)                                                                    \
    for (size_t i_ = 0; i_ < sizeof(list) / sizeof *(list); i_++)                                  \
    line_expect((list)[i_].call, (list)[i_].want, tol)
#define LINES_REFUSE(list)                                                                         \
    for (size_t i_ = 0; i_ < sizeof(list) / sizeof *(list); i_++)                                  \
    line_refuse((list)[i_].call, (list)[i_].st, (list)[i_].words)

#endif
