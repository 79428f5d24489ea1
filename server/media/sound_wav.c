/* sound_wav.c - the header of a WAV file.
 *
 * Source:  Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (RIFF);
 *          Microsoft's WAVEFORMATEXTENSIBLE.
 * Layer:   server/media.
 * Threads: pure functions.
 * Way:     chunks are walked up to `data`, whatever lies between; the samples themselves are read
 *          by libsndfile from the view that is found here (sound_file.c), so that one parser, this
 *          one, decides how long a sound is. Writers that cannot seek leave placeholders for the
 *          sizes; such a sound goes on to the end of the bytes. */
#include "server/media/sound_private.h"
#include <inttypes.h>

enum {
    TAG_PCM = 1,
    TAG_FLOAT = 3,
    TAG_EXTENSIBLE = 0xFFFE,
    EXTENSIBLE_BYTES = 40,
    LIBRARY_BYTES = 256 << 10 /* libsndfile's struct and our block of interleaved samples */
};

struct fmt {
    uint16_t tag, channels, block, bits;
    uint32_t rate, speakers;
};

/* What writers to a pipe leave as the size of `data`: all ones (ffmpeg, our own streams) and
 * sox's 0x7FFFF000. */
static bool is_placeholder(uint32_t size) { return size == 0xFFFFFFFFu || size == 0x7FFFF000u; }

static syn_status read_extensible(struct syn_bytes at, struct fmt *f, struct syn_err *err)
{
    static const uint8_t guid_tail[14] = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                          0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71};
    uint16_t more, valid;
    const uint8_t *tail;
    if (!syn_bytes_u16(&at, false, &more) || !syn_bytes_u16(&at, false, &valid) ||
        !syn_bytes_u32le(&at, &f->speakers) || !syn_bytes_u16(&at, false, &f->tag) ||
        !syn_bytes_take(&at, sizeof guid_tail, &tail))
        return syn_fail(err, SYN_INVALID, "chunk fmt: an extensible one must have %d bytes",
                        EXTENSIBLE_BYTES);
    if (memcmp(tail, guid_tail, sizeof guid_tail) != 0)
        return syn_fail(err, SYN_UNSUPPORTED, "its subformat is none of PCM and float");
    if (valid > f->bits)
        return syn_fail(err, SYN_INVALID, "valid bits = %u: must be at most the %u stored",
                        (unsigned)valid, (unsigned)f->bits);
    return SYN_OK;
}

static enum syn_sound_type type_of(const struct fmt *f)
{
    if (f->tag == TAG_FLOAT)
        return f->bits == 32 ? SYN_SOUND_F32 : f->bits == 64 ? SYN_SOUND_F64 : SYN_SOUND_SAME;
    switch (f->bits) {
    case 8: return SYN_SOUND_U8;
    case 16: return SYN_SOUND_S16;
    case 24: return SYN_SOUND_S24;
    case 32: return SYN_SOUND_S32;
    default: return SYN_SOUND_SAME;
    }
}

static syn_status read_fmt(struct syn_bytes at, struct syn_sound_info *info, struct syn_err *err)
{
    struct fmt f = {0};
    uint32_t per_second;
    if (!syn_bytes_u16(&at, false, &f.tag) || !syn_bytes_u16(&at, false, &f.channels) ||
        !syn_bytes_u32le(&at, &f.rate) || !syn_bytes_u32le(&at, &per_second) ||
        !syn_bytes_u16(&at, false, &f.block) || !syn_bytes_u16(&at, false, &f.bits))
        return syn_fail(err, SYN_INVALID, "chunk fmt: must have at least 16 bytes");
    if (f.tag == TAG_EXTENSIBLE) {
        syn_status st = read_extensible(at, &f, err);
        if (st != SYN_OK) return st;
    }
    if (f.tag != TAG_PCM && f.tag != TAG_FLOAT)
        return syn_fail(err, SYN_UNSUPPORTED,
                        "format tag = 0x%04x: only PCM (1) and float (3) can be read",
                        (unsigned)f.tag);
    info->type = type_of(&f);
    if (info->type == SYN_SOUND_SAME)
        return syn_fail(err, SYN_UNSUPPORTED, "bits = %u: must be %s", (unsigned)f.bits,
                        f.tag == TAG_PCM ? "8, 16, 24 or 32" : "32 or 64 for floats");
    if (f.channels < 1 || f.channels > SYN_SOUND_MAX_CHANNELS)
        return syn_fail(err, SYN_INVALID, "channels = %u: must be in [1, %d]", (unsigned)f.channels,
                        SYN_SOUND_MAX_CHANNELS);
    if (f.rate < 1 || f.rate > SYN_SOUND_MAX_RATE)
        return syn_fail(err, SYN_INVALID, "sample rate = %" PRIu32 ": must be in [1, %d]", f.rate,
                        SYN_SOUND_MAX_RATE);
    if (f.block != f.channels * (uint32_t)syn_sound_type_bytes(info->type))
        return syn_fail(err, SYN_INVALID, "block size = %u: must be %u (%u channels of %u bits)",
                        (unsigned)f.block,
                        (unsigned)f.channels * (unsigned)syn_sound_type_bytes(info->type),
                        (unsigned)f.channels, (unsigned)f.bits);
    info->channels = f.channels;
    info->rate = (int32_t)f.rate;
    info->speakers = f.speakers;
    return SYN_OK;
}

/* at stands behind the head of the data chunk. */
static syn_status read_data(struct syn_bytes at, uint32_t size, struct syn_sound_header *h,
                            struct syn_err *err)
{
    const size_t block = (size_t)h->info.channels * (size_t)syn_sound_type_bytes(h->info.type);
    h->info.streamed = size > at.left && is_placeholder(size);
    h->cut = size > at.left && !h->info.streamed;
    if (size < at.left) at.left = size;
    h->data = syn_bytes_of(at.p, at.left - at.left % block);
    /* A header must not promise what is cut off: the length it states is what limits are for. */
    h->info.frames = (int64_t)((h->cut ? size : h->data.left) / block);
    if (h->info.frames < 1)
        return syn_fail(err, h->cut ? SYN_TRUNCATED : SYN_INVALID,
                        "data of %" PRIu32 " bytes: there is no sample in it", size);
    return SYN_OK;
}

syn_status syn_wav_read_header(struct syn_bytes file, struct syn_sound_header *h,
                               struct syn_err *err)
{
    struct syn_bytes at = file;
    bool known = false;
    if (!syn_bytes_skip(&at, 12))
        return syn_fail(err, SYN_TRUNCATED, "the data ends in its first bytes");
    h->work_bytes = LIBRARY_BYTES;
    for (;;) {
        const uint8_t *name;
        uint32_t size;
        if (!syn_bytes_take(&at, 4, &name) || !syn_bytes_u32le(&at, &size))
            return syn_fail(err, SYN_TRUNCATED, "the file ends before its chunk %s",
                            known ? "data" : "fmt");
        if (memcmp(name, "data", 4) == 0) {
            if (!known) return syn_fail(err, SYN_INVALID, "chunk data comes before chunk fmt");
            return read_data(at, size, h, err);
        }
        if (size > at.left)
            return syn_fail(err, SYN_TRUNCATED,
                            "a chunk of %" PRIu32 " bytes: only %zu are left in the file", size,
                            at.left);
        if (memcmp(name, "fmt ", 4) == 0) {
            syn_status st;
            if (known) return syn_fail(err, SYN_INVALID, "there is more than one chunk fmt");
            st = read_fmt(syn_bytes_of(at.p, size), &h->info, err);
            if (st != SYN_OK) return st;
            known = true;
        }
        (void)syn_bytes_skip(&at, size);
        if (size & 1) (void)syn_bytes_skip(&at, 1);
    }
}
