/* logfmt.c - see logfmt.h. The one piece of process-wide state besides the log's callback: stderr
 * is process-wide too. */
#include "server/cli/logfmt.h"
#include "kernels/base/alloc.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_HELD (256u << 10)

static struct {
    pthread_mutex_t mu;
    bool held; /* guarded by mu, as are the next two */
    char *kept;
    size_t n_kept;
} sink = {.mu = PTHREAD_MUTEX_INITIALIZER};

static const char *const level_word[] = {"error", "warn", "info", "debug"};

bool syn_logfmt_level(const char *word, syn_log_level *out)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(word, level_word[i]) != 0) continue;
        *out = (syn_log_level)i;
        return true;
    }
    return false;
}

static void put(const char *bytes, size_t n)
{
    while (n) {
        ssize_t w = write(STDERR_FILENO, bytes, n);
        if (w <= 0) return; /* nowhere left to tell it */
        bytes += w;
        n -= (size_t)w;
    }
}

/* A control character in a line would forge another line. */
static size_t format_line(syn_log_level level, const char *text, char *line, size_t size)
{
    struct timespec t;
    struct tm tm;
    char when[32];
    int n;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(line, size - 1, "%s level=%s time=%s.%03ldZ", text, level_word[level], when,
                 t.tv_nsec / 1000000);
    if (n < 0) return 0;
    if ((size_t)n > size - 2) n = (int)size - 2;
    for (int i = 0; i < n; i++)
        if ((unsigned char)line[i] < 32 || line[i] == 127) line[i] = ' ';
    line[n] = '\n';
    return (size_t)n + 1;
}

static void write_line(void *user, syn_log_level level, const char *text)
{
    char line[1200];
    size_t n = format_line(level, text, line, sizeof line);
    (void)user;
    pthread_mutex_lock(&sink.mu);
    if (sink.held && sink.n_kept + n <= MAX_HELD) {
        char *grown = syn_realloc(sink.kept, sink.n_kept + n, 1);
        if (grown) {
            sink.kept = grown;
            memcpy(grown + sink.n_kept, line, n);
            sink.n_kept += n;
        }
    } else if (!sink.held) {
        put(line, n);
    }
    pthread_mutex_unlock(&sink.mu);
}

void syn_logfmt_open(syn_log_level max_level, bool held)
{
    sink.held = held;
    syn_log_set(write_line, NULL, max_level);
}

/* mu is held. */
static void forget(void)
{
    syn_free(sink.kept);
    sink.kept = NULL;
    sink.n_kept = 0;
    sink.held = false;
}

void syn_logfmt_release(const char *first)
{
    char line[1200];
    pthread_mutex_lock(&sink.mu);
    put(line, format_line(SYN_LOG_INFO, first, line, sizeof line));
    put(sink.kept, sink.n_kept);
    forget();
    pthread_mutex_unlock(&sink.mu);
}

void syn_logfmt_drop(void)
{
    pthread_mutex_lock(&sink.mu);
    forget();
    pthread_mutex_unlock(&sink.mu);
}
