/* quick_depth.c - convolutions whose outputs read one input channel each, over planes with short
 * rows: all rows of a plane at once (flat.h).
 *
 * Takes:   depthwise ones and those of one input channel a group, row stride 1, column stride 1 or
 *          2 where the input's row is as many times as long as the output's; transposed ones
 *          likewise, the other way round.
 * Tests:   tests/unit/test_quick_depth.c against the references. */
#include "kernels/cpu/depth.h"
#include "kernels/cpu/quick.h"
#include "kernels/cpu/steps.h"
#include "kernels/ops/check.h"

#define TASK_POSITIONS ((int64_t)1 << 15)

struct run {
    struct cpu_depth d;
    float *y;
    cpu_step_fn *apply;
    int64_t per_task, parts; /* positions; tasks to a plane */
};

static bool depth_takes(const struct syn_op_call *c)
{
    struct cpu_conv_shape s;
    return cpu_conv_shape_read(c, &s) && cpu_depth_takes(&s);
}

static size_t depth_scratch(const struct syn_op_call *c, const void *packed, int32_t threads)
{
    struct cpu_conv_shape s;
    (void)packed;
    (void)threads;
    return cpu_conv_shape_read(c, &s) ? cpu_depth_scratch(&s) : 0;
}

static void depth_task(void *ctx, int64_t task)
{
    const struct run *r = ctx;
    const struct cpu_conv_shape *s = &r->d.s;
    const int64_t plane = task / r->parts, from = task % r->parts * r->per_task,
                  most = r->d.flat.n - from, n = most < r->per_task ? most : r->per_task;
    float *y = r->y + plane * s->ho * s->wo + from * r->d.flat.phases;
    cpu_depth_run(&r->d, plane, from, from + n, y);
    if (s->step != SYN_STEP_COUNT && s->step != SYN_STEP_RELU)
        r->apply(s->step, y, NULL, y, n * r->d.flat.phases, s->step_args);
}

static void depth_run(const struct syn_op_call *c, const void *packed, void *scratch,
                      struct syn_pool *pool)
{
    struct run r = {.y = c->out[0].data, .apply = cpu_step_best()};
    (void)packed;
    if (!cpu_conv_shape_read(c, &r.d.s)) return;
    cpu_depth_plan(&r.d, c->in[0].data, c->in[1].data, syn_ops_given(c, 2) ? c->in[2].data : NULL,
                   scratch);
    r.per_task = r.d.flat.n < TASK_POSITIONS * 3 / 2 ? r.d.flat.n : TASK_POSITIONS;
    r.parts = (r.d.flat.n + r.per_task - 1) / r.per_task;
    syn_pool_run(pool, r.d.s.n * r.d.s.co * r.parts, depth_task, &r);
}

const struct syn_quick cpu_quick_depth = {
    .impl = "conv planes",
    .takes = depth_takes,
    .scratch = depth_scratch,
    .run = depth_run,
};
