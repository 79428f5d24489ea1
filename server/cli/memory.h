/* memory.h - how much memory this process may use, and the budget of a job made from it.
 *
 * Layer:   server/cli.   Threads: any; nothing is kept. */
#ifndef SYN_CLI_MEMORY_H
#define SYN_CLI_MEMORY_H

#include <stdint.h>

#define SYN_MEMORY_BUDGET_MIN ((uint64_t)256 << 20) /* of an automatic budget */
#define SYN_MEMORY_BUDGET_MAX ((uint64_t)8 << 30)

/* Bytes this process may use: the smaller of the machine's memory and the limits of its cgroup and
 * of those above it (version 2 and 1). root: "" for this machine, or a folder with the same proc/
 * and sys/ in it. 0 when the machine does not say. */
uint64_t syn_memory_usable(const char *root);
/* A quarter of it, within the bounds above. */
uint64_t syn_memory_automatic(uint64_t usable_bytes);
/* memory_budget_bytes as set, or the automatic one for 0; the log tells which and why. */
uint64_t syn_memory_budget(int64_t configured_bytes);

#endif
