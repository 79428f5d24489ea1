/* jpeg_write.c - pixels to JPEG, over libjpeg-turbo: baseline, 4:4:4, JFIF.
 *
 * Layer:   server/media.
 * Threads: pure function; one encoder object per call.
 * Errors:  as in jpeg.c: longjmp goes to guarded(), its caller owns what must be freed. */
#include "server/media/codec.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

enum { DEFAULT_QUALITY = 92, PIECE = 16384 };

struct writer {
    struct jpeg_compress_struct lib;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr dest;
    jmp_buf escape;
    struct syn_err *err;
    syn_status st;
    struct syn_sink sink;
    uint8_t *row;
    JOCTET piece[PIECE];
};

static _Noreturn void leave(struct writer *w, syn_status st)
{
    w->st = st;
    longjmp(w->escape, 1);
}

static _Noreturn void on_error(j_common_ptr lib)
{
    struct writer *w = lib->client_data;
    char text[JMSG_LENGTH_MAX];
    lib->err->format_message(lib, text);
    leave(w,
          syn_fail(w->err, lib->err->msg_code == JERR_OUT_OF_MEMORY ? SYN_NO_MEMORY : SYN_INTERNAL,
                   "%s", text));
}

static void on_message(j_common_ptr lib, int level)
{
    (void)lib;
    (void)level;
}
static void on_output(j_common_ptr lib) { (void)lib; }

static void dest_start(j_compress_ptr lib)
{
    struct writer *w = lib->client_data;
    w->dest.next_output_byte = w->piece;
    w->dest.free_in_buffer = PIECE;
}

static void keep_piece(struct writer *w, size_t n)
{
    if (!syn_sink_append(&w->sink, w->piece, n))
        leave(w, syn_fail(w->err, SYN_NO_MEMORY, "no memory for %zu bytes of output",
                          w->sink.buf.size + n));
}

static boolean dest_full(
    j_compress_ptr lib) /* libjpeg's contract: the whole buffer, whatever is left */
{
    keep_piece(lib->client_data, PIECE);
    dest_start(lib);
    return TRUE;
}

static void dest_end(j_compress_ptr lib)
{
    struct writer *w = lib->client_data;
    keep_piece(w, PIECE - w->dest.free_in_buffer);
}

static syn_status guarded(struct writer *w, const struct syn_image *im, int quality, bool gray)
{
    if (setjmp(w->escape)) return w->st;
    jpeg_create_compress(&w->lib);
    w->lib.dest = &w->dest;
    w->lib.image_width = (JDIMENSION)im->width;
    w->lib.image_height = (JDIMENSION)im->height;
    w->lib.input_components = gray ? 1 : 3;
    w->lib.in_color_space = gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w->lib);
    jpeg_set_quality(&w->lib, quality, TRUE);
    w->lib.comp_info[0].h_samp_factor = 1; /* 4:4:4: the default would halve the colours */
    w->lib.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&w->lib, TRUE);
    for (int32_t y = 0; y < im->height; y++) {
        JSAMPROW row = w->row;
        syn_image_row_to_8(im, y, true, w->row);
        for (size_t x = 1; gray && x < (size_t)im->width; x++) w->row[x] = w->row[x * 3];
        (void)jpeg_write_scanlines(&w->lib, &row, 1);
    }
    jpeg_finish_compress(&w->lib);
    return SYN_OK;
}

syn_status syn_jpeg_encode(const struct syn_image *im, const struct syn_image_encode_opts *opts,
                           struct syn_buf *out, struct syn_err *err)
{
    struct writer *w;
    syn_status st;
    if (im->width > JPEG_MAX_DIMENSION || im->height > JPEG_MAX_DIMENSION)
        return syn_fail(err, SYN_INVALID,
                        "%" PRId32 " x %" PRId32 " pixels: sides must be at most %ld", im->width,
                        im->height, JPEG_MAX_DIMENSION);
    w = syn_calloc(1, sizeof *w);
    if (!w) return syn_fail(err, SYN_NO_MEMORY, "no memory for the encoder");
    w->err = err;
    w->lib.err = jpeg_std_error(&w->errors);
    w->errors.error_exit = on_error;
    w->errors.emit_message = on_message;
    w->errors.output_message = on_output;
    w->lib.client_data = w;
    w->dest.init_destination = dest_start;
    w->dest.empty_output_buffer = dest_full;
    w->dest.term_destination = dest_end;
    w->row = syn_alloc((size_t)im->width * 3);
    st = w->row ? guarded(w, im, opts->quality ? opts->quality : DEFAULT_QUALITY,
                          opts->gray && im->gray)
                : syn_fail(err, SYN_NO_MEMORY, "no memory for a row");
    jpeg_destroy_compress(&w->lib);
    if (st == SYN_OK) syn_sink_finish(&w->sink, out);
    syn_buf_deinit(&w->sink.buf);
    syn_free(w->row);
    syn_free(w);
    return st;
}
