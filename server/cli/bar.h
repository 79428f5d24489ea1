/* bar.h - a progress bar on stderr, when stderr is a terminal; silent otherwise.
 *
 * Layer:   server/cli.   Threads: one thread at a time. */
#ifndef SYN_BAR_H
#define SYN_BAR_H

#include "kernels/base/clock.h"
#include <stdbool.h>
#include <stdint.h>

struct syn_bar {
    bool on;    /* a terminal is there */
    bool drawn; /* something is on the line */
    char label[40];
    double started, drawn_at;
    int64_t first_done; /* where the rate is counted from */
};

void syn_bar_open(struct syn_bar *b, const char *label);
/* total 0 = not known. Draws at most ten times a second, and always at the end. */
void syn_bar_set(struct syn_bar *b, const char *stage, int64_t done, int64_t total);
void syn_bar_close(struct syn_bar *b); /* clears the line; safe on one that never drew */

#endif
