/* params.h - a job's JSON members ("params", "output") as the flat list that
 * server/pipelines/kinds.h validates.
 *
 * The store keeps these members as text, written by whoever accepted the job. This is the one place
 * below server/http where JSON is read, so that a job read back after a restart and one made by the
 * command line pass the same validator as a fresh request.
 *
 * Layer:   server/jobs.   Threads: pure functions; a list belongs to one thread at a time. */
#ifndef SYN_PARAMS_H
#define SYN_PARAMS_H

#include "server/pipelines/kinds.h"

struct syn_param_list {
    struct syn_param *item; /* names and strings point into json */
    int32_t n;
    void *json; /* owned */
};

/* text: a JSON object; NULL counts as {}. SYN_INVALID: not one, or over 256 members. */
SYN_MUST_CHECK syn_status syn_params_read(const char *text, struct syn_param_list *out,
                                          struct syn_err *err);
/* The same from "name=value" words: a value that reads as a JSON number, true or false is one;
 * anything else is a string. *text: the object (caller: syn_free). SYN_INVALID names the word. */
SYN_MUST_CHECK syn_status syn_params_from_words(const char *const *word, int32_t n, char **text,
                                                struct syn_err *err);
/* One JSON value (jansson's) as a parameter; name and texts are borrowed from the caller and v. */
struct json_t;
void syn_param_of_json(const char *name, const struct json_t *v, struct syn_param *out);
void syn_params_deinit(struct syn_param_list *l); /* safe on a zeroed one */

/* Back to JSON (caller: json_decref); NULL without memory. */
struct json_t *syn_params_object(const struct syn_param *p, int32_t n);
/* The set that takes effect: of each row of the table what was given for it (given[row]; without a
 * name: nothing was), else the row's default, but for those in unset (bit i: row i). Numbers are
 * written as the row's type says, so that 1 and 1.0 are one value. */
struct json_t *syn_params_effective(const struct syn_param_spec *spec, int32_t n_spec,
                                    const struct syn_param *given, uint32_t unset);

/* "scale = 99: must be in [0.0625, 16]; noise = ...": all errors in one text. */
void syn_params_explain(const struct syn_field_errors *errs, struct syn_err *err);

#endif
