/* selftest.c - `synthd selftest`: the device against the scalar references.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/local.h"
#include <jansson.h>
#include <stdio.h>

static const struct syn_usage usage = {"synthd selftest [--device D] [--json]",
                                       "Runs small convolutions, resizes and joins in each "
                                       "precision and compares them with the references.\n"
                                       "Exit code 1 names what differs.",
                                       "  synthd selftest\n  synthd selftest --device cpu --json"};

static void print_report(const struct syn_engine_info *info, double seconds, bool json)
{
    json_t *root;
    char *text;
    if (!json) {
        printf("%s: fine (%s, %d threads, %.1f s)\n", info->device,
               syn_precision_word(info->precision), info->threads, seconds);
        return;
    }
    root = json_pack("{s:b, s:s, s:s, s:s, s:i, s:f, s:f, s:f}", "ok", 1, "device", info->device,
                     "backend", info->backend, "precision", syn_precision_word(info->precision),
                     "threads", info->threads, "f32_gflops", info->f32_gflops, "bf16_gflops",
                     info->bf16_gflops, "seconds", seconds);
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(root);
}

int syn_command_selftest(int argc, char **argv)
{
    struct syn_local_opts o = SYN_LOCAL_DEFAULTS;
    struct syn_local l = {0};
    struct syn_engine_info info;
    struct syn_err err = {{0}};
    bool json = false;
    const struct syn_arg table[] = {
        {"json", SYN_ARG_FLAG, &json, NULL, "as JSON", 0, 0}, SYN_LOCAL_ARGS(&o), {0}};
    int code = syn_args_parse(&usage, table, argc, argv, NULL);
    double began = syn_seconds_now();
    if (code < 0) code = syn_local_open(&l, &o, true);
    if (code < 0) {
        syn_status st = syn_engine_selftest(l.engine, &err);
        syn_engine_info(l.engine, &info);
        if (st == SYN_OK) print_report(&info, syn_seconds_now() - began, json);
        code = st == SYN_OK ? SYN_EXIT_OK
                            : syn_complain(SYN_EXIT_FAILED, "%s: %s: %s", info.device,
                                           syn_status_word(st), err.text);
    }
    syn_local_close(&l);
    return code;
}
