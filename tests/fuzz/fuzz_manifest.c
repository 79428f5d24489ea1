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

static void check_ncnn(const struct syn_manifest *m)
{
    need(syn_manifest_variant(m, 0, m->default_noise) != NULL);
    need(m->n_ports == 0 && m->n_assets == 0 && m->n_settings == 0);
    for (int32_t i = 0; i < m->n_variants; i++) {
        const struct syn_variant *v = &m->variant[i];
        need(v->scale >= 1 && v->scale <= 4 && v->noise >= SYN_NOISE_NONE && v->noise <= 3);
        need(syn_name_plain(v->graph_file) && syn_name_plain(v->weights_file));
        need(strlen(v->digest) == 64 && v->graph_bytes > 0 &&
             v->weights_bytes <= SYN_MODEL_FILE_LIMIT);
        need(syn_manifest_variant(m, v->scale, v->noise) == v);
    }
}

static void check_onnx(const struct syn_manifest *m)
{
    for (int32_t i = 0; i < m->n_variants; i++) {
        const struct syn_variant *v = &m->variant[i];
        need(syn_manifest_network(m, v->name) == v && strlen(v->digest) == 64);
        need(syn_name_plain(v->graph_file) && v->graph_bytes > 0);
        need(!v->weights_file[0] || syn_name_plain(v->weights_file));
        need(!v->picture.given || (v->picture.multiple >= 1 && v->picture.min_side >= 1));
        for (int c = 0; c < 3 && v->picture.given; c++)
            need(isfinite(v->picture.mean[c]) && fabsf(v->picture.scale[c]) >= 1e-6f);
    }
    need(m->n_ports <= SYN_MAX_PORTS && m->n_assets <= SYN_MAX_ASSETS);
    for (int32_t i = 0; i < m->n_ports; i++) {
        const struct syn_port *p = &m->port[i];
        need(p->network >= 0 && p->network < m->n_variants && p->tensor[0]);
        need(!strcmp(syn_manifest_tensor(m, &m->variant[p->network], p->output, p->role),
                     p->tensor));
    }
    for (int32_t i = 0; i < m->n_assets; i++) need(syn_name_plain(m->asset[i].name));
    for (int32_t i = 0; i < m->n_settings; i++)
        need(isfinite(m->setting[i].value) &&
             syn_manifest_setting(m, m->setting[i].name, NAN) == m->setting[i].value);
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
    need(strlen(m.digest) == 64);
    if (!strcmp(m.format, "onnx")) check_onnx(&m);
    else check_ncnn(&m);
    return 0;
}
