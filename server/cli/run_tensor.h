/* run_tensor.h - `synthd run tensor`: .npy files in, .npy files out.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_RUN_TENSOR_H
#define SYN_RUN_TENSOR_H

#include "server/cli/local.h"
#include "server/cli/words.h"
#include <stdatomic.h>

/* Runs the words' job; the exit code, after one line for each output on stdout or one on stderr.
 * --out X.npy (or "-") takes the only output; any other --out is a folder that gets OUTPUT.npy of
 * each. max_bytes: the most that one input's elements may take. */
int syn_run_tensor(const struct syn_words *words, struct syn_local *local, uint64_t max_bytes,
                   const atomic_bool *cancel);

#endif
