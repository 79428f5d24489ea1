/* control.h - what a test asks of the host runtime: faults, failures, devices, schedules.
 *
 * Use:     cuda_host_reset() before a case; run it; read cuda_host_fault(), cuda_host_leaks().
 * Faults:  the first fault since the reset is kept as text. A fault in a kernel also ends the
 *          launch and makes the device's error sticky, as on a card; one found in the host's use
 *          of the API (a double free, a block overrun) is told only here.
 * Layer:   tests. C11 and C++17.
 * Threads: any, but a test that changes settings does so while no other thread is in the API. */
#ifndef CUDA_HOST_CONTROL_H
#define CUDA_HOST_CONTROL_H

#include "cuda_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A card of the fake machine. Zero fields of cuda_host_set_devices take those of the default. */
struct cuda_host_device {
    const char *name;
    int major, minor;      /* compute capability */
    int multiprocessors;
    size_t memory_bytes;   /* cudaMalloc beyond it fails */
    size_t shared_default; /* per block without asking */
    size_t shared_optin;   /* per block at most */
    size_t shared_sm;      /* per multiprocessor */
};
enum { CUDA_HOST_MAX_DEVICES = 8 };

/* Replaces the machine's cards (0: none; at first there is one sm_80). Calls cuda_host_reset. */
void cuda_host_set_devices(int count, const struct cuda_host_device *devices);

/* The text of the first fault since the last reset, or "" if there was none. */
const char *cuda_host_fault(void);

/* Drops queued work, sticky and last errors, captures, the fault's text and planned failures.
 * Memory, streams and events stay. Returns whether there had been a fault. */
bool cuda_host_reset(void);

/* Device and pinned blocks, streams, events and graphs not given back; what they are goes to
 * `text` (size bytes, may be NULL). cuda_host_free_all gives the memory back. */
size_t cuda_host_leaks(char *text, size_t size);
void cuda_host_free_all(void);

/* The n-th allocation from now (1 = the next; 0 = none) fails with out of memory. cuda_host_allocs
 * counts allocations since the reset, so that a test can fail each of them in turn. */
void cuda_host_fail_alloc(unsigned n);
unsigned cuda_host_allocs(void);

/* The n-th call from now that can fail, of whatever kind, fails with `e` and does nothing. If e is
 * one of the sticky errors it stays. cuda_host_calls counts them since the reset. */
void cuda_host_fail_call(unsigned n, cudaError_t e);
unsigned cuda_host_calls(void);

/* Order between streams. LAZY: a wait runs only what it needs; EAGER: all other streams first,
 * the last created first; ALTERNATE (default): the two in irregular turns. */
enum cuda_host_order { CUDA_HOST_ALTERNATE, CUDA_HOST_LAZY, CUDA_HOST_EAGER };
void cuda_host_set_order(enum cuda_host_order order);

/* Threads, blocks and a graph's nodes go from first to last, or from last to first. In turns
 * (default) each kernel and each graph begins forwards and then alternates, irregularly, so that no
 * loop falls in step with it; the setting begins anew. A test that compares two runs of many
 * launches asks for one run FORWARDS and one BACKWARDS. */
enum cuda_host_direction { CUDA_HOST_TURNS, CUDA_HOST_FORWARDS, CUDA_HOST_BACKWARDS };
void cuda_host_set_direction(enum cuda_host_direction direction);

/* Bytes now allocated on the current device, and the most there have been since the reset. */
size_t cuda_host_bytes(void);
size_t cuda_host_peak_bytes(void);

/* Kernels run since the reset, and whether the build is instrumented (CUDA_HOST_CHECK=yes). */
unsigned long cuda_host_launches(void);
bool cuda_host_checks(void);

#ifdef __cplusplus
}
#endif
#endif
