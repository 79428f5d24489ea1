/* json_members.h - members of a JSON object taken with their type and bounds checked; every refusal
 * names the member by its path.
 *
 * where: what goes before the key in a message: "" or "files[2].".
 * Layer:   server/models: kernels/base, jansson.   Threads: pure functions.
 * Ownership: objects are borrowed, text is copied. */
#ifndef SYN_JSON_MEMBERS_H
#define SYN_JSON_MEMBERS_H

#include "kernels/base/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* object is an object with no members but those in keys[n]. */
SYN_MUST_CHECK syn_status syn_json_known(const json_t *object, const char *where,
                                         const char *const *keys, size_t n, struct syn_err *err);
/* Text of 1..size-1 bytes without control characters. */
SYN_MUST_CHECK syn_status syn_json_text(const json_t *object, const char *where, const char *key,
                                        char *out, size_t size, struct syn_err *err);
/* A whole number in [lo, hi]. Absent and optional: *out is left as it is. */
SYN_MUST_CHECK syn_status syn_json_int(const json_t *object, const char *where, const char *key,
                                       bool optional, int64_t lo, int64_t hi, int64_t *out,
                                       struct syn_err *err);
/* A finite number within +-limit; absent: *out stays. */
SYN_MUST_CHECK syn_status syn_json_number(const json_t *object, const char *where, const char *key,
                                          double limit, float *out, struct syn_err *err);
/* true or false; absent: *out stays. */
SYN_MUST_CHECK syn_status syn_json_flag(const json_t *object, const char *where, const char *key,
                                        bool *out, struct syn_err *err);
/* 64 lower-case hex digits. */
SYN_MUST_CHECK syn_status syn_json_sha256(const json_t *object, const char *where, const char *key,
                                          char out[65], struct syn_err *err);
/* One word of words[n]; *index is its place. Absent and optional: *index stays. */
SYN_MUST_CHECK syn_status syn_json_word(const json_t *object, const char *where, const char *key,
                                        bool optional, const char *const *words, size_t n,
                                        size_t *index, struct syn_err *err);
/* An array of lo..hi elements; *out is borrowed. */
SYN_MUST_CHECK syn_status syn_json_array(const json_t *object, const char *where, const char *key,
                                         size_t lo, size_t hi, const json_t **out,
                                         struct syn_err *err);

#endif
