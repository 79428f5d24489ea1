/* run_stylize.h - `synthd run stylize`: a photo and, for some models, a picture of the style.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_RUN_STYLIZE_H
#define SYN_RUN_STYLIZE_H

#include "server/cli/local.h"
#include "server/cli/words.h"
#include <stdatomic.h>

/* Runs the words' job; the exit code, after one line on stdout or stderr. The model is there.
 * budget_bytes: of the pictures and of the network's workspace. */
int syn_run_stylize(const struct syn_words *words, struct syn_local *local, uint64_t budget_bytes,
                    const atomic_bool *cancel);

#endif
