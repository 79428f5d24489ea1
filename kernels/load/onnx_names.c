/* onnx_names.c - see onnx_names.h: open addressing, FNV-1a. */
#include "kernels/load/onnx_names.h"
#include "kernels/base/alloc.h"
#include <string.h>

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

static int32_t slot_of(const struct syn_names *t, const char *name)
{
    int32_t i = (int32_t)(hash(name) & (uint32_t)(t->cap - 1));
    while (t->name[i] && strcmp(t->name[i], name) != 0) i = (i + 1) & (t->cap - 1);
    return i;
}

static bool grow(struct syn_names *t)
{
    struct syn_names more = {.cap = t->cap ? t->cap * 2 : 64};
    if (t->cap > 1 << 28) return false;
    more.name = syn_calloc((size_t)more.cap, sizeof *more.name);
    more.value = syn_calloc((size_t)more.cap, sizeof *more.value);
    if (!more.name || !more.value) {
        syn_names_free(&more);
        return false;
    }
    for (int32_t i = 0; i < t->cap; i++) {
        int32_t s;
        if (!t->name[i]) continue;
        s = slot_of(&more, t->name[i]);
        more.name[s] = t->name[i], more.value[s] = t->value[i], more.n++;
    }
    syn_names_free(t);
    *t = more;
    return true;
}

bool syn_names_put(struct syn_names *t, const char *name, int32_t value)
{
    int32_t i;
    if (2 * (t->n + 1) > t->cap && !grow(t)) return false;
    i = slot_of(t, name);
    if (!t->name[i]) t->name[i] = name, t->n++;
    t->value[i] = value;
    return true;
}

int32_t syn_names_get(const struct syn_names *t, const char *name)
{
    int32_t i;
    if (!t->cap) return SYN_NO_NAME;
    i = slot_of(t, name);
    return t->name[i] ? t->value[i] : SYN_NO_NAME;
}

void syn_names_free(struct syn_names *t)
{
    syn_free(t->name);
    syn_free(t->value);
    *t = (struct syn_names){NULL, NULL, 0, 0};
}
