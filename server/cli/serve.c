/* serve.c - `synthd serve`: starts the parts in order, watches over them, stops them in reverse.
 *
 *   data folder, store -> engine -> models -> worker (holding) -> listener -> "listening"
 *     -> self-test -> worker goes -> watch (signals, retention, trouble)
 *     -> drain -> worker stops -> listener stops -> models -> engine -> store
 *
 * SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 are blocked in every thread and waited for in this
 * one; once draining has begun, another one ends the process on the spot: what was accepted is on
 * disk.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "server/cli/bar.h"
#include "server/cli/cli.h"
#include "server/cli/config.h"
#include "server/cli/local.h"
#include "server/cli/logfmt.h"
#include "server/cli/memory.h"
#include "server/cli/paths.h"
#include "server/http/http.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIN_BUDGET_BYTES (16 << 20)
#define MAX_INFLIGHT_BYTES ((uint64_t)1 << 30) /* of an automatic limit */

struct daemon {
    struct syn_config config;
    char *data, *default_models, *default_keys, *tuning;
    struct syn_store *store;
    struct syn_engine *engine;
    struct syn_models *models;
    struct syn_worker *worker;
    struct syn_http *http; /* set before the worker goes: its callbacks use it */
    uint64_t memory_budget_bytes; /* set, or automatic */
    sigset_t signals;
};

static syn_status open_paths(struct daemon *d, struct syn_err *err)
{
    struct syn_config *c = &d->config;
    syn_status st;
    if (strcmp(c->queue, "keep") != 0 && strcmp(c->queue, "run") != 0 &&
        strcmp(c->queue, "pause") != 0)
        return syn_fail(err, SYN_INVALID, "queue = \"%s\": must be keep, run or pause", c->queue);
    if (c->memory_budget_bytes > 0 && c->memory_budget_bytes < MIN_BUDGET_BYTES)
        return syn_fail(err, SYN_INVALID,
                        "memory_budget_bytes = %lld: must be 0 (automatic) or at least %d",
                        (long long)c->memory_budget_bytes, MIN_BUDGET_BYTES);
    d->memory_budget_bytes = syn_memory_budget(c->memory_budget_bytes);
    st = syn_path_data(c->data, &d->data, err);
    if (st == SYN_OK) st = syn_path_make(d->data, 0700, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "data: ");
    d->default_models = syn_path_join(d->data, "models");
    d->default_keys = syn_path_join(d->data, "keys");
    d->tuning = syn_path_join(d->data, "tuning");
    if (!d->default_models || !d->default_keys || !d->tuning)
        return syn_fail(err, SYN_NO_MEMORY, "no memory for a path");
    if (!c->models.n) c->models.item[c->models.n++] = d->default_models;
    if (!c->keys_file[0])
        c->keys_file = access(d->default_keys, F_OK) == 0 ? d->default_keys : NULL;
    return SYN_OK;
}

static syn_status open_store(struct daemon *d, struct syn_err *err)
{
    const struct syn_config *c = &d->config;
    struct syn_store_opts opts = {.data_dir = d->data,
                                  .max_queued = (int32_t)c->max_queued,
                                  .max_attempts = (int32_t)c->max_attempts,
                                  .result_retention_ms = c->result_retention_seconds * 1000,
                                  .row_retention_ms = c->row_retention_seconds * 1000};
    syn_status st = syn_store_open(&opts, &d->store, err);
    if (st == SYN_OK && strcmp(c->queue, "keep") != 0)
        st = syn_store_pause(d->store, strcmp(c->queue, "pause") == 0, err);
    return st == SYN_OK ? st : syn_fail_in(err, st, "data = %s: ", d->data);
}

static syn_status open_engine(struct daemon *d, struct syn_err *err)
{
    const struct syn_config *c = &d->config;
    struct syn_engine_opts opts = {
        .device = c->device, .threads = (int32_t)c->threads, .tuning_file = d->tuning,
        .allow_fallback = c->allow_fallback,
        .cuda_plugin = getenv(SYN_CUDA_PLUGIN_ENV)};
    struct syn_engine_info info;
    syn_status st = SYN_OK;
    if (!syn_local_precision(c->precision, &opts.precision))
        return syn_fail(err, SYN_INVALID, "precision = \"%s\": must be auto, f32, bf16 or f16",
                        c->precision);
    st = syn_engine_open(&opts, &d->engine, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "device = \"%s\": ", c->device);
    syn_engine_info(d->engine, &info);
    if (info.note[0]) syn_log(SYN_LOG_WARN, "%s", info.note);
    syn_log(SYN_LOG_INFO,
            "device ready device=\"%s\" precision=%s threads=%d f32_gflops=%.0f bf16_gflops=%.0f",
            info.device, syn_precision_word(info.precision), info.threads, info.f32_gflops,
            info.bf16_gflops);
    return SYN_OK;
}

/* A list of the command line as the NULL-terminated array that others take. */
static const char *const *array_of(struct syn_arg_list *list, const char **array)
{
    memcpy(array, list->item, (size_t)list->n * sizeof *array);
    array[list->n] = NULL;
    return list->n ? array : NULL;
}

static syn_status open_models(struct daemon *d, struct syn_err *err)
{
    const char *dirs[SYN_ARGS_MAX_LIST + 1], *roots[SYN_ARGS_MAX_LIST + 1];
    struct syn_models_opts opts = {.dirs = array_of(&d->config.models, dirs),
                                   .link_roots = array_of(&d->config.link_roots, roots),
                                   .engine = d->engine,
                                   .budget_bytes = (uint64_t)d->config.model_budget_bytes};
    return syn_models_open(&opts, &d->models, err);
}

static void on_unit(void *user, const char *kind, const char *model, double seconds)
{
    struct daemon *d = user;
    syn_http_count_unit(d->http, kind, model, seconds);
}

static void on_done(void *user, const struct syn_job *job)
{
    struct daemon *d = user;
    syn_http_count_done(d->http, job);
}

static syn_status start_worker(struct daemon *d, struct syn_err *err)
{
    const struct syn_config *c = &d->config;
    struct syn_worker_opts opts = {.store = d->store,
                                   .models = d->models,
                                   .engine = d->engine,
                                   .idle_trim_ms = (int32_t)c->idle_trim_seconds * 1000,
                                   .on_unit = on_unit,
                                   .on_done = on_done,
                                   .user = d};
    opts.limits.max_input_bytes =
        (uint64_t)(c->max_blob_bytes > c->max_body_bytes ? c->max_blob_bytes : c->max_body_bytes);
    opts.limits.max_pixels = (uint64_t)c->max_pixels;
    opts.limits.max_side = (int32_t)c->max_side;
    opts.limits.max_output_pixels = (uint64_t)c->max_output_pixels;
    opts.limits.max_output_side = (int32_t)c->max_output_side;
    opts.limits.max_sound_seconds = (double)c->max_sound_seconds;
    opts.limits.memory_budget_bytes = d->memory_budget_bytes;
    return syn_worker_start(&opts, &d->worker, err);
}

static syn_status start_http(struct daemon *d, struct syn_err *err)
{
    struct syn_config *c = &d->config;
    const char *origins[SYN_ARGS_MAX_LIST + 1], *hosts[SYN_ARGS_MAX_LIST + 1];
    struct syn_http_opts opts = {.listen = c->listen,
                                 .allow_open = c->allow_open,
                                 .keys_file = c->keys_file,
                                 .origins = array_of(&c->origins, origins),
                                 .hosts = array_of(&c->hosts, hosts),
                                 .store = d->store,
                                 .models = d->models,
                                 .engine = d->engine,
                                 .worker = d->worker};
    opts.max_body_bytes = (uint64_t)c->max_body_bytes;
    opts.max_blob_bytes = (uint64_t)c->max_blob_bytes;
    opts.max_pixels = (uint64_t)c->max_pixels;
    opts.max_side = (int32_t)c->max_side;
    opts.max_decoded_bytes = d->memory_budget_bytes;
    opts.max_output_pixels = (uint64_t)c->max_output_pixels;
    opts.max_output_side = (int32_t)c->max_output_side;
    opts.max_sound_seconds = (int32_t)c->max_sound_seconds;
    opts.max_inflight_bytes = (uint64_t)c->max_inflight_bytes;
    if (!opts.max_inflight_bytes)
        opts.max_inflight_bytes = d->memory_budget_bytes < MAX_INFLIGHT_BYTES
                                      ? d->memory_budget_bytes
                                      : MAX_INFLIGHT_BYTES;
    opts.max_connections = (int32_t)c->max_connections;
    opts.idle_timeout_s = (int32_t)c->idle_timeout_seconds;
    return syn_http_start(&opts, &d->http, err);
}

static syn_status start(struct daemon *d, struct syn_err *err)
{
    syn_status st = open_paths(d, err);
    if (st == SYN_OK) st = open_store(d, err);
    if (st == SYN_OK) st = open_engine(d, err);
    if (st == SYN_OK) st = open_models(d, err);
    if (st == SYN_OK) st = start_worker(d, err);
    if (st == SYN_OK) st = start_http(d, err);
    return st;
}

/* Everything that start opened, in reverse; any part may be missing. */
static void stop(struct daemon *d)
{
    if (d->http) syn_http_drain(d->http);
    if (d->worker) syn_worker_stop(d->worker, (int32_t)d->config.shutdown_seconds * 1000);
    if (d->store) syn_store_stop_waiters(d->store);
    syn_http_stop(d->http);
    syn_worker_free(d->worker);
    syn_models_close(d->models);
    syn_engine_close(d->engine);
    syn_store_close(d->store);
    syn_free(d->data);
    syn_free(d->default_models);
    syn_free(d->default_keys);
    syn_free(d->tuning);
}

static int64_t unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sweep(struct daemon *d)
{
    struct syn_err err;
    if (syn_store_sweep(d->store, unix_ms(), &err) != SYN_OK)
        syn_log(SYN_LOG_ERROR, "retention failed why=\"%s\"", err.text);
}

static void pause_queue(struct daemon *d, bool paused)
{
    struct syn_err err;
    if (syn_store_pause(d->store, paused, &err) != SYN_OK)
        syn_log(SYN_LOG_ERROR, "queue cannot be %s why=\"%s\"", paused ? "paused" : "resumed",
                err.text);
    else syn_log(SYN_LOG_INFO, "queue %s", paused ? "paused" : "resumed");
}

/* Until a signal or a lost device. Returns the exit code. */
static int watch(struct daemon *d)
{
    double swept = syn_seconds_now();
    for (;;) {
        const struct timespec second = {1, 0};
        int sig = sigtimedwait(&d->signals, NULL, &second);
        if (sig == SIGUSR1 || sig == SIGUSR2) {
            pause_queue(d, sig == SIGUSR1);
        } else if (sig > 0) {
            syn_log(SYN_LOG_INFO, "stopping signal=%s",
                    sig == SIGTERM  ? "TERM"
                    : sig == SIGINT ? "INT"
                                    : "HUP");
            return SYN_EXIT_OK;
        }
        if (strcmp(syn_worker_trouble(d->worker), "device_lost") == 0) {
            syn_log(SYN_LOG_ERROR, "stopping why=device_lost");
            return SYN_EXIT_FAILED;
        }
        if (syn_seconds_now() - swept >= (double)d->config.sweep_seconds) {
            sweep(d);
            swept = syn_seconds_now();
        }
    }
}

static void exit_at_once(int sig)
{
    (void)sig;
    _exit(SYN_EXIT_FAILED);
}

/* From now on the next signal does not wait for anything. */
static void arm_second_signal(const struct daemon *d)
{
    struct sigaction now = {.sa_handler = exit_at_once};
    sigaction(SIGTERM, &now, NULL);
    sigaction(SIGINT, &now, NULL);
    sigaction(SIGHUP, &now, NULL);
    signal(SIGUSR1, SIG_IGN); /* too late for them */
    signal(SIGUSR2, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &d->signals, NULL);
}

static void check_device(struct daemon *d)
{
    struct syn_err err;
    double began = syn_seconds_now();
    if (syn_engine_selftest(d->engine, &err) != SYN_OK) {
        syn_worker_hold(d->worker, "selftest_failed");
        syn_log(SYN_LOG_ERROR, "selftest failed why=\"%s\"", err.text);
        return;
    }
    syn_log(SYN_LOG_INFO, "ready selftest_seconds=%.3f models=%d paused=%s",
            syn_seconds_now() - began, syn_models_count(d->models),
            syn_store_paused(d->store) ? "true" : "false");
    syn_worker_go(d->worker);
}

int syn_command_serve(int argc, char **argv)
{
    struct daemon d = {0};
    struct syn_err err = {{0}};
    syn_log_level level;
    syn_status st;
    char line[200];
    int code = syn_config_read(&d.config, argc, argv);
    if (code < 0 && !syn_logfmt_level(d.config.log_level, &level))
        code = syn_complain(SYN_EXIT_USAGE,
                            "log_level = \"%s\": must be error, warn, info or debug",
                            d.config.log_level);
    if (code < 0 && d.config.print_config) {
        syn_config_print(&d.config);
        code = SYN_EXIT_OK;
    }
    if (code >= 0) {
        syn_config_deinit(&d.config);
        return code;
    }
    sigemptyset(&d.signals);
    sigaddset(&d.signals, SIGTERM);
    sigaddset(&d.signals, SIGINT);
    sigaddset(&d.signals, SIGHUP);
    sigaddset(&d.signals, SIGUSR1);
    sigaddset(&d.signals, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &d.signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    syn_logfmt_open(level, true);
    st = start(&d, &err);
    if (st == SYN_OK) {
        snprintf(line, sizeof line, "listening url=%s", syn_http_url(d.http));
        syn_logfmt_release(line);
        check_device(&d);
        code = watch(&d);
        arm_second_signal(&d);
        stop(&d);
        syn_log(SYN_LOG_INFO, "stopped");
    } else {
        syn_logfmt_drop();
        code = syn_complain(st == SYN_INVALID || st == SYN_UNSUPPORTED ? SYN_EXIT_USAGE
                                                                       : SYN_EXIT_UNREACHABLE,
                            "%s", err.text);
        stop(&d);
    }
    syn_config_deinit(&d.config);
    return code;
}
