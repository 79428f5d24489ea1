/* test_sound.c - WAV in and out: every sample type, framing (A42), levels (A45), hostile headers,
 * truncation (E03), limits (E01). */
#include "tests/unit/test_sound.h"
#include "kernels/base/alloc.h"
#include <math.h>
#include <sys/resource.h>

static const struct syn_sound_decode_opts plain;

static syn_status read_wav(const struct bytes *b, struct syn_sound *s, struct syn_err *err)
{
    return syn_sound_decode(b->p, b->n, &plain, s, NULL, err);
}

/* Two channels, five samples a type, by hand: lowest, -1, 0, 1, highest against the other channel's
 * half scale. */
static void test_every_type(void)
{
    static const float third = 1.0f / 3;
    static const struct {
        int tag, bits;
        enum syn_sound_type type;
        uint8_t frame[3][2][8]; /* [time][channel] */
        float want[3][2];
    } cases[] = {
        {1,
         8,
         SYN_SOUND_U8,
         {{{0}, {255}}, {{128}, {64}}, {{129}, {127}}},
         {{-1, 127 / 128.0f}, {0, -0.5f}, {1 / 128.0f, -1 / 128.0f}}},
        {1,
         16,
         SYN_SOUND_S16,
         {{{0, 0x80}, {0xff, 0x7f}}, {{0}, {0, 0xc0}}, {{1}, {0xff, 0xff}}},
         {{-1, 32767 / 32768.0f}, {0, -0.5f}, {1 / 32768.0f, -1 / 32768.0f}}},
        {1,
         24,
         SYN_SOUND_S24,
         {{{0, 0, 0x80}, {0xff, 0xff, 0x7f}}, {{0}, {0, 0, 0xc0}}, {{1}, {0xff, 0xff, 0xff}}},
         {{-1, 8388607 / 8388608.0f}, {0, -0.5f}, {1 / 8388608.0f, -1 / 8388608.0f}}},
        {1,
         32,
         SYN_SOUND_S32,
         {{{0, 0, 0, 0x80}, {0, 0xff, 0xff, 0x7f}},
          {{0}, {0, 0, 0, 0xc0}},
          {{0, 1}, {0, 0xff, 0xff, 0xff}}},
         {{-1, 8388607 / 8388608.0f}, {0, -0.5f}, {1 / 8388608.0f, -1 / 8388608.0f}}},
        {3,
         32,
         SYN_SOUND_F32,
         {{{0, 0, 0, 0xc0}, {0, 0, 0x80, 0x3f}},
          {{0}, {0, 0, 0, 0xbf}},
          {{0xab, 0xaa, 0xaa, 0x3e}, {1}}},
         {{-2, 1}, {0, -0.5f}, {third, 0x1p-149f}}},
        {3,
         64,
         SYN_SOUND_F64,
         {{{0, 0, 0, 0, 0, 0, 0, 0xc0}, {0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
          {{0}, {0, 0, 0, 0, 0, 0, 0xe0, 0xbf}},
          {{0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5, 0x3f}, {0}}},
         {{-2, 1}, {0, -0.5f}, {third, 0}}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int way = 0; way < 4; way++) { /* plain, extensible, each with chunks between */
            uint8_t data[3 * 2 * 8];
            size_t n = 0, size = (size_t)cases[k].bits / 8;
            struct syn_sound s = {0};
            struct syn_sound_info info = {0};
            struct syn_err err = {{0}};
            struct bytes b;
            syn_status st;
            for (int t = 0; t < 3; t++)
                for (int c = 0; c < 2; c++, n += size) memcpy(data + n, cases[k].frame[t][c], size);
            b = wav_of((struct wav_how){cases[k].tag, 2, 44100, cases[k].bits, way & 1, 3, way & 2},
                       data, n);
            st = read_wav(&b, &s, &err);
            T_CHECK(st == SYN_OK && s.frames == 3 && s.channels == 2 && s.rate == 44100 &&
                        s.type == cases[k].type && s.speakers == (way & 1 ? 3u : 0u),
                    "case %zu way %d: %s", k, way, err.text);
            for (int t = 0; st == SYN_OK && t < 3; t++)
                for (int c = 0; c < 2; c++)
                    T_CHECK(syn_sound_channel(&s, c)[t] == cases[k].want[t][c],
                            "case %zu: [%d][%d] = %.9g", k, t, c,
                            (double)syn_sound_channel(&s, c)[t]);
            T_CHECK(syn_sound_probe(b.p, b.n, &info, &err) == SYN_OK && info.frames == 3 &&
                        info.channels == 2 && info.rate == 44100 && info.type == s.type &&
                        info.format == SYN_SOUND_WAV && !info.streamed,
                    "probe %zu", k);
            syn_sound_deinit(&s);
            bytes_free(&b);
        }
}

/* A sample that nobody touched comes back bit for bit, in the same type; the file has exact sizes.
 * */
static void test_A42_round_trip(void)
{
    for (int t = SYN_SOUND_U8; t <= SYN_SOUND_F64; t++)
        for (int32_t channels = 1; channels <= 6; channels++) {
            static const int bits[] = {0, 8, 16, 24, 32, 0, 0};
            struct syn_sound s = tones(1031, channels, 48000, (enum syn_sound_type)t), again = {0};
            struct syn_buf file = {0}, second = {0};
            struct syn_err err = {{0}};
            int64_t clipped = -1;
            syn_status st;
            s.speakers = channels == 6 ? 0x3f : 0;
            st = syn_sound_encode(&s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV},
                                  &file, &clipped, &err);
            T_CHECK(st == SYN_OK && clipped == 0, "%d %d: %s", t, channels, err.text);
            T_CHECK(file.size > 44 && get_le(file.data + 4, 4) == file.size - 8, "RIFF size");
            T_CHECK(syn_sound_decode(file.data, file.size, &plain, &again, NULL, &err) == SYN_OK &&
                        again.frames == 1031 && again.channels == channels && again.rate == 48000 &&
                        again.type == s.type,
                    "%d %d: %s", t, channels, err.text);
            if (channels > 2)
                T_CHECK(get_le(file.data + 20, 2) == 0xFFFE && again.speakers == s.speakers,
                        "extensible: mask %x", again.speakers);
            else T_CHECK(get_le(file.data + 20, 2) == (t >= SYN_SOUND_F32 ? 3 : 1), "plain");
            for (int64_t i = 0; again.samples && i < 1031 * channels; i++) {
                float want = bits[t] ? kept(s.samples[i], bits[t]) : s.samples[i];
                if (again.samples[i] != want) {
                    T_CHECK(false, "type %d sample %lld: %.9g is not %.9g", t, (long long)i,
                            (double)again.samples[i], (double)want);
                    break;
                }
            }
            st = syn_sound_encode(&again, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV},
                                  &second, &clipped, &err);
            T_CHECK(st == SYN_OK && second.size == file.size &&
                        memcmp(second.data, file.data, file.size) == 0,
                    "type %d: not the same bytes", t);
            syn_buf_deinit(&file);
            syn_buf_deinit(&second);
            syn_sound_deinit(&s);
            syn_sound_deinit(&again);
        }
}

/* Mono, 16 bits: a header of 44 bytes, then nothing but samples. */
static void test_A42_sizes(void)
{
    for (int64_t frames = 1; frames < 1100; frames += frames < 5 ? 1 : 211) {
        struct syn_sound s = tones(frames, 1, 22050, SYN_SOUND_S16);
        struct syn_buf f = {0};
        T_CHECK(syn_sound_encode(&s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV}, &f,
                                 NULL, NULL) == SYN_OK &&
                    f.size == (size_t)(44 + 2 * frames) && memcmp(f.data, "RIFF", 4) == 0 &&
                    memcmp(f.data + 36, "data", 4) == 0 && get_le(f.data + 4, 4) == f.size - 8 &&
                    get_le(f.data + 40, 4) == f.size - 44 && get_le(f.data + 24, 4) == 22050,
                "%lld frames: %zu bytes", (long long)frames, f.size);
        syn_buf_deinit(&f);
        syn_sound_deinit(&s);
    }
}

/* Streams have placeholders for sizes: they go on to the end of the bytes and are not truncated. */
static void test_A42_streamed(void)
{
    static const uint32_t size[] = {0xFFFFFFFF, 0x7FFFF000};
    uint8_t data[1001] = {0};
    for (int i = 0; i < 2; i++) {
        struct bytes b = wav_of((struct wav_how){1, 1, 8000, 16, false, 0, false}, data, 1001);
        struct syn_sound s = {0};
        struct syn_sound_info info = {0};
        struct syn_err err = {{0}};
        b.n = 44 + 1001;
        set_le32(b.p + 4, 0xFFFFFFFF);
        set_le32(b.p + 40, size[i]);
        T_CHECK(syn_sound_probe(b.p, b.n, &info, &err) == SYN_OK && info.streamed &&
                    info.frames == 500,
                "%s", err.text);
        T_CHECK(read_wav(&b, &s, &err) == SYN_OK && s.frames == 500, "%s", err.text);
        syn_sound_deinit(&s);
        bytes_free(&b);
    }
}

/* One scale for all sounds; out of range clips and is counted; nothing is normalised. */
static void test_A45_level(void)
{
    static const float in[] = {0.02f, 1.5f, -1.5f, 1.0f, -1.0f, 0.5f / 32768, 1.5f / 32768};
    static const int want[] = {655, 32767, -32768, 32767, -32768, 0, 2};
    struct syn_sound s = {0};
    struct syn_buf f = {0};
    int64_t clipped = 0;
    if (syn_sound_init(&s, 7, 1, 16000, SYN_SOUND_S16, NULL) != SYN_OK) abort();
    memcpy(s.samples, in, sizeof in);
    T_CHECK(syn_sound_encode(&s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV}, &f,
                             &clipped, NULL) == SYN_OK &&
                f.size == 44 + 14,
            "%zu", f.size);
    for (int i = 0; i < 7; i++)
        T_CHECK((int16_t)get_le(f.data + 44 + 2 * i, 2) == want[i], "%g gives %d", (double)in[i],
                (int16_t)get_le(f.data + 44 + 2 * i, 2));
    T_CHECK(clipped == 3, "%lld clipped", (long long)clipped);
    syn_buf_deinit(&f);
    /* floats are not clipped */
    T_CHECK(syn_sound_encode(
                &s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV, .type = SYN_SOUND_F32},
                &f, &clipped, NULL) == SYN_OK &&
                clipped == 0 && memcmp(f.data + f.size - 28, in, 28) == 0,
            "floats");
    syn_buf_deinit(&f);
    syn_sound_deinit(&s);
}

static void test_A45_not_a_number(void)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        struct syn_sound s = tones(700, 2, 16000, SYN_SOUND_F32), got = {0};
        struct syn_buf f = {0};
        struct syn_err err = {{0}};
        struct bytes b;
        float data[1400] = {0};
        syn_sound_channel(&s, 1)[650] = bad[k];
        for (int t = SYN_SOUND_S16; t <= SYN_SOUND_F32; t += 3)
            T_CHECK(syn_sound_encode(&s,
                                     &(struct syn_sound_encode_opts){
                                         .format = SYN_SOUND_WAV, .type = (enum syn_sound_type)t},
                                     &f, NULL, &err) == SYN_NUMERIC &&
                        !f.data && strstr(err.text, "sample 650 of channel 1"),
                    "%s", err.text);
        data[650 * 2 + 1] = bad[k];
        b = wav_of((struct wav_how){3, 2, 16000, 32, false, 0, false}, data, sizeof data);
        T_CHECK(read_wav(&b, &got, &err) == SYN_NUMERIC && !got.samples &&
                    strstr(err.text, "WAV: sample 650 of channel 1"),
                "%s", err.text);
        bytes_free(&b);
        syn_sound_deinit(&s);
    }
}

static void refused(const struct bytes *b, syn_status want, const char *word)
{
    struct syn_sound s = {0};
    struct syn_err err = {{0}};
    syn_status st = read_wav(b, &s, &err);
    T_CHECK(st == want && strstr(err.text, word) && !s.samples, "%s: got %s: %s", word,
            syn_status_word(st), err.text);
    syn_sound_deinit(&s);
}

/* 36 bytes of head, then data: each field with a value that it must not have. */
static void test_hostile_headers(void)
{
    static const struct {
        int at, bytes;
        uint32_t value;
        syn_status want;
        const char *word;
    } cases[] = {
        {0, 1, 'X', SYN_UNSUPPORTED, "WAV and FLAC"},
        {8, 1, 'A', SYN_UNSUPPORTED, "WAV and FLAC"},
        {16, 4, 15, SYN_INVALID, "chunk fmt"},
        {16, 4, 0xFFFFFFF0, SYN_TRUNCATED, "only"},
        {20, 2, 7, SYN_UNSUPPORTED, "format tag = 0x0007"},
        {20, 2, 0xFFFE, SYN_INVALID, "must have 40 bytes"},
        {22, 2, 0, SYN_INVALID, "channels = 0"},
        {22, 2, 65, SYN_INVALID, "channels = 65"},
        {22, 2, 2, SYN_INVALID, "block size = 2: must be 4"},
        {24, 4, 0, SYN_INVALID, "sample rate = 0"},
        {24, 4, 0x80000000, SYN_INVALID, "sample rate = 2147483648"},
        {32, 2, 0, SYN_INVALID, "block size = 0"},
        {34, 2, 0, SYN_UNSUPPORTED, "bits = 0"},
        {34, 2, 12, SYN_UNSUPPORTED, "bits = 12"},
        {34, 2, 65535, SYN_UNSUPPORTED, "bits = 65535"},
        {36, 1, 'D', SYN_TRUNCATED, "ends before its chunk data"},
        {40, 4, 0, SYN_INVALID, "no sample"},
        {40, 4, 1, SYN_INVALID, "no sample"},
        {40, 4, 0xFFFFFFFE, SYN_TRUNCATED, "2147483647 frames"},
    };
    uint8_t data[64] = {0};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct bytes b = wav_of((struct wav_how){1, 1, 8000, 16, false, 0, false}, data, 64);
        for (int i = 0; i < cases[k].bytes; i++)
            b.p[cases[k].at + i] = (uint8_t)(cases[k].value >> 8 * i);
        refused(&b, cases[k].want, cases[k].word);
        bytes_free(&b);
    }
    struct bytes b = wav_of((struct wav_how){1, 1, 8000, 16, true, 0, false}, data, 64);
    b.p[50] ^= 1; /* the subformat's tail */
    refused(&b, SYN_UNSUPPORTED, "subformat");
    b.p[50] ^= 1;
    b.p[38] = 17; /* valid bits */
    refused(&b, SYN_INVALID, "valid bits = 17");
    bytes_free(&b);
    b = (struct bytes){0};
    put(&b, "RIFF....WAVE", 12);
    wav_chunk(&b, "data", 4);
    put(&b, "abcd", 4);
    refused(&b, SYN_INVALID, "data comes before chunk fmt");
    bytes_free(&b);
}

static void test_E03_truncated(void)
{
    struct syn_sound whole = tones(4000, 2, 44100, SYN_SOUND_S16), s = {0};
    struct syn_sound_decode_opts lax = {.accept_truncated = true};
    struct syn_buf f = {0};
    struct syn_err err = {{0}};
    if (syn_sound_encode(&whole, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV}, &f, NULL,
                         NULL) != SYN_OK)
        abort();
    for (int percent = 0; percent < 100; percent += percent < 10 ? 1 : 10) {
        size_t n = f.size * (size_t)percent / 100;
        struct syn_sound_report report = {0};
        uint8_t *cut = memcpy(t_alloc(n), f.data, n); /* its end is the block's: overruns show */
        syn_status st = syn_sound_decode(cut, n, &plain, &s, NULL, &err);
        T_CHECK(st == (n < 12 ? SYN_UNSUPPORTED : SYN_TRUNCATED) && !s.samples, "%d %%: %s: %s",
                percent, syn_status_word(st), err.text);
        st = syn_sound_decode(cut, n, &lax, &s, &report, &err);
        if (n < 48)
            T_CHECK(st == (n < 12 ? SYN_UNSUPPORTED : SYN_TRUNCATED), "%d %%: %s", percent,
                    err.text);
        else
            T_CHECK(st == SYN_OK && report.truncated && s.frames == (int64_t)((n - 44) / 4) &&
                        s.samples[s.frames - 1] == kept(whole.samples[s.frames - 1], 16) &&
                        syn_sound_channel(&s, 1)[0] == kept(syn_sound_channel(&whole, 1)[0], 16),
                    "%d %%: %s", percent, err.text);
        syn_sound_deinit(&s);
        free(cut);
    }
    syn_buf_deinit(&f);
    syn_sound_deinit(&whole);
}

static long peak_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* A header may state 4 GiB: limits hold before anything is allocated, each by its name. */
static void test_E01_limits(void)
{
    static const struct {
        struct syn_sound_limits limits;
        const char *word;
    } cases[] = {
        {{.max_frames = 999999}, "1000000 frames: limit is 999999"},
        {{.max_seconds = 124.5}, "125.0 seconds: limit is 124.5"},
        {{.max_channels = 3}, "4 channels: limit is 3"},
        {{.max_decoded_bytes = 16000000}, "bytes to decode: limit is 16000000"},
    };
    uint8_t few[64] = {0};
    struct bytes b = wav_of((struct wav_how){1, 4, 8000, 16, false, 0, false}, few, 64);
    struct syn_sound_info info = {0};
    struct syn_sound s = {0};
    struct syn_err err = {{0}};
    const long before = peak_kib();
    set_le32(b.p + 40, 8000000);
    T_CHECK(syn_sound_probe(b.p, b.n, &info, &err) == SYN_OK && info.frames == 1000000 &&
                info.decode_bytes > 16000000 && info.decode_bytes < 17000000,
            "%s", err.text);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int lax = 0; lax < 2; lax++) {
            struct syn_sound_decode_opts opts = {cases[k].limits, lax};
            T_CHECK(syn_sound_decode(b.p, b.n, &opts, &s, NULL, &err) == SYN_TOO_LARGE &&
                        strstr(err.text, cases[k].word),
                    "%s: %s", cases[k].word, err.text);
        }
    set_le32(b.p + 40, 0xFFFFFFF8);
    refused(&b, SYN_TRUNCATED, "536870911 frames");
    T_CHECK(syn_sound_decode(b.p, b.n, &(struct syn_sound_decode_opts){.accept_truncated = true},
                             &s, NULL, &err) == SYN_OK &&
                s.frames == 8,
            "what is there: %s", err.text);
    T_CHECK(peak_kib() - before < 10240, "%ld KiB more", peak_kib() - before);
    syn_sound_deinit(&s);
    bytes_free(&b);
}

/* The sum of finished samples and decoder's buffers is exact: one byte less is refused. */
static void test_E01_boundary(void)
{
    struct syn_sound whole = tones(3000, 3, 44100, SYN_SOUND_S24), s = {0};
    struct syn_buf f = {0};
    struct syn_sound_info info = {0};
    struct syn_sound_decode_opts opts = {
        {.max_frames = 3000, .max_channels = 3, .max_seconds = 3000.0 / 44100}, false};
    if (syn_sound_encode(&whole, &(struct syn_sound_encode_opts){.format = SYN_SOUND_WAV}, &f, NULL,
                         NULL) != SYN_OK ||
        syn_sound_probe(f.data, f.size, &info, NULL) != SYN_OK)
        abort();
    opts.limits.max_decoded_bytes = info.decode_bytes;
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &s, NULL, NULL) == SYN_OK, "at the limits");
    syn_sound_deinit(&s);
    opts.limits.max_decoded_bytes--;
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &s, NULL, NULL) == SYN_TOO_LARGE, "one less");
    syn_buf_deinit(&f);
    syn_sound_deinit(&whole);
}

static void test_no_memory(void)
{
    struct syn_sound whole = tones(3000, 2, 44100, SYN_SOUND_S16), s = {0};
    struct syn_buf f = {0}, none = {0};
    struct syn_err err = {{0}};
    const struct syn_sound_encode_opts opts = {.format = SYN_SOUND_WAV};
    if (syn_sound_encode(&whole, &opts, &f, NULL, NULL) != SYN_OK) abort();
    for (int n = 1, done = 0; !done; n++) {
        syn_alloc_fail_at(n);
        syn_status st = syn_sound_decode(f.data, f.size, &plain, &s, NULL, &err);
        syn_alloc_fail_at(0);
        done = st == SYN_OK;
        T_CHECK(done ? n > 2 : st == SYN_NO_MEMORY && !s.samples, "decode %d: %s", n, err.text);
        syn_sound_deinit(&s);
    }
    for (int n = 1, done = 0; !done; n++) {
        syn_alloc_fail_at(n);
        syn_status st = syn_sound_encode(&whole, &opts, &none, NULL, &err);
        syn_alloc_fail_at(0);
        done = st == SYN_OK;
        T_CHECK(done ? n > 2 : st == SYN_NO_MEMORY && !none.data, "encode %d: %s", n, err.text);
        syn_buf_deinit(&none);
    }
    syn_buf_deinit(&f);
    syn_sound_deinit(&whole);
}

static void test_arguments(void)
{
    struct syn_sound s = {0};
    struct syn_buf f = {0};
    T_CHECK(syn_sound_init(&s, 0, 1, 1, SYN_SOUND_S16, NULL) == SYN_INVALID, "no frame");
    T_CHECK(syn_sound_init(&s, SYN_SOUND_MAX_FRAMES + 1, 1, 1, SYN_SOUND_S16, NULL) == SYN_INVALID,
            "frames");
    T_CHECK(syn_sound_init(&s, 1, 65, 1, SYN_SOUND_S16, NULL) == SYN_INVALID, "channels");
    T_CHECK(syn_sound_init(&s, 1, 1, 0, SYN_SOUND_S16, NULL) == SYN_INVALID, "rate");
    T_CHECK(syn_sound_init(&s, 1, 1, 1, SYN_SOUND_SAME, NULL) == SYN_INVALID && !s.samples, "type");
    T_CHECK(syn_sound_format_of("wav") == SYN_SOUND_WAV &&
                syn_sound_format_of("flac") == SYN_SOUND_FLAC &&
                syn_sound_format_of("mp3") == SYN_SOUND_UNKNOWN,
            "words");
    T_CHECK(!strcmp(syn_sound_media_type(SYN_SOUND_WAV), "audio/wav") &&
                !syn_sound_media_type(SYN_SOUND_UNKNOWN),
            "media types");
    s = tones(10, 1, 8000, SYN_SOUND_S16);
    T_CHECK(syn_sound_encode(&s, &(struct syn_sound_encode_opts){0}, &f, NULL, NULL) == SYN_INVALID,
            "format");
    T_CHECK(syn_sound_encode(&s,
                             &(struct syn_sound_encode_opts){.format = SYN_SOUND_FLAC, .level = 9},
                             &f, NULL, NULL) == SYN_INVALID,
            "level");
    T_CHECK(syn_sound_encode(
                &s,
                &(struct syn_sound_encode_opts){.format = SYN_SOUND_FLAC, .type = SYN_SOUND_F32},
                &f, NULL, NULL) == SYN_INVALID &&
                !f.data,
            "floats in FLAC");
    syn_sound_deinit(&s);
    T_CHECK(!s.samples && !s.frames, "deinit leaves zeros");
    syn_sound_deinit(&s);
}

/* The check without samples refuses what encode refuses, with its words, and nothing else. */
static void test_encode_check(void)
{
    static const int32_t channels[] = {1, 8, 9}, rates[] = {8000, 65535, 65537, 65540, 655360};
    int32_t refused = 0;
    for (size_t i = 0; i < 3 * 5 * 2 * SYN_SOUND_TYPE_COUNT; i++) {
        const struct syn_sound_encode_opts opts = {
            .format = i % 2 ? SYN_SOUND_FLAC : SYN_SOUND_WAV,
            .type = (enum syn_sound_type)(i / 2 % SYN_SOUND_TYPE_COUNT)};
        const size_t k = i / 2 / SYN_SOUND_TYPE_COUNT;
        struct syn_sound s = tones(10, channels[k % 3], rates[k / 3], SYN_SOUND_S16), form = s;
        struct syn_err a = {""}, b = {""};
        struct syn_buf f = {0};
        form.samples = NULL;
        const syn_status checked = syn_sound_encode_check(&form, &opts, &a);
        const syn_status encoded = syn_sound_encode(&s, &opts, &f, NULL, &b);
        T_CHECK(checked == encoded && strcmp(a.text, b.text) == 0, "%zu: %s, %s", i, a.text,
                b.text);
        refused += checked != SYN_OK;
        syn_buf_deinit(&f);
        syn_sound_deinit(&s);
    }
    T_CHECK(refused > 20, "%d refused", refused);
    T_CHECK(syn_sound_encode_check(&(struct syn_sound){.channels = 1, .rate = 1, .frames = -1},
                                   &(struct syn_sound_encode_opts){0}, NULL) == SYN_INVALID,
            "no format");
}

int main(void)
{
    test_every_type();
    test_A42_round_trip();
    test_A42_sizes();
    test_A42_streamed();
    test_A45_level();
    test_A45_not_a_number();
    test_hostile_headers();
    test_E03_truncated();
    test_E01_limits();
    test_E01_boundary();
    test_no_memory();
    test_arguments();
    test_encode_check();
    return t_report();
}
