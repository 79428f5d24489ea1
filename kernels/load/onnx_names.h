/* onnx_names.h - names of values to numbers, for one scope of a model.
 *
 * Layer:   kernels/load.   Threads: one at a time.   Ownership: names are borrowed. */
#ifndef SYN_ONNX_NAMES_H
#define SYN_ONNX_NAMES_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stdint.h>

struct syn_names {
    const char **name;
    int32_t *value;
    int32_t n, cap; /* cap: a power of two, at most half full */
};

#define SYN_NO_NAME INT32_MIN

/* False: no memory. A name that is there gets the new value. */
SYN_MUST_CHECK bool syn_names_put(struct syn_names *t, const char *name, int32_t value);
int32_t syn_names_get(const struct syn_names *t, const char *name); /* SYN_NO_NAME: not there */
void syn_names_free(struct syn_names *t);

#endif
