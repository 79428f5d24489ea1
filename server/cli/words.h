/* words.h - how `run` and `submit` say what job they want: KIND --model --in --set --output --out.
 *
 * Layer:   server/cli.   Threads: main thread. */
#ifndef SYN_WORDS_H
#define SYN_WORDS_H

#include "server/cli/args.h"
#include <stddef.h>

#define SYN_WORDS_MAX_INPUT ((size_t)1 << 30) /* bytes of an input file */

#define SYN_WORDS_MAX_IN 17

struct syn_words_in {
    char name[128];
    const char *file; /* "-": standard input */
};

/* Zeroed before use. */
struct syn_words {
    const char *kind, *model, *out;
    struct syn_arg_list in, set, output_set;
    bool json;
    /* made by syn_words_read */
    /* In the kind's order (a missing one has no file); as given where the model names them. */
    struct syn_words_in input[SYN_WORDS_MAX_IN];
    int32_t n_input;
    char *params, *output; /* JSON objects; owned */
};

/* Rows for a command's option table, pointing into w. */
/* clang-format off */
#define SYN_WORDS_ARGS(w)                                                                          \
    {"model", SYN_ARG_TEXT, &(w)->model, "ID", "which model (synthd models list)", 0, 0},          \
    {"in", SYN_ARG_LIST, &(w)->in, "NAME=FILE", "an input: image=photo.jpg (repeat)", 0, 0},\
    {"set", SYN_ARG_LIST, &(w)->set, "NAME=VALUE", "a parameter: scale=4 (repeat)", 0, 0},         \
    {"out", SYN_ARG_TEXT, &(w)->out, "FILE", "where the result goes; kind tensor: a folder", 0, 0},                       \
    {"output", SYN_ARG_LIST, &(w)->output_set, "NAME=VALUE", "of the file: format=webp (repeat)",  \
     0, 0},                                                                                        \
    {"json", SYN_ARG_FLAG, &(w)->json, NULL, "report as one JSON line on stdout", 0, 0}
/* clang-format on */

/* Parses and checks the shape of the words; names and values are the validator's business. -1, or
 * the exit code after help or one line on stderr. */
int syn_words_read(struct syn_words *w, const struct syn_usage *usage, const struct syn_arg *table,
                   int argc, char **argv);
void syn_words_deinit(struct syn_words *w);

#endif
