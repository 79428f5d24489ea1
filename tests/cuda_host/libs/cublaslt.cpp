/* cublaslt.cpp - cuBLASLt's matmul as plain loops, queued in the stream like a kernel.
 *
 * Sums     in double in the order of k, rounded once to D's type after the epilogue.
 * Checks   what the library would refuse (shapes, types, leading dimensions, alignment, too small a
 *          workspace) and what it could not see: matrices that leave their memory block.
 * Links    to the runtime in the program that opens it: the program is linked with -rdynamic.
 * Layer:   tests. C++17. */
#include "../cublasLt.h"
#include "../half_bits.h"
#include "../runtime.h"
#include <cmath>
#include <cstring>

struct cublasLtContext {
    int device;
};
struct cublasLtMatmulDescOpaque {
    cublasComputeType_t compute;
    cudaDataType_t scale;
    int transposed[2]; /* cublasOperation_t of A and B */
    uint32_t epilogue;
    const void *bias;
    int bias_type; /* -1: D's */
};
struct cublasLtMatrixLayoutOpaque {
    uint32_t type, order;
    uint64_t rows, cols;
    int64_t ld;
    int32_t batches;
    int64_t stride;
};
struct cublasLtMatmulPreferenceOpaque {
    uint64_t workspace;
};
typedef struct cublasLtMatrixLayoutOpaque layout;

enum { WORKSPACE = 4096 }; /* what our one algorithm asks for, so that forgetting it shows */

/* --- objects --------------------------------------------------------------------------------- */

size_t cublasLtGetVersion(void) { return 130000; }

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    struct api_call call("cublasLtCreate");
    if (call.refused()) return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = new cublasLtContext{current_device()};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    *desc = new cublasLtMatmulDescOpaque{compute, scale, {0, 0}, CUBLASLT_EPILOGUE_DEFAULT,
                                         nullptr, -1};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType_t type,
                                          uint64_t rows, uint64_t cols, int64_t ld)
{
    *l = new layout{(uint32_t)type, CUBLASLT_ORDER_COL, rows, cols, ld, 1, 0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
    delete l;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *pref)
{
    *pref = new cublasLtMatmulPreferenceOpaque{0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t pref)
{
    delete pref;
    return CUBLAS_STATUS_SUCCESS;
}

/* --- attributes: each has one size, and another is refused ----------------------------------- */

static cublasStatus_t take(void *to, size_t size, const void *value, size_t bytes)
{
    if (!value || bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(to, value, size);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                              cublasLtMatmulDescAttributes_t attr,
                                              const void *value, size_t bytes)
{
    switch (attr) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(&d->transposed[0], 4, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(&d->transposed[1], 4, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(&d->epilogue, 4, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(&d->bias, sizeof d->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return take(&d->bias_type, 4, value, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l,
                                                cublasLtMatrixLayoutAttribute_t attr,
                                                const void *value, size_t bytes)
{
    switch (attr) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE: return take(&l->type, 4, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ORDER: return take(&l->order, 4, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS: return take(&l->rows, 8, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS: return take(&l->cols, 8, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD: return take(&l->ld, 8, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return take(&l->batches, 4, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return take(&l->stride, 8, value, bytes);
    }
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t attr,
                                                    const void *value, size_t bytes)
{
    if (attr != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return CUBLAS_STATUS_NOT_SUPPORTED;
    return take(&p->workspace, 8, value, bytes);
}

/* --- what can be multiplied ------------------------------------------------------------------ */

static size_t size_of(uint32_t type) { return type == CUDA_R_32F ? 4 : 2; }
static bool is_type(uint32_t t) { return t == CUDA_R_32F || t == CUDA_R_16F || t == CUDA_R_16BF; }

static bool fits(const layout *l)
{
    uint64_t inner = l->order == CUBLASLT_ORDER_COL ? l->rows : l->cols;
    return l->order <= CUBLASLT_ORDER_ROW && l->ld > 0 && (uint64_t)l->ld >= inner &&
           l->batches > 0 && l->rows > 0 && l->cols > 0;
}

static uint64_t rows_of(const layout *l, int op) { return op ? l->cols : l->rows; }
static uint64_t cols_of(const layout *l, int op) { return op ? l->rows : l->cols; }

static cublasStatus_t check(const struct cublasLtMatmulDescOpaque *m, const layout *a,
                            const layout *b, const layout *c, const layout *d)
{
    int ta = m->transposed[0], tb = m->transposed[1];
    uint32_t known = CUBLASLT_EPILOGUE_RELU_BIAS | CUBLASLT_EPILOGUE_GELU_BIAS |
                     CUBLASLT_EPILOGUE_DEFAULT;
    if (!fits(a) || !fits(b) || !fits(c) || !fits(d)) return CUBLAS_STATUS_INVALID_VALUE;
    if (rows_of(a, ta) != d->rows || cols_of(b, tb) != d->cols ||
        cols_of(a, ta) != rows_of(b, tb) || c->rows != d->rows || c->cols != d->cols)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (a->batches != d->batches || b->batches != d->batches || c->batches != d->batches)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!is_type(a->type) || b->type != a->type || c->type != d->type || !is_type(d->type) ||
        (d->type != a->type && d->type != CUDA_R_32F))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (m->compute == CUBLAS_COMPUTE_16F || m->scale != CUDA_R_32F || (m->epilogue & ~known))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    /* The bias runs along D's rows, which the library offers for columns in memory only. */
    if ((m->epilogue & CUBLASLT_EPILOGUE_BIAS) && d->order != CUBLASLT_ORDER_COL)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t pref, int requested, cublasLtMatmulHeuristicResult_t *results,
    int *returned)
{
    *returned = 0;
    if (!handle || requested < 1) return CUBLAS_STATUS_INVALID_VALUE;
    cublasStatus_t st = check(desc, a, b, c, d);
    if (st != CUBLAS_STATUS_SUCCESS) return st;
    if (pref->workspace < WORKSPACE) return CUBLAS_STATUS_NOT_SUPPORTED;
    results[0] = {{{0x5359}}, WORKSPACE, CUBLAS_STATUS_SUCCESS, 1.0f, {0, 0, 0, 0}};
    *returned = 1;
    return CUBLAS_STATUS_SUCCESS;
}

/* --- multiplying ----------------------------------------------------------------------------- */

struct matrix {
    layout l;
    char *p;
};

static size_t place(const layout *l, int batch, uint64_t row, uint64_t col)
{
    bool by_col = l->order == CUBLASLT_ORDER_COL;
    int64_t at = by_col ? (int64_t)col * l->ld + (int64_t)row : (int64_t)row * l->ld + (int64_t)col;
    return (size_t)(batch * l->stride + at);
}

static float load(uint32_t type, const char *p, size_t at)
{
    uint16_t half;
    float x;
    memcpy(&half, p + 2 * at, type == CUDA_R_32F ? 0 : 2);
    if (type == CUDA_R_32F) memcpy(&x, p + 4 * at, 4);
    else
        x = type == CUDA_R_16F ? half_to_float(half) : bf16_to_float(half);
    return x;
}

static void store(uint32_t type, char *p, size_t at, double value)
{
    float x = (float)value;
    uint16_t half = type == CUDA_R_16F ? half_from_float(x) : bf16_from_float(x);
    if (type == CUDA_R_32F) memcpy(p + 4 * at, &x, 4);
    else
        memcpy(p + 2 * at, &half, 2);
}

/* The library's GELU is the one by tanh. */
static double epilogue(uint32_t kind, double x)
{
    if (kind & CUBLASLT_EPILOGUE_RELU) return x > 0 || x != x ? x : 0;
    if (kind & CUBLASLT_EPILOGUE_GELU)
        return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    return x;
}

struct product {
    struct cublasLtMatmulDescOpaque m;
    struct matrix a, b, c, d;
    float alpha, beta;
};

static double dot(const struct product *p, int batch, uint64_t row, uint64_t col)
{
    int ta = p->m.transposed[0], tb = p->m.transposed[1];
    uint64_t depth = cols_of(&p->a.l, ta);
    double sum = 0;
    for (uint64_t k = 0; k < depth; k++) {
        size_t at_a = place(&p->a.l, batch, ta ? k : row, ta ? row : k);
        size_t at_b = place(&p->b.l, batch, tb ? col : k, tb ? k : col);
        sum += (double)load(p->a.l.type, p->a.p, at_a) * (double)load(p->b.l.type, p->b.p, at_b);
    }
    return sum;
}

static void multiply(const struct product *p)
{
    bool biased = p->m.epilogue & CUBLASLT_EPILOGUE_BIAS;
    uint32_t bias_type = p->m.bias_type < 0 ? p->d.l.type : (uint32_t)p->m.bias_type;
    for (int batch = 0; batch < p->d.l.batches; batch++)
        for (uint64_t col = 0; col < p->d.l.cols; col++)
            for (uint64_t row = 0; row < p->d.l.rows; row++) {
                double x = (double)p->alpha * dot(p, batch, row, col);
                if (p->beta != 0)
                    x += (double)p->beta *
                         (double)load(p->c.l.type, p->c.p, place(&p->c.l, batch, row, col));
                if (biased) x += (double)load(bias_type, (const char *)p->m.bias, row);
                store(p->d.l.type, p->d.p, place(&p->d.l, batch, row, col),
                      epilogue(p->m.epilogue, x));
            }
}

static bool lies_well(const struct matrix *x)
{
    size_t last = place(&x->l, x->l.batches - 1, x->l.rows - 1, x->l.cols - 1);
    size_t bytes = (last + 1) * size_of(x->l.type);
    if ((uintptr_t)x->p % 16 == 0 && memory_holds(DEVICE_BLOCK, x->p, bytes)) return true;
    fault_record("cublasLtMatmul: %zu bytes from %s, aligned to 16?", bytes,
                 memory_describe(x->p).c_str());
    return false;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
                              const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout,
                              const void *b, cublasLtMatrixLayout_t b_layout, const void *beta,
                              const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream)
{
    struct api_call call("cublasLtMatmul");
    if (call.refused()) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (!handle || !desc || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
    cublasStatus_t st = check(desc, a_layout, b_layout, c_layout, d_layout);
    if (st != CUBLAS_STATUS_SUCCESS) return st;
    if (algo && (workspace_bytes < WORKSPACE ||
                 !memory_holds(DEVICE_BLOCK, workspace, WORKSPACE)))
        return CUBLAS_STATUS_INVALID_VALUE;
    struct product p = {*desc, {*a_layout, (char *)const_cast<void *>(a)},
                        {*b_layout, (char *)const_cast<void *>(b)},
                        {*c_layout, (char *)const_cast<void *>(c)}, {*d_layout, (char *)d},
                        *(const float *)alpha, *(const float *)beta};
    if (!lies_well(&p.a) || !lies_well(&p.b) || !lies_well(&p.d) ||
        (p.beta != 0 && !lies_well(&p.c)))
        return CUBLAS_STATUS_INVALID_VALUE;
    if ((desc->epilogue & CUBLASLT_EPILOGUE_BIAS) && !memory_holds(DEVICE_BLOCK, desc->bias, 2))
        return CUBLAS_STATUS_INVALID_VALUE;
    cudaError_t e = stream_enqueue(stream, "cublasLtMatmul", [p] { multiply(&p); }, nullptr,
                                   nullptr);
    return call.end(e) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
