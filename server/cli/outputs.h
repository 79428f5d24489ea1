/* outputs.h - where the outputs of `run` and `submit` go: --out is a file, or a folder for kinds that
 * make several.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_OUTPUTS_H
#define SYN_OUTPUTS_H

#include "kernels/base/status.h"
#include "server/cli/words.h"

/* Before anything is written: --out can hold n outputs; makes its folder. SYN_INVALID: one file, and
 * n is not 1. */
SYN_MUST_CHECK syn_status syn_outputs_prepare(const struct syn_words *w, int32_t n,
                                              struct syn_err *err);
/* Output i of this name (caller: syn_free); NULL without memory. */
char *syn_outputs_path(const struct syn_words *w, int32_t i, const char *name);

#endif
