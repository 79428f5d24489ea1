/* fuzz_json.c - a job's JSON: parse, then every reader that walks it: parameters against the kind's
 * table, the output table, pointers, differences. */
#include "server/http/json.h"
#include "server/jobs/params.h"
#include <stdlib.h>
#include <string.h>

static void check(const json_t *o, const struct syn_param_spec *spec, int32_t n_spec)
{
    struct syn_param list[64];
    const struct syn_param *value[64];
    struct syn_field_errors errs;
    struct syn_output_spec out;
    const char *name;
    json_t *v;
    int32_t n = 0;
    if (!json_is_object(o)) return;
    json_object_foreach((json_t *)(uintptr_t)o, name, v)
    {
        char pointer[40];
        syn_json_pointer(pointer, sizeof pointer, "/params", name);
        if (strlen(pointer) >= sizeof pointer) abort();
        if (n < 64) syn_param_of_json(name, v, &list[n++]);
    }
    memset(&errs, 0, sizeof errs);
    syn_params_check(spec, n_spec, list, n, value, &errs);
    memset(&errs, 0, sizeof errs);
    if (syn_output_spec_parse(list, n, &out, &errs) == SYN_OK) {
        struct syn_param effective[SYN_OUTPUT_N_PARAMS];
        json_t *again = syn_params_object(effective, syn_output_spec_effective(&out, effective));
        json_decref(again);
    }
    for (int32_t i = 0; i < errs.n; i++) {
        json_t *text = syn_json_utf8(errs.item[i].detail);
        if (!text) abort();
        json_decref(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct syn_kind *k = syn_kinds_at(0);
    json_t *root = NULL, *params;
    char where[64];
    struct syn_err err;
    if (syn_json_parse((const char *)data, size, &root, &err) != SYN_OK) return 0;
    params = json_object_get(root, "params");
    check(root, k->param, k->n_params);
    check(params, k->param, k->n_params);
    if (params) syn_json_difference(root, params, where, sizeof where);
    json_decref(root);
    return 0;
}
