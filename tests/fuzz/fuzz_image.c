/* fuzz_image.c - the whole way of an uploaded picture: probe, decode (strict, lax, colours kept),
 * resize, bleed, encode, under limits as a server sets them. libFuzzer finds the crashes; what must
 * agree between the steps is asserted here.
 *
 * CRCs:    of two mutated PNGs one gets its CRCs put right, or none would come past the first
 *          chunk.
 * Corpus:  tests/fuzz/corpus/image, a few hundred bytes each: the kinds and containers. */
#include "server/media/image.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if ((seed & 1) || syn_image_sniff(data, size) != SYN_IMAGE_PNG) return size;
    for (size_t at = 8; size - at >= 12;) {
        size_t n = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 |
                   data[at + 3];
        unsigned long crc;
        if (n > size - at - 12) break;
        crc = crc32(0, data + at + 4, (unsigned)n + 4);
        for (size_t i = 0; i < 4; i++) data[at + 8 + n + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + n;
    }
    return size;
}

static void must(bool condition)
{
    if (!condition) abort();
}

static void use(const struct syn_image *im, unsigned kind)
{
    struct syn_image small = {0};
    struct syn_buf out = {0};
    struct syn_image_encode_opts opts = {.format =
                                             (enum syn_image_format)(SYN_IMAGE_PNG + kind % 3),
                                         .gray = kind & 4,
                                         .lossless = kind & 8,
                                         .level = 1};
    struct syn_err err;
    if (syn_image_resize(im, 1 + (int32_t)(kind % 7), 5, (enum syn_image_filter)(kind % 4), &small,
                         &err) != SYN_OK)
        return;
    if (small.channels == 4) must(syn_image_bleed_alpha(&small, &err) == SYN_OK);
    must(syn_image_encode(&small, &opts, &out, &err) == SYN_OK);
    must(syn_image_sniff(out.data, out.size) == opts.format);
    syn_buf_deinit(&out);
    syn_image_deinit(&small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct syn_image_info info;
    struct syn_err err;
    bool known = syn_image_probe(data, size, &info, &err) == SYN_OK;
    for (int k = 0; k < 3; k++) {
        struct syn_image_decode_opts opts = {.limits = {.max_pixels = 1 << 20,
                                                        .max_side = 4096,
                                                        .max_decoded_bytes = 16 << 20,
                                                        .max_frames = 100},
                                             .accept_truncated = k == 1,
                                             .keep_color = k == 2};
        struct syn_image_report report;
        struct syn_image im = {0};
        syn_status st = syn_image_decode(data, size, &opts, &im, &report, &err);
        if (st != SYN_OK) {
            must(!im.pixels && err.text[0] && memchr(err.text, 0, sizeof err.text));
            continue;
        }
        must(known && im.width == info.width && im.height == info.height &&
             im.channels == info.channels && im.bits == info.bits && im.gray == info.gray &&
             (k == 1 || !report.truncated));
        use(&im, (unsigned)(size + (size_t)k));
        syn_image_deinit(&im);
    }
    return 0;
}
