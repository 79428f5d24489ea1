/* main.c - argv in, exit code out; everything else is in server/cli.
 *
 * Layer:   server, the top. */
#include "server/cli/cli.h"

int main(int argc, char **argv)
{
    return syn_cli_main(argc, argv);
}
