/* resample.c - see resample.h; over soxr (28 bits, linear phase, one thread).
 *
 * Layer:   server/media.
 * Threads: soxr keeps its state in the handle. */
#include "server/media/resample.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <soxr.h>
#include <string.h>

enum { MAX_RATE = 1 << 20, MAX_RATIO = 256 };

struct syn_resampler {
    soxr_t soxr; /* NULL: equal rates */
};

syn_status syn_resampler_check(int32_t rate_in, int32_t rate_out, struct syn_err *err)
{
    if (rate_in < 1 || rate_in > MAX_RATE || rate_out < 1 || rate_out > MAX_RATE)
        return syn_fail(err, SYN_INVALID,
                        "sample rates %" PRId32 " and %" PRId32 ": must be in [1, %d]", rate_in,
                        rate_out, MAX_RATE);
    if (rate_in / rate_out >= MAX_RATIO || rate_out / rate_in >= MAX_RATIO)
        return syn_fail(err, SYN_INVALID,
                        "sample rate %" PRId32 " to %" PRId32 ": must be less than %d times",
                        rate_in, rate_out, MAX_RATIO);
    return SYN_OK;
}

syn_status syn_resampler_new(int32_t rate_in, int32_t rate_out, struct syn_resampler **out,
                             struct syn_err *err)
{
    struct syn_resampler *r;
    syn_status st = syn_resampler_check(rate_in, rate_out, err);
    if (st != SYN_OK) return st;
    r = syn_calloc(1, sizeof *r);
    if (!r) return syn_fail(err, SYN_NO_MEMORY, "no memory for a resampler");
    if (rate_in != rate_out) {
        const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_VHQ | SOXR_LINEAR_PHASE, 0);
        const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
        const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
        soxr_error_t fault = NULL;
        r->soxr = soxr_create(rate_in, rate_out, 1, &fault, &io, &quality, &runtime);
        if (!r->soxr) {
            syn_free(r);
            return syn_fail(err, SYN_NO_MEMORY, "resampler: %s", soxr_strerror(fault));
        }
    }
    *out = r;
    return SYN_OK;
}

void syn_resampler_free(struct syn_resampler *r)
{
    if (!r) return;
    if (r->soxr) soxr_delete(r->soxr);
    syn_free(r);
}

syn_status syn_resampler_push(struct syn_resampler *r, const float *in, size_t n, size_t *used,
                              float *out, size_t room, size_t *made, struct syn_err *err)
{
    soxr_error_t fault;
    if (!r->soxr) {
        *used = *made = n < room ? n : room;
        if (*made) memcpy(out, in, *made * sizeof *out);
        return SYN_OK;
    }
    fault = soxr_process(r->soxr, in, n, used, out, room, made);
    return fault ? syn_fail(err, SYN_NO_MEMORY, "resampler: %s", fault) : SYN_OK;
}

int64_t syn_resampled_length(int64_t n, int32_t rate_in, int32_t rate_out)
{
    const __int128 v = ((__int128)n * rate_out + rate_in - 1) / rate_in;
    return v > (__int128)1 << 62 ? -1 : (int64_t)v;
}
