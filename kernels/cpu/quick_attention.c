/* quick_attention.c - Attention and the fused ATTEND on dense f32, block by block: no score is kept
 * longer than it takes to weigh its value.
 *
 * Order:   a task takes up to 48 queries that share keys and values (of several heads where heads
 *          share them) and goes through the keys 128 at a time: scores of the block by tiles
 *          (tile.h), transposed, so that keys and values are read where they lie whatever their
 *          strides; the softmax step with running maxima and sums (attend.h); then values times
 *          weights are added to the result so far, which a rise of the maxima first makes smaller.
 *          Up to three queries go by rows instead: columns would leave registers empty.
 * Memory:  per thread (size + 1 + 2 * 128) * 48 + (v_size + 15) * (48 + 128) + 4 * (size + 1)
 *          floats and 2 KiB, whatever the number of keys and queries; present_key and
 *          present_value are outputs anyway.
 * bf16:    where the call allows it (c->bf16) and the CPU has it: queries, keys, weights and values
 *          are rounded and taken in pairs, sums are f32; scores, softmax and its sums as with f32.
 * NaN:     a row that comes out other than finite is computed again as the references do
 *          (syn_attend_row), so that rows of masks and rules for NaN are theirs.
 * Left to the reference: other types than f32, scores as an output, a past without both presents.
 * Tests:   tests/unit/test_attention.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/attend.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/attend.h"
#include "kernels/ops/check.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define QUERIES CPU_ATTEND_QUERIES
#define KEYS CPU_ATTEND_KEYS
#define FEW 3
#define SMALL ((int64_t)1 << 16) /* products; less is not worth a second thread */

/* --- a run ------------------------------------------------------------------------------------ */

struct slot { /* of one thread, in scratch; rows of 48 floats */
    float *q;    /* [size][48], times the scale; one row more */
    float *s;    /* [128][48] */
    float *mask; /* [128][48] */
    float *v;    /* [128][columns]: values of the block */
    float *k;    /* [8][pairs]: bf16 keys of a tile */
    float *y;    /* [48][columns] */
    float most[QUERIES], sum[QUERIES], shrink[QUERIES], lo[QUERIES], hi[QUERIES];
};

struct attention_run {
    struct syn_attend a;
    struct syn_attend_data d;
    bool bf16;
    int64_t joined, outer, panels; /* batches that share keys and values; the rest; of 48 queries */
    uint8_t *scratch;
    size_t slot_bytes;
    cpu_tile_fn *tile;
    const struct cpu_attend *f;
    atomic_llong next; /* unit of work that nobody has taken */
};

struct unit {
    int32_t cols, padded; /* queries, and rounded up to 16 */
    bool few;             /* so few that rows go better than columns */
    bool bf16;
    int64_t row[QUERIES], first, last; /* of the result's matrix; keys that any of them sees */
    int64_t lo[QUERIES], hi[QUERIES];
    struct syn_attend_at at[QUERIES];
};

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Of values and results: whole registers. */
static int64_t columns_of(const struct syn_attend *a) { return up(a->v_size, 16) * 16; }

static size_t slot_bytes(const struct syn_attend *a)
{
    const size_t row = QUERIES * sizeof(float);
    return syn_aligned(sizeof(struct slot)) + syn_aligned((size_t)(a->size + 1) * row) + 2 * KEYS * row +
           (size_t)columns_of(a) * (QUERIES + KEYS) * sizeof(float) +
           syn_aligned((size_t)(CPU_TILE_ROWS * up(a->size, 2)) * sizeof(float));
}

static struct slot *slot_of(const struct attention_run *r, int64_t i)
{
    const size_t row = QUERIES * sizeof(float);
    uint8_t *at = r->scratch + (size_t)i * r->slot_bytes;
    struct slot *s = (struct slot *)at;
    s->q = (float *)(at += syn_aligned(sizeof *s));
    s->s = (float *)(at += syn_aligned((size_t)(r->a.size + 1) * row));
    s->mask = (float *)(at += KEYS * row);
    s->v = (float *)(at += KEYS * row);
    s->y = s->v + KEYS * columns_of(&r->a);
    s->k = s->y + QUERIES * columns_of(&r->a);
    return s;
}

/* The last batch dimensions along which keys and values stay. */
static int64_t joined_of(const struct syn_attend *a)
{
    int64_t n = 1;
    for (int32_t d = a->rank - 1; d >= 0; d--) {
        if (a->dim[d] != 1 && (a->k_step[d] || a->v_step[d])) break;
        n *= a->dim[d];
    }
    return n;
}

static void read_unit(const struct attention_run *r, int64_t index, struct unit *u)
{
    const struct syn_attend *a = &r->a;
    const int64_t outer = index / r->panels, from = index % r->panels * QUERIES;
    u->cols = (int32_t)least(r->joined * a->queries - from, QUERIES);
    u->padded = (int32_t)up(u->cols, 16) * 16;
    u->few = u->cols <= FEW && a->k_col == 1;
    u->bf16 = r->bf16 && !u->few && a->k_col == 1;
    u->first = a->keys, u->last = 0;
    for (int32_t c = 0; c < u->cols; c++) {
        u->row[c] = (from + c) % a->queries;
        if (c == 0 || u->row[c] == 0)
            u->at[c] = syn_attend_at(a, outer * r->joined + (from + c) / a->queries);
        else u->at[c] = u->at[c - 1];
        syn_attend_range(a, &u->at[c], u->row[c], &u->lo[c], &u->hi[c]);
        if (u->lo[c] == u->hi[c]) continue;
        u->first = least(u->first, u->lo[c]);
        if (u->hi[c] > u->last) u->last = u->hi[c];
    }
}

static void pack_queries(const struct attention_run *r, const struct unit *u, struct slot *s)
{
    const struct syn_attend *a = &r->a;
    const float factor = (float)a->scale;
    const float *from[QUERIES];
    for (int32_t c = 0; c < u->padded; c++) /* the last one again and again */
        from[c] = c < u->cols ? (const float *)r->d.q->data + u->at[c].q + u->row[c] * a->q_row
                              : from[c - 1];
    if (u->few) /* rows, as they are */
        for (int32_t c = 0; c < u->cols; c++)
            for (int64_t k = 0; k < a->size; k++)
                s->q[c * a->size + k] = from[c][k * a->q_col] * factor;
    else if (a->q_col == 1) r->f->turn(from, u->padded, a->size, factor, s->q);
    else
        for (int32_t c = 0; c < u->padded; c++)
            for (int64_t k = 0; k < a->size; k++)
                s->q[k * QUERIES + c] = from[c][k * a->q_col] * factor;
}

/* Rows 2i and 2i + 1 of x, `row` apart, become row i of words; of an odd number the last goes with
 * `beyond`. to may be x. */
static void pair_rows(const float *x, int64_t row, int64_t rows, const float *beyond, float *to,
                      int64_t to_row, int64_t n)
{
    for (int64_t i = 0; 2 * i < rows; i++)
        cpu_pair_bf16(x + 2 * i * row, 2 * i + 1 < rows ? x + (2 * i + 1) * row : beyond,
                      to + i * to_row, n);
}

/* --- masks ------------------------------------------------------------------------------------ */

/* One mask row serves all queries of the unit. */
static bool one_mask_row(const struct attention_run *r, const struct unit *u)
{
    if (r->a.mask_row != 0 && r->a.queries > 1) return false;
    for (int32_t c = 1; c < u->cols; c++)
        if (u->at[c].mask != u->at[0].mask) return false;
    return true;
}

/* Keys [0, n) of one query's mask, in `to` where they are not floats side by side: what is added,
 * or 1 where the score is to be replaced. */
static const float *mask_row(const struct attention_run *r, int64_t at, int32_t n, bool replaces,
                             float *to)
{
    const struct syn_attend *a = &r->a;
    const bool drop = a->mask == SYN_ATTEND_DROP;
    const float gone = replaces ? 1 : -INFINITY;
    if (a->mask == SYN_ATTEND_ADD) {
        const float *m = (const float *)r->d.mask->data + at;
        if (a->mask_col == 1) return m;
        for (int32_t j = 0; j < n; j++) to[j] = m[j * a->mask_col];
    } else {
        const uint8_t *m = (const uint8_t *)r->d.mask->data + at;
        for (int32_t j = 0; j < n; j++) to[j] = (m[j * a->mask_col] != 0) == drop ? gone : 0;
    }
    return to;
}

static void read_mask(const struct attention_run *r, const struct unit *u, struct slot *s,
                      int64_t j, struct cpu_attend_block *b)
{
    const struct syn_attend *a = &r->a;
    float rows[16][KEYS];
    b->replaces = a->mask != SYN_ATTEND_ADD && a->fill != -INFINITY;
    b->fill = (float)a->fill;
    b->mask_per_key = one_mask_row(r, u);
    b->mask = s->mask;
    if (b->mask_per_key)
        b->mask = mask_row(r, u->at[0].mask + j * a->mask_col, b->keys, b->replaces, s->mask);
    for (int32_t c = 0; !b->mask_per_key && c < u->padded; c += 16) {
        const float *from[16];
        for (int32_t i = 0; i < 16; i++) {
            const int32_t q = c + i < u->cols ? c + i : u->cols - 1;
            from[i] = mask_row(r, u->at[q].mask + u->row[q] * a->mask_row + j * a->mask_col,
                               b->keys, b->replaces, rows[i]);
        }
        r->f->turn(from, 16, b->keys, 1, s->mask + c);
    }
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void score_block(const struct attention_run *r, const struct unit *u, struct slot *s,
                        int64_t j, int32_t n)
{
    const struct syn_attend *a = &r->a;
    const float *k = (const float *)r->d.k->data + u->at[0].k + j * a->k_row;
    struct cpu_tile t = {.a_row = a->k_row, .a_k = a->k_col, .x = s->q, .x_k = QUERIES,
                         .k = a->size, .y_row = QUERIES, .cols = u->padded};
    for (int32_t c = 0; u->few && c < u->cols; c++)
        r->f->dots(s->q + c * a->size, k, a->k_row, n, a->size, s->s + c);
    if (u->few) return;
    if (u->bf16) t.a_row = t.k = up(a->size, 2);
    for (int32_t i = 0; i < n; i += CPU_TILE_ROWS) {
        t.rows = (int32_t)least(n - i, CPU_TILE_ROWS);
        t.a = u->bf16 ? s->k : k + i * a->k_row;
        t.y = s->s + i * QUERIES;
        for (int32_t l = 0; u->bf16 && l < t.rows; l++)
            cpu_join_bf16(k + (i + l) * a->k_row, s->k + l * t.k, a->size);
        (u->bf16 ? cpu_tile_bf16() : r->tile)(&t);
    }
}

/* False where every query of the unit sees all of the block. */
static bool read_ranges(const struct unit *u, struct slot *s, int64_t j, int32_t n)
{
    bool needed = false;
    for (int32_t c = 0; c < u->padded; c++) {
        const int64_t lo = c < u->cols ? u->lo[c] - j : 0, hi = c < u->cols ? u->hi[c] - j : n;
        needed |= lo > 0 || hi < n;
        s->lo[c] = (float)(lo > n ? n : lo < 0 ? 0 : lo);
        s->hi[c] = (float)(hi > n ? n : hi < 0 ? 0 : hi);
    }
    return needed;
}

/* Values as whole aligned registers, which a tile reads many times: as they lie, or a copy. */
static const float *aligned_values(const struct syn_attend *a, const float *v, struct slot *s,
                                   int32_t n, int64_t *row)
{
    const int64_t columns = columns_of(a);
    *row = a->v_row;
    if ((uintptr_t)v % 64 == 0 && a->v_row % 16 == 0 && a->v_size == columns) return v;
    for (int32_t i = 0; i < n; i++)
        memcpy(s->v + i * columns, v + i * a->v_row, (size_t)a->v_size * sizeof *v);
    *row = columns;
    return s->v;
}

static void weigh_block(const struct attention_run *r, const struct unit *u, struct slot *s,
                        int64_t j, int32_t n, bool first, bool shrinks)
{
    const struct syn_attend *a = &r->a;
    const int64_t columns = columns_of(a);
    struct cpu_tile t = {.a_row = 1, .a_k = QUERIES, .k = n, .y_row = columns, .add = !first};
    const float *v = (const float *)r->d.v->data + u->at[0].v + j * a->v_row, *values;
    if (first && u->few) memset(s->y, 0, (size_t)(u->cols * columns) * sizeof *v);
    for (int32_t c = 0; u->few && c < u->cols; c++)
        r->f->weigh(s->s + c, v, a->v_row, n, a->v_size, s->shrink[c], s->y + c * columns);
    if (u->few) return;
    if (u->bf16) { /* a value without a partner goes with itself, at a weight of 0 */
        memset(s->mask, 0, QUERIES * sizeof(float));
        pair_rows(s->s, QUERIES, n, s->mask, s->s, QUERIES, u->padded);
        pair_rows(v, a->v_row, n, v + (n - 1) * a->v_row, s->v, columns, a->v_size);
        values = s->v, t.x_k = columns, t.k = up(n, 2);
    } else values = aligned_values(a, v, s, n, &t.x_k);
    for (int32_t c = 0; shrinks && !first && c < u->cols; c++)
        if (s->shrink[c] != 1)
            r->f->scale(s->y + c * columns, s->shrink[c], s->y + c * columns, columns);
    for (int64_t x = 0; x < columns; x += CPU_TILE_COLS)
        for (int32_t c = 0; c < u->cols; c += CPU_TILE_ROWS) {
            t.a = s->s + c;
            t.x = values + x;
            t.y = s->y + c * columns + x;
            t.rows = (int32_t)least(u->cols - c, CPU_TILE_ROWS);
            t.cols = (int32_t)least(columns - x, CPU_TILE_COLS);
            (u->bf16 ? cpu_tile_bf16() : r->tile)(&t);
        }
}

/* The result's rows: divided by the sums. Those that are not finite, by the reference. */
static void write_rows(const struct attention_run *r, const struct unit *u, const struct slot *s)
{
    const struct syn_attend *a = &r->a;
    for (int32_t c = 0; c < u->cols; c++) {
        float *y = (float *)r->d.y->data + u->at[c].y + u->row[c] * a->y_row;
        if (a->zero_unseen && s->sum[c] == 0) { /* it sees nothing */
            memset(y, 0, (size_t)a->v_size * sizeof *y);
            continue;
        }
        if (!r->f->scale(s->y + c * columns_of(a), 1 / s->sum[c], y, a->v_size))
            syn_attend_row(a, &r->d, &u->at[c], u->row[c]);
    }
}

static void one_unit(const struct attention_run *r, int64_t index, struct slot *s)
{
    struct unit u;
    bool first = true;
    read_unit(r, index, &u);
    memset(s->q + r->a.size * QUERIES, 0, QUERIES * sizeof(float));
    for (int32_t c = 0; c < u.padded; c++) s->most[c] = -INFINITY, s->sum[c] = 0;
    pack_queries(r, &u, s);
    if (u.bf16)
        pair_rows(s->q, QUERIES, r->a.size, s->q + r->a.size * QUERIES, s->q, QUERIES, u.padded);
    for (int64_t j = u.first; j < u.last; j += KEYS, first = false) {
        struct cpu_attend_block b = {.s = s->s, .cols = u.padded, .most = s->most, .sum = s->sum,
                                     .shrink = s->shrink, .softcap = (float)r->a.softcap};
        b.keys = (int32_t)least(u.last - j, KEYS);
        score_block(r, &u, s, j, b.keys);
        if (r->a.mask) read_mask(r, &u, s, j, &b);
        if (read_ranges(&u, s, j, b.keys)) b.lo = s->lo, b.hi = s->hi;
        weigh_block(r, &u, s, j, b.keys, first, r->f->step(&b));
    }
    write_rows(r, &u, s);
}

static void attention_task(void *ctx, int64_t task)
{
    struct attention_run *r = ctx;
    struct slot *s = slot_of(r, task);
    for (int64_t i; (i = atomic_fetch_add(&r->next, 1)) < r->outer * r->panels;) one_unit(r, i, s);
}

/* --- present_key, present_value --------------------------------------------------------------- */

struct present_run {
    const struct syn_op_call *c;
    int32_t o; /* 1 or 2 */
    int64_t heads;
};

/* One head of one batch: what was there before, then what is new. */
static void present_task(void *ctx, int64_t task)
{
    const struct present_run *p = ctx;
    const struct syn_tensor *to = &p->c->out[p->o], *new = &p->c->in[p->o],
                            *past = &p->c->in[p->o + 3];
    const int64_t rows = to->shape.dim[2], size = to->shape.dim[3],
                  old = syn_ops_given(p->c, p->o + 3) ? past->shape.dim[2] : 0;
    const bool flat = new->shape.rank == 3;
    const int64_t fresh = rows - old, row = flat ? p->heads * size : size;
    const float *x = (const float *)new->data +
                     (flat ? task / p->heads * fresh * row + task % p->heads * size
                           : task * fresh * size);
    float *y = (float *)to->data + task * rows * size;
    if (old)
        memcpy(y, (const float *)past->data + task * old * size, (size_t)(old * size) * sizeof *y);
    for (int64_t j = 0; j < fresh; j++)
        memcpy(y + (old + j) * size, x + j * row, (size_t)size * sizeof *y);
}

static void write_presents(const struct syn_op_call *c, struct syn_pool *pool)
{
    for (int32_t o = 1; o <= 2 && o < c->n_out; o++) {
        struct present_run p = {c, o, 0};
        if (c->out[o].shape.rank < 0) continue;
        p.heads = c->out[o].shape.dim[1];
        syn_pool_run(pool, c->out[o].shape.dim[0] * p.heads, present_task, &p);
    }
}

/* --- the quick version ------------------------------------------------------------------------ */

static bool read_call(const struct syn_op_call *c, struct syn_attend *a, struct syn_attend_data *d)
{
    return c->op == &syn_op_attend ? syn_attend_read(c, a, d) : syn_attention_read(c, a, d);
}

static bool wanted(const struct syn_op_call *c, int32_t o)
{
    return c->n_out > o && c->out[o].shape.rank >= 0;
}

/* Attention's other outputs and its lengths. */
static bool extras_taken(const struct syn_op_call *c, const struct syn_attend *a)
{
    const bool past = syn_ops_given(c, 4);
    if (wanted(c, 3) || (past && (!wanted(c, 1) || !wanted(c, 2)))) return false;
    if (past && (c->in[4].dtype != SYN_F32 || c->in[5].dtype != SYN_F32)) return false;
    if (!a->lengths) return true;
    if (!a->lengths->data) return false;
    for (int64_t b = 0; b < a->lengths->shape.dim[0]; b++) {
        const int64_t n = a->lengths->dtype == SYN_I64 ? ((const int64_t *)a->lengths->data)[b]
                                                       : ((const int32_t *)a->lengths->data)[b];
        if (n < 0 || n > a->keys) return false; /* the reference says what is wrong */
    }
    return true;
}

static bool attention_takes(const struct syn_op_call *c)
{
    struct syn_attend a;
    struct syn_attend_data d;
    for (int32_t i = 0; i < 3; i++)
        if (c->in[i].dtype != SYN_F32) return false;
    if (!read_call(c, &a, &d)) return false;
    if (a.mask == SYN_ATTEND_ADD && d.mask->dtype != SYN_F32) return false;
    if (c->op != &syn_op_attend && !extras_taken(c, &a)) return false;
    return a.v_col == 1 && a.y_col == 1 && a.batches > 0 && a.queries > 0 && a.keys > 0 &&
           a.size > 0 && a.v_size > 0;
}

static size_t attention_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct syn_attend a;
    struct syn_attend_data d;
    (void)packed;
    return read_call(c, &a, &d) ? slot_bytes(&a) * (size_t)threads : 0;
}

static void attention_run(const struct syn_op_call *c, const void *packed, void *scratch,
                          struct syn_pool *pool)
{
    struct attention_run r = {
        .scratch = scratch, .tile = cpu_tile_best(), .f = cpu_attend_best()};
    int64_t threads = pool ? syn_pool_threads(pool) : 1;
    (void)packed;
    if (!read_call(c, &r.a, &r.d)) return;
    if (c->op != &syn_op_attend) write_presents(c, pool);
    r.bf16 = c->bf16 && cpu_tile_bf16() != NULL;
    r.joined = joined_of(&r.a);
    r.outer = r.a.batches / r.joined;
    r.panels = up(r.joined * r.a.queries, QUERIES);
    r.slot_bytes = slot_bytes(&r.a);
    if (r.a.batches * r.a.queries * r.a.keys * (r.a.size + r.a.v_size) < SMALL) threads = 1;
    syn_pool_run(threads > 1 ? pool : NULL, threads, attention_task, &r);
}

const struct syn_quick cpu_quick_attention = {.impl = "attention blocks",
                                              .takes = attention_takes,
                                              .scratch = attention_scratch,
                                              .run = attention_run};
