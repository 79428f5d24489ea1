/* sound_private.h - what the two sound formats have in common, seen from inside server/media.
 *
 * The way of a decode, in sound.c: sniff -> read_header (no sample, no large block) -> limits ->
 * syn_sound_init -> read.
 *
 * Layer:   server/media, private to it.   Threads: pure functions. */
#ifndef SYN_SOUND_PRIVATE_H
#define SYN_SOUND_PRIVATE_H

#include "kernels/base/bytes.h"
#include "server/media/sound.h"

/* Views point into the file's bytes and live as long as those. */
struct syn_sound_header {
    struct syn_sound_info info;
    struct syn_bytes data; /* WAV: the samples that are there; FLAC: the whole file */
    uint64_t work_bytes;   /* the decoder's own buffers */
    bool counted;          /* FLAC: the length is what decoding found, not what the header says */
    bool cut;              /* WAV: the data chunk says more bytes than there are */
};

/* SYN_TRUNCATED, SYN_INVALID, SYN_UNSUPPORTED; *h undefined on failure. The bytes have been
 * sniffed. */
SYN_MUST_CHECK syn_status syn_wav_read_header(struct syn_bytes file, struct syn_sound_header *h,
                                              struct syn_err *err);
SYN_MUST_CHECK syn_status syn_flac_read_header(struct syn_bytes file, struct syn_sound_header *h,
                                               struct syn_err *err);

/* Decodes into s (channels and rate of the header, at least `most` frames; NULL: counts only) until
 * `most` frames are there. *got = frames that were; less with SYN_OK means that the bytes ended.
 * SYN_INVALID: the data is broken; SYN_TRUNCATED: all of it was read, and the file's own checksum
 * says that it is not all; SYN_NUMERIC; SYN_NO_MEMORY. */
SYN_MUST_CHECK syn_status syn_wav_read(const struct syn_sound_header *h, struct syn_sound *s,
                                       int64_t most, int64_t *got, struct syn_err *err);
SYN_MUST_CHECK syn_status syn_flac_read(const struct syn_sound_header *h, struct syn_sound *s,
                                        int64_t most, int64_t *got, struct syn_err *err);

/* Bytes a sample takes in WAV; bits a sample has as an integer, 0 for floats. */
int32_t syn_sound_type_bytes(enum syn_sound_type t);
int32_t syn_sound_type_bits(enum syn_sound_type t);

#endif
