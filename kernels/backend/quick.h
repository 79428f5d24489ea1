/* quick.h - a quick version of an operator on dense tensors of any shape: what backends in host
 * memory add to the references.
 *
 * One struct per operator and way of doing it, found by operator. The same one serves programs
 * (shapes known, room planned before) and flows (shapes seen when the node runs): pack looks at
 * constants alone, run gets shapes with every call.
 *
 * Layer:   kernels/backend.
 * Threads: pack one at a time per backend; run is called by one thread at a time and may use the
 *          pool.
 * Errors:  run cannot fail: memory it needs is asked for by scratch, values that can be wrong (an
 *          index out of range) must make `takes` false, so that the reference says what is
 *          wrong. */
#ifndef SYN_QUICK_H
#define SYN_QUICK_H

#include "kernels/base/threads.h"
#include "kernels/graph/op.h"

struct syn_quick {
    const char *impl; /* "matmul_avx512": static text, for reports */
    /* Element types, ranks and sizes are those that it does. Shapes and types of operands and
     * outputs are known; data is there for constants, and in flows for all operands. Cheap: asked
     * before every run of a flow. */
    bool (*takes)(const struct syn_op_call *c);
    /* Packs constant operands (bit i of `constants`: operand i is one, its data stays and never
     * changes) once for all later runs, whatever the shapes of the other operands. *packed NULL:
     * nothing to keep. The slot itself may be NULL. `bytes`: of what was kept. */
    syn_status (*pack)(const struct syn_op_call *c, uint64_t constants, void **packed,
                       size_t *bytes, struct syn_err *err);
    void (*unpack)(void *packed); /* frees; NULL = syn_free */
    /* NULL: none */
    size_t (*scratch)(const struct syn_op_call *c, const void *packed, int32_t threads);
    void (*run)(const struct syn_op_call *c, const void *packed, void *scratch,
                struct syn_pool *pool);
};

#endif
