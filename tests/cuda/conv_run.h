/* conv_run.h - the second half of conv_case.h: on the device, and held against the truth. */
#ifndef CUDA_CONV_RUN_H
#define CUDA_CONV_RUN_H

/* What lies in device memory for a case. */
struct conv_device {
    struct conv_picture x, y, res1, res2;
    std::vector<void *> more;
};

/* count numbers and zeros up to the next multiple of 8. */
static inline float *conv_channels(struct conv_device *dev, std::vector<float> v)
{
    if (v.empty()) return NULL;
    v.resize((v.size() + 7) / 8 * 8, 0);
    float *d = put(v.data(), v.size());
    dev->more.push_back(d);
    return d;
}

static inline void *conv_weights(struct conv_device *dev, const struct conv_case *t,
                                 const struct cuda_conv *c, const struct conv_data *d,
                                 const char *what)
{
    const size_t bytes = cuda_conv_packed_bytes(t->way, c);
    std::vector<unsigned char> packed(bytes + 64, 0xa5);
    size_t torn = 0;
    cuda_conv_pack(t->way, c, d->w.data(), packed.data());
    for (size_t i = bytes; i < packed.size(); i++) torn += packed[i] != 0xa5;
    T_CHECK(torn == 0, "%s: packing wrote %zu bytes too many", what, torn);
    unsigned char *w = put(packed.data(), bytes);
    dev->more.push_back(w);
    return w;
}

static inline struct cuda_conv conv_struct(const struct conv_case *t)
{
    struct cuda_conv c = {};
    c.group = t->group, c.kh = t->kh, c.kw = t->kw;
    c.stride_h = t->stride[0], c.stride_w = t->stride[1];
    c.dil_h = t->dil[0], c.dil_w = t->dil[1];
    c.top = t->pad[0], c.left = t->pad[1];
    c.transposed = t->transposed;
    c.act = t->act, c.act_a = t->act_a, c.act_b = t->act_b;
    c.alpha = t->alpha, c.beta1 = t->beta1, c.beta2 = t->beta2;
    c.split = t->split;
    return c;
}

/* Takes everything to the device and fills in c. */
static inline void conv_upload(const struct conv_case *t, const struct conv_data *d, int ho, int wo,
                               struct conv_device *dev, struct cuda_conv *c, const char *what)
{
    *c = conv_struct(t);
    dev->x = conv_picture_of(t, t->x, t->n, t->ci, t->h, t->w, d->x.data());
    dev->y = conv_picture_of(t, t->y, t->n, t->co, ho, wo, NULL);
    dev->res1.buffer = dev->res2.buffer = NULL;
    if (!d->res1.empty())
        dev->res1 = conv_picture_of(t, t->res1, t->n, t->co, ho, wo, d->res1.data());
    if (!d->res2.empty())
        dev->res2 = conv_picture_of(t, t->res2, t->n, t->co, ho, wo, d->res2.data());
    c->x = dev->x.view, c->y = dev->y.view;
    if (dev->res1.buffer) c->res1 = dev->res1.view;
    if (dev->res2.buffer) c->res2 = dev->res2.view;
    c->bias = conv_channels(dev, d->bias);
    c->slope = conv_channels(dev, d->slope);
    c->weights = conv_weights(dev, t, c, d, what);
    const size_t scratch = cuda_conv_scratch(t->way, c);
    T_CHECK((scratch > 0) == (t->split > 1), "%s: %zu bytes of scratch", what, scratch);
    if (scratch) {
        float *partial = NULL;
        MUST(cudaMalloc(&partial, scratch));
        dev->more.push_back(partial);
        c->partial = partial;
    }
}

static inline void conv_drop(struct conv_device *dev)
{
    char *const buffer[] = {dev->x.buffer, dev->y.buffer, dev->res1.buffer, dev->res2.buffer};
    for (char *b : buffer) MUST(cudaFree(b));
    for (void *p : dev->more) MUST(cudaFree(p));
}

/* y's buffer after a run from canaries. */
static inline std::vector<unsigned char> conv_once(const struct conv_case *t,
                                                   struct conv_device *dev,
                                                   const struct cuda_conv *c, const char *what)
{
    std::vector<unsigned char> out(dev->y.host.size());
    struct syn_err err;
    MUST(cudaMemcpy(dev->y.buffer, dev->y.host.data(), out.size(), cudaMemcpyHostToDevice));
    const syn_status st = cuda_conv_launch(t->way, c, NULL, &err);
    T_CHECK(st == SYN_OK, "%s: launch: %s", what, syn_status_word(st));
    get((char *)out.data(), dev->y.buffer, out.size());
    return out;
}

/* How far number i, of channel ch, may be off: twice the bound of plain code (conv_case.h). */
static inline double conv_bound(const struct conv_case *t, const struct conv_data *d,
                                const struct conv_truth *truth, int64_t i, int ch)
{
    const double u = 0x1p-24, k = (double)(t->ci / t->group) * t->kh * t->kw;
    const double low = t->act == SYN_ACT_LEAKY ? (double)fabsf(t->act_a)
                       : t->act == SYN_ACT_PRELU ? (double)fabsf(d->slope[(size_t)ch]) : 0;
    const double slope = low > 1 ? low : 1, alpha = (double)fabsf(t->alpha);
    const double sum = (k + 8) * u * (double)truth->mag[(size_t)i] * slope * alpha;
    double after = fabs((double)truth->y[(size_t)i]) + alpha; /* sigmoid and clip: about 1 */
    if (!d->res1.empty()) after += fabs((double)t->beta1 * (double)d->res1[(size_t)i]);
    if (!d->res2.empty()) after += fabs((double)t->beta2 * (double)d->res2[(size_t)i]);
    if (t->act != SYN_ACT_SIGMOID && t->act != SYN_ACT_CLIP) after -= alpha;
    return 2 * (sum + 4 * u * after + 0x1p-25 + /* the last: f16 below its normal numbers */
                conv_unit(t->y) * fabs((double)truth->y[(size_t)i]));
}

static inline void conv_compare(const struct conv_case *t, const struct conv_data *d,
                                const struct conv_truth *truth, const struct conv_picture *y,
                                const std::vector<unsigned char> &out, const char *what)
{
    const int64_t plane = (int64_t)truth->ho * truth->wo;
    const int padded = (t->co + 7) / 8 * 8;
    const size_t size = conv_bytes(t->y);
    std::vector<unsigned char> rest = out; /* becomes what must be canaries still */
    int64_t good = 0, all = 0, first = -1, zeros = 0, pads = 0;
    float got_first = 0;
    size_t torn = 0;
    for (int64_t pixel = 0; pixel < t->n * plane; pixel++)
        for (int ch = 0; ch < padded; ch++) {
            const size_t at = conv_at(y, pixel, ch);
            const float got = conv_read(&out[at], t->y);
            memset(&rest[at], 0x5a, size);
            if (ch >= t->co) {
                zeros += got == 0, pads++;
                continue;
            }
            const int64_t i = (pixel / plane * t->co + ch) * plane + pixel % plane;
            const bool near = fabs((double)got - (double)truth->y[(size_t)i]) <=
                              conv_bound(t, d, truth, i, ch);
            if (!near && first < 0) first = i, got_first = got;
            good += near, all++;
        }
    for (unsigned char b : rest) torn += b != 0x5a;
    T_CHECK(good == all, "%s: %lld of %lld right, first wrong [%lld] = %.9g, expected %.9g", what,
            (long long)good, (long long)all, (long long)first, (double)got_first,
            first < 0 ? 0 : (double)truth->y[(size_t)first]);
    T_CHECK(zeros == pads, "%s: %lld of %lld channels past c are zero", what, (long long)zeros,
            (long long)pads);
    T_CHECK(torn == 0, "%s: %zu bytes beside the view were written", what, torn);
}

static inline void conv_case_run(const struct conv_case *t, const char *what)
{
    static uint64_t seed = 1;
    struct conv_data d;
    struct conv_truth truth;
    struct conv_device dev;
    struct cuda_conv c;
    truth.ho = truth.wo = 0;
    if (!conv_make(t, seed += 10, &d, &truth, what)) return;
    conv_upload(t, &d, truth.ho, truth.wo, &dev, &c, what);
    T_CHECK(cuda_conv_takes(t->way, &c), "%s: not taken", what);
    const std::vector<unsigned char> once = conv_once(t, &dev, &c, what),
                                     again = conv_once(t, &dev, &c, what);
    T_CHECK(once == again, "%s: two runs differ", what);
    conv_compare(t, &d, &truth, &dev.y, once, what);
    conv_drop(&dev);
#ifdef SYN_CUDA_HOST
    T_CHECK(cuda_host_fault()[0] == 0, "%s: %s", what, cuda_host_fault());
    cuda_host_reset();
#endif
}

#endif
