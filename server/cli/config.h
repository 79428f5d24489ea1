/* config.h - the daemon's settings: defaults, then the file of --config, then the command line.
 *
 * One table (config.c) names each setting once; the JSON member max_queued is the option
 * --max-queued.
 *
 * Layer:   server/cli: one of the two folders where JSON is parsed.   Threads: main thread. */
#ifndef SYN_CONFIG_H
#define SYN_CONFIG_H

#include "server/cli/args.h"

struct syn_config {
    const char *config; /* --config: the file; not a member of it */
    bool print_config;  /* --print-config: what would be used, as JSON */
    /* where */
    const char *listen, *data, *keys_file;
    struct syn_arg_list models, link_roots, origins, hosts;
    bool allow_open, allow_fallback;
    /* device */
    const char *device, *precision;
    int64_t threads, memory_budget_bytes, model_budget_bytes;
    /* limits */
    int64_t max_body_bytes, max_blob_bytes, max_inflight_bytes, max_pixels, max_side,
        max_output_pixels, max_output_side, max_sound_seconds, max_connections,
        idle_timeout_seconds;
    /* queue */
    int64_t max_queued, max_attempts, result_retention_seconds, row_retention_seconds,
        sweep_seconds, idle_trim_seconds, shutdown_seconds;
    const char *queue; /* at start: "keep", "run", "pause" */
    const char *log_level;
    void *json; /* the file's text lives here */
};

/* Reads all three. -1: go on; else the exit code, after help or one line on stderr that names the
 * member or option, its value and its bound. */
int syn_config_read(struct syn_config *c, int argc, char **argv);
void syn_config_print(const struct syn_config *c); /* JSON to stdout, every member */
void syn_config_deinit(struct syn_config *c);

#endif
