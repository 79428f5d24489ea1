/* test_models_links.c - model folders that are a hub's snapshot, links into a folder of blobs
 * (G07): refused unless the blobs' folder is allowed, wherever else they lead; external data of
 * ONNX networks is the file that the manifest names, looked up beside the link. */
#include "server/models/models.h"
#include "tests/model_fixture.h"
#include "tests/pb_gen.h"

static char root[PATH_MAX], snapshots[PATH_MAX], model[PATH_MAX], blobs[PATH_MAX], other[PATH_MAX];

/* y = x + w, w in another file */
static void write_network(const char *folder, const char *name, const char *location)
{
    const int64_t two = 2;
    struct pg g = {0}, m, w = pg_tensor("w", 1, 1, &two), node = pg_node("Add", "x w", "y");
    struct pg x = pg_value("x", 1, 1, &two), y = pg_value("y", 1, 1, &two);
    pg_prop(&w, 13, "location", location);
    pg_int(&w, 14, 1);
    pg_message(&g, 1, &node);
    pg_message(&g, 5, &w);
    pg_message(&g, 11, &x);
    pg_message(&g, 12, &y);
    m = pg_model(8, 17, &g);
    fx_write(folder, name, m.p, m.n);
    pg_free(&m);
}

/* model.json of a network and, if `data`, its data file; digests are those of the files at `from`.
 * */
static void write_manifest(const char *folder, const char *from, const char *net, const char *data)
{
    char text[4096], hex[2][65];
    uint64_t bytes[2];
    fx_hash(from, net, hex[0], &bytes[0]);
    fx_hash(from, data, hex[1], &bytes[1]);
    snprintf(text, sizeof text,
             "{\"manifest\": 1, \"id\": \"m\", \"title\": \"T\", \"kind\": \"tensor\", "
             "\"format\": \"onnx\", \"licence\": \"MIT\", \"source\": \"tests\", "
             "\"trained_on\": \"nothing\", \"label_term\": \"algorithmicMedia\", \"files\": ["
             "{\"name\": \"%s\", \"bytes\": %llu, \"sha256\": \"%s\"}, "
             "{\"name\": \"%s\", \"bytes\": %llu, \"sha256\": \"%s\"}], "
             "\"networks\": [{\"name\": \"net\", \"file\": \"%s\", \"data\": \"%s\"}]}",
             net, (unsigned long long)bytes[0], hex[0], data, (unsigned long long)bytes[1], hex[1],
             net, data);
    fx_text(folder, "model.json", text);
}

static void put_link(const char *folder, const char *name, const char *target)
{
    char path[PATH_MAX];
    fx_join(path, folder, name);
    unlink(path);
    fx_need(symlink(target, path) == 0, path);
}

/* root/blobs/{1,2,3}, root/snapshots/m/{net.onnx,net.data,model.json} -> them; root/other. */
static void make_cache(void)
{
    const float w[2] = {10, 20};
    fx_folder(root);
    fx_need(mkdir(fx_join(snapshots, root, "snapshots"), 0777) == 0 &&
                mkdir(fx_join(model, snapshots, "m"), 0777) == 0 &&
                mkdir(fx_join(blobs, root, "blobs"), 0777) == 0 &&
                mkdir(fx_join(other, root, "blobs2"), 0777) == 0,
            root);
    write_network(blobs, "1", "net.data");
    fx_write(blobs, "2", w, sizeof w);
    put_link(model, "net.onnx", "../../blobs/1");
    put_link(model, "net.data", "../../blobs/2");
    write_manifest(blobs, model, "net.onnx", "net.data");
    char from[PATH_MAX], to[PATH_MAX];
    fx_need(rename(fx_join(from, blobs, "model.json"), fx_join(to, blobs, "3")) == 0, from);
    put_link(model, "model.json", "../../blobs/3");
}

/* Opens the repository with this root (NULL: none), loads the model and computes 1 2 + w. The
 * status of the load; SYN_NOT_FOUND: the repository left the model out. */
static syn_status try(struct syn_engine *e, const char *allowed, struct syn_err *err)
{
    const char *const dirs[2] = {snapshots, NULL}, *const roots[2] = {allowed, NULL};
    const struct syn_models_opts opts = {
        .dirs = dirs, .engine = e, .link_roots = allowed ? roots : NULL};
    struct syn_models *ms = NULL;
    struct syn_loaded *l = NULL;
    const struct syn_manifest *m;
    syn_status st = syn_models_open(&opts, &ms, err);
    T_CHECK(st == SYN_OK, "%s", err->text);
    if (st != SYN_OK) return st;
    m = syn_models_find(ms, "m");
    st = syn_models_verify(ms, "m", err);
    if (m) {
        const syn_status load = syn_models_acquire(ms, "m", &m->variant[0], NULL, &l, err);
        if (st == SYN_OK) st = load;
        else T_CHECK(load != SYN_OK, "files that do not verify are loaded");
    }
    if (st == SYN_OK) {
        const int64_t two = 2;
        float x[2] = {1, 2};
        const struct syn_tensor in = {syn_shape_of(1, &two), SYN_F32, x};
        struct syn_tensor out;
        st = syn_model_run(syn_loaded_model(l), &in, &out, NULL, err);
        T_CHECK(st == SYN_OK && ((float *)out.data)[0] == 11 && ((float *)out.data)[1] == 22, "%s",
                err->text);
        if (st == SYN_OK) syn_free(out.data);
    }
    syn_models_release(ms, l);
    syn_models_close(ms);
    return st;
}

static void expect(struct syn_engine *e, const char *allowed, syn_status want, const char *word)
{
    struct syn_err err = {""};
    const syn_status st = try(e, allowed, &err);
    T_CHECK(st == want && strstr(err.text, word), "%s: %s '%s', expected %s '%s'",
            allowed ? allowed : "no root", syn_status_word(st), err.text, syn_status_word(want),
            word);
}

static void test_G07_links(struct syn_engine *e)
{
    char path[PATH_MAX], elsewhere[PATH_MAX];
    expect(e, NULL, SYN_NOT_FOUND, "");      /* the manifest is a link */
    expect(e, other, SYN_NOT_FOUND, "");     /* a folder whose name begins like the blobs' */
    expect(e, blobs, SYN_OK, "");
    expect(e, root, SYN_OK, "");             /* further up */
    expect(e, "/", SYN_NOT_FOUND, "");       /* nobody means the whole system */
    expect(e, fx_join(path, root, "none"), SYN_NOT_FOUND, "");
    /* the manifest is no link, the network is */
    fx_need(unlink(fx_join(path, model, "model.json")) == 0, path);
    write_manifest(model, model, "net.onnx", "net.data");
    expect(e, NULL, SYN_INVALID, "symbolic link");
    expect(e, other, SYN_INVALID, "ends in none of link_roots");
    expect(e, blobs, SYN_OK, "");
    /* the data is out of the roots, though its bytes are right */
    fx_need(link(fx_join(path, blobs, "2"), fx_join(elsewhere, other, "2")) == 0, elsewhere);
    put_link(model, "net.data", elsewhere);
    expect(e, blobs, SYN_INVALID, "ends in none of link_roots");
    put_link(model, "net.data", "/dev/zero");
    expect(e, blobs, SYN_INVALID, "link_roots");
    expect(e, "/dev", SYN_INVALID, "");
    put_link(model, "net.data", "nothing");
    expect(e, blobs, SYN_NOT_FOUND, "net.data");
    put_link(model, "net.data", "net.data"); /* a circle */
    expect(e, blobs, SYN_INVALID, "net.data");
    put_link(model, "net.data", "../../blobs/2");
    expect(e, blobs, SYN_OK, "");
}

/* Only the file that the manifest names, whatever else lies there: nobody has hashed that. */
static void test_unlisted_data(struct syn_engine *e)
{
    const float w[2] = {10, 20};
    char path[PATH_MAX];
    unlink(fx_join(path, model, "net.onnx"));
    unlink(fx_join(path, model, "net.data"));
    fx_write(model, "net.data", w, sizeof w);
    fx_write(model, "more.data", w, sizeof w);
    write_network(model, "net.onnx", "more.data");
    write_manifest(model, model, "net.onnx", "net.data");
    expect(e, NULL, SYN_INVALID, "more.data: not among the files that the model lists");
    write_network(model, "net.onnx", "././/net.data");
    write_manifest(model, model, "net.onnx", "net.data");
    expect(e, NULL, SYN_OK, "");
}

int main(void)
{
    struct syn_engine *e = NULL;
    struct syn_err err = {""};
    T_CHECK(syn_engine_open(&(struct syn_engine_opts){.device = "ref", .threads = 1}, &e, &err) ==
                SYN_OK,
            "%s", err.text);
    make_cache();
    test_G07_links(e);
    test_unlisted_data(e);
    syn_engine_close(e);
    fx_remove(root);
    return t_report();
}
