/* models_check.h - what models_check.c and check_general.c share.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_CLI_MODELS_CHECK_H
#define SYN_CLI_MODELS_CHECK_H

#include "server/cli/models.h"
#include <jansson.h>

struct syn_check {
    struct syn_local_opts local_opts;
    const char *size;
    int32_t width, height;
    struct syn_arg_list shape;             /* NAME=AxBxC */
    bool shape_used[SYN_ARGS_MAX_LIST];    /* by some network */
    bool steps, json;
    json_t *rows; /* one object a network */
};

json_t *syn_check_step_json(const struct syn_step_info *step);
void syn_check_print_step(const struct syn_step_info *step);

/* A network of any inputs and outputs: what it is made of and, on made-up inputs, which version of
 * which operator runs each node, memory and time. That made-up inputs are none the network takes is
 * reported and no failure, unless shapes were given. */
SYN_MUST_CHECK syn_status syn_check_general(struct syn_check *c, struct syn_engine *e,
                                            struct syn_model *net, const char *file,
                                            syn_precision precision, struct syn_err *err);

#endif
