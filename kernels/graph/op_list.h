/* op_list.h - every operator: X(id, symbol of its row in kernels/ops), a list per family. */
#ifndef SYN_OP_LIST_H
#define SYN_OP_LIST_H

#include "kernels/graph/list_control.h"
#include "kernels/graph/list_element.h"
#include "kernels/graph/list_fused.h"
#include "kernels/graph/list_move.h"
#include "kernels/graph/list_picture.h"
#include "kernels/graph/list_reduce.h"
#include "kernels/graph/list_window.h"

#define SYN_OP_LIST(X)                                                                             \
    SYN_LIST_PICTURE(X)                                                                            \
    SYN_LIST_FUSED(X)                                                                              \
    SYN_LIST_ELEMENT(X)                                                                            \
    SYN_LIST_MOVE(X)                                                                               \
    SYN_LIST_REDUCE(X)                                                                             \
    SYN_LIST_WINDOW(X)                                                                             \
    SYN_LIST_CONTROL(X)

#endif
