/* list_reduce.h - sums over axes: reductions, norms, softmax, matrix products, attention, losses.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_REDUCE_H
#define SYN_LIST_REDUCE_H

#define SYN_LIST_REDUCE(X)

#endif
