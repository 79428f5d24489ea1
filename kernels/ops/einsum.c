/* einsum.c - Einsum: sums of products named by letters.
 *
 * Source:  ONNX Einsum-12; NumPy's einsum for what it leaves open.
 * Attribute: equation: one term of letters per operand, "," between, then "->" and the result's
 *          letters; without "->" those that occur once, in alphabetical order, after the
 *          ellipsis. "..." stands for the dimensions that have no letter; they broadcast. A
 *          letter twice in a term takes the diagonal. Spaces mean nothing.
 * Maths:   y[result letters] = sum over all other letters of the product of the operands, in
 *          double.
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/graph/element.h"
#include "kernels/ops/check.h"
#include <string.h>

#define MAX_LETTERS 24 /* different ones and broadcast dimensions together */
#define DOTS_FIRST 128 /* "letters" of the ellipsis: DOTS_FIRST + position from its end */
#define MAX_TERM (SYN_MAX_RANK + 1)
#define MAX_PRODUCTS                                                                               \
    ((int64_t)1 << 56) /* more than any machine finishes; keeps counts inside int64 */

struct term {
    uint8_t letter[MAX_TERM]; /* per dimension */
    int32_t n;
};
struct equation {
    struct term in[SYN_MAX_OPERANDS], out;
    uint8_t letter[MAX_LETTERS]; /* all of them: the result's first, in its order */
    int64_t size[MAX_LETTERS];
    int32_t n, n_out;
};

static syn_status bad(const struct syn_op_call *c, const char *equation, const char *why,
                      struct syn_err *err)
{
    return syn_fail(err, SYN_INVALID, "%s: equation \"%.60s\": %s", c->op->name, equation, why);
}

/* isalpha would know more of them in some locales: numbers that the ellipsis uses. */
static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/* Letters of [p, end) for an operand of this rank; dots: dimensions that the ellipsis stands for,
 * known for the result. */
static const char *read_term(const char *p, const char *end, int32_t rank, int32_t dots,
                             struct term *t, bool *has_dots)
{
    int32_t letters = 0;
    *has_dots = false;
    t->n = 0;
    for (const char *q = p; q < end; q++) letters += is_letter(*q);
    for (const char *q = p; q < end; q++) {
        if (*q == ' ') continue;
        if (*q == '.') {
            const int32_t count = rank >= 0 ? rank - letters : dots;
            if (*has_dots || end - q < 3 || q[1] != '.' || q[2] != '.') return "a stray dot";
            if (count < 0 || t->n + count > SYN_MAX_RANK) return "more letters than dimensions";
            for (int32_t i = 0; i < count; i++)
                t->letter[t->n++] = (uint8_t)(DOTS_FIRST + count - 1 - i);
            *has_dots = true;
            q += 2;
        } else if (is_letter(*q)) {
            if (t->n == SYN_MAX_RANK) return "more letters than dimensions";
            t->letter[t->n++] = (uint8_t)*q;
        } else return "something that is neither a letter, a comma, an arrow nor an ellipsis";
    }
    return rank >= 0 && t->n != rank ? "a term's letters are not the operand's dimensions" : NULL;
}

static int32_t place_of(const struct equation *e, uint8_t letter)
{
    for (int32_t i = 0; i < e->n; i++)
        if (e->letter[i] == letter) return i;
    return -1;
}

/* The result's letters where the equation has no arrow; what is wrong with them, or NULL. */
static const char *implicit_result(const struct equation *e, int32_t n_in, int32_t dots,
                                   struct term *t)
{
    t->n = 0;
    for (int32_t i = dots - 1; i >= 0; i--) t->letter[t->n++] = (uint8_t)(DOTS_FIRST + i);
    for (int letter = 'A'; letter <= 'z'; letter++) {
        int32_t times = 0;
        for (int32_t k = 0; k < n_in; k++)
            for (int32_t d = 0; d < e->in[k].n; d++) times += e->in[k].letter[d] == letter;
        if (times != 1) continue;
        if (t->n == SYN_MAX_RANK) return "the result has more dimensions than a tensor can have";
        t->letter[t->n++] = (uint8_t)letter;
    }
    return NULL;
}

static const char *add_letter(struct equation *e, uint8_t letter, int64_t size)
{
    const int32_t i = place_of(e, letter);
    if (i >= 0) {
        if (size < 0 || e->size[i] == size) return NULL;
        if (e->size[i] >= 0 && e->size[i] != 1 && size != 1)
            return "dimensions of one letter differ";
        if (e->size[i] < 0 || e->size[i] == 1) e->size[i] = size;
        return NULL;
    }
    if (e->n == MAX_LETTERS) return "too many letters";
    e->letter[e->n] = letter;
    e->size[e->n++] = size;
    return NULL;
}

static syn_status parse(const struct syn_op_call *c, struct equation *e, struct syn_err *err)
{
    const char *text = syn_attr_text(c->op, c->attr, "equation"), *arrow, *p, *end, *why = NULL;
    int32_t k = 0, dots = 0;
    bool has_dots;
    e->n = 0;
    if (!text) return bad(c, "", "is missing", err);
    arrow = strstr(text, "->");
    end = arrow ? arrow : text + strlen(text);
    for (p = text; !why; k++) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        if (k == c->n_in) return bad(c, text, "more terms than operands", err);
        why = read_term(p, stop, c->in[k].shape.rank, 0, &e->in[k], &has_dots);
        for (int32_t d = 0; !why && d < e->in[k].n; d++)
            if (e->in[k].letter[d] >= DOTS_FIRST && e->in[k].letter[d] - DOTS_FIRST + 1 > dots)
                dots = e->in[k].letter[d] - DOTS_FIRST + 1;
        if (!comma) {
            k++;
            break;
        }
        p = comma + 1;
    }
    if (!why && k != c->n_in) why = "fewer terms than operands";
    if (!why && arrow)
        why = read_term(arrow + 2, text + strlen(text), -1, dots, &e->out, &has_dots);
    if (!why && !arrow) why = implicit_result(e, c->n_in, dots, &e->out);
    for (int32_t d = 0; !why && d < e->out.n; d++) {
        if (place_of(e, e->out.letter[d]) >= 0) why = "a letter is in the result twice";
        else why = add_letter(e, e->out.letter[d], -1);
    }
    e->n_out = e->n;
    for (int32_t i = 0; !why && i < c->n_in; i++)
        for (int32_t d = 0; !why && d < e->in[i].n; d++)
            why = add_letter(e, e->in[i].letter[d], c->in[i].shape.dim[d]);
    for (int32_t i = 0; !why && i < e->n; i++)
        if (e->size[i] < 0) why = "the result has a letter that no operand has";
    return why ? bad(c, text, why, err) : SYN_OK;
}

/* Products that each element of the result sums; SYN_TOO_LARGE where all of them together are over
 * MAX_PRODUCTS. */
static syn_status count_terms(const struct syn_op_call *c, const struct equation *e, int64_t *terms,
                              struct syn_err *err)
{
    int64_t all = 1;
    *terms = 1;
    for (int32_t i = 0; i < e->n; i++)
        if (e->size[i] == 0) *terms = 0;
    for (int32_t i = 0; *terms && i < e->n; i++) {
        if (e->size[i] > MAX_PRODUCTS / all)
            return syn_fail(err, SYN_TOO_LARGE,
                            "%s: the sizes of all letters multiply to over %lld", c->op->name,
                            (long long)MAX_PRODUCTS);
        all *= e->size[i];
        if (i >= e->n_out) *terms *= e->size[i];
    }
    return SYN_OK;
}

static syn_status einsum_shape(struct syn_op_call *c, struct syn_err *err)
{
    struct equation e;
    struct syn_shape y;
    int64_t terms;
    syn_status st = SYN_OK;
    for (int32_t i = 0; st == SYN_OK && i < c->n_in; i++) {
        st = syn_ops_operand(c, i, "operand", SYN_TYPES_NUMBER, err);
        if (st == SYN_OK) st = syn_ops_same_type(c, 0, i, "operand", err);
    }
    if (st == SYN_OK) st = parse(c, &e, err);
    if (st == SYN_OK) st = count_terms(c, &e, &terms, err);
    if (st != SYN_OK) return st;
    y = syn_shape_of(e.n_out, e.size);
    return syn_ops_result(c, 0, &y, c->in[0].dtype, err);
}

/* Steps of every operand by letter; a letter of size 1 in the operand stands still. */
static void steps_of(const struct syn_op_call *c, const struct equation *e,
                     int64_t step[][MAX_LETTERS])
{
    for (int32_t k = 0; k < c->n_in; k++) {
        int64_t size = 1;
        for (int32_t i = 0; i < e->n; i++) step[k][i] = 0;
        for (int32_t d = e->in[k].n - 1; d >= 0; d--) {
            if (c->in[k].shape.dim[d] != 1) step[k][place_of(e, e->in[k].letter[d])] += size;
            size *= c->in[k].shape.dim[d];
        }
    }
}

static syn_status einsum_reference(const struct syn_op_call *c, struct syn_err *err)
{
    struct equation e;
    int64_t step[SYN_MAX_OPERANDS][MAX_LETTERS], at[MAX_LETTERS] = {0}, terms,
                                                 n = syn_ops_elements(&c->out[0].shape);
    const bool floats = syn_dtype_kind(c->in[0].dtype) == 'F';
    syn_status st = parse(c, &e, err);
    if (st == SYN_OK) st = count_terms(c, &e, &terms, err);
    if (st != SYN_OK) return st;
    steps_of(c, &e, step);
    for (int64_t o = 0; o < n; o++) {
        double sum = 0;
        uint64_t whole = 0;
        for (int64_t t = 0; t < terms; t++) {
            double product = 1;
            uint64_t whole_product = 1;
            for (int32_t k = 0; k < c->n_in; k++) {
                int64_t from = 0;
                for (int32_t i = 0; i < e.n; i++) from += at[i] * step[k][i];
                if (floats) product *= syn_element_double(c->in[k].dtype, c->in[k].data, from);
                else
                    whole_product *= (uint64_t)syn_element_int(c->in[k].dtype, c->in[k].data, from);
            }
            sum += product;
            whole += whole_product;
            for (int32_t i = e.n - 1; i >= e.n_out && ++at[i] == e.size[i]; i--) at[i] = 0;
        }
        if (floats) syn_element_put_double(c->out[0].dtype, c->out[0].data, o, sum, true);
        else syn_element_put_int(c->out[0].dtype, c->out[0].data, o, (int64_t)whole);
        for (int32_t i = e.n_out - 1; i >= 0 && ++at[i] == e.size[i]; i--) at[i] = 0;
    }
    return SYN_OK;
}

static const struct syn_attr_spec einsum_attrs[] = {
    {"equation", SYN_ATTR_STRING, 0, 0, 0, NULL},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_einsum = {
    .name = "Einsum",
    .min_in = 1,
    .max_in = SYN_MAX_OPERANDS,
    .n_out = 1,
    .attrs = einsum_attrs,
    .shape = einsum_shape,
    .reference = einsum_reference,
};
