/* json.h - between JSON and plain structs: parsing with limits, texts, times, parameter lists.
 *
 * Layer:   server/http: past this folder travel plain structs, and JSON as opaque text.
 * Threads: pure functions. */
#ifndef SYN_JSON_H
#define SYN_JSON_H

#include "kernels/base/status.h"
#include "server/pipelines/kinds.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define SYN_JSON_MAX_DEPTH 100
#define SYN_JSON_MAX_VALUES 10000

/* Parses n bytes: UTF-8, no duplicate keys, no NUL in texts, at most SYN_JSON_MAX_DEPTH levels and
 * SYN_JSON_MAX_VALUES values, members counted too.
 * SYN_INVALID names line and fault; SYN_NO_MEMORY. The caller decrefs *out. */
SYN_MUST_CHECK syn_status syn_json_parse(const char *text, size_t n, json_t **out,
                                         struct syn_err *err);

/* A JSON string of text; what is not UTF-8 (a text cut inside a character, bytes of a path) has its
 * bytes over 127 replaced by '?'. NULL only without memory. */
json_t *syn_json_utf8(const char *text);

/* A JSON document stored as text; `otherwise` (stolen) when text is NULL or damaged. */
json_t *syn_json_stored(const char *text, json_t *otherwise);

/* RFC 3339 with milliseconds, UTC. */
#define SYN_TIME_SIZE 32
void syn_json_time(int64_t ms, char out[SYN_TIME_SIZE]);
json_t *syn_json_time_or_null(int64_t ms); /* 0 = null */
int64_t syn_json_now_ms(void);

/* A row of a table as JSON schema. */
json_t *syn_json_param_schema(const struct syn_param_spec *s);

/* The JSON pointer "/a/b" with b escaped (RFC 6901) and cut to fit. */
void syn_json_pointer(char *out, size_t size, const char *parent, const char *name);

/* The pointer of the first member, in key order, in which two documents differ; "" when equal. */
void syn_json_difference(const json_t *a, const json_t *b, char *out, size_t size);

#endif
