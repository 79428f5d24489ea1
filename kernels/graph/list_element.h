/* list_element.h - element by element: arithmetic, logic, bits, casts, quantisation.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_ELEMENT_H
#define SYN_LIST_ELEMENT_H

#define SYN_LIST_ELEMENT(X)

#endif
