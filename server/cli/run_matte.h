/* run_matte.h - `synthd run matte`.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_RUN_MATTE_H
#define SYN_RUN_MATTE_H

#include "server/cli/local.h"
#include "server/cli/words.h"
#include <stdatomic.h>

/* Runs the words' job; the exit code, after one line on stdout or stderr. The model is there.
 * decoded_bytes: the most that the job's pictures may take. */
int syn_run_matte(const struct syn_words *words, struct syn_local *local, uint64_t decoded_bytes,
                  const atomic_bool *cancel);

#endif
