/* fuzz_sound.c - the whole way of an uploaded sound: probe, decode (strict, lax), encode in a type
 * and a format, decode again, under limits as a server sets them. libFuzzer finds the crashes;
 * what must agree between the steps is asserted here.
 *
 * CRCs:    libFLAC refuses a frame whose CRC-16 is wrong, so that most mutated FLACs end early; its
 *          headers, and everything about WAV, are ours.
 * Corpus:  tests/fuzz/corpus/sound, some hundred bytes each. */
#include "server/media/sound.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition) abort();
}

static void use(const struct syn_sound *s, unsigned kind)
{
    const bool flac =
        s->channels <= 8 && (s->rate < 65536 || (s->rate <= 655350 && s->rate % 10 == 0));
    const struct syn_sound_encode_opts opts = {.format = flac && kind & 1 ? SYN_SOUND_FLAC
                                                                          : SYN_SOUND_WAV,
                                               .type = kind & 2 ? SYN_SOUND_SAME : SYN_SOUND_S16,
                                               .level = 1};
    struct syn_sound again = {0};
    struct syn_buf out = {0};
    struct syn_err err;
    int64_t clipped = -1;
    for (int64_t i = 0; i < s->frames * s->channels; i++) must(isfinite(s->samples[i]));
    must(syn_sound_encode(s, &opts, &out, &clipped, &err) == SYN_OK && clipped >= 0);
    must(syn_sound_sniff(out.data, out.size) == opts.format);
    must(syn_sound_decode(out.data, out.size, &(struct syn_sound_decode_opts){0}, &again, NULL,
                          &err) == SYN_OK);
    must(again.frames == s->frames && again.channels == s->channels && again.rate == s->rate);
    if (opts.type == SYN_SOUND_SAME && s->type <= SYN_SOUND_S24)
        must(!memcmp(again.samples, s->samples,
                     (size_t)s->frames * (size_t)s->channels * sizeof(float)));
    syn_sound_deinit(&again);
    syn_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct syn_sound_info info;
    struct syn_err err;
    bool known = syn_sound_probe(data, size, &info, &err) == SYN_OK;
    for (int k = 0; k < 2; k++) {
        struct syn_sound_decode_opts opts = {
            .limits = {.max_channels = 16, .max_decoded_bytes = 8 << 20}, .accept_truncated = k};
        struct syn_sound_report report = {0};
        struct syn_sound s = {0};
        if (syn_sound_decode(data, size, &opts, &s, &report, &err) != SYN_OK) {
            must(!s.samples && err.text[0] && memchr(err.text, 0, sizeof err.text));
            continue;
        }
        must(known && s.channels == info.channels && s.rate == info.rate && s.type == info.type &&
             (info.frames < 0 || report.truncated || s.frames == info.frames) &&
             (k || !report.truncated));
        use(&s, (unsigned)(size + (size_t)k));
        syn_sound_deinit(&s);
    }
    return 0;
}
