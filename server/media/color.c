/* color.c - whatever colours a file has, to sRGB, over Little CMS.
 *
 * Layer:   server/media.
 * Threads: pure functions; each call has its own cmsContext and transforms.
 * Choices: relative colorimetric with black point compensation, which is what browsers and editors
 *          do, so that a picture looks the same before and after.
 *          A profile that maps every probe colour to itself within half an 8-bit step is sRGB under
 *          some name: the pixels are left as they are, and count as converted.
 *          Grey pictures go through a table of one channel, so that R = G = B holds exactly.
 *          gAMA 0.45455 means the sRGB curve: writers put it there as its approximation (PNG,
 *          11.3.3.5). Other values are pure powers.
 * Faults:  a profile that is broken or of another colour space leaves the pixels alone and is
 *          reported as SYN_COLOR_ASSUMED_SRGB. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <lcms2.h>
#include <math.h>
#include <stdlib.h>

enum { INTENT = INTENT_RELATIVE_COLORIMETRIC, FLAGS = cmsFLAGS_BLACKPOINTCOMPENSATION };

static cmsHTRANSFORM to_srgb(cmsContext ctx, cmsHPROFILE from, cmsUInt32Number in_format,
                             cmsUInt32Number out_format, cmsUInt32Number flags)
{
    cmsHPROFILE srgb = cmsCreate_sRGBProfileTHR(ctx);
    cmsHTRANSFORM t =
        srgb ? cmsCreateTransformTHR(ctx, from, in_format, srgb, out_format, INTENT, FLAGS | flags)
             : NULL;
    if (srgb) cmsCloseProfile(srgb);
    return t;
}

/* --- the profile that a file asks for --- */

static bool sane_xy(const double xy[8])
{
    for (int i = 0; i < 8; i += 2)
        if (!(xy[i] >= 0 && xy[i] <= 1 && xy[i + 1] > 0.001 && xy[i] + xy[i + 1] <= 1.001))
            return false;
    return true;
}

static cmsHPROFILE profile_of_gamma(cmsContext ctx, const struct syn_color_source *src)
{
    static const double rec709[8] = {0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06};
    static const double srgb_curve[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    const double *xy = src->has_xy && sane_xy(src->xy) ? src->xy : rec709;
    cmsCIExyY white = {xy[0], xy[1], 1};
    cmsCIExyYTRIPLE primaries = {{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
    bool as_srgb = src->gamma == 0 || fabs(src->gamma - 0.45455) < 0.005;
    cmsToneCurve *curve = as_srgb ? cmsBuildParametricToneCurve(ctx, 4, srgb_curve)
                                  : cmsBuildGamma(ctx, 1 / src->gamma);
    cmsToneCurve *curves[3] = {curve, curve, curve};
    cmsHPROFILE p = curve ? cmsCreateRGBProfileTHR(ctx, &white, &primaries, curves) : NULL;
    if (curve) cmsFreeToneCurve(curve);
    return p;
}

/* NULL: the file names no profile, or none that fits a picture of this space. */
static cmsHPROFILE open_icc(cmsContext ctx, struct syn_bytes icc, cmsColorSpaceSignature a,
                            cmsColorSpaceSignature b)
{
    cmsHPROFILE p;
    cmsColorSpaceSignature space;
    cmsProfileClassSignature class;
    if (icc.left < 128 || icc.left > SYN_ICC_MAX_BYTES) return NULL;
    p = cmsOpenProfileFromMemTHR(ctx, icc.p, (cmsUInt32Number)icc.left);
    if (!p) return NULL;
    space = cmsGetColorSpace(p);
    class = cmsGetDeviceClass(p);
    if ((space == a || space == b) && class != cmsSigLinkClass && class != cmsSigNamedColorClass &&
        class != cmsSigAbstractClass)
        return p;
    cmsCloseProfile(p);
    return NULL;
}

/* --- pictures in RGB or grey --- */

/* A grid of 9 x 9 x 9 colours, unrounded: does the profile leave all of them in place? */
static bool is_srgb(cmsContext ctx, cmsHPROFILE profile)
{
    cmsHTRANSFORM t =
        to_srgb(ctx, profile, TYPE_RGB_16, TYPE_RGB_16, cmsFLAGS_NOOPTIMIZE | cmsFLAGS_NOCACHE);
    bool same = t != NULL;
    for (int i = 0; i < 9 * 9 * 9 && same; i++) {
        const uint16_t in[3] = {(uint16_t)(i / 81 * 8191), (uint16_t)(i / 9 % 9 * 8191),
                                (uint16_t)(i % 9 * 8191)};
        uint16_t out[3];
        cmsDoTransform(t, in, out, 1);
        for (int c = 0; c < 3; c++) same = same && abs((int)out[c] - (int)in[c]) <= 128;
    }
    if (t) cmsDeleteTransform(t);
    return same;
}

/* In place, so alpha stays as it is. 16 bits are not optimised: Little CMS would put a coarse
 * grid in place of exact curves. */
static bool convert_rgb(cmsContext ctx, cmsHPROFILE profile, struct syn_image *im)
{
    bool alpha = im->channels == 4, deep = im->bits == 16;
    cmsUInt32Number format =
        deep ? (alpha ? TYPE_RGBA_16 : TYPE_RGB_16) : (alpha ? TYPE_RGBA_8 : TYPE_RGB_8);
    cmsHTRANSFORM t;
    if (is_srgb(ctx, profile)) return true;
    t = to_srgb(ctx, profile, format, format, deep ? cmsFLAGS_NOOPTIMIZE : 0);
    if (!t) return false;
    for (int32_t y = 0; y < im->height; y++) {
        uint8_t *row = syn_image_row(im, y);
        cmsDoTransform(t, row, row, (cmsUInt32Number)im->width);
    }
    cmsDeleteTransform(t);
    return true;
}

/* One table for all levels. profile may be grey, or RGB as a PNG's gAMA gives it. */
static syn_status convert_gray(cmsContext ctx, cmsHPROFILE profile, struct syn_image *im,
                               bool *done, struct syn_err *err)
{
    bool from_gray = cmsGetColorSpace(profile) == cmsSigGrayData;
    size_t levels = im->bits == 8 ? 256 : 65536, ch = (size_t)im->channels;
    size_t n = (size_t)im->width * (size_t)im->height;
    uint16_t *table = syn_alloc(levels * sizeof *table);
    cmsHTRANSFORM t = to_srgb(ctx, profile, from_gray ? TYPE_GRAY_16 : TYPE_RGB_16, TYPE_RGB_16,
                              cmsFLAGS_NOOPTIMIZE);
    *done = t != NULL;
    if (table && t) {
        for (size_t i = 0; i < levels; i++) {
            uint16_t v = (uint16_t)(im->bits == 8 ? i * 257 : i), in[3] = {v, v, v}, out[3];
            cmsDoTransform(t, in, out, 1);
            table[i] = im->bits == 8 ? syn_sample_16_to_8(out[1]) : out[1];
        }
        for (size_t i = 0; i < n; i++) {
            uint8_t *p8 = (uint8_t *)im->pixels + i * ch;
            uint16_t *p16 = (uint16_t *)im->pixels + i * ch;
            if (im->bits == 8)
                p8[0] = p8[1] = p8[2] = (uint8_t)table[p8[0]];
            else
                p16[0] = p16[1] = p16[2] = table[p16[0]];
        }
    }
    if (t) cmsDeleteTransform(t);
    if (!table)
        return syn_fail(err, SYN_NO_MEMORY, "no memory for a table of %zu grey levels", levels);
    syn_free(table);
    return SYN_OK;
}

syn_status syn_icc_check_size(size_t n, struct syn_err *err)
{
    if (n <= SYN_ICC_MAX_BYTES) return SYN_OK;
    return syn_fail(err, SYN_TOO_LARGE, "a colour profile of %zu bytes: limit is %u", n,
                    SYN_ICC_MAX_BYTES);
}

syn_status syn_color_apply(struct syn_image *im, const struct syn_color_source *src, bool keep,
                           enum syn_image_color *how, struct syn_err *err)
{
    cmsHPROFILE profile = NULL;
    cmsContext ctx;
    bool done = false;
    syn_status st = syn_icc_check_size(src->icc.left, err);
    if (st != SYN_OK) return st;
    *how = keep ? SYN_COLOR_PRESERVED : SYN_COLOR_ASSUMED_SRGB;
    if (keep || (!src->icc.left && !src->srgb && src->gamma == 0 && !src->has_xy)) return SYN_OK;
    if (!src->icc.left && src->srgb) {
        *how = SYN_COLOR_CONVERTED;
        return SYN_OK;
    }

    ctx = cmsCreateContext(NULL, NULL);
    if (!ctx) return syn_fail(err, SYN_NO_MEMORY, "no memory for colour management");
    if (src->icc.left)
        profile = open_icc(ctx, src->icc, cmsSigRgbData, im->gray ? cmsSigGrayData : cmsSigRgbData);
    else if (src->gamma == 0 || (src->gamma >= 0.02 && src->gamma <= 50))
        profile = profile_of_gamma(ctx, src);
    if (profile && im->gray)
        st = convert_gray(ctx, profile, im, &done, err);
    else if (profile)
        done = convert_rgb(ctx, profile, im);
    if (st == SYN_OK && done) *how = SYN_COLOR_CONVERTED;
    if (profile) cmsCloseProfile(profile);
    cmsDeleteContext(ctx);
    return st;
}

/* --- CMYK --- */

struct syn_cmyk {
    cmsContext ctx;
    cmsHTRANSFORM transform; /* NULL: the plain formula */
    bool inverted;
};

syn_status syn_cmyk_new(struct syn_bytes icc, bool inverted, bool keep, struct syn_cmyk **out,
                        enum syn_image_color *how, struct syn_err *err)
{
    cmsHPROFILE profile;
    struct syn_cmyk *c;
    syn_status st = syn_icc_check_size(icc.left, err);
    if (st != SYN_OK) return st;
    c = syn_calloc(1, sizeof *c);
    if (!c) return syn_fail(err, SYN_NO_MEMORY, "no memory for colour management");
    c->inverted = inverted;
    *how = keep ? SYN_COLOR_PRESERVED : SYN_COLOR_ASSUMED_SRGB;
    if (icc.left && !keep) {
        c->ctx = cmsCreateContext(NULL, NULL);
        if (!c->ctx) {
            syn_cmyk_free(c);
            return syn_fail(err, SYN_NO_MEMORY, "no memory for colour management");
        }
        profile = open_icc(c->ctx, icc, cmsSigCmykData, cmsSigCmykData);
        if (profile) {
            c->transform = to_srgb(c->ctx, profile, inverted ? TYPE_CMYK_8_REV : TYPE_CMYK_8,
                                   TYPE_RGB_8, cmsFLAGS_NOCACHE);
            cmsCloseProfile(profile);
        }
        if (c->transform) *how = SYN_COLOR_CONVERTED;
    }
    *out = c;
    return SYN_OK;
}

void syn_cmyk_row(const struct syn_cmyk *c, const uint8_t *cmyk, uint8_t *rgb, size_t n_pixels)
{
    if (c->transform) {
        cmsDoTransform(c->transform, cmyk, rgb, (cmsUInt32Number)n_pixels);
        return;
    }
    for (size_t i = 0; i < n_pixels; i++) {
        unsigned flip = c->inverted ? 0 : 255, white_k = cmyk[i * 4 + 3] ^ flip;
        for (size_t j = 0; j < 3; j++)
            rgb[i * 3 + j] = (uint8_t)(((cmyk[i * 4 + j] ^ flip) * white_k + 127) / 255);
    }
}

void syn_cmyk_free(struct syn_cmyk *c)
{
    if (!c) return;
    if (c->transform) cmsDeleteTransform(c->transform);
    if (c->ctx) cmsDeleteContext(c->ctx);
    syn_free(c);
}
