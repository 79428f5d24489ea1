/* pass_lower.c - see passes.h: ONNX's general operators become our own rank-4 forms where those do
 * the same, so that convolutions of pictures meet the passes and kernels made for them. Shapes are
 * known; f32 alone. */
#include "kernels/graph/op_words.h"
#include "kernels/graph/passes.h"
#include "kernels/graph/rewrite.h"
#include <math.h>
#include <string.h>

#define MAX_INTS (2 * SYN_MAX_RANK)

struct lower { /* the node under the knife */
    struct syn_rewrite *r;
    struct syn_node *n;
    const struct syn_value *x, *y; /* first operand, first output */
};

static bool is_picture(const struct syn_value *v)
{
    return v->dtype == SYN_F32 && v->shape.rank == 4;
}
static bool given(const struct syn_node *n, int32_t k) { return k < n->n_in && n->in[k] >= 0; }
static const char *text_of(const struct syn_node *n, const char *name)
{
    const char *t = syn_attr_text(n->op, n->attr, name);
    return t ? t : "";
}

/* Puts a node of our own with these operands and attributes in n's place. */
static syn_status put(struct lower *l, syn_op_id id, int32_t n_in, const int32_t *in,
                      int32_t n_attrs, const struct syn_attr *attrs, struct syn_err *err)
{
    const struct syn_node_spec spec = {.id = id,
                                       .name = l->n->name,
                                       .n_in = n_in,
                                       .in = in,
                                       .n_attrs = n_attrs,
                                       .attrs = attrs,
                                       .n_out = 1};
    return syn_rewrite_put(l->r, l->n, &spec, err);
}

/* Strides, dilations and pads (top, left, bottom, right) of a 2-D window; auto_pad resolved. False
 * when that is no form of ours. k: the window. */
struct window2 {
    int64_t stride[2], dil[2], pads[4], k[2];
};
static bool read_window(const struct lower *l, const int64_t *k, struct window2 *w)
{
    const struct syn_node *n = l->n;
    const char *mode = text_of(n, "auto_pad");
    const struct syn_attr *strides = syn_attr_list(n->op, n->attr, "strides"),
                          *dils = syn_attr_list(n->op, n->attr, "dilations"),
                          *pads = syn_attr_list(n->op, n->attr, "pads");
    for (int32_t d = 0; d < 2; d++) {
        w->k[d] = k[d];
        w->stride[d] = d < strides->n ? strides->v.i[d] : 1;
        w->dil[d] = d < dils->n ? dils->v.i[d] : 1;
        w->pads[d] = pads->n == 4 ? pads->v.i[d] : 0;
        w->pads[2 + d] = pads->n == 4 ? pads->v.i[2 + d] : 0;
        if (!strncmp(mode, "SAME_", 5)) {
            const int64_t in = l->x->shape.dim[2 + d], out = (in + w->stride[d] - 1) / w->stride[d];
            int64_t total = (out - 1) * w->stride[d] + w->dil[d] * (k[d] - 1) + 1 - in;
            if (total < 0) total = 0;
            w->pads[d] = !strcmp(mode, "SAME_LOWER") ? (total + 1) / 2 : total / 2;
            w->pads[2 + d] = total - w->pads[d];
        }
    }
    if (!strcmp(mode, "VALID")) memset(w->pads, 0, sizeof w->pads);
    return true;
}

static syn_status lower_conv(struct lower *l, struct syn_err *err)
{
    const struct syn_value *w = &l->r->g->value[l->n->in[1]];
    struct window2 v;
    if (!is_picture(l->x) || !is_picture(l->y) || !w->data || w->shape.rank != 4 ||
        (w->dtype != SYN_F32 && w->dtype != SYN_F16) || !read_window(l, w->shape.dim + 2, &v))
        return SYN_OK;
    const struct syn_attr attrs[] = {
        syn_attr_of_int("group", syn_attr_int(l->n->op, l->n->attr, "group")),
        syn_attr_of_ints("strides", 2, v.stride), syn_attr_of_ints("dilations", 2, v.dil),
        syn_attr_of_ints("pads", 4, v.pads)};
    return put(l, SYN_OP_CONV, l->n->n_in, l->n->in, 4, attrs, err);
}

static syn_status lower_conv_transpose(struct lower *l, struct syn_err *err)
{
    const struct syn_node *n = l->n;
    const struct syn_value *w = &l->r->g->value[n->in[1]];
    const struct syn_attr *extra = syn_attr_list(n->op, n->attr, "output_padding");
    struct window2 v;
    if (!is_picture(l->x) || !is_picture(l->y) || !w->data || w->shape.rank != 4 ||
        *text_of(n, "auto_pad") == 'S' || syn_attr_list(n->op, n->attr, "output_shape")->n ||
        !read_window(l, w->shape.dim + 2, &v))
        return SYN_OK;
    const int64_t out_pad[2] = {extra->n == 2 ? extra->v.i[0] : 0,
                                extra->n == 2 ? extra->v.i[1] : 0};
    const struct syn_attr attrs[] = {
        syn_attr_of_int("group", syn_attr_int(n->op, n->attr, "group")),
        syn_attr_of_ints("strides", 2, v.stride), syn_attr_of_ints("dilations", 2, v.dil),
        syn_attr_of_ints("pads", 4, v.pads), syn_attr_of_ints("output_padding", 2, out_pad)};
    return put(l, SYN_OP_CONV_TRANSPOSE, n->n_in, n->in, 5, attrs, err);
}

/* The output has the size that rounding down gives: ceil_mode, whose last window differs among
 * frameworks, adds none. */
static bool is_floor(const struct lower *l, const struct window2 *w)
{
    for (int d = 0; d < 2; d++) {
        const int64_t room =
            l->x->shape.dim[2 + d] + w->pads[d] + w->pads[2 + d] - w->dil[d] * (w->k[d] - 1) - 1;
        if (room < 0 || room / w->stride[d] + 1 != l->y->shape.dim[2 + d]) return false;
    }
    return true;
}

static syn_status lower_pool(struct lower *l, struct syn_err *err)
{
    const struct syn_node *n = l->n;
    const bool max = n->id == SYN_OP_MAX_POOL_ND;
    const struct syn_attr *kernel = syn_attr_list(n->op, n->attr, "kernel_shape");
    struct window2 v;
    if (!is_picture(l->x) || !is_picture(l->y) || kernel->n != 2 ||
        (n->n_out > 1 && n->out[1] >= 0) || !read_window(l, kernel->v.i, &v) || !is_floor(l, &v))
        return SYN_OK;
    struct syn_attr attrs[6] = {
        syn_attr_of_ints("kernel", 2, v.k), syn_attr_of_ints("strides", 2, v.stride),
        syn_attr_of_ints("dilations", 2, v.dil), syn_attr_of_ints("pads", 4, v.pads),
        syn_attr_of_int("ceil_mode", 0)};
    if (!max)
        attrs[5] =
            syn_attr_of_int("count_include_pad", syn_attr_int(n->op, n->attr, "count_include_pad"));
    return put(l, max ? SYN_OP_MAX_POOL : SYN_OP_AVERAGE_POOL, 1, n->in, max ? 5 : 6, attrs, err);
}

static syn_status lower_pad(struct lower *l, struct syn_err *err)
{
    const struct syn_node *n = l->n;
    const char *mode = text_of(n, "mode");
    const int32_t how = !strcmp(mode, "reflect") ? SYN_PAD_REFLECT
                        : !strcmp(mode, "edge")  ? SYN_PAD_REPLICATE
                        : !strcmp(mode, "wrap")  ? -1
                                                 : SYN_PAD_CONSTANT;
    int64_t p[MAX_INTS], four[4];
    double value = 0;
    if (!is_picture(l->x) || how < 0 || given(n, 3) ||
        syn_rewrite_list(l->r->g, n, 1, "pads", p, MAX_INTS) != 8)
        return SYN_OK;
    if (given(n, 2) ? !syn_rewrite_number(l->r->g, n->in[2], &value)
                    : (value = syn_attr_float(n->op, n->attr, "value"), false))
        return SYN_OK;
    if (p[0] || p[1] || p[4] || p[5]) return SYN_OK;
    four[0] = p[2], four[1] = p[3], four[2] = p[6], four[3] = p[7];
    for (int i = 0; i < 4; i++)
        if (four[i] < 0 || (how == SYN_PAD_REFLECT && four[i] >= l->x->shape.dim[2 + i % 2]))
            return SYN_OK;
    const struct syn_attr attrs[] = {syn_attr_of_ints("pads", 4, four),
                                     syn_attr_of_int("mode", how),
                                     syn_attr_of_float("value", value)};
    return put(l, SYN_OP_PAD, 1, n->in, 3, attrs, err);
}

static syn_status lower_clip(struct lower *l, struct syn_err *err)
{
    const struct syn_node *n = l->n;
    double lo = -INFINITY, hi = INFINITY;
    if (l->x->dtype != SYN_F32) return SYN_OK;
    if (syn_attr_given(n->op, n->attr, "min")) lo = syn_attr_float(n->op, n->attr, "min");
    if (syn_attr_given(n->op, n->attr, "max")) hi = syn_attr_float(n->op, n->attr, "max");
    if (given(n, 1) && !syn_rewrite_number(l->r->g, n->in[1], &lo)) return SYN_OK;
    if (given(n, 2) && !syn_rewrite_number(l->r->g, n->in[2], &hi)) return SYN_OK;
    const struct syn_attr attrs[] = {syn_attr_of_float("min", lo), syn_attr_of_float("max", hi)};
    return put(l, SYN_OP_CLIP, 1, n->in, 2, attrs, err);
}

/* Anything that only gives the same elements another shape. */
static syn_status lower_reshape(struct lower *l, struct syn_err *err)
{
    const struct syn_attr attr = syn_attr_of_ints("dims", l->y->shape.rank, l->y->shape.dim);
    if (l->x->dtype != SYN_F32 || l->x->shape.rank == 0 || l->y->shape.rank == 0) return SYN_OK;
    for (int32_t d = 0; d < l->y->shape.rank; d++)
        if (l->y->shape.dim[d] == 0) return SYN_OK;
    return put(l, SYN_OP_RESHAPE, 1, l->n->in, 1, &attr, err);
}

static syn_status lower_mean(struct lower *l, struct syn_err *err)
{
    int64_t axis[SYN_MAX_RANK];
    if (!is_picture(l->x) || !syn_attr_int(l->n->op, l->n->attr, "keepdims") ||
        syn_rewrite_list(l->r->g, l->n, 1, "axes", axis, SYN_MAX_RANK) != 2)
        return SYN_OK;
    for (int i = 0; i < 2; i++) axis[i] += axis[i] < 0 ? 4 : 0;
    if (axis[0] == axis[1] || axis[0] < 2 || axis[1] < 2) return SYN_OK;
    return put(l, SYN_OP_GLOBAL_AVERAGE_POOL, 1, l->n->in, 0, NULL, err);
}

static syn_status lower_instance_norm(struct lower *l, struct syn_err *err)
{
    const struct syn_attr attr =
        syn_attr_of_float("epsilon", syn_attr_float(l->n->op, l->n->attr, "epsilon"));
    return is_picture(l->x) ? put(l, SYN_OP_CHANNEL_NORM, 3, l->n->in, 1, &attr, err) : SYN_OK;
}

static syn_status lower_depth_to_space(struct lower *l, struct syn_err *err)
{
    const bool to_space = l->n->id == SYN_OP_DEPTH_TO_SPACE;
    const struct syn_attr attrs[] = {
        syn_attr_of_int("r", syn_attr_int(l->n->op, l->n->attr, "blocksize")),
        syn_attr_of_int("mode", to_space && !strcmp(text_of(l->n, "mode"), "CRD") ? 0 : 1)};
    return is_picture(l->x) ? put(l, to_space ? SYN_OP_PIXEL_SHUFFLE : SYN_OP_PIXEL_UNSHUFFLE, 1,
                                  l->n->in, 2, attrs, err)
                            : SYN_OK;
}

/* Enum of a text, -1 when it is none of ours. */
static int32_t resize_coord(const char *t, const struct syn_shape *y)
{
    if (!strcmp(t, "half_pixel")) return SYN_COORD_HALF_PIXEL;
    if (!strcmp(t, "pytorch_half_pixel"))
        return y->dim[2] > 1 && y->dim[3] > 1 ? SYN_COORD_HALF_PIXEL : -1;
    if (!strcmp(t, "asymmetric")) return SYN_COORD_ASYMMETRIC;
    return !strcmp(t, "align_corners") ? SYN_COORD_ALIGN_CORNERS : -1;
}
static int32_t resize_mode(const char *t)
{
    return !strcmp(t, "nearest") ? SYN_RESIZE_NEAREST
           : !strcmp(t, "linear") || !strcmp(t, "bilinear") ? SYN_RESIZE_BILINEAR
           : !strcmp(t, "cubic") ? SYN_RESIZE_BICUBIC : -1;
}
static int32_t resize_round(const char *t)
{
    return !strcmp(t, "floor") ? SYN_ROUND_FLOOR : !strcmp(t, "ceil") ? SYN_ROUND_CEIL
           : !strcmp(t, "round_prefer_ceil") ? SYN_ROUND_PREFER_CEIL : SYN_ROUND_PREFER_FLOOR;
}

static syn_status lower_resize(struct lower *l, struct syn_err *err)
{
    const struct syn_node *n = l->n;
    const bool old = n->opset < 11; /* Resize-10 and Upsample: asymmetric, floor */
    const int32_t mode = resize_mode(text_of(n, "mode")),
                  coord = old ? SYN_COORD_ASYMMETRIC
                              : resize_coord(text_of(n, "coordinate_transformation_mode"),
                                             &l->y->shape),
                  how = old ? SYN_ROUND_FLOOR : resize_round(text_of(n, "nearest_mode"));
    const bool by_scale =
        n->n_in > 2 && n->in[2] >= 0 && l->r->g->value[n->in[2]].shape.dim[0] == 4;
    if (!is_picture(l->x) || !is_picture(l->y) || mode < 0 || coord < 0 || old ||
        syn_attr_int(n->op, n->attr, "antialias") ||
        syn_attr_int(n->op, n->attr, "exclude_outside") ||
        syn_attr_list(n->op, n->attr, "axes")->n ||
        (mode == SYN_RESIZE_BICUBIC && coord == SYN_COORD_ALIGN_CORNERS) ||
        l->x->shape.dim[0] != l->y->shape.dim[0] || l->x->shape.dim[1] != l->y->shape.dim[1])
        return SYN_OK;
    struct syn_attr attrs[6] = {
        syn_attr_of_int("mode", mode), syn_attr_of_int("coord", coord),
        syn_attr_of_int("round", how),
        syn_attr_of_float("cubic_a", syn_attr_float(n->op, n->attr, "cubic_coeff_a"))};
    if (by_scale) {
        const struct syn_value *s = &l->r->g->value[n->in[2]];
        if (!s->data || s->dtype != SYN_F32) return SYN_OK;
        attrs[4] = syn_attr_of_float("scale_h", (double)syn_value_float(s, 2));
        attrs[5] = syn_attr_of_float("scale_w", (double)syn_value_float(s, 3));
    } else {
        attrs[4] = syn_attr_of_int("out_h", l->y->shape.dim[2]);
        attrs[5] = syn_attr_of_int("out_w", l->y->shape.dim[3]);
    }
    return put(l, SYN_OP_RESIZE, 1, n->in, 6, attrs, err);
}

/* Nodes that hand their first operand on. */
static bool is_nothing(const struct lower *l)
{
    const struct syn_node *n = l->n;
    if (n->id == SYN_OP_DROPOUT)
        return (n->n_out < 2 || n->out[1] < 0) &&
               (!given(n, 2) || syn_rewrite_is(l->r->g, n->in[2], 0));
    return n->id == SYN_OP_IDENTITY || (n->id == SYN_OP_CAST && l->x->dtype == l->y->dtype);
}

/* From opset 7 on a slope broadcasts as any operand does: [c,1,1] is one number per channel. Our
 * own form, and the passes that know it, have that as [c]. */
static syn_status lower_prelu(struct lower *l, struct syn_err *err)
{
    const struct syn_value v = l->r->g->value[l->n->in[1]];
    const int64_t channels = is_picture(l->x) ? l->x->shape.dim[1] : 0;
    struct syn_shape flat = syn_shape_of(1, &channels);
    int32_t in[2] = {l->n->in[0], -1};
    int64_t n;
    syn_status st;
    if (!channels || l->n->opset < 7 || !v.data || v.dtype != SYN_F32 || v.shape.rank < 3 ||
        !syn_shape_elements(&v.shape, &n) || n != channels ||
        v.shape.dim[v.shape.rank - 3] != channels)
        return SYN_OK;
    st = syn_graph_constant(l->r->g, "", SYN_F32, &flat, v.data, &in[1], err);
    if (st != SYN_OK) return st;
    l->r->g->value[in[1]].key = v.key;
    return put(l, SYN_OP_PRELU, 2, in, 0, NULL, err);
}

static syn_status lower_node(struct lower *l, struct syn_err *err)
{
    switch (l->n->id) {
    case SYN_OP_CONV_ND: return lower_conv(l, err);
    case SYN_OP_CONV_TRANSPOSE_ND: return lower_conv_transpose(l, err);
    case SYN_OP_MAX_POOL_ND:
    case SYN_OP_AVERAGE_POOL_ND: return lower_pool(l, err);
    case SYN_OP_PAD_ND: return lower_pad(l, err);
    case SYN_OP_CLIP_TO: return lower_clip(l, err);
    case SYN_OP_RESHAPE_TO:
    case SYN_OP_FLATTEN:
    case SYN_OP_SQUEEZE:
    case SYN_OP_UNSQUEEZE: return lower_reshape(l, err);
    case SYN_OP_REDUCE_MEAN: return lower_mean(l, err);
    case SYN_OP_INSTANCE_NORMALIZATION: return lower_instance_norm(l, err);
    case SYN_OP_DEPTH_TO_SPACE:
    case SYN_OP_SPACE_TO_DEPTH: return lower_depth_to_space(l, err);
    case SYN_OP_RESIZE_ND: return lower_resize(l, err);
    case SYN_OP_PRELU: return lower_prelu(l, err);
    default: return SYN_OK;
    }
}

syn_status syn_pass_lower(struct syn_graph *g, struct syn_err *err)
{
    struct syn_rewrite r;
    syn_status st = syn_rewrite_open(&r, g, err);
    for (int32_t i = 0, n = g->n_nodes; st == SYN_OK && i < n; i++) {
        struct lower l = {&r, &g->node[i], NULL, NULL};
        if (!l.n->op || l.n->n_in < 1 || l.n->in[0] < 0 || l.n->n_out < 1 || l.n->out[0] < 0)
            continue;
        l.x = &g->value[l.n->in[0]];
        l.y = &g->value[l.n->out[0]];
        if (is_nothing(&l)) syn_rewrite_bypass(&r, l.n, l.n->in[0]);
        else if ((st = lower_node(&l, err)) != SYN_OK)
            st = syn_fail_in(err, st, "%s: ", g->node[i].name);
    }
    syn_rewrite_close(&r);
    return st;
}
