/* test_models_manifest.c - model.json and the files beside it: each member wrong, hostile names,
 * files that are not what they should be.
 *
 * Layer:   tests. */
#include "tests/json_schema.h"
#include "tests/model_fixture.h"

#define H64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char base[] =
    "{\"manifest\": 1, \"id\": \"toy\", \"title\": \"Toy\", \"kind\": \"upscale\", \"format\": "
    "\"ncnn\","
    " \"licence\": \"MIT\", \"source\": \"tests\", \"trained_on\": \"nothing\", \"label_term\": "
    "\"algorithmicMedia\","
    " \"edge\": \"reflect\", \"halo\": 12, \"pin_f32\": true, \"default_noise\": 1,"
    " \"input\": {\"scale\": 2.5, \"offset\": -1}, \"output\": {\"scale\": 0.5, \"offset\": 0.25},"
    " \"files\": [{\"name\": \"a.param\", \"bytes\": 10, \"sha256\": \"" H64 "\"},"
    " {\"name\": \"a.bin\", \"bytes\": 20, \"sha256\": \"" H64 "\"}],"
    " \"variants\": [{\"scale\": 2, \"noise\": 1, \"graph\": \"a.param\", \"weights\": \"a.bin\", "
    "\"adds_input\": true},"
    " {\"scale\": 4, \"noise\": null, \"graph\": \"a.param\", \"weights\": \"a.bin\"},"
    " {\"scale\": 2, \"graph\": \"a.param\", \"weights\": \"a.bin\"}]}";

/* A model of two ONNX networks with every member. */
static const char two_nets[] =
    "{\"manifest\": 1, \"id\": \"any_Style-2\", \"title\": \"Toy\", \"kind\": \"stylize\","
    " \"format\": \"onnx\", \"licence\": \"MIT\", \"source\": \"tests\", \"trained_on\": "
    "\"nothing\","
    " \"label_term\": \"algorithmicMedia\", \"pin_f32\": true,"
    " \"files\": [{\"name\": \"p.onnx\", \"bytes\": 10, \"sha256\": \"" H64 "\"},"
    " {\"name\": \"t.onnx\", \"bytes\": 20, \"sha256\": \"" H64 "\"},"
    " {\"name\": \"t.data\", \"bytes\": 30, \"sha256\": \"" H64 "\"},"
    " {\"name\": \"notes.ini\", \"bytes\": 40, \"sha256\": \"" H64 "\"}],"
    " \"assets\": [\"notes.ini\"], \"settings\": {\"styles\": 26},"
    " \"networks\": [{\"name\": \"predict\", \"file\": \"p.onnx\","
    " \"picture\": {\"layout\": \"nhwc\", \"order\": \"bgr\", \"mean\": [0.5, 0.25, 0],"
    " \"scale\": 2, \"side\": 256}, \"inputs\": {\"picture\": \"in:0\"},"
    " \"outputs\": {\"style\": \"a/b\"}},"
    " {\"name\": \"transform\", \"file\": \"t.onnx\", \"data\": \"t.data\","
    " \"picture\": {\"layout\": \"nchw\", \"multiple\": 4, \"min_side\": 32},"
    " \"inputs\": {\"picture\": \"x\"}, \"cuts\": {\"style\": \"/in/side\"},"
    " \"outputs\": {\"picture\": \"y\"}, \"taps\": {\"state\": \"/gru\"}}]}";

/* `of` with `from` (must be in it) replaced by `to`. */
static char *changed_in(const char *of, const char *from, const char *to)
{
    const char *at = strstr(of, from);
    char *text = t_alloc(strlen(of) + strlen(to) + 1);
    fx_need(at != NULL, from);
    sprintf(text, "%.*s%s%s", (int)(at - of), of, to, at + strlen(from));
    return text;
}

static void test_members(void)
{
    struct syn_manifest m;
    struct syn_err err = {""};
    syn_status st = syn_manifest_parse(base, strlen(base), &m, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    if (st != SYN_OK) return;
    T_CHECK(!strcmp(m.id, "toy") && !strcmp(m.kind, "upscale") && !strcmp(m.format, "ncnn"), "%s",
            m.id);
    T_CHECK(m.edge == SYN_EDGE_REFLECT && m.halo == 12 && m.pin_f32 && m.default_noise == 1, "%d",
            m.halo);
    T_CHECK(m.in_scale == 2.5f && m.in_offset == -1 && m.out_scale == 0.5f && m.out_offset == 0.25f,
            "%g", (double)m.in_scale);
    T_CHECK(m.n_variants == 3 && m.variant[0].adds_input && !m.variant[1].adds_input, "%d",
            m.n_variants);
    T_CHECK(m.variant[0].graph_bytes == 10 && m.variant[0].weights_bytes == 20, "sizes");
    /* sha256 of H64 twice, as sha256sum gives it. */
    T_CHECK(!strcmp(m.variant[0].digest,
                    "b320e85978db05134003a2914eebddd8d3b8726818f2e2c679e1898c721562a9"),
            "%s", m.variant[0].digest);
    T_CHECK(syn_manifest_variant(&m, 0, SYN_NOISE_NONE) == &m.variant[1], "largest");
    T_CHECK(syn_manifest_variant(&m, 2, SYN_NOISE_NONE) == &m.variant[2], "two");
    T_CHECK(syn_manifest_variant(&m, 0, 1) == &m.variant[0], "noise 1");
    m.variant[1].scale = 1; /* now the largest comes after a smaller one */
    T_CHECK(syn_manifest_variant(&m, 0, SYN_NOISE_NONE) == &m.variant[2], "largest");
    T_CHECK(!syn_manifest_variant(&m, 3, 1) && !syn_manifest_variant(&m, 0, 2), "none");
}

struct wrong {
    const char *from, *to, *word; /* word: must be in the message */
};

/* Refused by the schema too. */
static const struct wrong wrongs[] = {
    {"\"manifest\": 1", "\"manifest\": 2", "manifest = 2"},
    {"\"manifest\": 1, ", "", "manifest is missing"},
    {"\"manifest\": 1", "\"manifest\": \"1\"", "manifest is text"},
    {"\"id\": \"toy\"", "\"id\": \"../toy\"", "id = '../toy'"},
    {"\"id\": \"toy\"", "\"id\": \"a/b\"", "id = 'a/b'"},
    {"\"id\": \"toy\"", "\"id\": \"t\u00f6y\"", "id = 't"},
    {"\"id\": \"toy\"", "\"id\": \".toy\"", "id = '.toy'"},
    {"\"id\": \"toy\"", "\"id\": \"a..b\"", "id = 'a..b'"},
    {"\"id\": \"toy\"", "\"id\": \"\"", "id has 0 bytes"},
    {"\"id\": \"toy\"", "\"id\": \"" H64 "\"", "id has 64 bytes"},
    {"\"id\": \"toy\"", "\"id\": 7", "id is a whole number"},
    {"\"title\": \"Toy\"", "\"title\": \"a\\nb\"", "title holds a control character"},
    {"\"title\": \"Toy\", ", "", "title is missing"},
    {"\"kind\": \"upscale\"", "\"kind\": \"paint\"", "kind = 'paint': must be one of upscale"},
    {"\"format\": \"ncnn\"", "\"format\": \"onnx\"", "variants: not with format onnx"},
    {"\"kind\": \"upscale\"", "\"kind\": \"tensor\"", "format = 'ncnn': kind tensor takes onnx"},
    {"\"edge\"", "\"assets\": [], \"edge\"", "assets: not with format ncnn"},
    {"\"edge\"", "\"settings\": {}, \"edge\"", "settings: not with format ncnn"},
    {"\"edge\"", "\"networks\": [], \"edge\"", "networks: not with format ncnn"},
    {"\"format\": \"ncnn\"", "\"format\": \"pickle\"", "format = 'pickle': must be one of ncnn"},
    {"\"licence\": \"MIT\"", "\"licence\": null", "licence is null"},
    {"\"source\": \"tests\"", "\"source\": []", "source is an array"},
    {"\"trained_on\": \"nothing\", ", "", "trained_on is missing"},
    {"\"algorithmicMedia\"", "\"digitalCapture\"", "label_term = 'digitalCapture'"},
    {"\"reflect\"", "\"wrap\"", "edge = 'wrap': must be one of zero, replicate, reflect"},
    {"\"halo\": 12", "\"halo\": -1", "halo = -1: must be in [0, 1024]"},
    {"\"halo\": 12", "\"halo\": 4294967308", "halo = 4294967308"},
    {"\"halo\": 12", "\"halo\": 1.5", "halo is a fraction"},
    {"\"pin_f32\": true", "\"pin_f32\": 1", "pin_f32 is a whole number"},
    {"\"default_noise\": 1", "\"default_noise\": 4", "default_noise = 4"},
    {"{\"scale\": 2.5", "{\"scale\": 0", "input.scale = 0"},
    {"{\"scale\": 2.5", "{\"scale\": 1e300", "input.scale = 1e+300"},
    {"{\"scale\": 0.5", "{\"gain\": 0.5", "output.gain: no such member"},
    {"{\"scale\": 2.5, \"offset\": -1}", "3", "input: must be an object"},
    {"\"bytes\": 20", "\"bytes\": 0", "files[1].bytes = 0"},
    {"\"bytes\": 20", "\"bytes\": 99999999999999", "files[1].bytes = 99999999999999"},
    {"\"a.bin\", \"bytes\"", "\"model.json\", \"bytes\"", "files[1].name = 'model.json'"},
    {"\"a.bin\", \"bytes\"", "\"../a.bin\", \"bytes\"", "files[1].name = '../a.bin'"},
    {"\"a.bin\", \"bytes\"", "\"/etc/passwd\", \"bytes\"", "files[1].name = '/etc/passwd'"},
    {"\"a.bin\", \"bytes\"", "\"..\\\\a.bin\", \"bytes\"", "files[1].name = '..\\a.bin'"},
    {"\"a.bin\", \"bytes\"", "\"..%2fa.bin\", \"bytes\"", "files[1].name = '..%2fa.bin'"},
    {"\"a.bin\", \"bytes\"", "\".a.bin\", \"bytes\"", "files[1].name = '.a.bin'"},
    {"\"a.bin\", \"bytes\"", "\"" H64 H64 H64 H64 H64 "\", \"bytes\"",
     "files[1].name has 320 bytes"},
    {"\"sha256\": \"" H64 "\"}]", "\"sha256\": \"xyz\"}]", "files[1].sha256 = 'xyz'"},
    {"\"sha256\": \"" H64 "\"}]", "\"sha256\": 5}]", "files[1].sha256 is a whole number"},
    {"\"scale\": 4", "\"scale\": 5", "variants[1].scale = 5: must be in [1, 4]"},
    {"\"scale\": 4", "\"size\": 4", "variants[1].size: no such member"},
    {"\"noise\": 1, \"graph\"", "\"noise\": 9, \"graph\"", "variants[0].noise = 9"},
    {"\"graph\": \"a.param\", \"weights\": \"a.bin\"}]", "\"graph\": \"a.param\"}]",
     "variants[2].weights is missing"},
    {"\"adds_input\": true", "\"adds_input\": \"yes\"", "variants[0].adds_input is text"},
    {"\"edge\"", "\"ege\"", "ege: no such member"},
};

/* Rules that a schema cannot state. */
static const struct wrong beyond_schema[] = {
    {"\"default_noise\": 1", "\"default_noise\": 3", "default_noise: no variant"},
    {"\"bytes\": 20", "\"bytes\": 99999999999999999999999", "integer"},
    {"\"a.bin\", \"bytes\"", "\"a.param\", \"bytes\"", "files[1].name = 'a.param': listed twice"},
    {"\"a.bin\", \"bytes\"", "\"a\\u0000.bin\", \"bytes\"", "model.json line"},
    {"\"scale\": 4", "\"scale\": 2", "variants[2].scale: variants[1] has the same"},
    {"\"noise\": null, \"graph\": \"a.param\"", "\"graph\": \"b.param\"",
     "variants[1].graph = 'b.param': not among files"},
    {"\"title\": \"Toy\"", "\"title\": \"Toy\", \"title\": \"Toy\"", "duplicate"},
    {"{\"name\": \"a.bin\"",
     "{\"name\": \"unused\", \"bytes\": 1, \"sha256\": \"" H64 "\"}, {\"name\": \"a.bin\"",
     "files[1].name = 'unused': no variant uses it"},
    {"]}", "]", "model.json line"},
};

static const struct wrong onnx_wrongs[] = {
    {"\"kind\": \"stylize\"", "\"kind\": \"upscale\"", "format = 'onnx': kind upscale takes ncnn"},
    {"\"format\": \"onnx\"", "\"format\": \"ncnn\"", "networks: not with format ncnn"},
    {"\"pin_f32\": true", "\"halo\": 0", "halo: not with format onnx"},
    {"\"pin_f32\": true", "\"input\": {}", "input: not with format onnx"},
    {"\"networks\"", "\"nets\"", "nets: no such member"},
    {"\"name\": \"predict\"", "\"name\": \"Predict\"", "networks[0].name = 'Predict'"},
    {"\"name\": \"predict\", ", "", "networks[0].name is missing"},
    {"\"name\": \"predict\"", "\"name\": \"" H64 "\"", "networks[0].name has 64 bytes"},
    {"\"file\": \"p.onnx\"", "\"file\": 7", "networks[0].file is a whole number"},
    {"\"data\": \"t.data\"", "\"data\": \"../t.data\"", "networks[1].data = '../t.data'"},
    {"\"nhwc\"", "\"nwhc\"", "networks[0].picture.layout = 'nwhc'"},
    {"\"layout\": \"nhwc\", ", "", "networks[0].picture.layout is missing"},
    {"\"bgr\"", "\"grb\"", "networks[0].picture.order = 'grb'"},
    {"[0.5, 0.25, 0]", "[0.5, 0.25]", "networks[0].picture.mean has 2 elements"},
    {"[0.5, 0.25, 0]", "[0.5, \"x\", 0]", "networks[0].picture.mean: must be a number or three"},
    {"\"scale\": 2", "\"scale\": 1e9", "networks[0].picture.scale = 1e+09"},
    {"\"side\": 256", "\"side\": -1", "networks[0].picture.side = -1"},
    {"\"multiple\": 4", "\"multiple\": 0", "networks[1].picture.multiple = 0"},
    {"\"min_side\": 32", "\"min_side\": 99999", "networks[1].picture.min_side = 99999"},
    {"\"min_side\"", "\"minside\"", "networks[1].picture.minside: no such member"},
    {"{\"picture\": \"in:0\"}", "[]", "networks[0].inputs: must be an object"},
    {"{\"state\": \"/gru\"}", "7", "networks[1].taps: must be an object"},
    {"\"styles\": 26", "\"styles\": 0", "settings.styles = 0: must be in [1, 1024]"},
    {"\"styles\": 26", "\"styles\": \"26\"", "settings.styles: must be a number"},
    {"\"styles\": 26", "\"stiles\": 26", "settings.stiles: kind stylize has no such setting"},
    {"{\"styles\": 26}", "[26]", "settings: must be an object"},
    {"\"assets\": [\"notes.ini\"]", "\"assets\": \"notes.ini\"", "assets is text"},
};

static const struct wrong onnx_beyond[] = {
    {"\"name\": \"transform\"", "\"name\": \"predict\"",
     "networks[1].name = 'predict': listed twice"},
    {"\"file\": \"p.onnx\"", "\"file\": \"q.onnx\"",
     "networks[0].file = 'q.onnx': not among files"},
    {", \"data\": \"t.data\"", "", "files[2].name = 't.data': no network uses it"},
    {"[\"notes.ini\"]", "[]", "files[3].name = 'notes.ini': no network uses it"},
    {"[\"notes.ini\"]", "[\"notes.ini\", \"notes.ini\"]", "assets[1] = 'notes.ini': listed twice"},
    {"[\"notes.ini\"]", "[\"other.ini\"]", "assets[0].asset = 'other.ini': not among files"},
    {"{\"picture\": \"in:0\"}", "{\"Picture\": \"in:0\"}",
     "networks[0].inputs.Picture: a role must"},
    {"{\"picture\": \"in:0\"}", "{\"picture\": 3}", "networks[0].inputs.picture is a whole number"},
    {"{\"style\": \"a/b\"}", "{}", "a network 'predict' whose outputs name the tensor of 'style'"},
    {"{\"style\": \"/in/side\"}", "{\"picture\": \"/in/side\"}",
     "networks[1].cuts.picture: this network has that role already"},
    {"{\"state\": \"/gru\"}", "{\"picture\": \"/gru\"}",
     "networks[1].taps.picture: this network has that role already"},
    {"\"styles\": 26", "\"rate\": 48000", "settings.rate: kind stylize has no such setting"},
    {"\"styles\": 26", "\"styles\": 2.5", "settings.styles = 2.5: must be a whole number"},
    {"\"scale\": 2", "\"scale\": [1, 0, 1]", "networks[0].picture.scale = 0"},
    {", \"picture\": {\"layout\": \"nchw\", \"multiple\": 4, \"min_side\": 32},"
     " \"inputs\"",
     ", \"inputs\"", "networks[1].picture is missing"},
    {"\"kind\": \"stylize\"", "\"kind\": \"matte\"", "settings.styles: kind matte has no such"},
};

/* By proto/model.schema.json; why[300] says what it refused. Text that is no JSON is refused. */
static bool schema_accepts(const char *text, char *why)
{
    json_t *schema = json_load_file("proto/model.schema.json", JSON_REJECT_DUPLICATES, NULL);
    json_t *value = json_loads(text, 0, NULL);
    struct js_check check = {.root = schema};
    bool fine;
    fx_need(schema != NULL, "proto/model.schema.json");
    fine = value && js_valid(&check, schema, value, "");
    snprintf(why, 300, "%s", check.why);
    json_decref(value);
    json_decref(schema);
    return fine;
}

/* The shipped manifests, and the one with every member. */
static void test_schema(void)
{
    struct syn_catalog *c = NULL;
    struct syn_err err = {""};
    char why[300];
    fx_need(syn_catalog_open(NULL, &c, &err) == SYN_OK, err.text);
    T_CHECK(schema_accepts(base, why), "%s", why);
    T_CHECK(schema_accepts(two_nets, why), "%s", why);
    T_CHECK(c->n_models > 0, "the catalog is empty");
    for (size_t i = 0; i < c->n_models; i++) {
        char *text = json_dumps(c->model[i].json, 0);
        T_CHECK(schema_accepts(text, why), "%s: %s", c->model[i].manifest.id, why);
        free(text);
    }
    syn_catalog_close(c);
}

static void expect_refused(const char *of, const struct wrong *w, bool by_schema)
{
    char *text = changed_in(of, w->from, w->to), why[300];
    struct syn_manifest m;
    struct syn_err err = {""};
    syn_status st;
    memset(&m, 0x5a, sizeof m);
    st = syn_manifest_parse(text, strlen(text), &m, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, w->word), "%s -> %s: want '%s', got '%s'",
            w->from, w->to, w->word, err.text);
    T_CHECK(m.id[0] == 0x5a && m.n_variants == 0x5a5a5a5a, "out touched by %s", w->to);
    if (by_schema) T_CHECK(!schema_accepts(text, why), "the schema lets %s pass", w->to);
    free(text);
}

static void test_each_member_wrong(void)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        expect_refused(base, &wrongs[i], true);
    for (size_t i = 0; i < sizeof beyond_schema / sizeof *beyond_schema; i++)
        expect_refused(base, &beyond_schema[i], false);
    for (size_t i = 0; i < sizeof onnx_wrongs / sizeof *onnx_wrongs; i++)
        expect_refused(two_nets, &onnx_wrongs[i], true);
    for (size_t i = 0; i < sizeof onnx_beyond / sizeof *onnx_beyond; i++)
        expect_refused(two_nets, &onnx_beyond[i], false);
}

static void test_onnx_members(void)
{
    const struct syn_variant *p, *t;
    struct syn_manifest m;
    struct syn_err err = {""};
    syn_status st = syn_manifest_parse(two_nets, strlen(two_nets), &m, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    if (st != SYN_OK) return;
    T_CHECK(!strcmp(m.id, "any_Style-2") && !strcmp(m.format, "onnx") && m.pin_f32, "%s", m.id);
    p = syn_manifest_network(&m, "predict");
    t = syn_manifest_network(&m, "transform");
    T_CHECK(m.n_variants == 2 && p == &m.variant[0] && t == &m.variant[1], "%d", m.n_variants);
    T_CHECK(!syn_manifest_network(&m, "") && !syn_manifest_network(&m, "p.onnx"), "none");
    T_CHECK(!strcmp(p->graph_file, "p.onnx") && !p->weights_file[0] && p->weights_bytes == 0, "%s",
            p->weights_file);
    T_CHECK(!strcmp(t->weights_file, "t.data") && t->graph_bytes == 20 && t->weights_bytes == 30,
            "%s", t->weights_file);
    T_CHECK(p->picture.given && p->picture.nhwc && p->picture.bgr && p->picture.side == 256 &&
                p->picture.multiple == 1,
            "%d", p->picture.side);
    T_CHECK(p->picture.mean[0] == 0.5f && p->picture.mean[1] == 0.25f && p->picture.mean[2] == 0 &&
                p->picture.scale[2] == 2,
            "%g", (double)p->picture.mean[0]);
    T_CHECK(!t->picture.nhwc && !t->picture.bgr && t->picture.side == 0 &&
                t->picture.multiple == 4 && t->picture.min_side == 32 && t->picture.scale[0] == 1,
            "%d", t->picture.multiple);
    T_CHECK(!strcmp(syn_manifest_tensor(&m, p, false, "picture"), "in:0") &&
                !strcmp(syn_manifest_tensor(&m, p, true, "style"), "a/b") &&
                !strcmp(syn_manifest_tensor(&m, t, true, "picture"), "y") && m.n_ports == 6,
            "%d ports", m.n_ports);
    T_CHECK(!strcmp(syn_manifest_tensor(&m, t, false, "style"), "/in/side") &&
                !strcmp(syn_manifest_tensor(&m, t, true, "state"), "/gru"),
            "inner values");
    for (int32_t i = 0; i < m.n_ports; i++)
        T_CHECK(m.port[i].inner == (m.port[i].tensor[0] == '/'), "%s", m.port[i].tensor);
    T_CHECK(!syn_manifest_tensor(&m, p, true, "picture") &&
                !syn_manifest_tensor(&m, t, false, "weights"),
            "none");
    T_CHECK(m.n_assets == 1 && !strcmp(m.asset[0].name, "notes.ini") && m.asset[0].bytes == 40,
            "%d assets", m.n_assets);
    T_CHECK(syn_manifest_setting(&m, "styles", 1) == 26 &&
                syn_manifest_setting(&m, "rate", -7) == -7,
            "settings");
}

/* A40: a changed constant is another version; what is said for people is not. */
static void test_A40_version(void)
{
    static const struct {
        const char *from, *to;
        bool same;
    } cases[] = {
        {"[0.5, 0.25, 0]", "[0.5, 0.26, 0]", false},
        {"\"bgr\"", "\"rgb\"", false},
        {"\"in:0\"", "\"in:1\"", false},
        {"\"styles\": 26", "\"styles\": 25", false},
        {"\"bytes\": 20", "\"bytes\": 21", false},
        {"\"Toy\"", "\"Other\"", true},
        {"\"tests\"", "\"elsewhere\"", true},
        {"\"any_Style-2\"", "\"x\"", true},
    };
    struct syn_manifest m, other;
    fx_need(syn_manifest_parse(two_nets, strlen(two_nets), &m, NULL) == SYN_OK, "parse");
    T_CHECK(strlen(m.digest) == 64, "%s", m.digest);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = changed_in(two_nets, cases[i].from, cases[i].to);
        fx_need(syn_manifest_parse(text, strlen(text), &other, NULL) == SYN_OK, text);
        T_CHECK(!strcmp(m.digest, other.digest) == cases[i].same, "%s: %s", cases[i].to,
                other.digest);
        free(text);
    }
}

static void test_whole_text_wrong(void)
{
    static const char *const texts[] = {
        "", "[]", "7", "null", "{", "<!DOCTYPE html><html>", "{\"id\": \"x\"} trailing"};
    struct syn_manifest m;
    struct syn_err err;
    size_t n = SYN_MANIFEST_LIMIT + 1;
    char *big = t_alloc(n);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        err.text[0] = '\0';
        T_CHECK(syn_manifest_parse(texts[i], strlen(texts[i]), &m, &err) == SYN_INVALID &&
                    err.text[0],
                "'%s': %s", texts[i], err.text);
    }
    memset(big, ' ', n);
    T_CHECK(syn_manifest_parse(big, n, &m, &err) == SYN_TOO_LARGE, "%s", err.text);
    memset(big, '[', n); /* depth */
    T_CHECK(syn_manifest_parse(big, n - 1, &m, &err) == SYN_INVALID, "%s", err.text);
    free(big);
}

static void test_each_allocation_fails(void)
{
    const char *const texts[] = {base, two_nets};
    for (size_t i = 0; i < 2; i++) {
        struct syn_manifest m;
        long n = 1;
        syn_status st = SYN_NO_MEMORY;
        for (; st == SYN_NO_MEMORY && n < 50; n++) {
            syn_alloc_fail_at(n);
            st = syn_manifest_parse(texts[i], strlen(texts[i]), &m, NULL);
            syn_alloc_fail_at(0);
        }
        T_CHECK(st == SYN_OK && n > 2, "ends with %s after %ld", syn_status_word(st), n);
    }
}

/* Reads folder/model.json; the status, and the text in err. */
static syn_status read_and_verify(const char *folder, struct syn_err *err)
{
    struct syn_manifest *m = t_alloc(sizeof *m);
    syn_status st = syn_manifest_read(folder, m, err);
    if (st == SYN_OK) st = syn_manifest_verify(folder, m, err);
    free(m);
    return st;
}

/* G13: what lies in the place of weights is named. */
static void test_G13_misnamed_files(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *word;
    } cases[] = {
        {"", 0, "a.bin is empty"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", 60,
         "a.bin is a Git LFS pointer"},
        {"<!DOCTYPE html><html><body>404</body></html>", 44, "a.bin is an HTML or XML page"},
        {"\n\n  <HTML><head>", 16, "a.bin is an HTML or XML page"},
        {"PK\3\4xxxxxxxxxxxx", 16, "a.bin is a zip archive"},
        {"\x80\2}q\0.", 6, "a.bin is a Python pickle"},
        {"\x1f\x8b\x08\0\0\0\0\0", 8, "a.bin is a gzip archive"},
        {"\x40\0\0\0\0\0\0\0{\"w\":{}}", 16, "a.bin is a safetensors file"},
        {"short but unknown", 17, "a.bin has 17 bytes: the manifest says"},
    };
    char root[PATH_MAX], folder[PATH_MAX];
    struct syn_err err = {""};
    syn_status st;
    fx_folder(root);
    fx_model(root, "toy", 1, 8, 2);
    fx_join(folder, root, "toy");
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fx_write(folder, "a.bin", cases[i].bytes, cases[i].n);
        st = read_and_verify(folder, &err);
        T_CHECK(st == SYN_INVALID && strstr(err.text, cases[i].word), "want '%s', got '%s'",
                cases[i].word, err.text);
    }
    fx_network(folder, "a", 2, 8, 2, 4711); /* the same size, other weights */
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "a.bin has sha256"), "%s", err.text);
    fx_network(folder, "a", 2, 8, 2, 1000); /* the right ones again */
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    fx_remove(root);
}

/* An ONNX model's files: networks, their data, assets. */
static void test_onnx_files(void)
{
    static const char *const names[] = {"p.onnx", "t.onnx", "t.data", "notes.ini"};
    static const size_t bytes[] = {10, 20, 30, 40};
    char root[PATH_MAX], hex[65], text[64] = "";
    char *manifest = syn_strdup(two_nets);
    struct syn_err err = {""};
    fx_folder(root);
    for (int i = 0; i < 4; i++) {
        uint64_t n = 0;
        char *at, want[64];
        memset(text, 'a' + i, bytes[i]);
        fx_write(root, names[i], text, bytes[i]);
        fx_hash(root, names[i], hex, &n);
        snprintf(want, sizeof want, "\"%s\", \"bytes\"", names[i]);
        at = strstr(manifest, want);
        fx_need(at && (at = strstr(at, H64)), names[i]);
        memcpy(at, hex, 64);
    }
    fx_text(root, "model.json", manifest);
    T_CHECK(read_and_verify(root, &err) == SYN_OK, "%s", err.text);
    for (int i = 0; i < 4; i++) {
        memset(text, 'A', bytes[i]);
        fx_write(root, names[i], text, bytes[i]);
        T_CHECK(read_and_verify(root, &err) == SYN_INVALID && strstr(err.text, names[i]), "%s",
                err.text);
        memset(text, 'a' + i, bytes[i]);
        fx_write(root, names[i], text, bytes[i]);
    }
    T_CHECK(read_and_verify(root, &err) == SYN_OK, "%s", err.text);
    syn_free(manifest);
    fx_remove(root);
}

/* E07: links and special files in the folder. */
static void test_E07_links(void)
{
    char root[PATH_MAX], folder[PATH_MAX], path[PATH_MAX], other[PATH_MAX];
    struct syn_err err = {""};
    syn_status st;
    fx_folder(root);
    fx_model(root, "toy", 1, 8, 2);
    fx_join(folder, root, "toy");
    fx_join(path, folder, "a.bin");
    fx_join(other, root, "outside.bin");
    fx_need(rename(path, other) == 0 && symlink(other, path) == 0,
            path); /* the right bytes, through a link */
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "'a.bin' is a symbolic link"), "%s", err.text);
    fx_need(unlink(path) == 0 && mkfifo(path, 0600) == 0, path);
    st = read_and_verify(folder, &err); /* must not wait for a writer */
    T_CHECK(st == SYN_INVALID && strstr(err.text, "not a regular file"), "%s", err.text);
    fx_need(unlink(path) == 0 && mkdir(path, 0700) == 0, path);
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "not a regular file"), "%s", err.text);
    fx_need(rmdir(path) == 0, path);
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_NOT_FOUND && strstr(err.text, "a.bin"), "%s", err.text);
    fx_join(path, folder, "model.json");
    fx_need(unlink(path) == 0 && symlink("/etc/passwd", path) == 0, path);
    st = read_and_verify(folder, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "symbolic link"), "%s", err.text);
    st = read_and_verify("/nonexistent/folder", &err);
    T_CHECK(st == SYN_NOT_FOUND, "%s", err.text);
    fx_remove(root);
}

static void test_E07_names(void)
{
    static const char *const bad[] = {
        "",        ".",   "..", "../x", "..%2fx", "..\\x", "/etc/passwd", "a/b",       "a\\b",
        ".hidden", "-rf", " x", "x ",   "a..b",   "a\nb",  "a\x7f",       "b\xc3\xbc", H64 H64};
    static const char *const good[] = {"a", "scale2.0x_model.bin", "up2x-no-denoise.param",
                                       "A+b@c d"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        T_CHECK(!syn_name_plain(bad[i]), "'%s'", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        T_CHECK(syn_name_plain(good[i]), "'%s'", good[i]);
    T_CHECK(!syn_name_plain(NULL) && !syn_model_id_valid(NULL) && !syn_model_id_valid(""), "none");
}

int main(void)
{
    test_members();
    test_onnx_members();
    test_A40_version();
    test_schema();
    test_each_member_wrong();
    test_whole_text_wrong();
    test_each_allocation_fails();
    test_G13_misnamed_files();
    test_onnx_files();
    test_E07_links();
    test_E07_names();
    return t_report();
}
