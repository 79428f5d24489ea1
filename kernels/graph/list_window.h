/* list_window.h - sliding windows and sampling: N-D convolution, pooling, resize, regions, grids.
 * X(id, symbol of its row in kernels/ops). */
#ifndef SYN_LIST_WINDOW_H
#define SYN_LIST_WINDOW_H

#define SYN_LIST_WINDOW(X)

#endif
