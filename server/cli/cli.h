/* cli.h - the commands of synthd.
 *
 * Layer:   server/cli: sees all of server/.
 * Threads: commands run on the main thread.
 * New command: one row in cli.c's table, one file. */
#ifndef SYN_CLI_H
#define SYN_CLI_H

#include "server/cli/args.h"

/* argv as main got it; returns the process's exit code. */
int syn_cli_main(int argc, char **argv);

/* argv[0] is the command's name. Each answers --help. */
typedef int syn_command_fn(int argc, char **argv);
syn_command_fn syn_command_serve, syn_command_run, syn_command_submit, syn_command_models,
    syn_command_bench, syn_command_selftest, syn_command_keys;

#endif
