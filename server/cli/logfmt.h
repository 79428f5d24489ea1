/* logfmt.h - log lines on stderr: "event key=value ... level=info time=2026-01-02T03:04:05.678Z".
 *
 * Lines are kept back until release, so that the first one on stderr can be the listener's.
 *
 * Layer:   server/cli.   Threads: the sink is called from any; the rest from the main thread. */
#ifndef SYN_LOGFMT_H
#define SYN_LOGFMT_H

#include "kernels/base/log.h"
#include <stdbool.h>

/* "error" "warn" "info" "debug"; false: another word. */
bool syn_logfmt_level(const char *word, syn_log_level *out);
/* Sends syn_log to stderr; held: keeps lines (up to 256 KiB) until release. */
void syn_logfmt_open(syn_log_level max_level, bool held);
/* Writes first (a whole event) and then what was kept; from now on lines go out at once. */
void syn_logfmt_release(const char *first);
/* Forgets what was kept: of a start that failed one line of error is enough. */
void syn_logfmt_drop(void);

#endif
