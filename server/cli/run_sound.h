/* run_sound.h - `synthd run` of kinds that turn a sound into a sound.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_RUN_SOUND_H
#define SYN_RUN_SOUND_H

#include "server/cli/local.h"
#include "server/cli/words.h"
#include <stdatomic.h>

/* Runs the words' job; the exit code, after one line on stdout or stderr. The model is there.
 * decoded_bytes: the most that the decoded sound may take. */
int syn_run_sound(const struct syn_words *words, struct syn_local *local, uint64_t decoded_bytes,
                  const atomic_bool *cancel);

#endif
