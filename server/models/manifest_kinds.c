/* manifest_kinds.c - what a manifest of each kind must have: networks, tensors by role, settings.
 *
 * A kind may have several forms (stylize: one network with styles of its own, or two for the style
 * of any picture); a manifest has all that one of them needs. Beyond that it may name more networks
 * and tensors; settings are those listed here alone.
 *
 * Layer:   server/models.   Threads: pure functions, constant tables. */
#include "server/models/json_members.h"
#include "server/models/manifest.h"
#include <math.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

const char *const syn_manifest_kinds[] = {"upscale", "stylize", "denoise-speech",
                                          "matte",   "speak",   "tensor"};
const size_t syn_manifest_n_kinds = COUNT(syn_manifest_kinds);

enum what { INPUT, OUTPUT, SETTING };

static const struct need {
    const char *kind;
    int form;
    const char *network; /* NULL: a setting */
    enum what what;
    const char *name; /* of the role, or the setting */
} needs[] = {
    {"stylize", 0, "stylize", INPUT, "picture"},
    {"stylize", 0, "stylize", INPUT, "weights"},
    {"stylize", 0, "stylize", OUTPUT, "picture"},
    {"stylize", 0, NULL, SETTING, "styles"},
    {"stylize", 1, "predict", INPUT, "picture"},
    {"stylize", 1, "predict", OUTPUT, "style"},
    {"stylize", 1, "transform", INPUT, "picture"},
    {"stylize", 1, "transform", INPUT, "style"},
    {"stylize", 1, "transform", OUTPUT, "picture"},
    {"denoise-speech", 0, "enc", INPUT, "erb"},
    {"denoise-speech", 0, "enc", INPUT, "spec"},
    {"denoise-speech", 0, "enc", INPUT, "gru"},
    {"denoise-speech", 0, "enc", OUTPUT, "e0"},
    {"denoise-speech", 0, "enc", OUTPUT, "e1"},
    {"denoise-speech", 0, "enc", OUTPUT, "e2"},
    {"denoise-speech", 0, "enc", OUTPUT, "e3"},
    {"denoise-speech", 0, "enc", OUTPUT, "emb"},
    {"denoise-speech", 0, "enc", OUTPUT, "c0"},
    {"denoise-speech", 0, "enc", OUTPUT, "lsnr"},
    {"denoise-speech", 0, "enc", OUTPUT, "gru"},
    {"denoise-speech", 0, "erb_dec", INPUT, "emb"},
    {"denoise-speech", 0, "erb_dec", INPUT, "e3"},
    {"denoise-speech", 0, "erb_dec", INPUT, "e2"},
    {"denoise-speech", 0, "erb_dec", INPUT, "e1"},
    {"denoise-speech", 0, "erb_dec", INPUT, "e0"},
    {"denoise-speech", 0, "erb_dec", INPUT, "gru0"},
    {"denoise-speech", 0, "erb_dec", INPUT, "gru1"},
    {"denoise-speech", 0, "erb_dec", OUTPUT, "mask"},
    {"denoise-speech", 0, "erb_dec", OUTPUT, "gru0"},
    {"denoise-speech", 0, "erb_dec", OUTPUT, "gru1"},
    {"denoise-speech", 0, "df_dec", INPUT, "emb"},
    {"denoise-speech", 0, "df_dec", INPUT, "c0_past"},
    {"denoise-speech", 0, "df_dec", INPUT, "gru0"},
    {"denoise-speech", 0, "df_dec", INPUT, "gru1"},
    {"denoise-speech", 0, "df_dec", OUTPUT, "coefs"},
    {"denoise-speech", 0, "df_dec", OUTPUT, "gru0"},
    {"denoise-speech", 0, "df_dec", OUTPUT, "gru1"},
    {"denoise-speech", 0, NULL, SETTING, "rate"},
    {"denoise-speech", 0, NULL, SETTING, "fft"},
    {"denoise-speech", 0, NULL, SETTING, "hop"},
    {"denoise-speech", 0, NULL, SETTING, "erb_bands"},
    {"denoise-speech", 0, NULL, SETTING, "erb_min_bins"},
    {"denoise-speech", 0, NULL, SETTING, "df_bins"},
    {"denoise-speech", 0, NULL, SETTING, "df_order"},
    {"denoise-speech", 0, NULL, SETTING, "df_lookahead"},
    {"denoise-speech", 0, NULL, SETTING, "conv_lookahead"},
    {"denoise-speech", 0, NULL, SETTING, "norm_tau"},
    {"matte", 0, "matte", INPUT, "picture"},
    {"matte", 0, "matte", OUTPUT, "alpha"},
    {"speak", 0, "voice", INPUT, "ids"},
    {"speak", 0, "voice", INPUT, "lengths"},
    {"speak", 0, "voice", INPUT, "scales"},
    {"speak", 0, "voice", OUTPUT, "samples"},
    {"speak", 0, NULL, SETTING, "rate"},
};

static const struct setting {
    const char *kind, *name;
    double lo, hi;
    bool whole;
} settings[] = {
    {"stylize", "styles", 1, 1024, true},
    {"denoise-speech", "rate", 8000, 192000, true},
    {"denoise-speech", "fft", 16, 65536, true},
    {"denoise-speech", "hop", 1, 65536, true},
    {"denoise-speech", "erb_bands", 1, 1024, true},
    {"denoise-speech", "erb_min_bins", 1, 1024, true},
    {"denoise-speech", "df_bins", 1, 65536, true},
    {"denoise-speech", "df_order", 1, 64, true},
    {"denoise-speech", "df_lookahead", 0, 63, true},
    {"denoise-speech", "conv_lookahead", 0, 63, true},
    {"denoise-speech", "norm_tau", 1e-3, 1e3, false},
    {"denoise-speech", "lsnr_min", -200, 200, false},
    {"denoise-speech", "lsnr_max", -200, 200, false},
    {"speak", "rate", 8000, 192000, true},
    {"speak", "noise", 0, 10, false},
    {"speak", "length", 0.01, 100, false},
    {"speak", "noise_w", 0, 10, false},
};

static syn_status read_setting(const char *inner, const char *name, const json_t *value,
                               const char *kind, double *out, struct syn_err *err)
{
    double x = json_number_value(value);
    for (size_t i = 0; i < COUNT(settings); i++) {
        const struct setting *s = &settings[i];
        if (strcmp(s->kind, kind) || strcmp(s->name, name)) continue;
        if (!json_is_number(value))
            return syn_fail(err, SYN_INVALID, "%s%s: must be a number", inner, name);
        if (!(x >= s->lo && x <= s->hi))
            return syn_fail(err, SYN_INVALID, "%s%s = %g: must be in [%g, %g]", inner, name, x,
                            s->lo, s->hi);
        if (s->whole && x != floor(x))
            return syn_fail(err, SYN_INVALID, "%s%s = %g: must be a whole number", inner, name, x);
        *out = x;
        return SYN_OK;
    }
    return syn_fail(err, SYN_INVALID, "%s%.40s: kind %s has no such setting", inner, name, kind);
}

syn_status syn_manifest_read_settings(const json_t *root, const char *where, struct syn_manifest *m,
                                      struct syn_err *err)
{
    const json_t *map = json_object_get(root, "settings");
    char inner[96];
    const char *name;
    json_t *value;
    if (!map) return SYN_OK;
    if (!json_is_object(map))
        return syn_fail(err, SYN_INVALID, "%ssettings: must be an object", where);
    snprintf(inner, sizeof inner, "%ssettings.", where);
    json_object_foreach((json_t *)(uintptr_t)map, name, value)
    {
        struct syn_setting *s = &m->setting[m->n_settings];
        syn_status st;
        if (m->n_settings == SYN_MAX_SETTINGS)
            return syn_fail(err, SYN_INVALID, "%ssettings: at most %d", where, SYN_MAX_SETTINGS);
        if ((st = read_setting(inner, name, value, m->kind, &s->value, err)) != SYN_OK) return st;
        snprintf(s->name, sizeof s->name, "%s", name);
        m->n_settings++;
    }
    return SYN_OK;
}

static bool has_setting(const struct syn_manifest *m, const char *name)
{
    for (int32_t i = 0; i < m->n_settings; i++)
        if (!strcmp(m->setting[i].name, name)) return true;
    return false;
}

double syn_manifest_setting(const struct syn_manifest *m, const char *name, double other)
{
    for (int32_t i = 0; i < m->n_settings; i++)
        if (!strcmp(m->setting[i].name, name)) return m->setting[i].value;
    return other;
}

static bool fulfilled(const struct syn_manifest *m, const struct need *n)
{
    const struct syn_variant *network = n->network ? syn_manifest_network(m, n->network) : NULL;
    if (n->what == SETTING) return has_setting(m, n->name);
    return network && syn_manifest_tensor(m, network, n->what == OUTPUT, n->name);
}

syn_status syn_manifest_check_kind(const char *where, const struct syn_manifest *m,
                                   struct syn_err *err)
{
    const struct need *missing = NULL; /* of the form that has the most */
    int best = -1;
    for (int form = 0;; form++) {
        const struct need *first = NULL;
        int rows = 0, have = 0;
        for (size_t i = 0; i < COUNT(needs); i++) {
            if (strcmp(needs[i].kind, m->kind) || needs[i].form != form) continue;
            rows++;
            if (fulfilled(m, &needs[i])) have++;
            else if (!first) first = &needs[i];
        }
        if (rows > 0 && !first) return SYN_OK;
        if (rows == 0) {
            if (form == 0) return SYN_OK; /* a kind that needs nothing */
            break;
        }
        if (have > best) {
            best = have;
            missing = first;
        }
    }
    if (missing->what == SETTING)
        return syn_fail(err, SYN_INVALID, "%ssettings.%s is missing: kind %s needs it", where,
                        missing->name, m->kind);
    return syn_fail(err, SYN_INVALID,
                    "%snetworks: kind %s needs a network '%s' whose %s name the tensor of '%s'",
                    where, m->kind, missing->network,
                    missing->what == OUTPUT ? "outputs" : "inputs", missing->name);
}
