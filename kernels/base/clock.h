/* clock.h - time that only goes on.
 *
 * Layer:   kernels/base: libc only.   Threads: any. */
#ifndef SYN_CLOCK_H
#define SYN_CLOCK_H

#include <time.h>

/* Seconds since some moment; no jump of the system's clock shows. */
static inline double syn_seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
