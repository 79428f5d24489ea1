/* models_check.c - `synthd models check ID`: does it load, what is in it, what does it need, where
 * does the time go.
 *
 * Layer:   server/cli.   Threads: main thread. */
#include "kernels/base/alloc.h"
#include "server/cli/models_check.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct syn_usage usage = {
    "synthd models check ID|FILE.onnx [--size WxH] [--shape NAME=AxB]... [--steps] [--json]",
    "Checks the files' digests, loads every network of the model, runs it at a size and reports\n"
    "operators, which version of each runs them, memory and time. A network that is no picture's\n"
    "alone gets made-up inputs: open lengths are 1, then --size's height, then its width.",
    "  synthd models check realesrgan-x4plus\n"
    "  synthd models check waifu2x-cunet --size 128x128 --steps --precision f32\n"
    "  synthd models check net.onnx --shape audio=1x16000 --json"};

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

json_t *syn_check_step_json(const struct syn_step_info *step)
{
    char shape[128];
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:f}", "op", step->op, "name", step->name, "impl",
                     step->impl, "out", syn_shape_text(&step->out, shape, sizeof shape), "depth",
                     step->depth, "seconds", step->seconds);
}

void syn_check_print_step(const struct syn_step_info *step)
{
    char shape[128];
    printf("    %9.3f ms  %*s%-14s %-20s %-24s %s\n", step->seconds * 1e3, 2 * step->depth, "",
           step->op, step->impl, syn_shape_text(&step->out, shape, sizeof shape), step->name);
}

static void report_steps(const struct syn_check *c, json_t *row, const struct syn_plan *plan,
                         int32_t n_steps)
{
    json_t *steps = json_array();
    for (int32_t i = 0; i < n_steps; i++) {
        struct syn_step_info step;
        syn_plan_step(plan, i, &step);
        json_array_append_new(steps, syn_check_step_json(&step));
        if (!c->json) syn_check_print_step(&step);
    }
    json_object_set_new(row, "steps", steps);
}

static void print_sums(const struct syn_variant *v, const struct syn_model_info *model,
                       const struct syn_plan_info *plan, const char *in, const char *out,
                       double seconds, const struct op_sum *sum, int32_t n_ops)
{
    printf("%s: %" PRId64 " parameters, %" PRId64 " nodes, %d stage%s\n", v->graph_file,
           model->n_parameters, model->n_nodes, model->n_stages, model->n_stages == 1 ? "" : "s");
    printf("  %s -> %s in %s: %.1f ms, %.2f GFLOP/s, workspace %.1f MiB, weights %.1f MiB\n", in,
           out, syn_precision_word(plan->precision), seconds * 1e3,
           2e-9 * (double)plan->multiply_adds / seconds, (double)plan->peak_bytes / 1048576,
           (double)plan->weight_bytes / 1048576);
    for (int32_t i = 0; i < n_ops; i++)
        printf("  %-16s %4d  %9.3f ms\n", sum[i].op, sum[i].n, sum[i].seconds * 1e3);
}

static void report(struct syn_check *c, const struct syn_variant *v, const struct syn_trial *t,
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
    json_array_append_new(c->rows, row);
    if (!c->json) print_sums(v, &model, &plan, in, out, seconds, sum, n_ops);
    if (c->steps) report_steps(c, row, t->plan, plan.n_steps);
}
/* *is_one: a network that is no picture's alone, and reported on. */
static syn_status check_general(struct syn_check *c, const struct syn_local *l,
                                const struct syn_manifest *m, const struct syn_variant *v,
                                bool *is_one, struct syn_err *err)
{
    struct syn_loaded *loaded = NULL;
    struct syn_model_info info;
    syn_status st = syn_models_acquire(l->models, m->id, v, NULL, &loaded, err);
    if (st != SYN_OK) return st;
    syn_model_info(syn_loaded_model(loaded), &info);
    *is_one = !info.is_picture;
    if (*is_one)
        st = syn_check_general(c, l->engine, syn_loaded_model(loaded), v->graph_file,
                               m->pin_f32 ? SYN_PRECISION_F32 : l->precision, err);
    syn_models_release(l->models, loaded);
    return st;
}

static syn_status check_network(struct syn_check *c, const struct syn_local *l,
                                const struct syn_manifest *m, const struct syn_variant *v,
                                struct syn_err *err)
{
    struct syn_trial t;
    double seconds;
    bool general = false;
    syn_status st = check_general(c, l, m, v, &general, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "%s: ", v->graph_file);
    if (general) return SYN_OK;
    st = syn_trial_open(&t, l->models, m, v, c->width, c->height, l->precision, err);
    if (st == SYN_OK)
        st = syn_trial_run(&t, false, &seconds, err); /* the first run also warms caches */
    if (st == SYN_OK) st = syn_trial_run(&t, true, &seconds, err);
    if (st == SYN_OK) report(c, v, &t, seconds);
    syn_trial_close(&t);
    return st == SYN_OK ? st : syn_fail_in(err, st, "%s: ", v->graph_file);
}

/* A file that is in no model folder. */
static syn_status check_file(struct syn_check *c, const struct syn_local *l, const char *path,
                             struct syn_err *err)
{
    const struct syn_model_source src = {.format = "onnx",
                                         .graph_path = path,
                                         .roots = c->local_opts.link_roots.item,
                                         .n_roots = c->local_opts.link_roots.n};
    struct syn_model *net = NULL;
    syn_status st = syn_model_open(l->engine, &src, NULL, &net, err);
    if (st == SYN_OK) st = syn_check_general(c, l->engine, net, path, l->precision, err);
    syn_model_close(net);
    return st;
}

static syn_status check_networks(struct syn_check *c, const struct syn_local *l,
                                 const struct syn_manifest *m, struct syn_err *err)
{
    syn_status st = syn_models_verify(l->models, m->id, err);
    for (int32_t i = 0; st == SYN_OK && i < m->n_variants; i++)
        st = check_network(c, l, m, &m->variant[i], err);
    return st;
}

static bool is_file(const char *id)
{
    const size_t n = strlen(id);
    return n > 5 && !strcmp(id + n - 5, ".onnx");
}

static int check_model(struct syn_check *c, const struct syn_local *l, const char *id)
{
    struct syn_err err = {{0}};
    const struct syn_manifest *m = is_file(id) ? NULL : syn_local_find(l, id);
    syn_status st;
    if (!m && !is_file(id)) return SYN_EXIT_USAGE;
    st = m ? check_networks(c, l, m, &err) : check_file(c, l, id, &err);
    for (int32_t i = 0; st == SYN_OK && i < c->shape.n; i++)
        if (!c->shape_used[i])
            st = syn_fail(&err, SYN_INVALID, "--shape = \"%.80s\": no network has such an input",
                          c->shape.item[i]);
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
    struct syn_check c = {.local_opts = SYN_LOCAL_DEFAULTS, .size = "64x64"};
    struct syn_local l = {0};
    struct syn_arg_list ids = {0};
    const struct syn_arg table[] = {
        {"size", SYN_ARG_TEXT, &c.size, "WxH", "input size; default 64x64", 0, 0},
        {"shape", SYN_ARG_LIST, &c.shape, "NAME=AxB", "lengths of an ONNX input (repeat)", 0, 0},
        {"steps", SYN_ARG_FLAG, &c.steps, NULL, "time of every step too", 0, 0},
        {"json", SYN_ARG_FLAG, &c.json, NULL, "as JSON", 0, 0},
        SYN_LOCAL_ARGS(&c.local_opts),
        SYN_LOCAL_MODELS_ARGS(&c.local_opts),
        {0}};
    int code = syn_args_parse(&usage, table, argc, argv, &ids);
    if (code < 0 && ids.n != 1)
        code = syn_complain(SYN_EXIT_USAGE, "one ID or FILE.onnx is wanted (usage: %s)",
                            usage.synopsis);
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
