/* conv_pair.c - a convolution and the depthwise one that alone reads its result, in one step.
 *
 * Why:     networks of inverted residuals widen a picture six times by a 1x1 convolution, only to
 *          convolve each channel by itself. The wide picture is most of what such a network would
 *          write and read, and half of it is made by one core and read by another. Here it exists
 *          as some rows of two channel blocks in the first-level cache of the core that reads them,
 *          and two loops over the pool become one.
 * Mapping: a unit is (picture, strip of output rows, group of two channel blocks), the group
 *          fastest. Rows of the first convolution go to a ring as tall as the second's kernel, one
 *          line a row and block, zeros beside it; rows above and below the picture are one line of
 *          zeros. Strips compute the rows between them twice, so there are as few as keep all
 *          threads equally busy. Each thread owns a piece of scratch and takes units from a count.
 * Memory:  the value between has no bytes. Its root is the first convolution's input, which so
 *          lives until the second has run (place.c, program.c).
 * Numbers: the value between stays f32, which it would else be rounded from: the depthwise kernel
 *          then has nothing to widen, and is a sixth quicker for it even where the lines of a wide
 *          picture leave the first-level cache. With an f32 plan the bits are those of two steps.
 * Tests:   tests/unit/test_cpu_conv_pair.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include <stdatomic.h>
#include <string.h>

struct pair {
    struct cpu_form first, depth;
    cpu_row_fn *row, *depthwise;
    struct cpu_packs *packs;
    struct cpu_pack *pack;
    float *weights; /* of the depthwise one */
    int32_t last_k, n_first, n_depth; /* taps */
    int32_t first_offset[CPU_MAX_TAPS];
    struct cpu_tap depth_tap[CPU_MAX_TAPS];
    int64_t slots, line, left; /* rows of the ring; elements of a line, before its first pixel */
    int64_t strip, strips;
    int32_t threads;
    size_t ring_bytes; /* of a thread */
};

/* --- which ---------------------------------------------------------------------------------- */

/* The only node that reads v; -1 when there are others, or an output is v. */
static int32_t only_reader(const struct syn_graph *g, int32_t v)
{
    int32_t reader = -1;
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; g->node[i].op && k < g->node[i].n_in; k++) {
            if (g->node[i].in[k] != v) continue;
            if (reader >= 0) return -1;
            reader = i;
        }
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (g->output[i] == v) return -1;
    return reader;
}

static bool is_alone(const struct syn_graph *g, const struct syn_place *place, int32_t v)
{
    for (int32_t other = 0; other < g->n_values; other++)
        if ((other == v) != (place[other].root == v)) return false;
    return true;
}

/* The row kernels make v, and nothing else would. */
static bool makes_rows(const struct cpu_self *self, const struct syn_placement *p,
                       const struct syn_place *place, int32_t node)
{
    const struct syn_node *n = &p->g->node[node];
    const struct syn_place *x;
    bool bf16;
    if (!n->op || n->id != SYN_OP_CONV) return false;
    for (int32_t k = SYN_CONV_RES1; k < n->n_in; k++)
        if (n->in[k] >= 0) return false; /* they would have to live as long as x */
    x = &place[n->in[SYN_CONV_X]];
    bf16 = x->dtype == SYN_BF16;
    return x->block > 1 && cpu_conv_direct_takes(self, p, node, bf16) &&
           !cpu_conv_wino_takes(self, p, node, bf16) && !cpu_conv_few_takes(self, p, node, bf16);
}

void cpu_conv_pair_place(const struct cpu_self *self, const struct syn_placement *p,
                         struct syn_place *place)
{
    const struct syn_graph *g = p->g;
    for (int32_t i = 0; p->pairs && i < g->n_nodes; i++) {
        const int32_t v = g->node[i].op && g->node[i].id == SYN_OP_CONV ? g->node[i].out[0] : -1,
                      reader = v >= 0 ? only_reader(g, v) : -1;
        if (reader < 0 || place[v].block != CPU_BLOCK || !makes_rows(self, p, place, i) ||
            !is_alone(g, place, v) || g->node[reader].id != SYN_OP_CONV ||
            g->node[reader].in[SYN_CONV_X] != v ||
            !cpu_conv_depth_takes(self, p, reader,
                                  place[g->node[reader].out[0]].dtype == SYN_BF16))
            continue;
        place[v] = (struct syn_place){.root = place[g->node[i].in[SYN_CONV_X]].root,
                                      .block = CPU_BLOCK,
                                      .dtype = SYN_F32,
                                      .passing = true};
    }
}

/* --- running -------------------------------------------------------------------------------- */

struct pair_run {
    const struct pair *d;
    struct cpu_form_run first, depth;
    uint8_t *scratch;
    atomic_llong next;
};
struct unit {
    int64_t n, begin, end; /* output rows */
    int32_t group, n_blocks;
    float *ring; /* [slots, and one of zeros][2 blocks][line] */
    struct cpu_row make, read[2]; /* the next rows of either */
    int32_t offset[CPU_MAX_TAPS]; /* of the second's taps in the ring */
};

/* What all rows of the unit share. Channels' rows are made together, read by block. */
static void begin_unit(const struct pair_run *r, struct unit *u)
{
    const struct pair *d = r->d;
    const struct cpu_form *f = &d->first;
    const struct syn_place *x = &f->place[f->x];
    struct cpu_row *k = &u->make;
    u->n_blocks = d->depth.y_blocks - 2 * u->group < 2 ? 1 : 2;
    *k = cpu_form_row(f, &r->first, u->n, u->group, 0, 0);
    k->x_pixel = f->c.stride_w * x->block;
    k->x_block = x->stride_c;
    k->n_blocks = (int32_t)f->x_blocks;
    k->last_k = d->last_k;
    k->tap_offset = d->first_offset;
    k->n_taps = d->n_first;
    k->w = (const uint8_t *)d->pack->data +
           u->group * cpu_pack_group_elements(&f->c, f->bf16, d->n_first, 2) *
               (int64_t)syn_dtype_bytes(x->dtype);
    k->cols = f->c.wo;
    k->y_block = d->line;
    for (int32_t b = 0; b < u->n_blocks; b++) {
        const int64_t block = 2 * (int64_t)u->group + b;
        k = &u->read[b];
        *k = cpu_form_block_row(&d->depth, &r->depth, u->n, block, u->begin, 0);
        k->n_out = 1;
        k->x_f32 = true;
        k->x = u->ring + b * d->line;
        k->x_pixel = d->depth.c.stride_w * CPU_BLOCK;
        k->tap_offset = u->offset;
        k->n_taps = d->n_depth;
        k->w = d->weights + block * d->n_depth * CPU_BLOCK;
        k->cols = d->depth.c.wo;
    }
}

/* Row y of the first convolution into its slot. */
static void make_row(const struct pair_run *r, struct unit *u, int64_t y)
{
    const struct pair *d = r->d;
    const struct syn_place *x = &d->first.place[d->first.x];
    u->make.x = r->first.x + cpu_row_at(x, u->n, 0, y * d->first.c.stride_h) *
                                 (int64_t)syn_dtype_bytes(x->dtype);
    u->make.y = u->ring + y % d->slots * 2 * d->line + d->left;
    d->row(&u->make);
}

/* Output row oy, both blocks; the rows that it reads are in their slots. */
static void depth_row(const struct pair_run *r, struct unit *u, int64_t oy)
{
    const struct pair *d = r->d;
    const struct cpu_form *f = &d->depth;
    for (int32_t t = 0; t < d->n_depth; t++) {
        const int64_t y = oy * f->c.stride_h + d->depth_tap[t].dy,
                      slot = y < 0 || y >= f->c.h ? d->slots : y % d->slots;
        u->offset[t] = (int32_t)(slot * 2 * d->line + d->left + d->depth_tap[t].dx * CPU_BLOCK);
    }
    for (int32_t b = 0; b < u->n_blocks; b++) {
        d->depthwise(&u->read[b]);
        cpu_form_go_down(f, &u->read[b], 1);
        cpu_zero_frame(&f->place[f->y], &f->y_shape, r->depth.y, u->n, 2 * (int64_t)u->group + b,
                       oy);
    }
}

static void run_unit(const struct pair_run *r, struct unit *u)
{
    const struct syn_conv *c = &r->d->depth.c;
    int64_t made = 0; /* rows before this one are in the ring, or no longer wanted */
    begin_unit(r, u);
    for (int64_t oy = u->begin; oy < u->end; oy++) {
        const int64_t top = oy * c->stride_h - c->top, end = top + r->d->slots;
        for (made = made < top ? top : made; made < end && made < c->h; made++)
            make_row(r, u, made);
        depth_row(r, u, oy);
    }
}

static void pair_worker(void *ctx, int64_t worker)
{
    struct pair_run *r = ctx;
    const struct pair *d = r->d;
    const int64_t units = d->depth.c.n * d->strips * d->first.n_groups;
    struct unit u = {.ring = (float *)(void *)(r->scratch + (size_t)worker * d->ring_bytes)};
    int64_t i = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
    if (i < units) memset(u.ring, 0, d->ring_bytes);
    for (; i < units; i = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed)) {
        u.group = (int32_t)(i % d->first.n_groups);
        u.begin = i / d->first.n_groups % d->strips * d->strip;
        u.end = u.begin + d->strip < d->depth.c.ho ? u.begin + d->strip : d->depth.c.ho;
        u.n = i / d->first.n_groups / d->strips;
        run_unit(r, &u);
    }
}

static void pair_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct pair *d = k->state;
    struct pair_run run = {.d = d,
                           .first = cpu_form_at(&d->first, r),
                           .depth = cpu_form_at(&d->depth, r),
                           .scratch = r->scratch};
    atomic_init(&run.next, 0);
    syn_pool_run(r->pool, d->threads, pair_worker, &run);
}

/* --- preparing ------------------------------------------------------------------------------ */

static void pair_free(void *state)
{
    struct pair *d = state;
    if (!d) return;
    cpu_packs_release(d->packs, d->pack);
    cpu_form_deinit(&d->first);
    cpu_form_deinit(&d->depth);
    syn_free(d->weights);
    syn_free(d);
}

/* Of 1, 2, 4... strips the number that leaves the busiest thread the fewest rows of the first
 * convolution, those between strips included; but two units for each thread where there can be, so
 * that one that is held up does not hold up the other for long. */
static void cut_strips(struct pair *d)
{
    const struct syn_conv *c = &d->depth.c;
    const int64_t blocks = c->n * d->first.y_blocks, threads = d->threads,
                  between = d->slots > c->stride_h ? d->slots - c->stride_h : 0;
    int64_t best = INT64_MAX;
    d->strip = c->ho;
    for (int64_t n = 1; n <= c->ho && (n == 1 || c->ho / n >= 4); n *= 2) {
        const int64_t strip = (c->ho + n - 1) / n,
                      each = (blocks * n + 2 * threads - 1) / (2 * threads),
                      rows = each * (strip * c->stride_h + between);
        if (rows >= best && c->n * d->first.n_groups * n / 2 >= 2 * threads) break;
        if (rows < best || c->n * d->first.n_groups * n / 2 < 2 * threads) d->strip = strip;
        best = rows < best ? rows : best;
    }
    d->strips = (c->ho + d->strip - 1) / d->strip;
}

static syn_status lay_out(struct pair *d, struct syn_err *err)
{
    const struct syn_place *x = &d->first.place[d->first.x];
    const struct syn_conv *c = &d->depth.c;
    const int64_t reach = (c->wo - 1) * c->stride_w + (c->kw - 1) * c->dil_w - c->left,
                  cols = reach + 1 > c->w ? reach + 1 : c->w;
    struct cpu_tap tap[CPU_MAX_TAPS];
    d->slots = (c->kh - 1) * c->dil_h + 1;
    d->left = c->left * CPU_BLOCK;
    d->line = d->left + cols * CPU_BLOCK;
    if ((d->slots + 1) * 2 * d->line > INT32_MAX)
        return syn_fail(err, SYN_TOO_LARGE, "conv: rows over 2^31 numbers");
    d->ring_bytes = syn_aligned((size_t)((d->slots + 1) * 2 * d->line) * sizeof(float));
    d->n_depth = cpu_conv_taps(c, 0, 0, d->depth_tap);
    d->n_first = cpu_conv_taps(&d->first.c, 0, 0, tap);
    d->last_k = cpu_last_k(&d->first.c, d->first.bf16);
    for (int32_t t = 0; t < d->n_first; t++) {
        const int64_t at = tap[t].dy * x->stride_y + tap[t].dx * (int64_t)x->block;
        if (at != (int32_t)at)
            return syn_fail(err, SYN_TOO_LARGE, "conv: rows over 2^31 numbers");
        d->first_offset[t] = (int32_t)at;
    }
    cut_strips(d);
    return SYN_OK;
}

syn_status cpu_conv_pair_prepare(struct cpu_self *self, const struct syn_placement *p,
                                 const struct syn_place *place, int32_t node, struct syn_kernel *k,
                                 struct syn_err *err)
{
    const struct syn_graph *g = p->g;
    const struct syn_node *n = &g->node[node];
    const int32_t producer = g->value[n->in[SYN_CONV_X]].producer;
    struct pair *d = syn_calloc(1, sizeof *d);
    syn_status st;
    if (!d) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    d->packs = self->packs;
    d->threads = self->threads;
    if ((st = cpu_form_init(&d->first, p, place, producer, err)) != SYN_OK) goto done;
    if ((st = cpu_form_init(&d->depth, p, place, node, err)) != SYN_OK) goto done;
    d->row = d->first.bf16 ? self->bf16.row : self->f32.row;
    /* what it writes decides; it reads f32 lines */
    d->depthwise =
        place[n->out[0]].dtype == SYN_BF16 ? self->bf16.depthwise : self->f32.depthwise;
    if ((st = lay_out(d, err)) != SYN_OK || p->dry) goto done;
    st = cpu_pack_get(self, &d->first.c, &g->value[g->node[producer].in[SYN_CONV_W]],
                      d->first.bf16, &d->pack, err);
    if (st == SYN_OK)
        st = cpu_depth_weights(&d->depth.c, &g->value[n->in[SYN_CONV_W]], &d->weights, err);
done:
    if (st != SYN_OK) {
        pair_free(d);
        return st;
    }
    k->impl = d->first.bf16 ? "conv + depthwise avx512_bf16" : "conv + depthwise avx512";
    k->run = pair_run;
    k->free = pair_free;
    k->state = d;
    k->scratch_bytes = (size_t)d->threads * d->ring_bytes;
    k->weight_bytes = (d->pack ? d->pack->bytes : 0) + cpu_depth_weight_bytes(&d->depth.c);
    return SYN_OK;
}
