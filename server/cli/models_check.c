/* models_check.c - `synthd models check ID`: does it load, what is in it, what does it need, where
 * does the time go.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "server/cli/models.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct syn_usage usage = {
    "synthd models check ID [--size WxH] [--steps] [--json] [--device D] [--models DIR]",
    "Checks the files' digests, loads every network of the model, plans it at a size, runs it\n"
    "and reports operators, memory and time.",
    "  synthd models check realesrgan-x4plus\n"
    "  synthd models check waifu2x-cunet --size 128x128 --steps --precision f32"};

struct check {
    struct syn_local_opts local_opts;
    const char *size;
    int32_t width, height;
    bool steps, json;
    json_t *rows; /* one object a network */
};

#define MAX_OPS 64

struct op_sum {
    const char *op; /* borrowed from the plan */
    int32_t n;
    double seconds;
};

/* Sums the steps by operator, in order of appearance. */
static int32_t sum_ops(const struct syn_plan *plan, int32_t n_steps, struct op_sum *sum)
{
    int32_t n = 0;
    for (int32_t i = 0; i < n_steps; i++) {
        struct syn_step_info step;
        int32_t k = 0;
        syn_plan_step(plan, i, &step);
        while (k < n && strcmp(sum[k].op, step.op) != 0) k++;
        if (k == MAX_OPS) continue;
        if (k == n) sum[n++] = (struct op_sum){.op = step.op};
        sum[k].n++;
        sum[k].seconds += step.seconds;
    }
    return n;
}

static json_t *steps_json(const struct syn_plan *plan, int32_t n_steps)
{
    json_t *steps = json_array();
    for (int32_t i = 0; i < n_steps; i++) {
        struct syn_step_info step;
        char shape[80];
        syn_plan_step(plan, i, &step);
        json_array_append_new(steps, json_pack("{s:s, s:s, s:s, s:s, s:f}", "op", step.op, "name",
                                               step.name, "impl", step.impl, "out",
                                               syn_shape_text(&step.out, shape, sizeof shape),
                                               "seconds", step.seconds));
    }
    return steps;
}

static void print_steps(const struct syn_plan *plan, int32_t n_steps)
{
    for (int32_t i = 0; i < n_steps; i++) {
        struct syn_step_info step;
        char shape[80];
        syn_plan_step(plan, i, &step);
        printf("    %9.3f ms  %-14s %-20s %-24s %s\n", step.seconds * 1e3, step.op, step.impl,
               syn_shape_text(&step.out, shape, sizeof shape), step.name);
    }
}

static void report(struct check *c, const struct syn_variant *v, const struct syn_trial *t,
                   double seconds)
{
    struct op_sum sum[MAX_OPS];
    struct syn_model_info model;
    struct syn_plan_info plan;
    int32_t n_ops;
    char in[80], out[80];
    json_t *ops = json_array(), *row;
    syn_model_info(syn_loaded_model(t->loaded), &model);
    syn_plan_info(t->plan, &plan);
    n_ops = sum_ops(t->plan, plan.n_steps, sum);
    syn_shape_text(&plan.in[0], in, sizeof in);
    syn_shape_text(&plan.out[0], out, sizeof out);
    for (int32_t i = 0; i < n_ops; i++)
        json_array_append_new(ops, json_pack("{s:s, s:i, s:f}", "op", sum[i].op, "n", sum[i].n,
                                             "seconds", sum[i].seconds));
    row = json_pack("{s:s, s:i, s:i, s:I, s:I, s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:o}",
                    "network", v->graph_file, "scale", v->scale, "noise", v->noise, "parameters",
                    (json_int_t)model.n_parameters, "nodes", (json_int_t)model.n_nodes, "stages",
                    model.n_stages, "in", in, "out", out, "precision",
                    syn_precision_word(plan.precision), "workspace_bytes",
                    (json_int_t)plan.peak_bytes, "weight_bytes", (json_int_t)plan.weight_bytes,
                    "multiply_adds", (json_int_t)plan.multiply_adds, "seconds", seconds,
                    "operators", ops);
    if (c->steps) json_object_set_new(row, "steps", steps_json(t->plan, plan.n_steps));
    json_array_append_new(c->rows, row);
    if (c->json) return;
    printf("%s: %" PRId64 " parameters, %" PRId64 " nodes, %d stage%s\n", v->graph_file,
           model.n_parameters, model.n_nodes, model.n_stages, model.n_stages == 1 ? "" : "s");
    printf("  %s -> %s in %s: %.1f ms, %.2f GFLOP/s, workspace %.1f MiB, weights %.1f MiB\n", in,
           out, syn_precision_word(plan.precision), seconds * 1e3,
           2e-9 * (double)plan.multiply_adds / seconds, (double)plan.peak_bytes / 1048576,
           (double)plan.weight_bytes / 1048576);
    for (int32_t i = 0; i < n_ops; i++)
        printf("  %-16s %4d  %9.3f ms\n", sum[i].op, sum[i].n, sum[i].seconds * 1e3);
    if (c->steps) print_steps(t->plan, plan.n_steps);
}

static json_t *io_json(const struct syn_model *net, int32_t n,
                       void (*get)(const struct syn_model *, int32_t, struct syn_io *), bool print, const char *what)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < n; i++) {
        struct syn_io io;
        char shape[128];
        get(net, i, &io);
        syn_shape_text(&io.shape, shape, sizeof shape);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", io.name, "type", syn_dtype_word(io.dtype),
                                              "shape", shape));
        if (print) printf("  %-6s %s: %s %s\n", what, io.name, syn_dtype_word(io.dtype), shape);
    }
    return list;
}

/* A network that is no picture's alone: what goes in and out. Its times come from `models run --steps`, which has inputs. */
static syn_status check_general(struct check *c, const struct syn_local *l, const struct syn_manifest *m,
                                const struct syn_variant *v, bool *is_one, struct syn_err *err)
{
    struct syn_loaded *loaded = NULL;
    struct syn_model_info info;
    syn_status st = syn_models_acquire(l->models, m->id, v, NULL, &loaded, err);
    *is_one = false;
    if (st != SYN_OK) return st;
    syn_model_info(syn_loaded_model(loaded), &info);
    if (!info.is_picture) {
        const struct syn_model *net = syn_loaded_model(loaded);
        json_t *row;
        *is_one = true;
        if (!c->json)
            printf("%s: %" PRId64 " parameters, %" PRId64 " nodes, %.1f MiB on disk\n", v->graph_file, info.n_parameters,
                   info.n_nodes, (double)info.file_bytes / 1048576);
        row = json_pack("{s:s, s:I, s:I, s:I}", "network", v->graph_file, "parameters", (json_int_t)info.n_parameters,
                        "nodes", (json_int_t)info.n_nodes, "file_bytes", (json_int_t)info.file_bytes);
        json_object_set_new(row, "inputs", io_json(net, info.n_inputs, syn_model_input, !c->json, "in"));
        json_object_set_new(row, "outputs", io_json(net, info.n_outputs, syn_model_output, !c->json, "out"));
        json_array_append_new(c->rows, row);
    }
    syn_models_release(l->models, loaded);
    return SYN_OK;
}

static syn_status check_network(struct check *c, const struct syn_local *l,
                                const struct syn_manifest *m, const struct syn_variant *v,
                                struct syn_err *err)
{
    struct syn_trial t;
    double seconds;
    bool general;
    syn_status st = check_general(c, l, m, v, &general, err);
    if (st != SYN_OK || general) return st == SYN_OK ? st : syn_fail_in(err, st, "%s: ", v->graph_file);
    st = syn_trial_open(&t, l->models, m, v, c->width, c->height, l->precision, err);
    if (st == SYN_OK)
        st = syn_trial_run(&t, false, &seconds, err); /* the first run also warms caches */
    if (st == SYN_OK) st = syn_trial_run(&t, true, &seconds, err);
    if (st == SYN_OK) report(c, v, &t, seconds);
    syn_trial_close(&t);
    return st == SYN_OK ? st : syn_fail_in(err, st, "%s: ", v->graph_file);
}

static int check_model(struct check *c, const struct syn_local *l, const char *id)
{
    struct syn_err err = {{0}};
    const struct syn_manifest *m = syn_local_find(l, id);
    syn_status st;
    if (!m) return SYN_EXIT_USAGE;
    st = syn_manifest_verify(syn_models_folder(l->models, id), m, &err);
    for (int32_t i = 0; st == SYN_OK && i < m->n_variants; i++)
        st = check_network(c, l, m, &m->variant[i], &err);
    if (st != SYN_OK) return syn_complain(SYN_EXIT_FAILED, "%s: %s", id, err.text);
    if (c->json) {
        json_t *root = json_pack("{s:s, s:O}", "id", id, "networks", c->rows);
        char *text = json_dumps(root, JSON_COMPACT);
        if (text) puts(text);
        free(text);
        json_decref(root);
    } else {
        printf("%s: fine\n", id);
    }
    return SYN_EXIT_OK;
}

int syn_models_check(int argc, char **argv)
{
    struct check c = {.local_opts = SYN_LOCAL_DEFAULTS, .size = "64x64"};
    struct syn_local l = {0};
    struct syn_arg_list ids = {0};
    const struct syn_arg table[] = {
        {"size", SYN_ARG_TEXT, &c.size, "WxH", "input size; default 64x64", 0, 0},
        {"steps", SYN_ARG_FLAG, &c.steps, NULL, "time of every step too", 0, 0},
        {"json", SYN_ARG_FLAG, &c.json, NULL, "as JSON", 0, 0},
        SYN_LOCAL_ARGS(&c.local_opts),
        SYN_LOCAL_MODELS_ARGS(&c.local_opts),
        {0}};
    int code = syn_args_parse(&usage, table, argc, argv, &ids);
    if (code < 0 && ids.n != 1)
        code = syn_complain(SYN_EXIT_USAGE, "one ID is wanted (usage: %s)", usage.synopsis);
    if (code < 0 && !syn_parse_size(c.size, &c.width, &c.height))
        code = syn_complain(SYN_EXIT_USAGE,
                            "--size = \"%.40s\": must be WIDTHxHEIGHT, each in [1, 65535]", c.size);
    if (code < 0) code = syn_local_open(&l, &c.local_opts, true);
    if (code < 0) {
        c.rows = json_array();
        code = check_model(&c, &l, ids.item[0]);
        json_decref(c.rows);
    }
    syn_local_close(&l);
    return code;
}
