/* cuda_types.h - the types of CUDA's runtime API, as far as the backend uses them.
 *
 * Source:  CUDA Runtime API 13.0; numbers of errors and attributes are CUDA's own.
 * Layer:   tests. C11 and C++17; reached through cuda_runtime.h. */
#ifndef CUDA_HOST_TYPES_H
#define CUDA_HOST_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUDART_VERSION 13000

/* X(name, number, words). The enum, cudaGetErrorName and cudaGetErrorString come from here. */
#define CUDA_HOST_ERRORS(X)                                                              \
    X(cudaSuccess, 0, "no error")                                                        \
    X(cudaErrorInvalidValue, 1, "invalid argument")                                      \
    X(cudaErrorMemoryAllocation, 2, "out of memory")                                     \
    X(cudaErrorInitializationError, 3, "initialization error")                           \
    X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                \
    X(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")          \
    X(cudaErrorInsufficientDriver, 35, "CUDA driver version is insufficient")            \
    X(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                     \
    X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                      \
    X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                             \
    X(cudaErrorNoKernelImageForDevice, 209, "no kernel image is available for execution") \
    X(cudaErrorECCUncorrectable, 214, "uncorrectable ECC error encountered")             \
    X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                    \
    X(cudaErrorSymbolNotFound, 500, "named symbol not found")                            \
    X(cudaErrorNotReady, 600, "device not ready")                                        \
    X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")          \
    X(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")     \
    X(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")            \
    X(cudaErrorAssert, 710, "device-side assert triggered")                              \
    X(cudaErrorHostMemoryAlreadyRegistered, 712, "part of the memory is registered")     \
    X(cudaErrorHostMemoryNotRegistered, 713, "pointer is not registered")                \
    X(cudaErrorHardwareStackError, 714, "hardware stack error")                          \
    X(cudaErrorIllegalInstruction, 715, "an illegal instruction was encountered")        \
    X(cudaErrorMisalignedAddress, 716, "misaligned address")                             \
    X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                         \
    X(cudaErrorNotPermitted, 800, "operation not permitted")                             \
    X(cudaErrorNotSupported, 801, "operation not supported")                             \
    X(cudaErrorStreamCaptureUnsupported, 900, "not permitted when stream is capturing")  \
    X(cudaErrorStreamCaptureInvalidated, 901, "capture failed due to a previous error")  \
    X(cudaErrorStreamCaptureMerge, 902, "would have merged two capture sequences")       \
    X(cudaErrorStreamCaptureUnmatched, 903, "the capture was not begun in this stream")  \
    X(cudaErrorStreamCaptureUnjoined, 904, "capturing stream has unjoined work")         \
    X(cudaErrorStreamCaptureIsolation, 905, "dependency crosses the capture's border")   \
    X(cudaErrorStreamCaptureImplicit, 906, "would depend on uncaptured work (legacy)")   \
    X(cudaErrorCapturedEvent, 907, "not permitted on an event recorded while capturing") \
    X(cudaErrorStreamCaptureWrongThread, 908, "ended by another thread")                 \
    X(cudaErrorGraphExecUpdateFailure, 910, "the graph update was not performed")        \
    X(cudaErrorUnknown, 999, "unknown error")

typedef enum cudaError {
#define CUDA_HOST_ENUM(name, number, words) name = number,
    CUDA_HOST_ERRORS(CUDA_HOST_ENUM)
#undef CUDA_HOST_ENUM
} cudaError_t;

enum cudaMemcpyKind {
    cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice, cudaMemcpyDefault
};

enum {
    cudaHostAllocDefault = 0, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2,
    cudaHostAllocWriteCombined = 4,
    cudaStreamDefault = 0, cudaStreamNonBlocking = 1,
    cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2,
    cudaEventRecordDefault = 0, cudaEventWaitDefault = 0,
    cudaDeviceScheduleAuto = 0, cudaDeviceScheduleSpin = 1, cudaDeviceScheduleYield = 2,
    cudaDeviceScheduleBlockingSync = 4
};

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;
typedef struct CUgraphNode_st *cudaGraphNode_t;
typedef struct CUmemPoolHandle_st *cudaMemPool_t;
typedef void (*cudaHostFn_t)(void *user);

#define cudaStreamLegacy ((cudaStream_t)0x1)
#define cudaStreamPerThread ((cudaStream_t)0x2)

enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed
};
enum cudaStreamCaptureStatus {
    cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive,
    cudaStreamCaptureStatusInvalidated
};
enum cudaGraphExecUpdateResult {
    cudaGraphExecUpdateSuccess, cudaGraphExecUpdateError,
    cudaGraphExecUpdateErrorTopologyChanged, cudaGraphExecUpdateErrorNodeTypeChanged,
    cudaGraphExecUpdateErrorFunctionChanged, cudaGraphExecUpdateErrorParametersChanged,
    cudaGraphExecUpdateErrorNotSupported
};
typedef struct cudaGraphExecUpdateResultInfo_st {
    enum cudaGraphExecUpdateResult result;
    cudaGraphNode_t errorNode, errorFromNode;
} cudaGraphExecUpdateResultInfo;

enum cudaFuncAttribute {
    cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
    cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum { cudaSharedmemCarveoutDefault = -1, cudaSharedmemCarveoutMaxShared = 100 };
struct cudaFuncAttributes {
    size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
    int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, cacheModeCA;
    int maxDynamicSharedSizeBytes, preferredShmemCarveout;
};

enum cudaMemoryType {
    cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice, cudaMemoryTypeManaged
};
struct cudaPointerAttributes {
    enum cudaMemoryType type;
    int device;
    void *devicePointer, *hostPointer;
};

enum cudaDeviceAttr {
    cudaDevAttrMaxThreadsPerBlock = 1,
    cudaDevAttrMaxSharedMemoryPerBlock = 8,
    cudaDevAttrWarpSize = 10,
    cudaDevAttrMaxRegistersPerBlock = 12,
    cudaDevAttrClockRate = 13,
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrIntegrated = 18,
    cudaDevAttrPciBusId = 33,
    cudaDevAttrPciDeviceId = 34,
    cudaDevAttrMemoryClockRate = 36,
    cudaDevAttrGlobalMemoryBusWidth = 37,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrMaxThreadsPerMultiProcessor = 39,
    cudaDevAttrAsyncEngineCount = 40,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
    cudaDevAttrMaxRegistersPerMultiprocessor = 82,
    cudaDevAttrCooperativeLaunch = 95,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
    cudaDevAttrMaxBlocksPerMultiprocessor = 106,
    cudaDevAttrReservedSharedMemoryPerBlock = 111,
    cudaDevAttrMemoryPoolsSupported = 115
};

struct cudaUUID {
    char bytes[16];
};
struct cudaDeviceProp {
    char name[256];
    struct cudaUUID uuid;
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerMultiprocessor, sharedMemPerBlockOptin;
    size_t reservedSharedMemPerBlock, totalConstMem;
    int regsPerBlock, regsPerMultiprocessor, warpSize, maxThreadsPerBlock;
    int maxThreadsPerMultiProcessor, maxBlocksPerMultiProcessor;
    int maxThreadsDim[3], maxGridSize[3];
    int major, minor, multiProcessorCount, memoryBusWidth, l2CacheSize;
    int integrated, concurrentKernels, asyncEngineCount, unifiedAddressing, memoryPoolsSupported;
    int ECCEnabled, pciBusID, pciDeviceID, pciDomainID, canMapHostMemory, cooperativeLaunch;
};

#endif
