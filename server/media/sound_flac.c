/* sound_flac.c - FLAC to samples, over libFLAC.
 *
 * Source:  RFC 9639.
 * Layer:   server/media.
 * Threads: pure functions; a decoder belongs to one call.
 * Why not libsndfile, which writes FLAC for us: its reader (1.2.0) frees a block twice on damaged
 *          frames; our fuzzer needed half a minute for that. libFLAC also says whether the data
 *          ended or was broken, and checks the MD5 of the samples.
 * Memory:  libFLAC's own: two blocks of up to 65535 samples a channel. */
#include "server/media/sound_private.h"
#include <FLAC/stream_decoder.h>
#include <inttypes.h>
#include <math.h>

enum {
    STREAMINFO_BYTES = 34,
    LIBRARY_BYTES = 512 << 10, /* libFLAC's fixed parts */
    LARGEST_BLOCK = 65535
};

syn_status syn_flac_read_header(struct syn_bytes file, struct syn_sound_header *h,
                                struct syn_err *err)
{
    struct syn_bytes at = file;
    const uint8_t *p;
    uint32_t head, bits;
    int64_t frames;
    if (!syn_bytes_skip(&at, 4) || !syn_bytes_u32(&at, true, &head))
        return syn_fail(err, SYN_TRUNCATED, "the data ends in its first bytes");
    if ((head >> 24 & 0x7F) != 0 || (head & 0xFFFFFF) != STREAMINFO_BYTES)
        return syn_fail(err, SYN_INVALID, "the first block must be STREAMINFO of %d bytes",
                        STREAMINFO_BYTES);
    if (!syn_bytes_take(&at, STREAMINFO_BYTES, &p))
        return syn_fail(err, SYN_TRUNCATED, "the data ends inside STREAMINFO");
    h->info.rate = p[10] << 12 | p[11] << 4 | p[12] >> 4; /* 20 bits, 3, 5, then 36 */
    h->info.channels = (p[12] >> 1 & 7) + 1;
    bits = (uint32_t)((p[12] & 1) << 4 | p[13] >> 4) + 1;
    frames = (int64_t)(p[13] & 15) << 32 | (int64_t)p[14] << 24 | p[15] << 16 | p[16] << 8 | p[17];
    switch (bits) {
    case 8: h->info.type = SYN_SOUND_U8; break;
    case 16: h->info.type = SYN_SOUND_S16; break;
    case 24: h->info.type = SYN_SOUND_S24; break;
    default:
        return syn_fail(err, SYN_UNSUPPORTED, "bits = %" PRIu32 ": must be 8, 16 or 24", bits);
    }
    if (h->info.rate < 1)
        return syn_fail(err, SYN_INVALID, "sample rate = 0: must be in [1, %d]",
                        SYN_SOUND_MAX_RATE);
    h->info.frames = frames ? frames : -1;
    h->data = file;
    h->work_bytes =
        LIBRARY_BYTES + (uint64_t)LARGEST_BLOCK * (uint64_t)h->info.channels * 2 * sizeof(int32_t);
    return SYN_OK;
}

/* --- decode --- */

struct reader {
    struct syn_bytes left;
    const struct syn_sound_header *h;
    struct syn_sound *s; /* NULL: count only */
    int64_t at, most;    /* frames so far, frames that are wanted */
    const char *broken;  /* what is wrong with the data; NULL: nothing so far */
    bool lost_sync;      /* no other fault than that no further frame was found */
};

static FLAC__StreamDecoderReadStatus give_bytes(const FLAC__StreamDecoder *d, FLAC__byte to[],
                                                size_t *n, void *user)
{
    struct reader *r = user;
    const uint8_t *from = NULL;
    (void)d;
    if (*n > r->left.left) *n = r->left.left;
    if (*n == 0) return FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM;
    (void)syn_bytes_take(&r->left, *n, &from);
    memcpy(to, from, *n);
    return FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
}

static FLAC__StreamDecoderWriteStatus take_block(const FLAC__StreamDecoder *d,
                                                 const FLAC__Frame *frame,
                                                 const FLAC__int32 *const block[], void *user)
{
    struct reader *r = user;
    const FLAC__FrameHeader *f = &frame->header;
    const int32_t bits = syn_sound_type_bits(r->h->info.type);
    const float scale = ldexpf(1.0f, 1 - bits);
    int64_t n = f->blocksize < r->most - r->at ? f->blocksize : r->most - r->at;
    (void)d;
    if (r->broken) return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    if ((int32_t)f->channels != r->h->info.channels || (int32_t)f->bits_per_sample != bits ||
        (int32_t)f->sample_rate != r->h->info.rate)
        r->broken = "a frame's channels, bits or rate are not those of STREAMINFO";
    else if (f->number_type != FLAC__FRAME_NUMBER_TYPE_SAMPLE_NUMBER ||
             (int64_t)f->number.sample_number != r->at)
        r->broken = "a frame is missing";
    if (r->broken) return FLAC__STREAM_DECODER_WRITE_STATUS_ABORT;
    for (int32_t c = 0; r->s && c < r->s->channels; c++) {
        float *to = syn_sound_channel(r->s, c) + r->at;
        for (int64_t i = 0; i < n; i++) to[i] = (float)block[c][i] * scale;
    }
    r->at += n;
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
}

static void note_error(const FLAC__StreamDecoder *d, FLAC__StreamDecoderErrorStatus what,
                       void *user)
{
    struct reader *r = user;
    (void)d;
    if (r->broken) return;
    r->broken = FLAC__StreamDecoderErrorStatusString[what];
    r->lost_sync = what == FLAC__STREAM_DECODER_ERROR_STATUS_LOST_SYNC;
}

/* Decodes until r->most frames are there, the data ends, or it is broken. */
static syn_status run(FLAC__StreamDecoder *d, struct reader *r, struct syn_err *err)
{
    FLAC__StreamDecoderState state = FLAC__STREAM_DECODER_SEARCH_FOR_METADATA;
    (void)FLAC__stream_decoder_set_md5_checking(d, r->s != NULL);
    if (FLAC__stream_decoder_init_stream(d, give_bytes, NULL, NULL, NULL, NULL, take_block, NULL,
                                         note_error, r) != FLAC__STREAM_DECODER_INIT_STATUS_OK)
        return syn_fail(err, SYN_INTERNAL, "the decoder does not start");
    while (r->at < r->most && !r->broken && state != FLAC__STREAM_DECODER_END_OF_STREAM) {
        const bool fine = FLAC__stream_decoder_process_single(d);
        state = FLAC__stream_decoder_get_state(d);
        if (state == FLAC__STREAM_DECODER_MEMORY_ALLOCATION_ERROR)
            return syn_fail(err, SYN_NO_MEMORY, "no memory for the decoder");
        if (state == FLAC__STREAM_DECODER_END_OF_STREAM && (!r->broken || r->lost_sync))
            r->broken = NULL; /* inside a frame, or between two: it ended */
        else if (!fine && !r->broken) r->broken = FLAC__StreamDecoderStateString[state];
    }
    if (!FLAC__stream_decoder_finish(d) && !r->broken && r->at == r->h->info.frames) {
        if (r->h->counted)
            return syn_fail(err, SYN_TRUNCATED,
                            "the %" PRId64 " samples that are there are not all (by their MD5)",
                            r->at);
        r->broken = "the samples are not those of STREAMINFO's MD5";
    }
    if (r->broken)
        return syn_fail(err, SYN_INVALID, "the data is broken at sample %" PRId64 " (%s)", r->at,
                        r->broken);
    return SYN_OK;
}

syn_status syn_flac_read(const struct syn_sound_header *h, struct syn_sound *s, int64_t most,
                         int64_t *got, struct syn_err *err)
{
    struct reader r = {.left = h->data, .h = h, .s = s, .most = most};
    FLAC__StreamDecoder *d = FLAC__stream_decoder_new();
    syn_status st = d ? run(d, &r, err)
                      : syn_fail(err, SYN_NO_MEMORY, "no memory for the decoder");
    *got = r.at;
    if (d) FLAC__stream_decoder_delete(d);
    return st;
}
