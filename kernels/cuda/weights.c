/* weights.c - constants on the device, packed once for all plans. See cuda_private.h. */
#include "kernels/base/alloc.h"
#include "kernels/cuda/cuda_private.h"
#include <string.h>

static syn_status upload(struct cuda_self *self, struct cuda_pack *p, cuda_fill *fill, void *ctx,
                         struct syn_err *err)
{
    void *host = syn_calloc(1, p->bytes);
    syn_status st = host ? SYN_OK : syn_fail(err, SYN_NO_MEMORY, "weights: no memory");
    if (st == SYN_OK) st = cuda_status(self, cudaMalloc(&p->data, p->bytes), "weights", err);
    if (st == SYN_OK) {
        fill(ctx, host);
        st = cuda_status(self, cudaMemcpy(p->data, host, p->bytes, cudaMemcpyHostToDevice),
                         "weights", err);
    }
    syn_free(host);
    return st;
}

syn_status cuda_pack_get(struct cuda_self *self, const void *key, uint64_t form, size_t bytes,
                         cuda_fill *fill, void *ctx, struct cuda_pack **out, struct syn_err *err)
{
    struct cuda_pack *p;
    syn_status st = cuda_enter(self, err);
    if (st != SYN_OK) return st;
    for (p = self->packs; key && p; p = p->next)
        if (p->key == key && p->form == form && p->bytes == bytes) {
            p->refs++;
            *out = p;
            return SYN_OK;
        }
    if (!(p = syn_calloc(1, sizeof *p))) return syn_fail(err, SYN_NO_MEMORY, "weights: no memory");
    *p = (struct cuda_pack){.next = self->packs, .refs = 1, .key = key, .form = form,
                            .bytes = bytes};
    if ((st = upload(self, p, fill, ctx, err)) != SYN_OK) {
        (void)cudaFree(p->data);
        syn_free(p);
        return st;
    }
    self->packs = p;
    *out = p;
    return SYN_OK;
}

void cuda_pack_release(struct cuda_self *self, struct cuda_pack *p)
{
    if (!p || --p->refs > 0) return;
    for (struct cuda_pack **at = &self->packs; *at; at = &(*at)->next)
        if (*at == p) {
            *at = p->next;
            break;
        }
    if (cudaSetDevice(self->device) == cudaSuccess) (void)cudaFree(p->data);
    syn_free(p);
}
