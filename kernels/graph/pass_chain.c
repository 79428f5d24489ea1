/* pass_chain.c - see passes.h: element-by-element operators that follow each other become one
 * CHAIN.
 *
 * From the first node on: a node takes in what makes its operands, where that is element by
 * element too, nobody else reads it, and the whole stays within a CHAIN's limits. It needs no
 * shapes: a chain broadcasts as its parts do. */
#include "kernels/base/alloc.h"
#include "kernels/graph/chain.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include "kernels/graph/types.h"
#include <string.h>

struct expression {
    int32_t n_in, n_steps;
    int32_t in[SYN_CHAIN_INPUTS]; /* values */
    struct {
        syn_step id;
        int32_t a, b; /* inputs 0.., or SYN_CHAIN_INPUTS + step; -1 */
        double args[2];
    } step[SYN_CHAIN_STEPS];
};

/* A Clip whose bounds are numbers known now. */
static bool clip_args(const struct syn_graph *g, const struct syn_node *n, double args[2])
{
    args[0] = -__builtin_inf(), args[1] = __builtin_inf();
    if (syn_attr_given(n->op, n->attr, "min")) args[0] = syn_attr_float(n->op, n->attr, "min");
    if (syn_attr_given(n->op, n->attr, "max")) args[1] = syn_attr_float(n->op, n->attr, "max");
    for (int32_t k = 1; k < n->n_in && k < 3; k++)
        if (n->in[k] >= 0 && !syn_rewrite_number(g, n->in[k], &args[k - 1])) return false;
    return true;
}

/* The node as an expression of its own operands. */
static bool of_node(const struct syn_rewrite *r, const struct syn_node *n, const syn_dtype *type,
                    struct expression *e)
{
    double args[2];
    syn_step s;
    if (n->id == SYN_OP_CHAIN) {
        const struct syn_attr *code = syn_attr_list(n->op, n->attr, "code"),
                              *list = syn_attr_list(n->op, n->attr, "args");
        e->n_in = n->n_in, e->n_steps = code->n / 3;
        memcpy(e->in, n->in, (size_t)n->n_in * sizeof *e->in);
        for (int32_t i = 0; i < e->n_steps; i++) {
            const int64_t *k = code->v.i + 3 * i;
            e->step[i].id = (syn_step)k[0];
            e->step[i].a = (int32_t)(k[1] < n->n_in ? k[1] : k[1] - n->n_in + SYN_CHAIN_INPUTS);
            e->step[i].b = (int32_t)(k[2] < n->n_in ? k[2] : k[2] - n->n_in + SYN_CHAIN_INPUTS);
            memcpy(e->step[i].args, list->v.f + 2 * i, sizeof args);
        }
        return true;
    }
    if (n->id == SYN_OP_CLIP_TO) {
        if (!clip_args(r->g, n, args)) return false;
        s = SYN_STEP_CLIP;
    } else s = syn_step_of(n->op, n->id, n->attr, args);
    if (s == SYN_STEP_COUNT || (s != SYN_STEP_CLIP && n->n_in != syn_step_operands(s)))
        return false;
    e->n_in = syn_step_operands(s), e->n_steps = 1;
    for (int32_t k = 0; k < e->n_in; k++) {
        if (n->in[k] < 0 || type[n->in[k]] != SYN_F32) return false;
        e->in[k] = n->in[k];
    }
    e->step[0].id = s, e->step[0].a = 0, e->step[0].b = e->n_in == 2 ? 1 : -1;
    memcpy(e->step[0].args, args, sizeof args);
    if (e->n_in == 2 && e->in[0] == e->in[1]) e->n_in = 1, e->step[0].b = 0;
    return true;
}

/* Position of a value among the inputs, added where it is new; -1: no room. */
static int32_t input_of(struct expression *e, int32_t value)
{
    for (int32_t k = 0; k < e->n_in; k++)
        if (e->in[k] == value) return k;
    if (e->n_in == SYN_CHAIN_INPUTS) return -1;
    e->in[e->n_in] = value;
    return e->n_in++;
}

/* outer with its input k computed by inner. False, outer untouched: too large. */
static bool take_in(struct expression *outer, int32_t k, const struct expression *inner)
{
    struct expression e = {.n_steps = 0};
    int32_t inner_at[SYN_CHAIN_INPUTS], outer_at[SYN_CHAIN_INPUTS];
    if (inner->n_steps + outer->n_steps > SYN_CHAIN_STEPS) return false;
    for (int32_t i = 0; i < inner->n_in; i++)
        if ((inner_at[i] = input_of(&e, inner->in[i])) < 0) return false;
    for (int32_t i = 0; i < outer->n_in; i++)
        if (i != k && (outer_at[i] = input_of(&e, outer->in[i])) < 0) return false;
    outer_at[k] = SYN_CHAIN_INPUTS + inner->n_steps - 1;
    for (int32_t s = 0; s < inner->n_steps; s++, e.n_steps++) {
        e.step[e.n_steps] = inner->step[s];
        if (inner->step[s].a < SYN_CHAIN_INPUTS) e.step[e.n_steps].a = inner_at[inner->step[s].a];
        if (inner->step[s].b >= 0 && inner->step[s].b < SYN_CHAIN_INPUTS)
            e.step[e.n_steps].b = inner_at[inner->step[s].b];
    }
    for (int32_t s = 0; s < outer->n_steps; s++, e.n_steps++) {
        const int32_t a = outer->step[s].a, b = outer->step[s].b;
        e.step[e.n_steps] = outer->step[s];
        e.step[e.n_steps].a = a < SYN_CHAIN_INPUTS ? outer_at[a] : a + inner->n_steps;
        e.step[e.n_steps].b = b < 0 ? -1 : b < SYN_CHAIN_INPUTS ? outer_at[b] : b + inner->n_steps;
    }
    *outer = e;
    return true;
}

static syn_status put_chain(struct syn_rewrite *r, struct syn_node *n, const struct expression *e,
                            struct syn_err *err)
{
    int64_t code[3 * SYN_CHAIN_STEPS];
    double args[2 * SYN_CHAIN_STEPS];
    for (int32_t s = 0; s < e->n_steps; s++) {
        const int32_t a = e->step[s].a, b = e->step[s].b;
        code[3 * s] = e->step[s].id;
        code[3 * s + 1] = a < SYN_CHAIN_INPUTS ? a : a - SYN_CHAIN_INPUTS + e->n_in;
        code[3 * s + 2] = b < SYN_CHAIN_INPUTS ? b : b - SYN_CHAIN_INPUTS + e->n_in;
        memcpy(args + 2 * s, e->step[s].args, 2 * sizeof *args);
    }
    const struct syn_attr attrs[] = {syn_attr_of_ints("code", 3 * e->n_steps, code),
                                     syn_attr_of_floats("args", 2 * e->n_steps, args)};
    const struct syn_node_spec spec = {.id = SYN_OP_CHAIN,
                                       .name = n->name,
                                       .n_in = e->n_in,
                                       .in = e->in,
                                       .n_attrs = 2,
                                       .attrs = attrs,
                                       .n_out = 1};
    return syn_rewrite_put(r, n, &spec, err);
}

/* Takes into the node whatever of its operands can be taken in. */
static syn_status grow(struct syn_rewrite *r, struct syn_node *n, const syn_dtype *type,
                       struct syn_err *err)
{
    struct expression e = {.n_steps = 0};
    int32_t taken[SYN_CHAIN_STEPS], n_taken = 0;
    syn_status st = SYN_OK;
    if (!of_node(r, n, type, &e)) return SYN_OK;
    for (int32_t k = 0; k < e.n_in;) {
        const int32_t v = e.in[k], p = r->g->value[v].producer;
        struct expression inner = {.n_steps = 0};
        const struct syn_node *maker = p >= 0 ? &r->g->node[p] : NULL;
        if (maker && maker->op && maker->n_out == 1 && r->uses[v] == 1 &&
            of_node(r, maker, type, &inner) && take_in(&e, k, &inner)) {
            taken[n_taken++] = p;
            k = 0;
        } else k++;
    }
    /* a Clip alone too: its bounds are operands, which only a chain has as numbers */
    if (n_taken || n->id == SYN_OP_CLIP_TO) st = put_chain(r, n, &e, err);
    if (!n_taken || st != SYN_OK) return st;
    for (int32_t i = 0; i < n_taken; i++) { /* what they read is read by the chain now */
        struct syn_node *maker = &r->g->node[taken[i]];
        r->uses[maker->out[0]] = 0;
        for (int32_t k = 0; k < maker->n_in; k++)
            if (maker->in[k] >= 0) r->uses[maker->in[k]]--;
        maker->op = NULL;
    }
    return SYN_OK;
}

syn_status syn_pass_chain(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_dtype *type = syn_calloc((size_t)g->n_values + 1, sizeof *type);
    const int32_t n = g->n_nodes;
    syn_status st =
        type ? syn_rewrite_open(&r, g, err) : syn_fail(err, SYN_NO_MEMORY, "chain: no memory");
    if (!type) return st;
    syn_graph_types(g, type);
    /* no value that was there before is renumbered; those that put makes are thrown away again */
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        if (g->node[i].op && g->node[i].n_out == 1) st = grow(&r, &g->node[i], type, err);
    syn_rewrite_close(&r);
    syn_free(type);
    return st;
}
