/* cuda_private.h - what the host files of the CUDA backend share.
 *
 * Layer:   kernels/cuda.
 * Threads: as kernels/backend/backend.h; the lists of self are guarded by the engine's build lock,
 *          pinned memory and the stream by its run lock. */
#ifndef SYN_CUDA_PRIVATE_H
#define SYN_CUDA_PRIVATE_H

#include "kernels/backend/backend.h"
#include "kernels/cuda/kernels.h"
#include "kernels/graph/graph.h"

struct cuda_pack; /* weights on the device, shared by plans (weights.c) */

struct cuda_self {
    struct syn_backend_info info;
    int32_t device, multiprocessors, capability; /* 80 = compute capability 8.0 */
    cudaStream_t stream;
    struct syn_pool *pool;                       /* host threads: packing, copies in and out */
    struct cuda_pack *packs;
    void *pinned;                                /* staging for what comes in and goes out */
    size_t pinned_bytes;
    uint64_t pinned_age;                         /* counts its moves: recorded addresses age */
    bool lost;                                   /* a sticky error: nothing works any more */
};

/* What CUDA says as ours (launch.h); SYN_DEVICE marks the device lost. The last error is cleared
 * where it can be. */
syn_status cuda_status(struct cuda_self *self, cudaError_t e, const char *what,
                       struct syn_err *err);
/* Makes the device current for this thread; SYN_DEVICE once it is lost. */
SYN_MUST_CHECK syn_status cuda_enter(struct cuda_self *self, struct syn_err *err);

/* ---- weights.c ---- */

/* Constants on the device. */
struct cuda_pack {
    struct cuda_pack *next;
    int32_t refs;
    const void *key;          /* the constant's data in the model; NULL: shared with nobody */
    uint64_t form;            /* how it was packed: same key and form, same bytes */
    void *data;               /* device */
    size_t bytes;
};
/* fill writes `bytes` bytes, on the host, which then go to the device. One with this key and form
 * is shared. */
typedef void cuda_fill(void *ctx, void *host);
SYN_MUST_CHECK syn_status cuda_pack_get(struct cuda_self *self, const void *key, uint64_t form,
                                        size_t bytes, cuda_fill *fill, void *ctx,
                                        struct cuda_pack **out, struct syn_err *err);
void cuda_pack_release(struct cuda_self *self, struct cuda_pack *p); /* NULL-safe */

/* ---- place.c ---- */

SYN_MUST_CHECK syn_status cuda_place(void *self, const struct syn_placement *p,
                                     struct syn_place *place, struct syn_err *err);
/* A placed rank-4 value as a view; data is filled in when it runs. */
struct cuda_view cuda_view_of(const struct syn_placement *p, const struct syn_place *place,
                              int32_t value);

/* ---- node.c and node_*.c ---- */

#define CUDA_MOST_VALUES (CUDA_MOST_OPERANDS + 1)
#define CUDA_MOST_PACKS 6

/* The state of a kernel: views whose addresses are known when it runs, constants, and the launch.
 */
struct cuda_node {
    struct cuda_self *self;
    const struct syn_place *place;
    /* fills in addresses and launches */
    syn_status (*launch)(struct cuda_node *n, const struct syn_run *r, struct syn_err *err);
    int32_t value[CUDA_MOST_VALUES]; /* what a launch reads and writes; -1: absent */
    struct cuda_pack *pack[CUDA_MOST_PACKS];
    int32_t n_packs;
    void *extra;                     /* a list of launches (CONCAT); owned */
    int32_t n_extra;
    union {
        struct {
            struct cuda_conv conv;
            enum cuda_conv_way way;
        };
        struct cuda_pointwise point;
        struct cuda_window window;
        struct cuda_resize resize;
        struct cuda_shuffle shuffle;
        struct cuda_pool pool;
        struct cuda_group_norm norm;
        struct {                     /* load, store */
            struct cuda_view picture;
            int32_t index;           /* of the caller's tensors */
            bool load;
            size_t at, bytes;        /* of its place in pinned memory */
        } io;
    };
};

/* What a maker of nodes is given. */
struct cuda_making {
    struct cuda_self *self;
    const struct syn_placement *p;
    const struct syn_place *place;
    int32_t node;
    struct syn_op_call call;
    struct cuda_node *n;
    struct syn_kernel *k; /* impl, weight_bytes and scratch_bytes are the maker's to fill */
};
/* SYN_UNSUPPORTED, without text: the node's form is none of theirs. */
typedef syn_status cuda_maker(struct cuda_making *m, struct syn_err *err);
cuda_maker cuda_make_conv, cuda_make_dense, cuda_make_pointwise, cuda_make_move, cuda_make_resize,
    cuda_make_shuffle, cuda_make_pool, cuda_make_average, cuda_make_norm;

/* View of operand i (input) or output; value[] slot `slot` remembers it. */
struct cuda_view cuda_take_in(struct cuda_making *m, int32_t operand, int32_t slot);
struct cuda_view cuda_take_out(struct cuda_making *m, int32_t slot);
/* Address of slot's value in this run, NULL where absent. */
void *cuda_at(const struct cuda_node *n, const struct syn_run *r, int32_t slot);
/* A constant of `count` numbers as f32 on the device, padded with zeros to `padded`. *out NULL: the
 * operand is absent. False in *fits: it is not a constant of that many numbers. */
SYN_MUST_CHECK syn_status cuda_take_constant(struct cuda_making *m, int32_t operand, int64_t count,
                                             int64_t padded, const float **out, bool *fits,
                                             struct syn_err *err);

bool cuda_has(void *self, syn_op_id id);
SYN_MUST_CHECK syn_status cuda_prepare(void *self, const struct syn_placement *p,
                                       const struct syn_place *place, int32_t node,
                                       struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status cuda_load(void *self, const struct syn_placement *p,
                                    const struct syn_place *place, int32_t input,
                                    struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status cuda_store(void *self, const struct syn_placement *p,
                                     const struct syn_place *place, int32_t output,
                                     struct syn_kernel *k, struct syn_err *err);

/* ---- run.c ---- */

SYN_MUST_CHECK syn_status cuda_run(void *self, struct syn_program *p, const struct syn_run *r,
                                   const atomic_bool *cancel, bool profile, struct syn_err *err);
void cuda_forget(void *self, struct syn_program *p);

#endif
