/* digest.c - see digest.h.
 *
 * Layer:   server/models.   Threads: pure functions.   Ownership: nothing is kept. */
#include "server/models/digest.h"
#include "kernels/base/alloc.h"
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { PIECE = 1 << 20 }; /* large sequential reads: slow disks and network mounts */

static void to_hex(const uint8_t raw[32], char hex[SYN_SHA256_SIZE])
{
    static const char digit[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digit[raw[i] >> 4];
        hex[2 * i + 1] = digit[raw[i] & 15];
    }
    hex[64] = '\0';
}

static syn_status hash_all(int fd, EVP_MD_CTX *md, uint8_t *piece, const atomic_bool *cancel,
                           syn_digest_progress *progress, void *user, uint64_t *bytes,
                           struct syn_err *err)
{
    uint64_t total = 0;
    for (;;) {
        ssize_t k;
        if (cancel && atomic_load(cancel))
            return syn_fail(err, SYN_CANCELED, "canceled while checking the file");
        k = read(fd, piece, PIECE);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return syn_fail(err, SYN_IO, "reading: %s", strerror(errno));
        if (k == 0) break;
        if (EVP_DigestUpdate(md, piece, (size_t)k) != 1)
            return syn_fail(err, SYN_INTERNAL, "sha256 failed");
        total += (uint64_t)k;
        if (progress) progress(user, total);
    }
    *bytes = total;
    return SYN_OK;
}

syn_status syn_digest_fd(int fd, const atomic_bool *cancel, syn_digest_progress *progress,
                         void *user, char hex[SYN_SHA256_SIZE], uint64_t *bytes,
                         struct syn_err *err)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t *piece = syn_alloc(PIECE), raw[32];
    uint64_t total = 0;
    syn_status st;
    if (!md || !piece) {
        st = syn_fail(err, SYN_NO_MEMORY, "no memory to hash a file");
        goto done;
    }
    if (EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1) {
        st = syn_fail(err, SYN_INTERNAL, "sha256 is not available");
        goto done;
    }
    st = hash_all(fd, md, piece, cancel, progress, user, &total, err);
    if (st != SYN_OK) goto done;
    if (EVP_DigestFinal_ex(md, raw, NULL) != 1) {
        st = syn_fail(err, SYN_INTERNAL, "sha256 failed");
        goto done;
    }
    to_hex(raw, hex);
    *bytes = total;
done:
    syn_free(piece);
    EVP_MD_CTX_free(md);
    return st;
}

syn_status syn_digest_bytes(const void *bytes, size_t n, char hex[SYN_SHA256_SIZE],
                            struct syn_err *err)
{
    uint8_t raw[32];
    if (EVP_Digest(bytes, n, raw, NULL, EVP_sha256(), NULL) != 1)
        return syn_fail(err, SYN_INTERNAL, "sha256 failed");
    to_hex(raw, hex);
    return SYN_OK;
}

static bool begins(const uint8_t *head, size_t n, const char *with, size_t k)
{
    return n >= k && memcmp(head, with, k) == 0;
}

static bool begins_tag(const uint8_t *head, size_t n, const char *tag)
{
    size_t k = strlen(tag);
    return n >= k && strncasecmp((const char *)head, tag, k) == 0;
}

const char *syn_content_mistake(const uint8_t *head, size_t n)
{
    size_t skip = 0;
    if (n == 0) return "empty: the copy or download did not finish";
    if (begins(head, n, "version https://git-lfs", 23))
        return "a Git LFS pointer, not the file itself: run `git lfs pull` where it came from";
    if (begins(head, n, "PK\3\4", 4))
        return "a zip archive (perhaps a PyTorch checkpoint, which is never opened): convert it to "
               "ONNX or ncnn first";
    if (begins(head, n, "\x1f\x8b", 2)) return "a gzip archive: unpack it first";
    if (n >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5)
        return "a Python pickle, which is never opened: convert it to ONNX or ncnn first";
    if (n >= 9 && head[8] == '{' && head[5] == 0 && head[6] == 0 && head[7] == 0)
        return "a safetensors file: neither ONNX nor ncnn";
    while (skip < n &&
           (isspace(head[skip]) || head[skip] == 0xef || head[skip] == 0xbb || head[skip] == 0xbf))
        skip++;
    if (begins_tag(head + skip, n - skip, "<!doctype html") ||
        begins_tag(head + skip, n - skip, "<html") || begins_tag(head + skip, n - skip, "<head") ||
        begins_tag(head + skip, n - skip, "<?xml"))
        return "an HTML or XML page: the download brought an error or login page";
    return NULL;
}
