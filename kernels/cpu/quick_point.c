/* quick_point.c - CONV_POINT: a depthwise convolution and the 1x1 convolution that reads it, what
 * lies between never stored as a whole.
 *
 * Form:    where the first is one of depth.h's, a task makes all its channels for some positions of
 *          a plane in a buffer that stays in the second-level cache, then all rows of the second
 *          from it by tiles. Elsewhere, and in bf16, one quick version after the other with the
 *          whole between them in scratch.
 * Tests:   tests/unit/test_quick_depth.c against the reference. */
#include "kernels/base/alloc.h"
#include "kernels/cpu/depth.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/steps.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops/check.h"
#include "kernels/ops/conv_point.h"

extern const struct syn_quick cpu_quick_conv, cpu_quick_depth;

#define R CPU_TILE_ROWS
#define C CPU_TILE_COLS
#define BUFFER_FLOATS (1 << 16) /* on a task's stack */
#define COLUMNS (8 * C)         /* most of a task: whole words of both phases (flat.h) */
#define PITCH_EXTRA 16          /* lines must not share cache sets */

struct run {
    struct cpu_depth d;
    struct cpu_conv_shape s; /* of the second */
    const float *blocks, *bias;
    float *y;
    cpu_tile_fn *tile;
    cpu_step_fn *apply;
    int64_t cols, spans;     /* outputs of a task; tasks to a plane */
};

/* Outputs of a task that it has room for: multiples of the tile's and, in both phases, of a
 * word's. 0: there are too many channels. */
static int64_t columns_for(int64_t channels)
{
    for (int64_t cols = COLUMNS; cols >= 2 * C; cols /= 2)
        if (channels * (cols + PITCH_EXTRA) <= BUFFER_FLOATS) return cols;
    return 0;
}

/* The quick version of the first; NULL: none. */
static const struct syn_quick *front_of(const struct syn_op_call *front)
{
    return cpu_quick_depth.takes(front)  ? &cpu_quick_depth
           : cpu_quick_conv.takes(front) ? &cpu_quick_conv
                                         : NULL;
}

/* Both at once, with these weights. */
static bool is_joint(const struct syn_conv_point *p, const void *packed, struct cpu_conv_shape *s)
{
    return !p->point.bf16 && cpu_conv_blocks(packed) && cpu_conv_shape_read(&p->front, s) &&
           cpu_depth_takes(s) && columns_for(s->co) > 0;
}

static bool point_takes(const struct syn_op_call *c)
{
    struct syn_conv_point p;
    return c->in[0].shape.rank >= 0 && syn_conv_point_parts(c, &p, NULL) == SYN_OK &&
           front_of(&p.front) && cpu_quick_conv.takes(&p.point);
}

static syn_status point_pack(const struct syn_op_call *c, uint64_t constants, void **packed,
                             size_t *bytes, struct syn_err *err)
{
    struct syn_conv_point p;
    const syn_status st = syn_conv_point_parts(c, &p, err);
    /* the second's weights: operand 2 here, 1 there */
    return st == SYN_OK ? cpu_quick_conv.pack(&p.point, constants >> 1, packed, bytes, err) : st;
}

static size_t between_bytes(const struct syn_conv_point *p)
{
    return syn_aligned((size_t)syn_ops_elements(&p->front.out[0].shape) * sizeof(float));
}

static size_t point_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct syn_conv_point p;
    struct cpu_conv_shape s;
    size_t first, second;
    if (syn_conv_point_parts(c, &p, NULL) != SYN_OK) return 0;
    if (is_joint(&p, packed, &s)) return cpu_depth_scratch(&s);
    first = front_of(&p.front)->scratch(&p.front, NULL, threads);
    second = cpu_quick_conv.scratch(&p.point, packed, threads);
    return between_bytes(&p) + (first > second ? first : second);
}

static void point_task(void *ctx, int64_t task)
{
    const struct run *r = ctx;
    const int64_t n = task / r->spans, plane = r->s.h * r->s.w, from = task % r->spans * r->cols,
                  cols = plane - from < r->cols ? plane - from : r->cols, k = r->s.ci,
                  pitch = r->cols + PITCH_EXTRA, phases = r->d.flat.phases;
    float buffer[BUFFER_FLOATS] __attribute__((aligned(64)));
    struct cpu_tile t = {.x_k = pitch,
                         .a_row = 1,
                         .a_k = R,
                         .k = k,
                         .y_row = plane,
                         .relu = r->s.step == SYN_STEP_RELU};
    for (int64_t c = 0; c < k; c++)
        cpu_depth_run(&r->d, n * k + c, from / phases, (from + cols) / phases, buffer + c * pitch);
    for (int64_t row = 0; row < r->s.co; row += R) {
        t.rows = (int32_t)(r->s.co - row < R ? r->s.co - row : R);
        t.a = r->blocks + row * k;
        t.bias = r->bias ? r->bias + row : NULL;
        for (int64_t j = 0; j < cols; j += C) {
            t.cols = (int32_t)(cols - j < C ? cols - j : C);
            t.x = buffer + j;
            t.y = r->y + (n * r->s.co + row) * plane + from + j;
            r->tile(&t);
            for (int32_t i = 0; i < t.rows && r->s.step != SYN_STEP_COUNT && !t.relu; i++)
                r->apply(r->s.step, t.y + i * plane, NULL, t.y + i * plane, t.cols,
                         r->s.step_args);
        }
    }
}

static void run_apart(struct syn_conv_point *p, const void *packed, void *scratch,
                      struct syn_pool *pool)
{
    void *rest = (char *)scratch + between_bytes(p);
    p->front.out[0].data = p->point.in[0].data = scratch;
    front_of(&p->front)->run(&p->front, NULL, rest, pool);
    cpu_quick_conv.run(&p->point, packed, rest, pool);
}

static void point_run(const struct syn_op_call *c, const void *packed, void *scratch,
                      struct syn_pool *pool)
{
    struct syn_conv_point p;
    struct run r = {.y = c->out[0].data, .tile = cpu_tile_best(), .apply = cpu_step_best()};
    if (syn_conv_point_parts(c, &p, NULL) != SYN_OK) return;
    p.point.out[0].data = c->out[0].data;
    if (!is_joint(&p, packed, &r.d.s)) {
        run_apart(&p, packed, scratch, pool);
        return;
    }
    if (!cpu_conv_shape_read(&p.point, &r.s)) return;
    r.blocks = cpu_conv_blocks(packed);
    r.bias = syn_ops_given(&p.point, 2) ? p.point.in[2].data : NULL;
    cpu_depth_plan(&r.d, p.front.in[0].data, p.front.in[1].data,
                   syn_ops_given(&p.front, 2) ? p.front.in[2].data : NULL, scratch);
    r.cols = columns_for(r.s.ci);
    r.spans = (r.s.h * r.s.w + r.cols - 1) / r.cols;
    syn_pool_run(pool, r.s.n * r.spans, point_task, &r);
}

const struct syn_quick cpu_quick_point = {
    .impl = "conv planes, tiles",
    .takes = point_takes,
    .pack = point_pack,
    .scratch = point_scratch,
    .run = point_run,
};
