/* ncnn_build.c - see ncnn_build.h: parameters, weights and nodes. */
#include "kernels/load/ncnn_build.h"
#include "kernels/base/alloc.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define TAG_F32 0u
#define TAG_F16 0x01306b47u
#define TAG_I8 0x000d4b38u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "weights are used as they lie in the file");

void syn_ncnn_fail(struct syn_ncnn_build *b, syn_status st, const char *format, ...)
{
    char text[300];
    va_list args;
    if (b->st != SYN_OK) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    b->st = syn_fail(b->err, st, "line %d: %.40s %.60s: %s", (int)b->line->number, b->line->type,
                     b->line->name, text);
}

int64_t syn_ncnn_int(struct syn_ncnn_build *b, int32_t key, int64_t fallback, int64_t lo,
                     int64_t hi)
{
    const struct syn_ncnn_param *p = &b->line->param[key];
    const double v = p->given && !p->array ? p->v[0] : (double)fallback;
    if (p->array) {
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "key %d is an array: must be one number", (int)key);
        return fallback;
    }
    if (!(v >= (double)lo && v <= (double)hi) || v != (double)(int64_t)v) {
        syn_ncnn_fail(b, SYN_INVALID,
                      "key %d = %g: must be a whole number in [%" PRId64 ", %" PRId64 "]", (int)key,
                      v, lo, hi);
        return lo > fallback ? lo : fallback;
    }
    return (int64_t)v;
}

double syn_ncnn_float(struct syn_ncnn_build *b, int32_t key, double fallback)
{
    const struct syn_ncnn_param *p = &b->line->param[key];
    if (p->array)
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "key %d is an array: must be one number", (int)key);
    return p->given && !p->array ? p->v[0] : fallback;
}

int32_t syn_ncnn_list(struct syn_ncnn_build *b, int32_t key, const double **v)
{
    const struct syn_ncnn_param *p = &b->line->param[key];
    if (p->given && !p->array)
        syn_ncnn_fail(b, SYN_INVALID, "key %d is a number: must be an array", (int)key);
    *v = p->v;
    return p->array ? p->n : 0;
}

static size_t offset(const struct syn_ncnn_build *b)
{
    return b->weights_n - b->weights.left;
}

/* The next n elements of `size` bytes; NULL after a failure. */
static const void *take(struct syn_ncnn_build *b, int64_t n, size_t size, size_t align,
                        const char *what)
{
    const uint8_t *view;
    size_t bytes;
    if (b->st != SYN_OK) return NULL;
    if (n <= 0 || n > SYN_MAX_ELEMENTS || !syn_mul((size_t)n, size, &bytes)) {
        syn_ncnn_fail(b, SYN_TOO_LARGE, "%" PRId64 " %s: must be in [1, 2^40]", n, what);
        return NULL;
    }
    bytes = (bytes + align - 1) & ~(align - 1);
    if (syn_bytes_take(&b->weights, bytes, &view)) return view;
    syn_ncnn_fail(b, SYN_TRUNCATED,
                  "%s need %zu bytes at offset %zu of the weight file: it has %zu left", what,
                  bytes, offset(b), b->weights.left);
    return NULL;
}

struct syn_ncnn_data syn_ncnn_tagged(struct syn_ncnn_build *b, int64_t n, const char *what)
{
    struct syn_ncnn_data d = {.p = NULL, .dtype = SYN_F32};
    const size_t at = offset(b);
    uint32_t tag = 0;
    if (b->st != SYN_OK) return d;
    if (!syn_bytes_u32le(&b->weights, &tag)) {
        syn_ncnn_fail(
            b, SYN_TRUNCATED,
            "the tag of its %s needs 4 bytes at offset %zu of the weight file: it has %zu left",
            what, at, b->weights.left);
        return d;
    }
    if (tag != TAG_F32 && tag != TAG_F16) {
        syn_ncnn_fail(b, SYN_UNSUPPORTED,
                      "its %s have tag 0x%08x%s at offset %zu: must be 0 (f32) or 0x%08x (f16)",
                      what, (unsigned)tag, tag == TAG_I8 ? " (int8)" : "", at, TAG_F16);
        return d;
    }
    d.dtype = tag == TAG_F16 ? SYN_F16 : SYN_F32;
    d.p = take(b, n, tag == TAG_F16 ? 2 : 4, 4, what);
    return d;
}

struct syn_ncnn_data syn_ncnn_plain(struct syn_ncnn_build *b, int64_t n, const char *what)
{
    return (struct syn_ncnn_data){.p = take(b, n, 4, 1, what), .dtype = SYN_F32};
}

/* Room for what is known of every value; false without memory. */
static bool meta_set(struct syn_ncnn_build *b, int32_t value, struct syn_ncnn_meta meta)
{
    if (value >= b->cap_meta) {
        const int32_t cap = value < 128 ? 256 : value * 2;
        struct syn_ncnn_meta *grown = syn_realloc(b->meta, (size_t)cap, sizeof *grown);
        if (!grown) {
            syn_ncnn_fail(b, SYN_NO_MEMORY, "no memory for %d values", (int)cap);
            return false;
        }
        b->meta = grown;
        b->cap_meta = cap;
    }
    b->meta[value] = meta;
    return true;
}

struct syn_ncnn_meta syn_ncnn_meta_of(struct syn_ncnn_build *b, int32_t value)
{
    if (b->st != SYN_OK || value < 0)
        return (struct syn_ncnn_meta){.channels = -1, .vector = false};
    return b->meta[value];
}

/* Takes a status from the graph into the builder, with the line before its text. */
static bool accept(struct syn_ncnn_build *b, syn_status st)
{
    if (st == SYN_OK) return true;
    b->st = syn_fail_in(b->err, st, "line %d: ", (int)b->line->number);
    return false;
}

int32_t syn_ncnn_constant(struct syn_ncnn_build *b, struct syn_ncnn_data data, int32_t rank,
                          const int64_t *dim)
{
    const struct syn_shape shape = syn_shape_of(rank, dim);
    int32_t value = -1;
    if (b->st != SYN_OK) return -1;
    if (!accept(
            b, syn_graph_constant(b->g, b->line->name, data.dtype, &shape, data.p, &value, b->err)))
        return -1;
    return meta_set(b, value, (struct syn_ncnn_meta){.channels = -1}) ? value : -1;
}

int32_t syn_ncnn_scalar(struct syn_ncnn_build *b, double v)
{
    const struct syn_shape shape = syn_shape4(1, 1, 1, 1);
    const float f = (float)v;
    int32_t value = -1;
    if (b->st != SYN_OK) return -1;
    if (!accept(b, syn_graph_constant_copy(b->g, b->line->name, &shape, &f, &value, b->err)))
        return -1;
    return meta_set(b, value, (struct syn_ncnn_meta){.channels = 1, .vector = true}) ? value : -1;
}

int32_t syn_ncnn_node(struct syn_ncnn_build *b, syn_op_id id, const int32_t *in, int32_t n_in,
                      const struct syn_attr *attr, int32_t n_attr, struct syn_ncnn_meta meta)
{
    int32_t out[1] = {-1};
    if (b->st != SYN_OK) return -1;
    if (!accept(b, syn_graph_node(b->g, id, b->line->name, n_in, in, n_attr, attr, out, b->err)))
        return -1;
    return meta_set(b, out[0], meta) ? out[0] : -1;
}

int32_t syn_ncnn_input(struct syn_ncnn_build *b, const char *name, int64_t channels)
{
    const struct syn_shape shape = syn_shape4(1, channels, -1, -1);
    int32_t value = -1;
    if (b->st != SYN_OK) return -1;
    if (!accept(b, syn_graph_input(b->g, name, &shape, &value, b->err))) return -1;
    return meta_set(b, value, (struct syn_ncnn_meta){.channels = channels}) ? value : -1;
}

void syn_ncnn_need_channels(struct syn_ncnn_build *b, int32_t value, int64_t channels)
{
    if (b->st != SYN_OK || value < 0) return;
    if (b->meta[value].channels == channels) return;
    if (b->meta[value].channels >= 0) {
        syn_ncnn_fail(b, SYN_INVALID,
                      "its weights are for %" PRId64 " input channels: the input has %" PRId64,
                      channels, b->meta[value].channels);
        return;
    }
    b->meta[value].channels = channels;
    for (int32_t i = 0; i < b->g->n_inputs; i++)
        if (b->g->input[i] == value) b->g->value[value].shape.dim[1] = channels;
}
