/* op.c - the table of operators, and attributes: makers, look-up, checks. See op.h.
 *
 * Layer:   kernels/graph. The rows are defined in kernels/ops and reached by symbol.
 * Threads: immutable tables and pure functions; the index of names is filled in once, by whoever
 *          comes first.
 * Ownership: allocates nothing; names are borrowed. */
#include "kernels/graph/op.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

const struct syn_op *syn_op_get(syn_op_id id)
{
    static const struct syn_op *const table[SYN_OP_COUNT] = {
#define SYN_OP_ENTRY(ID, row) [SYN_OP_##ID] = &row,
        SYN_OP_LIST(SYN_OP_ENTRY)
#undef SYN_OP_ENTRY
    };
    return (unsigned)id < SYN_OP_COUNT ? table[id] : NULL;
}

int32_t syn_op_max_out(const struct syn_op *op) { return op->max_out ? op->max_out : op->n_out; }

/* --- by name ---------------------------------------------------------------------------------- */

/* Every id in the order of `compare`, sorted once: a model's every node is looked up, twice. */
static struct {
    pthread_once_t once;
    syn_op_id id[SYN_OP_COUNT]; /* immutable after `once` */
} by_name = {.once = PTHREAD_ONCE_INIT};

static int compare(const char *domain, const char *name, const struct syn_op *op)
{
    const int names = strcmp(name, op->name);
    return names ? names : strcmp(domain, op->domain ? op->domain : "");
}

static int compare_ids(const void *a, const void *b)
{
    const struct syn_op *x = syn_op_get(*(const syn_op_id *)a);
    return compare(x->domain ? x->domain : "", x->name, syn_op_get(*(const syn_op_id *)b));
}

static void sort_by_name(void)
{
    for (int i = 0; i < SYN_OP_COUNT; i++) by_name.id[i] = (syn_op_id)i;
    qsort(by_name.id, SYN_OP_COUNT, sizeof by_name.id[0], compare_ids);
}

syn_op_id syn_op_find(const char *domain, const char *name)
{
    int lo = 0, hi = SYN_OP_COUNT; /* what is searched lies in [lo, hi) */
    pthread_once(&by_name.once, sort_by_name);
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const int side = compare(domain, name, syn_op_get(by_name.id[mid]));
        if (side == 0) return by_name.id[mid];
        if (side < 0) hi = mid;
        else lo = mid + 1;
    }
    return SYN_OP_COUNT;
}

/* --- attributes ------------------------------------------------------------------------------- */

static const char *kind_word(syn_attr_kind k)
{
    switch (k) {
    case SYN_ATTR_INT: return "an integer";
    case SYN_ATTR_FLOAT: return "a number";
    case SYN_ATTR_INTS: return "a list of integers";
    case SYN_ATTR_FLOATS: return "a list of numbers";
    case SYN_ATTR_STRING: return "a text";
    case SYN_ATTR_STRINGS: return "a list of texts";
    case SYN_ATTR_TENSOR: return "a tensor";
    case SYN_ATTR_GRAPH: return "a graph";
    }
    return "of an unknown kind";
}

static bool is_list(syn_attr_kind k)
{
    return k == SYN_ATTR_INTS || k == SYN_ATTR_FLOATS || k == SYN_ATTR_STRINGS;
}
static bool is_int(syn_attr_kind k) { return k == SYN_ATTR_INT || k == SYN_ATTR_INTS; }
static bool is_number(syn_attr_kind k) { return k <= SYN_ATTR_FLOATS; }

/* Position of the spec in the row, -1 when the row has no such attribute. */
static int32_t spec_index(const struct syn_op *op, const char *name)
{
    for (int32_t i = 0; op->attrs && i < SYN_MAX_ATTRS && op->attrs[i].name; i++)
        if (strcmp(op->attrs[i].name, name) == 0) return i;
    return -1;
}

/* The attribute, NULL when the row has none of that name and kind. */
static const struct syn_attr *find(const struct syn_op *op, const struct syn_attr *attr,
                                   const char *name, syn_attr_kind kind)
{
    const int32_t i = spec_index(op, name);
    return i >= 0 && attr[i].kind == kind ? &attr[i] : NULL;
}

int64_t syn_attr_int(const struct syn_op *op, const struct syn_attr *attr, const char *name)
{
    const struct syn_attr *a = find(op, attr, name, SYN_ATTR_INT);
    return a ? a->v.i1 : 0;
}

double syn_attr_float(const struct syn_op *op, const struct syn_attr *attr, const char *name)
{
    const struct syn_attr *a = find(op, attr, name, SYN_ATTR_FLOAT);
    return a ? a->v.f1 : 0;
}

const struct syn_attr *syn_attr_list(const struct syn_op *op, const struct syn_attr *attr,
                                     const char *name)
{
    static const struct syn_attr empty = {.name = "", .kind = SYN_ATTR_INTS, .n = 0};
    int32_t i = spec_index(op, name);
    return i >= 0 && is_list(attr[i].kind) ? &attr[i] : &empty;
}

const char *syn_attr_text(const struct syn_op *op, const struct syn_attr *attr, const char *name)
{
    const struct syn_attr *a = find(op, attr, name, SYN_ATTR_STRING);
    return a ? a->v.s1 : NULL;
}

const struct syn_tensor *syn_attr_tensor(const struct syn_op *op, const struct syn_attr *attr,
                                         const char *name)
{
    const struct syn_attr *a = find(op, attr, name, SYN_ATTR_TENSOR);
    return a ? a->v.tensor : NULL;
}

const struct syn_graph *syn_attr_graph(const struct syn_op *op, const struct syn_attr *attr,
                                       const char *name)
{
    const struct syn_attr *a = find(op, attr, name, SYN_ATTR_GRAPH);
    return a ? a->v.graph : NULL;
}

bool syn_attr_given(const struct syn_op *op, const struct syn_attr *attr, const char *name)
{
    const int32_t i = spec_index(op, name);
    return i >= 0 && attr[i].n > 0;
}

static int32_t list_length(int32_t n) { return n < 0 ? 0 : n; }

struct syn_attr syn_attr_of_int(const char *name, int64_t v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_INT, .n = 1, .v.i1 = v};
}
struct syn_attr syn_attr_of_float(const char *name, double v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_FLOAT, .n = 1, .v.f1 = v};
}
struct syn_attr syn_attr_of_ints(const char *name, int32_t n, const int64_t *v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_INTS, .n = list_length(n), .v.i = v};
}
struct syn_attr syn_attr_of_floats(const char *name, int32_t n, const double *v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_FLOATS, .n = list_length(n), .v.f = v};
}
struct syn_attr syn_attr_of_text(const char *name, const char *v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_STRING, .n = v != NULL, .v.s1 = v};
}
struct syn_attr syn_attr_of_texts(const char *name, int32_t n, const char *const *v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_STRINGS, .n = list_length(n), .v.s = v};
}
struct syn_attr syn_attr_of_tensor(const char *name, const struct syn_tensor *v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_TENSOR, .n = v != NULL, .v.tensor = v};
}
struct syn_attr syn_attr_of_graph(const char *name, const struct syn_graph *v)
{
    return (struct syn_attr){.name = name, .kind = SYN_ATTR_GRAPH, .n = v != NULL, .v.graph = v};
}

static struct syn_attr attr_default(const struct syn_attr_spec *spec)
{
    struct syn_attr a = {.name = spec->name, .kind = spec->kind};
    switch (spec->kind) {
    case SYN_ATTR_INT: a.v.i1 = (int64_t)spec->fallback, a.n = 1; break;
    case SYN_ATTR_FLOAT: a.v.f1 = spec->fallback, a.n = 1; break;
    case SYN_ATTR_STRING: a.v.s1 = spec->text, a.n = spec->text != NULL; break;
    default: break;
    }
    return a;
}

/* One given attribute against its spec. */
static syn_status attr_check(const struct syn_op *op, const struct syn_attr_spec *spec,
                             const struct syn_attr *a, struct syn_err *err)
{
    if (a->kind != spec->kind)
        return syn_fail(err, SYN_INVALID, "%s: attribute %s is %s: must be %s", op->name,
                        spec->name, kind_word(a->kind), kind_word(spec->kind));
    if (is_list(a->kind) ? a->n < 0 || a->n > SYN_MAX_ATTR_LIST : a->n != 1)
        return syn_fail(err, SYN_INVALID, "%s: attribute %s has %d entries: must be in [%d, %d]",
                        op->name, spec->name, (int)a->n, is_list(a->kind) ? 0 : 1,
                        is_list(a->kind) ? SYN_MAX_ATTR_LIST : 1);
    for (int32_t i = 0; is_number(a->kind) && i < a->n; i++) {
        const bool one = !is_list(a->kind);
        const int64_t whole = !is_int(a->kind) ? 0 : one ? a->v.i1 : a->v.i[i];
        const double v = is_int(a->kind) ? (double)whole : one ? a->v.f1 : a->v.f[i];
        if (v >= spec->min && v <= spec->max) continue; /* a NaN is in no range */
        if (is_int(a->kind))
            return syn_fail(err, SYN_INVALID,
                            "%s: attribute %s = %" PRId64 " (entry %d): must be in [%.17g, %.17g]",
                            op->name, spec->name, whole, (int)i, spec->min, spec->max);
        return syn_fail(err, SYN_INVALID, "%s: attribute %s = %g (entry %d): must be in [%g, %g]",
                        op->name, spec->name, v, (int)i, spec->min, spec->max);
    }
    return SYN_OK;
}

syn_status syn_attr_fill(const struct syn_op *op, const struct syn_attr *given, int32_t n,
                         struct syn_attr *filled, struct syn_err *err)
{
    int32_t source[SYN_MAX_ATTRS]; /* index into given, -1 = default */
    for (int32_t i = 0; i < SYN_MAX_ATTRS; i++) source[i] = -1;
    for (int32_t i = 0; i < n; i++) {
        const char *name = given[i].name ? given[i].name : "";
        int32_t at = spec_index(op, name);
        if (at < 0)
            return syn_fail(err, SYN_INVALID, "%s: unknown attribute '%.80s'", op->name, name);
        if (source[at] >= 0)
            return syn_fail(err, SYN_INVALID, "%s: attribute %s is given twice", op->name, name);
        source[at] = i;
        syn_status st = attr_check(op, &op->attrs[at], &given[i], err);
        if (st != SYN_OK) return st;
    }
    for (int32_t i = 0; op->attrs && i < SYN_MAX_ATTRS && op->attrs[i].name; i++) {
        filled[i] = source[i] < 0 ? attr_default(&op->attrs[i]) : given[source[i]];
        filled[i].name = op->attrs[i].name;
    }
    return SYN_OK;
}
