/* check_general.c - `synthd models check` for a network of any inputs and outputs. See
 * models_check.h.
 *
 * Inputs are made up: lengths that the network leaves open are 1 for the first dimension, --size's
 * width for the last and its height for those between, or what --shape says; floats are samples in
 * [0, 1), integers and truth values are 1 (an index or a length that most networks take).
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include "server/cli/bar.h"
#include "server/cli/models_check.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 31) /* of one made-up input */
#define MAX_KINDS 256               /* of operators, and of operators by version */

struct general {
    struct syn_check *c;
    struct syn_engine *engine;
    struct syn_model *net;
    struct syn_model_info info;
    struct syn_tensor *in, *out; /* data owned */
    syn_precision precision;
    double first_s, seconds;
    char why_not[200]; /* it did not run; "": it did */
};

/* --- made-up inputs ----------------------------------------------------------------------------
 */

/* "1x80x100"; "" is a single number. */
static bool parse_shape(const char *text, struct syn_shape *shape)
{
    *shape = (struct syn_shape){.rank = 0};
    while (*text) {
        const size_t n = strcspn(text, "x");
        char word[16];
        int64_t v;
        if (n >= sizeof word || shape->rank == SYN_MAX_RANK) return false;
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        if (!syn_parse_int(word, 0, INT32_MAX, &v)) return false;
        shape->dim[shape->rank++] = v;
        text += n;
        if (*text && !*++text) return false; /* an x at the end */
    }
    return true;
}

static syn_status shape_of(struct syn_check *c, const struct syn_io *io, struct syn_shape *shape,
                           struct syn_err *err)
{
    const size_t n = strlen(io->name);
    for (int32_t i = 0; i < c->shape.n; i++) {
        const char *given = c->shape.item[i];
        if (strncmp(given, io->name, n) != 0 || given[n] != '=') continue;
        c->shape_used[i] = true;
        if (parse_shape(given + n + 1, shape)) return SYN_OK;
        return syn_fail(
            err, SYN_INVALID,
            "--shape = \"%.80s\": must be NAME=AxBxC, at most %d lengths, each in [0, %d]", given,
            SYN_MAX_RANK, INT32_MAX);
    }
    if (io->shape.rank < 0)
        return syn_fail(err, SYN_INVALID, "input %s states no shape: give --shape", io->name);
    *shape = io->shape;
    for (int32_t d = 0; d < shape->rank; d++)
        if (shape->dim[d] < 0)
            shape->dim[d] = d == 0 ? 1 : d == shape->rank - 1 ? c->width : c->height;
    return SYN_OK;
}

static void fill(struct syn_tensor *t, int64_t n)
{
    const size_t bytes = syn_dtype_bytes(t->dtype);
    uint32_t state = SYN_TRIAL_SEED;
    for (int64_t i = 0; i < n; i++) {
        const float x = syn_trial_sample(i, &state);
        if (t->dtype == SYN_F32) ((float *)t->data)[i] = x;
        else if (t->dtype == SYN_F64) ((double *)t->data)[i] = (double)x;
        else if (t->dtype == SYN_F16) /* 0.5, and ten random bits of mantissa */
            ((uint16_t *)t->data)[i] = (uint16_t)(0x3800 | state >> 22);
        else if (t->dtype == SYN_BF16) ((uint16_t *)t->data)[i] = syn_bf16_from_float(x);
        else if (syn_dtype_kind(t->dtype) != 'F') /* the lowest byte comes first */
            ((uint8_t *)t->data)[(size_t)i * bytes] = 1;
    }
}

static syn_status make_input(struct general *g, int32_t i, struct syn_err *err)
{
    struct syn_io io;
    int64_t n = 0;
    size_t bytes;
    syn_status st;
    syn_model_input(g->net, i, &io);
    if ((st = shape_of(g->c, &io, &g->in[i].shape, err)) != SYN_OK) return st;
    if (!syn_shape_elements(&g->in[i].shape, &n) ||
        !syn_mul((size_t)n, syn_dtype_bytes(io.dtype), &bytes) || bytes > MAX_BYTES)
        return syn_fail(err, SYN_TOO_LARGE, "input %s: over %zu bytes", io.name, MAX_BYTES);
    g->in[i].dtype = io.dtype;
    if (!(g->in[i].data = syn_calloc(n ? (size_t)n : 1, syn_dtype_bytes(io.dtype))))
        return syn_fail(err, SYN_NO_MEMORY, "input %s: no memory", io.name);
    fill(&g->in[i], n);
    return SYN_OK;
}

/* --- running ----------------------------------------------------------------------------------
 */

static void drop_outputs(struct general *g)
{
    for (int32_t i = 0; g->out && i < g->info.n_outputs; i++) {
        syn_free(g->out[i].data);
        g->out[i].data = NULL;
    }
}

/* The first run packs weights and warms caches; the second is timed. */
static syn_status run_twice(struct general *g, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int k = 0; st == SYN_OK && k < 2; k++) {
        const struct syn_run_opts opts = {.profile = k == 1, .precision = g->precision};
        const double began = syn_seconds_now();
        drop_outputs(g);
        st = syn_model_run(g->net, g->in, g->out, &opts, err);
        *(k ? &g->seconds : &g->first_s) = syn_seconds_now() - began;
    }
    return st;
}

static syn_status try_to_run(struct general *g, struct syn_err *err)
{
    syn_status st = SYN_OK;
    g->in = syn_calloc((size_t)g->info.n_inputs + 1, sizeof *g->in);
    g->out = syn_calloc((size_t)g->info.n_outputs + 1, sizeof *g->out);
    if (!g->in || !g->out) return syn_fail(err, SYN_NO_MEMORY, "no memory");
    for (int32_t i = 0; st == SYN_OK && i < g->info.n_inputs; i++) st = make_input(g, i, err);
    if (st == SYN_OK) st = run_twice(g, err);
    if (st != SYN_INVALID || g->c->shape.n > 0) return st;
    snprintf(g->why_not, sizeof g->why_not, "%.199s", err->text);
    return SYN_OK;
}

/* --- the report -------------------------------------------------------------------------------
 */

/* Nodes of one operator that one version of it runs. */
struct placed {
    const char *op, *impl; /* the engine's */
    int64_t n;
    double seconds;
};

static int slower_first(const void *a, const void *b)
{
    const double x = ((const struct placed *)a)->seconds, y = ((const struct placed *)b)->seconds;
    return (x < y) - (x > y);
}

/* Slowest first; returns how many. */
static int32_t sum_steps(const struct general *g, int32_t n_steps, struct placed *sum)
{
    int32_t n = 0;
    for (int32_t i = 0; i < n_steps; i++) {
        struct syn_step_info s;
        int32_t k = 0;
        if (!syn_model_step(g->net, i, &s)) continue;
        while (k < n && (strcmp(sum[k].op, s.op) != 0 || strcmp(sum[k].impl, s.impl) != 0)) k++;
        if (k == MAX_KINDS) continue;
        if (k == n) sum[n++] = (struct placed){.op = s.op, .impl = s.impl};
        sum[k].n++;
        sum[k].seconds += s.seconds;
    }
    qsort(sum, (size_t)n, sizeof *sum, slower_first);
    return n;
}

typedef void io_fn(const struct syn_model *m, int32_t i, struct syn_io *io);

/* What the model states, and what it was run with. */
static void report_io(const struct general *g, json_t *row, const char *member, const char *word,
                      io_fn *get, const struct syn_tensor *ran, int32_t n)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < n; i++) {
        struct syn_io io;
        char shape[128], here[128] = "";
        json_t *one;
        get(g->net, i, &io);
        if (io.shape.rank < 0) snprintf(shape, sizeof shape, "not stated");
        else syn_shape_text(&io.shape, shape, sizeof shape);
        one = json_pack("{s:s, s:s, s:s}", "name", io.name, "type", syn_dtype_word(io.dtype),
                        "shape", shape);
        if (!*g->why_not) {
            syn_shape_text(&ran[i].shape, here, sizeof here);
            json_object_set_new(one, "ran", json_string(here));
        }
        json_array_append_new(list, one);
        if (!g->c->json)
            printf("  %-6s %s: %s %s%s%s\n", word, io.name, syn_dtype_word(io.dtype), shape,
                   *here ? ", ran: " : "", here);
    }
    json_object_set_new(row, member, list);
}

static void report_operators(const struct general *g, json_t *row)
{
    struct syn_operator op[MAX_KINDS];
    const int32_t kinds = syn_model_operators(g->net, op, MAX_KINDS);
    json_t *list = json_array();
    for (int32_t i = 0; i < kinds && i < MAX_KINDS; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "op", op[i].op, "domain",
                                              op[i].domain, "n", (json_int_t)op[i].n));
        if (!g->c->json)
            printf("%s%s%s%s %" PRId64, i == 0 ? "  operators: " : ", ", op[i].domain,
                   *op[i].domain ? "." : "", op[i].op, op[i].n);
    }
    if (!g->c->json && kinds > 0) putchar('\n');
    json_object_set_new(row, "operators", list);
}

static void report_steps(const struct general *g, json_t *row, int32_t n_steps)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < n_steps; i++) {
        struct syn_step_info s;
        if (!syn_model_step(g->net, i, &s)) continue;
        json_array_append_new(list, syn_check_step_json(&s));
        if (!g->c->json) syn_check_print_step(&s);
    }
    json_object_set_new(row, "steps", list);
}

static void report_run(const struct general *g, json_t *row)
{
    struct placed sum[MAX_KINDS];
    struct syn_run_info run;
    struct syn_engine_info e;
    int32_t n;
    syn_precision precision = g->precision;
    json_t *list = json_array();
    syn_engine_info(g->engine, &e);
    syn_model_run_info(g->net, &run);
    if (precision == SYN_PRECISION_AUTO) precision = run.planned ? e.precision : SYN_PRECISION_F32;
    n = sum_steps(g, run.n_steps, sum);
    json_object_set_new(row, "device", json_string(e.device));
    json_object_set_new(row, "planned", json_boolean(run.planned));
    json_object_set_new(row, "precision", json_string(syn_precision_word(precision)));
    json_object_set_new(row, "workspace_bytes", json_integer((json_int_t)run.peak_bytes));
    json_object_set_new(row, "weight_bytes", json_integer((json_int_t)run.weight_bytes));
    json_object_set_new(row, "first_seconds", json_real(g->first_s));
    json_object_set_new(row, "seconds", json_real(g->seconds));
    if (!g->c->json)
        printf(
            "  %s on %s in %s: %.1f ms, first run %.1f ms, workspace %.1f MiB, weights %.1f MiB\n",
            run.planned ? "planned" : "node by node", e.device, syn_precision_word(precision),
            g->seconds * 1e3, g->first_s * 1e3, (double)run.peak_bytes / 1048576,
            (double)run.weight_bytes / 1048576);
    for (int32_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f}", "op", sum[i].op, "impl",
                                              sum[i].impl, "n", (json_int_t)sum[i].n, "seconds",
                                              sum[i].seconds));
        if (!g->c->json)
            printf("  %-22s %-20s %5" PRId64 "  %9.3f ms\n", sum[i].op, sum[i].impl, sum[i].n,
                   sum[i].seconds * 1e3);
    }
    json_object_set_new(row, "placement", list);
    if (g->c->steps) report_steps(g, row, run.n_steps);
}

static void report(const struct general *g, const char *file)
{
    const struct syn_model_info *info = &g->info;
    json_t *row = json_pack("{s:s, s:I, s:I, s:I}", "network", file, "parameters",
                            (json_int_t)info->n_parameters, "nodes", (json_int_t)info->n_nodes,
                            "file_bytes", (json_int_t)info->file_bytes);
    if (!g->c->json)
        printf("%s: %" PRId64 " parameters, %" PRId64 " nodes, %.1f MiB on disk\n", file,
               info->n_parameters, info->n_nodes, (double)info->file_bytes / 1048576);
    report_io(g, row, "inputs", "in", syn_model_input, g->in, info->n_inputs);
    report_io(g, row, "outputs", "out", syn_model_output, g->out, info->n_outputs);
    report_operators(g, row);
    if (!*g->why_not) report_run(g, row);
    else json_object_set_new(row, "not_run", json_string(g->why_not));
    if (*g->why_not && !g->c->json)
        printf("  not run: it takes no made-up inputs (%s); --shape gives lengths, `models run` "
               "files\n",
               g->why_not);
    json_array_append_new(g->c->rows, row);
}

syn_status syn_check_general(struct syn_check *c, struct syn_engine *e, struct syn_model *net,
                             const char *file, syn_precision precision, struct syn_err *err)
{
    struct general g = {.c = c, .engine = e, .net = net, .precision = precision};
    syn_status st;
    syn_model_info(net, &g.info);
    st = try_to_run(&g, err);
    if (st == SYN_OK) report(&g, file);
    drop_outputs(&g);
    for (int32_t i = 0; g.in && i < g.info.n_inputs; i++) syn_free(g.in[i].data);
    syn_free(g.in);
    syn_free(g.out);
    return st;
}
