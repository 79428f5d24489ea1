/* list_control.h - bodies, recurrence, signals, selection and random numbers.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_CONTROL_H
#define SYN_LIST_CONTROL_H

#define SYN_LIST_CONTROL(X)

#endif
