/* bar.c - see bar.h. */
#include "server/cli/bar.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_CELLS 30

void syn_bar_open(struct syn_bar *b, const char *label)
{
    memset(b, 0, sizeof *b);
    b->on = isatty(STDERR_FILENO) == 1;
    b->started = syn_seconds_now();
    b->first_done = -1;
    snprintf(b->label, sizeof b->label, "%s", label);
}

/* "12s", "3m05s": the rest at the rate so far; "" while nothing is known. */
static void time_left(const struct syn_bar *b, double now, int64_t done, int64_t total, char *text,
                      size_t size)
{
    double rate = (double)(done - b->first_done) / (now - b->started + 1e-9), left;
    text[0] = '\0';
    if (b->first_done < 0 || done <= b->first_done || total <= done) return;
    left = (double)(total - done) / rate;
    if (left < 60) snprintf(text, size, " %.0fs left", left);
    else if (left < 3600 * 99)
        snprintf(text, size, " %dm%02ds left", (int)(left / 60), (int)left % 60);
}

static void count_text(int64_t done, int64_t total, char *text, size_t size)
{
    if (total >= 1 << 20) /* bytes */
        snprintf(text, size, "%.1f/%.1f MiB", (double)done / 1048576, (double)total / 1048576);
    else snprintf(text, size, "%lld/%lld", (long long)done, (long long)total);
}

void syn_bar_set(struct syn_bar *b, const char *stage, int64_t done, int64_t total)
{
    static const char full[] = "##############################",
                      none[] = "..............................";
    double now = syn_seconds_now();
    char left[32], count[64];
    int cells;
    if (!b->on) return;
    if (b->first_done < 0 || done < b->first_done) {
        b->first_done = done;
        b->started = now;
    }
    if (b->drawn && now - b->drawn_at < 0.1 && !(total > 0 && done >= total)) return;
    b->drawn = true;
    b->drawn_at = now;
    if (total <= 0) {
        static const char spin[] = "|/-\\";
        fprintf(stderr, "\r%s %c %s\033[K", b->label, spin[(int)(now * 8) & 3], stage);
        fflush(stderr);
        return;
    }
    if (done > total) done = total;
    cells = (int)((double)done / (double)total * BAR_CELLS);
    time_left(b, now, done, total, left, sizeof left);
    count_text(done, total, count, sizeof count);
    fprintf(stderr, "\r%s [%.*s%.*s] %3d%% %s %s%s\033[K", b->label, cells, full, BAR_CELLS - cells,
            none, (int)((double)done / (double)total * 100), count, stage, left);
    fflush(stderr);
}

void syn_bar_close(struct syn_bar *b)
{
    if (b->on && b->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    b->on = false;
}
