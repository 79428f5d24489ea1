/* place.c - see place.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions. */
#include "kernels/ops/place.h"
#include "kernels/graph/tensor.h"
#include <math.h>

struct syn_place syn_place_of_ratio(__int128 num, __int128 den)
{
    __int128 whole = num / den, rest = num % den;
    if (rest < 0) whole--, rest += den;
    return (struct syn_place){.whole = (int64_t)whole,
                          .fraction = (double)rest / (double)den,
                          .half = (2 * rest > den) - (2 * rest < den),
                          .between = rest > 0};
}

struct syn_place syn_place_of_double(double s)
{
    double whole = floor(s), fraction = s - whole;
    return (struct syn_place){.whole = (int64_t)whole,
                          .fraction = fraction,
                          .half = (fraction > 0.5) - (fraction < 0.5),
                          .between = fraction > 0};
}

int64_t syn_place_round(const struct syn_place *p, enum syn_resize_round how)
{
    switch (how) {
    case SYN_ROUND_PREFER_FLOOR: return p->whole + (p->half > 0);
    case SYN_ROUND_PREFER_CEIL: return p->whole + (p->half >= 0);
    case SYN_ROUND_FLOOR: break;
    case SYN_ROUND_CEIL: return p->whole + p->between;
    }
    return p->whole;
}

double syn_keys_near(double a, double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; }
double syn_keys_far(double a, double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; }

int64_t syn_exact_length(int64_t in, double scale)
{
    const double k = nearbyint((double)in * scale), ratio = k / (double)in;
    if (!(k >= 1 && k <= (double)SYN_MAX_ELEMENTS)) return 0;
    const float below = (float)ratio;
    return fabs(scale - ratio) <= (double)(nextafterf(below, INFINITY) - below) ? (int64_t)k : 0;
}
