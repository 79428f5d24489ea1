/* test_sound.h - builders for the tests of sounds: WAV files byte by byte, so that what is decoded
 * was not written by the code under test.
 *
 * Layer: tests. */
#ifndef SYN_TEST_SOUND_H
#define SYN_TEST_SOUND_H

#include "server/media/sound.h"
#include "tests/unit/test_media.h"

struct wav_how {
    int tag, channels, rate, bits;
    bool extensible;
    uint32_t speakers;
    bool junk; /* a chunk of odd size before fmt, another between fmt and data */
};

UNUSED_OK static void wav_chunk(struct bytes *b, const char *name, uint32_t size)
{
    put(b, name, 4);
    put_le(b, size, 4);
}

/* The file around n bytes of samples; sizes are exact. */
UNUSED_OK static struct bytes wav_of(struct wav_how how, const void *samples, size_t n)
{
    static const uint8_t guid_tail[14] = {0, 0, 0,    0, 0x10, 0,    0x80,
                                          0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
    struct bytes b = {0};
    const int block = how.channels * how.bits / 8;
    put(&b, "RIFF....WAVE", 12);
    if (how.junk) wav_chunk(&b, "JUNK", 3), put(&b, "abc\0", 4);
    wav_chunk(&b, "fmt ", how.extensible ? 40 : 16);
    put_le(&b, how.extensible ? 0xFFFE : (uint32_t)how.tag, 2);
    put_le(&b, (uint32_t)how.channels, 2);
    put_le(&b, (uint32_t)how.rate, 4);
    put_le(&b, (uint32_t)(how.rate * block), 4);
    put_le(&b, (uint32_t)block, 2);
    put_le(&b, (uint32_t)how.bits, 2);
    if (how.extensible) {
        put_le(&b, 22, 2);
        put_le(&b, (uint32_t)how.bits, 2);
        put_le(&b, how.speakers, 4);
        put_le(&b, (uint32_t)how.tag, 2);
        put(&b, guid_tail, sizeof guid_tail);
    }
    if (how.junk) wav_chunk(&b, "LIST", 4), put(&b, "INFO", 4);
    wav_chunk(&b, "data", (uint32_t)n);
    put(&b, samples, n);
    if (n & 1) put8(&b, 0);
    b.p[4] = (uint8_t)(b.n - 8), b.p[5] = (uint8_t)((b.n - 8) >> 8);
    b.p[6] = (uint8_t)((b.n - 8) >> 16), b.p[7] = (uint8_t)((b.n - 8) >> 24);
    return b;
}

UNUSED_OK static void set_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
UNUSED_OK static uint32_t get_le(const uint8_t *p, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint32_t)p[i] << 8 * i;
    return v;
}

/* A chord and a little noise, each channel another. */
UNUSED_OK static struct syn_sound tones(int64_t frames, int32_t channels, int32_t rate,
                                        enum syn_sound_type type)
{
    struct syn_sound s = {0};
    if (syn_sound_init(&s, frames, channels, rate, type, NULL) != SYN_OK) abort();
    for (int32_t c = 0; c < channels; c++) {
        float *noise = t_uniform(77 + (uint64_t)c, (size_t)frames, -0.05f, 0.05f);
        for (int64_t i = 0; i < frames; i++) {
            uint32_t saw =
                (uint32_t)((uint64_t)i * (uint64_t)(220 + 110 * c) * 65536u / (uint64_t)rate);
            float tri = (float)(saw & 65535) / 32768.0f - 1.0f;
            syn_sound_channel(&s, c)[i] = 0.8f * (tri < 0 ? -tri : tri) - 0.4f + noise[i];
        }
        free(noise);
    }
    return s;
}

/* What an integer type of `bits` keeps of x. */
UNUSED_OK static float kept(float x, int bits)
{
    double top = (double)(1ll << (bits - 1)), v = (double)x * top, f = (double)(long long)v;
    if (f > v) f -= 1; /* floor */
    if (v - f > 0.5 || (v - f == 0.5 && (long long)f % 2 != 0)) f += 1;
    if (f > top - 1) f = top - 1;
    if (f < -top) f = -top;
    return (float)(f / top);
}

#endif
