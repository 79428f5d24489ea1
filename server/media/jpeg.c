/* jpeg.c - JPEG to pixels, over libjpeg-turbo. jpeg_write.c goes the other way.
 *
 * Source:  ITU-T T.81, JFIF 1.02, ICC.1 annex B.4 (profile in APP2 pieces), Adobe TN 5116 (APP14).
 * Layer:   server/media.
 * Threads: pure functions; one decoder object per call.
 * Takes:   baseline, extended and progressive, Huffman or arithmetic, 8 bits; grey, YCbCr, RGB,
 *          CMYK, YCCK. Ink values are inverted when there is an Adobe marker: that is what Adobe
 *          writes.
 * Ends:    data that stops inside a scan, between the scans of a progressive file or in a header is
 *          SYN_TRUNCATED. Only the closing EOI of a one-scan file may be missing: no pixel depends
 *          on it, and cameras forget it.
 * Time:    a scan costs a visit to every block however few bytes it has, so their number is
 *          limited.
 * Memory:  files of several scans hold all coefficients, two bytes each; others a few rows. libjpeg
 *          takes them from malloc; they are in work_bytes.
 * Errors:  libjpeg leaves by longjmp to guarded(), whose caller owns everything that must be freed
 *          (struct reader), so nothing hangs on a local that longjmp may clobber. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

enum { MAX_SCANS = 100, LIBRARY_BYTES = 256 << 10 };
enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, APP1 = 0xe1, APP2 = 0xe2 };

/* --- header --- */

/* The next marker and, where it has one, its segment. Bytes that belong to neither are passed
 * over. */
static syn_status next_segment(struct syn_bytes *at, uint8_t *marker, struct syn_bytes *body,
                               struct syn_err *err)
{
    const uint8_t *view;
    uint16_t length;
    uint8_t b = 0;
    do {
        while (b != 0xff)
            if (!syn_bytes_u8(at, &b)) goto ended;
        while (b == 0xff)
            if (!syn_bytes_u8(at, &b)) goto ended;
    } while (b == 0);
    *marker = b;
    *body = syn_bytes_of(NULL, 0);
    if (b == 0x01 || (b >= 0xd0 && b <= EOI)) return SYN_OK;
    if (!syn_bytes_u16(at, true, &length)) goto ended;
    if (length < 2)
        return syn_fail(err, SYN_INVALID, "segment %02x of %u bytes: must be at least 2", b,
                        length);
    if (!syn_bytes_take(at, length - 2u, &view)) goto ended;
    *body = syn_bytes_of(view, length - 2u);
    return SYN_OK;
ended:
    return syn_fail(err, SYN_TRUNCATED, "the data ends inside the header");
}

static bool is_frame_header(uint8_t marker) /* SOF0..15 without DHT, JPG, DAC */
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

struct frame {
    uint8_t n_components, marker;
    uint64_t coefficient_bytes; /* of the whole picture */
    unsigned max_v;
};

static uint64_t round_up_div(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

static syn_status read_frame(struct syn_bytes at, uint8_t marker, struct frame *f,
                             struct syn_codec_header *h, struct syn_err *err)
{
    struct syn_bytes again;
    uint8_t precision, factors[4] = {0};
    uint16_t width, height;
    unsigned max_h = 1;
    if (!syn_bytes_u8(&at, &precision) || !syn_bytes_u16(&at, true, &height) ||
        !syn_bytes_u16(&at, true, &width) || !syn_bytes_u8(&at, &f->n_components))
        return syn_fail(err, SYN_INVALID, "frame header: too short");
    if (precision != 8)
        return syn_fail(err, SYN_UNSUPPORTED, "precision = %u bits: must be 8", precision);
    if (width == 0 || height == 0)
        return syn_fail(err, SYN_INVALID, "%u x %u pixels: sides must be at least 1", width,
                        height);
    if (f->n_components != 1 && f->n_components != 3 && f->n_components != 4)
        return syn_fail(err, SYN_UNSUPPORTED, "%u components: must be 1, 3 or 4", f->n_components);
    again = at;
    f->marker = marker;
    f->max_v = 1;
    for (int i = 0; i < f->n_components; i++) {
        if (!syn_bytes_skip(&again, 1) || !syn_bytes_u8(&again, &factors[i]) ||
            !syn_bytes_skip(&again, 1))
            return syn_fail(err, SYN_INVALID, "frame header: too short for %u components",
                            f->n_components);
        if ((factors[i] >> 4) < 1 || (factors[i] >> 4) > 4 || (factors[i] & 15) < 1 ||
            (factors[i] & 15) > 4)
            return syn_fail(err, SYN_INVALID,
                            "component %d: sampling factors %u x %u: must be in [1, 4]", i,
                            factors[i] >> 4, factors[i] & 15);
        if ((unsigned)(factors[i] >> 4) > max_h) max_h = factors[i] >> 4;
        if ((unsigned)(factors[i] & 15) > f->max_v) f->max_v = factors[i] & 15;
    }
    f->coefficient_bytes = 0;
    for (int i = 0; i < f->n_components; i++)
        f->coefficient_bytes += round_up_div(width, 8 * max_h) * (factors[i] >> 4) *
                                round_up_div(height, 8 * f->max_v) * (factors[i] & 15) * 128;
    h->info.width = width;
    h->info.height = height;
    h->info.channels = 3;
    h->info.bits = 8;
    h->info.gray = f->n_components == 1;
    return SYN_OK;
}

syn_status syn_jpeg_read_header(struct syn_bytes file, struct syn_codec_header *h,
                                struct syn_err *err)
{
    struct syn_bytes at = file, body;
    struct frame f = {0};
    uint8_t marker = 0, in_scan = 0;
    bool has_exif = false;
    syn_status st = SYN_OK;
    if (!syn_bytes_skip(&at, 2))
        return syn_fail(err, SYN_TRUNCATED, "the data ends in its first bytes");
    while (st == SYN_OK && marker != SOS) {
        st = next_segment(&at, &marker, &body, err);
        if (st != SYN_OK) break;
        if (marker == EOI) st = syn_fail(err, SYN_INVALID, "there is no picture in it");
        if (is_frame_header(marker)) {
            if (f.n_components) return syn_fail(err, SYN_INVALID, "it has two frame headers");
            st = read_frame(body, marker, &f, h, err);
        }
        if (marker == APP1 && !has_exif && body.left > 6 && !memcmp(body.p, "Exif\0\0", 6)) {
            has_exif = true;
            h->info.orientation = syn_exif_orientation(body);
        }
    }
    if (st != SYN_OK) return st;
    if (!f.n_components)
        return syn_fail(err, SYN_INVALID, "the first scan comes before the frame header");
    if (!syn_bytes_u8(&body, &in_scan)) return syn_fail(err, SYN_INVALID, "scan header: too short");
    /* SOF2, 6, 10, 14 are progressive; a scan without some component means that more scans
     * follow */
    h->work_bytes = LIBRARY_BYTES + (uint64_t)h->info.width * f.n_components * f.max_v * 8 * 4;
    if ((f.marker & 3) == 2 || in_scan < f.n_components) h->work_bytes += f.coefficient_bytes;
    return SYN_OK;
}

/* The profile in pieces of APP2, put together: *icc borrows from the file (one piece) or from
 * *owned. Pieces that do not add up are no profile. */
static syn_status gather_icc(struct syn_bytes file, struct syn_bytes *icc, uint8_t **owned,
                             struct syn_err *err)
{
    static const char tag[12] = "ICC_PROFILE";
    struct syn_bytes pieces[256] = {{0}}, at = file, body;
    uint8_t marker = 0, count = 0;
    size_t total = 0, filled = 0;
    syn_status st;
    *icc = syn_bytes_of(NULL, 0);
    (void)syn_bytes_skip(&at, 2);
    while (next_segment(&at, &marker, &body, NULL) == SYN_OK && marker != SOS) {
        uint8_t seq;
        if (marker != APP2 || body.left <= 14 || memcmp(body.p, tag, sizeof tag)) continue;
        seq = body.p[12];
        if (count == 0) count = body.p[13];
        if (seq == 0 || seq > count || count != body.p[13] || pieces[seq].left) return SYN_OK;
        pieces[seq] = syn_bytes_of(body.p + 14, body.left - 14);
        total += pieces[seq].left;
    }
    for (int i = 1; i <= count; i++)
        if (!pieces[i].left) return SYN_OK;
    st = syn_icc_check_size(total, err);
    if (st != SYN_OK || count == 0) return st;
    if (count == 1) {
        *icc = pieces[1];
        return SYN_OK;
    }
    *owned = syn_alloc(total);
    if (!*owned)
        return syn_fail(err, SYN_NO_MEMORY, "no memory for a colour profile of %zu bytes", total);
    for (int i = 1; i <= count; i++) {
        memcpy(*owned + filled, pieces[i].p, pieces[i].left);
        filled += pieces[i].left;
    }
    *icc = syn_bytes_of(*owned, total);
    return SYN_OK;
}

/* --- decode --- */

struct reader {
    struct jpeg_decompress_struct lib;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    struct syn_err *err;
    syn_status st;
    bool accept_truncated;
    bool ran_out;   /* the source has no more bytes; libjpeg is being fed an EOI */
    bool truncated; /* pixels are missing */
    struct syn_cmyk *cmyk;
    uint8_t *cmyk_row;
    uint8_t *owned_icc;
};

static struct reader *reader_of(j_common_ptr lib) { return lib->client_data; }

static _Noreturn void leave(struct reader *r, syn_status st)
{
    r->st = st;
    longjmp(r->escape, 1);
}

static _Noreturn void on_error(j_common_ptr lib)
{
    struct reader *r = reader_of(lib);
    char text[JMSG_LENGTH_MAX];
    syn_status st = SYN_INVALID;
    lib->err->format_message(lib, text);
    switch (lib->err->msg_code) {
    case JERR_OUT_OF_MEMORY: st = SYN_NO_MEMORY; break;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
#if JPEG_LIB_VERSION < 70 /* later ones (Ubuntu) do arithmetic coding and have no such message */
    case JERR_ARITH_NOTIMPL:
#endif
    case JERR_NOT_COMPILED: st = SYN_UNSUPPORTED; break;
    default:
        if (r->ran_out) st = SYN_TRUNCATED;
    }
    leave(r, syn_fail(r->err, st, "%s", text));
}

/* Warnings: what libjpeg would paint over. Those not named are harmless (odd versions, spare
 *           bytes). */
static void on_message(j_common_ptr lib, int level)
{
    struct reader *r = reader_of(lib);
    char text[JMSG_LENGTH_MAX];
    if (level >= 0) return;
    switch (lib->err->msg_code) {
    case JWRN_HIT_MARKER: break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        if (r->ran_out || r->truncated) break;
        lib->err->format_message(lib, text);
        leave(r, syn_fail(r->err, SYN_INVALID, "%s", text));
    default: return;
    }
    r->truncated = true;
    if (!r->accept_truncated)
        leave(r, syn_fail(r->err, SYN_TRUNCATED, "the data ends inside the picture"));
}

static void on_output(j_common_ptr lib) { (void)lib; }

static void on_progress(j_common_ptr lib)
{
    struct reader *r = reader_of(lib);
    if (r->lib.input_scan_number > MAX_SCANS)
        leave(r, syn_fail(r->err, SYN_TOO_LARGE, "more than %d scans", MAX_SCANS));
}

static void source_start(j_decompress_ptr lib) { (void)lib; }

static boolean source_fill(j_decompress_ptr lib)
{
    static const JOCTET end[2] = {0xff, JPEG_EOI};
    reader_of((j_common_ptr)lib)->ran_out = true;
    lib->src->next_input_byte = end;
    lib->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void source_skip(j_decompress_ptr lib, long n)
{
    if (n <= 0) return;
    if ((size_t)n > lib->src->bytes_in_buffer) {
        (void)source_fill(lib);
        return;
    }
    lib->src->next_input_byte += n;
    lib->src->bytes_in_buffer -= (size_t)n;
}

static void connect(struct reader *r, struct syn_bytes file)
{
    r->lib.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = on_output;
    r->lib.client_data = r;
    r->progress.progress_monitor = on_progress;
    r->source.init_source = source_start;
    r->source.fill_input_buffer = source_fill;
    r->source.skip_input_data = source_skip;
    r->source.resync_to_restart = jpeg_resync_to_restart;
    r->source.term_source = source_start;
    r->source.next_input_byte = file.p;
    r->source.bytes_in_buffer = file.left;
}

static void read_rows(struct reader *r, struct syn_image *im)
{
    while (r->lib.output_scanline < r->lib.output_height) {
        uint8_t *row = syn_image_row(im, (int32_t)r->lib.output_scanline);
        JSAMPROW into = r->cmyk ? r->cmyk_row : row;
        if (jpeg_read_scanlines(&r->lib, &into, 1) != 1)
            leave(r, syn_fail(r->err, SYN_INTERNAL, "libjpeg gave no row"));
        if (r->cmyk) syn_cmyk_row(r->cmyk, r->cmyk_row, row, (size_t)im->width);
    }
}

static syn_status guarded(struct reader *r, struct syn_bytes icc, bool keep_color,
                          struct syn_image *im, enum syn_image_color *how)
{
    syn_status st;
    if (setjmp(r->escape)) return r->st;
    jpeg_create_decompress(&r->lib); /* leaves err and client_data as they are */
    r->lib.src = &r->source;
    r->lib.progress = &r->progress;
    (void)jpeg_read_header(&r->lib, TRUE);
    if (r->lib.image_width != (JDIMENSION)im->width ||
        r->lib.image_height != (JDIMENSION)im->height)
        return syn_fail(r->err, SYN_INVALID, "it has two frame headers");
    if (r->lib.num_components == 4) {
        st = syn_cmyk_new(icc, r->lib.saw_Adobe_marker != 0, keep_color, &r->cmyk, how, r->err);
        if (st != SYN_OK) return st;
        r->cmyk_row = syn_alloc((size_t)im->width * 4);
        if (!r->cmyk_row) return syn_fail(r->err, SYN_NO_MEMORY, "no memory for a row of CMYK");
        r->lib.out_color_space = JCS_CMYK;
    } else {
        r->lib.out_color_space = JCS_RGB;
    }
    (void)jpeg_start_decompress(&r->lib);
    if (r->ran_out && r->lib.buffered_image == FALSE && jpeg_has_multiple_scans(&r->lib)) {
        r->truncated = true; /* later scans are missing, even where none was cut in two */
        if (!r->accept_truncated)
            return syn_fail(r->err, SYN_TRUNCATED, "the data ends after %d scans",
                            r->lib.input_scan_number);
    }
    read_rows(r, im);
    return SYN_OK;
}

syn_status syn_jpeg_decode(struct syn_bytes file, const struct syn_codec_header *h,
                           const struct syn_image_decode_opts *opts, struct syn_image *im,
                           struct syn_image_report *report, struct syn_err *err)
{
    struct syn_color_source src = {0};
    struct reader *r = syn_calloc(1, sizeof *r);
    syn_status st;
    (void)h;
    if (!r) return syn_fail(err, SYN_NO_MEMORY, "no memory for the decoder");
    if (opts->accept_truncated) syn_image_fill_gray(im);
    r->err = err;
    r->accept_truncated = opts->accept_truncated;
    connect(r, file);
    st = gather_icc(file, &src.icc, &r->owned_icc, err);
    if (st == SYN_OK) st = guarded(r, src.icc, opts->keep_color, im, &report->color);
    report->truncated = r->truncated;
    jpeg_destroy_decompress(&r->lib);
    if (st == SYN_TRUNCATED && opts->accept_truncated) { /* not a row of it could be read */
        report->truncated = true;
        st = SYN_OK;
    }
    if (st == SYN_OK && !r->cmyk)
        st = syn_color_apply(im, &src, opts->keep_color, &report->color, err);
    syn_cmyk_free(r->cmyk);
    syn_free(r->cmyk_row);
    syn_free(r->owned_icc);
    syn_free(r);
    return st;
}
