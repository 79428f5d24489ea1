/* test_media_color.c - colours to sRGB: profiles in each format, PNG's own chunks, grey, 16 bits,
 * CMYK. Profiles are made with Little CMS; expected values come from the sRGB formulas computed
 * here in double, except A14's, which are in the list of known faults. */
#include "kernels/base/alloc.h"
#include "tests/unit/test_media.h"
#include <lcms2.h>
#include <math.h>

static const double p3[8] = {0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060};

static struct bytes saved(cmsHPROFILE p)
{
    struct bytes b = {0};
    cmsUInt32Number n = 0;
    uint8_t *data;
    if (!p || !cmsSaveProfileToMem(p, NULL, &n)) abort();
    data = t_alloc(n);
    if (!cmsSaveProfileToMem(p, data, &n)) abort();
    put(&b, data, n);
    free(data);
    cmsCloseProfile(p);
    return b;
}

static struct bytes rgb_profile(const double xy[8], double gamma) /* gamma 0: the sRGB curve */
{
    const double srgb[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    cmsCIExyY white = {xy[0], xy[1], 1};
    cmsCIExyYTRIPLE primaries = {{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
    cmsToneCurve *c = gamma > 0 ? cmsBuildGamma(NULL, gamma)
                                : cmsBuildParametricToneCurve(NULL, 4, srgb),
                 *cs[3] = {c, c, c};
    struct bytes b = saved(cmsCreateRGBProfile(&white, &primaries, cs));
    cmsFreeToneCurve(c);
    return b;
}

static struct bytes gray_profile(double gamma)
{
    cmsCIExyY d50 = {0.3457, 0.3585, 1};
    cmsToneCurve *c = cmsBuildGamma(NULL, gamma);
    struct bytes b = saved(cmsCreateGrayProfile(&d50, c));
    cmsFreeToneCurve(c);
    return b;
}

static double srgb_encode(double v)
{
    return v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
}

static void put_iccp(struct bytes *b, const struct bytes *icc)
{
    uLongf n = compressBound(icc->n);
    struct bytes body = {0};
    uint8_t *packed = t_alloc(n);
    if (compress2(packed, &n, icc->p, icc->n, 9) != Z_OK) abort();
    put(&body, "x\0\0", 3);
    put(&body, packed, n);
    png_chunk(b, "iCCP", body.p, body.n);
    free(packed);
    bytes_free(&body);
}

/* 4x4 PNG of one colour with whatever chunks stand in `chunks` between its header and pixels. */
static struct bytes png_with(const uint16_t *px, int n, int depth, int type,
                             const struct bytes *chunks)
{
    uint16_t raw[16 * 4];
    struct bytes b = {0};
    for (int i = 0; i < 16 * n; i++) raw[i] = px[i % n];
    png_start(&b, 4, 4, depth, type, 0);
    put(&b, chunks->p, chunks->n);
    png_pixels(&b, raw, 4, 4, depth, type, false, 1000);
    return b;
}

static void expect(const struct bytes *b, bool keep, int r, int g, int bl, int near,
                   enum syn_image_color how, const char *what)
{
    struct syn_image_decode_opts opts = {.keep_color = keep};
    struct syn_image im = {0};
    struct syn_image_report report = {0};
    if (decodes(b, &opts, &im, &report, what)) {
        int want[3] = {r, g, bl};
        for (int c = 0; c < 3; c++)
            T_CHECK(abs((int)sample_at(&im, 2, 1, c) - want[c]) <= near,
                    "%s: channel %d = %u, not %d", what, c, sample_at(&im, 2, 1, c), want[c]);
        T_CHECK(report.color == how, "%s: report %d, not %d", what, report.color, how);
    }
    syn_image_deinit(&im);
}

static void test_A14_display_p3(void)
{
    struct bytes icc = rgb_profile(p3, 0), chunk = {0}, none = {0}, b;
    put_iccp(&chunk, &icc);
    b = png_with((const uint16_t[]){200, 100, 100}, 3, 8, 2, &chunk);
    expect(&b, false, 215, 93, 97, 2, SYN_COLOR_CONVERTED, "P3");
    expect(&b, true, 200, 100, 100, 0, SYN_COLOR_PRESERVED, "P3 kept");
    bytes_free(&b);
    b = png_with((const uint16_t[]){128, 128, 128}, 3, 8, 2, &chunk);
    expect(&b, false, 128, 128, 128, 1, SYN_COLOR_CONVERTED, "P3 grey");
    bytes_free(&b);
    b = png_with((const uint16_t[]){200, 100, 100}, 3, 8, 2, &none);
    expect(&b, false, 200, 100, 100, 0, SYN_COLOR_ASSUMED_SRGB, "no profile");
    bytes_free(&b);
    b = png_with((const uint16_t[]){200 * 257, 100 * 257, 100 * 257, 4321}, 4, 16, 6, &chunk);
    expect(&b, false, 215 * 257, 93 * 257, 97 * 257, 514, SYN_COLOR_CONVERTED, "P3, 16 bits");
    {
        struct syn_image im = {0};
        if (decodes(&b, NULL, &im, NULL, "alpha"))
            T_CHECK(sample_at(&im, 3, 3, 3) == 4321 && im.bits == 16, "alpha %u",
                    sample_at(&im, 3, 3, 3));
        syn_image_deinit(&im);
    }
    bytes_free(&b);
    b = png_with((const uint16_t[]){200, 100, 100, 77}, 4, 8, 6, &chunk);
    expect(&b, false, 215, 93, 97, 2, SYN_COLOR_CONVERTED, "P3 with alpha");
    {
        struct syn_image im = {0};
        if (decodes(&b, NULL, &im, NULL, "alpha"))
            T_CHECK(sample_at(&im, 0, 0, 3) == 77, "alpha %u", sample_at(&im, 0, 0, 3));
        syn_image_deinit(&im);
    }
    bytes_free(&b);
    b = png_with((const uint16_t[]){120, 120, 120}, 1, 8, 0,
                 &chunk); /* an RGB profile on a grey picture */
    expect(&b, false, 120, 120, 120, 1, SYN_COLOR_CONVERTED, "grey, P3");
    bytes_free(&b);
    bytes_free(&chunk);
    bytes_free(&icc);
}

/* The same profile in JPEG, in one piece and in two, and in WebP. */
static void test_A14_jpeg_webp(void)
{
    struct bytes icc = rgb_profile(p3, 0), big = {0}, b;
    struct syn_image im = {0};
    struct syn_buf still = {0};
    struct syn_err err;
    struct syn_image_encode_opts opts = {.format = SYN_IMAGE_WEBP, .lossless = true};
    uint8_t px[16 * 16 * 3];
    for (int i = 0; i < 16 * 16; i++) memcpy(px + i * 3, "\xc8\x64\x64", 3);
    put(&big, icc.p, icc.n);
    while (big.n < 70000) put8(&big, 0);
    big.p[0] = (uint8_t)(big.n >> 24), big.p[1] = (uint8_t)(big.n >> 16),
    big.p[2] = (uint8_t)(big.n >> 8), big.p[3] = (uint8_t)big.n;
    for (int k = 0; k < 2; k++) {
        b = jpeg_of(px, 16, 16, 3,
                    (struct jpeg_how){.in = JCS_RGB,
                                      .stored = JCS_YCbCr,
                                      .quality = 100,
                                      .icc = k ? big.p : icc.p,
                                      .icc_n = k ? big.n : icc.n});
        expect(&b, false, 215, 93, 97, 3, SYN_COLOR_CONVERTED, k ? "JPEG, two pieces" : "JPEG");
        expect(&b, true, 200, 100, 100, 2, SYN_COLOR_PRESERVED, "JPEG kept");
        if (k) { /* the second piece calls itself the first */
            for (size_t i = 0, seen = 0; i + 14 < b.n && seen < 2; i++)
                if (!memcmp(b.p + i, "ICC_PROFILE", 12) && ++seen == 2) b.p[i + 12] = 1;
            expect(&b, false, 200, 100, 100, 2, SYN_COLOR_ASSUMED_SRGB,
                   "JPEG, pieces that do not add up");
        }
        bytes_free(&b);
    }
    if (syn_image_init(&im, 16, 16, 3, 8, &err) != SYN_OK) abort();
    memcpy(im.pixels, px, sizeof px);
    if (syn_image_encode(&im, &opts, &still, &err) == SYN_OK) {
        struct bytes chunks = {0};
        put_vp8x(&chunks, 0x20, 16, 16);
        riff_chunk(&chunks, "ICCP", icc.p, icc.n);
        put(&chunks, still.data + 12, still.size - 12);
        b = riff_of(&chunks);
        expect(&b, false, 215, 93, 97, 2, SYN_COLOR_CONVERTED, "WebP");
        bytes_free(&b);
        bytes_free(&chunks);
    }
    T_CHECK(still.size > 0, "WebP encode");
    syn_buf_deinit(&still);
    syn_image_deinit(&im);
    bytes_free(&big);
    bytes_free(&icc);
}

/* A profile that is sRGB by another name moves no pixel at all. */
static void test_srgb_profile_is_exact(void)
{
    struct bytes icc = saved(cmsCreate_sRGBProfile()), chunk = {0}, b = {0};
    uint16_t raw[16 * 16 * 3];
    struct syn_image im = {0};
    struct syn_image_report report = {0};
    int off = 0;
    for (int i = 0; i < 16 * 16 * 3; i++) raw[i] = (uint16_t)(i * 40503);
    put_iccp(&chunk, &icc);
    png_start(&b, 16, 16, 16, 2, 0);
    put(&b, chunk.p, chunk.n);
    png_pixels(&b, raw, 16, 16, 16, 2, false, 1000);
    if (decodes(&b, NULL, &im, &report, "sRGB profile"))
        for (int i = 0; i < 16 * 16 * 3; i++) off += ((uint16_t *)im.pixels)[i] != raw[i];
    T_CHECK(off == 0 && report.color == SYN_COLOR_CONVERTED, "%d off, report %d", off,
            report.color);
    syn_image_deinit(&im);
    bytes_free(&b);
    bytes_free(&chunk);
    bytes_free(&icc);
}

static void test_gray_profile(void)
{
    for (int deep = 0; deep < 2; deep++) {
        int unit = deep ? 257 : 1;
        struct bytes icc = gray_profile(1.0), chunk = {0}, b;
        int want = (int)lround(255 * unit * srgb_encode(55 / 255.0));
        put_iccp(&chunk, &icc);
        b = png_with((const uint16_t[]){(uint16_t)(55 * unit), (uint16_t)(9 * unit)}, 2,
                     deep ? 16 : 8, 4, &chunk);
        expect(&b, false, want, want, want, deep ? 60 : 1, SYN_COLOR_CONVERTED, "linear grey");
        {
            struct syn_image im = {0};
            if (decodes(&b, NULL, &im, NULL, "grey"))
                T_CHECK(im.gray && sample_at(&im, 1, 1, 0) == sample_at(&im, 1, 1, 1) &&
                            sample_at(&im, 1, 1, 0) == sample_at(&im, 1, 1, 2) &&
                            sample_at(&im, 1, 1, 3) == (unsigned)(9 * unit),
                        "R = G = B, alpha");
            syn_image_deinit(&im);
        }
        bytes_free(&b);
        b = png_with((const uint16_t[]){50, 60, 70}, 3, 8, 2,
                     &chunk); /* a grey profile on colours: not usable */
        expect(&b, false, 50, 60, 70, 0, SYN_COLOR_ASSUMED_SRGB, "grey profile on RGB");
        bytes_free(&b);
        bytes_free(&chunk);
        bytes_free(&icc);
    }
}

static void test_png_chunks(void)
{
    static const uint32_t p3_int[8] = {31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000};
    const uint16_t px[3] = {200, 100, 100};
    int linear[3], i;
    struct bytes c = {0}, b;
    for (i = 0; i < 3; i++) linear[i] = (int)lround(255 * srgb_encode(px[i] / 255.0));
    png_chunk(&c, "gAMA", "\0\1\x86\xa0", 4); /* 1.0: linear light */
    b = png_with(px, 3, 8, 2, &c);
    expect(&b, false, linear[0], linear[1], linear[2], 1, SYN_COLOR_CONVERTED, "gAMA 1");
    bytes_free(&b);
    b = png_with(px, 1, 8, 0, &c);
    expect(&b, false, linear[0], linear[0], linear[0], 1, SYN_COLOR_CONVERTED, "gAMA 1, grey");
    bytes_free(&b);
    c.n = 0;
    png_chunk(&c, "gAMA", "\0\0\xb1\x8f", 4); /* 45455, as everybody writes it */
    b = png_with(px, 3, 8, 2, &c);
    expect(&b, false, 200, 100, 100, 0, SYN_COLOR_CONVERTED, "gAMA 0.45455");
    bytes_free(&b);
    c.n = 0;
    png_chunk(&c, "gAMA", "\0\0\xb0\xc8", 4); /* 45256: dark would move */
    b = png_with((const uint16_t[]){3, 6, 9}, 3, 8, 2, &c);
    expect(&b, false, 3, 6, 9, 0, SYN_COLOR_CONVERTED, "gAMA 0.45256");
    bytes_free(&b);
    c.n = 0;
    {
        struct bytes xy = {0};
        for (i = 0; i < 8; i++) put32be(&xy, p3_int[i]);
        png_chunk(&c, "gAMA", "\0\0\xb1\x8f", 4);
        png_chunk(&c, "cHRM", xy.p, xy.n);
        bytes_free(&xy);
    }
    b = png_with(px, 3, 8, 2, &c);
    expect(&b, false, 215, 93, 97, 2, SYN_COLOR_CONVERTED, "cHRM of P3");
    bytes_free(&b);
    png_chunk(&c, "sRGB", "\0", 1); /* outranks both */
    b = png_with(px, 3, 8, 2, &c);
    expect(&b, false, 200, 100, 100, 0, SYN_COLOR_CONVERTED, "sRGB chunk");
    bytes_free(&b);
    c.n = 0;
    {
        struct bytes junk = {0};
        for (i = 0; i < 500; i++) put8(&junk, (unsigned)i * 7);
        put_iccp(&c, &junk);
        bytes_free(&junk);
    }
    b = png_with(px, 3, 8, 2, &c);
    expect(&b, false, 200, 100, 100, 0, SYN_COLOR_ASSUMED_SRGB, "broken profile");
    bytes_free(&b);
    bytes_free(&c);
}

/* A made-up press: Lab of a CMYK value is known, so the expected sRGB follows. */
static cmsInt32Number press(const cmsUInt16Number in[], cmsUInt16Number out[], void *unused)
{
    double k = 1 - in[3] / 65535.0;
    cmsCIELab lab = {100 * k * (1 - 0.3 * in[0] / 65535.0), 0, 0};
    (void)unused;
    lab.a = 60 * in[1] / 65535.0 * k;
    lab.b = 50 * in[2] / 65535.0 * k;
    cmsFloat2LabEncodedV2(out, &lab);
    return 1;
}

static void test_cmyk_profile(void)
{
    static const uint8_t ink[4] = {20, 120, 90, 40};
    cmsHPROFILE p = cmsCreateProfilePlaceholder(NULL), lab = cmsCreateLab4Profile(NULL),
                srgb = cmsCreate_sRGBProfile();
    cmsPipeline *lut = cmsPipelineAlloc(NULL, 4, 3);
    cmsStage *grid = cmsStageAllocCLut16bit(NULL, 9, 4, 3, NULL);
    struct bytes icc;
    cmsHTRANSFORM t =
        cmsCreateTransform(lab, TYPE_Lab_DBL, srgb, TYPE_RGB_8, INTENT_RELATIVE_COLORIMETRIC,
                           cmsFLAGS_BLACKPOINTCOMPENSATION);
    cmsCIELab want_lab = {0, 0, 0};
    double k = 1 - ink[3] / 255.0;
    uint8_t want[3];
    cmsSetProfileVersion(p, 2.1);
    cmsSetDeviceClass(p, cmsSigOutputClass);
    cmsSetColorSpace(p, cmsSigCmykData);
    cmsSetPCS(p, cmsSigLabData);
    cmsStageSampleCLut16bit(grid, press, NULL, 0);
    cmsPipelineInsertStage(lut, cmsAT_BEGIN, grid);
    if (!cmsWriteTag(p, cmsSigAToB0Tag, lut) || !cmsWriteTag(p, cmsSigAToB1Tag, lut)) abort();
    cmsPipelineFree(lut);
    icc = saved(p);
    want_lab.L = 100 * k * (1 - 0.3 * ink[0] / 255.0);
    want_lab.a = 60 * ink[1] / 255.0 * k;
    want_lab.b = 50 * ink[2] / 255.0 * k;
    cmsDoTransform(t, &want_lab, want, 1);
    for (int inverted = 0; inverted < 2; inverted++) {
        uint8_t px[16 * 16 * 4];
        struct bytes b;
        for (int i = 0; i < 16 * 16 * 4; i++) px[i] = ink[i % 4] ^ (inverted ? 255 : 0);
        b = jpeg_of(px, 16, 16, 4,
                    (struct jpeg_how){.in = JCS_CMYK,
                                      .stored = JCS_CMYK,
                                      .quality = 100,
                                      .no_adobe = !inverted,
                                      .icc = icc.p,
                                      .icc_n = icc.n});
        expect(&b, false, want[0], want[1], want[2], 4, SYN_COLOR_CONVERTED,
               inverted ? "CMYK profile, Adobe" : "CMYK profile");
        expect(&b, true, (255 - ink[0]) * (255 - ink[3]) / 255,
               (255 - ink[1]) * (255 - ink[3]) / 255, (255 - ink[2]) * (255 - ink[3]) / 255, 3,
               SYN_COLOR_PRESERVED, "CMYK kept");
        bytes_free(&b);
    }
    cmsDeleteTransform(t);
    cmsCloseProfile(lab);
    cmsCloseProfile(srgb);
    bytes_free(&icc);
}

static void test_each_allocation(void)
{
    struct bytes icc = gray_profile(1.8), chunk = {0}, b;
    struct syn_image im = {0};
    struct syn_err err;
    syn_status st = SYN_NO_MEMORY;
    long n = 0;
    put_iccp(&chunk, &icc);
    b = png_with((const uint16_t[]){55}, 1, 8, 0, &chunk);
    while (st != SYN_OK && n < 200) {
        struct syn_image_decode_opts opts = {0};
        syn_alloc_fail_at(++n);
        st = syn_image_decode(b.p, b.n, &opts, &im, NULL, &err);
        syn_alloc_fail_at(0);
        T_CHECK(st == SYN_OK || (st == SYN_NO_MEMORY && !im.pixels), "allocation %ld: %s %s", n,
                syn_status_word(st), err.text);
    }
    T_CHECK(n > 8 && st == SYN_OK, "%ld", n);
    syn_image_deinit(&im);
    bytes_free(&b);
    bytes_free(&chunk);
    bytes_free(&icc);
}

int main(void)
{
    test_A14_display_p3();
    test_A14_jpeg_webp();
    test_srgb_profile_is_exact();
    test_gray_profile();
    test_png_chunks();
    test_cmyk_profile();
    test_each_allocation();
    return t_report();
}
