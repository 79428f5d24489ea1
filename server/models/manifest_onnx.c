/* manifest_onnx.c - the members of a manifest that describe ONNX networks: networks with their
 * tensors by role and the form of their pictures, and assets.
 *
 * proto/model.schema.json says the same as this reader: change both together.
 *
 * Layer:   server/models.   Threads: pure functions.   Ownership: everything is copied. */
#include "server/models/digest.h"
#include "server/models/json_members.h"
#include "server/models/manifest.h"
#include <math.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { WHERE_SIZE = 128, INNER_SIZE = WHERE_SIZE + 32, MAX_NETWORK_PORTS = 32 };

/* A name that a pipeline looks for: [a-z][a-z0-9_]*. */
static bool word_plain(const char *text)
{
    return text[0] >= 'a' && text[0] <= 'z' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

/* --- the form of a picture -------------------------------------------------------------------- */

/* One number for each channel, or one for all three. */
static syn_status read_channels(const json_t *object, const char *where, const char *key,
                                float out[3], struct syn_err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!value) return SYN_OK;
    if (json_is_array(value) && json_array_size(value) != 3)
        return syn_fail(err, SYN_INVALID, "%s%s has %zu elements: must have 3", where, key,
                        json_array_size(value));
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        double x = json_number_value(one);
        if (!json_is_number(one))
            return syn_fail(err, SYN_INVALID, "%s%s: must be a number or three", where, key);
        if (!(fabs(x) <= 1e6))
            return syn_fail(err, SYN_INVALID, "%s%s = %g: must be within +-1e+06", where, key, x);
        out[i] = (float)x;
    }
    return SYN_OK;
}

static syn_status read_picture(const json_t *network, const char *where, struct syn_picture_form *p,
                               struct syn_err *err)
{
    static const char *const keys[] = {"layout", "order",    "mean",    "scale",
                                       "side",   "multiple", "min_side"};
    static const char *const layouts[] = {"nchw", "nhwc"}, *const orders[] = {"rgb", "bgr"};
    const json_t *one = json_object_get(network, "picture");
    size_t layout = 0, order = 0;
    int64_t side = 0, multiple = 1, min_side = 1;
    char inner[INNER_SIZE];
    syn_status st;
    if (!one) return SYN_OK;
    snprintf(inner, sizeof inner, "%spicture.", where);
    if ((st = syn_json_known(one, inner, keys, COUNT(keys), err)) != SYN_OK) return st;
    st = syn_json_word(one, inner, "layout", false, layouts, COUNT(layouts), &layout, err);
    if (st != SYN_OK) return st;
    st = syn_json_word(one, inner, "order", true, orders, COUNT(orders), &order, err);
    if (st != SYN_OK) return st;
    for (int c = 0; c < 3; c++) p->scale[c] = 1;
    if ((st = read_channels(one, inner, "mean", p->mean, err)) != SYN_OK) return st;
    if ((st = read_channels(one, inner, "scale", p->scale, err)) != SYN_OK) return st;
    for (int c = 0; c < 3; c++)
        if (fabsf(p->scale[c]) < 1e-6f)
            return syn_fail(err, SYN_INVALID, "%sscale = %g: must be at least 1e-6 from zero",
                            inner, (double)p->scale[c]);
    if ((st = syn_json_int(one, inner, "side", true, 0, 16384, &side, err)) != SYN_OK) return st;
    st = syn_json_int(one, inner, "multiple", true, 1, 1024, &multiple, err);
    if (st != SYN_OK) return st;
    st = syn_json_int(one, inner, "min_side", true, 1, 16384, &min_side, err);
    if (st != SYN_OK) return st;
    p->given = true;
    p->nhwc = layout == 1;
    p->bgr = order == 1;
    p->side = (int32_t)side;
    p->multiple = (int32_t)multiple;
    p->min_side = (int32_t)min_side;
    return SYN_OK;
}

/* --- networks --------------------------------------------------------------------------------- */

static const struct syn_port *find_port(const struct syn_manifest *m, int32_t network, bool output,
                                        const char *role)
{
    for (int32_t i = 0; i < m->n_ports; i++)
        if (m->port[i].network == network && m->port[i].output == output &&
            !strcmp(m->port[i].role, role))
            return &m->port[i];
    return NULL;
}

/* {role: tensor, ...} of one direction. */
static syn_status read_ports(const json_t *network, const char *where, const char *key, bool output,
                             bool inner, struct syn_manifest *m, struct syn_err *err)
{
    const json_t *map = json_object_get(network, key);
    char path[INNER_SIZE];
    const char *role;
    json_t *value;
    if (!map) return SYN_OK;
    snprintf(path, sizeof path, "%s%s.", where, key);
    if (!json_is_object(map) || json_object_size(map) > MAX_NETWORK_PORTS)
        return syn_fail(err, SYN_INVALID, "%s%s: must be an object of at most %d members", where,
                        key, MAX_NETWORK_PORTS);
    json_object_foreach((json_t *)(uintptr_t)map, role, value)
    {
        struct syn_port *p = &m->port[m->n_ports];
        syn_status st;
        if (m->n_ports == SYN_MAX_PORTS)
            return syn_fail(err, SYN_INVALID, "%s%.40s: more than %d tensors in all", path, role,
                            SYN_MAX_PORTS);
        if (strlen(role) >= sizeof p->role || !word_plain(role))
            return syn_fail(err, SYN_INVALID, "%s%.40s: a role must be 1 to %zu of a-z, 0-9 and _",
                            path, role, sizeof p->role - 1);
        if (find_port(m, m->n_variants, output, role))
            return syn_fail(err, SYN_INVALID, "%s%s: this network has that role already", path,
                            role);
        if ((st = syn_json_text(map, path, role, p->tensor, sizeof p->tensor, err)) != SYN_OK)
            return st;
        strcpy(p->role, role);
        p->network = m->n_variants;
        p->output = output;
        p->inner = inner;
        m->n_ports++;
    }
    return SYN_OK;
}

static syn_status read_network(const json_t *one, const char *where,
                               struct syn_manifest_files *files, struct syn_manifest *m,
                               struct syn_err *err)
{
    static const char *const keys[] = {"name",   "file",    "data", "picture",
                                       "inputs", "outputs", "cuts", "taps"};
    struct syn_variant *v = &m->variant[m->n_variants];
    char both[129];
    syn_status st;
    if ((st = syn_json_known(one, where, keys, COUNT(keys), err)) != SYN_OK) return st;
    if ((st = syn_json_text(one, where, "name", v->name, sizeof v->name, err)) != SYN_OK) return st;
    if (!word_plain(v->name))
        return syn_fail(err, SYN_INVALID, "%sname = '%s': must be of a-z, 0-9 and _", where,
                        v->name);
    if (syn_manifest_network(m, v->name))
        return syn_fail(err, SYN_INVALID, "%sname = '%s': listed twice", where, v->name);
    st = syn_manifest_pick(one, where, "file", files, v->graph_file, v->graph_sha256,
                           &v->graph_bytes, err);
    if (st != SYN_OK) return st;
    if (json_object_get(one, "data")) {
        st = syn_manifest_pick(one, where, "data", files, v->weights_file, v->weights_sha256,
                               &v->weights_bytes, err);
        if (st != SYN_OK) return st;
    }
    if ((st = read_picture(one, where, &v->picture, err)) != SYN_OK) return st;
    if ((st = read_ports(one, where, "inputs", false, false, m, err)) != SYN_OK) return st;
    if ((st = read_ports(one, where, "outputs", true, false, m, err)) != SYN_OK) return st;
    if ((st = read_ports(one, where, "cuts", false, true, m, err)) != SYN_OK) return st;
    if ((st = read_ports(one, where, "taps", true, true, m, err)) != SYN_OK) return st;
    v->scale = 1;
    v->noise = SYN_NOISE_NONE;
    snprintf(both, sizeof both, "%s%s", v->graph_sha256, v->weights_sha256);
    if ((st = syn_digest_bytes(both, strlen(both), v->digest, err)) != SYN_OK) return st;
    m->n_variants++;
    if (!v->picture.given && syn_manifest_tensor(m, v, false, "picture"))
        return syn_fail(err, SYN_INVALID, "%spicture is missing: the network has an input picture",
                        where);
    return SYN_OK;
}

/* --- assets and the whole --------------------------------------------------------------------- */

static syn_status read_assets(const json_t *root, const char *where,
                              struct syn_manifest_files *files, struct syn_manifest *m,
                              struct syn_err *err)
{
    const json_t *array = NULL;
    syn_status st;
    if (!json_object_get(root, "assets")) return SYN_OK;
    st = syn_json_array(root, where, "assets", 0, SYN_MAX_ASSETS, &array, err);
    if (st != SYN_OK) return st;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct syn_asset *a = &m->asset[i];
        json_t *holder = json_pack("{s:O}", "asset", json_array_get(array, i));
        char inner[WHERE_SIZE];
        if (!holder) return syn_fail(err, SYN_NO_MEMORY, "no memory for a manifest");
        snprintf(inner, sizeof inner, "%sassets[%zu].", where, i);
        st = syn_manifest_pick(holder, inner, "asset", files, a->name, a->sha256, &a->bytes, err);
        json_decref(holder);
        if (st != SYN_OK) return st;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(m->asset[k].name, a->name))
                return syn_fail(err, SYN_INVALID, "%sassets[%zu] = '%s': listed twice", where, i,
                                a->name);
        m->n_assets++;
    }
    return SYN_OK;
}

syn_status syn_manifest_read_onnx(const json_t *root, const char *where,
                                  struct syn_manifest_files *files, struct syn_manifest *m,
                                  struct syn_err *err)
{
    const json_t *array = NULL;
    char inner[WHERE_SIZE];
    syn_status st = syn_json_array(root, where, "networks", 1, SYN_MAX_VARIANTS, &array, err);
    if (st != SYN_OK) return st;
    for (size_t i = 0; i < json_array_size(array); i++) {
        snprintf(inner, sizeof inner, "%snetworks[%zu].", where, i);
        st = read_network(json_array_get(array, i), inner, files, m, err);
        if (st != SYN_OK) return st;
    }
    if ((st = read_assets(root, where, files, m, err)) != SYN_OK) return st;
    if ((st = syn_manifest_read_settings(root, where, m, err)) != SYN_OK) return st;
    for (size_t i = 0; i < files->n; i++)
        if (!files->file[i].used)
            return syn_fail(err, SYN_INVALID,
                            "%sfiles[%zu].name = '%s': no network uses it, nor is it an asset",
                            where, i, files->file[i].name);
    return syn_manifest_check_kind(where, m, err);
}

const struct syn_variant *syn_manifest_network(const struct syn_manifest *m, const char *name)
{
    for (int32_t i = 0; i < m->n_variants; i++)
        if (m->variant[i].name[0] && !strcmp(m->variant[i].name, name)) return &m->variant[i];
    return NULL;
}

const char *syn_manifest_tensor(const struct syn_manifest *m, const struct syn_variant *network,
                                bool output, const char *role)
{
    const struct syn_port *p = find_port(m, (int32_t)(network - m->variant), output, role);
    return p ? p->tensor : NULL;
}
