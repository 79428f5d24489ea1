/* job_id.c - see job_id.h. */
#include "server/jobs/job_id.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define TIME_CHARS   10
#define CHANCE_CHARS 12
#define CHANCE_MASK  ((UINT64_C(1) << 60) - 1)

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void put(char *to, uint64_t value, int n)
{
    for (int i = n - 1; i >= 0; i--, value >>= 5) to[i] = digits[value & 31];
}

static bool get(const char *from, int n, uint64_t *value)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) {
        const char *d = from[i] ? strchr(digits, from[i]) : NULL;
        if (!d) return false;
        v = v << 5 | (uint64_t)(d - digits);
    }
    *value = v;
    return true;
}

syn_status syn_job_id_next(struct syn_job_id_source *g, int64_t now_ms, char id[SYN_JOB_ID_SIZE],
                           struct syn_err *err)
{
    uint64_t chance, ms = now_ms > 0 ? (uint64_t)now_ms : 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        return syn_fail(err, SYN_IO, "no random numbers for a job id: %s", strerror(errno));
    if (ms > g->ms) {
        g->ms = ms;
        g->chance = chance & CHANCE_MASK;
    } else { /* the same millisecond, or the clock went back: count on in steps nobody can guess */
        g->chance += 1 + (chance >> 32);
        if (g->chance > CHANCE_MASK) {
            g->ms++;
            g->chance &= CHANCE_MASK;
        }
    }
    memcpy(id, "job_", 4);
    put(id + 4, g->ms, TIME_CHARS);
    put(id + 4 + TIME_CHARS, g->chance, CHANCE_CHARS);
    id[4 + TIME_CHARS + CHANCE_CHARS] = '\0';
    return SYN_OK;
}

static bool parse(const char *id, uint64_t *ms, uint64_t *chance)
{
    return id && strnlen(id, SYN_JOB_ID_SIZE) == 4 + TIME_CHARS + CHANCE_CHARS &&
           memcmp(id, "job_", 4) == 0 && get(id + 4, TIME_CHARS, ms) &&
           get(id + 4 + TIME_CHARS, CHANCE_CHARS, chance);
}

bool syn_job_id_ok(const char *id)
{
    uint64_t ms, chance;
    return parse(id, &ms, &chance);
}

bool syn_job_id_resume(struct syn_job_id_source *g, const char *id)
{
    uint64_t ms, chance;
    if (!parse(id, &ms, &chance)) return false;
    g->ms = ms;
    g->chance = chance;
    return true;
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t syn_job_now_ms(void) { return clock_ms(CLOCK_REALTIME); }
int64_t syn_job_tick_ms(void) { return clock_ms(CLOCK_MONOTONIC); }
