/* job_id.h - ids of jobs: "job_", 10 characters of time, 12 of chance; and the clock of the store.
 *
 * Base32 in ASCII order (0-9, a-z without i l o u), so that ids sort as text. An id is greater than
 * every earlier one of the same generator, also within one millisecond and when the clock is set back.
 *
 * Layer:   server/jobs: libc only.   Threads: a generator belongs to one thread at a time. */
#ifndef SYN_JOB_ID_H
#define SYN_JOB_ID_H

#include "server/jobs/store.h"

struct syn_job_id_source {
    uint64_t ms;     /* of the last id, 50 bits */
    uint64_t chance; /* of the last id, 60 bits */
};

/* The next id. SYN_IO: the system has no random numbers. */
SYN_MUST_CHECK syn_status syn_job_id_next(struct syn_job_id_source *g, int64_t now_ms,
                                          char id[SYN_JOB_ID_SIZE], struct syn_err *err);
/* Goes on after an id made earlier; false (and g unchanged) when it is none. */
bool syn_job_id_resume(struct syn_job_id_source *g, const char *id);

int64_t syn_job_now_ms(void);  /* Unix milliseconds */
int64_t syn_job_tick_ms(void); /* monotonic milliseconds: for waits only */

#endif
