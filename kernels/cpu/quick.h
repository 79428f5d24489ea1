/* quick.h - the CPU's quick versions for dense tensors: X(operator id, symbol of a struct syn_quick), for each operator
 * best first, all of one operator side by side. A list per file of kernels, so that each can be read alone.
 *
 * Instruction sets: `takes` is false where the CPU lacks what the code needs (cpu_has_*); portable versions come
 *          last. Files named *_avx512.c are compiled for that set alone and must be reached through these structs only.
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_QUICK_H
#define SYN_CPU_QUICK_H

#include "kernels/backend/quick.h"

#define CPU_QUICK_LIST(X)

#endif
