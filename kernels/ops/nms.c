/* nms.c - boxes that do not overlap better ones: NON_MAX_SUPPRESSION.
 *
 * Source:  ONNX NonMaxSuppression-10, 11.
 * Operands: boxes f32 [batch, boxes, 4], scores f32 [batch, classes, boxes],
 *          max_output_boxes_per_class? (0), iou_threshold? (0), score_threshold? (none): single
 *          numbers.
 * Outputs:  i64 [selected, 3]: batch, class, box; by batch, class, falling score.
 * Maths:   in each class the best box with a score over the threshold is taken, until there are
 *          enough, unless its intersection over union with one taken before exceeds iou_threshold.
 *          Equal scores: the lower index first. center_point_box = 0: y1 x1 y2 x2, any two opposite
 *          corners; 1: x y of the centre, width, height. A NaN score is the lowest.
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: candidates of one class while it
 *          runs. */
#include "kernels/base/alloc.h"
#include "kernels/ops/body.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct box {
    double x1, y1, x2, y2;
};

struct candidate {
    float score;
    int64_t index;
};

/* Falling score, then rising index; NaN last. */
static int better_first(const void *a, const void *b)
{
    const struct candidate *p = a, *q = b;
    const bool np = isnan(p->score), nq = isnan(q->score);
    if (np != nq) return np ? 1 : -1;
    if (!np && p->score != q->score) return p->score > q->score ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

static struct box read_box(const float *v, bool centre)
{
    const double a = (double)v[0], b = (double)v[1], d = (double)v[2], e = (double)v[3];
    if (centre) return (struct box){a - d / 2, b - e / 2, a + d / 2, b + e / 2};
    return (struct box){fmin(b, e), fmin(a, d), fmax(b, e), fmax(a, d)};
}

static double area(const struct box *b) { return (b->x2 - b->x1) * (b->y2 - b->y1); }

static bool overlaps(const struct box *a, const struct box *b, double threshold)
{
    const double w = fmin(a->x2, b->x2) - fmax(a->x1, b->x1),
                 h = fmin(a->y2, b->y2) - fmax(a->y1, b->y1);
    if (!(w > 0 && h > 0 && area(a) > 0 && area(b) > 0)) return false;
    return w * h / (area(a) + area(b) - w * h) > threshold;
}

static syn_status float_of(const struct syn_op_call *c, int32_t i, const char *name,
                           double fallback, double *out, struct syn_err *err)
{
    *out = fallback;
    if (!syn_ops_given(c, i)) return SYN_OK;
    const syn_status st = syn_ops_operand(c, i, name, SYN_TYPES_FLOAT, err);
    if (st != SYN_OK) return st;
    if (syn_ops_elements(&c->in[i].shape) != 1)
        return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " elements: must have 1",
                        c->op->name, name, syn_ops_elements(&c->in[i].shape));
    *out = syn_get(&c->in[i], 0);
    return SYN_OK;
}

struct nms {
    int64_t n_boxes, most;
    double iou, least; /* scores must exceed least, if there is one */
    bool has_least, centre;
    struct candidate *candidate; /* [n_boxes] */
    int64_t *taken;              /* [n_boxes] */
    int64_t *found;              /* rows of 3 */
    size_t n_found, cap;
};

static syn_status nms_parse(const struct syn_op_call *c, struct nms *p, struct syn_err *err)
{
    const struct syn_shape *b = &c->in[0].shape, *s = &c->in[1].shape;
    syn_status st = syn_ops_ranked(c, 0, "boxes", SYN_TYPE(F32), 3, 3, err);
    if (st == SYN_OK) st = syn_ops_ranked(c, 1, "scores", SYN_TYPE(F32), 3, 3, err);
    if (st != SYN_OK) return st;
    if (b->dim[2] != 4 || s->dim[0] != b->dim[0] || s->dim[2] != b->dim[1])
        return syn_fail(err, SYN_INVALID,
                        "%s: boxes [%" PRId64 ", %" PRId64 ", %" PRId64 "] and scores [%" PRId64
                        ", .., %" PRId64 "]: must be [batch, boxes, 4] and [batch, classes, boxes]",
                        c->op->name, b->dim[0], b->dim[1], b->dim[2], s->dim[0], s->dim[2]);
    *p = (struct nms){.n_boxes = b->dim[1],
                      .centre = syn_attr_int(c->op, c->attr, "center_point_box") != 0,
                      .has_least = syn_ops_given(c, 4)};
    st = syn_ops_single(c, 2, "max_output_boxes_per_class", SYN_TYPES_INDEX, 0, &p->most, err);
    if (st == SYN_OK) st = float_of(c, 3, "iou_threshold", 0, &p->iou, err);
    if (st == SYN_OK) st = float_of(c, 4, "score_threshold", 0, &p->least, err);
    if (st == SYN_OK && !(p->iou >= 0 && p->iou <= 1))
        st = syn_fail(err, SYN_INVALID, "%s: iou_threshold = %g: must be in [0, 1]", c->op->name,
                      p->iou);
    return st;
}

static syn_status keep(const struct syn_op_call *c, struct nms *p, int64_t batch, int64_t class_,
                       int64_t box, struct syn_err *err)
{
    if (p->n_found == p->cap) {
        const size_t cap = p->cap ? 2 * p->cap : 64;
        int64_t *found = syn_realloc(p->found, cap, 3 * sizeof *found);
        if (!found)
            return syn_fail(err, SYN_NO_MEMORY, "%s: no memory for %zu boxes", c->op->name, cap);
        p->found = found, p->cap = cap;
    }
    p->found[3 * p->n_found] = batch, p->found[3 * p->n_found + 1] = class_,
                 p->found[3 * p->n_found + 2] = box;
    p->n_found++;
    return SYN_OK;
}

static syn_status select_class(const struct syn_op_call *c, struct nms *p, int64_t batch,
                               int64_t class_, struct syn_err *err)
{
    const float *boxes = (const float *)c->in[0].data + batch * p->n_boxes * 4;
    const float *scores =
        (const float *)c->in[1].data + (batch * c->in[1].shape.dim[1] + class_) * p->n_boxes;
    size_t n = 0;
    int64_t n_taken = 0;
    for (int64_t i = 0; i < p->n_boxes; i++)
        if (!p->has_least || (double)scores[i] > p->least)
            p->candidate[n++] = (struct candidate){scores[i], i};
    qsort(p->candidate, n, sizeof *p->candidate, better_first);
    for (size_t k = 0; k < n && n_taken < p->most; k++) {
        const struct box own = read_box(boxes + 4 * p->candidate[k].index, p->centre);
        bool free_of_others = true;
        for (int64_t t = 0; t < n_taken && free_of_others; t++) {
            const struct box other = read_box(boxes + 4 * p->taken[t], p->centre);
            free_of_others = !overlaps(&own, &other, p->iou);
        }
        if (!free_of_others) continue;
        p->taken[n_taken++] = p->candidate[k].index;
        const syn_status st = keep(c, p, batch, class_, p->candidate[k].index, err);
        if (st != SYN_OK) return st;
    }
    return SYN_OK;
}

static syn_status nms_reference(const struct syn_op_call *c, struct syn_err *err)
{
    const int64_t batches = c->in[0].shape.dim[0], classes = c->in[1].shape.dim[1];
    struct nms p = {0};
    syn_status st = nms_parse(c, &p, err);
    if (st != SYN_OK) return st;
    p.candidate = syn_calloc((size_t)p.n_boxes, sizeof *p.candidate);
    p.taken = syn_calloc((size_t)p.n_boxes, sizeof *p.taken);
    if (!p.candidate || !p.taken) st = syn_fail(err, SYN_NO_MEMORY, "%s: no memory", c->op->name);
    for (int64_t b = 0; st == SYN_OK && p.n_boxes > 0 && classes > 0 && b < batches; b++)
        for (int64_t k = 0; st == SYN_OK && k < classes; k++) st = select_class(c, &p, b, k, err);
    if (st == SYN_OK) {
        const struct syn_shape y = {.rank = 2, .dim = {(int64_t)p.n_found, 3}};
        st = syn_ops_make(syn_maker(c), 0, &y, SYN_I64, err);
        for (size_t i = 0; st == SYN_OK && i < 3 * p.n_found; i++)
            ((int64_t *)c->out[0].data)[i] = p.found[i];
    }
    syn_free(p.candidate);
    syn_free(p.taken);
    syn_free(p.found);
    return st;
}

static const struct syn_attr_spec nms_attrs[] = {
    {"center_point_box", SYN_ATTR_INT, 0, 0, 1},
    {NULL, SYN_ATTR_INT, 0, 0, 0},
};
const struct syn_op syn_op_non_max_suppression = {
    .name = "NonMaxSuppression", .flags = SYN_OP_MAKES, .min_in = 2, .max_in = 5, .n_out = 1,
    .attrs = nms_attrs, .reference = nms_reference,
};
