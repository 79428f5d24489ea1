/* log.h - where log lines go: to a function somebody set, or nowhere.
 *
 * The engine never prints: it hands a line to the callback. server/main.c sets one that writes
 * logfmt lines to stderr.
 *
 * Layer:   kernels/base.
 * Threads: any; the callback is set once before threads start and must be thread-safe itself. */
#ifndef SYN_LOG_H
#define SYN_LOG_H

#include "kernels/base/status.h"

typedef enum syn_log_level {
    SYN_LOG_ERROR,
    SYN_LOG_WARN,
    SYN_LOG_INFO,
    SYN_LOG_DEBUG
} syn_log_level;
typedef void syn_log_fn(void *user, syn_log_level level, const char *line);

void syn_log_set(syn_log_fn *fn, void *user,
                 syn_log_level max_level); /* fn NULL: silence (the default) */
/* format gives one logfmt line without the newline: "job finished id=... seconds=1.2" */
void syn_log(syn_log_level level, const char *format, ...) SYN_PRINTF(2, 3);

#endif
