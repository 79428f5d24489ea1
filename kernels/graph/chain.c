/* chain.c - see chain.h. */
#include "kernels/graph/chain.h"
#include <math.h>

int32_t syn_step_operands(syn_step s)
{
    static const int8_t n[] = {
#define COUNT(ID, op, operands) operands,
        SYN_STEP_LIST(COUNT)
#undef COUNT
    };
    return n[s];
}

syn_step syn_step_of(const struct syn_op *op, syn_op_id id, const struct syn_attr *attr,
                     double args[2])
{
    args[0] = args[1] = 0;
    switch (id) {
#define CASE(ID, op_id, operands)                                                                  \
    case op_id:                                                                                    \
        if (op_id == SYN_OP_LEAKY_RELU) args[0] = syn_attr_float(op, attr, "alpha");               \
        if (op_id == SYN_OP_CLIP)                                                                  \
            args[0] = syn_attr_float(op, attr, "min"), args[1] = syn_attr_float(op, attr, "max");  \
        return SYN_STEP_##ID;
        SYN_STEP_LIST(CASE)
#undef CASE
    default: return SYN_STEP_COUNT;
    }
}

double syn_step_apply(syn_step s, double a, double b, const double args[2])
{
    switch (s) {
    case SYN_STEP_ADD: return a + b;
    case SYN_STEP_SUB: return a - b;
    case SYN_STEP_MUL: return a * b;
    case SYN_STEP_DIV: return a / b;
    case SYN_STEP_MIN: return isnan(a) || a < b ? a : b;
    case SYN_STEP_MAX: return isnan(a) || a > b ? a : b;
    case SYN_STEP_POW: return pow(a, b);
    case SYN_STEP_NEG: return -a;
    case SYN_STEP_ABS: return fabs(a);
    case SYN_STEP_SQRT: return sqrt(a);
    case SYN_STEP_RECIPROCAL: return 1 / a;
    case SYN_STEP_EXP: return exp(a);
    case SYN_STEP_LOG: return log(a);
    case SYN_STEP_RELU: return a < 0 ? 0 : a;
    case SYN_STEP_LEAKY_RELU: return a < 0 ? args[0] * a : a;
    case SYN_STEP_SIGMOID: return 1 / (1 + exp(-a));
    case SYN_STEP_TANH: return tanh(a);
    case SYN_STEP_ERF: return erf(a);
    case SYN_STEP_SOFTPLUS: return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a));
    case SYN_STEP_CLIP: return a < args[0] ? args[0] : a > args[1] ? args[1] : a;
    case SYN_STEP_COUNT: break;
    }
    return a;
}
