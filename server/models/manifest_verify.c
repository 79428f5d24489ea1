/* manifest_verify.c - the files of a model's folder against its manifest: sizes, digests, and what
 * a file is that is not what it should be.
 *
 * Layer:   server/models.   Threads: pure functions.   Ownership: descriptors do not outlive
 *          calls. */
#include "server/models/digest.h"
#include "server/models/folder.h"
#include "server/models/manifest.h"
#include <string.h>
#include <unistd.h>

static syn_status verify_file(int dir, const char *const *roots, const char *name, uint64_t bytes,
                              const char *sha256, const atomic_bool *cancel, struct syn_err *err)
{
    uint8_t head[64];
    char hex[SYN_SHA256_SIZE];
    const char *mistake;
    struct stat s;
    uint64_t got = 0;
    ssize_t k;
    int fd = -1;
    syn_status st = syn_folder_file(dir, name, roots, &fd, &s, err);
    if (st != SYN_OK) return st;
    k = pread(fd, head, sizeof head, 0);
    mistake = k >= 0 ? syn_content_mistake(head, (size_t)k) : NULL;
    if (mistake) {
        st = syn_fail(err, SYN_INVALID, "%s is %s", name, mistake);
        goto done;
    }
    if ((uint64_t)s.st_size != bytes) {
        st = syn_fail(err, SYN_INVALID, "%s has %lld bytes: the manifest says %llu", name,
                      (long long)s.st_size, (unsigned long long)bytes);
        goto done;
    }
    st = syn_digest_fd(fd, cancel, NULL, NULL, hex, &got, err);
    if (st != SYN_OK) {
        st = syn_fail_in(err, st, "%s: ", name);
    } else if (strcmp(hex, sha256)) {
        st =
            syn_fail(err, SYN_INVALID, "%s has sha256 %s: the manifest says %s", name, hex, sha256);
    }
done:
    close(fd);
    return st;
}

syn_status syn_variant_verify(int dir, const char *const *roots, const struct syn_variant *v,
                              const atomic_bool *cancel, struct syn_err *err)
{
    syn_status st =
        verify_file(dir, roots, v->graph_file, v->graph_bytes, v->graph_sha256, cancel, err);
    if (st != SYN_OK || !v->weights_file[0]) return st;
    return verify_file(dir, roots, v->weights_file, v->weights_bytes, v->weights_sha256, cancel,
                       err);
}

syn_status syn_assets_verify(int dir, const char *const *roots, const struct syn_manifest *m,
                             const atomic_bool *cancel, struct syn_err *err)
{
    syn_status st = SYN_OK;
    for (int32_t i = 0; i < m->n_assets && st == SYN_OK; i++)
        st = verify_file(dir, roots, m->asset[i].name, m->asset[i].bytes, m->asset[i].sha256,
                         cancel, err);
    return st;
}

syn_status syn_manifest_verify(const char *folder, const struct syn_manifest *m,
                               struct syn_err *err)
{
    return syn_manifest_verify_in(folder, NULL, m, err);
}

syn_status syn_manifest_verify_in(const char *folder, const char *const *roots,
                                  const struct syn_manifest *m, struct syn_err *err)
{
    int dir = -1;
    syn_status st = syn_folder_open(folder, &dir, err);
    if (st != SYN_OK) return st;
    for (int32_t i = 0; i < m->n_variants && st == SYN_OK; i++)
        st = syn_variant_verify(dir, roots, &m->variant[i], NULL, err);
    if (st == SYN_OK) st = syn_assets_verify(dir, roots, m, NULL, err);
    close(dir);
    return st;
}
