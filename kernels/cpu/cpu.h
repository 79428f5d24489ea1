/* cpu.h - the backend for processors: our own AVX-512 convolutions where the CPU has them, oneDNN's
 * elsewhere, our own loops for everything around them, references for what is rare.
 *
 * Layer:   kernels/cpu.   Threads: as kernels/backend/backend.h. */
#ifndef SYN_CPU_H
#define SYN_CPU_H

#include "kernels/backend/backend.h"

extern const struct syn_backend syn_backend_cpu;

#endif
