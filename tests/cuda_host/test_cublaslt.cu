/* test_cublaslt.cu - the stand-in for cuBLASLt, opened by name as the backend opens the real one. */
#include "tests/cuda_host/cuda_t.h"
#ifdef SYN_CUDA_HOST
#include "tests/cuda_host/cublasLt.h"
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <dlfcn.h>
#include <string.h>

static void *library;
#define FN(name) ((decltype(&name))dlsym(library, #name))
#define LT(call) T_CHECK((call) == CUBLAS_STATUS_SUCCESS, "%s", #call)

static cublasLtHandle_t handle;
static char *d_work;
enum { WORK = 4096, M = 5, N = 7, K = 9, BATCH = 2 };

static cublasLtMatrixLayout_t layout(cudaDataType_t type, uint64_t rows, uint64_t cols,
                                     bool by_row)
{
    cublasLtMatrixLayout_t l = nullptr;
    int32_t order = by_row ? CUBLASLT_ORDER_ROW : CUBLASLT_ORDER_COL, batches = BATCH;
    int64_t stride = 128;
    LT(FN(cublasLtMatrixLayoutCreate)(&l, type, rows, cols, (int64_t)(by_row ? cols : rows) + 3));
    auto set = FN(cublasLtMatrixLayoutSetAttribute);
    LT(set(l, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof order));
    LT(set(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches));
    LT(set(l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride));
    return l;
}

static size_t place(int batch, int row, int col, int rows, int cols, bool by_row)
{
    return (size_t)(128 * batch + (by_row ? row * (cols + 3) + col : col * (rows + 3) + row));
}

struct problem {
    bool ta, tb, by_row; /* by_row: A, B and D */
    uint32_t epilogue;
    float alpha, beta;
};

/* Small integers: exact in every type but for GELU. */
template <class T> static void test_product(cudaDataType_t type, struct problem p)
{
    T a[256], b[256], c[256], bias[M];
    int ar = p.ta ? K : M, ac = p.ta ? M : K, br = p.tb ? N : K, bc = p.tb ? K : N, good = 0;
    for (int i = 0; i < 256; i++) {
        a[i] = T((float)(i % 7 - 3)), b[i] = T((float)(i % 5 - 2)), c[i] = T((float)(i % 11));
        if (i < M) bias[i] = T((float)(i + 1));
    }
    T *d_a = put(a, 256), *d_b = put(b, 256), *d_c = put(c, 256), *d_bias = put(bias, M), y[256];
    cublasLtMatmulDesc_t m;
    cublasLtMatmulPreference_t pref;
    cublasLtMatmulHeuristicResult_t best;
    int ta = p.ta, tb = p.tb, n = 0;
    uint64_t work = WORK;
    LT(FN(cublasLtMatmulDescCreate)(&m, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    auto set = FN(cublasLtMatmulDescSetAttribute);
    LT(set(m, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof ta));
    LT(set(m, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof tb));
    LT(set(m, CUBLASLT_MATMUL_DESC_EPILOGUE, &p.epilogue, sizeof p.epilogue));
    LT(set(m, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &d_bias, sizeof d_bias));
    cublasLtMatrixLayout_t la = layout(type, (uint64_t)ar, (uint64_t)ac, p.by_row),
                           lb = layout(type, (uint64_t)br, (uint64_t)bc, p.by_row),
                           ld = layout(type, M, N, p.by_row);
    LT(FN(cublasLtMatmulPreferenceCreate)(&pref));
    LT(FN(cublasLtMatmulPreferenceSetAttribute)(pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                &work, sizeof work));
    LT(FN(cublasLtMatmulAlgoGetHeuristic)(handle, m, la, lb, ld, ld, pref, 1, &best, &n));
    LT(FN(cublasLtMatmul)(handle, m, &p.alpha, d_a, la, d_b, lb, &p.beta, d_c, ld, d_c, ld,
                          &best.algo, d_work, WORK, 0));
    get(y, d_c, 256);
    for (int q = 0; q < BATCH; q++)
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                double want = 0;
                size_t at = place(q, i, j, M, N, p.by_row);
                for (int k = 0; k < K; k++) {
                    size_t in_a = place(q, p.ta ? k : i, p.ta ? i : k, ar, ac, p.by_row);
                    size_t in_b = place(q, p.tb ? j : k, p.tb ? k : j, br, bc, p.by_row);
                    want += (double)(float)a[in_a] * (double)(float)b[in_b];
                }
                want = p.alpha * want + p.beta * (double)(float)c[at];
                if (p.epilogue & CUBLASLT_EPILOGUE_BIAS) want += i + 1;
                if (p.epilogue & CUBLASLT_EPILOGUE_RELU) want = want > 0 ? want : 0;
                good += (float)y[at] == (float)want;
            }
    T_CHECK(n == 1 && good == M * N * BATCH, "%d of %d right", good, M * N * BATCH);
    LT(FN(cublasLtMatrixLayoutDestroy)(la)), LT(FN(cublasLtMatrixLayoutDestroy)(lb));
    LT(FN(cublasLtMatrixLayoutDestroy)(ld)), LT(FN(cublasLtMatmulDescDestroy)(m));
    LT(FN(cublasLtMatmulPreferenceDestroy)(pref));
    MUST(cudaFree(d_a)), MUST(cudaFree(d_b)), MUST(cudaFree(d_c)), MUST(cudaFree(d_bias));
}

template <class T> static void test_type(cudaDataType_t type)
{
    for (int i = 0; i < 8; i++)
        test_product<T>(type, {(i & 1) != 0, (i & 2) != 0, (i & 4) != 0, CUBLASLT_EPILOGUE_DEFAULT,
                               1.0f, i & 1 ? 2.0f : 0.0f});
    test_product<T>(type, {true, false, false, CUBLASLT_EPILOGUE_BIAS, 2.0f, 0.0f});
    test_product<T>(type, {true, false, false, CUBLASLT_EPILOGUE_RELU_BIAS, 1.0f, 1.0f});
}

int main(void)
{
    library = dlopen("libcublasLt.so.13", RTLD_NOW);
    T_CHECK(library != nullptr, "%s", dlerror());
    if (!library) return t_report();
    LT(FN(cublasLtCreate)(&handle));
    d_work = device_zeros<char>(WORK);
    test_type<float>(CUDA_R_32F), test_type<__half>(CUDA_R_16F);
    test_type<__nv_bfloat16>(CUDA_R_16BF);
    MUST(cudaFree(d_work));
    LT(FN(cublasLtDestroy)(handle));
    check_clean();
    return t_report();
}
#endif
