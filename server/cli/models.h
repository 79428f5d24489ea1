/* models.h - what the commands about models share.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_CLI_MODELS_H
#define SYN_CLI_MODELS_H

#include "server/cli/local.h"

int syn_models_check(int argc, char **argv); /* `synthd models check` */
int syn_models_run(int argc, char **argv);   /* `synthd models run` */

/* A plan of one network at a size, with buffers to run it on: what check and bench need. */
struct syn_trial {
    struct syn_models *models; /* borrowed */
    struct syn_loaded *loaded;
    struct syn_plan *plan;
    struct syn_tensor in, out; /* data owned */
};
/* Input [1, channels, height, width] with made-up samples in [0, 1). Sizes are rounded up to the
 * network's alignment. Close in any case. */
SYN_MUST_CHECK syn_status syn_trial_open(struct syn_trial *t, struct syn_models *models,
                                         const struct syn_manifest *m, const struct syn_variant *v,
                                         int32_t width, int32_t height, syn_precision precision,
                                         struct syn_err *err);
SYN_MUST_CHECK syn_status syn_trial_run(struct syn_trial *t, bool profile, double *seconds,
                                        struct syn_err *err);
void syn_trial_close(struct syn_trial *t); /* safe on a zeroed one */

/* Sample i of what networks are tried on: smooth and rough parts in [0, 1), the same on every run.
 * *state starts as SYN_TRIAL_SEED. */
#define SYN_TRIAL_SEED 12345u
float syn_trial_sample(int64_t i, uint32_t *state);

/* "WIDTHxHEIGHT", each in [1, 65535]. */
bool syn_parse_size(const char *text, int32_t *width, int32_t *height);

#endif
