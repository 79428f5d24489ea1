/* datauri.h - a text that carries bytes: data URI, or plain base64.
 *
 * Source:  RFC 2397 and RFC 4648; accepted besides: the URL-safe alphabet, missing padding, line
 * breaks and blanks, percent-encoded + / = inside a data URI. The media type is not believed.
 * Layer:   server/http.   Threads: pure functions. */
#ifndef SYN_DATAURI_H
#define SYN_DATAURI_H

#include "kernels/base/status.h"
#include <stddef.h>
#include <stdint.h>

/* *data (caller: syn_free) gets *size >= 1 bytes. SYN_INVALID: not base64, or empty;
 * SYN_UNSUPPORTED: an http(s) or other URL; SYN_TOO_LARGE: more than max_bytes; SYN_NO_MEMORY. On
 * failure nothing is given. */
SYN_MUST_CHECK syn_status syn_datauri_decode(const char *text, size_t n, uint64_t max_bytes,
                                             uint8_t **data, size_t *size, struct syn_err *err);

#endif
