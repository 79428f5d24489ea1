/* pipeline.c - the loop that runs a pipeline alone, and close.
 *
 * Layer: server/pipelines.   Threads: as pipeline.h. */
#include "server/pipelines/pipeline.h"
#include <time.h>

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Once more in f32, where it was not f32 already. */
static syn_status wider(struct syn_pipeline *p, struct syn_unit *unit, bool *again,
                        struct syn_err *err)
{
    if (p->kind->numeric) return p->kind->numeric(p, unit, again, err);
    *again = unit->precision != SYN_PRECISION_F32;
    unit->precision = SYN_PRECISION_F32;
    return SYN_OK;
}

static syn_status run_unit(struct syn_pipeline *p, struct syn_unit *unit, const atomic_bool *cancel,
                           struct syn_err *err)
{
    for (;;) {
        const struct syn_run_opts opts = {.cancel = cancel,
                                          .precision = unit->precision,
                                          .seed = unit->seed,
                                          .finite = !unit->any_value};
        syn_status st = unit->plan
                            ? syn_plan_run(unit->plan, unit->in, &unit->out, &opts, err)
                            : syn_model_run(unit->model, unit->in, unit->made, &opts, err);
        if (st != SYN_NUMERIC) return st;
        bool again = false;
        syn_status asked = wider(p, unit, &again, err);
        if (asked != SYN_OK) return asked;
        if (!again) return st;
    }
}

syn_status syn_pipeline_drive(struct syn_pipeline *p, const struct syn_drive *d,
                              struct syn_err *err)
{
    for (;;) {
        struct syn_unit unit = {0};
        bool more = false;
        if (d->cancel && atomic_load(d->cancel)) return syn_fail(err, SYN_CANCELED,
            "canceled between units");
        const double start = now_seconds();
        syn_status st = p->kind->next(p, &unit, &more, err);
        if (st != SYN_OK || !more) return st;
        st = run_unit(p, &unit, d->cancel, err);
        if (st == SYN_OK) st = p->kind->done(p, &unit, err);
        if (st != SYN_OK) return st;
        if (d->on_unit) {
            int64_t done = 0, total = 0;
            p->kind->progress(p, &done, &total);
            d->on_unit(d->user, done, total, now_seconds() - start);
        }
    }
}

void syn_pipeline_close(struct syn_pipeline *p)
{
    if (p) p->kind->close(p);
}
