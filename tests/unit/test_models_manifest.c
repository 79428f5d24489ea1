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

/* base with `from` (must be in it) replaced by `to`. */
static char *changed(const char *from, const char *to)
{
    const char *at = strstr(base, from);
    char *text = t_alloc(sizeof base + strlen(to) + 1);
    fx_need(at != NULL, from);
    sprintf(text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
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
    {"\"id\": \"toy\"", "\"id\": \"Toy\"", "id = 'Toy'"},
    {"\"id\": \"toy\"", "\"id\": \".toy\"", "id = '.toy'"},
    {"\"id\": \"toy\"", "\"id\": \"a..b\"", "id = 'a..b'"},
    {"\"id\": \"toy\"", "\"id\": \"\"", "id has 0 bytes"},
    {"\"id\": \"toy\"", "\"id\": \"" H64 "\"", "id has 64 bytes"},
    {"\"id\": \"toy\"", "\"id\": 7", "id is a whole number"},
    {"\"title\": \"Toy\"", "\"title\": \"a\\nb\"", "title holds a control character"},
    {"\"title\": \"Toy\", ", "", "title is missing"},
    {"\"kind\": \"upscale\"", "\"kind\": \"paint\"", "kind = 'paint': must be one of upscale"},
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
    T_CHECK(c->n_models > 0, "the catalog is empty");
    for (size_t i = 0; i < c->n_models; i++) {
        char *text = json_dumps(c->model[i].json, 0);
        T_CHECK(schema_accepts(text, why), "%s: %s", c->model[i].manifest.id, why);
        free(text);
    }
    syn_catalog_close(c);
}

static void expect_refused(const struct wrong *w, bool by_schema)
{
    char *text = changed(w->from, w->to), why[300];
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
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) expect_refused(&wrongs[i], true);
    for (size_t i = 0; i < sizeof beyond_schema / sizeof *beyond_schema; i++)
        expect_refused(&beyond_schema[i], false);
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
    struct syn_manifest m;
    long n = 1;
    syn_status st = SYN_NO_MEMORY;
    for (; st == SYN_NO_MEMORY && n < 50; n++) {
        syn_alloc_fail_at(n);
        st = syn_manifest_parse(base, strlen(base), &m, NULL);
        syn_alloc_fail_at(0);
    }
    T_CHECK(st == SYN_OK && n > 2, "ends with %s after %ld", syn_status_word(st), n);
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
    test_schema();
    test_each_member_wrong();
    test_whole_text_wrong();
    test_each_allocation_fails();
    test_G13_misnamed_files();
    test_E07_links();
    test_E07_names();
    return t_report();
}
