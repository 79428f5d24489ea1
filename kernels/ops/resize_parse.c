/* resize_parse.c - attributes, scales, sizes and regions of RESIZE_ND and UPSAMPLE. See
 * resize_nd.h.
 *
 * Layer:   kernels/ops.   Threads: pure functions.   Ownership: allocates nothing. */
#include "kernels/ops/resize_nd.h"
#include "kernels/ops/window.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum policy { STRETCH, NOT_LARGER, NOT_SMALLER };

struct word {
    const char *word;
    int value;
};

static syn_status choose(const struct syn_op_call *c, const char *attr, const struct word *words,
                         int *out, struct syn_err *err)
{
    const char *given = syn_attr_text(c->op, c->attr, attr);
    for (; words->word; words++)
        if (given && !strcmp(given, words->word)) {
            *out = words->value;
            return SYN_OK;
        }
    return syn_fail(err, SYN_UNSUPPORTED, "%s: %s = '%.60s': no such mode", c->op->name, attr,
                    given ? given : "");
}

static syn_status parse_words(const struct syn_op_call *c, struct syn_resize_nd *r, int *policy,
                              struct syn_err *err)
{
    static const struct word modes[] = {{"nearest", SYN_RESIZE_NEAREST},
                                        {"linear", SYN_RESIZE_BILINEAR},
                                        {"bilinear", SYN_RESIZE_BILINEAR},
                                        {"trilinear", SYN_RESIZE_BILINEAR},
                                        {"cubic", SYN_RESIZE_BICUBIC},
                                        {"bicubic", SYN_RESIZE_BICUBIC},
                                        {NULL, 0}};
    static const struct word coords[] = {{"half_pixel", SYN_ND_HALF_PIXEL},
                                         {"pytorch_half_pixel", SYN_ND_PYTORCH_HALF_PIXEL},
                                         {"half_pixel_symmetric", SYN_ND_HALF_PIXEL_SYMMETRIC},
                                         {"tf_half_pixel_for_nn", SYN_ND_TF_HALF_PIXEL_FOR_NN},
                                         {"asymmetric", SYN_ND_ASYMMETRIC},
                                         {"align_corners", SYN_ND_ALIGN_CORNERS},
                                         {"tf_crop_and_resize", SYN_ND_TF_CROP_AND_RESIZE},
                                         {NULL, 0}};
    static const struct word rounds[] = {{"round_prefer_floor", SYN_ROUND_PREFER_FLOOR},
                                         {"round_prefer_ceil", SYN_ROUND_PREFER_CEIL},
                                         {"floor", SYN_ROUND_FLOOR},
                                         {"ceil", SYN_ROUND_CEIL},
                                         {NULL, 0}};
    static const struct word policies[] = {{"stretch", STRETCH}, {"not_larger", NOT_LARGER},
                                           {"not_smaller", NOT_SMALLER}, {NULL, 0}};
    const bool upsample = c->op == &syn_op_upsample;
    int mode = 0, coord = SYN_ND_ASYMMETRIC, round = SYN_ROUND_FLOOR;
    syn_status st = choose(c, "mode", modes, &mode, err);
    *policy = STRETCH;
    if (st == SYN_OK && !upsample && c->opset != 10) {
        st = choose(c, "coordinate_transformation_mode", coords, &coord, err);
        if (st == SYN_OK) st = choose(c, "nearest_mode", rounds, &round, err);
        if (st == SYN_OK) st = choose(c, "keep_aspect_ratio_policy", policies, policy, err);
    }
    if (st != SYN_OK) return st;
    r->mode = (enum syn_resize_mode)mode;
    r->coord = (enum syn_resize_nd_coord)coord;
    r->round = (enum syn_resize_round)round;
    r->ceil_when_shrinking = !upsample && c->opset == 10;
    r->antialias = !upsample && syn_attr_int(c->op, c->attr, "antialias") != 0;
    r->exclude_outside = !upsample && syn_attr_int(c->op, c->attr, "exclude_outside") != 0;
    r->cubic_a = upsample ? -0.75 : syn_attr_float(c->op, c->attr, "cubic_coeff_a");
    r->outside = upsample ? 0 : syn_attr_float(c->op, c->attr, "extrapolation_value");
    return SYN_OK;
}

/* The axes that scales, sizes and roi speak of. */
static syn_status parse_axes(const struct syn_op_call *c, int32_t rank, int32_t axes[SYN_MAX_RANK],
                             int32_t *n, struct syn_err *err)
{
    const struct syn_attr *list = syn_attr_list(c->op, c->attr, "axes");
    bool seen[SYN_MAX_RANK] = {false};
    *n = list->n ? list->n : rank;
    if (*n > rank)
        return syn_fail(err, SYN_INVALID, "%s: axes has %d entries: at most %d", c->op->name,
                        (int)*n, (int)rank);
    for (int32_t i = 0; i < *n; i++) {
        const syn_status st =
            syn_ops_axis(c, "axes", list->n ? list->v.i[i] : i, rank, &axes[i], err);
        if (st != SYN_OK) return st;
        if (seen[axes[i]])
            return syn_fail(err, SYN_INVALID, "%s: axes names %d twice", c->op->name, (int)axes[i]);
        seen[axes[i]] = true;
    }
    return SYN_OK;
}

/* Operand i is a list that is there and not empty. */
static bool has_list(const struct syn_op_call *c, int32_t i)
{
    return i >= 0 && syn_ops_given(c, i) && syn_ops_elements(&c->in[i].shape) > 0;
}

static syn_status check_count(const struct syn_op_call *c, const char *what, int64_t got,
                              int64_t want, struct syn_err *err)
{
    if (got == want) return SYN_OK;
    return syn_fail(err, SYN_INVALID, "%s: %s has %" PRId64 " entries: must have %" PRId64,
                    c->op->name, what, got, want);
}

static syn_status take_scale(const struct syn_op_call *c, struct syn_resize_nd_axis *ax,
                             double scale, struct syn_err *err)
{
    const int64_t exact = scale > 0 && scale <= SYN_RESIZE_MOST_SCALE && ax->in > 0
                              ? syn_exact_length(ax->in, scale)
                              : 0;
    const double length = exact ? (double)exact : floor((double)ax->in * scale);
    if (!(scale > 0 && scale <= SYN_RESIZE_MOST_SCALE && length <= SYN_RESIZE_MOST_SCALE))
        return syn_fail(err, SYN_INVALID,
                        "%s: scale %g of a length %" PRId64
                        ": must be over 0 and make at most %.0f",
                        c->op->name, scale, ax->in, SYN_RESIZE_MOST_SCALE);
    ax->scale = scale;
    ax->out = (int64_t)length;
    ax->num = exact, ax->den = ax->in;
    return SYN_OK;
}

static syn_status take_sizes(const struct syn_op_call *c, struct syn_resize_nd *r,
                             const int64_t *size, const int32_t *axes, int32_t n, int policy,
                             struct syn_err *err)
{
    int64_t num = 0, den = 1; /* of the one scale that keeps the aspect */
    for (int32_t i = 0; i < n; i++) {
        struct syn_resize_nd_axis *ax = &r->axis[axes[i]];
        if (size[i] < 0 || size[i] > SYN_MAX_ELEMENTS || (ax->in == 0 && size[i] > 0))
            return syn_fail(err, SYN_INVALID,
                            "%s: sizes[%d] = %" PRId64 " of a length %" PRId64
                            ": must be in [0, %" PRId64 "]",
                            c->op->name, (int)i, size[i], ax->in, ax->in ? SYN_MAX_ELEMENTS : 0);
        ax->out = size[i], ax->num = size[i], ax->den = ax->in ? ax->in : 1;
        const __int128 a = (__int128)ax->num * den, b = (__int128)num * ax->den;
        if (i == 0 || (policy == NOT_LARGER ? a < b : a > b)) num = ax->num, den = ax->den;
    }
    for (int32_t i = 0; policy != STRETCH && i < n; i++) {
        struct syn_resize_nd_axis *ax = &r->axis[axes[i]];
        const __int128 out = (2 * (__int128)num * ax->in + den) / (2 * (__int128)den);
        if (out > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_TOO_LARGE, "%s: sizes make axis %d over %" PRId64, c->op->name,
                            (int)axes[i], SYN_MAX_ELEMENTS);
        ax->out = (int64_t)out, ax->num = num, ax->den = den;
    }
    for (int32_t i = 0; i < n; i++)
        r->axis[axes[i]].scale = (double)r->axis[axes[i]].num / (double)r->axis[axes[i]].den;
    return SYN_OK;
}

static syn_status take_roi(const struct syn_op_call *c, struct syn_resize_nd *r,
                           const int32_t *axes, int32_t n, struct syn_err *err)
{
    syn_status st = SYN_OK;
    if (r->coord != SYN_ND_TF_CROP_AND_RESIZE) return SYN_OK;
    if (!has_list(c, 1))
        return syn_fail(err, SYN_INVALID, "%s: operand roi is missing", c->op->name);
    st = syn_ops_ranked(c, 1, "roi", SYN_TYPES_FLOAT, 1, 1, err);
    if (st == SYN_OK) st = check_count(c, "roi", c->in[1].shape.dim[0], 2 * n, err);
    for (int32_t i = 0; st == SYN_OK && i < n; i++)
        r->axis[axes[i]].start = syn_get(&c->in[1], i),
        r->axis[axes[i]].end = syn_get(&c->in[1], n + i);
    return st;
}

syn_status syn_resize_nd_parse(const struct syn_op_call *c, struct syn_resize_nd *r,
                               struct syn_err *err)
{
    const bool upsample = c->op == &syn_op_upsample, old = upsample || c->opset == 10;
    const int32_t at_scales = old ? 1 : 2, at_sizes = old ? -1 : 3;
    const struct syn_attr *scales = syn_attr_list(c->op, c->attr, "scales");
    int32_t axes[SYN_MAX_RANK], n = 0, n_sizes;
    int64_t sizes[SYN_MAX_RANK];
    int policy;
    bool given;
    syn_status st = parse_words(c, r, &policy, err);
    if (st == SYN_OK) st = parse_axes(c, c->in[0].shape.rank, axes, &n, err);
    if (st != SYN_OK) return st;
    r->rank = c->in[0].shape.rank;
    for (int32_t d = 0; d < r->rank; d++) {
        const int64_t in = c->in[0].shape.dim[d];
        if (in > SYN_MAX_ELEMENTS)
            return syn_fail(err, SYN_TOO_LARGE,
                            "%s: x has dimension %d = %" PRId64 ": at most %" PRId64, c->op->name,
                            (int)d, in, SYN_MAX_ELEMENTS);
        r->axis[d] = (struct syn_resize_nd_axis){
            .in = in, .out = in, .num = in ? in : 1, .den = in ? in : 1, .scale = 1, .end = 1};
    }
    if (has_list(c, at_sizes)) {
        st = syn_ops_ints(c, at_sizes, NULL, sizes, SYN_MAX_RANK, &n_sizes, &given, err);
        if (st == SYN_OK) st = check_count(c, "sizes", n_sizes, n, err);
        if (st == SYN_OK) st = take_sizes(c, r, sizes, axes, n, policy, err);
    } else if (has_list(c, at_scales)) {
        st = syn_ops_ranked(c, at_scales, "scales", SYN_TYPES_FLOAT, 1, 1, err);
        if (st == SYN_OK) st = check_count(c, "scales", c->in[at_scales].shape.dim[0], n, err);
        for (int32_t i = 0; st == SYN_OK && i < n; i++)
            st = take_scale(c, &r->axis[axes[i]], syn_get(&c->in[at_scales], i), err);
    } else if (upsample && scales->n) {
        st = check_count(c, "attribute scales", scales->n, n, err);
        for (int32_t i = 0; st == SYN_OK && i < n; i++)
            st = take_scale(c, &r->axis[axes[i]], scales->v.f[i], err);
    } else if (r->rank) {
        return syn_fail(err, SYN_INVALID, "%s: neither scales nor sizes are given", c->op->name);
    }
    return st == SYN_OK ? take_roi(c, r, axes, n, err) : st;
}
