/* ncnn.c - see ncnn.h: header, names of blobs, and the loop over the layers.
 *
 * Two walks over the text: the first names every unknown layer type, so that a person learns all of
 *                          them
 * at once; the second builds. Blob names are found through a hash table whose size follows the
 * text, never a count that the text states. */
#include "kernels/load/ncnn.h"
#include "kernels/base/alloc.h"
#include "kernels/load/ncnn_build.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAGIC 7767517
#define ALWAYS_KEYS (UINT32_C(3) << 30) /* shape hints and feature masks: no effect on the result */

struct blob {
    const char *name;
    int32_t value, next; /* next in its bucket, -1 = last */
    bool used;
};

struct names {
    struct blob *blob;
    int32_t *bucket; /* first blob, -1 = none */
    int32_t n, cap;
    uint32_t mask; /* buckets - 1 */
};

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s) h = (h ^ (uint8_t)*s++) * 16777619u;
    return h ^ h >> 15;
}

static struct blob *blob_find(struct names *names, const char *name)
{
    for (int32_t i = names->bucket[hash(name) & names->mask]; i >= 0; i = names->blob[i].next)
        if (!strcmp(names->blob[i].name, name)) return &names->blob[i];
    return NULL;
}

/* Room for `blobs` names, a number that the header states and the size of the text bounds. */
static syn_status names_init(struct names *names, struct syn_arena *arena, int64_t blobs,
                             struct syn_err *err)
{
    size_t buckets = 64;
    while (buckets < (size_t)blobs) buckets *= 2;
    names->blob = syn_arena_new(arena, (size_t)blobs + 1, sizeof *names->blob);
    names->bucket = syn_arena_new(arena, buckets, sizeof *names->bucket);
    if (!names->blob || !names->bucket)
        return syn_fail(err, SYN_NO_MEMORY, "line 2: no memory for %" PRId64 " blobs", blobs);
    memset(names->bucket, 0xff, buckets * sizeof *names->bucket);
    names->cap = (int32_t)blobs;
    names->mask = (uint32_t)(buckets - 1);
    return SYN_OK;
}

static void blob_add(struct names *names, struct syn_ncnn_build *b, const char *name, int32_t value)
{
    int32_t *bucket = &names->bucket[hash(name) & names->mask];
    if (b->st != SYN_OK) return;
    if (blob_find(names, name)) {
        syn_ncnn_fail(b, SYN_INVALID, "blob %.60s is made twice", name);
    } else if (names->n == names->cap) {
        syn_ncnn_fail(b, SYN_INVALID, "more blobs than the %d that line 2 states", (int)names->cap);
    } else {
        names->blob[names->n] = (struct blob){.name = name, .value = value, .next = *bucket};
        *bucket = names->n++;
    }
}

/* ---- header and unknown layers --------------------------------------------------------------- */

/* Files that end up under a model file's name, known by how they begin; NULL: something else.
 * Weights may begin with any number, so they are held against the long beginnings only. */
static const char *looks_like(const void *data, size_t n, bool weights)
{
    static const struct {
        const char *begin, *what;
        size_t n;
    } known[] = {
        {"version https://git-lfs", "a Git LFS pointer: fetch the file that it stands for", 23},
        {"<!DOCTYPE", "an HTML page, not the download", 9},
        {"<html", "an HTML page, not the download", 5},
        {"PK\3\4", "a zip archive (a PyTorch checkpoint?): convert it to ncnn", 4},
        {"\x80\2", "a Python pickle: convert it to ncnn", 2},
        {"\xdd\x85\x76\0", "ncnn's binary param: the text form is wanted", 4},
        {"7767517\n", "a param text", 8},
        {"{", "JSON", 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (n >= known[i].n && (known[i].n >= 4 || !weights) &&
            !memcmp(data, known[i].begin, known[i].n))
            return known[i].what;
    if (!weights && n > 9 && !memcmp((const char *)data + 8, "{\"", 2))
        return "safetensors: convert it to ncnn";
    return NULL;
}

static syn_status read_header(struct syn_ncnn_text *t, struct syn_arena *arena, int64_t *layers,
                              int64_t *blobs, struct syn_err *err)
{
    struct syn_ncnn_word *w = NULL;
    const size_t whole = t->left;
    const char *other = looks_like(t->p, t->left, false);
    int32_t n;
    int64_t magic;
    syn_status st;
    if (other && t->p[0] != '7')
        return syn_fail(err, SYN_INVALID, "not an ncnn param file but %s", other);
    st = syn_ncnn_text_next(t, arena, &w, &n, err);
    if (st != SYN_OK) return st;
    if (n != 1 || !syn_ncnn_integer(w[0], MAGIC, MAGIC, &magic))
        return syn_fail(err, SYN_INVALID,
                        "line %d: not an ncnn param file: the first line must be %d", (int)t->line,
                        MAGIC);
    st = syn_ncnn_text_next(t, arena, &w, &n, err);
    if (st != SYN_OK) return st;
    if (n == 0)
        return syn_fail(err, SYN_TRUNCATED,
                        "line 2: the file ends before the counts of layers and blobs");
    /* A layer takes at least "A b 0 0\n", a blob's name at least two bytes. */
    if (n != 2 || !syn_ncnn_integer(w[0], 1, SYN_MAX_NODES, layers) ||
        !syn_ncnn_integer(w[1], 1, SYN_MAX_NODES, blobs))
        return syn_fail(err, SYN_INVALID,
                        "line %d: must be the counts of layers and blobs, each in [1, %d]",
                        (int)t->line, SYN_MAX_NODES);
    if ((size_t)*layers > whole / 8 || (size_t)*blobs > whole / 2)
        return syn_fail(err, SYN_TRUNCATED,
                        "line %d: %" PRId64 " layers and %" PRId64 " blobs in a text of %zu bytes",
                        (int)t->line, *layers, *blobs, whole);
    return SYN_OK;
}

/* Adds a type to the list "A, B, C" unless it is in it. */
static void list_type(char *list, size_t size, struct syn_ncnn_word type)
{
    const size_t used = strlen(list);
    const int shown = type.n > 40 ? 40 : (int)type.n;
    char entry[48];
    snprintf(entry, sizeof entry, "%.*s", shown, type.p);
    for (const char *p = strstr(list, entry); p; p = strstr(p + 1, entry))
        if ((p == list || p[-1] == ' ') && (p[shown] == ',' || p[shown] == '\0')) return;
    if (used + strlen(entry) + 8 < size)
        snprintf(list + used, size - used, "%s%s", used ? ", " : "", entry);
    else if (used < 4 || strcmp(list + used - 3, "..."))
        snprintf(list + used, size - used, ", ...");
}

/* Looks at the type of each layer: the text after the header. */
static syn_status check_types(struct syn_ncnn_text t, int64_t layers, struct syn_err *err)
{
    struct syn_arena arena = {NULL}; /* of one line */
    char unknown[300] = "";
    struct syn_ncnn_word *w = NULL;
    int64_t seen = 0;
    int32_t n, first = 0;
    syn_status st;
    while ((st = syn_ncnn_text_next(&t, &arena, &w, &n, err)) == SYN_OK && n > 0) {
        const struct syn_ncnn_word type = w[0]; /* of the text, not of the arena */
        syn_arena_deinit(&arena);
        seen++;
        if (syn_ncnn_layer_find(type.p, type.n)) continue;
        if (!first) first = t.line;
        list_type(unknown, sizeof unknown, type);
    }
    syn_arena_deinit(&arena);
    if (first)
        return syn_fail(err, SYN_UNSUPPORTED, "unknown layer types, the first in line %d: %s",
                        (int)first, unknown);
    if (st != SYN_OK) return st;
    if (seen < layers)
        return syn_fail(err, SYN_TRUNCATED,
                        "line %d: the file ends after %" PRId64 " layers: line 2 states %" PRId64,
                        (int)t.line, seen, layers);
    if (seen > layers)
        return syn_fail(err, SYN_INVALID, "line %d: %" PRId64 " layers: line 2 states %" PRId64,
                        (int)t.line, seen, layers);
    return SYN_OK;
}

/* ---- layers ---------------------------------------------------------------------------------- */

/* Parameters that this layer does not read must not ask for anything. */
static void check_keys(struct syn_ncnn_build *b, const struct syn_ncnn_layer *layer)
{
    for (int32_t key = 0; key < SYN_NCNN_KEYS; key++) {
        const struct syn_ncnn_param *p = &b->line->param[key];
        if (!p->given || ((layer->keys | ALWAYS_KEYS) >> key & 1)) continue;
        if (p->array || p->v[0] != 0)
            syn_ncnn_fail(b, SYN_UNSUPPORTED, "key %d = %g: nothing here knows it", (int)key,
                          p->n ? p->v[0] : 0.0);
    }
}

/* The layer of b->line: operands by name, its builder, its outputs by name. */
static void build_layer(struct syn_ncnn_build *b, struct names *names)
{
    const struct syn_ncnn_line *line = b->line;
    const struct syn_ncnn_layer *layer = syn_ncnn_layer_find(line->type, strlen(line->type));
    const bool alias = layer && !strcmp(layer->type, "Split");
    int32_t in[SYN_NCNN_OPERANDS], value;
    if (!layer) {
        syn_ncnn_fail(b, SYN_UNSUPPORTED, "unknown layer type");
        return;
    }
    if (line->n_in < layer->min_in || line->n_in > layer->max_in || line->n_out < 1 ||
        (line->n_out != 1 && !alias)) {
        syn_ncnn_fail(b, SYN_INVALID, "%d inputs and %d outputs: takes %d to %d inputs, 1 output",
                      (int)line->n_in, (int)line->n_out, (int)layer->min_in, (int)layer->max_in);
        return;
    }
    for (int32_t i = 0; i < line->n_in; i++) {
        struct blob *from = blob_find(names, line->in[i]);
        if (!from) {
            syn_ncnn_fail(b, SYN_INVALID, "its input %.60s is made by no layer before it",
                          line->in[i]);
            return;
        }
        from->used = true;
        in[i] = from->value;
    }
    check_keys(b, layer);
    if (b->st != SYN_OK) return;
    value = layer->build(b, in, line->n_in);
    for (int32_t i = 0; i < line->n_out; i++) blob_add(names, b, line->out[i], value);
}

static void build_layers(struct syn_ncnn_build *b, struct syn_ncnn_text t, struct names *names)
{
    static const struct syn_ncnn_line nowhere = {.type = "", .name = ""};
    while (b->st == SYN_OK) {
        struct syn_arena arena = {
            NULL}; /* words and lists; what outlives the line is copied into b's */
        struct syn_ncnn_word *w = NULL;
        struct syn_ncnn_line line;
        int32_t n;
        syn_status st = syn_ncnn_text_next(&t, &arena, &w, &n, b->err);
        if (st == SYN_OK && n > 0) st = syn_ncnn_line_parse(w, n, t.line, &b->arena, &line, b->err);
        syn_arena_deinit(&arena);
        if (st != SYN_OK) b->st = st;
        if (st != SYN_OK || n == 0) break;
        b->line = &line;
        build_layer(b, names);
        b->line = &nowhere;
    }
    b->line = &nowhere;
}

/* Blobs that no layer reads are the outputs. */
static syn_status finish(struct syn_ncnn_build *b, struct names *names)
{
    struct syn_graph *g = b->g;
    syn_status st = SYN_OK;
    if (names->n != names->cap)
        return syn_fail(b->err, SYN_INVALID, "line 2: states %d blobs: the layers make %d",
                        (int)names->cap, (int)names->n);
    if (b->weights.left)
        return syn_fail(b->err, SYN_INVALID,
                        "weight file: %zu bytes after the last weight, from offset %zu",
                        b->weights.left, b->weights_n - b->weights.left);
    for (int32_t i = 0; i < names->n && st == SYN_OK; i++) {
        int32_t value = names->blob[i].value;
        if (names->blob[i].used) continue;
        if (g->value[value].producer < 0) /* an input as it is: outputs belong to nodes */
            st = syn_graph_node(g, SYN_OP_IDENTITY, names->blob[i].name, 1, &value, 0, NULL, &value,
                                b->err);
        if (st == SYN_OK) st = syn_graph_output(g, value, b->err);
    }
    if (st != SYN_OK) return st;
    if (g->n_inputs == 0 || g->n_outputs == 0)
        return syn_fail(b->err, SYN_INVALID,
                        "%d inputs and %d outputs: a model has at least one of each",
                        (int)g->n_inputs, (int)g->n_outputs);
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (g->value[g->input[i]].shape.dim[1] < 0)
            return syn_fail(b->err, SYN_INVALID,
                            "input %.60s: no layer says how many channels it has",
                            g->value[g->input[i]].name);
    return SYN_OK;
}

syn_status syn_ncnn_load(const char *param_text, size_t param_n, const void *weights,
                         size_t weights_n, struct syn_graph **out, struct syn_err *err)
{
    struct syn_ncnn_text t = {.p = param_text, .left = param_n};
    struct syn_ncnn_build b = {
        .weights = syn_bytes_of(weights, weights_n), .weights_n = weights_n, .err = err};
    struct names names = {.n = 0};
    int64_t layers = 0, blobs = 0;
    const char *other;
    syn_status st;
    if (param_n > SYN_NCNN_MAX_PARAM_BYTES)
        return syn_fail(err, SYN_TOO_LARGE, "param text of %zu bytes: the limit is %zu", param_n,
                        SYN_NCNN_MAX_PARAM_BYTES);
    if ((st = read_header(&t, &b.arena, &layers, &blobs, err)) != SYN_OK) goto done;
    if ((st = check_types(t, layers, err)) != SYN_OK) goto done;
    if ((other = looks_like(weights, weights_n, true))) {
        st = syn_fail(err, SYN_INVALID, "not an ncnn weight file but %s", other);
        goto done;
    }
    if ((st = names_init(&names, &b.arena, blobs, err)) != SYN_OK) goto done;
    if ((st = syn_graph_new(&b.g, err)) != SYN_OK) goto done;
    build_layers(&b, t, &names);
    if ((st = b.st) == SYN_OK) st = finish(&b, &names);
    if (st != SYN_OK) goto done;
    *out = b.g;
    b.g = NULL;
done:
    syn_graph_free(b.g);
    syn_free(b.meta);
    syn_arena_deinit(&b.arena);
    return st;
}
