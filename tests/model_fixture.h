/* model_fixture.h - model folders for tests: a temporary folder, files, a tiny ncnn network, a
 * manifest.
 *
 * Layer:   tests.   A fixture that cannot be made aborts. */
#ifndef SYN_MODEL_FIXTURE_H
#define SYN_MODEL_FIXTURE_H

#include "kernels/base/alloc.h"
#include "server/models/digest.h"
#include "server/models/folder.h"
#include "server/models/manifest.h"
#include "server/models/package.h"
#include "tests/t.h"
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void fx_need(bool ok, const char *what)
{
    if (ok) return;
    perror(what);
    abort();
}

/* A fresh folder under TMPDIR; path[PATH_MAX]. */
static inline void fx_folder(char *path)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, PATH_MAX, "%s/synthd-test-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    fx_need(mkdtemp(path) != NULL, path);
}

static inline void fx_remove(const char *path)
{
    syn_remove_tree(AT_FDCWD, path);
}

static inline const char *fx_join(char *out, const char *folder, const char *name)
{
    fx_need(snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX, "path");
    return out;
}

static inline void fx_write(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[PATH_MAX];
    FILE *f = fopen(fx_join(path, folder, name), "wb");
    fx_need(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0, path);
}

static inline void fx_text(const char *folder, const char *name, const char *text)
{
    fx_write(folder, name, text, strlen(text));
}

/* An ncnn network: in -> conv 3x3 (c channels) -> ... n layers ... -> 3 channels, pixel shuffle
 * `scale`. Its weights are fp32 from the seed. Writes STEM.param and STEM.bin; c and layers set
 * the size. */
static inline void fx_network(const char *folder, const char *stem, int scale, int channels,
                              int layers, uint64_t seed)
{
    char name[128], path[PATH_MAX];
    FILE *f;
    int blobs = layers + 2, from = 3;
    snprintf(name, sizeof name, "%s.param", stem);
    f = fopen(fx_join(path, folder, name), "w");
    fx_need(f != NULL, path);
    fprintf(f, "7767517\n%d %d\nInput in 0 1 data\n", layers + 2, blobs);
    for (int i = 0; i < layers; i++) {
        int to = i == layers - 1 ? 3 * scale * scale : channels;
        if (i == 0)
            fprintf(f, "Convolution conv_0 1 1 data b1");
        else
            fprintf(f, "Convolution conv_%d 1 1 b%d b%d", i, i, i + 1);
        fprintf(f, " 0=%d 1=3 4=1 5=1 6=%d\n", to, from * to * 9);
        from = to;
    }
    fprintf(f, "PixelShuffle shuffle 1 1 b%d out 0=%d\n", layers, scale);
    fx_need(fclose(f) == 0, path);
    snprintf(name, sizeof name, "%s.bin", stem);
    f = fopen(fx_join(path, folder, name), "wb");
    fx_need(f != NULL, path);
    from = 3;
    for (int i = 0; i < layers; i++) {
        int to = i == layers - 1 ? 3 * scale * scale : channels;
        size_t n = (size_t)from * (size_t)to * 9;
        float *w = t_uniform(seed + (uint64_t)i, n, -0.05f, 0.05f),
              *bias = t_uniform(seed + 99, (size_t)to, 0, 0.1f);
        uint32_t tag = 0;
        fx_need(fwrite(&tag, 4, 1, f) == 1 && fwrite(w, 4, n, f) == n &&
                    fwrite(bias, 4, (size_t)to, f) == (size_t)to,
                path);
        free(w);
        free(bias);
        from = to;
    }
    fx_need(fclose(f) == 0, path);
}

static inline void fx_hash(const char *folder, const char *name, char hex[65], uint64_t *bytes)
{
    char path[PATH_MAX];
    int fd = open(fx_join(path, folder, name), O_RDONLY);
    fx_need(fd >= 0 && syn_digest_fd(fd, NULL, NULL, NULL, hex, bytes, NULL) == SYN_OK, path);
    close(fd);
}

static inline void fx_sha(const char *text, char hex[65])
{
    fx_need(syn_digest_bytes(text, strlen(text), hex, NULL) == SYN_OK, "sha256");
}

/* Entries of a folder, the lock-free way to see that nothing half-done is left. */
static inline int fx_entries(const char *folder)
{
    char command[PATH_MAX + 32];
    int n = -1;
    FILE *f;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    f = popen(command, "r");
    fx_need(f && fscanf(f, "%d", &n) == 1, "ls");
    pclose(f);
    return n;
}

/* A whole file and a NUL behind it; the caller frees it. */
static inline char *fx_slurp(const char *folder, const char *name, size_t *n)
{
    char path[PATH_MAX], *bytes;
    FILE *f = fopen(fx_join(path, folder, name), "rb");
    long size;
    fx_need(f && fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0, path);
    rewind(f);
    bytes = (char *)t_alloc((size_t)size + 1);
    fx_need(fread(bytes, 1, (size_t)size, f) == (size_t)size, path);
    bytes[size] = '\0';
    fclose(f);
    *n = (size_t)size;
    return bytes;
}

/* model.json for networks stem[n] (n <= 8), all of scale 2 with noise none, 0, 1, ... Returns the
 * text; the caller frees it. */
static inline char *fx_manifest(const char *folder, const char *id, const char *const *stem, int n)
{
    char *text = (char *)t_alloc(16384), *at = text;
    at += sprintf(at,
                  "{\"manifest\": 1, \"id\": \"%s\", \"title\": \"Test\", \"kind\": \"upscale\", "
                  "\"format\": \"ncnn\","
                  " \"licence\": \"MIT\", \"source\": \"tests\", \"trained_on\": \"nothing\","
                  " \"label_term\": \"algorithmicMedia\", \"files\": [",
                  id);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < 2; k++) {
            char name[128], hex[65];
            uint64_t bytes = 0;
            snprintf(name, sizeof name, "%s.%s", stem[i], k ? "bin" : "param");
            fx_hash(folder, name, hex, &bytes);
            at += sprintf(at, "%s{\"name\": \"%s\", \"bytes\": %llu, \"sha256\": \"%s\"}",
                          i || k ? ", " : "", name, (unsigned long long)bytes, hex);
        }
    }
    at += sprintf(at, "], \"variants\": [");
    for (int i = 0; i < n; i++) {
        at += sprintf(at, "%s{\"scale\": 2, \"graph\": \"%s.param\", \"weights\": \"%s.bin\"",
                      i ? ", " : "", stem[i], stem[i]);
        at += i ? sprintf(at, ", \"noise\": %d}", i - 1) : sprintf(at, "}");
    }
    sprintf(at, "]}");
    return text;
}

/* root/id with networks and manifest. channels and layers as fx_network. */
static inline void fx_model(const char *root, const char *id, int n, int channels, int layers)
{
    static const char *const stems[] = {"a", "b", "c", "d"};
    char folder[PATH_MAX];
    char *text;
    fx_need(mkdir(fx_join(folder, root, id), 0777) == 0, folder);
    for (int i = 0; i < n; i++)
        fx_network(folder, stems[i], 2, channels, layers, (uint64_t)(i + 1) * 1000);
    text = fx_manifest(folder, id, stems, n);
    fx_text(folder, "model.json", text);
    free(text);
}

#endif
