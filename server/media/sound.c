/* sound.c - see sound.h: the front of the two formats, and what does not depend on one.
 *
 * Layer:   server/media.
 * Threads: pure functions; nothing is shared.
 * Memory:  a decode holds the finished samples and the decoder's buffers
 *          (syn_sound_header.work_bytes); that sum is what max_decoded_bytes is held against before
 *          the first of them is allocated. */
#include "server/media/sound.h"
#include "kernels/base/alloc.h"
#include "server/media/sound_file.h"
#include <inttypes.h>

/* word, bytes in WAV, bits as an integer */
static const struct {
    const char *word;
    int32_t bytes, bits;
} types[SYN_SOUND_TYPE_COUNT] = {
    [SYN_SOUND_SAME] = {"same", 0, 0}, [SYN_SOUND_U8] = {"u8", 1, 8},
    [SYN_SOUND_S16] = {"s16", 2, 16},  [SYN_SOUND_S24] = {"s24", 3, 24},
    [SYN_SOUND_S32] = {"s32", 4, 32},  [SYN_SOUND_F32] = {"f32", 4, 0},
    [SYN_SOUND_F64] = {"f64", 8, 0},
};

static const struct {
    const char *name, *word, *media_type;
    syn_status (*read_header)(struct syn_bytes file, struct syn_sound_header *h,
                              struct syn_err *err);
    syn_status (*read)(const struct syn_sound_header *h, struct syn_sound *s, int64_t most,
                       int64_t *got, struct syn_err *err);
    int32_t max_channels, max_rate;
} formats[] = {
    [SYN_SOUND_WAV] = {"WAV", "wav", "audio/wav", syn_wav_read_header, syn_wav_read,
                       SYN_SOUND_MAX_CHANNELS, SYN_SOUND_MAX_RATE},
    [SYN_SOUND_FLAC] = {"FLAC", "flac", "audio/flac", syn_flac_read_header, syn_flac_read, 8,
                        655350},
};

static bool known_format(enum syn_sound_format f)
{
    return f == SYN_SOUND_WAV || f == SYN_SOUND_FLAC;
}

void syn_sound_deinit(struct syn_sound *s)
{
    if (!s) return;
    syn_free(s->samples);
    memset(s, 0, sizeof *s);
}

const char *syn_sound_type_word(enum syn_sound_type t)
{
    return (unsigned)t < SYN_SOUND_TYPE_COUNT ? types[t].word : "unknown";
}
int32_t syn_sound_type_bytes(enum syn_sound_type t) { return types[t].bytes; }
int32_t syn_sound_type_bits(enum syn_sound_type t) { return types[t].bits; }

const char *syn_sound_media_type(enum syn_sound_format f)
{
    return known_format(f) ? formats[f].media_type : NULL;
}

enum syn_sound_format syn_sound_format_of(const char *word)
{
    for (enum syn_sound_format f = SYN_SOUND_WAV; f <= SYN_SOUND_FLAC; f++)
        if (strcmp(formats[f].word, word) == 0) return f;
    return SYN_SOUND_UNKNOWN;
}

enum syn_sound_format syn_sound_sniff(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    if (n >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WAVE", 4) == 0) return SYN_SOUND_WAV;
    if (n >= 4 && memcmp(p, "fLaC", 4) == 0) return SYN_SOUND_FLAC;
    return SYN_SOUND_UNKNOWN;
}

syn_status syn_sound_init(struct syn_sound *s, int64_t frames, int32_t channels, int32_t rate,
                          enum syn_sound_type type, struct syn_err *err)
{
    size_t bytes;
    float *samples = NULL;
    if (frames < 1 || frames > SYN_SOUND_MAX_FRAMES)
        return syn_fail(err, SYN_INVALID, "frames = %" PRId64 ": must be in [1, %" PRId64 "]",
                        frames, SYN_SOUND_MAX_FRAMES);
    if (channels < 1 || channels > SYN_SOUND_MAX_CHANNELS)
        return syn_fail(err, SYN_INVALID, "channels = %" PRId32 ": must be in [1, %d]", channels,
                        SYN_SOUND_MAX_CHANNELS);
    if (rate < 1 || rate > SYN_SOUND_MAX_RATE)
        return syn_fail(err, SYN_INVALID, "sample rate = %" PRId32 ": must be in [1, %d]", rate,
                        SYN_SOUND_MAX_RATE);
    if (type <= SYN_SOUND_SAME || type >= SYN_SOUND_TYPE_COUNT)
        return syn_fail(err, SYN_INVALID, "sample type = %d: must be one of u8 to f64", (int)type);
    if (syn_mul((size_t)frames, (size_t)channels * sizeof *samples, &bytes))
        samples = syn_alloc(bytes);
    if (!samples)
        return syn_fail(err, SYN_NO_MEMORY,
                        "no memory for a sound of %" PRId64 " frames, %" PRId32 " channels", frames,
                        channels);
    *s = (struct syn_sound){
        .frames = frames, .channels = channels, .rate = rate, .type = type, .samples = samples};
    return SYN_OK;
}

/* --- decode --- */

static syn_status read_header(const void *bytes, size_t n, struct syn_sound_header *h,
                              struct syn_err *err)
{
    const enum syn_sound_format f = syn_sound_sniff(bytes, n);
    syn_status st;
    memset(h, 0, sizeof *h);
    if (f == SYN_SOUND_UNKNOWN)
        return syn_fail(err, SYN_UNSUPPORTED, "the sound is not one of WAV and FLAC");
    h->info.format = f;
    st = formats[f].read_header(syn_bytes_of(bytes, n), h, err);
    if (st != SYN_OK) return syn_fail_in(err, st, "%s: ", formats[f].name);
    h->info.decode_bytes = h->work_bytes;
    if (h->info.frames > 0) /* < 2^36 frames of at most 64 channels */
        h->info.decode_bytes += (uint64_t)h->info.frames * (uint64_t)h->info.channels * 4;
    return SYN_OK;
}

syn_status syn_sound_probe(const void *bytes, size_t n, struct syn_sound_info *info,
                           struct syn_err *err)
{
    struct syn_sound_header h;
    syn_status st = read_header(bytes, n, &h, err);
    if (st == SYN_OK) *info = h.info;
    return st;
}

/* The most frames that every limit allows. */
static int64_t frames_allowed(const struct syn_sound_header *h, const struct syn_sound_limits *l)
{
    int64_t most = SYN_SOUND_MAX_FRAMES;
    if (l->max_frames && l->max_frames < most) most = l->max_frames;
    if (l->max_seconds > 0 && l->max_seconds * h->info.rate < (double)most)
        most = (int64_t)(l->max_seconds * h->info.rate);
    if (l->max_decoded_bytes) {
        const uint64_t room =
            l->max_decoded_bytes > h->work_bytes ? l->max_decoded_bytes - h->work_bytes : 0;
        const uint64_t frames = room / ((uint64_t)h->info.channels * 4);
        if (frames < (uint64_t)most) most = (int64_t)frames;
    }
    return most;
}

static syn_status check_limits(const struct syn_sound_header *h, const struct syn_sound_limits *l,
                               struct syn_err *err)
{
    const struct syn_sound_info *i = &h->info;
    if (l->max_channels && i->channels > l->max_channels)
        return syn_fail(err, SYN_TOO_LARGE, "%" PRId32 " channels: limit is %" PRId32, i->channels,
                        l->max_channels);
    if (i->frames > SYN_SOUND_MAX_FRAMES || (l->max_frames && i->frames > l->max_frames))
        return syn_fail(err, SYN_TOO_LARGE, "%" PRId64 " frames: limit is %" PRId64, i->frames,
                        l->max_frames ? l->max_frames : SYN_SOUND_MAX_FRAMES);
    if (l->max_seconds > 0 && (double)i->frames > l->max_seconds * i->rate)
        return syn_fail(err, SYN_TOO_LARGE, "%.1f seconds: limit is %.15g",
                        (double)i->frames / i->rate, l->max_seconds);
    if (l->max_decoded_bytes && i->decode_bytes > l->max_decoded_bytes)
        return syn_fail(err, SYN_TOO_LARGE, "%" PRIu64 " bytes to decode: limit is %" PRIu64,
                        i->decode_bytes, l->max_decoded_bytes);
    return SYN_OK;
}

/* A header that states no length gets the one that decoding finds. */
static syn_status find_length(struct syn_sound_header *h, const struct syn_sound_limits *l,
                              struct syn_err *err)
{
    const int64_t most = frames_allowed(h, l);
    int64_t frames = 0;
    syn_status st = syn_flac_read(h, NULL, most + 1, &frames, err);
    if (st != SYN_OK) return st;
    if (frames > most)
        return syn_fail(err, SYN_TOO_LARGE,
                        "over %" PRId64 " frames: more than the limits allow", most);
    if (frames < 1)
        return syn_fail(err, SYN_TRUNCATED, "the data ends before the first sample");
    h->info.frames = frames;
    h->counted = true;
    return SYN_OK;
}

/* The first got frames of every channel, in a block cut to size. */
static void shorten(struct syn_sound *s, int64_t got)
{
    float *cut;
    for (int32_t c = 1; c < s->channels; c++)
        memmove(s->samples + (size_t)c * (size_t)got, syn_sound_channel(s, c),
                (size_t)got * sizeof(float));
    s->frames = got;
    cut = syn_realloc(s->samples, (size_t)got * (size_t)s->channels, sizeof(float));
    if (cut) s->samples = cut;
}

static syn_status decode(struct syn_sound_header *h, const struct syn_sound_decode_opts *opts,
                         struct syn_sound *s, bool *truncated, struct syn_err *err)
{
    int64_t got = 0, stated;
    syn_status st;
    if (h->cut && !opts->accept_truncated)
        return syn_fail(err, SYN_TRUNCATED,
                        "its data chunk says %" PRId64
                        " frames, the file ends after %zu bytes of them",
                        h->info.frames, h->data.left);
    if (h->info.frames < 0) {
        st = find_length(h, &opts->limits, err);
        if (st != SYN_OK) return st;
    }
    stated = h->info.frames;
    if (h->cut) /* what is not there takes no memory */
        h->info.frames = (int64_t)(h->data.left / ((size_t)h->info.channels *
                                                   (size_t)syn_sound_type_bytes(h->info.type)));
    if (h->info.frames < 1)
        return syn_fail(err, SYN_TRUNCATED, "the file ends before the first sample");
    st = syn_sound_init(s, h->info.frames, h->info.channels, h->info.rate, h->info.type, err);
    if (st != SYN_OK) return st;
    s->speakers = h->info.speakers;
    st = formats[h->info.format].read(h, s, s->frames, &got, err);
    *truncated = got < stated || st == SYN_TRUNCATED;
    if (st == SYN_TRUNCATED && opts->accept_truncated) st = SYN_OK;
    if (st == SYN_OK && got < stated && (!opts->accept_truncated || got < 1))
        st = syn_fail(err, SYN_TRUNCATED,
                      "the data ends at sample %" PRId64 " of %" PRId64, got, stated);
    if (st == SYN_OK && got < s->frames) shorten(s, got);
    return st;
}

syn_status syn_sound_decode(const void *bytes, size_t n, const struct syn_sound_decode_opts *opts,
                            struct syn_sound *out, struct syn_sound_report *report,
                            struct syn_err *err)
{
    struct syn_sound_header h;
    struct syn_sound s = {0};
    bool truncated = false;
    syn_status st = read_header(bytes, n, &h, err);
    if (st != SYN_OK) return st;
    st = check_limits(&h, &opts->limits, err);
    if (st == SYN_OK) st = decode(&h, opts, &s, &truncated, err);
    if (st != SYN_OK) {
        syn_sound_deinit(&s);
        return syn_fail_in(err, st, "%s: ", formats[h.info.format].name);
    }
    *out = s;
    if (report) report->truncated = truncated;
    return SYN_OK;
}

/* --- encode --- */

/* A RIFF size is 32 bits and counts the header: the largest that libsndfile writes has 80 bytes and
 * 4 a speaker. */
static syn_status check_wav_size(const struct syn_sound *s, enum syn_sound_type type,
                                 struct syn_err *err)
{
    const uint64_t bytes =
        (uint64_t)s->frames * (uint64_t)s->channels * (uint64_t)types[type].bytes;
    if (bytes > UINT32_MAX - 1024)
        return syn_fail(err, SYN_TOO_LARGE, "%" PRIu64 " bytes of samples: limit is %u (4 GiB)",
                        bytes, UINT32_MAX - 1024);
    return SYN_OK;
}

/* *o with its type resolved; failures without the format's name. */
static syn_status check_encode(const struct syn_sound *s, struct syn_sound_encode_opts *o,
                               struct syn_err *err)
{
    if (s->channels < 1 || s->rate < 1)
        return syn_fail(err, SYN_INVALID,
                        "sound of %" PRId64 " frames, %" PRId32 " channels at %" PRId32
                        " Hz: not one that syn_sound_init makes",
                        s->frames, s->channels, s->rate);
    if (o->level < 0 || o->level > 8)
        return syn_fail(err, SYN_INVALID, "level = %" PRId32 ": must be in [1, 8], or 0", o->level);
    if ((unsigned)o->type >= SYN_SOUND_TYPE_COUNT)
        return syn_fail(err, SYN_INVALID, "sample type = %d: must be one of u8 to f64",
                        (int)o->type);
    if (o->format == SYN_SOUND_FLAC && o->type > SYN_SOUND_S24)
        return syn_fail(err, SYN_INVALID, "sample type = %s: FLAC holds u8, s16 and s24",
                        types[o->type].word);
    if (o->type == SYN_SOUND_SAME) o->type = s->type;
    if (o->format == SYN_SOUND_FLAC && o->type > SYN_SOUND_S24) o->type = SYN_SOUND_S24;
    if (s->channels > formats[o->format].max_channels)
        return syn_fail(err, SYN_INVALID, "%" PRId32 " channels: must be at most %" PRId32,
                        s->channels, formats[o->format].max_channels);
    if (s->rate > formats[o->format].max_rate)
        return syn_fail(err, SYN_INVALID, "sample rate = %" PRId32 ": must be at most %" PRId32,
                        s->rate, formats[o->format].max_rate);
    if (o->format == SYN_SOUND_FLAC && s->rate > 65535 && s->rate % 10 != 0)
        return syn_fail(err, SYN_INVALID,
                        "sample rate = %" PRId32 ": beyond 65535 must be a multiple of 10",
                        s->rate);
    return o->format == SYN_SOUND_WAV && s->frames > 0 ? check_wav_size(s, o->type, err) : SYN_OK;
}

syn_status syn_sound_encode_check(const struct syn_sound *s,
                                  const struct syn_sound_encode_opts *opts, struct syn_err *err)
{
    struct syn_sound_encode_opts o = *opts;
    syn_status st;
    if (!known_format(o.format))
        return syn_fail(err, SYN_INVALID, "format = %d: must be WAV or FLAC", (int)o.format);
    st = check_encode(s, &o, err);
    return st == SYN_OK ? SYN_OK : syn_fail_in(err, st, "%s: ", formats[o.format].name);
}

syn_status syn_sound_encode(const struct syn_sound *s, const struct syn_sound_encode_opts *opts,
                            struct syn_buf *out, int64_t *clipped, struct syn_err *err)
{
    struct syn_sound_encode_opts o = *opts;
    syn_status st;
    if (!known_format(o.format))
        return syn_fail(err, SYN_INVALID, "format = %d: must be WAV or FLAC", (int)o.format);
    st = s->samples && s->frames >= 1
             ? check_encode(s, &o, err)
             : syn_fail(err, SYN_INVALID, "a sound without samples: not one that syn_sound_init makes");
    if (st == SYN_OK) st = syn_sound_file_write(s, &o, out, clipped, err);
    return st == SYN_OK ? SYN_OK : syn_fail_in(err, st, "%s: ", formats[o.format].name);
}
