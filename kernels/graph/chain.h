/* chain.h - element-by-element operators fused into one node: what its attributes mean.
 *
 * CHAIN    in: 1..SYN_CHAIN_INPUTS values, f32, broadcast to the output (NumPy's rule).
 *          attrs: code INTS: per step three numbers, {enum syn_step, a, b}: operands of the step
 *          are inputs (0 .. n_in-1) or results of earlier steps (n_in + step); b = -1 for unary
 *          steps. args FLOATS: two per step (alpha, beta...). The last step's result is the
 *          output.
 * Layer:   kernels/graph. */
#ifndef SYN_CHAIN_H
#define SYN_CHAIN_H

#include "kernels/graph/op.h"

#define SYN_CHAIN_INPUTS 8
#define SYN_CHAIN_STEPS 16

/* X(step, operator it stands for, operands). Names are those of the operators, whose rows define
 * them. */
#define SYN_STEP_LIST(X)                                                                           \
    X(ADD, SYN_OP_ADD, 2)                                                                          \
    X(SUB, SYN_OP_SUB, 2)                                                                          \
    X(MUL, SYN_OP_MUL, 2)                                                                          \
    X(DIV, SYN_OP_DIV, 2)                                                                          \
    X(MIN, SYN_OP_MIN, 2)                                                                          \
    X(MAX, SYN_OP_MAX, 2)                                                                          \
    X(POW, SYN_OP_POW, 2)                                                                          \
    X(NEG, SYN_OP_NEG, 1)                                                                          \
    X(ABS, SYN_OP_ABS, 1)                                                                          \
    X(SQRT, SYN_OP_SQRT, 1)                                                                        \
    X(RECIPROCAL, SYN_OP_RECIPROCAL, 1)                                                            \
    X(EXP, SYN_OP_EXP, 1)                                                                          \
    X(LOG, SYN_OP_LOG, 1)                                                                          \
    X(RELU, SYN_OP_RELU, 1)                                                                        \
    X(LEAKY_RELU, SYN_OP_LEAKY_RELU, 1)                                                            \
    X(SIGMOID, SYN_OP_SIGMOID, 1)                                                                  \
    X(TANH, SYN_OP_TANH, 1)                                                                        \
    X(ERF, SYN_OP_ERF, 1)                                                                          \
    X(SOFTPLUS, SYN_OP_SOFTPLUS, 1)                                                                \
    X(CLIP, SYN_OP_CLIP, 1) /* args: min, max */
typedef enum syn_step {
#define SYN_STEP_ENUM(ID, op, n) SYN_STEP_##ID,
    SYN_STEP_LIST(SYN_STEP_ENUM)
#undef SYN_STEP_ENUM
    SYN_STEP_COUNT
} syn_step;

int32_t syn_step_operands(syn_step s);
/* The step that a node's operator is; SYN_STEP_COUNT: none. args[2] from its attributes. */
syn_step syn_step_of(const struct syn_op *op, syn_op_id id, const struct syn_attr *attr,
                     double args[2]);
/* One number, in double: the definition, equal to the operator's own. */
double syn_step_apply(syn_step s, double a, double b, const double args[2]);

#endif
