/* sound_file.h - libsndfile with memory as its file: what WAV is read with and both formats are
 * written with.
 *
 * Layer:   server/media, private to it.
 * Threads: pure functions: libsndfile keeps its state in the handle. */
#ifndef SYN_SOUND_FILE_H
#define SYN_SOUND_FILE_H

#include "server/media/sound_private.h"

/* opts have been checked, type is not SAME. */
SYN_MUST_CHECK syn_status syn_sound_file_write(const struct syn_sound *s,
                                               const struct syn_sound_encode_opts *opts,
                                               struct syn_buf *out, int64_t *clipped,
                                               struct syn_err *err);

#endif
