/* test_sound_flac.c - FLAC in and out: a file from the standard, bit-exact ways back, headers
 * without a length, truncated and broken data (E03), limits (E01). */
#include "tests/unit/test_sound.h"

static const struct syn_sound_decode_opts plain;

/* RFC 9639, appendix D.1: one sample of two channels, 25588 and 10416. */
static const uint8_t rfc_example_1[] = {
    0x66, 0x4c, 0x61, 0x43, 0x80, 0x00, 0x00, 0x22, 0x10, 0x00, 0x10, 0x00, 0x00, 0x00, 0x0f,
    0x00, 0x00, 0x0f, 0x0a, 0xc4, 0x42, 0xf0, 0x00, 0x00, 0x00, 0x01, 0x3e, 0x84, 0xb4, 0x18,
    0x07, 0xdc, 0x69, 0x03, 0x07, 0x58, 0x6a, 0x3d, 0xad, 0x1a, 0x2e, 0x0f, 0xff, 0xf8, 0x69,
    0x18, 0x00, 0x00, 0xbf, 0x03, 0x58, 0xfd, 0x03, 0x12, 0x8b, 0xaa, 0x9a};

static struct syn_buf flac_of(const struct syn_sound *s, int level)
{
    struct syn_buf f = {0};
    struct syn_err err = {{0}};
    if (syn_sound_encode(s,
                         &(struct syn_sound_encode_opts){.format = SYN_SOUND_FLAC, .level = level},
                         &f, NULL, &err) != SYN_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return f;
}

static void test_standard_example(void)
{
    struct syn_sound s = {0};
    struct syn_sound_info info = {0};
    struct syn_err err = {{0}};
    T_CHECK(syn_sound_probe(rfc_example_1, sizeof rfc_example_1, &info, &err) == SYN_OK &&
                info.format == SYN_SOUND_FLAC && info.frames == 1 && info.channels == 2 &&
                info.rate == 44100 && info.type == SYN_SOUND_S16,
            "%s", err.text);
    T_CHECK(syn_sound_decode(rfc_example_1, sizeof rfc_example_1, &plain, &s, NULL, &err) ==
                    SYN_OK &&
                s.frames == 1 && s.channels == 2 && s.rate == 44100 && s.type == SYN_SOUND_S16 &&
                s.samples[0] == 25588 / 32768.0f && s.samples[1] == 10416 / 32768.0f,
            "%s", err.text);
    syn_sound_deinit(&s);
}

static void test_round_trip(void)
{
    static const int bits[] = {0, 8, 16, 24};
    for (int t = SYN_SOUND_U8; t <= SYN_SOUND_S24; t++)
        for (int32_t channels = 1; channels <= 8; channels += channels == 2 ? 3 : 1) {
            struct syn_sound s = tones(10007, channels, 44100, (enum syn_sound_type)t), again = {0};
            struct syn_buf f = flac_of(&s, 0), second = {0};
            struct syn_err err = {{0}};
            T_CHECK(syn_sound_sniff(f.data, f.size) == SYN_SOUND_FLAC &&
                        f.size < (size_t)(10007 * channels * bits[t] / 8),
                    "%zu bytes", f.size);
            T_CHECK(syn_sound_decode(f.data, f.size, &plain, &again, NULL, &err) == SYN_OK &&
                        again.frames == 10007 && again.channels == channels && again.type == s.type,
                    "%s", err.text);
            for (int64_t i = 0; again.samples && i < 10007 * channels; i++)
                if (again.samples[i] != kept(s.samples[i], bits[t])) {
                    T_CHECK(false, "type %d sample %lld", t, (long long)i);
                    break;
                }
            second = flac_of(&again, 0);
            T_CHECK(second.size == f.size && memcmp(second.data, f.data, f.size) == 0,
                    "same bytes");
            syn_buf_deinit(&f);
            syn_buf_deinit(&second);
            syn_sound_deinit(&s);
            syn_sound_deinit(&again);
        }
}

/* What FLAC cannot hold becomes 24 bits; level changes the size, never a sample. */
static void test_types_and_levels(void)
{
    struct syn_sound s = tones(30000, 1, 48000, SYN_SOUND_F32), a = {0}, b = {0};
    struct syn_buf low = flac_of(&s, 1), high = flac_of(&s, 8);
    struct syn_buf none = {0};
    struct syn_err err = {{0}};
    T_CHECK(high.size < low.size, "%zu %zu", high.size, low.size);
    T_CHECK(syn_sound_decode(low.data, low.size, &plain, &a, NULL, NULL) == SYN_OK &&
                syn_sound_decode(high.data, high.size, &plain, &b, NULL, NULL) == SYN_OK &&
                a.type == SYN_SOUND_S24 && memcmp(a.samples, b.samples, 30000 * 4) == 0 &&
                a.samples[777] == kept(s.samples[777], 24),
            "24 bits");
    syn_sound_deinit(&s);
    syn_sound_deinit(&a);
    syn_sound_deinit(&b);
    s = tones(10, 9, 48000, SYN_SOUND_S16);
    T_CHECK(syn_sound_encode(&s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_FLAC}, &none,
                             NULL, &err) == SYN_INVALID &&
                strstr(err.text, "FLAC: 9 channels"),
            "%s", err.text);
    s.channels = 1, s.rate = 700000;
    T_CHECK(syn_sound_encode(&s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_FLAC}, &none,
                             NULL, &err) == SYN_INVALID &&
                strstr(err.text, "700000"),
            "%s", err.text);
    s.rate = 70001;
    T_CHECK(syn_sound_encode(&s, &(struct syn_sound_encode_opts){.format = SYN_SOUND_FLAC}, &none,
                             NULL, &err) == SYN_INVALID &&
                strstr(err.text, "multiple of 10"),
            "%s", err.text);
    syn_sound_deinit(&s);
    syn_buf_deinit(&low);
    syn_buf_deinit(&high);
}

/* The total in STREAMINFO may be 0: written to a pipe. Then the samples decide, limits included. */
static void test_length_not_said(void)
{
    struct syn_sound s = tones(50000, 2, 44100, SYN_SOUND_S16), got = {0};
    struct syn_buf f = flac_of(&s, 0);
    struct syn_sound_info info = {0};
    struct syn_sound_report report = {0};
    struct syn_err err = {{0}};
    struct syn_sound_decode_opts opts = {{.max_frames = 49999}, false};
    f.data[21] &= 0xf0;
    memset(f.data + 22, 0, 4);
    T_CHECK(syn_sound_probe(f.data, f.size, &info, &err) == SYN_OK && info.frames == -1, "%s",
            err.text);
    T_CHECK(syn_sound_decode(f.data, f.size, &plain, &got, &report, &err) == SYN_OK &&
                got.frames == 50000 && !report.truncated &&
                syn_sound_channel(&got, 1)[49999] == kept(syn_sound_channel(&s, 1)[49999], 16),
            "%s", err.text);
    syn_sound_deinit(&got);
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &got, NULL, &err) == SYN_TOO_LARGE &&
                strstr(err.text, "over 49999 frames"),
            "%s", err.text);
    opts.limits = (struct syn_sound_limits){.max_seconds = 1};
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &got, NULL, &err) == SYN_TOO_LARGE, "%s",
            err.text);
    opts.limits = (struct syn_sound_limits){.max_decoded_bytes = info.decode_bytes + 50000 * 8 - 1};
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &got, NULL, &err) == SYN_TOO_LARGE, "%s",
            err.text);
    opts.limits.max_decoded_bytes++;
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &got, NULL, &err) == SYN_OK, "%s", err.text);
    syn_sound_deinit(&got);
    f.size = f.size / 2;
    opts = (struct syn_sound_decode_opts){.accept_truncated = true};
    T_CHECK(syn_sound_decode(f.data, f.size, &plain, &got, NULL, &err) == SYN_TRUNCATED, "%s",
            err.text);
    T_CHECK(syn_sound_decode(f.data, f.size, &opts, &got, &report, &err) == SYN_OK &&
                report.truncated && got.frames > 10000 && got.frames < 40000,
            "%s", err.text);
    syn_sound_deinit(&got);
    syn_buf_deinit(&f);
    syn_sound_deinit(&s);
}

static void test_E03_truncated(void)
{
    struct syn_sound whole = tones(50000, 2, 44100, SYN_SOUND_S16), s = {0};
    struct syn_sound_decode_opts lax = {.accept_truncated = true};
    struct syn_buf f = flac_of(&whole, 0);
    struct syn_err err = {{0}};
    for (int k = 0; k < 24; k++) {
        size_t n = k < 10   ? f.size * (size_t)(k * 10) / 100
                   : k < 20 ? (size_t)k * 4
                            : f.size - 1 - (size_t)(k - 20) * 7;
        struct syn_sound_report report = {0};
        uint8_t *cut = memcpy(t_alloc(n), f.data, n);
        syn_status st = syn_sound_decode(cut, n, &plain, &s, NULL, &err);
        T_CHECK(st == (n < 4 ? SYN_UNSUPPORTED : SYN_TRUNCATED) && !s.samples, "%zu bytes: %s: %s",
                n, syn_status_word(st), err.text);
        st = syn_sound_decode(cut, n, &lax, &s, &report, &err);
        T_CHECK(st == SYN_OK ? report.truncated && s.frames > 0 && s.frames < 50000 &&
                                   syn_sound_channel(&s, 1)[s.frames - 1] ==
                                       kept(syn_sound_channel(&whole, 1)[s.frames - 1], 16)
                             : n < 8192 + 4096 && !s.samples,
                "%zu bytes: %s", n, err.text);
        syn_sound_deinit(&s);
        free(cut);
    }
    syn_buf_deinit(&f);
    syn_sound_deinit(&whole);
}

/* One wrong byte anywhere in the frames is never decoded as success. */
static void test_broken(void)
{
    struct syn_sound whole = tones(50000, 2, 44100, SYN_SOUND_S16), s = {0};
    struct syn_buf f = flac_of(&whole, 0);
    struct syn_err err = {{0}};
    for (size_t at = 120; at < f.size; at += f.size / 61) {
        syn_status st;
        f.data[at] ^= 0x10;
        st = syn_sound_decode(f.data, f.size, &plain, &s, NULL, &err);
        /* without a later frame nothing tells lost bytes from wrong ones */
        T_CHECK((st == SYN_INVALID || (at > f.size - 20000 && st == SYN_TRUNCATED)) && !s.samples,
                "byte %zu: %s: %s", at, syn_status_word(st), err.text);
        syn_sound_deinit(&s);
        f.data[at] ^= 0x10;
    }
    T_CHECK(syn_sound_decode(f.data, f.size, &plain, &s, NULL, &err) == SYN_OK, "whole again");
    syn_sound_deinit(&s);
    syn_buf_deinit(&f);
    syn_sound_deinit(&whole);
}

/* 2^36 - 1 samples stated in a file of some bytes. */
static void test_E01_header_only(void)
{
    uint8_t b[sizeof rfc_example_1];
    struct syn_sound s = {0};
    struct syn_err err = {{0}};
    struct syn_sound_decode_opts opts = {{.max_decoded_bytes = 1 << 30}, false};
    memcpy(b, rfc_example_1, sizeof b);
    b[21] |= 15;
    memset(b + 22, 0xff, 4);
    T_CHECK(syn_sound_decode(b, sizeof b, &plain, &s, NULL, &err) == SYN_TOO_LARGE &&
                strstr(err.text, "68719476735 frames: limit is 4294967296"),
            "%s", err.text);
    b[21] &= 0xf0;
    T_CHECK(syn_sound_decode(b, sizeof b, &opts, &s, NULL, &err) == SYN_TOO_LARGE &&
                strstr(err.text, "limit is 1073741824"),
            "%s", err.text);
    memcpy(b, rfc_example_1, sizeof b);
    b[4] = 0x84;
    T_CHECK(syn_sound_decode(b, sizeof b, &plain, &s, NULL, &err) == SYN_INVALID, "%s", err.text);
    memcpy(b, rfc_example_1, sizeof b);
    b[21] = 0x30, b[20] = (uint8_t)(b[20] & 0xfe); /* 4 bits a sample */
    T_CHECK(syn_sound_decode(b, sizeof b, &plain, &s, NULL, &err) == SYN_UNSUPPORTED &&
                strstr(err.text, "bits = 4"),
            "%s", err.text);
}

int main(void)
{
    test_standard_example();
    test_round_trip();
    test_types_and_levels();
    test_length_not_said();
    test_E03_truncated();
    test_broken();
    test_E01_header_only();
    return t_report();
}
