/* sound_file.c - see sound_file.h.
 *
 * Layer:   server/media.
 * Threads: pure functions.
 * Way:     of a WAV libsndfile gets the samples alone, as raw data of the type that the header
 *          (sound_wav.c) stated: no second reader of hostile chunks. Writing quantises here, to
 *          integers in the upper bits of int32_t, which libsndfile shifts down to the type: so
 *          rounding and clipping are ours, the same for both formats.
 * Memory:  one block of BLOCK frames, interleaved, beside libsndfile's own. */
#include "server/media/sound_file.h"
#include "kernels/base/alloc.h"
#include "server/media/codec.h"
#include <inttypes.h>
#include <math.h>
#include <sndfile.h>

enum { BLOCK = 512, DEFAULT_FLAC_LEVEL = 5 };

/* --- memory as a file --- */

struct memory {
    struct syn_bytes source; /* reading: the whole */
    struct syn_sink sink;    /* writing */
    bool writing, failed;    /* failed: no memory for the sink */
    sf_count_t at;
};

static sf_count_t memory_size(void *user)
{
    const struct memory *m = user;
    return (sf_count_t)(m->writing ? m->sink.buf.size : m->source.left);
}

static sf_count_t memory_seek(sf_count_t offset, int whence, void *user)
{
    struct memory *m = user;
    const sf_count_t size = memory_size(user);
    sf_count_t from = whence == SEEK_CUR ? m->at : whence == SEEK_END ? size : 0, to;
    if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > size) return -1;
    return m->at = to;
}

static sf_count_t memory_read(void *p, sf_count_t count, void *user)
{
    struct memory *m = user;
    const sf_count_t left = memory_size(user) - m->at;
    if (count > left) count = left;
    if (count > 0) memcpy(p, (m->writing ? m->sink.buf.data : m->source.p) + m->at, (size_t)count);
    m->at += count;
    return count;
}

static sf_count_t memory_write(const void *p, sf_count_t count, void *user)
{
    struct memory *m = user;
    const sf_count_t over = m->at + count - memory_size(user); /* at never lies behind the end */
    const sf_count_t inside = over > 0 ? count - over : count;
    if (inside > 0) memcpy(m->sink.buf.data + m->at, p, (size_t)inside);
    if (over > 0 && !syn_sink_append(&m->sink, (const uint8_t *)p + inside, (size_t)over)) {
        m->failed = true;
        return 0;
    }
    m->at += count;
    return count;
}

static sf_count_t memory_tell(void *user) { return ((struct memory *)user)->at; }

static SF_VIRTUAL_IO memory_io = {memory_size, memory_seek, memory_read, memory_write, memory_tell};

/* --- types --- */

static int sf_type_of(enum syn_sound_type t, bool signed_8)
{
    switch (t) {
    case SYN_SOUND_U8: return signed_8 ? SF_FORMAT_PCM_S8 : SF_FORMAT_PCM_U8;
    case SYN_SOUND_S16: return SF_FORMAT_PCM_16;
    case SYN_SOUND_S24: return SF_FORMAT_PCM_24;
    case SYN_SOUND_S32: return SF_FORMAT_PCM_32;
    case SYN_SOUND_F32: return SF_FORMAT_FLOAT;
    default: return SF_FORMAT_DOUBLE;
    }
}

/* --- reading --- */

static syn_status open_read(const struct syn_sound_header *h, struct memory *m, SNDFILE **out,
                            struct syn_err *err)
{
    SF_INFO info = {.format = SF_FORMAT_RAW | SF_ENDIAN_LITTLE | sf_type_of(h->info.type, false),
                    .channels = h->info.channels,
                    .samplerate = h->info.rate};
    m->source = h->data;
    *out = sf_open_virtual(&memory_io, SFM_READ, &info, m);
    return *out ? SYN_OK : syn_fail(err, SYN_INTERNAL, "libsndfile: %s", sf_strerror(NULL));
}

/* n frames of the block to frame `at` of every plane. */
static syn_status scatter(const float *block, int64_t n, struct syn_sound *s, int64_t at,
                          struct syn_err *err)
{
    const int32_t channels = s->channels;
    for (int32_t c = 0; c < channels; c++) {
        float *to = syn_sound_channel(s, c) + at;
        bool finite = true;
        for (int64_t i = 0; i < n; i++) {
            to[i] = block[i * channels + c];
            finite &= isfinite(to[i]) != 0;
        }
        for (int64_t i = 0; !finite && i < n; i++)
            if (!isfinite(to[i]))
                return syn_fail(err, SYN_NUMERIC,
                                "sample %" PRId64 " of channel %" PRId32
                                " is %f: must be a finite number",
                                at + i, c, (double)to[i]);
    }
    return SYN_OK;
}

syn_status syn_wav_read(const struct syn_sound_header *h, struct syn_sound *s, int64_t most,
                        int64_t *got, struct syn_err *err)
{
    struct memory m = {0};
    SNDFILE *f = NULL;
    float *block = syn_alloc((size_t)BLOCK * (size_t)s->channels * sizeof *block);
    int64_t at = 0;
    syn_status st = block ? open_read(h, &m, &f, err)
                          : syn_fail(err, SYN_NO_MEMORY, "no memory for %d frames", BLOCK);
    while (st == SYN_OK && at < most) {
        const int64_t want = most - at < BLOCK ? most - at : BLOCK;
        const int64_t n = sf_readf_float(f, block, want);
        if (n > 0) st = scatter(block, n, s, at, err);
        at += n > 0 ? n : 0;
        if (n < want) break;
    }
    *got = at;
    if (f) sf_close(f);
    syn_free(block);
    return st;
}

/* --- writing --- */

/* x of full scale 1 as an integer of `bits` bits, in the upper bits of the result. */
static int32_t quantised(float x, int32_t bits, int64_t *clipped)
{
    const double top = (double)((int64_t)1 << (bits - 1));
    double v = nearbyint((double)x * top);
    if (v > top - 1 || v < -top) {
        v = v < 0 ? -top : top - 1;
        ++*clipped;
    }
    return (int32_t)((int64_t)v * ((int64_t)1 << (32 - bits)));
}

static syn_status check_finite(const struct syn_sound *s, struct syn_err *err)
{
    const int64_t n = s->frames * s->channels;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(s->samples[i]))
            return syn_fail(err, SYN_NUMERIC,
                            "sample %" PRId64 " of channel %" PRId64
                            " is %f: must be a finite number",
                            i % s->frames, i / s->frames, (double)s->samples[i]);
    return SYN_OK;
}

/* The channel mask of an extensible WAV, as the sound has it: left to itself libsndfile guesses
 * one from the number of channels. Its fmt chunk is the file's first. */
static bool set_speakers(struct syn_buf *file, uint32_t speakers)
{
    enum { FMT_AT = 12, MASK_AT = FMT_AT + 8 + 20 };
    if (file->size < MASK_AT + 4 || memcmp(file->data + FMT_AT, "fmt \x28\0\0\0\xfe\xff", 10) != 0)
        return false;
    for (int i = 0; i < 4; i++) file->data[MASK_AT + i] = (uint8_t)(speakers >> 8 * i);
    return true;
}

static bool is_extensible(const struct syn_sound *s, enum syn_sound_format format)
{
    return format == SYN_SOUND_WAV && s->channels > 2;
}

static SNDFILE *open_write(const struct syn_sound *s, const struct syn_sound_encode_opts *opts,
                           struct memory *m)
{
    const bool flac = opts->format == SYN_SOUND_FLAC;
    SF_INFO info = {.channels = s->channels, .samplerate = s->rate};
    SNDFILE *f;
    info.format = (flac                             ? SF_FORMAT_FLAC
                   : is_extensible(s, opts->format) ? SF_FORMAT_WAVEX
                                                    : SF_FORMAT_WAV) |
                  sf_type_of(opts->type, flac);
    m->writing = true;
    f = sf_open_virtual(&memory_io, SFM_WRITE, &info, m);
    if (!f) return NULL;
    if (flac) {
        double level = (opts->level ? opts->level : DEFAULT_FLAC_LEVEL) / 8.0;
        sf_command(f, SFC_SET_COMPRESSION_LEVEL, &level, sizeof level);
    } else { /* the header says what the samples are, not when they were written */
        sf_command(f, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    }
    return f;
}

/* Frames [at, at + n) interleaved, as integers or floats. */
static sf_count_t write_block(SNDFILE *f, const struct syn_sound *s, int32_t bits, int64_t at,
                              int64_t n, void *block, int64_t *clipped)
{
    int32_t *as_int = block;
    float *as_float = block;
    for (int32_t c = 0; c < s->channels; c++) {
        const float *from = syn_sound_channel(s, c) + at;
        for (int64_t i = 0; i < n; i++) {
            const int64_t k = i * s->channels + c;
            if (bits) as_int[k] = quantised(from[i], bits, clipped);
            else as_float[k] = from[i];
        }
    }
    return bits ? sf_writef_int(f, as_int, n) : sf_writef_float(f, as_float, n);
}

syn_status syn_sound_file_write(const struct syn_sound *s, const struct syn_sound_encode_opts *opts,
                                struct syn_buf *out, int64_t *clipped, struct syn_err *err)
{
    const int32_t bits = syn_sound_type_bits(opts->type);
    struct memory m = {0};
    SNDFILE *f = NULL;
    void *block = NULL;
    int64_t over = 0;
    syn_status st = check_finite(s, err);
    if (st != SYN_OK) return st;
    block = syn_alloc((size_t)BLOCK * (size_t)s->channels * sizeof(int32_t));
    if (block) f = open_write(s, opts, &m);
    if (!f) {
        st = block && !m.failed ? syn_fail(err, SYN_INVALID, "%s", sf_strerror(NULL))
                                : syn_fail(err, SYN_NO_MEMORY, "no memory for the encoder");
        goto done;
    }
    for (int64_t at = 0; at < s->frames && st == SYN_OK; at += BLOCK) {
        const int64_t n = s->frames - at < BLOCK ? s->frames - at : BLOCK;
        if (write_block(f, s, bits, at, n, block, &over) != n)
            st = m.failed ? syn_fail(err, SYN_NO_MEMORY, "no memory for the file")
                          : syn_fail(err, SYN_INTERNAL, "the encoder stopped: %s", sf_strerror(f));
    }
    if (sf_close(f) != 0 && st == SYN_OK)
        st = syn_fail(err, SYN_INTERNAL, "the encoder could not end the file");
    if (m.failed && st == SYN_OK) st = syn_fail(err, SYN_NO_MEMORY, "no memory for the file");
    if (st == SYN_OK && is_extensible(s, opts->format) && !set_speakers(&m.sink.buf, s->speakers))
        st = syn_fail(err, SYN_INTERNAL, "the encoder's header is not the expected one");
    if (st == SYN_OK) {
        syn_sink_finish(&m.sink, out);
        if (clipped) *clipped = over;
    }
done:
    syn_buf_deinit(&m.sink.buf);
    syn_free(block);
    return st;
}
