/* rewrite.h - what rewrite passes share: who makes a value, how often it is read, constants as
 * numbers, a node put in another's place.
 *
 * Layer:   kernels/graph.   Threads: as the graph. */
#ifndef SYN_REWRITE_H
#define SYN_REWRITE_H

#include "kernels/graph/graph.h"

struct syn_rewrite {
    struct syn_graph *g;
    int32_t *uses; /* by value; counted by open and recount, kept by put and kill */
    int32_t cap;
};

SYN_MUST_CHECK syn_status syn_rewrite_open(struct syn_rewrite *r, struct syn_graph *g,
                                           struct syn_err *err);
void syn_rewrite_close(struct syn_rewrite *r); /* sweeps dead nodes */

/* The live node that makes the value and is of this kind; NULL. */
struct syn_node *syn_rewrite_maker(const struct syn_rewrite *r, int32_t value, syn_op_id id);
/* The same, and nobody but the asker reads it. */
struct syn_node *syn_rewrite_only(const struct syn_rewrite *r, int32_t value, syn_op_id id);
/* The only live node that reads the value, when one node does, once, and it is no output; NULL. */
struct syn_node *syn_rewrite_reader(const struct syn_rewrite *r, int32_t value);

/* A constant of one element. */
bool syn_rewrite_number(const struct syn_graph *g, int32_t value, double *out);
bool syn_rewrite_is(const struct syn_graph *g, int32_t value, double wanted);
/* A constant of integers, rank 0 or 1: at most `most` of them; -1 when it is none. */
int32_t syn_rewrite_ints(const struct syn_graph *g, int32_t value, int64_t *list, int32_t most);
/* Integers from operand k or, when that is not there, from the attribute; -1: neither, or not
 * constant. */
int32_t syn_rewrite_list(const struct syn_graph *g, const struct syn_node *n, int32_t k,
                         const char *attr, int64_t *list, int32_t most);

/* Puts a node of this spec where node `at` stood: it makes at's first output value (others become
 * nobody's). Operands must come before. */
SYN_MUST_CHECK syn_status syn_rewrite_put(struct syn_rewrite *r, struct syn_node *at,
                                          const struct syn_node_spec *spec, struct syn_err *err);
/* Readers of the node's first output read `value` instead; the node dies. */
void syn_rewrite_bypass(struct syn_rewrite *r, struct syn_node *n, int32_t value);

#endif
