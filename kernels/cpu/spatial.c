/* spatial.c - loops that move pixels: crop, concat, resize, pixel shuffle.
 *
 * One task per band of output rows of one channel block. Values may lie in blocks of 16 or in
 * planes; crop and resize want the same on both sides, pixel shuffle takes blocks in and gives
 * either.
 * Tests:   tests/unit/test_cpu_ops.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include <string.h>

struct taps { /* of one output position on one axis */
    int64_t at[4];
    float weight[4];
};

struct spatial {
    const struct syn_place *place;
    int32_t in[SYN_MAX_OPERANDS], n_in, out;
    int64_t first_block
        [SYN_MAX_OPERANDS]; /* CONCAT: where operand k starts; -1: it lies there already */
    struct syn_shape x_shape, y_shape;
    struct cpu_grid grid;
    int64_t top, left, r;                  /* CROP; PIXEL_SHUFFLE's factor */
    bool dcr;
    int32_t n_taps;                        /* RESIZE: 1, 2 or 4 per axis */
    struct taps *rows, *cols;
};
struct spatial_run {
    const struct spatial *s;
    const uint8_t *in[SYN_MAX_OPERANDS];
    uint8_t *out;
};

static void spatial_free(void *state)
{
    struct spatial *s = state;
    if (!s) return;
    syn_free(s->rows);
    syn_free(s->cols);
    syn_free(s);
}

static void spatial_start(const struct syn_kernel *k, const struct syn_run *r, syn_task_fn *fn)
{
    const struct spatial *s = k->state;
    struct spatial_run run = {.s = s, .out = syn_place_at(r, s->place, s->out)};
    for (int32_t i = 0; i < s->n_in; i++) run.in[i] = syn_place_at(r, s->place, s->in[i]);
    syn_pool_run(r->pool, cpu_grid_tasks(&s->grid), fn, &run);
}

/* A row of n numbers from one value to another, types converted when they differ. */
static void copy_row(const struct syn_place *from, const void *src, int64_t at,
                     const struct syn_place *to, void *dst, int64_t to_at, int64_t n)
{
    const size_t size = syn_dtype_bytes(from->dtype);
    float piece[CPU_CHUNK];
    if (from->dtype == to->dtype) {
        memcpy((char *)dst + (size_t)to_at * size, (const char *)src + (size_t)at * size,
               (size_t)n * size);
        return;
    }
    for (int64_t i = 0; i < n; i += CPU_CHUNK) {
        const int64_t m = n - i < CPU_CHUNK ? n - i : CPU_CHUNK;
        cpu_row_read(from, src, at + i, m, piece);
        cpu_row_write(to, dst, to_at + i, m, piece);
    }
}

/* --- crop and concat ------------------------------------------------------------------------ */

static void crop_task(void *ctx, int64_t task)
{
    const struct spatial_run *run = ctx;
    const struct spatial *s = run->s;
    const struct syn_place *in = &s->place[s->in[0]], *out = &s->place[s->out];
    int64_t n, cb, y0, y1;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) {
        copy_row(in, run->in[0], cpu_row_at(in, n, cb, y + s->top) + s->left * in->block, out,
                 run->out, cpu_row_at(out, n, cb, y), s->y_shape.dim[3] * out->block);
        cpu_zero_frame(out, &s->y_shape, run->out, n, cb, y);
    }
}

static void concat_task(void *ctx, int64_t task)
{
    const struct spatial_run *run = ctx;
    const struct spatial *s = run->s;
    const struct syn_place *out = &s->place[s->out];
    int64_t n, cb, y0, y1;
    int32_t k = 0;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    for (int32_t i = 0; i < s->n_in; i++) /* the operand that holds this block */
        if ((s->first_block[i] < 0 ? -s->first_block[i] - 1 : s->first_block[i]) <= cb) k = i;
    if (s->first_block[k] < 0) return;
    for (int64_t y = y0; y < y1; y++) {
        const struct syn_place *in = &s->place[s->in[k]];
        copy_row(in, run->in[k], cpu_row_at(in, n, cb - s->first_block[k], y), out, run->out,
                 cpu_row_at(out, n, cb, y), s->y_shape.dim[3] * out->block);
        cpu_zero_frame(out, &s->y_shape, run->out, n, cb, y);
    }
}

static void crop_run(const struct syn_kernel *k, const struct syn_run *r)
{
    spatial_start(k, r, crop_task);
}
static void concat_run(const struct syn_kernel *k, const struct syn_run *r)
{
    spatial_start(k, r, concat_task);
}

/* --- resize --------------------------------------------------------------------------------- */

static void resize_row(const struct spatial_run *run, int64_t n, int64_t cb, int64_t y)
{
    const struct spatial *s = run->s;
    const struct syn_place *in = &s->place[s->in[0]], *out = &s->place[s->out];
    const struct taps *ty = &s->rows[y];
    const int64_t block = out->block, width = s->y_shape.dim[3];
    float acc[CPU_CHUNK], pixel[CPU_BLOCK];
    for (int64_t x0 = 0; x0 < width; x0 += CPU_CHUNK / block) {
        const int64_t pixels = width - x0 < CPU_CHUNK / block ? width - x0 : CPU_CHUNK / block;
        memset(acc, 0, sizeof acc);
        for (int32_t i = 0; i < s->n_taps; i++)
            for (int64_t x = 0; x < pixels; x++)
                for (int32_t j = 0; j < s->n_taps; j++) {
                    const struct taps *tx = &s->cols[x0 + x];
                    const float w = ty->weight[i] * tx->weight[j];
                    cpu_row_read(in, run->in[0],
                                 cpu_row_at(in, n, cb, ty->at[i]) + tx->at[j] * block, block,
                                 pixel);
                    for (int32_t c = 0; c < block; c++) acc[x * block + c] += w * pixel[c];
                }
        cpu_row_write(out, run->out, cpu_row_at(out, n, cb, y) + x0 * block, pixels * block, acc);
    }
}

/* Nearest: pixels are copied as they are. */
static void nearest_row(const struct spatial_run *run, int64_t n, int64_t cb, int64_t y)
{
    const struct spatial *s = run->s;
    const struct syn_place *in = &s->place[s->in[0]], *out = &s->place[s->out];
    const size_t size = syn_dtype_bytes(in->dtype);
    const int64_t from = cpu_row_at(in, n, cb, s->rows[y].at[0]), to = cpu_row_at(out, n, cb, y),
                  block = in->block;
    if (block == 1 && size == 4) {
        const float *src = (const float *)run->in[0] + from;
        float *dst = (float *)run->out + to;
        for (int64_t x = 0; x < s->y_shape.dim[3]; x++) dst[x] = src[s->cols[x].at[0]];
        return;
    }
    for (int64_t x = 0; x < s->y_shape.dim[3]; x++)
        memcpy(run->out + (size_t)(to + x * block) * size,
               run->in[0] + (size_t)(from + s->cols[x].at[0] * block) * size, (size_t)block * size);
}

static void resize_task(void *ctx, int64_t task)
{
    const struct spatial_run *run = ctx;
    const struct spatial *s = run->s;
    const bool same = s->place[s->in[0]].dtype == s->place[s->out].dtype;
    int64_t n, cb, y0, y1;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) {
        if (s->n_taps == 1 && same) nearest_row(run, n, cb, y);
        else resize_row(run, n, cb, y);
        cpu_zero_frame(&s->place[s->out], &s->y_shape, run->out, n, cb, y);
    }
}
static void resize_run(const struct syn_kernel *k, const struct syn_run *r)
{
    spatial_start(k, r, resize_task);
}

static struct taps *make_taps(const struct syn_resize_axis *axis, int32_t *n_taps)
{
    struct taps *t = syn_calloc((size_t)axis->out, sizeof *t);
    for (int64_t o = 0; t && o < axis->out; o++) {
        double weight[4];
        int64_t first;
        *n_taps = syn_resize_taps(axis, o, &first, weight);
        for (int32_t i = 0; i < *n_taps; i++) {
            int64_t at = first + i;
            t[o].at[i] = at < 0 ? 0 : at >= axis->in ? axis->in - 1 : at;
            t[o].weight[i] = (float)weight[i];
        }
    }
    return t;
}

/* --- pixel shuffle -------------------------------------------------------------------------- */

/* Adds res[n, o, y/r, x0 + x] to the r pixels of each x, channel o at `at`. */
static void add_residual(const struct spatial_run *run, int64_t n, int64_t o, int64_t y, int64_t x0,
                         int64_t pixels, float *at)
{
    const struct spatial *s = run->s;
    const struct syn_place *res = &s->place[s->in[1]];
    const int64_t block = s->place[s->out].block;
    const int64_t from =
        syn_place_row(res, n, o, y / s->r) + x0 * res->block;
    for (int64_t x = 0; x < pixels; x++) {
        float v;
        cpu_row_read(res, run->in[1], from + x * res->block, 1, &v);
        for (int64_t dx = 0; dx < s->r; dx++) at[(x * s->r + dx) * block] += v;
    }
}

/* Output row y of channel c of block cb (planes: c = 0, cb = the channel) from input row y/r. */
static void shuffle_task(void *ctx, int64_t task)
{
    const struct spatial_run *run = ctx;
    const struct spatial *s = run->s;
    const struct syn_place *in = &s->place[s->in[0]], *out = &s->place[s->out];
    const int64_t r = s->r, channels = s->y_shape.dim[1], w = s->x_shape.dim[3], block = out->block;
    float piece[CPU_CHUNK], *at;
    int64_t n, cb, y0, y1;
    cpu_grid_task(&s->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t x0 = 0; x0 < w; x0 += CPU_CHUNK / (block * r)) { /* input pixels */
            const int64_t pixels =
                w - x0 < CPU_CHUNK / (block * r) ? w - x0 : CPU_CHUNK / (block * r);
            memset(piece, 0, sizeof piece);
            for (int64_t c = 0; c < block && cb * block + c < channels; c++)
                for (int64_t dx = 0; dx < r; dx++) {
                    const int64_t o = cb * block + c, sub = y % r * r + dx,
                                  from = s->dcr ? sub * channels + o : o * r * r + sub;
                    const int64_t src = syn_place_row(in, n, from, y / r) + x0 * in->block;
                    at = piece + dx * block + c;
                    if (in->dtype == SYN_F32)
                        for (int64_t x = 0; x < pixels; x++)
                            at[x * r * block] = ((const float *)run->in[0])[src + x * in->block];
                    else
                        for (int64_t x = 0; x < pixels; x++) {
                            uint32_t wide =
                                (uint32_t)((const uint16_t *)run->in[0])[src + x * in->block] << 16;
                            memcpy(&at[x * r * block], &wide, sizeof wide);
                        }
                }
            for (int64_t c = 0; s->n_in > 1 && c < block && cb * block + c < channels; c++)
                add_residual(run, n, cb * block + c, y, x0, pixels, piece + c);
            cpu_row_write(out, run->out, cpu_row_at(out, n, cb, y) + x0 * r * block,
                          pixels * r * block, piece);
        }
        cpu_zero_frame(out, &s->y_shape, run->out, n, cb, y);
    }
}
static void shuffle_run(const struct syn_kernel *k, const struct syn_run *r)
{
    spatial_start(k, r, shuffle_task);
}

/* --- preparing ------------------------------------------------------------------------------ */

static bool prepare_crop(struct spatial *s, const struct syn_node *n, struct syn_kernel *k)
{
    s->n_in = 1; /* `like` gives its size only */
    s->top = syn_attr_int(n->op, n->attr, "top");
    s->left = syn_attr_int(n->op, n->attr, "left");
    k->impl = "crop rows";
    k->run = crop_run;
    return s->place[s->in[0]].block == s->place[s->out].block;
}

static bool prepare_concat(struct spatial *s, const struct syn_placement *p,
                           const struct syn_node *n, struct syn_kernel *k)
{
    const struct syn_place *out = &s->place[s->out];
    const size_t size = syn_dtype_bytes(out->dtype);
    int64_t channel = 0;
    bool all = true;
    if (syn_attr_int(n->op, n->attr, "axis") != 1) return false;
    for (int32_t i = 0; i < s->n_in; i++) {
        const struct syn_place *in = &s->place[s->in[i]];
        const int64_t at = channel / out->block;
        if (in->block != out->block || channel % out->block) return false;
        if (in->root == out->root &&
            in->offset_bytes == out->offset_bytes + (size_t)(at * out->stride_c) * size)
            s->first_block[i] = -at - 1;
        else s->first_block[i] = at, all = false;
        channel += p->g->value[s->in[i]].shape.dim[1];
    }
    k->impl = all ? "view" : "concat rows";
    k->run = all ? NULL : concat_run;
    return true;
}

static bool prepare_resize(struct spatial *s, const struct syn_placement *p, int32_t node,
                           struct syn_kernel *k)
{
    struct syn_op_call *c = syn_alloc(sizeof *c);
    struct syn_resize_axis axis[2];
    int32_t n_rows = 0, n_cols = 0;
    if (!c) return false;
    syn_graph_call(p->g, node, c);
    syn_resize_axes(c, axis);
    syn_free(c);
    s->rows = make_taps(&axis[0], &n_rows);
    s->cols = make_taps(&axis[1], &n_cols);
    s->n_taps = n_rows;
    k->impl = n_rows == 1 ? "nearest rows" : "resize rows";
    k->run = resize_run;
    return s->rows && s->cols && n_rows == n_cols &&
           s->place[s->in[0]].block == s->place[s->out].block;
}

static bool prepare_shuffle(struct spatial *s, const struct syn_node *n, struct syn_kernel *k)
{
    s->r = syn_attr_int(n->op, n->attr, "r");
    s->dcr = syn_attr_int(n->op, n->attr, "mode") == 1;
    k->impl = "shuffle rows";
    k->run = shuffle_run;
    return s->place[s->out].block * s->r <= CPU_CHUNK;
}

syn_status cpu_spatial_prepare(struct cpu_self *self, const struct syn_placement *p,
                               const struct syn_place *place, int32_t node, struct syn_kernel *k,
                               struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    struct spatial *s;
    bool fits = place[n->out[0]].block > 0;
    if (n->id != SYN_OP_CROP && n->id != SYN_OP_CONCAT && n->id != SYN_OP_RESIZE &&
        n->id != SYN_OP_PIXEL_SHUFFLE)
        return SYN_UNSUPPORTED;
    if (!(s = syn_calloc(1, sizeof *s)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    s->place = place;
    s->n_in = n->n_in;
    s->out = n->out[0];
    for (int32_t i = 0; i < n->n_in; i++) {
        s->in[i] = n->in[i];
        fits = fits && (n->in[i] < 0 || (!p->g->value[n->in[i]].data && place[n->in[i]].block > 0));
    }
    s->x_shape = p->g->value[n->in[0]].shape;
    s->y_shape = p->g->value[s->out].shape;
    if (fits)
        fits = n->id == SYN_OP_CROP     ? prepare_crop(s, n, k)
               : n->id == SYN_OP_CONCAT ? prepare_concat(s, p, n, k)
               : n->id == SYN_OP_RESIZE ? prepare_resize(s, p, node, k)
                                        : prepare_shuffle(s, n, k);
    if (!fits) {
        k->run = NULL;
        spatial_free(s);
        return SYN_UNSUPPORTED;
    }
    s->grid = cpu_grid_of(&place[s->out], &s->y_shape, self->threads);
    k->free = spatial_free;
    k->state = s;
    return SYN_OK;
}
