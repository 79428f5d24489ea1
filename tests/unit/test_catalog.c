/* test_catalog.c - the catalog, and fetching from it with clients that are scripts on PATH: what
 * they bring is right, cut short, forged, missing; what is installed is whole or absent. What comes
 * out of archives is in test_unpack.c.
 *
 * No network: the real clients are run by hand (`synthd models fetch ID`).
 *
 * Layer:   tests. */
#include "server/models/catalog.h"
#include "tests/archive_gen.h"

#define WHEEL "toy_pkg-1.0-py3-none-any.whl"
#define TARBALL "toy-1.0.tgz"

static char root[PATH_MAX], store[PATH_MAX], models[PATH_MAX], cache[PATH_MAX], tools[PATH_MAX];

/* --- making packages -------------------------------------------------------------------------- */

/* A client on PATH: notes its arguments and its folder, then does `body` with $dest = its
 * target. */
static void write_client(const char *name, const char *body)
{
    char path[PATH_MAX], text[8 * PATH_MAX];
    snprintf(text, sizeof text,
             "#!/bin/sh\necho run >> '%s/runs'\nprintf '%%s\\n' \"$@\" > '%s/args'\npwd > "
             "'%s/cwd'\necho \"$TMPDIR\" > '%s/tmp'\n"
             "while [ $# -gt 0 ]; do case $1 in -d|--pack-destination) dest=$2;; esac; shift; "
             "done\n%s\n",
             root, root, root, root, body);
    fx_text(tools, name, text);
    fx_need(chmod(fx_join(path, tools, name), 0755) == 0, path);
}

static int count_runs(void)
{
    char path[PATH_MAX], line[16];
    int n = 0;
    FILE *f = fopen(fx_join(path, root, "runs"), "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) n++;
    fclose(f);
    return n;
}

static void read_note(const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    FILE *f = fopen(fx_join(path, root, name), "r");
    size_t n = f ? fread(text, 1, size - 1, f) : 0;
    text[n] = '\0';
    if (f) fclose(f);
}

/* --- a catalog of two packages and four models ------------------------------------------------ */

static const char graph[] = "7767517\n1 1\nInput in 0 1 data\n", weights[] = "weights of the toy",
                  terms[] = "MIT.";

static int put_model(char *at, const char *package, const char *id, const char *prefix,
                     const char *content)
{
    char g[65], w[65];
    fx_sha(graph, g);
    fx_sha(content, w);
    return sprintf(
        at,
        "{\"package\": \"%s\", \"members\": {\"a.param\": \"%s/a.param\", \"a.bin\": \"%s/a.bin\"},"
        " \"manifest\": {\"manifest\": 1, \"id\": \"%s\", \"title\": \"T\", \"kind\": \"upscale\","
        " \"format\": \"ncnn\", \"licence\": \"MIT\", \"source\": \"s\", \"trained_on\": \"t\","
        " \"label_term\": \"algorithmicMedia\", \"input\": {\"scale\": 0.1}, \"files\": ["
        "{\"name\": \"a.param\", \"bytes\": %zu, \"sha256\": \"%s\"},"
        "{\"name\": \"a.bin\", \"bytes\": %zu, \"sha256\": \"%s\"}],"
        " \"variants\": [{\"scale\": 2, \"graph\": \"a.param\", \"weights\": \"a.bin\"}]}}",
        package, prefix, prefix, id, strlen(graph), g, strlen(weights), w);
}

static int put_package(char *at, const char *id, const char *client, const char *archive,
                       const char *more)
{
    char hex[65], licence[65];
    uint64_t bytes = 0;
    fx_hash(store, archive, hex, &bytes);
    fx_sha(terms, licence);
    return sprintf(at,
                   "{\"id\": \"%s\", \"client\": \"%s\", \"name\": \"%s\", \"version\": \"1.0\", "
                   "%s\"archive\": \"%s\","
                   " \"bytes\": %llu, \"sha256\": \"%s\", \"licence_member\": \"p/LICENSE\", "
                   "\"licence_sha256\": \"%s\"}",
                   id, client, id, more, archive, (unsigned long long)bytes, hex, licence);
}

static struct syn_catalog *toy_catalog(void)
{
    static const struct ag_entry wheel[] = {
        {"p/code.py", "import os", AE_IFREG}, {"p/LICENSE", terms, AE_IFREG},
        {"p/a.param", graph, AE_IFREG},       {"p/a.bin", weights, AE_IFREG},
        {"q/a.param", graph, AE_IFREG},       {"q/a.bin", weights, AE_IFREG}};
    char *text = t_alloc(16384), *at = text, path[PATH_MAX];
    struct syn_catalog *c = NULL;
    struct syn_err err = {""};
    ag_write(store, WHEEL, true, wheel, 6);
    ag_write(store, TARBALL, false, wheel, 4);
    at += sprintf(at, "{\"catalog\": 1, \"packages\": [");
    at += put_package(at, "toy-pkg", "pip", WHEEL,
                      "\"python\": \"3.11\", \"abi\": \"none\", \"platform\": \"any\", ");
    at += sprintf(at, ", ");
    at += put_package(at, "toy", "npm", TARBALL, "");
    at += sprintf(at, "], \"models\": [");
    at += put_model(at, "toy-pkg", "wheel-two", "q", weights);
    at += sprintf(at, ", ");
    at += put_model(at, "toy-pkg", "wheel-one", "p", weights);
    at += sprintf(at, ", ");
    at += put_model(at, "toy-pkg", "wheel-forged", "p", "WEIGHTS of the toy");
    at += sprintf(at, ", ");
    at += put_model(at, "toy", "tar-one", "p", weights);
    sprintf(at, "]}");
    fx_text(root, "catalog.json", text);
    free(text);
    fx_need(syn_catalog_open(fx_join(path, root, "catalog.json"), &c, &err) == SYN_OK, err.text);
    return c;
}

/* --- tests ------------------------------------------------------------------------------------ */

struct seen {
    int download, verify, install;
    bool backwards, over;
    uint64_t last;
    char stage[16];
};

static void watch(void *user, const char *stage, uint64_t done, uint64_t total)
{
    struct seen *s = user;
    if (!strcmp(stage, "download")) s->download++;
    if (!strcmp(stage, "verify")) s->verify++;
    if (!strcmp(stage, "install")) s->install++;
    if (total && done > total) s->over = true;
    snprintf(s->stage, sizeof s->stage, "%s", stage);
    s->last = done;
}

static bool there(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return access(fx_join(path, folder, name), F_OK) == 0;
}

static void expect_whole(const char *id)
{
    char folder[PATH_MAX];
    struct syn_manifest m;
    struct syn_err err = {""};
    fx_join(folder, models, id);
    T_CHECK(syn_manifest_read(folder, &m, &err) == SYN_OK, "%s", err.text);
    T_CHECK(syn_manifest_verify(folder, &m, &err) == SYN_OK, "%s", err.text);
    T_CHECK(!strcmp(m.id, id) && m.in_scale == 0.1f, "%s %.9g", m.id, (double)m.in_scale);
    T_CHECK(there(folder, "LICENSE.txt") && fx_entries(folder) == 4, "%d entries",
            fx_entries(folder));
}

static void test_builtin(void)
{
    static const struct {
        const char *id, *kind;
        bool optional;
    } models_of[] = {{"arbitrary-style", "stylize", false},
                     {"blazeface", "tensor", false},
                     {"deepfilternet3", "denoise-speech", false},
                     {"en_US-joe-medium", "speak", false},
                     {"isnet", "matte", true},
                     {"multistyle26", "stylize", false},
                     {"realcugan-se", "upscale", false},
                     {"realesr-animevideov3", "upscale", false},
                     {"realesrgan-x4plus", "upscale", false},
                     {"realesrgan-x4plus-anime", "upscale", false},
                     {"silero-vad", "tensor", false},
                     {"waifu2x-cunet", "upscale", false},
                     {"waifu2x-upconv7", "upscale", false}};
    const int32_t n = sizeof models_of / sizeof *models_of;
    struct syn_catalog *c = NULL;
    struct syn_err err = {""};
    struct syn_catalog_entry e;
    const struct syn_catalog_model *m;
    syn_status st = syn_catalog_open(NULL, &c, &err);
    T_CHECK(st == SYN_OK && syn_catalog_count(c) == n, "%s", err.text);
    if (st != SYN_OK) return;
    for (int32_t i = 0; i < n && i < syn_catalog_count(c); i++) {
        syn_catalog_at(c, i, &e);
        T_CHECK(!strcmp(e.id, models_of[i].id) && !strcmp(e.kind, models_of[i].kind) &&
                    e.optional == models_of[i].optional && e.bytes > 700000,
                "%s", e.id);
    }
    m = syn_catalog_find(c, "deepfilternet3");
    T_CHECK(m->manifest.n_variants == 3 && m->manifest.n_assets == 1 &&
                syn_manifest_setting(&m->manifest, "hop", 0) == 480 &&
                strstr(m->member[0].archive, "DeepFilterNet3_onnx.tar.gz"),
            "%d networks", m->manifest.n_variants);
    m = syn_catalog_find(c, "isnet");
    T_CHECK(m->member[0].n_parts == 22 && m->member[0].bytes == 88188479 &&
                m->manifest.variant[0].picture.side == 1024,
            "%zu parts", m->member[0].n_parts);
    m = syn_catalog_find(c, "realesrgan-x4plus");
    T_CHECK(!strcmp(m->manifest.variant[0].weights_sha256,
                    "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf"),
            "digest");
    T_CHECK(m->manifest.halo == 80 && m->manifest.edge == SYN_EDGE_ZERO, "%d", m->manifest.halo);
    m = syn_catalog_find(c, "realcugan-se");
    T_CHECK(m->manifest.edge == SYN_EDGE_REFLECT && m->manifest.n_variants == 11, "%d",
            m->manifest.n_variants);
    for (int32_t i = 0; i < m->manifest.n_variants; i++)
        T_CHECK(m->manifest.variant[i].adds_input == (m->manifest.variant[i].scale == 4),
                "variant %d", i);
    m = syn_catalog_find(c, "waifu2x-cunet");
    T_CHECK(syn_manifest_variant(&m->manifest, 1, 3) &&
                !syn_manifest_variant(&m->manifest, 1, SYN_NOISE_NONE),
            "1x");
    T_CHECK(!syn_catalog_find(c, "../x") && !syn_catalog_find(c, ""), "unknown");
    syn_catalog_close(c);
    syn_catalog_close(NULL);
}

static void test_fetch_wheel(const struct syn_catalog *c)
{
    char body[PATH_MAX * 2], text[2048];
    struct seen seen = {0};
    struct syn_err err = {""};
    syn_status st;
    int runs = count_runs();
    snprintf(body, sizeof body, "sleep 0.25\ncp '%s/" WHEEL "' \"$dest\"", store);
    write_client("python3", body);
    st = syn_catalog_fetch(c, "wheel-one", models, cache, watch, &seen, &err);
    T_CHECK(st == SYN_OK && count_runs() == runs + 1, "%s", err.text);
    expect_whole("wheel-one");
    T_CHECK(seen.download >= 3 && seen.verify && seen.install == 2 && !seen.over &&
                !strcmp(seen.stage, "install"),
            "%d %d %d", seen.download, seen.verify, seen.install);
    read_note("args", text, sizeof text);
    T_CHECK(strstr(text, "-m\npip\ndownload\n--no-deps\n--only-binary=:all:\n") &&
                strstr(text, "\ntoy-pkg==1.0\n"),
            "%s", text);
    T_CHECK(strstr(text, "\n--python-version\n3.11\n--abi\nnone\n--platform\nany\n"), "%s", text);
    read_note("cwd", text, sizeof text);
    T_CHECK(strstr(text, "/.part-"), "%s", text);
    read_note("tmp", text, sizeof text);
    T_CHECK(strstr(text, "/.part-"), "%s", text);
    T_CHECK(fx_entries(cache) == 1 && fx_entries(models) == 1, "left over: %d %d",
            fx_entries(cache), fx_entries(models));
    /* Already whole: nothing is run, nothing is told. The other model shares the archive. */
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK && count_runs() == runs + 1, "%s", err.text);
    st = syn_catalog_fetch(c, "wheel-two", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK && count_runs() == runs + 1, "%s", err.text);
    expect_whole("wheel-two");
}

static void test_fetch_tarball(const struct syn_catalog *c)
{
    char body[PATH_MAX * 2], text[2048];
    struct syn_err err = {""};
    syn_status st;
    snprintf(body, sizeof body, "cp '%s/" TARBALL "' \"$dest\"", store);
    write_client("npm", body);
    st = syn_catalog_fetch(c, "tar-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    expect_whole("tar-one");
    read_note("args", text, sizeof text);
    T_CHECK(strstr(text, "pack\ntoy@1.0\n--ignore-scripts\n"), "%s", text);
}

static bool title_is(const char *folder, const char *title)
{
    struct syn_manifest m;
    return syn_manifest_read(folder, &m, NULL) == SYN_OK && !strcmp(m.title, title);
}

/* Broken files are replaced; a whole other model is not. */
static void test_repair(const struct syn_catalog *c)
{
    char folder[PATH_MAX], path[PATH_MAX];
    struct syn_err err = {""};
    syn_status st;
    int runs = count_runs();
    fx_join(folder, models, "wheel-one");
    fx_text(folder, "a.bin", "weights of the t0y");
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK && count_runs() == runs, "%s", err.text);
    expect_whole("wheel-one");
    fx_need(unlink(fx_join(path, folder, "model.json")) == 0, path);
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    expect_whole("wheel-one");
    fx_text(cache, WHEEL, "cut short"); /* a broken archive is brought again, if it is needed */
    fx_text(folder, "a.bin", "x");
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK && count_runs() == runs + 1, "%s", err.text);
    expect_whole("wheel-one");
    { /* the same files under another description */
        char *text = t_alloc(8192), *halo = t_alloc(8300), *at;
        struct syn_manifest m;
        FILE *f = fopen(fx_join(path, folder, "model.json"), "r");
        size_t n = f ? fread(text, 1, 8000, f) : 0;
        if (f) fclose(f);
        text[n] = '\0';
        at = strstr(text, "\"title\": \"T\"");
        fx_need(at != NULL, text);
        snprintf(halo, 8300, "%.*s\"halo\": 7, %s", (int)(at - text), text, at);
        at[strlen("\"title\": \"")] = 'X';
        fx_text(folder, "model.json", text);
        free(text);
        runs = count_runs();
        st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
        T_CHECK(st == SYN_OK && count_runs() == runs, "%s", err.text);
        expect_whole("wheel-one");
        T_CHECK(title_is(folder, "T"), "replaced");
        fx_text(folder, "model.json", halo); /* a number alone */
        T_CHECK(syn_manifest_read(folder, &m, &err) == SYN_OK && m.halo == 7, "%s", err.text);
        st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
        T_CHECK(st == SYN_OK && count_runs() == runs, "%s", err.text);
        T_CHECK(syn_manifest_read(folder, &m, &err) == SYN_OK && m.halo == 0, "%d", (int)m.halo);
        free(halo);
    }
    /* A member that differs from the catalog: nothing is installed or left, what is there stays. */
    st = syn_catalog_fetch(c, "wheel-forged", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_INVALID && strstr(err.text, "p/a.bin in the archive has sha256"), "%s",
            err.text);
    T_CHECK(fx_entries(models) == 3, "left over: %d", fx_entries(models));
    fx_remove(folder);
    fx_model(models, "wheel-one", 1, 4, 2);
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_CONFLICT && strstr(err.text, "holds another model"), "%s", err.text);
    T_CHECK(there(folder, "a.bin"), "kept");
    fx_remove(folder);
    fx_text(models, "wheel-one", "a file");
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_CONFLICT && strstr(err.text, "in the way"), "%s", err.text);
    fx_remove(folder);
    T_CHECK(fx_entries(models) == 2 && fx_entries(cache) == 2, "left over: %d %d",
            fx_entries(models), fx_entries(cache));
}

/* A client that fails: its last words come back, nothing is installed, nothing is left. */
static void test_client_fails(const struct syn_catalog *c)
{
    static const struct {
        const char *body, *word;
        syn_status st;
    } cases[] = {
        {"echo first; echo 'ERROR: no such version' >&2; exit 3",
         "exit status 3: ERROR: no such version", SYN_IO},
        {"exit 1", "exit status 1: it said nothing", SYN_IO},
        {"echo 'python3: No module named pip'; exit 1", "install python3-pip", SYN_IO},
        {"echo 'npm error 404 gone'; echo 'npm error A complete log of this run can be found in: "
         "x'; exit 1",
         "404 gone", SYN_IO},
        {"kill -9 $$", "ended by signal 9", SYN_IO},
        {"exit 0", "brought no " WHEEL, SYN_IO},
        {"echo '<html>' > \"$dest/" WHEEL "\"", "has 7 bytes: the catalog says", SYN_INVALID},
        {"ln -s /etc/passwd \"$dest/" WHEEL "\"", "symbolic link", SYN_INVALID},
    };
    struct syn_err err = {""};
    fx_remove(cache);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        syn_status st;
        write_client("python3", cases[i].body);
        st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
        T_CHECK(st == cases[i].st && strstr(err.text, cases[i].word), "want '%s', got %s '%s'",
                cases[i].word, syn_status_word(st), err.text);
        T_CHECK(!there(models, "wheel-one") && fx_entries(cache) == 0, "left over %d",
                fx_entries(cache));
    }
    { /* as long as the real one, another byte in it */
        char path[PATH_MAX], body[PATH_MAX * 2 + 128];
        syn_status st;
        FILE *f;
        snprintf(body, sizeof body, "cp '%s/" WHEEL "' '%s/forged'", store, store);
        fx_need(system(body) == 0, body);
        f = fopen(fx_join(path, store, "forged"), "r+b");
        fx_need(f && fseek(f, 40, SEEK_SET) == 0 && fputc('!', f) == '!' && fclose(f) == 0, path);
        snprintf(body, sizeof body, "cp '%s/forged' \"$dest/" WHEEL "\"", store);
        write_client("python3", body);
        st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
        T_CHECK(st == SYN_INVALID && strstr(err.text, WHEEL " has sha256"), "%s", err.text);
        T_CHECK(!there(models, "wheel-one") && fx_entries(cache) == 0, "left over %d",
                fx_entries(cache));
    }
    {
        char path[PATH_MAX];
        syn_status st;
        const char *old = getenv("PATH");
        char *keep = syn_strdup(old);
        fx_need(unlink(fx_join(path, tools, "python3")) == 0 && setenv("PATH", tools, 1) == 0,
                path);
        st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
        setenv("PATH", keep, 1);
        syn_free(keep);
        T_CHECK(st == SYN_IO && strstr(err.text, "python3 is not installed here"), "%s", err.text);
    }
    T_CHECK(syn_catalog_fetch(c, "nothing", models, cache, NULL, NULL, &err) == SYN_NOT_FOUND, "%s",
            err.text);
    T_CHECK(syn_catalog_fetch(c, "wheel-one", cache, cache, NULL, NULL, &err) == SYN_INVALID &&
                strstr(err.text, "are the same"),
            "%s", err.text);
}

/* What a killed fetch left behind is swept, links in it not followed. */
static void test_sweep(const struct syn_catalog *c)
{
    char path[PATH_MAX], body[PATH_MAX * 2], victim[PATH_MAX];
    struct syn_err err = {""};
    syn_status st;
    fx_join(victim, root, "victim");
    fx_need(mkdir(victim, 0700) == 0, victim);
    fx_text(victim, "keep", "me");
    fx_need(mkdir(fx_join(path, cache, ".part-old"), 0700) == 0, path);
    fx_need(symlink(victim, fx_join(body, path, "link")) == 0, "symlink");
    fx_need(mkdir(fx_join(path, models, ".fetch-old"), 0700) == 0, path);
    snprintf(body, sizeof body, "cp '%s/" WHEEL "' \"$dest\"", store);
    write_client("python3", body);
    st = syn_catalog_fetch(c, "wheel-one", models, cache, NULL, NULL, &err);
    T_CHECK(st == SYN_OK, "%s", err.text);
    T_CHECK(!there(cache, ".part-old") && !there(models, ".fetch-old") && there(victim, "keep"),
            "swept");
}

static void test_places_wrong(void)
{
    static const struct {
        const char *place, *word;
    } cases[] = {
        {"{}", "members.a.param.member is missing"},
        {"{\"member\": \"../x\"}", "members.a.param.member = '../x'"},
        {"{\"member\": \"x\", \"archive\": \"/x\"}", "members.a.param.archive = '/x'"},
        {"{\"member\": \"x\", \"in\": \"y\"}", "members.a.param.in: no such member"},
        {"{\"member\": \"x\", \"part_bytes\": 3}", "part_bytes: not without parts"},
        {"{\"parts\": [\"x\"], \"part_bytes\": 3}", "parts has 1 elements"},
        {"{\"parts\": [\"x\", \"y\"]}", "members.a.param.part_bytes is missing"},
        {"{\"parts\": [\"x\", \"y\"], \"part_bytes\": 3}", "part_bytes = 3: 2 parts of it"},
        {"{\"parts\": [\"x\", \"y\"], \"part_bytes\": 30}", "part_bytes = 30: 2 parts of it"},
        {"{\"parts\": [\"x\", \"/y\"], \"part_bytes\": 16}", "members.a.param.parts[1]: must be"},
        {"{\"parts\": [\"x\", 7], \"part_bytes\": 16}", "members.a.param.parts[1]: must be"},
        {"{\"parts\": [\"x\", \"y\"], \"part_bytes\": 16, \"member\": \"z\"}",
         "members.a.param.member: not beside parts"},
    };
    char *text = t_alloc(32768), *bad = t_alloc(32768), path[PATH_MAX], *at;
    struct syn_err err = {""};
    struct syn_catalog *c = NULL;
    char *made = fx_slurp(root, "catalog.json", &(size_t){0});
    snprintf(text, 32768, "%s", made);
    at = strstr(text, "\"q/a.param\"");
    fx_need(at != NULL && strlen(graph) == 30, text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(bad, 32768, "%.*s%s%s", (int)(at - text), text, cases[i].place,
                 at + strlen("\"q/a.param\""));
        fx_text(root, "bad.json", bad);
        T_CHECK(syn_catalog_open(fx_join(path, root, "bad.json"), &c, &err) == SYN_INVALID && !c &&
                    strstr(err.text, cases[i].word),
                "want '%s', got '%s'", cases[i].word, err.text);
    }
    snprintf(bad, 32768, "%.*s{\"parts\": [\"x\", \"y\"], \"part_bytes\": 16}%s", (int)(at - text),
             text, at + strlen("\"q/a.param\""));
    fx_text(root, "bad.json", bad);
    T_CHECK(syn_catalog_open(path, &c, &err) == SYN_OK, "%s", err.text);
    syn_catalog_close(c);
    free(made);
    free(text);
    free(bad);
}

static void test_each_allocation_fails(void)
{
    struct syn_catalog *c = NULL;
    long n = 1;
    syn_status st = SYN_NO_MEMORY;
    for (; st == SYN_NO_MEMORY && n < 400; n++) {
        syn_alloc_fail_at(n);
        st = syn_catalog_open(NULL, &c, NULL);
        syn_alloc_fail_at(0);
    }
    T_CHECK(st == SYN_OK && n > 5, "%s after %ld allocations", syn_status_word(st), n);
    syn_catalog_close(c);
}

static void test_catalog_wrong(void)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"{}", "catalog is missing"},
        {"{\"catalog\": 1, \"packages\": [], \"models\": [], \"x\": 1}", "x: no such member"},
        {"{\"catalog\": 1, \"packages\": [{\"id\": \"-x\"}], \"models\": []}",
         "packages[0].id = '-x'"},
        {"{\"catalog\": 1, \"packages\": [{\"id\": \"x\", \"client\": \"curl\"}], \"models\": []}",
         "packages[0].client = 'curl'"},
        {"{\"catalog\": 1, \"packages\": [{\"id\": \"x\", \"client\": \"pip\", \"name\": \"a; "
         "rm\"}], \"models\": []}",
         "packages[0].name = 'a; rm'"},
        {"{\"catalog\": 1, \"packages\": [{\"id\": \"x\", \"client\": \"npm\", \"name\": "
         "\"@a/../b\"}], \"models\": []}",
         "packages[0].name = '@a/../b'"},
        {"{\"catalog\": 1, \"packages\": [{\"id\": \"x\", \"client\": \"npm\", \"name\": \"@a/b\", "
         "\"version\": \"--x\"}], \"models\": []}",
         "packages[0].version = '--x'"},
        {"{\"catalog\": 1, \"packages\": [{\"id\": \"x\", \"client\": \"pip\", \"name\": \"a\", "
         "\"version\": \"1\", \"archive\": \"../a.whl\"}], \"models\": []}",
         "packages[0].archive = '../a.whl'"},
        {"{\"catalog\": 1, \"packages\": [], \"models\": [{\"package\": \"no\"}]}",
         "models[0].package = 'no'"},
        {"nonsense", "catalog: line 1"},
    };
    char path[PATH_MAX];
    struct syn_err err = {""};
    struct syn_catalog *c = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        syn_status st;
        fx_text(root, "bad.json", cases[i].text);
        st = syn_catalog_open(fx_join(path, root, "bad.json"), &c, &err);
        T_CHECK(st == SYN_INVALID && !c && strstr(err.text, cases[i].word), "want '%s', got '%s'",
                cases[i].word, err.text);
    }
    T_CHECK(syn_catalog_open("/nonexistent/c.json", &c, &err) == SYN_NOT_FOUND, "%s", err.text);
}

int main(void)
{
    char path[PATH_MAX * 2];
    struct syn_catalog *c;
    fx_folder(root);
    fx_need(mkdir(fx_join(store, root, "store"), 0700) == 0 &&
                mkdir(fx_join(tools, root, "tools"), 0700) == 0,
            root);
    fx_join(models, root, "models/deep"); /* made by the fetch */
    fx_join(cache, root, "cache");
    snprintf(path, sizeof path, "%s:%s", tools, getenv("PATH"));
    setenv("PATH", path, 1);
    test_builtin();
    c = toy_catalog();
    test_fetch_wheel(c);
    test_fetch_tarball(c);
    test_repair(c);
    test_client_fails(c);
    test_sweep(c);
    test_catalog_wrong();
    test_places_wrong();
    test_each_allocation_fails();
    syn_catalog_close(c);
    fx_remove(root);
    return t_report();
}
