/* dnnl_omp.h - the OpenMP team that oneDNN runs on.
 *
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_DNNL_OMP_H
#define SYN_CPU_DNNL_OMP_H

#include "kernels/base/threads.h"

void cpu_omp_threads(int32_t n); /* team size of the calling thread's next parallel region */
/* A loop on that team: syn_pool_wrap's function. */
void cpu_omp_run(int32_t n_threads, int64_t n_tasks, syn_task_fn *fn, void *ctx);

#endif
