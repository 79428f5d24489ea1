/* fuzz_manifest.c - model.json as a stranger would write it.
 *
 * What is accepted must keep the reader's promises: plain names, bounds, variants found again.
 *
 * Layer:   tests. */
#include "server/models/folder.h"
#include "server/models/manifest.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct syn_manifest m;
    struct syn_err err = {""};
    syn_status st = syn_manifest_parse((const char *)data, size, &m, &err);
    if (st != SYN_OK) {
        need(err.text[0] != '\0');
        return 0;
    }
    need(syn_model_id_valid(m.id) && m.n_variants >= 1 && m.n_variants <= SYN_MAX_VARIANTS);
    need(m.halo >= 0 && m.halo <= 1024 && isfinite(m.in_scale) && isfinite(m.out_offset) &&
         m.out_scale != 0);
    need(syn_manifest_variant(&m, 0, m.default_noise) != NULL);
    for (int32_t i = 0; i < m.n_variants; i++) {
        const struct syn_variant *v = &m.variant[i];
        need(v->scale >= 1 && v->scale <= 4 && v->noise >= SYN_NOISE_NONE && v->noise <= 3);
        need(syn_name_plain(v->graph_file) && syn_name_plain(v->weights_file));
        need(strlen(v->digest) == 64 && v->graph_bytes > 0 &&
             v->weights_bytes <= SYN_MODEL_FILE_LIMIT);
        need(syn_manifest_variant(&m, v->scale, v->noise) == v);
    }
    return 0;
}
