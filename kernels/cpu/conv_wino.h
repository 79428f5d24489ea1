/* conv_wino.h - what the two convolutions by Winograd's F(2x2, 3x3) share: weights at the sixteen
 * positions, and from transformed inputs to outputs.
 *
 * conv_wino.c has 3x3 kernels over many channels, conv_nested.c large kernels over few: there one
 * output tile sums over several 3x3 parts of the kernel, which are further taps of the products.
 *
 * Layer:   kernels/cpu. */
#ifndef SYN_CPU_CONV_WINO_H
#define SYN_CPU_CONV_WINO_H

#include "kernels/cpu/cpu_private.h"

#define CPU_WINO_POSITIONS 16

/* U = G g G^T of one 3x3 kernel. */
void cpu_wino_weight(const float g[9], float u[CPU_WINO_POSITIONS]);

/* How the products read v, and where the outputs go. Immutable once made. */
struct cpu_wino {
    struct cpu_form form;
    struct cpu_conv_isa isa;
    struct cpu_packs *packs;
    struct cpu_pack *pack;
    float *zero;                            /* bias and slope of the products; owned */
    int32_t last_k, n_taps;
    int64_t tiles, chunks, tile_rows;       /* tiles: of the largest chunk */
    int64_t v_pixel, v_block, v_position;   /* elements: between tiles, channel blocks, positions */
    int64_t m_position;
};
/* form, isa, packs and zero; the sizes are the caller's. *w zeroed before, good for deinit
 * always. */
SYN_MUST_CHECK syn_status cpu_wino_init(struct cpu_wino *w, struct cpu_self *self,
                                        const struct syn_placement *p,
                                        const struct syn_place *place, int32_t node, bool bf16,
                                        struct syn_err *err);
void cpu_wino_deinit(struct cpu_wino *w);

/* Elements of one position of a group of so many output blocks. */
int64_t cpu_wino_elements(const struct cpu_wino *w, int64_t n_out);

/* One chunk of a row of tiles whose first output is (oy, ox), all groups: sums into m (of
 * CPU_WINO_POSITIONS * m_position), then the outputs. tap_offset: elements, n_taps of them. */
void cpu_wino_outputs(const struct cpu_wino *w, const struct cpu_form_run *at, int64_t n,
                      int64_t oy, int64_t ox, int64_t tiles, const uint8_t *v,
                      const int32_t *tap_offset, float *m);
/* Frames beside output rows oy and oy + 1. */
void cpu_wino_frames(const struct cpu_wino *w, const struct cpu_form_run *at, int64_t n,
                     int64_t oy);

#endif
