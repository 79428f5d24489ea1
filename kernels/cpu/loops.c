/* loops.c - pointwise loops over rows: sums, products, activations, averages, and the ways in and
 * out.
 *
 * A loop reads pieces of rows as f32, computes, writes them back in the output's type. Operands
 * either have the output's size or are one number per channel (1x1). Memory-bound: what matters is
 * one pass.
 * Tests:   tests/unit/test_cpu_ops.c against the references. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/cpu_private.h"
#include "kernels/cpu/rows.h"
#include <math.h>
#include <string.h>

struct loop {
    const struct syn_place *place;
    syn_op_id id;
    int32_t in[SYN_MAX_OPERANDS], n_in, out;
    bool vector[SYN_MAX_OPERANDS];   /* one number per channel */
    float coeff[SYN_MAX_OPERANDS];   /* SCALED_SUM */
    bool channel_slope;              /* PRELU of our own kind: [c] is one number per channel */
    float a, b;                      /* LEAKY_RELU alpha; CLIP min, max */
    float *constant
        [SYN_MAX_OPERANDS]; /* PRELU slope, constant operands: one number per channel, padded */
    struct syn_shape shape;          /* of the output (GLOBAL_AVERAGE_POOL: of the input) */
    struct cpu_grid grid;
    int32_t index;                   /* load, store: which of the caller's tensors */
};

struct loop_run {
    const struct loop *l;
    const struct syn_run *r;
    const uint8_t *in[SYN_MAX_OPERANDS];
    uint8_t *out;
};

static void loop_free(void *state)
{
    struct loop *l = state;
    for (int32_t i = 0; l && i < SYN_MAX_OPERANDS; i++) syn_free(l->constant[i]);
    syn_free(l);
}

/* --- pointwise ------------------------------------------------------------------------------ */

/* acc = acc op x. */
static void combine(syn_op_id id, float *acc, const float *x, int64_t n, float coeff)
{
    switch (id) {
    case SYN_OP_SUB: for (int64_t i = 0; i < n; i++) acc[i] -= x[i]; break;
    case SYN_OP_MUL: for (int64_t i = 0; i < n; i++) acc[i] *= x[i]; break;
    case SYN_OP_DIV: for (int64_t i = 0; i < n; i++) acc[i] /= x[i]; break;
    case SYN_OP_MIN:
        for (int64_t i = 0; i < n; i++) acc[i] = x[i] < acc[i] || x[i] != x[i] ? x[i] : acc[i];
        break;
    case SYN_OP_MAX:
        for (int64_t i = 0; i < n; i++) acc[i] = x[i] > acc[i] || x[i] != x[i] ? x[i] : acc[i];
        break;
    default: for (int64_t i = 0; i < n; i++) acc[i] += coeff * x[i]; break; /* ADD, SCALED_SUM */
    }
}

static void activate(const struct loop *l, float *v, const float *slope, int64_t n)
{
    switch (l->id) {
    case SYN_OP_RELU:
        for (int64_t i = 0; i < n; i++) v[i] = v[i] < 0 ? 0 : v[i];
        break; /* NaN stays */
    case SYN_OP_LEAKY_RELU:
        for (int64_t i = 0; i < n; i++) v[i] = v[i] >= 0 ? v[i] : v[i] * l->a;
        break;
    case SYN_OP_PRELU:
        for (int64_t i = 0; i < n; i++) v[i] = v[i] >= 0 ? v[i] : v[i] * slope[i];
        break;
    case SYN_OP_CLIP:
        for (int64_t i = 0; i < n; i++) v[i] = v[i] < l->a ? l->a : v[i] > l->b ? l->b : v[i];
        break;
    case SYN_OP_SIGMOID: for (int64_t i = 0; i < n; i++) v[i] = 1 / (1 + expf(-v[i])); break;
    default: break;
    }
}

/* Operand k of channel block cb, pixels [x0, x0 + n/block): into piece[n]. */
static void read_operand(const struct loop_run *run, int32_t k, int64_t n_pic, int64_t cb,
                         int64_t y, int64_t x0, int64_t n, float *piece)
{
    const struct loop *l = run->l;
    const int32_t block = l->place[l->out].block;
    if (l->constant[k] || l->vector[k]) {
        float one[CPU_BLOCK];
        if (l->constant[k]) memcpy(one, l->constant[k] + cb * block, (size_t)block * sizeof *one);
        else
            cpu_row_read(&l->place[l->in[k]], run->in[k],
                         cpu_row_at(&l->place[l->in[k]], n_pic, cb, 0), block, one);
        for (int64_t i = 0; i < n; i += block) memcpy(piece + i, one, (size_t)block * sizeof *one);
        return;
    }
    cpu_row_read(&l->place[l->in[k]], run->in[k],
                 cpu_row_at(&l->place[l->in[k]], n_pic, cb, y) + x0 * block, n, piece);
}

static void pointwise_row(const struct loop_run *run, int64_t n_pic, int64_t cb, int64_t y)
{
    const struct loop *l = run->l;
    const struct syn_place *out = &l->place[l->out];
    const int64_t block = out->block, width = l->shape.dim[3], at = cpu_row_at(out, n_pic, cb, y);
    const int64_t used = l->shape.dim[1] - cb * block; /* channels of this block that exist */
    float acc[CPU_CHUNK], x[CPU_CHUNK];
    for (int64_t x0 = 0; x0 < width; x0 += CPU_CHUNK / block) {
        const int64_t pixels = width - x0 < CPU_CHUNK / block ? width - x0 : CPU_CHUNK / block,
                      n = pixels * block;
        read_operand(run, 0, n_pic, cb, y, x0, n, acc);
        if (l->id == SYN_OP_SCALED_SUM)
            for (int64_t i = 0; i < n; i++) acc[i] *= l->coeff[0];
        for (int32_t k = 1; k < l->n_in; k++) {
            read_operand(run, k, n_pic, cb, y, x0, n, x);
            if (l->id == SYN_OP_PRELU) break;
            combine(l->id, acc, x, n, l->coeff[k]);
        }
        activate(l, acc, x, n);
        for (int64_t p = 0; used < block && p < n; p += block) /* 0/0 and sigmoid(0) are not zero */
            memset(acc + p + used, 0, (size_t)(block - used) * sizeof *acc);
        cpu_row_write(out, run->out, at + x0 * block, n, acc);
    }
    cpu_zero_frame(out, &l->shape, run->out, n_pic, cb, y);
}

static void pointwise_task(void *ctx, int64_t task)
{
    const struct loop_run *run = ctx;
    int64_t n, cb, y0, y1;
    cpu_grid_task(&run->l->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) pointwise_row(run, n, cb, y);
}

static void loop_run(const struct syn_kernel *k, const struct syn_run *r, syn_task_fn *fn)
{
    const struct loop *l = k->state;
    struct loop_run run = {.l = l, .r = r};
    for (int32_t i = 0; i < l->n_in; i++)
        run.in[i] = l->in[i] >= 0 ? syn_place_at(r, l->place, l->in[i]) : NULL;
    run.out = l->out >= 0 ? syn_place_at(r, l->place, l->out) : NULL;
    syn_pool_run(r->pool, cpu_grid_tasks(&l->grid), fn, &run);
}
static void pointwise_run(const struct syn_kernel *k, const struct syn_run *r)
{
    loop_run(k, r, pointwise_task);
}

/* --- averages over the picture -------------------------------------------------------------- */

static void add_pixels(const float *piece, int64_t pixels, int32_t block, float *part)
{
#if defined(__x86_64__)
    if (block == 16 && cpu_has_avx512()) {
        cpu_row_add_avx512(piece, pixels, part);
        return;
    }
#endif
    for (int64_t p = 0; p < pixels; p++)
        for (int32_t c = 0; c < block; c++) part[c] += piece[p * block + c];
}

static void average_task(void *ctx, int64_t task)
{
    const struct loop_run *run = ctx;
    const struct loop *l = run->l;
    const struct syn_place *in = &l->place[l->in[0]], *out = &l->place[l->out];
    double sum[CPU_BLOCK] = {0};
    float piece[CPU_CHUNK], mean[CPU_BLOCK];
    int64_t n, cb, y0, y1;
    cpu_grid_task(&l->grid, task, &n, &cb, &y0,
                  &y1); /* a band is the whole plane: one task per block */
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x0 = 0, width = l->shape.dim[3]; x0 < width; x0 += CPU_CHUNK / in->block) {
            const int64_t pixels =
                width - x0 < CPU_CHUNK / in->block ? width - x0 : CPU_CHUNK / in->block;
            float part[CPU_BLOCK] = {0}; /* at most 1024 terms in f32, then double */
            cpu_row_read(in, run->in[0], cpu_row_at(in, n, cb, y) + x0 * in->block,
                         pixels * in->block, piece);
            add_pixels(piece, pixels, in->block, part);
            for (int32_t c = 0; c < in->block; c++) sum[c] += (double)part[c];
        }
    for (int32_t c = 0; c < in->block; c++)
        mean[c] = (float)(sum[c] / (double)(l->shape.dim[2] * l->shape.dim[3]));
    cpu_row_write(out, run->out, cpu_row_at(out, n, cb, 0), in->block, mean);
}
static void average_run(const struct syn_kernel *k, const struct syn_run *r)
{
    loop_run(k, r, average_task);
}

/* --- preparing ------------------------------------------------------------------------------ */

static bool is_pointwise(syn_op_id id)
{
    return id == SYN_OP_ADD || id == SYN_OP_SUB || id == SYN_OP_MUL || id == SYN_OP_DIV ||
           id == SYN_OP_MIN || id == SYN_OP_MAX || id == SYN_OP_SCALED_SUM || id == SYN_OP_RELU ||
           id == SYN_OP_LEAKY_RELU || id == SYN_OP_PRELU || id == SYN_OP_SIGMOID ||
           id == SYN_OP_CLIP || id == SYN_OP_IDENTITY;
}

/* One number per channel from a constant of shape [c], [1], [1,c,1,1] or a scalar. NULL: another
 * form, or no memory (the reference then says so itself). */
static float *channel_constant(const struct syn_value *v, int64_t channels, int32_t block)
{
    const int64_t padded = (channels + block - 1) / block * block;
    int64_t n = 0;
    float *c;
    bool per_channel = v->shape.rank == 1 || (v->shape.rank == 4 && v->shape.dim[0] == 1 &&
                                              v->shape.dim[2] == 1 && v->shape.dim[3] == 1);
    if (!syn_shape_elements(&v->shape, &n) || (n != 1 && !(per_channel && n == channels)))
        return NULL;
    if (v->shape.rank == 1 && n != 1 && channels == 1) return NULL; /* broadcasts along the width */
    if (!(c = syn_alloc((size_t)padded * sizeof *c))) return NULL;
    for (int64_t i = 0; i < padded; i++)
        c[i] = i >= channels ? 0 : syn_value_float(v, n == 1 ? 0 : i);
    return c;
}

/* Fits operand k to the loop; false when the reference must do it. */
static bool take_operand(struct loop *l, const struct syn_placement *p, int32_t k)
{
    const struct syn_value *v = &p->g->value[l->in[k]];
    const struct syn_place *in = &l->place[l->in[k]], *out = &l->place[l->out];
    if (v->data) {
        if (!l->channel_slope && v->shape.rank == 1 && v->shape.dim[0] != 1)
            return false; /* NumPy: width */
        l->constant[k] = channel_constant(v, l->shape.dim[1], out->block);
        return l->constant[k] != NULL;
    }
    if (v->shape.rank != 4 || in->block != out->block) return false;
    if (syn_shape_equal(&v->shape, &l->shape)) return true;
    l->vector[k] = v->shape.dim[0] == l->shape.dim[0] && v->shape.dim[1] == l->shape.dim[1] &&
                   v->shape.dim[2] == 1 && v->shape.dim[3] == 1;
    return l->vector[k];
}

syn_status cpu_loop_prepare(struct cpu_self *self, const struct syn_placement *p,
                            const struct syn_place *place, int32_t node, struct syn_kernel *k,
                            struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    const bool average = n->id == SYN_OP_GLOBAL_AVERAGE_POOL;
    const struct syn_attr *coeffs =
        n->id == SYN_OP_SCALED_SUM ? syn_attr_list(n->op, n->attr, "coeffs") : NULL;
    struct loop *l;
    bool fits = place[n->out[0]].block > 0;
    if (!average && !is_pointwise(n->id)) return SYN_UNSUPPORTED;
    if (!(l = syn_calloc(1, sizeof *l)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    l->place = place;
    l->id = n->id;
    l->n_in = n->n_in;
    l->channel_slope = n->id == SYN_OP_PRELU && n->opset < 7;
    l->out = n->out[0];
    l->shape = p->g->value[average ? n->in[0] : n->out[0]].shape;
    for (int32_t i = 0; i < n->n_in; i++) {
        l->in[i] = n->in[i];
        l->coeff[i] = coeffs && i < coeffs->n ? (float)coeffs->v.f[i] : 1;
    }
    if (n->id == SYN_OP_LEAKY_RELU) l->a = (float)syn_attr_float(n->op, n->attr, "alpha");
    if (n->id == SYN_OP_CLIP)
        l->a = (float)syn_attr_float(n->op, n->attr, "min"),
        l->b = (float)syn_attr_float(n->op, n->attr, "max");
    for (int32_t i = 0; fits && !average && i < n->n_in; i++) fits = take_operand(l, p, i);
    if (average) fits = place[n->in[0]].block == place[n->out[0]].block && l->shape.rank == 4;
    if (!fits) {
        loop_free(l);
        return SYN_UNSUPPORTED;
    }
    l->grid = cpu_grid_of(&place[average ? n->in[0] : n->out[0]], &l->shape, self->threads);
    if (average) l->grid.band = l->grid.rows;
    k->impl = average ? "average rows" : "rows";
    k->run = average ? average_run : pointwise_run;
    k->free = loop_free;
    k->state = l;
    return SYN_OK;
}

/* --- in and out ----------------------------------------------------------------------------- */

static void load_task(void *ctx, int64_t task)
{
    const struct loop_run *run = ctx;
    const struct loop *l = run->l;
    const struct syn_place *out = &l->place[l->out];
    const int64_t channels = l->shape.dim[1], h = l->shape.dim[2], w = l->shape.dim[3],
                  block = out->block;
    const float *from = run->r->in[l->index];
    float piece[CPU_CHUNK];
    int64_t n, cb, y0, y1;
    cpu_grid_task(&l->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t x0 = 0; x0 < w; x0 += CPU_CHUNK / block) {
            const int64_t pixels = w - x0 < CPU_CHUNK / block ? w - x0 : CPU_CHUNK / block;
            memset(piece, 0, sizeof piece);
            for (int64_t c = 0; c < block && cb * block + c < channels; c++) {
                const float *plane = from + ((n * channels + cb * block + c) * h + y) * w + x0;
                for (int64_t x = 0; x < pixels; x++) piece[x * block + c] = plane[x];
            }
            cpu_row_write(out, run->out, cpu_row_at(out, n, cb, y) + x0 * block, pixels * block,
                          piece);
        }
        cpu_zero_frame(out, &l->shape, run->out, n, cb, y);
    }
}

static void store_task(void *ctx, int64_t task)
{
    const struct loop_run *run = ctx;
    const struct loop *l = run->l;
    const struct syn_place *in = &l->place[l->in[0]];
    const int64_t channels = l->shape.dim[1], h = l->shape.dim[2], w = l->shape.dim[3],
                  block = in->block;
    float *to = run->r->out[l->index], piece[CPU_CHUNK];
    int64_t n, cb, y0, y1;
    cpu_grid_task(&l->grid, task, &n, &cb, &y0, &y1);
    for (int64_t y = y0; y < y1; y++)
        for (int64_t x0 = 0; x0 < w; x0 += CPU_CHUNK / block) {
            const int64_t pixels = w - x0 < CPU_CHUNK / block ? w - x0 : CPU_CHUNK / block;
            cpu_row_read(in, run->in[0], cpu_row_at(in, n, cb, y) + x0 * block, pixels * block,
                         piece);
            for (int64_t c = 0; c < block && cb * block + c < channels; c++) {
                float *plane = to + ((n * channels + cb * block + c) * h + y) * w + x0;
                for (int64_t x = 0; x < pixels; x++) plane[x] = piece[x * block + c];
            }
        }
}
static void load_run(const struct syn_kernel *k, const struct syn_run *r)
{
    loop_run(k, r, load_task);
}
static void store_run(const struct syn_kernel *k, const struct syn_run *r)
{
    loop_run(k, r, store_task);
}

syn_status cpu_load_prepare(struct cpu_self *self, const struct syn_placement *p,
                            const struct syn_place *place, int32_t value, int32_t index, bool load,
                            struct syn_kernel *k, struct syn_err *err)
{
    struct loop *l;
    if (place[value].block == 0 || place[value].block > CPU_BLOCK)
        return load ? syn_prepare_load(p, place, index, k, err)
                    : syn_prepare_store(p, place, index, k, err);
    if (!(l = syn_calloc(1, sizeof *l))) return syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    l->place = place;
    l->index = index;
    l->shape = p->g->value[value].shape;
    l->n_in = load ? 0 : 1;
    l->in[0] = load ? -1 : value;
    l->out = load ? value : -1;
    l->grid = cpu_grid_of(&place[value], &l->shape, self->threads);
    k->impl = load ? "load" : "store";
    k->run = load ? load_run : store_run;
    k->free = loop_free;
    k->state = l;
    return SYN_OK;
}
