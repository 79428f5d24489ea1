/* backend.h - what a device provides: where values live, and a kernel per node.
 *
 * A backend gets a graph whose shapes are known and whose passes have run. `place` decides how
 * each value is stored; the generic program (program.h) then plans one workspace by lifetimes;
 * `prepare` makes a kernel per node (packing weights once); running is a loop over kernels.
 *
 * Layer:   kernels/backend.
 * Threads: open and close from one thread; place and prepare one at a time per backend; kernels of
 *          one program run one after the other. */
#ifndef SYN_BACKEND_H
#define SYN_BACKEND_H

#include "kernels/base/threads.h"
#include "kernels/backend/quick.h"
#include "kernels/graph/graph.h"
#include <stdatomic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a value is stored. Rank 4 [n,c,h,w] with block > 0: channels in blocks of `block`, each
 * block a plane of pixels, each pixel `block` numbers: element (n, c, y, x) lies at
 *     n*stride_n + (c/block)*stride_c + (y+frame)*stride_y + (x+frame)*block + c%block.
 * block = 16: channels past c in the last block are zero. block = 1: planes. block = c: NHWC.
 * `frame` zero pixels lie around every plane, so that a padded convolution needs no edge cases;
 * who writes the value writes the frame too. block = 0: dense, as the graph says. */
struct syn_place {
    int32_t root;        /* the value whose buffer holds this one: itself, or another for a view */
    int32_t block, frame;
    syn_dtype dtype;     /* F32 or BF16; dense values of other types: their own */
    int64_t stride_n, stride_c, stride_y; /* elements */
    size_t offset_bytes; /* from the root's buffer to this value's first element (frame included) */
    size_t bytes;        /* of the buffer; 0 for views, constants and external values */
    /* caller's memory: 1 + index of the graph input, -1 - index of the output; 0 = ours */
    int32_t external;
    /* never stored: the kernel of its only reader makes it, piece by piece. The producer has
     * nothing to do; root is the producer's input, which so lives until the reader has run */
    bool passing;
};

/* What a kernel sees while it runs. */
struct syn_run {
    uint8_t *workspace;
    const size_t *offset;        /* by value: where its buffer starts in the workspace */
    const void *const *in;       /* the caller's tensors, dense */
    void *const *out;
    void *scratch; /* kernel->scratch_bytes bytes, shared by all kernels of a program */
    struct syn_pool *pool;
    /* A reference that finds values it cannot take (an index out of range), or no memory, says so
     * here; the program stops. */
    syn_status *status;
    struct syn_err *err;
};

struct syn_kernel {
    const char *impl;            /* "conv_avx512_bf16": static text, for reports */
    /* What can be checked before was checked by prepare; the rest goes to r->status. */
    void (*run)(const struct syn_kernel *k, const struct syn_run *r);
    void (*free)(void *state);   /* NULL: syn_free */
    void *state; /* owned by the kernel; NULL for a node that needs no work (a view) */
    size_t weight_bytes, scratch_bytes;
};

struct syn_backend_info {
    char device[64];
    int32_t threads;
    bool bf16_quicker;           /* what AUTO precision means */
    bool has_f16;                /* computes in f16, which is then what AUTO means */
    double f32_gflops, bf16_gflops;
};

struct syn_backend_opts {
    int32_t threads;             /* 0 = syn_cpu_count() */
    const char *tuning_file;     /* measurements kept between starts; NULL = none */
    int32_t bf16;                /* 1: measure; 0: the caller wants f32 only */
    int32_t device;              /* which of several: the N of "cuda:N" */
    const char
        *only; /* "own" or "onednn": convolutions by these alone (tests, comparisons); NULL: the
                                    quickest. What the build or the CPU lacks is SYN_UNSUPPORTED */
};

struct syn_placement {           /* what place() is asked */
    const struct syn_graph *g;
    bool bf16, f16;              /* not both */
    bool concat_views;           /* the pass SYN_PASS_CONCAT_VIEWS */
    bool winograd;               /* the pass SYN_PASS_WINOGRAD */
    bool lanes;                  /* the pass SYN_PASS_LANES */
    bool pairs;                  /* the pass SYN_PASS_PAIRS */
    /* only sizes are wanted: prepare fills scratch_bytes and packs nothing; what it makes is never
     * run */
    bool dry;
};

struct syn_program;

/* Statuses: SYN_NO_MEMORY, SYN_UNSUPPORTED (names the node). */
struct syn_backend {
    const char *name;
    syn_status (*open)(const struct syn_backend_opts *opts, void **self, struct syn_err *err);
    void (*close)(void *self);
    void (*info)(void *self, struct syn_backend_info *info);
    struct syn_pool *(*pool)(void *self);
    /* Fills place[n_values] (zeroed before). Constants stay zeroed: kernels keep packed copies. */
    syn_status (*place)(void *self, const struct syn_placement *p, struct syn_place *place,
                        struct syn_err *err);
    /* The kernel of one node. */
    syn_status (*prepare)(void *self, const struct syn_placement *p, const struct syn_place *place,
                          int32_t node, struct syn_kernel *k, struct syn_err *err);
    /* Kernels that bring graph input i in (the caller's dense f32 -> its place) and output i out.
     * Not called for values placed in the caller's memory. */
    syn_status (*load)(void *self, const struct syn_placement *p, const struct syn_place *place,
                       int32_t input, struct syn_kernel *k, struct syn_err *err);
    syn_status (*store)(void *self, const struct syn_placement *p, const struct syn_place *place,
                        int32_t output, struct syn_kernel *k, struct syn_err *err);
    /* Quick ways to run an operator on dense tensors, best first, ending with NULL; NULL: none.
     * The slot may be NULL (references only). */
    const struct syn_quick *const *(*quick)(void *self, syn_op_id id);

    /* The rest is for devices with a memory of their own; NULL: programs run in host memory. */
    /* The workspace, aligned to SYN_ALIGN. SYN_NO_MEMORY says how much was free. */
    syn_status (*memory_new)(void *self, size_t bytes, void **out, struct syn_err *err);
    void (*memory_free)(void *self, void *at);
    /* Does what syn_program_run promises, r holding device addresses but for in and out. May keep
     * what it recorded in p->recorded, which forget then frees when the program ends. */
    syn_status (*run)(void *self, struct syn_program *p, const struct syn_run *r,
                      const atomic_bool *cancel, bool profile, struct syn_err *err);
    void (*forget)(void *self, struct syn_program *p);
    /* Is there a kernel for some form of this operator? */
    bool (*has)(void *self, syn_op_id id);
};

extern const struct syn_backend syn_backend_ref; /* scalar references */

/* Address of a value's first element (its frame included). */
static inline uint8_t *syn_place_at(const struct syn_run *r, const struct syn_place *place,
                                    int32_t value)
{
    const struct syn_place *v = &place[value], *root = &place[v->root];
    if (root->external > 0)
        return (uint8_t *)(uintptr_t)r->in[root->external - 1] + v->offset_bytes;
    if (root->external < 0) return (uint8_t *)r->out[-root->external - 1] + v->offset_bytes;
    return r->workspace + r->offset[v->root] + v->offset_bytes;
}

/* Element index, within the value, of pixel (y, 0) of channel c. */
static inline int64_t syn_place_row(const struct syn_place *p, int64_t n, int64_t c, int64_t y)
{
    return n * p->stride_n + c / p->block * p->stride_c + (y + p->frame) * p->stride_y +
           (int64_t)p->frame * p->block + c % p->block;
}

/* Fills block, frame, dtype and strides of a rank-4 value and returns its bytes; false on
 * overflow. */
bool syn_place_shape(struct syn_place *p, const struct syn_shape *s, int32_t block, int32_t frame,
                     syn_dtype dtype, size_t *bytes);

/* Concats along channels without copies: operands that may move (movable[v]) and have a multiple of
 * `granule` channels become views of the result's buffer: their place's root is set (place[v].root
 * = v before), and first_channel[v] (zeros before) is where in the root they begin. */
void syn_place_concats(const struct syn_placement *p, const bool *movable, int32_t granule,
                       struct syn_place *place, int64_t *first_channel);

/* A node run on dense tensors, by a quick version that takes it (list: best first, NULL-ended; may
 * be NULL) or by its reference: operands that lie otherwise are gathered into scratch as f32,
 * results scattered. The way any backend in host memory runs what it has no kernel for. threads:
 * of the pool it will run with. */
SYN_MUST_CHECK syn_status syn_prepare_dense(const struct syn_placement *p,
                                            const struct syn_place *place, int32_t node,
                                            const struct syn_quick *const *list, int32_t threads,
                                            struct syn_kernel *k, struct syn_err *err);
/* Copies between a placed value in host memory and dense f32, any layout. */
void syn_place_gather(const struct syn_place *p, const struct syn_shape *s, const void *from,
                      float *to);
void syn_place_scatter(const struct syn_place *p, const struct syn_shape *s, const float *from,
                       void *to);
/* load and store made of the two. */
SYN_MUST_CHECK syn_status syn_prepare_load(const struct syn_placement *p,
                                           const struct syn_place *place, int32_t input,
                                           struct syn_kernel *k, struct syn_err *err);
SYN_MUST_CHECK syn_status syn_prepare_store(const struct syn_placement *p,
                                            const struct syn_place *place, int32_t output,
                                            struct syn_kernel *k, struct syn_err *err);

#ifdef __cplusplus
}
#endif
#endif
