/* element.h - what the operators that work element by element share: walks over one operand or
 * over several that broadcast.
 *
 * Types:   floats of any width are computed in double and rounded once (for f32 and narrower that
 *          is the correctly rounded sum, difference, product, quotient and root), whole numbers in
 *          64 bits, modulo 2^64, cut to the type's own bits when written.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: nothing is allocated. */
#ifndef SYN_OPS_ELEMENT_H
#define SYN_OPS_ELEMENT_H

#include "kernels/graph/element.h"
#include "kernels/ops/check.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SYN_TYPES_WHOLE (SYN_TYPES_SIGNED | SYN_TYPES_UNSIGNED)

/* A rule for two (or, folded from the left, more) operands. NULL where the operator has no such
 * types. */
struct syn_element_rule {
    double (*f)(double a, double b);
    int64_t (*i)(int64_t a, int64_t b);
    uint64_t (*u)(uint64_t a, uint64_t b); /* u64 alone: the narrower ones fit int64 */
};

/* Operands [from, to) broadcast; offset[k] is operand k's element for the row's first position,
 * step[k] its step along the row. A row is the result's last dimension. */
struct syn_element_walk {
    const struct syn_op_call *c;
    int32_t n;                                          /* operands */
    int64_t rows, row;                                  /* how many rows, elements of one */
    int64_t step[SYN_MAX_OPERANDS], offset[SYN_MAX_OPERANDS];
    int64_t steps[SYN_MAX_OPERANDS][SYN_MAX_RANK];
    int64_t at[SYN_MAX_RANK];
    struct syn_shape outer;
};

/* broadcast and axis, by which the second operand was placed before opset 7: its dimensions begin
 * at the first one's axis. Rows of that age have these attributes alone. */
extern const struct syn_attr_spec syn_element_old_attrs[];
#define SYN_ELEMENT_OLD_ATTRS                                                                      \
    {"broadcast", SYN_ATTR_INT, 0, 0, 1}, {"axis", SYN_ATTR_INT, -1e9, -1e9, SYN_MAX_RANK - 1}

/* The walk over all of c's operands; every one of them is given. No rows when the result is
 * empty. */
void syn_element_walk_begin(struct syn_element_walk *w, const struct syn_op_call *c);
void syn_element_walk_next(struct syn_element_walk *w); /* to the next row */

/* Shape functions. same: one operand of `types`, out[0] like it. pair: operands of one type (in
 * our own graphs, opset 0, f16 may stand beside f32, which the result then is), broadcast; out[0]
 * has their type, or `out` if that is not SYN_DTYPE_COUNT. */
SYN_MUST_CHECK syn_status syn_element_same(struct syn_op_call *c, uint32_t types,
                                           struct syn_err *err);
SYN_MUST_CHECK syn_status syn_element_pair(struct syn_op_call *c, uint32_t types, syn_dtype out,
                                           struct syn_err *err);

/* out[0] = fold of the rule over all operands. */
void syn_element_fold(const struct syn_op_call *c, const struct syn_element_rule *rule);

/* out[0][i] = f(in[0][i], p): floats by f, whole numbers by w where not NULL, else by f too. */
void syn_element_map(const struct syn_op_call *c, double (*f)(double v, const double *p),
                     int64_t (*w)(int64_t v, const double *p), const double *p);

/* The one element of a scalar operand, or of one with a single element. */
SYN_MUST_CHECK syn_status syn_element_scalar(const struct syn_op_call *c, int32_t i,
                                             const char *word, uint32_t types, struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
