/* dnnl_omp.c - see dnnl_omp.h. Compiled with -fopenmp. */
#include "kernels/cpu/dnnl_omp.h"
#include <omp.h>

void cpu_omp_threads(int32_t n) { omp_set_num_threads(n); }

void cpu_omp_run(int32_t n_threads, int64_t n_tasks, syn_task_fn *fn, void *ctx)
{
#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
    for (int64_t i = 0; i < n_tasks; i++) fn(ctx, i);
}
