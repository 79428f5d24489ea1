/* fuzz_json.c - a job's JSON: parse, then every reader that walks it: parameters and output of every
 * kind by its task, pointers, differences. The set that takes effect, read again, is the same set. */
#include "kernels/base/alloc.h"
#include "server/http/json.h"
#include "server/jobs/params.h"
#include "server/jobs/task.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST = 64, N_FORMS = 2 };

/* What parsers ask a model: here one network, and three styles; of the second form a network that
 * takes its style from a picture. */
static struct syn_manifest *manifest_of(const char *kind, int form)
{
    struct syn_manifest *m = syn_calloc(1, sizeof *m);
    if (!m) abort();
    strcpy(m->id, "toy");
    strcpy(m->kind, kind);
    strcpy(m->format, "onnx");
    strcpy(m->variant[0].name, form ? "predict" : kind);
    m->variant[0].scale = 2;
    m->variant[0].noise = m->default_noise = SYN_NOISE_NONE;
    m->n_variants = 1;
    m->pin_f32 = form;
    strcpy(m->setting[0].name, "styles");
    m->setting[0].value = 3;
    m->n_settings = 1;
    return m;
}

static int32_t list_of(const json_t *o, struct syn_param list[MAX_LIST])
{
    const char *name;
    json_t *v;
    int32_t n = 0;
    json_object_foreach((json_t *)(uintptr_t)o, name, v)
    {
        char pointer[40];
        syn_json_pointer(pointer, sizeof pointer, "/params", name);
        if (strlen(pointer) >= sizeof pointer) abort();
        if (n < MAX_LIST) syn_param_of_json(name, v, &list[n++]);
    }
    return n;
}

static void check_texts(const struct syn_field_errors *errs)
{
    for (int32_t i = 0; i < errs->n; i++) {
        json_t *text = syn_json_utf8(errs->item[i].detail);
        if (!text) abort();
        json_decref(text);
    }
}

typedef syn_status reader(struct syn_task *t, const struct syn_param *p, int32_t n,
                          struct syn_field_errors *errs);

static void read_member(struct syn_task *t, struct syn_task *again, const json_t *o, reader *read,
                        json_t *(*effective)(const struct syn_task *t))
{
    struct syn_param list[MAX_LIST];
    struct syn_field_errors errs;
    json_t *set, *same;
    int32_t n = list_of(o, list);
    memset(&errs, 0, sizeof errs);
    if (read(t, list, n, &errs) != SYN_OK) {
        if (!errs.n && !errs.n_more) abort();
        check_texts(&errs);
        return;
    }
    set = effective(t);
    if (!set) abort();
    n = list_of(set, list);
    if (read(again, list, n, &errs) != SYN_OK) abort();
    same = effective(again);
    if (!same || !json_equal(set, same)) abort();
    json_decref(same);
    json_decref(set);
}

static void check(const json_t *o)
{
    const struct syn_task_limits limits = {.max_side = 0};
    if (!json_is_object(o)) return;
    for (int32_t k = 0; k < syn_kinds_count() * N_FORMS; k++) {
        const struct syn_kind *kind = syn_kinds_at(k / N_FORMS);
        struct syn_manifest *m = manifest_of(kind->kind, k % N_FORMS);
        struct syn_task *t = NULL, *again = NULL;
        struct syn_err err;
        if (syn_task_new(NULL, kind, m, &limits, &t, &err) != SYN_OK ||
            syn_task_new(NULL, kind, m, &limits, &again, &err) != SYN_OK)
            abort();
        read_member(t, again, o, syn_task_read_params, syn_task_params);
        read_member(t, again, o, syn_task_read_output, syn_task_output);
        syn_task_close(again);
        syn_task_close(t);
        syn_free(m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = NULL, *params;
    char where[64];
    struct syn_err err;
    if (syn_json_parse((const char *)data, size, &root, &err) != SYN_OK) return 0;
    params = json_object_get(root, "params");
    check(root);
    check(params);
    if (params) syn_json_difference(root, params, where, sizeof where);
    json_decref(root);
    return 0;
}
