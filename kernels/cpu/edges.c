/* edges.c - PAD and the poolings on values in blocks of 16 channels.
 *
 * PAD: where its operand already lies inside its result (place.c), only the border is written; else
 *      the operand's rows are copied first. The border's columns come from the same row, the
 *      border's rows from whole rows.
 * Pools: one output row at a time, taps inside the picture alone (pads never win, and are not
 *      counted unless asked).
 * Tests:   tests/unit/test_cpu_edges.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include "kernels/ops/ops.h"
#include <math.h>
#include <string.h>

/* --- pad -------------------------------------------------------------------------------------- */

struct pad {
    const struct syn_place *place;
    int32_t in, out;
    struct syn_shape x_shape, y_shape;
    int64_t top, left, bottom, right;
    int32_t mode;
    float value;
    bool inside; /* the operand lies in the result */
};
struct pad_run {
    const struct pad *s;
    const uint8_t *x;
    uint8_t *y;
};

/* Where pixel i of a padded axis comes from; -1: the constant. */
static int64_t source(int32_t mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n) return i;
    if (mode == SYN_PAD_CONSTANT) return -1;
    if (mode == SYN_PAD_REPLICATE) return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i;
}

static void fill(const struct pad_run *run, int64_t at, int64_t pixels)
{
    const struct syn_place *out = &run->s->place[run->s->out];
    float v[CPU_BLOCK];
    for (int l = 0; l < out->block; l++) v[l] = run->s->value;
    for (int64_t i = 0; i < pixels; i++)
        cpu_row_write(out, run->y, at + i * out->block, out->block, v);
}

static void copy_pixels(const struct pad_run *run, int64_t to, int64_t from, int64_t pixels)
{
    const struct syn_place *out = &run->s->place[run->s->out];
    const size_t size = syn_dtype_bytes(out->dtype) * (size_t)out->block;
    memcpy(run->y + (size_t)to * syn_dtype_bytes(out->dtype),
           run->y + (size_t)from * syn_dtype_bytes(out->dtype), (size_t)pixels * size);
}

/* The operand's row y into its place, unless it is there. */
static void bring_row(const struct pad_run *run, int64_t n, int64_t cb, int64_t y)
{
    const struct pad *s = run->s;
    const struct syn_place *in = &s->place[s->in], *out = &s->place[s->out];
    const int64_t to = cpu_row_at(out, n, cb, y + s->top) + s->left * out->block,
                  count = s->x_shape.dim[3] * out->block, from = cpu_row_at(in, n, cb, y);
    const size_t size = syn_dtype_bytes(out->dtype);
    float piece[CPU_CHUNK];
    if (s->inside) return;
    if (in->dtype == out->dtype) {
        memcpy(run->y + (size_t)to * size, run->x + (size_t)from * size, (size_t)count * size);
        return;
    }
    for (int64_t i = 0; i < count; i += CPU_CHUNK) {
        const int64_t m = count - i < CPU_CHUNK ? count - i : CPU_CHUNK;
        cpu_row_read(in, run->x, from + i, m, piece);
        cpu_row_write(out, run->y, to + i, m, piece);
    }
}

static void pad_columns(const struct pad_run *run, int64_t row)
{
    const struct pad *s = run->s;
    const int64_t block = s->place[s->out].block, w = s->x_shape.dim[3];
    for (int64_t i = 0; i < s->left + s->right; i++) {
        const int64_t x = i < s->left ? i - s->left : w + i - s->left, from = source(s->mode, x, w);
        if (from < 0) fill(run, row + (x + s->left) * block, 1);
        else copy_pixels(run, row + (x + s->left) * block, row + (from + s->left) * block, 1);
    }
}

static void pad_task(void *ctx, int64_t task)
{
    const struct pad_run *run = ctx;
    const struct pad *s = run->s;
    const struct syn_place *out = &s->place[s->out];
    const int64_t blocks = cpu_blocks(out, &s->y_shape), n = task / blocks, cb = task % blocks,
                  h = s->x_shape.dim[2], width = s->y_shape.dim[3];
    for (int64_t y = 0; y < h; y++) {
        bring_row(run, n, cb, y);
        pad_columns(run, cpu_row_at(out, n, cb, y + s->top));
    }
    for (int64_t y = -s->top; y < h + s->bottom; y++) {
        const int64_t from = source(s->mode, y, h), row = cpu_row_at(out, n, cb, y + s->top);
        if (y < 0 || y >= h) {
            if (from < 0) fill(run, row, width);
            else copy_pixels(run, row, cpu_row_at(out, n, cb, from + s->top), width);
        }
        cpu_zero_frame(out, &s->y_shape, run->y, n, cb, y + s->top);
    }
}

static void pad_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct pad *s = k->state;
    struct pad_run run = {s, syn_place_at(r, s->place, s->in), syn_place_at(r, s->place, s->out)};
    syn_pool_run(r->pool, s->y_shape.dim[0] * cpu_blocks(&s->place[s->out], &s->y_shape), pad_task,
                 &run);
}

bool cpu_pad_inside(const struct syn_placement *p, const struct syn_place *place, int32_t node)
{
    const struct syn_node *n = &p->g->node[node];
    const struct syn_attr *pads = syn_attr_list(n->op, n->attr, "pads");
    const struct syn_place *in = &place[n->in[0]], *out = &place[n->out[0]];
    const int64_t top = pads->n == 4 ? pads->v.i[0] : 0, left = pads->n == 4 ? pads->v.i[1] : 0;
    return in->root == out->root && in->dtype == out->dtype && in->frame == 0 &&
           in->offset_bytes == out->offset_bytes + (size_t)((out->frame + top) * out->stride_y +
                                                            (out->frame + left) * out->block) *
                                                       syn_dtype_bytes(out->dtype);
}

static syn_status pad_prepare(const struct syn_placement *p, const struct syn_place *place,
                              int32_t node, struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    const struct syn_attr *pads = syn_attr_list(n->op, n->attr, "pads");
    struct pad *s;
    if (place[n->in[0]].block != place[n->out[0]].block || p->g->value[n->in[0]].data)
        return SYN_UNSUPPORTED;
    /* a constant other than 0 would fill the channels past the last one too */
    if (syn_attr_int(n->op, n->attr, "mode") == SYN_PAD_CONSTANT &&
        syn_attr_float(n->op, n->attr, "value") != 0 &&
        p->g->value[n->in[0]].shape.dim[1] % place[n->in[0]].block != 0)
        return SYN_UNSUPPORTED;
    if (!(s = syn_calloc(1, sizeof *s)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    s->place = place;
    s->in = n->in[0], s->out = n->out[0];
    s->x_shape = p->g->value[s->in].shape, s->y_shape = p->g->value[s->out].shape;
    if (pads->n == 4)
        s->top = pads->v.i[0], s->left = pads->v.i[1], s->bottom = pads->v.i[2],
        s->right = pads->v.i[3];
    s->mode = (int32_t)syn_attr_int(n->op, n->attr, "mode");
    s->value = (float)syn_attr_float(n->op, n->attr, "value");
    s->inside = cpu_pad_inside(p, place, node);
    k->impl = s->inside ? "pad border" : "pad rows";
    k->run = pad_run;
    k->state = s;
    return SYN_OK;
}

/* --- pools ------------------------------------------------------------------------------------ */

struct pool_state {
    const struct syn_place *place;
    int32_t in, out;
    struct syn_shape x_shape, y_shape;
    struct cpu_grid grid;
    int64_t k[2], stride[2], dil[2], pads[4];
    bool max, count_pad;
};
struct pool_run {
    const struct pool_state *s;
    const uint8_t *x;
    uint8_t *y;
};

/* One output pixel of one block. */
static void pool_pixel(const struct pool_run *run, int64_t n, int64_t cb, int64_t y, int64_t x,
                       float *acc)
{
    const struct pool_state *s = run->s;
    const struct syn_place *in = &s->place[s->in];
    const int64_t block = in->block;
    int64_t count = 0;
    for (int l = 0; l < block; l++) acc[l] = s->max ? -INFINITY : 0;
    for (int64_t i = 0; i < s->k[0]; i++) {
        const int64_t iy = y * s->stride[0] + i * s->dil[0] - s->pads[0];
        if (iy < 0 || iy >= s->x_shape.dim[2]) continue;
        for (int64_t j = 0; j < s->k[1]; j++) {
            const int64_t ix = x * s->stride[1] + j * s->dil[1] - s->pads[1];
            float v[CPU_BLOCK];
            if (ix < 0 || ix >= s->x_shape.dim[3]) continue;
            cpu_row_read(in, run->x, cpu_row_at(in, n, cb, iy) + ix * block, block, v);
            count++;
            if (s->max)
                for (int l = 0; l < block; l++)
                    acc[l] = v[l] > acc[l] || v[l] != v[l] ? v[l] : acc[l];
            else
                for (int l = 0; l < block; l++) acc[l] += v[l];
        }
    }
    if (s->count_pad) count = s->k[0] * s->k[1];
    for (int l = 0; !s->max && l < block; l++) acc[l] /= (float)count;
}

static void pool_task(void *ctx, int64_t task)
{
    const struct pool_run *run = ctx;
    const struct pool_state *s = run->s;
    const struct syn_place *out = &s->place[s->out];
    const int64_t w = s->y_shape.dim[3], block = out->block;
    float piece[CPU_CHUNK];
    int64_t n, cb, y0, y1;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t x0 = 0; x0 < w; x0 += CPU_CHUNK / block) {
            const int64_t pixels = w - x0 < CPU_CHUNK / block ? w - x0 : CPU_CHUNK / block;
            for (int64_t x = 0; x < pixels; x++)
                pool_pixel(run, n, cb, y, x0 + x, piece + x * block);
            cpu_row_write(out, run->y, cpu_row_at(out, n, cb, y) + x0 * block, pixels * block,
                          piece);
        }
        cpu_zero_frame(out, &s->y_shape, run->y, n, cb, y);
    }
}

static void pool_run(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct pool_state *s = k->state;
    struct pool_run run = {s, syn_place_at(r, s->place, s->in), syn_place_at(r, s->place, s->out)};
    syn_pool_run(r->pool, cpu_grid_tasks(&s->grid), pool_task, &run);
}

static int64_t entry(const struct syn_node *n, const char *name, int32_t i, int64_t fallback)
{
    const struct syn_attr *a = syn_attr_list(n->op, n->attr, name);
    return i < a->n ? a->v.i[i] : fallback;
}

static syn_status pool_prepare(struct cpu_self *self, const struct syn_placement *p,
                               const struct syn_place *place, int32_t node, struct syn_kernel *k,
                               struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    const bool max = n->id == SYN_OP_MAX_POOL;
    struct pool_state *s;
    if (place[n->in[0]].block != place[n->out[0]].block || p->g->value[n->in[0]].data ||
        syn_attr_int(n->op, n->attr, "ceil_mode"))
        return SYN_UNSUPPORTED;
    if (!(s = syn_calloc(1, sizeof *s)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    s->place = place;
    s->in = n->in[0], s->out = n->out[0];
    s->x_shape = p->g->value[s->in].shape, s->y_shape = p->g->value[s->out].shape;
    for (int32_t d = 0; d < 2; d++) {
        s->k[d] = entry(n, "kernel", d, 1);
        s->stride[d] = entry(n, "strides", d, 1);
        s->dil[d] = entry(n, "dilations", d, 1);
        s->pads[d] = entry(n, "pads", d, 0);
        s->pads[2 + d] = entry(n, "pads", 2 + d, 0);
    }
    s->max = max;
    s->count_pad = !max && syn_attr_int(n->op, n->attr, "count_include_pad");
    s->grid = cpu_grid_of(&place[s->out], &s->y_shape, self->threads);
    k->impl = max ? "max pool rows" : "average pool rows";
    k->run = pool_run;
    k->state = s;
    return SYN_OK;
}

syn_status cpu_edges_prepare(struct cpu_self *self, const struct syn_placement *p,
                             const struct syn_place *place, int32_t node, struct syn_kernel *k,
                             struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    if (place[n->out[0]].block < 1 || place[n->out[0]].block > CPU_BLOCK ||
        place[n->in[0]].block < 1)
        return SYN_UNSUPPORTED;
    if (n->id == SYN_OP_PAD) return pad_prepare(p, place, node, k, err);
    if (n->id == SYN_OP_MAX_POOL || n->id == SYN_OP_AVERAGE_POOL)
        return pool_prepare(self, p, place, node, k, err);
    return SYN_UNSUPPORTED;
}
