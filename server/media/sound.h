/* sound.h - sounds as bytes (WAV, FLAC) and as samples, and nothing in between.
 *
 * What comes out of a decode is f32, one plane a channel, full scale 1. Format is decided by the
 * first bytes, never by a name. Rate, channels and sample type are kept: a pipeline that wants
 * another rate converts (resample.h) and converts back.
 *
 * Scale.   Integers of b bits are x / 2^(b-1) both ways, so that a sample nobody touched comes back
 *          bit for bit (32 bits: the upper 24 of them). Writing rounds to nearest, halves to even,
 *          and clips to the type's range; how many samples were clipped is told. A sound is never
 *          made louder or quieter on the way.
 * Dither.  None. It would cost the bit-for-bit way back, make two runs differ or need a seed, and
 *          put noise under pauses that a denoiser has just made silent; without it the error of 16
 *          bits is under -96 dBFS and follows the signal only where that is as quiet.
 * Numbers. NaN and infinity are refused in both directions: they belong to no sound.
 *
 * Layer:   server/media: kernels/base and libraries only.
 * Units:   frames (one sample of every channel), Hz.
 * Threads: pure functions; call from any thread at the same time.
 * Ownership: syn_sound owns its samples; deinit is safe on a zeroed struct and leaves one. */
#ifndef SYN_SOUND_H
#define SYN_SOUND_H

#include "server/media/image.h" /* struct syn_buf */

enum syn_sound_format { SYN_SOUND_UNKNOWN, SYN_SOUND_WAV, SYN_SOUND_FLAC };

enum syn_sound_type {
    SYN_SOUND_SAME, /* encoding only: the sound's own */
    SYN_SOUND_U8,   /* WAV's 8 bits; 8 bits signed in FLAC */
    SYN_SOUND_S16,
    SYN_SOUND_S24,
    SYN_SOUND_S32,
    SYN_SOUND_F32,
    SYN_SOUND_F64,
    SYN_SOUND_TYPE_COUNT
};

#define SYN_SOUND_MAX_CHANNELS 64
#define SYN_SOUND_MAX_RATE (1 << 20)
#define SYN_SOUND_MAX_FRAMES ((int64_t)1 << 32) /* a day at 48 kHz */

struct syn_sound {
    int64_t frames;           /* >= 1 */
    int32_t channels;         /* 1..SYN_SOUND_MAX_CHANNELS */
    int32_t rate;             /* Hz, 1..SYN_SOUND_MAX_RATE */
    enum syn_sound_type type; /* of the source; what SAME means when written again */
    uint32_t speakers; /* WAV's channel mask (bit 0 front left, 1 front right, ...); 0 = not said */
    float *samples;    /* [channels][frames] without gaps; owned */
};
static inline float *syn_sound_channel(const struct syn_sound *s, int32_t channel)
{
    return s->samples + (size_t)channel * (size_t)s->frames;
}

/* Limits, checked against the header before anything is allocated. 0 = no limit of that kind. A
 * FLAC that does not say its length is counted by decoding, up to the first limit it passes. */
struct syn_sound_limits {
    int64_t max_frames;
    double max_seconds;
    int32_t max_channels;
    uint64_t
        max_decoded_bytes; /* of the finished syn_sound and of the decoder's buffers together */
};

/* What the header says: no sample has been decoded. */
struct syn_sound_info {
    enum syn_sound_format format;
    enum syn_sound_type type;
    int64_t frames; /* -1: the file does not say (FLAC) */
    int32_t channels, rate;
    uint32_t speakers;
    bool streamed; /* WAV: the sizes are placeholders, the sound goes on to the file's end */
    uint64_t
        decode_bytes; /* what max_decoded_bytes is held against; for frames = -1 without them */
};

struct syn_sound_report {
    bool truncated; /* accept_truncated was on and the data ended early: the sound ends there */
};

struct syn_sound_decode_opts {
    struct syn_sound_limits limits;
    bool accept_truncated; /* otherwise a file that ends early is SYN_TRUNCATED */
};

struct syn_sound_encode_opts {
    enum syn_sound_format format;
    enum syn_sound_type
        type;      /* SAME: the sound's; FLAC holds at most 24 bits, larger ones become S24 */
    int32_t level; /* FLAC: 1..8; 0 = default (5) */
};

void syn_sound_deinit(struct syn_sound *s);

/* By magic bytes; SYN_SOUND_UNKNOWN for anything else (AIFF, MP3, Ogg, RF64... included). */
enum syn_sound_format syn_sound_sniff(const void *bytes, size_t n);
const char *syn_sound_media_type(enum syn_sound_format f); /* "audio/wav"; NULL for UNKNOWN */
/* "wav" | "flac"; UNKNOWN for any other word. */
enum syn_sound_format syn_sound_format_of(const char *word);
/* "u8" "s16" "s24" "s32" "f32" "f64", "same". */
const char *syn_sound_type_word(enum syn_sound_type t);

/* Allocates frames * channels samples, contents undefined. SYN_INVALID for a value outside the
 * ranges above; SYN_NO_MEMORY. *s untouched on failure. */
SYN_MUST_CHECK syn_status syn_sound_init(struct syn_sound *s, int64_t frames, int32_t channels,
                                         int32_t rate, enum syn_sound_type type,
                                         struct syn_err *err);

/* Header only, O(header) time and memory. SYN_UNSUPPORTED: not one of the formats, or a compressed
 * WAV; SYN_TRUNCATED: the header is not all there; SYN_INVALID: malformed, or no frame in it. */
SYN_MUST_CHECK syn_status syn_sound_probe(const void *bytes, size_t n, struct syn_sound_info *info,
                                          struct syn_err *err);

/* As probe; SYN_TOO_LARGE names the limit and the value; SYN_NUMERIC: a NaN or infinity, with its
 * place; SYN_NO_MEMORY. On success the caller owns *out; on failure *out is untouched. report may
 * be NULL. */
SYN_MUST_CHECK syn_status syn_sound_decode(const void *bytes, size_t n,
                                           const struct syn_sound_decode_opts *opts,
                                           struct syn_sound *out, struct syn_sound_report *report,
                                           struct syn_err *err);

/* What encode would refuse of a sound of this form, whose samples are not looked at and may not be
 * there. frames < 1: not known yet. */
SYN_MUST_CHECK syn_status syn_sound_encode_check(const struct syn_sound *s,
                                                 const struct syn_sound_encode_opts *opts,
                                                 struct syn_err *err);
/* WAV: exact sizes in the header, plain up to two channels, extensible beyond. SYN_INVALID: over
 * the format's own limits (FLAC: 8 channels; 655350 Hz, beyond 65535 multiples of 10);
 * SYN_TOO_LARGE: a WAV of 4 GiB; SYN_NUMERIC: a NaN or infinity. On success the caller owns *out.
 * clipped (may be NULL): samples that were out of the type's range. */
SYN_MUST_CHECK syn_status syn_sound_encode(const struct syn_sound *s,
                                           const struct syn_sound_encode_opts *opts,
                                           struct syn_buf *out, int64_t *clipped,
                                           struct syn_err *err);

#endif
