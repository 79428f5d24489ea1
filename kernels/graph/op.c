/* op.c - the table of operators, and attributes: makers, look-up, checks. See op.h.
 *
 * Layer:   kernels/graph. The rows are defined in kernels/ops and reached by symbol.
 * Threads: immutable tables and pure functions.   Ownership: allocates nothing; names are borrowed.
 *          */
#include "kernels/graph/op.h"
#include <inttypes.h>
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

static const char *kind_word(syn_attr_kind k)
{
    switch (k) {
    case SYN_ATTR_INT: return "an integer";
    case SYN_ATTR_FLOAT: return "a number";
    case SYN_ATTR_INTS: return "a list of integers";
    case SYN_ATTR_FLOATS: return "a list of numbers";
    }
    return "of an unknown kind";
}

static bool is_list(syn_attr_kind k) { return k == SYN_ATTR_INTS || k == SYN_ATTR_FLOATS; }
static bool is_int(syn_attr_kind k) { return k == SYN_ATTR_INT || k == SYN_ATTR_INTS; }

/* Position of the spec in the row, -1 when the row has no such attribute. */
static int32_t spec_index(const struct syn_op *op, const char *name)
{
    for (int32_t i = 0; op->attrs && i < SYN_MAX_ATTRS && op->attrs[i].name; i++)
        if (strcmp(op->attrs[i].name, name) == 0) return i;
    return -1;
}

int64_t syn_attr_int(const struct syn_op *op, const struct syn_attr *attr, const char *name)
{
    int32_t i = spec_index(op, name);
    return i >= 0 && attr[i].kind == SYN_ATTR_INT ? attr[i].v.i[0] : 0;
}

double syn_attr_float(const struct syn_op *op, const struct syn_attr *attr, const char *name)
{
    int32_t i = spec_index(op, name);
    return i >= 0 && attr[i].kind == SYN_ATTR_FLOAT ? attr[i].v.f[0] : 0;
}

const struct syn_attr *syn_attr_list(const struct syn_op *op, const struct syn_attr *attr,
                                     const char *name)
{
    static const struct syn_attr empty = {.name = "", .kind = SYN_ATTR_INTS, .n = 0};
    int32_t i = spec_index(op, name);
    return i >= 0 && is_list(attr[i].kind) ? &attr[i] : &empty;
}

static int32_t list_length(int32_t n)
{
    return n < 0 ? 0 : n > SYN_MAX_ATTR_INTS ? SYN_MAX_ATTR_INTS : n;
}

struct syn_attr syn_attr_of_int(const char *name, int64_t v)
{
    struct syn_attr a = {.name = name, .kind = SYN_ATTR_INT, .n = 1};
    a.v.i[0] = v;
    return a;
}

struct syn_attr syn_attr_of_float(const char *name, double v)
{
    struct syn_attr a = {.name = name, .kind = SYN_ATTR_FLOAT, .n = 1};
    a.v.f[0] = v;
    return a;
}

struct syn_attr syn_attr_of_ints(const char *name, int32_t n, const int64_t *v)
{
    struct syn_attr a = {.name = name, .kind = SYN_ATTR_INTS, .n = list_length(n)};
    for (int32_t i = 0; i < a.n; i++) a.v.i[i] = v[i];
    return a;
}

struct syn_attr syn_attr_of_floats(const char *name, int32_t n, const double *v)
{
    struct syn_attr a = {.name = name, .kind = SYN_ATTR_FLOATS, .n = list_length(n)};
    for (int32_t i = 0; i < a.n; i++) a.v.f[i] = v[i];
    return a;
}

static struct syn_attr attr_default(const struct syn_attr_spec *spec)
{
    struct syn_attr a = {.name = spec->name, .kind = spec->kind, .n = is_list(spec->kind) ? 0 : 1};
    if (spec->kind == SYN_ATTR_INT) a.v.i[0] = (int64_t)spec->fallback;
    if (spec->kind == SYN_ATTR_FLOAT) a.v.f[0] = spec->fallback;
    return a;
}

/* One given attribute against its spec. */
static syn_status attr_check(const struct syn_op *op, const struct syn_attr_spec *spec,
                             const struct syn_attr *a, struct syn_err *err)
{
    if (a->kind != spec->kind)
        return syn_fail(err, SYN_INVALID, "%s: attribute %s is %s: must be %s", op->name,
                        spec->name, kind_word(a->kind), kind_word(spec->kind));
    if (is_list(a->kind) ? a->n < 0 || a->n > SYN_MAX_ATTR_INTS : a->n != 1)
        return syn_fail(err, SYN_INVALID, "%s: attribute %s has %d entries: must be in [%d, %d]",
                        op->name, spec->name, (int)a->n, is_list(a->kind) ? 0 : 1,
                        is_list(a->kind) ? SYN_MAX_ATTR_INTS : 1);
    for (int32_t i = 0; i < a->n; i++) {
        double v = is_int(a->kind) ? (double)a->v.i[i] : a->v.f[i];
        if (v >= spec->min && v <= spec->max) continue; /* a NaN is in no range */
        if (is_int(a->kind))
            return syn_fail(err, SYN_INVALID,
                            "%s: attribute %s = %" PRId64 " (entry %d): must be in [%.17g, %.17g]",
                            op->name, spec->name, a->v.i[i], (int)i, spec->min, spec->max);
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
