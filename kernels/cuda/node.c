/* node.c - a kernel for each node, and the ways in and out. See cuda_private.h. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include <string.h>

/* --- what the makers share ------------------------------------------------------------------ */

void *cuda_at(const struct cuda_node *n, const struct syn_run *r, int32_t slot)
{
    return n->value[slot] < 0 ? NULL : syn_place_at(r, n->place, n->value[slot]);
}

struct cuda_view cuda_take_in(struct cuda_making *m, int32_t operand, int32_t slot)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    if (operand >= n->n_in || n->in[operand] < 0) return (struct cuda_view){0};
    m->n->value[slot] = n->in[operand];
    return cuda_view_of(m->p, m->place, n->in[operand]);
}

struct cuda_view cuda_take_out(struct cuda_making *m, int32_t slot)
{
    const int32_t out = m->p->g->node[m->node].out[0];
    m->n->value[slot] = out;
    return cuda_view_of(m->p, m->place, out);
}

struct constant {
    const struct syn_value *v;
    int64_t count;
};
static void fill_constant(void *ctx, void *host)
{
    const struct constant *c = ctx;
    syn_value_floats(c->v, 0, c->count, host);
}

syn_status cuda_take_constant(struct cuda_making *m, int32_t operand, int64_t count, int64_t padded,
                              const float **out, bool *fits, struct syn_err *err)
{
    const struct syn_node *n = &m->p->g->node[m->node];
    struct constant c = {.count = count};
    struct cuda_pack *pack;
    int64_t have = 0;
    syn_status st;
    *out = NULL;
    *fits = true;
    if (operand >= n->n_in || n->in[operand] < 0) return SYN_OK;
    c.v = &m->p->g->value[n->in[operand]];
    *fits = c.v->data && syn_shape_elements(&c.v->shape, &have) && have == count &&
            m->n->n_packs < CUDA_MOST_PACKS;
    if (!*fits || m->p->dry) return SYN_OK;
    st = cuda_pack_get(m->self, c.v->data, (uint64_t)padded, (size_t)padded * sizeof(float),
                       fill_constant, &c, &pack, err);
    if (st != SYN_OK) return st;
    m->n->pack[m->n->n_packs++] = pack;
    m->k->weight_bytes += pack->bytes;
    *out = pack->data;
    return SYN_OK;
}

/* --- preparing ------------------------------------------------------------------------------ */

static void node_free(void *state)
{
    struct cuda_node *n = state;
    if (!n) return;
    for (int32_t i = 0; i < n->n_packs; i++) cuda_pack_release(n->self, n->pack[i]);
    syn_free(n->extra);
    syn_free(n);
}

static void node_run(const struct syn_kernel *k, const struct syn_run *r)
{
    struct cuda_node *n = k->state;
    *r->status = n->launch(n, r, r->err);
}

static struct cuda_node *node_new(struct cuda_self *self, const struct syn_place *place)
{
    struct cuda_node *n = syn_calloc(1, sizeof *n);
    if (!n) return NULL;
    n->self = self;
    n->place = place;
    for (int32_t i = 0; i < CUDA_MOST_VALUES; i++) n->value[i] = -1;
    return n;
}

static cuda_maker *maker_of(syn_op_id id)
{
    switch (id) {
    case SYN_OP_CONV:
    case SYN_OP_CONV_TRANSPOSE: return cuda_make_conv;
    case SYN_OP_DENSE: return cuda_make_dense;
    case SYN_OP_ADD:
    case SYN_OP_SUB:
    case SYN_OP_MUL:
    case SYN_OP_DIV:
    case SYN_OP_MIN:
    case SYN_OP_MAX:
    case SYN_OP_SCALED_SUM:
    case SYN_OP_RELU:
    case SYN_OP_LEAKY_RELU:
    case SYN_OP_PRELU:
    case SYN_OP_SIGMOID:
    case SYN_OP_CLIP:
    case SYN_OP_IDENTITY: return cuda_make_pointwise;
    case SYN_OP_CONCAT:
    case SYN_OP_CROP:
    case SYN_OP_PAD:
    case SYN_OP_RESHAPE: return cuda_make_move;
    case SYN_OP_RESIZE: return cuda_make_resize;
    case SYN_OP_PIXEL_SHUFFLE:
    case SYN_OP_PIXEL_UNSHUFFLE: return cuda_make_shuffle;
    case SYN_OP_MAX_POOL:
    case SYN_OP_AVERAGE_POOL: return cuda_make_pool;
    case SYN_OP_GLOBAL_AVERAGE_POOL: return cuda_make_average;
    case SYN_OP_CHANNEL_NORM: return cuda_make_norm;
    default: return NULL;
    }
}

bool cuda_has(void *self, syn_op_id id)
{
    (void)self;
    return maker_of(id) != NULL;
}

/* Kernels here take pictures alone: every operand that is no constant, and the result. */
static bool all_pictures(const struct syn_placement *p, const struct syn_place *place,
                         const struct syn_node *n)
{
    if (n->n_out != 1 || n->out[0] < 0 || place[n->out[0]].block == 0) return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] >= 0 && !p->g->value[n->in[i]].data && place[n->in[i]].block == 0)
            return false;
    return true;
}

syn_status cuda_prepare(void *self, const struct syn_placement *p, const struct syn_place *place,
                        int32_t node, struct syn_kernel *k, struct syn_err *err)
{
    const struct syn_node *n = &p->g->node[node];
    cuda_maker *make = all_pictures(p, place, n) ? maker_of(n->id) : NULL;
    struct cuda_making m = {.self = self, .p = p, .place = place, .node = node, .k = k};
    syn_status st = SYN_UNSUPPORTED;
    if (err) err->text[0] = 0;
    if (!(m.n = node_new(self, place)))
        return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", n->name);
    syn_graph_call(p->g, node, &m.call);
    m.call.op = syn_op_get(n->id); /* the plugin's own row: rows are told apart by address */
    if (make) st = make(&m, err);
    if (st != SYN_OK) {
        node_free(m.n);
        k->weight_bytes = k->scratch_bytes = 0;
        if (st == SYN_UNSUPPORTED && err && !err->text[0])
            return syn_fail(err, st, "%s %s: no CUDA kernel for this form", n->op->name, n->name);
        return syn_fail_in(err, st, "%s %s: ", n->op->name, n->name);
    }
    k->state = m.n;
    k->free = node_free;
    k->run = m.n->launch ? node_run : NULL;
    return SYN_OK;
}

/* --- in and out ----------------------------------------------------------------------------- */

/* Where the tensors of a program lie in pinned memory: inputs, then outputs, one after another. */
static bool pinned_place(const struct syn_graph *g, bool load, int32_t index, size_t *at,
                         size_t *bytes)
{
    size_t sum = 0;
    for (int32_t side = 0; side < 2; side++) {
        const int32_t count = side ? g->n_outputs : g->n_inputs;
        for (int32_t i = 0; i < count; i++) {
            int64_t n;
            size_t size;
            if (!syn_shape_elements(&g->value[side ? g->output[i] : g->input[i]].shape, &n) ||
                !syn_mul((size_t)n, sizeof(float), &size) || size > PTRDIFF_MAX - SYN_ALIGN)
                return false;
            if (load == !side && i == index) return *at = sum, *bytes = size, true;
            if (!syn_add(sum, syn_aligned(size), &sum)) return false;
        }
    }
    return false;
}

/* The staging on the device is the program's scratch: launches are in order. */
static syn_status io_launch(struct cuda_node *n, const struct syn_run *r, struct syn_err *err)
{
    struct cuda_self *self = n->self;
    char *host = (char *)self->pinned + n->io.at;
    syn_status st;
    n->io.picture.data = cuda_at(n, r, 0);
    if (n->io.load) {
        st = cuda_status(self,
                         cudaMemcpyAsync(r->scratch, host, n->io.bytes, cudaMemcpyHostToDevice,
                                         self->stream),
                         "copy in", err);
        return st == SYN_OK ? cuda_planes_to_view(r->scratch, &n->io.picture, self->stream, err)
                            : st;
    }
    st = cuda_view_to_planes(&n->io.picture, r->scratch, self->stream, err);
    if (st != SYN_OK) return st;
    return cuda_status(
        self,
        cudaMemcpyAsync(host, r->scratch, n->io.bytes, cudaMemcpyDeviceToHost, self->stream),
        "copy out", err);
}

static syn_status prepare_io(struct cuda_self *self, const struct syn_placement *p,
                             const struct syn_place *place, int32_t index, bool load,
                             struct syn_kernel *k, struct syn_err *err)
{
    const int32_t value = load ? p->g->input[index] : p->g->output[index];
    const struct syn_value *v = &p->g->value[value];
    struct cuda_node *n;
    if (place[value].block == 0 || v->data)
        return syn_fail(err, SYN_UNSUPPORTED, "%s %s: not a picture", load ? "input" : "output",
                        v->name);
    if (!(n = node_new(self, place))) return syn_fail(err, SYN_NO_MEMORY, "%s: no memory", v->name);
    n->value[0] = value;
    n->launch = io_launch;
    n->io.picture = cuda_view_of(p, place, value);
    n->io.index = index;
    n->io.load = load;
    if (!pinned_place(p->g, load, index, &n->io.at, &n->io.bytes)) {
        node_free(n);
        return syn_fail(err, SYN_TOO_LARGE, "%s: over 2^63 bytes", v->name);
    }
    k->impl = load ? "cuda copy in" : "cuda copy out";
    k->scratch_bytes = n->io.bytes;
    k->state = n;
    k->free = node_free;
    k->run = node_run;
    return SYN_OK;
}

syn_status cuda_load(void *self, const struct syn_placement *p, const struct syn_place *place,
                     int32_t input, struct syn_kernel *k, struct syn_err *err)
{
    return prepare_io(self, p, place, input, true, k, err);
}
syn_status cuda_store(void *self, const struct syn_placement *p, const struct syn_place *place,
                      int32_t output, struct syn_kernel *k, struct syn_err *err)
{
    return prepare_io(self, p, place, output, false, k, err);
}
