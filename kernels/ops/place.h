/* place.h - where an output pixel of a resize lies on its input axis, exactly: what RESIZE and
 * RESIZE_ND share.
 *
 * Why:     a place is a ratio of whole numbers whenever the scale is one, and is then computed as
 *          one, in 128 bits (dimensions reach 2^40): what is a tie on paper is a tie here.
 * Layer:   kernels/ops.   Threads: pure functions. */
#ifndef SYN_OPS_PLACE_H
#define SYN_OPS_PLACE_H

#include "kernels/graph/op_words.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* whole + rest/unit with 0 <= rest < unit. */
struct syn_place {
    int64_t whole;
    double fraction;    /* rest/unit */
    int32_t half;       /* sign of fraction - 1/2, exact */
    bool between;       /* fraction > 0, exact */
};

struct syn_place syn_place_of_ratio(__int128 num, __int128 den); /* den > 0 */
struct syn_place syn_place_of_double(double s);                  /* |s| < 2^62 */
int64_t syn_place_round(const struct syn_place *p, enum syn_resize_round how);

/* Keys' kernel at distance d from the pixel, 0 <= d <= 1 and 1 <= d <= 2. */
double syn_keys_near(double a, double d);
double syn_keys_far(double a, double d);

/* The whole number k for which scale is k/in up to one float32 step; 0 when there is none. */
int64_t syn_exact_length(int64_t in, double scale);

#ifdef __cplusplus
}
#endif
#endif
