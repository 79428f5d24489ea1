/* hex.h - one hex digit.
 *
 * Layer:   server/http.   Threads: pure function. */
#ifndef SYN_HTTP_HEX_H
#define SYN_HTTP_HEX_H

/* 0..15, either case; -1: not a hex digit. */
static inline int syn_hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

#endif
