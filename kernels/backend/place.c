/* place.c - layouts as numbers, and the slow way between any of them and dense f32. See
 * backend.h. */
#include "kernels/backend/backend.h"
#include "kernels/base/alloc.h"
#include "kernels/base/half.h"
#include <string.h>

bool syn_place_shape(struct syn_place *p, const struct syn_shape *s, int32_t block, int32_t frame,
                     syn_dtype dtype, size_t *bytes)
{
    size_t row, plane, image, blocks, total;
    p->block = block;
    p->frame = frame;
    p->dtype = dtype;
    if (block == 0) {
        int64_t n;
        if (!syn_shape_elements(s, &n)) return false;
        return syn_mul((size_t)n, syn_dtype_bytes(dtype), bytes);
    }
    blocks = ((size_t)s->dim[1] + (size_t)block - 1) / (size_t)block;
    if (!syn_mul((size_t)s->dim[3] + 2 * (size_t)frame, (size_t)block, &row) ||
        !syn_mul((size_t)s->dim[2] + 2 * (size_t)frame, row, &plane) ||
        !syn_mul(plane, blocks, &image) || !syn_mul(image, (size_t)s->dim[0], &total) ||
        !syn_mul(total, syn_dtype_bytes(dtype), &total) || total > PTRDIFF_MAX)
        return false;
    p->stride_y = (int64_t)row;
    p->stride_c = (int64_t)plane;
    p->stride_n = (int64_t)image;
    *bytes = total;
    return true;
}

static float read_as(syn_dtype t, const void *base, int64_t i)
{
    return t == SYN_BF16 ? syn_bf16_to_float(((const uint16_t *)base)[i])
                         : ((const float *)base)[i];
}
static void write_as(syn_dtype t, void *base, int64_t i, float v)
{
    if (t == SYN_BF16) ((uint16_t *)base)[i] = syn_bf16_from_float(v);
    else ((float *)base)[i] = v;
}

void syn_place_gather(const struct syn_place *p, const struct syn_shape *s, const void *from,
                      float *to)
{
    int64_t n = 0;
    if (p->block == 0) {
        if (!syn_shape_elements(s, &n)) return;
        for (int64_t i = 0; i < n; i++) to[i] = read_as(p->dtype, from, i);
        return;
    }
    for (int64_t b = 0; b < s->dim[0]; b++)
        for (int64_t c = 0; c < s->dim[1]; c++)
            for (int64_t y = 0; y < s->dim[2]; y++) {
                const int64_t row = syn_place_row(p, b, c, y);
                for (int64_t x = 0; x < s->dim[3]; x++)
                    *to++ = read_as(p->dtype, from, row + x * p->block);
            }
}

void syn_place_scatter(const struct syn_place *p, const struct syn_shape *s, const float *from,
                       void *to)
{
    int64_t n = 0;
    if (p->block == 0) {
        if (!syn_shape_elements(s, &n)) return;
        for (int64_t i = 0; i < n; i++) write_as(p->dtype, to, i, from[i]);
        return;
    }
    /* frames and channels past the last one become zero */
    for (int64_t b = 0; b < s->dim[0]; b++) {
        int64_t blocks = (s->dim[1] + p->block - 1) / p->block;
        size_t bytes = (size_t)(blocks * p->stride_c) * syn_dtype_bytes(p->dtype);
        memset((char *)to + (size_t)(b * p->stride_n) * syn_dtype_bytes(p->dtype), 0, bytes);
        for (int64_t c = 0; c < s->dim[1]; c++)
            for (int64_t y = 0; y < s->dim[2]; y++) {
                const int64_t row = syn_place_row(p, b, c, y);
                for (int64_t x = 0; x < s->dim[3]; x++)
                    write_as(p->dtype, to, row + x * p->block, *from++);
            }
    }
}

/* --- load and store ------------------------------------------------------------------------- */

struct move {
    const struct syn_place *place; /* the program's */
    const struct syn_value *of;    /* the program's graph outlives its kernels */
    int32_t value, index;
    size_t bytes; /* of the dense tensor in its own type */
};

static bool is_plain(const struct syn_place *p, const struct syn_value *v)
{
    return p->block == 0 && p->dtype == v->dtype;
}

static void run_load(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct move *m = k->state;
    if (is_plain(&m->place[m->value], m->of))
        memcpy(syn_place_at(r, m->place, m->value), r->in[m->index], m->bytes);
    else
        syn_place_scatter(&m->place[m->value], &m->of->shape, r->in[m->index],
                          syn_place_at(r, m->place, m->value));
}
static void run_store(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct move *m = k->state;
    if (is_plain(&m->place[m->value], m->of))
        memcpy(r->out[m->index], syn_place_at(r, m->place, m->value), m->bytes);
    else
        syn_place_gather(&m->place[m->value], &m->of->shape, syn_place_at(r, m->place, m->value),
                         r->out[m->index]);
}
/* An output that folding made a constant has no place. */
static void run_store_constant(const struct syn_kernel *k, const struct syn_run *r)
{
    const struct move *m = k->state;
    memcpy(r->out[m->index], m->of->data, m->bytes);
}

static syn_status prepare_move(const struct syn_placement *p, const struct syn_place *place,
                               int32_t value, int32_t index, struct syn_kernel *k,
                               struct syn_err *err)
{
    struct move *m = syn_calloc(1, sizeof *m);
    int64_t n = 0;
    if (!m) return syn_fail(err, SYN_NO_MEMORY, "plan: no memory");
    m->place = place;
    m->value = value;
    m->index = index;
    m->of = &p->g->value[value];
    if (!syn_shape_elements(&m->of->shape, &n) ||
        !syn_mul((size_t)n, syn_dtype_bytes(m->of->dtype), &m->bytes)) {
        syn_free(m);
        return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^63 bytes", p->g->value[value].name);
    }
    k->state = m;
    return SYN_OK;
}

syn_status syn_prepare_load(const struct syn_placement *p, const struct syn_place *place,
                            int32_t input, struct syn_kernel *k, struct syn_err *err)
{
    k->impl = "load";
    k->run = run_load;
    return prepare_move(p, place, p->g->input[input], input, k, err);
}
syn_status syn_prepare_store(const struct syn_placement *p, const struct syn_place *place,
                             int32_t output, struct syn_kernel *k, struct syn_err *err)
{
    k->impl = "store";
    k->run = p->g->value[p->g->output[output]].data ? run_store_constant : run_store;
    return prepare_move(p, place, p->g->output[output], output, k, err);
}
