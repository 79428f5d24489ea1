/* args.h - a command's options as a table: parsing, bad usage in one line, help.
 *
 * Layer:   server/cli.   Threads: main thread only.
 * Views:   texts point into argv. */
#ifndef SYN_ARGS_H
#define SYN_ARGS_H

#include "kernels/base/status.h"
#include <stdbool.h>
#include <stdint.h>

enum { SYN_EXIT_OK = 0, SYN_EXIT_FAILED = 1, SYN_EXIT_USAGE = 2, SYN_EXIT_UNREACHABLE = 3 };

#define SYN_ARGS_MAX_LIST 64

struct syn_arg_list {
    const char *item[SYN_ARGS_MAX_LIST];
    int32_t n;
};

enum syn_arg_type {
    SYN_ARG_FLAG, /* bool *: becomes true; --name=false makes it false */
    SYN_ARG_TEXT, /* const char ** */
    SYN_ARG_INT,  /* int64_t *, in [min, max] */
    SYN_ARG_LIST, /* struct syn_arg_list *: may be given several times */
};

struct syn_arg {
    const char *name; /* "models", given as --models X or --models=X; NULL ends a table */
    enum syn_arg_type type;
    void *value;
    const char *word; /* what stands for the value in help: "DIR"; NULL for flags */
    const char *what; /* one line of help */
    int64_t min, max; /* INT only */
};

struct syn_usage {
    const char *synopsis; /* "synthd run KIND --model ID ..." */
    const char *text;     /* what the command does */
    const char *examples;
};

/* Parses argv[1..]. rest gets what is no option ("-" and everything after "--" too); rest NULL:
 * such words are bad usage. Returns -1 when the command goes on; else the exit code: help was
 * printed to stdout (0), or one line to stderr that names the option (2). */
int syn_args_parse(const struct syn_usage *usage, const struct syn_arg *table, int argc,
                   char **argv, struct syn_arg_list *rest);

/* One line "synthd: ..." on stderr; returns code. */
int syn_complain(int code, const char *format, ...) SYN_PRINTF(2, 3);

/* Decimal, whole text, in [min, max]. */
bool syn_parse_int(const char *text, int64_t min, int64_t max, int64_t *out);

#endif
