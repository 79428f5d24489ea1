/* log.c - see log.h. */
#include "kernels/base/log.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static struct {
    syn_log_fn *fn;
    void *user;
    syn_log_level max_level;
} sink; /* set once, before threads start */

void syn_log_set(syn_log_fn *fn, void *user, syn_log_level max_level)
{
    sink.fn = fn;
    sink.user = user;
    sink.max_level = max_level;
}

void syn_log(syn_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (!sink.fn || level > sink.max_level) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sink.fn(sink.user, level, line);
}
