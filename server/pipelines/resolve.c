/* resolve.c - from parameters and a picture's size to the output size, the network and the passes.
 *
 * And how much memory the pictures on that way take together, before any of them is made.
 *
 * Layer: server/pipelines.   Threads: pure functions. */
#include "server/pipelines/kinds_private.h"
#include "server/pipelines/upscale.h"
#include <inttypes.h>
#include <math.h>

#define ROUNDING 1.02 /* a size this little over a native multiple is reached by resampling */

static syn_status check_params(const struct syn_upscale_params *p, struct syn_err *err)
{
    if (p->scale != 0 && !(p->scale >= SYN_UPSCALE_MIN_SCALE && p->scale <= SYN_UPSCALE_MAX_SCALE))
        return syn_fail(err, SYN_INVALID, "scale = %g: must be in [%g, %g]", p->scale,
                        SYN_UPSCALE_MIN_SCALE, SYN_UPSCALE_MAX_SCALE);
    if (p->width < 0 || p->width > SYN_UPSCALE_MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "width = %d: must be in [1, %d]", p->width,
                        SYN_UPSCALE_MAX_SIDE);
    if (p->height < 0 || p->height > SYN_UPSCALE_MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "height = %d: must be in [1, %d]", p->height,
                        SYN_UPSCALE_MAX_SIDE);
    if (p->scale != 0 && (p->width || p->height))
        return syn_fail(err, SYN_INVALID,
                        "scale = %g: must not be given together with width or height", p->scale);
    if (p->tile != 0 && (p->tile < SYN_UPSCALE_MIN_TILE || p->tile > SYN_UPSCALE_MAX_TILE))
        return syn_fail(err, SYN_INVALID, "tile = %d: must be 0 or in [%d, %d]", p->tile,
                        SYN_UPSCALE_MIN_TILE, SYN_UPSCALE_MAX_TILE);
    return SYN_OK;
}

static syn_status check_noise(const struct syn_manifest *m, int32_t noise, struct syn_err *err)
{
    bool any = false;
    for (int32_t i = 0; i < m->n_variants; i++) {
        if (m->variant[i].noise == noise) return SYN_OK;
        any |= m->variant[i].noise != SYN_NOISE_NONE;
    }
    if (!any) return syn_fail(err, SYN_INVALID, "noise = %d: %s has no noise levels", noise, m->id);
    return syn_fail(err, SYN_INVALID, "noise = %d: %s has no such level", noise, m->id);
}

int32_t syn_upscale_largest_scale(const struct syn_manifest *m, int32_t noise)
{
    int32_t s = 1;
    for (int32_t i = 0; i < m->n_variants; i++)
        if (m->variant[i].noise == noise && m->variant[i].scale > s) s = m->variant[i].scale;
    return s;
}

/* A side times a factor, rounded, at least 1. The product stays far under 2^53. */
static double scaled(int32_t side, double factor)
{
    const double v = floor(side * factor + 0.5);
    return v < 1 ? 1 : v;
}

/* Output size and the larger of both ratios. */
static syn_status output_size(const struct syn_upscale_params *p, int32_t native, int32_t w,
                              int32_t h, double *out_w, double *out_h, double *factor,
                              struct syn_err *err)
{
    if (p->width || p->height) {
        *out_w = p->width ? p->width : scaled(w, (double)p->height / h);
        *out_h = p->height ? p->height : scaled(h, (double)p->width / w);
        *factor = fmax(*out_w / w, *out_h / h);
        if (p->width && (double)p->width / w > SYN_UPSCALE_MAX_SCALE)
            return syn_fail(err, SYN_INVALID, "width = %d: must be at most %g times the input's %d",
                            p->width, SYN_UPSCALE_MAX_SCALE, w);
        if (p->height && (double)p->height / h > SYN_UPSCALE_MAX_SCALE)
            return syn_fail(err, SYN_INVALID,
                            "height = %d: must be at most %g times the input's %d", p->height,
                            SYN_UPSCALE_MAX_SCALE, h);
        /* The derived side of a thin picture may round up to 1: that asks for no enlargement. */
        if (!p->width || !p->height) *factor = p->width ? *out_w / w : *out_h / h;
        return SYN_OK;
    }
    *factor = p->scale != 0 ? p->scale : native;
    *out_w = scaled(w, *factor);
    *out_h = scaled(h, *factor);
    return SYN_OK;
}

static int32_t passes_for(int32_t scale, double factor)
{
    int32_t passes = 1;
    double reach = scale;
    if (scale < 2) return 1;
    while (factor > reach * ROUNDING) {
        reach *= scale;
        passes++;
    }
    return passes;
}

/* Fewest passes, then the smallest scale; a network that keeps the size only serves when no
 * enlargement is asked for, or when the model has nothing else. */
static const struct syn_variant *choose(const struct syn_manifest *m, int32_t noise, double factor,
                                        int32_t *passes)
{
    const struct syn_variant *best = NULL;
    for (int32_t i = 0; i < m->n_variants; i++) {
        const struct syn_variant *v = &m->variant[i];
        if (v->noise != noise) continue;
        const bool enlarges = v->scale > 1 || factor <= ROUNDING;
        const bool best_enlarges = best && (best->scale > 1 || factor <= ROUNDING);
        const int32_t n = passes_for(v->scale, factor);
        const bool fewer = n < *passes || (n == *passes && best && v->scale < best->scale);
        if (!best || (enlarges && !best_enlarges) || (enlarges == best_enlarges && fewer)) {
            best = v;
            *passes = n;
        }
    }
    return best;
}

static syn_status check_limits(const struct syn_upscale_limits *lim, double out_w, double out_h,
                               double native_w, double native_h, struct syn_err *err)
{
    double side = SYN_UPSCALE_MAX_SIDE;
    if (lim->max_output_side > 0 && lim->max_output_side < side) side = lim->max_output_side;
    if (out_w > side || out_h > side)
        return syn_fail(err, SYN_TOO_LARGE, "output: %.0fx%.0f: each side must be at most %.0f",
                        out_w, out_h, side);
    if (lim->max_output_pixels && out_w * out_h > (double)lim->max_output_pixels)
        return syn_fail(err, SYN_TOO_LARGE,
                        "output: %.0fx%.0f is %.0f pixels: must be at most %llu", out_w, out_h,
                        out_w * out_h, (unsigned long long)lim->max_output_pixels);
    if (native_w > SYN_UPSCALE_MAX_SIDE || native_h > SYN_UPSCALE_MAX_SIDE)
        return syn_fail(err, SYN_TOO_LARGE,
                        "output: the network makes %.0fx%.0f on the way: "
                        "each side must be at most %d", native_w, native_h, SYN_UPSCALE_MAX_SIDE);
    if (lim->max_output_pixels && native_w * native_h > (double)lim->max_output_pixels)
        return syn_fail(err, SYN_TOO_LARGE,
                        "output: the network makes %.0fx%.0f on the way, %.0f pixels: "
                        "must be at most %llu", native_w, native_h, native_w * native_h,
                        (unsigned long long)lim->max_output_pixels);
    return SYN_OK;
}

syn_status syn_upscale_resolve(const struct syn_manifest *m, const struct syn_upscale_params *p,
                               const struct syn_upscale_limits *limits, int32_t in_width,
                               int32_t in_height, struct syn_upscale_plan *out, struct syn_err *err)
{
    double out_w, out_h, factor;
    syn_status st;
    if (in_width < 1 || in_width > SYN_UPSCALE_MAX_SIDE || in_height < 1 ||
        in_height > SYN_UPSCALE_MAX_SIDE)
        return syn_fail(err, SYN_INVALID, "image: %dx%d: each side must be in [1, %d]", in_width,
                        in_height, SYN_UPSCALE_MAX_SIDE);
    if ((st = check_params(p, err)) != SYN_OK || (st = check_noise(m, p->noise, err)) != SYN_OK)
        return st;
    st = output_size(p, syn_upscale_largest_scale(m, p->noise), in_width, in_height, &out_w, &out_h,
                     &factor, err);
    if (st != SYN_OK) return st;

    int32_t passes = 0;
    const struct syn_variant *v = choose(m, p->noise, factor, &passes), *again = v;
    double grown = 1;
    for (int32_t i = 0; i < passes; i++) grown *= v->scale;
    st = check_limits(limits, out_w, out_h, in_width * grown, in_height * grown, err);
    if (st != SYN_OK) return st;

    for (int32_t i = 0; i < m->n_variants; i++)
        if (m->variant[i].scale == v->scale && m->variant[i].noise == SYN_NOISE_NONE)
            again = &m->variant[i];
    *out = (struct syn_upscale_plan){.out_width = (int32_t)out_w, .out_height = (int32_t)out_h,
                                     .variant = v,
                                     .again = again, .passes = passes,
                                     .native_width = (int32_t)(in_width * grown),
                                     .native_height = (int32_t)(in_height * grown)};
    return SYN_OK;
}

/* ---- memory ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Follows upscale.c and alpha.c: split, then pass by pass a picture and what it becomes, then to
 * size, then joined; beside each what waits. Sides are at most 2^20 and a pixel at most 8 bytes, so
 * that no sum leaves 64 bits. */
uint64_t syn_upscale_picture_bytes(const struct syn_upscale_plan *plan,
                                   const struct syn_upscale_params *p,
                                   const struct syn_image_info *in)
{
    const bool alpha = in->channels == 4 && p->alpha != SYN_ALPHA_DROP;
    const uint64_t sample = (uint64_t)in->bits / 8, pixels = (uint64_t)in->width * in->height;
    const uint64_t input = 3 * sample * pixels;
    const uint64_t native = 3 * sample * (uint64_t)plan->native_width * plan->native_height;
    const uint64_t result = 3 * sample * (uint64_t)plan->out_width * plan->out_height;
    const uint64_t scale = (uint64_t)plan->variant->scale;
    const uint64_t before = native / (scale * scale); /* what the last pass reads */
    const bool sized = plan->out_width != plan->native_width ||
                       plan->out_height != plan->native_height;
    const uint64_t alpha_native = p->alpha == SYN_ALPHA_MODEL ? native : input;
    /* decoded, its colours and its alpha; four bytes a pixel to bleed colours by */
    uint64_t most = in->channels == 4 ? 4 * sample * pixels + (alpha ? 2 : 1) * input + 4 * pixels
                                      : input;
    most = larger(most, before + native + (alpha ? input : 0));
    if (alpha && p->alpha == SYN_ALPHA_MODEL) most = larger(most, native + before + native);
    if (sized) most = larger(most, native + result + (alpha ? alpha_native : 0));
    if (alpha) {
        most = larger(most, result + alpha_native + result);
        most = larger(most, 2 * result + result / 3 * 4);
    }
    return most;
}

syn_status syn_upscale_check_pictures(const struct syn_upscale_plan *plan,
                                      const struct syn_upscale_params *p,
                                      const struct syn_upscale_limits *limits,
                                      const struct syn_image_info *in, struct syn_err *err)
{
    const uint64_t bytes = syn_upscale_picture_bytes(plan, p, in);
    if (!limits->memory_budget_bytes || bytes <= limits->memory_budget_bytes) return SYN_OK;
    return syn_fail(err, SYN_TOO_LARGE,
                    "memory: %" PRId32 "x%" PRId32 " to %" PRId32 "x%" PRId32
                    " of %" PRId32 " bits%s needs %" PRIu64
                    " bytes for its pictures: memory_budget_bytes is %" PRIu64,
                    in->width, in->height, plan->out_width, plan->out_height, in->bits,
                    in->channels == 4 && p->alpha != SYN_ALPHA_DROP ? " and alpha" : "", bytes,
                    limits->memory_budget_bytes);
}
