/* config.c - see config.h. */
#include "server/cli/config.h"
#include "kernels/base/alloc.h"
#include "server/cli/paths.h"
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_CONFIG_BYTES (1u << 20)

/* One setting. The option's name is the member's with '-' for '_'. */
struct setting {
    const char *name;
    enum syn_arg_type type;
    size_t offset; /* in struct syn_config */
    const char *word, *what;
    int64_t min, max;
};
#define AT(member) offsetof(struct syn_config, member)
#define KIB ((int64_t)1 << 10)
#define GIB ((int64_t)1 << 30)
#define TIB ((int64_t)1 << 40)
#define YEARS ((int64_t)100 * 366 * 86400)

static const struct setting settings[] = {
    {"listen", SYN_ARG_TEXT, AT(listen), "HOST:PORT", "address to serve; port 0 picks a free one",
     0, 0},
    {"data", SYN_ARG_TEXT, AT(data), "DIR", "queue, blobs, models; default ~/.local/share/synthd",
     0, 0},
    {"models", SYN_ARG_LIST, AT(models), "DIR",
     "folder of model folders (repeat); default DATA/models", 0, 0},
    {"link_roots", SYN_ARG_LIST, AT(link_roots), "DIR",
     "folder in which links of model files may end: a hub's cache (repeat)", 0, 0},
    {"keys_file", SYN_ARG_TEXT, AT(keys_file), "FILE",
     "API keys (synthd keys); default DATA/keys if there", 0, 0},
    {"allow_open", SYN_ARG_FLAG, AT(allow_open), NULL,
     "serve other addresses than loopback without keys", 0, 0},
    {"origins", SYN_ARG_LIST, AT(origins), "ORIGIN", "web origin that may call (repeat), exact", 0,
     0},
    {"hosts", SYN_ARG_LIST, AT(hosts), "NAME", "further Host name that is ours (repeat)", 0, 0},
    {"device", SYN_ARG_TEXT, AT(device), "D", "auto, cpu, cuda:N or ref (scalar reference, slow)", 0, 0},
    {"threads", SYN_ARG_INT, AT(threads), "N", "compute threads; 0 = what the machine allows", 0,
     1024},
    {"precision", SYN_ARG_TEXT, AT(precision), "P", "auto (measured), f32, bf16 or f16", 0, 0},
    {"allow_fallback", SYN_ARG_FLAG, AT(allow_fallback), NULL,
     "run models that the device has no kernels for on the CPU", 0, 0},
    {"memory_budget_bytes", SYN_ARG_INT, AT(memory_budget_bytes), "N",
     "workspace of a tile; a job's pictures too; 0 = a quarter of the memory", 0, 16 * TIB},
    {"model_budget_bytes", SYN_ARG_INT, AT(model_budget_bytes), "N",
     "weights of loaded models; 0 = no limit", 0, 16 * TIB},
    {"max_body_bytes", SYN_ARG_INT, AT(max_body_bytes), "N", "JSON or multipart request", KIB, TIB},
    {"max_blob_bytes", SYN_ARG_INT, AT(max_blob_bytes), "N", "upload to /v1/blobs", KIB, TIB},
    {"max_inflight_bytes", SYN_ARG_INT, AT(max_inflight_bytes), "N",
     "what uploads take, together; 0 = the memory budget, at most 1 GiB", 0, 16 * TIB},
    {"max_pixels", SYN_ARG_INT, AT(max_pixels), "N", "of an input picture", 1, TIB},
    {"max_side", SYN_ARG_INT, AT(max_side), "N", "width and height of an input picture", 1,
     1 << 20},
    {"max_output_pixels", SYN_ARG_INT, AT(max_output_pixels), "N", "of a result", 1, TIB},
    {"max_output_side", SYN_ARG_INT, AT(max_output_side), "N", "width and height of a result", 1,
     1 << 20},
    {"max_sound_seconds", SYN_ARG_INT, AT(max_sound_seconds), "N", "of an input sound", 1,
     7 * 86400},
    {"max_connections", SYN_ARG_INT, AT(max_connections), "N", "open at once", 1, 65536},
    {"idle_timeout_seconds", SYN_ARG_INT, AT(idle_timeout_seconds), "N",
     "a silent connection is closed", 1, 86400},
    {"max_queued", SYN_ARG_INT, AT(max_queued), "N", "waiting jobs; more are answered 429", 1,
     10000000},
    {"max_attempts", SYN_ARG_INT, AT(max_attempts), "N", "starts of a job that crashes the process",
     1, 100},
    {"result_retention_seconds", SYN_ARG_INT, AT(result_retention_seconds), "N",
     "results are kept; 0 = for ever", 0, YEARS},
    {"row_retention_seconds", SYN_ARG_INT, AT(row_retention_seconds), "N",
     "records are kept after that; 0 = for ever", 0, YEARS},
    {"sweep_seconds", SYN_ARG_INT, AT(sweep_seconds), "N", "between two looks at what has expired",
     1, 86400},
    {"idle_trim_seconds", SYN_ARG_INT, AT(idle_trim_seconds), "N",
     "idle time before memory is given back; 0 = never", 0, 86400},
    {"shutdown_seconds", SYN_ARG_INT, AT(shutdown_seconds), "N",
     "SIGTERM: time for the running job", 0, 86400},
    {"queue", SYN_ARG_TEXT, AT(queue), "Q", "at start: keep (as it was), run or pause", 0, 0},
    {"log_level", SYN_ARG_TEXT, AT(log_level), "L", "error, warn, info or debug", 0, 0},
};
#define N_SETTINGS (sizeof settings / sizeof settings[0])
#define N_EXTRA 2 /* --config, --print-config */

static const struct syn_usage usage = {
    "synthd serve [--config FILE] [--listen HOST:PORT] [--data DIR] [options]",
    "Runs the daemon. The first line on stderr is \"listening url=http://HOST:PORT\".\n"
    "SIGTERM finishes the running job (up to --shutdown-seconds) and exits 0; a second one exits\n"
    "at once. SIGUSR1 pauses the queue (jobs are accepted, none starts), SIGUSR2 resumes it; a\n"
    "pause outlives restarts.\n"
    "Each option is a member of the --config file too, with _ for -; options win.",
    "  synthd serve\n"
    "  synthd serve --listen 127.0.0.1:0 --data /tmp/try --device cpu\n"
    "  synthd serve --config /etc/synthd/synthd.json --log-level debug\n"
    "  synthd serve --print-config > synthd.json"};

static void set_defaults(struct syn_config *c)
{
    memset(c, 0, sizeof *c);
    c->listen = "127.0.0.1:7801";
    c->data = "";
    c->keys_file = "";
    c->device = "auto";
    c->precision = "auto";
    c->model_budget_bytes = 2 * GIB;
    c->max_body_bytes = 64 << 20;
    c->max_blob_bytes = 256 << 20;
    c->max_pixels = 50000000;
    c->max_side = 16384;
    c->max_output_pixels = 134217728;
    c->max_output_side = 65535;
    c->max_sound_seconds = 3600;
    c->max_connections = 512;
    c->idle_timeout_seconds = 30;
    c->max_queued = 1000;
    c->max_attempts = 3;
    c->result_retention_seconds = 7 * 86400;
    c->row_retention_seconds = 30 * 86400;
    c->sweep_seconds = 60;
    c->idle_trim_seconds = 60; /* giving a gigabyte back and faulting it in again costs a second */
    c->shutdown_seconds = 20;
    c->queue = "keep";
    c->log_level = "info";
}

static void *field(struct syn_config *c, const struct setting *s)
{
    return (char *)c + s->offset;
}

/* ---- the command line ---- */

static int read_options(struct syn_config *c, int argc, char **argv)
{
    struct syn_arg table[N_SETTINGS + N_EXTRA + 1] = {
        {"config", SYN_ARG_TEXT, &c->config, "FILE", "JSON file with any of the settings below", 0,
         0},
        {"print-config", SYN_ARG_FLAG, &c->print_config, NULL,
         "print the settings as JSON and exit", 0, 0}};
    char name[N_SETTINGS][40];
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        snprintf(name[i], sizeof name[i], "%s", s->name);
        for (char *p = name[i]; *p; p++)
            if (*p == '_') *p = '-';
        table[N_EXTRA + i] = (struct syn_arg){name[i], s->type, field(c, s), s->word,
                                              s->what, s->min,  s->max};
    }
    return syn_args_parse(&usage, table, argc, argv, NULL);
}

/* ---- the file ---- */

static const char *type_word(enum syn_arg_type t)
{
    return t == SYN_ARG_FLAG   ? "true or false"
           : t == SYN_ARG_TEXT ? "a string"
           : t == SYN_ARG_INT  ? "a whole number"
                               : "an array of strings";
}

static bool read_list(const json_t *v, struct syn_arg_list *out)
{
    out->n = 0;
    if (!json_is_array(v) || json_array_size(v) > SYN_ARGS_MAX_LIST) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *text = json_string_value(json_array_get(v, i));
        if (!text) return false;
        out->item[out->n++] = text;
    }
    return true;
}

static int read_member(struct syn_config *c, const char *path, const char *name, const json_t *v)
{
    const struct setting *s = settings, *end = settings + N_SETTINGS;
    bool ok = false;
    while (s < end && strcmp(s->name, name) != 0) s++;
    if (s == end) return syn_complain(SYN_EXIT_USAGE, "%s: %s: unknown member", path, name);
    if (s->type == SYN_ARG_FLAG && (ok = json_is_boolean(v)))
        *(bool *)field(c, s) = json_is_true(v);
    if (s->type == SYN_ARG_TEXT && (ok = json_is_string(v)))
        *(const char **)field(c, s) = json_string_value(v);
    if (s->type == SYN_ARG_LIST) ok = read_list(v, field(c, s));
    if (s->type == SYN_ARG_INT && (ok = json_is_integer(v))) {
        int64_t number = json_integer_value(v);
        if (number < s->min || number > s->max)
            return syn_complain(SYN_EXIT_USAGE,
                                "%s: %s = %" PRId64 ": must be in [%" PRId64 ", %" PRId64 "]", path,
                                name, number, s->min, s->max);
        *(int64_t *)field(c, s) = number;
    }
    return ok ? -1
              : syn_complain(SYN_EXIT_USAGE, "%s: %s: must be %s", path, name, type_word(s->type));
}

static int read_file(struct syn_config *c, const char *path)
{
    struct syn_err err;
    json_error_t why;
    json_t *root, *value;
    const char *name;
    char *text;
    size_t n;
    if (syn_file_read(path, MAX_CONFIG_BYTES, &text, &n, &err) != SYN_OK)
        return syn_complain(SYN_EXIT_USAGE, "--config: %s", err.text);
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    syn_free(text);
    if (!root) return syn_complain(SYN_EXIT_USAGE, "%s:%d: %s", path, why.line, why.text);
    c->json = root;
    if (!json_is_object(root))
        return syn_complain(SYN_EXIT_USAGE, "%s: must be a JSON object", path);
    json_object_foreach(root, name, value) {
        int code = read_member(c, path, name, value);
        if (code >= 0) return code;
    }
    return -1;
}

/* Options replace the file's lists instead of adding to them. */
static void drop_replaced_lists(struct syn_config *c, struct syn_config *given)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (settings[i].type == SYN_ARG_LIST &&
            ((struct syn_arg_list *)field(given, &settings[i]))->n)
            ((struct syn_arg_list *)field(c, &settings[i]))->n = 0;
}

int syn_config_read(struct syn_config *c, int argc, char **argv)
{
    struct syn_config given;
    int code;
    set_defaults(c);
    set_defaults(&given);
    code = read_options(&given, argc, argv); /* to learn the file; a wrong option is found here */
    if (code >= 0) return code;
    if (given.config) code = read_file(c, given.config);
    if (code >= 0) return code;
    drop_replaced_lists(c, &given);
    return read_options(c, argc, argv);
}

void syn_config_print(const struct syn_config *c)
{
    json_t *root = json_object();
    char *text;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &settings[i];
        const void *p = (const char *)c + s->offset;
        json_t *v = s->type == SYN_ARG_FLAG   ? json_boolean(*(const bool *)p)
                    : s->type == SYN_ARG_TEXT ? json_string(*(const char *const *)p)
                    : s->type == SYN_ARG_INT  ? json_integer(*(const int64_t *)p)
                                              : json_array();
        if (s->type == SYN_ARG_LIST) {
            const struct syn_arg_list *list = p;
            for (int32_t k = 0; k < list->n; k++)
                json_array_append_new(v, json_string(list->item[k]));
        }
        json_object_set_new(root, s->name, v);
    }
    text = json_dumps(root, JSON_INDENT(2));
    if (text) puts(text);
    free(text);
    json_decref(root);
}

void syn_config_deinit(struct syn_config *c)
{
    json_decref(c->json);
    c->json = NULL;
}
