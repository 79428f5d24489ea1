/* conv_form.c - see conv_form.h. */
#include "kernels/cpu/conv_form.h"
#include "kernels/base/alloc.h"
#include "kernels/cpu/rows.h"
#include <math.h>

bool cpu_conv_of(const struct syn_placement *p, int32_t node, struct syn_conv *c)
{
    const struct syn_node *n = &p->g->node[node];
    struct syn_op_call call; /* 12 KiB, not from the heap: place and prepare must get one answer */
    bool ok;
    syn_graph_call(p->g, node, &call);
    ok = syn_conv_parse(&call, c, NULL) == SYN_OK;
    for (int32_t k = 0; ok && k < n->n_in; k++) { /* pictures are values that have a place */
        const bool constant = k >= SYN_CONV_W && k <= SYN_CONV_SLOPE;
        ok = n->in[k] < 0 ? k > SYN_CONV_W : (p->g->value[n->in[k]].data != NULL) == constant;
    }
    return ok;
}

/* One number per output channel from a constant operand (or the fallback), zero up to whole
 * groups. */
static float *per_channel(const struct syn_placement *p, const struct syn_node *n, int32_t operand,
                          int64_t channels, float fallback)
{
    const int64_t padded = (channels + 2 * CPU_BLOCK - 1) / (2 * CPU_BLOCK) * (2 * CPU_BLOCK);
    const bool given = operand < n->n_in && n->in[operand] >= 0;
    float *v = syn_alloc((size_t)padded * sizeof *v);
    for (int64_t i = 0; v && i < padded; i++)
        v[i] = i >= channels ? 0
               : given       ? syn_value_float(&p->g->value[n->in[operand]], i)
                             : fallback;
    return v;
}

/* What values below zero are multiplied with. */
static float *slopes(const struct syn_placement *p, const struct syn_node *n,
                     const struct syn_conv *c)
{
    const float same = c->act == SYN_ACT_RELU ? 0 : c->act == SYN_ACT_LEAKY ? c->act_a : 1;
    return per_channel(p, n, c->act == SYN_ACT_PRELU ? SYN_CONV_SLOPE : SYN_MAX_OPERANDS, c->co,
                       same);
}

syn_status cpu_form_init(struct cpu_form *f, const struct syn_placement *p,
                         const struct syn_place *place, int32_t node, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    if (!cpu_conv_of(p, node, &f->c))
        return syn_fail(err, SYN_INTERNAL, "conv %s: not a form that was taken", n->name);
    f->place = place;
    f->x = n->in[SYN_CONV_X];
    f->y = n->out[0];
    f->res1 = n->n_in > SYN_CONV_RES1 ? n->in[SYN_CONV_RES1] : -1;
    f->res2 = n->n_in > SYN_CONV_RES2 ? n->in[SYN_CONV_RES2] : -1;
    f->y_shape = p->g->value[f->y].shape;
    f->bf16 = place[f->x].dtype == SYN_BF16;
    f->x_blocks = (f->c.ci + CPU_BLOCK - 1) / CPU_BLOCK;
    f->y_blocks = (f->c.co + CPU_BLOCK - 1) / CPU_BLOCK;
    f->n_groups = (int32_t)((f->y_blocks + 1) / 2);
    f->step_h = f->c.transposed ? (int32_t)f->c.stride_h : 1;
    f->step_w = f->c.transposed ? (int32_t)f->c.stride_w : 1;
    f->low = f->c.act == SYN_ACT_CLIP ? f->c.act_a : -INFINITY;
    f->high = f->c.act == SYN_ACT_CLIP ? f->c.act_b : INFINITY;
    f->bias = per_channel(p, n, SYN_CONV_BIAS, f->c.co, 0);
    f->slope = slopes(p, n, &f->c);
    if (!f->bias || !f->slope) return syn_fail(err, SYN_NO_MEMORY, "conv %s: no memory", n->name);
    f->clip_only = f->c.alpha == 1 && f->res1 < 0 && f->res2 < 0 && place[f->y].block == CPU_BLOCK;
    for (int64_t i = 0; i < f->c.co; i++) f->clip_only &= f->slope[i] == 1;
    return SYN_OK;
}

void cpu_form_deinit(struct cpu_form *f)
{
    syn_free(f->bias);
    syn_free(f->slope);
}

int32_t cpu_conv_phases(const struct syn_conv *c)
{
    return c->transposed ? (int32_t)(c->stride_h * c->stride_w) : 1;
}

struct cpu_phase_grid cpu_conv_phase(const struct syn_conv *c, int32_t index)
{
    const int32_t step_h = c->transposed ? (int32_t)c->stride_h : 1;
    const int32_t step_w = c->transposed ? (int32_t)c->stride_w : 1;
    const int32_t row0 = index / step_w, col0 = index % step_w;
    return (struct cpu_phase_grid){row0, col0, (c->ho - row0 + step_h - 1) / step_h,
                                   (c->wo - col0 + step_w - 1) / step_w};
}

struct cpu_form_run cpu_form_at(const struct cpu_form *f, const struct syn_run *r)
{
    return (struct cpu_form_run){
        .x = syn_place_at(r, f->place, f->x),
        .y = syn_place_at(r, f->place, f->y),
        .res1 = f->res1 >= 0 ? syn_place_at(r, f->place, f->res1) : NULL,
        .res2 = f->res2 >= 0 ? syn_place_at(r, f->place, f->res2) : NULL,
    };
}

/* Pixel (oy, ox) of a block of channels. */
static const uint8_t *pixel(const uint8_t *base, const struct syn_place *p, int64_t n,
                            int64_t block, int64_t oy, int64_t ox)
{
    return base +
           (cpu_row_at(p, n, block, oy) + ox * p->block) * (int64_t)syn_dtype_bytes(p->dtype);
}

struct cpu_row cpu_form_row(const struct cpu_form *f, const struct cpu_form_run *run, int64_t n,
                            int32_t group, int64_t oy, int64_t ox)
{
    return cpu_form_block_row(f, run, n, 2 * (int64_t)group, oy, ox);
}

struct cpu_row cpu_form_block_row(const struct cpu_form *f, const struct cpu_form_run *run,
                                  int64_t n, int64_t block, int64_t oy, int64_t ox)
{
    const struct syn_place *y = &f->place[f->y], *p;
    struct cpu_row k = {
        .n_out = f->y_blocks - block < 2 ? 1 : 2,
        .half = block + 2 == f->y_blocks && (f->c.co - 1) % CPU_BLOCK < CPU_BLOCK / 2,
        .y = (void *)(uintptr_t)pixel(run->y, y, n, y->block == 1 ? 0 : block, oy, ox),
        .y_pixel = (int64_t)f->step_w * y->block,
        .y_block = y->stride_c,
        .y_dtype = y->dtype,
        .y_planes = y->block == 1 ? (int32_t)f->c.co : 0,
        .bias = f->bias + block * CPU_BLOCK,
        .slope = f->slope + block * CPU_BLOCK,
        .low = f->low,
        .high = f->high,
        .clip_only = f->clip_only,
        .alpha = f->c.alpha,
        .beta1 = f->c.beta1,
        .beta2 = f->c.beta2,
    };
    if (run->res1) {
        p = &f->place[f->res1];
        k.res1 = pixel(run->res1, p, n, block, oy, ox);
        k.res1_pixel = (int64_t)f->step_w * p->block;
        k.res1_block = p->stride_c, k.res1_dtype = p->dtype;
    }
    if (run->res2) {
        p = &f->place[f->res2];
        k.res2 = pixel(run->res2, p, n, block, oy, ox);
        k.res2_pixel = (int64_t)f->step_w * p->block;
        k.res2_block = p->stride_c, k.res2_dtype = p->dtype;
    }
    return k;
}

static int64_t rows_bytes(const struct cpu_form *f, int32_t value, int64_t rows)
{
    const struct syn_place *p = &f->place[value];
    return rows * f->step_h * p->stride_y * (p->dtype == SYN_F32 ? 4 : 2);
}

void cpu_form_go_down(const struct cpu_form *f, struct cpu_row *k, int64_t rows)
{
    k->y = (uint8_t *)k->y + rows_bytes(f, f->y, rows);
    if (k->res1) k->res1 = (const uint8_t *)k->res1 + rows_bytes(f, f->res1, rows);
    if (k->res2) k->res2 = (const uint8_t *)k->res2 + rows_bytes(f, f->res2, rows);
}
