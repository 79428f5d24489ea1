/* alpha.h - transparency taken off a picture before the network and put back after it.
 *
 * Layer:   server/pipelines.   Threads: pure functions. */
#ifndef SYN_ALPHA_H
#define SYN_ALPHA_H

#include "server/media/image.h"

/* No alpha channel, or one that hides nothing. */
bool syn_alpha_opaque(const struct syn_image *im);

/* *im (3 or 4 channels) is taken; *color gets its RGB, the colours of visible pixels spread under
 * the transparent ones. alpha may be NULL; else it gets the alpha of a 4-channel picture as grey
 * RGB. On failure *color and *alpha are untouched and *im is whole (its hidden colours may have
 * changed). */
SYN_MUST_CHECK syn_status syn_alpha_split(struct syn_image *im, struct syn_image *color,
                                          struct syn_image *alpha, struct syn_err *err);

/* *out = color with alpha's first channel, both of one size and depth. Caller owns *out. */
SYN_MUST_CHECK syn_status syn_alpha_join(const struct syn_image *color,
                                         const struct syn_image *alpha, struct syn_image *out,
                                         struct syn_err *err);

#endif
