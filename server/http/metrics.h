/* metrics.h - counters and histograms, printed in the Prometheus text format.
 *
 * Labels are closed sets (routes of the table, configured models, kinds); never a prompt, a job id,
 * an address or a key.
 *
 * Layer:   server/http.   Threads: any. */
#ifndef SYN_METRICS_H
#define SYN_METRICS_H

#include "kernels/base/status.h"
#include "server/jobs/store.h"
#include <stdio.h>

struct syn_metrics;

struct syn_metrics *syn_metrics_new(int n_routes); /* NULL without memory */
void syn_metrics_free(struct syn_metrics *m);      /* NULL-safe */

/* route: index in the router's table, -1 = none. */
void syn_metrics_request(struct syn_metrics *m, int route, bool head, unsigned status,
                         double seconds, uint64_t bytes_in, uint64_t bytes_out);
void syn_metrics_submitted(struct syn_metrics *m, const char *kind, const char *model,
                           const char *family);
void syn_metrics_rejected(struct syn_metrics *m, const char *reason); /* static word */
void syn_metrics_unit(struct syn_metrics *m, const char *kind, const char *model, double seconds);
void syn_metrics_done(struct syn_metrics *m, const struct syn_job *job);

/* Running means (the newest eighth weighs as much as all before) that estimates are made of;
 * negative while nothing was measured. model NULL: over all models. */
double syn_metrics_unit_mean(struct syn_metrics *m, const char *model);
double syn_metrics_job_mean(struct syn_metrics *m, const char *model);

/* Everything above. name_route gives method and path of a route. */
void syn_metrics_print(struct syn_metrics *m, FILE *f,
                       void (*name_route)(int route, const char **method, const char **path));
/* "# HELP" and "# TYPE" of one family. */
void syn_metrics_head(FILE *f, const char *name, const char *type, const char *help);

#endif
