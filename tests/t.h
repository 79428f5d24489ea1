/* t.h - a test in one header: a check, makers of data, the closing line.
 *
 * Use:     call T_CHECK in main or below it, end main with `return t_report();`. One file = one
 *          binary.
 * Seeds:   the caller passes them, so that a failing case can name its own input.
 * Layer:   tests. C11 and C++17. A test that runs out of memory aborts. */
#ifndef SYN_T_H
#define SYN_T_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int t_passed, t_failed;

/* Counts a check; a failed one prints where, what and the message: T_CHECK(a == b, "row %d", r). */
#define T_CHECK(condition, ...) t_check((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)

__attribute__((format(printf, 5, 6)))
static inline void t_check(bool ok, const char *file, int line, const char *condition,
                           const char *format, ...)
{
    va_list args;
    if (ok) {
        t_passed++;
        return;
    }
    t_failed++;
    fprintf(stderr, "%s:%d: %s: ", file, line, condition);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* Prints "N passed, N failed" and returns main's result. A test that checked nothing has failed. */
static inline int t_report(void)
{
    printf("%d passed, %d failed\n", t_passed, t_failed);
    return t_failed > 0 || t_passed == 0;
}

static inline void *t_alloc(size_t bytes)
{
    void *p = bytes <= PTRDIFF_MAX ? malloc(bytes ? bytes : 1) : NULL;
    if (!p) abort();
    return p;
}

/* n floats in [lo, hi) that depend on the seed alone (splitmix64). The caller frees them. */
static inline float *t_uniform(uint64_t seed, size_t n, float lo, float hi)
{
    float *x = (float *)t_alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        uint64_t z = (seed << 32) + (i + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        x[i] = lo + (hi - lo) * ((float)(z >> 40) * 0x1p-24f);
    }
    return x;
}

#endif
