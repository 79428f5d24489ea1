/* quick_recurrent.c - GRU and LSTM with their usual activations on dense f32.
 *
 * What does not wait for the state, W x, is one matrix product over all steps (tile.h) and runs on
 * every thread. The steps themselves are products of R with one vector: R is packed in blocks of 64
 * outputs, so that it streams from the second-level cache in order.
 * Tests:   tests/unit/test_quick_recurrent.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/steps.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/recurrent.h"
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define BLOCK 64 /* outputs of R side by side */
#define MOST_GATES 4

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }
static bool is_usual(const struct syn_recurrent *p, int32_t d)
{
    const bool lstm = p->gates == 4;
    return p->gate[d][0].act == SYN_GATE_SIGMOID && p->gate[d][1].act == SYN_GATE_TANH &&
           (!lstm || p->gate[d][2].act == SYN_GATE_TANH);
}

static bool recurrent_takes(const struct syn_op_call *c)
{
    struct syn_recurrent p;
    for (int32_t i = 0; i < c->n_in; i++)
        if (i != SYN_RNN_LENGTHS && syn_ops_given(c, i) && c->in[i].dtype != SYN_F32) return false;
    if (syn_ops_given(c, SYN_RNN_LENGTHS) || syn_ops_given(c, SYN_RNN_P) ||
        !c->in[SYN_RNN_W].data || !c->in[SYN_RNN_R].data ||
        syn_recurrent_parse(c, &p, NULL) != SYN_OK)
        return false;
    return p.gates > 1 && p.clip == 0 && !p.batch_first && !p.input_forget && is_usual(&p, 0) &&
           (p.dirs == 1 || is_usual(&p, 1)) && p.seq * p.batch * p.in * p.hidden > 0;
}

/* Floats of one direction: W transposed [in][rows], then R in blocks. */
static size_t direction_floats(const struct syn_recurrent *p)
{
    const int64_t rows = p->gates * p->hidden;
    return (size_t)(p->in * rows + up(rows, BLOCK) * p->hidden);
}

static void pack_direction(const struct syn_recurrent *p, const float *w, const float *r, float *to)
{
    const int64_t rows = p->gates * p->hidden;
    for (int64_t k = 0; k < p->in; k++)
        for (int64_t j = 0; j < rows; j++) *to++ = w[j * p->in + k];
    for (int64_t b = 0; b < rows; b += BLOCK)
        for (int64_t k = 0; k < p->hidden; k++)
            for (int64_t j = b; j < b + BLOCK; j++) *to++ = j < rows ? r[j * p->hidden + k] : 0;
}

static void pack_all(const struct syn_recurrent *p, const struct syn_op_call *c, float *to)
{
    const int64_t rows = p->gates * p->hidden;
    for (int32_t d = 0; d < p->dirs; d++, to += direction_floats(p))
        pack_direction(p, (const float *)c->in[SYN_RNN_W].data + d * rows * p->in,
                       (const float *)c->in[SYN_RNN_R].data + d * rows * p->hidden, to);
}

static syn_status recurrent_pack(const struct syn_op_call *c, uint64_t constants, void **packed,
                                 size_t *bytes, struct syn_err *err)
{
    struct syn_recurrent p;
    syn_status st = syn_recurrent_parse(c, &p, err);
    if (st != SYN_OK || !(constants >> SYN_RNN_W & 1) || !(constants >> SYN_RNN_R & 1)) return st;
    *bytes = (size_t)p.dirs * direction_floats(&p) * sizeof(float);
    if (!(*packed = syn_alloc(*bytes))) return syn_fail(err, SYN_NO_MEMORY, "weights: no memory");
    pack_all(&p, c, *packed);
    return SYN_OK;
}

struct layout { /* of scratch, in bytes */
    size_t packed, gates, off, step, total;
};
static struct layout layout_of(const struct syn_recurrent *p, bool packed)
{
    const int64_t rows = p->gates * p->hidden;
    struct layout l = {0};
    l.gates = packed ? 0 : syn_aligned((size_t)p->dirs * direction_floats(p) * sizeof(float));
    l.off = l.gates + syn_aligned((size_t)(p->seq * p->batch * rows) * sizeof(float));
    l.step = l.off + syn_aligned((size_t)p->hidden * sizeof(int64_t));
    l.total =
        l.step + syn_aligned((size_t)(up(rows, BLOCK) + 4 * up(p->hidden, BLOCK)) * sizeof(float));
    return l;
}

static size_t recurrent_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct syn_recurrent p;
    (void)threads;
    return syn_recurrent_parse(c, &p, NULL) == SYN_OK ? layout_of(&p, packed != NULL).total : 0;
}

struct recurrent_run {
    struct syn_recurrent p;
    const struct syn_op_call *c;
    const float *x, *w, *r, *wb, *rb; /* of one direction */
    float *gates;                     /* [seq*batch][rows]: W x + biases */
    int64_t rows;
    cpu_tile_fn *tile;
    cpu_taps_fn *taps;
    cpu_pair_fn *pair; /* NULL: none */
    cpu_step_fn *apply;
    const int64_t *off;
    float *product, *h, *h2, *c_state, *spare;
};

/* Eight steps' W x. */
static void input_task(void *ctx, int64_t task)
{
    const struct recurrent_run *run = ctx;
    const struct syn_recurrent *p = &run->p;
    const int64_t t0 = task * CPU_TILE_ROWS, steps = p->seq * p->batch;
    struct cpu_tile t = {.a = run->x + t0 * p->in,
                         .a_row = p->in,
                         .a_k = 1,
                         .x_k = run->rows,
                         .k = p->in,
                         .y_row = run->rows,
                         .add = true};
    t.rows = (int32_t)(steps - t0 < CPU_TILE_ROWS ? steps - t0 : CPU_TILE_ROWS);
    /* biases first; GRU's R bias of h is inside the reset when that comes late */
    for (int32_t r = 0; r < t.rows; r++) {
        float *g = run->gates + (t0 + r) * run->rows;
        for (int64_t j = 0; j < run->rows; j++) {
            const bool apart = p->gates == 3 && p->linear_before_reset && j >= 2 * p->hidden;
            g[j] = run->wb ? run->wb[j] + (apart ? 0 : run->rb[j]) : 0;
        }
    }
    for (int64_t j = 0; j < run->rows; j += CPU_TILE_COLS) {
        t.x = run->w + j;
        t.y = run->gates + t0 * run->rows + j;
        t.cols = (int32_t)(run->rows - j < CPU_TILE_COLS ? run->rows - j : CPU_TILE_COLS);
        run->tile(&t);
    }
}

/* The part of the hidden numbers that one thread makes, [j, j + m) of n. */
struct part {
    int64_t j, m;
};

/* product of R and h for the part's numbers of gates [first, last). Blocks may begin before the part
 * where that is the whole. */
static void times_state(const struct recurrent_run *run, const float *h, struct part q,
                        int32_t first, int32_t last)
{
    const int64_t n = run->p.hidden;
    for (int32_t g = first; g < last; g++) {
        const int64_t end = g * n + q.j + q.m;
        int64_t b = (g * n + q.j) / BLOCK * BLOCK;
        for (; run->pair && b + BLOCK < end; b += 2 * BLOCK)
            run->pair(h, run->r + b * n, run->r + (b + BLOCK) * n, n, run->product + b,
                      run->product + b + BLOCK);
        for (; b < end; b += BLOCK)
            run->taps(h, run->r + b * n, run->off, n, 0, run->product + b, BLOCK);
    }
}

static const double no_args[2] = {0, 0};
static void act(const struct recurrent_run *run, struct part q, syn_step s, const float *a,
                const float *b, float *y)
{
    run->apply(s, a, b, y, q.m, no_args);
}

/* h -> next, for the part alone; reset before the product needs all of it and is done whole. */
static void gru_step(const struct recurrent_run *run, struct part q, float *gates, const float *h,
                     float *next)
{
    const int64_t n = run->p.hidden;
    float *z = run->product + q.j, *r = z + n, *n_gate = r + n, *x = gates + q.j, *xr = x + n,
          *xh = xr + n;
    times_state(run, h, q, 0, run->p.linear_before_reset ? 3 : 2);
    act(run, q, SYN_STEP_ADD, z, x, x);
    act(run, q, SYN_STEP_SIGMOID, x, NULL, x);
    act(run, q, SYN_STEP_ADD, r, xr, xr);
    act(run, q, SYN_STEP_SIGMOID, xr, NULL, xr);
    if (run->p.linear_before_reset) {
        if (run->rb) act(run, q, SYN_STEP_ADD, n_gate, run->rb + 2 * n + q.j, n_gate);
        act(run, q, SYN_STEP_MUL, n_gate, xr, n_gate);
    } else {
        act(run, q, SYN_STEP_MUL, h, xr, run->spare);
        times_state(run, run->spare, q, 2, 3);
    }
    act(run, q, SYN_STEP_ADD, n_gate, xh, xh);
    act(run, q, SYN_STEP_TANH, xh, NULL, xh);
    act(run, q, SYN_STEP_SUB, h + q.j, xh, next + q.j); /* (1 - z) h' + z h = h' + z (h - h') */
    act(run, q, SYN_STEP_MUL, next + q.j, x, next + q.j);
    act(run, q, SYN_STEP_ADD, next + q.j, xh, next + q.j);
}

static void lstm_step(const struct recurrent_run *run, struct part q, float *gates, const float *h,
                      float *next)
{
    const int64_t n = run->p.hidden;
    float *x = gates + q.j, *cell = run->c_state + q.j, *spare = run->spare + q.j;
    times_state(run, h, q, 0, 4);
    for (int32_t g = 0; g < 4; g++) {
        act(run, q, SYN_STEP_ADD, run->product + g * n + q.j, x + g * n, x + g * n);
        act(run, q, g < 3 ? SYN_STEP_SIGMOID : SYN_STEP_TANH, x + g * n, NULL, x + g * n);
    }
    act(run, q, SYN_STEP_MUL, cell, x + 2 * n, cell);
    act(run, q, SYN_STEP_MUL, x, x + 3 * n, x);
    act(run, q, SYN_STEP_ADD, cell, x, cell);
    act(run, q, SYN_STEP_TANH, cell, NULL, spare);
    act(run, q, SYN_STEP_MUL, spare, x + n, next + q.j);
}

static void begin_state(const struct syn_op_call *c, int32_t i, int64_t at, int64_t n, float *to)
{
    if (syn_ops_given(c, i)) memcpy(to, (const float *)c->in[i].data + at, (size_t)n * sizeof *to);
    else memset(to, 0, (size_t)n * sizeof *to);
}
static bool wants(const struct syn_op_call *c, int32_t o)
{
    return o < c->n_out && c->out[o].shape.rank >= 0;
}

/* All steps of one sequence. A step's state is made in two units, which a thread claims: its own
 * first, so that each core keeps its half of R, then the other where nobody has claimed it. Two
 * threads so share every step; a thread that the system does not run holds nobody up but in the
 * middle of a unit, and one that comes late finds nothing to claim until it has caught up. */
struct sequence {
    struct recurrent_run *run;
    int32_t d, units;
    int64_t b;
    atomic_int threads;             /* that have come */
    _Alignas(64) atomic_llong claimed[2]; /* steps, of each unit */
    _Alignas(64) atomic_llong done[2];
};

static void run_unit(const struct sequence *q, int64_t s, int32_t unit)
{
    const struct recurrent_run *run = q->run;
    const struct syn_recurrent *p = &run->p;
    const struct syn_op_call *c = run->c;
    const struct part part = {p->hidden / q->units * unit, p->hidden / q->units};
    const int64_t t = q->d == 1 || p->reverse ? p->seq - 1 - s : s;
    float *gates = run->gates + (t * p->batch + q->b) * run->rows;
    const float *h = s % 2 ? run->h2 : run->h;
    float *next = s % 2 ? run->h : run->h2;
    if (p->gates == 3) gru_step(run, part, gates, h, next);
    else lstm_step(run, part, gates, h, next);
    if (wants(c, 0))
        memcpy((float *)c->out[0].data + syn_recurrent_y(p, t, q->d, q->b) + part.j, next + part.j,
               (size_t)part.m * sizeof(float));
}

/* Until the unit of step s is done: microseconds, if whoever has it runs. */
static void await(struct sequence *q, int64_t s, int32_t unit)
{
    for (int spins = 0; atomic_load_explicit(&q->done[unit], memory_order_acquire) <= s; spins++) {
        if (spins > 4000) sched_yield();
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
}

static void sequence_task(void *ctx, int64_t task)
{
    struct sequence *q = ctx;
    const int32_t own = atomic_fetch_add(&q->threads, 1) % q->units;
    (void)task;
    for (int64_t s = 0; s < q->run->p.seq; s++) {
        for (int32_t i = 0; i < q->units; i++) {
            const int32_t unit = (own + i) % q->units;
            long long step = s;
            if (!atomic_compare_exchange_strong_explicit(&q->claimed[unit], &step, s + 1,
                                                         memory_order_acquire,
                                                         memory_order_relaxed))
                continue;
            run_unit(q, s, unit);
            atomic_store_explicit(&q->done[unit], s + 1, memory_order_release);
        }
        for (int32_t unit = 0; unit < q->units; unit++) await(q, s, unit);
    }
}

static void run_direction(struct recurrent_run *run, int32_t d, struct syn_pool *pool)
{
    const struct syn_recurrent *p = &run->p;
    const struct syn_op_call *c = run->c;
    const bool halves = pool && syn_pool_threads(pool) >= 2 && p->hidden % (2 * BLOCK) == 0 &&
                        p->seq > 1 && (p->gates == 4 || p->linear_before_reset);
    for (int64_t b = 0; b < p->batch; b++) {
        const int64_t state = syn_recurrent_state(p, d, b);
        struct sequence q = {.run = run, .d = d, .units = halves ? 2 : 1, .b = b};
        const float *last = p->seq % 2 ? run->h2 : run->h;
        begin_state(c, SYN_RNN_H0, state, p->hidden, run->h);
        if (p->gates == 4) begin_state(c, SYN_RNN_C0, state, p->hidden, run->c_state);
        syn_pool_run(pool, q.units, sequence_task, &q);
        if (wants(c, 1))
            memcpy((float *)c->out[1].data + state, last, (size_t)p->hidden * sizeof(float));
        if (wants(c, 2))
            memcpy((float *)c->out[2].data + state, run->c_state,
                   (size_t)p->hidden * sizeof(float));
    }
}

static void recurrent_run(const struct syn_op_call *c, const void *packed, void *scratch,
                          struct syn_pool *pool)
{
    struct recurrent_run run = {.c = c,
                                .x = c->in[SYN_RNN_X].data,
                                .tile = cpu_tile_best(),
                                .taps = cpu_taps_best(),
                                .pair = cpu_pair_best(),
                                .apply = cpu_step_best()};
    const struct syn_recurrent *p = &run.p;
    struct layout l;
    char *base = scratch;
    int64_t *off;
    const float *weights = packed;
    if (syn_recurrent_parse(c, &run.p, NULL) != SYN_OK) return;
    l = layout_of(p, packed != NULL);
    run.rows = p->gates * p->hidden;
    run.gates = (float *)(base + l.gates);
    run.off = off = (int64_t *)(base + l.off);
    run.product = (float *)(base + l.step);
    run.h = run.product + up(run.rows, BLOCK);
    run.c_state = run.h + up(p->hidden, BLOCK);
    run.spare = run.c_state + up(p->hidden, BLOCK);
    run.h2 = run.spare + up(p->hidden, BLOCK);
    for (int64_t k = 0; k < p->hidden; k++) off[k] = k * BLOCK;
    if (!packed) {
        pack_all(p, c, (float *)base);
        weights = (const float *)base;
    }
    for (int32_t d = 0; d < p->dirs; d++, weights += direction_floats(p)) {
        run.w = weights;
        run.r = weights + p->in * run.rows;
        run.wb = syn_ops_given(c, SYN_RNN_B)
                     ? (const float *)c->in[SYN_RNN_B].data + d * 2 * run.rows
                     : NULL;
        run.rb = run.wb ? run.wb + run.rows : NULL;
        syn_pool_run(pool, (p->seq * p->batch + CPU_TILE_ROWS - 1) / CPU_TILE_ROWS, input_task,
                     &run);
        run_direction(&run, d, pool);
    }
}

const struct syn_quick cpu_quick_recurrent = {
    .impl = "recurrent blocks",
    .takes = recurrent_takes,
    .pack = recurrent_pack,
    .scratch = recurrent_scratch,
    .run = recurrent_run,
};
