/* attend.h - what an attention computes, in strides: Attention and the fused form come down to it,
 * for the references and for quick versions alike.
 *
 *     s[i][j] = cap(scale * q[i] . k[j]), then the mask; p[i] = softmax(s[i]);
 *     y[i] = sum over j of p[i][j] * v[j]
 * Keys:    query i sees keys [lo, hi) of syn_attend_range alone. Of a key that it does not see, or
 *          to which Attention's mask adds minus infinity, nothing counts, whatever it holds.
 * Layer:   kernels/ops.   Threads: pure functions. */
#ifndef SYN_OPS_ATTEND_H
#define SYN_OPS_ATTEND_H

#include "kernels/graph/op.h"

enum syn_attend_mask {
    SYN_ATTEND_NO_MASK,
    SYN_ATTEND_ADD,  /* f32, added */
    SYN_ATTEND_KEEP, /* bool: where false, the score is `fill` */
    SYN_ATTEND_DROP, /* bool: where true, the score is `fill` */
};

struct syn_attend {
    int32_t rank; /* of the batch: heads are a dimension like any other */
    int64_t dim[SYN_MAX_RANK], batches;
    /* Elements from one matrix, row and column to the next. */
    int64_t q_step[SYN_MAX_RANK], k_step[SYN_MAX_RANK], v_step[SYN_MAX_RANK],
        y_step[SYN_MAX_RANK], mask_step[SYN_MAX_RANK];
    int64_t q_row, q_col, k_row, k_col, v_row, v_col, y_row, y_col, mask_row, mask_col;
    int64_t queries, keys, size, v_size;
    double scale, softcap, fill; /* softcap 0: none */
    enum syn_attend_mask mask;
    int64_t mask_keys;           /* further ones are not seen */
    bool causal;                 /* key j where j <= i + offset */
    int64_t left, right, past;   /* window around i + offset; -1: none. offset = past... */
    const struct syn_tensor
        *lengths;     /* ...or with these, one a first dimension, length - queries */
    bool zero_unseen; /* Attention's: a row that sees nothing is zero. Else NaN, as Softmax says */
    bool zero_nan;    /* a weight that is NaN counts as zero */
};

struct syn_attend_data { /* of any float type; a mask that keeps or drops is bool */
    const struct syn_tensor *q, *k, *v, *mask, *y;
};

/* Where the matrices of one batch begin, in elements, and what its queries see. */
struct syn_attend_at {
    int64_t q, k, v, y, mask, valid, offset;
};
struct syn_attend_at syn_attend_at(const struct syn_attend *a, int64_t batch);
/* lo <= hi */
void syn_attend_range(const struct syn_attend *a, const struct syn_attend_at *at, int64_t i,
                      int64_t *lo, int64_t *hi);

/* Row i of the result, in double. */
void syn_attend_row(const struct syn_attend *a, const struct syn_attend_data *d,
                    const struct syn_attend_at *at, int64_t i);

/* From a call of Attention, or of the fused form, whose operands have passed its shape function.
 * Attention's keys and values are those of present_key and present_value where there is a past.
 * Factors that the model computes must be there as data; false: they are not. */
bool syn_attention_read(const struct syn_op_call *c, struct syn_attend *a,
                        struct syn_attend_data *d);
bool syn_attend_read(const struct syn_op_call *c, struct syn_attend *a, struct syn_attend_data *d);

#endif
