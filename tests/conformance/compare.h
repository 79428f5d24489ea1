/* compare.h - is this output the one that the suite expects?
 *
 * Rules:   type and shape are equal; integers and bools are equal; a float is within
 *          atol + rtol * |expected|, NaN answers NaN and nothing else, an infinity answers the same
 *          infinity. bfloat16 gets rtol 2^-6, two units of its last place, as in onnx's own runner.
 * Layer:   tests.
 * Threads: pure functions. */
#ifndef SYN_TESTS_COMPARE_H
#define SYN_TESTS_COMPARE_H

#include "kernels/graph/element.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What onnx's backend runner takes unless a case says otherwise. */
#define COMPARE_RTOL 1e-3
#define COMPARE_ATOL 1e-7
/* For the few cases whose expected values carry rounding of their own (excluded.txt, "near"): a
 * wider absolute tolerance, or two units of float16's last place. */
#define COMPARE_NEAR_ATOL 1e-6
#define COMPARE_NEAR_RTOL(type) ((type) == SYN_F16 ? 0x1p-9 : COMPARE_RTOL)

/* "[0, 2, 1]": where element i of a tensor of this shape is. */
static inline const char *compare_place(const struct syn_shape *s, int64_t i, char *text,
                                        size_t size)
{
    struct syn_shape at = *s;
    for (int32_t d = s->rank - 1; d >= 0; d--) {
        at.dim[d] = i % s->dim[d];
        i /= s->dim[d];
    }
    return syn_shape_text(&at, text, size);
}

static inline bool compare_float(double got, double want, double rtol, double atol)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want) || isinf(got)) return got == want;
    return fabs(got - want) <= atol + rtol * fabs(want); /* false when got is NaN */
}

/* Type and shape alone. */
static inline bool compare_form(const struct syn_tensor *got, const struct syn_tensor *want,
                                char *text, size_t size)
{
    char a[128], b[128];
    if (got->dtype != want->dtype) {
        snprintf(text, size, "type %s, not %s", syn_dtype_word(got->dtype),
                 syn_dtype_word(want->dtype));
        return false;
    }
    if (!syn_shape_equal(&got->shape, &want->shape)) {
        snprintf(text, size, "shape %s, not %s", syn_shape_text(&got->shape, a, sizeof a),
                 syn_shape_text(&want->shape, b, sizeof b));
        return false;
    }
    return true;
}

static inline void compare_say(const struct syn_tensor *got, const struct syn_tensor *want,
                               int64_t i, char *text, size_t size)
{
    char at[128];
    const syn_dtype t = want->dtype;
    compare_place(&want->shape, i, at, sizeof at);
    if (syn_dtype_kind(t) == 'F')
        snprintf(text, size, "%s: %.9g, not %.9g", at, syn_element_double(t, got->data, i),
                 syn_element_double(t, want->data, i));
    else if (t == SYN_U64)
        snprintf(text, size, "%s: %" PRIu64 ", not %" PRIu64, at,
                 (uint64_t)syn_element_int(t, got->data, i),
                 (uint64_t)syn_element_int(t, want->data, i));
    else
        snprintf(text, size, "%s: %" PRId64 ", not %" PRId64, at,
                 syn_element_int(t, got->data, i), syn_element_int(t, want->data, i));
}

/* True when got answers want; else text[size] names the first difference and how many there are. */
static inline bool compare_tensors(const struct syn_tensor *got, const struct syn_tensor *want,
                                   double rtol, double atol, char *text, size_t size)
{
    int64_t n = 0, first = -1, good = 0;
    if (!compare_form(got, want, text, size)) return false;
    if (!syn_shape_elements(&want->shape, &n) || (n > 0 && !(got->data && want->data))) {
        snprintf(text, size, "no data");
        return false;
    }
    const syn_dtype t = want->dtype;
    const bool is_float = syn_dtype_kind(t) == 'F';
    if (t == SYN_BF16 && rtol < 0x1p-6) rtol = 0x1p-6;
    for (int64_t i = 0; i < n; i++) {
        const bool equal =
            is_float ? compare_float(syn_element_double(t, got->data, i),
                                     syn_element_double(t, want->data, i), rtol, atol)
                     : syn_element_int(t, got->data, i) == syn_element_int(t, want->data, i);
        if (equal) good++;
        else if (first < 0) first = i;
    }
    if (good == n) return true;
    compare_say(got, want, first, text, size);
    const size_t used = strlen(text);
    snprintf(text + used, size - used, " (%" PRId64 " of %" PRId64 " differ)", n - good, n);
    return false;
}

#endif
