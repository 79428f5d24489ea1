/* list_move.h - moving data: reshape, slice, gather, scatter, pad, and what makes index tensors.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_MOVE_H
#define SYN_LIST_MOVE_H

#define SYN_LIST_MOVE(X)

#endif
