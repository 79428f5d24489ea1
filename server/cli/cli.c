/* cli.c - see cli.h: the table of commands. */
#include "server/cli/cli.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    syn_command_fn *run;
    const char *what;
} commands[] = {
    {"serve", syn_command_serve, "run the daemon"},
    {"run", syn_command_run, "one job here and now, without a daemon"},
    {"submit", syn_command_submit, "one job on a running daemon"},
    {"models", syn_command_models, "list, fetch, add or check models"},
    {"bench", syn_command_bench, "measure a model on this machine"},
    {"selftest", syn_command_selftest, "check the device against the references"},
    {"keys", syn_command_keys, "create, list or revoke API keys"},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void print_usage(FILE *to)
{
    fprintf(to, "Usage: synthd COMMAND [options]\n\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
    fprintf(to,
            "\nsynthd COMMAND --help tells more. synthd --version prints the version.\n"
            "Exit codes: 0 fine, 1 the job failed, 2 bad usage, 3 cannot reach or start.\n"
            "\nExamples:\n"
            "  synthd models fetch realesrgan-x4plus\n"
            "  synthd run upscale --model realesrgan-x4plus --in image=photo.jpg --out large.png\n"
            "  synthd serve --listen 127.0.0.1:7801\n");
}

int syn_cli_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2) {
        print_usage(stderr);
        return SYN_EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("synthd %s (%s)\n", SYN_VERSION, SYN_REVISION);
        return SYN_EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return SYN_EXIT_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    return syn_complain(SYN_EXIT_USAGE, "unknown command \"%.60s\" (synthd --help lists them)",
                        name);
}
