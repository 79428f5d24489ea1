/* manifest.c - model.json to struct syn_manifest; the members of ONNX models are in manifest_onnx.c
 * and manifest_kinds.c.
 *
 * model.json is written by hand, by `synthd models add` or by a fetch; it is hostile until
 * checked. proto/model.schema.json says the same as this reader: change both together.
 *
 * Layer:   server/models.
 * Threads: pure functions.
 * Ownership: everything is copied into *out. */
#include "server/models/manifest.h"
#include "kernels/base/alloc.h"
#include "server/models/digest.h"
#include "server/models/folder.h"
#include "server/models/json_members.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

_Static_assert(SYN_FILE_NAME_MAX < 128, "file names are kept in 128 bytes");

bool syn_model_id_valid(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    if (n == 0 || n >= SYN_MODEL_ID_SIZE || strstr(id, "..")) return false;
    if (strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
        return false;
    return id[0] != '.' && id[0] != '_' && id[0] != '-';
}

/* --- members ---------------------------------------------------------------------------------- */

static syn_status read_names(const json_t *root, const char *where, struct syn_manifest *m,
                             struct syn_err *err)
{
    static const char *const formats[] = {"ncnn", "onnx"};
    /* Terms of the digital source type vocabulary that the output of a model can have. */
    static const char *const terms[] = {
        "algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia",
        "trainedAlgorithmicMedia", "compositeSynthetic", "algorithmicMedia"};
    int64_t version = 0;
    size_t kind = 0, format = 0, term = 0;
    syn_status st;
    if ((st = syn_json_int(root, where, "manifest", false, 1, 1, &version, err)) != SYN_OK)
        return st;
    if ((st = syn_json_text(root, where, "id", m->id, sizeof m->id, err)) != SYN_OK) return st;
    if (!syn_model_id_valid(m->id))
        return syn_fail(err, SYN_INVALID,
                        "%sid = '%s': must match [A-Za-z0-9][A-Za-z0-9._-]* without '..'", where,
                        m->id);
    if ((st = syn_json_text(root, where, "title", m->title, sizeof m->title, err)) != SYN_OK)
        return st;
    if ((st = syn_json_text(root, where, "licence", m->licence, sizeof m->licence, err)) != SYN_OK)
        return st;
    if ((st = syn_json_text(root, where, "source", m->source, sizeof m->source, err)) != SYN_OK)
        return st;
    st = syn_json_text(root, where, "trained_on", m->trained_on, sizeof m->trained_on, err);
    if (st != SYN_OK) return st;
    st = syn_json_word(root, where, "kind", false, syn_manifest_kinds, syn_manifest_n_kinds, &kind,
                       err);
    if (st != SYN_OK) return st;
    st = syn_json_word(root, where, "format", false, formats, COUNT(formats), &format, err);
    if (st != SYN_OK) return st;
    st = syn_json_word(root, where, "label_term", false, terms, COUNT(terms), &term, err);
    if (st != SYN_OK) return st;
    strcpy(m->kind, syn_manifest_kinds[kind]);
    strcpy(m->format, formats[format]);
    strcpy(m->label_term, terms[term]);
    return SYN_OK;
}

/* {"scale": s, "offset": o}, both optional. */
static syn_status read_range(const json_t *root, const char *where, const char *key, float *scale,
                             float *offset, struct syn_err *err)
{
    static const char *const keys[] = {"scale", "offset"};
    const json_t *range = json_object_get(root, key);
    char inner[96];
    syn_status st;
    if (!range) return SYN_OK;
    if (!json_is_object(range))
        return syn_fail(err, SYN_INVALID, "%s%s: must be an object", where, key);
    snprintf(inner, sizeof inner, "%s%s.", where, key);
    if ((st = syn_json_known(range, inner, keys, COUNT(keys), err)) != SYN_OK) return st;
    if ((st = syn_json_number(range, inner, "scale", 1e6, scale, err)) != SYN_OK) return st;
    if ((st = syn_json_number(range, inner, "offset", 1e6, offset, err)) != SYN_OK) return st;
    if (*scale > -1e-6f && *scale < 1e-6f)
        return syn_fail(err, SYN_INVALID, "%sscale = %g: must be at least 1e-6 from zero", inner,
                        (double)*scale);
    return SYN_OK;
}

/* null or absent: SYN_NOISE_NONE. */
static syn_status read_noise(const json_t *object, const char *where, const char *key, int32_t *out,
                             struct syn_err *err)
{
    int64_t noise = SYN_NOISE_NONE;
    if (!json_is_null(json_object_get(object, key))) {
        syn_status st = syn_json_int(object, where, key, true, 0, 3, &noise, err);
        if (st != SYN_OK) return st;
    }
    *out = (int32_t)noise;
    return SYN_OK;
}

static syn_status read_processing(const json_t *root, const char *where, struct syn_manifest *m,
                                  struct syn_err *err)
{
    /* In the order of enum syn_edge. */
    static const char *const edges[] = {"zero", "replicate", "reflect"};
    size_t edge = SYN_EDGE_REPLICATE;
    int64_t halo = 0;
    syn_status st;
    m->in_scale = m->out_scale = 1;
    if ((st = read_range(root, where, "input", &m->in_scale, &m->in_offset, err)) != SYN_OK)
        return st;
    if ((st = read_range(root, where, "output", &m->out_scale, &m->out_offset, err)) != SYN_OK)
        return st;
    st = syn_json_word(root, where, "edge", true, edges, COUNT(edges), &edge, err);
    if (st != SYN_OK) return st;
    if ((st = syn_json_int(root, where, "halo", true, 0, 1024, &halo, err)) != SYN_OK) return st;
    if ((st = syn_json_flag(root, where, "pin_f32", &m->pin_f32, err)) != SYN_OK) return st;
    if ((st = read_noise(root, where, "default_noise", &m->default_noise, err)) != SYN_OK)
        return st;
    m->edge = (enum syn_edge)edge;
    m->halo = (int32_t)halo;
    return SYN_OK;
}

/* --- files and variants ----------------------------------------------------------------------- */

static struct syn_manifest_file *find_file(struct syn_manifest_files *files, const char *name)
{
    for (size_t i = 0; i < files->n; i++)
        if (!strcmp(files->file[i].name, name)) return &files->file[i];
    return NULL;
}

static syn_status read_files(const json_t *root, const char *where,
                             struct syn_manifest_files *files, struct syn_err *err)
{
    static const char *const keys[] = {"name", "bytes", "sha256"};
    const json_t *array = NULL;
    syn_status st = syn_json_array(root, where, "files", 1, SYN_MAX_FILES, &array, err);
    if (st != SYN_OK) return st;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *one = json_array_get(array, i);
        struct syn_manifest_file *f = &files->file[i];
        int64_t bytes = 0;
        char inner[96];
        snprintf(inner, sizeof inner, "%sfiles[%zu].", where, i);
        if ((st = syn_json_known(one, inner, keys, COUNT(keys), err)) != SYN_OK) return st;
        if ((st = syn_json_text(one, inner, "name", f->name, sizeof f->name, err)) != SYN_OK)
            return st;
        if (!syn_name_plain(f->name) || !strcmp(f->name, SYN_MANIFEST_FILE))
            return syn_fail(err, SYN_INVALID,
                            "%sname = '%s': must be a plain file name of the model's folder", inner,
                            f->name);
        if (find_file(files, f->name))
            return syn_fail(err, SYN_INVALID, "%sname = '%s': listed twice", inner, f->name);
        st =
            syn_json_int(one, inner, "bytes", false, 1, (int64_t)SYN_MODEL_FILE_LIMIT, &bytes, err);
        if (st != SYN_OK) return st;
        if ((st = syn_json_sha256(one, inner, "sha256", f->sha256, err)) != SYN_OK) return st;
        f->bytes = (uint64_t)bytes;
        files->n = i + 1;
    }
    return SYN_OK;
}

syn_status syn_manifest_pick(const json_t *object, const char *where, const char *key,
                             struct syn_manifest_files *files, char name[128], char sha256[65],
                             uint64_t *bytes, struct syn_err *err)
{
    struct syn_manifest_file *f;
    syn_status st = syn_json_text(object, where, key, name, 128, err);
    if (st != SYN_OK) return st;
    f = find_file(files, name);
    if (!f) return syn_fail(err, SYN_INVALID, "%s%s = '%s': not among files", where, key, name);
    f->used = true;
    memcpy(sha256, f->sha256, 65);
    *bytes = f->bytes;
    return SYN_OK;
}

static syn_status read_variant(const json_t *one, const char *where,
                               struct syn_manifest_files *files, struct syn_variant *v,
                               struct syn_err *err)
{
    static const char *const keys[] = {"scale", "noise", "graph", "weights", "adds_input"};
    char both[129];
    int64_t scale = 0;
    syn_status st;
    if ((st = syn_json_known(one, where, keys, COUNT(keys), err)) != SYN_OK) return st;
    if ((st = syn_json_int(one, where, "scale", false, 1, 4, &scale, err)) != SYN_OK) return st;
    if ((st = read_noise(one, where, "noise", &v->noise, err)) != SYN_OK) return st;
    if ((st = syn_json_flag(one, where, "adds_input", &v->adds_input, err)) != SYN_OK) return st;
    st = syn_manifest_pick(one, where, "graph", files, v->graph_file, v->graph_sha256,
                           &v->graph_bytes, err);
    if (st != SYN_OK) return st;
    st = syn_manifest_pick(one, where, "weights", files, v->weights_file, v->weights_sha256,
                           &v->weights_bytes, err);
    if (st != SYN_OK) return st;
    v->scale = (int32_t)scale;
    memcpy(both, v->graph_sha256, 64);
    memcpy(both + 64, v->weights_sha256, 65);
    return syn_digest_bytes(both, 128, v->digest, err);
}

static syn_status read_variants(const json_t *root, const char *where,
                                struct syn_manifest_files *files, struct syn_manifest *m,
                                struct syn_err *err)
{
    const json_t *array = NULL;
    bool has_default = false;
    syn_status st = syn_json_array(root, where, "variants", 1, SYN_MAX_VARIANTS, &array, err);
    if (st != SYN_OK) return st;
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct syn_variant *v = &m->variant[i];
        char inner[96];
        snprintf(inner, sizeof inner, "%svariants[%zu].", where, i);
        st = read_variant(json_array_get(array, i), inner, files, v, err);
        if (st != SYN_OK) return st;
        for (size_t k = 0; k < i; k++)
            if (m->variant[k].scale == v->scale && m->variant[k].noise == v->noise)
                return syn_fail(err, SYN_INVALID,
                                "%sscale: variants[%zu] has the same scale and noise", inner, k);
        has_default = has_default || v->noise == m->default_noise;
    }
    m->n_variants = (int32_t)json_array_size(array);
    if (!has_default)
        return syn_fail(err, SYN_INVALID, "%sdefault_noise: no variant has this noise level",
                        where);
    for (size_t i = 0; i < files->n; i++)
        if (!files->file[i].used)
            return syn_fail(err, SYN_INVALID, "%sfiles[%zu].name = '%s': no variant uses it", where,
                            i, files->file[i].name);
    return SYN_OK;
}

/* --- whole manifests -------------------------------------------------------------------------- */

/* Members that belong to the other format. */
static syn_status check_format(const json_t *root, const char *where, const struct syn_manifest *m,
                               struct syn_err *err)
{
    static const struct {
        const char *format, *key;
    } owned[] = {{"ncnn", "variants"}, {"ncnn", "input"},    {"ncnn", "output"},
                 {"ncnn", "edge"},     {"ncnn", "halo"},     {"ncnn", "default_noise"},
                 {"onnx", "networks"}, {"onnx", "settings"}, {"onnx", "assets"}};
    bool upscales = !strcmp(m->kind, "upscale");
    for (size_t i = 0; i < COUNT(owned); i++)
        if (json_object_get(root, owned[i].key) && strcmp(owned[i].format, m->format))
            return syn_fail(err, SYN_INVALID, "%s%s: not with format %s", where, owned[i].key,
                            m->format);
    if (upscales != !strcmp(m->format, "ncnn"))
        return syn_fail(err, SYN_INVALID, "%sformat = '%s': kind %s takes %s", where, m->format,
                        m->kind, upscales ? "ncnn" : "onnx");
    return SYN_OK;
}

/* m->digest: over everything that has a say in the results, so files, constants and tensors' names,
 * but not over what is said for people. */
static syn_status digest_all(const json_t *root, struct syn_manifest *m, struct syn_err *err)
{
    static const char *const spoken[] = {"id",     "title",      "licence",
                                         "source", "trained_on", "label_term"};
    json_t *rest = json_copy((json_t *)(uintptr_t)root);
    char *text = NULL;
    syn_status st;
    for (size_t i = 0; rest && i < COUNT(spoken); i++) json_object_del(rest, spoken[i]);
    if (rest) text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    st = text ? syn_digest_bytes(text, strlen(text), m->digest, err)
              : syn_fail(err, SYN_NO_MEMORY, "no memory for a manifest");
    free(text); /* jansson's allocator */
    json_decref(rest);
    return st;
}

syn_status syn_manifest_from_json(const json_t *root, const char *where, struct syn_manifest *out,
                                  struct syn_err *err)
{
    static const char *const keys[] = {
        "manifest",   "id",         "title",         "kind",     "format", "licence", "source",
        "trained_on", "label_term", "files",         "variants", "input",  "output",  "edge",
        "halo",       "pin_f32",    "default_noise", "networks", "assets", "settings"};
    struct syn_manifest *m = syn_calloc(1, sizeof *m);
    struct syn_manifest_files *files = syn_calloc(1, sizeof *files);
    syn_status st;
    if (!m || !files) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory for a manifest");
        goto done;
    }
    if ((st = syn_json_known(root, where, keys, COUNT(keys), err)) != SYN_OK) goto done;
    if ((st = read_names(root, where, m, err)) != SYN_OK) goto done;
    if ((st = check_format(root, where, m, err)) != SYN_OK) goto done;
    if ((st = read_processing(root, where, m, err)) != SYN_OK) goto done;
    if ((st = read_files(root, where, files, err)) != SYN_OK) goto done;
    st = !strcmp(m->format, "ncnn") ? read_variants(root, where, files, m, err)
                                    : syn_manifest_read_onnx(root, where, files, m, err);
    if (st != SYN_OK) goto done;
    if ((st = digest_all(root, m, err)) != SYN_OK) goto done;
    *out = *m;
done:
    syn_free(files);
    syn_free(m);
    return st;
}

syn_status syn_manifest_parse(const char *text, size_t n, struct syn_manifest *out,
                              struct syn_err *err)
{
    json_error_t where;
    json_t *root;
    syn_status st;
    if (n > SYN_MANIFEST_LIMIT)
        return syn_fail(err, SYN_TOO_LARGE, SYN_MANIFEST_FILE " has %zu bytes: at most %zu", n,
                        SYN_MANIFEST_LIMIT);
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
    if (!root) {
        const char *mistake = syn_content_mistake((const uint8_t *)text, n);
        if (mistake) return syn_fail(err, SYN_INVALID, SYN_MANIFEST_FILE " is %s", mistake);
        return syn_fail(err, SYN_INVALID, SYN_MANIFEST_FILE " line %d: %s", where.line, where.text);
    }
    st = syn_manifest_from_json(root, "", out, err);
    json_decref(root);
    return st == SYN_OK ? st : syn_fail_in(err, st, SYN_MANIFEST_FILE ": ");
}

syn_status syn_manifest_read_at(int dir, const char *const *roots, struct syn_manifest *out,
                                struct syn_err *err)
{
    char *text = NULL;
    size_t n = 0;
    syn_status st =
        syn_folder_read(dir, SYN_MANIFEST_FILE, roots, SYN_MANIFEST_LIMIT, &text, &n, err);
    if (st != SYN_OK) return st;
    st = syn_manifest_parse(text, n, out, err);
    syn_free(text);
    return st;
}

syn_status syn_manifest_read(const char *folder, struct syn_manifest *out, struct syn_err *err)
{
    int dir = -1;
    syn_status st = syn_folder_open(folder, &dir, err);
    if (st != SYN_OK) return st;
    st = syn_manifest_read_at(dir, NULL, out, err);
    close(dir);
    return st;
}

const struct syn_variant *syn_manifest_variant(const struct syn_manifest *m, int32_t scale,
                                               int32_t noise)
{
    const struct syn_variant *best = NULL;
    for (int32_t i = 0; i < m->n_variants; i++) {
        const struct syn_variant *v = &m->variant[i];
        if (v->noise != noise || (scale != 0 && v->scale != scale)) continue;
        if (!best || v->scale > best->scale) best = v;
    }
    return best;
}
