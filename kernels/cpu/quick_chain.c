/* quick_chain.c - chains of element-by-element operators, and each of those alone, in one pass over
 * f32.
 *
 * The output's dimensions are merged where every operand runs on over both; what is left is rows
 * along which an operand is either a run of neighbours or one number. A row is worked through in
 * pieces that stay in the first-level cache, all steps of the chain on a piece before the next.
 * Tests:   tests/unit/test_quick_chain.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/steps.h"
#include "kernels/ops/check.h"
#include <string.h>

#define PIECE 512                      /* floats: 2 KiB a register */
#define TASK_ELEMENTS ((int64_t)1 << 14) /* less is not worth a second thread */

struct step {
    syn_step id;
    int32_t a, b; /* inputs 0.., then steps; -1 */
    double args[2];
};
struct plan {
    int32_t n_in, n_steps, rank; /* of the merged shape */
    struct step step[SYN_CHAIN_STEPS];
    int64_t dim[SYN_MAX_RANK], move[SYN_CHAIN_INPUTS][SYN_MAX_RANK];
    const float *in[SYN_CHAIN_INPUTS];
    float *out;
    int64_t rows, per_task;
    cpu_step_fn *apply;
};

/* The chain of a call: CHAIN's own, or the one step that the operator is. False: none. */
static bool read_steps(const struct syn_op_call *c, struct plan *p)
{
    p->n_in = c->n_in;
    if (c->op == &syn_op_chain) {
        const struct syn_attr *code = syn_attr_list(c->op, c->attr, "code"),
                              *args = syn_attr_list(c->op, c->attr, "args");
        p->n_steps = code->n / 3;
        for (int32_t s = 0; s < p->n_steps; s++)
            p->step[s] = (struct step){(syn_step)code->v.i[3 * s],
                                       (int32_t)code->v.i[3 * s + 1],
                                       (int32_t)code->v.i[3 * s + 2],
                                       {args->v.f[2 * s], args->v.f[2 * s + 1]}};
        return true;
    }
#define IS(ID, op_id, n)                                                                           \
    if (c->op == syn_op_get(op_id))                                                                \
        p->step[0].id = syn_step_of(c->op, op_id, c->attr, p->step[0].args);
    p->step[0] = (struct step){.id = SYN_STEP_COUNT, .a = 0, .b = c->n_in > 1 ? 1 : -1};
    SYN_STEP_LIST(IS)
#undef IS
    p->n_steps = 1;
    return p->step[0].id != SYN_STEP_COUNT && c->n_in == syn_step_operands(p->step[0].id);
}

/* Merges dimensions over which all operands run on, and fills rows. */
static void merge(struct plan *p, const struct syn_op_call *c)
{
    const struct syn_shape *y = &c->out[0].shape;
    int64_t move[SYN_CHAIN_INPUTS][SYN_MAX_RANK];
    for (int32_t k = 0; k < p->n_in; k++) syn_ops_steps(&c->in[k].shape, y, move[k]);
    p->rank = 0;
    for (int32_t d = 0; d < y->rank; d++) {
        bool runs_on = p->rank > 0;
        if (y->dim[d] == 1) continue;
        for (int32_t k = 0; runs_on && k < p->n_in; k++)
            runs_on = p->move[k][p->rank - 1] == move[k][d] * y->dim[d];
        if (!runs_on) p->dim[p->rank++] = 1;
        p->dim[p->rank - 1] *= y->dim[d];
        for (int32_t k = 0; k < p->n_in; k++) p->move[k][p->rank - 1] = move[k][d];
    }
    if (p->rank == 0) {
        p->dim[p->rank++] = 1;
        for (int32_t k = 0; k < p->n_in; k++) p->move[k][0] = 0;
    }
    p->rows = 1;
    for (int32_t d = 0; d + 1 < p->rank; d++) p->rows *= p->dim[d];
}

static bool chain_takes(const struct syn_op_call *c)
{
    struct plan p;
    if (c->n_in < 1 || c->n_in > SYN_CHAIN_INPUTS) return false;
    for (int32_t k = 0; k < c->n_in; k++)
        if (c->in[k].shape.rank < 0 || c->in[k].dtype != SYN_F32) return false;
    return c->out[0].dtype == SYN_F32 && read_steps(c, &p);
}

/* Values of a piece: a run of neighbours, or one number for all of it. */
struct piece_value {
    const float *at;
    bool one;
};

static const float *spread(struct piece_value v, int64_t n, float *to)
{
    const float x = *v.at;
    if (!v.one) return v.at;
    for (int64_t i = 0; i < n; i++) to[i] = x;
    return to;
}

/* Columns [j, j + n) of the row at `from` (offsets of the operands). A step whose operands are one
 * number each is done once: a scale computed per channel costs nothing along the channel. */
static void run_piece(const struct plan *p, const int64_t *from, int64_t j, int64_t n, float *y)
{
    float result[SYN_CHAIN_STEPS][PIECE], spread_a[PIECE], spread_b[PIECE];
    struct piece_value v[SYN_CHAIN_INPUTS + SYN_CHAIN_STEPS];
    for (int32_t k = 0; k < p->n_in; k++) {
        const int64_t step = p->move[k][p->rank - 1];
        v[k] = (struct piece_value){p->in[k] + from[k] + step * j, step == 0};
    }
    for (int32_t s = 0; s < p->n_steps; s++) {
        const struct step *e = &p->step[s];
        const bool last = s == p->n_steps - 1,
                   one = v[e->a].one && (e->b < 0 || v[e->b].one) && !last;
        float *to = last ? y : result[s];
        if (one) p->apply(e->id, v[e->a].at, e->b < 0 ? NULL : v[e->b].at, to, 1, e->args);
        else
            p->apply(e->id, spread(v[e->a], n, spread_a),
                     e->b < 0 ? NULL : spread(v[e->b], n, spread_b), to, n, e->args);
        v[p->n_in + s] = (struct piece_value){to, one};
    }
}

static void chain_task(void *ctx, int64_t task)
{
    const struct plan *p = ctx;
    const int64_t length = p->dim[p->rank - 1], last = p->rows * length;
    const int64_t begin = task * p->per_task,
                  end = begin + p->per_task < last ? begin + p->per_task : last;
    for (int64_t i = begin; i < end;) {
        const int64_t row = i / length, j = i % length;
        int64_t from[SYN_CHAIN_INPUTS] = {0}, rest = row, n = length - j;
        if (n > end - i) n = end - i;
        for (int32_t d = p->rank - 2; d >= 0; d--) {
            const int64_t at = rest % p->dim[d];
            rest /= p->dim[d];
            for (int32_t k = 0; k < p->n_in; k++) from[k] += at * p->move[k][d];
        }
        for (int64_t done = 0; done < n; done += PIECE)
            run_piece(p, from, j + done, n - done < PIECE ? n - done : PIECE, p->out + i + done);
        i += n;
    }
}

static void chain_run(const struct syn_op_call *c, const void *packed, void *scratch,
                      struct syn_pool *pool)
{
    struct plan p;
    int64_t n = 0;
    (void)packed;
    (void)scratch;
    if (!read_steps(c, &p) || !syn_shape_elements(&c->out[0].shape, &n) || n == 0) return;
    for (int32_t k = 0; k < p.n_in; k++) p.in[k] = c->in[k].data;
    p.out = c->out[0].data;
    p.apply = cpu_step_best();
    merge(&p, c);
    p.per_task = n < 2 * TASK_ELEMENTS ? n : TASK_ELEMENTS;
    if (p.per_task == n) chain_task(&p, 0);
    else syn_pool_run(pool, (n + p.per_task - 1) / p.per_task, chain_task, &p);
}

const struct syn_quick cpu_quick_chain = {.impl = "chain", .takes = chain_takes, .run = chain_run};
