/* program.h - a graph bound to a backend: kernels in order over one planned workspace.
 *
 * Layer:   kernels/backend.
 * Threads: a program runs for one thread at a time.
 * Ownership: a program owns the graph it was made from. */
#ifndef SYN_PROGRAM_H
#define SYN_PROGRAM_H

#include "kernels/backend/backend.h"
#include <stdatomic.h>

struct syn_program_step {
    struct syn_kernel kernel;
    int32_t node;      /* -1: load or store */
    bool is_load;
    int32_t value;     /* what it writes (or, for a store, reads) */
    double seconds;    /* of the last profiled run */
};

struct syn_program {
    const struct syn_backend *backend;
    void *self;                 /* the backend's */
    struct syn_graph *g;        /* owned */
    struct syn_place *place;    /* by value */
    size_t *offset;             /* by value: its root's offset in the workspace */
    struct syn_program_step *step;
    int32_t n_steps;
    size_t peak_bytes;          /* workspace: values, then scratch */
    size_t scratch_at;
    uint64_t weight_bytes;
    void *recorded;             /* the backend's: see its run */
};

/* Only the workspace's peak, nothing packed or kept. Scratch counts but for that of convolutions
 * and dense layers, which could not be asked for without packing their weights. */
SYN_MUST_CHECK syn_status syn_program_estimate(const struct syn_backend *b, void *self,
                                               const struct syn_placement *p, bool share_memory,
                                               size_t *peak, struct syn_err *err);

/* Takes the graph on success. */
SYN_MUST_CHECK syn_status syn_program_new(const struct syn_backend *b, void *self,
                                          const struct syn_placement *p, struct syn_graph *g,
                                          bool share_memory, struct syn_program **out,
                                          struct syn_err *err);
void syn_program_free(struct syn_program *p); /* NULL-safe */

/* workspace: peak_bytes bytes aligned to SYN_ALIGN. SYN_CANCELED between two steps. */
SYN_MUST_CHECK syn_status syn_program_run(struct syn_program *p, void *workspace,
                                          const void *const *in, void *const *out,
                                          const atomic_bool *cancel, bool profile,
                                          struct syn_err *err);

/* Steps [from, to) one after the other in this thread: all of syn_program_run for a backend in host
 * memory, what others make their own run of. */
SYN_MUST_CHECK syn_status syn_program_steps(struct syn_program *p, const struct syn_run *r,
                                            int32_t from, int32_t to, const atomic_bool *cancel,
                                            bool profile, struct syn_err *err);

#endif
