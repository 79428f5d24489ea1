/* status.c - see status.h. */
#include "kernels/base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

syn_status syn_fail(struct syn_err *err, syn_status st, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return st;
}

syn_status syn_fail_in(struct syn_err *err, syn_status st, const char *format, ...)
{
    if (err) {
        char whole[sizeof err->text];
        va_list args;
        int n;
        va_start(args, format);
        n = vsnprintf(whole, sizeof whole, format, args);
        va_end(args);
        if (n >= 0 && (size_t)n < sizeof whole)
            snprintf(whole + n, sizeof whole - (size_t)n, "%s", err->text);
        memcpy(err->text, whole, sizeof whole);
    }
    return st;
}

const char *syn_status_word(syn_status st)
{
    static const char *const words[] = {
#define SYN_STATUS_WORD(name, word) word,
        SYN_STATUS_LIST(SYN_STATUS_WORD)
#undef SYN_STATUS_WORD
    };
    return (unsigned)st < SYN_STATUS_COUNT ? words[st] : "unknown";
}
